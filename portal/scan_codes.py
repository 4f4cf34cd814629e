"""The problems a scan can find: their codes, what they mean, and how they are collected."""

from __future__ import annotations

from collections import Counter

from portal.errors import Problem, Severity

__all__ = ["CODES", "REMEDIES", "Problems", "printable"]

CODES: dict[str, str] = {
    "axes-mismatch": "the axes do not fit the number of dimensions of a level",
    "chunk-absent": "chunk files are absent; readers see the fill value without a warning",
    "chunk-empty": "chunk files have 0 bytes and cannot be decoded",
    "column-unreadable": "a column of a table is declared, but absent or not decodable",
    "consolidated-absent": "there is no consolidated metadata",
    "consolidated-broken": "the consolidated metadata is not what it should be",
    "consolidated-stale": "the consolidated metadata differs from the metadata files",
    "container-version-unknown": "the version of the SpatialData container is not known",
    "coordinate-system-absent": "an element lies in no coordinate system",
    "coordinates-absent": "the file of points or shapes has no coordinate or geometry columns",
    "element-broken": "the metadata of an element is not what its kind needs",
    "element-unknown": "a group among the elements is of another or an unknown encoding",
    "extent-mismatch": "elements of one coordinate system hardly overlap",
    "feature-key-absent": "the feature or instance key of points is not among their columns",
    "file-special": "a pipe, socket or device lies in the store",
    "file-unreadable": "a file or folder cannot be read",
    "geo-absent": "a shapes file has no geometry metadata",
    "group-unknown": "a group at the top is none that SpatialData knows",
    "instance-key-absent": "the instance key of a table is not among its obs columns",
    "json-broken": "a metadata file is not JSON",
    "json-nan": "a metadata file holds NaN or Infinity, which JSON does not have",
    "level-absent": "a resolution level is listed, but not there",
    "levels-not-decreasing": "resolution levels do not get smaller",
    "link-inside": "a symbolic link within the store; links are not followed",
    "link-outside": "a symbolic link out of the store; links are not followed",
    "metadata-absent": "a group has no zarr metadata",
    "multiscales-absent": "an image or labels has no multiscales or axes metadata",
    "name-case": "names differ only in case, or not at all",
    "name-forbidden": "a name has characters that SpatialData forbids",
    "not-spatialdata": "the store is zarr, but not SpatialData",
    "not-zarr": "there is no zarr metadata at all",
    "parquet-absent": "the Parquet file of points or shapes is absent",
    "parquet-broken": "a Parquet file cannot be read",
    "region-absent": "a table annotates an element that is not in the store",
    "region-key-absent": "the region key of a table is not among its obs columns",
    "region-mismatch": "the region column and the declared regions differ",
    "remote-absent": "there is no store at the address",
    "remote-busy": "the server asks to come back later",
    "remote-changed": "the store changed while it was read",
    "remote-cut": "an answer broke off, or had another length than was said",
    "remote-fault": "the server answers with a fault of its own",
    "remote-private": "the address lies inside a network",
    "remote-redirect": "the server redirects to where it must not be followed",
    "remote-refused": "the server refuses to show the store",
    "remote-slow": "the server did not answer in time",
    "remote-unlisted": "nothing tells what lies in the store",
    "remote-unreachable": "the server can't be reached",
    "remote-webpage": "the server answers with a web page instead of a store",
    "scan-failed": "the scan met something that it was not made for; facts are missing",
    "scan-limit": "the scan stopped reading at its limit; some facts are missing",
    "source-absent": "the source is not there or cannot be opened",
    "source-unsupported": "the source is neither a folder nor a zip file",
    "spatialdata-attrs-absent": "the root has no spatialdata_attrs",
    "table-annotates-nothing": "a table names no region",
    "table-legacy": "a table lies in the legacy group `table`",
    "table-part-absent": "a table lacks obs, var or X",
    "table-shape": "obs, var and the matrices of a table differ in length",
    "transformation-unknown": "a coordinate transformation is not understood",
    "var-duplicates": "the index of var has duplicates",
    "zip-broken": "the zip file cannot be read",
    "zip-member-unsafe": "a zip, or a list of files, has a member that may not be read",
    "zmetadata-name": "the consolidated metadata is under the name `zmetadata`",
}
"""Every code with its meaning in one line."""

_REWRITE = "Read the store with spatialdata and write it anew."
REMEDIES: dict[str, str] = {
    "axes-mismatch": _REWRITE,
    "chunk-absent": "Copy the store again, or tell in its description that the area is empty.",
    "chunk-empty": "Copy the store again: an upload may have been interrupted.",
    "column-unreadable": "Copy the table again, or drop the column and write the table anew.",
    "consolidated-absent": "Run zarr.consolidate_metadata() so that remote readers need less.",
    "consolidated-broken": "Run zarr.consolidate_metadata() again.",
    "consolidated-stale": "Run zarr.consolidate_metadata() again after the last change.",
    "container-version-unknown": "Update the portal, or write the store with a released version.",
    "coordinate-system-absent": "Set a transformation to a coordinate system and write it.",
    "coordinates-absent": _REWRITE,
    "element-broken": _REWRITE,
    "element-unknown": "Move the group out of the store, or write it through spatialdata.",
    "extent-mismatch": "Check the transformations: a scale factor may be missing.",
    "feature-key-absent": "Correct the key in the element's spatialdata_attrs.",
    "file-special": "Remove it.",
    "file-unreadable": "Give read permission.",
    "geo-absent": "Write the shapes through spatialdata (or geopandas).",
    "group-unknown": "Move it out of the store if it should not be published.",
    "instance-key-absent": "Add the column to obs, or correct instance_key.",
    "json-broken": "Copy the file again, or rewrite the store.",
    "json-nan": "Replace it by null; browsers refuse to read it.",
    "level-absent": "Copy the store again, or rewrite the pyramid.",
    "levels-not-decreasing": "Rewrite the pyramid with scale factors of 2.",
    "link-inside": "Replace the link by a copy of the file.",
    "link-outside": "Replace the link by a copy of what it leads to.",
    "metadata-absent": "Copy the metadata files (zarr.json, .zgroup, .zattrs, .zarray) as well.",
    "multiscales-absent": _REWRITE,
    "name-case": "Rename one of them.",
    "name-forbidden": "Use letters, digits, `_`, `-` and `.`, and no `__` at the start.",
    "not-spatialdata": "Convert it to SpatialData first.",
    "not-zarr": "Point the source at the folder that holds zarr.json or .zgroup.",
    "parquet-absent": "Copy the element again.",
    "parquet-broken": "Copy the file again.",
    "region-absent": "Add the element, or correct the table's region.",
    "region-key-absent": "Add the column to obs, or correct region_key.",
    "region-mismatch": "Set region to the values of the region column.",
    "remote-absent": "Correct the address.",
    "remote-busy": "Scan again later, or fewer stores at a time.",
    "remote-changed": "Scan it again when nobody writes to it.",
    "remote-cut": "Scan again; if it stays, ask who runs the server.",
    "remote-fault": "Scan again later; if it stays, ask who runs the server.",
    "remote-private": "Set remote.allow_private in the site's configuration if it should be read.",
    "remote-redirect": "Write the address that it leads to in the end.",
    "remote-refused": "Make it public, or put credentials into the environment.",
    "remote-slow": "Scan again later, or raise remote.timeout in the site's configuration.",
    "remote-unlisted": (
        "Run zarr.consolidate_metadata() on it, or give an address that can be listed (s3, gs, az)."
    ),
    "remote-unreachable": "Check the address and the connection.",
    "remote-webpage": "Give the address of the store itself, not that of a page about it.",
    "scan-failed": "Report it to the makers of the portal, with the store if you may.",
    "scan-limit": "Raise limits.scan_bytes or remote.total_time in the site's configuration.",
    "source-absent": "Correct the path.",
    "source-unsupported": "Use a folder or a .zarr.zip file.",
    "spatialdata-attrs-absent": "Write the store anew with a current spatialdata.",
    "table-annotates-nothing": "Set region, region_key and instance_key if it belongs to one.",
    "table-legacy": _REWRITE,
    "table-part-absent": "Copy the table again.",
    "table-shape": "Write the table anew through anndata.",
    "transformation-unknown": _REWRITE,
    "var-duplicates": "Call var_names_make_unique() before writing.",
    "zip-broken": "Make the zip again.",
    "zip-member-unsafe": "Make the zip again from inside the store.",
    "zmetadata-name": "Run zarr.consolidate_metadata(): zarr looks for `.zmetadata`.",
}
"""What to do about each."""

_MAX_EACH = 20
"""Problems of one code and severity listed one by one; the rest are counted."""


def printable(text: object, length: int = 200) -> str:
    """Text that any output can take: no lone surrogates, no control characters, not endless."""
    clean = str(text)
    if not clean.isprintable():  # lone surrogates are not printable either
        clean = clean.encode("utf-8", "backslashreplace").decode("utf-8")
        clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in clean)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


class Problems:
    """Collects the problems of one store; a flood of one kind becomes a count."""

    def __init__(self, name: str):
        self.name = printable(name)
        self._found: list[Problem] = []
        self._seen: Counter[tuple[str, Severity]] = Counter()

    def add(self, code: str, severity: Severity, path: str, what: str) -> None:
        """Note a problem at `path` inside the store; "" is the store itself."""
        self._seen[code, severity] += 1
        if self._seen[code, severity] > _MAX_EACH:
            return
        self._found.append(self._problem(code, severity, path, what))

    def _problem(self, code: str, severity: Severity, path: str, what: str) -> Problem:
        where = f"{self.name}/{printable(path)}" if path else self.name
        return Problem(
            code=code,
            severity=severity,
            where=where,
            what=printable(what, 1000),
            remedy=REMEDIES[code],
        )

    def all(self) -> tuple[Problem, ...]:
        """All problems in the order found, floods cut short with a count at the end."""
        more = [
            self._problem(code, severity, "", f"{count - _MAX_EACH:,} more: {CODES[code]}")
            for (code, severity), count in self._seen.items()
            if count > _MAX_EACH
        ]
        return (*self._found, *more)
