"""Copies, views and pictures: made by whomever, the same bytes; and of stores that lie elsewhere."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import products
from portal.build import BuildReport, build_site
from portal.config import Remote, load_config
from portal.manifest import read_manifest
from portal.published import is_published
from portal.record import Record
from portal.rescan import rescan
from portal.serve import start
from tests import view_stores, workingkit
from tests.faultyserver import Server, serving
from tests.publishkit import free_ports

pytest.importorskip("spatialdata", reason="needs the extra `build`")

CONFIG = "title: Small\nremote: {allow_private: true, timeout: 5}\n"


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


class Portal:
    """A small portal in a folder."""

    def __init__(self, root: Path):
        self.root = root
        (root / "data_manifest").mkdir(parents=True)
        self.configure("")

    @property
    def out(self) -> Path:
        return self.root / "site"

    def configure(self, more: str) -> None:
        (self.root / "site_config.yaml").write_text(CONFIG + more)

    def entry(self, id_: str, source: str, more: str = "") -> None:
        text = f"title: {id_}\nsource: {source}\n{more}"
        (self.root / "data_manifest" / f"{id_}.yaml").write_text(text)

    def scan(self) -> None:
        config = load_config(self.root / "site_config.yaml")
        found = rescan(config, read_manifest(config), "all", scanned="2026-05-01T00:00:00+00:00")
        assert {r.outcome for r in found} <= {"new", "same", "changed"}

    def build(self, **options: Any) -> BuildReport:
        return build_site(load_config(self.root / "site_config.yaml"), self.out, **options)

    def record(self, id_: str) -> Record:
        text = (self.out / "datasets" / id_ / "artifact.json").read_bytes()
        return Record.model_validate_json(text)

    def forget(self) -> None:
        """As if nothing had been built before."""
        for path in (self.root / ".portal", self.out, *self.root.glob(".site*")):
            if path.is_dir():
                shutil.rmtree(path)


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path / "portal")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def view(site: Path, id_: str) -> dict[str, bytes]:
    """The view store of an artifact, its config and the pictures; no list of files."""
    found = {f"data/{n}": b for n, b in tree(site / "data" / id_).items() if "/" in n}
    made = tree(site / "datasets" / id_)
    return found | {n: b for n, b in made.items() if n.startswith(("vitessce", "picture"))}


# who works


def test_processes_make_the_same_bytes_as_one(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_FEW", 0)
    portal.configure("data: {publish: copy}\n")
    for name in ("spots", "only_points"):
        portal.entry(name, f"../{view_stores.write(name, portal.root).name}")
    portal.build(jobs=2)
    spread = tree(portal.out)
    assert {f"data/spots/{n}" for n in ("files.json", "spots.zarr/zarr.json")} <= spread.keys()
    assert portal.record("only_points").products.picture
    portal.forget()
    portal.build(jobs=1)
    alone = tree(portal.out)
    assert alone.keys() == spread.keys()
    assert [n for n in alone if alone[n] != spread[n]] == []


def test_a_store_that_kills_its_process_is_a_problem_of_its_artifact(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_FEW", 0)
    monkeypatch.setattr(products, "make", workingkit.make_or_die)
    for id_, name in (("deadly", "floats"), ("sound", "rgb")):
        portal.entry(id_, f"../{view_stores.write(name, portal.root).name}")
    report = portal.build(jobs=2)
    assert portal.record("sound").products.view.shows == "copy"
    dead = portal.record("deadly").products
    assert dead.picture is None
    assert str(dead.view.reason).startswith("The view could not be made: The process that")
    found = {(p.where, p.code) for p in report.problems if p.severity == "warning"}
    assert found >= {("deadly", "view-failed"), ("deadly", "picture-failed")}
    monkeypatch.undo()
    portal.build()
    assert portal.record("deadly").products.view.shows == "copy"


def test_what_is_cached_is_not_worked_on(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.entry("a", f"../{view_stores.write('rgb', portal.root).name}")
    portal.build()
    before = view(portal.out, "a")
    monkeypatch.setattr(products, "make", None)
    portal.build()
    assert view(portal.out, "a") == before


def test_a_cache_with_a_hole_is_mended(portal: Portal) -> None:
    portal.entry("a", f"../{view_stores.write('rgb', portal.root).name}")
    portal.build()
    before = view(portal.out, "a")
    cache = portal.root / ".portal" / "cache"
    chunk = next(cache.glob("*/view.zarr/images/tissue/0/c/0/0/0"))
    chunk.unlink()  # the site, which shares the file, keeps its own name for it
    next(cache.glob("*/picture.json")).write_text("{")
    portal.build()
    assert view(portal.out, "a") == before


# stores elsewhere


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "stores").mkdir()
    with serving(tmp_path / "stores") as running:
        yield running


def far(portal: Portal, server: Server, *names: str) -> None:
    """Entries of stores on a server, scanned."""
    for name in names:
        view_stores.write(name, server.root)
        portal.entry(name, f"{server.url}{name}.zarr")
    portal.scan()
    server.again()


class TestElsewhere:
    def test_the_view_is_that_of_the_same_store_here(self, portal: Portal, server: Server) -> None:
        far(portal, server, "spots")
        portal.build()
        made = view(portal.out, "spots")
        assert portal.record("spots").products.view.shows == "copy"
        assert len(made) > 30
        assert "vitessce.json" in made
        shutil.copytree(server.root / "spots.zarr", portal.root / "spots.zarr")
        portal.entry("spots", "../spots.zarr")
        portal.build()
        assert view(portal.out, "spots") == made

    def test_what_is_cached_needs_no_network(self, portal: Portal, server: Server) -> None:
        far(portal, server, "rgb")
        portal.build()
        made = view(portal.out, "rgb")
        server.again()
        portal.build()
        assert server.seen == []
        assert view(portal.out, "rgb") == made

    def test_a_zip_is_drawn_without_being_read_as_a_whole(
        self, portal: Portal, server: Server
    ) -> None:
        store = view_stores.write("several_regions", portal.root)
        with zipfile.ZipFile(server.root / "a.zarr.zip", "w") as packed:
            for file in sorted(p for p in store.rglob("*") if p.is_file()):
                packed.write(file, file.relative_to(store).as_posix())
        portal.entry("here", f"../{store.name}")
        portal.entry("there", f"{server.url}a.zarr.zip")
        portal.scan()
        portal.build()
        here, there = view(portal.out, "here"), view(portal.out, "there")
        assert there == {n.replace("/here/", "/there/"): _named(b) for n, b in here.items()}

    def test_a_server_that_does_not_answer_is_asked_once(
        self, portal: Portal, server: Server
    ) -> None:
        far(portal, server, "rgb", "spots", "floats")
        server.again(fault=lambda path, n: 429)
        report = portal.build()
        assert {path.partition("/")[0] for _, path in server.seen} == {"floats.zarr"}
        for id_ in ("rgb", "spots", "floats"):
            reason = portal.record(id_).products.view.reason
            assert reason == "Not rendered yet: the server 127.0.0.1 asks to come back later (429)."
            assert "Not rendered yet" in (portal.out / f"datasets/{id_}/index.html").read_text()
        told = [(p.where, p.code, p.severity) for p in report.problems if p.code == "remote-busy"]
        assert told == [(id_, "remote-busy", "info") for id_ in ("floats", "rgb", "spots")]
        server.again(fault=lambda path, n: None)
        portal.build()
        assert portal.record("rgb").products.view.shows == "copy"

    def test_a_store_that_has_changed_is_not_mixed_with_its_scan(
        self, portal: Portal, server: Server
    ) -> None:
        far(portal, server, "rgb")
        document = server.root / "rgb.zarr" / "zarr.json"
        document.write_text(document.read_text() + " ")
        report = portal.build()
        assert portal.record("rgb").products.view.reason == (
            "Not rendered yet: the store has changed since its scan."
        )
        (problem,) = [p for p in report.problems if p.code == "scan-drift"]
        assert (problem.severity, problem.remedy) == ("warning", "Run `portal scan`.")
        portal.scan()
        portal.build()
        assert portal.record("rgb").products.view.shows == "copy"

    def test_offline_nobody_is_asked(self, portal: Portal, server: Server) -> None:
        portal.configure(f"base_url: {server.url}\n")
        far(portal, server, "rgb")
        report = portal.build(offline=True)
        assert server.seen == []
        assert portal.record("rgb").products.view.reason == (
            "Not rendered yet: this build asks no server."
        )
        assert [p for p in report.problems if p.severity != "info"] == []

    def test_the_original_is_shown_at_the_address_for_viewers(
        self, portal: Portal, server: Server
    ) -> None:
        far(portal, server, "rgb")
        portal.configure(
            "viewer: {mode: original, origins: ['https://proxy.example.org'], "
            f"rewrite: {{'{server.url}': 'https://proxy.example.org/?u='}}}}\n"
        )
        portal.build()
        found = portal.record("rgb").products
        address = "https://proxy.example.org/?u=rgb.zarr"
        assert (found.view.shows, found.view.store) == ("original", address)
        config = json.loads((portal.out / "datasets/rgb/vitessce.json").read_text())
        assert {f["url"] for d in config["datasets"] for f in d["files"]} == {address}
        assert found.picture


def _named(content: bytes) -> bytes:
    return content.replace(b"data/here/", b"data/there/").replace(b'"here"', b'"there"')


# the site as it was published


class TestPublished:
    @pytest.fixture
    def site(self, portal: Portal, server: Server) -> Iterator[str]:
        """A published site with the view of a store elsewhere; the cache is lost since."""
        (port,) = free_ports(1)
        portal.configure(f"base_url: http://127.0.0.1:{port}/\n")
        far(portal, server, "spots")
        portal.build()
        public = portal.root / "public"
        shutil.copytree(portal.out, public)
        portal.forget()
        server.again()
        with start(public, port=port) as address:
            yield address

    def test_a_view_is_taken_from_there(self, portal: Portal, server: Server, site: str) -> None:
        portal.build()
        assert server.seen == []
        assert tree(portal.out) == tree(portal.root / "public")

    @pytest.mark.parametrize("harm", ["chunk", "longer", "outside", "large", "no JSON"])
    def test_of_a_damaged_one_nothing_is_taken(
        self, portal: Portal, server: Server, site: str, harm: str
    ) -> None:
        folder = portal.root / "public" / "data" / "spots"
        before = view(portal.root / "public", "spots")
        (listed,) = folder.glob("view-*.json")
        (chunk,) = folder.glob("view-*.zarr/images/tissue/0/c/0/0/0")
        told, content = json.loads(listed.read_text()), bytearray(chunk.read_bytes())
        if harm == "chunk":
            content[100] ^= 1
        elif harm == "longer":
            content += b"more"
        elif harm == "outside":
            told["files"]["../../../escaped"] = 4
        elif harm == "large":
            told["files"]["images/tissue/0/c/0/0/0"] = 10**12
        chunk.write_bytes(content)
        listed.write_text("{" if harm == "no JSON" else json.dumps(told))
        portal.build()
        assert server.seen
        assert not list(portal.root.rglob("escaped"))
        assert view(portal.out, "spots") == before


def test_one_request_tells_that_nothing_is_published(server: Server) -> None:
    assert not is_published(server.url, Remote(allow_private=True))
    assert [path for _, path in server.seen] == ["build.json"]
