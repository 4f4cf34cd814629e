"""Record → words that are searched, and the genes of its default table, without the columns."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from portal.columns import gene_list_key
from portal.facts import ElementFacts
from portal.prose import to_html
from portal.record import Record

__all__ = ["WORDS", "gene_key_of", "gene_table", "joined", "words_of"]

WORDS = ("description", "citation", "elements")
"""Fields of text that are a record's alone."""
_INLINE = re.compile(r"</?(?:a|em|strong|code)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")


def words_of(record: Record) -> dict[str, str]:
    """The text of each field in WORDS."""
    return {
        "description": _plain_text(record.description),
        "citation": joined(_citation(record)),
        "elements": joined(_elements(record)),
    }


def gene_key_of(record: Record) -> str | None:
    """Names the list of genes of the default table, None where it has none."""
    table = gene_table(record)
    return gene_list_key(table) if table else None


def gene_table(record: Record) -> ElementFacts | None:
    """The default table, if it has genes."""
    tables = record.facts.of("tables") if record.facts else []
    table = next((t for t in tables if t.name == record.default_table), None)
    return table if table and table.feature_ids else None


def joined(texts: Iterable[str]) -> str:
    """All texts, each once."""
    return " ".join(dict.fromkeys(t for t in texts if t))


def _plain_text(markdown: str) -> str:
    """A description without its marks."""
    if markdown.replace(" ", "").replace(",", "").replace(".", "").isalnum():
        return markdown  # nothing in it means anything in Markdown
    return html.unescape(_TAG.sub(" ", _INLINE.sub("", to_html(markdown))))


def _citation(record: Record) -> Iterator[str]:
    """Authors, year, publisher, and the ids in the ways that people paste them."""
    citation = record.citation
    if citation is None:
        return
    authors = citation.csl.get("author")
    for author in authors if isinstance(authors, list) else ():
        if isinstance(author, dict):
            yield from (str(author[k]) for k in ("family", "given", "literal") if author.get(k))
    issued = citation.csl.get("issued")
    parts = issued.get("date-parts") if isinstance(issued, dict) else None
    if parts and parts[0]:
        yield str(parts[0][0])
    yield from (str(citation.csl[k]) for k in ("publisher", "container-title") if k in citation.csl)
    if citation.doi:
        yield f"https://doi.org/{citation.doi}"
    if citation.pmid:
        yield f"PMID {citation.pmid}"


def _elements(record: Record) -> Iterator[str]:
    """Names of elements and channels."""
    for element in record.facts.elements if record.facts else ():
        yield element.name
        yield from element.channels
