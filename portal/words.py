"""Figures and names as people read them."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

__all__ = [
    "compact",
    "count",
    "initial_capital",
    "number",
    "plain",
    "sentence",
    "size",
    "slugify",
    "web_address",
]

# Control characters, and marks that turn the direction of what follows, also outside the text
# that they came in. Tab and newline may stay.
_UNSEEN = dict.fromkeys(
    [
        *(c for c in range(0x20) if c not in (0x09, 0x0A)),
        *range(0x7F, 0xA0),
        *(0x200E, 0x200F),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ]
)
_IRREGULAR = {"nucleus": "nuclei", "index": "indices"}


def number(n: int) -> str:
    """With separators for thousands."""
    return f"{n:,}"


def compact(n: int) -> str:
    """Three figures at most: 13.7 M."""
    for unit, name in ((10**9, "bn"), (10**6, "M"), (10**3, "k")):
        if n >= unit * (10 if unit == 10**3 else 1):
            value = n / unit
            return f"{value:.0f} {name}" if value >= 100 else f"{value:.1f} {name}"
    return number(n)


def count(n: int, noun: str) -> str:
    """`1 artifact`, `2 artifacts`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {_IRREGULAR.get(noun, noun + 's')}"


def size(n: int | None) -> str:
    """Bytes in powers of ten, as `portal.config.parse_size` reads them."""
    if n is None:
        return "size unknown"
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n >= unit - unit // 2000:  # else it would be rounded to 1000 of the unit below
            value = n / unit
            return f"{value:.0f} {name}" if value >= 100 else f"{value:.1f} {name}"
    return f"{n} B"


def plain(text: str) -> str:
    """Text without control characters and marks that turn the direction of writing."""
    return text if text.isprintable() else text.translate(_UNSEEN)


def initial_capital(name: str) -> str:
    """`development_stage` as a label: `Development stage`."""
    return sentence(name.replace("_", " ").strip())


def sentence(text: str) -> str:
    """With a capital at the start."""
    return text[:1].upper() + text[1:]


def slugify(text: str) -> str:
    """Lower-case ASCII words joined by hyphens, at most 80 characters, cut at a word; empty
    where no such letter or digit is left."""
    ascii_ = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_).strip("-")
    return slug if len(slug) <= 80 else slug[:80].rsplit("-", 1)[0]


def web_address(text: str | None) -> str | None:
    """The address if a browser may be led there, else None."""
    if not text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.netloc else None
