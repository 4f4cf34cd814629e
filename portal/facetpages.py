"""Which values the records have in each column, and where each value's page is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from portal.config import SiteConfig
from portal.entry import Collection, Schema
from portal.record import UNKNOWN, Record
from portal.words import initial_capital, plain, slugify

__all__ = ["FacetColumn", "FacetValue", "Facets", "facets_of"]

# A column is part of an address, and a metadata key outside the schema may be any text.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_STATUS = {
    "pass": "passed all checks",
    "warn": "warnings",
    "fail": "errors",
    "declared": "not scanned",
}


@dataclass
class FacetValue:
    """One value of a column and the records that have it, newest first."""

    label: str
    id: str | None = None
    slug: str = ""
    records: list[Record] = field(default_factory=list)


@dataclass
class FacetColumn:
    """A column with all its values, most frequent first and unknown last."""

    column: str
    label: str
    in_rail: bool
    values: list[FacetValue] = field(default_factory=list)


@dataclass(frozen=True)
class Facets:
    """All columns that have pages, and where a value's page is."""

    columns: list[FacetColumn]
    addresses: Mapping[tuple[str, str], str]
    """(column, label in lower case) to an address from the site's root."""

    def address(self, column: str, label: str) -> str | None:
        """The page of a value, None where its column has none."""
        return self.addresses.get((column, label.casefold()))


def facets_of(
    records: Sequence[Record],
    config: SiteConfig,
    schema: Schema,
    collections: Mapping[str, Collection],
) -> Facets:
    """Collect the values of every facet, and of every field that holds ontology terms."""
    rail = {
        f.column: f.label for f in config.facets if f.kind != "range" and _NAME.fullmatch(f.column)
    }
    terms = {
        name: ""
        for record in records
        for name, values in record.values.items()
        if _NAME.fullmatch(name) and any(v.id for v in values)
    }
    columns, addresses = [], {}
    for name, given in (terms | rail).items():
        known = schema.fields.get(name)
        label = given or (known.label if known else "") or initial_capital(name)
        column = FacetColumn(name, label, in_rail=name in rail)
        column.values = _values(name, records, collections)
        _give_slugs(column.values)
        for value in column.values:
            addresses[name, value.label.casefold()] = (
                f"collections/{value.id}/"
                if name == "collections" and value.id
                else f"by/{name}/{value.slug}/"
            )
        columns.append(column)
    order = list(rail)
    columns.sort(key=lambda c: (order.index(c.column) if c.in_rail else len(order), c.column))
    return Facets(columns, addresses)


def _values(
    column: str, records: Iterable[Record], collections: Mapping[str, Collection]
) -> list[FacetValue]:
    values: dict[str, FacetValue] = {}
    for record in records:
        seen = set()
        for label, id_ in _of(record, column, collections) or [(UNKNOWN, None)]:
            key = label.casefold()
            if key in seen:
                continue
            seen.add(key)
            value = values.get(key)
            if value is None:
                value = values[key] = FacetValue(label, id_)
            value.id = value.id or id_
            value.records.append(record)
    return sorted(
        values.values(), key=lambda v: (v.label == UNKNOWN, -len(v.records), v.label.casefold())
    )


def _of(
    record: Record, column: str, collections: Mapping[str, Collection]
) -> list[tuple[str, str | None]]:
    if column == "validation_status":
        return [(_STATUS[record.validation_status], None)]
    if column == "collections":
        return [(collections[c].name if c in collections else c, c) for c in record.collections]
    if column in record.values:
        return [(plain(v.label) or UNKNOWN, v.id) for v in record.values[column]]
    value = getattr(record, column, None)
    return [(plain(str(value)), None)] if isinstance(value, str | int) else []


def _give_slugs(values: list[FacetValue]) -> None:
    """Slugs from labels; where two labels make the same one, the id or a number tells them apart.

    In the order of the labels and not of their frequency, so that an address does not move when
    the counts change.
    """
    taken: set[str] = set()
    for value in sorted(values, key=lambda v: v.label.casefold()):
        base = slugify(value.label) or slugify(value.id or "") or "value"
        slug, n = base, 2
        if slug in taken and value.id:
            slug = f"{base}-{slugify(value.id)}"
        while slug in taken:
            slug, n = f"{base}-{n}", n + 1
        taken.add(slug)
        value.slug = slug
