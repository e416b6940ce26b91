"""What a yes needs beside a person who may say it: to what it is said, and by how many."""

from dataclasses import replace

from agent.costs import DOLLAR, Unknown, UnknownBecause
from agent.tools.base import EffectClass
from gateway.config.ids import parse_user
from platforms.events import Author
from tests.gateway.approvals.house import CAL, DAN, EVE, House
from tests.gateway.approvals.house_tools import HouseTool
from tests.gateway.events import ANN, BEN


def unpriced(because: UnknownBecause = UnknownBecause.PRICE) -> HouseTool:
    """A tool whose price nobody knows."""
    price = Unknown(because=because, text="nobody knows")
    return HouseTool(name="unpriced", effect=EffectClass.KEYED, price=price)


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
