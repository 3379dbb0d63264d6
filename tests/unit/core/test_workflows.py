from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from regraft_core.runs import RunRequest
from regraft_core.workflows import parameters_of, request_of

REQUEST = RunRequest(run_id="run-a", task="passwords", data_url="http://d/x.csv", accepted_at=datetime.now(UTC))


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        REQUEST.model_copy(update={"force": True}),
        REQUEST.model_copy(update={"kind": "rollback", "data_url": None, "to_version": "7"}),
    ],
)
def test_a_request_comes_back_from_its_parameters(request_: RunRequest) -> None:
    assert request_of(parameters_of(request_)) == request_


def test_parameters_are_text_and_what_is_not_set_is_empty() -> None:
    parameters = parameters_of(REQUEST)
    assert parameters["force"] == "false"
    assert parameters["to_version"] == ""
    assert all(isinstance(value, str) for value in parameters.values())


def test_braces_are_encoded_so_that_argo_sees_no_template() -> None:
    request = REQUEST.model_copy(update={"data_url": "http://d/{{workflow.name}}.csv?a={{=1}}"})
    assert parameters_of(request)["data_url"] == "http://d/%7B%7Bworkflow.name%7D%7D.csv?a=%7B%7B=1%7D%7D"


def test_parameters_of_others_are_left_alone() -> None:
    assert request_of(parameters_of(REQUEST) | {"colour": "green"}) == REQUEST


def test_a_workflow_without_the_parameters_is_no_run() -> None:
    with pytest.raises(ValidationError):
        request_of({"task": "passwords"})
