import random
from collections.abc import Iterator

import pytest

from tests.fuzz.__main__ import TARGETS
from tests.fuzz.files import check_rows
from tests.fuzz.requests import stop
from tests.fuzz.target import Target, WrongError, failure_of, mutated, shrunk

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


@pytest.fixture(scope="module", autouse=True)
def _stopped() -> Iterator[None]:
    yield
    stop()  # while pytest still has the streams that its thread logs to


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_good_inputs_and_a_few_mutations_of_each_target_are_treated_right(target: Target) -> None:
    source = random.Random(3)
    assert failure_of(target, target.make(source)) is None
    for _ in range(5):
        assert failure_of(target, mutated(target.make(source), target, source)) is None


def test_a_failure_is_printed_small() -> None:
    def check(content: bytes) -> None:
        if b"!" in content:
            raise WrongError("a mark")

    target = Target("marks", lambda _: b"a" * 200 + b"!" + b"b" * 300, check)
    failure = failure_of(target, target.make(random.Random(0)))
    assert failure is not None
    assert shrunk(target, failure).content == b"!"


def test_rows_lost_in_silence_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    check_rows(b"Password,Times\na,1\nb,2\n")
    monkeypatch.setattr("tests.fuzz.files._read_strictly", lambda _: [("a", "1")])
    with pytest.raises(WrongError, match="2 rows are read, of 1"):
        check_rows(b"Password,Times\na,1\nb,2\n")
