"""The spend page: sums, limits as bars, freezes; all of it also in words."""

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import pytest

from gateway.web.spend import DaySpend, LimitState, Share, Spend
from gateway.web.spend_html import money, spend_content
from tests.gateway.web.desk import NOW, SPEND, StandInDesk, running_pages

LIMIT = LimitState(
    name="this chat, today", limit=10_000_000, settled=0, held=0, ends_at=NOW + timedelta(hours=1)
)


def widths(html: str) -> dict[str, int]:
    """The lengths in a limit's bar, of 1,000."""
    bar = html[html.index('class="bar-of"') :].partition("</svg>")[0]
    return {
        kind: int(width)
        for width, kind in re.findall(r'width="(\d+)" height="10" class="(\w+)"', bar)
    }


def shown(**changes: int) -> str:
    """The page with one limit."""
    limit = replace(LIMIT, **changes)  # type: ignore[arg-type]
    return spend_content(Spend(limits=(limit,)), span=30, now=NOW)


async def test_the_page_has_every_sum() -> None:
    """Days, chats, people, models, tools, limits and freezes."""
    async with running_pages() as pages:
        async with pages.client.get("/spend") as answer:
            html = unescape(await answer.text())
            assert answer.status == 200
        for words in (
            "Frozen: <bdi>Telegram: Ops</bdi>.",
            "velocity alarm",
            "$7.90 spent, $1.70 held, $0.40 left of $10.00",
            "left of $15.00, raised by $5.00",
            "Everything, November 2026",
            "ends in 10 h 19 min",
            "2 calls of these days cost an amount nobody knows",
            "<bdi>gpt-5</bdi><span>$24.30</span>",
            "<bdi>web_search</bdi><span>$1.50</span>",
            "<bdi>Telegram: Ops</bdi><span>$0.0410</span>",
            '<bdi>gpt-5</bdi></th><td class="right">$24.30</td><td class="right">1,204</td>'
            '<td class="right">7</td><td class="right">9,100,000</td>',
            "<bdi>gpt-5</bdi>: 2 of its calls told no tokens; no figure yet for 1, $0.12 held.",
            '<bdi>own</bdi></th><td class="right">$0.00</td><td class="right">3</td>'
            '<td class="right">0</td><td class="right">unknown</td>',
        ):
            assert words in html
        total = sum(day.amount for day in SPEND.days)
        assert f"<strong>{money(total)}</strong> in the last 30 days" in html
        assert html.count("<title>") == 1 + len(SPEND.days)


@pytest.mark.parametrize(
    ("query", "days"), [("", 30), ("?days=7", 7), ("?days=90", 90), ("?days=9999", 30)]
)
async def test_the_span_is_one_of_three(query: str, days: int) -> None:
    """Any other is the usual one, so nobody makes the ledger read for ever."""
    async with running_pages() as pages:
        async with pages.client.get(f"/spend{query}") as answer:
            html = await answer.text()
        assert pages.desk.asked_days == [days]
        assert f'aria-current="true">{days} days' in html


async def test_a_ledger_that_is_away_says_so() -> None:
    """503 with a sentence."""
    desk = StandInDesk(readable=False)
    async with running_pages(desk) as pages, pages.client.get("/spend") as answer:
        assert answer.status == 503
        assert "can't read its ledger" in (await answer.json())["error"]


def test_nothing_spent_is_a_number_and_nothing_free() -> None:
    """Zero is $0.00; sections without anything say so."""
    html = spend_content(Spend(), span=7, now=NOW)
    assert "<strong>$0.00</strong> in the last 7 days" in html
    assert "free" not in html
    assert html.count("Nothing was spent.") == 5
    assert "No limit has begun to count" in html


@pytest.mark.parametrize(
    ("settled", "held", "parts", "words"),
    [
        (0, 0, {"left": 1000}, "$0.00 spent, $10.00 left"),
        (1, 0, {"left": 1000, "settled": 4}, "$0.0001 spent, $10.00 left"),
        (2_500_000, 2_500_000, {"left": 1000, "settled": 250, "held": 250}, "$5.00 left"),
        (7_000_000, 1_000_000, {"left": 1000, "settled": 700, "held": 100}, "Nearly used up."),
        (10_000_000, 0, {"left": 1000, "settled": 1000}, "Used up. "),
        (12_500_000, 0, {"left": 1000, "settled": 1000, "mark": 3}, "$0.00 left of $10.00"),
    ],
)
def test_a_limit_is_drawn_to_scale(
    settled: int, held: int, parts: dict[str, int], words: str
) -> None:
    """Settled, then held, then what is left; a line marks a limit that was passed."""
    html = shown(settled=settled, held=held)
    assert widths(html) == parts
    assert words in re.sub(r"<[^>]+>", "", html)


def test_names_are_words() -> None:
    """A chat may be called anything."""
    share = Share(name="<script>\u202e", amount=1)
    day = DaySpend(day=date(2026, 11, 21), amount=1)
    html = spend_content(Spend(days=(day,), chats=(share,)), span=7, now=NOW)
    assert "<bdi>&lt;script&gt;\u202e</bdi>" in html


def test_many_are_summed_up() -> None:
    """Ten by name, the others together."""
    shares = tuple(Share(name=f"tool {number}", amount=1_000_000) for number in range(13))
    html = spend_content(Spend(tools=shares), span=7, now=NOW)
    assert "and 3 more: $3.00" in html
    assert "tool 10" not in html
