"""Everything that an artifact's page shows, worked out of its Record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from markupsafe import Markup, escape

from portal.cards import Card
from portal.config import SiteConfig
from portal.elements import element_groups
from portal.facets import Facets
from portal.prose import summary, to_html
from portal.record import UNKNOWN, Products, Record, Value, View
from portal.schema import Schema
from portal.snippets import snippets_of
from portal.words import count, initial_capital, number, plain, size, web_address

__all__ = ["SEVERITY", "FieldLink", "ValueWriter", "as_offered", "field_link", "page_context"]

SEVERITY = {"error": ("bad", "Error"), "warning": ("warn", "Warning"), "info": ("note", "Note")}
"""Class and word of each gravity."""


@dataclass(frozen=True, slots=True)
class Term:
    """A value on the page: its label, its id, and where its landing page is."""

    label: str
    id: str | None
    address: str | None
    written: str
    known: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of facts: a label, its values as HTML or a text, a small second line."""

    label: str
    html: Markup | None = None
    text: str = ""
    note: str = ""
    href: str | None = None
    scanned: str = ""
    """Where in the store it was found; empty for what is declared."""


@dataclass(frozen=True, slots=True)
class FieldLink:
    """A field of the schema by its label, and where it is explained, from the site's root."""

    label: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Described:
    """How well an artifact is described, in the words of its page."""

    asked: int
    known: int
    share: int
    """Per cent of what is asked; it is a bar's width too."""
    missing: list[FieldLink]
    without_term: list[FieldLink]
    differs: list[FieldLink]


class ValueWriter:
    """Values as HTML. Those that many records share are written once."""

    def __init__(
        self, facets: Facets, render: Callable[..., Markup], root: str, schema: Schema
    ) -> None:
        self.facets = facets
        self.italic = {name for name, f in schema.fields.items() if f.show == "italic"}
        self.render = render
        self.root = root
        self.known: dict[tuple[object, ...], Markup] = {}

    def write(self, column: str, values: Sequence[Value], integer: bool = False) -> Markup:
        """The values of one field, with their ids and the ways to their landing pages."""
        key = (column, *((v.label, v.id, v.written) for v in values))
        html = self.known.get(key)
        if html is not None:
            return html
        terms = tuple(_term(column, v, self.facets) for v in values)
        if integer:
            terms = tuple(_grouped(t) for t in terms)
        if len(terms) == 1 and terms[0].known and not (terms[0].id or terms[0].address):
            return escape(terms[0].label)
        html = self.render(
            "partials/values.html", terms=terms, italic=column in self.italic, root=self.root
        )
        if any(t.address for t in terms):
            self.known[key] = html
        return html


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of the table of files; `href` starts from the site's root or is absolute."""

    what: str
    where: str
    href: str | None
    files: str
    bytes: str


def as_offered(record: Record, config: SiteConfig) -> Record:
    """The record as its page may tell it: where the data are not offered, without any address
    of a store. Those of a withdrawn artifact keep neither picture nor what a scan found."""
    open_to_all = record.status in ("public", "superseded")
    if open_to_all and config.data.publish != "none":
        return record
    kept: dict[str, Any] = {
        "url": None,
        "versions": tuple(v.model_copy(update={"url": None}) for v in record.versions),
        "products": record.products.model_copy(update={"copy_": None}),
    }
    if not open_to_all:
        reason = record.products.view.reason or "The artifact is not published yet."
        kept["products"] = Products(picture=record.products.picture, view=View(reason=reason))
    if record.status == "withdrawn":
        kept |= {"products": Products(), "facts": None, "problems": ()}
    return record.model_copy(update=kept)


def page_context(
    record: Record, card: Card, writer: ValueWriter, schema: Schema, config: SiteConfig
) -> dict[str, Any]:
    """What the template of an artifact's page needs, apart from its neighbours in lists."""
    terms = {
        name: writer.write(name, values, _is_integer(schema, name))
        for name, values in record.values.items()
    }
    problems = [(*SEVERITY[p.severity], p) for p in record.problems]
    problems.sort(key=lambda item: ("bad", "warn", "note").index(item[0]))
    # Notes are many and ask for nothing: they must not hide what does.
    notes = [item for item in problems if item[0] == "note"]
    return {
        "record": record,
        "card": card,
        "description": to_html(record.description),
        "facts": _ten_facts(record, terms),
        "groups": element_groups(record.facts) if record.facts else [],
        "metadata": _metadata(record, terms, schema),
        "snippets": snippets_of(record, config.base_url),
        "files": _files(record),
        "problems": problems[: len(problems) - len(notes)],
        "notes": notes,
        "described": _described(record, schema),
        "tally": _tally(record),
        "passed": _passed(record),
        "license_url": web_address(record.license.url) if record.license else None,
        "cite_url": web_address(record.citation.url) if record.citation else None,
        "csl": _csl(record),
        "versions": [(v, web_address(v.url)) for v in reversed(record.versions)],
        "store_url": web_address(record.url),
        "page_url": web_address(record.page),
        "report": _report(config.report_url, record),
        "summary": summary(record.description) or _sentence(card),
        "no_view": record.products.view.reason or "Views are made when the site is built.",
    }


def field_link(name: str, schema: Schema) -> FieldLink:
    """A field's label and its place on the page of the schema, which tells only its own fields."""
    known = schema.fields.get(name)
    if known is None:
        return FieldLink(plain(initial_capital(name)), None)
    # The page has a part called `content` already: what the link to skip the header leads to.
    anchor = "content-field" if name == "content" else name
    return FieldLink(plain(known.label) or initial_capital(name), f"schema/#{anchor}")


def _described(record: Record, schema: Schema) -> Described:
    quality = record.quality

    def links(names: Sequence[str]) -> list[FieldLink]:
        return [field_link(name, schema) for name in names]

    return Described(
        asked=quality.asked,
        known=quality.asked - len(quality.missing),
        share=quality.completeness or 0,
        missing=links(quality.missing),
        without_term=links(quality.without_term),
        differs=links(quality.differs),
    )


def _term(column: str, value: Value, facets: Facets) -> Term:
    label = plain(value.label)
    return Term(
        label=label,
        id=value.id if value.id != value.label else None,
        address=facets.address(column, label, value.id),
        written=plain(value.written or ""),
        known=label.casefold() != UNKNOWN,
    )


def _ten_facts(record: Record, terms: Mapping[str, Markup]) -> list[Row]:
    """The ten that a person decides by, always the same and in the same order."""

    def row(label: str, field: str, note: str = "") -> Row:
        return Row(label, terms.get(field), note=note)

    def said(*fields: str) -> str:
        found = (plain(", ".join(record.labels(f))) for f in fields)
        return ", ".join(f for f in found if f and f != UNKNOWN)

    preparation = said("preservation_method", "staining_method")
    return [
        row("Technology", "technology", said("chemistry_version")),
        row("Assay", "assay"),
        row("Organism", "organism"),
        row("Tissue", "tissue"),
        row("Disease", "disease", said("disease_details")),
        Row("Preparation", text=preparation),
        Row("Observations", text=_observations(record), note=_count_source(record)),
        Row("Image", text=_image(record)),
        Row("Store", text=_store(record), note=_store_note(record)),
        Row(
            "Licence",
            text=plain(record.license.label) if record.license else "",
            href=web_address(record.license.url) if record.license else None,
        ),
    ]


def _observations(record: Record) -> str:
    if record.n_obs is None:
        return ""
    features = f" × {number(record.n_features)} features" if record.n_features is not None else ""
    return plain(f"{number(record.n_obs)} {record.obs_noun}{features}")


def _count_source(record: Record) -> str:
    return "declared by the curator" if record.n_obs_source == "declared" else ""


def _image(record: Record) -> str:
    images = record.facts.of("images") if record.facts else []
    readable = [e for e in images if e.shape and len(e.shape) >= 2]
    if not readable:
        return "none" if record.facts and record.facts.elements and not images else ""
    largest = max(readable, key=lambda e: e.shape[-1] * e.shape[-2])  # type: ignore[index]
    height, width = largest.shape[-2:]  # type: ignore[index]
    colour = (
        "RGB"
        if largest.rgb
        else count(len(largest.channels), "channel")
        if largest.channels
        else ""
    )
    parts = [f"{width:,} × {height:,} px", colour]
    if len(largest.levels) > 1:
        parts.append(count(len(largest.levels), "level"))
    return ", ".join(p for p in parts if p)


def _store(record: Record) -> str:
    facts = record.facts
    if facts is None:
        return ""
    parts = [size(facts.bytes) if facts.bytes is not None else ""]
    if facts.files is not None:
        parts.append(count(facts.files, "file"))
    if facts.zarr_format:
        parts.append(f"Zarr v{facts.zarr_format}")
    return ", ".join(p for p in parts if p)


def _store_note(record: Record) -> str:
    if record.facts is None:
        return "no scan has reached it yet"
    kind = record.facts.kind
    if kind != "spatialdata":
        return f"not a SpatialData store: {kind}"
    version = record.facts.container_version
    return f"SpatialData {version}" if version else ""


def _metadata(
    record: Record, terms: Mapping[str, Markup], schema: Schema
) -> list[tuple[str, list[Row]]]:
    """The values by group of the schema, in its order; what the schema lacks comes last."""
    groups: dict[str, list[Row]] = {}
    for name, html in terms.items():
        known = schema.fields.get(name)
        if known and known.show == "hidden":
            continue
        label = field_link(name, schema).label
        source = record.values[name][0].source
        row = Row(label, html, scanned="" if source == "declared" else plain(source))
        groups.setdefault(plain(known.group) if known else "Other", []).append(row)
    return list(groups.items())


def _is_integer(schema: Schema, name: str) -> bool:
    known = schema.fields.get(name)
    return bool(known) and known.type == "integer" and "year" not in name


def _grouped(term: Term) -> Term:
    """A count with separators; a text stays as it is."""
    digits = term.label.isdecimal() and len(term.label) > 3
    return replace(term, label=number(int(term.label))) if digits else term


def _files(record: Record) -> list[FileLine]:
    products, facts, lines = record.products, record.facts, []
    if record.url:
        lines.append(
            FileLine(
                "Original store",
                plain(record.url),
                web_address(record.url),
                number(facts.files) if facts and facts.files is not None else "unknown",
                size(facts.bytes) if facts and facts.bytes is not None else "unknown",
            )
        )
    folder = f"datasets/{record.id}/"
    if copy := products.copy_:
        lines += [
            FileLine("Published copy", copy.store, None, number(copy.files), size(copy.bytes)),
            FileLine("List of its files", copy.files_json, copy.files_json, "1", ""),
        ]
    view = products.view
    if view.config:
        if view.store and view.shows == "copy":
            lines.append(
                FileLine(
                    "Copy for the view", view.store, None, number(view.files), size(view.bytes)
                )
            )
        lines.append(FileLine("View settings", view.config, view.config, "1", ""))
        lines += [
            FileLine(f"View “{plain(name)}”", at, at, "1", "") for name, at in view.named.items()
        ]
    lines.append(FileLine("Record", f"{folder}artifact.json", f"{folder}artifact.json", "1", ""))
    if record.status != "withdrawn":
        at = f"{folder}croissant.json"
        lines.append(FileLine("Croissant", at, at, "1", ""))
    if picture := products.picture:
        widths = sorted(picture.files)
        for width in widths:
            at = picture.files[width]
            last = size(picture.bytes) if width == widths[-1] and picture.bytes else ""
            lines.append(FileLine(f"Picture, {width} px wide", at, at, "1", last))
    return lines


def _tally(record: Record) -> list[tuple[str, str]]:
    severities = [p.severity for p in record.problems]
    named = (("error", "bad", "error"), ("warning", "warn", "warning"), ("info", "note", "note"))
    return [
        (css, count(severities.count(s), noun)) for s, css, noun in named if severities.count(s)
    ]


def _passed(record: Record) -> list[str]:
    """The few checks worth saying when they found nothing, each true of the facts at hand."""
    facts = record.facts
    if facts is None or facts.kind == "unreadable":
        return []
    codes = {p.code for p in record.problems}
    said = []
    if facts.elements and all(e.readable for e in facts.elements):
        said.append("Every element can be read.")
    if facts.consolidated and not any("consolidated" in c for c in codes):
        said.append("The metadata is consolidated.")
    regions = {r for t in facts.of("tables") for r in t.regions}
    names = {e.name for e in facts.elements}
    if regions and regions <= names:
        said.append("Every region that a table names is there.")
    if facts.of("images") and all(len(e.levels) > 1 for e in facts.of("images")):
        said.append("Every image has a pyramid.")
    return said


def _csl(record: Record) -> str:
    return (
        plain(json.dumps([record.citation.csl], indent=2, ensure_ascii=False))
        if record.citation
        else ""
    )


def _report(address: str, record: Record) -> str | None:
    """Where to report a problem, with the title filled in where the tracker takes one."""
    if not web_address(address):
        return address if address.startswith("mailto:") else None
    if urlsplit(address).path.rstrip("/").endswith("issues/new"):
        joint = "&" if "?" in address else "?"
        return address + joint + urlencode({"title": f"{record.id}: "}, quote_via=quote)
    return address


def _sentence(card: Card) -> str:
    """A description for machines where the curator wrote none."""
    known = [w for w in (card.technology, card.tissue, card.organism) if w != UNKNOWN]
    return f"{', '.join(known) or 'SpatialData artifact'}: {card.extent}."
