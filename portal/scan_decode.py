"""Reads short one-dimensional zarr arrays: an index, a column of text, categories.

zarr itself needs about 2 ms for the smallest array, most of it in setting up; a store has
dozens of them. So the codecs that anndata writes by default are called here directly
(`numcodecs`), and every other array goes through zarr, in memory. What an array claims is
not believed: before anything is decompressed, the size it says it will have must fit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from portal.scan_nodes import ArrayMeta, Node
from portal.store import Files, ReadLimit

__all__ = ["UnreadableArray", "needed_keys", "read_values"]

_MANY = 1000
"""Chunks that are asked for ahead at most: an array may claim any number of them."""
_PLAIN = ("blosc", "zstd", "lz4", "zlib", "gzip")


class UnreadableArray(ValueError):
    """The array cannot be decoded; the message says why."""


def read_values(files: Files, node: Node, stop: int | None = None) -> list[Any]:
    """The values of a one-dimensional array, up to `stop`, as Python objects.

    A scalar (no dimension) gives a list of one. Text is text that can be written as UTF-8.
    Raises UnreadableArray, OSError, ReadLimit.
    """
    array = node.array
    if array is None or len(array.shape) > 1:
        raise UnreadableArray(f"{node.path} is not a one-dimensional array")
    length = array.shape[0] if array.shape else 1
    if stop is not None:
        length = min(length, stop)
    # Absent chunks cost no reading: without this a line of metadata could ask for terabytes.
    files.charge(node.path, length)
    if length == 0:
        return []
    codecs = _direct_codecs(node)
    try:
        if codecs is None:
            return _through_zarr(files, node, length)
        return _direct(files, node, length, codecs)
    except (ReadLimit, OSError, UnreadableArray):
        raise
    except Exception as error:  # codecs raise whatever they like
        raise UnreadableArray(f"{node.path} cannot be decoded: {error}") from None


def needed_keys(node: Node) -> list[str]:
    """The files, within the array, that its values lie in: what to ask for ahead."""
    array = node.array
    if array is None or len(array.shape) > 1:
        return []
    if not array.shape:
        return [array.key(())]
    return [array.key((i,)) for i in range(min(array.counts[0], _MANY))]


def _direct_codecs(node: Node) -> list[str] | None:
    """The codecs that undo a chunk, in order; None when zarr has to do it."""
    array = node.array
    assert array is not None
    if array.dtype == "string":
        last = ["vlen-utf8"]
    elif array.dtype[:3] in ("int", "uin", "flo", "boo"):
        last = []
    else:
        return None
    if node.zarr_format == 2:
        meta = node.meta[".zarray"]
        filters = [f["id"] for f in meta.get("filters") or ()]
        if filters != last or meta.get("order", "C") != "C" or (last and meta["dtype"] != "|O"):
            return None
        compressor = meta.get("compressor")
        steps = [compressor["id"]] if compressor else []
    else:
        codecs = node.meta["codecs"]
        if array.shards is not None:
            codecs = _inner_codecs(codecs)
        names = [c["name"] for c in codecs]
        if names[:1] != (last or ["bytes"]) or (last and node.meta["data_type"] != "string"):
            return None
        steps = names[:0:-1]
    return steps + last if all(step in _PLAIN for step in steps) else None


def _inner_codecs(codecs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The codecs within a shard, if its index is where and how it is by default."""
    if len(codecs) != 1:
        return []
    settings = codecs[0]["configuration"]
    index = [c["name"] for c in settings.get("index_codecs") or ()]
    usual = index == ["bytes", "crc32c"] and settings.get("index_location", "end") == "end"
    return settings["codecs"] if usual else []


def _direct(files: Files, node: Node, length: int, steps: list[str]) -> list[Any]:
    array = node.array
    assert array is not None
    size = array.chunks[0] if array.shape else 1
    values: list[Any] = []
    for data in _chunks(files, node, -(-length // size)):
        wanted = min(size, length - len(values))
        if data is None:
            values.extend([_fill(node)] * wanted)
            continue
        chunk = _undone(files, node, data, steps)
        if len(chunk) < wanted:
            raise UnreadableArray(f"{node.path}: a chunk is too short")
        values.extend(chunk if len(chunk) == wanted else chunk[:wanted])
    return values


def _chunks(files: Files, node: Node, count: int) -> Iterator[bytes | None]:
    """The first `count` chunks as they are stored, out of their shards; None when absent."""
    array = node.array
    assert array is not None
    each = array.grid[0] // array.chunks[0] if array.shards else 1
    for number in range(-(-count // each)):
        key = array.key((number,) if array.shape else ())
        data: bytes | None
        try:
            data = files.read(f"{node.path}/{key}" if node.path else key)
        except FileNotFoundError:
            data = None
        if array.shards is None:
            yield data
            continue
        within = min(each, count - number * each)
        yield from [None] * within if data is None else _unsharded(data, each)[:within]


def _unsharded(data: bytes, count: int) -> list[bytes | None]:
    """Chunks of a shard: at its end (offset, bytes) of each in 64 bits, and a checksum.

    Format: zarr v3, sharding-indexed 1.0. Both numbers are all ones for an absent chunk.
    """
    start = len(data) - 16 * count - 4
    if start < 0:
        raise UnreadableArray("a shard is cut short")
    places = struct.unpack_from(f"<{2 * count}Q", data, start)
    return [
        None if offset == 2**64 - 1 else data[offset : offset + size]
        for offset, size in zip(places[::2], places[1::2], strict=True)
    ]


def _undone(files: Files, node: Node, data: Any, steps: list[str]) -> list[Any]:
    for step in steps:
        if step == "vlen-utf8":
            return _texts(data)
        data = _decompress(files, node.path, step, data)
    return _numbers(node, data)


def _decompress(files: Files, path: str, codec: str, data: bytes) -> Any:
    limit = files.limit - files.bytes_read
    if codec in ("zlib", "gzip"):
        engine = zlib.decompressobj(wbits=47)  # 47: either header
        plain = engine.decompress(data, limit + 1)
        files.charge(path, len(plain))
        return plain
    size = _declared_size(codec, data)
    files.charge(path, size)
    import numcodecs

    plain: Any = numcodecs.get_codec({"id": codec}).decode(data)
    return plain.tobytes() if hasattr(plain, "tobytes") else plain


def _declared_size(codec: str, data: bytes) -> int:
    """Size after decompression according to the data's own header.

    Formats: c-blosc README_CHUNK_FORMAT, RFC 8878 section 3.1.1.1, numcodecs' lz4 prefix.
    """
    if codec == "blosc" and len(data) >= 16:
        return int.from_bytes(data[4:8], "little")
    if codec == "lz4" and len(data) >= 4:
        return int.from_bytes(data[:4], "little")
    if codec == "zstd" and data[:4] == b"\x28\xb5\x2f\xfd" and len(data) > 6:
        flags = data[4]
        single = bool(flags & 0x20)
        width = (1 if single else 0, 2, 4, 8)[flags >> 6]
        start = 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
        if width:
            size = int.from_bytes(data[start : start + width], "little")
            return size + 256 if width == 2 else size
    raise UnreadableArray(f"the {codec} data do not say how large they are")


def _texts(data: bytes) -> list[Any]:
    """vlen-utf8: a count, then each text with its length before it, all 32-bit."""
    from numcodecs.vlen import VLenUTF8

    count = int.from_bytes(data[:4], "little")
    if count * 4 + 4 > len(data):
        raise UnreadableArray("a text chunk is cut short")
    return VLenUTF8().decode(data).tolist()


def _numbers(node: Node, data: bytes) -> list[Any]:
    import numpy as np

    array = node.array
    assert array is not None
    if node.zarr_format == 2:
        dtype = np.dtype(node.meta[".zarray"]["dtype"])
    else:
        dtype = np.dtype("bool" if array.dtype == "boolean" else array.dtype)
        codecs = node.meta["codecs"]
        first = (_inner_codecs(codecs) if array.shards else codecs)[0]
        if (first.get("configuration") or {}).get("endian") == "big":
            dtype = dtype.newbyteorder(">")
    return np.frombuffer(data, dtype).tolist()


def _text(value: Any) -> Any:
    """Bytes as text, and text without the lone surrogates that no file format takes."""
    if isinstance(value, str):
        value = value.encode("utf-8", "replace")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _fill(node: Node) -> Any:
    array = node.array
    assert array is not None
    meta = node.meta[".zarray"] if node.zarr_format == 2 else node.meta
    value = meta.get("fill_value")
    if array.dtype == "string":
        return _text(value) if isinstance(value, str) else ""
    return 0 if value is None else value


def _through_zarr(files: Files, node: Node, length: int) -> list[Any]:
    """Let zarr decode the array from a store in memory that holds just its files."""
    import json

    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    array = node.array
    assert array is not None
    contents: dict[str, bytes] = {}
    if node.zarr_format == 2:
        contents[".zarray"] = json.dumps(node.meta[".zarray"]).encode()
    else:
        contents["zarr.json"] = json.dumps(node.meta).encode()
    for key in _needed_keys(array, length):
        try:
            contents[key] = files.read(f"{node.path}/{key}" if node.path else key)
        except FileNotFoundError:
            continue
    buffer = default_buffer_prototype().buffer
    store = MemoryStore({key: buffer.from_bytes(value) for key, value in contents.items()})
    opened = zarr.open_array(store, mode="r")
    values: Any = opened[()] if not array.shape else opened[:length]
    listed = values.tolist() if hasattr(values, "tolist") else values
    return [_text(v) for v in listed] if isinstance(listed, list) else [_text(listed)]


def _needed_keys(array: ArrayMeta, length: int) -> list[str]:
    if not array.shape:
        return [array.key(())]
    count = min(-(-length // array.grid[0]), array.counts[0])
    return [array.key((i,)) for i in range(count)]
