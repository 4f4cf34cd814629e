"""Small stores written by hand, without zarr or spatialdata, so that each can be wrong at will.

`Maker` writes zarr 2 or 3; numbers raw, text as vlen-utf8, both uncompressed.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Maker", "identity", "sound", "system", "zipped"]


def system(name: str, axes: str) -> dict[str, Any]:
    """A coordinate system as spatialdata writes it."""
    types = {"c": "channel"}
    return {
        "name": name,
        "axes": [{"name": a, "type": types.get(a, "space"), "unit": "unit"} for a in axes],
    }


def identity(axes: str, to: str = "global") -> dict[str, Any]:
    return {"type": "identity", "input": system(axes, axes), "output": system(to, axes)}


class Maker:
    """Writes one store below `root`; each method adds a part and returns its path."""

    def __init__(self, root: Path, zarr_format: int = 3, attributes: Any = None):
        self.root = root
        self.zarr_format = zarr_format
        if attributes is None:
            version = "0.2" if zarr_format == 3 else "0.1"
            attributes = {
                "spatialdata_attrs": {"version": version, "spatialdata_software_version": "0.8.0"}
            }
        self.group("", attributes)

    def write(self, path: str, content: bytes | str | dict[str, Any]) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            content = json.dumps(content)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def read(self, path: str) -> Any:
        return json.loads((self.root / path).read_bytes())

    def group(self, path: str, attributes: dict[str, Any] | None = None) -> str:
        prefix = f"{path}/" if path else ""
        if self.zarr_format == 3:
            meta = {"zarr_format": 3, "node_type": "group", "attributes": attributes or {}}
            self.write(f"{prefix}zarr.json", meta)
        else:
            self.write(f"{prefix}.zgroup", {"zarr_format": 2})
            if attributes:
                self.write(f"{prefix}.zattrs", attributes)
        return path

    def attributes(self, path: str, **changes: Any) -> None:
        """Change attributes of a node that is there; None removes one."""
        prefix = f"{path}/" if path else ""
        name = f"{prefix}zarr.json" if self.zarr_format == 3 else f"{prefix}.zattrs"
        meta = self.read(name)
        attributes = meta["attributes"] if self.zarr_format == 3 else meta
        attributes.update(changes)
        for key in [k for k, v in attributes.items() if v is None]:
            del attributes[key]
        self.write(name, meta)

    def array(
        self,
        path: str,
        values: Any,
        chunks: Sequence[int] | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> str:
        """An array; list of str is text. Every chunk is written."""
        text = isinstance(values, list) and (not values or isinstance(values[0], str))
        data = np.array(values, dtype=object) if text else np.asarray(values)
        chunks = tuple(chunks or (max(n, 1) for n in data.shape))
        self._array_metadata(path, data, chunks, text, attributes or {})
        counts = [math.ceil(n / c) for n, c in zip(data.shape, chunks, strict=True)]
        for index in np.ndindex(*counts):
            begin = [i * c for i, c in zip(index, chunks, strict=True)]
            part = data[tuple(slice(b, b + c) for b, c in zip(begin, chunks, strict=True))]
            self.write(f"{path}/{self.chunk(index)}", self._encode(part, chunks, text))
        return path

    def chunk(self, index: Sequence[int]) -> str:
        parts = [str(i) for i in index]
        return "/".join(["c", *parts]) if self.zarr_format == 3 else "/".join(parts or ["0"])

    def _encode(self, part: Any, chunks: tuple[int, ...], text: bool) -> bytes:
        if text:
            pieces = [t.encode() for t in part.tolist()]
            return struct.pack("<I", len(pieces)) + b"".join(
                struct.pack("<I", len(p)) + p for p in pieces
            )
        full = np.zeros(chunks, part.dtype)
        full[tuple(slice(0, n) for n in part.shape)] = part
        return full.tobytes()

    def _array_metadata(
        self, path: str, data: Any, chunks: tuple[int, ...], text: bool, attributes: dict[str, Any]
    ) -> None:
        shape = list(data.shape)
        if self.zarr_format == 3:
            codec = {"name": "vlen-utf8"} if text else {"name": "bytes"}
            if not text and data.dtype.itemsize > 1:
                codec["configuration"] = {"endian": "little"}
            meta = {
                "zarr_format": 3,
                "node_type": "array",
                "shape": shape,
                "data_type": "string" if text else data.dtype.name,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": "" if text else False if data.dtype == bool else 0,
                "codecs": [codec],
                "attributes": attributes,
            }
            self.write(f"{path}/zarr.json", meta)
            return
        self.write(
            f"{path}/.zarray",
            {
                "zarr_format": 2,
                "shape": shape,
                "chunks": list(chunks),
                "dtype": "|O" if text else data.dtype.str,
                "compressor": None,
                "filters": [{"id": "vlen-utf8"}] if text else None,
                "fill_value": 0,
                "order": "C",
                "dimension_separator": "/",
            },
        )
        if attributes:
            self.write(f"{path}/.zattrs", attributes)

    # elements

    def _top(self, group: str) -> None:
        if not (self.root / group).exists():
            self.group(group)

    def image(
        self,
        name: str = "image",
        levels: Sequence[tuple[int, ...]] = ((3, 40, 60), (3, 20, 30)),
        chunks: tuple[int, ...] | None = None,
        axes: str = "cyx",
        dtype: str = "uint8",
        transformations: list[Any] | None = None,
        kind: str = "images",
        omero: dict[str, Any] | None = None,
    ) -> str:
        path = f"{kind}/{name}"
        self._top(kind)
        first: dict[str, Any] = {
            "axes": [{"name": a, "type": "space"} for a in axes],
            "datasets": [
                {
                    "path": f"s{i}",
                    "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(axes)}],
                }
                for i in range(len(levels))
            ],
            "coordinateTransformations": transformations or [identity(axes)],
        }
        ome: dict[str, Any] = {"version": "0.5-dev-spatialdata", "multiscales": [first]}
        if omero:
            ome["omero"] = omero
        if self.zarr_format == 2:
            first["version"] = "0.4"
            del ome["version"]
        nested = {"ome": ome} if self.zarr_format == 3 else ome
        self.group(path, {**nested, "spatialdata_attrs": {"version": "0.3"}})
        for i, shape in enumerate(levels):
            values = np.ones(shape, dtype)
            self.array(f"{path}/s{i}", values, chunks and chunks[-len(shape) :])
        return path

    def labels(self, name: str = "labels", **options: Any) -> str:
        options = {"levels": ((40, 60), (20, 30)), "axes": "yx", "dtype": "uint32"} | options
        return self.image(name, kind="labels", **options)

    def shapes(
        self,
        name: str = "shapes",
        bbox: Sequence[float] = (5.0, 5.0, 50.0, 35.0),
        transformations: list[Any] | None = None,
        geo: bool = True,
    ) -> str:
        path = f"shapes/{name}"
        self._top("shapes")
        attributes = {
            "encoding-type": "ngff:shapes",
            "axes": ["x", "y"],
            "coordinateTransformations": transformations or [identity("xy")],
            "spatialdata_attrs": {"version": "0.3"},
        }
        self.group(path, attributes)
        described = {"encoding": "WKB", "geometry_types": ["Polygon"], "bbox": list(bbox)}
        note = {"primary_column": "geometry", "columns": {"geometry": described}}
        table = pa.table({"geometry": [b"a", b"b", b"c"], "area": [1.0, 2.0, 3.0]})
        if geo:
            table = table.replace_schema_metadata({"geo": json.dumps(note)})
        pq.write_table(table, self.root / path / "shapes.parquet")
        return path

    def points(self, name: str = "points", feature_key: str = "gene", parts: int = 2) -> str:
        path = f"points/{name}"
        self._top("points")
        attributes = {
            "encoding-type": "ngff:points",
            "axes": ["x", "y"],
            "coordinateTransformations": [identity("xy")],
            "spatialdata_attrs": {"version": "0.2", "feature_key": feature_key},
        }
        self.group(path, attributes)
        (self.root / path / "points.parquet").mkdir(parents=True)
        for part in range(parts):
            columns = {
                "x": [1.0 + part, 20.0],
                "y": [2.0, 30.0 + part],
                "gene": pa.array(["a", "b"]).dictionary_encode(),
            }
            file = self.root / path / "points.parquet" / f"part.{part}.parquet"
            pq.write_table(pa.table(columns), file)
        return path

    def table(
        self,
        name: str = "table",
        region: str | list[str] | None = "labels",
        genes: Sequence[str] = ("GeneA", "GeneB"),
        n_obs: int = 3,
        group: str = "tables",
    ) -> str:
        path = f"{group}/{name}"
        self._top(group)
        keyed = region is not None
        self.group(
            path,
            {
                "encoding-type": "anndata",
                "encoding-version": "0.1.0",
                "region": region,
                "region_key": "region" if keyed else None,
                "instance_key": "instance_id" if keyed else None,
                "version": "0.2",
            },
        )
        self.array(f"{path}/X", np.ones((n_obs, len(genes)), "float32"))
        self.frame(f"{path}/obs", [f"cell{i}" for i in range(n_obs)])
        self.column(f"{path}/obs", "instance_id", np.arange(n_obs))
        regions = [region] if isinstance(region, str) else region or ["none"]
        self.categorical(f"{path}/obs", "region", list(regions), [0] * n_obs)
        self.frame(f"{path}/var", list(genes))
        return path

    def frame(self, path: str, index: list[str]) -> str:
        attributes = {"encoding-type": "dataframe", "_index": "_index", "column-order": []}
        self.group(path, attributes)
        return self.array(f"{path}/_index", index)

    def column(self, frame: str, name: str, values: Any) -> None:
        self.array(f"{frame}/{name}", values)
        self._listed(frame, name)

    def categorical(self, frame: str, name: str, categories: list[str], codes: list[int]) -> None:
        self.group(f"{frame}/{name}", {"encoding-type": "categorical", "ordered": False})
        self.array(f"{frame}/{name}/categories", categories)
        self.array(f"{frame}/{name}/codes", np.asarray(codes, "int8"))
        self._listed(frame, name)

    def _listed(self, frame: str, name: str) -> None:
        file = f"{frame}/zarr.json" if self.zarr_format == 3 else f"{frame}/.zattrs"
        meta = self.read(file)
        order = (meta["attributes"] if self.zarr_format == 3 else meta)["column-order"]
        self.attributes(frame, **{"column-order": [*order, name]})

    def consolidate(self) -> None:
        """Write consolidated metadata as zarr does."""
        listed: dict[str, Any] = {}
        if self.zarr_format == 3:
            for file in sorted(self.root.rglob("zarr.json")):
                path = file.parent.relative_to(self.root).as_posix()
                try:
                    listed[path] = json.loads(file.read_text())
                except ValueError:  # a store broken on purpose
                    continue
            listed.pop(".", None)
            root = self.read("zarr.json")
            root["consolidated_metadata"] = {"kind": "inline", "metadata": listed}
            self.write("zarr.json", root)
            return
        for file in sorted(self.root.rglob(".z*")):
            if file.name != ".zmetadata":
                listed[file.relative_to(self.root).as_posix()] = json.loads(file.read_text())
        self.write(".zmetadata", {"zarr_consolidated_format": 1, "metadata": listed})


def sound(root: Path, zarr_format: int = 3) -> Maker:
    """A store with one element of each kind and nothing wrong."""
    maker = Maker(root, zarr_format)
    maker.image()
    maker.labels()
    maker.shapes()
    maker.points()
    maker.table()
    maker.consolidate()
    return maker


def zipped(root: Path, target: Path, top: str = "", method: int = zipfile.ZIP_STORED) -> Path:
    """The store as a zip, its members at the top or below the folder `top`."""
    with zipfile.ZipFile(target, "w", method) as archive:
        for file in sorted(root.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(root).as_posix()}")
    return target
