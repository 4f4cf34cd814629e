"""The views of made-up and real stores, drawn in a browser by the bundle that the site ships."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from portal.scan import scan_store
from tests import view_stores
from tests.conftest import ROOT, find_store
from tests.e2e.watching import Watched, watch

pytest.importorskip("vitessce", reason="needs the extra `build`")

from portal.viewer import compose
from portal.viewstore import make_view_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

Show = Callable[..., Watched]

ASSETS = ROOT / "portal" / "assets"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>View</title>
<link rel="icon" href="data:,"><style>[data-view-stage] {{ height: 760px; width: 1200px }}</style>
</head><body><figure class="p-view" data-view="vitessce.json" data-viewer="assets/{vitessce}">
<div class="p-poster"><button data-view-open>Open</button></div><div data-view-stage hidden></div>
<p data-view-state hidden></p></figure><script type="module" src="assets/{view}"></script></body>
</html>"""


def assert_clean(shown: Watched) -> None:
    assert shown.faults() == []
    assert shown.page.inner_text("p[data-view-state]") == ""


def pick(shown: Watched, text: str) -> None:
    """Click a row of the list of genes."""
    shown.page.locator(".p-view").get_by_placeholder("Search").first.fill(text)
    rows = shown.page.get_by_role("row").filter(has_text=text)
    rows.first.click()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Makes a view store and a page of a store, opens it, and waits until it is drawn."""
    from portal.serve import start

    if not (ASSETS / "manifest.json").is_file():
        pytest.skip("portal/assets is not built: run `make assets`")
    site = tmp_path / "site"
    site.mkdir()
    shutil.copytree(ASSETS, site / "assets")
    manifest = json.loads((ASSETS / "manifest.json").read_text())
    (site / "index.html").write_text(PAGE.format(**manifest))
    with start(site) as base:

        def opened(source: Path, noun: str = "cells") -> Watched:
            store = make_view_store(source, scan_store(source), site / "view.zarr")
            config = compose(
                scan_store(store.path), "view.zarr", hints=store.hints, title="t", obs_noun=noun
            )
            assert isinstance(config, dict), config
            (site / "vitessce.json").write_text(json.dumps(config))
            shown = watch(browser, base)
            shown.page.goto(base)
            shown.page.click("[data-view-open]")
            shown.page.wait_for_selector("figure[data-view-state=ready]", timeout=90_000)
            return shown

        yield opened


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("rgb", 12),
        ("fluorescence", 30),
        ("channels20", 30),
        ("stack", 30),
        ("floats", 30),
        ("only_points", 10),
        ("several_regions", 4),
        ("multipolygons", 2),
        ("rotated", 30),
    ],
)
def test_it_draws(name: str, least: int, show: Show, tmp_path: Path) -> None:
    shown = show(view_stores.write(name, tmp_path))
    shown.drawn(least)
    assert_clean(shown)


def test_a_table_alone_is_a_plot(show: Show, tmp_path: Path) -> None:
    shown = show(view_stores.write("only_table", tmp_path))
    shown.drawn(4)
    assert_clean(shown)


def test_groups_have_their_colours_and_a_gene_gives_others(show: Show, tmp_path: Path) -> None:
    shown = show(view_stores.write("spots", tmp_path))
    groups = shown.drawn(20)
    pick(shown, "Gene00")
    shown.changed(groups)
    assert_clean(shown)


def test_a_feature_of_points_can_be_picked(show: Show, tmp_path: Path) -> None:
    shown = show(view_stores.write("only_points", tmp_path))
    before = shown.drawn(10)
    shown.page.get_by_text("Gene03", exact=True).last.click()
    shown.changed(before)
    assert_clean(shown)


def test_visium_spots_on_tissue_follow_a_gene_at_little_cost(show: Show, test_data: Path) -> None:
    shown = show(find_store(test_data, "spatialdatadb_visium_mouse_brain"), "spots")
    before = shown.drawn(100)
    data = [u for u in shown.requests if "/view.zarr/" in u]
    assert len(data) <= 20
    pick(shown, "Ttr")
    shown.changed(before)
    assert len([u for u in shown.requests if "/view.zarr/" in u]) - len(data) <= 4
    assert_clean(shown)


@pytest.mark.parametrize(
    "name",
    [
        "easyvitessce_merfish",
        "helenalc_raccoon",
        "sdnotebooks_0.4.1_multiple_elements",
        "vitessce_blobs_sd07",
        "xenium_rep1_points_only",
    ],
)
def test_real_stores_draw(name: str, show: Show, test_data: Path) -> None:
    shown = show(find_store(test_data, name))
    shown.drawn(30)
    assert_clean(shown)
