"""Turns for heavy work: nobody waits alone, those of many connections follow each other, small requests go between."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from regraft_core import pace
from regraft_core.http import LARGE_BYTES_PER_SECOND, HttpLimits
from regraft_core.pace import Pace
from tests.unit.core.test_http import said, served


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a test say how late it is."""
    now = [100.0]
    monkeypatch.setattr(pace, "monotonic", lambda: now[0])
    return now


def test_who_comes_alone_does_not_wait(clock: list[float]) -> None:
    turns = Pace()
    for _ in range(3):
        assert turns.wait(0.5) == 0
        clock[0] += 0.5


def test_those_who_come_together_begin_one_after_the_other(clock: list[float]) -> None:
    turns = Pace()
    assert [turns.wait(0.5) for _ in range(4)] == pytest.approx([0, 0.5, 1.0, 1.5])
    clock[0] += 1.0
    assert turns.wait(0.1) == pytest.approx(1.0)


def test_nobody_waits_longer_than_the_most(clock: list[float]) -> None:
    turns = Pace()
    assert [turns.wait(0.5, 0.7) for _ in range(5)] == pytest.approx([0, 0.5, 0.7, 0.7, 0.7])
    assert turns.wait(0.5) == pytest.approx(1.2)
    clock[0] += 2.0
    assert turns.wait(0.5, 0.7) == 0


def test_large_bodies_of_many_take_turns_and_small_requests_do_not() -> None:
    """Each body is read whole, not before its turn; meanwhile another client is answered again and again."""
    size, senders = 4 << 20, 6
    large = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
    small = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with served(HttpLimits()) as port, ThreadPoolExecutor(senders) as pool:
        began = time.monotonic()
        answers = [pool.submit(said, port, large) for _ in range(senders)]
        between = 0
        while not all(answer.done() for answer in answers):
            assert said(port, small).startswith(b"HTTP/1.1 200")
            between += 1
        took = time.monotonic() - began
    assert all(answer.result().startswith(b"HTTP/1.1 200") for answer in answers)
    assert took > (senders - 1) * size / LARGE_BYTES_PER_SECOND
    assert between
