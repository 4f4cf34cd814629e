"""sitemap.xml, feed.xml and robots.txt: what machines read of a site."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from portal.config import SiteConfig
from portal.prose import summary
from portal.record import Record
from portal.words import plain

__all__ = ["in_feed", "write_feed", "write_robots", "write_sitemap"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PER_SITEMAP = 40_000
_IN_FEED = 50
_DAY = re.compile(r"\d{4}(-\d{2}){0,2}", re.ASCII)


def write_sitemap(addresses: Iterable[str], config: SiteConfig, out: Path) -> list[Path]:
    """All addresses; in several files with an index where one may not hold them."""
    if not config.base_url:
        return []
    every = sorted(set(addresses))
    parts = [every[i : i + _PER_SITEMAP] for i in range(0, len(every), _PER_SITEMAP)]
    if len(parts) == 1:
        return [_urlset(parts[0], config.base_url, out / "sitemap.xml")]
    written = [
        _urlset(part, config.base_url, out / f"sitemap-{i}.xml") for i, part in enumerate(parts, 1)
    ]
    entries = "".join(
        f"<sitemap><loc>{escape(config.base_url + p.name)}</loc></sitemap>\n" for p in written
    )
    index = out / "sitemap.xml"
    index.write_text(
        f'{_HEAD}<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{entries}</sitemapindex>\n",
        encoding="utf-8",
    )
    return [*written, index]


def _urlset(addresses: Sequence[str], base: str, path: Path) -> Path:
    urls = "".join(f"<url><loc>{escape(base + a)}</loc></url>\n" for a in addresses)
    path.write_text(
        f'{_HEAD}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n',
        encoding="utf-8",
    )
    return path


def write_feed(newest: Sequence[Record], config: SiteConfig, out: Path) -> list[Path]:
    """The newest artifacts as Atom, which needs absolute addresses and a date for each.

    An artifact whose date is not known is left out; where no date is, there is no feed.
    """
    base = config.base_url
    dated = in_feed(newest)
    if not base or not dated:
        return []
    entries = "".join(_entry(r, moment, base) for r, moment in dated)
    updated = max(moment for _, moment in dated)
    path = out / "feed.xml"
    path.write_text(
        f'{_HEAD}<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>{escape(base)}</id>\n<title>{_text(config.title)}</title>\n"
        f"<updated>{updated}</updated>\n"
        f"<author><name>{_text(config.title)}</name></author>\n"
        f'<link rel="self" href={quoteattr(base + "feed.xml")}/>\n<link href={quoteattr(base)}/>\n'
        f"{entries}</feed>\n",
        encoding="utf-8",
    )
    return [path]


def in_feed(newest: Sequence[Record]) -> list[tuple[Record, str]]:
    """The artifacts that a feed can hold, with the moment of each."""
    dated = ((r, _moment(r.published)) for r in newest)
    return [(r, moment) for r, moment in dated if moment][:_IN_FEED]


def _entry(record: Record, moment: str, base: str) -> str:
    page = f"{base}datasets/{record.id}/"
    about = summary(record.description, 400)
    return (
        f"<entry><id>{escape(page)}</id><title>{_text(record.title)}</title>"
        f"<updated>{moment}</updated><link href={quoteattr(page)}/>"
        f"{f'<summary>{_text(about)}</summary>' if about else ''}</entry>\n"
    )


def _moment(day: str | None) -> str:
    """A date of a manifest (year, month or day) as the moment that Atom asks for; else empty."""
    if not day or not _DAY.fullmatch(day):
        return ""
    year, month, date = [*day.split("-"), "01", "01"][:3]
    return f"{year}-{month}-{date}T00:00:00Z"


def _text(text: str) -> str:
    return escape("".join(c for c in plain(text) if c >= " " or c in "\t\n"))


def write_robots(config: SiteConfig, out: Path) -> list[Path]:
    """Everything may be read; stores are left out, since they are many small binary files."""
    folder = urlsplit(config.base_url).path or "/"
    lines = ["User-agent: *", f"Disallow: {folder}data/"]
    if config.base_url:
        lines += ["", f"Sitemap: {config.base_url}sitemap.xml"]
    path = out / "robots.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [path]
