"""Vitessce configs: the layout follows the content, and nothing is named that is not there."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.facts import Column, ElementFacts, Level, MatrixFacts, StoreFacts, Transformation
from portal.scan import scan_store
from portal.viewer import SCHEMA, check_config, compose, hints_of, original_faults
from portal.viewlayers import images_first
from portal.viewlayout import Room, rooms
from tests import view_stores

pytest.importorskip("vitessce", reason="needs the extra `build`")

import spatialdata

from portal.viewstore import make_view_store


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict, StoreFacts]]:
    """The config and the facts of the view store, for each made-up store."""
    found = {}
    for name in view_stores.STORES:
        folder = tmp_path_factory.mktemp(name)
        source = view_stores.write(name, folder)
        store = make_view_store(source, scan_store(source), folder / "view.zarr")
        facts = scan_store(store.path)
        config = compose(
            facts, "../../data/x/view.zarr", hints=store.hints, title="A title", obs_noun="nuclei"
        )
        assert isinstance(config, dict)
        found[name] = (config, facts)
    return found


def views(config: dict[str, Any]) -> list[str]:
    return [view["component"] for view in config["layout"]]


@pytest.mark.parametrize("name", sorted(view_stores.STORES))
def test_a_config_is_json_and_passes_its_own_check(composed, name: str) -> None:
    config, facts = composed[name]
    json.dumps(config, allow_nan=False)
    assert config["version"] == SCHEMA
    assert check_config(config, facts) == []
    urls = {f["url"] for d in config["datasets"] for f in d["files"]}
    assert urls == {"../../data/x/view.zarr"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rgb", {"spatialBeta", "layerControllerBeta"}),
        ("only_points", {"spatialBeta", "layerControllerBeta", "featureList"}),
        ("only_table", {"scatterplot", "heatmap", "obsSets", "featureList", "obsSetSizes"}),
        (
            "spots",
            {
                "spatialBeta",
                "layerControllerBeta",
                "scatterplot",
                "heatmap",
                "obsSets",
                "featureList",
            },
        ),
    ],
)
def test_the_layout_follows_what_the_store_holds(composed, name: str, expected: set) -> None:
    assert set(views(composed[name][0])) == expected


def test_colour_images_are_drawn_as_such(composed) -> None:
    values = composed["rgb"][0]["coordinationSpace"]["photometricInterpretation"]
    assert set(values.values()) == {"RGB"}


def test_the_first_look_has_groups_selected_and_named_after_the_observations(composed) -> None:
    space = composed["spots"][0]["coordinationSpace"]
    assert space["obsType"]["A"] == "nucleus"
    assert space["obsColorEncoding"]["A"] == "cellSetSelection"
    assert ["cell_type", "type A"] in space["obsSetSelection"]["A"]


def test_of_many_channels_a_few_are_on(composed) -> None:
    space = composed["channels20"][0]["coordinationSpace"]
    assert len(space["spatialTargetC"]) == 4
    assert len({tuple(c) for c in space["spatialChannelColor"].values()}) == 4


def test_a_stack_starts_in_its_middle(composed) -> None:
    assert composed["stack"][0]["coordinationSpace"]["spatialTargetZ"]["A"] == 4


def test_layers_follow_the_lists(composed) -> None:
    by = composed["spots"][0]["coordinationSpace"]["metaCoordinationScopesBy"]
    followed = {
        kind: scopes for meta in by.values() for kind, scopes in meta.get("spotLayer", {}).items()
    }
    assert followed["obsColorEncoding"] == {"init_A_obsSpots_0": "A"}
    assert followed["featureSelection"] == {"init_A_obsSpots_0": "A"}
    assert followed["obsSetSelection"] == {"init_A_obsSpots_0": "A"}


def test_labels_without_a_table_are_outlines_as_thin_as_the_screen(tmp_path: Path) -> None:
    from spatialdata.models import Labels2DModel

    source = tmp_path / "s.zarr"
    values = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((64, 64))).astype(np.uint16)
    elements = {**view_stores.rgb(), "areas": Labels2DModel.parse(values, dims=("y", "x"))}
    spatialdata.SpatialData.init_from_elements(elements).write(source)
    store = make_view_store(source, scan_store(source), tmp_path / "view.zarr")
    config = compose(scan_store(store.path), "x", hints=store.hints, title="t")
    assert isinstance(config, dict)
    space = config["coordinationSpace"]
    assert list(space["spatialSegmentationFilled"].values()) == [False]
    (stroke,) = space["spatialSegmentationStrokeWidth"].values()
    zoom = space["spatialZoom"]["A"]
    assert 0.5 < stroke * 37.5 * 2**zoom < 2


def test_points_of_few_features_have_a_colour_for_each(tmp_path: Path) -> None:
    config = composed_of("only_points", tmp_path)["coordinationSpace"]
    (colors,) = config["featureColor"].values()
    assert [c["name"] for c in colors] == config["featureSelection"]["A"]
    assert len({tuple(c["color"]) for c in colors}) == 6
    assert set(config["obsColorEncoding"].values()) == {"geneSelection"}


def composed_of(name: str, folder: Path) -> dict[str, Any]:
    source = view_stores.write(name, folder)
    store = make_view_store(source, scan_store(source), folder / "view.zarr")
    config = compose(scan_store(store.path), "x", hints=store.hints, title="t")
    assert isinstance(config, dict)
    return config


def test_the_first_image_is_the_same_for_the_view_and_the_picture() -> None:
    images = {n: {"pixels": 4} for n in ("b", "a", "a_multiscale")} | {"small": {"pixels": 1}}
    order = [name for name, _ in images_first({"images": images})]
    assert order == ["a_multiscale", "a", "b", "small"]


def test_composing_twice_gives_the_same_config(tmp_path: Path) -> None:
    facts = scan_store(view_stores.write("spots", tmp_path))
    assert compose(facts, "x.zarr", title="t") == compose(facts, "x.zarr", title="t")


def test_an_original_needs_no_hints(tmp_path: Path) -> None:
    facts = scan_store(view_stores.write("spots", tmp_path))
    config = compose(facts, "x.zarr", title="t", obs_noun="spots")
    assert isinstance(config, dict)
    assert check_config(config, facts) == []
    assert hints_of(facts)["tables"]["table"]["sets"][0]["name"] == "cell_type"


def test_a_store_with_nothing_to_draw_gives_a_reason() -> None:
    assert isinstance(compose(StoreFacts(kind="spatialdata"), "x", title="t"), str)


@pytest.mark.parametrize("flags", itertools.product([True, False], repeat=5))
def test_no_tile_lies_on_another_or_outside(flags: tuple[bool, ...]) -> None:
    taken: set[tuple[int, int]] = set()
    for tile in rooms(Room(*flags)):
        cells = {
            (x, y) for x in range(tile.x, tile.x + tile.w) for y in range(tile.y, tile.y + tile.h)
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 12
        assert max(y for _, y in cells) < 12
        taken |= cells


ASIS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SYSTEM = (Transformation(coordinate_system="global", kind="identity", affine=ASIS),)


def element(**kwargs: Any) -> ElementFacts:
    path = f"{kwargs['kind']}/x"
    return ElementFacts(**{"name": "x", "path": path, "transformations": SYSTEM, **kwargs})


def raster(affine: Any = ASIS, *, kind: str = "images", dtype: str = "uint8") -> ElementFacts:
    """A small image or labels, without fault but for what is asked."""
    shape = (3, 64, 48) if kind == "images" else (64, 48)
    place = Transformation(coordinate_system="global", kind="affine", affine=affine)
    return element(
        kind=kind,
        axes=("c", "y", "x")[-len(shape) :],
        shape=shape,
        dtype=dtype,
        levels=(Level(path="0", shape=shape, chunks=shape),),
        transformations=(place,),
        extent={"global": {"x": (100.0, 196.0), "y": (50.0, 178.0)}},
    )


def test_originals_without_fault_are_shown_as_they_are() -> None:
    placed = ((2.0, 0.0, 100.0), (0.0, 2.0, 50.0))
    for dtype in ("uint8", "uint16"):
        assert faults_of(raster(placed, dtype=dtype)) == []
    for dtype in ("uint8", "uint16", "uint32", "int32"):
        assert faults_of(raster(placed, kind="labels", dtype=dtype)) == []


def faults_of(*elements: ElementFacts) -> list[str]:
    return original_faults(
        StoreFacts(kind="spatialdata", zarr_format=3, consolidated="zarr.json", elements=elements)
    )


def test_an_original_is_looked_at_where_it_lies() -> None:
    """Facts alone give the camera and colours; the viewer finds the contrast."""
    placed = ((2.0, 0.0, 100.0), (0.0, 2.0, 50.0))
    facts = StoreFacts(kind="spatialdata", elements=(raster(placed),))
    config = compose(facts, "x.zarr", title="t")
    assert isinstance(config, dict)
    space = config["coordinationSpace"]
    assert space["spatialTargetX"]["A"] == 148
    assert space["spatialTargetY"]["A"] == 114
    assert len(space["spatialChannelColor"]) == 3  # though no channel has a name
    assert set(space["spatialChannelWindow"].values()) == {None}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (element(kind="points", parts=3, n_rows=10), "3 files"),
        (element(kind="points", n_rows=30_000_000), "30,000,000 points"),
        (element(kind="shapes", geometry_types=("MultiPolygon",)), "several parts"),
        (
            element(
                kind="images",
                axes=("c", "y", "x"),
                shape=(3, 5000, 5000),
                dtype="uint8",
                levels=(Level(path="0", shape=(3, 5000, 5000), chunks=(3, 5000, 5000)),),
            ),
            "no pyramid",
        ),
        (
            element(kind="tables", x=MatrixFacts(name="X", encoding="csr_matrix")),
            "sparse",
        ),
        (
            element(
                kind="tables",
                obs=(Column(name="leiden", dtype="categorical", categories=("0", "1")),),
            ),
            "numbers",
        ),
        (element(kind="tables", regions=("a", "b")), "2 regions"),
        (raster(dtype="float32"), "float32"),
        (raster(dtype="uint32"), "uint32"),
        (raster(dtype="bool"), "bool"),
        (raster(kind="labels", dtype="int64"), "int64"),
        (raster(((0, -1, 9), (1, 0, 0))), "turned or mirrored"),
        (raster(((-1, 0, 9), (0, 1, 0))), "turned or mirrored"),
        (raster(((1, 0.5, 0), (0, 1, 0))), "turned or mirrored"),
        (raster(None), "place of x in `global` is not known"),
        (element(kind="labels", readable=False), "can't be read"),
    ],
)
def test_each_trap_is_named(facts: ElementFacts, words: str) -> None:
    store = StoreFacts(
        kind="spatialdata", zarr_format=3, consolidated="zarr.json", elements=(facts,)
    )
    assert any(words in fault for fault in original_faults(store))


def test_unconsolidated_and_old_stores_are_not_shown_as_they_are() -> None:
    assert "consolidated" in original_faults(StoreFacts(kind="spatialdata"))[0]
    old = StoreFacts(kind="spatialdata", zarr_format=2, consolidated="zmetadata")
    assert original_faults(old) == ["It is in zarr version 2."]


def test_a_curators_config_is_checked_against_the_store() -> None:
    config = {
        "version": "1.0.99",
        "layout": [{"component": "spatialBetta"}],
        "datasets": [{"files": [{"url": "x", "options": {"image": {"path": "images/y"}}}]}],
    }
    facts = StoreFacts(kind="spatialdata", elements=(element(kind="images"),))
    problems = {p.code: p for p in check_config(config, facts)}
    assert set(problems) == {"view-version", "view-unknown", "view-path"}
    assert "spatialBeta" in problems["view-unknown"].remedy
    assert "images/x" in problems["view-path"].remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
CONFIGS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "version": JSON | st.from_regex(r"1\.0\.\d+"),
        "layout": JSON | st.lists(st.fixed_dictionaries({"component": JSON})),
        "datasets": st.lists(
            st.fixed_dictionaries(
                {"files": st.lists(st.fixed_dictionaries({"options": JSON}), max_size=3)}
            ),
            max_size=2,
        )
        | JSON,
    },
)


@given(CONFIGS)
def test_a_curators_config_may_be_any_json(config: Any) -> None:
    facts = StoreFacts(kind="spatialdata", elements=(element(kind="images"),))
    for problem in check_config(config, facts):
        assert len(str(problem)) < 10_000


def deep(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "config",
    [
        {"layout": [{"component": ["x"]}]},
        {"layout": [{"component": {"x": 1}}]},
        {"layout": [{"component": deep(100_000)}]},
        {"layout": [{"component": "\ud800"}]},
        {"version": "1.0." + "9" * 5000},
        {"datasets": [{"files": [{"options": deep(100_000)}]}]},
        {"datasets": [{"files": [{"options": "images/\ud800"}]}]},
        ["no", "mapping"],
        None,
    ],
)
def test_a_config_that_is_odd_gives_problems(config: Any) -> None:
    assert check_config(config, StoreFacts(kind="spatialdata"))


def test_a_curators_config_may_be_anything_at_all() -> None:
    facts = StoreFacts(kind="spatialdata")
    for config in ({}, {"layout": 3, "datasets": "x"}, {"datasets": [{"files": [None]}]}):
        assert check_config(config, facts)
