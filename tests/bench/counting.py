"""What counting costs the predictor: ``python -m tests.bench.counting``.

The same server with and without counting, in rounds that are interleaved, bound to one core, asked by ``wrk`` from
another. What decides is how many requests are answered in a second of the server's own processor time, which does not
depend on what else the machine does. Writes its table into docs/speed.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regraft_pipeline.gates import judge
from regraft_pipeline.steps import train
from regraft_pipeline.tasks import Task, load_task
from tests.bench import page
from tests.bench.contender import CONTENDERS, ROWS, Contender, running
from tests.bench.material import passwords
from tests.checker.stack import free_ports

ROOT = Path(__file__).parents[2]
LEAST = 0.97
"""Of the rate without counting."""


@dataclass
class Side:
    """A server, and how many requests a second it has answered: of the clock, and of its own processor time."""

    server: Contender
    rates: dict[int, list[float]] = field(default_factory=lambda: {rows: [] for rows in ROWS})
    own: dict[int, list[float]] = field(default_factory=lambda: {rows: [] for rows in ROWS})

    def play(self, rows: int, seconds: float) -> None:
        """Ask for a while."""
        before = self._processor_seconds()
        load = self.server.load(rows, seconds)
        self.rates[rows].append(load.rate)
        self.own[rows].append(load.requests / (self._processor_seconds() - before))

    def _processor_seconds(self) -> float:
        assert self.server.process is not None
        threads = Path(f"/proc/{self.server.process.pid}/task").glob("*/schedstat")  # in nanoseconds, not in ticks
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def requests(task: Task) -> dict[int, Any]:
    """Return a body for each number of rows."""
    if task.name == "passwords":
        return {rows: {"Password": passwords(rows)} for rows in ROWS}
    frame = task.bootstrap()
    return {
        rows: {column.name: frame[column.name].head(rows).tolist() for column in task.contract.features}
        for rows in ROWS
    }


def bundle(task: Task, folder: Path) -> Path:
    """Judge and train the dataset that ships with a task, as a run does."""
    csv = folder / "data.csv"
    task.bootstrap().to_csv(csv, index=False)
    found = judge(csv, task, reference=None, incumbent=None)
    assert found.data is not None
    estimator = train.fitted(task, found.data, found.profile)
    train.write(folder / "bundle", task, found.data, estimator, found.verdict, data_sha256="0" * 64)
    return folder / "bundle"


def sides(task: Task, folder: Path) -> tuple[Side, Side]:
    """Return the server that counts, and the one that does not."""
    folder.mkdir()
    model, ports = bundle(task, folder), free_ports()

    def server(name: str, how: list[str], port: int) -> Side:
        options = ["--model_name", task.name, "--model_dir", str(model), "--host", "127.0.0.1", "--http_port"]
        url = f"http://127.0.0.1:{port}/predict"
        environment = {"REGRAFT_FIT_PORT": "0", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *how, *options, str(port)]
        return Side(Contender(name, command, url, requests(task), folder / name, environment))

    return (
        server("counting", ["-m", "regraft_inference.server"], ports[0]),
        server("uncounted", [str(CONTENDERS / "uncounted.py")], ports[1]),
    )


def measure(task: Task, folder: Path, rounds: int, seconds: float) -> tuple[Side, Side]:
    """Ask both in turn, again and again; the first turn warms them up."""
    found = sides(task, folder)
    with ExitStack() as stack:
        for side in found:
            stack.enter_context(running(side.server))
            for rows in ROWS:
                side.server.load(rows, 1)
        for number in range(rounds):
            for rows in ROWS:
                for side in found if number % 2 else reversed(found):
                    side.play(rows, seconds)
    return found


def lines(task: str, with_it: Side, without: Side) -> list[tuple[str, float]]:
    """Return a line of the table for each number of rows, and the ratio that decides."""
    found = []
    for rows in ROWS:
        own = [statistics.median(side.own[rows]) for side in (with_it, without)]
        clock = [statistics.median(side.rates[rows]) for side in (with_it, without)]
        ratio = own[0] / own[1]
        figures = (f"{clock[0]:,.0f}", f"{clock[1]:,.0f}", f"{own[0]:,.0f}", f"{own[1]:,.0f}", f"{ratio:.3f}")
        found.append((f"| {task} | {rows} | {' | '.join(figures)} |", ratio))
    return found


def main() -> int:
    """Measure, print and write down. The exit code is 0 only if the aim is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.counting", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md as it is")
    options = parser.parse_args()
    found: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder:
        for name in ("passwords", "heart-disease"):
            both = measure(load_task(name), Path(folder) / name, options.rounds, options.seconds)
            found += lines(name, *both)
    head = (
        "| task | rows a request | requests/s, counting | without | a second of its own processor time, counting "
        "| without | ratio |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    text = "\n".join([head, *(line for line, _ in found)])
    text += f"\n\nThe aim is a ratio of at least {LEAST}: the least is {min(ratio for _, ratio in found):.3f}.\n"
    print(text)
    if not options.no_page:
        page.put(ROOT / "docs" / "speed.md", "counting", text)
    return 0 if all(ratio >= LEAST for _, ratio in found) else 1


if __name__ == "__main__":
    sys.exit(main())
