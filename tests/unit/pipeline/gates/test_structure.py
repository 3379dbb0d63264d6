from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regraft_core.contract import Column, Contract
from regraft_core.verdict import Reason
from regraft_pipeline.gates import structure
from regraft_pipeline.tasks import GateSettings, Task, heart_disease, passwords

TASK = replace(passwords.TASK, gates=GateSettings(min_rows=1))

type Write = Callable[[pd.DataFrame | str | bytes], Path]


def csv_of(*rows: str) -> str:
    return "Password,Times\n" + "".join(f"{row}\n" for row in rows)


def many(count: int = 200) -> list[str]:
    return [f"word{i},{i % 2}" for i in range(count)]


class Checked:
    """What the gate leaves of a file, all rows at once in the order of their inputs."""

    def __init__(self, path: Path, task: Task = TASK) -> None:
        found = structure.check(path, task, path.parent)
        self.reasons = found.reasons
        assert found.data is not None
        self.data = found.data
        self.frame = found.data.frame().sort_values(task.contract.feature_names, ignore_index=True)


def reasons_of(path: Path, task: Task = TASK) -> dict[str, Reason]:
    return {reason.code: reason for reason in structure.check(path, task, path.parent).reasons}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("often", "value_not_numeric"),
        ("1 000", "value_not_numeric"),
        ('"1,5"', "value_not_numeric"),
        ("0x10", "value_not_numeric"),
        ("1_000", "value_not_numeric"),
        ("True", "value_not_numeric"),
        ("\u0661", "value_not_numeric"),
        ("NaN", "value_nan"),
        ("null", "value_nan"),
        ("inf", "value_infinite"),
        ("-Infinity", "value_infinite"),
        ("1e999", "value_infinite"),
        ("-1", "value_negative"),
        ("", "value_missing"),
    ],
)
def test_each_kind_of_bad_target_has_a_code_of_its_own(write: Write, value: str, code: str) -> None:
    reason = reasons_of(write(csv_of(*many(10), f"bad,{value}")))[code]
    assert (reason.severity, reason.column) == ("error", "Times")
    assert reason.figures["rows"] == 1
    assert reason.rows == [{"line": 12, "Password": "bad", "Times": value.strip('"')}]


@pytest.mark.parametrize("value", ["1", "1.0", "1.", ".5", "+1e3", " 2 ", "0002", "1E-3"])
def test_numbers_may_be_written_in_many_ways(write: Write, value: str) -> None:
    found = Checked(write(csv_of("other,7", f"word,{value}")))
    assert found.reasons == []
    assert found.frame["Times"].iloc[1] == float(value)


def test_a_few_missing_values_are_dropped_with_a_warning_and_more_are_refused(write: Write) -> None:
    few = Checked(write(csv_of(*many(), "lost,", "empty,nan")))
    assert [(reason.code, reason.severity) for reason in few.reasons] == [
        ("value_missing", "warning"),
        ("value_nan", "warning"),
    ]
    assert len(few.frame) == 200
    more = reasons_of(write(csv_of(*many(), ",1", ",0", ",1")))["value_missing"]
    assert (more.severity, more.column) == ("error", "Password")


def test_strings_that_are_too_long_are_refused_with_the_limit(write: Write) -> None:
    reason = reasons_of(write(csv_of(*many(), "a" * 257 + ",1")))["value_too_long"]
    assert reason.remedy == "at most 256 characters"


def test_all_reasons_are_collected(write: Write) -> None:
    found = reasons_of(write(csv_of(*many(), "a,b", "c,-1", "d,inf", "e,1,2", ",,")))
    assert found.keys() == {"row_ragged", "value_not_numeric", "value_negative", "value_infinite"}


def test_numbers_keep_to_ranges_and_codes_to_categories(write: Write) -> None:
    frame = heart_disease.generate(1, 200)
    frame.loc[0, "age"] = 700
    frame.loc[1, "trestbps"] = 3
    frame.loc[2, "thal"] = 7
    frame["ca"] = frame["ca"].astype(float)
    frame.loc[3, "ca"] = 1.5
    found = reasons_of(write(frame), heart_disease.TASK)
    assert found.keys() == {
        "value_too_large",
        "value_too_small",
        "value_not_in_categories",
        "value_not_integer",
    }
    assert found["value_too_large"].remedy == "at most 110 years"
    assert found["value_not_in_categories"].rows[0]["line"] == 4


def test_repeated_inputs_are_taken_once_and_many_are_refused(write: Write) -> None:
    some = Checked(write(csv_of(*many(), *many(40))))
    assert some.reasons == []
    assert len(some.frame) == 200
    assert reasons_of(write(csv_of(*many(), *many(60))))["duplicates"].figures == {
        "rows": 60,
        "share": 0.230769,
        "limit": 0.2,
    }


def test_inputs_with_several_targets_are_dropped_and_many_are_refused(write: Write) -> None:
    few = Checked(write(csv_of(*many(), "word0,5")))
    assert [(reason.code, reason.severity) for reason in few.reasons] == [("targets_contradict", "warning")]
    assert "word0" not in set(few.frame["Password"])
    many_more = reasons_of(write(csv_of(*many(), "word0,5", "word1,5", "word2,5")))["targets_contradict"]
    assert many_more.severity == "error"
    assert [row["Password"] for row in many_more.rows] == ["word0", "word0", "word1", "word1", "word2"]


def test_a_task_may_allow_several_targets_for_an_input(write: Write) -> None:
    task = replace(TASK, gates=GateSettings(min_rows=1, one_target_per_input=False))
    found = Checked(write(csv_of("a,1", "a,2", "a,1")), task)
    assert found.reasons == []
    assert len(found.frame) == 3


def test_a_constant_target_and_too_few_rows_are_refused(write: Write) -> None:
    found = reasons_of(write(csv_of("a,1", "b,1", "a,1")), passwords.TASK)
    assert found["target_constant"].message == "Times is 1 in all 2 rows: there is nothing to learn"
    assert found["too_few_rows"].figures == {"rows": 3, "usable_rows": 2, "limit": 100}


def test_the_dataset_is_typed(write: Write) -> None:
    found = Checked(write(heart_disease.generate(1, 150)), heart_disease.TASK)
    assert list(found.frame.columns) == [column.name for column in heart_disease.CONTRACT.columns]
    assert found.frame["age"].dtype == np.float64
    assert found.frame["condition"].dtype == np.int64


def test_categories_may_be_words(write: Write) -> None:
    contract = Contract(
        task="houses",
        features=(Column(name="kind", type="string", categories=("flat", "house")), Column(name="area", type="number")),
        target=Column(name="price", type="number"),
    )
    task = replace(TASK, contract=contract)
    found = reasons_of(write("area,kind,price\n50,flat,1\n70,house,2\n80,castle,3\n"), task)
    assert found["value_not_in_categories"].remedy == "one of flat, house"


FRAMES = st.lists(
    st.tuples(
        st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=20),
        st.floats(0, 1e9, allow_nan=False),
    ),
    min_size=2,
    max_size=20,
    unique_by=lambda row: row[0],
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=FRAMES)
def test_valid_frames_come_back_as_they_were(write: Write, rows: list[tuple[str, float]]) -> None:
    frame = pd.DataFrame(rows, columns=["Password", "Times"])
    found = Checked(write(frame))
    assert {reason.code for reason in found.reasons} <= {"target_constant"}
    kept = dict(zip(found.frame["Password"], found.frame["Times"], strict=True))
    assert kept == dict(zip(frame["Password"], frame["Times"], strict=True))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_of_too_many_lines_is_refused_before_it_is_read(write: Write, end: str) -> None:
    task = replace(TASK, gates=GateSettings(min_rows=1, max_lines=100))
    just = "Password,Times\n" + "".join(f"word{row},{row % 2}\n" for row in range(99))
    assert "too_many_lines" not in reasons_of(write(just.replace("\n", end).encode()), task)
    for more in ("word,1\n", "\n", ",\n"):
        [reason] = structure.check(write((just + more).replace("\n", end).encode()), task, Path()).reasons
        assert (reason.code, reason.figures) == ("too_many_lines", {"limit": 100})
