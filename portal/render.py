"""Records → pages. One verb: `render_site`.

A card and a row are rendered once for each record and then joined into every list they stand in,
so that the cost of a site grows with its records and not with its lists.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from portal import jsonld, words
from portal.artifactpage import ValueWriter, page_context
from portal.cards import UNKNOWN, Card, card_of
from portal.config import SiteConfig
from portal.facetpages import FacetColumn, Facets, FacetValue, facets_of
from portal.feeds import write_feed, write_robots, write_sitemap
from portal.manifest import Collection, Schema
from portal.prose import summary, to_html
from portal.record import Record
from portal.resources import assets_dir, templates_dir
from portal.shell import Shell

__all__ = ["PAGE_SIZE", "render_site"]

PAGE_SIZE = 48
_RELATED = 4
_ROOT = "\0"
"""Stands in a rendered card for what leads to the site's root; no text of a manifest has it."""
_ICON = re.compile(r'href="#i-([a-z-]+)"')
_SYMBOL = re.compile(r'<symbol id="i-([a-z-]+)".*?</symbol>', re.DOTALL)


def render_site(
    records: Sequence[Record],
    collections: Mapping[str, Collection],
    config: SiteConfig,
    out: Path,
    shell: Shell,
    *,
    schema: Schema | None = None,
    assets: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write every catalogue page, the feeds and the front end's assets into `out`.

    Returns the HTML pages written. `schema` gives fields their labels and groups; `assets` is
    the manifest of the front end, its own by default.
    """
    if assets is None:
        from portal.resources import asset_manifest

        assets = asset_manifest()
        shutil.copytree(assets_dir(), out / "assets", dirs_exist_ok=True)
        (out / "assets" / "manifest.json").unlink(missing_ok=True)
    site = _Site(records, collections, config, out, shell, schema or Schema(fields={}), assets)
    site.home()
    site.browse()
    site.facet_pages()
    site.collection_pages()
    site.artifacts()
    site.redirects()
    site.not_found()
    write_sitemap(site.addresses, config, out)
    write_feed(site.listed, config, out)
    write_robots(config, out)
    return site.written


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
class _Site:
    """What all pages of one build share."""

    records: Sequence[Record]
    collections: Mapping[str, Collection]
    config: SiteConfig
    out: Path
    shell: Shell
    schema: Schema
    assets: Mapping[str, str]

    written: list[Path] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    """Of the pages that search engines may list."""

    def __post_init__(self) -> None:
        self.env = make_environment(self.config)
        self.templates: dict[str, Callable[..., str]] = {}
        self.by_id = {r.id: r for r in self.records}
        shown = [r for r in self.records if r.status in ("public", "announced")]
        self.listed = sorted(shown, key=lambda r: (r.published or "", r.id), reverse=True)
        self.cards: dict[str, Card] = {r.id: card_of(r) for r in self.records}
        self.facets: Facets = facets_of(self.listed, self.config, self.schema, self.collections)
        self.members: dict[str, list[Record]] = {slug: [] for slug in self.collections}
        for record in self.listed:
            for slug in record.collections:
                self.members.setdefault(slug, []).append(record)
        self.writer = ValueWriter(self.facets, self.render, root="../../")
        self.fragments: dict[tuple[str, str], str] = {}
        symbols = self.env.get_template("icons.svg").render()
        self.symbols = {m[1]: m[0] for m in _SYMBOL.finditer(symbols)}
        self.sprites: dict[frozenset[str], str] = {}
        self.folders: set[str] = set()

    # -- rendering -------------------------------------------------------------------------

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
        self.save(address if depth < 0 else f"{address}index.html", html)
        if listed:
            self.addresses.append(address)

    def save(self, name: str, html: str) -> None:
        """Write one file, making its folder where this is the first in it."""
        folder = name.rpartition("/")[0]
        if folder not in self.folders:
            os.makedirs(self.out / folder, exist_ok=True)
            self.folders.add(folder)
        path = self.out / name
        with open(path, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(html)
        self.written.append(path)

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

    # -- home and lists ----------------------------------------------------------------------

    def home(self) -> None:
        """The sentence, the figures, the best pictures, ways in, what is new."""
        technologies = self.column("technology")
        tissues = self.column("tissue")
        observed = sum(r.n_obs or 0 for r in self.listed)
        views = sum(self.cards[r.id].has_view for r in self.listed)
        figures = [
            (words.number(len(self.listed)), "artifact" if len(self.listed) == 1 else "artifacts"),
            (words.compact(observed) if observed else "", "spots and cells"),
            *(
                (words.number(known), noun if known == 1 else plural)
                for known, noun, plural in (
                    (_known(technologies), "technology", "technologies"),
                    (_known(tissues), "tissue", "tissues"),
                    (len(self.filled), "collection", "collections"),
                    (views, "interactive view", "interactive views"),
                )
            ),
        ]
        by_size = sorted(self.filled, key=lambda c: (-len(self.members[c]), c))
        content = self.render(
            "home.html",
            root="",
            total=len(self.listed),
            views=views,
            figures=[f for f in figures if f[0] not in ("", "0")],
            strip=_strip([self.cards[r.id] for r in self.listed]),
            technologies=technologies,
            glyphs=self.glyphs(technologies),
            collections=[self.collection_line(slug) for slug in by_size[:6]],
            n_collections=len(self.filled),
            newest=self.join("partials/line.html", self.listed[:6], 0),
            description=to_html(self.config.description),
            search=self.shell.search,
        )
        data = {
            "@context": "https://schema.org/",
            "@type": "DataCatalog",
            "name": self.config.title,
            **({"description": self.config.description} if self.config.description else {}),
            **({"url": self.config.base_url} if self.config.base_url else {}),
        }
        about = summary(self.config.description) or self.config.tagline or self.config.title
        self.write("", self.config.title, content, tab="home", description=about, data=data)

    def browse(self) -> None:
        """The newest with the facets, then numbered pages counted from the oldest."""
        newest = self.listed[:PAGE_SIZE]
        content = self.render(
            "browse.html",
            root="../",
            total=len(self.listed),
            shown=len(newest),
            cards=self.join("partials/card.html", newest, 1),
            rows=self.join("partials/row.html", newest, 1),
            columns=[c for c in self.facets.columns if c.in_rail and c.values],
            addresses=self.facets.addresses,
            older=self.older("", len(self.listed)),
            search=self.shell.search,
        )
        self.write(
            "browse/",
            "Browse",
            content,
            description=f"All {len(self.listed):,} artifacts of {self.config.title}.",
        )
        self.numbered("browse/", "Artifacts", self.listed, [("browse/", "Browse")])

    def numbered(
        self,
        base: str,
        what: str,
        records: Sequence[Record],
        crumbs: Sequence[tuple[str, str]],
        tab: str = "browse",
    ) -> None:
        """Pages of 48, the oldest on page 1, so that what is new touches only the last."""
        if len(records) <= PAGE_SIZE:
            return
        oldest_first = records[::-1]
        last = -(-len(records) // PAGE_SIZE)
        for n in range(1, last + 1):
            start = (n - 1) * PAGE_SIZE
            part = oldest_first[start : start + PAGE_SIZE][::-1]
            address = f"{base}page/{n}/"
            depth = address.count("/")
            heading = f"{what} {start + 1:,} to {start + len(part):,}"
            content = self.render(
                "numbered.html",
                root=self.shell.root(depth),
                heading=heading,
                base=base,
                crumbs=crumbs,
                page=n,
                newer=f"{base}page/{n + 1}/" if n < last else base,
                older=f"{base}page/{n - 1}/" if n > 1 else "",
                cards=self.join("partials/card.html", part, depth),
            )
            self.write(address, heading, content, tab=tab)

    def older(self, base: str, total: int) -> str:
        """Where the newest page's `Older` leads: the first numbered page with what it lacks."""
        last = -(-total // PAGE_SIZE)
        return f"{base}page/{last - 1}/" if last > 1 else ""

    def facet_pages(self) -> None:
        """For each column a page of its values, for each value a page of its artifacts."""
        for column in self.facets.columns:
            if not column.values:
                continue
            base = f"by/{column.column}/"
            content = self.render(
                "values.html", root="../../", column=column, addresses=self.facets.addresses
            )
            self.write(
                base,
                f"By {column.label.lower()}",
                content,
                description=f"The artifacts of {self.config.title} by {column.label.lower()}.",
            )
            for value in column.values:
                if column.column == "collections" and value.id:
                    continue
                self.facet_value(column, value)

    def facet_value(self, column: FacetColumn, value: FacetValue) -> None:
        address = f"by/{column.column}/{value.slug}/"
        newest = value.records[:PAGE_SIZE]
        content = self.render(
            "value.html",
            root="../../../",
            column=column,
            value=value,
            shown=len(newest),
            cards=self.join("partials/card.html", newest, 3),
            older=self.older("", len(value.records)),
        )
        title = f"{column.label}: {value.label}"
        self.write(
            address,
            title,
            content,
            description=f"{words.count(len(value.records), 'artifact')} with {title}.",
        )
        crumbs = [
            ("browse/", "Browse"),
            (f"by/{column.column}/", column.label),
            (address, value.label),
        ]
        self.numbered(address, f"{value.label}:", value.records, crumbs)

    def collection_pages(self) -> None:
        """The list of collections, and a page for each."""
        order = sorted(self.filled, key=lambda c: self.collection(c).name.casefold())
        content = self.render(
            "collections.html", root="../", collections=[self.collection_line(c) for c in order]
        )
        self.write(
            "collections/",
            "Collections",
            content,
            tab="collections",
            description=f"Sets of artifacts that belong together in {self.config.title}.",
        )
        for slug, members in self.members.items():
            collection = self.collection(slug)
            address = f"collections/{slug}/"
            newest = members[:PAGE_SIZE]
            content = self.render(
                "collection.html",
                root="../../",
                collection=collection,
                description=to_html(collection.description),
                reference=_reference(collection.reference),
                members=members,
                observed=sum(r.n_obs or 0 for r in members),
                shown=len(newest),
                cards=self.join("partials/card.html", newest, 2),
                older=self.older("", len(members)),
            )
            name = words.plain(collection.name)
            self.write(
                address,
                name,
                content,
                tab="collections",
                description=summary(collection.description)
                or f"{words.count(len(members), 'artifact')} in the collection {name}.",
                listed=bool(members),
            )
            crumbs = [("collections/", "Collections"), (address, name)]
            self.numbered(address, f"{name}:", members, crumbs, tab="collections")

    # -- artifacts ---------------------------------------------------------------------------

    def artifacts(self) -> None:
        """A page for each record, with its neighbours in the lists it stands in."""
        place = {r.id: i for i, r in enumerate(self.listed)}
        in_collection = {
            slug: {r.id: i for i, r in enumerate(members)} for slug, members in self.members.items()
        }
        descendants: dict[str, list[str]] = {}
        for record in self.records:
            for ancestor in record.derived_from:
                descendants.setdefault(ancestor, []).append(record.id)
        for record in self.records:
            i = place.get(record.id)
            slug = record.collections[0] if record.collections else None
            self.artifact(
                record,
                newer=self.listed[i - 1] if i else None,
                older=self.listed[i + 1] if i is not None and i + 1 < len(self.listed) else None,
                slug=slug,
                related=_neighbours(self.members[slug], in_collection[slug].get(record.id))
                if slug
                else [],
                children=descendants.get(record.id, []),
            )

    def artifact(
        self,
        record: Record,
        *,
        newer: Record | None,
        older: Record | None,
        slug: str | None,
        related: Sequence[Record],
        children: Sequence[str],
    ) -> None:
        card = self.cards[record.id]
        context = page_context(record, card, self.writer, self.schema, self.config)
        open_to_all = record.status in ("public", "superseded")
        has_view = bool(record.products.view.config) and open_to_all and "view" in self.assets
        content = self.render(
            "artifact.html",
            root="../../",
            **context,
            has_view=has_view,
            open_to_all=open_to_all,
            assets=self.assets,
            newer=self.cards[newer.id] if newer else None,
            older=self.cards[older.id] if older else None,
            collections=[(c, words.plain(self.collection(c).name)) for c in record.collections],
            n_members=len(self.members[slug]) if slug else 0,
            related=self.join("partials/card.html", related, 2),
            parents=[self.link(i) for i in record.derived_from],
            children=[self.link(i) for i in children],
            successor=self.link(record.superseded_by) if record.superseded_by else None,
            technology_page=self.facets.address("technology", card.technology),
        )
        picture = card.srcset[-1][1] if card.srcset else ""
        about = context["summary"]
        self.write(
            f"datasets/{record.id}/",
            card.title,
            content,
            description=about,
            picture=picture,
            data=jsonld.dataset(record, self.config, self.collections, about),
            viewer=has_view,
            listed=open_to_all,
            json_record=True,
        )

    def link(self, id_: str) -> tuple[str, str | None]:
        """Title and address of another artifact; no address where the portal has none such."""
        if id_ in self.cards:
            return self.cards[id_].title, f"datasets/{id_}/"
        return id_, None

    def redirects(self) -> None:
        """A former id's page leads to the present one."""
        for record in self.records:
            target = f"../{record.id}/"
            for alias in record.aliases:
                if alias in self.by_id:
                    continue
                card = self.cards[record.id]
                content = self.render("moved.html", card=card, alias=alias, target=target)
                self.write(
                    f"datasets/{alias}/",
                    card.title,
                    content,
                    listed=False,
                    canonical=f"datasets/{record.id}/",
                    refresh=target,
                )

    def not_found(self) -> None:
        """Shown at any address, so its own addresses are absolute."""
        content = self.render("404.html", root=self.shell.root(-1), total=len(self.listed))
        self.write("404.html", "Not found", content, tab="", listed=False)

    # -- lookups -----------------------------------------------------------------------------

    @property
    def filled(self) -> list[str]:
        """Collections that have artifacts."""
        return [slug for slug, members in self.members.items() if members]

    def collection(self, slug: str) -> Collection:
        """A collection by its slug; one that only entries name is called by it."""
        return self.collections.get(slug) or Collection(name=slug)

    def collection_line(self, slug: str) -> dict[str, Any]:
        """What lists show of a collection."""
        members = self.members[slug]
        cards = [self.cards[r.id] for r in members]
        pictured = next((c for c in cards if c.srcset), None)
        return {
            "name": words.plain(self.collection(slug).name),
            "address": f"collections/{slug}/",
            "glyph": cards[0].glyph if cards else "unknown",
            "picture": pictured,
            "n": len(members),
            "about": [
                _few(c.technology for c in cards),
                _few(c.tissue for c in cards),
            ],
        }

    def column(self, name: str) -> FacetColumn | None:
        """A facet's column, None where the site has no such facet."""
        return next((c for c in self.facets.columns if c.column == name), None)

    def glyphs(self, technologies: FacetColumn | None) -> dict[str, str]:
        """The glyph of each technology, by label."""
        if technologies is None:
            return {}
        return {v.label: self.cards[v.records[0].id].glyph for v in technologies.values}


def _known(column: FacetColumn | None) -> int:
    return sum(v.label != UNKNOWN for v in column.values) if column else 0


def _few(labels: Iterable[str]) -> str:
    found = [x for x in dict.fromkeys(labels) if x != UNKNOWN]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _reference(text: str) -> tuple[str, str | None]:
    """A collection's reference and where it leads: an address or a DOI."""
    if words.web_address(text):
        return text, text
    if re.fullmatch(r"10\.\d{4,9}/\S+", text):
        return text, f"https://doi.org/{text}"
    return words.plain(text), None


def _strip(cards: Sequence[Card]) -> list[Card]:
    """Seven pictures for the home page: those with a view first, technologies in turn."""
    by_technology: dict[str, list[Card]] = {}
    for card in sorted((c for c in cards if c.srcset), key=lambda c: not c.has_view):
        by_technology.setdefault(card.technology, []).append(card)
    chosen: list[Card] = []
    queues = list(by_technology.values())
    while queues and len(chosen) < 7:
        chosen += [queue.pop(0) for queue in queues]
        queues = [queue for queue in queues if queue]
    return chosen[: 7 if len(chosen) >= 7 else 5 if len(chosen) >= 5 else len(chosen)]


def _neighbours(members: Sequence[Record], i: int | None) -> list[Record]:
    """The next few of a collection, round and round; the first few for one that isn't listed."""
    if i is None:
        return list(members[:_RELATED])
    n = min(_RELATED, len(members) - 1)
    return [members[(i + k) % len(members)] for k in range(1, n + 1)]
