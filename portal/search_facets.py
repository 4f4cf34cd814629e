"""Facets and ranges as arrays: a row has one small number for each.

The number of a term facet is that of the row's *set* of terms: most rows share few sets, and
what a set includes (the ancestors of its terms) is worked out once for each set by the reader.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from portal.facettree import above, nearest_shown, parents_first, without_cycles
from portal.search_container import narrow
from portal.search_documents import RangeInfo, TermColumn

__all__ = [
    "facet_arrays",
    "facet_header",
    "facet_names",
    "range_arrays",
    "rounded",
    "shown_first",
]


def shown_first(facet: TermColumn) -> TermColumn:
    """The same column with the terms that are only found by text behind all others.

    Whoever filters needs the others alone, so these come in a file of their own.
    """
    shown = np.array([t.shown for t in facet.terms], bool)
    shown[facet.codes] = True  # what a row names is shown
    order = np.argsort(~shown, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    terms = [
        replace(
            facet.terms[i],
            parents=tuple(int(place[p]) for p in facet.terms[i].parents),
            shown=bool(shown[i]),
        )
        for i in order
    ]
    return replace(facet, terms=terms, codes=place[facet.codes])


def facet_header(facet: TermColumn) -> dict[str, Any]:
    """The shown terms of a facet; `parents` are the nearest shown ones."""
    parents = without_cycles([t.parents for t in facet.terms])
    order = parents_first(above(parents), [t.id or "" for t in facet.terms])
    near = nearest_shown(parents, order, [t.shown for t in facet.terms])
    shown = [t for t in facet.terms if t.shown]
    return {
        "column": facet.column,
        "label": facet.label,
        "kind": facet.kind,
        **({} if facet.in_rail else {"rail": False}),
        "labels": [t.label for t in shown],
        "ids": [t.id or "" for t in shown],
        "parents": [list(p) for p in near[: len(shown)]],
    }


def facet_names(facet: TermColumn) -> dict[str, Any]:
    """What only words need: synonyms, all direct parents, and the terms that are not shown."""
    hidden = [t for t in facet.terms if not t.shown]
    return {
        "column": facet.column,
        "labels": [t.label for t in hidden],
        "ids": [t.id or "" for t in hidden],
        "synonyms": [list(t.synonyms) for t in facet.terms],
        "parents": [list(p) for p in without_cycles([t.parents for t in facet.terms])],
    }


def facet_arrays(facet: TermColumn) -> dict[str, np.ndarray]:
    """`codes`: the number of each row's set; `setlen` and `set`: the terms of each set."""
    n_terms = max(len(facet.terms), 1)
    n = len(facet.offsets) - 1
    row = np.repeat(np.arange(n, dtype=np.int64), np.diff(facet.offsets))
    pairs = np.unique(row * n_terms + facet.codes)  # each row's terms ascending, each once
    row, term = pairs // n_terms, pairs % n_terms
    sizes = np.bincount(row, minlength=n)
    begins = np.concatenate(([0], np.cumsum(sizes)))[:-1]
    set_of, example = _number_sets(term, sizes, begins, n_terms)

    counts = np.bincount(set_of)
    order = np.lexsort((example, -counts))  # most frequent first, then the one that came first
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    first = example[order]
    flat = [term[begins[r] : begins[r] + sizes[r]] for r in first]
    return {
        f"{facet.column}.codes": narrow(place[set_of]),
        f"{facet.column}.setlen": narrow(sizes[first]),
        f"{facet.column}.set": narrow(np.concatenate(flat) if flat else term),
    }


def _number_sets(
    term: np.ndarray, sizes: np.ndarray, begins: np.ndarray, n_terms: int
) -> tuple[np.ndarray, np.ndarray]:
    """The number of each row's set and, for each set, the first row that has it.

    Sets grow by one term a round: a row's set so far and its next term make a new number.
    """
    set_of = np.zeros(len(sizes), np.int64)
    longer, numbers = np.flatnonzero(sizes > 0), 1
    for k in range(int(sizes.max()) if len(sizes) else 0):
        longer = longer[sizes[longer] > k]
        key = set_of[longer] * n_terms + term[begins[longer] + k]
        made, place = np.unique(key, return_inverse=True)
        set_of[longer] = numbers + place
        numbers += len(made)
    _, example, set_of = np.unique(set_of, return_index=True, return_inverse=True)
    return set_of, example


def range_arrays(column: RangeInfo) -> dict[str, np.ndarray]:
    """`codes`: 0 for unknown, else 1 + the place among `values`, which are given by steps."""
    known = column.values >= 0
    values = rounded(column)
    distinct, place = np.unique(values[known], return_inverse=True)
    codes = np.zeros(len(values), np.int64)
    codes[known] = place + 1
    return {
        f"{column.column}.codes": narrow(codes),
        f"{column.column}.values": narrow(np.diff(distinct, prepend=0)),
    }


def rounded(column: RangeInfo) -> np.ndarray:
    """The values of a range as the search knows them: sizes to three figures."""
    values = column.values.astype(np.int64)
    if column.kind != "bytes":
        return values
    unit = np.ones_like(values)
    for power in range(3, 18):
        unit[values >= 10**power] = 10 ** (power - 2)
    return (values + unit // 2) // unit * unit
