"""The trigger service where there are many runs: ``python -m tests.bench.many [--write]``.

Two installations are measured in turn against the API server of kubectl's context: a small one, and one of 200 tasks
and 2,000 runs a day (2,000 Workflows, as many as a day's time to live leaves, and 10,000 records in the history). The
Workflows are copies of one that really ran there, in a namespace of their own and with an instance ID that no
controller has, so that nothing works on them. With ``--write`` the table goes to docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from regraft_core import layout
from regraft_core.kube import Cluster
from regraft_core.record import keep
from regraft_core.runs import Run, RunRequest, RunState, new_run_id, now
from regraft_core.stores.objects import FileStore, put_model
from regraft_core.workflows import API_VERSION, TASK_LABEL, parameters_of
from regraft_trigger.backends.workflows import INSTANCE_LABEL
from tests.bench import page
from tests.e2e.cluster import get, kubectl

NOBODY = "nobody"
ROUNDS = 15
DOCS = Path(__file__).parents[2] / "docs" / "scale.md"

Json = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """An installation: so many tasks, Workflows that are there, and records of runs."""

    tasks: int
    workflows: int
    records: int

    @property
    def namespace(self) -> str:
        """The namespace of its Workflows."""
        return f"regraft-many-{self.records}"

    @property
    def names(self) -> list[str]:
        """The names of the tasks."""
        return [f"task-{number:03d}" for number in range(self.tasks)]


SIZES = (Size(2, 20, 100), Size(200, 2000, 10_000))


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.many", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/scale.md")
    write = parser.parse_args().write
    sample = ended_workflow()
    with tempfile.TemporaryDirectory() as folder:
        columns = [measured(size, sample, Path(folder) / str(size.records)) for size in SIZES]
    text = table(columns)
    sys.stdout.write(text)
    if write:
        page.put(DOCS, "many", text)
    return 0


def ended_workflow() -> Json:
    """Return a Workflow that has ended, with all its nodes: the largest that there is."""
    found = [each for each in get("workflows")["items"] if each.get("status", {}).get("finishedAt")]
    if not found:
        raise SystemExit("no run has ended on this cluster yet: make up, then make e2e or a trigger")
    return max(found, key=lambda each: len(json.dumps(each)))


def measured(size: Size, sample: Json, folder: Path) -> dict[str, str]:
    """Return a column of the table."""
    store = FileStore(folder)
    runs = fill_store(store, size)
    with (
        workflows(size.namespace, runs[: size.workflows], sample) as api,
        trigger_service(size, folder) as (url, pid, ready),
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        deep = f"/runs?limit=20&before={run_near_the_end(store)}"
        figures = {
            "size of a Workflow, KiB": f"{len(json.dumps(sample)) / 1024:.0f}",
            "ready after, s": f"{ready:.1f}",
            "first `GET /runs`, which waits until all are known, s": f"{seconds(lambda: ask(client, '/runs')):.1f}",
            "`GET /ready`, ms": spread(lambda: ask(client, "/ready")),
            "`GET /runs`, ms": spread(lambda: ask(client, "/runs")),
            "`GET /runs?task=`, ms": spread(lambda: ask(client, f"/runs?task={size.names[-1]}")),
            "`GET /runs`, 20 before the end, ms": spread(lambda: ask(client, deep)),
            "`GET /tasks`, ms": spread(lambda: ask(client, "/tasks")),
            "`GET /`, ms": spread(lambda: ask(client, "/", accept="text/html")),
            "`GET /metrics`, ms": spread(lambda: ask(client, "/metrics")),
            "`POST /trigger`, ms": spread(lambda: post(client, size.names[0])),
            "all Workflows asked of the API server, s": f"{seconds(lambda: list_all(api, size.namespace)):.2f}",
            "memory of the service, MiB": f"{resident_bytes(pid) / 2**20:.0f}",
            "its CPU seconds in an idle minute": f"{idle_cpu(pid):.1f}",
        }
    return {"": f"{size.tasks} tasks, {size.workflows:,} Workflows, {size.records:,} records"} | figures


def fill_store(store: FileStore, size: Size) -> list[Run]:
    """Write records of runs that ended in the last days, and return them, newest first."""
    began = now()

    def write(number: int) -> Run:
        moment = began - timedelta(seconds=43 * (number + 1))
        address = f"https://data.example.com/{number}.csv"
        task = size.names[number % size.tasks]
        run = Run.accept(RunRequest(run_id=new_run_id(), task=task, data_url=address, accepted_at=moment))
        run.state, run.version, run.finished_at = RunState.PROMOTED, str(number), moment
        put_model(store, layout.record(run.run_id), run)
        return keep(store, run)

    with ThreadPoolExecutor(16) as writers:
        return list(writers.map(write, range(size.records)))


def run_near_the_end(store: FileStore) -> str:
    """Return the run before the twenty oldest."""
    return layout.run_of(list(store.keys(layout.HISTORY))[-21])


@contextmanager
def workflows(namespace: str, runs: Sequence[Run], sample: Json) -> Iterator[httpx.Client]:
    """Have copies of a Workflow in a namespace of their own, and give a client of the API server."""
    kubectl("create", "namespace", namespace)
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/workflows"
    try:
        with Cluster.of_kubectl().client(timeout=60) as api:

            def create(run: Run) -> None:
                api.post(path, json=copy(sample, run)).raise_for_status()

            with ThreadPoolExecutor(8) as creators:
                list(creators.map(create, runs))
            yield api
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


def copy(sample: Json, run: Run) -> Json:
    """Return a Workflow as the sample is, of another run."""
    arguments = {"parameters": [{"name": name, "value": value} for name, value in parameters_of(run).items()]}
    return {
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": {
            "name": run.run_id,
            "labels": {**sample["metadata"]["labels"], TASK_LABEL: run.task, INSTANCE_LABEL: NOBODY},
            "annotations": sample["metadata"].get("annotations", {}),
        },
        "spec": sample["spec"] | {"arguments": arguments},
        "status": sample["status"],
    }


@contextmanager
def trigger_service(size: Size, store: Path) -> Iterator[tuple[str, int, float]]:
    """Start the trigger service; give its address, its process and how many seconds it took to be ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "REGRAFT_BACKEND": "argo",
        "REGRAFT_NAMESPACE": size.namespace,
        "REGRAFT_ARGO_INSTANCE_ID": NOBODY,
        "REGRAFT_STORE_URL": store.as_uri(),
        "REGRAFT_TASKS": ",".join(size.names),
        "REGRAFT_PORT": str(port),
        "REGRAFT_LOG_LEVEL": "ERROR",
        "REGRAFT_MAX_WAITING_RUNS": "100000",
    }
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "regraft_trigger"], env=os.environ | settings) as process:
        try:
            while not is_ready(url):
                if process.poll() is not None or time.monotonic() - began > 120:
                    raise SystemExit("the trigger service does not become ready")
                time.sleep(0.05)
            yield url, process.pid, time.monotonic() - began
        finally:
            process.terminate()


def is_ready(url: str) -> bool:
    """Whether the service would accept a run."""
    try:
        return httpx.get(f"{url}/ready", trust_env=False, timeout=10).is_success
    except httpx.TransportError:
        return False


def ask(client: httpx.Client, path: str, *, accept: str = "application/json") -> None:
    """Ask for a page."""
    client.get(path, headers={"Accept": accept}).raise_for_status()


def post(client: httpx.Client, task: str) -> None:
    """Trigger a run, which nobody works on."""
    body = {"data_url": "https://data.example.com/new.csv", "task": task}
    client.post("/trigger", json=body).raise_for_status()


def list_all(api: httpx.Client, namespace: str) -> None:
    """Ask for all Workflows at once, as kubectl does without its pages."""
    api.get(f"/apis/{API_VERSION}/namespaces/{namespace}/workflows").raise_for_status()


def seconds(call: Callable[[], None]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(call: Callable[[], None]) -> str:
    """Return median and worst of some calls, in milliseconds."""
    times = [1000 * seconds(call) for _ in range(ROUNDS)]
    return f"{statistics.median(times):.0f} ({max(times):.0f})"


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return how much CPU time a process has taken."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def idle_cpu(pid: int) -> float:
    """Return the CPU seconds that a process takes in a minute in which nobody asks."""
    before = cpu_seconds(pid)
    time.sleep(60)
    return cpu_seconds(pid) - before


def table(columns: Sequence[dict[str, str]]) -> str:
    """Return the table: a line a figure, a column an installation; times as median (worst) of some calls."""
    head, *lines = columns[0]
    rows = [[head or "", *(column[head] for column in columns)], ["---", *("---:" for _ in columns)]]
    rows += [[name, *(column[name] for column in columns)] for name in lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
