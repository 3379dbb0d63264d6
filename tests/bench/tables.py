"""``regraft init`` on real tables that packages ship and on generated messy ones, to an answer, without an edit.

``make bench-tables`` prints the tables and writes them into docs/tables.md. What was measured is kept in
``.bench/tables``, so that it can be done piece by piece: ``MINUTES=4`` stops after four minutes, and the next call goes
on; ``FRESH=1`` begins anew; ``AGAIN=1`` asks the gates again, as they are now, with the models that were trained.
``QUICK=1`` asks fewer splits and fewer generated tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from tests.bench.tabular import messy, real
from tests.bench.tabular.peers import right_by_duckdb
from tests.bench.tabular.remembered import models, remembering
from tests.bench.tabular.table import KnownTable
from tests.bench.tabular.trip import Trip, decided, task_at, trip
from tests.bench.tabular.variants import SPOILT, Told, ask

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "tables.md"
BEGIN, END = "<!-- make bench-tables: begin -->\n", "<!-- make bench-tables: end -->\n"
KEPT = ROOT / ".bench" / "tables"
RIGHT = 0.98
MOST_SECONDS = 60.0
MOST_REFUSED = 0.01


@dataclass
class Result:
    """All that was measured of one table."""

    trip: Trip
    told: Told
    duckdb: tuple[int, int]

    @property
    def decided(self) -> int:
        """Columns that were taken for what they are."""
        return self.trip.columns - len(self.trip.wrong)


def measure(name: str, splits: int) -> Result:
    """Take one table the whole way, and hold its halves against each other; what was measured before stays."""
    table, before = _table(name), _kept(name)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        csv, definition = home / "data" / f"{name}.csv", home / "tasks" / name / "task.yaml"
        if before is not None and before.trip.tried:
            found, told = before.trip, before.told
            for path in (csv, definition.with_name("reference.csv")):
                path.parent.mkdir(parents=True, exist_ok=True)
                table.write(path)
            shutil.copy(KEPT / f"{name}.yaml", definition)
        else:
            found, told = trip(table, home), Told()
            if not found.failed:
                shutil.copy(definition, KEPT / f"{name}.yaml")
        result = Result(found, told, right_by_duckdb(table, csv))
        if not found.failed:
            with models(KEPT / f"{name}.models") as known:
                ask(remembering(task_at(definition.parent), known), table.frame(csv), splits=splits, told=told)
    return result


def decide(name: str) -> Result:
    """Only let ``init`` decide what the columns of a table are."""
    table = _table(name)
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / f"{name}.csv"
        table.write(csv)
        return Result(decided(table, csv), Told(), right_by_duckdb(table, csv))


def _table(name: str) -> KnownTable:
    if name.startswith("messy-"):
        return messy.table(int(name.removeprefix("messy-")))
    return next(table for table in real.TABLES if table.name == name)


def _keep(result: Result) -> None:
    (KEPT / f"{result.trip.name}.json").write_text(json.dumps(asdict(result)))


def _forget_halves() -> None:
    for path in KEPT.glob("*.json"):
        if (result := _kept(path.stem)) is not None:
            _keep(replace(result, told=Told()))


def _kept(name: str) -> Result | None:
    path = KEPT / f"{name}.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_bytes())
    return Result(Trip(**found["trip"]), Told(**found["told"]), tuple(found["duckdb"]))


def run(names: Sequence[str], *, splits: int, minutes: float, workers: int, console: Console) -> list[Result]:
    """Measure the tables that are not measured yet, as far as the time goes; return all that are.

    First all of them a little, the small ones before the large ones, so that what there is tells of many tables early.
    """
    until = time.monotonic() + 60 * minutes
    KEPT.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(max_workers=workers, initializer=_prepare) as pool:
        for so_far in dict.fromkeys((min(1, splits), splits)):
            todo = sorted((name for name in names if _wanted(_kept(name), so_far)), key=_size)
            jobs = {pool.submit(_measured, name, so_far, until): name for name in todo}
            for job in as_completed(jobs):
                if (result := job.result()) is not None:
                    _keep(result)
                    console.print(_line(result), soft_wrap=True)
    return [result for name in names if (result := _kept(name)) is not None]


def _size(name: str) -> int:
    """Return how many values a table has, 0 where nobody has counted them: to decide on its columns takes little."""
    known = _kept(name)
    return 0 if known is None else known.trip.rows * known.trip.columns


def _wanted(kept: Result | None, splits: int) -> bool:
    """Whether a table is to be measured, or measured further."""
    if kept is None or splits < 0:
        return kept is None
    return not kept.trip.tried or (not kept.trip.failed and kept.told.splits < splits)


def _measured(name: str, splits: int, until: float) -> Result | None:
    if time.monotonic() > until:
        return None
    return decide(name) if splits < 0 else measure(name, splits)


def _prepare() -> None:
    warnings.simplefilter("ignore")


def _line(result: Result) -> str:
    trip, told = result.trip, result.told
    words = [f"{trip.name}: {trip.rows:,} x {trip.columns}, init {trip.init_seconds:.1f} s, skill {trip.skill}"]
    words += [f"  wrong: {wrong}" for wrong in trip.wrong] + [f"  not suspected: {name}" for name in trip.missed]
    words += [f"  half: {half[:200]}" for half in trip.halves if half.startswith("error")]
    words += [f"  failed: {trip.failed[:600]}"] if trip.failed else []
    words += [f"  {name}: passed" for name, what in told.spoilt.items() if what.startswith("passed")]
    words += [f"  good half refused: {why}" for why in told.refused]
    return "\n".join(words)


def report(results: Iterable[Result]) -> str:
    """Return the tables of docs/tables.md."""
    found = list(results)
    packaged = [one for one in found if one.trip.source != "generated"]
    made = [one for one in found if one.trip.source == "generated"]
    lines = [
        "| table | from | rows | columns | right | duckdb | skill | init, s | train, s | good refused | bad passed |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *map(_row, packaged),
        "",
        *_spoilt(packaged),
        "",
        *_summary("tables of packages", packaged),
    ]
    if made:
        lines += _summary("generated tables", made)
    return "\n".join(lines) + "\n"


def _row(one: Result) -> str:
    trip, told = one.trip, one.told
    halves = f"{len(told.refused)} of {told.good}" if told.good else "not asked"
    passed = ", ".join(name for name, what in told.spoilt.items() if what.startswith("passed")) or (
        "none" if told.good else "not asked"
    )
    served = trip.failed.split(":")[0] if trip.failed else f"{trip.skill or 0:.2f}" if trip.tried else "not asked"
    return (
        f"| {trip.name} | {trip.source} | {trip.rows:,} | {trip.columns} | {one.decided} | {one.duckdb[0]} of "
        f"{one.duckdb[1]} | {served} | {trip.init_seconds:.1f} | {trip.train_seconds:.1f} | {halves} | "
        f"{passed} |"
    )


def _spoilt(found: list[Result]) -> list[str]:
    if not any(one.told.good for one in found):
        return []
    lines = ["| second half | tables | refused | warned | passed |", "|---|---:|---:|---:|---:|"]
    for name in SPOILT:
        what = Counter(one.told.spoilt[name].split()[0] for one in found if name in one.told.spoilt)
        lines.append(f"| {name} | {what.total()} | {what['refused']} | {what['warned']} | {what['passed']} |")
    good, refused = sum(one.told.good for one in found), sum(len(one.told.refused) for one in found)
    return [*lines, f"| as it is | {good} halves | {refused} | | {good - refused} |"]


def _summary(what: str, found: list[Result]) -> list[str]:
    tried = [one for one in found if one.trip.tried]
    served = sum(not one.trip.failed for one in tried)
    columns, decided = sum(one.trip.columns for one in found), sum(one.decided for one in found)
    duckdb, asked = (sum(one.duckdb[place] for one in found) for place in (0, 1))
    slow = max((one.trip.init_seconds for one in found), default=0.0)
    missed = sum(len(one.trip.missed) for one in found)
    text = (
        f"{len(found)} {what}, {len(tried)} of them asked for an answer: {served} served it; {decided} of {columns} "
        f"columns ({decided / max(columns, 1):.1%}) were taken for what they are, by duckdb {duckdb} of the {asked} "
        f"that are not left aside; `init` took at most {slow:.0f} s of CPU."
    )
    if planted := [one for one in found if _table(one.trip.name).leaks]:
        text += f" Of {len(planted)} planted leaks {len(planted) - missed} were named."
    return [text, ""]


def shortfalls(results: Iterable[Result]) -> list[str]:
    """Return what is not as it should be."""
    found = list(results)
    columns, decided = sum(one.trip.columns for one in found), sum(one.decided for one in found)
    good, refused = sum(one.told.good for one in found), sum(len(one.told.refused) for one in found)
    failures = [f"{one.trip.name}: {one.trip.failed[:200]}" for one in found if one.trip.failed]
    failures += [f"{one.trip.name}: {name} is not suspected" for one in found for name in one.trip.missed]
    failures += [f"{one.trip.name}: init takes long" for one in found if one.trip.init_seconds > MOST_SECONDS]
    if decided < RIGHT * columns:
        failures.append(f"{decided} of {columns} columns were taken for what they are")
    if refused > MOST_REFUSED * good:
        failures.append(f"{refused} of {good} good halves were refused")
    return failures


def main() -> int:
    """Measure, print, and write the page where all tables are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer splits, fewer generated tables")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no table after so many minutes")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--again", action="store_true", help="ask all halves again, by models that were trained before")
    parser.add_argument("--decide", action="store_true", help="only decide what the columns are: no model, no answer")
    parser.add_argument("--only", nargs="*", help="names of tables")
    parser.add_argument("--splits", type=int, help="random splits of each table, both halves asked; 10 by default")
    parser.add_argument("--workers", type=int, default=2, help="tables at once")
    parser.add_argument("--generated", type=int, help="generated tables, 200 by default")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    if options.again:
        _forget_halves()
    splits = -1 if options.decide else options.splits if options.splits is not None else 2 if options.quick else 10
    generated = options.generated if options.generated is not None else 30 if options.quick else messy.NUMBER
    console = Console(width=160)
    names = options.only or [table.name for table in real.TABLES]
    results = run(names, splits=splits, minutes=options.minutes, workers=options.workers, console=console)
    if not options.only:
        made = [f"messy-{seed}" for seed in range(generated)]
        results += run(made, splits=min(splits, 0), minutes=options.minutes, workers=options.workers, console=console)
    text = report(results)
    print(text)
    if not options.only:
        head, rest = DOCS.read_text().split(BEGIN)
        DOCS.write_text(head + BEGIN + text + END + rest.split(END)[1])
    for failure in (found := shortfalls(results)):
        print(f"not as it should be: {failure}")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
