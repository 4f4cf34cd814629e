"""`portal.Curator`: an object in memory is checked against a schema, and written with its terms.

What LaminDB's curators do against registries in a database, from files that come along.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.adding import entry_text
from portal.curate import curate
from portal.entry import Entry
from portal.errors import Problem, ProblemsError
from portal.objectfacts import facts_of
from portal.record import Record, Value
from portal.schema import Schema, load_schema
from portal.values import CURATION, default_resolver

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
        return "\n".join([f"{word}, {len(self.problems)} problems", *map(str, self.problems)])

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
    Raises ProblemsError for a schema with faults.
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
        self.title = title
        self.metadata = dict(metadata or {})

    def validate(self) -> Report:
        """Every problem of the object, at once. Nothing is changed."""
        facts = facts_of(self.sdata, NAME)
        entry = Entry.model_validate({"title": self.title or NAME, "metadata": self.metadata})
        entry = entry.model_copy(update={"id": NAME, "shown_as": NAME})
        record = curate(entry, facts, self.schema, in_hand=True)
        problems = tuple(
            p.model_copy(update={"where": p.where.removesuffix(":1")}) for p in record.problems
        )
        return Report(problems, record)

    def write(self, path: Path | str, entry: Path | str | None = None) -> Path:
        """Store the object with its curated attributes, and its entry. Returns the entry's path.

        Each attribute that a field was read from gets the label of its term, and the attribute
        `curation` keeps id, label and what was written before. The entry goes beside the store
        where no place is named. Raises ProblemsError, and writes nothing, where the object is
        not valid; FileExistsError where the store or the entry is there already.
        """
        report = self.validate()
        if not report.ok:
            raise ProblemsError(report.problems)
        path = Path(path)
        target = Path(entry) if entry else path.with_suffix(".yaml")
        for there in (path, target):
            if there.exists():
                raise FileExistsError(f"{there} is there already; nothing was written.")
        before = self.sdata.attrs
        self.sdata.attrs = self._curated(report)
        try:
            self.sdata.write(path)
        except BaseException:
            self.sdata.attrs = before
            raise
        record = report.record.model_copy(update={"title": self.title or path.stem})
        source = Path(os.path.relpath(path.resolve(), target.parent.resolve())).as_posix()
        text = entry_text(record, self.schema, source=source, certain_title=bool(self.title))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as f:
            f.write(text)
        return target

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
                _put(attrs, source.removeprefix("store attribute ").split("."), values)
        self._label_slots(attrs)
        schema = {"name": self.schema.name, "version": self.schema.version}
        attrs[CURATION] = {"schema": schema, "values": kept}
        return attrs

    def _label_slots(self, attrs: dict[str, Any]) -> None:
        """The attributes that only slots speak of get their labels too."""
        organisms = frozenset[str]()
        for key, slot in self.schema.slots.items():
            kind, *path = key.split(":")
            at: Any = attrs if kind == "attrs" else None
            for step in path:
                at = at.get(step) if isinstance(at, dict) else None
            for name, field in slot.fields.items() if isinstance(at, dict) else ():
                item = at.get(name)
                if isinstance(item, str) and item:
                    found = default_resolver().resolve(item, field, organisms=organisms)
                    _put(at, [name], found.values)


def _put(attrs: dict[str, Any], path: list[str], values: tuple[Value, ...]) -> None:
    """The labels of values where they were found: a list stays a list, a number a number."""
    *steps, last = path
    for step in steps:
        attrs = attrs[step]
    old = attrs.get(last)
    if isinstance(old, str) and len(values) == 1:
        attrs[last] = values[0].label
    elif (isinstance(old, str | list) and len(values) > 1) or (
        isinstance(old, list) and values and all(isinstance(o, str) for o in old)
    ):
        attrs[last] = [v.label for v in values]


def _as_dict(value: Value) -> dict[str, str]:
    said = {
        "id": value.id,
        "label": value.label,
        "written": value.written,
        "ontology_version": value.ontology_version,
    }
    return {k: v for k, v in said.items() if v}
