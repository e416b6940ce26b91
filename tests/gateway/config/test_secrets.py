"""A secret is in nobody's log: not in a value's text, not in a fault, not in a traceback."""

import copy
import pickle
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import ConfigError, Secret, load

TOKEN = "7000000001:AAE-this-is-the-token-nobody-may-see_0"
KEYS = (
    "web.token",
    "platforms.telegram.token",
    "platforms.telegram.webhook_secret",
    "platforms.slack.bot_token",
    "platforms.slack.app_token",
    "platforms.slack.signing_secret",
    "platforms.discord.token",
)
OTHER_KEYS = (
    "gateway.state_dir",
    "gateway.store",
    "gateway.durability",
    "gateway.timezone",
    "gateway.drain_s",
    "web.enabled",
    "web.listen",
    "platforms.telegram.base_url",
    "platforms.telegram.mode",
    "platforms.telegram.webhook_url",
    "platforms.slack.threads",
    "access.dm",
    "access.require_mention",
    "sessions.busy",
    "tools.workspace",
    "platforms.telegram.tokn",
    "budget.turn",
)


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, "%s".__mod__, ascii])
def test_no_rendering_shows_it(show: object) -> None:
    """Text, repr and formatting all hide the value."""
    assert callable(show)
    assert TOKEN not in show(Secret(TOKEN))


def test_it_compares_and_copies_but_is_not_pickled() -> None:
    """Two secrets are equal by value; copying a config keeps them hidden; none leaves as bytes."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert copy.deepcopy(Secret("a")).reveal() == "a"
    with pytest.raises(TypeError):
        pickle.dumps(Secret("a"))


def _said_about(text: str) -> str:
    """Return everything a program could print after loading `text`, whatever came of it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "gatepost.toml"
        path.write_text(text)
        try:
            config = load(path, {"TOKEN": TOKEN})
        except ConfigError as exc:
            return "".join(traceback.format_exception(exc)) + repr(exc.faults)
        return f"{config.web} {config.platforms} {asdict(config.platforms)}"


@given(
    secrets=st.dictionaries(
        st.sampled_from(KEYS), st.sampled_from([f'"{TOKEN}"', '"${TOKEN}"', f'["{TOKEN}"]'])
    ),
    misplaced=st.dictionaries(
        st.sampled_from(OTHER_KEYS), st.sampled_from([f'"{TOKEN}"', '"${TOKEN}"', '"${UNSET}"'])
    ),
    syntax=st.sampled_from(["", "", f"\nx = {TOKEN}", f'\n"{TOKEN}']),
)
def test_whatever_is_wrong_nothing_shows_it(
    secrets: dict[str, str], misplaced: dict[str, str], syntax: str
) -> None:
    """A token in the right key, in a wrong one or in broken TOML is never echoed."""
    lines = [f"{key} = {value}" for key, value in (secrets | misplaced).items()]
    said = _said_about("\n".join(lines) + syntax)
    assert TOKEN not in said
