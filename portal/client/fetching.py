"""StoreFiles → a folder on this machine. One verb: `fetch_store(files, folder)`.

The files come in parallel into a folder beside the one they are meant for, each checked before
it gets its name; what is there already of an earlier attempt stays. Only the finished store gets
its place, in one step.
"""

from __future__ import annotations

import glob
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from portal.client.filelist import StoreFile, StoreFiles, unfit
from portal.client.partial import trim
from portal.client.source import Damaged, Progress
from portal.errors import BuildError
from portal.store import ZipFiles
from portal.words import count, size

__all__ = ["Take", "alone", "fetch_store"]

Take = Callable[[StoreFile, Path], bool]
"""Puts a file at a path out of what is at hand, if it is; says whether."""

_AT_ONCE = 8
"""Files that are fetched at the same time."""
_UNPACKED = 1000
"""No honest zip holds so many times its own bytes."""


def fetch_store(
    files: StoreFiles, folder: Path, *, take: Take | None = None, progress: bool = True
) -> None:
    """Fetch a store to `folder`, whole or not at all; what is there is replaced.

    A zip is unpacked. What `take` has need not be fetched. Call it within `alone(folder)`.
    Raises Damaged, NotThere or RemoteFault where a file can't be had: the next call goes on from
    there; BuildError where the disk is too small.
    """
    work = folder.with_name(f".{folder.name}.{files.digest[:8]}.part")
    work.mkdir(parents=True, exist_ok=True)
    todo = [f for f in files.files if not _has(work, f) and not (take and take(f, work / f.path))]
    total = sum(f.bytes for f in todo)
    _demand_room(work, total)
    if progress and todo:
        host = urlsplit(files.source.root).netloc or "this machine"
        print(
            f"{files.id}: {size(total)} in {count(len(todo), 'file')} from {host}", file=sys.stderr
        )
    with _bar(files.id, total) if progress and todo else nullcontext() as told:
        _fetch_each(files, todo, work, told)
    made = work
    if files.packed:
        made = work / "store"
        _unpack(work / files.files[0].path, made)
    elif files.elements is not None:
        trim(work, files.elements)
    _put(made, folder)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.part"):
        shutil.rmtree(left)  # also of what was published before, and never came whole


def _has(work: Path, file: StoreFile) -> bool:
    """Whether a file is there: it has its name only since it was checked."""
    path = work / file.path
    return path.is_file() and path.stat().st_size == file.bytes


def _demand_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BuildError(
            f"{size(needed)} are to be fetched to {folder.parent}, where {size(free)} are free. "
            "Make room (portal cache clear), set PORTAL_CACHE to a larger disk, or load only "
            "some elements."
        )


def _fetch_each(
    files: StoreFiles, todo: list[StoreFile], work: Path, told: Progress | None
) -> None:
    def fetch(file: StoreFile) -> None:
        files.source.fetch(
            file.at,
            work / file.path,
            bytes_=file.bytes,
            sha256=file.sha256,
            mark=file.mark,
            progress=told,
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # Whichever fails first is told; those that have not begun are given up.
        for _ in pool.map(fetch, todo):
            pass


@contextmanager
def _bar(name: str, total: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    seen = console.is_terminal or console.is_jupyter
    with Bars(*columns, console=console, transient=True, disable=not seen) as bars:
        task = bars.add_task(name, total=total)
        yield lambda size: bars.advance(task, size)


def _unpack(zipped: Path, folder: Path) -> None:
    """Every member of a zip as a file below `folder`. Raises Damaged for a zip that is not fit."""
    shutil.rmtree(folder, ignore_errors=True)
    with closing(ZipFiles(zipped, limit=0)) as inside:
        odd = [f"{odd.path[:100]!r} {odd.note}" for odd in next(inside.walk()).odd]
        members = inside.members
    needed = sum(info.file_size for info in members.values())
    if needed > _UNPACKED * zipped.stat().st_size:
        odd.append(f"it says that it holds {size(needed)}")
    if fault := (odd and odd[0]) or unfit(members.keys()):
        raise Damaged(f"{zipped.name} is not unpacked: {fault}.")
    _demand_room(folder.parent, needed)
    try:
        with zipfile.ZipFile(zipped) as opened:
            for path, info in members.items():
                to = folder / path
                to.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as packed, to.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as e:
        raise Damaged(f"{zipped.name} can't be unpacked: {e}.") from None


def _put(made: Path, folder: Path) -> None:
    if folder.exists():
        from portal.publish import replace

        replace(made, folder)
    else:
        made.rename(folder)


@contextmanager
def alone(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Let one process at a time work on `folder`; the others wait, or are told False."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # a system without: whoever is last wins, with the same files
        yield True
        return
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                yield False
                return
            print(f"Waiting for another process that fetches to {folder}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield True  # the file stays: who removes a lock takes it from whoever waits for it
