"""What is written into a crate is what is read from it; what others write is read as far as it goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.derivation import Code, Derivation, Environment, Thing
from portal.lineagecrate import crate_document, derivations_in, is_ours

pytest.importorskip("rocrate", reason="needs the extra `lineage`")

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=12
).filter(lambda t: t.strip(".") == t and t.strip() == t)  # fmt: skip
HEX = st.text("0123456789abcdef", min_size=8, max_size=8)
THINGS = st.builds(
    Thing,
    name=TEXT,
    artifact=st.none() | st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True),
    version=st.none() | TEXT,
    fingerprint=st.none() | HEX,
    sha256=st.none() | HEX,
    bytes=st.none() | st.integers(0, 2**50),
    address=st.none() | st.just("https://example.org/a/"),
)
VALUES = st.text(max_size=9) | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
DERIVATIONS = st.builds(
    Derivation,
    output=THINGS.map(lambda t: t.model_copy(update={"artifact": None})),
    inputs=st.lists(THINGS, max_size=3).map(tuple),
    parameters=st.dictionaries(TEXT, VALUES, max_size=3),
    code=st.none() | st.builds(Code, name=TEXT, version=st.none() | TEXT)
    | st.builds(Code, name=TEXT, version=st.none() | TEXT, sha256=HEX, changed=st.booleans()),
    environment=st.builds(
        Environment, python=st.just("CPython 3.11.7"), platform=TEXT,
        packages=st.dictionaries(TEXT, TEXT, max_size=3),
    ),
    started=st.none() | MOMENTS,
    ended=MOMENTS,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(DERIVATIONS, min_size=1, max_size=3, unique_by=lambda d: d.output.name))
def test_what_is_written_is_what_is_read(derivations):
    document = json.loads(json.dumps(crate_document(derivations)))
    assert list(derivations_in(document)) == derivations
    assert is_ours(document)


def entities(document):
    return {e["@id"]: e for e in document["@graph"]}


def made() -> Derivation:
    nuclei = Thing(name="Nuclei", artifact="nuclei", address="https://example.org/datasets/nuclei/")
    return Derivation(
        output=Thing(name="model one.pt", sha256="ab"),
        inputs=(nuclei, Thing(name="notes.csv", sha256="cd")),
        parameters={"seed": 1},
        code=Code(name="train.py", version="1234567", sha256="ef"),
        environment=Environment(python="CPython 3.11.7", platform="Linux", packages={"torch": "2.13.0"}),
        ended=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )  # fmt: skip


def test_a_crate_is_a_process_run_crate_with_the_relations_of_prov():
    document = crate_document([made()])
    found = entities(document)
    assert document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    assert document["@context"][1]["prov"] == "http://www.w3.org/ns/prov#"
    assert found["./"]["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    output = found["model%20one.pt"]
    action = found[output["prov:wasGeneratedBy"]["@id"]]
    assert found["./"]["mentions"] == [{"@id": action["@id"]}]
    assert action["@type"] == "CreateAction"
    assert action["result"] == {"@id": "model%20one.pt"}
    assert action["endTime"] == "2026-01-02T03:04:05+00:00"
    assert found[action["instrument"]["@id"]]["sha256"] == "ef"
    assert output["prov:wasDerivedFrom"] == action["prov:used"]
    inputs = [found[i["@id"]] for i in action["prov:used"]]
    assert [i["name"] for i in inputs] == ["Nuclei", "notes.csv"]
    assert inputs[0]["url"] == "https://example.org/datasets/nuclei/"
    assert {e["@id"] for e in action["object"]} - {e["@id"] for e in action["prov:used"]} == {
        "#model%20one.pt/parameter/seed"
    }


def test_rocrate_reads_it(tmp_path):
    from rocrate.rocrate import ROCrate

    (tmp_path / "model one.pt").write_bytes(b"x")
    text = json.dumps(crate_document([made()]))
    (tmp_path / "ro-crate-metadata.json").write_text(text)
    crate = ROCrate(tmp_path)
    assert [e.id for e in crate.data_entities] == ["model%20one.pt"]
    assert crate.get("model%20one.pt")["prov:wasGeneratedBy"].type == "CreateAction"


def test_nothing_in_a_document_refers_to_what_is_not_there():
    document = crate_document([made()])
    found = entities(document)

    def referred(value):
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            else:
                for inner in value.values():
                    yield from referred(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from referred(inner)

    outside = {"https://w3id.org/ro/crate/1.1"}
    assert set(referred(document["@graph"])) - set(found) - outside == set()


def foreign(**properties: object) -> dict[str, object]:
    """A crate as another writer may make it: flat, few properties."""
    action = {
        "@id": "#a",
        "@type": ["CreateAction"],
        "object": {"@id": "#i"},
        "result": [{"@id": "out/x.h5ad"}],
    }
    given = {"@id": "#i", "@type": "Dataset", **properties}
    return {"@graph": [action, given, {"@id": "out/x.h5ad", "@type": "File"}]}  # fmt: skip


def test_crates_of_other_writers_are_read_and_are_not_ours():
    (found,) = derivations_in(foreign(name="Input", url="https://example.org/i"))
    assert found.output.name == "x.h5ad"
    assert found.inputs[0].address == "https://example.org/i"
    assert found.code is None
    assert not is_ours(foreign())


@pytest.mark.parametrize(
    "properties",
    [
        {"url": "javascript:alert(1)", "identifier": "../../etc"},
        {"url": "file:///etc/passwd", "identifier": ["nuclei\n"]},
        {"url": 5, "identifier": {"@id": "#i"}},
    ],
    ids=["script", "file", "no texts"],
)
def test_an_address_or_id_that_can_be_none_is_left_out(properties):
    (found,) = derivations_in(foreign(name="I", **properties))
    assert found.inputs[0].address is None
    assert found.inputs[0].artifact is None


@pytest.mark.parametrize(
    "document",
    [None, 1, [], {}, {"@graph": {}}, {"@graph": [None, 1, {"@id": 5}, {"@type": "CreateAction"}]}],
    ids=["null", "number", "list", "empty", "no list", "no entities"],
)
def test_what_is_no_crate_tells_nothing(document):
    assert derivations_in(document) == ()
    assert not is_ours(document)


def test_parameters_of_other_writers_may_be_lists():
    document = foreign(name="I")
    value = {"@id": "#p", "@type": "PropertyValue", "name": "of", "value": [1, {"@id": "#x"}]}
    document["@graph"][0]["object"] = value  # type: ignore[index]
    assert derivations_in(document)[0].parameters == {"of": '[1, {"@id": "#x"}]'}


def test_texts_without_end_are_refused():
    with pytest.raises(ValueError, match="2000 characters"):
        derivations_in(foreign(name="x" * 3000))
