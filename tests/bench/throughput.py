"""How fast datasets are read: ``python -m tests.bench.throughput``.

The download of the first step beside ``curl``, and what the gates do beside ``pandas.read_csv``, on the same
file, in turn. Puts the table into docs/speed.md.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd

from regraft_pipeline.gates import judge, structure
from regraft_pipeline.sources import Limits, Site, fetch
from regraft_pipeline.tasks import load_task
from tests.bench import page
from tests.bench.leak import FamilyB

SEED = 7
USERS_A_ROW = 4
"""So many users have more passwords between them than there are rows."""

LIMITS = Limits(max_bytes=1 << 32, connect_seconds=10.0, read_seconds=60.0, total_seconds=600.0, attempts=1)


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.throughput", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder:
        csv = Path(folder) / "data.csv"
        write_csv(csv, options.rows)
        with serving(Path(folder)) as url:
            seconds = play(contenders(csv, f"{url}/data.csv"), options.rounds)
        text = table(seconds, options.rows, csv.stat().st_size)
    print(text)
    if not options.no_page:
        page.put(Path(__file__).parents[2] / "docs" / "speed.md", "throughput", text)


def write_csv(path: Path, rows: int) -> None:
    """Write passwords, each once, and how often each is used."""
    FamilyB().sample(USERS_A_ROW * rows, SEED)[:rows].to_csv(path, index=False)


def contenders(csv: Path, url: str) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name, each before what it is compared with."""
    task = load_task("passwords")
    target = csv.with_name("downloaded.csv")
    site = Site(limits=LIMITS, allow_private_hosts=["127.0.0.1"])
    found: dict[str, Callable[[], object]] = {
        "download": lambda: fetch(url, target, site=site, progress=lambda share, message: None)
    }
    if shutil.which("curl"):
        command = ["curl", "--silent", "--fail", "--output", str(target), url]
        found["curl"] = lambda: subprocess.run(command, check=True)
    return found | {
        "read and check (the first gate)": lambda: structure.check(csv, task, csv.parent),
        "all gates, with their model": lambda: judge(csv, task, reference=None, incumbent=None),
        "pandas.read_csv": lambda: pd.read_csv(csv),
    }


def play(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time all of them in turn, again and again."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, do in contenders.items():
            began = time.perf_counter()
            do()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def table(seconds: dict[str, list[float]], rows: int, size: int) -> str:
    """Return the figures as a table of Markdown."""
    lines = [
        f"Passwords and counts, {rows:,} rows, {size / 1e6:.1f} MB.",
        "",
        "| | median, s | least | most | MB/s | rows/s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, each in seconds.items():
        median = statistics.median(each)
        lines.append(
            f"| {name} | {median:.3f} | {min(each):.3f} | {max(each):.3f} "
            f"| {size / median / 1e6:,.0f} | {rows / median:,.0f} |"
        )
    return "\n".join(lines)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP and give its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the name it has there)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main()
