"""Versions that passed all gates and do not become ready: each is rolled back, and the old one serves all the while."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.bench.hot_swap import Load
from tests.e2e.cluster import storage_uri
from tests.e2e.conftest import Installation
from tests.e2e.registry import Bucket, BundleFiles, Registry


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with Bucket.opened() as bucket:
        yield bucket


def would_fill_the_memory(bundle: BundleFiles) -> BundleFiles:
    """A table of two gigabytes of zeros, which weighs two megabytes until it is read."""
    [name] = [name for name in bundle.files if name.endswith(".npz")]
    with np.load(io.BytesIO(bundle.files[name])) as arrays:
        largest = max(arrays.files, key=lambda each: arrays[each].nbytes)
        tables = dict(arrays) | {largest: np.zeros(2**28)}
    packed = io.BytesIO()
    np.savez_compressed(packed, **tables)
    return bundle.with_file(name, packed.getvalue())


def is_damaged(bundle: BundleFiles) -> BundleFiles:
    """A file that is not as its checksum says."""
    return BundleFiles(bundle.files | {"contract.json": bundle.files["contract.json"] + b" "})


def answers_otherwise(bundle: BundleFiles) -> BundleFiles:
    """Golden requests that the estimator does not repeat."""
    golden = json.loads(bundle.files["golden.json"])
    golden["answers"] = [answer + 1 for answer in golden["answers"]]
    return bundle.with_file("golden.json", json.dumps(golden).encode())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (answers_otherwise, "golden request 0 is not answered as when the bundle was trained"),
        pytest.param(is_damaged, "contract.json in /mnt/models is not as it was written", marks=pytest.mark.long),
        (would_fill_the_memory, "the bundle in /mnt/models has more than"),
    ],
)
def test_a_bad_version_is_rolled_back(
    spoil: Callable[[BundleFiles], BundleFiles],
    reason: str,
    service: Installation,
    registry: Registry,
    bucket: Bucket,
) -> None:
    prod = registry.prod()
    uri = f"{prod.uri.rstrip('/')}-{spoil.__name__}/"
    bucket.put(uri, spoil(bucket.bundle(prod.uri)))
    bad = registry.add_version(uri)
    load = Load((service.trigger_url, service.predict_url), {"Password": ["abc"]}, pause=0.05)
    with load.running(clients=2):
        run = service.end(service.put_in_service("passwords", bad.number))
    assert run.state == "rolled_back"
    assert reason in run.message
    assert load.failures == []
    assert set(load.versions) == {prod.number}
    assert registry.prod() == prod
    assert storage_uri("passwords") == prod.uri
    assert service.serving() == prod.number
