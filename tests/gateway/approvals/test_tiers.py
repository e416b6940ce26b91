"""Who may give a command where several share a session, and who people are over platforms."""

import asyncio
from dataclasses import replace

from agent.costs import DOLLAR
from gateway.config.ids import parse_user
from gateway.config.values import PeopleConfig
from tests.gateway.approvals.house import CAL, DAN, House
from tests.gateway.approvals.test_money import budget, counted, paid_model
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


async def test_whoami_tells_ids_links_and_rights(house: House) -> None:
    """What an operator writes into lists, and what that makes of whoever asks."""
    ids = {"ann": (parse_user("telegram:1001"), parse_user("slack:T1/U1"))}
    house.config = replace(house.config, people=PeopleConfig(ids=ids))
    await house.restart()
    told = [await house.command("whoami", author=author) for author in (ANN, BEN, CAL)]
    assert "Also you: slack:T1/U1" in told[0]
    assert "Also you" not in told[1]
    rights = ("someone who may ask", "approver", "owner")
    assert [f"Here you are: {right}" in text for right, text in zip(rights, told, strict=True)] == [
        True,
        True,
        True,
    ]


async def test_status_tells_of_cards_and_money(house: House) -> None:
    """Only where there is something to tell."""
    assert "Decisions" not in await house.command("status")
    await house.asks("paid")
    assert "Decisions: 1 wait here; /approvals lists them" in await house.command("status")


async def test_linked_people_share_the_budget_of_a_day(house: House) -> None:
    """What one id has spent is gone for the other."""
    ids = {"ann": (parse_user("telegram:1001"), parse_user("telegram:1004"))}
    house.config = replace(house.config, people=PeopleConfig(ids=ids))
    budget(house, user_day=DOLLAR)
    await house.restart()
    paid_model(house, ceiling=450_000, actual=450_000)
    house.model_says(counted("Hello."))
    await house.says("hi")
    told = [await house.command("budget", author=author) for author in (DAN, BEN)]
    spent = [next(line for line in text.splitlines() if "user_day" in line) for text in told]
    assert "$0.45 spent" in spent[0] and "$0.00 spent" in spent[1]
    assert "Spent in this chat today: $0.45" in await house.command("status")


async def test_whoever_presses_reads_their_language(house: House) -> None:
    """Also in a group, where they alone read it; the audit keeps one language."""
    await house.asks("tells")
    german = [replace(author, locale="de") for author in (ANN, BEN)]
    told = [await house.press("Approve once", author=author) for author in german]
    assert told == ["Nur Genehmiger dieses Chats können das entscheiden.", "Genehmigt."]
    kept = await house.store.read(
        lambda tx: tx.rows("SELECT detail FROM audit WHERE kind = 'refused press'")
    )
    assert "Only chat approvers can decide this." in str(kept)
