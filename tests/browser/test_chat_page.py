"""The chat page in a real browser, in front of the real listener and adapter."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, JSHandle, Page, expect

from gateway.config import Listen
from platforms.content import AnswerPress, Button, Post, Typing
from platforms.events import (
    ButtonPressed,
    CommandInvoked,
    InboundEvent,
    MessageReceived,
    MessageRef,
    Receipt,
)
from platforms.markup import parse
from platforms.web.history import Answering
from tests.browser.conftest import PHONE, TOO_WIDE, opened, write
from tests.platforms.web.stand_in import Running, StandInGateway, running_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  };
  const over = (top, below) => top.map((c, i) => c * top[3] / 255 + below[i] * (1 - top[3] / 255));
  const ground = (el) => {
    if (!el) return [255, 255, 255, 255];
    const own = rgba(getComputedStyle(el).backgroundColor);
    return own[3] === 255 ? own : over(own, ground(el.parentElement));
  };
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !el.checkVisibility()) continue;
    const below = ground(el);
    const [a, b] = [light(over(rgba(getComputedStyle(el).color), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return weak;
}"""
NAMELESS = """() => Array.from(document.querySelectorAll('button, a, input, textarea, [tabindex]'))
  .filter((el) => el.checkVisibility() && el.type !== 'hidden')
  .filter((el) => !(el.ariaLabel || el.labels?.length || el.textContent.trim()))
  .map((el) => el.outerHTML)"""

FOCUSED = """() => {
  const at = document.activeElement;
  const ring = at.closest('.composer') ?? at;
  const style = getComputedStyle(at.id === 'text' ? ring : at);
  const seen = style.outlineStyle !== 'none' || style.boxShadow.includes('0px 0px 0px 1px');
  if (!seen) return `unseen: ${at.outerHTML}`;
  return at.id ? `#${at.id}` : (at.querySelector('.title') ?? at).textContent.slice(0, 7);
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Running]:
    """The whole web surface with a gateway to script."""
    async with running_page() as running:
        yield running


async def received(page: Running, number: int = 0) -> InboundEvent:
    """An event the page has sent."""
    async with asyncio.timeout(60):
        return await page.gateway.event(number)


async def connected(tab: Page) -> None:
    """The page has its stream."""
    await expect(tab.locator("main[data-connected]")).to_be_visible()


async def test_a_conversation(browser: Browser, page: Running) -> None:
    """Enter sends, an answer grows, Stop is there meanwhile, the chat gets a name and address."""
    async with opened(browser, page.url) as tab:
        await expect(tab.locator("#empty")).to_contain_text("Answers come from gpt-5")
        await expect(tab.locator("#text")).to_be_focused()
        await tab.keyboard.type("What is")
        await tab.keyboard.press("Shift+Enter")
        await tab.keyboard.type("this?")
        await tab.keyboard.press("Enter")
        event = await received(page)
        assert isinstance(event, MessageReceived)
        assert event.text == "What is\nthis?"
        await expect(tab.locator("#empty")).to_have_count(0)
        await expect(tab.locator(".message.user .plain")).to_have_text("What is\nthis?")
        await expect(tab.locator(".unsent")).to_have_count(0)
        await expect(tab.locator("#text")).to_have_value("")

        await page.adapter.perform(Typing(chat=event.chat, label="files list"))
        await expect(tab.locator("#words")).to_have_text("Working on it… files list")
        await expect(tab.locator("#stop button")).to_be_visible()
        message = MessageRef(chat=event.chat, message_id="a1")
        await page.adapter.perform(
            Post(chat=event.chat, body=parse("It is **this** and"), nonce="a1")
        )
        answer = tab.locator("#m-a1")
        await expect(answer.locator("strong")).to_have_text("this")
        await expect(answer).to_have_attribute("aria-busy", "true")
        await page.show(message, "It is **this**.\n\n```py\nprint(1)\n```", last=True)
        await expect(answer.locator("pre")).to_have_text("print(1)")
        await page.adapter.perform(Typing(chat=event.chat, on=False))
        await expect(tab.locator("#stop")).to_be_hidden()
        await expect(answer).not_to_have_attribute("aria-busy", "true")
        await expect(tab.locator("#title")).to_contain_text("What is")
        await expect(tab).to_have_url(f"{page.url}/chat/{event.chat.chat_id}")
        await tab.reload()
        await expect(tab.locator(".message")).to_have_count(2)
        await expect(tab.locator("#m-a1 strong")).to_have_text("this")


async def test_stopping(browser: Browser, page: Running) -> None:
    """Escape and the button both stop, and only while something runs."""
    async with opened(browser, page.url) as tab:
        await tab.keyboard.press("Escape")
        await write(tab, "count to a million")
        chat = (await received(page)).chat
        await page.adapter.perform(Typing(chat=chat))
        await expect(tab.locator("#stop button")).to_be_visible()
        await tab.keyboard.press("Escape")
        event = await received(page, 1)
        assert isinstance(event, CommandInvoked)
        assert (event.name, event.chat) == ("stop", chat)
        await page.adapter.perform(Typing(chat=chat, on=False))
        await expect(tab.locator("#stop")).to_be_hidden()
        await page.adapter.perform(Typing(chat=chat))
        await tab.click("#stop button")
        event = await received(page, 2)
        assert isinstance(event, CommandInvoked)
        assert len(page.gateway.deliveries) == 3


async def test_several_chats(browser: Browser, page: Running) -> None:
    """New chat begins an empty one; the list leads back; what one gets the other does not show."""
    async with opened(browser, page.url) as tab:
        await write(tab, "the first")
        first = (await received(page)).chat
        await expect(tab.locator("#list a")).to_have_count(1)
        await tab.click("nav .new")
        await expect(tab.locator("#empty")).to_be_visible()
        await write(tab, "the second")
        second = (await received(page, 1)).chat
        await expect(tab.locator("#list a")).to_have_count(2)
        await page.answer(first, "for the first")
        await page.answer(second, "for the second")
        await expect(tab.locator("#log")).to_contain_text("for the second")
        await expect(tab.locator("#log")).not_to_contain_text("for the first")
        await tab.click("#list a:has-text('the first')")
        await expect(tab.locator("#log")).to_contain_text("for the first")
        await expect(tab.locator("#list [aria-current]")).to_contain_text("the first")


async def test_a_message_that_was_not_stored(browser: Browser, page: Running) -> None:
    """It stays with the reason and a button, and goes out under the same key."""
    async with opened(browser, page.url) as tab:
        page.gateway.receipt = Receipt.BUSY
        await write(tab, "keep me")
        own = tab.locator(".message.unsent")
        await expect(own).to_contain_text("could not store this just now")
        key = await own.get_attribute("id")
        page.gateway.receipt = Receipt.STORED
        await own.locator("button").click()
        event = await received(page)
        assert key == f"m-{event.delivery_key}"
        await expect(tab.locator(".message.user")).to_have_count(1)
        await expect(tab.locator(".unsent")).to_have_count(0)
        await expect(tab.locator(".failure")).to_have_count(0)


async def test_a_gateway_that_goes_and_comes_back(browser: Browser) -> None:
    """The banner says so; afterwards the page shows what it missed and can send as before."""
    gateway = StandInGateway()
    async with running_page(gateway) as before:
        port = int(before.url.rpartition(":")[2])
        manager = opened(browser, before.url)
        tab = await manager.__aenter__()
        await write(tab, "are you there?")
        chat = (await received(before)).chat
        await connected(tab)
    await expect(tab.locator("#connection")).to_have_text("Connection lost. Trying to reconnect…")
    await write(tab, "sent into the dark")
    await expect(tab.locator(".unsent .failure")).to_contain_text("does not answer")
    gateway.remember(MessageRef(chat=chat, message_id="m1"), parse("I was away"))
    async with running_page(gateway, listen=Listen(host="127.0.0.1", port=port)) as after:
        await expect(tab.locator("#connection")).to_be_hidden()
        await expect(tab.locator("#m-m1 .body")).to_have_text("I was away")
        await expect(tab.locator(".unsent")).to_have_count(1)
        await tab.click(".unsent button")
        event = await received(after, 1)
        assert isinstance(event, MessageReceived)
        assert event.text == "sent into the dark"
        await expect(tab.locator(".unsent")).to_have_count(0)
        await manager.__aexit__(None, None, None)


async def test_buttons_under_a_message(browser: Browser, page: Running) -> None:
    """A press is sent with its payload; the words for the presser are shown for a moment."""
    async with opened(browser, page.url) as tab:
        await write(tab, "do it")
        chat = (await received(page)).chat
        rows = ((Button(label="Approve", payload="a:1", style="primary"),),)
        await page.adapter.perform(Post(chat=chat, body=parse("May I?"), nonce="c1", controls=rows))
        await tab.click("#m-c1 button")
        event = await received(page, 1)
        assert isinstance(event, ButtonPressed)
        assert event.payload == "a:1"
        await page.adapter.perform(AnswerPress(press=event.press, text="Approved."))
        await expect(tab.locator("#toast")).to_have_text("Approved.")


async def test_copying_code(browser: Browser, page: Running) -> None:
    """The button copies the block exactly; where there is no clipboard it selects the block."""
    permissions = ["clipboard-read", "clipboard-write"]
    async with opened(browser, page.url, permissions=permissions) as tab:
        await write(tab, "code")
        chat = (await received(page)).chat
        code = "if a < b:\n\tprint('&amp;')"
        await page.answer(chat, f"```py\n{code}\n```")
        await tab.click(".copy")
        await expect(tab.locator(".copy")).to_have_text("Copied")
        assert await tab.evaluate("navigator.clipboard.readText()") == code
        await tab.evaluate("() => void (navigator.clipboard.writeText = () => Promise.reject())")
        await tab.click(".copy")
        await expect(tab.locator(".copy")).to_have_text("Select and copy")
        assert await tab.evaluate("getSelection().toString()") == code


async def test_hostile_words_stay_words(browser: Browser, page: Running) -> None:
    """Nothing in a message, an answer or a title runs, loads or leads anywhere it should not."""
    hostile = "<img src=x onerror=alert(1)> <script>alert(1)</script> </title><b>"
    async with opened(browser, page.url) as tab:
        await write(tab, hostile)
        chat = (await received(page)).chat
        await expect(tab.locator(".message.user .plain")).to_have_text(hostile)
        text = (
            f"{hostile}\n\n[x](javascript:alert(1)) ![i](http://evil.example/x.png)\n\n`{hostile}`"
        )
        await page.answer(chat, text[:20], text)
        await expect(tab.locator(".message.assistant code")).to_have_text(hostile)
        await tab.reload()
        await expect(tab.locator("#title")).to_have_text(hostile)
        assert await tab.locator("#log img, #log script, #log b, #log a").count() == 0


async def test_reading_up_is_not_disturbed(browser: Browser, page: Running) -> None:
    """Who reads the end follows the answer; who has scrolled up stays and can jump down."""
    async with opened(browser, page.url) as tab:
        await write(tab, "a long one")
        chat = (await received(page)).chat
        await page.adapter.perform(Typing(chat=chat))
        message = MessageRef(chat=chat, message_id="a1")
        long = "\n\n".join(f"paragraph {number}" for number in range(60))
        await page.adapter.perform(Post(chat=chat, body=parse(long), nonce="a1"))
        await expect(tab.locator("#m-a1 p").last).to_be_in_viewport()
        await tab.evaluate("document.getElementById('scroll').scrollTop = 0")
        await expect(tab.locator("#latest")).to_be_visible()
        await page.show(message, f"{long}\n\nthe end")
        await expect(tab.locator("#m-a1 p").last).to_have_text("the end")
        assert await tab.evaluate("document.getElementById('scroll').scrollTop") == 0
        await tab.click("#latest")
        await expect(tab.locator("#m-a1 p").last).to_be_in_viewport()
        await expect(tab.locator("#latest")).to_be_hidden()


async def test_a_draft_survives(browser: Browser, page: Running) -> None:
    """What was typed and not sent is still there after loading the page again."""
    async with opened(browser, page.url, "/chat/0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11") as tab:
        await tab.fill("#text", "half a thought")
        await tab.reload()
        await expect(tab.locator("#text")).to_have_value("half a thought")


async def test_the_phone(browser: Browser, page: Running) -> None:
    """Nothing is wider than the screen; the list is a drawer; Enter is a new line there."""
    async with opened(browser, page.url, **PHONE) as tab:
        await expect(tab.locator("nav")).to_be_hidden()
        title = "a message that is longer than a phone is wide, and longer still"
        await tab.fill("#text", title)
        await tab.press("#text", "Enter")
        await expect(tab.locator("#text")).to_have_value(f"{title}\n")
        await tab.tap(".send")
        chat = (await received(page)).chat
        wide = "| " + " | ".join(f"column {n}" for n in range(12)) + " |\n" + "|---" * 12 + "|\n"
        await page.answer(chat, f"{'w' * 300}\n\n{wide}\n```\n{'x' * 300}\n```")
        await expect(tab.locator(".table")).to_be_visible()
        await expect(tab.locator("#title")).to_have_text(title)
        await page.adapter.perform(Typing(chat=chat, label="files write " + "a" * 80))
        await expect(tab.locator("#stop button")).to_be_visible()
        stop = await tab.locator("#stop button").bounding_box()
        assert stop is not None
        assert stop["height"] < 40  # on one line
        assert await tab.evaluate(TOO_WIDE) == []
        await tab.tap("button[popovertarget=chats] >> visible=true")
        await expect(tab.locator("nav")).to_be_visible()
        await tab.keyboard.press("Escape")
        await expect(tab.locator("nav")).to_be_hidden()
        assert len(page.gateway.deliveries) == 1
        small = await tab.evaluate(
            "Array.from(document.querySelectorAll('main > header button, .send'))"
            ".filter((el) => el.checkVisibility())"
            ".map((el) => el.getBoundingClientRect().height).filter((h) => h < 40)"
        )
        assert small == []


async def test_without_script(browser: Browser, page: Running) -> None:
    """Forms and links alone: write, wait for the page to load itself again, read, stop, go on."""
    async with opened(browser, page.url, java_script_enabled=False) as tab:
        await tab.fill("#text", "hello")
        await tab.click(".send")
        chat = (await received(page)).chat
        await expect(tab.locator(".message.user")).to_contain_text("hello")
        await page.adapter.perform(Typing(chat=chat))
        await tab.reload()
        await tab.click("#stop button")
        assert isinstance(await received(page, 1), CommandInvoked)
        await page.answer(chat, "an **answer**")
        # The page reloads by itself every two seconds while work goes on.
        await expect(tab.locator(".message.assistant strong")).to_have_text("answer")
        await expect(tab.locator(".copy")).to_have_count(0)


async def test_an_example_is_one_press(browser: Browser) -> None:
    """The demo offers what to try, and says what it is."""
    demo = Answering(provider="demo", model="demo", demo=True, examples=("Show me a table",))
    async with (
        running_page(StandInGateway(answering_now=demo)) as page,
        opened(browser, page.url) as tab,
    ):
        await expect(tab.locator("nav .about")).to_contain_text("Every answer is scripted")
        await tab.click("text=Show me a table")
        event = await received(page)
        assert isinstance(event, MessageReceived)
        assert event.text == "Show me a table"


async def test_the_keyboard_reaches_everything(browser: Browser, page: Running) -> None:
    """From the top: skip link, chats, conversation, box, Send; each shows that it has the focus."""
    async with opened(browser, page.url) as tab:
        await write(tab, "hello")
        chat = (await received(page)).chat
        await page.answer(chat, "```py\nx\n```")
        await page.adapter.perform(Typing(chat=chat))
        await expect(tab.locator("#stop button")).to_be_visible()
        await expect(tab.locator("#list a")).to_have_count(1)
        await tab.evaluate("document.querySelector('.skip').focus()")
        reached = [await tab.evaluate(FOCUSED)]
        for _ in range(8):
            await tab.keyboard.press("Tab")
            reached.append(await tab.evaluate(FOCUSED))
        assert reached == [
            "Skip to",
            "New cha",
            "hello",
            "#scroll",
            "Copy",
            "x",
            "Stop",
            "#text",
            "Send",
        ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read(browser: Browser, page: Running, scheme: str) -> None:
    """All text has the contrast of WCAG AA on either ground, and everything to press has a name."""
    async with opened(browser, page.url, color_scheme=scheme) as tab:
        assert await tab.evaluate(CONTRAST) == []
        await write(tab, "hello")
        chat = (await received(page)).chat
        text = (
            "# A\n\n> b [c](http://d.example) `e`\n\n1. f\n\n|g|h|\n|-|-|\n|i|j|\n\n```py\nk\n```"
        )
        await page.answer(chat, f"{text}\n```py\nk\n```")
        buttons = (
            (
                Button(label="Yes", payload="y", style="primary"),
                Button(label="No", payload="n", style="danger"),
            ),
        )
        await page.adapter.perform(Post(chat=chat, body=parse("?"), nonce="c", controls=buttons))
        await page.adapter.perform(Typing(chat=chat, label="files list"))
        await expect(tab.locator("#m-c button")).to_have_count(2)
        await expect(tab.locator("#stop button")).to_be_visible()
        assert await tab.evaluate(CONTRAST) == []
        assert await tab.evaluate(NAMELESS) == []
        page.gateway.receipt = Receipt.BUSY
        await write(tab, "again")
        await expect(tab.locator(".failure")).to_be_visible()
        await expect(tab.locator("#log .unsent .sending")).to_have_text("not sent")


async def test_signing_in(browser: Browser) -> None:
    """With a token the page asks for it, says when it is wrong, and lets one out again."""
    async with running_page(token="open-sesame") as page:
        chat = "/chat/0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"
        async with opened(browser, page.url, chat) as tab:
            await expect(tab.locator("#token")).to_be_focused()
            await tab.keyboard.type("wrong")
            await tab.keyboard.press("Enter")
            await expect(tab.locator(".failure")).to_have_text("This is not the token.")
            await tab.fill("#token", "open-sesame")
            await tab.keyboard.press("Enter")
            await expect(tab).to_have_url(page.url + chat)
            await connected(tab)
            await write(tab, "hello")
            assert isinstance(await received(page), MessageReceived)
            await tab.click("text=Sign out")
            await expect(tab).to_have_url(f"{page.url}/login")


HOLDS = """([kinds, names]) => {
  const held = new DataTransfer();
  for (const name of names) held.items.add(new File([`bytes of ${name}`], name));
  for (const kind of kinds) held.setData(kind, 'some words');
  return held;
}"""
"""What a clipboard or a mouse carries: words of these kinds, and files."""

PASTED = """(box, held) => !box.dispatchEvent(new ClipboardEvent('paste',
  {clipboardData: held, bubbles: true, cancelable: true}))"""
DROPPED = """(place, held) => ['dragover', 'drop'].map((what) => !place.dispatchEvent(
  new DragEvent(what, {dataTransfer: held, bubbles: true, cancelable: true})))"""
CHOSEN = "Array.from(document.getElementById('files').files, (file) => file.name)"


async def test_pasting_and_dropping_files(browser: Browser, page: Running) -> None:
    """They join what was chosen, wherever they are let go, and leave with the words."""
    async with opened(browser, page.url) as tab:
        await connected(tab)
        await tab.fill("#text", "What are these?")

        async def held(*names: str, kinds: tuple[str, ...] = ()) -> JSHandle:
            return await tab.evaluate_handle(HOLDS, [list(kinds), list(names)])

        box, outside = tab.locator("#text"), tab.locator("main > header")
        assert await box.evaluate(PASTED, await held("shot.png"))
        assert await box.evaluate(PASTED, await held("found.pdf", kinds=("text/plain",)))
        assert await outside.evaluate(DROPPED, await held("a.txt", "b.txt")) == [True, True]
        names = ["shot.png", "found.pdf", "a.txt", "b.txt"]
        assert await tab.evaluate(CHOSEN) == names
        words = ("text/plain", "text/html")
        assert not await box.evaluate(PASTED, await held("words.png", kinds=words))
        assert not await box.evaluate(PASTED, await held(kinds=("text/plain",)))
        assert await outside.evaluate(DROPPED, await held(kinds=("text/plain",))) == [False, False]
        assert await tab.evaluate(CHOSEN) == names
        await expect(box).to_be_focused()
        await tab.press("#text", "Enter")
        event = await received(page)
        assert isinstance(event, MessageReceived)
        assert event.text == "What are these?"
        assert [each.name for each in event.attachments] == names
        assert [each.bytes for each in event.attachments[:2]] == [17, 18]
        await expect(tab.locator(".message.user")).to_contain_text("b.txt")
        await tab.wait_for_function(f"() => {CHOSEN}.length === 0")


async def test_a_file_from_a_phone(browser: Browser, page: Running) -> None:
    """The button is as large as a thumb and opens the phone's own choice; the name is cut."""
    async with opened(browser, page.url, **PHONE) as tab:
        await connected(tab)
        async with tab.expect_file_chooser() as choosing:
            await tab.tap("#files", position={"x": 30, "y": 20})
        chooser = await choosing.value
        assert chooser.is_multiple()
        name = f"{'long' * 40}.jpg"
        await chooser.set_files({"name": name, "mimeType": "image/jpeg", "buffer": b"picture"})
        field = await tab.locator("#files").bounding_box()
        assert field is not None
        assert field["height"] >= 40
        assert await tab.evaluate(TOO_WIDE) == []
        await tab.tap(".send")
        event = await received(page)
        assert isinstance(event, MessageReceived)
        assert (event.text, [each.name for each in event.attachments]) == ("", [name])
        await expect(tab.locator(".message.user")).to_contain_text(name)
        assert await tab.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("script", [True, False])
async def test_a_file_goes_along(browser: Browser, page: Running, *, script: bool) -> None:
    """The browser sends it itself, with or without script, and the page names it."""
    async with opened(browser, page.url, java_script_enabled=script) as tab:
        if script:
            await connected(tab)
        await tab.locator("#files").set_input_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG picture"}
        )
        await tab.locator("#text").fill("What is this?")
        await tab.get_by_role("button", name="Send").click()
        event = await received(page)
        assert isinstance(event, MessageReceived)
        assert event.text == "What is this?"
        assert [each.name for each in event.attachments] == ["a.png"]
        await expect(tab.locator(".message.user")).to_contain_text("a.png")
        await expect(tab.locator("#text")).to_have_value("")
