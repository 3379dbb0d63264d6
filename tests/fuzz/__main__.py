"""Fuzz what takes bytes from strangers: good inputs with random changes, for some minutes; failures as small inputs.

First come the hostile datasets in their heavy form.

python -m tests.fuzz [--minutes 5] [--only TARGET] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from tests.fuzz.downloads import DOWNLOADS
from tests.fuzz.files import FILES
from tests.fuzz.heavy import heavy
from tests.fuzz.requests import REQUESTS, stop
from tests.fuzz.target import Failure, Target, failure_of, mutated, shrunk

TARGETS: tuple[Target, ...] = (*FILES, *DOWNLOADS, *REQUESTS)
"""All that is fuzzed; a module beside this one adds its own."""

MOST_FAILURES = 20
"""After so many of a target it is left alone."""


def fuzz(targets: Sequence[Target], *, seconds: float, seed: int) -> dict[str, tuple[int, list[Failure]]]:
    """Fuzz each target for its share of the time; return how many inputs it got, and those that failed."""
    share = seconds / max(len(targets), 1)
    return {target.name: _fuzz(target, share, random.Random(f"{seed} {target.name}")) for target in targets}


def _fuzz(target: Target, seconds: float, source: random.Random) -> tuple[int, list[Failure]]:
    inputs, failures, kinds = 0, list[Failure](), set[str]()
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(failures) < MOST_FAILURES:
        content = target.make(source)
        if source.random() < 0.95:
            content = mutated(content, target, source)
        inputs += 1
        found = failure_of(target, content)
        if found is not None and found.what[:60] not in kinds:
            kinds.add(found.what[:60])
            failures.append(shrunk(target, found))
            print(f"{target.name}: {failures[-1].what[:300]}\n    {failures[-1].content[:500]!r}", flush=True)
    return inputs, failures


def main() -> int:
    """Fuzz, print a line for each target, return 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", default="", help="targets whose names have this in them")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    targets = [target for target in TARGETS if asked.only in target.name]
    too_heavy, chosen = heavy(asked.only)
    if not targets and not chosen:
        parser.error(f"no target has {asked.only!r} in its name: {', '.join(target.name for target in TARGETS)}")
    print(f"seed {asked.seed}", flush=True)
    try:
        found = fuzz(targets, seconds=60 * asked.minutes, seed=asked.seed)
    finally:
        stop()
    for name, (inputs, failures) in found.items():
        print(f"{name:12} {inputs:8,} inputs  {len(failures):3} failures")
    return int(too_heavy > 0 or any(failures for _, failures in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
