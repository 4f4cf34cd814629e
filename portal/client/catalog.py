"""What the selections of a portal share → which rows a condition is true of. One verb: `Catalog.rows_where`.

A row is an artifact that the site lists, numbered from the oldest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from portal.client.columns import UNKNOWN, split
from portal.client.index import Index
from portal.client.source import NotThere, Source
from portal.client.tables import Row, Tables, flags_of, numbers_of
from portal.client.terms import TermColumn
from portal.client.text import TextSearch
from portal.client.vocabulary import Vocabulary, terms_from, values_from
from portal.errors import PortalError, UsageError, did_you_mean

__all__ = ["ALIASES", "Catalog"]

ALIASES = {"collection": "collections", "id": "uid", "published": "published_at"}
"""Other names of columns."""
_LISTED = ("public", "announced")
_KINDS = ("images", "labels", "points", "shapes", "tables")
_RECORDS = 20
"""So many are read at most to find who had an id before."""
_VERSION = re.compile(r"(ENS[A-Z]*G\d{11})\.\d+", re.IGNORECASE)


class _Build(BaseModel):
    """build.json: which build the site is of."""

    built_at: str = ""
    search: Annotated[str, Field(pattern=r"^search/facets-[0-9a-f]{8}\.bin$")] | None = None


class Catalog:
    """A portal's catalog with its search index, or alone where it lies in no site."""

    def __init__(self, source: Source):
        self.source = source
        build = _build_of(source)
        self.built_at = build.built_at
        if not build.built_at and not source.exists(source.catalog):
            built = not source.is_remote and source.exists(f"site/{source.catalog}")
            hint = f" Its site is {source.address('site')}: open that." if built else ""
            raise UsageError(f"{source.root} is no portal: it has no {source.catalog}.{hint}")
        self.index: Index | None = None
        dates: list[str] = []
        if build.search:
            self.index = Index(self._search_file, build.search.removeprefix("search/"))
            dates = [r.column for r in self.index.ranges if r.kind == "date"]
        self._of_site = [c.column for c in self.index.columns] if self.index else []
        self.tables = Tables(source, build.built_at, dates)
        self._facets: dict[str, Vocabulary] = {}

    @cached_property
    def places(self) -> np.ndarray:
        """The place in catalog.parquet of each row."""
        if self.index is None:
            return self._listed()
        places = self.index.catalog_rows
        if places.max(initial=-1) >= self.tables.catalog.n:
            raise PortalError(f"The search index of {self.source.root} is of another build.")
        return places

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.places) if self.index is None else self.index.n

    @cached_property
    def text(self) -> TextSearch:
        """Raises UsageError where there is no index."""
        if self.index is None:
            raise UsageError(
                "Searching needs the index of a site, and this is a catalog alone. Open the site: "
                "its address, or its folder with build.json in it."
            )
        return TextSearch(self.index)

    @cached_property
    def fields(self) -> list[str]:
        """What a condition may name."""
        names = {*self.tables.catalog.names, *self.chosen_from, *ALIASES, "elements", "genes"}
        return sorted(names)

    @cached_property
    def facets(self) -> list[str]:
        """The columns whose values the site counts; of a catalog alone, all that are chosen from."""
        return self._of_site if self.index else self.chosen_from

    @cached_property
    def chosen_from(self) -> list[str]:
        """The columns whose values are found by any of their names."""
        columns = self.tables.catalog.names
        terms = [c.removesuffix("_terms") for c in columns if c.endswith("_terms")]
        lists = [c for c in ("element_kinds", "collections") if c in columns]
        return list(dict.fromkeys([*self._of_site, *terms, *lists]))

    def chooses(self, name: str) -> bool:
        """Whether a column's values are found by any of their names. Where the index has it, the
        catalog need not be read for that."""
        return name in self._of_site or name in self.chosen_from

    def facet(self, name: str) -> Vocabulary:
        """A facet's values."""
        if name not in self._facets:
            self._facets[name] = self._facet(name)
        return self._facets[name]

    def row(self, row: int) -> Row:
        return Row(self.tables.catalog, int(self.places[row]))

    def ids(self, rows: np.ndarray) -> list[str]:
        uids = self.tables.catalog.array("uid")
        if len(rows) * 4 > len(uids):
            every = self.tables.catalog.texts("uid")
            return [every[place] for place in self.places[rows]]
        return [uids[place].as_py() for place in self.places[rows].tolist()]

    def present_id(self, former: str) -> str | None:
        """The id of the artifact that was called so once, None where there is none."""
        table = self.tables.catalog
        if "aliases" not in table.names:
            return None
        for place, aliases in enumerate(table.array("aliases").to_pylist()):
            if former in (aliases or ()):
                return table.array("uid")[place].as_py()
        return None

    # --- conditions

    def rows_where(self, condition: str, value: Any) -> tuple[str, np.ndarray]:
        """The facet that a condition chooses values of, or "", and a flag for each row.

        Raises UsageError for a column, an operator or a value that is not there.
        """
        known = condition in self._of_site
        name, op = (condition, "") if known else split(condition, self.fields)
        name = ALIASES.get(name, name)
        if name in ("elements", "genes"):
            if op:
                raise UsageError(f"`{name}` has no operators: write {name}=...")
            find = self._with_element if name == "elements" else self._with_gene
            found = [find(str(item)) for item in _listed(value)]
            combine = np.logical_or if name == "elements" else np.logical_and
            return "", combine.reduce(found) if found else np.zeros(self.n, bool)
        if op == "" and self.chooses(name):
            found = [self._with_value(name, item) for item in _listed(value)]
            return name, np.logical_or.reduce(found) if found else np.zeros(self.n, bool)
        return "", self.column(name, terms=op != "").where(op, value)[self.places]

    def column(self, name: str, *, terms: bool = False) -> Any:
        """A column of the catalog; of a field with `terms`, the list of these."""
        names = self.tables.catalog.names
        listed = f"{name}_terms"
        if listed in names and (terms or name not in names):
            name = listed
        if name not in names:
            raise UsageError(
                f"`{name}` is no column of the catalog: of it only {name}=value can be asked."
            )
        return self.tables.catalog.column(name)

    def _with_value(self, name: str, value: Any) -> np.ndarray:
        """The rows with a value of a facet, or with what the catalog itself calls so."""
        said = value is None or isinstance(value, str)
        if not said and name in self.tables.catalog.names:
            return self.column(name).where("", value)[self.places]
        text = UNKNOWN if value is None else str(value)
        vocabulary = self.facet(name)
        found = vocabulary.rows(text)
        if found is None:
            found = self._written(name, text)
        if found is None:
            found = vocabulary.rows_below(text)
        if found is None and name == "collections":
            found = self._empty_collection(text)
        if found is None and text == UNKNOWN:
            found = np.zeros(self.n, bool)
        if found is None:
            hint = vocabulary.hint(text) or f"facets()[{name!r}] has all of them."
            raise UsageError(f"Nothing in `{name}` is called {text!r} here. {hint}")
        return found

    def _written(self, name: str, text: str) -> np.ndarray | None:
        """The rows whose cell has this very text: `pass`, which the site calls otherwise."""
        if name not in self.tables.catalog.names:
            return None
        column = self.column(name)
        if not hasattr(column, "folded"):
            return None
        found = column.folded(text)
        return found[self.places] if found.any() else None

    def _empty_collection(self, text: str) -> np.ndarray | None:
        """No rows, for a collection that nothing listed is in."""
        try:
            table = self.tables.other("collections")
        except PortalError:
            return None
        known = {*table.texts("slug"), *table.texts("name")}
        return np.zeros(self.n, bool) if text in known else None

    def order_of(self, name: str) -> np.ndarray:
        """By row, less for what comes first by a column; not a number where that is unknown.

        A `-` before the name turns the order round. Raises UsageError for no column.
        """
        sign = -1.0 if name.startswith("-") else 1.0
        name = ALIASES.get(name.removeprefix("-"), name.removeprefix("-"))
        if name == "title" and self.index:
            return sign * self.index.title_ranks
        if name not in self.tables.catalog.names:
            hint = did_you_mean(name, self.tables.catalog.names)
            raise UsageError(f"The catalog has no column `{name}` to sort by. {hint}".rstrip())
        column = self.column(name)
        values = sign * column.order()[self.places]
        return np.where(column.known[self.places], values, np.nan)

    # --- what stands beside the catalog

    def _with_element(self, text: str) -> np.ndarray:
        """The rows with elements of a kind, or with one of a name."""
        table = self.tables.other("elements")
        has = table.column("kind" if text in _KINDS else "name").where("", text)
        if not has.any() and f"{text}s" in _KINDS:
            has = table.column("kind").where("", f"{text}s")
        elif not has.any() and text not in _KINDS:
            hint = did_you_mean(text, {*_KINDS, *table.texts("name")})
            raise UsageError(f"No element is called {text!r} here. {hint}".rstrip())
        return self._of(uid for uid, flag in zip(table.texts("uid"), has, strict=True) if flag)

    def _with_gene(self, text: str) -> np.ndarray:
        """The rows with a table that measures a gene, by symbol or id in any case."""
        versioned = _VERSION.fullmatch(text.strip())
        gene = versioned[1] if versioned else text.strip()
        keys = self._gene_lists(gene)
        elements = self.tables.other("elements")
        pairs = zip(elements.texts("uid"), elements.texts("gene_list"), strict=True)
        found = self._of(uid for uid, key in pairs if key in keys)
        if self.index and gene.isalnum():
            found |= self.text.gene_lists(gene.casefold())
        if not found.any():
            _must_be_a_gene(gene)
        return found

    def _gene_lists(self, gene: str) -> set[str]:
        """Keys of the lists that have a gene."""
        import pyarrow.compute

        match: Callable[..., Any] = pyarrow.compute.match_substring_regex  # type: ignore[attr-defined]
        table = self.tables.other("genes")
        keys = table.texts("gene_list")
        found: set[str] = set()
        for name in ("feature_ids", "symbols"):
            lists = table.array(name)
            pattern = rf"^{re.escape(gene)}(\.\d+)?$"
            hits = flags_of(match(lists.values, pattern=pattern, ignore_case=True))
            ends = numbers_of(lists.offsets)
            places = np.searchsorted(ends, np.flatnonzero(hits), "right") - 1
            found.update(keys[place] for place in places.tolist())
        return found

    def _of(self, uids: Iterator[str]) -> np.ndarray:
        """The rows of some ids; those that the site does not list have none."""
        flags = np.zeros(self.tables.catalog.n, bool)
        places = self.tables.place
        flags[[places[uid] for uid in uids if uid in places]] = True
        return flags[self.places]

    # --- what there is

    def _facet(self, name: str) -> Vocabulary:
        for number, column in enumerate(self.index.columns if self.index else ()):
            if self.index and column.column == name:
                return Vocabulary(column, partial(_named, self.index, number))
        build = terms_from if f"{name}_terms" in self.tables.catalog.names else values_from
        return build(self.tables.catalog, name, self.places)

    def _listed(self) -> np.ndarray:
        """What a site of this catalog would list, oldest first."""
        table = self.tables.catalog
        places = range(table.n)
        if "status" in table.names:
            status = table.texts("status")
            places = [place for place in places if status[place] in _LISTED]
        dates = table.texts("published_at") if "published_at" in table.names else [""] * table.n
        ids = table.texts("uid")
        return np.array(sorted(places, key=lambda p: (dates[p] or "", ids[p])), np.int64)

    def _search_file(self, name: str) -> bytes:
        try:
            return self.source.read(f"search/{name}")
        except NotThere as e:
            raise PortalError(
                f"{self.source.root} has no search/{name}: it was published anew. Open it again."
            ) from e


def _build_of(source: Source) -> _Build:
    """What build.json says; nothing where a catalog lies in no site."""
    try:
        return _Build.model_validate_json(source.read("build.json"))
    except NotThere:
        return _Build()
    except ValidationError as e:
        raise PortalError(f"{source.address('build.json')} is no build.json of a portal.") from e


def _named(index: Index, number: int) -> TermColumn:
    return index.named[number]


def _must_be_a_gene(name: str) -> None:
    """Raises UsageError for what is no gene of human or mouse: nobody measures it, or it is a typo."""
    from portal.genes import HUMAN, MOUSE, find_gene, suggest_genes

    if find_gene(name):
        return
    near = dict.fromkeys((*suggest_genes(name, HUMAN), *suggest_genes(name, MOUSE)))
    hint = f" Did you mean {' or '.join(map(repr, list(near)[:3]))}?" if near else ""
    raise UsageError(f"No artifact here measures {name!r}, and no gene is called so.{hint}")


def _listed(value: Any) -> list[Any]:
    """One value, or those of a list."""
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    return [value]
