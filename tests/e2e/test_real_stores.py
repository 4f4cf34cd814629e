"""A site from real stores of every age, good and broken, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from portal.build import BuildReport, build_site
from portal.config import load_config
from tests.conftest import ROOT, find_store
from tests.e2e.watching import watch

pytestmark = pytest.mark.browser

# folder in stores/: what its page must come to
DRAWN = {
    "spatialdatadb_visium_mouse_brain": "visium",
    "xenium_rep1_points_only": "xenium",
    "vitessce_blobs_sd07": "blobs07",
    "helenalc_blobs_v2": "blobs-v2",
    "helenalc_raccoon": "raccoon",
    "sdnotebooks_0.0.12_multiple_elements": "old",
    "sdnotebooks_0.0.12_transformation_affine": "affine",
    "sdnotebooks_0.4.1_multiple_elements": "v041",
    "easyvitessce_merfish": "merfish",
}
NOT_DRAWN = {
    "sdnotebooks_0.6.1_multiple_elements": ("no-metadata", "can't be read"),
    "vitessce_anndata_only": ("anndata", "AnnData"),
    "ngff_challenge_2d": ("ome-zarr", "OME-Zarr"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory, test_data) -> tuple[Path, BuildReport]:
    pytest.importorskip("spatialdata", reason="needs the extra `build`")
    folder = tmp_path_factory.mktemp("real")
    (folder / "data_manifest").mkdir()
    roots = json.dumps([str(test_data)])
    (folder / "site_config.yaml").write_text(
        f"title: Real stores\nsource_roots: {roots}\ndata: {{publish: none}}\n"
    )
    names = {**DRAWN, **{k: v for k, (v, _) in NOT_DRAWN.items()}}
    for name, id_ in names.items():
        source = json.dumps(str(find_store(test_data, name)))
        (folder / "data_manifest" / f"{id_}.yaml").write_text(f"title: {id_}\nsource: {source}\n")
    report = build_site(load_config(folder / "site_config.yaml"), folder / "site")
    return folder / "site", report


@pytest.fixture(scope="module")
def address(built) -> Iterator[str]:
    from portal.serve import start

    with start(built[0]) as base:
        yield base


def record(built, id_: str) -> dict:
    return json.loads((built[0] / "datasets" / id_ / "artifact.json").read_text())


def test_every_store_gets_a_page_and_a_row(built):
    site, report = built
    assert report.records == len(DRAWN) + len(NOT_DRAWN)
    rows = pq.read_table(site / "catalog" / "catalog.parquet").to_pylist()
    assert len(rows) == report.records
    status = {r["uid"]: r["validation_status"] for r in rows}
    assert status["xenium"] == "pass"
    assert status["no-metadata"] == status["anndata"] == status["ome-zarr"] == "fail"


@pytest.mark.parametrize("id_", DRAWN.values())
def test_a_readable_store_has_a_view_and_a_picture(built, id_):
    made = record(built, id_)["products"]
    assert made["view"]["reason"] is None
    assert made["view"]["shows"] == "copy"
    assert made["view"]["bytes"] <= 25_000_000
    assert made["picture"] is not None


@pytest.mark.parametrize(("id_", "why"), NOT_DRAWN.values())
def test_a_store_that_cannot_be_drawn_says_why(built, id_, why):
    assert why in record(built, id_)["products"]["view"]["reason"]
    assert why in (built[0] / "datasets" / id_ / "index.html").read_text().replace("&#39;", "'")


def test_what_is_wrong_with_a_store_is_on_its_page(built):
    codes = {p["code"] for p in record(built, "visium")["problems"]}
    assert {"chunk-absent", "extent-mismatch"} <= codes
    assert "parquet-absent" in {p["code"] for p in record(built, "merfish")["problems"]}
    page = (built[0] / "datasets" / "visium" / "index.html").read_text()
    assert all(c in page for c in codes)


@pytest.mark.parametrize("id_", DRAWN.values())
def test_its_view_draws(id_, address, browser):
    watched = watch(browser, address)
    watched.page.goto(f"{address}datasets/{id_}/?view=1")
    watched.drawn(3)
    watched.page.screenshot(path=ROOT / "screenshots" / f"real-{id_}.png")
    assert watched.faults() == []


def test_a_gene_and_a_cluster_recolour_the_visium_brain(built, address, browser):
    watched = watch(browser, address)
    page = watched.page
    page.goto(f"{address}datasets/visium/?view=1")
    before = watched.drawn()
    page.locator(".p-view").get_by_placeholder("Search").fill("Ttr")
    page.get_by_text("Ttr", exact=True).last.click()
    watched.changed(before)
    page.screenshot(path=ROOT / "screenshots" / "real-visium-gene.png")
    assert watched.faults() == []
