"""The search index of a site → what it knows of every row. One verb: `Index(read, name)`.

The files are those that the browser reads; `docs/docs/search-index.md` says what is in them. A
row is a listed artifact, numbered from the oldest. What is asked for is an array with a flag, a
number or a key for each row; whoever asks combines them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from portal.client.terms import TermColumn, Terms, lists_of
from portal.errors import PortalError
from portal.search_container import unpack

__all__ = ["Index", "IndexDamaged", "RangeColumn", "newest_first", "passing"]

_MOST = 1 << 30
"""No file of an index has more bytes when it is unpacked."""
_Place = Annotated[int, Field(ge=0)]
_File = Annotated[str, Field(pattern=r"^[a-z]+-[0-9a-f]{8}\.bin$")]

T = TypeVar("T")


class IndexDamaged(PortalError):
    """A file of the search index does not say what such a file says."""


class _Facet(BaseModel):
    column: str
    label: str
    kind: Literal["term", "value"]
    rail: bool = True
    labels: list[str]
    ids: list[str]
    parents: list[list[_Place]]


class _Range(BaseModel):
    column: str
    label: str
    kind: Literal["count", "bytes", "date"]


class _Text(BaseModel):
    first: list[str]


class _Files(BaseModel):
    names: _File
    title: _File
    words: _File
    rows: _File


class _Header(BaseModel):
    format: Literal[1]
    n: _Place
    facets: list[_Facet]
    ranges: list[_Range]
    text: _Text
    files: _Files
    genes: _Place = 0


class _Names(BaseModel):
    labels: list[str]
    ids: list[str]
    synonyms: list[list[str]]
    parents: list[list[_Place]]


_ALL_NAMES = TypeAdapter(list[_Names])


class Index:
    """All that the index says. Files but the first are read when they are first needed.

    `read` gives the bytes of a file below `search/`, `name` is that of the file of facets.
    Raises IndexDamaged for files that are not of this format.
    """

    def __init__(self, read: Callable[[str], bytes], name: str):
        self._read = read
        raw, arrays = self.packed(name, unpack)
        try:
            header = _Header.model_validate(raw)
            self.n = header.n
            self.files = header.files
            self.columns = [_term_column(f, arrays) for f in header.facets]
            self.ranges = [RangeColumn(r, arrays) for r in header.ranges]
            self.first_words = header.text.first
            self.shard_hashes = arrays["text.hash"].tolist()
            self.gene_codes: np.ndarray | None = arrays.get(":genes")
            self.n_genes = header.genes
            self._check()
        except (ValidationError, ValueError, KeyError, IndexError) as e:
            raise _damaged(name) from e

    def packed(self, name: str, use: Callable[[bytes], T]) -> T:
        """What `use` makes of a file. A host may have unpacked it already."""
        data = self._read(name)
        try:
            if data[:2] == b"\x1f\x8b":
                unzip = zlib.decompressobj(31)
                data = unzip.decompress(data, _MOST)
                if not unzip.eof:
                    raise ValueError("it ends too early, or is too large")
            return use(data)
        except (zlib.error, ValueError, KeyError, IndexError, TypeError) as e:
            raise _damaged(name) from e

    @cached_property
    def named(self) -> list[TermColumn]:
        """The columns with all that their terms are called, and with those that only words find.

        The numbers of the terms of `columns` are the same here.
        """
        name = self.files.names
        names = self.packed(name, _ALL_NAMES.validate_json)
        try:
            return [
                column.renamed(
                    Terms(
                        column.terms.labels + more.labels,
                        column.terms.ids + more.ids,
                        more.parents,
                        more.synonyms,
                    )
                )
                for column, more in zip(self.columns, names, strict=True)
            ]
        except ValueError as e:
            raise _damaged(name) from e

    @cached_property
    def title_ranks(self) -> np.ndarray:
        """The place of each row in the order of titles."""
        return self._by_row(self.files.title, "title")

    @cached_property
    def catalog_rows(self) -> np.ndarray:
        """The place of each row in catalog.parquet."""
        return self._by_row(self.files.rows, "rows")

    def _by_row(self, file: str, name: str) -> np.ndarray:
        array = self.packed(file, lambda data: unpack(data)[1][name])
        if len(array) != self.n:
            raise _damaged(file)
        return array.astype(np.int64)

    def _check(self) -> None:
        coded: list[Any] = [*(c.codes for c in self.columns), *(r.codes for r in self.ranges)]
        if self.gene_codes is not None:
            coded.append(self.gene_codes)
            if self.gene_codes.max(initial=0) > self.n_genes:
                raise ValueError("a row has a list of genes that is not there")
        if any(len(codes) != self.n for codes in coded):
            raise ValueError("a column has more or fewer rows than the index")
        if len(self.first_words) != len(self.shard_hashes):
            raise ValueError("there are more or fewer shards than first words")


class RangeColumn:
    """A column of numbers; days since 1970-01-01 for dates, sizes to three figures.

    A row's code is 0 where nothing is known, else 1 + the place of its number among `values`.
    """

    def __init__(self, given: _Range, arrays: dict[str, np.ndarray]):
        self.column = given.column
        self.label = given.label
        self.kind = given.kind
        self.codes = arrays[f"{given.column}.codes"]
        self.values = np.cumsum(arrays[f"{given.column}.values"], dtype=np.float64)
        if self.codes.max(initial=0) > len(self.values):
            raise ValueError(f"a row has a number of {given.column} that is not there")

    def within(self, low: float | None, high: float | None) -> np.ndarray:
        """Which rows lie in a range; both ends count, and what is unknown lies in none."""
        first = 0 if low is None else int(np.searchsorted(self.values, low, "left"))
        end = len(self.values) if high is None else int(np.searchsorted(self.values, high, "right"))
        return (self.codes > first) & (self.codes <= end)

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """The known numbers of some rows."""
        codes = self.codes[rows]
        return self.values[codes[codes > 0].astype(np.int64) - 1]


def _term_column(given: _Facet, arrays: dict[str, np.ndarray]) -> TermColumn:
    own = lists_of(arrays[f"{given.column}.setlen"], arrays[f"{given.column}.set"])
    terms = Terms(given.labels, given.ids, given.parents)
    codes = arrays[f"{given.column}.codes"]
    return TermColumn(given.column, given.label, given.kind, terms, codes, own, given.rail)


def _damaged(name: str) -> IndexDamaged:
    return IndexDamaged(
        f"search/{name} of this portal arrived damaged, or is of another format than 1. Open the "
        "portal again; if it stays so, build it anew."
    )


def passing(masks: Iterable[np.ndarray], n: int) -> np.ndarray:
    """Which of `n` rows all of some conditions are true of."""
    found = np.ones(n, bool)
    for mask in masks:
        found &= mask
    return found


def newest_first(rows: np.ndarray, keys: np.ndarray | None) -> np.ndarray:
    """Rows, given ascending, by their keys, the greatest first; equal ones newest first."""
    rows = rows[::-1]
    return rows if keys is None else rows[np.argsort(-keys[rows], kind="stable")]
