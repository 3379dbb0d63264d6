"""Seals of three kinds, told apart by their length: a small task that does not ship."""

from __future__ import annotations

import numpy as np
import pandas as pd

TASK = """\
apiVersion: regraft.dev/v1
kind: Task
name: seals
target: kind
columns:
  - {name: length, type: number}
  - {name: kind, type: string, categories: [grey, harbour, monk]}
gates: {one_target_per_input: false}
"""
ROWS = 150


def seals(seed: int) -> pd.DataFrame:
    """Return seals by an index of their own, each kind longer than the one before."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, ROWS)
    length = (kind + rng.normal(0, 0.2, ROWS)).round(3)
    names = np.array(["grey", "harbour", "monk"])
    return pd.DataFrame({"length": length, "kind": names[kind]}, index=range(7, 7 + ROWS))
