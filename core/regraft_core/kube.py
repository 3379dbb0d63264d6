"""The Kubernetes API over HTTP: where the API server is, and how to be let in. The rest is plain httpx and JSON."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any, NoReturn

import httpx

from regraft_core.codes import Code
from regraft_core.errors import NotFoundError, RegraftError, TemporaryError, passes_by_itself
from regraft_core.logs import get_logger

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts the token and the authority's certificate of the pod's service account."""

WATCH_SECONDS = 300
"""After this long a watch is begun anew."""

SILENCE_SECONDS = 150
"""The API server sends a bookmark every minute or so: a watch that is silent for longer is broken."""

PAUSE_SECONDS = 1.0
"""After this long a watch that broke off is begun again."""

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}

log = get_logger(__name__)


class BearerToken(httpx.Auth):
    """Sends a token that is read anew for every request: the kubelet renews a pod's while the pod runs."""

    def __init__(self, read: Callable[[], str]) -> None:
        self.read = read

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token as it is now."""
        request.headers["Authorization"] = f"Bearer {self.read().strip()}"
        yield request


@dataclass(frozen=True)
class Cluster:
    """An API server, and the account it is spoken to with."""

    server: str
    verify: ssl.SSLContext | bool = True
    auth: httpx.Auth | None = None

    @classmethod
    def find(cls) -> Cluster:
        """Return the cluster this pod runs in, else the one that kubectl would speak to."""
        return cls.around_pod() if "KUBERNETES_SERVICE_HOST" in environ else cls.of_kubectl()

    @classmethod
    def around_pod(cls, account: Path = SERVICE_ACCOUNT) -> Cluster:
        """Return the cluster this pod runs in, with the pod's service account."""
        host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
        if ":" in host:
            host = f"[{host}]"
        verify = ssl.create_default_context(cafile=str(account / "ca.crt"))
        return cls(f"https://{host}:{port}", verify, BearerToken((account / "token").read_text))

    @classmethod
    def of_kubectl(cls) -> Cluster:
        """Return the cluster of kubectl's present context, for contexts with a certificate or a token."""
        command = ["kubectl", "config", "view", "--raw", "--minify", "--flatten", "--output", "json"]
        try:
            answer = subprocess.run(command, check=True, capture_output=True)  # noqa: S603  (a constant)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RegraftError(
                f"this is no pod, and kubectl names no cluster either: {error}", code=Code.CLUSTER_UNKNOWN
            ) from error
        config = json.loads(answer.stdout)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = cluster.get("certificate-authority-data")
        verify = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        if "client-certificate-data" in user:
            # The standard library takes a client's certificate from a file only.
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(base64.b64decode(user["client-certificate-data"]))
                pem.write(base64.b64decode(user["client-key-data"]))
                pem.flush()
                verify.load_cert_chain(pem.name)
        token = user.get("token")
        return cls(cluster["server"], verify, BearerToken(lambda: token) if token else None)

    def client(self, *, timeout: float = 10.0) -> httpx.Client:
        """Return a client for the API, past the proxies of the environment; ``timeout`` in seconds."""
        return httpx.Client(base_url=self.server, verify=self.verify, auth=self.auth, timeout=timeout, trust_env=False)

    def async_client(self, *, timeout: float = 10.0) -> httpx.AsyncClient:
        """Return an asynchronous client for the API, past the proxies of the environment; ``timeout`` in seconds."""
        return httpx.AsyncClient(
            base_url=self.server, verify=self.verify, auth=self.auth, timeout=timeout, trust_env=False
        )


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Turn a connection that fails into TemporaryError (``cluster_unreachable``)."""
    try:
        yield
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise TemporaryError(f"the API server cannot be reached: {reason}", code=Code.CLUSTER_UNREACHABLE) from error


def answer(response: httpx.Response) -> dict[str, Any]:
    """Return the object that the API server answers with.

    Raises NotFoundError (``object_unknown``), TemporaryError (``cluster_busy``) where trying again makes sense, else
    RegraftError (``cluster_refused``); each with the server's own reason.
    """
    if response.is_success:
        body: dict[str, Any] = response.json()
        return body
    request, status = response.request, response.status_code
    message = f"the API server answers {status} to {request.method} {request.url.path}: {_reason(response)}"
    if status in (404, 410):
        raise NotFoundError(message, code=Code.OBJECT_UNKNOWN)
    if status == 409 or passes_by_itself(status):
        raise TemporaryError(message, code=Code.CLUSTER_BUSY)
    raise RegraftError(message, code=Code.CLUSTER_REFUSED)


async def watch(
    api: httpx.AsyncClient, path: str, *, selector: str, version: str, connect_seconds: float = 5
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Follow the objects of a list from a version of it on: what happened (ADDED, BOOKMARK, ...) and the object.

    Ends after ``WATCH_SECONDS``. Raises NotFoundError where the version is too long ago, TemporaryError.
    """
    parameters = {
        "watch": "1",
        "labelSelector": selector,
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(WATCH_SECONDS),
    }
    timeout = httpx.Timeout(connect_seconds, read=SILENCE_SECONDS)
    with reaching():
        async with api.stream("GET", path, params=parameters, timeout=timeout) as response:
            if response.is_error:
                await response.aread()
                answer(response)
            async for line in response.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise NotFoundError(event["object"].get("message", "the watch has expired"))
                yield event["type"], event["object"]


async def follow(
    api: httpx.AsyncClient,
    path: str,
    *,
    selector: str,
    take_all: Callable[[], Awaitable[str]],
    take_in: Callable[[str, dict[str, Any]], Awaitable[None]],
) -> NoReturn:
    """Follow a list for ever, whatever the API server says.

    ``take_all`` reads the whole list and returns its version, at the start and where a watch has come too late;
    ``take_in`` is told of each change what happened (ADDED, MODIFIED, DELETED) and the object.
    """
    version = ""
    while True:
        try:
            if not version:
                version = await take_all()
            async for kind, found in watch(api, path, selector=selector, version=version):
                version = found["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    await take_in(kind, found)
            continue  # the watch has come to its agreed end
        except NotFoundError as error:
            log.info("list begun anew", path=path, reason=error.message)
            version = ""
        except RegraftError as error:
            log.warning("watch broke off", path=path, reason=error.message)
        await asyncio.sleep(PAUSE_SECONDS)


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
