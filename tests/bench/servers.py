"""How fast the predictor answers, beside what one would take instead: ``python -m tests.bench.servers``.

All contenders are started as their users start them, with one worker, bound to one core; the load comes from another,
by ``wrk`` (Debian: ``apt-get install wrk``). The rounds of all are interleaved. MLServer gets an environment of its own
in ``.bench``; MLflow and KServe are in ours. Prints a table, puts it into docs/speed.md, and writes the figures of
every round as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from tests.bench import page
from tests.bench.material import passwords, training_csv, write_trained_bundle
from tests.checker.stack import free_ports

ROOT = Path(__file__).parents[2]
CONTENDERS = Path(__file__).parent / "contenders"
CACHE = ROOT / ".bench"
MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22")

CLIENTS = 8
PACED_CLIENTS = 64
ROWS = (1, 100)
READY_SECONDS = 120.0
STOP_SECONDS = 20.0

OURS, EMPTY, LIMIT = "Regraft", "KServe, empty model", "uvicorn, empty ASGI"
MLFLOW, MLSERVER_NAME, KSERVE = "mlflow models serve", "MLServer", "KServe"

TARGETS = (
    ("1 row, Regraft : MLServer", 1, MLSERVER_NAME, 60.0),
    ("1 row, Regraft : mlflow models serve", 1, MLFLOW, 60.0),
    ("1 row, Regraft : KServe with an empty model", 1, EMPTY, 3.0),
    ("1 row, Regraft : empty ASGI application on uvicorn", 1, LIMIT, 0.5),
    ("100 rows, Regraft : the reference in KServe", 100, KSERVE, 40.0),
)
MOST_P99 = 3.0


@dataclass
class Load:
    """What wrk saw in one round."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds


@dataclass
class Contender:
    """A server, how it is asked, and what was measured of it."""

    name: str
    command: list[str]
    url: str
    bodies: dict[int, Any]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    loads: dict[int, list[Load]] = field(default_factory=lambda: {rows: [] for rows in ROWS})
    paced: list[Load] = field(default_factory=list)
    memory: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it has answered; note how long that took."""
        self.folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with (self.folder / "log").open("ab") as log:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""} | self.environment
            self.process = subprocess.Popen(
                pinned(0, self.command), stdout=log, stderr=log, env=environment, start_new_session=True
            )
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() - began > READY_SECONDS:
                raise SystemExit(f"{self.name} does not answer:\n{self.end_of_log()}")
            time.sleep(0.02)
        self.starts.append(time.monotonic() - began)

    def stop(self) -> None:
        """End the server."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.process = None

    def load(self, rows: int, seconds: float, *, rate: float = 0.0) -> Load:
        """Put the server under load: without pauses, or at a rate of requests that come at random moments."""
        clients = PACED_CLIENTS if rate else CLIENTS
        pause = 1000 * clients / rate if rate else 0
        body = self.folder / f"{rows}.json"
        body.write_text(json.dumps(self.bodies[rows]))
        command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"]
        command += ["--timeout", "30s", "--script", str(CONTENDERS / "load.lua"), self.url, "--", str(body), str(pause)]
        done = subprocess.run(pinned(1, command), capture_output=True, text=True, check=True)
        found = Load(**json.loads(done.stdout.splitlines()[-1]))
        if found.errors:
            raise SystemExit(f"{self.name} failed {found.errors} requests:\n{self.end_of_log()}")
        return found

    def measure_memory(self) -> None:
        """Note the memory of the server and its children, shared pages counted once."""
        assert self.process is not None
        sizes = [_proportional(pid) for pid in _family(self.process.pid)]
        self.memory = max(self.memory, sum(sizes))

    def end_of_log(self) -> str:
        """Return the last lines that the server has written."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-20:])

    def rate(self, rows: int) -> float:
        """Return the median of the requests a second."""
        return statistics.median(load.rate for load in self.loads[rows])

    def _answers(self) -> bool:
        try:
            return httpx.post(self.url, json=self.bodies[1], trust_env=False, timeout=10).is_success
        except httpx.TransportError:
            return False


def main() -> int:
    """Measure, print, and write down. The exit code is 0 only if all that was aimed at is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.servers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="length of a round")
    parser.add_argument("--starts", type=int, default=3, help="starts of each contender")
    parser.add_argument("--json", type=Path, metavar="FILE", default=ROOT / ".bench" / "servers.json")
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md as it is")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this bench needs wrk: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)")
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder, ExitStack() as stack:
        contenders = line_up(Path(folder))
        for _ in range(options.starts - 1):
            for contender in contenders:
                with running(contender):
                    pass
        for contender in contenders:
            stack.enter_context(running(contender))
        play(contenders, options.rounds, options.seconds)
    aims = judge(contenders)
    text = f"{machine()}\n\n{table(contenders)}\n\n{aims_table(aims)}\n"
    print(text)
    options.json.write_text(json.dumps(record(contenders, aims), indent=1) + "\n")
    if not options.no_page:
        page.put(ROOT / "docs" / "speed.md", "servers", text)
    return 0 if all(met for *_, met in aims) else 1


def line_up(folder: Path) -> list[Contender]:
    """Prepare all contenders: their environments, their models, their addresses."""
    data = folder / "data.csv"
    data.write_bytes(training_csv())
    python, mlserver = sys.executable, mlserver_environment()
    reference = _train(python, data, folder / "reference.joblib")
    run([python, str(CONTENDERS / "mlflow_model.py"), reference, str(folder / "mlflow")])
    bundle = folder / "bundle"
    write_trained_bundle(bundle)
    words = {rows: passwords(rows) for rows in ROWS}
    instances = {rows: {"instances": each} for rows, each in words.items()}
    ports = [*free_ports(), *free_ports()]
    ours, mlflow, mlserver_port, kserve, empty, limit = (str(port) for port in ports)
    local = "http://127.0.0.1"
    server = [python, "-m", "regraft_inference.server", "--model_dir", str(bundle), "--host", "127.0.0.1"]
    v1 = "v1/models/reference:predict"
    return [
        Contender(
            OURS,
            [*server, "--http_port", ours],
            f"{local}:{ours}/predict",
            {rows: {"Password": each} for rows, each in words.items()},
            folder / "ours",
        ),
        Contender(
            MLSERVER_NAME,
            [str(mlserver / "bin" / "mlserver"), "start", str(_mlserver_folder(folder, mlserver, data, mlserver_port))],
            f"{local}:{mlserver_port}/v2/models/reference/infer",
            {rows: _v2(each) for rows, each in words.items()},
            folder / "mlserver",
        ),
        Contender(
            MLFLOW,
            [
                *(python, "-m", "mlflow", "models", "serve", "--env-manager", "local"),
                *("-m", str(folder / "mlflow"), "--port", mlflow, "--workers", "1"),
            ],
            f"{local}:{mlflow}/invocations",
            {rows: {"inputs": each} for rows, each in words.items()},
            folder / "mlflow-server",
            {"PATH": f"{Path(python).parent}:{os.environ['PATH']}"},
        ),
        Contender(
            KSERVE,
            [python, str(CONTENDERS / "kserve_server.py"), kserve, reference],
            f"{local}:{kserve}/{v1}",
            instances,
            folder / "kserve",
        ),
        Contender(
            EMPTY,
            [python, str(CONTENDERS / "kserve_server.py"), empty],
            f"{local}:{empty}/{v1}",
            instances,
            folder / "kserve-empty",
        ),
        Contender(
            LIMIT,
            [
                *(python, "-m", "uvicorn", "empty_asgi:app", "--app-dir", str(CONTENDERS), "--port", limit),
                *("--no-access-log", "--lifespan", "off", "--log-level", "warning"),
            ],
            f"{local}:{limit}/predict",
            {rows: {"Password": each} for rows, each in words.items()},
            folder / "uvicorn",
        ),
    ]


def play(contenders: Sequence[Contender], rounds: int, seconds: float) -> None:
    """Measure all contenders in turn, again and again; the first turn warms them up."""
    for number in range(rounds + 1):
        for rows in ROWS:
            for contender in contenders:
                load = contender.load(rows, seconds if number else 1)
                contender.measure_memory()
                if number:
                    contender.loads[rows].append(load)
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
    for _ in range(rounds):
        for contender in contenders:
            if contender.name in (OURS, LIMIT):
                contender.paced.append(contender.load(1, seconds, rate=contender.rate(1) / 2))


def judge(contenders: Sequence[Contender]) -> list[tuple[str, float, str, bool]]:
    """Return what is aimed at: what, the ratio found, the aim, whether it is reached."""
    by_name = {contender.name: contender for contender in contenders}
    ours, limit = by_name[OURS], by_name[LIMIT]
    found = []
    for what, rows, name, least in TARGETS:
        ratio = ours.rate(rows) / by_name[name].rate(rows)
        found.append((what, ratio, f"at least {least:g}", ratio >= least))
    p99 = [statistics.median(load.p99 for load in each.paced) for each in (ours, limit)]
    ratio = p99[0] / p99[1]
    found.append(("p99 at half the top rate, Regraft : empty ASGI", ratio, f"under {MOST_P99:g}", ratio < MOST_P99))
    return found


def table(contenders: Sequence[Contender]) -> str:
    """Return all figures as a table of Markdown: medians, and the spread of the rates from least to most."""
    loads = " | ".join(f"{rows} row{'s'[: rows - 1]}: requests/s | spread | p50, ms | p99, ms" for rows in ROWS)
    lines = [
        f"| server | {loads} | p99 at half the top rate, ms | memory, MiB | start-up, s |",
        "|---|" + "---:|" * 11,
    ]
    for each in contenders:
        cells = []
        for rows in ROWS:
            rates = [load.rate for load in each.loads[rows]]
            p50 = statistics.median(load.p50 for load in each.loads[rows])
            p99 = statistics.median(load.p99 for load in each.loads[rows])
            cells += [f"{each.rate(rows):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}"]
            cells += [f"{p50 * 1000:.2f}", f"{p99 * 1000:.2f}"]
        paced = f"{statistics.median(load.p99 for load in each.paced) * 1000:.2f}" if each.paced else ""
        cells += [paced, f"{each.memory / 2**20:.0f}", f"{statistics.median(each.starts):.1f}"]
        lines.append(f"| {each.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def aims_table(aims: Sequence[tuple[str, float, str, bool]]) -> str:
    """Return the ratios beside what is aimed at."""
    lines = ["| ratio | found | aim | |", "|---|---:|---|---|"]
    lines += [f"| {what} | {ratio:.2f} | {aim} | {'' if met else 'missed'} |" for what, ratio, aim, met in aims]
    return "\n".join(lines)


def record(contenders: Sequence[Contender], aims: Sequence[tuple[str, float, str, bool]]) -> dict[str, Any]:
    """Return all figures, each round's too."""
    servers = {
        each.name: {
            "starts": each.starts,
            "memory": each.memory,
            "loads": {rows: [vars(load) for load in loads] for rows, loads in each.loads.items()},
            "paced": [vars(load) for load in each.paced],
        }
        for each in contenders
    }
    ratios = [{"ratio": what, "found": ratio, "aim": aim, "met": met} for what, ratio, aim, met in aims]
    return {"machine": machine(), "servers": servers, "ratios": ratios}


def machine() -> str:
    """Return what it was measured on."""
    packages = ("kserve", "mlflow", "scikit-learn", "uvicorn")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}, {versions}, {' '.join(MLSERVER)}"
    )


def mlserver_environment() -> Path:
    """Return MLServer's environment, made where it is not there."""
    folder = CACHE / "mlserver"
    if not (folder / ".ready").exists():
        uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                str(folder / "bin" / "python"),
                *MLSERVER,
            ]
        )
        (folder / ".ready").touch()
    return folder


def _mlserver_folder(folder: Path, environment: Path, data: Path, port: str) -> Path:
    models = folder / "mlserver-models"
    models.mkdir()
    _train(str(environment / "bin" / "python"), data, models / "model.joblib")
    settings = {
        "http_port": int(port),
        "host": "127.0.0.1",
        "grpc_port": free_ports()[0],
        "metrics_port": free_ports()[1],
    }
    (models / "settings.json").write_text(json.dumps({"debug": False, "access_logs": False, **settings}))
    model = {"name": "reference", "implementation": "mlserver_sklearn.SKLearnModel"}
    (models / "model-settings.json").write_text(json.dumps({**model, "parameters": {"uri": "./model.joblib"}}))
    return models


def _train(python: str, data: Path, target: Path) -> str:
    run([python, str(CONTENDERS / "reference.py"), str(data), str(target)])
    return str(target)


def _v2(words: list[str]) -> dict[str, Any]:
    tensor = {"name": "Password", "shape": [len(words)], "datatype": "BYTES", "data": words}
    return {"parameters": {"content_type": "str"}, "inputs": [{**tensor, "parameters": {"content_type": "str"}}]}


@contextmanager
def running(contender: Contender) -> Iterator[None]:
    """Have a contender running."""
    try:
        contender.start()
        yield
    finally:
        contender.stop()


def run(command: Sequence[str]) -> None:
    """Run a command. Ends with what it says where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")


def pinned(core: int, command: list[str]) -> list[str]:
    """Return the command bound to one core, where the machine has several and can."""
    if (os.cpu_count() or 1) > 1 and shutil.which("taskset"):
        return ["taskset", "--cpu-list", str(core), *command]
    return command


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _proportional(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    sys.exit(main())
