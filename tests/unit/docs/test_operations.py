from __future__ import annotations

from pathlib import Path

import pytest

from regraft.core.settings import CoreSettings
from regraft.inference.settings import PredictorSettings
from regraft.pipeline.settings import PipelineSettings
from regraft.trigger.settings import TriggerSettings

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.mark.parametrize("settings", [CoreSettings, TriggerSettings, PipelineSettings, PredictorSettings])
def test_every_setting_is_documented(settings: type[CoreSettings]) -> None:
    text = OPERATIONS.read_text()
    assert [name for name in settings.model_fields if f"`REGRAFT_{name.upper()}`" not in text] == []
