"""Publishing into a folder that a web server shows: one step from the old site to the new one.

The new folder is made beside the old one, where unchanged files are hard links to what is there
already, and takes its place at the end. Until then the old site is as it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from portal.errors import BuildError, UsageError
from portal.publish import alone, recover, replace
from portal.publish_plan import Plan, Progress, make_plan

__all__ = ["publish_folder"]

_BLOCK = 1 << 20


def publish_folder(
    site: Path,
    files: Mapping[str, int],
    target: str,
    *,
    delete: bool,
    dry_run: bool,
    say: Progress,
) -> Plan:
    """Make the folder `target`, a path or a file:// address, be the site; returns what was done.

    Raises UsageError where the folder is not ours to replace, BuildError where the machine fails.
    """
    folder = _folder(target)
    try:
        _check(folder, site)
        if dry_run:
            return _compare(site, files, folder, delete, say)
        with alone(folder):
            recover(folder)
            plan = _compare(site, files, folder, delete, say)
            if plan.sent or plan.removed:
                _put(site, folder, plan, say)
            return plan
    except OSError as e:
        raise BuildError(
            f"Publishing into {folder} stopped: {e.strerror or e}. "
            "What was there is untouched; publish again when that is mended."
        ) from e


def _folder(target: str) -> Path:
    parts = urlsplit(target)
    if parts.scheme != "file":
        return Path(target).resolve()
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{target} names another machine; write file:///folder.")
    return Path(unquote(parts.path)).resolve()


def _check(folder: Path, site: Path) -> None:
    """Refuse a folder that is no site: it may be somebody's work."""
    if folder.is_relative_to(site) or site.is_relative_to(folder):
        raise UsageError(f"{folder} and the site {site} lie in each other; choose another folder.")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; choose another folder.")
    if os.path.ismount(folder):
        raise UsageError(
            f"{folder} is a mount, which nothing can take the place of: name a folder inside it."
        )
    if any(folder.iterdir()) and not (folder / "build.json").is_file():
        raise UsageError(
            f"{folder} is not empty and holds no site (it has no build.json): "
            "empty it yourself or choose another folder."
        )


def _compare(
    site: Path, files: Mapping[str, int], folder: Path, delete: bool, say: Progress
) -> Plan:
    there = _listing(folder) if folder.is_dir() else {}
    shared = [n for n, size in files.items() if there.get(n) == size]
    same = set()
    for i, name in enumerate(shared):
        say("Comparing", i, len(shared))
        if _same_content(site / name, folder / name):
            same.add(name)
    say("Comparing", len(shared), len(shared))
    plan = make_plan(files, there, same, delete)
    folders = {str(p) for n in files for p in PurePosixPath(n).parents}
    gone = {
        n: size  # the new site has a folder of its name, or a file above it
        for n, size in plan.kept.items()
        if n in folders or any(str(p) in files for p in PurePosixPath(n).parents)
    }
    kept = {n: size for n, size in plan.kept.items() if n not in gone}
    return Plan(plan.added, plan.changed, plan.unchanged, {**plan.removed, **gone}, kept)


def _listing(folder: Path) -> dict[str, int]:
    """Every file in a folder with its bytes; a link counts as a file."""
    found = {}
    todo = [""]
    while todo:
        inside = todo.pop()
        with os.scandir(folder / inside) as entries:
            for e in entries:
                if e.is_dir(follow_symlinks=False):
                    todo.append(f"{inside}{e.name}/")
                else:
                    found[inside + e.name] = e.stat(follow_symlinks=False).st_size
    return found


def _same_content(a: Path, b: Path) -> bool:
    if b.is_symlink():
        return False
    with a.open("rb") as left, b.open("rb") as right:
        while True:
            block = left.read(_BLOCK)
            if block != right.read(_BLOCK):
                return False
            if not block:
                return True


def _put(site: Path, folder: Path, plan: Plan, say: Progress) -> None:
    staging = folder.with_name(f".{folder.name}.publishing")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        todo = len(plan.sent) + len(plan.unchanged) + len(plan.kept)
        done = 0
        for source, names in ((folder, plan.unchanged), (folder, plan.kept), (site, plan.sent)):
            for name in names:
                say("Writing files", done, todo)
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                _place(source / name, staging / name, link=source == folder)
                done += 1
        say("Writing files", done, todo)
        if folder.exists():
            shutil.copymode(folder, staging)
        os.sync()  # after a power cut no name in the new site may be without its content
        replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _place(source: Path, target: Path, *, link: bool) -> None:
    """A hard link where the file is there already and the system can, else a copy."""
    if link:
        try:
            os.link(source, target, follow_symlinks=False)
            return
        except OSError:
            pass
    shutil.copyfile(source, target, follow_symlinks=False)
