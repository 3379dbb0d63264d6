from __future__ import annotations

from pathlib import Path

import pytest

from regraft_core.settings import CoreSettings
from regraft_inference.settings import PredictorSettings
from regraft_pipeline.settings import PipelineSettings
from regraft_trigger.settings import TriggerSettings

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.mark.parametrize("settings", [CoreSettings, TriggerSettings, PipelineSettings, PredictorSettings])
def test_every_setting_is_documented(settings: type[CoreSettings]) -> None:
    text = OPERATIONS.read_text()
    assert [name for name in settings.model_fields if f"`REGRAFT_{name.upper()}`" not in text] == []
