from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from regraft_core.contract import Column, Contract
from regraft_core.errors import BundleError
from regraft_core.profile import Levels, Profile
from regraft_inference.bundle import (
    MOST_DOCUMENT_BYTES,
    Bundle,
    BundleInfo,
    version_json,
    write_bundle,
)
from regraft_inference.estimators.passwords import PasswordEstimator
from tests.bench.families import FamilyA
from tests.unit.inference.bundles import HEART_ANSWERS, HEART_ROWS, write_heart_bundle

CONTRACT = Contract(
    task="passwords",
    features=(Column(name="Password", type="string"),),
    target=Column(name="Times", type="number", minimum=0),
)
INFO = BundleInfo(
    task="passwords",
    run_id="run-abcdefghijkl",
    data_sha256="0f" * 32,
    data_url="https://example.org/data.csv",
    estimator="passwords",
    created_at=datetime(2024, 2, 29, 12, tzinfo=UTC),
    metrics={"rmsle": 0.25},
)
STRANGE = ["", "\ud800", "\x00\n", "密码", '"quoted"', "null"]
GOLDEN = {"Password": [*FamilyA(0).sample(14, 5).words, *STRANGE]}


@pytest.fixture(scope="module")
def estimator() -> PasswordEstimator:
    sample = FamilyA(0).sample(300, 1)
    return PasswordEstimator().fit({"Password": sample.words}, sample.target)


PROFILE = Profile(
    task="passwords",
    rows=300,
    data_sha256="a" * 64,
    target=Levels(levels=(0.0, 1.0), counts=(200, 100, 0), shares=(0.666667, 0.333333, 0.0)),
    inputs={},
)


def write(folder: Path, estimator: PasswordEstimator) -> Path:
    write_bundle(folder, contract=CONTRACT, estimator=estimator, info=INFO, golden=GOLDEN, profile=PROFILE)
    return folder


@pytest.fixture(scope="module")
def written(estimator: PasswordEstimator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bundle"), estimator)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    return caught.value.code


def change_golden(folder: Path, change: Callable[[list[float]], object]) -> None:
    """Change the golden answers, and make the checksums agree."""
    golden = json.loads((folder / "golden.json").read_text())
    change(golden["answers"])
    (folder / "golden.json").write_text(json.dumps(golden))
    resign(folder)


def resign(folder: Path) -> None:
    from regraft_inference import bundle  # noqa: PLC0415 - only tampering needs what is private

    (folder / "checksums.json").write_text(json.dumps(bundle._checksums(folder)))


def test_a_bundle_answers_as_its_estimator_did(written: Path, estimator: PasswordEstimator) -> None:
    bundle = Bundle.load(written)
    words = FamilyA(0).sample(200, 7).words
    assert bundle.predict({"Password": words}).tolist() == estimator.predict({"Password": words}).tolist()
    bundle.check_golden()


def test_a_bundle_says_where_it_comes_from(written: Path) -> None:
    bundle = Bundle.load(written)
    assert bundle.info == INFO
    assert bundle.contract == CONTRACT
    assert bundle.sha256 == INFO.data_sha256
    assert bundle.folder == written
    assert Profile.model_validate_json((written / "profile.json").read_bytes()) == PROFILE


def test_the_version_is_added_later(folder: Path) -> None:
    assert Bundle.load(folder).version == "0"
    (folder / "version.json").write_text(version_json("7"))
    assert Bundle.load(folder).version == "7"


@pytest.mark.parametrize("content", ["", "{}", '{"version": 7}', '{"version": "7\\nx"}', "[]"])
def test_a_damaged_version_is_refused(folder: Path, content: str) -> None:
    (folder / "version.json").write_text(content)
    assert refusal(folder) == "bundle_damaged"


def test_the_same_input_gives_the_same_bytes(written: Path, estimator: PasswordEstimator, tmp_path: Path) -> None:
    again = write(tmp_path / "again", estimator)
    files = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [(written / name).read_bytes() for name in files] == [(again / name).read_bytes() for name in files]


def test_a_bundle_is_not_written_over_something_else(folder: Path, estimator: PasswordEstimator) -> None:
    with pytest.raises(BundleError) as caught:
        write(folder, estimator)
    assert caught.value.code == "bundle_exists"


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "bundle_missing"
    assert refusal(tmp_path / "nowhere") == "bundle_missing"


@pytest.mark.parametrize("name", ["MLmodel", "bundle.json", "contract.json", "golden.json", "estimator/model.npz"])
def test_every_file_is_needed_as_it_was_written(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert refusal(folder) == "bundle_damaged"
    middle = len(content) // 2
    (folder / name).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    assert refusal(folder) == "bundle_damaged"
    (folder / name).unlink()
    assert refusal(folder) == "bundle_incomplete"


@pytest.mark.parametrize("name", ["model.pkl", "estimator/evil.npz", "code/__init__.py"])
def test_a_file_that_is_not_of_the_bundle_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    assert refusal(folder) == "bundle_foreign_file"


def test_a_bundle_that_would_fill_the_memory_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regraft_inference.bundle.MOST_BYTES", MOST_DOCUMENT_BYTES << 1)
    kept = (folder / "contract.json").read_bytes()
    (folder / "contract.json").write_bytes(kept + b" " * MOST_DOCUMENT_BYTES)
    assert refusal(folder) == "bundle_too_large"
    (folder / "contract.json").write_bytes(kept)
    with zipfile.ZipFile(folder / "estimator" / "model.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(MOST_DOCUMENT_BYTES << 1))
    assert refusal(folder) == "bundle_too_large"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"MLmodel": 1}', b"\xff\xfe"])
def test_damaged_checksums_are_refused(folder: Path, content: bytes) -> None:
    (folder / "checksums.json").write_bytes(content)
    assert refusal(folder) == "bundle_damaged"


def test_what_mlflow_adds_to_a_registered_model_is_let_be(folder: Path) -> None:
    (folder / "registered_model_meta").write_text("model_name: passwords\n")
    Bundle.load(folder)


def test_an_estimator_that_is_not_installed_is_refused(folder: Path) -> None:
    info = INFO.model_copy(update={"estimator": "unheard-of"})
    (folder / "bundle.json").write_text(info.model_dump_json())
    resign(folder)
    assert refusal(folder) == "estimator_unknown"


@pytest.mark.parametrize(
    "change",
    [lambda answers: answers.__setitem__(3, 0.5), lambda answers: answers.pop(), lambda answers: answers.append(0.0)],
)
def test_a_golden_answer_that_differs_is_refused(folder: Path, change: Callable[[list[float]], object]) -> None:
    change_golden(folder, change)
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder).check_golden()
    assert caught.value.code == "golden_mismatch"
    assert caught.value.details["row"] in {3, 19, 20}


def test_golden_answers_may_differ_by_rounding(folder: Path) -> None:
    change_golden(folder, lambda answers: answers.__setitem__(slice(None), [x * (1 + 1e-12) for x in answers]))
    Bundle.load(folder).check_golden()


def test_integers_stay_integers(tmp_path: Path) -> None:
    bundle = Bundle.load(write_heart_bundle(tmp_path / "heart"))
    bundle.check_golden()
    answers = bundle.predict({name: np.array(values) for name, values in HEART_ROWS.items()})
    assert answers.dtype == np.int64
    assert answers.tolist() == HEART_ANSWERS


def test_mlmodel_names_the_loader_and_the_signature(written: Path) -> None:
    model = yaml.safe_load((written / "MLmodel").read_text())
    assert model["flavors"]["python_function"]["loader_module"] == "regraft_inference.pyfunc"
    assert json.loads(model["signature"]["inputs"]) == [{"type": "string", "name": "Password", "required": True}]
    assert json.loads(model["signature"]["outputs"]) == [{"type": "double", "name": "Times", "required": True}]


def test_a_bundle_of_the_format_before_is_read(folder: Path) -> None:
    contract = json.loads((folder / "contract.json").read_text())
    for part in (*contract["features"], contract["target"]):
        for name in ("nullable", "trend", "format"):
            del part[name]
    del contract["ignored"], contract["extra_columns"]
    info = json.loads((folder / "bundle.json").read_text())
    del info["format"], info["definition"]
    (folder / "contract.json").write_text(json.dumps(contract))
    (folder / "bundle.json").write_text(json.dumps(info))
    resign(folder)
    bundle = Bundle.load(folder)
    bundle.check_golden()
    assert bundle.contract == CONTRACT
