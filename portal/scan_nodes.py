"""Zarr metadata of both formats (https://zarr-specs.readthedocs.io) as one kind of `Node`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["MAX_LENGTH", "ArrayMeta", "Node", "numpy_name", "parse_node"]

MAX_LENGTH = 2**63 - 1
"""No axis is longer: whatever counts further would not fit a file format."""


@dataclass
class ArrayMeta:
    """An array as its metadata describe it. `chunks` are what is decoded at once, `grid` what
    lies in one file; they differ where there are shards."""

    shape: tuple[int, ...]
    dtype: str
    grid: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    codecs: tuple[str, ...]
    separator: str
    prefix: str
    """`c` where chunk keys begin with it, else empty."""
    stored: int = 0
    empty: int = 0

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of chunk files along each axis."""
        return tuple(-(-n // g) if g else 0 for n, g in zip(self.shape, self.grid, strict=True))

    @property
    def expected(self) -> int:
        """Number of chunk files when none is left out."""
        return min(math.prod(self.counts), MAX_LENGTH)

    def key(self, index: tuple[int, ...]) -> str:
        """Name of the file that holds the chunk at `index`, relative to the array."""
        if not index:
            return self.prefix or "0"
        parts = [self.prefix] if self.prefix else []
        return self.separator.join([*parts, *map(str, index)])

    def is_chunk(self, key: str) -> bool:
        """Whether a file name, relative to the array, is that of one of its chunks."""
        if not self.shape:
            return key == (self.prefix or "0")
        parts = key.split(self.separator)
        if self.prefix:
            if parts[0] != self.prefix:
                return False
            del parts[0]
        if len(parts) != len(self.shape):
            return False
        for part, count in zip(parts, self.counts, strict=True):
            if not (part.isdecimal() and part.isascii() and len(part) < 20 and int(part) < count):
                return False
        return True


@dataclass
class Node:
    """A group or an array. `meta` is what is stored, for a decoder."""

    path: str
    zarr_format: int
    attributes: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    array: ArrayMeta | None = None


def parse_node(path: str, raw: dict[str, Any]) -> Node | None:
    """The node at `path` from its metadata files by name, None where they make no node.

    Raises ValueError, TypeError, KeyError, AttributeError or IndexError for what is no such.
    """
    if (meta := raw.get("zarr.json")) is not None:
        attributes = meta.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise ValueError("attributes are not an object")
        node = Node(path, 3, attributes, meta)
        if meta.get("node_type") == "array":
            node.array = _array_v3(meta)
        return node
    if ".zarray" not in raw and ".zgroup" not in raw:
        return None
    node = Node(path, 2, raw.get(".zattrs") or {}, raw)
    if ".zarray" in raw:
        node.array = _array_v2(raw[".zarray"])
    return node


def _array_v2(meta: dict[str, Any]) -> ArrayMeta:
    shape, chunks = _lengths(meta["shape"]), _lengths(meta["chunks"])
    codecs = [c["id"] for c in (*(meta.get("filters") or ()), meta.get("compressor")) if c]
    strings = any(c in ("vlen-utf8", "json2", "pickle") for c in codecs)
    return _checked(
        ArrayMeta(
            shape=shape,
            dtype="string" if strings else numpy_name(meta["dtype"]),
            grid=chunks,
            chunks=chunks,
            shards=None,
            codecs=tuple(str(c) for c in codecs),
            separator="/" if meta.get("dimension_separator") == "/" else ".",
            prefix="",
        )
    )


def _array_v3(meta: dict[str, Any]) -> ArrayMeta:
    shape = _lengths(meta["shape"])
    grid = _lengths(meta["chunk_grid"]["configuration"]["chunk_shape"])
    codecs = meta.get("codecs") or []
    shards = None
    chunks = grid
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            shards, chunks = grid, _lengths(codec["configuration"]["chunk_shape"])
            codecs = codec["configuration"].get("codecs") or []
    encoding = meta.get("chunk_key_encoding") or {}
    default = encoding.get("name", "default") == "default"
    separator = (encoding.get("configuration") or {}).get("separator", "/" if default else ".")
    data_type = meta["data_type"]
    return _checked(
        ArrayMeta(
            shape=shape,
            dtype=numpy_name(data_type["name"] if isinstance(data_type, dict) else data_type),
            grid=grid,
            chunks=chunks,
            shards=shards,
            codecs=tuple(str(c["name"]) for c in codecs),
            separator="." if separator == "." else "/",
            prefix="c" if default else "",
        )
    )


def _checked(array: ArrayMeta) -> ArrayMeta:
    if len(array.grid) != len(array.shape) or len(array.chunks) != len(array.shape):
        raise ValueError("shape and chunks differ in length")
    return array


def _lengths(numbers: Any) -> tuple[int, ...]:
    lengths = tuple(numbers)
    if not all(isinstance(n, int) and 0 <= n <= MAX_LENGTH for n in lengths):
        raise ValueError(f"{numbers!r} is not a shape")
    return lengths


_KINDS = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
_STRINGS = ("string", "fixed_length_utf32", "null_terminated_bytes", "variable_length_utf8")


def numpy_name(dtype: Any) -> str:
    """`float32`, `boolean`, `string`, ... for a v2 type such as `<f4` or a v3 data type."""
    if isinstance(dtype, list):
        return "structured"
    text = str(dtype)
    if text in _STRINGS:
        return "string"
    if text in ("bool", "|b1"):
        return "boolean"
    if text[:1] not in "<>|=" or not text:
        return text
    kind, rest = text[1:2], text[2:]
    if kind in _KINDS and rest.isdecimal():
        return f"{_KINDS[kind]}{int(rest) * 8}"
    if kind in "USOa":
        return "string" if kind != "O" else "object"
    if kind in "Mm":
        return ("datetime64" if kind == "M" else "timedelta64") + rest[1:]
    return text
