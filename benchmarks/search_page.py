"""The browse page itself, at any number of rows: what a first visit fetches, from act to picture.

The page is written by the site's own code from its templates and bundles; only the lists that it
draws from are made: the counts of the facets' values and the cards of the newest rows.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search_browser import Server, open_browser, serving
from benchmarks.search_catalog import RANGES, Catalog, cards_of

__all__ = ["cold", "live", "make_page"]

_LIVE = ".p-browse[data-live] #results:not([aria-busy])"
_PICTURES = (".webp", ".png", ".jpg")


def make_page(n: int, cache: Path) -> Path:
    """Write the browse page of a made catalog; the shell and the assets are shared by all sizes."""
    from markupsafe import Markup

    from portal.config import SiteConfig
    from portal.listpages import ListPages
    from portal.resources import asset_manifest, assets_dir
    from portal.schema import Schema
    from portal.search_prose import write_prose
    from portal.shell import build_shell

    assets = asset_manifest()
    if "browse" not in assets:
        raise SystemExit("The front end is not bundled: run `make assets` first.")
    site, folder = cache / "site", cache / str(n)
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    config = SiteConfig(title="Bench", root=cache)
    shell = build_shell(config, site, cache / "shell", search=True)
    shutil.copytree(assets_dir(), site / "assets", dirs_exist_ok=True)
    with open(folder / "catalog.pickle", "rb") as file:
        catalog: Catalog = pickle.load(file)
    plan = json.loads((folder / "plan.json").read_text())
    draw = {t: cards_of(catalog, template=f"partials/{t}.html") for t in ("card", "row")}

    class MadePages(ListPages):
        """Lists of rows instead of records."""

        def join(self, template: str, records: Iterable[Any], depth: int) -> Markup:
            cards = draw[Path(template).stem]
            return Markup("".join(c for row in records for c in cards(row, row + 1)))

        def numbered(self, *args: Any, **options: Any) -> None:
            """Not measured."""

    out = folder / "site"
    shutil.rmtree(out, ignore_errors=True)
    pages = MadePages([], {}, config, out, shell, Schema(fields={}), assets)
    pages.listed = range(n - 1, -1, -1)  # pyright: ignore[reportAttributeAccessIssue]
    pages.facets = _facets(catalog, plan["all"])
    name = json.loads((folder / "index.json").read_text())["index"]
    pages.index = {"facets": name, "prose": write_prose(site, folder / "search"), "n": n}
    pages.browse()
    return folder


def _facets(catalog: Catalog, counts: dict[str, list[int]]) -> Any:
    from portal.facets import FacetColumn, Facets, FacetValue, RangeColumn
    from portal.words import slugify

    columns = []
    for c in catalog.columns:
        own = np.bincount(c.codes, minlength=len(c.terms)).tolist()
        values = [
            FacetValue(
                label=t.label,
                id=t.id,
                slug=slugify(t.label),
                synonyms=t.synonyms,
                records=range(counts[c.column][i]),  # pyright: ignore[reportArgumentType]
                own=range(own[i]),  # pyright: ignore[reportArgumentType]
                parents=t.parents,
                shown=t.shown,
                address=f"by/{c.column}/{slugify(t.label)}/",
            )
            for i, t in enumerate(c.terms)
        ]
        columns.append(FacetColumn(c.column, c.label, c.kind, True, values))
    ranges = [RangeColumn(name, label, kind, []) for name, (label, kind) in RANGES.items()]
    return Facets(columns, ranges, {})


@contextmanager
def _visit(folder: Path, cache: Path) -> Iterator[tuple[Server, Any]]:
    """A server of the site and a fresh browser with a page that is not yet opened."""
    folders = {
        "/search/": folder / "search",
        "/browse/": folder / "site" / "browse",
        "/": cache / "site",
    }
    with serving(folders, cache / "gzip") as server, open_browser() as browser:
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.set_default_timeout(300_000)
        yield server, page


_WATCH = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
addEventListener('DOMContentLoaded', () => {
  const live = () => document.querySelector('.p-browse[data-live] #results:not([aria-busy])');
  const watch = new MutationObserver(() => {
    if (!live()) return;
    watch.disconnect();
    window.live = performance.now();
  });
  watch.observe(document, { attributes: true, subtree: true });
});
"""


def cold(folder: Path, n: int, cache: Path) -> dict[str, float]:
    """Bytes and requests of a first visit, from nothing until the results are live."""
    with _visit(folder, cache) as (server, page):
        page.add_init_script(_WATCH)
        page.goto(f"{server.base}/browse/", wait_until="commit")
        for _ in range(2_400):  # the page's CSP forbids wait_for_function
            if page.evaluate("window.live"):
                break
            page.wait_for_timeout(50)
        else:
            raise SystemExit("the browse page does not come alive")
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        live, shift = page.evaluate("[window.live, window.shift]")
        sent = [s for s in server.sent if not s[0].endswith(_PICTURES)]
    if n <= 1_000:
        for address, size in sent:
            print(f"  {size:>8,} {address}")
    total = sum(size for _, size in sent)
    print(
        f"page cold: {total / 1000:.1f} kB in {len(sent)} requests, thumbnails apart;"
        f" live after {live:.0f} ms, layout shift {shift:.4f}",
        flush=True,
    )
    return {
        "cold_kb": round(total / 1000, 1),
        "cold_requests": len(sent),
        "live_ms": round(live),
        "layout_shift": round(shift, 4),
    }


# From the act to the first picture that shows its answer: the page takes its `aria-busy` away
# when it has drawn; the next frame is then on its way, and the message comes after it.
_MEASURE = """
window.measure = (act) => new Promise((resolve) => {
  const results = document.querySelector('#results');
  const start = performance.now();
  const watch = new MutationObserver(() => {
    if (results.hasAttribute('aria-busy')) return;
    watch.disconnect();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(performance.now() - start);
      port2.postMessage(0);
    });
  });
  watch.observe(results, { attributes: true, attributeFilter: ['aria-busy'] });
  act();
});
// Between two acts: the thumbnails come from the same machine and would compete with the page.
const rest = () => new Promise((resolve) => setTimeout(resolve, 150));
const type = (text) => {
  const box = document.querySelector('.md-header [data-search]');
  box.value = text;
  box.dispatchEvent(new Event('input', { bubbles: true }));
};
window.clicks = async (many) => {
  let state = 12345;
  const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
  const times = [];
  const open = () => [...document.querySelectorAll('#filters .p-opt input')]
    .filter((box) => box.offsetParent && !box.closest('.p-zero'));
  if (!open().length) throw new Error('the panel has no boxes to tick');
  while (times.length < many) {
    if (times.length % 5 === 0 && document.querySelector('.p-chips')) {
      const clear = [...document.querySelectorAll('.p-chips button')].at(-1);
      await window.measure(() => clear.click());
    }
    const boxes = open();
    const box = boxes[Math.floor(random() * boxes.length)];
    await rest();
    times.push(await window.measure(() => box.click()));
  }
  const clear = [...document.querySelectorAll('.p-chips button')].at(-1);
  if (clear) await window.measure(() => clear.click());
  return times;
};
window.keys = async (texts) => {
  const times = [];
  for (const text of texts) {
    for (let end = 1; end <= text.length; end += 1) {
      await rest();
      times.push(await window.measure(() => type(text.slice(0, end))));
    }
    await window.measure(() => type(''));
  }
  return times;
};
"""


def live(folder: Path, n: int, cache: Path, quick: bool) -> dict[str, float]:
    """Milliseconds from a click or a key to the picture, the parts of the index fetched before."""
    texts = json.loads((folder / "plan.json").read_text())["texts"]
    texts = texts[:4] if quick else texts[:12]
    many = 20 if quick else 60
    with _visit(folder, cache) as (server, page):
        page.goto(f"{server.base}/browse/")
        page.wait_for_selector(_LIVE, state="attached")
        page.evaluate(f"() => {{ {_MEASURE} }}")
        figures: dict[str, float] = {}
        for name, ask in (("click", f"window.clicks({many})"), ("key", f"window.keys({texts})")):
            first = page.evaluate(ask)  # the same once more: now all parts are there
            again = page.evaluate(ask)
            figures[f"{name}_first_ms_p50"] = _quantile(first, 50)
            for percent in (50, 95):
                figures[f"{name}_ms_p{percent}"] = _quantile(again, percent)
            print(
                f"page, {name} to picture: p50 {figures[f'{name}_ms_p50']:.1f} ms,"
                f" p95 {figures[f'{name}_ms_p95']:.1f} ms over {len(again)};"
                f" the first time p50 {figures[f'{name}_first_ms_p50']:.1f} ms",
                flush=True,
            )
    return figures


def _quantile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)
