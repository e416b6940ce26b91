"""The manifest people paste: it asks for what is used, and for nothing else."""

from pathlib import Path

from platforms.slack.membership import CHANNELS, MEMBERS, REACTIONS
from platforms.slack.remarks import NEEDED, SPARED, WANTED
from platforms.slack.shortcuts import ASK, ASK_ABOUT
from tests.wire.slack.scopes import HISTORY_SCOPES, SCOPES

DOCS = Path(__file__).parents[3] / "docs"
MANIFEST = (DOCS / "slack-manifest.yaml").read_text(encoding="utf-8")


def listed(key: str) -> list[str]:
    """The list below a key."""
    lines = MANIFEST.splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip() == f"{key}:")
    depth = len(lines[start]) - len(lines[start].lstrip())
    found = []
    for line in lines[start + 1 :]:
        if len(line) - len(line.lstrip()) <= depth:
            break
        if not line.strip().startswith("#"):
            found.append(line.strip().removeprefix("- "))
    return found


def test_it_asks_for_every_right_that_a_method_or_event_needs() -> None:
    """Of methods as the loopback Slack enforces them; of events as they are documented."""
    events = {
        "app_mentions:read",
        "channels:read",
        "commands",
        "groups:read",
        "groups:write",
        "reactions:read",
    }
    assert set(listed("bot")) == {*SCOPES.values(), *HISTORY_SCOPES.values()} | events


def test_doctor_asks_for_the_same_rights() -> None:
    """Each with what is gone without it."""
    assert set(listed("bot")) == {*NEEDED, *WANTED, *SPARED}


def test_it_subscribes_to_every_event_that_is_read() -> None:
    """A message of each kind of chat, who is where, reactions, and the end of our access."""
    written = {f"message.{kind}" for kind in ("channels", "groups", "im", "mpim")}
    assistant = {"assistant_thread_started", "assistant_thread_context_changed"}
    ended = {"app_uninstalled", "tokens_revoked"}
    read = {"app_mention", *written, *assistant, *ended, *CHANNELS, *MEMBERS, *REACTIONS}
    assert set(listed("bot_events")) == read


def test_its_shortcuts_and_command_are_ours() -> None:
    """By the names that we know them by."""
    ids = [line for line in listed("shortcuts") if line.startswith("callback_id:")]
    assert ids == [f"callback_id: {ASK}", f"callback_id: {ASK_ABOUT}"]
    assert "command: /gatepost" in listed("slash_commands")


def test_the_manual_names_the_manifest() -> None:
    """Who sets Slack up finds it."""
    assert "slack-manifest.yaml" in (DOCS / "platforms.md").read_text(encoding="utf-8")
