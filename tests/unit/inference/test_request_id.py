from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from regraft_inference.request_id import request_id
from tests.unit.inference.bundles import write_passwords_bundle
from tests.unit.inference.serving import serving


@pytest.mark.parametrize("sent", [b"a", b"!" * 128, b"Root=1-5759e988;Self=1", b'"quoted"'])
def test_a_well_formed_id_of_the_client_is_taken(sent: bytes) -> None:
    assert request_id([(b"host", b"x"), (b"x-request-id", sent)]) == sent


@pytest.mark.parametrize("sent", [[], [b""], [b"a b"], [b"a" * 129], [b"\xc3\xa4"], [b"a\tb"], [b"a", b"b"]])
def test_else_the_id_is_one_that_no_other_request_has(sent: list[bytes]) -> None:
    headers = [(b"x-request-id", value) for value in sent]
    found = {request_id(headers) for _ in range(100)}
    assert len(found) == 100
    assert not found & set(sent)


@pytest.mark.parametrize("fast", [True, False])
def test_every_answer_to_a_prediction_carries_the_id_of_its_request(tmp_path: Path, fast: bool) -> None:
    write_passwords_bundle(tmp_path / "passwords")
    good, many, wrong = {"Password": ["a"]}, {"Password": ["a" * 20] * 3000}, {"Password": [1]}
    asked = [
        *(("/predict", body) for body in (good, many, wrong)),
        *(("/passwords/predict", body) for body in (good, wrong)),
        *((path, {"instances": ["a"]}) for path in ("/invocations", "/v1/models/passwords:predict")),
        ("/v1/models/passwords:predict", {"instances": [1]}),
        (
            "/v2/models/passwords/infer",
            {"inputs": [{"name": "Password", "datatype": "BYTES", "shape": [1], "data": ["a"]}]},
        ),
    ]
    with (
        serving(tmp_path, fast=fast) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as ask,
    ):
        ids = [ask.post(path, json=body).headers.get_list("regraft-request-id") for path, body in asked * 2]
        named = [
            ask.post(path, json=body, headers={"X-Request-Id": "mine"}).headers.get_list("regraft-request-id")
            for path, body in asked
        ]
        assert "regraft-request-id" not in ask.get("/health").headers
    assert all(len(each) == 1 for each in ids)
    assert len({each[0] for each in ids}) == len(ids)
    assert named == [["mine"]] * len(asked)
