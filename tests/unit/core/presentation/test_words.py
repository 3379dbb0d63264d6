from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from regraft_core.presentation import words
from regraft_core.runs import Cause, Run, RunRequest, RunState, StepState, now
from regraft_core.verdict import Reason, Verdict
from regraft_core.versions import Service, VersionShown
from tests.unit.trigger.examples import rejected_run, run_of


def warning(code: str) -> Reason:
    return Reason(code=code, gate="quality", severity="warning", message="it is worse")


@pytest.mark.parametrize("state", RunState)
def test_every_state_has_a_word_and_a_sentence(state: RunState) -> None:
    assert words.STATES[state]
    assert words.outcome(run_of(state, version="7"))


def test_a_promoted_run_says_which_version_serves() -> None:
    assert words.outcome(run_of(RunState.PROMOTED, version="7")) == "Version 7 serves."
    assert words.outcome(run_of(RunState.PROMOTED, version="3", kind="rollback")) == "Version 3 is back in service."


def test_a_running_run_says_where_it_is() -> None:
    run = run_of(RunState.RUNNING)
    train = run.step("train")
    train.state, train.progress, train.message = StepState.RUNNING, 0.5, "fitting"

    assert words.outcome(run) == "Train, 50%: fitting"


def test_a_rejected_run_says_why() -> None:
    assert words.outcome(rejected_run()) == "The target has moved: 80 % are 0.0, 50 % were."


def test_a_rejection_leaves_the_name_of_its_column_as_it_is() -> None:
    refused = Reason(
        code="input_drift", gate="drift", message="bill_length is distributed otherwise", column="bill_length"
    )
    other = refused.model_copy(update={"column": "sex", "message": "sex is distributed otherwise"})
    found = Verdict(task="penguins", accepted=False, reasons=[refused, other])
    run = run_of(RunState.REJECTED, verdict=found)

    assert words.outcome(run) == "bill_length is distributed otherwise (and 1 more)."


def test_other_ends_say_their_cause() -> None:
    run = run_of(RunState.FAILED, cause=Cause(code="source_not_found", message="the server answers 404"))

    assert words.outcome(run) == "The server answers 404."


def test_what_the_gates_warned_of_stands_beside_every_end() -> None:
    found = Verdict(
        task="passwords", accepted=True, reasons=[warning("input_drift"), warning("skill_lost"), warning("skill_lost")]
    )
    run = run_of(RunState.ROLLED_BACK, verdict=found, cause=Cause(code="rollout_failed", message="it did not stand"))

    assert words.why(run) == "it did not stand; Warnings: input drift, skill lost"
    assert words.warned(run_of(RunState.PROMOTED, verdict=found).warnings[:1]) == "Warning: input drift"
    assert words.why(run_of(RunState.PROMOTED)) == words.warned([]) == ""


def test_a_sentence_leaves_the_name_of_a_column_as_it_is() -> None:
    assert words.sentence("dep_delay is empty", "dep_delay") == "dep_delay is empty."
    assert words.sentence("column 'a' is missing", "a") == "Column 'a' is missing."
    assert words.sentence("is it?") == "Is it?"


def test_an_upload_is_told_by_its_name() -> None:
    sha256 = "d1" * 32
    assert words.address(f"upload:{sha256}/new.csv") == "new.csv (uploaded)"
    assert words.address("https://example.com/a/b.csv") == "https://example.com/a/b.csv"


def test_a_code_that_is_no_word_has_a_title_of_its_own() -> None:
    assert words.title("value_nan") == "Value not known"
    assert words.title("row_ragged") == "Row ragged"


def test_a_rejected_run_is_not_warned_of_besides() -> None:
    assert rejected_run().warnings == []


def test_a_run_is_about_its_dataset_or_the_version_to_go_back_to() -> None:
    assert words.subject(run_of(RunState.QUEUED)) == "data.example.org/…/passwords.csv"
    assert words.subject(run_of(RunState.QUEUED, data_url="http://a.b:8000/good.csv?seed=1")) == (
        "a.b:8000/good.csv?seed=1"
    )
    assert words.subject(run_of(RunState.QUEUED, data_url=None, kind="bootstrap")) == (
        "The task's own reference dataset"
    )
    assert words.subject(run_of(RunState.QUEUED, kind="rollback", to_version="3")) == "Roll back to version 3"
    assert words.subject(run_of(RunState.QUEUED, kind="rollback")) == "Roll back to the version before"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-0.1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_have_the_units_that_matter(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_only_web_addresses_become_links() -> None:
    assert words.is_web_address("HTTPS://a.b/")
    assert not words.is_web_address("javascript:alert(1)")
    assert not words.is_web_address("file:///etc/passwd")


def test_waiting_for_a_turn_is_told_apart_from_working() -> None:
    run = Run.accept(RunRequest(run_id="run-1", task="passwords", data_url="https://a/b.csv", accepted_at=now()))
    run.accepted_at -= timedelta(seconds=90)
    assert words.seconds_of(run) is None
    assert words.waited(run) == pytest.approx(90, abs=5)
    run.steps[0].started_at = run.accepted_at + timedelta(seconds=60)
    run.finished_at = run.accepted_at + timedelta(seconds=72)
    assert (words.waited(run), words.seconds_of(run)) == (60, 12)


def test_a_version_is_told_by_time_dataset_and_skill() -> None:
    served = Service(since=datetime(2026, 1, 31, 14, 5, tzinfo=UTC), run_id="run-2", kind="train")
    shown = VersionShown(version="3", run_id="run-2", data_url="https://a.b/c/d.csv", served=[served])
    assert words.version(shown) == "Version 3 · served since 31 Jan 2026, 14:05:00 UTC · a.b/…/d.csv"
    own = shown.model_copy(update={"data_url": "bootstrap:passwords", "metrics": {"skill": 0.91234}})
    assert words.version(own).startswith("Version 3 · skill 0.9123 · served since ")
    assert words.version(own).endswith("UTC · The task's own reference dataset")
    assert words.version(VersionShown(version="2")) == "Version 2"
