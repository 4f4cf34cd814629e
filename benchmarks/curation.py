"""What a curator says of good and bad objects: ours beside LaminDB's `SpatialDataCurator`.

Both get the same objects (`curation_cases`), made anew for every run, and a schema that wants the
same of them. For each case: the answer, whether it is the right one and says what it must, how
many faults it tells, whether it offers the value to write instead, and the median time of one
look, schema and curator made anew. Where LaminDB's message says to call `standardize`, that is
done, and the table has the answer after it too.

LaminDB has an environment of its own in `.cache/curation-peer`, with the packages pinned in
`benchmarks/curation_peer/requirements.txt`, Python 3.11 (or `PORTAL_PEER_PYTHON`), its settings and
caches, and registries that are filled once; a run works on a copy, without the network. Its slot
of genes is left out: it asks the network for names of genes. Without that environment ours runs
alone.

Run: `python -m benchmarks.curation [--quick] [--told]`; needs the extra `build`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.curation_cases import CASES, SCHEMA, Answer, build, measure

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".cache" / "curation-peer"
REQUIREMENTS = ROOT / "benchmarks" / "curation_peer" / "requirements.txt"
TERMS = ROOT / "portal" / "data" / "ontologies" / "terms.parquet"
PYTHON = FOLDER / "env" / "bin" / "python"
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: a request of the peer fails at once instead of hanging."""
MINUTES = {"environment": 20, "seed": 15, "run": 30}


class Missing(Exception):
    """The peer's environment cannot be made."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="one run; the peer only where it is installed"
    )
    parser.add_argument("--told", action="store_true", help="print what each told")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    runs = 1 if options.quick else 3
    sides = {"ours": ours(runs)}
    setup: dict[str, float] = {}
    try:
        setup = install(options.quick)
        sides["peer"] = peer(runs)
    except Missing as reason:
        print(f"LaminDB is left out: {reason}", file=sys.stderr)
    report(sides, options.told)
    print(json.dumps({k: round(v, 3) for k, v in (figures(sides) | setup).items()}))


def ours(runs: int) -> dict[str, Any]:
    """All cases with `portal.Curator`."""
    sdata = build()
    start = time.perf_counter()
    import portal

    def curate(sdata: Any, lists: bool) -> Answer:
        found = portal.Curator(sdata, schema).validate()
        errors = sum(p.severity == "error" for p in found.problems)
        return Answer(found.ok, errors, "\n".join(map(str, found.problems)))

    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "schema.yaml"
        schema.write_text(SCHEMA)
        curate(sdata, False)
        started = time.perf_counter() - start
        return {"rows": measure(curate, runs), "start": started}


def peer(runs: int) -> dict[str, Any]:
    """All cases with LaminDB, on a fresh copy of the filled registries."""
    shutil.copy(FOLDER / "seeded.db", FOLDER / "store" / ".lamindb" / "lamin.db")
    out = FOLDER / "rows.json"
    out.unlink(missing_ok=True)
    _peer("run", str(out), str(runs))
    return json.loads(out.read_text())


def install(quick: bool) -> dict[str, float]:
    """The peer's environment and registries, where they are not there yet; what they cost."""
    code = (ROOT / "benchmarks" / "curation_peer.py").read_bytes()
    packages = hashlib.sha256(REQUIREMENTS.read_bytes() + str(FOLDER).encode()).hexdigest()
    contents = hashlib.sha256(TERMS.read_bytes() + code + packages.encode()).hexdigest()
    installed, filled = FOLDER / "environment.json", FOLDER / "seed.json"
    if quick and _made(filled).get("of") != contents:
        raise Missing("it is not installed yet, and --quick installs nothing")
    if _made(installed).get("of") != packages:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        print(f"installing LaminDB in {FOLDER} ...", file=sys.stderr)
        start = time.perf_counter()
        python = os.environ.get("PORTAL_PEER_PYTHON", "3.11")
        _uv("venv", "--no-python-downloads", "--python", python, str(FOLDER / "env"))
        _uv("pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", str(REQUIREMENTS))
        cost: dict[str, Any] = {"of": packages, "seconds": time.perf_counter() - start}
        files = (p for p in (FOLDER / "env").rglob("*") if p.is_file() and not p.is_symlink())
        cost["mb"] = sum(p.stat().st_size for p in files) / 1e6
        installed.write_text(json.dumps(cost))
    if _made(filled).get("of") != contents:
        for name in ("store", "settings", ".lamin"):
            shutil.rmtree(FOLDER / name, ignore_errors=True)
        print("filling LaminDB's registries; takes a minute or two ...", file=sys.stderr)
        start = time.perf_counter()
        _peer("seed", str(TERMS))
        (FOLDER / "store" / ".lamindb" / "lamin.db").replace(FOLDER / "seeded.db")
        seconds = time.perf_counter() - start
        filled.write_text(json.dumps({"of": contents, "seconds": seconds}))
    return {
        "peer_install_s": _made(installed)["seconds"],
        "peer_environment_mb": _made(installed)["mb"],
        "peer_seed_s": _made(filled)["seconds"],
    }


def _made(stamp: Path) -> dict[str, Any]:
    """Of what a part of the peer was made, and at what cost; empty where it was not."""
    return json.loads(stamp.read_text()) if stamp.is_file() else {}


def _uv(*arguments: str) -> None:
    limit = MINUTES["environment"] * 60
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Missing(f"uv {arguments[0]} took more than {limit / 60:.0f} minutes") from None
    if done.returncode:
        hint = "PORTAL_PEER_PYTHON may name a Python 3.11: " if arguments[0] == "venv" else ""
        raise Missing(f"uv {arguments[0]} failed: {hint}{_end(done)}")


def _peer(verb: str, *arguments: str) -> None:
    """Run the peer's side in its folder, where it looks for its instance."""
    environment = os.environ | {
        "LAMIN_SETTINGS_DIR": str(FOLDER / "settings"),
        "XDG_CACHE_HOME": str(FOLDER / "cache"),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
    }
    command = [str(PYTHON), "-m", "benchmarks.curation_peer", verb, *arguments]
    limit = MINUTES[verb] * 60
    try:
        done = subprocess.run(
            command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"LaminDB's {verb} took more than {limit / 60:.0f} minutes") from None
    if done.returncode:
        raise SystemExit(f"LaminDB's {verb} failed:\n{_end(done)}")


def _end(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])


def report(sides: dict[str, dict[str, Any]], told: bool) -> None:
    """Print the table: a line a case, the sides beside each other."""
    names = {"ours": "ours", "peer": "LaminDB"}
    head = f"{'answer':8} {'right':8} {'faults':>6} {'offers':>6} {'ms':>7}"
    lines = [f"{'':26} {'':8}", f"{'case':26} {'right':8}"]
    for side in sides:
        more = f" {'then':8}" if side == "peer" else ""
        lines[0] += f"  {names[side]:<{len(head + more)}}"
        lines[1] += f"  {head}{more}"
    print("\n".join(line.rstrip() for line in lines))
    for number, case in enumerate(CASES):
        right = "either" if case.valid is None else "valid" if case.valid else "invalid"
        line = f"{case.name:26} {right:8}"
        for side, found in sides.items():
            row = found["rows"][number]
            offers = "" if row["offered"] is None else "yes" if row["offered"] else "no"
            line += f"  {row['answer']:8} {_mark(row, case.says):8} {row['faults']:6} {offers:>6}"
            line += f" {row['ms']:7.1f}"
            if side == "peer":
                line += f" {row['then']:8}"
        print(line.rstrip())
        for side, found in sides.items() if told else ():
            text = "\n".join("    | " + t for t in found["rows"][number]["text"].splitlines())
            print(f"    {names[side]}: {found['rows'][number]['exception']}\n{text}".rstrip())
    print(
        "right: yes; verdict = right, but does not say what it must; words = says it with the"
        " wrong verdict; no."
    )


def _mark(row: dict[str, Any], says: tuple[str, ...]) -> str:
    if row["right"]:
        return "yes"
    return "verdict" if row["verdict"] else "words" if row["said"] and says else "no"


def figures(sides: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The named figures."""
    values: dict[str, float] = {
        "cases": len(CASES),
        "cases_offer": sum(bool(c.offers) for c in CASES),
        "faults": sum(c.faults for c in CASES),
    }
    for side, found in sides.items():
        rows = found["rows"]
        values |= {
            f"{side}_right": sum(row["right"] for row in rows),
            f"{side}_verdict_right": sum(row["verdict"] for row in rows),
            f"{side}_offers": sum(bool(row["offered"]) for row in rows),
            f"{side}_faults_told": sum(
                min(row["faults"], case.faults) for row, case in zip(rows, CASES, strict=True)
            ),
            f"{side}_crashes": sum(row["answer"] == "crash" for row in rows),
            f"{side}_ms_median": statistics.median(row["ms"] for row in rows),
            f"{side}_start_s": found["start"],
        }
    if "peer" in sides:
        pairs = zip(sides["ours"]["rows"], sides["peer"]["rows"], strict=True)
        ratios = [p["ms"] / o["ms"] for o, p in pairs if "crash" not in (o["answer"], p["answer"])]
        values["peer_right_then"] = sum(row["then_right"] for row in sides["peer"]["rows"])
        values["ratio_median"] = statistics.median(ratios)
        values["ratio_good"] = ratios[0]
    return values


if __name__ == "__main__":
    main()
