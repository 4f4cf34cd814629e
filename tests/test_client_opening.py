"""What can be read of a store without fetching it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zarr

from portal.client.filelist import NoFiles
from portal.client.opening import Opened
from portal.client.source import Damaged, NotThere
from portal.errors import UsageError
from tests.faultyserver import serving
from tests.fetchkit import artifact, names, publish
from tests.stores import Maker, sound, zipped


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path) -> Path:
    return sound(tmp_path / "store.zarr").root


ELEMENTS = ["images/image", "labels/labels", "points/points", "shapes/shapes", "tables/table"]


PLACES = ["folder", "zip in a folder", "listed", "zip", "elsewhere", "zip elsewhere"]


@contextmanager
def opened_at(place: str, folder: Path, store: Path) -> Iterator[Opened]:
    """The store, open wherever it may lie."""
    site = folder / "site"
    packed = zipped(store, folder / "store.zarr.zip")
    (site / "far").mkdir(parents=True)
    shutil.copytree(store, site / "far" / "s.zarr")
    shutil.copy(packed, site / "far" / "s.zarr.zip")
    with serving(site) as server:
        if "elsewhere" in place:
            name = "s.zarr.zip" if "zip" in place else "s.zarr"
            publish(site, "a", store, copy=False, url=f"{server.url}far/{name}")
        else:
            publish(site, "a", packed if "zip" in place else store)
        yield artifact(site if "folder" in place else server.url, "a").open()


@pytest.fixture(params=PLACES)
def opened(request, tmp_path, store):
    with opened_at(request.param, tmp_path, store) as made:
        yield made


def test_the_group_an_image_and_labels_are_read_from_everywhere(opened, store):
    local = zarr.open_group(store, mode="r")
    assert opened.elements == ELEMENTS
    assert dict(opened.group.attrs) == dict(local.attrs)
    for level in (0, 1):
        expected = local[f"images/image/s{level}"][:]
        assert np.array_equal(opened.image("image", level)[:], expected)
    assert np.array_equal(opened.image("labels")[1:, :2], local["labels/labels/s0"][1:, :2])
    assert opened.image("images/image", -1).shape == local["images/image/s1"].shape
    with pytest.raises(Exception, match=r"read.only|not support"):
        opened.group.create_group("new")


@pytest.mark.parametrize("place", PLACES)
def test_a_table_is_read_from_everywhere(tmp_path, place, local_stores):
    anndata = pytest.importorskip("anndata", reason="needs the extra `build`")
    store = local_stores / "ihc-spots.zarr"
    expected = anndata.read_zarr(store / "tables" / "table")
    with opened_at(place, tmp_path, store) as opened:
        table = opened.table()
        assert table.shape == expected.shape
        some = table[3:5].to_memory()
    assert (some.X != expected[3:5].X).sum() == 0
    assert some.obs.equals(expected[3:5].obs)


def test_a_wrong_name_or_level_is_told_with_the_nearest(opened):
    with pytest.raises(UsageError, match="Did you mean 'image'"):
        opened.image("imge")
    with pytest.raises(UsageError, match="2 levels"):
        opened.image("image", 7)
    with pytest.raises(UsageError, match="'shapes' among tables"):
        opened.table("shapes")


def test_it_costs_what_is_used(tmp_path, store):
    publish(tmp_path / "site", "a", store)
    with serving(tmp_path / "site") as server:
        opened = artifact(server.url, "a").open()
        top = ["datasets/a/artifact.json", "data/a/files.json", "data/a/a.zarr/zarr.json"]
        assert names(server.seen) == top
        assert opened.image("image", -1)[...].any()
        assert names(server.seen)[len(top) :] == ["data/a/a.zarr/images/image/s1/c/0/0/0"]


def test_an_absent_chunk_is_the_fill_value_and_costs_no_request(tmp_path, store):
    (store / "images/image/s1/c/0/0/0").unlink()
    publish(tmp_path / "site", "a", store)
    with serving(tmp_path / "site") as server:
        opened = artifact(server.url, "a").open()
        server.again()
        assert not opened.image("image", 1)[...].any()
        assert server.seen == []


def test_what_was_published_anew_meanwhile_is_noticed(tmp_path, store):
    publish(tmp_path / "site", "a", store)
    with serving(tmp_path / "site") as server:
        opened = artifact(server.url, "a").open()
        chunk = tmp_path / "site/data/a/a.zarr/images/image/s1/c/0/0/0"
        chunk.write_bytes(bytes(chunk.stat().st_size))
        with pytest.raises(Damaged, match="sha256"):
            opened.image("image", 1)[...]


@pytest.mark.parametrize("name", [".zmetadata", "zmetadata"])
def test_older_zarr_is_opened_by_its_metadata_in_one_document(tmp_path, name):
    store = sound(tmp_path / "s.zarr", 2).root
    (store / ".zmetadata").rename(store / name)
    publish(tmp_path / "site", "a", store, copy=False)
    shutil.copytree(store, tmp_path / "site" / "far.zarr")
    with serving(tmp_path / "site") as server:
        publish(tmp_path / "site", "a", store, copy=False, url=f"{server.url}far.zarr")
        opened = artifact(server.url, "a").open()
        assert opened.elements == ELEMENTS
        server.again()
        assert opened.image("image", 1)[...].any()
        assert len(server.seen) == 1


def test_shards_are_read_by_ranges(tmp_path):
    store = Maker(tmp_path / "s.zarr").root
    data = np.arange(400, dtype="uint16").reshape(1, 20, 20)
    group = zarr.open_group(store, mode="a")
    image = group.create_group("images/x")
    image.attrs["ome"] = {"multiscales": [{"datasets": [{"path": "s0"}]}]}
    image.create_array("s0", data=data, chunks=(1, 5, 5), shards=(1, 20, 20), compressors=None)
    publish(tmp_path / "site", "a", store, copy=False)
    shutil.copytree(store, tmp_path / "site" / "far.zarr")
    zarr.consolidate_metadata(tmp_path / "site" / "far.zarr")
    with serving(tmp_path / "site") as server:
        publish(tmp_path / "site", "a", store, copy=False, url=f"{server.url}far.zarr")
        publish(tmp_path / "site", "b", store)
        for id_ in "ab":
            opened = artifact(server.url, id_).open()
            assert np.array_equal(opened.image("x")[0, 6:9, 6:9], data[0, 6:9, 6:9])


def test_without_a_store_there_is_nothing_to_open(tmp_path):
    publish(tmp_path, "a", None)
    with pytest.raises(NoFiles):
        artifact(tmp_path, "a").open()
    with serving(tmp_path) as server:
        publish(tmp_path, "a", None, url=f"{server.url}nothing.zarr")
        with pytest.raises(NotThere):
            artifact(server.url, "a").open()
