"""The folder that a build writes into: the site before last, brought up to date.

A site of 10,000 artifacts has 23,000 files, and making and removing files costs more than
working out what is in them. So the site that a build replaces stays beside the new one, and the
next build writes only those of its files that come out otherwise. Where there is no such folder
yet, unchanged files are hard-linked from the present site.

What each file was made from is kept in the notes, with its size and the time it was written: a
file that somebody has touched since is written again, and one that no build has written goes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal.notes import Notes, code_version, digest

__all__ = ["Tree"]

_Kept = tuple[str, int, int]
"""What a file was made from, its bytes, and when it was written in nanoseconds."""


@dataclass(frozen=True)
class _Ledger:
    """What a build noted of a site: whether all its links held, what it was made from."""

    sound: bool = False
    files: Mapping[str, _Kept] = field(default_factory=dict)
    names: Sequence[str] = ()
    """Of all files, also those that are not kept."""


class Tree:
    """Files by their name from the root, with `/` between folders."""

    def __init__(self, root: Path, *, site: Path | None = None, notes: Notes | None = None) -> None:
        """`site` is the present site, whose files are taken over where `root` lacks them."""
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.site = site if site and site.is_dir() else None
        self._notes = notes
        self._there = dict(_files(root))
        self._before = self._ledger(root)
        self._in_site = self._ledger(self.site) if self.site else _Ledger()
        self._now: dict[str, _Kept] = {}
        self._bytes: dict[str, int] = {}

    @property
    def bytes(self) -> dict[str, int]:
        """Size of every file that this build has put or kept."""
        return self._bytes

    @property
    def links_hold(self) -> bool:
        """Whether every link of a file that was kept still leads where it led, to a file.

        Asked when all files are in place.
        """
        return all(
            ledger.sound and all(n in self._bytes or n.startswith("search/") for n in ledger.names)
            for ledger in (self._before, self._in_site)
            if ledger.files
        )

    def keep(self, name: str, key: str) -> bool:
        """Whether the file is there, made from `key`; else it has to be written."""
        found = self._before.files.get(name)
        if found and found[0] == key and self._there.get(name) == found[1:]:
            self._seen(name, found)
            return True
        return self._linked(name, key)

    def write(self, name: str, content: bytes, key: str) -> None:
        """Write a file made from `key`."""
        path = self._ready(name)
        with open(path, "xb") as file:
            file.write(content)
        self._seen(name, (key, *_state(path)))

    def take(self, fresh: Path) -> None:
        """Move every file of a folder to its place in the tree."""
        for name, (size, _) in _files(fresh):
            os.rename(os.path.join(fresh, name), self._ready(name))
            self._bytes[name] = size

    def finish(self, *, sound: bool) -> None:
        """Remove what this build has neither put nor kept, and remember the rest.

        `sound` says that no link of the site is broken.
        """
        for name in self._there.keys() - self._bytes.keys():
            os.unlink(os.path.join(self.root, name))
            self._remove_empty(os.path.dirname(name))
        if self._notes is not None:
            others = [name for name in self._bytes if name not in self._now]
            ledger = [sound, self._now, others]
            self._notes.put(_place(self.root), json.dumps(ledger).encode())

    def _remove_empty(self, folder: str) -> None:
        while folder:
            try:
                os.rmdir(os.path.join(self.root, folder))
            except OSError:
                return
            folder = os.path.dirname(folder)

    def _ledger(self, root: Path) -> _Ledger:
        """What a former build noted of the folder that `root` is now, wherever it was then."""
        kept = self._notes.get(_place(root)) if self._notes else None
        if kept is None:
            return _Ledger()
        sound, files, others = json.loads(kept)
        known = {name: (key, size, time) for name, (key, size, time) in files.items()}
        return _Ledger(sound, known, [*known, *others])

    def _linked(self, name: str, key: str) -> bool:
        found = self._in_site.files.get(name)
        if self.site is None or not found or found[0] != key:
            return False
        source = os.path.join(self.site, name)
        try:
            if _state(source) != found[1:]:
                return False
            os.link(source, self._ready(name), follow_symlinks=False)
        except OSError:
            return False
        self._seen(name, found)
        return True

    def _seen(self, name: str, kept: _Kept) -> None:
        self._now[name] = kept
        self._bytes[name] = kept[1]

    def _ready(self, name: str) -> str:
        """Where to put a file: its folder is there, the place itself is free.

        A file is never written over: others may be links to it.
        """
        path = os.path.join(self.root, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            for above in Path(name).parents:  # a file where a folder is due now
                if (self.root / above).is_symlink() or (self.root / above).is_file():
                    (self.root / above).unlink()
                    self._there.pop(above.as_posix(), None)
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if name in self._there:
            os.unlink(path)
            del self._there[name]
        elif os.path.isdir(path):
            shutil.rmtree(path)
            self._there = {n: s for n, s in self._there.items() if not n.startswith(f"{name}/")}
        return path


def _files(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every file below a folder with its bytes and the time it was written; links are files."""
    todo = [""]
    while todo:
        inside = todo.pop()
        with os.scandir(os.path.join(root, inside)) as entries:
            for e in entries:
                if e.is_dir(follow_symlinks=False):
                    todo.append(f"{inside}{e.name}/")
                else:
                    stat = e.stat(follow_symlinks=False)
                    yield inside + e.name, (stat.st_size, stat.st_mtime_ns)


def _state(path: str) -> tuple[int, int]:
    stat = os.stat(path, follow_symlinks=False)
    return stat.st_size, stat.st_mtime_ns


def _place(root: Path) -> str:
    """Names the folder itself, which keeps its inode when it is renamed."""
    stat = root.stat()
    return digest("tree", code_version(), str(stat.st_dev), str(stat.st_ino))
