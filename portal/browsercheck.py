"""What a browser meets at the addresses of entries: `check_addresses(config, entries)`.

A page of the portal may read a store of another site only as far as its server lets it: headers
for other sites (CORS) on what is there and on what is not, ranges, the question before a range,
types. Each cause is a problem of its own, with what the server has to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from portal.config import SiteConfig
from portal.entry import Entry
from portal.errors import Problem, Severity
from portal.rescan import STORES
from portal.scan_codes import REMEDIES
from portal.store import StoreError
from portal.webclient import Answer, Web

__all__ = ["check_addresses"]

_ROOT = ("zarr.json", ".zmetadata", "zmetadata")
_NOT_THERE = "portal-check-no-such-file"
_ANY_PORTAL = "https://portal.example"
"""Who asks, where the config does not say where the portal will be."""


def check_addresses(
    config: SiteConfig,
    entries: Iterable[Entry],
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Problem]:
    """Ask for every address of the public entries what a browser would ask for."""
    say = progress or (lambda what, done, total: None)
    places: dict[str, str] = {}
    for entry in entries:
        versions = len(entry.versions) - 1
        newest = entry.versions[-1].url if entry.versions else None
        for address, loc in (
            (entry.source if entry.is_remote else None, ("source",)),
            (entry.url, ("url",)),
            (newest, ("versions", versions, "url")),
        ):
            if address and entry.status == "public":
                places.setdefault(address, entry.where(*loc))
    problems: list[Problem] = []
    with ThreadPoolExecutor(STORES) as pool:
        jobs = [pool.submit(_Check(a, w, config).run) for a, w in places.items()]
        for number, job in enumerate(jobs):
            say("Asking servers", number, len(jobs))
            problems += job.result()
    say("Asking servers", len(jobs), len(jobs))
    return problems


class _Check:
    """One address."""

    def __init__(self, address: str, where: str, config: SiteConfig):
        self.address = address
        self.where = where
        self.config = config
        base = urlsplit(config.base_url)
        self.portal = f"{base.scheme}://{base.netloc}" if base.netloc else _ANY_PORTAL
        self.problems: list[Problem] = []

    def run(self) -> list[Problem]:
        address = self._for_browsers()
        if address is None:
            return self.problems
        web = Web(self.config.remote)
        try:
            self._look(web, address)
        except StoreError as e:
            remedy = REMEDIES.get(e.code, "")
            self._add(e.code, "error", f"A browser can't read it: {e}.", remedy)
        finally:
            web.close()
        return self.problems

    def _add(self, code: str, severity: Severity, what: str, remedy: str) -> None:
        problem = Problem(code=code, severity=severity, where=self.where, what=what, remedy=remedy)
        self.problems.append(problem)

    def _for_browsers(self) -> str | None:
        """The address as a browser asks for it, after `viewer.rewrite`."""
        address = self.address
        for old, new in self.config.viewer.rewrite.items():
            if address.startswith(old):
                address = new + address.removeprefix(old)
                break
        parts = urlsplit(address)
        if parts.scheme in ("http", "https"):
            return address
        known = {
            "s3": f"https://{parts.netloc}.s3.amazonaws.com/",
            "gs": f"https://storage.googleapis.com/{parts.netloc}/",
        }
        at = known.get(parts.scheme, "https://…")
        self._add(
            "browser-scheme",
            "info",
            f"Browsers can't read {parts.scheme}:// addresses.",
            f"Say under viewer.rewrite where it is for them: "
            f"'{parts.scheme}://{parts.netloc}/': '{at}'.",
        )
        return None

    def _look(self, web: Web, address: str) -> None:
        packed = urlsplit(address).path.lower().endswith(".zip")
        base = address if packed else address.rstrip("/") + "/"
        asker = {"Origin": self.portal}
        there = self._documents(web, base, asker, packed)
        if there is None:
            return
        at, answer = there
        if self.config.base_url.startswith("https:") and urlsplit(answer.address).scheme == "http":
            what = "The portal is read over https and the store over http, which browsers refuse."
            self._add("mixed-content", "warning", what, "Serve the store over https.")
        if answer.address != at:
            host = urlsplit(answer.address).netloc
            what = f"Every request is led on to {host}, which doubles their number."
            self._add("redirected", "info", what, "Write the address that it leads to.")
        shared = self._may_read(answer)
        if not shared:
            self._add(
                "cors-absent",
                "warning",
                f"The server lets no page of {self.portal} read it: it sends "
                f"{_allowed(answer) or 'no Access-Control-Allow-Origin'}.",
                "Let it send `Access-Control-Allow-Origin: *` with every answer.",
            )
        self._type(answer, packed)
        if not packed:
            self._absent(web, base, asker, shared)
            what = "The server lists no files, so their sizes and number stay unknown to a scan."
            self._add(
                "listing-refused", "info", what, "Give an s3, gs or az `source` if it has one."
            )
        self._range(web, at, asker)
        self._options(web, at, shared)
        head = web.ask("HEAD", at, asker)
        if head.status != 200 or head.length is None:
            what = f"The server answers HEAD with {head.status}{_no_length(head)}."
            remedy = "Let it answer HEAD as GET, with the length: readers of Parquet ask for it."
            self._add("head-refused", "warning", what, remedy)

    def _documents(
        self, web: Web, base: str, asker: dict[str, str], packed: bool
    ) -> tuple[str, Answer] | None:
        """A file that is there, with its answer; None, with a problem, where none is."""
        answers: dict[str, Answer] = {}
        for name in ("",) if packed else (*_ROOT, ".zgroup"):
            if name == ".zgroup" and any(_there(a) for a in answers.values()):
                break
            if any(a.status >= 429 for a in answers.values()):  # it says no to all of them
                break
            method = "HEAD" if packed else "GET"
            answers[name] = web.ask(method, base + name, asker, most=self.config.limits.scan_bytes)
        found = {name: a for name, a in answers.items() if _there(a)}
        if not found:
            first = next(iter(answers.values()))
            said = "with a web page" if first.is_webpage and first.status == 200 else first.status
            what = f"A browser finds no store there: the server answers {said}."
            self._add("remote-unreadable", "error", what, "Correct the address, or make it public.")
            return None
        if not packed and not any(_is_consolidated(name, a) for name, a in found.items()):
            what = "The store has no consolidated metadata, so readers ask for each node."
            remedy = "Run zarr.consolidate_metadata() on it."
            self._add("not-consolidated", "warning", what, remedy)
        name, answer = next(iter(found.items()))
        return base + name, answer

    def _may_read(self, answer: Answer) -> bool:
        return _allowed(answer) in ("*", self.portal)

    def _type(self, answer: Answer, packed: bool) -> None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith("text/"):
            wanted = "application/zip" if packed else "application/json"
            what = f"The server calls {'the zip' if packed else 'metadata'} {kind}."
            self._add("type-wrong", "info", what, f"Let it say {wanted}.")

    def _absent(self, web: Web, base: str, asker: dict[str, str], shared: bool) -> None:
        answer = web.ask("GET", base + _NOT_THERE, asker, most=1_000_000)
        if answer.status == 200:
            what = "For a file that is not there the server shows a web page with 200."
            remedy = "Let it answer 404: absent chunks are common and mean empty areas."
            self._add("webpage-for-absent", "warning", what, remedy)
        elif answer.status not in (404, 410):
            what = f"For a file that is not there the server answers {answer.status}."
            remedy = "Let it answer 404; a bucket does where listing is allowed."
            self._add("absent-not-told", "warning", what, remedy)
        if shared and not self._may_read(answer):
            what = f"Files may be read by other sites, but the answer {answer.status} for what is"
            what += " not there may not, so that a browser takes it for a broken network."
            remedy = "Let it send `Access-Control-Allow-Origin: *` with errors, too (`always`)."
            self._add("cors-on-404-absent", "warning", what, remedy)

    def _range(self, web: Web, at: str, asker: dict[str, str]) -> None:
        answer = web.ask("GET", at, {**asker, "Range": "bytes=1-8"}, most=100_000)
        if answer.status != 206 or len(answer.body) != 8:
            what = f"Asked for 8 bytes, the server answers {answer.status} and not 206."
            remedy = "Let it answer Range requests with 206."
            self._add("range-ignored", "warning", what, remedy)

    def _options(self, web: Web, at: str, shared: bool) -> None:
        headers = {
            "Origin": self.portal,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        }
        answer = web.ask("OPTIONS", at, headers, most=100_000)
        named = answer.headers.get("access-control-allow-headers", "").lower()
        words = {word.strip() for word in named.split(",")}
        fine = 200 <= answer.status < 300 and bool({"range", "*"} & words)
        if not fine or (shared and not self._may_read(answer)):
            what = f"Asked before a range (OPTIONS), the server answers {answer.status}"
            what += f" and allows {named or 'no headers'}."
            remedy = "Let it answer with 204 and `Access-Control-Allow-Headers: Range`."
            self._add("options-refused", "warning", what, remedy)


def _there(answer: Answer) -> bool:
    return answer.status == 200 and not answer.is_webpage


def _allowed(answer: Answer) -> str:
    return answer.headers.get("access-control-allow-origin", "")


def _no_length(answer: Answer) -> str:
    return "" if answer.length is not None else " and no length"


def _is_consolidated(name: str, answer: Answer) -> bool:
    if name == ".zgroup":
        return False
    try:
        value = json.loads(answer.body)
        holder = value.get("consolidated_metadata") if name == "zarr.json" else value
        return isinstance(holder, dict) and isinstance(holder.get("metadata"), dict)
    except (ValueError, AttributeError, RecursionError):
        return False
