"""Scans of stores elsewhere as data: written, read back, compared, and built from."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.build import build_site
from portal.config import SiteConfig, load_config
from portal.curation_codes import CODES
from portal.facts import StoreFacts
from portal.manifest import read_manifest
from portal.record import Record
from portal.rescan import Rescanned, Which, rescan
from portal.scan import scan_store
from portal.scans import MAX_BYTES, Scan, ScanBroken, prune_lists, read_scan, write_scan
from tests.faultyserver import Server, serving
from tests.stores import Maker, sound

WHEN, LATER = "2026-05-01T10:00:00+00:00", "2026-06-01T10:00:00+00:00"
ADDRESS = "https://example.org/store.zarr"


def scan_of(facts: StoreFacts, scanned: str = WHEN, requests: int = 12) -> Scan:
    return Scan(ADDRESS, scanned, requests, 3456, facts)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def panel(tmp_path: Path) -> Maker:
    """A store with a panel of 20,000 genes and 400 categories."""
    maker = sound(tmp_path / "stores" / "store.zarr")
    maker.table("genes", genes=[f"ENSG{i:011}" for i in range(20_000)], n_obs=2)
    frame = "tables/genes/obs"
    maker.categorical(frame, "type", [f"type {i} of ä cell" for i in range(400)], [0, 1])
    maker.consolidate()
    return maker


class TestFiles:
    def test_what_is_read_is_what_was_written(self, panel: Maker, tmp_path: Path) -> None:
        scan = scan_of(scan_store(panel.root, name="a"))
        assert write_scan(tmp_path, "a", scan)
        kept = read_scan(tmp_path, "a")
        assert kept is not None
        assert kept.says_the_same(scan)
        assert (kept.scanned, kept.requests, kept.bytes) == (WHEN, 12, 3456)
        dropped = {"bytes_read", "state"}
        assert kept.facts.model_dump(exclude=dropped) == scan.facts.model_dump(exclude=dropped)

    def test_a_scan_is_small_and_long_lists_are_shared(self, panel: Maker, tmp_path: Path) -> None:
        scan = scan_of(scan_store(panel.root, name="a"))
        write_scan(tmp_path, "a", scan)
        write_scan(tmp_path, "b", scan)
        files = tree(tmp_path / "scans")
        assert len(files["a.json"]) < 8000 < MAX_BYTES
        assert files["a.json"] == files["b.json"]
        lists = [name for name in files if name.startswith("lists/")]
        assert len(lists) == 2  # the genes, and the categories
        for name in lists:
            content = gzip.decompress(files[name])
            assert name == f"lists/{hashlib.sha256(content).hexdigest()[:16]}.json.gz"

    def test_each_element_has_a_line(self, panel: Maker, tmp_path: Path) -> None:
        write_scan(tmp_path, "a", scan_of(scan_store(panel.root, name="a")))
        text = (tmp_path / "scans/a.json").read_text("utf-8")
        lines = [line for line in text.splitlines() if '"kind": "images"' in line]
        assert len(lines) == 1
        assert json.loads(lines[0].strip().rstrip(","))["path"] == "images/image"

    def test_the_same_store_leaves_the_file_as_it_is(self, panel: Maker, tmp_path: Path) -> None:
        facts = scan_store(panel.root, name="a")
        write_scan(tmp_path, "a", scan_of(facts))
        before = tree(tmp_path / "scans")
        assert not write_scan(tmp_path, "a", scan_of(facts, LATER, requests=99))
        assert tree(tmp_path / "scans") == before
        panel.image("another")
        assert write_scan(tmp_path, "a", scan_of(scan_store(panel.root, name="a"), LATER))
        after = read_scan(tmp_path, "a")
        assert after is not None
        assert after.scanned == LATER

    def test_the_same_store_gives_the_same_bytes_anywhere(
        self, panel: Maker, tmp_path: Path
    ) -> None:
        for place in ("here", "there"):
            facts = scan_store(panel.root, name="a")
            write_scan(tmp_path / place, "a", scan_of(facts))
        assert tree(tmp_path / "here") == tree(tmp_path / "there")

    @pytest.mark.parametrize(
        "make",
        [
            lambda m: m.attributes("", big={str(i): "x" * 100 for i in range(10_000)}),
            lambda m: [m.shapes(f"s{i}") for i in range(700)],
            lambda m: m.attributes("", odd="\ud800 / ä", **{"a/b": ["long" * 500]}),
        ],
        ids=["attributes", "elements", "odd"],
    )
    def test_it_is_small_whatever_is_in_the_store(
        self, tmp_path: Path, make: Callable[[Maker], object]
    ) -> None:
        maker = sound(tmp_path / "store.zarr")
        make(maker)
        scan = scan_of(scan_store(maker.root, name="a"))
        write_scan(tmp_path, "a", scan)
        assert (tmp_path / "scans/a.json").stat().st_size <= MAX_BYTES
        kept = read_scan(tmp_path, "a")
        assert kept is not None
        assert kept.says_the_same(scan)

    def test_a_lone_surrogate_in_a_name_is_kept(self, tmp_path: Path) -> None:
        maker = sound(tmp_path / "store.zarr")
        maker.attributes("tables/table/obs", **{"column-order": ["instance_id", "region"]})
        facts = scan_store(maker.root, name="a")
        table = facts.of("tables")[0].model_copy(update={"region_key": "\udc80"})
        scan = scan_of(facts.model_copy(update={"elements": (table,)}))
        write_scan(tmp_path, "a", scan)
        kept = read_scan(tmp_path, "a")
        assert kept is not None
        assert kept.says_the_same(scan)

    def test_there_may_be_none(self, tmp_path: Path) -> None:
        assert read_scan(tmp_path, "a") is None

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda text: text[:-20], "can't be read"),
            (lambda text: "[]", "not what a scan writes"),
            (lambda text: "[" * 100_000, "can't be read"),
            (lambda text: text.replace("scan/1", "scan/9"), "format 'spatialdata-portal/scan/9'"),
            (lambda text: text.replace('"kind": "spatialdata"', '"kind": "x"'), "not what a scan"),
            (lambda text: re.sub(r'"[0-9a-f]{16}"', '"../../../secret"', text), "no hash"),
            (lambda text: re.sub(r'"[0-9a-f]{16}"', f'"{"0" * 16}"', text), "can't be read"),
            (lambda text: text.replace('"/elements/', '"/nothing/'), "not what a scan writes"),
        ],
    )
    def test_what_is_broken_says_how(
        self, panel: Maker, tmp_path: Path, change: Callable[[str], str], words: str
    ) -> None:
        write_scan(tmp_path, "a", scan_of(scan_store(panel.root, name="a")))
        path = tmp_path / "scans/a.json"
        path.write_text(change(path.read_text("utf-8")), "utf-8")
        with pytest.raises(ScanBroken, match=re.escape(words)):
            read_scan(tmp_path, "a")

    @pytest.mark.parametrize(
        "damage",
        [b"", b"no gzip", gzip.compress(b'["other"]')],
        ids=["empty", "other", "another list"],
    )
    def test_a_list_with_another_content_is_none(
        self, panel: Maker, tmp_path: Path, damage: bytes
    ) -> None:
        write_scan(tmp_path, "a", scan_of(scan_store(panel.root, name="a")))
        for path in (tmp_path / "scans/lists").iterdir():
            path.write_bytes(damage)
        with pytest.raises(ScanBroken, match="list"):
            read_scan(tmp_path, "a")

    def test_a_broken_scan_is_written_anew(self, panel: Maker, tmp_path: Path) -> None:
        scan = scan_of(scan_store(panel.root, name="a"))
        write_scan(tmp_path, "a", scan)
        before = tree(tmp_path / "scans")
        (tmp_path / "scans/a.json").write_text("{}")
        assert write_scan(tmp_path, "a", scan)
        assert tree(tmp_path / "scans") == before

    def test_lists_that_nobody_names_go(self, panel: Maker, tmp_path: Path) -> None:
        write_scan(tmp_path, "a", scan_of(scan_store(panel.root, name="a")))
        lists = tmp_path / "scans/lists"
        named = {p.name for p in lists.iterdir()}
        (lists / f"{'0' * 16}.json.gz").write_bytes(gzip.compress(b"[]"))
        prune_lists(tmp_path)
        assert {p.name for p in lists.iterdir()} == named
        (tmp_path / "scans/broken.json").write_text("{")
        (tmp_path / "scans/a.json").unlink()
        prune_lists(tmp_path)  # the broken one may name any of them
        assert {p.name for p in lists.iterdir()} == named

    def test_nothing_half_written_is_left(self, panel: Maker, tmp_path: Path) -> None:
        write_scan(tmp_path, "a", scan_of(scan_store(panel.root, name="a")))
        before = tree(tmp_path / "scans")
        panel.image("another")
        changed = scan_of(scan_store(panel.root, name="a"), LATER)
        lists = tmp_path / "scans/lists"
        shutil.rmtree(lists)
        lists.write_text("in the way")
        with pytest.raises(OSError, match="lists"):
            write_scan(tmp_path, "a", changed)
        assert (tmp_path / "scans/a.json").read_bytes() == before["a.json"]
        assert {p.name for p in (tmp_path / "scans").iterdir()} == {"a.json", "lists"}


# scanning again


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "stores").mkdir(exist_ok=True)
    with serving(tmp_path / "stores") as running:
        yield running


@pytest.fixture
def portal(tmp_path: Path, server: Server) -> SiteConfig:
    """A portal of two stores elsewhere, one here, and one that is not public."""
    root = tmp_path / "portal"
    entries = root / "data_manifest"
    entries.mkdir(parents=True)
    (root / "site_config.yaml").write_text(
        "title: Far\nremote: {allow_private: true, timeout: 2}\nlimits: {scan_bytes: 5 MB}\n"
    )
    for name in ("a", "b"):
        sound(tmp_path / "stores" / f"{name}.zarr")
        entry = f"title: Store {name}\nsource: {server.url}{name}.zarr\n"
        (entries / f"{name}.yaml").write_text(entry)
    sound(root / "here.zarr")
    (entries / "here.yaml").write_text("title: Here\nsource: ../here.zarr\n")
    (entries / "soon.yaml").write_text(
        f"title: Soon\nstatus: announced\nsource: {server.url}a.zarr\n"
    )
    return load_config(root / "site_config.yaml")


def again(
    config: SiteConfig, which: Which, *, write: bool = True, scanned: str = WHEN
) -> dict[str, Rescanned]:
    found = rescan(config, read_manifest(config), which, scanned=scanned, write=write)
    return {r.id: r for r in found}


def outcomes(found: dict[str, Rescanned]) -> dict[str, str]:
    return {id_: r.outcome for id_, r in found.items()}


class TestRescan:
    def test_those_without_a_scan_get_one(self, portal: SiteConfig, server: Server) -> None:
        assert outcomes(again(portal, "missing")) == {"a": "new", "b": "new"}
        assert {p.name for p in (portal.manifest_dir / "scans").iterdir()} == {"a.json", "b.json"}
        server.again()
        assert again(portal, "missing") == {}
        assert server.seen == []

    def test_a_dry_run_asks_and_writes_nothing(self, portal: SiteConfig, server: Server) -> None:
        found = again(portal, "missing", write=False)
        assert outcomes(found) == {"a": "missing", "b": "missing"}
        assert server.seen == []
        assert not (portal.manifest_dir / "scans").exists()

    def test_stale_ones_are_told_by_few_requests(
        self, portal: SiteConfig, server: Server, tmp_path: Path
    ) -> None:
        again(portal, "missing")
        before = tree(portal.manifest_dir / "scans")
        found = again(portal, "stale", scanned=LATER)
        assert outcomes(found) == {"a": "same", "b": "same"}
        assert all(r.requests <= 8 for r in found.values())
        assert tree(portal.manifest_dir / "scans") == before

        maker = Maker(tmp_path / "stores" / "b.zarr")
        maker.image("new")
        shutil.rmtree(maker.root / "labels")
        shutil.rmtree(maker.root / "tables/table")
        maker.table("table", n_obs=7)
        maker.consolidate()
        dry = again(portal, "stale", scanned=LATER, write=False)
        assert outcomes(dry) == {"a": "same", "b": "changed"}
        assert tree(portal.manifest_dir / "scans") == before
        found = again(portal, "stale", scanned=LATER)
        assert outcomes(found) == {"a": "same", "b": "changed"}
        (problem,) = found["b"].problems
        assert (problem.code, problem.severity) == ("scan-drift", "warning")
        assert problem.where == "data_manifest/b.yaml:2"
        for words in (
            "2026-05-01",
            "labels/labels is gone",
            "images/new is new",
            "n_rows 3 → 7",
        ):
            assert words in problem.what
        after = read_scan(portal.manifest_dir, "b")
        assert after is not None
        assert after.scanned == LATER
        assert outcomes(again(portal, "stale")) == {"a": "same", "b": "same"}

    def test_all_are_read_again(self, portal: SiteConfig) -> None:
        again(portal, "missing")
        before = tree(portal.manifest_dir / "scans")
        assert outcomes(again(portal, "all", scanned=LATER)) == {"a": "same", "b": "same"}
        assert tree(portal.manifest_dir / "scans") == before

    def test_another_address_is_another_store(self, portal: SiteConfig, server: Server) -> None:
        again(portal, "missing")
        entry = portal.manifest_dir / "a.yaml"
        entry.write_text(entry.read_text().replace("a.zarr", "b.zarr"))
        assert outcomes(again(portal, "missing")) == {"a": "new"}

    @pytest.mark.parametrize(
        ("fault", "code", "words"),
        [
            (403, "remote-refused", "refuses it (403)"),
            (404, "remote-absent", "no zarr store"),
            (500, "remote-fault", "answers 500"),
            ((429, {"Retry-After": "999"}), "remote-busy", "come back later"),
            ("slow", "remote-slow", "did not answer within 2 seconds"),
            ("cut", "remote-cut", "broke the connection off"),
            ("endless", "scan-limit", "would exceed 5,000,000 bytes"),
        ],
    )
    def test_a_fault_names_its_cause_and_loses_nothing(
        self, portal: SiteConfig, server: Server, fault: Any, code: str, words: str
    ) -> None:
        again(portal, "missing")
        before = tree(portal.manifest_dir)
        server.again(fault=lambda path, n: fault if path.startswith("a.zarr") else None)
        found = again(portal, "all", scanned=LATER)
        assert outcomes(found) == {"a": "failed", "b": "same"}
        (problem,) = found["a"].problems
        assert (problem.code, problem.severity) == (code, "error")
        assert words in problem.what
        assert problem.what.endswith("The scan of 2026-05-01 stays.")
        assert problem.remedy
        assert tree(portal.manifest_dir) == before

    def test_a_fault_of_one_file_is_no_new_state(self, portal: SiteConfig, server: Server) -> None:
        again(portal, "missing")
        before = tree(portal.manifest_dir)
        server.again(
            fault=lambda path, n: 500 if path == "a.zarr/shapes/shapes/shapes.parquet" else None
        )
        found = again(portal, "all")
        assert outcomes(found) == {"a": "failed", "b": "same"}
        assert tree(portal.manifest_dir) == before

    def test_a_store_that_changes_meanwhile_is_not_written(
        self, portal: SiteConfig, server: Server, tmp_path: Path
    ) -> None:
        def write(path: str, n: int) -> None:
            if path == "a.zarr/tables/table/var/_index/c/0":
                with (tmp_path / "stores/a.zarr/zarr.json").open("a") as file:
                    file.write(" ")

        server.again(fault=write)
        found = again(portal, "missing")
        assert outcomes(found) == {"a": "failed", "b": "new"}
        assert found["a"].problems[0].code == "remote-changed"
        assert "There is no scan of it." in found["a"].problems[0].what
        assert not (portal.manifest_dir / "scans/a.json").exists()

    def test_every_code_is_in_the_table(self) -> None:
        folder = Path(__file__).parent.parent / "portal"
        names = ("scans", "rescan", "browsercheck")
        text = "".join((folder / f"{name}.py").read_text() for name in names)
        used = set(re.findall(r'"((?:scan|cors|head|options|range|type)-[a-z-]+)"', text))
        assert used - {"scan-failed"} <= CODES.keys()


# building


def record_of(out: Path, id_: str) -> Record:
    return Record.model_validate_json((out / f"datasets/{id_}/artifact.json").read_bytes())


class TestBuild:
    def test_a_build_needs_no_network(
        self, portal: SiteConfig, server: Server, tmp_path: Path
    ) -> None:
        again(portal, "missing")
        server.again()
        server.http.shutdown()
        server.http.server_close()
        out = tmp_path / "site"
        report = build_site(portal, out)
        assert [p for p in report.problems if p.severity == "error"] == []
        assert server.seen == []
        record = record_of(out, "a")
        assert record.validation_status == "pass"
        assert record.n_obs == 3
        assert record.products.view.reason == (
            "Not rendered yet: the server 127.0.0.1 can't be reached."
        )
        page = (out / "datasets/a/index.html").read_text("utf-8")
        for words in (
            "images/image",
            "labels",
            "points",
            "Not rendered yet",
            f"{server.url}a.zarr",
        ):
            assert words in page or words.partition("/")[2] in page
        assert not re.search(
            r"None(?! of these)", re.sub(r"<script.*?</script>|<[^>]*>", "", page, flags=re.DOTALL)
        )

    def test_without_a_scan_an_artifact_is_as_declared(
        self, portal: SiteConfig, server: Server, tmp_path: Path
    ) -> None:
        out = tmp_path / "site"
        report = build_site(portal, out)
        assert server.seen == []
        assert record_of(out, "a").validation_status == "declared"
        assert "has not been scanned yet" in str(record_of(out, "a").products.view.reason)
        (problem,) = [p for p in report.problems if p.where == "data_manifest/a.yaml:2"]
        assert (problem.code, problem.severity) == ("scan-missing", "info")
        assert "portal scan" in problem.remedy
        assert not any("soon" in p.where for p in report.problems)

    def test_a_scan_of_another_address_or_a_broken_one_is_told(
        self, portal: SiteConfig, tmp_path: Path
    ) -> None:
        again(portal, "missing")
        entry = portal.manifest_dir / "a.yaml"
        entry.write_text(entry.read_text().replace("a.zarr", "c.zarr"))
        (portal.manifest_dir / "scans/b.json").write_text("{")
        report = build_site(portal, tmp_path / "site")
        found = {p.where: p.code for p in report.problems if p.code.startswith("scan-")}
        assert found == {
            "data_manifest/a.yaml:2": "scan-other-source",
            "data_manifest/b.yaml:2": "scan-broken",
        }
        assert record_of(tmp_path / "site", "a").facts is None

    def test_the_scans_own_problems_are_those_of_the_artifact(
        self, portal: SiteConfig, tmp_path: Path
    ) -> None:
        maker = Maker(tmp_path / "stores/a.zarr")
        maker.table(region="nothing")
        maker.consolidate()
        again(portal, "missing")
        report = build_site(portal, tmp_path / "site")
        (problem,) = [p for p in report.problems if p.code == "region-absent"]
        assert problem.where == "a/tables/table"
        assert record_of(tmp_path / "site", "a").validation_status == "warn"


# the command


def run(config: SiteConfig, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "portal", "scan", *arguments]
    return subprocess.run(command, cwd=config.root, capture_output=True, text=True, check=False)


class TestCommand:
    def test_scans_what_is_missing_and_says_so(
        self, portal: SiteConfig, server: Server, tmp_path: Path
    ) -> None:
        done = run(portal, "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert {k: v["outcome"] for k, v in said["elsewhere"].items()} == {"a": "new", "b": "new"}
        assert said["stores"].keys() == {"a", "b", "here"}
        assert run(portal, "--stale").returncode == 0
        maker = Maker(tmp_path / "stores/b.zarr")
        maker.image("new")
        maker.consolidate()
        dry = run(portal, "--stale", "--dry-run")
        assert dry.returncode == 1
        assert "changed" in dry.stdout
        assert "images/new is new" in dry.stderr
        assert run(portal, "--all").returncode == 1
        assert run(portal, "--all").returncode == 0

    def test_an_address_is_scanned_as_a_store(self, portal: SiteConfig, server: Server) -> None:
        address = f"{server.url}a.zarr"
        done = run(portal, address, "../stores/b.zarr", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["stores"].keys() == {address, "../stores/b.zarr"}
        assert run(portal, f"{server.url}nothing.zarr").returncode == 1
        assert not (portal.manifest_dir / "scans").exists()

    def test_describe_tells_what_is_known(self, portal: SiteConfig) -> None:
        again(portal, "missing")
        command = [sys.executable, "-m", "portal", "describe", "a"]
        done = subprocess.run(command, cwd=portal.root, capture_output=True, text=True, check=False)
        assert "size: unknown" in " ".join(done.stdout.split())

    def test_entries_and_stores_are_not_mixed(self, portal: SiteConfig) -> None:
        assert run(portal, "--all", "../stores/b.zarr").returncode == 2
