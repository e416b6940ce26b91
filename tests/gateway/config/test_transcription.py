"""`[transcription]`: who writes down voice notes, and what a minute of it costs."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, load
from gateway.hearing import hearing_of


def read(path: Path, text: str) -> Path:
    """A file of these words."""
    file = path / "gatepost.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_a_service_and_its_price(tmp_path: Path) -> None:
    """The price is kept exactly; the key is in no text."""
    text = '[transcription]\nmodel = "whisper-1"\nprice = 0.006\napi_key = "k-1"\nlanguage = "de"\n'
    config = load(read(tmp_path, text), {})
    assert config.transcription is not None
    assert config.transcription.price == 6_000
    assert config.transcription.base_url == "https://api.openai.com/v1"
    made = hearing_of(config)
    assert made is not None
    assert (made.transcriber.model, made.price) == ("whisper-1", 6_000)
    assert "k-1" not in f"{config!r}{made!r}"


def test_without_the_section_nobody_transcribes(tmp_path: Path) -> None:
    """It is what a file without it says too."""
    assert hearing_of(load(read(tmp_path, ""), {})) is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('model = "m"', "price"),
        ("price = 0", "model"),
        ('model = "m"\nprice = -1', "price"),
        ('model = "m"\nprice = 0\nlanguage = "German"', "two letters"),
        ('model = "m"\nprice = 0\nsize = 7', "size"),
    ],
)
def test_what_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    """A price is needed: nobody's price is no price."""
    with pytest.raises(ConfigError, match=problem):
        load(read(tmp_path, f"[transcription]\n{line}\n"), {})
