"""The JSON Schema of an entry: a sound one, that takes all entries and knows what is wrong."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal.config import load_config
from portal.entry import Entry, Term
from portal.jsonschema import entry_json_schema
from portal.manifest import read_manifest
from portal.resources import shipped_schemas
from portal.schema import Schema, load_schema
from portal.values import default_resolver
from portal.yamlfile import read_yaml
from tests.conftest import ROOT

FIELDS = {
    "tissue": {"type": "term", "ontology": ["UBERON"], "label": "Tissue", "description": "Where."},
    "tissues": {"type": "term", "ontology": ["UBERON"], "many": True},
    "kit": {"type": "enum", "values": ["a", "2", "2.5"]},
    "kits": {"type": "enum", "values": ["a", "b"], "open": True, "many": True},
    "note": {"required": True},
    "cells": {"type": "integer", "unit": "µm", "required": ["Xenium"]},
    "area": {"type": "number"},
    "born": {"type": "date"},
    "page": {"type": "address"},
    "paired": {"type": "boolean"},
    "target": {"type": "gene", "only": "Visium"},
}
SCHEMA = Schema.model_validate({"fields": FIELDS})


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value: by the package jsonschema where it is, else by what is below."""
    if importlib.util.find_spec("jsonschema"):
        from jsonschema import Draft202012Validator

        return [e.message for e in Draft202012Validator(schema).iter_errors(value)]
    return list(_faults(schema, value, schema))


_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_SAYS_NOTHING = {"$schema", "$defs", "title", "description", "default", "format"}


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) or name == "boolean":
        return isinstance(value, bool) and name == "boolean"
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, _TYPES[name])


def _faults(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> Iterator[str]:
    """The keywords that pydantic and the portal use; another one is a KeyError, not a pass."""
    for keyword, said in schema.items():
        if keyword not in _SAYS_NOTHING:
            yield from _KEYWORDS[keyword](said, value, root, schema)


def _ref(said: str, value: Any, root: dict[str, Any], _: Any) -> Iterator[str]:
    at: Any = root
    for step in said.removeprefix("#/").split("/"):
        at = at[step]
    yield from _faults(at, value, root)


def _any_of(said: list[Any], value: Any, root: dict[str, Any], _: Any) -> Iterator[str]:
    if not any(not list(_faults(s, value, root)) for s in said):
        yield f"{value!r} is none of {said}"


def _properties(said: dict[str, Any], value: Any, root: dict[str, Any], _: Any) -> Iterator[str]:
    for key in said.keys() & value if isinstance(value, dict) else ():
        yield from _faults(said[key], value[key], root)


def _more(said: Any, value: Any, root: dict[str, Any], schema: Any) -> Iterator[str]:
    for key in value.keys() - schema.get("properties", {}) if isinstance(value, dict) else ():
        if said is False:
            yield f"{key} is too many"
        elif isinstance(said, dict):
            yield from _faults(said, value[key], root)


def _items(said: dict[str, Any], value: Any, root: dict[str, Any], _: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else ():
        yield from _faults(said, item, root)


def _test(of: type | tuple[type, ...], wrong: Any) -> Any:
    def keyword(said: Any, value: Any, *_: Any) -> Iterator[str]:
        if isinstance(value, of) and not isinstance(value, bool) and wrong(said, value):
            yield f"{value!r}: {said!r}"

    return keyword


_KEYWORDS: dict[str, Any] = {
    "$ref": _ref,
    "anyOf": _any_of,
    "properties": _properties,
    "additionalProperties": _more,
    "items": _items,
    "type": lambda said, value, *_: (
        []
        if any(_is(value, t) for t in ([said] if isinstance(said, str) else said))
        else [f"{value!r} is no {said}"]
    ),
    "enum": lambda said, value, *_: (
        [] if any(value == s and isinstance(value, bool) == isinstance(s, bool) for s in said)
        else [f"{value!r} is none of {said}"]
    ),
    "required": _test(dict, lambda said, value: set(said) - value.keys()),
    "pattern": _test(str, lambda said, value: not re.search(said, value)),
    "minLength": _test(str, lambda said, value: len(value) < said),
    "maxLength": _test(str, lambda said, value: len(value) > said),
    "minimum": _test((int, float), lambda said, value: value < said),
    "maximum": _test((int, float), lambda said, value: value > said),
}  # fmt: skip


def as_editors_read(text: str) -> Any:
    """YAML 1.2 has no dates: they are text."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return value.isoformat() if isinstance(value, date) else value

    return plain(yaml.load(text, Loader=yaml.CSafeLoader))


@pytest.mark.parametrize("name", shipped_schemas())
def test_it_is_a_json_schema_whose_references_lead_somewhere(name: str):
    made = entry_json_schema(load_schema(name))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    references = set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(made)))
    assert references
    assert references <= set(made["$defs"])
    if importlib.util.find_spec("jsonschema"):
        from jsonschema import Draft202012Validator

        Draft202012Validator.check_schema(made)


def test_every_entry_of_the_collection_is_accepted():
    manifest = read_manifest(load_config(ROOT / "site_config.yaml"))
    made = entry_json_schema(manifest.schema_)
    assert len(manifest.entries) > 100
    for entry in manifest.entries:
        text = entry.path.read_text(encoding="utf-8")
        assert faults(made, as_editors_read(text)) == [], entry.id


def test_the_example_of_a_new_portal_is_accepted():
    text = (ROOT / "templates" / "init" / "example.yaml").read_text(encoding="utf-8")
    assert faults(entry_json_schema(load_schema("minimal")), as_editors_read(text)) == []


@pytest.mark.parametrize(
    "line",
    [
        "collections: brain",
        "aliases: old",
        "derived_from: [a, b]",
        "citation: {pmid: 12345, authors: 'Doe, Jane', year: 2024}",
        "versions: [{version: 1.0, date: 2024}, {version: 2, date: 2024-05-01}]",
        "metadata:",
        "metadata: {tissue: , note: true, cells: 5}",
        "metadata: {another: [1, a]}",
        "contacts: [{name: Jane Doe}]",
    ],
)
def test_what_the_manifest_takes_is_accepted(line: str, tmp_path: Path):
    text = f"title: A\n{line}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert read_yaml(tmp_path / "a.yaml", Entry)[1] == []
    assert faults(entry_json_schema(SCHEMA), as_editors_read(text)) == []


@pytest.mark.parametrize(
    "line",
    [
        "titel: B",
        "id: a",
        "path: a",
        "lines: {}",
        "shown_as: a",
        "status: hidden",
        "citation: {year: 20244}",
        "citation: {pmid: [1]}",
        "versions: [{date: 2024-05-01}]",
        "contacts: [{orcid: 0000-0002-1825-0097}]",
        "collections: [1]",
        "metadata: [a]",
        "metadata: {tissue: 5}",
        "metadata: {tissue: [lung, brain]}",
        "metadata: {tissue: {id: 'UBERON:0002048'}}",
        "metadata: {tissue: {label: lung, colour: red}}",
        "metadata: {tissue: {id: lung, label: lung}}",
        "metadata: {tissues: [[lung]]}",
        "metadata: {kit: c}",
        "metadata: {kit: 3}",
        "metadata: {cells: 5.5}",
        "metadata: {area: [1, 2]}",
        "metadata: {born: 10/05/2023}",
        "metadata: {paired: 3}",
    ],
)
def test_what_is_wrong_is_refused(line: str):
    assert faults(entry_json_schema(SCHEMA), as_editors_read(f"title: A\n{line}\n"))


def test_an_entry_without_a_title_is_refused():
    assert faults(entry_json_schema(SCHEMA), {"source": "a.zarr"})


ITEMS: list[Any] = [
    "lung",
    "UBERON:0002048",
    {"id": "UBERON:0002048", "label": "lung"},
    {"label": "lung", "written": "Lung"},
    "a",
    2,
    2.0,
    2.5,
    5,
    -1.5,
    "5",
    "unknown",
    True,
    "yes",
    2024,
    "2024",
    "2024-05",
    "2024-05-10",
    "https://example.org/a",
    "TP53",
    "any words",
]


@pytest.mark.parametrize("name", FIELDS)
def test_a_value_without_any_fault_is_accepted(name: str):
    made = entry_json_schema(SCHEMA)
    accepted = 0
    for item in ITEMS:
        meant = Term(**item) if isinstance(item, dict) else item
        if isinstance(item, dict) and SCHEMA.fields[name].type != "term":
            continue
        if default_resolver().resolve(meant, SCHEMA.fields[name]).faults:
            continue
        accepted += 1
        several = [item, [item]] if SCHEMA.fields[name].many else [item]
        for value in several:
            assert faults(made, {"title": "A", "metadata": {name: value}}) == []
    assert accepted > 1


def test_a_field_is_explained_where_it_is_written():
    fields = entry_json_schema(SCHEMA)["properties"]["metadata"]["properties"]
    assert list(fields) == list(FIELDS)
    assert fields["tissue"]["description"].startswith("Tissue: Where. A term of UBERON.")
    assert "Required of Xenium" in fields["cells"]["description"]
    assert "µm" in fields["cells"]["description"]
    assert fields["kits"]["anyOf"][0]["enum"] == ["a", "b", "unknown"]
