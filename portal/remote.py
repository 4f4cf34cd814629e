"""A store at an address, with as few requests as can be: `open_remote(address) -> RemoteFiles`.

The metadata of all nodes come from one consolidated document. Sizes and marks of all files come
from a list, where the store can be listed (s3, gs, az, zip). Over http it can't: there the files
are those that the metadata name, and what else there is stays unknown. Whatever can be known to
be read next is asked for at once: metadata, the ends of Parquet files, short columns.
"""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from portal.config import Remote
from portal.remotebucket import BucketOrigin
from portal.remoteweb import WebOrigin, WebPage
from portal.remotezip import ZipOrigin
from portal.store import (
    METADATA_NAMES,
    File,
    Files,
    Folder,
    Listed,
    Odd,
    RemoteFault,
    StoreError,
    TimeLimit,
    folders_of,
    reason,
    why_unsafe,
)
from portal.webclient import CONCURRENT

__all__ = ["RemoteFiles", "open_remote"]

_ROOT = ("zarr.json", ".zmetadata", "zmetadata")
"""Documents at the top that may hold the metadata of all nodes."""
_GROUPS = ("images", "labels", "points", "shapes", "tables", "table")
_FOOTER = 32_768
"""Bytes at the end of a Parquet file that are asked for: mostly the whole footer."""
_UNREAD = 12
"""Stands for the bytes of a Parquet file that can't be read: so the survey asks, and is told."""
_PARTS = 512
"""Parts of points that are looked for where there is no list."""


def open_remote(address: str, *, limit: int, settings: Remote | None = None) -> RemoteFiles:
    """Open the store at an address. Raises StoreError, by cause, where that can't be done.

    What it says names the host and never more of the address: the rest may be a secret.
    """
    settings = settings or Remote()
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise StoreError("source-unsupported", "The address can't be understood") from None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https", "s3", "gs", "az") or not host:
        raise StoreError("source-unsupported", f"Addresses of {scheme}:// are not read")
    if "@" in parts.netloc:
        raise StoreError("source-unsupported", "The address holds a name or a password")
    path = parts.path.rstrip("/")
    folder, _, name = path.rpartition("/")
    packed = name.lower().endswith(".zip")
    if scheme in ("http", "https"):
        if parts.query and not packed:
            raise StoreError("source-unsupported", "An address with `?` is none of a folder")
        shown = f"{scheme}://{host}{f':{port}' if port else ''}"
        base = folder if packed else path
        query = f"?{parts.query}" if parts.query else ""
        origin: Any = WebOrigin(f"{scheme}://{parts.netloc}{base}", settings, query)
    else:
        shown = f"{scheme}://{host}"
        # urlsplit makes names of hosts lower-case, which names of containers need not be.
        origin = BucketOrigin(scheme, parts.netloc, folder if packed else path, settings)
    try:
        return RemoteFiles(name if packed else name or host, origin, limit, packed, shown)
    except OSError as e:
        origin.close()
        if isinstance(e, StoreError):
            raise
        raise _closed(e, shown) from None
    except BaseException:
        origin.close()
        raise


def _closed(e: OSError, shown: str) -> StoreError:
    """Why a store can't be opened."""
    if isinstance(e, FileNotFoundError):
        what = f"There is no zarr store at this address of {shown}"
        return StoreError("remote-absent", what)
    if isinstance(e, PermissionError):
        return StoreError("remote-refused", f"The store at {shown} may not be read: {reason(e)}")
    if isinstance(e, WebPage):
        return StoreError("remote-webpage", reason(e))
    return StoreError("remote-fault", f"The store at {shown} can't be read: {reason(e)}")


class RemoteFiles(Files):
    """Read access to a store at an address; close it, since threads wait for it.

    `faults` has what went wrong on the way: what was read is then not all that there is.
    """

    def __init__(self, name: str, origin: Any, limit: int, packed: bool, shown: str):
        super().__init__(name.removesuffix(".zip") if packed else name, limit)
        self.faults: list[StoreError] = []
        self._lock = threading.Lock()
        self._kept: dict[str, bytes] = {}
        """Whole files by path."""
        self._ends: dict[str, tuple[int, bytes]] = {}
        """Ends of files: where they begin, and the bytes."""
        self._failed: dict[str, Exception] = {}
        self._marks: dict[str, str] = {}
        self._origin: Any = ZipOrigin(origin, name, self._taker(name), limit) if packed else origin
        self._listed: dict[str, Listed] | None = self._origin.listing()
        self.complete = self._listed is not None
        self._odd: list[Odd] = self._origin.odd if packed else []
        self._files: dict[str, File] = {}
        self._pool = ThreadPoolExecutor(CONCURRENT)
        try:
            self._look()
        except BaseException:
            self._pool.shutdown()
            raise

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._origin.requests

    def walk(self) -> Iterator[Folder]:
        for path, files in folders_of(self._files.items()):
            yield Folder(path, files, [] if path else sorted(self._odd))

    def size(self, path: str) -> int | None:
        file = self._files.get(path)
        return file.size if file else None

    def read(self, path: str) -> bytes:
        self._load([path])
        if path in self._failed:
            raise self._failed[path]
        return self._kept[path]

    def read_range(self, path: str, start: int, length: int) -> bytes:
        if path in self._kept:
            body = self._kept[path]
            # As part of the consolidated document one may be longer than in its own file.
            whole = start == 0 and path.rpartition("/")[2] in METADATA_NAMES
            return body if whole else body[start : start + length]
        if path in self._failed:
            raise self._failed[path]
        begin, end = self._ends.get(path, (0, b""))
        if begin <= start and start + length <= begin + len(end):
            return end[start - begin : start - begin + length]
        return self._fetch(path, start, length)

    def _fetch(self, path: str, start: int, length: int) -> bytes:
        if not self._may_be_there(path):
            raise FileNotFoundError(path)
        try:
            return self._range(path, start, length)
        except (OSError, StoreError) as e:
            raise self._noted(path, e) from None

    def expect(self, paths: Iterable[str]) -> None:
        self._load([p for p in paths if self._may_be_there(p)])

    def changed(self) -> bool:
        """Whether the metadata are others than at the start, or a file was while it was read."""
        if any(fault.code == "remote-changed" for fault in self.faults):
            return True
        name = next((n for n in _ROOT if self._marks.get(n)), None)
        if name is None:
            return False
        try:
            now = self._origin.mark(name)
            if not now or now == self._marks[name]:
                return False
            # Two servers behind one name may mark the same file differently.
            return self._origin.get(name, self._taker(name))[0] != self._kept[name]
        except (OSError, StoreError) as e:
            gone = isinstance(self._noted(name, e), FileNotFoundError)
            return gone or any(fault.code == "remote-changed" for fault in self.faults)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._origin.close()

    # asking

    def fetch(self, path: str) -> bytes:
        """A whole file, which is not kept."""
        return self._origin.get(path, self._taker(path))[0]

    def _taker(self, path: str) -> Callable[[int], None]:
        def take(size: int) -> None:
            with self._lock:
                self.charge(path, size)

        return take

    def _may_be_there(self, path: str) -> bool:
        return self._listed is None or path in self._listed

    def _same(self, path: str, mark: str) -> None:
        """Raise RemoteFault where a file is another than when it was first seen."""
        listed = self._listed.get(path) if self._listed else None
        known = self._marks.setdefault(path, listed.mark if listed else mark)
        if known and mark and known != mark:
            raise RemoteFault("remote-changed", f"{path} changed while the store was read")

    def _range(self, path: str, start: int, length: int) -> bytes:
        """A part of a file, of the length that it must have."""
        body, mark = self._origin.range(path, start, length, self._taker(path))
        self._same(path, mark)
        if len(body) != length:
            what = f"Of {path} {len(body):,} bytes came where {length:,} were asked for"
            raise RemoteFault("remote-cut", what)
        return body

    def _noted(self, path: str, e: Exception) -> Exception:
        """The exception to tell of a file, noted where it says that reading itself went wrong."""
        if isinstance(e, FileNotFoundError) and self._listed and path in self._listed:
            e = RemoteFault("remote-changed", f"{path} went away while the store was read")
        if isinstance(e, (RemoteFault, TimeLimit)):
            self.faults.append(e)
        return e

    def _each(self, job: Callable[[str], None], paths: Iterable[str]) -> None:
        """Do a job for all paths at once; what goes wrong with one is kept for its reader."""

        def attempt(path: str) -> None:
            try:
                job(path)
            except (OSError, StoreError) as e:
                self._failed[path] = self._noted(path, e)

        list(self._pool.map(attempt, paths))

    def _load(self, paths: Iterable[str]) -> None:
        """Get whole files, those that are not there yet."""

        def get(path: str) -> None:
            if not self._may_be_there(path):
                raise FileNotFoundError(path)
            body, mark = self._origin.get(path, self._taker(path))
            self._same(path, mark)
            self._kept[path] = body

        known = self._kept.keys() | self._failed.keys()
        self._each(get, [p for p in dict.fromkeys(paths) if p not in known])

    def _load_ends(self, paths: Iterable[str]) -> None:
        """Get the footers of Parquet files, mostly by one request each."""

        def get(path: str) -> None:
            if self._listed is None:
                end, size, mark = self._origin.tail(path, _FOOTER, self._taker(path))
                self._same(path, mark)
                self._files[path] = _file(path, size, mark)
            else:
                size = self._listed[path].size
                start = max(0, size - _FOOTER)
                end = self._range(path, start, size - start) if size else b""
            footer = int.from_bytes(end[-8:-4], "little") + 8
            if len(end) < footer <= size - 4 and end[-4:] == b"PAR1":
                end = self._range(path, size - footer, footer - len(end)) + end
            self._ends[path] = (size - len(end), end)

        self._each(get, paths)

    # looking around

    def _look(self) -> None:
        """Find out what there is, all that the survey will read included."""
        if self._listed is not None and not self._listed:
            raise FileNotFoundError("nothing")
        self._load(name for name in _ROOT if self._may_be_there(name))
        if self._listed is None:
            self._demand_root()
        documents = self._documents()
        if self._listed is None:
            if not documents:
                self._look_at_groups()
            self._kept = {**documents, **self._kept}
            for path, body in self._kept.items():
                self._files[path] = _file(path, len(body), self._marks.get(path, ""))
            self._look_for_parquet()
        else:
            self._take_list(self._listed)
            self._kept = {p: d for p, d in documents.items() if p in self._files} | self._kept
            self._load(p for p in self._files if p.rpartition("/")[2] in METADATA_NAMES)
            self._load_ends(
                p
                for p in self._files
                if p.startswith(("points/", "shapes/")) and p.endswith(".parquet")
            )
        self.fingerprint = self._fingerprint()

    def _demand_root(self) -> None:
        """Raise what stands in the way of every document at the top, if nothing was found."""
        for fault in self._failed.values():
            if isinstance(fault, StoreError):
                raise fault
        if not self._kept:
            self._load((".zgroup", ".zattrs"))
        if not self._kept:
            raise max(self._failed.values(), key=lambda e: _GRAVITY.get(type(e), 9))

    def _documents(self) -> dict[str, bytes]:
        """The metadata of all nodes by the path of their file, out of one document."""
        found: dict[str, bytes] = {}
        for name in (".zmetadata", "zmetadata", "zarr.json"):
            try:
                value = json.loads(self._kept.get(name, b"null"))
                if name == "zarr.json":
                    value = value and value.get("consolidated_metadata")
                nodes = value and value.get("metadata")
                for key, node in (nodes or {}).items():
                    path = f"{key}/zarr.json" if name == "zarr.json" else key
                    if key and not _unsafe(path):
                        found.setdefault(path, json.dumps(node).encode())
                    elif key and self._listed is None:
                        self._odd.append(Odd(path, "bad", _unsafe(path)))
            except (ValueError, AttributeError, RecursionError):
                continue  # the survey reads it once more, and says what is wrong with it
        return found

    def _look_at_groups(self) -> None:
        """Without metadata of all nodes no names are known but those of the groups at the top."""
        name = "zarr.json" if "zarr.json" in self._kept else ".zgroup"
        self._load(f"{group}/{name}" for group in _GROUPS)

    def _take_list(self, listed: Mapping[str, Listed]) -> None:
        folders = {path.rpartition("/")[0] for path in listed}
        for path, (size, mark) in listed.items():
            if note := _unsafe(path):
                self._odd.append(Odd(path, "bad", note))
            elif size or path not in folders:  # some writers note a folder as an empty file
                self._files[path] = _file(path, size, mark)

    def _look_for_parquet(self) -> None:
        """The Parquet files of points and shapes have known names; parts are counted on."""
        nodes = {path.rpartition("/")[0] for path in self._files if path.count("/") == 2}
        points = sorted(p for p in nodes if p.startswith("points/"))
        shapes = sorted(p for p in nodes if p.startswith("shapes/"))
        single = [
            f"{p}/shapes.parquet"
            for p in shapes
            if not {f"{p}/coords/.zarray", f"{p}/coords/zarr.json"} & self._files.keys()
        ]
        self._load_ends([*single, *(_part(p, n) for p in points for n in (0, 1))])
        alone = [p for p in points if isinstance(self._failed.get(_part(p, 0)), _ABSENT)]
        self._load_ends(f"{p}/points.parquet" for p in alone)
        growing, first, count = [p for p in points if _part(p, 1) in self._ends], 2, 2
        while growing and first < _PARTS:
            numbers = range(first, first + count)
            self._load_ends(_part(p, n) for p in growing for n in numbers)
            growing = [p for p in growing if _part(p, numbers[-1]) in self._ends]
            first, count = first + count, min(2 * count, CONCURRENT)
        for p in growing:  # a number of rows without the rest would be a guess
            self._failed[_part(p, first)] = OSError(f"parts from {first} on are not looked for")
        for path, fault in self._failed.items():
            if not path.endswith(".parquet") or isinstance(fault, _ABSENT):
                continue
            must = path.endswith(("/part.0.parquet", "/shapes.parquet"))
            if must or not isinstance(fault, PermissionError):
                self._files[path] = _file(path, _UNREAD, "")

    def _fingerprint(self) -> str:
        """From what the list says of every file, else from the metadata and what is known."""
        digest = hashlib.sha256()
        for path, file in sorted(self._files.items()):
            body = b"" if self.complete or path in self._ends else self._kept.get(path, b"")
            line = f"{path}\0{file.size}\0{self._mark(path)}\n"
            digest.update(line.encode("utf-8", "surrogatepass") + body)
        return digest.hexdigest()

    def _mark(self, path: str) -> str:
        if self._listed is not None:
            return self._listed[path].mark
        # Where the content itself is at hand, it tells more than what a server says of it.
        return self._marks.get(path, "") if path in self._ends else ""


_ABSENT = (FileNotFoundError, WebPage)
_GRAVITY: dict[type, int] = {FileNotFoundError: 0, PermissionError: 1, WebPage: 2}


def _file(path: str, size: int, mark: str) -> File:
    return File(path.rpartition("/")[2], size, zlib.crc32(mark.encode("utf-8", "surrogatepass")))


def _part(points: str, number: int) -> str:
    return f"{points}/points.parquet/part.{number}.parquet"


def _unsafe(path: str) -> str:
    """What is wrong with a path out of somebody else's list."""
    if any(part == "." for part in path.split("/")) or not path.isprintable():
        return "has a name that can't be asked for"
    return why_unsafe(path)
