"""The service as somebody sees it who knows two URLs: that of the trigger and that of the predictor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import httpx

PASSWORDS = "passwords"
HEART_DISEASE = "heart-disease"

ENDED = {"promoted", "rejected", "unchanged", "superseded", "rolled_back", "cancelled", "failed"}
AWAY = {502, 503, 504}
"""What a proxy, or the service itself, answers while the service is not there."""


class CheckError(Exception):
    """The service did something that no course of events explains."""


@dataclass(frozen=True)
class Accepted:
    """What the trigger answered."""

    run_id: str
    status_url: str


@dataclass(frozen=True)
class RunView:
    """A run as its status URL shows it."""

    run_id: str
    state: str
    version: str | None
    step: str
    codes: tuple[str, ...]
    message: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Read the JSON of a run; ``codes`` are those of the verdict's errors, else that of the cause."""
        reasons = [
            reason
            for reason in (document.get("verdict") or {}).get("reasons", [])
            if reason["severity"] == "error" and document["state"] == "rejected"
        ]
        cause = document.get("cause")
        found = reasons or ([cause] if cause else [])
        running = [step["name"] for step in document["steps"] if step["state"] == "running"]
        return cls(
            run_id=document["run_id"],
            state=document["state"],
            version=document.get("version"),
            step=running[0] if running else "",
            codes=tuple(dict.fromkeys(reason["code"] for reason in found)),
            message="; ".join(reason["message"] for reason in found),
        )


@dataclass(frozen=True)
class Prediction:
    """What the predictor answered, and which version did."""

    values: list[float]
    version: str
    data_sha256: str


class Service:
    """Talks to the trigger and to the predictor. Raises CheckError on every answer but the agreed ones.

    Without ``keep_alive`` each request opens a connection of its own.
    """

    def __init__(
        self, trigger_url: str, predict_url: str, *, token: str | None = None, keep_alive: bool = True
    ) -> None:
        self.trigger_url = trigger_url
        self.predict_url = predict_url
        limits = httpx.Limits(max_keepalive_connections=None if keep_alive else 0)
        self._client = httpx.Client(timeout=30, limits=limits)
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def trigger(
        self, data_url: str, *, task: str | None = None, force: bool = False, key: str | None = None
    ) -> Accepted:
        """Post the address of a dataset; the task is left out where it is None."""
        body: dict[str, Any] = {"data_url": data_url} | ({"task": task} if task else {})
        return self._accept(self.trigger_url, body | ({"force": True} if force else {}), key)

    def roll_back(self, task: str) -> Accepted:
        """Ask for the version before the one in service."""
        return self._accept(urljoin(self.trigger_url, "rollback"), {"task": task}, None)

    def _accept(self, url: str, body: dict[str, Any], key: str | None) -> Accepted:
        headers = self._authorization | ({"Idempotency-Key": key} if key else {})
        answer = self._client.post(url, json=body, headers=headers)
        document = _json(answer, 202)
        return Accepted(document["run_id"], urljoin(url, document["status_url"]))

    def run(self, accepted: Accepted) -> dict[str, Any]:
        """Return the run's JSON as it is now."""
        return _json(self._client.get(accepted.status_url), 200)

    def wait(
        self, accepted: Accepted, *, timeout: float, watch: Callable[[RunView], None] = lambda run: None
    ) -> RunView:
        """Return the run when it has ended; ``watch`` sees it now and then until it has."""
        deadline = time.monotonic() + timeout
        pause = 0.1
        seen = "not told of"
        while True:
            if run := self._run_unless_away(accepted):
                watch(run)
                if run.state in ENDED:
                    return run
                seen = f"still {run.state} ({run.step})"
            if time.monotonic() > deadline:
                raise CheckError(f"{accepted.run_id} is {seen} after {timeout:.0f} s")
            time.sleep(pause)
            pause = min(1.2 * pause, 1.0)

    def _run_unless_away(self, accepted: Accepted) -> RunView | None:
        """Return the run as it is now, None while the service, which has accepted it, is being started again."""
        try:
            answer = self._client.get(accepted.status_url)
        except httpx.TransportError:
            return None
        return None if answer.status_code in AWAY else RunView.of(_json(answer, 200))

    def predict(self, task: str, columns: dict[str, list[Any]]) -> Prediction:
        """Ask the predictor of a task."""
        url = self.predict_url if task == PASSWORDS else urljoin(self.predict_url, f"{task}/predict")
        answer = self._client.post(url, json=columns)
        document = _json(answer, 200)
        if len(document) != 1:
            raise CheckError(f"{url} answered {sorted(document)}, expected the target column alone")
        return Prediction(
            values=[float(value) for value in next(iter(document.values()))],
            version=_header(answer, "Regraft-Model-Version"),
            data_sha256=_header(answer, "Regraft-Data-Sha256"),
        )


def _json(answer: httpx.Response, status: int) -> dict[str, Any]:
    if answer.status_code != status:
        raise CheckError(
            f"{answer.request.method} {answer.request.url} answered {answer.status_code}, "
            f"expected {status}: {answer.text[:500]}"
        )
    try:
        document: dict[str, Any] = answer.json()
    except ValueError as error:
        raise CheckError(f"{answer.request.url} answered no JSON: {answer.text[:500]}") from error
    return document


def _header(answer: httpx.Response, name: str) -> str:
    if name not in answer.headers:
        raise CheckError(f"{answer.request.url} answered without the header {name}")
    return answer.headers[name]
