"""A word for a value of a facet → the rows that have it. One verb: `Vocabulary.rows(text)`.

A value is found by its label, its id, a synonym, in any case, without accents, in the plural;
then by the ontology that comes with the portal, which knows terms above those of the site. What
lies below a term has it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import zip_longest
from typing import Literal

import numpy as np

from portal.client.columns import UNKNOWN
from portal.client.tables import Table
from portal.client.terms import TermColumn, Terms, lists_of
from portal.errors import did_you_mean
from portal.facettree import above, parents_first, shown_terms, without_cycles
from portal.search_fold import fold
from portal.tidy import plural_stems

__all__ = ["Vocabulary", "terms_from", "values_from"]

_UNDERSCORED = re.compile(r"([A-Za-z]+)_(\w+)")


class Vocabulary:
    """The values of a facet: those that are shown, and on demand all with their synonyms."""

    def __init__(
        self,
        column: TermColumn,
        whole: Callable[[], TermColumn] | None = None,
        shown: Iterable[int] | None = None,
    ):
        self.column = column
        self._whole = whole
        self.shown = list(range(len(column.terms)) if shown is None else shown)
        """The terms that a list of the facet's values has."""
        self._known: dict[str, np.ndarray | None] = {}
        self._known_below: dict[str, np.ndarray | None] = {}

    @cached_property
    def whole(self) -> TermColumn:
        """The column with everything that its terms are called."""
        return self._whole() if self._whole else self.column

    def rows(self, text: str) -> np.ndarray | None:
        """Which rows have what is called so; None where the site calls nothing so."""
        if text not in self._known:
            self._known[text] = self._rows(text)
        return self._known[text]

    def rows_below(self, text: str) -> np.ndarray | None:
        """The same by the ontology: None where it has no such term for this facet, else those
        that lie below one, which may be no rows at all."""
        if text not in self._known_below:
            self._known_below[text] = self._rows_below(text)
        return self._known_below[text]

    @cached_property
    def names(self) -> list[str]:
        """What the values of the list are called: labels that lead back to them, else ids."""
        terms = self.column.terms
        return [
            terms.ids[i] if terms.ids[i] and self._listed(terms.labels[i]) != i else terms.labels[i]
            for i in self.shown
        ]

    def hint(self, text: str) -> str:
        """A sentence with the values that are called most like this."""
        labels = {self.column.terms.labels[i] for i in self.shown}
        also = {name for names in self.whole.terms.synonyms for name in names}
        slugs = {id_ for id_ in self.column.terms.ids if id_ and ":" not in id_}
        near = did_you_mean(text, labels | also | slugs)
        return near if near.startswith("Did") else did_you_mean(text, labels)

    def _rows(self, text: str) -> np.ndarray | None:
        for name in _ways(text):
            number = self._listed(name)
            if number is not None:
                return self.column.having([number])
            if found := self._synonyms.get(_same(name)):
                return self.whole.having(found)
        return None

    def _rows_below(self, text: str) -> np.ndarray | None:
        if self.column.kind != "term":
            return None
        from portal.ontology import load_ontology

        ontology, ids = load_ontology(), self.column.terms.ids
        prefixes = {id_.partition(":")[0] for id_ in ids if ":" in id_}
        for name in _ways(text):
            terms = {t.id for t in ontology.find(name) if not prefixes or t.ontology in prefixes}
            if terms:
                below = [
                    number
                    for number, id_ in enumerate(ids)
                    if id_ and (id_ in terms or not terms.isdisjoint(ontology.all_above(id_)))
                ]
                return self.column.having(below)
        return None

    def _listed(self, text: str) -> int | None:
        """The one value that browse takes this for in an address."""
        same = _same(text)
        for names, name in ((self._labels, text), (self._ids, same), (self._folded, same)):
            if name in names:
                return names[name]
        return None

    @cached_property
    def _labels(self) -> dict[str, int]:
        """Of two values with one label the one without an id: the other has an id to be called by."""
        found: dict[str, int] = {}
        for number, (label, id_) in enumerate(
            zip(self.column.terms.labels, self.column.terms.ids, strict=True)
        ):
            if label not in found or not id_:
                found[label] = number
        return found

    @cached_property
    def _ids(self) -> dict[str, int]:
        ids = self.column.terms.ids
        return {_same(id_): number for number, id_ in reversed([*enumerate(ids)]) if id_}

    @cached_property
    def _folded(self) -> dict[str, int]:
        labels = self.column.terms.labels
        return {_same(label): number for number, label in reversed([*enumerate(labels)])}

    @cached_property
    def _synonyms(self) -> dict[str, list[int]]:
        """All names of all terms, also of those that no list shows."""
        found: dict[str, list[int]] = {}
        for number in range(len(self.whole.terms)):
            for name in self.whole.terms.called(number):
                if name:
                    found.setdefault(_same(name), []).append(number)
        return found


def terms_from(table: Table, name: str, rows: np.ndarray) -> Vocabulary:
    """The facet of a field of terms, from a catalog alone; what is above what, from the ontology."""
    from portal.ontology import load_ontology

    ontology = load_ontology()
    places: dict[str, int] = {}
    labels: list[str] = []
    ids: list[str] = []

    def number(key: str, label: str, id_: str) -> int:
        if key not in places:
            places[key] = len(labels)
            labels.append(label)
            ids.append(id_)
        return places[key]

    own = []
    said, beside = table.texts(f"{name}_terms"), f"{name}_term_ids"
    known = table.texts(beside) if beside in table.names else [None] * table.n
    for row in rows:
        pairs = zip_longest(said[row] or (UNKNOWN,), known[row] or (), fillvalue="")
        own.append(sorted({number(id_ or label.casefold(), label, id_) for label, id_ in pairs}))
    named, parents = len(labels), []
    while len(parents) < len(labels):
        direct = ontology.parents(ids[len(parents)]) if ids[len(parents)] else ()
        parents.append([number(p, t.label if (t := ontology.term(p)) else p, p) for p in direct])
    parents = [list(p) for p in without_cycles(parents)]
    order = parents_first(above(parents), ids)
    column = _column(name, "term", Terms(labels, ids, parents), own)
    flags = shown_terms(parents, order, range(named))
    return Vocabulary(column, shown=_by_count(column, flags))


def values_from(table: Table, name: str, rows: np.ndarray) -> Vocabulary:
    """The facet of a column of lists, from a catalog alone."""
    places: dict[str, int] = {}
    said = table.texts(name)
    own = [
        sorted({places.setdefault(text, len(places)) for text in said[row] or (UNKNOWN,)})
        for row in rows
    ]
    nothing: list[list[int]] = [[] for _ in places]
    column = _column(name, "value", Terms(list(places), [""] * len(places), nothing), own)
    return Vocabulary(column, shown=_by_count(column, [True] * len(places)))


def _column(
    name: str, kind: Literal["term", "value"], terms: Terms, own: list[list[int]]
) -> TermColumn:
    sets: dict[tuple[int, ...], int] = {}
    codes = [sets.setdefault(tuple(numbers), len(sets)) for numbers in own]
    lists = lists_of([len(s) for s in sets], [number for s in sets for number in s])
    return TermColumn(name, name, kind, terms, np.array(codes, np.int64), lists)


def _by_count(column: TermColumn, shown: list[bool]) -> list[int]:
    """The terms of the list: the most frequent first, unknown last."""
    labels, counts = column.terms.labels, column.counts
    numbers = [number for number, flag in enumerate(shown) if flag]
    return sorted(numbers, key=lambda i: (labels[i] == UNKNOWN, -counts[i], labels[i].casefold()))


def _ways(text: str) -> list[str]:
    """A name as it is, an id with its colon, and what the name may be the plural of."""
    odd = _UNDERSCORED.fullmatch(text.strip())
    return [text, *([f"{odd[1]}:{odd[2]}"] if odd else []), *plural_stems(_same(text))]


def _same(text: str) -> str:
    """A name as names are compared: case, accents and white space don't count."""
    return " ".join(fold(text).split())
