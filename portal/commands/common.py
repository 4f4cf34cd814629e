"""What the commands share: options, where they print, progress, how problems look.

With `--json` a command speaks JSON on standard output; progress and messages go to standard
error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from portal.errors import PortalError, Problem, ProblemsError

__all__ = [
    "AsJson",
    "ConfigFile",
    "messages",
    "output",
    "print_json",
    "progress",
    "show_error",
    "show_problems",
]

messages = Console(stderr=True)
output = Console()

ConfigFile = Annotated[Path, typer.Option("--config", help="The site's configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_error(error: PortalError) -> None:
    """Print what a fault that we know of says: its problems, else its sentence."""
    if isinstance(error, ProblemsError):
        show_problems(error.problems)
    else:
        messages.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False)


def show_problems(problems: Iterable[Problem]) -> None:
    """Print all problems, the gravest first, then how many there are."""
    colours = {"error": "red", "warning": "yellow", "info": "blue"}
    order = list(colours)
    counted = dict.fromkeys(colours, 0)
    for p in sorted(problems, key=lambda p: (order.index(p.severity), p.where)):
        counted[p.severity] += 1
        remedy = f" [italic]{escape(p.remedy)}[/]" if p.remedy else ""
        messages.print(
            f"{escape(p.where)}: [bold {colours[p.severity]}]{p.severity}[/] "
            f"[dim]{escape(f'[{p.code}]')}[/] {escape(p.what)}{remedy}",
            highlight=False,
            soft_wrap=True,
        )
    if any(counted.values()):
        messages.print(
            ", ".join(
                f"{n} {s}{'s' if n != 1 and s != 'info' else ''}" for s, n in counted.items()
            ),
            highlight=False,
        )


@contextmanager
def progress(show: bool) -> Iterator[Any]:
    """A bar for each stage of long work, on standard error; silent with `--json`."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
        disable=not show,
    )
    tasks: dict[str, Any] = {}

    def say(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield say


def print_json(value: Any) -> None:
    output.file.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
