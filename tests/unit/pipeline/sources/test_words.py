"""When a server wants to be asked again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from regraft_pipeline.sources.words import retry_after

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"], autouse=True)
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("value", "seconds"), [("120", 120), (" 7 ", 7), ("1.5", 1.5), ("9" * 30, 1e30)])
def test_seconds_are_waited_for(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        format_datetime(SOON, usegmt=True),
        f"{SOON:%A, %d-%b-%y %H:%M:%S GMT}",
        f"{SOON:%a %b %d %H:%M:%S %Y}",
        format_datetime(SOON.astimezone(tz=None)),
    ],
    ids=["rfc 1123", "rfc 850", "asctime", "with its zone"],  # not by the moment: workers have to agree on the names
)
def test_each_form_of_a_date_is_the_same_moment_everywhere(value: str) -> None:
    found = retry_after(value)
    assert found is not None
    assert abs(found - (SOON - datetime.now(UTC)).total_seconds()) < 2


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "0", "-5", "soon", "inf", "nan", "1e3", "0x10", "\u0665", "5, 10", "Sat, 99 Foo 2026 25:61:61 GMT"),
        *("Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 99999 23:59:59 GMT", "Thu, 01 Jan 0000 00:00:00 GMT"),
    ],
)
def test_what_is_over_or_says_nothing_asks_for_no_time(value: str | None) -> None:
    assert retry_after(value) is None
