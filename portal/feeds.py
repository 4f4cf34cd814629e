"""sitemap.xml, feed.xml and robots.txt: what machines read of a site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from portal.config import SiteConfig
from portal.prose import summary
from portal.record import Record
from portal.words import plain

__all__ = ["write_feed", "write_robots", "write_sitemap"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PER_SITEMAP = 40_000
_IN_FEED = 50


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
    """The newest artifacts as Atom, which needs absolute addresses."""
    base = config.base_url
    if not base:
        return []
    entries = "".join(_entry(r, base) for r in newest[:_IN_FEED])
    updated = _moment(newest[0].published if newest else None)
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


def _entry(record: Record, base: str) -> str:
    page = f"{base}datasets/{record.id}/"
    about = summary(record.description, 400)
    return (
        f"<entry><id>{escape(page)}</id><title>{_text(record.title)}</title>"
        f"<updated>{_moment(record.published)}</updated><link href={quoteattr(page)}/>"
        f"{f'<summary>{_text(about)}</summary>' if about else ''}</entry>\n"
    )


def _moment(day: str | None) -> str:
    """A date of a manifest (year, month or day) as the moment that Atom asks for."""
    year, month, date = [*(day or "1970").split("-"), "01", "01"][:3]
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
