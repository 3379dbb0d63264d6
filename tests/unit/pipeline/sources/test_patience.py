"""How long a server is waited for, and how often it is asked."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from tests.unit.pipeline.sources.web import CSV, LIMITS, Handler, Server, download, first, refused


def test_what_passes_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(CSV, 503 if len(server.seen) == 1 else 200)
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)


def test_silence_in_the_middle_is_a_timeout(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send(CSV[:9], Content_Length=str(len(CSV)))
        time.sleep(0.8)

    server.answers["/a.csv"] = answer
    assert refused(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, attempts=1)).code == "source_timeout"


def test_a_server_that_drips_meets_the_deadline_of_the_whole(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.send(b"", Content_Length="1000")
        for _ in range(50):
            handler.wfile.write(b"a")
            time.sleep(0.05)

    server.answers["/a.csv"] = answer
    began = time.monotonic()
    error = refused(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, total_seconds=0.5))
    assert error.code == "source_timeout"
    assert time.monotonic() - began < 1.5


def test_a_server_that_is_busy_is_asked_as_long_as_there_is_time(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = first(7, lambda handler: handler.send(b"", 503), lambda handler: handler.send(CSV))
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert len(server.seen) == 8


def test_a_server_is_left_alone_as_long_as_it_asks(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = first(
        1, lambda handler: handler.send(b"", 429, Retry_After="1"), lambda handler: handler.send(CSV)
    )
    began = time.monotonic()
    assert download(f"{server.url}/a.csv", tmp_path).bytes == len(CSV)
    assert 1.0 <= time.monotonic() - began < 3
    assert len(server.seen) == 2


def test_more_time_than_there_is_is_not_waited_for(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 503, Retry_After="3600")
    error = refused(f"{server.url}/a.csv", tmp_path)
    assert error.details["http_status"] == 503
    assert "it asks for 3,600 s" in error.message


def test_a_busy_server_meets_the_end_of_the_time(server: Server, tmp_path: Path) -> None:
    server.answers["/a.csv"] = lambda handler: handler.send(b"", 429)
    assert (
        refused(f"{server.url}/a.csv", tmp_path, limits=replace(LIMITS, total_seconds=1.0)).code == "source_http_error"
    )
