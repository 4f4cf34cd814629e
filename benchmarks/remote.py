"""What scanning stores at addresses costs: requests, bytes, time, with 50 ms to each answer.

The server is a process of its own on this machine. Stores are made by hand, one element of each
kind, a table of 500 genes. Concurrent is as `portal scan` does it; one after the other is the
same code with one store and one request at a time. Readers get 200 files of 2 kB, 16 at a time,
each in a process of its own, its imports apart.

Run: `python -m benchmarks.remote [--quick]`; needs the extras `build` and `remote`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from portal import remote, rescan
from portal.config import SiteConfig, load_config
from portal.manifest import read_manifest
from tests.faultyserver import serving
from tests.stores import sound

LATENCY = 0.05
FILES, SIZE, AT_ONCE = 200, 2000, 16
READERS = {
    "ours (urllib3)": """
from concurrent.futures import ThreadPoolExecutor
from portal.config import Remote
from portal.webclient import Web
web = Web(Remote(allow_private=True))
def run():
    with ThreadPoolExecutor(16) as pool:
        return sum(len(a.body) for a in pool.map(lambda n: web.ask("GET", n), names))
""",
    "obstore": """
from concurrent.futures import ThreadPoolExecutor
from obstore.store import HTTPStore
store = HTTPStore.from_url(base, client_options={"allow_http": True})
def run():
    with ThreadPoolExecutor(16) as pool:
        get = lambda n: len(bytes(store.get(n.removeprefix(base)).bytes()))
        return sum(pool.map(get, names))
""",
    "fsspec (aiohttp)": """
import fsspec
fs = fsspec.filesystem("http")
def run():
    return sum(map(len, fs.cat(names, batch_size=16).values()))
""",
}
_READ = """
import json, resource, statistics, sys, time
began = time.perf_counter()
base, count, size, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
names = [f"{{base}}small/{{i}}" for i in range(count)]
{reader}
started = time.perf_counter() - began
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
times, used = [], []
for _ in range(rounds):
    before, start = cpu(), time.perf_counter()
    assert run() == count * size
    times.append(time.perf_counter() - start)
    used.append(cpu() - before)
middle = lambda values: sorted(values)[len(values) // 2] * 1000
print(json.dumps({{"import": started * 1000, "ms": middle(times), "cpu": middle(used)}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 stores, two rounds of reading")
    options = parser.parse_args()
    stores = 20 if options.quick else 100
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root / "served", stores)
        with server(root / "served") as base:
            config = portal(root / "portal", base, stores)
            found = {name: scan(config, *width) for name, width in WIDTHS.items()}
            readers = {
                n: read(code, base, 2 if options.quick else 7) for n, code in READERS.items()
            }
    report(stores, found, readers)


def make(root: Path, stores: int) -> None:
    for number in range(stores):
        maker = sound(root / f"store-{number}.zarr", 2 + number % 2)
        maker.table("panel", genes=[f"Gene{number}-{i}" for i in range(500)], n_obs=3)
        maker.consolidate()
    (root / "small").mkdir()
    for number in range(FILES):
        (root / f"small/{number}").write_bytes(b"x" * SIZE)


def _serve(root: Path, to: Connection) -> None:
    with serving(root, latency=LATENCY) as running:
        to.send(running.url)
        to.recv()


@contextmanager
def server(root: Path) -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(root, there))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        process.join()


def portal(root: Path, base: str, stores: int) -> SiteConfig:
    (root / "data_manifest").mkdir(parents=True)
    (root / "site_config.yaml").write_text("title: x\nremote: {allow_private: true}\n")
    for number in range(stores):
        entry = f"title: Store {number}\nsource: {base}store-{number}.zarr\n"
        (root / f"data_manifest/store-{number}.yaml").write_text(entry)
    return load_config(root / "site_config.yaml")


WIDTHS = {"one after the other": (1, 1), "one store at a time": (1, 16), "concurrent": (8, 16)}
"""Stores at a time, and requests at a time for each."""


def scan(config: SiteConfig, stores: int, requests: int) -> dict[str, float]:
    """Scan all; seconds, and what a store took."""
    rescan.STORES, remote.CONCURRENT = stores, requests
    start = time.perf_counter()
    found = rescan.rescan(config, read_manifest(config), "all", scanned="-", write=False)
    seconds = time.perf_counter() - start
    assert all(f.outcome == "new" for f in found)
    return {
        "seconds": seconds,
        "requests": statistics.median(f.requests for f in found),
        "bytes": statistics.median(f.bytes for f in found),
    }


def read(reader: str, base: str, rounds: int) -> dict[str, float]:
    """Milliseconds that a reader takes for all the small files."""
    code = _READ.format(reader=reader)
    numbers = [str(n) for n in (FILES, SIZE, rounds)]
    command = [sys.executable, "-W", "ignore", "-c", code, base, *numbers]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def report(
    stores: int, found: dict[str, dict[str, float]], readers: dict[str, dict[str, float]]
) -> None:
    """Print the tables, and as the last line the figures as JSON."""
    print(f"{stores} stores, {LATENCY * 1000:.0f} ms to each answer")
    print(f"{'':24} {'seconds':>9} {'requests a store':>17} {'bytes a store':>14}")
    for name, row in found.items():
        print(f"{name:24} {row['seconds']:9.2f} {row['requests']:17.0f} {row['bytes']:14,.0f}")
    least = LATENCY * 1000 * -(-FILES // AT_ONCE)
    print(f"\n{FILES} files, {AT_ONCE} at a time; {least:.0f} ms is the least there can be")
    print(f"{'':24} {'ms':>9} {'CPU ms':>9} {'import ms':>10}")
    for name, row in readers.items():
        print(f"{name:24} {row['ms']:9.0f} {row['cpu']:9.0f} {row['import']:10.0f}")
    slow, quick = found["one after the other"], found["concurrent"]
    figures = {
        "stores": stores,
        "sequential_s": slow["seconds"],
        "concurrent_s": quick["seconds"],
        "concurrent_ratio": slow["seconds"] / quick["seconds"],
        "one_store_ratio": slow["seconds"] / found["one store at a time"]["seconds"],
        "requests_a_store": quick["requests"],
        "bytes_a_store": quick["bytes"],
    }
    figures |= {f"read_{n.split()[0]}_ms": row["ms"] for n, row in readers.items()}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
