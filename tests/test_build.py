"""The whole way: what a build makes, what it survives, and what it never touches."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal.build import build_site
from portal.config import load_config
from portal.errors import BuildError, UsageError

ENTRY = "title: {title}\nmetadata: {{tissue: brain, technology: Visium, organism: mouse}}\n"


@pytest.fixture
def portal(tmp_path):
    """A portal with a title and one entry; returns its folder."""
    (tmp_path / "data_manifest").mkdir()
    (tmp_path / "site_config.yaml").write_text("title: Small\n")
    (tmp_path / "data_manifest" / "a.yaml").write_text(ENTRY.format(title="A"))
    return tmp_path


def build(folder: Path, **options):
    return build_site(load_config(folder / "site_config.yaml"), folder / "site", **options)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".site"))


def test_a_title_and_one_entry_make_a_site(portal):
    report = build(portal)
    assert report.records == 1
    assert report.problems == []
    files = tree(portal / "site")
    for name in (
        "index.html",
        "browse/index.html",
        "datasets/a/index.html",
        "datasets/a/artifact.json",
        "catalog/catalog.parquet",
        "catalog/genes.parquet",
        "collections/index.html",
        "docs/columns/index.html",
        "docs/artifact.schema.json",
        "404.html",
        "robots.txt",
        "build.json",
    ):
        assert name in files, name
    assert sum(report.bytes_by_kind.values()) == sum(len(b) for b in files.values())
    assert leftovers(portal) == []


def test_a_portal_without_entries_builds(portal):
    (portal / "data_manifest" / "a.yaml").unlink()
    assert build(portal).records == 0


def test_the_same_input_makes_the_same_bytes(portal, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    build(portal)
    first = tree(portal / "site")
    shutil.rmtree(portal / "site")
    shutil.rmtree(portal / ".portal")
    build(portal)
    second = tree(portal / "site")
    assert [n for n in first if first[n] != second.get(n)] == []
    assert first.keys() == second.keys()
    assert json.loads(first["build.json"])["built_at"].startswith("2023-11-14T22:13:20")


def test_a_rebuild_drops_what_is_gone(portal):
    (portal / "data_manifest" / "b.yaml").write_text(ENTRY.format(title="B"))
    build(portal)
    (portal / "data_manifest" / "b.yaml").unlink()
    build(portal)
    assert not (portal / "site" / "datasets" / "b").exists()


def test_a_broken_store_never_stops_the_others(portal):
    (portal / "broken.zarr").mkdir()
    (portal / "broken.zarr" / "zarr.json").write_text("{")
    manifest = portal / "data_manifest"
    (manifest / "broken.yaml").write_text("title: B\nsource: ../broken.zarr\n")
    (manifest / "missing.yaml").write_text("title: M\nsource: ../no.zarr\n")
    (manifest / "bad.yaml").write_text("titel: M\n")
    report = build(portal)
    assert report.records == 3
    assert {"source-missing", "unknown-key"} <= {p.code for p in report.problems}
    for id_ in ("a", "broken", "missing"):
        assert (portal / "site" / "datasets" / id_ / "index.html").is_file()
    page = (portal / "site/datasets/missing/index.html").read_text()
    assert "source-missing" in page


def test_strict_replaces_nothing_when_there_are_errors(portal):
    build(portal)
    before = tree(portal / "site")
    (portal / "data_manifest" / "bad.yaml").write_text("titel: M\n")
    report = build(portal, strict=True)
    assert report.pages == 0
    assert report.problems
    assert tree(portal / "site") == before
    assert leftovers(portal) == []


@pytest.mark.parametrize("out", [".", "..", "data_manifest"])
def test_a_folder_that_no_build_made_is_never_replaced(portal, out):
    with pytest.raises(UsageError, match="choose another folder"):
        build_site(load_config(portal / "site_config.yaml"), portal / out)
    assert (portal / "data_manifest" / "a.yaml").is_file()


def test_two_builds_of_one_site_exclude_each_other(portal):
    import fcntl

    with (portal / ".site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BuildError, match="Another build"):
            build(portal)


def command(portal: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "portal",
        "build",
        "--config",
        str(portal / "site_config.yaml"),
        "--out",
        str(portal / "site"),
        *more,
    ]


@pytest.mark.parametrize("seconds", [0.2, 0.6, 1.2, 1.8, 2.4, 3.0])
def test_a_killed_build_leaves_the_last_site_or_the_new_one(portal, seconds):
    build(portal)
    old = tree(portal / "site")
    (portal / "data_manifest" / "b.yaml").write_text(ENTRY.format(title="B"))
    process = subprocess.Popen(
        command(portal), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    now = tree(portal / "site")
    whole = (portal / "site" / "datasets" / "b" / "index.html").is_file()
    assert whole or now == old
    build(portal)
    assert (portal / "site" / "datasets" / "b" / "index.html").is_file()
    assert leftovers(portal) == []


def test_a_full_disk_says_so_and_leaves_the_last_site(portal):
    """On a real file system of two megabytes, in a mount namespace of its own."""
    build(portal)
    script = (
        'mount -t tmpfs -o size=2m tmpfs "$1" && cp -r "$2"/data_manifest "$2"/site_config.yaml "$1"/'
        ' && mkdir "$1/site" && echo old > "$1/site/index.html" && echo "{}" > "$1/site/build.json"'
        ' && cd "$1" && { "$3" -m portal build; echo "exit $?"; cat site/index.html; ls -A; }'
    )
    mount = portal / "small"
    mount.mkdir()
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(mount), str(portal), sys.executable],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    if "exit" not in done.stdout:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()[:200]}")
    assert "exit 1" in done.stdout
    assert "\nold\n" in done.stdout
    assert "No space left on device" in done.stderr
    assert "untouched" in done.stderr
    assert ".site.building" not in done.stdout
