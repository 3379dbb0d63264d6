"""Power study of the fit: how often good and drifted streams are called what they are, by kind and size.

``make bench-fit`` writes docs/fit.md; ``QUICK=1`` draws fewer streams, and only prints. What a version knows is the
profile of a dataset; what it is asked are counts in that profile's bins. Counts of a stream are drawn from the shares
that a large set of its kind has in these bins (multinomial), which is what counting its rows would give, for ten
million rows as well. Outcomes are drawn row by row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.fit.counts import Counts, Known, Refused
from regraft_core.fit.fit import FitState, fit_of
from regraft_core.fit.measured import measured_of
from regraft_core.fit.skill import Pair
from regraft_core.profile import Profile
from regraft_pipeline.data.profile import Tallies, count, profile_of, tallies_of
from regraft_pipeline.tasks import heart_disease

DOCS = Path(__file__).parents[2] / "docs" / "fit.md"
TASK = heart_disease.TASK
POPULATION = 200_000
REFERENCE_ROWS = 1000
SIZES = (100, 200, 1000, 10_000, 100_000, 1_000_000, 10_000_000)
MORE_GOOD = 4
"""How many times as many good streams are drawn as of any other kind: of them few are called otherwise."""

MOST_ALARMS = 0.005
"""Of good streams, a day."""

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

type Rng = np.random.Generator
type Shares = Mapping[str, Mapping[str, NDArray[np.float64]]]
type Kind = Callable[[pd.DataFrame], pd.DataFrame]


def older(years: int) -> Kind:
    """Return what makes all patients older."""
    return lambda frame: frame.assign(age=frame["age"] + years)


def of_one_sex(share: float) -> Kind:
    """Return what makes this share of the rows of one sex."""

    def made(frame: pd.DataFrame) -> pd.DataFrame:
        chosen = np.arange(len(frame)) < share * len(frame)
        return frame.assign(sex=np.where(chosen, 1, frame["sex"]))

    return made


KINDS: dict[str, Kind] = {
    "good": lambda frame: frame,
    "age + 2 years": older(2),
    "age + 5 years": older(5),
    "age + 10 years": older(10),
    "age + 20 years": older(20),
    "30 % more of one sex": of_one_sex(0.3),
    "all of one sex": of_one_sex(1.0),
    "cholesterol in mmol/l": lambda frame: frame.assign(chol=frame["chol"] / 38.67),
}

REFUSED = {"0.5 % refused": 0.005, "2 % refused": 0.02, "10 % refused": 0.1}


@cache
def known_of(seed: int) -> Known:
    """Return what a version knows that was trained on one set."""
    frame = heart_disease.generate(seed, REFERENCE_ROWS)
    target = frame[TASK.contract.target.name].to_numpy()
    profile = profile_of(
        tallies_of([frame], TASK), TASK, data_sha256="0" * 64, skill=0.7, scale="classes", predicted=target
    )
    return Known(task=TASK.name, version="1", data_sha256="0" * 64, profile=profile)


@cache
def world_of(kind: str) -> Tallies:
    """Return what a large set of a kind has of each value."""
    frame = heart_disease.generate(7, POPULATION)
    return tallies_of([KINDS.get(kind, KINDS["good"])(frame)], TASK)


def shares_of(tallies: Tallies, profile: Profile) -> Shares:
    """Return how a large set is distributed over the bins of a profile."""
    return {
        name: {what: _share(count(known, tallies[name][what])) for what, known in of.items()}
        for name, of in profile.inputs.items()
    }


def _share(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = counts / counts.sum()
    return found


def stream(rng: Rng, shares: Shares, answers: NDArray[np.float64], rows: int, refused: float) -> Counts:
    """Return the counts of a stream of so many rows, a request each."""
    wrong = int(rng.binomial(rows, refused))
    return Counts(
        rows=rows,
        requests=rows + wrong,
        columns={
            name: {what: rng.multinomial(rows, share).tolist() for what, share in of.items()}
            for name, of in shares.items()
        },
        predictions=rng.multinomial(rows, answers).tolist(),
        refused=[Refused(column="age", code="wrong_type", requests=wrong)] if wrong else [],
    )


@cache
def states(kind: str, rows: int, references: int, streams: int) -> dict[FitState, float]:
    """Return how often streams of a kind are called what, each against several references."""
    if kind == "good":
        streams *= MORE_GOOD
    found = dict.fromkeys(FitState, 0)
    for seed in range(references):
        known, rng = known_of(1000 + seed), np.random.default_rng([rows, seed])
        assert known.profile is not None
        shares = shares_of(world_of(kind), known.profile)
        predictions = known.profile.predictions
        assert predictions is not None
        answers = np.array(predictions.shares) / sum(predictions.shares)
        for _ in range(streams):
            counts = stream(rng, shares, answers, rows, REFUSED.get(kind, 0.0))
            found[fit_of(known, counts, window="day", since=MOMENT).state] += 1
    return {state: times / (references * streams) for state, times in found.items()}


def drift_table(references: int, streams: int) -> list[list[str]]:
    """Return a row for each kind: by size, the share called drifting, and that called unfit."""
    rows = []
    for name in [*KINDS, *REFUSED]:
        cells = [name]
        for size in SIZES:
            found = states(name, size, references, streams)
            unknown = found[FitState.UNKNOWN] == 1
            cells.append("unknown" if unknown else f"{found[FitState.DRIFTING]:.1%} / {found[FitState.UNFIT]:.1%}")
        rows.append(cells)
        print(table(["stream"], [cells]).splitlines()[-1], file=sys.stderr, flush=True)
    return rows


def false_alarms(references: int, streams: int) -> float:
    """Return the largest share of good streams, of any size, that is called drifting or unfit."""
    found = [states("good", size, references, streams) for size in SIZES]
    return max(each[FitState.DRIFTING] + each[FitState.UNFIT] for each in found)


def pairs(rng: Rng, rows: int, sureness: float, *, turned: bool) -> list[Pair]:
    """Return answers of a calibrated classifier, which is the surer the larger its figure is, and what happened."""
    chance = 1 / (1 + np.exp(-rng.normal(0, sureness, rows)))
    truth = rng.random(rows) < chance
    told = (~truth if turned else truth).astype(int).tolist()
    return [Pair(*each) for each in zip(told, (chance > 0.5).astype(int).tolist(), chance.tolist(), strict=True)]


def judged(sureness: float, held_out_rows: int, rng: Rng) -> Known:
    """Return what a version knows, with the skill that was measured when it was judged."""
    known = known_of(1000)
    assert known.profile is not None
    profile = known.profile.model_copy(update={"rows": held_out_rows})
    before = known.model_copy(update={"profile": profile, "contract": TASK.contract, "skill": None})
    skill = measured_of("1", before, pairs(rng, held_out_rows, sureness, turned=False)).skill
    return before.model_copy(update={"skill": skill})


LOSSES: dict[str, tuple[float, float, bool]] = {
    "as when it was judged": (2.0, 2.0, False),
    "less sure (AUC .84 to .77)": (2.0, 1.2, False),
    "hardly better than a guess": (2.0, 0.2, False),
    "turned round": (2.0, 2.0, True),
}
OUTCOMES = (50, 100, 200, 500, 1000)


def loss_table(times: int) -> list[list[str]]:
    """Return a row for each world: by outcomes, how often skill is called lost."""
    rows = []
    for name, (before, now, turned) in LOSSES.items():
        cells = [name]
        for size in OUTCOMES:
            rng = np.random.default_rng([size, times])
            lost = [
                measured_of("1", judged(before, 1000, rng), pairs(rng, size, now, turned=turned)).lost
                for _ in range(times)
            ]
            cells.append(f"{np.mean(lost):.1%}")
        rows.append(cells)
    return rows


def turning_table(times: int) -> list[list[str]]:
    """Return how many outcomes after the world has turned skill is called lost, of 1,000 good ones before."""
    found = []
    for seed in range(times):
        rng = np.random.default_rng([seed, 99])
        known = judged(2.0, 1000, rng)
        good, bad = pairs(rng, 1000, 2.0, turned=False), pairs(rng, 400, 2.0, turned=True)
        found.append(next(n for n in range(10, 401, 10) if measured_of("1", known, [*good, *bad[:n]][-1000:]).lost))
    half, most = np.quantile(found, [0.5, 0.95])
    return [["turned round after 1,000 good outcomes", f"{half:.0f}", f"{most:.0f}", f"{max(found)}"]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(references: int, streams: int, times: int) -> str:
    """Return docs/fit.md."""
    drift = table(["stream", *(f"{size:,} rows" for size in SIZES)], drift_table(references, streams))
    loss = table(["world", *(f"{size:,} outcomes" for size in OUTCOMES)], loss_table(times))
    turning = table(["world", "median", "95 %", "most"], turning_table(times // 2))
    each = f"{references} versions, {streams} streams of each, of good ones {MORE_GOOD * streams}"
    of = f"{references * streams:,} in each cell ({each})"
    return f"""# Still fit: how often it is right

What [the fit](api.md#still-fit) says, of streams whose kind is known. `make bench-fit` writes this page.

Requests to `heart-disease`, of versions that were trained on {REFERENCE_ROWS:,} rows.
The share of the streams that is called `drifting` / `unfit`, of {of}.
The rows of a cell are those of the window.

{drift}

Of good streams at most {false_alarms(references, streams):.1%} are called `drifting` or `unfit`, whatever
their size; the aim is under {MOST_ALARMS:.1%}.

Measured skill (2 AUC - 1) of a calibrated classifier that was judged on 1,000 rows.
The share of {times:,} worlds in which it is called lost:

{loss}

How many outcomes it takes, of a world that turns round, until the skill of the newest 1,000 rows is called lost:

{turning}

The counts are exact: `python -m tests.bench.exact` asks two predictors while the version changes, and every count
that they tell, added up, has to be the load generator's own.
"""


def main() -> None:
    """Print the page, and write it unless it was quick."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    text = page(2, 20, 20) if quick else page(10, 50, 100)
    print(text)
    if not quick:
        DOCS.write_text(text)


if __name__ == "__main__":
    main()
