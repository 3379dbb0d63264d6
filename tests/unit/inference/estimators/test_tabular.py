"""The additive and the boosted model: equal to those who trained them, explained, and strict about their files."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from interpret.glassbox import ExplainableBoostingRegressor
from numpy.typing import NDArray

from regraft_core.contract import Column, Contract
from regraft_core.errors import BundleError
from regraft_inference.estimators.additive import FEW_ROWS, AdditiveModel, Term
from regraft_inference.estimators.encoding import Encoding
from regraft_inference.estimators.reasons import PlacedReasons
from regraft_inference.estimators.tabular import AdditiveEstimator, BoostedEstimator, TabularEstimator
from regraft_inference.estimators.training import additive_model

FEATURES = (
    Column(name="a", type="number", nullable=True),
    Column(name="b", type="number"),
    Column(name="c", type="string", categories=("x", "y", "z"), nullable=True),
    Column(name="d", type="date", nullable=True),
)
NUMBER = Contract(task="t", features=FEATURES, target=Column(name="y", type="number"))
YES = Contract(task="t", features=FEATURES, target=Column(name="y", type="boolean"))
LABELS = Contract(task="t", features=FEATURES, target=Column(name="y", type="string", categories=("k", "l", "m")))


def table(rows: int, seed: int = 1) -> tuple[dict[str, Any], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.uniform(-2, 2, size=rows)
    c = rng.integers(0, 3, size=rows)
    score = a + np.sin(2 * b) + np.array([0.0, 1.0, -1.0])[c] + rng.logistic(size=rows) / 2
    columns: dict[str, Any] = {
        "a": np.where(rng.random(rows) < 0.1, np.nan, a),
        "b": b,
        "c": [None if gap else "xyz"[place] for gap, place in zip(rng.random(rows) < 0.1, c, strict=True)],
        "d": np.datetime64("2020-01-01", "us") + rng.integers(0, 900, rows) * np.timedelta64(1, "D"),
    }
    return columns, score


def targets(contract: Contract, score: NDArray[np.float64]) -> NDArray[Any]:
    if contract is NUMBER:
        return score * 1000 + 5
    return score > 0 if contract is YES else np.array(["k", "l", "m"], dtype=object)[np.digitize(score, [-1, 1])]


@pytest.fixture(scope="module")
def fitted() -> Callable[[type[TabularEstimator], Contract], TabularEstimator]:
    made: dict[Any, TabularEstimator] = {}
    columns, score = table(300)

    def get(kind: type[TabularEstimator], contract: Contract) -> TabularEstimator:
        if (kind, contract.target.type) not in made:
            problem = "regression" if contract is NUMBER else "classification"
            made[kind, contract.target.type] = kind(contract, problem).fit(columns, targets(contract, score))
        return made[kind, contract.target.type]

    return get


EACH = [(kind, contract) for kind in (AdditiveEstimator, BoostedEstimator) for contract in (NUMBER, YES, LABELS)]


@pytest.mark.parametrize(("kind", "contract"), EACH)
def test_reasons_add_up_to_the_answer(fitted: Any, kind: Any, contract: Contract) -> None:
    estimator = fitted(kind, contract)
    columns, _ = table(10_000, seed=2)
    scores = estimator.scores(columns)
    if contract is LABELS:
        scores = scores.max(axis=1, keepdims=True) - scores.mean(axis=1, keepdims=True)
    reasons = estimator.reasons(columns)
    sums = np.array([one.start + sum(one.added) for one in reasons])
    tolerance = 1e-9 if kind is AdditiveEstimator else 1e-6
    np.testing.assert_allclose(sums, scores[:, 0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(sums, [one.answer for one in reasons], rtol=1e-9, atol=1e-9)
    sizes = [abs(added) for added in reasons[0].added]
    assert sizes == sorted(sizes, reverse=True)
    if contract is YES:
        assert reasons[0].scale == "log odds that y is true"
        np.testing.assert_allclose(1 / (1 + np.exp(-sums)), estimator.probabilities(columns)[:, 1], atol=1e-9)


@pytest.mark.parametrize(("kind", "contract"), EACH)
def test_reasons_of_a_row_are_the_same_alone_and_among_many(fitted: Any, kind: Any, contract: Contract) -> None:
    estimator = fitted(kind, contract)
    columns, _ = table(60, seed=3)
    scores, many = estimator.explained(columns)
    for rows in (1, 3, FEW_ROWS, FEW_ROWS + 1):
        for first in range(0, 60 - rows, 7):
            some = {name: values[first : first + rows] for name, values in columns.items()}
            of_some, reasons = estimator.explained(some)
            assert of_some.tolist() == scores[first : first + rows].tolist()
            assert [each.told() for each in reasons] == [each.told() for each in many[first : first + rows]]
    none = {name: values[:0] for name, values in columns.items()}
    assert len(estimator.reasons(none)) == 0


@pytest.mark.parametrize("target", ["number", "boolean"])
def test_what_columns_add_alone_is_known_before_it_is_asked(target: Any) -> None:
    names = ["a", "b", "c"]
    contract = Contract(
        task="alone",
        target=Column(name="y", type=target),
        features=[Column(name=name, type="number") for name in names],
    )
    rng = np.random.default_rng(8)
    columns = dict(zip(names, rng.normal(size=(3, 150)), strict=True))
    score = columns["a"] + rng.normal(size=150)
    problem, of_rows = ("regression", score) if target == "number" else ("classification", score > 0)
    estimator = AdditiveEstimator(contract, problem).fit(columns, of_rows)
    found = estimator.reasons(columns)
    assert isinstance(found, PlacedReasons)
    told = found.table()
    np.testing.assert_array_equal(found.cells.added[found.places], told.numbers[:, :-1])
    np.testing.assert_array_equal(found.cells.columns[found.places], told.order)
    for row in range(len(found)):
        (alone,) = estimator.reasons({name: values[row : row + 1] for name, values in columns.items()})
        assert alone == found[row]
    assert len(estimator.reasons({name: values[:0] for name, values in columns.items()})) == 0


@pytest.mark.parametrize(("kind", "contract"), EACH)
def test_columns_that_tell_more_count_more(fitted: Any, kind: Any, contract: Contract) -> None:
    estimator = fitted(kind, contract)
    told = estimator.explain(lambda: [table(2000, seed=7)])["importance"]
    assert {one["column"] for one in told} == set(contract.feature_names)
    assert [one["added"] for one in told] == sorted((one["added"] for one in told), reverse=True)
    assert told[-1]["column"] == "d"  # of which the target does not depend


@pytest.mark.parametrize("contract", [NUMBER, YES, LABELS])
def test_a_row_alone_has_the_same_bits_as_among_many(fitted: Any, contract: Contract) -> None:
    estimator = fitted(AdditiveEstimator, contract)
    matrix = estimator.fitted.encoding.matrix(table(500, seed=6)[0])
    alone = np.concatenate([estimator.model.scores(row[None]) for row in matrix])
    np.testing.assert_array_equal(alone, estimator.model.scores(matrix))


@pytest.mark.parametrize(("kind", "contract"), EACH)
def test_what_is_loaded_answers_as_what_was_saved(fitted: Any, kind: Any, contract: Contract, tmp_path: Path) -> None:
    estimator = fitted(kind, contract)
    estimator.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5 << 20
    kind.load(tmp_path)
    seconds = []
    for _ in range(5):
        began = process_time()
        loaded = kind.load(tmp_path)
        seconds.append(process_time() - began)
    assert min(seconds) < 0.1
    columns, score = table(2000, seed=3)
    np.testing.assert_array_equal(loaded.scores(columns), estimator.scores(columns))
    if contract is not NUMBER:
        right = float(np.mean(loaded.predict(columns) == targets(contract, score)))
        assert right > (0.7 if contract is YES else 0.5)


def test_calibrated(fitted: Any) -> None:
    for kind in (AdditiveEstimator, BoostedEstimator):
        columns, score = table(5_000, seed=4)
        probable = fitted(kind, YES).probabilities(columns)[:, 1]
        bins = np.minimum((probable * 10).astype(int), 9)
        gaps = [abs((score > 0)[bins == one].mean() - probable[bins == one].mean()) for one in np.unique(bins)]
        shares = [np.mean(bins == one) for one in np.unique(bins)]
        assert float(np.dot(gaps, shares)) < 0.08


@pytest.mark.filterwarnings("ignore")
def test_the_additive_model_is_interprets_own() -> None:
    columns, score = table(300)
    encoding = Encoding.learn(NUMBER, columns)
    matrix = encoding.matrix(columns)
    kinds = ["nominal" if part.levels is not None else "continuous" for part in encoding.parts]
    machine = ExplainableBoostingRegressor(feature_types=kinds, outer_bags=2, interactions=2, max_rounds=50, n_jobs=1)
    machine.fit(matrix, score)
    model = additive_model(machine, dict(enumerate(encoding.parts)))
    new = encoding.matrix(table(2000, seed=5)[0])
    np.testing.assert_allclose(model.scores(new)[:, 0], machine.predict(new), rtol=0, atol=1e-12)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    columns, score = table(120)
    for kind in (AdditiveEstimator, BoostedEstimator):
        kept = []
        for number in (1, 2):
            folder = tmp_path / f"{kind.format}{number}"
            folder.mkdir()
            kind(NUMBER, "regression").fit(columns, score).save(folder)
            kept.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert kept[0] == kept[1]


def small() -> AdditiveModel:
    return AdditiveModel(np.zeros(1), [Term((0,), (np.array([0.5, 1.5]),), np.arange(4.0).reshape(4, 1))])


def test_gaps_and_cuts_have_their_bins() -> None:
    matrix = np.array([[np.nan], [0.0], [0.5], [1.0], [2.0]])
    assert small().scores(matrix)[:, 0].tolist() == [0, 1, 2, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"intercept": np.zeros(2)},
        {"intercept": np.array([np.nan])},
        {"parts": np.array([[7, -1]])},
        {"parts": np.array([[-2, -1]])},
        {"sizes": np.array([[1 << 50, -1]])},
        {"sizes": np.array([[-1, -1]])},
        {"cuts": np.array([1.5, 0.5])},
        {"scores": np.zeros(3)},
        {"scores": np.zeros(5)},
        {"scores": np.array(["x"] * 4)},
        {"parts": np.array([[0.0, -1.0]])},
    ],
)
def test_arrays_of_no_model_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    small().save(tmp_path)
    with np.load(tmp_path / "terms.npz") as loaded:
        arrays = dict(loaded) | change
    np.savez(tmp_path / "terms.npz", allow_pickle=False, **arrays)
    with pytest.raises(BundleError) as refused:
        AdditiveModel.load(tmp_path, parts=1, outputs=1)
    assert refused.value.code == "estimator_damaged"


def test_packed_and_pickled_arrays_are_refused(tmp_path: Path) -> None:
    small().save(tmp_path)
    with np.load(tmp_path / "terms.npz") as loaded:
        arrays = dict(loaded)
    np.savez_compressed(tmp_path / "terms.npz", allow_pickle=False, **arrays | {"scores": np.zeros(1 << 24)})
    with pytest.raises(BundleError):
        AdditiveModel.load(tmp_path, parts=1, outputs=1)
    np.savez(tmp_path / "terms.npz", allow_pickle=True, **arrays | {"scores": np.array([print] * 4)})
    with pytest.raises(BundleError):
        AdditiveModel.load(tmp_path, parts=1, outputs=1)
    with zipfile.ZipFile(tmp_path / "terms.npz", "a") as archive:
        archive.writestr("more.npy", b"")
    with pytest.raises(BundleError):
        AdditiveModel.load(tmp_path, parts=1, outputs=1)


@pytest.mark.parametrize(
    "change",
    [{"kind": "pickle"}, {"offsets": [0, 0]}, {"slope": None}, {"classes": []}, {"more": 1}, {"problem": "regression"}],
)
def test_what_goes_with_a_model_has_to_fit_it(fitted: Any, change: dict[str, Any], tmp_path: Path) -> None:
    fitted(AdditiveEstimator, YES).save(tmp_path)
    path = tmp_path / "estimator.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(BundleError):
        AdditiveEstimator.load(tmp_path)


def test_a_target_that_never_changes() -> None:
    columns, score = table(60)
    assert set(AdditiveEstimator(NUMBER, "regression").fit(columns, score * 0 + 3).predict(columns)) == {3.0}
    always = BoostedEstimator(YES, "classification").fit(columns, score > -1e9)
    assert always.predict(columns).all()
    assert always.probabilities(columns).tolist() == [[1.0]] * 60


def test_columns_that_tell_nothing() -> None:
    columns, score = table(60)
    one = Contract(task="t", features=FEATURES[:1], target=NUMBER.target)
    for gaps in (np.full(60, np.nan), np.ones(60)):
        found = AdditiveEstimator(one, "regression").fit({"a": gaps}, score)
        np.testing.assert_allclose(found.predict({"a": np.array([1.0, np.nan])}), score.mean())
    half = AdditiveEstimator(NUMBER, "regression").fit(columns | {"b": np.zeros(60), "c": [None] * 60}, score)
    assert {part for term in half.model.terms for part in term.parts}.isdisjoint({1, 2})  # type: ignore[union-attr]


def test_an_open_string_of_which_no_value_is_there_twice() -> None:
    named = Contract(task="t", features=(Column(name="s", type="string"), FEATURES[1]), target=NUMBER.target)
    columns, score = table(60)
    for kind in (AdditiveEstimator, BoostedEstimator):
        found = kind(named, "regression").fit({"s": [f"n{row}" for row in range(60)], "b": columns["b"]}, score)
        assert np.isfinite(found.predict({"s": ["n1", "new"], "b": np.zeros(2)})).all()


def test_a_class_with_few_rows() -> None:
    columns, _ = table(60)
    labels = np.array(["k"] * 29 + ["l"] * 29 + ["m"] * 2, dtype=object)
    for kind in (AdditiveEstimator, BoostedEstimator):
        found = kind(LABELS, "classification").fit(columns, labels)
        assert found.classes == ["k", "l", "m"]
        np.testing.assert_allclose(found.probabilities(columns).sum(axis=1), 1)


@pytest.mark.parametrize("kind", [AdditiveEstimator, BoostedEstimator])
def test_a_heavy_tail_is_learned_on_its_logarithm(kind: type[TabularEstimator], tmp_path: Path) -> None:
    columns, score = table(300)
    contract = NUMBER.model_copy(update={"target": Column(name="y", type="integer", minimum=0)})
    target = np.floor(np.exp(1.5 * score + 1)).astype(np.int64)
    estimator = kind.for_task(contract, "regression").fit(columns, target)
    answers = estimator.predict(columns)
    assert answers.dtype == np.int64
    assert answers.min() >= 0
    assert np.square(np.log1p(answers) - np.log1p(target)).mean() < 0.7 * np.log1p(target).var()
    (first, *_) = estimator.reasons(columns)
    assert first.scale == "log(1 + y)"
    assert round(np.expm1(max(first.answer, 0))) == answers[0]
    estimator.save(tmp_path)
    assert kind.load(tmp_path).predict(columns).tolist() == answers.tolist()


@pytest.mark.parametrize("kind", [AdditiveEstimator, BoostedEstimator])
@pytest.mark.parametrize("of", [lambda score: 2**63 - 1 - (score > 0), lambda score: np.where(score > 0, 2**63 - 1, 0)])
def test_integers_stay_within_64_bits(kind: type[TabularEstimator], of: Callable[[Any], Any]) -> None:
    columns, score = table(200)
    contract = NUMBER.model_copy(update={"target": Column(name="y", type="integer")})
    estimator = kind(contract, "regression").fit(columns, of(score).astype(np.int64))
    answers, reasons = estimator.predict(columns), estimator.reasons(columns)
    assert answers.min() > -(2**62)
    assert answers.max() > 2**62
    assert answers.tolist() == pytest.approx([min(one.answer, 2**63) for one in reasons])


@pytest.mark.parametrize("kind", [AdditiveEstimator, BoostedEstimator])
def test_of_a_heavy_tail_the_answer_is_that_of_the_reasons(kind: type[TabularEstimator]) -> None:
    columns, score = table(300)
    estimator = kind(NUMBER, "regression").fit(columns, 1e20 * np.exp(3 * score))
    answers, reasons = estimator.predict(columns), estimator.reasons(columns)
    assert reasons[0].scale == "log(1 + y)"
    assert answers.tolist() == pytest.approx([np.expm1(one.answer) for one in reasons], rel=1e-6)
    assert np.isfinite(estimator.answers_of(np.array([[1000.0]]))).all()
