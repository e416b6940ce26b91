"""From the model's wish to the card that says what became of it: each decision once, end to end."""

import asyncio
from dataclasses import replace

from agent.costs import DOLLAR
from agent.messages import ResultStatus
from gateway.config.values import PayersConfig
from tests.gateway.approvals.house import CAL, DAN, House, made_calls
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN


async def test_a_paid_call_goes_the_whole_way(house: House) -> None:
    """Asked, pressed, run as stored, settled, told to the model, written on the card."""
    card = await house.asks('paid {"text":"go","minutes":2}')
    assert await house.held() == 0
    assert card.text.startswith("Approval ")
    assert "At most  $1.00" in card.text
    assert '{"minutes":2,"text":"go"}' in card.text
    assert await house.press("Approve once", author=ANN) == "Approved."
    (ran,) = house.tools["paid"].ran
    assert ran.arguments == '{"minutes":2,"text":"go"}'
    assert house.text_of(card).endswith("Done: ran 0 s, $0.10 (held $1.00, released $0.90)")
    assert "All done." in house.texts()
    assert [r.text for r in house.results()] == ["ran"]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 10)
    assert (await house.turns(), await house.calls()) == (["done"], ["done"])
    await house.audit_holds()


async def test_a_denial_is_what_the_model_reads(house: House) -> None:
    """Nothing runs, nothing is held, and the model goes on with who said no."""
    card = await house.asks("paid")
    assert await house.press("Deny", author=BEN) == "Denied."
    assert house.tools["paid"].ran == []
    assert [r.text for r in house.results()] == ["Denied by Ben."]
    assert "Denied by Ben" in house.text_of(card)
    assert not house.shown()
    assert (await house.held(), await house.turns()) == (0, ["done"])


async def test_a_reason_is_asked_in_a_form(house: House) -> None:
    """The press opens it, its submission decides, and control characters are gone."""
    card = await house.asks("paid")
    assert await house.press("Deny with a reason") == "(form)"
    assert await house.states() == ["pending"]
    assert await house.fill(reason="too dear\x07 today", card=card) == "Denied."
    assert [r.text for r in house.results()] == ["Denied by Ben: too dear  today"]
    assert "too dear" in house.text_of(card)


async def test_deny_and_stop_ends_a_turn_that_waits(house: House) -> None:
    """All that is open in the turn is denied; no model call follows."""
    await house.asks("paid", 'asks {"question":"Which?"}')
    assert len(house.shown()) == 2
    answer = await house.press("Deny and stop", card=house.card("paid"))
    assert answer == "Denied, and the turn is stopped."
    assert await house.states() == ["denied", "denied"]
    assert (await house.turns(), len(house.model.requests)) == (["cancelled"], 1)
    assert not house.shown()


async def test_deny_and_stop_ends_a_turn_that_runs(house: House) -> None:
    """A sibling that runs already ends, and then the turn does without another model call."""
    house.tools["allowed"].waits = asyncio.Event()
    house.model_calls("allowed", "paid")
    await house.take(house.words("do it"))
    await asyncio.wait_for(house.tools["allowed"].began.wait(), 60)
    await house.until(lambda: bool(house.shown()))
    event = house.event_of(house.card().button("Deny and stop"), house.card(), BEN)
    await house.take(event)
    await house.now.router.settled()
    house.tools["allowed"].waits.set()
    await house.rest()
    assert (await house.calls(), len(house.model.requests)) == (["done", "refused"], 1)
    assert await house.turns() in (["halted"], ["cancelled"])


async def test_an_edit_is_a_new_revision_that_still_needs_its_yes(house: House) -> None:
    """Other arguments, another price, the difference shown; old buttons do nothing."""
    card = await house.asks('paid {"minutes":2}')
    old = card.button("Approve once")
    assert await house.press("Edit", author=ANN) == "(form)"
    told = await house.fill(author=ANN, card=card, minutes="4")
    assert told == "The card shows it now; it still needs its own approval."
    shown = house.card()
    assert "$2.00" in shown.text
    assert "Edited  by Ann" in shown.text
    assert (await house.states(), house.tools["paid"].ran) == (["pending"], [])
    await house.take(house.event_of(old, shown, BEN))
    await house.rest()
    assert await house.states() == ["pending"]
    assert await house.press("Approve once", author=BEN) == "Approved."
    (ran,) = house.tools["paid"].ran
    assert ran.arguments == '{"minutes":4}'


async def test_an_edit_that_does_not_fit_changes_nothing(house: House) -> None:
    """Its tool says why, and the card stays as it was."""
    card = await house.asks('paid {"minutes":2}')
    await house.press("Edit", author=ANN)
    assert (await house.fill(author=ANN, card=card, minutes="none")).startswith("That does not fit")
    assert await house.fill(author=ANN, card=card, minutes="2") == "Nothing was changed."
    assert await house.fill(author=ANN, card=card, script="x") == "script can't be changed."
    ((stored, _),) = await house.cards()
    assert stored.rev == 1


async def test_another_payer_is_chosen_from_the_configured_ones(house: House) -> None:
    """Who pays is no argument, and changes the fingerprint all the same."""
    payers = PayersConfig(default="acme", others=("lab",))
    house.config = replace(house.config, payers=payers)
    await house.restart()
    await house.asks("paid")
    ((_, (before,)),) = await house.cards()
    assert "still needs its own approval" in await house.press("Payer: lab")
    ((_, (after,)),) = await house.cards()
    assert before.fingerprint != after.fingerprint
    assert "Payer  lab" in house.card().text
    await house.press("Approve once")
    assert await house.one("SELECT payer FROM reservation") == "lab"
    assert await house.calls() == ["done"]


async def test_an_answer_in_place_of_a_call(house: House) -> None:
    """A person's words are the result, marked as theirs; nothing runs."""
    card = await house.asks("paid")
    assert await house.press("Answer instead") == "(form)"
    assert await house.fill(card=card, answer="use the old one") == "Answered."
    (result,) = house.results()
    assert result.text == "It was not run. Ben answered in its place: use the old one"
    assert house.tools["paid"].ran == []
    assert await house.states() == ["answered"]


async def test_a_question_is_a_card_with_answers(house: House) -> None:
    """The choice goes to the model as the person's; a number typed is that answer."""
    question = 'asks {"question":"Which split?","options":["train","test"]}'
    await house.asks(question)
    assert await house.press("2: test", author=ANN) == "Answered."
    assert [r.text for r in house.results()] == ["Ann answered: test"]
    await house.asks(question)
    ((_, _), (card, _)) = await house.cards()
    assert await house.command("answer", f"{card.code} 1") == "Answered."
    assert house.results()[-1].text == "Ann answered: train"


async def test_a_batch_is_decided_item_by_item(house: House) -> None:
    """An approved item starts at once; the model is called when every item has its result."""
    card = await house.asks('paid {"text":"a"}', "free", 'paid {"text":"b"}')
    assert "3 calls" in card.text
    await house.press("One by one")
    assert await house.press("Approve once") == "Approved."
    assert [ran.arguments for ran in house.tools["paid"].ran] == ['{"minutes":1,"text":"a"}']
    assert len(house.model.requests) == 1
    await house.press("One by one")
    await house.press("Next")
    assert await house.press("Deny") == "Denied."
    assert await house.states() == ["approved", "denied", "pending"]
    await house.press("One by one")
    await house.press("Next")
    await house.press("Next")
    await house.press("Approve once")
    assert [r.status for r in house.results()] == [
        ResultStatus.DONE,
        ResultStatus.REFUSED,
        ResultStatus.DONE,
    ]
    assert await house.turns() == ["done"]


async def test_approve_all_stops_where_the_money_ends(house: House) -> None:
    """Holds are taken in order; the rest stay pending, and whoever pressed reads why."""
    house.config = replace(house.config, budget=replace(house.config.budget, chat_day=1_200_000))
    house.tools["paid"].spent = 500_000
    await house.restart()
    await house.asks('paid {"text":"a"}', 'paid {"text":"b"}', 'paid {"text":"c"}')
    told = await house.press("Approve all, at most $1.50")
    assert told.startswith("2 of 3 approved. Not approved: the budget of this chat today has")
    assert await house.states() == ["approved", "approved", "pending"]
    assert await house.settled() == DOLLAR
    assert await house.press("Deny") == "Denied."
    assert await house.turns() == ["done"]


async def test_a_bystander_looks_and_decides_nothing(house: House) -> None:
    """A private word, the row untouched, the refusal kept."""
    await house.asks("tells")
    for label in ("Approve once", "Deny", "Show all"):
        told = await house.press(label, author=DAN)
        assert told == "Only chat approvers can decide this."
    assert await house.states() == ["pending"]
    kept = await house.audited("refused press")
    assert [each.link.actor for each in kept] == ["telegram:1004"] * 3


async def test_typed_commands_decide_like_buttons(house: House) -> None:
    """By code, in the card's chat; twice where a second word is due."""
    await house.asks("destroys")
    ((card, _),) = await house.cards()
    told = await house.command("approve", card.code, author=BEN)
    assert told == f"To be sure, write: /approve {card.code} {card.code}"
    assert house.tools["destroys"].ran == []
    assert await house.command("approve", f"{card.code} {card.code}", author=BEN) == "Approved."
    assert len(house.tools["destroys"].ran) == 1


async def test_what_recurs_takes_an_owner_and_a_second_press(house: House) -> None:
    """The first press swaps the keyboard; only the second decides."""
    await house.asks("repeats")
    assert await house.press("Approve once", author=BEN) == "Only owners can decide this."
    assert await house.press("Approve once", author=CAL) == "Press once more to be sure."
    assert await house.states() == ["pending"]
    assert await house.press("Yes: Approve once", author=CAL) == "Approved."
    assert len(house.tools["repeats"].ran) == 1


async def test_a_long_call_is_shown_whole_before_a_yes(house: House) -> None:
    """The server knows who has seen this revision; nobody else may approve it."""
    long = "x" * 5_000
    await house.asks('free {"text":"' + long + '"}')
    told = await house.press("Approve once", author=BEN)
    assert told == "It is longer than what is shown: press Show all first."
    await house.press("Show all", author=ANN)
    assert await house.press("Approve once", author=BEN) == told
    assert await house.press("Show all", author=BEN) == "All of it stands below."
    assert "".join(house.texts()).count("x") >= len(long)
    assert await house.press("Approve once", author=BEN) == "Approved."


async def test_calls_behind_an_undecided_one_wait_for_it(house: House) -> None:
    """Reads never wait; another allowed call that the model listed later does."""
    house.model_calls("allowed", "paid", "reads", "allowed")
    await house.says("do it")
    assert await house.calls() == ["done", "asked", "done", "allowed"]
    await house.press("Approve once")
    assert await house.calls() == ["done"] * 4


async def test_the_same_denied_call_is_not_asked_again(house: House) -> None:
    """The model reads that it was denied; three denials end the turn and say so."""
    house.model_says(
        says("Let me.", calls=made_calls("free")),
        says("Again.", calls=made_calls("free")),
        says("Other.", calls=made_calls('free {"n":1}')),
        says("Third.", calls=made_calls('free {"n":2}')),
        says("Fourth.", calls=made_calls('free {"n":3}')),
    )
    await house.says("do it")
    await house.press("Deny")
    assert "Denied earlier in this turn" in house.results()[-1].text
    await house.press("Deny")
    await house.press("Deny")
    assert await house.turns() == ["halted"]
    assert "I stopped: 3 of my calls were denied." in house.texts()[-1]


async def test_an_edit_holds_no_secret_as_such(house: House) -> None:
    """What the model may not write into a call, a person does not write into it either."""
    await house.asks('paid {"text":"harmless"}')
    await house.press("Edit", author=ANN)
    told = await house.fill(author=ANN, text="hf_" + "a" * 34)
    assert told == "A secret stands in text; it must not be given in a call."
    assert await house.states() == ["pending"]
