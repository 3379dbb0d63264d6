"""What the workflow of a run and those who submit and read it agree on."""

from __future__ import annotations

from collections.abc import Mapping

from regraft_core.runs import RunRequest

API_VERSION = "argoproj.io/v1alpha1"

TEMPLATE = "regraft-pipeline"
"""Name of the WorkflowTemplate."""

TASK_LABEL = "regraft.dev/task"
"""Label of a run's Workflow: its task."""

ORDER_ANNOTATION = "regraft.dev/order"
"""Annotation of a run's Workflow: what runs are ordered by."""

PUT_BACK = "put-back"
"""Name of the template that has a deploy which has failed for good put back what served."""

RECORD = "record"
"""Name of the template that writes the record of the run."""

OUTCOME = "outcome"
"""Output parameter of every step: ``continue``, or the state in which the run ends with this step."""

PARAMETERS = tuple(RunRequest.model_fields)
"""Parameters of the workflow: the request, field by field."""

REQUEST_PREFIX = "REGRAFT_REQUEST_"
"""Begin of the environment variables that the run's request comes in, one for each field."""

FAILURES_VARIABLE = "REGRAFT_WORKFLOW_FAILURES"
"""Environment variable of the recording container: the failed nodes of the workflow, as Argo writes them."""

OUTCOME_FILE = "/tmp/outcome"  # noqa: S108  (/tmp is a volume of the pod alone)
"""Where Argo reads the outcome of a step."""


def parameters_of(request: RunRequest) -> dict[str, str]:
    """Return the request as parameters of a workflow; what is not set is empty.

    Braces, which no address needs unencoded, are percent-encoded: Argo would read ``{{...}}`` as a template.
    """
    fields = request.model_dump(mode="json", include=set(PARAMETERS))
    texts = {name: "" if value is None else str(value) for name, value in fields.items()}
    texts["force"] = "true" if request.force else "false"
    return {name: text.replace("{", "%7B").replace("}", "%7D") for name, text in texts.items()}


def request_of(parameters: Mapping[str, str]) -> RunRequest:
    """Return the request that the parameters of a workflow stand for; others than the request's are left alone."""
    return RunRequest.model_validate({name: parameters[name] for name in PARAMETERS if parameters.get(name)})
