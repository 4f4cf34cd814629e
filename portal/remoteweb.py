"""The files below an http(s) address, by GET and ranges. Such a server lists nothing.

Who answers with HTML where a file should be has no such file: many servers show a page instead
of answering 404. Some that may not list answer 403 for what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit

from portal.config import Remote
from portal.store import RemoteFault
from portal.webclient import Answer, Web

__all__ = ["WebOrigin", "WebPage"]

Take = Callable[[int], None]
_SMALL = 1_000_000
"""A file of at most so many bytes is taken whole where a server knows no ranges."""
_IN_PATHS = "/:@!$&'()*+,;=~"


class WebPage(OSError):
    """A server shows a web page instead of a file."""


class WebOrigin:
    """Below `base`, an http(s) address; `query` belongs to each request."""

    def __init__(self, base: str, settings: Remote, query: str = ""):
        self._web = Web(settings)
        self._base = base.rstrip("/") + "/"
        self._query = query

    @property
    def requests(self) -> int:
        return self._web.requests

    def listing(self) -> None:
        """None: http has no such thing."""

    def get(self, path: str, take: Take) -> tuple[bytes, str]:
        """A whole file, and its mark. Raises FileNotFoundError, PermissionError, WebPage,
        RemoteFault, and what `take` raises."""
        answer = self._web.ask("GET", self._address(path), take=take)
        _checked(answer, path)
        return answer.body, answer.mark

    def tail(self, path: str, length: int, take: Take) -> tuple[bytes, int, str]:
        """The last `length` bytes of a file, its size and its mark, mostly by one request."""
        address = self._address(path)
        asked = {"Range": f"bytes=-{length}"}
        answer = self._web.ask("GET", address, asked, take=take, most=max(length, _SMALL))
        if answer.status == 416:  # of an empty file no part can be had
            return b"", 0, answer.mark
        _checked(answer, path)
        if answer.status == 206:
            size = answer.total
            if size is None or len(answer.body) != min(size, length):
                raise RemoteFault("remote-cut", f"The answer to a range of {path} is no range")
            return answer.body, size, answer.mark
        if not answer.left:
            return answer.body[-length:], len(answer.body), answer.mark
        if answer.length is None:
            raise OSError("the server gives no part of it, only the whole")
        # Some know ranges, but not those that count from the end.
        size = answer.length
        start = max(0, size - length)
        body, mark = self.range(path, start, size - start, take)
        return body, size, mark

    def range(self, path: str, start: int, length: int, take: Take) -> tuple[bytes, str]:
        """`length` bytes from `start`, fewer where the file ends, and the mark of their file."""
        asked = {"Range": f"bytes={start}-{start + length - 1}"}
        most = max(length, _SMALL)
        answer = self._web.ask("GET", self._address(path), asked, take=take, most=most)
        _checked(answer, path)
        if answer.left:
            raise OSError("the server gives no part of it, only the whole")
        body = answer.body if answer.status == 206 else answer.body[start : start + length]
        return body, answer.mark

    def mark(self, path: str) -> str:
        """What changes with the file; empty where the server does not say."""
        answer = self._web.ask("HEAD", self._address(path))
        if answer.status in (404, 410):
            return "gone"
        return answer.mark if answer.status == 200 else ""

    def close(self) -> None:
        self._web.close()

    def _address(self, path: str) -> str:
        return self._base + quote(path, safe=_IN_PATHS) + self._query


def _checked(answer: Answer, path: str) -> None:
    status = answer.status
    server = f"The server {urlsplit(answer.address).hostname}"
    if status in (200, 206):
        if answer.is_webpage:
            raise WebPage(f"{server} answers with a web page instead of {path}")
    elif status in (404, 410):
        raise FileNotFoundError(path)
    elif status in (401, 403):
        raise PermissionError(f"{server} refuses it ({status})")
    elif status == 429:
        raise RemoteFault("remote-busy", f"{server} asks to come back later (429)")
    else:
        raise RemoteFault("remote-fault", f"{server} answers {status}")
