from __future__ import annotations

import pytest
from scipy.stats import chi2

from regraft_core.drift import chance_of, drift_of


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 8, 20, 101])
@pytest.mark.parametrize("statistic", [0.0, 1e-6, 0.5, 3.0, 25.0, 200.0, 1400.0])
def test_the_chance_is_that_of_the_chi_square_distribution(statistic: float, degrees: int) -> None:
    assert chance_of(statistic, degrees) == pytest.approx(float(chi2.sf(statistic, degrees)), rel=1e-9, abs=1e-300)


def test_the_test_takes_no_more_rows_than_it_is_told_and_the_index_takes_all() -> None:
    counts, reference = [505_000, 495_000], [500_000, 500_000]
    psi, p = drift_of(counts, reference)
    assert p < 1e-6
    bounded_psi, bounded_p = drift_of(counts, reference, most_rows=10_000)
    assert bounded_psi == psi
    assert 0.3 < bounded_p < 0.34
