"""docs/api.md names the codes and the settings that there are."""

from __future__ import annotations

import re
from pathlib import Path

from regraft_core import errors
from regraft_core import kube as kubernetes
from regraft_core.definition import state, yaml
from regraft_core.stores import objects, queue
from regraft_trigger import access, api, bodies, guard, leaving, page, predictors, problems, service, uploads
from regraft_trigger.backends import local
from regraft_trigger.settings import TriggerSettings
from tests.unit.docs.codes import codes_in

DOCUMENT = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
OWN = (access, api, bodies, guard, leaving, local, page, predictors, problems, service, uploads)
OF_PREDICTORS = {"bundle_missing", "bundle_not_loaded", "no_reasons"}
"""Codes that the service hears from a predictor and answers by itself."""
OTHERS = (errors, kubernetes, objects, queue, state, yaml)


def given(*modules: object) -> set[str]:
    """Return the codes that modules give to errors."""
    return {code for module in modules for code in codes_in(Path(str(vars(module)["__file__"])).read_text())}


def documented_codes() -> set[str]:
    service_part = DOCUMENT.partition("## The predictor")[0]
    rows = [line.split("|")[2] for line in service_part.splitlines() if re.match(r"\| \d{3} \|", line)]
    return {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}


def test_every_code_of_the_service_is_documented() -> None:
    assert given(*OWN) - OF_PREDICTORS | {*bodies._CODES.values(), "field_invalid"} <= documented_codes()


def test_every_documented_code_exists() -> None:
    assert documented_codes() <= given(*OWN, *OTHERS) | {*bodies._CODES.values(), "field_invalid"}


def test_the_settings_are_documented_with_their_defaults() -> None:
    names = {f"REGRAFT_{name.upper()}" for name in TriggerSettings.model_fields}
    documented = set(re.findall(r"REGRAFT_[A-Z_]+", DOCUMENT.partition("## Settings")[2]))

    assert documented <= names
    own = {f"REGRAFT_{name.upper()}" for name in TriggerSettings.__annotations__}
    assert own <= documented
