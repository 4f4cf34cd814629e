"""A whole build, from the manifest to the site: from nothing, again, and with one artifact more.

Entries are those of the mirrored collection, repeated under other ids and addresses until there
are enough; no store is read. Each size runs in a process of its own.
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

from portal.build import build_site
from portal.config import load_config

ROOT = Path(__file__).parent.parent
SIZES = (100, 1_000, 10_000)


def make(folder: Path, n: int) -> None:
    """A portal of `n` entries."""
    manifest = folder / "data_manifest"
    (manifest / "made").mkdir(parents=True)
    (folder / "site_config.yaml").write_text("title: Measured\n")
    for name in ("schema.yaml", "collections.yaml"):
        (manifest / name).write_bytes((ROOT / "data_manifest" / name).read_bytes())
    sources = sorted((ROOT / "data_manifest" / "spatialdata-db").glob("*.yaml"))
    texts = [path.read_text("utf-8") for path in sources]
    for i in range(n):
        text = texts[i % len(texts)].replace(".zarr\n", f"-{i}.zarr\n")
        (manifest / "made" / f"e{i}.yaml").write_text(text, "utf-8")


def measure(n: int) -> dict[str, float]:
    """Build three times; seconds, bytes and peak memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, n)
        config = load_config(folder / "site_config.yaml")
        seconds = {}
        for what in ("clean", "again", "one more"):
            if what == "one more":
                new = folder / "data_manifest" / "made" / "new.yaml"
                text = (folder / "data_manifest" / "made" / "e0.yaml").read_text("utf-8")
                new.write_text(text.replace("-0.zarr", "-new.zarr"), "utf-8")
            started = time.perf_counter()
            report = build_site(config, folder / "site")
            seconds[what] = time.perf_counter() - started
        return {
            "records": n,
            "pages": report.pages,
            "clean_s": seconds["clean"],
            "again_s": seconds["again"],
            "one_more_s": seconds["one more"],
            "made_again": len(report.explained),
            "mb": report.bytes / 1e6,
            "cache_mb": sum(p.stat().st_size for p in (folder / ".portal").rglob("*.sqlite")) / 1e6,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 and 1,000 entries only")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    figures = {}
    print("records   pages   clean s   again   one more   made again   site MB   peak MB")
    for n in SIZES[:2] if arguments.quick else SIZES:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.build", "--one", str(n)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        again, more = row["again_s"] / row["clean_s"], row["one_more_s"] / row["clean_s"]
        print(
            f"{n:7,} {row['pages']:7,} {row['clean_s']:9.1f} {again:7.0%} {more:10.0%} "
            f"{row['made_again']:12,} {row['mb']:9.0f} {row['peak_mb']:9.0f}"
        )
        figures |= {f"{key}_{n}": round(value, 3) for key, value in row.items() if key != "records"}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
