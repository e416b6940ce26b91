"""The page over HTTP: what a browser without script gets, and what every form is answered."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import aiohttp
import pytest

from platforms.content import Button, Edit, Post, Typing
from platforms.events import ButtonPressed, CommandInvoked, MessageReceived, MessageRef, Receipt
from platforms.markup import parse
from platforms.web.feed import Patience
from platforms.web.history import Answering
from platforms.web.limits import FORM_LIFE_S
from platforms.web.parse import chat_of
from tests.platforms.web.stand_in import Running, StandInGateway, new_conversation, running_page

CHAT = "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"


class Forms:
    """A browser without script: follows links, fills in the forms it was given."""

    def __init__(self, page: Running) -> None:
        self.page = page
        self.html = ""
        self.url = ""

    async def open(self, path: str) -> None:
        """Load a page."""
        async with self.page.client.get(path) as answer:
            assert answer.status == 200
            self.html, self.url = await answer.text(), answer.url.path

    async def submit(
        self,
        name: str,
        values: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        **fields: str,
    ) -> None:
        """Send the form whose action ends with `name`, redirects followed."""
        action, inputs = self.form(name)
        data = {**inputs, **(values or {}), **fields}
        async with self.page.client.post(action, data=data) as answer:
            assert answer.status == status, await answer.text()
            self.html, self.url = await answer.text(), answer.url.path

    def form(self, name: str) -> tuple[str, dict[str, str]]:
        """Where a form goes and its hidden fields."""
        form = next(
            found
            for found in re.findall(r"<form.*?</form>", self.html, re.DOTALL)
            if f'/{name}"' in found
        )
        inputs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        action = re.search(r'action="([^"]*)"', form)
        assert action
        return action[1], {key: unescape(value) for key, value in inputs}


async def test_a_conversation_without_script() -> None:
    """Write, be redirected, see the answer after loading again; the page reloads while it grows."""
    async with running_page() as page:
        browser = Forms(page)
        await browser.open("/")
        assert "http-equiv" not in browser.html
        await browser.submit("messages", text="What is <this>?\r\nTell me.")
        event = await page.gateway.event(0)
        assert isinstance(event, MessageReceived)
        assert event.text == "What is <this>?\nTell me."
        assert browser.url == f"/chat/{event.chat.chat_id}"
        assert "What is &lt;this&gt;?" in browser.html
        assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in browser.html
        assert "Working on it…" in browser.html
        await page.answer(event.chat, "It", "It is **this**.")
        await browser.open(browser.url)
        assert "It is <strong>this</strong>." in browser.html
        assert "http-equiv" not in browser.html


async def test_the_first_page_says_who_answers() -> None:
    """A model by its name and provider; the demo as what it is, with something to try."""
    gateway = StandInGateway()
    async with running_page(gateway) as page:
        browser = Forms(page)
        await browser.open("/")
        assert "Answers come from <strong>gpt-5</strong> (provider main)." in browser.html
        gateway.answering_now = Answering(
            provider="demo", model="demo", demo=True, examples=("Show a table",)
        )
        await browser.open("/")
        assert "a <strong>scripted demonstration</strong>: no model is asked" in browser.html
        await browser.submit("messages", text="", example="Show a table")
        event = await gateway.event(0)
        assert isinstance(event, MessageReceived)
        assert event.text == "Show a table"


async def test_chats_are_listed_and_kept_apart() -> None:
    """Each conversation has its address, its memory and its line in the list."""
    async with running_page() as page:
        browser = Forms(page)
        for text in ("first words", "second words"):
            await browser.open("/")
            await browser.submit("messages", text=text)
        assert "second words" in browser.html
        assert browser.html.count("first words") == 1
        links = re.findall(r'<a href="(/chat/[^"]*)"( aria-current="page")?>', browser.html)
        assert [current for _, current in links] == [' aria-current="page"', ""]
        await browser.open(links[1][0])
        assert browser.html.count("first words") == 4  # both titles, list, message
        async with page.client.get("/chats", params={"current": links[0][0][6:]}) as answer:
            listed = await answer.text()
        assert listed.startswith('<ul class="list"')
        assert listed.count("aria-current") == 1


async def test_stop_without_script() -> None:
    """The Stop button is there while work goes on, and its press is a command."""
    async with running_page() as page:
        browser = Forms(page)
        await browser.open(f"/chat/{CHAT}")
        assert re.search(r'<form[^>]*id="stop"[^>]* hidden>', browser.html)
        await page.adapter.perform(Typing(chat=chat_of("local", CHAT), label="files list"))
        await browser.open(f"/chat/{CHAT}")
        assert re.search(r'<form[^>]*id="stop">', browser.html)
        assert "Working on it… files list" in browser.html
        await browser.submit("stop")
        event = await page.gateway.event(0)
        assert isinstance(event, CommandInvoked)
        assert (event.name, event.chat.chat_id) == ("stop", CHAT)


@pytest.mark.warp
async def test_press_without_script() -> None:
    """A button under a message is a form of its own; its payload comes back unchanged."""
    async with running_page(patience=Patience(answer_s=0.05)) as page:
        chat = chat_of("local", CHAT)
        button = Button(label="Approve", payload="a:tok~1", style="primary")
        await page.adapter.perform(
            Post(chat=chat, body=parse("May I?"), nonce="card1", controls=((button,),))
        )
        browser = Forms(page)
        await browser.open(f"/chat/{CHAT}")
        assert '<button class="button primary" name="payload" value="a:tok~1">' in browser.html
        await browser.submit("press", payload="a:tok~1")
        event = await page.gateway.event(0)
        assert isinstance(event, ButtonPressed)
        assert (event.payload, event.card) == (
            "a:tok~1",
            MessageRef(chat=chat, message_id="card1"),
        )


async def test_busy_keeps_the_words() -> None:
    """When nothing can be stored the answer is 503, and the page has the text and its key again."""
    async with running_page() as page:
        browser = Forms(page)
        await browser.open(f"/chat/{CHAT}")
        key = browser.form("messages")[1]["key"]
        page.gateway.receipt = Receipt.BUSY
        await browser.submit("messages", status=503, text="precious <words>")
        assert "could not store this just now" in browser.html
        assert "precious &lt;words&gt;</textarea>" in browser.html
        assert browser.form("messages")[1]["key"] == key
        assert "http-equiv" not in browser.html  # nothing is going on
        page.gateway.receipt = Receipt.STORED
        await browser.submit("messages", text="precious <words>")
        event = await page.gateway.event(0)
        assert event.delivery_key == key


async def test_unwanted_says_so() -> None:
    """Who is on no list is told, and nothing is shown as if it had been taken."""
    async with running_page() as page:
        page.gateway.receipt = Receipt.UNWANTED
        browser = Forms(page)
        await browser.open(f"/chat/{CHAT}")
        await browser.submit("messages", status=403, text="hello")
        assert "not on the list" in browser.html
        assert "<article" not in browser.html.split("<template")[0]


async def test_an_old_page_keeps_the_words() -> None:
    """After a day, or without its cookie, a form is refused, and the new page has its text."""
    clock = [datetime.now(UTC)]
    async with running_page(now=lambda: clock[0]) as page:
        browser = Forms(page)
        await browser.open(f"/chat/{CHAT}")
        clock[0] += timedelta(seconds=FORM_LIFE_S + 1)
        await browser.submit("messages", status=403, text="still here")
        assert "open for too long" in browser.html
        assert "still here</textarea>" in browser.html
        assert page.gateway.deliveries == []
        await browser.submit("messages", text="still here")
        assert len(page.gateway.deliveries) == 1


async def test_blank_is_not_sent() -> None:
    """A message needs words."""
    async with running_page() as page:
        browser = Forms(page)
        await browser.open("/")
        await browser.submit("messages", status=400, text=" \r\n ")
        assert "nothing to send yet" in browser.html
        assert page.gateway.deliveries == []


async def post(
    page: Running, path: str, fields: dict[str, str]
) -> tuple[int, dict[str, str], aiohttp.ClientResponse]:
    """A form as the script sends it."""
    async with page.client.post(f"/chat/{CHAT}/{path}", json=fields) as answer:
        return answer.status, await answer.json(), answer


async def fresh_token(page: Running) -> str:
    """What the script asks for when its own is stale."""
    async with page.client.get("/form") as answer:
        return str((await answer.json())["token"])


async def test_acknowledged_only_after_stored() -> None:
    """The 202 does not leave before the journal has the message."""
    async with running_page() as page:
        token = await fresh_token(page)
        page.gateway.admits.clear()
        fields = {"token": token, "key": str(uuid4()), "text": "hi"}
        sending = asyncio.create_task(post(page, "messages", fields))
        await page.gateway.asked.wait()
        assert not sending.done()
        page.gateway.admits.set()
        status, told, _ = await sending
        assert (status, told) == (202, {"key": fields["key"], "chat": CHAT})


async def test_the_same_message_again_is_one_message() -> None:
    """A repeated UUID is acknowledged again under the same keys, and shown once as it first was."""
    async with running_page() as page:
        token, key = await fresh_token(page), str(uuid4())
        for text in ("hi", "hi", "other words"):
            status, _, _ = await post(page, "messages", {"token": token, "key": key, "text": text})
            assert status == 202
        events = [await page.gateway.event(number) for number in range(3)]
        assert {event.delivery_key for event in events} == {key}
        assert [event.order[1] for event in events] == [0, 1, 2]
        async with page.client.get(f"/chat/{CHAT}") as answer:
            html = await answer.text()
        assert html.count(f'id="m-{key}"') == 1
        assert "other words" not in html


async def test_three_at_once_are_one_message() -> None:
    """Several copies in flight together make one message on the page."""
    async with running_page() as page:
        fields = {"token": await fresh_token(page), "key": str(uuid4()), "text": "hi"}
        answers = await asyncio.gather(*(post(page, "messages", fields) for _ in range(3)))
        assert [status for status, _, _ in answers] == [202] * 3
        async with page.client.get(f"/chat/{CHAT}") as answer:
            assert (await answer.text()).count(f'id="m-{fields["key"]}"') == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"token": ""}, 403, "stale"),
        ({"token": "1.x"}, 403, "stale"),
        ({"text": " "}, 400, "empty"),
        ({"key": "1"}, 400, "malformed"),
    ],
)
async def test_the_script_is_told_what_is_wrong(
    change: dict[str, str], status: int, code: str
) -> None:
    """A sentence for the person and a code for the script; nothing is stored."""
    async with running_page() as page:
        fields = {"token": await fresh_token(page), "key": str(uuid4()), "text": "hi", **change}
        got, told, _ = await post(page, "messages", fields)
        assert (got, told["code"]) == (status, code)
        assert told["error"].endswith(".")
        assert page.gateway.deliveries == []


async def test_a_token_of_another_browser_is_worth_nothing() -> None:
    """What another browser was given does not prove this one's form."""
    async with running_page() as page:
        async with aiohttp.ClientSession(page.url) as other, other.get("/form") as answer:
            foreign = (await answer.json())["token"]
        await fresh_token(page)
        fields = {"token": foreign, "key": str(uuid4()), "text": "hi"}
        status, told, _ = await post(page, "messages", fields)
        assert (status, told["code"]) == (403, "stale")


async def test_busy_says_when_to_come_again() -> None:
    """The script gets 503 with Retry-After, also while no gateway takes messages."""
    async with running_page() as page:
        page.gateway.receipt = Receipt.BUSY
        fields = {"token": await fresh_token(page), "key": str(uuid4()), "text": "hi"}
        status, told, answer = await post(page, "messages", fields)
        assert (status, told["code"], answer.headers["Retry-After"]) == (503, "busy", "2")


@pytest.mark.parametrize(
    "path",
    [
        "/chat/nonsense",
        f"/chat/{CHAT.upper()}",
        f"/chat/{CHAT[:-1]}-",
        f"/chat/{CHAT}/files/none",
        "/static/secrets.txt",
        "/static/..%2fclient.py",
        "/nowhere",
    ],
)
async def test_what_is_not_there_is_not_there(path: str) -> None:
    """An address that cannot be is a plain 404."""
    async with running_page() as page, page.client.get(path) as answer:
        assert answer.status == 404


async def test_static_files_are_kept_by_content() -> None:
    """The page names them with their hash; under that address they may be kept for ever."""
    async with running_page() as page:
        async with page.client.get("/") as answer:
            urls = re.findall(r'"(/static/app\.[^"]*)"', await answer.text())
        assert len(urls) == 2
        for url in urls:
            async with page.client.get(url) as answer:
                assert "immutable" in answer.headers["Cache-Control"]
            async with page.client.get(url + "0") as answer:
                assert answer.headers["Cache-Control"] == "no-cache"


async def test_an_edit_of_a_message_nobody_remembers_shows_it() -> None:
    """After a restart the first thing heard of a message may be its last edit."""
    async with running_page() as page:
        chat = chat_of("local", new_conversation())
        message = MessageRef(chat=chat, message_id="old1")
        page.gateway.remember(message, parse("stored"))
        page.gateway.owners[chat.chat_id] = "local"
        await page.adapter.perform(Edit(message=message, body=parse("final")))
        async with page.client.get(f"/chat/{chat.chat_id}") as answer:
            html = await answer.text()
        assert html.count('id="m-old1"') == 1
        assert "final" in html
        assert "stored" not in html
