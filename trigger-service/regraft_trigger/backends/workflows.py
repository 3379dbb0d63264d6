"""Workflows as runs: the Workflow that is made of a request, and the run that a Workflow stands for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hera.workflows import Workflow
from hera.workflows.models import WorkflowTemplateRef

from regraft_core.codes import Code
from regraft_core.logs import get_logger
from regraft_core.results import CONTINUE
from regraft_core.runs import Cause, Run, RunRequest, RunState, Step, StepState
from regraft_core.steps import STEPS
from regraft_core.workflows import (
    ORDER_ANNOTATION,
    OUTCOME,
    PUT_BACK,
    TASK_LABEL,
    TEMPLATE,
    parameters_of,
    request_of,
)

log = get_logger(__name__)

STEP_STATES = {
    "Pending": StepState.PENDING,
    "Running": StepState.RUNNING,
    "Succeeded": StepState.SUCCEEDED,
    "Failed": StepState.FAILED,
    "Error": StepState.FAILED,
    "Skipped": StepState.SKIPPED,
    "Omitted": StepState.SKIPPED,
}
"""Phases of a workflow's node, as states of a step."""

RUN_STATES = {"": RunState.QUEUED, "Pending": RunState.QUEUED, "Running": RunState.RUNNING}
"""Phases of a workflow that has not ended, as states of a run."""

INSTANCE_LABEL = "workflows.argoproj.io/controller-instanceid"
"""Names the controller that a Workflow is for; one that has an instance ID leaves all others alone."""

Json = dict[str, Any]


def run_workflow(request: RunRequest, *, instance_id: str | None = None) -> Workflow:
    """Return the Workflow of a run, for the Argo controller with this instance ID."""
    return Workflow(
        name=request.run_id,
        labels={TASK_LABEL: request.task} | ({INSTANCE_LABEL: instance_id} if instance_id else {}),
        annotations={ORDER_ANNOTATION: request.order},
        workflow_template_ref=WorkflowTemplateRef(name=TEMPLATE),
        arguments=parameters_of(request),
    )


def ending_workflow(request: RunRequest, *, instance_id: str | None = None) -> Workflow:
    """Return the Workflow that ends a run whose own can do so no more: it puts back what served, and records the run.

    It is no run itself: it has no label of a task.
    """
    return Workflow(
        name=f"{request.run_id}-end",
        labels={INSTANCE_LABEL: instance_id} if instance_id else {},
        entrypoint=PUT_BACK,
        workflow_template_ref=WorkflowTemplateRef(name=TEMPLATE),
        arguments=parameters_of(request),
    )


def has_ended(workflow: Json) -> bool:
    """Whether a Workflow has come to its end, whichever."""
    return workflow.get("status", {}).get("phase", "") not in RUN_STATES


def run_of(workflow: Json) -> Run:
    """Return the run that a Workflow stands for, as far as the Workflow tells."""
    parameters = workflow["spec"]["arguments"]["parameters"]
    run = Run.accept(request_of({parameter["name"]: parameter["value"] for parameter in parameters}))
    status = workflow.get("status", {})
    phase, nodes = status.get("phase", ""), list(status.get("nodes", {}).values())
    ended = has_ended(workflow)
    by_step = {node["displayName"]: node for node in nodes}
    run.steps = [_step(step.name, by_step.get(step.name), nodes, run_ended=ended) for step in run.steps]
    moments = [moment for step in run.steps for moment in (step.started_at, step.finished_at) if moment]
    run.updated_at = max([run.accepted_at, *moments])
    if not ended:
        run.state = RUN_STATES[phase]
        return run
    run.finished_at = _moment(status.get("finishedAt"))
    run.updated_at = run.finished_at or run.updated_at
    run.state = _outcome(by_step[step.name] for step in run.steps if step.name in by_step)
    if run.state == RunState.FAILED:
        failed = next((step for step in run.steps if step.state == StepState.FAILED), None)
        message = f"{failed.name}: {failed.message}" if failed else status.get("message", "")
        run.cause = Cause(code=Code.WORKFLOW_FAILED, message=message)
    return run


def has_begun(workflow: Json, step: str) -> bool:
    """Whether a container of a step has ever run; one whose pod waits, or that waits for a lock, has not."""
    nodes = workflow.get("status", {}).get("nodes", {}).values()
    return any(node["type"] == "Pod" and node["templateName"] == step and node["phase"] != "Pending" for node in nodes)


def _step(name: str, node: Json | None, nodes: Iterable[Json], *, run_ended: bool) -> Step:
    if node is None:
        return Step(name=name, state=StepState.SKIPPED if run_ended else StepState.PENDING)
    done, _, whole = node.get("progress", "").partition("/")
    state = STEP_STATES[node["phase"]]
    waits = state in (StepState.PENDING, StepState.SKIPPED)  # a node begins when its pod, or the turn, is waited for
    return Step(
        name=name,
        state=state,
        started_at=None if waits else _moment(node.get("startedAt")),
        finished_at=None if waits else _moment(node.get("finishedAt")),
        message="" if state == StepState.SKIPPED else node.get("message", ""),
        progress=int(done) / int(whole) if state == StepState.RUNNING and int(whole or 0) > 1 else None,
        pod=_pod(node, nodes),
    )


def _pod(node: Json, nodes: Iterable[Json]) -> str | None:
    """Return the name of the pod of a step, of its last one where it was tried again."""
    if children := node.get("children") if node["type"] == "Retry" else None:
        node = next(child for child in nodes if child["id"] == children[-1])
    if node["type"] != "Pod":
        return None
    workflow, _, number = node["id"].rpartition("-")
    return f"{workflow}-{node['templateName']}-{number}"


def _outcome(nodes: Iterable[Json]) -> RunState:
    outcomes = [
        parameter.get("value")
        for node in nodes
        for parameter in node.get("outputs", {}).get("parameters", ())
        if parameter["name"] == OUTCOME
    ]
    ends = [outcome for outcome in outcomes if outcome not in (CONTINUE, *STEPS)]
    return RunState(ends[-1]) if ends else RunState.FAILED


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def readable(workflow: Json) -> Run | None:
    """Return the run of a Workflow, None for one that somebody else has made and that does not stand for a run."""
    try:
        return run_of(workflow)
    except (KeyError, ValueError) as error:
        log.warning("workflow is no run", workflow=workflow["metadata"]["name"], error=str(error))
        return None


def changed(before: dict[str, Run] | None, after: dict[str, Run]) -> list[Run]:
    """Return the runs that have changed while nobody watched; none where nobody ever did."""
    return [] if before is None else [run for run in after.values() if before.get(run.run_id) != run]
