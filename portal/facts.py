"""What a store says about itself: the nouns that `portal.scan` makes.

Sizes are bytes, shapes follow the order of `axes`, extents are in the units of their
coordinate system. A fact nobody could read is None, never a guess.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from portal.errors import Problem

__all__ = [
    "Column",
    "ElementFacts",
    "ElementKind",
    "Level",
    "MatrixFacts",
    "StoreFacts",
    "StoreKind",
    "Transformation",
]

ElementKind = Literal["images", "labels", "points", "shapes", "tables"]
StoreKind = Literal["spatialdata", "anndata", "mudata", "ome-zarr", "zarr", "unreadable"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Transformation(_Facts):
    """How an element lies in one coordinate system.

    `kind` is the outermost type as stored: identity, scale, translation, affine, mapAxis,
    sequence. `affine` maps (x, y[, z], 1) of the element to the system: 2 × 3 or 3 × 4,
    rows in the order x, y[, z]; None where it could not be worked out.
    """

    coordinate_system: str
    kind: str
    affine: tuple[tuple[float, ...], ...] | None = None
    unit: str | None = None


class Level(_Facts):
    """One resolution of an image or of labels."""

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    codecs: tuple[str, ...] = ()
    chunks_stored: int | None = None
    chunks_expected: int | None = None


class Column(_Facts):
    """A column of obs or var, or of the Parquet file of points or shapes.

    `dtype` is `categorical`, `string`, `boolean` or a NumPy name such as `int64`.
    `categories` has at most 512 of `n_categories` values, as text.
    """

    name: str
    dtype: str
    categories: tuple[str, ...] | None = None
    n_categories: int | None = None
    ordered: bool = False


class MatrixFacts(_Facts):
    """X, a layer, or an entry of obsm: `encoding` is array, csr_matrix, csc_matrix, dataframe."""

    name: str
    encoding: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    chunks: tuple[int, ...] | None = None


class ElementFacts(_Facts):
    """One element. Fields that its kind does not have are None or empty."""

    kind: ElementKind
    name: str
    path: str
    """Inside the store, for example `images/he`; `table` for a legacy single table."""
    version: str | None = None
    readable: bool = True
    bytes: int | None = None
    files: int | None = None

    # images and labels
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    levels: tuple[Level, ...] = ()
    channels: tuple[str, ...] = ()
    rgb: bool | None = None
    """True where the metadata say so or three uint8 channels carry no other names."""

    # everything that lies in space
    transformations: tuple[Transformation, ...] = ()
    extent: dict[str, dict[str, tuple[float, float]]] = {}
    """By coordinate system, by axis: (minimum, maximum)."""

    # points, shapes and tables
    n_rows: int | None = None
    parts: int | None = None
    """Number of Parquet files of points."""
    columns: tuple[Column, ...] = ()
    """Of the Parquet file of points or shapes."""
    index_name: str | None = None
    geometry_types: tuple[str, ...] = ()
    radius: bool = False
    feature_key: str | None = None
    instance_key: str | None = None

    # tables
    n_vars: int | None = None
    obs: tuple[Column, ...] = ()
    var: tuple[Column, ...] = ()
    obsm: tuple[MatrixFacts, ...] = ()
    layers: tuple[MatrixFacts, ...] = ()
    x: MatrixFacts | None = None
    regions: tuple[str, ...] = ()
    region_key: str | None = None
    feature_ids: tuple[str, ...] = ()
    """Index of var, whole."""
    feature_names: tuple[str, ...] = ()
    """Symbols beside the ids where var has them, aligned with `feature_ids`."""
    feature_accessions: tuple[str, ...] = ()
    """Stable ids (Ensembl and the like) where the index of var holds symbols, aligned with it."""
    feature_list: str | None = None
    """In artifact.json, instead of the two lists above: the key of the list in genes.parquet."""

    @property
    def coordinate_systems(self) -> tuple[str, ...]:
        """Names of the coordinate systems that the element has a transformation to."""
        return tuple(t.coordinate_system for t in self.transformations)


class StoreFacts(_Facts):
    """The whole of what a scan found in one store."""

    kind: StoreKind
    container_version: str | None = None
    """Version of the SpatialData container format, for example `0.2`."""
    zarr_format: int | None = None
    consolidated: str | None = None
    """`.zmetadata`, `zmetadata`, `zarr.json`, or None."""
    written_by: str | None = None
    elements: tuple[ElementFacts, ...] = ()
    attributes: dict[str, Any] = {}
    """Root attributes, as JSON: NaN and infinities are null."""
    attributes_layout: str | None = None
    """`metadata_general`, `bio+tech`, `sample`, `other`, or None where there are none."""
    bytes: int | None = None
    files: int | None = None
    fingerprint: str = ""
    """Hex; equal fingerprints mean equal stores (metadata by content, chunks by name and size)."""
    state: str = Field(default="", exclude=True)
    """Hex; changes whenever a file of the store is written, also where sizes stay the same: for
    caches on one machine, never published."""
    problems: tuple[Problem, ...] = ()
    bytes_read: int = 0

    def of(self, kind: ElementKind) -> list[ElementFacts]:
        """The elements of one kind, in order of name."""
        return [e for e in self.elements if e.kind == kind]

    @property
    def coordinate_systems(self) -> list[str]:
        """All coordinate systems, in order of name."""
        return sorted({c for e in self.elements for c in e.coordinate_systems})
