"""From templates to files: what every page of a build shares."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from portal import jsonld, words
from portal.artifactpage import ValueWriter
from portal.cards import Card, card_of
from portal.config import SiteConfig
from portal.entry import Collection
from portal.facets import Facets, facets_of
from portal.feeds import in_feed
from portal.linkcheck import Links, addresses_in
from portal.notes import Notes, code_version, digest
from portal.ontology import load_ontology
from portal.record import Record
from portal.resources import templates_dir
from portal.schema import Schema
from portal.shell import Shell
from portal.tree import Tree

__all__ = ["PageWriter", "make_environment"]

_ROOT = "\0"
"""Stands in a rendered card for what leads to the site's root; no text of a manifest has it."""
_ICON = re.compile(r'href="#i-([a-z-]+)"')
_SYMBOL = re.compile(r'<symbol id="i-([a-z-]+)".*?</symbol>', re.DOTALL)


def make_environment(config: SiteConfig) -> Environment:
    """Jinja2 with the site's own templates before ours. Escaping is on, always."""
    folders = [templates_dir()]
    if config.templates:
        folders.insert(0, config.root / config.templates)
    env = Environment(
        loader=ChoiceLoader([FileSystemLoader(f) for f in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    icons: dict[str, Markup] = {}

    def icon(name: str) -> Markup:
        if name not in icons:
            icons[name] = Markup(
                '<svg class="p-i" aria-hidden="true"><use href="#i-{}"/></svg>'
            ).format(name)
        return icons[name]

    env.globals.update(
        icon=icon, count=words.count, number=words.number, compact=words.compact, size=words.size
    )
    env.filters.update(plain=words.plain, sentence=words.sentence)
    return env


@dataclass
class PageWriter:
    """What all pages of one build share."""

    records: Sequence[Record]
    collections: Mapping[str, Collection]
    config: SiteConfig
    out: Path
    shell: Shell
    schema: Schema
    assets: Mapping[str, str]

    notes: Notes | None = None
    """Pages of former builds; None where each is made anew."""
    tree: Tree | None = None
    """Where pages go, with those of a former build; without it they go into `out`."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """A hash of each record, by id."""
    looks: dict[str, str] = field(init=False)
    """A hash of each card, by id."""
    links: Links = field(default_factory=Links)
    explained: dict[str, str] = field(default_factory=dict)
    """Pages that were made again, by address, and why."""
    written: list[Path] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    """Of the pages that search engines may list."""

    def __post_init__(self) -> None:
        self.env = make_environment(self.config)
        self.templates: dict[str, Callable[..., str]] = {}
        self.by_id = {r.id: r for r in self.records}
        shown = [r for r in self.records if r.status in ("public", "announced")]
        self.listed = sorted(shown, key=lambda r: (r.published or "", r.id), reverse=True)
        self.has_feed = bool(self.config.base_url and in_feed(self.listed))
        self.cards: dict[str, Card] = {r.id: card_of(r) for r in self.records}
        self.looks = {id_: digest(repr(card)) for id_, card in self.cards.items()}
        self.facets: Facets = facets_of(
            self.listed, self.config, self.schema, self.collections, load_ontology()
        )
        self.members: dict[str, list[Record]] = {slug: [] for slug in self.collections}
        for record in self.listed:
            for slug in record.collections:
                self.members.setdefault(slug, []).append(record)
        self.writer = ValueWriter(self.facets, self.render, "../../", self.schema)
        self.fragments: dict[tuple[str, str], str] = {}
        symbols = self.env.get_template("icons.svg").render()
        self.symbols = {m[1]: m[0] for m in _SYMBOL.finditer(symbols)}
        self.sprites: dict[frozenset[str], str] = {}
        self._keys: dict[str, str] = {}
        self._untold: dict[str, str] = {}
        self.folders: set[str] = set()
        self.same_for_all = self._same_for_all() if self.notes else ""

    def _same_for_all(self) -> str:
        """A hash of what every page is made with: code, templates, config, schema, shell."""
        shell = self.shell
        own = self.config.root / self.config.templates if self.config.templates else None
        files = sorted(p for p in own.rglob("*") if p.is_file()) if own else []
        return digest(
            code_version(),
            self.config.model_dump_json(),
            self.schema.model_dump_json(),
            repr(sorted(shell.pages.items())),
            repr(sorted(self.assets.items())),
            repr((self.has_feed, shell.site_name, shell.base_url, shell.search, shell.origins)),
            *(part for p in files for part in (str(p.relative_to(own or p)), p.read_bytes())),
        )

    def reuse(
        self, address: str, listed: bool, parts: Mapping[str, str], *, tell: bool = True
    ) -> bool:
        """Take a page from a former build, where it was made from the same `parts`.

        Else `parts` are kept for the next page that is written at `address`, and what differs
        from the former build is the reason why it is made again, which is told with `tell`.
        """
        if self.notes is None:
            return False
        whole = {"everything": self.same_for_all, **parts}
        key = digest("page", address, repr(sorted(whole.items())))
        name = f"{address}index.html"
        if self.tree and self.tree.keep(name, key):
            self._untold[name] = key
            self.written.append(self.out / name)
        elif (kept := self.notes.get(key)) is not None:
            hrefs, html = _unpacked(kept)
            self.save(name, html, hrefs, key)
        else:
            self._keys[address] = key
            if tell:
                self.explained[address] = self._why(address, whole)
            return False
        if listed:
            self.addresses.append(address)
        return True

    def tell_all(self) -> None:
        """Tell the addresses of pages that were kept as they are. Not needed where every one is
        known to lead somewhere still."""
        for name, key in self._untold.items():
            kept = self.notes.get(key) if self.notes else None
            if kept is not None:
                self.links.add(name, _unpacked(kept)[0])
            elif self.tree:
                text = (self.tree.root / name).read_text("utf-8", errors="replace")
                self.links.add(name, addresses_in(text))

    def _why(self, address: str, parts: Mapping[str, str]) -> str:
        """Which parts are others than when the page at `address` was last made."""
        assert self.notes is not None
        place = digest("why", address)
        before = self.notes.get(place)
        self.notes.put(place, json.dumps(parts).encode())
        if before is None:
            return "new"
        old = json.loads(before)
        changed = [name for name, value in parts.items() if old.get(name) != value]
        return f"changed: {', '.join(changed)}" if changed else "not in the cache"

    def render(self, template: str, **context: Any) -> Markup:
        """A template of ours: what comes out is escaped already."""
        draw = self.templates.get(template)
        if draw is None:
            draw = self.templates[template] = self.env.get_template(template).render
        return Markup(draw(site=self.config, **context))

    def fragment(self, template: str, record: Record, root: str) -> str:
        """A card or a row for pages at one depth; rendered once."""
        key = template, record.id
        html = self.fragments.get(key)
        if html is None:
            html = self.fragments[key] = self.render(
                template, card=self.cards[record.id], root=_ROOT
            )
        return html.replace(_ROOT, root)

    def join(self, template: str, records: Iterable[Record], depth: int) -> Markup:
        """Cards or rows of many records."""
        root = self.shell.root(depth)
        return Markup("".join([self.fragment(template, r, root) for r in records]))

    def write(
        self,
        address: str,
        title: str,
        content: str,
        *,
        tab: str = "browse",
        description: str = "",
        picture: str = "",
        data: Mapping[str, Any] | None = None,
        viewer: bool = False,
        listed: bool = True,
        canonical: str | None = None,
        refresh: str = "",
        json_record: bool = False,
    ) -> None:
        """Put content into the shell and write the page at `address`, `` for home."""
        depth = -1 if address == "404.html" else address.count("/")
        at = address if canonical is None else canonical
        head = self.render(
            "head.html",
            title=title,
            description=description,
            picture=picture,
            address=at,
            listed=listed,
            refresh=refresh,
            json_record=json_record,
            has_feed=self.has_feed,
            ld=jsonld.script(data, htmlsafe_json_dumps) if data else "",
        )
        html = self.shell.wrap(
            depth,
            title=title,
            head=head,
            content=f"{self.sprite(content)}{content}",
            tab=tab,
            viewer=viewer,
        )
        hrefs = sorted(addresses_in(html)) if depth >= 0 else []
        key = self._keys.pop(address, None)
        self.save(address if depth < 0 else f"{address}index.html", html, hrefs, key)
        if self.notes is not None and key:
            kept = f"{json.dumps(hrefs)}\n{html}"
            self.notes.put(key, kept.encode("utf-8", "surrogatepass"))
        if listed:
            self.addresses.append(address)

    def save(self, name: str, html: str, hrefs: Iterable[str], key: str | None = None) -> None:
        """Write one file, making its folder where this is the first in it; `hrefs` are its
        addresses, `key` says what it was made from."""
        self.links.add(name, hrefs)
        path = self.out / name
        self.written.append(path)
        content = html.encode("utf-8", "replace")
        if self.tree:
            key = key or digest("content", content)
            if not self.tree.keep(name, key):
                self.tree.write(name, content, key)
            return
        folder = name.rpartition("/")[0]
        if folder not in self.folders:
            os.makedirs(self.out / folder, exist_ok=True)
            self.folders.add(folder)
        path.write_bytes(content)

    def sprite(self, content: str) -> str:
        """The symbols that a page uses, and no others."""
        names = frozenset(_ICON.findall(content))
        sprite = self.sprites.get(names)
        if sprite is None:
            symbols = "".join(self.symbols[n] for n in sorted(names) if n in self.symbols)
            sprite = self.sprites[names] = (
                f'<svg class="p-sprite" aria-hidden="true" focusable="false">{symbols}</svg>'
            )
        return sprite


def _unpacked(kept: bytes) -> tuple[list[str], str]:
    """The addresses and the HTML of a page in the notes."""
    hrefs, _, html = kept.decode("utf-8", "surrogatepass").partition("\n")
    return json.loads(hrefs), html
