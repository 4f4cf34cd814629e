"""Small made-up stores, one for each thing that a view has to cope with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

GENES = [f"Gene{i:02d}" for i in range(24)]


def _noise(shape: tuple[int, ...], seed: int = 3) -> np.ndarray:
    """Smooth blobs between 0 and 1."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    planes = rng.random(shape)
    sigma = [0] * (len(shape) - 2) + [6, 6]
    smooth = gaussian_filter(planes, sigma)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def image(values: np.ndarray, dims: tuple[str, ...] = ("c", "y", "x"), **kwargs: Any) -> Any:
    from spatialdata.models import Image2DModel, Image3DModel

    model = Image3DModel if "z" in dims else Image2DModel
    return model.parse(values, dims=dims, **kwargs)


def table(n: int, region: Any = None, *, regions: list[str] | None = None, seed: int = 5) -> Any:
    """A table with clusters, a UMAP and counts; `region` names what it describes."""
    import anndata as ad
    import pandas as pd
    from spatialdata.models import TableModel

    rng = np.random.default_rng(seed)
    clusters = np.array([f"type {'ABC'[i * 3 // n]}" for i in range(n)])
    counts = rng.poisson(3, (n, len(GENES))).astype(np.float32)
    counts[:, 0] = np.linspace(0, 200, n).round()
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(clusters)}, index=[f"cell{i}" for i in range(n)]
    )
    obs["leiden"] = np.arange(n) % 4
    adata = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))
    adata.obsm["X_umap"] = (
        rng.normal(size=(n, 2)).astype(np.float32) + np.arange(n)[:, None] / n * 6
    )
    if region is None:
        return adata
    adata.obs["region"] = pd.Categorical(regions or [region] * n)
    adata.obs["instance"] = np.concatenate([np.arange(k) for k in _runs(regions or [region] * n)])
    return TableModel.parse(adata, region=region, region_key="region", instance_key="instance")


def _runs(names: list[str]) -> list[int]:
    return [names.count(name) for name in dict.fromkeys(names)]


def circles(n: int, *, shift: float = 0.0, radius: float = 4.0) -> Any:
    from spatialdata.models import ShapesModel

    side = int(np.ceil(np.sqrt(n)))
    xy = np.array([[i % side, i // side] for i in range(n)], float) * 12 + 10
    return ShapesModel.parse(np.add(xy, [shift, 0]), geometry=0, radius=radius)


def points(n: int, *, seed: int = 9) -> Any:
    import pandas as pd
    from spatialdata.models import PointsModel

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(128, 40, n),
            "y": rng.normal(128, 40, n),
            "gene": rng.choice(GENES[:6], n),
        }
    )
    return PointsModel.parse(frame, coordinates={"x": "x", "y": "y"}, feature_key="gene")


def fluorescence() -> dict[str, Any]:
    values = (_noise((3, 256, 256)) * 40).astype(np.uint8)
    return {"stains": image(values, c_coords=["DAPI", "CD3", "CD20"])}


def rgb() -> dict[str, Any]:
    grey = 150 + 100 * _noise((1, 256, 256))
    values = np.clip(grey * np.array([1.0, 0.8, 0.95])[:, None, None], 0, 255).astype(np.uint8)
    return {"tissue": image(values)}


def channels20() -> dict[str, Any]:
    values = (_noise((20, 200, 300)) * 5000).astype(np.uint16)
    return {"codex": image(values, c_coords=[f"marker {i}" for i in range(20)])}


def stack() -> dict[str, Any]:
    values = (_noise((2, 8, 120, 160)) * 60000).astype(np.uint16)
    return {"volume": image(values, ("c", "z", "y", "x"), c_coords=["DAPI", "actin"])}


def floats() -> dict[str, Any]:
    return {"measured": image(_noise((2, 200, 200)).astype(np.float32) * 7 - 2)}


def only_table() -> dict[str, Any]:
    return {"cells": table(90)}


def only_points() -> dict[str, Any]:
    return {"transcripts": points(5000)}


def spots() -> dict[str, Any]:
    """Spots on an image, the rows of the table in another order than those of the shapes."""
    adata = table(100, "spots")
    return {**rgb(), "spots": circles(100), "table": adata[::-1].copy()}


def several_regions() -> dict[str, Any]:
    names = ["left", "right"]
    adata = table(60, names, regions=["left"] * 30 + ["right"] * 30)
    return {"left": circles(30), "right": circles(30, shift=90), "table": adata}


def multipolygons() -> dict[str, Any]:
    import geopandas
    from shapely import MultiPolygon, box
    from spatialdata.models import ShapesModel

    geometry = [MultiPolygon([box(x, 0, x + 8, 8), box(x, 20, x + 20, 60)]) for x in (0, 40, 80)]
    return {"areas": ShapesModel.parse(geopandas.GeoDataFrame(geometry=geometry))}


def large(side: int = 1500) -> dict[str, Any]:
    """An image of noise that no compression makes small, without a pyramid."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 65535, (1, side, side), dtype=np.uint16)
    return {"noise": image(values, c_coords=["noise"])}


def rotated() -> dict[str, Any]:
    """An image that is turned by a quarter in its coordinate system, with spots on it."""
    from spatialdata.transformations import Affine, set_transformation

    elements = {**fluorescence(), "spots": circles(80)}
    turn = Affine([[0, -1, 256], [1, 0, 0], [0, 0, 1]], ("x", "y"), ("x", "y"))
    for element in elements.values():
        set_transformation(element, turn, "global")
    return elements


STORES: dict[str, Callable[[], dict[str, Any]]] = {
    f.__name__: f
    for f in (
        fluorescence,
        rgb,
        channels20,
        stack,
        floats,
        only_table,
        only_points,
        spots,
        several_regions,
        multipolygons,
        large,
        rotated,
    )
}


def write(name: str, folder: Path) -> Path:
    """Write one of STORES to a folder; its path."""
    import spatialdata

    path = folder / f"{name}.zarr"
    spatialdata.SpatialData.init_from_elements(STORES[name]()).write(path)
    return path
