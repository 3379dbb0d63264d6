"""What a request may ask for beside its rows: probabilities and reasons."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader
from regraft_inference.options import Options
from tests.unit.inference.readers import FORMATS, RECORD, classifier, heart


@pytest.mark.parametrize("payload", FORMATS)
def test_every_format_may_ask_for_probabilities(payload: dict[str, Any]) -> None:
    for asks in (True, False):
        columns, asked = classifier.read_asking(orjson.dumps(payload | {"probabilities": asks}))
        assert (columns["age"][0], asked) == (40, Options(probabilities=asks))
        columns, asked = classifier.read_asking(orjson.dumps(payload | {"explain": asks}))
        assert (columns["age"][0], asked) == (40, Options(explain=asks))
    assert classifier.read_asking(orjson.dumps(payload))[1] == Options()


@pytest.mark.parametrize("key", ["params", "parameters"])
def test_other_servers_clients_ask_in_their_parameters(key: str) -> None:
    wrapped = {"dataframe_records": [RECORD]}
    for asks in (True, False):
        body = orjson.dumps(wrapped | {key: {"explain": asks, "temperature": 1}})
        assert classifier.read_asking(body)[1] == Options(explain=asks)
        assert classifier.read_asking(body, by_name=True)[1] == Options(explain=asks)
    assert classifier.read_asking(orjson.dumps(wrapped | {key: None, "explain": True}))[1] == Options(explain=True)
    assert classifier.read_asking(orjson.dumps(wrapped | {key: {"explain": True}, "explain": True}))[1].explain
    for said, code in (
        ({key: {"explain": False}, "explain": True}, "duplicate_key"),
        ({key: {"explain": 1}}, "wrong_type"),
    ):
        with pytest.raises(ContractError) as caught:
            classifier.read_asking(orjson.dumps(wrapped | said))
        assert (caught.value.code, caught.value.details["column"]) == (code, "explain")
    with pytest.raises(ContractError) as caught:
        heart.read_asking(orjson.dumps(wrapped | {key: {"explain": True}}))
    assert caught.value.code == "no_reasons"


@pytest.mark.parametrize("payload", FORMATS)
@pytest.mark.parametrize(
    ("reader", "asks", "code"),
    [
        (classifier, 1, "wrong_type"),
        (classifier, "true", "wrong_type"),
        (classifier, None, "wrong_type"),
        (classifier, [True], "wrong_type"),
        (heart, True, ""),
        (heart, False, ""),
    ],
)
@pytest.mark.parametrize(("option", "none"), [("probabilities", "no_probabilities"), ("explain", "no_reasons")])
def test_asking_otherwise_or_where_there_are_none_is_refused(
    payload: dict[str, Any], reader: RequestReader, asks: Any, code: str, option: str, none: str
) -> None:
    with pytest.raises(ContractError) as caught:
        reader.read_asking(orjson.dumps(payload | {option: asks}))
    assert (caught.value.code, caught.value.details["column"]) == (code or none, option)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"probabilities": true, "instances": [], "probabilities": true}', "empty_request"),
        (
            b'{"probabilities": true, "instances": [{"age": 4, "sex": 1, "oldpeak": 1}], "probabilities": false}',
            "duplicate_key",
        ),
        (b'{"explain": true, "instances": [{"age": 4, "sex": 1, "oldpeak": 1}], "explain": true}', "duplicate_key"),
        (b'{"probabilities": true}', "column_missing"),
        (b'[{"probabilities": true}]', "column_unknown"),
        (b'"probabilities"', "not_an_object"),
        (b'{"instances": [{"age": 4, "sex": 1, "oldpeak": 1, "probabilities": true}]}', "column_unknown"),
    ],
)
def test_the_option_stands_once_and_beside_the_rows(body: bytes, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        classifier.read_asking(body)
    assert caught.value.code == code


def test_a_column_may_be_called_like_the_option() -> None:
    for name in ("probabilities", "explain", "params"):
        column = Column(name=name, type="number")
        target = Column(name="class", type="integer", categories=(0, 1))
        contract = Contract(task="odd", features=(column,), target=target)
        reader = RequestReader(contract, probabilities=True, reasons=True)
        columns, asked = reader.read_asking(orjson.dumps({name: [0.5]}))
        assert (columns[name].tolist(), asked) == ([0.5], Options())  # type: ignore[union-attr]
        assert contract.request_schema(probabilities=True, reasons=True)["properties"][name]["type"] == "array"
