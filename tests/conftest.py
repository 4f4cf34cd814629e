"""What tests share: where the real stores are, and a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
WEBGL = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-gpu-rasterization",
    "--disable-accelerated-2d-canvas",
    "--disable-gpu-compositing",
]


def pytest_make_parametrize_id(val: object, argname: str) -> None:
    """Tests are shared out between processes by their names, so a name may hold nothing that
    comes out otherwise in another process: what is packed holds the time, for one."""
    if isinstance(val, bytes) and not re.fullmatch(rb"[\n -~]*", val):
        raise TypeError(f"{argname}: bytes that are no text name no test; give an id.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A set is in another order in each process."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if isinstance(mark.args[1], set | frozenset):
            raise TypeError(f"{mark.args[0]}: the values are a set; sort it.")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with `stores/` and `spatialdata-db/` of the collection itself."""
    folder = os.environ.get("PORTAL_TEST_DATA")
    if not folder or not (Path(folder) / "stores").is_dir():
        pytest.skip("PORTAL_TEST_DATA names no folder with stores/")
    return Path(folder).resolve()


def find_store(test_data: Path, name: str) -> Path:
    """The one store inside `stores/<name>/`."""
    folder = test_data / "stores" / name
    return next(p for p in sorted(folder.iterdir()) if p.is_dir())


@pytest.fixture(scope="session")
def local_stores() -> Path:
    """The stores of the default collection, made by `make stores`."""
    pytest.importorskip("spatialdata", reason="needs the extra `build`")
    from recipes.default_collection import make

    folder = ROOT / "stores"
    make(folder)
    return folder


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser; its pages are closed after the test, since each goes on drawing."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium that draws WebGL in software."""
    from playwright.sync_api import sync_playwright

    note = ROOT / ".cache" / "browser"
    if not note.is_file():
        pytest.skip("no browser: run `make test`, or tools/browser.sh")
    path = note.read_text().strip()
    with sync_playwright() as p:
        program = None if path == "playwright" else path
        launched = p.chromium.launch(executable_path=program, args=WEBGL)
        yield launched
        launched.close()
