"""The commands, run as people run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from portal.cli import app

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_init_build_and_describe_are_a_portal(tmp_path):
    done = run("init", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".github/workflows/portal.yml").is_file()
    done = run("build", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 artifacts" in done.stdout
    done = run("describe", "example", cwd=tmp_path)
    assert "Mus musculus NCBITaxon:10090" in done.stdout


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "site_config.yaml").write_text("title: mine\n")
    done = run("init", cwd=tmp_path)
    assert done.returncode == 2
    assert "Nothing was written" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site_config.yaml"]


def test_json_is_json_and_progress_goes_elsewhere(tmp_path):
    run("init", ".", cwd=tmp_path)
    done = run("build", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert report["records"] == 1
    assert report["problems"] == []
    described = json.loads(run("describe", "example", "--json", cwd=tmp_path).stdout)
    assert described["id"] == "example"


def test_strict_exits_with_1_where_there_are_errors(tmp_path):
    run("init", ".", cwd=tmp_path)
    (tmp_path / "data_manifest" / "bad.yaml").write_text("titel: x\n")
    relaxed = run("build", cwd=tmp_path)
    assert relaxed.returncode == 0
    assert "data_manifest/bad.yaml:1: error [unknown-key]" in relaxed.stderr
    assert run("build", "--strict", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["bild"],
        ["build", "--no-such-option"],
        ["describe"],
        ["describe", "../x"],
        ["describe", "nothing"],
        ["scan", "nothing.zarr"],
        ["serve", "nothing"],
        ["import", "spatialdata-db"],
    ],
)
def test_wrong_use_exits_with_2_and_a_sentence(tmp_path, arguments):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_missing_config_says_what_to_do(tmp_path):
    done = run("build", cwd=tmp_path)
    assert done.returncode == 1
    assert "portal init" in done.stderr


def test_describe_suggests_an_id(tmp_path):
    run("init", ".", cwd=tmp_path)
    done = run("describe", "exmaple", cwd=tmp_path)
    assert "'example'" in done.stderr


def test_scan_of_a_store_tells_its_elements(tmp_path, local_stores):
    store = str(local_stores / "ihc-nuclei.zarr")
    done = run("scan", store, "--json", cwd=tmp_path)
    (facts,) = json.loads(done.stdout)["stores"].values()
    assert {e["kind"] for e in facts["elements"]} == {"images", "labels", "tables"}
    assert "1 images" in run("scan", store, cwd=tmp_path).stdout


def test_every_command_and_option_is_documented():
    from portal.resources import docs_dir

    prose = [ROOT / "README.md", *docs_dir().rglob("*.md")]
    text = "".join(p.read_text("utf-8") for p in prose)
    missing = []
    for name, command in typer.main.get_command(app).commands.items():
        group = getattr(command, "commands", {"": command})
        for sub, leaf in group.items():
            full = f"portal {name} {sub}".strip()
            if full not in text:
                missing.append(full)
            missing += [
                f"{full} {o}"
                for p in leaf.params
                for o in p.opts
                if o.startswith("--") and o != "--help" and o not in text
            ]
    assert missing == []


def test_importing_the_package_and_its_command_line_stays_light():
    heavy = ["spatialdata", "anndata", "dask", "zarr", "pyarrow", "vitessce", "mkdocs", "skimage"]
    code = f"import sys, portal, portal.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
