"""Where the time of a request goes inside the predictor: ``python -m tests.bench.stages``.

Each stage is called by itself, on bodies as they come in, in rounds that are interleaved; what the server, the
connection and the counting of what is asked take is not in it. Writes its table into docs/speed.md.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import orjson

from regraft_inference.answered import Answered
from regraft_inference.model import Version
from tests.bench import page
from tests.bench.cases import Case, all_cases
from tests.bench.contender import ROWS

ROOT = Path(__file__).parents[2]
ROUNDS = 50
CALLS = 5
"""Of a stage in a round."""

SIZES = (*ROWS, 1000)
"""Rows of a request."""

SLOW = 0.02
"""Seconds above which a stage is called once in a round."""

type Stages = dict[str, Callable[[], object]]


def stages_of(case: Case, rows: int, folder: Path) -> Stages:
    """Return what is done with a request, one thing after the other, each on what the one before has made."""
    version = Version.load(folder, case.name)
    body = orjson.dumps(case.asked(rows))
    untyped, _ = version.reader.untyped_asking(body)
    columns = version.reader.typed(untyped)
    bundle = version.bundle
    values, _ = bundle.predict_scored(columns)
    _, _, reasons = bundle.predict_explained(columns)
    return {
        "read JSON": lambda: version.reader.untyped_asking(body),
        "check": lambda: version.reader.typed(untyped),
        "predict": lambda: bundle.predict_scored(columns),
        "write JSON": lambda: Answered(values).document(case.task.contract.target.name, "reasons"),
        "predict and explain": lambda: bundle.predict_explained(columns),
        "write both": lambda: Answered(values, reasons).document(case.task.contract.target.name, "reasons"),
    }


def measured(stages: Stages) -> dict[str, float]:
    """Return how long each stage takes, in microseconds, the median of the rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(ROUNDS):
        for name, stage in stages.items():
            calls = 1 if sum(seconds[name][:1]) > SLOW else CALLS
            began = perf_counter()
            for _ in range(calls):
                stage()
            seconds[name].append((perf_counter() - began) / calls)
    return {name: statistics.median(each) * 1e6 for name, each in seconds.items()}


def report() -> str:
    """Measure all cases, and return the table, as Markdown."""
    lines: list[str] = []
    for case in all_cases():
        with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder:
            case.write_bundle(Path(folder) / "bundle")
            for rows in SIZES:
                found = measured(stages_of(case, rows, Path(folder) / "bundle"))
                if not lines:
                    stages = " | ".join(f"{stage}, µs" for stage in found)
                    lines = [f"| task | rows | {stages} | check : predict | predict and explain : predict |"]
                    lines.append("|---|" + "---:|" * (len(found) + 3))
                cells = " | ".join(f"{each:.1f}" for each in found.values())
                ratios = [found[stage] / found["predict"] for stage in ("check", "predict and explain")]
                lines.append(f"| {case.name} | {rows} | {cells} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the page."""
    text = report()
    print(text)
    page.put(ROOT / "docs" / "speed.md", "stages", text)


if __name__ == "__main__":
    main()
