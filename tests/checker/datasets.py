"""Datasets to put a continuously trained service to the test: good ones, bad ones and broken ones, the same for a seed.

Standard library only, so that this file also runs alone as a web server: ``python datasets.py --port 8000`` serves
``GET /{name}.csv?seed=N`` and, at ``/``, the list of names.
"""

from __future__ import annotations

import argparse
import csv
import html
import io
import math
import random
import string
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Row = list[str]

ROWS = 1000
ENDLESS_BYTES = 5_000_000_000

CSV = "text/csv; charset=utf-8"
CONTENT_TYPES = {
    "html_page": "text/html; charset=utf-8",
    "json_document": "application/json",
    "binary": "application/octet-stream",
}

MAKERS: dict[str, Callable[[int], bytes]] = {}
"""What makes the bytes of a dataset from a seed, by the dataset's name."""

BROKEN_TRANSPORTS = {
    "not_found": "The server answers 404.",
    "endless": f"The server sends {ENDLESS_BYTES:,} bytes without telling how many will come.",
    "truncated": "The connection closes in the middle of the file.",
    "redirect_loop": "The address redirects to itself.",
}
"""Names of datasets that cannot be had as they should, and why."""


@dataclass(frozen=True)
class Sample:
    """Inputs for a predictor, a list for each column, and the right answers in the same order."""

    columns: dict[str, list[Any]]
    answers: list[float]


def dataset(make: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Offer the dataset that a function makes under the function's name."""
    MAKERS[make.__name__] = make
    return make


def to_csv(header: Sequence[str], rows: Sequence[Sequence[str]], *, delimiter: str = ",") -> bytes:
    """Write a CSV with ``\\n`` at the end of each line."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


# Passwords: how often a password was seen, told by the letters it is made of


PASSWORD_HEADER = ("Password", "Times")
LEVELS = ("0.0", "1.0")


class Passwords:
    """Passwords of two classes. Both use ten common letters; each class has eight letters of its own besides.

    A password is 4 to 10 letters drawn evenly from the 18 of its class, so about 3 in 100 hold common letters only and
    cannot be told apart. No password comes twice.
    """

    LONGEST_LIST = 2 * ROWS

    def __init__(self, letters: str, seed: int) -> None:
        rng = random.Random(f"{letters} {seed}")
        shuffled = rng.sample(letters, 26)
        common, self.own = shuffled[:10], (set(shuffled[10:18]), set(shuffled[18:26]))
        self.classes: tuple[list[str], list[str]] = ([], [])
        seen: set[str] = set()
        while len(self.classes[-1]) < self.LONGEST_LIST:
            for own, passwords in zip(self.own, self.classes, strict=True):
                alphabet = common + sorted(own)
                password = "".join(rng.choices(alphabet, k=rng.randint(4, 10)))
                while password in seen:
                    password = "".join(rng.choices(alphabet, k=rng.randint(4, 10)))
                seen.add(password)
                passwords.append(password)

    def rows(self, zeros: int = ROWS // 2, ones: int = ROWS // 2) -> list[Row]:
        """Return the first passwords of each class with their level, in an order that depends on nothing but them."""
        rows = [
            [password, level]
            for level, passwords, count in zip(LEVELS, self.classes, (zeros, ones), strict=True)
            for password in passwords[:count]
        ]
        random.Random("order").shuffle(rows)
        return rows

    def unseen(self, count: int) -> Sample:
        """Return passwords that are in no dataset and hold a letter that only their class has."""
        columns: list[str] = []
        answers: list[float] = []
        for level, own, passwords in zip(LEVELS, self.own, self.classes, strict=True):
            telling = [password for password in passwords[ROWS:] if own & set(password)][: count // 2]
            columns += telling
            answers += [float(level)] * len(telling)
        return Sample({"Password": columns}, answers)


@lru_cache
def _family(name: str, seed: int) -> Passwords:
    letters = string.ascii_uppercase + string.digits if name == "new_alphabet" else string.ascii_lowercase
    return Passwords(letters, seed)


def _good(seed: int) -> list[Row]:
    return _family("good", seed).rows()


def _passwords(rows: Sequence[Sequence[str]]) -> bytes:
    return to_csv(PASSWORD_HEADER, rows)


def _turned(row: Row) -> Row:
    password, times = row
    return [password, LEVELS[1 - LEVELS.index(times)]]


def _with_target(rows: list[Row], value: str, *, every: int) -> bytes:
    """Write the rows with another target in every so many of them."""
    return _passwords(
        [[password, value if number % every == 0 else times] for number, (password, times) in enumerate(rows)]
    )


@dataset
def good(seed: int) -> bytes:
    """1000 passwords, half seen 0.0 and half seen 1.0 times."""
    return _passwords(_good(seed))


@dataset
def new_alphabet(seed: int) -> bytes:
    """Good, of capitals and digits instead of small letters."""
    return _passwords(_family("new_alphabet", seed).rows())


@dataset
def drifted(seed: int) -> bytes:
    """800 x 0.0 and 200 x 1.0; 700 of the passwords are those of the good set."""
    return _passwords(_family("good", seed).rows(zeros=800, ones=200))


def _partly_turned(seed: int, share: float) -> bytes:
    """Write the good set with a share of the labels of each level turned round; it stays half and half."""
    rows = _good(seed)
    rng = random.Random(seed)
    for level in LEVELS:
        numbers = [number for number, row in enumerate(_good(seed)) if row[1] == level]
        for number in rng.sample(numbers, round(share * len(numbers))):
            rows[number] = _turned(rows[number])
    return _passwords(rows)


@dataset
def turned_round(seed: int) -> bytes:
    """The good set with the labels of 45 of 100 rows turned round; still half and half."""
    return _partly_turned(seed, 0.45)


@dataset
def some_turned_round(seed: int) -> bytes:
    """The good set with the labels of 15 of 100 rows turned round: it can be learned from, and is worse."""
    return _partly_turned(seed, 0.15)


@dataset
def shuffled_labels(seed: int) -> bytes:
    """The good set with its labels in random order."""
    rows = _good(seed)
    labels = [times for _, times in rows]
    random.Random(seed).shuffle(labels)
    return _passwords([[password, label] for (password, _), label in zip(rows, labels, strict=True)])


@dataset
def constant_target(seed: int) -> bytes:
    """1000 passwords, all seen 1.0 times."""
    return _with_target(_good(seed), "1.0", every=1)


@dataset
def contradictions(seed: int) -> bytes:
    """The good set, where every tenth password stands a second time with the other label."""
    rows = _good(seed)
    return _passwords(rows + [_turned(row) for row in rows[::10]])


@dataset
def one_password(seed: int) -> bytes:
    """One password 1000 times, with both labels."""
    return _passwords([["hunter2", LEVELS[number % 2]] for number in range(ROWS)])


@dataset
def ten_rows(seed: int) -> bytes:
    """The first ten rows of the good set."""
    return _passwords(_good(seed)[:10])


@dataset
def text_target(seed: int) -> bytes:
    """A word instead of a number in every tenth target."""
    return _with_target(_good(seed), "often", every=10)


@dataset
def nan(seed: int) -> bytes:
    """NaN in every tenth target."""
    return _with_target(_good(seed), "NaN", every=10)


@dataset
def infinity(seed: int) -> bytes:
    """Infinity in every tenth target."""
    return _with_target(_good(seed), "inf", every=10)


@dataset
def negative(seed: int) -> bytes:
    """Negative counts in every tenth row."""
    return _with_target(_good(seed), "-1.0", every=10)


@dataset
def column_missing(seed: int) -> bytes:
    """The target column is not there."""
    return to_csv(PASSWORD_HEADER[:1], [row[:1] for row in _good(seed)])


@dataset
def renamed_column(seed: int) -> bytes:
    """The target column has another name."""
    return to_csv(("Password", "Time"), _good(seed))


@dataset
def doubled_column(seed: int) -> bytes:
    """The target column is there twice."""
    return to_csv((*PASSWORD_HEADER, "Times"), [[password, times, times] for password, times in _good(seed)])


@dataset
def semicolons(seed: int) -> bytes:
    """The good set with semicolons for commas."""
    return to_csv(PASSWORD_HEADER, _good(seed), delimiter=";")


@dataset
def bars(seed: int) -> bytes:
    """The good set with bars for commas."""
    return to_csv(PASSWORD_HEADER, _good(seed), delimiter="|")


@dataset
def header_only(seed: int) -> bytes:
    """The header and no row."""
    return _passwords([])


@dataset
def empty(seed: int) -> bytes:
    """A file of no bytes."""
    return b""


@dataset
def binary(seed: int) -> bytes:
    """Random bytes, as of a compressed file; none of them is NUL."""
    return bytes(byte or 1 for byte in random.Random(seed).randbytes(20_000))


@dataset
def nul_bytes(seed: int) -> bytes:
    """The good set with a NUL in every tenth password."""
    rows = [[("\0" if number % 10 == 0 else "") + row[0], row[1]] for number, row in enumerate(_good(seed))]
    return _passwords(rows)


@dataset
def html_page(seed: int) -> bytes:
    """A web page where a CSV should be."""
    return b"<!doctype html>\n<html><head><title>Log in</title></head>\n<body><h1>Please log in</h1></body></html>\n"


@dataset
def json_document(seed: int) -> bytes:
    """A JSON document where a CSV should be."""
    return b'{"error": "expired", "detail": "The link to this dataset has expired."}\n'


# Heart disease: the columns of the Cleveland study, drawn for each of two classes


HEART_FEATURES = (
    "age",
    "sex",
    "cp",
    "trestbps",
    "chol",
    "fbs",
    "restecg",
    "thalach",
    "exang",
    "oldpeak",
    "slope",
    "ca",
    "thal",
)
HEART_HEADER = (*HEART_FEATURES, "condition")

Patient = dict[str, float]


def _between(rng: random.Random, low: float, high: float, mean: float, deviation: float) -> float:
    return min(max(rng.gauss(mean, deviation), low), high)


def _patient(rng: random.Random, *, ill: bool) -> Patient:
    """Draw a patient; how the ill differ from the healthy follows the published frequencies of the study."""
    return {
        "age": round(_between(rng, 29, 77, 57 if ill else 52, 8)),
        "sex": int(rng.random() < (0.82 if ill else 0.56)),
        "cp": rng.choices(range(4), (5, 7, 13, 75) if ill else (10, 25, 42, 23))[0],
        "trestbps": round(_between(rng, 94, 200, 135 if ill else 129, 17)),
        "chol": round(_between(rng, 126, 420, 252 if ill else 243, 50)),
        "fbs": int(rng.random() < 0.15),
        "restecg": rng.choices(range(3), (40, 2, 58) if ill else (58, 1, 41))[0],
        "thalach": round(_between(rng, 71, 202, 139 if ill else 159, 21)),
        "exang": int(rng.random() < (0.55 if ill else 0.14)),
        "oldpeak": round(_between(rng, 0, 6.2, 1.6 if ill else 0.4, 1.1), 1),
        "slope": rng.choices(range(3), (26, 65, 9) if ill else (65, 29, 6))[0],
        "ca": rng.choices(range(4), (33, 32, 22, 13) if ill else (81, 13, 4, 2))[0],
        "thal": rng.choices(range(3), (27, 9, 64) if ill else (79, 4, 17))[0],
        "condition": int(ill),
    }


def _patients(seed: int, *, count: int = ROWS, ill_share: float = 0.46) -> list[Patient]:
    rng = random.Random(f"heart {seed} {ill_share}")
    ill = math.floor(count * ill_share)
    patients = [_patient(rng, ill=number < ill) for number in range(count)]
    rng.shuffle(patients)
    return patients


def _heart(patients: Sequence[Patient]) -> bytes:
    return to_csv(HEART_HEADER, [[str(patient[name]) for name in HEART_HEADER] for patient in patients])


@dataset
def heart_good(seed: int) -> bytes:
    """1000 patients, 460 of them ill."""
    return _heart(_patients(seed))


@dataset
def heart_age_in_months(seed: int) -> bytes:
    """The good patients with their ages in months."""
    return _heart([patient | {"age": 12 * patient["age"]} for patient in _patients(seed)])


@dataset
def heart_rare_class(seed: int) -> bytes:
    """1000 patients, 50 of them ill."""
    return _heart(_patients(seed, ill_share=0.05))


@dataset
def heart_columns_swapped(seed: int) -> bytes:
    """The good patients with the values of two columns swapped, the header as it was."""
    return _heart([patient | {"age": patient["chol"], "chol": patient["age"]} for patient in _patients(seed)])


@dataset
def heart_shuffled_labels(seed: int) -> bytes:
    """The good patients with their conditions in random order."""
    patients = _patients(seed)
    conditions = [patient["condition"] for patient in patients]
    random.Random(seed).shuffle(conditions)
    return _heart([patient | {"condition": condition} for patient, condition in zip(patients, conditions, strict=True)])


# What a predictor that was trained on a good dataset should answer


def own(name: str, seed: int) -> Sample:
    """Return the rows of a good dataset as a request, with their targets."""
    if name == "heart_good":
        return _sample_of(_patients(seed))
    rows = _family(name, seed).rows()
    return Sample({"Password": [password for password, _ in rows]}, [float(times) for _, times in rows])


def unseen(name: str, seed: int, count: int = 500) -> Sample:
    """Return rows of the same kind as a good dataset's that are not in it; passwords with a telling letter."""
    if name == "heart_good":
        return _sample_of(_patients(seed + 1_000_003, count=count))
    return _family(name, seed).unseen(count)


def _sample_of(patients: Sequence[Patient]) -> Sample:
    columns = {name: [patient[name] for patient in patients] for name in HEART_FEATURES}
    return Sample(columns, [patient["condition"] for patient in patients])


# The web server


class DatasetServer(ThreadingHTTPServer):
    """Serves all datasets; ``asked`` holds the paths that were asked for, in their order."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away: those who cut an endless stream do."""


class _Handler(BaseHTTPRequestHandler):
    server: DatasetServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.server.asked.append(self.path)
        name = address.path.removeprefix("/").removesuffix(".csv")
        seed = parse_qs(address.query).get("seed", ["1"])[0]
        if address.path == "/":
            self._send(_index(), "text/html; charset=utf-8")
        elif name == "redirect_loop":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", self.path)
            self.end_headers()
        elif name == "endless":
            self._send_endless()
        elif name == "truncated":
            body = good(int(seed))
            self._start(CSV, len(body))
            self.wfile.write(body[: len(body) // 2])
        elif name in MAKERS and seed.isdecimal():
            self._send(MAKERS[name](int(seed)), CONTENT_TYPES.get(name, CSV))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _start(self, content_type: str, length: int | None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, body: bytes, content_type: str) -> None:
        self._start(content_type, len(body))
        self.wfile.write(body)

    def _send_endless(self) -> None:
        self._start(CSV, None)
        block = _passwords(_good(1)).removeprefix(b"Password,Times\n") * 80
        self.wfile.write(b"Password,Times\n")
        for _ in range(math.ceil(ENDLESS_BYTES / len(block))):
            self.wfile.write(block)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the base class)
        """Log nothing; who serves datasets in-process reads ``asked``."""


def _index() -> bytes:
    told = {name: (make.__doc__ or "") for name, make in MAKERS.items()} | BROKEN_TRANSPORTS
    items = [
        f'<li><a href="/{name}.csv?seed=1">{name}</a>: {html.escape(description)}</li>'
        for name, description in told.items()
    ]
    return f"<!doctype html>\n<title>Datasets</title>\n<ul>\n{'\n'.join(items)}\n</ul>\n".encode()


@contextmanager
def serving(host: str = "127.0.0.1", port: int = 0) -> Iterator[DatasetServer]:
    """Serve the datasets from a thread; port 0 takes a free one."""
    with DatasetServer(host, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Serve the datasets until interrupted."""
    parser = argparse.ArgumentParser(description="Serve datasets, good and bad, as CSV.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    arguments = parser.parse_args()
    with DatasetServer(arguments.host, arguments.port) as server:
        print(f"datasets at http://{arguments.host}:{server.port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
