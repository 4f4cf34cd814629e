"""Stores on their way into the cache: whole or not at all, whatever goes wrong on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from portal.client import fetching, store_cache
from portal.client.filelist import NoFiles, store_files
from portal.client.source import Damaged, NotThere, open_source
from portal.client.store_cache import cached, clear, kept_store
from portal.errors import BuildError, PortalError, UsageError
from tests.conftest import find_store
from tests.faultyserver import serving
from tests.fetchkit import artifact, files, names, publish
from tests.stores import Maker, sound, zipped


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path) -> Path:
    return sound(tmp_path / "store.zarr").root


@pytest.fixture
def site(tmp_path, store) -> Path:
    publish(tmp_path / "site", "a", store)
    return tmp_path / "site"


def kept(where: str | Path, elements=None, id_: str = "a") -> Path:
    one = artifact(where, id_)
    return kept_store(store_files(one.record, one.source), elements, progress=False)


def edit(site: Path, **changes: object) -> None:
    """Change the list of files by hand, as somebody with bad intentions would."""
    path = site / "data/a/files.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def listed(site: Path) -> list[dict]:
    return json.loads((site / "data/a/files.json").read_text())["files"]


def test_a_store_comes_whole_and_once(site, store):
    with serving(site) as server:
        folder = kept(server.url)
        assert files(folder) == files(store)
        assert len(names(server.seen)) == 2 + len(files(store))  # and its record, and the list
        server.again()
        assert kept(server.url) == folder
        assert names(server.seen) == []


def test_a_store_that_was_published_anew_is_another_one(site, store, tmp_path):
    with serving(site) as server:
        before = kept(server.url)
        old = files(before)
        chunk = store / "images/image/s0/c/0/0/0"
        chunk.write_bytes(b"\7" * chunk.stat().st_size)  # of the same size
        publish(site, "a", store)
        after = kept(server.url)
        assert files(after) == files(store) != old
        assert files(before) == old


def test_no_portal_puts_its_files_in_the_place_of_anothers(site, store, tmp_path):
    record = publish(tmp_path / "evil", "a", store)
    path = tmp_path / "evil/data/a/a.zarr/images/image/s0/c/0/0/0"
    path.write_bytes(b"\7" * path.stat().st_size)
    shutil.copy(site / "datasets/a/artifact.json", tmp_path / "evil/datasets/a/artifact.json")
    with serving(site) as good, serving(tmp_path / "evil") as evil:
        assert record.id == "a"
        with pytest.raises(Damaged, match="sha256"):
            kept(evil.url)
        assert files(kept(good.url)) == files(store)


@pytest.mark.parametrize("fault", ["cut", "garbage", 503])
def test_what_fails_for_a_moment_is_asked_for_again(site, store, fault):
    def once(path: str, n: int):
        return fault if n == 1 and path.endswith("part.0.parquet") else None

    with serving(site, fault=once) as server:
        assert files(kept(server.url)) == files(store)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("absent", NotThere), ("longer", Damaged), ("shorter", Damaged), ("other", Damaged)],
)
def test_a_file_that_is_not_what_the_list_says_stops_it_and_the_next_call_goes_on(
    site, store, name, expected
):
    path = site / "data/a/a.zarr/points/points/points.parquet/part.0.parquet"
    body = path.read_bytes()
    wrong = {"longer": body + b"x", "shorter": body[:-1], "other": body[:-1] + b"x"}
    path.unlink()  # it may be linked
    if name in wrong:
        path.write_bytes(wrong[name])
    with serving(site) as server:
        with pytest.raises(expected):
            kept(server.url)
        (entry,) = cached()
        assert not entry.complete
        path.unlink(missing_ok=True)
        path.write_bytes(body)
        came = len(names(server.seen)) - 2
        server.again()
        assert files(kept(server.url)) == files(store)
        assert len(names(server.seen)) <= len(files(store)) - came + 2 + 8
        assert [e.complete for e in cached()] == [True]


@pytest.mark.parametrize(
    "path",
    [
        "a.zarr/../../../../../escaped",
        "/tmp/escaped",
        "../a.zarr/escaped",
        "a.zarr/c:\\escaped",
        "a.zarr//escaped",
        "b.zarr/zarr.json",
        "a.zarr/new\nline",
        "a.zarr/zarr.json",
        "a.zarr/zarr.json/below",
    ],
)
def test_a_list_that_leads_elsewhere_fetches_nothing(site, tmp_path, path):
    one = {"path": path, "bytes": 3, "sha256": "0" * 64}
    total = json.loads((site / "data/a/files.json").read_text())["bytes"]
    edit(site, files=[*listed(site), one], bytes=total + 3)
    with serving(site) as server:
        with pytest.raises(PortalError):
            kept(server.url)
        assert not any(path.startswith("data/a/a.zarr") for path in names(server.seen))
    assert not list(tmp_path.rglob("*escaped*"))
    assert not (tmp_path / "cache/stores").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"bytes": 1},
        {"files": [{"path": "a.zarr/x", "bytes": -1, "sha256": "0" * 64}], "bytes": -1},
        {"files": [{"path": "a.zarr/x", "bytes": 1, "sha256": "0"}], "bytes": 1},
        {"files": "all"},
        {"store": "../a.zarr"},
        {"store": "b.zarr"},
        {"format": "something/2"},
    ],
)
def test_a_list_that_contradicts_itself_is_damaged(site, changes):
    edit(site, **changes)
    one = artifact(site, "a")
    with pytest.raises(Damaged, match=r"files\.json"):
        store_files(one.record, one.source)


def test_a_list_of_more_than_the_disk_holds_fetches_nothing(site):
    huge = {"path": "a.zarr/huge", "bytes": 10**17, "sha256": "0" * 64}
    edit(site, files=[huge], bytes=10**17)
    with serving(site) as server:
        with pytest.raises(BuildError, match=r"100\.0 PB|TB"):
            kept(server.url)
        assert "data/a/a.zarr/huge" not in names(server.seen)


def test_links_in_the_published_folder_are_nothing(site, tmp_path):
    (tmp_path / "secret").write_text("s")
    path = site / "data/a/a.zarr/points/points/points.parquet/part.0.parquet"
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    one = artifact(site, "a")
    with pytest.raises(NotThere):
        fetching.fetch_store(store_files(one.record, one.source), tmp_path / "out", progress=False)


@pytest.mark.parametrize("version", [2, 3])
def test_elements_cost_only_their_own_files_and_name_no_others(tmp_path, version):
    made = sound(tmp_path / "store.zarr", version).root
    publish(tmp_path / "site", "a", made)
    with serving(tmp_path / "site") as server:
        folder = kept(server.url, ["table"])
        asked = [p for p in names(server.seen) if p.startswith("data/a/a.zarr/")]
        assert asked
        assert not any("/images/" in p or "/labels/" in p or "/points/" in p for p in asked)
        for path, body in files(folder).items():
            if path.count("/") > 1:
                assert body == (made / path).read_bytes()
            else:
                for absent in (b'"images', b'"labels/', b'"points', b'"shapes/'):
                    assert absent not in body, path
        server.again()
        assert kept(server.url, "tables/table") == folder
        assert files(kept(server.url)) == files(made)
        again = [p for p in names(server.seen) if p.startswith("data/a/a.zarr/tables/table/")]
        assert again == []  # what has come is linked


def test_labels_that_are_not_there_are_not_listed(tmp_path):
    maker = Maker(tmp_path / "s.zarr")
    maker.group("labels", {"ome": {"labels": ["one", "two"]}})
    for name in ("one", "two"):
        maker.group(f"labels/{name}")
        maker.array(f"labels/{name}/0", [[1]])
    publish(tmp_path / "site", "a", tmp_path / "s.zarr")
    with serving(tmp_path / "site") as server:
        folder = kept(server.url, ["two"])
    told = json.loads((folder / "labels/zarr.json").read_bytes())
    assert told["attributes"]["ome"]["labels"] == ["two"]


def test_of_a_store_that_is_there_elements_cost_nothing(site, store):
    with serving(site) as server:
        folder = kept(server.url)
        server.again()
        assert kept(server.url, ["table"]) == folder
        assert names(server.seen) == []


def test_an_element_that_is_none_is_wrong_use(site):
    with pytest.raises(UsageError, match="Did you mean 'table'"):
        kept(site, ["tabel"])
    with pytest.raises(UsageError, match="No element"):
        kept(site, [])


def test_a_zip_is_fetched_as_one_file_and_unpacked(tmp_path, store):
    packed = zipped(store, tmp_path / "s.zarr.zip")
    publish(tmp_path / "site", "a", packed)
    with serving(tmp_path / "site") as server:
        folder = kept(server.url)
        assert files(folder) == files(store)
        assert kept(server.url, ["table"]) == folder
        assert sorted(os.listdir(folder.parent)) == ["a.zarr", "about.json"]


def zip_with(path: Path, members: dict[str, bytes], **info: object) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zarr.json", "{}")
        for name, body in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.items():
                setattr(member, key, value)
            made.writestr(member, body)
    return path


@pytest.mark.parametrize(
    ("members", "info"),
    [
        ({"../escaped": b"x"}, {}),
        ({"/escaped": b"x"}, {}),
        ({"link": b"/etc/passwd"}, {"external_attr": 0o120777 << 16}),
        ({"bomb": b"\0" * 50_000_000}, {}),
        ({"zarr.json/below": b"x"}, {}),
    ],
)
def test_a_zip_that_is_not_fit_is_not_unpacked(tmp_path, members, info, monkeypatch):
    monkeypatch.setattr(fetching, "_UNPACKED", 500)
    site = tmp_path / "site"
    record = publish(site, "a", None, url="https://example.org/a.zarr.zip")
    packed = zip_with(site / "a.zarr.zip", members, **info)
    with serving(site) as server:
        moved = record.model_copy(update={"url": f"{server.url}a.zarr.zip"})
        with pytest.raises(Damaged, match="not unpacked"):
            kept_store(store_files(moved, open_source(server.url)), progress=False)
    assert packed.exists()
    assert not list(tmp_path.rglob("*escaped*"))
    assert not list((tmp_path / "cache").rglob("link"))


def test_a_zip_elsewhere_is_fetched_too_and_a_folder_elsewhere_says_what_can_be_done(
    tmp_path, store, site
):
    zipped(store, tmp_path / "site" / "elsewhere.zarr.zip")
    shutil.copytree(store, site / "elsewhere.zarr")
    with serving(site) as server:
        for name in ("elsewhere.zarr.zip", "elsewhere.zarr"):
            publish(site, "b", store, copy=False, url=f"{server.url}{name}")
            if name.endswith(".zip"):
                assert files(kept(server.url, id_="b")) == files(store)
            else:
                with pytest.raises(NoFiles, match=r"artifact\.open\(\)"):
                    kept(server.url, id_="b")


def test_what_is_withdrawn_or_nowhere_is_not_fetched(tmp_path, store):
    publish(tmp_path, "a", store, copy=False, status="withdrawn", reason="Wrong sample")
    with pytest.raises(NoFiles, match="withdrawn: Wrong sample"):
        kept(tmp_path)
    publish(tmp_path, "a", store, copy=False)
    with pytest.raises(NoFiles, match="neither publishes"):
        kept(tmp_path)


FETCH = """
import sys
from tests.fetchkit import artifact
from portal.client.filelist import store_files
from portal.client.store_cache import kept_store
one = artifact(sys.argv[1], "a")
print(kept_store(store_files(one.record, one.source), progress=False))
"""


def process(url: str) -> subprocess.Popen[str]:
    root = Path(__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url], cwd=root, stdout=subprocess.PIPE, text=True
    )


def test_a_fetch_that_was_killed_is_finished_by_the_next(site, store):
    wanted = len(files(store))
    with serving(site, latency=0.1) as server:
        first = process(server.url)
        while len(server.seen) < wanted // 2:
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert [e.complete for e in cached()] == [False]
        came = len(server.seen)
        server.again(latency=0.0)
        assert files(kept(server.url)) == files(store)
        assert len(names(server.seen)) < wanted - came + 24


def test_two_processes_that_fetch_the_same_share_one(site, store):
    with serving(site, latency=0.05) as server:
        both = [process(server.url), process(server.url)]
        told = [p.communicate()[0].strip() for p in both]
        assert [p.returncode for p in both] == [0, 0]
        assert told[0] == told[1]
        assert files(Path(told[0])) == files(store)
        asked = [p for p in names(server.seen) if "/a.zarr/" in p]
        assert len(asked) == len(set(asked)) == len(files(store))


def test_the_size_is_said_first(site, capsys, store):
    with serving(site) as server:
        one = artifact(server.url, "a")
        kept_store(store_files(one.record, one.source))
        told = capsys.readouterr().err
        assert told.startswith("a: ")
        assert f"in {len(files(store))} files from 127.0.0.1" in told
        kept_store(store_files(one.record, one.source))
        assert capsys.readouterr().err == ""


def test_the_cache_is_listed_and_cleared(site, store, cache):
    publish(site, "b", store)
    with serving(site) as server:
        for id_ in ("a", "b"):
            kept(server.url, ["table"], id_)
            kept(server.url, id_=id_)
        assert [(e.id, e.elements) for e in cached()] == [
            (id_, elements) for id_ in ("b", "a") for elements in (None, ("tables/table",))
        ]
        assert all(e.complete and e.bytes > 0 and e.origin == server.url[:-1] for e in cached())
        assert clear("a") > 0
        assert {e.id for e in cached()} == {"b"}
        assert clear(older_than=3600) == 0
        assert clear() > 0
        assert cached() == []
        assert not [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_what_is_just_being_fetched_is_not_cleared(site):
    folder = kept(site)
    with fetching.alone(folder.parent):
        assert clear("a") == 0
    assert folder.is_dir()
    assert clear("a") > 0


def test_where_the_cache_is_can_be_said(monkeypatch, tmp_path):
    assert store_cache.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("PORTAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert store_cache.cache_folder() == tmp_path / "xdg" / "spatialdata-portal"


def test_a_real_store_comes_as_it_is(tmp_path, test_data):
    real = find_store(test_data, "spatialdatadb_visium_mouse_brain")
    publish(tmp_path / "site", "a", real)
    with serving(tmp_path / "site") as server:
        assert files(kept(server.url)) == files(real)
