"""Two builds of a portal → what changed between them: artifacts added, removed, and field by field.

Read from `catalog/catalog.ndjson` of both sites, so that neither has to be built again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.errors import UsageError

__all__ = ["Change", "Comparison", "compare"]

_SHOWN = 50
_LONGEST = 80
_QUIET = frozenset({"fingerprint", "bibtex", "citation", "sddb_version"})
"""Columns that only repeat what others say."""


@dataclass(frozen=True)
class Change:
    """One column of one artifact, before and after."""

    column: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Comparison:
    """What one site has and the other has not."""

    added: dict[str, dict[str, Any]]
    removed: dict[str, dict[str, Any]]
    changed: dict[str, tuple[Change, ...]]
    titles: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "added": sorted(self.added),
            "removed": sorted(self.removed),
            "changed": {id_: [vars(c) for c in changes] for id_, changes in self.changed.items()},
        }

    def markdown(self) -> str:
        """For the summary of a pull request."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        counts = (
            (len(self.added), "added"),
            (len(self.changed), "changed"),
            (len(self.removed), "removed"),
        )
        yield f"**{', '.join(f'{n:,} {word}' for n, word in counts)}**"
        for word, rows in (("Added", self.added), ("Removed", self.removed)):
            if rows:
                yield from ("", f"### {word}", "")
                yield from (_line(row) for row in list(rows.values())[:_SHOWN])
                yield from _more(len(rows))
        if self.changed:
            yield from ("", "### Changed")
            for id_, changes in list(self.changed.items())[:_SHOWN]:
                yield from ("", f"`{id_}` {_plain(self.titles[id_])}", "")
                yield from ("| field | before | after |", "| --- | --- | --- |")
                yield from (
                    f"| {c.column} | {_cell(c.before)} | {_cell(c.after)} |" for c in changes
                )
            yield from _more(len(self.changed))


def compare(before: Path, after: Path) -> Comparison:
    """Compare two finished sites. Raises UsageError for a folder that is none."""
    old, new = _rows(before), _rows(after)
    changed = {
        id_: changes for id_ in new if id_ in old and (changes := _changes(old[id_], new[id_]))
    }
    return Comparison(
        added={id_: row for id_, row in new.items() if id_ not in old},
        removed={id_: row for id_, row in old.items() if id_ not in new},
        changed=changed,
        titles={id_: str(row.get("title") or id_) for id_, row in new.items()},
    )


def _rows(site: Path) -> dict[str, dict[str, Any]]:
    path = site / "catalog" / "catalog.ndjson"
    if not path.is_file():
        raise UsageError(f"{site} holds no finished site: there is no {path}.")
    with path.open(encoding="utf-8") as lines:
        rows = (json.loads(line) for line in lines)
        return {row["uid"]: row for row in rows}


def _changes(old: dict[str, Any], new: dict[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(column, old.get(column), new.get(column))
        for column in dict.fromkeys((*new, *old))
        if column not in _QUIET and old.get(column) != new.get(column)
    )


def _line(row: dict[str, Any]) -> str:
    facts = (row.get(c) for c in ("technology", "organism", "tissue", "validation_status"))
    said = ", ".join(_plain(str(f)) for f in facts if f)
    return f"- `{row['uid']}` {_plain(str(row.get('title') or ''))} ({said})"


def _more(n: int) -> Iterator[str]:
    if n > _SHOWN:
        yield from ("", f"and {n - _SHOWN:,} more")


def _cell(value: Any) -> str:
    if value is None or value == []:
        return "–"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return _plain(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def _plain(text: str) -> str:
    """Text that is no Markdown: titles come from people we do not know."""
    plain = " ".join(text.split())
    return "".join(f"&#{ord(c)};" if c in "|`*_[]\\<>!&#@~" else c for c in plain)
