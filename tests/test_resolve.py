"""What a curator wrote → the values that are meant, and every fault of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import portal
from portal.curation_codes import CODES
from portal.entry import Entry, Term
from portal.literals import SAME, Resolved
from portal.ontology import ONTOLOGIES, WHOLE, fold, load_ontology
from portal.record import UNKNOWN
from portal.resolve import Resolver
from portal.schema import SchemaField, load_schema
from portal.tidy import tidy
from portal.yamledit import flow
from tests.test_ontology import IN_TABLE, mistyped
from tests.vocabularies import vocabulary

ONTOLOGY = load_ontology()
RESOLVER = Resolver(ONTOLOGY)
HUMAN, MOUSE, RAT = "NCBITaxon:9606", "NCBITaxon:10090", "NCBITaxon:10116"


def field(type_="text", **values) -> SchemaField:
    return SchemaField.model_validate({"type": type_, **values})


FIELDS = {
    "tissue": field("term", ontology=["UBERON"], many=True),
    "disease": field("term", ontology=["MONDO", "PATO:0000461"], many=True),
    "organism": field("term", ontology=["NCBITaxon"]),
    "assay": field("term", ontology=["EFO", "OBI", "portal"]),
    "cell_type": field("term", ontology=["CL"], many=True),
    "stage": field("term", ontology=["HsapDv", "MmusDv", "UBERON:0000105"], many=True),
    "ancestry": field("term", ontology=["HANCESTRO"]),
    "sex": field("term", ontology=["PATO:0001894"]),
    "nothing": field("term"),
    "enum": field("enum", values={"H&E": ["HE", "hematoxylin"], "IF": [], "v1.0": []}, many=True),
    "open": field("enum", values={"FFPE": ["paraffin"], "Fresh Frozen": []}, open=True),
    "none": field("enum", values=["none", "mild", "1", "2.5"]),
    "text": field(),
    "gene": field("gene"),
    "integer": field("integer", minimum=0, maximum=10**9),
    "number": field("number", unit="µm²"),
    "date": field("date"),
    "address": field("address"),
    "boolean": field("boolean"),
}


def resolve(item, name, *organisms) -> Resolved:
    return RESOLVER.resolve(item, FIELDS[name], organisms=frozenset(organisms))


def ids(found: Resolved) -> list[str | None]:
    return [v.id for v in found.values]


def labels(found: Resolved) -> list[str]:
    return [v.label for v in found.values]


def codes(found: Resolved) -> list[str]:
    return [f.code for f in found.faults]


def told(found: Resolved) -> str:
    return " ".join(f"{f.what} {f.remedy} {f.in_entry}" for f in found.faults)


# -- one term, in many words ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "name", "id_", "code"),
    [
        ("lung", "tissue", "UBERON:0002048", "term-without-id"),
        ("Lung", "tissue", "UBERON:0002048", "term-case"),
        ("lymph  node", "tissue", "UBERON:0000029", "text-untidy"),
        ("pulmonary", "tissue", "UBERON:0002048", "term-synonym"),
        ("ovaries", "tissue", "UBERON:0000992", "term-plural"),
        ("testes", "tissue", "UBERON:0000473", "term-plural"),
        ("kidneys", "tissue", "UBERON:0002113", "term-plural"),
        ("UBERON:0002048", "tissue", "UBERON:0002048", "term-id-alone"),
        ("uberon_0002048", "tissue", "UBERON:0002048", "term-id-alone"),
        ("AfPO:0000368", "ancestry", "AfPO:0000368", "term-id-alone"),
        ("PORTAL:Stereo-Seq", "assay", "portal:stereo-seq", "term-id-alone"),
        ("healthy", "disease", "PATO:0000461", "term-synonym"),
        ("Xenium", "assay", "EFO:0022615", "term-synonym"),
        ("H&E", "assay", "portal:he-staining", "term-synonym"),
        ("T cell.", "cell_type", "CL:0000084", "text-untidy"),
        ("T\u00a0cell", "cell_type", "CL:0000084", "text-untidy"),
        ("Т cell", "cell_type", "CL:0000084", "text-untidy"),  # a Cyrillic Т
        ("COVID-19–associated multisystem inflammatory syndrome in adults", "disease",
         "MONDO:0100319", "term-without-id"),
        ("Crohn’s disease", "disease", "MONDO:0005011", "term-synonym"),
        ("lung disease, immunodeficiency, and chromosome breakage syndrome;", "disease",
         "MONDO:0014984", "term-without-id"),
    ],
)  # fmt: skip
def test_people_name_a_term_in_many_ways_and_are_told_how_it_was_read(item, name, id_, code):
    found = resolve(item, name)
    assert ids(found) == [id_]
    assert codes(found) == [code]
    (value,) = found.values
    term = ONTOLOGY.term(id_)
    assert term is not None
    assert (value.label, value.ontology) == (term.label, term.ontology)
    assert value.ontology_version == ONTOLOGY.versions.get(term.ontology)
    assert value.written == (None if item in (value.label, id_) else item)


@given(IN_TABLE, st.sampled_from(["{}:{}", "{}_{}"]), st.sampled_from([str, str.lower, str.upper]),
       st.sampled_from(["{}", " {} ", "{}\u200b", "http://purl.obolibrary.org/obo/{}",
                        "https://purl.obolibrary.org/obo/{}", "http://www.ebi.ac.uk/efo/{}"]))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_an_id_is_read_in_whatever_way_it_is_written(id_, form, cased, place):
    term = ONTOLOGY.term(id_)
    assert term is not None
    prefix, _, number = id_.partition(":")
    iri = place.startswith("http")
    text = place.format(("{}_{}" if iri else form).format(cased(prefix), number))
    if iri and "-" in number:  # a CURIE of ours is no address
        return
    found = RESOLVER.resolve(text, field("term", ontology=[term.ontology]))
    assert ids(found) == [id_]
    assert not {f.severity for f in found.faults} & {"error"}
    mapping = Term(id=f"{cased(prefix)}:{number}", label=term.label)
    checked = RESOLVER.resolve(mapping, field("term", ontology=[term.ontology]))
    assert ids(checked) == [id_]
    assert "term-label-differs" not in codes(checked)


def odd_space(text: str, letters: random.Random) -> str:
    spaces = ["  ", "\t", "\u00a0", "\u2003", " \n "]
    return letters.choice(["", " "]) + "".join(
        letters.choice(spaces) if c == " " else c for c in text
    )


def random_case(text: str, letters: random.Random) -> str:
    return "".join(letters.choice([c.lower(), c.upper()]) for c in text)


@settings(max_examples=500, deadline=None)
@given(IN_TABLE, st.sampled_from(["label", "case", "space", "synonym"]), st.integers(0, 10**6))
def test_a_term_named_by_label_or_synonym_resolves_to_one_that_is_called_so(id_, way, seed):
    """In any case and spacing; where several are called so, all of them are named."""
    letters = random.Random(seed)
    term = ONTOLOGY.term(id_)
    assert term is not None
    name = letters.choice(term.synonyms) if way == "synonym" and term.synonyms else term.label
    text = odd_space(name, letters) if way == "space" else name
    text = (
        random_case(name, letters) if way == "case" and fold(name.upper()) == fold(name) else text
    )
    if name in ("unknown", "NA") or not name:  # two synonyms that are blank words
        return
    found = RESOLVER.resolve(text, field("term", ontology=[term.ontology]))
    if "term-ambiguous" in codes(found):
        assert term.deprecated or f"({id_})" in told(found)
        assert found.faults[-1].what.count("(") >= 2
        return
    (value,) = found.values
    meant = ONTOLOGY.term(value.id or "")
    assert meant is not None, (text, found)
    called = {fold(n) for n in (meant.label, *meant.synonyms)}
    assert {fold(name), fold(tidy(name)[0])} & called or meant.id == fold(name).upper()
    if not term.deprecated:
        assert not meant.deprecated
        if way != "synonym":  # nobody takes a label from a term in use
            assert fold(meant.label) == fold(name)
    else:
        assert not meant.deprecated or "term-obsolete" in codes(found)


def test_an_obsolete_term_names_its_replacement_through_those_that_were_replaced_in_their_turn():
    ontology = vocabulary(
        {f"TEST:{i}": () for i in range(7)},
        replaced={"TEST:0": "TEST:1", "TEST:1": "TEST:2", "TEST:3": "X:9", "TEST:4": "TEST:5",
                  "TEST:5": "TEST:4"},
    )  # fmt: skip
    resolver, taken = Resolver(ontology), field("term", ontology=["TEST"])
    remedies = {
        i: resolver.resolve(Term(id=f"TEST:{i}", label=f"TEST {i}"), taken).faults[0].remedy
        for i in (0, 1, 3, 4)
    }
    assert remedies == {
        0: "It was replaced by `TEST 2` (TEST:2).",
        1: "It was replaced by `TEST 2` (TEST:2).",
        3: "It was replaced by X:9.",
        4: "No term replaces it.",
    }
    assert resolver.resolve("TEST 0", taken).rewrite is SAME


def test_no_term_of_the_tables_is_replaced_by_an_obsolete_one_without_a_word():
    replaced = [t for i in ONTOLOGY if (t := ONTOLOGY.term(i)) and t.deprecated and t.replaced_by]
    assert len(replaced) > 1000
    for term in replaced[::7]:
        found = RESOLVER.resolve(term.id, field("term", ontology=[term.ontology]))
        (remedy,) = (f.remedy for f in found.faults if f.code == "term-obsolete")
        named = ONTOLOGY.term(remedy.rpartition("(")[2].removesuffix(")."))
        assert named is None or not named.deprecated


# -- what no term is called ----------------------------------------------------------------------


def test_a_typo_gets_up_to_three_suggestions_and_the_way_out():
    found = resolve("adenocarcinom", "disease")
    (fault,) = found.faults
    assert (fault.code, fault.severity) == ("term-unknown", "error")
    assert "Did you mean `adenocarcinoma` (MONDO:0004970)" in fault.remedy
    assert fault.remedy.count("(MONDO:") <= 3
    assert fault.in_entry == "If no ontology has it, write {label: adenocarcinom}."
    assert fault.at("a:1").remedy.endswith(fault.in_entry)
    assert fault.in_entry not in fault.at("a:1", entry=False).remedy
    assert labels(found) == ["adenocarcinom"]


@pytest.mark.parametrize(
    ("item", "name", "code", "says"),
    [
        ("lung", "disease", "term-wrong-ontology", "`lung` (UBERON:0002048) is a tissue or organ"),
        ("UBERON:0002048", "disease", "term-wrong-ontology", "the field takes MONDO, PATO:0000461"),
        ("female", "disease", "term-wrong-ontology", "a quality"),
        ("EFO:0022615", "tissue", "term-wrong-ontology", "is an assay or instrument"),
        ("EFO:9999999", "tissue", "term-wrong-ontology", "is an assay or instrument"),
        ("UBERON:9999999", "tissue", "term-id-unknown", "has no term `UBERON:9999999`"),
        ("NCBITaxon:1", "organism", "term-id-unchecked", "so it is not checked"),
        ("mouse embryo", "tissue", "value-composite", "`mouse` is an organism"),
        ("large intestine colorectal cancer", "disease", "value-composite", "`colorectal cancer`"),
        ("xyzzy qwerty", "tissue", "term-unknown", "If no ontology has it"),
        ("lung, xyzzy", "tissue", "term-unknown", "`lung, xyzzy` is the name of no term"),
        ("адренал", "tissue", "term-unknown", "`адренал`"),
        (7, "tissue", "value-type", "`7` is a number, but the field is a term of UBERON"),
        (True, "tissue", "value-type", "put quotes around the word"),
    ],
)
def test_what_is_no_term_here_is_told_with_its_reason(item, name, code, says):
    found = resolve(item, name)
    assert codes(found) == [code]
    assert says in told(found)
    term = ONTOLOGY.term(item) if isinstance(item, str) else None
    assert labels(found) == [term.label if term else "yes" if item is True else str(item)]


def test_words_that_mean_several_terms_are_left_to_their_author():
    found = resolve("nuc-seq", "assay")
    assert codes(found) == ["term-ambiguous"]
    assert "EFO:0008835" in told(found)
    assert "EFO:0009991" in told(found)
    assert ids(found) == [None]


# -- stages of life ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "organisms", "id_"),
    [
        ("adult", [HUMAN], "HsapDv:0000258"),
        ("adult", [MOUSE], "MmusDv:0000110"),
        ("adult stage", [HUMAN], "HsapDv:0000258"),
        ("8 weeks", [MOUSE], "MmusDv:0000154"),
        ("8 weeks", [], "MmusDv:0000154"),
        ("8-week-old stage", [HUMAN, MOUSE], "MmusDv:0000154"),
        ("65 years", [HUMAN], "HsapDv:0000159"),
        ("65y", [], "HsapDv:0000159"),
        ("infant stage", [HUMAN], "HsapDv:0000261"),
        ("infant stage", [MOUSE], "MmusDv:0000177"),
        ("embryonic stage", [MOUSE], "MmusDv:0000002"),
        ("juvenile stage", [RAT], "UBERON:0034919"),
    ],
)
def test_a_stage_of_life_is_that_of_the_organism(item, organisms, id_):
    assert ids(resolve(item, "stage", *organisms)) == [id_]


@pytest.mark.parametrize("item", ["adult", "adult stage", "embryonic stage", "infant stage"])
def test_without_an_organism_a_stage_of_both_is_asked_about(item):
    found = resolve(item, "stage")
    assert codes(found) == ["term-ambiguous"]
    assert "HsapDv:" in told(found)
    assert "MmusDv:" in told(found)
    assert "Name the organism" in told(found)


@pytest.mark.parametrize(
    ("item", "organism", "kind"),
    [
        ("8 weeks", HUMAN, "a stage of mouse life"),
        ("8-week-old stage", HUMAN, "a stage of mouse life"),
        ("1-7 days", HUMAN, "a stage of mouse life"),
        ("65 years", MOUSE, "a stage of human life"),
        ("65-year-old stage", RAT, "a stage of human life"),
    ],
)
def test_a_stage_of_another_organism_is_told_for_what_it_is(item, organism, kind):
    found = resolve(item, "stage", organism)
    assert codes(found) == ["stage-organism"]
    assert kind in told(found)
    assert ids(found) == [None]


# -- lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "name", "expected"),
    [
        ("lung, brain", "tissue", ["lung", "brain"]),
        ("lung|brain|skin", "tissue", ["lung", "brain", "zone of skin"]),
        ("Lungs and UBERON:0000955", "tissue", ["pair of lungs", "brain"]),
        ("H&E, IF", "enum", ["H&E", "IF"]),
        ("hematoxylin & IF", "enum", ["H&E", "IF"]),
        ("lung, lung; brain", "tissue", ["lung", "brain"]),
    ],
)
def test_a_list_in_a_text_is_split_where_each_part_is_a_value(item, name, expected):
    found = resolve(item, name)
    assert labels(found) == expected
    assert codes(found) == ["list-in-text"]
    assert isinstance(found.rewrite, list)
    assert len(found.rewrite) == len(expected)


def test_a_name_with_a_comma_is_no_list():
    assert labels(resolve("T cell, CD4-positive", "cell_type")) == ["T cell, CD4-positive"]
    name = "cerebellar atrophy, visual impairment, and psychomotor retardation;"
    assert ids(resolve(name, "disease")) == ["MONDO:0014811"]


def test_a_list_for_a_field_that_takes_one_value_is_an_error_that_loses_none():
    found = resolve("human, mouse", "organism")
    assert codes(found) == ["list-not-allowed"]
    assert ids(found) == [HUMAN, MOUSE]
    assert found.rewrite is SAME


# -- mappings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "severity", "code"),
    [
        ("lung", None, None),
        ("Lung", "info", "term-case"),
        ("lung\u00a0", "info", "term-case"),
        ("lu\u200bng", "info", "term-case"),
        ("pulmonary", "info", "term-synonym"),
        ("Pulmonary.", "info", "term-synonym"),
        ("brain", "error", "term-label-differs"),
        ("unknown", "error", "term-label-differs"),
    ],
)
def test_a_label_beside_an_id_is_checked_against_it(label, severity, code):
    found = resolve(Term(id="UBERON:0002048", label=label), "tissue")
    assert [(f.severity, f.code) for f in found.faults] == ([(severity, code)] if code else [])
    assert ids(found) == ["UBERON:0002048"]
    assert labels(found) == ["lung"]
    assert found.values[0].written == (label if label != "lung" else None)


def test_what_was_written_stays_in_a_mapping_that_is_rewritten():
    item = Term(id="uberon:0002048", label="pulmonary", written="Pulmo")
    found = resolve(item, "tissue")
    assert found.rewrite == {"id": "UBERON:0002048", "label": "lung", "written": "Pulmo"}
    assert found.values[0].written == "Pulmo"
    bare = resolve(Term(label="pulmonary", written="Pulmo"), "tissue")
    assert (bare.rewrite, bare.values) == (found.rewrite, found.values)


@pytest.mark.parametrize(
    ("label", "name", "code", "says"),
    [
        ("Alzheimer's-like pathology", "disease", "term-none", "No ontology term stands for"),
        ("mouse embryo", "tissue", "value-composite", "says two things"),
        ("lung", "disease", "term-wrong-ontology", "is a tissue or organ"),
        ("adult", "stage", "term-ambiguous", "is said of"),
    ],
)
def test_a_label_without_an_id_is_words_on_purpose_and_only_a_warning(label, name, code, says):
    found = resolve(Term(label=label), name)
    assert [(f.code, f.severity) for f in found.faults] == [(code, "warning")]
    assert says in told(found)
    assert labels(found) == [label]
    assert ids(found) == [None]


def test_words_on_purpose_are_shown_tidy_and_kept_as_written():
    (value,) = resolve(Term(label="lu\u200bngish\u00a0thing"), "tissue").values
    assert (value.label, value.written) == ("lungish thing", "lu\u200bngish\u00a0thing")
    (value,) = resolve(Term(label="thing ", id="DOID:4"), "disease").values
    assert (value.label, value.id, value.written) == ("thing", "DOID:4", "thing ")


def test_a_label_without_an_id_that_has_one_gets_it():
    found = resolve(Term(label="lung"), "tissue")
    assert ids(found) == ["UBERON:0002048"]
    assert found.rewrite == {"id": "UBERON:0002048", "label": "lung"}


def test_an_id_of_an_ontology_that_is_not_here_is_kept_unchecked():
    found = resolve(Term(id="DOID:4", label="disease"), "disease")
    assert [(f.code, f.severity) for f in found.faults] == [("term-id-unchecked", "warning")]
    (value,) = found.values
    assert (value.id, value.label, value.ontology) == ("DOID:4", "disease", "DOID")


@pytest.mark.parametrize(
    ("item", "name", "code"),
    [
        (Term(label="javascript:alert(1)"), "address", "address-invalid"),
        (Term(label="many"), "integer", "number-invalid"),
        (Term(label="XRF"), "enum", "value-not-allowed"),
        (Term(label="10/05/2023"), "date", "date-invalid"),
    ],
)
def test_a_mapping_is_no_way_round_the_rules_of_a_field_without_terms(item, name, code):
    assert codes(resolve(item, name)) == [code]


def test_a_mapping_in_a_field_without_terms_keeps_its_id_and_what_was_written():
    found = resolve(Term(label="H&E", id="X:1", written="h and e"), "enum")
    (value,) = found.values
    assert (value.label, value.id, value.written) == ("H&E", "X:1", "h and e")
    assert found.faults == ()
    assert found.rewrite is SAME


# -- blanks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("item", ["(nan)", "N/A", "Unknown.", "n/a\u200b", float("nan"), "unknown"])
def test_a_blank_word_is_unknown_in_every_field(name, item):
    found = resolve(item, name)
    assert labels(found) == [UNKNOWN]
    assert codes(found) == (
        [] if str(item).casefold().startswith("unknown") else ["value-blank-word"]
    )
    assert labels(resolve(Term(label=str(item)), name)) == [UNKNOWN]


def test_a_blank_word_that_the_schema_lists_is_a_value():
    assert labels(resolve("None", "none")) == ["none"]
    assert codes(resolve("none", "none")) == []
    assert labels(resolve("nan", "none")) == [UNKNOWN]


# -- enumerations, numbers, dates and the rest ---------------------------------------------------


@pytest.mark.parametrize(
    ("item", "name", "label", "code"),
    [
        ("H&E", "enum", "H&E", None),
        ("h&e", "enum", "H&E", "value-case"),
        ("Hematoxylin", "enum", "H&E", "value-alias"),
        ("H&F", "enum", "H&F", "value-not-allowed"),
        ("v2.0", "enum", "v2.0", "value-not-allowed"),
        ("FFPF", "open", "FFPF", None),
        ("Fresh Frozn", "open", "Fresh Frozn", "value-unusual"),
        ("snap", "open", "snap", None),
        (1, "none", "1", None),
        (1.0, "none", "1", None),
        (2.5, "none", "2.5", None),
        (True, "enum", "yes", "value-type"),
        ("6,518", "integer", "6518", "number-form"),
        ("18085.0", "integer", "18085", "number-form"),
        (18085.0, "integer", "18085", None),
        ("6518", "integer", "6518", None),
        (6518, "integer", "6518", None),
        (6.5, "integer", "6.5", "number-invalid"),
        ("6,5", "integer", "6,5", "number-invalid"),
        (-1, "integer", "-1", "number-range"),
        (2_000_000_000, "integer", "2000000000", "number-range"),
        ("6518 cells", "integer", "6518 cells", "number-unit"),
        ("95,000.5 um2", "number", "95000.5", "number-form"),
        ("95000.5 μm²", "number", "95000.5", "number-form"),
        ("1 mm²", "number", "1 mm²", "number-unit"),
        (1e300, "number", "1e+300", None),
        (float("inf"), "number", "inf", "number-invalid"),
        (True, "number", "yes", "value-type"),
        ("2023/10/05", "date", "2023-10-05", "date-form"),
        (2023, "date", "2023", None),
        (20231005, "date", "2023-10-05", "date-form"),
        ("10/05/2023", "date", "10/05/2023", "date-invalid"),
        (202311, "date", "202311", "date-invalid"),
        ("https://x.org/a", "address", "https://x.org/a", None),
        ("x.org", "address", "x.org", "address-invalid"),
        ("file:///etc/passwd", "address", "file:///etc/passwd", "address-invalid"),
        (True, "boolean", "yes", None),
        ("No", "boolean", "no", None),
        (1, "boolean", "yes", None),
        (2, "boolean", "2", "value-not-allowed"),
        ("maybe", "boolean", "maybe", "value-not-allowed"),
        (2.0, "text", "2.0", None),
        (7, "gene", "7", None),
        (False, "text", "no", None),
    ],
)
def test_a_value_without_a_term_is_read_by_the_rules_of_its_field(item, name, label, code):
    found = resolve(item, name)
    assert labels(found) == [label]
    assert codes(found) == ([code] if code else [])
    kept = {found.values[0].written, found.values[0].label}
    assert item in kept if isinstance(item, str) else kept <= {None, label, str(item)}


def test_a_limit_is_shown_as_people_write_it():
    assert "is less than 0." in told(resolve(-1, "integer"))
    assert "Did you mean `FFPE`?" in told(resolve("FFPEE", "open"))


# -- whatever is written -------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["lung", "Brain", "mouse", "T cells", "8 weeks", "adult", "unknown", "UBERON:0002048", "CL_0",
     "H&E", "FFPE", "1-7 days", "6,518", "2023/10/05", "cancer", "healthy", "AfPO:0000368"]
)  # fmt: skip
JOINTS = st.sampled_from([" ", ", ", "|", " and ", "/", ".", "\u00a0", "\u200b", " (", "; "])
TEXTS = st.text(max_size=30) | st.lists(WORDS | JOINTS, max_size=6).map("".join) | WORDS
CURIES = st.from_regex(
    r"(UBERON|uberon|CL|PATO|DOID|AfPO|portal):[A-Za-z0-9_.-]{1,9}", fullmatch=True
)
LABELS, WRITTEN = TEXTS.filter(bool), st.just("") | st.text(max_size=20)
MAPPINGS = st.builds(Term, label=LABELS, written=WRITTEN) | st.builds(
    Term, label=LABELS, id=CURIES | IN_TABLE, written=WRITTEN
)
ITEMS = TEXTS | st.booleans() | st.integers() | st.floats() | MAPPINGS | CURIES
SCHEMAS = [load_schema("minimal"), load_schema("spatialdata-db")]
ANY_FIELD = st.sampled_from([*FIELDS.values(), *(f for s in SCHEMAS for f in s.fields.values())])
ORGANISMS = st.frozensets(st.sampled_from([HUMAN, MOUSE, RAT, "X:1"]), max_size=2)


@settings(max_examples=1500, deadline=None)
@given(ITEMS, ANY_FIELD, ORGANISMS)
@example("8-week-old stage", FIELDS["stage"], frozenset({HUMAN}))
@example(16**5000, FIELDS["integer"], frozenset())
@example("9" * 400, FIELDS["number"], frozenset())
@example("\ud800", FIELDS["text"], frozenset())
@example("ОБЩИЙ", FIELDS["tissue"], frozenset())
def test_whatever_is_written_there_is_a_value_and_every_fault_can_be_shown(item, taken, organisms):
    found = RESOLVER.resolve(item, taken, organisms=organisms)
    assert found.values
    for value in found.values:
        assert isinstance(value.label, str)
        assert value.label or item == ""
        assert value.source == "declared"
    for fault in found.faults:
        assert fault.code in CODES
        assert f"{fault.what}{fault.remedy}{fault.in_entry}".isprintable()
    bad = [f for f in found.faults if f.severity == "error"]
    assert found.rewrite is SAME or not bad or bad[0].code == "term-wrong-ontology"
    if taken.type == "term" and isinstance(item, str) and not any(v.id for v in found.values):
        assert found.faults or labels(found) == [UNKNOWN]
    stored = RESOLVER.resolve(item, taken, source="store attribute a.b", organisms=organisms)
    assert [v.model_copy(update={"source": "declared"}) for v in stored.values] == [*found.values]


def written(rewrite) -> list:
    """The items of an entry that a rewriting stands for."""
    items = rewrite if isinstance(rewrite, list) else [rewrite]
    return [Term(**i) if isinstance(i, dict) else i for i in items]


@settings(max_examples=1500, deadline=None)
@given(ITEMS, ANY_FIELD, ORGANISMS)
@example("1e22", FIELDS["number"], frozenset())
@example(1e22, FIELDS["number"], frozenset())
@example("lung" + " " * 600 + ".", FIELDS["tissue"], frozenset())
@example("lung, UBERON:0000955, MONDO:0004970", FIELDS["tissue"], frozenset())
@example(Term(id="uberon:0002048", label="pulmonary"), FIELDS["tissue"], frozenset())
@example("Pulmonary, \u200bBrains", FIELDS["tissue"], frozenset())
def test_what_is_rewritten_means_the_same_and_is_not_rewritten_again(item, taken, organisms):
    found = RESOLVER.resolve(item, taken, organisms=organisms)
    if found.rewrite is SAME:
        return
    flow(found.rewrite)  # it can be put into a file
    again = [RESOLVER.resolve(i, taken, organisms=organisms) for i in written(found.rewrite)]
    assert [r.rewrite for r in again] == [SAME] * len(again)
    values = [v for r in again for v in r.values]
    assert [(v.id, v.label) for v in values] == [(v.id, v.label) for v in found.values]
    graver = {f.code for r in again for f in r.faults if f.severity != "info"}
    assert graver <= {f.code for f in found.faults}


def test_a_rewriting_can_be_read_as_an_entry():
    for item in ("lung" + " " * 600 + ".", "Lung, brain", "pulmonary\u00a0"):
        rewrite = resolve(item, "tissue").rewrite
        assert Entry(title="t", metadata={"tissue": rewrite}).metadata["tissue"] is not None


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from([n for n, f in FIELDS.items() if f.type == "term"]), ORGANISMS)
def test_the_quick_look_up_finds_what_resolving_finds_or_nothing(text, name, organisms):
    """For the categories of a column: one term or none, and none of another kind."""
    taken = FIELDS[name]
    term = RESOLVER.term_of(text, taken, organisms)
    found = RESOLVER.resolve(text, taken, organisms=organisms)
    if term is not None:
        assert ids(found) == [term.id]
        assert ONTOLOGY.allows(taken.ontology, term)
    elif len(found.values) == 1 and found.values[0].id:
        unknown = ONTOLOGY.term(found.values[0].id)
        assert unknown is None or not ONTOLOGY.allows(taken.ontology, unknown)


def test_the_same_item_is_resolved_once():
    resolver = Resolver(ONTOLOGY)
    taken = FIELDS["tissue"]
    assert resolver.resolve("lungg", taken) is resolver.resolve("lungg", taken)
    assert resolver.resolve(1, FIELDS["text"]) is not resolver.resolve(True, FIELDS["text"])
    assert labels(resolver.resolve(1, FIELDS["text"])) == ["1"]
    assert labels(resolver.resolve(True, FIELDS["text"])) == ["yes"]


# -- hostile input -------------------------------------------------------------------------------

LONG = {
    "one word": "x" * 100_000,
    "words": "lung " * 20_000,
    "list of nothing": "a," * 50_000,
    "list of terms": "lung, brain, " * 8_000,
    "list of ids": "UBERON:0002048|" * 7_000,
    "digits": "9" * 100_000,
    "groups": "1," * 50_000,
    "look-alikes": "а" * 100_000,
    "invisible": "\u200b" * 100_000 + "lung",
    "spaces": "lung" + " " * 100_000,
    "id": "UBERON:" + "1" * 100_000,
    "brackets": "(" * 100_000,
}


@pytest.mark.parametrize("what", sorted(LONG))
def test_a_hundred_kilobytes_in_one_value_cost_little_and_make_short_messages(what):
    RESOLVER.ontology.find("lung")
    start = time.process_time()
    for name in FIELDS.keys() - {"assay", "cell_type", "stage", "ancestry", "sex"}:  # as "organism"
        for item in (LONG[what], Term.model_construct(id="", label=LONG[what], written="")):
            found = resolve(item, name)
            assert all(len(f.what) + len(f.remedy) < 2500 for f in found.faults)
    assert time.process_time() - start < 10


def test_thousands_of_misspelt_words_cost_milliseconds_each():
    """The dearest field, where nothing like a word is found; then typos."""
    letters = random.Random(3)
    terms = [t for i in ONTOLOGY if (t := ONTOLOGY.term(i)) and t.ontology == "MONDO"]
    typos = [mistyped(t.label, letters) + "x" for t in letters.sample(terms, 200)]
    strange = [
        " ".join("".join(letters.choices("bcdfgklmnprst", k=7)) for _ in range(3))
        for _ in range(200)
    ]
    resolver = Resolver(ONTOLOGY)
    resolver.resolve("first of all", FIELDS["disease"])  # what is loaded once
    for what, words in (("typos", typos), ("strange words", strange)):
        start = time.process_time()
        for word in words:
            resolver.resolve(word, FIELDS["disease"])
        each = (time.process_time() - start) / len(words)
        print(f"\n{what}: {each * 1000:.1f} ms each")
        assert each < 0.1


def test_a_look_up_imports_neither_rapidfuzz_nor_pandas():
    code = """
import sys, time

def memory():
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096
    except OSError:
        return 0

before, start = memory(), time.perf_counter()
from portal.ontology import load_ontology
from portal.resolve import Resolver
from portal.schema import SchemaField
imported = time.perf_counter()
taken = SchemaField(type="term", ontology=("UBERON",))
found = Resolver(load_ontology()).resolve("Lung", taken)
print(f"{imported - start:.2f} s of imports, {time.perf_counter() - imported:.2f} s to load and "
      f"resolve, {(memory() - before) / 1e6:.0f} MB")
print(found.values[0].id)
print([m for m in ("rapidfuzz", "pandas", "pyarrow.dataset", "spatialdata") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(portal.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    cost, id_, heavy = done.stdout.splitlines()
    print(f"\n{cost}")
    assert (id_, heavy) == ("UBERON:0002048", "[]")


# -- the collection's own records ----------------------------------------------------------------

KEYS = {
    "organism": "Organism",
    "assay": "Assay",
    "tissue": "Tissue",
    "disease": "Disease",
    "development_stage": "Development Stage",
}


@pytest.fixture(scope="module")
def records(test_data) -> list[dict]:
    path = test_data / "spatialdata-db" / "records.json"
    if not path.is_file():
        pytest.skip("no records.json")
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def from_words(records) -> dict[str, list[tuple[str, Resolved, dict | None]]]:
    """By field: each given value, what its words alone resolve to, and what curators found."""
    schema = load_schema("spatialdata-db")
    by_field: dict[str, list[tuple[str, Resolved, dict | None]]] = {name: [] for name in KEYS}
    for record in records:
        organisms: frozenset[str] = frozenset()
        for name, key in KEYS.items():
            text = record["attrs"]["metadata_general"].get(key)
            if text is None:
                continue
            found = RESOLVER.resolve(text, schema.fields[name], organisms=organisms)
            if name == "organism":
                organisms = frozenset(v.id for v in found.values if v.id)
            if labels(found) != [UNKNOWN]:
                by_field[name].append((text, found, (record["ontology"] or {}).get(key)))
    return by_field


def test_the_words_of_the_real_records_resolve(from_words):
    counts = {
        name: (sum(all(ids(found)) for _, found, _ in values), len(values))
        for name, values in from_words.items()
    }
    print(f"\n{counts}")
    assert counts["assay"] == (138, 138)
    assert counts["organism"] == (135, 135)
    assert counts["tissue"][0] >= 128
    assert counts["disease"][0] >= 87
    assert counts["disease"][1] == 95
    assert counts["development_stage"] == (52, 52)
    assert sum(ids(found) == ["PATO:0000461"] for _, found, _ in from_words["disease"]) == 37


def test_every_word_of_the_real_records_that_does_not_resolve_has_its_reason(from_words):
    reasons = {
        (name, text): codes(found)
        for name, values in from_words.items()
        for text, found, _ in values
        if not all(ids(found))
    }
    assert reasons == {
        ("tissue", "mouse embryo"): ["value-composite"],
        ("disease", "large intestine colorectal cancer"): ["value-composite"],
        ("disease", "Invasive Adenocarcinoma"): ["term-unknown"],
        ("disease", "follicular hyperplasia"): ["term-unknown"],
        ("disease", "Alzheimer's-like pathology"): ["term-unknown"],
    }


def test_where_the_curators_of_the_collection_found_a_term_ours_is_the_same(from_words):
    """Or the one that replaced it. The mouse's `adult stage` is the only such case."""
    differ, agree = set(), 0
    for values in from_words.values():
        for text, found, theirs in values:
            if not theirs:
                continue
            if ids(found) == [theirs["id"]]:
                agree += 1
                continue
            term = ONTOLOGY.term(theirs["id"])
            assert term is not None
            assert ids(found) == [term.replaced_by]
            differ.add((text, theirs["id"], term.replaced_by))
    assert agree > 400
    assert differ == {("adult stage", "MmusDv:0000040", "MmusDv:0000110")}


def test_what_only_we_found_is_no_surprise(from_words):
    ours = {
        (text, ids(found)[0])
        for values in from_words.values()
        for text, found, theirs in values
        if not theirs and all(ids(found))
    }
    assert ours == {
        ("bone", "UBERON:0001474"),
        ("cervix", "UBERON:0000002"),
        ("colorectal", "UBERON:0012652"),
        ("whole organism", "UBERON:0000468"),
    }


def test_every_value_of_the_real_records_keeps_what_was_written(from_words):
    for values in from_words.values():
        for text, found, _ in values:
            assert all((v.written or v.label) == text for v in found.values)


def test_the_whole_ontologies_can_be_judged_by_their_ids_alone():
    for prefix in sorted(set(ONTOLOGIES) - {"portal"}):
        found = RESOLVER.resolve(f"{prefix}:9999999999", field("term", ontology=[prefix]))
        assert codes(found) == ["term-id-unknown" if prefix in WHOLE else "term-id-unchecked"]
