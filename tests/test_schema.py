"""schema.yaml: what a field and a slot may be, and how one schema extends another."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from portal.curation_codes import CODES
from portal.errors import ProblemsError
from portal.ontology import ONTOLOGIES, load_ontology
from portal.resources import shipped_schema, shipped_schemas
from portal.schema import Schema, SchemaField, Slot, load_schema, read_schema
from tests.conftest import ROOT


def read(tmp_path: Path, text: str, **beside: str) -> tuple[Schema | None, list[tuple[str, ...]]]:
    """The schema, and of each problem where it is, its code, what and remedy."""
    for name, other in beside.items():
        (tmp_path / f"{name}.schema.yaml").write_text(other, "utf-8")
    path = tmp_path / "schema.yaml"
    path.write_text(text, "utf-8")
    schema, problems = read_schema(path, "m/schema.yaml")
    assert all(p.severity == "error" for p in problems)
    return schema, [(p.where, p.code, p.what, p.remedy) for p in problems]


# -- what ships ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minimal", "spatialdata-db"])
def test_a_shipped_schema_has_no_faults_and_is_named_as_its_file(name):
    schema, problems = read_schema(shipped_schema(name))
    assert problems == []
    assert schema is not None
    assert schema.name == name
    assert name in shipped_schemas()


def test_the_schema_of_this_portal_has_no_faults():
    assert read_schema(ROOT / "data_manifest" / "schema.yaml")[1] == []


def test_without_a_schema_of_its_own_a_portal_has_the_minimal_one_that_requires_nothing():
    schema, problems = read_schema()
    assert problems == []
    assert schema == load_schema("minimal")
    assert [n for n, f in schema.fields.items() if f.required] == []


def test_every_branch_that_a_shipped_schema_names_is_a_term_in_use():
    ontology = load_ontology()
    ids = {n for s in shipped_schemas() for f in load_schema(s).fields.values() for n in f.ontology}
    terms = [ontology.term(i) for i in sorted(ids - set(ONTOLOGIES))]
    assert terms
    assert all(t is not None and not t.deprecated for t in terms)


def test_no_word_of_a_shipped_enumeration_stands_for_two_values():
    for name in shipped_schemas():
        for field in load_schema(name).fields.values():
            said = ({w.casefold() for w in (v, *also)} for v, also in field.values.items())
            words = [w for one in said for w in one]
            assert len(words) == len(set(words))


def test_the_collections_schema_asks_what_the_collection_requires_of_each_technology():
    schema = load_schema("spatialdata-db")
    asked = {
        technology: {n for n, f in schema.fields.items() if f.is_required(frozenset({technology}))}
        for technology in ("visium", "xenium")
    }
    both = {
        "technology", "assay", "product", "modality", "chemistry_version", "organism", "tissue",
        "disease", "biomaterial_type", "dataset_url", "publication_date",
    }  # fmt: skip
    assert asked["visium"] == both | {"n_spots", "genes_detected", "transcriptome"}
    assert asked["xenium"] == both | {"panel_type", "panel", "n_cells"}


# -- naming a schema -----------------------------------------------------------------------------


def test_a_schema_is_named_by_itself_its_file_or_the_name_of_a_shipped_one(tmp_path):
    (tmp_path / "a.yaml").write_text("name: mine\n")
    schema = Schema(name="x")
    assert load_schema(schema) is schema
    assert load_schema(tmp_path / "a.yaml").name == "mine"
    assert load_schema(str(tmp_path / "a.yaml")).name == "mine"
    assert load_schema("minimal").name == "minimal"


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ("minimall", "schema-missing", "'minimal'"),
        ("nothing like it", "schema-missing", "Known: minimal, spatialdata-db."),
        ("there/is/none.yaml", "file-unreadable", "none.yaml:1"),
    ],
)
def test_a_schema_that_is_not_there_is_a_problem_with_the_names_of_those_that_are(
    given, code, told
):
    with pytest.raises(ProblemsError) as caught:
        load_schema(given)
    assert [p.code for p in caught.value.problems] == [code]
    assert told in str(caught.value)


# -- faults, with file and line ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "code", "told"),
    [
        (
            "fields:\n  a:\n    type: term\n    ontology: [UBERN]\n",
            "m/schema.yaml:4",
            "schema-ontology-unknown",
            "Did you mean 'UBERON'?",
        ),
        (
            "fields:\n  a: {type: term, ontology: 'DOID:4'}\n",
            "m/schema.yaml:2",
            "schema-ontology-unknown",
            "no ontology `DOID:4`",
        ),
        ("fields:\n  a:\n    type: term\n", "m/schema.yaml:3", "schema-field", "UBERON, CL"),
        ("fields:\n  a:\n    type: enum\n", "m/schema.yaml:3", "schema-field", "`values`"),
        (
            "fields:\n  a:\n    type: text\n    unit: mm\n",
            "m/schema.yaml:4",
            "schema-field",
            "`unit` belongs to the type integer or number, not to text",
        ),
        (
            "fields:\n  a:\n    minimum: 0\n",
            "m/schema.yaml:3",
            "schema-field",
            "`minimum` belongs to",
        ),
        (
            "fields:\n  a:\n    type: number\n    facet: range\n",
            "m/schema.yaml:4",
            "schema-field",
            "whole numbers and dates",
        ),
        ("fields:\n  a: {}\n  a: {}\n", "m/schema.yaml:3", "duplicate-key", "`a` is given twice"),
        (
            "fields:\n  a: {found_in: x.y}\n  b:\n    found_in: [z, x.y]\n",
            "m/schema.yaml:4",
            "schema-place-twice",
            "`b` is found in `x.y`, and so is `a`",
        ),
        (
            "fields:\n  a: {obs: x}\n  b:\n    obs: x\n",
            "m/schema.yaml:4",
            "schema-place-twice",
            "the column `x`",
        ),
        (
            "fields:\n  a: {label: Lung}\n  b: {label: lung}\n",
            "m/schema.yaml:3",
            "schema-label-twice",
            "`b` and `a` are both called",
        ),
        (
            "fields:\n  x: {label: b}\n  b: {}\n",
            "m/schema.yaml:3",
            "schema-label-twice",
            "`b` and `x`",
        ),
        ("fields:\n  Bad Name: {}\n", "m/schema.yaml:2", "invalid-value", "not a field name"),
        ("fields:\n  a: {lable: x}\n", "m/schema.yaml:2", "unknown-key", "'label'"),
        (
            "fields:\n  a:\n    values: [yes, no]\n",
            "m/schema.yaml:3",
            "invalid-value",
            "put quotes around the word",
        ),
        (
            "slots:\n  images: {}\n  table:x: {}\n",
            "m/schema.yaml:3",
            "invalid-value",
            "`table:x` is no slot",
        ),
        ("slots:\n  images: {axes: abc}\n", "m/schema.yaml:2", "invalid-value", "axes"),
        (
            "slots:\n  attrs:\n    fields:\n      a: {type: term}\n",
            "m/schema.yaml:4",
            "schema-field",
            "`attrs.fields.a`: A term needs",
        ),
        (
            "slots:\n  tables:t:var:\n    index: {type: enum}\n",
            "m/schema.yaml:3",
            "schema-field",
            "`tables:t:var.index`: An enumeration needs",
        ),
        ("extends: minimall\n", "m/schema.yaml:1", "schema-missing", "Did you mean 'minimal'?"),
        ("name: x\nextends: ../up.yaml\n", "m/schema.yaml:2", "schema-missing", "no file here"),
        ("extends: ..\n", "m/schema.yaml:1", "schema-missing", "no file here"),
        ('extends: "a\\0b.yaml"\n', "m/schema.yaml:1", "schema-missing", r"`a\x00b.yaml`"),
        (
            "name: x\nextends: schema.yaml\n",
            "m/schema.yaml:2",
            "schema-cycle",
            "schema.yaml → schema.yaml",
        ),
    ],
)
def test_a_fault_is_told_with_its_file_and_line(tmp_path, text, where, code, told):
    (tmp_path / "up.yaml").write_text("name: up\n")
    folder = tmp_path / "m"
    folder.mkdir()
    _, problems = read(folder, text)
    ((at, what_code, what, remedy),) = problems
    assert (at, what_code) == (where, code)
    assert told in f"{what} {remedy}"
    assert code in CODES


def test_all_faults_are_told_at_once(tmp_path):
    text = "fields:\n  a: {type: term}\n  b: {type: enum}\n  c: {unit: m}\n"
    assert [p[0] for p in read(tmp_path, text)[1]] == [f"m/schema.yaml:{n}" for n in (2, 3, 4)]


def test_a_circle_of_three_files_is_told_where_it_closes(tmp_path):
    _, problems = read(
        tmp_path,
        "extends: b.schema.yaml\n",
        b="extends: c.schema.yaml\n",
        c="name: c\nextends: schema.yaml\n",
    )
    ((where, code, what, _),) = problems
    assert (where, code) == ("m/c.schema.yaml:2", "schema-cycle")
    assert "schema.yaml → b.schema.yaml → c.schema.yaml → schema.yaml" in what


def test_a_chain_without_end_is_refused_and_not_climbed(tmp_path):
    links = {f"c{i}": f"extends: c{i + 1}.schema.yaml\n" for i in range(1500)}
    _, problems = read(tmp_path, "extends: c0.schema.yaml\n", **links)
    assert [p[1] for p in problems] == ["schema-cycle"]


def test_what_is_wrong_in_a_base_is_told_once_and_of_the_base(tmp_path):
    base = "fields:\n  a: {type: term, ontology: X}\n  b: {found_in: p}\n"
    own = "extends: base.schema.yaml\nfields:\n  c:\n    found_in: p\n"
    _, problems = read(tmp_path, own, base=base)
    assert [p[:2] for p in problems] == [
        ("m/base.schema.yaml:2", "schema-ontology-unknown"),
        ("m/schema.yaml:4", "schema-place-twice"),
    ]


def test_a_base_that_can_not_be_read_leaves_what_is_written_here(tmp_path):
    schema, problems = read(
        tmp_path, "extends: base.schema.yaml\nfields: {a: {}}\n", base="fields: [\n"
    )
    assert [p[:2] for p in problems] == [("m/base.schema.yaml:2", "yaml-syntax")]
    assert schema is not None
    assert list(schema.fields) == ["a"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SchemaField.model_fields, "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["a", "b", "Bad", "tissue", "attrs", "images", "tables:t:obs", "index", "fields"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*Schema.model_fields, "x"]),
        JSON | st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=2), max_size=3),
        max_size=4,
    )
)
def test_whatever_a_schema_says_it_is_read_or_its_faults_are_told(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("schema") / "schema.yaml"
    path.write_text(json.dumps(data), "utf-8")
    schema, problems = read_schema(path, "s.yaml")
    assert schema is not None or problems
    assert all(p.code in {*CODES, "file-unreadable"} for p in problems)
    assert all(p.where.rpartition(":")[2].isdigit() for p in problems)


# -- extending -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "tissue"])
FIELD = st.fixed_dictionaries(
    {},
    optional={
        "label": st.text("xyz", min_size=1, max_size=3),
        "group": st.sampled_from(["G", "H"]),
        "type": st.sampled_from(["text", "integer", "date", "boolean"]),
        "many": st.booleans(),
        "required": st.booleans() | st.lists(st.sampled_from(["Visium", "Xenium"]), max_size=2),
        "only": st.lists(st.sampled_from(["Visium", "Xenium"]), max_size=2),
        "found_in": st.lists(st.sampled_from(["p.q", "r"]), max_size=2),
        "values": st.dictionaries(
            st.sampled_from("vw"), st.lists(st.sampled_from("st")), max_size=2
        ),
        "minimum": st.integers(0, 3),
        "show": st.sampled_from(["plain", "italic"]),
    },
)
FIELDS = st.dictionaries(NAMES, FIELD, max_size=3)
SLOT = st.fixed_dictionaries(
    {},
    optional={
        "required": st.booleans(),
        "closed": st.booleans(),
        "fields": FIELDS,
        "index": FIELD,
        "axes": st.sampled_from(["cyx", "yx"]),
        "elements": st.lists(st.sampled_from("ef"), max_size=2),
    },
)
SCHEMA = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from("mn"),
        "version": st.integers(1, 3),
        "fields": FIELDS,
        "slots": st.dictionaries(st.sampled_from(["attrs", "images", "tables:t:obs"]), SLOT),
    },
)


def over(base: dict, own: dict, *nested: str) -> dict:
    """`own` over `base`, and so again inside what `nested` names."""
    merged = {**base, **own}
    for key in nested:
        merged[key] = {**base.get(key, {}), **own.get(key, {})}
    return merged


def naive(base: dict, own: dict) -> dict:
    """What `own` comes to on top of `base`, worked out on plain dicts."""
    merged = over(base, own, "fields", "slots")
    for name in base.get("fields", {}).keys() & own.get("fields", {}).keys():
        merged["fields"][name] = over(base["fields"][name], own["fields"][name])
    for key in base.get("slots", {}).keys() & own.get("slots", {}).keys():
        old, new = base["slots"][key], own["slots"][key]
        slot = merged["slots"][key] = over(old, new, "fields")
        for name in old.get("fields", {}).keys() & new.get("fields", {}).keys():
            slot["fields"][name] = over(old["fields"][name], new["fields"][name])
        if "index" in old and "index" in new:
            slot["index"] = over(old["index"], new["index"])
    return merged


@settings(max_examples=300, deadline=None)
@given(st.lists(SCHEMA, min_size=2, max_size=4))
def test_a_schema_over_others_is_what_plain_dicts_merge_to(tmp_path_factory, layers):
    folder = tmp_path_factory.mktemp("layers")
    merged: dict = {}
    for i, layer in enumerate(layers):
        extends = {"extends": f"{i - 1}.schema.yaml"} if i else {}
        (folder / f"{i}.schema.yaml").write_text(json.dumps({**layer, **extends}), "utf-8")
        merged = naive(merged, {**layer, **extends})
    schema, _ = read_schema(folder / f"{len(layers) - 1}.schema.yaml")
    assert schema is not None
    expected = Schema.model_validate(merged)
    assert schema.model_dump() == expected.model_dump()
    assert list(schema.fields) == list(expected.fields)


def test_an_extension_says_only_what_is_otherwise():
    minimal, collection = load_schema("minimal"), load_schema("spatialdata-db")
    assert list(collection.fields)[: len(minimal.fields)] == list(minimal.fields)
    tissue = collection.fields["tissue"]
    assert tissue.required is True
    assert tissue.ontology == minimal.fields["tissue"].ontology == ("UBERON",)
    assert tissue.found_in[0] == "metadata_general.Tissue"


def test_a_file_in_a_folder_below_may_be_extended(tmp_path):
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "one.schema.yaml").write_text("fields:\n  a: {unit: m}\n")
    schema, problems = read(tmp_path, "extends: labs/one.schema.yaml\n")
    assert schema is not None
    assert list(schema.fields) == ["a"]
    assert problems[0][0] == "m/labs/one.schema.yaml:2"


# -- fields and slots ----------------------------------------------------------------------------

TECHNOLOGIES = st.sets(st.sampled_from(["visium", "xenium", "merfish"])).map(frozenset)


@given(
    st.booleans() | st.lists(st.sampled_from(["Visium", "Xenium"])),
    st.lists(st.sampled_from(["Visium", "XENIUM"])),
    TECHNOLOGIES,
)
def test_a_field_is_asked_of_the_technologies_that_it_names(required, only, technologies):
    field = SchemaField.model_validate({"required": required, "only": only})
    has = not only or any(o.lower() in technologies for o in only)
    assert field.applies(technologies) == has
    if isinstance(required, bool):
        assert field.is_required(technologies) == (required and has)
    else:
        assert field.is_required(technologies) == any(r.lower() in technologies for r in required)


def test_a_list_of_one_may_be_written_as_a_text():
    field = SchemaField.model_validate({"ontology": "CL", "found_in": "a.b", "required": "Visium"})
    assert (field.ontology, field.found_in, field.required) == (("CL",), ("a.b",), ("Visium",))


@pytest.mark.parametrize(
    ("values", "becomes"),
    [
        (["RNA", 1, 2.0], {"RNA": (), "1": (), "2.0": ()}),
        ({"RNA": ["a", "b"], "protein": None, "DNA": "c"}, {"RNA": ("a", "b"), "protein": (), "DNA": ("c",)}),
    ],
)  # fmt: skip
def test_values_are_a_list_or_have_other_words(values, becomes):
    assert SchemaField.model_validate({"type": "enum", "values": values}).values == becomes


def test_places_are_in_the_order_in_which_they_are_looked_up():
    fields = {"b": {"found_in": ["x", "y"]}, "a": {"found_in": "z"}}
    schema = Schema.model_validate({"fields": fields})
    assert list(schema.places()) == [("x", "b"), ("y", "b"), ("z", "a")]


GOOD_SLOTS = [
    "attrs",
    "attrs:bio",
    "attrs:a:b",
    "tables:table:obs",
    "tables:t:var",
    *("images", "labels", "shapes", "points", "tables"),
    *(f"{kind}:x y" for kind in ("images", "labels", "shapes", "points", "tables")),
]


@pytest.mark.parametrize("key", GOOD_SLOTS)
def test_a_slot_is_named_as_lamindb_does_or_by_its_elements(key):
    assert Schema.model_validate({"slots": {key: {}}}).slots == {key: Slot()}


@pytest.mark.parametrize(
    "key", ["", "attrs:", "tables:t:uns", "tables::obs", "images:", "images:a:b", "obs", "Images"]
)
def test_a_slot_of_another_name_is_refused(key):
    with pytest.raises(ValidationError, match="is no slot"):
        Schema.model_validate({"slots": {key: {}}})


def test_each_key_belongs_to_its_types_alone(tmp_path):
    """Every key of a kind with every type: a fault where they do not go together, else none."""
    belongs = {
        "ontology": {"term"},
        "values": {"enum"},
        "open": {"enum"},
        "unit": {"integer", "number"},
        "minimum": {"integer", "number"},
        "maximum": {"integer", "number"},
    }
    said = {
        "ontology": ["CL"],
        "values": ["v"],
        "open": True,
        "unit": "m",
        "minimum": 1,
        "maximum": 2,
    }
    types = ("term", "enum", "text", "integer", "number", "date", "address", "boolean", "gene")
    for key, type_ in itertools.product(belongs, types):
        needed = {"term": {"ontology": ["CL"]}, "enum": {"values": ["v"]}}.get(type_, {})
        field = {"type": type_, **needed, key: said[key]}
        _, problems = read(tmp_path, json.dumps({"fields": {"a": field}}))
        assert bool(problems) == (type_ not in belongs[key]), (key, type_)
