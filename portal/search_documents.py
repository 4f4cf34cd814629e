"""What the search knows of the artifacts: columns, oldest artifact first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from portal.entry import Collection
from portal.facets import FacetColumn, Facets, RangeColumn
from portal.record import UNKNOWN, Record, at_hand
from portal.search_words import WORDS, gene_key_of, gene_table, joined, words_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FIELDS", "Documents", "RangeInfo", "TermColumn", "TermInfo", "documents_of"]

FIELDS = {"title": 4, "names": 2, "citation": 2, "elements": 1, "description": 1}
"""Fields of text and how much a word in each weighs."""


@dataclass(frozen=True)
class TermInfo:
    """One term of a facet. `parents` are all direct ones, as places in the column's terms."""

    label: str
    id: str | None = None
    synonyms: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    shown: bool = True


@dataclass(frozen=True)
class TermColumn:
    """A facet and which of its terms each row names itself.

    Row i has `codes[offsets[i]:offsets[i + 1]]`.
    """

    column: str
    label: str
    kind: Literal["term", "value"]
    terms: Sequence[TermInfo]
    offsets: np.ndarray
    codes: np.ndarray
    in_rail: bool = True


@dataclass(frozen=True)
class RangeInfo:
    """A column of whole numbers from 0; below 0 is unknown. Dates are days since 1970."""

    column: str
    label: str
    kind: Literal["count", "bytes", "date"]
    values: np.ndarray


@dataclass(frozen=True)
class Documents:
    """All rows, by column, so that a million need no million objects."""

    ids: pa.Array
    facets: Sequence[TermColumn]
    ranges: Sequence[RangeInfo]
    texts: dict[str, pa.Array]
    """By name in FIELDS."""
    cards: Callable[[int, int], list[str]]
    """HTML of the cards of rows from the first up to the second."""
    gene_lists: Sequence[Sequence[str]] = ()
    """Distinct lists of symbols and ids."""
    gene_list: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    """Each row's place in `gene_lists`, -1 for none; empty where no row has any."""
    catalog_rows: np.ndarray | None = None
    """Each row's place in catalog.parquet; by id where not given."""

    def __len__(self) -> int:
        return len(self.ids)


def documents_of(
    facets: Facets,
    records: Sequence[Record],
    collections: Mapping[str, Collection],
    cards: Callable[[int, int], list[str]],
    *,
    catalog_rows: Mapping[str, int] | None = None,
) -> Documents:
    """The documents of records, oldest first; `facets` are of the same, newest first.

    `catalog_rows` has the place in catalog.parquet by id, where that has other records too.
    """
    import pyarrow as pa

    row_of = {r.id: row for row, r in enumerate(records)}
    faceted = {c.column for c in facets.columns}
    texts = {
        "title": [r.title for r in records],
        "names": [joined(_names(r, faceted, collections)) for r in records],
        **{name: [at_hand(r, "words", words_of)[name] for r in records] for name in WORDS},
    }
    lists, list_of = _gene_lists(records)
    return Documents(
        ids=pa.array([r.id for r in records], pa.large_string()),
        facets=[_term_column(c, row_of) for c in facets.columns],
        ranges=[_range(r) for r in facets.ranges],
        texts={
            name: pa.array([_encodable(t) for t in texts[name]], pa.large_string())
            for name in FIELDS
        },
        cards=cards,
        gene_lists=lists,
        gene_list=list_of,
        catalog_rows=np.array([catalog_rows[r.id] for r in records], np.uint32)
        if catalog_rows
        else None,
    )


def _term_column(column: FacetColumn, row_of: Mapping[str, int]) -> TermColumn:
    pairs = [(row_of[r.id], i) for i, value in enumerate(column.values) for r in value.own]
    array = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    sizes = np.bincount(array[:, 0], minlength=len(row_of))
    return TermColumn(
        column.column,
        column.label,
        column.kind,
        [TermInfo(v.label, v.id, v.synonyms, v.parents, v.shown) for v in column.values],
        np.concatenate(([0], np.cumsum(sizes))),
        array[:, 1].astype(np.int32),
        column.in_rail,
    )


def _range(column: RangeColumn) -> RangeInfo:
    values = [-1 if v is None else v for v in reversed(column.values)]
    return RangeInfo(column.column, column.label, column.kind, np.array(values, np.int64))


_ANSWERS = {"yes", "no", "true", "false", UNKNOWN}


def _names(
    record: Record, faceted: set[str], collections: Mapping[str, Collection]
) -> Iterator[str]:
    """What the artifact is called, and what curators said of it that is no facet.

    Of a facet, the words that were written in place of its label.
    """
    yield record.id
    yield from record.aliases
    for slug in record.collections:
        yield collections[slug].name if slug in collections else slug
    for name, values in record.values.items():
        for value in values:
            if value.label in _ANSWERS:
                continue
            if name not in faceted:
                yield value.label
                yield value.id or ""
            yield value.written or ""


def _gene_lists(records: Iterable[Record]) -> tuple[list[Sequence[str]], np.ndarray]:
    """The distinct lists of genes of default tables, and the place of each record's in them."""
    lists: list[Sequence[str]] = []
    places: dict[str, int] = {}
    found = []
    for record in records:
        key = at_hand(record, "gene_key", gene_key_of)
        table = gene_table(record) if key and key not in places else None
        if key and table:
            places[key] = len(lists)
            genes = (*table.feature_ids, *table.feature_names, *table.feature_accessions)
            lists.append([_encodable(gene) for gene in dict.fromkeys(genes)])
        found.append(places[key] if key else -1)
    return lists, np.array(found, np.int32)


def _encodable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate is no character."""
    return text.encode("utf-8", "replace").decode()
