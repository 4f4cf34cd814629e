"""Pages for curators: how well the collection is described, and what its schema asks.

`quality/` counts over all artifacts that are listed, `schema/` tells every field of the schema.
Bars are rectangles in per cent: a page may have no inline styles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from portal import curation_codes, scan_codes
from portal.artifactpage import SEVERITY, FieldLink, field_link
from portal.errors import Problem
from portal.facetvalues import value_reader
from portal.listpages import ListPages
from portal.quality import FieldQuality, QualityReport, report
from portal.record import UNKNOWN, Record, at_hand, store_of
from portal.schema import SchemaField, Slot
from portal.schemawords import (
    need_of,
    needs_of,
    rules_of,
    slot_title,
    technologies_of,
    type_of,
)
from portal.words import number, plain

__all__ = ["SHOWN", "CurationPages"]

SHOWN = 24
"""Artifacts in a list of the page `quality/`; the facets list the others."""
_STATUS_KINDS = {"pass": "ok", "warn": "warn", "fail": "bad", "declared": "declared"}

Bar = list[tuple[str, str, str]]
"""Kind, start and width of each part, the latter two in per cent."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where the artifacts with a value are listed, from the site's root."""

    browse: str = ""
    """Filtered, which takes a script."""
    page: str = ""
    """The value's own page."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a chart: what is counted, how many, out of how many."""

    label: str
    n: int
    bar: Bar
    kind: str = ""
    way: Way = Way()


@dataclass(frozen=True, slots=True)
class FieldLine:
    """How one field stands: of so many artifacts, so many know it."""

    field: FieldLink
    of: int
    known: int
    said: int
    """Where it is said that nobody knows."""
    silent: int
    share: str
    bar: Bar
    way: Way

    @property
    def lacking(self) -> int:
        """Artifacts without a value that somebody knows."""
        return self.said + self.silent


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field as the page of the schema tells it."""

    anchor: str
    name: str
    label: str
    about: str
    says: str
    several: bool
    values: list[tuple[str, str]]
    """Each with its other words."""
    need: str
    """`required`, `some` or `optional`."""
    need_text: str
    need_note: str
    places: list[str]
    facet: tuple[str, str]
    """What visitors can do with it, and where."""
    schema_org: str


class CurationPages(ListPages):
    """What curators look at before they write, and after."""

    def link(self, id_: str) -> tuple[str, str | None]:
        """Title and address of another artifact; no address where the portal has none such."""
        if id_ in self.cards:
            return self.cards[id_].title, f"datasets/{id_}/"
        return id_, None

    def quality(self) -> None:
        """What is known of the whole collection, and where a curator's hour is best spent."""
        found = report(self.listed, self.schema)
        content = self.render(
            "quality.html",
            root="../",
            total=len(self.listed),
            figures=self._figures(found),
            charts=[
                ("Required fields that are not known", _by_missing(self.listed)),
                ("What the checks say", self._by_status(found)),
            ],
            tables=_tables(self._field_lines(found)),
            unused=[field_link(f.name, self.schema) for f in found.fields if not f.applies],
            words=self._words(found),
            n_words=sum(len(f.words) for f in found.fields),
            scanned=sum(at_hand(r, "store", store_of) is not None for r in self.listed),
            differs=[self._differing(*item) for item in found.differs[:SHOWN]],
            n_differs=len(found.differs),
            all_differs=self._all("differing_fields"),
            same=[self._same(group) for group in found.duplicates[:SHOWN]],
            n_same=len(found.duplicates),
            all_same=self._all("duplicates"),
            least=[self._least(r) for r in found.incomplete[:SHOWN]],
            n_least=len(found.incomplete),
            all_least=self._incomplete(),
            codes=[self._code(*item) for item in found.codes],
        )
        self.write(
            "quality/",
            "Quality of the metadata",
            content,
            description=f"How well the artifacts of {self.config.title} are described.",
        )

    def _figures(self, found: QualityReport) -> list[tuple[str, str]]:
        asked = sum(r.quality.asked > 0 for r in self.listed)
        n_words = sum(len(f.words) for f in found.fields)
        same = sum(bool(r.quality.duplicates) for r in self.listed)
        figures = [(f"{found.mean} %", "mean completeness")] if found.mean is not None else []
        if asked:
            lacking = f"{number(len(found.incomplete))} of {number(len(self.listed))}"
            figures.append((lacking, "lack a required field"))
        return [
            *figures,
            (number(n_words), "word without a term" if n_words == 1 else "words without a term"),
            (
                number(len(found.differs)),
                "entry differs from its store"
                if len(found.differs) == 1
                else "entries differ from their store",
            ),
            (number(same), "artifacts share a store"),
        ]

    def _by_status(self, found: QualityReport) -> list[Line]:
        """Artifacts by what the checks said, by the words that the facet has for it."""
        read = value_reader("validation_status", {})
        words = {r.validation_status: read(r)[0][0] for r in self.listed}
        return [
            Line(
                words[status],
                n := found.statuses[status],
                _bar(len(self.listed), (kind, n)),
                kind,
                self._way("validation_status", words[status]),
            )
            for status, kind in _STATUS_KINDS.items()
            if status in words
        ]

    def _field_lines(self, found: QualityReport) -> dict[str, list[tuple[str, FieldLine]]]:
        """Lines with their groups: of required fields over those artifacts that must have them,
        of the others over all that can."""
        lacking = Counter(
            (name, bool(r.values.get(name))) for r in self.listed for name in r.quality.missing
        )
        lines: dict[str, list[tuple[str, FieldLine]]] = {"Required": [], "Optional": []}
        for field in found.fields:
            if field.required:
                said, silent = lacking[field.name, True], lacking[field.name, False]
                line = self._field_line(field, field.required, said, silent, "missing_fields")
            elif field.applies:
                line = self._field_line(field, field.applies, field.said_unknown, field.absent)
            else:
                continue
            part = "Required" if field.required else "Optional"
            lines[part].append((self.schema.fields[field.name].group, line))
        return lines

    def _field_line(
        self, field: FieldQuality, of: int, said: int, silent: int, column: str = ""
    ) -> FieldLine:
        known = max(of - said - silent, 0)
        return FieldLine(
            field=field_link(field.name, self.schema),
            of=of,
            known=known,
            said=said,
            silent=silent,
            share=_share(known, of),
            bar=_bar(of, ("known", known), ("said", said)),
            way=self._way(column, field.name)
            if column
            else self._unknown(field.name, said + silent),
        )

    def _unknown(self, column: str, n: int) -> Way:
        """The artifacts of which a field is unknown, where the facet counts the same ones."""
        values = known.values if (known := self.column(column)) else []
        same = any(v.label == UNKNOWN and v.id is None and len(v.records) == n for v in values)
        return self._way(column, UNKNOWN) if same else Way()

    def _way(self, column: str, label: str) -> Way:
        """Where the artifacts with a value are listed; nowhere if the site has no such facet."""
        page = self.facets.address(column, label)
        known = self.column(column)
        if not page:
            return Way()
        query = urlencode({column: label}, errors="replace")
        return Way(f"browse/?{query}" if known and known.in_rail else "", page)

    def _all(self, column: str) -> Way:
        """The page of a column's values, which lead to every artifact."""
        known = self.column(column)
        return Way(page=f"by/{column}/") if known and known.known else Way()

    def _incomplete(self) -> Way:
        """All artifacts that lack a required field."""
        page = self._all("missing_fields").page
        ranged = page and any(r.column == "completeness" for r in self.facets.ranges)
        return Way("browse/?completeness=..99" if ranged else "", page)

    def _words(self, found: QualityReport) -> list[tuple[FieldLink, list[tuple[str, int, str]]]]:
        """By field the words without a term, each with its number and its page."""

        def words(field: FieldQuality) -> list[tuple[str, int, str]]:
            labels = ((" ".join(plain(text).split()), n) for text, n in field.words)
            return [(text, n, self.facets.address(field.name, text) or "") for text, n in labels]

        return [(field_link(f.name, self.schema), words(f)) for f in found.fields if f.words]

    def _differing(self, record: Record, problems: Sequence[Problem]) -> dict[str, Any]:
        """What was found; where no problem tells it, the fields alone."""
        fields = [] if problems else [field_link(n, self.schema) for n in record.quality.differs]
        return {"card": self.cards[record.id], "problems": problems, "fields": fields}

    def _same(self, group: Sequence[Record]) -> list[tuple[str, str | None]]:
        """Everything with one store, also what is not listed any more."""
        ids = {id_ for r in group for id_ in (r.id, *r.quality.duplicates)}
        return [self.link(id_) for id_ in sorted(ids)]

    def _least(self, record: Record) -> dict[str, Any]:
        quality = record.quality
        known = quality.asked - len(quality.missing)
        return {
            "card": self.cards[record.id],
            "known": known,
            "asked": quality.asked,
            "bar": _bar(quality.asked, ("known", known)),
            "missing": [field_link(name, self.schema) for name in quality.missing],
        }

    def _code(self, code: str, severity: str, n: int) -> dict[str, Any]:
        css, word = SEVERITY[severity]
        meaning = curation_codes.CODES.get(code) or scan_codes.CODES.get(code) or ""
        return {
            "code": code,
            "css": css,
            "word": word,
            "meaning": meaning,
            "n": n,
            "bar": _bar(len(self.listed), (css, n)),
            "way": self._way("problem_codes", code),
        }

    def fields(self) -> None:
        """Every field of the schema: what it may say, who must give it, where it is found."""
        groups: dict[str, list[FieldRow]] = {}
        for name, field in self.schema.fields.items():
            groups.setdefault(plain(field.group), []).append(self._field_row(name, field))
        technologies = technologies_of(self.schema)
        needs = {n: needs_of(f, technologies) for n, f in self.schema.fields.items()}
        needed = Counter(row.need for rows in groups.values() for row in rows)
        base = self.config.base_url
        content = self.render(
            "schema.html",
            root="../",
            schema=self.schema,
            groups=list(groups.items()),
            n_required=needed["required"],
            n_some=needed["some"],
            technologies=[plain(t) for t in technologies],
            needs=[
                (field_link(name, self.schema), row)
                for name, row in needs.items()
                if set(row) != {"optional"}
            ],
            free=[
                field_link(name, self.schema)
                for name, row in needs.items()
                if set(row) == {"optional"}
            ],
            slots=[self._slot(key, slot) for key, slot in self.schema.slots.items()],
            modeline=f"# yaml-language-server: $schema={base and base + 'schema/'}entry.schema.json",
        )
        self.write(
            "schema/",
            "Metadata schema",
            content,
            tab="docs",
            description=f"The metadata fields of {self.config.title}, and what they may say.",
        )

    def _field_row(self, name: str, field: SchemaField, anchored: bool = True) -> FieldRow:
        link = field_link(name, self.schema) if anchored else None
        need, text, note = need_of(field)
        return FieldRow(
            anchor=link.address.partition("#")[2] if link and link.address else "",
            name=plain(name),
            label=link.label if link else plain(field.label),
            about=plain(field.description),
            says=type_of(field),
            several=field.many,
            values=[(plain(v), ", ".join(map(plain, also))) for v, also in field.values.items()],
            need=need,
            need_text=text,
            need_note=note,
            places=[*map(plain, field.found_in), *(plain(f"obs: {c}") for c in field.obs)],
            facet=self._facet(name, field) if anchored else ("", ""),
            schema_org=plain(field.schema_org),
        )

    def _facet(self, name: str, field: SchemaField) -> tuple[str, str]:
        column = self.column(name)
        if column and column.known:
            return ("Filter" if column.in_rail else "Values"), f"by/{name}/"
        if any(r.column == name for r in self.facets.ranges):
            return "Range", "browse/"
        return ("Filter" if field.facet else ""), ""

    def _slot(self, key: str, slot: Slot) -> dict[str, Any]:
        rows = [self._field_row(n, f, anchored=False) for n, f in slot.fields.items()]
        if slot.index:
            rows.insert(0, self._field_row("index", slot.index, anchored=False))
        return {
            "key": plain(key),
            "title": slot_title(key),
            "about": plain(slot.description),
            "required": slot.required,
            "rules": [(label, [plain(v) for v in values]) for label, values in rules_of(slot)],
            "closed": slot.closed,
            "rows": rows,
        }


def _bar(of: int, *parts: tuple[str, int]) -> Bar:
    """The parts side by side; what is left of the whole stays empty."""
    bar, start = [], 0.0
    for kind, n in parts:
        width = min(100 * n / of, 100 - start) if of else 0.0
        if width:
            bar.append((kind, f"{round(start, 2):g}", f"{round(width, 2):g}"))
        start += width
    return bar


def _share(part: int, whole: int) -> str:
    """Per cent; neither all nor nothing is said of what is only nearly so."""
    if not whole:
        return ""
    share = round(100 * part / whole)
    return f"{min(max(share, 1), 99) if 0 < part < whole else share} %"


def _by_missing(records: Iterable[Record]) -> list[Line]:
    """Artifacts by how many of their required fields are not known."""
    counted = Counter(min(len(r.quality.missing), 4) for r in records if r.quality.asked)
    total = sum(counted.values())
    names = ("none", "one field", "two fields", "three fields", "four and more")
    last = max(counted, default=-1)
    return [
        Line(name, counted[i], _bar(total, ("known" if i == 0 else "lacking", counted[i])))
        for i, name in enumerate(names[: last + 1])
    ]


def _tables(
    lines: dict[str, list[tuple[str, FieldLine]]],
) -> list[tuple[str, list[tuple[str, list[FieldLine]]]]]:
    """Each part's lines by group; parts without a line are left out."""
    tables = []
    for part, grouped in lines.items():
        groups: dict[str, list[FieldLine]] = {}
        for group, line in grouped:
            groups.setdefault(plain(group), []).append(line)
        if groups:
            tables.append((part, list(groups.items())))
    return tables
