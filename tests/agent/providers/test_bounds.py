"""Which bounds an attempt gets."""

import pytest

from agent.providers.bounds import CLOUD, LOCAL, REASONING, Bounds, bounds_for


@pytest.mark.parametrize(
    ("base_url", "model", "expected"),
    [
        ("https://api.openai.com/v1", "gpt-4o", CLOUD),
        ("https://api.openai.com/v1", "gpt-5-mini", REASONING),
        ("https://openrouter.ai/api/v1", "openai/o3-mini", REASONING),
        ("http://127.0.0.1:11434/v1", "gpt-5", LOCAL),
        ("http://[::1]:8080/v1", "m", LOCAL),
        ("http://192.168.3.4:8000/v1", "m", LOCAL),
        ("http://gpu-box:8000/v1", "m", LOCAL),
        ("http://gpu.lan:8000/v1", "m", LOCAL),
        ("https://8.8.8.8/v1", "m", CLOUD),
    ],
)
def test_where_a_model_runs_decides(base_url: str, model: str, expected: Bounds) -> None:
    """Local by address, reasoning by name, else cloud."""
    assert bounds_for(base_url, model) is expected


def test_long_inputs_get_longer() -> None:
    """Above 50k and 100k tokens first byte and progress grow; a local first byte does not."""
    assert CLOUD.grown(50_000) is CLOUD
    assert CLOUD.grown(50_001).first_byte_s == pytest.approx(39.9)
    assert CLOUD.grown(100_001).progress_s == pytest.approx(200.4)
    assert CLOUD.grown(100_001).idle_s == CLOUD.idle_s
    assert LOCAL.grown(100_001).first_byte_s == LOCAL.first_byte_s
