"""Records → pages. One verb: `render_site`.

A card and a row are rendered once for each record and then joined into every list they stand in,
so that the cost of a site grows with its records and not with its lists.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from portal import jsonld, words
from portal.artifactpage import as_offered, page_context
from portal.config import SiteConfig
from portal.curationpages import CurationPages
from portal.entry import Collection
from portal.feeds import write_feed, write_robots, write_sitemap
from portal.kept import whole
from portal.lineagegraph import Family, Graph, drawn, family_of, lineage_of
from portal.linkcheck import Links
from portal.listpages import PAGE_SIZE
from portal.notes import Notes, digest
from portal.record import Record
from portal.resources import asset_manifest, assets_dir
from portal.schema import Schema
from portal.search import write_index
from portal.search_documents import documents_of
from portal.search_prose import write_prose
from portal.shell import Shell
from portal.tree import Tree

__all__ = ["PAGE_SIZE", "Rendered", "render_site"]

_RELATED = 4


def render_site(
    records: Sequence[Record],
    collections: Mapping[str, Collection],
    config: SiteConfig,
    out: Path,
    shell: Shell,
    *,
    schema: Schema | None = None,
    assets: Mapping[str, str] | None = None,
    notes: Notes | None = None,
    digests: Mapping[str, str] | None = None,
    tree: Tree | None = None,
) -> Rendered:
    """Write every catalogue page, the search, the feeds and the front end's assets into `out`.

    `schema` gives fields their labels and groups; `assets` is the manifest of the front end, its
    own by default. With `notes` and the `digests` of the records, pages that would come out the
    same are taken from there. With `tree` pages go there and not into `out`.
    """
    if assets is None:
        assets = asset_manifest()
        shutil.copytree(assets_dir(), out / "assets", dirs_exist_ok=True)
        (out / "assets" / "manifest.json").unlink(missing_ok=True)
    site = _Site(
        records,
        collections,
        config,
        out,
        shell,
        schema or Schema(),
        assets,
        notes if digests is not None else None,
        tree,
        digests or {},
    )
    site.home()
    site.write_search()
    site.browse()
    site.facet_pages()
    site.collection_pages()
    site.artifacts()
    site.quality()
    site.fields()
    site.redirects()
    site.not_found()
    write_sitemap(site.addresses, config, out)
    write_feed(site.listed, config, out)
    write_robots(config, out)
    index = site.index["facets"] if site.index else None
    return Rendered(site.written, site.links, site.explained, index, site.tell_all)


class Neighbour(NamedTuple):
    """The artifact before or after another one."""

    id: str
    title: str


@dataclass(frozen=True)
class Rendered:
    """The HTML pages written, where they lead, why those that were made again were, the index."""

    pages: list[Path]
    links: Links
    explained: dict[str, str]
    index: str | None
    """The file that leads to all of the search index, None where nothing is listed."""
    tell_all: Callable[[], None]
    """Tells `links` of the pages that were kept as they are too."""


class _Site(CurationPages):
    """All pages of one build."""

    def write_search(self) -> None:
        """The index that the browser searches, of all artifacts that are listed."""
        if not self.listed:
            return
        oldest_first = self.listed[::-1]
        in_catalog = {id_: row for row, id_ in enumerate(sorted(self.by_id))}

        def cards(a: int, b: int) -> list[str]:
            key = digest("cards", self.same_for_all, *(self.looks[r.id] for r in oldest_first[a:b]))
            if self.notes and (kept := self.notes.get(key)):
                return json.loads(kept)
            made = [self.fragment("partials/card.html", r, "../") for r in oldest_first[a:b]]
            if self.notes:
                self.notes.put(key, json.dumps(made).encode())
            return made

        documents = documents_of(
            self.facets, oldest_first, self.collections, cards, catalog_rows=in_catalog
        )
        folder = self.out / "search"
        self.index = {
            "facets": write_index(documents, folder),
            "prose": write_prose(self.out, folder),
            "n": len(oldest_first),
        }

    def artifacts(self) -> None:
        """A page for each record, with its neighbours in the lists it stands in."""
        place = {r.id: i for i, r in enumerate(self.listed)}
        in_collection = {
            slug: {r.id: i for i, r in enumerate(members)} for slug, members in self.members.items()
        }
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
                children=self.family.children.get(record.id, []),
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
        open_to_all = record.status in ("public", "superseded")
        # All that the page shows and that is not the record's own: it is made again when any of
        # this changes, so whatever the template is given must be here.
        around: dict[str, Any] = {
            "newer": self.neighbour(newer),
            "older": self.neighbour(older),
            "collections": [(c, words.plain(self.collection(c).name)) for c in record.collections],
            "n_members": len(self.members[slug]) if slug else 0,
            "successor": self.link(record.superseded_by) if record.superseded_by else None,
            "duplicates": [self.link(i) for i in record.quality.duplicates],
            "technology_page": self.facets.address("technology", card.technology),
        }
        has_kin = bool(record.derived_from or children or record.superseded_by)
        graph = self.lineage(record) if has_kin else None
        address = f"datasets/{record.id}/"
        parts = {
            "record": self.digests.get(record.id, ""),
            "lineage": repr(graph),
            "related": "".join(self.looks[r.id] for r in related),
            "pages of its values": repr(self.value_pages(record)),
            "names of collections": repr([self.collection(c).name for c in record.collections]),
            **{name: repr(value) for name, value in around.items()},
        }
        if self.reuse(address, open_to_all, parts):
            return
        record = as_offered(whole(record), self.config)
        context = page_context(record, card, self.writer, self.schema, self.config)
        has_view = bool(record.products.view.config) and open_to_all and "view" in self.assets
        content = self.render(
            "artifact.html",
            root="../../",
            **context,
            **around,
            related=self.join("partials/card.html", related, 2),
            lineage=drawn(graph or self.lineage(record)),
            has_view=has_view,
            open_to_all=open_to_all,
            assets=self.assets,
        )
        picture = card.srcset[-1][1] if card.srcset and record.status != "withdrawn" else ""
        about = context["summary"]
        self.write(
            address,
            card.title,
            content,
            description=about,
            picture=picture,
            data=jsonld.dataset(record, self.config, self.collections, about, self.schema),
            viewer=has_view,
            listed=open_to_all,
            json_record=True,
        )

    def lineage(self, record: Record) -> Graph:
        """What the artifact comes from, and what was made from it."""
        return lineage_of(as_offered(whole(record), self.config), self.family, record.lineage)

    @cached_property
    def family(self) -> Family:
        """Every artifact as its kin see it."""
        return family_of(self.records)

    def neighbour(self, record: Record | None) -> Neighbour | None:
        """What a page shows of the artifact before or after it."""
        return Neighbour(record.id, self.cards[record.id].title) if record else None

    def value_pages(self, record: Record) -> list[str | None]:
        """Where the values of a record lead."""
        return [
            self.facets.address(name, words.plain(v.label), v.id)
            for name, values in record.values.items()
            if name in self.facets.names
            for v in values
        ]

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


def _neighbours(members: Sequence[Record], i: int | None) -> list[Record]:
    """The next few of a collection, round and round; the first few for one that isn't listed."""
    if i is None:
        return list(members[:_RELATED])
    n = min(_RELATED, len(members) - 1)
    return [members[(i + k) % len(members)] for k in range(1, n + 1)]
