"""Makes the stores of the default collection's local artifacts: `python -m recipes.default_collection`.

The pictures come with scikit-image's wheel; everything else is measured from their pixels. The
immunohistochemistry picture shows colonic glands with FHL2 in brown (DAB) and nuclei in blue
(haematoxylin), 512 × 512 pixels, of unknown physical scale: all coordinates are pixels.
`blobs` is spatialdata's own synthetic example.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd
    import spatialdata as sd

SEED = 20240601


def nuclei_labels() -> np.ndarray:
    """Segment the blue nuclei: (512, 512) int32, 0 is background."""
    from scipy import ndimage
    from skimage import color, data, feature, filters, measure, morphology, segmentation

    blue = color.rgb2hed(data.immunohistochemistry())[..., 0]
    smooth = filters.gaussian(blue, 1.5)
    mask = smooth > filters.threshold_otsu(smooth)
    mask = morphology.opening(mask, morphology.disk(2))
    distance = ndimage.distance_transform_edt(mask)
    peaks = feature.peak_local_max(
        filters.gaussian(distance, 1), min_distance=5, labels=measure.label(mask)
    )
    markers = np.zeros(mask.shape, dtype=np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, markers, mask=mask)
    small = [r.label for r in measure.regionprops(labels) if r.area < 40]
    labels[np.isin(labels, small)] = 0
    return segmentation.relabel_sequential(labels)[0].astype(np.int32)


def measured(labels: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """What is measured of each object: (n, 10) features, and centroids (n, 2) as x, y."""
    import pandas as pd
    from skimage import color, data, measure

    picture = data.immunohistochemistry()
    stains = color.rgb2hed(picture)
    table = measure.regionprops_table(
        labels,
        intensity_image=np.dstack([stains[..., 0], stains[..., 2], picture]),
        properties=(
            "label",
            "centroid",
            "equivalent_diameter_area",
            "eccentricity",
            "solidity",
            "perimeter",
            "intensity_mean",
        ),
    )
    frame = pd.DataFrame(
        {
            "diameter": table["equivalent_diameter_area"],
            "perimeter": table["perimeter"],
            "eccentricity": table["eccentricity"] * 100,
            "solidity": table["solidity"] * 100,
            "haematoxylin": table["intensity_mean-0"] * 1000,
            "DAB": table["intensity_mean-1"] * 1000,
            "red": table["intensity_mean-2"],
            "green": table["intensity_mean-3"],
            "blue": table["intensity_mean-4"],
        },
        index=table["label"],
    ).astype(np.float32)
    return frame, np.column_stack([table["centroid-1"], table["centroid-0"]])


def annotated(frame: pd.DataFrame, xy: np.ndarray, names: list[str]) -> ad.AnnData:
    """The measurements as a table with k-means groups, ordered by DAB, and principal axes."""
    import anndata as ad
    import pandas as pd
    from scipy.cluster.vq import kmeans2

    scaled = ((frame - frame.mean()) / (frame.std() + 1e-6)).to_numpy()
    _, group = kmeans2(scaled, len(names), seed=SEED, minit="++")
    by_dab = np.argsort([frame["DAB"][group == g].mean() for g in range(len(names))])
    rank = np.empty(len(names), dtype=int)
    rank[by_dab] = np.arange(len(names))
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    table = ad.AnnData(frame.to_numpy(), obs=pd.DataFrame(index=frame.index.astype(str)))
    table.var_names = list(frame.columns)
    table.var["kind"] = pd.Categorical(
        [
            "shape" if c in ("diameter", "perimeter", "eccentricity", "solidity") else "stain"
            for c in frame.columns
        ]
    )
    table.obs["group"] = pd.Categorical([names[rank[g]] for g in group], categories=names)
    table.obsm["X_pca"] = (left * size)[:, :2].astype(np.float32)
    table.obsm["spatial"] = xy.astype(np.float32)
    return table


def picture() -> object:
    """The immunohistochemistry picture as a multiscale image (c, y, x)."""
    from skimage import data
    from spatialdata.models import Image2DModel

    return Image2DModel.parse(
        np.moveaxis(data.immunohistochemistry(), -1, 0),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        scale_factors=[2, 2],
    )


def _of_region(table: ad.AnnData, region: str, ids: np.ndarray) -> ad.AnnData:
    import pandas as pd
    from spatialdata.models import TableModel

    table.obs["region"] = pd.Categorical([region] * table.n_obs)
    table.obs["instance_id"] = ids
    return TableModel.parse(table, region=region, region_key="region", instance_key="instance_id")


def ihc_nuclei() -> sd.SpatialData:
    """Image, labels and a table of nuclei."""
    import spatialdata as sd
    from spatialdata.models import Labels2DModel

    labels = nuclei_labels()
    frame, xy = measured(labels)
    table = annotated(frame, xy, ["DAB low", "DAB middle", "DAB high"])
    return sd.SpatialData(
        images={"ihc": picture()},
        labels={"nuclei": Labels2DModel.parse(labels, dims=("y", "x"), scale_factors=[2])},
        tables={"table": _of_region(table, "nuclei", frame.index.to_numpy())},
    )


def grid(step: int = 16) -> np.ndarray:
    """Square bins of `step` pixels as labels (512, 512), numbered from 1 row by row."""
    n = 512 // step
    rows, columns = np.indices((512, 512)) // step
    return (rows * n + columns + 1).astype(np.int32)


def ihc_spots() -> sd.SpatialData:
    """Shapes and a table: stains measured in a hexagonal lattice of circles, no image."""
    import geopandas as gpd
    import spatialdata as sd
    from shapely import Point
    from spatialdata.models import ShapesModel

    step, radius = 14, 6
    centres = [
        (x + (step // 2) * (i % 2), y)
        for i, y in enumerate(range(step, 512 - radius, step))
        for x in range(step, 512 - step, step)
    ]
    rows, columns = np.indices((512, 512))
    labels = np.zeros((512, 512), dtype=np.int32)
    for i, (x, y) in enumerate(centres, 1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = i
    frame, xy = measured(labels)
    frame = frame.drop(columns=["diameter", "perimeter", "eccentricity", "solidity"])
    table = annotated(frame, xy, ["lumen", "stroma", "gland, DAB low", "gland, DAB high"])
    shapes = gpd.GeoDataFrame(
        {"geometry": [Point(c) for c in centres], "radius": float(radius)},
        index=np.arange(1, len(centres) + 1),
    )
    return sd.SpatialData(
        shapes={"spots": ShapesModel.parse(shapes)},
        tables={"table": _of_region(table, "spots", frame.index.to_numpy())},
    )


def ihc_maxima() -> sd.SpatialData:
    """Points only: where each stain is locally strongest."""
    import pandas as pd
    import spatialdata as sd
    from skimage import color, data, feature, filters
    from spatialdata.models import PointsModel

    stains = color.rgb2hed(data.immunohistochemistry())
    found = []
    for channel, name in ((0, "haematoxylin"), (2, "DAB")):
        smooth = filters.gaussian(stains[..., channel], 1)
        peaks = feature.peak_local_max(
            smooth, min_distance=2, threshold_abs=float(np.quantile(smooth, 0.6))
        )
        found.append(
            pd.DataFrame(
                {
                    "x": peaks[:, 1].astype(float),
                    "y": peaks[:, 0].astype(float),
                    "stain": name,
                    "strength": smooth[tuple(peaks.T)],
                }
            )
        )
    frame = pd.concat(found, ignore_index=True)
    frame["stain"] = frame["stain"].astype("category")
    return sd.SpatialData(points={"maxima": PointsModel.parse(frame, feature_key="stain")})


def ihc_multiscale() -> sd.SpatialData:
    """Several tables: nuclei and square bins of the same picture, one table each."""
    import spatialdata as sd
    from spatialdata.models import Labels2DModel

    nuclei, bins = nuclei_labels(), grid()
    of_nuclei, nuclei_xy = measured(nuclei)
    of_bins, bins_xy = measured(bins)
    of_bins = of_bins.drop(columns=["diameter", "perimeter", "eccentricity", "solidity"])
    return sd.SpatialData(
        images={"ihc": picture()},
        labels={
            "nuclei": Labels2DModel.parse(nuclei, dims=("y", "x"), scale_factors=[2]),
            "bins": Labels2DModel.parse(bins, dims=("y", "x"), scale_factors=[2]),
        },
        tables={
            "nuclei_table": _of_region(
                annotated(of_nuclei, nuclei_xy, ["DAB low", "DAB middle", "DAB high"]),
                "nuclei",
                of_nuclei.index.to_numpy(),
            ),
            "bins_table": _of_region(
                annotated(of_bins, bins_xy, ["lumen", "stroma", "DAB low", "DAB high"]),
                "bins",
                of_bins.index.to_numpy(),
            ),
        },
    )


def blobs() -> sd.SpatialData:
    """spatialdata's synthetic example: every kind of element at once."""
    from spatialdata.datasets import blobs as make

    np.random.seed(SEED)
    return make(length=512, n_points=800, n_shapes=12)


def retina() -> sd.SpatialData:
    """An image only: a photograph of the retina."""
    import spatialdata as sd
    from skimage import data
    from spatialdata.models import Image2DModel

    return sd.SpatialData(
        images={
            "fundus": Image2DModel.parse(
                np.moveaxis(data.retina(), -1, 0),
                dims=("c", "y", "x"),
                c_coords=["r", "g", "b"],
                scale_factors=[2, 2],
            )
        }
    )


RECIPES: dict[str, Callable[[], sd.SpatialData]] = {
    "ihc-nuclei": ihc_nuclei,
    "ihc-spots": ihc_spots,
    "ihc-stain-maxima": ihc_maxima,
    "ihc-two-tables": ihc_multiscale,
    "blobs": blobs,
    "retina-fundus": retina,
}


def make(folder: Path, ids: list[str] | None = None) -> list[Path]:
    """Write the stores that are missing from `folder`; returns all of them.

    A store is written beside its place and renamed, so what is there is always whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for id_ in ids or list(RECIPES):
        path = folder / f"{id_}.zarr"
        paths.append(path)
        if path.exists():
            continue
        print(f"making {path}", file=sys.stderr)
        temporary = folder / f".{id_}.{os.getpid()}.zarr"
        try:
            RECIPES[id_]().write(temporary)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("stores"))
    make(parser.parse_args().out)
