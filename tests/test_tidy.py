"""Text as people write it: what is made plain, what is told, and what is left alone."""

from __future__ import annotations

import datetime
import math
import string
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from portal.tidy import (
    _LOOKALIKES,
    age_stage,
    compared,
    is_blank,
    listed,
    plural_stems,
    read_date,
    read_number,
    shown,
    tidy,
)

INVISIBLE = "invisible characters"
NO_PLAIN_SPACE = "white space that is no plain space"
TOO_MUCH = "too much white space"
SCRIPT = "letters of another script that look like Latin ones"
STOP = "a stop at the end"

WORDS = st.lists(st.text(string.ascii_letters, min_size=1, max_size=8), min_size=1, max_size=5)
DIRT = st.text(
    st.sampled_from("aT еТοΑ 　Ａ．é\u0301\u0308\u00a0\u200b\t\n.,;:…—'\"()\ud800\x1b\x7f\x85"),
    max_size=12,
)


# -- tidy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "becomes", "faults"),
    [
        ("lung", "lung", ()),
        ("  lung", "lung", (TOO_MUCH,)),
        ("lymph  node", "lymph node", (TOO_MUCH,)),
        ("lymph\nnode", "lymph node", (TOO_MUCH,)),
        ("lymph\u00a0node", "lymph node", (NO_PLAIN_SPACE,)),
        ("lymph\tnode", "lymph node", (NO_PLAIN_SPACE,)),
        ("lymph\u3000node", "lymph node", (NO_PLAIN_SPACE,)),
        ("lu\u200bng\ufeff", "lung", (INVISIBLE,)),
        ("lu\u00adng", "lung", (INVISIBLE,)),
        ("\u202elung", "lung", (INVISIBLE,)),
        ("\x1b[2Jlung\x9b", "[2Jlung", (INVISIBLE,)),
        ("lung\ud800", "lung", (INVISIBLE,)),
        ("brаin", "brain", (SCRIPT,)),  # a Cyrillic а
        ("Т cell", "T cell", (SCRIPT,)),  # a Cyrillic Т, alone in its word
        ("Β cell", "B cell", (SCRIPT,)),  # a Greek Β
        ("ｌｕｎｇ", "lung", (SCRIPT,)),
        ("lung.", "lung", (STOP,)),
        ("lung ,", "lung", (STOP,)),
        ("lung., ;", "lung", (STOP,)),
        ("lu\u200bng\u00a0.", "lung", (INVISIBLE, NO_PLAIN_SPACE, STOP)),
        # What is meant as it is:
        ("рак лёгкого", "рак лёгкого", ()),
        ("образец с меткой GFP", "образец с меткой GFP", ()),
        ("IFNγ", "IFNγ", ()),
        ("TGF-β", "TGF-β", ()),
        ("µm²", "µm²", ()),
        ("E. coli sp.", "E. coli sp.", ()),
        ("e.g.", "e.g.", ()),
        ("...", "...", ()),
        ("", "", ()),
    ],
)
def test_text_is_made_plain_and_what_was_wrong_is_told(text, becomes, faults):
    assert tidy(text) == (becomes, faults)


def test_letters_that_compose_are_one_letter_and_nothing_is_said():
    assert tidy("cafe\u0301") == ("café", ())


@given(WORDS)
def test_plain_words_are_left_alone(words):
    text = " ".join(words)
    assert tidy(text) == (text, ())


@settings(max_examples=1000)
@given(DIRT | st.text(max_size=20))
@example("lung ., ,")
@example("Ａ\u0301")
@example("aА\u0301")
def test_what_is_tidy_stays_so(text):
    once, _ = tidy(text)
    assert tidy(once) == (once, ())


@given(WORDS, st.randoms(use_true_random=False))
def test_look_alikes_among_latin_letters_become_these(words, random):
    """Whatever letters of a text are replaced by look-alikes, as long as one word stays Latin."""
    alike: dict[str, list[str]] = {}
    for other, latin in _LOOKALIKES.items():
        alike.setdefault(latin, []).append(other)

    def disguised(word):
        return "".join(random.choice([c, *alike.get(c, ())]) for c in word)

    text = " ".join([*map(disguised, words), "cell"])
    becomes, faults = tidy(text)
    assert becomes == " ".join([*words, "cell"])
    assert faults == ((SCRIPT,) if text != becomes else ())


@given(WORDS, st.lists(st.sampled_from([" ", "\u00a0", "\t", "\n", "\u2003", "\r\n"]), min_size=1))
def test_white_space_of_any_kind_is_one_space(words, spaces):
    gap = "".join(spaces)
    assert tidy(gap.join(words) + gap)[0] == " ".join(words)


# -- comparing, blanks, lists --------------------------------------------------------------------


BLANKS = [
    "", "unknown", "Unknown", "(nan)", "NaN", "N/A", "n.a.", "[NA]", "<none>", "'null'", "-",
    "—", "?", "not available", "Not Applicable", "TBD", "(unspecified)", " unknown ",
]  # fmt: skip


@pytest.mark.parametrize("text", BLANKS)
def test_a_blank_word_is_known_for_one(text):
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["nano", "Nancy", "none of these", "healthy", "normal", "0", "no", "a", "NAN1", "- 5"]
)
def test_a_word_that_says_something_is_no_blank(text):
    assert not is_blank(text)


def test_typographic_dashes_and_quotes_compare_as_plain_ones():
    assert compared("T–cell “x” Alzheimer’s −5") == 'T-cell "x" Alzheimer\'s -5'


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("lung", []),
        ("lung, brain", [["lung", "brain"]]),
        ("lung|brain; skin", [["lung", "brain", "skin"]]),
        ("lung and brain", [["lung", "brain"]]),
        ("RNA+protein", [["RNA", "protein"]]),
        ("H&E, IF", [["H&E", "IF"], ["H", "E", "IF"]]),
        ("lung, ", []),
        ("lung,,brain", [["lung", "brain"]]),
        ("band width", []),
        ("hand", []),
    ],
)
def test_a_text_is_read_as_a_list_the_safest_way_first(text, ways):
    assert list(listed(text)) == ways


@given(st.text(max_size=500))
def test_a_message_shows_a_text_short_and_in_characters_that_can_be_seen(text):
    said = shown(text, 50)
    assert said.isprintable()
    assert said.encode().decode() == said
    if text.isprintable() and len(text) <= 50:
        assert said == text
    assert len(said) <= 51 * 10


# -- numbers -------------------------------------------------------------------------------------


def grouped(number: int, separator: str) -> str:
    return f"{number:,}".replace(",", separator)


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from(["", ",", " ", "\u00a0", "\u202f"]),
    st.sampled_from(["", ".0", ".00", ".5", ".125", "e0", "e2", "E+3", ".5e1"]),
    st.sampled_from(["", "µm²", " um^2", " %", "\u00a0mm", "cells"]),
    st.sampled_from(["", "+"]),
)
def test_a_number_is_read_back_in_whatever_way_it_is_written(n, separator, end, unit, plus):
    assume(not (end.startswith("e") and unit.startswith("cells")))
    text = (plus if n >= 0 else "") + (grouped(n, separator) if separator else str(n)) + end + unit
    read = read_number(text)
    assert read is not None
    number, said = read
    assert number == float(f"{n}{end}")
    assert said == unit.strip()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_python_writes_it_is_read_back(number):
    assert read_number(repr(number)) == (number, "")


NO_NUMBERS = [
    "", "abc", "6,5", "0,518", "00,518", "1,23,456", "1234,567", "1,234,56", "1.234,5", "1.2.3",
    "1,234 567", "1 234,567", "5-7", "5–7", "5 - 7", ".5", "-", "+", "e5", "nan", "inf",
    "9" * 400, "1e999", "~5", "<5", ",123", "10 12",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_could_be_two_numbers_or_none_is_not_read(text):
    assert read_number(text) is None


@settings(max_examples=500)
@given(st.text(st.sampled_from("0123456789,. -+eE\u00a0µx"), max_size=12) | st.text(max_size=12))
@example("0²")
def test_whatever_is_read_as_a_number_is_one(text):
    read = read_number(text)
    if read is not None:
        assert math.isfinite(read[0])
        assert not read[1][:1].isdecimal()


# -- dates ---------------------------------------------------------------------------------------

FORMS = [
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %B %Y", "%d %b %Y", "%B %d, %Y",
    "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+02:00",
]  # fmt: skip


@given(
    st.datetimes(datetime.datetime(1000, 1, 1), datetime.datetime(9999, 12, 31)),
    st.sampled_from(FORMS),
    st.sampled_from([str, str.upper, str.lower, lambda t: f" {t} "]),
)
def test_a_date_is_read_back_in_whatever_way_it_is_written(day, form, changed):
    text = day.strftime(form)
    assume(not ("T" in form and changed in (str.lower,)))
    assert read_date(changed(text)) == day.date().isoformat()


@given(st.dates(datetime.date(1000, 1, 1)))
def test_a_year_and_a_month_are_dates_too(day):
    assert read_date(f"{day.year}") == f"{day.year}"
    assert read_date(f"{day:%Y-%m}") == f"{day:%Y-%m}"


NO_DATES = [
    "", "10/05/2023", "05.10.2023", "5-10-2023", "2023-13-01", "2023-02-30", "20230230",
    "202311", "2023111", "20231", "2023-00", "0000", "May 2023", "5 May", "23-05-10", "today",
    "2023-10-05x", "12345678901", "２０２３年",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_DATES)
def test_what_could_be_two_dates_or_none_is_not_read(text):
    assert read_date(text) is None


@settings(max_examples=500)
@given(st.text(st.sampled_from("0123456789-/. TZ:+MayOct"), max_size=14))
def test_whatever_is_read_as_a_date_is_one_and_reads_the_same_again(text):
    read = read_date(text)
    if read is not None:
        assert datetime.date.fromisoformat((read + "-01-01")[:10])
        assert read_date(read) == read


# -- plurals and ages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("lungs", "lung"),
        ("ovaries", "ovary"),
        ("testes", "testis"),
        ("diagnoses", "diagnosis"),
        ("glasses", "glass"),
        ("kidneys", "kidney"),
        ("lymph nodes", "lymph node"),
    ],
)
def test_a_plural_names_its_singular(plural, singular):
    assert singular in plural_stems(plural)


@pytest.mark.parametrize("name", ["pelvis", "thymus", "abscess", "as", "", "brain"])
def test_what_is_no_plural_has_no_singular(name):
    assert plural_stems(name) == []


@pytest.mark.parametrize(
    ("age", "stage"),
    [
        ("8 weeks", "8-week-old stage"),
        ("8 week old", "8-week-old stage"),
        ("8-weeks-old", "8-week-old stage"),
        ("8wk", "8-week-old stage"),
        ("8 w", "8-week-old stage"),
        ("3 months", "3-month-old stage"),
        ("3mo", "3-month-old stage"),
        ("65 Years of age", "65-year-old stage"),
        ("65y", "65-year-old stage"),
        ("7 d", "7-day-old stage"),
        ("08 weeks", "8-week-old stage"),
    ],
)
def test_an_age_is_a_stage_of_life(age, stage):
    assert age_stage(age) == stage


@pytest.mark.parametrize("text", ["adult", "8", "weeks", "8.5 weeks", "1-7 days", "8 weekdays", ""])
def test_what_is_no_age_is_no_stage(text):
    assert age_stage(text) is None


# -- hostile text --------------------------------------------------------------------------------


HOSTILE = [
    "a" * 100_000, " " * 100_000, "a " * 50_000, "," * 100_000, "1," * 50_000, "1 " * 50_000,
    "9" * 100_000, "\u200b" * 100_000, "е" * 100_000, "a\u0301" * 50_000, ". " * 50_000,
    "2023-10-05T" + ":" * 100_000, " and" * 25_000, "(" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:4]))
def test_a_hundred_kilobytes_are_read_in_no_time(text):
    start = time.process_time()
    plain, _ = tidy(text)
    for read in (is_blank, compared, read_number, read_date, age_stage, plural_stems, shown):
        read(plain)
    list(listed(plain))
    assert time.process_time() - start < 2
