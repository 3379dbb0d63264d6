"""LightGBM's text model: read into arrays, and held to what its parser can read without harm.

That parser trusts what it reads: it takes what it understands of a word and leaves the rest, follows children wherever
they point, and goes down a tree by calls of itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Fields = dict[str, str]

HEADER = {"tree", "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
          "feature_names", "feature_infos", "tree_sizes"}  # fmt: skip
OF_NODES = {"split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value",
            "internal_weight", "internal_count"}  # fmt: skip
OF_LEAVES = {"leaf_value", "leaf_weight", "leaf_count"}
OF_TREES = {"num_leaves", "num_cat", "is_linear", "shrinkage"}
WHOLE = {"split_feature", "decision_type", "left_child", "right_child", "internal_count", "leaf_count", "num_leaves",
         "num_cat", "is_linear"}  # fmt: skip

MOST_LEAVES = 64
"""Of a tree; twice as many as any that was ever trained here."""

NUMBERS = re.compile(r"[-+.0-9einf ]*")
"""What numbers are made of, in words of one kind for this reader and LightGBM's: 1_0 is 10 to Python, 1 to that."""


@dataclass(frozen=True)
class Trees:
    """All trees of a model that split, one after the other; each has one inner node less than leaves.

    Of each inner node, shape (nodes,): the part that it splits by, up to which number a row goes left, LightGBM's
    decision type, its children (inner nodes of the tree, or below zero leaves as -1 - place), and how many rows of the
    training came by. Of each leaf, shape (leaves,): its value and the rows that ended there.
    """

    leaves: Integers
    outputs: Integers
    """To which output a tree adds, both of shape (trees,)."""

    parts: Integers
    thresholds: Floats
    decisions: Integers
    left: Integers
    right: Integers
    counts: Integers
    leaf_values: Floats
    leaf_counts: Integers


def parsed(text: str, *, parts: int, outputs: int) -> Trees:
    """Read a text model that LightGBM can read without harm. Raises ValueError or KeyError for any other.

    Each tree must be one: every inner node and leaf is the child of just one node, children come after their parents,
    splits are of parts that are there, all numbers are finite, no split is by a set of categories.
    """
    content, end, rest = text.partition("\nend of trees\n")
    if not end or rest:
        raise ValueError("there must be an end of trees, and nothing after it")
    head, *blocks = content.split("\nTree=")
    _check_header(_fields(head), blocks, parts, outputs)
    trees = []
    for number, block in enumerate(blocks):
        first, _, body = block.partition("\n")
        if first != str(number):
            raise ValueError(f"tree {number} is missing")
        trees.append(_fields(body))
    return _arrays(trees, parts, outputs)


def _check_header(header: Fields, blocks: Sequence[str], parts: int, outputs: int) -> None:
    if not header.keys() <= HEADER:
        raise ValueError(f"the header has {', '.join(sorted(header.keys() - HEADER))}")
    wanted = {"num_tree_per_iteration": str(outputs), "num_class": str(outputs), "max_feature_idx": str(parts - 1)}
    if any(header.get(name) != value for name, value in wanted.items()):
        raise ValueError(f"the model must have {parts} parts and {outputs} outputs")
    if len(header["feature_names"].split()) != parts or len(header["feature_infos"].split()) != parts:
        raise ValueError(f"the model must name {parts} parts")
    sizes = " ".join(str(len(f"Tree={block}\n")) for block in blocks)
    if not blocks or len(blocks) % outputs or header.get("tree_sizes") != sizes:
        raise ValueError("the trees are not those that the header tells")


def _fields(block: str) -> Fields:
    """Return the lines ``name=value`` of a block; a name may be there once."""
    found: Fields = {}
    for line in filter(None, block.split("\n")):
        name, _, value = line.partition("=")
        if name in found:
            raise ValueError(f"{name} is there twice")
        found[name] = value
    return found


def _arrays(trees: Sequence[Fields], parts: int, outputs: int) -> Trees:
    if unknown := set().union(*trees) - {*OF_NODES, *OF_LEAVES, *OF_TREES}:
        raise ValueError(f"a tree has {', '.join(sorted(unknown))}")
    single = {name: _numbers(trees, name, np.ones(len(trees), dtype=np.int64)) for name in OF_TREES}
    leaves: Integers = single["num_leaves"]
    if leaves.min() < 1 or single["num_cat"].any() or single["is_linear"].any():
        raise ValueError("a tree must have leaves, and neither sets of categories nor linear models")
    if leaves.max() > MOST_LEAVES:
        raise ValueError(f"a tree has {leaves.max()} leaves, at most {MOST_LEAVES} are allowed")
    split = [tree for tree, count in zip(trees, leaves, strict=True) if count > 1]
    constant = [tree for tree, count in zip(trees, leaves, strict=True) if count == 1]
    of_split = leaves[leaves > 1]
    nodes = {name: _numbers(split, name, of_split - 1) for name in OF_NODES}
    of_leaves = {name: _numbers(split, name, of_split) for name in OF_LEAVES}
    _numbers(constant, "leaf_value", np.ones(len(constant), dtype=np.int64))
    _check_splits(nodes["split_feature"], nodes["decision_type"], parts)
    _check_children(nodes["left_child"], nodes["right_child"], of_split)
    return Trees(
        leaves=of_split,
        outputs=np.flatnonzero(leaves > 1) % outputs,
        parts=nodes["split_feature"],
        thresholds=nodes["threshold"],
        decisions=nodes["decision_type"],
        left=nodes["left_child"],
        right=nodes["right_child"],
        counts=nodes["internal_count"],
        leaf_values=of_leaves["leaf_value"],
        leaf_counts=of_leaves["leaf_count"],
    )


def _numbers(trees: Sequence[Fields], name: str, lengths: Integers) -> NDArray[Any]:
    """Return the numbers of this name of all trees; each must have so many."""
    texts = [tree[name] for tree in trees]
    joined = " ".join(texts)
    if not NUMBERS.fullmatch(joined):
        raise ValueError(f"{name} has words that are no numbers")
    if [text.count(" ") + 1 for text in texts] != lengths.tolist():
        raise ValueError(f"{name} must be {', '.join(map(str, np.unique(lengths)))} numbers")
    whole = name in WHOLE
    try:
        words = list(map(int if whole else float, joined.split(" "))) if texts else []
        found = np.array(words, dtype=np.int64 if whole else np.float64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} has a word that is no number here: {error}") from error
    if name == "threshold" and np.isnan(found).any():  # an infinite one parts gaps from all else
        raise ValueError("threshold must be numbers")
    if name != "threshold" and not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite numbers")
    return found


def _check_splits(split_by: Integers, decisions: Integers, parts: int) -> None:
    if ((split_by < 0) | (split_by >= parts)).any():
        raise ValueError("a split is of a part that is not there")
    if ((decisions < 0) | (decisions > 10) | (decisions % 2 == 1)).any():
        raise ValueError("a split is neither by a threshold nor for gaps")


def _check_children(left: Integers, right: Integers, leaves: Integers) -> None:
    """See that each tree's children are all its leaves and all its inner nodes but the first, each once."""
    trees = np.repeat(np.arange(len(leaves)), leaves - 1)
    nodes = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(count - 1) for count in leaves)])
    below, above = np.concatenate([left, right]), np.tile(nodes, 2)
    of_trees = np.tile(trees, 2)
    most = leaves[of_trees]
    ranged = (-most <= below) & (below <= most - 2) & ~((below >= 0) & (below <= above))
    if not ranged.all() or len(np.unique(of_trees * 4 * MOST_LEAVES + below)) != len(below):
        raise ValueError("the nodes are no tree")
