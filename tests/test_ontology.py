"""The vocabularies: the tables that ship, the overlay, and how both are read."""

from __future__ import annotations

import random
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

import portal.ontology
from portal.ontology import (
    ONTOLOGIES,
    OURS,
    WHOLE,
    Overlay,
    Term,
    fold,
    load_ontology,
    read_overlay,
)
from tests.vocabularies import vocabulary

FOLDER = Path(portal.ontology.__file__).parent / "data" / "ontologies"
OVERLAY = read_overlay(FOLDER / "overlay.yaml")


def labels(ids) -> set[str]:
    ontology = load_ontology()
    return {term.label for i in ids if (term := ontology.term(i))}


# -- what ships ----------------------------------------------------------------------------------


def test_a_term_has_its_names_parents_and_ontology():
    lung = load_ontology().term("UBERON:0002048")
    assert lung is not None
    assert (lung.label, lung.ontology, lung.deprecated, lung.upper) == (
        "lung",
        "UBERON",
        False,
        False,
    )
    assert "pulmonary" in lung.synonyms
    assert lung.parents
    assert load_ontology().term("UBERON:9999999") is None


@pytest.mark.parametrize(
    ("id_", "above"),
    [
        ("UBERON:0002037", {"brain", "nervous system", "hindbrain"}),
        ("UBERON:0001155", {"large intestine", "intestine", "digestive system"}),
        ("CL:0000625", {"T cell", "lymphocyte", "leukocyte", "hematopoietic cell"}),
        ("MONDO:0007254", {"cancer", "neoplasm", "breast disorder"}),
        ("EFO:0022615", {"imaging based spatial transcriptomics", "spatial transcriptomics"}),
        ("portal:xenium-prime", {"10x Xenium", "spatial transcriptomics"}),
        ("HsapDv:0000226", {"adult stage", "postnatal stage"}),
        ("NCBITaxon:10092", {"Mus musculus"}),
    ],
)
def test_ancestors_are_what_a_biologist_groups_by(id_, above):
    found = labels(load_ontology().ancestors(id_))
    assert above <= found
    assert not found & {
        "anatomical structure",
        "material anatomical entity",
        "multicellular anatomical structure",
        "organism subdivision",
        "organ",
        "tissue",
        "cell",
        "eukaryotic cell",
        "disease",
        "human disease",
        "experimental process",
        "instrument",
        "life cycle",
        "life cycle stage",
    }


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("Xenium", "EFO:0022615"),
        ("Xenium Spatial Gene Expression", "EFO:0022615"),
        ("10x Xenium", "EFO:0022615"),
        ("10X Genomics  xenium", "EFO:0022615"),
        ("Visium", "EFO:0010961"),
        ("Visium Spatial Gene Expression", "EFO:0010961"),
        ("CODEX", "EFO:0700002"),
        ("GeoMx", "EFO:0030029"),
        ("IMC", "portal:imaging-mass-cytometry"),
        ("stereo-seq", "portal:stereo-seq"),
        ("healthy", "PATO:0000461"),
        ("control", "PATO:0000461"),
        ("Human", "NCBITaxon:9606"),
        ("mouse", "NCBITaxon:10090"),
        ("rat", "NCBITaxon:10116"),
        ("zebrafish", "NCBITaxon:7955"),
        ("pulmonary", "UBERON:0002048"),
        ("hepatic", "UBERON:0002107"),
        ("renal", "UBERON:0002113"),
        ("cardiac", "UBERON:0000948"),
        ("cerebral", "UBERON:0000955"),
        ("dermal", "UBERON:0000014"),
        ("intestinal", "UBERON:0000160"),
        ("mammary", "UBERON:0001911"),
        ("gastric", "UBERON:0000945"),
        ("ovarian", "UBERON:0000992"),
        ("pancreatic", "UBERON:0001264"),
        ("splenic", "UBERON:0002106"),
        ("skin", "UBERON:0000014"),
        ("hippocampus", "UBERON:0002421"),
        ("uberon:0002048", "UBERON:0002048"),
        ("UBERON:0002048", "UBERON:0002048"),
        ("hsapdv:0000258", "HsapDv:0000258"),
        ("PORTAL:stereo-seq", "portal:stereo-seq"),
    ],
)
def test_people_find_a_term_by_what_they_call_it(text, id_):
    assert id_ in [t.id for t in load_ontology().find(text)]


def test_nobody_is_called_nothing():
    assert load_ontology().find("") == []
    assert load_ontology().find(":") == []
    assert load_ontology().find("no such thing") == []


def test_what_was_replaced_belongs_below_its_successor():
    ontology = load_ontology()
    old = ontology.term("MmusDv:0000040")
    assert old is not None
    assert old.deprecated
    assert old.replaced_by == "MmusDv:0000110"
    assert "MmusDv:0000110" in ontology.parents(old.id)
    assert "MmusDv:0000092" in ontology.ancestors(old.id)


def test_every_ontology_has_its_version_and_licence():
    said = (FOLDER / "README.md").read_text("utf-8")
    versions = load_ontology().versions
    assert set(versions) == {
        *("UBERON", "CL", "MONDO", "EFO", "HsapDv", "MmusDv", "HANCESTRO", "PATO", "NCBITaxon")
    }
    assert all(versions.values())
    assert [name for name in versions if f"| {name}, " not in said] == []


def test_the_tables_agree_and_are_small():
    ontology = load_ontology()
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 3_000_000
    ids = list(ontology)
    assert len(ids) == len(set(ids))
    table = ids[: len(ids) - len(OVERLAY.terms)]
    assert table == sorted(table)
    for id_ in table[::997]:
        term = ontology.term(id_)
        assert term is not None
        assert term in ontology.find(term.label)
        assert all(ontology.term(p) for p in term.parents)


# -- the overlay ---------------------------------------------------------------------------------


def test_every_id_of_the_overlay_is_known_and_current():
    ontology = load_ontology()
    named = {
        *OVERLAY.upper,
        *OVERLAY.synonyms,
        *OVERLAY.parents,
        *(p for above in OVERLAY.parents.values() for p in above),
        *(p for t in OVERLAY.terms.values() for p in t.parents),
    }
    faulty = [i for i in named if (t := ontology.term(i)) is None or t.deprecated]
    assert faulty == []


def test_the_overlay_adds_only_what_is_lacking():
    """No term of ours is called what a term of the same ontologies is called already."""
    ontology = load_ontology()
    for term in OVERLAY.terms.values():
        assert term.id.startswith(f"{OURS}:") == (term.ontology == OURS)
        if term.ontology != OURS:
            continue
        for name in (term.label, *term.synonyms):
            theirs = [t.id for t in ontology.find(name) if t.ontology == "EFO"]
            assert theirs == [], name


def test_a_name_in_the_overlay_is_no_label_of_another_term_of_that_ontology():
    ontology = load_ontology()
    for id_, names in OVERLAY.synonyms.items():
        prefix = id_.partition(":")[0]
        for name in names:
            taken = [
                t.id
                for t in ontology.find(name)
                if t.id != id_
                and t.id.startswith(prefix)
                and not t.deprecated
                and fold(t.label) == fold(name)
            ]
            assert taken == [], (id_, name)


# -- how it is read ------------------------------------------------------------------------------

IDS = [f"TEST:{i}" for i in range(9)]
GRAPHS = st.fixed_dictionaries({i: st.sets(st.sampled_from(IDS), max_size=4) for i in IDS})


def closure(graph, id_):
    """All that can be reached, by trying again until nothing new is found."""
    found = set()
    while True:
        more = {p for i in (id_, *found) for p in graph[i]} - found
        if not more:
            return found - {id_}
        found |= more


@settings(deadline=None)
@given(GRAPHS, st.sets(st.sampled_from(IDS)))
def test_ancestors_and_parents_agree_with_the_graph_whatever_its_circles(graph, upper):
    ontology = vocabulary(graph, overlay=Overlay(upper=frozenset(upper)))
    for id_ in IDS:
        assert ontology.ancestors(id_) == closure(graph, id_) - upper
        # The nearest that are fit to group by: reached through what is too general alone.
        through = {i: graph[i] if i in upper or i == id_ else set() for i in IDS}
        assert set(ontology.parents(id_)) == closure(through, id_) - upper


@settings(deadline=None)
@given(st.text(max_size=30))
def test_find_takes_any_text(text):
    load_ontology().find(text)


def test_case_and_white_space_do_not_count():
    ontology = vocabulary({"TEST:1": ()}, labels={"TEST:1": "Lobe of  Lung"})
    assert [t.id for t in ontology.find("  LOBE\tof lung ")] == ["TEST:1"]


def test_the_overlay_adds_to_a_term_and_brings_its_own():
    overlay = Overlay(
        terms={"portal:x": Term("portal:x", "X", parents=("TEST:1",), ontology=OURS)},
        synonyms={"TEST:1": ("also", "One")},
        parents={"TEST:1": ("TEST:2",)},
        upper=frozenset({"TEST:2"}),
    )
    ontology = vocabulary(
        {"TEST:1": ("TEST:3",), "TEST:2": (), "TEST:3": ()},
        synonyms={"TEST:1": ["One"]},
        overlay=overlay,
    )
    one = ontology.term("TEST:1")
    assert one is not None
    assert one.synonyms == ("One", "also")
    assert one.parents == ("TEST:3", "TEST:2")
    assert ontology.ancestors("portal:x") == {"TEST:1", "TEST:3"}
    assert [t.id for t in ontology.find("ALSO")] == ["TEST:1"]
    assert [t.id for t in ontology.find("x")] == ["portal:x"]


def test_loading_is_quick_and_small():
    code = """
import time, pyarrow.parquet, yaml
import portal.ontology

def memory():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096

before, start = memory(), time.process_time()
ontology = portal.ontology.load_ontology()
ontology.ancestors("UBERON:0002048")
print(time.process_time() - start, memory() - before)
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
    seconds, size = map(float, done.stdout.split())
    assert seconds < 0.3
    assert size < 60e6


# -- what a field takes --------------------------------------------------------------------------


def walked(id_, ontology) -> set[str]:
    """Everything above a term, one step after another: parents and what replaced it."""
    found, level = set(), {id_}
    while level:
        terms = [t for i in level if (t := ontology.term(i))]
        level = {p for t in terms for p in (*t.parents, t.replaced_by) if p} - found
        found |= level
    return found - {id_}


@settings(deadline=None)
@given(
    GRAPHS,
    st.dictionaries(st.sampled_from(IDS), st.sampled_from(IDS), max_size=3),
    st.lists(st.sampled_from([*IDS, "TEST", "OTHER", "TEST:none"]), max_size=3),
)
def test_a_field_takes_a_branch_and_all_below_it_whatever_the_graph(graph, replaced, allowed):
    ontology = vocabulary(graph, replaced=replaced)
    for id_ in IDS:
        above = walked(id_, ontology)
        assert ontology.all_above(id_) == above
        term = ontology.term(id_)
        assert term is not None
        taken = any(a == "TEST" or a == id_ or a in above for a in allowed)
        assert ontology.allows(allowed, term) == taken


TABLE = sorted(load_ontology())
IN_TABLE = st.integers(0, len(TABLE) - 1).map(TABLE.__getitem__)


@settings(max_examples=300, deadline=None)
@given(IN_TABLE, st.lists(IN_TABLE | st.sampled_from(sorted(ONTOLOGIES)), max_size=3))
def test_a_field_takes_of_the_table_what_a_walk_over_it_finds(id_, allowed):
    ontology = load_ontology()
    above = walked(id_, ontology)
    assert ontology.all_above(id_) == above
    term = ontology.term(id_)
    assert term is not None
    assert ontology.allows(allowed, term) == bool({id_, term.ontology, *above} & {*allowed})
    for root in sorted(above)[:3]:
        assert ontology.allows([root], term)


def test_children_are_the_terms_in_use_that_name_a_term_as_their_parent():
    ontology = load_ontology()
    below: dict[str, set[str]] = {}
    for id_ in ontology:
        term = ontology.term(id_)
        assert term is not None
        for parent in () if term.deprecated else term.parents:
            below.setdefault(parent, set()).add(id_)
    ids = [*list(below)[::97], "UBERON:0002048", "EFO:0022615", "EFO:0030005", "NCBITaxon:10090"]
    for id_ in ids:
        children = ontology.children(id_)
        assert set(children) == below[id_]
        said = [term.label for c in children if (term := ontology.term(c))]
        assert said == sorted(said)
    assert ontology.children("UBERON:9999999") == ()


def test_every_ontology_in_the_tables_can_be_named_in_a_schema_and_the_whole_ones_are_there():
    ontology = load_ontology()
    used = {term.ontology for i in ontology if (term := ontology.term(i))}
    assert used == set(ONTOLOGIES)
    assert set(ontology.versions) >= WHOLE


def test_a_name_that_looks_like_an_id_is_that_of_its_own_term():
    """So that an id never means another term that is called so."""
    ontology = load_ontology()
    looks = re.compile(rf"({'|'.join(ONTOLOGIES)})[:_][a-z0-9.-]+", re.IGNORECASE)
    names = [n for n in ontology._names["name"].to_pylist() if looks.fullmatch(n)]
    assert names  # some obsolete terms are called like this
    assert [n for n in names if [t.id.lower() for t in ontology.find(n)] != [n]] == []


# -- what may be meant ---------------------------------------------------------------------------


def mistyped(word: str, letters: random.Random) -> str:
    """One letter changed, left out, doubled by another or put after the next."""
    places = [i for i, c in enumerate(word) if c.isalpha()]
    at = letters.choice(places)
    other = letters.choice(string.ascii_lowercase)
    return letters.choice(
        [
            word[:at] + other + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + other + word[at:],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        ]
    )


def in_use(prefix: str) -> list[Term]:
    """The terms of an ontology that people may mistype: in use, with at least eight letters."""
    ontology = load_ontology()
    return [
        term
        for id_ in ontology
        if (term := ontology.term(id_))
        and term.ontology == prefix
        and not term.deprecated
        and sum(map(str.isalpha, term.label)) >= 8
    ]


@pytest.mark.parametrize("prefix", ["UBERON", "CL", "MONDO", "EFO", "HANCESTRO", "NCBITaxon"])
def test_of_a_label_with_one_wrong_letter_the_right_term_is_suggested(prefix):
    ontology, letters = load_ontology(), random.Random(20_000)
    terms = in_use(prefix)
    sample = letters.sample(terms, min(200, len(terms)))
    typos = [(t, mistyped(t.label, letters)) for t in sample]
    typos = [(t, typo) for t, typo in typos if fold(typo) != fold(t.label)]
    hits = sum(t in ontology.nearest(typo, [prefix]) for t, typo in typos)
    print(f"\n{prefix}: {100 * hits / len(typos):.1f} % of {len(typos)}")
    assert hits / len(typos) >= 0.95


def test_a_suggestion_comes_from_the_branch_that_the_field_takes_however_many_others_are_alike():
    """Most of UBERON is no stage of life: it must not crowd the stages out."""
    ontology, letters = load_ontology(), random.Random(7)
    allowed = ["HsapDv", "MmusDv", "UBERON:0000105"]
    stages = [t for t in in_use("UBERON") if ontology.allows(allowed, t)]
    assert len(stages) > 50
    found = 0
    for stage in stages:
        near = ontology.nearest(mistyped(stage.label, letters), allowed)
        assert all(ontology.allows(allowed, t) and not t.deprecated for t in near)
        assert len({t.id for t in near}) == len(near) <= 3
        found += stage in near
    assert found / len(stages) >= 0.95


NAME = st.text("abcd ", min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=200, deadline=None)
@given(st.lists(NAME, min_size=1, max_size=8, unique=True), NAME, st.integers(1, 4))
def test_the_nearest_names_are_those_that_a_plain_comparison_of_all_finds(names, query, n):
    labels = dict(zip(IDS, names, strict=False))
    ontology = vocabulary(dict.fromkeys(labels, ()), labels=labels)
    likeness = {i: fuzz.ratio(fold(query), fold(label)) for i, label in labels.items()}
    best = sorted((v for v in likeness.values() if v >= 68), reverse=True)[:n]
    near = ontology.nearest(query, ["TEST"], n)
    if best:
        assert [likeness[t.id] for t in near] == best
    else:
        assert len(near) <= n


def test_words_in_another_order_or_within_others_are_found_too():
    ontology = load_ontology()
    for said, meant in (
        ("gland prostate", "prostate gland"),
        ("cancer pancreatic", "malignant pancreatic neoplasm"),
        ("primary visual cortex of patient seven", "primary visual cortex"),
        ("Alzheimer's-like pathology", "Alzheimer disease"),
    ):
        assert meant in [t.label for t in ontology.nearest(said, ["UBERON", "MONDO"])], said


def test_what_was_replaced_is_never_suggested():
    labels = {"TEST:1": "old name", "TEST:2": "odd name"}
    ontology = vocabulary(
        {"TEST:1": (), "TEST:2": ()}, labels=labels, replaced={"TEST:1": "TEST:2"}
    )
    assert [t.id for t in ontology.nearest("old nane", ["TEST"])] == ["TEST:2"]


@pytest.mark.parametrize("text", ["", " ", "x" * 100_000, "lung " * 20_000, "é" * 400, "\0"])
def test_nothing_is_like_a_text_that_no_name_could_be(text):
    assert load_ontology().nearest(text, [*ONTOLOGIES]) == []
