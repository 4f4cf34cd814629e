"""Asking a portal from Python, beside LaminDB on SQLite: the same artifacts, the same questions.

1,000 and 10,000 artifacts are made from a seed (`query_made`), each with the same eight features:
a site built by the portal for ours, an instance of LaminDB for the peer (`query_peer`). Each
question is asked in fresh processes, ours and the peer's in turn. Three times are told, as wall
and as CPU time, medians:

- from nothing: from the start of the process, imports and opening included, to the first answer;
- first call: the same after importing and opening (ours imports pandas then, LaminDB before);
- again: the calls after the first in the same process, with other values where there are others.

What was answered is compared row by row, with each other and with what the rows say.

Beside that: what `import portal` costs, how large an installation is, and what a table alone
costs of a store at an address (`query_costs`).

Both sides run on Python 3.11 (or `PORTAL_PEER_PYTHON`) with their byte code compiled: ours in an
environment of its own with the core install, the peer in that of
`benchmarks.curation`, in an instance of its own; all in `.cache/query`, made once.

Run: `python -m benchmarks.query [--quick] [--sizes 1000,10000]`; needs the extras `build` and `dev`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import query_costs
from benchmarks.curation import NOWHERE, TERMS, Missing, install
from benchmarks.curation import PYTHON as PEER_PYTHON
from benchmarks.query_cases import FEATURES, LISTS, QUESTIONS, Question
from benchmarks.query_made import made_rows, make_site
from benchmarks.query_report import Found, compare, times

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".cache" / "query"
PEER = FOLDER / "peer"
DATABASE = PEER / "store" / ".lamindb" / "lamin.db"
SEEDED = FOLDER / "seeded.db"
SIDES = ("ours", "peer")
LIMIT = 30 * 60
"""Seconds that a process may take."""


def _code(*names: str) -> Iterable[bytes]:
    return ((ROOT / "benchmarks" / f"{name}.py").read_bytes() for name in names)


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


_SAID = repr((FEATURES, LISTS)).encode()
_SEED = _hash(TERMS.read_bytes(), *_code("query_peer", "curation_peer"), _SAID)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="1,000 artifacts, one process a question"
    )
    parser.add_argument("--sizes", default="", help="other numbers of artifacts")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    usual = "1000" if options.quick else "1000,10000"
    sizes = [int(n) for n in (options.sizes or usual).split(",")]
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = query_costs.core_environment(FOLDER)
    sides = list(SIDES)
    try:
        install(options.quick)
        _seed(options.quick)
    except Missing as reason:
        print(f"LaminDB is left out: {reason}", file=sys.stderr)
        sides = ["ours"]
    figures: dict[str, float] = {}
    for n in sizes:
        figures |= measure(n, sides, python, options.quick)
    figures |= query_costs.measure(python, FOLDER, quick=options.quick)
    print(json.dumps({k: round(v, 3) for k, v in figures.items()}))


# --- inputs


def _seed(quick: bool) -> None:
    """The peer's instance with its registries filled, without artifacts."""

    def make() -> None:
        if quick:
            raise Missing("its registries are not filled yet, and --quick fills none")
        shutil.rmtree(PEER, ignore_errors=True)
        PEER.mkdir()
        _peer("seed", str(TERMS))
        shutil.copy(DATABASE, SEEDED)

    _once("seeded.db", _SEED, make, "filling LaminDB's registries; takes a minute or two")


def _make(n: int, sides: list[str]) -> Path:
    """The folder of `n` artifacts with our site; the peer's database is put in its place."""
    folder, rows, database = FOLDER / f"{n}", FOLDER / f"{n}.json", FOLDER / f"{n}.db"
    of = _hash(*_code("query_made", "search_vocabulary"), _SAID, TERMS.read_bytes())
    builder = (path.read_bytes() for path in sorted((ROOT / "portal").glob("*.py")))

    def build() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        make_site(folder, json.loads(rows.read_text()))

    def register() -> None:
        shutil.copy(SEEDED, DATABASE)
        for store in (PEER / "store").glob("made*.zarr"):
            shutil.rmtree(store)
        _peer("fill", str(rows))
        shutil.copy(DATABASE, database)

    many = f"{n:,} artifacts"
    _once(rows.name, of, lambda: rows.write_text(json.dumps(made_rows(n))), f"making {many}")
    _once(folder.name, _hash(of.encode(), *builder), build, f"building our site of {many}")
    if "peer" in sides:
        of = _hash(of.encode(), _SEED.encode())
        _once(database.name, of, register, f"registering {many} in LaminDB")
        shutil.copy(database, DATABASE)
    return folder


def _once(name: str, of: str, make: Callable[[], object], doing: str) -> None:
    """Make a part of the inputs, unless it was made of the same before."""
    made = FOLDER / f"{name}.of"
    if made.is_file() and made.read_text() == of:
        return
    print(f"{doing} ...", file=sys.stderr)
    made.unlink(missing_ok=True)
    make()
    made.write_text(of)


# --- asking


def measure(n: int, sides: list[str], python: Path, quick: bool) -> dict[str, float]:
    """Ask all questions of `n` artifacts, print the tables, and return the figures."""
    folder = _make(n, sides)
    made = json.loads((FOLDER / f"{n}.json").read_text())
    rows = {row["id"]: row["features"] for row in made}
    for side in sides:  # byte code is compiled, files are in the memory of the system
        for question in QUESTIONS:
            if side == "ours" or question.name not in ("brain", "organ"):
                _ask(side, question, question.values[:1], folder, python)
    found: dict[str, dict[str, list[Found]]] = {}
    for question in QUESTIONS:
        found[question.name] = {side: [] for side in sides}
        for _ in range(1 if quick else question.rounds):
            for side in sides:
                one = _ask(side, question, question.values, folder, python)
                found[question.name][side].append(one)
    return times(n, found) | compare(n, found, rows)


def _ask(side: str, question: Question, values: list[Any], folder: Path, python: Path) -> Found:
    """Ask in a fresh process."""
    out = FOLDER / "answer.json"
    out.unlink(missing_ok=True)
    arguments = (str(out), question.name, json.dumps(values))
    if side == "peer":
        _peer(*arguments)
    else:
        more = {"PORTAL_ASKED": str(folder), "PORTAL_CACHE": str(FOLDER / "cache")}
        _run(python, "benchmarks.query_ours", arguments, folder, more)
    return json.loads(out.read_text())


def _peer(*arguments: str) -> None:
    """The peer's side in its folder, where it looks for its instance."""
    more = {
        "LAMIN_SETTINGS_DIR": str(PEER / "settings"),
        "XDG_CACHE_HOME": str(PEER / "cache"),
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
    }
    _run(PEER_PYTHON, "benchmarks.query_peer", arguments, PEER, more)


def _run(
    python: Path, module: str, arguments: Iterable[str], folder: Path, more: dict[str, str]
) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "PYTHONPYCACHEPREFIX": str(FOLDER / "bytecode"),
        "COLUMNS": "200",
        **more,
    }
    # Without byte code LaminDB takes three times as long to its first answer.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PORTAL_ASKED_AT"] = repr(time.time())
    command = [str(python), "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    if done.returncode:
        end = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise SystemExit(f"{module} {' '.join(arguments)[:200]} failed:\n{end}")


if __name__ == "__main__":
    main()
