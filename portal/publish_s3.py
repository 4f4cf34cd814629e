"""Publishing to S3, and to what speaks like it.

The target is listed once; only what differs from the site is sent, stage by stage (see
`publish_plan`), so publishing again after an interruption goes on from there. Address and
credentials of the server come from the environment and from nowhere else.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from portal.errors import BuildError, PortalError, UsageError
from portal.publish_plan import Plan, Progress, is_hashed, make_plan, stages
from portal.serve import content_type

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta
    from obstore.store import S3Store

__all__ = ["publish_s3"]

WORKERS = 16
"""Requests at a time."""
RETRIES = 8
BACKOFF = timedelta(milliseconds=250)
"""Before the first retry; each further wait is longer, up to 15 seconds."""
TIMEOUT = timedelta(minutes=2)
"""For one request; no retry begins later than two and a half times this."""
PART_BYTES = 16_000_000
"""Larger files are sent in parts of this size."""

_DIGEST = "portal-md5"
_md5 = partial(hashlib.md5, usedforsecurity=False)
"""What S3 itself calls a file's content by; it guards against nobody."""
_FOR_EVER, _ASK = "public, max-age=31536000, immutable", "no-cache"
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def publish_s3(
    site: Path,
    files: Mapping[str, int],
    target: str,
    *,
    delete: bool,
    dry_run: bool,
    say: Progress,
) -> Plan:
    """Make `target`, an s3:// address, hold the site; returns what was done.

    Raises UsageError where address or environment are wrong, BuildError where the server refuses
    or can't be reached.
    """
    store = _open(target)
    there: dict[str, ObjectMeta] = {}

    def list_all(_: str) -> None:
        there.update((o["path"], o) for some in store.list(chunk_size=1000) for o in some)

    with _told(target):
        say("Listing the target", 0, 1)
        _each(list_all, [target], lambda n: say("Listing the target", n, 1))
        same = _same(store, site, files, there, say)
        plan = make_plan(files, {name: o["size"] for name, o in there.items()}, same, delete)
        _check_ours(target, plan)
        if not dry_run:
            _send(store, site, plan, say)
    return plan


def _open(target: str) -> S3Store:
    try:
        from obstore.store import S3Store
    except ImportError:
        raise UsageError(
            "Publishing to S3 needs one more library: pip install 'spatialdata-portal[remote]'"
        ) from None
    parts = urlsplit(target)
    if "@" in parts.netloc:
        raise UsageError("Credentials in the target would be seen; give them by the environment.")
    if not parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"{target} is no address of a bucket; write s3://bucket/prefix.")
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on")
    if _endpoint().startswith("http://") and not allowed:
        raise UsageError(
            "The server in AWS_ENDPOINT_URL is spoken to without encryption: use https://, or "
            "allow it with AWS_ALLOW_HTTP=true."
        )
    if not any(os.environ.get(name) for name in _CREDENTIALS):
        raise UsageError(
            "There are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and "
            "AWS_SESSION_TOKEN where they are temporary."
        )
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={"allow_http": allowed, "connect_timeout": "10s", "timeout": TIMEOUT},
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": TIMEOUT * 2.5,
            "backoff": {"init_backoff": BACKOFF, "max_backoff": timedelta(seconds=15), "base": 3},
        },
    )


def _endpoint() -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((os.environ[n] for n in names if os.environ.get(n)), "")


def _check_ours(target: str, plan: Plan) -> None:
    """Refuse what is no site: it may be somebody's work. Half of our own first site is fine."""
    if "build.json" not in plan.added or not (plan.changed or plan.unchanged or plan.removed):
        return
    if plan.removed:
        raise UsageError(
            f"{target} is not empty and holds no whole site (it has no build.json), so nothing is "
            "deleted there. Publish without --delete first, or choose another prefix."
        )
    if "index.html" in plan.changed:
        raise UsageError(
            f"{target} has an index.html of something else (there is no build.json beside it). "
            "Remove it, or choose another prefix."
        )


@dataclass(frozen=True)
class _Upload:
    """A file as it will lie in the bucket."""

    body: bytes | Path
    size: int
    md5: str
    attributes: Attributes


def _prepare(site: Path, name: str) -> _Upload:
    path = site / name
    kind = content_type(path.name)
    attributes: Attributes = {
        "Content-Type": kind,
        "Cache-Control": _FOR_EVER if is_hashed(name) else _ASK,
    }
    try:
        size = path.stat().st_size
        if size > PART_BYTES and not _is_for_browsers(name, kind):
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, _md5).hexdigest()
            return _Upload(path, size, md5, {**attributes, _DIGEST: md5})
        body = path.read_bytes()
    except OSError as e:
        raise BuildError(
            f"{path} can't be read: {e.strerror or e}. Publish again when nothing works on the site."
        ) from e
    if _is_for_browsers(name, kind):
        packed = gzip.compress(body, mtime=0)
        if len(packed) <= 0.9 * len(body):
            body = packed
            attributes["Content-Encoding"] = "gzip"
    md5 = _md5(body).hexdigest()
    return _Upload(body, len(body), md5, {**attributes, _DIGEST: md5})


def _is_for_browsers(name: str, kind: str) -> bool:
    """Whether it is text that browsers unpack; other programs take bytes as they are."""
    top = name.partition("/")[0]
    if top in ("catalog", "data"):
        return False
    if "json" in kind:
        return top == "search" or name.endswith("/vitessce.json")
    return "charset" in kind


def _same(
    store: S3Store,
    site: Path,
    files: Mapping[str, int],
    there: Mapping[str, ObjectMeta],
    say: Progress,
) -> set[str]:
    """The files that lie there with the same content."""
    import obstore

    shared = [n for n in files if n in there]
    same: set[str] = set()
    unclear: dict[str, str] = {}

    def tag(name: str) -> str:
        return (there[name]["e_tag"] or "").strip('"')

    def compare(name: str) -> None:
        upload = _prepare(site, name)
        if tag(name) == upload.md5:
            same.add(name)
        elif upload.size == there[name]["size"]:
            unclear[name] = upload.md5

    def ask(name: str) -> None:
        found = obstore.get(store, name, options={"head": True})
        if found.attributes.get(_DIGEST) == unclear[name]:
            same.add(name)

    _each(compare, shared, lambda n: say("Comparing", n, len(shared)))
    # The tag is the MD5, but for what was sent in parts; where the server encrypts, for nothing.
    asked = [n for n in unclear if "-" in tag(n) or not same]
    _each(ask, asked, lambda n: say("Asking for digests", n, len(asked)))
    return same


def _send(store: S3Store, site: Path, plan: Plan, say: Progress) -> None:
    import obstore

    def send(name: str) -> None:
        upload = _prepare(site, name)
        obstore.put(
            store,
            name,
            upload.body,
            attributes=upload.attributes,
            use_multipart=upload.size > PART_BYTES,
            chunk_size=PART_BYTES,
            max_concurrency=2,
        )

    before = 0
    for stage in stages(plan.sent):
        _each(send, stage, lambda n, k=before: say("Sending files", k + n, len(plan.sent)))
        before += len(stage)
    before = 0
    for stage in reversed(stages(plan.removed)):  # no page outlives its parts
        say("Removing files", before, len(plan.removed))
        obstore.delete(store, stage)
        before += len(stage)
        say("Removing files", before, len(plan.removed))


def _each(work: Callable[[str], None], names: Sequence[str], tell: Callable[[int], None]) -> None:
    """Do the work for every name, a bounded number at a time, in threads.

    Threads, since the event loop of the library may abort the process when that ends. At a fault
    the others finish what they have begun; who interrupts waits for nobody.
    """
    left: SimpleQueue[str] = SimpleQueue()
    for name in names:
        left.put(name)
    done: SimpleQueue[BaseException | None] = SimpleQueue()
    stop = threading.Event()

    def worker() -> None:
        while not stop.is_set():
            try:
                work(left.get_nowait())
            except Empty:
                return
            except BaseException as e:  # a panic of the library is no Exception
                stop.set()
                done.put(e)
            else:
                done.put(None)

    workers = [threading.Thread(target=worker, daemon=True) for _ in range(WORKERS)]
    fault = None
    try:
        for thread in workers:
            thread.start()
        for n in range(len(names)):
            if fault := done.get():
                break
            tell(n + 1)
    finally:
        stop.set()
    for thread in workers:
        thread.join()
    if fault:
        raise fault


_REASONS = {
    "AuthorizationHeaderMalformed": "The bucket is in another region: set AWS_REGION.",
    "ExpiredToken": "The credentials have expired: get new ones.",
    "InvalidAccessKeyId": "It does not know the key in AWS_ACCESS_KEY_ID.",
    "NoSuchBucket": "There is no such bucket: make it, or correct the target.",
    "PermanentRedirect": "The bucket is in another region: set AWS_REGION.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong.",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID.",
}


@contextmanager
def _told(target: str) -> Iterator[None]:
    """Faults of the server in our words: its own answer may show what is secret."""
    from obstore.exceptions import BaseError

    try:
        yield
    except PortalError:
        raise
    except (BaseError, OSError, ValueError) as e:
        raise _fault(target, e) from None


def _fault(target: str, e: Exception) -> BuildError:
    text = str(e)
    found = re.search(r"status code: (\d{3})", text)
    status = int(found[1]) if found else 0
    code = m[1] if (m := re.search(r"<Code>(\w+)</Code>", text)) else ""
    server = urlsplit(_endpoint()).hostname or "the server"
    answer = " ".join(str(x) for x in (status or "", code) if x)
    if code in _REASONS:
        what, remedy = f"{server} answers {answer}.", _REASONS[code]
    elif status in (401, 403):
        what = f"{server} refuses it: {answer}."
        remedy = "The credentials must allow to list, read, write and delete there."
    elif status in (301, 307, 308):
        what, remedy = f"{server} answers {answer}.", _REASONS["PermanentRedirect"]
    elif status == 429 or status >= 500:
        what = f"{server} kept answering {answer}."
        remedy = "What was sent stays: publish again later, and it goes on from there."
    elif status:
        what, remedy = f"{server} answers {answer}.", "Look into its log."
    else:
        what = f"{server} can't be reached, or breaks the connection."
        remedy = "Look at AWS_ENDPOINT_URL and the network, and publish again."
    return BuildError(f"Publishing to {target} stopped: {what} {remedy}")
