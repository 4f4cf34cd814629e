"""Views from the published site: whole and as listed, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.config import Remote
from portal.published import content_digest, fetch_view, is_published, listing
from tests.faultyserver import Server, serving

NAME = "0123456789abcdef"
NEAR = Remote(allow_private=True, timeout=5)
FILES = {"zarr.json": b"{}", "images/he ü/0/c/0": b"pixels", "X/zarr.json": b'{"a": 1}'}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site") as running:
        yield running


@pytest.fixture
def data(server: Server) -> Path:
    """The folder of an artifact on the published site, with a view store and its list."""
    folder = server.root / "data" / "a"
    for name, content in FILES.items():
        file = folder / "view.zarr" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    digest = content_digest(folder / "view.zarr")
    told = {"digest": digest, "hints": {"images": {}}, "left_out": ["z"], "coordinate_system": None}
    (folder / f"view-{NAME}.json").write_text(listing(folder / "view.zarr", told))
    (folder / "view.zarr").rename(folder / f"view-{digest}.zarr")
    return folder


def fetched(server: Server, folder: Path, max_bytes: int = 1000) -> bool:
    folder.mkdir()
    return fetch_view(server.url, "a", NAME, folder, max_bytes, NEAR)


def test_what_is_published_is_taken(server: Server, data: Path, tmp_path: Path) -> None:
    assert fetched(server, tmp_path / "kept")
    store = tmp_path / "kept" / "view.zarr"
    assert {n: (store / n).read_bytes() for n in FILES} == FILES
    told = json.loads((tmp_path / "kept" / "view.json").read_text())
    assert told["hints"] == {"images": {}}
    assert (told["files"], told["bytes"]) == (3, sum(map(len, FILES.values())))
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"files": {**dict.fromkeys(FILES, 2), "../../../escaped": 2}},
        {"files": {**dict.fromkeys(FILES, 2), "/escaped": 2}},
        {"files": {"zarr.json": -1}},
        {"files": {"zarr.json": 2}},
        {"files": {}},
        {"files": {**{n: len(b) for n, b in FILES.items()}, "more": 10**9}},
        {"digest": "../../../../x"},
        {"hints": []},
        {"format": "another"},
    ],
    ids=["up", "root", "negative", "fewer", "none", "large", "digest", "hints", "format"],
)
def test_a_list_that_is_not_right_is_of_no_use(
    change: dict[str, Any], server: Server, data: Path, tmp_path: Path
) -> None:
    listed = data / f"view-{NAME}.json"
    listed.write_text(json.dumps({**json.loads(listed.read_text()), **change}))
    for name in ("escaped", "x"):
        (server.root / name).write_bytes(b"{}")
    assert not fetched(server, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert not list(tmp_path.glob("**/kept/**/escaped"))


@pytest.mark.parametrize("fault", [404, 500, "cut", "other", "longer", "html"])
def test_files_that_are_not_those_are_of_no_use(
    fault: Any, server: Server, data: Path, tmp_path: Path
) -> None:
    (chunk,) = data.glob("view-*.zarr/zarr.json")
    if fault in ("other", "longer"):
        chunk.write_bytes({"other": b"[]", "longer": b"{} "}[fault])
    elif fault == "html":
        chunk.unlink()
        server.again(html_for_404=True)
    else:
        server.again(fault=lambda path, n: fault if path.endswith(".zarr/zarr.json") else None)
    assert not fetched(server, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_more_than_a_view_may_take_is_not_taken(server: Server, data: Path, tmp_path: Path) -> None:
    assert not fetched(server, tmp_path / "kept", max_bytes=10)
    assert len(server.seen) == 1


def test_one_request_tells_whether_anything_is_published(server: Server) -> None:
    assert not is_published("", NEAR)
    assert not is_published(server.url, NEAR)
    assert len(server.seen) == 1
    (server.root / "build.json").write_text('{"artifacts": 1}')
    assert is_published(server.url, NEAR)
    assert not is_published(server.url, Remote())  # inside a network
