"""A whole build, from the manifest to the site: from nothing, again, with one artifact more, and
after a change of that one; and MkDocs with Material making the pages of artifacts alone.

Entries are those of the mirrored collection, repeated under other ids and addresses until there
are enough, each with a committed scan of one of the stores of the default collection: no server
is asked, nothing is drawn. Each build runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from portal.build import build_site
from portal.config import load_config
from portal.facts import StoreFacts
from portal.scan import scan_store
from portal.scans import Scan, write_scan

ROOT = Path(__file__).parent.parent
SIZES = (100, 1_000, 10_000)
MKDOCS = (100, 1_000, 5_000)
STEPS = ("clean", "again", "one more", "one changed")
_ARTICLE = re.compile(r"<article.*</article>", re.DOTALL)


def make(folder: Path, n: int, *, scans: bool = False) -> None:
    """A portal of `n` entries; with `scans` each has a scan of a store elsewhere."""
    manifest = folder / "data_manifest"
    (manifest / "made").mkdir(parents=True)
    (folder / "site_config.yaml").write_text("title: Measured\n")
    for name in ("schema.yaml", "collections.yaml"):
        (manifest / name).write_bytes((ROOT / "data_manifest" / name).read_bytes())
    facts = _scanned() if scans else []
    for i in range(n):
        _add(manifest, f"e{i}", i, facts)


def _add(manifest: Path, id_: str, i: int, facts: list[StoreFacts]) -> None:
    sources = sorted((ROOT / "data_manifest" / "spatialdata-db").glob("*.yaml"))
    text = sources[i % len(sources)].read_text("utf-8").replace(".zarr\n", f"-{id_}.zarr\n")
    if facts:
        address = f"https://data.example.org/{id_}.zarr"
        text = f"source: {address}\n{text}"
        own = facts[i % len(facts)].model_copy(update={"fingerprint": f"{id_:0>64}"})
        write_scan(manifest, id_, Scan(address, "2026-01-01T00:00:00+00:00", 9, 9_999, own))
    (manifest / "made" / f"{id_}.yaml").write_text(text, "utf-8")


def _scanned() -> list[StoreFacts]:
    """What scans find in the stores of the default collection, which `make stores` makes."""
    stores = sorted((ROOT / "stores").glob("*.zarr"))
    if not stores:
        sys.exit("There are no stores yet: run `make stores` first.")
    return [scan_store(path, name=path.stem) for path in stores]


def measure(folder: Path, step: str) -> dict[str, float]:
    """One build; seconds, bytes and peak memory."""
    config = load_config(folder / "site_config.yaml")
    before = time.process_time()
    started = time.perf_counter()
    report = build_site(config, folder / "site", offline=True)
    return {
        "s": time.perf_counter() - started,
        "cpu_s": time.process_time() - before,
        "pages": report.pages,
        "made_again": len(report.explained),
        "mb": report.bytes / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def builds(folder: Path, n: int) -> dict[str, dict[str, float]]:
    """All steps, each in a process of its own."""
    make(folder, n, scans=True)
    manifest = folder / "data_manifest"
    done = {}
    for step in STEPS:
        if step == "one more":
            _add(manifest, "new", 0, _scanned())
        elif step == "one changed":
            path = manifest / "made" / "new.yaml"
            path.write_text(path.read_text("utf-8").replace("title: ", "title: Changed "), "utf-8")
        done[step] = _in_process(folder, step)
    return done


def _in_process(folder: Path, step: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.build"]
    command += ["--folder", str(folder), "--step", step]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def mkdocs(site: Path, folder: Path, n: int) -> dict[str, float]:
    """MkDocs with Material and the first `n` pages of artifacts, as Markdown that is HTML."""
    docs = folder / "docs" / "datasets"
    docs.mkdir(parents=True)
    (docs.parent / "index.md").write_text("# Home\n")
    pages = sorted(site.glob("datasets/*/index.html"))[:n]
    for page in pages:
        found = _ARTICLE.search(page.read_text("utf-8"))
        (docs / f"{page.parent.name}.md").write_text(found[0] if found else "", "utf-8")
    settings = {
        "site_name": "Measured",
        "theme": {"name": "material", "font": False},
        "plugins": [],
        "nav": ["index.md"],  # pages in the navigation cost far more
    }
    (folder / "mkdocs.yml").write_text(json.dumps(settings))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", str(folder / "mkdocs.yml")]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"n": len(pages), "s": time.perf_counter() - started, "cpu_s": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 and 1,000 entries only")
    parser.add_argument("--sizes", type=int, nargs="*", help="other numbers of entries")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(measure(arguments.folder, arguments.step)))
        return
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1700000000")
    sizes = arguments.sizes or (SIZES[:2] if arguments.quick else SIZES)
    figures: dict[str, float] = {}
    print("records  step            s   of clean    CPU s  of clean  made again  site MB  peak MB")
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            done = builds(folder / "portal", n)
            clean = done["clean"]
            for step, row in done.items():
                print(
                    f"{n:7,}  {step:11} {row['s']:6.1f} {row['s'] / clean['s']:10.0%} "
                    f"{row['cpu_s']:8.1f} {row['cpu_s'] / clean['cpu_s']:9.0%} "
                    f"{row['made_again']:11,} {row['mb']:8.0f} {row['peak_mb']:8.0f}"
                )
                key = step.replace(" ", "_")
                figures |= {f"{key}_{what}_{n}": round(value, 3) for what, value in row.items()}
            for pages in [p for p in MKDOCS if p <= n and n in (p, *SIZES)]:
                if pages == n or (pages == MKDOCS[-1] and n > pages):
                    their = mkdocs(folder / "portal" / "site", folder / f"mkdocs-{pages}", pages)
                    ours = clean["cpu_s"] / n * their["n"]
                    print(
                        f"         MkDocs with Material, {their['n']:,} pages: {their['s']:.1f} s, "
                        f"CPU {their['cpu_s']:.1f} s: {their['cpu_s'] / ours:.1f} times a whole "
                        "build of as many records"
                    )
                    figures |= {f"mkdocs_cpu_s_{pages}": round(their["cpu_s"], 3)}
                    figures |= {f"mkdocs_ratio_{pages}": round(their["cpu_s"] / ours, 3)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
