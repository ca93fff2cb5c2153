"""Settings: sources of values, and complete documentation."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from euguess import settings
from euguess.errors import InvalidInput
from euguess.settings import EnergySettings, ProviderSettings, ServiceSettings, StoreSettings

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
CLASSES = [
    cls
    for cls in vars(settings).values()
    if isinstance(cls, type) and issubclass(cls, BaseSettings)
]
VARIABLES = sorted({f"EUGUESS_{name.upper()}" for cls in CLASSES for name in cls.model_fields})


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in DOCUMENT.read_text()


def test_a_running_stack_is_found_through_its_home(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "stack.env").write_text("EUGUESS_SAMPLER_URL=http://127.0.0.1:8701\n")
    assert ServiceSettings.load().sampler_url == "http://127.0.0.1:8701"


def test_the_environment_wins_over_the_stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir(parents=True)
    (home / "stack.env").write_text("EUGUESS_SAMPLER_URL=http://127.0.0.1:8701\n")
    monkeypatch.setenv("EUGUESS_SAMPLER_URL", "http://127.0.0.1:1")
    assert ServiceSettings.load().sampler_url == "http://127.0.0.1:1"


def test_a_secret_can_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("EUGUESS_GOOGLE_KEY_FILE", str(tmp_path / "key"))
    assert ProviderSettings.load().google_key.get_secret_value() == "from-file"


def test_printed_settings_hide_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUGUESS_S3_SECRET_KEY", "canary")
    assert "canary" not in repr(StoreSettings.load())


def test_without_settings_the_store_is_a_folder_in_the_home(home: Path) -> None:
    assert StoreSettings.load().url == f"file://{home / 'store'}"


def test_an_invalid_value_is_refused_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EUGUESS_CPU_WATTS", "plenty")
    monkeypatch.setenv("EUGUESS_GRID_GRAMS_PER_KWH", "-1")
    with pytest.raises(InvalidInput, match=r"^EUGUESS_CPU_WATTS: .*; EUGUESS_GRID_GRAMS_PER_KWH: "):
        EnergySettings.load()
