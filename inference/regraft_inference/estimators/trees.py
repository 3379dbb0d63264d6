"""Boosted trees of LightGBM, stored as its text model and answered by its C interface.

The library is opened by itself, without the Python package around it, which takes seconds and 180 MiB.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.errors import BundleError
from regraft_inference.estimators import bounded
from regraft_inference.estimators.tree_shap import TreeShap
from regraft_inference.estimators.tree_text import parsed, written

type Floats = NDArray[np.float64]

FILE = "trees.txt"
MOST_BYTES = 5 << 20
FLOAT64, RAW, CONTRIBUTIONS = 1, 1, 3
"""What LightGBM's ``c_api.h`` calls the type of the numbers, and the kinds of predictions."""

PARAMETERS = b"num_threads=1"


class TreesModel:
    """A text model, ``parsed`` and ``written`` anew. Raises ValueError or KeyError for one that is none.

    ``scores`` are on the link's scale, shape (rows, outputs).
    """

    kind: ClassVar[str] = "boosted"

    def __init__(self, text: str, *, parts: int, outputs: int) -> None:
        trees = parsed(text, parts=parts, outputs=outputs)
        self.text = written(trees, parts=parts, outputs=outputs)
        self._parts, self._outputs = parts, outputs
        self._small = trees if TreeShap.fits(trees) else None
        self._shap: TreeShap | None = None
        self._handle = ctypes.c_void_p()
        rounds = ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", self.text.encode(), ctypes.byref(rounds), ctypes.byref(self._handle))
        self.intercept: Floats = self._predict(np.zeros((1, parts)), CONTRIBUTIONS)[0, :, -1]

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _call("LGBM_BoosterFree", self._handle)

    def scores(self, matrix: Floats) -> Floats:
        """Return the sums over all trees for the rows of a matrix."""
        return self._predict(matrix, RAW)[:, :, 0]

    def explained(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return the scores, and what each part adds to ``intercept`` (TreeSHAP), shape (rows, parts, outputs)."""
        if self._shap is None and self._small is not None:
            self._shap = TreeShap(self._small, parts=self._parts, outputs=self._outputs)
        if self._shap is not None:
            return self.scores(matrix), self._shap.of(matrix)
        return self.scores(matrix), self.own_contributions(matrix)

    @property
    def explains_slowly(self) -> bool:
        """Whether reasons take many times as long as answers.

        As long as LightGBM finds them, and the first time that they are looked up.
        """
        return self._shap is None

    def own_contributions(self, matrix: Floats) -> Floats:
        """Return what each part adds as LightGBM itself finds it, which goes through all leaves of all trees."""
        return self._predict(matrix, CONTRIBUTIONS)[:, :, :-1].transpose(0, 2, 1)

    def save(self, folder: Path) -> None:
        """Write the text."""
        (folder / FILE).write_text(self.text)

    @classmethod
    def load(cls, folder: Path, *, parts: int, outputs: int) -> Self:
        """Read a model of a matrix with so many parts. Raises BundleError (``estimator_damaged``)."""
        path = folder / FILE
        try:
            return cls(bounded(path, MOST_BYTES).decode("ascii"), parts=parts, outputs=outputs)
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
