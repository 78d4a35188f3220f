"""How numbers, amounts, times and a few abbreviations are read aloud, for alignment.

Training has words only. What a number is read as is not unique (1905, 100); the most common reading
of American English is taken. The words of the number come from the package inflect.
"""

import re
from functools import cache

CURRENCIES = {"$": "dollar", "£": "pound", "€": "euro", "¥": "yen"}
CENTS = {"$": "cents", "£": "pence", "€": "cents", "¥": "sen"}
CENT = {"cents": "cent", "pence": "penny", "sen": "sen"}
ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "prof": "professor", "vs": "versus",
    "&": "and", "%": "percent", "@": "at",
}  # fmt: skip
MAGNITUDES = {
    "k": "thousand", "m": "million", "bn": "billion", "b": "billion", "tn": "trillion",
    "thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion",
}  # fmt: skip
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"  # other commas part numbers: 1,2,3
_AMOUNT = re.compile(
    rf"(?P<currency>[$£€¥])?(?P<number>(?:{_WHOLE})?(?:\.\d+)?)"
    rf"(?P<magnitude>{'|'.join(MAGNITUDES)})?(?P<percent>%)?(?P<after>[$£€¥¢])?\Z",
    re.IGNORECASE,
)
_TIME = re.compile(  # 9:30, 9:30pm, 9.30pm, 9pm
    r"(?=\d+:|.*[ap]m)(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d))?(?P<half>am|pm)?\Z",
    re.IGNORECASE,
)
_AFTER_HOUR = re.compile(r"[ap]\.?m\Z|o'clock\Z", re.IGNORECASE)
# Telephone numbers; 500-1000 is a range.
_PHONE = re.compile(r"(?:\+?1[-.])?\d{3}[-.]\d{3}[-.]\d{4}\Z|\d{3}-(?!\d\d00)\d{4}\Z")
_ORDINAL = re.compile(rf"(?:{_WHOLE})(?:st|nd|rd|th)\Z", re.IGNORECASE)
_DECADE = re.compile(r"(?P<century>\d\d)?(?P<tens>\d0)'?s\Z")
_PLURAL = re.compile(rf"(?P<number>{_WHOLE})'?s\Z")
_CHUNK = re.compile(rf"(?:{_WHOLE})(?:\.\d+)*|[^\d]+")
# Hyphens, dashes and other signs between numbers, and commas that are no number's.
_PARTS = re.compile(r"[-\u2010-\u2015\u2212\u2026/+~]|,(?!\d{3}(?!\d))|(?<=[^\d,.]),")
YEARS = (range(1100, 2000), range(2010, 2100))
LONGEST = 7  # digits that are a number; more are read one by one
LARGEST = 36  # digits that have a name
APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})


@cache
def _engine():
    """Return inflect's engine; its import takes a second, and few transcripts have numbers."""
    import inflect

    return inflect.engine()


def read_aloud(word: str) -> str | None:
    """Return the words that a number, a title or a sign is read as; None: the word itself."""
    bare = _bare(word)
    if bare.lower() in ABBREVIATIONS:
        return ABBREVIATIONS[bare.lower()]
    if not re.search(r"\d", bare):
        return None
    if _PHONE.match(bare):
        return _telephone(bare)
    parts = [part for part in _PARTS.split(bare) if part]
    if parts != [bare]:
        named = len(parts) == 2 and parts[1].lower() in MAGNITUDES.values()  # $5-million, not $5/m
        amount = read_amount(*parts) if named else None
        return " ".join(amount or (read_aloud(part) or _plain(part) for part in parts))
    ways = ((_TIME, _time), (_DECADE, _decade), (_PLURAL, _plural), (_AMOUNT, _amount))
    for pattern, read in ways:
        found = pattern.match(bare)
        if found:
            return _plain(read(found))
    if _ORDINAL.match(bare):
        return _plain(_words(bare.replace(",", "").lower()))
    parts = [_number(part) if part[0].isdecimal() else part for part in _CHUNK.findall(bare)]
    return _plain(" ".join(parts))


def read_amount(word: str, following: str) -> tuple[str, str] | None:
    """Return what "$5" and "million" are read as: the unit comes last; None: no such amount."""
    name = MAGNITUDES.get(_bare(following).lower(), " ")
    found = _AMOUNT.match(word.lstrip("\"'([{\u201c\u2018+-\u2212~") + name)
    if not found or not found["currency"] or not found["number"]:
        return None
    number, _, unit = _plain(_amount(found)).rpartition(f" {name} ")
    return number, f"{name} {unit}"


def without_clock(said: str, following: str) -> str:
    """Return what a time is read as, without the "o'clock" of 9:00 if "a.m." or it follows."""
    return said.removesuffix(" o'clock") if _AFTER_HOUR.match(_bare(following)) else said


def _bare(word: str) -> str:
    """Return a word without the punctuation around it."""
    bare = word.translate(APOSTROPHES).strip("\"'()[]{},;:!?\u201c\u201d\u2018").rstrip(".,;:!?")
    return bare if re.match(r"\.\d", bare) else bare.lstrip(".")  # .5 is a half


def _plain(text: str) -> str:
    """Return words of letters only."""
    return " ".join(re.sub(r"[^\w&@']|_", " ", text).split())


def _words(number: str) -> str:
    if len(number.rstrip("dhnrst")) > LARGEST:
        return _digits(re.sub(r"\D", "", number))
    return str(_engine().number_to_words(number, andword=""))


def _digits(number: str) -> str:
    return str(_engine().number_to_words(number, group=1, zero="zero"))


def _telephone(number: str) -> str:
    """Return the words of a telephone number: digits one by one, but 800 as a number."""
    groups = re.findall(r"\d+", number)
    return _plain(" ".join(_words(n) if re.match(r"[1-9]00\Z", n) else _digits(n) for n in groups))


def _number(number: str) -> str:
    """Return the words of digits: a year, a number, or digits one by one."""
    whole, _, fraction = number.partition(".")
    plain = whole.replace(",", "")
    if not whole:
        return f"point {_digits(fraction)}"
    if fraction:
        return f"{_number(whole)} point {_digits(fraction)}"
    if (len(plain) > LONGEST and "," not in whole) or (plain[0] == "0" and len(plain) > 1):
        return _digits(plain)
    if "," not in whole and any(int(plain) in years for years in YEARS):
        return _year(plain)
    return _words(plain)


def _year(year: str) -> str:
    first, last = year[:2], year[2:]
    if last == "00":
        return f"{_words(first)} hundred"
    return f"{_words(first)} {'oh ' if last[0] == '0' else ''}{_words(str(int(last)))}"


def _amount(found: re.Match) -> str:
    number, currency = found["number"], found["currency"] or found["after"]
    magnitude = MAGNITUDES.get((found["magnitude"] or "").lower(), "")
    percent = "percent" if found["percent"] else ""
    if not currency:
        return f"{_number(number)} {magnitude} {percent}"
    if currency == "¢":
        return f"{_number(number)} {'cent' if number == '1' else 'cents'}"
    unit = CURRENCIES[currency]
    whole, _, cents = number.partition(".")
    whole = whole or "0"
    parts = len(cents) == 2 and not magnitude  # cents of a unit, not a fraction
    fraction = any(map(int, cents))  # int() refuses thousands of digits
    one = whole == "1" and not magnitude and (parts or not fraction)
    units = unit if one or unit == "yen" else f"{unit}s"
    if whole == "0" and parts:
        few = CENTS[currency]
        return f"{_words(str(int(cents)))} {CENT[few] if int(cents) == 1 else few}"
    if parts and fraction:
        return f"{_words(whole.replace(',', ''))} {units} {_words(str(int(cents)))}"
    said = _words(whole.replace(",", ""))
    if fraction:
        said += f" point {_digits(cents)}"
    return f"{said} {magnitude} {units} {percent}"


def _plural(found: re.Match) -> str:
    return str(_engine().plural(_number(found["number"])))


def _time(found: re.Match) -> str:
    minute = found["minute"] or "00"
    hour = _words(str(int(found["hour"])))
    half = " ".join(found["half"] or "")
    if minute == "00":
        return f"{hour} {half}" if half else f"{hour} o'clock"
    said = f"oh {_words(minute[1])}" if minute[0] == "0" else _words(minute)
    return f"{hour} {said} {half}"


def _decade(found: re.Match) -> str:
    century, tens = found["century"], found["tens"]
    if tens == "00" and century:
        thousands = century[1] == "0"
        return f"{_words(century[0])} thousands" if thousands else f"{_words(century)} hundreds"
    return f"{_words(century) if century else ''} {_engine().plural(_words(tens))}"
