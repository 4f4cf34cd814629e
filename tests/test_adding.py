"""`portal add`: the entry of a store says what the store says, whatever that is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.adding import add_store, entry_text, write_new
from portal.check import check
from portal.config import SiteConfig, load_config
from portal.curate import curate
from portal.entry import Entry, Term
from portal.errors import ProblemsError, UsageError
from portal.facts import StoreFacts
from portal.manifest import read_manifest
from portal.record import Record
from portal.scan import scan_store
from portal.schema import Schema
from portal.yamlfile import read_yaml
from tests.stores import Maker, sound, zipped

CONTAINER = {"spatialdata_attrs": {"version": "0.2", "spatialdata_software_version": "0.8.0"}}
GENERAL = {
    "Technology": "Xenium",
    "Assay": "Xenium Spatial Gene Expression",
    "Organism": "mouse",
    "Tissue": "Brain",
    "Disease": "healthy",
    "Development Stage": "8 weeks",
    "Number of Target Genes": "5,006",
    "Publication Date": "10 May 2024",
    "Dataset Url": "https://example.org/data",
    "License": "CC BY 4.0",
}
LAYOUTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "metadata_general": (
        "spatialdata-db",
        {"metadata_general": GENERAL, "metadata_xenium": {"Number of Cells": 12}},
        {
            "technology": "Xenium",
            "assay": "EFO:0022615",
            "organism": "NCBITaxon:10090",
            "tissue": "UBERON:0000955",
            "disease": "PATO:0000461",
            "development_stage": "MmusDv",
            "panel_size": 5006,
            "n_cells": 12,
            "publication_date": "2024-05-10",
            "dataset_url": "https://example.org/data",
        },
    ),
    "bio+tech": (
        "minimal",
        {
            "bio": {"organism": "human", "tissue": ["Lung", "brain"], "donor_id": 7},
            "tech": {"technology": "visium", "modality": "transcriptome"},
        },
        {
            "technology": "Visium",
            "modality": "RNA",
            "organism": "NCBITaxon:9606",
            "tissue": ["UBERON:0002048", "UBERON:0000955"],
            "donor_id": "7",
        },
    ),
    "sample": (
        "minimal",
        {"sample": {"organism": "NCBITaxon_10090", "tissue": "Brain", "id": "M 1"}},
        {"organism": "NCBITaxon:10090", "tissue": "UBERON:0000955", "sample_id": "M 1"},
    ),
}


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    (tmp_path / "site_config.yaml").write_text("title: T\n")
    (tmp_path / "data_manifest").mkdir()
    return load_config(tmp_path / "site_config.yaml")


def a_store(path: Path, **attributes: Any) -> Path:
    maker = Maker(path, attributes={**CONTAINER, **attributes})
    maker.labels()
    maker.table(genes=["TP53", "EGFR"])
    maker.consolidate()
    return path


def with_schema(site: SiteConfig, fields: dict[str, Any]) -> None:
    (site.manifest_dir / "schema.yaml").write_text(yaml.safe_dump({"fields": fields}))


def files(site: SiteConfig) -> list[str]:
    return sorted(p.name for p in site.manifest_dir.rglob("*") if p.is_file())


# what it writes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_entry_says_what_its_store_says_and_has_no_fault_of_its_own(
    layout: str, site: SiteConfig
):
    name, attributes, expected = LAYOUTS[layout]
    (site.manifest_dir / "schema.yaml").write_text(f"extends: {name}\n")
    store = a_store(site.root / "stores" / "brain.zarr", **attributes)
    before = {p.code for p in check(site, [store]).problems}
    added = add_store(store, site)

    manifest = read_manifest(site)
    assert manifest.problems == ()
    (entry,) = manifest.entries
    assert entry.path == added.path == site.manifest_dir / "brain.yaml"
    assert entry.source == "../stores/brain.zarr"

    def short(item: Any) -> Any:
        if isinstance(item, list):
            return [short(i) for i in item]
        return item.id if isinstance(item, Term) else item

    said = {k: short(v) for k, v in entry.metadata.items()}
    assert said.pop("development_stage", "MmusDv:").startswith("MmusDv:")
    expected = {k: v for k, v in expected.items() if k != "development_stage"}
    assert said == expected
    # Its title, the values that are required and not there: nothing that was not so before.
    assert {p.code for p in check(site).problems} <= before


def test_what_is_required_and_missing_is_a_todo_and_no_key(site: SiteConfig):
    with_schema(
        site,
        {
            "donor": {"required": True, "description": "Who\ngave it: # a name."},
            "sex": {"found_in": "bio.sex"},
            "age": {},
        },
    )
    added = add_store(a_store(site.root / "a.zarr", bio={"sex": "female"}), site)
    assert added.todo == ("donor",)
    assert added.text.splitlines() == [
        "title: A  # TODO a title that people understand",
        "source: '../a.zarr'",
        "# TODO license: an SPDX id such as CC-BY-4.0",
        "metadata:",
        "  # TODO donor:  # required. Who gave it: # a name.",
        "  sex: female  # from bio.sex",
    ]
    assert added.path.read_text() == added.text
    assert read_manifest(site).entries[0].metadata == {"sex": "female"}


def test_a_sound_store_is_added_without_a_word(site: SiteConfig):
    added = add_store(sound(site.root / "s.zarr").root, site)
    assert added.problems == ()
    assert added.todo == ()


def test_a_title_and_a_licence_that_are_known_are_no_todo(site: SiteConfig):
    store = a_store(site.root / "a.zarr", metadata_general={"License": "CC BY 4.0"})
    added = add_store(store, site, id_="lung-1", title="Lung: the # first")
    assert added.path.name == "lung-1.yaml"
    assert added.text.splitlines()[0] == "title: 'Lung: the # first'"
    assert added.text.splitlines()[2] == "license: CC-BY-4.0"
    assert read_manifest(site).entries[0].title == "Lung: the # first"


FIELDS = {
    "area": {"type": "number", "unit": "µm²", "found_in": "lab.area", "required": True},
    "born": {"type": "date", "found_in": "lab.born"},
    "kit": {"type": "enum", "values": ["a", "b"], "found_in": "lab.kit"},
    "donor": {"found_in": "lab.donor"},
    "tissue": {"type": "term", "ontology": ["UBERON"], "many": True, "found_in": "lab.tissue"},
}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("area", "5 mm²", "is in mm²"),
        ("area", "5,5", "could be one of two"),
        ("born", "10/05/2023", "Write YYYY-MM-DD"),
        ("kit", "c", "none of the field's values"),
        ("donor", ["x", "y"], "2 values, one is allowed"),
        ("donor", "x" * 5001, "too long"),
        ("tissue", "y" * 501, "too long"),
        ("tissue", "MONDO:0004992", "the field takes UBERON"),
    ],
)
def test_what_an_entry_may_not_say_is_left_to_the_curator(
    name: str, value: Any, why: str, site: SiteConfig
):
    with_schema(site, FIELDS)
    added = add_store(a_store(site.root / "a.zarr", lab={"area": 1, name: value}), site)
    assert added.todo == (name,)
    (line,) = [text for text in added.text.splitlines() if text.startswith("  # TODO ")]
    assert line.startswith(f"  # TODO {name}: ")
    assert f"  # from lab.{name}. " in line
    assert why in line
    (entry,) = read_manifest(site).entries
    assert entry.metadata == ({} if name == "area" else {"area": 1})
    assert not [p for p in check(site).problems if p.severity == "error"]


def test_words_without_a_term_are_written_with_a_todo(site: SiteConfig):
    with_schema(site, FIELDS)
    store = a_store(site.root / "a.zarr", lab={"area": 1.0, "tissue": ["Lung", "left wing"]})
    added = add_store(store, site)
    assert added.todo == ()
    assert added.text.splitlines()[-1] == (
        "  tissue: [{id: 'UBERON:0002048', label: lung, written: Lung}, {label: left wing}]"
        "  # TODO no term yet; from lab.tissue"
    )
    assert "left wing" in "".join(p.what for p in added.problems)


def test_white_space_without_end_around_a_term_is_not_kept(site: SiteConfig):
    with_schema(site, FIELDS)
    store = a_store(site.root / "a.zarr", lab={"area": -2.5, "tissue": f"lung{' ' * 600}"})
    add_store(store, site)
    (entry,) = read_manifest(site).entries
    assert entry.metadata == {"area": -2.5, "tissue": Term(id="UBERON:0002048", label="lung")}


def test_cell_types_of_the_observations_stay_in_the_store(site: SiteConfig):
    maker = sound(site.root / "a.zarr")
    maker.categorical("tables/table/obs", "cell_type", ["B cell"], [0, 0, 0])
    added = add_store(maker.root, site)
    assert added.record.labels("cell_type") == ["B cell"]
    assert "cell_type" not in added.text


@pytest.mark.parametrize(
    ("name", "id_", "title"),
    [
        ("brain.zarr", "brain", "Brain"),
        ("Mouse_Brain v2.spatialdata.zarr", "mouse-brain-v2", "Mouse Brain v2"),
        ("x.sdata.zarr", "x", "X"),
        ("plain", "plain", "Plain"),
        ("脳.zarr", "store", "脳"),
        (".zarr", "store", "Store"),
        (f"{'long ' * 20}end.zarr", "long-long-long-long-long-long-long-long-long-long-long-long-long", "Long " + "long " * 19 + "end"),
    ],
)  # fmt: skip
def test_id_and_title_come_from_the_name_of_the_store(
    name: str, id_: str, title: str, site: SiteConfig
):
    added = add_store(a_store(site.root / name), site)
    assert (added.path.stem, added.record.title) == (id_[:64].rstrip("-"), title)
    assert read_manifest(site).problems == ()


def test_a_zip_and_the_folder_that_one_stands_in_are_stores_too(
    site: SiteConfig, monkeypatch: pytest.MonkeyPatch
):
    store = a_store(site.root / "brain.zarr", bio={"tissue": "lung"})
    added = add_store(zipped(store, site.root / "packed.zarr.zip"), site)
    assert added.path.name == "packed.yaml"
    assert added.record.labels("tissue") == ["lung"]
    monkeypatch.chdir(store)
    assert add_store(Path(), site).path.name == "brain.yaml"
    assert [e.source for e in read_manifest(site).entries] == [
        "../brain.zarr",
        "../packed.zarr.zip",
    ]


def test_a_store_in_another_root_is_named_from_the_entry(tmp_path: Path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "site_config.yaml").write_text("title: T\nsource_roots: [../data]\n")
    site = load_config(tmp_path / "site" / "site_config.yaml")
    add_store(a_store(tmp_path / "data" / "a.zarr"), site)
    (entry,) = read_manifest(site).entries
    assert entry.source == "../../data/a.zarr"
    assert check(site).records[0].n_obs == 3


# what it refuses


def taken_by_an_entry(folder: Path) -> None:
    (folder / "a.yaml").write_text("title: A\n")


def taken_by_an_alias(folder: Path) -> None:
    (folder / "b.yaml").write_text("title: B\naliases: [a]\n")


def taken_by_an_entry_that_cannot_be_read(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.yml").write_text("title: [\n")


def taken_in_another_case(folder: Path) -> None:
    (folder / "A.yaml").write_text("title: A\n")


@pytest.mark.parametrize(
    "taken",
    [
        taken_by_an_entry,
        taken_by_an_alias,
        taken_by_an_entry_that_cannot_be_read,
        taken_in_another_case,
    ],
)
def test_an_id_that_is_taken_is_refused(taken: Callable[[Path], None], site: SiteConfig):
    taken(site.manifest_dir)
    before = {p: p.read_text() for p in site.manifest_dir.rglob("*.y*ml")}
    store = a_store(site.root / "a.zarr")
    with pytest.raises(UsageError, match=r"'a' is taken.*--id"):
        add_store(store, site)
    assert {p: p.read_text() for p in site.manifest_dir.rglob("*.y*ml")} == before
    assert add_store(store, site, id_="c").path.name == "c.yaml"


@pytest.mark.parametrize("id_", ["schema", "collections"])
def test_files_of_the_manifest_that_are_no_entries_are_not_made(id_: str, site: SiteConfig):
    with pytest.raises(UsageError, match="taken"):
        add_store(a_store(site.root / f"{id_}.zarr"), site)
    assert files(site) == []


@pytest.mark.parametrize("id_", ["A", "../a", "a/b", "-a", "a b", "a\n", "x" * 65])
def test_an_id_that_can_be_none_is_refused(id_: str, site: SiteConfig):
    with pytest.raises(UsageError, match="can't be an id"):
        add_store(a_store(site.root / "a.zarr"), site, id_=id_)
    assert files(site) == []


def test_a_store_outside_the_roots_is_refused_also_behind_a_link(tmp_path: Path):
    (tmp_path / "site" / "data_manifest").mkdir(parents=True)
    (tmp_path / "site" / "site_config.yaml").write_text("title: T\n")
    site = load_config(tmp_path / "site" / "site_config.yaml")
    store = a_store(tmp_path / "a.zarr")
    (site.root / "link.zarr").symlink_to(store)
    for path in (store, site.root / "link.zarr", site.root / ".." / "a.zarr"):
        with pytest.raises(UsageError, match="source_roots"):
            add_store(path, site)
    assert files(site) == []


def test_what_is_not_there_and_titles_that_are_too_long_are_refused(site: SiteConfig):
    with pytest.raises(UsageError, match="nothing at"):
        add_store(site.root / "a.zarr", site)
    for title in ("x" * 301, "  "):
        with pytest.raises(UsageError, match="title"):
            add_store(a_store(site.root / "a.zarr"), site, title=title)
    assert files(site) == []


def test_a_name_that_is_no_text_is_refused(site: SiteConfig):
    path = site.root / b"a\xff.zarr".decode("utf-8", "surrogateescape")
    try:
        store = a_store(path)
    except (OSError, UnicodeError):
        pytest.skip("the file system takes no such name")
    with pytest.raises(UsageError, match="Rename"):
        add_store(store, site)
    assert files(site) == []


def test_a_file_is_written_whole_or_not_at_all_and_over_nothing(tmp_path: Path):
    path = tmp_path / "new" / "a.yaml"
    with pytest.raises(UnicodeEncodeError):
        write_new(path, "title: a\n" * 5000 + "\ud800")
    assert list(path.parent.iterdir()) == []
    write_new(path, "title: a\n")
    with pytest.raises(FileExistsError):
        write_new(path, "title: b\n")
    assert path.read_text() == "title: a\n"


# anything


NASTY = st.text() | st.sampled_from(
    [
        "a\nb: c",
        "# x",
        " #x",
        "a: b",
        "'",
        '"',
        "!!python/object/apply:os.system [ls]",
        "&a *a",
        "- x",
        "}",
        "null",
        "yes",
        "0x1f",
        "2024-01-01",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x00",
        "\U0001f9e0",
        "y" * 10_000,
        "%YAML 1.1",
        "...",
    ]
)
ANY = NASTY | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
EVERY = Schema.model_validate(
    {
        "fields": {
            n: {**f, "found_in": f"lab.{n}", "required": True, "description": "a: b\n# c\x07"}
            for n, f in {
                "text": {},
                "texts": {"many": True},
                "term": {"type": "term", "ontology": "UBERON"},
                "terms": {"type": "term", "ontology": ["UBERON", "MmusDv", "HsapDv"], "many": True},
                "enum": {"type": "enum", "values": ["a", "b"]},
                "open": {"type": "enum", "values": ["a", "b"], "open": True, "many": True},
                "integer": {"type": "integer", "minimum": 0},
                "number": {"type": "number", "unit": "µm"},
                "date": {"type": "date"},
                "address": {"type": "address"},
                "boolean": {"type": "boolean"},
            }.items()
        }
    }
)


def entry_of(record: Record, source: str, certain: bool) -> Entry:
    text = entry_text(record, EVERY, source=source, certain_title=certain)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        write_new(path, text)
        entry, problems, _ = read_yaml(path, Entry)
    assert problems == []
    assert entry is not None
    return entry


@settings(deadline=None, max_examples=200)
@given(
    lab=st.dictionaries(st.sampled_from(list(EVERY.fields)), ANY | st.lists(ANY, max_size=3)),
    license_=NASTY,
    title=NASTY.filter(lambda t: t.strip()).map(lambda t: t[:300]).filter(lambda t: t.strip()),
    source=st.text(min_size=1, max_size=50).filter(lambda t: t.strip() and "\0" not in t and "://" not in t),
    declared=st.dictionaries(NASTY.map(lambda t: t[:100]), NASTY.map(lambda t: t[:500]), max_size=2),
    certain=st.booleans(),
)  # fmt: skip
def test_whatever_a_store_says_the_entry_reads_the_same_and_has_no_other_key(
    lab: Any, license_: str, title: str, source: str, declared: Any, certain: bool
):
    attributes = {"lab": lab, "metadata_general": {"License": license_}}
    facts = StoreFacts(kind="spatialdata", attributes=attributes)
    given_ = Entry.model_validate({"title": title, "metadata": declared})
    record = curate(given_.model_copy(update={"id": "a", "shown_as": "a"}), facts, EVERY)
    entry = entry_of(record, source, certain)
    assert entry.title == title
    assert entry.source == source
    if record.license and len(record.license.label) <= 200:
        assert entry.license == (record.license.spdx or record.license.label)
    assert entry.model_fields_set <= {"title", "source", "license", "metadata"}
    assert set(entry.metadata) <= set(record.values)
    for name, said in entry.metadata.items():
        items = said if isinstance(said, list) else [said]
        for item, value in zip(items, record.values[name], strict=True):
            if isinstance(item, Term):
                assert (item.label, item.id or None) == (value.label, value.id)
            elif isinstance(item, str):
                assert item == value.label
            else:
                assert float(item) == float(value.label)
    # Read by its entry alone, each value is the same, and nothing is an error that was none.
    alone = curate(entry.model_copy(update={"id": "a"}), None, EVERY)
    for name in entry.metadata:
        assert [(v.label, v.id) for v in alone.values[name]] == [
            (v.label, v.id) for v in record.values[name]
        ]
    errors = {p.code for p in alone.problems if p.severity == "error"}
    assert errors <= {"required-missing"} | {p.code for p in record.problems}


@pytest.mark.parametrize(
    "name",
    ["a\nb: c", "# x", "a: b", "it's \"quoted\"", "!!str x", "- x", "{a", "null", "脳 🧠", "\u202ea", " a ", "~", "*a", "%"],
)  # fmt: skip
def test_a_store_of_any_name_is_found_by_its_entry(name: str, site: SiteConfig):
    store = a_store(site.root / name / f"{name}.zarr", bio={"tissue": "lung"})
    add_store(store, site)
    (entry,) = read_manifest(site).entries
    assert (site.manifest_dir / (entry.source or "")).resolve() == store.resolve()
    (record,) = check(site).records
    assert record.facts is not None
    assert len(record.facts.elements) == 2


# real stores


def test_every_real_store_can_be_added(test_data: Path, tmp_path: Path):
    (tmp_path / "site_config.yaml").write_text(
        f"title: T\nsource_roots: [{yaml.safe_dump(str(test_data / 'stores')).splitlines()[0]}]\n"
    )
    site = load_config(tmp_path / "site_config.yaml")
    stores = sorted(p for p in (test_data / "stores").glob("*/*") if p.is_dir())
    assert stores
    can_be_read = []
    for i, store in enumerate(stores):
        try:
            added = add_store(store, site, id_=f"store-{i}")
        except ProblemsError:
            assert scan_store(store).kind == "unreadable"
            assert not (site.manifest_dir / f"store-{i}.yaml").exists()
            continue
        assert added.record.facts is not None
        can_be_read.append(store)
    assert len(can_be_read) > 8
    stores = can_be_read
    manifest = read_manifest(site)
    assert manifest.problems == ()
    assert len(manifest.entries) == len(stores)
    for entry, store in zip(sorted(manifest.entries, key=lambda e: int(e.id[6:])), stores, strict=True):  # fmt: skip
        assert (site.manifest_dir / (entry.source or "")).resolve() == store
