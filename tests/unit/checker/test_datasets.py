from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.checker import datasets
from tests.checker.datasets import DatasetServer


def rows_of(name: str, seed: int = 1) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(datasets.MAKERS[name](seed).decode())))


def targets_of(name: str) -> Counter[str]:
    return Counter(row["Times"] for row in rows_of(name))


@pytest.fixture(scope="module")
def server() -> Iterator[DatasetServer]:
    with datasets.serving() as server:
        yield server


@pytest.fixture(scope="module")
def client(server: DatasetServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client


@pytest.mark.parametrize("name", datasets.MAKERS)
def test_a_seed_always_gives_the_same_bytes(name: str) -> None:
    assert datasets.MAKERS[name](3) == datasets.MAKERS[name](3)


def test_another_seed_gives_other_passwords() -> None:
    assert datasets.good(1) != datasets.good(2)


@pytest.mark.parametrize("name", ["good", "new_alphabet", "turned_round", "shuffled_labels"])
def test_sets_without_drift_are_half_and_half(name: str) -> None:
    assert targets_of(name) == {"0.0": 500, "1.0": 500}


def test_the_drifted_set_is_800_to_200_and_shares_most_passwords_with_the_good_one() -> None:
    assert targets_of("drifted") == {"0.0": 800, "1.0": 200}
    good = {row["Password"] for row in rows_of("good")}
    drifted = {row["Password"] for row in rows_of("drifted")}
    assert len(drifted) == 1000
    assert len(good & drifted) == 700


def test_labels_turned_round_are_those_of_45_of_100_rows() -> None:
    good = {row["Password"]: row["Times"] for row in rows_of("good")}
    assert sum(good[row["Password"]] != row["Times"] for row in rows_of("turned_round")) == 450


@pytest.mark.parametrize("name", ["good", "new_alphabet"])
def test_unseen_passwords_are_new_and_tell_their_class(name: str) -> None:
    family = datasets.passwords.family(name, 1)
    sample = datasets.unseen(name, 1)
    passwords = sample.columns["Password"]
    assert len(set(passwords)) == len(sample.answers) == 500
    assert not set(passwords) & set(datasets.own(name, 1).columns["Password"])
    for password, answer in zip(passwords, sample.answers, strict=True):
        telling, misleading = family.own if answer == 0.0 else family.own[::-1]
        assert telling & set(password)
        assert not misleading & set(password)


@pytest.mark.parametrize("name", ["good", "new_alphabet", "heart_good"])
def test_own_rows_are_those_of_the_csv(name: str) -> None:
    sample = datasets.own(name, 1)
    rows = rows_of(name)
    target = next(column for column in rows[0] if column not in sample.columns)
    assert [float(row[target]) for row in rows] == sample.answers
    assert [row[column] for row in rows for column in sample.columns] == [
        str(value) for values in zip(*sample.columns.values(), strict=True) for value in values
    ]


def test_the_server_serves_what_the_makers_make(server: DatasetServer, client: httpx.Client) -> None:
    answer = client.get("/drifted.csv?seed=7")
    assert answer.content == datasets.drifted(7)
    assert answer.headers["Content-Type"] == datasets.CSV
    assert server.asked[-1] == "/drifted.csv?seed=7"
    assert client.get("/html_page.csv").headers["Content-Type"].startswith("text/html")


def test_the_index_names_every_dataset(client: httpx.Client) -> None:
    page = client.get("/").text
    for name in (*datasets.MAKERS, *datasets.BROKEN_TRANSPORTS):
        assert f"/{name}.csv" in page


@pytest.mark.parametrize("path", ["/not_found.csv", "/unheard_of.csv", "/good.csv?seed=x"])
def test_what_is_not_there_is_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_redirect_loop_leads_to_itself(client: httpx.Client) -> None:
    answer = client.get("/redirect_loop.csv?seed=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/redirect_loop.csv?seed=1")


def test_the_truncated_body_is_shorter_than_announced(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/truncated.csv")


def test_the_endless_body_goes_on_until_the_client_leaves(client: httpx.Client) -> None:
    with client.stream("GET", "/endless.csv") as answer:
        assert "Content-Length" not in answer.headers
        blocks = answer.iter_bytes(1 << 20)
        assert sum(len(next(blocks)) for _ in range(20)) == 20 << 20
