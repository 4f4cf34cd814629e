"""What is asked of every contender, and the right answers, counted another way.

Each term of a facet is a bit a row: terms below it are in it. A count is then the number of bits
that a term and the rows left over have in common.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.search_catalog import Catalog, Column, above

__all__ = ["Oracle", "Selection", "make_clicks", "make_texts"]

Selection = dict[str, list[int]]
"""Column to the places of its chosen terms."""
Bits = np.ndarray[Any, np.dtype[np.uint8]]


class Oracle:
    """Total and all counts of a selection."""

    def __init__(self, catalog: Catalog) -> None:
        self.n = catalog.n
        self.bits = {c.column: _bits(c, catalog.n) for c in catalog.columns}
        self.everything = np.packbits(np.ones(self.n, np.uint8))

    def ask(self, selection: Selection, only: str = "") -> tuple[int, dict[str, list[int]]]:
        """Counts of a column answer the others' selections, not its own; `only` of one column."""
        passed = {c: np.bitwise_or.reduce(self.bits[c][t], axis=0) for c, t in selection.items()}
        counts = {}
        for column, bits in self.bits.items():
            if only and column != only:
                continue
            others = self._all(rows for c, rows in passed.items() if c != column)
            counts[column] = [_count(term & others) for term in bits]
        return _count(self._all(passed.values())), counts

    def _all(self, masks: Any) -> Bits:
        rows = self.everything
        for mask in masks:
            rows = rows & mask
        return rows


def _count(bits: Bits) -> int:
    return int(np.bitwise_count(bits).sum(dtype=np.int64))


def _bits(column: Column, n: int) -> Bits:
    """A line of bits for each term."""
    rows = np.repeat(np.arange(n), np.diff(column.offsets))
    order = np.argsort(column.codes, kind="stable")
    by_term = np.split(
        rows[order], np.cumsum(np.bincount(column.codes, minlength=len(column.terms)))[:-1]
    )
    lines = np.zeros((len(column.terms), (n + 7) // 8), np.uint8)
    for term, own in enumerate(by_term):
        if len(own):
            flags = np.zeros(n, np.uint8)
            flags[own] = 1
            packed = np.packbits(flags)
            for ancestor in above(column.terms, term):
                lines[ancestor] |= packed
    return lines


def make_clicks(catalog: Catalog, oracle: Oracle, many: int) -> list[Selection]:
    """States of the panel, one click apart, as of visitors who narrow down and start again.

    A click ticks a term that still has artifacts, a frequent one more likely; every so often a
    second one of a column, or it takes a tick away. Each visit begins with nothing ticked.
    """
    rng = np.random.default_rng([5, catalog.n])
    columns = [c for c in catalog.columns if len(c.terms) > 1]
    clicks: list[Selection] = []
    now: Selection = {}
    left = 0
    while len(clicks) < many:
        if not left:
            now, left = {}, int(rng.integers(3, 8))
        elif now and rng.random() < 0.15:
            column = str(rng.choice(sorted(now)))
            now = {c: t for c, t in now.items() if c != column}
        else:
            now = _tick(rng, oracle, columns, now)
        left -= 1
        clicks.append(now)
    return clicks


def _tick(
    rng: np.random.Generator, oracle: Oracle, columns: list[Column], now: Selection
) -> Selection:
    again = [c for c in columns if c.column in now]
    fresh = [c for c in columns if c.column not in now]
    column = again[0] if again and rng.random() < 0.2 else fresh[int(rng.integers(len(fresh)))]
    counts = oracle.ask(now, column.column)[1][column.column]
    chosen = now.get(column.column, [])
    open_ = [
        i for i, t in enumerate(column.terms) if counts[i] and t.shown and i not in chosen
    ]  # most frequent first
    if not open_:
        return now
    term = open_[min(int(rng.geometric(0.12)) - 1, len(open_) - 1)]
    return now | {column.column: sorted([*chosen, term])}


def make_texts(catalog: Catalog) -> list[str]:
    """What visitors type: names of terms, words of titles, ids, authors, a word half typed."""
    rng = np.random.default_rng([6, catalog.n])
    fixed = (
        "lung; human; xenium; breast cancer; t cell; fibroblast; kidney mouse; stromal; adenoc;"
        " pulmon; immune infiltration; visium brain; glioblast; macrophage lung; epithelial niche"
    )
    texts = [t.strip() for t in fixed.split(";")]
    for row in rng.integers(0, catalog.n, 5).tolist():
        name, words = catalog.texts["citation"][row].as_py(), catalog.texts["description"][row]
        texts.append(name.partition(",")[0].lower() + " " + catalog.column("year").labels(row)[0])
        texts.append(" ".join([w for w in words.as_py().split() if len(w) > 3][4:6]))
    row = int(rng.integers(catalog.n))
    texts += [t.lower() for t in catalog.texts["names"][row].as_py().split()[-2:]]
    return texts
