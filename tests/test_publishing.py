"""`portal publish`: into real folders, to a real S3 server, and for GitHub Pages."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from portal import publish_pages, publish_s3
from portal.build import build_site
from portal.config import load_config
from portal.errors import BuildError, UsageError
from portal.publish_plan import is_hashed, site_files, stages
from portal.publishing import publish_site
from portal.resources import assets_dir, docs_dir
from tests.e2e.watching import watch
from tests.publishkit import (
    KEY,
    READER,
    READER_SECRET,
    SECRET,
    Bucket,
    Proxy,
    S3Server,
    get,
    index_parts,
    named,
    run_nginx,
    run_s3,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CONFIG = "title: Small\nsource_roots: [.]\nextra_css: [brand.css]\ndata: {publish: copy}\n"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, local_stores: Path) -> tuple[Path, Path]:
    """Two versions of a portal: another style, title, store and picture, one artifact for another."""
    root = tmp_path_factory.mktemp("portal")
    entries = root / "data_manifest"
    entries.mkdir()
    (root / "site_config.yaml").write_text(CONFIG)
    made = []
    for version, store, other in ((1, "ihc-nuclei", "gone"), (2, "ihc-spots", "new")):
        (root / "brand.css").write_text(f"body {{ order: {version} }}\n")
        shutil.copytree(local_stores / f"{store}.zarr", root / f"{version}.zarr")
        for entry in entries.glob("*.yaml"):
            entry.unlink()
        (entries / "a.yaml").write_text(f"title: A, version {version}\nsource: ../{version}.zarr\n")
        (entries / f"{other}.yaml").write_text(f"title: B\nmetadata: {{tissue: part {version}}}\n")
        site = root / f"site{version}"
        report = build_site(load_config(root / "site_config.yaml"), site, jobs=1)
        assert (report.records, bool(report.bytes_by_kind.get("views"))) == (2, True)
        without_viewer(site)
        made.append(site)
    return made[0], made[1]


def without_viewer(site: Path) -> None:
    """Make the viewer's scripts short: nine of ten bytes, which each test would send again."""
    for path in (site / "assets" / "vitessce").rglob("*"):
        if path.is_file():
            path.unlink()  # it may be the same file elsewhere
            path.write_text(f"{path.name}\n" * 100)


def kill_at(what: str, moment: int, site: Path, target: str) -> None:
    """Publish in another process, which is killed when so many are done; -1 is when all are."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom portal.publishing import publish_site\n"
        "what, moment, site, target = sys.argv[1:]\n"
        "def say(now, done, total):\n"
        "    if now == what and int(moment) in (done, done - total - 1):\n"
        "        os.kill(os.getpid(), 9)\n"
        "publish_site(Path(site), target, progress=say)\n"
    )
    arguments = [sys.executable, "-c", code, what, str(moment), str(site), target]
    killed = subprocess.run(arguments, check=False, timeout=120, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()


# -- what a site consists of ---------------------------------------------------------------------


class TestPlan:
    def test_what_pages_name_comes_first_and_build_json_last(
        self, sites: tuple[Path, Path]
    ) -> None:
        order = stages(site_files(sites[0]))
        assert order[-1] == ["build.json"]
        place = {name: k for k, names in enumerate(order) for name in names}
        named = [n for n in place if n.startswith(("assets/", "search/")) or n.endswith(".webp")]
        assert {place[n] for n in named} == {0}
        chunk, metadata = "data/a/a.zarr/images/ihc/s0/c/0/0/0", "data/a/a.zarr/zarr.json"
        assert place[chunk] < place[metadata] < place["datasets/a/index.html"]
        assert place["datasets/a/index.html"] < place["docs/using/index.html"]
        assert place["docs/using/index.html"] < place["catalog/catalog.parquet"]
        assert place["catalog/catalog.parquet"] < place["browse/index.html"]
        assert place["browse/index.html"] == place["index.html"] == place["404.html"]

    def test_names_that_are_made_from_the_content(self, sites: tuple[Path, Path]) -> None:
        first, second = (site_files(site) for site in sites)
        hashed = {n for n in first if is_hashed(n)}
        for start in ("assets/brand-", "assets/vitessce/", "assets/javascripts/", "search/facets-"):
            assert any(n.startswith(start) for n in hashed), start
        for start in ("search/text/", "search/cards/", "datasets/a/picture-", "data/a/view-"):
            assert any(n.startswith(start) for n in hashed), start
        for name in ("index.html", "catalog/catalog.parquet", "assets/images/portal.svg"):
            assert name in first
            assert name not in hashed
        assert not any(n.startswith("data/a/a.zarr/") for n in hashed)
        for name in hashed & second.keys():
            assert (sites[0] / name).read_bytes() == (sites[1] / name).read_bytes()

    def test_a_folder_without_build_json_is_no_site(self, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("x")
        with pytest.raises(UsageError, match=r"no build\.json.*portal build"):
            publish_site(tmp_path, str(tmp_path.with_name("out")))

    def test_links_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "build.json").write_text("{}")
        (tmp_path / "secret.txt").symlink_to("/etc/hostname")
        with pytest.raises(UsageError, match="secret"):
            publish_site(tmp_path, str(tmp_path.with_name("out")))

    @pytest.mark.parametrize("target", ["", "gs://bucket/x", "https://example.org/", "s3://"])
    def test_what_is_no_target(self, sites: tuple[Path, Path], target: str) -> None:
        with pytest.raises(UsageError, match="s3://bucket/prefix"):
            publish_site(sites[0], target)

    def test_a_site_that_is_being_built_is_not_published(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        with (sites[0].with_name(".site1.lock")).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(BuildError, match="A build is at work"):
                publish_site(sites[0], str(tmp_path / "web"))


# -- a folder ------------------------------------------------------------------------------------


class TestFolder:
    def test_is_the_site(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        target = tmp_path / "www" / "web"
        report = publish_site(sites[0], str(target))
        assert tree(target) == tree(sites[0])
        assert list(report.plan.added) == sorted(tree(sites[0]))
        assert report.bytes == sum(len(b) for b in tree(sites[0]).values())
        assert sorted(p.name for p in target.parent.iterdir()) == [".web.lock", "web"]

    def test_again_changes_nothing(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], target.as_uri())
        before = target.stat().st_ino
        report = publish_site(sites[0], target.as_uri())
        assert (report.plan.sent, report.bytes) == ({}, 0)
        assert len(report.plan.unchanged) == len(tree(sites[0]))
        assert target.stat().st_ino == before

    def test_another_version_keeps_what_open_pages_read(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], str(target))
        (target / ".well-known").mkdir()
        (target / ".well-known" / "mine").write_text("x")
        report = publish_site(sites[1], str(target))
        old, new, now = tree(sites[0]), tree(sites[1]), tree(target)
        assert now == {**old, **new, ".well-known/mine": b"x"}
        assert report.plan.removed == {}
        assert set(report.plan.kept) == (old.keys() - new.keys()) | {".well-known/mine"}
        assert any(n.startswith("data/a/view-") for n in report.plan.kept)

    def test_delete_leaves_the_site_alone(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], str(target))
        report = publish_site(sites[1], str(target), delete=True)
        assert tree(target) == tree(sites[1])
        assert set(report.plan.removed) == tree(sites[0]).keys() - tree(sites[1]).keys()

    def test_unchanged_files_are_not_written_again(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], str(target))
        before = {n: (target / n).stat() for n in tree(target)}
        report = publish_site(sites[1], str(target))
        for name in (*report.plan.unchanged, *report.plan.kept):
            now = (target / name).stat()
            assert (now.st_ino, now.st_mtime_ns) == (before[name].st_ino, before[name].st_mtime_ns)
        assert report.plan.changed
        for name in report.plan.sent:  # and no file of the build is shared with the web server
            assert (target / name).stat().st_ino != (sites[1] / name).stat().st_ino

    def test_a_dry_run_writes_nothing(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        target = tmp_path / "web"
        assert publish_site(sites[0], str(target), dry_run=True).plan.added
        assert list(tmp_path.iterdir()) == []
        publish_site(sites[0], str(target))
        before = target.stat().st_ino
        told = publish_site(sites[1], str(target), dry_run=True, delete=True).plan
        assert target.stat().st_ino == before
        assert told == publish_site(sites[1], str(target), delete=True).plan

    def test_where_the_new_site_has_a_folder_an_old_file_gives_way(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        target = tmp_path / "web"
        target.mkdir()
        (target / "build.json").write_text("{}")
        (target / "docs").write_text("a file")
        (target / "index.html").mkdir()
        (target / "index.html" / "x").write_text("below a file")
        report = publish_site(sites[0], str(target))
        assert set(report.plan.removed) == {"docs", "index.html/x"}
        assert tree(target) == tree(sites[0])

    def test_what_is_no_site_is_not_replaced(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(UsageError, match=r"not empty.*build\.json"):
            publish_site(sites[0], str(tmp_path))
        with pytest.raises(UsageError, match="is a file"):
            publish_site(sites[0], str(tmp_path / "thesis.tex"))
        (tmp_path / "empty").mkdir()
        publish_site(sites[0], str(tmp_path / "empty"))
        assert (tmp_path / "thesis.tex").read_text() == "years of work"

    def test_the_site_itself_is_no_target(self, sites: tuple[Path, Path]) -> None:
        for target in (sites[0], sites[0] / "web", sites[0].parent):
            with pytest.raises(UsageError, match="lie in each other"):
                publish_site(sites[0], str(target))

    def test_two_at_once_are_refused(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        with (tmp_path / ".web.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(BuildError, match="Another build or publishing is at work"):
                publish_site(sites[0], str(tmp_path / "web"))

    @pytest.mark.parametrize("moment", [0, 1, 40, 150, -2, -1])
    def test_killed_the_old_site_is_whole_and_the_next_time_heals(
        self, sites: tuple[Path, Path], tmp_path: Path, moment: int
    ) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], str(target))
        kill_at("Writing files", moment, sites[1], str(target))
        assert tree(target) == tree(sites[0])
        publish_site(sites[1], str(target), delete=True)
        assert tree(target) == tree(sites[1])
        assert sorted(p.name for p in tmp_path.iterdir()) == [".web.lock", "web"]

    def test_a_crash_between_two_renames_is_mended(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], str(target))
        target.rename(tmp_path / ".web.old")
        report = publish_site(sites[0], str(target))
        assert report.plan.sent == {}
        assert tree(target) == tree(sites[0])

    def test_visitors_always_find_a_page(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        target = tmp_path / "web"
        publish_site(sites[0], str(target))
        missing, stop = [], threading.Event()

        def visit() -> None:
            while not stop.is_set():
                if not (target / "index.html").is_file():
                    missing.append(1)

        visitor = threading.Thread(target=visit)
        visitor.start()
        try:
            for site in (*sites, *sites):
                publish_site(site, str(target))
        finally:
            stop.set()
            visitor.join()
        assert missing == []

    def test_a_full_disk_leaves_the_old_site_whole(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        # Both sites, which share few pages, fit beside each other.
        room = 2 * sum(4096 * (1 + len(b) // 4096) for b in tree(sites[0]).values()) + 2_000_000
        mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "none", str(disk)]
        try:
            mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
        except OSError as e:
            pytest.skip(f"no small disk to fill: {e}")
        if mounted.returncode:
            pytest.skip(f"no small disk to fill: {mounted.stderr.strip()}")
        try:
            target = disk / "web"
            publish_site(sites[0], str(target))
            (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 200_000))
            with pytest.raises(BuildError, match=r"No space left on device.*untouched"):
                publish_site(sites[1], str(target))
            assert tree(target) == tree(sites[0])
            (disk / "ballast").unlink()
            publish_site(sites[1], str(target), delete=True)
            assert tree(target) == tree(sites[1])
            with pytest.raises(UsageError, match="is a mount"):
                publish_site(sites[1], str(disk))
        finally:
            subprocess.run(["umount", str(disk)], check=True)


class TestNginx:
    """A folder target behind nginx, with the settings that the guide gives."""

    @pytest.fixture(scope="class")
    def address(
        self, sites: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[str]:
        folder = tmp_path_factory.mktemp("nginx")
        publish_site(sites[0], str(folder / "web"))
        shutil.copytree(
            assets_dir() / "vitessce", folder / "web" / "assets" / "vitessce", dirs_exist_ok=True
        )
        guide = (docs_dir() / "docs" / "maintainers.md").read_text("utf-8")
        settings = re.search(r"```nginx\n(.*?)```", guide, re.DOTALL)
        assert settings
        with run_nginx(folder, folder / "web", settings[1]) as address:
            yield address

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("", "text/html; charset=utf-8"),
            ("datasets/a/artifact.json", "application/json"),
            ("catalog/catalog.parquet", "application/vnd.apache.parquet"),
            ("catalog/catalog.ndjson", "application/x-ndjson"),
            ("catalog/catalog.csv", "text/csv"),
            ("data/a/a.zarr/zarr.json", "application/json"),
            ("data/a/a.zarr/images/ihc/s0/c/0/0/0", "application/octet-stream"),
            ("assets/images/portal.svg", "image/svg+xml"),
        ],
    )
    def test_types(self, address: str, name: str, kind: str) -> None:
        status, headers, _ = get(address + name)
        assert (status, headers["content-type"]) == (200, kind)

    def test_every_name_made_from_the_content_may_be_kept(
        self, address: str, sites: tuple[Path, Path]
    ) -> None:
        names = site_files(sites[0])
        some = {Path(n).parent: n for n in names}  # one of each folder
        for name in (*some.values(), "index.html", "build.json"):
            kept = get(address + name)[1]["cache-control"] != "no-cache"
            assert kept == is_hashed(name), name

    def test_ranges(self, address: str, sites: tuple[Path, Path]) -> None:
        name = "data/a/a.zarr/images/ihc/s0/c/0/0/0"
        status, headers, body = get(address + name, Range="bytes=10-19", Accept_Encoding="gzip")
        assert (status, body) == (206, (sites[0] / name).read_bytes()[10:20])
        assert headers["content-range"].startswith("bytes 10-19/")
        assert "content-encoding" not in headers

    def test_compression(self, address: str, sites: tuple[Path, Path]) -> None:
        _, headers, body = get(address, Accept_Encoding="gzip")
        assert headers["content-encoding"] == "gzip"
        assert gzip.decompress(body) == (sites[0] / "index.html").read_bytes()
        _, headers, _ = get(address + "catalog/catalog.parquet", Accept_Encoding="gzip")
        assert "content-encoding" not in headers

    def test_what_is_missing_shows_the_sites_page(
        self, address: str, sites: tuple[Path, Path]
    ) -> None:
        for name in ("nothing", "datasets/nothing/", "data/a/nothing"):
            status, _, body = get(address + name)
            assert (status, body) == (404, (sites[0] / "404.html").read_bytes())

    @pytest.mark.browser
    def test_visitors_find_an_artifact_and_open_its_view(
        self, address: str, browser: Browser
    ) -> None:
        watched = watch(browser, address)
        page = watched.page
        page.goto(f"{address}browse/?q=version")
        page.locator(".p-card", has_text="A, version 1").locator("a").first.click()
        page.wait_for_url("**/datasets/a/")
        page.get_by_role("button", name="Open interactive view").click()
        watched.drawn()
        assert watched.faults() == []


# -- S3 ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    pytest.importorskip("obstore", reason="needs the extra `remote`")
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def running_proxy(s3: S3Server) -> Iterator[Proxy]:
    proxy = Proxy(s3.port)
    yield proxy
    proxy.server.shutdown()
    proxy.server.server_close()


@pytest.fixture
def proxy(running_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The way to the server, with the environment that leads to it; retries don't wait long."""
    running_proxy.reset()
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_proxy.address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr(publish_s3, "BACKOFF", timedelta(milliseconds=5))
    return running_proxy


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> Bucket:
    return Bucket(s3, f"my/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]}")


class TestS3:
    def test_holds_the_site(self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket) -> None:
        report = publish_site(sites[0], bucket.target)
        assert bucket.tree() == tree(sites[0])
        assert list(report.plan.added) == sorted(tree(sites[0]))

    def test_types_and_how_long_files_may_be_kept(
        self, tmp_path: Path, proxy: Proxy, bucket: Bucket
    ) -> None:
        keep, ask = "public, max-age=31536000, immutable", "no-cache"
        text = "; charset=utf-8"
        expected = {
            "index.html": (f"text/html{text}", ask, True),
            "404.html": (f"text/html{text}", ask, True),
            "sitemap.xml": (f"application/xml{text}", ask, True),
            "robots.txt": (f"text/plain{text}", ask, True),
            "assets/page-G45T6IP4.js": (f"text/javascript{text}", keep, True),
            "assets/page-G45T6IP5.mjs": (f"text/javascript{text}", keep, True),
            "assets/portal-6772f502.css": (f"text/css{text}", keep, True),
            "assets/stylesheets/main.57a0d79d.min.css": (f"text/css{text}", keep, True),
            "assets/zstd-DoGJTjDa-DYMGWPXE.wasm": ("application/wasm", keep, False),
            "assets/font-6772f502.woff2": ("font/woff2", keep, False),
            "assets/images/portal.svg": (f"image/svg+xml{text}", ask, True),
            "search/facets-36781502.bin": ("application/octet-stream", keep, False),
            "search/cards/0-fa65ee57.json": (f"application/json{text}", keep, True),
            "datasets/a/index.html": (f"text/html{text}", ask, True),
            "datasets/a/artifact.json": (f"application/json{text}", ask, False),
            "datasets/a/vitessce.json": (f"application/json{text}", ask, True),
            "datasets/a/picture-320-cf807637.webp": ("image/webp", keep, False),
            "catalog/catalog.csv": (f"text/csv{text}", ask, False),
            "catalog/catalog.ndjson": (f"application/x-ndjson{text}", ask, False),
            "catalog/catalog.parquet": ("application/vnd.apache.parquet", ask, False),
            "data/a/a.zarr.zip": ("application/zip", ask, False),
            "data/a/a.zarr/zarr.json": (f"application/json{text}", ask, False),
            "data/a/a.zarr/.zattrs": ("application/json", ask, False),
            "data/a/a.zarr/c/0/0": ("application/octet-stream", ask, False),
            "data/a/a.zarr/0.0.0": ("application/octet-stream", ask, False),
            "data/a/view-1bccffdde2d4c27d.zarr/zarr.json": (f"application/json{text}", keep, False),
            "data/a/view-1bccffdde2d4c27d.zarr/c/0": ("application/octet-stream", keep, False),
            "build.json": (f"application/json{text}", ask, False),
        }
        for name in expected:
            path = tmp_path / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"words that repeat " * 1000)
        publish_site(tmp_path / "site", bucket.target)
        for name, told in expected.items():
            headers, body = bucket.get(name)
            packed = headers.get("content-encoding") == "gzip"
            assert (headers["content-type"], headers["cache-control"], packed) == told, name
            assert body == b"words that repeat " * 1000

    def test_text_that_compression_does_not_help_stays_as_it_is(
        self, tmp_path: Path, proxy: Proxy, bucket: Bucket
    ) -> None:
        (tmp_path / "build.json").write_text("{}")
        (tmp_path / "a.html").write_bytes(os.urandom(5000))
        publish_site(tmp_path, bucket.target)
        assert "content-encoding" not in bucket.get("a.html")[0]

    def test_again_sends_nothing(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket
    ) -> None:
        publish_site(sites[0], bucket.target)
        proxy.reset()
        report = publish_site(sites[0], bucket.target)
        assert report.plan.sent == {}
        assert {method for method, _ in proxy.seen} == {"GET"}
        assert len(proxy.seen) <= 2  # the listing, a thousand names at a time

    def test_only_what_changed_is_sent_in_the_order_of_the_stages(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket
    ) -> None:
        publish_site(sites[0], bucket.target)
        proxy.reset()
        report = publish_site(sites[1], bucket.target)
        old, new = tree(sites[0]), tree(sites[1])
        changed = {n for n in new if old.get(n) != new[n]}
        sent = [n.removeprefix(f"{bucket.prefix}/") for n in proxy.names("PUT")]
        assert sorted(sent) == sorted(changed) == sorted(report.plan.sent)
        assert report.plan.unchanged
        place = {n: k for k, names in enumerate(stages(sent)) for n in names}
        assert [place[n] for n in sent] == sorted(place.values())
        assert sent[-1] == "build.json"
        assert bucket.tree() == {**old, **new}
        assert proxy.names("DELETE") == proxy.names("POST") == []

    def test_delete_comes_after_everything_and_takes_pages_first(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket
    ) -> None:
        publish_site(sites[0], bucket.target)
        proxy.reset()
        report = publish_site(sites[1], bucket.target, delete=True)
        assert bucket.tree() == tree(sites[1])
        assert set(report.plan.removed) == tree(sites[0]).keys() - tree(sites[1]).keys()
        methods = [method for method, _ in proxy.seen if method in ("PUT", "POST", "DELETE")]
        assert methods.index("POST") > max(i for i, m in enumerate(methods) if m == "PUT")

    def test_a_dry_run_writes_nothing(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket
    ) -> None:
        publish_site(sites[0], bucket.target)
        before = bucket.listing()
        proxy.reset()
        told = publish_site(sites[1], bucket.target, dry_run=True, delete=True).plan
        assert {method for method, _ in proxy.seen} == {"GET"}
        assert bucket.listing() == before
        assert told == publish_site(sites[1], bucket.target, delete=True).plan

    def test_a_file_in_parts_is_known_by_its_digest(
        self,
        tmp_path: Path,
        proxy: Proxy,
        bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(publish_s3, "PART_BYTES", 5 * 2**20)
        (tmp_path / "build.json").write_text("{}")
        large = tmp_path / "data" / "a" / "large.parquet"
        large.parent.mkdir(parents=True)
        large.write_bytes(os.urandom(12 * 2**20))
        publish_site(tmp_path, bucket.target)
        assert re.search(r'-3"?$', bucket.listing()["data/a/large.parquet"][1])
        assert bucket.get("data/a/large.parquet")[1] == large.read_bytes()
        proxy.reset()
        assert publish_site(tmp_path, bucket.target).plan.sent == {}
        assert len(proxy.names("HEAD")) == 1
        large.write_bytes(os.urandom(12 * 2**20))  # the same size
        assert list(publish_site(tmp_path, bucket.target).plan.changed) == ["data/a/large.parquet"]
        assert bucket.get("data/a/large.parquet")[1] == large.read_bytes()

    def test_something_elses_home_page_is_not_replaced(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket, tmp_path: Path
    ) -> None:
        (tmp_path / "build.json").write_text("{}")
        (tmp_path / "index.html").write_text("another site")
        (tmp_path / "work.html").write_text("somebody's work")
        proxy.fault = lambda method, name, n: 403 if name.endswith("build.json") else ""
        with pytest.raises(BuildError, match="403"):
            publish_site(tmp_path, bucket.target)
        proxy.fault = lambda method, name, n: ""
        with pytest.raises(UsageError, match=r"index\.html of something else"):
            publish_site(sites[0], bucket.target)
        with pytest.raises(UsageError, match="nothing is deleted"):
            publish_site(sites[0], bucket.target, delete=True)
        assert bucket.tree() == {"index.html": b"another site", "work.html": b"somebody's work"}


# -- while it is published -----------------------------------------------------------------------


class TestWhilePublishing:
    def test_every_page_finds_what_it_names_after_every_single_file(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket
    ) -> None:
        publish_site(sites[0], bucket.target)
        views: dict[str, set[str]] = {}
        for name in [*site_files(sites[0]), *site_files(sites[1])]:
            if m := re.match(r"data/[^/]+/(view-\w+\.zarr)/", name):
                views.setdefault(m[1], set()).add(name)
        assert len(views) == 2
        needs: dict[tuple[str, str], set[str]] = {}
        missing: list[tuple[str, str, str]] = []
        checks = 0

        def check(written: str) -> None:
            nonlocal checks
            checks += 1
            there = bucket.listing()
            for name, (_, tag) in there.items():
                if (name, tag) not in needs:
                    needs[name, tag] = needed(name)
                for need in needs[name, tag]:
                    found = need in there or any(n.startswith(f"{need}/") for n in there)
                    if not found:
                        missing.append((written, name, need))

        def needed(name: str) -> set[str]:
            if name.endswith(".html") and name != "404.html":
                found = named(name, bucket.get(name)[1].decode())
                indexes = [n for n in found if n.startswith("search/facets-")]
                return found.union(*(index_parts(bucket.get(n)[1]) for n in indexes))
            if name.endswith("vitessce.json"):
                config = bucket.get(name)[1].decode()
                return {n for store, names in views.items() if store in config for n in names}
            return set()

        proxy.reset()
        proxy.after = check
        publish_site(sites[1], bucket.target)
        assert missing == []
        assert checks == len(proxy.names("PUT")) > 50
        pages = {n for n, tag in needs if n.endswith(".html") and needs[n, tag]}
        assert {"index.html", "browse/index.html", "datasets/a/index.html"} <= pages
        indexes = {n for need in needs.values() for n in need if n.startswith("search/text/")}
        assert len(indexes) >= 2
        assert sum(1 for n, tag in needs if n == "datasets/a/vitessce.json") == 2
        assert all(needs[n, tag] for n, tag in needs if n == "datasets/a/vitessce.json")

    def test_the_check_sees_what_the_wrong_order_breaks(
        self,
        sites: tuple[Path, Path],
        proxy: Proxy,
        bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        publish_site(sites[0], bucket.target)
        monkeypatch.setattr(publish_s3, "stages", lambda names: [sorted(names, reverse=True)])
        broken = []

        def check(written: str) -> None:
            name = written.removeprefix(f"{bucket.prefix}/")
            if name.endswith(".html"):
                there = bucket.listing()
                broken.extend(
                    n for n in named(name, bucket.get(name)[1].decode()) if n not in there
                )

        proxy.after = check
        publish_site(sites[1], bucket.target)
        assert any(n.startswith("assets/brand-") for n in broken)

    @pytest.mark.parametrize("moment", [1, 10, 25, 60, -2])
    def test_killed_publishing_again_goes_on_from_there(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket, moment: int
    ) -> None:
        publish_site(sites[0], bucket.target)
        kill_at("Sending files", moment, sites[1], bucket.target)
        report = publish_site(sites[1], bucket.target)
        old, new = tree(sites[0]), tree(sites[1])
        assert bucket.tree() == {**old, **new}
        assert "build.json" in report.plan.sent
        changed = sum(old.get(n) != new[n] for n in new)
        assert len(report.plan.sent) <= (changed - moment if moment > 0 else 1)

    def test_a_first_publishing_that_was_killed_goes_on_too(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket
    ) -> None:
        kill_at("Sending files", 90, sites[0], bucket.target)
        assert "build.json" not in bucket.listing()
        report = publish_site(sites[0], bucket.target)
        assert len(report.plan.unchanged) >= 90
        assert bucket.tree() == tree(sites[0])


# -- faults --------------------------------------------------------------------------------------


class TestFaults:
    @pytest.mark.parametrize("fault", [500, 503, 429, "close", "lost"])
    def test_what_passes_is_tried_again(
        self, sites: tuple[Path, Path], proxy: Proxy, bucket: Bucket, fault: int | str
    ) -> None:
        """Every request fails at first, every seventh file once more."""
        proxy.fault = lambda method, name, n: fault if n <= 1 + (len(name) % 7 == 0) else ""
        publish_site(sites[0], bucket.target)
        proxy.reset()
        assert bucket.tree() == tree(sites[0])
        assert publish_site(sites[0], bucket.target).plan.sent == {}

    def test_a_server_that_hangs_is_asked_again(
        self,
        sites: tuple[Path, Path],
        proxy: Proxy,
        bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(publish_s3, "TIMEOUT", timedelta(seconds=2))
        proxy.delay = 4
        slow = {f"{bucket.prefix}/index.html", f"{bucket.prefix}/build.json"}
        proxy.fault = lambda method, name, n: "slow" if name in slow and n == 1 else ""
        publish_site(sites[0], bucket.target)
        assert [proxy.tries["PUT", name] for name in sorted(slow)] == [2, 2]
        assert bucket.tree() == tree(sites[0])

    @pytest.mark.parametrize(
        ("fault", "what"),
        [
            (500, "kept answering 500 InternalError.*publish again"),
            (429, "kept answering 429 TooManyRequests.*publish again"),
            (403, "refuses it: 403 AccessDenied.*must allow to list, read, write and delete"),
            ("close", "can't be reached.*AWS_ENDPOINT_URL"),
        ],
    )
    def test_what_does_not_pass_ends_with_a_sentence(
        self,
        sites: tuple[Path, Path],
        proxy: Proxy,
        bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
        fault: int | str,
        what: str,
    ) -> None:
        monkeypatch.setattr(publish_s3, "RETRIES", 2)
        broken = f"{bucket.prefix}/datasets/a/index.html"
        proxy.fault = lambda method, name, n: fault if name == broken else ""
        with pytest.raises(BuildError, match=what) as e:
            publish_site(sites[0], bucket.target)
        assert SECRET not in str(e.value)
        assert KEY not in str(e.value)
        assert e.value.__cause__ is None
        assert "index.html" not in bucket.listing()  # the stage that failed is the last one
        assert proxy.tries["PUT", broken] == (1 if fault == 403 else 3)
        proxy.reset()
        publish_site(sites[0], bucket.target)
        assert bucket.tree() == tree(sites[0])

    def test_nobody_listens(
        self, sites: tuple[Path, Path], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publish_s3, "RETRIES", 1)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(BuildError, match=r"127\.0\.0\.1 can't be reached"):
            publish_site(sites[0], "s3://bucket/x")

    def test_no_such_bucket(self, sites: tuple[Path, Path], proxy: Proxy) -> None:
        with pytest.raises(BuildError, match=r"404 NoSuchBucket.*no such bucket: make it"):
            publish_site(sites[0], "s3://not-there/x")

    @pytest.mark.parametrize(
        ("key", "secret", "what"),
        [
            (KEY, "wrong", "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID"),
            ("AKNOBODY", SECRET, "does not know the key in AWS_ACCESS_KEY_ID"),
            (READER, READER_SECRET, "403 AccessDenied.*must allow to list, read, write"),
        ],
    )
    def test_credentials_that_do_not_do(
        self,
        sites: tuple[Path, Path],
        proxy: Proxy,
        bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
        key: str,
        secret: str,
        what: str,
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        with pytest.raises(BuildError, match=what) as e:
            publish_site(sites[0], bucket.target)
        assert not any(word in str(e.value) for word in (key, secret))

    def test_no_credentials(
        self, sites: tuple[Path, Path], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(UsageError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
            publish_site(sites[0], "s3://bucket/x")
        assert proxy.seen == []

    def test_without_encryption_only_where_it_is_allowed(
        self, sites: tuple[Path, Path], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ALLOW_HTTP")
        with pytest.raises(UsageError, match="AWS_ALLOW_HTTP=true"):
            publish_site(sites[0], "s3://bucket/x")
        assert proxy.seen == []

    def test_credentials_in_the_target_are_refused_and_not_repeated(
        self, sites: tuple[Path, Path], proxy: Proxy
    ) -> None:
        with pytest.raises(UsageError, match="Credentials in the target") as e:
            publish_site(sites[0], f"s3://{KEY}:{SECRET}@bucket/x")
        assert SECRET not in str(e.value)


# -- GitHub Pages --------------------------------------------------------------------------------


class TestPages:
    def test_a_small_site_fits(self, sites: tuple[Path, Path]) -> None:
        report = publish_site(sites[0], "gh-pages")
        assert report.problems == []
        assert "deploy-pages" in publish_pages.NEXT_STEPS

    def test_limits(self, tmp_path: Path) -> None:
        (tmp_path / "build.json").write_text("{}")
        store = tmp_path / "data" / "a" / "a.zarr"
        store.mkdir(parents=True)
        for name, size in (("large", 100_000_001), ("fits", 100_000_000), ("b", 900_000_000)):
            with (store / name).open("wb") as file:
                file.truncate(size)
        for name in (".zattrs", ".zgroup"):
            (store / name).write_text("{}")
        found = {(p.code, p.where) for p in publish_site(tmp_path, "gh-pages").problems}
        assert found == {
            ("pages-site-size", "build.json"),
            ("pages-file-size", "data/a/a.zarr/large"),
            ("pages-file-size", "data/a/a.zarr/b"),
            ("pages-hidden-files", "data/a/a.zarr"),
        }


# -- the command ---------------------------------------------------------------------------------


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "portal", "publish", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


class TestCommand:
    def test_a_dry_run_tells_the_plan(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        done = run("web", "--site", sites[0], "--dry-run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert re.search(rf"added +{len(tree(sites[0])):,} ", done.stdout)
        assert "  404.html\n" in done.stdout
        assert f"and {len(tree(sites[0])) - 20:,} more" in done.stdout
        assert "Nothing was written." in done.stdout
        assert list(tmp_path.iterdir()) == []

    def test_json(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        run("web", "--site", sites[0], cwd=tmp_path)
        done = run("web", "--site", sites[1], "--delete", "--json", cwd=tmp_path)
        told = json.loads(done.stdout)
        assert (told["target"], told["written"], told["kept"]) == ("web", True, [])
        assert set(told["removed"]) == tree(sites[0]).keys() - tree(sites[1]).keys()
        assert told["unchanged"] + len(told["added"] + told["changed"]) == len(tree(sites[1]))
        assert done.stderr == ""

    def test_the_target_of_the_config(self, sites: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        config = tmp_path / "mine" / "site_config.yaml"
        config.write_text("title: x\n")
        done = run("--site", sites[0], "--config", config, cwd=tmp_path)
        assert (done.returncode, "publish.target" in done.stderr) == (2, True)
        config.write_text("title: x\npublish: {target: web}\n")
        done = run("--site", sites[0], "--config", config, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert tree(tmp_path / "mine" / "web") == tree(sites[0])

    def test_pages_over_the_limits_exit_with_1(
        self, sites: tuple[Path, Path], tmp_path: Path
    ) -> None:
        assert run("gh-pages", "--site", sites[0], cwd=tmp_path).returncode == 0
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "build.json").write_text("{}")
        (tmp_path / "site" / ".hidden").write_text("x")
        done = run("gh-pages", cwd=tmp_path)
        assert (done.returncode, "pages-hidden-files" in done.stderr) == (0, True)
        with (tmp_path / "site" / "large").open("wb") as file:
            file.truncate(100_000_001)
        done = run("gh-pages", cwd=tmp_path)
        assert done.returncode == 1
        assert "pages-file-size" in done.stderr

    def test_to_s3_with_nothing_secret_in_what_it_says(
        self, sites: tuple[Path, Path], tmp_path: Path, proxy: Proxy, bucket: Bucket
    ) -> None:
        done = run(bucket.target, "--site", sites[0], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert bucket.target in done.stdout
        assert bucket.tree() == tree(sites[0])
        bad = run("s3://not-there/x", "--site", sites[0], cwd=tmp_path)
        assert bad.returncode == 1
        assert "Traceback" not in bad.stderr
        for said in (done.stdout, done.stderr, bad.stdout, bad.stderr):
            assert SECRET not in said
            assert KEY not in said

    def test_interrupted_it_stops_at_once_even_if_the_server_hangs(
        self, sites: tuple[Path, Path], tmp_path: Path, proxy: Proxy, bucket: Bucket
    ) -> None:
        proxy.delay = 20
        proxy.fault = lambda method, name, n: "slow" if method == "PUT" else ""
        command = [sys.executable, "-m", "portal", "publish", bucket.target, "--site", sites[0]]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            # A shell that starts the tests in the background has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            for _ in range(300):
                if proxy.names("PUT"):
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=10)
        assert (process.returncode, b"Traceback" in said) == (130, False)
