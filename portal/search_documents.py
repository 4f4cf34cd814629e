"""What the search knows of the artifacts: columns, oldest artifact first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FIELDS", "Documents", "RangeInfo", "TermColumn", "TermInfo"]

FIELDS = {"title": 4, "names": 2, "citation": 2, "elements": 1, "description": 1}
"""Fields of text and how much a word in each weighs."""


@dataclass(frozen=True)
class TermInfo:
    """One term of a facet. `parents` are all direct ones, as places in the column's terms."""

    label: str
    id: str | None = None
    synonyms: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    shown: bool = True


@dataclass(frozen=True)
class TermColumn:
    """A facet and which of its terms each row names itself.

    Row i has `codes[offsets[i]:offsets[i + 1]]`.
    """

    column: str
    label: str
    kind: Literal["term", "value"]
    terms: Sequence[TermInfo]
    offsets: np.ndarray
    codes: np.ndarray
    in_rail: bool = True


@dataclass(frozen=True)
class RangeInfo:
    """A column of whole numbers from 0; below 0 is unknown. Dates are days since 1970."""

    column: str
    label: str
    kind: Literal["count", "bytes", "date"]
    values: np.ndarray


@dataclass(frozen=True)
class Documents:
    """All rows, by column, so that a million need no million objects."""

    ids: pa.Array
    facets: Sequence[TermColumn]
    ranges: Sequence[RangeInfo]
    texts: dict[str, pa.Array]
    """By name in FIELDS."""
    cards: Callable[[int, int], list[str]]
    """HTML of the cards of rows from the first up to the second."""
    gene_lists: Sequence[Sequence[str]] = ()
    """Distinct lists of symbols and ids."""
    gene_list: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    """Each row's place in `gene_lists`, -1 for none; empty where no row has any."""
    catalog_rows: np.ndarray | None = None
    """Each row's place in catalog.parquet; by id where not given."""

    def __len__(self) -> int:
        return len(self.ids)
