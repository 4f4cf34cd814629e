"""A portal at an address: `RemoteSource(root)`, whose small files are kept in the cache.

Requests, their limits and what they may lead to are those of `portal.webclient`; a bucket is read
through obstore. A kept file is asked about once a Source, by its entity tag or time.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from portal.client.source import CATALOG, Damaged, NotThere, Progress, Source, safe_path
from portal.client.store_cache import cache_folder
from portal.config import Remote
from portal.remotebucket import BucketOrigin
from portal.remoteweb import WebOrigin, WebPage
from portal.store import METADATA_NAMES, Listed, RemoteFault

__all__ = ["RemoteSource"]

_MOST = 1 << 30
"""No single file of a site that is read whole may have more bytes."""
_PATIENCE = Remote(timeout=120, total_time=86_400)
_RENEWED = 3600.0
"""Seconds after which connections are made anew, since those of a scan end some day; and how
long an older version of a kept file stays for who still reads it."""
_HASHED = re.compile(r"-[0-9a-f]{8,}\.[a-z0-9]+$")
"""Names of files whose content never changes."""

T = TypeVar("T")


class RemoteSource(Source):
    """Below an address; `query` belongs to each request. Unless `allow_private` says otherwise,
    only a root inside a network leads to addresses inside it."""

    is_remote = True

    def __init__(
        self,
        root: str,
        catalog: str = CATALOG,
        allow_private: bool | None = None,
        query: str = "",
    ):
        super().__init__(root, catalog)
        parts = urlsplit(root)
        if allow_private is None:
            allow_private = parts.scheme in ("http", "https") and _is_private(parts.hostname or "")
        self.allow_private = allow_private
        self._settings = _PATIENCE.model_copy(update={"allow_private": allow_private})
        name = re.sub(r"[^\w.-]", "_", parts.netloc)[:60]
        digest = hashlib.sha256(root.encode()).hexdigest()[:16]
        self._query = query
        self._folder = cache_folder() / "sites" / f"{name}-{digest}"
        self._sure: set[str] = set()
        """Paths that were fetched or asked about already."""
        self._origin = self._opened()

    def _opened(self) -> Any:
        self._since = time.monotonic()
        parts = urlsplit(self.root)
        if parts.scheme in ("http", "https"):
            return WebOrigin(self.root, self._settings, self._query)
        return BucketOrigin(parts.scheme, parts.netloc, parts.path, self._settings)

    def _ask(self, path: str, question: Callable[[Any], T]) -> T:
        """What the origin says to a question about a file."""
        safe_path(path)
        if time.monotonic() - self._since > _RENEWED:
            self._origin = self._opened()
        try:
            return question(self._origin)
        except FileNotFoundError:
            raise NotThere(f"{self.address(path)} is not there.") from None
        except (PermissionError, WebPage) as e:
            raise NotThere(f"{self.address(path)} can't be read: {e}.") from None

    def local(self, path: str) -> Path:
        note = self._folder / f"{hashlib.sha256(path.encode()).hexdigest()[:24]}.json"
        kept, mark = self._kept(note)
        if kept and (path in self._sure or _HASHED.search(path) or self._unchanged(path, mark)):
            self._sure.add(path)
            return kept
        take = _up_to(_MOST, self.address(path))
        body, mark = self._ask(path, lambda origin: origin.get(path, take))
        kept = self._keep(note, path, body, mark)
        self._sure.add(path)
        return kept

    def _unchanged(self, path: str, mark: str) -> bool:
        return bool(mark) and self._ask(path, lambda origin: origin.mark(path)) == mark

    def _kept(self, note: Path) -> tuple[Path | None, str]:
        """The file in the cache, and its mark; None where there is none, or not all of it."""
        try:
            told = json.loads(note.read_bytes())
            kept = note.with_name(str(told["name"]))
            if kept.stat().st_size == told["bytes"]:
                return kept, str(told["mark"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None, ""

    def _keep(self, note: Path, path: str, body: bytes, mark: str) -> Path:
        """Into the cache; named by content, so that who still reads an older one is not disturbed."""
        digest = hashlib.sha256(body).hexdigest()[:16]
        suffix = Path(path).suffix[:16]
        kept = note.with_name(f"{note.stem}-{digest}{suffix}")
        _write(kept, body)
        told = {"path": path, "name": kept.name, "bytes": len(body), "mark": mark}
        _write(note, json.dumps(told).encode())
        for old in self._folder.glob(f"{note.stem}-*"):
            if old != kept and time.time() - old.stat().st_mtime > _RENEWED:
                old.unlink(missing_ok=True)
        return kept

    def address(self, path: str) -> str:
        return f"{self.root}/{quote(safe_path(path), safe='/:@!$&()*+,;=~')}"

    def stat(self, path: str) -> Listed:
        try:
            _, size, mark = self._ask(path, lambda origin: origin.tail(path, 1, lambda size: None))
        except OSError as e:
            if isinstance(e, RemoteFault):
                raise
            raise Damaged(f"How many bytes {self.address(path)} has is not known: {e}.") from None
        return Listed(size, mark)

    def range(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        wanted = _MOST if length is None else length
        return self._some(path, start, wanted, _MOST)[0][:wanted]

    def _some(self, path: str, start: int, wanted: int, size: int) -> tuple[bytes, str]:
        # Metadata may be stored compressed, of which a part is of no use.
        whole = wanted == size or path.rpartition("/")[2] in METADATA_NAMES
        if start or not whole:
            try:
                return self._ask(
                    path, lambda origin: origin.range(path, start, wanted, lambda size: None)
                )
            except RemoteFault as e:
                if "416" not in str(e):  # the file ends before
                    raise
                return b"", ""
            except OSError:
                pass  # the server gives no parts
        # What came of tries that failed counts too.
        take = _up_to(4 * size + 1_000_000, self.address(path))
        body, mark = self._ask(path, lambda origin: origin.get(path, take))
        return body[start:], mark

    def listing(self) -> dict[str, Listed] | None:
        return self._origin.listing()


def _up_to(most: int, shown: str) -> Progress:
    """Counts bytes as they come. Raises Damaged over `most`."""
    left = most

    def take(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise Damaged(f"{shown} has more than the {most:,} bytes that it may have.")

    return take


def _is_private(host: str) -> bool:
    """Whether a name that the user gave leads into some network; an unknown one does not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    places = (str(place[0]).partition("%")[0] for *_, place in found)
    return any(not ipaddress.ip_address(place).is_global for place in places)


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
