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
