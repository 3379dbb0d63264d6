from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core import logs
from regraft_core.addresses import carries_secret, needs_authorities, redacted, redacted_text, without_secrets_of

SECRET = "5ECRET42"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://a.b/c.csv", "https://a.b/c.csv"),
        ("https://a.b/c.csv?year=2026&format=csv", "https://a.b/c.csv?year=2026&format=csv"),
        ("https://a.b/c.csv?x=a+b%2Fc#part", "https://a.b/c.csv?x=a+b%2Fc#part"),
        ("s3://bucket/folder/c.csv", "s3://bucket/folder/c.csv"),
        ("upload:0123/c.csv", "upload:0123/c.csv"),
        ("bootstrap:passwords", "bootstrap:passwords"),
        ("file:///data/c.csv", "file:///data/c.csv"),
        ("https://me:5ECRET42@a.b/c.csv", "https://a.b/c.csv"),
        ("//me@//you:5ECRET42@a.b/c.csv", "//a.b/c.csv"),
        ("https://5ECRET42@a.b:9/c.csv?x=1", "https://a.b:9/c.csv?x=1"),
        ("https://a.b/c.csv?x=1&X-Amz-Signature=5ECRET42", "https://a.b/c.csv?…"),
        ("https://a.b/c.csv?year=2026#access_token=5ECRET42", "https://a.b/c.csv?year=2026#…"),
        ("https://me:5ECRET42@[/c.csv?x", "https://[/c.csv?…"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert redacted(address) == shown
    assert redacted(shown) == shown
    assert carries_secret(address) is (address != shown)


@pytest.mark.parametrize(
    "name",
    [
        *("X-Amz-Signature", "x-amz-security-token", "X-Amz-Credential", "X-Goog-Signature", "X-Goog-Credential"),
        *("sig", "SIG", "signature", "Signature", "token", "access_token", "accessToken", "private_token", "key"),
        *("api_key", "apikey", "x-api-key", "AWSAccessKeyId", "GoogleAccessId", "Key-Pair-Id", "Policy", "password"),
        *("hdnea", "hdnts", "X-Tos-Signature", "signature_v2", "tokenid", "md5", "SAMLResponse", "connect.sid"),
        *("client_secret", "auth", "Authorization", "jwt", "sessionid", "X-Amz-Sig%6Eature", "%58-Amz-Signature"),
    ],
)
def test_a_query_with_a_secret_is_cut_whatever_it_is_called(name: str) -> None:
    for query in (f"{name}={SECRET}", f"x=1&{name}={SECRET}&y=2", f"x=1;{name}={SECRET}"):
        assert SECRET not in redacted(f"https://a.b/c.csv?{query}")


@pytest.mark.parametrize(
    "query",
    [
        "to=https://c.d/e?X-Amz-Signature=5ECRET42",
        "to=https%3A%2F%2Fc.d%2Fe%3Fx%3D1%26sig%3D5ECRET42",
        "to=https%253A%252F%252Fc.d%252Fe%253Ftoken%253D5ECRET42",
        "to=https://me:5ECRET42@c.d/e",
        "to=https%3A%2F%2Fme%3A5ECRET42%40c.d%2Fe",
        "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1RUNSRVQ0MiJ9.5ECRET42",
    ],
)
def test_a_secret_inside_of_another_address_is_cut_as_well(query: str) -> None:
    assert redacted(f"https://a.b/c.csv?{query}") == "https://a.b/c.csv?…"


def test_addresses_in_a_text_are_cut_and_the_rest_stays() -> None:
    text = "GET /x?X-Amz-Signature=5ECRET42 after https://a.b/c?sig=5ECRET42, 'https://u:5ECRET42@c.d/' and https://e.f/?x=1"
    found = redacted_text(text)
    assert SECRET not in found
    assert "/x?X-Amz-Signature=… after https://a.b/c?…" in found
    assert "'https://c.d/' and https://e.f/?x=1" in found


def test_what_a_server_says_of_an_address_is_cut_however_it_writes_it() -> None:
    address = "https://a.b/c.csv?x=1&sig=a%2F5ECRET42%3D"
    said = "no a/5ECRET42= and no a%2F5ECRET42%3D, nor x=1&sig=a%2F5ECRET42%3D of x"
    assert without_secrets_of([address], said) == "no … and no …, nor … of x"


def test_what_a_server_says_of_an_address_inside_of_another_is_cut_as_well() -> None:
    address = "https://a.b/?to=https%3A%2F%2Fme%3A5ECRET42%40c.d%2F%3Fsig%3D5ECRET43"
    assert without_secrets_of([address], "not 5ECRET42 nor 5ECRET43") == "not … nor …"


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    redacted(text)
    redacted_text(text)
    without_secrets_of([text], text)


@given(st.text(alphabet="ab?&=;#%@:/[]X-sig. é", max_size=40))
def test_a_secret_behind_its_name_never_shows(noise: str) -> None:
    address = f"https://a.b/{noise}?x=1&X-Amz-Signature={SECRET}"
    assert SECRET not in redacted(address)


@pytest.mark.parametrize("form", [logs.json_formatter(), logs.human_formatter()])
def test_no_log_line_holds_a_secret(form: logging.Formatter) -> None:
    try:
        raise ValueError("https://é:5ECRET42@a.b/ü?sig=5ECRET42")
    except ValueError as error:
        record = logging.LogRecord("a", logging.ERROR, "b", 1, "at %s", ("https://é:5ECRET42@a.b/?x=1",), None)
        record.exc_info = (ValueError, error, error.__traceback__)
    line = form.format(record)
    assert SECRET not in line
    assert "a.b/" in line


def test_a_json_line_is_still_json() -> None:
    record = logging.LogRecord("a", logging.INFO, "b", 1, 'say "https://a.b/?key=5ECRET42"', (), None)
    assert json.loads(logs.json_formatter().format(record))["event"] == 'say "https://a.b/?…"'


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://a.b", False),
        ("https://a.b", True),
        ("HTTPS://a.b", True),
        ("HTTP://a.b", True),  # in doubt, yes
        (" https://a.b", True),
        ("a.b:443", True),
        ("", True),
    ],
)
def test_whoever_answers_proves_who_it_is_unless_the_address_is_plain_http(address: str, expected: bool) -> None:
    assert needs_authorities(address) is expected
