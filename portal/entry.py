"""What a curator writes: the models of an entry and a collection.

`portal.manifest` reads them from `data_manifest/`.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from portal.config import web_address
from portal.yamlfile import Loc

__all__ = [
    "ID",
    "Citation",
    "Collection",
    "Contact",
    "Csl",
    "Entry",
    "MetadataItem",
    "Slug",
    "Term",
    "Version",
    "check_address",
]

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
DOI = re.compile(r"10\.\d{4,9}/\S+")
ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
REMOTE_SCHEMES = ("http", "https", "s3", "gs", "az")


def check_address(text: str) -> str:
    """An address that people may follow: no javascript:, no file:."""
    parts = urlsplit(text)
    if parts.scheme not in REMOTE_SCHEMES or not parts.netloc:
        raise ValueError(f"{text[:80]!r} is not an address ({', '.join(REMOTE_SCHEMES)})")
    return text


def _source(text: str) -> str:
    if "://" in text:
        return check_address(text)
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
Address = Annotated[str, Field(max_length=2000), AfterValidator(check_address)]
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
    metadata: Annotated[
        dict[Annotated[str, Field(max_length=100)], MetadataValue],
        BeforeValidator(lambda value: {} if value is None else value),
    ] = {}
    versions: list[Version] = []
    status: Literal["public", "announced", "withdrawn"] = "public"
    reason: Annotated[str, Field(max_length=1000)] = ""
    superseded_by: EntryId | None = None
    aliases: Annotated[list[EntryId], BeforeValidator(_listed)] = []
    derived_from: Annotated[list[EntryId], BeforeValidator(_listed)] = []
    lineage: Annotated[list[Annotated[str, Field(max_length=2000)]], BeforeValidator(_listed)] = []
    """Folders with a crate that tells what was made from the artifact, or how it was made."""
    views: dict[Slug, dict[str, Any]] = {}

    id: str = Field(default="", exclude=True)
    path: Path = Field(default=Path(), exclude=True)
    lines: dict[Loc, int] = Field(default_factory=dict, exclude=True)
    shown_as: str = Field(default="", exclude=True)
    digest: str = Field(default="", exclude=True)
    """A hash of the file that it was read from; empty for one that was not."""

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
    def fields(self) -> tuple[str, ...]:
        """The names of its metadata."""
        return tuple(self.metadata)

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
