"""Rows as reasons show them."""

import numpy as np
import pandas as pd

from regraft_pipeline.data.reasons import examples


def test_a_day_is_shown_as_one() -> None:
    days = np.array(["2026-01-31", "2026-01-31T14:05", "NaT"], dtype="datetime64[us]")
    shown = [row["seen"] for row in examples(pd.DataFrame({"seen": days, "words": "at 00:00:00"}))]
    assert shown == ["2026-01-31", "2026-01-31 14:05:00", "NaT"]
    assert examples(pd.DataFrame({"words": ["at 00:00:00"]})) == [{"words": "at 00:00:00"}]
