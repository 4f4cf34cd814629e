"""Genes: the table that ships, what a check tells, and how genes are found."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portal.genes
from portal.genes import HUMAN, MOUSE, Gene, GeneCheck, check_genes, find_gene, suggest_genes
from tests.conftest import find_store

FOLDER = Path(portal.genes.__file__).parent / "data" / "genes"
RAT = "NCBITaxon:10116"
HUMAN_IDS = ["ENSG00000141510", "ENSG00000111640", "ENSG00000146648"]
MOUSE_IDS = ["ENSMUSG00000059552", "ENSMUSG00000057666", "ENSMUSG00000020122"]
CONTROLS = [
    *("NegControlProbe_00042", "NegControlCodeword_0500", "antisense_PROKR2", "BLANK_0006"),
    *("Blank-12", "blank", "UnassignedCodeword_0001", "DeprecatedCodeword_0011"),
    *("DEPRECATED_ENSG00000000001", "Intergenic_Region_2012", "ERCC-00002", "ercc-00171"),
    *("Negative1", "NegPrb07", "NegProbe-WTX", "SystemControl3", "FalseCode12"),
]


@cache
def rows() -> list[tuple[str, str | None, str]]:
    """The table as it lies in the file."""
    with pq.ParquetFile(FOLDER / "genes.parquet") as file:
        return [(r["id"], r["symbol"], r["organism"]) for r in file.read().to_pylist()]


def checked(names, organism=None) -> GeneCheck:
    found = check_genes(names, organism)
    assert found is not None
    return found


# -- what ships ----------------------------------------------------------------------------------


def test_the_table_is_sorted_small_and_says_its_releases():
    path = FOLDER / "genes.parquet"
    assert path.stat().st_size < 1_500_000
    ids = [id_ for id_, *_ in rows()]
    assert ids == sorted(set(ids))
    assert Counter(o for *_, o in rows()) == {HUMAN: 78_894, MOUSE: 78_317}
    assert not any(symbol in ("", id_) for id_, symbol, _ in rows())
    said = {k.decode(): v.decode() for k, v in pq.read_schema(path).metadata.items()}
    assert json.loads(said["versions"]) == {HUMAN: "GENCODE 48", MOUSE: "GENCODE M37"}
    assert json.loads(said["left_out"])["ercc"] == 92
    readme = (FOLDER / "README.md").read_text("utf-8")
    for fact in (*json.loads(said["versions"]).values(), said["source"]):
        assert fact in readme


def test_the_readme_counts_what_is_in_the_table():
    readme = (FOLDER / "README.md").read_text("utf-8")
    for organism in (HUMAN, MOUSE):
        symbols = [symbol for _, symbol, o in rows() if o == organism]
        named = sum(1 for symbol in symbols if symbol)
        assert f"{organism} | {len(symbols):,} | {named:,} |" in readme


def test_no_gene_is_taken_for_a_control():
    names = [name for id_, symbol, _ in rows() for name in (id_, symbol) if name]
    assert checked(names, HUMAN).n == len(names)


# -- what a check tells --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "organism", "kind", "release"),
    [
        (HUMAN_IDS, HUMAN, "id", "GENCODE 48"),
        (MOUSE_IDS, MOUSE, "id", "GENCODE M37"),
        (["TP53", "GAPDH", "EGFR"], HUMAN, "symbol", "GENCODE 48"),
        (["Trp53", "Gapdh", "Egfr"], MOUSE, "symbol", "GENCODE M37"),
    ],
)
def test_organism_and_kind_are_seen_from_the_names(names, organism, kind, release):
    assert check_genes(names) == GeneCheck(organism, kind, 3, (), (), 0, (), release)
    assert check_genes(names, organism) == check_genes(names)


def test_an_id_may_have_a_version():
    versions = ["ENSG00000141510.18", "ENSG00000111640", "ENSG00000182378.15_PAR_Y"]
    found = checked(versions)
    assert (found.kind, found.versioned, found.unknown) == ("id", 2, ())
    assert checked(["ENSG00000141510.", "ENSG00000141510.x", *HUMAN_IDS]).versioned == 0


def test_genes_of_the_other_organism_are_told_apart_from_unknown_ones():
    names = ["TP53", "Trp53", "GAPDH", "Nosuchgene", "C3", "ENSMUSG00000059552.14"]
    human, mouse = checked(names, HUMAN), checked(names, MOUSE)
    assert human.other_organism == ("Trp53", "ENSMUSG00000059552.14")
    assert mouse.other_organism == ("TP53", "GAPDH")
    assert human.unknown == mouse.unknown == ("Nosuchgene",)


def test_all_genes_may_be_of_the_other_organism():
    found = checked(MOUSE_IDS, HUMAN)
    assert (found.organism, found.other_organism, found.unknown) == (HUMAN, tuple(MOUSE_IDS), ())


def test_probes_and_spike_ins_are_no_genes():
    found = checked([*CONTROLS, "TP53", "", "EGFR", "Nosuchgene"])
    assert (found.n, found.unknown) == (3, ("Nosuchgene",))
    assert check_genes(CONTROLS) is None
    assert checked(["ERCC1", "ERCC8-AS1", "NEGR1", "ERCC6L2"]).n == 4


def test_unknown_ids_stand_whole_and_in_their_order():
    names = ["ENSG09999999999.3", *HUMAN_IDS, "ENSG00000000001", "ENSG09999999999.3"]
    found = checked(names)
    assert found.unknown == ("ENSG09999999999.3", "ENSG00000000001", "ENSG09999999999.3")
    assert found.duplicates == ("ENSG09999999999.3",)
    assert (found.n, found.versioned) == (6, 2)


def test_a_list_of_symbols_may_have_ids_where_a_gene_has_no_symbol():
    unnamed = next(id_ for id_, symbol, o in rows() if symbol is None and o == HUMAN)
    found = checked(["TP53", "EGFR", unnamed])
    assert (found.kind, found.unknown) == ("symbol", ())


def test_where_more_than_half_are_other_words_they_are_no_genes():
    words = ["mean_area", "intensity", "tissue"]
    assert check_genes([*words, "TP53", "EGFR"]) is None
    assert checked([*words, "TP53", "EGFR", "GAPDH"]).unknown == tuple(words)
    assert check_genes([str(i) for i in range(30)]) is None


def test_symbols_count_letter_for_letter():
    assert check_genes(["tp53", "gapdh", "egfr"], HUMAN) is None
    assert checked(["TP53", "gapdh", "EGFR"]).unknown == ("gapdh",)


def test_other_organisms_and_what_cannot_be_told_give_none():
    assert check_genes(["Trp53", "Gapdh"], RAT) is None
    assert check_genes(["ENSRNOG00000010756", "ENSRNOG00000018630"]) is None
    assert check_genes(["C3", "F2"]) is None  # called so in both
    assert check_genes([*HUMAN_IDS, *MOUSE_IDS]) is None
    assert check_genes([]) is None
    assert check_genes([], HUMAN) is None


def test_half_a_surrogate_pair_does_no_harm():
    assert checked(["TP53", "EGFR", "\ud800"]).unknown == ("?",)
    assert find_gene("\ud800") == []


NAMES = st.lists(
    st.one_of(
        st.sampled_from(rows()[:: len(rows()) // 200]).map(lambda row: row[0]),
        st.sampled_from([*HUMAN_IDS, *MOUSE_IDS]).flatmap(
            lambda i: st.sampled_from([i, f"{i}.7", f"{i}_PAR_Y", f"{i}.7_PAR_Y", f"{i}.", f"x{i}"])
        ),
        st.sampled_from(["TP53", "Trp53", "C3", "H2-M10.1", "Y_RNA", "tp53", *CONTROLS, ""]),
        st.text(max_size=8),
    ),
    max_size=12,
)


def oracle(names, organism):
    """The same by looking through the whole table for every name."""
    genes = [n for n in names if n and n not in CONTROLS]
    ids, versions, owners = [], [], []
    for name in genes:
        bare = name.removesuffix("_PAR_Y")
        stem, dot, version = bare.partition(".")
        is_id = stem in HAVE and (not dot or version.isdigit())
        ids.append(is_id)
        versions.append(is_id and bool(dot))
        key = stem if is_id else name
        owners.append({o for id_, symbol, o in rows_of(key) if key in (id_, symbol)})
    if organism is None:
        counts = {o: sum(o in has for has in owners) for o in (HUMAN, MOUSE)}
        if counts[HUMAN] == counts[MOUSE]:
            return None
        organism = max(counts, key=counts.__getitem__)
    unknown = tuple(n for n, has in zip(genes, owners, strict=True) if not has)
    if organism not in (HUMAN, MOUSE) or not genes or len(unknown) > len(genes) / 2:
        return None
    return (
        organism,
        "id" if sum(ids) > len(genes) / 2 else "symbol",
        len(genes),
        unknown,
        tuple(n for n, has in zip(genes, owners, strict=True) if has and organism not in has),
        sum(versions),
        tuple(n for n in dict.fromkeys(genes) if genes.count(n) > 1),
    )


HAVE = {row[0] for row in rows()}


@cache
def rows_of(key: str) -> list[tuple[str, str | None, str]]:
    return [row for row in rows() if key in row]


@settings(max_examples=60, deadline=None)
@given(NAMES, st.sampled_from([None, HUMAN, MOUSE, RAT]))
def test_a_check_agrees_with_looking_through_the_table(names, organism):
    found = check_genes(names, organism)
    said = found and (
        *(found.organism, found.kind, found.n, found.unknown),
        *(found.other_organism, found.versioned, found.duplicates),
    )
    assert said == oracle(names, organism)


def test_the_visium_store_is_of_a_mouse(test_data):
    import zarr

    store = find_store(test_data, "spatialdatadb_visium_mouse_brain")
    var = zarr.open_group(store / "tables/table/var", mode="r")
    symbols, ids = ([str(v) for v in var[name][:]] for name in ("_index", "gene_ids"))
    by_symbol, by_id = checked(symbols), checked(ids)
    assert (by_symbol.organism, by_symbol.kind) == (MOUSE, "symbol")
    assert (by_id.organism, by_id.kind, by_id.n) == (MOUSE, "id", len(ids))
    assert (
        len(by_id.unknown) < 0.02 * by_id.n
    )  # a list of 2020: symbols have changed since, not ids
    assert len(by_symbol.unknown) < 0.1 * by_symbol.n
    assert len(checked(ids, HUMAN).other_organism) == by_id.n - len(by_id.unknown)


# -- how genes are found -------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["TP53", "tp53", " Tp53 ", HUMAN_IDS[0], "ensg00000141510.18"])
def test_a_gene_is_found_by_id_and_symbol_in_any_case(text):
    assert find_gene(text) == [Gene("ENSG00000141510", "TP53", HUMAN)]


def test_a_name_may_be_of_many_genes_and_of_none():
    assert [g.organism for g in find_gene("gapdh")] == [HUMAN, MOUSE]
    assert len(find_gene("Y_RNA")) > 700
    assert find_gene("no such gene") == find_gene("") == find_gene("ENSG09999999999") == []
    unnamed = next(row for row in rows() if row[1] is None)
    assert find_gene(unnamed[0]) == [Gene(*unnamed)]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_find_and_suggest_take_any_text(text):
    find_gene(text)
    assert len(suggest_genes(text, MOUSE)) <= 3


@pytest.mark.parametrize(
    ("slip", "organism", "meant"),
    [
        ("GAPHD", HUMAN, "GAPDH"),
        ("EPCAMM", HUMAN, "EPCAM"),
        ("PTRPC", HUMAN, "PTPRC"),
        ("MK167", HUMAN, "MKI67"),
        ("march1", HUMAN, "MARCHF1"),
        ("gapdhh", MOUSE, "Gapdh"),
        ("TRP53", MOUSE, "Trp53"),
    ],
)
def test_a_slip_is_put_right(slip, organism, meant):
    assert suggest_genes(slip, organism)[0] == meant


def test_what_is_like_no_gene_gets_no_suggestion():
    assert suggest_genes("no such gene at all", HUMAN) == []
    assert suggest_genes("GAPHD", RAT) == []
    assert len(suggest_genes("KRT", HUMAN, n=5)) == 5


# -- what it costs -------------------------------------------------------------------------------


def test_a_check_of_many_genes_is_quick(capsys):
    names = [f"{id_}.1" for id_, _, organism in rows() if organism == MOUSE][:33_000]
    checked(names)
    start = time.perf_counter()
    assert checked(names).versioned == len(names)
    with capsys.disabled():
        print(f"\n{len(names):,} ids checked in {time.perf_counter() - start:.3f} s")


def test_loading_says_what_it_costs_and_imports_nothing_large(capsys):
    code = """
import sys, time, pyarrow.parquet, pyarrow.compute
from portal.genes import HUMAN, check_genes, find_gene, suggest_genes

def memory():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096

def told(what, do):
    before, start = memory(), time.perf_counter()
    do()
    print(f"{what}: {time.perf_counter() - start:.3f} s, {(memory() - before) / 1e6:.1f} MB")

told("first check of genes", lambda: check_genes(["TP53"]))
told("first suggestion", lambda: suggest_genes("GAPHD", HUMAN))
told("first search", lambda: find_gene("TP53"))
print(*{"pandas", "pyarrow.dataset"} & set(sys.modules))
"""
    if not Path("/proc/self/statm").is_file():
        pytest.skip("memory is read from /proc")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=FOLDER.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    *figures, imported = done.stdout.split("\n")[:-1]
    with capsys.disabled():
        print("", *figures, sep="\n")
    assert imported == ""
