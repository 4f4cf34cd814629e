"""`describe`: what an artifact is, as a tree in the terminal, from its Record alone."""

from __future__ import annotations

from rich.markup import escape
from rich.tree import Tree

from portal.facts import Column, ElementFacts
from portal.record import Record, Value
from portal.schema import Schema
from portal.words import size

__all__ = ["describe"]

_SHOWN = 6


def describe(record: Record, schema: Schema | None = None) -> Tree:
    """The artifact as a rich Tree: general, labels by field, elements, problems, versions."""
    tree = Tree(f"[b]{escape(record.title)}[/b] [dim]{record.id}[/dim]", highlight=False)
    _general(tree, record)
    _labels(tree, record, schema)
    _elements(tree, record)
    if record.problems:
        branch = tree.add("[b]Problems[/b]")
        for p in record.problems:
            branch.add(
                f"{p.severity} [dim]{p.code}[/dim] {escape(p.where)}: {escape(p.what)} "
                f"[i]{escape(p.remedy)}[/i]"
            )
    if record.versions:
        branch = tree.add("[b]Versions[/b]")
        for v in reversed(record.versions):
            branch.add(escape(" · ".join(x for x in (v.version, v.date, v.note) if x)))
    return tree


def _general(tree: Tree, record: Record) -> None:
    branch = tree.add("[b]General[/b]")
    facts = record.facts
    branch.add(f"status: {record.status}, {record.validation_status}")
    if record.n_obs is not None:
        features = f" × {record.n_features:,} features" if record.n_features else ""
        branch.add(f"{record.obs_noun}: {record.n_obs:,}{features} ({record.n_obs_source})")
    if facts:
        known = facts.bytes is not None  # of a store elsewhere it need not be
        branch.add(
            f"store: {facts.kind}, container {facts.container_version or 'unknown'}, "
            f"zarr v{facts.zarr_format}, "
            + (f"{size(facts.bytes)} in {facts.files} files" if known else "size unknown")
        )
        branch.add(f"fingerprint: {facts.fingerprint[:16]}")
        if facts.coordinate_systems:
            branch.add(f"coordinate systems: {escape(', '.join(facts.coordinate_systems))}")
    if record.url:
        branch.add(f"address: {escape(record.url)}")
    if record.license:
        branch.add(f"licence: {escape(record.license.label)}")
    if record.products.view.reason:
        branch.add(f"view: none. {escape(record.products.view.reason)}")
    elif record.products.view.shows:
        branch.add(f"view: {record.products.view.shows}")


def _labels(tree: Tree, record: Record, schema: Schema | None) -> None:
    if not record.values:
        return
    groups: dict[str, list[str]] = {}
    for name in record.values:
        field = schema.fields.get(name) if schema else None
        groups.setdefault(field.group if field else "Metadata", []).append(name)
    for group, names in groups.items():
        branch = tree.add(f"[b]{escape(group)}[/b]")
        for name in names:
            values = record.values[name]
            shown = ", ".join(_value(v) for v in values[:_SHOWN])
            more = f" … {len(values)} in all" if len(values) > _SHOWN else ""
            branch.add(f"{name}: {shown}{more} [dim]({escape(values[0].source)})[/dim]")


def _value(value: Value) -> str:
    return escape(f"{value.label} ({value.id})" if value.id else value.label)


def _elements(tree: Tree, record: Record) -> None:
    if record.facts is None:
        tree.add("[b]Elements[/b] [dim]not scanned[/dim]")
        return
    branch = tree.add("[b]Elements[/b]")
    for kind in ("images", "labels", "points", "shapes", "tables"):
        elements = record.facts.of(kind)
        if not elements:
            continue
        of_kind = branch.add(f"{kind} ({len(elements)})")
        for e in elements:
            node = of_kind.add(f"[b]{escape(e.name)}[/b]  {escape(_shape(e))}")
            if not e.readable:
                node.add("not readable")
            for name, columns in (("obs", e.obs), ("var", e.var)):
                if columns:
                    slot = node.add(f"{name} ({len(columns)} columns)")
                    for column in columns:
                        slot.add(escape(_column(column)))
            if e.obsm:
                node.add(escape("obsm: " + ", ".join(m.name for m in e.obsm)))


def _shape(e: ElementFacts) -> str:
    if e.kind == "tables":
        of = f", annotates {', '.join(e.regions)}" if e.regions else ""
        return f"{e.n_rows} × {e.n_vars}{of}"
    if e.shape:
        levels = f", {len(e.levels)} levels" if len(e.levels) > 1 else ""
        return f"{''.join(e.axes)} {' × '.join(map(str, e.shape))} {e.dtype}{levels}"
    return f"{e.n_rows} rows" if e.n_rows is not None else ""


def _column(column: Column) -> str:
    if column.categories is None:
        return f"{column.name}: {column.dtype}"
    shown = ", ".join(column.categories[:_SHOWN])
    more = ", …" if (column.n_categories or 0) > _SHOWN else ""
    return f"{column.name}: {column.dtype}, {column.n_categories} categories: {shown}{more}"
