from __future__ import annotations

import pytest

from regraft_inference.fast.head import Head

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nAccept: */*\r\n\r\n"


def post(body: bytes) -> bytes:
    return HEAD % len(body) + body


def known() -> Head:
    head = Head.of(post(b"one"), 3)
    assert head is not None
    return head


@pytest.mark.parametrize("body", [b"one", b"", b"x" * 10_000, b"\r\n\r\n", post(b"one")])
def test_a_body_of_any_length_is_found_behind_a_known_head(body: bytes) -> None:
    assert known().body_of(post(body)) == body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:40],
        HEAD % 3,
        post(b"one")[:-1],
        post(b"one") + b"x",
        post(b"one") * 2,
        post(b"one").replace(b"predict", b"Predict"),
        post(b"one").replace(b"Accept", b"Agree-"),
        *(post(b"one").replace(b" 3", b" " + length) for length in (b"", b"03", b"+3", b"-3", b"3 ", b" 3", b"0x3")),
    ],
)
def test_what_is_not_one_whole_request_with_that_head_is_not(data: bytes) -> None:
    assert known().body_of(data) is None


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (post(b"one") + b"\r\n", 3),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"one"), 3),
        (post(b"two") + post(b"one"), 3),
        (post(b"one").replace(b"\r\n", b"\n"), 3),
        (post(b"one").replace(b": 3", b":\r\n 3"), 3),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ],
)
def test_no_head_is_known_of_what_is_more_or_something_else_than_a_request(data: bytes, length: int) -> None:
    assert Head.of(data, length) is None
