"""A column of the catalog → which rows a condition is true of. One verb: `where(operator, value)`.

A condition is `column__operator=value`. Unknown is a value: what nobody said is neither greater
nor less than anything, contains nothing, and equals `unknown`.
"""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from portal.errors import UsageError, did_you_mean

__all__ = [
    "OPERATORS",
    "UNKNOWN",
    "Column",
    "DateColumn",
    "FlagColumn",
    "NumberColumn",
    "TextColumn",
    "days_of",
    "items_of",
]

OPERATORS = {
    "": "equals",
    "ne": "does not equal; also true where nobody knows",
    "in": "is one of these",
    "gt": "is greater than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "contains": "contains this text",
    "icontains": "contains this text in any case",
    "startswith": "starts with this text",
    "istartswith": "starts with this text in any case",
    "endswith": "ends with this text",
    "isnull": "nobody knows (True), or somebody does (False)",
}
"""What may follow a column's name after `__`."""

UNKNOWN = "unknown"
"""That of `portal.record`, whose models would cost a good part of opening a portal."""

_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "icontains": lambda text, part: part.casefold() in text.casefold(),
    "startswith": str.startswith,
    "istartswith": lambda text, part: text.casefold().startswith(part.casefold()),
    "endswith": str.endswith,
}
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?(?:[T ].*)?")
_EPOCH = date(1970, 1, 1).toordinal()


class Column(ABC):
    """The values of one column, row by row. `known` says where there is one."""

    holds = "text"
    operators: Sequence[str] = ()
    """Those that make sense here besides equality, `ne`, `in` and `isnull`."""

    def __init__(self, name: str, known: np.ndarray):
        self.name = name
        self.known = known

    def where(self, op: str, value: Any) -> np.ndarray:
        """Which rows a condition is true of. Raises UsageError where it makes no sense."""
        if op == "isnull":
            if not isinstance(value, bool):
                raise UsageError(f"{self.name}__isnull is True or False, not {value!r}.")
            return ~self.known if value else self.known
        if op == "ne":
            return ~self.where("", value)
        if op == "in":
            return self.where("", items_of(value, f"{self.name}__in"))
        if op == "":
            several = isinstance(value, list | tuple | set | frozenset)
            return self._any(list(value) if several else [value])
        if op not in self.operators:
            raise UsageError(
                f"{self.name} holds {self.holds}, of which `{op}` can't be asked. "
                f"It can be asked for {', '.join(('ne', 'in', 'isnull', *self.operators))}."
            )
        return self._compare(op, value)

    def _any(self, values: list[Any]) -> np.ndarray:
        said = [value for value in values if value is not None and value != UNKNOWN]
        found = self._among(said)
        return found if len(said) == len(values) else found | ~self.known

    @abstractmethod
    def _among(self, values: list[Any]) -> np.ndarray:
        """Where the column has one of these very values."""

    @abstractmethod
    def _compare(self, op: str, value: Any) -> np.ndarray:
        """One of `operators`."""

    @abstractmethod
    def order(self) -> np.ndarray:
        """A number by row that is greater where the value is; without meaning where unknown."""

    def _wrong(self, value: Any) -> UsageError:
        return UsageError(f"{self.name} holds {self.holds}: {value!r} is none.")


class TextColumn(Column):
    """Texts, one a row or, where `rows` has the row of each item, several.

    `codes` has for each item the place of its text among the distinct ones, -1 for none. Where a
    second list of texts is given beside (ids beside labels), these equal too.
    """

    def __init__(
        self,
        name: str,
        n: int,
        distinct: list[str],
        codes: np.ndarray,
        rows: np.ndarray | None = None,
        also: TextColumn | None = None,
    ):
        self.distinct = distinct
        self.codes = codes
        self.rows = rows
        self.also = also
        self.n = n
        super().__init__(name, self._where(lambda text: text not in ("", UNKNOWN)))
        self.holds = "text" if rows is None else "lists of texts"
        self.operators = (*_TEXT, *_ORDER) if rows is None else tuple(_TEXT)

    def _where(self, test: Callable[[str], bool]) -> np.ndarray:
        """Which rows have a text for which `test` is true."""
        true = np.array([*map(test, self.distinct), False], bool)  # the last is for none: -1
        if self.rows is None:
            return true[self.codes]
        found = np.zeros(self.n, bool)
        found[self.rows[true[self.codes]]] = True
        return found

    def _among(self, values: list[Any]) -> np.ndarray:
        wanted = {self._text(value) for value in values}
        found = self._where(wanted.__contains__)
        return found | self.also._where(wanted.__contains__) if self.also else found

    def _compare(self, op: str, value: Any) -> np.ndarray:
        test, asked = _TEXT.get(op) or _ORDER[op], self._text(value)
        return self._where(lambda text: test(text, asked)) & self.known

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._wrong(value)
        return value

    def folded(self, value: str) -> np.ndarray:
        """Which rows have this text in any case."""
        wanted = value.casefold()
        return self._where(lambda text: text.casefold() == wanted)

    def order(self) -> np.ndarray:
        texts = [text.casefold() for text in self.distinct]
        place = {text: i for i, text in enumerate(sorted(set(texts)))}
        ranks = np.array([*(place[text] for text in texts), 0])
        if self.rows is None:
            return ranks[self.codes]
        found = np.zeros(self.n, np.int64)
        found[self.rows[::-1]] = ranks[self.codes[::-1]]  # the first item of each row comes last
        return found


class DateColumn(TextColumn):
    """Dates as ISO text; a year or a month stands for all its days."""

    @cached_property
    def _days(self) -> np.ndarray:
        """Days since 1970-01-01 of the distinct texts; NaN for what is no date."""
        first = [days_of(text) for text in self.distinct]
        return np.array([*(np.nan if d is None else d[0] for d in first), np.nan])

    def _among(self, values: list[Any]) -> np.ndarray:
        found, days = np.zeros(self.n, bool), self._days[self.codes]
        for first, last in map(self._asked, values):
            found |= (days >= first) & (days <= last)
        return found

    def _compare(self, op: str, value: Any) -> np.ndarray:
        if op in _TEXT:
            return super()._compare(op, value)
        first, last = self._asked(value)
        return _ORDER[op](self._days[self.codes], last if op in ("gt", "lte") else first)

    def _asked(self, value: Any) -> tuple[int, int]:
        found = days_of(value.isoformat() if isinstance(value, date) else str(value))
        if found is None:
            raise UsageError(
                f"{self.name} holds dates, as 2024, 2024-05 or 2024-05-31: {value!r} is none."
            )
        return found

    def order(self) -> np.ndarray:
        return np.nan_to_num(self._days[self.codes], nan=-np.inf)


class NumberColumn(Column):
    """Numbers."""

    holds = "numbers"
    operators = tuple(_ORDER)

    def __init__(self, name: str, values: np.ndarray, known: np.ndarray):
        super().__init__(name, known)
        self.values = values

    def _among(self, values: list[Any]) -> np.ndarray:
        return np.isin(self.values, [self._number(value) for value in values]) & self.known

    def _compare(self, op: str, value: Any) -> np.ndarray:
        return _ORDER[op](self.values, self._number(value)) & self.known

    def _number(self, value: Any) -> Any:
        if not isinstance(value, Real | np.number) or isinstance(value, bool):
            raise self._wrong(value)
        return value

    def order(self) -> np.ndarray:
        return self.values


class FlagColumn(NumberColumn):
    """Yes and no, as True and False."""

    holds = "True and False"
    operators = ()

    def _number(self, value: Any) -> bool:
        if not isinstance(value, bool | np.bool_):
            raise self._wrong(value)
        return bool(value)


def days_of(text: str) -> tuple[int, int] | None:
    """The first and last day, since 1970-01-01, that a day, a month or a year has."""
    match = _DATE.fullmatch(text.strip())
    if not match:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, day or 1).toordinal()
        if day:
            last = first
        elif month in (None, 12):
            last = date((year or 0) + 1, 1, 1).toordinal() - 1
        else:
            last = date(year or 0, month + 1, 1).toordinal() - 1
    except ValueError:
        return None
    return first - _EPOCH, last - _EPOCH


def items_of(value: Any, name: str) -> list[Any]:
    """The items of a list; a text alone is none."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UsageError(f"{name} takes a list of values, as in {name}=[{value!r}].")
    return list(value)


def split(name: str, known: Iterable[str]) -> tuple[str, str]:
    """The column and the operator of a condition. Raises UsageError for one that is not there."""
    fields = list(known)
    if name in fields:
        return name, ""
    column, _, op = name.rpartition("__")
    if column not in fields:
        asked = column if op in OPERATORS and column else name.partition("__")[0]
        raise UsageError(f"No column is called `{asked}`. {did_you_mean(asked, fields)}".rstrip())
    if op not in OPERATORS or not op:
        raise UsageError(
            f"`{name}` has no operator that there is. {did_you_mean(op, OPERATORS)}".rstrip()
        )
    return column, op
