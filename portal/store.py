"""The files of a store, wherever they lie: a local folder, a `.zarr.zip`, or an address.

`open_files(source)` gives a `Files`: a walk over everything in it, whole reads and range
reads, all counted against a limit. What a store holds is untrusted: links are never
followed, zip members that point outside are refused, and nothing is read before its size
is known to fit the limit. A store at an address (http, s3) is another subclass of `Files`,
`portal.remote.RemoteFiles`; who reads through this class need not know which one it has.
"""

from __future__ import annotations

import os
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

from portal.errors import PortalError

if TYPE_CHECKING:
    from portal.config import Remote

__all__ = [
    "METADATA_NAMES",
    "File",
    "Files",
    "Folder",
    "FolderFiles",
    "Listed",
    "Odd",
    "OddKind",
    "ReadLimit",
    "RemoteFault",
    "StoreError",
    "TimeLimit",
    "ZipFiles",
    "folders_of",
    "open_files",
    "reason",
    "why_unsafe",
]

OddKind = Literal["link-inside", "link-outside", "special", "unreadable", "bad"]

METADATA_NAMES = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata", "zmetadata")
"""Files that describe a node; in a walk they come before all else in their folder."""

# Following a link or waiting on a pipe must be impossible even when a file is swapped
# between the walk and the read; Windows has neither flag.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


class StoreError(PortalError):
    """The store cannot be read at all; `code` is the stable code of the problem it makes."""

    def __init__(self, code: str, what: str):
        super().__init__(what)
        self.code = code


class ReadLimit(StoreError):
    """Reading on would go over the number of bytes that this scan may read."""

    def __init__(self, path: str, wanted: int, limit: int):
        super().__init__(
            "scan-limit", f"Reading {path} ({wanted:,} bytes) would exceed {limit:,} bytes"
        )


class TimeLimit(ReadLimit):
    """The time for reading one store is over."""

    def __init__(self, seconds: float):
        StoreError.__init__(self, "scan-limit", f"The time of {seconds:g} seconds is over")


class RemoteFault(StoreError, OSError):
    """A server, or the way to it, failed us: another try may go better."""

    @property
    def strerror(self) -> str:  # type: ignore[override]
        return str(self.args[0])


class File(NamedTuple):
    """A regular file in a folder; `size` in bytes.

    `stamp` changes when the file is written anew: its time in nanoseconds, or the checksum that
    a zip has of it. It says nothing to anybody but this machine.
    """

    name: str
    size: int
    stamp: int


class Listed(NamedTuple):
    """A file in the list that a store elsewhere gives: its bytes, and what changes with it."""

    size: int
    mark: str


class Odd(NamedTuple):
    """Something that is neither a file to be read nor a folder to be entered."""

    path: str
    kind: OddKind
    note: str = ""


class Folder(NamedTuple):
    """One folder of a store; `path` is relative, with `/`, and empty for the store itself."""

    path: str
    files: list[File]
    odd: list[Odd]


class Files(ABC):
    """Read access to one store; `bytes_read` grows with every read, up to `limit`."""

    complete = True
    """Whether the walk meets every file. Where it does not, what it does not meet is unknown."""
    fingerprint = ""
    """Of the whole store, where it can be told without reading it; known after the walk."""

    def __init__(self, name: str, limit: int):
        self.name = name
        self.limit = limit
        self.bytes_read = 0

    @abstractmethod
    def walk(self) -> Iterator[Folder]:
        """Every folder of the store that has files below it, each before those within it.

        Files are in order, metadata first, and so are folders: the order depends on names
        alone, so that two copies of a store are walked alike.
        """

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Bytes of a file, None when there is no such regular file."""

    @abstractmethod
    def _fetch(self, path: str, start: int, length: int) -> bytes: ...

    def charge(self, path: str, wanted: int) -> None:
        """Count `wanted` bytes; raises ReadLimit, having counted nothing, when they don't fit."""
        if self.bytes_read + wanted > self.limit:
            raise ReadLimit(path, wanted, self.limit)
        self.bytes_read += wanted

    def read(self, path: str) -> bytes:
        """A whole file. Raises FileNotFoundError, OSError or ReadLimit."""
        size = self.size(path)
        if size is None:
            raise FileNotFoundError(path)
        return self.read_range(path, 0, size)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`. Raises FileNotFoundError, OSError or ReadLimit."""
        self.charge(path, self._cost(path, start, length))
        return self._fetch(path, start, length)

    def _cost(self, path: str, start: int, length: int) -> int:
        return length

    def expect(self, paths: Iterable[str]) -> None:  # noqa: B027 - a disk is quick enough
        """Say which files will be read next: what lies far away is asked for all at once."""

    def changed(self) -> bool:
        """Whether the store is known to have changed since the walk began."""
        return False

    def close(self) -> None:  # noqa: B027 - a folder holds nothing open
        """Give back what is held open."""

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reason(error: BaseException) -> str:
    """Why something failed, in words that name no path of this machine."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def open_files(source: Path | str, *, limit: int, remote: Remote | None = None) -> Files:
    """Open a folder, a zip or an address. Raises StoreError when it is none, or not there.

    What it says is published, so it names the store, never the folder that it lies in.
    """
    text = str(source)
    if "://" in text:
        from portal.remote import open_remote

        return open_remote(text, limit=limit, settings=remote)
    path = Path(source)
    name = f"The source {path.name}".strip()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise StoreError("source-absent", f"{name} cannot be opened: {reason(error)}") from None
    if stat.S_ISDIR(mode):
        return FolderFiles(path, limit)
    if stat.S_ISREG(mode):
        return ZipFiles(path, limit)
    raise StoreError("source-unsupported", f"{name} is neither a folder nor a zip file")


def folders_of(files: Iterable[tuple[str, File]]) -> Iterator[tuple[str, list[File]]]:
    """The folders of a list of files with their paths, in the order of a walk."""
    folders: dict[str, dict[str, File]] = {"": {}}
    for path, file in files:
        parent, _, name = path.rpartition("/")
        folders.setdefault(parent, {})[name] = file
        while parent:  # a list need not name the folders in between
            parent = parent.rpartition("/")[0]
            folders.setdefault(parent, {})
    for parent in sorted(folders, key=lambda path: path.split("/")):
        yield parent, _in_order(folders[parent])


def _in_order(files: dict[str, File]) -> list[File]:
    first = [files.pop(name) for name in METADATA_NAMES if name in files]
    return first + [files[name] for name in sorted(files)]


class FolderFiles(Files):
    """A store in a local folder."""

    def __init__(self, root: Path, limit: int):
        super().__init__(root.name or root.resolve().name, limit)
        self._root = os.path.realpath(root).rstrip("/")
        self._trusted = ""
        """The folder last walked or read from: known not to lie behind a link."""

    def walk(self) -> Iterator[Folder]:
        waiting = [""]
        while waiting:
            prefix = waiting.pop()
            files, folders, odd = self._list(prefix)
            self._trusted = prefix
            yield Folder(prefix[:-1], _in_order(files), sorted(odd))
            waiting.extend(f"{prefix}{name}/" for name in sorted(folders, reverse=True))

    def _list(self, prefix: str) -> tuple[dict[str, File], list[str], list[Odd]]:
        files: dict[str, File] = {}
        folders: list[str] = []
        odd: list[Odd] = []
        try:
            with os.scandir(f"{self._root}/{prefix}") as listing:
                for item in listing:
                    name = item.name
                    if item.is_file(follow_symlinks=False):
                        info = item.stat(follow_symlinks=False)
                        files[name] = File(name, info.st_size, info.st_mtime_ns)
                    elif item.is_dir(follow_symlinks=False):
                        folders.append(name)
                    elif item.is_symlink():
                        odd.append(self._link(prefix + name))
                    else:
                        odd.append(Odd(prefix + name, "special"))
        except OSError as error:
            odd.append(Odd(prefix[:-1], "unreadable", reason(error)))
        return files, folders, odd

    def _link(self, path: str) -> Odd:
        full = os.path.join(self._root, path)
        try:
            os.readlink(full)
            target = os.path.realpath(full)
        except OSError as error:
            return Odd(path, "unreadable", reason(error))
        if target == self._root or target.startswith(self._root + os.sep):
            return Odd(path, "link-inside", f"to {os.path.relpath(target, self._root)}")
        # Where it leads is this machine's business: only the name is told.
        return Odd(path, "link-outside", f"to …/{os.path.basename(target)}")

    def _full(self, path: str) -> str:
        """The file's place on disk; raises FileNotFoundError when it lies behind a link."""
        full = f"{self._root}/{path}"
        parent = path.rpartition("/")[0]
        if (parent and parent + "/") == self._trusted and not path.endswith(".."):
            return full
        real = os.path.realpath(os.path.join(self._root, parent))
        expected = os.path.normpath(os.path.join(self._root, parent))
        outside = os.path.isabs(path) or ".." in path.split("/")
        if outside or real != expected:
            raise FileNotFoundError(path)
        self._trusted = parent + "/" if parent else ""
        return full

    def size(self, path: str) -> int | None:
        try:
            info = os.lstat(self._full(path))
        except (OSError, ValueError):
            return None
        return info.st_size if stat.S_ISREG(info.st_mode) else None

    def _fetch(self, path: str, start: int, length: int) -> bytes:
        handle = os.open(self._full(path), _OPEN_FLAGS)
        try:
            if start:
                os.lseek(handle, start, os.SEEK_SET)
            data = os.read(handle, length)
            # One read suffices for small files; the system may give large ones in parts.
            while 0 < len(data) < length and (more := os.read(handle, length - len(data))):
                data += more
        finally:
            os.close(handle)
        return data


class ZipFiles(Files):
    """A store in one zip file, at its top or in the only folder at its top.

    Members with names that lead outside, links and encrypted members are reported by the
    walk and cannot be read. A range of a compressed member costs all of it, since all of it
    before the range has to be decompressed.
    """

    def __init__(self, path: Path, limit: int, opened: IO[bytes] | None = None):
        name = path.name
        super().__init__(name[:-4] if name.lower().endswith(".zip") else name, limit)
        try:
            self._zip = zipfile.ZipFile(opened or path)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise StoreError(
                "zip-broken", f"The file {path.name} is not a readable zip: {reason(error)}"
            ) from None
        self._bad: list[Odd] = []
        self.members = self._safe_members()
        self._strip_top_folder()

    def _safe_members(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.is_dir():
                continue
            note = why_unsafe(info.filename)
            if note:
                self._bad.append(Odd(info.filename, "bad", note))
            elif stat.S_ISLNK(info.external_attr >> 16):
                self._bad.append(Odd(info.filename, "link-outside", "a link in a zip"))
            elif info.flag_bits & 1:
                self._bad.append(Odd(info.filename, "unreadable", "encrypted"))
            else:
                if info.filename in members:
                    self._bad.append(Odd(info.filename, "bad", "is there twice"))
                members[info.filename] = info
        return members

    def _strip_top_folder(self) -> None:
        tops = {name.partition("/")[0] for name in self.members if not name.startswith("__MACOSX")}
        if len(tops) != 1 or (top := tops.pop()) in self.members:
            return
        prefix = top + "/"
        self.members = {
            name[len(prefix) :]: info
            for name, info in self.members.items()
            if name.startswith(prefix)
        }

    def walk(self) -> Iterator[Folder]:
        files = (
            (path, File(path.rpartition("/")[2], info.file_size, info.CRC))
            for path, info in self.members.items()
        )
        for parent, inside in folders_of(files):
            yield Folder(parent, inside, [] if parent else sorted(self._bad))

    def size(self, path: str) -> int | None:
        info = self.members.get(path)
        return info.file_size if info else None

    def _cost(self, path: str, start: int, length: int) -> int:
        info = self.members.get(path)
        stored = info is None or info.compress_type == zipfile.ZIP_STORED
        return length if stored else start + length

    def _fetch(self, path: str, start: int, length: int) -> bytes:
        info = self.members.get(path)
        if info is None:
            raise FileNotFoundError(path)
        try:
            with self._zip.open(info) as file:
                if start:
                    file.seek(start)
                return file.read(length)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
            raise OSError(f"{path} in the zip is broken: {error}") from None
        except ValueError as error:
            raise OSError(f"{path} in the zip cannot be read: {error}") from None
        except Exception as error:  # zlib.error, lzma.LZMAError: no common base
            raise OSError(f"{path} in the zip cannot be decompressed: {error}") from None

    def close(self) -> None:
        self._zip.close()


def why_unsafe(name: str) -> str:
    """What is wrong with the name of a file in a list that somebody else has made."""
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return "has an absolute name"
    if "\\" in name or ".." in PurePosixPath(name).parts:
        return "has a name that leads out of the store"
    if "" in name.split("/"):
        return "has an empty part in its name"
    return ""
