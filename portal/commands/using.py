"""A site → what a user asks of it: `portal describe | lineage | cache`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from portal.commands.common import AsJson, ConfigFile, output, print_json
from portal.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from portal.record import Record

__all__ = ["cache", "describe", "lineage"]


def describe(
    id_: Annotated[str, typer.Argument(metavar="ID", help="An artifact's id.")],
    site: Annotated[Path, typer.Option(help="A finished site.")] = Path("site"),
    config: ConfigFile = Path("site_config.yaml"),
    as_json: AsJson = False,
) -> None:
    """Tell what an artifact is: from a finished site, else by scanning its entry."""
    from portal.describing import describe as draw

    record = _find(id_, site, config)
    if as_json:
        output.file.write(record.model_dump_json(indent=1, by_alias=True) + "\n")
    else:
        output.print(draw(record))


def _find(id_: str, site: Path, config: Path) -> Record:
    """The record of an artifact, from a site or from the manifest."""
    from portal.build import scan_entry
    from portal.config import load_config
    from portal.entry import ID
    from portal.manifest import read_manifest
    from portal.record import Record

    if not ID.fullmatch(id_):
        raise UsageError(f"{id_!r} can't be an id.")
    path = site / "datasets" / id_ / "artifact.json"
    if path.is_file():
        return Record.model_validate_json(path.read_bytes())
    if not config.is_file():
        raise UsageError(f"There is neither a site in {site} nor a {config}.")
    loaded = load_config(config)
    manifest = read_manifest(loaded)
    entry = next((e for e in manifest.entries if e.id == id_), None)
    if entry is None:
        hint = did_you_mean(id_, [e.id for e in manifest.entries])
        raise UsageError(f"There is no artifact {id_!r}. {hint}".strip())
    return scan_entry(entry, manifest, loaded).record


def lineage(
    id_: Annotated[str, typer.Argument(metavar="ID", help="An artifact's id.")],
    site: Annotated[str, typer.Option(help="A finished site: a folder or an address.")] = "site",
    as_json: AsJson = False,
) -> None:
    """Draw where an artifact comes from and what was made from it."""
    from portal.client import open_portal
    from portal.lineagegraph import draw
    from portal.lineagegraph import lineage as lineage_of

    graph = lineage_of(open_portal(site).get(id_))
    if as_json:
        print_json(asdict(graph))
    else:
        output.print(draw(graph))


def cache(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Artifacts; none means all.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove what was fetched.")] = False,
    days: Annotated[
        float, typer.Option("--older-than", help="With --clear: not used for so many days.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """List or clear the stores that were fetched for `load` and `download`."""
    from portal.client import store_cache
    from portal.words import size

    if clear:
        chosen: list[str | None] = [*ids] if ids else [None]
        freed = sum(store_cache.clear(i, older_than=days * 24 * 3600) for i in chosen)
        if as_json:
            print_json({"freed": freed})
        else:
            output.print(f"{size(freed)} freed", highlight=False)
        return
    kept = [k for k in store_cache.cached() if not ids or k.id in ids]
    if as_json:
        print_json([{**asdict(k), "path": str(k.path)} for k in kept])
        return
    table = Table("artifact", "elements", "size", "used", "from")
    for k in kept:
        used = time.strftime("%Y-%m-%d", time.gmtime(k.used))
        what = ", ".join(k.elements or ()) or "all"
        table.add_row(
            k.id,
            escape(what if k.complete else f"{what} (not whole)"),
            size(k.bytes),
            used,
            escape(k.origin),
        )
    output.print(table)
    total = size(sum(k.bytes for k in kept))
    output.print(f"{total} in {store_cache.cache_folder()}", highlight=False, soft_wrap=True)
