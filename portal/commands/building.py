"""Entries → a site: `portal build | publish | watch | compare | rehearse | serve`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    show_error,
    show_problems,
)
from portal.errors import UsageError, worst

if TYPE_CHECKING:
    from portal.publishing import PublishReport

__all__ = ["build", "compare", "publish", "rehearse", "serve", "watch"]


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
        print_json(
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
        print_json(
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


def watch(
    config: ConfigFile = Path("site_config.yaml"),
    out: Annotated[Path, typer.Option(help="Where the finished site goes.")] = Path("site"),
) -> None:
    """Build again after each change, while you edit. `portal serve` beside it shows the site."""
    from portal.build import build_site
    from portal.config import load_config
    from portal.watching import watch as run

    def again() -> None:
        report = build_site(load_config(config), out)
        show_problems(p for p in report.problems if p.severity != "info")
        remade = len(report.explained)
        output.print(
            f"{time.strftime('%H:%M:%S')}  {report.records:,} artifacts, {remade:,} made again, "
            f"{report.seconds:.1f} s",
            highlight=False,
        )

    messages.print("Watching; Ctrl-C stops.")
    run(config, again, show_error)


def compare(
    before: Annotated[Path, typer.Argument(help="A finished site.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Tell what changed between two builds, field by field, as Markdown."""
    from portal.comparing import compare as run

    found = run(before, after)
    if as_json:
        print_json(found.as_dict())
    else:
        output.file.write(found.markdown())


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
