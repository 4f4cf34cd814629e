"""What a record says in a column: labels with ids for a facet, a whole number for a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal

from portal.columns import COLUMNS, CatalogColumn, Site
from portal.entry import Collection
from portal.record import UNKNOWN, Record
from portal.schema import Schema
from portal.words import plain

__all__ = ["NONE", "RangeKind", "Said", "days", "number_reader", "range_kind", "value_reader"]

RangeKind = Literal["count", "bytes", "date"]
Said = list[tuple[str, str | None]]
"""Labels with the ontology id, or with the slug of a collection."""

NONE = "none"
"""What an artifact has in a column of faults where it has none: not that nobody knows."""
_FAULTS = (
    *("missing_fields", "fields_without_term", "differing_fields", "duplicates"),
    "problem_codes",
)
_BY_NAME = {c.name: c for c in COLUMNS}
_DATES = ("published_at", "publication_date")
_STATUS = {
    "pass": "passed all checks",
    "warn": "warnings",
    "fail": "errors",
    "declared": "not scanned",
}
_EPOCH = date(1970, 1, 1).toordinal()


def value_reader(column: str, collections: Mapping[str, Collection]) -> Callable[[Record], Said]:
    """What gives a record's values in a column, each once; `unknown` where nobody said."""
    known = _BY_NAME.get(column)
    site = Site("", dict(collections))

    def read(record: Record) -> Said:
        if column == "validation_status":
            said: Said = [(_STATUS[record.validation_status], None)]
        elif column == "collections":
            said = [(collections[c].name if c in collections else c, c) for c in record.collections]
        elif column in record.values and (known is None or known.kind in ("string", "list")):
            said = [(v.label, v.id) for v in record.values[column]]
        else:
            said = _texts(known.of(record, site)) if known else []
        return _tidy(said) or [(NONE if column in _FAULTS else UNKNOWN, None)]

    return read


def range_kind(column: str, schema: Schema) -> RangeKind | None:
    """How a range counts; None for a column that holds neither whole numbers nor dates."""
    if column.endswith("_bytes"):
        return "bytes"
    known, declared = _BY_NAME.get(column), schema.fields.get(column)
    if column in _DATES or (known is None and declared is not None and declared.type == "date"):
        return "date"
    kind = known.kind if known else declared.type if declared else ""
    return "count" if kind == "integer" else None


def number_reader(column: str, kind: RangeKind) -> Callable[[Record], int | None]:
    """What gives a record's number in a column: days since 1970-01-01 for a date."""
    known: CatalogColumn | None = _BY_NAME.get(column)
    site = Site("", {})

    def read(record: Record) -> int | None:
        if known is not None:
            value = known.of(record, site)
        else:
            first = record.first(column)
            value = first.label if first else None
        number = days(value) if kind == "date" else _whole(value)
        return number if number is not None and number >= 0 else None

    return read


def days(text: object) -> int | None:
    """Days from 1970-01-01 to a date; a year or a month stands for its first day."""
    parts = str(text).split("T")[0].split("-") if text else []
    try:
        year, month, day = (*map(int, parts), 1, 1)[:3]
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None


def _texts(value: Any) -> Said:
    if value is None:
        return []
    if isinstance(value, bool):
        return [("yes" if value else "no", None)]
    if isinstance(value, list | tuple):
        return [(str(v), None) for v in value]
    return [(str(value), None)]


def _tidy(said: Said) -> Said:
    """Each value once, without white space around it; one that says `unknown` has no id."""
    tidy: dict[tuple[str, str | None], None] = {}
    for text, id_ in said:
        label = " ".join(plain(text).split())
        if label.casefold() in ("", UNKNOWN):
            tidy[UNKNOWN, None] = None
        else:
            tidy[label, id_ or None] = None
    return list(tidy)


def _whole(value: Any) -> int | None:
    try:
        return int(float(str(value).replace(",", ""))) if value is not None else None
    except (ValueError, OverflowError):
        return None
