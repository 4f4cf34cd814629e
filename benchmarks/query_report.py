"""What `benchmarks.query` prints of the answers: how long they took, and whether they are right."""

from __future__ import annotations

import re
import statistics
from typing import Any

from benchmarks.query_cases import QUESTIONS, Question
from portal.ontology import load_ontology

__all__ = ["Found", "compare", "times"]

PHASES = ("from nothing", "first call", "again")

Found = dict[str, Any]
"""What a process wrote of a question: see `query_cases`."""
Answers = dict[str, dict[str, list[Found]]]
"""By question and side, one for each process."""
Rows = dict[str, dict[str, Any]]
"""The features of each artifact by its id, as they were made."""


def times(n: int, found: Answers) -> dict[str, float]:
    """Print the table of medians, wall and CPU, in ms; return them and their ratios."""
    figures: dict[str, float] = {}
    head = f"{'ours':>9} {'LaminDB':>9} {'ratio':>7}"
    title = f"{n:,} artifacts"
    print(f"\n{title:24}{'wall, ms':>13}{'CPU, ms':>30}\n{'':24}{head}   {head}")
    for name, by_side in found.items():
        for phase in PHASES:
            line = f"{name if phase == PHASES[0] else '':10} {phase:13}"
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
        peaks = [run["peak_mb"] for by_side in found.values() for run in by_side[side]]
        figures[f"{side}_{n}_peak_mb"] = max(peaks)
        print(f"peak memory of {side}: {max(peaks):.0f} MB")
    return figures


def _median(runs: list[Found], phase: str, kind: int) -> float:
    if phase == "from nothing":
        return statistics.median(run["whole"][kind] for run in runs)
    calls = [[call[kind] for call in run["calls"]] for run in runs]
    if phase == "first call":
        return statistics.median(taken[0] for taken in calls)
    return statistics.median(ms for taken in calls for ms in taken[1:])


def compare(n: int, found: Answers, rows: Rows) -> dict[str, float]:
    """Print how the first answers agree with each other and with `rows`; return the counts."""
    figures: dict[str, float] = {}
    print(f"{'rows':10} {'ours':>8} {'LaminDB':>8} {'both':>8} {'values differ':>14}")
    for question in QUESTIONS:
        key = f"{question.name}_{n}"
        first = {side: runs[0] for side, runs in found[question.name].items()}
        if question.name == "describe":
            features = rows[question.values[0]]
            told = {side: _told(answer["text"], features) for side, answer in first.items()}
            print(f"{'describe':10} {' '.join(f'{t:8}' for t in told.values())} of 8 features")
            figures |= {f"{key}_features_{side}": count for side, count in told.items()}
            continue
        ours = first["ours"]["rows"]
        peer = first["peer"]["rows"] if "peer" in first else {}
        both = ours.keys() & peer.keys()
        counts = {
            "rows_ours": len(ours),
            "rows_peer": len(peer),
            "rows_both": len(both),
            "values_differ": sum(peer[i] is not None and ours[i] != peer[i] for i in both),
            "values_wrong": sum(ours[i] != _plain(rows[i]) for i in ours),
        }
        line = f"{question.name:10} {len(ours):8,} {len(peer):8,} {len(both):8,}"
        line += f" {counts['values_differ']:14,}"
        for what, expected in _expected(question, rows).items():
            counts[f"rows_{what}"] = len(expected)
            same = [side for side, answer in first.items() if answer["rows"].keys() == expected]
            line += f"   {what}: {len(expected):,}{''.join(f' = {side}' for side in same)}"
        print(line)
        figures |= {f"{key}_{what}": count for what, count in counts.items()}
    return figures


def _expected(question: Question, rows: Rows) -> dict[str, set[str]]:
    """For a question of terms the ids that are `named` so, and those `below` or named so."""
    if question.name not in ("filter", "features", "brain", "organ"):
        return {}
    value = question.values[0]
    pair = (value,) if isinstance(value, str) else value
    asked = dict(zip(("tissue", "assay"), pair, strict=False))
    ontology = load_ontology()
    terms = {name: {t.id for t in ontology.find(label)} for name, label in asked.items()}

    def lies_below(features: dict[str, Any], name: str) -> bool:
        id_ = features[name][0]
        return not terms[name].isdisjoint((id_, *ontology.all_above(id_)))

    return {
        "named": {i for i, f in rows.items() if all(f[n][1] == asked[n] for n in asked)},
        "below": {i for i, f in rows.items() if all(lies_below(f, n) for n in asked)},
    }


def _plain(features: dict[str, Any]) -> dict[str, Any]:
    """Features as both sides show them: labels, those of a list in order."""

    def shown(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return sorted(label for _, label in value) if isinstance(value[0], list) else value[1]

    return {name: shown(value) for name, value in features.items()}


def _told(text: str, features: dict[str, Any]) -> int:
    """Of how many features a description has every value, whole."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", text)
    said = re.sub(r"[\s│├└─]+", " ", said)
    values = (v if isinstance(v, list) else [v] for v in _plain(features).values())
    return sum(all(str(value) in said for value in several) for several in values)
