"""The vocabularies of biology, offline: what a term is called and what it belongs to.

In `portal/data/ontologies/` lie two tables that `recipes.ontologies` cuts from the published
ontologies, and `overlay.yaml`, what we add by hand. The tables stay in Arrow; a Python object is
made only for the terms that somebody asks for.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ONTOLOGIES",
    "OURS",
    "WHOLE",
    "Ontology",
    "Overlay",
    "Term",
    "fold",
    "load_ontology",
    "read_overlay",
]

OURS = "portal"
"""The prefix of terms that no ontology has, and their `ontology`."""
ONTOLOGIES = {
    "UBERON": "a tissue or organ",
    "CL": "a cell type",
    "MONDO": "a disease",
    "PATO": "a quality such as healthy or a sex",
    "EFO": "an assay or instrument",
    "NCBITaxon": "an organism",
    "HsapDv": "a stage of human life",
    "MmusDv": "a stage of mouse life",
    "HANCESTRO": "an ancestry",
    "OBI": "an assay",
    OURS: "an assay",
}
"""The vocabularies that a field may draw on, and what their terms are."""
WHOLE = frozenset({"UBERON", "CL", "MONDO", "HsapDv", "MmusDv", "HANCESTRO"})
"""Those of which every term is here: an id that is not is wrong. Of the others we have a part."""
_LONGEST = 300
"""No name is as long, by far."""
_FOLDER = Path(__file__).parent / "data" / "ontologies"


@dataclass(frozen=True, slots=True)
class Term:
    """One term as its ontology has it, with what the overlay adds."""

    id: str
    label: str
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    deprecated: bool = False
    replaced_by: str | None = None
    ontology: str = ""
    upper: bool = False
    """Too general to group anything by: `anatomical structure`, `disease`."""


@dataclass
class Overlay:
    """What we add by hand."""

    terms: dict[str, Term] = field(default_factory=dict)
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    upper: frozenset[str] = frozenset()


class Ontology:
    """The terms of all vocabularies, by id and by name.

    `terms` is terms.parquet, in the order of the ids; `names` gives names.parquet when it is
    first needed.
    """

    def __init__(
        self,
        terms: pa.Table,
        names: Callable[[], pa.Table],
        overlay: Overlay,
        versions: Mapping[str, str],
    ) -> None:
        self._columns = _columns(terms)
        self._read_names = names
        self._overlay = overlay
        self._terms: dict[str, Term | None] = {}
        self._chosen: dict[str, _Choices] = {}
        self.versions = dict(versions)
        """Ontology to its version."""

    def __iter__(self) -> Iterator[str]:
        """Every id, those of the overlay last."""
        yield from self._columns["id"].to_pylist()
        yield from self._overlay.terms

    def term(self, id_: str) -> Term | None:
        """The term with this id, None where no vocabulary has it."""
        if id_ not in self._terms:
            self._terms[id_] = self._read(id_)
        return self._terms[id_]

    def parents(self, id_: str) -> tuple[str, ...]:
        """The nearest terms above that are fit to group by, in the order of their ids.

        What is too general is stepped over, and a term that was replaced belongs below the one
        that replaced it.
        """
        found: set[str] = set()
        waiting, seen = self._above(id_), {id_}
        while waiting:
            parent = waiting.pop()
            if parent in seen:
                continue
            seen.add(parent)
            term = self.term(parent)
            if term is None or term.upper:
                waiting += self._above(parent)
            else:
                found.add(parent)
        return tuple(sorted(found))

    def ancestors(self, id_: str) -> frozenset[str]:
        """Everything above a term but what is too general. Empty for an id nobody knows."""
        above = self.all_above(id_)
        return frozenset(a for a in above if (term := self.term(a)) and not term.upper)

    def find(self, text: str) -> list[Term]:
        """The terms called so, by id, label or synonym, in the order of their ids."""
        name = fold(text)
        names, rows = self._names["name"], self._names["row"]
        ids = {self._prefixes.get(name.partition(":")[0], "") + name[name.find(":") :].upper()}
        ids |= {name, *self._ours.get(name, ())}
        at = bisect_left(range(len(names)), name, key=lambda i: names[i].as_py())
        while at < len(names) and names[at].as_py() == name:
            ids.add(self._columns["id"][rows[at].as_py()].as_py())
            at += 1
        return [term for id_ in sorted(ids) if (term := self.term(id_))]

    def allows(self, allowed: Iterable[str], term: Term) -> bool:
        """Whether a term is of one of these ontologies, or is or lies below one of these terms."""
        above: frozenset[str] | None = None
        for name in allowed:
            if ":" not in name:
                if term.ontology == name:
                    return True
                continue
            above = self.all_above(term.id) if above is None else above
            if name == term.id or name in above:
                return True
        return False

    def all_above(self, id_: str) -> frozenset[str]:
        """Everything above a term, also what is too general to group by."""
        found: set[str] = set()
        waiting = self._above(id_)
        while waiting:
            parent = waiting.pop()
            if parent not in found and parent != id_:
                found.add(parent)
                waiting += self._above(parent)
        return frozenset(found)

    def children(self, id_: str) -> tuple[str, ...]:
        """The terms directly below a term that are still in use, in the order of their labels."""
        below = (t for c in self._children.get(id_, ()) if (t := self.term(c)))
        return tuple(t.id for t in sorted(below, key=lambda t: (t.label, t.id)))

    def nearest(self, text: str, allowed: Iterable[str], n: int = 3) -> list[Term]:
        """Up to `n` terms of these ontologies whose names look most like `text`, best first.

        Likeness is that of `rapidfuzz.fuzz.ratio` (normalised insertions and deletions). Costs
        milliseconds; a text longer than every name is like none.
        """
        query = fold(text)
        if len(query) > _LONGEST:
            return []
        choices = [self._choices(name) for name in dict.fromkeys(allowed)]
        # First what is spelt alike, then what has its words in another order or some of them.
        for look in (_Choices.spelt_alike, _Choices.reordered, _Choices.sharing_words):
            hits = [hit for c in choices for hit in look(c, query, 8 * n)]
            hits.sort(key=lambda hit: -hit[0])
            if found := list(dict.fromkeys(id_ for _, id_ in hits)):
                return [term for id_ in found[:n] if (term := self.term(id_))]
        return []

    def _choices(self, allowed: str) -> _Choices:
        """The names in use of one ontology, or of one term and what is below it."""
        if allowed not in self._chosen:
            import pyarrow.compute as pc

            rows, columns = self._names["row"], self._columns
            within = _strings(self._below(allowed) if ":" in allowed else [allowed])
            column = columns["id"] if ":" in allowed else columns["ontology"].cast("string")
            live = pc.invert(columns["deprecated"])  # type: ignore[attr-defined]
            mine = pc.is_in(column, within)  # type: ignore[attr-defined]
            keep = pc.take(pc.and_(live, mine), rows)  # type: ignore[attr-defined]
            names = self._names["name"].filter(keep).to_pylist()
            ids = columns["id"].take(rows.filter(keep)).to_pylist()
            for name, known in self._ours.items():
                for id_ in known:
                    term = self.term(id_)
                    if term and not term.deprecated and self.allows([allowed], term):
                        names.append(name)
                        ids.append(id_)
            self._chosen[allowed] = _Choices(names, ids)
        return self._chosen[allowed]

    def _below(self, id_: str) -> set[str]:
        """A term and all that are in use below it."""
        found, waiting = set(), [id_]
        while waiting:
            child = waiting.pop()
            if child not in found:
                found.add(child)
                waiting += self._children.get(child, ())
        return found

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {}
        columns = (self._columns[name].to_pylist() for name in ("id", "parents", "deprecated"))
        for id_, parents, deprecated in zip(*columns, strict=True):
            for parent in () if deprecated else parents:
                below.setdefault(parent, []).append(id_)
        more = {id_: term.parents for id_, term in self._overlay.terms.items()}
        for id_, parents in (*self._overlay.parents.items(), *more.items()):
            for parent in parents:
                if id_ not in below.setdefault(parent, []):
                    below[parent].append(id_)
        return below

    @cached_property
    def _names(self) -> dict[str, Any]:
        return _columns(self._read_names())

    @cached_property
    def _prefixes(self) -> dict[str, str]:
        return {name.lower(): name for name in self.versions}

    @cached_property
    def _ours(self) -> dict[str, list[str]]:
        """The names of the overlay, folded, to the ids of their terms."""
        ours: dict[str, list[str]] = {}
        said = {t.id: (t.label, *t.synonyms) for t in self._overlay.terms.values()}
        for id_, texts in (*said.items(), *self._overlay.synonyms.items()):
            for text in texts:
                ours.setdefault(fold(text), []).append(id_)
        return ours

    def _above(self, id_: str) -> list[str]:
        term = self.term(id_)
        if term is None:
            return []
        return [*term.parents, *([term.replaced_by] if term.replaced_by else [])]

    def _read(self, id_: str) -> Term | None:
        extra, upper = self._overlay.synonyms.get(id_, ()), id_ in self._overlay.upper
        if ours := self._overlay.terms.get(id_):
            return replace(ours, upper=upper)
        ids = self._columns["id"]
        at = bisect_left(range(len(ids)), id_, key=lambda i: ids[i].as_py())
        if at == len(ids) or ids[at].as_py() != id_:
            return None
        row = {name: column[at].as_py() for name, column in self._columns.items()}
        return Term(
            id=id_,
            label=row["label"],
            synonyms=(*row["synonyms"], *(s for s in extra if s not in row["synonyms"])),
            parents=tuple(dict.fromkeys([*row["parents"], *self._overlay.parents.get(id_, ())])),
            deprecated=row["deprecated"],
            replaced_by=row["replaced_by"],
            ontology=row["ontology"],
            upper=upper,
        )


@dataclass
class _Choices:
    """Names among which a misspelt one looks for its like, and beside each the id of its term."""

    names: list[str]
    ids: list[str]

    def spelt_alike(self, query: str, limit: int) -> list[tuple[float, str]]:
        """Likeness and id of the names that differ by a few letters."""
        return self._alike(query, self.names, limit)

    def reordered(self, query: str, limit: int) -> list[tuple[float, str]]:
        """Those that do so when the words of both stand in the order of the alphabet."""
        return self._alike(" ".join(sorted(query.split())), self._in_order, limit)

    def sharing_words(self, query: str, limit: int) -> list[tuple[float, str]]:
        """Those that have a word in common and are a part of `query`, or it of them."""
        from rapidfuzz import fuzz, process

        rows = sorted({row for word in _words(query) for row in self._by_word.get(word, ())})
        names = [self.names[row] for row in rows]
        hits = process.extract(query, names, scorer=fuzz.WRatio, score_cutoff=86, limit=limit)
        return [(likeness, self.ids[rows[place]]) for _, likeness, place in hits]

    def _alike(self, query: str, names: list[str], limit: int) -> list[tuple[float, str]]:
        from rapidfuzz import fuzz, process

        hits = process.extract(query, names, scorer=fuzz.ratio, score_cutoff=68, limit=limit)
        return [(likeness, self.ids[place]) for _, likeness, place in hits]

    @cached_property
    def _in_order(self) -> list[str]:
        return [" ".join(sorted(name.split())) for name in self.names]

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            for word in _words(name):
                rows.setdefault(word, []).append(row)
        return rows


def _words(name: str) -> set[str]:
    """The words of a folded name that say something."""
    return {word for word in re.findall(r"\w+", name) if len(word) > 2}


@cache
def load_ontology() -> Ontology:
    """The tables and the overlay that come with the portal."""
    terms = _table("terms")
    versions = json.loads((terms.schema.metadata or {}).get(b"versions", b"{}"))
    overlay = read_overlay(_FOLDER / "overlay.yaml")
    return Ontology(terms, partial(_table, "names"), overlay, versions)


def fold(text: str) -> str:
    """A name as names are compared: case and white space don't count."""
    return " ".join(text.lower().split())


def read_overlay(path: Path) -> Overlay:
    """The overlay as its file has it; the file says what its keys mean."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = yaml.load(path.read_text("utf-8"), Loader=loader)
    terms = {
        id_: Term(
            id=id_,
            label=said["label"],
            synonyms=_texts(said.get("synonyms")),
            parents=_texts(said.get("parents")),
            ontology=said.get("ontology", OURS),
        )
        for id_, said in data["terms"].items()
    }
    return Overlay(
        terms=terms,
        synonyms={id_: _texts(names) for id_, names in data["synonyms"].items()},
        parents={id_: _texts(above) for id_, above in data["parents"].items()},
        upper=frozenset(id_ for ids in data["upper"].values() for id_ in ids),
    )


def _texts(values: Iterable[object] | None) -> tuple[str, ...]:
    return tuple(str(v) for v in values or ())


def _strings(texts: Iterable[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(texts, pa.string())


def _table(name: str) -> pa.Table:
    import pyarrow.parquet as pq

    # Not read_table: it imports the whole of pyarrow.dataset, which costs 50 MB and a second.
    path = _FOLDER / f"{name}.parquet"
    with pq.ParquetFile(path, pre_buffer=False, memory_map=True) as file:
        return file.read(use_threads=False)


def _columns(table: pa.Table) -> dict[str, Any]:
    return {name: table[name].combine_chunks() for name in table.column_names}
