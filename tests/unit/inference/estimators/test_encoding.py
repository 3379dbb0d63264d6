"""Places that the check of a request has found are taken as they are, where they are of the same categories."""

from __future__ import annotations

import numpy as np
import pytest

from regraft_core.contract import Column, Contract
from regraft_inference.estimators.encoding import Encoding
from regraft_inference.values import reader_of
from regraft_inference.words import Choices

PLANS = ("basic", "family", "firm")
ASKED = ["firm", " basic ", "family", "firm"]


@pytest.mark.parametrize("categories", [PLANS, PLANS[::-1], ("firm", "basic")])
def test_places_are_those_of_the_encoding(categories: tuple[str, ...]) -> None:
    column = Column(name="plan", type="string", categories=categories)
    contract = Contract(task="shop", features=(column,), target=Column(name="cost", type="number"))
    encoding = Encoding(features=contract.features, levels={})
    checked = reader_of(Column(name="plan", type="string", categories=PLANS)).read(list(ASKED))
    assert isinstance(checked, Choices)
    wanted = [float(categories.index(word)) if word in categories else np.nan for word in checked]
    np.testing.assert_array_equal(encoding.matrix({"plan": checked})[:, 0], wanted)
    np.testing.assert_array_equal([row[0] for row in encoding.rows({"plan": checked})], wanted)
