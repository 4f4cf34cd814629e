"""What a curator looks up: a word in the ontologies, the attributes of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from portal.errors import UsageError, did_you_mean
from portal.facts import StoreFacts
from portal.genes import Gene, find_gene
from portal.ontology import ONTOLOGIES, Ontology, Term, load_ontology
from portal.schema import Schema, SchemaField, read_schema
from portal.tidy import age_stage, plural_stems, tidy
from portal.values import attribute_at, default_resolver
from portal.words import plain

__all__ = ["AttributeRow", "Found", "attribute_table", "look_up"]

_SHOWN = 12


@dataclass(frozen=True)
class Found:
    """The terms and genes that a word names, or, where there are none, the nearest terms."""

    word: str
    terms: tuple[Term, ...]
    genes: tuple[Gene, ...]
    nearest: tuple[Term, ...]
    fields: Mapping[str, tuple[str, ...]]
    """By term id the fields of the schema that take it."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        ontology = load_ontology()

        def told(term: Term) -> dict[str, Any]:
            return {
                "id": term.id,
                "label": term.label,
                "ontology": term.ontology,
                "ontology_version": ontology.versions.get(term.ontology),
                "synonyms": list(term.synonyms),
                "parents": list(ontology.parents(term.id)),
                "children": list(ontology.children(term.id)),
                "deprecated": term.deprecated,
                "replaced_by": term.replaced_by,
                "fields": list(self.fields.get(term.id, ())),
            }

        return {
            "word": self.word,
            "terms": [told(t) for t in self.terms],
            "genes": [{"id": g.id, "symbol": g.symbol, "organism": g.organism} for g in self.genes],
            "nearest": [told(t) for t in self.nearest],
        }

    def tree(self) -> Tree:
        """For the terminal."""
        ontology = load_ontology()
        root = Tree(f"[b]{escape(self.word)}[/b]", highlight=False)
        for term in self.terms:
            self._term(root, term, ontology)
        for gene in self.genes:
            label = ontology.term(gene.organism)
            root.add(
                f"gene {escape(gene.symbol or gene.id)} [dim]{gene.id}[/], {label.label if label else gene.organism}"
            )
        if not self.terms and not self.genes:
            branch = root.add("No term is called so." + (" The nearest:" if self.nearest else ""))
            for term in self.nearest:
                branch.add(_line(term))
        return root

    def _term(self, root: Tree, term: Term, ontology: Ontology) -> None:
        version = ontology.versions.get(term.ontology, "")
        branch = root.add(f"{_line(term)} [dim]{escape(f'{term.ontology} {version}'.strip())}[/]")
        branch.add(f"what it is: {ONTOLOGIES.get(term.ontology, term.ontology)}")
        if term.deprecated:
            new = ontology.term(term.replaced_by) if term.replaced_by else None
            branch.add(f"[red]obsolete[/], replaced by {_line(new) if new else 'none'}")
        if taken := self.fields.get(term.id):
            branch.add(f"fields that take it: {', '.join(taken)}")
        if term.synonyms:
            more = f" and {len(term.synonyms) - _SHOWN} more" if len(term.synonyms) > _SHOWN else ""
            branch.add(f"also called: {escape(', '.join(term.synonyms[:_SHOWN]))}{more}")
        at = branch.add("tree")
        for step in _line_up(term.id, ontology):
            at = at.add(_line(step))
        at = at.add(f"[b]{_line(term)}[/b]")
        children = ontology.children(term.id)
        for child in children[:_SHOWN]:
            if below := ontology.term(child):
                at.add(_line(below))
        if len(children) > _SHOWN:
            at.add(f"[dim]and {len(children) - _SHOWN} more[/]")


def _line(term: Term) -> str:
    return f"{escape(term.label)} [dim]{escape(term.id)}[/]"


def _line_up(id_: str, ontology: Ontology) -> list[Term]:
    """One way down to a term, the broadest first: by the parent with most above it."""
    way: list[Term] = []
    at, seen = id_, {id_}
    while parents := [p for p in ontology.parents(at) if p not in seen]:
        at = max(parents, key=lambda p: (len(ontology.ancestors(p)), p))
        seen.add(at)
        if term := ontology.term(at):
            way.append(term)
    return way[::-1]


def look_up(word: str, field: str | None = None, folder: Path | None = None) -> Found:
    """Look up a word as an entry's value would be; `folder` is the manifest with its schema.

    Raises UsageError for a field that the schema does not have or that takes no terms.
    """
    schema = _schema(folder)
    fields = {n: f for n, f in schema.fields.items() if f.type == "term"}
    if field is not None and field not in fields:
        raise UsageError(f"No field {field!r} takes terms. {did_you_mean(field, fields)}")
    ontology = load_ontology()
    allowed = list(fields[field].ontology) if field else list(ONTOLOGIES)
    hits = _called(word, ontology, allowed if field else None)
    hits.sort(key=lambda t: (t.deprecated, t.label.casefold() != word.casefold(), t.id))
    genes = () if field else tuple(find_gene(word))
    nearest = () if hits or genes else tuple(ontology.nearest(word, allowed, n=5))
    taken = {
        t.id: tuple(n for n, f in fields.items() if ontology.allows(f.ontology, t))
        for t in (*hits, *nearest)
    }
    return Found(word, tuple(hits), genes, nearest, taken)


def _called(word: str, ontology: Ontology, allowed: Sequence[str] | None) -> list[Term]:
    """Terms by id or name, else by the singular or the stage of an age; obsolete ones as well."""
    text, _ = tidy(word)
    folded = text.casefold()
    variants = [text, *plural_stems(folded), *([stage] if (stage := age_stage(folded)) else [])]
    hits: dict[str, Term] = {}
    for variant in variants:
        found = ontology.find(variant)
        hits |= {t.id: t for t in found if allowed is None or ontology.allows(allowed, t)}
        if not all(t.deprecated for t in hits.values()):
            break
    return list(hits.values())


def _schema(folder: Path | None) -> Schema:
    own = folder / "schema.yaml" if folder else None
    return read_schema(own if own and own.is_file() else None)[0] or Schema()


@dataclass(frozen=True)
class AttributeRow:
    """One attribute, flattened; the field that it fills, and how its value is understood."""

    name: str
    value: Any
    field: str = ""
    read_as: str = ""

    @property
    def text(self) -> str:
        """The value on one line, without what could steer a terminal."""
        items = self.value if isinstance(self.value, list) else [self.value]
        text = ", ".join("" if i is None else str(i) for i in items)
        return plain(" ".join(text.split()))

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "attribute": self.name,
            "value": self.value,
            "field": self.field or None,
            "read_as": self.read_as or None,
        }


def attribute_table(
    facts: StoreFacts, folder: Path | None = None, *, key: str | None = None, sep: str = "_"
) -> list[AttributeRow]:
    """The root attributes of a store, nested ones flattened as `SpatialData.get_attrs` does.

    Raises UsageError for a key that the store does not have.
    """
    attributes = facts.attributes
    if key is not None and key not in attributes:
        raise UsageError(f"The store has no attribute {key!r}. {did_you_mean(key, attributes)}")
    schema = _schema(folder)
    places = {tuple(place.split(".")): name for place, name in schema.places()}
    organisms = _organisms(facts, schema)
    rows = []
    for path, value in _leaves(attributes if key is None else {key: attributes[key]}, ()):
        name = places.get(path, "")
        shown = path if key is None or len(path) == 1 else path[1:]
        read = _read_as(value, schema.fields[name], organisms) if name else ""
        rows.append(AttributeRow(_joined(shown, sep), value, name, read))
    return rows


def _joined(path: tuple[str, ...], sep: str) -> str:
    """The keys as one name; before the first that is not empty stands no separator."""
    name = ""
    for key in path:
        name = f"{name}{sep}{key}" if name else key
    return name


def _leaves(
    value: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, (*path, key))
        else:
            yield (*path, key), inner


def _organisms(facts: StoreFacts, schema: Schema) -> frozenset[str]:
    field = schema.fields.get("organism")
    if field is None:
        return frozenset()
    said = (attribute_at(facts, place) for place in field.found_in)
    items = [i for value in said for i in (value if isinstance(value, list) else [value])]
    found = (default_resolver().term_of(i, field) for i in items if isinstance(i, str))
    return frozenset(t.id for t in found if t)


def _read_as(value: Any, field: SchemaField, organisms: frozenset[str]) -> str:
    items: Sequence[Any] = value if isinstance(value, list) else [value]
    said = []
    for item in items:
        if not isinstance(item, str | bool | int | float) or item == "":
            continue
        found = default_resolver().resolve(item, field, organisms=organisms)
        faults = [f for f in found.faults if f.severity != "info"]
        said += [f"{v.label} ({v.id})" if v.id else v.label for v in found.values]
        said += [f"{f.code}: {f.remedy or f.what}" for f in faults]
    return "; ".join(said)
