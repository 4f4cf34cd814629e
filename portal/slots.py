"""Whether an object has what the schema's slots ask of its parts.

The slots are those of LaminDB (`attrs:<key>`, `tables:<table>:obs`, `tables:<table>:var`), and
beyond it the elements with their axes, channels, coordinate systems and units. All is read from
StoreFacts, so a store on disk and an object in memory are judged alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from portal.errors import Problem, Severity, did_you_mean
from portal.facts import Column, ElementFacts, StoreFacts
from portal.genes import HUMAN, MOUSE, check_genes
from portal.resolve import Resolver
from portal.schema import Schema, SchemaField, Slot
from portal.values import CURATION

__all__ = ["slot_faults"]

_DTYPES = {
    "integer": ("int", "uint"),
    "number": ("int", "uint", "float"),
    "boolean": ("bool",),
    "date": ("date", "datetime", "timestamp", "string", "object", "categorical", "str"),
}
_TEXT = ("categorical", "string", "object", "str", "large_string", "dictionary", "utf8")
_SHOWN = 5
_ANIMALS = {HUMAN: "human", MOUSE: "mouse"}


def slot_faults(
    facts: StoreFacts,
    schema: Schema,
    resolver: Resolver,
    name: str,
    organisms: frozenset[str] = frozenset(),
    technologies: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Everything that the object lacks or has otherwise; `name` is the store's in messages.

    Fields that only some technologies must have are asked of these (folded names).
    """
    slots = _Slots(facts, schema, resolver, name, organisms, technologies)
    found = [*slots.faults()]
    for table in facts.of("tables"):
        if table.name not in slots.with_genes:
            found += gene_faults(table, name, organisms, strict=False)
    return list(dict.fromkeys(found))


def gene_faults(
    table: ElementFacts, store: str, organisms: frozenset[str], strict: bool
) -> Iterator[Problem]:
    """What is wrong with the genes of a table; `strict` where the schema asks for genes."""
    where = f"{store}/tables/{table.name}/var"
    known = [o for o in (HUMAN, MOUSE) if o in organisms]
    names = table.feature_accessions or table.feature_ids
    if not names:
        return
    if organisms and not known:  # a rat's symbols are spelt as a mouse's
        if strict:
            what = "Only the genes of human and mouse are known, so these are not checked."
            yield _problem("column-unchecked", "info", where, what)
        return
    check = check_genes(names, known[0] if len(known) == 1 else None)
    if check is None:
        if strict:
            what = "The index of var holds neither Ensembl ids nor gene symbols of human or mouse."
            yield _problem("genes-unlike", "error", where, what, "Use Ensembl gene ids.")
        return
    if len(known) == 1 and len(check.other_organism) * 2 > check.n:
        what = f"The genes are of {_ANIMALS[MOUSE if known[0] == HUMAN else HUMAN]}, "
        what += f"the organism is {_ANIMALS[known[0]]}."
        severity: Severity = "error" if strict else "warning"
        yield _problem("genes-organism", severity, where, what, "Correct whichever is wrong.")
    if check.unknown:
        few = ", ".join(f"`{g}`" for g in check.unknown[:_SHOWN])
        more = " and others" if len(check.unknown) > _SHOWN else ""
        what = f"{len(check.unknown):,} of {check.n:,} genes are not in {check.release}: "
        severity = "error" if strict else "info"
        remedy = "Are they of another release?"
        yield _problem("genes-unknown", severity, where, f"{what}{few}{more}.", remedy)


def _hint(word: str, known: Iterable[str]) -> str:
    known = list(known)
    return did_you_mean(word, known) if known else ""


def _problem(code: str, severity: Severity, where: str, what: str, remedy: str = "") -> Problem:
    return Problem(code=code, severity=severity, where=where, what=what, remedy=remedy)


class _Slots:
    """The slots of one schema over the facts of one object."""

    def __init__(
        self,
        facts: StoreFacts,
        schema: Schema,
        resolver: Resolver,
        name: str,
        organisms: frozenset[str],
        technologies: frozenset[str],
    ) -> None:
        self.facts, self.schema, self.resolver = facts, schema, resolver
        self.name, self.organisms, self.technologies = name, organisms, technologies
        self.with_genes: set[str] = set()
        """Tables whose genes a slot has asked for."""

    def faults(self) -> Iterator[Problem]:
        for key, slot in self.schema.slots.items():
            kind, *rest = key.split(":")
            if kind == "attrs":
                yield from self._attributes(key, rest, slot)
            elif kind == "tables" and len(rest) == 2:
                yield from self._table(rest[0], rest[1], slot)
            else:
                yield from self._elements(key, kind, rest[0] if rest else "*", slot)

    def _attributes(self, key: str, path: Sequence[str], slot: Slot) -> Iterator[Problem]:
        at: Any = self.facts.attributes
        remedy = ""
        for step in path:
            inside = at if isinstance(at, Mapping) else {}
            at = inside.get(step)
            remedy = remedy or (_hint(step, inside) if at is None else "")
        where = f"{self.name}/attrs/{'.'.join(path)}".rstrip("/")
        if at is None:
            if self._is_required(slot):
                what = f"The attributes have no `{'.'.join(path)}`."
                yield _problem("slot-missing", "error", where, what, remedy)
            return
        if not isinstance(at, Mapping):
            yield _problem("slot-shape", "error", where, f"`{key}` must be a mapping.")
            return
        for name, field in slot.fields.items():
            place = f"{where}{'.' if path else '/'}{name}"
            yield from self._attribute(place, name, at, field)
        kept = () if path else (CURATION,)
        yield from self._extra(where, slot, [k for k in at if k not in kept])

    def _is_required(self, slot: Slot) -> bool:
        """Whether the part must be there: by itself, or for one of its fields."""
        fields = slot.fields.values()
        return slot.required or any(f.is_required(self.technologies) for f in fields)

    def _attribute(
        self, where: str, name: str, at: Mapping[str, Any], field: SchemaField
    ) -> Iterator[Problem]:
        value = at.get(name)
        listed = value if isinstance(value, list) else [value]
        items = [i for i in listed if i is not None and not (isinstance(i, str) and not i.strip())]
        if not items:
            if field.is_required(self.technologies):
                said = "is empty" if name in at else "is missing"
                remedy = "Give a value, or `unknown` where nobody knows."
                if name not in at:
                    hint = _hint(name, [k for k in at if k not in self._names(at)])
                    remedy = hint if hint.startswith("Did you mean") else remedy
                yield _problem("required-missing", "error", where, f"`{name}` {said}.", remedy)
            return
        if len(items) > 1 and not field.many:
            what = f"`{name}` has {len(items)} values, one is allowed."
            yield _problem("list-not-allowed", "error", where, what)
        for item in items:
            if not isinstance(item, str | bool | int | float):
                what = f"`{name}` holds {_shape(item)}, not a value."
                remedy = "Write text, a number, or a flat list of these."
                yield _problem("value-nested", "error", where, what, remedy)
                continue
            found = self.resolver.resolve(item, field, organisms=self.organisms)
            # In attributes there is no place for an id beside a name.
            yield from (
                f.at(where, entry=False) for f in found.faults if f.code != "term-without-id"
            )

    def _names(self, at: Mapping[str, Any]) -> set[str]:
        return {n for s in self.schema.slots.values() for n in s.fields if n in at}

    def _extra(self, where: str, slot: Slot, there: Sequence[str]) -> Iterator[Problem]:
        extra = [n for n in there if n not in slot.fields]
        if not slot.closed or not extra:
            return
        for name in extra[:_SHOWN]:
            what = f"`{name}` is not in the schema."
            yield _problem("key-unknown", "error", where, what, _hint(name, slot.fields))
        if more := extra[_SHOWN:]:
            few = ", ".join(f"`{n}`" for n in more[:_SHOWN])
            rest = f" and {len(more) - _SHOWN} others" if len(more) > _SHOWN else ""
            what = f"{len(more)} more are not in the schema: {few}{rest}."
            yield _problem("key-unknown", "error", where, what)

    def _table(self, name: str, part: str, slot: Slot) -> Iterator[Problem]:
        tables = {t.name: t for t in self.facts.of("tables")}
        chosen = [t for n, t in tables.items() if fnmatchcase(n, name)]
        if not chosen and (slot.index or self._is_required(slot)):
            where = f"{self.name}/tables/{name}"
            what = f"There is no table `{name}`, whose {part} the schema describes."
            yield _problem("slot-missing", "error", where, what, _hint(name, tables))
        for table in chosen:
            columns = table.obs if part == "obs" else table.var
            where = f"{self.name}/tables/{table.name}/{part}"
            yield from self._columns(where, slot, columns, "Make the column categorical.")
            if slot.index and part == "var" and slot.index.type == "gene":
                self.with_genes.add(table.name)
                yield from gene_faults(table, self.name, self.organisms, strict=True)

    def _columns(
        self, where: str, slot: Slot, columns: Sequence[Column], to_be_read: str = ""
    ) -> Iterator[Problem]:
        """`to_be_read` is what to do about a column whose values were not read."""
        there = {c.name: c for c in columns}
        for name, field in slot.fields.items():
            if name in there:
                yield from self._column(f"{where}/{name}", there[name], field, to_be_read)
            elif field.is_required(self.technologies):
                hint = _hint(name, [n for n in there if n not in slot.fields])
                what = f"There is no column `{name}`."
                yield _problem("column-missing", "error", where, what, hint)
        yield from self._extra(where, slot, list(there))

    def _column(
        self, where: str, column: Column, field: SchemaField, to_be_read: str
    ) -> Iterator[Problem]:
        kinds = _DTYPES.get(field.type, _TEXT)
        if not column.dtype.lower().startswith(kinds):
            what = f"`{column.name}` is {column.dtype}, but the field is of the type {field.type}."
            yield _problem("column-type", "error", where, what, "Convert the column.")
            return
        if field.type not in ("term", "enum"):
            return
        # Of a stored text column no values are read; one in memory is judged, and told so too.
        if column.categories is None or column.dtype == "string":
            what = f"The values of `{column.name}` are not read from a store."
            yield _problem("column-unchecked", "info", where, what, to_be_read)
        if column.categories is not None:
            yield from self._categories(where, column, field)

    def _categories(self, where: str, column: Column, field: SchemaField) -> Iterator[Problem]:
        """One problem a kind of fault, however many categories have it."""
        by_code: dict[tuple[str, Severity], list[str]] = {}
        for text in column.categories or ():
            for fault in self.resolver.resolve(text, field, organisms=self.organisms).faults:
                if fault.code == "term-without-id":
                    continue  # a category is a label: there is no place for an id
                said = f"{fault.what} {fault.remedy}".strip()
                by_code.setdefault((fault.code, fault.severity), []).append(said)
        read = len(column.categories or ())
        n = column.n_categories or read
        if n > read:
            what = f"Of the {n:,} values of `{column.name}` the first {read:,} are checked."
            yield _problem("column-unchecked", "info", where, what)
        for (code, severity), told in by_code.items():
            more = f" And {len(told) - _SHOWN} more." if len(told) > _SHOWN else ""
            few = " ".join(told[:_SHOWN])
            what = f"{len(told)} of {n} categories of `{column.name}`: {few}{more}"
            yield _problem(code, severity, where, what)

    def _elements(self, key: str, kind: Any, name: str, slot: Slot) -> Iterator[Problem]:
        of_kind = {e.name: e for e in self.facts.of(kind)}
        chosen = [e for n, e in of_kind.items() if fnmatchcase(n, name)]
        where = f"{self.name}/{kind}"
        if slot.required and not chosen:
            what = f"There is no element `{key}`, which the schema requires."
            if name == "*":
                what = f"There are no {kind}, which the schema requires."
            yield _problem("element-missing", "error", where, what, _hint(name, of_kind))
        for asked in slot.elements:
            if asked not in of_kind:
                what = f"There is no `{asked}` among the {kind}."
                yield _problem("element-missing", "error", where, what, _hint(asked, of_kind))
        for element in chosen:
            yield from self._element(f"{where}/{element.name}", element, slot)

    def _element(self, where: str, e: ElementFacts, slot: Slot) -> Iterator[Problem]:
        axes = "".join(e.axes)
        if slot.axes and axes != slot.axes:
            what = f"The axes are `{axes or 'unknown'}`, not `{slot.axes}`."
            yield _problem("axes-wrong", "error", where, what)
        for channel in slot.channels:
            if channel not in e.channels:
                what = f"There is no channel `{channel}`."
                hint = _hint(channel, e.channels)
                yield _problem("channel-missing", "error", where, what, hint)
        for system in slot.coordinate_systems:
            if system not in e.coordinate_systems:
                what = f"It does not lie in the coordinate system `{system}`."
                hint = _hint(system, e.coordinate_systems)
                yield _problem("coordinate-system-missing", "error", where, what, hint)
        units = {t.unit for t in e.transformations if t.unit}
        if slot.unit and units != {slot.unit}:
            what = f"The unit of its axes is {' and '.join(sorted(units))}, not {slot.unit}."
            if not units:
                what = f"The unit of its axes is not stated; it must be {slot.unit}."
            yield _problem("unit-wrong", "error", where, what)
        if slot.fields or slot.closed:
            yield from self._columns(where, slot, e.columns)


def _shape(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list in a list" if isinstance(value, list) else f"a {type(value).__name__}"
