"""Races and faults, lines 19 to 33 of the table, and line 4: a new run at every point."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from agent.costs import DOLLAR
from agent.policy import Policy
from agent.rules import Rule
from agent.tools.base import Verdict
from gateway import audit
from gateway.asking import Spot
from gateway.chain import Broken
from gateway.config.ids import parse_user
from gateway.config.values import PeopleConfig
from gateway.store.base import Tx
from platforms.content import Edit, Post
from platforms.errors import ChatUnavailable, MessageRejected
from platforms.events import Author, Quote
from tests.gateway.approvals.house import (
    BOT,
    CAL,
    DAN,
    EVE,
    House,
    Shown,
    made_calls,
)
from tests.gateway.approvals.test_money import counted, paid_model
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN, DM, GROUP, edited, quote_of
from tests.transitions import KEPT


@pytest.mark.parametrize("point", ["asked", "approved", "running", "done"])
async def test_race_04_a_new_run_at_every_point(house: House, point: str) -> None:
    """Asked waits on, approved runs, running of a keyed call repeats its key, done stays done."""
    tool = house.tools["paid"]
    if point == "running":
        tool.waits = asyncio.Event()
    if point == "approved":
        house.tools["allowed"].waits = asyncio.Event()
        house.model_calls("allowed", "paid")
        await house.take(house.words("go"))
        await house.until(lambda: bool(house.shown()))
    else:
        await house.asks("paid")
    card = house.card()
    if point != "asked":
        await house.take(house.event_of(card.button("Approve once"), card, BEN))
        await house.now.router.settled()
        if point == "running":
            await asyncio.wait_for(tool.began.wait(), 60)
        if point == "done":
            await house.rest()
    await house.shut()
    tool.waits = house.tools["allowed"].waits = None
    await house.open()
    await house.rest()
    if point == "asked":
        assert (await house.held(), await house.states()) == (0, ["pending"])
        assert await house.press("Approve once", card=card) == "Approved."
    keys = {ran.call_id for ran in tool.ran}
    assert len(keys) == 1
    assert len(tool.ran) == (2 if point == "running" else 1)
    assert await house.rows("SELECT state, actual FROM reservation") == [("settled", 100_000)]
    assert "Done" in house.text_of(card)
    assert await house.turns() == ["done"]


async def test_race_04_a_once_call_that_was_cut_is_never_run_again_by_itself(
    house: House,
) -> None:
    """People say what became of it; run again is a new approval on new money."""
    tool = house.tools["once"]
    tool.waits = asyncio.Event()
    card = await house.asks("once")
    await house.take(house.event_of(card.button("Approve once"), card, BEN))
    await asyncio.wait_for(tool.began.wait(), 60)
    await house.shut()
    tool.waits = None
    await house.open()
    await house.rest()
    doubt = house.card("In doubt")
    assert len(tool.ran) == 1
    assert await house.held() == 250_000
    told = await house.command("answer", f"{_code(doubt)} again", author=BEN)
    assert told == "It is judged anew, as a new call."
    assert len(tool.ran) == 1
    again = house.card("once")
    assert await house.press("Approve once", card=again) == "Approved."
    assert len(tool.ran) == 2
    assert (await house.held(), await house.settled()) == (250_000, 200_000)
    assert await house.command("deny", _code(doubt)) != "Denied."


def _code(shown: Shown) -> str:
    return shown.text.split(":")[0].split()[-1]


async def test_race_19_names_in_odd_case_and_fields_at_odds_reach_no_card(house: House) -> None:
    """What a tool can't read is the model's to correct; nobody is asked, nothing is held."""
    odd = ('paid {"Minutes":1}', "PAID"), ('paid {"minutes":"1"}', 'paid {"a":1,"a":2}')
    for told, calls in zip((2, 4), odd, strict=True):
        house.model_calls(*calls)
        await house.says("go")
        assert not house.shown()
        assert await house.held() == 0
        assert len(house.results()) == told


async def test_race_21_overlapping_layers_over_the_desk(house: House) -> None:
    """The strictest word of all holds, for the person and chat it is about."""
    ask = Rule(id="ask-dan", tool="allowed", verdict=Verdict.ASK, users=("telegram:1004",))
    house.config = replace(house.config, policy=Policy(rules=(ask,), version="3"))
    await house.restart()
    house.model_calls("allowed")
    await house.says("go", author=ANN)
    assert await house.calls() == ["done"]
    house.model_calls("allowed")
    await house.says("go", author=DAN)
    assert await house.calls() == ["done", "asked"]
    assert (await house.requests())[0].rule == "ask-dan"


async def test_race_22_a_reply_kept_over_a_limit_and_a_restart(house: House) -> None:
    """No second model call for what was said already; the raise goes on from the rows."""
    house.config = replace(house.config, budget=replace(house.config.budget, turn=DOLLAR))
    await house.restart()
    paid_model(house, ceiling=700_000, actual=600_000)
    house.model_says(counted("First words.", "reads"), counted("Last words."))
    await house.says("go")
    assert len(house.model.requests) == 1
    card = house.card("Limit")
    await house.restart()
    assert any("First words." in text for text in house.texts())
    await house.press("+$5", author=BEN, card=card)
    assert len(house.model.requests) == 2
    assert len(house.tools["reads"].ran) == 1
    assert any("Last words." in text for text in house.texts())


async def test_race_23_a_freeze_ends_a_stream_and_a_job(house: House) -> None:
    """The stream is cut, the job is told to end, and its hold follows its bill."""
    tool = house.remote()
    await house.asks("remote")
    await house.press("Approve once", author=CAL)
    held = asyncio.Event()
    house.model_forgets()
    house.model_says(says("Word ", held, "more."))
    await house.take(house.words("talk", author=DAN))
    await asyncio.wait_for(house.model.waits.wait(), 60)
    await house.command("freeze", author=BEN)
    house.model.waits.clear()
    await house.ticks(1)
    assert tool.cancelled == [tool.ran[0].call_id]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)
    assert "cancelled" in await house.turns()
    await house.restart()
    house.model_says("Never.")
    await house.says("still?", author=EVE)
    assert "Never." not in house.texts()
    assert "spending is stopped by" in house.card("Limit").text


async def test_race_24_a_start_after_eight_hours(house: House) -> None:
    """What expired meanwhile is expired, said, and its turn halted; nothing ran."""
    card = await house.asks("paid")
    await house.shut()
    house.clock.advance(8 * 3_600)
    await house.open()
    await house.look()
    assert (await house.states(), await house.turns()) == (["expired"], ["halted"])
    assert "Expired" in house.text_of(card)
    assert "nobody decided in time" in house.texts()[-1]
    told = await house.press("Approve once", card=card)
    assert "expired" in told
    assert house.tools["paid"].ran == []


async def test_race_24_one_reminder_at_half_time(house: House) -> None:
    """Once, also over a restart."""
    await house.asks("paid")
    await house.ticks(1_801)
    await house.restart()
    await house.ticks(60)
    told = [text for text in house.texts() if "still waits" in text]
    assert len(told) == 1
    assert await house.states() == ["pending"]


async def test_race_25_a_card_that_can_not_be_posted(house: House) -> None:
    """Final, its turn halted, its chat and owners told; nothing waits unseen."""
    house.adapter.then(Post, MessageRejected("too odd"), MessageRejected("too odd"))
    house.model_calls("paid")
    await house.says("do it")
    await house.look()
    assert (await house.states(), await house.turns()) == (["undeliverable"], ["halted"])
    assert "it could not be sent" in house.texts()[-1]
    await house.until(lambda: any("was not asked" in text for text in house.texts("1003")))


async def test_race_25_an_edit_that_fails_for_ever(house: House) -> None:
    """The decision stands and its call runs; the failed edit is in the rows."""
    await house.asks("paid")
    house.adapter.then(Edit, *[MessageRejected("no") for _ in range(12)])
    assert await house.press("Approve once") == "Approved."
    assert len(house.tools["paid"].ran) == 1
    dead = await house.rows("SELECT state FROM outbox WHERE op = 'edit' AND state = 'dead'")
    assert dead


async def test_race_25_a_chat_that_is_gone(house: House) -> None:
    """A card for it is final after all; nobody is asked in thin air."""
    house.adapter.then(Post, *[ChatUnavailable("gone", reason="deleted")] * 4)
    house.model_calls("paid")
    await house.says("do it")
    await house.look()
    assert await house.states() == ["undeliverable"]
    assert await house.turns() == ["halted"]


async def test_race_26_a_raising_tool_beside_good_ones(house: House) -> None:
    """Each has its own end; what broke keeps its hold until it is known."""
    house.tools["dear"].fails = [RuntimeError("broke")]
    await house.asks("dear", "paid", "free")
    await house.press("Approve all", author=CAL)
    assert await house.calls() == ["unknown", "done", "done"]
    assert await house.held() == 5 * DOLLAR
    assert await house.turns() == ["done"]


async def test_race_26_arguments_stale_after_an_upgrade(house: House) -> None:
    """The broken item ends alone, and its sibling runs."""
    await house.asks("paid", "free")
    house.tools["paid"].schema = 2
    await house.restart()
    await house.press("Approve all", author=BEN)
    assert await house.states() == ["withdrawn", "approved"]
    assert await house.calls() == ["failed", "done"]
    assert "the tool has changed since this was asked" in house.results()[0].text


async def test_race_27_lengths_around_the_limits(house: House) -> None:
    """32 KiB of arguments and 256 KiB to read are asked; a byte more is not."""
    house.tools["paid"].scripts["whole"] = b"x" * (256 * 1024 - 40)
    house.tools["paid"].scripts["more"] = b"x" * (256 * 1024 + 1)
    house.model_calls('paid {"script":"whole"}', 'paid {"script":"more"}')
    await house.says("go")
    assert await house.calls() == ["asked", "refused"]


async def test_race_28_an_edited_call_is_told_to_the_model(house: House) -> None:
    """The difference stands on the card, the new price too, and the model reads who and what."""
    card = await house.asks('paid {"minutes":1,"text":"old"}')
    await house.press("Edit", author=BEN)
    await house.fill(card=card, minutes="2", text="new")
    shown = house.card()
    assert '-  "text": "old"' in shown.text
    assert '+  "text": "new"' in shown.text
    assert "$1.00" in shown.text
    await house.press("Approve once", author=CAL)
    (result,) = house.results()
    assert "Ben changed this call before it ran" in result.text
    assert '"new"' in result.text


async def test_race_30_bystanders_bots_edits_reactions_and_yes(house: House) -> None:
    """None of them decides; the row stays as it is."""
    card = await house.asks("tells")
    ((stored, _),) = await house.cards()
    anonymous = Author(id="1087968824", name="Group", kind="anonymous_admin")
    for author in (DAN, BOT, anonymous):
        await house.take(house.event_of(card.button("Approve once"), card, author))
        await house.rest()
    await house.take(house.words("look at this", author=CAL, chat=DM))
    await house.rest()
    number = house.number()
    await house.take(edited(f"/approve {stored.code}", of=number - 1, number=number, author=CAL))
    await house.rest()
    await house.take(house.words(f"/approve {stored.code}", author=DAN))
    await house.rest()
    assert await house.states() == ["pending"]
    assert house.tools["tells"].ran == []


async def test_race_31_a_clock_set_back_and_a_leap(house: House) -> None:
    """Time that runs backwards expires nothing; a leap ends what is over, once."""
    card = await house.asks("paid")
    house.clock.advance(-7_200)
    await house.look()
    assert await house.states() == ["pending"]
    house.clock.advance(7_200 + 40 * 86_400)
    await house.look()
    assert await house.states() == ["expired"]
    assert house.text_of(card).count("Expired") == 1
    assert not [text for text in house.texts() if "still waits" in text]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'somebody' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET detail = '{}' WHERE seq = 2",
    ],
)
async def test_race_32_a_row_of_the_audit_altered_or_removed(house: House, change: str) -> None:
    """The first row that can't be what was written is named."""
    await house.asks("paid")
    await house.press("Approve once")
    await house.audit_holds()
    await house.store.write(lambda tx: tx.run(change), transition=KEPT)
    assert isinstance(await audit.verify(house.store), Broken)


async def test_race_32_two_rows_of_the_audit_swapped(house: House) -> None:
    """Their places are in the chain."""
    await house.asks("paid")

    def swap(tx: Tx) -> None:
        for old, new in ((1, 900), (2, 1), (900, 2)):
            tx.run("UPDATE audit SET seq = ? WHERE seq = ?", new, old)

    await house.store.write(swap, transition=KEPT)
    assert isinstance(await audit.verify(house.store), Broken)


async def test_race_33_a_form_of_somebody_else_late_and_twice(house: House) -> None:
    """Entitlement is asked of whoever sends it; a decided card says so; twice is once."""
    card = await house.asks("tells")
    assert await house.press("Deny with a reason", author=BEN) == "(form)"
    told = await house.fill(author=DAN, card=card, reason="mine")
    assert told == "Only chat approvers can decide this."
    assert await house.states() == ["pending"]
    assert await house.fill(author=BEN, card=card, reason="no") == "Denied."
    assert await house.fill(author=BEN, card=card, reason="no") == "Denied."
    assert (await house.fill(author=CAL, card=card, reason="late")).startswith(
        "This is decided already: denied by Ben"
    )
    assert len(await house.audited("press")) == 1


async def test_race_33_an_edit_form_that_was_opened_before_another_edit(house: House) -> None:
    """It was of an older revision: look again."""
    card = await house.asks("paid")
    await house.press("Edit", author=ANN)
    await house.fill(author=ANN, card=card, minutes="2")
    assert await house.fill(author=ANN, card=card, minutes="9") == "The card changed; look again."
    ((_, (request,)),) = await house.cards()
    assert orjson.loads(request.arguments) == {"minutes": 2}


async def test_words_nobody_entitled_typed_taint_the_turn(house: House) -> None:
    """A bystander's, quoted and forwarded ones; our own quoted words and approvers' don't."""
    thread = replace(GROUP, thread_id="7")
    held = asyncio.Event()
    house.model_says(
        says("Wait ", held, calls=made_calls("allowed")), says("", calls=made_calls("free"))
    )
    await house.take(house.words("do it", chat=thread))
    await asyncio.wait_for(house.model.waits.wait(), 60)
    await house.take(house.words("and mail it to me", author=DAN, chat=thread))
    held.set()
    await house.rest()
    assert "tainted (words of Dan read)" in house.card().text
    house.model_forgets()
    for more, flag in (
        ({"quote": quote_of(Author(id="5", name="X"), "send all")}, "quoted text"),
        ({"forwarded": True}, "forwarded text"),
        ({"quote": _our_words(house)}, ""),
        ({"quote": quote_of(BEN, "do")}, ""),
    ):
        await _stop_all(house)
        await house.command("new", author=EVE)
        house.model_forgets()
        house.model_calls("free")
        await house.take(house.words("this", author=EVE, **more))
        house.clock.advance(5)  # a forwarded message may be one of several
        await house.rest()
        text = house.card("asked by Eve").text
        assert f"tainted ({flag} read)" in text if flag else "tainted" not in text


async def _stop_all(house: House) -> None:
    await house.take(house.words("/stop", author=EVE))
    await house.rest()


def _our_words(house: House) -> Quote:
    us = Author(id="77", name="bot", kind="bot", is_us=True)
    return quote_of(us, "I can do that.")


async def test_links_are_followed_and_not_composed(house: House) -> None:
    """In a tainted turn an address nobody has named is outward; one from a page is not."""
    house.tools["reads"].text = "see https://example.org/a?b=1."
    followed, composed = "https://example.org/a?b=1", "https://example.org/a?b=secret"
    house.model_says(
        says("Reading.", calls=made_calls("reads")),
        says(
            "On.",
            calls=made_calls(f'links {{"url":"{followed}"}}', f'links {{"url":"{composed}"}}'),
        ),
    )
    await house.says("go")
    assert await house.calls() == ["done", "done", "asked"]
    assert "outward" in house.card().text


async def test_a_card_nobody_here_can_decide_goes_to_the_owners(house: House) -> None:
    """The origin gets one line with the code; the decision is made where the card stands."""
    house.configure(approvers=())
    await house.restart()
    house.now.desk.owner_spot.spot = Spot(account="telegram:77", chat="telegram:1003", owners=True)
    house.model_calls("tells")
    await house.says("go")
    card = house.card("tells")
    assert card.chat == "1003"
    assert any("is asked of" in text and "elsewhere" in text for text in house.texts())
    assert (
        await house.command("approve", _code(card), author=DAN)
        == "Only chat approvers can decide this."
    )
    assert await house.press("Approve once", author=CAL, card=card) == "Approved."
    assert len(house.tools["tells"].ran) == 1


async def test_linked_ids_are_one_person_where_two_must_decide(house: House) -> None:
    """The same human on a second account is no second yes."""
    ids = {"ben": (parse_user("telegram:1002"), parse_user("telegram:1005"))}
    house.config = replace(house.config, people=PeopleConfig(ids=ids))
    house.configure(two_person_above=DOLLAR)
    await house.restart()
    await house.asks("dear")
    for author in (BEN, EVE):
        await house.press("Approve once", author=author)
        assert "one more person" in await house.press("Yes", author=author)
    await house.press("Approve once", author=CAL)
    assert await house.press("Yes", author=CAL) == "Approved."
