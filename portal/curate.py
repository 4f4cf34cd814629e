"""Entry + StoreFacts → Record: every value with its source, every fault named.

A declared value wins over one in the store; where the two differ, both are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from portal.citation import citation_of
from portal.entry import Entry, MetadataItem, Schema, SchemaField, Term
from portal.errors import Problem, worst
from portal.facts import ElementFacts, StoreFacts
from portal.license import license_of
from portal.record import UNKNOWN, ContactInfo, Record, Value, VersionInfo
from portal.words import web_address

__all__ = ["curate"]

_CURIE = re.compile(r"([A-Za-z]+)[:_]([A-Za-z0-9]+)")
_COUNT_FIELDS = {"n_spots": "spots", "n_cells": "cells"}
_NOUNS = (("spot", "spots"), ("nucle", "nuclei"), ("cell", "cells"), ("bin", "bins"))


def curate(
    entry: Entry, facts: StoreFacts | None, schema: Schema, problems: Iterable[Problem] = ()
) -> Record:
    """Make the Record of one artifact.

    `facts` is None where nothing was scanned; `problems` are those already found in the entry.
    """
    found = [*problems, *(facts.problems if facts else ())]
    values: dict[str, tuple[Value, ...]] = {}
    for name, field in schema.fields.items():
        declared = _declared(entry, name, field)
        stored = _stored(field, facts)
        if declared and stored and not _agree(declared, stored):
            found.append(_differ(entry, name, field, declared, stored))
        chosen = declared or stored
        if chosen:
            values[name] = chosen
    for name in entry.metadata:
        if name not in schema.fields:
            extra = _declared(entry, name, SchemaField())
            if extra:
                values[name] = extra

    table = _default_table(facts)
    n_obs, n_features, count_source = _counts(entry, values, table, found)
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
        problems=tuple(dict.fromkeys(found)),
    )


def _url(entry: Entry) -> str | None:
    """Where the store is fetched; None for an artifact that is withdrawn or only announced."""
    if entry.status != "public":
        return None
    newest = entry.versions[-1].url if entry.versions else None
    return newest or entry.url or (entry.source if entry.is_remote else None)


def _declared(entry: Entry, name: str, field: SchemaField) -> tuple[Value, ...]:
    written = entry.metadata.get(name)
    items = written if isinstance(written, list) else [written]
    return tuple(v for v in (_value(i, field, "declared") for i in items) if v)


def _value(item: MetadataItem | None, field: SchemaField, source: str) -> Value | None:
    if item is None:
        return None
    if isinstance(item, Term):
        return Value(
            label=item.label,
            id=item.id or None,
            written=item.written if item.written not in ("", item.label) else None,
            ontology=_ontology(item.id),
            source=source,
        )
    text = _text(item).strip()
    if not text:
        return None
    if field.type == "term" and _is_id(text, field):
        return Value(label=text, id=text.replace("_", ":"), ontology=_ontology(text), source=source)
    return Value(label=UNKNOWN if text.casefold() == UNKNOWN else text, source=source)


def _text(item: Any) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, float) and item.is_integer():
        return str(int(item))
    return str(item)


def _is_id(text: str, field: SchemaField) -> bool:
    match = _CURIE.fullmatch(text)
    return bool(match) and match[1].casefold() in {o.casefold() for o in field.ontology}


def _ontology(term: str) -> str | None:
    match = _CURIE.match(term)
    return match[1] if match else None


def _attribute(facts: StoreFacts | None, path: str) -> Any:
    """The root attribute at a dotted path; None where there is none."""
    at: Any = facts.attributes if facts else None
    for key in path.split("."):
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    return at


def _stored(field: SchemaField, facts: StoreFacts | None) -> tuple[Value, ...]:
    """The field's values as the store has them: root attributes first, then obs categories."""
    if facts is None:
        return ()
    for path in field.found_in:
        raw = _attribute(facts, path)
        items = raw if isinstance(raw, list) else [raw]
        values = tuple(
            v
            for v in (
                _value(i, field, f"store attribute {path}")
                for i in items
                if isinstance(i, str | int | float)
            )
            if v
        )
        if values:
            return values
    for table in facts.of("tables"):
        for column in table.obs:
            if column.name in field.obs and column.categories:
                return tuple(
                    Value(label=c, source=f"store obs {table.name}/{column.name}")
                    for c in column.categories
                )
    return ()


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
) -> tuple[int | None, int | None, str | None]:
    declared = {f: _integer(_label(values, f)) for f in _COUNT_FIELDS}
    if table is None:
        n = next((n for n in declared.values() if n is not None), None)
        return n, _integer(_label(values, "panel_size")), "declared" if n is not None else None
    for name, n in declared.items():
        if n is not None and table.n_rows is not None and n != table.n_rows:
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
    return table.n_rows, table.n_vars, "scanned"


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
