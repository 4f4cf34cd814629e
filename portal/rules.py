"""What a careful reader would ask about: values that are allowed, but do not go together.

Each rule compares what an artifact says in one place with what it says in another. A rule may be
wrong, so it warns and never more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from portal.literals import Fault
from portal.ontology import OURS, Ontology, Term, fold
from portal.record import UNKNOWN, Value
from portal.resolve import ORGANISM_OF, Resolver
from portal.schema import Schema, SchemaField
from portal.tidy import is_blank, listed

__all__ = ["suspicions"]

HEALTHY = "PATO:0000461"
_ASSAYS = frozenset({"EFO", "OBI", OURS})
"""Ontologies of assays and instruments, which any field that speaks of an assay may name."""
_SAYS_HEALTHY = re.compile(
    r"(?<!non-)(?<!not )\b(healthy|non-?diseased|disease-free|unaffected)\b", re.IGNORECASE
)
_BRACKETED = re.compile(r"[(\[]\s*([^()\[\]]{1,20}?)\s*[)\]]|\b(nan)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_][\w.'-]*")
_LONGEST_NAME = 3
"""Words in the name of an organism: `naked mole rat`."""

Values = Mapping[str, Sequence[Value]]
Place = tuple[str, ...]


def suspicions(
    title: str, values: Values, schema: Schema, resolver: Resolver
) -> Iterator[tuple[Place, Fault]]:
    """Every contradiction, with the key of the entry that it is about."""
    ontology = resolver.ontology
    yield from ((("title",), f) for f in _title_and_disease(title, values))
    yield from ((("title",), f) for f in _title_and_organism(title, values, ontology))
    yield from ((("title",), f) for f in _blank_in_title(title))
    yield from _misplaced(values, schema, resolver)
    yield from _stage_and_organism(values)
    yield from _technology_and_assay(values, schema, ontology)


def _title_and_disease(title: str, values: Values) -> Iterator[Fault]:
    """The title says healthy, the disease is a diagnosis."""
    said = _SAYS_HEALTHY.search(title)
    ill = [v for v in values.get("disease", ()) if v.id != HEALTHY and v.label != UNKNOWN]
    if not said or not ill:
        return
    # "liver cancer and healthy" speaks of both.
    if any(fold(word) in fold(title) for v in ill for word in (v.label, v.written or v.label)):
        return
    what = f"The title says `{said[0]}`, the disease is `{ill[0].label}`."
    yield Fault("title-disease", "warning", what, "Correct whichever is wrong.")


def _title_and_organism(title: str, values: Values, ontology: Ontology) -> Iterator[Fault]:
    """The title names an organism that is none of the artifact's."""
    known = {v.id for v in values.get("organism", ()) if v.id}
    if not known:
        return
    related = known | {a for id_ in known for a in ontology.all_above(id_)}
    named = _organisms_in(title, ontology)
    if named and not any(
        t.id in related or known & ontology.all_above(t.id) for t in named.values()
    ):
        word, term = next(iter(named.items()))
        labels = ", ".join(v.label for v in values["organism"])
        what = f"The title says `{word}` ({term.label}), the organism is `{labels}`."
        yield Fault("title-organism", "warning", what, "Correct whichever is wrong.")


def _organisms_in(title: str, ontology: Ontology) -> dict[str, Term]:
    """The organisms that a title names, by its words; a guinea pig is no pig."""
    words = _WORD.findall(title)
    named: dict[str, Term] = {}
    for i, word in enumerate(words):
        if not _organism(word, ontology):
            continue
        around = (
            " ".join(words[start : start + n])
            for n in range(_LONGEST_NAME, 0, -1)
            for start in range(max(i - n + 1, 0), i + 1)
        )
        said, term = next((s, t) for s in around if (t := _organism(s, ontology)))
        named[said] = term
    return named


def _organism(name: str, ontology: Ontology) -> Term | None:
    return next((t for t in ontology.find(name) if t.ontology == "NCBITaxon"), None)


def _blank_in_title(title: str) -> Iterator[Fault]:
    """`Human Lung (nan)`: a blank of somebody's table has got into the title."""
    for match in _BRACKETED.finditer(title):
        word = match[1] or match[2]
        if is_blank(word):
            what = f"The title has `{match[0]}` in it, which says nothing."
            yield Fault("title-blank-word", "warning", what, "Leave it out.")


def _misplaced(values: Values, schema: Schema, resolver: Resolver) -> Iterator[tuple[Place, Fault]]:
    """A value of an open enumeration that is the name of a term which another field takes."""
    terms = {n: f for n, f in schema.fields.items() if f.type == "term"}
    for name, field in schema.fields.items():
        if field.type != "enum" or not field.open:
            continue
        for value in values.get(name, ()):
            if value.label in field.values or value.label == UNKNOWN:
                continue
            for other, taken in terms.items():
                if named := _terms_in(value.label, taken, resolver):
                    said = " and ".join(f"`{t.label}` ({t.id})" for t in named)
                    what = f"{field.label or name}: `{value.label}` is {said}."
                    remedy = f"It belongs into `{other}`; was a column shifted?"
                    fault = Fault("value-in-wrong-field", "warning", what, remedy)
                    yield ("metadata", name), fault
                    break


def _terms_in(text: str, field: SchemaField, resolver: Resolver) -> list[Term]:
    """The terms that a text names in a field, all of them; none where a part is no such term."""
    for parts in ([text], *listed(text)):
        found = [t for p in parts if (t := resolver.term_of(p, field))]
        if len(found) == len(parts):
            return [] if any(t.ontology in _ASSAYS for t in found) else found
    return []


def _stage_and_organism(values: Values) -> Iterator[tuple[Place, Fault]]:
    """A stage of human life of a mouse."""
    organisms = {v.id for v in values.get("organism", ()) if v.id}
    for value in values.get("development_stage", ()):
        of = ORGANISM_OF.get(value.ontology or "")
        if of and organisms and of not in organisms:
            labels = ", ".join(v.label for v in values["organism"])
            what = f"`{value.label}` ({value.id}) is not a stage of {labels}."
            remedy = "Take the stage from the organism's own ontology."
            yield (
                ("metadata", "development_stage"),
                Fault("stage-organism", "warning", what, remedy),
            )


def _technology_and_assay(
    values: Values, schema: Schema, ontology: Ontology
) -> Iterator[tuple[Place, Fault]]:
    """The technology is one platform, the assay is of another."""
    assays = [v for v in values.get("assay", ()) if v.id]
    field = schema.fields.get("technology", SchemaField())
    for value in values.get("technology", ()):
        names = (value.label, *field.values.get(value.label, ()))
        named = {t.id for name in names for t in ontology.find(name) if t.ontology in _ASSAYS}
        if not named or not assays:
            continue
        if not any(_related(a.id or "", named, ontology) for a in assays):
            what = f"The technology is `{value.label}`, but the assay is `{assays[0].label}`."
            remedy = "Correct whichever is wrong."
            yield ("metadata", "technology"), Fault("technology-assay", "warning", what, remedy)


def _related(id_: str, others: set[str], ontology: Ontology) -> bool:
    """Whether a term is one of `others`, or lies above or below one."""
    if id_ in others or others & ontology.all_above(id_):
        return True
    return any(id_ in ontology.all_above(o) for o in others)
