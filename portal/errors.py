"""Faults, in two forms.

A *problem* is something wrong with what people gave us: it is collected, shown with
all others, and never stops the rest of the work. An *exception* ends a command::

    PortalError
    ├── UsageError        the command was called wrongly: exit code 2
    ├── ProblemsError     the input has problems that forbid going on: exit code 1
    └── BuildError        the machine failed us (disk full, tool missing): exit code 1
"""

from __future__ import annotations

import difflib
import errno
import shutil
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "BuildError",
    "PortalError",
    "Problem",
    "ProblemsError",
    "Severity",
    "UsageError",
    "did_you_mean",
    "is_machine_fault",
    "reason",
    "worst",
]

Severity = Literal["error", "warning", "info"]
_ORDER: dict[str, int] = {"error": 0, "warning": 1, "info": 2}


class Problem(BaseModel):
    """One fault: a stable code, where it is, what it is, and what to do about it.

    `where` is `file:line` for what a curator wrote, `store/element` for what a store holds.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.where}: {self.severity} [{self.code}] {self.what}{remedy}"


class PortalError(Exception):
    """The base of all exceptions that the portal raises on purpose."""

    exit_code = 1


class UsageError(PortalError):
    """The command or function was called wrongly."""

    exit_code = 2


class BuildError(PortalError):
    """The environment stopped the work: disk, permissions, a missing tool."""


class ProblemsError(PortalError):
    """The input has problems that forbid going on; `problems` has every one of them."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(problems, key=lambda p: (_ORDER[p.severity], p.where))
        super().__init__("\n".join(str(p) for p in self.problems))


def worst(problems: Iterable[Problem]) -> Severity | None:
    """The gravest severity among `problems`, None when there are none."""
    return min((p.severity for p in problems), key=_ORDER.__getitem__, default=None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest of `known`, or lists a few of them."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    if 0 < len(options) <= 24:
        return f"Known: {', '.join(options)}."
    return ""


def reason(e: BaseException) -> str:
    """Why something failed, in a few words; of many files that could not be copied, the first."""
    if isinstance(e, shutil.Error) and e.args and isinstance(e.args[0], list):
        _, target, why = e.args[0][0]
        return f"{target}: {why}"
    if isinstance(e, OSError) and e.strerror:
        return f"{e.filename}: {e.strerror}" if e.filename else e.strerror
    return str(e) or type(e).__name__


_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


def is_machine_fault(e: BaseException | None) -> bool:
    """Whether `e`, or what caused it, says that the machine is at fault, not the data."""
    while e is not None:
        if isinstance(e, MemoryError) or (isinstance(e, OSError) and e.errno in _MACHINE):
            return True
        e = e.__cause__
    return False
