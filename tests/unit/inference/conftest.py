"""What tests of the predictor share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regraft_inference.model import TaskRepository
from tests.unit.inference.asking import Client, client_of
from tests.unit.inference.bundles import write_heart_bundle, write_passwords_bundle


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("models")
    write_passwords_bundle(folder / "passwords", answer=1.5, version="7")
    write_heart_bundle(folder / "heart-disease", version="3")
    repository = TaskRepository(models_dir=folder)
    repository.load_all()
    client = client_of(repository)
    yield client
    client.runner.close()
