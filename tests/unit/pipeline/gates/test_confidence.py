"""What is estimated of a trained version's served answers is the truth, within its error: nobody tells it outcomes."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from regraft_core.fit.fit import Fit
from regraft_inference.bundle import Bundle
from regraft_inference.fit.counter import VersionCounter
from regraft_inference.fit.known import known_of
from regraft_pipeline.tasks import heart_disease, passwords

TASK = heart_disease.TASK
ERRORS = 3.5


def asked(bundle: Bundle, frame: pd.DataFrame) -> Fit:
    counter, columns = VersionCounter(known_of(bundle), bundle.contract), TASK.columns_of(frame)
    answers, scores = bundle.predict_scored(columns)
    assert (answers == bundle.predict(columns)).all()
    counter.saw(columns, answers, scores)
    return counter.fit("day")


@pytest.mark.parametrize(
    "drift",
    [lambda frame: frame, lambda frame: frame[frame["age"] > 60], lambda frame: frame[frame["exang"] == 1]],
    ids=["as trained", "older", "ill"],
)
def test_the_estimate_follows_the_requests(
    heart_incumbent: Bundle, drift: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    frame = drift(heart_disease.generate(77, 4000))
    found = asked(heart_incumbent, frame).estimated
    target, columns = TASK.target_of(frame), TASK.columns_of(frame)
    truth = {
        "accuracy": float((heart_incumbent.predict(columns) == target).mean()),
        "roc_auc": float(roc_auc_score(target, heart_incumbent.class_probabilities(columns)[:, 1])),
    }
    assert {name for name in found if not name.endswith("error")} == truth.keys()
    for name, value in truth.items():
        error = found[f"{name}_standard_error"]
        assert abs(found[name] - value) < ERRORS * error
        assert error < 0.05


def test_few_rows_and_numbers_are_not_estimated(heart_incumbent: Bundle, incumbent: Bundle) -> None:
    few = asked(heart_incumbent, heart_disease.generate(77, 199))
    assert (few.state, few.estimated) == ("unknown", {})
    assert incumbent.predict_scored(passwords.TASK.columns_of(passwords.bootstrap().head(5)))[1] is None
    assert known_of(incumbent).confidence is None


def test_a_profile_of_an_earlier_release_knows_no_confidence_and_is_read(heart_incumbent: Bundle) -> None:
    known = known_of(heart_incumbent)
    assert known.profile is not None
    assert known.profile.confidence is not None
    assert sum(known.profile.confidence.counts) == min(known.profile.rows, TASK.gates.evaluation_rows)
    older = known.profile.model_dump(exclude={"confidence"})
    before = known.model_copy(update={"profile": type(known.profile).model_validate(older)})
    counter, columns = VersionCounter(before, heart_incumbent.contract), TASK.columns_of(heart_disease.generate(7, 300))
    counter.saw(columns, *heart_incumbent.predict_scored(columns))
    counts = counter.counts()
    assert counts.confidence == []
    assert known.fits(counts)  # of a predictor of an earlier release
    assert counter.fit("day").estimated == {}
