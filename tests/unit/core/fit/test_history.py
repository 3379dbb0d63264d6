from __future__ import annotations

from regraft_core.fit.counts import Counts
from regraft_core.fit.history import DAY, HOUR, MINUTE, History


def test_a_window_is_what_came_since_its_beginning() -> None:
    history = History(began=0.0)
    for minute in range(1, 200):
        history.note(minute * MINUTE, Counts(rows=minute * 10, requests=minute))
    assert history.within(history.latest - HOUR).rows == 600
    assert history.within(history.latest - DAY).rows == 1990
    assert history.within(history.latest).rows == 0


def test_two_days_are_kept_in_little_and_a_day_is_right_to_the_hour() -> None:
    history = History(began=0.0)
    for minute in range(1, 2 * 24 * 60 + 1):
        history.note(minute * MINUTE, Counts(rows=minute))
    assert len(history.moments) < 62 + 27
    assert history.within(history.latest - HOUR).rows == 60
    assert 24 * 60 <= history.within(history.latest - DAY).rows <= 25 * 60


def test_a_process_that_has_been_silent_for_longer_than_the_window_tells_nothing() -> None:
    history = History(began=0.0)
    history.note(10.0, Counts(rows=5))
    assert history.within(11.0) == Counts()
    assert history.within(9.0).rows == 5
