"""The default site in a real browser, as it is served, under a sub-path."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest

from portal.build import build_site
from portal.config import load_config
from tests.conftest import ROOT
from tests.e2e.watching import watch

pytestmark = pytest.mark.browser

LOCAL = ["blobs", "ihc-nuclei", "ihc-spots", "ihc-stain-maxima", "ihc-two-tables", "retina-fundus"]
SHOTS = ROOT / "screenshots"


@pytest.fixture(scope="module")
def site(tmp_path_factory, local_stores) -> Path:
    out = tmp_path_factory.mktemp("default") / "site"
    config = load_config(ROOT / "site_config.yaml")
    # The 404 page is shown at any address, so it must know the path of the site.
    config = config.model_copy(update={"base_url": "https://example.org/sub/path/"})
    report = build_site(config, out)
    assert [p for p in report.problems if p.severity == "error"] == []
    return out


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    from portal.serve import start

    with start(site, prefix="/sub/path/") as base:
        yield base


def get(address: str) -> str:
    with urllib.request.urlopen(address) as answer:
        return answer.read().decode()


def links(html: str, base: str) -> set[str]:
    found = re.findall(r'<a\s[^>]*?href="([^"]*)"', html)
    return {urldefrag(urljoin(base, unescape(a)))[0] for a in found}


def test_every_page_is_reachable_from_home(site, address):
    seen, todo = set(), [address]
    while todo:
        page = todo.pop()
        if page in seen or not page.startswith(address) or not page.endswith("/"):
            continue
        seen.add(page)
        todo += links(get(page), page)
    pages = {
        address + str(p.parent.relative_to(site)).replace(".", "", 1).strip("/") + "/"
        for p in site.rglob("index.html")
        if "data" not in p.relative_to(site).parts[:1]
    }
    pages = {p.replace("//", "/").replace(":/", "://", 1) for p in pages}
    assert sorted(pages - seen) == []
    assert len(seen) > 150


def test_no_page_complains_or_asks_elsewhere(site, address, browser):
    watched = watch(browser, address)
    ids = sorted(p.name for p in (site / "datasets").iterdir())
    columns = sorted(p.name for p in (site / "by").iterdir())
    pages = [
        "",
        "browse/",
        "collections/",
        "about/",
        "docs/",
        "docs/columns/",
        "catalog-is-no-page/",
    ]
    pages += [f"datasets/{i}/" for i in [*LOCAL, *ids[:12]]]
    for column in columns:  # the values of collections have pages elsewhere
        values = [v.name for v in sorted((site / "by" / column).iterdir()) if v.is_dir()]
        pages += [f"by/{column}/{value}/" for value in values[:1]]
    pages += [
        f"collections/{p.name}/" for p in list((site / "collections").iterdir())[:4] if p.is_dir()
    ]
    for page in pages:
        watched.page.goto(address + page, wait_until="load")
    expected = f"404 {address}catalog-is-no-page/"
    no_noise = [f for f in watched.faults() if f != expected]
    faults = [f for f in no_noise if "server responded with a status of 404" not in f]
    assert faults == []
    assert expected in watched.faults()


def test_the_page_not_found_leads_back(address, browser):
    watched = watch(browser, address)
    watched.page.goto(address + "no/such/page/")
    watched.page.get_by_role("link", name="Browse").first.click()
    watched.page.wait_for_url("**/browse/")


@pytest.mark.parametrize("id_", LOCAL)
def test_the_view_draws(id_, address, browser):
    watched = watch(browser, address)
    watched.page.goto(f"{address}datasets/{id_}/")
    before = len(watched.requests)
    assert not any("vitessce" in u for u in watched.requests), "nothing is loaded before the click"
    watched.page.get_by_role("button", name="Open interactive view").click()
    canvases = watched.drawn()
    assert len(watched.requests) > before
    watched.page.locator("[data-view-stage]").screenshot(path=SHOTS / f"view-{id_}.png")
    assert max(len(c) for c in canvases) >= 4
    assert watched.faults() == []


@pytest.mark.parametrize(
    ("id_", "feature"),
    [("ihc-nuclei", "diameter"), ("ihc-spots", "DAB"), ("ihc-two-tables", "DAB")],
)
def test_a_feature_and_a_group_recolour_the_view(id_, feature, address, browser):
    watched = watch(browser, address)
    page = watched.page
    page.goto(f"{address}datasets/{id_}/?view=1")
    before = watched.drawn()
    page.get_by_text(feature, exact=True).last.click()
    by_feature = watched.changed(before)
    page.screenshot(path=SHOTS / f"feature-{id_}.png")
    page.locator(".rc-tree-switcher_close").first.click()
    page.locator(".rc-tree-child-tree").get_by_role(
        "button", name=re.compile("^DAB|^lumen")
    ).last.click()
    watched.changed(by_feature, by=0.005)
    assert watched.faults() == []


def test_a_view_that_cannot_load_says_why_and_can_be_tried_again(address, browser):
    watched = watch(browser, address)
    page = watched.page
    page.route("**/view-*.zarr/**", lambda route: route.abort())
    page.route("**/ihc-nuclei.zarr/**", lambda route: route.abort())
    page.goto(f"{address}datasets/ihc-nuclei/?view=1")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "could not be reached" in alert.inner_text()
    page.unroute("**/view-*.zarr/**")
    page.unroute("**/ihc-nuclei.zarr/**")
    page.get_by_role("button", name="Try again").click()
    watched.drawn()


def test_without_javascript_the_collection_can_be_read(address, browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    page.get_by_role("link", name="Browse").first.click()
    page.locator("a[href*='datasets/']").first.click()
    assert page.locator("h1").count() == 1
    assert not page.get_by_role("button", name="Open interactive view").is_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_nothing_scrolls_sideways(address, browser, width):
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    for path in ("", "browse/", "collections/", "datasets/ihc-nuclei/", "docs/"):
        page.goto(address + path)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{path} at {width}"


def test_screenshots_to_look_at(address, browser):
    SHOTS.mkdir(exist_ok=True)
    looks = {
        "light": {},
        "dark": {"color_scheme": "dark"},
        "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
    }
    pages = {
        "home": "",
        "browse": "browse/",
        "artifact": "datasets/ihc-nuclei/",
        "declared": "datasets/10jff/",
    }
    for look, context in looks.items():
        watched = watch(browser, address, **context)
        for name, path in pages.items():
            watched.page.goto(address + path, wait_until="load")
            shot = SHOTS / f"{name}-{look}.png"
            watched.page.screenshot(path=shot, full_page=True)
            assert shot.stat().st_size > 10_000
