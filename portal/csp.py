"""The Content-Security-Policy of a page, as a `<meta>` since a static host sets no headers.

A page asks nothing of any other origin. Inline scripts are Material's own few, allowed by their
hashes; a worker of the site's own may search. Only pages with the interactive view get what
Vitessce needs beyond that: WebAssembly (codecs), workers and images from blobs, and styles that
its components write.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

__all__ = ["InlineHashes", "inline_hashes", "policy"]

_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)
_DATA = re.compile(r"""type\s*=\s*["']?application/(ld\+)?json""", re.IGNORECASE)


@dataclass(frozen=True)
class InlineHashes:
    """CSP sources for what a page has inline."""

    scripts: tuple[str, ...]
    styles: tuple[str, ...]

    def among(self, others: InlineHashes) -> InlineHashes:
        """Those that `others` has too."""
        return InlineHashes(
            tuple(h for h in self.scripts if h in others.scripts),
            tuple(h for h in self.styles if h in others.styles),
        )


def inline_hashes(*pages: str) -> InlineHashes:
    """Hashes of the inline scripts that run and of the inline styles of pages."""
    html = "\n".join(pages)
    scripts = [
        text
        for attributes, text in _SCRIPT.findall(html)
        if not re.search(r"\bsrc\s*=", attributes) and not _DATA.search(attributes)
    ]
    return InlineHashes(tuple(_sources(scripts)), tuple(_sources(_STYLE.findall(html))))


def _sources(texts: Iterable[str]) -> list[str]:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return list(dict.fromkeys(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests))


def policy(hashes: InlineHashes, *, viewer: bool, origins: Iterable[str] = ()) -> str:
    """The `<meta>` element; `origins` are those that a viewer may read data from."""
    styles = ["'unsafe-inline'"] if viewer else list(hashes.styles)
    directives = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *(["'wasm-unsafe-eval'"] if viewer else []), *hashes.scripts],
        "style-src": ["'self'", *styles],
        "img-src": ["'self'", "data:", *(["blob:"] if viewer else [])],
        "connect-src": ["'self'", *(["blob:", "data:", *origins] if viewer else [])],
        "font-src": ["'self'", *(["data:"] if viewer else [])],
        "worker-src": ["'self'", *(["blob:"] if viewer else [])],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "object-src": ["'none'"],
    }
    content = "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())
    return f'<meta http-equiv="Content-Security-Policy" content="{escape(content, quote=True)}">'
