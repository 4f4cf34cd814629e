"""Markdown of curators → HTML that can do no harm.

Raw HTML in it is shown as text; what Markdown made is cleaned once more against a short list of
elements, so that a fault in one of the two is not enough.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from portal.words import plain

__all__ = ["summary", "to_html"]

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
_TAGS = {
    *("p", "br", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
_HEADING = re.compile(r"<(/?)h([1-6])>")
_TAG = re.compile(r"<[^>]*>")


@lru_cache(maxsize=4096)
def to_html(text: str) -> Markup:
    """A description as HTML. Headings start at the third level: the page has the first two."""
    if not text.strip():
        return Markup("")
    rendered = _MARKDOWN.render(plain(text))
    rendered = _HEADING.sub(lambda m: f"<{m[1]}h{min(int(m[2]) + 2, 6)}>", rendered)
    return Markup(
        nh3.clean(
            rendered,
            tags=_TAGS,
            attributes={"a": {"href"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener nofollow",
        )
    )


def summary(text: str, limit: int = 200) -> str:
    """The beginning of a description as plain text, cut at a word."""
    if not text:
        return ""
    words = " ".join(html.unescape(_TAG.sub(" ", to_html(text[:2000]))).split())
    if len(words) <= limit:
        return words
    return words[:limit].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
