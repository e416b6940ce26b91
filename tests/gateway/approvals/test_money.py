"""Limits, freezes, grants, `/auto` and prices nobody knows, over the cards they lead to."""

import asyncio
from dataclasses import replace
from typing import Any

from agent.costs import DOLLAR, Unknown, UnknownBecause
from agent.messages import Usage
from agent.providers.base import StreamCompleted, UsageReported
from gateway.config.ids import parse_user
from platforms.events import Author
from tests.agent.scripted import Step
from tests.gateway.approvals.house import CAL, DAN, EVE, House, made_calls
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN, DM
from tests.transitions import KEPT

USAGE = UsageReported(usage=Usage(input=10, output=10))


def counted(text: str, *calls: str) -> tuple[Step, ...]:
    """A model's answer whose tokens were counted, so that it has a price."""
    *words, end = says(text, calls=made_calls(*calls))
    assert isinstance(end, StreamCompleted)
    return (*words, USAGE, end)


def paid_model(house: House, *, ceiling: int, actual: int) -> None:
    """Let model calls cost something."""
    house.price.ceiling, house.price.actual = ceiling, actual


def budget(house: House, **limits: int) -> None:
    """Other limits for the next run."""
    house.config = replace(house.config, budget=replace(house.config.budget, **limits))


async def test_a_used_up_budget_parks_the_turn_and_a_raise_goes_on(house: House) -> None:
    """The reply already paid for stands, its results are kept, no model call is repeated."""
    budget(house, turn=DOLLAR)
    await house.restart()
    paid_model(house, ceiling=600_000, actual=500_000)
    house.model_says(counted("Reading.", "reads"), counted("Read it."))
    await house.says("read")
    card = house.card("Limit")
    assert "budget is used up ($0.50 of $1.00)" in card.text
    assert "$0.10 short" in card.text
    assert any("Reading." in text for text in house.texts())
    assert len(house.model.requests) == 1
    assert await house.turns() == ["waiting"]
    assert await house.press("Raise by $0.10", author=BEN) == (
        "The budget of this turn is raised by $0.10."
    )
    assert len(house.model.requests) == 2
    assert "Read it." in house.texts()
    assert await house.settled() == DOLLAR


async def test_who_may_raise_depends_on_the_limit(house: House) -> None:
    """A turn's limit takes an approver; a day's takes an owner."""
    budget(house, chat_day=550_000, turn=10 * DOLLAR)
    await house.restart()
    paid_model(house, ceiling=600_000, actual=100_000)
    house.model_says(counted("Hello."))
    await house.says("hi")
    assert await house.press("Raise", author=BEN) == "Only owners can decide this."
    assert "is raised by $5.00" in await house.press("+$5", author=CAL)
    assert house.texts()[-1] == "Hello."


async def test_a_limit_card_that_nobody_raises_expires(house: House) -> None:
    """Its turn halts and says so; no money moved."""
    budget(house, turn=DOLLAR)
    await house.restart()
    paid_model(house, ceiling=2 * DOLLAR, actual=0)
    await house.says("hi")
    await house.ticks(3_600)
    assert await house.states() == ["expired"]
    assert await house.turns() == ["halted"]
    assert "nobody decided in time" in house.texts()[-1]
    assert (await house.held(), house.model.requests) == (0, [])


async def test_stopping_at_a_limit_ends_the_turn(house: House) -> None:
    """Stop is a decision like any other."""
    budget(house, turn=DOLLAR)
    await house.restart()
    paid_model(house, ceiling=2 * DOLLAR, actual=0)
    await house.says("hi")
    assert await house.press("Stop", author=BEN) == "Denied, and the turn is stopped."
    assert await house.turns() == ["cancelled"]


async def test_four_fifths_are_told_once(house: House) -> None:
    """In the chat the limit binds; owners hear of the month's."""
    budget(house, chat_day=DOLLAR, turn=5 * DOLLAR, session=50 * DOLLAR, org_month=1_200_000)
    await house.restart()
    paid_model(house, ceiling=450_000, actual=450_000)
    for number in range(2):
        house.model_says(counted(f"Hello {number}."))
        await house.says("hi")
    told = [text for text in house.texts() if "are spent" in text]
    assert told == [
        "Of the budget of this chat today, $0.90 of $1.00 are spent. /budget shows what is left."
    ]
    paid_model(house, ceiling=90_000, actual=90_000)
    house.model_says(counted("Hello 3."))
    await house.says("hi")
    assert len([text for text in house.texts() if "are spent" in text]) == 1
    await house.until(lambda: any("everybody this month" in t for t in house.texts("1003")))


async def test_a_freeze_holds_everything_until_an_owner_lifts_it(house: House) -> None:
    """Deny works, Approve says why not, new turns wait; the card's own button goes on."""
    await house.asks("paid")
    assert await house.command("freeze", author=ANN) == (
        "Only approvers of this chat and owners can use /freeze here."
    )
    assert (await house.command("freeze", author=BEN)).startswith("Spending is frozen in this chat")
    card = house.card("paid")
    told = await house.press("Approve once", card=card)
    assert told == "Not approved: spending is frozen by Ben. Deny still works."
    assert await house.press("Deny", card=card) == "Denied."
    waiting = house.card("Limit")
    assert "Nothing is spent here now: spending is stopped by" in waiting.text
    told = await house.press("Go on", author=CAL, card=waiting)
    assert told == "Spending is still frozen by Ben: an owner writes /unfreeze."
    refused = await house.command("freeze", "all", author=BEN)
    assert refused == "Owners freeze spending; chat approvers freeze their chat."
    await house.restart()
    assert await house.press("Go on", author=CAL, card=waiting) == told
    assert await house.command("unfreeze", author=CAL) == "Spending goes on."
    assert await house.press("Go on", author=CAL, card=waiting) == "It goes on."
    assert house.texts()[-1] == "All done."


async def test_a_price_nobody_knows_takes_an_owners_ceiling(house: House) -> None:
    """It never prints as zero, never fits a button without a figure; the figure is the hold."""
    house.tools["paid"].price = Unknown(because=UnknownBecause.PRICE, text="no list of prices")
    card = await house.asks("paid")
    assert "price unknown" in card.text
    assert not [label for label in card.buttons if label.startswith("Approve once")]
    assert await house.press("Approve with a ceiling", author=BEN) == "Only owners can decide this."
    assert await house.press("Approve with a ceiling", author=CAL) == "(form)"
    for wrong in ("", "free", "-1", "0", "1e99", "NaN"):
        told = await house.fill(author=CAL, card=card, amount=wrong)
        assert told == "Write an amount in dollars, such as 2.50."
    assert await house.fill(author=CAL, card=card, amount="$2.50") == "Approved."
    rows = await house.rows("SELECT amount, actual, flags, leave FROM reservation")
    assert rows == [(2_500_000, 100_000, "unverified", "person")]


async def test_a_call_without_a_bound_can_only_be_edited_or_denied(house: House) -> None:
    """Nothing bounds what it costs, so nobody may approve it."""
    house.tools["paid"].price = Unknown(because=UnknownBecause.LIMIT, text="no end")
    card = await house.asks("paid")
    assert not [label for label in card.buttons if label.startswith("Approve")]
    ((stored, _),) = await house.cards()
    told = await house.command("approve", stored.code, author=CAL)
    assert told == "Nothing bounds what it costs: edit it, or deny it."


async def test_a_grant_is_shown_whole_and_covers_the_same_call(house: House) -> None:
    """The second press gives it; the same call runs on it, another one is asked."""
    house.model_says(
        says("One.", calls=made_calls('paid {"text":"a"}')),
        says("Two.", calls=made_calls('paid {"text":"a"}')),
        says("Three.", calls=made_calls('paid {"text":"b"}')),
        "Done.",
    )
    await house.says("do it")
    assert await house.press("Approve for this chat", author=ANN) == (
        "Read it, and press once more."
    )
    assert 'exactly these arguments: {"minutes":1,"text":"a"}' in house.card().text
    assert await house.states() == ["pending"]
    assert "for this chat until used up" in await house.press("Yes", author=ANN)
    assert await house.calls() == ["done", "done", "asked"]
    assert await house.one("SELECT uses_left FROM allowance") == 19
    assert "paid do for telegram:1001" in await house.command("grants")
    leaves = await house.audited("leave")
    assert [each.link.actor for each in leaves] == ["telegram:1001"]


async def test_a_grant_asks_all_that_a_yes_asks(house: House) -> None:
    """Who has not seen all of it can give no leave for more of it."""
    await house.asks('free {"text":"' + "y" * 4_000 + '"}')
    told = await house.press("Approve for this chat", author=BEN)
    assert told == "It is longer than what is shown: press Show all first."
    assert await house.rows("SELECT id FROM allowance") == []


async def test_nobody_has_leave_for_what_a_clock_asked(house: House) -> None:
    """A grant is its requester's; where there is none it is no grant for everybody."""
    await house.asks("paid")
    await house.store.write(lambda tx: tx.run("UPDATE card SET requester = ''"), transition=KEPT)
    told = await house.press("Approve for this chat", author=BEN)
    assert told.startswith("Nobody asked for this")
    await house.press("Approve for everybody in this chat", author=BEN)
    await house.press("Yes: approve, and for this chat", author=BEN)
    assert await house.rows("SELECT requester FROM allowance") == [("",)]


async def test_auto_lets_paid_calls_through_under_one_cap(house: House) -> None:
    """Each leaves a receipt; what does not fit any more is asked."""
    house.tools["paid"].spent = 500_000
    house.model_calls('paid {"text":"a"}', 'paid {"text":"b"}', 'paid {"text":"c"}')
    await house.take(house.words("hello", chat=DM))  # a session to give it to
    house.model_says("Hello.")
    await house.rest()
    told = await house.command("auto", "$1.20 2h", chat=DM)
    assert told.startswith("/auto is on")


async def test_auto_ends_by_cap_and_goes_on_asking(house: House) -> None:
    """The session's whole spend counts; the third call has no room and is asked."""
    house.tools["paid"].spent = 500_000
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    assert "$1.20 left" in await house.command("auto", "$1.20 2h", chat=DM)
    house.model_calls('paid {"text":"a"}', 'paid {"text":"b"}', 'paid {"text":"c"}')
    await house.says("go", chat=DM)
    assert await house.calls() == ["done", "done", "asked"]
    receipts = [text for text in house.texts("1001") if text.startswith("/auto:")]
    assert len(receipts) == 2
    assert "paid: do, at most $0.50; $0.70 left until 10:53." in receipts[0]
    assert "$0.20 of $1.20 left" in await house.command("grants", chat=DM)
    assert await house.command("auto", "off", chat=DM) == "/auto has ended."


async def test_auto_ends_when_a_tool_changes(house: House) -> None:
    """Its cap does not go on standing in place of the limits it was given instead of."""
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    assert "$5.00 left" in await house.command("auto", "$5 2h", chat=DM)
    paid_model(house, ceiling=600_000, actual=500_000)
    house.model_says(counted("One.", "reads"), counted("Two."))
    await house.says("go", chat=DM)
    assert house.texts("1001")[-1].endswith("Two.")
    house.tools["links"].schema = 2
    house.model_says(counted("One.", "reads"), counted("Three."))
    await house.says("go", chat=DM)
    assert "the turn" in house.card("Limit").text
    assert "Nothing is allowed" in await house.command("grants", chat=DM)
    assert (await house.command("auto", chat=DM)).startswith("/auto is off")
    rows = await house.rows("SELECT ended_because FROM allowance")
    assert rows == [("a rule or a tool has changed",)]


async def test_a_used_up_auto_parks_with_its_three_ways_on(house: House) -> None:
    """Raise (its owner's, up to the most), go on asking, stop."""
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    await house.command("auto", "$1 2h", chat=DM)
    paid_model(house, ceiling=2 * DOLLAR, actual=100_000)
    house.model_says(counted("Here."))
    budget(house, turn=50 * DOLLAR)
    await house.says("go", chat=DM)
    card = house.card("Limit")
    assert {"Go on asking", "Stop"} <= set(card.buttons)
    assert "is raised by $1.00" in await house.press("Raise by $1.00", author=ANN)
    assert house.texts("1001")[-1] == "Here."


async def test_the_cap_of_auto_has_an_end_of_its_own(house: House) -> None:
    """Beyond `auto_max` only an owner raises it; the requester can go on asking."""
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    await house.command("auto", "$5 2h", chat=DM)
    paid_model(house, ceiling=5_500_000, actual=100_000)
    await house.says("go", chat=DM)
    card = house.card("Limit")
    told = await house.press("Raise by $0.50", author=ANN)
    assert told == "/auto goes up to $5.00 without an owner; go on asking."
    assert (await house.press("Go on asking", author=ANN, card=card)).startswith("/auto has ended")
    assert await house.states() == ["approved", "pending"]  # the turn's own limit is next


async def test_two_people_decide_what_is_dear(house: House) -> None:
    """The first yes is a vote; the same person twice is one, and the requester is none."""
    house.configure(two_person_above=4 * DOLLAR)
    await house.restart()
    await house.asks("dear")
    assert "can decide" in await house.press("Approve once", author=ANN)
    assert await house.press("Approve once", author=BEN) == "Press once more to be sure."
    told = await house.press("Yes", author=BEN)
    assert told == "Your yes is noted; one more person has to approve it."
    assert "Votes  telegram:1002" in house.card().text
    await house.press("Approve once", author=BEN)
    assert await house.press("Yes", author=BEN) == told
    assert house.tools["dear"].ran == []
    await house.press("Approve once", author=EVE)
    assert await house.press("Yes", author=EVE) == "Approved."
    assert len(house.tools["dear"].ran) == 1


async def test_a_vote_counts_for_its_own_item_alone(house: House) -> None:
    """Half of a batch that one person approved is not approved for the other half."""
    house.configure(two_person_above=4 * DOLLAR)
    await house.restart()
    await house.asks('dear {"text":"a"}', 'dear {"text":"b"}')

    async def yes(author: Any) -> str:
        await house.press("Approve", author=author)
        return await house.press("Yes", author=author)

    await house.press("One by one")
    await yes(BEN)
    told = await yes(EVE)  # all of it: the second item has one vote now
    assert told.startswith("1 of 2 approved. Your yes is noted")
    assert await house.states() == ["approved", "pending"]
    assert [ran.arguments for ran in house.tools["dear"].ran] == ['{"minutes":1,"text":"a"}']


async def test_threads_of_a_chat_share_its_budget(house: House) -> None:
    """A day's limit is the chat's, however many threads there are."""
    budget(house, chat_day=DOLLAR, turn=50 * DOLLAR)
    await house.restart()
    paid_model(house, ceiling=400_000, actual=400_000)
    for thread in ("7", "8", "9"):
        house.model_says(counted(f"In {thread}."))
        chat = replace(house.words("x").chat, thread_id=thread)
        await house.says("hi", chat=chat)
    assert await house.turns() == ["done", "done", "waiting"]
    assert await house.balance("chat_day") == (800_000, 0)


async def test_limits_are_told_before_a_first_turn(house: House) -> None:
    """`/budget` works in a chat that never had one, and names what can be raised."""
    told = await house.command("budget", author=CAL)
    assert "chat_day this chat today: $0.00 spent" in told
    assert "this turn" not in told
    assert await house.command("budget", "chat_day $5", author=BEN) == "Only owners raise it."
    raised = await house.command("budget", "chat_day $5", author=CAL)
    assert raised == "The budget of this chat today is raised by $5.00."
    assert "No such limit" in await house.command("budget", "turn $5", author=CAL)
    assert "$15.00" in await house.command("budget")


async def test_the_alarm_freezes_a_chat_that_runs_away(house: House) -> None:
    """More than the most in ten minutes: frozen, owners told why, nothing called any more."""
    budget(house, turn=50 * DOLLAR, session=50 * DOLLAR, chat_day=10 * DOLLAR)
    await house.restart()
    paid_model(house, ceiling=2_100_000, actual=2_100_000)
    house.model_says(counted("One.", "reads"), counted("Two.", "reads"))
    await house.says("go")
    assert len(house.model.requests) == 2
    assert "velocity alarm" in house.card("Limit").text
    await house.until(lambda: any("is frozen" in text for text in house.texts("1003")))


async def test_money_of_calls_that_never_began_is_free_at_once(house: House) -> None:
    """An allowed call behind a card that ends gives its hold back."""
    house.model_calls("free", "budgeted")
    await house.says("do it")
    assert await house.held() == 300_000
    await house.command("stop")
    assert await house.held() == 0
    states = await house.rows("SELECT state FROM reservation")
    assert states == [("released",)]


async def test_cards_queue_behind_three_and_are_refused_behind_ten(house: House) -> None:
    """A queued card is a line without a clock; one that is decided lets the next one out."""
    questions = [f'asks {{"question":"Q{n}?"}}' for n in range(14)]
    house.model_calls(*questions)
    await house.says("do it")
    assert len(house.shown()) == 3
    lines = [text for text in house.texts() if "waits until others here are decided" in text]
    assert len(lines) == 10
    assert len([s for s in await house.calls() if s == "refused"]) == 1
    await house.press("Deny", card=house.shown()[0])
    assert len(house.shown()) == 3
    states = [card.state for card, _ in await house.cards()]
    assert states.count("open") == 3
    assert states.count("queued") == 9
    await house.command("stop")
    assert not house.shown()
    assert not [t for t in house.texts() if "waits until others here" in t and "Approval" not in t]


async def test_a_turn_does_not_end_while_money_awaits_its_figure(house: House) -> None:
    """A hold without a figure stays in full until it is booked in full."""
    house.tools["paid"].spent = None
    card = await house.asks("paid")
    await house.press("Approve once")
    assert "cost not known yet (held $0.50)" in house.text_of(card)
    assert await house.held() == 500_000
    await house.ticks(26 * 3_600)
    assert (await house.held(), await house.settled()) == (0, 500_000)


async def test_spending_is_told_to_whom_it_concerns(house: House) -> None:
    """Owners read everything; everybody else reads of this chat, and of what they asked for."""
    await house.asks("paid")
    await house.press("Approve once", author=BEN)
    told = await house.command("spend", author=CAL, chat=DM)
    assert "Spent today: $0.10" in told
    assert "-100200" in told
    assert (await house.command("spend", author=DAN)).startswith(
        "Spent in this chat today: $0.10\n\n• paid: do: $0.10"
    )
    foreign = await house.command("spend", "month", author=DAN, chat=DM)
    assert foreign == (
        "Spent in this chat this month: $0.00\n\nAsked for by you, in all chats: $0.00"
    )
    mine = await house.command("spend", author=ANN, chat=DM)
    assert mine.endswith("Asked for by you, in all chats: $0.10")


async def test_spending_is_told_by_model_with_its_tokens(house: House) -> None:
    """Owners read of every model, everybody else of what theirs did in this chat."""
    paid_model(house, ceiling=DOLLAR // 10, actual=DOLLAR // 100)
    house.model_says(counted("Here."))
    await house.says("go")
    for author in (CAL, DAN):
        told = await house.command("spend", author=author)
        assert "By model:" in told
        (line,) = [line for line in told.splitlines() if "in 1 call" in line]
        assert line.startswith("• loopback-1: $0.0100 in 1 call; ")
        assert "tokens in" in line
        assert "kind of model call" not in told


async def test_budgets_are_asked_about_ten_at_a_time(house: House) -> None:
    """Further turns that wait for money queue; what a call asks does not queue behind them."""
    people = [Author(id=str(number), name=f"P{number}") for number in range(2_001, 2_013)]
    known = tuple(parse_user(f"telegram:{each.id}") for each in people)
    access = replace(house.config.access, users=(*house.config.access.users, *known))
    house.config = replace(house.config, access=access)
    await house.restart()
    paid_model(house, ceiling=2 * DOLLAR, actual=2 * DOLLAR)
    for person in people:
        await house.says("go", author=person)
    assert [card.state for card, _ in await house.cards()] == ["open"] * 10 + ["queued"] * 2
    assert len(house.shown()) == 10
    paid_model(house, ceiling=0, actual=0)
    await house.asks("free")
    assert [card.state for card, _ in await house.cards()][-1] == "open"
    await house.press("Stop", author=BEN, card=house.shown()[0])
    states = [card.state for card, _ in await house.cards()]
    assert (states.count("closed"), states.count("open"), states.count("queued")) == (1, 11, 1)


async def test_a_stream_that_was_stopped_costs_what_came_of_it(house: House) -> None:
    """Held in full while the provider may still be writing, then not all that was put aside."""
    most = 20 * DOLLAR
    budget(house, turn=most, session=most, chat_day=most, user_day=most)
    await house.restart()
    paid_model(house, ceiling=9 * DOLLAR, actual=9 * DOLLAR)
    house.model_says(says("A few words", asyncio.Event()))
    await house.take(house.words("go"))
    await asyncio.wait_for(house.model.waits.wait(), 60)
    await house.command("stop")
    house.model.waits.clear()
    assert await house.held() == 9 * DOLLAR
    await house.ticks(9 * 60)
    assert await house.held() == 9 * DOLLAR
    await house.ticks(2 * 60)
    ((state, actual, flags),) = await house.rows("SELECT state, actual, flags FROM reservation")
    assert (state, flags) == ("settled", "estimated")
    assert 11 <= actual < DOLLAR
    assert await house.held() == 0
    house.price.actual = 0
    house.model_says(counted("Here."))
    await house.says("again")
    assert await house.turns() == ["cancelled", "done"]


async def test_thirty_model_calls_without_a_price_freeze_a_chat(house: House) -> None:
    """What costs nothing by itself runs away all the same."""
    held = asyncio.Event()
    house.model_says(
        *(
            says("", *hold, calls=made_calls(f'links {{"minutes": {number}}}'))
            for number, hold in enumerate(((held,), (held,), *[()] * 40), 1)
        )
    )
    for author in (ANN, BEN):
        house.model.waits.clear()
        await house.take(house.words("go", author=author))
        await asyncio.wait_for(house.model.waits.wait(), 60)
    house.clock.advance(1)
    held.set()
    await house.rest()
    assert len(house.model.requests) == 2 + 30  # two in the moment of their messages
    assert "30 model calls in 10 minutes" in house.card("Limit").text
