"""The schema in other words: as a JSON Schema for editors' completion, and in plain ones."""

from __future__ import annotations

from typing import Any

from portal.entry import Entry
from portal.schema import Schema, SchemaField

__all__ = ["entry_json_schema", "requirement", "type_in_words"]

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": ["integer", "string"]},
    "number": {"type": ["number", "string"]},
    "boolean": {"type": ["boolean", "string"]},
    "date": {"type": "string", "pattern": r"^(\d{4}(-\d{2}(-\d{2})?)?|unknown)$"},
    "address": {"type": "string", "format": "uri"},
}
_TYPES = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "date": "date",
    "address": "address",
    "boolean": "yes or no",
    "gene": "gene",
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
    hint = f"{type_in_words(field)}, {requirement(field)}"
    several = {"anyOf": [*one.get("anyOf", [one]), {"type": "array", "items": one}]}
    shape = several if field.many else one
    return {"description": f"{said} ({hint})".strip(), **shape}


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


def type_in_words(field: SchemaField) -> str:
    """What a field may say, for people: `term of UBERON`, `whole number in µm²`."""
    if field.type == "term":
        words = f"term of {', '.join(field.ontology)}"
    elif field.type == "enum":
        words = f"one of {len(field.values)} values" + (", or others" if field.open else "")
    else:
        words = _TYPES[field.type] + (f" in {field.unit}" if field.unit else "")
    return f"{words}; several" if field.many else words


def requirement(field: SchemaField) -> str:
    """Who must give it: `required`, `required for Visium`, `optional`, `optional, Xenium only`."""
    only = f" {' and '.join(field.only)} only" if field.only else ""
    if isinstance(field.required, tuple):
        return f"required for {' and '.join(field.required)}" if field.required else "optional"
    if field.required:
        return f"required for {' and '.join(field.only)}" if field.only else "required"
    return f"optional,{only}" if only else "optional"
