"""Record → what it came from and what was made of it. One verb: `lineage_of`; `draw` for a
terminal, `drawn` for a page.

To the left lie the source, the curation and the artifacts it was made from; to the right what was
made from it: artifacts, the view store of this portal, and the files and models that crates
tell of (`portal.lineage`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import east_asian_width
from urllib.parse import urlsplit

from rich.markup import escape
from rich.tree import Tree

from portal.derivation import Derivation, Thing
from portal.record import Record
from portal.words import count, plain, size, web_address

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = [
    "Box",
    "Drawing",
    "Family",
    "Graph",
    "Kin",
    "Node",
    "draw",
    "drawn",
    "family_of",
    "lineage",
    "lineage_of",
]

_SHOWN = 6
"""Of what lies beside each other; the rest is counted."""
_FAR = 3
"""Steps from the artifact that are followed."""


class Kin(NamedTuple):
    """What is known of another artifact of the portal."""

    title: str
    derived_from: tuple[str, ...] = ()
    href: str | None = None
    """Its page, from the site's root; None where it has none."""


class Family(dict[str, Kin]):
    """The artifacts of a portal by id, and what was made from each."""

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Ids of what was made from an artifact, by its id."""
        children: dict[str, list[str]] = {}
        for id_, kin in self.items():
            for parent in dict.fromkeys(kin.derived_from):
                children.setdefault(parent, []).append(id_)
        return children


def family_of(records: Iterable[Record]) -> Family:
    """Every artifact as its kin see it."""
    return Family((r.id, Kin(r.title, r.derived_from, f"datasets/{r.id}/")) for r in records)


def lineage(artifact: Artifact) -> Graph:
    """The graph of an artifact of an opened portal; its kin are found in the catalog."""
    import pyarrow.parquet as pq

    source = artifact.source
    path = source.local(source.catalog)
    wanted = ("uid", "title", "derived_from")
    names = [name for name in wanted if name in pq.read_schema(path).names]
    family = {
        row["uid"]: Kin(
            row.get("title") or row["uid"],
            tuple(row.get("derived_from") or ()),
            f"datasets/{row['uid']}/",
        )
        for row in pq.read_table(path, columns=names).to_pylist()
    }
    record = artifact.record
    return lineage_of(record, family, record.lineage)


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the graph; `level` counts steps from the artifact, sources are negative."""

    role: str
    """What it is to the artifact, in words."""
    label: str
    level: int
    note: str = ""
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges; an edge leads from a node's place to that of what was made from it."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def tells(self) -> bool:
        """Whether there is more than the artifact and its curation."""
        return len(self.nodes) > 2

    @property
    def in_order(self) -> list[Node]:
        """The nodes from the sources on."""
        return sorted(self.nodes, key=lambda n: n.level)


def lineage_of(
    record: Record, family: Mapping[str, Kin], derivations: Sequence[Derivation] = ()
) -> Graph:
    """The graph around one artifact.

    `family` has the other artifacts by id; `derivations` are those that crates tell of, from
    which those count that use or made the artifact.
    """
    return _Around(record, family, derivations).graph()


class _Around:
    """The graph of one artifact while it grows."""

    def __init__(
        self, record: Record, family: Mapping[str, Kin], derivations: Sequence[Derivation]
    ):
        self.record = record
        self.family = family
        self.children = (family if isinstance(family, Family) else Family(family)).children
        self.derivations = derivations
        self.places: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.edges: dict[tuple[int, int], None] = {}

    def graph(self) -> Graph:
        record = self.record
        version = f"version {record.versions[-1].version}" if record.versions else record.id
        me = self.node(record.id, Node("this artifact", record.title, 0, version))
        self.origin(me)
        self.kin(record.id, record.derived_from, -1)
        self.made_here(me)
        self.kin(record.id, self.children.get(record.id, ()), 1)
        if record.superseded_by:
            self.edge(me, self.artifact(record.superseded_by, "takes its place", 1))
        self.told_by_crates(me)
        return Graph(tuple(self.nodes), tuple(self.edges))

    def node(self, key: str, node: Node) -> int:
        """The place of a node, which is there once."""
        if key not in self.places:
            self.places[key] = len(self.nodes)
            label, note = plain(node.label), plain(node.note)
            self.nodes.append(Node(node.role, label, node.level, note, node.href))
        return self.places[key]

    def edge(self, start: int, end: int) -> None:
        self.edges[start, end] = None

    def artifact(self, id_: str, role: str, level: int) -> int:
        kin = self.family.get(id_, Kin(id_))
        return self.node(id_, Node(role, kin.title, level, id_, kin.href))

    def origin(self, me: int) -> None:
        """The source's address and the curation."""
        curation = self.node("#curation", Node("curation", _said(self.record), -1))
        self.edge(curation, me)
        if url := self.record.url:
            href = web_address(url)
            host = urlsplit(url).netloc
            source = self.node("#source", Node("source", host or "Store", -2, url, href))
            self.edge(source, curation)

    def kin(self, id_: str, others: Sequence[str], step: int) -> None:
        """The artifacts before (step -1) or after (1) one, and theirs in turn."""
        todo = [(id_, others, step)]
        while todo:
            near, others, level = todo.pop(0)
            at = self.places[near]
            shown = others if len(others) <= _SHOWN else others[: _SHOWN - 1]
            role = "made from this" if step < 0 else "made from this artifact"
            for other in shown:
                is_new = other not in self.places
                place = self.artifact(other, role, level)
                self.edge(*((place, at) if step < 0 else (at, place)))
                if is_new and abs(level) < _FAR:
                    before = self.family.get(other, Kin(other)).derived_from
                    further = before if step < 0 else self.children.get(other, ())
                    todo.append((other, further, level + step))
            if len(others) > len(shown):
                more = count(len(others) - len(shown), "more artifact")
                place = self.node(f"#more {near} {step}", Node(role, more, level))
                self.edge(*((place, at) if step < 0 else (at, place)))

    def made_here(self, me: int) -> None:
        """What the portal itself made to be looked at."""
        view = self.record.products.view
        if view.shows == "copy":
            note = f"{size(view.bytes)}, made by this portal"
            self.edge(me, self.node("#view", Node("view store", "Copy for the web", 1, note)))

    def told_by_crates(self, me: int) -> None:
        """Files and models that were made from the artifact, and what it was made from itself."""
        for derivation in self.derivations:
            made = derivation.output
            if not any(thing.artifact == self.record.id for thing in derivation.inputs):
                for thing in derivation.inputs:
                    self.edge(self.input(thing), me)
            elif not self.is_artifact(made):
                role = "model" if made.is_model else "derived"
                note = _how(derivation)
                node = Node(role, made.name, 1, note, web_address(made.address))
                self.edge(me, self.node(f"#{made.name} {made.sha256 or made.fingerprint}", node))

    def is_artifact(self, thing: Thing) -> bool:
        return thing.artifact is not None and thing.artifact in self.family

    def input(self, thing: Thing) -> int:
        if thing.artifact and thing.artifact in self.family:
            return self.artifact(thing.artifact, "made from this", -1)
        node = Node("made from this", thing.name, -1, "", web_address(thing.address))
        return self.node(f"#{thing.name} {thing.sha256 or thing.fingerprint}", node)


def _said(record: Record) -> str:
    """Who said what is known: `5 declared, 12 from the store`."""
    sources = [values[0].source for values in record.values.values() if values]
    declared = sources.count("declared")
    found = len(sources) - declared
    parts = [f"{declared} declared" if declared else "", f"{found} from the store" if found else ""]
    return ", ".join(p for p in parts if p) or "nothing declared"


def _how(derivation: Derivation) -> str:
    """The code and the day: `train.py at 1a2b3c4, changed · 2026-11-25`."""
    code = derivation.code
    parts = []
    if code:
        at = f" at {code.version[:7]}" if code.version and code.sha256 else ""
        parts.append(f"{code.name.rpartition('/')[2]}{at}{', changed' if code.changed else ''}")
    if derivation.ended:
        parts.append(f"{derivation.ended:%Y-%m-%d}")
    return " · ".join(parts)


def draw(graph: Graph) -> Tree:
    """The graph as a tree in the terminal: what it came from above, what was made of it below."""
    me = next(n for n, node in enumerate(graph.nodes) if node.level == 0)
    tree = Tree(f"[b]{escape(graph.nodes[me].label)}[/b]", highlight=False)
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for start, end in graph.edges:
        before.setdefault(end, []).append(start)
        after.setdefault(start, []).append(end)
    for title, steps in (("From", before), ("Used for", after)):
        if me in steps:
            _branch(tree.add(f"[b]{title}[/b]"), graph, steps, me, {me})
    return tree


def _branch(
    tree: Tree, graph: Graph, steps: Mapping[int, list[int]], at: int, seen: set[int]
) -> None:
    for place in steps.get(at, ()):
        node = graph.nodes[place]
        note = f" [dim]{escape(node.note)}[/dim]" if node.note else ""
        below = tree.add(f"{escape(node.role)}: {escape(node.label)}{note}")
        if place not in seen:  # a circle of artifacts ends here
            _branch(below, graph, steps, place, seen | {place})


_WIDTH, _HEIGHT = 208, 68
_BESIDE, _BELOW, _MARGIN = 44, 14, 8


@dataclass(frozen=True, slots=True)
class Box:
    """A node's place on the page, in pixels, and its texts as they fit."""

    node: Node
    x: int
    y: int
    label: str
    note: str
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph as boxes and lines; `lines` are paths of SVG."""

    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    width: int
    height: int
    nodes: tuple[Node, ...]
    """From the sources on, for the list beside the picture."""


def drawn(graph: Graph) -> Drawing | None:
    """The graph in columns by level, for `partials/lineage.html`; None where it tells nothing."""
    if not graph.tells:
        return None
    levels: dict[int, list[int]] = {}
    for place, node in enumerate(graph.nodes):
        levels.setdefault(node.level, []).append(place)
    tallest = max(map(len, levels.values()))
    height = tallest * (_HEIGHT + _BELOW) - _BELOW
    boxes: dict[int, Box] = {}
    for column, level in enumerate(sorted(levels)):
        places = levels[level]
        top = (height - len(places) * (_HEIGHT + _BELOW) + _BELOW) // 2
        for row, place in enumerate(places):
            node = graph.nodes[place]
            x = _MARGIN + column * (_WIDTH + _BESIDE)
            y = _MARGIN + top + row * (_HEIGHT + _BELOW)
            boxes[place] = Box(node, x, y, _fitting(node.label, 25), _fitting(node.note, 34))
    return Drawing(
        boxes=tuple(boxes[n] for n in sorted(boxes)),
        lines=tuple(_line(boxes[a], boxes[b]) for a, b in graph.edges if boxes[a].x < boxes[b].x),
        width=len(levels) * (_WIDTH + _BESIDE) - _BESIDE + 2 * _MARGIN,
        height=height + 2 * _MARGIN,
        nodes=tuple(graph.in_order),
    )


def _line(start: Box, end: Box) -> str:
    x, y = start.x + start.width, start.y + start.height // 2
    to_x, to_y = end.x, end.y + end.height // 2
    bend = _BESIDE // 2
    return f"M{x} {y}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"


def _fitting(text: str, columns: int) -> str:
    """The start of a text, as much as fits; a wide character takes two columns."""
    used = cut = 0
    for n, character in enumerate(text):
        if used < columns:  # one column is left for what says that there is more
            cut = n
        used += 2 if east_asian_width(character) in "WF" else 1
    return text if used <= columns else f"{text[:cut].rstrip()}…"
