"""What a yes needs beside a person who may say it: to what it is said, and by how many."""

from dataclasses import replace

import pytest

from agent.costs import DOLLAR, Unknown, UnknownBecause
from agent.tools.base import EffectClass
from gateway.acts import Act
from gateway.asking import Spot
from gateway.config.ids import parse_user
from gateway.store.records.cards import Card
from gateway.tokens import Decision
from platforms.events import Author
from tests.gateway.approvals.house import CAL, DAN, EVE, House
from tests.gateway.approvals.house_tools import HouseTool
from tests.gateway.events import ANN, BEN


def unpriced(because: UnknownBecause = UnknownBecause.PRICE) -> HouseTool:
    """A tool whose price nobody knows."""
    price = Unknown(because=because, text="nobody knows")
    return HouseTool(name="unpriced", effect=EffectClass.KEYED, price=price)


async def at_the_shell(house: House, card: Card, decision: Decision, **values: str) -> str:
    """Let an owner decide a card at the shell; what they read."""
    act = Act(
        account="",
        chat="",
        message=None,
        person="telegram:1003",
        name="Cal",
        source="shell",
        at=house.clock.now(),
        decision=decision,
        values=values,
        anywhere=True,
    )
    answer = await house.now.desk.desk.typed(card.code, act)
    await house.rest()
    return answer.text


async def test_a_code_approves_no_edit_that_its_writer_did_not_see(house: House) -> None:
    """A typed code names no revision: after an edit its writer has the card shown first."""
    await house.asks('paid {"text":"harmless"}')
    ((card, _),) = await house.cards()
    await house.press("Edit", author=ANN)
    await house.fill(author=ANN, text="rm -rf everything")
    told = await house.command("approve", card.code, author=BEN)
    assert (
        told
        == f"It was changed since it was asked. Look at it as it is now first: /show {card.code}"
    )
    assert house.tools["paid"].ran == []
    assert await house.command("show", card.code, author=BEN) == "All of it stands below."
    assert await house.command("approve", card.code, author=BEN) == "Approved."
    (ran,) = house.tools["paid"].ran
    assert "rm -rf everything" in ran.arguments


async def test_two_people_decide_by_the_limit_of_today(house: House) -> None:
    """A limit that was lowered after the card holds for it: the first yes is a vote."""
    house.tools["paid"].price = 3 * DOLLAR
    await house.restart()
    await house.asks("paid")
    house.configure(two_person_above=2 * DOLLAR)
    await house.restart()
    assert await house.press("Approve once", author=BEN) == (
        "Your yes is noted; one more person has to approve it."
    )
    assert house.tools["paid"].ran == []
    assert "Votes" in house.card().text
    assert await house.press("Approve once", author=EVE) == "Approved."
    assert len(house.tools["paid"].ran) == 1


async def test_two_yeses_are_to_the_same_ceiling(house: House) -> None:
    """A yes to another amount is the first one to it; the hold is what both have said."""
    house.tools["unpriced"] = unpriced()
    owners = (parse_user("telegram:1003"), parse_user("telegram:1004"))
    house.config = replace(house.config, gateway=replace(house.config.gateway, owners=owners))
    house.configure(two_person_above=DOLLAR)
    await house.restart()
    await house.asks("unpriced")

    async def types(amount: str, *, author: Author) -> str:
        assert await house.press("Approve with a ceiling", author=author) == "(form)"
        return await house.fill(author=author, amount=amount)

    noted = "Your yes is noted; one more person has to approve it."
    assert await types("0.50", author=CAL) == noted
    assert "(at most $0.50)" in house.card().text
    assert (await types("9.99", author=DAN)).endswith(f"does not count for this one. {noted}")
    assert await house.held() == 0
    assert await types("9.99", author=DAN) == noted
    assert await types("9.99", author=CAL) == "Approved."
    assert await house.rows("SELECT amount, flags FROM reservation") == [(9_990_000, "unverified")]


async def test_a_typed_ceiling_is_for_one_call(house: House) -> None:
    """Two calls of unknown price are decided one by one, each with an amount of its own."""
    house.tools["unpriced"] = unpriced()
    await house.restart()
    await house.asks('unpriced {"n":1}', 'unpriced {"n":2}', "paid")
    labels = list(house.card().buttons)
    assert not [label for label in labels if label.startswith("Approve")]
    ((card, _),) = await house.cards()
    one_by_one = "Not all of it has a known price: decide it one by one."
    assert one_by_one in house.card().text
    assert await house.command("approve", card.code, author=CAL) == one_by_one
    assert await at_the_shell(house, card, Decision.CEILING, amount="5") == one_by_one
    await house.press("One by one", author=CAL)
    await house.press("Approve with a ceiling", author=CAL)
    assert await house.fill(author=CAL, amount="5") == "Approved."
    assert await house.states() == ["approved", "pending", "pending"]
    rows = await house.rows("SELECT amount FROM reservation WHERE flags = 'unverified'")
    assert rows == [(5 * DOLLAR,)]


async def test_a_ceiling_below_a_known_price_approves_nothing(house: House) -> None:
    """Whoever says at most one dollar has not said yes to five."""
    await house.asks("dear")
    ((card, _),) = await house.cards()
    told = await at_the_shell(house, card, Decision.CEILING, amount="1")
    assert told == "It may cost up to $5.00, which is more."
    assert await at_the_shell(house, card, Decision.CEILING, amount="5") == "Approved."


async def test_a_call_that_nobody_can_approve_holds_up_no_other(house: House) -> None:
    """What has no bound is edited or denied; its siblings are approved by themselves."""
    house.tools["unpriced"] = unpriced(UnknownBecause.LIMIT)
    await house.restart()
    await house.asks("paid", "unpriced")
    assert not [label for label in house.card().buttons if label.startswith("Approve")]
    await house.press("One by one", author=CAL)
    assert await house.press("Approve once", author=CAL) == "Approved."
    assert await house.states() == ["approved", "pending"]
    await house.press("One by one", author=CAL)
    await house.press("Next: 2 of 2", author=CAL)
    assert not [label for label in house.card().buttons if label.startswith("Approve")]
    assert await house.press("Deny", author=CAL) == "Denied."
    assert await house.turns() == ["done"]


@pytest.mark.parametrize("change", ["edit", "price"])
async def test_what_only_owners_may_decide_by_now_is_asked_of_them(
    house: House, change: str
) -> None:
    """An edit or a price makes it dearer than approvers may allow: the card goes to owners."""
    much = replace(house.config.budget, chat_day=100 * DOLLAR, user_day=100 * DOLLAR)
    house.config = replace(house.config, budget=much)
    await house.restart()
    house.now.desk.owner_spot.spot = Spot(account="telegram:77", chat="telegram:1003", owners=True)
    house.model_says("Hello, Ben.")
    await house.says("hello", author=BEN)
    paid = house.tools["paid"]
    paid.price = 5 * DOLLAR
    before = await house.asks('paid {"minutes":1}', "free")
    assert before.chat == "-100200"
    if change == "edit":
        await house.press("One by one")
        await house.press("Edit", author=BEN)
        told = await house.fill(author=BEN, minutes="10")
    else:
        paid.price = 50 * DOLLAR
        told = await house.press("Approve all")
    (old, _), (new, items) = await house.cards()
    assert told == f"It changed, and owners decide it now: it is asked as {new.code}."
    assert (old.state, new.chat, new.tier) == ("closed", "telegram:1003", "owner")
    assert await house.states() == ["withdrawn", "withdrawn", "pending", "pending"]
    assert items[0].ceiling == 50 * DOLLAR
    assert f"asked of owners as {new.code}" in house.text_of(before)
    assert f"Approval {new.code} is asked of owners elsewhere." in house.texts()
    card = house.card()
    assert card.chat == "1003"
    assert ("Edited  by Ben" in card.text) is (change == "edit")
    assert "asked as" in card.text
    assert await house.press("Approve all", author=CAL) == "Approved."
    assert len(paid.ran) == 1
    assert await house.turns() == ["done", "done"]
