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
environment of its own with the core install and pandas, the peer in that of
`benchmarks.curation`, in an instance of its own; all in `.cache/query`, made once.

Run: `python -m benchmarks.query [--quick] [--sizes 1000,10000]`; needs the extras `build` and `dev`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import query_costs
from benchmarks.curation import NOWHERE, TERMS, Missing, install
from benchmarks.curation import PYTHON as PEER_PYTHON
from benchmarks.query_cases import QUESTIONS, Question
from benchmarks.query_made import made_rows, make_site
from portal.ontology import load_ontology

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".cache" / "query"
PEER = FOLDER / "peer"
DATABASE = PEER / "store" / ".lamindb" / "lamin.db"
SIDES = ("ours", "peer")
PHASES = ("from nothing", "first call", "again")
LIMIT = 30 * 60
"""Seconds that a process may take."""

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="1,000 artifacts, one process a question"
    )
    parser.add_argument("--sizes", default="", help="other numbers of artifacts")
    options = parser.parse_args()
    sizes = [int(n) for n in (options.sizes or ("1000" if options.quick else "1000,10000")).split(",")]
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
    stamp = _hash(TERMS.read_bytes(), *_code("query_peer", "curation_peer", "query_cases"))
    made = FOLDER / "seed.txt"
    if made.is_file() and made.read_text() == stamp:
        return
    if quick:
        raise Missing("its registries are not filled yet, and --quick fills none")
    print("filling LaminDB's registries; takes a minute or two ...", file=sys.stderr)
    shutil.rmtree(PEER, ignore_errors=True)
    for database in FOLDER.glob("*/lamin.db"):
        database.unlink()
    PEER.mkdir()
    _peer("seed", str(TERMS))
    shutil.copy(DATABASE, FOLDER / "seeded.db")
    made.write_text(stamp)


def _make(n: int, sides: list[str]) -> Path:
    """The folder of `n` artifacts: rows, our site, the peer's database; what is there is kept."""
    folder = FOLDER / f"{n}"
    stamp = _hash(*_code("query_made", "query_cases", "search_vocabulary"), TERMS.read_bytes())
    made = folder / "made.txt"
    if not made.is_file() or made.read_text() != stamp:
        print(f"making {n:,} artifacts and the site of them ...", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        rows = made_rows(n)
        make_site(folder, rows)
        (folder / "rows.json").write_text(json.dumps(rows))
        made.write_text(stamp)
    if "peer" in sides:
        if not (folder / "lamin.db").is_file():
            print(f"registering {n:,} artifacts in LaminDB ...", file=sys.stderr)
            shutil.copy(FOLDER / "seeded.db", DATABASE)
            for store in (PEER / "store").glob("made*.zarr"):
                shutil.rmtree(store)
            _peer("fill", str(folder / "rows.json"))
            shutil.copy(DATABASE, folder / "lamin.db")
        shutil.copy(folder / "lamin.db", DATABASE)
    return folder


def _code(*names: str) -> Iterable[bytes]:
    return ((ROOT / "benchmarks" / f"{name}.py").read_bytes() for name in names)


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


# --- asking


def measure(n: int, sides: list[str], python: Path, quick: bool) -> dict[str, float]:
    """Ask all questions of `n` artifacts, print the tables, and return the figures."""
    folder = _make(n, sides)
    rows = {row["id"]: row["features"] for row in json.loads((folder / "rows.json").read_text())}
    for side in sides:  # byte code is compiled, files are in the memory of the system
        for question in QUESTIONS:
            if question.name not in ("organ", "brain"):
                _ask(side, question, question.values[:1], folder, python)
    found: dict[str, dict[str, list[Found]]] = {}
    for question in QUESTIONS:
        found[question.name] = {side: [] for side in sides}
        for _ in range(1 if quick else question.rounds):
            for side in sides:
                one = _ask(side, question, question.values, folder, python)
                found[question.name][side].append(one)
    figures = _times(n, found)
    return figures | _compare(n, found, rows)


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


# --- what came out


def _times(n: int, found: dict[str, dict[str, list[Found]]]) -> dict[str, float]:
    """Print the table of times; wall and CPU, ms."""
    figures: dict[str, float] = {}
    head = f"{'ours':>9} {'LaminDB':>9} {'ratio':>7}"
    print(f"\n{n:,} artifacts{'':11}{'wall, ms':<29}{'CPU, ms':<29}")
    print(f"{'question':10} {'':13}{head}   {head}")
    for name, by_side in found.items():
        for place, phase in enumerate(PHASES):
            line = f"{name if not place else '':10} {phase:13}"
            for kind, clock in enumerate(("wall", "cpu")):
                key = f"{name}_{n}_{phase.replace(' ', '_')}_{clock}"
                medians = {side: _median(runs, phase, kind) for side, runs in by_side.items()}
                figures |= {f"{key}_{side}_ms": ms for side, ms in medians.items()}
                line += f"{medians['ours']:9,.1f}"
                if "peer" in medians:
                    figures[f"{key}_ratio"] = ratio = medians["peer"] / medians["ours"]
                    line += f" {medians['peer']:9,.1f} {ratio:7,.1f}   "
            print(line.rstrip())
    for side in next(iter(found.values())):
        figures[f"{side}_{n}_peak_mb"] = max(
            run["peak_mb"] for by_side in found.values() for run in by_side[side]
        )
    return figures


def _median(runs: list[Found], phase: str, kind: int) -> float:
    if phase == "from nothing":
        return statistics.median(run["whole"][kind] for run in runs)
    calls = [[call[kind] for call in run["calls"]] for run in runs]
    if phase == "first call":
        return statistics.median(times[0] for times in calls)
    return statistics.median(ms for times in calls for ms in times[1:])


def _compare(
    n: int, found: dict[str, dict[str, list[Found]]], rows: dict[str, dict[str, Any]]
) -> dict[str, float]:
    """Print how the first answers agree, row by row."""
    figures: dict[str, float] = {}
    print(f"{'answers':10} {'ours':>8} {'LaminDB':>8} {'both':>8} {'other values':>13}")
    for question in QUESTIONS:
        answers = {side: runs[0] for side, runs in found[question.name].items()}
        if question.name == "describe":
            told = {side: _features_told(a["text"], rows[question.values[0]]) for side, a in answers.items()}
            print(f"{'describe':10} " + " ".join(f"{n_told:8}" for n_told in told.values()) + "  features of 8")
            figures |= {f"describe_{n}_{side}_features": n_told for side, n_told in told.items()}
            continue
        ours, peer = answers["ours"]["rows"], answers.get("peer", {}).get("rows", {})
        both = ours.keys() & peer.keys()
        differ = sum(peer[id_] is not None and ours[id_] != peer[id_] for id_ in both)
        wrong = sum(ours[id_] != _plain(rows[id_]) for id_ in ours)
        figures |= {
            f"{question.name}_{n}_rows_ours": len(ours),
            f"{question.name}_{n}_rows_peer": len(peer),
            f"{question.name}_{n}_rows_both": len(both),
            f"{question.name}_{n}_values_differ": differ,
            f"{question.name}_{n}_values_wrong": wrong,
        }
        line = f"{question.name:10} {len(ours):8,} {len(peer):8,} {len(both):8,} {differ:13,}"
        exact, below = _expected(question, rows)
        if exact or below:
            figures[f"{question.name}_{n}_rows_named"] = len(exact)
            figures[f"{question.name}_{n}_rows_below"] = len(below)
            same = " = ours" * (below == ours.keys()) + " = LaminDB's" * (below == peer.keys())
            named = " = LaminDB's" * (exact == peer.keys())
            line += f"   named so {len(exact):,}{named}, with what is below {len(below):,}{same}"
        print(line)
    return figures


def _expected(question: Question, rows: dict[str, dict[str, Any]]) -> tuple[set[str], set[str]]:
    """The ids that a question of terms asks for: those named so, and with what lies below."""
    if question.name not in ("filter", "features", "brain", "organ"):
        return set(), set()
    value = question.values[0]
    asked = {"tissue": value} if isinstance(value, str) else dict(zip(("tissue", "assay"), value, strict=True))
    above = load_ontology().all_above
    ids = {name: {t.id for t in load_ontology().find(label)} for name, label in asked.items()}
    exact = {i for i, row in rows.items() if all(row[name][1] == label for name, label in asked.items())}
    below = {
        i
        for i, row in rows.items()
        if all(ids[name] & {row[name][0], *above(row[name][0])} for name in asked)
    }
    return exact, below


def _plain(features: dict[str, Any]) -> dict[str, Any]:
    """Features as both sides show them: labels, those of a list in order."""

    def shown(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return sorted(label for _, label in value) if isinstance(value[0], list) else value[1]

    return {name: shown(value) for name, value in features.items()}


def _features_told(text: str, features: dict[str, Any]) -> int:
    """Of how many features every value stands in a description."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", text)
    said = re.sub(r"[\s│├└─]+", " ", said)
    values = (v if isinstance(v, list) else [v] for v in _plain(features).values())
    return sum(all(str(value) in said for value in several) for several in values)


if __name__ == "__main__":
    main()
