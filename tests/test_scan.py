"""What a scan finds: in sound stores, in faulty ones, in real ones, and in any other bytes."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.facts import ElementFacts, StoreFacts
from portal.scan import scan_store
from portal.scan_codes import CODES, REMEDIES, Problems, printable
from portal.scan_decode import UnreadableArray, read_values
from portal.scan_nodes import numpy_name
from portal.scan_survey import json_safe, survey
from portal.scan_transforms import extent_in, parse_transformations
from portal.store import File, Folder, FolderFiles, ReadLimit
from tests.conftest import find_store
from tests.stores import Maker, identity, sound, system, zipped
from tests.stores.faults import FAULTS

BRAIN = "V1_Mouse_Brain_Sagittal_Posterior"


def codes(facts: StoreFacts) -> set[str]:
    return {p.code for p in facts.problems}


def element(facts: StoreFacts, path: str) -> ElementFacts:
    return next(e for e in facts.elements if e.path == path)


@pytest.fixture(params=[2, 3], ids=["zarr2", "zarr3"])
def zarr_format(request) -> int:
    return request.param


@pytest.fixture
def maker(tmp_path, zarr_format) -> Maker:
    return sound(tmp_path / "store.zarr", zarr_format)


# sound stores


def test_the_state_changes_with_a_pixel_and_the_fingerprint_with_a_size(maker, tmp_path):
    before = scan_store(maker.root)
    zip_before = scan_store(zipped(maker.root, tmp_path / "s.zarr.zip"))
    assert before.state
    assert scan_store(maker.root).state == before.state
    files = sorted(p for p in (maker.root / "images").rglob("*") if p.is_file())
    chunk = next(p for p in files if p.stat().st_size > 1000)
    stamp = chunk.stat().st_mtime_ns
    data = bytearray(chunk.read_bytes())
    data[0] ^= 255
    chunk.write_bytes(data)
    os.utime(chunk, ns=(stamp, stamp + 1))
    after = scan_store(maker.root)
    assert after.state != before.state
    assert after.fingerprint == before.fingerprint == zip_before.fingerprint
    assert scan_store(zipped(maker.root, tmp_path / "s.zarr.zip")).state != zip_before.state


def test_the_state_is_not_published(maker):
    facts = scan_store(maker.root)
    assert "state" not in facts.model_dump()
    assert facts.state not in facts.model_dump_json()


def test_a_sound_store_has_every_element_and_no_problem(maker, zarr_format):
    facts = scan_store(maker.root)
    assert facts.problems == ()
    assert facts.kind == "spatialdata"
    assert facts.zarr_format == zarr_format
    assert facts.container_version == {2: "0.1", 3: "0.2"}[zarr_format]
    assert facts.consolidated == {2: ".zmetadata", 3: "zarr.json"}[zarr_format]
    assert facts.written_by == "spatialdata 0.8.0"
    assert [e.path for e in facts.elements] == [
        "images/image",
        "labels/labels",
        "points/points",
        "shapes/shapes",
        "tables/table",
    ]
    assert all(e.readable for e in facts.elements)
    assert facts.coordinate_systems == ["global"]
    on_disk = [p for p in maker.root.rglob("*") if p.is_file()]
    assert facts.files == len(on_disk)
    assert facts.bytes == sum(p.stat().st_size for p in on_disk)
    image = [p for p in (maker.root / "images/image").rglob("*") if p.is_file()]
    assert element(facts, "images/image").files == len(image)
    assert element(facts, "images/image").bytes == sum(p.stat().st_size for p in image)


def test_an_image_tells_axes_levels_and_chunks(maker):
    maker.image("chunked", levels=((3, 40, 60), (3, 20, 30)), chunks=(3, 16, 16))
    image = element(scan_store(maker.root), "images/chunked")
    assert image.axes == ("c", "y", "x")
    assert image.shape == (3, 40, 60)
    assert image.dtype == "uint8"
    assert [level.path for level in image.levels] == ["s0", "s1"]
    assert [level.chunks for level in image.levels] == [(3, 16, 16), (3, 16, 16)]
    assert [(le.chunks_stored, le.chunks_expected) for le in image.levels] == [(12, 12), (4, 4)]
    assert image.extent == {"global": {"x": (0.0, 60.0), "y": (0.0, 40.0)}}


def test_shards_and_inner_codecs_are_told_apart(tmp_path):
    maker = sound(tmp_path / "store.zarr")
    meta = maker.read("images/image/s0/zarr.json")
    inner = {"chunk_shape": [3, 10, 10], "codecs": [{"name": "bytes"}, {"name": "zstd"}]}
    meta["codecs"] = [{"name": "sharding_indexed", "configuration": inner}]
    maker.write("images/image/s0/zarr.json", meta)
    level = element(scan_store(maker.root), "images/image").levels[0]
    assert level.chunks == (3, 10, 10)
    assert level.shards == (3, 40, 60)
    assert level.codecs == ("bytes", "zstd")
    assert (level.chunks_stored, level.chunks_expected) == (1, 1)


def test_a_volume_has_an_extent_in_z(maker):
    maker.image("volume", levels=((1, 7, 8, 9),), axes="czyx")
    extent = element(scan_store(maker.root), "images/volume").extent["global"]
    assert extent == {"x": (0.0, 9.0), "y": (0.0, 8.0), "z": (0.0, 7.0)}


@pytest.mark.parametrize(
    ("labels", "dtype", "count", "rgb"),
    [
        (None, "uint8", 3, True),
        ([0, 1, 2], "uint8", 3, True),
        (["r", "g", "b"], "uint16", 3, True),
        (["Red", "Green", "Blue"], "uint8", 3, True),
        (["DAPI", "CD3", "CD8"], "uint8", 3, False),
        ([0, 1, 2], "uint16", 3, False),
        ([0, 1], "uint8", 2, False),
        (["r", "g", "b", "a"], "uint8", 4, True),
    ],
)
def test_a_colour_picture_is_told_from_three_channels(tmp_path, labels, dtype, count, rgb):
    maker = Maker(tmp_path / "store.zarr")
    omero = labels and {"channels": [{"label": label} for label in labels]}
    maker.image(levels=((count, 8, 8),), dtype=dtype, omero=omero)
    image = scan_store(maker.root).elements[0]
    assert image.rgb is rgb
    assert image.channels == tuple(str(label) for label in labels or ())


def test_labels_are_never_rgb(maker):
    assert element(scan_store(maker.root), "labels/labels").rgb is None


def test_points_and_shapes_are_described_by_their_footers(maker):
    facts = scan_store(maker.root)
    points = element(facts, "points/points")
    assert (points.n_rows, points.parts, points.feature_key) == (4, 2, "gene")
    assert [(c.name, c.dtype) for c in points.columns] == [
        ("x", "float64"),
        ("y", "float64"),
        ("gene", "categorical"),
    ]
    assert points.extent == {"global": {"x": (1.0, 20.0), "y": (2.0, 31.0)}}
    shapes = element(facts, "shapes/shapes")
    assert (shapes.n_rows, shapes.geometry_types, shapes.radius) == (3, ("Polygon",), False)
    assert [(c.name, c.dtype) for c in shapes.columns] == [("area", "float64")]
    assert shapes.extent == {"global": {"x": (5.0, 50.0), "y": (5.0, 35.0)}}


def test_a_table_tells_rows_columns_categories_genes_and_keys(maker):
    path = "tables/table"
    maker.categorical(f"{path}/obs", "cluster", ["a", "b"], [0, 1, 1])
    maker.column(f"{path}/obs", "kept", np.array([True, False, True]))
    maker.group(f"{path}/obsm")
    maker.array(f"{path}/obsm/X_umap", np.zeros((3, 2)))
    maker.group(f"{path}/layers")
    maker.array(f"{path}/layers/counts", np.zeros((3, 2), "int32"))
    table = element(scan_store(maker.root), path)
    assert (table.n_rows, table.n_vars) == (3, 2)
    obs = {c.name: c for c in table.obs}
    assert list(obs) == ["instance_id", "region", "cluster", "kept"]
    assert obs["instance_id"].dtype == "int64"
    assert obs["kept"].dtype == "boolean"
    assert (obs["cluster"].dtype, obs["cluster"].categories) == ("categorical", ("a", "b"))
    assert obs["cluster"].n_categories == 2
    assert table.feature_ids == ("GeneA", "GeneB")
    assert table.x is not None
    assert (table.x.encoding, table.x.shape, table.x.dtype) == ("array", (3, 2), "float32")
    assert [(m.name, m.shape) for m in table.obsm] == [("X_umap", (3, 2))]
    assert [(m.name, m.dtype) for m in table.layers] == [("counts", "int32")]
    assert table.regions == ("labels",)
    assert (table.region_key, table.instance_key) == ("region", "instance_id")


def test_sparse_matrices_and_data_frames_in_obsm_tell_their_shape(maker):
    path = "tables/table"
    shutil.rmtree(maker.root / path / "X")
    maker.group(f"{path}/X", {"encoding-type": "csr_matrix", "shape": [3, 2]})
    maker.array(f"{path}/X/data", np.ones(4, "float32"))
    maker.array(f"{path}/X/indices", np.zeros(4, "int32"))
    maker.array(f"{path}/X/indptr", np.zeros(4, "int32"))
    maker.group(f"{path}/obsm")
    maker.frame(f"{path}/obsm/scores", ["a", "b", "c"])
    maker.column(f"{path}/obsm/scores", "s", np.zeros(3))
    table = element(scan_store(maker.root), path)
    assert table.x is not None
    assert (table.x.encoding, table.x.shape, table.x.dtype) == ("csr_matrix", (3, 2), "float32")
    assert [(m.encoding, m.shape) for m in table.obsm] == [("dataframe", (3, 1))]


def test_categories_of_the_old_encoding_are_read(tmp_path):
    maker = sound(tmp_path / "store.zarr", 2)
    frame = "tables/table/obs"
    maker.column(frame, "cluster", np.array([0, 1, 0], "int8"))
    maker.write(f"{frame}/cluster/.zattrs", {"categories": "__categories/cluster"})
    maker.group(f"{frame}/__categories")
    maker.array(f"{frame}/__categories/cluster", ["one", "two"], attributes={"ordered": True})
    column = element(scan_store(maker.root), "tables/table").obs[-1]
    assert (column.name, column.dtype) == ("cluster", "categorical")
    assert column.categories == ("one", "two")
    assert column.ordered


def test_no_more_than_512_categories_are_read(maker):
    names = [f"c{i}" for i in range(2000)]
    maker.categorical("tables/table/obs", "barcode", names, [0, 1, 2])
    column = element(scan_store(maker.root), "tables/table").obs[-1]
    assert column.categories == tuple(names[:512])
    assert column.n_categories == 2000


ENSEMBL = ("ENSG00000141510", "ENSG00000012048")


def test_symbols_beside_stable_ids_are_feature_names(maker):
    maker.table("t", genes=ENSEMBL)
    maker.column("tables/t/var", "gene_symbols", ["TP53", "BRCA1"])
    table = element(scan_store(maker.root), "tables/t")
    assert (table.feature_ids, table.feature_names) == (ENSEMBL, ("TP53", "BRCA1"))
    assert table.feature_accessions == ()


def test_stable_ids_beside_symbols_are_feature_accessions(maker):
    maker.table("t", genes=("TP53", "BRCA1"))
    maker.column("tables/t/var", "gene_ids", list(ENSEMBL))
    table = element(scan_store(maker.root), "tables/t")
    assert (table.feature_ids, table.feature_names) == (("TP53", "BRCA1"), ())
    assert table.feature_accessions == ENSEMBL


def test_symbols_may_be_categorical(maker):
    maker.table("t", genes=ENSEMBL)
    maker.categorical("tables/t/var", "feature_name", ["BRCA1", "TP53"], [1, 0])
    assert element(scan_store(maker.root), "tables/t").feature_names == ("TP53", "BRCA1")


def test_a_column_that_holds_no_ids_is_not_taken_for_them(maker):
    maker.table("t", genes=("TP53", "BRCA1"))
    maker.column("tables/t/var", "gene_ids", ["probe", "other"])
    assert element(scan_store(maker.root), "tables/t").feature_accessions == ()


def test_keys_may_lie_in_uns(maker):
    maker.attributes("tables/table", region=None, region_key=None, instance_key=None)
    maker.group("tables/table/uns")
    maker.group("tables/table/uns/spatialdata_attrs")
    maker.array("tables/table/uns/spatialdata_attrs/region", ["labels"])
    maker.array(
        "tables/table/uns/spatialdata_attrs/region_key",
        ["region"],
    )
    maker.array("tables/table/uns/spatialdata_attrs/instance_key", ["instance_id"])
    table = element(scan_store(maker.root), "tables/table")
    assert table.regions == ("labels",)
    assert (table.region_key, table.instance_key) == ("region", "instance_id")


@pytest.mark.parametrize(
    ("attributes", "layout"),
    [
        ({}, None),
        ({"metadata_general": {"a": 1}, "metadata_visium": {}}, "metadata_general"),
        ({"bio": {}, "tech": {}}, "bio+tech"),
        ({"sample": {}}, "sample"),
        ({"bio": {}}, "other"),
    ],
)
def test_root_attributes_are_kept_in_any_layout(maker, attributes, layout):
    maker.attributes("", **attributes)
    facts = scan_store(maker.root)
    assert facts.attributes == attributes
    assert facts.attributes_layout == layout


def test_nan_in_attributes_becomes_null(maker):
    maker.attributes("", sample={"age": math.nan, "dose": [1.0, math.inf], "weight": "1e999"})
    facts = scan_store(maker.root)
    assert facts.attributes == {"sample": {"age": None, "dose": [1.0, None], "weight": "1e999"}}
    assert "json-nan" in codes(facts)


@pytest.mark.parametrize(
    ("attributes", "kind", "word"),
    [
        ({"encoding-type": "anndata"}, "anndata", "AnnData"),
        ({"encoding-type": "MuData"}, "mudata", "MuData"),
        ({"ome": {"multiscales": []}}, "ome-zarr", "OME-Zarr"),
        ({"multiscales": []}, "ome-zarr", "OME-Zarr"),
        ({"plate": {}}, "ome-zarr", "OME-Zarr"),
        ({}, "zarr", "zarr"),
    ],
)
def test_what_is_not_spatialdata_is_called_by_its_name(tmp_path, attributes, kind, word):
    facts = scan_store(Maker(tmp_path / "x.zarr", attributes=attributes).root)
    assert facts.kind == kind
    assert [(p.code, p.severity) for p in facts.problems] == [("not-spatialdata", "error")]
    assert word in facts.problems[0].what


def test_a_store_before_spatialdata_attrs_is_known_by_its_elements(maker):
    maker.attributes("", spatialdata_attrs=None)
    maker.consolidate()
    facts = scan_store(maker.root)
    assert facts.kind == "spatialdata"
    assert codes(facts) == {"spatialdata-attrs-absent"}


# fingerprint, zip, limits


def test_a_zip_has_the_facts_of_its_folder(maker, tmp_path):
    folder = scan_store(maker.root)
    for top, method in (("", zipfile.ZIP_STORED), ("any/", zipfile.ZIP_DEFLATED)):
        other = scan_store(zipped(maker.root, tmp_path / "store.zarr.zip", top, method))
        of_the_reading = {"bytes_read": 0, "state": ""}
        assert other.model_copy(update=of_the_reading) == folder.model_copy(update=of_the_reading)


def test_the_fingerprint_is_of_the_content(maker, tmp_path):
    first = scan_store(maker.root).fingerprint
    copy = tmp_path / "another.zarr"
    shutil.copytree(maker.root, copy)
    for path in copy.rglob("*"):
        path.touch()
    assert scan_store(copy).fingerprint == first
    name = "images/image/" + ("zarr.json" if maker.zarr_format == 3 else ".zattrs")
    same_size = (copy / name).read_text().replace("space", "spice")
    (copy / name).write_text(same_size)
    assert scan_store(copy).fingerprint != first


def test_a_new_chunk_changes_the_fingerprint(maker):
    first = scan_store(maker.root).fingerprint
    maker.write("images/image/s0/extra", b"x")
    assert scan_store(maker.root).fingerprint != first


class Recorder(FolderFiles):
    """Notes every read: (path, start, length)."""

    def __init__(self, root: Path, limit: int):
        super().__init__(root, limit)
        self.reads: list[tuple[str, int, int]] = []

    def _fetch(self, path: str, start: int, length: int) -> bytes:
        self.reads.append((path, start, length))
        return super()._fetch(path, start, length)


_METADATA = re.compile(r"(^|/)(zarr\.json|\.zgroup|\.zattrs|\.zarray|\.zmetadata|zmetadata)$")
_COLUMN = re.compile(
    r"^tables?/[^/]+/(var/|obs/[^/]+/categories/|obs/__categories/|uns/spatialdata_attrs/)"
)


def _assert_modest(files: Recorder) -> None:
    for path, start, _ in files.reads:
        if path.endswith(".parquet"):
            size = (Path(files._root) / path).stat().st_size
            raw = (Path(files._root) / path).read_bytes()
            footer = int.from_bytes(raw[-8:-4], "little") + 8
            assert start >= size - footer, f"{path}: read before the footer"
        else:
            assert _METADATA.search(path) or _COLUMN.match(path), path
    assert sum(length for *_, length in files.reads) <= files.bytes_read


def test_no_matrix_pixel_or_coordinate_is_read(maker):
    files = Recorder(maker.root, 10_000_000)
    scan_store(files)
    assert files.reads
    _assert_modest(files)


@pytest.mark.parametrize("limit", [0, 500, 3000, 8000])
def test_over_the_limit_facts_are_missing_and_it_is_said(maker, limit):
    facts = scan_store(maker.root, limit=limit)
    assert "scan-limit" in codes(facts)
    assert facts.bytes_read <= limit
    assert facts.files == sum(p.is_file() for p in maker.root.rglob("*"))


def test_two_hundred_thousand_chunks_are_counted_in_little_memory(tmp_path):
    """In folders of a thousand, of a made-up walk: what has been counted is not kept."""

    class Wide(FolderFiles):
        def walk(self):
            for folder in super().walk():
                yield folder
                if folder.path == "images/image/s0/c/0":
                    for y in range(200):
                        chunks = [File(str(x), 10, 0) for x in range(1000)]
                        yield Folder(f"images/image/s0/c/0/{y}", chunks, [])

    maker = sound(tmp_path / "store.zarr")
    meta = maker.read("images/image/s0/zarr.json")
    meta["shape"] = [3, 200, 1000]
    meta["chunk_grid"]["configuration"]["chunk_shape"] = [3, 1, 1]
    maker.write("images/image/s0/zarr.json", meta)
    (maker.root / "images/image/s0/c/0/0/0").unlink()
    files = Wide(maker.root, 1_000_000)
    tracemalloc.start()
    array = survey(files, Problems("x")).nodes["images/image/s0"].array
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert array is not None
    assert array.stored == array.expected == 200_000
    assert peak < 2_000_000


# faults


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_code_is_found_in_a_store_that_has_the_fault(code, tmp_path):
    made = FAULTS[code](tmp_path)
    source, options = made if isinstance(made, tuple) else (made, {})
    facts = scan_store(source, name="given", **options)
    problem = next(p for p in facts.problems if p.code == code)
    assert problem.where.split("/")[0] == "given"
    assert re.match(r"[A-Z]\w* .*\.$", problem.what)
    assert str(tmp_path) not in facts.model_dump_json()
    assert problem.remedy
    assert codes(facts) <= CODES.keys()


@pytest.mark.parametrize("part", ["survey", "_facts"])
def test_what_nobody_thought_of_is_a_problem_and_the_machine_s_faults_are_not(
    maker, monkeypatch, part
):
    raised: list[Exception] = [KeyError("x"), OSError(errno.ENOSPC, "No space left")]

    def fail(*_: object) -> None:
        raise raised.pop(0)

    monkeypatch.setattr("portal.scan." + part, fail)
    facts = scan_store(maker.root)
    assert facts.kind == ("unreadable" if part == "survey" else "spatialdata")
    assert [(p.code, p.severity) for p in facts.problems] == [("scan-failed", "error")]
    with pytest.raises(OSError, match="No space"):
        scan_store(maker.root)


def test_every_code_has_a_meaning_a_remedy_and_a_case():
    assert CODES.keys() == REMEDIES.keys() == FAULTS.keys()
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in CODES)
    assert all(meaning and "\n" not in meaning for meaning in CODES.values())


def test_every_code_in_the_source_is_in_the_table():
    folder = Path(__file__).parent.parent / "portal"
    text = "".join(p.read_text() for p in [*folder.glob("scan*.py"), folder / "store.py"])
    used = set(re.findall(r'add\(\s*"([a-z-]+)"', text))
    assert used
    assert used <= CODES.keys()


def test_a_fault_of_one_element_leaves_the_others(tmp_path):
    source = FAULTS["parquet-absent"](tmp_path)
    facts = scan_store(source)  # type: ignore[arg-type]
    assert [e.path for e in facts.elements if not e.readable] == ["shapes/shapes"]
    assert element(facts, "tables/table").n_rows == 3


@pytest.mark.parametrize(
    ("path", "lost", "severity"),
    [
        ("images/image/s0", "all", "error"),
        ("images/image/s0", "some", "warning"),
        ("images/image/s1", "all", "warning"),
        ("labels/labels/s0", "some", "info"),
        ("labels/labels/s0", "all", "warning"),
    ],
)
def test_absent_chunks_weigh_by_what_is_lost(tmp_path, path, lost, severity):
    maker = Maker(tmp_path / "store.zarr")
    maker.image(chunks=(3, 16, 16))
    maker.labels(chunks=(16, 16))
    chunks = sorted(p for p in (maker.root / path / "c").rglob("*") if p.is_file())
    for chunk in chunks if lost == "all" else chunks[:1]:
        chunk.unlink()
    found = [p for p in scan_store(maker.root).problems if p.code == "chunk-absent"]
    assert [(p.severity, p.where) for p in found] == [(severity, f"store.zarr/{path}")]


def test_stale_consolidated_metadata_are_not_believed(maker):
    maker.image("later")
    shutil.rmtree(maker.root / "points/points")
    facts = scan_store(maker.root)
    assert [e.name for e in facts.of("images")] == ["image", "later"]
    assert facts.of("points") == []
    problem = next(p for p in facts.problems if p.code == "consolidated-stale")
    assert "points/points" in problem.what
    assert "images/later" in problem.what


def test_a_flood_of_problems_becomes_a_count(tmp_path):
    maker = sound(tmp_path / "store.zarr")
    for i in range(200):
        maker.group(f"shapes/s {i}", {"encoding-type": "ngff:shapes"})
    facts = scan_store(maker.root)
    absent = [p for p in facts.problems if p.code == "parquet-absent"]
    assert len(absent) == 21
    assert absent[-1].what.startswith("180 more")


def test_names_that_are_no_text_do_not_stop_the_scan(tmp_path):
    maker = sound(tmp_path / "store.zarr")
    name = b"images/\xff\xfe"
    try:
        Path(maker.root, name.decode("utf-8", "surrogateescape")).mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    facts = scan_store(maker.root)
    facts.model_dump_json()
    assert "element-broken" in codes(facts)


def test_hidden_folders_are_no_elements(maker):
    maker.write("images/.ipynb_checkpoints/x", b"")
    maker.write(".cache/x", b"")
    facts = scan_store(maker.root)
    assert facts.problems == ()
    assert [e.name for e in facts.of("images")] == ["image"]


def test_a_table_without_values_of_its_own_is_described(maker):
    shutil.rmtree(maker.root / "tables/table/X")
    table = element(scan_store(maker.root), "tables/table")
    assert (table.n_rows, table.n_vars, table.x) == (3, 2, None)


def test_importing_the_scan_is_light():
    code = (
        "import sys, portal.scan; "
        "heavy = {'zarr', 'numcodecs', 'pyarrow', 'numpy', 'spatialdata', 'anndata', 'dask'}; "
        "sys.exit(heavy & set(sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_scan_never_imports_spatialdata(maker):
    code = (
        "import sys, portal.scan as s; "
        f"assert s.scan_store({str(maker.root)!r}).kind == 'spatialdata'; "
        "sys.exit({'spatialdata', 'anndata', 'dask', 'zarr'} & set(sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# any bytes


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 2**63])
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["x", "global", "categorical", "anndata", "../..", "identity"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    places = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        places += _places(inner, (*prefix, key))
    return places


@pytest.mark.parametrize("form", [2, 3])
def test_no_metadata_whatever_stop_the_scan(tmp_path, form):
    maker = sound(tmp_path / "store.zarr", form)
    names = sorted(
        p.relative_to(maker.root).as_posix()
        for p in maker.root.rglob("*")
        if p.is_file() and _METADATA.search(p.as_posix())
    )

    @settings(
        max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(names))
        before = (maker.root / name).read_bytes()
        value = json.loads(before)
        place = data.draw(st.sampled_from(_places(value)))
        holder = value
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = data.draw(JSON)
        try:
            maker.write(name, json.dumps(value))
            facts = scan_store(maker.root)
        finally:
            (maker.root / name).write_bytes(before)
        facts.model_dump_json()
        assert codes(facts) <= CODES.keys()

    check()


@pytest.mark.parametrize("form", [2, 3])
def test_no_damaged_file_stops_the_scan(tmp_path, form):
    maker = sound(tmp_path / "store.zarr", form)
    names = sorted(
        p.relative_to(maker.root).as_posix() for p in maker.root.rglob("*") if p.is_file()
    )

    @settings(
        max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.sampled_from(names), st.integers(0, 4000), st.binary(max_size=12))
    def check(name, place, junk):
        before = (maker.root / name).read_bytes()
        place %= len(before) + 1
        try:
            (maker.root / name).write_bytes(before[:place] + junk)
            scan_store(maker.root).model_dump_json()
            (maker.root / name).write_bytes(before[:place] + junk + before[place + len(junk) :])
            scan_store(maker.root).model_dump_json()
        finally:
            (maker.root / name).write_bytes(before)

    check()


def test_json_too_deep_is_a_problem_or_cut(tmp_path):
    for depth in (90, 900, 100_000):
        maker = sound(tmp_path / f"{depth}.zarr", 2)
        maker.write(".zattrs", '{"a":' + "[" * depth + "]" * depth + "}")
        facts = scan_store(maker.root)
        facts.model_dump_json()
        assert facts.files


@settings(deadline=None)
@given(st.recursive(st.floats() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_json_safe_is_json_for_everybody(value):
    text = json.dumps(json_safe({"v": value}), allow_nan=False, ensure_ascii=False)
    text.encode()


@given(st.text())
def test_printable_text_is_one_clean_line(text):
    clean = printable(text)
    clean.encode()
    assert clean.isprintable() or clean == ""
    assert len(clean) <= 200


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("<f4", "float32"),
        ("|u1", "uint8"),
        ("|b1", "boolean"),
        ("bool", "boolean"),
        ("<U7", "string"),
        ("|S3", "string"),
        ("|O", "object"),
        ("<M8[ns]", "datetime64[ns]"),
        ("float64", "float64"),
        ("string", "string"),
        ([["a", "<f4"]], "structured"),
    ],
)
def test_types_have_numpy_names(stored, name):
    assert numpy_name(stored) == name


# decoding


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("values", ["text", "ints", "bools", "scalar", "big-endian"])
@pytest.mark.parametrize("codec", ["default", "gzip", "blosc", "none", "zstd-checksum"])
def test_values_are_those_that_zarr_reads(tmp_path, form, values, codec):
    zarr = pytest.importorskip("zarr")
    data: Any = {
        "text": np.array(["a", "", "ümlaut", "漢字"] * 5, dtype=object),
        "ints": np.arange(-7, 13),
        "bools": np.arange(20) % 3 == 0,
        "scalar": np.array(5),
        "big-endian": np.arange(20, dtype=">i4"),
    }[values]
    options: dict[str, Any] = {}
    if codec != "default":
        options["compressors"] = _compressor(form, codec)
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=form)
    dtype = str if values == "text" else data.dtype
    chunks = (6,) if data.shape else ()
    try:
        made = group.create_array(
            "a", shape=data.shape, dtype=dtype, chunks=chunks or "auto", **options
        )
    except KeyError:
        pytest.skip("zarr before 3.1 cannot write big-endian numbers in format 3")
    made[...] = data
    files = FolderFiles(tmp_path / "x.zarr", 1_000_000)
    node = survey(files, Problems("x")).nodes["a"]
    assert read_values(files, node) == np.atleast_1d(made[...]).tolist()
    assert read_values(files, node, 3) == np.atleast_1d(made[...]).tolist()[:3]


def _compressor(form: int, codec: str) -> Any:
    import numcodecs
    import zarr.codecs

    if codec == "none":
        return None
    if form == 2:
        made = {"gzip": numcodecs.GZip(), "blosc": numcodecs.Blosc("lz4")}
        return made.get(codec, numcodecs.Zstd(checksum=True))
    made = {"gzip": zarr.codecs.GzipCodec(), "blosc": zarr.codecs.BloscCodec()}
    return made.get(codec, zarr.codecs.ZstdCodec(checksum=True))


def test_shards_and_unusual_codecs_are_read_through_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
    group.create_array("a", shape=(20,), dtype=str, chunks=(5,), shards=(10,))
    group["a"][:] = np.array([f"gene{i}" for i in range(20)])
    files = FolderFiles(tmp_path / "x.zarr", 1_000_000)
    node = survey(files, Problems("x")).nodes["a"]
    assert read_values(files, node) == [f"gene{i}" for i in range(20)]


def test_absent_chunks_of_a_column_are_fill_value(maker):
    maker.array("tables/table/obs/extra", ["a", "b", "c"], chunks=(1,))
    (maker.root / "tables/table/obs/extra" / maker.chunk((1,))).unlink()
    files = FolderFiles(maker.root, 1_000_000)
    node = survey(files, Problems("x")).nodes["tables/table/obs/extra"]
    assert read_values(files, node) == ["a", "", "c"]


def test_an_array_that_claims_to_be_endless_is_refused(tmp_path):
    maker = sound(tmp_path / "store.zarr")
    meta = maker.read("tables/table/var/_index/zarr.json")
    meta["shape"] = [10**12]
    maker.write("tables/table/var/_index/zarr.json", meta)
    facts = scan_store(maker.root)
    assert "scan-limit" in codes(facts)
    assert element(facts, "tables/table").feature_ids == ()


@pytest.mark.parametrize("codec", ["zstd", "blosc", "lz4", "zlib"])
def test_a_chunk_that_unpacks_to_too_much_is_refused(tmp_path, codec):
    numcodecs = pytest.importorskip("numcodecs")
    maker = sound(tmp_path / "store.zarr", 2)
    path = "tables/table/var/_index"
    meta = maker.read(f"{path}/.zarray")
    meta["compressor"] = {"id": codec}
    maker.write(f"{path}/.zarray", meta)
    bomb = numcodecs.get_codec({"id": codec}).encode(bytes(50_000_000))
    maker.write(f"{path}/0", bytes(bomb))
    files = FolderFiles(maker.root, 2_000_000)
    node = survey(files, Problems("x")).nodes[path]
    with pytest.raises((ReadLimit, UnreadableArray)):
        read_values(files, node)


# transformations


AXES = st.sampled_from(["xy", "yx", "cyx", "xyz", "czyx"])
NUMBER = st.floats(-100, 100, allow_nan=False).map(lambda v: round(v, 3))


@st.composite
def stored_transformations(draw, depth: int = 2) -> dict[str, Any]:
    axes = draw(AXES)
    kinds = ["identity", "scale", "translation", "affine"] + (["sequence"] if depth else [])
    return _stored(draw, draw(st.sampled_from(kinds)), axes, depth)


def _stored(draw: Any, kind: str, axes: str, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": kind,
        "input": system(axes, axes),
        "output": system("target", axes),
    }
    if kind in ("scale", "translation"):
        # The channel axis is left alone: spatialdata refuses to move it.
        neutral = 1.0 if kind == "scale" else 0.0
        made[kind] = [neutral if a == "c" else draw(NUMBER) for a in axes]
    elif kind == "affine":
        made["affine"] = [
            [float(a == b) if "c" in (a, b) else draw(NUMBER) for b in axes]
            + [0.0 if a == "c" else draw(NUMBER)]
            for a in axes
        ]
    elif kind == "sequence":
        kinds = st.sampled_from(["identity", "scale", "translation", "affine"])
        made["transformations"] = [
            _stored(draw, k, axes, depth - 1) for k in draw(st.lists(kinds, min_size=1, max_size=4))
        ]
    return made


@settings(deadline=None, max_examples=200)
@given(stored_transformations())
def test_matrices_are_those_of_spatialdata(stored):
    pytest.importorskip("spatialdata")
    from spatialdata.transformations.ngff.ngff_transformations import NgffBaseTransformation
    from spatialdata.transformations.transformations import BaseTransformation

    theirs = BaseTransformation.from_ngff(NgffBaseTransformation.from_dict(stored))
    (ours,), faults = parse_transformations([stored], ())
    assert faults == []
    assert ours.affine is not None
    axes = ("x", "y", "z")[: len(ours.affine)]
    expected = theirs.to_affine_matrix(axes, axes)[:-1]
    np.testing.assert_allclose(np.array(ours.affine), expected, rtol=1e-9, atol=1e-6)


def test_axes_are_mapped_and_rotated():
    swap = {**identity("xy"), "type": "mapAxis", "mapAxis": {"x": "y", "y": "x"}}
    turn = {**identity("xy"), "type": "rotation", "rotation": [0, -1, 1, 0]}
    rows = {**turn, "rotation": [[0, -1], [1, 0]]}
    for stored, affine in (
        (swap, ((0, 1, 0), (1, 0, 0))),
        (turn, ((0, -1, 0), (1, 0, 0))),
        (rows, ((0, -1, 0), (1, 0, 0))),
    ):
        (found,), faults = parse_transformations([stored], ("x", "y"))
        assert (found.affine, faults) == (affine, [])


def test_each_dimension_may_have_its_own_transformation():
    parts = [
        {"type": "scale", "scale": [2.0], "input": system("x", "x"), "output": system("x", "x")},
        {
            "type": "translation",
            "translation": [5.0],
            "input": system("y", "y"),
            "output": system("y", "y"),
        },
    ]
    stored = {**identity("xy"), "type": "byDimension", "transformations": parts}
    (found,), _ = parse_transformations([stored], ("x", "y"))
    assert found.affine == ((2, 0, 0), (0, 1, 5))


def test_steps_of_a_sequence_may_leave_out_their_axes():
    steps = [
        {"type": "scale", "scale": [1.0, 2.0, 3.0]},
        {"type": "translation", "translation": [0, 1, 1]},
    ]
    stored = {**identity("cyx"), "type": "sequence", "transformations": steps}
    (found,), _ = parse_transformations([stored], ())
    assert found.affine == ((3, 0, 1), (0, 2, 1))


def test_units_are_kept_and_the_placeholder_is_not():
    stored = identity("xy")
    assert parse_transformations([stored], ())[0][0].unit is None
    for axis in stored["output"]["axes"]:
        axis["unit"] = "micrometer"
    assert parse_transformations([stored], ())[0][0].unit == "micrometer"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "thinPlate"},
        {"type": "scale", "scale": [1.0]},
        {"type": "affine", "affine": [[1, 0, 0]]},
        {"type": "affine", "affine": "no"},
        {"type": "sequence", "transformations": [{"type": "?"}]},
        {"type": "scale", "scale": [10**400, 1]},
    ],
)
def test_what_is_not_understood_keeps_its_system_and_says_so(change):
    (found,), faults = parse_transformations([{**identity("xy"), **change}], ())
    assert found.coordinate_system == "global"
    assert found.affine is None
    assert len(faults) == 1


def test_an_extent_is_the_box_around_the_turned_corners():
    affine = ((0.0, -1.0, 10.0), (1.0, 0.0, 0.0))
    assert extent_in(affine, {"x": (0, 2), "y": (0, 3)}) == {"x": (7, 10), "y": (0, 2)}


def test_an_extent_needs_every_axis_the_matrix_uses():
    mixes_z = ((1.0, 0.0, 2.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
    plain = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
    box = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
    assert extent_in(mixes_z, box) is None
    assert extent_in(plain, box) == box


# real stores


def test_the_visium_brain(test_data):
    path = find_store(test_data, "spatialdatadb_visium_mouse_brain")
    facts = scan_store(path, name="brain")
    assert (facts.kind, facts.zarr_format, facts.consolidated) == ("spatialdata", 2, "zmetadata")
    assert (facts.files, facts.bytes) == (327, 49_920_214)
    full = element(facts, f"images/{BRAIN}_full_image")
    assert [level.shape for level in full.levels] == [
        (3, 1998, 2000),
        (3, 999, 1000),
        (3, 499, 500),
        (3, 249, 250),
        (3, 124, 125),
    ]
    assert [level.chunks_stored for level in full.levels] == [64, 16, 4, 1, 1]
    assert full.rgb
    assert full.levels[0].codecs == ("blosc",)
    table = element(facts, "tables/table")
    assert (table.n_rows, table.n_vars) == (3355, 32285)
    assert table.feature_ids[0] == "Xkr4"
    assert table.feature_accessions[0] == "ENSMUSG00000051951"
    spots = element(facts, f"shapes/{BRAIN}")
    assert (spots.n_rows, spots.radius, spots.geometry_types) == (3355, True, ("Point",))
    assert spots.coordinate_systems == ("global", "downscaled_hires", "downscaled_lowres")
    found = {(p.code, p.severity, p.where) for p in facts.problems}
    assert ("chunk-absent", "error", f"brain/images/{BRAIN}_hires_image/0") in found
    assert ("extent-mismatch", "warning", f"brain/shapes/{BRAIN}") in found
    assert ("group-unknown", "info", "brain/metadata") in found
    assert ("consolidated-stale", "warning", "brain/zmetadata") in found
    assert facts.bytes_read < 2_500_000


def test_the_xenium_points(test_data):
    facts = scan_store(find_store(test_data, "xenium_rep1_points_only"))
    (points,) = facts.elements
    assert (points.n_rows, points.parts, points.feature_key) == (213_191, 8, "feature_name")
    assert points.axes == ("x", "y", "z")
    assert facts.written_by == "spatialdata 0.4.0"
    assert codes(facts) == {"zmetadata-name"}


def test_the_blobs_of_spatialdata_07(test_data):
    facts = scan_store(find_store(test_data, "vitessce_blobs_sd07"))
    assert (facts.zarr_format, facts.container_version) == (3, "0.2")
    assert [e.name for e in facts.of("tables")] == ["table", "table_points"]
    assert [le.path for le in facts.of("images")[1].levels] == ["s0", "s1", "s2"]
    assert codes(facts) == {"table-annotates-nothing"}


def test_a_merfish_store_without_its_points_is_told_element_by_element(test_data):
    facts = scan_store(find_store(test_data, "easyvitessce_merfish"))
    broken = {e.path for e in facts.elements if not e.readable}
    assert broken == {"points/single_molecule", "tables/table"}
    errors = {(p.code, p.where.partition("/")[2]) for p in facts.problems if p.severity == "error"}
    assert errors == {
        ("parquet-absent", "points/single_molecule/points.parquet"),
        ("table-part-absent", "tables/table/var"),
    }
    assert element(facts, "shapes/cells").n_rows == 2389


def test_a_store_without_any_zarr_json_names_each_element(test_data):
    facts = scan_store(find_store(test_data, "sdnotebooks_0.6.1_multiple_elements"), name="s")
    assert facts.kind == "unreadable"
    assert len(facts.elements) == 9
    assert not any(e.readable for e in facts.elements)
    where = {p.where for p in facts.problems if p.code == "metadata-absent"}
    assert where == {"s", *(f"s/{e.path}" for e in facts.elements)}


@pytest.mark.parametrize(
    ("name", "kind"), [("vitessce_anndata_only", "anndata"), ("ngff_challenge_2d", "ome-zarr")]
)
def test_foreign_stores_are_told(test_data, name, kind):
    facts = scan_store(find_store(test_data, name))
    assert facts.kind == kind
    assert "not-spatialdata" in codes(facts)


def test_a_legacy_table_and_legacy_shapes_are_scanned(test_data):
    facts = scan_store(find_store(test_data, "sdnotebooks_0.0.12_multiple_elements"))
    table = element(facts, "table/table")
    assert (table.kind, table.n_vars) == ("tables", 3)
    assert "table-legacy" in codes(facts)
    polygons = element(facts, "shapes/blobs_multipolygons")
    assert polygons.geometry_types == ("MultiPolygon",)
    assert polygons.n_rows == 5
    assert polygons.extent == {}


STORES = [
    "easyvitessce_merfish",
    "helenalc_blobs_v2",
    "helenalc_raccoon",
    "ngff_challenge_2d",
    "sdnotebooks_0.0.12_multiple_elements",
    "sdnotebooks_0.0.12_transformation_affine",
    "sdnotebooks_0.4.1_multiple_elements",
    "sdnotebooks_0.6.1_multiple_elements",
    "spatialdatadb_visium_mouse_brain",
    "vitessce_anndata_only",
    "vitessce_blobs_sd07",
    "xenium_rep1_points_only",
]


@pytest.mark.parametrize("name", STORES)
def test_real_stores_are_read_modestly_and_alike_from_a_zip(test_data, name, tmp_path):
    path = find_store(test_data, name)
    files = Recorder(path, 64_000_000)
    facts = scan_store(files, name="s")
    _assert_modest(files)
    facts.model_dump_json()
    assert codes(facts) <= CODES.keys()
    other = scan_store(zipped(path, tmp_path / "s.zarr.zip"), name="s")
    assert other.model_dump() == facts.model_dump()


def _same_as_spatialdata(path: Path) -> None:
    """Compare with what spatialdata itself reads from the same store."""
    spatialdata = pytest.importorskip("spatialdata")
    from spatialdata.transformations import get_transformation

    facts = scan_store(path)
    sdata = spatialdata.read_zarr(path)
    modern = [e for e in facts.elements if not e.path.startswith("table/")]
    assert {e.path for e in modern} == {
        path.strip("/") for path in sdata.elements_paths_in_memory()
    }
    assert set(facts.coordinate_systems) == set(sdata.coordinate_systems)
    for facts_of_one in modern:
        theirs = sdata[facts_of_one.name]
        if facts_of_one.kind == "tables":
            _same_table(facts_of_one, theirs)
            continue
        transformations = get_transformation(theirs, get_all=True)
        assert set(transformations) == set(facts_of_one.coordinate_systems)
        for ours in facts_of_one.transformations:
            assert ours.affine is not None
            axes = ("x", "y", "z")[: len(ours.affine)]
            matrix = transformations[ours.coordinate_system].to_affine_matrix(axes, axes)
            np.testing.assert_allclose(ours.affine, matrix[:-1])
        for system_name, extent in facts_of_one.extent.items():
            expected = spatialdata.get_extent(theirs, coordinate_system=system_name)
            for axis, (low, high) in expected.items():
                assert extent[axis] == pytest.approx((low, high), rel=1e-6, abs=1e-6)
        if facts_of_one.kind in ("points", "shapes"):
            assert facts_of_one.n_rows == len(theirs)
        else:
            array = theirs if hasattr(theirs, "dims") and not hasattr(theirs, "children") else None
            array = theirs["scale0"]["image"] if array is None else array
            assert (array.shape, array.dims) == (facts_of_one.shape, facts_of_one.axes)
            assert str(array.dtype) == facts_of_one.dtype


def _same_table(ours: ElementFacts, theirs: Any) -> None:
    assert (ours.n_rows, ours.n_vars) == theirs.shape
    assert list(ours.feature_ids) == list(theirs.var_names)
    assert [c.name for c in ours.obs] == list(theirs.obs.columns)
    assert [c.name for c in ours.var] == list(theirs.var.columns)
    assert sorted(m.name for m in ours.obsm) == sorted(theirs.obsm)
    for column in ours.obs:
        if column.categories is not None:
            assert list(column.categories) == [
                str(c) for c in theirs.obs[column.name].cat.categories
            ]
    attrs = theirs.uns.get("spatialdata_attrs", {})
    region = attrs.get("region")
    assert list(ours.regions) == ([region] if isinstance(region, str) else list(region or []))
    assert ours.instance_key == attrs.get("instance_key")


@pytest.mark.parametrize(
    "name",
    [
        "helenalc_blobs_v2",
        "helenalc_raccoon",
        "sdnotebooks_0.0.12_multiple_elements",
        "sdnotebooks_0.0.12_transformation_affine",
        "sdnotebooks_0.4.1_multiple_elements",
        "spatialdatadb_visium_mouse_brain",
        "vitessce_blobs_sd07",
        "xenium_rep1_points_only",
    ],
)
def test_real_stores_have_the_facts_that_spatialdata_reads(test_data, name):
    _same_as_spatialdata(find_store(test_data, name))


@pytest.mark.parametrize("form", [2, 3])
def test_written_stores_have_the_facts_that_spatialdata_reads(tmp_path, form):
    pytest.importorskip("spatialdata")
    from spatialdata._io import format as formats
    from spatialdata.datasets import blobs
    from spatialdata.transformations import Affine, Scale, Sequence, Translation, set_transformation

    sdata = blobs(length=64)
    turn = Affine([[0.5, -1, 3], [2, 0.25, 1], [0, 0, 1]], ("x", "y"), ("x", "y"))
    moved = Sequence([Scale([2.0, 3.0], ("x", "y")), turn, Translation([5.0], ("y",))])
    for name in ("blobs_image", "blobs_multiscale_labels"):
        set_transformation(sdata[name], moved, "turned")
    container = {
        2: formats.SpatialDataContainerFormatV01,
        3: formats.SpatialDataContainerFormatV02,
    }[form]()
    path = tmp_path / "blobs.zarr"
    sdata.write(path, sdata_formats=[container])
    facts = scan_store(path)
    assert facts.problems == ()
    assert facts.zarr_format == form
    _same_as_spatialdata(path)
