"""Tables of a view store: one region a table, one gene (or a few) a chunk, text categories."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.viewzarr import folder_size, gzip_array, write_array, write_group, write_strings

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["Part", "WrittenTable", "gene_names", "split", "write_features", "write_table"]

HEATMAP_GENES = 32
_MAX_SETS = 12
_MAX_CATEGORIES = 60
_CHUNK_VALUES = 16_384  # float32 values in a chunk: 64 kB before compression
_SHARD_CHUNKS = 100
_RANKED = 400  # genes that are tested for a pattern in space
_SET_NAMES = re.compile(
    r"clust|leiden|louvain|cell.?type|annot|class|group|domain|layer|region|label|niche|zone",
    re.IGNORECASE,
)
_CELL_TYPES = re.compile(r"cell.?type|annot|subclass|cell.?class", re.IGNORECASE)
_CLUSTERS = re.compile(r"clust|leiden|louvain|domain|layer|niche|zone", re.IGNORECASE)
_SYMBOLS = (
    "gene_symbols",
    "gene_symbol",
    "symbol",
    "feature_name",
    "gene_name",
    "gene_names",
    "gene_short_name",
    "name",
)


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

    @property
    def ids(self) -> np.ndarray:
        """What the region calls each row: values of the instance key, else the index of obs."""
        if self.instance_key:
            return self.adata.obs[self.instance_key].to_numpy()
        return self.adata.obs_names.to_numpy()


@dataclass(frozen=True)
class WrittenTable:
    """What came of one table."""

    hints: dict[str, Any]
    left_out: tuple[str, ...]
    bytes: int


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
    parts = []
    for region in sorted(values.unique()):
        rows = (values == region).to_numpy()
        whole = bool(rows.all())
        parts.append(
            Part(
                name,
                name if whole else f"{name}-{_UNSAFE.sub('_', region)}",
                region,
                adata if whole else adata[rows],
                region_key,
                instance_key,
                tuple(Grouping(g.name, g.codes[rows], g.categories) for g in sets),
            )
        )
    return parts


def write_table(
    part: Part, root: Path, budget: int, xy: np.ndarray | None, *, with_spatial: bool
) -> WrittenTable:
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
    genes = _write_matrix(folder, part, budget - spent, xy)
    notes = [*set_notes, *genes.pop("left_out")]
    hints = {
        "table": part.table,
        "region": part.region,
        "n_obs": int(adata.n_obs),
        "sets": sets,
        "embeddings": embeddings,
        **genes,
    }
    return WrittenTable(hints, tuple(notes), folder_size(folder)[0])


def write_features(root: Path, name: str, counts: dict[str, int], points: str) -> int:
    """A table whose var lists the features of points, so that one can be picked; its bytes.

    Its one row has the number of points of each feature: a viewer stumbles over no rows at all.
    """
    folder = root / "tables" / name
    attributes = {"region": None, "region_key": None, "instance_key": None}
    write_group(folder, {**_TABLE, **attributes})
    for group in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
        write_group(folder / group, _DICT)
    _write_frame(folder / "obs", [points], {})
    _write_frame(folder / "var", list(counts), {})
    write_array(folder / "X", np.array([list(counts.values())], np.float32))
    return folder_size(folder)[0]


_DICT = {"encoding-type": "dict", "encoding-version": "0.1.0"}
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
        write_group(folder / group, _DICT)
    if annotates:
        attrs = folder / "uns" / "spatialdata_attrs"
        write_group(attrs, _DICT)
        for key, value in region.items():
            text = {"encoding-type": "string", "encoding-version": "0.2.0"}
            gzip_array(attrs / key, (), str, (), attributes=text)[...] = str(value)


def _write_frame(folder: Path, index: list[str], columns: dict[str, Any]) -> None:
    """An AnnData data frame: text, numbers, or (codes, categories) for each column."""
    write_group(
        folder,
        {
            "_index": "_index",
            "column-order": list(columns),
            "encoding-type": "dataframe",
            "encoding-version": "0.2.0",
        },
    )
    write_strings(folder / "_index", index)
    for name, values in columns.items():
        if isinstance(values, tuple):
            codes, categories = values
            categorical = {
                "encoding-type": "categorical",
                "encoding-version": "0.2.0",
                "ordered": False,
            }
            write_group(folder / name, categorical)
            write_strings(folder / name / "categories", categories)
            write_array(folder / name / "codes", codes)
        elif isinstance(values, np.ndarray):
            write_array(folder / name, values)
        else:
            write_strings(folder / name, values)


def _write_obs(folder: Path, part: Part) -> tuple[list[dict[str, Any]], list[str]]:
    """Ids and the columns that make useful sets; their names and values, the best one first."""
    obs = part.adata.obs
    columns: dict[str, Any] = {}
    if part.instance_key and part.region is not None and part.region_key:
        ids = obs[part.instance_key].to_numpy()
        numeric = np.issubdtype(ids.dtype, np.integer) and ids.max(initial=0) < 2**31
        columns[part.instance_key] = ids.astype(np.int32) if numeric else [str(v) for v in ids]
        columns[part.region_key] = (np.zeros(len(obs), np.int8), [part.region])
    offered = part.sets[:_MAX_SETS]
    columns |= {g.name: (g.codes, g.categories) for g in offered}
    _write_frame(folder / "obs", [str(n) for n in part.adata.obs_names], columns)
    notes = []
    if len(part.sets) > _MAX_SETS:
        notes.append(f"{_MAX_SETS} of {len(part.sets)} groupings in {part.table} are offered.")
    return [{"name": g.name, "values": g.categories} for g in offered], notes


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
    return [(0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in parts if p]


def _write_embeddings(folder: Path, adata: AnnData, with_spatial: bool) -> list[dict[str, Any]]:
    """The first two columns of UMAP, t-SNE and PCA, in this order; others by name."""
    found = []
    for key in adata.obsm:
        values = adata.obsm[key]
        spatial = "spatial" in key.lower() or "centroid" in key.lower()
        if (spatial and not with_spatial) or not is_safe(key):
            continue
        try:
            values = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError):
            continue
        if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values[:, :2]).all():
            continue
        label = _embedding_label(key)
        rank = {"UMAP": 0, "t-SNE": 1, "PCA": 2}.get(label, 3)
        if rank == 3 and not spatial and values.shape[1] > 3:
            continue
        if spatial:
            values = values * np.array([1, -1] + [1] * (values.shape[1] - 2), np.float32)
        write_array(folder / "obsm" / key, np.ascontiguousarray(values[:, :2]))
        (x0, y0), (x1, y1) = values[:, :2].min(axis=0), values[:, :2].max(axis=0)
        bounds = [float(v) for v in (x0, y0, x1, y1)]
        found.append((rank, {"key": key, "label": label, "bounds": bounds}))
    return [entry for _, entry in sorted(found, key=lambda f: (f[0], f[1]["key"]))]


def _embedding_label(key: str) -> str:
    plain = key.lower()
    for word, label in (("umap", "UMAP"), ("tsne", "t-SNE"), ("pca", "PCA")):
        if word in plain:
            return label
    return key.removeprefix("X_")


def _write_matrix(folder: Path, part: Part, budget: int, xy: np.ndarray | None) -> dict[str, Any]:
    """X as dense float32, the most telling genes first, as many as fit."""
    adata = part.adata
    names = gene_names(adata)
    n_obs, n_vars = adata.shape
    if adata.X is None or n_vars == 0 or n_obs == 0:
        _write_frame(folder / "var", [], {})
        return {"genes": [], "n_vars": 0, "heatmap": [], "left_out": []}
    matrix, logged = _columns_first(adata.X)
    order, telling = _gene_order(matrix, adata, xy)
    wide = max(1, min(n_vars, _CHUNK_VALUES // max(1, n_obs)))
    kept = _fitting(matrix, order, budget, wide)
    order = order[:kept]
    if kept == 0:
        _write_frame(folder / "var", [], {})
        return {
            "genes": [],
            "n_vars": 0,
            "heatmap": [],
            "left_out": [f"The values of {n_vars:,} features are left out to keep the view small."],
        }
    shards = min(_SHARD_CHUNKS * wide, -(-kept // wide) * wide)
    attributes = {"encoding-type": "array", "encoding-version": "0.2.0"}
    array = gzip_array(
        folder / "X",
        (n_obs, kept),
        np.float32,
        (n_obs, wide),
        shards=(n_obs, shards),
        attributes=attributes,
    )
    for start in range(0, kept, shards):
        array[:, start : start + shards] = _dense(matrix, order[start : start + shards])
    heatmap = np.zeros(kept, bool)
    if _comparable(_dense(matrix, order[:HEATMAP_GENES])):
        heatmap[:HEATMAP_GENES] = True
    columns: dict[str, Any] = {"heatmap": heatmap}
    ids = [str(n) for n in adata.var_names]
    if ids != names:
        columns["feature_id"] = [ids[i] for i in order]
    shown = [names[i] for i in order]
    _write_frame(folder / "var", shown, columns)
    left_out = [f"Counts of {part.table} are shown as log(1 + count)."] if logged else []
    if kept < n_vars:
        left_out.append(f"The {kept:,} most variable of {n_vars:,} features can be picked.")
    return {
        "genes": shown[:8],
        "first_gene": names[telling],
        "n_vars": kept,
        "heatmap": [shown[i] for i in np.flatnonzero(heatmap)],
        "left_out": left_out,
    }


def _comparable(values: np.ndarray) -> bool:
    """Whether columns are of one magnitude, so that one colour scale shows them all."""
    tops = np.percentile(np.abs(values), 99, axis=0)
    tops = tops[tops > 0]
    # Counts of genes differ by nature; a few measured features must share their unit.
    limit = 30 if values.shape[1] >= 20 else 3
    return tops.size > 1 and float(tops.max() / np.median(tops)) < limit


def gene_names(adata: AnnData) -> list[str]:
    """Symbols where var has a whole, unique column of them, else the index."""
    index = [str(n) for n in adata.var_names]
    for column in _SYMBOLS:
        if column in adata.var.columns:
            symbols = [str(v) for v in adata.var[column]]
            if len(set(symbols)) == len(symbols) and not {"nan", "None", ""} & set(symbols):
                return symbols
    return index


def _columns_first(matrix: Any) -> tuple[Any, bool]:
    """X with quick columns; counts become log(1 + count), or a few spots would outshine all."""
    import scipy.sparse as sp

    if sp.issparse(matrix):
        columns = sp.csc_matrix(matrix).astype(np.float32)
        stored = columns.data
    else:
        columns = stored = np.asarray(matrix, dtype=np.float32)
    sample = stored.reshape(-1)[:: max(1, stored.size // 1_000_000)]
    counts = sample.size and sample.min() >= 0 and (sample == np.rint(sample)).all()
    if not counts or sample.max() <= 30:
        return columns, False
    np.log1p(stored, out=stored)
    return columns, True


def _dense(matrix: Any, columns: np.ndarray) -> np.ndarray:
    """Columns as float32 with twelve bits of mantissa: four digits, and far fewer bytes."""
    import scipy.sparse as sp

    part = matrix[:, columns]
    dense = np.ascontiguousarray(part.toarray() if sp.issparse(part) else part, dtype=np.float32)
    dense = np.nan_to_num(dense, nan=0.0, posinf=0.0, neginf=0.0)
    bits = dense.view(np.uint32)
    return (
        (bits + np.uint32(0x3FF) + ((bits >> np.uint32(11)) & np.uint32(1))) & np.uint32(0xFFFFF800)
    ).view(np.float32)


def _gene_order(matrix: Any, adata: AnnData, xy: np.ndarray | None) -> tuple[np.ndarray, int]:
    """Columns from the most to the least telling, and the one to show first.

    Genes that var marks as highly variable go before the others, controls after all. First
    comes the one with the clearest pattern in space among the most variable.
    """
    variance = _variance(matrix)
    rank = np.argsort(-variance, kind="stable")
    if "highly_variable" in adata.var.columns:
        column: Any = adata.var["highly_variable"]
        marked = np.array([bool(v == 1) for v in column], dtype=bool)
        rank = np.concatenate([rank[marked[rank]], rank[~marked[rank]]])
    technical = np.array([bool(_TECHNICAL.match(str(n))) for n in gene_names(adata)])
    rank = np.concatenate([rank[~technical[rank]], rank[technical[rank]]])
    if xy is None or len(xy) < 30:
        return rank, int(rank[0])
    tested = rank[:_RANKED]
    score = _pattern(_dense(matrix, tested), xy)
    telling = tested[np.argsort(-score, kind="stable")]
    return np.concatenate([telling, rank[_RANKED:]]), int(telling[0])


_TECHNICAL = re.compile(
    r"blank|negcontrol|neg.?control|unassigned|antisense|deprecated", re.IGNORECASE
)


def _variance(matrix: Any) -> np.ndarray:
    """By column."""
    import scipy.sparse as sp

    if sp.issparse(matrix):
        mean = np.asarray(matrix.mean(axis=0)).ravel()
        return np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel() - mean**2
    blocks = [
        np.nan_to_num(matrix[:, start : start + 256]).var(axis=0)
        for start in range(0, matrix.shape[1], 256)
    ]
    return np.concatenate(blocks)


def _pattern(values: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Moran's I over six nearest neighbours, for each column: 1 is the clearest pattern."""
    from scipy.spatial import KDTree

    k = min(7, len(xy))
    found: Any = KDTree(xy).query(xy, k=k)
    centred = values - values.mean(axis=0)
    around = centred[found[1][:, 1:]].mean(axis=1)
    spread = (centred**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moran = (centred * around).sum(axis=0) / spread
    return np.nan_to_num(moran)


def _fitting(matrix: Any, order: np.ndarray, budget: int, wide: int) -> int:
    """How many columns fit into `budget` bytes, judged by a spread sample of chunks."""
    import gzip

    n = len(order)
    chunks = -(-n // wide)
    picked = np.unique(np.linspace(0, chunks - 1, min(chunks, 24)).astype(int))
    sizes = []
    for i in picked:
        block = np.ascontiguousarray(_dense(matrix, order[i * wide : (i + 1) * wide]))
        sizes.append(len(gzip.compress(block.tobytes(), 7, mtime=0)) + 16)
    per_chunk = np.interp(np.arange(chunks), picked, sizes)
    fits = int(np.searchsorted(np.cumsum(per_chunk) * 1.03, max(0, budget), side="right"))
    return min(n, fits * wide)
