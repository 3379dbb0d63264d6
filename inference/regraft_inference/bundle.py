"""The bundle: the one artifact that is trained, registered and served.

A bundle is a folder that MLflow can load, too::

    MLmodel             how MLflow loads it (regraft_inference.pyfunc), and its signature
    requirements.txt    what MLflow has to install for that
    bundle.json         where it comes from, and which estimator reads its data
    contract.json       what a request must look like
    profile.json        profile of the dataset that it was trained on
    golden.json         requests with the answers that the trainer computed
    *input_example.json a few of these requests, as MLflow has examples
    estimator/          data of the estimator, in its own format, never pickled
    checksums.json      SHA-256 of every file above
    version.json        number of the model version; added when the bundle is registered

Everything but the version is written once and never changed; the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from regraft_core.codes import Code
from regraft_core.contract import EXPLAIN, PROBABILITIES, Column, Contract
from regraft_core.definition import RequestSettings
from regraft_core.errors import BundleError
from regraft_core.fit.counts import UNFIT_PSI
from regraft_core.formats import Versioned
from regraft_core.layout import GOLDEN_FILE
from regraft_core.profile import Profile
from regraft_inference import mlmodel
from regraft_inference.columns import dtype_of, json_values, typed_values
from regraft_inference.estimators import (
    Columns,
    Estimator,
    ExplainedEstimator,
    ReasoningEstimator,
    Reasons,
    ReasonsTable,
    ScoringEstimator,
    estimator_class,
)

VERSION_FILE = "version.json"
CHECKSUMS_FILE = "checksums.json"

UNCHECKED_FILES = {CHECKSUMS_FILE, VERSION_FILE, "registered_model_meta"}
"""Files that no checksum covers. MLflow adds ``registered_model_meta`` to its copy of a registered model."""

UNREGISTERED = "0"
"""Version of a bundle that has not been registered."""

MOST_BYTES = 512 << 20
"""Largest bundle that is read, unpacked: what an estimator may take of a predictor's memory."""

MOST_DOCUMENT_BYTES = 8 << 20
"""Largest JSON file of a bundle that is read; parsed it takes many times its size."""

GOLDEN_TOLERANCE = 1e-9
"""Relative difference of a golden answer that counts as repeated; integers must be equal."""


class BundleInfo(Versioned):
    """Where a bundle comes from."""

    model_config = ConfigDict(frozen=True)

    task: str
    run_id: str
    data_sha256: str
    data_url: str | None = None
    estimator: str = Field(description="Name of the estimator, as its package registers it")
    created_at: datetime
    metrics: dict[str, float] = Field(default_factory=dict, description="Held-out metrics")
    definition: str | None = Field(None, description="Hash of the task's definition that the bundle was trained by")
    unfit_psi: float = Field(UNFIT_PSI, description="Index of requests from which the model no longer fits them")
    requests: RequestSettings = Field(default_factory=RequestSettings, description="Which rows that are asked are kept")


class _Golden(BaseModel):
    """Requests with their answers."""

    columns: dict[str, list[Any]]
    answers: list[Any]


class _Version(BaseModel):
    """Content of ``version.json``: the number that MLflow gave."""

    version: str = Field(pattern=r"^[0-9]{1,18}$")


def write_bundle(
    folder: Path,
    *,
    contract: Contract,
    estimator: Estimator,
    info: BundleInfo,
    golden: Columns,
    profile: Profile | None,
) -> None:
    """Write a fitted estimator with all that serving it needs into a new or empty folder.

    ``golden`` are the features of about twenty rows; their answers are computed here.
    Raises BundleError: ``bundle_exists`` where the folder holds something already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BundleError(f"{folder} is not empty; a bundle needs a folder of its own", code=Code.BUNDLE_EXISTS)
    columns = _typed(_dtypes(contract), golden)
    requests = {column.name: json_values(column, columns[column.name]) for column in contract.features}
    answers = np.asarray(estimator.predict(columns)).tolist()
    _write_json(folder / "bundle.json", info.model_dump(mode="json"))
    _write_json(folder / "contract.json", contract.model_dump(mode="json"))
    _write_json(folder / "profile.json", {} if profile is None else profile.model_dump(mode="json"))
    _write_json(folder / GOLDEN_FILE, {"columns": requests, "answers": answers})
    example = mlmodel.example(requests)
    _write_json(folder / "input_example.json", example)
    _write_json(folder / "serving_input_example.json", {"dataframe_split": example})
    (folder / "requirements.txt").write_text(f"regraft-inference=={package_version('regraft-inference')}\n")
    (folder / "estimator").mkdir()
    estimator.save(folder / "estimator")
    options = Bundle(folder, contract=contract, info=info, estimator=estimator, version=UNREGISTERED).options
    (folder / "MLmodel").write_text(yaml.safe_dump(mlmodel.content(contract, info.run_id, info.created_at, options)))
    _write_json(folder / CHECKSUMS_FILE, _checksums(folder))


def version_json(version: str) -> str:
    """Return the content of the ``version.json`` of a model version."""
    return _Version(version=version).model_dump_json()


class Bundle:
    """A loaded bundle, ready to predict."""

    def __init__(
        self, folder: Path, *, contract: Contract, info: BundleInfo, estimator: Estimator, version: str
    ) -> None:
        self.folder = folder
        self.contract = contract
        self.info = info
        self.estimator = estimator
        self._dtypes = _dtypes(contract)
        self._scoring = estimator if contract.classes is not None and isinstance(estimator, ScoringEstimator) else None
        self._reasoning = estimator if isinstance(estimator, ReasoningEstimator) else None
        self._explained = estimator if isinstance(estimator, ExplainedEstimator) else None
        self.version = version

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a bundle after its checksums have been verified.

        Raises BundleError: ``bundle_missing``, ``bundle_incomplete``, ``bundle_damaged``, ``bundle_foreign_file``,
        ``bundle_too_large`` or ``estimator_unknown``.
        """
        _check_sizes(folder)
        verify_checksums(folder)
        info = _read_json(folder / "bundle.json", BundleInfo)
        version_file = folder / VERSION_FILE
        return cls(
            folder,
            contract=_read_json(folder / "contract.json", Contract),
            info=info,
            estimator=estimator_class(info.estimator).load(folder / "estimator"),
            version=_read_json(version_file, _Version).version if version_file.exists() else UNREGISTERED,
        )

    @property
    def sha256(self) -> str:
        """SHA-256 of the dataset that the bundle was trained on."""
        return self.info.data_sha256

    def predict(self, columns: Columns) -> NDArray[Any]:
        """Return the target's values for feature columns, shape (rows,), in the order of the rows.

        Strings may come as any sequence, numbers as any sequence or array; they must keep the contract.
        """
        return self.estimator.predict(_typed(self._dtypes, columns))

    def predict_scored(self, columns: Columns) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Do as ``predict``, and return beside it the scores of a ``ScoringEstimator``, None of any other."""
        if self._scoring is None:
            return self.predict(columns), None
        scores = self._scoring.scores(_typed(self._dtypes, columns))
        return self._scoring.answers_of(scores), scores

    def predict_explained(self, columns: Columns) -> tuple[NDArray[Any], NDArray[Any] | None, Sequence[Reasons]]:
        """Do as ``predict_scored`` and ``reasons``, in one go where the estimator can, if ``gives_reasons``."""
        if self._explained is None:
            values, found = self.predict_scored(columns)
            return values, found, self.reasons(columns, values)
        scores, reasons = self._explained.explained(_typed(self._dtypes, columns))
        return self._explained.answers_of(scores), None if self._scoring is None else scores, reasons

    def profile(self) -> Profile | None:
        """Return the profile of the dataset, None where there is none, or one that this release does not know."""
        try:
            return _read_json(self.folder / "profile.json", Profile)
        except BundleError:
            return None

    @property
    def gives_probabilities(self) -> bool:
        """Whether the model tells classes apart and knows how probable they are."""
        return self.contract.classes is not None and getattr(self.estimator, "probabilities", None) is not None

    def class_probabilities(self, columns: Columns) -> NDArray[np.float64]:
        """Return the probability of each of the contract's classes, shape (rows, classes), if ``gives_probabilities``.

        A class that the estimator has never seen has 0.
        """
        found: NDArray[np.float64] = self.estimator.probabilities(_typed(self._dtypes, columns))  # type: ignore[attr-defined]  # of classifiers
        classes = list(self.contract.classes or ())
        known = list(getattr(self.estimator, "classes", classes))
        if known == classes:
            return found
        probabilities = np.zeros((len(found), len(classes)))
        probabilities[:, [classes.index(one) for one in known]] = found
        return probabilities

    def of_second(self, columns: Columns) -> list[float] | None:
        """Return the probability of the second of two classes for each row, None where there is none."""
        if not self.gives_probabilities or len(self.contract.classes or ()) != 2:
            return None
        found: list[float] = self.class_probabilities(columns)[:, 1].tolist()
        return found

    def probabilities(self, columns: Columns) -> list[float] | list[dict[str, float]]:
        """Return what a request for probabilities is answered, for each row.

        Of two classes that are no words, the probability of the second; else that of each class by its name.
        """
        found = self.class_probabilities(columns)
        if not self.contract.names_classes:
            second: list[float] = found[:, 1].tolist()
            return second
        names = [str(one) for one in self.contract.classes or ()]
        return [dict(zip(names, row, strict=True)) for row in found.tolist()]

    @property
    def gives_reasons(self) -> bool:
        """Whether it can be said what each column added: by the estimator, or of a number from one column by itself."""
        return self._reasoning is not None or (
            len(self.contract.features) == 1 and self.contract.target.type in ("number", "integer")
        )

    @property
    def explains_slowly(self) -> bool:
        """Whether reasons take so much longer than answers that they must not hold up those of others."""
        return bool(getattr(self._reasoning, "explains_slowly", False))

    def reasons(self, columns: Columns, answers: NDArray[Any]) -> Sequence[Reasons]:
        """Return the reasons of each row's answer, if ``gives_reasons``. All of an answer is of an only column.

        ``answers`` are what ``predict`` gives for the columns.
        """
        if self._reasoning is not None:
            return self._reasoning.reasons(_typed(self._dtypes, columns))
        numbers, none = answers.astype(np.float64), np.zeros(len(answers), dtype=np.int64)
        return ReasonsTable(
            names=tuple(self.contract.feature_names),
            scales=(self.contract.target.name,),
            starts=(0.0,),
            outputs=none,
            order=none[:, np.newaxis],
            numbers=np.column_stack([numbers, numbers]),
        )

    @property
    def options(self) -> list[str]:
        """What may be asked for besides the answers."""
        gives = {PROBABILITIES: self.gives_probabilities, EXPLAIN: self.gives_reasons}
        return [option for option in gives if gives[option]]

    def check_task(self, task: str) -> None:
        """Raise BundleError (``bundle_of_another_task``) unless the bundle is of this task."""
        for found in (self.info.task, self.contract.task):
            if found != task:
                raise BundleError(f"{self.folder} holds a bundle of {found[:80]!r}", code=Code.BUNDLE_OF_ANOTHER_TASK)

    def check_golden(self) -> None:
        """Raise BundleError (``golden_mismatch``) unless the golden requests are answered as the trainer did."""
        golden = _read_json(self.folder / GOLDEN_FILE, _Golden)
        answers = self.predict(golden.columns)
        expected = np.asarray(golden.answers)
        for row in range(max(len(expected), len(answers))):
            if row >= min(len(expected), len(answers)) or not _repeats(answers[row], expected[row]):
                raise BundleError(
                    f"golden request {row} is not answered as when the bundle was trained: "
                    f"{answers[row:][:1]} instead of {expected[row:][:1]}",
                    code=Code.GOLDEN_MISMATCH,
                    row=row,
                )


def verify_checksums(folder: Path) -> None:
    """Raise BundleError unless a folder holds exactly the files of a bundle, each as it was written."""
    if not (folder / CHECKSUMS_FILE).is_file():
        raise BundleError(f"{folder} holds no bundle: it has no {CHECKSUMS_FILE}", code=Code.BUNDLE_MISSING)
    expected = _read_json(folder / CHECKSUMS_FILE, dict[str, str])
    found = _checksums(folder)
    if missing := sorted(expected.keys() - found.keys()):
        raise BundleError(f"the bundle in {folder} lacks {', '.join(missing)}", code=Code.BUNDLE_INCOMPLETE)
    if foreign := sorted(found.keys() - expected.keys()):
        raise BundleError(f"{', '.join(foreign)} in {folder} is not of the bundle", code=Code.BUNDLE_FOREIGN_FILE)
    if damaged := sorted(name for name in expected if found[name] != expected[name]):
        raise BundleError(f"{', '.join(damaged)} in {folder} is not as it was written", code=Code.BUNDLE_DAMAGED)


def _check_sizes(folder: Path) -> None:
    """Raise BundleError for a bundle that would take more memory than a predictor has, before any of it is read."""
    left = MOST_BYTES
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        left -= _unpacked_size(path)
        if left < 0:
            raise BundleError(f"the bundle in {folder} has more than {MOST_BYTES} bytes", code=Code.BUNDLE_TOO_LARGE)
        if path.suffix == ".json" and path.stat().st_size > MOST_DOCUMENT_BYTES:
            raise BundleError(f"{path} has more than {MOST_DOCUMENT_BYTES} bytes", code=Code.BUNDLE_TOO_LARGE)


def _unpacked_size(path: Path) -> int:
    """Return what a file takes once it is read. An archive says so itself, and cannot hold more than it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError):  # no archive; one that is damaged is found by its checksum
        return path.stat().st_size


def _checksums(folder: Path) -> dict[str, str]:
    return {name: _sha256(folder / name) for name in _checked_files(folder)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked_files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in UNCHECKED_FILES:
            yield name


def _dtypes(contract: Contract) -> list[tuple[Column, np.dtype[Any] | None]]:
    return [(column, dtype_of(column)) for column in contract.features]


def _typed(dtypes: list[tuple[Column, np.dtype[Any] | None]], columns: Columns) -> dict[str, Any]:
    """Return the feature columns in the contract's order and types, of which they mostly are already."""
    found: dict[str, Any] = {}
    for column, dtype in dtypes:
        values: Any = columns[column.name]
        is_typed = isinstance(values, list) if dtype is None else getattr(values, "dtype", None) is dtype
        found[column.name] = values if is_typed else typed_values(column, values)
    return found


def _repeats(answer: Any, expected: Any) -> bool:
    if isinstance(expected, np.floating):
        return bool(np.isclose(answer, expected, rtol=GOLDEN_TOLERANCE, atol=0))
    return bool(answer == expected)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="ascii")


def _read_json[T](path: Path, kind: type[T]) -> T:
    try:
        return TypeAdapter(kind).validate_python(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}", code=Code.BUNDLE_DAMAGED) from error
