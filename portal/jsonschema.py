"""The schema as a JSON Schema, by which editors complete and explain an entry."""

from __future__ import annotations

import re
from typing import Any

from portal.entry import Entry
from portal.schema import Schema, SchemaField
from portal.schemawords import need_of, type_of

__all__ = ["entry_json_schema"]

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": ["integer", "string"]},
    "number": {"type": ["number", "string"]},
    "boolean": {"type": ["boolean", "string"]},
    "date": {"type": ["string", "integer"], "pattern": r"^(\d{4}(-\d{2}(-\d{2})?)?|unknown)$"},
    "address": {"type": "string", "format": "uri"},
}
_NUMBER = re.compile(r"(0|[1-9]\d*)(\.\d*[1-9])?", re.ASCII)


def entry_json_schema(schema: Schema) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an entry's file, with the fields of `schema` as metadata.

    Editors complete and explain by it. It does not know the ontologies, so what it accepts may be
    wrong all the same; what it refuses is wrong, or is better written otherwise.
    """
    whole = Entry.model_json_schema()
    written = whole["properties"]
    for name, info in Entry.model_fields.items():
        if info.exclude:  # where the entry stands, which nobody writes
            del written[name]
    for name in ("collections", "aliases", "derived_from"):
        written[name] = _or_one(written[name])
    citation = whole["$defs"]["Citation"]["properties"]
    citation["authors"] = _or_one(citation["authors"])
    # What YAML takes for a number.
    citation["pmid"] = {"type": ["string", "integer", "null"], "title": "Pmid"}
    version = whole["$defs"]["Version"]["properties"]
    version["version"] = {**version["version"], "type": ["string", "number"]}
    version["date"] = {"type": ["string", "integer", "null"], "title": "Date"}
    fields = {name: _property(field) for name, field in schema.fields.items()}
    written["metadata"] = {
        "type": ["object", "null"],
        "description": "Curated values by field.",
        "properties": fields,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "Entry of a SpatialData portal",
    }


def _or_one(several: dict[str, Any]) -> dict[str, Any]:
    """A list, or its one item alone."""
    return {**several, "type": ["array", "string"]}


def _property(field: SchemaField) -> dict[str, Any]:
    one = _one(field)
    said = f"{field.label}: {field.description}" if field.label else field.description
    hint = f"{type_of(field)}. {need_of(field)[1]}."
    forms = [*one.get("anyOf", [one]), {"type": "null"}]
    several = [{"type": "array", "items": one}] if field.many else []
    return {"description": f"{said} {hint}".strip(), "anyOf": [*forms, *several]}


def _one(field: SchemaField) -> dict[str, Any]:
    if field.type == "term":
        term = {
            "type": "object",
            "properties": {
                "id": {"type": "string", "pattern": r"^[A-Za-z]+:[A-Za-z0-9_.-]+$"},
                "label": {"type": "string", "minLength": 1},
                "written": {"type": "string"},
            },
            "required": ["label"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string"}, term]}
    if field.type == "enum":
        numbers = [float(v) for v in field.values if _NUMBER.fullmatch(v)]  # as YAML reads them
        values = {"enum": [*field.values, *numbers, "unknown"]}
        return {"anyOf": [values, {"type": ["string", "number"]}]} if field.open else values
    return _JSON_TYPES.get(field.type, {"type": ["string", "number", "boolean"]})
