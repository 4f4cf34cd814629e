"""Folders of finished work, by what they were made from.

A folder appears whole or not at all, and is never changed afterwards, so that the site may
hard-link its files. One that is not as it was made, because a disk or a restored cache is damaged,
counts as none. What no build has used for a month is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Cache", "link_file", "link_tree"]

_MONTH = 30 * 24 * 3600
_SEAL = ".seal.json"
"""The file in a folder that says what else was put there."""


class Cache:
    """A folder of folders, each named by a hash of its key."""

    def __init__(self, root: Path):
        self.root = root

    def folder(self, *key: str, make: Callable[[Path], None]) -> Path:
        """The folder for `key`; `make` fills an empty one where there is none yet."""
        folder = self._place(key)
        name = folder.name
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            self.root.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.root))
            try:
                make(beside)
                _seal(beside)
                beside.chmod(0o755)
                try:
                    beside.rename(folder)
                except OSError:
                    if not folder.is_dir():  # else another build was faster, with the same
                        raise
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        os.utime(folder)
        return folder

    def find(self, *key: str) -> Path | None:
        """The folder for `key`, None where there is none yet."""
        folder = self._place(key)
        if not _is_whole(folder):
            return None
        os.utime(folder)
        return folder

    def _place(self, key: tuple[str, ...]) -> Path:
        return self.root / hashlib.sha256("\0".join(key).encode()).hexdigest()[:24]

    def prune(self) -> None:
        """Remove what has not been used for a month, and what a killed build left half made."""
        if not self.root.is_dir():
            return
        for folder in self.root.iterdir():
            age = time.time() - folder.stat().st_mtime
            if age > (_MONTH / 30 if folder.name.startswith(".") else _MONTH):
                shutil.rmtree(folder, ignore_errors=True)


def _seal(folder: Path) -> None:
    """Write down what was made: each file's size, when it was written, and a hash of it."""
    seal = {}
    for name, file in _files(folder):
        state = file.stat()
        seal[name] = state.st_size, state.st_mtime_ns, _hash(file)
    (folder / _SEAL).write_text(json.dumps(seal), "utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether every file is as it was made. Only what has another time is read, since reading all
    of a large cache would take longer than the rest of a build."""
    try:
        seal = json.loads((folder / _SEAL).read_bytes())
        found = dict(_files(folder))
        return found.keys() == seal.keys() and all(
            (state := file.stat()).st_size == seal[name][0]
            and (state.st_mtime_ns == seal[name][1] or _hash(file) == seal[name][2])
            for name, file in found.items()
        )
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return False


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file but the seal, with its name from the folder."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name != _SEAL and path.is_file():
            yield name, path


def _hash(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def link_tree(source: Path, target: Path) -> None:
    """Put the files of `source` at `target`: hard links where the file system can, else copies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target, copy_function=link_file, dirs_exist_ok=True)


def link_file(source: str | Path, target: str | Path) -> None:
    """Put one file at `target`: a hard link where the file system can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
