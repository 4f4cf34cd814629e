"""The files of the index read back, as their page of documentation says."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


def whole_numbers(data: bytes) -> list[int]:
    """Seven bits a byte, the lowest first; the high bit says that more follows."""
    found, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(value)
            value = shift = 0
    return found


def container(data: bytes) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Header and arrays, a byte at a time."""
    length = int.from_bytes(data[:4], "little")
    assert (8 + length) % 8 == 0
    assert data[4:8] == bytes(4)
    header, at, arrays = json.loads(data[8 : 8 + length]), 8 + length, {}
    for name, kind, n in header["arrays"]:
        size = {"u8": 1, "u16": 2, "u32": 4, "f64": 8}[kind]
        planes = data[at : at + size * n]
        at += size * n
        raw = [bytes(planes[p * n + i] for p in range(size)) for i in range(n)]
        arrays[name] = [
            int(np.frombuffer(r, "<f8")[0]) if kind == "f64" else int.from_bytes(r, "little")
            for r in raw
        ]
    assert at == len(data)
    return header, arrays


def shard(data: bytes) -> dict[str, list[tuple[int, int]]]:
    """Terms with their postings: document and impact."""
    n, *sizes = np.frombuffer(data, "<u4", 4).tolist()
    counts = np.frombuffer(data, "<u4", n, 16).tolist()
    at, parts = 16 + 4 * n, []
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    assert at == len(data)
    terms = parts[0].decode().split("\n")
    assert len(terms) == n
    steps = iter(whole_numbers(parts[1]))
    impacts = iter([half for byte in parts[2] for half in (byte & 15, byte >> 4)])
    found = {}
    for term, count in zip(terms, counts, strict=True):
        document, postings = 0, []
        for _ in range(count):
            document += next(steps)
            postings.append((document, next(impacts)))
        found[term] = postings
    assert next(steps, None) is None
    return found


@dataclass
class Decoded:
    """Everything that an index says."""

    header: dict[str, Any]
    own: dict[str, list[list[int]]] = field(default_factory=dict)
    values: dict[str, list[int | None]] = field(default_factory=dict)
    gene_list: list[int] = field(default_factory=list)
    shards: list[dict[str, list[tuple[int, int]]]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    title: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    words: list[tuple[str, int]] = field(default_factory=list)
    names: list[dict[str, Any]] = field(default_factory=list)

    @property
    def postings(self) -> dict[str, list[tuple[int, int]]]:
        return {term: found for shard in self.shards for term, found in shard.items()}


def read(folder: Path, name: str) -> Decoded:
    """Follow all names from that of the file of facets."""

    def unzipped(name: str) -> bytes:
        return gzip.decompress((folder / name).read_bytes())

    header, arrays = container(unzipped(name))
    assert header["format"] == 1
    found = Decoded(header)
    for facet in header["facets"]:
        found.own[facet["column"]] = _own(facet["column"], arrays)
    for column in header["ranges"]:
        found.values[column["column"]] = _values(column["column"], arrays)
    found.gene_list = [code - 1 for code in arrays.get(":genes", [])]
    for k, number in enumerate(arrays["text.hash"]):
        found.shards.append(shard(unzipped(f"text/{k}-{number:08x}.bin")))
    for k, number in enumerate(arrays["cards.hash"]):
        found.cards += json.loads((folder / f"cards/{k}-{number:08x}.json").read_text("utf-8"))
    files = header["files"]
    found.names = json.loads(unzipped(files["names"]))
    found.title = container(unzipped(files["title"]))[1]["title"]
    found.rows = container(unzipped(files["rows"]))[1]["rows"]
    for line in unzipped(files["words"]).decode().splitlines():
        word, _, df = line.partition("\t")
        found.words.append((word, int(df)))
    return found


def _own(column: str, arrays: dict[str, list[int]]) -> list[list[int]]:
    flat = iter(arrays[f"{column}.set"])
    sets = [[next(flat) for _ in range(n)] for n in arrays[f"{column}.setlen"]]
    return [sets[code] for code in arrays[f"{column}.codes"]]


def _values(column: str, arrays: dict[str, list[int]]) -> list[int | None]:
    known = np.cumsum(arrays[f"{column}.values"], dtype=np.int64).tolist()
    return [known[code - 1] if code else None for code in arrays[f"{column}.codes"]]
