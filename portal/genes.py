"""Genes of human and mouse, offline: whether what stands in var are genes, and of which organism.

`portal/data/genes/genes.parquet` is cut by `recipes.genes` from the lists of GENCODE. The table
stays in Arrow: a check asks it for all names at once.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HUMAN", "MOUSE", "Gene", "GeneCheck", "check_genes", "find_gene", "suggest_genes"]

HUMAN, MOUSE = "NCBITaxon:9606", "NCBITaxon:10090"
NEAR = 0.6
"""How alike a suggestion must be: two letters of five may differ."""
_FILE = Path(__file__).parent / "data" / "genes" / "genes.parquet"
# In older releases a gene that X and Y share has one id, with a suffix on Y.
_ID = r"^(ENS(?:MUS)?G\d{11})(\.\d+)?(_PAR_Y)?$"
_VERSIONED = r"^ENS(?:MUS)?G\d{11}\.\d+(_PAR_Y)?$"
# What panels measure beside genes: Xenium, MERSCOPE, CosMx, GeoMx, and spike-ins.
_CONTROL = (
    r"(?i)^(neg(control|prb|probe|ative\d)|systemcontrol|falsecode|blank([-_ \d]|$)|antisense_"
    r"|unassigned|deprecated|intergenic|ercc-\d{5}$)"
)


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene as GENCODE has it."""

    id: str
    symbol: str | None
    """None where nobody has named it yet."""
    organism: str


@dataclass(frozen=True, slots=True)
class GeneCheck:
    """What the table says to the names of var. Names stand as they were given, in their order."""

    organism: str
    kind: Literal["id", "symbol"]
    """What most names are: other lists mix in ids, where a gene has no symbol."""
    n: int
    """Names that were checked."""
    unknown: tuple[str, ...]
    """Those that neither organism has, each as often as it was given."""
    other_organism: tuple[str, ...]
    """Those that only the other organism has."""
    versioned: int
    """Ids with a version, as in `ENSG00000141510.18`."""
    duplicates: tuple[str, ...]
    """Those given more than once, each once."""
    release: str


def check_genes(names: Iterable[str], organism: str | None = None) -> GeneCheck | None:
    """Look all names up as ids, with or without a version, and as symbols, letter for letter.

    Left out are blanks and what is no gene: control probes and spike-ins such as
    NegControlProbe_00042, BLANK_0006, antisense_ABCD, UnassignedCodeword_0001, DeprecatedCodeword,
    Intergenic_Region and ERCC-00002.

    Without an `organism` it is the one that knows more of the names. Say it where it is known: a
    rat's symbols are spelt as a mouse's, a monkey's as ours. None where it is neither human nor
    mouse, where both know as many, and where fewer than half of the names are genes.
    """
    return _checked(tuple(name for name in names if name), organism)


@lru_cache(maxsize=64)
def _checked(names: tuple[str, ...], organism: str | None) -> GeneCheck | None:
    """Artifacts of one platform have the same list: it is looked up once."""
    pc = _compute()
    asked = _array(names)
    genes = asked.filter(pc.invert(pc.match_substring_regex(asked, _CONTROL)))
    ids = pc.replace_substring_regex(genes, _ID, r"\1")
    known = {o: pc.is_in(ids, value_set=_names(o)) for o in (HUMAN, MOUSE)}
    organism = organism or _knows_more(known)
    if not len(genes) or organism not in known:
        return None
    ours, theirs = known[organism], known[MOUSE if organism == HUMAN else HUMAN]
    unknown = pc.invert(pc.or_(ours, theirs))
    if unknown.true_count * 2 > len(genes):
        return None
    times = genes.value_counts().to_pylist()
    return GeneCheck(
        organism=organism,
        kind="id" if _count(genes, _ID) * 2 > len(genes) else "symbol",
        n=len(genes),
        unknown=_texts(genes, unknown),
        other_organism=_texts(genes, pc.and_not(theirs, ours)),
        versioned=_count(genes, _VERSIONED),
        duplicates=tuple(name["values"] for name in times if name["counts"] > 1),
        release=_versions()[organism],
    )


def find_gene(text: str) -> list[Gene]:
    """The genes called so, by id or symbol in any case, in the order of their ids."""
    pc = _compute()
    name = text.strip()
    match = re.match(_ID, name.upper())
    columns, folded = _columns(), _folded()
    id_, symbol = _array([match[1] if match else "", name.lower()])
    found = pc.or_kleene(pc.equal(columns["id"], id_), pc.equal(folded, symbol))
    rows = pc.indices_nonzero(found).to_pylist()
    return [Gene(**{key: column[row].as_py() for key, column in columns.items()}) for row in rows]


def suggest_genes(name: str, organism: str, n: int = 3) -> list[str]:
    """Up to `n` symbols of the organism that `name` may be a slip of, the nearest first.

    Swapped letters count as one slip, which finds more of them than `fuzz.ratio` does.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    near = process.extract(
        name.strip().lower(),
        _symbols(organism),
        scorer=OSA.normalized_similarity,
        score_cutoff=NEAR,
        limit=n,
    )
    return [symbol for _, _, symbol in near]


def _knows_more(known: Mapping[str, pa.BooleanArray]) -> str | None:
    """The organism with most of the names, None where both have as many."""
    human, mouse = known[HUMAN].true_count, known[MOUSE].true_count
    if human == mouse:
        return None
    return HUMAN if human > mouse else MOUSE


def _compute() -> Any:
    """pyarrow.compute, which makes its functions as it is imported: checkers of types see none."""
    import pyarrow.compute

    return pyarrow.compute


def _count(names: pa.Array, pattern: str) -> int:
    return _compute().match_substring_regex(names, pattern).true_count


def _texts(names: pa.Array, rows: pa.BooleanArray) -> tuple[str, ...]:
    return tuple(names.filter(rows).to_pylist())


def _array(names: Sequence[str]) -> pa.Array:
    """Names as Arrow has them. Half a surrogate pair is no text there, and no gene.

    Not `pa.array`, nor a text given to a function of Arrow: both import pandas where it is
    installed, which costs 50 MB and a second.
    """
    import pyarrow as pa

    texts = [name.encode("utf-8", "replace") for name in names]
    ends = array("i", accumulate(map(len, texts), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


@cache
def _table() -> pa.Table:
    import pyarrow.parquet as pq

    # Not read_table: it imports the whole of pyarrow.dataset, which costs 50 MB and a second.
    with pq.ParquetFile(_FILE, pre_buffer=False, memory_map=True) as file:
        return file.read(use_threads=False).combine_chunks()


@cache
def _versions() -> dict[str, str]:
    """Organism to the release of its genes."""
    return json.loads((_table().schema.metadata or {})[b"versions"])


@cache
def _columns() -> dict[str, Any]:
    return {name: _table()[name].chunk(0) for name in _table().column_names}


@cache
def _folded() -> pa.Array:
    """All symbols in lower case."""
    return _compute().utf8_lower(_columns()["symbol"])


@cache
def _names(organism: str) -> pa.Array:
    """The ids and symbols of an organism."""
    import pyarrow as pa

    pc = _compute()
    columns = _columns()
    rows = pc.equal(columns["organism"].cast(pa.string()), _array([organism])[0])
    symbols = columns["symbol"].filter(rows).drop_null()
    return pa.concat_arrays([columns["id"].filter(rows), symbols])


@cache
def _symbols(organism: str) -> dict[str, str]:
    """The symbols of an organism in their order, to what they are compared as."""
    ours = {name for name in _names(organism).to_pylist() if not re.match(_ID, name)}
    return {symbol: symbol.lower() for symbol in sorted(ours)}
