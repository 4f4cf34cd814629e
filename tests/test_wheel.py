"""The wheel, installed alone in an environment without Node and without the extras."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

UV = Path(sys.executable).with_name("uv")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not UV.is_file(), reason="needs uv in the environment"),
]


def uv(*arguments: str | Path) -> None:
    done = subprocess.run(
        [str(UV), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def test_it_carries_templates_prose_schema_and_the_front_end(wheel):
    with zipfile.ZipFile(wheel) as z:
        names = set(z.namelist())
    for name in (
        "portal/assets/manifest.json",
        "portal/data/ontologies/overlay.yaml",
        "portal/data/ontologies/terms.parquet",
        "portal/data/schemas/minimal.yaml",
        "portal/data/schemas/spatialdata-db.yaml",
        "portal/data/genes/genes.parquet",
        "portal/docs/about.md",
        "portal/templates/init/site_config.yaml",
    ):
        assert name in names, name
    assert any(n.startswith("portal/assets/vitessce/") for n in names)
    assert not [n for n in names if n.startswith(("tests/", "frontend/", "recipes/"))]
    assert wheel.stat().st_size < 12_000_000


@pytest.mark.parametrize("version", ["3.11", sys.executable])
def test_the_core_builds_a_portal_on_its_own(wheel, tmp_path, version):
    venv = tmp_path / "venv"
    made = subprocess.run(
        [str(UV), "venv", "--quiet", "--python", version, str(venv)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no Python {version} on this machine")
    uv("pip", "install", "--quiet", "--python", venv / "bin/python", wheel)
    portal = venv / "bin/portal"
    for command in (["init", "mine"], ["build"], ["describe", "example"]):
        done = subprocess.run(
            [str(portal), *command],
            cwd=tmp_path if command[0] == "init" else tmp_path / "mine",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    page = tmp_path / "mine/site/datasets/example/index.html"
    assert "An example artifact" in page.read_text()
    listed = subprocess.run(
        [
            str(venv / "bin/python"),
            "-c",
            "import importlib.util as u; print(u.find_spec('spatialdata'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.strip() == "None"
