"""One walk over a store: zarr metadata, sizes, stored chunks, Parquet footers, fingerprint.

Memory grows with the number of nodes and Parquet files, not with the number of chunks.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.scan_codes import Problems
from portal.scan_nodes import ArrayMeta, Node, parse_node
from portal.store import METADATA_NAMES, File, Files, Folder, Odd, ReadLimit, reason

__all__ = [
    "ELEMENT_GROUPS",
    "Survey",
    "json_safe",
    "survey",
]

ELEMENT_GROUPS = ("images", "labels", "points", "shapes", "tables", "table")
_CONSOLIDATED = (".zmetadata", "zmetadata")


@dataclass
class Survey:
    """What the walk found."""

    nodes: dict[str, Node] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Paths of nodes whose metadata are there, but cannot be understood."""
    children: dict[str, list[str]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    """Folders at the top and one below, whether nodes or not."""
    sizes: dict[str, list[int]] = field(default_factory=dict)
    """By element path: [bytes, files]."""
    parquet: dict[str, bytes | str | None] = field(default_factory=dict)
    """Footer by path of the file, or in words why there is none; None when it was not read."""
    consolidated: str | None = None
    complete: bool = True
    """Whether every file was met; else sizes, and which chunks are stored, are unknown."""
    bytes: int = 0
    files: int = 0
    fingerprint: str = ""
    state: str = ""
    """Like the fingerprint, with the stamp of every file."""

    @property
    def root(self) -> Node | None:
        return self.nodes.get("")

    def below(self, path: str) -> list[str]:
        """Names of the nodes directly in a group, in order."""
        return self.children.get(path, [])


class _NaNSpotter:
    """Reads JSON; NaN and infinities become None and are noticed."""

    def __init__(self) -> None:
        self.seen = False
        self._decoder = json.JSONDecoder(parse_constant=self._constant)

    def _constant(self, _: str) -> None:
        self.seen = True

    def load(self, raw: bytes) -> Any:
        """Raises ValueError for anything that is not JSON, RecursionError for a deep nest."""
        self.seen = False
        return self._decoder.decode(raw.decode())


def json_safe(value: Any, depth: int = 64) -> Any:
    """A copy that is JSON for everybody: text without lone surrogates, numbers all finite.

    What is nested more than `depth` deep becomes null: serialisers give up on it.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (Mapping, list, tuple)):
        if depth == 0:
            return None
        if isinstance(value, Mapping):
            return {json_safe(str(k)): json_safe(v, depth - 1) for k, v in value.items()}
        return [json_safe(v, depth - 1) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def survey(files: Files, problems: Problems) -> Survey:
    """Walk the whole store once."""
    return _Walk(files, problems).run()


class _Walk:
    def __init__(self, files: Files, problems: Problems):
        self.files = files
        self.problems = problems
        self.found = Survey(complete=files.complete)
        self.json = _NaNSpotter()
        self.raw: dict[str, dict[str, Any]] = {}
        """Metadata by file name, by node path."""
        self.hash = hashlib.sha256()
        self.stamps = hashlib.sha256()
        self.over_limit = False
        self.array: ArrayMeta | None = None
        self.array_prefix = ""

    def run(self) -> Survey:
        for folder in self.files.walk():
            self._folder(folder)
        for path in sorted(self.found.nodes):
            if path:
                parent, _, name = path.rpartition("/")
                self.found.children.setdefault(parent, []).append(name)
        self._compare_consolidated()
        self.found.fingerprint = self.files.fingerprint or self.hash.hexdigest()
        self.stamps.update(self.hash.digest())
        self.found.state = self.stamps.hexdigest()
        return self.found

    def _folder(self, folder: Folder) -> None:
        path, files = folder.path, folder.files
        for odd in folder.odd:
            self._odd(odd)
        self._count(path, files)
        if not files:
            return
        prefix = f"{path}/" if path else ""
        stamps = "".join([f"{prefix}{file.name}\0{file.stamp}\n" for file in files])
        self.stamps.update(stamps.encode("utf-8", "surrogatepass"))
        described = 0
        for file in files:
            if file.name not in METADATA_NAMES:
                break
            described += 1
            content = self._metadata(path, file)
            self._hash(f"{prefix}{file.name}\0{file.size}\0{len(content)}\n", content)
        if described:
            self._finish(path)
        self._content(path, prefix, files[described:] if described else files)

    def _count(self, path: str, files: list[File]) -> None:
        total = sum([file.size for file in files])
        self.found.bytes += total
        self.found.files += len(files)
        parts = path.split("/", 2)
        if len(parts) <= 2 and path:
            self.found.folders.add(path)
        if len(parts) >= 2:
            size = self.found.sizes.setdefault(f"{parts[0]}/{parts[1]}", [0, 0])
            size[0] += total
            size[1] += len(files)

    def _content(self, path: str, prefix: str, files: list[File]) -> None:
        """Files that are not metadata: chunks, Parquet, anything else."""
        if path.startswith(("points/", "shapes/")):
            for file in files:
                if file.name.endswith(".parquet"):
                    footer = self._footer(prefix + file.name, file.size)
                    self._hash(f"{prefix}{file.name}\0{len(footer)}\n", footer)
        array = self.array
        if array is not None and prefix.startswith(self.array_prefix):
            within = prefix[len(self.array_prefix) :]
            for file in files:
                if array.is_chunk(within + file.name):
                    array.stored += 1
                    array.empty += file.size == 0
        self._hash("".join([f"{prefix}{file.name}\0{file.size}\n" for file in files]))

    def _hash(self, text: str, content: bytes = b"") -> None:
        self.hash.update(text.encode("utf-8", "surrogatepass") + content)

    def _odd(self, odd: Odd) -> None:
        self._hash(f"{odd.path}\0{odd.kind}\n")
        add = self.problems.add
        if odd.kind == "link-outside":
            add("link-outside", "error", odd.path, f"A link leads out of the store ({odd.note}).")
        elif odd.kind == "link-inside":
            add("link-inside", "warning", odd.path, f"A link lies in the store ({odd.note}).")
        elif odd.kind == "special":
            add("file-special", "warning", odd.path, "It is a pipe, socket or device.")
        elif odd.kind == "bad":
            add("zip-member-unsafe", "error", odd.path, f"The member {odd.note}; it is not read.")
        else:
            add("file-unreadable", "error", odd.path, f"It cannot be read: {odd.note}.")

    def _read(self, path: str, start: int, length: int) -> bytes | None:
        if self.over_limit:
            return None
        try:
            return self.files.read_range(path, start, length)
        except ReadLimit as error:
            self.over_limit = True
            self.problems.add("scan-limit", "warning", "", f"{error}; the rest is not read.")
        except OSError as error:
            what = f"The file cannot be read: {reason(error)}."
            self.problems.add("file-unreadable", "error", path, what)
        return None

    def _metadata(self, folder: str, file: File) -> bytes:
        name = file.name
        path = f"{folder}/{name}" if folder else name
        raw = self._read(path, 0, file.size)
        if raw is None:
            self.found.broken.add(folder)
            return b""
        try:
            value = self.json.load(raw)
            if not isinstance(value, dict):
                raise ValueError("it is not an object")
        except (ValueError, RecursionError) as error:
            code = "consolidated-broken" if name in _CONSOLIDATED else "json-broken"
            severity = "warning" if name in _CONSOLIDATED else "error"
            self.problems.add(code, severity, path, f"The file is not JSON: {error}.")
            if name not in _CONSOLIDATED:
                self.found.broken.add(folder)
        else:
            if self.json.seen:
                self.problems.add("json-nan", "warning", path, "The file holds NaN or Infinity.")
            self.raw.setdefault(folder, {})[name] = value
        return raw

    def _footer(self, path: str, size: int) -> bytes:
        """Keep the footer of a Parquet file: at its end stand its length and `PAR1`."""
        kept: bytes | str | None = "it is too short to be Parquet"
        if size >= 12:
            kept = self._read(path, size - 8, 8)
            if kept is not None:
                length = int.from_bytes(kept[:4], "little")
                sound = kept[4:] == b"PAR1" and length <= size - 12
                kept = "it does not end as Parquet does"
                if sound:
                    kept = self._read(path, size - 8 - length, length)
        self.found.parquet[path] = kept
        return kept if isinstance(kept, bytes) else b""

    def _finish(self, folder: str) -> None:
        """Make the node of a folder from its metadata files, if any could be read."""
        raw = self.raw.pop(folder, None)
        if raw is None:
            return
        try:
            node = parse_node(folder, raw)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            self.found.broken.add(folder)
            what = f"The zarr metadata are not understood: {error!r}."
            self.problems.add("element-broken", "error", folder, what)
            return
        for name in (*_CONSOLIDATED, "zarr.json"):
            if folder == "" and name in raw:
                self._keep_consolidated(name, raw[name])
        if node is None:
            return
        self.found.nodes[folder] = node
        if node.array is not None:
            self.array = node.array
            self.array_prefix = folder + "/" if folder else ""

    consolidated_nodes: dict[str, Any] | None = None

    def _keep_consolidated(self, name: str, value: dict[str, Any]) -> None:
        if name == "zarr.json":
            holder = value.get("consolidated_metadata")
            if not isinstance(holder, dict):
                return
            value = holder
        nodes = value.get("metadata")
        if self.consolidated_nodes is None and isinstance(nodes, dict):
            self.found.consolidated = name
            self.consolidated_nodes = nodes
        elif not isinstance(nodes, dict):
            self.problems.add("consolidated-broken", "warning", name, "It has no `metadata`.")

    def _compare_consolidated(self) -> None:
        listed = self.consolidated_nodes
        if listed is None or self.over_limit:
            return
        if self.found.consolidated != "zarr.json":
            listed = _merge_v2(listed)
        nodes = {path: node for path, node in self.found.nodes.items() if path}
        known = {"", *nodes, *self.found.broken}
        gone = sorted(path for path in listed if path not in known)
        new = sorted(path for path in nodes if path not in listed)
        changed = sorted(
            path for path, node in nodes.items() if path in listed and _differs(node, listed[path])
        )
        parts = [
            f"{len(paths)} {what} ({', '.join(paths[:3])}{', …' if len(paths) > 3 else ''})"
            for paths, what in (
                (gone, "listed but absent"),
                (new, "not listed"),
                (changed, "with other content"),
            )
            if paths
        ]
        if parts:
            what = f"It differs from the files: {'; '.join(parts)}. The files count."
            self.problems.add("consolidated-stale", "warning", str(self.found.consolidated), what)


def _merge_v2(listed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for key, value in listed.items():
        folder, _, name = key.rpartition("/")
        merged.setdefault(folder, {})[name] = value
    return merged


def _differs(node: Node, listed: Any) -> bool:
    if not isinstance(listed, dict):
        return True
    if listed == node.meta:
        return False
    if node.zarr_format == 2:
        attributes = listed.get(".zattrs") or {}
        return attributes != node.attributes or listed.get(".zarray") != node.meta.get(".zarray")
    ignored = ("consolidated_metadata", "storage_transformers", "attributes")
    return (listed.get("attributes") or {}) != node.attributes or {
        k: v for k, v in listed.items() if k not in ignored
    } != {k: v for k, v in node.meta.items() if k not in ignored}
