"""What an object in memory says of itself: as a scan of the same object on disk does."""

from __future__ import annotations

import json
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("spatialdata", reason="needs the extra `build`")

import pandas as pd
from anndata import AnnData
from spatialdata import SpatialData
from spatialdata.models import Image2DModel, PointsModel

from portal.curation_codes import CODES
from portal.facts import Column, ElementFacts, StoreFacts
from portal.objectfacts import DEPTH, as_json, facts_of
from portal.scan import scan_store
from portal.scan_codes import CODES as SCAN_CODES
from tests import view_stores


def with_obs(**columns: Any) -> AnnData:
    n = len(next(iter(columns.values())))
    return AnnData(
        np.zeros((n, 2), "float32"),
        obs=pd.DataFrame(columns, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=["a", "b"]),
    )


def obs_of(table: AnnData) -> dict[str, Column]:
    (facts,) = facts_of(SpatialData(tables={"t": table})).of("tables")
    return {c.name: c for c in facts.obs}


def element(facts: StoreFacts, path: str) -> ElementFacts:
    return next(e for e in facts.elements if e.path == path)


# elements


WHAT_BOTH_SEE = (
    *("kind", "name", "path", "axes", "shape", "dtype", "channels", "coordinate_systems"),
    *("columns", "obs", "var", "n_vars", "feature_ids", "feature_accessions"),
    *("regions", "region_key", "instance_key"),
)


@pytest.mark.parametrize("name", sorted(set(view_stores.STORES) - {"large"}))
def test_an_object_says_in_memory_what_a_scan_of_it_says(name: str, tmp_path: Path):
    sdata = SpatialData.init_from_elements(view_stores.STORES[name]())
    sdata.write(tmp_path / "s.zarr")
    in_memory, on_disk = facts_of(sdata), scan_store(tmp_path / "s.zarr")
    assert [e.path for e in in_memory.elements] == [e.path for e in on_disk.elements]
    for mine, scanned in zip(in_memory.elements, on_disk.elements, strict=True):
        for key in WHAT_BOTH_SEE:
            assert _compared(mine, key) == _compared(scanned, key), (mine.path, key)


def _compared(facts: ElementFacts, key: str) -> Any:
    """Without the categories that only the one or the other counts."""
    value = getattr(facts, key)
    if key == "columns":
        return [(c.name, c.dtype) for c in value]
    if key in ("obs", "var"):
        return [(c.name, c.dtype, c.categories if c.dtype == "categorical" else ()) for c in value]
    return value


def test_a_pyramid_is_known_by_its_largest_level():
    pixels = np.zeros((2, 64, 48), "uint16")
    image = Image2DModel.parse(pixels, c_coords=["DAPI", "CD3"], scale_factors=[2, 2])
    facts = element(facts_of(SpatialData(images={"he": image})), "images/he")
    assert (facts.axes, facts.shape, facts.dtype) == (("c", "y", "x"), (2, 64, 48), "uint16")
    assert facts.channels == ("DAPI", "CD3")


def test_an_index_with_a_name_is_a_column_as_it_is_in_the_file(tmp_path: Path):
    named, counted = view_stores.circles(4), view_stores.circles(4)
    named.index = pd.Index(list("abcd"), name="barcode")
    counted.index.name = "number"
    sdata = SpatialData(shapes={"named": named, "counted": counted})
    sdata.write(tmp_path / "s.zarr")
    for facts in (facts_of(sdata), scan_store(tmp_path / "s.zarr")):
        assert [c.name for c in element(facts, "shapes/named").columns] == ["radius", "barcode"]
        assert [c.name for c in element(facts, "shapes/counted").columns] == ["radius"]


def test_columns_have_the_types_that_a_scan_gives_them(tmp_path: Path):
    table = with_obs(
        whole=np.arange(4, dtype="int16"),
        masked=pd.array([1, None, 3, 4], dtype="Int64"),
        real=[0.5] * 4,
        flag=[True, False] * 2,
        maybe=pd.array([True, None] * 2, dtype="boolean"),
        text=list("abcd"),
        kinds=pd.Categorical(list("aabb"), categories=list("abc"), ordered=True),
        numbers=pd.Categorical([1, 1, 2, 2]),
    )
    sdata = SpatialData(tables={"t": table})
    sdata.write(tmp_path / "s.zarr")
    scanned = {c.name: c for c in scan_store(tmp_path / "s.zarr").of("tables")[0].obs}
    for name, column in obs_of(table).items():
        assert column.dtype == scanned[name].dtype, name
        if column.dtype != "string":
            assert column == scanned[name]
    assert obs_of(table)["kinds"].categories == ("a", "b", "c")
    assert obs_of(table)["text"].categories == ("a", "b", "c", "d")


def test_ids_beside_symbols_are_found_as_a_scan_finds_them(tmp_path: Path):
    table = with_obs(x=[1, 2])
    table.var_names = ["TP53", "EGFR"]
    table.var["Gene_IDs"] = pd.Categorical(["ENSG00000141510", "ENSG00000146648"])
    sdata = SpatialData(tables={"t": table})
    sdata.write(tmp_path / "s.zarr")
    for facts in (facts_of(sdata), scan_store(tmp_path / "s.zarr")):
        found = element(facts, "tables/t")
        assert found.feature_ids == ("TP53", "EGFR")
        assert found.feature_accessions == ("ENSG00000141510", "ENSG00000146648")


def test_columns_that_no_table_should_have_are_read_all_the_same():
    table = with_obs(lists=[[1], [2]], mixed=[1, "a"], when=pd.to_datetime(["2024-01-01"] * 2))
    sdata = SpatialData(tables={"t": table})
    table.obs.insert(0, "mixed", [1, 2], allow_duplicates=True)
    table.obs[5] = [True, False]
    (facts,) = facts_of(sdata).of("tables")
    assert [c.name for c in facts.obs] == ["mixed", "lists", "mixed", "when", "5"]
    assert facts.obs[1].categories is None
    assert facts.obs[2].categories == ("1", "a")


def test_of_many_categories_as_many_are_read_as_of_a_store(tmp_path: Path):
    many = [f"k{i:04d}" for i in range(700)]
    table = with_obs(kinds=pd.Categorical(many), text=many)
    sdata = SpatialData(tables={"t": table})
    sdata.write(tmp_path / "s.zarr")
    obs = obs_of(table)
    assert obs["kinds"] == scan_store(tmp_path / "s.zarr").of("tables")[0].obs[0]
    assert (obs["kinds"].n_categories, len(obs["text"].categories or ())) == (700, 512)


def test_nothing_lazy_is_computed():
    import dask.array as da
    import dask.dataframe as dd

    computed: list[str] = []

    def noted(block: Any, name: str) -> Any:
        computed.append(name)
        return block

    pixels = da.zeros((1, 16, 16), chunks=(1, 8, 8)).map_blocks(noted, "pixels", dtype="uint8")
    matrix = da.zeros((3, 2), chunks=(1, 2)).map_blocks(noted, "matrix", dtype="float32")
    frame = dd.from_pandas(pd.DataFrame({"x": [1.0], "y": [2.0], "gene": ["a"]}), npartitions=1)
    frame = frame.map_partitions(noted, "points", meta=frame._meta)
    points = PointsModel.parse(frame, coordinates={"x": "x", "y": "y"})
    table = AnnData(matrix, obs=pd.DataFrame(index=list("abc")), var=pd.DataFrame(index=["g", "h"]))
    sdata = SpatialData(
        images={"he": Image2DModel.parse(pixels, dims=("c", "y", "x"))},
        points={"reads": points},
        tables={"t": table},
    )
    computed.clear()
    facts = facts_of(sdata)
    assert [c.name for c in element(facts, "points/reads").columns] == ["x", "y", "gene"]
    assert element(facts, "tables/t").n_rows == 3
    assert computed == []
    points.compute()
    matrix.compute()
    pixels.compute()
    assert set(computed) == {"points", "matrix", "pixels"}


def test_a_million_observations_are_told_in_a_moment():
    n = 1_000_000
    some = np.random.default_rng(0)
    table = AnnData(
        obs=pd.DataFrame(
            {
                "barcode": np.arange(n).astype(str),
                "kind": some.choice(["a", "b", "c"], n),
                "cluster": pd.Categorical.from_codes(some.integers(0, 9, n), list("abcdefghi")),
                "area": some.random(n),
            },
            index=np.arange(n).astype(str),
        ),
        var=pd.DataFrame(index=["g"]),
    )
    sdata = SpatialData(tables={"t": table})
    start = time.process_time()
    (facts,) = facts_of(sdata).of("tables")
    assert time.process_time() - start < 3
    assert [c.n_categories for c in facts.obs] == [n, 3, 9, None]


# attributes


def converted(value: Any) -> tuple[Any, list[tuple[str, str, str]]]:
    values, problems = as_json({"a": value}, "object/attrs")
    return values.get("a"), [(p.code, p.severity, p.where) for p in problems]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
        (pd.Timestamp("2024-01-02"), "2024-01-02T00:00:00"),
        (np.datetime64("2024-01-02"), "2024-01-02"),
        (np.datetime64("2024-01-02", "ns"), "2024-01-02T00:00:00"),
    ],
)
def test_dates_become_text_and_are_told(value: Any, text: str):
    assert converted(value) == (text, [("attribute-converted", "warning", "object/attrs/a")])
    assert converted([value])[0] == [text]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -np.inf, np.float32("nan"), np.longdouble("nan"), pd.NaT, pd.NA],
)
def test_what_is_no_number_becomes_nothing_and_is_told(value: Any):
    assert converted(value) == (None, [("json-nan", "warning", "object/attrs/a")])
    assert converted({"b": [1, value]}) == (
        {"b": [1, None]},
        [("json-nan", "warning", "object/attrs/a.b")],
    )


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.longdouble(1.5), 1.5),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (pd.Series(["a", "b"]), ["a", "b"]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        ((1, (2, None)), [1, [2, None]]),
        ({"b", "a"}, ["a", "b"]),
        ({"b": {"c": [{"d": True}]}}, {"b": {"c": [{"d": True}]}}),
    ],
)
def test_what_json_has_in_other_words_is_no_fault(value: Any, plain: Any):
    assert converted(value) == (plain, [])


@pytest.mark.parametrize(
    "value",
    [b"x", 1j, np.clongdouble(1), Path("x"), object(), pd.DataFrame({"a": [1]}), "\ud800", np.timedelta64(3, "ns")],
)  # fmt: skip
def test_what_no_store_takes_is_an_error_that_names_its_place(value: Any):
    assert converted({"b": value}) == (
        {"b": None},
        [("attribute-unwritable", "error", "object/attrs/a.b")],
    )


def test_attributes_that_hold_themselves_have_an_end():
    mapping: dict[str, Any] = {}
    mapping["b"] = mapping
    items: list[Any] = []
    items += [items, items]
    for value in (mapping, items):
        assert {t[0] for t in converted(value)[1]} == {"attribute-unwritable"}
    deep: Any = 1
    for _ in range(DEPTH + 1):
        deep = [deep]
    assert [t[0] for t in converted(deep)[1]] == ["attribute-unwritable"]
    assert converted(deep[0])[1] == []


def test_keys_become_text_and_none_takes_the_place_of_another():
    values, problems = as_json({1: "a", "1": "b", "c\ud800": 2}, "object/attrs")
    assert values == {"1": "a"}
    assert [(p.code, p.severity, p.where) for p in problems] == [
        ("attribute-converted", "warning", "object/attrs/1"),
        ("attribute-unwritable", "error", "object/attrs/1"),
        ("attribute-unwritable", "error", "object/attrs"),
    ]


def test_the_key_that_spatialdata_writes_itself_is_nobody_elses():
    facts = facts_of(SpatialData(attrs={"spatialdata_attrs": {"mine": 1}, "b": 2}))
    assert facts.attributes == {"b": 2}
    (problem,) = facts.problems
    assert (problem.code, problem.severity) == ("attribute-reserved", "error")


def test_without_that_error_readers_could_not_open_the_store(tmp_path: Path):
    from spatialdata import read_zarr

    sdata = SpatialData(attrs={"spatialdata_attrs": {"mine": 1}})
    sdata.write(tmp_path / "s.zarr")
    with pytest.raises(KeyError):
        read_zarr(tmp_path / "s.zarr")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=3)
    | st.dates()
    | st.datetimes()
    | st.complex_numbers()
    | st.sampled_from([np.float32(1), np.datetime64("2024", "ns"), pd.NaT, pd.NA, Path("a")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.text(max_size=5), ANYTHING, max_size=4))
def test_attributes_of_any_kind_become_json_that_everybody_reads(attrs: dict[str, Any]):
    facts = facts_of(SpatialData(attrs=attrs))
    text = json.dumps(facts.attributes, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode()) == facts.attributes
    assert {p.code for p in facts.problems} <= {*CODES, *SCAN_CODES}
    if not facts.problems:
        assert set(facts.attributes) == set(attrs)
