"""`data_manifest/`: one YAML file an artifact, read into an `Entry` each, with every fault named.

The id of an entry is its file's stem. It is an address for ever, so its rules are strict.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from portal.config import SiteConfig, web_address
from portal.errors import Problem, ProblemsError, did_you_mean
from portal.yamlfile import Loc, read_yaml

__all__ = [
    "Citation",
    "Collection",
    "Contact",
    "Entry",
    "Manifest",
    "Schema",
    "SchemaField",
    "Version",
    "read_manifest",
    "read_schema",
    "source_path",
]

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
DOI = re.compile(r"10\.\d{4,9}/\S+")
ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
REMOTE_SCHEMES = ("http", "https", "s3", "gs", "az")
RESERVED = ("schema.yaml", "collections.yaml")


def _address(text: str) -> str:
    """An address that people may follow: no javascript:, no file:."""
    parts = urlsplit(text)
    if parts.scheme not in REMOTE_SCHEMES or not parts.netloc:
        raise ValueError(f"{text[:80]!r} is not an address ({', '.join(REMOTE_SCHEMES)})")
    return text


def _source(text: str) -> str:
    if "://" in text:
        return _address(text)
    if not text.strip() or "\0" in text:
        raise ValueError("a source is a folder, a .zarr.zip or an address")
    return text


def _date(text: Any) -> str:
    text = str(text)
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", text):
        raise ValueError(f"{text!r} is not a date; write YYYY-MM-DD")
    try:
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError as e:
        raise ValueError(f"{text!r} is not a date: {e}") from None
    return text


def _matching(pattern: re.Pattern[str], what: str):
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text[:80]!r} is not {what}")
        return text

    return AfterValidator(check)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(web_address)]
Address = Annotated[str, Field(max_length=2000), AfterValidator(_address)]
Slug = Annotated[str, _matching(SLUG, "a slug: lower-case letters, digits and hyphens")]
EntryId = Annotated[str, _matching(ID, "an id: lower-case letters, digits, `.`, `_` and `-`")]
Day = Annotated[str, BeforeValidator(_date)]
Doi = Annotated[str, _matching(DOI, "a DOI such as 10.1234/abc")]
Text = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, (int, float)) else v)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Term(_Part):
    """A value whose ontology term is known; `written` is what its author wrote, if other words."""

    label: Annotated[str, Field(min_length=1, max_length=500)]
    id: Annotated[str, _matching(re.compile(r"[A-Za-z]+:[A-Za-z0-9_.-]+"), "an ontology id")] = ""
    written: Annotated[str, Field(max_length=500)] = ""


MetadataItem = Annotated[str, Field(max_length=5000)] | bool | int | float | Term
MetadataValue = MetadataItem | list[MetadataItem] | None


class CslName(BaseModel):
    """A person or a body, as CSL JSON has it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    family: str = ""
    given: str = ""
    literal: str = ""


class CslDate(BaseModel):
    """A date, as CSL JSON has it."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)
    parts: list[list[int]] = Field(default=[], alias="date-parts")


class Csl(BaseModel):
    """An item of CSL JSON: what the portal reads of it is typed, the rest is passed on."""

    model_config = ConfigDict(extra="allow", frozen=True)
    title: str = ""
    author: list[CslName] = []
    publisher: str = ""
    issued: CslDate = CslDate()
    DOI: str = ""
    URL: WebAddress | None = None


class Citation(_Part):
    """How to cite the data set."""

    doi: Doi | None = None
    pmid: (
        Annotated[str, BeforeValidator(str), _matching(re.compile(r"\d{1,9}"), "a PMID")] | None
    ) = None
    authors: Annotated[list[Annotated[str, Field(max_length=200)]], BeforeValidator(_listed)] = []
    title: Annotated[str, Field(max_length=500)] = ""
    year: Annotated[int, Field(ge=1800, le=2200)] | None = None
    publisher: Annotated[str, Field(max_length=200)] = ""
    url: WebAddress | None = None
    csl: Csl | None = None


class Contact(_Part):
    """A person to ask."""

    name: Annotated[str, Field(max_length=200)]
    orcid: Annotated[str, _matching(ORCID, "an ORCID such as 0000-0002-1825-0097")] | None = None
    address: Annotated[str, Field(max_length=200)] = ""


class Version(_Part):
    """One published state of the artifact; the newest is last."""

    version: Annotated[Text, Field(min_length=1, max_length=100)]
    date: Day | None = None
    url: Address | None = None
    note: Annotated[str, Field(max_length=1000)] = ""


class Entry(_Part):
    """What a curator wrote about one artifact."""

    title: Annotated[str, Field(min_length=1, max_length=300)]
    description: Annotated[str, Field(max_length=20_000)] = ""
    source: Annotated[str, Field(max_length=2000), AfterValidator(_source)] | None = None
    url: Address | None = None
    page: WebAddress | None = None
    collections: Annotated[list[Slug], BeforeValidator(_listed)] = []
    license: Annotated[str, Field(max_length=200)] | None = None
    citation: Citation | None = None
    contacts: list[Contact] = []
    metadata: dict[Annotated[str, Field(max_length=100)], MetadataValue] = {}
    versions: list[Version] = []
    status: Literal["public", "announced", "withdrawn"] = "public"
    reason: Annotated[str, Field(max_length=1000)] = ""
    superseded_by: EntryId | None = None
    aliases: Annotated[list[EntryId], BeforeValidator(_listed)] = []
    derived_from: Annotated[list[EntryId], BeforeValidator(_listed)] = []
    views: dict[Slug, dict[str, Any]] = {}

    id: str = Field(default="", exclude=True)
    path: Path = Field(default=Path(), exclude=True)
    lines: dict[Loc, int] = Field(default_factory=dict, exclude=True)
    shown_as: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _status_has_its_reason(self) -> Entry:
        if self.status == "withdrawn" and not self.reason:
            raise ValueError("a withdrawn artifact needs a `reason`")
        return self

    def where(self, *loc: str | int) -> str:
        """`file:line` of a key, for messages."""
        at: Loc = loc
        while at and at not in self.lines:
            at = at[:-1]
        return f"{self.shown_as}:{self.lines.get(at, 1)}"

    @property
    def is_remote(self) -> bool:
        """Whether the source is an address and not a path."""
        return bool(self.source and "://" in self.source)


class Collection(_Part):
    """A set of artifacts that belong together, from collections.yaml."""

    name: Annotated[str, Field(min_length=1, max_length=300)]
    kind: Annotated[str, Field(max_length=50)] = ""
    description: Annotated[str, Field(max_length=20_000)] = ""
    reference: Annotated[str, Field(max_length=500)] = ""
    reference_type: Annotated[str, Field(max_length=50)] = ""


class SchemaField(_Part):
    """One metadata field, from schema.yaml."""

    label: Annotated[str, Field(max_length=100)] = ""
    description: Annotated[str, Field(max_length=1000)] = ""
    type: Literal["term", "text", "integer", "number", "date", "address", "boolean"] = "text"
    ontology: Annotated[list[str], BeforeValidator(_listed)] = []
    unit: str = ""
    group: Annotated[str, Field(max_length=50)] = "Other"
    found_in: Annotated[list[str], BeforeValidator(_listed)] = []
    """Paths of root attributes that may hold the value, for example `metadata_general.Assay`."""
    obs: Annotated[list[str], BeforeValidator(_listed)] = []
    """Columns of obs whose categories are values of this field."""


class Schema(_Part):
    """`schema.yaml`: the metadata fields of this portal, in the order in which they are shown."""

    fields: dict[
        Annotated[str, _matching(re.compile(r"[a-z][a-z0-9_]*"), "a field name")], SchemaField
    ]


class _Collections(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    collections: dict[Slug, Collection] = {}


class Manifest(BaseModel):
    """All entries that can be read, and every problem of the rest."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[Entry, ...] = ()
    collections: dict[str, Collection] = {}
    schema_: Schema = Schema(fields={})
    problems: tuple[Problem, ...] = ()


def read_manifest(config: SiteConfig) -> Manifest:
    """Read every entry of `data_manifest/`, the schema and the collections.

    Never raises for what a curator wrote: the faults are in `problems`, and an entry with an
    error is left out.
    """
    folder = config.manifest_dir
    problems: list[Problem] = []
    schema = _read_schema(folder, config.root, problems)
    collections = _read_collections(folder, config.root, problems)
    entries: dict[str, Entry] = {}
    files = _entry_files(folder, config.root, problems)
    for path in files:
        entry = _read_entry(path, config, problems)
        if entry:
            entries[entry.id] = entry
    # An entry that can't be read keeps its address all the same.
    aliases = {path.stem: path.stem for path in files}
    for entry in entries.values():
        problems += _references(entry, entries, collections, schema, aliases)
    return Manifest(
        entries=tuple(entries.values()),
        collections=collections,
        schema_=schema,
        problems=tuple(problems),
    )


def _entry_files(folder: Path, root: Path, problems: list[Problem]) -> list[Path]:
    """The files whose names can be ids, each id once; the others are problems."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.y*ml"), key=lambda p: (p.stem, str(p))):
        relative = path.relative_to(folder)
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            continue
        if str(relative) in RESERVED or relative.parts[0] == "scans":
            continue
        valid = ID.fullmatch(path.stem) is not None
        key = path.stem.casefold()
        twin = found.get(key)
        # A valid name keeps the id, whichever came first.
        if twin is None or (valid and not ID.fullmatch(twin.stem)):
            found[key] = path
        if not valid:
            problems.append(
                _in_file(
                    path,
                    root,
                    "id-invalid",
                    f"The id `{path.stem[:80]}` (the file's name) is not allowed.",
                    "Use lower-case letters, digits, `.`, `_` and `-`, at most 64, starting with "
                    "a letter or digit.",
                )
            )
        if twin is not None:
            same = twin.stem == path.stem
            problems.append(
                _in_file(
                    path,
                    root,
                    "id-duplicate" if same else "id-case",
                    f"Its id {'is also that of' if same else 'differs only in case from'} "
                    f"{_shown(twin, root)}.",
                    "Rename one.",
                )
            )
    return [p for p in found.values() if ID.fullmatch(p.stem)]


def _in_file(path: Path, root: Path, code: str, what: str, remedy: str) -> Problem:
    where = f"{_shown(path, root)}:1"
    return Problem(code=code, severity="error", where=where, what=what, remedy=remedy)


def _read_entry(path: Path, config: SiteConfig, problems: list[Problem]) -> Entry | None:
    """One entry, None where it has an error of its own."""
    shown = _shown(path, config.root)
    entry, found, lines = read_yaml(path, Entry, shown_as=shown)
    problems += found
    if entry is None:
        return None
    entry = entry.model_copy(
        update={"id": path.stem, "path": path, "lines": lines, "shown_as": shown}
    )
    faults = [
        Problem(
            code="unknown-key",
            severity="error",
            where=entry.where(key),
            what=f"Unknown key `{key}`.",
            remedy="The id is the file's name." if key == "id" else "",
        )
        for key in ("id", "path", "lines", "shown_as")
        if (key,) in lines
    ]
    outside = _source_fault(entry, config)
    faults += [outside] if outside else []
    problems += faults
    return None if faults else entry


def source_path(entry: Entry) -> Path | None:
    """The local folder or file of an entry, None for an address or none at all."""
    if entry.source is None or entry.is_remote:
        return None
    return entry.path.parent / entry.source


def _source_fault(entry: Entry, config: SiteConfig) -> Problem | None:
    path = source_path(entry)
    if path is None:
        return None
    resolved = path.resolve()
    if any(resolved.is_relative_to(root) for root in config.source_root_paths()):
        return None
    return Problem(
        code="source-outside-roots",
        severity="error",
        where=entry.where("source"),
        what=f"The source `{entry.source}` lies outside the folders that this portal may read.",
        remedy="Move it, or add its folder to `source_roots` in site_config.yaml.",
    )


def _references(
    entry: Entry,
    entries: dict[str, Entry],
    collections: dict[str, Collection],
    schema: Schema,
    aliases: dict[str, str],
) -> list[Problem]:
    """Names in an entry that must exist elsewhere; `aliases` has the owner of each address."""
    out = []

    def problem(code: str, severity: Any, loc: Loc, what: str, remedy: str = "") -> None:
        out.append(
            Problem(code=code, severity=severity, where=entry.where(*loc), what=what, remedy=remedy)
        )

    for i, slug in enumerate(entry.collections):
        if slug not in collections:
            problem(
                "collection-unknown",
                "warning",
                ("collections", i),
                f"The collection `{slug}` is not in collections.yaml.",
                did_you_mean(slug, collections),
            )
    for key in ("superseded_by", "derived_from"):
        named = getattr(entry, key) or []
        for other in [named] if isinstance(named, str) else named:
            if other not in entries:
                problem(
                    "id-unknown",
                    "warning",
                    (key,),
                    f"`{key}` names `{other}`, which is no entry of this manifest.",
                    did_you_mean(other, entries),
                )
    for alias in entry.aliases:
        owner = aliases.setdefault(alias, entry.id)
        if owner != entry.id:
            problem(
                "alias-taken",
                "error",
                ("aliases",),
                f"The alias `{alias}` belongs to the artifact `{owner}`.",
                "Keep it in one entry.",
            )
    if schema.fields:
        for key in entry.metadata:
            if key not in schema.fields:
                problem(
                    "field-unknown",
                    "warning",
                    ("metadata", key),
                    f"The field `{key}` is not in schema.yaml.",
                    did_you_mean(key, schema.fields),
                )
    return out


def _read_schema(folder: Path, root: Path, problems: list[Problem]) -> Schema:
    path = folder / "schema.yaml"
    if not path.is_file():
        from portal.resources import default_schema

        path = default_schema()
    schema, found, _ = read_yaml(path, Schema, shown_as=_shown(path, root))
    problems += found
    return schema or Schema(fields={})


def read_schema(path: Path) -> Schema:
    """Read one schema.yaml. Raises ProblemsError with every fault in it."""
    schema, problems, _ = read_yaml(path, Schema)
    if schema is None:
        raise ProblemsError(problems)
    return schema


def _read_collections(folder: Path, root: Path, problems: list[Problem]) -> dict[str, Collection]:
    path = folder / "collections.yaml"
    if not path.is_file():
        return {}
    read, found, _ = read_yaml(path, _Collections, shown_as=_shown(path, root))
    problems += found
    return read.collections if read else {}


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
