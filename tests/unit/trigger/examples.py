"""Runs as they look at their ends, for pages and metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from regraft_core.profile import Comparison, Levels, Profile
from regraft_core.runs import Cause, Run, RunRequest, RunState, Step, StepState
from regraft_core.verdict import Reason, Verdict

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOSTILE = "\"'><script>alert(1)</script>"


def run_of(state: RunState, **fields: Any) -> Run:
    """Return a run in a state, a minute after it was accepted; each step of the pipeline took ten seconds."""
    request = RunRequest(
        run_id=fields.pop("run_id", "run-aaaaaaaaaaaa"),
        kind=fields.pop("kind", "train"),
        task=fields.pop("task", "passwords"),
        data_url=fields.pop("data_url", "https://data.example.org/sets/passwords.csv"),
        to_version=fields.pop("to_version", None),
        accepted_at=BEGAN,
    )
    run = Run.accept(request)
    run.state = state
    if state is not RunState.QUEUED:
        run.steps = [_done(step, place) for place, step in enumerate(run.steps)]
        run.updated_at = BEGAN + timedelta(minutes=1)
    if state.ended:
        run.finished_at = BEGAN + timedelta(minutes=1)
    return run.model_copy(update=fields)


def _done(step: Step, place: int) -> Step:
    began = BEGAN + timedelta(seconds=10 * place)
    return step.model_copy(
        update={
            "state": StepState.SUCCEEDED,
            "started_at": began,
            "finished_at": began + timedelta(seconds=10),
            "message": "all done",
        }
    )


def profile(target: Levels) -> Profile:
    """Return the profile of a dataset with this target."""
    return Profile(task="passwords", rows=1000, data_sha256="a" * 64, target=target, inputs={})


def levels(*shares: float) -> Profile:
    """Return a profile whose target has the levels 0.0, 1.0, ... with these shares."""
    values = tuple(float(n) for n in range(len(shares)))
    counts = tuple(round(1000 * share) for share in (*shares, 0.0))
    return profile(Levels(levels=values, counts=counts, shares=(*shares, 0.0)))


COMPARISON = Comparison(
    column="Times",
    what="target",
    labels=["0", "1"],
    shares=[0.8, 0.2],
    reference=[0.5, 0.5],
    psi=0.38441,
    p=1e-30,
)


def rejected_run(hostile: str = "") -> Run:
    """Return a run that the gates refused, with every text of a stranger ending in ``hostile``."""
    verdict = Verdict(
        task="passwords",
        accepted=False,
        rows=1000,
        usable_rows=998,
        reasons=[
            Reason(
                code="target_drift",
                gate="drift",
                message=f"the target has moved: 80 % are 0.0, 50 % were{hostile}",
                column=f"Times{hostile}",
                figures={"psi": 0.38441, f"limit{hostile}": 0.05, "p": 1e-30},
                remedy=f"Send data whose Times are spread like the reference's{hostile}.",
                rows=[{"line": 2, f"Password{hostile}": f"null{hostile}", "Times": 0.0}],
            ),
            Reason(code="input_drift", gate="drift", severity="warning", message=f"new characters{hostile}"),
        ],
        metrics={f"mae{hostile}": 0.1234567},
        incumbent_metrics={"mae": 0.2},
        profile=levels(0.8, 0.2),
        reference=levels(0.5, 0.5),
        comparisons=[COMPARISON.model_copy(update={"column": f"Times{hostile}"})],
    )
    return run_of(
        RunState.REJECTED,
        verdict=verdict,
        data_url=f"https://data.example.org/bad{hostile}.csv",
        data_sha256="a" * 64,
        cause=Cause(code="rejected", message=f"the gates refused it{hostile}"),
        links={"mlflow": "http://127.0.0.1:5000/#/runs/1", "bad": f"javascript:alert(1){hostile}"},
    )
