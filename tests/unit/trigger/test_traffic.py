from __future__ import annotations

import pytest

from regraft_trigger.traffic import SCRAPE_SECONDS, WINDOW_SECONDS, Counts, Tally, read_counts

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
