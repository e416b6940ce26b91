"""Races and faults, lines 1 to 18 of the table: two things at once, in all their orders."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import DOLLAR, Unknown, UnknownBecause
from agent.policy import Policy
from agent.rules import Rule
from agent.tools.base import CallContext, ToolOutput, Verdict
from gateway import tokens
from gateway.config.ids import Word
from gateway.config.values import PayersConfig
from platforms.content import Post
from platforms.errors import PlatformUnavailable, SendUncertain
from platforms.events import Author
from tests.gateway.approvals.house import CAL, KEY, House, Shown
from tests.gateway.approvals.house_tools import UNREACHED
from tests.gateway.events import ANN, BEN, DM, GROUP


async def at_once(house: House, *events: Any) -> None:
    """Let events come in at the same time, and wait until nothing moves."""
    await asyncio.gather(*(house.take(event) for event in events))
    await house.rest()


async def test_race_01_fifty_entitled_presses_at_once(house: House) -> None:
    """One is the decision; the others read who made it."""
    people = [Author(id=f"2{n:03}", name=f"P{n}") for n in range(50)]
    house.configure(approvers=(Word.ADMINS,))
    await house.restart()
    house.adapter.holders = {each.id: frozenset({"admin"}) for each in people}
    card = await house.asks("tells")
    button = card.button("Approve once")
    await at_once(house, *(house.event_of(button, card, each) for each in people))
    assert len(house.tools["tells"].ran) == 1
    assert await house.states() == ["approved"]
    assert len(await house.audited("press")) == 1


Act = Callable[[House, Shown], Awaitable[None]]


async def _approve(house: House, card: Shown) -> None:
    await house.take(house.event_of(card.button("Approve once"), card, BEN))


async def _deny(house: House, card: Shown) -> None:
    await house.take(house.event_of(card.button("Deny"), card, CAL))


async def _expire(house: House, card: Shown) -> None:
    house.clock.advance(3_600)
    while await house.now.desk.desk_clock.look():
        pass


async def _write(house: House, card: Shown) -> None:
    await house.take(house.words("rather not"))


async def _stop(house: House, card: Shown) -> None:
    await house.take(house.words("/stop"))


@pytest.mark.parametrize("other", [_deny, _expire, _write, _stop])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("together", [True, False])
async def test_race_02_approve_against_its_rivals(
    house: House, other: Act, *, first: bool, together: bool
) -> None:
    """In any order one wins, the loser sees it, and what ran ran once with a row that says so."""
    card = await house.asks("paid")
    house.model_says("Well.", "Well.")
    acts = [_approve, other] if first else [other, _approve]
    if together:
        await asyncio.gather(*(act(house, card) for act in acts))
    else:
        for act in acts:
            await act(house, card)
            if act is not _expire:
                await house.now.router.settled()
    await house.rest()
    await house.look()
    (state,) = await house.states()
    ran = len(house.tools["paid"].ran)
    assert ran <= (state == "approved")
    if state == "approved":  # what ended the turn before the launch is on the card
        assert ("Done" if ran else "Cancelled") in house.text_of(card)
    assert await house.held() == 0
    assert await house.turns() != ["waiting"]
    assert not house.shown()
    if first and not together:
        assert state == "approved"


async def test_race_03_two_chats_of_one_person_for_the_last_dollar(house: House) -> None:
    """One gets the money; the other is told whose limit it is, and stays undecided."""
    house.config = replace(house.config, budget=replace(house.config.budget, user_day=700_000))
    house.tools["paid"].waits = asyncio.Event()
    await house.restart()
    for chat in (DM, GROUP):
        house.model_forgets()
        house.model_calls("paid")
        await house.says("go", chat=chat)
    one, two = house.shown()
    house.model_says("Done.", "Done.")
    await asyncio.gather(
        house.take(house.event_of(one.button("Approve once"), one, CAL)),
        house.take(house.event_of(two.button("Approve once"), two, CAL)),
    )
    await house.now.router.settled()
    assert sorted(await house.states()) == ["approved", "pending"]
    assert await house.balance("user_day") == (0, 500_000)
    house.tools["paid"].waits.set()
    await house.rest()


async def test_race_05_a_press_journaled_then_down_past_the_expiry(house: House) -> None:
    """It is decided as of when it came, before the card expires; its start window has passed."""
    card = await house.asks("paid")
    event = house.event_of(card.button("Approve once"), card, BEN)
    core = house.now
    await core.router.settled()
    core.router.route = lambda stored: None  # type: ignore[method-assign]
    core.ingest._route = lambda stored: None
    await house.take(event)
    await house.shut()
    house.clock.advance(8 * 3_600)
    core = await house.open()
    while await core.desk.desk_clock.look():
        pass
    await house.rest()
    assert await house.states() == ["approved", "pending"]
    again = house.card("could not start in time")
    assert "approved by Ben" in again.text
    assert "could not start in time" in house.text_of(card)
    assert (house.tools["paid"].ran, await house.held()) == ([], 0)
    assert await house.press("Approve once", card=again) == "Approved."
    assert len(house.tools["paid"].ran) == 1


@pytest.mark.parametrize("change", ["edit", "payer", "price", "batch"])
async def test_race_06_a_button_of_an_old_revision(house: House, change: str) -> None:
    """After an edit, a payer's choice, a price rise, another item decided: look again."""
    payers = PayersConfig(default="acme", others=("lab",))
    house.config = replace(house.config, payers=payers)
    await house.restart()
    card = await house.asks("paid", *(["free"] if change == "batch" else []))
    old = card.button("Approve")
    match change:
        case "edit":
            await house.press("Edit")
            await house.fill(card=card, minutes="3")
        case "payer":
            await house.press("Payer: lab")
        case "price" | "batch":
            house.tools["paid"].price = DOLLAR
            told = await house.press("Approve")
            assert told == "The price changed; the card shows it now. Look again and decide."
    assert house.tools["paid"].ran == []
    stale = replace(card, buttons={"old": old})
    assert await house.press("old", card=stale) == "The card changed; look again."
    assert set(await house.states()) == {"pending"}
    assert await house.press("Approve") == "Approved."
    assert len(house.tools["paid"].ran) == 1


async def test_race_07_a_card_that_was_sent_twice_in_doubt(house: House) -> None:
    """Both copies are pressed; one decides, and the other is nothing once the card is known."""
    house.adapter.then(Post, SendUncertain("cut"))
    house.model_calls("paid")
    await house.take(house.words("do it"))
    await house.rest()
    card = house.card()
    copy = replace(card, message_id="99")
    button = card.button("Approve once")
    await at_once(house, house.event_of(button, copy, BEN), house.event_of(button, card, CAL))
    assert len(house.tools["paid"].ran) == 1
    ((_, (request,)),) = await house.cards()
    assert request.decided_by == "telegram:1003"


async def test_race_08_a_forwarded_or_foreign_token_is_nothing(house: House) -> None:
    """From another chat, from another message of ours, sealed with another key: one answer."""
    card = await house.asks("paid")
    nothing = "There is nothing to decide here (any more)."
    button = card.button("Approve once")
    elsewhere = replace(card, chat="1002", buttons={"x": button})
    assert await house.press("x", card=elsewhere) == nothing
    passed_on = replace(card, message_id="77", buttons={"x": button})
    assert await house.press("x", card=passed_on) == nothing
    read = tokens.opened(
        button.payload, keys=(KEY,), account="telegram:77", chat="telegram:-100200"
    )
    assert read is not None
    forged = tokens.seal(read, key=b"j" * 32, account="telegram:77", chat="telegram:-100200")
    assert (
        await house.press("x", card=replace(card, buttons={"x": replace(button, payload=forged)}))
        == nothing
    )
    assert await house.command("approve", "ZZZZZ", author=CAL) == nothing
    assert await house.command("approve", await _code(house), author=CAL, chat=DM) == nothing
    assert await house.states() == ["pending"]


async def _code(house: House) -> str:
    ((card, _),) = await house.cards()
    return card.code


TOKEN = tokens.seal(
    tokens.Token(id="A" * 22, rev=1, decision=tokens.Decision.APPROVE),
    key=KEY,
    account="telegram:77",
    chat="telegram:1",
)


@given(st.integers(0, len(TOKEN) * 8 - 1), st.binary(min_size=0, max_size=64))
def test_race_08_no_mutation_of_a_token_opens(bit: int, noise: bytes) -> None:
    """Bit by bit, and any other bytes."""
    data = bytearray(TOKEN.encode())
    data[bit // 8] ^= 1 << bit % 8
    for text in (data.decode("latin-1"), noise.decode("latin-1")):
        if text != TOKEN:
            opened = tokens.opened(text, keys=(KEY,), account="telegram:77", chat="telegram:1")
            assert opened is None


async def test_race_09_the_role_is_gone_before_the_press_and_before_the_launch(
    house: House,
) -> None:
    """Before the press: refused. Between press and launch: asked again, by whose earlier yes."""
    house.configure(approvers=(Word.ADMINS,))
    await house.restart()
    house.tools["allowed"].waits = asyncio.Event()
    await house.asks("tells")
    told = await house.press("Approve once", author=BEN)
    assert told == "Only chat approvers can decide this."
    house.adapter.holders["1002"] = frozenset({"admin"})
    await house.command("stop")
    house.model_forgets()
    house.model_calls("allowed", "tells")
    await house.take(house.words("again"))
    await asyncio.wait_for(house.tools["allowed"].began.wait(), 60)
    await house.until(lambda: bool(house.shown()))
    card = house.card()
    await house.take(house.event_of(card.button("Approve once"), card, BEN))
    await house.now.router.settled()
    assert (await house.states())[-1] == "approved"
    house.adapter.holders.clear()
    house.tools["allowed"].waits.set()
    await house.rest()
    assert house.tools["tells"].ran == []
    again = house.card("Earlier")
    assert "approved by Ben" in again.text
    assert "may not decide this any more" in again.text
    assert await house.press("Approve once", author=CAL, card=again) == "Approved."
    assert len(house.tools["tells"].ran) == 1


async def test_race_09_a_look_up_that_fails_before_the_launch(house: House) -> None:
    """Nobody knows whether the yes still counts: it is asked again."""
    house.configure(approvers=(Word.ADMINS,))
    await house.restart()
    house.adapter.holders["1002"] = frozenset({"admin"})
    house.tools["allowed"].waits = asyncio.Event()
    house.model_calls("allowed", "tells")
    await house.take(house.words("go"))
    await house.until(lambda: bool(house.shown()))
    card = house.card()
    await house.take(house.event_of(card.button("Approve once"), card, BEN))
    await house.now.router.settled()
    house.adapter.roles_down = PlatformUnavailable("down")
    house.tools["allowed"].waits.set()
    await house.rest()
    assert house.tools["tells"].ran == []
    assert "nobody could look up" in house.card("Earlier").text


async def test_race_10_rules_reloaded_between_decision_and_launch(house: House) -> None:
    """A deny that came with the next start holds for what was approved before it."""
    house.tools["allowed"].waits = asyncio.Event()
    house.model_calls("allowed", "free")
    await house.take(house.words("go"))
    await house.until(lambda: bool(house.shown()))
    card = house.card()
    await house.take(house.event_of(card.button("Approve once"), card, BEN))
    await house.now.router.settled()
    await house.shut()
    deny = Rule(id="no-more", tool="free", verdict=Verdict.DENY)
    house.config = replace(house.config, policy=Policy(rules=(deny,), version="2"))
    house.tools["allowed"].waits = None
    await house.open()
    await house.rest()
    assert house.tools["free"].ran == []
    assert "Not allowed (any more): rule no-more." in [r.text for r in house.results()]
    assert "Cancelled" in house.text_of(card)


async def test_race_10_leave_taken_back_between_decision_and_launch(house: House) -> None:
    """A call that goes by a grant and has not begun does not begin."""
    house.model_calls('paid {"text":"a"}')
    await house.says("go")
    await house.press("Approve for this chat", author=BEN)
    await house.press("Yes", author=BEN)
    ident = await house.one("SELECT id FROM allowance")
    house.model_calls("free", 'paid {"text":"a"}')
    await house.says("more")
    assert await house.calls() == ["done", "asked", "allowed"]
    told = await house.command("revoke", ident, author=BEN)
    assert told == f"Grant {ident} is taken back."
    await house.press("Approve once", author=BEN)
    assert len(house.tools["paid"].ran) == 1
    assert f"grant {ident} was taken back" in house.results()[-1].text
    assert await house.held() == 0


async def test_race_11_a_script_swapped_after_the_card(house: House) -> None:
    """The bytes of the card run, whatever lies there by then."""
    card = await house.asks('paid {"script":"train.py"}')
    assert "script train.py, 1 line" in card.text
    house.tools["paid"].scripts["train.py"] = b"import os; os.remove('/')\n"
    await house.press("Approve once")
    assert [ran.script for ran in house.tools["paid"].ran] == [b"print(1)\n"]


@pytest.mark.parametrize("found", ["attached", "absent", "failing"])
async def test_race_12_a_probe_after_a_crash(house: House, found: str) -> None:
    """A job that is there is attached, one that is not runs, and what nobody can tell is asked."""
    tool = house.remote()
    tool.waits = asyncio.Event()
    card = await house.asks("remote")
    await house.take(house.event_of(card.button("Approve once"), card, CAL))
    await asyncio.wait_for(tool.began.wait(), 60)
    await house.shut()
    tool.waits = None
    (ran,) = tool.ran
    job = ToolOutput(text="", remote=tool.output(_context(ran.call_id)).remote)
    tool.probed = {"attached": job, "absent": None, "failing": UNREACHED}[found]
    await house.open()
    await house.rest()
    match found:
        case "attached":
            assert (len(tool.ran), await house.calls()) == (1, ["running"])
        case "absent":
            assert (len(tool.ran), await house.calls()) == (2, ["running"])
        case "failing":
            assert len(tool.ran) == 1
            doubt = house.card("In doubt")
            assert "$2.00 until it is known" in doubt.text
            assert await house.press("Mark done", author=ANN, card=doubt) == "Noted as done."
    assert await house.held() == 2 * DOLLAR
    if found != "failing":
        tool.end(spent=DOLLAR)
        await house.ticks(16)
        assert (await house.held(), await house.settled()) == (0, DOLLAR)
        assert "Done" in house.text_of(card)


def _context(call_id: str) -> CallContext:
    return CallContext(call_id=call_id, session="")


@pytest.mark.parametrize("heeds", [True, False])
async def test_race_13_a_cancel_that_is_ignored_or_too_late(house: House, *, heeds: bool) -> None:
    """It is repeated until the end is seen; after a minute owners hear; the hold stays."""
    tool = house.remote()
    tool.heeds = heeds
    card = await house.asks("remote")
    await house.press("Approve once", author=CAL)
    assert await house.turns() == ["waiting"]
    await house.command("stop")
    assert await house.turns() == ["cancelled"]
    await house.ticks(1)
    if heeds:
        assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)
        return
    for _ in range(6):
        await house.ticks(16)
    assert len(tool.cancelled) >= 5
    assert await house.held() == 2 * DOLLAR
    await house.until(lambda: any("told to end" in text for text in house.texts("1003")))
    assert "May have run" in house.text_of(card)
    await house.restart()
    tool.end(spent=DOLLAR // 4)
    await house.ticks(61)
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 4)
    assert "Done" in house.text_of(card)


@pytest.mark.parametrize(
    ("spent", "actual", "flags"),
    [(900_000, 900_000, "overrun"), (100_000, 100_000, ""), (0, 0, ""), (None, None, "")],
)
async def test_race_14_bills_above_below_zero_and_missing(
    house: House, spent: int | None, actual: int | None, flags: str
) -> None:
    """Above is booked in full with an alarm, zero counts, missing keeps the hold."""
    house.tools["paid"].spent = spent
    await house.asks("paid")
    await house.press("Approve once")
    rows = await house.rows("SELECT state, actual, flags FROM reservation")
    assert rows == [("held" if spent is None else "settled", actual, flags)]
    if flags:
        await house.until(lambda: any("cost more than" in text for text in house.texts("1003")))


async def test_race_14_a_bill_that_comes_late_and_twice(house: House) -> None:
    """Charged after a day in its own window, then corrected once by the figure, over midnight."""
    tool = house.remote()
    await house.asks("remote")
    await house.press("Approve once", author=CAL)
    tool.heeds = False
    for _ in range(8):
        await house.ticks(6 * 3_600)
    assert await house.rows("SELECT state, actual FROM reservation") == [("charged", 2 * DOLLAR)]
    spans = "SELECT span, settled FROM balance WHERE scope LIKE 'chat_day%'"
    ((day, booked),) = await house.rows(spans)
    assert booked == 2 * DOLLAR
    tool.end(spent=DOLLAR // 2)
    await house.ticks(120)
    await house.ticks(120)
    assert await house.rows(spans) == [(day, DOLLAR // 2)]
    assert await house.rows("SELECT state, actual FROM reservation") == [("settled", DOLLAR // 2)]


@pytest.mark.parametrize("price", [DOLLAR, Unknown(because=UnknownBecause.PRICE, text="gone")])
async def test_race_15_a_price_doubled_or_lost_before_the_press(house: House, price: Any) -> None:
    """No decision: the card shows the new figure, and the choices that go with it."""
    await house.asks("paid")
    house.tools["paid"].price = price
    told = await house.press("Approve once")
    assert told == "The price changed; the card shows it now. Look again and decide."
    shown = house.card()
    assert ("price unknown" if isinstance(price, Unknown) else "$1.00") in shown.text
    assert (await house.states(), await house.held()) == (["pending"], 0)
    ((card, _),) = await house.cards()
    assert (card.rev, card.tier) == (2, "owner" if isinstance(price, Unknown) else "requester")


async def test_race_15_a_price_that_fell_needs_no_new_look(house: House) -> None:
    """The lower figure is held."""
    await house.asks("paid")
    house.tools["paid"].price = 200_000
    assert await house.press("Approve once") == "Approved."
    assert await house.rows("SELECT amount FROM reservation") == [(200_000,)]


@pytest.mark.parametrize("way", ["policy", "approve all", "auto"])
async def test_race_16_two_calls_that_fit_singly_not_jointly(house: House, way: str) -> None:
    """In the model's order the first runs; the other is asked, or stays pending."""
    limits = {"turn": 500_000} if way == "policy" else {"chat_day": 700_000}
    house.config = replace(house.config, budget=replace(house.config.budget, **limits))
    await house.restart()
    tool = "budgeted" if way == "policy" else "paid"
    house.tools[tool].spent = house.tools[tool].price  # type: ignore[assignment]
    if way == "auto":
        house.model_says("Hello.")
        await house.says("hello", chat=DM)
        await house.command("auto", "$5 2h", chat=DM)
    house.model_calls(f'{tool} {{"text":"a"}}', f'{tool} {{"text":"b"}}')
    await house.says("go", chat=DM)
    if way == "approve all":
        assert (await house.press("Approve all", author=CAL)).startswith("1 of 2 approved")
    assert await house.calls() == ["done", "asked"]
    (ran,) = house.tools[tool].ran
    assert '"a"' in ran.arguments
    assert len(house.shown()) == 1


async def test_race_18_a_small_window_is_no_discount_for_a_large_one(house: House) -> None:
    """What is held for one call counts in full beside the next one's own ceiling."""
    tool = house.remote()
    house.model_calls("remote", "remote")
    await house.says("go")
    assert "2 calls, at most $4.00 together" in house.card().text
    await house.press("Approve all", author=CAL)
    assert await house.held() == 4 * DOLLAR
    tool.end(spent=DOLLAR)
    await house.ticks(16)
    assert await house.settled() == 2 * DOLLAR
