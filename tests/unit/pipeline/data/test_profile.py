import numpy as np
import pandas as pd
import pytest

from regraft_core.profile import Bins, Levels, Profile
from regraft_pipeline.data.profile import (
    Tally,
    among,
    characters_of,
    count,
    distribution_of,
    profile_of,
    tallies_of,
)
from regraft_pipeline.tasks import Task, heart_disease, passwords


def test_few_values_are_counted_one_by_one() -> None:
    found = distribution_of(Tally.of(np.array([0.0, 1.0, 1.0, 5.0])))
    assert isinstance(found, Levels)
    assert found.labels == ["0", "1", "5", "other"]
    assert found.counts == (1, 2, 1, 0)
    assert count(found, Tally.of(np.array([1.0, 2.0, 3.0]))).tolist() == [0, 1, 0, 2]


def test_many_values_are_counted_in_bins_that_follow_the_tail() -> None:
    values = np.arange(1, 10_001, dtype=np.float64)
    found = distribution_of(Tally.of(values))
    assert isinstance(found, Bins)
    assert list(found.edges) == [2000, 4000, 6000, 8000, 9500, 9900, 9990]
    assert found.counts == (2000, 2000, 2000, 2000, 1500, 400, 90, 10)
    assert count(found, Tally.of(np.array([-5.0, 2000.0, 2001.0, 1e9]))).tolist() == [2, 1, 0, 0, 0, 0, 0, 1]


def test_bins_of_a_heavy_tail_are_distinct() -> None:
    values = np.concatenate([np.ones(8400), np.arange(2, 1602)])
    found = distribution_of(Tally.of(values))
    assert isinstance(found, Bins)
    assert list(found.edges) == [1, 1101, 1501, 1591]
    assert sum(found.counts) == len(values)


def test_a_value_above_nearly_all_rows_still_leaves_a_bin() -> None:
    found = distribution_of(Tally.of(np.concatenate([np.arange(30.0), np.full(10_000, 99.0)])))
    assert isinstance(found, Bins)
    assert found.counts == (30, 10_000)


def test_characters_are_counted_in_the_order_of_their_frequency() -> None:
    found = characters_of(Tally.of_characters(["aab", "abc"]))
    assert found.labels == ["a", "b", "c", "other"]
    assert found.counts == (3, 2, 1, 0)
    assert count(found, Tally.of_characters(["xa"])).tolist() == [1, 0, 0, 1]


def test_the_values_of_a_count_are_those_that_it_counts() -> None:
    numbers, words = np.array([0.0, 1.0, 1.0, 5.0, 7.0]), pd.Series(["aab", "abc", "c+"])
    levels, characters = distribution_of(Tally.of(numbers[:4])), characters_of(Tally.of_characters(words[:2]))
    bins = distribution_of(Tally.of(np.arange(1000.0)))
    values = np.array([-1.0, 199.0, 200.0, 5000.0])
    for found, taken in ((levels, numbers), (bins, values)):
        masks = [among(found, taken, at) for at in range(len(found.labels))]
        assert [int(mask.sum()) for mask in masks] == count(found, Tally.of(taken)).tolist()
    assert [among(characters, words, at).tolist() for at in (2, 3)] == [[False, True, True], [False, False, True]]


def test_a_profile_says_all_about_strings_and_numbers() -> None:
    words = profile_of(passwords.bootstrap(), passwords.TASK, data_sha256="0" * 64, skill=0.97)
    assert words.target == Levels(levels=(0.0, 1.0), counts=(500, 500, 0), shares=(0.5, 0.5, 0.0))
    assert words.inputs["Password"].keys() == {"length", "characters"}
    hearts = profile_of(heart_disease.bootstrap(), heart_disease.TASK, data_sha256="0" * 64)
    assert hearts.inputs.keys() == set(heart_disease.CONTRACT.feature_names)
    assert isinstance(hearts.inputs["age"]["values"], Bins)
    assert hearts.skill is None


def test_a_profile_is_json_that_can_be_read_back() -> None:
    for task in (passwords.TASK, heart_disease.TASK):
        profile = profile_of(task.bootstrap(), task, data_sha256="0" * 64, skill=0.5)
        assert Profile.model_validate_json(profile.model_dump_json()) == profile


@pytest.mark.parametrize("task", [passwords.TASK, heart_disease.TASK])
def test_batches_are_counted_as_the_whole(task: Task) -> None:
    frame = task.bootstrap()
    batches = [frame.iloc[first : first + 70] for first in range(0, len(frame), 70)]
    whole, joined = tallies_of([frame], task), tallies_of(batches, task)
    assert profile_of(joined, task, data_sha256="") == profile_of(frame, task, data_sha256="")
    for name, of in whole.items():
        for what, tally in of.items():
            assert joined[name][what].values.tolist() == tally.values.tolist()
            assert joined[name][what].counts.tolist() == tally.counts.tolist()


def test_quantiles_are_those_of_the_rows() -> None:
    values = np.floor(np.random.default_rng(0).pareto(0.7, 3000))
    shares = (0.0, 0.2, 0.5, 0.95, 0.999, 1.0)
    assert Tally.of(values).quantiles(shares).tolist() == np.quantile(values, shares, method="inverted_cdf").tolist()
