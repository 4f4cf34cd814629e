"""The words of the rows' texts, and which rows have each: read shard by shard, as words are asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

__all__ = ["Posting", "Shard", "Shards"]

_SPAN = 3
"""A beginning whose words lie in more shards than this has an entry of its own."""


_LONGEST = 5
"""Bytes of a number of 32 bits."""


class Posting(NamedTuple):
    """The rows that have a word, ascending, how much each has of it (1 to 15), and the numbers of
    the lists of genes that hold it."""

    rows: np.ndarray
    impacts: np.ndarray
    lists: np.ndarray


_NONE = np.zeros(0, np.int64)
_NOTHING = Posting(_NONE, _NONE, _NONE)


class Shard:
    """A run of the sorted words with the rows of each, which are decoded when asked for.

    `n` is the number of rows; greater numbers are lists of genes. Raises ValueError where parts
    do not belong together.
    """

    def __init__(self, data: bytes, n: int):
        count, *sizes = np.frombuffer(data, "<u4", 4).tolist()
        begins = np.cumsum([16 + 4 * count, *sizes]).tolist()
        text, deltas, nibbles = (data[a:b] for a, b in pairwise(begins))
        self.n = n
        self.words = text.decode().split("\n") if count else []
        self.deltas = np.frombuffer(deltas, np.uint8)
        self.nibbles = np.frombuffer(nibbles, np.uint8)
        self.firsts = np.concatenate(([0], np.cumsum(np.frombuffer(data, "<u4", count, 16))))
        """The number of each word's first posting among all."""
        self.firsts = self.firsts.astype(np.int64)
        self.ends = np.concatenate(([0], np.flatnonzero(self.deltas < 128) + 1))
        """Where each posting begins in the deltas; its end is where the next begins."""
        total = self.firsts[-1]
        whole = len(self.ends) - 1 == total and self.ends[-1] == len(self.deltas)
        if np.diff(self.ends).max(initial=0) > _LONGEST:
            raise ValueError("a shard has a number beyond all rows")
        if len(self.words) != count or not whole or len(self.nibbles) != (total + 1) // 2:
            raise ValueError("a shard is longer or shorter than its words")

    def get(self, word: str) -> Posting:
        """The posting of a word; an empty one where it is not here."""
        at = bisect_left(self.words, word)
        if at == len(self.words) or self.words[at] != word:
            return _NOTHING
        documents, impacts = self._decode(at, at + 1)
        rows = documents < self.n
        return Posting(documents[rows], impacts[rows], documents[~rows] - self.n)

    def starting(self, prefix: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and impacts of all words that start so; a row comes once for each word."""
        begin = end = bisect_left(self.words, prefix)
        while end < len(self.words) and self.words[end].startswith(prefix):
            end += 1
        documents, impacts = self._decode(begin, end)
        unions = [at for at in range(begin, end) if self.words[at].endswith("*")]
        kept = documents < self.n
        for at in unions:
            a, b = self.firsts[[at, at + 1]] - self.firsts[begin]
            kept[a:b] = False
        return documents[kept], impacts[kept]

    def _decode(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Documents and impacts of some words that follow one another."""
        a, b = self.firsts[begin], self.firsts[end]
        if a == b:
            return _NONE, _NONE
        starts = self.ends[a:b] - self.ends[a]
        raw = self.deltas[self.ends[a] : self.ends[b]].astype(np.int64)
        sizes = np.diff(self.ends[a : b + 1])
        place = np.arange(len(raw)) - np.repeat(starts, sizes)
        steps = np.add.reduceat((raw & 127) << (7 * place), starts)
        sums = np.cumsum(steps)
        counts = np.diff(self.firsts[begin : end + 1])
        filled = self.firsts[begin:end][counts > 0] - a
        before = np.repeat(sums[filled] - steps[filled], counts[counts > 0])
        numbers = np.arange(a, b)
        impacts = self.nibbles[numbers >> 1] >> (4 * (numbers & 1)).astype(np.uint8) & 15
        return sums - before, impacts


class Shards:
    """All shards: `first` has the first word of each, `read` gives one by its number."""

    def __init__(self, first: list[str], n: int, read: Callable[[int], Shard]):
        self.first = first
        self.n = n
        self._read = read

    def exact(self, word: str) -> Posting:
        """The rows and lists of genes with a word."""
        return self._read(self._place(word)).get(word) if self.first else _NOTHING

    def starting(self, prefix: str) -> Posting:
        """The rows with a word that starts so, with the greatest impact; never lists of genes."""
        if not self.first:
            return _NOTHING
        begin = end = self._place(prefix)
        while end + 1 < len(self.first) and _before_end(self.first[end + 1], prefix):
            end += 1
        if end - begin >= _SPAN:
            shard = self._read(self._place(f"{prefix}*"))
            at = bisect_left(shard.words, f"{prefix}*")
            if shard.words[at : at + 1] == [f"{prefix}*"]:
                return shard.get(f"{prefix}*")  # without a row where only genes start so
        best = np.zeros(self.n, np.uint8)
        for k in range(begin, end + 1):
            np.maximum.at(best, *self._read(k).starting(prefix))
        rows = np.flatnonzero(best)
        return Posting(rows, best[rows], _NONE)

    def _place(self, word: str) -> int:
        """The shard where a word would be."""
        at = bisect_left(self.first, word)
        return at if self.first[at : at + 1] == [word] else max(0, at - 1)


def _before_end(word: str, prefix: str) -> bool:
    """Whether words with this prefix may come at or after `word`."""
    return word.startswith(prefix) or word < prefix
