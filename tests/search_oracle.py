"""What a query must find, worked out straight from the documents: slow, and easy to read.

Knows nothing of the index and its files. The rules are those of `docs/docs/searching.md`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from portal.search import FIELDS, Documents

SMALL = {
    *("a", "an", "and", "at", "by", "for", "from"),
    *("in", "of", "on", "or", "the", "to", "with"),
}
LETTERS = {
    "ς": "σ",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ı": "i",
}
Name = tuple[str, ...]
Term = tuple[int, int]
"""A term: the number of its column and its place in it."""
Matches = dict[int, float]
"""Rows and what matching is worth there."""


def fold(text: str) -> str:
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c)[0] != "M"
    )
    return "".join(LETTERS.get(c, c) for c in plain.lower())


def words(text: str) -> list[str]:
    """Runs of letters and numbers."""
    return "".join(c if unicodedata.category(c)[0] in "LN" else " " for c in fold(text)).split(" ")


def content(text: str) -> list[str]:
    return [w for w in words(text) if w and w not in SMALL]


def distance(a: str, b: str) -> int:
    """Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours."""
    d = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            same = a[i - 1] == b[j - 1]
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d[len(a)][len(b)]


def three_figures(n: int) -> int:
    if n < 1000:
        return n
    unit = 10 ** (len(str(n)) - 3)
    return (n + unit // 2) // unit * unit


@dataclass
class Answer:
    """What a query finds: rows in order, scores, and what is told beside."""

    rows: list[int]
    scores: Matches
    counts: dict[str, list[int]]
    histograms: dict[str, list[int]]
    corrected: list[tuple[str, list[str]]]
    suggestions: list[str]
    drop: list[dict[str, Any]]


@dataclass
class Text:
    """What the text of a query finds: None where it has no word."""

    matches: Matches | None
    corrected: list[tuple[str, list[str]]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


class Oracle:
    """All rows of some documents, spelled out."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.n = len(documents)
        self.facets = documents.facets
        self.own: list[set[Term]] = [set() for _ in range(self.n)]
        for f, facet in enumerate(self.facets):
            for row in range(self.n):
                a, b = facet.offsets[row], facet.offsets[row + 1]
                self.own[row] |= {(f, int(code)) for code in facet.codes[a:b]}
        self.closure = [{t for o in own for t in self.upwards(o)} for own in self.own]
        self.names = {
            (f, i): self.names_of(term)
            for f, facet in enumerate(self.facets)
            for i, term in enumerate(facet.terms)
        }
        self.name_words = {
            t: {w for name in names for w in name} for t, names in self.names.items()
        }
        self.count = Counter(t for terms in self.closure for t in terms)
        self.values = {
            r.column: [three_figures(int(v)) if r.kind == "bytes" else int(v) for v in r.values]
            for r in documents.ranges
        }

    def upwards(self, term: Term) -> set[Term]:
        f, open_ = term[0], [term[1]]
        seen: set[int] = set()
        while open_:
            i = open_.pop()
            if i not in seen:
                seen.add(i)
                open_ += self.facets[f].terms[i].parents
        return {(f, i) for i in seen}

    @staticmethod
    def names_of(term: Any) -> set[Name]:
        names = {tuple(content(text)) for text in (term.label, *term.synonyms, term.id or "")}
        return {name for name in names if sum(map(len, name)) > 2}

    # --- text of the rows

    @cached_property
    def frequency(self) -> list[Counter[str]]:
        """For each row, words with their weighted number."""
        rows: list[Counter[str]] = [Counter() for _ in range(self.n)]
        self.length = [0] * self.n
        for name, weight in FIELDS.items():
            for row, text in enumerate(self.documents.texts[name].to_pylist()):
                for word in content(text or ""):
                    rows[row][word] += weight
                    self.length[row] += 1
        return rows

    @cached_property
    def impact(self) -> dict[str, dict[int, int]]:
        """For each word, rows with the impact there, 1 to 15."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        rows = self.frequency
        average = sum(self.length) / self.n
        for row, counted in enumerate(rows):
            for word, tf in counted.items():
                value = tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * self.length[row] / average))
                found[word][row] = min(max(round(value / 2.2 * 15), 1), 15)
        return found

    @cached_property
    def genes(self) -> dict[str, set[int]]:
        """For each word of a list of genes, the rows with such a list."""
        found: dict[str, set[int]] = defaultdict(set)
        for row, number in enumerate(self.documents.gene_list):
            if number >= 0:
                for gene in self.documents.gene_lists[number]:
                    for word in content(gene):
                        found[word].add(row)
        return found

    @cached_property
    def dictionary(self) -> dict[str, int]:
        """The most frequent words of four letters or more, without numbers."""
        counted = [
            (-len(rows), word)
            for word, rows in self.impact.items()
            if len(word) >= 4 and not any(unicodedata.category(c)[0] == "N" for c in word)
        ]
        return {word: -n for n, word in sorted(counted)[:20_000]}

    def idf(self, rows: int) -> float:
        return math.log(1 + self.n / (rows + 0.5))

    # --- one word

    def by_text(self, word: str, prefix: bool = False) -> Matches:
        """The word itself in the text or a list of genes; with `prefix`, words that begin so."""
        found: Matches = {}
        for row, q in self.impact.get(word, {}).items():
            better(found, row, self.idf(len(self.impact[word])) * q / 15)
        for row in self.genes.get(word, ()):
            better(found, row, 0.3 * self.idf(len(self.genes[word])))
        if prefix:
            best: dict[int, int] = {}
            for token, rows in self.impact.items():
                if token.startswith(word):
                    for row, q in rows.items():
                        best[row] = max(best.get(row, 0), q)
            for row, q in best.items():
                better(found, row, 0.5 * self.idf(len(best)) * q / 15)
        return found

    def by_names(self, word: str, prefix: bool = False) -> Matches:
        """The word in a name of a term of the row; with `prefix`, the beginning of an own one."""
        found: Matches = {}
        for row in range(self.n):
            for term in self.closure[row]:
                own = term in self.own[row]
                if word in self.name_words[term]:
                    better(found, row, (0.8 if own else 0.3) * self.idf(self.count[term]))
                elif prefix and own and any(w.startswith(word) for w in self.name_words[term]):
                    better(found, row, 0.4 * self.idf(self.count[term]))
        return found

    def by_typo(self, word: str) -> tuple[Matches, list[str]]:
        """Words one typo away: what they match, and which they are."""
        found_text: Matches = {}
        found_names: Matches = {}
        if not is_guessed(word):
            return {}, []
        known = {w for w in self.dictionary if distance(w, word) == 1}
        named = {
            w
            for ws in self.name_words.values()
            for w in ws
            if is_guessed(w) and distance(w, word) == 1
        }
        for w in known:
            for row, q in self.impact[w].items():
                better(found_text, row, 0.4 * self.idf(len(self.impact[w])) * q / 15)
        for row in range(self.n):
            for term in self.closure[row]:
                if named & self.name_words[term]:
                    better(found_names, row, 0.3 * self.idf(self.count[term]))
        return added(found_text, found_names), sorted(known | named)

    # --- the text of a query

    def text(self, q: str) -> Text:
        asked = content(q) or [w for w in words(q) if w]
        if not asked:
            return Text(None)
        named = {t for t, names in self.names.items() if tuple(asked) in names}
        if named:
            return Text(self.by_whole_name(named), words=asked)
        answer = Text({}, words=asked)
        each = []
        for i, word in enumerate(asked):
            last = i == len(asked) - 1
            prefix = last and len(word) >= 2 and not q[-1:].isspace()
            found = added(self.by_text(word, prefix), self.by_names(word, prefix))
            if not found and len(word) >= 4:
                found, to = self.by_typo(word)
                if found:
                    answer.corrected.append((word, to))
            if not found:
                answer.missing.append(word)
            each.append(found)
        rows = set(each[0]).intersection(*each)
        answer.matches = {row: sum(found[row] for found in each) for row in rows}
        return answer

    def by_whole_name(self, named: set[Term]) -> Matches:
        """The query is a name: its terms and those that share a name, or all words of a name."""
        shared = {name for t in named for name in self.names[t]}
        terms = {t for t, names in self.names.items() if names & shared}
        best: Matches = {}
        for name in {name for t in terms for name in self.names[t]}:
            each = [added(self.by_text(word), self.by_names(word)) for word in name]
            for row in set(each[0]).intersection(*each):
                better(best, row, sum(found[row] for found in each) / len(name))
        for row in range(self.n):
            if self.closure[row] & terms:
                best[row] = best.get(row, 0) + 2
        return best

    def suggestions(self, q: str, text: Text) -> list[str]:
        """At most three queries, each missing word replaced by one of the nearest there are."""
        known = Counter(self.dictionary)
        for term, ws in self.name_words.items():
            for w in ws:
                if is_guessed(w):
                    known[w] += self.count[term]
        near: dict[str, list[str]] = {}
        for word in text.missing:
            limit = 2 if len(word) >= 5 else 1
            found = [(distance(w, word), -n, w) for w, n in known.items() if is_guessed(word)]
            near[word] = [w for d, _, w in sorted(found) if d <= limit][:3]
        if not near or not all(near.values()):
            return []
        return list(
            dict.fromkeys(
                " ".join(near[w][min(i, len(near[w]) - 1)] if w in near else w for w in text.words)
                for i in range(max(map(len, near.values())))
            )
        )

    # --- the whole query

    def search(self, query: Mapping[str, Any]) -> Answer:
        q = query.get("q", "")
        terms: Mapping[str, Sequence[int]] = {k: v for k, v in query.get("terms", {}).items() if v}
        ranges = query.get("ranges", {})
        text = self.text(q)
        filters: dict[tuple[str, str], set[int]] = {}
        if text.matches is not None:
            filters["text", ""] = set(text.matches)
        for column, chosen in terms.items():
            filters["terms", column] = self.rows_with(column, chosen)
        for column, (low, high) in ranges.items():
            filters["ranges", column] = self.rows_within(column, low, high)
        rows = self.passing(filters)
        counts = {}
        for f, facet in enumerate(self.facets):
            among = self.passing(filters, ("terms", facet.column))
            counted = Counter(t for row in among for t in self.closure[row])
            counts[facet.column] = [counted[f, i] for i in range(len(facet.terms))]
        histograms = {
            column: sorted(
                values[row] for row in self.passing(filters, ("ranges", column)) if values[row] >= 0
            )
            for column, values in self.values.items()
        }
        scores = text.matches or {}
        return Answer(
            rows=self.in_order(rows, query.get("sort", "relevance"), scores),
            scores=scores,
            counts=counts,
            histograms=histograms,
            corrected=text.corrected,
            suggestions=[] if rows else self.suggestions(q, text),
            drop=[] if rows else [self.dropped(filters, key) for key in filters],
        )

    def rows_with(self, column: str, chosen: Sequence[int]) -> set[int]:
        f = next(i for i, facet in enumerate(self.facets) if facet.column == column)
        wanted = {(f, i) for i in chosen}
        return {row for row in range(self.n) if self.closure[row] & wanted}

    def rows_within(self, column: str, low: int | None, high: int | None) -> set[int]:
        return {
            row
            for row, value in enumerate(self.values[column])
            if value >= 0 and (low is None or value >= low) and (high is None or value <= high)
        }

    def passing(
        self, filters: Mapping[tuple[str, str], set[int]], but: tuple[str, str] | None = None
    ) -> set[int]:
        return set(range(self.n)).intersection(*(r for key, r in filters.items() if key != but))

    def dropped(self, filters: Mapping[tuple[str, str], set[int]], key: tuple[str, str]) -> Any:
        kind, column = key
        total = len(self.passing(filters, key))
        return {"kind": kind, **({"column": column} if column else {}), "total": total}

    def in_order(self, rows: Iterable[int], sort: str, scores: Matches) -> list[int]:
        newest = sorted(rows, reverse=True)
        if sort == "title":
            titles = self.documents.texts["title"].to_pylist()
            return sorted(newest, key=lambda row: title_key(titles[row] or ""))
        if sort in self.values:
            return sorted(newest, key=lambda row: -self.values[sort][row])
        if sort == "relevance" and scores:
            return sorted(newest, key=lambda row: -round(scores[row], 9))
        return newest


def title_key(title: str) -> str:
    """Words, with numbers by their value."""
    line = " ".join(w for w in words(title) if w)
    return re.sub(r"\d+", lambda m: m[0].zfill(12), line)


def is_guessed(word: str) -> bool:
    """Words with a number in them are not: another year or accession is another thing."""
    return not any(unicodedata.category(c)[0] == "N" for c in word)


def better(found: Matches, row: int, score: float) -> None:
    found[row] = max(found.get(row, 0.0), score)


def added(a: Matches, b: Matches) -> Matches:
    return {row: a.get(row, 0.0) + b.get(row, 0.0) for row in {*a, *b}}
