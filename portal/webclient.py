"""One way to ask servers that nobody vouches for: `Web.ask(method, address) -> Answer`.

An address comes from a manifest, so it may lead anywhere. Before each request, also each that
a redirect leads to, the name is resolved, and what is not a public address is refused; what the
connection then really reached is checked once more, since a name can lead elsewhere a moment
later. Redirects are followed here, at most five, from https to https alone. Each answer has its
time, all together have one, and a body is counted while it comes, so that none goes on for ever.
"""

from __future__ import annotations

import ipaddress
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from portal import __version__
from portal.config import Remote
from portal.store import RemoteFault, TimeLimit

__all__ = ["CONCURRENT", "Answer", "Web"]

CONCURRENT = 16
"""Requests that one scan has under way at the same time."""

_TRIES = 4
_SLOW_TRIES = 2
_REDIRECTS = 5
_RETRY_AFTER = 30.0
"""Seconds that a server may ask us to wait; who asks for longer is not waited for."""
_HEADERS = {
    "Accept-Encoding": "identity",  # so that lengths are those of the files
    "User-Agent": f"spatialdata-portal/{__version__}",
}
_PASSING = (429, 500, 502, 503, 504)
"""What a server answers that may well answer otherwise a moment later."""


@dataclass(frozen=True)
class Answer:
    """What came back in the end; `address` is where it came from, after any redirect."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str
    left: bool = False
    """Whether there was more of a body than was asked for; then none of it was taken."""

    @property
    def length(self) -> int | None:
        """What the server says of the length of the body."""
        return _number(self.headers.get("content-length", ""))

    @property
    def total(self) -> int | None:
        """Of an answer to a range: the length of the whole file."""
        return _number(self.headers.get("content-range", "").rpartition("/")[2])

    @property
    def is_webpage(self) -> bool:
        """Whether it is HTML: what many servers show for a file that they don't have."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        start = self.body[:64].lstrip().lower()
        called = kind == "text/html" and not start.startswith(b"{")
        return called or start.startswith((b"<!doctype html", b"<html"))

    @property
    def mark(self) -> str:
        """Changes with the file: its entity tag, else when it was written."""
        mark = self.headers.get("etag", "") or self.headers.get("last-modified", "")
        return mark.removeprefix("W/")  # a proxy that packs some answers weakens some tags


class Web:
    """Asks servers within the limits of `settings`; may be used by several threads at once."""

    def __init__(self, settings: Remote):
        self.settings = settings
        self.requests = 0
        self._ends = time.monotonic() + settings.total_time
        self._admitted: set[str] = set()
        self._lock = threading.Lock()
        self._pools = PoolManager(num_pools=8, maxsize=CONCURRENT, block=True)
        guarded = {"http": _Pool, "https": _PoolTLS}
        self._pools.pool_classes_by_scheme = _Open if settings.allow_private else guarded

    def left(self) -> float:
        """Seconds until the time for all requests is over. Raises TimeLimit when it is."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeLimit(self.settings.total_time)
        return left

    def ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        *,
        take: Callable[[int], None] = lambda size: None,
        most: int | None = None,
    ) -> Answer:
        """The answer to one request, whatever its status, after redirects and retries.

        `take` is called with each number of bytes that comes and stops it all by raising. A body
        of more than `most` bytes is left where it is.
        Raises RemoteFault where there is no answer, TimeLimit where the time is over.
        """
        number = 0
        while True:
            number += 1
            try:
                answer = self._followed(method, address, headers or {}, take, most)
            except _Passing as e:
                if number >= (_SLOW_TRIES if e.code == "remote-slow" else _TRIES):
                    raise RemoteFault(e.code, e.what) from None
                wait = _backoff(number)
            else:
                if answer.status not in _PASSING or number >= _TRIES:
                    return answer
                # The other form, a date, is not waited for.
                asked = _number(answer.headers.get("retry-after", "")) or 0
                if asked > _RETRY_AFTER:
                    return answer
                wait = max(float(asked), _backoff(number))
            time.sleep(min(wait, self.left()))

    def close(self) -> None:
        self._pools.clear()

    def _followed(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        take: Callable[[int], None],
        most: int | None,
    ) -> Answer:
        for _ in range(_REDIRECTS + 1):
            answer = self._once(method, address, headers, take, most)
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not target:
                return answer
            address = _next(address, target)
        raise RemoteFault(
            "remote-redirect", f"The server redirects more than {_REDIRECTS} times in a row"
        )

    def _once(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        take: Callable[[int], None],
        most: int | None,
    ) -> Answer:
        host = urlsplit(address).hostname or ""
        self._admit(host)
        seconds = min(self.settings.timeout, self.left())
        with self._lock:
            self.requests += 1
        try:
            response = self._pools.urlopen(
                method,
                address,
                headers={**_HEADERS, **headers},
                timeout=Timeout(connect=min(10.0, seconds), read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                body = self._body(response, time.monotonic() + seconds, take, most, method)
            finally:
                response.close()  # what was not read to its end can't be used again
                response.release_conn()
        except HTTPError as e:
            raise _fault(e, host, seconds) from None
        except (ValueError, LookupError):  # what urllib3 does not wrap: odd headers
            raise _Passing("remote-cut", f"The server {host} answers what is not HTTP") from None
        return Answer(response.status, response.headers, body or b"", address, left=body is None)

    def _body(
        self,
        response: BaseHTTPResponse,
        ends: float,
        take: Callable[[int], None],
        most: int | None,
        method: str,
    ) -> bytes | None:
        """The whole body, None where it is larger than `most`."""
        expected = _number(response.headers.get("content-length", ""))
        if method == "HEAD" or response.headers.get("content-encoding"):
            expected = None
        limit = sys.maxsize if most is None else most
        parts, size = [], 0
        while (expected or 0) <= limit and (part := response.read1(65536)):
            take(len(part))
            parts.append(part)
            size += len(part)
            if size > limit:
                return None
            if time.monotonic() > ends:
                self.left()
                what = f"An answer was not complete after {self.settings.timeout:g} seconds"
                raise _Passing("remote-slow", what)
        if (expected or 0) > limit:
            return None
        if expected is not None and size != expected:
            what = f"An answer ends after {size:,} of {expected:,} bytes"
            raise _Passing("remote-cut", what)
        return b"".join(parts)

    def _admit(self, host: str) -> None:
        """Refuse a name that leads to an address inside some network, unless that is allowed."""
        if self.settings.allow_private or host in self._admitted:
            return
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise RemoteFault("remote-unreachable", f"The name {host} is not known") from None
        for *_, place in found:
            _check_public(str(place[0]), host)
        self._admitted.add(host)


class _Passing(Exception):
    """A fault that may be gone at the next try."""

    def __init__(self, code: str, what: str):
        super().__init__(what)
        self.code = code
        self.what = what


def _check_public(text: str, host: str) -> None:
    place: Any = ipaddress.ip_address(text.partition("%")[0])
    inner = getattr(place, "ipv4_mapped", None) or getattr(place, "sixtofour", None)
    if place.version == 6 and place in _NAT64:
        inner = ipaddress.IPv4Address(int(place) & 0xFFFFFFFF)
    for each in (place, inner):
        if each is not None and (not each.is_global or each.is_multicast):
            raise RemoteFault(
                "remote-private", f"The name {host} is no public address, but one inside a network"
            )


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _Connection(HTTPConnection):
    """Says whom it really reached before anything is sent."""

    def connect(self) -> None:
        super().connect()
        _check_public(str(self.sock.getpeername()[0]), self.host)


class _ConnectionTLS(HTTPSConnection):
    """The same, after the handshake."""

    def connect(self) -> None:
        super().connect()
        _check_public(str(self.sock.getpeername()[0]), self.host)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection  # pyright: ignore[reportAssignmentType]


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _ConnectionTLS  # pyright: ignore[reportAssignmentType]


_Open = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}


def _next(address: str, target: str) -> str:
    """Where a redirect leads. Raises RemoteFault where it must not be followed."""
    try:
        joined = urljoin(address, target)
        old, new = urlsplit(address), urlsplit(joined)
        allowed = ("https",) if old.scheme == "https" else ("http", "https")
        fine = new.scheme in allowed and new.hostname and "@" not in new.netloc
    except ValueError:
        fine, joined = False, ""
    if not fine:
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,19}:", target)
        kind = f"an address of {scheme[0]}//" if scheme else "no address"
        what = f"The server redirects to {kind}, which is not followed"
        raise RemoteFault("remote-redirect", what)
    return joined


def _fault(e: HTTPError, host: str, seconds: float) -> Exception:
    """In our words, and by cause, why a request came to nothing."""
    refused = next((x for x in e.args if isinstance(x, RemoteFault)), None)
    if refused is not None:
        return refused
    if isinstance(e, NewConnectionError):  # which is a kind of the next, by inheritance
        return _Passing("remote-unreachable", f"The server {host} can't be reached")
    if isinstance(e, (ConnectTimeoutError, ReadTimeoutError)):
        return _Passing(
            "remote-slow", f"The server {host} did not answer within {seconds:.3g} seconds"
        )
    if isinstance(e, SSLError):
        return RemoteFault(
            "remote-unreachable", f"The server {host} shows no certificate that can be trusted"
        )
    return _Passing("remote-cut", f"The server {host} broke the connection off")


def _backoff(number: int) -> float:
    """Twice as long each time, and never as long as the neighbour waits."""
    return 0.2 * 2**number * random.uniform(0.5, 1.0)


def _number(text: str) -> int | None:
    """A number as headers have it."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else None
