"""The page in a real browser, in front of a whole gateway with a scripted model behind it."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from gateway.commands import COMMANDS
from tests.browser.conftest import PHONE, TOO_WIDE, opened, write
from tests.browser.whole import WholeGateway
from tests.wire.openai import CallTool, Cut, Reply, Stream, chunk
from tests.wire.openai.script import Script
from tests.wire.server import Answer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LIST_FILES = CallTool(name="files", arguments='{"operation": "list"}')
RICH = """\
There are **two** things to do:

1. Read `plan.md`
2. Ship it

| file | lines |
| --- | ---: |
| `plan.md` | 12 |

```python
print("shipped" if True else "<b>")
```
"""

# What stands in the conversation, as exactly as a reader could tell.
SHOWN = """() => Array.from(document.querySelectorAll('#log .message')).map((message) =>
  [message.id, message.className, message.querySelector('.body').innerHTML])"""
# Resolves as soon as the words stand anywhere in the conversation or the status line.
SEEN = """(words) => new Promise((resolve) => {
  const look = () => document.querySelector('main').innerText.includes(words) && resolve(true);
  new MutationObserver(look).observe(
    document.querySelector('main'), {childList: true, characterData: true, subtree: true});
  look();
})"""


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(tmp_path: Path) -> AsyncIterator[WholeGateway]:
    """A gateway with one model."""
    async with WholeGateway(tmp_path) as running:
        yield running


def answers(tab: Page) -> Locator:
    """The gateway's messages."""
    return tab.locator(".message.assistant")


async def idle(tab: Page) -> None:
    """Nothing is going on any more."""
    await expect(tab.locator("#stop")).to_be_hidden()
    await expect(tab.locator("#words")).to_be_empty()


async def test_from_the_empty_page_to_an_answer(browser: Browser, gateway: WholeGateway) -> None:
    """Type, watch the answer grow, read it with its table, list and code; the chat has a name."""
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=(RICH[:50], held, RICH[50:])))
    async with opened(browser, gateway.url) as tab:
        await expect(tab.locator("#empty")).to_contain_text("Answers come from loopback-1")
        await expect(tab.locator("nav .about")).to_contain_text("loopback-1")
        await tab.keyboard.type("What is there to do?")
        await tab.keyboard.press("Enter")
        answer = answers(tab)
        await expect(answer.locator("li")).to_have_text("Read plan.md")
        await expect(answer).to_have_attribute("aria-busy", "true")
        await expect(tab.locator("#words")).to_have_text("Working on it…")
        await expect(tab.locator("#stop button")).to_be_visible()
        await expect(tab.locator("#list .title")).to_have_text("What is there to do?")
        held.set()
        await idle(tab)
        await expect(answer.locator("strong")).to_have_text("two")
        await expect(answer.locator("ol li")).to_have_text(["Read plan.md", "Ship it"])
        await expect(answer.locator("th")).to_have_text(["file", "lines"])
        await expect(answer.locator("td")).to_have_text(["plan.md", "12"])
        await expect(answer.locator("pre")).to_have_text('print("shipped" if True else "<b>")')
        await expect(answer).not_to_have_attribute("aria-busy", "true")
        await expect(answer).to_have_count(1)
        await expect(tab.locator("#title")).to_have_text("What is there to do?")
        await expect(tab).to_have_url(f"{gateway.url}/chat/{await _chat_of(tab)}")


async def test_a_tool_call_is_shown_and_answered(browser: Browser, gateway: WholeGateway) -> None:
    """While the tool runs the page says which; its result makes the answer."""
    # A megabyte of short lines, many times: a search long enough to be seen.
    (gateway.workspace / "log-00.txt").write_text("a\n" * 500_000)
    for number in range(1, 20):
        (gateway.workspace / f"log-{number:02}.txt").hardlink_to(gateway.workspace / "log-00.txt")
    call = CallTool(name="files", arguments='{"operation": "search", "query": "deadline"}')
    gateway.model.reply(Reply(deltas=("Let me look.",), calls=(call,)))
    gateway.answers("The word stands in none of the 20 files.")
    async with opened(browser, gateway.url) as tab:
        seen = asyncio.ensure_future(tab.evaluate(SEEN, "files: search 'deadline' in ."))
        await write(tab, "Where is the deadline?")
        await seen
        await expect(answers(tab)).to_contain_text("in none of the 20 files")
        await idle(tab)
        await expect(answers(tab).locator("p")).to_have_text(
            ["Let me look.", "The word stands in none of the 20 files."]
        )
        assert [role for role, _ in await gateway.asked(2)] == ["user", "assistant", "tool"]


async def test_stop_ends_a_stream(browser: Browser, gateway: WholeGateway) -> None:
    """The words so far stay, marked; the model is let go; the next question is answered."""
    never = asyncio.Event()
    gateway.model.reply(Reply(deltas=("Once upon a time there was a", never, " nobody.")))
    async with opened(browser, gateway.url) as tab:
        await write(tab, "Tell me a story.")
        await expect(answers(tab)).to_contain_text("Once upon a time")
        await tab.click("#stop button")
        await expect(answers(tab)).to_contain_text("Stopped by you.")
        await idle(tab)
        await gateway.model.hung_up()
        await expect(answers(tab)).to_contain_text("Once upon a time there was")
        await expect(tab.locator("#text")).to_be_focused()
        gateway.answers("Yes, I am.")
        await tab.keyboard.type("Are you there?")
        await tab.keyboard.press("Enter")
        await expect(answers(tab).last).to_have_text(_ends("Yes, I am."))


async def test_a_second_message_joins_the_turn(browser: Browser, gateway: WholeGateway) -> None:
    """What is said during a tool step is read before the next model request: one answer."""
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=("Looking first. One", held, " moment."), calls=(LIST_FILES,)))
    gateway.answers("Rien du tout.")
    async with opened(browser, gateway.url) as tab:
        await write(tab, "What is in the workspace?")
        await expect(answers(tab)).to_contain_text("Looking first.")
        await write(tab, "And answer in French.")
        await expect(tab.locator(".message.user")).to_have_count(2)
        await expect(tab.locator(".unsent")).to_have_count(0)
        held.set()
        await expect(answers(tab)).to_contain_text("Rien du tout.")
        await idle(tab)
        asked = await gateway.asked(2)
        assert [role for role, _ in asked] == ["user", "assistant", "tool", "user"]
        assert asked[-1][1] == "And answer in French."
        await expect(tab.locator(".message .who")).to_have_text(["You", "Gatepost", "You"])


async def test_two_chats(browser: Browser, gateway: WholeGateway) -> None:
    """One answers while the other is looked at; each keeps to itself; the list leads back."""
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=("Think of a light", held, "house.")))
    async with opened(browser, gateway.url) as tab:
        await write(tab, "Name a building.")
        await expect(answers(tab)).to_contain_text("Think of a")
        await tab.click("nav .new")
        await expect(tab.locator("#empty")).to_be_visible()
        gateway.answers("Teal.")
        await write(tab, "Name a colour.")
        await expect(answers(tab)).to_contain_text("Teal.")
        await idle(tab)
        titles = tab.locator("#list .title")
        await expect(titles).to_have_text(["Name a colour.", "Name a building."])
        await titles.last.click()
        await expect(answers(tab)).to_contain_text("Think of a")
        await expect(tab.locator("#stop button")).to_be_visible()
        held.set()
        await expect(answers(tab)).to_have_text(_ends("Think of a lighthouse."))
        await expect(tab.locator("#log")).not_to_contain_text("Teal")
        await expect(tab.locator("#list [aria-current] .title")).to_have_text("Name a building.")
        await idle(tab)
        await tab.click("#list a:has-text('Name a colour.')")
        await expect(answers(tab)).to_have_text(_ends("Teal."))
        assert await gateway.asked(2) == [("user", "Name a colour.")]


async def test_commands(browser: Browser, tmp_path: Path) -> None:
    """/help lists, /model shows and chooses, /new forgets, a slip of the pen is pointed out."""
    models = {"main": "loopback-1", "small": "loopback-2"}
    async with (
        WholeGateway(tmp_path, models=models) as gateway,
        opened(browser, gateway.url) as tab,
    ):
        await write(tab, "/help")
        await expect(answers(tab).locator("li")).to_have_count(len(COMMANDS))
        await expect(tab.locator("#list .title")).to_have_text("/help")
        gateway.answers("Noted.", "You have not told me.")
        await write(tab, "My number is 7.")
        await expect(answers(tab).last).to_contain_text("Noted.")
        await idle(tab)
        await write(tab, "/mode")
        await expect(answers(tab).last).to_contain_text("Did you mean /model?")
        await write(tab, "/model")
        await expect(answers(tab).last.locator("strong")).to_contain_text("main: loopback-1")
        await write(tab, "/new")
        await expect(answers(tab).last).to_contain_text("Fresh session.")
        await write(tab, "/model small")
        await expect(answers(tab).last).to_contain_text("this session uses loopback-2.")
        await write(tab, "What is my number?")
        await expect(answers(tab).last).to_contain_text("You have not told me.")
        await idle(tab)
        assert await gateway.asked(2) == [("user", "What is my number?")]
        assert [asked["model"] for asked in gateway.model.asked] == ["loopback-1", "loopback-2"]
        await tab.reload()
        await expect(tab.locator("nav .about")).to_contain_text("loopback-2 (small)")


async def test_reload_in_the_middle_of_an_answer(browser: Browser, gateway: WholeGateway) -> None:
    """The loaded page shows what stands, goes on growing, and can still stop."""
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=("The first half, the", held, " second half.")))
    async with opened(browser, gateway.url) as tab:
        await write(tab, "Say it slowly.")
        await expect(answers(tab)).to_contain_text("The first half,")
        await tab.reload()
        await expect(answers(tab)).to_contain_text("The first half,")
        await expect(answers(tab)).to_have_attribute("aria-busy", "true")
        await expect(tab.locator("#stop button")).to_be_visible()
        held.set()
        await expect(answers(tab)).to_have_text(_ends("The first half, the second half."))
        await idle(tab)


async def test_the_rows_tell_what_was_live(browser: Browser, gateway: WholeGateway) -> None:
    """Loaded again, also by a gateway that was started anew, a chat stands as it was watched."""
    held, never = asyncio.Event(), asyncio.Event()
    async with opened(browser, gateway.url) as tab:
        gateway.model.reply(
            Reply(deltas=("Looking first. One", held, " moment."), calls=(LIST_FILES,))
        )
        gateway.answers(RICH)
        await write(tab, "What is there to do?\n\n    <b>indented</b>")
        await expect(answers(tab)).to_contain_text("Looking first.")
        await write(tab, "In order, please.")
        await expect(tab.locator(".unsent")).to_have_count(0)
        held.set()
        await expect(answers(tab).locator("pre")).to_be_visible()
        await idle(tab)
        gateway.model.reply(Reply(deltas=("Once upon a time there was a", never)))
        await write(tab, "Tell me a story.")
        await expect(answers(tab).last).to_contain_text("Once upon a time")
        await tab.keyboard.press("Escape")
        await expect(answers(tab).last).to_contain_text("Stopped by you.")
        await idle(tab)
        gateway.model.reply(*[Answer(status=500)] * 3)
        for text, told in (
            ("Anyone?", "I could not reach a model just now."),
            ("/nope", "There is no command /nope."),
            ("/status", "nothing is running"),
            ("/stop", "Nothing is running here."),
            ("/new", "Fresh session."),
        ):
            await write(tab, text)
            await expect(answers(tab).last).to_contain_text(told)
            await idle(tab)
        gateway.answers("Bye.")
        await write(tab, "Good night.")
        await expect(answers(tab).last).to_contain_text("Bye.")
        await idle(tab)
        live = await tab.evaluate(SHOWN)
        assert len(live) == 17
        await tab.reload()
        assert await tab.evaluate(SHOWN) == live
        await gateway.halt()
        await gateway.start()
        await tab.reload()
        assert await tab.evaluate(SHOWN) == live
        await expect(tab.locator("#list .title")).to_have_text(
            "What is there to do? <b>indented</b>"
        )


async def test_a_restart_under_the_open_page(browser: Browser, gateway: WholeGateway) -> None:
    """The page says that the gateway is away, comes back by itself and goes on; drafts stay."""
    async with opened(browser, gateway.url) as tab:
        gateway.answers("I will remember.", "It was 7.")
        await write(tab, "My number is 7.")
        await expect(answers(tab)).to_contain_text("I will remember.")
        await idle(tab)
        await tab.keyboard.type("What was")
        await gateway.halt()
        await expect(tab.locator("#connection")).to_have_text(
            "Connection lost. Trying to reconnect…"
        )
        await gateway.start()
        await expect(tab.locator("main[data-connected]")).to_be_visible()
        await expect(tab.locator("#connection")).to_be_hidden()
        await tab.keyboard.type(" it?")
        await tab.keyboard.press("Enter")
        await expect(answers(tab).last).to_have_text(_ends("It was 7."))
        await idle(tab)
        await expect(tab.locator(".message .who")).to_have_text(["You", "Gatepost"] * 2)
        assert len(await gateway.asked(2)) == 3


async def test_a_long_answer_is_one_message(browser: Browser, gateway: WholeGateway) -> None:
    """A hundred thousand characters stand in one message, whole, and its end is in view."""
    lines = [f"line {n}: the quick brown fox jumps over the lazy dog" for n in range(2000)]
    text = "\n\n".join(lines)
    assert len(text) > 100_000
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=(text[:40_000], held, text[40_000:])))
    async with opened(browser, gateway.url) as tab:
        await write(tab, "All of it, please.")
        await expect(answers(tab)).to_contain_text(lines[500])
        held.set()
        await expect(answers(tab)).to_contain_text(lines[-1])
        await idle(tab)
        await expect(answers(tab)).to_have_count(1)
        assert await answers(tab).locator("p").all_inner_texts() == lines
        await expect(answers(tab).locator("p").last).to_be_in_viewport()


async def test_when_the_model_fails(browser: Browser, gateway: WholeGateway) -> None:
    """One plain sentence each, with what to do and a reference; the chat goes on."""
    body = b'{"error": {"message": "secret internals", "type": "x", "code": null}}'
    broken = Stream(steps=(chunk({"role": "assistant", "content": "Half of"}), Cut()))
    cases: tuple[tuple[tuple[Script, ...], str], ...] = (
        (
            (Answer(status=500, body=body),) * 3,
            "I could not reach a model just now. Nothing is lost",
        ),
        ((broken,) * 3, 'The connection broke here; this is not the whole answer. Say "retry".'),
        ((Reply(deltas=("Here I am.",)),), "Here I am."),
        ((Answer(status=401, body=body),) * 2, "needs attention (login)"),
    )
    async with opened(browser, gateway.url) as tab:
        for number, (script, sentence) in enumerate(cases, 1):
            gateway.model.reply(*script)
            await write(tab, f"Question {number}")
            await expect(answers(tab)).to_have_count(number)
            await expect(answers(tab).last).to_contain_text(sentence)
            if number != 3:
                await expect(answers(tab).last).to_contain_text(f"(ref t{number})")
            await idle(tab)
        await expect(answers(tab).nth(1)).to_contain_text("Half of")
        await expect(tab.locator("#log")).not_to_contain_text("internals")


async def test_on_a_phone(browser: Browser, gateway: WholeGateway) -> None:
    """At 390 px: send by the button, watch, stop, open the drawer; nothing is too wide."""
    wide = "| " + " | ".join(f"column {n}" for n in range(9)) + " |\n" + "|---" * 9 + "|\n"
    text = f"{RICH}\n{'w' * 200}\n\n{wide}\n```\n{'x' * 200}\n```\n\nand so on"
    never = asyncio.Event()
    gateway.model.reply(Reply(deltas=(text, never)))
    async with opened(browser, gateway.url, **PHONE) as tab:
        assert await tab.evaluate(TOO_WIDE) == []
        await tab.tap("#text")
        await tab.fill("#text", "What is there to do, on a screen as narrow as this one?")
        await tab.tap(".send")
        await expect(answers(tab)).to_contain_text("and so")
        await expect(answers(tab).locator("p").last).to_be_in_viewport()
        assert await tab.evaluate(TOO_WIDE) == []
        await tab.tap("#stop button")
        await expect(answers(tab)).to_contain_text("Stopped by you.")
        await idle(tab)
        await tab.tap("button[popovertarget=chats] >> visible=true")
        await expect(tab.locator("nav")).to_be_visible()
        assert await tab.evaluate(TOO_WIDE) == []
        await tab.tap("nav .new")
        await expect(tab.locator("#empty")).to_be_visible()


async def test_without_script(browser: Browser, gateway: WholeGateway) -> None:
    """The page loads itself again while work goes on, and then shows the answer and stands still.

    Slow because the page waits two seconds between loads.
    """
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=("It is just", held, " **this**.")))
    async with opened(browser, gateway.url, java_script_enabled=False) as tab:
        await tab.fill("#text", "What is it?")
        await tab.click(".send")
        await expect(tab.locator(".message.user")).to_contain_text("What is it?")
        await expect(answers(tab)).to_contain_text("It is")
        await expect(tab.locator("#stop button")).to_be_visible()
        held.set()
        await expect(answers(tab).locator("strong")).to_have_text("this")
        await expect(tab.locator("#stop button")).to_be_hidden()


async def _chat_of(tab: Page) -> str:
    return str(await tab.get_attribute("main", "data-chat"))


def _ends(words: str) -> re.Pattern[str]:
    """The words are the whole body of a message, whatever stands above it."""
    return re.compile(rf"{re.escape(words)}\s*$")
