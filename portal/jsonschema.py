"""The schema as a JSON Schema, by which editors complete and explain an entry."""

from __future__ import annotations

from typing import Any

from portal.entry import Entry
from portal.schema import Schema, SchemaField
from portal.schemawords import need_of, type_of

__all__ = ["entry_json_schema"]

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": ["integer", "string"]},
    "number": {"type": ["number", "string"]},
    "boolean": {"type": ["boolean", "string"]},
    "date": {"type": "string", "pattern": r"^(\d{4}(-\d{2}(-\d{2})?)?|unknown)$"},
    "address": {"type": "string", "format": "uri"},
}


def entry_json_schema(schema: Schema) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an entry's file, with the fields of `schema` as metadata.

    Editors complete and explain by it. It is more lenient than `portal check`, which knows the
    ontologies: what it refuses is wrong, what it accepts may be.
    """
    whole = Entry.model_json_schema()
    fields = {name: _property(field) for name, field in schema.fields.items()}
    whole["properties"]["metadata"] = {
        "type": "object",
        "description": "Curated values by field.",
        "properties": fields,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "Entry of a SpatialData portal",
    }


def _property(field: SchemaField) -> dict[str, Any]:
    one = _one(field)
    said = f"{field.label}: {field.description}" if field.label else field.description
    hint = f"{type_of(field)}. {need_of(field)[1]}."
    several = {"anyOf": [*one.get("anyOf", [one]), {"type": "array", "items": one}]}
    shape = several if field.many else one
    return {"description": f"{said} {hint}".strip(), **shape}


def _one(field: SchemaField) -> dict[str, Any]:
    if field.type == "term":
        term = {
            "type": "object",
            "properties": {
                "id": {"type": "string", "pattern": r"^[A-Za-z]+:[A-Za-z0-9_.-]+$"},
                "label": {"type": "string"},
                "written": {"type": "string"},
            },
            "required": ["label"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string"}, term]}
    if field.type == "enum":
        values = {"enum": [*field.values, "unknown"]}
        return {"anyOf": [values, {"type": "string"}]} if field.open else values
    return _JSON_TYPES.get(field.type, {"type": ["string", "number", "boolean"]})
