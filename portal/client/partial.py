"""A store of which only some elements were fetched. One verb: `trim(folder, elements)`.

The metadata of all nodes in one document, and the list of labels, would still name what is not
there; readers believe them. So they are written anew, without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["trim"]


def trim(folder: Path, elements: Iterable[str]) -> None:
    """Make the metadata of the store in `folder` name `elements`, as `kind/name`, and no others."""
    kept = set(elements)
    groups = {"", *(e.partition("/")[0] for e in kept)}

    def has(node: str) -> bool:
        return node in groups or "/".join(node.split("/", 2)[:2]) in kept

    labels = {e.partition("/")[2] for e in kept if e.startswith("labels/")}
    for name in (".zmetadata", "zmetadata"):
        _rewrite(folder / name, lambda document: _trim_version_2(document, has, labels))
    _rewrite(folder / "zarr.json", lambda document: _trim_version_3(document, has, labels))
    _rewrite(folder / "labels" / ".zattrs", lambda document: _trim_labels(document, labels))
    _rewrite(
        folder / "labels" / "zarr.json",
        lambda document: _trim_labels(document.get("attributes"), labels),
    )


def _trim_version_2(document: Any, has: Callable[[str], bool], labels: set[str]) -> None:
    nodes = document["metadata"]
    for key in [key for key in nodes if not has(key.rpartition("/")[0])]:
        del nodes[key]
    _trim_labels(nodes.get("labels/.zattrs"), labels)


def _trim_version_3(document: Any, has: Callable[[str], bool], labels: set[str]) -> None:
    nodes = (document.get("consolidated_metadata") or {}).get("metadata") or {}
    for key in [key for key in nodes if not has(key)]:
        del nodes[key]
    _trim_labels(nodes.get("labels", {}).get("attributes"), labels)


def _trim_labels(attributes: Any, labels: set[str]) -> None:
    """Take from the list of labels, where there is one, those that are not there."""
    if not isinstance(attributes, dict):
        return
    for holder in (attributes, attributes.get("ome")):
        if isinstance(holder, dict) and isinstance(holder.get("labels"), list):
            holder["labels"] = [name for name in holder["labels"] if name in labels]


def _rewrite(path: Path, change: Callable[[Any], None]) -> None:
    """Write a document anew; one that can't be understood is removed, so that nobody believes it."""
    if not path.is_file():
        return
    try:
        document = json.loads(path.read_bytes())
        change(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        path.unlink()
        return
    beside = path.with_name(f".{path.name}.new")  # the file may be linked from elsewhere
    beside.write_text(json.dumps(document, indent=1), "utf-8")
    beside.replace(path)
