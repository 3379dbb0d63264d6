"""Logs: one JSON object a line on standard error, with the run's id where there is a run."""

from __future__ import annotations

import logging
import sys
from typing import cast

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from regraft_core.addresses import redacted_text

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure_logging(level: str = "INFO", *, human: bool = False) -> None:
    """Send structlog's and the standard library's records to standard error.

    With ``human`` the lines are coloured text instead of JSON; for terminals.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(human_formatter() if human else json_formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request otherwise
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def json_formatter() -> logging.Formatter:
    """Return what makes a JSON line of a record."""
    # Without local variables: they are long, and tokens may be among them.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return _formatter(structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer())


def human_formatter() -> logging.Formatter:
    """Return what makes coloured text of a record."""
    return _formatter(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))


def _formatter(*last: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _cut_values, *last, _cut_line],
    )


def _cut_values(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    """Cut the secrets of addresses out of what is logged, before it is escaped."""
    return {name: redacted_text(value) if isinstance(value, str) else value for name, value in record.items()}


def _cut_line(_: WrappedLogger, __: str, line: object) -> str:
    """Cut them out of what was rendered, tracebacks included."""
    return redacted_text(str(line))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def log_once(log: structlog.stdlib.BoundLogger, about: str, event: str, **details: object) -> None:
    """Log a warning about a thing the first time only: what is damaged is met again with every question."""
    if about not in _told:
        _told.add(about)
        log.warning(event, **details)


_told: set[str] = set()
