"""Copies, views and pictures: made by whomever, the same bytes; and of stores that lie elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import products
from portal.build import build_site, scan_all
from portal.cache import Cache
from portal.config import load_config
from portal.errors import BuildError
from portal.manifest import read_manifest
from portal.products import make_products
from portal.record import Record
from portal.rescan import rescan
from portal.serve import start
from portal.working import Crew
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

    def build(self, **options: Any) -> None:
        """The whole site."""
        build_site(load_config(self.root / "site_config.yaml"), self.out, **options)

    def make(self, *, jobs: int = 1, offline: bool = False) -> dict[str, Record]:
        """What is made for the artifacts alone, in an empty folder; the records by id."""
        shutil.rmtree(self.out, ignore_errors=True)
        config = load_config(self.root / "site_config.yaml")
        cache = Cache(self.root / ".portal" / "cache")
        with Crew(jobs) as crew:
            artifacts = scan_all(read_manifest(config), config, lambda *_: None, crew=crew)
            made = make_products(artifacts, config, cache, self.out, crew, offline=offline)
        return {r.id: r for r in made}

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
    assert sum(n.endswith("-640.webp") or "picture-640" in n for n in spread) == 2
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
    records = portal.make(jobs=2)
    assert records["sound"].products.view.shows == "copy"
    assert records["deadly"].products.picture is None
    reason = str(records["deadly"].products.view.reason)
    assert reason.startswith("The view could not be made: The process that")
    told = {p.code for p in records["deadly"].problems if p.severity == "warning"}
    assert told >= {"view-failed", "picture-failed"}
    monkeypatch.undo()
    assert portal.make()["deadly"].products.view.shows == "copy"


def test_what_is_cached_is_not_worked_on(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.entry("a", f"../{view_stores.write('rgb', portal.root).name}")
    portal.make()
    before = view(portal.out, "a")
    monkeypatch.setattr(products, "make", None)
    portal.make()
    assert view(portal.out, "a") == before


def test_a_cache_with_a_hole_is_mended(portal: Portal) -> None:
    portal.configure("data: {publish: copy}\n")
    portal.entry("a", f"../{view_stores.write('rgb', portal.root).name}")
    portal.make()
    before = tree(portal.out)
    cache = portal.root / ".portal" / "cache"
    for name in ("*/view.zarr/images/tissue/0/c/0/0/0", "*/copy/a.zarr/images/tissue/s0/zarr.json"):
        next(cache.glob(name)).unlink()
    next(cache.glob("*/picture.json")).write_text("{")
    portal.make()
    assert tree(portal.out) == before


def test_a_cache_that_not_all_see_is_told(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.entry("a", f"../{view_stores.write('rgb', portal.root).name}")
    monkeypatch.setattr(products, "make", lambda work: {})
    with pytest.raises(BuildError, match="must see the same files"):
        portal.make()


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
        assert portal.make()["spots"].products.view.shows == "copy"
        made = view(portal.out, "spots")
        assert len(made) > 30
        assert "vitessce.json" in made
        shutil.copytree(server.root / "spots.zarr", portal.root / "spots.zarr")
        portal.entry("spots", "../spots.zarr")
        portal.make()
        assert view(portal.out, "spots") == made

    def test_what_is_cached_needs_no_network(self, portal: Portal, server: Server) -> None:
        far(portal, server, "rgb")
        portal.make()
        made = view(portal.out, "rgb")
        server.again()
        portal.make()
        assert server.seen == []
        assert view(portal.out, "rgb") == made

    def test_a_server_that_does_not_answer_is_asked_once(
        self, portal: Portal, server: Server
    ) -> None:
        far(portal, server, "rgb", "spots", "floats")
        server.again(fault=lambda path, n: 429)
        records = portal.make()
        assert {path.partition("/")[0] for _, path in server.seen} == {"floats.zarr"}
        for record in records.values():
            why = "Not rendered yet: the server 127.0.0.1 asks to come back later (429)."
            assert record.products.view.reason == why
            (problem,) = [p for p in record.problems if p.code == "remote-busy"]
            assert (problem.severity, problem.what) == ("info", why)
            assert record.validation_status == "pass"
        server.again(fault=lambda path, n: None)
        assert portal.make()["rgb"].products.view.shows == "copy"

    def test_a_store_that_has_changed_is_not_mixed_with_its_scan(
        self, portal: Portal, server: Server
    ) -> None:
        far(portal, server, "rgb")
        document = server.root / "rgb.zarr" / "zarr.json"
        document.write_text(document.read_text() + " ")
        record = portal.make()["rgb"]
        why = "Not rendered yet: the store has changed since its scan."
        assert record.products.view.reason == why
        (problem,) = [p for p in record.problems if p.code == "scan-drift"]
        assert (problem.severity, problem.remedy) == ("warning", "Run `portal scan`.")
        portal.scan()
        assert portal.make()["rgb"].products.view.shows == "copy"

    def test_offline_nobody_is_asked(self, portal: Portal, server: Server) -> None:
        portal.configure(f"base_url: {server.url}\n")
        far(portal, server, "rgb")
        record = portal.make(offline=True)["rgb"]
        assert server.seen == []
        assert record.products.view.reason == "Not rendered yet: this build asks no server."
        assert record.problems == ()

    def test_the_original_is_shown_at_the_address_for_viewers(
        self, portal: Portal, server: Server
    ) -> None:
        far(portal, server, "rgb")
        portal.configure(
            "viewer: {mode: original, origins: ['https://proxy.example.org'], "
            f"rewrite: {{'{server.url}': 'https://proxy.example.org/?u='}}}}\n"
        )
        found = portal.make()["rgb"].products
        address = "https://proxy.example.org/?u=rgb.zarr"
        assert (found.view.shows, found.view.store) == ("original", address)
        config = json.loads((portal.out / "datasets/rgb/vitessce.json").read_text())
        assert {f["url"] for d in config["datasets"] for f in d["files"]} == {address}
        assert found.picture

    def test_a_view_is_taken_from_the_published_site(
        self, portal: Portal, server: Server, tmp_path: Path
    ) -> None:
        (port,) = free_ports(1)
        portal.configure(f"base_url: http://127.0.0.1:{port}/\n")
        far(portal, server, "spots")
        portal.build()
        public = tmp_path / "public"
        shutil.copytree(portal.out, public)
        portal.forget()
        server.again()
        with start(public, port=port):
            portal.build()
        assert server.seen == []
        there = tree(public)
        # Who has not made a view does not say how it was made.
        assert there.pop("data/spots/ro-crate-metadata.json")
        assert tree(portal.out) == there
