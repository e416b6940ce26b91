"""The gateway restarts under an open page: nothing is shown twice, nothing is lost."""

import asyncio
from uuid import uuid4

import aiohttp

from platforms.blocks import plain
from platforms.content import Button, Edit, Post, Typing, Upload
from platforms.events import MessageRef
from platforms.web.history import StoredFile
from platforms.web.parse import chat_of
from tests.platforms.web.browser_model import BrowserModel
from tests.platforms.web.stand_in import AT_ONCE_S, Running, StandInGateway, running_page
from tests.platforms.web.test_feed import Reader, reader

CHAT = chat_of("local", "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11")
GO = Button(label="Go", payload="q:1:again")


async def comes_back(page: Running, before: Reader) -> Reader:
    """The browser renews the stream of a page that stays open, with the id it has seen last."""
    headers = {"Last-Event-ID": before.events.last_id}
    answer = await page.client.get(f"/chat/{CHAT.chat_id}/events", headers=headers)
    after = Reader(answer)
    after.model = before.model
    return after


async def say(page: Running, key: str, text: str) -> int:
    """The page sends a message; the status of the answer."""
    async with page.client.get("/form") as answer:
        token = (await answer.json())["token"]
    fields = {"token": token, "key": key, "text": text}
    async with page.client.post(f"/chat/{CHAT.chat_id}/messages", json=fields) as sent:
        return sent.status


def shown(model: BrowserModel) -> list[str]:
    """The messages in their order, each as its first block."""
    return ["".join(blocks) for blocks in model.messages.values()]


async def test_an_open_page_goes_on_after_a_restart() -> None:
    """What stood comes from the store; what was under way goes on in its place."""
    gateway = StandInGateway()
    key = str(uuid4())
    async with running_page(gateway) as page, reader(page) as open_page:
        assert await say(page, key, "hello") == 202
        await page.answer(CHAT, "Hello.")
        anchor = MessageRef(chat=CHAT, message_id="a2")
        await page.adapter.perform(Post(chat=CHAT, body=plain("Working"), nonce="a2"))
        gateway.remember(anchor, plain("Working"))
        await page.adapter.perform(Edit(message=anchor, body=plain("Working on half")))
        while "Working on half" not in str(shown(open_page.model)):
            await open_page.until("mark")
    names = list(open_page.model.messages)
    async with running_page(gateway) as page:
        again = await comes_back(page, open_page)
        await again.until("reset")
        assert shown(again.model)[2] == "<p>Working</p>"
        # The outbox settles what was in doubt, and the answer becomes whole.
        await page.adapter.perform(Post(chat=CHAT, body=plain("Working"), nonce="a2"))
        await page.adapter.perform(Edit(message=anchor, body=plain("All of it.")))
        # The page sends what it got no answer for once more.
        assert await say(page, key, "hello") == 202
        await page.adapter.perform(Post(chat=CHAT, body=plain("And more."), nonce="a3"))
        while "And more." not in str(shown(again.model)):
            await again.until("mark")
        again.answer.close()
    assert shown(again.model) == [
        '<p class="plain">hello</p>',
        "<p>Hello.</p>",
        "<p>All of it.</p>",
        "<p>And more.</p>",
    ]
    assert list(again.model.messages) == [*names, "a3"]


async def test_what_came_between_is_there_once() -> None:
    """An answer that was stored and never pushed to this page is in what it gets anew."""
    gateway = StandInGateway()
    async with running_page(gateway) as page, reader(page) as open_page:
        await say(page, str(uuid4()), "hello")
        await open_page.until("mark")
    gateway.remember(MessageRef(chat=CHAT, message_id="a1"), plain("You missed this."))
    async with running_page(gateway) as page:
        again = await comes_back(page, open_page)
        await again.until("mark")
        # Settled anew by the same nonce after the page was told: still one message.
        await page.adapter.perform(Post(chat=CHAT, body=plain("You missed this."), nonce="a1"))
        await page.adapter.perform(Typing(chat=CHAT))
        await again.until("status")
        again.answer.close()
    assert shown(again.model) == ['<p class="plain">hello</p>', "<p>You missed this.</p>"]


async def test_buttons_and_files_outlive_the_restart() -> None:
    """The store has them: the button can be pressed and the file downloaded as before."""
    gateway = StandInGateway()
    file = StoredFile(name="report.csv", data=b"a;b\n")
    async with running_page(gateway) as page:
        await say(page, str(uuid4()), "hello")
        upload = Upload(chat=CHAT, data=file.data, name=file.name, mime="text/csv", nonce="f1")
        await page.adapter.perform(upload)
        gateway.remember(MessageRef(chat=CHAT, message_id="f1"), (), file=file)
        gateway.remember(MessageRef(chat=CHAT, message_id="q1"), plain("Again?"), ((GO,),))
        async with page.client.get(f"/chat/{CHAT.chat_id}/files/f1") as answer:
            before = (await answer.read(), dict(answer.headers)["Content-Disposition"])
    async with running_page(gateway) as page, reader(page) as stream:
        assert f'href="/chat/{CHAT.chat_id}/files/f1"' in stream.model.feet["f1"]
        assert GO.payload in stream.model.feet["q1"]
        async with page.client.get(f"/chat/{CHAT.chat_id}") as answer:
            html = await answer.text()
        assert f'href="/chat/{CHAT.chat_id}/files/f1"' in html
        async with page.client.get(f"/chat/{CHAT.chat_id}/files/f1") as answer:
            assert answer.content_type == "application/octet-stream"
            assert (await answer.read(), answer.headers["Content-Disposition"]) == before
        async with page.client.get(f"/chat/{CHAT.chat_id}/files/f2") as answer:
            assert answer.status == 404
        gateway.readable = False
        async with page.client.get(f"/chat/{CHAT.chat_id}/files/f1") as answer:
            assert answer.status == 503


async def test_a_form_of_before_the_restart_is_renewed() -> None:
    """The secret of the tokens is drawn anew: the page fetches a fresh one, its key stays."""
    gateway = StandInGateway()
    async with running_page(gateway) as page, page.client.get("/form") as answer:
        old = (await answer.json())["token"]
    async with running_page(gateway) as page:
        fields = {"token": old, "key": str(uuid4()), "text": "hello"}
        async with page.client.post(f"/chat/{CHAT.chat_id}/messages", json=fields) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "stale")
        assert await say(page, fields["key"], "hello") == 202
    assert len(gateway.deliveries) == 1


async def test_the_end_of_a_gateway_is_told_to_the_page() -> None:
    """Its stream ends instead of staying silent, so the browser comes back at once."""
    async with running_page() as page, reader(page) as stream:
        await page.stop_taking()
        async with asyncio.timeout(AT_ONCE_S):
            try:
                while await stream.answer.content.readany():
                    pass
            except aiohttp.ClientPayloadError:
                pass
