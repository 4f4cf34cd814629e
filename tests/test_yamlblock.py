"""Mappings put into a YAML file."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.yamlblock import put_block

VALUE = {
    "version": "1.0.18",
    "words": ["yes", "2020-01-01", "a: b #c", "two\nlines\n", "{store}", "", "\u2028", "é"],
    "numbers": [1, 2.5, 1e-7, None, True],
    "deep": {"a": [{"b": {}}, []]},
}

# what the file says, and what must still stand in it, word by word
FILES = {
    "title: a\n": ["title: a\n"],
    "title: a": ["title: a\n"],
    "title: a  # b\n\n# end\n": ["title: a  # b\n\n# end\n"],
    "---\ntitle: a\n": ["---\ntitle: a\n"],
    "\ufefftitle: a\n": ["\ufefftitle: a\n"],
    "views: {}  # none\ntitle: a\n": ["  # none\n", "title: a\n"],
    "views:   # none\ntitle: a\n": ["views:   # none\n", "title: a\n"],
    "views:\ntitle: a": ["views:\n", "title: a\n"],
    "views:\n  x: {a: 1}  # one\n  y:\n    b: 2  # c\n\n# tail\ntitle: a\n": [
        "  y:\n    b: 2  # c\n",
        "\n# tail\ntitle: a\n",
    ],
    "title: a\nviews:\n    x:\n      d: |\n        text\n\n# e\n": ["title: a\n", "# e\n"],
    "views:\n  y:\n    b: [1,\n      2]\ntitle: a\n": ["    b: [1,\n      2]\n", "title: a\n"],
    "title: a\r\nviews:\r\n  y:\r\n    b: 1\r\n": ["title: a\r\nviews:\r\n  y:\r\n    b: 1\r\n"],
    "views: {x: {a: 1}, y: {}}  # b\n": ["  # b\n"],
}


@pytest.mark.parametrize("name", ["x", "z"])
@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_a_block_is_put_and_the_rest_stays(text, name):
    made = put_block(text, "views", name, VALUE)
    old = yaml.safe_load(text)
    assert yaml.safe_load(made) == {**old, "views": {**(old.get("views") or {}), name: VALUE}}
    for kept in FILES[text]:
        assert kept in made
    assert ("\n" in made.replace("\r\n", "")) != ("\r\n" in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "{title: a}",
        "title: a\n...\n",
        "views: 3\n",
        "views: [1]\n",
        "a: [",
        "a: 1\n---\nb: 1\n",
    ],
)
def test_a_file_that_has_no_place_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        put_block(text, "views", "x", VALUE)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=30)
VALUES = st.recursive(
    SCALARS | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), VALUES), st.sampled_from(list(FILES)))
def test_whatever_json_holds_reads_back_the_same(value, text):
    assert yaml.safe_load(put_block(text, "views", "z", value))["views"]["z"] == value
