import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from regraft_core.runs import Run, RunRequest, RunState, StepState, new_run_id, now
from regraft_core.steps import ROLLBACK_STEPS, STEPS
from regraft_core.verdict import Reason, Verdict

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 1, UTC)


def request(**changes: object) -> RunRequest:
    return RunRequest.model_validate({"run_id": "run-a", "task": "passwords", "accepted_at": MOMENT, **changes})


def test_ids_are_fit_for_kubernetes_and_do_not_repeat() -> None:
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"run-[a-z2-7]{12}", name) for name in ids)


def test_the_same_key_gives_the_same_id() -> None:
    assert new_run_id("key") == new_run_id("key") != new_run_id("another key")


def test_later_acceptance_is_greater_in_order_whatever_the_zone() -> None:
    earlier = request(run_id="run-z", accepted_at=MOMENT.astimezone(timezone(timedelta(hours=5))))
    later = request(run_id="run-a", accepted_at=MOMENT + timedelta(microseconds=1))
    assert earlier.order < later.order


@pytest.mark.parametrize(
    ("kind", "names"), [("train", tuple(STEPS)), ("bootstrap", tuple(STEPS)), ("rollback", ROLLBACK_STEPS)]
)
def test_an_accepted_run_is_queued_with_all_steps_pending(kind: str, names: tuple[str, ...]) -> None:
    run = Run.accept(request(kind=kind))
    assert run.state is RunState.QUEUED
    assert [(step.name, step.state) for step in run.steps] == [(name, StepState.PENDING) for name in names]
    assert run.step(names[0]) is run.steps[0]


def test_only_queued_and_running_are_no_ends() -> None:
    assert [state for state in RunState if not state.ended] == [RunState.QUEUED, RunState.RUNNING]


def test_a_run_survives_json() -> None:
    run = Run.accept(request())
    run.verdict = Verdict(
        task="passwords",
        accepted=False,
        reasons=[
            Reason(code="target_drift", gate="drift", message="the target has drifted", figures={"psi": 0.4}),
            Reason(code="input_drift", gate="drift", severity="warning", message="new letters"),
        ],
    )
    assert Run.model_validate_json(run.model_dump_json()) == run
    assert run.verdict.summary() == "rejected: the target has drifted"


def test_metrics_that_are_not_finite_survive_json() -> None:
    run = Run.accept(request())
    run.metrics = {"skill": float("-inf")}
    run.verdict = Verdict(task="passwords", accepted=False, metrics={"rmse": float("inf")})
    assert Run.model_validate_json(run.model_dump_json()) == run


@pytest.mark.parametrize(
    ("warnings", "summary"), [(0, "accepted"), (1, "accepted with 1 warning"), (2, "accepted with 2 warnings")]
)
def test_an_accepted_verdict_counts_its_warnings(warnings: int, summary: str) -> None:
    reason = Reason(code="input_drift", gate="drift", severity="warning", message="new letters")
    assert Verdict(task="passwords", accepted=True, reasons=[reason] * warnings).summary() == summary


def test_now_knows_its_zone() -> None:
    assert now().tzinfo is UTC
