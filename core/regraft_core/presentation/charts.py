"""Charts as SVG, for the data report and for the plots of a run: few marks, few inks, legible at half their size.

Drawn by hand: a plotting library takes two seconds to import and to draw with, in every run's container anew, and what
is drawn here are bars, tables, points and lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from string import Template

from regraft_core.presentation.palette import LIGHT

STYLE = Template("""
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: $quiet }
.name, .title { fill: $text } .name { font-size: 13px } .title { font-size: 15px; font-weight: 650 }
.code { font-family: ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", monospace }
.new { fill: $good } .old { fill: $old } .cell { fill: $good } .on { fill: $card }
.grid { stroke: $line } .ideal { stroke: $quiet; stroke-dasharray: 5 4 } .ground { fill: $card }
.line, .points { fill: none; stroke: $good; stroke-linecap: round; stroke-linejoin: round }
.line { stroke-width: 2.5 } .points { stroke-width: 6; stroke-opacity: .35 }
""").substitute(LIGHT)
"""Style of a chart in a file of its own; where a chart stands in a page, the page has the same classes."""

WIDTH = 360
"""Of a chart that stands beside another one."""

LEAST_WIDTH = 480
"""Of a chart in a file of its own: its title needs this room."""

FEW_BARS = 6
"""Most names whose bars are thick."""

MAX_NAME = 24
"""Most characters of a bar's name, as many as two dates have; longer ones are cut."""

SIGN_WIDTH, CODE_WIDTH = 7.2, 7.9
"""About the width of a character of a name, and of raw text."""

VALUE_WIDTH = 54
"""Width of a value such as -0.0519 beside its bar."""

LARGEST = 1e300
"""Numbers beyond are drawn at the edge."""
NEAR = 1e-9
"""Numbers that differ by less, as a share of them, are drawn as one."""

NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")

type Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A drawing: its size, its words for those who do not see it, and its elements."""

    width: int
    height: int
    label: str
    marks: Sequence[str]

    def svg(self) -> str:
        """Return an element for a page that has the style."""
        box = f"0 0 {self.width} {self.height}"
        return f'<svg viewBox="{box}" role="img" aria-label="{_escaped(self.label)}">{"".join(self.marks)}</svg>'

    def document(self, title: str, note: str = "") -> str:
        """Return a file of its own, with title and style, on a white ground."""
        top, width = 62 if note else 40, max(self.width, LEAST_WIDTH)
        height = self.height + top + 8
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width}" height="{2 * height}" '
            f'viewBox="0 {-top} {width} {height}" role="img"><title>{_escaped(f"{title}. {self.label}")}</title>'
            f'<style>{STYLE}</style><rect class="ground" y="-{top}" width="{width}" height="{height}"/>'
            f"{text(12, 26 - top, title, kind='title')}{text(12, 48 - top, note)}{''.join(self.marks)}</svg>\n"
        )


@dataclass(frozen=True)
class Bar:
    """A name with a value and, beside it, that of the reference. ``said`` are the values as they are written."""

    name: str
    value: float
    reference: float | None = None
    said: tuple[str, str] = ("", "")


def share_bar(name: str, share: float, reference: float | None = None) -> Bar:
    """Return a bar of shares from 0 to 1, written in percent."""
    return Bar(name, share, reference, (f"{share:.1%}", "" if reference is None else f"{reference:.1%}"))


def bars(found: Sequence[Bar], label: str, *, code: bool = False) -> Chart:
    """Return a bar for each name, or a pair of them where there is a reference. ``code``: names are raw text."""
    width, left = WIDTH, _left([bar.name for bar in found], CODE_WIDTH if code else SIGN_WIDTH)
    room = width - 62 - left
    thick, pitch = (12, 38) if len(found) <= FEW_BARS else (11, 31)
    largest = max((abs(value) for bar in found for value in (bar.value, bar.reference or 0.0)), default=0.0) or 1.0
    marks: list[str] = []
    y = 4.0
    for bar in found:
        values = [value for value in (bar.value, bar.reference) if value is not None]
        marks.append(
            text(
                left - 8, y + len(values) * (thick + 1) / 2 + 4, _cut(bar.name), "end", "name code" if code else "name"
            )
        )
        for number, value in enumerate(values):
            length, top = room * abs(value) / largest, y + (thick + 1) * number
            marks.append(rect(left, top, max(length, 0.5), thick, "old" if number else "new"))
            marks.append(text(left + length + 6, top + thick / 2 + 4, bar.said[number]))
        y += pitch if len(values) > 1 else thick + 10
    return Chart(width, math.ceil(y), label, marks)


def _left(names: Sequence[str], sign: float, most: int = MAX_NAME) -> float:
    """Return where the names end that stand to the left of bars, so that none is cut off at the edge."""
    longest = max((len(_cut(name, most)) for name in names), default=0)
    return max(108, math.ceil(longest * sign) + 12)


def balance(found: Sequence[Bar], label: str) -> Chart:
    """Return a bar for each name from a line in the middle: to the right above 0, to the left below."""
    width, thick, most = WIDTH, 11, 18
    left = _left([bar.name for bar in found], SIGN_WIDTH, most)
    middle, room = (left + width) / 2, (width - left) / 2 - VALUE_WIDTH
    largest = max((abs(bar.value) for bar in found), default=0.0) or 1.0
    marks = [_line(middle, 2, middle, 2 + len(found) * (thick + 9), "grid")]
    for number, bar in enumerate(found):
        top, length = 4.0 + number * (thick + 9), room * abs(bar.value) / largest
        begin, at = (middle - length, middle - length - 6) if bar.value < 0 else (middle, middle + length + 6)
        marks.append(text(8, top + thick - 1, _cut(bar.name, most), kind="name"))
        marks.append(rect(begin, top, max(length, 0.5), thick, "old" if bar.value < 0 else "new"))
        marks.append(text(at, top + thick - 1, bar.said[0], "end" if bar.value < 0 else "start"))
    return Chart(width, 8 + len(found) * (thick + 9), label, marks)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what is written in it, and how strong its colour is, from 0 to 1."""

    words: str
    strength: float
    kind: str = "cell"


def table(names: tuple[Sequence[str], Sequence[str]], counts: Sequence[Sequence[int]], axes: tuple[str, str]) -> Chart:
    """Return how often each row's name came with each column's, darker for more. ``axes``: what rows, columns are."""
    rows, columns = names
    largest = max((count for row in counts for count in row), default=0) or 1
    cells = [
        [Cell(f"{count:,}", 0.06 + 0.94 * math.sqrt(count / largest) if count else 0.0) for count in row]
        for row in counts
    ]
    label = f"How often each {axes[0]} came with each {axes[1]}; " + "; ".join(
        f"{name}: " + ", ".join(f"{count:,} as {column}" for column, count in zip(columns, row, strict=True))
        for name, row in zip(rows, counts, strict=True)
    )
    return _grid(names, cells, axes, label, left=120, cell_width=max(48, min(84, 460 // len(columns))))


def surface(
    names: tuple[Sequence[str], Sequence[str]], added: Sequence[Sequence[float | None]], axes: tuple[str, str]
) -> Chart:
    """Return what is added where each row's name comes with each column's, in one colour above 0, in another below."""
    known = [one for row in added for one in row if one is not None]
    largest = max(map(abs, known), default=0.0) or 1.0
    unit = 1.0 if 0.1 <= largest < 1e4 else 10.0 ** max(-300, 3 * math.floor(math.log10(largest) / 3))
    decimals = max(0, 1 - math.floor(math.log10(largest / unit)))
    cells = [
        [
            Cell("", 0.0)
            if one is None
            else Cell(f"{one / unit:+.{decimals}f}", abs(one) / largest, "old" if one < 0 else "cell")
            for one in row
        ]
        for row in added
    ]
    label = f"from {min(known, default=0.0):+.3g} to {max(known, default=0.0):+.3g}"
    told = "" if unit == 1.0 else f", numbers in {unit:g}"
    return _grid(names, cells, (axes[0], f"{axes[1]}{told}"), label, left=96, cell_width=(WIDTH - 108) // len(names[1]))


def _grid(
    names: tuple[Sequence[str], Sequence[str]],
    cells: Sequence[Sequence[Cell]],
    axes: tuple[str, str],
    label: str,
    *,
    left: int,
    cell_width: int,
) -> Chart:
    rows, columns = names
    cell_height, top = 34, 46
    most = max(4, round(cell_width / SIGN_WIDTH))
    marks = [
        text(left, 16, f"{_cut(axes[1], MAX_NAME + 12)} →"),
        text(left - 12, 38, f"{_cut(axes[0], left // 8)} ↓", "end"),
    ]
    marks += [text(left + (i + 0.5) * cell_width, 38, _cut(n, most), "middle", "name") for i, n in enumerate(columns)]
    for y, (name, row) in enumerate(zip(rows, cells, strict=True)):
        middle = top + (y + 0.5) * cell_height + 4
        marks.append(text(left - 12, middle, _cut(name, left // 8), "end", "name"))
        for x, cell in enumerate(row):
            at = left + x * cell_width
            drawn = rect(at, top + y * cell_height, cell_width - 2, cell_height - 2, cell.kind)
            marks.append(drawn.replace("/>", f' fill-opacity="{cell.strength:.2f}"/>'))
            kind = "on" if cell.strength > 0.5 and cell.kind == "cell" else "name"
            marks.append(text(at + cell_width / 2 - 1, middle, cell.words, "middle", kind))
    return Chart(max(WIDTH, left + cell_width * len(columns) + 12), top + cell_height * len(rows) + 8, label, marks)


@dataclass(frozen=True)
class Axis:
    """An axis from ``low`` to ``high``. One that is ``bent`` is logarithmic but for what is near 0, by log(1 + x)."""

    title: str
    low: float
    high: float
    bent: bool = False

    @classmethod
    def over(cls, title: str, values: Iterable[float], *, bent: bool = False, zero: bool = False) -> Axis:
        """Return an axis with room for all values and, with ``zero``, for 0."""
        found = [*values, *([0.0] if zero else [])] or [0.0, 1.0]
        low, high = max(min(found), -LARGEST), min(max(found), LARGEST)
        if high - low <= max(abs(low) * NEAR, 1 / LARGEST):
            room = max(0.5, abs(low) * NEAR)
            low, high = low - room, high + room
        return cls(title, low, high, bent)

    def place(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        low, high = self._bend(self.low), self._bend(self.high)
        return min(max((self._bend(value) - low) / (high - low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Return about five round values of the axis."""
        if self.bent:
            powers = [scale * 10.0**power for power in range(13) for scale in (1, 2, 5)]
            inside = [value for value in (0.0, *powers) if self.low <= value <= self.high]
            return inside if len(inside) <= 6 else [value for value in inside if not value or _is_power(value)]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next((f for f in (1, 2, 2.5, 5) if (self.high - self.low) / (step * f) <= 5), 10)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = 3 - math.floor(math.log10(step))
        return [round(number * step, digits) for number in range(first, last + 1)]

    def _bend(self, value: float) -> float:
        return math.log1p(value) if self.bent else value


@dataclass
class Plot:
    """Points, lines and columns between two axes."""

    x: Axis
    y: Axis
    label: str
    width: int = 520
    height: int = 340
    marks: list[str] = field(default_factory=list)

    LEFT, RIGHT, TOP, BOTTOM = 64, 20, 26, 48

    def points(self, found: Iterable[Point]) -> Plot:
        """Add a dot for each point, one over the other."""
        path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in map(self._at, found))
        self.marks.append(f'<path class="points" d="{path}"/>')
        return self

    def line(self, found: Sequence[Point], kind: str = "line") -> Plot:
        """Add a line through points; ``kind`` is its class: line, or ideal for what would be right."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self._at, found))
        self.marks.append(f'<polyline class="{kind}" fill="none" points="{path}"/>')
        return self

    def knots(self, found: Iterable[tuple[Point, str]]) -> Plot:
        """Add a mark and a few words at each of some points."""
        for point, words in found:
            x, y = self._at(point)
            self.marks.append(f'<circle class="new" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
            self.marks.append(text(x, y - 11 if y > self.TOP + 16 else y + 20, words, "middle"))
        return self

    def columns(self, edges: Sequence[float], heights: Sequence[float]) -> Plot:
        """Add a histogram."""
        for (low, high), height in zip(pairwise(edges), heights, strict=True):
            (left, top), (right, bottom) = self._at((low, height)), self._at((high, max(self.y.low, 0.0)))
            if height:
                self.marks.append(rect(left + 0.5, top, max(right - left - 1, 1), bottom - top, "new"))
        return self

    def chart(self) -> Chart:
        """Return the drawing, its axes beneath."""
        bottom, right = self.height - self.BOTTOM, self.width - self.RIGHT
        under: list[str] = []
        for value in self.y.ticks():
            y = self._at((self.x.low, value))[1]
            under += [_line(self.LEFT, y, right, y, "grid"), text(self.LEFT - 8, y + 4, short(value), "end")]
        for value in self.x.ticks():
            x = self._at((value, self.y.low))[0]
            under += [_line(x, bottom, x, bottom + 5, "grid"), text(x, bottom + 19, short(value), "middle")]
        under.append(text((self.LEFT + right) / 2, self.height - 8, self.x.title, "middle", "name"))
        under.append(text(12, 14, self.y.title, kind="name"))
        return Chart(self.width, self.height, self.label, [*under, *self.marks])

    def _at(self, point: Point) -> Point:
        across, up = self.x.place(point[0]), self.y.place(point[1])
        return (
            self.LEFT + across * (self.width - self.LEFT - self.RIGHT),
            self.TOP + (1 - up) * (self.height - self.TOP - self.BOTTOM),
        )


def stack(parts: Sequence[tuple[str, Chart]], columns: int = 2) -> Chart:
    """Return one drawing of several, each below its title, side by side."""
    marks: list[str] = []
    y = 0
    for start in range(0, len(parts), columns):
        row = parts[start : start + columns]
        for number, (title, chart) in enumerate(row):
            x = number * parts[0][1].width
            marks.append(f'<g transform="translate({x} {y})">{text(12, 18, title, kind="name")}</g>')
            marks.append(f'<g transform="translate({x} {y + 30})">{"".join(chart.marks)}</g>')
        y += 44 + max(chart.height for _, chart in row)
    label = ". ".join(f"{title}: {chart.label}" for title, chart in parts)
    return Chart(min(columns, len(parts)) * parts[0][1].width, y, label, marks)


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """Return words at a place; nothing for none."""
    if not words:
        return ""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" xml:space="preserve"{style}>{_escaped(words)}</text>'


def _escaped(words: str) -> str:
    """Return words as XML has them, which has no signs for terminals."""
    return escape(NO_XML.sub("\ufffd", words))


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a rectangle."""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5"/>'


def exact(value: float, digits: int) -> str:
    """Return a number with so many digits, and without an exponent where it is of a usual size."""
    rounded = float(f"{value:.{digits}g}")
    if rounded and not 1e-4 <= abs(rounded) < 1e9:
        return f"{rounded:.{digits}g}"
    return f"{rounded:.12f}".rstrip("0").rstrip(".")


def short(value: float) -> str:
    """Return a number as axes have it: 1,500, 20 k, 3 M."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if limit == 1e4 else limit):g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _is_power(value: float) -> bool:
    return math.isclose(math.log10(value) % 1, 0.0, abs_tol=1e-9)


def _cut(name: str, most: int = MAX_NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
