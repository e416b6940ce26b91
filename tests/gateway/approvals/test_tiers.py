"""Who may give a command where several share a session, and what they read who may not."""

import asyncio

from tests.gateway.approvals.house import CAL, House
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN, GROUP, TOPIC

REFUSED = "Only approvers of this chat and owners can use /{name} here."


async def test_a_shared_session_is_set_by_approvers(house: House) -> None:
    """Anyone sees the settings; whoever changes them changes them for all."""
    for name, value in (("model", "main"), ("effort", "high"), ("busy", "queue")):
        told = await house.command(name, value, author=ANN, chat=TOPIC)
        assert told == REFUSED.format(name=name)
        assert "Only approvers" not in await house.command(name, author=ANN, chat=TOPIC)
        assert "From the next turn on" in await house.command(name, value, author=BEN, chat=TOPIC)
        assert "From the next turn on" in await house.command(name, value, author=ANN, chat=GROUP)


async def test_help_shows_what_its_reader_may_use(house: House) -> None:
    """By the tier that whoever asks has in the chat."""
    shown = [await house.command("help", author=author) for author in (ANN, BEN, CAL)]
    assert ["/freeze" in text for text in shown] == [False, True, True]
    assert ["/pair" in text for text in shown] == [False, False, True]


async def test_an_approver_stops_what_others_asked_for(house: House) -> None:
    """In the chat above the thread; whoever has asked for nothing there stops nothing."""
    house.model_says(says("Once", asyncio.Event()))
    await house.take(house.words("hi", chat=TOPIC))
    await house.model.waits.wait()
    await house.take(house.words("/stop", author=BEN))
    await house.until(lambda: "Once\n\nStopped by Ben." in house.texts("-100200/7"))
