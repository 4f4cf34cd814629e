"""The workflow that `portal init` writes and the one of this repository: safe, and in step."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

OURS = ROOT / ".github" / "workflows" / "portal.yml"
WRITTEN = ROOT / "templates" / "init" / "portal.yml"
BOTH = pytest.mark.parametrize("path", [OURS, WRITTEN], ids=["ours", "written"])


@BOTH
def test_zizmor_has_nothing_to_say(path):
    program = shutil.which("zizmor") or str(Path(sys.executable).with_name("zizmor"))
    if not Path(program).exists():
        pytest.skip("zizmor is not installed: it comes with the extra `dev`")
    done = subprocess.run(
        [program, "--offline", "--quiet", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@BOTH
def test_actions_are_pinned_by_digest_and_jobs_ask_for_their_own_rights(path):
    text = path.read_text("utf-8")
    uses = re.findall(r"uses: (\S+)", text)
    assert uses
    assert [u for u in uses if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", u)] == []
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {}
    for name, job in flow["jobs"].items():
        writes = {k for k, v in job["permissions"].items() if v == "write"}
        assert writes == ({"pages", "id-token"} if name == "publish" else set())
    assert flow["jobs"]["publish"]["concurrency"]["cancel-in-progress"] is False


def test_both_pin_the_same_actions_and_use_commands_that_exist():
    from portal.cli import app

    pins = [set(re.findall(r"uses: (\S+)", p.read_text("utf-8"))) for p in (OURS, WRITTEN)]
    assert pins[0] == pins[1]
    import typer

    known = typer.main.get_command(app).commands
    used = re.findall(r"portal (\w+) (?!init)", WRITTEN.read_text("utf-8"))
    called = {u for u in used if u in known or u not in ("pages", "of")}
    assert {"rehearse", "publish", "scan"} <= called
