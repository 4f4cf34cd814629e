"""From an artifact to a SpatialData object, whole or in part."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from portal.client import loading
from portal.client.filelist import NoFiles
from portal.client.store_cache import cached
from portal.errors import BuildError, PortalError, UsageError
from tests.conftest import find_store
from tests.faultyserver import serving
from tests.fetchkit import artifact, names, publish

pytest.importorskip("spatialdata", reason="needs the extra `build`")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site(tmp_path, local_stores) -> Path:
    publish(tmp_path / "site", "a", local_stores / "ihc-two-tables.zarr")
    return tmp_path / "site"


def elements(sdata) -> set[str]:
    return {f"{kind}/{name}" for kind, name, _ in sdata.gen_elements()}


ALL = {"images/ihc", "labels/bins", "labels/nuclei", "tables/bins_table", "tables/nuclei_table"}


def test_from_an_address_and_from_a_folder_the_same_object_comes(site):
    with serving(site) as server:
        far = artifact(server.url, "a").load(progress=False)
    near = artifact(site, "a").load()
    assert elements(far) == elements(near) == ALL
    assert (far["nuclei_table"].X != near["nuclei_table"].X).sum() == 0
    assert [kept.complete for kept in cached()] == [True]


def test_only_a_table_costs_only_the_table(site, local_stores):
    whole = sum(
        p.stat().st_size for p in local_stores.rglob("ihc-two-tables.zarr/**/*") if p.is_file()
    )
    with serving(site) as server:
        one = artifact(server.url, "a")
        sdata = one.load(["nuclei_table"], progress=False)
        assert elements(sdata) == {"tables/nuclei_table"}
        assert sdata["nuclei_table"].n_obs == one.record.facts.of("tables")[1].n_rows
        came = sum((site / p).stat().st_size for p in names(server.seen) if "/a.zarr/" in p)
        assert came < whole / 4
        assert elements(one.load("labels", progress=False)) == {"labels/bins", "labels/nuclei"}


def test_elements_of_a_store_that_is_at_hand(site):
    near = artifact(site, "a")
    assert elements(near.load(["bins_table", "images/ihc"])) == {"tables/bins_table", "images/ihc"}
    with pytest.raises(UsageError, match="Did you mean 'nuclei'"):
        near.load(["nucleii"])
    assert cached() == []


@pytest.mark.parametrize("name", ["sdnotebooks_0.4.1_multiple_elements", "vitessce_blobs_sd07"])
def test_older_containers_load(tmp_path, test_data, name):
    publish(tmp_path / "site", "a", find_store(test_data, name))
    with serving(tmp_path / "site") as server:
        table = artifact(server.url, "a").load(["table"], progress=False)
        assert elements(table) == {"tables/table"}
        assert len(elements(artifact(server.url, "a").load(progress=False))) > 5


def test_the_single_table_of_the_first_stores_is_not_lost(tmp_path, test_data):
    old = tmp_path / "old.zarr"
    shutil.copytree(find_store(test_data, "sdnotebooks_0.4.1_multiple_elements"), old)
    (old / "tables").rename(old / "table")
    (old / "zmetadata").unlink()
    publish(tmp_path / "site", "a", old)
    with serving(tmp_path / "site") as server:
        for wanted in (None, ["table"]):
            sdata = artifact(server.url, "a").load(wanted, progress=False)
            assert sdata["table"].n_obs == 11
    (old / "table" / "table" / "X" / "indptr" / ".zarray").unlink(missing_ok=True)
    shutil.rmtree(old / "table" / "table" / "obs")
    publish(tmp_path / "site", "a", old)
    with pytest.warns(UserWarning, match="The table table can't be read"):
        assert "images/blobs_image" in elements(artifact(tmp_path / "site", "a").load())
    with pytest.raises(PortalError, match="can't read a"):
        artifact(tmp_path / "site", "a").load(["table"])


def test_what_is_missing_is_said_before_anything_is_fetched(site, monkeypatch):
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    with serving(site) as server:
        one = artifact(server.url, "a")
        assert one.record
        server.again()
        monkeypatch.setattr(loading, "version", lambda name: "0.5.0")
        with pytest.raises(BuildError, match=r"spatialdata>=0\.6"):
            one.load()
        monkeypatch.setattr(loading, "version", absent)
        with pytest.raises(BuildError, match=r"spatialdata-portal\[build\]"):
            one.load()
        assert server.seen == []


def test_a_store_that_can_not_be_read_says_of_what_version_it_is(site):
    for group in site.glob("data/a/a.zarr/tables/*/obs"):
        shutil.rmtree(group)
    with pytest.raises(
        PortalError, match=r"container of version 0\.2, written by spatialdata 0\.8"
    ):
        artifact(site, "a").load()


def test_a_copy_that_is_gone_is_named(site):
    shutil.rmtree(site / "data/a/a.zarr")
    with pytest.raises(NoFiles, match="is not at"):
        artifact(site, "a").load()


def test_what_is_no_spatialdata_is_never_an_empty_object(tmp_path, test_data):
    publish(tmp_path, "a", find_store(test_data, "vitessce_anndata_only"))
    with pytest.raises(PortalError, match="of kind anndata, not SpatialData"):
        artifact(tmp_path, "a").load()
    assert "obs" in artifact(tmp_path, "a").open().group
