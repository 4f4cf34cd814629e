"""What it costs to have the client and to load a part: the costs that `benchmarks.query` tells.

`import portal` in fresh processes of an environment with everything, so that nothing stays away
for want of it; installations made anew, with what an installer gets today; and a table alone of
published stores, fetched from a server of this machine and loaded, beside the whole stores.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.curation import REQUIREMENTS
from portal.client import open_portal
from tests.faultyserver import serving
from tests.fetchkit import catalog, names, publish

__all__ = ["core_environment", "measure"]

ROOT = Path(__file__).parent.parent
HEAVY = ("spatialdata", "zarr", "pandas", "pyarrow")
GUIDE = "cellxgene-ontology-guide"
"""What only the benchmarks' terms come from in the peer's environment."""
RUNS = 9
_IMPORT = f"""
import json, sys, time
start = time.perf_counter(), time.process_time()
import portal
took = time.perf_counter() - start[0], time.process_time() - start[1]
print(json.dumps([*took, [m for m in {HEAVY!r} if m in sys.modules]]))
"""


def core_environment(folder: Path) -> Path:
    """The core install in an environment below `folder`, made once; its Python."""
    path, stamp = folder / "core", folder / "core.txt"
    needed = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != needed:
        _install(path, str(ROOT))
        stamp.write_text(needed)
    return path / "bin" / "python"


def measure(python: Path, folder: Path, *, quick: bool) -> dict[str, float]:
    """Print and return all figures; `--quick` installs nothing."""
    figures = import_cost(folder)
    if not quick:
        figures |= sizes()
    return figures | partial_loads()


def import_cost(folder: Path) -> dict[str, float]:
    """`import portal` here, where all extras are installed."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", _IMPORT]
    told = []
    for _ in range(RUNS + 1):  # the first compiles
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        told.append(json.loads(done.stdout))
    wall, cpu = (statistics.median(1000 * t[i] for t in told[1:]) for i in (0, 1))
    loaded = told[0][2]
    print(
        f"\nimport portal: {wall:.1f} ms, CPU {cpu:.1f}; of {', '.join(HEAVY)} loaded: {loaded or 'none'}"
    )
    return {"import_ms": wall, "import_cpu_ms": cpu, "import_heavy_modules": len(loaded)}


def sizes() -> dict[str, float]:
    """Packages and MB of installations, each made in a folder of its own."""
    pins = REQUIREMENTS.with_suffix(".in").read_text().split()
    wanted = {
        "core": ("ours, core", [str(ROOT)]),
        "lamindb": ("LaminDB and bionty", [p for p in pins if p.startswith(("lamindb", "bionty"))]),
        "lamindb_spatialdata": ("the same with spatialdata", [p for p in pins if GUIDE not in p]),
    }
    figures: dict[str, float] = {}
    print(f"\n{'installation':28} {'packages':>9} {'MB':>8}")
    for key, (label, requirements) in wanted.items():
        with tempfile.TemporaryDirectory() as name:
            _install(Path(name), *requirements)
            packages = sum(1 for _ in Path(name).rglob("*.dist-info"))
            files = (p for p in Path(name).rglob("*") if p.is_file() and not p.is_symlink())
            mb = sum(p.stat().st_size for p in files) / 1e6
        print(f"{label:28} {packages:9} {mb:8,.0f}")
        figures |= {f"install_{key}_packages": packages, f"install_{key}_mb": mb}
    return figures


def partial_loads() -> dict[str, float]:
    """A table alone over http, beside all of its store: bytes of the files that were asked for."""
    stores = {
        "blobs": (ROOT / "stores" / "blobs.zarr", "table"),
        "two tables": (ROOT / "stores" / "ihc-two-tables.zarr", "nuclei_table"),
    }
    data = os.environ.get("PORTAL_TEST_DATA")
    for path in Path(data).glob("stores/spatialdatadb_visium_mouse_brain/*.zarr") if data else ():
        stores["Visium brain"] = path, "table"
    figures: dict[str, float] = {}
    import spatialdata  # noqa: F401  # some seconds, which are no part of a load

    print(
        f"\n{'load over http':14} {'table, MB':>10} {'whole, MB':>10} {'share':>7} {'s':>6} {'s':>6}"
    )
    for label, (store, table) in stores.items():
        key = label.replace(" ", "_").lower()
        with tempfile.TemporaryDirectory() as name:
            site = Path(name) / "site"
            publish(site, "a", store)
            catalog(site)
            part, part_s = _load(site, Path(name) / "part", [table])
            whole, whole_s = _load(site, Path(name) / "whole", None)
        print(
            f"{label:14} {part / 1e6:10.2f} {whole / 1e6:10.2f} {part / whole:7.1%}"
            f" {part_s:6.2f} {whole_s:6.2f}"
        )
        figures |= {
            f"load_{key}_table_bytes": part,
            f"load_{key}_whole_bytes": whole,
            f"load_{key}_share": part / whole,
            f"load_{key}_table_s": part_s,
            f"load_{key}_whole_s": whole_s,
        }
    return figures


def _load(site: Path, cache: Path, elements: list[str] | None) -> tuple[int, float]:
    """Bytes of the files that loading asks a server for, and seconds."""
    os.environ["PORTAL_CACHE"] = str(cache)
    with serving(site) as server:
        start = time.perf_counter()
        open_portal(server.url).get("a").load(elements, progress=False)
        seconds = time.perf_counter() - start
        # A large file is asked for in pieces that don't overlap.
        asked = {name for name in names(server.seen) if (site / name).is_file()}
    return sum((site / name).stat().st_size for name in asked), seconds


def _install(folder: Path, *requirements: str) -> None:
    python = os.environ.get("PORTAL_PEER_PYTHON", "3.11")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run(
        [*uv, "venv", "--clear", "--no-python-downloads", "-p", python, folder], check=True
    )
    install = ["pip", "install", "--python", folder / "bin" / "python", *requirements]
    subprocess.run([*uv, *install], check=True)
