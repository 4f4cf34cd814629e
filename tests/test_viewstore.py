"""View stores: the one layout that draws, whatever the original was like."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.errors import BuildError
from portal.facts import StoreFacts
from portal.scan import scan_store
from tests import view_stores
from tests.conftest import find_store

pytest.importorskip("spatialdata", reason="needs the extra `build`")

from portal.viewids import Renumbering, paired, text_ids
from portal.viewsource import Unreadable
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


def made(elements: dict[str, Any], folder: Path, **kwargs: Any) -> ViewStore:
    """The view store of elements that are written first."""
    import spatialdata

    source = folder / "made.zarr"
    spatialdata.SpatialData.init_from_elements(elements).write(source)
    return make_view_store(source, scan_store(source), folder / "out" / "view.zarr", **kwargs)


def shape_ids(store: ViewStore, name: str) -> list[str]:
    import pyarrow.parquet as pq

    table = pq.read_table(store.path / "shapes" / name / "shapes.parquet")
    return table.column("__index_level_0__").to_pylist()


def column(store: ViewStore, path: str) -> list[Any]:
    import zarr

    array: Any = zarr.open_group(store.path)[path]
    return np.asarray(array[...]).tolist()


def annotated(ids: Any, index: Any, region: str = "spots") -> dict[str, Any]:
    """Spots with an index, and a table that calls its rows `ids`; Gene00 is each row's number."""
    import anndata as ad
    import pandas as pd
    from spatialdata.models import TableModel

    spots = view_stores.circles(len(index))
    spots.index = index
    obs = pd.DataFrame({"region": pd.Categorical([region] * len(ids)), "instance": ids})
    obs.index = [f"row{i}" for i in range(len(ids))]
    values = np.arange(len(ids), dtype=np.float32)[:, None]
    adata = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=["number"]))
    table = TableModel.parse(adata, region=region, region_key="region", instance_key="instance")
    return {"spots": spots, "table": table}


@pytest.mark.parametrize(
    ("ids", "index", "paired", "lost"),
    [
        ([2, 0, 7, 1], [0, 1, 2, 3], ["2", "0", "1"], 1),
        ([2, 0, 1], ["0", "1", "2"], ["2", "0", "1"], 0),
        (["2", "0", "1"], [0, 1, 2], ["2", "0", "1"], 0),
        (["2", "0", "1"], [0.0, 1.0, 2.0], ["2", "0", "1"], 0),
        ([2, 0], [2, 2, 0], ["2", "0"], 0),
    ],
)
def test_rows_and_shapes_are_paired_by_id(
    ids: list, index: list, paired: list[str], lost: int, tmp_path: Path
) -> None:
    store = made(annotated(ids, index), tmp_path)
    assert [str(v) for v in column(store, "tables/table/obs/instance")] == paired
    assert shape_ids(store, "spots")[: len(paired)] == paired
    assert len(shape_ids(store, "spots")) == len(index)
    # Each row keeps its own values.
    texts = [str(i) for i in ids]
    assert column(store, "tables/table/X") == [[float(texts.index(i))] for i in paired]
    told = f"{lost} of the {len(ids)} rows of table have nothing to themselves in spots"
    assert any(told in sentence for sentence in store.left_out) == bool(lost)


def test_ids_are_compared_as_text() -> None:
    values = [7, 7.0, "7", "7.0", b"7", np.float32(7), np.uint8(7)]
    assert set(text_ids(values)) == {"7"}
    assert text_ids([None, float("nan"), "cell-1", "07", 7.5]) == ("", "", "cell-1", "07", "7.5")


def test_a_missing_id_has_no_pair_and_of_repeated_ones_the_first() -> None:
    rows, places = paired(["b", "", "a", "b", "x"], ["", "a", "b", "b"])
    assert rows.tolist() == [0, 2]
    assert places.tolist() == [2, 1]


def test_a_row_that_repeats_an_id_is_left_out(tmp_path: Path) -> None:
    import spatialdata
    import zarr

    source = tmp_path / "made.zarr"
    elements = annotated([2, 1, 0], [0, 1, 2])
    spatialdata.SpatialData.init_from_elements(elements).write(source)
    ids: Any = zarr.open_group(source)["tables/table/obs/instance"]
    ids[...] = [2, 2, 0]
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    assert column(store, "tables/table/obs/instance") == [2, 0]
    assert shape_ids(store, "spots") == ["2", "0", "1"]
    assert column(store, "tables/table/X") == [[0.0], [2.0]]


def test_a_row_whose_shape_is_not_drawn_goes_with_it(tmp_path: Path) -> None:
    from shapely import Point

    elements = annotated([0, 1, 2, 3], [0, 1, 2, 3])
    elements["spots"].loc[1, "geometry"] = Point()
    store = made(elements, tmp_path)
    assert shape_ids(store, "spots") == ["0", "2", "3"]
    assert column(store, "tables/table/obs/instance") == [0, 2, 3]
    assert store.hints["tables"]["table"]["n_obs"] == 3


def test_a_table_that_names_none_of_the_shapes_is_not_attached(tmp_path: Path) -> None:
    store = made(annotated(["a", "b"], [0, 1]), tmp_path)
    assert store.hints["shapes"]["spots"]["table"] is None
    assert not any(t["attached"] for t in store.hints["tables"].values())
    assert any("No row of table has an id of spots" in s for s in store.left_out)


def labels(values: np.ndarray) -> Any:
    from spatialdata.models import Labels2DModel

    return Labels2DModel.parse(values, dims=("y", "x"))


def squares(ids: list[int], dtype: Any) -> np.ndarray:
    """Squares of 16 pixels side by side, one for each id, on zeros."""
    row = np.repeat(np.array(ids, dtype), 16)
    return np.pad(np.tile(row, (16, 1)), 8)


@pytest.mark.parametrize(
    ("ids", "dtype", "shown"),
    [
        ([3, 5, 9], np.int64, [3, 5, 9]),
        (["3", "5", "9"], np.int32, [3, 5, 9]),
        ([3, 5, 2**40], np.int64, [1, 2, 3]),
    ],
)
def test_rows_and_labels_have_the_same_numbers(
    ids: list, dtype: Any, shown: list[int], tmp_path: Path
) -> None:
    import spatialdata

    drawn = sorted({int(i) for i in ids})
    elements = {"spots": labels(squares([*drawn, 11], dtype))}
    elements["table"] = annotated(ids, range(3))["table"]
    store = made(elements, tmp_path)
    assert column(store, "tables/table/obs/instance") == shown
    assert store.hints["labels"]["spots"]["table"] == "table"
    opened = spatialdata.read_zarr(store.path)
    values = np.asarray(opened.labels["spots"])
    assert values[16, 16] == shown[0]
    found = set(np.unique(values).tolist())
    assert found == {0, *shown, max(shown) + 1}  # the last is the label without a row


def test_labels_take_the_numbers_of_their_rows() -> None:
    numbers = Renumbering(text_ids([5.0, "x", 9.0, 5.0, 0, -1]))
    assert (numbers.rows.tolist(), numbers.ids) == ([0, 2], ("5", "9"))
    assert numbers(np.array([[0, 5, 9], [7, 5, 12], [-1, 2**40, 0]])).tolist() == [
        [0, 5, 9],
        [7, 5, 10],
        [0, 10, 0],
    ]
    assert numbers.matches == 2


def test_a_table_that_names_none_of_the_labels_is_not_attached(tmp_path: Path) -> None:
    elements = {"spots": labels(squares([3, 5], np.uint16))}
    elements["table"] = annotated([100, 200], range(2))["table"]
    store = made(elements, tmp_path)
    assert store.hints["labels"]["spots"]["table"] is None
    assert set(np.unique(column(store, "labels/spots/0"))) == {0, 3, 5}
    assert any("No row of table has an id of spots" in s for s in store.left_out)


def test_labels_over_32_bits_are_not_wrapped(tmp_path: Path) -> None:
    with pytest.raises(NothingToShow, match="more than 32 bits"):
        made({"spots": labels(squares([3, 2**32 + 1], np.int64))}, tmp_path)


@pytest.mark.parametrize("factors", [None, [2], [3], [5], [2, 3], [5, 2]])
@pytest.mark.parametrize("size", [(1300, 1100), (1301, 1103)])
def test_every_level_has_its_pixels_in_their_place(
    factors: list[int] | None, size: tuple[int, int], tmp_path: Path
) -> None:
    """On a ramp each value tells where it lay."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.uint16)
    ramp = view_stores.image(np.stack([y, x]), c_coords=["down", "right"], scale_factors=factors)
    store = made({"ramp": ramp}, tmp_path)
    levels = scan_store(store.path).of("images")[0].levels
    assert len(levels) > 1
    for i, level in enumerate(levels):
        down, right = np.array(column(store, f"images/ramp/{i}"))
        step = 2**i
        centre = (step - 1) / 2
        assert down.shape == level.shape[1:]
        # A source that was shrunk by another size of step may be off by a pixel of its own.
        off = 1 + (max(step, 10) if factors else 0)
        assert np.abs(down[:, 0] - (np.arange(len(down)) * step + centre)).max() <= off
        assert np.abs(right[0] - (np.arange(right.shape[1]) * step + centre)).max() <= off
        assert (np.diff(right[0].astype(int)) > 0).all()


def linking(folder: Path, where: str) -> ViewStore:
    """The view of a store with an image, points and spots, with a link to a secret in it."""
    import shutil

    import spatialdata

    elements = {
        **view_stores.rgb(),
        "spots": view_stores.circles(9),
        "more": view_stores.circles(4),
    }
    source, secret = folder / "store.zarr", folder / "secret.zarr"
    spatialdata.SpatialData.init_from_elements(elements).write(source)
    spatialdata.SpatialData.init_from_elements(elements).write(secret)
    place = source / where
    target = secret / (where if (secret / where).exists() else "images/tissue")
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)
    return make_view_store(source, scan_store(source), folder / "out" / "view.zarr")


@pytest.mark.parametrize(
    ("where", "named", "left"),
    [
        ("images/leak", "leak", {"images": {"tissue"}, "shapes": {"spots", "more"}}),
        ("images/tissue/s0/c/0/0/0", "tissue", {"images": set(), "shapes": {"spots", "more"}}),
        ("shapes/spots/shapes.parquet", "spots", {"images": {"tissue"}, "shapes": {"more"}}),
        ("shapes/spots", "spots", {"images": {"tissue"}, "shapes": {"more"}}),
        ("shapes", "shapes", {"images": {"tissue"}, "shapes": set()}),
    ],
)
def test_nothing_is_read_through_a_link(
    where: str, named: str, left: dict[str, set], tmp_path: Path
) -> None:
    store = linking(tmp_path, where)
    assert {kind: set(store.hints[kind]) for kind in left} == left
    assert f"{named} lies behind a link or a device and is left out." in store.left_out


def test_an_element_with_a_pipe_in_it_is_not_read(tmp_path: Path) -> None:
    import os

    source = view_stores.write("spots", tmp_path)
    os.mkfifo(source / "shapes" / "spots" / "part")
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    assert set(store.hints["images"]) == {"tissue"}
    assert not store.hints["shapes"]


def zipped(source: Path, more: dict[str, bytes | int]) -> Path:
    """A store as a zip; `more` are members with their bytes, or with so many zeros."""
    import zipfile

    path = source.with_suffix(".zarr.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(source).as_posix())
        for name, content in more.items():
            archive.writestr(name, bytes(content) if isinstance(content, int) else content)
    return path


def test_a_zip_is_unpacked_beside_the_copy_and_goes_again(tmp_path: Path) -> None:
    source = zipped(view_stores.write("rgb", tmp_path), {})
    store = make_view_store(source, scan_store(source), tmp_path / "out" / "view.zarr")
    assert set(store.hints["images"]) == {"tissue"}
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["view.zarr"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_zip_that_leads_outside_is_not_unpacked(name: str, tmp_path: Path) -> None:
    store = view_stores.write("rgb", tmp_path)
    facts = scan_store(store)
    with pytest.raises(Unreadable, match="member"):
        make_view_store(zipped(store, {name: b"x"}), facts, tmp_path / "out" / "view.zarr")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_zip_that_grows_without_measure_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.viewsource._UNZIPPED_LEAST", 1000)
    store = view_stores.write("rgb", tmp_path)
    bomb = zipped(store, {"zeros": 50_000_000})
    with pytest.raises(Unreadable, match="too much"):
        make_view_store(bomb, scan_store(store), tmp_path / "out" / "view.zarr")


def test_an_image_too_large_to_be_read_is_named(tmp_path: Path) -> None:
    """Ten million pixels along each side, of which one chunk is stored."""
    import zarr

    source = view_stores.write("spots", tmp_path)
    array = source / "images" / "tissue" / "s0"
    metadata = json.loads((array / "zarr.json").read_text())
    metadata["shape"] = [3, 10**7, 10**7]
    (array / "zarr.json").write_text(json.dumps(metadata))
    root = json.loads((source / "zarr.json").read_text())
    root.pop("consolidated_metadata", None)
    (source / "zarr.json").write_text(json.dumps(root))
    zarr.consolidate_metadata(source)
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    assert set(store.hints["shapes"]) == {"spots"}
    assert "tissue, 10,000,000 × 10,000,000 pixels, is too large to draw here." in store.left_out


def test_coarse_levels_are_drawn_where_the_finest_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.viewraster.READ_VALUES", 500_000)
    values = np.random.default_rng(1).integers(0, 65535, (1, 1200, 1200), dtype=np.uint16)
    image = view_stores.image(values, c_coords=["noise"], scale_factors=[3])
    store = made({"noise": image}, tmp_path)
    assert "noise is shown at 400 × 400 of its 1,200 × 1,200 pixels." in store.left_out
    affine = scan_store(store.path).of("images")[0].transformations[0].affine
    assert affine is not None
    assert affine[0][0] == pytest.approx(3.0)


def test_a_table_too_large_to_be_dense_is_read_by_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = copy_of("spots", tmp_path / "a")
    monkeypatch.setattr("portal.viewsource._DENSE_VALUES", 400)
    by_rows = made(view_stores.spots(), tmp_path / "b")
    assert by_rows.hints["tables"]["table"]["sets"] == plain.hints["tables"]["table"]["sets"]
    assert "The values of table are too large to be drawn here." in by_rows.left_out
    assert by_rows.hints["tables"]["table"]["genes"] == []


def test_genes_are_the_same_however_small_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = copy_of("spots", tmp_path / "a")
    monkeypatch.setattr("portal.viewmatrix._DENSE_VALUES", 300)
    blocks = copy_of("spots", tmp_path / "b")
    assert blocks.hints["tables"]["table"]["genes"] == plain.hints["tables"]["table"]["genes"]
    assert column(blocks, "tables/table/X") == column(plain, "tables/table/X")


def test_points_are_sampled_from_all_partitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.viewshapes._MAX_POINTS", 1000)
    whole = view_stores.points(5000)
    points = whole.repartition(npartitions=5)
    points.attrs = whole.attrs
    store = made({"transcripts": points}, tmp_path)
    hints = store.hints["points"]["transcripts"]
    assert 800 < hints["rows"] <= 1000
    assert hints["total"] == 5000


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("portal.viewstore.write_image", full)
    with pytest.raises(BuildError, match="could not be written"):
        copy_of("rgb", tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_source_that_fails_to_be_read_is_not_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("portal.viewstore.write_image", broken)
        store = copy_of("spots", tmp_path)
    assert "tissue could not be read and is left out." in store.left_out
    monkeypatch.setattr("portal.viewstore.choose_frame", broken)
    with pytest.raises(OSError, match="Input/output"):
        copy_of("rgb", tmp_path / "b")


@pytest.mark.parametrize("unit", ["micrometer", "millimeter"])
def test_a_turned_image_is_in_pixels_whatever_the_unit(unit: str, tmp_path: Path) -> None:
    source = view_stores.write("rotated", tmp_path)
    facts = scan_store(source)
    elements = [
        e.model_copy(
            update={
                "transformations": [t.model_copy(update={"unit": unit}) for t in e.transformations]
            }
        )
        for e in facts.elements
    ]
    facts = facts.model_copy(update={"elements": tuple(elements)})
    store = make_view_store(source, facts, tmp_path / "view.zarr")
    assert store.hints["unit"] is None
    assert store.hints["bounds"] == pytest.approx([0, 0, 256, 256])


def test_what_happens_to_values_is_said_as_it_is(tmp_path: Path) -> None:
    wide = np.full((1, 2100, 2100), 1000, np.uint32)
    wide[0, 3, 3] = 70_000  # which a coarse look does not meet
    store = made({"wide": view_stores.image(wide)}, tmp_path / "a")
    assert "The values of wide are cut to 0 to 65,535 for the view." in store.left_out
    assert np.array(column(store, "images/wide/0"))[0, 3, 3] == 65535
    yes = view_stores.image(wide > 1000)
    assert not any("16 bits" in s for s in made({"yes": yes}, tmp_path / "b").left_out)


def test_the_sets_have_no_more_colours_than_the_viewer_can_number(tmp_path: Path) -> None:
    import pandas as pd

    elements = view_stores.spots()
    for i in range(12):
        codes = pd.Categorical([f"v{j % 40}" for j in range(100)])
        elements["table"].obs[f"group_{i}"] = codes
    store = made(elements, tmp_path)
    sets = store.hints["tables"]["table"]["sets"]
    assert sum(1 + len(s["values"]) for s in sets) <= 254
    assert any("groupings in table are offered" in s for s in store.left_out)


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
