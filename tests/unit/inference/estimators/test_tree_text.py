"""What LightGBM is given to read is what it has written, or could have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from regraft_core.errors import BundleError
from regraft_inference.estimators.tree_text import MOST_LEAVES, parsed
from regraft_inference.estimators.trees import TreesModel

PARTS = 3

type Words = list[str]


def text_of(booster: lightgbm.Booster) -> str:
    return f"{booster.model_to_string().partition('end of trees')[0]}end of trees\n"


@pytest.fixture(scope="module")
def text() -> str:
    """A model of two trees of 31 leaves, with gaps in one part."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(2000, PARTS))
    matrix[rng.random(2000) < 0.2, 2] = np.nan
    target = matrix[:, 0] + matrix[:, 1] ** 2 + np.isnan(matrix[:, 2])
    return text_of(lightgbm.train({"num_leaves": 31, "verbosity": -1}, lightgbm.Dataset(matrix, target), 2))


def with_line(text: str, name: str, change: Callable[[Words], Words], separator: str = " ") -> str:
    """Return a text model with the first line of this name changed, and the sizes of the trees as they are then."""
    lines = text.split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{name}="))
    lines[place] = f"{name}=" + separator.join(change(lines[place].partition("=")[2].split(" ")))
    return resized("\n".join(lines))


def resized(text: str) -> str:
    head, *trees = text.partition("end of trees\n")[0].split("Tree=")
    lines = head.split("\n")
    sizes = " ".join(str(len("Tree=" + tree)) for tree in trees)
    head = "\n".join(f"tree_sizes={sizes}" if line.startswith("tree_sizes=") else line for line in lines)
    return "Tree=".join([head, *trees]) + "end of trees\n"


def swapped(words: Words, one: str, other: str) -> Words:
    assert one in words
    return [other if word == one else word for word in words]


def test_what_was_written_is_read(text: str) -> None:
    trees = parsed(text, parts=PARTS, outputs=1)
    assert trees.leaves.tolist() == [31, 31]
    assert trees.outputs.tolist() == [0, 0]
    assert len(trees.parts) == len(trees.left) == 60
    assert len(trees.leaf_values) == 62
    assert trees.counts[0] == trees.counts[30] == 2000 == trees.leaf_counts[:31].sum()
    assert resized(text) == text


def test_trees_of_a_leaf_split_nothing() -> None:
    matrix, target = np.ones((50, 1)), np.arange(50.0)
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(matrix, target), 2)
    trees = parsed(text_of(booster), parts=1, outputs=1)
    assert len(trees.leaves) == len(trees.parts) == len(trees.leaf_values) == 0
    model = TreesModel(text_of(booster), parts=1, outputs=1)
    scores, added = model.explained(np.ones((3, 1)))
    assert added.tolist() == [[[0.0]]] * 3
    assert scores.ravel() == pytest.approx([model.intercept[0]] * 3)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left_child", lambda words: ["0", *words[1:]]),
        ("left_child", lambda words: ["1000000", *words[1:]]),
        ("left_child", lambda words: ["1" + "0" * 30, *words[1:]]),
        ("right_child", lambda words: ["-1000000", *words[1:]]),
        ("right_child", lambda words: words[:-1]),
        ("right_child", lambda words: [words[1], *words[1:]]),  # a child of two
        ("split_feature", lambda words: ["99", *words[1:]]),
        ("split_feature", lambda words: ["-1", *words[1:]]),
        ("decision_type", lambda words: ["1", *words[1:]]),
        ("leaf_value", lambda words: ["nan", *words[1:]]),
        ("leaf_value", lambda words: ["1e999", *words[1:]]),
        ("threshold", lambda words: ["nan", *words[1:]]),
        ("num_leaves", lambda words: ["1000000000"]),
        ("num_leaves", lambda words: ["0"]),
        ("num_cat", lambda words: ["1"]),
        ("is_linear", lambda words: ["1"]),
        ("shrinkage", lambda words: ["inf"]),
        ("max_feature_idx", lambda words: ["1000000"]),
        ("num_tree_per_iteration", lambda words: ["3"]),
        ("feature_infos", lambda words: words[:-1]),
    ],
)
def test_texts_of_no_trees_are_refused(text: str, name: str, change: Callable[[Words], Words], tmp_path: Path) -> None:
    (tmp_path / "trees.txt").write_text(with_line(text, name, change))
    with pytest.raises(BundleError) as refused:
        TreesModel.load(tmp_path, parts=PARTS, outputs=1)
    assert refused.value.code == "estimator_damaged"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("right_child", lambda words: swapped(words, "10", "1_0")),  # LightGBM reads 1, and goes round
        ("right_child", lambda words: swapped(words, "10", "\x0b10")),
        ("left_child", lambda words: [" ".join(words) + " "]),
        ("left_child", lambda words: ["", *words]),
        ("split_feature", lambda words: ["\N{ARABIC-INDIC DIGIT ZERO}", *words[1:]]),
        ("threshold", lambda words: ["0x1", *words[1:]]),
        ("threshold", lambda words: ["infinity", *words[1:]]),
        ("leaf_count", lambda words: ["1e2", *words[1:]]),
    ],
)
def test_words_that_two_readers_may_read_in_two_ways_are_refused(
    text: str, name: str, change: Callable[[Words], Words]
) -> None:
    with pytest.raises(ValueError, match=name):
        parsed(with_line(text, name, change), parts=PARTS, outputs=1)


@pytest.mark.parametrize("separator", ["\t", "\x1f", "  ", ","])
def test_words_stand_between_blanks(text: str, separator: str) -> None:
    with pytest.raises(ValueError, match="left_child"):
        parsed(with_line(text, "left_child", list, separator), parts=PARTS, outputs=1)


def test_sizes_are_written_as_lightgbm_reads_them(text: str) -> None:
    size = next(line for line in text.split("\n") if line.startswith("tree_sizes="))
    with pytest.raises(ValueError, match="the header tells"):
        parsed(text.replace(size, f"{size[:-1]}_{size[-1]}"), parts=PARTS, outputs=1)


def test_a_tree_may_have_so_many_leaves_only() -> None:
    rng = np.random.default_rng(1)
    matrix, target = rng.normal(size=(1000, 1)), rng.normal(size=1000)
    settings = {"num_leaves": MOST_LEAVES + 1, "min_data_in_leaf": 1, "verbosity": -1}
    text = text_of(lightgbm.train(settings, lightgbm.Dataset(matrix, target), 1))
    with pytest.raises(ValueError, match=f"at most {MOST_LEAVES}"):
        parsed(text, parts=1, outputs=1)


@pytest.mark.parametrize("line", ["more=1", "left_child=0"])
def test_what_does_not_belong_to_a_tree_is_refused(text: str, line: str) -> None:
    with pytest.raises(ValueError, match=line.partition("=")[0]):
        parsed(resized(text.replace("num_leaves=", f"{line}\nnum_leaves=", 1)), parts=PARTS, outputs=1)


def test_what_does_not_belong_to_the_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more"):
        parsed(text.replace("num_class=", "more=1\nnum_class=", 1), parts=PARTS, outputs=1)


def test_a_text_that_is_cut_off_or_goes_on_is_refused(text: str) -> None:
    for damaged in (text[: len(text) // 2], text + "parameters:\n", text.replace("Tree=1\n", "Tree=7\n", 1), ""):
        with pytest.raises((ValueError, KeyError)):
            parsed(damaged, parts=PARTS, outputs=1)
