"""What a visitor's browser fetches for a view: requests, refusals, bytes.

Contenders, in one run, in headless Chromium against `portal serve`:
  ours    the artifact's page: view store, the store passed to Vitessce, after a click
  stock   the same bundle of Vitessce without our store, on the original store
Counted are the requests for data, those answered 404, and bytes on the wire, until the picture
stands still; then the same for the first gene that is picked (ours).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass
class Traffic:
    """What went over the wire since the last reset."""

    requests: int = 0
    refused: int = 0
    bytes: int = 0
    last: int = 0

    def row(self) -> dict[str, int]:
        return {"requests": self.requests, "refused": self.refused, "bytes": self.bytes}

    def reset(self) -> None:
        self.requests = self.refused = self.bytes = 0


def listen(page: Any) -> tuple[Traffic, Traffic]:
    """Count (everything, data alone) on a page, by the browser's own protocol."""
    everything, data = Traffic(), Traffic()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    urls: dict[str, str] = {}

    def counters(identifier: str) -> list[Traffic]:
        is_data = "/data/" in urls.get(identifier, "")
        return [everything, data] if is_data else [everything]

    def sent(event: dict[str, Any]) -> None:
        if not event["request"]["url"].startswith("http"):
            return
        urls[event["requestId"]] = event["request"]["url"]
        for t in counters(event["requestId"]):
            t.requests += 1

    def answered(event: dict[str, Any]) -> None:
        if event["requestId"] in urls and event["response"]["status"] == 404:
            for t in counters(event["requestId"]):
                t.refused += 1

    def finished(event: dict[str, Any]) -> None:
        if event["requestId"] in urls:
            for t in counters(event["requestId"]):
                t.bytes += int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", finished)
    return everything, data


def settle(page: Any, traffic: Traffic, seconds: float = 4) -> None:
    """Wait until nothing was asked for during `seconds`."""
    quiet, before = 0.0, -1
    for _ in range(300):
        page.wait_for_timeout(500)
        quiet = quiet + 0.5 if traffic.requests == before else 0.0
        before = traffic.requests
        if quiet >= seconds:
            return


STOCK = """<!doctype html><meta charset="utf-8"><title>stock</title><link rel="icon" href="data:,">
<div id="v" style="height:800px"></div>
<script type="module">
import {{ mount }} from './{bundle}';
const config = await (await fetch('stock.json')).json();
for (const d of config.datasets) for (const f of d.files) f.url = new URL(f.url, document.baseURI).href;
mount(document.getElementById('v'), config, {{
  stores: undefined, theme: 'light', height: 800, onError() {{}}, onReady() {{}}, onWarn() {{}},
}});
</script>"""


def build(store: Path, folder: Path) -> Path:
    """A site with the store as its one artifact, its original published; and the stock page."""
    from portal.build import build_site
    from portal.config import load_config
    from portal.resources import asset_manifest
    from portal.scan import scan_store
    from portal.viewer import compose

    (folder / "data_manifest").mkdir(parents=True)
    (folder / "site_config.yaml").write_text(
        f"title: Bench\nsource_roots: ['{store.parent}']\ndata: {{publish: copy}}\n"
        "viewer: {mode: copy}\n"
    )
    (folder / "data_manifest" / "a.yaml").write_text(f"title: A\nsource: '{store}'\n")
    site = folder / "site"
    build_site(load_config(folder / "site_config.yaml"), site)
    config = compose(scan_store(store), "data/a/a.zarr", title="A")
    if isinstance(config, dict):
        (site / "stock.json").write_text(json.dumps(config))
        bundle = f"assets/{asset_manifest()['vitessce']}"
        (site / "stock.html").write_text(STOCK.format(bundle=bundle))
    return site


def measure(store: Path, browser: Any) -> dict[str, dict[str, int]]:
    from portal.serve import start

    rows: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        site = build(store, Path(folder))
        with start(site) as base:
            page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
            everything, data = listen(page)
            page.goto(base + "datasets/a/", wait_until="networkidle")
            rows["ours, page before the click"] = everything.row()
            everything.reset()
            page.get_by_role("button", name="Open interactive view").click()
            settle(page, everything)
            rows["ours, all after the click"] = everything.row()
            rows["ours, data after the click"] = data.row()
            config = json.loads((site / "datasets/a/vitessce.json").read_text())
            if any(v["component"] == "featureList" for v in config["layout"]):
                data.reset()
                rows_of_list = page.locator("[data-view-stage]").get_by_role("row").last
                gene = rows_of_list.inner_text().splitlines()[2]
                rows_of_list.get_by_text(gene, exact=True).click()
                settle(page, data)
                rows["ours, first gene"] = data.row()
            if (site / "stock.html").exists():
                page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
                everything, data = listen(page)
                page.goto(base + "stock.html")
                settle(page, everything)
                rows["stock, data"] = data.row()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one store only")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from recipes.default_collection import make

    stores = make(ROOT / "stores", ["ihc-nuclei"])
    folder = os.environ.get("PORTAL_TEST_DATA")
    visium = Path(folder or "") / "stores" / "spatialdatadb_visium_mouse_brain"
    if folder and visium.is_dir() and not arguments.quick:
        stores += [next(p for p in visium.iterdir() if p.is_dir()).resolve()]
    else:
        print(
            "PORTAL_TEST_DATA names no Visium store: only the local one is measured",
            file=sys.stderr,
        )
    note = ROOT / ".cache" / "browser"
    path = note.read_text().strip() if note.is_file() else "playwright"
    figures: dict[str, int] = {}
    with sync_playwright() as p:
        from tests.conftest import WEBGL

        browser = p.chromium.launch(
            executable_path=None if path == "playwright" else path, args=WEBGL
        )
        for store in stores:
            name = "visium" if "10jff" in store.name else store.stem
            print(f"\n{name}\n{'':<30} {'requests':>9} {'404s':>6} {'bytes':>12}")
            for what, row in measure(store.resolve(), browser).items():
                print(f"{what:<30} {row['requests']:>9} {row['refused']:>6} {row['bytes']:>12,}")
                key = f"{name}_{what.replace(',', '').replace(' ', '_')}"
                figures |= {f"{key}_{k}": v for k, v in row.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
