"""Thumbnails: three widths, 4:3, the same bytes each time, and words for who can't see them."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portal.errors import BuildError
from portal.facts import StoreFacts
from portal.scan import scan_store
from tests import view_stores
from tests.conftest import find_store

pytest.importorskip("spatialdata", reason="needs the extra `build`")

from portal.preview import make_preview
from portal.previewpaint import choose_window
from portal.record import Picture
from portal.viewframe import Box
from portal.viewstore import make_view_store


def picture_of(name: str, folder: Path) -> Picture:
    source = view_stores.write(name, folder)
    facts = scan_store(source)
    store = make_view_store(source, facts, folder / "view.zarr")
    picture = make_preview(store.path, facts, store.hints, folder, "p", obs_noun="spots")
    assert picture is not None
    return picture


@pytest.mark.parametrize("name", sorted(set(view_stores.STORES) - {"only_table"}))
def test_a_picture_has_three_widths_and_something_to_see(name: str, tmp_path: Path) -> None:
    picture = picture_of(name, tmp_path)
    assert list(picture.files) == [320, 640, 1280]
    assert (picture.width, picture.height) == (1280, 960)
    for width, file in picture.files.items():
        with Image.open(tmp_path / file) as opened:
            assert opened.size == (width, width * 3 // 4)
            colors = len(np.unique(np.asarray(opened.convert("RGB")).reshape(-1, 3), axis=0))
            assert colors > 20
    assert picture.bytes == sum((tmp_path / f).stat().st_size for f in picture.files.values())
    assert picture.alt.endswith(".")


@pytest.mark.parametrize(
    ("name", "alt"),
    [
        ("spots", "Colour image with 100 spots coloured by cell_type."),
        ("fluorescence", "Image of 3 channels (DAPI, CD3, CD20)."),
        ("only_points", "Density of 5,000 points."),
        ("stack", "Image of 2 channels (DAPI, actin), plane 5 of 8."),
        ("multipolygons", "3 shapes of areas."),
    ],
)
def test_the_words_say_what_is_seen(name: str, alt: str, tmp_path: Path) -> None:
    assert picture_of(name, tmp_path).alt == alt


def test_the_same_store_gives_the_same_picture(tmp_path: Path) -> None:
    source = view_stores.write("spots", tmp_path)
    facts = scan_store(source)
    for stem in ("a", "b"):
        assert make_preview(source, facts, {}, tmp_path, stem) is not None
    assert (tmp_path / "a-640.webp").read_bytes() == (tmp_path / "b-640.webp").read_bytes()


def test_a_table_alone_has_no_picture(tmp_path: Path) -> None:
    source = view_stores.write("only_table", tmp_path)
    assert make_preview(source, scan_store(source), {}, tmp_path, "p") is None


def test_a_full_disk_is_no_reason_for_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = view_stores.write("rgb", tmp_path)
    monkeypatch.setattr("portal.viewstore.write_image", full)
    with pytest.raises(BuildError):
        make_preview(source, scan_store(source), {}, tmp_path, "p")


def test_no_store_has_no_picture(tmp_path: Path) -> None:
    assert make_preview(tmp_path, StoreFacts(kind="unreadable"), {}, tmp_path, "p") is None


@pytest.mark.parametrize(
    ("interest", "limits"),
    [
        (Box(0, 0, 100, 100), Box(0, 0, 100, 100)),
        (Box(10, 10, 30, 90), Box(0, 0, 100, 100)),
        (Box(0, 0, 1000, 10), Box(0, 0, 1000, 10)),
        (Box(-20, 5, 120, 60), Box(0, 0, 100, 100)),
        (Box(0, 0, 100, 100), None),
        (Box(5, 5, 5, 5), None),
    ],
)
def test_a_window_is_four_to_three_and_shows_most_of_what_matters(
    interest: Box, limits: Box | None
) -> None:
    window = choose_window(interest, limits)
    shown = Box(window.x0, window.y0, window.x0 + window.width, window.y0 + window.height)
    assert window.width / window.height == pytest.approx(4 / 3)
    seen = interest.common(limits) if limits else interest
    assert shown.shared(seen) > 0.5


def test_a_visium_section_fills_its_picture(test_data: Path, tmp_path: Path) -> None:
    source = find_store(test_data, "spatialdatadb_visium_mouse_brain")
    picture = make_preview(source, scan_store(source), {}, tmp_path, "p", obs_noun="spots")
    assert picture is not None
    assert picture.alt.startswith("Colour image with 3,355 spots coloured by ")
    with Image.open(tmp_path / "p-640.webp") as opened:
        corner = np.asarray(opened.convert("RGB"))[:20, :20].mean()
    assert corner > 100
