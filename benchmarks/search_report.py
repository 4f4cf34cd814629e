"""Figures of the search as tables in `benchmarks/README.md`, between two marks."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["write_readme"]

README = Path(__file__).parent / "README.md"
_BETWEEN = re.compile(r"(<!-- search:begin -->\n).*(<!-- search:end -->)", re.DOTALL)


def write_readme(figures: dict[str, Any], sizes: Sequence[int], names: Sequence[str]) -> None:
    """Put the tables of this run into the README in place of the last ones."""
    text = README.read_text("utf-8")
    made = f"\n{_heading()}\n\n" + "\n\n".join(_tables(figures, sizes, names)) + "\n\n"
    README.write_text(_BETWEEN.sub(lambda m: m[1] + made + m[2], text), encoding="utf-8")


def _heading() -> str:
    from benchmarks.search_browser import browser_path

    program = "Chromium"
    if (path := browser_path()) != "playwright":
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        program = said.strip().partition(" built")[0] or program
    return f"{date.today()}, {os.cpu_count()} cores, {program}."


def _tables(figures: dict[str, Any], sizes: Sequence[int], names: Sequence[str]) -> list[str]:
    head = [f"{n:,} rows" for n in sizes]

    def pair(key: str, n: int) -> str:
        found = [figures.get(f"{key}_ms_p{p}_{n}") for p in (50, 95)]
        return " / ".join(f"{v:,.1f}" for v in found if v is not None) or "–"

    def of(key: str, n: int, scale: float = 1, form: str = ",.1f") -> str:
        value = figures.get(f"{key}_{n}")
        return "–" if value is None else format(value * scale, form)

    tables = [
        _table(
            [f"engine, ms (p50 / p95): {what}", *head],
            [[name, *(pair(f"{name}_{key}", n) for n in sizes)] for name in names],
        )
        for what, key in (("a click on a facet", "click"), ("a text", "text"))
    ]
    ours = {
        "click to picture, ms (p50 / p95)": lambda n: pair("page_click", n),
        "key to picture, ms (p50 / p95)": lambda n: pair("page_key", n),
        "first visit, kB, thumbnails apart": lambda n: of("page_cold_kb", n),
        "first visit, requests": lambda n: of("page_cold_requests", n, form=".0f"),
        "layout shift": lambda n: of("page_layout_shift", n, form=".4f"),
        "file of facets, bytes a row": lambda n: of("facets_bytes_a_row", n),
        "index, µs a row to build": lambda n: of("build_seconds", n, 1e6 / n, ",.0f"),
        "index, peak memory, MB": lambda n: of("build_peak_mb", n, form=",.0f"),
        "of which the rows were there before, MB": lambda n: of("build_rows_mb", n, form=",.0f"),
        "text, bytes a row": lambda n: of("build_text_bytes", n, 1 / n, ",.0f"),
        "cards, bytes a row": lambda n: of("build_cards_bytes", n, 1 / n, ",.0f"),
    }
    rows = [[what, *(value(n) for n in sizes)] for what, value in ours.items()]
    missing = [
        f"- {name} at {n:,} rows: {why}"
        for n in sizes
        for name in names
        if (why := figures.get(f"{name}_failed_{n}"))
    ]
    left_out = ["Not run:\n\n" + "\n".join(missing)] if missing else []
    return [*tables, *left_out, _table(["ours", *head], rows)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
