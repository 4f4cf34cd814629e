"""How long a scan takes, against `spatialdata.read_zarr` on the same stores.

Warm: both in one process after their imports, in turns of five runs on end; the median of all
runs counts. Cold: a fresh process each, with imports. Stores: the blobs of spatialdata in both zarr formats, made here,
and those below `--data` (or `PORTAL_TEST_DATA`) that `read_zarr` opens as SpatialData.

Run: `python -m benchmarks.scan [--quick] [--data FOLDER]`; needs the extra `build`.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal.scan import scan_store

COLD = {
    "scan": "import sys; from portal.scan import scan_store; scan_store(sys.argv[1])",
    "read": "import sys, spatialdata; spatialdata.read_zarr(sys.argv[1])",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs, one store cold")
    parser.add_argument("--data", default=os.environ.get("PORTAL_TEST_DATA"), help="has stores/")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        stores = make_stores(Path(folder)) + real_stores(options.data)
        rows = [warm(store, 2 if options.quick else 5) for store in stores]
        rows = [row for row in rows if row is not None]
        chosen = stores[:1] if options.quick else stores[:2]
        cold = [cold_run(store, 1 if options.quick else 3) for store in chosen]
    report(rows, cold)


def make_stores(folder: Path) -> list[Path]:
    """The blobs of spatialdata, 512 pixels wide, in zarr 2 and 3."""
    from spatialdata._io import format as formats
    from spatialdata.datasets import blobs

    sdata = blobs(length=512)
    made = []
    for name, container in (
        ("blobs-zarr2", formats.SpatialDataContainerFormatV01()),
        ("blobs-zarr3", formats.SpatialDataContainerFormatV02()),
    ):
        made.append(folder / f"{name}.zarr")
        sdata.write(made[-1], sdata_formats=[container])
    return made


def real_stores(data: str | None) -> list[Path]:
    """Folders in `<data>/stores/*/` that a scan takes for SpatialData."""
    if not data:
        return []
    folders = sorted(p for p in Path(data).glob("stores/*/*") if p.is_dir())
    return [p for p in folders if scan_store(p).kind == "spatialdata"]


def warm(store: Path, runs: int) -> dict[str, Any] | None:
    """Milliseconds of both, in `runs` turns; None when `read_zarr` cannot open the store."""
    import spatialdata

    try:
        spatialdata.read_zarr(store)
    except Exception as error:  # a broken store: the scan describes it, read_zarr cannot
        print(f"left out: {store.name}: {type(error).__name__}", file=sys.stderr)
        return None
    facts = scan_store(store)
    scans: list[float] = []
    reads: list[float] = []
    for _ in range(runs):
        scans += block(lambda: scan_store(store))
        reads += block(lambda: spatialdata.read_zarr(store))
    scan, read = statistics.median(scans), statistics.median(reads)
    name = store.name if store.name.startswith("blobs-") else store.parent.name
    return {"store": name, "files": facts.files, "scan": scan, "read": read, "ratio": read / scan}


def block(work: Callable[[], object], size: int = 5) -> list[float]:
    """Times of a few runs on end, after the garbage of the other contender is gone."""
    gc.collect()
    return [clock(work) for _ in range(size)]


def clock(work: Callable[[], object]) -> float:
    """Milliseconds that `work` takes; what it gives back is freed before the end."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def cold_run(store: Path, runs: int) -> dict[str, Any]:
    """Milliseconds of a whole process, imports included."""
    times: dict[str, list[float]] = {name: [] for name in COLD}
    for _ in range(runs):
        for name, code in COLD.items():
            command = [sys.executable, "-W", "ignore", "-c", code, str(store)]
            times[name].append(
                clock(
                    lambda command=command: subprocess.run(
                        command, check=True, stderr=subprocess.DEVNULL
                    )
                )
            )
    scan, read = statistics.median(times["scan"]), statistics.median(times["read"])
    return {"store": store.name, "scan": scan, "read": read, "ratio": read / scan}


def report(rows: list[dict[str, Any]], cold: list[dict[str, Any]]) -> None:
    """Print the table, and as the last line the figures as JSON."""
    print(f"{'store':42} {'files':>6} {'scan ms':>9} {'read_zarr ms':>13} {'ratio':>7}")
    for row in rows:
        print(
            f"{row['store'][:42]:42} {row['files']:6} {row['scan']:9.2f} {row['read']:13.1f}"
            f" {row['ratio']:7.1f}"
        )
    for row in cold:
        print(
            f"{'cold: ' + row['store'][:36]:49} {row['scan']:9.0f} {row['read']:13.0f}"
            f" {row['ratio']:7.1f}"
        )
    ratios = [row["ratio"] for row in rows]
    figures = {
        "stores": len(rows),
        "scan_ms_median": statistics.median(row["scan"] for row in rows),
        "read_zarr_ms_median": statistics.median(row["read"] for row in rows),
        "warm_ratio_median": statistics.median(ratios),
        "warm_ratio_least": min(ratios),
        "warm_ratio_total": sum(r["read"] for r in rows) / sum(r["scan"] for r in rows),
        "cold_scan_ms": statistics.median(row["scan"] for row in cold),
        "cold_read_zarr_ms": statistics.median(row["read"] for row in cold),
        "cold_ratio": statistics.median(row["ratio"] for row in cold),
    }
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
