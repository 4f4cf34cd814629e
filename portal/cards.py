"""One record as it stands in a list: a card or a row, and the glyph of its technology."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from portal.record import UNKNOWN, Picture, Record, at_hand
from portal.words import count, number, plain, size

__all__ = ["Card", "card_of", "glyph_of", "said_of", "status_of"]


_GLYPHS = (
    (("visium", "spatial transcriptomics", "10x st"), "spots"),
    (("xenium", "cosmx", "starmap"), "cells"),
    (("merfish", "merscope", "seqfish", "osmfish", "fish", "iss"), "grid"),
    (("codex", "phenocycler", "comet"), "antibody"),
    (("cycif", "4i", "multiplex", "immunofluorescence", "mics"), "channels"),
    (("mibi", "imc", "imaging mass", "maldi", "desi"), "beam"),
    (("histology", "h&e", "immunohisto", "ihc", "brightfield", "microscopy"), "slide"),
    (("slide-seq", "slide-tags", "stereo-seq", "hdst", "dbit", "curio"), "beads"),
)


def glyph_of(technology: str) -> str:
    """Name of the symbol that stands for a technology where there is no picture."""
    name = technology.casefold()
    for words, glyph in _GLYPHS:
        if any(re.search(rf"(?<![a-z]){word}", name) for word in words):
            return glyph
    return "unknown" if name == UNKNOWN else "other"


@dataclass(frozen=True, slots=True)
class Card:
    """What lists show of a record."""

    id: str
    title: str
    technology: str
    glyph: str
    tissue: str
    disease: str
    organism: str
    n_obs: str
    n_features: str
    extent: str
    """How much there is, in one phrase: `3,355 spots × 32,285`."""
    bytes: str
    status: str
    status_class: str
    picture: Picture | None
    srcset: tuple[tuple[int, str], ...]
    has_view: bool
    published: str
    shows: tuple[bool, ...] = ()
    """How much its picture shows: of two, the greater one leads."""


def card_of(record: Record) -> Card:
    """Work out once what every list shows."""
    said = at_hand(record, "said", said_of)
    products = record.products
    picture, has_view = products.picture, products.view.config is not None
    status_class, status = status_of(record)
    known = said["bytes"]
    if known is None and products.copy_:
        known = products.copy_.bytes
    image, seen, rgb, observed = said["shows"]
    return Card(
        id=record.id,
        **{name: said[name] for name in _SAID},
        bytes=size(known),
        status=status,
        status_class=status_class,
        picture=picture,
        srcset=tuple(sorted(picture.files.items())) if picture else (),
        has_view=has_view,
        published=record.published or "",
        shows=(image, seen, rgb, has_view, observed),
    )


_SAID = (
    *("title", "technology", "glyph", "tissue", "disease", "organism"),
    *("n_obs", "n_features", "extent"),
)


def said_of(record: Record) -> dict[str, Any]:
    """What a card says that does not depend on what was made for the site."""
    technology = _labels(record, "technology")
    facts, observed = record.facts, record.n_obs is not None
    images = facts.of("images") if facts else []
    return {
        "title": plain(record.title),
        "technology": technology,
        "glyph": glyph_of(technology),
        "tissue": _labels(record, "tissue"),
        "disease": _labels(record, "disease"),
        "organism": _labels(record, "organism"),
        "n_obs": number(record.n_obs) if record.n_obs is not None else "–",
        "n_features": number(record.n_features) if record.n_features is not None else "–",
        "extent": plain(_extent(record)),
        "bytes": facts.bytes if facts else None,
        # An image with observations on it first, those that one sees (cells, not bins), in colour.
        "shows": [
            bool(images) and observed,
            record.obs_noun in ("cells", "nuclei") and observed,
            any(e.rgb for e in images),
            observed,
        ],
    }


def status_of(record: Record) -> tuple[str, str]:
    """Class and words of the status: never a colour alone."""
    if record.status != "public":
        return ("bad" if record.status == "withdrawn" else "declared"), record.status.capitalize()
    if record.validation_status == "declared":
        return "declared", "Not scanned"
    view = record.products.view.config is not None
    if record.validation_status == "pass":
        return "ok", "Interactive view" if view else "Checked"
    level, word = ("warn", "warnings") if record.validation_status == "warn" else ("bad", "errors")
    return level, f"View, {word}" if view else word.capitalize()


def _labels(record: Record, field: str) -> str:
    return plain(_join(record.labels(field))) or UNKNOWN


def _join(labels: Iterable[str]) -> str:
    names = list(dict.fromkeys(labels))
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _extent(record: Record) -> str:
    if record.n_obs is not None:
        features = f" × {record.n_features:,}" if record.n_features is not None else ""
        return f"{record.n_obs:,} {record.obs_noun}{features}"
    facts = record.facts
    if facts is None:
        return f"{record.obs_noun} unknown"
    points = [e.n_rows for e in facts.of("points") if e.n_rows is not None]
    if points:
        return f"{sum(points):,} points"
    shapes = [e.n_rows for e in facts.of("shapes") if e.n_rows is not None]
    if shapes:
        return f"{sum(shapes):,} shapes"
    channels = [len(e.channels) for e in facts.of("images") if e.channels]
    if channels:
        return count(max(channels), "channel")
    return count(len(facts.elements), "element")
