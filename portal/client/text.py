"""A typed query → the rows that it finds, and how well. One verb: `TextSearch.find(q)`.

Its words are looked up in the rows' texts, the lists of genes and the names of terms. The rules
and their figures are those of `docs/docs/searching.md`, and of the browser.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from portal.client.index import Index
from portal.client.names import Names, Place
from portal.client.shards import Posting, Shard, Shards
from portal.client.terms import TermColumn
from portal.search_fold import content_words, words

__all__ = ["Found", "TextSearch"]

# What a match is worth beside a whole word in a text.
_STARTS = 0.5
_MISSPELT = 0.4
_GENE = 0.3
_OWN_NAME = 0.8
_OWN_NAME_STARTS = 0.4
_NAME_ABOVE = 0.3
_ASKED = 2
"""For a row that has the very term that was asked for."""

_LETTERS_TO_CORRECT = 4
"""A word of fewer has too many neighbours."""
_LETTERS_FOR_TWO = 5
_SUGGESTIONS = 3
_ENDED = re.compile(r"[\s\ufeff]\Z")


@dataclass(frozen=True)
class Found:
    """What a query finds. `keys` are greater for better rows, and 0 for those not found."""

    words: list[str]
    rows: np.ndarray
    """A flag for each row."""
    keys: np.ndarray
    corrected: dict[str, list[str]] = field(default_factory=dict)
    """Words that are found nowhere, and those one slip away that were looked for instead."""
    missing: list[str] = field(default_factory=list)
    """Words that nothing is like."""


@dataclass
class _Match:
    """What one word matches. A row scores the best of its texts and genes, plus its best name."""

    texts: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    """Rows and what each scores."""
    genes: tuple[np.ndarray, float] | None = None
    """Flags by code of a list of genes, and what these score."""
    names: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    """Codes by row, and what each scores."""
    size: int = 0
    """How many rows at most."""


class TextSearch:
    """The words of an index."""

    def __init__(self, index: Index):
        self.index = index
        self.n = index.n
        self.shards = Shards(index.first_words, index.n, lru_cache(256)(self._shard))
        self._kept = lru_cache(64)(self._find)

    @cached_property
    def columns(self) -> list[TermColumn]:
        return self.index.named

    @cached_property
    def names(self) -> Names:
        return Names(self.columns)

    def find(self, q: str) -> Found | None:
        """What a query finds; None where there is no word in it."""
        return self._kept(q)

    def _find(self, q: str) -> Found | None:
        asked = content_words(q) or words(q)  # small ones alone are looked up, and found nowhere
        if not asked:
            return None
        terms = self.names.called(asked)
        if terms:
            return self._find_name(asked, terms)
        return self._find_words(asked, typing=not _ENDED.search(q))

    def suggestions(self, found: Found) -> list[str]:
        """Up to three queries in which words that nothing has are replaced by the nearest."""
        nearest: dict[str, list[str]] = {}
        for word in found.missing:
            near = self._near(word, 1 if len(word) < _LETTERS_FOR_TWO else 2)
            if not near:
                return []
            nearest[word] = near[:_SUGGESTIONS]
        queries = (
            " ".join(_at(nearest[word], i) if word in nearest else word for word in found.words)
            for i in range(max(map(len, nearest.values()), default=0))
        )
        return list(dict.fromkeys(queries))

    def gene_lists(self, word: str) -> np.ndarray:
        """Which rows have a list of genes with this word."""
        match = self._genes(self.shards.exact(word).lists)
        codes = self.index.gene_codes
        if match is None or codes is None:
            return np.zeros(self.n, bool)
        return match[0][codes]

    # --- queries

    def _find_words(self, asked: list[str], typing: bool) -> Found:
        """The rows that match every word; the last may go on where one is `typing`."""
        last = len(asked) - 1
        matches, corrected, missing = [], {}, []
        for i, word in enumerate(asked):
            match = self._look_up(word, typing and i == last and len(word) >= 2)
            if not match.size and len(word) >= _LETTERS_TO_CORRECT:
                match, to = self._look_up_near(word)
                if match.size:
                    corrected[word] = to
            if not match.size:
                missing.append(word)
            matches.append(match)
        rows, scores = self._match(matches)
        best = np.zeros(self.n, np.float32)
        best[rows] = scores
        return Found(asked, best > 0, best, corrected, missing)

    def _find_name(self, asked: list[str], terms: list[Place]) -> Found:
        """The query is the name of terms: whatever else they are called is as good.

        Finds the rows that have one of the terms, or match every word of one of the names.
        """
        of, called = self.names.of, self.names.called
        first = dict.fromkeys(name for place in terms for name in of(place))
        places = list(dict.fromkeys([*terms, *(p for name in first for p in called(name))]))
        names = list(dict.fromkeys(name for place in places for name in of(place)))
        matches = {w: self._look_up(w, False) for w in dict.fromkeys(w for n in names for w in n)}
        best = np.zeros(self.n)
        for name in names:
            rows, scores = self._match([matches[word] for word in name])
            # A long name says no more than a short one.
            best[rows] = np.maximum(best[rows], scores / len(name))
        having = np.zeros(self.n, bool)
        for number, column in enumerate(self.columns):
            chosen = [place.term for place in places if place.column == number]
            if chosen:
                having |= column.having(chosen)
        best += _ASKED * having
        return Found(asked, best > 0, best.astype(np.float32))

    # --- words

    def _look_up(self, word: str, prefix: bool) -> _Match:
        """What a word matches; with `prefix`, words that start so count too."""
        exact = self.shards.exact(word)
        match = _Match(genes=self._genes(exact.lists))
        if match.genes is not None:
            match.size += int(self._list_sizes[match.genes[0]].sum())
        self._add_text(match, exact, 1)
        names = [(self.names.equal(word), _OWN_NAME, _NAME_ABOVE)]
        if prefix:
            self._add_text(match, self.shards.starting(word), _STARTS)
            names.append((self.names.starting(word), _OWN_NAME_STARTS, 0))
        self._add_names(match, names)
        return match

    def _look_up_near(self, word: str) -> tuple[_Match, list[str]]:
        """What all words one slip away match, and which these are."""
        to = sorted(other for other in self._near(word, 1) if other != word)
        match = _Match()
        for other in to:
            if other in self._dictionary:
                self._add_text(match, self.shards.exact(other), _MISSPELT)
        places = [place for other in to for place in self.names.equal(other)]
        self._add_names(match, [(places, _NAME_ABOVE, _NAME_ABOVE)])
        return match, to

    def _add_text(self, match: _Match, posting: Posting, worth: float) -> None:
        if n := len(posting.rows):
            match.texts.append((posting.rows, posting.impacts * (worth * self._idf(n) / 15)))
            match.size += n

    def _genes(self, lists: np.ndarray) -> tuple[np.ndarray, float] | None:
        has = np.zeros(self.index.n_genes + 1, bool)
        has[lists[lists < self.index.n_genes] + 1] = True
        rows = int(self._list_sizes[has].sum())
        return (has, _GENE * self._idf(rows)) if rows else None

    def _add_names(
        self, match: _Match, found: Sequence[tuple[Iterable[Place], float, float]]
    ) -> None:
        """Terms with what each is worth to rows that name it, and to those below it (0: none)."""
        by_column: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for places, own, above in found:
            for number, term in places:
                n_terms = len(self.columns[number].terms)
                if number not in by_column:
                    by_column[number] = np.zeros(n_terms), np.zeros(n_terms)
                of_own, of_above = by_column[number]
                idf = self._idf(int(self.columns[number].counts[term]))
                of_own[term] = max(of_own[term], own * idf)
                of_above[term] = max(of_above[term], above * idf)
        for number, (of_own, of_above) in by_column.items():
            column = self.columns[number]
            scores = np.maximum(column.own.greatest(of_own), column.all.greatest(of_above))
            if scores.any():  # a term may have no rows, or none of its own
                match.names.append((column.codes, scores))
                match.size += int(column.set_sizes[scores > 0].sum())

    # --- scores

    def _match(self, matches: list[_Match]) -> tuple[np.ndarray, np.ndarray]:
        """The rows that match every word, and what they score."""
        rows = np.arange(self.n)
        scores = np.zeros(self.n)
        for match in sorted(matches, key=lambda m: m.size):
            if not match.size:
                return rows[:0], scores[:0]
            value = self._score(match, rows)
            kept = value > 0
            rows, scores = rows[kept], scores[kept] + value[kept]
        return rows, scores

    def _score(self, match: _Match, rows: np.ndarray) -> np.ndarray:
        text = np.zeros(self.n)
        for found, values in match.texts:
            text[found] = np.maximum(text[found], values)
        text = text[rows]
        if match.genes is not None and self.index.gene_codes is not None:
            has, value = match.genes
            text = np.where(has[self.index.gene_codes[rows]], np.maximum(text, value), text)
        name = np.zeros(len(rows))
        for codes, values in match.names:
            np.maximum(name, values[codes[rows]], out=name)
        return text + name

    def _idf(self, rows: int) -> float:
        """How much it says that only so many rows have something."""
        return math.log(1 + self.n / (rows + 0.5))

    # --- typos

    def _near(self, word: str, most: int) -> list[str]:
        """Words of texts and names at most so many slips away: nearest first, then most frequent.

        None has a number in it: another year or accession is another thing.
        """
        if _has_number(word):
            return []
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        hits = process.extract(
            word, self._spelt, scorer=OSA.distance, score_cutoff=most, limit=None, processor=None
        )
        ranked = sorted((int(d), -self._rows_with(other), other) for other, d, _ in hits)
        return [other for _, _, other in ranked]

    def _rows_with(self, word: str) -> int:
        named = (int(self.columns[c].counts[t]) for c, t in self.names.equal(word))
        return self._dictionary.get(word, 0) + sum(named)

    @cached_property
    def _spelt(self) -> list[str]:
        """What a word with a typo is compared with."""
        known = self._dictionary
        named = (w for w in self.names.by_word if w not in known and not _has_number(w))
        return [*known, *named]

    @cached_property
    def _dictionary(self) -> dict[str, int]:
        """The most frequent words of texts, and how many rows have each."""

        def read(data: bytes) -> dict[str, int]:
            lines = (line.partition("\t") for line in data.decode().split("\n"))
            return {word: int(rows) for word, _, rows in lines if word and rows}

        return self.index.packed(self.index.files.words, read)

    @cached_property
    def _list_sizes(self) -> np.ndarray:
        """Rows of each list of genes, by code; code 0 is none."""
        codes = self.index.gene_codes
        counted = np.zeros(0, np.int64) if codes is None else codes
        return np.bincount(counted, minlength=self.index.n_genes + 1)

    def _shard(self, k: int) -> Shard:
        name = f"text/{k}-{self.index.shard_hashes[k]:08x}.bin"
        return self.index.packed(name, lambda data: Shard(data, self.n))


def _has_number(word: str) -> bool:
    return any(unicodedata.category(letter)[0] == "N" for letter in word)


def _at(words: list[str], i: int) -> str:
    """The word at a place, the last where there are fewer."""
    return words[min(i, len(words) - 1)]
