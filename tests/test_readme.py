"""Every command in the README works; its Python runs in `test_docs`."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from portal.config import SiteConfig
from portal.entry import Entry
from portal.resources import docs_dir
from portal.yamlfile import read_yaml
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def handled(command: str) -> bool:
    return command in SEQUENCE or command.startswith(
        ("make ", "pip install", ".venv/bin/portal serve", "UPDATE_GOLDENS", "cd ")
    )


SEQUENCE = ["portal init my-portal", "portal build", "portal serve"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The README's ten lines, run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    for command in SEQUENCE[:2]:
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        folder = folder / "my-portal" if "init" in command else folder
    return folder


def test_no_command_is_left_untested():
    assert [c for c in commands(README) + commands(CONTRIBUTING) if not handled(c)] == []
    assert all(c in commands(README) for c in SEQUENCE)


@pytest.mark.parametrize(
    "command", [c for c in commands(README) + commands(CONTRIBUTING) if c.startswith("make ")]
)
def test_make_knows_its_targets(command):
    done = subprocess.run(
        ["make", "--dry-run", *command.split()[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_extras_that_people_are_told_to_install_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    texts = [README, *(path.read_text("utf-8") for path in docs_dir().rglob("*.md"))]
    named = {e for text in texts for e in re.findall(r"spatialdata-portal\[(\w+)\]", text)}
    assert named == extras.keys() - {"dev", "test"}


def test_the_ten_lines_make_a_portal_that_is_served(made):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "portal", "serve", "--port", str(port)],
        cwd=made,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    assert "My spatial data portal" in answer.read().decode()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        else:
            pytest.fail("portal serve never answered")
    finally:
        process.terminate()
        process.wait()


def test_the_yaml_in_the_readme_is_valid(tmp_path):
    kinds = [Entry if "metadata:" in b else SiteConfig for b in blocks(README, "yaml")]
    assert set(kinds) == {Entry, SiteConfig}
    for model, block in zip(kinds, blocks(README, "yaml"), strict=True):
        path = tmp_path / "block.yaml"
        path.write_text(block)
        value, problems, _ = read_yaml(path, model)
        assert problems == []
        assert value is not None


def test_files_that_the_documents_link_to_exist():
    for text in (README, CONTRIBUTING):
        for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
            assert (ROOT / target).exists(), target
