"""What a careful reader would ask about: each rule on an entry, and on one that is nearly so."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import load_config
from portal.curate import curate
from portal.curation_codes import CODES
from portal.manifest import read_manifest
from portal.ontology import load_ontology
from portal.record import UNKNOWN, Value
from portal.resolve import Resolver
from portal.rules import suspicions
from portal.schema import Schema, load_schema
from tests.conftest import ROOT

SCHEMA = load_schema("spatialdata-db")
RESOLVER = Resolver(load_ontology())
HUMAN, MOUSE, RAT, GUINEA_PIG = (f"NCBITaxon:{n}" for n in (9606, 10090, 10116, 10141))


def term(id_: str, written: str | None = None) -> Value:
    found = RESOLVER.ontology.term(id_)
    assert found is not None
    return Value(label=found.label, id=id_, ontology=found.ontology, written=written)


def words(label: str) -> Value:
    return Value(label=label)


def found(title="T", schema=SCHEMA, **values):
    """Place, code, what and remedy of every suspicion about an artifact."""
    given_ = {n: v if isinstance(v, tuple) else (v,) for n, v in values.items()}
    told = list(suspicions(title, given_, schema, RESOLVER))
    assert all(f.severity == "warning" and f.code in CODES for _, f in told)
    return [(place, f.code, f.what, f.remedy) for place, f in told]


def codes(title="T", schema=SCHEMA, **values) -> list[str]:
    return [code for _, code, _, _ in found(title, schema, **values)]


# -- the title and the disease -------------------------------------------------------------------

BREAST_CANCER = term("MONDO:0007254")


def test_a_title_that_says_healthy_beside_a_diagnosis_is_asked_about():
    ((place, code, what, remedy),) = found("Healthy Human Breast", disease=BREAST_CANCER)
    assert (place, code) == (("title",), "title-disease")
    assert what == "The title says `Healthy`, the disease is `breast cancer`."
    assert remedy == "Correct whichever is wrong."


@pytest.mark.parametrize(
    "title", ["non-diseased lung", "Nondiseased lung", "disease-free margin", "unaffected skin"]
)
def test_other_words_for_healthy_count_as_well(title):
    assert codes(title, disease=BREAST_CANCER) == ["title-disease"]


@pytest.mark.parametrize(
    ("title", "disease"),
    [
        ("Healthy breast", term("PATO:0000461")),
        ("Healthy breast", words(UNKNOWN)),
        ("Breast cancer and healthy tissue", BREAST_CANCER),
        ("Healthy and Tumour", term("MONDO:0007254", "tumour")),
        ("Unhealthy breast", BREAST_CANCER),
        ("Non-healthy breast", BREAST_CANCER),
        ("Not healthy breast", BREAST_CANCER),
        ("Health survey", BREAST_CANCER),
        ("Breast", BREAST_CANCER),
    ],
)
def test_a_title_that_agrees_with_the_disease_is_not(title, disease):
    assert codes(title, disease=disease) == []


def test_healthy_beside_healthy_and_a_diagnosis_is_asked_about():
    both = (term("PATO:0000461"), BREAST_CANCER)
    assert codes("Healthy breast", disease=both) == ["title-disease"]
    assert codes("Healthy breast") == []


# -- the title and the organism ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "organism", "named"),
    [
        ("Mouse Brain", HUMAN, "`Mouse` (Mus musculus)"),
        ("A rat's Brain, rat", MOUSE, "`rat` (Rattus norvegicus)"),
        ("murine liver", HUMAN, "`murine` (Mus musculus)"),
        ("Guinea pig cochlea", HUMAN, "`Guinea pig` (Cavia porcellus)"),
        ("Naked mole rat skin", RAT, "`Naked mole rat` (Heterocephalus glaber)"),
    ],
)
def test_a_title_that_names_another_organism_is_asked_about(title, organism, named):
    ((place, code, what, _),) = found(title, organism=term(organism))
    assert (place, code) == (("title",), "title-organism")
    assert named in what


@pytest.mark.parametrize(
    ("title", "organisms"),
    [
        ("Mouse Brain", (MOUSE,)),
        ("Mouse Brain", ("NCBITaxon:10092",)),  # a subspecies of it
        ("Human tumour in a mouse", (MOUSE,)),
        ("Human and mouse", (HUMAN, MOUSE)),
        ("Guinea pig cochlea", (GUINEA_PIG,)),
        ("Naked mole-rat skin", ("NCBITaxon:10181",)),
        ("Mousetrap", (HUMAN,)),
        ("Brain", (HUMAN,)),
        ("Mouse Brain", ()),
    ],
)
def test_a_title_that_names_the_organism_or_none_is_not(title, organisms):
    assert codes(title, organism=tuple(map(term, organisms))) == []


def test_of_an_organism_without_a_term_nothing_is_said():
    assert codes("Mouse brain", organism=words("a creature")) == []
    assert codes("Mouse brain", organism=words(UNKNOWN)) == []


# -- blanks in the title -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Human Lung (nan)", "(nan)"),
        ("Human Lung [N/A]", "[N/A]"),
        ("Human Lung ( unknown )", "( unknown )"),
        ("Human Lung nan", "nan"),
        ("NaN, Human Lung", "NaN"),
    ],
)
def test_a_blank_in_a_title_is_told(title, said):
    ((place, code, what, _),) = found(title)
    assert (place, code) == (("title",), "title-blank-word")
    assert f"`{said}`" in what


@pytest.mark.parametrize(
    "title",
    ["Human Lung (FFPE)", "Nancy's lung", "nanopore", "(no data here yet)", "Lung (unknown donor)",
     "Unknown primary tumour", "Lung ()", "TaqMan-nano"],
)  # fmt: skip
def test_a_title_with_something_in_its_brackets_is_not(title):
    assert codes(title) == []


# -- values of another field ---------------------------------------------------------------------


def test_an_instrument_that_is_called_like_a_disease_is_a_shifted_column():
    ((place, code, what, remedy),) = found(instrument=words("healthy"))
    assert (place, code) == (("metadata", "instrument"), "value-in-wrong-field")
    assert what == "Instrument: `healthy` is `normal` (PATO:0000461)."
    assert "`disease`" in remedy


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ("Adenocarcinoma with Invasive Carcinoma", "disease"),
        ("lung", "tissue"),
        ("lung, brain", "tissue"),
        ("Human", "organism"),
        ("UBERON:0002048", "tissue"),
    ],
)
def test_such_a_value_is_sent_to_the_field_that_takes_all_of_it(label, field):
    ((_, _, _, remedy),) = found(instrument=words(label))
    assert f"`{field}`" in remedy


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("instrument", "Xenium Analyzer"),
        ("instrument", "Illumina NovaSeq 6000"),  # an instrument in EFO
        ("instrument", "NovaSeq"),
        ("instrument", UNKNOWN),
        ("instrument", "lung of something"),
        ("technology", "DBiT-seq"),  # EFO's assay has the platform's name
        ("technology", "Molecular Cartography"),
        ("staining_method", "H&E staining"),
        ("staining_method", "immunofluorescence"),
        ("preservation_method", "snap frozen"),
        ("modality", "RNA"),
        ("product", "healthy"),  # a text may say anything
        ("biomaterial_type", "Organoid"),
    ],
)
def test_a_value_that_its_own_field_may_have_is_not(name, label):
    assert codes(**{name: words(label)}) == []


def test_a_closed_enumeration_has_said_so_itself():
    schema = Schema.model_validate(
        {
            "fields": {
                "kind": {"type": "enum", "values": ["a"]},
                "disease": {"type": "term", "ontology": ["MONDO", "PATO:0000461"]},
            }
        }
    )
    assert codes(schema=schema, kind=words("healthy")) == []


# -- stage of life and organism ------------------------------------------------------------------

HUMAN_ADULT, MOUSE_ADULT = term("HsapDv:0000258"), term("MmusDv:0000110")


@pytest.mark.parametrize(
    ("organism", "stage"), [(MOUSE, HUMAN_ADULT), (HUMAN, MOUSE_ADULT), (RAT, MOUSE_ADULT)]
)
def test_a_stage_of_another_organism_s_life_is_asked_about(organism, stage):
    ((place, code, what, _),) = found(organism=term(organism), development_stage=stage)
    assert (place, code) == (("metadata", "development_stage"), "stage-organism")
    assert f"`{stage.label}` ({stage.id}) is not a stage of" in what


@pytest.mark.parametrize(
    ("organisms", "stage"),
    [
        ((term(HUMAN),), HUMAN_ADULT),
        ((term(MOUSE),), MOUSE_ADULT),
        ((term(HUMAN), term(MOUSE)), MOUSE_ADULT),
        ((term(RAT),), term("UBERON:0034919")),
        ((), HUMAN_ADULT),
        ((words("a creature"),), HUMAN_ADULT),
        ((term(MOUSE),), words("adult")),
    ],
)
def test_a_stage_of_the_organism_s_own_life_is_not(organisms, stage):
    assert codes(organism=organisms, development_stage=stage) == []


# -- technology and assay ------------------------------------------------------------------------

XENIUM, VISIUM, VISIUM_HD = (term(f"EFO:{n}") for n in ("0022615", "0010961", "0920058"))


@pytest.mark.parametrize(
    ("technology", "assay"),
    [("Visium", XENIUM), ("Xenium", VISIUM), ("IMC", XENIUM), ("Stereo-seq", VISIUM_HD)],
)
def test_a_technology_beside_the_assay_of_another_is_asked_about(technology, assay):
    ((place, code, what, _),) = found(technology=words(technology), assay=assay)
    assert (place, code) == (("metadata", "technology"), "technology-assay")
    assert technology in what
    assert assay.label in what


@pytest.mark.parametrize(
    ("technology", "assay"),
    [
        ("Visium", VISIUM),
        ("Visium", VISIUM_HD),  # a kind of it
        ("Xenium", term("portal:xenium-prime")),
        ("Xenium", term("EFO:0008994")),  # spatial transcriptomics
        ("MERSCOPE", term("EFO:0008992")),  # MERFISH
        ("Histology", term("portal:he-staining")),
        ("Slide-seq", term("EFO:0030062")),  # Slide-seqV2, which the schema counts to it
        ("Xenium", words("my own assay")),
        ("my own platform", VISIUM),
        (UNKNOWN, VISIUM),
    ],
)
def test_a_technology_beside_its_own_assay_or_a_wider_one_is_not(technology, assay):
    assert codes(technology=words(technology), assay=assay) == []


def test_every_technology_of_the_schema_goes_with_the_assay_that_is_called_like_it():
    checked = 0
    for technology, also in SCHEMA.fields["technology"].values.items():
        for name in (technology, *also):
            (assay,) = RESOLVER.resolve(name, SCHEMA.fields["assay"]).values
            checked += bool(assay.id)
            assert codes(technology=words(technology), assay=assay) == [], name
    assert checked > 25


# -- all together --------------------------------------------------------------------------------

NAMES = st.sampled_from(["organism", "disease", "assay", "technology", "instrument", "tissue"])
VALUE = st.builds(
    Value,
    label=st.text(max_size=20) | st.sampled_from(["Human", "lung, brain", "Visium", UNKNOWN]),
    id=st.none() | st.sampled_from([HUMAN, "UBERON:0002048", "X:1", "EFO:0022615"]),
    written=st.none() | st.text(max_size=5),
    ontology=st.none() | st.sampled_from(["HsapDv", "EFO", "X"]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=40) | st.sampled_from(["Healthy mouse (nan)", "rat rat rat"]),
    st.dictionaries(NAMES | st.just("development_stage"), st.lists(VALUE, max_size=3).map(tuple)),
    st.sampled_from([SCHEMA, Schema()]),
)
def test_whatever_an_artifact_says_its_suspicions_are_warnings_with_a_place(title, values, schema):
    for place, code, what, remedy in found(title, schema, **values):
        assert place in (("title",), ("metadata", place[-1]))
        assert code in CODES
        assert what
        assert remedy


@pytest.mark.parametrize(
    "title", ["(" * 300, "( " * 150, "nan " * 75, "mouse " * 50, "[(" * 150, "healthy " * 37]
)
def test_a_title_of_three_hundred_letters_costs_little(title):
    start = time.process_time()
    codes(title, organism=term(HUMAN), disease=BREAST_CANCER)
    assert time.process_time() - start < 2


# -- the mirror of the collection ----------------------------------------------------------------


@pytest.fixture(scope="module")
def mirrored() -> dict[str, list]:
    """The problems of every imported record, by code."""
    manifest = read_manifest(load_config(ROOT / "site_config.yaml"))
    entries = [e for e in manifest.entries if e.path.parent.name == "spatialdata-db"]
    if not entries:
        pytest.skip("the manifest has no records of spatialdata-db")
    by_code: dict[str, list] = {}
    for entry in entries:
        for problem in curate(entry, None, manifest.schema_).problems:
            by_code.setdefault(problem.code, []).append((entry.id, problem))
    return by_code


def ids(problems: list) -> set[str]:
    return {id_ for id_, _ in problems}


def test_titles_that_say_healthy_of_the_ill_are_found(mirrored):
    assert {"101x5", "10pf0"} <= ids(mirrored["title-disease"])
    # The other two are bone marrow and femur that their titles call non-diseased.
    assert ids(mirrored["title-disease"]) == {"101x5", "10pf0", "10040", "10pui"}


def test_columns_that_were_shifted_are_found(mirrored):
    assert ids(mirrored["value-in-wrong-field"]) == {"1005m", "10uik"}
    assert {p.where.partition(":")[0] for _, p in mirrored["value-in-wrong-field"]} == {
        "data_manifest/spatialdata-db/1005m.yaml",
        "data_manifest/spatialdata-db/10uik.yaml",
    }


def test_words_that_say_two_things_or_that_no_ontology_has_are_found(mirrored):
    composite = " ".join(p.what for _, p in mirrored["value-composite"])
    assert "`mouse embryo`" in composite
    without = " ".join(p.what for _, p in mirrored["term-none"])
    assert "Alzheimer's-like pathology" in without


def test_what_is_unknown_is_counted_and_where_it_is_required_warned_of(mirrored):
    def of(field: str) -> int:
        told = [*mirrored["value-unknown"], *mirrored["required-unknown"]]
        return sum(p.what.startswith(f"{field} is unknown") for _, p in told)

    # In six records the disease is blank and not unknown: the import says so for them.
    assert (of("Development stage"), of("Disease"), of("Organism")) == (86, 37 + 6, 3)
    assert {p.severity for _, p in mirrored["required-unknown"]} == {"warning"}


def test_no_rule_asks_about_what_is_right_in_the_mirror(mirrored):
    for code in ("title-organism", "title-blank-word", "stage-organism", "technology-assay"):
        assert code not in mirrored
