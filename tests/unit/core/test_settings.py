import pytest

from regraft_core.settings import CommaSeparated, CoreSettings


class Settings(CoreSettings):
    hosts: CommaSeparated = []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRAFT_OWNER", "orchard")
    monkeypatch.setenv("REGRAFT_HOSTS", " a.example, *.b.example ,")
    settings = Settings()
    assert settings.owner == "orchard"
    assert settings.hosts == ["a.example", "*.b.example"]


def test_defaults_hold_where_the_environment_says_nothing() -> None:
    settings = Settings()
    assert settings.hosts == []
    assert settings.store_url.startswith("file:///")


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in CoreSettings.model_fields.values())
