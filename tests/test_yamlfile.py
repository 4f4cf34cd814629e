"""Reading YAML from people we do not know."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from portal.yamlfile import read_yaml


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str = ""
    size: int = 0


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    inner: Inner = Inner()
    items: list[Inner] = []
    free: dict = {}


def read(tmp_path: Path, text: str | bytes, **options):
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    model, problems, _ = read_yaml(path, Model, shown_as="a.yaml", **options)
    return model, [(p.where, p.code) for p in problems], problems


def test_a_good_file_has_no_problems(tmp_path):
    model, found, _ = read(tmp_path, "title: x\ninner: {size: 3}\n")
    assert found == []
    assert model.inner.size == 3


def test_all_faults_are_told_at_once_with_their_lines(tmp_path):
    text = "inner:\n  size: big\n  color: red\nitems:\n  - size: 1\n  - sise: 2\nextra: 1\n"
    _, found, problems = read(tmp_path, text)
    assert set(found) == {
        ("a.yaml:1", "missing-key"),
        ("a.yaml:2", "invalid-value"),
        ("a.yaml:3", "unknown-key"),
        ("a.yaml:6", "unknown-key"),
        ("a.yaml:7", "unknown-key"),
    }
    told = " ".join(p.remedy for p in problems)
    assert "'colour'" in told
    assert "'size'" in told


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("title: [1\n", "yaml-syntax", 2),
        ("title: a\ntitle: b\n", "duplicate-key", 2),
        ("- a\n", "yaml-not-a-mapping", 1),
        ("title: !!python/object/apply:os.system [ls]\n", "yaml-tag", 1),
        ("title: &a x\nfree: {y: *a}\n", "yaml-alias", 1),
        ("? [a, b]\n: c\n", "yaml-key", 1),
        pytest.param(b"title: \xff\xfe\n", "file-not-utf8", 1, id="not UTF-8"),
    ],
)
def test_hostile_yaml_is_refused_with_a_line(tmp_path, text, code, line):
    model, found, _ = read(tmp_path, text)
    assert model is None
    assert found == [(f"a.yaml:{line}", code)]


def test_a_bomb_of_aliases_is_refused_before_it_grows(tmp_path):
    lines = ["title: x", "free:", "  a0: &a0 [x, x]"]
    lines += [f"  a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 30)]
    _, found, _ = read(tmp_path, "\n".join(lines))
    assert [code for _, code in found] == ["yaml-alias"]


def test_a_title_of_ten_megabytes_is_refused_by_file_and_line(tmp_path):
    _, found, problems = read(tmp_path, "inner: {}\ntitle: " + "x" * 10_000_000)
    assert found == [("a.yaml:2", "file-too-large")]
    assert "10,000,0" in problems[0].what


def test_nesting_has_a_limit(tmp_path):
    _, found, _ = read(tmp_path, "title: x\nfree: " + "{a: " * 60 + "1" + "}" * 60)
    assert [code for _, code in found] == ["yaml-too-deep"]


def test_a_missing_file_is_a_problem_not_an_exception(tmp_path):
    model, problems, _ = read_yaml(tmp_path / "none.yaml", Model)
    assert model is None
    assert problems[0].code == "file-unreadable"


def test_words_that_yaml_takes_for_dates_or_numbers_stay_as_written(tmp_path):
    model, _, _ = read(tmp_path, "title: x\nfree: {d: 2020-02-30, n: .nan, i: -.inf}\n")
    assert model.free == {"d": "2020-02-30", "n": ".nan", "i": "-.inf"}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def aliased(value, seen) -> bool:
    if isinstance(value, dict | list):
        if id(value) in seen:
            return True
        seen.add(id(value))
        return any(aliased(v, seen) for v in (value.values() if isinstance(value, dict) else value))
    return False


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), plain, max_size=5))
def test_what_yaml_writes_is_read_back_the_same(tmp_path_factory, data):
    if aliased(data, set()):
        return
    path = tmp_path_factory.mktemp("yaml") / "p.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "free": data}, allow_unicode=True), "utf-8")
    model, problems, _ = read_yaml(path, Model)
    assert problems == []
    assert same(model.free, data)


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b)
    return a == b
