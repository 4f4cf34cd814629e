"""What changed between two builds."""

from __future__ import annotations

import json

import pytest

from portal.comparing import compare
from portal.errors import UsageError


def site(folder, *rows):
    (folder / "catalog").mkdir(parents=True)
    lines = [json.dumps({"title": "T", "tissue": None, **row}) + "\n" for row in rows]
    (folder / "catalog" / "catalog.ndjson").write_text("".join(lines))
    return folder


def test_added_removed_and_changed_field_by_field(tmp_path):
    before = site(
        tmp_path / "a",
        {"uid": "kept", "tissue": "brain", "collections": ["x"]},
        {"uid": "gone"},
        {"uid": "same", "bibtex": "1"},
    )
    after = site(
        tmp_path / "b",
        {"uid": "kept", "tissue": "lung", "collections": ["x", "y"]},
        {"uid": "new", "title": "New", "technology": "Visium"},
        {"uid": "same", "bibtex": "2"},
    )
    found = compare(before, after)
    assert found.as_dict() == {
        "added": ["new"],
        "removed": ["gone"],
        "changed": {
            "kept": [
                {"column": "tissue", "before": "brain", "after": "lung"},
                {"column": "collections", "before": ["x"], "after": ["x", "y"]},
            ]
        },
    }
    text = found.markdown()
    assert text.startswith("**1 added, 1 changed, 1 removed**\n")
    assert "- `new` New (Visium)\n" in text
    assert "| tissue | brain | lung |\n" in text


def test_a_column_that_is_new_counts_as_a_change(tmp_path):
    found = compare(
        site(tmp_path / "a", {"uid": "a"}), site(tmp_path / "b", {"uid": "a", "depth": 3})
    )
    assert found.as_dict()["changed"]["a"] == [{"column": "depth", "before": None, "after": 3}]


def test_titles_of_others_are_no_markdown(tmp_path):
    title = "<script>|`x`| [a](javascript:x) @everyone #1\n# head"
    text = compare(
        site(tmp_path / "a"), site(tmp_path / "b", {"uid": "a", "title": title})
    ).markdown()
    (line,) = [line for line in text.splitlines() if line.startswith("- ")]
    assert not set("<>|[]@") & set(line.removeprefix("- `a` "))


def test_long_lists_are_cut_with_their_number(tmp_path):
    many = [{"uid": f"a{i}"} for i in range(60)]
    text = compare(site(tmp_path / "a"), site(tmp_path / "b", *many)).markdown()
    assert text.count("\n- ") == 50
    assert "and 10 more" in text


def test_a_folder_that_is_no_site_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no finished site"):
        compare(tmp_path, tmp_path)
