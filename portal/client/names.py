"""Names of terms (labels, synonyms, ids) as words. They are matched here and stand in no text of a row."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from portal.client.terms import TermColumn
from portal.search_fold import content_words

__all__ = ["Name", "Names", "Place"]

Name = tuple[str, ...]
_SHORT = 2
"""Names of so few letters are left out: who types two letters means the beginning of a word."""


class Place(NamedTuple):
    """A term: the number of its column, and its own there."""

    column: int
    term: int


class Names:
    """All words of all names, sorted, and the terms that have each."""

    def __init__(self, columns: Sequence[TermColumn]):
        self._of = {
            Place(number, term): list(_names(column, term))
            for number, column in enumerate(columns)
            for term in range(len(column.terms))
        }

    @cached_property
    def by_word(self) -> dict[str, list[Place]]:
        """For each word the terms with it in a name."""
        found: dict[str, list[Place]] = {}
        for place, names in self._of.items():
            for word in {word for name in names for word in name}:
                found.setdefault(word, []).append(place)
        return found

    @cached_property
    def words(self) -> list[str]:
        """All words, sorted."""
        return sorted(self.by_word)

    def equal(self, word: str) -> list[Place]:
        """The terms that have a word in one of their names."""
        return self.by_word.get(word, [])

    def starting(self, prefix: str) -> list[Place]:
        """The terms that have a word that starts so."""
        at = bisect_left(self.words, prefix)
        found: dict[Place, None] = {}
        while at < len(self.words) and self.words[at].startswith(prefix):
            found.update(dict.fromkeys(self.by_word[self.words[at]]))
            at += 1
        return list(found)

    def called(self, name: Sequence[str]) -> list[Place]:
        """The terms that have this name as a whole."""
        rarest = min((self.equal(word) for word in name), key=len)
        return [place for place in rarest if tuple(name) in self._of[place]]

    def of(self, place: Place) -> list[Name]:
        """Every name of a term as its words."""
        return self._of[place]


def _names(column: TermColumn, term: int) -> Iterator[Name]:
    for text in column.terms.called(term):
        name = tuple(content_words(text))
        if len(name) > _SHORT or sum(map(len, name)) > _SHORT:
            yield name
