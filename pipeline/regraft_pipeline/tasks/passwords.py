"""The task ``passwords``: how often a password is used, from its letters. Its file is in ``shipped``."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

from regraft_pipeline.tasks.files import shipped

if TYPE_CHECKING:
    import pandas as pd

COMMON_LETTERS = 10
"""Letters that stand in passwords of every level."""

OWN_LETTERS = 8
"""Letters that stand in passwords of one level only."""

LENGTHS = (4, 10)
"""Shortest and longest password."""

BOOTSTRAP_SEED = 7
BOOTSTRAP_ROWS = 1000


def generate(seed: int, rows: int = BOOTSTRAP_ROWS, shares: tuple[float, float] = (0.5, 0.5)) -> pd.DataFrame:
    """Return ``rows`` different passwords of two levels, 0.0 and 1.0, in these shares and in random order.

    The letters of a password come from its level's alphabet: ten letters that both levels share and eight of its own,
    drawn by the seed from the lower-case alphabet. About 3 % of the passwords have no telling letter.
    """
    import pandas as pd  # noqa: PLC0415  (takes long, and most steps have no use for it)

    rng = np.random.default_rng(seed)
    letters = rng.permutation(list(string.ascii_lowercase))
    common, own = letters[:COMMON_LETTERS], letters[COMMON_LETTERS:]
    alphabets = [np.concatenate([common, own[:OWN_LETTERS]]), np.concatenate([common, own[OWN_LETTERS:]])]
    zeros = round(rows * shares[0])
    levels = rng.permutation(np.repeat([0, 1], [zeros, rows - zeros]))
    passwords: dict[str, None] = {}
    for level in levels:
        while (password := _word(rng, alphabets[level])) in passwords:
            pass
        passwords[password] = None
    return pd.DataFrame({"Password": list(passwords), "Times": levels.astype(np.float64)})


def _word(rng: np.random.Generator, alphabet: np.ndarray[tuple[int], np.dtype[np.str_]]) -> str:
    return "".join(rng.choice(alphabet, rng.integers(LENGTHS[0], LENGTHS[1] + 1)))


def bootstrap() -> pd.DataFrame:
    """Return the first dataset and reference: 1000 passwords, half 0.0 and half 1.0."""
    return generate(BOOTSTRAP_SEED)


TASK = shipped("passwords", bootstrap)
CONTRACT = TASK.contract
