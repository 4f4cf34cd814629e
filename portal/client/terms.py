"""A column of terms: what stands above what, which rows have which, and how many.

A row has one code, the number of its *set* of terms. What a set includes (the ancestors of its
terms) is worked out once for all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

__all__ = ["Lists", "TermColumn", "Terms", "lists_of"]


class Lists(NamedTuple):
    """Many lists in one: list i is items[offsets[i] : offsets[i + 1]]."""

    offsets: np.ndarray
    items: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.offsets)

    def owners(self) -> np.ndarray:
        """The number of the list of each item."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.sizes)

    def of(self, which: np.ndarray) -> np.ndarray:
        """The items of some lists one after another."""
        sizes = self.sizes[which]
        skipped = np.cumsum(sizes) - sizes
        return self.items[np.arange(sizes.sum()) + np.repeat(self.offsets[which] - skipped, sizes)]

    def greatest(self, values: np.ndarray) -> np.ndarray:
        """For each list the greatest value of its items, 0 for an empty one."""
        found = np.zeros(len(self.offsets) - 1)
        filled = self.sizes > 0
        if filled.any():
            found[filled] = np.maximum.reduceat(values[self.items], self.offsets[:-1][filled])
        return found


def lists_of(sizes: Sequence[int] | np.ndarray, items: Sequence[int] | np.ndarray) -> Lists:
    """Lists of these sizes, whose items are given one after another."""
    offsets = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))).astype(np.int64)
    lists = Lists(offsets, np.asarray(items, np.int64))
    if offsets[-1] != len(lists.items):
        raise ValueError(f"{len(lists.items)} items stand in lists of {offsets[-1]}")
    return lists


@dataclass(frozen=True)
class Terms:
    """The terms of a column by number. An id is empty where there is none."""

    labels: list[str]
    ids: list[str]
    parents: list[list[int]]
    """Terms right above each."""
    synonyms: list[list[str]] = field(default_factory=list)
    """Empty where they were not read."""

    def __len__(self) -> int:
        return len(self.labels)

    def __post_init__(self) -> None:
        n = len(self.labels)
        if {len(self.ids), len(self.parents), len(self.synonyms) or n} != {n}:
            raise ValueError("terms have more or fewer ids, parents or synonyms than labels")
        if max(chain.from_iterable(self.parents), default=-1) >= n:
            raise ValueError("a term stands below one that is not there")

    def called(self, number: int) -> list[str]:
        """All names of a term."""
        also = self.synonyms[number] if self.synonyms else []
        return [self.labels[number], *also, self.ids[number]]


class TermColumn:
    """A facet: its terms, and which rows have them.

    `codes` has for each row the number of its set, `own` the terms of each set, ascending.
    Raises ValueError where these name sets or terms that are not there.
    """

    def __init__(
        self,
        column: str,
        label: str,
        kind: Literal["term", "value"],
        terms: Terms,
        codes: np.ndarray,
        own: Lists,
        in_rail: bool = True,
    ):
        self.column = column
        self.label = label
        self.kind: Literal["term", "value"] = kind
        self.in_rail = in_rail
        self.terms = terms
        self.codes = codes
        self.own = own
        self.n_sets = len(own.offsets) - 1
        if own.items.max(initial=-1) >= len(terms) or codes.max(initial=0) >= max(self.n_sets, 1):
            raise ValueError(f"a row has a term of {column} that is not there")

    def renamed(self, terms: Terms) -> TermColumn:
        """The same rows with more said of the terms; those that there were keep their numbers."""
        return TermColumn(
            self.column, self.label, self.kind, terms, self.codes, self.own, self.in_rail
        )

    @cached_property
    def all(self) -> Lists:
        """The terms of each set with everything above them."""
        above = _closure(self.terms.parents)
        sets = np.repeat(self.own.owners(), above.sizes[self.own.items])
        return _distinct(sets, above.of(self.own.items), self.n_sets, len(self.terms))

    @cached_property
    def set_sizes(self) -> np.ndarray:
        """Rows of each set."""
        return np.bincount(self.codes, minlength=self.n_sets)

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows of each term, those of the terms below it included."""
        return self._spread(self.set_sizes)

    def count(self, rows: np.ndarray) -> np.ndarray:
        """How many of some rows, given as flags, each term has."""
        return self._spread(np.bincount(self.codes[rows], minlength=self.n_sets))

    def having(self, terms: Iterable[int]) -> np.ndarray:
        """Which rows have one of these terms, or a term below one of them."""
        wanted = np.zeros(len(self.terms), bool)
        wanted[np.fromiter(terms, np.int64)] = True
        sets = np.zeros(self.n_sets, bool)
        sets[self._owners[wanted[self.all.items]]] = True
        return sets[self.codes]

    def naming(self, terms: Iterable[int]) -> np.ndarray:
        """Which rows name one of these terms themselves."""
        sets = np.zeros(self.n_sets, bool)
        sets[self.own.owners()[np.isin(self.own.items, list(terms))]] = True
        return sets[self.codes]

    @cached_property
    def _owners(self) -> np.ndarray:
        return self.all.owners()

    def _spread(self, by_set: np.ndarray) -> np.ndarray:
        weights = np.repeat(by_set, self.all.sizes)
        return np.bincount(self.all.items, weights, len(self.terms)).astype(np.int64)


def _closure(parents: Sequence[Sequence[int]]) -> Lists:
    """Each term with everything above it. Parents that lead in a circle do no harm."""
    n = len(parents)
    up = lists_of([len(p) for p in parents], list(chain.from_iterable(parents)))
    known = new = np.arange(n) * (n + 1)  # a pair is one number: the term × n + what is above
    while len(new):
        terms, tops = np.divmod(new, n)
        pairs = np.repeat(terms, up.sizes[tops]) * n + up.of(tops)
        new = np.setdiff1d(pairs, known)
        known = np.union1d(known, new)
    terms, tops = np.divmod(known, max(n, 1))
    return lists_of(np.bincount(terms, minlength=n), tops)


def _distinct(lists: np.ndarray, items: np.ndarray, n_lists: int, n_items: int) -> Lists:
    """The items of each list, ascending, each once."""
    pairs = np.unique(lists * max(n_items, 1) + items)
    lists, items = np.divmod(pairs, max(n_items, 1))
    return lists_of(np.bincount(lists, minlength=n_lists), items)
