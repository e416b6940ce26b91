"""What happens to a card while nobody decides: restarts, words, stops, time, lost chats."""

from pathlib import Path

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.deciding import Desk
from tests.scenarios.telegram import PEOPLE, TelegramSurface
from tests.scenarios.tools import tidy, train, wipe
from tests.scenarios.web import WebSurface

HOUR_S = 3_600


async def test_a_restart_between_card_and_press(surface: Hands, tmp_path: Path) -> None:
    """The old card's old buttons decide after a stop and a start."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        await desk.halt()
        await desk.start()
        desk.answers("It is trained.")
        await surface.choose(card, "Approve once")
        await desk.sees("It is trained.")
        await desk.card("Done", card.code, is_open=False)
        assert desk.shop.names() == ["train"]
        assert await desk.read_results(2) == ["train ran"]


async def test_the_requester_writes_on(surface: Hands, tmp_path: Path) -> None:
    """New words replace what waits: the card says so, nothing runs, the model reads both."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        desk.answers("Then not.")
        await surface.say("No, leave it.")
        await desk.sees("Then not.")
        after = await desk.card("Replaced, ", "wrote on", is_open=False)
        assert after.code == card.code
        (result,) = await desk.read_results(2)
        assert result.startswith("Not run: replaced, ")
        assert [m["content"] for m in await desk.asked(2)][-1].endswith("No, leave it.")
        told = len(surface.told())
        await surface.forge(card, card.payload("Approve once"))
        await desk.until(lambda: len(surface.told()) > told)
        assert desk.shop.ran == []


async def test_stop_withdraws_the_card(surface: Hands, tmp_path: Path) -> None:
    """/stop ends the turn with its card; the next message is answered as ever."""
    async with Desk(surface, path=tmp_path) as desk:
        await desk.asked_for(train())
        await surface.command("stop")
        await desk.card("Withdrawn", "stopped by", is_open=False)
        desk.answers("Here.")
        await surface.say("Are you there?")
        await desk.sees("Here.")
        assert desk.shop.ran == []


async def test_deny_and_stop(surface: Hands, tmp_path: Path) -> None:
    """One press denies all of the turn and ends it: no model call follows."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train(ident="a"), tidy(ident="b"))
        if not surface.has_menu:
            await surface.choose(card, "More")
            card = await desk.until_label("Deny and stop")
        await surface.choose(card, "Deny and stop")
        await desk.card("Denied by", is_open=False)
        desk.answers("Here.")
        await surface.say("Are you there?")
        await desk.sees("Here.")
        assert desk.shop.ran == []
        assert len(desk.model.asked) == 2


async def test_a_card_expires_while_the_gateway_is_away(surface: Hands, tmp_path: Path) -> None:
    """Nobody's silence is a yes: the card and the chat say that it is over, and a press is late."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        await desk.halt()
        desk.pass_time(HOUR_S + 60)
        await desk.start()
        await desk.card("Expired", card.code, is_open=False)
        told = len(surface.told())
        await surface.forge(card, card.payload("Approve once"))
        await desk.until(lambda: len(surface.told()) > told)
        desk.answers("Here.")
        await surface.say("Are you there?")
        await desk.sees("Here.")
        assert desk.shop.ran == []
        first, *_ = await desk.read_results(2)
        assert "nobody decided" in first


async def test_a_press_during_downtime_counts_by_its_time(tmp_path: Path) -> None:
    """Telegram keeps a press for a gateway that is away; it was in time, so it decides."""
    telegram = TelegramSurface()
    async with Desk(telegram, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        await desk.halt()
        await telegram.choose(card, "Approve once")
        desk.answers("It is trained.")
        await desk.start()
        await desk.sees("It is trained.")
        assert desk.shop.names() == ["train"]


async def test_a_lost_chat_is_told_elsewhere(tmp_path: Path) -> None:
    """A card that can't stand anywhere ends, and owners hear of it where they are."""
    telegram, page = TelegramSurface(), WebSurface()
    owner = telegram.person("bob")
    async with Desk(telegram, page, path=tmp_path, owners=[owner]) as desk:
        bob = PEOPLE["bob"]
        desk.answers("Hello Bob.")
        await telegram.say("Hello", by="bob")
        await desk.until(lambda: len(desk.model.asked) == 1)
        desk.wants(wipe())
        telegram.server.world.room(PEOPLE["ann"]).bot_status = "blocked"
        await telegram.say("Delete them.")
        await desk.until(
            lambda: any("was not asked" in m.text for m in telegram.server.ours(bob)), timeout=20
        )
        assert desk.shop.ran == []


@pytest.mark.needs("has_groups")
async def test_owners_are_asked_in_their_own_chat(surface: Hands, tmp_path: Path) -> None:
    """What nobody there may decide stands before the first owner; the chat reads one line."""
    bob = surface.person("bob")
    low = "approver_up_to = 1"
    async with Desk(surface, path=tmp_path, approvers=[], owners=[bob], approvals=low) as desk:
        desk.answers("Hello Bob.")
        await surface.say("Hello", by="bob")
        await desk.until(lambda: len(desk.model.asked) == 1)
        desk.wants(train(size="large"))
        await surface.say("Train a large one.")
        line = await desk.sees("elsewhere")
        card = await desk.card("$1.20", of="bob", is_open=True)
        assert card.code in line
        assert surface.cards() == []
        await surface.typed("approve", card.code)
        await desk.reads_or_hears("Only owners can decide this.")
        assert desk.shop.ran == []
        desk.answers("You have a model.")
        await surface.choose(card, "Approve once, at most $1.20", by="bob")
        await desk.sees("You have a model.")
        assert desk.shop.names() == ["train"]
