"""Croissant records → `Foreign`s. One verb: `read_croissant`.

One file (an object, a list, a `@graph`, or NDJSON) or a folder of such files; schema.org's Dataset
in JSON-LD is read too, which Croissant builds on. The records of another portal come back whole;
of others, what has a place in an entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from portal.croissant import DECLARED_VERSION, in_short
from portal.entry import DOI, SLUG
from portal.errors import Problem, ProblemsError
from portal.foreign import Foreign, Left, is_blank
from portal.literals import allowed_value
from portal.resolve import Resolver
from portal.schema import Schema
from portal.tidy import shown
from portal.words import slugify, web_address

__all__ = ["read_croissant"]

MAX_BYTES = 100_000_000
_DOI_ADDRESS = re.compile(r"https?://(?:dx\.)?doi\.org/(10\..+)")
_ORCID_ADDRESS = re.compile(r"https?://orcid\.org/(\S+)")
_READ = frozenset(
    {
        *("@context", "@type", "@id", "conformsTo", "name", "description", "license", "url"),
        *("citeAs", "citation", "creator", "author", "publisher", "datePublished", "version"),
        *("identifier", "sameAs", "distribution", "isPartOf", "maintainer", "isBasedOn"),
        *("creativeWorkStatus", "additionalProperty", "isLiveDataset", "isAccessibleForFree"),
        *("keywords", "includedInDataCatalog", "recordSet"),
    }
)
"""Read here, or nothing that an entry would say: a record set is what a scan finds for itself."""
_PREFIX = re.compile(
    r"^(?:sc:|schema:|cr:|dct:|https?://schema\.org/|http://mlcommons\.org/croissant/)"
)


def read_croissant(file: Path, schema: Schema, resolver: Resolver) -> tuple[list[Foreign], Left]:
    """The data sets of a file or folder, and what of them has no place in an entry.

    Keywords become values of the field whose term they name. Raises ProblemsError for files that
    hold no data set.
    """
    left = Left()
    found = [
        _Reader(record, path, schema, resolver, left).read() for path, record in _records(file)
    ]
    if not found:
        raise _fault(file, "There is no data set (`@type: Dataset`) in it.")
    return found, left


def _fault(file: Path, what: str) -> ProblemsError:
    remedy = "Give a croissant.json, a list or lines of such records, or a folder of such files."
    problem = Problem(
        code="not-croissant", severity="error", where=str(file), what=what, remedy=remedy
    )
    return ProblemsError([problem])


def _records(file: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every data set with the file that it stands in."""
    files = [file]
    if file.is_dir():
        files = sorted(file.rglob("croissant.json"))
        files = files or sorted(
            p for e in ("json", "jsonld", "ndjson") for p in file.glob(f"*.{e}")
        )
    room = MAX_BYTES
    for path in files:
        try:
            room -= path.stat().st_size
            if room < 0:
                raise ValueError(f"More than {MAX_BYTES:,} bytes")
            text = path.read_text("utf-8-sig")
            for data in _documents(text, path):
                yield from ((path, record) for record in _data_sets(data))
        except OSError as e:
            raise _fault(path, f"Cannot be read: {e.strerror}.") from e
        except (ValueError, RecursionError) as e:
            raise _fault(path, f"Not JSON: {shown(str(e))}.") from e


def _documents(text: str, path: Path) -> list[Any]:
    if path.suffix in (".ndjson", ".jsonl"):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return [json.loads(text)]


def _data_sets(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, list):
        for item in data:
            yield from _data_sets(item)
    elif isinstance(data, dict):
        if "@graph" in data:
            yield from _data_sets(data["@graph"])
        elif any(_short(str(t)) == "Dataset" for t in _list(data.get("@type"))):
            yield {_short(key): value for key, value in data.items()}


def _short(name: str) -> str:
    """A key or type without the prefix of its vocabulary."""
    return _PREFIX.sub("", name)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if is_blank(value) else [value]


def _words(value: Any) -> str:
    """Text, also where it stands by language: English, else the first."""
    if isinstance(value, list):
        value = next((v for v in value if not isinstance(v, dict)), value[0] if value else "")
    if isinstance(value, dict):
        value = value.get("@value") or value.get("en") or next(iter(value.values()), "")
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _named(value: Any) -> str:
    """What a thing is called, be it text or an object with a name."""
    return _words(value.get("name")) if isinstance(value, dict) else _words(value)


class _Reader:
    """Reads one record."""

    def __init__(
        self,
        record: dict[str, Any],
        path: Path,
        schema: Schema,
        resolver: Resolver,
        left: Left,
    ) -> None:
        self.record, self.path, self.schema, self.resolver = record, path, schema, resolver
        self.left = left
        self.values: dict[str, list[Any]] = {}
        self.labels: dict[str, list[str]] = {}
        self.declared = ""
        """The version as its curator wrote it, where the record has it beside Croissant's."""

    def read(self) -> Foreign:
        record = self.record
        title = _words(record.get("name"))
        base, version = self._page(), _words(record.get("version"))
        identifiers = [_words(i) for i in _list(record.get("identifier"))]
        own = next((i for i in identifiers if "/" not in i and not DOI.fullmatch(i)), "")
        self._properties()
        version = self.declared or version
        date = _words(record.get("datePublished"))[:10]
        core = {
            "title": title,
            "description": self._description(title),
            "url": self._store(base),
            "page": next(filter(None, (web_address(_words(record.get("sameAs"))), base)), None),
            "license": self._license(),
            "citation": self._citation(title, identifiers, date),
            "contacts": [self._contact(m) for m in _list(record.get("maintainer"))],
            "versions": []
            if not version or version.startswith("0.0.0")
            else [{"version": version, **({"date": date} if date else {})}],
            "status": self._status(),
            "derived_from": [self._id_in(_words(b)) for b in _list(record.get("isBasedOn"))],
        }
        self._by_property()
        for name in sorted(record.keys() - _READ):
            if name not in self._known_properties:
                self.left.add_key(name)
        for item in _list(record.get("citation")) if not record.get("citeAs") else ():
            self.left.add(f"citation `{shown(_named(item), 60)}`: no place for free text")
        key = base or own or core["url"] or f"{self.path.name}:{title}"
        collections = dict(filter(None, map(self._collection, _list(record.get("isPartOf")))))
        return Foreign(
            key=str(key),
            name=own or title,
            core=core,
            values=self.values,
            collections=collections,
        )

    # Addresses

    def _page(self) -> str:
        return (
            web_address(_words(self.record.get("url")))
            or web_address(str(self.record.get("@id") or ""))
            or ""
        )

    def _store(self, base: str) -> str:
        """Where the store is: a distribution that says it is zarr, or is called so."""
        offers = [d for d in _list(self.record.get("distribution")) if isinstance(d, dict)]
        # A portal's own copy is a set of files at an address; the first home of the store wins.
        for offer in sorted(offers, key=lambda d: "FileSet" in str(d.get("@type"))):
            address = _words(offer.get("contentUrl") or offer.get("url"))
            kind = " ".join(map(str, _list(offer.get("encodingFormat"))))
            if "zarr" not in kind and not re.search(r"\.zarr(\.zip)?/?$", address):
                continue
            if "://" not in address and base:
                address = urljoin(base, address)
            if "://" in address:
                return address
            self.left.add(f"store `{shown(address, 80)}`: its address is relative to its site")
        for offer in offers if not any("zarr" in str(d) for d in offers) else ():
            address = shown(_words(offer.get("contentUrl")), 80)
            self.left.add(f"file `{address}`: no zarr store")
        return ""

    def _id_in(self, address: str) -> str:
        return address.rstrip("/").rpartition("/")[2]

    # What stands in one key

    def _description(self, title: str) -> str:
        """The description, but not the one that `portal.croissant` makes where there is none."""
        said = self.record.get("description")
        text = said if isinstance(said, str) else _words(said)
        return "" if text == in_short(title, self.labels) else text

    def _license(self) -> str:
        found = _list(self.record.get("license"))
        if len(found) > 1:
            self.left.add("`license`: more than one; the first is kept")
        first = found[0] if found else ""
        if isinstance(first, dict):
            return _words(first.get("url")) or _named(first)
        return _words(first)

    def _citation(self, title: str, identifiers: list[str], date: str) -> dict[str, Any]:
        bibtex = _bibtex(_words(self.record.get("citeAs")))
        if self.record.get("citeAs") and not bibtex:
            self.left.add("`citeAs`: not BibTeX, so not read")
        dois = (m[1] for i in identifiers if (m := _DOI_ADDRESS.fullmatch(i)))
        doi = bibtex.get("doi") or next(dois, None)
        creators = [
            _named(c) for c in _list(self.record.get("creator") or self.record.get("author"))
        ]
        authors = [a for a in bibtex.get("author", "").split(" and ") if a]
        year = bibtex.get("year") or date[:4]
        cited = bibtex.get("title", "")
        url = bibtex.get("url", "")
        return {
            "doi": doi,
            "authors": authors or [c for c in creators if c],
            "title": cited if cited != title else "",
            "publisher": _named(self.record.get("publisher")) or bibtex.get("publisher"),
            "year": int(year) if year.isdecimal() else None,
            "url": url if doi is None or url != f"https://doi.org/{doi}" else None,
        }

    def _collection(self, part: Any) -> tuple[str, str] | None:
        slug = _words(part.get("identifier")) if isinstance(part, dict) else ""
        slug = slug if SLUG.fullmatch(slug) else slugify(_named(part))
        return (slug, _named(part) or slug) if slug else None

    def _contact(self, person: Any) -> dict[str, Any]:
        about = person if isinstance(person, dict) else {}
        orcid = _ORCID_ADDRESS.fullmatch(_words(about.get("identifier")))
        address = _words(about.get("contactPoint")) or _words(about.get("email"))
        said = {"name": _named(person), "orcid": orcid and orcid[1], "address": address}
        return {k: v for k, v in said.items() if v}

    def _status(self) -> str | None:
        status = _words(self.record.get("creativeWorkStatus"))
        if status in ("announced", "withdrawn"):
            return status
        if status:
            self.left.add(f"`creativeWorkStatus` {shown(status, 40)}: no place for it")
        return None

    # Values of fields

    def _properties(self) -> None:
        """The values that a portal writes with their fields and terms."""
        for item in _list(self.record.get("additionalProperty")):
            about = item if isinstance(item, dict) else {}
            name = _words(about.get("propertyID")) or _named(about)
            value = about.get("value")
            term = about.get("valueReference")
            if name == DECLARED_VERSION:
                self.declared = _words(value)
                continue
            if not name or is_blank(value) or isinstance(value, dict):
                self.left.add(f"`additionalProperty` {shown(name, 40)}: no value to take over")
                continue
            self.labels.setdefault(name, []).append(_words(value))
            if isinstance(term, dict) and term.get("termCode"):
                said = {
                    "id": term["termCode"],
                    "label": value,
                    "written": about.get("alternateName"),
                }
                self._add(name, said)
            else:
                self._add(name, about.get("alternateName") or value)

    def _add(self, field: str, value: Any) -> None:
        self.values.setdefault(field, []).append(value)

    @property
    def _known_properties(self) -> set[str]:
        return {f.schema_org for f in self.schema.fields.values() if f.schema_org}

    def _by_property(self) -> None:
        """Values that stand under a property of schema.org, for the field that has their word."""
        told = {_said(v) for values in self.values.values() for v in values}
        for prop in sorted({*self._known_properties, "keywords"}):
            for word in self._property_words(prop):
                if word.casefold() in told:
                    continue
                if field := self._field_of(word, prop):
                    self._add(field, word)
                else:
                    self.left.add(f"keyword `{shown(word, 60)}`: the word of no field")

    def _field_of(self, word: str, prop: str) -> str | None:
        """The field that a word belongs to. A keyword may be of any, but its word must be known."""
        fields = [n for n, f in self.schema.fields.items() if f.schema_org == prop]
        if prop != "keywords":
            return next((n for n in fields if self._names(word, n)), fields[0])
        others = [n for n in self.schema.fields if n not in fields]
        return next((n for n in (*fields, *others) if self._names(word, n)), None)

    def _property_words(self, prop: str) -> Iterator[str]:
        for item in _list(self.record.get(prop)):
            word = _named(item)
            parts = word.split(",") if prop == "keywords" and isinstance(item, str) else [word]
            yield from (p.strip() for p in parts if p.strip())

    def _names(self, word: str, field: str) -> bool:
        """Whether a word names a term or a value of a field, beyond doubt."""
        about = self.schema.fields[field]
        if about.type == "term":
            return self.resolver.term_of(word, about) is not None
        return about.type == "enum" and allowed_value(word, about) is not None


def _said(value: Any) -> str:
    return str(value["label"] if isinstance(value, Mapping) else value).casefold()


_FIELD = re.compile(r"\b(\w{1,30})\s*=\s*")
_PLAIN = re.compile(r'"([^"]*)"|(\d+)')
_TEX = re.compile(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\([&%$#_{}])")
_UNTEX = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^"}


def _bibtex(text: str) -> dict[str, str]:
    """The fields of one BibTeX entry, as plain text; none for what is no BibTeX."""
    fields: dict[str, str] = {}
    if not text.startswith("@") or len(text) > 20_000:
        return fields
    at = text.find(",") + 1
    while at and (match := _FIELD.search(text, at)):
        at = match.end()
        if text[at : at + 1] == "{":
            end = _closing(text, at)
            value = text[at + 1 : end - 1]
            at = end
        elif plain := _PLAIN.match(text, at):
            value, at = plain[1] or plain[2] or "", plain.end()
        else:
            continue
        if value.startswith("{") and value.endswith("}"):
            value = value[1:-1]
        value = _TEX.sub(lambda m: _UNTEX.get(m[1], m[2] or ""), value)
        fields[match[1].casefold()] = " ".join(value.split())
    return fields


def _closing(text: str, start: int) -> int:
    """Behind the brace that closes the one at `start`; 0 where none does."""
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", text[start:]):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return start + brace.end()
    return 0
