"""Any scikit-learn model as an estimator, stored by skops with a closed list of trusted types."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

from regraft_core.codes import Code
from regraft_core.errors import BundleError
from regraft_inference.estimators import Columns
from regraft_inference.estimators.targets import integers_of

MODEL_FILE = "model.skops"
SETTINGS_FILE = "settings.json"
SCHEMA_FILE = "schema.json"
OBJECT_NUMBER = re.compile(r'(?<="__id__": )\d+|(?<="file": ")\d+')

TRUSTED_TYPES = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
"""Private types of scikit-learn that fitted models consist of; skops trusts scikit-learn's public ones by itself."""


class SklearnEstimator:
    """A scikit-learn model, or a whole pipeline, over the feature columns in a fixed order.

    The model gets an array of shape (rows, features): float64 where all columns are numbers, else objects, so that a
    ColumnTransformer can tell the columns apart by position. ``integer`` says that the target's values are integers,
    such as classes; predictions are int64 then, else float64.

    Stored and loaded are all of scikit-learn's transformers, linear models, support vector machines, trees, forests
    and gradient boosting (histograms, too), alone or inside Pipeline, ColumnTransformer, CalibratedClassifierCV
    (sigmoid, isotonic, temperature), voting, stacking and bagging. A model of any other type, such as a function or
    class of one's own, is refused when it is saved and when it is loaded, before any of it is made.
    """

    format: ClassVar[str] = "sklearn"

    def __init__(self, model: BaseEstimator, features: Sequence[str], integer: bool) -> None:
        self.model = model
        self.features = list(features)
        self.integer = integer

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Fit the model."""
        self.model.fit(self._matrix(columns), target)
        return self

    def predict(self, columns: Columns) -> NDArray[Any]:
        """Return labels as str, booleans as bool, integers as int64, other values as float64; shape (rows,)."""
        answers = self.model.predict(self._matrix(columns))
        if answers.dtype.kind in "OUb":
            return answers.astype(np.bool_ if answers.dtype.kind == "b" else object)  # type: ignore[no-any-return]
        return integers_of(answers) if self.integer else np.asarray(answers, dtype=np.float64)

    @available_if(lambda self: hasattr(self.model, "predict_proba"))  # type: ignore[untyped-decorator]
    def probabilities(self, columns: Columns) -> NDArray[np.float64]:
        """Return the probability of each class, shape (rows, classes), classes in ascending order.

        The method is there only where the model has any.
        """
        found: NDArray[np.float64] = self.model.predict_proba(self._matrix(columns))
        return found

    @property
    def classes(self) -> list[Any]:
        """The classes that the probabilities are of."""
        found: list[Any] = self.model.classes_.tolist()
        return found

    def save(self, folder: Path) -> None:
        """Write the model. Raises BundleError (``estimator_untrusted``) where it is made of types not on the list."""
        save_model(self.model, folder)
        (folder / SETTINGS_FILE).write_text(json.dumps({"features": self.features, "integer": self.integer}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model back. Raises BundleError: ``estimator_untrusted`` or ``estimator_damaged``."""
        path = folder / SETTINGS_FILE
        try:
            settings = json.loads(path.read_bytes())
            return cls(load_model(folder), settings["features"], settings["integer"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error

    def parameters(self) -> dict[str, Any]:
        """Return the kind of model and its settings that are plain values."""
        plain = {
            name: value
            for name, value in self.model.get_params().items()
            if isinstance(value, bool | int | float | str)
        }
        return {"model": type(self.model).__name__, **plain}

    def _matrix(self, columns: Columns) -> NDArray[Any]:
        arrays = [np.asarray(columns[name]) for name in self.features]
        if all(array.dtype.kind in "biuf" for array in arrays):
            return np.stack(arrays, axis=1, dtype=np.float64)
        return np.stack([array.astype(object) for array in arrays], axis=1)


def save_model(model: BaseEstimator, folder: Path) -> None:
    """Write a model. Raises BundleError (``estimator_untrusted``) where it is made of types not on the list."""
    archive = skops.io.dumps(model)
    _refuse_untrusted(archive)
    (folder / MODEL_FILE).write_bytes(_reproducible(archive))


def load_model(folder: Path) -> Any:
    """Read a model back. Raises BundleError: ``estimator_untrusted`` or ``estimator_damaged``."""
    path = folder / MODEL_FILE
    try:
        archive = path.read_bytes()
        _refuse_untrusted(archive)
        return skops.io.loads(archive, trusted=sorted(TRUSTED_TYPES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error


def _refuse_untrusted(archive: bytes) -> None:
    if untrusted := sorted(set(skops.io.get_untrusted_types(data=archive)) - TRUSTED_TYPES):
        raise BundleError(
            f"the model is made of types that are not trusted: {', '.join(untrusted)}; use scikit-learn's own",
            code=Code.ESTIMATOR_UNTRUSTED,
        )


def _reproducible(archive: bytes) -> bytes:
    """Return what skops wrote, compressed, with the same bytes whenever the model is the same.

    skops numbers objects and files by their addresses in memory, and dates the files; here they are numbered in their
    order and have no date.
    """
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        schema = source.read(SCHEMA_FILE).decode()
        numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(OBJECT_NUMBER.findall(schema)))}
        target.writestr(zipfile.ZipInfo(SCHEMA_FILE), OBJECT_NUMBER.sub(lambda found: numbers[found[0]], schema))
        for name in source.namelist():
            if name != SCHEMA_FILE:
                stem, dot, suffix = name.partition(".")
                target.writestr(zipfile.ZipInfo(numbers[stem] + dot + suffix), source.read(name))
    return result.getvalue()
