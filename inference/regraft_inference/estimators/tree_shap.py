"""TreeSHAP values of small trees, looked up: those that LightGBM finds by going through all leaves of each tree.

What a tree says of a row, its answer and how much of it is of each part, depends only on which way the row would go at
each of its inner nodes. A tree of eight leaves has seven of them, and so 128 patterns at most: all that it can say is
worked out once. The pattern of a row is put together from the places of its numbers among the thresholds.

The values are those of Lundberg et al., Consistent Individualized Feature Attribution for Tree Ensembles, 2018
(arXiv:1802.03888), algorithm 2. A part of a leaf's path adds

    leaf * (o - z) * integral(product(o' * t + z' * (1 - t)))

with the product over the path's other parts and the integral over t from 0 to 1: there z is the share of the training
rows that pass the part's splits, and o is 1 where the row does, else 0. The weights of Shapley's subsets are those of
this integral (the beta function), and Gauss and Legendre's rule is exact for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators.places import PlaceFinder
from regraft_inference.estimators.tree_text import Trees, places_in_trees

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Bytes = NDArray[np.uint8]

MOST_LEAVES = 8
NODES = MOST_LEAVES - 1
PATTERNS = 1 << NODES

MOST_TREES = 2048
"""More than are ever trained: what is kept grows with their square, and with the parts that they split by."""

DEFAULT_LEFT, ZEROS_TOO, GAPS_ALONE = 2, 4, 8
"""Bits of a decision type: gaps go left; zeros are gaps, too; there are gaps, where else they are taken for 0."""

ZERO = float(np.float32(1e-35))
"""Numbers up to this are 0 to LightGBM (``kZeroThreshold``)."""

MOST_NUMBERS = 1 << 17
"""About so many are worked on at once, which fit into a processor's cache."""


class TreeShap:
    """Finds how much of the answers of ``trees`` is of each part, for rows of a matrix."""

    def __init__(self, trees: Trees, *, parts: int, outputs: int) -> None:
        small = _Small.of(trees)
        self._parts, self._outputs = parts, outputs
        cuts = {part: _cuts(trees, part) for part in np.unique(trees.parts).tolist()}
        self._finder = PlaceFinder(cuts)
        self._bits, self._first = _bits(small, trees, cuts)
        owner, slot = np.nonzero(small.owns)
        groups = owner % outputs * parts + small.parts[owner, slot]
        order = np.argsort(groups, kind="stable")
        self._owner, groups = owner[order], groups[order]
        self._values = _values(small)[self._owner, slot[order]].ravel()
        self._offsets = np.arange(len(order)) * PATTERNS
        self._groups, self._starts = np.unique(groups, return_index=True)
        self._rows = max(1, MOST_NUMBERS // max(1, len(order), len(cuts) * len(trees.leaves) // 8))

    @staticmethod
    def fits(trees: Trees) -> bool:
        """Whether the trees are so small and so few, and decide as they are trained to here."""
        number, parts = len(trees.leaves), len(np.unique(trees.parts))
        is_small = (trees.leaves <= MOST_LEAVES).all() and number <= MOST_TREES and number * parts <= MOST_TREES**2
        return bool(is_small and not (trees.decisions & ZEROS_TOO).any())

    def of(self, matrix: Floats) -> Floats:
        """Return what each part adds, shape (rows, parts, outputs)."""
        found = np.zeros((len(matrix), self._outputs * self._parts))
        places = self._finder.of(matrix) + self._first[:, np.newaxis]
        for first in range(0, len(matrix) if len(self._owner) else 0, self._rows):
            rows = slice(first, first + self._rows)
            # The pattern of each row in each tree: no two parts have a bit in common.
            patterns: Bytes = np.add.reduce(self._bits.take(places[:, rows], axis=0), axis=0, dtype=np.uint8)
            looked_up = self._values.take(np.add(patterns.take(self._owner, axis=1), self._offsets))
            found[rows, self._groups] = np.add.reduceat(looked_up, self._starts, axis=1)
        return found.reshape(len(matrix), self._outputs, self._parts).transpose(0, 2, 1)


@dataclass(frozen=True)
class _Small:
    """Trees of at most eight leaves, side by side; where a tree has less, the rest is empty.

    Which node of which tree each is (``tree``, ``node``: shape (nodes,)). A tree's parts each have a slot, that of the
    first node which splits by it: ``owns`` tells which nodes are such, ``parts`` which part it is, both of shape
    (trees, NODES). Of each leaf, shape (trees, MOST_LEAVES), its value; and of each slot, shape (trees, MOST_LEAVES,
    NODES), which of the slot's nodes its path leaves to the left and to the right, as bits, and the share of the rows
    that do.
    """

    tree: Integers
    node: Integers
    owns: NDArray[np.bool_]
    parts: Integers
    leaf_values: Floats
    left: Bytes
    right: Bytes
    shares: Floats

    @classmethod
    def of(cls, trees: Trees) -> _Small:
        number = len(trees.leaves)
        tree, node = places_in_trees(trees.leaves - 1)
        of_leaf = places_in_trees(trees.leaves)
        parts = np.full((number, NODES), -1)
        parts[tree, node] = trees.parts
        slots = (parts[:, :, np.newaxis] == parts[:, np.newaxis, :]).argmax(axis=2)
        owns = (slots == np.arange(NODES)) & (parts >= 0)
        leaf_values = np.zeros((number, MOST_LEAVES))
        leaf_values[of_leaf] = trees.leaf_values
        left, right, shares = _paths(trees, (tree, node), of_leaf, slots)
        return cls(tree, node, owns, parts, leaf_values, left, right, shares)


def _paths(
    trees: Trees, of_node: tuple[Integers, Integers], of_leaf: tuple[Integers, Integers], slots: Integers
) -> tuple[Bytes, Bytes, Floats]:
    """Return what ``_Small`` has of the leaves' paths: nodes left to the left and to the right, and the shares of rows.

    ``of_node`` and ``of_leaf`` are tree and place of each, ``slots`` those of the nodes, shape (trees, NODES).
    """
    number = len(trees.leaves)
    (tree, node), (leaf_tree, leaf) = of_node, of_leaf
    # Nodes and leaves by one number: leaves are behind the nodes.
    counts = np.ones((number, NODES + MOST_LEAVES))
    counts[tree, node] = trees.counts
    counts[leaf_tree, NODES + leaf] = trees.leaf_counts
    parents = np.full((number, NODES + MOST_LEAVES), -1)
    goes_right = np.zeros((number, NODES + MOST_LEAVES), dtype=np.bool_)
    for children, is_right in ((trees.left, False), (trees.right, True)):
        place = np.where(children >= 0, children, NODES - 1 - children)
        parents[tree, place], goes_right[tree, place] = node, is_right
    shape = (number, MOST_LEAVES, NODES)
    left, right, shares = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), np.ones(shape)
    rows, leaves = np.indices((number, MOST_LEAVES))
    below = NODES + leaves
    for _ in range(NODES):  # from each leaf a step upwards
        above = parents[rows, below]
        there = above >= 0
        at = rows[there], leaves[there], slots[rows, above][there]
        side = goes_right[rows, below][there]
        bit = (1 << above[there]).astype(np.uint8)
        left[at] |= np.where(side, 0, bit)
        right[at] |= np.where(side, bit, 0)
        shares[at] *= (counts[rows, below] / counts[rows, above])[there]
        below = np.where(there, above, below)
    return left, right, shares


def _cuts(trees: Trees, part: Any) -> Floats:
    """Return the least finite numbers of a part that go right somewhere, ascending: those next above a threshold."""
    cuts = np.nextafter(trees.thresholds[trees.parts == part], np.inf)
    cuts = cuts[np.isfinite(cuts)]
    ends = np.where(cuts <= 0, -ZERO, np.nextafter(ZERO, np.inf))  # between them all go as 0 does
    return np.unique(np.where(np.abs(cuts) <= ZERO, ends, cuts))


def _bits(small: _Small, trees: Trees, cuts: dict[int, Floats]) -> tuple[Bytes, Integers]:
    """Return the bits of the nodes at which a number goes right, by the places of all parts, shape (places, trees).

    The places of a part are those that ``PlaceFinder`` tells; beside them, where those of each part begin.
    """
    lengths = np.array([len(of_part) + 2 for of_part in cuts.values()], dtype=np.int64)
    firsts = np.cumsum(lengths) - lengths
    found = np.zeros((int(lengths.sum()), len(trees.leaves)), dtype=np.uint8)
    for first, (part, of_part) in zip(firsts, cuts.items(), strict=True):
        nodes = np.flatnonzero(trees.parts == part)
        decisions, thresholds = trees.decisions[nodes], trees.thresholds[nodes]
        numbers = np.array([-np.inf, *of_part, 0.0])[:, np.newaxis]  # the least of each place
        numbers[np.abs(numbers) <= ZERO] = 0.0
        is_right = numbers > thresholds
        gaps = (decisions & GAPS_ALONE) > 0
        is_right[-1, gaps] = (decisions[gaps] & DEFAULT_LEFT) == 0
        bits = is_right << small.node[nodes]
        places = first + np.arange(len(numbers))
        np.add.at(found, (places[:, np.newaxis], small.tree[nodes]), bits.astype(np.uint8))
    return found, firsts


def _values(small: _Small) -> Floats:
    """Return what each slot's part adds for each pattern, shape (trees, NODES, PATTERNS)."""
    number = len(small.parts)
    found = np.zeros((number, NODES, PATTERNS))
    patterns = np.arange(PATTERNS, dtype=np.uint8)
    on_path = (small.left | small.right) > 0
    depths = on_path.sum(axis=2)
    slots = np.argsort(~on_path, axis=2, kind="stable")  # those on the path first
    for leaf in range(MOST_LEAVES):
        for depth in range(1, NODES + 1):
            tree = np.flatnonzero(depths[:, leaf] == depth)
            path = slots[tree, leaf, :depth]
            at = tree[:, np.newaxis], leaf, path
            added = small.leaf_values[tree, leaf][:, np.newaxis, np.newaxis] * _of_ways(small.shares[at])
            right = small.right[at][:, :, np.newaxis]
            passes = (patterns & (small.left[at][:, :, np.newaxis] | right)) == right
            ways = np.add.reduce(passes << np.arange(depth, dtype=np.uint8)[:, np.newaxis], axis=1, dtype=np.uint8)
            places = ways + (np.arange(len(tree)) << depth)[:, np.newaxis]
            for place in range(depth):
                found[tree, path[:, place]] += np.ascontiguousarray(added[:, place]).take(places)
    return found


def _of_ways(shares: Floats) -> Floats:
    """Return what the parts of paths of one length add to a leaf of 1, shape (paths, depth, 1 << depth).

    A way is which of the parts' splits a row passes, as bits.
    """
    depth = shares.shape[1]
    points, weights = np.polynomial.legendre.leggauss((depth + 1) // 2)
    points, weights = (points + 1) / 2, weights / 2
    passes = ((np.arange(1 << depth) >> np.arange(depth)[:, np.newaxis]) & 1).astype(np.float64)
    o, z = passes[np.newaxis, :, :, np.newaxis], shares[:, :, np.newaxis, np.newaxis]
    factors = o * points + z * (1 - points)
    others = np.stack([np.delete(factors, part, axis=1).prod(axis=1) for part in range(depth)], axis=1)
    found: Floats = (o - z)[..., 0] * (others @ weights)
    return found
