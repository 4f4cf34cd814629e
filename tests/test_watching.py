"""Building again while somebody edits."""

from __future__ import annotations

import threading
import time

import pytest

from portal.config import load_config
from portal.errors import PortalError
from portal.watching import watch


@pytest.fixture
def watched(tmp_path):
    """A portal that is watched; `built` has a text for each build, `wait` waits for the next."""
    (tmp_path / "data_manifest").mkdir()
    (tmp_path / "site_config.yaml").write_text("title: One\n")
    built, failed, on = [], [], [True]

    def build():
        built.append(load_config(tmp_path / "site_config.yaml").title)

    thread = threading.Thread(
        target=watch,
        args=(tmp_path / "site_config.yaml", build, failed.append),
        kwargs={"keep_on": lambda: on[0]},
    )
    thread.start()

    def wait(things, n):
        until = time.monotonic() + 20
        while len(things) < n and time.monotonic() < until:
            time.sleep(0.05)
        assert len(things) == n

    yield tmp_path, built, failed, wait
    on[0] = False
    thread.join()


def test_each_change_builds_once_and_a_failure_waits_for_the_next(watched):
    root, built, failed, wait = watched
    wait(built, 1)
    (root / "data_manifest" / "a.yaml").write_text("title: A\n")
    wait(built, 2)
    (root / "site_config.yaml").write_text("titel: broken\n")
    wait(failed, 1)
    assert isinstance(failed[0], PortalError)
    (root / "site_config.yaml").write_text("title: Two\n")
    wait(built, 3)
    time.sleep(1.2)
    assert built == ["One", "One", "Two"]
