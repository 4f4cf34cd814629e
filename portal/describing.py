"""`describe`: what an artifact is, as a tree in the terminal, from its Record alone.

`portal describe` and `artifact.describe()` print it; the page tells the same from the same
artifact.json. What the object itself holds, by slot, is told apart from what only a curator says.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.tree import Tree

from portal.facts import Column, ElementFacts
from portal.record import Record, Value
from portal.words import count, size

__all__ = ["describe"]

_SHOWN = 6
_KINDS = ("images", "labels", "points", "shapes", "tables")


def describe(record: Record) -> Tree:
    """The artifact as a rich Tree: general, features of the data set, external features, labels,
    elements, problems, versions; a part of which nothing is known is not there."""
    tree = Tree(f"[b]{escape(record.title)}[/b] [dim]{record.id}[/dim]", highlight=False)
    _general(tree, record)
    _features(tree, record)
    _external(tree, record)
    _labels(tree, record)
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
    for name, value in _general_lines(record):
        if value:
            branch.add(f"{name}: {escape(value)}")


def _general_lines(record: Record) -> Iterator[tuple[str, str | None]]:
    facts, copy, view = record.facts, record.products.copy_, record.products.view
    yield "key", record.id + (f", before {', '.join(record.aliases)}" if record.aliases else "")
    yield "status", f"{record.status}, {record.validation_status}"
    if record.n_obs is not None:
        features = f" × {record.n_features:,} features" if record.n_features else ""
        yield record.obs_noun, f"{record.n_obs:,}{features} ({record.n_obs_source})"
    if facts:
        container = f", container {facts.container_version or 'unknown'}"
        yield "store", f"{facts.kind}{container}, zarr v{facts.zarr_format}"
        # Of a store elsewhere neither need be known.
        files = f" in {count(facts.files, 'file')}" if facts.files is not None else ""
        yield "size", f"{size(facts.bytes)}{files}" if facts.bytes is not None else "unknown"
        yield "written by", facts.written_by
        yield "fingerprint", facts.fingerprint[:16]
        yield "coordinate systems", ", ".join(facts.coordinate_systems)
    yield "created", record.published
    yield "collections", ", ".join(record.collections)
    yield "address", record.url
    yield "copy", copy and f"{copy.store}, {size(copy.bytes)} in {count(copy.files, 'file')}"
    yield "made from", ", ".join(record.derived_from)
    yield "licence", record.license and record.license.label
    yield "cite", record.citation and record.citation.text
    yield "view", f"none. {view.reason}" if view.reason else view.shows


def _features(tree: Tree, record: Record) -> None:
    """What the object holds, by slot: columns of tables and of Parquet files, root attributes."""
    slots = list(_slots(record))
    if not slots:
        return
    branch = tree.add("[b]Data set features[/b]")
    for slot, number, lines in slots:
        of_slot = branch.add(f"{escape(slot)} [dim]({number})[/dim]")
        for line in lines:
            of_slot.add(line)


def _slots(record: Record) -> Iterator[tuple[str, str, list[str]]]:
    """Each slot that has something: its name, how many things are in it, a line for each."""
    for e in record.facts.elements if record.facts else ():
        for name, columns in (("obs", e.obs), ("var", e.var), ("columns", e.columns)):
            if columns:
                rows = {"obs": e.n_rows, "var": e.n_vars, "columns": e.n_rows}[name]
                shown = count(len(columns), "column")
                shown += f", {count(rows, 'row')}" if rows is not None else ""
                yield f"{e.path}:{name}", shown, [_column(c) for c in columns]
        for name, matrices in (("obsm", e.obsm), ("layers", e.layers)):
            if matrices:
                told = [f"{m.name}: {m.dtype or m.encoding} {_times(m.shape)}" for m in matrices]
                yield f"{e.path}:{name}", str(len(matrices)), [escape(t.rstrip()) for t in told]
    attributes = {n: v for n, v in record.values.items() if _inside(v)}
    if attributes:
        lines = [_values(n, v) for n, v in attributes.items()]
        yield "values that it gives", str(len(lines)), lines


def _inside(values: tuple[Value, ...]) -> bool:
    """Whether the store itself says it, in an attribute or a column."""
    return values[0].source != "declared"


def _external(tree: Tree, record: Record) -> None:
    """What a curator says and the object does not hold."""
    external = {n: v for n, v in record.values.items() if not _inside(v)}
    if external:
        branch = tree.add(f"[b]External features[/b] [dim]({len(external)})[/dim]")
        for name, values in external.items():
            branch.add(_values(name, values))


def _values(name: str, values: tuple[Value, ...]) -> str:
    shown = ", ".join(escape(v.label) for v in values[:_SHOWN])
    more = f" … {len(values)} in all" if len(values) > _SHOWN else ""
    source = values[0].source
    origin = f" [dim]({escape(source)})[/dim]" if source != "declared" else ""
    return f"{escape(name)}: {shown}{more}{origin}"


def _labels(tree: Tree, record: Record) -> None:
    """The terms of ontologies, by ontology, each with the fields that have it."""
    found: dict[str, dict[str, tuple[str, list[str]]]] = {}
    for field, values in record.values.items():
        for v in values:
            if v.id:
                ontology = v.ontology or v.id.partition(":")[0]
                _, fields = found.setdefault(ontology, {}).setdefault(v.id, (v.label, []))
                fields.append(field)
    if not found:
        return
    branch = tree.add("[b]Labels[/b]")
    for ontology, terms in sorted(found.items()):
        of_ontology = branch.add(f"{escape(ontology)} [dim]({len(terms)})[/dim]")
        for id_, (label, fields) in terms.items():
            told = ", ".join(dict.fromkeys(fields))
            of_ontology.add(f"{escape(label)} {escape(id_)} [dim]({escape(told)})[/dim]")


def _elements(tree: Tree, record: Record) -> None:
    if record.facts is None:
        tree.add("[b]Elements[/b] [dim]not scanned[/dim]")
        return
    branch = tree.add("[b]Elements[/b]")
    for kind in _KINDS:
        elements = record.facts.of(kind)
        if not elements:
            continue
        of_kind = branch.add(f"{kind} ({len(elements)})")
        for e in elements:
            known = [_shape(e), size(e.bytes) if e.bytes is not None else ""]
            known += [] if e.readable else ["not readable"]
            of_kind.add(f"[b]{escape(e.name)}[/b]  {escape(', '.join(k for k in known if k))}")


def _shape(e: ElementFacts) -> str:
    if e.kind == "tables":
        of = f", annotates {', '.join(e.regions)}" if e.regions else ""
        return f"{e.n_rows} × {e.n_vars}{of}"
    if e.shape:
        levels = f", {len(e.levels)} levels" if len(e.levels) > 1 else ""
        return f"{''.join(e.axes)} {_times(e.shape)} {e.dtype}{levels}"
    return count(e.n_rows, "row") if e.n_rows is not None else ""


def _times(shape: tuple[int, ...] | None) -> str:
    return " × ".join(map(str, shape or ()))


def _column(column: Column) -> str:
    if column.categories is None:
        return escape(f"{column.name}: {column.dtype}")
    shown = ", ".join(column.categories[:_SHOWN])
    more = ", …" if (column.n_categories or 0) > _SHOWN else ""
    number = f"{column.n_categories} categories" if column.n_categories != 1 else "1 category"
    return escape(f"{column.name}: {column.dtype}, {number}: {shown}{more}")
