"""Stores at addresses: real servers on 127.0.0.1, sound ones and such that go wrong."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portal import webclient
from portal.config import Remote
from portal.facts import StoreFacts
from portal.remote import RemoteFiles, open_remote
from portal.remotebucket import region_of
from portal.scan import scan_store
from portal.serve import start
from portal.store import ReadLimit, RemoteFault, StoreError
from portal.webclient import Web
from tests.conftest import find_store
from tests.faultyserver import Server, serving
from tests.publishkit import KEY, SECRET, Proxy, S3Server, run_s3
from tests.stores import Maker, sound, zipped

LIMIT = 64_000_000
NEAR = Remote(allow_private=True, timeout=5)
LOCAL = ("blobs.zarr", "ihc-nuclei.zarr", "ihc-spots.zarr", "ihc-two-tables.zarr")
REAL = (
    "helenalc_blobs_v2",
    "ngff_challenge_2d",
    "sdnotebooks_0.4.1_multiple_elements",
    "spatialdatadb_visium_mouse_brain",
    "vitessce_anndata_only",
    "vitessce_blobs_sd07",
    "xenium_rep1_points_only",
)
"""Those with consolidated metadata that fit their files."""


def said(facts: StoreFacts, *, sizes: bool = True) -> dict[str, Any]:
    """All that two scans of one store agree on, with or without what only a list of files tells."""
    found = facts.model_dump(exclude={"fingerprint", "bytes_read"})
    if sizes:
        return found
    found["bytes"] = found["files"] = None
    for e in found["elements"]:
        e["bytes"] = e["files"] = None
        for level in e["levels"]:
            level["chunks_stored"] = None
    # Of chunks nothing is known either, nor of files that metadata don't name.
    unseen = ("chunk-absent", "chunk-empty", "consolidated-stale", "group-unknown")
    found["problems"] = tuple(p for p in found["problems"] if p["code"] not in unseen)
    return found


def scanned(
    address: str, settings: Remote = NEAR, limit: int = LIMIT
) -> tuple[StoreFacts, RemoteFiles]:
    with open_remote(address, limit=limit, settings=settings) as files:
        assert isinstance(files, RemoteFiles)
        facts = scan_store(files, name="x")
    return facts, files


def codes(facts: StoreFacts) -> set[str]:
    return {p.code for p in facts.problems}


@pytest.fixture(params=[2, 3], ids=["zarr2", "zarr3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return sound(tmp_path / "store.zarr", request.param).root


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def address(server: Server, tmp_path: Path) -> str:
    """That of a sound store on a server that can be made faulty."""
    if not (tmp_path / "store.zarr").exists():
        sound(tmp_path / "store.zarr")
    return f"{server.url}store.zarr"


class TestHttp:
    def test_a_sound_store_has_the_facts_of_its_folder(self, store: Path, server: Server) -> None:
        facts, files = scanned(server.url + "store.zarr")
        assert said(facts) == said(scan_store(store, name="x"), sizes=False)
        assert facts.problems == ()
        assert (facts.bytes, facts.files) == (None, None)
        assert files.faults == []
        assert files.requests == len(server.seen) <= 15
        assert len(set(server.seen)) == len(server.seen)

    @pytest.mark.parametrize("name", LOCAL)
    def test_stores_that_spatialdata_wrote(self, local_stores: Path, name: str) -> None:
        with start(local_stores) as url:
            facts, files = scanned(url + name)
        assert said(facts) == said(scan_store(local_stores / name, name="x"), sizes=False)
        print(f"{name}: {files.requests} requests, {files.bytes_read:,} bytes")
        assert files.requests <= 20

    @pytest.mark.parametrize("name", REAL)
    def test_real_stores(self, test_data: Path, name: str) -> None:
        source = find_store(test_data, name)
        with start(source.parent) as url:
            facts, files = scanned(url + source.name)
        assert said(facts) == said(scan_store(source, name="x"), sizes=False)
        print(f"{name}: {files.requests} requests, {files.bytes_read:,} bytes")
        assert files.requests <= 24

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    @pytest.mark.parametrize("top", ["", "store.zarr/"])
    def test_a_zip_is_read_by_its_parts(
        self, store: Path, server: Server, method: int, top: str
    ) -> None:
        big = store / "images/image/padding"
        big.write_bytes(os.urandom(3_000_000))
        packed = zipped(store, store.parent / "store.zarr.zip", top, method)
        facts, files = scanned(server.url + "store.zarr.zip?download=1")
        assert said(facts) == said(scan_store(packed, name="x"))
        assert files.bytes_read < 1_000_000
        assert files.requests <= 24
        assert files.name == "store.zarr"

    def test_without_consolidated_metadata_it_says_what_to_do(
        self, tmp_path: Path, server: Server
    ) -> None:
        maker = Maker(tmp_path / "store.zarr", attributes={"sample": "a"})
        maker.image()
        maker.points()
        facts, files = scanned(server.url + "store.zarr")
        (problem,) = [p for p in facts.problems if p.code == "remote-unlisted"]
        assert "images, points" in problem.what
        assert "consolidate_metadata" in problem.remedy
        assert facts.kind == "spatialdata"
        assert facts.attributes == {"sample": "a"}
        assert facts.elements == ()
        assert files.requests <= 12

    def test_points_are_counted_to_their_last_part(self, tmp_path: Path, server: Server) -> None:
        maker = Maker(tmp_path / "store.zarr")
        maker.points(parts=21)
        maker.points("single", parts=0)
        folder = tmp_path / "store.zarr/points/single/points.parquet"
        folder.rmdir()
        pq.write_table(pa.table({"x": [1.0], "y": [2.0], "gene": ["a"]}), folder)
        maker.consolidate()
        facts, files = scanned(server.url + "store.zarr")
        assert said(facts) == said(scan_store(maker.root, name="x"), sizes=False)
        assert [e.parts for e in facts.elements] == [21, 1]
        assert files.requests <= 45

    def test_a_long_footer_costs_one_request_more(self, tmp_path: Path, server: Server) -> None:
        maker = sound(tmp_path / "store.zarr")
        note = {"primary_column": "geometry", "columns": {}, "x": os.urandom(30_000).hex()}
        table = pa.table({"geometry": [b"a"]}).replace_schema_metadata({"geo": json.dumps(note)})
        pq.write_table(table, maker.root / "shapes/shapes/shapes.parquet")
        facts, _ = scanned(server.url + "store.zarr")
        assert said(facts) == said(scan_store(maker.root, name="x"), sizes=False)
        asked = [path for _, path in server.seen if path.endswith("shapes.parquet")]
        assert len(asked) == 2

    def test_a_list_of_nodes_cannot_lead_elsewhere(self, tmp_path: Path, server: Server) -> None:
        maker = sound(tmp_path / "store.zarr")
        root = maker.read("zarr.json")
        nodes = root["consolidated_metadata"]["metadata"]
        for path in ("points/../../secret", "shapes//x", "/etc", "points/\n", "points/./a"):
            nodes[path] = nodes["points/points"]
        maker.write("zarr.json", root)
        (tmp_path / "secret").mkdir()
        facts, _ = scanned(server.url + "store.zarr")
        assert [e.path for e in facts.of("points")] == ["points/points"]
        assert codes(facts) == {"zip-member-unsafe", "consolidated-stale"}
        assert all(path.startswith("store.zarr/") for _, path in server.seen)
        assert not any(".." in path or "\n" in path for _, path in server.seen)

    def test_an_index_whose_chunks_are_absent_has_no_names(
        self, tmp_path: Path, server: Server
    ) -> None:
        maker = sound(tmp_path / "store.zarr")
        shutil.rmtree(maker.root / "tables/table/var/_index/c")
        facts, _ = scanned(server.url + "store.zarr")
        assert facts.of("tables")[0].feature_ids == ()
        assert codes(facts) == {"chunk-absent"}

    def test_the_fingerprint_changes_with_metadata_and_parquet(
        self, tmp_path: Path, server: Server, address: str
    ) -> None:
        def now() -> str:
            with open_remote(address, limit=LIMIT, settings=NEAR) as files:
                return files.fingerprint

        maker_root = tmp_path / "store.zarr"
        first = now()
        assert now() == first
        parquet = maker_root / "points/points/points.parquet/part.1.parquet"
        os.utime(parquet, ns=(1, 1))
        second = now()
        assert second != first
        root = json.loads((maker_root / "zarr.json").read_text())
        root["attributes"]["new"] = 1
        (maker_root / "zarr.json").write_text(json.dumps(root))
        assert now() not in (first, second)

    def test_no_thread_is_left(self, address: str) -> None:
        before = set(threading.enumerate())
        scanned(address)
        left = {t for t in threading.enumerate() if t not in before and "ThreadPool" in t.name}
        assert left == set()


class TestFaults:
    """What a server does wrong, and what comes of it."""

    @pytest.mark.parametrize("fault", [429, 500, 503, "cut", "short", "garbage"])
    def test_what_passes_is_waited_out(
        self, tmp_path: Path, server: Server, address: str, fault: int | str
    ) -> None:
        server.again(fault=lambda path, n: fault if n == 1 else None)
        facts, files = scanned(address)
        local = said(scan_store(tmp_path / "store.zarr", name="x"), sizes=False)
        if fault == "short":  # which is wrong only for ranges
            assert {f.code for f in files.faults} == {"remote-cut"}
        else:
            assert said(facts) == local
            assert files.faults == []

    def test_a_server_is_given_the_time_it_asks_for(self, server: Server, address: str) -> None:
        def busy(path: str, n: int) -> Any:
            root = path == "store.zarr/zarr.json"
            return (429, {"Retry-After": "2"}) if root and n == 1 else None

        server.again(fault=busy)
        began = time.monotonic()
        facts, _ = scanned(address)
        assert facts.problems == ()
        assert time.monotonic() - began > 2

    @pytest.mark.parametrize(
        ("fault", "code", "words"),
        [
            (403, "remote-refused", "refuses it (403)"),
            (401, "remote-refused", "refuses it (401)"),
            (404, "remote-absent", "no zarr store"),
            ((429, {"Retry-After": "999"}), "remote-busy", "come back later"),
            (500, "remote-fault", "answers 500"),
            (418, "remote-fault", "answers 418"),
            ("cut", "remote-cut", "broke the connection off"),
            ("slow", "remote-slow", "0.4 seconds"),
            ("drip", "remote-slow", "0.4 seconds"),
            ("garbage", "remote-cut", "127.0.0.1"),
            ((302, {"Location": "file:///etc/passwd"}), "remote-redirect", "file:"),
            ((302, {"Location": "gopher://x/"}), "remote-redirect", "gopher:"),
            ((301, {"Location": "http://me:pw@127.0.0.1/"}), "remote-redirect", "not followed"),
            ((307, {"Location": "http://[::1"}), "remote-redirect", "not followed"),
            ((302, {"Location": ""}), "remote-fault", "answers 302"),
        ],
    )
    def test_each_cause_has_its_name(
        self, server: Server, address: str, fault: Any, code: str, words: str
    ) -> None:
        server.again(fault=lambda path, n: fault)
        began = time.monotonic()
        with pytest.raises(StoreError) as caught:
            open_remote(address, limit=LIMIT, settings=Remote(allow_private=True, timeout=0.4))
        assert caught.value.code == code
        assert words in str(caught.value)
        assert "pw" not in str(caught.value)
        assert time.monotonic() - began < 8

    def test_redirects_in_a_circle_end(self, server: Server, address: str) -> None:
        server.again(fault=lambda path, n: (302, {"Location": f"/store.zarr/{path[-3:]}?{n}"}))
        with pytest.raises(StoreError, match="more than 5 times"):
            open_remote(address, limit=LIMIT, settings=NEAR)
        assert len(server.seen) <= 3 * 6

    def test_redirects_are_followed(self, tmp_path: Path, server: Server, address: str) -> None:
        def moved(path: str, n: int) -> Any:
            old = path.startswith("old/")
            return (302, {"Location": "/" + path.removeprefix("old/")}) if old else None

        server.again(fault=moved)
        facts, _ = scanned(f"{server.url}old/store.zarr")
        assert said(facts) == said(scan_store(tmp_path / "store.zarr", name="x"), sizes=False)

    def test_an_endless_body_ends_at_the_limit(self, server: Server, address: str) -> None:
        server.again(fault=lambda path, n: "endless")
        began = time.monotonic()
        with pytest.raises(ReadLimit, match="would exceed 2,000,000 bytes"):
            open_remote(address, limit=2_000_000, settings=NEAR)
        assert time.monotonic() - began < 5

    def test_the_time_for_a_store_ends(self, server: Server, address: str) -> None:
        server.again(latency=0.4)
        settings = Remote(allow_private=True, timeout=5, total_time=1)
        facts, files = scanned(address, settings)
        assert "scan-limit" in codes(facts) | {f.code for f in files.faults}
        assert files.faults

    @pytest.mark.parametrize(
        "options",
        [
            {"html_for_404": True},
            {"missing": 403},
            {"ranges": False},
            {"suffixes": False},
            {"etags": False},
            {"heads": False},
        ],
    )
    def test_servers_of_all_kinds_give_the_same_facts(
        self, tmp_path: Path, server: Server, address: str, options: dict[str, Any]
    ) -> None:
        server.again(**options)
        facts, files = scanned(address)
        assert said(facts) == said(scan_store(tmp_path / "store.zarr", name="x"), sizes=False)
        assert files.faults == []

    @pytest.mark.parametrize("ranges", [False, True])
    def test_a_large_file_is_never_read_whole(
        self, tmp_path: Path, server: Server, address: str, ranges: bool
    ) -> None:
        columns = {"geometry": [os.urandom(1000) for _ in range(3000)]}
        pq.write_table(pa.table(columns), tmp_path / "store.zarr/shapes/shapes/shapes.parquet")
        server.again(ranges=ranges, suffixes=False)
        facts, files = scanned(address)
        assert files.bytes_read < 200_000
        found = [p.what for p in facts.problems if p.code == "file-unreadable"]
        assert bool(found) is not ranges
        assert all("only the whole" in what for what in found)

    def test_a_fault_of_one_file_leaves_the_rest_and_is_told(
        self, server: Server, address: str
    ) -> None:
        server.again(fault=lambda path, n: 500 if path.endswith("part.0.parquet") else None)
        facts, files = scanned(address)
        assert [e.path for e in facts.elements if not e.readable] == ["points/points"]
        assert any("answers 500" in p.what for p in facts.problems)
        assert {f.code for f in files.faults} == {"remote-fault"}

    @pytest.mark.parametrize("name", ["store.zarr", "store.zarr.zip"])
    def test_a_store_that_changes_is_told(self, tmp_path: Path, server: Server, name: str) -> None:
        root = sound(tmp_path / "store.zarr").root
        packed = zipped(root, tmp_path / "store.zarr.zip")
        part = root / "shapes/shapes/shapes.parquet" if name == "store.zarr" else packed

        def write(path: str, n: int) -> None:
            if path.endswith(part.name) and n == 2 - (part != packed):
                with (packed if part == packed else root / "zarr.json").open("a") as file:
                    file.write(" ")

        server.again(fault=write)
        facts, _ = scanned(server.url + name)
        assert [p.severity for p in facts.problems if p.code == "remote-changed"] == ["error"]

    def test_another_mark_alone_is_no_change(
        self, tmp_path: Path, server: Server, address: str
    ) -> None:
        def touch(path: str, n: int) -> None:
            if path.endswith("_index/c/0"):
                os.utime(tmp_path / "store.zarr/zarr.json", ns=(1, 1))

        server.again(fault=touch)
        facts, files = scanned(address)
        assert facts.problems == ()
        assert files.faults == []


class TestAddresses:
    """Which are asked at all."""

    @pytest.mark.parametrize(
        "place",
        [
            *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254"),
            *("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "fe80::1%eth0"),
            *("fc00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
        ],
    )
    def test_places_inside_a_network_are_none(self, place: str) -> None:
        with pytest.raises(RemoteFault, match="no public address"):
            webclient._check_public(place, "example.org")

    @pytest.mark.parametrize("place", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
    def test_public_places_are_fine(self, place: str) -> None:
        webclient._check_public(place, "example.org")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
    def test_names_are_looked_up_first(self, server: Server, host: str) -> None:
        port = server.http.server_port
        with pytest.raises(StoreError) as caught:
            open_remote(f"http://{host}:{port}/store.zarr", limit=LIMIT, settings=Remote())
        assert caught.value.code in ("remote-private", "remote-unreachable")
        assert server.seen == []

    def test_a_name_that_leads_elsewhere_a_moment_later_is_noticed(self, server: Server) -> None:
        web = Web(Remote())
        web._admitted.add("127.0.0.1")  # as if it had led to a public place when it was looked up
        with pytest.raises(RemoteFault) as caught:
            web.ask("GET", server.url)
        web.close()
        assert caught.value.code == "remote-private"
        assert server.seen == []

    def test_where_a_redirect_leads_is_judged_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
    ) -> None:
        # Both are on this machine; the test lets only the second count as such.
        judge = webclient._check_public
        monkeypatch.setattr(
            webclient, "_check_public", lambda p, h: None if p == "127.0.0.1" else judge(p, h)
        )
        target = f"http://127.0.0.2:{server.http.server_port}/latest/meta-data"
        server.again(fault=lambda path, n: (302, {"Location": target}))
        with pytest.raises(StoreError) as caught:
            open_remote(f"{server.url}store.zarr", limit=LIMIT, settings=Remote())
        assert caught.value.code == "remote-private"
        assert "127.0.0.2" in str(caught.value)

    def test_from_https_only_https_follows(self) -> None:
        with pytest.raises(RemoteFault, match="http:"):
            webclient._next("https://example.org/a", "http://example.org/a")
        assert webclient._next("http://a.org/x", "https://b.org/y") == "https://b.org/y"
        assert webclient._next("https://a.org/x/y", "../z") == "https://a.org/z"

    @pytest.mark.parametrize(
        "address",
        [
            "https://user:secret@example.org/x.zarr",
            "https://example.org/x.zarr?token=secret",
            "file:///etc/passwd",
            "ftp://example.org/x.zarr",
            "https:///x.zarr",
            "http://[::1/x.zarr",
        ],
    )
    def test_some_are_no_addresses_of_stores(self, address: str) -> None:
        with pytest.raises(StoreError) as caught:
            open_remote(address, limit=LIMIT)
        assert caught.value.code == "source-unsupported"
        assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    pytest.importorskip("obstore", reason="needs the extra `remote`")
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


class Bucket:
    """Where a test puts its stores."""

    def __init__(self, name: str, server: S3Server):
        from obstore.store import S3Store

        self.name = name
        self.store = S3Store(
            name,
            config={
                "endpoint": server.address,
                "access_key_id": KEY,
                "secret_access_key": SECRET,
            },
            client_options={"allow_http": True},
        )

    def put(self, source: Path, key: str) -> str:
        """Put a folder or a file there; its address."""
        files = [p for p in source.rglob("*") if p.is_file()] if source.is_dir() else [source]
        for file in files:
            path = f"{key}/{file.relative_to(source).as_posix()}" if source.is_dir() else key
            self.store.put(path, file.read_bytes(), use_multipart=False)
        return f"s3://{self.name}/{key}"


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket, with the credentials for it in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return Bucket(s3.bucket, s3)


def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


class TestS3:
    def test_a_sound_store_has_every_fact_of_its_folder(self, store: Path, bucket: Bucket) -> None:
        facts, files = scanned(bucket.put(store, f"{store.parent.name}/store.zarr"))
        assert said(facts) == said(scan_store(store, name="x"))
        assert files.requests <= 14
        assert files.faults == []

    @pytest.mark.parametrize("name", LOCAL)
    def test_stores_that_spatialdata_wrote(
        self, local_stores: Path, bucket: Bucket, name: str
    ) -> None:
        facts, files = scanned(bucket.put(local_stores / name, name))
        assert said(facts) == said(scan_store(local_stores / name, name="x"))
        print(f"{name}: {files.requests} requests, {files.bytes_read:,} bytes")
        assert files.requests <= 20

    @pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
    @pytest.mark.parametrize("name", [*REAL, "sdnotebooks_0.0.12_multiple_elements"])
    def test_real_stores(
        self, test_data: Path, tmp_path: Path, bucket: Bucket, name: str, packed: bool
    ) -> None:
        source = find_store(test_data, name)
        local = zipped(source, tmp_path / "s.zarr.zip") if packed else source
        facts, files = scanned(bucket.put(local, f"real/{name}{'.zarr.zip' if packed else ''}"))
        assert said(facts) == said(scan_store(local, name="x"))
        print(f"{name}: {files.requests} requests, {files.bytes_read:,} bytes")
        # Without consolidated metadata each node costs a request.
        assert files.requests <= (100 if "0.0.12" in name else 24)

    def test_more_files_than_a_list_has_at_once(self, tmp_path: Path, bucket: Bucket) -> None:
        maker = sound(tmp_path / "store.zarr")
        maker.image("many", levels=((3, 1, 2300),), chunks=(3, 1, 2))
        facts, files = scanned(bucket.put(maker.root, "many.zarr"))
        assert said(facts) == said(scan_store(maker.root, name="x"))
        assert files.requests <= 20

    def test_nobody_reads_what_everybody_may_list(
        self, tmp_path: Path, s3: S3Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maker = sound(tmp_path / "store.zarr")
        address = Bucket("open", s3).put(maker.root, "store.zarr")
        nobody(monkeypatch)
        facts, _ = scanned(address)
        assert said(facts) == said(scan_store(maker.root, name="x"))

    def test_nobody_reads_what_may_not_be_listed_as_over_http(
        self, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maker = sound(tmp_path / "store.zarr")
        address = bucket.put(maker.root, "closed.zarr")
        nobody(monkeypatch)
        facts, files = scanned(address)
        assert not files.complete
        assert said(facts) == said(scan_store(maker.root, name="x"), sizes=False)

    def test_the_fingerprint_changes_with_any_chunk(self, tmp_path: Path, bucket: Bucket) -> None:
        maker = sound(tmp_path / "store.zarr")
        address = bucket.put(maker.root, "print.zarr")
        first = scanned(address)[0].fingerprint
        assert scanned(address)[0].fingerprint == first
        chunk = next(p for p in (maker.root / "images").rglob("c/*/*/*") if p.is_file())
        key = f"print.zarr/{chunk.relative_to(maker.root).as_posix()}"
        bucket.store.put(key, bytes(chunk.stat().st_size), use_multipart=False)
        assert scanned(address)[0].fingerprint != first

    def test_a_copy_elsewhere_has_the_same_fingerprint(
        self, tmp_path: Path, bucket: Bucket
    ) -> None:
        maker = sound(tmp_path / "store.zarr")
        addresses = [bucket.put(maker.root, f"{n}/copy.zarr") for n in "ab"]
        assert len({scanned(a)[0].fingerprint for a in addresses}) == 1

    @pytest.mark.parametrize(
        ("address", "code"),
        [
            ("s3://{bucket}/nothing.zarr", "remote-absent"),
            ("s3://{bucket}/nothing.zarr.zip", "remote-absent"),
            ("s3://no-such-bucket/x.zarr", "remote-absent"),
        ],
    )
    def test_what_is_not_there(self, bucket: Bucket, address: str, code: str) -> None:
        with pytest.raises(StoreError) as caught:
            open_remote(address.format(bucket=bucket.name), limit=LIMIT)
        assert caught.value.code == code

    @pytest.mark.parametrize(("fault", "code"), [(500, "remote-fault"), (429, "remote-busy")])
    def test_each_cause_has_its_name(
        self,
        s3: S3Server,
        bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
        fault: int,
        code: str,
    ) -> None:
        proxy = Proxy(s3.port)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, name, n: fault
        with pytest.raises(StoreError) as caught:
            open_remote(f"s3://{bucket.name}/x.zarr", limit=LIMIT)
        assert caught.value.code == code

    def test_a_file_that_changes_or_goes_after_the_list_is_told(
        self, tmp_path: Path, s3: S3Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = Proxy(s3.port)
        maker = sound(tmp_path / "store.zarr")
        address = bucket.put(maker.root, "moving.zarr")
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)

        def meddle(method: str, name: str, n: int) -> str:
            if name == "moving.zarr/zarr.json" and n == 1:
                bucket.store.delete("moving.zarr/points/points/points.parquet/part.0.parquet")
                bucket.store.put(
                    "moving.zarr/shapes/shapes/shapes.parquet", bytes(900), use_multipart=False
                )
            return ""

        proxy.fault = meddle
        facts, files = scanned(address)
        assert {f.code for f in files.faults} == {"remote-changed"}
        told = " ".join(p.what for p in facts.problems)
        assert "went away" in told
        assert "remote-changed" in codes(facts)

    def test_a_server_that_is_not_there(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(StoreError) as caught:
            open_remote("s3://bucket/x.zarr", limit=LIMIT)
        assert caught.value.code == "remote-unreachable"

    def test_the_region_is_told_also_to_those_who_may_not_read(self, server: Server) -> None:
        answer = (403, {"x-amz-bucket-region": "eu-central-1"})
        server.again(fault=lambda path, n: answer)
        assert region_of("some-bucket", NEAR, server.url.rstrip("/")) == "eu-central-1"
        assert server.seen == [("HEAD", "some-bucket")]
        server.again(fault=lambda path, n: 404)
        with pytest.raises(StoreError, match="no bucket"):
            region_of("some-bucket", NEAR, server.url.rstrip("/"))
