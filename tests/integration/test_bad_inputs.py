from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow.tracking import MlflowClient

from regraft_core.runs import RunState
from regraft_core.stores.queue import RunStore
from regraft_pipeline.tasks import load_tasks
from tests.checker import datasets
from tests.checker.client import HEART_DISEASE, PASSWORDS, Accepted, Prediction, Service
from tests.checker.stack import Stack, free_ports
from tests.integration.conftest import Poster
from tests.proofs import chosen, some
from tests.waiting import PATIENCE

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack

SEED = 1


class Bad(NamedTuple):
    """A dataset that must not come into service: its name, or its whole address, how the run ends, and why."""

    name: str
    state: str
    code: str
    task: str = PASSWORDS


BAD = [
    Bad("drifted", "rejected", "target_drift"),
    Bad("not_found", "failed", "source_not_found"),
    Bad("redirect_loop", "failed", "source_too_many_redirects"),
    Bad("truncated", "failed", "source_truncated"),
    Bad("endless", "failed", "source_too_large"),
    Bad("http://127.0.0.1:{closed_port}/nobody.csv", "failed", "source_unreachable"),
    Bad("http://localhost:{closed_port}/private.csv", "failed", "source_forbidden_address"),
    Bad("html_page", "rejected", "looks_like_html"),
    Bad("json_document", "rejected", "looks_like_json"),
    Bad("empty", "rejected", "empty_file"),
    Bad("header_only", "rejected", "no_rows"),
    Bad("binary", "rejected", "binary_file"),
    Bad("nul_bytes", "rejected", "nul_bytes"),
    Bad("bars", "rejected", "wrong_delimiter"),
    Bad("column_missing", "rejected", "column_missing"),
    Bad("renamed_column", "rejected", "column_renamed"),
    Bad("doubled_column", "rejected", "column_duplicated"),
    Bad("text_target", "rejected", "value_not_numeric"),
    Bad("nan", "rejected", "value_nan"),
    Bad("infinity", "rejected", "value_infinite"),
    Bad("negative", "rejected", "value_negative"),
    Bad("constant_target", "rejected", "target_constant"),
    Bad("shuffled_labels", "rejected", "not_learnable"),
    Bad("turned_round", "rejected", "not_learnable"),
    Bad("contradictions", "rejected", "targets_contradict"),
    Bad("one_password", "rejected", "duplicates"),
    Bad("ten_rows", "rejected", "too_few_rows"),
    Bad("heart_age_in_months", "rejected", "value_too_large", HEART_DISEASE),
    Bad("heart_rare_class", "rejected", "target_drift", HEART_DISEASE),
    Bad("heart_columns_swapped", "rejected", "value_too_large", HEART_DISEASE),
    Bad("heart_shuffled_labels", "rejected", "not_learnable", HEART_DISEASE),
]


SHORT = {"drifted", "not_found", "endless", "html_page", "column_missing", "nan", "heart_age_in_months"}
"""One of each kind, besides those that nobody serves; what each gate says of each is held in its own tests."""


class Before(NamedTuple):
    """What was in service and in the registry before any of the bad datasets was posted."""

    answers: dict[str, Prediction]
    versions: dict[str, int]


def answers_of(service: Service) -> dict[str, Prediction]:
    return {
        PASSWORDS: service.predict(PASSWORDS, datasets.own("good", SEED).columns),
        HEART_DISEASE: service.predict(HEART_DISEASE, datasets.own("heart_good", SEED).columns),
    }


def versions_of(registry: MlflowClient) -> dict[str, int]:
    names = [task.model_name("regraft") for task in load_tasks().values()]
    return {name: len(registry.search_model_versions(f"name = '{name}'")) for name in names}


@pytest.fixture(scope="module")
def before(service: Service, registry: MlflowClient) -> Before:
    return Before(answers_of(service), versions_of(registry))


@pytest.fixture(scope="module")
def accepted(request: pytest.FixtureRequest, before: Before, service: Service, poster: Poster) -> dict[Bad, Accepted]:
    """All are posted at once: the queue holds them while the first are worked on."""
    closed_port = free_ports()[0]
    return {
        bad: service.trigger(
            bad.name.format(closed_port=closed_port) if "://" in bad.name else poster.address(bad.name, SEED),
            task=bad.task,
        )
        for bad in chosen(request, "bad")
    }


@pytest.mark.parametrize(
    "bad",
    some(BAD, short=[bad for bad in BAD if bad.name in SHORT or "://" in bad.name]),
    ids=lambda bad: f"{bad.name.partition('/')[2] or bad.name}",
)
def test_a_bad_dataset_ends_with_its_own_code(bad: Bad, accepted: dict[Bad, Accepted], service: Service) -> None:
    run = service.wait(accepted[bad], timeout=PATIENCE)
    assert (run.state, run.version) == (bad.state, None)
    assert bad.code in run.codes, run.message
    assert run.message


def test_the_service_answers_as_before(before: Before, service: Service) -> None:
    assert answers_of(service) == before.answers


def test_nothing_is_left_half_done(before: Before, registry: MlflowClient, stack: Stack) -> None:
    assert versions_of(registry) == before.versions
    waiting = {RunState.QUEUED, RunState.RUNNING} & set(RunStore(stack.folder / "regraft.db").count())
    assert not waiting
    assert not list(unfinished(stack.folder.rglob("*")))


def unfinished(paths: Iterable[Path]) -> Iterable[Path]:
    return (path for path in paths if path.name.startswith(".writing-"))
