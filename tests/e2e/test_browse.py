"""Finding artifacts in a real browser: text, facets, ranges, history, exports, without a mouse."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import pyarrow.parquet as pq
import pytest

from portal.build import build_site
from portal.config import load_config
from tests.conftest import ROOT
from tests.e2e.watching import Watched, watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SHOTS = ROOT / "screenshots"
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
HOSTILE = "<img src=x onerror=\"document.title='ran'\"></script><b>&\u202e{{7*7}}"
ENTRY = """
title: {title}
description: {title}
url: {url}
license: {title}
collections: [odd]
citation: {{title: {title}, authors: [{title}], publisher: {title}}}
metadata:
  technology: {title}
  organism: {title}
  tissue: {title}
  disease: {title}
  assay: {title}
  development_stage: {title}
  n_spots: 1234
versions: [{{version: '1', date: 2024-02-03}}]
"""
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""
LIVE = (
    "() => document.querySelector('.p-browse[data-live]')"
    " && !document.querySelector('#results[aria-busy]')"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of spatialdata-db, and one that is hostile wherever it can be."""
    root = tmp_path_factory.mktemp("browse")
    manifest = root / "data_manifest"
    shutil.copytree(ROOT / "data_manifest" / "spatialdata-db", manifest / "spatialdata-db")
    shutil.copy(ROOT / "data_manifest" / "schema.yaml", manifest)
    odd = json.dumps(HOSTILE.replace("\u202e", ""))
    (manifest / "collections.yaml").write_text(f"odd:\n  name: {odd}\n")
    url = "s3://bucket/=cmd.zarr"
    (manifest / "odd.yaml").write_text(ENTRY.format(title=json.dumps(HOSTILE), url=url))
    (manifest / "sum.yaml").write_text(ENTRY.format(title='"=1+1, \\"quoted\\""', url=url))
    (root / "site_config.yaml").write_text("title: Tested portal\ndata: {publish: none}\n")
    build_site(load_config(root / "site_config.yaml"), root / "site")
    return root / "site"


@pytest.fixture(scope="module")
def rows(site: Path) -> list[dict]:
    return pq.read_table(site / "catalog" / "catalog.parquet").to_pylist()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    from portal.serve import start

    with start(site, prefix="/sub/") as base:
        yield base


def visit(browser: Browser, address: str, query: str = "", **context: object) -> Watched:
    """The browse page with a state, once the script has taken it over."""
    watched = watch(browser, address, **context)
    watched.page.set_default_timeout(8000)
    watched.page.add_init_script(SHIFTS)
    watched.page.goto(f"{address}browse/{query}")
    settle(watched.page)
    return watched


def settle(page: Page) -> None:
    page.wait_for_function(LIVE)


def total(page: Page) -> int:
    settle(page)
    return int(re.sub(r"\D", "", page.locator("#count").inner_text().split(" artifact")[0]))


def titles(page: Page) -> list[str]:
    settle(page)
    page.wait_for_timeout(50)  # cards out of sight follow those in sight
    return page.locator(".p-card__t").all_text_contents()


def state(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def facet(page: Page, column: str):
    return page.locator(f"details[data-column={column}]")


# -- facets --------------------------------------------------------------------------------------


def test_every_facet_selects_opens_by_address_and_deselects(address, browser):
    watched = visit(browser, address)
    page = watched.page
    everything = total(page)
    columns = page.eval_on_selector_all(
        "details.p-facet:has(.p-opt)", "all => all.map((d) => d.dataset.column)"
    )
    assert {"technology", "assay", "organism", "tissue", "disease", "license", "year"} <= {*columns}
    for column in columns:
        page.evaluate("c => { document.querySelector(`[data-column=${c}]`).open = true }", column)
        option = facet(page, column).locator("label.p-opt").first
        label = option.locator("> :nth-child(2)").inner_text()
        shown = int(option.locator(".c").inner_text().split()[0].replace(",", ""))
        option.click()
        assert total(page) == shown, column
        assert list(state(page)) == [column]
        assert page.get_by_role("group", name="Active filters").locator("b").all_inner_texts() == [
            label
        ]
        page.reload()
        assert total(page) == shown, column
        page.evaluate("c => { document.querySelector(`[data-column=${c}]`).open = true }", column)
        box = facet(page, column).locator("input[type=checkbox]:checked")
        assert box.count() == 1
        box.click()
        assert total(page) == everything
        assert state(page) == {}
    assert watched.faults() == []


def test_two_values_of_a_facet_add_up_and_two_facets_cut_down(address, browser, rows):
    page = visit(browser, address).page
    for label in ("lung", "kidney"):
        facet(page, "tissue").get_by_role("searchbox").fill(label)
        facet(page, "tissue").get_by_role("checkbox", name=label).first.check()
        settle(page)
    found = [r for r in rows if {*r["tissue_terms"]} & {"lung", "kidney"}]
    assert total(page) == len(found)
    page.get_by_role("checkbox", name="Mus musculus").check()
    assert total(page) == len([r for r in found if r["organism"] == "Mus musculus"])
    assert page.locator(".p-chips").inner_text().count("or") >= 1
    page.get_by_role("button", name="Tissue lung remove").click()
    settle(page)
    assert "lung" not in page.locator(".p-chips").inner_text()
    page.get_by_role("button", name="Clear all").first.click()
    assert total(page) == len(rows)
    assert page.locator(".p-chip").count() == 0


def test_the_tree_can_be_walked_and_a_term_includes_what_is_below(address, browser):
    page = visit(browser, address).page
    tissue = facet(page, "tissue")
    # brain and spinal cord are both there, so what joins them is too
    tissue.get_by_role("button", name="Within central nervous system", exact=True).click()
    tissue.get_by_role("button", name="Within brain", exact=True).click()
    child = tissue.get_by_role("checkbox", name=re.compile("^cerebellum"))
    child.check()
    below = total(page)
    child.uncheck()
    tissue.get_by_role("checkbox", name=re.compile("^brain")).first.check()
    assert total(page) > below > 0
    page.goto(f"{address}browse/?tissue=cerebellum")
    assert total(page) == below
    assert tissue.get_by_role("checkbox", name=re.compile("^cerebellum")).is_checked()


def test_nothing_is_cut_off_for_good(address, browser):
    page = visit(browser, address).page
    tissue = facet(page, "tissue")
    assert tissue.locator("label").count() == 8
    more = tissue.get_by_role("button", name="Show all")
    n = int(re.sub(r"\D", "", more.inner_text()))
    more.click()
    assert tissue.locator("label:visible").count() == n
    tissue.get_by_role("searchbox").fill("pulmonary")
    assert "lung" in tissue.locator("label").first.inner_text()


def test_a_range_is_chosen_by_its_fields(address, browser, rows):
    page = visit(browser, address).page
    low = page.get_by_role("textbox", name="Observations from")
    low.fill("10,000")
    low.press("Enter")
    found = [r for r in rows if (r["n_obs"] or 0) >= 10_000]
    assert total(page) == len(found)
    assert state(page) == {"n_obs": ["10000.."]}
    assert page.locator(".p-hist .out").count() > 0
    page.get_by_role("textbox", name="Observations to").fill("50000")
    page.keyboard.press("Tab")
    settle(page)
    assert total(page) == len([r for r in found if r["n_obs"] <= 50_000])
    low.fill("a few")
    low.press("Enter")
    assert page.get_by_text("Not a number").is_visible()
    assert low.get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name=re.compile("Observations .*remove")).click()
    assert total(page) == len(rows)
    assert low.input_value() == ""


def test_unknown_values_of_an_address_are_shown_and_ignored(address, browser, rows):
    page = visit(browser, address, "?tissue=nowhere&utm_source=mail&organism=unheard+of").page
    assert total(page) == len(rows)
    assert page.locator(".p-chip--off").count() == 2
    assert page.locator(".p-chip--off s").first.inner_text() in ("nowhere", "unheard of")
    page.get_by_role("checkbox", name="Mus musculus").check()
    settle(page)
    assert state(page)["utm_source"] == ["mail"]
    page.locator(".p-chip--off").first.click()
    settle(page)
    assert page.locator(".p-chip--off").count() == 1


# -- text ----------------------------------------------------------------------------------------


def search(page: Page, text: str) -> int:
    page.get_by_role("searchbox", name="Search the catalogue").fill(text)
    return total(page)


def test_words_find_what_they_mean(address, browser, rows):
    page = visit(browser, address).page
    human = [r for r in rows if "Homo sapiens" in r["organism_terms"]]
    assert search(page, "human") >= len(human) > 0
    organism = facet(page, "organism").get_by_role("checkbox", name="Homo sapiens")
    organism.check()
    assert total(page) == len(human)
    organism.uncheck()
    lung = [r for r in rows if "lung" in r["tissue_terms"]]
    assert search(page, "pulmonary") >= len(lung) > 0
    named = ("10x Xenium", "Xenium", "EFO:0022615", "Xenium Spatial Gene Expression")
    assert len({search(page, text) for text in named}) == 1
    assert search(page, "mouse brain") > 0
    assert {"mouse", "brain"} >= {m.lower() for m in page.locator("mark").all_text_contents()}


def test_a_slip_is_corrected_and_said(address, browser):
    page = visit(browser, address, "?q=xeniun").page
    assert "Showing results for xenium" in page.locator(".p-hint").inner_text()
    assert total(page) > 0


def test_where_nothing_is_found_there_is_a_way_on(address, browser):
    page = visit(browser, address, "?q=zzzzqqq&organism=Mus+musculus").page
    assert total(page) == 0
    assert page.locator(".p-card").count() == 0
    way = page.get_by_role("link", name=re.compile("Without the text"))
    promised = int(re.sub(r"\D", "", way.locator("span").inner_text()))
    way.click()
    assert total(page) == promised
    assert state(page) == {"organism": ["Mus musculus"]}
    page.goto(f"{address}browse/?q=hmuan+brian")
    settle(page)
    if page.locator(".p-nothing").count():
        page.locator(".p-nothing p a").first.click()
        assert total(page) > 0


def test_pages_of_prose_are_found_in_a_group_of_their_own(address, browser):
    watched = visit(browser, address)
    page = watched.page
    assert not any("/prose-" in url for url in watched.requests)
    search(page, "parquet")
    docs = page.get_by_role("navigation", name="In the documentation").get_by_role("link")
    docs.first.wait_for()
    assert "/docs/" in (docs.first.get_attribute("href") or "")


def test_the_box_of_another_page_leads_to_browse(address, browser):
    watched = watch(browser, address)
    page = watched.page
    page.goto(f"{address}docs/")
    page.keyboard.press("/")
    page.keyboard.type("lung")
    page.keyboard.press("Enter")
    page.wait_for_url("**/browse/?q=lung")
    assert 0 < total(page) < 60
    assert page.get_by_role("searchbox", name="Search the catalogue").input_value() == "lung"


def test_only_the_last_of_what_is_typed_counts(address, browser):
    page = visit(browser, address).page
    box = page.get_by_role("searchbox", name="Search the catalogue")
    box.press_sequentially("human lung", delay=5)
    typed = total(page)
    page.goto(f"{address}browse/?q=human+lung")
    assert total(page) == typed


def test_a_large_collection_is_searched_in_a_worker(address, browser):
    watched = watch(browser, address)
    page = watched.page

    def grown(route) -> None:
        answer = route.fetch()
        html = re.sub(r'data-n="\d+"', 'data-n="100001"', answer.text())
        route.fulfill(response=answer, body=html)

    page.route(re.compile(r"/browse/(\?.*)?$"), grown)
    page.goto(f"{address}browse/?q=human&view=table")
    n = total(page)
    assert len(page.workers) == 1
    assert page.locator(".p-as-table tbody tr").count() == min(n, 48)
    page.get_by_role("checkbox", name="Xenium").check()
    assert 0 < total(page) < n
    assert watched.faults() == []


# -- state ---------------------------------------------------------------------------------------


def test_back_forward_and_reload_bring_everything_back(address, browser):
    page = visit(browser, address).page
    seen = []

    def note() -> None:
        seen.append((page.url, total(page), page.locator(".p-card__t").first.inner_text()))

    note()
    page.get_by_role("checkbox", name="Homo sapiens").check()
    note()
    page.get_by_role("searchbox", name="Search the catalogue").press_sequentially("human")
    note()
    page.get_by_role("combobox", name="Sort").select_option("title")
    note()
    page.get_by_role("link", name="Next").click()
    note()
    for back in reversed(range(4)):
        page.go_back()
        settle(page)
        assert (page.url, total(page), page.locator(".p-card__t").first.inner_text()) == seen[back]
    for forward in range(1, 5):
        page.go_forward()
        settle(page)
        assert (page.url, total(page)) == seen[forward][:2]
    page.reload()
    assert (page.url, total(page), page.locator(".p-card__t").first.inner_text()) == seen[4]
    assert page.get_by_role("combobox", name="Sort").input_value() == "title"


def test_going_back_finds_the_same_lines_in_sight(address, browser):
    page = visit(browser, address).page
    page.evaluate("window.scrollTo(0, 900)")
    page.wait_for_timeout(250)
    page.get_by_role("link", name="Next").evaluate("link => link.click()")
    settle(page)
    page.wait_for_function("scrollY < 400")
    page.go_back()
    settle(page)
    page.wait_for_function("Math.abs(scrollY - 900) < 5")


def test_paging_has_real_addresses_and_moves_the_focus(address, browser, rows):
    page = visit(browser, address).page
    first = titles(page)
    link = page.get_by_role("link", name="Next")
    assert (link.get_attribute("href") or "").endswith("?page=2")
    link.click()
    settle(page)
    second = titles(page)
    assert page.evaluate("document.activeElement.textContent") == "Results"
    assert page.locator(".p-pages [aria-current=page]").inner_text() == "2"
    page.get_by_role("link", name="Page 3").click()
    third = titles(page)
    assert [len(first), len(second), len(third)] == [48, 48, len(rows) - 96]


def test_the_table_has_the_columns_that_one_wants(address, browser, rows):
    page = visit(browser, address).page
    page.get_by_text("Table", exact=True).click()
    settle(page)
    page.locator(".p-as-table tbody tr").first.wait_for()
    assert page.locator(".p-as-table tbody tr").count() == 48
    page.get_by_role("button", name="Observations").click()
    settle(page)
    heading = page.get_by_role("columnheader", name="Observations")
    assert heading.get_attribute("aria-sort") == "descending"
    assert page.evaluate("document.activeElement.dataset.sort") == "n_obs"
    most = max(r["n_obs"] or 0 for r in rows)
    assert f"{most:,}" in page.locator(".p-as-table tbody tr").first.inner_text()
    page.locator(".p-cols > summary").click()
    page.locator(".p-cols").get_by_label("Year").check()
    page.locator(".p-cols").get_by_label("Disease").uncheck()
    settle(page)
    assert state(page)["view"] == ["table"]
    assert "year" in state(page)["columns"][0]
    page.reload()
    settle(page)
    names = page.locator(".p-as-table th[scope=col]").all_inner_texts()
    assert "Year" in names
    assert "Disease" not in names


# -- without a mouse, on a phone -----------------------------------------------------------------


def test_keyboard_alone_is_enough(address, browser, rows):
    page = visit(browser, address).page
    page.keyboard.press("/")
    page.keyboard.type("mouse")
    settle(page)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "count"
    page.get_by_role("checkbox", name="Visium").focus()
    page.keyboard.press("Space")
    settle(page)
    assert page.evaluate("document.activeElement.checked") is True
    assert state(page)["technology"] == ["Visium"]
    page.get_by_role("button", name="Technology Visium remove").focus()
    page.keyboard.press("Enter")
    settle(page)
    assert "Text mouse" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    assert total(page) == len(rows)
    assert page.evaluate("document.activeElement.id") == "count"
    page.get_by_role("button", name="Within central nervous system", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.locator("#export > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert not page.locator("#export li").first.is_visible()


def test_the_count_is_told_to_who_cannot_see_it(address, browser):
    page = visit(browser, address).page
    live = page.locator(".p-results > [role=status]")
    assert live.inner_text() == ""
    page.get_by_role("checkbox", name="Xenium").check()
    n = total(page)
    page.wait_for_function(
        "n => document.querySelector('.p-results > [role=status]').textContent === `${n} artifacts`",
        arg=n,
    )


def test_on_a_phone_the_rail_is_a_sheet(address, browser):
    watched = visit(browser, address, **PHONE)
    page = watched.page
    assert not facet(page, "organism").is_visible()
    button = page.locator(".p-open")
    button.click()
    sheet = page.get_by_role("dialog", name="Filters")
    sheet.get_by_text("Homo sapiens").click()
    settle(page)
    done = sheet.get_by_role("link", name=re.compile(r"Show \d+ artifacts"))
    assert page.evaluate("document.querySelector('#results').inert") is True
    assert page.evaluate("document.querySelector('.md-header').inert") is True
    done.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#filters') !== null") is True
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.classList.contains('p-open')") is True
    assert page.evaluate("document.querySelector('#results').inert") is False
    assert "1" in button.inner_text()
    button.click()
    done.click()
    sheet.wait_for(state="hidden")
    assert watched.faults() == []


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_nothing_scrolls_sideways(address, browser, width):
    long = f"?q=human&tissue=brain&tissue={'x' * 80}&n_obs=1000..2000000&organism=Homo+sapiens"
    page = visit(browser, address, long, viewport={"width": width, "height": 900}).page
    for query in ("", "&view=table", "&q=zzzzqqq"):
        page.goto(f"{address}browse/{long}{query}")
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


# -- what goes wrong -----------------------------------------------------------------------------


def test_hostile_values_are_text_everywhere(address, browser):
    watched = visit(browser, address, f"?q={quote('quoted onerror')}")
    page = watched.page
    shown = HOSTILE.replace("\u202e", "")
    for query in (
        "?tissue=" + quote(shown),
        "?q=onerror",
        "?view=table&q=onerror&columns=technology,tissue,collections,license",
        "?q=onerorr&organism=" + quote(shown),
        "?tissue=" + quote("<img src=x onerror=alert(1)>"),
        "?q=" + quote('"><img src=x onerror=alert(1)>') + "&sort=" + quote("<b>"),
        "?" + quote("<script>") + "=" + quote("javascript:alert(1)"),
    ):
        page.goto(f"{address}browse/{query}")
        settle(page)
        page.evaluate(
            "() => { for (const d of document.querySelectorAll('details')) d.open = true;"
            " for (const b of document.querySelectorAll('button.p-all')) b.click(); }"
        )
        assert page.locator("img[src=x], .p-page b > b, .p-page script").count() == 0, query
        assert page.title().startswith("Browse")
    page.goto(f"{address}browse/?tissue={quote(shown)}")
    assert total(page) == 1
    assert "onerror" in page.locator(".p-card__t").inner_text()
    assert "onerror" in page.locator(".p-chip").inner_text()
    assert watched.faults() == []


def test_a_failed_index_leaves_the_page_and_can_be_tried_again(address, browser, rows):
    page = watch(browser, address).page
    page.route("**/search/facets-*.bin", lambda route: route.abort())
    page.goto(f"{address}browse/?tissue=lung")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "could not be reached" in alert.inner_text()
    assert page.locator(".p-card").count() == 48
    assert page.locator("a.p-opt").first.is_visible()
    page.locator("a.p-opt").first.click()
    page.wait_for_url("**/by/**")
    page.go_back()
    alert.wait_for()
    page.unroute("**/search/facets-*.bin")
    page.get_by_role("button", name="Try again").click()
    assert 0 < total(page) < len(rows)
    assert page.get_by_role("alert").count() == 0


def test_a_failed_part_of_the_index_leaves_the_last_answer(address, browser):
    page = visit(browser, address).page
    before = titles(page)
    page.route("**/search/text/**", lambda route: route.fulfill(status=503))
    search_box = page.get_by_role("searchbox", name="Search the catalogue")
    search_box.fill("replicate")
    page.get_by_role("alert").wait_for()
    assert "503" in page.get_by_role("alert").inner_text()
    assert titles(page) == before
    page.unroute("**/search/text/**")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("alert").wait_for(state="detached")
    assert 0 < total(page) < 60


@pytest.mark.parametrize("query", ["", "?q=human+lung", "?tissue=brain&n_obs=1000..&view=table"])
@pytest.mark.parametrize("context", [{}, PHONE], ids=["desk", "phone"])
def test_nothing_jumps_while_loading(address, browser, query, context):
    watched = watch(browser, address, **context)
    page = watched.page
    page.add_init_script(SHIFTS)
    slow = page.context.new_cdp_session(page)
    slow.send("Network.enable")
    conditions = {"offline": False, "latency": 120, "downloadThroughput": 400_000}
    slow.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": 400_000})
    page.goto(f"{address}browse/{query}")
    settle(page)
    page.wait_for_timeout(400)
    assert page.evaluate("window.shift") < 0.02
    assert watched.faults() == []


def test_without_javascript_there_are_facets_and_first_results(address, browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}browse/")
    assert page.locator(".p-card").count() == 48
    assert page.get_by_text("need JavaScript").is_visible()
    assert not page.get_by_role("combobox", name="Sort").is_visible()
    tissue = facet(page, "tissue")
    tissue.get_by_role("link", name=re.compile("^Show all")).click()
    page.get_by_role("link", name=re.compile("^cerebellum")).click()
    assert "cerebellum" in page.locator("h1").inner_text()


# -- for everybody -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "context"),
    [("light", {}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE)],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_axe_finds_nothing(address, browser, site, name, context):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `npm ci` in frontend/")
    watched = watch(browser, address, reduced_motion="reduce", **context)
    page = watched.page
    SHOTS.mkdir(exist_ok=True)
    for what, query in {
        "plain": "",
        "filtered": "?q=human&tissue=brain&tissue=nowhere&n_obs=1000..&organism=Homo+sapiens",
        "table": "?view=table&sort=n_obs",
        "nothing": "?q=zzzzqqq&tissue=brain",
        "typo": "?q=xeniun",
    }.items():
        page.goto(f"{address}browse/{query}")
        settle(page)
        page.screenshot(path=SHOTS / f"search-{what}-{name}.png")
        check(page, f"{name} {what}")
    if name == "phone":
        page.goto(f"{address}browse/?tissue=brain")
        settle(page)
        page.locator(".p-open").click()
        page.screenshot(path=SHOTS / "search-sheet.png")
        check(page, "sheet")
    else:
        page.locator("#export > summary").click()
        check(page, "menu")
    some = next(iter(sorted((site / "datasets").iterdir()))).name
    for other in ("", f"datasets/{some}/", "datasets/odd/", "by/tissue/", "by/tissue/brain/"):
        page.goto(address + other)
        check(page, f"{name} {other}")


def check(page: Page, what: str) -> None:
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',"
        " 'best-practice'] }).then((r) => r.violations.map((v) =>"
        " `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`))"
    )
    assert found == [], what


# -- taking it away ------------------------------------------------------------------------------


def download(page: Page, label: str, to: Path) -> Path:
    if not page.locator("#export[open]").count():
        page.locator("#export > summary").click()
    with page.expect_download() as got:
        page.locator("#export").get_by_role("button", name=label, exact=True).click()
    path = to / got.value.suggested_filename
    got.value.save_as(path)
    return path


def test_a_selection_can_be_taken_away(address, browser, site, rows, tmp_path):
    watched = visit(browser, address, "?technology=Visium&sort=title")
    page = watched.page
    assert not any("/export-" in url for url in watched.requests)
    n = total(page)
    wanted = [r for r in rows if r["technology"] == "Visium"]
    assert n == len(wanted) > 48
    by_id = {r["uid"]: r for r in wanted}

    table = pq.read_table(download(page, "Parquet", tmp_path))
    whole = pq.read_table(site / "catalog" / "catalog.parquet")
    assert table.column_names == whole.column_names
    assert {r["uid"]: r for r in table.to_pylist()} == by_id
    ordered = [t.replace("\u202e", "") for t in table["title"].to_pylist()[:48]]
    assert ordered == titles(page)

    lines = download(page, "JSON lines", tmp_path).read_text("utf-8").splitlines()
    assert {r["uid"]: r for r in map(json.loads, lines)} == by_id

    with download(page, "CSV", tmp_path).open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    with (site / "catalog" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        expected = {r["uid"]: r for r in csv.DictReader(file)}
    assert {r["uid"]: r for r in cells} == {uid: expected[uid] for uid in by_id}

    urls = download(page, "List of addresses", tmp_path).read_text().split()
    assert sorted(urls) == sorted(r["zarr_url"] for r in wanted if r["zarr_url"] != "unknown")
    assert watched.faults() == []


def test_citations_can_be_taken_away(address, browser, rows, tmp_path):
    if "bibtex" not in rows[0]:
        pytest.skip("the catalog has no column `bibtex`")
    page = visit(browser, address, "?tissue=lung").page
    text = download(page, "BibTeX", tmp_path).read_text("utf-8")
    assert text.count("@") >= 1


def test_cells_of_a_table_are_no_formulas(address, browser, tmp_path):
    page = visit(browser, address, "?q=" + quote("quoted")).page
    with download(page, "CSV", tmp_path).open(encoding="utf-8", newline="") as file:
        (row,) = [r for r in csv.DictReader(file) if r["uid"] == "sum"]
    assert row["title"] == '\'=1+1, "quoted"'


def test_without_filters_the_menu_leads_to_the_whole_files(address, browser):
    page = visit(browser, address).page
    page.locator("#export > summary").click()
    link = page.locator("#export").get_by_role("link", name="CSV")
    assert (link.get_attribute("href") or "").endswith("catalog/catalog.csv")


@pytest.mark.parametrize(
    "query",
    [
        "?tissue=brain&organism=Homo+sapiens",
        "?q=human+lung&disease=normal&disease=unknown&n_obs=2000..300000",
        "?year=2025&year=2023&validation_status=not+scanned&element_kinds=unknown&technology=Xenium",
        "?license=CC-BY-4.0&published_at=2025-01..2025&assay=spatial+transcriptomics",
        "?collections=human-glioblastoma&collections=odd",
    ],
)
def test_the_snippet_finds_the_same(address, browser, query, tmp_path):
    page = visit(browser, address, query).page
    n = total(page)
    if n == 0:
        pytest.skip("nothing to export")
    code = download(page, "Python", tmp_path)
    listed = pq.read_table(download(page, "Parquet", tmp_path))["uid"].to_pylist()
    environment = {**os.environ, "no_proxy": "*"}
    done = subprocess.run(
        [sys.executable, str(code)], capture_output=True, text=True, env=environment, check=False
    )
    # What is printed counts: Arrow's threads can abort an interpreter that has done its work.
    assert "Traceback" not in done.stderr
    first, *ids = done.stdout.split("\n")
    assert first == f"{n} artifacts"
    assert sorted(filter(None, ids)) == sorted(listed)
