"""The loopback Discord keeps the rules it claims to keep."""

import io
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.wire.discord import APPLICATION_ID, BOT_ID, TOKEN, DiscordServer, UploadedFile
from tests.wire.server import CutAfter

Json = dict[str, Any]


@dataclass
class Api:
    """Bare requests, as no SDK would send some of them."""

    server: DiscordServer
    http: aiohttp.ClientSession

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str = TOKEN
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bot {token}"} if token else {}
        async with self.http.request(
            method, self.server.api_url + path, json=body, headers=headers
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None, answer


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running:
        yield running


@pytest.fixture
async def api(server: DiscordServer) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as http:
        yield Api(server, http)


def row(*buttons: Json) -> Json:
    return {"type": 1, "components": list(buttons)}


def button(label: str = "ok", custom_id: str = "x") -> Json:
    return {"type": 2, "style": 1, "label": label, "custom_id": custom_id}


REFUSED: list[tuple[str, Json, int, int]] = [
    ("no token is no bot", {}, 401, 0),
    ("content over 2,000 characters", {"content": "x" * 2_001}, 400, 50035),
    ("nothing but white space", {"content": " \n"}, 400, 50006),
    ("nonce over 25 characters", {"content": "x", "nonce": "n" * 26}, 400, 50035),
    ("six rows", {"content": "x", "components": [row(button())] * 6}, 400, 50035),
    ("six buttons in a row", {"content": "x", "components": [row(*[button()] * 6)]}, 400, 50035),
    ("label over 80", {"content": "x", "components": [row(button("l" * 81))]}, 400, 50035),
    (
        "custom_id over 100",
        {"content": "x", "components": [row(button("l", "c" * 101))]},
        400,
        50035,
    ),
    ("custom_id twice", {"content": "x", "components": [row(button(), button())]}, 400, 50035),
    ("reply to nothing", {"content": "x", "message_reference": {"message_id": "1"}}, 400, 50035),
    (
        "parse and list together",
        {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        400,
        50035,
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_what_discord_refuses(api: Api, body: Json, status: int, code: int) -> None:
    """Every documented limit of a message gives its own error and posts nothing."""
    path = f"/channels/{api.server.general.id}/messages"
    answer = await api("POST", path, body, token=TOKEN if body else "wrong")
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert answer[2].headers["Content-Type"] == "application/json"
    assert api.server.messages(api.server.general) == []


async def test_states_of_a_chat(api: Api) -> None:
    """Hidden, read-only, closed and locked chats answer with Discord's codes."""
    server = api.server
    path = f"/channels/{server.general.id}/messages"
    server.general.access = "hidden"
    assert (await api("POST", path, {"content": "x"}))[1]["code"] == 50001
    server.general.access = "read_only"
    assert (await api("POST", path, {"content": "x"}))[1]["code"] == 50013
    server.general.access = "full"
    server.ada.takes_dms = False
    direct = f"/channels/{server.dm(server.ada).id}/messages"
    assert (await api("POST", direct, {"content": "x"}))[1]["code"] == 50007
    thread = await server.start_thread(server.general, "thread")
    inside = f"/channels/{thread.id}/messages"
    sent = await api("POST", inside, {"content": "x"})
    thread.archived = True
    edit = await api("PATCH", f"{inside}/{sent[1]['id']}", {"content": "y"})
    assert edit[1]["code"] == 50083
    assert (await api("POST", inside, {"content": "wakes it"}))[0] == 200
    assert not thread.archived
    thread.locked = True
    assert (await api("POST", inside, {"content": "x"}))[1]["code"] == 160005
    assert (await api("GET", "/channels/1"))[1]["code"] == 10003


async def test_a_nonce_is_remembered(server: DiscordServer, api: Api) -> None:
    """The same nonce returns the first message, a deleted one is a 404, an unenforced one posts."""
    path = f"/channels/{server.general.id}/messages"
    body = {"content": "once", "nonce": "n1", "enforce_nonce": True}
    first = (await api("POST", path, body))[1]
    assert (await api("POST", path, {**body, "content": "changed"}))[1]["id"] == first["id"]
    assert [m.content for m in server.bot_messages(server.general)] == ["once"]
    await api("POST", path, {"content": "again", "nonce": "n1"})
    assert len(server.bot_messages(server.general)) == 2
    await api("DELETE", f"{path}/{first['id']}")
    await api("POST", path, {"content": "x", "nonce": "n2", "enforce_nonce": True})
    again = (await api("POST", path, {"content": "y", "nonce": "n2", "enforce_nonce": True}))[1]
    await api("DELETE", f"{path}/{again['id']}")
    gone = await api("POST", path, {"content": "y", "nonce": "n2", "enforce_nonce": True})
    assert (gone[0], gone[1]["code"]) == (404, 10008)


@pytest.mark.parametrize(
    ("content", "allowed", "nobody", "elements"),
    [
        ("<@{ada}> hi", None, False, 1),
        ("<@{ada}> hi", {"parse": []}, True, 1),
        ("@everyone", {"parse": []}, True, 1),
        ("@everyone", {"parse": ["everyone"]}, False, 1),
        ("`<@{ada}>`", {"parse": []}, True, 0),
        ("<\u200b@{ada}> and @\u200beveryone", {"parse": ["everyone", "users"]}, True, 0),
        ("<#1> <t:1> <:x:1> </a:1>", {"parse": []}, True, 4),
    ],
)
async def test_whom_words_would_ping(
    api: Api, content: str, allowed: Json | None, nobody: bool, elements: int
) -> None:
    """Mentions are told apart: shown as an element, and notifying under `allowed_mentions`."""
    server = api.server
    body: Json = {"content": content.format(ada=server.ada.id)}
    if allowed is not None:
        body["allowed_mentions"] = allowed
    await api("POST", f"/channels/{server.general.id}/messages", body)
    [message] = server.messages(server.general)
    assert (message.pings.nobody, len(message.pings.elements)) == (nobody, elements)


async def test_a_reply_pings_its_author_unless_told_not_to(api: Api) -> None:
    """Without `allowed_mentions` a reply notifies; with `replied_user` false it does not."""
    server = api.server
    asked = await server.say(server.general, server.ada, "question")
    body: Json = {"content": "answer", "message_reference": {"message_id": str(asked.id)}}
    path = f"/channels/{server.general.id}/messages"
    await api("POST", path, body)
    await api("POST", path, {**body, "allowed_mentions": {"parse": [], "replied_user": False}})
    assert [m.pings.nobody for m in server.bot_messages(server.general)] == [False, True]


async def test_history_pages_after_and_before(api: Api) -> None:
    """A page is newest first; `after` takes the oldest ones above an id."""
    server = api.server
    said = [await server.say(server.general, server.ada, str(number)) for number in range(5)]
    path = f"/channels/{server.general.id}/messages"
    after = (await api("GET", f"{path}?after={said[0].id}&limit=2"))[1]
    assert [message["content"] for message in after] == ["2", "1"]
    before = (await api("GET", f"{path}?before={said[4].id}&limit=2"))[1]
    assert [message["content"] for message in before] == ["3", "2"]
    assert len((await api("GET", path))[1]) == 5


async def test_files_are_kept_and_served() -> None:
    """A multipart post keeps its files; a person's file has an address without a token."""
    async with DiscordServer() as server, aiohttp.ClientSession() as http:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("payload_json", json.dumps({"content": "look"}))
        form.add_field("files[0]", b"abc", filename="a.txt", content_type="text/plain")
        url = f"{server.api_url}/channels/{server.general.id}/messages"
        async with http.post(url, data=form, headers={"Authorization": f"Bot {TOKEN}"}) as sent:
            body = await sent.json()
        assert body["attachments"][0]["filename"] == "a.txt"
        async with http.get(body["attachments"][0]["url"]) as file:
            assert await file.read() == b"abc"
        form = aiohttp.FormData(quote_fields=False)
        big = io.BytesIO(b"x" * (10 * 1024 * 1024 + 1))
        form.add_field("files[0]", big, filename="big.bin")
        async with http.post(url, data=form, headers={"Authorization": f"Bot {TOKEN}"}) as sent:
            assert (sent.status, (await sent.json())["code"]) == (413, 40005)


async def test_a_full_bucket_says_when() -> None:
    """The sixth post in the window is a 429 with `Via`, headers and seconds; others go on."""
    clock = [1_700_000_000.0]
    async with (
        DiscordServer(rates=1.0, now=lambda: clock[0]) as server,
        aiohttp.ClientSession() as http,
    ):
        api = Api(server, http)
        path = f"/channels/{server.general.id}/messages"
        answers = [await api("POST", path, {"content": "x"}) for _ in range(6)]
        assert [answer[0] for answer in answers] == [200] * 5 + [429]
        headers = answers[4][2].headers
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("5", "0")
        limited = answers[5]
        assert limited[1] == {
            "message": "You are being rate limited.",
            "code": 0,
            "retry_after": 5.0,
            "global": False,
        }
        assert limited[2].headers["Via"]
        other = f"/channels/{server.dm(server.ada).id}/messages"
        assert (await api("POST", other, {"content": "x"}))[0] == 200
        clock[0] += 5.0
        assert (await api("POST", path, {"content": "x"}))[0] == 200


async def test_old_messages_have_few_edits() -> None:
    """The fourth edit of messages older than an hour is refused with 30046."""
    clock = [1_700_000_000.0]
    async with DiscordServer(now=lambda: clock[0]) as server, aiohttp.ClientSession() as http:
        api = Api(server, http)
        path = f"/channels/{server.general.id}/messages"
        sent = (await api("POST", path, {"content": "x"}))[1]
        clock[0] += 3_601
        edits = [
            await api("PATCH", f"{path}/{sent['id']}", {"content": str(number)})
            for number in range(4)
        ]
        assert [(edit[0], edit[1].get("code")) for edit in edits[2:]] == [(200, None), (429, 30046)]


async def test_an_edit_keeps_what_it_does_not_name(api: Api) -> None:
    """PATCH changes the named fields only; the whole history stays readable."""
    server = api.server
    path = f"/channels/{server.general.id}/messages"
    body = {"content": "one https://x.example", "components": [row(button())], "flags": 4}
    sent = (await api("POST", path, body))[1]
    await api("PATCH", f"{path}/{sent['id']}", {"content": "two"})
    [message] = server.messages(server.general)
    assert (message.buttons, message.embeds_suppressed) == ({"ok": "x"}, True)
    assert [version.content for version in message.history] == ["one https://x.example", "two"]


async def test_interactions_are_answered_once_and_in_time() -> None:
    """A second answer is 40060, a late one 10062, a dead token 50027."""
    clock = [1_700_000_000.0]
    async with DiscordServer(now=lambda: clock[0]) as server, aiohttp.ClientSession() as http:
        api = Api(server, http)
        body = {"content": "card", "components": [row(button())]}
        await api("POST", f"/channels/{server.general.id}/messages", body)
        [card] = server.messages(server.general)
        press = await server.press(card, server.ada, "x")
        callback = f"/interactions/{press.id}/{press.token}/callback"
        hook = f"/webhooks/{APPLICATION_ID}/{press.token}"
        early = await api("POST", hook, {"content": "x"}, token="")
        assert (early[0], early[1]["code"]) == (404, 10015)
        assert (await api("POST", callback, {"type": 6}, token=""))[0] == 204
        assert (await api("POST", callback, {"type": 6}, token=""))[1]["code"] == 40060
        clock[0] += 15 * 60 + 1
        assert (await api("POST", hook, {"content": "x"}, token=""))[1]["code"] == 50027
        late = await server.press(card, server.ada, "x")
        clock[0] += 3.5
        answer = await api("POST", f"/interactions/{late.id}/{late.token}/callback", {"type": 6})
        assert (answer[0], answer[1]["code"]) == (404, 10062)


async def test_unscripted_requests_fail_the_test() -> None:
    """A path nobody wrote a handler for is answered 404 and remembered."""
    with pytest.raises(AssertionError, match="unscripted"):
        async with DiscordServer() as server, aiohttp.ClientSession() as http:
            assert (await Api(server, http)("GET", "/guilds/1/roles"))[0] == 404


async def test_a_cut_answer_had_its_effect(api: Api) -> None:
    """The fault that loses the answer leaves the message standing."""
    server = api.server
    server.faults.add("POST /channels/{channel}/messages", CutAfter())
    with pytest.raises(aiohttp.ClientError):
        await api("POST", f"/channels/{server.general.id}/messages", {"content": "x"})
    assert [m.content for m in server.messages(server.general)] == ["x"]


# The gateway.


class Socket:
    """A bare gateway client."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj()
        self.binary = False

    async def next(self) -> Json:
        frame = await self.socket.receive(timeout=60)
        if frame.type is aiohttp.WSMsgType.BINARY:
            self.binary = True
            return json.loads(self._inflate.decompress(frame.data))  # type: ignore[no-any-return]
        assert frame.type is aiohttp.WSMsgType.TEXT, frame
        return json.loads(frame.data)  # type: ignore[no-any-return]

    async def send(self, op: int, d: Any) -> None:
        await self.socket.send_json({"op": op, "d": d})

    async def identify(self, *, token: str = TOKEN, intents: int = 0x9201) -> None:
        assert (await self.next())["op"] == 10
        await self.send(2, {"token": token, "intents": intents, "properties": {}})

    async def closed(self) -> int | None:
        frame = await self.socket.receive(timeout=60)
        assert frame.type is aiohttp.WSMsgType.CLOSE, frame
        return self.socket.close_code


@pytest.fixture
async def dial(
    server: DiscordServer,
) -> AsyncIterator[Callable[..., Any]]:
    async with aiohttp.ClientSession() as http:

        @asynccontextmanager
        async def connect(query: str = "v=10&encoding=json") -> AsyncIterator[Socket]:
            url = server.url.replace("http", "ws", 1) + f"/gateway?{query}"
            async with http.ws_connect(url) as socket:
                yield Socket(socket)

        yield connect


@pytest.mark.parametrize("compress", ["", "&compress=zlib-stream"])
async def test_identify_then_events(
    server: DiscordServer, dial: Callable[..., Any], compress: str
) -> None:
    """HELLO, IDENTIFY, READY, GUILD_CREATE and events come as text or as one zlib stream."""
    async with dial(f"v=10&encoding=json{compress}") as client:
        await client.identify()
        ready = await client.next()
        assert (ready["t"], ready["s"], ready["d"]["user"]["id"]) == ("READY", 1, str(BOT_ID))
        assert (await client.next())["t"] == "GUILD_CREATE"
        await client.send(1, 2)
        assert (await client.next())["op"] == 11
        await server.say(server.general, server.ada, "hi")
        event = await client.next()
        assert (event["t"], event["s"], event["d"]["content"]) == ("MESSAGE_CREATE", 3, "hi")
        assert event["d"]["member"]["roles"] == []
        assert client.binary is bool(compress)


async def test_resume_replays_what_was_lost(
    server: DiscordServer, dial: Callable[..., Any]
) -> None:
    """Events that never arrived, or fell into the gap, come again before RESUMED."""
    async with dial() as client:
        await client.identify()
        session = (await client.next())["d"]["session_id"]
        await client.next()
        server.gateway.lose_next = 1
        await server.say(server.general, server.ada, "lost on the way")
        await server.gateway.close(4000)
        assert await client.closed() == 4000
        await server.say(server.general, server.ada, "said in the gap")
    async with dial() as client:
        await client.next()
        await client.send(6, {"token": TOKEN, "session_id": session, "seq": 2})
        replayed = [await client.next() for _ in range(3)]
        assert [event["s"] for event in replayed] == [3, 4, 5]
        assert [event["d"].get("content") for event in replayed[:2]] == [
            "lost on the way",
            "said in the gap",
        ]
        assert replayed[2]["t"] == "RESUMED"


async def test_a_session_ends(server: DiscordServer, dial: Callable[..., Any]) -> None:
    """A clean close by the client, or a forgotten session, makes RESUME an op 9."""
    async with dial() as client:
        await client.identify()
        session = (await client.next())["d"]["session_id"]
        await client.socket.close(code=1000)
    await server.gateway.gone()
    async with dial() as client:
        await client.next()
        await client.send(6, {"token": TOKEN, "session_id": session, "seq": 1})
        assert await client.next() == {"op": 9, "d": False}


@pytest.mark.parametrize(
    ("token", "intents", "code"),
    [("wrong", 0x201, 4004), (TOKEN, 1 << 30, 4013), (TOKEN, 1 << 1, 4014)],
)
async def test_close_codes_of_identify(
    dial: Callable[..., Any], token: str, intents: int, code: int
) -> None:
    """Wrong token, impossible intents and forbidden ones close with their own code."""
    async with dial() as client:
        await client.identify(token=token, intents=intents)
        assert await client.closed() == code


async def test_content_needs_its_intent(server: DiscordServer, dial: Callable[..., Any]) -> None:
    """Without message content, text arrives only in direct messages and mentions of us."""
    async with dial() as client:
        await client.identify(intents=(1 << 0) | (1 << 9) | (1 << 12))
        await client.next()
        await client.next()
        await server.say(server.general, server.ada, "not for you")
        await server.say(server.general, server.ada, f"<@{BOT_ID}> for you")
        await server.say(server.dm(server.ada), server.ada, "direct")
        texts = [(await client.next())["d"]["content"] for _ in range(3)]
        assert texts == ["", f"<@{BOT_ID}> for you", "direct"]


async def test_events_follow_the_intents(server: DiscordServer, dial: Callable[..., Any]) -> None:
    """A client without direct-message intent hears no direct messages, but every interaction."""
    async with dial() as client:
        await client.identify(intents=(1 << 0) | (1 << 9))
        await client.next()
        await client.next()
        await server.say(server.dm(server.ada), server.ada, "direct")
        file = UploadedFile(id=server.world.ids.next(), name="a.txt", mime="text/plain", data=b"x")
        said = await server.say(server.general, server.ada, "with file", files=[file])
        await server.edit(said, "changed")
        await server.react(said, server.ada, "👍")
        await server.delete(said)
        names = [(await client.next())["t"] for _ in range(3)]
        assert names == ["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"]


async def test_the_page_shows_and_says(server: DiscordServer) -> None:
    """A person reads a chat, writes into it and presses a button on the page."""
    async with aiohttp.ClientSession() as http:
        async with http.get(server.url + "/") as page:
            assert "Loopback Discord" in await page.text()
        api = Api(server, http)
        body = {"content": "card", "components": [row(button("Yes", "y"))]}
        await api("POST", f"/channels/{server.general.id}/messages", body)
        chat, user = str(server.general.id), str(server.ada.id)
        said = {"chat": chat, "user": user, "text": "@bot hi"}
        async with http.post(server.url + "/console/say", data=json.dumps(said)) as answer:
            assert answer.status == 204
        async with http.get(f"{server.url}/console/state?chat={chat}&user={user}") as answer:
            state = await answer.json()
        assert [message["content"] for message in state["messages"]] == [
            "card",
            f"<@{BOT_ID}> hi",
        ]
        pressed = {"message": state["messages"][0]["id"], "user": user, "custom_id": "y"}
        async with http.post(server.url + "/console/press", data=json.dumps(pressed)) as answer:
            assert answer.status == 204
        assert server.interactions.all[0].data["custom_id"] == "y"


async def test_a_nonce_is_told_with_a_new_message_only(server: DiscordServer, api: Api) -> None:
    """The answer to its post has it, and a repeat's; the history has not."""
    place = f"/channels/{server.general.id}/messages"
    body = {"content": "x", "nonce": "n1", "enforce_nonce": True}
    for _ in range(2):
        _, made, _ = await api("POST", place, body)
        assert made["nonce"] == "n1"
    _, [listed], _ = await api("GET", place)
    assert "nonce" not in listed


async def test_an_answer_may_break_behind_its_head(server: DiscordServer, api: Api) -> None:
    """The message stands, its sender gets half of what it says."""
    server.breaks.add("POST /channels/{channel}/messages", "cut in the body")
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("POST", f"/channels/{server.general.id}/messages", {"content": "x"})
    assert [message.content for message in server.messages(server.general)] == ["x"]
