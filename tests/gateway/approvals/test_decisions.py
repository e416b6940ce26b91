"""What a yes needs beside a person who may say it: that they saw what would run, all of it."""

from tests.gateway.approvals.house import House
from tests.gateway.events import ANN, BEN


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
