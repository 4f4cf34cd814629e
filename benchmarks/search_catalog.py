"""A made catalog of any size for the search benchmark: the same size gives the same rows.

Artifacts come in studies, as in life: those of a study share donors, a collection, authors and
mostly technology, assay, organism and licence, and vary in tissue, disease and cell types. What
is frequent follows Zipf's law, for terms as for words. Everything is computed by column, so that
a million rows take a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute

from benchmarks.search_vocabulary import Term, made_words, surnames, vocabularies
from portal.facettree import above as ancestors
from portal.facettree import parents_first, shown_terms

__all__ = ["RANGES", "Catalog", "Column", "above", "cards_of", "documents", "make_catalog"]

pc: Any = pyarrow.compute  # its functions are made at run time
Ints = np.ndarray[Any, np.dtype[np.int32]]
_FIRST_DAY, _LAST_DAY = (date(y, 1, 1).toordinal() - 719163 for y in (2016, 2026))
_PANELS = (300, 377, 480, 1_000, 5_001, 6_175, 18_085, 20_000)
_NOUNS = ("cells", "spots", "bins", "nuclei")
_STATUS = ("passed all checks", "warnings", "errors", "not scanned")
_LICENSES = ("CC-BY-4.0", "CC0-1.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "MIT", "ODbL-1.0", "custom")
_KINDS = ("images", "shapes", "tables", "labels", "points")


@dataclass
class Column:
    """A facet: its terms and which of them each row names itself, as offsets and codes."""

    column: str
    label: str
    kind: Literal["term", "value"]
    terms: list[Term]
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    codes: Ints

    def first(self) -> pa.Array:
        """The label of each row's first term."""
        labels = pa.array([t.label for t in self.terms])
        return labels.take(pa.array(self.codes[self.offsets[:-1]]))

    def labels(self, row: int) -> list[str]:
        """The labels of a row's own terms."""
        part = self.codes[self.offsets[row] : self.offsets[row + 1]]
        return [self.terms[c].label for c in part]


@dataclass
class Catalog:
    """All rows, oldest first, by column."""

    n: int
    ids: pa.Array
    columns: list[Column]
    ranges: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    texts: dict[str, pa.Array]
    gene_lists: list[list[str]]
    gene_list: Ints
    nouns: np.ndarray[Any, np.dtype[np.int8]]

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.column == name)


def make_catalog(n: int) -> Catalog:
    """`n` rows; nothing in them depends on the machine or the day."""
    rng = np.random.default_rng([20_260, n])
    study = _studies(rng, n)
    n_studies = int(study[-1]) + 1
    # The last study of the collection is the newest: days ascend with the rows.
    days = np.sort(_FIRST_DAY + (rng.beta(3, 1.2, n_studies) * (_LAST_DAY - _FIRST_DAY)))
    published = days.astype(np.int64)[study]

    columns = _term_columns(rng, study)
    columns.append(_flat(rng, "element_kinds", "Elements", _KINDS, study, most=5))
    names = [f"{w.capitalize()} atlas {i}" for i, w in enumerate(made_words(2_100)[100:])]
    n_collections = max(4, int(1.5 * np.sqrt(n)))
    columns.append(
        _flat(rng, "collections", "Collection", names[:n_collections], study, keep=1, most=2)
    )
    columns.append(_flat(rng, "license", "Licence", _LICENSES, study, unknown=0.1, s=1.4))
    columns.append(
        _flat(rng, "validation_status", "Validation", _STATUS, study, unknown=0, keep=0.3, s=1.6)
    )
    years = (published.astype("datetime64[D]").astype("datetime64[Y]").astype(int)) + 1970
    columns.append(_years(years))
    for column in columns:
        _by_frequency(column)

    panel = _pick(rng, len(_PANELS), n_studies, 0.7)[study]
    n_obs = np.exp(rng.normal(10.5, 1.7, n)).astype(np.int64) + 50
    n_features = np.array(_PANELS)[panel]
    size = (n_obs * np.exp(rng.normal(9, 1, n))).astype(np.int64)
    unknown = rng.random(n) < 0.06
    catalog = Catalog(
        n=n,
        ids=pc.binary_join_element_wise(_numbers(study, 6, "s"), _numbers(np.arange(n), 7), "-"),
        columns=columns,
        ranges={
            "n_obs": np.where(unknown, -1, n_obs),
            "n_features": np.where(unknown, -1, n_features),
            "size_bytes": size,
            "published_at": published,
        },
        texts={},
        gene_lists=_gene_lists(),
        gene_list=np.where(unknown, -1, panel).astype(np.int32),
        nouns=rng.integers(0, len(_NOUNS), n_studies).astype(np.int8)[study],
    )
    catalog.texts = _texts(rng, catalog, study)
    return catalog


def _studies(rng: np.random.Generator, n: int) -> Ints:
    """The study of each row, ascending; eight rows a study in the mean."""
    sizes = rng.geometric(1 / 8, n // 4 + 10)
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[:n]


def _pick(rng: np.random.Generator, n_terms: int, size: int, s: float) -> Ints:
    """Numbers below `n_terms`, the first most often: as Zipf's law says."""
    weight = 1 / np.arange(1, n_terms + 1) ** s
    steps = np.cumsum(weight / weight.sum())
    return np.searchsorted(steps, rng.random(size)).clip(max=n_terms - 1).astype(np.int32)


def _term_columns(rng: np.random.Generator, study: Ints) -> list[Column]:
    """The facets that are vocabularies. `keep`: how often a row has what its study has.

    So spread that a hundred rows have some twenty tissues and diseases, as the default collection.
    """
    shape = {  # most a row, keep, Zipf's exponent, unknown
        "technology": (1, 0.95, 0.9, 0.03),
        "assay": (2, 0.9, 1.0, 0.03),
        "organism": (1, 1.0, 1.8, 0.01),
        "tissue": (3, 0.8, 1.3, 0.04),
        "disease": (2, 0.8, 1.4, 0.1),
        "cell_type": (14, 0.9, 1.1, 0.25),
        "development_stage": (2, 0.8, 1.2, 0.3),
    }
    made = []
    for name, (most, keep, s, unknown) in shape.items():
        label, terms, named = vocabularies()[name]
        column = _column(rng, name, label, "term", terms, study, most, keep, s, unknown, named)
        made.append(column)
    return made


def _flat(
    rng: np.random.Generator,
    name: str,
    label: str,
    values: Sequence[str],
    study: Ints,
    *,
    most: int = 1,
    keep: float = 0.8,
    s: float = 1.0,
    unknown: float = 0.02,
) -> Column:
    terms = [Term(v) for v in values]
    return _column(rng, name, label, "value", terms, study, most, keep, s, unknown)


def _column(
    rng: np.random.Generator,
    name: str,
    label: str,
    kind: Literal["term", "value"],
    terms: list[Term],
    study: Ints,
    most: int,
    keep: float,
    s: float,
    unknown: float,
    named: int = 0,
) -> Column:
    """Draw a pool of terms a study, and for each row part of it; the last term is `unknown`.

    Only the first `named` terms are drawn: the others are there because they are above these.
    """
    n, n_studies, n_terms = len(study), int(study[-1]) + 1, len(terms)
    named = named or n_terms
    pool = _pick(rng, named, n_studies * most, s).reshape(n_studies, most)
    many = np.minimum(rng.geometric(0.55 if most <= 5 else 0.16, n), most)
    rows = np.repeat(np.arange(n), many)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
    codes = pool[study[rows], place]
    fresh = rng.random(len(rows)) >= keep
    codes[fresh] = _pick(rng, named, int(fresh.sum()), s)
    # Of a whole study nobody said, and here and there of one artifact.
    nobody = (rng.random(n_studies) < unknown)[study] | (rng.random(n) < unknown / 4)
    codes = np.where(nobody[rows], n_terms, codes)
    pairs = np.unique(rows * np.int64(n_terms + 1) + codes)
    rows, codes = pairs // (n_terms + 1), (pairs % (n_terms + 1)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    return Column(name, label, kind, [*terms, Term("unknown")], offsets.astype(np.int64), codes)


def _years(years: np.ndarray[Any, Any]) -> Column:
    known, codes = np.unique(years, return_inverse=True)
    offsets = np.arange(len(years) + 1, dtype=np.int64)
    terms = [Term(str(y)) for y in known]
    return Column("year", "Year", "value", terms, offsets, codes.astype(np.int32))


def _by_frequency(column: Column) -> None:
    """Order terms by the rows below them and leave out those without, as a site does."""
    below = [above(column.terms, i) for i in range(len(column.terms))]
    rows = np.repeat(np.arange(len(column.offsets) - 1), np.diff(column.offsets))
    width = max(map(len, below))
    table = np.full((len(below), width), -1, np.int64)
    for i, found in enumerate(below):
        table[i, : len(found)] = found
    count = np.zeros(len(below), np.int64)
    for start in range(0, len(rows), 200_000):  # cuts may split a row: only the order is at stake
        part = slice(start, start + 200_000)
        all_ = table[column.codes[part]]
        pairs = rows[part, None] * len(below) + all_
        count += np.bincount(np.unique(pairs[all_ >= 0]) % len(below), minlength=len(below))
    labels = [t.label for t in column.terms]
    kept = [i for i in range(len(below)) if count[i]]
    kept.sort(key=lambda i: (labels[i] == "unknown", -count[i], labels[i].casefold()))
    number = {old: new for new, old in enumerate(kept)}
    named = set(np.unique(column.codes).tolist())
    parents = [tuple(number[p] for p in column.terms[i].parents) for i in kept]
    order = parents_first(ancestors(parents), [column.terms[i].id or "" for i in kept])
    shown = shown_terms(parents, order, [number[i] for i in named])
    terms = [column.terms[i] for i in kept]
    column.terms = [
        Term(t.label, t.id, t.synonyms, parents[i], shown[i]) for i, t in enumerate(terms)
    ]
    renumber = np.full(len(below), -1, np.int32)
    renumber[kept] = np.arange(len(kept))
    column.codes = renumber[column.codes]
    column.codes = column.codes[np.lexsort((column.codes, rows))]


def above(terms: Sequence[Term], i: int) -> list[int]:
    """A term with all that it is part of."""
    found, todo = {i}, [i]
    while todo:
        for p in terms[todo.pop()].parents:
            if p not in found:
                found.add(p)
                todo.append(p)
    return sorted(found)


@cache
def _gene_lists() -> list[list[str]]:
    """Lists that share genes, as panels do: symbols and ids."""
    rng = np.random.default_rng(7)
    letters = np.array(list("ABCDEFGHIKLMNPRSTVXYZ"))
    stems = letters[rng.integers(0, len(letters), (22_000, 4))]
    lengths, numbers = rng.integers(2, 5, 22_000), rng.integers(1, 40, 22_000)
    symbols = ["".join(s[:k]) + str(x) for s, k, x in zip(stems, lengths, numbers, strict=True)]
    lists = []
    for size in _PANELS:
        chosen = rng.choice(22_000, size, replace=False)
        lists.append(sorted({symbols[i] for i in chosen} | {f"ENSG{i:011d}" for i in chosen}))
    return lists


def _numbers(values: np.ndarray[Any, Any], width: int, before: str = "") -> pa.Array:
    text = pc.utf8_lpad(pa.array(values).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(before), text, "") if before else text


def _texts(rng: np.random.Generator, catalog: Catalog, study: Ints) -> dict[str, pa.Array]:
    n, n_studies = catalog.n, int(study[-1]) + 1
    at = pa.array(study)
    donor = _numbers(rng.integers(1, max(9, n // 6), n), 5, "D")
    accession = _numbers(100_000 + rng.permutation(n_studies), 6, "GSE")
    doi = pc.binary_join_element_wise(
        pa.scalar("10"),
        pc.binary_join_element_wise(
            pa.array(rng.integers(1000, 1300, n_studies)).cast(pa.string()),
            _numbers(rng.integers(0, 10**8, n_studies), 8),
            "/s",
        ),
        ".",
    )
    many = rng.integers(3, 9, n_studies)
    cut = pa.array(np.concatenate([[0], np.cumsum(many)]).astype(np.int32))
    names = pa.array(surnames())
    drawn = names.take(pa.array(_pick(rng, len(names), int(many.sum()), 0.6)))
    authors = pc.binary_join(pa.ListArray.from_arrays(cut, drawn), ", ")
    pmid = _numbers(rng.integers(25_000_000, 41_000_000, n_studies), 8)
    first = {name: catalog.column(name).first() for name in ("assay", "tissue", "disease", "year")}
    section = pa.array(rng.integers(1, 9, n)).cast(pa.string())
    join = pc.binary_join_element_wise
    return {
        "title": pc.replace_substring(
            join(
                join(first["assay"], first["tissue"], " of "),
                first["disease"],
                join(pa.scalar("donor"), donor, " "),
                join(pa.scalar("section"), section, " "),
                ", ",
            ),
            " unknown,",
            "",
        ),
        "names": join(
            catalog.ids, catalog.column("collections").first(), donor, accession.take(at), " "
        ),
        "citation": join(
            authors.take(at), first["year"], doi.take(at), pmid.take(at), "Made Press", " "
        ),
        "elements": join(
            pa.scalar("morphology_focus cell_boundaries transcripts table"),
            donor,
            pa.array(np.array(["DAPI", "DAPI CD45", "H&E", "DAPI PanCK CD45"])).take(
                pa.array(_pick(rng, 4, n_studies, 0.8)[study])
            ),
            " ",
        ),
        "description": _descriptions(rng, n),
    }


def _descriptions(rng: np.random.Generator, n: int) -> pa.Array:
    """28 to 50 words each."""
    words = pa.array(made_words(30_000))
    weight = 1 / np.arange(1, len(words) + 1) ** 1.02
    steps = np.cumsum(weight / weight.sum())
    parts = []
    for start in range(0, n, 100_000):
        many = rng.integers(28, 51, min(100_000, n - start))
        cut = pa.array(np.concatenate([[0], np.cumsum(many)]).astype(np.int32))
        found = np.searchsorted(steps, rng.random(int(many.sum()))).clip(max=len(words) - 1)
        text = pa.ListArray.from_arrays(cut, words.take(pa.array(found.astype(np.int32))))
        parts.append(pc.binary_join(text, " "))
    return pa.concat_arrays(parts)


def documents(catalog: Catalog) -> Any:
    """The rows as `portal.search` takes them."""
    from portal import search

    return search.Documents(
        ids=catalog.ids,
        facets=[
            search.TermColumn(
                column=c.column,
                label=c.label,
                kind=c.kind,
                terms=[
                    search.TermInfo(t.label, t.id or "", t.synonyms, t.parents, t.shown)
                    for t in c.terms
                ],
                offsets=c.offsets,
                codes=c.codes,
            )
            for c in catalog.columns
        ],
        ranges=[
            search.RangeInfo(name, RANGES[name][0], RANGES[name][1], values)
            for name, values in catalog.ranges.items()
        ],
        texts=catalog.texts,
        gene_lists=catalog.gene_lists,
        gene_list=catalog.gene_list,
        cards=cards_of(catalog),
    )


RANGES: dict[str, tuple[str, Literal["count", "bytes", "date"]]] = {
    "n_obs": ("Observations", "count"),
    "n_features": ("Features", "count"),
    "size_bytes": ("Size", "bytes"),
    "published_at": ("Published", "date"),
}


def cards_of(
    catalog: Catalog, root: str = "../", template: str = "partials/card.html"
) -> Callable[[int, int], list[str]]:
    """A function that gives the HTML of the cards of some rows, from the site's own template."""
    draw = _card_writer(root, template)

    def cards(a: int, b: int) -> list[str]:
        return [draw(card) for card in _cards(catalog, a, b)]

    return cards


def _cards(catalog: Catalog, a: int, b: int) -> list[dict[str, str]]:
    from markupsafe import escape

    from portal.cards import glyph_of
    from portal.words import number, size

    names = ("technology", "tissue", "disease", "organism", "validation_status")
    columns = {name: catalog.column(name) for name in names}
    ids = catalog.ids[a:b].to_pylist()
    titles = catalog.texts["title"][a:b].to_pylist()
    made = []
    for row in range(a, b):
        n_obs, n_features = (int(catalog.ranges[k][row]) for k in ("n_obs", "n_features"))
        card = {name: _few(c.labels(row)) for name, c in columns.items()}
        status = card.pop("validation_status")
        noun = _NOUNS[catalog.nouns[row]]
        card |= {
            "id": ids[row - a],
            "title": titles[row - a],
            "glyph": glyph_of(card["technology"]),
            "published": "",
            "n_obs": number(n_obs) if n_obs >= 0 else "–",
            "n_features": number(n_features) if n_features >= 0 else "–",
            "extent": f"{n_obs:,} {noun} × {n_features:,}" if n_obs >= 0 else f"{noun} unknown",
            "bytes": size(int(catalog.ranges["size_bytes"][row])),
            "status": {"passed all checks": "Interactive view", "not scanned": "Not scanned"}.get(
                status, f"View, {status}"
            ),
            "status_class": {"passed all checks": "ok", "warnings": "warn", "errors": "bad"}.get(
                status, "declared"
            ),
        }
        made.append({k: str(escape(v)) for k, v in card.items()})
    return made


def _few(labels: list[str]) -> str:
    more = f" and {len(labels) - 2} more" if len(labels) > 2 else ""
    return ", ".join(labels[:2]) + more


def _card_writer(root: str, template: str) -> Any:
    """The template, rendered once with marks in the place of what differs from row to row."""
    from portal.cards import Card
    from portal.config import SiteConfig
    from portal.pagewriter import make_environment
    from portal.record import Picture

    texts = [f.name for f in fields(Card) if f.type == "str"]
    given: dict[str, Any] = {name: f"⟪{name}⟫" for name in texts}
    sizes = {w: f"datasets/⟪id⟫/preview-0123abcd-{w}.webp" for w in (320, 640)}
    given["picture"] = Picture(files=sizes, width=640, height=480, alt="⟪title⟫")
    given |= {"srcset": tuple(sizes.items()), "has_view": True, "shows": ()}
    card = Card(**given)
    env = make_environment(SiteConfig(title="Bench"))
    html = env.get_template(template).render(card=card, root=root, site=None)
    form = html.replace("{", "{{").replace("}", "}}").replace("⟪", "{").replace("⟫", "}")
    return lambda row: form.format_map(row)
