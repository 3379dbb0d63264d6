"""A predictor that is swapped many times, as a program: its last line is its memory in MiB after each swap."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from regraft_inference.bundle import version_json
from regraft_inference.model import TaskRepository
from tests.unit.inference.asking import client_of


def main(models: Path, swaps: int) -> None:
    """Swap the task ``passwords`` so often, with requests between."""
    repository = TaskRepository(models_dir=models)
    repository.load_all()
    client = client_of(repository)
    gc.collect()
    gc.freeze()  # as the server does
    sizes = []
    for number in range(swaps):
        (models / "passwords" / "version.json").write_text(version_json(str(number)))
        assert client.ask("POST", "/v2/repository/models/passwords/load").status == 200
        for _ in range(5):
            answer = client.post("/predict", {"Password": [f"password-{row}" for row in range(50)]})
            assert answer.served_by[0] == str(number)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGESIZE") / 2**20)
    print(*sizes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
