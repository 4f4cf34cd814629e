"""Folders of finished work."""

from __future__ import annotations

import os
import time

import pytest

from portal.cache import Cache, link_tree


def test_a_folder_is_made_once(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder)
        (folder / "x").write_text("1")

    cache = Cache(tmp_path / "c")
    first = cache.folder("a", "b", make=make)
    assert cache.folder("a", "b", make=make) == first
    assert cache.folder("ab", make=make) != first
    assert len(calls) == 2
    assert (first / "x").read_text() == "1"


def test_a_failure_leaves_nothing_behind(tmp_path):
    cache = Cache(tmp_path)

    def fail(folder):
        (folder / "half").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.folder("a", make=fail)
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_used_for_a_month_goes(tmp_path):
    cache = Cache(tmp_path)
    old = cache.folder("old", make=lambda f: None)
    new = cache.folder("new", make=lambda f: None)
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    cache.prune()
    assert list(tmp_path.iterdir()) == [new]


def test_a_tree_is_linked_not_copied(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_text("1")
    link_tree(tmp_path / "a", tmp_path / "out" / "a")
    assert (tmp_path / "out/a/b/x").stat().st_ino == (tmp_path / "a/b/x").stat().st_ino


@pytest.mark.parametrize(
    "harm",
    [
        lambda f: (f / "in" / "x").write_text("2"),
        lambda f: (f / "in" / "x").unlink(),
        lambda f: (f / "in" / "y").write_text("1"),
        lambda f: (f / ".seal.json").write_text("[]"),
    ],
    ids=["other content", "gone", "one too many", "no seal"],
)
def test_a_folder_that_is_not_as_it_was_made_is_made_again(tmp_path, harm):
    def make(folder):
        (folder / "in").mkdir()
        (folder / "in" / "x").write_text("1")

    cache = Cache(tmp_path)
    folder = cache.folder("a", make=make)
    harm(folder)
    assert cache.find("a") is None
    assert cache.folder("a", make=make) == folder
    assert [p.name for p in (folder / "in").iterdir()] == ["x"]
    assert (folder / "in" / "x").read_text() == "1"


def test_a_restored_folder_has_other_times_and_is_whole(tmp_path):
    cache = Cache(tmp_path)
    folder = cache.folder("a", make=lambda f: (f / "x").write_text("1"))
    os.utime(folder / "x", (1, 1))
    assert cache.find("a") == folder
