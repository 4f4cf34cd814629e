"""Text as people write it → text that can be compared: white space, look-alikes, blank words.

Nothing here knows a field or an ontology. What was changed is told, so that a curator hears of a
letter that only looks like another.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime

__all__ = [
    "age_stage",
    "compared",
    "is_blank",
    "listed",
    "plural_stems",
    "read_date",
    "read_number",
    "shown",
    "tidy",
]

# Soft hyphens, zero-width characters, directions of writing, controls, halves of characters.
_INVISIBLE = re.compile(
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
    r"\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\ud800-\udfff]"
)
_SPACES = re.compile(r"[^\S \n]")
_DASHES = str.maketrans(
    dict.fromkeys("‐‑‒–—−", "-") | {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"'}
)
# Letters of other scripts that look just like Latin ones (Unicode's confusables, the plain ones).
_LOOKALIKES = {
    **dict(
        zip("АВЕЅІЈКМНОРСТУХаеѕіјорсухԁԛѡ", "ABESIJKMHOPCTYXaesijopcyxdqw", strict=True)
    ),  # Cyrillic
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True)),  # Greek
}
_AS_LATIN = str.maketrans(_LOOKALIKES)
_LATIN = re.compile(r"[A-Za-z]")
_BLANK = frozenset(
    [
        "unknown",
        "unkown",
        "nan",
        "na",
        "n/a",
        "n.a.",
        "n.d.",
        "none",
        "null",
        "nil",
        "-",
        "--",
        "—",
        "?",
        "??",
        ".",
        "tbd",
        "todo",
        "missing",
        "undefined",
        "unspecified",
    ]
) | {
    "",
    "not available",
    "not applicable",
    "not provided",
    "not specified",
    "not known",
    "not determined",
    "not reported",
    "no data",
    "to be determined",
}
# How values are listed in a text, the safest way first: `H&E` may be one of them.
_SEPARATORS = (
    re.compile(r"\s*[|;,]\s*"),
    re.compile(r"\s*[|;/,+&]\s*|\s+(?:and|with)\s+", re.IGNORECASE),
)
_NUMBER = re.compile(
    r"([+-]?)([1-9]\d{0,2}([,\u202f\u00a0 ])\d{3}(?:\3\d{3})*|\d+)(\.\d+)?(?:[eE]([+-]?\d{1,3}))?"
)
_UNIT = re.compile(r"\s*([^\d\s].*)")
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y",
    "%B %d %Y", "%b %d %Y",
)  # fmt: skip
_AGE = re.compile(
    r"(?P<n>\d{1,3})[\s-]*(?P<unit>d|day|wk|w|week|mo|month|y|yr|year)s?(?:[\s-]*(?:old|of age))?",
    re.IGNORECASE,
)
_UNITS = {"d": "day", "w": "week", "wk": "week", "mo": "month", "y": "year", "yr": "year"}


def tidy(text: str) -> tuple[str, tuple[str, ...]]:
    """`text` as it is compared and shown, and in words what was wrong with it.

    White space becomes single spaces, invisible characters go, letters that look like Latin
    ones become these among Latin ones, dots at the end go.
    """
    faults = []
    visible = _INVISIBLE.sub("", text)
    if visible != text:
        faults.append("invisible characters")
    if _SPACES.search(visible):
        faults.append("white space that is no plain space")
    spaced = " ".join(visible.split())
    if not faults and spaced != visible:
        faults.append("too much white space")
    composed = unicodedata.normalize("NFC", spaced)
    plain = unicodedata.normalize("NFC", " ".join(_latin(composed.split(" "))))
    if plain != composed:
        faults.append("letters of another script that look like Latin ones")
    ended = _without_end(plain)
    if ended != plain:
        faults.append("a stop at the end")
    return ended, tuple(faults)


def _latin(words: Sequence[str]) -> Iterator[str]:
    """Words of mixed script in Latin letters; full-width letters count as Latin.

    A word of nothing but look-alikes is Latin where all others are: `T cell` with a Cyrillic T.
    """
    wide = ["".join(_narrow(c) for c in word) for word in words]
    letters = ["".join(c for c in word if c.isalpha()) for word in wide]
    others = [word for word in letters if not all(c in _LOOKALIKES for c in word)]
    among_latin = bool(others) and all(map(_LATIN.search, others))
    for word in wide:
        yield word.translate(_AS_LATIN) if among_latin or _LATIN.search(word) else word


def _narrow(char: str) -> str:
    return unicodedata.normalize("NFKC", char) if "\uff01" <= char <= "\uff5e" else char


def _without_end(text: str) -> str:
    """Without stops at the end, but for those of abbreviations (`E. coli sp.`) and `...`."""
    bare = text.rstrip(".,;: ")
    last = bare.rpartition(" ")[2]
    if not bare or (text == bare + "." and (len(last) <= 3 or "." in last)):
        return text
    return bare


def shown(text: str, longest: int = 200) -> str:
    """A text as messages show it: not too long, and what nobody sees spelt out."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def listed(text: str) -> Iterator[list[str]]:
    """The ways to read a tidy text as a list of several things, the safest first."""
    before: list[str] = []
    for separator in _SEPARATORS:
        parts = [part for part in separator.split(text) if part]
        if len(parts) > 1 and parts != before:
            yield parts
        before = parts


def compared(text: str) -> str:
    """A tidy text with typographic dashes and quotes as plain ones."""
    return text.translate(_DASHES)


def is_blank(text: str) -> bool:
    """Whether a tidy text says only that nobody knows: `unknown`, `(nan)`, `N/A`."""
    bare = text.casefold().strip()
    return bare in _BLANK or bare.strip("()[]<>\"'").strip() in _BLANK


def read_number(text: str) -> tuple[float, str] | None:
    """A number as people write it (`6,518`, `18085.0`, `1.2e3`), and what follows: its unit.

    None where it is none or too large for one, or where a comma could be a decimal one (`6,5`).
    """
    text = compared(text)
    match = _NUMBER.match(text)
    if not match:
        return None
    sign, whole, _, fraction, power = match.groups()
    rest = text[match.end() :]
    unit = "" if not rest.strip() else m[1] if (m := _UNIT.fullmatch(rest)) else None
    if unit is None or unit.startswith((",", ".", "-")):
        return None
    digits = re.sub(r"\D", "", whole)
    number = float(f"{sign}{digits}{fraction or ''}e{power or 0}")
    return (number, unit.strip()) if math.isfinite(number) else None


def read_date(text: str) -> str | None:
    """A date as YYYY[-MM[-DD]], from the ways of writing it that can't be misread.

    None for what is no date, and for `10/05/2023`, which is one of two.
    """
    text = text.strip()
    if re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        padded = (text + "-01-01")[:10]
        return text if _is_date(padded) else None
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ][\d:.,]+(Z|[+-][\d:]+)?", text) and _is_date(text[:10]):
        return text[:10]
    return None


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def plural_stems(name: str) -> list[str]:
    """What a folded name may be the plural of: `ovaries` → `ovary`."""
    stems = []
    if name.endswith("ies") and len(name) > 5:
        stems.append(name[:-3] + "y")
    if name.endswith("es") and len(name) > 5:
        stems += [name[:-2] + "is", name[:-2]]
    if name.endswith("s") and not name.endswith(("ss", "us", "is")) and len(name) > 3:
        stems.append(name[:-1])
    return stems


def age_stage(name: str) -> str | None:
    """An age as the developmental ontologies call it: `8 weeks` → `8-week-old stage`."""
    match = _AGE.fullmatch(name)
    if not match:
        return None
    unit = match["unit"].lower()
    return f"{int(match['n'])}-{_UNITS.get(unit, unit)}-old stage"
