from __future__ import annotations

import pytest
from scipy.stats import chi2

from regraft_core.drift import chance_of, drift_of


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 8, 20, 101])
@pytest.mark.parametrize("statistic", [0.0, 1e-6, 0.5, 3.0, 25.0, 200.0, 1400.0])
def test_the_chance_is_that_of_the_chi_square_distribution(statistic: float, degrees: int) -> None:
    assert chance_of(statistic, degrees) == pytest.approx(float(chi2.sf(statistic, degrees)), rel=1e-9, abs=1e-300)


def test_the_test_takes_no_more_rows_than_it_is_told_and_the_index_hardly_changes() -> None:
    counts, reference = [505_000, 495_000], [500_000, 500_000]
    psi, p = drift_of(counts, reference)
    assert p < 1e-6
    bounded_psi, bounded_p = drift_of(counts, reference, most_rows=10_000)
    assert bounded_psi == pytest.approx(psi, rel=1e-3)
    assert 0.3 < bounded_p < 0.34


def test_what_has_gone_is_seen_however_many_rows_there_are() -> None:
    for rows in (1000, 100_000, 10_000_000):
        psi, p = drift_of([0, rows], [300, 700], most_rows=10_000)
        assert psi > 1
        assert p < 1e-9
