from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core.errors import BundleError
from regraft_inference.estimators import Estimator, TrainingBatches, estimator_class
from regraft_inference.estimators.passwords import PasswordEstimator
from tests.bench.families import FamilyA, Floats, Sample, variants

ROWS = 1000
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


def fit(sample: Sample) -> PasswordEstimator:
    return PasswordEstimator().fit({"Password": sample.words}, sample.target)


def right(estimator: PasswordEstimator, sample: Sample) -> float:
    return float(np.mean(np.abs(estimator.predict({"Password": sample.words}) - sample.target) <= 0.05))


def heavy_tail(rows: int) -> tuple[list[str], Floats]:
    rng = np.random.default_rng(0)
    words = [
        f"{name}{number}" for name, number in zip(rng.choice(["ann", "bob", "xq"], rows), range(rows), strict=True)
    ]
    typical = np.array([{"ann": 40.0, "bob": 8.0, "xq": 1.0}[word.rstrip("0123456789")] for word in words])
    return words, np.ceil(typical * rng.lognormal(0, 0.2, rows))


@pytest.fixture(scope="module")
def levels() -> PasswordEstimator:
    return fit(FamilyA(0).sample(ROWS, 1))


@pytest.fixture(scope="module")
def counts() -> PasswordEstimator:
    words, target = heavy_tail(21_000)
    return PasswordEstimator().fit({"Password": words}, target)


@pytest.mark.parametrize(
    ("variant", "least"),
    [
        ("levels 0, 1", 0.999),
        ("levels 0, 5", 0.999),
        ("levels 1, 2, 3", 0.999),
        ("five levels", 0.99),
        ("16 of 18 letters shared", 0.995),
        ("shares .8, .2", 0.999),
        ("62 characters", 0.999),
        ("3 to 5 characters", 0.999),
        ("5 % flipped", 0.93),
        ("successors", 0.99),
        ("first letter", 0.99),
        ("length", 0.99),
    ],
)
def test_unseen_passwords_that_can_be_told_are_told(variant: str, least: float) -> None:
    family = variants(seed=3)[variant]
    learned = family.sample(ROWS, 1)
    fresh = family.sample(400, 2).without(learned)
    assert right(fit(learned), fresh.only(fresh.decidable)) >= least


@pytest.mark.parametrize("variant", ["levels 0, 1", "levels 1, 2, 3", "five levels", "62 characters"])
def test_passwords_of_the_training_set_are_known(variant: str) -> None:
    learned = variants(seed=4)[variant].sample(ROWS, 1)
    assert right(fit(learned), learned) >= 0.995


def test_a_constant_target_is_repeated() -> None:
    estimator = PasswordEstimator().fit({"Password": ["a", "b", "c", "d"]}, np.full(4, 7))
    assert estimator.predict({"Password": ["a", "new"]}).tolist() == [7.0, 7.0]


def test_counts_with_a_heavy_tail_are_learned(counts: PasswordEstimator) -> None:
    words, target = heavy_tail(500)
    error = np.log1p(counts.predict({"Password": words})) - np.log1p(target)
    assert counts.kind == "counts"
    assert np.sqrt(np.mean(error**2)) < 0.25
    assert np.log1p(target).std() > 1


def test_a_few_rows_with_many_values_get_the_model_that_suits_them() -> None:
    sample = FamilyA(0, levels=(0.0, 9.0)).sample(ROWS, 1)
    target = np.round((sample.target + 1) * np.random.default_rng(0).lognormal(0, 0.1, ROWS), 3)
    noisy = fit(sample._replace(target=target))
    assert noisy.kind == "levels"
    assert np.median(np.abs(noisy.predict({"Password": sample.words}) / target - 1)) < 0.15
    words, tail = heavy_tail(2000)
    assert PasswordEstimator().fit({"Password": words}, tail).predict({"Password": ["ann5"]})[0] > 10


@given(st.lists(ANY_TEXT, max_size=5))
def test_any_string_gets_one_of_the_levels(levels: PasswordEstimator, words: list[str]) -> None:
    assert set(levels.predict({"Password": words}).tolist()) <= {0.0, 1.0}


@given(st.lists(ANY_TEXT, max_size=5))
def test_any_string_gets_a_count_that_is_finite_and_not_negative(counts: PasswordEstimator, words: list[str]) -> None:
    answers = counts.predict({"Password": words})
    assert answers.shape == (len(words),)
    assert np.all(np.isfinite(answers) & (answers >= 0))


@pytest.mark.parametrize("words", [["", " "], ["x" * 1_000_000, "\ud800\x00\n"], ["é", "密码", "🔑" * 9]])
def test_strange_passwords_can_be_learned(words: list[str]) -> None:
    estimator = PasswordEstimator().fit(
        {"Password": words[:1] * 10 + words[1:] * 10}, np.repeat([0, 3], [10, 10 * len(words) - 10])
    )
    assert set(estimator.predict({"Password": words}).tolist()) <= {0.0, 3.0}


def test_answers_do_not_depend_on_the_other_rows(levels: PasswordEstimator, counts: PasswordEstimator) -> None:
    words = FamilyA(0).sample(50, 9).words
    for estimator in (levels, counts):
        alone = np.concatenate([estimator.predict({"Password": [word]}) for word in words])
        np.testing.assert_allclose(estimator.predict({"Password": words}), alone, rtol=1e-12)


def test_many_rows_are_answered_in_their_order(levels: PasswordEstimator) -> None:
    words = FamilyA(0).sample(300, 9).words
    answers = levels.predict({"Password": words * 200})
    assert answers.tolist() == levels.predict({"Password": words}).tolist() * 200


@pytest.mark.parametrize("kind", ["levels", "counts"])
def test_a_saved_estimator_answers_the_same(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    estimator: PasswordEstimator = request.getfixturevalue(kind)
    words = FamilyA(0).sample(300, 9).words
    estimator.save(tmp_path)
    loaded = PasswordEstimator.load(tmp_path)
    assert loaded.kind == kind
    assert loaded.predict({"Password": words}).tolist() == estimator.predict({"Password": words}).tolist()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5_000_000


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    sample = FamilyA(0).sample(ROWS, 1)
    saved = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fit(sample).save(tmp_path / name)
        saved.append((tmp_path / name / "model.npz").read_bytes())
    assert saved[0] == saved[1]


def test_batches_and_the_whole_give_the_same_model() -> None:
    sample = FamilyA(0).sample(ROWS, 1)
    streamed = PasswordEstimator().fit_batches(
        lambda: (
            ({"Password": sample.words[first : first + 300]}, sample.target[first : first + 300])
            for first in range(0, ROWS, 300)
        )
    )
    fresh = FamilyA(0).sample(ROWS, 2)
    assert right(streamed, fresh) == pytest.approx(right(fit(sample), fresh), abs=0.005)


def batches_of(words: list[str], target: Floats) -> TrainingBatches:
    return lambda: [({"Password": words}, target)]


def test_levels_are_explained_by_the_letters_of_their_alphabets(levels: PasswordEstimator) -> None:
    family = FamilyA(0)
    sample = family.sample(ROWS, 1)
    top = levels.explain(batches_of(sample.words, sample.target))["top_ngrams"]
    assert top.keys() == {"0", "1"}
    letters = [set("".join(sample.only(sample.target == level).words)) for level in (0, 1)]
    for name, own, other in (("0", letters[0], letters[1]), ("1", letters[1], letters[0])):
        assert len(top[name]) == 20
        assert [ngram["weight"] for ngram in top[name]] == sorted((n["weight"] for n in top[name]), reverse=True)
        assert all(set(ngram["ngram"].strip("^$")) <= own for ngram in top[name])
        assert all(set(ngram["ngram"].strip("^$")) - other for ngram in top[name][:8])
    assert json.loads(json.dumps(top)) == top


def test_ends_are_marked_in_an_explanation() -> None:
    sample = variants(3)["first letter"].sample(ROWS, 1)
    top = fit(sample).explain(batches_of(sample.words, sample.target))["top_ngrams"]
    assert all(ngram["ngram"].startswith("^") for level in top.values() for ngram in level[:5])


def test_counts_are_explained_by_their_learning_curve(counts: PasswordEstimator) -> None:
    words, target = heavy_tail(100)
    curve = counts.explain(batches_of(words, target))["learning_curve"]
    rows = [point["rows"] for point in curve]
    assert rows == sorted(rows)
    assert rows[0] <= 21_000
    assert curve[-1]["rmsle"] < curve[0]["rmsle"] < 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive at all"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(content)
    with pytest.raises(BundleError) as caught:
        PasswordEstimator.load(tmp_path)
    assert caught.value.code == "estimator_damaged"


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", kind=np.array("levels"), levels=np.array([{}], dtype=object))
    with pytest.raises(BundleError) as caught:
        PasswordEstimator.load(tmp_path)
    assert caught.value.code == "estimator_damaged"


def test_an_estimator_that_has_not_been_fitted_says_so() -> None:
    with pytest.raises(RuntimeError, match="not been fitted"):
        PasswordEstimator().predict({"Password": ["a"]})


def test_the_estimator_is_installed_under_its_name(levels: PasswordEstimator) -> None:
    assert estimator_class("passwords") is PasswordEstimator
    assert isinstance(levels, Estimator)
    assert levels.parameters()["model"] == "levels"
    with pytest.raises(BundleError) as caught:
        estimator_class("unheard-of")
    assert caught.value.code == "estimator_unknown"
