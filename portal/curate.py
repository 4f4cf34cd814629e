"""Entry + StoreFacts → Record: every value with its source, every fault named.

A declared value wins over one in the store; where the two differ, both are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from portal.citation import citation_of
from portal.entry import Entry
from portal.errors import Problem, worst
from portal.facts import ElementFacts, StoreFacts
from portal.license import license_of
from portal.record import UNKNOWN, ContactInfo, Record, Value, VersionInfo
from portal.schema import Schema
from portal.slots import slot_faults
from portal.values import CuratedValues, attribute_at
from portal.words import web_address
from portal.yamledit import Items
from portal.yamlfile import Loc

__all__ = ["curate", "safe_rewrites"]

_COUNT_FIELDS = {"n_spots": "spots", "n_cells": "cells"}
_NOUNS = (("spot", "spots"), ("nucle", "nuclei"), ("cell", "cells"), ("bin", "bins"))


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
    curated = CuratedValues(entry, facts, schema, in_hand)
    values = curated.values
    found += curated.problems
    table = _default_table(facts)
    n_obs, n_features, count_source, differing = _counts(entry, values, table, found)
    if facts:
        found += slot_faults(
            facts,
            schema,
            curated.resolver,
            entry.id,
            curated.organisms,
            curated.technologies,
        )
    published = entry.versions[-1].date if entry.versions else None
    published = published or _label(values, "publication_date")
    page = entry.page or web_address(_label(values, "dataset_url"))
    license_written = entry.license or attribute_at(facts, "metadata_general.License")
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
    found = CuratedValues(entry, None, schema).rewrites
    return {
        loc: Items(tuple(new)) if isinstance(new, list) and isinstance(loc[-1], int) else new
        for loc, new in found.items()
    }


def _url(entry: Entry) -> str | None:
    """Where the store is fetched; None for an artifact that is withdrawn or only announced."""
    if entry.status != "public":
        return None
    newest = entry.versions[-1].url if entry.versions else None
    return newest or entry.url or (entry.source if entry.is_remote else None)


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
