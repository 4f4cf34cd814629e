"""Which row of a table belongs to which shape or label: ids are compared as text.

A viewer pairs rows with shapes by position, and with labels by value, and checks neither. Stores
write the same id as 7, 7.0 or "7", name what is not there, and repeat themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["MAX_LABEL", "Renumbering", "paired", "text_ids"]

# A viewer looks colours up by label in a texture of 2048 × 2048.
MAX_LABEL = 2048 * 2047
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


def text_ids(values: Iterable[Any]) -> tuple[str, ...]:
    """Ids as text, in one spelling for 7, 7.0, b"7" and "7.0"; a missing one is empty."""
    return tuple(_text(v) for v in values)


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN and its like
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    whole = _WHOLE.fullmatch(text)
    if whole is None and isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))  # 1e+20
    return whole[1] if whole else text


def paired(rows: Sequence[str], places: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that have a place, in their order, and of the places, aligned.

    Each row and each place is used once: of ids that repeat, the first.
    """
    free: dict[str, int] = {}
    for place, name in enumerate(places):
        free.setdefault(name, place)
    free.pop("", None)
    found = [(row, free.pop(name)) for row, name in enumerate(rows) if name in free]
    both = np.array(found, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


class Renumbering:
    """Labels as a viewer can colour them by a table.

    Ids stay as they are where they fit into the viewer's texture, else they become 1, 2, 3.
    Labels without a row share a number that has no colour.
    """

    def __init__(self, ids: Sequence[str]):
        numbers = [int(i) if re.fullmatch(r"[0-9]{1,18}", i) else 0 for i in ids]
        first: dict[int, int] = {}
        for row, number in enumerate(numbers):
            first.setdefault(number, row)
        first.pop(0, None)
        self.rows = np.array(sorted(first.values()), dtype=np.int64)
        old = np.array([numbers[row] for row in self.rows], dtype=np.int64)
        self.keeps = int(old.max(initial=0)) <= MAX_LABEL
        new = old if self.keeps else np.arange(1, len(old) + 1)
        self.ids = text_ids(new)
        order = np.argsort(old)
        self._old, self._new = old[order], new[order].astype(np.int64)
        self.top = int(new.max(initial=0)) + 1
        self._seen = np.zeros(self.top + 1, bool)

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """The new numbers of a block of labels."""
        block = np.asarray(block).astype(np.int64)
        if self.keeps:
            new = np.where(block < 0, 0, np.minimum(block, self.top))
        else:
            place = np.searchsorted(self._old, block).clip(max=len(self._old) - 1)
            known = self._old[place] == block
            new = np.where(known, self._new[place], np.where(block > 0, self.top, 0))
        self._seen[new] = True
        return new

    @property
    def matches(self) -> int:
        """How many rows have turned up as labels so far."""
        return int(self._seen[self._new].sum())
