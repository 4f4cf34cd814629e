"""The pages for curators in a real browser: for everybody, on any screen, with and without script."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.build import build_site
from portal.config import load_config
from tests.conftest import ROOT
from tests.e2e.test_browse import AXE, PHONE, SHOTS, check, total
from tests.e2e.watching import watch

pytestmark = pytest.mark.browser

LOOKS = [("light", {}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE)]
TWINS = """
title: One of two with the same store
url: https://example.org/twins.zarr
metadata: {technology: Visium, tissue: nowhere at all, disease: unknown}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of spatialdata-db, and two that have one store and words without a term."""
    root = tmp_path_factory.mktemp("curation")
    manifest = root / "data_manifest"
    shutil.copytree(ROOT / "data_manifest" / "spatialdata-db", manifest / "spatialdata-db")
    shutil.copy(ROOT / "data_manifest" / "schema.yaml", manifest)
    for name in ("twin-a", "twin-b"):
        (manifest / f"{name}.yaml").write_text(TWINS)
    (root / "site_config.yaml").write_text("title: Tested portal\ndata: {publish: link}\n")
    build_site(load_config(root / "site_config.yaml"), root / "site")
    return root / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    from portal.serve import start

    with start(site, prefix="/sub/") as base:
        yield base


@pytest.mark.parametrize(("name", "context"), LOOKS, ids=[name for name, _ in LOOKS])
def test_axe_finds_nothing(address, browser, name, context):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `npm ci` in frontend/")
    watched = watch(browser, address, reduced_motion="reduce", **context)
    SHOTS.mkdir(exist_ok=True)
    for path in ("quality/", "schema/", "datasets/twin-a/"):
        watched.page.goto(address + path, wait_until="load")
        for summary in watched.page.locator(".p-more > summary").all():
            summary.click()
        shot = f"curation-{path.replace('/', '-')}{name}.png"
        watched.page.screenshot(path=SHOTS / shot, full_page=True)
        check(watched.page, f"{name} {path}")
    assert watched.faults() == []


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_nothing_scrolls_sideways(address, browser, width):
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    for path in ("quality/", "schema/", "datasets/twin-a/"):
        page.goto(address + path)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{path} at {width}"


def test_a_number_leads_to_browse_with_as_many_artifacts(address, browser):
    watched = watch(browser, address)
    page = watched.page
    page.goto(f"{address}quality/")
    row = page.locator("tr", has=page.get_by_role("link", name="Disease", exact=True))
    link = row.get_by_role("link").nth(1)
    lacking = int(link.inner_text())
    link.click()
    page.wait_for_url("**/browse/?missing_fields=disease")
    assert total(page) == lacking
    page.goto(f"{address}quality/")
    rest = page.locator("#least-complete .p-after")
    incomplete = int(re.findall(r"of (\d+)", rest.inner_text())[0])
    rest.get_by_role("link", name="All of them").click()
    page.wait_for_url("**/browse/?completeness=..99")
    assert total(page) == incomplete
    assert watched.faults() == []


def test_without_javascript_a_number_leads_to_a_page_of_as_many(address, browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}quality/")
    row = page.locator("tr", has=page.get_by_role("link", name="Disease", exact=True))
    links = [a for a in row.get_by_role("link").all() if a.is_visible()]
    lacking = links[1].inner_text()
    links[1].click()
    assert f"{lacking} artifacts" in page.locator(".p-title").inner_text()


def test_the_keyboard_opens_values_and_moves_wide_tables(address, browser):
    page = browser.new_context(**PHONE).new_page()
    page.goto(f"{address}schema/#technology")
    summary = page.locator("#technology summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#technology li").first.is_visible()
    page.goto(f"{address}quality/")
    region = page.get_by_role("region", name="Required fields", exact=True)
    region.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("(e) => e.scrollLeft > 0", arg=region.element_handle())


def test_an_artifact_leads_to_the_fields_that_it_lacks(address, browser):
    page = watch(browser, address).page
    page.goto(f"{address}datasets/twin-a/")
    quality = page.locator("#quality")
    assert re.search(r"\d of \d+ required fields", quality.inner_text())
    quality.get_by_role("link", name="Organism").click()
    page.wait_for_url("**/schema/#organism")
    assert page.locator("tr:target b").inner_text() == "Organism"
    page.go_back()
    page.locator("#quality").get_by_role("link", name="One of two").click()
    page.wait_for_url("**/datasets/twin-b/")


def test_every_page_has_a_quiet_way_to_them(address, browser):
    page = watch(browser, address).page
    for path in ("", "browse/", "about/", "docs/", "datasets/twin-a/"):
        page.goto(address + path)
        footer = page.locator("footer")
        for name, target in (("Quality of the metadata", "quality/"), ("schema", "schema/")):
            link = footer.get_by_role("link", name=name)
            assert link.evaluate("(a) => a.href") == address + target
