"""Versions that served are gone when the next one serves: a server that is swapped for ever does not grow."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from regraft_inference.model import TaskRepository, Version
from tests.bench.material import write_trained_bundle
from tests.proofs import some
from tests.unit.inference.asking import client_of
from tests.unit.inference.bundles import write_heart_bundle, write_passwords_bundle


def test_nothing_holds_a_version_that_serves_no_more(tmp_path: Path) -> None:
    write_passwords_bundle(tmp_path / "passwords", answer=1.5)
    write_heart_bundle(tmp_path / "heart-disease")
    repository = TaskRepository(models_dir=tmp_path)
    repository.load_all()
    client = client_of(repository)
    served: list[weakref.ref[Version]] = []
    gc.freeze()  # what other tests have loaded is not looked through at each swap
    try:
        for _ in range(5):
            for task, model in repository.models.items():
                assert model.version is not None
                served.append(weakref.ref(model.version))
                assert client.ask("POST", f"/v2/repository/models/{task}/load").status == 200
        client.runner.close()
    finally:
        gc.unfreeze()
    gc.collect()
    assert [version() for version in served] == [None] * 10


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="only Linux tells a process's memory so")
@pytest.mark.parametrize("swaps", some([40, 1000], short=[40]))
def test_the_memory_of_a_server_that_is_swapped_levels_off(tmp_path: Path, swaps: int) -> None:
    write_trained_bundle(tmp_path / "passwords")
    command = [sys.executable, "-m", "tests.unit.inference.swapping", str(tmp_path), str(swaps)]
    found = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[-1].split()
    sizes = np.array(found, dtype=float)[10:]
    middle = len(sizes) // 2
    assert np.ptp(sizes) < 20, sizes
    assert np.median(sizes[middle:]) - np.median(sizes[:middle]) < 4, sizes
