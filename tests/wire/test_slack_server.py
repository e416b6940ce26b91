"""The loopback Slack keeps the documented rules; plain HTTP and websockets are the client here."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.wire.slack import APP_TOKEN, BOT_TOKEN, Rates, SlackServer
from tests.wire.slack.checks import Refusal
from tests.wire.slack.payloads import rich_text, signature, typed
from tests.wire.slack.rules import check_blocks, pings

ADA = "U1"
GENERAL = "C1"


class Client:
    """Calls methods the way any HTTP client would."""

    def __init__(self, server: SlackServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def call(
        self, method: str, *, token: str = BOT_TOKEN, expect: int = 200, **arguments: Any
    ) -> dict[str, Any]:
        """The whole answer of one call."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.post(
            f"{self.server.url}/api/{method}", json=arguments, headers=headers
        ) as response:
            assert response.status == expect
            answer: dict[str, Any] = await response.json()
            return answer

    async def error(self, method: str, **arguments: Any) -> str:
        """The error of a call that is refused."""
        answer = await self.call(method, **arguments)
        assert answer["ok"] is False
        return str(answer["error"])

    async def socket(self) -> aiohttp.ClientWebSocketResponse:
        """An open Socket Mode connection, its hello read."""
        opened = await self.call("apps.connections.open", token=APP_TOKEN)
        ws = await self.session.ws_connect(opened["url"])
        assert (await ws.receive_json())["type"] == "hello"
        return ws


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    """A server with a channel and nobody connected."""
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL)
        yield server


@pytest.fixture
async def client(server: SlackServer) -> AsyncIterator[Client]:
    """A client of it."""
    async with aiohttp.ClientSession() as session:
        yield Client(server, session)


def section(*elements: dict[str, Any]) -> dict[str, Any]:
    """A rich text block of one section."""
    inside = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [inside]}


def words(text: str) -> dict[str, Any]:
    """A text element."""
    return {"type": "text", "text": text}


def rich(element: dict[str, Any]) -> dict[str, Any]:
    """A rich text block of one element."""
    return {"type": "rich_text", "elements": [element]}


def table(*rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A table block."""
    return {"type": "table", "rows": list(rows), **more}


RAW = {"type": "raw_text", "text": "x"}


@pytest.mark.parametrize(
    ("blocks", "error", "detail"),
    [
        ("not json", "invalid_blocks_format", ""),
        ([{"type": "divider"}] * 51, "invalid_blocks", "no more than 50 items"),
        ([{"type": "waterfall"}], "invalid_blocks", "unsupported type"),
        ([section()], "invalid_blocks", "missing element"),
        ([section(words(""))], "invalid_blocks", "more than 0 characters"),
        ([section({"type": "blink", "text": "x"})], "invalid_blocks", "unsupported type"),
        ([section({"type": "text", "text": "x", "colour": 1})], "invalid_blocks", "additional"),
        ([section({"type": "link", "url": "javascript:x"})], "invalid_blocks", "valid url"),
        ([section({"type": "link", "url": "http://x", "text": ""})], "invalid_blocks", "0 char"),
        (
            [section({"type": "text", "text": "x", "style": {"loud": True}})],
            "invalid_blocks",
            "style",
        ),
        (
            [rich({"type": "rich_text_preformatted", "elements": [{"type": "user"}]})],
            "invalid_blocks",
            "unsupported type",
        ),
        (
            [rich({"type": "rich_text_list", "style": "bullet", "indent": 9, "elements": [1]})],
            "invalid_blocks",
            "between 0 and 8",
        ),
        (
            [rich({"type": "rich_text_list", "style": "bullet", "elements": [words("x")]})],
            "invalid_blocks",
            "rich_text_section",
        ),
        (
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
            "invalid_blocks",
            "less than 3001",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "invalid_blocks",
            "less than 151",
        ),
        ([table([RAW] * 21)], "invalid_blocks", "no more than 20"),
        ([table(*[[RAW]] * 101)], "invalid_blocks", "no more than 100"),
        ([table([{"type": "raw_text", "text": ""}])], "invalid_blocks", "0 characters"),
        ([table([RAW], column_settings=[None])], "invalid_blocks", "must provide an object"),
        ([table([RAW]), table([RAW])], "invalid_attachments", "only_one_table"),
        ([section(words("x" * 13_200))], "msg_blocks_too_long", ""),
        (
            [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
            "invalid_blocks",
            "block_id",
        ),
    ],
)
def test_blocks_are_refused(blocks: Any, error: str, detail: str) -> None:
    """Only known shapes within the documented limits pass, with Slack's words for the rest."""
    with pytest.raises(Refusal) as refusal:
        check_blocks(blocks)
    assert refusal.value.error == error
    assert detail in " ".join(refusal.value.errors)


def test_good_blocks_pass() -> None:
    """Every element we know of is taken as it is."""
    blocks = [
        section(words("a"), {"type": "link", "url": "https://x.example", "text": "x"}),
        rich({"type": "rich_text_quote", "elements": [words("q")]}),
        rich({"type": "rich_text_preformatted", "elements": [words("c")], "language": "python"}),
        {"type": "divider"},
        table([RAW, section(words("b"))], column_settings=[{"align": "right"}]),
    ]
    assert check_blocks(json.dumps(blocks)) == blocks


@pytest.mark.parametrize(
    ("text", "blocks", "parse", "link_names", "found"),
    [
        ("<@U1> and <!channel>", [], "none", False, ("U1", "!channel")),
        ("<!subteam^S7|@team>", [], "none", False, ("S7",)),
        ("&lt;@U1&gt; @ada @channel", [], "none", False, ()),
        ("hi @ada.", [], "none", True, ("U1",)),
        ("hi @ada", [], "client", False, ("U1",)),
        ("mail@ada.example", [], "full", False, ()),
        ("@here", [], "full", False, ("!here",)),
        ("x", [section(words("<@U1> @channel"))], "none", False, ()),
        ("x", [section({"type": "user", "user_id": "U1"})], "none", False, ("U1",)),
        ("x", [section({"type": "broadcast", "range": "here"})], "none", False, ("!here",)),
        (
            "x",
            [{"type": "section", "text": {"type": "mrkdwn", "text": "<@U1>"}}],
            "none",
            False,
            ("U1",),
        ),
    ],
)
def test_who_is_notified(
    text: str, blocks: list[Any], parse: str, link_names: bool, found: tuple[str, ...]
) -> None:
    """Mention elements, markup and parsed names notify; literal text does not."""
    names = {"ada": ADA}
    assert pings(text, blocks, parse=parse, link_names=link_names, names=names) == found


def test_what_a_person_types() -> None:
    """Names become mentions, the three special characters entities, and blocks follow the text."""
    text = typed("@ada: 1 < 2 & @nobody", {"ada": ADA})
    assert text == "<@U1>: 1 &lt; 2 &amp; @nobody"
    inside = rich_text(text)["elements"][0]["elements"]
    assert inside == [{"type": "user", "user_id": ADA}, words(": 1 < 2 & @nobody")]


async def test_arguments_come_as_json_form_or_query(server: SlackServer, client: Client) -> None:
    """The three ways of giving arguments are merged, and the token may be one of them."""
    url = f"{server.url}/api/chat.postMessage"
    form = {"channel": GENERAL, "token": BOT_TOKEN}
    async with client.session.post(url, params={"text": "hi"}, data=form) as response:
        assert (await response.json())["ok"] is True
    assert [message.text for message in server.messages(GENERAL)] == ["hi"]


async def test_post_edit_delete(server: SlackServer, client: Client) -> None:
    """Messages stand with unique ts, keep every state, and go."""
    posted = [await client.call("chat.postMessage", channel=GENERAL, text=str(n)) for n in range(3)]
    stamps = [answer["ts"] for answer in posted]
    assert sorted(set(stamps)) == stamps
    await client.call("chat.update", channel=GENERAL, ts=stamps[0], text="new")
    await client.call("chat.delete", channel=GENERAL, ts=stamps[1])
    shown = server.messages(GENERAL)
    assert [message.text for message in shown] == ["new", "2"]
    assert [version.text for version in shown[0].history] == ["0", "new"]


async def test_refusals_of_messages(server: SlackServer, client: Client) -> None:
    """Each documented refusal has its error."""
    ts = await server.say(chat=GENERAL, user=ADA, text="root")
    reply = await server.say(chat=GENERAL, user=ADA, text="reply", thread=ts)
    server.channel("C2", member=False)
    server.channel("C3").archived = True
    post, update = "chat.postMessage", "chat.update"
    mine = (await client.call(post, channel=GENERAL, text="mine"))["ts"]
    assert await client.error(post, channel="C404", text="x") == "channel_not_found"
    assert await client.error(post, channel="C2", text="x") == "not_in_channel"
    assert await client.error(post, channel="C3", text="x") == "is_archived"
    assert await client.error(post, channel=GENERAL) == "no_text"
    assert await client.error(post, channel=GENERAL, text="x" * 40_001) == "msg_too_long"
    assert await client.error(update, channel=GENERAL, ts=mine, text="x" * 4_001) == "msg_too_long"
    assert (
        await client.error(post, channel=GENERAL, text="x", thread_ts=reply)
        == "cannot_reply_to_message"
    )
    assert await client.error(update, channel=GENERAL, ts=ts, text="x") == "cant_update_message"
    assert (
        await client.error(update, channel=GENERAL, ts="1.000000", text="x") == "message_not_found"
    )
    assert await client.error(post, channel=GENERAL, text="x", token="xoxb-no") == "invalid_auth"
    assert await client.error("auth.test", token=APP_TOKEN) == "not_allowed_token_type"
    server.methods.scopes.discard("chat:write")
    answer = await client.call(post, channel=GENERAL, text="x")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")


async def test_metadata_is_read_back(client: Client) -> None:
    """All of it comes with history and replies only when asked for, and it survives an edit."""
    metadata = {"event_type": "gatepost", "event_payload": {"id": "n1"}}
    ts = (await client.call("chat.postMessage", channel=GENERAL, text="x", metadata=metadata))["ts"]
    await client.call("chat.update", channel=GENERAL, ts=ts, text="y")
    plain = await client.call("conversations.history", channel=GENERAL)
    assert plain["messages"][0]["metadata"] == {"event_type": "gatepost", "event_payload": {}}
    full = await client.call(
        "conversations.replies", channel=GENERAL, ts=ts, include_all_metadata=1
    )
    assert full["messages"][0]["metadata"] == metadata
    bad = {"event_type": "x", "event_payload": "text"}
    arguments = {"channel": GENERAL, "text": "x"}
    assert (
        await client.error("chat.postMessage", **arguments, metadata=bad)
        == "invalid_metadata_schema"
    )


async def test_history_pages_newest_first(server: SlackServer, client: Client) -> None:
    """History has cursors and leaves replies to their thread."""
    stamps = [await server.say(chat=GENERAL, user=ADA, text=str(n)) for n in range(5)]
    await server.say(chat=GENERAL, user=ADA, text="reply", thread=stamps[0])
    first = await client.call("conversations.history", channel=GENERAL, limit=3)
    cursor = first["response_metadata"]["next_cursor"]
    rest = await client.call("conversations.history", channel=GENERAL, limit=3, cursor=cursor)
    found = [message["text"] for message in first["messages"] + rest["messages"]]
    assert found == ["4", "3", "2", "1", "0"]
    newer = await client.call("conversations.history", channel=GENERAL, oldest=stamps[2])
    assert [message["text"] for message in newer["messages"]] == ["4", "3"]


async def test_rates() -> None:
    """One post a second and channel, fifty updates a minute, with the seconds to wait."""
    now = [0.0]
    rates = Rates(clock=lambda: now[0])
    async with SlackServer(echoes=False, rates=rates) as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        server.channel(GENERAL)
        server.channel("C2")
        ts = (await client.call("chat.postMessage", channel=GENERAL, text="x"))["ts"]
        await client.call("chat.postMessage", channel="C2", text="x")
        again = await client.call("chat.postMessage", expect=429, channel=GENERAL, text="x")
        assert again["error"] == "ratelimited"
        now[0] = 1.0
        await client.call("chat.postMessage", channel=GENERAL, text="x")
        for number in range(60):
            now[0] += 60 / 50
            await client.call("chat.update", channel=GENERAL, ts=ts, text=str(number))
        for _ in range(4):
            await client.call("chat.update", channel=GENERAL, ts=ts, text="burst")
        await client.call("chat.update", expect=429, channel=GENERAL, ts=ts, text="burst")


async def test_files_are_three_calls(server: SlackServer, client: Client) -> None:
    """A file is seen only after the third call, and its length is checked."""
    opened = await client.call("files.getUploadURLExternal", filename="a.txt", length=3)
    async with client.session.post(opened["upload_url"], data=b"long") as response:
        assert response.status == 400
    assert server.messages(GENERAL) == ()
    async with client.session.post(opened["upload_url"], data=b"abc") as response:
        assert response.status == 200
    files = json.dumps([{"id": opened["file_id"], "title": "a.txt"}])
    await client.call("files.completeUploadExternal", files=files, channel_id=GENERAL)
    assert [file.data for file in server.messages(GENERAL)[0].files] == [b"abc"]
    await client.call("files.delete", file=opened["file_id"])
    assert server.messages(GENERAL) == ()


async def test_reactions_and_status(server: SlackServer, client: Client) -> None:
    """Reactions refuse repeats; a status stands until it is emptied or a post comes."""
    ts = await server.say(chat=GENERAL, user=ADA, text="root")
    react: dict[str, Any] = {"channel": GENERAL, "timestamp": ts, "name": "eyes"}
    await client.call("reactions.add", **react)
    assert await client.error("reactions.add", **react) == "already_reacted"
    await client.call("reactions.remove", **react)
    assert await client.error("reactions.remove", **react) == "no_reaction"
    status: dict[str, Any] = {"channel_id": GENERAL, "thread_ts": ts}
    await client.call("assistant.threads.setStatus", **status, status="is thinking...")
    assert server.status(GENERAL, ts) == "is thinking..."
    await client.call("chat.postMessage", channel=GENERAL, thread_ts=ts, text="done")
    assert server.status(GENERAL, ts) == ""


async def test_a_mention_is_two_events(server: SlackServer, client: Client) -> None:
    """A mention in a channel comes as message and as app_mention, in a DM only once."""
    ws = await client.socket()
    await server.say(chat=GENERAL, user=ADA, text="@gatepost hi")
    await server.say(chat="D1", user=ADA, text="@gatepost hi")
    kinds = []
    for _ in range(3):
        envelope = await ws.receive_json()
        kinds.append((envelope["payload"]["event"]["type"], envelope["retry_attempt"]))
        await ws.send_json({"envelope_id": envelope["envelope_id"]})
    assert kinds == [("message", 0), ("app_mention", 0), ("message", 0)]
    await server.settled()
    assert [seen.status for seen in server.requests("ack")] == [200] * 3
    await ws.close()


async def test_unacknowledged_events_come_again(server: SlackServer, client: Client) -> None:
    """After three seconds at once, then after one and five minutes, then never."""
    ws = await client.socket()
    delivery = await server.send_raw({"event_id": "Ev1"})
    seen = [(await ws.receive_json())["retry_attempt"]]
    for seconds in (3, 3, 57):
        await server.advance(seconds)
    assert delivery.tries == 2
    await server.advance(3)
    await server.advance(3)
    await server.advance(300)
    for _ in range(3):
        envelope = await ws.receive_json()
        seen.append(envelope["retry_attempt"])
    assert (seen, envelope["retry_reason"]) == ([0, 1, 2, 3], "timeout")
    await server.advance(3)
    assert delivery.state == "lost"
    await ws.close()


async def test_what_waits_is_sent_to_the_next_socket(server: SlackServer, client: Client) -> None:
    """A connection that ends hands its unacknowledged events to the next one."""
    delivery = await server.send_raw({"event_id": "Ev1"})
    first = await client.socket()
    await first.receive_json()
    await first.close()
    second = await client.socket()
    envelope = await second.receive_json()
    assert (envelope["retry_attempt"], envelope["payload"]) == (1, {"event_id": "Ev1"})
    await second.send_json({"envelope_id": envelope["envelope_id"]})
    await server.settled()
    assert delivery.state == "done"
    await second.close()


async def test_tickets_are_good_once(server: SlackServer, client: Client) -> None:
    """A socket address cannot be used twice."""
    opened = await client.call("apps.connections.open", token=APP_TOKEN)
    ws = await client.session.ws_connect(opened["url"])
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.session.ws_connect(opened["url"])
    await ws.close()


async def test_disconnect_ends_the_connection(server: SlackServer, client: Client) -> None:
    """A refresh is announced, then the connection is closed."""
    ws = await client.socket()
    await server.transport.disconnect("refresh_requested")
    assert (await ws.receive_json())["reason"] == "refresh_requested"
    assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    await server.connected(0)


class App:
    """An HTTP endpoint that answers with the statuses it is given, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Keeps the request."""
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def start(self) -> tuple[web.AppRunner, str]:
        """Listens on loopback."""
        app = web.Application()
        app.router.add_post("/slack/events", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"


async def test_signed_requests_retry_on_the_clock(server: SlackServer) -> None:
    """Every request is signed; a failed event comes at once and after a minute."""
    app = App(503, 503)
    runner, url = await app.start()
    server.push_to(url)
    delivery = await server.send_raw({"event_id": "Ev1"})
    await server.seen(lambda seen: seen.operation == "ack" and seen.arguments["attempt"] == 1)
    assert (delivery.state, delivery.tries) == ("waiting", 2)
    await server.advance(60)
    await server.settled()
    assert delivery.state == "done"
    for headers, body in app.requests:
        timestamp = headers["X-Slack-Request-Timestamp"]
        assert headers["X-Slack-Signature"] == signature(server.signing_secret, timestamp, body)
    numbers = [headers.get("X-Slack-Retry-Num") for headers, _ in app.requests]
    assert numbers == [None, "1", "2"]
    await runner.cleanup()


async def test_presses_and_commands_are_forms(server: SlackServer, client: Client) -> None:
    """A press carries our value, a command its words; neither is ever sent again."""
    app = App(500)
    runner, url = await app.start()
    server.push_to(url)
    button = {
        "type": "button",
        "text": {"type": "plain_text", "text": "Yes"},
        "action_id": "a1",
        "value": "token",
    }
    blocks = [{"type": "actions", "elements": [button]}]
    ts = (await client.call("chat.postMessage", channel=GENERAL, text="x", blocks=blocks))["ts"]
    pressed = await server.press(chat=GENERAL, ts=ts, user=ADA, label="Yes")
    await server.settled()
    assert pressed.state == "lost"
    await server.command(chat=GENERAL, user=ADA, text="new please")
    await server.settled()
    headers, body = app.requests[1]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert b"text=new+please" in body
    url = pressed.payload["response_url"]
    for status in [200] * 5 + [404]:
        async with client.session.post(url, json={"text": "ok"}) as response:
            assert response.status == status
    assert [(each.user, each.text) for each in server.ephemerals] == [(ADA, "ok")] * 5
    await runner.cleanup()


async def test_unscripted_requests_fail_the_test() -> None:
    """A method nobody wrote is refused and remembered."""
    with pytest.raises(AssertionError, match="unscripted"):
        async with SlackServer() as server, aiohttp.ClientSession() as session:
            await Client(server, session).call("chat.unfurl")


async def test_the_page_shows_and_speaks(server: SlackServer, client: Client) -> None:
    """A person can write on the page and sees what stands."""
    ws = await client.socket()
    form = {"chat": "D1", "user": ADA, "text": "hello"}
    async with client.session.post(f"{server.url}/page/say", data=form) as response:
        assert response.status == 200
    envelope = await asyncio.wait_for(ws.receive_json(), 60)
    assert envelope["payload"]["event"]["channel_type"] == "im"
    await ws.send_json({"envelope_id": envelope["envelope_id"]})
    async with client.session.get(f"{server.url}/page/state") as response:
        state = await response.json()
    dm = next(channel for channel in state["channels"] if channel["id"] == "D1")
    assert dm["messages"][0]["text"] == "hello"
    await server.settled()
    await ws.close()
