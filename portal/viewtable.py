"""Tables of a view store: one region a table, one gene (or a few) a chunk, text categories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.colors import MAX_COLORS
from portal.viewids import text_ids
from portal.viewmatrix import write_matrix
from portal.viewzarr import (
    DICT,
    Written,
    folder_size,
    gzip_array,
    write_array,
    write_frame,
    write_group,
)

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["Part", "may_be_embedding", "split", "write_features", "write_table"]

_MAX_SETS = 12
_MAX_CATEGORIES = 60
_SET_NAMES = re.compile(
    r"clust|leiden|louvain|cell.?type|annot|class|group|domain|layer|region|label|niche|zone",
    re.IGNORECASE,
)
_CELL_TYPES = re.compile(r"cell.?type|annot|subclass|cell.?class", re.IGNORECASE)
_CLUSTERS = re.compile(r"clust|leiden|louvain|domain|layer|niche|zone", re.IGNORECASE)
_EMBEDDINGS = {"UMAP": 0, "t-SNE": 1, "PCA": 2}


@dataclass(frozen=True)
class Grouping:
    """A column as codes (-1 for missing) and the text of its categories."""

    name: str
    codes: np.ndarray
    categories: list[str]


@dataclass(frozen=True)
class Part:
    """The rows of one table that describe one region."""

    table: str
    name: str
    region: str | None
    adata: AnnData
    region_key: str | None
    instance_key: str | None
    sets: tuple[Grouping, ...]
    """The same categories for every part of a table, so that colours agree between regions."""

    ids: tuple[str, ...] = ()
    """What the region calls each row; empty where there is no region."""

    def only(self, rows: np.ndarray, ids: Sequence[str]) -> Part:
        """Some of the rows, in their order, with the ids that the copy gives them."""
        sets = tuple(Grouping(g.name, g.codes[rows], g.categories) for g in self.sets)
        whole = np.array_equal(rows, np.arange(self.adata.n_obs))
        adata = self.adata if whole else self.adata[rows]
        return replace(self, adata=adata, sets=sets, ids=tuple(ids))


_UNSAFE = re.compile(r"[^\w.+-]")


def is_safe(name: str) -> bool:
    """Whether a name from a store can be a folder's name and part of an address."""
    return bool(re.fullmatch(r"\w[\w .+()-]*", name)) and not name.endswith((" ", "."))


def split(name: str, adata: AnnData) -> list[Part]:
    """A part for each region that a table describes; one part without region otherwise."""
    attrs = adata.uns.get("spatialdata_attrs") or {}
    region_key, instance_key = attrs.get("region_key"), attrs.get("instance_key")
    sets = _ranked_sets(adata.obs, {region_key, instance_key})
    columns = set(adata.obs.columns)
    if not region_key or region_key not in columns or instance_key not in columns:
        return [Part(name, name, None, adata, None, None, tuple(sets))]
    values = adata.obs[region_key].astype(str)
    ids = text_ids(adata.obs[instance_key])
    whole = Part(name, name, None, adata, region_key, instance_key, tuple(sets), ids)
    parts = []
    for region in sorted(values.unique()):
        rows = np.flatnonzero((values == region).to_numpy())
        part = whole.only(rows, [ids[row] for row in rows])
        several = f"{name}-{_UNSAFE.sub('_', region)}"
        parts.append(
            replace(part, region=region, name=name if len(rows) == len(values) else several)
        )
    return parts


def write_table(
    part: Part, root: Path, budget: int, xy: np.ndarray | None, *, with_spatial: bool
) -> Written:
    """Write `tables/<name>`, as many genes as `budget` bytes allow.

    `xy` has the place of each row, (n_obs, 2), where it is known: genes with a pattern in space
    come first. With `with_spatial` the coordinates in obsm are an embedding like any other, for
    a table that nothing else shows.
    """
    adata = part.adata
    folder = root / "tables" / part.name
    _write_skeleton(folder, part)
    sets, set_notes = _write_obs(folder, part)
    embeddings = _write_embeddings(folder, adata, with_spatial)
    spent = folder_size(folder)[0]
    genes = write_matrix(folder, part.adata, budget - spent, xy, part.table)
    notes = [*set_notes, *genes.pop("left_out")]
    hints = {
        "table": part.table,
        "region": part.region,
        "n_obs": int(adata.n_obs),
        "sets": sets,
        "embeddings": embeddings,
        **genes,
    }
    return Written(hints, tuple(notes), folder_size(folder)[0])


def write_features(root: Path, name: str, counts: dict[str, int], points: str) -> int:
    """A table whose var lists the features of points, so that one can be picked; its bytes.

    Its one row has the number of points of each feature: a viewer stumbles over no rows at all.
    """
    folder = root / "tables" / name
    attributes = {"region": None, "region_key": None, "instance_key": None}
    write_group(folder, {**_TABLE, **attributes})
    for group in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
        write_group(folder / group, DICT)
    write_frame(folder / "obs", [points], {})
    write_frame(folder / "var", list(counts), {})
    write_array(folder / "X", np.array([list(counts.values())], np.float32))
    return folder_size(folder)[0]


_TABLE = {
    "encoding-type": "anndata",
    "encoding-version": "0.1.0",
    "spatialdata-encoding-type": "ngff:regions_table",
    "version": "0.2",
}


def _write_skeleton(folder: Path, part: Part) -> None:
    annotates = part.region is not None
    region = {
        "region": part.region,
        "region_key": part.region_key if annotates else None,
        "instance_key": part.instance_key if annotates else None,
    }
    write_group(folder, {**_TABLE, **region})
    for group in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
        write_group(folder / group, DICT)
    if annotates:
        attrs = folder / "uns" / "spatialdata_attrs"
        write_group(attrs, DICT)
        for key, value in region.items():
            text = {"encoding-type": "string", "encoding-version": "0.2.0"}
            gzip_array(attrs / key, (), str, (), attributes=text)[...] = str(value)


def _write_obs(folder: Path, part: Part) -> tuple[list[dict[str, Any]], list[str]]:
    """Ids and the columns that make useful sets; their names and values, the best one first."""
    obs = part.adata.obs
    columns: dict[str, Any] = {}
    if part.instance_key and part.region is not None and part.region_key:
        numeric = all(i.isdecimal() and i.isascii() and len(i) < 10 for i in part.ids)
        columns[part.instance_key] = np.array(part.ids, np.int32) if numeric else list(part.ids)
        columns[part.region_key] = (np.zeros(len(obs), np.int8), [part.region])
    offered = _offered(part.sets)
    columns |= {g.name: (g.codes, g.categories) for g in offered}
    write_frame(folder / "obs", [str(n) for n in part.adata.obs_names], columns)
    notes = []
    if len(part.sets) > len(offered):
        notes.append(f"{len(offered)} of {len(part.sets)} groupings in {part.table} are offered.")
    return [{"name": g.name, "values": g.categories} for g in offered], notes


def _offered(sets: Sequence[Grouping]) -> list[Grouping]:
    """As many as the viewer can tell apart: it keeps the number of a colour in one byte."""
    offered: list[Grouping] = []
    colors = 0
    for grouping in sets[:_MAX_SETS]:
        colors += 1 + len(grouping.categories)
        if colors > MAX_COLORS:
            break
        offered.append(grouping)
    return offered


def _ranked_sets(obs: Any, apart: set[str | None]) -> list[Grouping]:
    """Columns of 2 to 60 values: cell types, then clusters, then others."""
    found = []
    for place, name in enumerate(obs.columns):
        if name in apart or not is_safe(str(name)):
            continue
        coded = _codes(obs[name], str(name))
        if coded is None:
            continue
        codes, categories = coded
        if not 2 <= len(categories) <= _MAX_CATEGORIES or len(categories) > 0.5 * len(obs):
            continue
        rank = 0 if _CELL_TYPES.search(name) else 1 if _CLUSTERS.search(name) else 2
        found.append((rank, place, Grouping(str(name), codes, categories)))
    return [grouping for *_, grouping in sorted(found, key=lambda f: f[:2])]


def _codes(column: pd.Series, name: str) -> tuple[np.ndarray, list[str]] | None:
    """A column as codes (-1 for missing) and categories in use, None where it is no grouping."""
    import pandas as pd

    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        categorical = column.cat.remove_unused_categories()
    elif pd.api.types.is_bool_dtype(kind) or pd.api.types.is_string_dtype(kind):
        categorical = column.astype("category").cat.remove_unused_categories()
    elif pd.api.types.is_integer_dtype(kind) and _SET_NAMES.search(name):
        categorical = column.astype("category")
    else:
        return None
    labels = [_label(c) for c in categorical.cat.categories]
    codes = categorical.cat.codes.to_numpy()
    if not categorical.cat.ordered:
        order = sorted(range(len(labels)), key=lambda i: _natural(labels[i]))
        place = np.full(len(labels) + 1, -1, np.int64)
        place[order] = np.arange(len(labels))
        codes, labels = place[codes], [labels[i] for i in order]
    if len(set(labels)) < len(labels):
        return None
    return codes.astype(np.int8 if len(labels) < 128 else np.int16), labels


def _label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """A key that puts 2 before 10."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def _write_embeddings(folder: Path, adata: AnnData, with_spatial: bool) -> list[dict[str, Any]]:
    """The first two columns of UMAP, t-SNE and PCA, in this order; others by name."""
    found = []
    for key in adata.obsm:
        values = adata.obsm[key]
        spatial = _is_spatial(key)
        if (spatial and not with_spatial) or not is_safe(key):
            continue
        try:
            values = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError):
            continue
        if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values[:, :2]).all():
            continue
        label = _embedding_label(key)
        rank = _EMBEDDINGS.get(label, 3)
        if not may_be_embedding(key, values.shape[1]):
            continue
        if spatial:
            values = values * np.array([1, -1] + [1] * (values.shape[1] - 2), np.float32)
        write_array(folder / "obsm" / key, np.ascontiguousarray(values[:, :2]))
        (x0, y0), (x1, y1) = values[:, :2].min(axis=0), values[:, :2].max(axis=0)
        bounds = [float(v) for v in (x0, y0, x1, y1)]
        found.append((rank, {"key": key, "label": label, "bounds": bounds}))
    return [entry for _, entry in sorted(found, key=lambda f: (f[0], f[1]["key"]))]


def may_be_embedding(key: str, width: int) -> bool:
    """Whether an entry of obsm with so many columns shows rows side by side: known by its name,
    or small."""
    return width <= 3 or _is_spatial(key) or _embedding_label(key) in _EMBEDDINGS


def _is_spatial(key: str) -> bool:
    return "spatial" in key.lower() or "centroid" in key.lower()


def _embedding_label(key: str) -> str:
    plain = key.lower()
    for word, label in (("umap", "UMAP"), ("tsne", "t-SNE"), ("pca", "PCA")):
        if word in plain:
            return label
    return key.removeprefix("X_")
