from __future__ import annotations

from regraft_trigger.logview import SHOWN_LINES, LogLine, read_log


def test_a_line_has_its_clock_level_text_and_details() -> None:
    line = b'{"event": "trained", "level": "info", "timestamp": "2026-03-01T12:00:01.5Z", "rows": 7, "run_id": "r"}'

    assert read_log(line) == [LogLine(clock="12:00:01.500", level="info", text="trained", details="rows=7")]


def test_what_is_no_log_line_is_shown_as_it_is() -> None:
    assert read_log(b"plain\n\n[1]\n\xff") == [LogLine(text="plain"), LogLine(text="[1]"), LogLine(text="\ufffd")]


def test_the_last_lines_are_shown() -> None:
    lines = read_log(b"".join(b"%d\n" % number for number in range(SHOWN_LINES + 5)))

    assert (len(lines), lines[-1].text) == (SHOWN_LINES, str(SHOWN_LINES + 4))
