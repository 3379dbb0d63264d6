"""What LightGBM is given to read is what it has written, or could have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from regraft_core.errors import BundleError
from regraft_inference.estimators.tree_text import MOST_LEAVES, parsed, written
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
    assert len(trees.parts) == len(trees.left) == 60
    assert len(trees.leaf_values) == 62
    assert trees.counts[0] == trees.counts[30] == 2000 == trees.leaf_counts[:31].sum()
    assert resized(text) == text


@pytest.mark.parametrize("outputs", [1, 3])
def test_what_is_written_anew_answers_to_the_last_bit(outputs: int) -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(1000, PARTS)) * 10.0 ** rng.integers(-30, 30, (1000, PARTS))
    matrix[rng.random((1000, PARTS)) < 0.1] = np.nan
    settings = {"objective": "multiclass" if outputs > 1 else "binary", "num_class": outputs, "verbosity": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(matrix, rng.integers(0, max(outputs, 2), 1000)), 30)
    model = TreesModel(text_of(booster), parts=PARTS, outputs=outputs)
    raw = np.asarray(booster.predict(matrix, raw_score=True)).reshape(1000, outputs)
    assert model.scores(matrix).tobytes() == raw.tobytes()
    own = np.asarray(booster.predict(matrix, pred_contrib=True)).reshape(1000, outputs, PARTS + 1)
    assert model.own_contributions(matrix).tobytes() == own[:, :, :-1].transpose(0, 2, 1).tobytes()
    assert written(parsed(model.text, parts=PARTS, outputs=outputs), parts=PARTS, outputs=outputs) == model.text


def test_trees_of_a_leaf_split_nothing() -> None:
    matrix, target = np.ones((50, 1)), np.arange(50.0)
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(matrix, target), 2)
    trees = parsed(text_of(booster), parts=1, outputs=1)
    assert trees.leaves.tolist() == [1]
    assert len(trees.parts) == 0
    model = TreesModel(text_of(booster), parts=1, outputs=1)
    scores, added = model.explained(np.ones((3, 1)))
    assert added.tolist() == [[[0.0]]] * 3
    assert scores.ravel() == pytest.approx([model.intercept[0]] * 3)
    assert scores.ravel() == pytest.approx(booster.predict(np.ones((3, 1))))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version=v4\n", "version=v4\rnum_class=7\rend of trees\n"),
        ("version=v4\n", "version=v4\0\n"),
        ("objective=regression\n", "objective=\n"),
        ("label_index=0\n", "label_index=9\nmore=1\n"),
        ("tree_sizes=", "tree_sizes=9_"),
        ("tree_sizes=", "=tree_sizes=1\ntree_sizes="),
        ("max_feature_idx=", "=num_tree_per_iteration=0\nmax_feature_idx="),
        ("split_gain=", "split_gain=nan \rsplit_feature=2000000000\rmore="),
        ("internal_value=", "internal_value\nmore=inf "),
        ("decision_type=", "\ndecision_type="),
        ("shrinkage=1\n\n\n", "shrinkage=inf\n"),
        ("Column_0", "\u00e9"),
    ],
)
def test_what_is_not_read_does_not_come_to_lightgbm(text: str, old: str, new: str) -> None:
    assert old in text
    changed = TreesModel(text.replace(old, new), parts=PARTS, outputs=1)
    assert changed.text == TreesModel(text, parts=PARTS, outputs=1).text


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
        ("leaf_count", lambda words: ["0", *words[1:]]),
        ("internal_count", lambda words: ["4294967296", *words[1:]]),
        ("leaf_value", lambda words: ["1e308", "-1e308", *words[2:]]),
        ("max_feature_idx", lambda words: ["1000000"]),
        ("num_tree_per_iteration", lambda words: ["3"]),
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
def test_words_that_lightgbm_would_not_write_are_refused(
    text: str, name: str, change: Callable[[Words], Words]
) -> None:
    with pytest.raises(ValueError, match=name):
        parsed(with_line(text, name, change), parts=PARTS, outputs=1)


@pytest.mark.parametrize("separator", ["\t", "\x1f", "  ", ","])
def test_words_stand_between_blanks(text: str, separator: str) -> None:
    with pytest.raises(ValueError, match="left_child"):
        parsed(with_line(text, "left_child", list, separator), parts=PARTS, outputs=1)


def test_a_tree_may_have_so_many_leaves_only() -> None:
    rng = np.random.default_rng(1)
    matrix, target = rng.normal(size=(1000, 1)), rng.normal(size=1000)
    settings = {"num_leaves": MOST_LEAVES + 1, "min_data_in_leaf": 1, "verbosity": -1}
    text = text_of(lightgbm.train(settings, lightgbm.Dataset(matrix, target), 1))
    with pytest.raises(ValueError, match=f"from 1 to {MOST_LEAVES}"):
        parsed(text, parts=1, outputs=1)


def test_a_name_may_be_there_once(text: str) -> None:
    with pytest.raises(ValueError, match="left_child"):
        parsed(text.replace("num_leaves=", "left_child=0\nnum_leaves=", 1), parts=PARTS, outputs=1)


def test_a_text_that_is_cut_off_or_goes_on_is_refused(text: str) -> None:
    for damaged in (text[: len(text) // 2], text + "parameters:\n", text.replace("Tree=1\n", "Tree=7\n", 1), ""):
        with pytest.raises((ValueError, KeyError)):
            parsed(damaged, parts=PARTS, outputs=1)
