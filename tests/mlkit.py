"""The environment for training, `.venv-ml`: another Python, so tests run it as a program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-ml" / "bin" / "python"


def run_in_ml(*arguments: str, **environment: str) -> str:
    """What a program prints in `.venv-ml`; skips where the machine has none."""
    if not PYTHON.is_file():
        pytest.skip("no .venv-ml, which needs Python 3.11: tools/env-ml.sh says what is missing")
    command = [str(PYTHON), "-W", "ignore", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
