"""An artifact in a notebook: `card(artifact) -> str`, its picture beside what people decide by."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from portal.errors import PortalError
from portal.record import UNKNOWN, Record
from portal.words import size

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = ["card"]

_FIELDS = ("technology", "assay", "organism", "tissue", "disease")
_SMALL = 200_000
"""No larger picture is put into a notebook."""


def card(artifact: Artifact) -> str:
    """HTML without script or style sheet; all of it that comes from the portal is escaped."""
    record = artifact.record
    facts = record.facts
    lines = [", ".join(record.labels(field)) for field in _FIELDS]
    if record.n_obs is not None:
        features = f" × {record.n_features:,} features" if record.n_features else ""
        lines.append(f"{record.n_obs:,} {record.obs_noun}{features}")
    if facts is not None:
        kinds = [f"{len(facts.of(e.kind))} {e.kind}" for e in facts.elements]
        lines += [", ".join(dict.fromkeys(kinds)), size(facts.bytes)]
    lines.append(record.license.label if record.license else f"licence {UNKNOWN}")
    told = "<br>".join(escape(line) for line in lines if line)
    return (
        '<div style="display:flex;gap:1em;align-items:flex-start">'
        f"{_picture(artifact, record)}<div><b>{escape(record.title)}</b> "
        f"<code>{escape(record.id)}</code><br>{told}</div></div>"
    )


def _picture(artifact: Artifact, record: Record) -> str:
    picture = record.products.picture
    if picture is None or not picture.files:
        return ""
    try:
        body = artifact.source.read(picture.files[min(picture.files)])
    except PortalError:
        return ""  # a card without its picture still tells
    if len(body) > _SMALL or body[8:12] != b"WEBP":
        return ""
    data = base64.b64encode(body).decode()
    return f'<img width="200" alt="{escape(picture.alt)}" src="data:image/webp;base64,{data}">'
