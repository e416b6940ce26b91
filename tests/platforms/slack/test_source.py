"""The way in, over the server and the real SDK: nothing is acknowledged that is not stored."""

import asyncio
from typing import Any

import pytest

from platforms.content import Button
from platforms.errors import CredentialsRejected, PlatformUnavailable, RightsMissing
from platforms.events import (
    ButtonPressed,
    CommandInvoked,
    Ignored,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    Receipt,
)
from platforms.slack.client import SlackAdapter
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    running,
    warping,
)
from tests.wire.server import Answer, CutBefore, HalfOpen
from tests.wire.slack import Rates, SlackServer

BOTH = pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])


@BOTH
async def test_nothing_is_acknowledged_before_it_is_stored(http: bool) -> None:
    """While the journal is held Slack hears nothing; then one acknowledgement."""
    async with SlackServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal, http=http):
            await server.say(chat=DM, user=ADA, text="hello")
            await journal.count(1)
            assert server.requests("ack") == []
            journal.held.set()
            await server.settled()
            assert [seen.status for seen in server.requests("ack")] == [200]


@BOTH
async def test_busy_is_delivered_again(http: bool) -> None:
    """A journal without room answers nothing good, and Slack's next delivery is stored."""
    async with SlackServer() as server:
        journal = Journal()
        journal.next_receipts.append(Receipt.BUSY)
        async with running(server, journal, http=http):
            await server.say(chat=DM, user=ADA, text="hello")
            await journal.count(1)
            await server.advance(3)
            first, second = await journal.count(2)
            await server.settled()
            assert first.events == second.events
            assert (journal.stored, server.deliveries[0].tries) == (1, 2)


@pytest.mark.warp
@BOTH
async def test_a_journal_that_takes_too_long_is_busy(http: bool) -> None:
    """Past our share of Slack's three seconds nothing is acknowledged any more."""
    async with SlackServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal, http=http):
            delivery = await server.send_raw({"type": "event_callback", "event_id": "Ev1"})
            await journal.count(1)
            journal.held = None
            await server.advance(3)
            await journal.count(2)
            await server.settled()
            assert delivery.tries == 2


@BOTH
async def test_a_journal_that_fails_acknowledges_nothing(http: bool) -> None:
    """An exception out of the journal is a redelivery, not a loss."""

    class Broken(Journal):
        async def __call__(self, delivery: object) -> Receipt:
            receipt = await super().__call__(delivery)  # type: ignore[arg-type]
            if len(self.deliveries) == 1:
                raise RuntimeError("the disk is full")
            return receipt

    async with SlackServer() as server:
        journal = Broken()
        async with running(server, journal, http=http):
            await server.say(chat=DM, user=ADA, text="hello")
            await journal.count(1)
            await server.advance(3)
            await journal.count(2)
            await server.settled()


@BOTH
async def test_unwanted_is_acknowledged(http: bool) -> None:
    """What nobody wants is not delivered for ever."""
    async with SlackServer() as server:
        journal = Journal()
        journal.next_receipts.append(Receipt.UNWANTED)
        async with running(server, journal, http=http):
            await server.say(chat="C9", user=ADA, text="hello")
            await server.settled()
            assert (journal.stored, server.deliveries[0].tries) == (0, 1)


@BOTH
async def test_a_mention_is_one_act_in_two_deliveries(http: bool) -> None:
    """Message and app_mention share their logical key; so does the same event again."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=http):
            ts = await server.say(chat=GENERAL, user=ADA, text="@gatepost hi")
            await journal.count(2)
            await server.redeliver(server.deliveries[0].id)
            await journal.count(3)
            await server.settled()
            events = journal.events
            assert {event.logical_key for event in events} == {f"{GENERAL}:{ts}"}
            assert len({event.delivery_key for event in events}) == 2
            assert {event.reply_to.thread_id for event in events} == {ts}


@BOTH
async def test_every_kind_of_event_arrives(http: bool) -> None:
    """Message, edit, deletion, press and command come with their values."""
    async with SlackServer(echoes=False) as server:
        journal = Journal()
        async with running(server, journal, http=http) as adapter:
            server.person(ADA, "ada")
            ts = await server.say(chat=GENERAL, user=ADA, text="one")
            await server.rewrite(chat=GENERAL, ts=ts, text="two & three")
            await server.remove(chat=GENERAL, ts=ts)
            rows = ((Button(label="Yes", payload="a:K7:1"),),)
            card = await posted(adapter, post(chat_of(server, GENERAL), "sure?", controls=rows))
            await server.press(chat=GENERAL, ts=card.message_id, user=ADA, label="Yes")
            await server.command(chat=GENERAL, user=ADA, text="model fast")
            await journal.count(5)
            await server.settled()
            found = sorted(journal.events, key=lambda event: (event.order, type(event).__name__))
            kinds = {type(event) for event in found}
            assert kinds == {
                MessageReceived, MessageEdited, MessageDeleted, ButtonPressed, CommandInvoked
            }  # fmt: skip
            for event in found:
                match event:
                    case MessageReceived(text=text, author=author):
                        assert (text, author.name) == ("one", "ada")
                    case MessageEdited(text=text):
                        assert text == "two & three"
                    case ButtonPressed(payload=payload, card=message):
                        assert (payload, message) == ("a:K7:1", card)
                    case CommandInvoked(name=name, args=args):
                        assert (name, args) == ("model", "fast")
                    case MessageDeleted(messages=(message,)):
                        assert message.message_id == ts


@BOTH
async def test_malformed_payloads_are_stored_and_acknowledged(http: bool) -> None:
    """What nobody can read is kept once with its reason, and the next message arrives."""
    payloads = [
        [1, 2],
        "words",
        None,
        {"type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": "text"},
        {"type": "event_callback", "team": 5, "authorizations": [7], "event": {"type": []}},
        {"type": "block_actions", "team": [], "user": 3, "view": {"x": 1}},
        {},
    ]
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=http):
            for payload in payloads:
                await server.send_raw(payload)
            await server.say(chat=DM, user=ADA, text="hello")
            await server.settled()
            deliveries = journal.deliveries
            ignored = [each for each in deliveries if isinstance(each.events, Ignored)]
            assert len(ignored) == len(deliveries) - 1 >= len(payloads) - 1
            assert {delivery.state for delivery in server.deliveries} == {"done"}


async def test_frames_that_are_no_envelopes_are_passed_over() -> None:
    """Garbage on the socket is not answered and breaks nothing."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            for frame in ("", "{", "[]", '{"type": 5}', '{"type":"events_api"}', "\x00"):
                await server.transport.frame(frame)
            await server.say(chat=DM, user=ADA, text="hello")
            await server.settled()
            assert len(journal.events) == 1


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_refresh_moves_to_a_new_socket(reason: str) -> None:
    """Slack replaces sockets all day long; what was said meanwhile arrives."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.transport.disconnect(reason)
            await server.say(chat=DM, user=ADA, text="meanwhile")
            if reason != "warning":
                await server.connected(opened=2)
            await server.advance(60)  # where the SDK opens two sockets, the first takes it along
            await server.settled()
            assert {event.logical_key for event in journal.events} == {
                f"{DM}:{server.messages(DM)[0].ts}"
            }


async def test_a_socket_that_breaks_is_replaced() -> None:
    """A connection cut without a word is noticed and replaced."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            server.transport.cut()
            await server.connected(opened=2)
            await server.say(chat=DM, user=ADA, text="after")
            await journal.count(1)
            await server.settled()


@pytest.mark.warp
async def test_a_deaf_socket_is_replaced() -> None:
    """A connection that is open but answers no ping is given up for a new one."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, **warping()) as adapter:
            server.transport.deafen()
            await server.say(chat=DM, user=ADA, text="into the void")
            await server.transport.wait(lambda: server.transport.opened >= 2, 60)
            await server.advance(3)
            await journal.count(1)
            await server.settled()
            assert adapter.liveness().last_frame_at is not None


@pytest.mark.warp
async def test_without_any_socket_the_caller_is_told() -> None:
    """When no connection can be had, `run` ends, so that its caller can begin anew."""
    async with SlackServer() as server, connected(server, **warping()) as adapter:
        server.faults.add("socket", *[CutBefore()] * 50)
        with pytest.raises(PlatformUnavailable):
            await asyncio.wait_for(adapter.run(Journal()), 60)
        assert not adapter.liveness().connected


@pytest.mark.warp
async def test_a_socket_lost_for_good_ends_the_run() -> None:
    """A live socket that cannot be replaced is a reason to begin anew as well."""
    async with SlackServer() as server, connected(server, **warping()) as adapter:
        task = asyncio.create_task(adapter.run(Journal()))
        await server.connected()
        server.faults.add("socket", *[CutBefore()] * 50)
        server.transport.cut()
        with pytest.raises(PlatformUnavailable):
            await asyncio.wait_for(task, 60)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"type": "app_uninstalled"}, "install it again"),
        ({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0BOT"]}}, "new one"),
    ],
)
async def test_the_end_of_our_access_ends_the_run(body: dict[str, object], error: str) -> None:
    """The event is stored and acknowledged, then nobody needs to try again."""
    async with SlackServer() as server, connected(server) as adapter:
        journal = Journal()
        task = asyncio.create_task(adapter.run(journal))
        await server.connected()
        server.send_event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}})
        await journal.count(1)
        assert not task.done()
        server.send_event(body)
        with pytest.raises(CredentialsRejected, match=error):
            await asyncio.wait_for(task, 60)
        assert journal.stored == 2


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"bot_token": "xoxb-wrong"}, "bot token"),
        ({"bot_token": "xapp-1-A0APP-0000000003-testtokenofnorealapp"}, "begins with xoxb-"),
    ],
)
async def test_a_wrong_bot_token_is_refused_at_once(settings: dict[str, Any], error: str) -> None:
    """The sentence says which token it is about."""
    async with SlackServer() as server:
        adapter = adapter_of(server, **settings)
        with pytest.raises(CredentialsRejected, match=error):
            await adapter.connect()
        await adapter.close()


async def test_a_wrong_app_token_is_refused_at_once() -> None:
    """The SDK alone would ask again for ever."""
    async with SlackServer() as server, connected(server, app_token="xapp-wrong") as adapter:
        with pytest.raises(CredentialsRejected, match="app-level token"):
            await asyncio.wait_for(adapter.run(Journal()), 60)
        assert len(server.requests("apps.connections.open")) == 1


async def test_a_missing_right_is_named() -> None:
    """Which right is missing and where to add it."""
    async with SlackServer() as server:
        server.methods.scopes.discard("users:read")
        adapter = adapter_of(server)
        with pytest.raises(RightsMissing, match=r"users:read: add it under OAuth & Permissions"):
            await adapter.connect()
        await adapter.close()


@pytest.mark.warp
@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=500),
        Answer(status=200, body=b"<html>"),
        Answer(status=429),
        CutBefore(),
        HalfOpen(),
    ],
    ids=["5xx", "garbage", "429", "cut", "half-open"],
)
async def test_connect_can_be_tried_again(fault: Answer | CutBefore | HalfOpen) -> None:
    """Without an answer nothing is wrong with the token, and the next try succeeds."""
    async with SlackServer() as server:
        adapter = adapter_of(server)
        server.faults.add("auth.test", fault)
        with pytest.raises(PlatformUnavailable):
            await adapter.connect()
        account = await adapter.connect()
        assert (account.platform, account.id) == ("slack", server.world.app_id)
        await adapter.close()


async def test_a_person_without_rights_is_no_bot() -> None:
    """A token of a person is refused in words; run before connect as well."""
    async with SlackServer() as server:
        server.faults.add(
            "auth.test",
            Answer(status=200, body=b'{"ok":true,"user_id":"U1","team_id":"T1","user":"ada"}'),
        )
        adapter = adapter_of(server)
        with pytest.raises(PlatformUnavailable):
            await adapter.run(Journal())
        with pytest.raises(CredentialsRejected, match="person"):
            await adapter.connect()
        await adapter.close()


async def test_an_app_needs_a_way_in() -> None:
    """Neither token nor secret, or an empty secret: refused before anything starts."""
    with pytest.raises(ValueError, match="app-level token or a signing secret"):
        SlackAdapter(bot_token="xoxb-1")
    with pytest.raises(ValueError, match="empty"):
        SlackAdapter(bot_token="xoxb-1", signing_secret=" ")


async def test_guests_are_known_before_admission() -> None:
    """Names and guests come from users.info, asked once for both events of a mention."""
    async with SlackServer() as server:
        server.person("U9", "gus", restricted=True)
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=GENERAL, user="U9", text="@gatepost hi")
            await journal.count(2)
            await server.settled()
            people = {(event.author.name, event.author.guest) for event in journal.events}
            assert people == {("gus", True)}
            assert len(server.requests("users.info")) == 1


@pytest.mark.warp
@pytest.mark.parametrize(
    "fault", [Answer(status=500), CutBefore(), HalfOpen()], ids=["5xx", "cut", "half-open"]
)
async def test_a_name_is_not_worth_a_message(fault: Answer | CutBefore | HalfOpen) -> None:
    """When users.info fails or hangs the message goes on without a name."""
    async with SlackServer() as server:
        server.faults.add("users.info", fault)
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=DM, user=ADA, text="hi")
            await journal.count(1)
            await server.settled()
            assert [event.author.name for event in journal.events] == [""]


async def test_without_the_right_to_read_people_nobody_is_asked_again() -> None:
    """The right can go after the start; messages still come."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            server.methods.scopes.discard("users:read")
            for user in ("U1", "U2", "U3"):
                await server.say(chat=GENERAL, user=user, text="hi")
                await server.settled()
            assert len(journal.events) == 3
            assert len(server.requests("users.info")) == 1


async def test_two_ways_in_share_one_journal() -> None:
    """With both credentials the socket and the route take events of one app."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, signing_secret=server.signing_secret):
            await server.say(chat=DM, user=ADA, text="by socket")
            await server.settled()
            assert len(journal.events) == 1


@pytest.mark.warp
@BOTH
async def test_stopping_is_quick_and_acknowledges_nothing_unstored(http: bool) -> None:
    """With a delivery half way the run ends within two seconds and Slack keeps the event."""
    async with SlackServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal, http=http):
            delivery = await server.send_raw({"type": "event_callback", "event_id": "Ev1"})
            await journal.count(1)
            now = asyncio.get_running_loop().time
            began = now()
        assert now() - began < 2
        assert journal.stored == 0
        assert delivery.state != "done"


@pytest.mark.warp
async def test_stopping_lets_a_commit_finish() -> None:
    """A delivery that is stored while we stop is stored once."""
    async with SlackServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal):
            await server.send_raw({"type": "event_callback", "event_id": "Ev1"})
            await journal.count(1)
            asyncio.get_running_loop().call_later(0.05, journal.held.set)
        assert journal.stored == 1


@pytest.mark.warp
async def test_a_deaf_server_does_not_delay_the_stop() -> None:
    """The closing handshake is waited for only so long."""
    async with SlackServer() as server:
        async with running(server, Journal(), ping_interval_s=5.0, stale_s=20.0):
            server.transport.deafen()
            now = asyncio.get_running_loop().time
            began = now()
        assert now() - began < 2


async def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and tokens of the SDK's own variables are not read."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "other")
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=DM, user=ADA, text="hello")
            await server.settled()
            assert len(journal.events) == 1


async def test_liveness_tells_what_is_known() -> None:
    """Frames and pongs are the evidence, and the facts name workspace and bot."""
    async with SlackServer(rates=Rates()) as server:
        async with running(server, Journal()) as adapter:
            await server.say(chat=DM, user=ADA, text="hello")
            await server.settled()
            alive = adapter.liveness()
            assert alive.last_frame_at is not None
            assert dict(alive.facts) == {"workspace": "T1", "bot": "@gatepost", "sockets": "1"}
        assert not adapter.liveness().connected
