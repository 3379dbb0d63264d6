"""The try-it box asks for reasons where there are any, and draws them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from regraft_trigger.predictors import Answer, Predictors, gives_reasons
from regraft_trigger.reasons import MOST_COLUMNS, Added, Reasons
from tests.unit.inference.bundles import HEART, PASSWORDS, write_heart_bundle, write_reasoning_bundle
from tests.unit.inference.serving import serving

ROW = {"age": "63", "sex": "1", "oldpeak": "4.5"}


async def ask(url: str, *, before: set[str] | None = None) -> Answer:
    predictors = Predictors(url, ["heart-disease"])
    await predictors._read_contract("heart-disease")
    if before is not None:
        predictors._reasoning = before
    try:
        return await predictors.predict("heart-disease", ROW)
    finally:
        await predictors.close()


def test_an_answer_comes_with_what_each_column_added(tmp_path: Path) -> None:
    write_reasoning_bundle(tmp_path / "heart-disease")
    with serving(tmp_path) as port:
        answer = asyncio.run(ask(f"http://127.0.0.1:{port}"))
    assert answer.values == {"condition": "1"}
    assert answer.reasons is not None
    assert {one.column for one in answer.reasons.columns} == set(ROW)
    chart = answer.reasons.chart
    assert chart.count("<rect") == 3
    assert "log odds that condition is 1" in chart


def test_a_model_without_reasons_is_asked_for_its_answer_alone(tmp_path: Path) -> None:
    write_heart_bundle(tmp_path / "heart-disease")
    with serving(tmp_path) as port:
        for before in (None, {"heart-disease"}):  # as the version before gave reasons
            answer = asyncio.run(ask(f"http://127.0.0.1:{port}", before=before))
            assert (answer.values, answer.reasons) == ({"condition": "1"}, None)


def test_the_contract_is_read_anew_when_another_version_serves(tmp_path: Path) -> None:
    write_heart_bundle(tmp_path / "versions" / "1", version="1")
    write_reasoning_bundle(tmp_path / "versions" / "2", version="2")
    link = tmp_path / "tasks" / "heart-disease"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "versions" / "1")

    async def ask_both(url: str) -> list[Answer]:
        predictors, answers = Predictors(url, ["heart-disease"]), []
        for version in ("1", "2"):
            link.unlink()
            link.symlink_to(tmp_path / "versions" / version)
            await predictors._http.post(f"{url}/v2/repository/models/heart-disease/load")
            await predictors._look("heart-disease")
            assert "heart-disease" not in predictors._read
            await predictors._read_contract("heart-disease")
            assert "heart-disease" in predictors._read
            answers.append(await predictors.predict("heart-disease", ROW))
        await predictors.close()
        return answers

    with serving(tmp_path / "tasks") as port:
        first, second = asyncio.run(ask_both(f"http://127.0.0.1:{port}"))
    assert (first.version, first.reasons) == ("1", None)
    assert second.version == "2"
    assert second.reasons is not None


def test_one_column_needs_no_chart() -> None:
    assert not gives_reasons({"request": PASSWORDS.request_schema(reasons=True)})
    assert gives_reasons({"request": HEART.request_schema(reasons=True)})
    assert not gives_reasons({"request": HEART.request_schema()})


def test_what_many_columns_added_is_one_bar_and_names_are_escaped() -> None:
    columns = [Added(column=f"<b>{number}", added=20.0 - number * (-1) ** number) for number in range(20)]
    chart = Reasons(scale="<i>", start=0, columns=columns, answer=1).chart
    assert chart.count("<rect") == MOST_COLUMNS + 1
    assert "8 others" in chart
    assert "<b>" not in chart
    assert "<i>" not in chart
