"""A small portal for the tests of fetching: records and published copies, without any page."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from portal.catalog import record_text, write_catalog
from portal.client.artifact import Artifact
from portal.client.source import Source, open_source
from portal.copying import publish_copy
from portal.curate import curate
from portal.entry import Entry
from portal.record import Products, Record
from portal.scan import scan_store
from portal.schema import Schema, SchemaField

SCHEMA = Schema(
    fields={
        "tissue": SchemaField(label="Tissue", group="Sample", type="term"),
        "donor_id": SchemaField(label="Donor", group="Sample", type="text"),
    }
)


def publish(
    site: Path, id_: str, store: Path | None, *, copy: bool = True, **entry: object
) -> Record:
    """Put an artifact on a site, in place of what was there under its id."""
    facts = scan_store(store, name=id_) if store else None
    made = Entry.model_validate({"title": f"Artifact {id_}", "id": id_, **entry})
    record = curate(made, facts, SCHEMA)
    shutil.rmtree(site / "data" / id_, ignore_errors=True)
    if store is not None and copy:
        published = publish_copy(store, site / "data" / id_, id_)
        record = record.model_copy(update={"products": Products(copy=published)})
    page = site / "datasets" / id_
    page.mkdir(parents=True, exist_ok=True)
    (page / "artifact.json").write_text(record_text(record), "utf-8")
    return record


def catalog(site: Path) -> None:
    """Write the catalog of what was published, so that the site can be asked."""
    pages = sorted(site.glob("datasets/*/artifact.json"))
    records = [Record.model_validate_json(page.read_bytes()) for page in pages]
    write_catalog(records, {}, site / "catalog", schema=SCHEMA)


def artifact(where: str | Path | Source, id_: str, **row: object) -> Artifact:
    """An artifact as a query gives it."""
    source = where if isinstance(where, Source) else open_source(where)
    return Artifact(id_, source, {"uid": id_, "title": f"Artifact {id_}", **row})


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def names(seen: Iterable[tuple[str, str]]) -> list[str]:
    """The files that a server was asked for."""
    return [path for method, path in seen if method == "GET"]
