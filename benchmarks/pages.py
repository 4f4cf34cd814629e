"""CPU a page: render 100, 1,000 and 10,000 records, each size in a process of its own.

Records are those of the default manifest, scanned where they are local, repeated under new ids
until there are enough. Measured is `render_site` alone: scan results and the shell are given.
The shell's own cost (MkDocs, once a build) is printed beside.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZES = (100, 1_000, 10_000)


def measure(n: int) -> dict[str, float]:
    """Render `n` records; returns figures in milliseconds, megabytes and counts."""
    from portal.build import scan_all
    from portal.catalog import slim
    from portal.config import load_config
    from portal.manifest import read_manifest
    from portal.render import render_site
    from portal.shell import build_shell

    config = load_config(ROOT / "site_config.yaml")
    manifest = read_manifest(config)
    artifacts = scan_all(manifest, config, lambda *_: None)
    of = [slim(a.record) for a in artifacts]
    records = [
        of[i % len(of)].model_copy(update={"id": f"r{i}", "title": f"{of[i % len(of)].title} {i}"})
        for i in range(n)
    ]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "site"
        out.mkdir()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.process_time()
        shell = build_shell(config, out, Path(folder) / "work")
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        shell_ms = (time.process_time() - started + now.ru_utime - children.ru_utime) * 1000
        started = time.process_time()
        pages = render_site(
            records, manifest.collections, config, out, shell, schema=manifest.schema_
        ).pages
        cpu = time.process_time() - started
    return {
        "records": n,
        "pages": len(pages),
        "ms_a_record": 1000 * cpu / n,
        "ms_a_page": 1000 * cpu / len(pages),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "shell_ms": shell_ms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 and 1,000 records only")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    rows = []
    for n in SIZES[:2] if arguments.quick else SIZES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.pages", "--one", str(n)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{'records':>8} {'pages':>8} {'ms/record':>10} {'ms/page':>8} {'peak MB':>8} {'shell ms':>9}"
    )
    for r in rows:
        print(
            f"{r['records']:>8,} {r['pages']:>8,} {r['ms_a_record']:>10.2f} {r['ms_a_page']:>8.2f} "
            f"{r['peak_mb']:>8.0f} {r['shell_ms']:>9.0f}"
        )
    figures = {f"ms_a_page_{r['records']}": round(r["ms_a_page"], 3) for r in rows}
    figures |= {f"ms_a_record_{r['records']}": round(r["ms_a_record"], 3) for r in rows}
    figures |= {f"peak_mb_{r['records']}": round(r["peak_mb"]) for r in rows}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
