"""Power study of the gates: how often bad sets are refused, and good ones, by kind and size.

``python -m tests.bench.gates [--seeds 200] [--good 2000] [--sizes 200 1000] [--good-sizes 100 1000 10000]``
prints the tables of docs/gates.md as Markdown. Every set is drawn anew, alphabets too, and goes through the file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from regraft.pipeline import gates
from regraft.pipeline.gates import Profile
from regraft.pipeline.gates.drift import drift_of
from regraft.pipeline.tasks import GateSettings, Task, heart_disease, passwords

type Kind = Callable[[int, int], pd.DataFrame]


def _passwords(share: float = 0.5) -> Kind:
    """Return what draws passwords of which each is 0.0 with this probability: the split varies as samples do."""

    def draw(seed: int, rows: int) -> pd.DataFrame:
        zeros = np.random.default_rng(seed).binomial(rows, share) / rows
        return passwords.generate(seed, rows, (zeros, 1 - zeros))

    return draw


def _flipped(share: float) -> Kind:
    def draw(seed: int, rows: int) -> pd.DataFrame:
        frame = passwords.generate(seed, rows)
        turned = np.random.default_rng(seed).random(rows) < share
        return frame.assign(Times=np.where(turned, 1 - frame["Times"], frame["Times"]))

    return draw


def _random_words(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(6, 12))) for _ in range(rows)]
    return passwords.generate(seed, rows).assign(Password=words)


def _shuffled(kind: Kind, target: str) -> Kind:
    def draw(seed: int, rows: int) -> pd.DataFrame:
        frame = kind(seed, rows)
        return frame.assign(**{target: np.random.default_rng(seed).permutation(frame[target])})

    return draw


def _rare_hearts(seed: int, rows: int) -> pd.DataFrame:
    pool = heart_disease.generate(seed, rows * 3)
    ill, well = (pool[pool["condition"] == one] for one in (1, 0))
    return pd.concat([ill[: rows // 20], well[: rows - rows // 20]])


def _months(seed: int, rows: int) -> pd.DataFrame:
    return heart_disease.generate(seed, rows).assign(age=lambda frame: frame["age"] * 12)


def _swapped(seed: int, rows: int) -> pd.DataFrame:
    return heart_disease.generate(seed, rows).rename(columns={"chol": "thalach", "thalach": "chol"})


BAD: dict[str, tuple[Task, Kind]] = {
    "passwords: 80/20": (passwords.TASK, _passwords(0.8)),
    "passwords: 20/80": (passwords.TASK, _passwords(0.2)),
    "passwords: 70/30": (passwords.TASK, _passwords(0.7)),
    "passwords: 65/35": (passwords.TASK, _passwords(0.65)),
    "passwords: 60/40": (passwords.TASK, _passwords(0.6)),
    "passwords: labels shuffled": (passwords.TASK, _shuffled(passwords.generate, "Times")),
    "passwords: random strings": (passwords.TASK, _random_words),
    "passwords: 10 % of labels flipped": (passwords.TASK, _flipped(0.1)),
    "passwords: 20 % of labels flipped": (passwords.TASK, _flipped(0.2)),
    "passwords: 30 % of labels flipped": (passwords.TASK, _flipped(0.3)),
    "passwords: 40 % of labels flipped": (passwords.TASK, _flipped(0.4)),
    "heart-disease: labels shuffled": (heart_disease.TASK, _shuffled(heart_disease.generate, "condition")),
    "heart-disease: classes 95/5": (heart_disease.TASK, _rare_hearts),
    "heart-disease: ages in months": (heart_disease.TASK, _months),
    "heart-disease: two columns swapped": (heart_disease.TASK, _swapped),
}
GOOD: dict[str, tuple[Task, Kind]] = {
    "passwords": (passwords.TASK, _passwords()),
    "heart-disease": (heart_disease.TASK, heart_disease.generate),
}


def reference_of(task: Task, path: Path) -> Profile:
    """Return the profile of a task's bootstrap dataset."""
    task.bootstrap().to_csv(path, index=False)
    profile = gates.judge(path, task, reference=None, incumbent=None).profile
    if profile is None:
        raise RuntimeError(f"the bootstrap dataset of {task.name} has no rows")
    return profile


def refused(task: Task, kind: Kind, rows: int, seeds: Sequence[int], reference: Profile, path: Path) -> Counter[str]:
    """Return how many sets were refused under ``refused``, and how often each code was given."""
    found: Counter[str] = Counter()
    for seed in track(seeds, f"{task.name}, {rows} rows", transient=True, console=Console(stderr=True)):
        kind(seed, rows).to_csv(path, index=False)
        verdict = gates.judge(path, task, reference=reference, incumbent=None).verdict
        found.update({reason.code for reason in verdict.errors})
        found["refused"] += not verdict.accepted
    return found


def table(
    kinds: dict[str, tuple[Task, Kind]], sizes: Sequence[int], seeds: Sequence[int], references: dict[str, Profile]
) -> None:
    """Print a table: a line for each kind, a column for each size."""
    print("| set | " + " | ".join(f"{rows:,} rows" for rows in sizes) + " | codes |")
    print("|---|" + "---|" * (len(sizes) + 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        for name, (task, kind) in kinds.items():
            counts = [refused(task, kind, rows, seeds, references[task.name], path) for rows in sizes]
            codes = sorted({code for count in counts for code, times in count.items() if times} - {"refused"})
            shares = " | ".join(f"{count['refused'] / len(seeds):.2%}" for count in counts)
            print(f"| {name} | {shares} | {', '.join(codes)} |", flush=True)


def false_alarms(sizes: Sequence[int], reference: Profile, draws: int = 20_000) -> None:
    """Print how often the drift gate alone refuses samples of the reference's own distribution."""
    counts = np.array(reference.target.counts)
    rng = np.random.default_rng(0)
    print("| " + " | ".join(f"{rows:,} rows" for rows in sizes) + " |")
    print("|---" * len(sizes) + "|")
    shares = []
    for rows in sizes:
        samples = rng.multinomial(rows, counts / counts.sum(), draws)
        found = [drift_of(sample, counts) for sample in samples]
        limits = GateSettings()
        shares.append(sum(psi > limits.drift_psi and p < limits.drift_p for psi, p in found) / draws)
    print("| " + " | ".join(f"{share:.3%}" for share in shares) + " |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="bad sets of each kind and size")
    parser.add_argument("--good", type=int, default=2000, help="good sets of each task and size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1000], help="rows of the bad sets")
    parser.add_argument("--good-sizes", type=int, nargs="+", default=[100, 200, 1000, 10_000], help="rows of the good")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tasks = [task for task, _ in GOOD.values()]
        references = {task.name: reference_of(task, Path(folder) / "data.csv") for task in tasks}
    print("Samples of the reference's own split that the drift gate refuses, 20,000 of each size:\n")
    false_alarms([100, 200, 500, 1000, 10_000, 100_000], references["passwords"])
    first = 1000
    print(f"\nBad sets refused, {chosen.seeds} of each:\n")
    table(BAD, chosen.sizes, range(first, first + chosen.seeds), references)
    print(f"\nGood sets refused, {chosen.good} of each:\n")
    table(GOOD, chosen.good_sizes, range(first, first + chosen.good), references)


if __name__ == "__main__":
    main()
