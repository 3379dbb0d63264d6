import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from regraft_core.logs import configure_logging, get_logger


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    with structlog.contextvars.bound_contextvars(run_id="run-a"):
        get_logger("regraft.test").info("step finished", step="train", seconds=1.5)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "step finished"
    assert (line["run_id"], line["step"], line["seconds"]) == ("run-a", "train", 1.5)
    assert (line["level"], line["logger"]) == ("info", "regraft.test")
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_logs_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")
    logging.getLogger("other").info("not this")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("other").exception("it %s", "failed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["it failed"]
    assert lines[0]["exception"][0]["exc_value"] == "broken"


def test_a_terminal_gets_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=True)
    get_logger("regraft.test").warning("nearly full", left=3)
    printed = capsys.readouterr().err
    assert "nearly full" in printed
    assert not printed.startswith("{")
