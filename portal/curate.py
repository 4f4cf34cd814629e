"""Entry + StoreFacts → Record: every value with its source, every fault named.

A declared value wins over one in the store; where the two differ, both are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from portal.citation import citation_of
from portal.entry import Entry, Term
from portal.errors import Problem, worst
from portal.facts import ElementFacts, StoreFacts
from portal.license import license_of
from portal.ontology import load_ontology
from portal.record import UNKNOWN, ContactInfo, Quality, Record, Value, VersionInfo
from portal.resolve import SAME, Fault, Resolver
from portal.rules import suspicions
from portal.schema import Schema, SchemaField
from portal.slots import slot_faults
from portal.words import web_address
from portal.yamledit import Items
from portal.yamlfile import Loc

__all__ = ["CURATION", "curate", "default_resolver", "safe_rewrites"]

CURATION = "curation"
"""The root attribute in which `portal.Curator.write` keeps the terms that it found."""
_COUNT_FIELDS = {"n_spots": "spots", "n_cells": "cells"}
_NOUNS = (("spot", "spots"), ("nucle", "nuclei"), ("cell", "cells"), ("bin", "bins"))
_EXTRA = SchemaField(many=True)
"""What a field outside the schema may say: anything."""


def curate(
    entry: Entry,
    facts: StoreFacts | None,
    schema: Schema,
    problems: Iterable[Problem] = (),
    *,
    in_hand: bool = False,
) -> Record:
    """Make the Record of one artifact.

    `facts` is None where nothing was scanned; `problems` are those already found in the entry.
    What a published store says wrong is a warning, since the entry may say it right; with
    `in_hand` the object can still be corrected, and it is an error.
    """
    found = [*problems, *(facts.problems if facts else ())]
    curated = _Curated(entry, facts, schema, default_resolver(), in_hand)
    values = curated.values
    found += curated.problems
    table = _default_table(facts)
    n_obs, n_features, count_source, differing = _counts(entry, values, table, found)
    if facts:
        found += slot_faults(facts, schema, curated.resolver, entry.id, curated.organisms)
    published = entry.versions[-1].date if entry.versions else None
    published = published or _label(values, "publication_date")
    page = entry.page or web_address(_label(values, "dataset_url"))
    license_written = entry.license or _attribute(facts, "metadata_general.License")
    severity = worst(found)
    return Record(
        id=entry.id,
        title=entry.title,
        description=entry.description,
        status="superseded" if entry.superseded_by else entry.status,
        reason=entry.reason,
        superseded_by=entry.superseded_by,
        aliases=tuple(entry.aliases),
        collections=tuple(entry.collections),
        validation_status=(
            "fail"
            if severity == "error"
            else "declared"
            if facts is None
            else "warn"
            if severity == "warning"
            else "pass"
        ),
        values=values,
        n_obs=n_obs,
        n_features=n_features,
        n_obs_source=count_source,
        obs_noun=_noun(values, table),
        default_table=table.name if table else None,
        license=license_of(license_written if isinstance(license_written, str) else None),
        citation=citation_of(entry, published=published, page=page),
        contacts=tuple(ContactInfo(**c.model_dump()) for c in entry.contacts),
        versions=tuple(
            VersionInfo(**v.model_dump(exclude={"url"} if entry.status != "public" else None))
            for v in entry.versions
        ),
        derived_from=tuple(entry.derived_from),
        url=_url(entry),
        page=page,
        published=published,
        facts=facts,
        quality=curated.quality(differing),
        problems=tuple(dict.fromkeys(found)),
    )


def safe_rewrites(entry: Entry, schema: Schema) -> dict[Loc, Any]:
    """What could stand in the entry instead without another meaning, by place in its file.

    An item of a list that is several values becomes `Items`.
    """
    found = _Curated(entry, None, schema, default_resolver(), False).rewrites
    return {
        loc: Items(tuple(new)) if isinstance(new, list) and isinstance(loc[-1], int) else new
        for loc, new in found.items()
    }


@cache
def default_resolver() -> Resolver:
    """The resolver over the vocabularies that come with the portal."""
    return Resolver(load_ontology())


class _Curated:
    """The values of one artifact by field, and what is wrong with them."""

    def __init__(
        self,
        entry: Entry,
        facts: StoreFacts | None,
        schema: Schema,
        resolver: Resolver,
        in_hand: bool,
    ) -> None:
        self.entry, self.facts, self.schema, self.resolver = entry, facts, schema, resolver
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
            for where, fault in suspicions(entry.title, self.values, schema, resolver):
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
        for path in (f"{CURATION}.values.{name}", *field.found_in):
            values = self._attribute(path, field, told)
            if values:
                return values
        return self._categories(field, self.facts, told)

    def _attribute(self, path: str, field: SchemaField, told: list[Problem]) -> tuple[Value, ...]:
        raw = _attribute(self.facts, path)
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
        return Value(
            label=term.label,
            id=term.id,
            written=text if text != term.label else None,
            ontology=term.ontology,
            ontology_version=self.resolver.ontology.versions.get(term.ontology),
            source=source,
        )

    def _missing(self) -> Iterator[Problem]:
        """Required fields that nobody gave, fields of another technology."""
        for name, field in self.schema.fields.items():
            label, values = field.label or name, self.values.get(name, ())
            if name in self.asked and not values:
                yield Problem(
                    code="required-missing",
                    severity="error",
                    where=self.entry.where("metadata"),
                    what=f"{label} is required{_of_technology(field, values)}, and nobody gave it.",
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


def _of_technology(field: SchemaField, values: object) -> str:
    names = field.only or (field.required if not isinstance(field.required, bool) else ())
    return f" of {' and '.join(names)}" if names else ""


def _url(entry: Entry) -> str | None:
    """Where the store is fetched; None for an artifact that is withdrawn or only announced."""
    if entry.status != "public":
        return None
    newest = entry.versions[-1].url if entry.versions else None
    return newest or entry.url or (entry.source if entry.is_remote else None)


def _attribute(facts: StoreFacts | None, path: str) -> Any:
    """The root attribute at a dotted path; None where there is none."""
    at: Any = facts.attributes if facts else None
    for key in path.split("."):
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    return at


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


def _default_table(facts: StoreFacts | None) -> ElementFacts | None:
    """The table that people mean: called `table`, else the largest that annotates something."""
    tables = [t for t in facts.of("tables") if t.readable and t.n_rows is not None] if facts else []
    if not tables:
        return None
    named = [t for t in tables if t.name == "table"]
    return (
        named[0]
        if named
        else max(tables, key=lambda t: (bool(t.regions), t.n_rows or 0, -tables.index(t)))
    )


def _counts(
    entry: Entry,
    values: dict[str, tuple[Value, ...]],
    table: ElementFacts | None,
    problems: list[Problem],
) -> tuple[int | None, int | None, str | None, list[str]]:
    """Observations, features, who said so, and the declared counts that differ."""
    declared = {f: _integer(_label(values, f)) for f in _COUNT_FIELDS}
    if table is None:
        n = next((n for n in declared.values() if n is not None), None)
        return n, _integer(_label(values, "panel_size")), "declared" if n is not None else None, []
    differing = []
    for name, n in declared.items():
        if n is not None and table.n_rows is not None and n != table.n_rows:
            differing.append(name)
            problems.append(
                Problem(
                    code="count-differs",
                    severity="warning",
                    where=entry.where("metadata", name),
                    what=f"{n:,} {_COUNT_FIELDS[name]} are declared, the table `{table.name}` "
                    f"has {table.n_rows:,} rows.",
                    remedy="Correct the entry, or say in its description what was left out.",
                )
            )
    return table.n_rows, table.n_vars, "scanned", differing


def _integer(text: str | None) -> int | None:
    try:
        return int(text.replace(",", "")) if text else None
    except ValueError:
        return None


def _label(values: dict[str, tuple[Value, ...]], field: str) -> str | None:
    first = values.get(field)
    return first[0].label if first and first[0].label != UNKNOWN else None


def _noun(values: dict[str, tuple[Value, ...]], table: ElementFacts | None) -> str:
    """What to call an observation, from what the table annotates, else from what is declared."""
    words = [*table.regions, table.instance_key or ""] if table else []
    for word in words:
        for stem, noun in _NOUNS:
            if stem in word.casefold():
                return noun
    for field, noun in _COUNT_FIELDS.items():
        if field in values:
            return noun
    technology = (_label(values, "technology") or "").casefold()
    if technology == "visium":
        return "spots"
    return "cells" if technology in ("xenium", "merfish", "merscope", "cosmx") else "observations"
