"""Every address inside the site must lead somewhere: checked before the site is published."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal.errors import Problem

__all__ = ["Links", "addresses_in"]


class Links:
    """Where the pages of a site lead. Pages tell their addresses when they are written, so that
    none has to be read again."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        """Each target, from the site's root, with the first page that leads to it."""
        self._told: set[str] = set()
        self._known: dict[tuple[int, str], str | None] = {}

    def add(self, page: str, addresses: Iterable[str]) -> None:
        """Tell the addresses of one page; `page` is its file, from the site's root."""
        self._told.add(page)
        folder = page.rpartition("/")[0]
        depth = page.count("/")
        for address in addresses:
            target = self._target(folder, depth, address)
            if target is not None:
                first = self._first.get(target)
                if first is None or page < first:
                    self._first[target] = page

    def read(self, site: Path) -> None:
        """Read the pages in a folder that told nothing."""
        for page in _pages(site):
            name = page.relative_to(site).as_posix()
            if name not in self._told:
                self.add(name, addresses_in(page.read_text(encoding="utf-8", errors="replace")))

    def broken(self, files: Collection[str]) -> list[Problem]:
        """Targets that are none of the site's files, each once, with the first page found."""
        return [
            Problem(
                code="link-broken",
                severity="error",
                where=page,
                what=f"Leads to {target}, which the site does not have.",
                remedy="Correct the link where it was written.",
            )
            for target, page in sorted(self._first.items())
            if target not in files
            and os.path.join(target if target != "." else "", "index.html") not in files
        ]

    def _target(self, folder: str, depth: int, address: str) -> str | None:
        """The file that an address means, from the site's root; None where it leads off the site
        or into the same page."""
        # What climbs to the root means the same on every page of one depth.
        climbs = depth > 0 and address.startswith("../" * depth)
        if not climbs:
            return _resolved(folder, address)
        key = depth, address
        if key not in self._known:
            self._known[key] = _resolved(folder, address)
        return self._known[key]


def _resolved(folder: str, address: str) -> str | None:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    base = "" if parts.path.startswith("/") else folder
    return os.path.normpath(os.path.join(base, unquote(parts.path).lstrip("/")))


def _pages(site: Path) -> Iterator[Path]:
    todo = [site]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for e in entries:
                path = Path(e.path)
                if e.is_dir(follow_symlinks=False):
                    if path != site / "data":  # stores hold no pages of ours
                        todo.append(path)
                elif path.suffix == ".html" and path != site / "404.html":
                    yield path


# Our own pages: attributes in double quotes, text escaped, so a pattern is enough, and 20 times
# faster than a parser.
_ATTRIBUTE = re.compile(r'\s(href|src|srcset|data-view|data-viewer)="([^"]*)"')


def addresses_in(html: str) -> set[str]:
    """Every address that a page of ours names."""
    found = set()
    for name, value in _ATTRIBUTE.findall(html):
        if name == "srcset":
            found.update(part.split()[0] for part in value.split(",") if part.strip())
        elif value:
            found.add(value)
    return {unescape(f) for f in found}
