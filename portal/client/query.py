"""Selections of a portal's artifacts → smaller ones, tables, artifacts. One noun: `Hits`.

A selection says what is in it and in which order; it never changes, and costs little. What can
be asked of a column: `portal.client.columns.OPERATORS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from portal.client.artifact import Artifact
from portal.client.catalog import ALIASES, Catalog
from portal.client.index import newest_first, passing
from portal.client.lookup import Facets, Lookup
from portal.errors import UsageError, did_you_mean
from portal.words import number

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from portal.client.cohort import Manifest, Plan
    from portal.client.freezing import Frozen

__all__ = ["Hits"]


class Hits:
    """Some artifacts of a portal, newest first or in another order.

    All are public or announced: what the site lists, without any other filter. Artifacts that
    were withdrawn or superseded are reached by `Portal.get` alone.
    """

    def __init__(
        self,
        catalog: Catalog,
        parts: Mapping[str, np.ndarray],
        keys: np.ndarray | None = None,
        asked: str = "",
    ):
        """`parts` are flags by row of the catalog: for a facet the rows that have one of the
        values chosen of it, under "" those that all else is true of. `keys` are greater for what
        comes first; `asked` is the text that was searched for last."""
        self.catalog = catalog
        self._parts = parts
        self._keys = keys
        self._asked = asked

    # --- smaller, larger, other ones

    def filter(self, **conditions: Any) -> Hits:
        """Those that all conditions are true of.

        `tissue="lung"` finds what names the lung, by label, id or synonym, in any case, and what
        lies below it. Several values in a list mean either. `collection="slug"`,
        `elements="points"` (kinds or names) and `genes=["EPCAM", "KRT8"]` (all of them, by symbol
        or Ensembl id) ask what stands beside the catalog. `"unknown"` is a value like others.

        After `__` may come `ne`, `in`, `gt`, `gte`, `lt`, `lte`, `contains`, `icontains`,
        `startswith`, `istartswith`, `endswith` and `isnull`, as in `n_obs__gt=1000`: these take
        values as the catalog has them, and nothing below them. Sizes are exact here; browse knows
        three figures of them.

        Raises UsageError for a column or a value that is not there, naming the nearest.
        """
        parts = dict(self._parts)
        for condition, value in conditions.items():
            facet, rows = self.catalog.rows_where(condition, value)
            parts[facet] = parts[facet] & rows if facet in parts else rows
        return Hits(self.catalog, parts, self._keys, self._asked)

    def exclude(self, **conditions: Any) -> Hits:
        """Those that not all of the conditions are true of; conditions are those of `filter`."""
        found = [self.catalog.rows_where(name, value)[1] for name, value in conditions.items()]
        return self._with(self.flags & ~passing(found, self.catalog.n))

    def search(self, words: str) -> Hits:
        """Those that a text finds, best first, with the ranking of browse.

        As there, the last word may be a beginning until white space follows, and a typo is
        forgiven where a word is found nowhere: `corrected` says which, `suggestions` what may
        find something where nothing was found. Raises UsageError for a catalog without a site.
        """
        if not self.catalog.n:  # a site that lists nothing has no index
            return self
        found = self.catalog.text.find(words)
        if found is None:
            return self
        rest = self._parts.get("")
        rows = found.rows if rest is None else rest & found.rows
        return Hits(self.catalog, {**self._parts, "": rows}, found.keys, words)

    def order_by(self, *columns: str) -> Hits:
        """In the order of columns, the first before the others; `-` turns one round.

        Unknown comes last in either direction, and what is equal newest first. Titles are in
        browse's order: numbers in them by their value.
        """
        by = [self.catalog.order_of(name) for name in columns]
        order = np.lexsort((-np.arange(self.catalog.n), *reversed(by)))
        return Hits(self.catalog, self._parts, self._places(order), self._asked)

    def select(self, ids: Iterable[str]) -> Hits:
        """Those with these ids, in their order. Raises UsageError for one that is not here."""
        here = dict(zip(self.ids, self.rows.tolist(), strict=True))
        chosen = list(dict.fromkeys(ids))
        for id_ in chosen:
            if id_ not in here:
                hint = did_you_mean(id_, here)
                raise UsageError(f"No artifact here is called {id_!r}. {hint}".rstrip())
        return self._chosen(np.array([here[id_] for id_ in chosen], np.int64))

    def __and__(self, other: Hits) -> Hits:
        self._must_share(other)
        parts = dict(self._parts)
        for facet, rows in other._parts.items():
            parts[facet] = parts[facet] & rows if facet in parts else rows
        keys = other._keys if self._keys is None else self._keys
        return Hits(self.catalog, parts, keys, self._asked or other._asked)

    def __or__(self, other: Hits) -> Hits:
        self._must_share(other)
        return self._with(self.flags | other.flags)

    def __invert__(self) -> Hits:
        return Hits(self.catalog, {"": ~self.flags})

    # --- artifacts

    def __len__(self) -> int:
        return int(np.count_nonzero(self.flags))

    def __iter__(self) -> Iterator[Artifact]:
        return (self._artifact(row) for row in self.rows)

    def __contains__(self, other: object) -> bool:
        """Whether an artifact, or the one with an id, is among them."""
        id_ = other.id if isinstance(other, Artifact) else other
        place = self.catalog.tables.place.get(id_) if isinstance(id_, str) else None
        return place is not None and place in self.catalog.places[self.rows]

    @overload
    def __getitem__(self, at: int) -> Artifact: ...
    @overload
    def __getitem__(self, at: slice) -> Hits: ...
    def __getitem__(self, at: int | slice) -> Artifact | Hits:
        if isinstance(at, slice):
            return self._chosen(self.rows[at])
        return self._artifact(self.rows[at])

    def first(self) -> Artifact | None:
        """The first, None where there is none."""
        return self[0] if len(self) else None

    def one_or_none(self) -> Artifact | None:
        """The only one, None where there is none. Raises UsageError where there are several."""
        if len(self) > 1:
            some = ", ".join(self[:3].ids)
            raise UsageError(f"There are {number(len(self))} artifacts, not one: {some}.")
        return self.first()

    def one(self) -> Artifact:
        """The only one. Raises UsageError where there are none or several."""
        found = self.one_or_none()
        if found is None:
            raise UsageError("There is no such artifact.")
        return found

    @property
    def ids(self) -> list[str]:
        """Their ids, in order."""
        return self.catalog.ids(self.rows)

    # --- what there is in them

    def facets(self, *columns: str) -> Facets:
        """How many there are of each value of each facet, or of some; what has none is left out.

        A figure answers all but what `filter` chose of its own facet, as in browse: so many there
        would be with this value. A term counts what lies below it.
        """
        counted = Facets()
        for name in columns or self.catalog.facets:
            name = ALIASES.get(name, name)
            if not self.catalog.chooses(name):
                hint = did_you_mean(name, self.catalog.chosen_from)
                raise UsageError(f"No facet is called `{name}`. {hint}".rstrip())
            vocabulary = self.catalog.facet(name)
            others = [rows for facet, rows in self._parts.items() if facet != name]
            counts = vocabulary.column.count(passing(others, self.catalog.n))
            names = zip(vocabulary.names, vocabulary.shown, strict=True)
            counted[name] = {label: int(counts[term]) for label, term in names if counts[term]}
        return counted

    def lookup(self) -> Lookup:
        """The values of each facet, for completion: `lookup().tissue.lung` is `"lung"`."""
        return Lookup(self.facets())

    @property
    def corrected(self) -> dict[str, list[str]]:
        """Words of the search that are found nowhere, and those that were looked for instead."""
        found = self.catalog.text.find(self._asked) if self._asked else None
        return found.corrected if found else {}

    @property
    def suggestions(self) -> list[str]:
        """Where the search has words that nothing is like: up to three that may find something."""
        found = self.catalog.text.find(self._asked) if self._asked else None
        return self.catalog.text.suggestions(found) if found else []

    def to_dataframe(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Their rows of the catalog, by id, in order; all columns unless some are named."""
        return self.catalog.tables.frame(self.catalog.places[self.rows], columns)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The same as Arrow has it, with the id in the column `uid`."""
        return self.catalog.tables.arrow(self.catalog.places[self.rows], columns)

    @property
    def summary(self) -> str:
        """A line: how many, how large, and what most of them are."""
        from portal.client.html import summary

        return summary(self)

    def __repr__(self) -> str:
        from portal.client.html import listing

        return listing(self)

    def _repr_html_(self) -> str:
        from portal.client.html import hits_html

        return hits_html(self)

    # --- cohorts

    def plan(self, elements: str | Iterable[str] | None = None) -> Plan:
        """What a download would fetch, or only `elements` of it: see `portal.client.cohort`."""
        from portal.client.cohort import plan

        return plan(self, elements)

    def download(
        self,
        dest: str | Path,
        elements: str | Iterable[str] | None = None,
        *,
        progress: bool = True,
    ) -> Manifest:
        """Fetch their stores into a folder: see `portal.client.cohort`."""
        from portal.client.cohort import download

        return download(self, dest, elements, progress=progress)

    def freeze(self, path: str | Path) -> Frozen:
        """Write down which they are, with versions and hashes: see `portal.client.freezing`."""
        from portal.client.freezing import freeze

        return freeze(self, path)

    def split(
        self,
        by: str,
        test: float = 0.2,
        seed: int = 0,
        *,
        unknown: Literal["error", "own"] = "error",
    ) -> tuple[Hits, Hits]:
        """Those to train on and those to test on, with nothing of the column `by` in common: see
        `portal.client.splitting`."""
        from portal.client.splitting import split

        train, held_out = split(self, by, test, seed, unknown=unknown)
        return self.select(a.id for a in train), self.select(a.id for a in held_out)

    def cite(self, style: Literal["bibtex", "csl"] = "bibtex") -> str:
        """How to cite them, each source once: see `portal.client.citing`."""
        from portal.client.citing import cite

        return cite(self, style)

    def tiles(self, **options: Any) -> Any:
        """Tiles of their images, to train on: see `portal.client.tiles`."""
        from portal.client.tiles import tiles_of_many

        return tiles_of_many(self, **options)

    # --- the inside

    @cached_property
    def flags(self) -> np.ndarray:
        """For each row of the catalog whether it is one of them."""
        return passing(self._parts.values(), self.catalog.n)

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows in order."""
        return newest_first(np.flatnonzero(self.flags), self._keys)

    def _with(self, flags: np.ndarray) -> Hits:
        return Hits(self.catalog, {"": flags}, self._keys, self._asked)

    def _chosen(self, rows: np.ndarray) -> Hits:
        """Some rows in this order."""
        flags = np.zeros(self.catalog.n, bool)
        flags[rows] = True
        return Hits(self.catalog, {"": flags}, self._places(rows), self._asked)

    def _places(self, order: np.ndarray) -> np.ndarray:
        """A key for each row: the greatest for the first of the order."""
        keys = np.zeros(self.catalog.n, np.int64)
        keys[order] = np.arange(len(order), 0, -1)
        return keys

    def _artifact(self, row: int) -> Artifact:
        values = self.catalog.row(row)
        return Artifact(values["uid"], self.catalog.source, values)

    def _must_share(self, other: Hits) -> None:
        if other.catalog is not self.catalog:
            raise UsageError(
                "Selections of two portals can't be combined, nor of one opened twice."
            )
