"""A task's ConfigMap: what is made is read again, and what is wrong with one is said with line and cure."""

from __future__ import annotations

import copy

import pytest

from regraft_core.definition import TaskFileError, read_definition
from regraft_core.definition.objects import Json, config_map, is_task, read_object, reference_hash
from regraft_core.profile import Levels, Profile

TEXT = """\
apiVersion: regraft.dev/v1
kind: Task
name: seals
target: y
columns:
  - {name: x, type: number}
  - {name: y, type: boolean}
"""
TARGET = Levels(levels=("false", "true"), counts=(3, 2, 0), shares=(0.6, 0.4, 0.0))
PROFILE = Profile(task="seals", rows=5, data_sha256="a" * 64, skill=0.5, target=TARGET, inputs={})


def made() -> Json:
    return config_map(read_definition(TEXT), TEXT, PROFILE)


def test_what_is_made_is_read_again() -> None:
    found = read_object(made())
    assert found.sound() == (read_definition(TEXT), PROFILE)
    state = found.state
    assert (state.name, state.kind, state.broken) == ("seals", "classification", None)
    assert state.definition == read_definition(TEXT).hash
    assert is_task(made())
    assert not is_task({"metadata": {"name": "modelconfig-seals-0", "labels": {"regraft.dev/task": "seals"}}})


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("task.yaml", TEXT.replace("type: number", "typ: number"), "line 6.*did you mean 'type'"),
        ("task.yaml", None, "has no task.yaml; 'regraft manifests' writes the whole of it"),
        ("task.yaml", TEXT.replace("seals", "walruses"), "name it regraft-task-walruses"),
        ("reference.json", None, "has no reference.json"),
        ("reference.json", "{", "reference.json cannot be read; 'regraft manifests' writes it anew"),
    ],
)
def test_a_wrong_one_says_what_is_wrong_and_what_to_do(key: str, text: str | None, said: str) -> None:
    wrong = copy.deepcopy(made())
    if text is None:
        del wrong["data"][key]
    else:
        wrong["data"][key] = text
    found = read_object(wrong)
    assert found.name == "seals"
    assert found.state.broken is not None
    with pytest.raises(TaskFileError, match=said):
        found.sound()


def test_an_empty_one_is_broken_and_no_more() -> None:
    assert read_object({"metadata": {"name": "regraft-task-seals"}}).state.broken is not None


def test_more_than_a_cluster_takes_is_refused_before_it_is_sent() -> None:
    with pytest.raises(TaskFileError, match="ConfigMap takes"):
        config_map(read_definition(TEXT), TEXT + "#" * 1_000_000, PROFILE)


def test_a_reference_is_known_by_its_data_and_not_by_who_measured_its_skill() -> None:
    assert reference_hash(PROFILE) == reference_hash(PROFILE.model_copy(update={"skill": 0.4, "why": "because"}))
    assert reference_hash(PROFILE) != reference_hash(PROFILE.model_copy(update={"data_sha256": "b" * 64}))
