"""How fast the predictor answers, beside what one would take instead: ``python -m tests.bench.servers``.

All contenders of a case are started as their documentation has it, with one worker, bound to one core; the load comes
from another, by ``wrk`` (Debian: ``apt-get install wrk``). The rounds of all are interleaved. Those that are not ours
get environments of their own in ``.bench``. Prints tables, puts them into docs/speed.md, and keeps the figures of every
round in ``.bench/servers``, a file for each case, so that ``--case`` can measure them one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import page
from tests.bench.cases import BOOSTED, Case, all_cases
from tests.bench.contender import ROWS, Contender, FailedError, running
from tests.bench.lineup import (
    ARRAYS,
    CACHE,
    EMPTY,
    EXPLAINED,
    KSERVE,
    LIMIT,
    LOCK,
    MLFLOW,
    MLSERVER,
    MLSERVER_NAME,
    NATIVE,
    OURS,
    SAME_MODEL,
    TRITON,
    LineUp,
)

ROOT = Path(__file__).parents[2]
KEPT = CACHE / "servers"
FIXED_RATE = 100.0
"""Requests a second that all servers manage."""

MOST_SAID = 400
"""Characters of the reason why a server is left out."""

Figures = dict[str, dict[str, Any]]
"""What was measured of each server, as it is kept."""


def main() -> int:
    """Measure, print, and write down. The exit code is 0 only if all that was aimed at is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.servers", description=__doc__)
    parser.add_argument("--case", action="append", help="name of a task; all by default")
    parser.add_argument("--only", nargs="*", help="names of servers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="length of a round")
    parser.add_argument("--starts", type=int, default=1, help="starts of each contender")
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md and what is kept as they are")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this bench needs wrk: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)")
    KEPT.mkdir(parents=True, exist_ok=True)
    cases = all_cases()
    for case in cases:
        if options.case and case.name not in options.case:
            continue
        found = measured(case, options.only, options.rounds, options.seconds, options.starts)
        print(section(case.name, found))
        if not options.no_page:
            (KEPT / f"{case.name}.json").write_text(json.dumps(found, indent=1) + "\n")
    if options.no_page:
        return 0
    kept = {case.name: json.loads(path.read_bytes()) for case in cases if (path := KEPT / f"{case.name}.json").exists()}
    text = "\n".join([f"{machine()}\n", *(section(name, found) for name, found in kept.items())])
    page.put(ROOT / "docs" / "speed.md", "servers", text)
    return 0 if all(met for name, found in kept.items() for *_, met in judged(name, found["servers"])) else 1


def measured(case: Case, only: Sequence[str] | None, rounds: int, seconds: float, starts: int) -> dict[str, Any]:
    """Measure all contenders of a case that can run here; of the others return the reasons."""
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder, ExitStack() as stack:
        contenders = []
        for name, make in LineUp(case, Path(folder)).all():
            if only and name not in only:
                continue
            try:
                contenders.append(started(make, starts, stack))
            except (FailedError, OSError) as error:
                failed[name] = str(error)
                print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
        play(contenders, failed, rounds, seconds)
        return {
            "servers": {each.name: figures(each) for each in contenders if each.name not in failed},
            "failed": failed,
        }


def started(make: Callable[[], Contender], starts: int, stack: ExitStack) -> Contender:
    """Return a contender that runs until the stack is left."""
    contender = make()
    for _ in range(starts - 1):
        with running(contender):
            pass
    stack.enter_context(running(contender))
    return contender


def play(contenders: Sequence[Contender], failed: dict[str, str], rounds: int, seconds: float) -> None:
    """Measure all contenders in turn, again and again; the first turn warms them up."""

    def each(measure: Callable[[Contender], None]) -> None:
        for contender in contenders:
            if contender.name not in failed:
                try:
                    measure(contender)
                except FailedError as error:
                    failed[contender.name] = str(error)

    for number in range(rounds + 1):
        for rows in ROWS:

            def loaded(contender: Contender, rows: int = rows, number: int = number) -> None:
                load = contender.load(rows, seconds if number else 1)
                contender.measure_memory()
                if number:
                    contender.loads[rows].append(load)

            each(loaded)
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
    each(lambda contender: contender.paced.append(contender.load(1, seconds, rate=FIXED_RATE)))

    def halfway(contender: Contender) -> None:
        if contender.name in (OURS, LIMIT):
            contender.half += [contender.load(1, seconds, rate=contender.rate(1) / 2) for _ in range(rounds)]

    each(halfway)


def figures(one: Contender) -> dict[str, Any]:
    """Return what is kept of a contender."""
    return {
        "start": statistics.median(one.starts),
        "memory": one.memory,
        "rates": {str(rows): [load.rate for load in one.loads[rows]] for rows in ROWS},
        "p50": {str(rows): statistics.median(load.p50 for load in one.loads[rows]) for rows in ROWS},
        "p99": {str(rows): statistics.median(load.p99 for load in one.loads[rows]) for rows in ROWS},
        "paced": one.paced[0].p99 if one.paced else None,
        "half": statistics.median(load.p99 for load in one.half) if one.half else None,
    }


def judged(case: str, found: Figures) -> list[tuple[str, float, str, bool]]:
    """Return what is aimed at: what, the ratio found, the aim, whether it is reached."""
    aims: list[tuple[str, float, str, bool]] = []

    def least(what: str, rows: int, other: str, aim: float | None) -> None:
        aim = None if case == BOOSTED else aim
        if OURS in found and other in found:
            ratio = ratio_of(found, OURS, other, rows)
            told = "none" if aim is None else f"at least {aim:g}"
            aims.append((f"{rows} row{'s'[: rows - 1]}, Regraft : {what}", ratio, told, ratio >= (aim or 0)))

    least("empty ASGI application on uvicorn", 1, LIMIT, 0.7 if case == "passwords" else 0.5)
    modelled = [
        name for name in (*SAME_MODEL, *([KSERVE, MLFLOW, MLSERVER_NAME] * (case == "passwords"))) if name in found
    ]
    if modelled:
        fastest = max(modelled, key=lambda name: rate(found, name, 1))
        least(f"the fastest with the same kind of model, {fastest}", 1, fastest, 5.0)
        least(f"the fastest with our arrays in Python, {ARRAYS}", 1, ARRAYS, None)
    least("our arrays in Go", 1, NATIVE, 0.25)
    least("KServe with an empty model", 1, EMPTY, 3.0)
    least("a model of scikit-learn in KServe", 100, KSERVE, 40.0 if case == "passwords" else 20.0)
    if OURS in found and EXPLAINED in found:
        for rows in ROWS:
            ratio = ratio_of(found, OURS, EXPLAINED, rows)
            aims.append((f"{rows} row{'s'[: rows - 1]}, the cost of reasons", ratio, "under 2", ratio < 2))
    if OURS in found and LIMIT in found and found[LIMIT]["half"]:
        ratio = found[OURS]["half"] / found[LIMIT]["half"]
        aims.append(("p99 at half the top rate, Regraft : empty ASGI", ratio, "under 3", ratio < 3))
    return aims


def rate(found: Figures, name: str, rows: int) -> float:
    """Return the median of the requests a second."""
    rates: list[float] = found[name]["rates"][str(rows)]
    return statistics.median(rates)


def ratio_of(found: Figures, one: str, other: str, rows: int) -> float:
    """Return the median ratio of the rates in the same round: the machine's own pace, which changes, counts least."""
    ours, theirs = (found[name]["rates"][str(rows)] for name in (one, other))
    return float(np.median(np.divide(ours, theirs)))


def section(case: str, kept: dict[str, Any]) -> str:
    """Return the tables of a case: medians, and the spread of the rates from least to most."""
    found: Figures = kept["servers"]
    loads = " | ".join(f"{rows} row{'s'[: rows - 1]}: requests/s | spread | p50, ms | p99, ms" for rows in ROWS)
    lines = [f"### {case}", "", f"| server | {loads} | p99 at {FIXED_RATE:.0f}/s, ms | memory, MiB | start-up, s |"]
    lines.append("|---|" + "---:|" * 11)
    for name, one in found.items():
        cells = []
        for rows in map(str, ROWS):
            rates = one["rates"][rows]
            cells += [f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}"]
            cells += [f"{one['p50'][rows] * 1000:.2f}", f"{one['p99'][rows] * 1000:.2f}"]
        cells += [f"{one['paced'] * 1000:.1f}", f"{one['memory'] / 2**20:.0f}", f"{one['start']:.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| ratio | found | aim | |", "|---|---:|---|---|"]
    lines += [
        f"| {what} | {ratio:.2f} | {aim} | {'' if met else 'missed'} |" for what, ratio, aim, met in judged(case, found)
    ]
    lines += [f"\n{name} is left out: {_in_short(why)}" for name, why in kept["failed"].items()]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Return what it was measured on."""
    packages = ("kserve", "mlflow", "scikit-learn", "uvicorn")
    versions = [f"{name} {version(name)}" for name in packages]
    pinned = [line.split(" ")[0] for line in LOCK.read_text().splitlines() if line.startswith(SERVERS)]
    versions += [*pinned, *MLSERVER, *TRITON]
    return f"{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}, {', '.join(versions)}"


SERVERS = ("bentoml==", "granian==", "interpret-core==", "litserve==", "mosec==", "ray==")


def _in_short(why: str) -> str:
    """Return the beginning and the end of what may have a log in it."""
    words = " ".join(why.split())
    return words if len(words) <= MOST_SAID else f"{words[: MOST_SAID // 2]} ... {words[-MOST_SAID // 2 :]}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    sys.exit(main())
