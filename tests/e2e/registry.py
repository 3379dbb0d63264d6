"""MLflow and the bucket, as somebody sees them who looks into them, and who may damage them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
import httpx

from tests.e2e.cluster import PLATFORM, forwarded, get

MODELS = {"passwords": "regraft-mlops-project-model", "heart-disease": "regraft-heart-disease-model"}


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model."""

    number: str
    uri: str
    tags: dict[str, str]


class Registry:
    """MLflow's REST interface."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/2.0/mlflow", timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def prod(self, task: str = "passwords") -> ModelVersion:
        """The version of the alias."""
        return self._version(self._get("registered-models/alias", name=MODELS[task], alias="prod"))

    def versions_of(self, run_id: str, task: str = "passwords") -> list[ModelVersion]:
        """The versions that a run has made."""
        query = f"name='{MODELS[task]}' and tag.run_id='{run_id}'"
        found = self._get("model-versions/search", filter=query).get("model_versions", [])
        return [self._version({"model_version": version}) for version in found]

    def add_version(self, uri: str, task: str = "passwords") -> ModelVersion:
        """Register a bundle as a version of its own."""
        answer = self._client.post("model-versions/create", json={"name": MODELS[task], "source": uri})
        assert answer.is_success, answer.text
        return self._version(answer.json())

    def has(self, version: ModelVersion, task: str = "passwords") -> bool:
        """Whether a version is there still."""
        answer = self._client.get("model-versions/get", params={"name": MODELS[task], "version": version.number})
        return answer.is_success

    def tag(self, version: ModelVersion, key: str, value: str, task: str = "passwords") -> None:
        """Put a tag on a version, as somebody does it on MLflow's page."""
        body = {"name": MODELS[task], "version": version.number, "key": key, "value": value}
        answer = self._client.post("model-versions/set-tag", json=body)
        assert answer.is_success, answer.text

    def _version(self, answer: dict[str, Any]) -> ModelVersion:
        version = answer["model_version"]
        uri = self._get("model-versions/get-download-uri", name=version["name"], version=version["version"])
        tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
        return ModelVersion(version["version"], uri["artifact_uri"].rstrip("/") + "/", tags)

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = self._client.get(path, params=parameters)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found


class BundleFiles:
    """The files of one bundle, to be changed and put somewhere else."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def with_file(self, name: str, content: bytes) -> BundleFiles:
        """Return the bundle with another content of a file, and checksums that fit it."""
        checksums = json.loads(self.files["checksums.json"]) | {name: hashlib.sha256(content).hexdigest()}
        return BundleFiles(self.files | {name: content, "checksums.json": json.dumps(checksums).encode()})


class Bucket:
    """The bucket of the installation."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    @contextlib.contextmanager
    def opened(cls) -> Iterator[Self]:
        """Reach the bucket through the API server."""
        secret = {key: base64.b64decode(value).decode() for key, value in get("secret", "regraft-s3")["data"].items()}
        with forwarded("minio", 9000, namespace=PLATFORM) as url:
            client = boto3.client(
                "s3",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=secret["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=secret["AWS_SECRET_ACCESS_KEY"],
            )
            yield cls(client)
            client.close()

    def make(self, name: str) -> None:
        """Make another bucket."""
        self._client.create_bucket(Bucket=name)

    def find(self, key: str) -> bytes | None:
        """Return an object of the installation's own, None where there is none."""
        try:
            found: bytes = self._client.get_object(Bucket="regraft", Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        return found

    def bundle(self, uri: str) -> BundleFiles:
        """Read the bundle at an address."""
        bucket, prefix = _parts(uri)
        found = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        keys = [item["Key"] for item in found]
        return BundleFiles(
            {key.removeprefix(prefix): self._client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        )

    def put(self, uri: str, bundle: BundleFiles) -> None:
        """Write a bundle to an address."""
        bucket, prefix = _parts(uri)
        for name, content in bundle.files.items():
            self._client.put_object(Bucket=bucket, Key=prefix + name, Body=content)


def _parts(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")
