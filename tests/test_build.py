"""The whole way: what a build makes, what it survives, and what it never touches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal.build import build_site, scan_all
from portal.config import load_config
from portal.errors import BuildError, UsageError
from portal.manifest import read_manifest

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
    return sorted(p.name for p in folder.iterdir() if p.name in (".site.building", ".site.old"))


def test_a_title_and_one_entry_make_a_site(portal):
    report = build(portal)
    assert report.records == 1
    assert [p for p in report.problems if p.severity != "info"] == []
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


@pytest.mark.parametrize(
    "csl",
    [
        "{title: [a]}",
        "{DOI: {a: b}}",
        "{publisher: {}}",
        "{author: null}",
        "{issued: {date-parts: [2020]}}",
        "{issued: {date-parts: [[]]}}",
        "{URL: 'javascript:x'}",
    ],
)
def test_a_broken_citation_never_stops_the_others(portal, csl):
    (portal / "data_manifest" / "b.yaml").write_text(f"title: B\ncitation: {{csl: {csl}}}\n")
    config = load_config(portal / "site_config.yaml")
    manifest = read_manifest(config)
    artifacts = scan_all(manifest, config, lambda *_: None)
    assert "a" in {a.record.id for a in artifacts}


@pytest.mark.parametrize("status", ["{status: withdrawn, reason: wrong}", "{status: announced}"])
def test_what_is_not_offered_is_not_told(portal, status, local_stores):
    store = local_stores / "ihc-spots.zarr"
    (portal / "site_config.yaml").write_text(
        f"title: Small\nsource_roots: ['{local_stores}']\ndata: {{publish: copy}}\n"
    )
    (portal / "data_manifest" / "a.yaml").write_text(
        f"title: A\nsource: '{store}'\nurl: https://secret.example.org/a.zarr\n"
        f"versions: [{{version: '1', url: 'https://secret.example.org/b.zarr'}}]\n"
        + status.strip("{}").replace(", ", "\n")
        + "\n"
    )
    build(portal)
    assert not (portal / "site" / "data").exists()
    told = [n for n, b in tree(portal / "site").items() if b"secret.example.org" in b]
    assert told == []
    record = json.loads((portal / "site/datasets/a/artifact.json").read_text())
    assert record["facts"] is None


def test_copies_and_views_share_files_with_the_cache(portal, local_stores):
    (portal / "site_config.yaml").write_text(
        f"title: Small\nsource_roots: ['{local_stores}']\ndata: {{publish: copy}}\n"
    )
    store = local_stores / "ihc-spots.zarr"
    (portal / "data_manifest" / "a.yaml").write_text(f"title: A\nsource: '{store}'\n")
    build(portal)
    first = tree(portal / "site" / "data")
    listing = json.loads(first["a/files.json"])
    assert sum(f["bytes"] for f in listing["files"]) == listing["bytes"]
    assert all(len(first[f"a/{f['path']}"]) == f["bytes"] for f in listing["files"])
    started = time.monotonic()
    build(portal)
    assert tree(portal / "site" / "data") == first
    assert time.monotonic() - started < 60


def test_a_zip_is_published_scanned_and_drawn_from_a_copy(portal, local_stores):
    (portal / "stores").mkdir()
    shutil.make_archive(str(portal / "stores" / "a.zarr"), "zip", local_stores / "ihc-spots.zarr")
    (portal / "site_config.yaml").write_text("title: Small\ndata: {publish: copy}\n")
    (portal / "data_manifest" / "a.yaml").write_text("title: A\nsource: ../stores/a.zarr.zip\n")
    report = build(portal)
    assert [p.code for p in report.problems if p.severity == "error"] == []
    products = json.loads((portal / "site/datasets/a/artifact.json").read_text())["products"]
    assert products["copy"]["store"] == "data/a/a.zarr.zip"
    assert products["view"]["shows"] == "copy"
    assert products["picture"]


def test_over_the_limit_the_largest_are_left_out_by_name(portal, local_stores):
    (portal / "site_config.yaml").write_text(
        f"title: Small\nsource_roots: ['{local_stores}']\ndata: {{publish: copy}}\n"
        "limits: {site_bytes: 2 MB}\nviewer: {max_store_bytes: 500 kB}\n"
    )
    for name in ("ihc-spots", "retina-fundus"):
        source = local_stores / f"{name}.zarr"
        (portal / "data_manifest" / f"{name}.yaml").write_text(f"title: A\nsource: '{source}'\n")
    report = build(portal)
    assert {p.where for p in report.problems if p.code == "site-full"} == {"retina-fundus"}
    assert (portal / "site/data/ihc-spots/files.json").is_file()
    assert not (portal / "site/data/retina-fundus/files.json").exists()
    data = sum(len(b) for b in tree(portal / "site" / "data").values())
    assert data <= 2_100_000  # files.json come on top


@pytest.mark.parametrize("mode", ["original", "copy", "none"])
def test_the_viewer_mode_is_obeyed(portal, local_stores, mode):
    (portal / "site_config.yaml").write_text(
        f"title: Small\nsource_roots: ['{local_stores}']\ndata: {{publish: copy}}\n"
        f"viewer: {{mode: {mode}}}\n"
    )
    source = local_stores / "retina-fundus.zarr"
    (portal / "data_manifest" / "a.yaml").write_text(f"title: A\nsource: '{source}'\n")
    build(portal)
    view = json.loads((portal / "site/datasets/a/artifact.json").read_text())["products"]["view"]
    expected = {"original": ("original", None), "copy": ("copy", None), "none": (None, "no")}
    shows, reason = expected[mode]
    assert (view["shows"], bool(view["reason"])) == (shows, bool(reason))


def test_a_curators_own_view_names_the_store_by_a_placeholder(portal, local_stores):
    (portal / "site_config.yaml").write_text(f"title: Small\nsource_roots: ['{local_stores}']\n")
    source = local_stores / "ihc-spots.zarr"
    file = "{fileType: spatialdata.zarr, url: '{store}', options: {}}"
    good = f"{{version: 1.0.18, datasets: [{{uid: A, files: [{file}]}}], layout: []}}"
    (portal / "data_manifest" / "a.yaml").write_text(
        f"title: A\nsource: '{source}'\nviews:\n  mine: {good}\n  bad: {{layout: [1]}}\n"
    )
    report = build(portal)
    record = json.loads((portal / "site/datasets/a/artifact.json").read_text())
    assert list(record["products"]["view"]["named"]) == ["mine"]
    config = json.loads((portal / "site/datasets/a/vitessce-mine.json").read_text())
    address = config["datasets"][0]["files"][0]["url"]
    assert (portal / "site/datasets/a" / address / "zarr.json").is_file()
    assert any("a.yaml" in p.where for p in report.problems)


def test_a_wrong_moment_in_the_environment_is_wrong_use(portal, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        build(portal)


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
