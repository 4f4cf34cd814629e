"""The search against others: clicks on facets, typed text, what is fetched, how the index is built.

Seeded catalogs of 1,000 to 1,000,000 rows; all contenders on the same rows and the same queries
in one run, each in a headless Chromium of its own. Answers are compared with counts made another
way: a contender that counts wrong is named. Then our browse page itself: from a click or a key to
the next picture, and what a first visit fetches. Each index is built in a process of its own.

Made files stay in `.cache/benchmarks/search`; `--fresh` makes them again.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.search_browser import Server, run_contender, serving
from benchmarks.search_contenders import CONTENDERS, MOST, WHY, bundle, install, write_input
from benchmarks.search_report import write_readme

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "benchmarks" / "search"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LIMITS = {1_000: 90, 10_000: 180, 100_000: 300, 1_000_000: 300}
"""Seconds that a contender may take at a size, from an empty page."""
PROGRAMS = ("npm/node_modules/@duckdb/*/dist/*-eh.w*", "npm/node_modules/@sqlite.org/**/*.wasm")
TEXT_AT_MOST = {"itemsjs": 10_000}
"""Rows beyond which a contender's text index takes longer than its limit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 rows, fewer runs")
    parser.add_argument("--sizes", help="rows, as in 1000,10000")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="some of the default")
    parser.add_argument("--no-page", action="store_true", help="leave out the browse page")
    parser.add_argument("--fresh", action="store_true", help="make catalogs and inputs again")
    parser.add_argument("--write-readme", action="store_true", help="put the tables there")
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--build", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = [c for c in options.contenders.split(",") if c in CONTENDERS]
    if options.make:
        make(options.make, names, 24 if options.quick else 64)
        return
    if options.build:
        print(json.dumps(build(options.build)))
        return
    sizes = SIZES[:2] if options.quick else SIZES
    if options.sizes:
        sizes = tuple(int(n) for n in options.sizes.split(","))
    if options.fresh:
        for n in sizes:
            shutil.rmtree(CACHE / str(n), ignore_errors=True)
    figures = run(sizes, names, quick=options.quick, page=not options.no_page)
    if options.write_readme:
        write_readme(figures, sizes, names)
    print(json.dumps(figures))


def run(sizes: Iterable[int], names: list[str], *, quick: bool, page: bool) -> dict[str, Any]:
    """Everything at every size; prints tables as they are done."""
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    if busy > cores / 2:
        say(
            f"{busy:.1f} programs wait for {cores} cores: times will be too long, above all the page's"
        )
    modules = install(CACHE / "npm")
    bundle(modules, CACHE / "pages")
    shutil.rmtree(CACHE / "gzip", ignore_errors=True)
    figures: dict[str, Any] = {}
    ours = "ours" in names
    for n in sizes:
        fit = [c for c in names if n <= MOST[c]]
        _child("--make", n, fit, quick)
        folders = {"/bench/": CACHE / "pages", "/npm/": modules, "/": CACHE}
        with serving(folders, CACHE / "gzip") as server:
            say(f"\n{n:,} rows")
            for pattern in (f"{n}/*.json", f"{n}/*.arrow", f"{n}/*.sqlite", "pages/*", *PROGRAMS):
                for path in CACHE.glob(pattern):
                    server.body(path)  # compressed before the clock starts
            if ours:
                built = json.loads(_child("--build", n, fit, quick).splitlines()[-1])
                report_build(built)
                figures |= {f"build_{k}_{n}": v for k, v in built.items() if k != "index"}
                figures[f"facets_bytes_a_row_{n}"] = round(built["facets_bytes"] / n, 1)
            figures |= compare(server, n, names, quick)
        if ours and page:
            figures |= measure_page(n, quick)
    return figures


def _child(step: str, n: int, names: list[str], quick: bool) -> str:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.search", step, str(n)]
    command += ["--contenders", ",".join(names), *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[4:])} failed")
    return done.stdout


def make(n: int, names: list[str], clicks: int) -> None:
    """The catalog, what is asked with the right answers, and what the contenders read."""
    from benchmarks.search_catalog import make_catalog
    from benchmarks.search_queries import Oracle, make_clicks, make_texts

    folder = CACHE / str(n)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "catalog.pickle"
    if kept.exists():
        catalog = pickle.loads(kept.read_bytes())
    else:
        catalog = make_catalog(n)
        with open(kept, "wb") as file:
            pickle.dump(catalog, file, protocol=5)
    oracle = Oracle(catalog)
    asked = make_clicks(catalog, oracle, clicks)
    answers = [oracle.ask(terms) for terms in asked]
    plan = {
        "columns": [
            {
                "column": c.column,
                "terms": [t.label for t in c.terms],
                "shown": [t.shown for t in c.terms],
            }
            for c in catalog.columns
        ],
        "clicks": [
            {"terms": terms, "total": total, "counts": counts}
            for terms, (total, counts) in zip(asked, answers, strict=True)
        ],
        "texts": make_texts(catalog),
        "all": oracle.ask({})[1],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    for name in names:
        if name != "ours":
            started = time.perf_counter()
            write_input(name, catalog, oracle, folder, CACHE / "npm" / "node_modules")
            if (seconds := time.perf_counter() - started) > 5:
                say(f"{name}'s input for {n:,} rows: {seconds:.0f} s")


def build(n: int) -> dict[str, Any]:
    """Write the index of a made catalog; seconds, bytes, and the greatest memory with the rows."""
    from benchmarks.search_catalog import documents
    from portal.search import write_index

    folder = CACHE / str(n)
    with open(folder / "catalog.pickle", "rb") as file:
        rows = documents(pickle.load(file))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = folder / "search"
    shutil.rmtree(out, ignore_errors=True)
    started, cpu = time.perf_counter(), time.process_time()
    name = write_index(rows, out)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    parts = {"text": "text/*", "cards": "cards/*", "rest": "*"}
    sizes = {k: [p.stat().st_size for p in out.glob(g) if p.is_file()] for k, g in parts.items()}
    (folder / "index.json").write_text(json.dumps({"index": name}))
    facets = (out / name).stat().st_size
    return {
        "index": name,
        "rows": n,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "rows_mb": round(before / 1000),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
        "facets_bytes": facets,
        "text_bytes": sum(sizes["text"]),
        "cards_bytes": sum(sizes["cards"]),
        "other_bytes": sum(sizes["rest"]) - facets,
        "files": sum(map(len, sizes.values())),
    }


def report_build(b: dict[str, Any]) -> None:
    n = b["rows"]
    total = b["facets_bytes"] + b["text_bytes"] + b["cards_bytes"] + b["other_bytes"]
    say(
        f"index built in {b['seconds']:.1f} s ({1e6 * b['seconds'] / n:.0f} µs a row), peak"
        f" {b['peak_mb']:,} MB of which {b['rows_mb']:,} MB were there before;"
        f" {total / 1e6:.1f} MB in {b['files']:,} files. Bytes a row: facets"
        f" {b['facets_bytes'] / n:.1f}, text {b['text_bytes'] / n:.0f},"
        f" cards {b['cards_bytes'] / n:.0f}, other {b['other_bytes'] / n:.1f}"
    )


def compare(server: Server, n: int, names: list[str], quick: bool) -> dict[str, Any]:
    """All contenders at one size."""
    say(
        f"{'':<11} {'kB cold':>9} {'requests':>8} {'ms to live':>10} {'click p50':>10}"
        f" {'p95':>8} {'text p50':>9} {'p95':>8} {'heap MB':>8}  exact"
    )
    figures: dict[str, Any] = {}
    clicks: dict[str, float] = {}
    for name in names:
        if n > MOST[name]:
            why = WHY.get(name, "its file of rows is above what a browser's string may hold")
            say(f"{name:<11} not run: {why}")
            figures[f"{name}_failed_{n}"] = why
            continue
        options = {
            "name": name,
            "base": f"/{n}/",
            "budget": 10_000 if quick else 40_000,
            "texts": n <= TEXT_AT_MOST.get(name, SIZES[-1]),
        }
        if name == "ours":
            options["index"] = json.loads((CACHE / str(n) / "index.json").read_text())["index"]
        result = run_contender(server, options, LIMITS[min(s for s in SIZES if s >= n)])
        if "failed" in result:
            say(f"{name:<11} not run: {result['failed']}")
            figures[f"{name}_failed_{n}"] = result["failed"]
            continue
        figures |= {f"{name}_{k}_{n}": v for k, v in report(name, result).items()}
        clicks[name] = statistics.median(result["clicks"])
    for name, median in clicks.items():
        if name != "ours" and "ours" in clicks:
            figures[f"click_against_{name}_{n}"] = round(median / clicks["ours"], 1)
    return figures


def report(name: str, result: dict[str, Any]) -> dict[str, float]:
    """One line of the table; the same as figures."""
    texts = [t["ms"] for t in result["texts"]]
    wrong = sum(w > 0 for w in result["wrong"])
    exact = f"{wrong} of {len(result['wrong'])} clicks wrong" if wrong else "yes"
    note = f"; {result['note']}" if result["note"] else ""
    figures = {
        "cold_kb": round(result["bytes"] / 1000, 1),
        "cold_requests": result["requests"],
        "live_ms": round(result["load"]),
        "click_ms_p50": quantile(result["clicks"], 50),
        "click_ms_p95": quantile(result["clicks"], 95),
        **({"text_ms_p50": quantile(texts, 50)} if texts else {}),
        **({"text_ms_p95": quantile(texts, 95)} if texts else {}),
        "clicks": len(result["clicks"]),
        "wrong_clicks": wrong,
    }
    say(
        f"{name:<11} {figures['cold_kb']:>9,.0f} {figures['cold_requests']:>8}"
        f" {figures['live_ms']:>10,} {figures['click_ms_p50']:>10,.2f}"
        f" {figures['click_ms_p95']:>8,.2f} {figures.get('text_ms_p50', float('nan')):>9,.2f}"
        f" {figures.get('text_ms_p95', float('nan')):>8,.2f} {result['heap'] / 1e6:>8,.0f}"
        f"  {exact}{note}"
    )
    return figures


def quantile(values: list[float], percent: int) -> float:
    """The value that `percent` of all are at most."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 3)


def measure_page(n: int, quick: bool) -> dict[str, Any]:
    """The browse page itself."""
    from benchmarks.search_page import cold, live, make_page

    folder = make_page(n, CACHE)
    figures = {f"page_{k}_{n}": v for k, v in cold(folder, n, CACHE).items()}
    return figures | {f"page_{k}_{n}": v for k, v in live(folder, n, CACHE, quick).items()}


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
