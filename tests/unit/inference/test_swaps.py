"""Versions that served are gone when the next one serves: a server that is swapped for ever does not grow."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from regraft_inference.model import TaskRepository, Version
from tests.unit.inference.asking import client_of
from tests.unit.inference.bundles import write_heart_bundle, write_passwords_bundle


def test_nothing_holds_a_version_that_serves_no_more(tmp_path: Path) -> None:
    write_passwords_bundle(tmp_path / "passwords", answer=1.5)
    write_heart_bundle(tmp_path / "heart-disease")
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    served: list[weakref.ref[Version]] = []
    for _ in range(5):
        for task, model in repository.models.items():
            assert model.version is not None
            served.append(weakref.ref(model.version))
            assert client.ask("POST", f"/v2/repository/models/{task}/load").status == 200
    client.runner.close()
    gc.collect()
    assert [version() for version in served] == [None] * 10
