"""How numbers in transcripts are read aloud."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.text.numbers import read_aloud
from espnet_wabert.text.transcript import all_as_said, as_said

READ = {
    "42": "forty two", "1984": "nineteen eighty four", "1905,": "nineteen oh five",
    "1900": "nineteen hundred", "2005": "two thousand five", "2024.": "twenty twenty four",
    "1,234": "one thousand two hundred thirty four", "007": "zero zero seven",
    "5551234567": "five five five one two three four five six seven",
    "3.14": "three point one four", "0.5": "zero point five", "$5": "five dollars",
    "$1": "one dollar", "$3.50": "three dollars fifty", "$2.5m": "two point five million dollars",
    "\u00a3100,": "one hundred pounds", "50%": "fifty percent", "10:30": "ten thirty",
    "7:05pm": "seven oh five p m", "9:00": "nine o'clock", "21st": "twenty first",
    "12th-century": "twelfth century", "1980s": "nineteen eighties", "'80s": "eighties",
    "2000s": "two thousands", "1900s": "nineteen hundreds", "10-12": "ten twelve", "A4": "A four",
    "1,2,3": "one two three", "3,5": "three five", "1st,2nd": "first second",
    "1990\u2019s": "nineteen nineties", "1990's": "nineteen nineties", ".5": "point five",
    "$.50": "fifty cents", "1,000,00": "one thousand zero zero", "x,5": "x five",
    "9" * 40 + "th": " ".join(["nine"] * 40), "$" + "4" * 40: " ".join(["four"] * 40) + " dollars",
    "10²": "ten ²", "2020²": "twenty twenty ²", "x1²": "x one ²", "1①": "one ①",
    "-5%": "five percent", "-$5.50": "five dollars fifty", "1990s-": "nineteen nineties",
    "50%\u2014a": "fifty percent a", "1990s\u2026": "nineteen nineties",
    "24/7": "twenty four seven", "500-1000": "five hundred one thousand",
    "555-1234,": "five five five one two three four",
    "1-800-555-1234": "one eight hundred five five five one two three four",
    "555.123.4567": "five five five one two three four five six seven",
    "$5\u2013$10": "five dollars ten dollars", "$5/month": "five dollars month",
    "$10+": "ten dollars",
    "1st/2nd": "first second", "\u22125": "five", "5\u20ac": "five euros",
    "50\u00a2": "fifty cents",
    "$1.5": "one point five dollars", "$1.50": "one dollar fifty", "$1.00": "one dollar",
    "$0.01": "one cent", "\u00a30.01": "one penny", "100s": "one hundreds",
    "747's": "seven hundred forty sevens",
    "1,000s": "one thousands", "$1.5million": "one point five million dollars",
    "$5-million": "five million dollars", "$5/m": "five dollars m",
    "5pm": "five p m", "11AM,": "eleven A M", "9.30pm": "nine thirty p m",
    "9.30": "nine point three zero", "&": "and", "%": "percent",
    "Mr.": "mister", "Dr.": "doctor", "hello": None, "Mist": None, "--": None, "...": None,
}  # fmt: skip


@pytest.mark.parametrize(("word", "said"), READ.items())
def test_what_is_read(word, said):
    assert read_aloud(word) == said


@given(st.from_regex(r"[a-z$']{0,2}\d[\d,.:%-]{0,12}[a-z]{0,2}", fullmatch=True))
def test_whatever_has_digits_is_read_in_letters(word):
    said = read_aloud(word)
    assert said and not re.search(r"\d", said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$5 million, or", "five | million dollars | or"),
        (
            "(\u20ac1.25 bn) -$3 Thousand",
            "one point two five | billion euros | three | thousand dollars",
        ),
        ("$5, million $5% million", "five dollars | million | five dollars percent | million"),
        ("$5m million $ million", "five million dollars | million | $ | million"),
        ("5 million $1", "five | million | one dollar"),
    ],
)
def test_the_unit_of_an_amount_comes_last(text, said):
    assert all_as_said(text.split()) == said.split(" | ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9:00 p.m. or", "nine | p m | or"),
        ("at 10:00 AM,", "at | ten | AM"),
        ("3:00 o\u2019clock", "three | o'clock"),
        ("3 o'clock a.m.", "three | o'clock | a m"),
        ("9:00, amen 9:30 pm", "nine o'clock | amen | nine thirty | pm"),
    ],
)
def test_an_hour_with_its_half_of_the_day_has_no_clock(text, said):
    assert all_as_said(text.split()) == said.split(" | ")


def test_other_words_stay_and_punctuation_is_silent():
    assert [as_said(word) for word in ("Hello,", "--", "don\u2019t", "50%")] == [
        "Hello", "", "don't", "fifty percent",
    ]  # fmt: skip
    pictures = ("\U0001f600", "\u266a", "great\U0001f44d\U0001f3fb", "\u2764\ufe0f", "C++")
    assert [as_said(word).strip("\ufe0f") for word in pictures] == ["", "", "great", "", "C++"]
    assert read_aloud("$1." + "0" * 5000) == "one dollar"
