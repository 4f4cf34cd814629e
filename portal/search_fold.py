"""Text → words, the same in the index, in the browser and in a query.

`words` is for one string, `tokens_of` for a column of many. Both say the same of any text.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SMALL_WORDS", "content_words", "fold", "tokens_of", "words"]

SMALL_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with")
)
"""Left out of the index and of queries."""

_WORD = re.compile(r"[^\W_]+")  # what Python calls alphanumeric is Unicode's letters and numbers
_LETTERS = (
    ("ς", "σ"),
    ("ß", "ss"),
    ("æ", "ae"),
    ("œ", "oe"),
    ("ø", "o"),
    ("ł", "l"),
    ("đ", "d"),
    ("ı", "i"),
)


class _WithoutMarks(dict[int, int | None]):
    """A table for str.translate that learns by asking."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code))[0] == "M" else code
        self[code] = kept
        return kept


class _WordsOnly(dict[int, int | None]):
    """The same, with a space for what is neither letter nor number. ASCII stays as it is."""

    def __missing__(self, code: int) -> int | None:
        kind = unicodedata.category(chr(code))[0]
        kept = None if kind == "M" else code if kind in "LN" or code < 128 else 32
        self[code] = kept
        return kept


_without_marks = _WithoutMarks()
_words_only = _WordsOnly()


def fold(text: str) -> str:
    """Lower case, without accents, in the simplest form of each letter."""
    if text.isascii():
        return text.lower()
    return _plain_letters(unicodedata.normalize("NFKD", text).translate(_without_marks))


def words(text: str) -> list[str]:
    """The words of a text, folded: runs of letters and numbers."""
    return _WORD.findall(fold(text))


def content_words(text: str) -> list[str]:
    """The words of a text without the small ones."""
    return [w for w in words(text) if w not in SMALL_WORDS]


def tokens_of(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The words of many texts and the number of the text that each stands in.

    Words of one text need not come out together.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = texts.cast(pa.large_string()).fill_null("")
    simple = pc.string_is_ascii(texts)  # type: ignore[attr-defined]
    if pc.all(simple).as_py() is not False:  # type: ignore[attr-defined]
        return _split(*_bytes_of(texts))
    is_simple = simple.to_numpy(zero_copy_only=False)
    some, some_of = _split(*_bytes_of(texts.filter(simple)))
    others, others_of = _split(*_folded(texts.filter(pc.invert(simple))))  # type: ignore[attr-defined]
    of = np.concatenate((np.flatnonzero(is_simple)[some_of], np.flatnonzero(~is_simple)[others_of]))
    return pa.concat_arrays([some, others]), of


def _plain_letters(text: str) -> str:
    text = text.lower()
    for letter, plain in _LETTERS:
        text = text.replace(letter, plain)
    return text


def _bytes_of(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 of all texts after one another, and where each begins."""
    _, offsets, data = texts.buffers()
    begins = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if data is None or not len(texts):
        return np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    return np.frombuffer(data, np.uint8)[begins[0] : begins[-1]], begins - begins[0]


def _folded(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The same of the folded texts. All are folded as one, with a line for each text."""
    import pyarrow.compute as pc

    lines = pc.replace_substring(texts, pattern="\n", replacement=" ").to_pylist()  # type: ignore[attr-defined]
    text = unicodedata.normalize("NFKD", "\n".join(lines))
    data = np.frombuffer(_plain_letters(text.translate(_words_only)).encode(), np.uint8)
    ends = np.flatnonzero(data == 10)
    return data, np.concatenate(([0], ends + 1, [len(data)])).astype(np.int64)


def _letters() -> np.ndarray:
    """What becomes of a byte: lower case, 0 where no word has it. UTF-8 beyond ASCII is kept."""
    table = np.zeros(256, np.uint8)
    table[128:] = np.arange(128, 256)
    for code in range(128):
        if chr(code).isalnum():
            table[code] = ord(chr(code).lower())
    return table


_LETTER = _letters()


def _split(data: np.ndarray, begins: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    import pyarrow as pa

    letters = _LETTER[data]
    inside = letters != 0
    first = inside.copy()
    first[1:] &= ~inside[:-1]
    starts = begins[:-1][begins[:-1] < len(data)]
    first[starts] = inside[starts]  # no word goes on from one text to the next
    at = np.flatnonzero(first)
    offsets = np.append((np.cumsum(inside) - 1)[at], np.count_nonzero(inside)).astype(np.int64)
    tokens = pa.LargeStringArray.from_buffers(
        len(at), pa.py_buffer(offsets), pa.py_buffer(letters[inside])
    )
    return tokens, np.searchsorted(begins, at, side="right") - 1
