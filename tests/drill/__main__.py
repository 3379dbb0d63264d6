"""Kill whatever Regraft stands on while datasets come in, on the cluster of kubectl's context.

python -m tests.drill [--triggers 20] [--kills 30] [--pause 12] [--least 12] [--seconds 3600] [--seed N]
"""

from __future__ import annotations

import argparse
import secrets
import sys
from random import Random

from tests.drill.drill import Drill, said, settled
from tests.e2e.conftest import MLFLOW_URL, URL, Installation
from tests.e2e.registry import Registry


def main() -> int:
    """Print what happened as a table; the exit code is 0 only if nothing was lost and all agree."""
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--triggers", type=int, default=20, help="datasets that are posted")
    parser.add_argument("--kills", type=int, default=30, help="pods that are killed")
    parser.add_argument("--pause", type=float, default=12.0, help="mean seconds between two of both")
    parser.add_argument("--least", type=float, default=12.0, help="seconds between two kills, at least")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of the whole, at most")
    parser.add_argument("--seed", type=int, help="of what happens when; a new one each time where it is left out")
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    with Installation(f"{URL}/trigger", f"{URL}/predict") as service, Registry(MLFLOW_URL) as registry:
        settled()
        amounts = (arguments.triggers, arguments.kills, arguments.pause, arguments.least, arguments.seconds)
        drill = Drill(service, registry, Random(seed), *amounts)
        asking = drill.play()
    print(drill.table(asking))
    if drill.problems:
        print(said(drill.problems))
    return 1 if drill.problems else 0


if __name__ == "__main__":
    sys.exit(main())
