"""Full text as an inverted index in small files: which rows have a word, and how much it says.

Words are sorted and cut into shards of about 64 kB, so that a query reads the few that hold its
words. Documents are rows, and after them the lists of genes: a panel that a thousand rows share
stands in the index once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from portal.search_documents import FIELDS, Documents
from portal.search_fold import SMALL_WORDS, tokens_of

__all__ = ["SHARD_BYTES", "TextIndex", "index_text", "shards", "spelling"]

SHARD_BYTES = 65_536
DICTIONARY = 20_000
"""How many words the spelling dictionary has."""
_ROWS = 50_000
_STRINGS = 1_000_000
_SPAN = 3
"""A prefix whose words lie in more shards than this has a term of its own."""


Postings = tuple[np.ndarray, np.ndarray]
"""Documents and the impact in each."""


@dataclass
class TextIndex:
    """Words in order of their UTF-8, and their postings one after another.

    A posting is a document and its impact; documents from `n` on are lists of genes.
    """

    n: int
    terms: pa.Array
    counts: np.ndarray
    documents: np.ndarray
    impacts: np.ndarray
    average: float
    """Words of a row, on average."""

    @cached_property
    def ends(self) -> np.ndarray:
        """Where the postings of each term end."""
        return np.cumsum(self.counts)

    def postings(self, first: int, last: int) -> Postings:
        """Those of the terms from the first to the last."""
        part = slice(self.ends[first] - self.counts[first], self.ends[last])
        return self.documents[part], self.impacts[part]


def index_text(documents: Documents) -> TextIndex:
    """Count the words of every row and of every list of genes."""
    n = len(documents)
    lengths = np.zeros(n, np.int64)
    parts = [_count(documents, a, min(a + _ROWS, n), lengths) for a in range(0, max(n, 1), _ROWS)]
    average = float(lengths.sum() / n) if n else 0.0
    parts += _count_genes(documents.gene_lists, n)

    terms, places = _vocabulary([p.words for p in parts])
    word = np.concatenate([place[p.word] for place, p in zip(places, parts, strict=True)])
    rows = np.concatenate([p.row for p in parts])
    tf = np.concatenate([p.tf for p in parts])
    del parts
    counts = np.bincount(word, minlength=len(terms))
    order = np.argsort(word, kind="stable")  # the parts are sorted already: this merges them
    rows, tf = rows[order], tf[order]
    del order, word
    return TextIndex(n, terms, counts, rows, _impacts(rows, tf, lengths, average), average)


@dataclass
class _Part:
    """Word (a place in `words`, which are sorted), row, and weighted frequency, by word and row."""

    words: pa.Array
    word: np.ndarray
    row: np.ndarray
    tf: np.ndarray


def _count(documents: Documents, a: int, b: int, lengths: np.ndarray) -> _Part:
    """The words of rows from a up to b. Their number goes into `lengths`."""
    tokens, rows, weights = [], [], []
    for field, weight in FIELDS.items():
        if field not in documents.texts:
            continue
        words, of = tokens_of(documents.texts[field].slice(a, b - a))
        tokens.append(words)
        rows.append(of)
        weights.append(np.full(len(of), weight, np.uint16))
    row, weight = np.concatenate(rows), np.concatenate(weights)
    words, word, kept = _encode(pa.concat_arrays(tokens))
    row, weight = row[kept], weight[kept]
    lengths[a:b] = np.bincount(row, minlength=b - a)
    key = word * np.int64(b - a) + row
    order = np.argsort(key, kind="stable")
    key, weight = key[order], weight[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    tf = np.add.reduceat(weight.astype(np.int64), first) if len(first) else weight
    key = key[first]
    return _Part(
        words,
        (key // (b - a)).astype(np.int32),
        (key % (b - a) + a).astype(np.int32),
        np.minimum(tf, 65_535).astype(np.uint16),
    )


def _count_genes(lists: Sequence[Sequence[str]], n: int) -> list[_Part]:
    """The words of each list, as documents from n on; their impact is always 1."""
    parts, a = [], 0
    while a < len(lists):
        b, size = a, 0
        while b < len(lists) and (size == 0 or size + len(lists[b]) <= _STRINGS):
            size += len(lists[b])
            b += 1
        texts = pa.array([text for genes in lists[a:b] for text in genes], pa.large_string())
        list_of = np.repeat(np.arange(b - a), [len(genes) for genes in lists[a:b]])
        tokens, of = tokens_of(texts)
        words, word, kept = _encode(tokens)
        key = np.unique(word * np.int64(b - a) + list_of[of[kept]])
        word, row = key // (b - a), key % (b - a) + a + n
        tf = np.zeros(len(key), np.uint16)
        parts.append(_Part(words, word.astype(np.int32), row.astype(np.int32), tf))
        a = b
    return parts


def _encode(tokens: pa.Array) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """The distinct words sorted, the place of each token in them, and which tokens are kept.

    Small words are not.
    """
    encoded = tokens.dictionary_encode()
    words = encoded.dictionary
    small = pc.is_in(words, pa.array(sorted(SMALL_WORDS), pa.large_string()))  # type: ignore[attr-defined]
    order = pc.sort_indices(words).to_numpy()  # type: ignore[attr-defined]
    order = order[~small.to_numpy(zero_copy_only=False)[order]]
    place = np.full(len(words), -1, np.int64)
    place[order] = np.arange(len(order))
    word = place[encoded.indices.to_numpy()]
    kept = word >= 0
    return words.take(pa.array(order)), word[kept], kept


def _vocabulary(parts: list[pa.Array]) -> tuple[pa.Array, list[np.ndarray]]:
    """All words sorted, and the place of each part's words in them."""
    if not parts:
        return pa.array([], pa.large_string()), []
    encoded = pa.concat_arrays(parts).dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()  # type: ignore[attr-defined]
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    places = place[encoded.indices.to_numpy()]
    ends = np.cumsum([len(p) for p in parts])[:-1]
    return encoded.dictionary.take(pa.array(order)), np.split(places, ends)


def _impacts(rows: np.ndarray, tf: np.ndarray, lengths: np.ndarray, average: float) -> np.ndarray:
    """BM25 without its rarity, from 1 to 15. A list of genes has 1."""
    impacts = np.ones(len(rows), np.uint8)
    for a in range(0, len(rows), 1 << 22):
        part = slice(a, a + (1 << 22))
        is_row = rows[part] < len(lengths)
        row, f = rows[part][is_row], tf[part][is_row].astype(np.float64)
        length = lengths[row] / average if average else lengths[row]
        impact = f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length))
        impacts[part][is_row] = np.clip(np.round(impact / 2.2 * 15), 1, 15).astype(np.uint8)
    return impacts


def spelling(index: TextIndex) -> bytes:
    """The dictionary: the most frequent words of four letters or more, a line for each."""
    rows = _rows_of_terms(index)
    lines: list[str] = []
    for i in np.argsort(-rows, kind="stable"):  # terms are sorted: ties stay in their order
        word = index.terms[int(i)].as_py()
        if len(lines) == DICTIONARY or not rows[i]:
            break
        if len(word) >= 4 and word.isalpha():
            lines.append(f"{word}\t{rows[i]}\n")
    return "".join(lines).encode()


def _rows_of_terms(index: TextIndex) -> np.ndarray:
    """How many rows have each term; lists of genes are not counted."""
    before = np.concatenate(([0], np.cumsum(index.documents < index.n)))
    return before[index.ends] - before[index.ends - index.counts]


def shards(index: TextIndex, shard_bytes: int = SHARD_BYTES) -> Iterator[tuple[str, bytes]]:
    """The index in pieces: the first term of each and its bytes."""
    stars, order, cut = _with_stars(index, shard_bytes)
    names = list(stars)
    for a, b in pairwise(cut):
        terms, counts, documents, impacts = [], [], [], []
        for first, last in _runs(order[a:b], len(index.terms)):
            star = stars[names[first - len(index.terms)]] if first >= len(index.terms) else None
            if star:
                terms.append(names[first - len(index.terms)])
                counts.append([len(star[0])])
            else:
                terms += index.terms.slice(first, last - first + 1).to_pylist()
                counts.append(index.counts[first : last + 1])
            rows, q = star or index.postings(first, last)
            documents.append(rows)
            impacts.append(q)
        yield (
            terms[0],
            _shard(terms, *(np.concatenate(part) for part in (counts, documents, impacts))),
        )


def _runs(order: np.ndarray, n_words: int) -> Iterator[tuple[int, int]]:
    """First and last of the places that follow one another; a star stands alone."""
    breaks = np.flatnonzero((np.diff(order) != 1) | (order[1:] >= n_words)) + 1
    for run in np.split(order, breaks):
        yield int(run[0]), int(run[-1])


def _shard(
    terms: list[str], counts: np.ndarray, documents: np.ndarray, impacts: np.ndarray
) -> bytes:
    text = "\n".join(terms).encode()
    deltas = _varints(_steps(documents, counts))
    even = np.append(impacts, np.zeros(len(impacts) % 2, np.uint8))
    nibbles = (even[0::2] | even[1::2] << 4).tobytes()
    head = np.array([len(terms), len(text), len(deltas), len(nibbles)], "<u4").tobytes()
    return b"".join((head, counts.astype("<u4").tobytes(), text, deltas, nibbles))


def _steps(documents: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Each term's first document, then the differences."""
    steps = np.diff(documents, prepend=np.int32(0))
    first = (np.cumsum(counts) - counts)[counts > 0]
    steps[first] = documents[first]
    return steps


def _varint_sizes(steps: np.ndarray) -> np.ndarray:
    sizes = np.ones(len(steps), np.uint8)
    for k in range(1, 5):
        sizes += steps >= 1 << 7 * k
    return sizes


def _varints(steps: np.ndarray) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follows."""
    sizes = _varint_sizes(steps)
    begins = np.cumsum(sizes, dtype=np.int64) - sizes
    out = np.zeros(int(sizes.sum(dtype=np.int64)), np.uint8)
    for k in range(int(sizes.max()) if len(sizes) else 0):
        has = sizes > k
        more = np.where(sizes[has] > k + 1, 128, 0)
        out[begins[has] + k] = (steps[has] >> 7 * k & 127) | more
    return out.tobytes()


def _costs(terms: pa.Array, counts: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """The bytes that each term takes in a shard, but for half a byte."""
    sizes = _varint_sizes(_steps(documents, counts))
    deltas = np.zeros(len(counts), np.int64)
    has = counts > 0
    if len(sizes):
        deltas[has] = np.add.reduceat(sizes, (np.cumsum(counts) - counts)[has], dtype=np.int64)
    letters = pc.binary_length(terms).to_numpy()  # type: ignore[attr-defined]
    return 4 + letters + 1 + deltas + (counts + 1) // 2


def _with_stars(
    index: TextIndex, shard_bytes: int
) -> tuple[dict[str, Postings], np.ndarray, list[int]]:
    """A term for each frequent prefix, the order of all terms, and where the shards are cut.

    In the order, numbers from that of the words on are the stars. New terms move the cuts, which
    may make further prefixes frequent: until there are none.
    """
    stars: dict[str, Postings] = {}
    terms, costs = index.terms, _costs(index.terms, index.counts, index.documents)
    while True:
        order = pc.sort_indices(terms).to_numpy().astype(np.int64)  # type: ignore[attr-defined]
        cost = costs[order]
        shard = (np.cumsum(cost) - cost) // shard_bytes
        shard = np.cumsum(np.diff(shard, prepend=0) > 0)
        wide = _wide_prefixes(terms.take(pa.array(order)), shard)
        new = [p for p in wide if f"{p}*" not in stars]
        if not new:
            cut = np.flatnonzero(np.diff(shard, prepend=-1))
            return stars, order, [*cut.tolist(), *([len(order)] if len(order) else [])]
        found = {f"{p}*": _union(index, a, b) for p, (a, b) in _ranges(index.terms, new).items()}
        stars |= found
        names = pa.array(list(found), pa.large_string())
        counts = np.array([len(rows) for rows, _ in found.values()])
        rows = np.concatenate([rows for rows, _ in found.values()])
        terms = pa.concat_arrays([terms, names])
        costs = np.concatenate((costs, _costs(names, counts, rows)))


def _wide_prefixes(terms: pa.Array, shard: np.ndarray) -> list[str]:
    """Prefixes of two letters or more whose terms lie in more than `_SPAN` shards."""
    found, open_ = [], [(0, len(terms), 1)] if len(terms) else []
    while open_:
        a, b, length = open_.pop()
        if shard[b - 1] - shard[a] < _SPAN:
            continue
        starts = pc.utf8_slice_codeunits(terms.slice(a, b - a), 0, length).dictionary_encode()  # type: ignore[attr-defined]
        codes = starts.indices.to_numpy()
        begins = np.flatnonzero(np.diff(codes, prepend=-1))
        ends = np.append(begins[1:], len(codes))
        wide = shard[a + ends - 1] - shard[a + begins] >= _SPAN
        for begin, end in zip(begins[wide].tolist(), ends[wide].tolist(), strict=True):
            prefix = starts.dictionary[int(codes[begin])].as_py()
            if length > 1:
                found.append(prefix)
            open_.append((a + begin, a + end, length + 1))
    return found


def _ranges(terms: pa.Array, prefixes: list[str]) -> dict[str, tuple[int, int]]:
    """Where the terms with each prefix begin and end."""
    bounds = [p.encode() for p in prefixes] + [p.encode() + b"\xff" for p in prefixes]
    values = np.array(terms.cast(pa.large_binary()).to_pylist(), object)
    places = np.searchsorted(values, np.array(bounds, object)).tolist()
    return dict(zip(prefixes, zip(places, places[len(prefixes) :], strict=False), strict=True))


def _union(index: TextIndex, a: int, b: int) -> Postings:
    """The rows that have any of the terms from a up to b, each with its greatest impact."""
    documents, impacts = index.postings(a, b - 1)
    best = np.zeros(index.n, np.uint8)
    is_row = documents < index.n
    for impact in range(1, 16):
        best[documents[is_row & (impacts == impact)]] = impact
    rows = np.flatnonzero(best)
    return rows.astype(np.int32), best[rows]
