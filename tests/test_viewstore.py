"""View stores: the one layout that draws, whatever the original was like."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.facts import StoreFacts
from portal.scan import scan_store
from tests import view_stores
from tests.conftest import find_store

pytest.importorskip("spatialdata", reason="needs the extra `build`")

from portal.viewstore import NothingToShow, ViewStore, make_view_store


def copy_of(name: str, folder: Path, **kwargs: Any) -> ViewStore:
    source = view_stores.write(name, folder)
    return make_view_store(source, scan_store(source), folder / "out" / "view.zarr", **kwargs)


def attributes(store: ViewStore, node: str) -> dict[str, Any]:
    return json.loads((store.path / node / "zarr.json").read_text())["attributes"]


def digest(path: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(file.relative_to(path).as_posix().encode() + file.read_bytes())
    return total.hexdigest()


@pytest.mark.parametrize("name", sorted(view_stores.STORES))
def test_a_copy_is_a_spatialdata_store_of_the_stated_size(name: str, tmp_path: Path) -> None:
    import spatialdata

    store = copy_of(name, tmp_path)
    files = [p for p in store.path.rglob("*") if p.is_file()]
    assert store.files == len(files)
    assert store.bytes == sum(p.stat().st_size for p in files)
    assert scan_store(store.path).zarr_format == 3
    opened = spatialdata.read_zarr(store.path)
    for kind in ("images", "labels", "shapes", "points"):
        assert set(getattr(opened, kind)) == set(store.hints[kind])
    json.dumps(store.hints, allow_nan=False)


@pytest.mark.parametrize("name", ["spots", "only_points", "floats"])
def test_the_same_store_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    source = view_stores.write(name, tmp_path)
    facts = scan_store(source)
    first = make_view_store(source, facts, tmp_path / "a" / "view.zarr")
    second = make_view_store(source, facts, tmp_path / "b" / "view.zarr")
    assert digest(first.path) == digest(second.path)
    assert first.hints == second.hints


def test_every_chunk_is_stored_so_that_nothing_is_a_404(tmp_path: Path) -> None:
    store = copy_of("fluorescence", tmp_path)
    for element in scan_store(store.path).elements:
        for level in element.levels:
            assert level.chunks_stored == level.chunks_expected


def test_colours_and_stains_are_told_apart(tmp_path: Path) -> None:
    assert copy_of("rgb", tmp_path / "a").hints["images"]["tissue"]["rgb"] is True
    stains = copy_of("fluorescence", tmp_path / "b").hints["images"]["stains"]
    assert stains["rgb"] is False
    assert [c["name"] for c in stains["channels"]] == ["DAPI", "CD3", "CD20"]
    assert len({tuple(c["color"]) for c in stains["channels"]}) == 3
    assert all(0 <= c["window"][0] < c["window"][1] <= 255 for c in stains["channels"])


def test_floats_become_sixteen_bits_and_the_page_says_so(tmp_path: Path) -> None:
    store = copy_of("floats", tmp_path)
    assert scan_store(store.path).of("images")[0].dtype == "uint16"
    assert any("16 bits" in sentence for sentence in store.left_out)


def test_a_large_image_loses_its_finest_levels(tmp_path: Path) -> None:
    store = copy_of("large", tmp_path, max_bytes=2_500_000)
    assert store.bytes <= 2_500_000
    assert "noise is shown at 750 × 750 of its 1,500 × 1,500 pixels." in store.left_out
    affine = scan_store(store.path).of("images")[0].transformations[0].affine
    assert affine is not None
    assert affine[0][0] == pytest.approx(2.0)


def test_a_budget_too_small_for_anything_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NothingToShow):
        copy_of("large", tmp_path, max_bytes=70_000)
    assert list((tmp_path / "out").iterdir()) == []


def test_points_over_the_budget_are_sampled(tmp_path: Path) -> None:
    store = copy_of("only_points", tmp_path, max_bytes=110_000)
    hints = store.hints["points"]["transcripts"]
    assert 100 < hints["rows"] < hints["total"] == 5000
    assert any("of the 5,000 points" in sentence for sentence in store.left_out)


def test_shapes_follow_the_rows_of_their_table(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    import zarr

    store = copy_of("spots", tmp_path)
    shapes = pq.read_table(store.path / "shapes" / "spots" / "shapes.parquet")
    instances = np.asarray(zarr.open_group(store.path)["tables/table/obs/instance"])
    assert shapes.column("__index_level_0__").to_pylist() == [str(i) for i in instances]
    assert list(instances[:3]) == [99, 98, 97]


def test_a_table_has_a_chunk_for_a_few_genes_and_text_for_categories(tmp_path: Path) -> None:
    import zarr

    store = copy_of("spots", tmp_path)
    group = zarr.open_group(store.path / "tables" / "table", mode="r")
    assert group["X"].dtype == np.float32
    assert group["X"].chunks[0] == 100
    assert list(np.asarray(group["obs/leiden/categories"])) == ["0", "1", "2", "3"]
    hints = store.hints["tables"]["table"]
    assert hints["sets"][0] == {"name": "cell_type", "values": ["type A", "type B", "type C"]}
    assert hints["embeddings"][0]["label"] == "UMAP"
    assert "Counts of table are shown as log(1 + count)." in store.left_out


def test_each_region_gets_a_table_with_the_same_categories(tmp_path: Path) -> None:
    hints = copy_of("several_regions", tmp_path).hints
    assert set(hints["tables"]) == {"table-left", "table-right"}
    assert hints["main_table"] == "table-left"
    assert hints["shapes"]["right"]["table"] == "table-right"
    left, right = (hints["tables"][f"table-{side}"]["sets"] for side in ("left", "right"))
    assert left == right


def test_a_shape_of_several_parts_keeps_the_largest(tmp_path: Path) -> None:
    store = copy_of("multipolygons", tmp_path)
    assert scan_store(store.path).of("shapes")[0].geometry_types == ("Polygon",)
    assert store.left_out == ("3 shapes of areas have several parts; the largest is drawn.",)


def test_a_turned_image_is_the_frame_and_the_rest_turns_with_it(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    import shapely

    store = copy_of("rotated", tmp_path)
    assert store.hints["bounds"] == pytest.approx([0, 0, 256, 256])
    table = pq.read_table(store.path / "shapes" / "spots" / "shapes.parquet")
    first = shapely.from_wkb(table.column("geometry").to_pylist())[0]
    assert (first.x, first.y) == pytest.approx((10, 10))


def test_a_stack_keeps_its_planes(tmp_path: Path) -> None:
    hints = copy_of("stack", tmp_path).hints["images"]["volume"]
    assert (hints["z"], hints["default_z"]) == (8, 4)


def test_what_is_no_spatialdata_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingToShow, match="AnnData"):
        make_view_store(tmp_path, StoreFacts(kind="anndata"), tmp_path / "view.zarr")


def test_visium_spots_lie_on_the_copy_of_the_image_that_has_pixels(
    test_data: Path, tmp_path: Path
) -> None:
    source = find_store(test_data, "spatialdatadb_visium_mouse_brain")
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    assert store.bytes <= 25_000_000
    assert store.coordinate_system == "downscaled_hires"
    (image,) = store.hints["images"].items()
    assert image[0].endswith("_full_image")
    assert image[1]["rgb"] is True
    x0, y0, x1, y1 = store.hints["focus"]
    assert x0 > 0 < y0
    assert x1 < 2000
    assert y1 < 1998
    assert store.hints["tables"]["table"]["n_vars"] > 3000
    assert any("hires_image has no stored pixels" in sentence for sentence in store.left_out)


def test_one_broken_element_is_named_and_the_rest_is_shown(test_data: Path, tmp_path: Path) -> None:
    source = find_store(test_data, "easyvitessce_merfish")
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    assert "single_molecule could not be read and is left out." in store.left_out
    assert set(store.hints["shapes"]) == {"anatomical", "cells"}


@pytest.mark.parametrize(
    "name",
    [
        "helenalc_blobs_v2",
        "helenalc_raccoon",
        "sdnotebooks_0.0.12_multiple_elements",
        "sdnotebooks_0.0.12_transformation_affine",
        "sdnotebooks_0.4.1_multiple_elements",
        "vitessce_blobs_sd07",
        "xenium_rep1_points_only",
    ],
)
def test_stores_of_all_ages_can_be_copied(name: str, test_data: Path, tmp_path: Path) -> None:
    source = find_store(test_data, name)
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    assert scan_store(store.path).elements
