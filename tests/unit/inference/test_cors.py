"""Pages of other origins."""

from __future__ import annotations

import pytest

from tests.unit.inference.asking import JSON, Client, client_of

pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")  # KServe still uses it


def test_pages_of_other_origins_may_ask_where_a_setting_says_so(client: Client) -> None:
    asking = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    assert client.ask("OPTIONS", "/predict", headers=asking).status == 405
    open_to_one = client_of(client.app._repository, cors_origins=["https://app.example.com"])
    allowed = open_to_one.ask("OPTIONS", "/predict", headers=asking)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example.com")
    refused = open_to_one.ask("OPTIONS", "/predict", headers=asking | {"origin": "https://x.example.com"})
    assert (refused.status, refused.json["code"]) == (400, "origin_not_allowed")
    assert "access-control-allow-origin" not in refused.headers
    for payload, status in (({"Password": ["a"]}, 200), ({"Password": []}, 400)):
        answer = open_to_one.post("/predict", payload, JSON | {"origin": "https://app.example.com"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "https://app.example.com")
    scope = {"path": "/predict", "method": "POST", "headers": [(b"origin", b"https://app.example.com")]}
    assert open_to_one.app.short_cut(scope) is None
    assert open_to_one.app.short_cut({**scope, "headers": []}) is not None
    open_to_one.runner.close()


@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        ("http://localhost:*", "http://localhost:3000", True),
        ("http://localhost:*", "http://localhost:3000@example.com", False),
        ("http://localhost:*", "https://localhost:3000", False),
        ("http://localhost", "http://localhost", True),
        ("http://localhost", "http://localhost:3000", False),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("https://app.example.com", "https://appXexample.com", False),
        ("*", "null", True),
        ("https://app.example.com", "null", False),
    ],
)
def test_an_origin_is_listed_as_it_is_or_with_stars(client: Client, listed: str, origin: str, allowed: bool) -> None:
    asking = {"origin": origin, "access-control-request-method": "POST"}
    found = client_of(client.app._repository, cors_origins=[listed])
    assert found.ask("OPTIONS", "/predict", headers=asking).status == (200 if allowed else 400)
    found.runner.close()
