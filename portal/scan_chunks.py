"""Chunks that are absent or empty, and how much that weighs.

Writers leave out chunks that hold nothing but the fill value, so an absent one need not be lost.
"""

from __future__ import annotations

from collections.abc import Container

from portal.facts import ElementFacts
from portal.scan_codes import Problems
from portal.scan_nodes import Node
from portal.scan_survey import Survey

__all__ = ["check_raster_chunks", "check_table_chunks"]


def check_raster_chunks(base: ElementFacts, nodes: list[Node], problems: Problems) -> None:
    """The levels of an image or labels, in order."""
    for number, node in enumerate(nodes):
        array = node.array
        assert array is not None
        if array.empty:
            what = f"Of {array.stored:,} chunk files {array.empty:,} have 0 bytes."
            problems.add("chunk-empty", "error", node.path, what)
        absent = array.expected - array.stored
        if not absent:
            continue
        unit = "shards" if array.shards else "chunks"
        if array.stored == 0:
            image = base.kind == "images"
            severity = "error" if image and number == 0 else "warning"
            what = f"All {absent:,} {unit} are absent; the level is read as fill value throughout."
        else:
            # Writers leave out chunks that hold only the fill value: the background of
            # labels, the rim of a sharded image. In a plain image it is rarely meant.
            severity = "info" if base.kind == "labels" or array.shards else "warning"
            what = (
                f"Of {array.expected:,} {unit} {absent:,} are absent; they are read as fill value."
            )
        problems.add("chunk-absent", severity, node.path, what)


def check_table_chunks(
    found: Survey, table: str, indices: Container[str], problems: Problems
) -> None:
    """All arrays of the table at the path `table`; `indices` are the paths, within it, of the
    indices of obs and var.

    These never consist of fill value, and neither do stored sparse values.
    """
    prefix = table + "/"
    absent: list[str] = []
    for path, node in found.nodes.items():
        if not path.startswith(prefix) or node.array is None:
            continue
        if node.array.empty:
            what = f"Of {node.array.stored:,} chunk files {node.array.empty:,} have 0 bytes."
            problems.add("chunk-empty", "error", path, what)
        missing = node.array.expected - node.array.stored
        inner = path[len(prefix) :]
        if not missing or not node.array.shape or _may_be_left_out(found, path):
            continue
        index = inner.removesuffix("/values") in indices
        sparse = path.rpartition("/")[0] + "/indptr" in found.nodes
        if index or (sparse and inner.endswith("/data")):
            what = f"Of {node.array.expected:,} chunks {missing:,} are absent."
            problems.add("chunk-absent", "error", path, what)
        else:
            absent.append(f"{inner} ({missing:,} of {node.array.expected:,})")
    if absent:
        more = ", …" if len(absent) > 5 else ""
        what = f"Chunks are absent, read as fill value: {', '.join(absent[:5])}{more}."
        problems.add("chunk-absent", "info", table, what)


def _may_be_left_out(found: Survey, path: str) -> bool:
    """Whether an array usually is all fill value: nothing masked, or only one category."""
    column, _, part = path.rpartition("/")
    if part == "mask":
        return f"{column}/values" in found.nodes
    categories = found.nodes.get(f"{column}/categories")
    if categories is not None and categories.array is None:  # they may be nullable
        categories = found.nodes.get(f"{column}/categories/values")
    array = categories.array if categories else None
    return part == "codes" and array is not None and array.shape == (1,)
