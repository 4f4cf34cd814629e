"""Facets and ranges as arrays: a row has one small number for each.

The number of a term facet is that of the row's *set* of terms: most rows share few sets, and
what a set includes (the ancestors of its terms) is worked out once for each set by the reader.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from portal.search_container import narrow
from portal.search_documents import RangeInfo, TermColumn

__all__ = ["facet_arrays", "facet_header", "range_arrays", "rounded"]


def facet_header(facet: TermColumn) -> dict[str, Any]:
    """The vocabulary of a facet."""
    return {
        "column": facet.column,
        "label": facet.label,
        "kind": facet.kind,
        **({} if facet.in_rail else {"rail": False}),
        "labels": [t.label for t in facet.terms],
        "ids": [t.id or "" for t in facet.terms],
        "synonyms": [list(t.synonyms) for t in facet.terms],
        "parents": [list(t.parents) for t in facet.terms],
        "hidden": [i for i, t in enumerate(facet.terms) if not t.shown],
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
