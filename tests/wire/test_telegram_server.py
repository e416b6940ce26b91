"""The loopback Bot API server keeps the documented rules; plain HTTP is the client here."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.wire.telegram import Asking, Rates, TelegramServer
from tests.wire.telegram.rules import Refusal, format_text

ADA = 1001
TEAM = -100500


class Client:
    """Calls methods the way any HTTP client would."""

    def __init__(self, server: TelegramServer, session: aiohttp.ClientSession) -> None:
        self._root = f"{server.url}/bot{server.token}"
        self._session = session

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """The whole envelope of one call."""
        async with self._session.post(f"{self._root}/{method}", json=arguments) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == answer.get("error_code", 200)
            return answer


@pytest.mark.parametrize(
    ("text", "entities", "words"),
    [
        ("", None, "message text is empty"),
        (" \n ", None, "message text is empty"),
        ("🎉" * 2049, None, "message is too long"),
        ("ab", [{"type": "bold", "offset": 1, "length": 2}], "ends after the end of the text"),
        ("🎉", [{"type": "bold", "offset": 1, "length": 1}], "in a middle of a symbol"),
        ("ab", [{"type": "bold", "offset": -1, "length": 1}], "incorrect offset"),
        ("ab", [{"type": "loud", "offset": 0, "length": 1}], "unsupported type"),
        ("ab", [{"type": "bold", "offset": 0, "length": 1}] * 101, "ENTITIES_TOO_LONG"),
    ],
)
def test_text_is_refused(text: str, entities: Any, words: str) -> None:
    """Lengths, bounds and counts are those of the Bot API, in UTF-16 units."""
    with pytest.raises(Refusal, match=words):
        format_text(text, entities, limit=4096)


@pytest.mark.parametrize(
    ("text", "entities", "pings"),
    [
        ("hi @somebody!", None, ["@somebody"]),
        ("@abc and @gif", None, ["@gif"]),
        ("mail a@somebody.org", None, []),
        ("@\u2060somebody", None, []),
        ("@somebodyé", None, []),
        ("@somebody", [{"type": "code", "offset": 0, "length": 9}], []),
        ("x", [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": 5}}], ["user:5"]),
        (
            "x",
            [{"type": "text_link", "offset": 0, "length": 1, "url": "tg://user?id=5"}],
            ["tg://user?id=5"],
        ),
    ],
)
def test_mentions_are_found_in_plain_text(text: str, entities: Any, pings: list[str]) -> None:
    """A name in plain text notifies its owner unless it stands in code or after a letter."""
    assert list(format_text(text, entities, limit=4096).mentions) == pings


def test_text_is_cleaned_and_trimmed_with_its_entities() -> None:
    """Outer blanks go, carriage returns vanish, entity offsets follow."""
    entities = [{"type": "bold", "offset": 4, "length": 2}]
    made = format_text(" \r\nx🎉 ", entities, limit=4096)
    assert made.text == "x🎉"
    assert made.entities == ({"type": "bold", "offset": 1, "length": 2},)


async def test_updates_stay_until_an_offset_confirms_them() -> None:
    """The same batch comes again for the same offset and is gone for the next one."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        await server.say(chat=ADA, user=ADA, text="one")
        await server.say(chat=ADA, user=ADA, text="two")
        first = (await client.call("getUpdates"))["result"]
        assert [update["message"]["text"] for update in first] == ["one", "two"]
        hasty = (await client.call("getUpdates"))["result"]
        assert hasty == first[:1], "the same offset within half a second gives one update"
        rest = (await client.call("getUpdates", offset=first[0]["update_id"] + 1))["result"]
        assert rest == first[1:]


async def test_ids_may_jump_down() -> None:
    """After an idle week ids are drawn anew and an old offset confirms nothing."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        await server.say(chat=ADA, user=ADA, text="one")
        (update,) = (await client.call("getUpdates"))["result"]
        assert (await client.call("getUpdates", offset=update["update_id"] + 1))["result"] == []
        server.jump_ids(7)
        await server.say(chat=ADA, user=ADA, text="two")
        after = (await client.call("getUpdates", offset=update["update_id"] + 1))["result"]
        assert [update["update_id"] for update in after] == [7]


async def test_the_second_poller_ends_the_first() -> None:
    """The waiting poll gets 409, the new one goes on waiting."""
    async with TelegramServer(conflict_gap_s=0) as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        first = asyncio.create_task(client.call("getUpdates", timeout=30))
        await server.seen(lambda seen: seen.operation == "getUpdates")
        second = asyncio.create_task(client.call("getUpdates", timeout=30))
        assert (await first)["error_code"] == 409
        await server.say(chat=ADA, user=ADA, text="one")
        assert len((await second)["result"]) == 1


async def test_rates_answer_429_with_a_hint() -> None:
    """A group takes 20 messages a minute, a chat a short burst; time is the test's."""
    now = 100.0
    rates = Rates(chat_burst=100, chat_per_s=100)
    server = TelegramServer(rates=rates, clock=lambda: now)
    async with server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        server.group(TEAM)
        for number in range(20):
            assert (await client.call("sendMessage", chat_id=TEAM, text=str(number)))["ok"]
            now += 1.125
        answer = await client.call("sendMessage", chat_id=TEAM, text="over")
        assert answer["parameters"] == {"retry_after": 38}
        now += 38
        assert (await client.call("sendMessage", chat_id=TEAM, text="over"))["ok"]


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("sendMessage", {"chat_id": 5, "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": TEAM, "text": "x", "message_thread_id": 1}, "thread not found"),
        ("editMessageText", {"chat_id": TEAM, "message_id": 99, "text": "x"}, "to edit not found"),
        ("editMessageText", {"chat_id": TEAM, "message_id": 2, "text": "x"}, "can't be edited"),
        ("deleteMessage", {"chat_id": TEAM, "message_id": 99}, "to delete not found"),
        ("answerCallbackQuery", {"callback_query_id": "1"}, "query is too old"),
        ("getFile", {"file_id": "nothing"}, "wrong file_id"),
        ("setMyCommands", {"commands": [{"command": "New!", "description": "x"}]}, "INVALID"),
        ("sendMessage", {"chat_id": TEAM, "text": "x", "parse_mode": "HTML"}, "parse entities"),
        (
            "sendMessage",
            {"chat_id": TEAM, "text": "x", "reply_parameters": {"message_id": 99}},
            "to be replied not found",
        ),
        (
            "sendMessage",
            {
                "chat_id": TEAM,
                "text": "x",
                "reply_markup": {
                    "inline_keyboard": [[{"text": "b", "callback_data": "é" * 33}]],
                },
            },
            "BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            {
                "chat_id": TEAM,
                "text": "x",
                "reply_markup": {
                    "inline_keyboard": [[{"text": "b", "callback_data": "x", "style": "loud"}]],
                },
            },
            "invalid button style",
        ),
        (
            "sendMessage",
            {
                "chat_id": TEAM,
                "text": "x",
                "reply_markup": {"force_reply": True, "input_field_placeholder": "x" * 65},
            },
            "1 to 64 characters",
        ),
        (
            "sendMessage",
            {"chat_id": TEAM, "text": "x", "reply_markup": {"keyboard": [["a"]]}},
            "offers inline keyboards and forced replies",
        ),
        ("getChatMember", {"chat_id": TEAM, "user_id": 99}, "PARTICIPANT_ID_INVALID"),
        ("getChatMember", {"chat_id": 5, "user_id": ADA}, "chat not found"),
    ],
)
async def test_methods_refuse(method: str, arguments: dict[str, Any], words: str) -> None:
    """Each documented refusal has its own words and status 400."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        server.group(TEAM, forum=True)
        await server.say(chat=TEAM, user=ADA, text="people's own")
        answer = await client.call(method, **arguments)
        assert answer["error_code"] == 400
        assert words in answer["description"]


async def test_a_forced_reply_is_shown_to_whom_it_names() -> None:
    """Selective: who is named and whom it replies to; else everybody. Strangers are not named."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        server.group(TEAM)
        said = await server.say(chat=TEAM, user=ADA, text="hi")
        named = {"type": "text_mention", "offset": 0, "length": 1, "user": {"id": ADA}}
        stranger = {"type": "text_mention", "offset": 1, "length": 1, "user": {"id": 99}}
        reply = {"force_reply": True, "selective": True, "input_field_placeholder": "why"}
        prompts: tuple[dict[str, Any], ...] = (
            {"entities": [named, stranger], "reply_markup": reply},
            {"reply_parameters": {"message_id": said}, "reply_markup": reply},
            {"reply_markup": {"force_reply": True}},
            {"entities": [stranger], "reply_markup": reply},
        )
        for more in prompts:
            assert (await client.call("sendMessage", chat_id=TEAM, text="ab", **more))["ok"]
        assert [shown.asking for shown in server.ours(TEAM)] == [
            Asking(placeholder="why", people=(ADA,)),
            Asking(placeholder="why", people=(ADA,)),
            Asking(placeholder="", people=None),
            Asking(placeholder="why", people=()),
        ]
        place = {"chat_id": TEAM, "message_id": server.ours(TEAM)[0].message_id}
        for method in ("editMessageText", "editMessageReplyMarkup"):
            answer = await client.call(method, text="x", **place)
            assert "can't be edited" in answer["description"]


async def test_who_administers_a_chat() -> None:
    """Creator and administrators are listed; a group may hide its members from other bots."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        room = server.group(TEAM)
        server.rank(TEAM, ADA, "creator")
        server.rank(TEAM, 1002, "administrator", anonymous=True)
        server.rank(TEAM, 1003, "restricted")
        listed = (await client.call("getChatAdministrators", chat_id=TEAM))["result"]
        assert [(member["user"]["id"], member["status"]) for member in listed] == [
            (ADA, "creator"),
            (1002, "administrator"),
        ]
        assert listed[1]["is_anonymous"] is True
        room.members_hidden = True
        answer = await client.call("getChatMember", chat_id=TEAM, user_id=1003)
        assert "inaccessible" in answer["description"]
        server.rank(TEAM, server.world.us.id, "administrator")
        answer = await client.call("getChatMember", chat_id=TEAM, user_id=1003)
        assert answer["result"]["status"] == "restricted"
        await server.say(chat=ADA, user=ADA, text="hi")
        answer = await client.call("getChatAdministrators", chat_id=ADA)
        assert "no administrators in the private chat" in answer["description"]


async def test_an_answer_to_a_press_is_short() -> None:
    """Two hundred units are taken, one more is refused, and a press is answered once."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        await server.say(chat=ADA, user=ADA, text="hi")
        keys = {"inline_keyboard": [[{"text": "b", "callback_data": "x"}]]}
        await client.call("sendMessage", chat_id=ADA, text="?", reply_markup=keys)
        (shown,) = server.ours(ADA)
        press = await server.press(chat=ADA, user=ADA, message_id=shown.message_id)
        words = {"callback_query_id": press, "show_alert": True}
        long = await client.call("answerCallbackQuery", text="x" * 201, **words)
        assert (long["error_code"], long["description"]) == (400, "Bad Request: MESSAGE_TOO_LONG")
        assert (await client.call("answerCallbackQuery", text="x" * 200, **words))["ok"]
        again = await client.call("answerCallbackQuery", text="x", **words)
        assert "query is too old" in again["description"]


async def test_a_press_on_what_is_gone_says_little() -> None:
    """Chat, number and a date of zero; what was on the presser's screen is what they pressed."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        await server.say(chat=ADA, user=ADA, text="hi")
        keys = {"inline_keyboard": [[{"text": "b", "callback_data": "x"}]]}
        await client.call("sendMessage", chat_id=ADA, text="?", reply_markup=keys)
        (shown,) = server.ours(ADA)
        place = {"chat_id": ADA, "message_id": shown.message_id}
        await client.call("editMessageText", text="over", **place)
        with pytest.raises(AssertionError, match="no such button"):
            await server.press(chat=ADA, user=ADA, message_id=shown.message_id)
        await server.press(chat=ADA, user=ADA, message_id=shown.message_id, state=0)
        await client.call("deleteMessage", **place)
        await server.press(chat=ADA, user=ADA, message_id=shown.message_id, state=0)
        updates = (await client.call("getUpdates", offset=1))["result"]
        stale, gone = (update["callback_query"] for update in updates[-2:])
        assert (stale["data"], stale["message"]["text"]) == ("x", "over")
        assert gone["message"] == {
            "chat": {"id": ADA, "type": "private", "first_name": f"Person {ADA}"},
            "message_id": shown.message_id,
            "date": 0,
        }


@pytest.mark.parametrize(
    ("text", "entities", "links"),
    [
        ("see https://a.example/x, then", None, ["https://a.example/x,"]),
        ("script train.py, 61 lines", None, ["train.py"]),
        ("train.py", [{"type": "code", "offset": 0, "length": 8}], []),
        ("mail a@b.com", None, []),
        (
            "x",
            [{"type": "text_link", "offset": 0, "length": 1, "url": "https://a.example"}],
            ["https://a.example"],
        ),
    ],
)
def test_addresses_in_plain_text_are_tappable(text: str, entities: Any, links: list[str]) -> None:
    """Also names of files that end like a domain; only code is left alone."""
    assert list(format_text(text, entities, limit=4096).links) == links


async def test_blocked_kicked_and_moved_chats() -> None:
    """403 with the reason; a migrated group names its new id."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        await server.say(chat=ADA, user=ADA, text="hi")
        await server.set_bot_status(ADA, "blocked")
        answer = await client.call("sendMessage", chat_id=ADA, text="x")
        assert (answer["error_code"], "blocked by the user" in answer["description"]) == (403, True)
        server.group(-7)
        new = await server.migrate(-7)
        answer = await client.call("sendMessage", chat_id=-7, text="x")
        assert answer["parameters"] == {"migrate_to_chat_id": new}


async def test_wrong_token_and_unknown_method() -> None:
    """A wrong token is 401; a method nobody scripted fails the test at the end."""
    with pytest.raises(AssertionError, match="sendCoins"):
        async with TelegramServer() as server, aiohttp.ClientSession() as session:
            async with session.post(f"{server.url}/bot1:wrong/getMe") as response:
                assert response.status == 401
            answer = await Client(server, session).call("sendCoins")
            assert answer["error_code"] == 404


async def test_webhook_keeps_order_per_chat_and_retries_on_the_tests_clock() -> None:
    """A failing update holds back its own chat only and comes again when the clock moves."""
    got: list[tuple[str, str]] = []
    broken = True

    async def hook(request: web.Request) -> web.Response:
        body = await request.json()
        secret = request.headers["X-Telegram-Bot-Api-Secret-Token"]
        text = body["message"]["text"]
        if broken and text == "one":
            return web.Response(status=503)
        got.append((secret, text))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        assert (await client.call("setWebhook", url=url, secret_token="s3cret"))["ok"]
        assert (await client.call("getUpdates"))["error_code"] == 409
        await server.say(chat=ADA, user=ADA, text="one")
        await server.say(chat=ADA, user=ADA, text="two")
        await server.say(chat=2002, user=2002, text="other")
        await server.seen(lambda seen: seen.operation == "webhook" and seen.status == 200)
        while len(server.requests("webhook")) < 3:
            await server.seen(lambda seen: seen.operation == "webhook", since=len(server.record))
        assert got == [("s3cret", "other")]
        info = (await client.call("getWebhookInfo"))["result"]
        assert info["pending_update_count"] == 2
        assert info["last_error_message"] == "Wrong response from the webhook: 503"
        broken = False
        server.advance(2.0)
        await server.seen(
            lambda seen: (
                seen.operation == "webhook" and seen.arguments["update"]["message"]["text"] == "two"
            )
        )
        assert [text for _, text in got] == ["other", "one", "two"]
    await runner.cleanup()


async def test_privacy_mode_hides_group_chatter() -> None:
    """Only commands and replies to the bot arrive from a group in privacy mode."""
    async with TelegramServer(privacy=True) as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        server.group(TEAM)
        await server.say(chat=TEAM, user=ADA, text="chatter @gatepost_bot")
        await server.say(chat=TEAM, user=ADA, text="/help")
        updates = (await client.call("getUpdates"))["result"]
        assert [update["message"]["text"] for update in updates] == ["/help"]


async def test_the_page_shows_and_takes_words() -> None:
    """A person's browser reads the chat, writes and presses."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/") as response:
            assert "Telegram on loopback" in await response.text()
        form = {"chat": "1001", "user": "1001", "text": "from the page"}
        async with session.post(f"{server.url}/page/say", data=form) as response:
            assert response.status == 200
        async with session.get(f"{server.url}/page/state") as response:
            (room,) = await response.json()
        assert [message["text"] for message in room["messages"]] == ["from the page"]


async def test_the_page_asks_and_tells() -> None:
    """A prompt, a private answer and who administers are there for a person to see and fill in."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        await server.say(chat=ADA, user=ADA, text="hi")
        keys = {"inline_keyboard": [[{"text": "b", "callback_data": "x", "style": "danger"}]]}
        await client.call("sendMessage", chat_id=ADA, text="?", reply_markup=keys)
        reply = {"force_reply": True, "selective": True, "input_field_placeholder": "why"}
        named = [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": ADA}}]
        await client.call(
            "sendMessage", chat_id=ADA, text="why?", entities=named, reply_markup=reply
        )
        card, prompt = server.ours(ADA)
        who = {"chat": str(ADA), "user": str(ADA)}
        for action, fields in (
            ("press", {"message": str(card.message_id), "data": "x"}),
            ("fill", {"message": str(prompt.message_id), "text": "because"}),
            ("promote", {}),
        ):
            async with session.post(f"{server.url}/page/{action}", data=who | fields) as response:
                assert response.status == 200
        (press,) = server.methods.presses
        await client.call(
            "answerCallbackQuery", callback_query_id=press, text="no", show_alert=True
        )
        async with session.get(f"{server.url}/page/state") as response:
            (room,) = await response.json()
        assert room["notices"] == [{"user": ADA, "text": "no", "alert": True}]
        assert room["admins"] == [ADA]
        assert room["messages"][1]["keyboard"][0][0]["style"] == "danger"
        assert room["messages"][2]["asking"] == {"placeholder": "why", "people": [ADA]}
        answer = server.messages(ADA)[-1]
        assert (answer.text, answer.reply_to) == ("because", prompt.message_id)
