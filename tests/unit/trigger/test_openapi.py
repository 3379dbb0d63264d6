"""The service and its OpenAPI document agree, on examples that schemathesis makes up."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
    use_after_free,
)

from tests.unit.trigger.serving import Running


def wrong_data_is_refused(context: Any, response: Any, case: schemathesis.Case[Any]) -> bool | None:
    """Look whether what breaks the schema is refused; what is too large as well is told that first."""
    return (
        None
        if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else negative_data_rejection(context, response, case)
    )


CHECKS = [
    not_a_server_error,
    content_type_conformance,
    wrong_data_is_refused,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
    use_after_free,
]
FIT = ("GET", "/tasks/{task}/fit")
OPERATIONS = [
    FIT,
    ("POST", "/trigger"),
    ("POST", "/rollback"),
    ("GET", "/runs"),
    ("GET", "/runs/{run_id}"),
    ("GET", "/runs/{run_id}/report"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
]


def test_the_document_names_every_operation_and_no_error_of_the_framework(service: Running) -> None:
    document = service.client.get("/openapi.json").json()

    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert operations == {
        *OPERATIONS,
        ("GET", "/events"),
        ("GET", "/tasks"),
        ("GET", "/tasks/{task}/versions"),
        ("POST", "/tasks/{task}/outcomes"),
        ("GET", "/tasks/{task}/collected"),
        ("GET", "/tasks/{task}/standards"),
        ("POST", "/tasks/{task}/reference"),
        ("GET", "/tasks/{task}/versions/{version}/bundle"),
        ("GET", "/tasks/{task}/versions/{version}/data"),
        ("POST", "/runs/{run_id}/cancel"),
    }
    assert "HTTPValidationError" not in str(document)
    assert "application/problem+json" in str(document["paths"]["/trigger"]["post"]["responses"]["401"])
    assert "securitySchemes" not in document["components"]


@pytest.mark.hypothesis  # with more examples in make test-long
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_made_up_requests_get_documented_answers(service: Running, method: str, path: str) -> None:
    service.accept()
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    operation = schema[path][method]

    @hypothesis.settings(
        max_examples=hypothesis.settings().max_examples // 3,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(
        case=operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    )
    def every_answer_is_documented(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    every_answer_is_documented()
