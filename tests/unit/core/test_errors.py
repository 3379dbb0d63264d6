import pytest

from regraft_core.codes import Code
from regraft_core.errors import (
    BadRequestError,
    BundleError,
    ContractError,
    DeployError,
    NotFoundError,
    RegraftError,
    SourceError,
    TemporaryError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)


def test_problem_details_carry_the_code_and_the_details() -> None:
    error = ContractError("column 'Password' is missing", code=Code.COLUMN_MISSING, column="Password")
    assert error.problem() == {
        "type": "urn:regraft:problem:column_missing",
        "title": "The request breaks the contract",
        "status": 400,
        "detail": "column 'Password' is missing",
        "code": "column_missing",
        "column": "Password",
    }
    assert str(error) == "column 'Password' is missing"


@pytest.mark.parametrize(
    ("kind", "status", "exit_code"),
    [
        (RegraftError, 500, 1),
        (BadRequestError, 400, 1),
        (ContractError, 400, 1),
        (UnauthorizedError, 401, 1),
        (NotFoundError, 404, 1),
        (TooLargeError, 413, 1),
        (UnavailableError, 503, 1),
        (SourceError, 500, 1),
        (BundleError, 500, 1),
        (DeployError, 500, 1),
        (TemporaryError, 503, 75),
    ],
)
def test_every_kind_has_a_status_an_exit_code_and_a_code(kind: type[RegraftError], status: int, exit_code: int) -> None:
    error = kind("what is wrong")
    assert (error.status, error.exit_code) == (status, exit_code)
    assert error.code == kind.code
    assert error.code.replace("_", "").isalpha()


def test_unavailable_says_when_to_try_again() -> None:
    assert UnavailableError("not now", retry_after=7).retry_after == 7
