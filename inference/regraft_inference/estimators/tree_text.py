"""LightGBM's text model: read into arrays, held to what trees are, and written anew for LightGBM itself.

LightGBM's parser trusts what it reads: it takes what it understands of a word and leaves the rest, follows children
wherever they point, and splits lines at signs that nobody expects. So it is never given a text that came from a file,
but one that is ``written`` from the arrays: what has not been looked at is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Fields = dict[str, str]

MOST_LEAVES = 64
"""Of a tree; twice as many as any that was ever trained here."""

MOST_ROWS = (1 << 31) - 1
"""LightGBM counts rows in 32 bits."""

WHOLE = frozenset({"split_feature", "decision_type", "left_child", "right_child", "internal_count", "leaf_count",
                   "num_leaves", "num_cat", "is_linear"})  # fmt: skip

NUMBERS = re.compile(r"[-+.0-9einf ]*")
"""What numbers are made of: Python would take 1_0 for 10."""


@dataclass(frozen=True)
class Trees:
    """All trees of a model, one after the other; each has one inner node less than leaves.

    Of each inner node, shape (nodes,): the part that it splits by, up to which number a row goes left, LightGBM's
    decision type, its children (inner nodes of the tree, or below zero leaves as -1 - place), and how many rows of the
    training came by. Of each leaf, shape (leaves,): its value and the rows that ended there.
    """

    leaves: Integers
    """Of each tree, shape (trees,)."""

    parts: Integers
    thresholds: Floats
    decisions: Integers
    left: Integers
    right: Integers
    counts: Integers
    leaf_values: Floats
    leaf_counts: Integers


def parsed(text: str, *, parts: int, outputs: int) -> Trees:
    """Read a text model. Raises ValueError or KeyError for one that LightGBM has not written, as far as it is read.

    Each tree must be one: every inner node and leaf is the child of just one node, children come after their parents,
    splits are of parts that are there, numbers and their sums are finite, no split is by a set of categories. Trees
    take turns in adding to the outputs.
    """
    content, end, rest = text.partition("\nend of trees\n")
    if not end or rest:
        raise ValueError("there must be an end of trees, and nothing after it")
    head, *blocks = content.split("\nTree=")
    header = _fields(head)
    wanted = {"num_tree_per_iteration": outputs, "num_class": outputs, "max_feature_idx": parts - 1}
    if any(header.get(name) != str(value) for name, value in wanted.items()):
        raise ValueError(f"the model must have {parts} parts and {outputs} outputs")
    if not blocks or len(blocks) % outputs:
        raise ValueError(f"there must be as many trees for each of {outputs} outputs")
    trees = []
    for number, block in enumerate(blocks):
        first, _, body = block.partition("\n")
        if first != str(number):
            raise ValueError(f"tree {number} is missing")
        trees.append(_fields(body))
    return _arrays(trees, parts)


def written(trees: Trees, *, parts: int, outputs: int) -> str:
    """Return a text model of nothing but these trees, which LightGBM reads."""
    blocks = [f"Tree={number}\n{''.join(lines)}\n\n" for number, lines in enumerate(_lines(trees))]
    header = {
        "version": "v4",
        "num_class": outputs,
        "num_tree_per_iteration": outputs,
        "label_index": 0,
        "max_feature_idx": parts - 1,
        "feature_names": " ".join(f"Column_{part}" for part in range(parts)),
        "feature_infos": " ".join(["none"] * parts),
        "tree_sizes": " ".join(map(str, map(len, blocks))),
    }
    head = "".join(f"{name}={value}\n" for name, value in header.items())
    return f"tree\n{head}\n{''.join(blocks)}end of trees\n"


def _lines(trees: Trees) -> Iterator[list[str]]:
    """Return the lines of each tree."""
    of_nodes = {
        "split_feature": trees.parts.tolist(),
        "threshold": trees.thresholds.tolist(),
        "decision_type": trees.decisions.tolist(),
        "left_child": trees.left.tolist(),
        "right_child": trees.right.tolist(),
        "internal_count": trees.counts.tolist(),
    }
    of_leaves = {"leaf_value": trees.leaf_values.tolist(), "leaf_count": trees.leaf_counts.tolist()}
    node = leaf = 0
    for leaves in trees.leaves.tolist():
        lines = [f"num_leaves={leaves}\n", "num_cat=0\n"]
        if leaves > 1:
            lines += [_line(name, values[node : node + leaves - 1]) for name, values in of_nodes.items()]
        lines += [_line(name, values[leaf : leaf + leaves]) for name, values in of_leaves.items()]
        yield [*lines, "is_linear=0\n", "shrinkage=1\n"]
        node, leaf = node + leaves - 1, leaf + leaves


def _line(name: str, values: Iterable[float]) -> str:
    return f"{name}={' '.join(map(repr, values))}\n"


def _fields(block: str) -> Fields:
    """Return the lines ``name=value`` of a block; a name may be there once."""
    found: Fields = {}
    for line in block.split("\n"):
        name, _, value = line.partition("=")
        if name in found and name:
            raise ValueError(f"{name[:100]!r} is there twice")
        found[name] = value
    return found


def _arrays(trees: Sequence[Fields], parts: int) -> Trees:
    ones = np.ones(len(trees), dtype=np.int64)
    leaves = _numbers(trees, "num_leaves", ones)
    if leaves.min() < 1 or leaves.max() > MOST_LEAVES:
        raise ValueError(f"a tree has {leaves.min()} leaves, another {leaves.max()}: from 1 to {MOST_LEAVES} may be")
    if _numbers(trees, "num_cat", ones).any() or _numbers(trees, "is_linear", ones).any():
        raise ValueError("a tree has sets of categories, or linear models")
    split = [tree for tree, count in zip(trees, leaves, strict=True) if count > 1]
    of_split = leaves[leaves > 1]
    leaf_counts = np.ones(int(leaves.sum()), dtype=np.int64)  # of a tree of one leaf nobody counts
    leaf_counts[np.repeat(leaves > 1, leaves)] = _numbers(split, "leaf_count", of_split)
    found = Trees(
        leaves=leaves,
        parts=_numbers(split, "split_feature", of_split - 1),
        thresholds=_numbers(split, "threshold", of_split - 1),
        decisions=_numbers(split, "decision_type", of_split - 1),
        left=_numbers(split, "left_child", of_split - 1),
        right=_numbers(split, "right_child", of_split - 1),
        counts=_numbers(split, "internal_count", of_split - 1),
        leaf_values=_numbers(trees, "leaf_value", leaves),
        leaf_counts=leaf_counts,
    )
    _check_splits(found, parts)
    _check_children(found.left, found.right, of_split)
    return found


def _numbers(trees: Sequence[Fields], name: str, lengths: Integers) -> NDArray[Any]:
    """Return the numbers of this name of all trees; each must have so many."""
    texts = [tree[name] for tree in trees]
    joined = " ".join(texts)
    if not NUMBERS.fullmatch(joined):
        raise ValueError(f"{name} has words that are no numbers")
    if [text.count(" ") + 1 for text in texts] != lengths.tolist():
        raise ValueError(f"a tree has more numbers of {name}, or less, than it must have")
    whole = name in WHOLE
    try:
        words = list(map(int if whole else float, joined.split(" "))) if texts else []
        return np.array(words, dtype=np.int64 if whole else np.float64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} has a word that is no number here: {str(error)[:100]}") from error


def _check_splits(trees: Trees, parts: int) -> None:
    if ((trees.parts < 0) | (trees.parts >= parts)).any():
        raise ValueError("a split is of a part that is not there")
    if ((trees.decisions < 0) | (trees.decisions > 10) | (trees.decisions % 2 == 1)).any():
        raise ValueError("a split is neither by a threshold nor for gaps")
    if np.isnan(trees.thresholds).any():  # an infinite one parts gaps from all else
        raise ValueError("a threshold is no number")
    with np.errstate(over="ignore"):
        most = np.abs(trees.leaf_values).sum()
    if not np.isfinite(most):
        raise ValueError("leaf_value must be finite numbers, all of them together, too")
    counts = np.concatenate([trees.counts, trees.leaf_counts])
    if ((counts < 1) | (counts > MOST_ROWS)).any():
        raise ValueError(f"a count of rows is not from 1 to {MOST_ROWS}")


def _check_children(left: Integers, right: Integers, leaves: Integers) -> None:
    """See that each tree's children are all its leaves and all its inner nodes but the first, each once."""
    trees, nodes = places_in_trees(leaves - 1)
    below, above, of_trees = np.concatenate([left, right]), np.tile(nodes, 2), np.tile(trees, 2)
    most = leaves[of_trees]
    ranged = (-most <= below) & (below <= most - 2) & ~((below >= 0) & (below <= above))
    if not ranged.all() or len(np.unique(of_trees * 4 * MOST_LEAVES + below)) != len(below):
        raise ValueError("the nodes are no tree")


def places_in_trees(lengths: Integers) -> tuple[Integers, Integers]:
    """Return, where the trees have so many nodes or leaves, of each in which tree it is, and which of the tree's."""
    trees = np.repeat(np.arange(len(lengths)), lengths)
    return trees, np.arange(len(trees)) - (np.cumsum(lengths) - lengths)[trees]
