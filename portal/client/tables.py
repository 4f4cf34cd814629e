"""The Parquet files of a portal, column by column. One verb: `Tables(source)`.

A file is read where it lies, or from the copy in the cache; of its columns only those that are
asked for, each once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.client.columns import Column, DateColumn, FlagColumn, NumberColumn, TextColumn
from portal.client.source import NotThere, Source
from portal.errors import PortalError, UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Row", "Table", "Tables", "flags_of", "need_pandas", "numbers_of"]

_FEW = 1_000
"""A table of so few rows is a frame in some milliseconds, which threads only delay."""
_MIDDLE = 20_000
"""One of so many in a tenth of a second."""
_DATES = frozenset(("published_at", "publication_date"))


class Table:
    """One Parquet file. Raises PortalError where it is none."""

    def __init__(self, source: Source, path: str, dates: Collection[str] = ()):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(source.local(path), memory_map=True)
        except (pa.ArrowInvalid, OSError) as e:
            raise PortalError(f"{source.address(path)} is no Parquet file: {e}") from e
        self.names: list[str] = self._file.schema_arrow.names
        self.n: int = self._file.metadata.num_rows
        self.metadata: dict[bytes, bytes] = self._file.schema_arrow.metadata or {}
        self._dates = dates
        self._arrays: dict[str, pa.Array] = {}
        self._columns: dict[str, Column] = {}

    def array(self, name: str) -> Any:
        """A column as Arrow has it."""
        if name not in self._arrays:
            self._read([name])
        return self._arrays[name]

    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Some columns, or all."""
        import pyarrow as pa

        names = self.names if columns is None else list(columns)
        if missing := [name for name in names if name not in self._arrays]:
            self._read(missing)
        return pa.table({name: self._arrays[name] for name in names})

    def column(self, name: str) -> Column:
        """A column that can be asked; ontology ids stand beside the labels of their terms."""
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    def texts(self, name: str) -> list[Any]:
        """A column as Python has it."""
        return self.array(name).to_pylist()

    def _read(self, names: Sequence[str]) -> None:
        found = self._file.read(columns=list(names))  # in the order of the file
        for name, column in zip(found.column_names, found.columns, strict=True):
            whole = column.combine_chunks()
            self._arrays[name] = whole.chunk(0) if hasattr(whole, "chunk") else whole

    def _column(self, name: str) -> Column:
        import pyarrow.types as types

        array = self.array(name)
        kind = array.type
        if types.is_list(kind) or types.is_large_list(kind):
            ids = name.removesuffix("_terms") + "_term_ids"
            beside = self.column(ids) if name.endswith("_terms") and ids in self.names else None
            also = beside if isinstance(beside, TextColumn) else None
            offsets = numbers_of(array.offsets)
            distinct, codes = _distinct(array.values.to_pylist())
            rows = np.repeat(np.arange(self.n), np.diff(offsets))
            codes = codes[offsets[0] : offsets[-1]] if len(offsets) else codes
            return TextColumn(name, self.n, distinct, codes, rows, also)
        if types.is_boolean(kind):
            return FlagColumn(name, flags_of(array), known_of(array))
        if types.is_integer(kind) or types.is_floating(kind):
            return NumberColumn(name, numbers_of(array), known_of(array))
        kinds = DateColumn if name in self._dates else TextColumn
        return kinds(name, self.n, *_distinct(array.to_pylist()))


class Tables:
    """The catalog of a portal and the tables beside it."""

    def __init__(self, source: Source, stamp: str = "", dates: Iterable[str] = ()):
        self.source = source
        self._stamp = stamp
        self._dates = _DATES.union(dates)
        self._asked = False
        self._others: dict[str, Table] = {}

    @cached_property
    def catalog(self) -> Table:
        """catalog.parquet. Raises PortalError where it is of another build than the rest."""
        table = Table(self.source, self.source.catalog, self._dates)
        if "uid" not in table.names:
            raise PortalError(
                f"{self.source.address(self.source.catalog)} is no catalog of a portal."
            )
        if self._stamp and table.metadata.get(b"sddb_generated_at", b"").decode() != self._stamp:
            raise PortalError(
                f"{self.source.root} was published anew while it was read. Open it again."
            )
        return table

    def other(self, name: str) -> Table:
        """`elements`, `genes`, `collections` or `problems`. Raises PortalError where it is not."""
        if name not in self._others:
            path = posixpath.join(posixpath.dirname(self.source.catalog), f"{name}.parquet")
            try:
                self._others[name] = Table(self.source, path)
            except NotThere as e:
                raise PortalError(
                    f"This needs {name}.parquet, which a site has beside its catalog. {e}"
                ) from e
        return self._others[name]

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of each id in the catalog."""
        return {id_: row for row, id_ in enumerate(self.catalog.texts("uid"))}

    def arrow(self, rows: np.ndarray, columns: Sequence[str] | None) -> pa.Table:
        """Some rows of the catalog with their id, and the columns that are named, or all."""
        names = None if columns is None else list(dict.fromkeys(["uid", *columns]))
        for name in names or ():
            if name not in self.catalog.names:
                hint = did_you_mean(name, self.catalog.names)
                raise UsageError(f"The catalog has no column `{name}`. {hint}".rstrip())
        return self.catalog.arrow(names).take(_array_of(rows))

    def frame(self, rows: np.ndarray, columns: Sequence[str] | None) -> pd.DataFrame:
        """The same as pandas has it, by id.

        Rows of all columns are cut, in half the time, from the whole catalog made once: for most
        rows, where it is small, and where it is of middle size from the second call on.
        """
        need_pandas()
        if columns is not None:
            return _by_id(self.arrow(rows, columns))
        worthwhile = _MIDDLE if self._asked else _FEW
        self._asked = True
        if self.catalog.n <= max(worthwhile, 2 * len(rows)):
            return self._frame.iloc[rows]
        return _by_id(self.arrow(rows, None))

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return _by_id(self.catalog.arrow())


class Row(Mapping[str, Any]):
    """A row of the catalog; a column is read when it is asked for."""

    __slots__ = ("_place", "_table")

    def __init__(self, table: Table, place: int):
        self._table = table
        self._place = place

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return self._table.array(name)[self._place].as_py()

    def __contains__(self, name: object) -> bool:
        return name in self._table.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.names)

    def __len__(self) -> int:
        return len(self._table.names)


def need_pandas() -> Any:
    """pandas. Raises UsageError where it is not installed."""
    try:
        import pandas
    except ImportError as e:
        raise UsageError(
            "A DataFrame needs pandas: pip install pandas. to_arrow() does without."
        ) from e
    return pandas


def _by_id(table: pa.Table) -> pd.DataFrame:
    """A table as pandas has it, by id."""
    import pandas as pd

    frame = table.drop_columns(["uid"]).to_pandas(use_threads=table.num_rows > _FEW)
    frame.index = pd.Index(table["uid"].to_pandas(), name="uid")
    return frame


def _distinct(texts: Sequence[str | None]) -> tuple[list[str], np.ndarray]:
    """The distinct texts, and the place of each among them; -1 for none."""
    places: dict[str | None, int] = {None: -1}
    codes = [places.setdefault(text, len(places) - 1) for text in texts]
    return [text for text in places if text is not None], np.array(codes, np.int64)


# `to_numpy`, and an array of NumPy where pyarrow takes one, would import pandas where it is
# installed: a third of a second.


def _array_of(numbers: np.ndarray) -> Any:
    """Numbers as Arrow has them."""
    import pyarrow as pa

    numbers = np.ascontiguousarray(numbers, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def numbers_of(array: Any) -> np.ndarray:
    """Numbers of an array; without meaning where they are unknown."""
    dtype = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]


def flags_of(array: Any) -> np.ndarray:
    """Truth values of an array; without meaning where they are unknown."""
    return _bits(array, array.buffers()[1])


def known_of(array: Any) -> np.ndarray:
    """Which values of an array are known."""
    data = array.buffers()[0]
    return np.ones(len(array), bool) if data is None else _bits(array, data)


def _bits(array: Any, data: Any) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(bool)
