"""The folder that a build writes into: what is kept, linked, written and removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.notes import Notes
from portal.tree import Tree


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    notes = Notes(tmp_path / "notes.sqlite")
    yield notes
    notes.close()


def contents(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def made(root: Path, notes: Notes, files: dict[str, str], *, sound: bool = True) -> Path:
    """A folder that a build has made; what each file was made from is its content."""
    tree = Tree(root, notes=notes)
    for name, content in files.items():
        if not tree.keep(name, f"from {content}"):
            tree.write(name, content.encode(), f"from {content}")
    tree.finish(sound=sound)
    return root


FILES = {"index.html": "home", "a/index.html": "a", "a/b/index.html": "b"}


def test_what_comes_out_the_same_is_not_written_again(tmp_path: Path, notes: Notes) -> None:
    root = made(tmp_path / "tree", notes, FILES)
    before = {name: (root / name).stat().st_ino for name in FILES}
    made(root, notes, {**FILES, "a/index.html": "another"})
    assert contents(root) == {**FILES, "a/index.html": "another"}
    after = {name: (root / name).stat().st_ino for name in FILES}
    assert after["index.html"] == before["index.html"]
    assert after["a/b/index.html"] == before["a/b/index.html"]


def test_a_folder_is_known_by_another_name_too(tmp_path: Path, notes: Notes) -> None:
    made(tmp_path / "one", notes, FILES).rename(tmp_path / "two")
    assert Tree(tmp_path / "two", notes=notes).keep("index.html", "from home")
    assert not Tree(tmp_path / "one", notes=notes).keep("index.html", "from home")


@pytest.mark.parametrize("how", ["edited", "same length", "removed", "a folder", "a link"])
def test_what_somebody_touched_is_written_again(how: str, tmp_path: Path, notes: Notes) -> None:
    root = made(tmp_path / "tree", notes, FILES)
    path = root / "a" / "index.html"
    if how in ("edited", "same length"):
        path.write_text("something else" if how == "edited" else "x")
    else:
        path.unlink()
    if how == "a folder":
        (path / "inside").mkdir(parents=True)
        (path / "inside" / "index.html").write_text("mine")
    if how == "a link":
        path.symlink_to(root / "index.html")
    made(root, notes, FILES)
    assert contents(root) == FILES
    assert not path.is_symlink()


def test_what_no_build_wrote_goes_with_its_empty_folders(tmp_path: Path, notes: Notes) -> None:
    root = made(tmp_path / "tree", notes, {**FILES, "old/x/index.html": "old"})
    (root / "mine.txt").write_text("mine")
    made(root, notes, FILES)
    assert contents(root) == FILES
    assert sorted(p.name for p in root.iterdir()) == ["a", "index.html"]


def test_a_file_may_become_a_folder_and_back(tmp_path: Path, notes: Notes) -> None:
    root = made(tmp_path / "tree", notes, {"a": "file"})
    made(root, notes, {"a/b": "inside"})
    assert contents(root) == {"a/b": "inside"}
    made(root, notes, {"a": "file"})
    assert contents(root) == {"a": "file"}


def test_without_a_former_folder_files_are_linked_from_the_site(
    tmp_path: Path, notes: Notes
) -> None:
    site = made(tmp_path / "site", notes, FILES)
    tree = Tree(tmp_path / "new", site=site, notes=notes)
    assert tree.keep("a/index.html", "from a")
    assert not tree.keep("index.html", "from another")
    tree.write("index.html", b"another", "from another")
    tree.finish(sound=True)
    assert os.path.samefile(site / "a/index.html", tmp_path / "new/a/index.html")
    assert contents(site) == FILES  # a link is never written through
    assert contents(tmp_path / "new") == {"index.html": "another", "a/index.html": "a"}
    # written anew in the folder, the site's own file stays what it is
    again = Tree(tmp_path / "new", notes=notes)
    again.write("a/index.html", b"changed", "from changed")
    assert (site / "a/index.html").read_text() == "a"


def test_fresh_files_take_their_places(tmp_path: Path, notes: Notes) -> None:
    root = made(tmp_path / "tree", notes, FILES)
    fresh = tmp_path / "fresh"
    (fresh / "catalog").mkdir(parents=True)
    (fresh / "catalog" / "catalog.csv").write_text("1,2")
    (fresh / "index.html").write_text("fresh home")
    tree = Tree(root, notes=notes)
    tree.take(fresh)
    tree.finish(sound=True)
    assert contents(root) == {"catalog/catalog.csv": "1,2", "index.html": "fresh home"}
    assert tree.bytes == {"catalog/catalog.csv": 3, "index.html": 10}


@pytest.mark.parametrize(
    ("former_sound", "now", "hold"),
    [
        (True, FILES, True),
        (False, FILES, False),  # a link was broken before: whose it was is not known
        (True, {"index.html": "home", "a/index.html": "a"}, False),  # a page is gone
        (True, {**FILES, "more/index.html": "more"}, True),
    ],
    ids=["the same", "broken before", "one less", "one more"],
)
def test_links_hold_where_nothing_has_gone(
    former_sound: bool, now: dict[str, str], hold: bool, tmp_path: Path, notes: Notes
) -> None:
    root = made(tmp_path / "tree", notes, FILES, sound=former_sound)
    tree = Tree(root, notes=notes)
    for name, content in now.items():
        if not tree.keep(name, f"from {content}"):
            tree.write(name, content.encode(), content)
    assert tree.links_hold is hold


def test_without_notes_all_is_written(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    tree.write("index.html", b"home", "key")
    tree.finish(sound=True)
    again = Tree(tmp_path / "tree")
    assert not again.keep("index.html", "key")
    again.write("index.html", b"new", "key")
    assert contents(tmp_path / "tree") == {"index.html": "new"}
