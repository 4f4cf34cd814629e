"""The Record: everything the portal knows about one artifact, whole in `artifact.json`.

Pages, search, exports, `portal describe` and the Python client read it; nothing works any of
it out again. `portal.curate` makes it from an Entry and StoreFacts, `portal.build` adds the
products that were made for the site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from portal.derivation import Derivation
from portal.errors import Problem
from portal.facts import StoreFacts

__all__ = [
    "FORMAT",
    "UNKNOWN",
    "CitationText",
    "License",
    "Picture",
    "Products",
    "PublishedCopy",
    "Quality",
    "Record",
    "Value",
    "View",
    "at_hand",
    "store_of",
]

FORMAT = "spatialdata-portal/artifact/1"
UNKNOWN = "unknown"
"""What is shown, and counted as a value, where nobody gave one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Value(_Part):
    """One metadata value and who said it.

    `source` is `declared` (the curator), `store attribute <path>`, `store obs <table>/<column>`
    or `scanned`.
    """

    label: str
    id: str | None = None
    written: str | None = None
    """What was written, where that differs from `label`."""
    ontology: str | None = None
    ontology_version: str | None = None
    source: str = "declared"


class License(_Part):
    """What may be done with the data. Unknown flags stay None."""

    label: str
    spdx: str | None = None
    url: str | None = None
    noncommercial: bool | None = None
    redistributable: bool | None = None


class CitationText(_Part):
    """How to cite, in the forms that people paste."""

    text: str
    bibtex: str
    csl: dict[str, Any]
    doi: str | None = None
    pmid: str | None = None
    url: str | None = None


class VersionInfo(_Part):
    version: str
    date: str | None = None
    url: str | None = None
    note: str = ""


class ContactInfo(_Part):
    name: str
    orcid: str | None = None
    address: str = ""


class Picture(_Part):
    """A thumbnail. `files` maps a width in pixels to an address relative to the site's root."""

    files: dict[int, str]
    width: int
    height: int
    """Of the largest file, in pixels."""
    alt: str
    caption: str = ""
    bytes: int = 0


class View(_Part):
    """The interactive view, or the reason why there is none."""

    config: str | None = None
    """Address of vitessce.json relative to the site's root."""
    shows: Literal["original", "copy"] | None = None
    store: str | None = None
    """What the view reads: an address relative to the site's root, or absolute."""
    bytes: int = 0
    files: int = 0
    coordinate_system: str | None = None
    left_out: tuple[str, ...] = ()
    """Sentences, one for each thing that the view does not show."""
    reason: str | None = None
    """Why there is no view; None where there is one."""
    named: dict[str, str] = {}
    """The curator's own views: name to address."""


class PublishedCopy(_Part):
    """The original store on the site, with the list of its files."""

    store: str
    files_json: str
    bytes: int
    files: int


class Products(_Part):
    """What the build made for this artifact."""

    picture: Picture | None = None
    view: View = View(reason="Views are made when the site is built.")
    copy_: PublishedCopy | None = Field(default=None, alias="copy")

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Quality(_Part):
    """How well an artifact is described, by the names of schema.yaml's fields."""

    asked: int = 0
    """How many fields the schema requires of an artifact of this technology."""
    missing: tuple[str, ...] = ()
    """Required fields that nobody gave, or of which it is said that nobody knows."""
    optional_missing: tuple[str, ...] = ()
    """Further fields that an artifact of this technology could have."""
    without_term: tuple[str, ...] = ()
    """Fields with words that no ontology has."""
    differs: tuple[str, ...] = ()
    """Fields in which the entry and the store disagree."""
    duplicates: tuple[str, ...] = ()
    """Ids of artifacts with the same store."""

    @property
    def completeness(self) -> int | None:
        """Per cent of the required fields that have a value; None where nothing is required."""
        if not self.asked:
            return None
        return round(100 * (self.asked - len(self.missing)) / self.asked)


class Record(_Part):
    """One artifact. Field order is the order in artifact.json."""

    format: str = FORMAT
    id: str
    title: str
    description: str = ""
    status: Literal["public", "announced", "withdrawn", "superseded"] = "public"
    reason: str = ""
    superseded_by: str | None = None
    aliases: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    validation_status: Literal["pass", "warn", "fail", "declared"] = "declared"
    values: dict[str, tuple[Value, ...]] = {}
    """By field of schema.yaml, in its order; a field nobody gave is absent."""
    n_obs: int | None = None
    n_features: int | None = None
    n_obs_source: str | None = None
    obs_noun: str = "observations"
    """What one observation is called: spots, cells, nuclei, points."""
    default_table: str | None = None
    license: License | None = None
    citation: CitationText | None = None
    contacts: tuple[ContactInfo, ...] = ()
    versions: tuple[VersionInfo, ...] = ()
    derived_from: tuple[str, ...] = ()
    lineage: tuple[Derivation, ...] = ()
    """What crates tell of how it was made, and of what was made from it."""
    url: str | None = None
    """Where people fetch the store, absolute; None where only the site's copy has it."""
    page: str | None = None
    """The data set's page elsewhere."""
    published: str | None = None
    """Date of the newest version or of publication, YYYY-MM-DD, for `newest first`."""
    facts: StoreFacts | None = None
    quality: Quality = Quality()
    problems: tuple[Problem, ...] = ()
    products: Products = Products()

    def first(self, field: str) -> Value | None:
        """The first value of a field, None where it has none."""
        values = self.values.get(field)
        return values[0] if values else None

    def labels(self, field: str) -> list[str]:
        """The labels of a field's values."""
        return [v.label for v in self.values.get(field, ())]


T = TypeVar("T")


def at_hand(record: Record, name: str, work_out: Callable[[Record], T]) -> T:
    """What `work_out` makes of a record; one that `portal.kept` has of a former build says it."""
    said = record.__dict__.get(name, _NOTHING)
    return work_out(record) if said is _NOTHING else said


_NOTHING: Any = object()


def store_of(record: Record) -> dict[str, Any] | None:
    """What the build must know of a store before it works on it; None where none was scanned."""
    facts = record.facts
    if facts is None:
        return None
    return {"kind": facts.kind, "bytes": facts.bytes, "fingerprint": facts.fingerprint}
