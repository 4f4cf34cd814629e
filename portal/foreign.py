"""What another catalogue says of a data set → an entry of this manifest.

`portal.importing_lamin` and `portal.importing_croissant` read files of others into `Foreign`s;
`entry_of` makes the entry: names of fields found in the schema, values resolved as curation does,
and whatever has no place counted in `Left`, so that nobody believes it was taken over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from portal.entry import Entry, MetadataItem, Term
from portal.literals import SAME
from portal.record import UNKNOWN
from portal.resolve import Resolver
from portal.schema import Schema, SchemaField
from portal.tidy import plural_stems, read_number, shown
from portal.words import slugify

__all__ = ["Foreign", "Left", "Names", "entry_of", "ids_of", "is_blank"]

_ORDER = (
    *("title", "description", "source", "url", "page", "collections", "license", "citation"),
    *("contacts", "metadata", "versions", "status", "reason", "derived_from"),
)
_MOST_VALUES = 200
"""So many values of a field are taken over: more are a table, not a description."""
_ANYTHING = SchemaField(many=True)
_NUMBERS = ("integer", "number")


@dataclass
class Left:
    """What was not taken over, each thing once, with how often it was met."""

    counts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)
    """Columns or keys that an entry has no place for, in the order in which they were met."""

    def add_key(self, name: str) -> None:
        self.keys[name] = None

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def sentences(self) -> tuple[str, ...]:
        said = [f"{what} ({n:,}×)" if n > 1 else what for what, n in self.counts.items()]
        if self.keys:
            said.append(f"no place for {', '.join(f'`{shown(k, 60)}`' for k in self.keys)}")
        return tuple(said)


@dataclass
class Foreign:
    """One data set of another catalogue."""

    key: str
    """What tells it from all others, the same in every export."""
    name: str
    """What its id is made from."""
    core: dict[str, Any] = field(default_factory=dict)
    """By the keys of an entry, as the other catalogue has it; unchecked."""
    values: dict[str, list[Any]] = field(default_factory=dict)
    """By the other catalogue's names of fields: text, numbers, truth values, or mappings
    `{id, label}`."""
    collections: dict[str, str] = field(default_factory=dict)
    """Slug to name."""


class Names:
    """Finds the field that a name of another catalogue means."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @cached_property
    def _known(self) -> dict[str, str]:
        """Every folded name of a field: its own, its label, the attributes that may hold it."""
        found: dict[str, str] = {}
        named = [(name, name) for name in self.schema.fields]
        named += [(f.label, name) for name, f in self.schema.fields.items()]
        named += [(path.rpartition(".")[2], name) for path, name in self.schema.places()]
        for text, name in named:
            found.setdefault(_folded(text), name)
        return found

    def field_of(self, name: str) -> str | None:
        """The name of the schema's field, None where it has none that is called so."""
        folded = _folded(name)
        ways = [folded, *(_folded(stem) for stem in plural_stems(folded))]
        return next((self._known[w] for w in ways if w in self._known), None)


def _folded(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "", name.casefold())


def is_blank(value: Any) -> bool:
    """Whether a cell or key holds nothing: null, NaN, empty text, an empty list."""
    if isinstance(value, float):
        return value != value
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def ids_of(found: Sequence[Foreign], taken: Collection[str] = ()) -> list[str]:
    """A valid id for each, none twice, the same whatever the order of the records.

    Of several that would be called the same, all but the first by `key` carry a hash of it; so
    does one whose id is in `taken`.
    """
    used = {*taken, "schema", "collections"}
    ids: dict[int, str] = {}
    for i in sorted(range(len(found)), key=lambda i: (found[i].key, i)):
        stem = slugify(found[i].name)[:64].strip("-") or "data-set"
        id_ = stem
        for salt in ("", *map(str, range(len(found)))):
            if id_ not in used:
                break
            id_ = f"{stem[:55].strip('-')}-{_short_hash(found[i].key + salt)}"
        used.add(id_)
        ids[i] = id_
    return [ids[i] for i in range(len(found))]


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def entry_of(foreign: Foreign, names: Names, resolver: Resolver, left: Left) -> dict[str, Any]:
    """An entry that the manifest accepts; what it does not accept is in `left`."""
    title = " ".join(_text(foreign.core.get("title") or foreign.name).split())
    if len(title) > 300:
        left.add(f"title `{shown(title, 60)}`: shortened to 300 characters")
    core: dict[str, Any] = {"title": title[:300].strip() or "Untitled"}
    for key, value in foreign.core.items():
        if key != "title" and not is_blank(kept := _fitting(key, value, left)):
            core[key] = kept
    if foreign.collections:
        core["collections"] = list(foreign.collections)
    if core.get("status") == "withdrawn" and "reason" not in core:
        core["reason"] = "Withdrawn where it came from."
    if metadata := _metadata(foreign, names, resolver, left):
        core["metadata"] = metadata
    return {key: core[key] for key in _ORDER if key in core}


def _text(value: Any) -> str:
    """Text that can be written: JSON may hold halves of characters."""
    return str(value).encode("utf-8", "replace").decode()


def _fitting(key: str, value: Any, left: Left) -> Any:
    """What of a value an entry can hold: of mappings and lists, each part for itself."""
    if isinstance(value, str):
        value = _text(value)
    if isinstance(value, Mapping) and key == "citation":
        parts = {k: v for k, v in value.items() if not is_blank(v)}
        return {k: v for k, v in parts.items() if _fits(key, {k: v}, f"{key}.{k}", v, left)}
    if isinstance(value, list):
        return [v for v in value if _fits(key, [v], key, v, left)]
    return value if is_blank(value) or _fits(key, value, key, value, left) else None


def _fits(key: str, value: Any, name: str, said: Any, left: Left) -> bool:
    more = {"reason": "-"} if value == "withdrawn" else {}
    try:
        Entry.model_validate({"title": "-", key: value, **more})
    except ValidationError as e:
        why = e.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        left.add(f"{name} `{shown(str(said), 60)}`: {shown(why)}")
        return False
    return True


def _metadata(foreign: Foreign, names: Names, resolver: Resolver, left: Left) -> dict[str, Any]:
    """Values by the schema's fields, those it has no field for under their own names."""
    given: dict[str, list[Any]] = {}
    for name, items in foreign.values.items():
        given.setdefault(names.field_of(name) or _text(name), []).extend(items)
    fields = names.schema.fields
    found: dict[str, Any] = {}
    organisms: frozenset[str] = frozenset()
    # The organism first: it tells which stages of life are meant.
    for name in sorted(given, key=lambda n: n != "organism"):
        items = _unique(i for i in given[name] if not is_blank(i))
        if len(items) > _MOST_VALUES:
            left.add(f"`{shown(name)}`: {len(items):,} values, more than {_MOST_VALUES}")
            continue
        kept = [
            written
            for item in items
            for written in _written(item, fields.get(name, _ANYTHING), resolver, organisms)
            if _fits("metadata", {name: written}, name, item, left)
        ]
        if kept:
            found[name] = kept[0] if len(kept) == 1 else _unique(kept)
        if name == "organism":
            organisms = frozenset(k["id"] for k in kept if isinstance(k, dict) and "id" in k)
    order = [*fields, *(n for n in found if n not in fields)]
    return {name: found[name] for name in order if name in found}


def _written(
    item: Any, field: SchemaField, resolver: Resolver, organisms: frozenset[str]
) -> Iterator[Any]:
    """An item as an entry says it: resolved where that is safe, else as it was written."""
    item = _item(item)
    found = resolver.resolve(item, field, organisms=organisms)
    number = read_number(item) if field.type in _NUMBERS and isinstance(item, str) else None
    if found.rewrite is not SAME:
        yield from found.rewrite if isinstance(found.rewrite, list) else [found.rewrite]
    elif number and not number[1]:
        yield int(number[0]) if number[0].is_integer() else number[0]
    elif isinstance(item, Term):
        said = item.model_dump(exclude_defaults=True)
        yield said if field.type == "term" or item.id else item.label
    elif field.type == "term" and isinstance(item, str) and _no_term(found.values):
        yield {"label": item} if len(item) <= 500 else item
    else:
        yield item


def _item(item: Any) -> MetadataItem:
    """A value as an entry can hold it: a term, a number, a truth value, else text."""
    if isinstance(item, Mapping):
        try:
            return Term(**{k: _text(v) for k, v in item.items() if not is_blank(v)})
        except (ValidationError, TypeError):
            item = item.get("label") or item.get("id")
    return item if isinstance(item, bool | int | float) else _text(item)


def _no_term(values: Iterable[Any]) -> bool:
    """Whether no ontology has the words, though they say something."""
    return any(not v.id and v.label != UNKNOWN for v in values)


def _unique(items: Iterable[Any]) -> list[Any]:
    return list({repr(item): item for item in items}.values())
