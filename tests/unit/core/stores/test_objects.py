from collections.abc import Iterator
from functools import partial
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer
from pydantic import BaseModel

from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.stores.objects import FileStore, ObjectStore, S3Store, get_model, open_store, put_model


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "file":
        return open_store((tmp_path / "a bucket").as_uri())
    request.getfixturevalue("credentials")
    endpoint = request.getfixturevalue("s3_endpoint")
    name = f"bucket-{tmp_path.name.replace('_', '-').lower()}"[:63].strip("-")
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)
    return open_store(f"s3://{name}", endpoint_url=endpoint)


def test_an_object_is_read_back_as_it_was_written(store: ObjectStore) -> None:
    store.put("runs/a/verdict.json", b"first")
    store.put("runs/a/verdict.json", b"second")
    assert store.get("runs/a/verdict.json") == b"second"
    assert store.exists("runs/a/verdict.json")


def test_what_is_not_there_is_none(store: ObjectStore, tmp_path: Path) -> None:
    assert store.get("runs/none") is None
    assert not store.exists("runs/none")
    with pytest.raises(RegraftError) as caught:
        store.get_file("runs/none", tmp_path / "out")
    assert caught.value.code == "object_not_found"


def test_files_go_in_and_come_out(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 100)
    store.put_file("datasets/x/raw.csv", source)
    store.get_file("datasets/x/raw.csv", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_keys_come_in_order_and_by_prefix(store: ObjectStore) -> None:
    for key in ("runs/b/2", "runs/a/1", "runs/a/0", "runs-old/x", "serving/p"):
        store.put(key, b".")
    assert list(store.keys("runs/")) == ["runs/a/0", "runs/a/1", "runs/b/2"]
    assert list(store.keys("runs")) == ["runs-old/x", "runs/a/0", "runs/a/1", "runs/b/2"]
    assert list(store.keys("runs/", after="runs/a/0")) == ["runs/a/1", "runs/b/2"]
    assert list(store.keys("none/")) == []


def test_models_are_kept_as_json(store: ObjectStore) -> None:
    class Point(BaseModel):
        x: int

    put_model(store, "points/one.json", Point(x=1))
    assert get_model(store, "points/one.json", Point) == Point(x=1)
    assert get_model(store, "points/two.json", Point) is None


def test_addresses_name_the_object(tmp_path: Path) -> None:
    assert FileStore(tmp_path).uri("a/b") == (tmp_path / "a/b").as_uri()
    assert S3Store("bucket", client=object()).uri("a/b") == "s3://bucket/a/b"


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../secret", "a/../../b"])
def test_a_key_never_leaves_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        FileStore(tmp_path).put(key, b"")


def test_a_failed_write_leaves_the_old_object_and_no_litter(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "bucket")
    store.put("a", b"old")
    with pytest.raises(FileNotFoundError):
        store.put_file("a", tmp_path / "missing")
    assert store.get("a") == b"old"
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == ["a"]


@pytest.mark.parametrize("url", ["bucket", "s3://", "https://example.com/bucket"])
def test_an_address_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(RegraftError) as caught:
        open_store(url)
    assert caught.value.code == "setting_invalid"


@pytest.mark.usefixtures("credentials")
def test_a_bucket_that_is_not_there_is_no_temporary_failure(s3_endpoint: str) -> None:
    with pytest.raises(RegraftError) as caught:
        list(S3Store("no-such-bucket", endpoint_url=s3_endpoint).keys(""))
    assert not isinstance(caught.value, TemporaryError)


@pytest.mark.usefixtures("credentials")
def test_a_server_that_cannot_be_reached_is_a_temporary_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(TemporaryError) as caught:
        S3Store("bucket", client=client).get("a")
    assert (caught.value.code, caught.value.exit_code) == ("store_unreachable", 75)


def test_a_removed_object_is_gone_and_one_that_never_was_is_no_error(store: ObjectStore) -> None:
    store.put("a/b", b"x")
    store.remove("a/b")
    store.remove("a/b")
    assert store.get("a/b") is None


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("status", "code", "passes"),
    [
        (500, "InternalError", True),
        (503, "SlowDown", True),
        (429, "TooManyRequests", True),
        (408, "RequestTimeout", True),
        (499, "ClientDisconnected", True),
        (400, "RequestTimeout", True),
        (400, "IncompleteBody", True),
        (400, "BadDigest", True),
        (409, "OperationAborted", True),
        (400, "InvalidArgument", False),
        (403, "AccessDenied", False),
        (403, "RequestTimeTooSkewed", False),
        (405, "MethodNotAllowed", False),
        (413, "EntityTooLarge", False),
        (501, "NotImplemented", False),
    ],
)
def test_what_passes_by_itself_is_a_temporary_failure(status: int, code: str, passes: bool, tmp_path: Path) -> None:
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:9")
    file = tmp_path / "file"
    file.write_bytes(b"x")
    store = S3Store("bucket", client=client)
    for write in (partial(store.put, "a", b"x"), partial(store.put_file, "a", file)):
        with Stubber(client) as stubber:
            stubber.add_client_error("put_object", service_error_code=code, http_status_code=status)
            with pytest.raises(RegraftError) as caught:
                write()
        assert isinstance(caught.value, TemporaryError) is passes, caught.value
        assert caught.value.code == ("store_busy" if passes else "store_refused")
        assert code in caught.value.message
