"""Rewriting single values of a YAML file: what was not named stays byte for byte."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.yamledit import Items, edit_yaml
from portal.yamlfile import Loc

TERM = {"id": "UBERON:0000955", "label": "brain", "written": "Brain"}
TERM_WRITTEN = "{id: 'UBERON:0000955', label: brain, written: Brain}"


# --- documents by chance -----------------------------------------------------------------------

KEYS = ["a", "b c", "id", "é", "😀", "x:y", "1", "yes", "# no", "-", "it's", "null", "k" * 130]
printable = st.text(
    st.characters(
        exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"], exclude_characters="\ufeff"
    ),
    max_size=12,
)
TRICKY = (
    "yes¦null¦~¦2020-01-01¦1e5¦1.0¦0x1f¦1:30¦<<¦=¦True¦Off¦n¦.nan¦a: b¦a #b¦#a¦- a¦? a¦---¦...¦"
    "a,b¦[a]¦{a}¦a]¦it's¦\"¦\\¦%a¦@a¦`a¦!a¦&a¦*a¦|¦>¦a:¦:a¦ a¦a ¦Brain, mouse¦10x¦🧠¦UBERON:1¦"
    "http://x.y/z#w¦e\u0301¦a\xa0b¦\u200d¦"
)
tricky = st.sampled_from(TRICKY.split("¦"))
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
old_scalars = st.none() | st.booleans() | numbers | printable | tricky
new_scalars = old_scalars | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
new_values = (
    new_scalars
    | st.dictionaries(st.sampled_from(KEYS) | printable, new_scalars, max_size=3)
    | st.lists(new_scalars | st.dictionaries(printable, new_scalars, max_size=2), max_size=3)
)
trees = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(
        old_scalars,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
        ),
        max_leaves=10,
    ),
    min_size=1,
    max_size=5,
)


class Writer:
    """Writes a tree in styles that hypothesis draws, and notes where each scalar went.

    The text is a list of pieces; `places` has the piece of each scalar that can be edited,
    `dashes` the column of the dash of each item of a block list.
    """

    def __init__(self, draw, tree: dict[str, Any]):
        self.draw = draw
        self.pieces: list[str] = []
        self.places: dict[Loc, int] = {}
        self.dashes: dict[Loc, int] = {}
        self.newline = self.one_of("\n", "\r\n")
        self.add(self.one_of("", "\ufeff"))
        self.add(self.one_of("", f"---{self.newline}", f"# é 😀 'x'{self.newline * 2}"))
        self.mapping(tree, (), 0, 0)
        if draw(st.booleans()) and self.pieces[-1] == self.newline:
            self.pieces.pop()

    def one_of(self, *choices):
        return self.draw(st.sampled_from(choices))

    def add(self, text: str) -> None:
        self.pieces.append(text)

    def end_line(self) -> None:
        after_dash = "".join(self.pieces[-2:]).endswith("-")  # where libyaml allows no tab
        tail = self.one_of("", "", "  ", " # c: é😀 [x]", "\t# 'd'")
        self.add(tail.replace("\t", " ") if after_dash else tail)
        self.add(self.newline)

    def indent(self, indent: int, first: int, nth: int) -> None:
        """The start of a line; `first` where the first one stands behind a dash."""
        if nth == 0 and first < indent:
            return
        in_block = "|-" in self.pieces[-1]  # where an indented comment would be text
        for _ in range(self.one_of(0, 0, 0, 1, 2)):
            self.add(self.one_of("", "#🧠", "#" if in_block else "  # - k: v"))
            self.add(self.newline)
        self.add(" " * indent)

    def mapping(self, tree: dict[str, Any], loc: Loc, indent: int, first: int) -> None:
        for nth, (key, value) in enumerate(tree.items()):
            self.indent(indent, first, nth)
            self.add(f"{self.scalar(key)}:")
            self.value(value, (*loc, key), indent, in_list=False)

    def items(self, values: list[Any], loc: Loc, indent: int, first: int) -> None:
        for nth, value in enumerate(values):
            self.indent(indent, first, nth)
            self.dashes[(*loc, nth)] = indent
            self.add("-")
            self.value(value, (*loc, nth), indent, in_list=True)

    def value(self, value: Any, loc: Loc, indent: int, *, in_list: bool) -> None:
        """A value behind a colon or a dash, and the end of its line."""
        if isinstance(value, dict | list) and value and self.one_of(True, True, False):
            write = self.mapping if isinstance(value, dict) else self.items
            if in_list and self.draw(st.booleans()):
                self.add(" ")
                return write(value, loc, indent + 2, indent)
            self.end_line()
            steps = (0, 2, 4) if isinstance(value, list) and not in_list else (2, 4)
            deeper = indent + self.one_of(*steps)
            return write(value, loc, deeper, deeper)
        if isinstance(value, str) and re.fullmatch(r"\w[\w ]*\w", value) and self.one_of(0, 0, 1):
            self.add(f" |-{self.newline}{' ' * (indent + 2)}{value}{self.newline}")
            return None
        if value is None and self.draw(st.booleans()):
            self.place(loc, "")
        else:
            on_next_line = not in_list and value is not None and self.one_of(0, 0, 0, 1)
            space = self.newline + " " * (indent + 2) if on_next_line else self.one_of(" ", "  ")
            self.add(space)
            self.flow(value, loc)
        self.end_line()
        return None

    def flow(self, value: Any, loc: Loc) -> None:
        if isinstance(value, dict):
            self.add("{")
            for nth, (key, inner) in enumerate(value.items()):
                name = self.scalar(key)
                self.add((nth > 0) * self.one_of(",", ", ") + name + ":")
                if inner is None and self.draw(st.booleans()):
                    self.place((*loc, key), "")
                    self.add(self.one_of("", " ") if name[-1] in "'\"" else " ")
                else:
                    self.add(" ")
                    self.flow(inner, (*loc, key))
            self.add(self.one_of("}", " }"))
        elif isinstance(value, list):
            self.add("[")
            for nth, inner in enumerate(value):
                self.add((nth > 0) * self.one_of(",", ", ", " , "))
                self.flow(inner, (*loc, nth))
            self.add(self.one_of("]", " ]"))
        else:
            self.place(loc, self.scalar(value))

    def place(self, loc: Loc, text: str) -> None:
        self.places[loc] = len(self.pieces)
        self.add(text)

    def scalar(self, value: Any) -> str:
        if not isinstance(value, str):
            return yaml.safe_dump([value], width=1000)[2:-1]
        styles = [json.dumps(value, ensure_ascii=False), "'" + value.replace("'", "''") + "'"]
        if value == "null" or len(value) > 100:  # the one would be None, the other too long
            return self.one_of(*styles)
        if all(reads(t, v) for t, v in [(f"[{value}]", [value]), (f"k: {value}", {"k": value})]):
            styles.append(value)
        return self.one_of(*styles)

    def with_new(self, written: dict[Loc, str]) -> str:
        """The text with other scalars: what an editor should make of it."""
        pieces = list(self.pieces)
        for loc, text in written.items():
            pieces[self.places[loc]] = text if pieces[self.places[loc]] else f" {text}"
        return "".join(pieces)


def reads(text: str, data: Any) -> bool:
    try:
        return repr(load(text)) == repr(data)
    except (yaml.YAMLError, ValueError):
        return False


def load(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def written(value: Any) -> str:
    return edit_yaml("k: 0", {("k",): value}).removeprefix("k: ")


def with_values(tree: Any, edits: dict[Loc, Any], loc: Loc = ()) -> Any:
    """What the edited document should hold."""
    if loc in edits:
        return edits[loc]
    if isinstance(tree, dict):
        return {key: with_values(value, edits, (*loc, key)) for key, value in tree.items()}
    if isinstance(tree, list):
        out = []
        for i, item in enumerate(tree):
            new = with_values(item, edits, (*loc, i))
            out += new.values if isinstance(new, Items) else [new]
        return out
    return tree


@st.composite
def documents(draw):
    tree = draw(trees)
    return tree, Writer(draw, tree)


@st.composite
def edited(draw, values=new_values):
    tree, writer = draw(documents())
    locs = sorted(writer.places, key=repr)
    if not locs:
        return tree, writer, {}
    chosen = draw(st.lists(st.sampled_from(locs), min_size=1, max_size=4, unique=True))
    return tree, writer, {loc: draw(values) for loc in chosen}


many = settings(max_examples=200, deadline=None)


@many
@given(edited())
def test_only_the_edited_values_change_and_all_else_is_kept_byte_for_byte(case):
    tree, writer, edits = case
    text = writer.with_new({})
    assert repr(load(text)) == repr(tree)
    result = edit_yaml(text, edits)
    assert repr(load(result)) == repr(with_values(tree, edits))
    assert result == writer.with_new({loc: written(value) for loc, value in edits.items()})
    rows = [t.split(writer.newline) for t in (text, result)]
    assert len(rows[0]) == len(rows[1])
    assert sum(a != b for a, b in zip(*rows, strict=True)) <= len(edits)


@many
@given(edited())
def test_the_same_edits_again_change_nothing(case):
    _, writer, edits = case
    once = edit_yaml(writer.with_new({}), edits)
    assert edit_yaml(once, edits) == once


@many
@given(documents())
def test_an_edit_to_the_present_value_changes_no_data(case):
    tree, writer = case
    edits = {}
    for loc in writer.places:
        value: Any = tree
        for step in loc:
            value = value[step]
        edits[loc] = value
    assert repr(load(edit_yaml(writer.with_new({}), edits))) == repr(tree)


@many
@given(edited(st.lists(new_values, min_size=1, max_size=3).map(tuple).map(Items)))
def test_one_item_of_a_list_becomes_several(case):
    tree, writer, drawn = case
    edits = {
        loc: items if isinstance(loc[-1], int) else items.values[0] for loc, items in drawn.items()
    }
    texts = {}
    for loc, value in edits.items():
        values = value.values if isinstance(value, Items) else (value,)
        dash = writer.dashes.get(loc)
        between = ", " if dash is None else f"{writer.newline}{' ' * dash}- "
        texts[loc] = between.join(map(written, values))
    result = edit_yaml(writer.with_new({}), edits)
    assert repr(load(result)) == repr(with_values(tree, edits))
    assert result == writer.with_new(texts)


@many
@given(new_values)
def test_a_value_is_written_on_one_line_and_reads_back_in_every_place(value):
    for text, loc, data in [
        ("k: 0\n", ("k",), {"k": value}),
        ("k:\n  0 # c\n", ("k",), {"k": value}),
        ("- 0\n", (0,), [value]),
        ("- - 0\n  - 1\n", (0, 0), [[value, 1]]),
        ("[0, 1]\n", (0,), [value, 1]),
        ("{k: 0, l: 1}\n", ("k",), {"k": value, "l": 1}),
        ('{"k":0,"l":1}\n', ("k",), {"k": value, "l": 1}),
        ("[k: 0]\n", (0, "k"), [{"k": value}]),
    ]:
        result = edit_yaml(text, {loc: value})
        assert repr(load(result)) == repr(data)
        assert result.count("\n") == text.count("\n")
        assert len(result.splitlines()) == text.count("\n")


# --- each style by example ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "edits", "result"),
    [
        ("a: x # why\nb: y\n", {("a",): "z"}, "a: z # why\nb: y\n"),
        ("a: x   # why\r\nb: y", {("b",): 2}, "a: x   # why\r\nb: 2"),
        ("\ufeffa: x\nb: y\n", {("b",): "z"}, "\ufeffa: x\nb: z\n"),
        ("é: '😀 ü' # 🧠\nb: 😀\n", {("é",): "ö", ("b",): "🧠 x"}, "é: ö # 🧠\nb: '🧠 x'\n"),
        ("a: x\x85b: y\u2028c: z\n", {("b",): 1, ("c",): 2}, "a: x\x85b: 1\u2028c: 2\n"),
        ('\'a b\': "x"\n"c" : y\n', {("a b",): 1, ("c",): 2}, "'a b': 1\n\"c\" : 2\n"),
        ("2020: x\n", {("2020",): "y"}, "2020: y\n"),
        ("a:\n- x\n-   y\n", {("a", 1): "z"}, "a:\n- x\n-   z\n"),
        ("a:\n  - k: v # c\n    l: w\n", {("a", 0, "l"): 1}, "a:\n  - k: v # c\n    l: 1\n"),
        ("a:\n  - {k: v, l: w} # c\n", {("a", 0, "k"): "u"}, "a:\n  - {k: u, l: w} # c\n"),
        ("a:\n  - {k: v, l: w} # c\n", {("a", 0): "u"}, "a:\n  - u # c\n"),
        ("a: [x,\n  y, # c\n  z]\n", {("a", 1): None}, "a: [x,\n  null, # c\n  z]\n"),
        ("a: [x, k: v]\n", {("a", 1, "k"): True}, "a: [x, k: true]\n"),
        ("a:\n  x\nb: y\n", {("a",): "z"}, "a:\n  z\nb: y\n"),
        ("a: brain\n", {("a",): TERM}, f"a: {TERM_WRITTEN}\n"),
        ("a: x\n", {("a",): [1.5, "b, c", TERM]}, f"a: [1.5, 'b, c', {TERM_WRITTEN}]\n"),
        ("a: x\n", {("a",): []}, "a: []\n"),
        ("a: |\n  x\n\nb: >-\n  y\nc: z\n", {("c",): 1}, "a: |\n  x\n\nb: >-\n  y\nc: 1\n"),
        ("--- # c\na: x\n...\n", {("a",): "y"}, "--- # c\na: y\n...\n"),
        ("- x\n- y\n", {(0,): "y", (1,): "x"}, "- y\n- x\n"),
        ("a: &n x\nb: *n\nc: y\n", {("c",): "z"}, "a: &n x\nb: *n\nc: z\n"),
        ("a: &n [*n]\nc: y\n", {("c",): "z"}, "a: &n [*n]\nc: z\n"),
        ("", {}, ""),
    ],
)
def test_a_value_is_replaced_in_its_place(text, edits, result):
    assert edit_yaml(text, edits) == result


@pytest.mark.parametrize(
    ("text", "loc", "result"),
    [
        ("a:\nb: x\n", ("a",), "a: new\nb: x\n"),
        ("a:", ("a",), "a: new"),
        ("a: # why\n", ("a",), "a: new # why\n"),
        ("a:   # why\r\n", ("a",), "a: new   # why\r\n"),
        ("a :  \nb:\n", ("a",), "a : new  \nb:\n"),
        ("a:\n  # above b\nb: x\n", ("a",), "a: new\n  # above b\nb: x\n"),
        ("a:\n  b:\n  c:\nd:\n", ("a", "c"), "a:\n  b:\n  c: new\nd:\n"),
        ("{a: , b: x}\n", ("a",), "{a: new , b: x}\n"),
        ('{"a":,"b":x}\n', ("a",), '{"a": new,"b":x}\n'),
        ("{a: # why\n  , b: x}\n", ("a",), "{a: new # why\n  , b: x}\n"),
        ("-\n- x\n", (0,), "- new\n- x\n"),
        ("- # why\n- x\n", (0,), "- new # why\n- x\n"),
        ("- a:\n- x\n", (0, "a"), "- a: new\n- x\n"),
    ],
)
def test_an_empty_value_is_filled_behind_its_colon_or_dash(text, loc, result):
    assert edit_yaml(text, {loc: "new"}) == result


@pytest.mark.parametrize(
    ("text", "loc", "result"),
    [
        ("[a, 'b, c', d]\n", (1,), "[a, b, 'c: d', d]\n"),
        ("k: [a] # c\n", ("k", 0), "k: [b, 'c: d'] # c\n"),
        ("[a, k: v]\n", (1,), "[a, b, 'c: d']\n"),
        ("k:\n- a\n- z\n", ("k", 0), "k:\n- b\n- 'c: d'\n- z\n"),
        ("k:\r\n    -   a # why\r\n", ("k", 0), "k:\r\n    -   b\r\n    - 'c: d' # why\r\n"),
        ("k:\r\n- a", ("k", 0), "k:\r\n- b\r\n- 'c: d'"),
        ("- - a\n  - z\n", (0, 0), "- - b\n  - 'c: d'\n  - z\n"),
        ("\ufeff- a", (0,), "\ufeff- b\n- 'c: d'"),
        ("- # why\n- z\n", (0,), "- b\n- 'c: d' # why\n- z\n"),
    ],
)
def test_items_stand_where_the_one_item_stood(text, loc, result):
    assert edit_yaml(text, {loc: Items(("b", "c: d"))}) == result


def test_items_move_what_follows_and_other_edits_still_find_their_place():
    edits = {("k", 0): Items((1, 2, 3)), ("k", 1): "y", ("k", 2): Items((TERM,))}
    result = edit_yaml("k: [a, b, c, d]\n", edits)
    assert result == f"k: [1, 2, 3, y, {TERM_WRITTEN}, d]\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("brain", "brain"),
        ("Dürer (left) 10-x", "Dürer (left) 10-x"),
        ("Crohn's disease", "Crohn's disease"),
        ("it's: so", "'it''s: so'"),
        ("yes", "'yes'"),
        ("null", "'null'"),
        ("2020-01-01", "'2020-01-01'"),
        ("10", "'10'"),
        ("1e5", "'1e5'"),
        ("a #b", "'a #b'"),
        ("a ", "'a '"),
        ("", "''"),
        ("a\tb\n", '"a\\tb\\n"'),
        ('"\\\0', '"\\"\\\\\\x00"'),
        ("a\x85\u2028\ufeff\U000e0001", '"a\\x85\\u2028\\ufeff\\U000e0001"'),
        (1e20, "1.0e+20"),
        (-0.5, "-0.5"),
        (10, "10"),
        (None, "null"),
        (False, "false"),
    ],
)
def test_text_is_quoted_where_yaml_would_take_it_for_something_else(value, text):
    assert written(value) == text


def test_a_long_text_stays_on_one_line():
    text = "word, " * 2000
    assert edit_yaml("- a: x\n", {(0, "a"): text}) == f"- a: '{text}'\n"


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "loc", "why"),
    [
        ("a: x\n", ("b",), "not in the file"),
        ("a: x\n", ("a", "b"), "not in the file"),
        ("a: x\n", (0,), "not in the file"),
        ("a: [x]\n", ("a", 1), "not in the file"),
        ("a: [x]\n", ("a", -1), "not in the file"),
        ("a: [x]\n", ("a", "0"), "not in the file"),
        ("1: x\n", (1,), "not in the file"),
        ("# nothing\n", ("a",), "not in the file"),
        ("? [a]\n: x\n", ("a",), "not in the file"),
        ("a: x\na: y\n", ("a",), "given twice"),
        ("a: x\n", (), "whole file"),
        ("a: &n x\n", ("a",), "anchor"),
        ("a: &n\n", ("a",), "anchor"),
        ("a: &n x\nb: *n\n", ("b",), "alias"),
        ("a: &n {k: x}\nb: *n\n", ("a", "k"), "anchor"),
        ("a: &n {k: x}\nb: *n\n", ("b", "k"), "alias"),
        ("&n\na: x\nb: *n\n", ("a",), "anchor"),
        ("a: !!str 1\n", ("a",), "tag"),
        ("a: !mine [x]\n", ("a",), "tag"),
        ("a: ! x\n", ("a",), "tag"),
        ("a: |\n  x\n", ("a",), "block"),
        ("a: >-\n  x\n", ("a",), "block"),
        ("a: |", ("a",), "block"),
        ("a:\n  b: x\n", ("a",), "block"),
        ("a:\n- x\n", ("a",), "block"),
        ("- - x\n", (0,), "block"),
        ("- k: v\n", (0,), "block"),
        ("a: x\n  y\n", ("a",), "several lines"),
        ("a: 'x\n  y'\n", ("a",), "several lines"),
        ('a: "x\\\r\n  y"\r\n', ("a",), "several lines"),
        ("a: 'x\u2028y'\n", ("a",), "several lines"),
        ("a: [x,\n  y]\n", ("a",), "several lines"),
        ("{a}\n", ("a",), "no colon"),
        ("? a\n", ("a",), "no colon"),
        ("a: 'x'#c\n", ("a",), "not read as intended"),
    ],
)
def test_what_cannot_be_edited_is_refused_by_name(text, loc, why):
    with pytest.raises(ValueError, match=why) as e:
        edit_yaml(text, {loc: "new"})
    assert str(e.value).startswith(f"`{'.'.join(map(str, loc))}`: ")


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("inf"), (1,), b"x", Loc, "\ud800", {1: "x"}, {None: "x"}),
        *([Items((1,))], Items((Loc,)), Items((Items((1,)),)), Items(())),
    ],
)
def test_a_value_that_yaml_does_not_give_back_is_refused(value):
    with pytest.raises(ValueError, match=r"^`a\.0`: "):
        edit_yaml("a: [x]\n", {("a", 0): value})


def test_items_are_refused_where_there_is_no_list_or_no_dash():
    with pytest.raises(ValueError, match="`a`: is no item"):
        edit_yaml("a: x\n", {("a",): Items((1, 2))})
    with pytest.raises(ValueError, match=r"`a\.0`: .* dash"):
        edit_yaml("a:\n-\n  x\n", {("a", 0): Items((1, 2))})


def test_an_edit_inside_another_one_is_refused():
    with pytest.raises(ValueError, match=r"`a\.k`: lies inside"):
        edit_yaml("a: {k: x}\n", {("a",): 1, ("a", "k"): 2})
    with pytest.raises(ValueError, match=r"`a\.0\.k`: lies inside"):
        edit_yaml("a: [{k: x}]\n", {("a", 0, "k"): 2, ("a", 0): Items((1, 2))})


@pytest.mark.parametrize("text", ["a: [x\n", "a: x\n---\nb: y\n", "a: *x\n", "a: \0\n"])
def test_what_is_not_one_yaml_document_is_refused(text):
    with pytest.raises(ValueError, match="YAML"):
        edit_yaml(text, {("a",): 1})


def test_a_result_that_reads_otherwise_is_never_returned(monkeypatch):
    monkeypatch.setattr("portal.yamledit._cut", lambda text, place, written: (0, 1, "b"))
    with pytest.raises(ValueError, match="`a`: the file would not read as intended"):
        edit_yaml("a: x\n", {("a",): "x"})
