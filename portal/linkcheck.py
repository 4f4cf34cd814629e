"""Every address inside the site must lead somewhere: checked before the site is published."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal.errors import Problem

__all__ = ["broken_links"]


def broken_links(site: Path) -> list[Problem]:
    """Addresses in pages that name no file of the site, each once, with the first page found."""
    known: dict[str, bool] = {}
    first: dict[str, str] = {}
    for page in sorted(_pages(site)):
        folder = page.parent
        for address in _addresses(page.read_text(encoding="utf-8", errors="replace")):
            target = _target(site, folder, address)
            if target is None:
                continue
            if target not in known:
                known[target] = os.path.isfile(target) or os.path.isfile(
                    os.path.join(target, "index.html")
                )
            if not known[target]:
                first.setdefault(os.path.relpath(target, site), str(page.relative_to(site)))
    return [
        Problem(
            code="link-broken",
            severity="error",
            where=page,
            what=f"Leads to {target}, which the site does not have.",
            remedy="Correct the link where it was written.",
        )
        for target, page in sorted(first.items())
    ]


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


def _addresses(html: str) -> set[str]:
    found = set()
    for name, value in _ATTRIBUTE.findall(html):
        if name == "srcset":
            found.update(part.split()[0] for part in value.split(",") if part.strip())
        elif value:
            found.add(value)
    return {unescape(f) for f in found}


def _target(site: Path, folder: Path, address: str) -> str | None:
    """The file that an address means, None where it leads off the site or into the same page."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    base = site if parts.path.startswith("/") else folder
    return os.path.normpath(os.path.join(base, unquote(parts.path).lstrip("/")))
