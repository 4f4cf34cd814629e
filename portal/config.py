"""`site_config.yaml`: the one file that says what a portal is called and how it is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from portal.errors import Problem, ProblemsError, UsageError, did_you_mean
from portal.schema import Schema, load_schema, read_schema
from portal.yamlfile import Loc, read_yaml

__all__ = [
    "Facet",
    "Remote",
    "SiteConfig",
    "Viewer",
    "load_config",
    "parse_size",
    "web_address",
    "with_base_url",
]

_SIZE = re.compile(r"([\d.]+)\s*(B|kB|KB|MB|GB|TB)?", re.ASCII)
_UNITS = {None: 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_size(text: object) -> int:
    """Bytes from `25 MB`, `900MB` or a plain number; units are powers of ten."""
    if isinstance(text, int) and not isinstance(text, bool):
        size = text
    else:
        match = _SIZE.fullmatch(str(text).strip())
        if not match:
            raise ValueError(f"{text!r} is not a size; write for example `25 MB`")
        try:
            size = int(float(match[1]) * _UNITS[match[2]])
        except ValueError:
            raise ValueError(f"{text!r} is not a size; write for example `25 MB`") from None
    if size < 0:
        raise ValueError("a size can't be negative")
    return size


def web_address(text: str) -> str:
    """`text`, where it is an http(s) address. Raises ValueError where it is none."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{text[:80]!r} is not an http(s) address")
    return text


def _base_url(text: str) -> str:
    return text and web_address(text).rstrip("/") + "/"


def _origin(text: str) -> str:
    parts = urlsplit(web_address(text))
    return f"{parts.scheme}://{parts.netloc}"


Size = Annotated[int, BeforeValidator(parse_size)]
Origin = Annotated[str, AfterValidator(_origin)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


RESERVED = ("q", "sort", "page", "view", "columns", "constructor")
"""What the address of a search says besides its facets, and what every object of a script has."""


def _facet_column(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise ValueError(f"{name[:80]!r} is no name of a column; these are like `cell_type`")
    if name in RESERVED:
        raise ValueError(f"`{name}` means something else in the address of a search")
    return name


class Facet(_Section):
    """A column of the catalog that visitors filter by.

    `kind` may be left out: `term` where the column holds ontology terms, else `value`.
    """

    column: Annotated[str, AfterValidator(_facet_column)]
    label: Annotated[str, Field(max_length=100)] = ""
    kind: Literal["term", "value", "range"] | None = None


class Viewer(_Section):
    """How interactive views are made: `auto` shows the original where it can, else a copy."""

    mode: Literal["auto", "copy", "original", "none"] = "auto"
    max_store_bytes: Size = 25_000_000
    origins: tuple[Origin, ...] = ()
    rewrite: dict[str, str] = Field(default_factory=dict)


class Data(_Section):
    """Whether original stores are put on the site: `copy` them, `link` where they are, `none`."""

    publish: Literal["copy", "link", "none"] = "link"


class Publish(_Section):
    """Where `portal publish` puts the site: a folder, `s3://bucket/prefix` or `gh-pages`."""

    target: str = ""


class Limits(_Section):
    """`site_bytes`: all data on the site together; `scan_bytes`: read from one store by a scan."""

    site_bytes: Size = 900_000_000
    scan_bytes: Size = 64_000_000


class Remote(_Section):
    """How stores at an address are read: how many seconds one answer and a whole store may take,
    and whether addresses inside a network are among them."""

    allow_private: bool = False
    timeout: Annotated[float, Field(gt=0, le=600)] = 30
    total_time: Annotated[float, Field(gt=0, le=86_400)] = 120


# What visitors filter by besides the fields that the schema calls facets.
_FACETS = (
    Facet(column="element_kinds", label="Elements", kind="value"),
    Facet(column="collections", label="Collection", kind="value"),
    Facet(column="license", label="Licence", kind="value"),
    Facet(column="year", label="Year", kind="value"),
    Facet(column="n_obs", label="Observations", kind="range"),
    Facet(column="n_features", label="Features", kind="range"),
    Facet(column="size_bytes", label="Size", kind="range"),
    Facet(column="published_at", label="Published", kind="range"),
    Facet(column="validation_status", label="Validation", kind="value"),
    Facet(column="completeness", label="Completeness, per cent", kind="range"),
    Facet(column="missing_fields", label="Missing", kind="value"),
    Facet(column="fields_without_term", label="Words without a term", kind="value"),
    Facet(column="differing_fields", label="Entry and store differ", kind="value"),
    Facet(column="duplicates", label="Same store as", kind="value"),
)


def default_facets(schema: Schema) -> tuple[Facet, ...]:
    """The facets of a portal that names none: those of its schema, then what all have."""
    fields = schema.fields.items()
    own = (Facet(column=n, kind=f.facet) for n, f in fields if f.facet and n not in RESERVED)
    return (*own, *(f for f in _FACETS if f.column not in schema.fields))


@cache
def _minimal_facets() -> tuple[Facet, ...]:
    return default_facets(load_schema("minimal"))


class SiteConfig(_Section):
    """The whole of `site_config.yaml`. Only `title` is required."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    tagline: Annotated[str, Field(max_length=200)] = ""
    base_url: Annotated[str, AfterValidator(_base_url)] = ""
    report_url: str = ""
    source_roots: tuple[str, ...] = (".",)
    facets: tuple[Facet, ...] = Field(default_factory=_minimal_facets)
    viewer: Viewer = Viewer()
    data: Data = Data()
    publish: Publish = Publish()
    limits: Limits = Limits()
    remote: Remote = Remote()
    templates: str = ""
    extra_css: tuple[str, ...] = ()
    docs: str = ""

    root: Path = Field(default=Path(), exclude=True)
    """The folder of site_config.yaml: what every relative path in it starts from."""

    @property
    def manifest_dir(self) -> Path:
        """Where the entries lie."""
        return self.root / "data_manifest"

    def source_root_paths(self) -> list[Path]:
        """The folders inside which local sources may lie, resolved."""
        return [(self.root / r).resolve() for r in self.source_roots]


def load_config(path: Path) -> SiteConfig:
    """Read `site_config.yaml`.

    Raises ProblemsError with every fault in it, each with file and line.
    """
    if not path.is_file():
        raise ProblemsError(
            [
                Problem(
                    code="config-missing",
                    severity="error",
                    where=str(path),
                    what="There is no such file.",
                    remedy="Run `portal init` to make one, or pass --config.",
                )
            ]
        )
    config, problems, lines = read_yaml(path, SiteConfig)
    if ("root",) in lines:
        problems.append(
            Problem(
                code="unknown-key",
                severity="error",
                where=f"{path}:{lines[('root',)]}",
                what="Unknown key `root`.",
            )
        )
    if config is None or problems:
        raise ProblemsError(problems)
    config = config.model_copy(update={"root": path.resolve().parent})
    own = config.manifest_dir / "schema.yaml"
    # What is wrong with the schema itself is said where the manifest is read.
    schema = read_schema(own if own.is_file() else None)[0] or Schema()
    if ("facets",) not in lines:
        return config.model_copy(update={"facets": default_facets(schema)})
    if faults := _facet_faults(config, path, lines, schema):
        raise ProblemsError(faults)
    return config


def _facet_faults(
    config: SiteConfig, path: Path, lines: Mapping[Loc, int], schema: Schema
) -> list[Problem]:
    """Facets of columns that the catalog has not, or has no numbers or dates in, or given twice."""
    from portal.columns import COLUMNS
    from portal.facetvalues import range_kind

    known = {*(c.name for c in COLUMNS), *schema.fields}
    problems, seen = [], set()
    for i, facet in enumerate(config.facets):
        name, what, remedy = facet.column, "", ""
        if name not in known:
            what = f"The catalog has no column `{name}`, and schema.yaml no such field."
            remedy = did_you_mean(name, known)
        elif name in seen:
            what, remedy = f"`{name}` is given twice.", "Keep one."
        elif facet.kind == "range" and range_kind(name, schema) is None:
            what = f"`{name}` holds neither whole numbers nor dates, so it has no range."
            remedy = "Use `value` or leave `kind` out."
        seen.add(name)
        if what:
            line = lines.get(("facets", i, "column"), 1)
            problems.append(
                Problem(
                    code="config-facet",
                    severity="error",
                    where=f"{path}:{line}",
                    what=what,
                    remedy=remedy,
                )
            )
    return problems


def with_base_url(config: SiteConfig, text: str) -> SiteConfig:
    """The same config for a site at another address. Raises UsageError for what is none."""
    try:
        return config.model_copy(update={"base_url": _base_url(text)})
    except ValueError as e:
        raise UsageError(f"--base-url: {e}.") from None
