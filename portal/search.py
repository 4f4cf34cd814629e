"""Documents → the files that the browser searches. One verb: `write_index`.

Everything lies under names made from the content, so that a browser may keep it for ever; the
file of facets names all others. The format is described in `docs/docs/search-index.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from portal.search_container import narrow, pack, save, squeeze
from portal.search_documents import FIELDS, Documents, RangeInfo, TermColumn, TermInfo
from portal.search_facets import (
    facet_arrays,
    facet_header,
    facet_names,
    range_arrays,
    shown_first,
)
from portal.search_fold import words
from portal.search_text import SHARD_BYTES, index_text, shards, spelling

__all__ = [
    "CHUNK",
    "FIELDS",
    "Documents",
    "RangeInfo",
    "TermColumn",
    "TermInfo",
    "write_index",
]

CHUNK = 64
"""Cards in a file."""
_DIGITS = re.compile(r"\d+")


def write_index(
    documents: Documents, out: Path, *, shard_bytes: int = SHARD_BYTES, chunk: int = CHUNK
) -> str:
    """Write the index into `out`. Returns the name of the file of facets, which leads to all."""
    out.mkdir(parents=True, exist_ok=True)
    n = len(documents)
    text = index_text(documents)
    firsts, shard_names = [], []
    pieces = ((k, first, data) for k, (first, data) in enumerate(shards(text, shard_bytes)))
    for k, first, data in _squeezed(pieces):
        firsts.append(first)
        shard_names.append(save(out, f"text/{k}", data))
    card_names = [
        save(out, f"cards/{k}", _json(documents.cards(a, min(a + chunk, n))), "json")
        for k, a in enumerate(range(0, n, chunk))
    ]
    facets = [shown_first(facet) for facet in documents.facets]
    files = {
        "names": save(out, "names", squeeze(_json([facet_names(f) for f in facets]), 9)),
        "title": _save_array(out, "title", _title_ranks(documents)),
        "words": save(out, "words", squeeze(spelling(text))),
        "rows": _save_array(out, "rows", _catalog_rows(documents)),
    }
    arrays = {}
    for facet in facets:
        arrays |= facet_arrays(facet)
    for column in documents.ranges:
        arrays |= range_arrays(column)
    if len(documents.gene_lists):
        arrays[":genes"] = _gene_codes(documents)
    arrays["text.hash"] = _hashes(shard_names)
    arrays["cards.hash"] = _hashes(card_names)
    header = {
        "format": 1,
        "n": n,
        "facets": [facet_header(f) for f in facets],
        "ranges": [
            {"column": r.column, "label": r.label, "kind": r.kind} for r in documents.ranges
        ],
        "text": {"first": firsts, "avg": text.average},
        "files": files,
        "chunk": chunk,
        "genes": len(documents.gene_lists),
    }
    return save(out, "facets", squeeze(pack(header, arrays), 9))


def _squeezed(pieces: Iterable[tuple[int, str, bytes]]) -> Iterator[tuple[int, str, bytes]]:
    """Compress a few pieces at a time side by side: zlib lets other threads run."""
    with ThreadPoolExecutor(4) as pool:
        batch = []
        for piece in pieces:
            batch.append((piece[0], piece[1], pool.submit(squeeze, piece[2])))
            if len(batch) == 16:
                yield from ((k, first, done.result()) for k, first, done in batch)
                batch = []
        yield from ((k, first, done.result()) for k, first, done in batch)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _save_array(out: Path, name: str, array: np.ndarray) -> str:
    header = {"format": 1, "n": len(array)}
    return save(out, name, squeeze(pack(header, {name: array.astype(np.uint32)})))


def _hashes(names: list[str]) -> np.ndarray:
    """The part of each name that is made from the content, as a number."""
    found = [int(name.rpartition("-")[2].partition(".")[0], 16) for name in names]
    return np.array(found, np.uint32)


def _title_ranks(documents: Documents) -> np.ndarray:
    """Each row's place in the order of titles: by words, numbers by value, newest first."""
    titles = documents.texts["title"].to_pylist()
    keys = [_title_key(title or "") for title in titles]
    order = sorted(range(len(keys)), key=lambda row: (keys[row], -row))
    ranks = np.empty(len(keys), np.uint32)
    ranks[order] = np.arange(len(keys))
    return ranks


def _title_key(title: str) -> str:
    return _DIGITS.sub(lambda m: m[0].zfill(12), " ".join(words(title)))


def _catalog_rows(documents: Documents) -> np.ndarray:
    if documents.catalog_rows is not None:
        return documents.catalog_rows
    import pyarrow.compute as pc

    order = pc.sort_indices(documents.ids).to_numpy()  # type: ignore[attr-defined]
    rows = np.empty(len(order), np.uint32)
    rows[order] = np.arange(len(order))
    return rows


def _gene_codes(documents: Documents) -> np.ndarray:
    return narrow(documents.gene_list.astype(np.int64) + 1)
