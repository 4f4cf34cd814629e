"""The files below an s3, gs or az address, through obstore. Such a store can be listed.

Credentials come from the environment alone; where there are none, nothing is signed. No other
place is asked for them, so that a scan never speaks to the machine that it runs on.
"""

from __future__ import annotations

import os
import re
import threading
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from portal.config import Remote
from portal.errors import PortalError
from portal.scan_codes import printable
from portal.store import Listed, RemoteFault, StoreError, TimeLimit
from portal.webclient import Web

__all__ = ["BucketOrigin", "region_of"]

Take = Callable[[int], None]
_PAGE = 1000
_MAX_UNPACKED = 64_000_000
_KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_", "AZURE_STORAGE_CLIENT_"),
}
"""Beginnings of what the environment has where requests are to be signed."""


class BucketOrigin:
    """Below `prefix` in a bucket or, for az, in a container."""

    def __init__(self, scheme: str, bucket: str, prefix: str, settings: Remote):
        self.requests = 0
        self._settings = settings
        self._ends = time.monotonic() + settings.total_time
        self._lock = threading.Lock()
        try:
            self._store = self._opened(scheme, bucket, prefix.strip("/"))
        except ImportError:
            raise StoreError(
                "source-unsupported",
                f"Reading {scheme}:// needs the extra `remote`: "
                "pip install 'spatialdata-portal[remote]'",
            ) from None

    def _opened(self, scheme: str, bucket: str, prefix: str) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import AzureStore, GCSStore, S3Store

        options: dict[str, Any] = {
            "prefix": prefix or None,
            "skip_signature": not any(name.startswith(_KEYS[scheme]) for name in os.environ),
            "client_options": {
                "timeout": timedelta(seconds=self._settings.timeout),
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1"),
            },
            "retry_config": {
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=self._settings.total_time),
                "backoff": {"init_backoff": timedelta(milliseconds=200)},
            },
        }
        try:
            if scheme == "gs":
                return GCSStore(bucket, **options)
            if scheme == "az":
                return AzureStore(bucket, **options)
            return S3Store(bucket, region=self._region(bucket), **options)
        except (BaseError, ValueError) as e:
            raise StoreError(
                "remote-unreachable", f"The bucket {bucket} can't be opened: {_plain(e)}"
            ) from None

    def _region(self, bucket: str) -> str:
        named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if named:
            return named
        if any(name.startswith("AWS_ENDPOINT") for name in os.environ):
            return "us-east-1"  # which those who build on S3 take for any
        self.requests += 1
        return region_of(bucket, self._settings)

    def listing(self) -> dict[str, Listed] | None:
        """Every file with its mark, None where the bucket may not be listed."""
        found: dict[str, Listed] = {}
        try:
            pages = iter(self._store.list(chunk_size=_PAGE))
            while True:
                self._count()
                page = next(pages, None)
                if page is None:
                    return found
                for item in page:
                    found[item["path"]] = Listed(item["size"], _mark(item))
                if len(page) < _PAGE:
                    return found
        except TimeLimit:
            raise
        except FileNotFoundError:
            return {}
        except Exception as e:  # obstore's errors have no common base with Python's own
            fault = _fault(e)
            if isinstance(fault, PermissionError):
                return None
            raise fault from None

    def get(self, path: str, take: Take) -> tuple[bytes, str]:
        """A whole file, and its mark. Raises FileNotFoundError, PermissionError, RemoteFault, and
        what `take` raises."""
        body, _, mark = self._get(path, None, take)
        return body, mark

    def tail(self, path: str, length: int, take: Take) -> tuple[bytes, int, str]:
        """The last `length` bytes of a file, its size and its mark."""
        return self._get(path, {"suffix": length}, take)

    def range(self, path: str, start: int, length: int, take: Take) -> tuple[bytes, str]:
        """`length` bytes from `start`, fewer where the file ends, and the mark of their file."""
        body, _, mark = self._get(path, (start, start + length), take)
        return body, mark

    def mark(self, path: str) -> str:
        """What changes with the file."""
        self._count()
        try:
            head = self._store.head(path)
        except FileNotFoundError:
            return "gone"
        except Exception as e:
            raise _fault(e) from None
        return _mark(head)

    def close(self) -> None:
        """Nothing is held open."""

    def _get(self, path: str, part: Any, take: Take) -> tuple[bytes, int, str]:
        self._count()
        try:
            result = self._store.get(path, options={"range": part} if part else None)
            meta, (start, end) = result.meta, result.range
            take(end - start)
            body = bytes(result.bytes())
            if part is None and result.attributes.get("Content-Encoding") == "gzip":
                body = _unpacked(body)
                take(len(body))
        except (FileNotFoundError, PortalError):
            raise
        except Exception as e:
            raise _fault(e) from None
        return body, meta["size"], _mark(meta)

    def _count(self) -> None:
        if time.monotonic() > self._ends:
            raise TimeLimit(self._settings.total_time)
        with self._lock:
            self.requests += 1


def _mark(meta: Any) -> str:
    """The entity tag, which lists and answers quote differently, else the time of writing."""
    return (meta["e_tag"] or str(meta["last_modified"])).removeprefix("W/").strip('"')


def _unpacked(body: bytes) -> bytes:
    """What was packed by whom put it there, and is meant to be seen unpacked."""
    return zlib.decompressobj(wbits=31).decompress(body, _MAX_UNPACKED)


def region_of(bucket: str, settings: Remote, at: str = "https://s3.amazonaws.com") -> str:
    """The region of a bucket, which S3 tells also those who may not read it."""
    web = Web(settings)
    try:
        answer = web.ask("HEAD", f"{at}/{bucket}")
    finally:
        web.close()
    if answer.status == 404:
        raise StoreError("remote-absent", f"There is no bucket {bucket}")
    return answer.headers.get("x-amz-bucket-region") or "us-east-1"


_STATUS = re.compile(r"status code: (\d\d\d)")
_CAUSES = (
    ("remote-absent", re.compile(r"NoSuchBucket|ContainerNotFound|does not exist")),
    ("remote-busy", re.compile(r"SlowDown|TooManyRequests|status code: 429")),
    ("remote-fault", re.compile(r"status code: \d")),
    ("remote-slow", re.compile(r"timed out|TimedOut")),
    ("remote-unreachable", re.compile(r"error sending request|dns error|onnect")),
)
"""What words of an error stand for which cause, the first that fits; else an answer broke off."""


def _fault(e: Exception) -> OSError:
    """In our words, and by cause, why a request came to nothing."""
    text = str(e)
    status = _STATUS.search(text)
    if status and status[1] in ("401", "403"):
        return PermissionError(f"the bucket refuses it ({status[1]})")
    for code, words in _CAUSES:
        if words.search(text):
            return RemoteFault(code, f"The bucket can't be read: {_plain(e)}")
    return RemoteFault("remote-cut", f"The bucket can't be read: {_plain(e)}")


def _plain(e: Exception) -> str:
    """What obstore says at the end of its first line; the rest are addresses and its affairs."""
    line = str(e).strip().partition("\n")[0].strip()
    return printable(line.rpartition(" - ")[2].partition(": <")[0], 200).rstrip(". ")
