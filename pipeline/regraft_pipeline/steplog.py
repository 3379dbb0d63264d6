"""What a step logs is kept in the object store, where the page reads it when the pod has long been gone."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from regraft_core import layout
from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger, json_formatter
from regraft_core.runs import now
from regraft_core.stores.objects import ObjectStore

LONGEST_LOG = 256 * 1024
"""Characters that are kept of a step's log: the last ones, which tell how it ended."""

log = get_logger(__name__)


@contextmanager
def kept_log(store: ObjectStore, run_id: str, step: str) -> Iterator[None]:
    """Keep what is logged while the step runs, and what it raises, behind what earlier attempts have left.

    Where the log cannot be written the step goes on: a log is no reason to fail.
    """
    lines = _Lines()
    lines.add("info", f"{step} begins")
    root = logging.getLogger()
    root.addHandler(lines)
    try:
        yield
    except Exception as error:
        details = {"code": error.code} if isinstance(error, RegraftError) else {"exception": traceback.format_exc()}
        lines.add("error", error.message if isinstance(error, RegraftError) else repr(error), **details)
        raise
    else:
        lines.add("info", f"{step} ends")
    finally:
        root.removeHandler(lines)
        _keep(store, layout.log(run_id, step), lines.text())


class _Lines(logging.Handler):
    """Holds log records as JSON lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(json_formatter())
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record in."""
        try:
            self._lines.append(self.format(record))
        except Exception:
            self.handleError(record)

    def add(self, level: str, event: str, **details: Any) -> None:
        """Add a line that nobody logged."""
        self._lines.append(json.dumps({"event": event, "level": level, "timestamp": now().isoformat(), **details}))

    def text(self) -> str:
        """Return all lines."""
        return "".join(f"{line}\n" for line in self._lines)


def _keep(store: ObjectStore, key: str, text: str) -> None:
    try:
        before = (store.get(key) or b"").decode(errors="replace")
        whole = before + text
        if len(whole) > LONGEST_LOG:
            whole = whole[-LONGEST_LOG:].partition("\n")[2]
        store.put(key, whole.encode())
    except Exception as error:
        log.warning("step's log cannot be kept", key=key, reason=str(error))
