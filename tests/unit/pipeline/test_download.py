"""What the step ``download`` says of how the dataset came."""

from __future__ import annotations

import pytest

from regraft_pipeline.sources import Fetched
from regraft_pipeline.steps.download import unencrypted


@pytest.mark.parametrize(
    ("address", "final", "told"),
    [
        ("https://a.b/c.csv", "http://d.e/c.csv?…", ", unencrypted: redirected to http://d.e/c.csv?…"),
        ("https://a.b/c.csv", "https://d.e/c.csv", ""),
        ("http://a.b/c.csv", "https://d.e/c.csv", ""),
        ("http://a.b/c.csv", "http://d.e/c.csv", ""),
        ("s3://a/c.csv", "s3://a/c.csv", ""),
    ],
)
def test_a_redirect_out_of_tls_is_told(address: str, final: str, told: str) -> None:
    assert unencrypted(address, Fetched("ab", 3, final)) == told
