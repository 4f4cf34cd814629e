"""The order of terms, as numbers: what lies below what, and what of it is worth showing.

A term is its place in a list; its parents are other places. Sets of terms are whole numbers with
a bit for each, so that a vocabulary of thousands costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

__all__ = ["above", "bits", "nearest_shown", "parents_first", "shown_terms", "without_cycles"]

Parents = Sequence[Sequence[int]]


def without_cycles(parents: Parents) -> list[tuple[int, ...]]:
    """The same parents but for those that would lead in a circle.

    Which step of a circle is left out follows from the order of the terms.
    """
    kept: list[dict[int, None]] = [{} for _ in parents]
    state = bytearray(len(parents))  # 0 new, 1 being followed, 2 done
    for start in range(len(parents)):
        if state[start]:
            continue
        path: list[tuple[int, Iterator[int]]] = [(start, iter(parents[start]))]
        state[start] = 1
        while path:
            term, left = path[-1]
            for parent in left:
                if state[parent] != 1:
                    kept[term][parent] = None
                if not state[parent]:
                    state[parent] = 1
                    path.append((parent, iter(parents[parent])))
                    break
            else:
                state[term] = 2
                path.pop()
    return [tuple(k) for k in kept]


def above(parents: Parents) -> list[int]:
    """For each term the set of all its ancestors; the parents must not lead in a circle."""
    sets: list[int | None] = [None] * len(parents)
    for start in range(len(parents)):
        path = [start]
        while path:
            term = path[-1]
            waiting = [p for p in parents[term] if sets[p] is None]
            if waiting:
                path += waiting
                continue
            path.pop()
            members = 0
            for parent in parents[term]:
                members |= (sets[parent] or 0) | 1 << parent
            sets[term] = members
    return [s or 0 for s in sets]


def parents_first(ancestors: Sequence[int], names: Sequence[str]) -> list[int]:
    """An order in which no term comes before one above it: whoever has fewer ancestors first,
    then by name."""
    return sorted(range(len(names)), key=lambda t: (ancestors[t].bit_count(), names[t], t))


def shown_terms(parents: Parents, order: Sequence[int], named: Iterable[int]) -> list[bool]:
    """Which terms have a place in the tree: those named by a record, and those that join at
    least two shown branches. Of several that join the same ones, that with most above it.
    """
    shown = [False] * len(parents)
    for term in named:
        shown[term] = True
    branches = [0] * len(parents)  # the nearest shown terms below each term
    below = [0] * len(parents)  # all shown terms below each term
    joined: set[int] = set()
    for term in reversed(order):
        nearest = _tops(branches[term], below)
        if not shown[term] and nearest & (nearest - 1) and nearest not in joined:
            joined.add(nearest)
            shown[term] = True
        mine = 1 << term if shown[term] else nearest
        under = below[term] | (1 << term if shown[term] else 0)
        for parent in parents[term]:
            branches[parent] |= mine
            below[parent] |= under
    return shown


def nearest_shown(
    parents: Parents, order: Sequence[int], shown: Sequence[bool]
) -> list[tuple[int, ...]]:
    """For each shown term its nearest shown ancestors, none of which lies above another."""
    sets = [0] * len(parents)
    higher = [0] * len(parents)
    near: list[tuple[int, ...]] = [()] * len(parents)
    for term in order:
        for parent in parents[term]:
            sets[term] |= 1 << parent if shown[parent] else sets[parent]
            higher[term] |= higher[parent] | (1 << parent if shown[parent] else 0)
        sets[term] = _tops(sets[term], higher)
        if shown[term]:
            near[term] = tuple(bits(sets[term]))
    return near


def bits(number: int) -> Iterator[int]:
    """The members of a set, ascending."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _tops(members: int, beyond: Sequence[int]) -> int:
    """Those members that lie beyond no other."""
    for member in bits(members):
        members &= ~beyond[member]
    return members
