"""A selection as people see it: `summary` and `listing` in a terminal, `hits_html` in a notebook.

All that comes from a portal is escaped. A picture stands by its address, or, where the portal is
a folder that a notebook can't reach, in the page itself.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from portal.errors import PortalError
from portal.words import compact, count, number, size

if TYPE_CHECKING:
    from portal.client.artifact import Artifact
    from portal.client.query import Hits
    from portal.client.source import Source
    from portal.client.terms import TermColumn

__all__ = ["facets_html", "hits_html", "listing", "summary"]

_LINES = 10
_ROWS = 12
_VALUES = 3
_SMALL = 200_000
"""No larger picture is put into a notebook."""
_FACTS = ("technology", "tissue", "disease", "organism")
_CELL = "text-align:left;vertical-align:middle"


def summary(hits: Hits) -> str:
    """How many, how large, and what most of them are."""
    catalog, rows = hits.catalog, hits.rows
    parts = [count(len(rows), "artifact")]
    for name, show in (("n_obs", lambda n: f"{number(n)} observations"), ("size_bytes", size)):
        if name in catalog.tables.catalog.names:
            places = catalog.places[rows]
            column = catalog.column(name)
            total = int(column.values[places][column.known[places]].sum())
            parts += [show(total)] if total else []
    for name in ("technology", "tissue"):
        if name in catalog.facets and len(rows):
            values = _commonest(catalog.facet(name).column, rows)
            parts.append(f"{name}: {', '.join(f'{label} {number(n)}' for label, n in values)}")
    return " · ".join(parts)


def listing(hits: Hits) -> str:
    """The summary, and a line for each of the first."""
    near = [] if len(hits) else hits.suggestions
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    first = [f"  {a.id}  {a.row.get('title') or ''}" for a in hits[:_LINES]]
    more = len(hits) - _LINES
    rest = [f"  and {number(more)} more"] if more > 0 else []
    return "\n".join([f"{summary(hits)}{hint}", *first, *rest])


def hits_html(hits: Hits) -> str:
    """A table of the first, with their pictures."""
    heads = ("", "title", *_FACTS, "observations", "size")
    head = "".join(f'<th style="{_CELL}">{name}</th>' for name in heads)
    body = "".join(_row(artifact) for artifact in hits[:_ROWS])
    more = len(hits) - _ROWS
    rest = f"<p>and {number(more)} more</p>" if more > 0 else ""
    return (
        f"<p>{escape(summary(hits))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{rest}"
    )


def facets_html(facets: Mapping[str, Mapping[str, int]]) -> str:
    """A short table of each facet."""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1.5em">'
        + "".join(
            f"<table><caption>{escape(name)}</caption>{_counts(values.items())}</table>"
            for name, values in facets.items()
            if values
        )
        + "</div>"
    )


def _counts(values: Iterable[tuple[str, int]]) -> str:
    listed = list(values)
    rows = (
        f'<tr><td style="{_CELL}">{escape(label)}</td><td>{n:,}</td></tr>'
        for label, n in listed[:_LINES]
    )
    more = len(listed) - _LINES
    rest = f'<tr><td style="{_CELL}">and {number(more)} more</td><td></td></tr>' if more > 0 else ""
    return "".join(rows) + rest


def _row(artifact: Artifact) -> str:
    row = artifact.row
    n_obs, n_features = row.get("n_obs"), row.get("n_features")
    figures = "" if n_obs is None else number(n_obs)
    figures += f" × {compact(n_features)}" if figures and n_features else ""
    title = escape(row.get("title") or artifact.id)
    if artifact.source.root.startswith(("http://", "https://")):
        page = artifact.source.address(f"datasets/{artifact.id}")
        title = f'<a href="{escape(page)}/">{title}</a>'
    cells = [
        _picture(artifact),
        f"{title}<br><code>{escape(artifact.id)}</code>",
        *(escape(str(row.get(name) or "")) for name in _FACTS),
        figures,
        size(row.get("size_bytes")) if row.get("size_bytes") is not None else "",
    ]
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _picture(artifact: Artifact) -> str:
    address = _address(artifact.source, artifact.id, artifact.row.get("thumbnail_url") or "")
    return f'<img width="80" alt="" src="{escape(address)}">' if address else ""


def _address(source: Source, id_: str, told: str) -> str:
    """Where the picture is that the catalog tells of, in this copy of the site if it is there."""
    _, found, file = told.rpartition(f"datasets/{id_}/")
    web = told if told.startswith(("http://", "https://")) else ""
    if not found:
        return web
    if source.root.startswith(("http://", "https://")):
        return source.address(f"datasets/{id_}/{file}")
    try:
        body = source.read(f"datasets/{id_}/{file}")
    except PortalError:
        return web
    if len(body) > _SMALL or body[8:12] != b"WEBP":
        return web
    return f"data:image/webp;base64,{base64.b64encode(body).decode()}"


def _commonest(column: TermColumn, rows: np.ndarray) -> list[tuple[str, int]]:
    """The most frequent values that are named themselves, not what stands above them."""
    counted: Counter[str] = Counter()
    for of_set, n in enumerate(np.bincount(column.codes[rows], minlength=column.n_sets).tolist()):
        a, b = column.own.offsets[of_set : of_set + 2] if n else (0, 0)
        counted.update({column.terms.labels[term]: n for term in column.own.items[a:b]})
    return counted.most_common(_VALUES)
