"""Writing zarr v3 so that browsers need nothing special and the same input gives the same bytes.

Everything is gzip: browsers decode it natively, without WebAssembly. Chunks that hold only
zeros are written too, since an absent chunk would be a 404 in the visitor's console.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "DICT",
    "LeftOut",
    "Written",
    "consolidate",
    "folder_size",
    "gzip_array",
    "write_array",
    "write_frame",
    "write_group",
    "write_strings",
]

_LEVEL = 7
DICT = {"encoding-type": "dict", "encoding-version": "0.1.0"}


class LeftOut(Exception):
    """One element can't be drawn; the message is the sentence that says so on the page."""


@dataclass(frozen=True)
class Written:
    """What came of one element: hints for the viewer, sentences for the page, bytes.

    Where a table describes the element, `rows` has the rows that it draws, in their order, and
    `ids` what the copy calls them.
    """

    hints: dict[str, Any]
    left_out: tuple[str, ...]
    bytes: int
    rows: np.ndarray | None = None
    ids: tuple[str, ...] = ()


@cache
def _gzip_codec() -> Any:
    from zarr.codecs import GzipCodec

    @dataclass(frozen=True)
    class TimelessGzip(GzipCodec):
        """gzip without the time of day in its header."""

        def _encode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            data = gzip.compress(chunk_bytes.to_bytes(), self.level, mtime=0)
            return chunk_spec.prototype.buffer.from_bytes(data)

    return TimelessGzip(level=_LEVEL)


def gzip_array(
    path: Path,
    shape: Sequence[int],
    dtype: Any,
    chunks: Sequence[int],
    *,
    shards: Sequence[int] | None = None,
    attributes: dict[str, Any] | None = None,
) -> Any:
    """Create a zarr v3 array at `path`, to be filled by the caller."""
    import zarr

    return zarr.create_array(
        path,
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(chunks),
        shards=tuple(shards) if shards else None,
        compressors=[_gzip_codec()],
        fill_value="" if dtype is str else 0,
        attributes=attributes,
        config={"write_empty_chunks": True},
        zarr_format=3,
    )


def write_array(
    path: Path, values: np.ndarray, chunks: Sequence[int] | None = None, **kwargs: Any
) -> None:
    """Write a whole AnnData array, in one chunk unless `chunks` says otherwise."""
    attributes = {"encoding-type": "array", "encoding-version": "0.2.0"}
    whole = tuple(max(1, n) for n in values.shape)
    array = gzip_array(
        path, values.shape, values.dtype, chunks or whole, attributes=attributes, **kwargs
    )
    if values.size:
        array[...] = values


def write_strings(path: Path, values: Sequence[str]) -> None:
    """Write an AnnData string array in one chunk."""
    attributes = {"encoding-type": "string-array", "encoding-version": "0.2.0"}
    array = gzip_array(path, (len(values),), str, (max(1, len(values)),), attributes=attributes)
    if len(values):
        array[...] = np.array([str(v) for v in values], dtype=object)


def write_group(path: Path, attributes: dict[str, Any]) -> None:
    """Write a group's zarr.json."""
    path.mkdir(parents=True, exist_ok=True)
    document = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    (path / "zarr.json").write_text(json.dumps(document, separators=(",", ":"), allow_nan=False))


def write_frame(folder: Path, index: Sequence[str], columns: dict[str, Any]) -> None:
    """Write an AnnData data frame: text, numbers, or (codes, categories) for each column."""
    write_group(
        folder,
        {
            "_index": "_index",
            "column-order": list(columns),
            "encoding-type": "dataframe",
            "encoding-version": "0.2.0",
        },
    )
    write_strings(folder / "_index", index)
    for name, values in columns.items():
        if isinstance(values, tuple):
            codes, categories = values
            categorical = {
                "encoding-type": "categorical",
                "encoding-version": "0.2.0",
                "ordered": False,
            }
            write_group(folder / name, categorical)
            write_strings(folder / name / "categories", categories)
            write_array(folder / name / "codes", codes)
        elif isinstance(values, np.ndarray):
            write_array(folder / name, values)
        else:
            write_strings(folder / name, values)


def consolidate(root: Path) -> None:
    """Put the metadata of every node into the root's zarr.json, in order of path."""
    nodes = {}
    for file in sorted(root.rglob("zarr.json")):
        relative = file.parent.relative_to(root).as_posix()
        if relative != ".":
            nodes[relative] = json.loads(file.read_text())
    document = json.loads((root / "zarr.json").read_text())
    document["consolidated_metadata"] = {
        "kind": "inline",
        "must_understand": False,
        "metadata": nodes,
    }
    (root / "zarr.json").write_text(json.dumps(document, separators=(",", ":"), allow_nan=False))


def folder_size(path: Path) -> tuple[int, int]:
    """Bytes and number of the files under a folder."""
    total = files = 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += (Path(folder) / name).stat().st_size
            files += 1
    return total, files
