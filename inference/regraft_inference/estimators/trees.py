"""Boosted trees of LightGBM, stored as its text model and answered by its C interface.

The library is opened by itself, without the Python package around it, which takes seconds and 180 MiB. Its parser
trusts what it reads, so that a text is looked through first: see ``checked``.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.errors import BundleError
from regraft_inference.estimators import bounded

type Floats = NDArray[np.float64]

FILE = "trees.txt"
MOST_BYTES = 5 << 20
FLOAT64, RAW, CONTRIBUTIONS = 1, 1, 3
"""What LightGBM's ``c_api.h`` calls the type of the numbers, and the kinds of predictions."""

PARAMETERS = b"num_threads=1"

HEADER = {"tree", "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
          "feature_names", "feature_infos", "tree_sizes"}  # fmt: skip
INNER = {"split_feature": int, "split_gain": float, "threshold": float, "decision_type": int, "left_child": int,
         "right_child": int, "internal_value": float, "internal_weight": float, "internal_count": int}  # fmt: skip
LEAVES = {"leaf_value": float, "leaf_weight": float, "leaf_count": int}
SINGLE = {"num_leaves": int, "num_cat": int, "is_linear": int, "shrinkage": float}


class TreesModel:
    """A text model that LightGBM wrote, or ``checked``. ``scores`` are on the link's scale, shape (rows, outputs)."""

    kind: ClassVar[str] = "boosted"

    def __init__(self, text: str, *, parts: int, outputs: int) -> None:
        self.text = text
        self._parts, self._outputs = parts, outputs
        self._handle = ctypes.c_void_p()
        rounds = ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(rounds), ctypes.byref(self._handle))
        self.intercept: Floats = self._predict(np.zeros((1, parts)), CONTRIBUTIONS)[0, :, -1]

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _call("LGBM_BoosterFree", self._handle)

    def scores(self, matrix: Floats) -> Floats:
        """Return the sums over all trees for the rows of a matrix."""
        return self._predict(matrix, RAW)[:, :, 0]

    def explained(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return the scores, and what each part adds to ``intercept`` (TreeSHAP), shape (rows, parts, outputs)."""
        return self.scores(matrix), self._predict(matrix, CONTRIBUTIONS)[:, :, :-1].transpose(0, 2, 1)

    def save(self, folder: Path) -> None:
        """Write the text."""
        (folder / FILE).write_text(self.text)

    @classmethod
    def load(cls, folder: Path, *, parts: int, outputs: int) -> Self:
        """Read a model of a matrix with so many parts. Raises BundleError (``estimator_damaged``)."""
        path = folder / FILE
        try:
            text = checked(bounded(path, MOST_BYTES).decode("ascii"), parts=parts, outputs=outputs)
            return cls(text, parts=parts, outputs=outputs)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise BundleError(f"{path} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error

    def _predict(self, matrix: Floats, what: int) -> Floats:
        """Return what LightGBM says, shape (rows, outputs, values)."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self._parts:
            raise ValueError(f"the matrix must have {self._parts} parts")
        values = self._parts + 1 if what == CONTRIBUTIONS else 1
        found = np.zeros((len(rows), self._outputs, values))
        length = ctypes.c_int64()
        if len(rows):
            _call(
                "LGBM_BoosterPredictForMat", self._handle, rows.ctypes.data_as(ctypes.c_void_p), FLOAT64,
                ctypes.c_int32(len(rows)), ctypes.c_int32(self._parts), 1, what, 0, -1, PARAMETERS,
                ctypes.byref(length), found.ctypes.data_as(ctypes.c_void_p),
            )  # fmt: skip
        return found


def checked(text: str, *, parts: int, outputs: int) -> str:
    """Return a text model that LightGBM can read without harm. Raises ValueError or KeyError for any other.

    Each tree must be one: every inner node and leaf is the child of just one node, children come after their parents,
    splits are of parts that are there, all numbers are finite, no split is by a set of categories.
    """
    content, end, rest = text.partition("\nend of trees\n")
    if not end or rest:
        raise ValueError("there must be an end of trees, and nothing after it")
    head, *trees = content.split("\nTree=")
    header = _fields(head)
    if not header.keys() <= HEADER:
        raise ValueError(f"the header has {', '.join(sorted(header.keys() - HEADER))}")
    wanted = {"num_tree_per_iteration": str(outputs), "num_class": str(outputs), "max_feature_idx": str(parts - 1)}
    if any(header.get(name) != value for name, value in wanted.items()):
        raise ValueError(f"the model must have {parts} parts and {outputs} outputs")
    if len(header["feature_names"].split()) != parts or len(header["feature_infos"].split()) != parts:
        raise ValueError(f"the model must name {parts} parts")
    sizes = [int(size) for size in header.get("tree_sizes", "").split()]
    blocks = [f"Tree={tree}\n" for tree in trees]
    if not trees or len(trees) % outputs or sizes != [len(block) for block in blocks]:
        raise ValueError("the trees are not those that the header tells")
    for number, tree in enumerate(trees):
        first, _, body = tree.partition("\n")
        if first != str(number):
            raise ValueError(f"tree {number} is missing")
        _check_tree(_fields(body), parts)
    return text


def _fields(block: str) -> dict[str, str]:
    """Return the lines ``name=value`` of a block; a name may be there once."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        name, _, value = line.partition("=")
        if name in found:
            raise ValueError(f"{name} is there twice")
        if name:
            found[name] = value
    return found


def _numbers(fields: dict[str, str], name: str, kind: type, length: int) -> list[Any]:
    found = [kind(word) for word in fields[name].split()]
    infinite = name == "threshold"  # that parts gaps from all else
    if len(found) != length or any(not (math.isfinite(one) or (infinite and math.isinf(one))) for one in found):
        raise ValueError(f"{name} must be {length} finite numbers")
    return found


def _check_tree(fields: dict[str, str], parts: int) -> None:
    if not fields.keys() <= {*INNER, *LEAVES, *SINGLE}:
        raise ValueError(f"a tree has {', '.join(sorted(fields.keys() - {*INNER, *LEAVES, *SINGLE}))}")
    single = {name: _numbers(fields, name, kind, 1)[0] for name, kind in SINGLE.items()}
    leaves = single["num_leaves"]
    if leaves < 1 or single["num_cat"] != 0 or single["is_linear"] != 0:
        raise ValueError("a tree must have leaves, and neither sets of categories nor linear models")
    if leaves == 1:
        _numbers(fields, "leaf_value", float, 1)
        return
    for name, kind in LEAVES.items():
        _numbers(fields, name, kind, leaves)
    inner = {name: _numbers(fields, name, kind, leaves - 1) for name, kind in INNER.items()}
    if not all(0 <= feature < parts for feature in inner["split_feature"]):
        raise ValueError("a split is of a part that is not there")
    if not all(0 <= kind <= 10 and not kind & 1 for kind in inner["decision_type"]):
        raise ValueError("a split is neither by a threshold nor for gaps")
    sides = [inner["left_child"], inner["right_child"]]
    below = sorted(sides[0] + sides[1])
    upward = any(0 <= child <= node for side in sides for node, child in enumerate(side))
    if upward or below != [*range(-leaves, 0), *range(1, leaves - 1)]:
        raise ValueError("the nodes are no tree")


@cache
def _library() -> ctypes.CDLL:
    """Open LightGBM's library. Raises BundleError (``estimator_unknown``) where it is not here."""
    spec = find_spec("lightgbm")
    folder = Path(spec.origin).parent / "lib" if spec and spec.origin else None
    try:
        path = next(folder.glob("lib_lightgbm.*")) if folder else None
        library = ctypes.CDLL(str(path)) if path else None
    except (OSError, StopIteration) as error:
        raise BundleError(f"LightGBM cannot be loaded: {error}", code=Code.ESTIMATOR_UNKNOWN) from error
    if library is None:
        raise BundleError("the estimator needs LightGBM, which is not installed here", code=Code.ESTIMATOR_UNKNOWN)
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _call(function: str, *arguments: Any) -> None:
    library = _library()
    if getattr(library, function)(*arguments) != 0:
        raise ValueError(f"LightGBM: {library.LGBM_GetLastError().decode(errors='replace')}")
