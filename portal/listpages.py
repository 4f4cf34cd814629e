"""Pages that list artifacts: home, browse, the values of facets, collections."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from portal import words
from portal.cards import Card
from portal.entry import Collection
from portal.facets import FacetColumn, FacetValue
from portal.ontology import OURS
from portal.pagewriter import PageWriter
from portal.prose import summary, to_html
from portal.record import UNKNOWN, Record

__all__ = ["PAGE_SIZE", "ListPages"]

PAGE_SIZE = 48


class ListPages(PageWriter):
    """Each list shows its newest 48; what is older stands on pages numbered from the oldest."""

    index: Mapping[str, Any] | None = None
    """Names of the files that the search begins with; None where there is nothing to search."""

    def home(self) -> None:
        """The sentence, the figures, the best pictures, ways in, what is new."""
        technologies = _named(self.column("technology"))
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
            rows="" if self.index else self.join("partials/row.html", newest, 1),
            n_records=len(self.records),
            columns=[c for c in self.facets.columns if c.in_rail and c.known],
            older=self.older("", len(self.listed)),
            search=self.shell.search,
            index=self.index,
            ranges=self.facets.ranges,
            assets=self.assets,
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
        few: bool = False,
    ) -> None:
        """Pages of 48, the oldest on page 1, so that what is new touches only the last.

        None for 48 or fewer, which the page at `base` shows, but if `few` asks for one.
        """
        if len(records) <= PAGE_SIZE and not few:
            return
        oldest_first = records[::-1]
        last = -(-len(records) // PAGE_SIZE)
        for n in range(1, last + 1):
            start = (n - 1) * PAGE_SIZE
            part = oldest_first[start : start + PAGE_SIZE][::-1]
            address = f"{base}page/{n}/"
            depth = address.count("/")
            heading = f"{what} {start + 1:,} to {start + len(part):,}"
            around: dict[str, Any] = {
                "heading": heading,
                "base": base,
                "crumbs": crumbs,
                "page": n,
                "newer": f"{base}page/{n + 1}/" if n < last else base,
                "older": f"{base}page/{n - 1}/" if n > 1 else "",
            }
            parts = {"around": repr(around), "cards": "".join(self.looks[r.id] for r in part)}
            if self.reuse(address, True, parts, tell=False):
                continue
            cards = self.join("partials/card.html", part, depth)
            content = self.render(
                "numbered.html", root=self.shell.root(depth), cards=cards, **around
            )
            self.write(address, heading, content, tab=tab)

    def older(self, base: str, total: int) -> str:
        """Where the newest page's `Older` leads: the first numbered page with what it lacks."""
        last = -(-total // PAGE_SIZE)
        return f"{base}page/{last - 1}/" if last > 1 else ""

    def facet_pages(self) -> None:
        """For each column a page of its values, for each value a page of its artifacts."""
        for column in self.facets.columns:
            if not column.known:
                continue
            base = f"by/{column.column}/"
            tree = _outline(column)
            content = self.render(
                "values.html",
                root="../../",
                column=column,
                tree=tree,
                nested=any(node["below"] for node in tree),
                n_values=sum(v.shown for v in column.values),
            )
            self.write(
                base,
                f"By {column.label.lower()}",
                content,
                description=f"The artifacts of {self.config.title} by {column.label.lower()}.",
            )
            for i, value in enumerate(column.values):
                if value.address.startswith(base) and value.shown:
                    self.facet_value(column, i)

    def facet_value(self, column: FacetColumn, place: int) -> None:
        """The landing page of a value, and its numbered pages."""
        value = column.values[place]
        address = value.address
        newest = value.records[:PAGE_SIZE]
        # An artifact is below many broad terms: only what names a value is spelt out on numbered
        # pages, so that their number does not grow with the depth of the ontology.
        browse = _filter(column, value)
        whole = not browse or len(value.own) == len(value.records)
        spelt_out = value.records if whole else value.own
        left = {r.id for r in spelt_out}.difference(r.id for r in newest)
        last = -(-len(spelt_out) // PAGE_SIZE)
        content = self.render(
            "value.html",
            root="../../../",
            column=column,
            value=value,
            term_url=_term_url(value),
            share=_share(value),
            filter=browse,
            paths=_paths(column, place),
            children=[column.values[i] for i in column.children(place)],
            shown=len(newest),
            cards=self.join("partials/card.html", newest, 3),
            older=self.older("", len(value.records)) if whole else "",
            named=f"page/{last}/" if left and not whole else "",
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
        if left:
            self.numbered(address, f"{value.label}:", spelt_out, crumbs, few=True)

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
    return sum(v.label != UNKNOWN and bool(v.own) for v in column.values) if column else 0


def _named(column: FacetColumn | None) -> FacetColumn | None:
    """A column with only those values that artifacts name themselves."""
    if column is None or not column.known:
        return None
    return replace(column, values=[v for v in column.values if v.own])


def _outline(column: FacetColumn) -> list[dict[str, Any]]:
    """The shown values as a tree. What lies below several others is spelt out only once."""
    seen: set[int] = set()

    def node(place: int) -> dict[str, Any]:
        children = column.children(place)
        repeated = place in seen and bool(children)
        seen.add(place)
        below = [] if repeated else [node(i) for i in children]
        return {"value": column.values[place], "repeated": repeated, "below": below}

    return [node(i) for i in column.roots()]


def _paths(column: FacetColumn, place: int) -> list[list[FacetValue]]:
    """Ways from the broadest value down to one above `place`, until each above it was named."""
    paths, left = [], dict.fromkeys(column.ancestors(place))
    while left:
        step = next(iter(left))
        path = []
        while step is not None:
            path.append(step)
            left.pop(step, None)
            above = column.parents(step)
            step = next((i for i in above if i in left), above[0] if above else None)
        paths.append([column.values[i] for i in reversed(path)])
    return paths


def _share(value: FacetValue) -> str:
    """How many artifacts name a value themselves, where others name what it includes."""
    own, more = len(value.own), len(value.records) - len(value.own)
    if not more:
        return ""
    if not own:
        return "all name something that it includes"
    name, names = ("names" if n == 1 else "name" for n in (own, more))
    return f"{own:,} {name} it, {more:,} {names} something that it includes"


def _filter(column: FacetColumn, value: FacetValue) -> str:
    """Browse with this value chosen: by its label, by its id where another has the same label."""
    if not column.in_rail:
        return ""
    chosen = value.id if value.id and column.shares_label(value) else value.label
    return "browse/?" + urlencode({column.column: chosen}, errors="replace")


def _term_url(value: FacetValue) -> str | None:
    """Where a term is explained; those of our own are explained nowhere."""
    if not value.id or value.id.startswith(f"{OURS}:"):
        return None
    return f"https://bioregistry.io/{value.id}"


def _few(labels: Iterable[str]) -> str:
    found = [x for x in dict.fromkeys(labels) if x != UNKNOWN]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _reference(text: str) -> tuple[str, str | None]:
    """A collection's reference and where it leads: an address or a DOI."""
    if words.web_address(text):
        return words.plain(text), text
    if re.fullmatch(r"10\.\d{4,9}/\S+", text):
        return words.plain(text), f"https://doi.org/{text}"
    return words.plain(text), None


def _strip(cards: Sequence[Card]) -> list[Card]:
    """Seven pictures for the home page: those that show most first, technologies in turn."""
    by_technology: dict[str, list[Card]] = {}
    for card in sorted((c for c in cards if c.srcset), key=lambda c: c.shows, reverse=True):
        by_technology.setdefault(card.technology, []).append(card)
    chosen: list[Card] = []
    queues = list(by_technology.values())
    while queues and len(chosen) < 7:
        chosen += [queue.pop(0) for queue in queues]
        queues = [queue for queue in queues if queue]
    return chosen[: 7 if len(chosen) >= 7 else 5 if len(chosen) >= 5 else len(chosen)]
