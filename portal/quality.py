"""The collection as a whole: which artifacts are the same, what is unknown where.

`with_duplicates` compares records with each other; `report` is what the page `quality/` shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from portal.errors import Problem
from portal.record import UNKNOWN, Record, at_hand
from portal.schema import Schema

__all__ = ["FieldQuality", "QualityReport", "identity_of", "report", "with_duplicates"]


def with_duplicates(records: Sequence[Record]) -> list[Record]:
    """The records, each with the ids of those that have the same store, and a warning for it.

    The same are stores with one fingerprint and, where no scan has reached them, one address.
    """
    same: dict[tuple[str, ...], list[str]] = {}
    for record in records:
        if key := _identity(record):
            same.setdefault(key, []).append(record.id)
    return [_marked(r, same.get(_identity(r) or (), [])) for r in records]


def identity_of(record: Record) -> list[str] | None:
    """What tells a store from others, None where nothing does."""
    if record.facts and record.facts.fingerprint and record.facts.elements:
        return ["fingerprint", record.facts.fingerprint]
    return ["url", record.url] if record.url else None


def _identity(record: Record) -> tuple[str, ...] | None:
    found = at_hand(record, "identity", identity_of)
    return tuple(found) if found else None


def _marked(record: Record, same: list[str]) -> Record:
    others = tuple(sorted(id_ for id_ in same if id_ != record.id))
    if not others:
        return record
    shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    problem = Problem(
        code="duplicate-store",
        severity="warning",
        where=record.id,
        what=f"The same store is also that of {shown}.",
        remedy="Keep one entry; give its former id as an alias.",
    )
    status = "warn" if record.validation_status == "pass" else record.validation_status
    return record.model_copy(
        update={
            "quality": record.quality.model_copy(update={"duplicates": others}),
            "problems": (*record.problems, problem),
            "validation_status": status,
        }
    )


@dataclass(frozen=True)
class FieldQuality:
    """How one field of the schema stands over all artifacts that have it."""

    name: str
    applies: int
    """Artifacts of a technology that has the field."""
    required: int
    given: int
    """With a value that somebody knows."""
    said_unknown: int
    absent: int
    words: tuple[tuple[str, int], ...]
    """Of a field of terms: words that no ontology has, with how many artifacts use them."""


@dataclass(frozen=True)
class QualityReport:
    """The whole collection by field, and the artifacts that need a look."""

    fields: tuple[FieldQuality, ...]
    differs: tuple[tuple[Record, tuple[Problem, ...]], ...]
    """Artifacts whose entry and store disagree, with what was found."""
    duplicates: tuple[tuple[Record, ...], ...]
    """Sets of artifacts with the same store."""
    codes: tuple[tuple[str, str, int], ...] = ()
    """Code and severity of each kind of problem, and how many artifacts have it."""
    incomplete: tuple[Record, ...] = ()
    """Artifacts that lack required fields, the least complete first."""
    mean: int | None = None
    """Mean completeness in per cent."""
    statuses: dict[str, int] = field(default_factory=dict)


_DIFFERS = ("metadata-differs", "count-differs")


def report(records: Sequence[Record], schema: Schema) -> QualityReport:
    """Count over all records that are listed."""
    scores = [r.quality.completeness for r in records]
    known = [s for s in scores if s is not None]
    incomplete = [r for r in records if r.quality.missing]
    told = [(r, frozenset(t.casefold() for t in r.labels("technology"))) for r in records]
    return QualityReport(
        fields=_fields(told, schema),
        differs=tuple(
            (r, tuple(p for p in r.problems if p.code in _DIFFERS))
            for r in records
            if r.quality.differs
        ),
        duplicates=_groups(records),
        codes=_codes(records),
        incomplete=tuple(sorted(incomplete, key=lambda r: (r.quality.completeness or 0, r.id))),
        mean=round(sum(known) / len(known)) if known else None,
        statuses=dict(Counter(r.validation_status for r in records)),
    )


def _fields(
    records: Sequence[tuple[Record, frozenset[str]]], schema: Schema
) -> tuple[FieldQuality, ...]:
    """By field; whether one applies is asked once for each set of technologies."""
    of_set = Counter(technologies for _, technologies in records)
    asked = {
        technologies: {
            name: (field.applies(technologies), field.is_required(technologies))
            for name, field in schema.fields.items()
        }
        for technologies in of_set
    }
    terms = {name for name, field in schema.fields.items() if field.type == "term"}
    counts = {name: Counter[str]() for name in schema.fields}
    words = {name: Counter[str]() for name in schema.fields}
    for technologies, n in of_set.items():
        for name, (applies, required) in asked[technologies].items():
            counts[name]["applies"] += n * applies
            counts[name]["required"] += n * (applies and required)
    for record, technologies in records:
        of_technology = asked[technologies]
        for name, values in record.values.items():
            if name not in of_technology:
                continue
            applies, required = of_technology[name]
            count, known = counts[name], [v for v in values if v.label != UNKNOWN]
            if known and not applies:  # a value that nobody asks for is one all the same
                count["applies"] += 1
                count["required"] += required
            count["given"] += bool(known)
            count["said_unknown"] += applies and bool(values) and not known
            if name in terms:
                words[name].update({v.label for v in known if not v.id})
    return tuple(
        FieldQuality(
            name=name,
            applies=count["applies"],
            required=count["required"],
            given=count["given"],
            said_unknown=count["said_unknown"],
            absent=count["applies"] - count["given"] - count["said_unknown"],
            words=tuple(sorted(words[name].items(), key=lambda w: (-w[1], w[0]))),
        )
        for name, count in counts.items()
    )


def _groups(records: Sequence[Record]) -> tuple[tuple[Record, ...], ...]:
    by_id = {r.id: r for r in records}
    sets = {frozenset((r.id, *r.quality.duplicates)) for r in records if r.quality.duplicates}
    found = (tuple(by_id[i] for i in sorted(ids) if i in by_id) for ids in sets)
    return tuple(sorted(found, key=lambda group: group[0].id))


def _codes(records: Iterable[Record]) -> tuple[tuple[str, str, int], ...]:
    order = ("error", "warning", "info")
    counted = Counter(
        (p.severity, p.code) for r in records for p in {q.code: q for q in r.problems}.values()
    )
    ranked = sorted(
        counted.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0][1])
    )
    return tuple((code, severity, n) for (severity, code), n in ranked)
