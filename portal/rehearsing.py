"""What CI does with a change, on any machine: check, build, and compare with where it came from.

The state before the change is taken from git into a folder of its own and built with the same
cache, so that little is made twice.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.build import BuildReport, Progress, build_site
from portal.check import Checked, check
from portal.comparing import Comparison, compare
from portal.config import SiteConfig, load_config
from portal.errors import PortalError, UsageError

__all__ = ["Rehearsal", "rehearse"]


@dataclass(frozen=True)
class Rehearsal:
    """What was found. `comparison` is None where the state before can't be built."""

    checked: Checked
    report: BuildReport
    comparison: Comparison | None
    before: str
    """The commit before the change, or why there is none to compare with."""


def rehearse(
    config_file: Path, out: Path, base: str, *, base_url: str = "", progress: Progress | None = None
) -> Rehearsal:
    """Check the portal of `config_file`, build it into `out`, compare it with the commit `base`.

    Raises UsageError where `base` names no commit of the repository.
    """
    config = load_config(config_file)
    if base_url:
        config = config.model_copy(update={"base_url": base_url})
    commit = _git(config.root, "rev-parse", "--verify", f"{base}^{{commit}}")
    checked = check(config, progress=progress)
    report = build_site(config, out, progress=progress)
    with _state_at(commit, config) as former:
        try:
            before = load_config(former / config_file.resolve().relative_to(config.root))
            build_site(before.model_copy(update={"base_url": config.base_url}), former / "site")
            comparison = compare(former / "site", out)
        except PortalError as e:  # the state before may be broken: that is no fault of the change
            return Rehearsal(checked, report, None, str(e))
    return Rehearsal(checked, report, comparison, commit)


@contextmanager
def _state_at(commit: str, config: SiteConfig) -> Iterator[Path]:
    """The portal's folder as it was at `commit`, with the cache and the stores of today."""
    top = Path(_git(config.root, "rev-parse", "--show-toplevel"))
    with tempfile.TemporaryDirectory(prefix="portal-before-") as folder:
        tree = Path(folder) / "tree"
        _git(config.root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            former = tree / config.root.resolve().relative_to(top.resolve())
            former.mkdir(parents=True, exist_ok=True)
            # Stores are seldom in git, so those of today stand in.
            for name in (".portal", *config.source_roots):
                today, then = config.root / name, former / name
                if today.is_dir() and not then.exists():
                    then.parent.mkdir(parents=True, exist_ok=True)
                    then.symlink_to(today.resolve(), target_is_directory=True)
            yield former
        finally:
            _git(config.root, "worktree", "remove", "--force", str(tree))


def _git(folder: Path, *args: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UsageError("git is needed to know what was before the change.") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError(f"git {args[0]}: {said}")
    return done.stdout.strip()
