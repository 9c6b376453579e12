"""The settings file: complete, explained, and exact about what is wrong."""

import re
from pathlib import Path

import pytest

from bridge.app.settings import Settings, load_settings, parse_settings
from bridge.errors import BridgeError

SHIPPED = Path(__file__).parents[2] / "config.toml"


def test_the_shipped_file_says_the_defaults() -> None:
    assert load_settings(SHIPPED) == Settings()


def test_the_shipped_file_explains_every_key() -> None:
    text = SHIPPED.read_text()
    for section, field in Settings.model_fields.items():
        body = text.split(f"[{section}]")[1].split("\n[")[0]
        for key in field.annotation.model_fields:
            assert re.search(rf"^{key} = .*  # \S.{{9}}", body, re.MULTILINE), (
                f"{section}.{key} is missing or not explained"
            )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[osc]\nprot = 1", ["osc.prot", "1", "did you mean osc.port?"]),
        ("[ocs]\nport = 1", ["ocs", "did you mean osc?"]),
        ("bpm = 90", ["bpm", "90", "did you mean transport.bpm?"]),
        ("[osc]\nport = 'x'", ["osc.port", "'x'", "integer"]),
        ("[osc]\nport = 99999", ["osc.port", "99999", "65535"]),
        ("[midi]\nbackend = 'jakc'", ["midi.backend", "'jakc'", "'jack'"]),
        ("[channels]\nbass = 17", ["channels.bass", "17", "16"]),
        ("[parameters]\nvelocity = nan", ["parameters.velocity", "nan"]),
        ("[osc]\nport = 1\nport = 2", ["not TOML"]),
        ("[watch]\nstem = 'voice'", ["watch.stem", "'voice'", "one or more of vocals, drums"]),
        ("[watch]\nsettle_s = 0", ["watch.settle_s", "0", "0.1"]),
        ("[osc]\nprot = 1\n[channels]\nbass = 0", ["osc.prot", "channels.bass"]),
    ],
)
def test_a_wrong_key_is_named_with_its_value_and_what_was_expected(text: str, words: list[str]) -> None:
    with pytest.raises(BridgeError) as refusal:
        parse_settings(text, "mine.toml")
    assert refusal.value.message.startswith("mine.toml")
    for word in words:
        assert word in refusal.value.message


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match=re.escape(str(tmp_path / "none.toml"))):
        load_settings(tmp_path / "none.toml")


def test_without_any_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(None) == Settings()
