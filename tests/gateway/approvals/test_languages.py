"""Who reads which language around a card: whoever asked, whoever presses, the owner."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.costs import DOLLAR
from gateway.asking import Spot
from gateway.config.values import GatewayConfig
from gateway.scopes import scope_line
from gateway.store.sqlite import SqliteStore
from gateway.words import notices
from platforms.content import OpenForm
from tests.gateway.approvals.house import BEN, CAL, House, place
from tests.gateway.events import ANN, DM, GROUP
from tests.gateway.hand_clock import HandClock

ANNA = replace(ANN, locale="de-DE")
BEATE = replace(BEN, locale="de")
ENGLISH_BEN = replace(BEN, locale="en-GB")


@pytest.fixture
async def german(house: House) -> AsyncIterator[House]:
    """A house in which Ann's client speaks German."""
    house.model_says("Hallo.")
    await house.says("hallo", author=ANNA)
    yield house


async def test_who_asks_in_german_is_asked_in_german(german: House) -> None:
    """Card, buttons, decision, end and spending; whoever else presses reads their own language."""
    card = await german.asks('paid {"text":"go","minutes":2}')
    assert card.text.startswith("Genehmigung ")
    assert "Höchstens  $1.00 = 2 minute x $0.50   Preis live" in card.text
    assert "diesen Chat heute $0 von $10.00, hiermit höchstens $1.00" in card.text
    assert '{"minutes":2,"text":"go"}' in card.text
    assert [*card.buttons][:3] == ["Einmal genehmigen, höchstens $1.00", "Ablehnen", "Alles zeigen"]
    assert await german.press("Einmal genehmigen", author=BEN) == "Approved."
    end = "Getan: lief 0 s, $0.10 (gebunden $1.00, frei $0.90)"
    assert german.text_of(card).endswith(end)
    again = await german.press("Ablehnen", author=ANNA, card=card)
    assert again.startswith("Das ist schon entschieden: genehmigt von Ben ")
    assert await german.press("Einmal genehmigen", author=BEATE, card=card) == "Genehmigt."
    told = await german.command("spend", author=ANNA)
    assert told.startswith("In diesem Chat ausgegeben heute: $0.10")
    assert "Von dir gefragt, in allen Chats: $0.10" in told
    assert german.tools["paid"].ran[0].arguments == '{"minutes":2,"text":"go"}'
    await german.audit_holds()


async def test_a_card_keeps_its_language_for_life(german: House) -> None:
    """What somebody has seen stays as they saw it, whatever their client speaks by then."""
    card = await german.asks("paid", 'asks {"question":"Which?","options":["a","b"]}')
    english = replace(ANN, locale="en")
    assert await german.press("Ändern", author=english, card=german.card("paid")) == "(form)"
    told = await german.fill(author=english, card=german.card("paid"), text="other")
    assert told == "The card shows it now; it still needs its own approval."
    assert "Geändert  von Ann" in german.text_of(german.card("paid"))
    assert "Einmal genehmigen, höchstens $0.50" in german.card("paid").buttons
    assert "Frage " in card.text
    paid = german.card("paid")
    assert await german.press("Ablehnen und anhalten", author=english, card=paid)
    assert "Abgelehnt von Ann" in german.text_of(paid)


async def test_a_form_speaks_to_who_pressed(german: House) -> None:
    """Its fields and its way back, also under a card in another language."""
    await german.asks("paid")
    assert await german.press("Ablehnen mit Grund", author=BEATE) == "(form)"
    (form,) = [op.form for op in german.adapter.performed if isinstance(op, OpenForm)]
    assert [field.label for field in form.fields] == ["Warum nicht? Das Modell liest es."]
    assert form.cancel == "Abbrechen"
    assert await german.fill(author=BEATE, reason="zu teuer") == "Abgelehnt."
    assert [r.text for r in german.results()] == ["Denied by Ben: zu teuer"]


async def test_owners_are_asked_in_the_owners_language(german: House) -> None:
    """Where owners are asked it is theirs; the line where it was asked for is the requester's."""
    spot = Spot(account="telegram:77", chat="telegram:1003", owners=True, person="telegram:1003")
    german.now.desk.owner_spot.spot = spot
    german.tools["paid"].price = 30 * DOLLAR
    german.model_calls("paid")
    await german.says("do it", author=ANNA, chat=DM)
    card = german.card()
    assert card.chat == "1003"
    assert card.text.startswith("Approval ")
    assert any(each.endswith("zuständig: Eigentümer.") for each in german.texts("1001"))
    await german.says("hallo", author=replace(CAL, locale="de"))
    assert german.text_of(card).startswith("Approval ")


async def test_a_turn_that_nobody_let_go_on_says_so_in_german(german: House) -> None:
    """Expired where only its requester reads: card and answer agree."""
    german.model_calls("paid")
    await german.says("do it", author=ANNA, chat=DM)
    code = german.card().text.partition(":")[0].removeprefix("Genehmigung ")
    await german.ticks(2 * 3_600)
    told = f"Angehalten: Genehmigung {code}: niemand hat rechtzeitig entschieden."
    assert any(told in each for each in german.texts("1001"))
    assert any("Abgelaufen " in each for each in german.texts("1001"))


async def test_owners_hear_of_money_in_their_own_language(house: House) -> None:
    """What is told to nobody in a chat is told to each owner alone."""
    house.model_says("Hallo.")
    await house.says("hallo", author=replace(CAL, locale="de"))
    scope = f"chat_day:telegram:77|{place(GROUP)}"
    line = notices.NEARLY_SPENT.of(scope=scope_line(scope), spent="$0.90", limit="$1.00")
    house.now.notices.tell("", "budget", line)
    await house.until(lambda: any("Vom Budget" in each for each in house.texts("1003")))
    told = [each for each in house.texts("1003") if "Vom Budget" in each]
    assert told == [
        "Vom Budget für diesen Chat heute sind $0.90 von $1.00 ausgegeben. /budget zeigt, was noch"
        " da ist."
    ]


async def test_a_grant_is_shown_whole_in_the_cards_language(german: House) -> None:
    """What the second press gives is told before it, and listed in each one's own language."""
    await german.asks("free")
    assert await german.press("Für diesen Chat genehmigen", author=BEATE) == (
        "Lies es, und drück noch einmal."
    )
    assert "do mit genau diesen Argumenten: " in german.card().text
    assert await german.press("Ja: genehmigen", author=BEATE)
    assert "noch 20 Mal, höchstens je kostenlos" in await german.command("grants", author=ANNA)
    assert "20 uses, at most free each" in await german.command("grants", author=ENGLISH_BEN)
    assert (await german.command("auto", author=ANNA)).startswith("/auto ist aus: ")


async def test_one_language_for_everybody_holds_for_cards(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """Configured, nobody's own is asked for."""
    house = House(store, tmp_path, clock)
    house.config = replace(house.config, gateway=replace(house.config.gateway, language="de"))
    assert isinstance(house.config.gateway, GatewayConfig)
    await house.open()
    card = await house.asks("paid")
    assert card.text.startswith("Genehmigung ")
    await house.shut()
