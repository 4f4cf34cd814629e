"""site_config.yaml."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.config import Facet, SiteConfig, load_config, parse_size
from portal.errors import ProblemsError
from portal.resources import docs_dir


def load(tmp_path, text):
    path = tmp_path / "site_config.yaml"
    path.write_text(text)
    return load_config(path)


def test_a_title_is_enough(tmp_path):
    config = load(tmp_path, "title: Mine\n")
    assert config.title == "Mine"
    assert config.viewer.max_store_bytes == 25_000_000
    assert config.limits.site_bytes == 900_000_000
    assert config.source_root_paths() == [tmp_path.resolve()]


def test_every_fault_is_named_with_its_line_and_the_right_key_suggested(tmp_path):
    with pytest.raises(ProblemsError) as e:
        load(tmp_path, "titel: x\nviewer:\n  mode: always\n  max_store_byte: 1\nroot: /\n")
    text = str(e.value)
    for part in (":1: ", "'title'", ":3: ", ":4: ", "'max_store_bytes'"):
        assert part in text


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ProblemsError, match="portal init"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://x", "example.org", "file:///"])
def test_only_web_addresses_are_addresses(tmp_path, address):
    with pytest.raises(ProblemsError):
        load(tmp_path, f"title: x\nbase_url: {address!r}\n")


def test_base_url_ends_with_one_slash(tmp_path):
    assert load(tmp_path, "title: x\nbase_url: https://a.org/p").base_url == "https://a.org/p/"


def test_origins_are_cut_to_scheme_and_host(tmp_path):
    config = load(tmp_path, "title: x\nviewer: {origins: ['https://a.org/path?q']}\n")
    assert config.viewer.origins == ("https://a.org",)


@given(
    st.integers(0, 10**6), st.sampled_from([("B", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9)])
)
def test_sizes_with_units(n, unit):
    name, factor = unit
    assert parse_size(f"{n} {name}") == parse_size(f"{n}{name}") == n * factor


@pytest.mark.parametrize("text", ["", "big", "-1 MB", "1 XB", "1..2 MB", "MB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r"size"):
        parse_size(text)


def test_every_key_is_documented():
    text = (docs_dir() / "docs" / "maintainers.md").read_text("utf-8")
    keys = set()
    for name, field in SiteConfig.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        keys |= {f"{name}.{k}" for k in inner} if inner else {name}
    assert sorted(k for k in keys - {"root"} if f"`{k}`" not in text) == []


# -- facets --------------------------------------------------------------------------------------


def test_any_column_of_the_catalog_or_field_of_the_schema_can_be_a_facet(tmp_path):
    (tmp_path / "data_manifest").mkdir()
    (tmp_path / "data_manifest/schema.yaml").write_text("extends: spatialdata-db\n")
    config = load(
        tmp_path,
        "title: x\nfacets:\n- column: panel\n- {column: hne_image, label: Histology}\n"
        "- {column: n_obs, kind: range}\n- {column: published_at, kind: range}\n",
    )
    assert [(f.column, f.kind) for f in config.facets] == [
        ("panel", None),
        ("hne_image", None),
        ("n_obs", "range"),
        ("published_at", "range"),
    ]


def test_a_field_of_the_portals_own_schema_can_be_a_facet(tmp_path):
    (tmp_path / "data_manifest").mkdir()
    (tmp_path / "data_manifest/schema.yaml").write_text("fields: {depth: {type: integer}}\n")
    text = "title: x\nfacets:\n- {column: depth, kind: range}\n"
    assert load(tmp_path, text).facets[0].column == "depth"
    with pytest.raises(ProblemsError, match="no column `panel`"):
        load(tmp_path, "title: x\nfacets: [{column: panel}]\n")


def test_faults_of_facets_are_named_with_their_lines(tmp_path):
    with pytest.raises(ProblemsError) as e:
        load(
            tmp_path,
            "title: x\nfacets:\n- column: tissue\n- column: tisue\n- column: tissue\n"
            "- column: disease\n  kind: range\n",
        )
    text = str(e.value)
    assert len(e.value.problems) == 3
    for part in (":4: ", "Did you mean 'tissue'", ":5: ", "given twice", ":6: ", "no range"):
        assert part in text


@pytest.mark.parametrize("name", ["q", "sort", "page", "view", "columns", "Tissue", "a b", "", "1"])
def test_some_names_can_be_no_facets(tmp_path, name):
    with pytest.raises(ProblemsError, match=r":2: error \[invalid-value\]"):
        load(tmp_path, f"title: x\nfacets: [{{column: {name!r}}}]\n")


def test_every_key_of_a_facet_is_documented():
    text = (docs_dir() / "docs" / "maintainers.md").read_text("utf-8")
    section = text.partition("## Facets")[2].partition("\n## ")[0]
    kinds = ("term", "value", "range")
    reserved = ("q", "sort", "page", "view", "columns")
    assert [k for k in (*Facet.model_fields, *kinds, *reserved) if f"`{k}`" not in section] == []


def test_without_facets_those_of_the_schema_are_taken(tmp_path):
    (tmp_path / "data_manifest").mkdir()
    (tmp_path / "data_manifest/schema.yaml").write_text(
        "fields: {depth: {type: integer, facet: range}, sex: {facet: value}, note: {}}\n"
    )
    facets = load(tmp_path, "title: x\n").facets
    assert [(f.column, f.kind) for f in facets[:2]] == [("depth", "range"), ("sex", "value")]
    assert "completeness" in [f.column for f in facets]
    assert "note" not in [f.column for f in facets]
