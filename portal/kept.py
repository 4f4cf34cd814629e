"""Entries and records of former builds, of which most is never asked for.

A build of 10,000 artifacts of which one is new needs a little of each of the others: its place in
lists, its values, its problems. That little is kept in the notes; the rest is worked out from the
entry and its scan where something asks for it, and is the same as ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from portal.cards import said_of
from portal.columns import COLUMNS, Site
from portal.entry import Entry
from portal.errors import Problem
from portal.notes import Notes, digest
from portal.quality import identity_of
from portal.record import Products, Quality, Record, Value, store_of
from portal.search_words import gene_key_of, words_of

__all__ = ["KeptRecord", "entry_note", "kept_entry", "kept_record", "whole"]

T = TypeVar("T")

_ENTRY = ("title", "source", "url", "status", "superseded_by", "is_remote", "fields")
_ENTRY_LISTS = ("collections", "aliases", "derived_from", "lineage")
_PLAIN = (
    *("id", "title", "description", "status", "reason", "superseded_by", "validation_status"),
    *("n_obs", "n_features", "obs_noun", "url", "published"),
)
_TUPLES = ("aliases", "collections", "derived_from")
_VALUE = ("label", "id", "written", "ontology", "ontology_version", "source")
_PROBLEM = ("code", "severity", "where", "what", "remedy")
_WORKED_OUT: dict[str, Callable[[Record], Any]] = {
    "said": said_of,
    "words": words_of,
    "gene_key": gene_key_of,
    "identity": identity_of,
    "store": store_of,
}
"""What lists, search and comparisons need of a record besides its own attributes."""


class _Kept:
    """Stands for a model: what is at hand answers at once, the rest of it has to be made."""

    def __init__(
        self, hand: dict[str, Any], make: Callable[[], Any], changes: Mapping[str, Any] | None
    ) -> None:
        self.__dict__.update(hand)
        self._hand, self._make, self._changes, self._model = hand, make, changes or {}, None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy and the like ask every object for
            raise AttributeError(name)
        return getattr(self.whole, name)

    @property
    def whole(self) -> Any:
        """The model itself."""
        if self._model is None:
            model = self._make()
            self._model = model.model_copy(update=self._changes) if self._changes else model
        return self._model

    def model_copy(self, *, update: Mapping[str, Any]) -> Any:
        """The same with other attributes, as a model's own `model_copy`."""
        changes = {**self._changes, **update}
        return type(self)({**self._hand, **update}, self._make, changes)


class KeptRecord(_Kept):
    """A record; `made_from` says what it was made from."""

    made_from: str
    values: dict[str, tuple[Value, ...]]

    def key(self) -> str:
        """Changes with anything that is in the record."""
        changes = [
            value.model_dump_json() if isinstance(value, BaseModel) else repr(value)
            for value in self._changes.values()
        ]
        return digest("record", self.made_from, *self._changes, *changes)

    def first(self, field: str) -> Value | None:
        """As Record.first."""
        return Record.first(cast("Record", self), field)

    def labels(self, field: str) -> list[str]:
        """As Record.labels."""
        return Record.labels(cast("Record", self), field)


def whole(record: Record) -> Record:
    """A record with everything in it."""
    return record.whole if isinstance(record, KeptRecord) else record


def kept_entry(stored: bytes, given: Mapping[str, Any], make: Callable[[], Entry]) -> Entry:
    """An entry from what `entry_note` made of it; `given` is what the notes do not say."""
    return cast("Entry", _Kept({**json.loads(stored), **given}, make, given))


def entry_note(entry: Entry) -> bytes:
    """What of an entry every build needs."""
    said = {name: getattr(entry, name) for name in (*_ENTRY, *_ENTRY_LISTS)}
    return json.dumps(said).encode()


def kept_record(notes: Notes, key: str, make: Callable[[], Record]) -> Record:
    """The record made from what `key` says, from the notes where it was made before."""
    stored = notes.get(key)
    if stored is None:
        record = make()
        stored = _note(record)
        notes.put(key, stored)
        make = _once_made(record)
    return cast("Record", KeptRecord({**_hand(stored), "made_from": key}, make, None))


def _hand(stored: bytes) -> dict[str, Any]:
    hand = json.loads(stored)
    for name in _TUPLES:
        hand[name] = tuple(hand[name])
    hand["values"] = {
        name: tuple(_value(*v) for v in values) for name, values in hand["values"].items()
    }
    hand["problems"] = tuple(_built(Problem, _PROBLEM, p) for p in hand["problems"])
    quality = {k: tuple(v) if isinstance(v, list) else v for k, v in hand["quality"].items()}
    hand["quality"] = Quality.model_construct(None, **quality)
    return hand


def _once_made(record: Record) -> Callable[[], Record]:
    return lambda: record


def _built(model: type[T], names: tuple[str, ...], values: list[Any]) -> T:
    """A model of values that were checked when it was first made.

    As `model_construct`, which looks at every field and takes most of a build's time here.
    """
    made = model.__new__(model)
    for attribute, value in (
        ("__dict__", dict(zip(names, values, strict=True))),
        ("__pydantic_fields_set__", set(names)),
        ("__pydantic_extra__", None),
        ("__pydantic_private__", None),
    ):
        object.__setattr__(made, attribute, value)
    return made


@lru_cache(maxsize=100_000)
def _value(*said: str | None) -> Value:
    """A value of a field: artifacts share most of them."""
    return _built(Value, _VALUE, list(said))


def _note(record: Record) -> bytes:
    said: dict[str, Any] = {name: getattr(record, name) for name in (*_PLAIN, *_TUPLES)}
    said["values"] = {
        name: [[getattr(v, a) for a in _VALUE] for v in values]
        for name, values in record.values.items()
    }
    said["problems"] = [[getattr(p, a) for a in _PROBLEM] for p in record.problems]
    said["quality"] = record.quality.model_dump()
    said |= {name: work_out(record) for name, work_out in _WORKED_OUT.items()}
    said["columns"] = {}
    said["columns"] = _columns(record, json.dumps(said).encode())
    return json.dumps(said).encode()


def _columns(record: Record, stored: bytes) -> dict[str, Any]:
    """The columns of the catalog that can't be read from what is at hand."""
    hand = cast("Record", KeptRecord({**_hand(stored), "products": Products()}, _refuse, None))
    site, columns = Site("", {}), {}
    for column in COLUMNS:
        try:
            column.read(hand, site)
        except _NotAtHand:
            columns[column.name] = column.read(record, site)
    return columns


class _NotAtHand(Exception):
    pass


def _refuse() -> Record:
    raise _NotAtHand
