"""What is in a store, read without spatialdata: `scan_store(source) -> StoreFacts`.

One walk collects the zarr metadata, sizes, stored chunks and Parquet footers (`scan_survey`);
then each element is described from these (`scan_rasters`, `scan_vectors`, `scan_tables`).
Besides metadata and footers only short columns of tables are read: the index of var, gene
names, categories. A bad store makes problems, never an exception; their codes are in
`scan_codes.CODES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.errors import Severity, is_machine_fault
from portal.facts import ElementFacts, ElementKind, StoreFacts, StoreKind
from portal.scan_codes import CODES, Problems, printable
from portal.scan_rasters import scan_raster
from portal.scan_survey import ELEMENT_GROUPS, Survey, json_safe, survey
from portal.scan_tables import scan_table
from portal.scan_vectors import scan_points, scan_shapes
from portal.store import Files, StoreError, open_files

if TYPE_CHECKING:
    from portal.config import Remote

__all__ = ["CODES", "DEFAULT_LIMIT", "scan_store"]

DEFAULT_LIMIT = 64_000_000
"""Bytes that a scan reads at most."""

_VERSIONS = ("0.1", "0.2")
_KINDS: dict[str, ElementKind] = {
    "images": "images",
    "labels": "labels",
    "points": "points",
    "shapes": "shapes",
    "tables": "tables",
    "table": "tables",
}
_SAID: dict[StoreKind, str] = {
    "anndata": "The store is an AnnData, not a SpatialData store.",
    "mudata": "The store is a MuData, not a SpatialData store.",
    "ome-zarr": "The store is an OME-Zarr image or plate, not a SpatialData store.",
    "zarr": "The store is zarr, but not a SpatialData store.",
}


def scan_store(
    source: Path | str | Files,
    *,
    limit: int = DEFAULT_LIMIT,
    name: str | None = None,
    remote: Remote | None = None,
) -> StoreFacts:
    """Describe the store at `source`, reading at most `limit` bytes.

    `source` is a folder, a `.zarr.zip`, an address or an open `Files`; `name` stands for the store
    in problems (default: the file's name); `remote` says how addresses are read. Never raises for what it finds: a store that cannot
    be opened has the kind `unreadable`, a half-readable one lacks facts, and `problems` says why.
    """
    if isinstance(source, Files):
        return _scan(source, Problems(name or source.name))
    problems = Problems(name or Path(source).name)
    try:
        files = open_files(source, limit=limit, remote=remote)
    except StoreError as error:
        problems.add(error.code, "error", "", f"{error}.")
        return StoreFacts(kind="unreadable", problems=problems.all())
    except Exception as error:
        return _failed(error, problems)
    with files:
        return _scan(files, problems)


def _scan(files: Files, problems: Problems) -> StoreFacts:
    """The facts; where something unheard-of is in the way, as many as there are."""
    found = None
    try:
        found = survey(files, problems)
        kind = _kind(found)
    except Exception as error:
        return _failed(error, problems, files, found)
    try:
        return _facts(files, found, kind, problems)
    except Exception as error:
        return _failed(error, problems, files, found, kind)


def _failed(
    error: Exception,
    problems: Problems,
    files: Files | None = None,
    found: Survey | None = None,
    kind: StoreKind = "unreadable",
) -> StoreFacts:
    """What is left to say after an exception that nobody thought of; a fault of the machine
    is raised again."""
    if is_machine_fault(error):
        raise error
    # Its words may name a folder of this machine, so only its kind is told.
    what = f"The scan met what it was not made for ({type(error).__name__})."
    problems.add("scan-failed", "error", "", what)
    return StoreFacts(
        kind=kind,
        bytes=found.bytes if found and found.complete else None,
        files=found.files if found and found.complete else None,
        fingerprint=found.fingerprint if found else "",
        state=found.state if found else "",
        problems=problems.all(),
        bytes_read=files.bytes_read if files else 0,
    )


def _facts(files: Files, found: Survey, kind: StoreKind, problems: Problems) -> StoreFacts:
    elements: list[ElementFacts] = []
    if kind in ("spatialdata", "unreadable"):
        elements = [_element(files, found, path, problems) for path in _element_paths(found)]
        _check_names(elements, problems)
        _check_regions(elements, problems)
        _check_extents(elements, problems)
    _check_root(found, kind, elements, problems)
    if files.changed():
        what = "The store changed while it was read, so what was found may be of two states."
        problems.add("remote-changed", "error", "", what)
    attributes = dict(found.root.attributes) if found.root else {}
    container = attributes.pop("spatialdata_attrs", None)
    container = container if isinstance(container, Mapping) else {}
    return StoreFacts(
        kind=kind,
        container_version=_text(container.get("version")),
        zarr_format=_zarr_format(found),
        consolidated=found.consolidated,
        written_by=_writer(container),
        elements=tuple(elements),
        attributes=json_safe(attributes),
        attributes_layout=_layout(attributes),
        bytes=found.bytes if found.complete else None,
        files=found.files if found.complete else None,
        fingerprint=found.fingerprint,
        state=found.state,
        problems=problems.all(),
        bytes_read=files.bytes_read,
    )


def _kind(found: Survey) -> StoreKind:
    """What the store is, from the attributes of its root, else from what lies in it."""
    if not found.nodes:
        return "unreadable"
    root = found.root
    attributes = root.attributes if root else {}
    ome = attributes.get("ome")
    ome = ome if isinstance(ome, Mapping) else attributes
    encoding = str(attributes.get("encoding-type", "")).lower()
    if "spatialdata_attrs" in attributes:
        return "spatialdata"
    if encoding == "mudata" or "mod" in found.below(""):
        return "mudata"
    if encoding == "anndata" or {"obs", "var"} <= set(found.below("")):
        return "anndata"
    if {"multiscales", "plate", "well", "bioformats2raw.layout"} & set(ome):
        return "ome-zarr"
    if any(_is_element(found, path) for path in _element_paths(found)):
        return "spatialdata"
    if _names_unknown(found) and set(ELEMENT_GROUPS) & set(found.below("")):
        return "spatialdata"
    return "zarr"


def _names_unknown(found: Survey) -> bool:
    """Whether nothing tells what lies in the store: neither a list nor consolidated metadata."""
    return found.consolidated is None and not found.complete


def _is_element(found: Survey, path: str) -> bool:
    node = found.nodes.get(path)
    if node is None:
        return False
    encoding = str(node.attributes.get("encoding-type", ""))
    known = encoding.startswith("ngff:") or encoding == "anndata"
    return known or bool({"multiscales", "ome"} & set(node.attributes))


def _element_paths(found: Survey) -> list[str]:
    """Paths of all elements, whether their metadata are there or not; hidden folders are none."""
    return [
        f"{group}/{name}"
        for group in ELEMENT_GROUPS
        for name in sorted(
            path.partition("/")[2] for path in found.folders if path.startswith(f"{group}/")
        )
        if not name.startswith(".")
    ]


def _element(files: Files, found: Survey, path: str, problems: Problems) -> ElementFacts:
    group, _, name = path.partition("/")
    node = found.nodes.get(path)
    size = found.sizes.get(path, [0, 0]) if found.complete else (None, None)
    base = ElementFacts(
        kind=_KINDS[group],
        name=printable(name, 500),
        path=printable(path, 600),
        version=_version(node.attributes) if node else None,
        bytes=size[0],
        files=size[1],
    )
    if base.path != path:
        problems.add("element-broken", "error", path, "The name cannot be written as text.")
        return base.model_copy(update={"readable": False})
    if node is None and path not in found.broken:
        what = "The element has no zarr metadata, so readers do not see it."
        problems.add("metadata-absent", "error", path, what)
    try:
        facts = _describe(files, found, base, problems)
    except Exception as error:  # metadata can have any shape; the other elements must go on
        if is_machine_fault(error):
            raise
        what = f"The metadata are not as its kind needs them: {error!r}."
        problems.add("element-broken", "error", path, what)
        facts = base.model_copy(update={"readable": False})
    if node is None:
        return facts.model_copy(update={"readable": False})
    if facts.readable and facts.kind != "tables" and not facts.transformations:
        what = "The element has no transformation to a coordinate system."
        problems.add("coordinate-system-absent", "error", path, what)
    return facts


def _describe(files: Files, found: Survey, base: ElementFacts, problems: Problems) -> ElementFacts:
    node = found.nodes.get(base.path)
    if node is not None and not _encoding_fits(base.kind, node.attributes):
        encoding = node.attributes.get("encoding-type")
        what = f"The element has the encoding {encoding!r}, which no {base.kind} have."
        problems.add("element-unknown", "error", base.path, what)
        return base.model_copy(update={"readable": False})
    if base.kind in ("points", "shapes"):
        scan = scan_points if base.kind == "points" else scan_shapes
        return scan(found, base, problems)
    if node is None:
        return base
    if base.kind == "tables":
        return scan_table(files, found, base, problems)
    return scan_raster(found, base, problems)


def _encoding_fits(kind: ElementKind, attributes: Mapping[str, Any]) -> bool:
    encoding = attributes.get("encoding-type")
    if kind == "points":
        return encoding == "ngff:points"
    if kind == "shapes":
        return encoding == "ngff:shapes"
    if kind == "tables":
        return encoding == "anndata"
    return encoding is None


def _version(attributes: Mapping[str, Any]) -> str | None:
    nested = attributes.get("spatialdata_attrs")
    holder = nested if isinstance(nested, Mapping) else attributes
    return _text(holder.get("version"))


def _text(value: Any) -> str | None:
    return printable(value) if isinstance(value, str) else None


def _zarr_format(found: Survey) -> int | None:
    node = found.root or next(iter(found.nodes.values()), None)
    return node.zarr_format if node else None


def _writer(container: Mapping[str, Any]) -> str | None:
    version = _text(container.get("spatialdata_software_version"))
    return f"spatialdata {version}" if version else None


def _layout(attributes: Mapping[str, Any]) -> str | None:
    """How the root attributes are arranged, in the ways that are known from the wild."""
    if not attributes:
        return None
    if "metadata_general" in attributes:
        return "metadata_general"
    if "bio" in attributes and "tech" in attributes:
        return "bio+tech"
    return "sample" if "sample" in attributes else "other"


def _check_root(
    found: Survey, kind: StoreKind, elements: list[ElementFacts], problems: Problems
) -> None:
    if kind in _SAID:
        problems.add("not-spatialdata", "error", "", _SAID[kind])
        return
    if not found.nodes and not elements and not found.broken:
        problems.add(
            "not-zarr", "error", "", "The source has no zarr metadata: it is no zarr store."
        )
        return
    if found.root is None and "" in found.broken:
        return
    if found.root is None:
        what = "The store has neither zarr.json nor .zgroup at its top, so readers cannot open it."
        problems.add("metadata-absent", "error", "", what)
    elif "spatialdata_attrs" not in found.root.attributes:
        what = "The root names no version of the SpatialData container."
        problems.add("spatialdata-attrs-absent", "info", "", what)
    else:
        container = found.root.attributes["spatialdata_attrs"]
        version = container.get("version") if isinstance(container, Mapping) else None
        if version not in _VERSIONS:
            what = f"The container has version {version!r}; {' and '.join(_VERSIONS)} are known."
            problems.add("container-version-unknown", "warning", "", what)
    if _names_unknown(found):
        groups = ", ".join(g for g in ELEMENT_GROUPS if g in found.below("")) or "none"
        what = (
            "The store has no consolidated metadata, and its server lists no files: what its "
            f"elements are can't be known (groups at the top: {groups})."
        )
        problems.add("remote-unlisted", "warning", "", what)
    elif found.consolidated is None and found.root is not None:
        problems.add("consolidated-absent", "info", "", "The store has no consolidated metadata.")
    if found.consolidated == "zmetadata":
        what = "Zarr does not look for this name, so the store counts as not consolidated."
        problems.add("zmetadata-name", "info", "zmetadata", what)
    for name in sorted(path for path in found.folders if "/" not in path):
        if name not in ELEMENT_GROUPS and not name.startswith("."):
            what = "The group is none of SpatialData; spatialdata ignores it."
            problems.add("group-unknown", "info", name, what)
    if any(e.path.startswith("table/") for e in elements):
        what = "Tables lay here before spatialdata 0.1; current readers ignore it."
        problems.add("table-legacy", "warning", "table", what)


def _check_names(elements: Iterable[ElementFacts], problems: Problems) -> None:
    seen: dict[str, ElementFacts] = {}
    for element in elements:
        name = element.name
        if name.startswith("__") or not all(c.isalnum() or c in "_-." for c in name):
            problems.add("name-forbidden", "warning", element.path, "The name is not allowed.")
        other = seen.setdefault(name.lower(), element)
        if other is not element:
            same = "is the same as" if other.name == name else "differs only in case from"
            what = f"The name {same} that of {other.path}."
            problems.add("name-case", "warning", element.path, what)


def _check_regions(elements: list[ElementFacts], problems: Problems) -> None:
    names = {e.name for e in elements if e.kind != "tables"}
    for table in elements:
        for region in table.regions:
            if region not in names:
                what = f"The table annotates {region!r}, which is not in the store."
                problems.add("region-absent", "warning", table.path, what)


_MIN_OVERLAP = 0.25
"""Share of an element's area that should lie within the images of its coordinate system."""


def _check_extents(elements: list[ElementFacts], problems: Problems) -> None:
    """Points, shapes and labels should lie on the images of the same coordinate system."""
    systems = sorted({system for element in elements for system in element.extent})
    for system in systems:
        images = [e for e in elements if e.kind == "images" and system in e.extent]
        for element in elements:
            box = element.extent.get(system)
            if element.kind == "images" or not box or not images:
                continue
            if max(_overlap(box, image.extent[system]) for image in images) < _MIN_OVERLAP:
                severity: Severity = "warning"
                what = (
                    f"In {system!r} it spans {_span(box)}, but "
                    + ", ".join(f"{i.path} spans {_span(i.extent[system])}" for i in images[:3])
                    + "."
                )
                problems.add("extent-mismatch", severity, element.path, what)


def _overlap(
    box: Mapping[str, tuple[float, float]], other: Mapping[str, tuple[float, float]]
) -> float:
    """Share of `box` that lies in `other`, in x and y."""
    share = 1.0
    for axis in ("x", "y"):
        if axis not in box or axis not in other:
            continue
        low, high = box[axis]
        common = min(high, other[axis][1]) - max(low, other[axis][0])
        if high > low:
            share *= max(0.0, common) / (high - low)
        elif common < 0:
            share = 0.0
    return share


def _span(box: Mapping[str, tuple[float, float]]) -> str:
    return " × ".join(f"{axis} {low:,.0f}–{high:,.0f}" for axis, (low, high) in box.items())
