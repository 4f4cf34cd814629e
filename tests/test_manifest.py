"""The manifest: one YAML file an artifact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.config import SiteConfig
from portal.entry import ID
from portal.manifest import read_manifest


@pytest.fixture
def portal(tmp_path):
    (tmp_path / "data_manifest").mkdir()

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / "data_manifest" / name.replace("__", "/")
            path = path.with_name(path.name + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read_manifest(SiteConfig(title="t", root=tmp_path))

    return write


def codes(manifest):
    return sorted((p.code, p.where) for p in manifest.problems)


def test_a_title_is_enough_for_an_entry(portal):
    manifest = portal(a="title: A\n")
    assert [e.id for e in manifest.entries] == ["a"]
    assert manifest.problems == ()


def test_one_bad_entry_does_not_stop_the_others(portal):
    manifest = portal(good="title: A\n", bad="titel: A\n", broken="title: [\n")
    assert [e.id for e in manifest.entries] == ["good"]
    assert {c for c, _ in codes(manifest)} == {"missing-key", "unknown-key", "yaml-syntax"}


def test_an_id_is_unique_over_all_folders(portal):
    manifest = portal(x__same="title: A\n", y__same="title: B\n")
    assert codes(manifest) == [("id-duplicate", "data_manifest/y/same.yaml:1")]
    assert len(manifest.entries) == 1


def test_ids_that_differ_only_in_case_are_refused(portal):
    manifest = portal(x__abc="title: A\n", y__ABC="title: B\n")
    assert {c for c, _ in codes(manifest)} == {"id-invalid", "id-case"}


@pytest.mark.parametrize("name", ["-a", "ä", "a b", "a" * 65, "A"])
def test_an_id_outside_the_pattern_is_refused(portal, name):
    manifest = portal(**{name: "title: A\n"})
    assert manifest.entries == ()
    assert [c for c, _ in codes(manifest)] == ["id-invalid"]


@given(st.text(max_size=70))
def test_no_id_can_leave_its_folder(text):
    if ID.fullmatch(text):
        assert "/" not in text
        assert "\\" not in text
        assert text not in (".", "..")
        assert text == text.lower()


@pytest.mark.parametrize("source", ["../../../etc/passwd", "/etc", "../.."])
def test_a_source_outside_the_roots_is_refused_with_its_line(portal, source):
    manifest = portal(a=f"title: A\nsource: {source}\n")
    assert codes(manifest) == [("source-outside-roots", "data_manifest/a.yaml:2")]
    assert manifest.entries == ()


def test_a_link_that_leads_out_of_the_roots_is_refused(portal, tmp_path):
    outside = tmp_path.parent / "outside.zarr"
    outside.mkdir(exist_ok=True)
    (tmp_path / "link.zarr").symlink_to(outside)
    manifest = portal(a="title: A\nsource: ../link.zarr\n")
    assert [c for c, _ in codes(manifest)] == ["source-outside-roots"]


@pytest.mark.parametrize(
    "line",
    [
        "url: javascript:alert(1)",
        "url: file:///etc/passwd",
        "source: ftp://example.org/a.zarr",
        "page: 'data:text/html,x'",
        "citation: {doi: '<script>'}",
        "citation: {url: 'javascript:x'}",
        "contacts: [{name: a, orcid: '1'}]",
        "status: withdrawn",
        "status: gone",
        "superseded_by: ../x",
        "versions: [{version: '1', date: yesterday}]",
        "versions: [{version: '1', date: 2024-02-31}]",
        "title: b",
        "id: x",
        "metadata: {tissue: {label: brain, id: 'not an id'}}",
    ],
)
def test_a_bad_value_is_refused_where_it_stands(portal, line):
    manifest = portal(a=f"title: A\n{line}\n")
    assert manifest.entries == ()
    assert manifest.problems[0].where in ("data_manifest/a.yaml:2", "data_manifest/a.yaml:1")


def test_metadata_take_text_ids_terms_lists_and_numbers(portal):
    manifest = portal(
        a="title: A\nmetadata:\n  tissue: [brain, {id: 'UBERON:1', label: lung}]\n"
        "  n_cells: 5\n  disease: null\n"
    )
    assert manifest.problems == ()
    assert manifest.entries[0].metadata["n_cells"] == 5


def test_an_unknown_field_is_a_warning_that_suggests_one(portal):
    manifest = portal(a="title: A\nmetadata: {tisue: brain}\n")
    assert [e.id for e in manifest.entries] == ["a"]
    (problem,) = manifest.problems
    assert (problem.code, problem.severity) == ("field-unknown", "warning")
    assert "'tissue'" in problem.remedy


def test_names_that_exist_nowhere_are_warnings(portal):
    manifest = portal(
        a="title: A\ncollections: [brains]\nderived_from: [b]\nsuperseded_by: c\n",
        collections="collections: {brain: {name: Brain}}\n",
    )
    assert {c for c, _ in codes(manifest)} == {"collection-unknown", "id-unknown"}


def test_an_alias_belongs_to_one_artifact_only(portal):
    manifest = portal(a="title: A\naliases: [x, b]\n", b="title: B\naliases: [x]\n")
    assert [c for c, _ in codes(manifest)] == ["alias-taken", "alias-taken"]


def test_an_alias_cannot_take_the_address_of_an_entry_that_is_broken(portal):
    manifest = portal(a="title: A\naliases: [b]\n", b="titel: B\n")
    assert "alias-taken" in {c for c, _ in codes(manifest)}


def test_a_stray_file_cannot_take_the_place_of_a_published_entry(portal):
    manifest = portal(Brain="title: X\n", z__brain="title: B\n")
    assert [(e.id, e.title) for e in manifest.entries] == [("brain", "B")]
    assert {c for c, _ in codes(manifest)} == {"id-invalid", "id-case"}


def test_reserved_files_are_no_entries(portal):
    manifest = portal(
        schema="fields: {tissue: {}}\n", scans__x="{}\n", collections="collections: {}\n"
    )
    assert manifest.entries == ()
    assert manifest.problems == ()


def test_the_default_manifest_has_no_problems_and_every_uploaded_record():
    from portal.config import load_config
    from tests.conftest import ROOT

    manifest = read_manifest(load_config(ROOT / "site_config.yaml"))
    assert manifest.problems == ()
    mirrored = [e for e in manifest.entries if e.path.parent.name == "spatialdata-db"]
    assert len(mirrored) == 138
