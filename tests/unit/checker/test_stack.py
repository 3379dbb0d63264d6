from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.checker.stack import DEFAULT_PORTS, Stack, StackError, default_or_free_ports, free_ports


def test_free_ports_are_three_different_ones() -> None:
    assert len(set(free_ports())) == 3


def test_default_ports_are_taken_only_together() -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", DEFAULT_PORTS[1]))
        except OSError:
            pass  # another program has it, which is as good
        else:
            taken.listen()
        assert not set(DEFAULT_PORTS) & set(default_or_free_ports())


def test_a_stack_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        _, predict_port, mlflow_port = free_ports()
        stack = Stack(tmp_path, ports=(taken.getsockname()[1], predict_port, mlflow_port))
        try:
            with pytest.raises(StackError, match="ended with 1: port_in_use"):
                stack.start().wait_ready(timeout=60)
        finally:
            stack.stop()


def test_a_stack_that_takes_too_long_is_named_with_what_is_missing(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    try:
        with pytest.raises(StackError, match="heart-disease model"):
            stack.start().wait_ready(timeout=0)
    finally:
        stack.kill()
