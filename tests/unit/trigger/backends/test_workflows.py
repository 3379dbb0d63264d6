"""A Workflow is made of a request, and a run is read from it."""

from __future__ import annotations

from datetime import datetime

from regraft_core.runs import Cause, RunRequest, RunState, StepState
from regraft_core.workflows import parameters_of
from regraft_trigger.backends.workflows import run_of, run_workflow
from tests.unit.trigger.backends.workflows import LATER, node, request, says, workflow


class TestWorkflow:
    def test_has_the_name_of_the_run_and_refers_to_the_template(self) -> None:
        made = run_workflow(request(force=True)).to_dict()
        assert made["metadata"]["name"] == "run-a"
        assert made["metadata"]["labels"] == {"regraft.dev/task": "passwords"}
        assert made["metadata"]["annotations"] == {"regraft.dev/order": request().order}
        instance = run_workflow(request(), instance_id="team-a").to_dict()["metadata"]["labels"]
        assert instance["workflows.argoproj.io/controller-instanceid"] == "team-a"
        assert made["spec"]["workflowTemplateRef"] == {"name": "regraft-pipeline"}
        assert {"name": "force", "value": "true"} in made["spec"]["arguments"]["parameters"]

    def test_gives_the_request_back(self) -> None:
        for wanted in (request(force=True), request(kind="rollback", to_version="7")):
            assert run_of(run_workflow(wanted).to_dict()).model_dump(include=set(RunRequest.model_fields)) == (
                wanted.model_dump()
            )

    def test_an_address_cannot_smuggle_in_an_expression(self) -> None:
        smuggled = request().model_copy(update={"data_url": "http://d/{{workflow.name}}?a={{=1+1}}"})
        assert parameters_of(smuggled)["data_url"] == "http://d/%7B%7Bworkflow.name%7D%7D?a=%7B%7B=1+1%7D%7D"


class TestRunOf:
    def test_a_new_workflow_is_a_queued_run(self) -> None:
        run = run_of(workflow(request()))
        assert run.state == RunState.QUEUED
        assert {step.state for step in run.steps} == {StepState.PENDING}

    def test_nodes_are_steps_with_times_pods_and_progress(self) -> None:
        running = node("validate", "Running", progress="40/100")
        run = run_of(workflow(request(), "Running", [node("download", **says("continue")), running]))
        assert run.state == RunState.RUNNING
        download, validate = run.step("download"), run.step("validate")
        assert (download.state, download.finished_at) == (StepState.SUCCEEDED, datetime.fromisoformat(LATER))
        assert download.pod == f"run-a-download-{node('download')['id'].split('-')[-1]}"
        assert (validate.state, validate.progress) == (StepState.RUNNING, 0.4)
        assert run.step("train").state == StepState.PENDING

    def test_a_step_has_not_begun_while_its_pod_or_its_turn_is_waited_for(self) -> None:
        waiting = node("deploy", "Pending", message="Waiting for regraft/Mutex/regraft-deploy-passwords lock")
        step = run_of(workflow(request(), "Running", [waiting])).step("deploy")
        assert (step.state, step.started_at, step.finished_at) == (StepState.PENDING, None, None)
        assert step.message.startswith("Waiting for")

    def test_the_pod_of_a_step_that_was_tried_again_is_its_last(self) -> None:
        tries = [node(f"download({number})", "Failed") | {"templateName": "download"} for number in range(2)]
        step = node("download", "Running", type="Retry", children=[item["id"] for item in tries])
        run = run_of(workflow(request(), "Running", [*tries, step]))
        assert run.step("download").pod == f"run-a-download-{tries[1]['id'].split('-')[-1]}"

    def test_a_run_ends_as_its_last_step_says(self) -> None:
        nodes = [
            node("download", **says("continue")),
            node("validate", **says("rejected")),
            node("train", "Skipped", type="Skipped"),
        ]
        run = run_of(workflow(request(), "Succeeded", nodes, finishedAt=LATER))
        assert run.state == RunState.REJECTED
        assert run.finished_at == run.updated_at == datetime.fromisoformat(LATER)
        assert [step.state for step in run.steps[2:]] == [StepState.SKIPPED] * 3

    def test_a_failed_workflow_tells_which_step(self) -> None:
        nodes = [node("download", "Failed", message="OOMKilled (exit code 137)")]
        run = run_of(workflow(request(), "Failed", nodes, finishedAt=LATER))
        assert run.state == RunState.FAILED
        assert run.cause == Cause(code="workflow_failed", message="download: OOMKilled (exit code 137)")

    def test_a_workflow_that_could_not_begin_tells_why(self) -> None:
        run = run_of(workflow(request(), "Error", message="workflowtemplate not found", finishedAt=LATER))
        assert run.cause == Cause(code="workflow_failed", message="workflowtemplate not found")
