"""Stores → entries: `portal init | scan | add | check | terms | attrs | schema`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from portal.commands.common import (
    AsJson,
    ConfigFile,
    messages,
    output,
    print_json,
    progress,
    show_problems,
)
from portal.errors import UsageError, worst

__all__ = ["add", "attrs", "check", "init", "scan", "schema", "terms"]


def init(
    folder: Annotated[Path, typer.Argument(help="Where the portal will live.")] = Path(),
    schema: Annotated[
        str, typer.Option(help="The schema to start from: minimal or spatialdata-db.")
    ] = "minimal",
    as_json: AsJson = False,
) -> None:
    """Start a portal: config, schema, one example entry, a workflow file."""
    from portal.starting import start_portal

    written = start_portal(folder, schema)
    if as_json:
        print_json({"written": [str(p) for p in written]})
        return
    for path in written:
        output.print(f"wrote {path}", highlight=False)
    where = "" if folder == Path() else f"cd {folder} && "
    output.print(f"Next: {where}portal build && portal serve", highlight=False)


def scan(
    stores: Annotated[
        list[str] | None,
        typer.Argument(help="Stores, also at addresses; none means every entry's source."),
    ] = None,
    config: ConfigFile = Path("site_config.yaml"),
    stale: Annotated[
        bool, typer.Option("--stale", help="Only stores elsewhere: which are others by now.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Also stores elsewhere that have a scan.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing to scans/.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read what stores say about themselves, without pixels or counts."""
    from portal.config import SiteConfig, load_config
    from portal.scan import scan_store

    if stores and (stale or every or dry_run):
        raise UsageError("--stale, --all and --dry-run are about the entries, not about STORE.")
    elsewhere = []
    if stores:
        site = load_config(config) if config.is_file() else SiteConfig(title="-")
        missing = [s for s in stores if "://" not in s and not Path(s).exists()]
        if missing:
            raise UsageError(f"There is nothing at {', '.join(missing)}.")
        limit = site.limits.scan_bytes
        facts = {s: scan_store(s, limit=limit, remote=site.remote) for s in stores}
        problems = [p for f in facts.values() for p in f.problems]
    else:
        from portal.build import build_time, scan_all
        from portal.manifest import read_manifest
        from portal.rescan import rescan

        site = load_config(config)
        manifest = read_manifest(site)
        with progress(not as_json) as say:
            elsewhere = rescan(
                site,
                manifest,
                "all" if every else "stale" if stale else "missing",
                scanned=build_time().isoformat(timespec="seconds"),
                write=not dry_run,
                progress=say,
            )
            if stale:
                chosen = {e.id for e in elsewhere}
                entries = tuple(e for e in manifest.entries if e.id in chosen)
                manifest = manifest.model_copy(update={"entries": entries})
            artifacts = scan_all(manifest, site, say)
        facts = {a.record.id: a.record.facts for a in artifacts if a.record.facts}
        problems = [p for e in elsewhere for p in e.problems]
        problems += [*manifest.problems, *(p for a in artifacts for p in a.record.problems)]
    problems = list(dict.fromkeys(problems))
    if as_json:
        print_json(
            {
                "stores": {k: f.model_dump(mode="json") for k, f in facts.items()},
                "elsewhere": {e.id: e.as_dict() for e in elsewhere},
                "problems": [p.model_dump() for p in problems],
            }
        )
    else:
        _show_elsewhere(elsewhere)
        table = Table("store", "kind", "elements", "bytes", "files", "problems", box=None)
        for name, f in facts.items():
            table.add_row(
                escape(name),
                f.kind,
                ", ".join(
                    f"{len(f.of(k))} {k}"
                    for k in ("images", "labels", "points", "shapes", "tables")
                    if f.of(k)
                ),
                f"{f.bytes:,}" if f.bytes is not None else "",
                f"{f.files:,}" if f.files is not None else "",
                str(len(f.problems)) if f.problems else "",
            )
        output.print(table)
        show_problems(problems)
    drift = any(e.outcome == "changed" for e in elsewhere)
    raise typer.Exit(1 if drift or worst(problems) == "error" else 0)


def _show_elsewhere(elsewhere: Iterable[Any]) -> None:
    """What became of the stores elsewhere, and what that took."""
    table = Table("store elsewhere", "scan", "requests", "bytes", "seconds", box=None)
    for e in elsewhere:
        figures = (f"{e.requests:,}", f"{e.bytes:,}", f"{e.seconds:.1f}")
        table.add_row(escape(e.id), e.outcome, *(figures if e.requests else ("", "", "")))
    if table.row_count:
        output.print(table)


def add(
    store: Annotated[Path, typer.Argument(help="A SpatialData store: a folder or a .zarr.zip.")],
    id_: Annotated[
        str | None, typer.Option("--id", help="The artifact's id; the store's name without it.")
    ] = None,
    title: Annotated[str, typer.Option(help="The artifact's title.")] = "",
    config: ConfigFile = Path("site_config.yaml"),
    as_json: AsJson = False,
) -> None:
    """Write the entry of a store: what it says of itself, and a TODO for what is missing."""
    from portal.adding import add_store
    from portal.config import load_config

    added = add_store(store, load_config(config), id_=id_, title=title)
    if as_json:
        print_json(
            {
                "written": str(added.path),
                "todo": list(added.todo),
                "problems": [p.model_dump() for p in added.problems],
            }
        )
        return
    output.print(f"wrote {added.path}", highlight=False)
    output.print(escape(added.text), highlight=False, soft_wrap=True)
    show_problems(added.problems)
    if added.todo:
        messages.print(f"Still to do: {', '.join(added.todo)}.", highlight=False)


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Entries, folders of entries, or stores; none means everything."),
    ] = None,
    config: ConfigFile = Path("site_config.yaml"),
    fix: Annotated[
        bool, typer.Option("--fix", help="Rewrite what has one safe reading, and show the diff.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix would write, and write nothing.")
    ] = False,
    remote: Annotated[
        bool,
        typer.Option("--remote", help="Ask servers elsewhere what a browser would ask them."),
    ] = False,
    strict: Annotated[bool, typer.Option(help="Warnings count as errors.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes.")] = False,
    github: Annotated[
        bool, typer.Option("--github", help="Print what a review shows beside the line.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell everything that is wrong with entries and their stores, with the right words."""
    from rich.syntax import Syntax

    from portal.check import check as run
    from portal.check import fix as rewrite
    from portal.check import review_lines
    from portal.config import load_config

    site = load_config(config)
    with progress(not (as_json or github)) as say:
        checked = run(site, paths or (), say)
        rewritten = []
        if fix or diff:
            rewritten = rewrite(checked, checked.schema, write=fix and not diff)
            if fix and not diff and any(r.after != r.before for r in rewritten):
                checked = run(site, paths or (), say)
        problems = [*checked.problems, *(p for r in rewritten for p in r.left)]
        if remote:
            from portal.browsercheck import check_addresses

            problems += check_addresses(site, checked.entries, say)
    if quiet:
        problems = [p for p in problems if p.severity != "info"]
    names = {r.path: str(r.path.relative_to(site.root)) for r in rewritten}
    changed = [r for r in rewritten if r.after != r.before]
    if as_json:
        print_json(
            {
                "entries": len(checked.entries),
                "problems": [p.model_dump() for p in problems],
                "rewritten": {names[r.path]: r.diff(names[r.path]) for r in changed},
            }
        )
    elif github:
        for line in review_lines(problems, site):
            output.file.write(line + "\n")
    else:
        for r in changed:
            output.print(Syntax(r.diff(names[r.path]), "diff", background_color="default"))
        show_problems(problems)
        n = len(checked.records)
        output.print(f"{n:,} {'artifact' if n == 1 else 'artifacts'} checked.", highlight=False)
    bad = ("error", "warning") if strict else ("error",)
    raise typer.Exit(1 if worst(problems) in bad else 0)


def terms(
    word: Annotated[str, typer.Argument(help="A name, a synonym, an id, a gene.")],
    field: Annotated[
        str | None, typer.Option(help="Only terms that this field of the schema takes.")
    ] = None,
    config: ConfigFile = Path("site_config.yaml"),
    as_json: AsJson = False,
) -> None:
    """Look a word up in the ontologies: its terms with their tree, else the nearest ones."""
    from portal.config import load_config
    from portal.looking import look_up

    folder = load_config(config).manifest_dir if config.is_file() else None
    found = look_up(word, field, folder)
    if as_json:
        print_json(found.as_dict())
    else:
        output.print(found.tree())
    raise typer.Exit(0 if found.terms or found.genes else 1)


def attrs(
    store: Annotated[Path, typer.Argument(help="A store: a folder or a .zarr.zip.")],
    key: Annotated[str | None, typer.Option(help="Only this root attribute.")] = None,
    sep: Annotated[str, typer.Option(help="What joins nested keys.")] = "_",
    config: ConfigFile = Path("site_config.yaml"),
    as_json: AsJson = False,
) -> None:
    """Show a store's attributes as a table, and which field each of them fills."""
    from portal.config import SiteConfig, load_config
    from portal.looking import attribute_table
    from portal.scan import scan_store
    from portal.words import plain

    if not store.exists():
        raise UsageError(f"There is nothing at {store}.")
    site = load_config(config) if config.is_file() else SiteConfig(title="-")
    facts = scan_store(store, limit=site.limits.scan_bytes)
    folder = site.manifest_dir if config.is_file() else None
    rows = attribute_table(facts, folder, key=key, sep=sep)
    if as_json:
        print_json([row.as_dict() for row in rows])
        return
    if not rows:
        messages.print("The store has no attributes of its own.")
        return
    table = Table("attribute", "value", "field", "read as", box=None)
    for row in rows:
        table.add_row(*(escape(plain(x)) for x in (row.name, row.text, row.field, row.read_as)))
    output.print(table)


def schema(
    config: ConfigFile = Path("site_config.yaml"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON Schema of an entry, for editors.")
    ] = False,
) -> None:
    """Show the metadata fields: what each may say, and which are required."""
    from portal.config import load_config
    from portal.jsonschema import entry_json_schema
    from portal.schema import load_schema
    from portal.schemawords import need_of, type_of

    own = load_config(config).manifest_dir / "schema.yaml" if config.is_file() else None
    loaded = load_schema(own if own and own.is_file() else "minimal")
    if as_json:
        print_json(entry_json_schema(loaded))
        return
    table = Table("field", "label", "type", "required", "found in", box=None)
    for name, f in loaded.fields.items():
        places = [*f.found_in, *(f"obs {column}" for column in f.obs)]
        several = "; several" if f.many else ""
        row = (name, f.label, type_of(f) + several, need_of(f)[1], ", ".join(places))
        table.add_row(*(escape(x) for x in row))
    output.print(table)
