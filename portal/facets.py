"""Which values the records have in each column, how these belong together, where their pages are.

A column with ontology terms gets the terms above them too: who looks for `lung` finds what names
a lobe of it. Search, browse, the pages of values and the client all read this one model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from portal.config import RESERVED, Facet, SiteConfig
from portal.entry import Collection
from portal.facettree import above, bits, nearest_shown, parents_first, shown_terms, without_cycles
from portal.facetvalues import NONE, RangeKind, Said, number_reader, range_kind, value_reader
from portal.ontology import Ontology
from portal.record import UNKNOWN, Record
from portal.schema import Schema
from portal.words import initial_capital, slugify

__all__ = ["FacetColumn", "FacetValue", "Facets", "RangeColumn", "facets_of"]

# A column is part of an address, and a metadata key outside the schema may be any text.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass
class FacetValue:
    """One value of a column, or a term above one, and the records that have it."""

    label: str
    id: str | None = None
    slug: str = ""
    synonyms: tuple[str, ...] = ()
    records: list[Record] = field(default_factory=list)
    """Newest first, with those of everything below it."""
    own: list[Record] = field(default_factory=list)
    """Those that name it themselves."""
    parents: tuple[int, ...] = ()
    """All direct parents in the vocabulary, as places in the column's values."""
    shown: bool = True
    """Whether it has a page and a place in the tree; else it is only found by text."""
    address: str = ""
    """Where its artifacts are listed, from the site's root. For a value that is not shown, the
    page of the one shown value that it stands above: their artifacts are the same."""


@dataclass
class FacetColumn:
    """A column with all its values: most frequent first, then by label, unknown last."""

    column: str
    label: str
    kind: Literal["term", "value"]
    in_rail: bool
    values: list[FacetValue] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether any record has a value: a column of nothing but unknown has no pages."""
        return any(v.id or v.label not in (UNKNOWN, NONE) for v in self.values)

    def shares_label(self, value: FacetValue) -> bool:
        """Whether another value is called the same."""
        return self._labels[value.label.casefold()] > 1

    @cached_property
    def _labels(self) -> Counter[str]:
        return Counter(v.label.casefold() for v in self.values)

    def roots(self) -> list[int]:
        """The shown values that lie below no other."""
        return [i for i, v in enumerate(self.values) if v.shown and not self._above[i]]

    def children(self, i: int) -> list[int]:
        """The shown values directly below a value."""
        return self._below[i]

    def parents(self, i: int) -> tuple[int, ...]:
        """The shown values directly above a value."""
        return self._above[i]

    def ancestors(self, i: int) -> list[int]:
        """The shown values above a value, nearest first."""
        found = dict.fromkeys(self._above[i])
        level = list(found)
        while level:
            level = list(dict.fromkeys(q for t in level for q in self._above[t]))
            for place in level:
                found.pop(place, None)  # reached by a longer way too: farther
                found[place] = None
        return list(found)

    @cached_property
    def _above(self) -> list[tuple[int, ...]]:
        parents = without_cycles([v.parents for v in self.values])
        order = parents_first(above(parents), [v.id or "" for v in self.values])
        return nearest_shown(parents, order, [v.shown for v in self.values])

    @cached_property
    def _below(self) -> list[list[int]]:
        below: list[list[int]] = [[] for _ in self.values]
        for i, near in enumerate(self._above):
            for parent in near:
                below[parent].append(i)
        return below


@dataclass
class RangeColumn:
    """A column of numbers. `values` has one for each record; dates are days since 1970-01-01."""

    column: str
    label: str
    kind: RangeKind
    values: list[int | None]


@dataclass
class Facets:
    """All columns that have pages or a range, and where a value's page is."""

    columns: list[FacetColumn]
    ranges: list[RangeColumn]
    addresses: Mapping[tuple[str, str], str]
    """(column, label in lower case, or id) to an address from the site's root."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the columns."""
        return frozenset(c.column for c in self.columns)

    def address(self, column: str, label: str, id_: str | None = None) -> str | None:
        """The page of a value, None where its column has none."""
        found = self.addresses.get((column, id_)) if id_ else None
        return found or self.addresses.get((column, label.casefold()))


def facets_of(
    records: Sequence[Record],
    config: SiteConfig,
    schema: Schema,
    collections: Mapping[str, Collection],
    ontology: Ontology | None = None,
) -> Facets:
    """The values of every facet, and of every field that holds ontology terms.

    `records` come newest first. Without an ontology no term has others above it.
    """
    asked = {f.column: f for f in config.facets if _NAME.fullmatch(f.column)}
    rail = {name: f for name, f in asked.items() if f.kind != "range"}
    with_ids = {
        name
        for record in records
        for name, values in record.values.items()
        if name not in (*asked, *RESERVED) and _NAME.fullmatch(name) and any(v.id for v in values)
    }
    columns = []
    for name in (*rail, *sorted(with_ids)):
        read = value_reader(name, collections)
        facet = rail.get(name) or Facet(column=name, kind="term")
        column = _Gathered(records, [read(r) for r in records]).column(
            facet, _label(facet, schema), name in rail, None if name == "collections" else ontology
        )
        _give_addresses(column)
        columns.append(column)
    ranges = []
    for facet in asked.values():
        kind = range_kind(facet.column, schema) if facet.kind == "range" else None
        if kind:
            number = number_reader(facet.column, kind)
            values = [number(r) for r in records]
            ranges.append(RangeColumn(facet.column, _label(facet, schema), kind, values))
    return Facets(columns, ranges, _addresses(columns))


class _Gathered:
    """The distinct values of one column, and which of them each record names.

    A value is told by its id; one without an id is the same as the one value with its label.
    """

    def __init__(self, records: Sequence[Record], said: Sequence[Said]) -> None:
        self.records = records
        self.labels: list[dict[str, int]] = []
        """For each term its labels with how often each was used."""
        self.ids: list[str | None] = []
        by_id: dict[str, int] = {}
        by_label: dict[str, set[int]] = {}
        for values in said:
            for label, id_ in values:
                if id_:
                    term = self._term(by_id, id_, id_)
                    self.labels[term][label] = self.labels[term].get(label, 0) + 1
                    by_label.setdefault(label.casefold(), set()).add(term)
        plain: dict[str, int] = {}
        self.own: list[tuple[int, ...]] = []
        """For each record the terms that it names."""
        for values in said:
            mine = []
            for label, id_ in values:
                same = by_label.get(label.casefold(), ())
                if id_:
                    mine.append(by_id[id_])
                elif len(same) == 1:
                    mine += same
                else:
                    term = self._term(plain, label.casefold(), None)
                    self.labels[term].setdefault(label, 1)
                    mine.append(term)
            self.own.append(tuple(dict.fromkeys(mine)))

    def _term(self, known: dict[str, int], key: str, id_: str | None) -> int:
        if key not in known:
            known[key] = len(self.ids)
            self.ids.append(id_)
            self.labels.append({})
        return known[key]

    def column(
        self, facet: Facet, label: str, in_rail: bool, ontology: Ontology | None
    ) -> FacetColumn:
        """The values with those above them, in their order."""
        flat = facet.kind == "value"
        named = len(self.ids)
        parents = without_cycles(self._vocabulary(None if flat else ontology))
        closure = above(parents)
        order = parents_first(closure, [id_ or "" for id_ in self.ids])
        shown = shown_terms(parents, order, range(named))
        values = [self._value(i, ontology, shown[i], named) for i in range(len(self.ids))]
        sets: dict[tuple[int, ...], tuple[list[FacetValue], list[FacetValue]]] = {}
        for record, own in zip(self.records, self.own, strict=True):
            if own not in sets:
                whole = 0
                for i in own:
                    whole |= closure[i] | 1 << i
                sets[own] = [values[i] for i in own], [values[i] for i in bits(whole)]
            for value in sets[own][0]:
                value.own.append(record)
            for value in sets[own][1]:
                value.records.append(record)
        places = sorted(range(len(values)), key=lambda i: _rank(values[i]))
        place_of = {i: place for place, i in enumerate(places)}
        for i, value in enumerate(values):
            value.parents = tuple(sorted(place_of[p] for p in parents[i]))
        has_terms = any(ontology and id_ and ontology.term(id_) for id_ in self.ids)
        kind = facet.kind if facet.kind in ("term", "value") else "term" if has_terms else "value"
        return FacetColumn(facet.column, label, kind, in_rail, [values[i] for i in places])

    def _vocabulary(self, ontology: Ontology | None) -> list[list[int]]:
        """Adds the terms above those named. Returns each term's parents, by the order of ids."""
        place = {id_: i for i, id_ in enumerate(self.ids) if id_}
        parents: list[list[int]] = []
        while len(parents) < len(self.ids):
            id_ = self.ids[len(parents)]
            direct = ontology.parents(id_) if ontology and id_ else ()
            parents.append([self._term(place, p, p) for p in direct])
        return parents

    def _value(self, i: int, ontology: Ontology | None, shown: bool, named: int) -> FacetValue:
        """A value is called what its records call it; where they differ, by the ontology."""
        id_, used = self.ids[i], self.labels[i]
        term = ontology.term(id_) if ontology and id_ else None
        labels = sorted(used, key=lambda text: (-used[text], text))
        one = len({text.casefold() for text in labels}) == 1
        label = labels[0] if labels and (one or term is None) else term.label if term else ""
        also = (*labels, term.label, *term.synonyms) if term and not term.deprecated else labels
        synonyms = {text.casefold(): text for text in reversed(also)}
        synonyms.pop(label.casefold(), None)
        return FacetValue(
            label=label, id=id_, synonyms=tuple(reversed(synonyms.values())), shown=shown
        )


def _rank(value: FacetValue) -> tuple[bool, int, str, str]:
    unknown = value.id is None and value.label in (UNKNOWN, NONE)
    return unknown, -len(value.records), value.label.casefold(), value.id or ""


def _label(facet: Facet, schema: Schema) -> str:
    known = schema.fields.get(facet.column)
    return facet.label or (known.label if known else "") or initial_capital(facet.column)


def _give_addresses(column: FacetColumn) -> None:
    if not column.known:
        return
    _give_slugs(v for v in column.values if v.shown)
    for value in column.values:
        if value.shown:
            value.address = (
                f"collections/{value.id}/"
                if column.column == "collections" and value.id
                else f"by/{column.column}/{value.slug}/"
            )
    # What is not shown stands above one shown value only, or above the same as another does.
    by_records: dict[tuple[str, ...], str] = {}
    for value in column.values:
        if value.shown:
            by_records.setdefault(tuple(r.id for r in value.records), value.address)
    for value in column.values:
        if not value.shown:
            value.address = by_records.get(tuple(r.id for r in value.records), "")


def _addresses(columns: Iterable[FacetColumn]) -> dict[tuple[str, str], str]:
    """By id and by label. Where two values share a label it leads to the first that is shown."""
    addresses: dict[tuple[str, str], str] = {}
    for column in columns:
        for value in sorted(column.values, key=lambda v: not v.shown):
            if value.address:
                addresses.setdefault((column.column, value.label.casefold()), value.address)
        for value in column.values:
            if value.id and value.address:
                addresses.setdefault((column.column, value.id), value.address)
    return addresses


def _give_slugs(values: Iterable[FacetValue]) -> None:
    """Slugs from labels; where two labels make the same one, the id or a number tells them apart.

    In the order of the labels and not of their frequency, so that an address does not move when
    the counts change.
    """
    taken: set[str] = set()
    for value in sorted(values, key=lambda v: (v.label.casefold(), v.id or "")):
        base = slugify(value.label) or slugify(value.id or "") or "value"
        slug, n = base, 2
        if slug in taken and value.id:
            slug = f"{base}-{slugify(value.id)}"
        while slug in taken:
            slug, n = f"{base}-{n}", n + 1
        taken.add(slug)
        value.slug = slug
