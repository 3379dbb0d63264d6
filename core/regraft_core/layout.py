"""Where things are in the bucket. The only place that knows the keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


DATASETS = "datasets/"
"""Prefix of all datasets."""

RUNS = "runs/"
"""Prefix of all that belongs to one run."""

GOLDEN_FILE = "golden.json"
"""File of a bundle with some rows of its dataset and the trainer's answers to them."""


def raw_dataset(sha256: str) -> str:
    """The dataset as it was downloaded."""
    return f"{DATASETS}{sha256}/raw.csv"


def source(run_id: str) -> str:
    """The whole address of the run's dataset where it holds a secret, as long as it is needed, as JSON."""
    return f"runs/{run_id}/source.json"


def step_result(run_id: str, step: str) -> str:
    """What a finished step tells the next ones, as JSON."""
    return f"runs/{run_id}/{step}.json"


def verdict(run_id: str) -> str:
    """The verdict of the gates on the run's dataset, as JSON."""
    return f"runs/{run_id}/verdict.json"


def clean(run_id: str) -> str:
    """The rows that the gates left for training, typed, as Parquet."""
    return f"runs/{run_id}/clean.parquet"


def held_out(run_id: str) -> str:
    """Truth and prediction of the rows that the new model was judged by, as Parquet."""
    return f"runs/{run_id}/held-out.parquet"


def report(run_id: str) -> str:
    """The data report of the run, one HTML file."""
    return f"runs/{run_id}/report.html"


def training(run_id: str) -> str:
    """What the trained estimator tells of its training, as JSON: learning curve, top n-grams."""
    return f"runs/{run_id}/training.json"


def log(run_id: str, step: str) -> str:
    """What a step of the run logged, a JSON object a line."""
    return f"runs/{run_id}/logs/{step}.jsonl"


def definition(run_id: str) -> str:
    """The task's file as it was when the run began, as JSON; none of a Python task."""
    return f"runs/{run_id}/task.json"


def record(run_id: str) -> str:
    """The run as it ended, as JSON."""
    return f"runs/{run_id}/record.json"


def open_run(run_id: str) -> str:
    """The request of a run that has not ended, as JSON; gone when the run has its record."""
    return f"{OPEN}{run_id}.json"


def cancellation(run_id: str) -> str:
    """There where somebody wants the run to end."""
    return f"runs/{run_id}/cancelled.json"


def attempt(run_id: str, step: str) -> str:
    """When a step of the run began and ended, where, and why it failed, as JSON."""
    return f"runs/{run_id}/{step}.attempt.json"


OPEN = "open/"
"""Prefix of the requests of all runs that have not ended, as far as the trigger service has seen them."""

HISTORY = "history/"
"""Prefix of the empty objects that name all runs that have ended."""


def history(accepted_at: datetime, task: str, run_id: str) -> str:
    """The name of a run in the history: in the order of keys, the run accepted last comes first."""
    microseconds = round(accepted_at.timestamp() * 1_000_000)
    return f"{HISTORY}{10**18 - microseconds:018d}/{task}/{run_id}"


def task_of(history_key: str) -> str:
    """The task of a run in the history."""
    return history_key.split("/")[2]


def run_of(history_key: str) -> str:
    """The id of a run in the history."""
    return history_key.split("/")[3]


def accepted_of(history_key: str) -> datetime:
    """The moment of acceptance of a run in the history."""
    return EPOCH + timedelta(microseconds=10**18 - int(history_key.split("/")[1]))


def bundle(run_id: str) -> str:
    """Prefix of the files of the bundle that the run trained; ends with a slash."""
    return f"runs/{run_id}/bundle/"


def golden(run_id: str) -> str:
    """Some rows of the run's dataset, as requests have them, with the trainer's answers: a file of the bundle."""
    return bundle(run_id) + GOLDEN_FILE


def reference(task: str) -> str:
    """The profile that new datasets of the task are held against, as JSON."""
    return f"reference/{task}.json"


def given_reference(task: str) -> str:
    """SHA-256 of the profile that a task's object brought along when it last became the reference."""
    return f"reference/{task}.given"


def task_state(task: str) -> str:
    """Whether a task can be worked with, and why not, as JSON."""
    return f"states/{task}.json"


def placed_before(run_id: str) -> str:
    """What was set to serve before the run set its own version, as JSON."""
    return f"runs/{run_id}/placed-before.json"


def serving(task: str) -> str:
    """What is in service for the task, as JSON."""
    return f"serving/{task}.json"


def fit_hours(task: str) -> str:
    """Prefix of what the predictors of a task have counted, by hour and process."""
    return f"fit/{task}/hours/"


def fit_hour(task: str, moment: datetime, instance: str) -> str:
    """What a process had counted when it was last asked in an hour, as JSON."""
    return f"{fit_hours(task)}{moment:%Y-%m-%dT%H}/{instance}.json"


def fit_knowns(task: str) -> str:
    """Prefix of what the counts of a task's versions are held against."""
    return f"fit/{task}/known/"


def fit_known(task: str, version: str) -> str:
    """What the counts of a version are held against, as JSON."""
    return f"{fit_knowns(task)}{version}.json"


def fit_since(task: str) -> str:
    """Since when a task's version fits its requests, or does not, as JSON."""
    return f"fit/{task}/since.json"


def fit_retrained(task: str) -> str:
    """The run that was asked for last because a task's version was unfit, as JSON."""
    return f"fit/{task}/retrained.json"


KEPT = "requests/"
"""Prefix of the rows that were asked and are kept because tasks' files say so."""

OUTCOMES = "outcomes/"
"""Prefix of what was told of what really happened."""


def kept_rows(task: str) -> str:
    """Prefix of the kept rows of a task, by hour."""
    return f"{KEPT}{task}/"


def kept_block(task: str, moment: datetime, instance: str, number: int) -> str:
    """Rows that a process kept in an hour, JSON lines in gzip."""
    return f"{kept_rows(task)}{moment:%Y-%m-%dT%H}/{instance}-{number:012d}.jsonl.gz"


def outcomes_of(task: str) -> str:
    """Prefix of the outcomes of a task, by hour."""
    return f"{OUTCOMES}{task}/"


def outcomes_told(task: str, moment: datetime, digest: str) -> str:
    """Outcomes that were told in one request, JSON lines in gzip; ``digest`` is that of what was told."""
    return f"{outcomes_of(task)}{moment:%Y-%m-%dT%H}/{digest}-{moment:%M%S%f}.jsonl.gz"
