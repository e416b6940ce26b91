"""`[destinations]`: chats by name, who may have them written to, and what names them."""

from pathlib import Path

import pytest

from gateway.config import ChatPattern, Config, ConfigError, DestinationConfig, load
from gateway.config.ids import parse_user

HEAD = """\
[gateway]
owners = ["telegram:1001"]
[platforms.slack]
bot_token = "xoxb-1"
app_token = "xapp-1"
[people]
ann = ["slack:T1/U1", "telegram:7"]
[tools.send_message]
destinations = { all = "slack:T1/C8" }
"""
LINES = HEAD.count("\n")
TEAM = ChatPattern(platform="slack", parts=("T1", "C9"))


def loaded(directory: Path, text: str) -> Config:
    """The file as it is read."""
    path = directory / "gatepost.toml"
    path.write_text(HEAD + text)
    return load(path, {})


def test_a_chat_has_a_name(tmp_path: Path) -> None:
    """Those of `send_message` stand beside them, open to everyone's turns as they were."""
    config = loaded(
        tmp_path,
        '[destinations.team]\nchat = "slack:T1/C9"\nusers = ["slack:T1/U1"]\n'
        'notices = ["error", "budget"]\n',
    )
    assert config.named_chats() == {
        "all": DestinationConfig(chat=ChatPattern(platform="slack", parts=("T1", "C8"))),
        "team": DestinationConfig(
            chat=TEAM, users=(parse_user("slack:T1/U1"),), notices=("error", "budget")
        ),
    }


@pytest.mark.parametrize(
    ("users", "allowed"),
    [
        ("", {"slack:T1/U1", "telegram:7", "telegram:1001", "slack:T1/U2", ""}),
        ("users = []", {"telegram:1001"}),
        ('users = ["slack:T1/U1"]', {"slack:T1/U1", "telegram:7", "telegram:1001"}),
    ],
)
def test_whose_turns_may_write_there(users: str, allowed: set[str], tmp_path: Path) -> None:
    """Everyone's, or those listed with all their ids; owners' always, a clock's only if all may."""
    config = loaded(tmp_path, f'[destinations.team]\nchat = "slack:T1/C9"\n{users}\n')
    people = ("slack:T1/U1", "telegram:7", "telegram:1001", "slack:T1/U2", "")
    assert {person for person in people if config.may_write("team", person)} == allowed


def test_a_job_delivers_to_a_name(tmp_path: Path) -> None:
    """The name stands for its chat, which need not be listed in `[access]` too."""
    job = '[[cron]]\nname = "{0}"\nschedule = "@daily"\nprompt = "Go."\ndeliver = "{0}"\n'
    config = loaded(
        tmp_path,
        '[destinations.team]\nchat = "slack:T1/C9"\n' + job.format("team") + job.format("all"),
    )
    assert [each.deliver for each in config.cron] == ["slack:T1/C9", "slack:T1/C8"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[destinations.team]", "1: destinations.team.chat: is missing; add it"),
        (
            '[destinations.all]\nchat = "slack:T1/C9"',
            '1: destinations.all: "all" stands in tools.send_message.destinations too; keep one',
        ),
        (
            '[destinations.Team]\nchat = "slack:T1/C9"',
            '1: destinations.Team: "Team" cannot be a name; use up to 40 lower-case letters,'
            " digits, - and _",
        ),
        (
            '[destinations.team]\nchat = "discord:1/2"',
            "2: destinations.team.chat: discord is not configured; add [platforms.discord], or"
            " name a chat elsewhere",
        ),
        (
            '[destinations.team]\nchat = "slack:T1/*"',
            '2: destinations.team.chat: "slack:T1/*" names many chats; write the id of one',
        ),
        (
            '[destinations.team]\nchat = "slack:T1/C9"\nuser = []',
            '3: destinations.team.user: unknown key; did you mean "users"?',
        ),
        (
            '[destinations.team]\nchat = "slack:T1/C9"\nnotices = ["eror"]',
            '3: destinations.team.notices: "eror" is not one of its values; did you mean "error"?',
        ),
        (
            '[[cron]]\nname = "a"\nschedule = "@daily"\nprompt = "Go."\ndeliver = "team"',
            '5: cron.a.deliver: there is no destination "team"; name one of all',
        ),
        (
            '[[cron]]\nname = "a"\nschedule = "@daily"\nprompt = "Go."\ndeliver = "#general"',
            '5: cron.a.deliver: "#general" is neither a chat\'s id nor the name of one; write'
            ' PLATFORM:ID, for example "telegram:-100200" or "slack:T1/C1", or a name of'
            " [destinations]",
        ),
    ],
)
def test_what_is_wrong_with_a_name(text: str, sentence: str, tmp_path: Path) -> None:
    """Key, line and fix."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert [
        f"{(fault.line or 0) - LINES}: {fault.key}: {fault.problem}; {fault.fix}"
        for fault in caught.value.faults
    ] == [sentence]
