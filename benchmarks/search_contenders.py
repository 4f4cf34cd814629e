"""The other search engines: their packages, and the same rows in the form that each one reads.

They live in an environment of their own below `.cache/benchmarks/search`, made from the lock file
in `benchmarks/search/`. All get the five fields of text and the labels of all terms, ancestors
included; none gets synonyms or lists of genes, which would only slow them down.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc

from benchmarks.search_catalog import Catalog
from benchmarks.search_queries import Oracle

__all__ = ["CONTENDERS", "MOST", "bundle", "install", "write_input"]

ROOT = Path(__file__).parent.parent
SOURCES = Path(__file__).parent / "search"
FIELDS = ("title", "names", "citation", "elements", "description")
MOST = {
    "ours": 1_000_000,
    "minisearch": 100_000,
    "flexsearch": 100_000,
    "itemsjs": 100_000,
    "duckdb": 100_000,
    "sqlite": 100_000,
    "pagefind": 10_000,
}
"""The most rows that each is tried with; beyond, memory or patience ends."""
WHY = {
    "pagefind": "its filter lists grow with rows × terms; indexing takes minutes",
    "duckdb": "the tables are above 500 MB and are fetched whole",
    "sqlite": "the file is above 1 GB and is fetched whole",
}
"""Why not more; the JSON family's file would be above what a string may hold."""


def install(folder: Path) -> Path:
    """The contenders' packages from the lock file; returns node_modules."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (SOURCES / "package-lock.json").read_bytes()
    stamp = folder / "installed.json"
    if not stamp.exists() or stamp.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, folder / name)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        stamp.write_bytes(lock)
    return folder / "node_modules"


def bundle(modules: Path, out: Path) -> None:
    """The pages' scripts, ours from the sources in `frontend/`."""
    entries = sorted(str(p) for p in SOURCES.glob("*.js"))
    program = modules / "@esbuild" / "linux-x64" / "bin" / "esbuild"
    command = [str(program) if program.exists() else str(modules / ".bin" / "esbuild"), *entries]
    command += [f"--outdir={out}", "--bundle", "--splitting", "--format=esm", "--minify"]
    command += ["--target=es2022", "--log-level=error", f"--outbase={SOURCES}"]
    _run(command, SOURCES, NODE_PATH=str(modules))
    shutil.copy(SOURCES / "bench.html", out / "bench.html")


def _run(command: list[str], folder: Path, **environment: str) -> None:
    import os

    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def write_input(name: str, catalog: Catalog, oracle: Oracle, out: Path, modules: Path) -> None:
    """What a contender reads, into `out`; nothing is done where it is there already."""
    kind, write = _WRITERS[name]
    done = out / f"{kind}.done"
    if not done.exists():
        out.mkdir(parents=True, exist_ok=True)
        write(catalog, oracle, out, modules)
        done.touch()


def _write_json(catalog: Catalog, oracle: Oracle, out: Path, modules: Path) -> None:
    """Rows with the labels of their own terms; the page adds the ancestors' from the columns."""
    columns = [
        {
            "column": c.column,
            "terms": [t.label for t in c.terms],
            "parents": [t.parents for t in c.terms],
            "shown": [t.shown for t in c.terms],
        }
        for c in catalog.columns
    ]
    texts = {name: catalog.texts[name].to_pylist() for name in FIELDS}
    ids = catalog.ids.to_pylist()
    with open(out / "rows.json", "w", encoding="utf-8") as file:
        file.write(f'{{"columns": {json.dumps(columns)},\n"rows": [\n')
        for row in range(catalog.n):
            fields: dict[str, object] = {"id": row, "name": ids[row]}
            fields |= {name: values[row] for name, values in texts.items()}
            fields |= {c.column: c.labels(row) for c in catalog.columns}
            fields |= {name: int(values[row]) for name, values in catalog.ranges.items()}
            file.write(json.dumps(fields, separators=(",", ":")))
            file.write(",\n" if row + 1 < catalog.n else "\n]}")


def _tags(catalog: Catalog, oracle: Oracle) -> pa.Table:
    """Row and tag, ancestors included that a panel shows. Tags number the terms of all columns, one after another."""
    rows, tags, base = [], [], 0
    for column in catalog.columns:
        for term, bits in enumerate(oracle.bits[column.column]):
            if not column.terms[term].shown:
                continue
            found = np.flatnonzero(np.unpackbits(bits, count=catalog.n)).astype(np.int32)
            rows.append(found)
            tags.append(np.full(len(found), base + term, np.int32))
        base += len(column.terms)
    row, tag = np.concatenate(rows), np.concatenate(tags)
    order = np.argsort(row, kind="stable")
    return pa.table({"row": row[order], "tag": tag[order]})


def _all_labels(catalog: Catalog, tags: pa.Table) -> list[str]:
    """The labels of all terms of each row, in one text."""
    labels = pa.array([t.label for c in catalog.columns for t in c.terms])
    join = pyarrow.compute.binary_join  # pyright: ignore[reportAttributeAccessIssue]
    tag, joined = tags["tag"].combine_chunks(), []
    for start in range(0, catalog.n, 50_000):
        ends = np.searchsorted(
            tags["row"].to_numpy(), np.arange(start, min(start + 50_000, catalog.n) + 1)
        )
        named = labels.take(tag[ends[0] : ends[-1]])
        cut = pa.array((ends - ends[0]).astype(np.int32))
        joined += join(pa.ListArray.from_arrays(cut, named), "; ").to_pylist()
    return joined


def _write_arrow(catalog: Catalog, oracle: Oracle, out: Path, modules: Path) -> None:
    tags = _tags(catalog, oracle)
    texts = [catalog.texts[name].to_pylist() for name in FIELDS]
    texts.append(_all_labels(catalog, tags))
    joined = [" \n".join(parts).lower() for parts in zip(*texts, strict=True)]
    rows = pa.table(
        {"row": pa.array(range(catalog.n), pa.int32()), "title": texts[0], "text": joined}
    )
    for name, table in (("tags", tags), ("rows", rows)):
        with pa.ipc.new_stream(out / f"{name}.arrow", table.schema) as writer:
            writer.write_table(table, max_chunksize=100_000)


def _write_sqlite(catalog: Catalog, oracle: Oracle, out: Path, modules: Path) -> None:
    path = out / "rows.sqlite"
    path.unlink(missing_ok=True)
    tags = _tags(catalog, oracle)
    texts = [catalog.texts[name].to_pylist() for name in FIELDS]
    texts.append(_all_labels(catalog, tags))
    with sqlite3.connect(path) as base:
        base.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE tags(row INT, tag INT, PRIMARY KEY(row, tag)) WITHOUT ROWID;"
            "CREATE TABLE rows(row INTEGER PRIMARY KEY, title TEXT);"
            "CREATE VIRTUAL TABLE text USING fts5"
            "(title, names, citation, elements, description, terms, content='', prefix='2 3');"
        )
        pairs = zip(*(tags[c].to_numpy().tolist() for c in ("row", "tag")), strict=True)
        base.executemany("INSERT INTO tags VALUES (?, ?)", pairs)
        base.executemany("INSERT INTO rows VALUES (?, ?)", enumerate(texts[0]))
        base.executemany(
            "INSERT INTO text(rowid, title, names, citation, elements, description, terms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((row, *parts) for row, parts in enumerate(zip(*texts, strict=True))),
        )
        base.execute("CREATE INDEX by_tag ON tags(tag, row)")
        base.execute("INSERT INTO text(text) VALUES ('optimize')")
        base.execute("ANALYZE")
    base.close()


def _write_pagefind(catalog: Catalog, oracle: Oracle, out: Path, modules: Path) -> None:
    """Through its package for node, from the same JSON."""
    if not (out / "rows.json").exists():
        _write_json(catalog, oracle, out, modules)
    shutil.copy(SOURCES / "pagefind-index.mjs", modules.parent / "pagefind-index.mjs")
    _run(["node", "pagefind-index.mjs", str(out)], modules.parent)


_WRITERS: dict[str, tuple[str, Callable[[Catalog, Oracle, Path, Path], None]]] = {
    "minisearch": ("json", _write_json),
    "flexsearch": ("json", _write_json),
    "itemsjs": ("json", _write_json),
    "duckdb": ("arrow", _write_arrow),
    "sqlite": ("sqlite", _write_sqlite),
    "pagefind": ("pagefind", _write_pagefind),
}
CONTENDERS = tuple(MOST)
