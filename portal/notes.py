"""Small finished work by what it was made from: parsed entries, records, pages.

One SQLite file beside the folders of `portal.cache`, so that CI saves and restores both together.
What a build has made is written at its end, or when it is much; a file that is broken, or of
another version, is thrown away and costs nothing but the time to make everything again.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
import time
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["Notes", "code_version", "digest"]

_DAY = 24 * 3600
_MONTH = 30 * _DAY
_LAYOUT = 1
_HELD = 32_000_000
"""Bytes that are held before they are written."""
_PACKAGES = ("jinja2", "markdown-it-py", "markupsafe", "nh3", "pydantic", "pyyaml", "rapidfuzz")


def digest(*parts: str | bytes) -> str:
    """A hash of parts, each told apart from the next."""
    found = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        found.update(b"%d:" % len(data))
        found.update(data)
    return found.hexdigest()[:32]


@cache
def code_version() -> str:
    """A hash of everything that the portal brings along: its code, data and templates, and the
    versions of what it renders and reads with."""
    from portal.resources import templates_dir

    found = hashlib.sha256()
    package = Path(__file__).parent
    for folder in (package, templates_dir()):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.suffix not in (".pyc", ".map") and "assets/vitessce" not in path.as_posix():
                found.update(f"{path.relative_to(folder).as_posix()}\0".encode())
                found.update(hashlib.sha256(path.read_bytes()).digest())
    for name in _PACKAGES:
        found.update(f"{name} {version(name)}\n".encode())
    found.update(f"python {sys.version_info[:2]}".encode())
    return found.hexdigest()[:32]


class Notes:
    """Bytes by key. `get` and `put` see what this build has put; others see it after `save`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._new: dict[str, bytes] = {}
        self._held = 0
        self._used: set[str] = set()
        self._now = int(time.time())
        self._db: sqlite3.Connection | None = None
        self._db = self._open()

    def get(self, key: str) -> bytes | None:
        """What was put under `key`, None where nothing was or it can't be read."""
        packed = self._new.get(key) or self._stored(key)
        if packed is None:
            return None
        try:
            # The checksum finds a value that was damaged, the key within one that is another's.
            own, _, value = zlib.decompress(packed).partition(b"\n")
        except (zlib.error, TypeError):
            return None
        if own != key.encode():
            return None
        return value

    def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`, which has no line breaks."""
        packed = zlib.compress(key.encode() + b"\n" + value, 1)
        self._new[key] = packed
        self._held += len(packed)
        if self._held > _HELD:  # what is only kept must not fill the memory of a large build
            self.save()

    def _stored(self, key: str) -> bytes | None:
        if self._db is None:
            return None
        try:
            row = self._db.execute("select value, used from notes where key = ?", (key,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        if row is None:
            return None
        # A time that is a day old will do: most builds then write only what is new.
        if not isinstance(row[1], int) or row[1] < self._now - _DAY:
            self._used.add(key)
        return row[0]

    def save(self) -> None:
        """Write all at once, and forget what no build has used for a month."""
        if not self._write():
            self._discard()
            self._db = self._open()
            self._write()
        self._new.clear()
        self._held = 0

    def close(self) -> None:
        """Give the file back."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _write(self) -> bool:
        if self._db is None:
            return False
        now = self._now
        try:
            with self._db as db:
                db.executemany(
                    "update notes set used = ? where key = ?", ((now, key) for key in self._used)
                )
                db.executemany(
                    "insert or replace into notes values (?, ?, ?)",
                    ((key, now, value) for key, value in self._new.items()),
                )
                db.execute("delete from notes where used < ?", (now - _MONTH,))
        except sqlite3.OperationalError:
            return True  # locked by another build, or the disk is full: it is only a cache
        except sqlite3.DatabaseError:
            return False
        return True

    def _open(self) -> sqlite3.Connection | None:
        for _ in range(2):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                db = sqlite3.connect(self.path, timeout=30)
                db.execute("pragma synchronous = off")
                layout = db.execute("pragma user_version").fetchone()[0]
                if layout not in (0, _LAYOUT):
                    raise sqlite3.DatabaseError("of another version")
                db.execute(
                    "create table if not exists notes "
                    "(key text primary key, used integer not null, value blob not null)"
                )
                db.execute(f"pragma user_version = {_LAYOUT}")
                db.execute("select key from notes limit 1").fetchone()
                return db
            except sqlite3.OperationalError:
                return None
            except sqlite3.DatabaseError:
                self._discard()
        return None

    def _discard(self) -> None:
        self.close()
        for name in (self.path.name, f"{self.path.name}-journal"):
            self.path.with_name(name).unlink(missing_ok=True)
