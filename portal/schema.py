"""The metadata schema: which fields there are, what they may say, and what an object must have.

`schema.yaml` says each field once; validation, the columns of the catalog, facets and pages all
come from it. A schema may extend another one, a shipped one or a file beside it: fields and
slots are merged key by key, so that a portal writes down only what it has otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from portal.errors import Problem, ProblemsError, did_you_mean
from portal.ontology import ONTOLOGIES
from portal.resources import default_schema, shipped_schema, shipped_schemas
from portal.tidy import shown
from portal.yamlfile import Loc, read_yaml

__all__ = ["ENDING", "Schema", "SchemaField", "Slot", "load_schema", "read_schema"]

FieldType = Literal[
    "term", "enum", "text", "integer", "number", "date", "address", "boolean", "gene"
]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CURIE = re.compile(r"([A-Za-z]+):[A-Za-z0-9_.-]+")
_SLOT = re.compile(
    r"attrs(:[^:]+)*|tables:[^:]+:(obs|var)|(images|labels|shapes|points|tables)(:[^:]+)?"
)
_NUMBERS = ("integer", "number")
_DEEPEST = 20
"""So many schemas may extend one another."""
ENDING = ".schema.yaml"
"""How a file that others extend is called, so that nobody takes it for an entry."""
SLOT_HELP = (
    "Slots are `attrs`, `attrs:<key>`, `tables:<table>:obs`, `tables:<table>:var`, and `images`, "
    "`labels`, `shapes`, `points`, `tables`, alone or with an element's name."
)


def _field_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a field name: lower case, digits and `_`")
    return text


def _slot_name(text: str) -> str:
    if not _SLOT.fullmatch(text):
        raise ValueError(f"`{text[:80]}` is no slot. {SLOT_HELP}")
    return text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _with_synonyms(value: Any) -> Any:
    """`[RNA, protein]` and `{RNA: [transcriptome], protein: null}` are both allowed."""
    if isinstance(value, list):
        if any(isinstance(v, bool) for v in value):
            raise ValueError(
                "a bare yes or no is a truth value in YAML: put quotes around the word"
            )
        return {str(v): () for v in value}
    if isinstance(value, dict):
        return {str(k): [] if v is None else _listed(v) for k, v in value.items()}
    return value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SchemaField(_Part):
    """One metadata field: what it means, what it may say, where it is found and shown."""

    label: Annotated[str, Field(max_length=100)] = ""
    description: Annotated[str, Field(max_length=1000)] = ""
    group: Annotated[str, Field(max_length=50)] = "Other"
    """The heading under which pages show it."""
    type: FieldType = "text"
    many: bool = False
    """Whether it may have several values."""
    required: bool | Listed = False
    """Always, or for these technologies."""
    only: Listed = ()
    """The technologies that have this field at all; empty for every one."""
    ontology: Listed = ()
    """Of a term: prefixes such as `UBERON`, or ids, which stand for themselves and what is below."""
    values: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_with_synonyms)] = {}
    """Of an enumeration: each value, with other words for it."""
    open: bool = False
    """Whether an enumeration takes other values too."""
    unit: str = ""
    """Of a number, as people write it: `µm²`."""
    minimum: float | None = None
    maximum: float | None = None
    found_in: Listed = ()
    """Root attributes that may hold the value, for example `metadata_general.Assay`."""
    obs: Listed = ()
    """Columns of obs whose categories are values of this field."""
    facet: Literal["term", "value", "range"] | None = None
    """Whether visitors filter by it, and how."""
    show: Literal["plain", "italic", "hidden"] = "plain"
    """How pages show it."""
    schema_org: str = ""
    """The property of schema.org's Dataset (Croissant is based on it) that tells its values."""

    def applies(self, technologies: frozenset[str]) -> bool:
        """Whether an artifact of these technologies (folded names) has this field."""
        return not self.only or bool({t.casefold() for t in self.only} & technologies)

    def is_required(self, technologies: frozenset[str]) -> bool:
        """Whether an artifact of these technologies (folded names) must have a value."""
        if isinstance(self.required, bool):
            return self.required and self.applies(technologies)
        return bool({t.casefold() for t in self.required} & technologies)


Fields = dict[Annotated[str, AfterValidator(_field_name)], SchemaField]


class Slot(_Part):
    """What one part of the object must have. What its kind does not have stays empty."""

    description: Annotated[str, Field(max_length=1000)] = ""
    required: bool = False
    """Whether the part itself, or one element of the kind, must be there."""
    fields: dict[str, SchemaField] = {}
    """Keys of attributes, or columns of obs, var, points and shapes."""
    index: SchemaField | None = None
    """What the index of obs or var holds."""
    closed: bool = False
    """Whether other keys or columns are faults."""
    elements: Listed = ()
    """Names of the elements that must be there."""
    axes: Annotated[str, Field(pattern=r"^[tczyx]*$")] = ""
    """Of images and labels, in their order: `cyx`."""
    channels: Listed = ()
    """Channels that an image must have."""
    coordinate_systems: Listed = ()
    """Coordinate systems that each element must lie in."""
    unit: str = ""
    """Of the axes of space, as the store must say it: `micrometer`."""


Slots = dict[Annotated[str, AfterValidator(_slot_name)], Slot]


class Schema(_Part):
    """`schema.yaml`: the metadata fields of a portal, in the order in which they are shown, and
    the slots of its objects."""

    name: Annotated[str, Field(max_length=100)] = ""
    version: Annotated[str, BeforeValidator(str), Field(max_length=50)] = ""
    description: Annotated[str, Field(max_length=5000)] = ""
    extends: Annotated[str, Field(max_length=200)] = ""
    """A shipped schema's name, or a file beside this one."""
    fields: Fields = {}
    slots: Slots = {}

    def places(self) -> Iterator[tuple[str, str]]:
        """Every (attribute path, field) in the order in which they are looked up."""
        for name, field in self.fields.items():
            for path in field.found_in:
                yield path, name


def load_schema(given: Schema | Path | str) -> Schema:
    """A schema as people name it: itself, a file, or a shipped one (`minimal`).

    Raises ProblemsError with every fault in it.
    """
    if isinstance(given, Schema):
        return given
    path = Path(given)
    if isinstance(given, str) and path.suffix not in (".yaml", ".yml"):
        known = shipped_schemas()
        if given not in known:
            remedy = did_you_mean(given, known)
            what = f"There is no schema `{given}`."
            raise ProblemsError([_fault(given, "schema-missing", what, remedy)])
        path = shipped_schema(given)
    schema, problems = read_schema(path)
    if schema is None or any(p.severity == "error" for p in problems):
        raise ProblemsError(problems)
    return schema


def read_schema(
    path: Path | None = None, shown_as: str | None = None
) -> tuple[Schema | None, list[Problem]]:
    """Read schema.yaml and what it extends; the default one for None.

    Returns the merged schema (None where it can't be read) and all problems.
    """
    path = path or default_schema()
    return _read(path, shown_as or str(path), ())


def _read(path: Path, file: str, trail: tuple[Path, ...]) -> tuple[Schema | None, list[Problem]]:
    schema, problems, lines = read_yaml(path, Schema, shown_as=file)
    if schema is None:
        return None, problems
    if schema.extends:
        base, found = _base(schema.extends, path, file, lines, (*trail, path.resolve()))
        problems += found
        schema = _merged(base, schema) if base else schema
    told = {(p.code, p.what) for p in problems}  # what a base says wrong is told of the base
    faults = [p for p in _faults(schema, file, lines) if (p.code, p.what) not in told]
    return schema, [*problems, *faults]


def _base(
    name: str, path: Path, file: str, lines: Mapping[Loc, int], trail: tuple[Path, ...]
) -> tuple[Schema | None, list[Problem]]:
    where = f"{file}:{lines.get(('extends',), 1)}"
    known = shipped_schemas()
    base = shipped_schema(name) if name in known else _beside(path, name)
    if base is None:
        what = f"`extends` names `{shown(name)}`, which is no shipped schema and no file here "
        what += f"that ends in `{ENDING}`."
        return None, [_fault(where, "schema-missing", what, did_you_mean(name, known))]
    if base.resolve() in trail:
        circle = " → ".join(p.name for p in (*trail, base))
        what = f"`extends` leads in a circle: {circle}."
        return None, [_fault(where, "schema-cycle", what)]
    if len(trail) > _DEEPEST:
        what = f"More than {_DEEPEST} schemas extend one another."
        return None, [_fault(where, "schema-cycle", what, "Put some of them together.")]
    return _read(base, base.name if name in known else str(Path(file).parent / name), trail)


def _beside(path: Path, name: str) -> Path | None:
    """The file `<name>.schema.yaml` in the folder of `path` or below it, None where there is none."""
    try:
        file = (path.parent / name).resolve()
        inside = file.is_relative_to(path.parent.resolve()) and f".{file.name}".endswith(ENDING)
        return file if inside and file.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def _merged(base: Schema, own: Schema) -> Schema:
    """`own` over `base`: what is written there counts, key by key."""

    def over(old: Any, new: Any) -> Any:
        said = {k: getattr(new, k) for k in new.model_fields_set}
        if isinstance(new, Slot) and isinstance(old, Slot):
            said["fields"] = merge(old.fields, new.fields)
            if old.index and new.index:
                said["index"] = over(old.index, new.index)
        return old.model_copy(update=said)

    def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        merged = dict(old)
        for key, value in new.items():
            merged[key] = over(merged[key], value) if key in merged else value
        return merged

    said = {k: getattr(own, k) for k in own.model_fields_set}
    said["fields"] = merge(base.fields, own.fields)
    said["slots"] = merge(base.slots, own.slots)
    return base.model_copy(update=said)


def _faults(schema: Schema, file: str, lines: Mapping[Loc, int]) -> Iterator[Problem]:
    """What each key alone can't tell: keys that do not go together, a place claimed twice."""

    def where(*loc: str) -> str:
        at: Loc = loc
        while at and at not in lines:
            at = at[:-1]
        return f"{file}:{lines.get(at, 1)}"

    claimed: dict[tuple[str, str], str] = {}
    columns = ((c, name) for name, field in schema.fields.items() for c in field.obs)
    for key, places in (("found_in", schema.places()), ("obs", columns)):
        for place, name in places:
            first = claimed.setdefault((key, place), name)
            if first != name:
                kind = "the column `" if key == "obs" else "`"
                what = f"`{name}` is found in {kind}{place}`, and so is `{first}`."
                yield _fault(where("fields", name, key), "schema-place-twice", what)
    labels: dict[str, str] = {}
    for name, field in schema.fields.items():
        first = labels.setdefault((field.label or name).casefold(), name)
        if first != name:
            what = f"`{name}` and `{first}` are both called `{field.label or name}`."
            yield _fault(where("fields", name), "schema-label-twice", what)
    for loc, field in _all_fields(schema):
        yield from (
            _fault(where(*loc, key), code, f"`{'.'.join(loc[1:])}`: {what}", remedy)
            for key, code, what, remedy in _field_faults(field)
        )


def _all_fields(schema: Schema) -> Iterator[tuple[tuple[str, ...], SchemaField]]:
    for name, field in schema.fields.items():
        yield ("fields", name), field
    for key, slot in schema.slots.items():
        for name, field in slot.fields.items():
            yield ("slots", key, "fields", name), field
        if slot.index:
            yield ("slots", key, "index"), slot.index


def _field_faults(field: SchemaField) -> Iterator[tuple[str, str, str, str]]:
    """Key at fault, code, what is wrong, and what to do."""
    if field.type == "term" and not field.ontology:
        remedy = f"Known: {', '.join(ONTOLOGIES)}."
        yield "type", "schema-field", "A term needs an `ontology`.", remedy
    for name in field.ontology:
        prefix = match[1] if (match := _CURIE.fullmatch(name)) else name
        if prefix not in ONTOLOGIES:
            what = f"The portal has no ontology `{name}`."
            remedy = did_you_mean(name, ONTOLOGIES)
            yield "ontology", "schema-ontology-unknown", what, remedy
    for key, types in (
        ("ontology", ("term",)),
        ("values", ("enum",)),
        ("open", ("enum",)),
        ("unit", _NUMBERS),
        ("minimum", _NUMBERS),
        ("maximum", _NUMBERS),
    ):
        given = getattr(field, key) != SchemaField.model_fields[key].default
        if given and field.type not in types:
            what = f"`{key}` belongs to the type {' or '.join(types)}, not to {field.type}."
            yield key, "schema-field", what, ""
    if field.type == "enum" and not field.values:
        yield "type", "schema-field", "An enumeration needs `values`.", ""
    if field.facet == "range" and field.type not in ("integer", "date"):
        what = "Only whole numbers and dates have a range."
        yield "facet", "schema-field", what, ""


def _fault(where: str, code: str, what: str, remedy: str = "") -> Problem:
    return Problem(code=code, severity="error", where=where, what=what, remedy=remedy)
