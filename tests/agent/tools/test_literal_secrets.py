"""Secrets as such in arguments."""

import pytest

from agent.tools.literal_secrets import holds_one_of, literal_secret

NONE = holds_one_of(frozenset())


@pytest.mark.parametrize(
    "secret",
    [
        "hf_" + "a1B2" * 8 + "cd",
        "sk-" + "ant-" + "api03-" + "x" * 24,
        "sk-" + "Ab3" * 10,
        "gho_" + "A1b2" * 9,
        "github_pat_" + "A1b2_" * 13,
        "glpat-" + "A1b2" * 6,
        "xoxp-" + "123-456-abc-def",
        "xapp-" + "1-A0-123-abcdefghijkl",
        "ASIA" + "A1B2" * 4,
        "AIza" + "A1b2C" * 7,
        "123456789:AA" + "A1b2C3d4E5f" * 3,
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "-----BEGIN " + "PRIVATE KEY-----",
    ],
)
def test_well_known_shapes_are_found_wherever_they_stand(secret: str) -> None:
    """In a value, a key, a list, or the middle of a line."""
    for value in (secret, {"a": secret}, {secret: 1}, {"a": [1, {"b": f"x={secret};"}]}):
        assert literal_secret(value, holds=NONE) is not None


def test_the_place_is_told_and_not_the_secret() -> None:
    """The answer goes to the model, and may stand in a log."""
    secret = "hf_" + "a1B2" * 9

    assert literal_secret({"args": {"env": {"TOKEN": secret}}}, holds=NONE) == "args.env.TOKEN"
    assert literal_secret({"env": {secret: "x"}}, holds=NONE) == "env"


@pytest.mark.parametrize(
    "text",
    [
        "hf_hub_download",
        "hf_token",
        "sk-learn",
        "task-management-for-everyone-in-the-room",
        "ghp_short",
        "AKIA",
        "2026:AA",
        "a" * 5_000,
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_ordinary_words_are_no_secrets(text: str) -> None:
    """Names that only begin like a key are left alone."""
    assert literal_secret({"script": text}, holds=NONE) is None


def test_configured_values_are_found_unless_they_are_ordinary_words() -> None:
    """Short values would turn up everywhere."""
    holds = holds_one_of(frozenset({"correct-horse-battery", "abc"}))

    assert literal_secret({"x": "say correct-horse-battery"}, holds=holds) == "x"
    assert literal_secret({"x": "abc"}, holds=holds) is None
