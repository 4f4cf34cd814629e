"""A derived thing says what it was made from; what others wrote is read with care."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from portal.adding import add_store
from portal.config import load_config
from portal.derivation import Thing
from portal.errors import PortalError, UsageError
from portal.lineage import (
    CRATE,
    parents_of,
    read_crates,
    read_lineage,
    thing_of,
    track,
    tracking,
)
from portal.manifest import read_manifest
from tests.sitekit import record
from tests.stores import sound

pytest.importorskip("rocrate", reason="needs the extra `lineage`")


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "out" / "model.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def test_an_artifact_is_written_down_by_id_version_fingerprint_and_address(model):
    path = track(model, [record()], {"seed": 3})
    assert path == model.parent / CRATE
    (made,) = read_lineage(model.parent)
    (brain,) = made.inputs
    assert (brain.artifact, brain.version, brain.fingerprint) == ("brain-1", "1", "ab12")
    assert brain.address == record().url
    assert made.output == thing_of(model)
    assert made.parameters == {"seed": 3}


def test_files_have_hashes_and_stores_fingerprints_and_no_folder_is_told(model, tmp_path):
    sound(tmp_path / "cells.zarr")
    (tmp_path / "notes.csv").write_text("a,b\n")
    path = track(model, [tmp_path / "cells.zarr", str(tmp_path / "notes.csv")])
    store, notes = read_lineage(path)[0].inputs
    assert (store.name, len(store.fingerprint or "")) == ("cells.zarr", 64)
    assert (notes.name, notes.bytes, len(notes.sha256 or "")) == ("notes.csv", 4, 64)
    assert str(tmp_path) not in path.read_text()


def test_parameters_in_groups_are_flat_and_what_json_has_no_word_for_is_text(model):
    given = {"lr": 1e-3, "on": True, "none": None, "nan": float("nan"), "of": [1, "a"]}
    track(model, [], {**given, "tiles": {"table": "t", "with": len, "deep": {"er": 1}}})
    assert read_lineage(model.parent)[0].parameters == {
        "lr": 1e-3, "on": True, "none": "None", "nan": "nan", "of": "1, a",
        "tiles.table": "t", "tiles.with": "len", "tiles.deep.er": 1,
    }  # fmt: skip


def test_a_folder_s_crate_tells_of_all_its_things_and_of_each_once(model):
    other = model.with_name("tiles.csv")
    other.write_text("1\n")
    track(model, [record()], {"seed": 1})
    track(other, [model])
    track(model, [record()], {"seed": 2})
    made = {d.output.name: d for d in read_lineage(model.parent)}
    assert list(made) == ["model.pt", "tiles.csv"]
    assert made["model.pt"].parameters == {"seed": 2}
    assert made["tiles.csv"].inputs == (thing_of(model),)


def test_the_same_making_at_the_same_time_is_the_same_file(model, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = track(model, [record()], {"seed": 1}, packages={"torch": "2"}).read_bytes()
    again = track(model, [record()], {"seed": 1}, packages={"torch": "2"}).read_bytes()
    assert first == again
    assert b"2023-11-14T22:13:20+00:00" in first


def test_a_crate_is_never_written_over_in_place(model):
    path = track(model)
    linked = path.with_name("linked.json")
    linked.hardlink_to(path)
    before = linked.read_bytes()
    track(model, [record()])
    assert linked.read_bytes() == before


def test_the_crate_of_another_program_is_left_alone(model):
    foreign = '{"@graph": [{"@id": "./", "@type": "Dataset"}]}'
    for text in (foreign, "not json"):
        (model.parent / CRATE).write_text(text)
        with pytest.raises(UsageError, match="another program"):
            track(model)
        assert (model.parent / CRATE).read_text() == text


def test_what_is_not_there_or_of_no_kind_is_refused(model, tmp_path):
    with pytest.raises(UsageError, match="make it first"):
        track(tmp_path / "nothing.pt")
    with pytest.raises(UsageError, match="nothing at the input"):
        track(model, [tmp_path / "nothing.zarr"])
    with pytest.raises(UsageError, match="not int"):
        track(model, [5])
    assert not (model.parent / CRATE).exists()


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, check=True
    )
    return done.stdout.decode().strip()  # fmt: skip


def test_a_script_is_told_with_its_commit_and_whether_it_changed_since(model, tmp_path):
    repository = tmp_path / "repository"
    script = repository / "scripts" / "train.py"
    script.parent.mkdir(parents=True)
    script.write_text("print(1)\n")
    git(repository, "init", "--quiet")

    def code():
        track(model, script=script)
        found = read_lineage(model.parent)[0].code
        assert found is not None
        assert found.name == "scripts/train.py"
        return found

    assert (code().version, code().changed) == (None, True)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "a")
    clean = code()
    assert (clean.version, clean.changed) == (git(repository, "rev-parse", "HEAD"), False)
    script.write_text("print(2)\n")
    assert code().changed
    assert code().sha256 != clean.sha256


def test_a_script_outside_of_git_is_told_by_its_hash(model, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    script = tmp_path / "train.py"
    script.write_text("print(1)\n")
    track(model, script=script)
    code = read_lineage(model.parent)[0].code
    assert code is not None
    assert (code.name, code.version, code.changed) == ("train.py", None, False)
    assert code.sha256 == thing_of(script).sha256


def test_work_is_timed_and_told_only_where_it_succeeds(model):
    with pytest.raises(ZeroDivisionError), tracking(model, [record()]):
        _ = 1 / 0
    assert not (model.parent / CRATE).exists()
    with tracking(model, [record()], {"seed": 1}) as run:
        run.parameters["loss"] = 0.5
    (made,) = read_lineage(model.parent)
    assert made.parameters == {"seed": 1, "loss": 0.5}
    assert made.started is not None
    assert made.ended is not None
    assert made.started <= made.ended


def test_a_data_set_with_a_provenance_stands_for_its_artifacts(model):
    class Tiles:
        class provenance:
            inputs = (Thing(name="A", artifact="a"), Thing(name="B", artifact="b"))

    track(model, [Tiles(), Thing(name="A", artifact="a")])
    assert [t.artifact for t in read_lineage(model.parent)[0].inputs] == ["a", "b"]


def test_reading_needs_no_rocrate_and_writing_says_that_it_does(model):
    track(model, [record()])
    code = (
        "import sys; sys.modules['rocrate'] = None\n"
        "from portal.lineage import read_lineage, track\n"
        "from portal.errors import PortalError\n"
        f"print(len(read_lineage({str(model.parent)!r})))\n"
        f"try: track({str(model)!r})\n"
        "except PortalError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "1"
    assert "pip install rocrate" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "no crate that can be read"),
        (b"\xff", "no crate that can be read"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * 4_000_001, "4,000,001 bytes"),
    ],
    ids=["cut off", "no text", "deep", "large"],
)
def test_what_can_t_be_read_is_refused_in_words(tmp_path, content, said):
    (tmp_path / CRATE).write_bytes(content)
    with pytest.raises(PortalError, match=said):
        read_lineage(tmp_path)
    with pytest.raises(UsageError, match=r"no ro-crate-metadata\.json"):
        read_lineage(tmp_path / "nowhere")


def test_crates_of_an_entry_are_read_inside_the_roots_only(model, tmp_path):
    track(model, [record()])
    inside = tmp_path / "portal"
    inside.mkdir()
    found, problems = read_crates(["../out", "../out"], inside, [tmp_path], "a.yaml:3")
    assert [d.output.name for d in found] == ["model.pt"]
    assert problems == []
    found, problems = read_crates(["../out", "gone", "."], inside, [inside], "a.yaml:3")
    assert found == ()
    assert [p.code for p in problems] == ["lineage-outside-roots", *["lineage-unreadable"] * 2]
    assert all(p.where == "a.yaml:3" and str(tmp_path) not in p.what for p in problems)


@pytest.fixture
def portal(tmp_path) -> Path:
    (tmp_path / "data_manifest").mkdir()
    (tmp_path / "site_config.yaml").write_text("title: Small\n")
    (tmp_path / "data_manifest" / "brain-1.yaml").write_text("title: Brain\n")
    return tmp_path


def test_a_derived_store_joins_the_manifest_under_what_it_was_made_from(portal):
    store = portal / "derived" / "cells.zarr"
    sound(store)
    config = load_config(portal / "site_config.yaml")
    track(store, [record(), record("elsewhere"), record()])
    assert parents_of(store, {"brain-1"}) == ["brain-1"]
    added = add_store(store, config, title="Cells")
    assert added.path.read_text().endswith("derived_from: [brain-1]\n")
    manifest = read_manifest(config)
    assert {e.id: e.derived_from for e in manifest.entries} == {"brain-1": [], "cells": ["brain-1"]}
    assert not [p for p in manifest.problems if p.severity == "error"]


def test_a_crate_of_others_says_nothing_of_a_store(portal):
    sound(portal / "cells.zarr")
    (portal / "ro-crate-metadata.json").write_text('{"@graph": 3}')
    assert parents_of(portal / "cells.zarr", {"brain-1"}) == []


def test_a_store_without_a_crate_has_no_parents(portal):
    sound(portal / "cells.zarr")
    assert parents_of(portal / "cells.zarr", {"brain-1"}) == []
