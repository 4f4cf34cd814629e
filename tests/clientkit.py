"""Small sites for the tests of the Python client: pages, index, catalog and records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portal.catalog import record_text, write_catalog
from portal.config import SiteConfig
from portal.entry import Collection
from portal.record import Record
from portal.search import write_index
from portal.shell import Shell
from tests.search_cases import SMALL, TABLE, documents
from tests.sitekit import ASSETS, COLLECTIONS, SCHEMA, bare_shell, config, render_site

BUILT_AT = "2026-01-02T03:04:05+00:00"


def site(
    out: Path,
    records: Sequence[Record],
    *,
    settings: SiteConfig | None = None,
    shell: Shell | None = None,
    collections: dict[str, Collection] | None = None,
    built_at: str = BUILT_AT,
) -> Path:
    """What a build leaves of records, without stores and pictures."""
    settings = settings or config()
    chosen = COLLECTIONS if collections is None else collections
    out.mkdir(parents=True, exist_ok=True)
    shell = shell or bare_shell(base_url=settings.base_url)
    made = render_site(records, chosen, settings, out, shell, schema=SCHEMA, assets=ASSETS)
    write_catalog(
        records,
        chosen,
        out / "catalog",
        schema=SCHEMA,
        base_url=settings.base_url,
        generated_at=built_at,
    )
    for record in records:
        page = out / "datasets" / record.id
        page.mkdir(parents=True, exist_ok=True)
        (page / "artifact.json").write_text(record_text(record), "utf-8")
    _build_json(out, f"search/{made.index}" if made.index else None, built_at)
    return out


def table_site(out: Path) -> Path:
    """The catalog of `search_cases.json` with its index, as far as a client reads it."""
    name = write_index(documents(), out / "search", **SMALL)
    rows = sorted(TABLE["rows"], key=lambda row: row["id"])
    ranges = [row.get("ranges", {}) for row in rows]
    days = [r.get("published_at") for r in ranges]
    epoch = date(1970, 1, 1)
    columns: dict[str, Any] = {
        "uid": [row["id"] for row in rows],
        "title": [row["title"] for row in rows],
        "published_at": [None if d is None else str(epoch + timedelta(d)) for d in days],
        "n_obs": pa.array([r.get("n_obs") for r in ranges], pa.int64()),
        "size_bytes": pa.array([r.get("size_bytes") for r in ranges], pa.int64()),
    }
    (out / "catalog").mkdir()
    table = pa.table(columns).replace_schema_metadata({"sddb_generated_at": BUILT_AT})
    pq.write_table(table, out / "catalog" / "catalog.parquet")
    _build_json(out, f"search/{name}", BUILT_AT)
    return out


def _build_json(out: Path, search: str | None, built_at: str) -> None:
    told = {"built_at": built_at, "portal": "0", "artifacts": 0, "id": "x", "search": search}
    (out / "build.json").write_text(json.dumps(told), "utf-8")
