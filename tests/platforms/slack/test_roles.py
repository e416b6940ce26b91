"""Roles are user groups, read anew at every call; what can't be told is never a yes."""

import json

import pytest

from platforms import errors
from platforms.base import ADMIN
from platforms.events import Account
from platforms.slack.api import WebApi
from platforms.slack.lookup import held_roles
from platforms.slack.reading import Identity
from tests.platforms.slack.journal import ADA, GENERAL, adapter_of, chat_of, connected
from tests.wire.server import Answer, CutAfter, CutBefore, Fault, limited
from tests.wire.slack import SlackServer

LIST = "usergroups.users.list"


async def test_the_groups_a_person_is_in() -> None:
    """Of those asked for, and no others; nobody administers a chat on Slack."""
    async with SlackServer() as server, connected(server) as adapter:
        server.usergroups.form("S1", ADA, "U2")
        server.usergroups.form("S2", "U2")
        server.usergroups.form("S3", ADA)
        chat = chat_of(server, GENERAL)
        assert await adapter.roles(ADA, chat, frozenset({"S1", "S2", ADMIN, ADA, "1001"})) == {"S1"}
        asked = [seen.arguments["usergroup"] for seen in server.requests(LIST)]
        assert asked == ["S1", "S2"]
        assert await adapter.roles(ADA, chat, frozenset({ADMIN})) == frozenset()
        assert await adapter.roles(ADA, chat, frozenset()) == frozenset()
        assert len(server.requests(LIST)) == 2


async def test_groups_are_read_anew_every_time() -> None:
    """Who leaves a group has left it at the next question."""
    async with SlackServer() as server, connected(server) as adapter:
        chat, asked = chat_of(server, GENERAL), frozenset({"S1"})
        server.usergroups.form("S1", ADA)
        assert await adapter.roles(ADA, chat, asked) == {"S1"}
        server.usergroups.form("S1")
        assert await adapter.roles(ADA, chat, asked) == frozenset()
        server.usergroups.form("S1", ADA, disabled=True)
        assert await adapter.roles(ADA, chat, asked) == frozenset()


async def test_a_group_that_is_gone_bars_no_other() -> None:
    """Nobody is in it; those that exist still count."""
    async with SlackServer() as server, connected(server) as adapter:
        server.usergroups.form("S2", ADA)
        asked = frozenset({"S0GONE", "S2"})
        assert await adapter.roles(ADA, chat_of(server, GENERAL), asked) == {"S2"}


FAILURES: list[tuple[str, Fault, type[errors.PlatformError]]] = [
    ("5xx", Answer(status=500), errors.PlatformUnavailable),
    ("cut before", CutBefore(), errors.PlatformUnavailable),
    ("cut after", CutAfter(), errors.PlatformUnavailable),
    ("garbage", Answer(status=200, body=b"<html>"), errors.PlatformUnavailable),
    ("no list", Answer(status=200, body=b'{"ok":true}'), errors.PlatformUnavailable),
    ("a word for a list", Answer(status=200, body=b'{"ok":true,"users":"U1"}'),
     errors.PlatformUnavailable),
    ("429", limited(b"{}", "7"), errors.RateLimited),
    *(
        (word, Answer(status=200, body=json.dumps({"ok": False, "error": word}).encode()), kind)
        for word, kind in (
            ("internal_error", errors.PlatformUnavailable),
            ("a_word_nobody_knows", errors.PlatformUnavailable),
            ("invalid_auth", errors.CredentialsRejected),
            ("access_denied", errors.PlatformUnavailable),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "error"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
async def test_a_failed_look_up_is_never_a_yes(
    fault: Fault, error: type[errors.PlatformError]
) -> None:
    """One list that can't be read leaves all in the dark, with the class its caller acts on."""
    async with SlackServer() as server, connected(server) as adapter:
        server.usergroups.form("S1", ADA)
        server.usergroups.form("S2", ADA)
        server.faults.add(LIST, fault)
        with pytest.raises(error):
            await adapter.roles(ADA, chat_of(server, GENERAL), frozenset({"S1", "S2"}))
        assert len(server.requests(LIST)) <= 1


async def test_the_right_to_read_groups_is_named() -> None:
    """Which right, and where to grant it; or that the plan has no groups."""
    async with SlackServer() as server, connected(server) as adapter:
        chat, asked = chat_of(server, GENERAL), frozenset({"S1"})
        server.methods.scopes.discard("usergroups:read")
        with pytest.raises(errors.RightsMissing, match="usergroups:read: add it under OAuth"):
            await adapter.roles(ADA, chat, asked)
        server.methods.scopes.add("usergroups:read")
        server.usergroups.available = False
        with pytest.raises(errors.RightsMissing, match="plan has no user groups"):
            await adapter.roles(ADA, chat, asked)


async def test_before_connect_nobody_knows() -> None:
    """The adapter has to know its workspace first."""
    async with SlackServer() as server:
        adapter = adapter_of(server)
        with pytest.raises(errors.PlatformUnavailable):
            await adapter.roles(ADA, chat_of(server, GENERAL), frozenset({"S1"}))
        await adapter.close()


@pytest.mark.parametrize(
    ("space", "teams", "named"), [("T1", {"T1"}, "T1"), ("E1", {"E1", "T7"}, "T7")]
)
async def test_the_workspace_of_a_group_is_named(space: str, teams: set[str], named: str) -> None:
    """An organisation's token must say which workspace it asks about."""
    us = Identity(
        account=Account(platform="slack", id="A0APP"),
        space=space,
        teams=frozenset(teams),
        user_id="U0BOT",
        bot_id="B0BOT",
    )
    async with SlackServer() as server:
        server.usergroups.form("S1", ADA)
        api = WebApi(token=server.bot_token, base_url=f"{server.url}/api/")
        assert await held_roles(api, us, ADA, frozenset({"S1"})) == {"S1"}
        assert server.requests(LIST)[0].arguments["team_id"] == named
        await api.close()
