from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core.errors import BadRequestError
from regraft_trigger.bodies import MAX_URL_LENGTH, RollbackBody, TriggerBody, parse_body

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data_url", "task", "force", "x"]), inner),
    max_leaves=10,
)


def test_a_body_may_name_task_and_force() -> None:
    body = parse_body(b'{"data_url": "https://a.b/c.csv", "task": "t", "force": true}', TriggerBody)

    assert (body.data_url, body.task, body.force) == ("https://a.b/c.csv", "t", True)


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        (b"", "not_json", None),
        (b"{", "not_json", None),
        (b"data_url=https://a.b", "not_json", None),
        (b'{"data_url": "\xff"}', "not_json", None),
        (b"[" * 60_000, "not_json", None),
        (b"[]", "not_an_object", None),
        (b"null", "not_an_object", None),
        (b'"https://a.b/c.csv"', "not_an_object", None),
        (b"{}", "field_missing", "data_url"),
        (b'{"data_url": null}', "field_wrong_type", "data_url"),
        (b'{"data_url": ["https://a.b/"]}', "field_wrong_type", "data_url"),
        (b'{"data_url": "https://a.b/", "force": "yes"}', "field_wrong_type", "force"),
        (b'{"data_url": "https://a.b/", "force": 1}', "field_wrong_type", "force"),
        (b'{"data_url": "https://a.b/", "task": 1}', "field_wrong_type", "task"),
        (b'{"data_url": "https://a.b/", "dataurl": ""}', "field_unknown", "dataurl"),
        (json.dumps({"data_url": "https://a.b/" + "c" * MAX_URL_LENGTH}).encode(), "field_too_long", "data_url"),
        (b'{"data_url": ""}', "data_url_invalid", "data_url"),
        (b'{"data_url": "a.b/c.csv"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "file:///etc/passwd"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "javascript:alert(1)"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https:///c.csv"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://[/c.csv"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://a.b:99999/"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://a.b/c d"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://a.b/\\u0000"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://a.b\\\\@c.d/"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://me:secret@a.b/"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://a.b/c\\nd"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "s3://bucket"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "s3:///key"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "upload:0123"}', "data_url_invalid", "data_url"),
        (b'{"data_url": "https://a.b/", "data_url": "https://c.d/"}', "duplicate_key", "data_url"),
        (b'{"data_url": "https://a.b/", "\\u0064ata_url": "https://c.d/"}', "duplicate_key", "data_url"),
    ],
)
def test_a_wrong_body_is_refused_by_code_and_field(data: bytes, code: str, field: str | None) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_body(data, TriggerBody)

    assert caught.value.code == code
    assert caught.value.details["errors"][0].get("field") == field


def test_all_errors_are_told_not_only_the_first() -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_body(b'{"force": 1, "more": 2}', TriggerBody)

    codes = [error["code"] for error in caught.value.details["errors"]]
    assert codes == ["field_missing", "field_wrong_type", "field_unknown"]


def test_a_rollback_must_name_its_task_and_may_name_a_version() -> None:
    assert parse_body(b'{"task": "t"}', RollbackBody).version is None
    assert parse_body(b'{"task": "t", "version": "7"}', RollbackBody).version == "7"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{}", "field_missing"),
        (b'{"task": "t", "version": 7}', "field_wrong_type"),
        (b'{"task": "t", "version": "0"}', "field_invalid"),
        (b'{"task": "t", "version": "latest"}', "field_invalid"),
        (b'{"task": "t", "version": "12345678901"}', "field_too_long"),
    ],
)
def test_a_wrong_rollback_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_body(data, RollbackBody)

    assert caught.value.code == code


@given(ANY_JSON)
def test_any_json_is_a_body_or_refused(value: object) -> None:
    try:
        parse_body(json.dumps(value).encode(), TriggerBody)
    except BadRequestError as error:
        assert error.details["errors"]  # noqa: PT017  (either outcome is right)


@given(st.text(max_size=40))
def test_only_http_addresses_pass(rest: str) -> None:
    data = json.dumps({"data_url": rest}).encode()
    try:
        accepted = parse_body(data, TriggerBody).data_url
    except BadRequestError:
        return
    assert accepted.lower().startswith(("http://", "https://", "s3://"))


@pytest.mark.parametrize("text", ["https://a.b/c.csv\n", " https://a.b/c.csv ", "\thttps://a.b/c.csv\r\n"])
def test_blanks_around_an_address_are_no_part_of_it(text: str) -> None:
    assert parse_body(json.dumps({"data_url": text}).encode(), TriggerBody).data_url == "https://a.b/c.csv"


def test_an_address_of_8192_characters_is_taken_and_one_more_is_not() -> None:
    address = "https://a.b/".ljust(8192, "c")
    assert parse_body(json.dumps({"data_url": f" {address}\n"}).encode(), TriggerBody).data_url == address
    with pytest.raises(BadRequestError) as caught:
        parse_body(json.dumps({"data_url": address + "c"}).encode(), TriggerBody)
    assert caught.value.code == "field_too_long"


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    assert parse_body(b'\xef\xbb\xbf{"data_url": "s3://bucket/a b.csv"}', TriggerBody).data_url == "s3://bucket/a b.csv"


def test_who_sends_a_form_is_told_what_is_taken() -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_body(b"data_url=https%3A%2F%2Fa.b", TriggerBody)
    assert '{"data_url": "https://..."}' in caught.value.message
    assert "Content-Type: text/csv" in caught.value.message
