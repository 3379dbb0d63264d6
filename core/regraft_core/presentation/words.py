"""Runs in words, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from regraft_core.addresses import uploaded_name, uploaded_sha256, was_cut
from regraft_core.runs import Cause, Run, RunState, Step, StepState, now
from regraft_core.versions import VersionShown

STATES = {
    RunState.QUEUED: "Waiting",
    RunState.RUNNING: "Running",
    RunState.PROMOTED: "Promoted",
    RunState.REJECTED: "Rejected",
    RunState.UNCHANGED: "Unchanged",
    RunState.SUPERSEDED: "Superseded",
    RunState.ROLLED_BACK: "Rolled back",
    RunState.CANCELLED: "Cancelled",
    RunState.FAILED: "Failed",
}

SHIPPED = "The task's own reference dataset"
"""What the first version is trained on, of a task that ships and of one that `regraft init` wrote."""

_OUTCOMES = {
    RunState.QUEUED: "Waits for its turn.",
    RunState.RUNNING: "Is about to begin.",
    RunState.REJECTED: "The gates refused the dataset.",
    RunState.UNCHANGED: "This very dataset is in service already.",
    RunState.SUPERSEDED: "A later dataset was promoted first.",
    RunState.ROLLED_BACK: "The new version did not become ready; the one before serves.",
    RunState.CANCELLED: "Somebody ended it.",
    RunState.FAILED: "Ended early; the log has more.",
}


def outcome(run: Run) -> str:
    """Return in a sentence what became of a run, or where it is."""
    if run.state is RunState.PROMOTED:
        return (
            f"Version {run.version} is back in service." if run.kind == "rollback" else f"Version {run.version} serves."
        )
    if run.state is RunState.RUNNING and (step := running_step(run)):
        share = f", {step.progress:.0%}" if step.progress is not None else ""
        return (
            f"{step.name.capitalize()}{share}: {step.message}" if step.message else f"{step.name.capitalize()}{share}"
        )
    if run.state is RunState.REJECTED and run.verdict and (errors := run.verdict.errors):
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return sentence(f"{errors[0].message}{more}", errors[0].column)
    return sentence(run.cause.message) if run.cause else _OUTCOMES[run.state]


REMEDIES = {"error": "What would have passed", "warning": "What gives no warning"}
"""What the remedy of a reason says, by how severe that is."""


def warned(warnings: Sequence[Cause]) -> str:
    """Return in a few words what the gates warned of, each kind once; nothing where they did not."""
    kinds = [title(code) for code in dict.fromkeys(warning.code for warning in warnings)]
    return f"Warning{'s' * (len(kinds) > 1)}: {', '.join(kinds).lower()}" if kinds else ""


_TITLES = {"value_nan": "Value not known"}
"""Words for codes that are none themselves."""


def title(code: str) -> str:
    """Return a code in words."""
    return _TITLES.get(code) or code.replace("_", " ").capitalize()


def why(run: Run) -> str:
    """Return in a line why a run ended as it did, and what it was warned of."""
    return "; ".join(filter(None, (run.cause.message if run.cause else "", warned(run.warnings))))


def running_step(run: Run) -> Step | None:
    """Return the step that a run is in, None where it is in none."""
    return next((step for step in run.steps if step.state is StepState.RUNNING), None)


def last_step(run: Run) -> str | None:
    """Return the name of the step that a run ended with, None where it has not ended or never began."""
    begun = [step.name for step in run.steps if step.state in (StepState.SUCCEEDED, StepState.FAILED)]
    return begun[-1] if begun and run.state.ended else None


FIT = {"unknown": "Fit unknown", "fits": "Fits", "drifting": "Drifting", "unfit": "Unfit"}
"""Whether a version fits what it is asked, in a word."""


def subject(run: Run) -> str:
    """Return what a run is about: the dataset, short, or the version to go back to."""
    if run.kind == "rollback":
        return f"Roll back to version {run.to_version}" if run.to_version else "Roll back to the version before"
    if run.kind == "bootstrap" or not run.data_url:
        return SHIPPED
    return short_address(run.data_url)


def version(shown: VersionShown) -> str:
    """Return what tells a version from others: when it served last, what it was trained on, and how good it is."""
    parts = [f"Version {shown.version}"]
    if "skill" in shown.metrics:
        parts.append(f"skill {shown.metrics['skill']:.4g}")
    if shown.served:
        parts.append(f"served since {moment(shown.served[0].since)}")
    if shown.run_id is not None:
        is_own = not shown.data_url or shown.data_url.startswith("bootstrap:")
        parts.append(SHIPPED if is_own else short_address(shown.data_url or ""))
    return " · ".join(parts)


def address(of: str) -> str:
    """Return the address of a dataset; of an upload, which has none, the file's name."""
    if (name := uploaded_name(of)) is not None:
        return f"{name or str(uploaded_sha256(of))[:12]} (uploaded)"
    return of


def short_address(of: str) -> str:
    """Return host and last part of a path, enough to know a dataset by; of an upload the file's name."""
    if uploaded_name(of) is not None:
        return address(of)
    parts = urlsplit(of)
    folder, _, name = parts.path.rpartition("/")
    return f"{parts.netloc}{'/…' if folder else ''}/{name}{'?' + parts.query if parts.query else ''}"


def seconds_of(item: Run | Step) -> float | None:
    """Return how long a run or a step took, or has been going on; None before it began. Waiting is no part of it."""
    began = _began(item) if isinstance(item, Run) else item.started_at
    return None if began is None else ((item.finished_at or now()) - began).total_seconds()


def waited(run: Run) -> float:
    """Return how many seconds a run waited for its turn, or has been waiting."""
    return ((_began(run) or run.finished_at or now()) - run.accepted_at).total_seconds()


def _began(run: Run) -> datetime | None:
    """Return when the first step of a run began; a run may have waited for another one until then."""
    return min((step.started_at for step in run.steps if step.started_at), default=None)


def duration(seconds: float | None) -> str:
    """Return a duration in the two units that matter."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = timedelta(seconds=round(seconds))
    minutes, rest = divmod(whole.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    hours += whole.days * 24
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def moment(value: datetime) -> str:
    """Return a moment, UTC, to the second."""
    return value.astimezone(UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def ago(value: datetime) -> str:
    """Return how long ago a moment was, in the one unit that matters."""
    seconds = (now() - value).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' * (number != 1)} ago"
    return "just now"


def sentence(text: str, column: str | None = None) -> str:
    """Return a text as a sentence: a capital in front, but of a column's name, and a full stop behind."""
    text = text.strip()
    if not (column and text.startswith(column)):
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith((".", "?", "!")) else ".") if text else ""


def is_web_address(value: str) -> bool:
    """Whether an address may become a link: no script and no file behind it, and nothing of it cut."""
    return value.lower().startswith(("http://", "https://")) and not was_cut(value)
