from __future__ import annotations

import httpx
import pytest
from pydantic import ValidationError

from regraft_trigger.access import COOKIE
from regraft_trigger.settings import TriggerSettings
from tests.unit.trigger.serving import DATA_URL, Running, Serve

READ, WRITE = "read-secret", "write-secret"
LOOPBACK = TriggerSettings.model_fields["allowed_hosts"].get_default(call_default_factory=True)
PAGE = {"Accept": "text/html"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "regraft.localhost", "localhost."]
)
def test_a_name_of_this_machine_is_answered(serve: Serve, host: str) -> None:
    service = serve(allowed_hosts=LOOPBACK)
    assert service.client.get("/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.com", "evil.com:8000", "localhost.evil.com", "127.0.0.1.nip.io", "[::2]", "10.0.0.1"]
)
def test_any_other_name_is_refused_but_for_those_who_watch(serve: Serve, host: str) -> None:
    service = serve(allowed_hosts=LOOPBACK)
    headers = {"Host": host}
    for path in ("/", "/runs", "/events", "/openapi.json", "/static/page.css"):
        answer = service.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed"), path
    assert service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers).status_code == 403
    for path in ("/health", "/ready", "/metrics"):
        assert service.client.get(path, headers=headers).status_code == 200
    assert service.runs.recent() == []


def test_a_read_token_closes_everything_but_what_watches(serve: Serve) -> None:
    service = serve(read_token=READ, trigger_token=WRITE)
    for path in ("/", "/runs", "/runs/run-x", "/events", "/openapi.json", "/nothing"):
        for headers in ({}, bearer("wrong"), {"Cookie": f"{COOKIE}=wrong"}):
            answer = service.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
            assert "WWW-Authenticate" in answer.headers
    for path in ("/health", "/ready", "/metrics"):
        assert service.client.get(path).status_code == 200
    for token in (READ, WRITE):
        assert service.client.get("/runs", headers=bearer(token)).status_code == 200


def test_the_read_token_starts_nothing_where_another_is_asked_for(serve: Serve) -> None:
    service = serve(read_token=READ, trigger_token=WRITE)
    asked = {
        token: service.client.post("/trigger", json={"data_url": DATA_URL}, headers=bearer(token)).status_code
        for token in (READ, WRITE)
    }
    assert asked == {READ: 401, WRITE: 202}


def sign_in(service: Running, token: str) -> httpx.Response:
    return service.client.post("/page/sign-in", data={"token": token}, headers={"Origin": service.url})


def test_the_page_asks_once_and_a_cookie_that_tells_nothing_stands_for_the_token(serve: Serve) -> None:
    service = serve(read_token=READ)
    asked = service.client.get("/", headers=PAGE)
    assert (asked.status_code, 'type="password"' in asked.text) == (401, True)
    assert sign_in(service, "wrong").status_code == 401
    answer = sign_in(service, READ)
    cookie = answer.headers["Set-Cookie"]
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert READ not in cookie
    assert (
        "What serves" in service.client.get("/", headers=PAGE).text
        or service.client.get("/", headers=PAGE).status_code == 200
    )


def test_another_sites_page_cannot_sign_in(serve: Serve) -> None:
    service = serve(read_token=READ)
    answer = service.client.post("/page/sign-in", data={"token": READ}, headers={"Origin": "http://evil.com"})
    assert answer.status_code == 403


READ_PATHS = [
    "/",
    "/runs",
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/runs/run-x",
    "/runs/run-x/report",
    "/trigger",
    "/tasks",
    "/tasks/passwords/versions",
    "/tasks/passwords/fit",
    "/tasks/passwords/collected",
    "/tasks/nothing/fit",
    "/static/page.css",
]


@pytest.mark.parametrize("path", READ_PATHS)
def test_head_is_answered_as_get_is(service: Running, path: str) -> None:
    get, head = service.client.get(path), service.client.head(path)
    assert head.status_code == get.status_code
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.content == b""


def test_head_of_the_events_ends(service: Running) -> None:
    answer = service.client.head("/events")
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/event-stream")


@pytest.mark.parametrize("token", ["tökén", "two words", "", " ", "a\x00b"])
def test_a_token_that_cannot_be_sent_is_refused_at_the_start_and_not_repeated(token: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TriggerSettings(read_token=token)
    assert not token.strip() or token not in str(caught.value)


def test_a_line_end_behind_a_token_is_none_of_it() -> None:
    settings = TriggerSettings(trigger_token="right\n")
    assert settings.trigger_token is not None
    assert settings.trigger_token.get_secret_value() == "right"
