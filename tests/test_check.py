"""`portal check`: every problem at once, and rewriting that loses nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.check import check, fix, review_lines
from portal.config import load_config
from portal.curate import safe_rewrites
from portal.errors import Problem, UsageError
from portal.manifest import read_manifest
from portal.schema import load_schema
from tests.conftest import ROOT

SCHEMA = """\
extends: minimal
fields:
  tissue: {required: true}
"""
DIRTY = """\
# The whole file is somebody's work.
title: "Brain: a section (nan)"   # a title
metadata:   # what is known

  tissue:   Brain   # in upper case
  organism: [mouse, human]
  disease: "healthy"   # a synonym
  modality: RNA|protein
  n_spots: "6,518"     # from the sheet
  panel_size: '18085.0'
  publication_date: 2023/10/05
  development_stage:
    - adult
    - 8 weeks   # of the second
  assay: Visium Spatial Gene Expresion
  cell_type:
  - T cells, B cells  # both
  - neuron
  technology: Xenium
"""


@pytest.fixture
def portal(tmp_path):
    """Makes a portal of entries; returns its config."""

    def make(schema: str = SCHEMA, **entries: str):
        folder = tmp_path / "data_manifest"
        folder.mkdir(exist_ok=True)
        (tmp_path / "site_config.yaml").write_text("title: t\n")
        (folder / "schema.yaml").write_text(schema)
        for name, text in entries.items():
            (folder / f"{name}.yaml").write_bytes(text.encode())
        return load_config(tmp_path / "site_config.yaml")

    return make


def schema_of(config):
    return read_manifest(config).schema_


def lines(problems):
    return {(int(p.where.rpartition(":")[2]), p.code) for p in problems}


def test_all_problems_of_all_entries_are_told_with_file_and_line(portal):
    config = portal(a=DIRTY, b="title: B\n", c="titel: C\n")
    problems = check(config).problems
    assert {p.where.partition(":")[0] for p in problems} == {
        f"data_manifest/{n}.yaml" for n in "abc"
    }
    told = lines(p for p in problems if p.where.startswith("data_manifest/a"))
    assert {
        (2, "title-blank-word"),
        (5, "term-case"),
        (6, "term-synonym"),
        (8, "list-in-text"),
        (9, "number-form"),
        (11, "date-form"),
        (13, "term-ambiguous"),
        (14, "term-age"),
        (15, "term-unknown"),
        (17, "list-in-text"),
    } <= told
    (typo,) = [p for p in problems if p.code == "term-unknown"]
    assert "`Visium Spatial Gene Expression` (EFO:0010961)" in typo.remedy


def test_a_fix_changes_the_values_that_it_names_and_nothing_else(portal):
    config = portal(a=DIRTY)
    (made,) = fix(check(config), schema_of(config))
    assert made.after == (config.manifest_dir / "a.yaml").read_text()
    before, after = DIRTY.splitlines(), made.after.splitlines()
    changed = [b for b in before if b not in after]
    assert [line.strip().partition(":")[0] for line in changed] == [
        *("tissue", "organism", "disease", "modality", "n_spots", "panel_size"),
        *("publication_date", "- 8 weeks   # of the second", "- T cells, B cells  # both"),
        "- neuron",
    ]
    assert re.findall(r"#.*", made.after) == re.findall(r"#.*", DIRTY)
    data = yaml.safe_load(made.after)["metadata"]
    assert data["tissue"] == {"id": "UBERON:0000955", "label": "brain", "written": "Brain"}
    assert [o["id"] for o in data["organism"]] == ["NCBITaxon:10090", "NCBITaxon:9606"]
    assert data["modality"] == ["RNA", "protein"]
    assert (data["n_spots"], data["panel_size"]) == (6518, 18085)
    assert str(data["publication_date"]) == "2023-10-05"
    assert [c["label"] for c in data["cell_type"]] == ["T cell", "B cell", "neuron"]
    # What has no one reading stays.
    assert data["assay"] == "Visium Spatial Gene Expresion"
    assert data["development_stage"][0] == "adult"


def test_a_fix_is_done_once(portal):
    config = portal(a=DIRTY)
    fix(check(config), schema_of(config))
    assert fix(check(config), schema_of(config)) == []


def test_the_diff_alone_writes_nothing(portal):
    config = portal(a=DIRTY)
    (made,) = fix(check(config), schema_of(config), write=False)
    assert (config.manifest_dir / "a.yaml").read_text() == DIRTY
    assert "-  tissue:   Brain   # in upper case" in made.diff("a.yaml").splitlines()


def test_what_somebody_changed_meanwhile_is_left_alone(portal):
    config = portal(a=DIRTY)
    checked = check(config)
    newer = "title: mine\nmetadata: {tissue: Lung}\n"
    (config.manifest_dir / "a.yaml").write_text(newer)
    assert fix(checked, schema_of(config)) == []
    assert (config.manifest_dir / "a.yaml").read_text() == newer


def test_a_value_that_spans_lines_is_told_and_the_rest_rewritten(portal):
    text = "title: A\nmetadata:\n  tissue: >-\n    Brain\n  disease: Healthy\n"
    config = portal(a=text)
    (made,) = fix(check(config), schema_of(config))
    assert [(p.code, p.where) for p in made.left] == [("fix-by-hand", "data_manifest/a.yaml:3")]
    assert "PATO:0000461" in made.after
    assert "tissue: >-\n    Brain\n" in made.after


def test_the_right_words_survive_a_fix_with_every_line_end(portal):
    for end in ("\r\n", "\n"):
        config = portal(a=DIRTY.replace("\n", end))
        fix(check(config), schema_of(config))
        raw = (config.manifest_dir / "a.yaml").read_bytes().decode()
        assert raw.count(end) == raw.count("\n")


# What people write into fields, clean and dirty; each is one YAML scalar or flow list.
SCALARS = st.sampled_from(
    [
        *("brain", "Brain", "lungs", "lung, brain", "UBERON_0000955", "no such thing", "unknown"),
        *("(nan)", "mouse embryo", "brаin", "'lung\u00a0'", '"Heart."', "[Liver, kidneys]"),
        *("{label: odd words}", "{id: 'UBERON:0000955', label: Brain}", "~", "''"),
        *("6,518", "'18085.0'", "12", "1e3", "about ten", "2023/10/05", "10/05/2023", "yes"),
        *("Visium", "Xenium", "human", "[Mouse, Human]", "adult", "8 weeks", "H&E|DAPI", "ffpe"),
    ]
)
FIELDS = st.sampled_from(
    [
        *("tissue", "organism", "disease", "development_stage", "assay", "cell_type", "modality"),
        *("n_spots", "publication_date", "preservation_method", "staining_method", "sample_id"),
    ]
)
COMMENTS = st.sampled_from(["", "  # why", "   # 'quoted': {odd}", " "])


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(FIELDS, st.tuples(SCALARS, COMMENTS), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_no_fix_loses_reorders_or_repeats_anything(tmp_path_factory, values, end, final):
    folder = tmp_path_factory.mktemp("fix")
    (folder / "data_manifest").mkdir()
    (folder / "site_config.yaml").write_text("title: t\n")
    text = end.join(
        ["# head", "title: T", "metadata:", *(f"  {k}: {v}{c}" for k, (v, c) in values.items())]
    ) + (end if final else "")
    path = folder / "data_manifest" / "a.yaml"
    path.write_bytes(text.encode())
    config = load_config(folder / "site_config.yaml")
    schema = schema_of(config)
    (entry,) = read_manifest(config).entries
    named = {loc[1] for loc in safe_rewrites(entry, schema)}
    before = {r.id: r for r in check(config).records}["a"]
    fix(check(config), schema)
    after = path.read_bytes().decode()
    old, new = text.split(end), after.split(end)
    assert len(old) == len(new)
    for a, b in zip(old, new, strict=True):
        if a != b:
            key = a.strip().partition(":")[0]
            assert key in named
            assert b.startswith(f"  {key}: ")
            assert b.endswith(values[key][1])
    assert list(yaml.safe_load(after)["metadata"]) == list(values)
    fixed = {r.id: r for r in check(config).records}["a"]
    for name, was in before.values.items():
        assert [(v.id, v.label) for v in fixed.values[name]] == [(v.id, v.label) for v in was]
    fix(check(config), schema)
    assert path.read_bytes().decode() == after


def test_the_entries_of_this_repository_are_fixed_without_loss(tmp_path):
    """On a copy: every value that an entry had is in it still, and the ids are the same."""
    import shutil

    shutil.copytree(ROOT / "data_manifest" / "spatialdata-db", tmp_path / "data_manifest/db")
    shutil.copy(ROOT / "data_manifest/schema.yaml", tmp_path / "data_manifest")
    (tmp_path / "site_config.yaml").write_text("title: t\n")
    config = load_config(tmp_path / "site_config.yaml")
    before = check(config)
    made = fix(before, schema_of(config))
    assert made
    assert all(not m.left for m in made)
    after = check(config)
    ids = [
        {r.id: {n: [v.id for v in vs] for n, vs in r.values.items()} for r in c.records}
        for c in (before, after)
    ]
    assert ids[0] == ids[1]
    assert fix(after, schema_of(config)) == []


# -- paths -----------------------------------------------------------------------------------------


def test_paths_choose_entries_folders_and_stores(portal, tmp_path):
    config = portal(a="title: A\n", b="title: B\n")
    (config.manifest_dir / "more").mkdir()
    (config.manifest_dir / "more" / "c.yaml").write_text("title: C\n")

    def named(*paths):
        return [e.id for e in check(config, [tmp_path / p for p in paths]).entries]

    assert named("data_manifest/a.yaml") == ["a"]
    assert named("data_manifest/more") == ["c"]
    assert named("data_manifest/b.yaml", "data_manifest/more") == ["b", "c"]
    with pytest.raises(UsageError, match="is no entry"):
        named("data_manifest/z.yaml")


def test_a_file_that_can_t_be_read_is_told_of_where_it_is_asked_for(portal, tmp_path):
    config = portal(a="title: A\n", b="title: [\n")
    assert (
        check(config, [tmp_path / "data_manifest/a.yaml"])
        .problems[0]
        .where.startswith("data_manifest/a")
    )
    found = check(config, [tmp_path / "data_manifest/b.yaml"])
    assert [p.code for p in found.problems] == ["yaml-syntax"]


def test_a_store_is_judged_before_it_has_an_entry(portal, local_stores):
    config = portal()
    found = check(config, [local_stores / "ihc-spots.zarr"])
    assert found.entries == ()
    assert [(p.where, p.code) for p in found.problems] == [("ihc-spots.zarr", "required-missing")]


def test_two_entries_of_one_store_are_told(portal, local_stores, tmp_path):
    (tmp_path / "stores").symlink_to(local_stores)
    text = "title: T\nsource: ../stores/ihc-spots.zarr\nmetadata: {tissue: unknown}\n"
    config = portal(a=text, b=text)
    config = config.model_copy(update={"source_roots": (str(local_stores),)})
    found = check(config)
    told = [(p.where, p.what) for p in found.problems if p.code == "duplicate-store"]
    assert told == [
        ("a", "The same store is also that of b."),
        ("b", "The same store is also that of a."),
    ]


# -- the command -----------------------------------------------------------------------------------


def run(folder, *args):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "portal", "check", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_tells_fixes_and_exits_by_what_is_left(portal, tmp_path):
    portal(a="title: A\nmetadata: {tissue: Lung}\n", b="title: B\n")
    done = run(tmp_path)
    assert done.returncode == 1
    assert "data_manifest/b.yaml:1: error [required-missing]" in done.stderr
    (tmp_path / "data_manifest/b.yaml").write_text("title: B\nmetadata: {tissue: unknown}\n")
    done = run(tmp_path, "--fix")
    assert done.returncode == 0
    assert "+metadata: {tissue: {id: 'UBERON:0002048', label: lung, written: Lung}}" in done.stdout
    assert run(tmp_path, "--strict").returncode == 1
    assert json.loads(run(tmp_path, "--json", "-q").stdout)["problems"][0]["code"] == (
        "required-unknown"
    )
    assert run(tmp_path, "no-such-file.yaml").returncode == 2


def test_what_a_review_shows_stands_beside_the_line(portal, tmp_path, monkeypatch):
    config = portal(a="title: A\n")
    monkeypatch.chdir(tmp_path)
    problems = [
        *check(config).problems,
        Problem(code="x", severity="info", where="store/images", what="100 %\nand, more: y"),
    ]
    first, last = review_lines(problems, config)
    assert first.startswith(
        "::error file=data_manifest/a.yaml,line=1,title=required-missing::Tissue"
    )
    assert last == "::notice title=x::store/images: 100 %25%0Aand, more: y"


def test_every_code_has_a_meaning():
    from portal import curation_codes, scan_codes

    known = {*curation_codes.CODES, *scan_codes.CODES}
    pattern = re.compile(r'(?:code=|Fault\(\s*|_problem\(\s*|_tell\(\s*)"([a-z]+(?:-[a-z0-9]+)+)"')
    told = {
        code
        for path in (ROOT / "portal").rglob("*.py")
        for code in pattern.findall(path.read_text("utf-8"))
    }
    assert len(told) > 50
    assert sorted(told - known) == []
    assert load_schema("minimal").fields
