"""Generated tables, messy as people's are: every one has columns of known kinds, and a target that they tell of.

Numbers with commas for decimals, dates in many ways, five kinds of gaps, codes with leading zeros, names that need
quotes, row numbers, keys, constants, copies of the target, and notes over several lines. A seed gives one table.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.bench.tabular.table import Kind, KnownTable

NUMBER = 200
GAPS = ("", "NA", "n/a", "NULL", "?", "-", "NaN")
DELIMITERS = (",", ",", ",", ";", "\t", "|")
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d %b %Y", "%d-%b-%Y", "%B %d, %Y")
TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M")
PAIRS = (("yes", "no"), ("TRUE", "FALSE"), ("True", "False"), ("t", "f"), ("Y", "N"), ("on", "off"))
NAMES = ("no", "null", "true", "größe", "wert (€)", "a: b", "#1", "x,y", 'say "so"', "- dash", "2nd", "Ünit", "{brace}")
REGIONS = (
    *("north", "süd", "East side", "O'Hare", "no", "A,B", "x", "10-20", "null island", "Ost", "the 'old' one", "B&B"),
)
WORDS = (
    *("the", "pump", "was", "replaced", "after", "a", "long", "delay", "and", "works", "again", "as", "it", "should"),
    *("since", "then", "nobody", "complained", "about", "noise", "water", "heat", "pressure", "valve", "north", "late"),
    *("early", "weekly", "order", "part", "broken", "seal", "oil", "checked", "fine", "rusty", "new"),
)

Floats = NDArray[np.float64]


@dataclass
class _Table:
    """A table that is being made: texts by column, and what is known of them."""

    rng: np.random.Generator
    rows: int
    columns: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[Kind, list[str]] = field(default_factory=dict)
    signal: Floats = field(default_factory=lambda: np.zeros(0))
    leaks: set[str] = field(default_factory=set)

    def add(self, name: str, kind: Kind, values: list[str], told: Floats | None = None, gaps: float = 0.0) -> None:
        """Add a column; ``told`` is what it adds to the target."""
        if gaps:
            token = GAPS[self.rng.integers(len(GAPS))]
            missing = self.rng.random(self.rows) < gaps
            values = [token if gone else value for value, gone in zip(values, missing, strict=True)]
            told = None if told is None else np.where(missing, 0.0, told)
        self.columns[name] = values
        self.kinds.setdefault(kind, []).append(name)
        if told is not None:
            self.signal = self.signal + told

    def name(self, base: str) -> str:
        """Return a name that is free, now and then an odd one."""
        odd = [name for name in NAMES if name not in self.columns]
        if odd and self.rng.random() < 0.12:
            return odd[self.rng.integers(len(odd))]
        return base if base not in self.columns else f"{base}_{len(self.columns)}"

    def share(self) -> float:
        """Return how much of a column is missing: mostly nothing."""
        return float(self.rng.choice([0.0, 0.0, 0.0, 0.02, 0.1, 0.4]))


def _scaled(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread or 1.0))


def _plain_number(made: _Table) -> None:
    heavy = made.rng.random() < 0.3
    values = made.rng.lognormal(3, 1.2, made.rows) if heavy else made.rng.normal(50, 12, made.rows)
    digits = int(made.rng.integers(1, 5))
    told = _scaled(np.log1p(np.abs(values)) if heavy else np.asarray(values))
    made.add(made.name("size_mm"), "number", [f"{value:.{digits}f}" for value in values], told, made.share())


def _whole_number(made: _Table) -> None:
    values = made.rng.poisson(made.rng.choice([3, 30, 4000]), made.rows)
    made.add(
        made.name("count"), "number", [str(value) for value in values], _scaled(values.astype(float)), made.share()
    )


def _number_as_people_write(made: _Table) -> None:
    values = made.rng.normal(4000, 1500, made.rows)
    english = [f"{value:,.2f}" for value in values]
    german = [text.replace(",", "\0").replace(".", ",").replace("\0", ".") for text in english]
    ways: list[list[str]] = [
        english,
        german,
        [f"${text}" if text[0] != "-" else f"-${text[1:]}" for text in (f"{abs(value):,.2f}" for value in values)],
        [f"{text} €" for text in german],
        [f"{value:.1f} %" for value in values],
        [f"{value:.1f} kg" for value in values],
        [f"{value:.2f}".replace(".", ",") for value in values],
    ]
    way = int(made.rng.integers(len(ways)))
    told = _scaled(np.abs(values) if way == 2 else values)
    made.add(made.name("amount"), "number", ways[way], told, made.share())


def _flag(made: _Table) -> None:
    true, false = PAIRS[made.rng.integers(len(PAIRS))]
    values = made.rng.random(made.rows) < made.rng.uniform(0.1, 0.9)
    made.add(
        made.name("ringed"),
        "boolean",
        [true if one else false for one in values],
        values.astype(np.float64),
        made.share(),
    )


def _few_words(made: _Table) -> None:
    number = int(made.rng.integers(2, 12))
    words = made.rng.permutation(REGIONS)[:number].tolist()
    codes = made.rng.integers(number, size=made.rows)
    told = made.rng.normal(0, 1, number)[codes]
    made.add(made.name("region"), "string", [words[code] for code in codes], told, made.share())


def _many_words(made: _Table) -> None:
    number = int(made.rng.integers(60, 120))
    cities = ["".join(made.rng.choice(list(string.ascii_lowercase), 7)).title() for _ in range(number)]
    codes = np.minimum(made.rng.zipf(1.4, made.rows), number) - 1
    made.add(made.name("city"), "string", [cities[code] for code in codes], gaps=made.share())


def _codes_with_zeros(made: _Table) -> None:
    codes = made.rng.integers(1, 99_999, 80)
    codes[:3] = [7, 123, 4567]
    drawn = codes[made.rng.integers(len(codes), size=made.rows)]
    drawn[0] = 7
    made.add(made.name("zip"), "string", [f"{code:05d}" for code in drawn])


def _day(made: _Table, first: str = "2021-01-01") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.Timestamp(first) + pd.to_timedelta(made.rng.integers(0, 1400, made.rows), unit="D"))


def _date(made: _Table) -> None:
    days = _day(made)
    form = DATE_FORMATS[made.rng.integers(len(DATE_FORMATS))]
    told = np.where(days.month.isin([6, 7, 8]), 1.0, 0.0)
    made.add(made.name("seen_on"), "date", days.strftime(form).tolist(), told, made.share())


def _moment(made: _Table) -> None:
    times = _day(made) + pd.to_timedelta(made.rng.integers(0, 86_400, made.rows), unit="s")
    form = TIME_FORMATS[made.rng.integers(len(TIME_FORMATS))]
    made.add(made.name("created"), "datetime", times.strftime(form).tolist(), gaps=made.share())


def _notes(made: _Table) -> None:
    def note() -> str:
        words = " ".join(made.rng.choice(WORDS, int(made.rng.integers(5, 30))))
        return words.replace(" and ", ', "and"\n', 1) if made.rng.random() < 0.1 else words

    made.add(made.name("remarks"), "text", [note() for _ in range(made.rows)], gaps=made.share())


def _row_number(made: _Table) -> None:
    start = int(made.rng.integers(2))
    name = str(made.rng.choice(["", "row", "nr", "Unnamed: 0"]))
    if name not in made.columns:
        made.add(name, "ignored", [str(start + row) for row in range(made.rows)])


def _key(made: _Table) -> None:
    way = int(made.rng.integers(3))
    bits = made.rng.integers(16, size=(made.rows, 12))
    hexes = ["".join(f"{bit:x}" for bit in row) for row in bits]
    keys = [
        [f"{text[:8]}-{text[8:]}" for text in hexes],
        [f"KD-{number:06d}" for number in made.rng.permutation(made.rows * 3)[: made.rows]],
        [str(number) for number in made.rng.permutation(made.rows * 9)[: made.rows] + 100_000],
    ]
    made.add(("uuid", "contract", "customer_id")[way], "ignored", keys[way])


def _constant(made: _Table) -> None:
    made.add("source", "ignored", ["export 7"] * made.rows)


def _empty(made: _Table) -> None:
    made.add("reserved", "ignored", [""] * made.rows)


FEATURES: tuple[tuple[Callable[[_Table], None], float], ...] = (
    (_plain_number, 2.0), (_whole_number, 1.0), (_number_as_people_write, 0.7), (_flag, 0.8), (_few_words, 1.0),
    (_many_words, 0.4), (_codes_with_zeros, 0.3), (_date, 0.7), (_moment, 0.4), (_notes, 0.3), (_row_number, 0.3),
    (_key, 0.3), (_constant, 0.2), (_empty, 0.1),
)  # fmt: skip


def _target(made: _Table, way: int) -> str:
    """Add the target; return its name."""
    signal = _scaled(made.signal) * 1.5 + made.rng.normal(0, 0.6, made.rows)
    rank = np.argsort(np.argsort(signal)) / made.rows
    name = str(made.rng.choice(["outcome", "y", "Price (EUR)", "ergebnis"]))
    if way == 0:
        made.add(name, "number", [f"{value:.3f}" for value in 100 + 20 * signal])
    elif way == 1:
        made.add(name, "number", [f"{value:.2f}" for value in np.exp(signal * 1.2 + 2)])
    elif way == 2:
        made.add(name, "number", [str(value) for value in np.floor(np.exp(signal + 2)).astype(int)])
    elif way == 3:
        labels = ["low", "no", "high and dry"]
        made.add(name, "string", [labels[min(int(one * 3), 2)] for one in rank])
    elif way == 4:
        made.add(name, "boolean", ["true" if one > 0.6 else "false" for one in rank])
    else:
        made.add(name, "number", [str(int(one > 0.5)) for one in rank])
    return name


def _leak(made: _Table, target: str) -> None:
    """Plant a column that gives the target away: the target in other words, or in another unit with a little noise."""
    values = made.columns[target]
    if target in made.kinds.get("number", []) and len(set(values)) > 20:
        numbers = np.array(values, dtype=np.float64)
        noisy = numbers * 1.0936 + made.rng.normal(0, numbers.std() / 1000, made.rows)
        made.columns["total_after"] = [f"{value:.3f}" for value in noisy]
    else:
        words = {value: f"state {place}" for place, value in enumerate(sorted(set(values)))}
        made.columns["total_after"] = [words[value] for value in values]
    made.leaks.add("total_after")


def made(seed: int) -> tuple[_Table, str]:
    """Return the table of a seed and its target."""
    rng = np.random.default_rng((77, seed))
    table = _Table(rng, rows=int(rng.choice([150, 300, 800, 2000])))
    table.signal = np.zeros(table.rows)
    _plain_number(table)
    makers, weights = zip(*FEATURES, strict=True)
    for place in rng.choice(len(makers), int(rng.integers(3, 12)), p=np.array(weights) / sum(weights)):
        makers[place](table)
    target = _target(table, seed % 6)
    if seed % 20 == 3 or seed % 20 == 12:
        _leak(table, target)
    return table, target


def _write(columns: Mapping[str, list[str]], delimiter: str, mark: bool, to: Path) -> None:
    frame = pd.DataFrame(dict(columns), dtype=object)
    frame.to_csv(to, index=False, sep=delimiter, encoding="utf-8-sig" if mark else "utf-8", lineterminator="\n")


def table(seed: int) -> KnownTable:
    """Return the table of a seed."""
    found, target = made(seed)
    rng: Any = np.random.default_rng((78, seed))
    delimiter = DELIMITERS[rng.integers(len(DELIMITERS))]
    write = partial(_write, found.columns, delimiter, bool(rng.random() < 0.2))
    either: dict[str, tuple[Kind, Kind]] = dict.fromkeys(found.leaks, ("ignored", "string"))
    if found.leaks and len(set(found.columns[target])) > 20:
        either = dict.fromkeys(found.leaks, ("ignored", "number"))
    kinds = {kind: tuple(names) for kind, names in found.kinds.items()}
    return KnownTable(
        f"messy-{seed}", "generated", target, write, kinds, either, frozenset(found.leaks), delimiter=delimiter
    )
