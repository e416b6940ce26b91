"""The adapter as a Source and a Sink."""

import pytest

from platforms.base import Adapter
from platforms.blocks import plain
from platforms.content import Post, Sent, Typing, Upload
from platforms.errors import ChatUnavailable, PlatformUnavailable, TooLong
from platforms.events import Account, ChatRef, MessageRef
from platforms.web.limits import CAPABILITIES
from platforms.web.parse import ACCOUNT, chat_of
from tests.platforms.web.stand_in import new_conversation, running_page

CHAT = chat_of("local", "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11")


async def test_it_is_an_adapter() -> None:
    """It fits the protocol the gateway works with."""
    async with running_page() as page:
        adapter: Adapter = page.adapter
        assert adapter.platform == "web"
        assert await adapter.connect() == ACCOUNT
        assert adapter.capabilities is CAPABILITIES
        assert adapter.liveness().connected


async def test_a_repeated_post_is_one_message() -> None:
    """The nonce is the message's id, so a post in doubt may simply be sent again."""
    async with running_page() as page:
        post = Post(chat=CHAT, body=plain("hi"), nonce="n1")
        sent = Sent(message=MessageRef(chat=CHAT, message_id="n1"))
        assert [await page.adapter.perform(post) for _ in range(2)] == [sent, sent]
        async with page.client.get(f"/chat/{CHAT.chat_id}") as answer:
            assert (await answer.text()).count('id="m-n1"') == 1


@pytest.mark.parametrize(
    "chat",
    [
        ChatRef(account=ACCOUNT, chat_id="not-a-conversation"),
        ChatRef(account=ACCOUNT, chat_id=""),
        ChatRef(account=Account(platform="web", id="other"), chat_id=CHAT.chat_id),
        ChatRef(account=Account(platform="telegram", id="local"), chat_id=CHAT.chat_id),
    ],
)
async def test_an_address_no_page_has_is_dead(chat: ChatRef) -> None:
    """Nothing is kept for a chat that nobody can ever open."""
    async with running_page() as page:
        with pytest.raises(ChatUnavailable) as caught:
            await page.adapter.perform(Post(chat=chat, body=plain("hi"), nonce="n1"))
        assert caught.value.reason == "not_found"


async def test_after_close_nothing_is_taken() -> None:
    """A closed page is unavailable, and its forms answer that nothing can be stored."""
    async with running_page() as page:
        await page.adapter.close()
        with pytest.raises(PlatformUnavailable):
            await page.adapter.perform(Typing(chat=CHAT))


async def test_routes_answer_503_while_not_run() -> None:
    """Before `run` and after its end the page loads but takes nothing."""
    async with running_page() as page:
        await page.stop_taking()
        assert not page.adapter.liveness().connected
        async with page.client.get("/form") as answer:
            token = (await answer.json())["token"]
        fields = {"token": token, "key": new_conversation(), "text": "hi"}
        async with page.client.post(f"/chat/{CHAT.chat_id}/messages", json=fields) as answer:
            assert answer.status == 503
        async with page.client.get("/") as answer:
            assert answer.status == 200


async def test_what_is_said_unasked_has_a_conversation_of_its_own() -> None:
    """The same one for the same person at every start, shown by the page like any other."""
    async with running_page() as page:
        chat = await page.adapter.direct("local")
        assert chat == await page.adapter.direct("local")
        assert chat != await page.adapter.direct("ann")
        sent = await page.adapter.perform(Post(chat=chat, body=plain("Look here."), nonce="n1"))
        assert isinstance(sent, Sent)
        page.gateway.remember(sent.message, plain("Look here."))
        page.gateway.owners[chat.chat_id] = "local"
        async with page.client.get(f"/chat/{chat.chat_id}") as answer:
            assert "Look here." in await answer.text()
        async with page.client.get("/chats") as answer:
            assert f'href="/chat/{chat.chat_id}"' in await answer.text()


@pytest.mark.parametrize("person", ["", "../x", "a b", ".ann", "ann\n", "x" * 65])
async def test_nobody_of_an_impossible_name_is_told_anything(person: str) -> None:
    """No page could ever show it."""
    async with running_page() as page:
        with pytest.raises(ChatUnavailable):
            await page.adapter.direct(person)


async def test_an_upload_is_a_download_of_no_dangerous_kind() -> None:
    """A file keeps its bytes and its name, stripped of every path, and is never run or shown."""
    async with running_page() as page:
        name = "../../e\r\nvil/<a>ä.html"
        upload = Upload(
            chat=CHAT, data=b"<script>", name=name, mime="text/html", nonce="f1", caption="Here."
        )
        assert isinstance(await page.adapter.perform(upload), Sent)
        async with page.client.get(f"/chat/{CHAT.chat_id}") as answer:
            html = await answer.text()
        assert f'href="/chat/{CHAT.chat_id}/files/f1"' in html
        async with page.client.get(f"/chat/{CHAT.chat_id}/files/f1") as answer:
            assert await answer.read() == b"<script>"
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["Content-Disposition"] == (
                "attachment; filename*=UTF-8''_.._e__vil_%3Ca%3E%C3%A4.html"
            )
        other = chat_of("local", new_conversation())
        async with page.client.get(f"/chat/{other.chat_id}/files/f1") as answer:
            assert answer.status == 404


async def test_a_file_over_the_limit_is_refused() -> None:
    """One byte too many is TooLong, and nothing is kept."""
    async with running_page() as page:
        data = bytes(CAPABILITIES.upload_max_bytes + 1)
        upload = Upload(chat=CHAT, data=data, name="a", mime="a/b", nonce="f1")
        with pytest.raises(TooLong):
            await page.adapter.perform(upload)
        exact = Upload(chat=CHAT, data=data[:-1], name="a", mime="a/b", nonce="f1")
        assert isinstance(await page.adapter.perform(exact), Sent)


async def test_files_together_are_bounded() -> None:
    """The oldest uploads go when the newer ones need the room."""
    async with running_page() as page:
        data = bytes(CAPABILITIES.upload_max_bytes)
        for number in range(6):
            await page.adapter.perform(
                Upload(chat=CHAT, data=data, name="a", mime="a/b", nonce=f"f{number}")
            )
        kept = []
        for number in range(6):
            async with page.client.get(f"/chat/{CHAT.chat_id}/files/f{number}") as answer:
                kept.append(answer.status == 200)
        assert kept == [False, False, True, True, True, True]


async def test_a_book_is_one_message() -> None:
    """Only a text of more than half the maximum is split."""
    async with running_page() as page:
        fits = page.adapter.fits
        assert fits(plain("x" * CAPABILITIES.part_soft))
        assert not fits(plain("x" * (CAPABILITIES.part_soft + 1)))
