"""What a curator wrote → the values that are meant, with every fault and the right words.

One item of an entry or of a store's attributes is resolved by the rules of its field: an ontology
term by id, label, synonym, case, white space, plural or age; an enumeration by value or alias;
numbers and dates by the ways people write them. What was written is kept in the value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from portal import entry as written_as
from portal.entry import MetadataItem
from portal.errors import Problem, Severity, did_you_mean
from portal.ontology import ONTOLOGIES, WHOLE, Ontology, Term, fold
from portal.record import UNKNOWN, Value
from portal.schema import SchemaField
from portal.tidy import (
    age_stage,
    compared,
    is_blank,
    listed,
    plural_stems,
    read_date,
    read_number,
    shown,
    tidy,
)
from portal.yamledit import flow

__all__ = ["SAME", "Fault", "Resolved", "Resolver"]

SAME = object()
"""In place of a rewriting: what is written is as it should be, or no safe rewriting is known."""
ORGANISM_OF = {"HsapDv": "NCBITaxon:9606", "MmusDv": "NCBITaxon:10090"}
"""Ontologies that speak of one organism."""

_ID = re.compile(r"([A-Za-z]+)[:_]([A-Za-z0-9.-]+)")
_IRI = re.compile(r"https?://(?:purl\.obolibrary\.org/obo|www\.ebi\.ac\.uk/efo)/([A-Za-z]+_\w+)")
_PREFIXES = {name.casefold(): name for name in (*ONTOLOGIES, "AfPO")}  # HANCESTRO has AfPO's
_NUMBERS = ("integer", "number")
_LARGEST_BITS = 1000
_EXACT = 2**53
"""Whole numbers below are exact in every format."""
_LONGEST_WRITTEN = 500
"""Of what was written so much is kept in an entry."""
_COMPOSITE_WORDS = 8
"""Longer texts are sentences, not two values put together."""
_TRUE, _FALSE = ("yes", "true", "y", "1"), ("no", "false", "n", "0")


@dataclass(frozen=True)
class Fault:
    """A problem that does not know yet where it is."""

    code: str
    severity: Severity
    what: str
    remedy: str = ""
    in_entry: str = ""
    """What else may be done in an entry, but not in an object's attributes."""

    def at(self, where: str, *, entry: bool = True) -> Problem:
        """The problem at a place: in an entry, or in an object."""
        return Problem(
            code=self.code,
            severity=self.severity,
            where=where,
            what=self.what,
            remedy=f"{self.remedy} {self.in_entry}".strip() if entry else self.remedy,
        )


@dataclass(frozen=True)
class Resolved:
    """The values that one item means (several for `lung, brain`), and what is wrong with it."""

    values: tuple[Value, ...]
    faults: tuple[Fault, ...] = ()
    rewrite: Any = SAME
    """What a curator could write instead without changing the meaning: a scalar, a mapping
    `{id, label, written}`, or a list of these."""


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
            return _bare(item, field)
        text, oddities = tidy(item)
        if is_blank(text) and _allowed(text, field) is None:
            return _blank(item, text)
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
            return _enum(text, item, field)
        return _READERS[field.type](text, item, field)

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
            return _blank(item.label, text)
        found = self._term(text, item.label, field, organisms)
        if any(v.id for v in found.values):
            return _as_written(found, item.written)
        # Words on purpose: nothing is wrong with them but that no ontology has them.
        value = Value(label=text, written=item.written or _unless(item.label, text))
        return Resolved((value,), tuple(_on_purpose(f, item.label) for f in found.faults))

    def _id_and_label(self, item: written_as.Term, text: str, field: SchemaField) -> Resolved:
        term = self._with_id(_as_id(item.id) or item.id)
        if term is None:
            value = Value(
                label=text or item.id,
                id=item.id,
                written=item.written or _unless(item.label, text),
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
        return Resolved((self._value(term, written),), tuple(faults), rewrite)

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
            return Resolved((Value(label=text, written=_unless(item, text)),), (fault,))
        faults = [*_how(how, item, term), *self._obsolete(term)]
        return Resolved(
            (self._value(term, item),),
            tuple(faults),
            SAME if term.deprecated else _as_term(term, item),
        )

    def _by_id(self, id_: str, item: str, field: SchemaField) -> Resolved:
        term = self._with_id(id_)
        if term is None:
            value = Value(label=id_, id=id_, written=_unless(item, id_), ontology=id_.split(":")[0])
            return Resolved((value,), (self._unknown_id(id_, field),))
        faults = [*self._wrong_ontology(term, field), *self._obsolete(term)]
        if not faults:
            remedy = "The label beside it is kinder to read."
            faults = [Fault("term-id-alone", "info", f"{id_} is `{term.label}`.", remedy)]
        value = self._value(term, item if item != term.id else term.label)
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
            return _listed(item, values, faults, field, rewrite)
        return None

    def _nothing(
        self, text: str, item: str, field: SchemaField, organisms: frozenset[str]
    ) -> Resolved:
        """No term is called so: say what it is instead, or what may be meant."""
        value = Value(label=text, written=_unless(item, text))
        fault = (
            self._of_another_organism(text, field, organisms)
            or self._elsewhere(text, field)
            or self._composite(text, field)
        )
        if fault is None:
            near = self.ontology.nearest(compared(text), field.ontology)
            asked = " or ".join(f"`{t.label}` ({t.id})" for t in near)
            remedy = f"Did you mean {asked}?" if near else ""
            what = f"`{shown(text)}` is the name of no term of {_ontologies(field)}."
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
            what = f"`{shown(id_)}` is {ONTOLOGIES[prefix]}; the field takes {_ontologies(field)}."
            return Fault("term-wrong-ontology", "error", what)
        if prefix in WHOLE:
            what = f"{prefix} {self.ontology.versions.get(prefix, '')} has no term `{shown(id_)}`."
            return Fault("term-id-unknown", "error", what, "Look it up with `portal terms`.")
        what = f"`{shown(id_)}` is not in the part of {prefix} that the portal has, so it is not checked."
        return Fault("term-id-unchecked", "info", what)

    def _wrong_ontology(self, term: Term, field: SchemaField) -> list[Fault]:
        if self.ontology.allows(field.ontology, term):
            return []
        what = f"`{term.label}` ({term.id}) is {_kind(term)}; the field takes {_ontologies(field)}."
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

    def _value(self, term: Term, written: str) -> Value:
        return Value(
            label=term.label,
            id=term.id,
            written=_unless(written, term.label),
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


def _ontologies(field: SchemaField) -> str:
    return ", ".join(field.ontology)


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


def _unless(written: str, label: str) -> str | None:
    return written if written != label else None


# Everything that is not a term


def _blank(item: str, text: str) -> Resolved:
    value = Value(label=UNKNOWN, written=_unless(item, UNKNOWN))
    if text.casefold() == UNKNOWN:
        return Resolved((value,))
    what = f"`{shown(item)}` says that nobody knows."
    fault = Fault("value-blank-word", "warning", what, "Write `unknown`, or leave the key out.")
    return Resolved((value,), (fault,))


def _bare(item: bool | int | float, field: SchemaField) -> Resolved:
    """A number or a truth value, as YAML or JSON has them."""
    if isinstance(item, bool):
        value = Value(label="yes" if item else "no")
        if field.type in ("boolean", "text"):
            return Resolved((value,))
        what = f"`{str(item).lower()}` is a truth value, but the field is {_article(field)}."
        remedy = "A bare `yes` or `no` means that in YAML: put quotes around the word."
        return Resolved((value,), (Fault("value-type", "error", what, remedy),))
    if isinstance(item, float) and math.isnan(item):
        return _blank("nan", "nan")
    if isinstance(item, int) and item.bit_length() > _LARGEST_BITS:
        value = Value(label=shown(hex(item), 20))
        what = f"The number has more than {_LARGEST_BITS} bits."
        return Resolved((value,), (Fault("number-invalid", "error", what),))
    text = str(item)
    is_whole = isinstance(item, float) and item.is_integer() and abs(item) < _EXACT
    whole = str(int(item)) if is_whole else text
    if field.type in ("text", "gene"):
        return Resolved((Value(label=text),))
    if field.type == "term":
        what = f"`{text}` is a number, but the field is {_article(field)}."
        fault = Fault("value-type", "error", what, "Write its name or its id.")
        return Resolved((Value(label=text),), (fault,))
    if field.type == "enum":
        text = whole if _allowed(text, field) is None and _allowed(whole, field) else text
        return _enum(text, text, field)
    found = _READERS[field.type](whole, whole, field)
    if field.type in _NUMBERS:  # how YAML or JSON writes a number is nobody's fault
        return Resolved(found.values, tuple(f for f in found.faults if f.code != "number-form"))
    return found


def _article(field: SchemaField) -> str:
    if field.type == "term":
        return f"a term of {_ontologies(field)}"
    return f"an {field.type}" if field.type[0] in "aeio" else f"a {field.type}"


def _listed(
    item: str,
    values: tuple[Value, ...],
    faults: tuple[Fault, ...],
    field: SchemaField,
    rewrite: list[Any],
) -> Resolved:
    names = shown(", ".join(f"`{v.label}`" for v in values))
    item = shown(item)
    if not field.many:
        what = f"`{item}` names {len(values)} values ({names}), but the field takes one."
        return Resolved(values, (*faults, Fault("list-not-allowed", "error", what)))
    what = f"`{item}` names {len(values)} values: {names}."
    fault = Fault("list-in-text", "info", what, "Write them as a list.")
    return Resolved(values, (*faults, fault), rewrite)


def _allowed(text: str, field: SchemaField) -> str | None:
    """The value of an enumeration that a text stands for."""
    name = compared(fold(text))
    for value, aliases in field.values.items():
        if name in (compared(fold(a)) for a in (value, *aliases)):
            return value
    return None


def _enum(text: str, item: str, field: SchemaField) -> Resolved:
    value = _allowed(text, field)
    if value is not None:
        said = Value(label=value, written=_unless(item, value))
        if value == item:
            return Resolved((said,))
        code = "value-case" if fold(value) == fold(text) else "value-alias"
        fault = Fault(code, "info", f"`{shown(item)}` is `{value}` here.", f"Write `{value}`.")
        return Resolved((said,), (fault,), value)
    for parts in listed(text):
        chosen = [k for p in parts if (k := _allowed(p, field)) is not None]
        if len(chosen) == len(parts):
            values = tuple(Value(label=k, written=_unless(item, k)) for k in chosen)
            return _listed(item, values, (), field, chosen)
    said = Value(label=text, written=_unless(item, text))
    near = _near(text, field)
    if field.open and not near:
        return Resolved((said,))
    what = f"`{shown(text)}` is none of the field's values."
    if field.open:
        remedy = f"Did you mean `{near}`?"
        return Resolved((said,), (Fault("value-unusual", "warning", what, remedy),))
    remedy = did_you_mean(shown(text), field.values)
    return Resolved((said,), (Fault("value-not-allowed", "error", what, remedy),))


def _near(text: str, field: SchemaField) -> str | None:
    """A value or alias that is misspelt as `text`, by rapidfuzz's ratio."""
    from rapidfuzz import fuzz, process

    names = [(fold(n), value) for value, also in field.values.items() for n in (value, *also)]
    choices = [n for n, _ in names]
    hit = process.extractOne(fold(text), choices, scorer=fuzz.ratio, score_cutoff=86)
    if not hit or re.sub(r"\D", "", hit[0]) != re.sub(r"\D", "", text):
        return None  # `v2.0` is no typo of `v1.0`
    return names[hit[2]][1]


def _number(text: str, item: str, field: SchemaField) -> Resolved:
    read = read_number(text)
    said, text = Value(label=text, written=_unless(item, text)), shown(text)
    if read is None:
        what = f"`{text}` is not a number that can't be misread."
        fault = Fault("number-invalid", "error", what, "Write it in digits, for example 6518.")
        return Resolved((said,), (fault,))
    number, unit = read
    if unit and compared(fold(unit)) not in _units(field):
        what = f"`{text}` is in {shown(unit)}; the field is in {field.unit or 'plain numbers'}."
        return Resolved((said,), (Fault("number-unit", "error", what, "Convert it."),))
    plain: float | int = int(number) if number.is_integer() and abs(number) < _EXACT else number
    faults = []
    if field.type == "integer" and isinstance(plain, float):
        what = "too large" if number.is_integer() else "not a whole number"
        faults.append(Fault("number-invalid", "error", f"`{text}` is {what}."))
    if field.minimum is not None and number < field.minimum:
        faults.append(Fault("number-range", "error", f"`{text}` is less than {field.minimum:g}."))
    if field.maximum is not None and number > field.maximum:
        faults.append(Fault("number-range", "error", f"`{text}` is more than {field.maximum:g}."))
    value = Value(label=repr(plain), written=_unless(item, repr(plain)))
    if faults or item == value.label:
        return Resolved((value,), tuple(faults))
    what = f"`{shown(item)}` is {value.label}."
    return Resolved((value,), (Fault("number-form", "info", what, f"Write {value.label}."),), plain)


def _units(field: SchemaField) -> set[str]:
    """The ways to write the field's unit: `µm²`, `um2`, `um^2`."""
    unit = compared(fold(field.unit)).replace("μ", "µ")
    plain = unit.replace("µ", "u").replace("²", "2").replace("³", "3")
    return {unit, unit.replace("µ", "μ"), plain, plain.replace("2", "^2"), unit.replace("²", "2")}


def _date(text: str, item: str, field: SchemaField) -> Resolved:
    read = read_date(text)
    if read is None:
        said = Value(label=text, written=_unless(item, text))
        what = f"`{shown(text)}` is not a date that can't be misread."
        return Resolved((said,), (Fault("date-invalid", "error", what, "Write YYYY-MM-DD."),))
    said = Value(label=read, written=_unless(item, read))
    if item == read:
        return Resolved((said,))
    fault = Fault("date-form", "info", f"`{shown(item)}` is {read}.", f"Write {read}.")
    return Resolved((said,), (fault,), read)


def _address(text: str, item: str, field: SchemaField) -> Resolved:
    said = Value(label=text, written=_unless(item, text))
    try:
        written_as.check_address(text)
    except ValueError as e:
        return Resolved((said,), (Fault("address-invalid", "error", f"{e}."),))
    return Resolved((said,))


def _boolean(text: str, item: str, field: SchemaField) -> Resolved:
    word = text.casefold()
    if word not in (*_TRUE, *_FALSE):
        said = Value(label=text, written=_unless(item, text))
        what = f"`{shown(text)}` is neither yes nor no."
        return Resolved((said,), (Fault("value-not-allowed", "error", what, "Write yes or no."),))
    label = "yes" if word in _TRUE else "no"
    return Resolved((Value(label=label, written=_unless(item, label)),))


def _plain(text: str, item: str, field: SchemaField) -> Resolved:
    return Resolved((Value(label=text, written=_unless(item, text)),))


_READERS = {
    "text": _plain,
    "gene": _plain,
    "integer": _number,
    "number": _number,
    "date": _date,
    "address": _address,
    "boolean": _boolean,
}
