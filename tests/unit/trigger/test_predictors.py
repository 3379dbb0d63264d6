from __future__ import annotations

import pytest

from regraft_core.contract import Column as ContractColumn
from regraft_core.contract import Contract
from regraft_trigger.predictors import SCRAPE_SECONDS, WINDOW_SECONDS, Column, Counts, Tally, read_columns, read_counts

ROUTE = 'route="/{task}/predict"'


def metrics(requests: int, failed: int = 0, *, started: float = 1.0) -> str:
    return (
        f"process_start_time_seconds {started}\n"
        f'regraft_predictor_requests_total{{{ROUTE},status="200",task="passwords"}} {requests}\n'
        f'regraft_predictor_requests_total{{{ROUTE},status="400",task="passwords"}} 2\n'
        f'regraft_predictor_requests_total{{{ROUTE},status="500",task="passwords"}} {failed}\n'
        'regraft_predictor_requests_total{route="/metrics",status="200",task="passwords"} 1000\n'
    )


def test_only_predictions_are_counted() -> None:
    assert read_counts(metrics(7, 1, started=5.5)) == (5.5, {"passwords": Counts(10, 2, 1)})


def test_traffic_is_what_came_within_the_window() -> None:
    tally = Tally()
    for second, requests in ((0, 100), (5, 150), (10, 200)):
        tally.take(second, metrics(requests, failed=second // 10))

    traffic = tally.traffic("passwords", 10)

    assert traffic is not None
    assert traffic.per_second == pytest.approx(10.1)
    assert (traffic.failed, traffic.refused, traffic.seconds) == (1, 0, 10)
    assert max(traffic.bars) == 1


def test_replicas_behind_one_address_are_told_apart() -> None:
    tally = Tally()
    for second, requests, started in ((0, 100, 1.0), (5, 7, 2.0), (10, 110, 1.0), (15, 17, 2.0)):
        tally.take(second, metrics(requests, started=started))

    traffic = tally.traffic("passwords", 15)

    assert traffic is not None
    assert traffic.per_second == pytest.approx(20 / 15)


def test_what_is_old_is_forgotten_and_a_silent_predictor_is_not_known() -> None:
    tally = Tally()
    assert tally.traffic("passwords", 0) is None
    for second in (0, 5, 6 + WINDOW_SECONDS):
        tally.take(second, metrics(int(second)))

    assert len(tally.increments) == 1
    assert tally.traffic("passwords", 7 + WINDOW_SECONDS) is not None
    assert tally.traffic("passwords", 7 + WINDOW_SECONDS + 4 * SCRAPE_SECONDS) is None


def test_a_contract_becomes_fields() -> None:
    properties = {
        "Password": {"items": {"type": "string", "maxLength": 9, "description": "As typed"}},
        "age": {"items": {"type": "number", "minimum": 18.0, "maximum": 110.0}},
        "sex": {"items": {"type": "integer", "enum": [0, 1]}},
    }

    options = {"probabilities": {"type": "boolean", "default": False}}
    columns = read_columns({"request": {"properties": properties | options, "required": list(properties)}})

    assert columns == [
        Column(name="Password", kind="text", description="As typed", longest=9),
        Column(name="age", kind="number", minimum=18, maximum=110, start="64"),
        Column(name="sex", kind="choice", choices=["0", "1"], integer=True, start="0"),
    ]


def test_the_contract_itself_becomes_fields_of_every_type() -> None:
    contract = Contract(
        task="birds",
        features=(
            ContractColumn(name="mass", type="number", nullable=True, unit="g"),
            ContractColumn(name="ringed", type="boolean"),
            ContractColumn(name="seen_on", type="date"),
            ContractColumn(name="island", type="string", categories=("a", "b"), nullable=True),
        ),
        target=ContractColumn(name="species", type="string", categories=("x", "y", "z")),
    )
    columns = read_columns({"request": contract.request_schema(probabilities=True)})

    kinds = [(column.name, column.kind, column.optional) for column in columns]
    assert kinds == [
        ("mass", "number", True),
        ("ringed", "choice", False),
        ("seen_on", "text", False),
        ("island", "choice", True),
    ]
    assert (columns[1].choices, columns[3].choices) == (["false", "true"], ["a", "b"])
