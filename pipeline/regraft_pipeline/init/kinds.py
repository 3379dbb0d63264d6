"""What the values of one column are, told by how they are written."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.contract import ColumnType
from regraft_core.written import NOT_KNOWN, NUMBER
from regraft_pipeline.data.types import NO_BREAK, NumberFormat, times_of
from regraft_pipeline.init.dates import dates_told, form_of

MAX_CATEGORIES = 50
"""Most different strings that become the list of the allowed ones."""

MIXED_SHARE = 0.01
"""Largest share of values of another kind that leaves a column what it mostly is."""

TEXT_WORDS = 4.0
TEXT_LENGTH = 40.0
"""Mean words and characters from which strings are a text."""

CURRENCIES = frozenset(("$", "€", "£", "¥", "₹", "US$", "USD", "EUR", "GBP", "CHF", "JPY"))
MEASURES = frozenset(
    (
        *("%", "°", "°C", "°F", "mm", "cm", "m", "km", "in", "ft", "mi", "kg", "g", "mg", "lb", "lbs", "l", "ml"),
        *("h", "hp", "kW", "kWh", "W", "V", "A", "Hz", "kHz", "MHz", "GHz", "s", "ms", "min", "mph", "km/h", "bar"),
    )
)
"""What may stand before and after numbers."""

_STRING_GAPS = frozenset({"na", "n/a", "nan", "null", "<na>", "#n/a", "?"})
_PAIRS = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})
_NUMBER = re.compile(NUMBER, re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)
_LEADING_ZERO = re.compile(r"0\d+", re.ASCII)
_AFFIX = re.compile(
    r"(?:[+-](?=\D)|(?P<open>\())?(?P<before>[^\d+\-.,()]{0,5})[+-]?"
    r"(?P<number>[\d.,' \u00a0\u202f\u2009]*\d)(?P<after>[^\d()]{0,8})(?(open)\))",
    re.ASCII,
)
"""A number with what stands before and after it; less than nothing is written -$5, $-5 or ($5)."""
_GROUPED = (
    ("1,234.5", re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?"), re.compile(r"\d,\d{3}")),
    ("1.234,5", re.compile(r"\d{1,3}(\.\d{3})+(,\d+)?|\d+(,\d+)?"), re.compile(r"\d,\d|\d\.\d{3}\.\d")),
    ("1 234.5", re.compile(r"\d{1,3}( \d{3})+(\.\d+)?|\d+(\.\d+)?"), re.compile(r"\d \d{3}")),
    ("1 234,5", re.compile(r"\d{1,3}( \d{3})+(,\d+)?|\d+(,\d+)?"), re.compile(r"\d,\d")),
    ("1'234.5", re.compile(r"\d{1,3}('\d{3})+(\.\d+)?|\d+(\.\d+)?"), re.compile(r"\d'\d{3}")),
    ("1234,5", re.compile(r"\d+(,\d+)?"), re.compile(r"\d,\d")),
)
_CLOCK = re.compile(r"(-?\d+ days? \+?)?\d{1,3}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp]\.?[Mm]\.?)?")


@dataclass(frozen=True)
class Kind:
    """What a column is. ``counts`` are those of the values that are there; ``numbers`` of numbers and times."""

    type: ColumnType
    why: str
    gaps: int
    counts: Counter[str]
    format: str | None = None
    categories: tuple[str, ...] | tuple[int, ...] | None = None
    numbers: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = field(default=())
    others: int = 0
    dated: bool = False
    """Whether most of its words are dates, but not all in one form."""

    @property
    def rows(self) -> int:
        """How many values are there."""
        return self.counts.total()


def kind_of(values: pd.Series[str], *, name: str, target: bool = False) -> Kind:
    """Return what the values of a column are. A target's words stay words: answers are given in them."""
    stripped = values.str.strip()
    all_counts = Counter[str](stripped.tolist())
    lower_gaps = {word for word in all_counts if word.lower() in NOT_KNOWN or not word}
    counts = Counter({word: count for word, count in all_counts.items() if word not in lower_gaps})
    gaps = all_counts.total() - counts.total()
    found = None
    if counts:
        found = _boolean(counts, gaps, target) or _time(counts, gaps, name) or _number(counts, gaps)
    if found is None:
        found = _string(all_counts, stripped)
    if found.type in ("number", "integer", "date", "datetime"):
        found = replace(found, numbers=_numeric(stripped, found))
    return found


def _boolean(counts: Counter[str], gaps: int, target: bool) -> Kind | None:
    words = {word.lower() for word in counts}
    if len(words) < 2 or not any(words <= pair for pair in _PAIRS):
        return None
    if target and not words <= _PAIRS[0]:
        return None
    *first, last = sorted(counts, key=lambda word: (word.lower(), word))
    return Kind("boolean", f"only {', '.join(first)} and {last}", gaps, counts)


def _number(counts: Counter[str], gaps: int) -> Kind | None:
    total = counts.total()
    plain = {word for word in counts if _NUMBER.fullmatch(word) and math.isfinite(float(word))}
    if any(_LEADING_ZERO.fullmatch(word) for word in plain) and not any("." in word for word in plain):
        return None  # codes, not counts: _string says why
    if any(len(word.lstrip("+-").split(".")[0]) > 15 for word in plain):
        return None
    if plain and sum(len(word) >= 8 for word in plain if word.startswith("+")) > len(plain) / 2:
        return None  # telephone numbers
    good = sum(counts[word] for word in plain)
    if good == total or (total - good) / total <= MIXED_SHARE:
        others = total - good
        notes = (_left_out(others, _first(counts, plain)),) if others else ()
        whole = all(_INTEGER.fullmatch(word) for word in plain)
        what = "whole numbers" if whole else "numbers"
        return Kind("integer" if whole else "number", what, gaps, counts, notes=notes, others=others)
    return _formatted(counts, gaps)


def _formatted(counts: Counter[str], gaps: int) -> Kind | None:
    """Numbers with thousands, a decimal comma, a currency or a unit."""
    parts = {word: _AFFIX.fullmatch(word) for word in counts}
    known = {word: part for word, part in parts.items() if part is not None}
    if sum(counts[word] for word in known) < (1 - MIXED_SHARE) * counts.total():
        return None
    before = {part["before"].strip() for part in known.values()} - {""}
    after = {part["after"].strip() for part in known.values()} - {""}
    if len(before) > 1 or len(after) > 1 or not before <= CURRENCIES or not after <= CURRENCIES | MEASURES:
        return None
    numbers = [re.sub(NO_BREAK, " ", part["number"]).strip() for part in known.values()]
    example = "1234.5" if all(_NUMBER.fullmatch(number) for number in numbers) else None
    if example is None:
        example = next(
            (
                example
                for example, whole, sign in _GROUPED
                if all(whole.fullmatch(number) for number in numbers) and any(sign.search(number) for number in numbers)
            ),
            None,
        )
    if example is None:
        return None
    sign, unit = (before or {""}).pop(), (after or {""}).pop()
    if not (sign or unit) and example == "1234.5":
        return None
    form = f"{sign}{example}{' ' if unit and unit[0].isalpha() else ''}{unit}"
    fractions = any(re.search(r"[.,]\d{1,2}$|[.,]\d{4,}$", number) for number in numbers)
    notes = []
    if not fractions and example == "1,234.5" and any("," in number for number in numbers):
        notes.append("a comma before three digits is taken for thousands")
    if sign or unit:
        notes.append(f"written with {sign or unit!r}, which is the unit")
    whole = not any(NumberFormat.of(form).decimal in number for number in numbers)
    others = counts.total() - sum(counts[word] for word in known)
    if others:
        notes.append(_left_out(others, _first(counts, set(known))))
    kind: ColumnType = "integer" if whole else "number"
    why = f"numbers written like {form}"
    return Kind(kind, why, gaps, counts, form, notes=tuple(notes), others=others)


def _time(counts: Counter[str], gaps: int, name: str) -> Kind | None:
    found = form_of(list(counts), name)
    if found is None:
        return None
    return Kind(found.type, found.why, gaps, counts, found.format, notes=found.notes)


def _string(all_counts: Counter[str], values: pd.Series[str]) -> Kind:
    counts = Counter({word: count for word, count in all_counts.items() if word and word.lower() not in _STRING_GAPS})
    gaps = all_counts.total() - counts.total()
    if not counts:
        return Kind("string", "empty", gaps, counts)
    total = counts.total()
    notes = []
    folded = Counter(word.lower() for word in counts)
    if alike := sorted(word for word in counts if folded[word.lower()] > 1):
        notes.append(f"values differ in case only: {', '.join(alike[:4])}")
    numbers = {word for word in counts if _NUMBER.fullmatch(word) or _is_measure(word)}
    numeric = sum(counts[word] for word in numbers)
    if 0.1 * total < numeric < total:
        such = _first(counts, numbers)
        notes.append(f"{numeric} of {total} values are numbers, others words such as {such!r}: two kinds in one column")
    elif 0 < numeric == total and not all(map(_NUMBER.fullmatch, counts)):
        notes.append(f"numbers that are written in several ways, such as {' and '.join(map(repr, _two(counts)))}")
    if dated := dates_told(counts, values):
        notes.append(dated)
        why = "dates, as words"
    elif is_clock(counts):
        why = "times of day, or durations, as words"
    elif all(word.isascii() and word.isdigit() for word in counts):
        why = "digits with leading zeros: codes, not counts"
        if not any(word.startswith("0") for word in counts):
            why = "digits longer than numbers are exact: codes, not counts"
    else:
        why = "words"
    words = sum(len(word.split()) * count for word, count in counts.items()) / total
    length = sum(len(word) * count for word, count in counts.items()) / total
    if len(counts) <= MAX_CATEGORIES and (len(counts) <= max(total / 3, 2) or len(counts) <= 3):
        told = f"{why}, {len(counts)} different"
        return Kind("string", told, gaps, counts, categories=tuple(sorted(counts)), notes=tuple(notes))
    many = words >= TEXT_WORDS or length >= TEXT_LENGTH or (len(counts) > 0.9 * total and words >= 1.5)
    if many and not dated:
        return Kind("text", f"free text, {words:.0f} words on average", gaps, counts, notes=tuple(notes))
    told = f"{why}, {len(counts):,} different"
    return Kind("string", told, gaps, counts, notes=tuple(notes), dated=dated is not None)


def is_clock(counts: Counter[str]) -> bool:
    """Whether all words are times of day or durations, such as 14:05 and 2:05 pm: there is no type for them."""
    return all(map(_CLOCK.fullmatch, counts))


def _is_measure(word: str) -> bool:
    """Whether a word is a number with a currency or a unit."""
    found = _AFFIX.fullmatch(word)
    if found is None:
        return False
    before, after = found["before"].strip(), found["after"].strip()
    return bool(before or after) and before in CURRENCIES | {""} and after in CURRENCIES | MEASURES | {""}


def _two(counts: Counter[str]) -> list[str]:
    """Return two words that are written in different ways."""
    shapes: dict[str, str] = {}
    for word in counts:
        shapes.setdefault(re.sub(r"[\d.,' ]+", "1", word), word)
    return list(shapes.values())[:2]


def _numeric(values: pd.Series[str], kind: Kind) -> NDArray[np.float64]:
    """Return the values as numbers, times as days since 1970, NaN for what is none."""
    if kind.type in ("date", "datetime"):
        form = kind.format or "ISO8601"
        times = times_of(values.where(values.isin(list(kind.counts)), ""), form)
        return (times - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    plain = NumberFormat.of(kind.format).plain(values.astype("string[pyarrow]"))
    numbers = np.asarray(pd.to_numeric(plain.astype(object), errors="coerce"), dtype=np.float64)
    return np.where(np.isinf(numbers), np.nan, numbers)


def _left_out(others: int, example: str) -> str:
    values = f"{others} value{'s are' if others > 1 else ' is'}"
    return f"{values} no number, such as {example!r}: such rows are left out of the reference, and refused later"


def _first(counts: Counter[str], but: set[str]) -> str:
    return next(word for word in counts if word not in but)
