"""One faulty store for each code of `portal.scan.CODES`: a function that makes it.

Each takes an empty folder and returns what to scan (and may return options for the scan).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from portal.config import Remote
from portal.store import Files, Folder, FolderFiles
from tests.faultyserver import Server, Setup
from tests.stores import Maker, identity, sound, zipped

__all__ = ["FAULTS", "Made"]

Made = Path | Files | tuple[Path | str, dict[str, Any]]
FAULTS: dict[str, Callable[[Path], Made]] = {}


def _fault(code: str) -> Callable[[Callable[[Path], Made]], Callable[[Path], Made]]:
    def keep(make: Callable[[Path], Made]) -> Callable[[Path], Made]:
        FAULTS[code] = make
        return make

    return keep


def _ome(maker: Maker, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    meta = maker.read(f"{path}/zarr.json")
    return meta, meta["attributes"]["ome"]["multiscales"][0]


def _simple(code: str, change: Callable[[Maker], object]) -> None:
    """A sound store (zarr 3) with one change, consolidated after it."""

    def make(folder: Path) -> Path:
        maker = sound(folder / "store.zarr")
        change(maker)
        if (maker.root / "zarr.json").exists():
            root = maker.read("zarr.json")
            root.pop("consolidated_metadata", None)
            maker.write("zarr.json", root)
            maker.consolidate()
        return maker.root

    FAULTS[code] = make


def _axes_mismatch(maker: Maker) -> None:
    meta, first = _ome(maker, "images/image")
    first["axes"] = first["axes"][1:]
    maker.write("images/image/zarr.json", meta)


def _no_multiscales(maker: Maker) -> None:
    meta, _ = _ome(maker, "images/image")
    del meta["attributes"]["ome"]["multiscales"]
    maker.write("images/image/zarr.json", meta)


def _level_absent(maker: Maker) -> None:
    shutil.rmtree(maker.root / "images/image/s1")


def _same_levels(maker: Maker) -> None:
    maker.image("flat", levels=((3, 8, 8), (3, 8, 8)))


def _no_system(maker: Maker) -> None:
    meta, first = _ome(maker, "images/image")
    first["coordinateTransformations"] = []
    maker.write("images/image/zarr.json", meta)


def _odd_transformation(maker: Maker) -> None:
    curved = {**identity("xy", "curved"), "type": "displacements"}
    maker.shapes("curved", transformations=[curved])


def _empty_chunk(maker: Maker) -> None:
    maker.write("images/image/s0/c/0/0/0", b"")


def _broken_points(maker: Maker) -> None:
    maker.write("points/points/points.parquet/part.1.parquet", b"PAR1 cut short PAR")


def _no_coordinates(maker: Maker) -> None:
    for part in (maker.root / "points/points/points.parquet").iterdir():
        pq.write_table(pa.table({"gene": ["a"]}), part)


def _far_away(maker: Maker) -> None:
    maker.shapes("far", bbox=(1000.0, 1000.0, 9000.0, 9000.0))


def _wrong_region_column(maker: Maker) -> None:
    maker.write("tables/table/obs/region/categories/c/0", b"\1\0\0\0\5\0\0\0other")


def _no_key(key: str) -> Callable[[Maker], None]:
    return lambda maker: maker.attributes("tables/table", **{key: "absent"})


def _longer_x(maker: Maker) -> None:
    maker.array("tables/table/X", np.ones((5, 2), "float32"))


def _undecodable(maker: Maker) -> None:
    maker.write("tables/table/obs/region/categories/c/0", b"\xff\xff\xff\xffnonsense")


def _no_spatialdata_attrs(maker: Maker) -> None:
    maker.attributes("", spatialdata_attrs=None)


def _unreadable_metadata(maker: Maker) -> None:
    maker.write("shapes/shapes/zarr.json", {"zarr_format": 3, "node_type": "array"})


_simple("axes-mismatch", _axes_mismatch)
_simple("chunk-absent", lambda m: (m.root / "images/image/s0/c/0/0/0").unlink())
_simple("chunk-empty", _empty_chunk)
_simple("column-unreadable", _undecodable)
_simple("container-version-unknown", lambda m: m.attributes("", spatialdata_attrs={"version": "9"}))
_simple("coordinate-system-absent", _no_system)
_simple("coordinates-absent", _no_coordinates)
_simple("element-broken", _unreadable_metadata)
_simple("element-unknown", lambda m: m.attributes("points/points", **{"encoding-type": "ngff:x"}))
_simple("extent-mismatch", _far_away)
_simple("feature-key-absent", lambda m: m.points("keyless", feature_key="absent"))
_simple("geo-absent", lambda m: m.shapes("plain", geo=False))
_simple("group-unknown", lambda m: m.group("metadata"))
_simple("instance-key-absent", _no_key("instance_key"))
_simple("json-broken", lambda m: m.write("shapes/shapes/zarr.json", '{"zarr_format": 3,'))
_simple("level-absent", _level_absent)
_simple("levels-not-decreasing", _same_levels)
_simple("link-inside", lambda m: os.symlink("image", m.root / "images/again"))
_simple("link-outside", lambda m: os.symlink("/etc", m.root / "images/etc"))
_simple("metadata-absent", lambda m: (m.root / "labels/labels/zarr.json").unlink())
_simple("multiscales-absent", _no_multiscales)
_simple("name-case", lambda m: m.shapes("Shapes"))
_simple("name-forbidden", lambda m: m.shapes("a b"))
_simple("parquet-absent", lambda m: (m.root / "shapes/shapes/shapes.parquet").unlink())
_simple("parquet-broken", _broken_points)
_simple("region-absent", lambda m: m.table("dangling", region="nowhere"))
_simple("region-key-absent", _no_key("region_key"))
_simple("region-mismatch", _wrong_region_column)
_simple("spatialdata-attrs-absent", _no_spatialdata_attrs)
_simple("table-annotates-nothing", lambda m: m.table("free", region=None))
_simple("table-legacy", lambda m: m.table("table", group="table"))
_simple("table-part-absent", lambda m: shutil.rmtree(m.root / "tables/table/var"))
_simple("table-shape", _longer_x)
_simple("transformation-unknown", _odd_transformation)
_simple("var-duplicates", lambda m: m.table("twice", genes=("A", "A")))


@_fault("consolidated-absent")
def _(folder: Path) -> Path:
    maker = Maker(folder / "store.zarr")
    maker.image()
    return maker.root


@_fault("consolidated-broken")
def _(folder: Path) -> Path:
    maker = sound(folder / "store.zarr", 2)
    maker.write(".zmetadata", "[]")
    return maker.root


@_fault("consolidated-stale")
def _(folder: Path) -> Path:
    maker = sound(folder / "store.zarr")
    maker.attributes("points/points", spatialdata_attrs={"version": "0.2", "feature_key": "x"})
    return maker.root


@_fault("zmetadata-name")
def _(folder: Path) -> Path:
    maker = sound(folder / "store.zarr", 2)
    (maker.root / ".zmetadata").rename(maker.root / "zmetadata")
    return maker.root


@_fault("json-nan")
def _(folder: Path) -> Path:
    maker = sound(folder / "store.zarr", 2)
    version = {"spatialdata_attrs": {"version": "0.1"}, "sample": {"age": float("nan")}}
    maker.write(".zattrs", json.dumps(version))
    return maker.root


@_fault("file-special")
def _(folder: Path) -> Path:
    maker = sound(folder / "store.zarr")
    try:
        os.mkfifo(maker.root / "images/pipe")
    except (AttributeError, OSError):
        # The address of a socket may have 100 characters, so it is bound from within.
        here = Path.cwd()
        os.chdir(maker.root)
        socket.socket(socket.AF_UNIX).bind("pipe")
        os.chdir(here)
    return maker.root


@_fault("file-unreadable")
def _(folder: Path) -> Path:
    """An encrypted member of a zip, which also root cannot read."""
    maker = sound(folder / "store.zarr")
    archive = zipped(maker.root, folder / "store.zarr.zip")
    data = bytearray(archive.read_bytes())
    entry = data.rfind(b"PK\x01\x02", 0, data.rfind(b"images/image/zarr.json"))
    data[entry + 8] |= 1
    archive.write_bytes(data)
    return archive


@_fault("not-spatialdata")
def _(folder: Path) -> Path:
    return Maker(folder / "store.zarr", attributes={"some": "thing"}).root


@_fault("not-zarr")
def _(folder: Path) -> Path:
    (folder / "store.zarr").mkdir()
    (folder / "store.zarr/readme.txt").write_text("nothing here")
    return folder / "store.zarr"


class _Surprising(FolderFiles):
    """A store that does what nobody thought of."""

    def walk(self) -> Iterator[Folder]:
        yield from super().walk()
        raise RecursionError(f"nobody thought of {self._root}")


def _served(folder: Path, root: str = "store.zarr", **options: Any) -> Made:
    """The address of a sound store on a server that has a fault; it serves until the tests end."""
    if not (folder / "store.zarr").exists():
        sound(folder / "store.zarr")
    server = Server(folder, Setup(**options))
    threading.Thread(target=server.http.serve_forever, daemon=True).start()
    return server.url + root, {"remote": Remote(allow_private=True, timeout=0.5)}


@_fault("remote-absent")
def _(folder: Path) -> Made:
    return _served(folder, "other.zarr")


@_fault("remote-busy")
def _(folder: Path) -> Made:
    return _served(folder, fault=lambda path, n: (429, {"Retry-After": "3600"}))


@_fault("remote-changed")
def _(folder: Path) -> Made:
    """The metadata are written anew after they were read."""

    def write(path: str, n: int) -> None:
        if path.endswith("store.zarr/zarr.json") and n == 2:
            with (folder / path).open("a") as file:
                file.write(" ")

    return _served(folder, fault=write)


@_fault("remote-cut")
def _(folder: Path) -> Made:
    return _served(folder, fault=lambda path, n: "cut")


@_fault("remote-fault")
def _(folder: Path) -> Made:
    return _served(folder, fault=lambda path, n: 500)


@_fault("remote-private")
def _(folder: Path) -> Made:
    address, _ = _served(folder)  # type: ignore[misc]
    return address, {"remote": Remote()}  # type: ignore[return-value]


@_fault("remote-redirect")
def _(folder: Path) -> Made:
    return _served(folder, fault=lambda path, n: (302, {"Location": "file:///etc/passwd"}))


@_fault("remote-refused")
def _(folder: Path) -> Made:
    return _served(folder, fault=lambda path, n: 403)


@_fault("remote-slow")
def _(folder: Path) -> Made:
    return _served(folder, fault=lambda path, n: "slow")


@_fault("remote-unlisted")
def _(folder: Path) -> Made:
    maker = Maker(folder / "store.zarr")
    maker.image()
    return _served(folder)


@_fault("remote-unreachable")
def _(folder: Path) -> Made:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}/store.zarr", {"remote": Remote(allow_private=True)}


@_fault("remote-webpage")
def _(folder: Path) -> Made:
    return _served(folder, "other.zarr", html_for_404=True)


@_fault("scan-failed")
def _(folder: Path) -> Files:
    return _Surprising(sound(folder / "store.zarr").root, 1_000_000)


@_fault("scan-limit")
def _(folder: Path) -> Made:
    return sound(folder / "store.zarr").root, {"limit": 3000}


@_fault("source-absent")
def _(folder: Path) -> Path:
    return folder / "absent.zarr"


@_fault("source-unsupported")
def _(folder: Path) -> Path:
    return Path("/dev/null")


@_fault("zip-broken")
def _(folder: Path) -> Path:
    (folder / "store.zarr.zip").write_bytes(b"PK\3\4 no zip")
    return folder / "store.zarr.zip"


@_fault("zip-member-unsafe")
def _(folder: Path) -> Path:
    archive = zipped(sound(folder / "store.zarr").root, folder / "store.zarr.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("../outside.txt", "no")
    return archive
