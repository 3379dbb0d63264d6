"""How dates are written, and that a column has them in more than one form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from regraft_pipeline.data.types import DATE, DATETIME

if TYPE_CHECKING:
    import pandas as pd

MOSTLY = 0.5
"""Share of the values of a column of words above which dates among them are told."""

WORDS_LOOKED_AT = 500
"""Different words by which it is told whether there are dates among many more."""

_DATES = (
    ("%d.%m.%Y", r"\d{1,2}\.\d{1,2}\.\d{4}"),
    ("%m/%d/%Y", r"\d{1,2}/\d{1,2}/\d{4}"),
    ("%d/%m/%Y", r"\d{1,2}/\d{1,2}/\d{4}"),
    ("%Y/%m/%d", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("%d-%m-%Y", r"\d{1,2}-\d{1,2}-\d{4}"),
    ("%m-%d-%Y", r"\d{1,2}-\d{1,2}-\d{4}"),
    ("%d.%m.%y", r"\d{1,2}\.\d{1,2}\.\d{2}"),
    ("%m/%d/%y", r"\d{1,2}/\d{1,2}/\d{2}"),
    ("%d/%m/%y", r"\d{1,2}/\d{1,2}/\d{2}"),
    ("%Y-%m", r"\d{4}-\d{2}"),
    ("%Y-%m-%d", r"\d{4}-\d{1,2}-\d{1,2}"),
    ("%b %d %Y", r"[A-Za-z]{3} \d{1,2} \d{4}"),
    ("%d %b %Y", r"\d{1,2} [A-Za-z]{3} \d{4}"),
    ("%d-%b-%Y", r"\d{1,2}-[A-Za-z]{3}-\d{4}"),
    ("%d-%b-%y", r"\d{1,2}-[A-Za-z]{3}-\d{2}"),
    ("%B %d, %Y", r"[A-Za-z]{3,9} \d{1,2}, \d{4}"),
    ("%b %d, %Y", r"[A-Za-z]{3} \d{1,2}, \d{4}"),
    ("%d %B %Y", r"\d{1,2} [A-Za-z]{3,9} \d{4}"),
)
_TIMES = (
    ("", ""),
    (" %H:%M", r" \d{1,2}:\d{2}"),
    (" %H:%M:%S", r" \d{1,2}:\d{2}:\d{2}"),
    (" %I:%M %p", r" \d{1,2}:\d{2} [AaPp][Mm]"),
    (" %I:%M:%S %p", r" \d{1,2}:\d{2}:\d{2} [AaPp][Mm]"),
)
_COMPACT = re.compile(r"(19|20)\d{6}")
_DATE_NAME = re.compile(r"date|day|datum", re.IGNORECASE)
_SHOWN = datetime(2026, 1, 31, 14, 5)  # noqa: DTZ001  (an example, no moment)


@dataclass(frozen=True)
class DateForm:
    """The one form in which all words are written; no ``format``: as ISO 8601 has it."""

    type: Literal["date", "datetime"]
    why: str
    format: str | None = None
    notes: tuple[str, ...] = ()


def form_of(words: list[str], name: str) -> DateForm | None:
    """Return the form of the words of a column of this name, None where they are no dates or not all in one form."""
    if all(map(_is_iso, words)):
        if all(re.fullmatch(DATE, word) for word in words):
            return DateForm("date", "dates, as ISO 8601 has them")
        return DateForm("datetime", "points in time, as ISO 8601 has them")
    for form, fits in _forms(words[0]):
        if all(map(fits, words)):
            return _written(form, words)
    if _DATE_NAME.search(name) and all(_COMPACT.fullmatch(word) and _parses(word, "%Y%m%d") for word in words):
        return DateForm("date", "dates written like 20260131", "%Y%m%d")
    return None


def dates_told(counts: Counter[str], values: pd.Series[str]) -> str | None:
    """Return what has to be told of a column most of whose words are dates, though not all in one form; else None.

    ``values`` has the words by the lines on which they stand, of which the first of each form is named.
    """
    words = list(counts)
    sample = words[:: max(1, len(words) // WORDS_LOOKED_AT)]
    if sum(len(found) for found in _by_form(sample).values()) <= MOSTLY * len(sample) / 2:
        return None
    forms = _by_form(words)
    dates = {word for found in forms.values() for word in found}
    total, dated = counts.total(), sum(counts[word] for word in dates)
    if dated <= MOSTLY * total or (len(forms) == 1 and dated == total):
        return None

    def first(such: Collection[str]) -> str:
        place = int(values.isin(list(such)).to_numpy().argmax())
        return f"{values.iloc[place]!r} on line {values.index[place]}"

    told = []
    if len(forms) > 1:
        shown = [f"{_named(form)} ({first(found)})" for form, found in forms.items()]
        told.append(f"dates in {len(forms)} forms: {', '.join(shown[:-1])} and {shown[-1]}")
    if dated < total:
        told.append(f"{dated} of {total} values are dates, others are none, such as {first(set(words) - dates)}")
    return f"{'; '.join(told)}: write all in one form, best like 2026-01-31, and leave empty what is not known"


def _by_form(words: Iterable[str]) -> dict[str, set[str]]:
    """Return the words that are dates by as few forms as say it, the form of the most words first."""
    fitting: dict[str, set[str]] = {}
    for word in words:
        iso = [("", _is_iso)] if _is_iso(word) else []
        for form, fits in (*iso, *_forms(word)):
            if fits(word):
                fitting.setdefault(form, set()).add(word)
    found: dict[str, set[str]] = {}
    while fitting:
        form = max(fitting, key=lambda form: len(fitting[form]))
        found[form] = fitting.pop(form)
        fitting = {other: left for other, such in fitting.items() if (left := such - found[form])}
    return found


def _forms(word: str) -> list[tuple[str, Callable[[str], bool]]]:
    """Return the forms that a word has by its shape, and what tells whether another word has it."""
    if not any(map(str.isdigit, word)):
        return []
    found = []
    for form, pattern in _DATES:
        for time_form, time_pattern in _TIMES:
            shape = re.compile(pattern + time_pattern)
            if shape.fullmatch(word):
                found.append((form + time_form, _fits(shape, form + time_form)))
    return found


def _fits(shape: re.Pattern[str], form: str) -> Callable[[str], bool]:
    return lambda word: shape.fullmatch(word) is not None and _parses(word, form)


def _is_iso(word: str) -> bool:
    """Whether a word is a date, or a point in time, that there is: 2026-02-30 is none."""
    return re.fullmatch(DATETIME, word) is not None and _parses(word[:10], "%Y-%m-%d")


def _written(form: str, words: list[str]) -> DateForm:
    other = form.replace("%m/%d", "%d/%m") if "%m/%d" in form else form.replace("%m-%d", "%d-%m")
    notes = []
    if other != form and not form.startswith("%Y") and all(_parses(word, other) for word in words):
        notes.append(f"day and month cannot be told apart; if days come first, the format is {other}")
    why = f"dates written like {_SHOWN.strftime(form)}"
    return DateForm("datetime" if "%M" in form else "date", why, form, tuple(notes))


def _named(form: str) -> str:
    """Return a form by an example and the sign of each part."""
    return f"like {_SHOWN.strftime(form)}, {form}" if form else "like 2026-01-31, as ISO 8601 has it"


def _parses(word: str, form: str) -> bool:
    try:
        datetime.strptime(word, form)  # noqa: DTZ007  (whether it can be read, nothing else)
    except ValueError:
        return False
    return True
