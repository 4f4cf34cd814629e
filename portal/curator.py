"""`portal.Curator`: an object in memory is checked against a schema, and written with its terms.

What LaminDB's curators do against registries in a database, from files that come along.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import ValidationError

from portal.adding import entry_text, id_of, new_entry, source_of, write_new
from portal.curate import curate
from portal.entry import ID
from portal.errors import Problem, ProblemsError, UsageError, did_you_mean
from portal.manifest import RESERVED
from portal.objectfacts import as_json, facts_of
from portal.record import Record, Value
from portal.schema import Schema, SchemaField, load_schema
from portal.values import CURATION, default_resolver
from portal.words import count

if TYPE_CHECKING:
    from spatialdata import SpatialData

__all__ = ["Curator", "Report"]

NAME = "object"
"""What an object in memory is called in messages."""


@dataclass(frozen=True)
class Report:
    """What a validation found: every problem, and the values as they are understood."""

    problems: tuple[Problem, ...]
    record: Record

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may be."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make the object invalid."""
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def values(self) -> dict[str, tuple[Value, ...]]:
        """The values by field of the schema, resolved to terms."""
        return self.record.values

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        word = "valid" if self.ok else "not valid"
        told = count(len(self.problems), "problem")
        return "\n".join([f"{word}, {told}", *map(str, self.problems)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{p.severity}</td><td><code>{escape(p.where)}</code></td>"
            f"<td style='text-align:left'>{escape(p.what)} <i>{escape(p.remedy)}</i></td></tr>"
            for p in self.problems
        )
        return f"<b>{'valid' if self.ok else 'not valid'}</b><table>{rows}</table>"


class Curator:
    """Checks a SpatialData object against a schema.

    `schema` is a Schema, a schema.yaml, or the name of a shipped one (`minimal`,
    `spatialdata-db`). `metadata` are values that the object does not hold itself, by field.
    Raises ProblemsError for a schema with faults, UsageError for a title that is too long.
    """

    def __init__(
        self,
        sdata: SpatialData,
        schema: Schema | Path | str = "minimal",
        *,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.sdata = sdata
        self.schema = load_schema(schema)
        self.title = new_entry(title).title if title else ""
        self.metadata = dict(metadata or {})

    def validate(self) -> Report:
        """Every problem of the object, at once. Nothing is changed."""
        facts = facts_of(self.sdata, NAME)
        metadata, found = as_json(self.metadata, f"{NAME}/metadata")
        found += _unlike_values(metadata, self.schema)
        found += _taken(facts.attributes)
        entry = new_entry(self.title or NAME, metadata)
        entry = entry.model_copy(update={"id": NAME, "shown_as": NAME})
        record = curate(entry, facts, self.schema, found, in_hand=True)
        # What a field says of an attribute with its label before it, a slot says again without.
        told = {(p.code, p.where, p.what.partition(": ")[2]) for p in record.problems}
        problems = tuple(
            p.model_copy(update={"where": p.where.removesuffix(":1")})
            for p in record.problems
            if (p.code, p.where, p.what) not in told
        )
        return Report(problems, record)

    def write(self, path: Path | str, entry: Path | str | None = None) -> Path:
        """Store the object with its curated attributes, and its entry. Returns the entry's path.

        Each attribute that a field was read from gets the label of its term, and the attribute
        `curation` keeps id, label and what was written before. The entry goes beside the store
        where no place is named. Store and entry are written whole or not at all. Raises
        ProblemsError where the object is not valid, UsageError where the entry's name is no id;
        FileExistsError where the store or the entry is there already.
        """
        report = self.validate()
        if not report.ok:
            raise ProblemsError(report.problems)
        path = Path(path)
        target = Path(entry) if entry else path.with_name(f"{_id_beside(path)}.yaml")
        is_id = ID.fullmatch(target.stem) and target.name not in RESERVED
        if target.suffix not in (".yaml", ".yml") or not is_id:
            raise UsageError(
                f"{target.name!r} can't be an entry's name: lower-case letters, digits, `.`, `_` "
                "and `-`, then `.yaml`. The part before it is the artifact's id."
            )
        for there in (path, target):
            if there.exists():
                raise FileExistsError(f"{there} is there already; nothing was written.")
        title = self.title or path.name.removesuffix(".zarr") or path.name
        text = entry_text(
            report.record.model_copy(update={"title": title}),
            self.schema,
            source=source_of(path, target.parent),
            certain_title=bool(self.title),
        )
        attrs, backed_by = self.sdata.attrs, self.sdata.path
        self.sdata.attrs = self._curated(report)
        try:
            self._write_both(path, target, text)
        except BaseException:
            self.sdata.attrs, self.sdata.path = attrs, backed_by
            raise
        self.sdata.path = path
        return target

    def _write_both(self, path: Path, target: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
            whole = Path(folder) / path.name
            self.sdata.write(whole)
            write_new(target, text)
            try:
                whole.rename(path)
            except BaseException:
                target.unlink()
                raise

    def _curated(self, report: Report) -> dict[str, Any]:
        """The attributes with labels in place and all terms under `curation`."""
        attrs = copy.deepcopy(report.record.facts.attributes) if report.record.facts else {}
        kept: dict[str, list[dict[str, str]]] = {}
        for name, values in report.values.items():
            source = values[0].source
            if source.startswith("store obs"):
                continue
            kept[name] = [_as_dict(v) for v in values]
            if source.startswith("store attribute"):
                path = source.removeprefix("store attribute ").split(".")
                _put(attrs, path, values, self.schema.fields[name])
        organisms = frozenset(v.id for v in report.values.get("organism", ()) if v.id)
        slots = self._label_slots(attrs, organisms)
        before = attrs.get(CURATION, {})
        attrs[CURATION] = {
            **before,
            "schema": {"name": self.schema.name, "version": self.schema.version},
            # What another schema has found stays.
            "values": {**before.get("values", {}), **kept},
            **({"slots": slots} if slots else {}),
        }
        return attrs

    def _label_slots(self, attrs: dict[str, Any], organisms: frozenset[str]) -> dict[str, Any]:
        """Labels for the attributes that slots speak of; by slot and key what they were."""
        kept: dict[str, Any] = {}
        for slot_key, slot in self.schema.slots.items():
            kind, *path = slot_key.split(":")
            at: Any = attrs if kind == "attrs" else None
            for step in path:
                at = at.get(step) if isinstance(at, dict) else None
            for name, field in slot.fields.items() if isinstance(at, dict) else ():
                raw = at.get(name)
                texts = [i for i in (raw if isinstance(raw, list) else [raw]) if _says(i)]
                found = [default_resolver().resolve(t, field, organisms=organisms) for t in texts]
                if values := tuple(v for r in found for v in r.values):
                    _put(at, [name], values, field)
                    kept.setdefault(slot_key, {})[name] = [_as_dict(v) for v in values]
        return kept


def _id_beside(path: Path) -> str:
    """The id of an entry beside its store: its name where that can be one, else one made of it."""
    name = path.name.removesuffix(".zarr")
    return name if ID.fullmatch(name) else id_of(path)


def _unlike_values(metadata: dict[str, Any], schema: Schema) -> Iterator[Problem]:
    """Takes out what no entry can say, and tells it, and the fields that the schema has not."""
    for name, value in list(metadata.items()):
        where = f"{NAME}/metadata/{name}"
        try:
            new_entry("-", {name: value})
        except ValidationError as e:
            del metadata[name]
            long = e.errors()[0]["type"] == "string_too_long"
            yield Problem(
                code="invalid-value",
                severity="error",
                where=where,
                what="It is too long." if long else "It is no value.",
                remedy="Give text, a number, a term, or a flat list of these.",
            )
        if schema.fields and name not in schema.fields:
            yield Problem(
                code="field-unknown",
                severity="warning",
                where=where,
                what=f"The field `{name}` is not in the schema.",
                remedy=did_you_mean(name, schema.fields),
            )


def _taken(attributes: Mapping[str, Any]) -> Iterator[Problem]:
    """Somebody's own attribute in the place where terms are kept."""
    own = attributes.get(CURATION, {})
    parts = [own.get(k, {}) for k in ("schema", "values", "slots")] if isinstance(own, dict) else []
    if not parts or not all(isinstance(part, dict) for part in parts):
        yield Problem(
            code="attribute-reserved",
            severity="error",
            where=f"{NAME}/attrs/{CURATION}",
            what=f"`{CURATION}` is where the terms are kept that were found.",
            remedy="Move your own values to another key.",
        )


def _says(item: Any) -> TypeGuard[str]:
    return isinstance(item, str) and bool(item.strip())


def _put(
    attrs: dict[str, Any], path: list[str], values: tuple[Value, ...], field: SchemaField
) -> None:
    """The labels of values where they were found: a list stays a list, a number a number, and
    free text as it was written."""
    *steps, last = path
    for step in steps:
        attrs = attrs[step]
    old = attrs.get(last)
    labels = [v.label for v in values]
    if field.type in ("text", "gene", "address"):
        return
    if isinstance(old, list) and all(map(_says, old)):
        attrs[last] = labels
    elif isinstance(old, str):
        attrs[last] = labels[0] if len(labels) == 1 else labels


def _as_dict(value: Value) -> dict[str, str]:
    said = {
        "id": value.id,
        "label": value.label,
        "written": value.written,
        "ontology_version": value.ontology_version,
    }
    return {k: v for k, v in said.items() if v}
