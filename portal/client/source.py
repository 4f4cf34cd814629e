"""Where a portal's files come from: `open_source(where) -> Source`.

A folder of a built site, an http(s) address, or one of s3, gs and az. Everybody else asks for
files by their path in the site and need not know which it is. What comes from an address is kept
in the cache and asked about once a Source; large files come in parts, go on where they were cut
off, and are checked before they get their name.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from portal.errors import PortalError, UsageError
from portal.store import FolderFiles, Listed, why_unsafe

__all__ = ["CATALOG", "Damaged", "NotThere", "Progress", "Source", "open_source", "safe_path"]

Progress = Callable[[int], None]
"""Is told of bytes as they come; a negative number takes back what has to come again."""

CATALOG = "catalog/catalog.parquet"
_PIECE = 8_000_000
"""Bytes that are asked for at once of a large file: what a cut-off costs at most."""


class NotThere(PortalError):
    """The file is not where it should be, or may not be read."""


class Damaged(PortalError):
    """What came of a file is not what its portal says of it."""


class Source(ABC):
    """The files below `root`; paths are relative to it, with `/`. Usable by several threads.

    Raises NotThere for a file that is absent, RemoteFault where a server fails us, UsageError
    for a path that leads elsewhere.
    """

    is_remote = False
    allow_private = True
    """Whether what the portal names may lead to addresses inside a network."""

    def __init__(self, root: str, catalog: str = CATALOG):
        self.root = root
        """An absolute folder, or an address, without a slash at its end."""
        self.catalog = catalog
        """Where the catalog is: its usual path, unless a catalog alone was opened."""

    def __repr__(self) -> str:
        return f"<Source {self.root}>"

    def read(self, path: str) -> bytes:
        """A whole file."""
        return self.local(path).read_bytes()

    @abstractmethod
    def local(self, path: str) -> Path:
        """A file of this machine with that content; not to be changed."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        try:
            self.local(path)
        except NotThere:
            return False
        return True

    @abstractmethod
    def address(self, path: str) -> str:
        """The absolute path or address of a file."""

    @abstractmethod
    def stat(self, path: str) -> Listed:
        """Bytes of a file, and what changes with it; an empty text where nobody tells."""

    @abstractmethod
    def range(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start`, all where none is given, fewer where the file ends.

        Unlike what `read` gives, these are never kept.
        """

    @abstractmethod
    def listing(self) -> dict[str, Listed] | None:
        """Every file with its size and what changes with it; None where nobody tells."""

    def fetch(
        self,
        path: str,
        to: Path,
        *,
        bytes_: int | None = None,
        sha256: str | None = None,
        mark: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Write a file to `to`, whole or not at all; what is there is replaced.

        With a `sha256` a fetch that was cut off goes on where it was. Raises Damaged where the
        bytes are not as many as `bytes_`, others than `sha256` says, or no more those of `mark`.
        """
        come = 0

        def told(size: int) -> None:
            nonlocal come
            come += size
            if progress:
                progress(size)

        size, mark = self.stat(path) if bytes_ is None else (bytes_, mark)
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f".{to.name}.part")
        resumed = sha256 is not None and part.is_file() and 0 < part.stat().st_size <= size
        if not resumed:
            part.unlink(missing_ok=True)
        try:
            self._complete(path, part, Listed(size, mark), sha256, told)
        except Damaged:
            part.unlink(missing_ok=True)
            told(-come)
            if not resumed:
                raise
            # The beginning may have been of another version.
            self._complete(path, part, Listed(size, mark), sha256, told)
        part.replace(to)

    def _complete(
        self, path: str, part: Path, what: Listed, sha256: str | None, told: Progress
    ) -> None:
        """Append to `part` what it lacks, and check the whole."""
        digest = hashlib.sha256()
        with part.open("a+b") as file:
            file.seek(0)
            have = 0
            while block := file.read(1 << 20):
                digest.update(block)
                have += len(block)
            told(have)
            while have < what.size:
                body = self._piece(path, have, what)
                file.write(body)
                digest.update(body)
                have += len(body)
                told(len(body))
        if sha256 is not None and digest.hexdigest() != sha256:
            part.unlink()
            raise _damaged(self.address(path), "is not what its portal says of it (sha256)")

    def _piece(self, path: str, start: int, what: Listed) -> bytes:
        """What comes next of a file, which has more."""
        body, mark = self._some(path, start, min(_PIECE, what.size - start), what.size)
        if what.mark and mark and mark != what.mark:
            raise _damaged(self.address(path), "changed meanwhile")
        if not body or start + len(body) > what.size:
            raise _damaged(self.address(path), f"has not the {what.size:,} bytes that are listed")
        return body

    @abstractmethod
    def _some(self, path: str, start: int, wanted: int, size: int) -> tuple[bytes, str]:
        """`wanted` bytes from `start`, or up to the end where nothing less can be had, none
        beyond the end; and what changes with the file."""


def _damaged(address: str, what: str) -> Damaged:
    return Damaged(
        f"{address} {what}. It may just be published anew: open the portal again, and try once more."
    )


def open_source(where: str | Path, *, allow_private: bool | None = None) -> Source:
    """The files of a site: its folder or address, or that of its `catalog.parquet`.

    `allow_private` says whether requests may go to addresses inside a network; unless said,
    only where `where` itself names such a host: a public portal leads to no private one.
    Raises UsageError for what is neither.
    """
    text = str(where)
    if "://" in text:
        return _at_address(text, allow_private)
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        return _FolderSource(path, CATALOG)
    if path.is_file() and path.suffix == ".parquet":
        usual = path.parts[-2:] == tuple(CATALOG.split("/"))
        if usual:
            return _FolderSource(path.parents[1], CATALOG)
        return _FolderSource(path.parent, path.name)
    raise UsageError(
        f"{text} is neither a folder of a built site, nor its catalog, nor an address."
    )


def _at_address(text: str, allow_private: bool | None) -> Source:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise UsageError(f"The address {text[:200]} can't be understood.") from None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https", "s3", "gs", "az") or not host:
        raise UsageError("A portal's address begins with http, https, s3, gs or az.")
    if "@" in parts.netloc or parts.query:
        raise UsageError("A portal's address has neither a password nor a `?` in it.")
    path = parts.path.rstrip("/").removesuffix("/index.html")
    catalog = CATALOG
    if path.endswith(f"/{CATALOG}"):
        path = path.removesuffix(f"/{CATALOG}")
    elif path.endswith(".parquet"):
        path, _, catalog = path.rpartition("/")
    from portal.client.remotesource import RemoteSource

    return RemoteSource(f"{scheme}://{parts.netloc}{path}", catalog, allow_private)


class _FolderSource(Source):
    """A folder of this machine; links that lead out of it are not followed."""

    def __init__(self, folder: Path, catalog: str):
        super().__init__(str(folder), catalog)
        self._real = os.path.realpath(folder)

    def local(self, path: str) -> Path:
        full = Path(self.address(path))
        real = os.path.realpath(full)
        if not real.startswith(self._real.rstrip(os.sep) + os.sep) or not os.path.isfile(real):
            raise NotThere(f"{full} is not there.")
        return full

    def address(self, path: str) -> str:
        return os.path.join(self.root, *safe_path(path).split("/"))

    def stat(self, path: str) -> Listed:
        info = self.local(path).stat()
        return Listed(info.st_size, str(info.st_mtime_ns))

    def range(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        return self._some(path, start, -1 if length is None else length, 0)[0]

    def _some(self, path: str, start: int, wanted: int, size: int) -> tuple[bytes, str]:
        with self.local(path).open("rb") as file:
            file.seek(start)
            return file.read(wanted), str(os.fstat(file.fileno()).st_mtime_ns)

    def listing(self) -> dict[str, Listed]:
        return {
            f"{folder.path}/{file.name}".lstrip("/"): Listed(file.size, str(file.stamp))
            for folder in FolderFiles(Path(self.root), limit=0).walk()
            for file in folder.files
        }


def safe_path(path: str) -> str:
    """`path` as it is. Raises UsageError where it leads elsewhere."""
    why = why_unsafe(path) or ("" if path.isprintable() else "can't be asked for")
    if why:
        raise UsageError(f"The path {path[:200]!r} {why}.")
    return path
