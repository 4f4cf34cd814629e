"""What a curator wrote → the values that are meant, with every fault and the right words.

One item of an entry or of a store's attributes is resolved by the rules of its field: an ontology
term by id, label, synonym, case, white space, plural or age; an enumeration by value or alias;
numbers and dates by the ways people write them. What was written is kept in the value.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from portal import entry as written_as
from portal.entry import MetadataItem
from portal.literals import (
    READERS,
    SAME,
    Fault,
    Resolved,
    allowed_value,
    blank,
    ontologies_of,
    read_bare,
    read_enum,
    several,
    unless,
)
from portal.ontology import ONTOLOGIES, WHOLE, Ontology, Term, fold
from portal.record import Value
from portal.schema import SchemaField
from portal.tidy import (
    age_stage,
    compared,
    is_blank,
    listed,
    plural_stems,
    shown,
    tidy,
)
from portal.yamledit import flow

__all__ = ["ORGANISM_OF", "Resolver"]

ORGANISM_OF = {"HsapDv": "NCBITaxon:9606", "MmusDv": "NCBITaxon:10090"}
"""Ontologies that speak of one organism."""

_ID = re.compile(r"([A-Za-z]+)[:_]([A-Za-z0-9.-]+)")
_IRI = re.compile(r"https?://(?:purl\.obolibrary\.org/obo|www\.ebi\.ac\.uk/efo)/([A-Za-z]+_\w+)")
_PREFIXES = {name.casefold(): name for name in (*ONTOLOGIES, "AfPO")}  # HANCESTRO has AfPO's
_LONGEST_WRITTEN = 500
"""Of what was written so much is kept in an entry."""
_COMPOSITE_WORDS = 8
"""Longer texts are sentences, not two values put together."""


class Resolver:
    """Resolves items; the same item of the same field is worked out once."""

    def __init__(self, ontology: Ontology) -> None:
        self.ontology = ontology
        # The field is kept beside what was found for it, so that its id can't be used again.
        self._known: dict[tuple[Any, ...], tuple[SchemaField, Resolved]] = {}

    def resolve(
        self,
        item: MetadataItem,
        field: SchemaField,
        *,
        source: str = "declared",
        organisms: frozenset[str] = frozenset(),
    ) -> Resolved:
        """Resolve one item of a field. `organisms` are ids that tell stages of life apart."""
        key = (id(field), type(item), item, organisms)
        if key not in self._known:
            self._known[key] = field, self._resolve(item, field, organisms)
        found = self._known[key][1]
        if source == "declared":
            return found
        return replace(
            found, values=tuple(v.model_copy(update={"source": source}) for v in found.values)
        )

    def term_of(
        self, text: str, field: SchemaField, organisms: frozenset[str] = frozenset()
    ) -> Term | None:
        """The one term that a text names in a field, None where it names none or several.

        Costs a look-up only: for the many categories of a column, where nobody asks what else
        may be meant.
        """
        plain, _ = tidy(text)
        if is_blank(plain):
            return None
        if id_ := _as_id(plain):
            term = self._with_id(id_)
            return term if term and self.ontology.allows(field.ontology, term) else None
        found = self._called(plain, field, organisms) or self._called(text, field, organisms)
        return found[0][0] if len(found) == 1 else None

    def _resolve(
        self, item: MetadataItem, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved:
        if isinstance(item, written_as.Term):
            return self._mapping(item, field, organisms)
        if not isinstance(item, str):
            return read_bare(item, field)
        text, oddities = tidy(item)
        if is_blank(text) and allowed_value(text, field) is None:
            return blank(item, text)
        if field.type == "text":  # prose is its author's: only white space around it goes
            said = item.strip()
            return Resolved((Value(label=said, written=unless(item, said)),))
        if oddities and field.type == "term" and self._is_odd_name(item, text, field, organisms):
            text, oddities = item, ()
        found = self._text(text, item, field, organisms)
        if not oddities:
            return found
        what = f"`{shown(item)}` has {' and '.join(oddities)}."
        odd = Fault("text-untidy", "warning", what, f"Write `{shown(text)}`.")
        # That it is not spelt as the term is has been said then.
        rest = tuple(
            f for f in found.faults if f.code != "term-case" or text != found.values[0].label
        )
        return replace(found, faults=(odd, *rest))

    def _is_odd_name(
        self, item: str, text: str, field: SchemaField, organisms: frozenset[str]
    ) -> bool:
        """Whether the ontology itself writes a name so, with a stop at its end."""
        return not self._called(text, field, organisms) and bool(
            self._called(item, field, organisms)
        )

    def _text(
        self, text: str, item: str, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved:
        if field.type == "term":
            return self._term(text, item, field, organisms)
        if field.type == "enum":
            return read_enum(text, item, field)
        return READERS[field.type](text, item, field)

    # Terms

    def _mapping(
        self, item: written_as.Term, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved:
        """`{id, label, written}`: an id is checked against its label, a label alone is looked up."""
        if field.type != "term":
            found = self._resolve(item.label, field, organisms)
            said = {k: v for k in ("id", "written") if (v := getattr(item, k))}
            values = tuple(v.model_copy(update=said) for v in found.values)
            return Resolved(values, found.faults)
        text, _ = tidy(item.label)
        if item.id:
            return self._id_and_label(item, text, field)
        if is_blank(text):
            return blank(item.label, text)
        found = self._term(text, item.label, field, organisms)
        if any(v.id for v in found.values):
            return _as_written(found, item.written)
        # Words on purpose: nothing is wrong with them but that no ontology has them.
        value = Value(label=text, written=item.written or unless(item.label, text))
        return Resolved((value,), tuple(_on_purpose(f, item.label) for f in found.faults))

    def _id_and_label(self, item: written_as.Term, text: str, field: SchemaField) -> Resolved:
        term = self._with_id(_as_id(item.id) or item.id)
        if term is None:
            value = Value(
                label=text or item.id,
                id=item.id,
                written=item.written or unless(item.label, text),
                ontology=item.id.partition(":")[0],
            )
            return Resolved((value,), (self._unknown_id(item.id, field),))
        written = item.written or item.label
        faults = [*self._wrong_ontology(term, field), *self._obsolete(term)]
        rewrite = SAME
        label = f"`{shown(item.label)}`"
        if _is_label(item.label, term):
            if (item.id, item.label) != (term.id, term.label):
                what = f"{item.id} `{shown(item.label)}` is {_named(term)}."
                faults.append(Fault("term-case", "info", what))
                rewrite = _as_term(term, written)
        elif compared(fold(text)) in {compared(fold(s)) for s in term.synonyms}:
            what = f"{label} is another word for {_named(term)}."
            faults.append(Fault("term-synonym", "info", what, f"Write `{term.label}`."))
            rewrite = _as_term(term, written)
        else:
            what = f"{term.id} is `{term.label}`, not {label}."
            remedy = "Correct the id or the label."
            faults.append(Fault("term-label-differs", "error", what, remedy))
        return Resolved((self.value_of(term, written),), tuple(faults), rewrite)

    def _term(
        self, text: str, item: str, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved:
        if id_ := _as_id(text):
            return self._by_id(id_, item, field)
        found = self._called(text, field, organisms)
        if not found:
            several = self._several(text, item, field, organisms)
            return several or self._nothing(text, item, field, organisms)
        term, how = found[0]
        if len(found) > 1:
            what = f"`{shown(item)}` is said of {' and of '.join(_named(t) for t, _ in found)}."
            remedy = "Write the id of the one that is meant."
            if not organisms and any(t.ontology in ORGANISM_OF for t, _ in found):
                remedy = "Name the organism, or write the id of the one that is meant."
            fault = Fault("term-ambiguous", "error", what, remedy)
            return Resolved((Value(label=text, written=unless(item, text)),), (fault,))
        faults = [*_how(how, item, term), *self._obsolete(term)]
        return Resolved(
            (self.value_of(term, item),),
            tuple(faults),
            SAME if term.deprecated else _as_term(term, item),
        )

    def _by_id(self, id_: str, item: str, field: SchemaField) -> Resolved:
        term = self._with_id(id_)
        if term is None:
            value = Value(label=id_, id=id_, written=unless(item, id_), ontology=id_.split(":")[0])
            return Resolved((value,), (self._unknown_id(id_, field),))
        faults = [*self._wrong_ontology(term, field), *self._obsolete(term)]
        if not faults:
            remedy = "The label beside it is kinder to read."
            faults = [Fault("term-id-alone", "info", f"{id_} is `{term.label}`.", remedy)]
        value = self.value_of(term, item if item != term.id else term.label)
        return Resolved((value,), tuple(faults), _as_term(term, term.label))

    def _with_id(self, id_: str) -> Term | None:
        """The term with an id, however the id is cased."""
        return self.ontology.term(id_) or next(
            (t for t in self.ontology.find(id_) if t.id.casefold() == id_.casefold()), None
        )

    def _called(
        self, text: str, field: SchemaField, organisms: frozenset[str]
    ) -> list[tuple[Term, str]]:
        """The best terms called so, with how they were found; several where nobody can tell."""
        name = fold(text)
        ways = [("name", name), *(("plural", stem) for stem in plural_stems(name))]
        if stage := age_stage(name):
            ways.append(("age", stage))
        obsolete: list[tuple[Term, str]] = []
        for how, variant in ways:
            hits = [t for t in self._find(variant) if self.ontology.allows(field.ontology, t)]
            live = [t for t in hits if not t.deprecated]
            if best := _fittest(live, variant, organisms):
                return [(t, how) for t in best]
            obsolete += [(t, how) for t in _fittest(hits, variant, organisms)]
        return obsolete[:1]

    def _find(self, text: str) -> list[Term]:
        """The terms called so, with dashes and quotes as they are written or else plain."""
        return self.ontology.find(text) or self.ontology.find(compared(text))

    def _several(
        self, text: str, item: str, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved | None:
        """A text that lists terms: `lung, brain`. None where its parts are no terms either."""
        for parts in listed(text):
            # Looked up first: what a part that is no term may mean costs more to find out.
            if not all(_as_id(p) or self._called(p, field, organisms) for p in parts):
                continue
            each = {p: self._term(p, p, field, organisms) for p in parts}
            if not all(r.values[0].id for r in each.values()):
                continue
            values = tuple(v for r in each.values() for v in r.values)
            faults = tuple(f for r in each.values() for f in r.faults if f.severity != "info")
            rewrite = [_rewritten(r, p) for p, r in each.items()]
            return several(item, values, faults, field, rewrite)
        return None

    def _nothing(
        self, text: str, item: str, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved:
        """No term is called so: say what it is instead, or what may be meant."""
        value = Value(label=text, written=unless(item, text))
        fault = (
            self._of_another_organism(text, field, organisms)
            or self._elsewhere(text, field)
            or self._composite(text, field)
        )
        if fault is None:
            near = self.ontology.nearest(compared(text), field.ontology)
            asked = " or ".join(f"`{t.label}` ({t.id})" for t in near)
            remedy = f"Did you mean {asked}?" if near else ""
            what = f"`{shown(text)}` is the name of no term of {ontologies_of(field)}."
            alone = f"If no ontology has it, write {{label: {flow(shown(text))}}}."
            fault = Fault("term-unknown", "error", what, remedy, alone)
        return Resolved((value,), (fault,))

    def _of_another_organism(
        self, text: str, field: SchemaField, organisms: frozenset[str]
    ) -> Fault | None:
        """A stage of life that other organisms have: `8 weeks` of a human."""
        found = self._called(text, field, frozenset()) if organisms else []
        if not found:
            return None
        term = found[0][0]
        what = f"`{shown(text)}` is {_named(term)}, {_kind(term)}, but the organism is another."
        remedy = "Correct the organism, or take a stage of its own."
        return Fault("stage-organism", "error", what, remedy)

    def _elsewhere(self, text: str, field: SchemaField) -> Fault | None:
        """The words name a term, but of another kind: `lung` as a disease."""
        alien = self._alien(text, field)
        return self._wrong_ontology(alien, field)[0] if alien else None

    def _alien(self, text: str, field: SchemaField) -> Term | None:
        """A term in use that is called so and that the field does not take."""
        hits = (t for t in self._find(text) if not t.deprecated)
        return next((t for t in hits if not self.ontology.allows(field.ontology, t)), None)

    def _composite(self, text: str, field: SchemaField) -> Fault | None:
        """Words that say two things: `mouse embryo`."""
        words = text.split(" ")
        if len(words) > _COMPOSITE_WORDS:
            return None
        for i in range(len(words) - 1, 0, -1):
            left, right = " ".join(words[:i]), " ".join(words[i:])
            for mine, other in ((right, left), (left, right)):
                found = self._called(mine, field, frozenset())
                alien = self._alien(other, field)
                if found and alien:
                    term = found[0][0]
                    what = f"`{shown(text)}` says two things: `{other}` is {_kind(alien)}."
                    remedy = f"Write {_named(term)} here, and `{other}` where it belongs."
                    return Fault("value-composite", "error", what, remedy)
        return None

    def _unknown_id(self, id_: str, field: SchemaField) -> Fault:
        prefix = id_.partition(":")[0]
        if prefix not in ONTOLOGIES:
            what = f"`{shown(id_)}` is of an ontology that the portal does not have."
            return Fault("term-id-unchecked", "warning", what, f"It has {', '.join(ONTOLOGIES)}.")
        if prefix not in {name.partition(":")[0] for name in field.ontology}:
            what = (
                f"`{shown(id_)}` is {ONTOLOGIES[prefix]}; the field takes {ontologies_of(field)}."
            )
            return Fault("term-wrong-ontology", "error", what)
        if prefix in WHOLE:
            what = f"{prefix} {self.ontology.versions.get(prefix, '')} has no term `{shown(id_)}`."
            return Fault("term-id-unknown", "error", what, "Look it up with `portal terms`.")
        what = f"`{shown(id_)}` is not in the part of {prefix} that the portal has, so it is not checked."
        return Fault("term-id-unchecked", "info", what)

    def _wrong_ontology(self, term: Term, field: SchemaField) -> list[Fault]:
        if self.ontology.allows(field.ontology, term):
            return []
        what = (
            f"`{term.label}` ({term.id}) is {_kind(term)}; the field takes {ontologies_of(field)}."
        )
        return [
            Fault("term-wrong-ontology", "error", what, "Put it into the field that it is for.")
        ]

    def _obsolete(self, term: Term) -> list[Fault]:
        if not term.deprecated:
            return []
        id_, passed = term.replaced_by, {term.id}
        while (new := self.ontology.term(id_ or "")) and new.deprecated and id_ not in passed:
            passed.add(new.id)  # what replaced it was replaced in its turn
            id_ = new.replaced_by
        named = _named(new) if new and not new.deprecated else None if new else id_
        remedy = f"It was replaced by {named}." if named else "No term replaces it."
        return [Fault("term-obsolete", "warning", f"{_named(term)} is obsolete.", remedy)]

    def value_of(self, term: Term, written: str) -> Value:
        """A term as a value, with what was written for it."""
        return Value(
            label=term.label,
            id=term.id,
            written=unless(written, term.label),
            ontology=term.ontology,
            ontology_version=self.ontology.versions.get(term.ontology),
        )


def _as_id(text: str) -> str | None:
    """The CURIE that a text is, in any of the ways to write one; None for a name."""
    bare = match[1] if (match := _IRI.fullmatch(text)) else text
    match = _ID.fullmatch(bare)
    prefix = _PREFIXES.get(match[1].casefold()) if match else None
    return f"{prefix}:{match[2]}" if match and prefix else None


def _fittest(terms: list[Term], name: str, organisms: frozenset[str]) -> list[Term]:
    """Of terms called the same those that fit the organism, then those whose label it is."""
    if organisms:
        terms = [t for t in terms if ORGANISM_OF.get(t.ontology) in (None, *organisms)]
        mine = [t for t in terms if ORGANISM_OF.get(t.ontology) in organisms]
        terms = mine or terms
    elif len({ORGANISM_OF[t.ontology] for t in terms if t.ontology in ORGANISM_OF}) > 1:
        return terms
    exact = [t for t in terms if _is_label(name, t)]
    return exact or terms


def _is_label(text: str, term: Term) -> bool:
    """Whether a text is the label, but for case, white space, dashes and what `tidy` changes."""
    said = {compared(fold(t)) for t in (text, tidy(text)[0])}
    return compared(fold(term.label)) in said


def _how(how: str, item: str, term: Term) -> list[Fault]:
    """How a text came to its term, where that is worth a word."""
    named = f"`{shown(item)}` is {_named(term)}."
    if how == "plural":
        return [Fault("term-plural", "info", named, f"Write `{term.label}`.")]
    if how == "age":
        return [Fault("term-age", "info", named, f"Write `{term.label}`.")]
    if item == term.label:
        return [Fault("term-without-id", "info", named, "The id beside it makes that certain.")]
    if _is_label(item, term):
        return [Fault("term-case", "info", named, f"Write `{term.label}`.")]
    return [Fault("term-synonym", "info", named, f"Write `{term.label}`.")]


def _on_purpose(fault: Fault, label: str) -> Fault:
    """What is an error of a bare text is only told of `{label: …}`."""
    if fault.code != "term-unknown":
        return replace(fault, severity="warning")
    what = f"No ontology term stands for `{shown(label)}`."
    return Fault("term-none", "warning", what, fault.remedy)


def _named(term: Term) -> str:
    return f"`{term.label}` ({term.id})"


def _kind(term: Term) -> str:
    return ONTOLOGIES.get(term.ontology, f"of {term.ontology}")


def _as_term(term: Term, written: str) -> dict[str, str]:
    said = {"id": term.id, "label": term.label}
    if written == term.label or len(written) > _LONGEST_WRITTEN:
        return said
    return {**said, "written": written}


def _as_written(found: Resolved, written: str) -> Resolved:
    """What was found for a label alone, with what its author wrote first."""
    if not written or len(found.values) != 1:
        return found
    values = (found.values[0].model_copy(update={"written": written}),)
    if found.rewrite is SAME:
        return replace(found, values=values)
    return replace(found, values=values, rewrite={**found.rewrite, "written": written})


def _rewritten(found: Resolved, text: str) -> Any:
    return text if found.rewrite is SAME else found.rewrite
