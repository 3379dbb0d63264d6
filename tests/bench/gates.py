"""Power study of the gates: how often bad sets are refused, and good ones, by kind and size.

``make bench-gates`` prints the tables and writes them into docs/gates.md, between the markers; ``QUICK=1`` asks fewer
sets, and only prints. Where the minutes do not suffice for all sets, each cell says of how many its share is; kinds and
sizes take turns, so that all of them get some. Every set is drawn anew, alphabets too, and goes through a file, against
the reference of the bootstrap dataset. The seeds are used for nothing else: no threshold was chosen by these sets.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import sklearn
from numpy.typing import NDArray
from pyarrow import csv
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regraft_core.drift import drift_of
from regraft_inference.bundle import Bundle, BundleInfo, write_bundle
from regraft_pipeline import gates
from regraft_pipeline.gates import Profile
from regraft_pipeline.tasks import Task, heart_disease, load_task, passwords

DOCS = Path(__file__).parents[2] / "docs" / "gates.md"
BEGIN, END = "<!-- make bench-gates: begin -->\n", "<!-- make bench-gates: end -->\n"

FIRST_SEED = 1000
CHUNK = 5
"""Sets that a process judges at a time."""

DRIFT_SIZES = (100, 200, 500, 1000, 10_000, 100_000)
DRIFT_DRAWS = 20_000

type Kind = Callable[[int, int], pd.DataFrame]


@dataclass(frozen=True)
class Study:
    """How many sets of each kind are judged, by their rows."""

    bad: Mapping[int, int]
    good: Mapping[int, int]


FULL = Study(
    bad={200: 200, 1000: 200, 10_000: 20},
    good={100: 2000, 200: 2000, 1000: 2000, 10_000: 200, 100_000: 40},
)
QUICK = Study(bad={200: 10, 1000: 10}, good={100: 40, 1000: 40})


def leak(seed: int, rows: int, share: float = 0.5) -> pd.DataFrame:
    """Return passwords as the task's own generator draws them, but fast, and of a split that varies as samples do.

    ``share`` is the probability of the level 0.0.
    """
    rng = np.random.default_rng((seed, rows))
    letters = rng.permutation(list("abcdefghijklmnopqrstuvwxyz"))
    common, own = letters[: passwords.COMMON_LETTERS], letters[passwords.COMMON_LETTERS :]
    parts = own[: passwords.OWN_LETTERS], own[passwords.OWN_LETTERS :]
    alphabets = np.stack([np.concatenate([common, part]) for part in parts])
    levels = (rng.random(rows) >= share).astype(np.int64)
    words = _words(rng, alphabets, levels)
    while (repeated := pd.Series(words).duplicated().to_numpy()).any():
        words[repeated] = _words(rng, alphabets, levels[repeated])
    return pd.DataFrame({"Password": words, "Times": levels.astype(np.float64)})


def _words(rng: np.random.Generator, alphabets: NDArray[np.str_], levels: NDArray[np.int64]) -> NDArray[np.object_]:
    shortest, longest = passwords.LENGTHS
    drawn = alphabets[levels[:, np.newaxis], rng.integers(alphabets.shape[1], size=(len(levels), longest))]
    lengths = rng.integers(shortest, longest + 1, len(levels))
    drawn[np.arange(longest) >= lengths[:, np.newaxis]] = ""
    return np.ascontiguousarray(drawn).view(f"U{longest}").ravel().astype(object)


def _flipped(seed: int, rows: int, share: float) -> pd.DataFrame:
    frame = leak(seed, rows)
    turned = np.random.default_rng(seed).random(rows) < share
    return frame.assign(Times=np.where(turned, 1 - frame["Times"], frame["Times"]))


def _random_words(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    letters = np.array([list("abcdefghijklmnopqrstuvwxyz")])
    return leak(seed, rows).assign(Password=_words(rng, letters, np.zeros(rows, dtype=np.int64)))


def _constant(seed: int, rows: int) -> pd.DataFrame:
    return leak(seed, rows).assign(Times=1.0)


def _shuffled(seed: int, rows: int, kind: Kind, target: str) -> pd.DataFrame:
    frame = kind(seed, rows)
    return frame.assign(**{target: np.random.default_rng(seed).permutation(frame[target])})


def _rare_hearts(seed: int, rows: int) -> pd.DataFrame:
    pool = heart_disease.generate(seed, rows * 3)
    ill, well = (pool[pool["condition"] == one] for one in (1, 0))
    return pd.concat([ill[: rows // 20], well[: rows - rows // 20]])


def _months(seed: int, rows: int) -> pd.DataFrame:
    return heart_disease.generate(seed, rows).assign(age=lambda frame: frame["age"] * 12)


def _swapped(seed: int, rows: int, one: str, other: str) -> pd.DataFrame:
    return heart_disease.generate(seed, rows).rename(columns={one: other, other: one})


def _turned_hearts(seed: int, rows: int, share: float) -> pd.DataFrame:
    frame = heart_disease.generate(seed, rows)
    turned = np.random.default_rng(seed).random(rows) < share
    return frame.assign(condition=np.where(turned, 1 - frame["condition"], frame["condition"]))


PASSWORDS, HEARTS = passwords.TASK.name, heart_disease.TASK.name
BAD: dict[tuple[str, str], Kind] = {
    (PASSWORDS, "80/20 instead of 50/50"): partial(leak, share=0.8),
    (PASSWORDS, "20/80"): partial(leak, share=0.2),
    (PASSWORDS, "70/30"): partial(leak, share=0.7),
    (PASSWORDS, "65/35"): partial(leak, share=0.65),
    (PASSWORDS, "60/40"): partial(leak, share=0.6),
    (PASSWORDS, "one target for all"): _constant,
    (PASSWORDS, "labels shuffled"): partial(_shuffled, kind=leak, target="Times"),
    (PASSWORDS, "random strings"): _random_words,
    (PASSWORDS, "10 % of labels flipped"): partial(_flipped, share=0.1),
    (PASSWORDS, "20 % of labels flipped"): partial(_flipped, share=0.2),
    (PASSWORDS, "30 % of labels flipped"): partial(_flipped, share=0.3),
    (PASSWORDS, "40 % of labels flipped"): partial(_flipped, share=0.4),
    (HEARTS, "labels shuffled"): partial(_shuffled, kind=heart_disease.generate, target="condition"),
    (HEARTS, "classes 95/5"): _rare_hearts,
    (HEARTS, "ages in months"): _months,
    (HEARTS, "chol and thalach swapped"): partial(_swapped, one="chol", other="thalach"),
    (HEARTS, "trestbps and thalach swapped"): partial(_swapped, one="trestbps", other="thalach"),
    (HEARTS, "30 % of labels flipped"): partial(_turned_hearts, share=0.3),
}
GOOD: dict[tuple[str, str], Kind] = {
    (PASSWORDS, "good, new alphabets"): leak,
    (HEARTS, "good"): heart_disease.generate,
}


@dataclass(frozen=True)
class Job:
    """Some sets of a kind for one process."""

    task: str
    kind: str
    rows: int
    seeds: range
    beside: bool
    """Whether the version that was trained on the bootstrap dataset is in service."""
    turn: float
    """Share of the sets of its kind and size that are judged after it."""


def refused(job: Job, end: float) -> tuple[Job, Counter[str]]:
    """Return how many ``sets`` were judged and ``refused``, and how often each code was given; none after the end."""
    if time.time() > end:
        return job, Counter()
    task, reference, incumbent = _installed(job.task)
    kind = (BAD | GOOD)[job.task, job.kind]
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        for seed in job.seeds:
            _write(kind(seed, job.rows), path)
            served = incumbent if job.beside else None
            verdict = gates.judge(path, task, reference=reference, incumbent=served).verdict
            found.update({reason.code for reason in verdict.errors})
            found.update(sets=1, refused=int(not verdict.accepted))
    return job, found


@cache
def _installed(name: str) -> tuple[Task, Profile, Bundle]:
    """Return a task with the reference and the version of its bootstrap dataset."""
    task = load_task(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        task.bootstrap().to_csv(path, index=False)
        judgement = gates.judge(path, task, reference=None, incumbent=None)
        if judgement.profile is None:
            raise RuntimeError(f"the bootstrap dataset of {name} has no rows")
        frame = task.bootstrap()
        estimator = task.estimator().fit(task.columns_of(frame), task.target_of(frame))
        write_bundle(
            Path(folder) / "bundle",
            contract=task.contract,
            estimator=estimator,
            info=BundleInfo(
                task=name,
                run_id="run-bootstrap",
                data_sha256=judgement.profile.data_sha256,
                estimator=estimator.format,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                metrics=judgement.verdict.metrics,
            ),
            golden=task.columns_of(frame.head(20)),
            profile=judgement.profile,
        )
        return task, judgement.profile, Bundle.load(Path(folder) / "bundle")


def _write(frame: pd.DataFrame, path: Path) -> None:
    csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), path, csv.WriteOptions(quoting_style="needed"))


def _start() -> None:
    """Keep a process to one core, and scikit-learn from looking at what cannot be wrong here."""
    threadpool_limits(1)
    sklearn.set_config(skip_parameter_validation=True, assume_finite=True)


def jobs_of(kinds: Iterable[tuple[str, str]], sets: Mapping[int, int], *, beside: bool = False) -> Iterator[Job]:
    """Yield the jobs of a table, small ones of each kind and size."""
    for task, kind in kinds:
        for rows, number in sets.items():
            for first in range(FIRST_SEED, FIRST_SEED + number, CHUNK):
                seeds = range(first, min(first + CHUNK, FIRST_SEED + number))
                yield Job(task, kind, rows, seeds, beside, turn=(seeds.stop - FIRST_SEED) / number)


def run(jobs: Sequence[Job], processes: int, minutes: float) -> dict[tuple[bool, str, str, int], Counter[str]]:
    """Judge the sets, as many as the time allows; return the counts of each kind and size."""
    counts: dict[tuple[bool, str, str, int], Counter[str]] = {}
    ordered = sorted(jobs, key=lambda job: (job.turn, -job.rows))
    judged = partial(refused, end=time.time() + 60 * minutes)
    total = sum(len(job.seeds) for job in jobs)
    progress = Progress(console=Console(stderr=True))
    with progress, ProcessPoolExecutor(processes, initializer=_start) as pool:
        bar = progress.add_task("sets judged", total=total)
        for job, found in pool.map(judged, ordered):
            counts.setdefault((job.beside, job.task, job.kind, job.rows), Counter()).update(found)
            progress.advance(bar, len(job.seeds))
    return counts


def table(
    kinds: Iterable[tuple[str, str]],
    sets: Mapping[int, int],
    counts: Mapping[tuple[bool, str, str, int], Counter[str]],
    *,
    beside: bool = False,
) -> str:
    """Return a table: a line for each kind, a column for each size."""
    head = [f"{rows:,} rows" for rows in sets]
    lines = [_line(["task", "set", *head, "codes"]), _line(["---"] * (len(head) + 3))]
    for task, kind in kinds:
        found = [counts[beside, task, kind, rows] for rows in sets]
        codes = sorted(set().union(*(set(+count) for count in found)) - {"refused", "sets"})
        lines.append(_line([task, kind, *map(_share, found), ", ".join(f"`{code}`" for code in codes)]))
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(count: Counter[str]) -> str:
    if not count["sets"]:
        return "-"
    share = count["refused"] / count["sets"]
    return f"{share:.{0 if share in {0, 1} else 1 if share > 0.01 else 2}%} of {count['sets']:,}"


def drift_alone(draws: int) -> str:
    """Return a table: how often the drift gate refuses samples of the reference's own distribution."""
    lines = [_line(["task", *(f"{rows:,} rows" for rows in DRIFT_SIZES)]), _line(["---"] * (len(DRIFT_SIZES) + 1))]
    for name in (PASSWORDS, HEARTS):
        task, reference, _ = _installed(name)
        counts = np.array(reference.target.counts)
        rng = np.random.default_rng(FIRST_SEED)
        shares = []
        for rows in DRIFT_SIZES:
            found = [
                drift_of(one, counts.tolist()) for one in rng.multinomial(rows, counts / counts.sum(), draws).tolist()
            ]
            alarms = sum(psi > task.gates.drift_psi and p < task.gates.drift_p for psi, p in found)
            shares.append(f"{alarms / draws:.3%}" if alarms else "0")
        lines.append(_line([name, *shares]))
    return "\n".join(lines) + "\n"


def report(study: Study, processes: int, minutes: float) -> str:
    """Run the study; return its tables as Markdown."""
    began = time.perf_counter()
    known = {rows: min(number, 200) for rows, number in study.good.items() if rows <= 1000}
    jobs = [*jobs_of(BAD, study.bad), *jobs_of(GOOD, study.good), *jobs_of(GOOD, known, beside=True)]
    counts = run(jobs, processes, minutes)
    draws = DRIFT_DRAWS if study is FULL else DRIFT_DRAWS // 10
    parts = [
        "Bad sets that were refused, and why:\n",
        table(BAD, study.bad, counts),
        "Good sets that were refused, with nothing in service:\n",
        table(GOOD, study.good, counts),
        "Good sets that were refused, with the version in service that was trained on the bootstrap dataset:\n",
        table(GOOD, known, counts, beside=True),
        f"Samples of the reference's own distribution that the drift gate alone refuses, of {draws:,} of each size:\n",
        drift_alone(draws),
    ]
    sets = sum(count["sets"] for count in counts.values())
    took = (time.perf_counter() - began) / 60
    Console(stderr=True).print(f"{sets:,} sets in {took:.1f} minutes with {processes} processes")
    return "\n".join(parts)


def main() -> None:
    """Print the tables, and write those of the whole study into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sets; the page stays as it is")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=60, help="end by then, with as many sets as were judged")
    chosen = parser.parse_args()
    _start()
    found = report(QUICK if chosen.quick else FULL, chosen.processes, chosen.minutes)
    print(found)
    if not chosen.quick:
        before, _, rest = DOCS.read_text().partition(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n{found}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
