"""Small finished work between builds."""

from __future__ import annotations

import sqlite3

import pytest

from portal.notes import Notes, code_version, digest


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache" / "notes.sqlite"


def kept(file, **values: bytes) -> Notes:
    notes = Notes(file)
    for key, value in values.items():
        notes.put(key, value)
    notes.save()
    return notes


def test_what_was_put_is_there_at_once_and_in_the_next_build(file):
    notes = kept(file, a=b"1" * 1000)
    assert (notes.get("a"), notes.get("b")) == (b"1" * 1000, None)
    notes.close()
    assert Notes(file).get("a") == b"1" * 1000


def test_what_was_not_saved_is_lost_and_nothing_else(file):
    kept(file, a=b"1").close()
    notes = Notes(file)
    notes.put("b", b"2")
    notes.close()
    assert (Notes(file).get("a"), Notes(file).get("b")) == (b"1", None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no database at all" * 100,
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + b"\xff" * (len(data) - 100),
    ],
    ids=["empty", "other", "cut off", "overwritten"],
)
def test_a_damaged_file_is_begun_anew(file, damage):
    kept(file, **{f"k{i}": bytes(5000) for i in range(20)}).close()
    file.write_bytes(damage(file.read_bytes()))
    notes = Notes(file)
    assert notes.get("k3") in (None, bytes(5000))
    notes.put("new", b"x")
    notes.save()
    notes.close()
    assert Notes(file).get("new") == b"x"


def test_a_damaged_value_counts_as_none(file):
    kept(file, a=b"text" * 100).close()
    with sqlite3.connect(file) as db:
        db.execute("update notes set value = substr(value, 1, 10)")
    assert Notes(file).get("a") is None


def test_a_value_that_is_another_key_s_counts_as_none(file):
    kept(file, a=b"1", b=b"2").close()
    with sqlite3.connect(file) as db:
        db.execute("update notes set value = (select value from notes where key = 'b')")
    notes = Notes(file)
    assert (notes.get("a"), notes.get("b")) == (None, b"2")


def test_a_file_of_another_version_is_begun_anew(file):
    kept(file, a=b"1").close()
    with sqlite3.connect(file) as db:
        db.execute("pragma user_version = 99")
    assert Notes(file).get("a") is None


def test_what_no_build_has_used_for_a_month_is_forgotten(file):
    kept(file, old=b"1", used=b"2").close()
    with sqlite3.connect(file) as db:
        db.execute("update notes set used = used - 40 * 86400")
    notes = Notes(file)
    assert notes.get("used") == b"2"
    notes.save()
    assert notes.get("old") is None
    notes.close()
    assert Notes(file).get("used") == b"2"


def test_two_builds_at_once_do_each_other_no_harm(file):
    one, two = Notes(file), Notes(file)
    one.put("a", b"1")
    two.put("b", b"2")
    one.save()
    two.save()
    assert (one.get("b"), two.get("a")) == (b"2", b"1")


def test_a_folder_that_can_t_be_written_costs_only_time(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        Notes(tmp_path / "cache" / "notes.sqlite")


def test_a_digest_tells_parts_apart():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") == digest(b"a")
    assert code_version() == code_version()
