"""Play many courses against a real API server: etcd and kube-apiserver alone, without a node.

python -m tests.courses [--courses 500] [--seed N] [--only SEED]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import structlog

from regraft_core.kube import Cluster
from tests.apiserver import ApiServer
from tests.courses.course import Course
from tests.courses.script import Script
from tests.courses.servers import control_plane, mlflow


def main() -> int:
    """Play the courses that are asked for; print each that fails with its story, and a line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--courses", type=int, default=500, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--world", choices=("cluster", "small", "local"), default="cluster", help="what is around")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    failed, began = [], time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = os.environ.get("REGRAFT_COURSES_MLFLOW") or stack.enter_context(mlflow(folder / "mlflow"))
        cluster: Cluster | None = None
        if arguments.world == "cluster":
            cluster = stack.enter_context(control_plane(folder / "cluster"))
        elif arguments.world == "small":
            cluster = stack.enter_context(ApiServer().running()).cluster
        for number in range(arguments.first, arguments.first + arguments.courses):
            seed = f"{arguments.world}-{number}"
            (folder / seed).mkdir()
            try:
                Course(Script(seed), folder / seed, url, cluster, name=uuid4().hex).play()
            except Exception:
                failed.append(seed)
                traceback.print_exc()
            if (number + 1) % 10 == 0:
                print(f"{number + 1} courses, {time.monotonic() - began:.0f} s", flush=True)
    played = f"{arguments.courses} courses in {time.monotonic() - began:.0f} s"
    print(f"{played}, {len(failed)} failed: {' '.join(failed)}" if failed else f"{played}, all as it has to be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
