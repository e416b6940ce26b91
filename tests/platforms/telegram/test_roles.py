"""Who administers a chat: asked anew every time, and no failure is a yes."""

import json

import pytest

from platforms import errors
from platforms.base import ADMIN
from platforms.events import ChatRef, MessageReceived
from tests.platforms.telegram.journal import ADA, TEAM, Journal, chat_of, connected, running
from tests.wire.server import Answer, CutAfter, HalfOpen
from tests.wire.telegram import TelegramServer
from tests.wire.telegram.members import Rank

ASKED = frozenset({ADMIN})


@pytest.mark.parametrize(
    ("rank", "admin"),
    [
        ("creator", True),
        ("administrator", True),
        ("member", False),
        ("restricted", False),
        ("left", False),
        ("kicked", False),
    ],
)
async def test_creator_and_administrators_hold_the_role(rank: Rank, admin: bool) -> None:
    """Every other status is none; one request tells, in a topic as in the group."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM, forum=True)
        server.rank(TEAM, ADA, rank)
        before = len(server.record)
        for chat in (chat_of(server, TEAM), chat_of(server, TEAM, 7)):
            held = await adapter.roles(str(ADA), chat, ASKED | {"S024"})
            assert held == (ASKED if admin else frozenset())
        assert len(server.record) == before + 2


async def test_every_call_asks_anew() -> None:
    """Who was an administrator a moment ago is none now."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        server.rank(TEAM, ADA, "administrator", anonymous=True)
        assert await adapter.roles(str(ADA), chat_of(server, TEAM), ASKED) == ASKED
        server.rank(TEAM, ADA, "member")
        assert await adapter.roles(str(ADA), chat_of(server, TEAM), ASKED) == frozenset()


@pytest.mark.parametrize("person", ["1087968824", "136817688", "777000", "-1001500", "@ada", ""])
async def test_who_stands_for_somebody_else_holds_nothing(person: str) -> None:
    """The bots behind which administrators and channels hide are nobody, without a request."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        if person.isdecimal():
            server.rank(TEAM, int(person), "administrator")
        before = len(server.record)
        assert await adapter.roles(person, chat_of(server, TEAM), ASKED) == frozenset()
        assert len(server.record) == before


async def test_nothing_is_asked_that_nobody_wants_to_know() -> None:
    """A private chat has no administrators, and roles of other platforms none here."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        before = len(server.record)
        assert await adapter.roles(str(ADA), chat_of(server, ADA), ASKED) == frozenset()
        group = chat_of(server, TEAM)
        assert await adapter.roles(str(ADA), group, frozenset({"S024"})) == frozenset()
        foreign = ChatRef(account=group.account, chat_id="C024")
        assert await adapter.roles(str(ADA), foreign, ASKED) == frozenset()
        assert len(server.record) == before


async def test_a_group_that_hides_its_members() -> None:
    """The operator reads what to do; once the bot administers the group it is told."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM).members_hidden = True
        server.rank(TEAM, ADA, "creator")
        with pytest.raises(errors.RightsMissing, match="Administrators"):
            await adapter.roles(str(ADA), chat_of(server, TEAM), ASKED)
        server.rank(TEAM, server.world.us.id, "administrator")
        assert await adapter.roles(str(ADA), chat_of(server, TEAM), ASKED) == ASKED


@pytest.mark.parametrize(
    ("status", "description", "kind"),
    [
        (400, "Bad Request: CHAT_ADMIN_REQUIRED", errors.RightsMissing),
        (400, "Bad Request: PARTICIPANT_ID_INVALID", errors.RightsMissing),
        (400, "Bad Request: USER_ID_INVALID", errors.RightsMissing),
        (400, "Bad Request: chat not found", errors.ChatUnavailable),
        (403, "Forbidden: bot was kicked from the supergroup chat", errors.ChatUnavailable),
        (400, "Bad Request: what is this", errors.PlatformUnavailable),
        (401, "Unauthorized", errors.CredentialsRejected),
        (502, "Bad Gateway", errors.PlatformUnavailable),
    ],
)
async def test_a_refusal_has_its_class(
    status: int, description: str, kind: type[errors.PlatformError]
) -> None:
    """A question is never uncertain and never a message that was refused."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        server.rank(TEAM, ADA, "creator")
        body = {"ok": False, "error_code": status, "description": description}
        server.faults.add("getChatMember", Answer(status=status, body=json.dumps(body).encode()))
        with pytest.raises(errors.PlatformError) as raised:
            await adapter.roles(str(ADA), chat_of(server, TEAM), ASKED)
        assert type(raised.value) is kind
        assert server.token not in str(raised.value)


@pytest.mark.warp
@pytest.mark.parametrize(
    "fault",
    [
        CutAfter(),
        HalfOpen(),
        Answer(status=200, body=b'{"ok":true,"result":{}}'),
        Answer(status=200, body=b'{"ok":true,"result":{"status":"creator"}}'),
        Answer(status=200, body=b"<html>"),
    ],
)
async def test_an_answer_that_does_not_tell_is_an_error(fault: Answer | CutAfter) -> None:
    """No answer, half an answer, nonsense: nobody knows, and that is no yes."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        server.rank(TEAM, ADA, "creator")
        server.faults.add("getChatMember", fault)
        with pytest.raises(errors.PlatformUnavailable):
            await adapter.roles(str(ADA), chat_of(server, TEAM), ASKED)


async def test_a_rate_and_a_move_are_told() -> None:
    """The seconds to wait, and the chat's new id."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(-7)
        body = {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 3",
            "parameters": {"retry_after": 3},
        }
        server.faults.add("getChatMember", Answer(status=429, body=json.dumps(body).encode()))
        with pytest.raises(errors.RateLimited) as limited:
            await adapter.roles(str(ADA), chat_of(server, -7), ASKED)
        assert limited.value.retry_after_s == 3
        new = await server.migrate(-7)
        with pytest.raises(errors.ChatMoved) as moved:
            await adapter.roles(str(ADA), chat_of(server, -7), ASKED)
        assert moved.value.to == chat_of(server, new)


@pytest.mark.parametrize(
    ("as_chat", "kind"), [(None, "human"), (TEAM, "anonymous_admin"), (-1002700, "channel")]
)
async def test_who_hides_is_marked(as_chat: int | None, kind: str) -> None:
    """A reply to a prompt is a message too: nobody answers one in the name of a chat unseen."""
    async with TelegramServer() as server:
        journal = Journal()
        async with running(server, journal):
            server.group(TEAM)
            await server.say(chat=TEAM, user=ADA, text="/approve K7Q2F", as_chat=as_chat)
            ((delivery,),) = (await journal.count(1),)
            assert isinstance(delivery.events, tuple)
            (event,) = delivery.events
            assert isinstance(event, MessageReceived)
            assert event.author.kind == kind
            assert (event.author.id == str(ADA)) == (as_chat is None)
