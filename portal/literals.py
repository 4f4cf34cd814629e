"""Values that are no terms: enumerations, numbers, dates, addresses, blanks; and what any reading
gives, a `Resolved` with its `Fault`s. `portal.resolve` reads terms and calls these."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from portal import entry as written_as
from portal.errors import Problem, Severity, did_you_mean
from portal.ontology import fold
from portal.record import UNKNOWN, Value
from portal.schema import SchemaField
from portal.tidy import compared, listed, read_date, read_number, shown

__all__ = [
    "READERS",
    "SAME",
    "Fault",
    "Resolved",
    "allowed_value",
    "blank",
    "ontologies_of",
    "read_bare",
    "read_enum",
    "several",
    "unless",
]

SAME = object()
"""In place of a rewriting: what is written is as it should be, or no safe rewriting is known."""
_NUMBERS = ("integer", "number")
_LARGEST_BITS = 1000
_EXACT = 2**53
"""Whole numbers below are exact in every format."""
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


def ontologies_of(field: SchemaField) -> str:
    return ", ".join(field.ontology)


def unless(written: str, label: str) -> str | None:
    return written if written != label else None


def blank(item: str, text: str) -> Resolved:
    value = Value(label=UNKNOWN, written=unless(item, UNKNOWN))
    if text.casefold() == UNKNOWN:
        return Resolved((value,))
    what = f"`{shown(item)}` says that nobody knows."
    fault = Fault("value-blank-word", "warning", what, "Write `unknown`, or leave the key out.")
    return Resolved((value,), (fault,))


def read_bare(item: bool | int | float, field: SchemaField) -> Resolved:
    """A number or a truth value, as YAML or JSON has them."""
    if isinstance(item, bool):
        value = Value(label="yes" if item else "no")
        if field.type in ("boolean", "text"):
            return Resolved((value,))
        what = f"`{str(item).lower()}` is a truth value, but the field is {_article(field)}."
        remedy = "A bare `yes` or `no` means that in YAML: put quotes around the word."
        return Resolved((value,), (Fault("value-type", "error", what, remedy),))
    if isinstance(item, float) and math.isnan(item):
        return blank("nan", "nan")
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
        text = whole if allowed_value(text, field) is None and allowed_value(whole, field) else text
        return read_enum(text, text, field)
    found = READERS[field.type](whole, whole, field)
    if field.type in _NUMBERS:  # how YAML or JSON writes a number is nobody's fault
        return Resolved(found.values, tuple(f for f in found.faults if f.code != "number-form"))
    return found


def _article(field: SchemaField) -> str:
    if field.type == "term":
        return f"a term of {ontologies_of(field)}"
    return f"an {field.type}" if field.type[0] in "aeio" else f"a {field.type}"


def several(
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


def allowed_value(text: str, field: SchemaField) -> str | None:
    """The value of an enumeration that a text stands for."""
    name = compared(fold(text))
    for value, aliases in field.values.items():
        if name in (compared(fold(a)) for a in (value, *aliases)):
            return value
    return None


def read_enum(text: str, item: str, field: SchemaField) -> Resolved:
    value = allowed_value(text, field)
    if value is not None:
        said = Value(label=value, written=unless(item, value))
        if value == item:
            return Resolved((said,))
        code = "value-case" if fold(value) == fold(text) else "value-alias"
        fault = Fault(code, "info", f"`{shown(item)}` is `{value}` here.", f"Write `{value}`.")
        return Resolved((said,), (fault,), value)
    for parts in listed(text):
        chosen = [k for p in parts if (k := allowed_value(p, field)) is not None]
        if len(chosen) == len(parts):
            values = tuple(Value(label=k, written=unless(item, k)) for k in chosen)
            return several(item, values, (), field, chosen)
    said = Value(label=text, written=unless(item, text))
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
    said, text = Value(label=text, written=unless(item, text)), shown(text)
    if read is None:
        what = f"`{text}` is no number, or could be one of two."
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
    value = Value(label=repr(plain), written=unless(item, repr(plain)))
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
        said = Value(label=text, written=unless(item, text))
        what = f"`{shown(text)}` is no date, or could be one of two."
        return Resolved((said,), (Fault("date-invalid", "error", what, "Write YYYY-MM-DD."),))
    said = Value(label=read, written=unless(item, read))
    if item == read:
        return Resolved((said,))
    fault = Fault("date-form", "info", f"`{shown(item)}` is {read}.", f"Write {read}.")
    return Resolved((said,), (fault,), read)


def _address(text: str, item: str, field: SchemaField) -> Resolved:
    said = Value(label=text, written=unless(item, text))
    try:
        written_as.check_address(text)
    except ValueError as e:
        return Resolved((said,), (Fault("address-invalid", "error", f"{e}."),))
    return Resolved((said,))


def _boolean(text: str, item: str, field: SchemaField) -> Resolved:
    word = text.casefold()
    if word not in (*_TRUE, *_FALSE):
        said = Value(label=text, written=unless(item, text))
        what = f"`{shown(text)}` is neither yes nor no."
        return Resolved((said,), (Fault("value-not-allowed", "error", what, "Write yes or no."),))
    label = "yes" if word in _TRUE else "no"
    return Resolved((Value(label=label, written=unless(item, label)),))


def _plain(text: str, item: str, field: SchemaField) -> Resolved:
    return Resolved((Value(label=text, written=unless(item, text)),))


READERS = {
    "text": _plain,
    "gene": _plain,
    "integer": _number,
    "number": _number,
    "date": _date,
    "address": _address,
    "boolean": _boolean,
}
