"""Putting a finished site in place."""

from __future__ import annotations

import pytest

from portal import publish
from portal.publish import recover, replace


@pytest.fixture
def folders(tmp_path):
    new, target = tmp_path / "new", tmp_path / "site"
    new.mkdir()
    (new / "index.html").write_text("new")
    return new, target


def test_the_first_site_is_renamed_into_place(folders):
    new, target = folders
    replace(new, target)
    assert (target / "index.html").read_text() == "new"
    assert not new.exists()


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_site_takes_the_place_of_another(folders, monkeypatch, exchanges):
    new, target = folders
    target.mkdir()
    (target / "old.html").write_text("old")
    if not exchanges:
        monkeypatch.setattr(publish, "_exchange", lambda a, b: False)
    replace(new, target)
    assert [p.name for p in target.iterdir()] == ["index.html"]
    assert sorted(p.name for p in target.parent.iterdir()) == ["site"]


def test_a_crash_between_two_renames_is_mended(tmp_path):
    old = tmp_path / ".site.old"
    old.mkdir()
    (old / "index.html").write_text("old")
    assert recover(tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "old"


def test_a_crash_after_both_renames_only_leaves_litter(tmp_path):
    (tmp_path / ".site.old").mkdir()
    (tmp_path / "site").mkdir()
    assert not recover(tmp_path / "site")
    assert not (tmp_path / ".site.old").exists()


def test_a_failed_rename_gives_the_old_site_back(folders, monkeypatch):
    new, target = folders
    target.mkdir()
    (target / "old.html").write_text("old")
    monkeypatch.setattr(publish, "_exchange", lambda a, b: False)
    (new / "index.html").unlink()
    new.rmdir()  # the second rename has nothing to rename
    with pytest.raises(OSError, match="new"):
        replace(new, target)
    assert (target / "old.html").read_text() == "old"
