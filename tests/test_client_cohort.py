"""Cohorts: planned, downloaded, kept right, frozen, split and cited."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.client.artifact import Artifact
from portal.client.citing import cite
from portal.client.cohort import download, plan
from portal.client.freezing import Changed, freeze, thaw
from portal.client.manifest import Manifest
from portal.client.source import open_source
from portal.client.splitting import split
from portal.errors import PortalError, UsageError
from tests.faultyserver import serving
from tests.fetchkit import artifact, catalog, files, names, publish
from tests.stores import sound, zipped


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path) -> Path:
    return sound(tmp_path / "store.zarr").root


@pytest.fixture
def site(tmp_path, store) -> Path:
    """A portal with three artifacts, the last of which can't be fetched."""
    for id_ in ("a", "b"):
        publish(tmp_path / "site", id_, store, versions=[{"version": "1"}])
    publish(tmp_path / "site", "c", store, copy=False)
    catalog(tmp_path / "site")
    return tmp_path / "site"


def chosen(where: str | Path, ids: str = "ab") -> list[Artifact]:
    source = open_source(where)
    return [artifact(source, id_) for id_ in ids]


def total(store: Path) -> int:
    return sum(len(body) for body in files(store).values())


def test_a_plan_tells_what_will_come_before_anything_does(site, store):
    with serving(site) as server:
        told = plan(chosen(server.url, "abc"))
        assert [(a.id, a.bytes, a.files) for a in told.artifacts[:2]] == [
            (id_, total(store), len(files(store))) for id_ in "ab"
        ]
        assert told.bytes == 2 * total(store)
        assert [a.id for a in told.left_out] == ["c"]
        assert "c: The portal neither publishes" in str(told)
        assert str(told).endswith(f"in {told.files} files")
        assert not any("zarr" in path for path in names(server.seen))
        part = plan(chosen(server.url), ["table"])
        assert 0 < part.bytes < told.bytes / 2


def test_a_download_leaves_stores_and_a_manifest_with_a_hash_of_each(site, store, tmp_path):
    dest = tmp_path / "dest"
    with serving(site) as server:
        manifest = download(chosen(server.url), dest, progress=False)
        assert files(dest / "a.zarr") == files(dest / "b.zarr") == files(store)
        assert sorted(p for p in os.listdir(dest) if not p.startswith(".")) == [
            "a.zarr",
            "b.zarr",
            "manifest.json",
        ]
        told = json.loads((dest / "manifest.json").read_text())["artifacts"]
        assert [(a["id"], a["version"], a["bytes"], a["files"]) for a in told] == [
            (id_, "1", total(store), len(files(store))) for id_ in "ab"
        ]
        assert told[0]["sha256"] == told[1]["sha256"]
        assert len(told[0]["sha256"]) == 64
        assert all(a["portal"] == server.url[:-1] and a["fingerprint"] for a in told)
        server.again()
        assert download(chosen(server.url), dest, progress=False).artifacts == manifest.artifacts
        assert not any("zarr" in path for path in names(server.seen))
        assert Manifest.read(dest).damaged() == {}


def test_one_that_fails_keeps_none_of_the_others_back(site, store, tmp_path):
    with pytest.raises(PortalError, match="c: The portal neither"):
        download(chosen(site, "cab"), tmp_path / "dest", progress=False)
    assert sorted(Manifest.read(tmp_path / "dest").artifacts) == ["a", "b"]
    assert files(tmp_path / "dest/b.zarr") == files(store)


def test_a_download_that_was_cut_off_goes_on(site, store, tmp_path):
    with serving(site, fault=lambda path, n: 403 if "tables/table/X/c" in path else None) as server:
        with pytest.raises(PortalError, match="a: "):
            download(chosen(server.url, "a"), tmp_path / "dest", progress=False)
        assert not (tmp_path / "dest/a.zarr").exists()
        server.again(fault=lambda path, n: None)
        download(chosen(server.url, "a"), tmp_path / "dest", progress=False)
        assert len(names(server.seen)) < 10 + 2
        assert files(tmp_path / "dest/a.zarr") == files(store)


def test_what_is_missing_or_damaged_is_fetched_again_and_nothing_else(site, store, tmp_path):
    dest = tmp_path / "dest"
    gone, wrong = "images/image/s0/c/0/0/0", "tables/table/X/c/0/0"
    with serving(site) as server:
        download(chosen(server.url), dest, progress=False)
        (dest / "a.zarr" / gone).unlink()
        body = (dest / "a.zarr" / wrong).read_bytes()
        (dest / "a.zarr" / wrong).write_bytes(bytes(len(body) - 1) + b"\1")
        manifest = Manifest.read(dest / "manifest.json")
        assert {id_: sorted(paths) for id_, paths in manifest.damaged().items()} == {
            "a": [gone, wrong]
        }
        server.again()
        assert manifest.refetch(progress=False) == ["a"]
        asked = [p for p in names(server.seen) if "a.zarr/" in p]
        assert sorted(asked) == [f"data/a/a.zarr/{gone}", f"data/a/a.zarr/{wrong}"]
        assert files(dest / "a.zarr") == files(store)
        assert manifest.refetch(progress=False) == []
        shutil.rmtree(dest / "b.zarr")
        (dest / ".portal" / "a.json").write_text("{}")
        assert manifest.refetch(progress=False) == ["a", "b"]
        assert files(dest / "a.zarr") == files(dest / "b.zarr") == files(store)
        assert Manifest.read(dest).damaged() == {}


@pytest.mark.parametrize("packed", [False, True])
def test_parts_of_stores_are_kept_right_too(tmp_path, store, packed):
    source = zipped(store, tmp_path / "s.zarr.zip") if packed else store
    publish(tmp_path / "site", "a", source)
    dest = tmp_path / "dest"
    with serving(tmp_path / "site") as server:
        download(chosen(server.url, "a"), dest, ["table"], progress=False)
        before = files(dest / "a.zarr")
        assert ("images/image/zarr.json" in before) is packed
        for name in ("zarr.json", "tables/table/X/c/0/0"):
            (dest / "a.zarr" / name).unlink()
        assert Manifest.read(dest).refetch(progress=False) == ["a"]
        assert files(dest / "a.zarr") == before
        download(chosen(server.url, "a"), dest, progress=False)
        assert files(dest / "a.zarr") == files(store)


def test_what_was_published_anew_is_not_restored_but_downloaded(site, store, tmp_path):
    dest = tmp_path / "dest"
    download(chosen(site), dest, progress=False)
    chunk = store / "images/image/s0/c/0/0/0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    publish(site, "a", store, versions=[{"version": "1"}])
    assert Manifest.read(dest).refetch(progress=False) == []
    (dest / "a.zarr" / "zarr.json").unlink()
    with pytest.raises(PortalError, match="published it anew"):
        Manifest.read(dest).refetch(progress=False)
    download(chosen(site, "a"), dest, progress=False)
    assert files(dest / "a.zarr") == files(store)


def test_what_is_not_ours_is_not_replaced(site, tmp_path):
    (tmp_path / "dest" / "a.zarr").mkdir(parents=True)
    with pytest.raises(PortalError, match="there already"):
        download(chosen(site, "a"), tmp_path / "dest", progress=False)
    (tmp_path / "dest" / "manifest.json").write_text('{"format": "package.json"}')
    with pytest.raises(UsageError, match="no manifest"):
        download(chosen(site, "b"), tmp_path / "dest", progress=False)
    with pytest.raises(UsageError, match="no manifest"):
        Manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize("id_", ["../../etc", "A", ""])
def test_a_manifest_with_hostile_ids_is_none(site, tmp_path, id_):
    download(chosen(site, "a"), tmp_path, progress=False)
    path = tmp_path / "manifest.json"
    path.write_text(
        path.read_text().replace('"id": "a"', f'"id": "{id_}"').replace('"id":"a"', f'"id":"{id_}"')
    )
    with pytest.raises(UsageError, match="no manifest"):
        Manifest.read(tmp_path)


def test_one_artifact_is_downloaded_beside_others(site, store, tmp_path):
    for id_ in "ab":
        assert artifact(site, id_).download(tmp_path / "dest", progress=False) == (
            tmp_path / "dest" / f"{id_}.zarr"
        )
    assert sorted(Manifest.read(tmp_path / "dest").artifacts) == ["a", "b"]


# freezing


def test_a_frozen_cohort_thaws_to_the_same_artifacts(site, tmp_path):
    path = tmp_path / "cohort.json"
    with serving(site) as server:
        freeze(chosen(server.url, "ba"), path)
        told = json.loads(path.read_text())
        assert told["portal"] == server.url[:-1]
        assert [a["id"] for a in told["artifacts"]] == ["a", "b"]
        assert [a.id for a in thaw(path)] == ["a", "b"]
        first = path.read_bytes()
        freeze(chosen(server.url), path)
        assert path.read_bytes() == first
    assert [a.id for a in thaw(path, portal=site)] == ["a", "b"]


@pytest.mark.parametrize("how", ["content", "version", "gone", "withdrawn"])
def test_what_is_no_longer_what_it_was_is_noticed(site, store, tmp_path, how):
    path = tmp_path / "cohort.json"
    freeze(chosen(site, "abc"), path)
    chunk = store / "images/image/s0/c/0/0/0"
    if how == "content":
        chunk.write_bytes(bytes(chunk.stat().st_size))
    version = "2" if how == "version" else "1"
    status = {"status": "withdrawn", "reason": "Wrong"} if how == "withdrawn" else {}
    publish(site, "a", store, versions=[{"version": version}], **status)
    if how == "gone":
        shutil.rmtree(site / "datasets/a")
    catalog(site)
    with pytest.raises(Changed, match=r"not what it was: a [^;]*$"):
        thaw(path)
    with pytest.warns(UserWarning, match="not what it was: a "):
        hits = thaw(path, strict=False)
    assert [a.id for a in hits] == (["b", "c"] if how in ("gone", "withdrawn") else ["a", "b", "c"])


def test_what_is_no_cohort_is_wrong_use(site, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    for path in (tmp_path / "x.json", tmp_path / "nowhere.json"):
        with pytest.raises(UsageError):
            thaw(path)
    with pytest.raises(UsageError, match="at least one"):
        freeze([], tmp_path / "y.json")


# splitting


def donors(*values: object) -> list[Artifact]:
    """Artifacts of these donors; nothing is read of their portal."""
    source = open_source(Path(__file__).parent)
    return [artifact(source, f"x{n}", donor_id=value) for n, value in enumerate(values)]


VALUES = st.lists(
    st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=2), min_size=2, max_size=30
)


@given(values=VALUES, test=st.floats(0.01, 0.99), seed=st.integers(0, 9), listed=st.booleans())
def test_the_sets_share_no_donor_and_are_all_there_is(values, test, seed, listed):
    cohort = donors(*(sorted(v) if listed else "; ".join(sorted(v)) for v in values))
    try:
        train, held = split(cohort, "donor_id", test, seed)
    except UsageError:
        groups = [set(v) for v in values]
        together = groups.pop()
        for _ in values:
            together |= {d for g in groups if g & together for d in g}
        assert all(g <= together for g in groups), "there were two groups"
        return
    seen = [{d for a in side for d in values[int(a.id[1:])]} for side in (train, held)]
    assert not seen[0] & seen[1]
    assert train
    assert held
    assert sorted([*train, *held], key=lambda a: a.id) == sorted(cohort, key=lambda a: a.id)
    again = split(cohort[::-1], "donor_id", test, seed)
    assert {a.id for a in again[1]} == {a.id for a in held}


def test_the_test_set_is_as_large_as_was_asked_and_depends_on_the_seed():
    cohort = donors(*range(100))
    sizes = {len(split(cohort, "donor_id", share)[1]) / 100 for share in (0.2, 0.5)}
    assert sizes == {0.2, 0.5}
    held = {seed: {a.id for a in split(cohort, "donor_id", seed=seed)[1]} for seed in (0, 1)}
    assert held[0] != held[1]
    assert sorted(held[0])[:3] == sorted(a.id for a in split(cohort, "donor_id")[1])[:3]


def test_an_unknown_donor_is_an_error_or_a_group_of_its_own():
    cohort = donors("a", None, "b", "unknown", "")
    with pytest.raises(UsageError, match="unknown of 3 artifacts: x1, x3, x4"):
        split(cohort, "donor_id")
    train, held = split(cohort, "donor_id", 0.4, unknown="own")
    assert len(held) == 2
    assert len(train) == 3


def test_what_can_not_be_split_is_told():
    with pytest.raises(UsageError, match="Did you mean 'donor_id'"):
        split(donors("a", "b"), "donr_id")
    with pytest.raises(UsageError, match="one group"):
        split(donors("a", "a; b", "b"), "donor_id")
    with pytest.raises(UsageError, match="between 0 and 1"):
        split(donors("a", "b"), "donor_id", 1.0)


# citing


def test_what_is_cited_is_cited_once_and_what_has_no_citation_is_named(tmp_path):
    paper = {"doi": "10.1234/X", "title": "One", "authors": ["Doe, Jane"], "year": 2020}
    for id_, citation in (("a", paper), ("b", {**paper, "doi": "10.1234/x"})):
        publish(tmp_path, id_, None, citation=citation)
    publish(tmp_path, "c", None, citation={"title": "Two", "year": 2021})
    record = publish(tmp_path, "d", None)
    (tmp_path / "datasets/d/artifact.json").write_text(
        record.model_copy(update={"citation": None}).model_dump_json(by_alias=True)
    )
    cohort = chosen(tmp_path, "abcd")
    with pytest.warns(UserWarning, match=r"No citation is known of d\."):
        told = cite(cohort)
    assert told.count("@misc{") == 2
    assert "Doe, Jane" in told
    with pytest.warns(UserWarning, match="of d"):
        styled = json.loads(cite(cohort, "csl"))
    assert [entry["title"] for entry in styled] == ["One", "Two"]
    with pytest.raises(UsageError, match="Did you mean 'bibtex'"):
        cite(cohort, "bibtexx")  # type: ignore[arg-type]
