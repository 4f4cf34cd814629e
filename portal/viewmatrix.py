"""The values of a view's tables: dense float32 with one gene (or a few) a chunk, the telling ones first.

What is dense for a moment is a block of genes, never the whole matrix.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.viewzarr import gzip_array, write_frame

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["gene_names", "write_matrix"]

HEATMAP_GENES = 32
_CHUNK_VALUES = 16_384  # float32 values in a chunk: 64 kB before compression
_SHARD_CHUNKS = 100
_DENSE_VALUES = 60_000_000  # of genes that are dense at once: 240 MB
_RANKED = 400  # genes that are tested for a pattern in space
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


def write_matrix(
    folder: Path, adata: AnnData, budget: int, xy: np.ndarray | None, table: str
) -> dict[str, Any]:
    """Write X as dense float32, the most telling genes first, as many as fit."""
    names = gene_names(adata)
    n_obs, n_vars = adata.shape
    if adata.X is None or n_vars == 0 or n_obs == 0:
        write_frame(folder / "var", [], {})
        return {"genes": [], "n_vars": 0, "heatmap": [], "left_out": []}
    matrix, logged = _columns_first(adata.X)
    order, telling = _gene_order(matrix, adata, xy)
    wide = max(1, min(n_vars, _CHUNK_VALUES // max(1, n_obs)))
    kept = _fitting(matrix, order, budget, wide)
    order = order[:kept]
    if kept == 0:
        write_frame(folder / "var", [], {})
        return {
            "genes": [],
            "n_vars": 0,
            "heatmap": [],
            "left_out": [f"The values of {n_vars:,} features are left out to keep the view small."],
        }
    together = min(_SHARD_CHUNKS, max(1, _DENSE_VALUES // (n_obs * wide)))
    shards = min(together * wide, -(-kept // wide) * wide)
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
    write_frame(folder / "var", shown, columns)
    left_out = [f"Counts of {table} are shown as log(1 + count)."] if logged else []
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
    score = _pattern(matrix, tested, xy)
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
    step = max(1, _DENSE_VALUES // max(1, matrix.shape[0]))
    return np.concatenate(
        [
            np.nan_to_num(matrix[:, start : start + step]).var(axis=0)
            for start in range(0, matrix.shape[1], step)
        ]
    )


def _pattern(matrix: Any, columns: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Moran's I over six nearest neighbours, for each column: 1 is the clearest pattern."""
    from scipy.spatial import KDTree

    k = min(7, len(xy))
    found: Any = KDTree(xy).query(xy, k=k)
    near = found[1][:, 1:]
    step = max(1, _DENSE_VALUES // (len(xy) * k))
    return np.concatenate(
        [_moran(_dense(matrix, columns[i : i + step]), near) for i in range(0, len(columns), step)]
    )


def _moran(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    around = centred[near].mean(axis=1)
    spread = (centred**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num((centred * around).sum(axis=0) / spread)


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
