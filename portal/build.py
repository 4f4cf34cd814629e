"""The whole way once: manifest → scan → curate → products → catalog → render → site.

Everything is made in a folder beside the site and put in its place at the end, so that an
interrupted build leaves the last finished site as it was.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from dataclasses import replace as replace_
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from portal import __version__, curation_codes, scan_codes
from portal.cache import Cache
from portal.catalog import record_text, write_catalog
from portal.columns import COLUMNS, catalog_columns
from portal.config import SiteConfig
from portal.croissant import croissant_text
from portal.curate import curate
from portal.derivation import Derivation
from portal.entry import Entry
from portal.errors import BuildError, Problem, UsageError, is_machine_fault, reason
from portal.facts import StoreFacts
from portal.jsonschema import entry_json_schema
from portal.kept import KeptRecord, kept_record, whole
from portal.lineage import read_crates
from portal.manifest import Manifest, read_manifest, source_path
from portal.notes import Notes, code_version, digest
from portal.placing import Artifact
from portal.products import make_products
from portal.publish import alone, recover, replace
from portal.quality import with_duplicates
from portal.record import Record
from portal.scanning import ToScan, scan_stores
from portal.scans import kept_facts, scan_state
from portal.tree import Tree
from portal.working import Crew

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
    config: SiteConfig,
    out: Path,
    *,
    strict: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
    dask: str | None = None,
    offline: bool = False,
) -> BuildReport:
    """Build the portal of `config` into the folder `out`.

    With `strict`, a problem of severity error stops the build before anything is replaced; the
    report then has `pages == 0`. Stores are worked on by `jobs` processes, or by the workers of
    the scheduler at the address `dask`; with `offline` no store elsewhere is asked for. Raises
    BuildError where the machine fails (disk full, another build at work) and UsageError where
    `out` is not ours to replace.
    """
    started = time.monotonic()
    say = progress or (lambda what, done, total: None)
    out = out.resolve()
    _check_target(out, config)
    report = BuildReport(out)
    with alone(out), _without_collection(), Crew(jobs, dask) as crew:
        recover(out)
        staging, spare, fresh = (out.with_name(f".{out.name}.{x}") for x in _BESIDE)
        _start_from(staging, spare)
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
            _build_into(staging, fresh, out, config, report, say, crew, offline)
            if strict and any(p.severity == "error" for p in report.problems):
                report.pages = 0
                return report
            say("Putting the site in place", 0, 1)
            replace(staging, out, spare=spare)
            say("Putting the site in place", 1, 1)
        except Exception as e:
            if not (isinstance(e, BuildError | OSError) or is_machine_fault(e)):
                raise
            raise BuildError(
                f"The build stopped in {out.parent}: {reason(e).rstrip('.')}. "
                "The last finished site is untouched."
            ) from e
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(staging, ignore_errors=True)
    report.seconds = time.monotonic() - started
    return report


# What a build works on, what it leaves for the next, what it makes anew: folders beside the site,
# where `.<site>.shell` stays too.
_BESIDE = ("building", "spare", "fresh")


def _start_from(staging: Path, spare: Path) -> None:
    """Take the site before last, whose files `Tree` looks at one by one, or what a killed build
    left of it."""
    if staging.exists():
        shutil.rmtree(spare, ignore_errors=True)
    elif spare.exists():
        spare.rename(staging)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nothing that a build makes refers to itself, and looking through a million objects for
    what does takes a quarter of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def build_time() -> datetime:
    """Now, or the moment that SOURCE_DATE_EPOCH names, so that a build can be repeated."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH={epoch!r} is no number of seconds.") from None


def _build_into(
    staging: Path,
    site: Path,
    former: Path,
    config: SiteConfig,
    report: BuildReport,
    say: Progress,
    crew: Crew,
    offline: bool,
) -> None:
    """Build into `staging`: pages and records are written there, all else goes to the empty
    folder `site` first. `former` is the site as it is now."""
    from portal.render import render_site
    from portal.shell import build_shell

    say("Reading the manifest", 0, 1)
    cache = Cache(config.root / ".portal" / "cache")
    notes = Notes(cache.root / "notes.sqlite")
    tree = Tree(staging, site=former, notes=notes)
    manifest = read_manifest(config, notes)
    report.problems += manifest.problems
    say("Reading the manifest", 1, 1)

    artifacts = scan_all(manifest, config, say, notes, crew)
    records = make_products(artifacts, config, cache, site, crew, offline=offline, say=say)

    known = set(manifest.problems)
    report.problems += [p for record in records for p in record.problems if p not in known]
    built_at = build_time()
    say("Writing the catalog", 0, 1)
    digests = {r.id: _put_record(r, tree) for r in records}
    for record in records:
        _put_croissant(record, digests[record.id], manifest, config, site, tree)
    write_catalog(
        records,
        manifest.collections,
        site / "catalog",
        schema=manifest.schema_,
        base_url=config.base_url,
        generated_at=built_at.isoformat(timespec="seconds"),
        notes=notes,
        digests=digests,
    )
    (site / "docs").mkdir(exist_ok=True)
    _write_json(site / "docs" / "artifact.schema.json", Record.model_json_schema())
    (site / "schema").mkdir(exist_ok=True)
    _write_json(site / "schema" / "entry.schema.json", entry_json_schema(manifest.schema_))
    say("Writing the catalog", 1, 1)

    say("Building the shell", 0, 1)
    work = former.with_name(f".{former.name}.shell")
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
        tree=tree,
    )
    say("Writing pages", 1, 1)
    _write_json(
        site / "build.json",
        {
            "built_at": built_at.isoformat(timespec="seconds"),
            "portal": __version__,
            "artifacts": len(records),
            "id": digest(code_version(), config.model_dump_json(), *sorted(digests.values())),
            "search": f"search/{rendered.index}" if rendered.index else None,
        },
    )
    rendered.links.read(site)
    tree.take(site)
    if not tree.links_hold:
        rendered.tell_all()
    broken = rendered.links.broken(tree.bytes)
    report.problems += broken
    tree.finish(sound=not broken)
    cache.prune()
    notes.save()
    notes.close()
    report.explained = rendered.explained
    report.records, report.pages = len(records), len(rendered.pages)
    report.bytes_by_kind = sizes(tree.bytes)


def scan_all(
    manifest: Manifest,
    config: SiteConfig,
    say: Progress,
    notes: Notes | None = None,
    crew: Crew | None = None,
) -> list[Artifact]:
    """Scan every local source, take the scans of those elsewhere, and curate every entry."""
    of: dict[str, list[Problem]] = {}
    for problem in manifest.problems:
        of.setdefault(problem.where.rpartition(":")[0], []).append(problem)
    scanned = _scan_local(manifest, config, say, crew)
    artifacts = []
    for i, entry in enumerate(manifest.entries):
        say("Curating", i, len(manifest.entries))
        problems = of.get(entry.shown_as, [])
        try:
            facts = scanned.get(entry.id)
            artifacts.append(scan_entry(entry, manifest, config, problems, notes, facts))
        except Exception as e:  # one entry never stops the others, whatever is wrong with it
            if is_machine_fault(e):
                raise
            artifacts.append(_failed(entry, problems, e))
    say("Curating", len(manifest.entries), len(manifest.entries))
    records = with_duplicates([a.record for a in artifacts])
    return [replace_(a, record=r) for a, r in zip(artifacts, records, strict=True)]


def _scan_local(
    manifest: Manifest, config: SiteConfig, say: Progress, crew: Crew | None
) -> dict[str, StoreFacts]:
    """The facts of all local stores that are there, by id."""
    stores = []
    for entry in manifest.entries:
        path = source_path(entry) if entry.status == "public" else None
        with suppress(OSError, ValueError):  # of a path that can't be looked at, curating tells
            if path is not None and path.exists():
                stores.append(ToScan(entry.id, path.absolute(), config.limits.scan_bytes))
    done = itertools.count(1)
    say("Scanning stores", 0, len(stores))
    with nullcontext(crew) if crew else Crew() as crew:
        return scan_stores(stores, crew, lambda: say("Scanning stores", next(done), len(stores)))


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
    scanned: StoreFacts | None = None,
) -> Artifact:
    """Scan and curate one entry; a source that is missing is a problem like any other.

    With `notes` an entry without a store is curated once, until it or the schema changes. A local
    store is scanned here unless its facts are given as `scanned`.
    """
    problems = list(problems)
    path = source_path(entry) if entry.status == "public" else None
    if path is not None and not path.exists():
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

    def curated() -> Record:
        facts, found = scanned, list[Problem]()
        if path is not None:
            from portal.scan import scan_store

            facts = facts or scan_store(path, limit=config.limits.scan_bytes, name=entry.id)
        elif entry.status == "public" and entry.is_remote:  # what is not offered is not told
            facts, found = kept_facts(entry, config)
        record = curate(entry, facts, manifest.schema_, [*problems, *found])
        hidden = {"url": None} if config.data.publish == "none" else {}
        return record.model_copy(update={"lineage": lineage, **hidden})

    lineage: tuple[Derivation, ...] = ()
    if entry.lineage:
        roots, where = config.source_root_paths(), entry.where("lineage")
        lineage, faults = read_crates(entry.lineage, entry.path.parent, roots, where)
        problems += faults
    keep = notes is not None and path is None and not lineage
    key = _key(entry, manifest, config, problems) if keep else ""
    record = kept_record(notes, key, curated) if notes is not None and key else curated()
    return Artifact(entry=entry, record=record, source=path)


def _key(entry: Entry, manifest: Manifest, config: SiteConfig, problems: Iterable[Problem]) -> str:
    """What the record of an entry without a local store is made from."""
    scan = scan_state(entry, config) if entry.status == "public" and entry.is_remote else ""
    told = [p.model_dump_json() for p in problems]
    made_from = code_version(), manifest.schema_version, config.data.publish, entry.digest, scan
    return digest("record", *made_from, *told) if entry.digest else ""


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
        "`catalog/catalog.parquet` has one row an artifact; `.ndjson` and `.csv` hold the same. "
        "[A query](python/query.md) from Python may name each of them, and so may "
        "[SQL](python/sql.md).\n\n"
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


def sizes(files: Mapping[str, int]) -> dict[str, int]:
    """Bytes by kind of file, largest first; `files` are those of a site with their bytes."""
    by_kind: dict[str, int] = {}
    for name, size in files.items():
        kind = _KINDS.get(os.path.splitext(name)[1], "records and the rest")
        if name.startswith("data/") and name.count("/") > 1:
            kind = "views" if name.split("/", 3)[2].startswith("view-") else "stores"
        by_kind[kind] = by_kind.get(kind, 0) + size
    return dict(sorted(by_kind.items(), key=lambda item: -item[1]))


def _put_record(record: Record, tree: Tree) -> str:
    """Write artifact.json. Returns a hash of what is in it."""
    name = f"datasets/{record.id}/artifact.json"
    key = record.key() if isinstance(record, KeptRecord) else ""
    if key and tree.keep(name, key):
        return key
    text = record_text(whole(record)).encode()
    key = key or digest("content", text)
    if not tree.keep(name, key):
        tree.write(name, text, key)
    return key


def _put_croissant(
    record: Record, key: str, manifest: Manifest, config: SiteConfig, site: Path, tree: Tree
) -> None:
    """Write croissant.json; `key` says what the record is. What was withdrawn is not described."""
    if record.status == "withdrawn":
        return
    name = f"datasets/{record.id}/croissant.json"
    known = manifest.collections
    names = [known[c].name for c in record.collections if c in known]
    made_with = code_version(), config.model_dump_json(), manifest.schema_version
    key = digest("croissant", key, *made_with, *names)
    if not tree.keep(name, key):
        text = croissant_text(whole(record), config, known, manifest.schema_, site=site)
        tree.write(name, text.encode("utf-8", "replace"), key)


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
