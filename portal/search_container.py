"""Arrays of numbers in one compressed file with a JSON header: what a browser reads fastest."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["hash8", "narrow", "pack", "save", "squeeze", "unpack"]

_TYPES = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "f64": np.float64}


def narrow(values: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 in the narrowest type that holds them: u8, u16, u32, else f64."""
    greatest = int(values.max()) if len(values) else 0
    for name in ("u8", "u16", "u32"):
        if greatest <= np.iinfo(_TYPES[name]).max:
            return values.astype(_TYPES[name])
    return values.astype(np.float64)


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A container: length of the header, header, arrays by byte planes."""
    listed = [[name, _type_name(a), len(a)] for name, a in arrays.items()]
    text = json.dumps({**header, "arrays": listed}, ensure_ascii=False, separators=(",", ":"))
    head = text.encode("utf-8", "replace")  # a lone surrogate is no character
    head += b" " * (-len(head) % 8)
    parts = [np.array([len(head), 0], "<u4").tobytes(), head]
    return b"".join((*parts, *(_planes(a) for a in arrays.values())))


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a container."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[8 : 8 + length])
    at, arrays = 8 + length, {}
    for name, kind, n in header["arrays"]:
        dtype = np.dtype(_TYPES[kind]).newbyteorder("<")
        planes = np.frombuffer(data, np.uint8, n * dtype.itemsize, at)
        arrays[name] = planes.reshape(dtype.itemsize, n).T.copy().view(dtype).reshape(n)
        at += n * dtype.itemsize
    return header, arrays


def squeeze(data: bytes, level: int = 6) -> bytes:
    """gzip without a time, so that same content gives same bytes."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def hash8(data: bytes) -> str:
    """What a file is called after its content."""
    return hashlib.sha256(data).hexdigest()[:8]


def save(out: Path, stem: str, data: bytes, suffix: str = "bin") -> str:
    """Write a file under a name made from its content. Returns the name."""
    name = f"{stem}-{hash8(data)}.{suffix}"
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name


def _type_name(array: np.ndarray) -> str:
    return next(name for name, dtype in _TYPES.items() if array.dtype == dtype)


def _planes(array: np.ndarray) -> bytes:
    """All lowest bytes, then all next ones: neighbours are alike, which compresses well."""
    size = array.dtype.itemsize
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little.view(np.uint8).reshape(-1, size).T).tobytes()
