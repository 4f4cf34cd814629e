"""The artifacts that `benchmarks.query` asks about, the questions, and how one is timed.

Plain Python that runs in both environments, ours and the peer's; nothing here knows either, and
nothing heavy is imported: a process that asks counts from its very start.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FEATURES", "LISTS", "QUESTIONS", "Answers", "Question", "main"]

FEATURES = (
    *("organism", "tissue", "disease", "assay", "technology"),
    *("development_stage", "cell_type", "n_cells"),
)
"""What is said of each artifact: terms of ontologies but for the platform and the number."""
LISTS = ("cell_type",)
"""Features of which an artifact has several values."""


@dataclass(frozen=True)
class Question:
    """What is asked. `values` are asked one after another: the first is the first call."""

    name: str
    values: list[Any]
    rounds: int = 5
    """Fresh processes of either side."""


QUESTIONS = (
    Question(
        "filter",
        [
            ("lung", "10x Xenium"),
            ("kidney", "Visium Spatial Gene Expression"),
            ("liver", "Visium HD"),
            ("lung", "MERFISH"),
            ("kidney", "10x Xenium"),
            ("liver", "Visium Spatial Gene Expression"),
        ],
    ),
    Question(
        "features",
        [
            ("lung", "10x Xenium"),
            ("kidney", "Visium Spatial Gene Expression"),
            ("liver", "Visium HD"),
            ("lung", "MERFISH"),
        ],
    ),
    Question("search", ["Babine", "Chafus", "Wespobal", "Spenchefe", "Beke", "Punerbes"]),
    Question("describe", [f"made{i:05}" for i in range(6)]),
    Question("brain", ["brain"] * 3, rounds=3),
    Question("organ", ["organ"] * 2, rounds=3),
    Question("listing", [None] * 3, rounds=3),
)

Answers = dict[str, Callable[[Any], Any]]
"""What answers each question, and under `rows` what makes rows of an answer: by artifact its
features, or None where the answer has none."""


def main(start: Callable[[], Answers]) -> None:
    """The program of either side: `OUT QUESTION VALUES`, the values as JSON."""
    out, name, values = sys.argv[-3:]
    question = next(q for q in QUESTIONS if q.name == name)
    _run(start, Path(out), question, json.loads(values))


def _run(start: Callable[[], Answers], out: Path, question: Question, values: list[Any]) -> None:
    """Ask one question in this process, and write what it took to `out`, in ms, and the rows.

    `PORTAL_ASKED_AT` is when the process was started, by the clock of the machine. What is
    printed is kept in memory: a terminal's speed is not measured.
    """
    since = float(os.environ["PORTAL_ASKED_AT"])
    answers = start()
    started = _clock(since)
    times, whole, first, text = [], started, None, ""
    for value in values:
        wall, cpu = time.perf_counter(), time.process_time()
        with redirect_stdout(io.StringIO()) as told:
            answer = answers[question.name](value)
        took = time.perf_counter() - wall, time.process_time() - cpu
        times.append([1000 * t for t in took])
        if len(times) == 1:
            whole, first, text = _clock(since), answer, told.getvalue()
    rows = {} if first is None else answers["rows"](first)
    found = {
        "start": started,
        "whole": whole,
        "calls": times,
        "rows": rows,
        "text": text,
        "peak_mb": _peak(),
    }
    out.write_text(json.dumps(found))


def _clock(since: float) -> list[float]:
    """Wall and CPU time since the process was started, ms."""
    return [1000 * (time.time() - since), 1000 * time.process_time()]


def _peak() -> float:
    """The most memory that this process had, MB; 0 where the system does not tell.

    `resource` would tell that of the process which started it, where that is more.
    """
    status = Path("/proc/self/status")
    told = status.read_text() if status.is_file() else ""
    return next((int(line.split()[1]) / 1e3 for line in told.splitlines() if "VmHWM" in line), 0)
