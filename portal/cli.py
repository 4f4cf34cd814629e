"""The command line: `portal init | add | check | terms | attrs | schema | scan | build | …`.

Exit codes: 0 fine, 1 problems found, 2 wrong use. With `--json` a command speaks JSON on
standard output; progress and messages go to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

from portal import __version__
from portal.errors import PortalError, Problem, ProblemsError, UsageError, did_you_mean, worst

if TYPE_CHECKING:
    from portal.importing import Imported
    from portal.publishing import PublishReport
    from portal.record import Record
    from portal.schema import Schema

__all__ = ["app", "main"]

app = typer.Typer(
    name="portal",
    help="A static, searchable data portal for SpatialData .zarr artifacts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
imports = typer.Typer(help="Records of other collections become entries.", no_args_is_help=True)
app.add_typer(imports, name="import")

messages = Console(stderr=True)
output = Console()

ConfigFile = Annotated[Path, typer.Option("--config", help="The site's configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line; every fault that we know of ends with a message, not a trace."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        sys.exit(130)
    except ProblemsError as e:
        show_problems(e.problems)
        sys.exit(e.exit_code)
    except PortalError as e:
        messages.print(f"[bold red]Error:[/] {escape(str(e))}", highlight=False)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        messages.print("Stopped.")
        sys.exit(130)
    except Exception as e:
        # click's own complaints about options carry their exit code and a way to show themselves
        show = getattr(e, "show", None)
        if show is None or not hasattr(e, "exit_code"):
            raise
        show()
        sys.exit(2)


def _version(show: bool) -> None:
    if show:
        output.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
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
        _print_json({"written": [str(p) for p in written]})
        return
    for path in written:
        output.print(f"wrote {path}", highlight=False)
    where = "" if folder == Path() else f"cd {folder} && "
    output.print(f"Next: {where}portal build && portal serve", highlight=False)


@app.command()
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
        _print_json(
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


@app.command()
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
        _print_json(
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


@app.command()
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
        _print_json(
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


@app.command()
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
        _print_json(found.as_dict())
    else:
        output.print(found.tree())
    raise typer.Exit(0 if found.terms or found.genes else 1)


@app.command()
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
        _print_json([row.as_dict() for row in rows])
        return
    if not rows:
        messages.print("The store has no attributes of its own.")
        return
    table = Table("attribute", "value", "field", "read as", box=None)
    for row in rows:
        table.add_row(*(escape(plain(x)) for x in (row.name, row.text, row.field, row.read_as)))
    output.print(table)


@app.command()
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
        _print_json(entry_json_schema(loaded))
        return
    table = Table("field", "label", "type", "required", "found in", box=None)
    for name, f in loaded.fields.items():
        places = [*f.found_in, *(f"obs {column}" for column in f.obs)]
        several = "; several" if f.many else ""
        row = (name, f.label, type_of(f) + several, need_of(f)[1], ", ".join(places))
        table.add_row(*(escape(x) for x in row))
    output.print(table)


@app.command()
def build(
    config: ConfigFile = Path("site_config.yaml"),
    out: Annotated[Path, typer.Option(help="Where the finished site goes.")] = Path("site"),
    strict: Annotated[bool, typer.Option(help="Stop at any error, replace nothing.")] = False,
    base_url: Annotated[
        str | None, typer.Option(help="Where the site will be, instead of the config's.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why each artifact's page was made again.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Processes that work on stores, else as many as fit.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Work on stores in a dask cluster that sees the same files."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no server for stores elsewhere.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the site: whole, or not at all."""
    from portal.build import build_site
    from portal.config import load_config, with_base_url
    from portal.words import size as size_text

    site = load_config(config)
    if base_url is not None:
        site = with_base_url(site, base_url)
    with progress(not as_json) as say:
        report = build_site(
            site, out, strict=strict, progress=say, jobs=jobs, dask=dask, offline=offline
        )
    stopped = report.pages == 0
    if as_json:
        _print_json(
            {
                "out": str(report.out),
                "records": report.records,
                "pages": report.pages,
                "seconds": round(report.seconds, 1),
                "bytes": report.bytes_by_kind,
                "made_again": report.explained,
                "problems": [p.model_dump() for p in report.problems],
            }
        )
    else:
        if explain:
            for address, why in sorted(report.explained.items()):
                output.print(f"{address}: {why}", highlight=False, markup=False)
            kept = report.records - len(report.explained)
            output.print(f"{kept:,} pages of artifacts are as they were.", highlight=False)
        notes = sum(p.severity == "info" for p in report.problems)
        show_problems(p for p in report.problems if p.severity != "info")
        if notes:
            messages.print(f"{notes:,} notes besides: `portal check` shows them.", highlight=False)
        if stopped:
            messages.print("Errors, and --strict: the site was left as it was.")
        else:
            table = Table("kind of file", "size", box=None)
            for kind, size in report.bytes_by_kind.items():
                table.add_row(kind, size_text(size))
            output.print(table)
            output.print(
                f"{report.records:,} artifacts, {report.pages:,} pages, "
                f"{size_text(report.bytes)} in {report.out} ({report.seconds:.1f} s)",
                highlight=False,
            )
    raise typer.Exit(1 if stopped else 0)


@app.command()
def publish(
    target: Annotated[
        str,
        typer.Argument(help="A folder, s3://bucket/prefix or gh-pages; else the config's."),
    ] = "",
    site: Annotated[Path, typer.Option(help="A finished site.")] = Path("site"),
    config: ConfigFile = Path("site_config.yaml"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, and write nothing.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove what the new site does not have.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a finished site where people see it; only what changed is sent."""
    from portal.config import load_config
    from portal.publishing import publish_site

    if not target:
        loaded = load_config(config)
        target = loaded.publish.target
        if target and "://" not in target and target != "gh-pages":
            target = str(loaded.root / target)
    if not target:
        raise UsageError(f"Name a target, or write it into {config} as `publish.target`.")
    with progress(not as_json) as say:
        report = publish_site(site, target, delete=delete, dry_run=dry_run, progress=say)
    plan = report.plan
    if as_json:
        _print_json(
            {
                "target": target,
                "written": not dry_run and target != "gh-pages",
                "added": list(plan.added),
                "changed": list(plan.changed),
                "removed": list(plan.removed),
                "kept": list(plan.kept),
                "unchanged": len(plan.unchanged),
                "bytes": report.bytes,
                "seconds": round(report.seconds, 1),
                "problems": [p.model_dump() for p in report.problems],
            }
        )
    else:
        _show_published(report, dry_run)
    raise typer.Exit(1 if worst(report.problems) == "error" else 0)


def _show_published(report: PublishReport, dry_run: bool) -> None:
    from portal.publish_pages import NEXT_STEPS
    from portal.words import size as size_text

    plan = report.plan
    groups = {
        "added": plan.added,
        "changed": plan.changed,
        "unchanged": plan.unchanged,
        "removed": plan.removed,
        "kept": plan.kept,
    }
    table = Table("", "files", "size", box=None)
    for name, files in groups.items():
        if files:
            table.add_row(name, f"{len(files):,}", size_text(sum(files.values())))
    if report.target == "gh-pages":
        show_problems(report.problems)
        output.print(f"{len(plan.added):,} files, {size_text(report.bytes)}.", highlight=False)
        output.print(NEXT_STEPS, highlight=False)
        return
    output.print(table)
    if dry_run:
        for name, files in groups.items():
            if name != "unchanged" and files:
                names = list(files)[:20]
                more = f"\n  and {len(files) - 20:,} more" if len(files) > 20 else ""
                listed = escape("\n  ".join(names))
                output.print(f"{name}:\n  {listed}{more}", highlight=False, soft_wrap=True)
        output.print("Nothing was written.")
        return
    if plan.kept:
        messages.print("What is kept is for pages still open; --delete removes it.")
    output.print(f"{escape(report.target)} ({report.seconds:.1f} s)", highlight=False)


@app.command()
def watch(
    config: ConfigFile = Path("site_config.yaml"),
    out: Annotated[Path, typer.Option(help="Where the finished site goes.")] = Path("site"),
) -> None:
    """Build again after each change, while you edit. `portal serve` beside it shows the site."""
    from portal.build import build_site
    from portal.config import load_config
    from portal.watching import watch as run

    def build() -> None:
        report = build_site(load_config(config), out)
        show_problems(p for p in report.problems if p.severity != "info")
        again = len(report.explained)
        output.print(
            f"{time.strftime('%H:%M:%S')}  {report.records:,} artifacts, {again:,} made again, "
            f"{report.seconds:.1f} s",
            highlight=False,
        )

    def failed(e: PortalError) -> None:
        if isinstance(e, ProblemsError):
            show_problems(e.problems)
        else:
            messages.print(f"[bold red]Error:[/] {escape(str(e))}", highlight=False)

    messages.print("Watching; Ctrl-C stops.")
    run(config, build, failed)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A finished site.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Tell what changed between two builds, field by field, as Markdown."""
    from portal.comparing import compare as run

    found = run(before, after)
    if as_json:
        _print_json(found.as_dict())
    else:
        output.file.write(found.markdown())


@app.command()
def rehearse(
    base: Annotated[str, typer.Option(help="The commit to compare with.")] = "origin/main",
    config: ConfigFile = Path("site_config.yaml"),
    out: Annotated[Path, typer.Option(help="Where the finished site goes.")] = Path("site"),
    base_url: Annotated[str, typer.Option(help="Where the site will be.")] = "",
    summary: Annotated[
        Path | None, typer.Option(help="Append what changed, as Markdown, to this file.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print what a review shows beside the line.")
    ] = False,
) -> None:
    """Do what CI does with a change: check, build, and tell what is other than before."""
    from portal.check import review_lines
    from portal.config import load_config
    from portal.rehearsing import rehearse as run

    with progress(not github) as say:
        done = run(config, out, base, base_url=base_url, progress=say)
    problems = [p for p in done.checked.problems if p.severity != "info"]
    if github:
        for line in review_lines(problems, load_config(config)):
            output.file.write(line + "\n")
    else:
        show_problems(problems)
    errors = sum(p.severity == "error" for p in [*problems, *done.report.problems])
    told = (
        done.comparison.markdown()
        if done.comparison
        else f"There is nothing to compare with: {done.before}\n"
    )
    if summary:
        with summary.open("a", encoding="utf-8") as f:
            f.write(
                f"## Portal\n\n{told}\n{len(problems):,} problems, {errors:,} of them errors.\n"
            )
    else:
        output.file.write(told)
    raise typer.Exit(1 if errors else 0)


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="A finished site.")] = Path("site"),
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    prefix: Annotated[str, typer.Option(help="Sub-path to show the site under.")] = "/",
) -> None:
    """Show a finished site, as a static host would."""
    from portal.serve import serve as run

    if not (folder / "index.html").is_file():
        raise UsageError(f"{folder} holds no site. Run `portal build` first.")
    messages.print(f"http://{host}:{port}{prefix}  (Ctrl-C stops)", highlight=False)
    run(folder, host=host, port=port, prefix=prefix)


@app.command()
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


@app.command()
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
        _print_json(asdict(graph))
    else:
        output.print(draw(graph))


@app.command("cache")
def show_cache(
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
            _print_json({"freed": freed})
        else:
            output.print(f"{size(freed)} freed", highlight=False)
        return
    kept = [k for k in store_cache.cached() if not ids or k.id in ids]
    if as_json:
        _print_json([{**asdict(k), "path": str(k.path)} for k in kept])
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


@imports.command("spatialdata-db")
def import_spatialdata_db(
    file: Annotated[Path, typer.Argument(help="The collection's records, JSON.")],
    out: Annotated[Path, typer.Option(help="Folder of the entries.")] = Path(
        "data_manifest/spatialdata-db"
    ),
    every: Annotated[
        bool, typer.Option("--all", help="Also records not uploaded, as announced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over the records of the scverse spatialdata-db collection."""
    from portal.importing import import_spatialdata_db as run

    schema = _schema_for(out, "spatialdata-db")
    _show_imported(run(file, out, schema, include_all=every), as_json)


Force = Annotated[bool, typer.Option("--force", help="Replace entries that say something else.")]


@imports.command("lamin")
def import_lamin(
    file: Annotated[
        Path, typer.Argument(help="A data frame of artifacts, or tables of `lamin io exportdb`.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the entries.")] = Path("data_manifest/lamin"),
    address: Annotated[
        str, typer.Option(help="Where the stores lie: a pattern with {key}, {uid}, {suffix}.")
    ] = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Take over the artifacts of a LaminDB instance."""
    from portal.importing import import_lamin as run

    _show_imported(run(file, out, _schema_for(out), address=address, force=force), as_json)


@imports.command("croissant")
def import_croissant(
    file: Annotated[
        Path, typer.Argument(help="A Croissant record, a list of them, or a folder of files.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the entries.")] = Path(
        "data_manifest/croissant"
    ),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Take over data sets that are described in Croissant."""
    from portal.importing import import_croissant as run

    _show_imported(run(file, out, _schema_for(out), force=force), as_json)


def _schema_for(out: Path, default: str = "minimal") -> Schema:
    """The schema of the manifest that `out` lies in."""
    from portal.schema import load_schema

    folders = (out, *out.absolute().parents)
    own = next((p / "schema.yaml" for p in folders if (p / "schema.yaml").is_file()), None)
    return load_schema(own or default)


def _show_imported(imported: Imported, as_json: bool) -> None:
    if as_json:
        _print_json(
            {
                "written": [str(p) for p in imported.written],
                "unchanged": [str(p) for p in imported.unchanged],
                "skipped": list(imported.skipped),
                "left": list(imported.left),
            }
        )
        return
    output.print(
        f"{len(imported.written)} entries written, {len(imported.unchanged)} unchanged, "
        f"{len(imported.skipped)} left out",
        highlight=False,
    )
    if imported.skipped:
        messages.print(f"Left out: {', '.join(imported.skipped)}", highlight=False, markup=False)
    for told in imported.left:
        messages.print(f"No place for {told}", highlight=False, markup=False)


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


def show_problems(problems: Iterable[Problem]) -> None:
    """Print all problems, the gravest first, then how many there are."""
    colours = {"error": "red", "warning": "yellow", "info": "blue"}
    order = list(colours)
    counted = dict.fromkeys(colours, 0)
    for p in sorted(problems, key=lambda p: (order.index(p.severity), p.where)):
        counted[p.severity] += 1
        remedy = f" [italic]{escape(p.remedy)}[/]" if p.remedy else ""
        messages.print(
            f"{escape(p.where)}: [bold {colours[p.severity]}]{p.severity}[/] "
            f"[dim]{escape(f'[{p.code}]')}[/] {escape(p.what)}{remedy}",
            highlight=False,
            soft_wrap=True,
        )
    if any(counted.values()):
        messages.print(
            ", ".join(
                f"{n} {s}{'s' if n != 1 and s != 'info' else ''}" for s, n in counted.items()
            ),
            highlight=False,
        )


@contextmanager
def progress(show: bool) -> Iterator[Any]:
    """A bar for each stage of long work, on standard error; silent with `--json`."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
        disable=not show,
    )
    tasks: dict[str, Any] = {}

    def say(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield say


def _print_json(value: Any) -> None:
    output.file.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
