"""The values of one artifact, field by field: declared or found in the store, and their faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from portal.entry import Entry, Term
from portal.errors import Problem
from portal.facts import StoreFacts
from portal.literals import SAME, Fault
from portal.ontology import load_ontology
from portal.record import UNKNOWN, Quality, Value
from portal.resolve import Resolver
from portal.rules import suspicions
from portal.schema import Schema, SchemaField
from portal.yamlfile import Loc

__all__ = ["CURATION", "CuratedValues", "attribute_at", "default_resolver"]

CURATION = "curation"
"""The root attribute in which `portal.Curator.write` keeps the terms that it found."""
_EXTRA = SchemaField(many=True)
"""What a field outside the schema may say: anything."""


@cache
def default_resolver() -> Resolver:
    """The resolver over the vocabularies that come with the portal."""
    return Resolver(load_ontology())


class CuratedValues:
    """The values of one artifact by field, and what is wrong with them."""

    def __init__(
        self,
        entry: Entry,
        facts: StoreFacts | None,
        schema: Schema,
        in_hand: bool = False,
    ) -> None:
        self.entry, self.facts, self.schema = entry, facts, schema
        self.resolver = default_resolver()
        self.in_hand = in_hand
        self.rewrites: dict[Loc, Any] = {}
        self.problems: list[Problem] = []
        self.differs: list[str] = []
        self.organisms: frozenset[str] = frozenset()
        found: dict[str, tuple[Value, ...]] = {}
        # The organism first: it tells which stages of life are meant.
        for name in sorted(schema.fields, key=lambda n: n != "organism"):
            if chosen := self._field(name, schema.fields[name]):
                found[name] = chosen
            if name == "organism":
                self.organisms = frozenset(v.id for v in found.get(name, ()) if v.id)
        self.values = {name: found[name] for name in schema.fields if name in found}
        for name in entry.metadata:
            if name not in schema.fields and (extra := self._declared(name, _EXTRA)):
                self.values[name] = extra
        technology = self.values.get("technology", ())
        self.technologies = frozenset(v.label.casefold() for v in technology)
        self.asked = [n for n, f in schema.fields.items() if f.is_required(self.technologies)]
        if entry.status != "withdrawn":
            self.problems += self._missing()
            for where, fault in suspicions(entry.title, self.values, schema, self.resolver):
                self.problems.append(fault.at(entry.where(*where)))

    def _field(self, name: str, field: SchemaField) -> tuple[Value, ...]:
        declared = self._declared(name, field)
        told: list[Problem] = []
        stored = self._stored(name, field, told)
        if declared and stored and not _agree(declared, stored):
            self.differs.append(name)
            self.problems.append(_differ(self.entry, name, field, declared, stored))
        if not declared and self.in_hand:
            self.problems += told
        elif not declared:  # how a published store words it is nobody's to change
            self.problems += [
                _in_store(p) for p in told if p.severity != "info" or "/obs" in p.where
            ]
        return declared or stored

    def _declared(self, name: str, field: SchemaField) -> tuple[Value, ...]:
        """The values that the entry gives, and their faults."""
        written = self.entry.metadata.get(name)
        several = isinstance(written, list)
        values: list[Value] = []
        for i, item in enumerate(written if several else [written]):
            if item is None or (isinstance(item, str) and not item.strip()):
                continue
            loc = ("metadata", name, *((i,) if several else ()))
            where = self.entry.where(*loc)
            found = self.resolver.resolve(item, field, organisms=self.organisms)
            values += found.values
            if found.rewrite is not SAME:
                self.rewrites[loc] = found.rewrite
            label = field.label or name
            self.problems += [_of(label, f.at(where)) for f in found.faults]
        if several and len(values) > 1 and not field.many:
            self.problems.append(
                Problem(
                    code="list-not-allowed",
                    severity="error",
                    where=self.entry.where("metadata", name),
                    what=f"{field.label or name}: {len(values)} values are given, one is allowed.",
                    remedy="Keep one, or say `many: true` of the field in schema.yaml.",
                )
            )
        return tuple(dict.fromkeys(values))

    def _stored(self, name: str, field: SchemaField, told: list[Problem]) -> tuple[Value, ...]:
        """The field's values as the store has them: root attributes first, then obs categories."""
        if self.facts is None:
            return ()
        kept = self._attribute(f"{CURATION}.values.{name}", field, told)
        for path in field.found_in:
            if values := self._attribute(path, field, told):
                # What was kept has the ids; but who corrects the attribute means what it says now.
                return kept if kept and _agree(kept, values) else values
        return kept or self._categories(field, self.facts, told)

    def _attribute(self, path: str, field: SchemaField, told: list[Problem]) -> tuple[Value, ...]:
        raw = attribute_at(self.facts, path)
        where = f"{self.entry.id}/attrs/{path}"
        values: list[Value] = []
        items = raw if isinstance(raw, list) else [raw]
        for item in items:
            if path.startswith(CURATION):
                item = _as_term(item)
            if item is None or (isinstance(item, str) and not item.strip()):
                continue
            if not isinstance(item, str | bool | int | float | Term):
                told.append(_nested(where, field, item))
                continue
            found = self.resolver.resolve(
                item, field, source=f"store attribute {path}", organisms=self.organisms
            )
            values += found.values
            told += [
                _of(field.label, f.at(where, entry=False))
                for f in found.faults
                if f.code != "term-without-id"  # attributes have no place for an id
            ]
        if len(values) > 1 and not field.many:
            fault = Fault("list-not-allowed", "error", f"{len(values)} values, one is allowed.")
            told.append(_of(field.label, fault.at(where)))
        return tuple(dict.fromkeys(values))

    def _categories(
        self, field: SchemaField, facts: StoreFacts, told: list[Problem]
    ) -> tuple[Value, ...]:
        for table in facts.of("tables"):
            for column in table.obs:
                if column.name not in field.obs or not column.categories:
                    continue
                source = f"store obs {table.name}/{column.name}"
                values = [self._category(c, field, source) for c in column.categories]
                bare = [v.label for v in values if not v.id and v.label != UNKNOWN]
                if field.type == "term" and bare:
                    told.append(_unnamed(self.entry, field, source, bare, len(values)))
                return tuple(dict.fromkeys(values))
        return ()

    def _category(self, text: str, field: SchemaField, source: str) -> Value:
        term = None
        if field.type == "term":
            term = self.resolver.term_of(text, field, self.organisms)
        if term is None:
            return Value(label=text, source=source)
        return self.resolver.value_of(term, text).model_copy(update={"source": source})

    def _missing(self) -> Iterator[Problem]:
        """Required fields that nobody gave, fields of another technology."""
        for name, field in self.schema.fields.items():
            label, values = field.label or name, self.values.get(name, ())
            if name in self.asked and not values:
                yield Problem(
                    code="required-missing",
                    severity="error",
                    where=self.entry.where("metadata"),
                    what=f"{label} is required{_of_technology(field)}, and nobody gave it.",
                    remedy=f"Add `{name}:`, or `{name}: unknown` where nobody knows.",
                )
            elif values and all(v.label == UNKNOWN for v in values):
                required = name in self.asked
                yield Problem(
                    code="required-unknown" if required else "value-unknown",
                    severity="warning" if required else "info",
                    where=self.entry.where("metadata", name),
                    what=f"{label} is unknown{', though it is required' if required else ''}.",
                    remedy="Ask who made the data, or look at the source page.",
                )
            elif values and self.technologies and not field.applies(self.technologies):
                yield Problem(
                    code="field-other-technology",
                    severity="warning",
                    where=self.entry.where("metadata", name),
                    what=f"{label} is a field of {' and '.join(field.only)} only.",
                    remedy="Is the technology right? Else leave the field out.",
                )

    def quality(self, differing: Iterable[str]) -> Quality:
        """What of the schema the artifact has, and what not."""
        fields = self.schema.fields
        silent = {
            name for name in fields if all(v.label == UNKNOWN for v in self.values.get(name, ()))
        }
        missing = tuple(n for n in self.asked if n in silent)
        return Quality(
            asked=len(self.asked),
            missing=missing,
            optional_missing=tuple(
                n
                for n, f in fields.items()
                if n in silent and n not in self.asked and f.applies(self.technologies)
            ),
            without_term=tuple(
                name
                for name, values in self.values.items()
                if name in fields
                and fields[name].type == "term"
                and any(not v.id and v.label != UNKNOWN for v in values)
            ),
            differs=tuple(dict.fromkeys([*self.differs, *differing])),
        )


def _of(label: str, problem: Problem) -> Problem:
    """The problem with the field's name before it."""
    return problem.model_copy(update={"what": f"{label}: {problem.what}"}) if label else problem


def _as_term(item: Any) -> Term | None:
    """A term as `portal.Curator.write` keeps it; None for whatever else somebody put there."""
    if not isinstance(item, dict) or not item.get("label"):
        return None
    try:
        return Term(**{k: item[k] for k in ("id", "label", "written") if item.get(k)})
    except ValueError:
        return None


def _nested(where: str, field: SchemaField, item: Any) -> Problem:
    what = f"{field.label}: a {'list' if isinstance(item, list) else 'mapping'} is no value."
    return Problem(
        code="value-nested",
        severity="error",
        where=where,
        what=what,
        remedy="Write text, a number, or a flat list of these.",
    )


def _in_store(problem: Problem) -> Problem:
    """A curator can't correct a published store, but can say it right in the entry."""
    if problem.severity != "error":
        return problem
    remedy = f"{problem.remedy} The entry may say it right.".strip()
    return problem.model_copy(update={"severity": "warning", "remedy": remedy})


def _unnamed(entry: Entry, field: SchemaField, source: str, bare: list[str], n: int) -> Problem:
    shown = ", ".join(f"`{b}`" for b in bare[:5]) + (" and others" if len(bare) > 5 else "")
    return Problem(
        code="obs-without-term",
        severity="info",
        where=f"{entry.id}/{source.removeprefix('store ')}",
        what=f"{len(bare)} of {n} categories have no term of {', '.join(field.ontology)}: {shown}.",
        remedy="Call them as the ontology does, or give them in the entry.",
    )


def _of_technology(field: SchemaField) -> str:
    names = field.only or (field.required if not isinstance(field.required, bool) else ())
    return f" of {' and '.join(names)}" if names else ""


def _agree(declared: tuple[Value, ...], stored: tuple[Value, ...]) -> bool:
    """Whether the two say the same, by any of the words that stand for a value."""

    def words(v: Value) -> set[str]:
        return {w.casefold() for w in (v.label, v.id, v.written) if w}

    if any(v.source.startswith("store obs") for v in stored):
        return True  # categories of cells are finer than what describes the whole
    return all(any(words(d) & words(s) for d in declared) for s in stored)


def _differ(
    entry: Entry,
    name: str,
    field: SchemaField,
    declared: tuple[Value, ...],
    stored: tuple[Value, ...],
) -> Problem:
    return Problem(
        code="metadata-differs",
        severity="info",
        where=entry.where("metadata", name),
        what=f"{field.label or name}: the entry says "
        f"{', '.join(v.label for v in declared)!r}, the store says "
        f"{', '.join(v.label for v in stored)!r} ({stored[0].source.removeprefix('store ')}).",
        remedy="The entry is shown. Correct whichever is wrong.",
    )


def attribute_at(facts: StoreFacts | None, path: str) -> Any:
    """The root attribute at a dotted path; None where there is none."""
    at: Any = facts.attributes if facts else None
    for key in path.split("."):
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    return at
