"""The pages of prose as plain text, so that the search finds what the documentation says."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from portal.search_container import save

__all__ = ["write_prose"]

_OURS = {
    *("assets", "browse", "by", "catalog", "collections"),
    *("data", "datasets", "search", "shell", "404.html", "index.html"),
}
_SILENT = {"script", "style", "svg", "template", "nav"}
_INLINE = {
    *("a", "abbr", "b", "code", "del", "em", "i", "kbd"),
    *("mark", "s", "small", "span", "strong", "sub", "sup", "u"),
}
_LONGEST = 20_000
"""Letters of one page that are kept."""


def write_prose(site: Path, out: Path) -> str | None:
    """Write the pages of prose in `site` as JSON into `out`. Returns the name; None without any."""
    pages = []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if name.partition("/")[0] in _OURS:
            continue
        page = _Page()
        page.feed(path.read_text("utf-8", errors="replace"))
        page.close()
        text = _tidy(page.text)
        if text:
            address = name.removesuffix("index.html")
            pages.append(
                {"title": _tidy(page.title) or address, "address": address, "text": text[:_LONGEST]}
            )
    if not pages:
        return None
    data = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
    return save(out, "prose", data.encode(), "json")


def _tidy(parts: list[str]) -> str:
    return " ".join("".join(parts).split())


class _Page(HTMLParser):
    """The heading of a page and the text of its article, without links to its own headings."""

    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.text: list[str] = []
        self._inside = 0
        self._silent: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self._inside += 1
        elif tag in _SILENT or (tag == "a" and "headerlink" in (dict(attrs).get("class") or "")):
            self._silent.append(tag)
        elif tag == "h1":
            self._in_title = True
        if tag not in _INLINE:
            self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._inside = max(self._inside - 1, 0)
        elif self._silent and self._silent[-1] == tag:
            self._silent.pop()
        elif tag == "h1":
            self._in_title = False
        if tag not in _INLINE:
            self.text.append(" ")

    def handle_data(self, data: str) -> None:
        if self._inside and not self._silent:
            (self.title if self._in_title else self.text).append(data)
