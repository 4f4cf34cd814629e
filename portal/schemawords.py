"""The schema in the words of its page: what a field may say, who must give it, what a slot asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from portal.ontology import OURS, load_ontology
from portal.schema import Schema, SchemaField, Slot
from portal.words import count, plain

__all__ = [
    "need_of",
    "needs_of",
    "rules_of",
    "slot_title",
    "technologies_of",
    "type_of",
]


def type_of(field: SchemaField) -> str:
    """What a field may say, in words."""
    if field.type == "term":
        known = _or([_vocabulary(name) for name in field.ontology])
        return f"A term of {known}" if known else "A term"
    if field.type == "enum":
        more = ", or another" if field.open else ""
        return f"One of {count(len(field.values), 'value')}{more}"
    if field.type in ("integer", "number"):
        word = "Whole number" if field.type == "integer" else "Number"
        unit = f" in {plain(field.unit)}" if field.unit else ""
        return f"{word}{unit}{_limits(field)}"
    return {
        "date": "Date: year, month or day",
        "address": "Web address",
        "boolean": "Yes or no",
        "gene": "Gene",
    }.get(field.type, "Text")


def _vocabulary(name: str) -> str:
    """An ontology, or a term that stands for itself and what is below it."""
    if ":" not in name:
        return "this portal’s own" if name == OURS else plain(name)
    term = load_ontology().term(name)
    return f"{name} ({term.label}) and what is below it" if term else f"{plain(name)} and below"


def _limits(field: SchemaField) -> str:
    low, high = field.minimum, field.maximum
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    if low is not None:
        return f", at least {low:g}"
    return f", at most {high:g}" if high is not None else ""


def _or(words: Sequence[str], joint: str = "or") -> str:
    return f" {joint} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def need_of(field: SchemaField) -> tuple[str, str, str]:
    """How much a field is needed: a class, a word, and who alone has it."""
    only = plain(_or(field.only, "and"))
    note = f"{only} only" if only else ""
    if field.required is True:
        return ("some", f"Required of {only}", note) if only else ("required", "Required", "")
    if field.required:
        technologies = plain(_or(field.required, "and"))
        return "some", f"Required of {technologies}", note
    return "optional", "Optional", note


def technologies_of(schema: Schema) -> list[str]:
    """Those that the schema names, in its order."""
    named: dict[str, str] = {}
    for field in schema.fields.values():
        required = () if isinstance(field.required, bool) else field.required
        for technology in (*field.only, *required):
            named.setdefault(technology.casefold(), technology)
    return list(named.values())


def needs_of(field: SchemaField, technologies: Iterable[str]) -> list[str]:
    """For each technology, and last for any other: `required`, `optional` or `absent`."""

    def need(names: frozenset[str]) -> str:
        if field.is_required(names):
            return "required"
        return "optional" if field.applies(names) else "absent"

    return [*(need(frozenset([t.casefold()])) for t in technologies), need(frozenset())]


_KINDS = {"attrs": "Attributes", "obs": "Observations", "var": "Features"}


def slot_title(key: str) -> str:
    """What kind of part a slot speaks of: `tables:table:obs` is about observations."""
    parts = key.split(":")
    part = parts[2] if parts[0] == "tables" and len(parts) == 3 else parts[0]
    return _KINDS.get(part) or part.capitalize()


def rules_of(slot: Slot) -> list[tuple[str, Sequence[str]]]:
    """What a slot asks beside its fields; what it does not ask is left out."""
    rules = [
        ("Elements", slot.elements),
        ("Axes", (" ".join(slot.axes),) if slot.axes else ()),
        ("Channels", slot.channels),
        ("Coordinate systems", slot.coordinate_systems),
        ("Unit of space", (slot.unit,) if slot.unit else ()),
    ]
    return [(label, values) for label, values in rules if values]
