"""What a step logged, as lines that a person reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pydantic import BaseModel

SHOWN_LINES = 400
"""Lines of a step that the page shows, the last ones."""

_OWN = ("event", "level", "timestamp", "logger", "exception", "run_id", "task", "step")
"""Fields that are shown elsewhere, or that are the same in every line."""


class LogLine(BaseModel):
    """One line of a log."""

    clock: str = ""
    level: str = "info"
    text: str
    details: str = ""


def read_log(data: bytes) -> list[LogLine]:
    """Return the lines of a log; one that is not what a step writes is shown as it is."""
    return [_line(text) for text in data.decode(errors="replace").splitlines()[-SHOWN_LINES:] if text.strip()]


def _line(text: str) -> LogLine:
    try:
        fields = dict(json.loads(text))
        moment = datetime.fromisoformat(str(fields["timestamp"])).astimezone(UTC)
        exception = fields.get("exception")
        details = [f"{name}={_word(value)}" for name, value in fields.items() if name not in _OWN]
        if exception:
            details.append(exception if isinstance(exception, str) else json.dumps(exception))
        return LogLine(
            clock=f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}",
            level=str(fields.get("level", "info")),
            text=str(fields["event"]),
            details=" ".join(details),
        )
    except (ValueError, KeyError, TypeError):
        return LogLine(text=text)


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
