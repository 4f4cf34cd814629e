"""Puts a finished folder in the place of the site, in one step.

Until the step the old site is whole, after it the new one is. Where the system can exchange two
names at once (Linux, `renameat2`) no visitor ever meets a missing folder; elsewhere two renames
follow each other, and `recover` mends what a crash between them leaves behind.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portal.errors import BuildError, reason

__all__ = ["alone", "recover", "replace"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let only one build or publishing at a time work on `folder`. Raises BuildError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as e:
        raise BuildError(f"Nothing can be written beside {folder}: {reason(e)}.") from e
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(f"Another build or publishing is at work on {folder}.") from None
        yield  # the file stays: who removes a lock takes it from whoever waits for it


def replace(new: Path, target: Path, *, spare: Path | None = None) -> None:
    """Make `target` be the folder `new`; what was there is removed afterwards, or becomes `spare`.

    All must lie on the same file system. Raises OSError and leaves `target` as it was.
    """
    if not target.exists():
        new.rename(target)
        return
    if _exchange(new, target):
        _put_away(new, spare)
        return
    old = _old(target)
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    _put_away(old, spare)


def _put_away(old: Path, spare: Path | None) -> None:
    """The new site is in place: whatever fails from here on is not worth an error."""
    if spare is not None:
        with suppress(OSError):
            old.rename(spare)
    shutil.rmtree(old, ignore_errors=True)


def recover(target: Path) -> bool:
    """Undo a crash between two renames; True where there was one."""
    old = _old(target)
    if not old.exists():
        return False
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        return False
    old.rename(target)
    return True


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names at once; False where the system or the file system can't."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    if code == errno.EBUSY:
        raise OSError(code, "it is a mount, which nothing can take the place of", str(b))
    raise OSError(code, os.strerror(code), str(b))
