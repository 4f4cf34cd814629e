"""What a store holds, element by element, as lines of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from portal.facts import Column, ElementFacts, ElementKind, StoreFacts
from portal.words import count, initial_capital, number, plain, size

__all__ = ["ElementGroup", "ElementLine", "Fact", "element_groups"]

_KINDS: tuple[ElementKind, ...] = ("images", "labels", "points", "shapes", "tables")
_SHOWN = 12
"""Items of a list that are shown before the rest is folded."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of an element; `rest` is the folded end of a long list."""

    label: str
    text: str
    rest: str = ""
    n_rest: int = 0


@dataclass(frozen=True, slots=True)
class ElementLine:
    """One element: a line, and the facts under it."""

    name: str
    summary: str
    systems: tuple[str, ...]
    bytes: str
    facts: list[Fact]


@dataclass(frozen=True, slots=True)
class ElementGroup:
    """The elements of one kind."""

    kind: str
    label: str
    lines: list[ElementLine] = field(default_factory=list)


def element_groups(facts: StoreFacts) -> list[ElementGroup]:
    """The elements by kind; kinds that the store has none of are left out."""
    groups = {kind: ElementGroup(kind, initial_capital(kind)) for kind in _KINDS}
    for element in facts.elements:
        groups[element.kind].lines.append(_line(element))
    return [g for g in groups.values() if g.lines]


def _line(e: ElementFacts) -> ElementLine:
    describe = (
        _table if e.kind == "tables" else _vector if e.kind in ("points", "shapes") else _raster
    )
    summary, facts = describe(e)
    if e.transformations:
        steps = (
            f"{t.kind} → {t.coordinate_system}{f' ({t.unit})' if t.unit else ''}"
            for t in e.transformations
        )
        facts += _listed("Transformations", steps)
    for system, extent in e.extent.items():
        sides = (f"{axis} {low:,.6g} to {high:,.6g}" for axis, (low, high) in extent.items())
        facts.append(Fact(f"Extent in {system}", ", ".join(sides)))
    if e.files is not None:
        facts.append(Fact("Files", number(e.files)))
    if e.version:
        facts.append(Fact("Format", e.version))
    return ElementLine(
        name=plain(e.name),
        summary=plain(summary) if e.readable else "could not be read",
        systems=tuple(plain(s) for s in e.coordinate_systems),
        bytes=size(e.bytes) if e.bytes is not None else "",
        facts=[
            f
            if f.label.isascii() and f.text.isascii() and f.rest.isascii()
            else Fact(plain(f.label), plain(f.text), plain(f.rest), f.n_rest)
            for f in facts
        ],
    )


def _raster(e: ElementFacts) -> tuple[str, list[Fact]]:
    shape = _shape(e.shape)
    parts = [" ".join(e.axes), shape, e.dtype or ""]
    if e.levels:
        parts.append(count(len(e.levels), "level"))
    facts = [Fact("Axes", ", ".join(e.axes))] if e.axes else []
    if e.rgb:
        facts.append(Fact("Colour", "RGB"))
    elif e.channels:
        facts += _listed(f"Channels ({len(e.channels)})", e.channels)
    if e.levels:
        facts += _listed("Levels", (_shape(level.shape) for level in e.levels))
        first = e.levels[0]
        facts.append(Fact("Chunks", _shape(first.chunks)))
        if first.shards:
            facts.append(Fact("Shards", _shape(first.shards)))
        if first.codecs:
            facts.append(Fact("Codecs", ", ".join(first.codecs)))
        missing = [
            f"{level.path}: {level.chunks_stored:,} of {level.chunks_expected:,}"
            for level in e.levels
            if level.chunks_stored is not None
            and level.chunks_expected is not None
            and level.chunks_stored < level.chunks_expected
        ]
        facts += _listed("Chunks stored", missing)
    return " · ".join(p for p in parts if p), facts


def _vector(e: ElementFacts) -> tuple[str, list[Fact]]:
    noun = "point" if e.kind == "points" else _geometry(e)
    parts = [count(e.n_rows, noun) if e.n_rows is not None else f"{noun}s", " ".join(e.axes)]
    facts = []
    if e.geometry_types:
        facts.append(Fact("Geometry", ", ".join(e.geometry_types)))
    if e.radius:
        facts.append(Fact("Radius", "one for each"))
    if e.feature_key:
        facts.append(Fact("Feature key", e.feature_key))
    if e.instance_key:
        facts.append(Fact("Instance key", e.instance_key))
    if e.index_name:
        facts.append(Fact("Index", e.index_name))
    if e.parts:
        facts.append(Fact("Parquet files", number(e.parts)))
    facts += _columns("Columns", e.columns)
    return " · ".join(p for p in parts if p), facts


def _geometry(e: ElementFacts) -> str:
    kinds = {g.casefold().removeprefix("multi") for g in e.geometry_types}
    if kinds == {"point"}:
        return "circle" if e.radius else "point"
    return "polygon" if kinds == {"polygon"} else "shape"


def _table(e: ElementFacts) -> tuple[str, list[Fact]]:
    parts = []
    if e.n_rows is not None:
        parts.append(f"{e.n_rows:,} × {e.n_vars:,}" if e.n_vars is not None else f"{e.n_rows:,}")
    if e.x:
        parts.append(e.x.encoding.removesuffix("_matrix"))
    if e.regions:
        parts.append("annotates " + _short(e.regions, 2))
    facts = []
    if e.x:
        facts.append(
            Fact("X", " · ".join(filter(None, (e.x.encoding, e.x.dtype, _shape(e.x.chunks)))))
        )
    facts += _listed("Layers", (m.name for m in e.layers))
    facts += _listed("obsm", (_matrix(m.name, m.shape) for m in e.obsm))
    facts += _listed("Regions", e.regions)
    if e.region_key:
        facts.append(Fact("Region key", e.region_key))
    if e.instance_key:
        facts.append(Fact("Instance key", e.instance_key))
    facts += _columns("obs", e.obs)
    facts += _columns("var", e.var)
    names = e.feature_names or e.feature_ids
    if names:
        facts.append(Fact("First features", ", ".join(names[:_SHOWN])))
    return " · ".join(parts), facts


def _columns(label: str, columns: Sequence[Column]) -> list[Fact]:
    """The names with their types, then the values of each categorical column."""
    facts = _listed(f"{label} ({len(columns)})", (f"{c.name} ({c.dtype})" for c in columns))
    for c in columns:
        if c.categories:
            total = c.n_categories or len(c.categories)
            facts += _listed(f"{label}: {c.name} ({total})", c.categories, of=total)
    return facts


def _listed(label: str, items: Iterable[str], of: int | None = None) -> list[Fact]:
    items = list(items)
    if not items:
        return []
    more = (of or len(items)) - len(items)
    rest = ", ".join(items[_SHOWN:]) + (f" and {more:,} more" if more > 0 else "")
    return [Fact(label, ", ".join(items[:_SHOWN]), rest, max((of or len(items)) - _SHOWN, 0))]


def _short(items: Sequence[str], n: int) -> str:
    return ", ".join(items[:n]) + (f" and {len(items) - n} more" if len(items) > n else "")


def _matrix(name: str, shape: tuple[int, ...] | None) -> str:
    return f"{name} ({shape[1]})" if shape and len(shape) > 1 else name


def _shape(shape: Iterable[int] | None) -> str:
    return " × ".join(f"{n:,}" for n in shape) if shape else ""
