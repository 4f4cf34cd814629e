"""A `.zarr.zip` at an address: its list of members, and of these what is asked for, by ranges.

The list is at the end of a zip; the zip itself is never read as a whole. What comes is kept, and
`zipfile` reads from that, so that every check it makes of a local zip is made here too.
"""

from __future__ import annotations

import os
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from portal.store import Listed, Odd, RemoteFault, StoreError, ZipFiles

__all__ = ["ZipOrigin"]

Take = Callable[[int], None]
_AHEAD = 65_536
"""Bytes that are read at once; at the end of a zip that is mostly the whole list of members."""
_HEADER = 30
"""Bytes of a member's own header, before its name and what else it says."""


class ZipOrigin:
    """The members of the zip at `path` of another origin."""

    def __init__(self, origin: Any, path: str, take: Take, limit: int):
        self._origin = origin
        self._path = path
        self._remote = _RemoteFile(origin, path, take)
        self._lock = threading.Lock()
        try:
            self._zip = ZipFiles(Path(path), limit, cast(IO[bytes], self._remote))
        except StoreError:
            if self._remote.fault:  # zipfile takes whatever goes wrong for a broken zip
                raise self._remote.fault from None
            raise
        self.odd: list[Odd] = next(self._zip.walk()).odd

    @property
    def requests(self) -> int:
        return self._origin.requests

    def listing(self) -> dict[str, Listed]:
        """Every member that may be read, with its checksum."""
        return {
            path: Listed(info.file_size, f"{info.CRC:08x}")
            for path, info in self._zip.members.items()
        }

    def get(self, path: str, take: Take) -> tuple[bytes, str]:
        """A whole member, checked against its checksum."""
        info = self._info(path)
        if info.compress_type != zipfile.ZIP_STORED:
            take(info.file_size)
        # What stands before the data may be longer there than in the list.
        before = _HEADER + len(info.filename.encode()) + len(info.extra) + 64
        span = self._remote.span(info.header_offset, before + info.compress_size)
        with self._lock:
            self._remote.spans.append(span)
            try:
                return self._zip.read(path), f"{info.CRC:08x}"
            finally:
                self._remote.spans.remove(span)

    def range(self, path: str, start: int, length: int, take: Take) -> tuple[bytes, str]:
        """A part of a member; of a compressed one that costs the whole."""
        info = self._info(path)
        mark = f"{info.CRC:08x}"
        if info.compress_type != zipfile.ZIP_STORED:
            return self.get(path, take)[0][start : start + length], mark
        _, header = self._remote.span(info.header_offset, _HEADER)
        if not header.startswith(b"PK\3\4"):
            raise OSError(f"{path} in the zip is not where its list says")
        name, extra = struct.unpack_from("<HH", header, 26)
        begin = info.header_offset + _HEADER + name + extra
        return self._remote.span(begin + start, length)[1], mark

    def mark(self, path: str) -> str:
        """The mark of a member, as long as the zip is the same: members can't change alone."""
        now = self._origin.mark(self._path)
        if now and now != self._remote.mark:
            raise RemoteFault("remote-changed", "The zip changed while it was read")
        return f"{self._info(path).CRC:08x}"

    def close(self) -> None:
        self._zip.close()
        self._origin.close()

    def _info(self, path: str) -> zipfile.ZipInfo:
        info = self._zip.members.get(path)
        if info is None:
            raise FileNotFoundError(path)
        return info


class _RemoteFile:
    """As much of a file as `zipfile` needs, out of the parts that have come."""

    def __init__(self, origin: Any, path: str, take: Take):
        self._origin = origin
        self._path = path
        self._take = take
        self._at = 0
        self.fault: RemoteFault | None = None
        body, self.size, self.mark = origin.tail(path, _AHEAD, take)
        self.spans: list[tuple[int, bytes]] = [(self.size - len(body), body)]

    def span(self, start: int, length: int) -> tuple[int, bytes]:
        """A part of the file, with its place; shorter where the file ends."""
        end = min(start + length, self.size)
        if start >= end:
            return start, b""
        for begin, body in self.spans:
            if begin <= start and end <= begin + len(body):
                return start, body[start - begin : end - begin]
        body, mark = self._origin.range(self._path, start, end - start, self._take)
        if mark != self.mark:
            raise RemoteFault("remote-changed", "The zip changed while it was read")
        if len(body) != end - start:
            raise RemoteFault("remote-cut", "Of the zip fewer bytes came than were asked for")
        return start, body

    # what zipfile calls

    def read(self, size: int = -1) -> bytes:
        size = self.size - self._at if size < 0 else size
        try:
            _, body = self.span(self._at, size)
        except RemoteFault as e:
            self.fault = e
            raise
        self._at += len(body)
        return body

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """The origin is closed by whom it belongs to."""
