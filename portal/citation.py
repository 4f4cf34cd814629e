"""How to cite an artifact: a sentence, BibTeX and CSL JSON, all from the same facts."""

from __future__ import annotations

import re

from portal.entry import Citation, Csl, Entry
from portal.record import CitationText

__all__ = ["citation_of"]

_TEX = {c: "\\" + c for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in re.sub(r"\s+", " ", text))


def _name(author: str) -> dict[str, str]:
    """`Doe, Jane` is a person in CSL; anything without a comma is taken whole."""
    family, comma, given = author.partition(",")
    if comma:
        return {"family": family.strip(), "given": given.strip()}
    return {"literal": author.strip()}


def _written(name: dict[str, str]) -> str:
    """A CSL name as people write it."""
    personal = ", ".join(p for p in (name.get("family"), name.get("given")) if p)
    return name.get("literal") or personal


def citation_of(entry: Entry, *, published: str | None, page: str | None) -> CitationText:
    """The citation of `entry`: what the curator gave, completed by title, year and address."""
    given = entry.citation or Citation()
    own = given.csl or Csl()
    title = given.title or own.title or entry.title
    names = [_name(a) for a in given.authors] or [
        {k: v for k, v in (("family", n.family), ("given", n.given), ("literal", n.literal)) if v}
        for n in own.author
    ]
    authors = list(given.authors) or [_written(n) for n in names]
    publisher = given.publisher or own.publisher
    parts = own.issued.parts
    year = given.year or (parts[0][0] if parts and parts[0] else None)
    year = year or (int(published[:4]) if published else None)
    doi = given.doi or own.DOI or None
    pmid = given.pmid
    url = (f"https://doi.org/{doi}" if doi else None) or given.url or own.URL or page
    version = entry.versions[-1].version if entry.versions else None

    csl = {
        "type": "dataset",
        "id": entry.id,
        "title": title,
        **({"author": names} if names else {}),
        **({"publisher": publisher} if publisher else {}),
        **({"issued": {"date-parts": [[year]]}} if year else {}),
        **({"DOI": doi} if doi else {}),
        **({"PMID": pmid} if pmid else {}),
        **({"URL": url} if url else {}),
        **({"version": version} if version else {}),
        **own.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }
    who = _people(authors) or publisher
    sentence = [
        f"{who}{f' ({year})' if year else ''}." if who else (f"({year})." if year else ""),
        f"{title}.",
        f"{publisher}." if publisher and who != publisher else "",
        f"Version {version}." if version else "",
        url or "",
    ]
    fields = {
        "title": "{" + _tex(title) + "}",
        "author": " and ".join(_tex(a) for a in authors),
        "publisher": _tex(publisher),
        "year": str(year) if year else "",
        "doi": _tex(str(doi)) if doi else "",
        "url": url or "",
        "version": _tex(version) if version else "",
    }
    bibtex = (
        f"@misc{{{entry.id},\n"
        + "".join(f"  {k} = {{{v}}},\n" for k, v in fields.items() if v)
        + "}"
    )
    return CitationText(
        text=" ".join(p for p in sentence if p), bibtex=bibtex, csl=csl, doi=doi, pmid=pmid, url=url
    )


def _people(authors: list[str]) -> str:
    """Up to three names, then et al."""
    short = [a.strip() for a in authors]
    if len(short) > 3:
        return f"{short[0]} et al."
    return " and ".join(filter(None, [", ".join(short[:-1]), short[-1] if short else ""]))
