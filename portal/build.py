"""The whole way once: manifest → scan → curate → products → catalog → render → site.

Everything is made in a folder beside the site and put in its place at the end, so that an
interrupted build leaves the last finished site as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from dataclasses import replace as replace_
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from portal import __version__, curation_codes, scan_codes
from portal.cache import Cache
from portal.catalog import write_catalog, write_record
from portal.columns import COLUMNS, catalog_columns
from portal.config import SiteConfig
from portal.curate import curate
from portal.entry import Entry
from portal.errors import BuildError, Problem, UsageError, is_machine_fault
from portal.facts import StoreFacts
from portal.jsonschema import entry_json_schema
from portal.manifest import Manifest, read_manifest, source_path
from portal.notes import Notes, code_version, digest
from portal.products import Artifact, Budget, make_products
from portal.publish import alone, recover, replace
from portal.quality import with_duplicates
from portal.record import Record
from portal.scans import kept_facts

__all__ = ["BuildReport", "Progress", "build_site"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


@dataclass
class BuildReport:
    """What a build made, and every problem that it met."""

    out: Path
    records: int = 0
    pages: int = 0
    problems: list[Problem] = field(default_factory=list)
    explained: dict[str, str] = field(default_factory=dict)
    """Pages of artifacts that were made again, by address, and why."""
    bytes_by_kind: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def bytes(self) -> int:
        """Size of the whole site."""
        return sum(self.bytes_by_kind.values())


def build_site(
    config: SiteConfig, out: Path, *, strict: bool = False, progress: Progress | None = None
) -> BuildReport:
    """Build the portal of `config` into the folder `out`.

    With `strict`, a problem of severity error stops the build before anything is replaced; the
    report then has `pages == 0`. Raises BuildError where the machine fails (disk full, another
    build at work) and UsageError where `out` is not ours to replace.
    """
    started = time.monotonic()
    say = progress or (lambda what, done, total: None)
    out = out.resolve()
    _check_target(out, config)
    report = BuildReport(out)
    with alone(out):
        recover(out)
        staging = out.with_name(f".{out.name}.building")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staging.mkdir(parents=True)
            _build_into(staging, config, report, say)
            if strict and any(p.severity == "error" for p in report.problems):
                report.pages = 0
                return report
            say("Putting the site in place", 0, 1)
            replace(staging, out)
            say("Putting the site in place", 1, 1)
        except Exception as e:
            if not (isinstance(e, BuildError) or is_machine_fault(e)):
                raise
            why = (e.strerror if isinstance(e, OSError) else str(e)) or type(e).__name__
            raise BuildError(
                f"The build stopped in {out.parent}: {why.rstrip('.')}. "
                "The last finished site is untouched."
            ) from e
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    report.seconds = time.monotonic() - started
    return report


def build_time() -> datetime:
    """Now, or the moment that SOURCE_DATE_EPOCH names, so that a build can be repeated."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH={epoch!r} is no number of seconds.") from None


def _build_into(site: Path, config: SiteConfig, report: BuildReport, say: Progress) -> None:
    from portal.render import render_site
    from portal.shell import build_shell

    say("Reading the manifest", 0, 1)
    cache = Cache(config.root / ".portal" / "cache")
    notes = Notes(cache.root / "notes.sqlite")
    manifest = read_manifest(config, notes)
    report.problems += manifest.problems
    say("Reading the manifest", 1, 1)

    artifacts = scan_all(manifest, config, say, notes)
    budget = Budget(artifacts, config)
    records = []
    for i, artifact in enumerate(artifacts):
        say("Making views and pictures", i, len(artifacts))
        records.append(make_products(artifact, config, cache, site, budget))
    say("Making views and pictures", len(artifacts), len(artifacts))

    known = set(manifest.problems)
    report.problems += [p for record in records for p in record.problems if p not in known]
    built_at = build_time()
    say("Writing the catalog", 0, 1)
    write_catalog(
        records,
        manifest.collections,
        site / "catalog",
        schema=manifest.schema_,
        base_url=config.base_url,
        generated_at=built_at.isoformat(timespec="seconds"),
    )
    digests = {r.id: digest(write_record(r, site / "datasets" / r.id)) for r in records}
    (site / "docs").mkdir(exist_ok=True)
    _write_json(site / "docs" / "artifact.schema.json", Record.model_json_schema())
    (site / "schema").mkdir(exist_ok=True)
    _write_json(site / "schema" / "entry.schema.json", entry_json_schema(manifest.schema_))
    say("Writing the catalog", 1, 1)

    say("Building the shell", 0, 1)
    work = config.root / ".portal" / "shell"
    shell = build_shell(config, site, work, generated=generated_docs(manifest), search=True)
    say("Building the shell", 1, 1)
    say("Writing pages", 0, 1)
    rendered = render_site(
        records,
        manifest.collections,
        config,
        site,
        shell,
        schema=manifest.schema_,
        notes=notes,
        digests=digests,
    )
    say("Writing pages", 1, 1)
    _write_json(
        site / "build.json",
        {
            "built_at": built_at.isoformat(timespec="seconds"),
            "portal": __version__,
            "artifacts": len(records),
        },
    )
    report.problems += rendered.links.broken(site)
    cache.prune()
    notes.save()
    notes.close()
    report.explained = rendered.explained
    report.records, report.pages = len(records), len(rendered.pages)
    report.bytes_by_kind = sizes(site)


def scan_all(
    manifest: Manifest, config: SiteConfig, say: Progress, notes: Notes | None = None
) -> list[Artifact]:
    """Scan every local source, take the scans of those elsewhere, and curate every entry."""
    of: dict[str, list[Problem]] = {}
    for problem in manifest.problems:
        of.setdefault(problem.where.rpartition(":")[0], []).append(problem)
    artifacts = []
    for i, entry in enumerate(manifest.entries):
        say("Scanning stores", i, len(manifest.entries))
        problems = of.get(entry.shown_as, [])
        try:
            artifacts.append(scan_entry(entry, manifest, config, problems, notes))
        except Exception as e:  # one entry never stops the others, whatever is wrong with it
            if is_machine_fault(e):
                raise
            artifacts.append(_failed(entry, problems, e))
    say("Scanning stores", len(manifest.entries), len(manifest.entries))
    records = with_duplicates([a.record for a in artifacts])
    return [replace_(a, record=r) for a, r in zip(artifacts, records, strict=True)]


def _failed(entry: Entry, problems: list[Problem], e: Exception) -> Artifact:
    """What is left of an entry that nothing can be made of: its title, and why."""
    problem = Problem(
        code="entry-failed",
        severity="error",
        where=entry.where(),
        what=f"Nothing could be made of the entry: {type(e).__name__}: {e}"[:500],
        remedy="Simplify it until it works, and report what made it fail.",
    )
    record = Record(
        id=entry.id,
        title=entry.title,
        validation_status="fail",
        problems=(*problems, problem),
    )
    return Artifact(entry=entry, record=record, source=None)


def scan_entry(
    entry: Entry,
    manifest: Manifest,
    config: SiteConfig,
    problems: Iterable[Problem] = (),
    notes: Notes | None = None,
) -> Artifact:
    """Scan and curate one entry; a source that is missing is a problem like any other.

    With `notes` an entry without a store is curated once, until it or the schema changes.
    """
    from portal.scan import scan_store

    problems = list(problems)
    path = source_path(entry)
    facts = None
    if entry.status != "public":  # what is not offered is not told either
        path = None
    elif entry.is_remote:
        facts, found = kept_facts(entry, config)
        problems += found
    if path is not None:
        if path.exists():
            facts = scan_store(path, limit=config.limits.scan_bytes, name=entry.id)
        else:
            problems.append(
                Problem(
                    code="source-missing",
                    severity="error",
                    where=entry.where("source"),
                    what=f"There is nothing at `{entry.source}`.",
                    remedy="Correct the path, which starts from the entry's own folder.",
                )
            )
            path = None
    record = _curated(entry, facts, manifest, problems, notes if facts is None else None)
    if config.data.publish == "none":
        record = record.model_copy(update={"url": None})
    return Artifact(entry=entry, record=record, source=path)


def _curated(
    entry: Entry,
    facts: StoreFacts | None,
    manifest: Manifest,
    problems: list[Problem],
    notes: Notes | None,
) -> Record:
    """The record, from the notes where nothing that it is made from has changed."""
    if notes is None:
        return curate(entry, facts, manifest.schema_, problems)
    said = entry.model_dump_json(), repr(sorted(entry.lines.items(), key=str)), entry.shown_as
    told = [p.model_dump_json() for p in problems]
    key = digest("record", code_version(), manifest.schema_version, entry.id, *said, *told)
    if kept := notes.get(key):
        return Record.model_validate_json(kept)
    record = curate(entry, facts, manifest.schema_, problems)
    notes.put(key, record.model_dump_json(by_alias=True).encode())
    return record


def generated_docs(manifest: Manifest) -> dict[str, str]:
    """Pages of the documentation that are made from the code, by their path in the prose."""
    kinds = {
        "string": "text",
        "integer": "Int64",
        "number": "Float64",
        "boolean": "boolean",
        "list": "list of text",
    }

    def cell(text: str) -> str:
        """Text inside a Markdown table: nothing in it is markup."""
        return escape(" ".join(text.split())).translate(_PLAIN)

    ours = {c.name for c in COLUMNS}
    columns = "\n".join(
        f"| `{c.name}` | {kinds[c.kind]} | {c.meaning if c.name in ours else cell(c.meaning)} |"
        for c in catalog_columns(manifest.schema_)
    )

    def codes(known: dict[str, str]) -> str:
        rows = "\n".join(f"| `{code}` | {known[code]} |" for code in sorted(known))
        return f"| code | meaning |\n| --- | --- |\n{rows}\n"

    return {
        "docs/columns.md": "# Columns of the catalog\n\n"
        "`catalog/catalog.parquet` has one row an artifact; `.ndjson` and `.csv` hold the same.\n\n"
        f"| column | type | meaning |\n| --- | --- | --- |\n{columns}\n",
        "docs/problems.md": "# Problems\n\nWhat `portal check` and a build can find, by code.\n\n"
        f"## In entries, the schema and the config\n\n{codes(curation_codes.CODES)}\n"
        f"## In stores\n\n{codes(scan_codes.CODES)}",
    }


# Characters that Markdown gives a meaning, as references.
_PLAIN = {ord(c): f"&#{ord(c)};" for c in "|`*_[]\\<>!"}
_KINDS = {
    ".html": "pages",
    ".webp": "pictures",
    ".png": "pictures",
    ".js": "scripts",
    ".css": "styles",
    ".parquet": "catalog",
    ".ndjson": "catalog",
    ".csv": "catalog",
}


def sizes(site: Path) -> dict[str, int]:
    """Bytes by kind of file, largest first."""
    by_kind: dict[str, int] = {}
    todo: list[tuple[str, tuple[str, ...]]] = [(str(site), ())]
    while todo:
        folder, parts = todo.pop()
        with os.scandir(folder) as entries:
            for e in entries:
                if e.is_dir(follow_symlinks=False):
                    todo.append((e.path, (*parts, e.name)))
                    continue
                full = (*parts, e.name)
                kind = (
                    ("views" if full[2].startswith("view-") else "stores")
                    if full[0] == "data" and len(full) > 2
                    else _KINDS.get(os.path.splitext(e.name)[1], "records and the rest")
                )
                by_kind[kind] = by_kind.get(kind, 0) + e.stat().st_size
    return dict(sorted(by_kind.items(), key=lambda item: -item[1]))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _check_target(out: Path, config: SiteConfig) -> None:
    """Refuse to replace a folder that no build has made: it may be somebody's work."""
    root = config.root.resolve()
    if root.is_relative_to(out):
        raise UsageError(f"{out} holds the portal itself; choose another folder with --out.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose another folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / "build.json").is_file():
        raise UsageError(
            f"{out} is not empty and was not made by a build (it has no build.json): "
            "empty it yourself or choose another folder with --out."
        )
