from __future__ import annotations

from datetime import UTC, datetime

import pytest

from regraft_core.fit.counts import Counts, Known, Refused, total
from regraft_core.fit.fit import FitState, fit_of
from regraft_core.profile import CONFIDENCE_EDGES, Bins, Confidence, Levels, Profile

MOMENT = datetime(2026, 11, 25, tzinfo=UTC)


def levels(**counts: int) -> Levels:
    rows = sum(counts.values())
    shares = tuple(count / rows for count in counts.values())
    return Levels(levels=tuple(counts), counts=(*counts.values(), 0), shares=(*shares, 0.0))


def known(*, unfit_psi: float = 1.0, trends: tuple[str, ...] = (), predictions: bool = True) -> Known:
    age = Bins(edges=(40.0,), counts=(500, 500), shares=(0.5, 0.5), minimum=1, maximum=90)
    profile = Profile(
        task="hearts",
        rows=1000,
        data_sha256="0" * 64,
        target=levels(yes=500, no=500),
        inputs={
            "age": {"values": age, "missing": levels(there=990, missing=10)},
            "sex": {"values": levels(f=500, m=500)},
        },
        predictions=levels(yes=500, no=500) if predictions else None,
    )
    return Known(
        task="hearts", version="3", data_sha256="0" * 64, profile=profile, unfit_psi=unfit_psi, trends=[*trends]
    )


def counts(
    *,
    rows: int = 1000,
    old: float = 0.5,
    women: float = 0.5,
    other: float = 0.0,
    yes: float = 0.5,
    missing: float = 0.01,
    refused: int = 0,
) -> Counts:
    def split(share: float, rows: int = rows) -> list[int]:
        return [rows - round(rows * share), round(rows * share)]

    strangers = round(rows * other)
    return Counts(
        rows=rows,
        requests=rows,
        columns={
            "age": {"values": split(old), "missing": [*split(missing), 0]},
            "sex": {"values": [*reversed(split(women, rows - strangers)), strangers]},
        },
        predictions=[*split(1 - yes), 0],
        refused=[Refused(column="age", code="value_too_large", requests=refused)] if refused else [],
    )


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        (counts(), "fits"),
        (counts(rows=199), "unknown"),
        (counts(rows=200), "fits"),
        (counts(rows=0), "unknown"),
        (counts(old=0.8), "drifting"),
        (counts(old=0.97), "unfit"),
        (counts(yes=0.8), "drifting"),
        (counts(yes=0.97), "unfit"),
        (counts(other=0.07), "drifting"),
        (counts(other=0.2), "unfit"),
        (counts(refused=10), "fits"),
        (counts(refused=11), "drifting"),
        (counts(refused=50), "drifting"),
        (counts(refused=51), "unfit"),
        (counts(rows=100, old=0.97), "unknown"),
        (counts(missing=0.5), "unfit"),
    ],
)
def test_the_state_is_the_table_s(asked: Counts, state: str) -> None:
    assert fit_of(known(), asked, window="day", since=MOMENT).state == state


def test_the_limit_of_the_task_counts() -> None:
    assert fit_of(known(unfit_psi=0.3), counts(old=0.8), window="day", since=MOMENT).state == FitState.UNFIT


def test_a_column_that_moves_with_time_may_move() -> None:
    fit = fit_of(known(trends=("age",)), counts(old=0.97), window="day", since=MOMENT)
    assert fit.state == FitState.FITS
    assert fit_of(known(trends=("age",)), counts(missing=0.5), window="day", since=MOMENT).state == FitState.UNFIT


def test_what_is_not_known_of_the_predictions_is_never_called_good() -> None:
    old = known(predictions=False)
    asked = counts().model_copy(update={"predictions": []})
    assert fit_of(old, asked, window="day", since=MOMENT).state == FitState.UNKNOWN
    drifted = counts(old=0.97).model_copy(update={"predictions": []})
    assert fit_of(old, drifted, window="day", since=MOMENT).state == FitState.UNFIT


def test_the_answer_has_the_keys_and_shares_that_are_promised() -> None:
    asked = counts(other=0.1, missing=0.2, refused=4)
    fit = fit_of(known(), asked, window="hour", since=MOMENT).model_dump(mode="json")
    assert list(fit) == [
        "state",
        "since",
        "window",
        "rows",
        "columns",
        "predictions",
        "refused",
        "estimated",
        "measured",
    ]
    age, sex = fit["columns"]
    assert list(age) == ["name", "psi", "p", "rows", "missing", "unknown"]
    assert (age["missing"], age["unknown"], sex["missing"], sex["unknown"]) == (0.2, 0.0, 0.0, 0.1)
    assert fit["refused"] == [{"column": "age", "code": "value_too_large", "share": 0.004}]
    assert fit["predictions"] == {"psi": 0.0, "p": 1.0}


def test_a_classifier_s_answers_are_estimated_from_enough_rows() -> None:
    bins = len(CONFIDENCE_EDGES) + 1
    held_out = [0] * bins
    held_out[10], held_out[50] = 500, 500
    confidence = Confidence(of="second", counts=tuple(held_out), true=tuple(n // 10 for n in held_out))
    of_classifier = known()
    assert of_classifier.profile is not None
    profile = of_classifier.profile.model_copy(update={"confidence": confidence})
    of_classifier = of_classifier.model_copy(update={"profile": profile})
    asked = counts().model_copy(update={"confidence": [*held_out[:50], 499, *held_out[51:]]})
    fit = fit_of(of_classifier, asked, window="day", since=MOMENT)
    assert fit.estimated.keys() >= {"accuracy", "accuracy_standard_error", "roc_auc", "roc_auc_standard_error"}
    assert fit.estimated["accuracy"] == pytest.approx(0.5, abs=0.02)  # 0.9 below a half, 0.1 above: surer than right
    assert of_classifier.fits(asked)
    assert of_classifier.fits(counts())
    assert not known().fits(asked)
    assert total([asked, asked, counts()]).confidence[10] == 1000
    few = asked.model_copy(update={"confidence": [199, *[0] * (bins - 1)]})
    assert fit_of(of_classifier, few, window="day", since=MOMENT).estimated == {}


def test_counts_add_up_and_can_be_taken_apart() -> None:
    one, other = counts(old=0.7, refused=3), counts(rows=40, women=0.2)
    assert one.plus(other).since(other) == one
    assert total([one, other, Counts()]) == one.plus(other)
    assert one.since(Counts()) == one


def test_counts_in_other_bins_are_told() -> None:
    assert known().fits(counts(refused=1))
    broken = counts().model_copy(update={"predictions": [1]})
    assert not known().fits(broken)
    assert not known().fits(counts().model_copy(update={"columns": {"age": {"values": [1, 2]}}}))
    stranger = Refused(column="made up", code="unknown_column", requests=1)
    assert not known().fits(counts().model_copy(update={"refused": [stranger]}))
