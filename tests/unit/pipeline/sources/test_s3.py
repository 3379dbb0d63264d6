from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from regraft_core.errors import SourceError
from regraft_pipeline.sources import Fetched, Limits, Site, fetch, source

CSV = b"Password,Times\na,1.0\nb,0.0\n"
LIMITS = Limits(max_bytes=1000, connect_seconds=5, read_seconds=5, total_seconds=20, attempts=2)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    client.create_bucket(Bucket="data")
    client.put_object(Bucket="data", Key="daily/a b%20c.csv", Body=CSV)
    client.put_object(Bucket="data", Key="packed.csv", Body=gzip.compress(CSV), ContentEncoding="gzip")
    client.put_object(Bucket="data", Key="large.csv", Body=bytes(1001))
    client.put_object(Bucket="data", Key="bomb.csv", Body=gzip.compress(bytes(10**6)), ContentEncoding="gzip")
    yield url
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def download(address: str, folder: Path, endpoint: str, buckets: tuple[str, ...] = ("data",)) -> Fetched:
    site = Site(limits=LIMITS, buckets=buckets, s3_endpoint_url=endpoint)
    return fetch(address, folder / "file", site=site, progress=lambda share, message: None)


@pytest.mark.parametrize("address", ["s3://data/daily/a b%20c.csv", "S3://data/packed.csv"])
def test_an_object_is_brought_by_the_sites_credentials(address: str, endpoint: str, tmp_path: Path) -> None:
    fetched = download(address, tmp_path, endpoint)
    assert (tmp_path / "file").read_bytes() == CSV
    assert (fetched.sha256, fetched.bytes) == (hashlib.sha256(CSV).hexdigest(), len(CSV))


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("s3://data/nothing.csv", "source_not_found"),
        ("s3://data/large.csv", "source_too_large"),
        ("s3://data/bomb.csv", "source_too_large"),
        ("s3://data/", "source_url_invalid"),
        ("s3://other/a.csv", "source_forbidden_address"),
        ("gs://data/a.csv", "source_url_invalid"),
    ],
)
def test_what_cannot_be_had_has_its_code(address: str, code: str, endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        download(address, tmp_path, endpoint)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [("data", True), ("da*", True), ("data/daily", True), ("data/daily/", True), ("data/dai", False), ("x", False)],
)
def test_a_bucket_or_a_folder_of_it_is_allowed(pattern: str, allowed: bool, endpoint: str, tmp_path: Path) -> None:
    try:
        download("s3://data/daily/a b%20c.csv", tmp_path, endpoint, (pattern,))
    except SourceError as error:
        assert (error.code, allowed) == ("source_forbidden_address", False)  # noqa: PT017  (either is right once)
    else:
        assert allowed


def test_a_store_that_is_not_there_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SourceError) as caught:
        download("s3://data/a.csv", tmp_path, "http://127.0.0.1:9")
    assert caught.value.code == "source_unreachable"
