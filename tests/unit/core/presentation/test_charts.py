from xml.etree import ElementTree as ET

import pytest

from regraft_core.presentation.charts import (
    Axis,
    Bar,
    Chart,
    Plot,
    balance,
    bars,
    exact,
    share_bar,
    short,
    stack,
    surface,
    table,
)

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"/><script>alert(1)</script>'


def parsed(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.document("A title", "a note"))


def texts(chart: Chart) -> list[str]:
    return [element.text or "" for element in parsed(chart).iter(f"{SVG}text")]


def widths(chart: Chart, kind: str) -> list[float]:
    return [float(one.attrib["width"]) for one in parsed(chart).iter(f"{SVG}rect") if one.attrib["class"] == kind]


def test_bars_are_as_long_as_their_values_and_say_them() -> None:
    chart = bars([share_bar("0", 0.8, 0.5), share_bar("1", 0.2, 0.5)], "Times")
    assert widths(chart, "new") == [190.0, pytest.approx(47.5)]
    assert widths(chart, "old") == [pytest.approx(118.8)] * 2
    assert {"0", "1", "80.0%", "20.0%", "50.0%", "A title", "a note"} <= set(texts(chart))


def test_bars_of_nothing_are_an_empty_chart() -> None:
    assert widths(bars([], "none"), "new") == []
    assert widths(bars([Bar("a", 0.0)], "zero"), "new") == [0.5]


def test_names_that_are_too_long_are_cut() -> None:
    assert "abcdefghijklmnopqrstuvw…" in texts(bars([share_bar("abcdefghijklmnopqrstuvwxyz", 1.0)], "x"))


@pytest.mark.parametrize("code", [False, True])
@pytest.mark.parametrize("name", ["2013-03-20 to 2013-05-28", "pünktlich", "w" * 99])
def test_names_have_the_room_that_they_take(name: str, code: bool) -> None:
    chart = bars([share_bar("a", 1.0, 0.5), share_bar(name, 0.5)], "x", code=code)
    (shown,) = [one for one in parsed(chart).iter(f"{SVG}text") if one.text and one.text[:9] == name[:9]]
    assert float(shown.attrib["x"]) >= len(shown.text or "") * (7.8 if code else 7)
    assert max(widths(chart, "new")) >= 80
    assert len(name) > 24 or shown.text == name


@pytest.mark.parametrize("name", ["z", "Startflughafen", "w" * 99])
def test_values_of_a_balance_stand_beside_the_names(name: str) -> None:
    chart = balance([Bar(name, -9.0, said=("-0.0519", "")), Bar("b", 9.0, said=("+0.0519", ""))], "x")
    shown = {one.text: float(one.attrib["x"]) for one in parsed(chart).iter(f"{SVG}text")}
    (first,) = [text for text in shown if text and text[0] == name[0]]
    assert first == name or len(first) == 18
    assert shown[first] + 7.2 * len(first) <= shown["-0.0519"] - 48
    assert shown["+0.0519"] + 48 <= 360
    assert min(widths(chart, "new") + widths(chart, "old")) >= 40


def test_what_is_added_together_is_told_in_two_colours() -> None:
    chart = surface((["low", "high"], ["red", "blue"]), [[-0.5, None], [1.0, 0.25]], ("age", "colour"))
    cells = [one for one in parsed(chart).iter(f"{SVG}rect") if one.attrib["class"] != "ground"]
    told = [(one.attrib["class"], float(one.attrib["fill-opacity"])) for one in cells]
    assert told == [("old", 0.5), ("cell", 0.0), ("cell", 1.0), ("cell", 0.25)]
    assert {"-0.5", "+1.0", "+0.2", "low", "high", "red", "blue", "colour →", "age ↓"} <= set(texts(chart))
    assert chart.label == "from -0.5 to +1"


@pytest.mark.parametrize(
    ("added", "told"),
    [
        (0.00871, {"+8.7", "b, numbers in 0.001 →"}),
        (0.4, {"+0.40", "b →"}),
        (87.1, {"+87", "b →"}),
        (-9876.0, {"-9876", "b →"}),
        (2.5e7, {"+25", "b, numbers in 1e+06 →"}),
    ],
)
def test_what_is_added_together_is_told_in_few_digits(added: float, told: set[str]) -> None:
    assert told <= set(texts(surface((["x"], ["y"]), [[added]], ("a", "b"))))


def test_a_surface_without_values_is_empty() -> None:
    assert "from +0 to +0" in surface((["a"], ["b"]), [[None]], ("x", "y")).label


@pytest.mark.parametrize(
    "values",
    [[1e17, 1e17], [2.0**60, 2.0**60 + 2], [-1e308, 1e308], [5e-324, 0.0], [1e-12, 3e-12], [2019.0, 2019.0 + 1e-7]],
)
def test_numbers_of_all_sizes_are_drawn(values: list[float]) -> None:
    axis = Axis.over("x", values)
    chart = Plot(axis, Axis.over("y", values), "all").line([(one, one) for one in values]).chart()
    assert "nan" not in "".join(chart.marks)
    assert len(parsed(chart)) > 0
    assert 2 <= len(set(axis.ticks()) | set(values)) <= 9


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [
        (2019.25, 4, "2019"),
        (15340.0, 3, "15300"),
        (0.0001551, 3, "0.000155"),
        (1.5e-7, 3, "1.5e-07"),
        (2.5e12, 3, "2.5e+12"),
        (-0.0, 3, "-0"),
    ],
)
def test_numbers_are_told_in_some_digits(value: float, digits: int, told: str) -> None:
    assert exact(value, digits) == told


def test_signs_that_xml_does_not_have_are_replaced() -> None:
    assert "a\ufffdb\ufffd" in texts(bars([share_bar("a\x01b\ud800", 1.0)], "x\x02"))


@pytest.mark.parametrize("added", [5e-324, 1e308])
def test_a_surface_takes_numbers_of_all_sizes(added: float) -> None:
    assert len(texts(surface((["x"], ["y"]), [[added]], ("a" * 99, "b" * 99)))) == 7
    assert "b" * 37 not in "".join(texts(surface((["x"], ["y"]), [[added]], ("a", "b" * 99))))


def test_what_comes_from_outside_is_escaped() -> None:
    chart = bars([share_bar(HOSTILE, 1.0)], HOSTILE)
    assert f"{SVG}script" not in {element.tag for element in parsed(chart).iter()}
    assert "<script" not in chart.svg()


def test_a_table_has_a_cell_for_each_pair_darker_for_more() -> None:
    chart = table((["0", "1"], ["0", "1"]), [[90, 0], [10, 1200]], ("actual", "predicted"))
    cells = [one for one in parsed(chart).iter(f"{SVG}rect") if one.attrib["class"] == "cell"]
    shades = [float(one.attrib["fill-opacity"]) for one in cells]
    assert shades[1] == 0
    assert shades[3] == 1
    assert shades[0] > shades[2]
    assert "1,200" in texts(chart)
    assert "1: 10 as 0, 1,200 as 1" in chart.label


@pytest.mark.parametrize(
    ("low", "high", "bent", "ticks"),
    [
        (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-1, 1, False, [-1, -0.5, 0, 0.5, 1]),
        (0.2, 0.37, False, [0.2, 0.25, 0.3, 0.35]),
        (0, 80_000, True, [0, 1, 10, 100, 1000, 10_000]),
        (0, 5, True, [0, 1, 2, 5]),
    ],
)
def test_axes_are_marked_at_round_values(low: float, high: float, bent: bool, ticks: list[float]) -> None:
    assert Axis("x", low, high, bent).ticks() == ticks


def test_an_axis_places_values_from_end_to_end() -> None:
    axis = Axis.over("x", [0, 10, 99], bent=True)
    assert [axis.place(value) for value in (0, 9, 99)] == pytest.approx([0, 0.5, 1])
    assert Axis.over("x", [3.0]).place(3.0) == 0.5
    assert Axis.over("x", []).place(0.0) == 0


def test_a_plot_is_drawn_between_its_axes() -> None:
    axes = Axis("size [mm]", 0, 10), Axis("share", 0, 1)
    plot = Plot(*axes, "a plot").columns([0, 5, 10], [0.5, 1.0]).line([(0, 0), (10, 1)])
    chart = plot.points([(5, 0.5)]).knots([((0, 0), "low"), ((10, 1), "high")]).chart()
    assert {"size [mm]", "share", "0.2", "10", "low", "high"} <= set(texts(chart))
    assert [round(width) for width in widths(chart, "new")] == [217, 217]
    line = next(parsed(chart).iter(f"{SVG}polyline")).attrib["points"]
    assert line == "64.0,292.0 500.0,26.0"


def test_several_charts_are_put_into_one() -> None:
    one = bars([share_bar("a", 1.0)], "first")
    chart = stack([("A", one), ("B", one), ("C", one)])
    assert (chart.width, chart.height) == (2 * one.width, 2 * (one.height + 44))
    assert {"A", "B", "C"} <= set(texts(chart))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "0.5"), (1500.0, "1,500"), (20_000, "20 k"), (3e6, "3 M"), (2e9, "2 G"), (-40_000, "-40 k")],
)
def test_numbers_are_short(value: float, words: str) -> None:
    assert short(value) == words
