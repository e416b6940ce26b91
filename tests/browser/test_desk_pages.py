"""The pages for approvals and spend in a real browser."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from gateway.card_view import arguments_of
from tests.browser.conftest import PHONE, TOO_WIDE, opened
from tests.browser.test_chat_page import CONTRAST, NAMELESS
from tests.gateway.card_cases import BATCH, CARD, JOB
from tests.gateway.web.desk import (
    BATCH_PAGE,
    LINE,
    PAGE,
    SCRIPT,
    SPEND,
    Pages,
    StandInDesk,
    running_pages,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PATHS = ("/approvals", "/approvals/K7Q2F", "/approvals/M3X9P", "/spend", "/jobs")
# Where the Tab key is, by what stands there; each place must show that it has the focus.
FOCUS = """() => {
  const at = document.activeElement;
  if (getComputedStyle(at).outlineStyle === 'none') return `unseen: ${at.outerHTML}`;
  return at.innerText.split('\\n')[0];
}"""
LONG = "w" * 400


@pytest_asyncio.fixture(loop_scope="session")
async def pages(browser: Browser) -> AsyncIterator[Pages]:
    """The pages with a desk to script."""
    async with running_pages() as running:
        yield running


async def unfolded(tab: Page) -> None:
    """Everything that folds out is out."""
    await tab.evaluate("document.querySelectorAll('details').forEach((el) => (el.open = true))")


async def test_from_the_chat_to_a_decision(browser: Browser, pages: Pages) -> None:
    """Chat, queue, card, Deny: by links and buttons, and back to the chat."""
    async with opened(browser, pages.url) as tab:
        await tab.get_by_role("link", name="Approvals").click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Approvals")
        await tab.get_by_role("link", name="K7Q2F").click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text(
            "Approval K7Q2F: hf_jobs run"
        )
        await tab.get_by_role("button", name="Deny", exact=True).click()
        await expect(tab.locator(".said")).to_have_text("Denied. The model is told.")
        await expect(tab.locator(".runs")).to_contain_text("Denied by you")
        await expect(tab.get_by_role("button")).to_have_count(0)
        await tab.get_by_role("link", name="Spend").click()
        await expect(tab.get_by_role("link", name="Spend")).to_have_attribute(
            "aria-current", "page"
        )
        await tab.get_by_role("link", name="Chat").click()
        await expect(tab.locator("#text")).to_be_visible()
    assert [act.action for act in pages.desk.acts] == ["deny"]


async def test_the_keyboard_meets_deny_first(browser: Browser, pages: Pages) -> None:
    """Top to bottom; every place shows that it has the focus."""
    async with opened(browser, pages.url, "/approvals/K7Q2F") as tab:
        reached = []
        for _ in range(16):
            await tab.keyboard.press("Tab")
            reached.append(await tab.evaluate(FOCUS))
        assert reached == [
            "Skip to the content",
            "Gatepost",
            "Chat",
            "Approvals",
            "Spend",
            "Jobs",
            "All open cards",
            '{"flavor":"a100-large","op":"run","script":"<train.py>","timeout_s":2700}',
            "import torch⏎",
            "Deny",
            "Approve once, at most $2.09",
            "Deny with a reason",
            "Edit",
            "Pay with acme-prod",
            "Deny and stop",
            "A rule that would allow exactly this",
        ]


async def test_a_script_is_edited_to_the_letter(browser: Browser, pages: Pages) -> None:
    """What the browser sends of a text nobody touched is that text; Back sends nothing twice."""
    async with opened(browser, pages.url, "/approvals/K7Q2F") as tab:
        await tab.locator("summary", has_text="Edit").click()
        await tab.get_by_label("timeout").fill("1h")
        await tab.keyboard.press("Enter")
        await expect(tab.locator(".said")).to_have_text("Done: edit.")
        await tab.reload()
        await expect(tab.locator(".said")).to_have_count(0)
        await tab.go_back()
        await expect(tab.get_by_role("heading", level=1)).to_be_visible()
    (act,) = pages.desk.acts
    assert act.values == {"script": SCRIPT, "timeout": "1h"}


async def test_a_question_is_asked_first(browser: Browser, pages: Pages) -> None:
    """Without any script, by the keyboard alone."""
    async with opened(browser, pages.url, "/approvals/K7Q2F", java_script_enabled=False) as tab:
        await tab.locator("summary", has_text="Deny and stop").focus()
        await tab.keyboard.press("Enter")
        await expect(tab.get_by_text("End the whole turn?")).to_be_visible()
        assert pages.desk.acts == []
        await tab.keyboard.press("Tab")
        await tab.keyboard.press("Enter")
        await expect(tab.locator(".said")).to_have_text("Done: stop.")
    assert [act.action for act in pages.desk.acts] == ["stop"]


async def test_no_figure_is_broken_in_two(browser: Browser, pages: Pages) -> None:
    """On a phone the table of calls scrolls instead."""
    async with opened(browser, pages.url, "/spend", **PHONE) as tab:
        await unfolded(tab)
        heights = await tab.locator(".table td.right").evaluate_all(
            """cells => cells.map((cell) => {
              const words = document.createRange();
              words.selectNodeContents(cell);
              return words.getClientRects().length;
            })"""
        )
        assert set(heights) == {1}


@pytest.mark.parametrize("options", [PHONE, {}], ids=["phone", "desk"])
async def test_nothing_is_wider_than_the_screen(browser: Browser, options: dict[str, Any]) -> None:
    """Whatever the names, arguments and sums; buttons on a phone are large enough for a thumb."""
    job = replace(JOB, summary=LONG, payer=LONG, arguments=arguments_of(f'{{"a":"{LONG * 9}"}}'))
    long = replace(
        PAGE,
        view=replace(CARD, items=(job,), asked_by=LONG, model_words=LONG),
        chat=LONG,
        rule_draft=LONG * 3,
    )
    shares = tuple(replace(share, name=LONG) for share in SPEND.chats)
    limits = tuple(replace(limit, name=LONG) for limit in SPEND.limits)
    freezes = tuple(replace(one, where=LONG, reason=LONG) for one in SPEND.freezes)
    desk = StandInDesk(
        queue=(replace(LINE, what=LONG, summary=LONG, asked_by=LONG, chat=LONG), LINE),
        pages={
            "K7Q2F": long,
            "M3X9P": replace(BATCH_PAGE, view=replace(BATCH, items=(job, *BATCH.items))),
        },
        spent=replace(SPEND, chats=shares, limits=limits, freezes=freezes),
    )
    async with running_pages(desk) as running:
        for path in PATHS:
            async with opened(browser, running.url, path, **options) as tab:
                await unfolded(tab)
                assert await tab.evaluate(TOO_WIDE) == []
                assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
                if options:
                    heights = await tab.locator(".choices button:visible").evaluate_all(
                        "all => all.map((el) => el.getBoundingClientRect().height)"
                    )
                    assert min(heights, default=44) >= 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_they_can_be_read(browser: Browser, pages: Pages, scheme: str) -> None:
    """All text has the contrast of WCAG AA on either ground, and everything to press has a name."""
    for path in (*PATHS, "/approvals/NOPE1"):
        async with opened(browser, pages.url, path, color_scheme=scheme) as tab:
            await unfolded(tab)
            assert await tab.evaluate(CONTRAST) == []
            assert await tab.evaluate(NAMELESS) == []
    pages.desk.queue = ()
    async with opened(browser, pages.url, "/approvals", color_scheme=scheme) as tab:
        assert await tab.evaluate(CONTRAST) == []
