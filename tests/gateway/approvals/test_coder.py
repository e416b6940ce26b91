"""A coding agent's own requests at the real desk: cards, decisions, deaths, money."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.costs import DOLLAR
from agent.predicates import Predicate, PredicateKind
from agent.rules import Policy, Rule
from agent.tools.base import Verdict
from tests.agent.scripted import entry
from tests.gateway.approvals.coder import FILES, MADE, MAKE, PERMISSIONS, Coder, asks
from tests.gateway.approvals.house import CAL, House
from tests.gateway.events import BEN, DM
from tests.wire.codex.stage import QUICK

pytestmark = pytest.mark.warp

ANSWER = [{"usage": [10, 5]}, {"message": "All built.", "item": "m9"}]


@pytest.fixture
async def coder(house: House, tmp_path: Path) -> AsyncIterator[Coder]:
    """A coding agent in the place of the house's model."""
    made = Coder(house, tmp_path)
    yield made
    await house.shut()
    await made.pool.close()


async def approve(house: House) -> None:
    """What can't be undone takes a second press."""
    assert await house.press("Approve once") == "Press once more to be sure."
    assert await house.press("Yes: Approve once") == "Approved."


async def test_a_command_is_asked_for_and_accepted_once(house: House, coder: Coder) -> None:
    """The card binds command and directory; the money of both steps is settled."""
    house.price.ceiling, house.price.actual = 500_000, 100_000
    await coder.plays([{"usage": [20, 5]}, *asks(), *ANSWER])
    await house.says("build it")
    card = house.card()
    assert "make all" in card.text
    assert "/srv/shop" in card.text
    assert (coder.decisions(), await house.held()) == ([], 0)
    await approve(house)
    assert coder.decisions() == ["accept"]
    assert "All built." in house.texts()[-1]
    assert (await house.calls(), await house.turns()) == (["done"], ["done"])
    assert (await house.held(), await house.settled()) == (0, 200_000)
    assert coder.started() == 1


async def test_the_next_call_of_the_agent_that_does_not_fit_is_interrupted(
    house: House, coder: Coder
) -> None:
    """What it did is kept and paid; a raise goes on in the same thread."""
    house.config = replace(house.config, budget=replace(house.config.budget, turn=DOLLAR))
    house.price.ceiling, house.price.actual = 600_000, 500_000
    await coder.plays([{"usage": [20, 5]}, {"item": MADE}, {"silence": True}], ANSWER)
    await house.says("build it")
    card = house.card("Limit")
    assert "budget is used up ($0.50 of $1.00)" in card.text
    await coder.until(lambda it: "turn/interrupt" in it.methods())
    assert (await house.turns(), await house.calls()) == (["waiting"], ["done"])
    assert (await house.held(), await house.settled()) == (0, 500_000)
    assert await house.press("Raise by $0.10") == "The budget of this turn is raised by $0.10."
    assert any("All built." in text for text in house.texts())
    assert "make all" in coder.told()[-1]
    assert (coder.started(), coder.methods().count("turn/start")) == (1, 2)
    assert (await house.turns(), await house.settled()) == (["done"], DOLLAR)


async def test_each_call_of_the_agent_is_booked_as_it_is_told(house: House, coder: Coder) -> None:
    """And the next one put aside for in the same commit; the agent never notices."""
    house.config = replace(house.config, budget=replace(house.config.budget, turn=5 * DOLLAR))
    house.price.ceiling, house.price.actual = 500_000, 300_000
    own = [{"usage": [20, 5]}, {"item": {**MADE, "id": "c0"}}]
    await coder.plays([*own, *asks(), *ANSWER])
    await house.says("build it")
    assert await house.settled() == 300_000
    await approve(house)
    assert "All built." in house.texts()[-1]
    assert await house.one("SELECT COUNT(*) FROM step") == 2
    assert await house.one("SELECT COUNT(*) FROM ledger WHERE kind = 'hold'") == 4
    assert await house.one("SELECT SUM(amount) FROM ledger WHERE kind = 'hold'") == 1_600_000
    assert (coder.decisions(), await house.calls()) == (["accept"], ["done", "done"])
    assert (await house.held(), await house.settled()) == (0, 600_000)
    assert (coder.methods().count("turn/start"), await house.turns()) == (1, ["done"])
    assert "turn/interrupt" not in coder.methods()


async def test_a_denial_is_declined_and_told(house: House, coder: Coder) -> None:
    """The agent reads who said no, and the chat sees it on the card."""
    await coder.plays([*asks(), *ANSWER])
    await house.says("build it")
    card = house.card()
    assert await house.press("Deny", author=BEN) == "Denied."
    assert coder.decisions() == ["decline"]
    (told,) = coder.told("turn/steer")
    assert "'make all' in /srv/shop was not carried out. Denied by Ben." in told
    assert "Denied by Ben" in house.text_of(card)
    assert (
        house.texts()[-1] == "All built.\n\nNot done for the coding agent: make all. Denied by Ben."
    )
    assert await house.calls() == ["refused"]


async def test_changes_of_files_show_their_paths(house: House, coder: Coder) -> None:
    """The request itself has none: they are those the agent began with."""
    change = {"path": "/srv/shop/a.py", "kind": {"type": "add"}, "diff": "+x = 1"}
    item = {"type": "fileChange", "id": "f1", "status": "inProgress", "changes": [change]}
    done = {**item, "status": "completed"}
    await coder.plays([*asks(FILES, item, accept=[{"finished": done}]), *ANSWER])
    await house.says("write it")
    card = house.card()
    assert "add /srv/shop/a.py" in card.text
    await approve(house)
    assert (coder.decisions(), await house.calls()) == (["accept"], ["done"])


async def test_a_late_yes_holds_for_the_same_request_once(house: House, coder: Coder) -> None:
    """The agent's request is cancelled meanwhile; asked again it is accepted, then asked anew."""
    again = [*asks(item={**MAKE, "id": "c2"}, accept=[{"finished": {**MADE, "id": "c2"}}])]
    third = asks(item={**MAKE, "id": "c3"}, decline=[{"finished": {**MADE, "id": "c3"}}])
    await coder.plays(asks(), [*again, *third, *ANSWER], open_ask_s=0.05)
    await house.says("build it")
    await coder.until(lambda it: it.decisions() == ["cancel"])
    assert await house.states() == ["pending"]
    card = house.card()
    await approve(house)
    assert coder.decisions()[:2] == ["cancel", "accept"]
    assert "Done: ran " in house.text_of(card)
    assert "Approved, once." in coder.told()[-1]
    assert await house.states() == ["approved", "pending"]
    assert await house.press("Deny") == "Denied."
    assert (await house.turns(), coder.decisions().count("accept")) == (["done"], 1)
    assert house.texts()[-1].count("Not done for the coding agent") == 1


async def test_a_late_yes_outlives_the_gateway(house: House, coder: Coder) -> None:
    """It is a row: used by the one request that is the same, whichever run it comes in."""
    other = asks(item={**MAKE, "id": "c2", "command": "make none"})
    again = asks(item={**MAKE, "id": "c3"}, accept=[{"finished": {**MADE, "id": "c3"}}])
    third = asks(item={**MAKE, "id": "c4"}, decline=[{"finished": {**MADE, "id": "c4"}}])
    plays = [asks(), [{"spawn": 0}, {"silence": True}], [*other, *again, *third, *ANSWER]]
    await coder.plays(*plays, open_ask_s=0.05)
    await house.says("build it")
    await coder.until(lambda it: it.decisions() == ["cancel"])
    await house.press("Approve once")
    card = house.card()
    await house.take(house.event_of(card.button("Yes: Approve once"), card, BEN))
    await coder.until(lambda it: any("spawned" in each for each in it.log()))
    coder.times = QUICK
    await coder.restart()
    await house.rest()
    assert "make none" in house.card().text
    assert await house.press("Deny") == "Denied."
    assert coder.decisions()[-2:] == ["decline", "accept"]
    assert await house.states() == ["approved", "denied", "pending"]
    assert await house.press("Deny") == "Denied."
    assert (await house.turns(), coder.decisions().count("accept")) == (["done"], 1)
    used = "SELECT COUNT(*) FROM tool_call WHERE decided_by LIKE 'late %'"
    assert await house.one(used) == 1


async def test_a_card_outlives_the_gateway(house: House, coder: Coder) -> None:
    """The yes comes to another child, which resumes the thread and asks for the same."""
    again = asks(item={**MAKE, "id": "c2"}, accept=[{"finished": {**MADE, "id": "c2"}}])
    await coder.plays(asks(), [*again, *ANSWER])
    await house.says("build it")
    await coder.restart()
    assert coder.decisions() == ["cancel"]
    await approve(house)
    assert coder.decisions() == ["cancel", "accept"]
    assert "thread/resume" in coder.methods()
    assert "All built." in house.texts()[-1]
    assert (coder.started(), await house.turns()) == (2, ["done"])


async def test_what_nobody_decides_is_never_accepted(house: House, coder: Coder) -> None:
    """The request is cancelled, the card says so, and the next turn is told."""
    await coder.plays(asks(), ANSWER, open_ask_s=0.05)
    await house.says("build it")
    card = house.card()
    await coder.until(lambda it: it.decisions() == ["cancel"])
    await house.ticks(3_601)
    assert await house.states() == ["expired"]
    assert "expired" in house.text_of(card).lower()
    line = "Not done for the coding agent: make all. Not run: nobody decided in time."
    assert line in house.texts()[-1]
    await house.says("and now?")
    assert coder.decisions() == ["cancel"]
    assert "'make all'" in coder.told()[-1]
    assert "All built." in house.texts()[-1]


async def test_words_join_the_agents_turn_at_once(house: House, coder: Coder) -> None:
    """Before anybody asks for anything: one turn of ours and of the agent, and one answer."""
    await coder.plays([{"received": "turn/steer"}, *ANSWER], ANSWER)
    await house.take(house.words("build it"))
    await coder.until(lambda it: "turn/start" in it.methods())
    await house.says("and test it")
    assert coder.told("turn/steer") == ["and test it"]
    assert (await house.turns(), coder.methods().count("turn/start")) == (["done"], 1)
    await house.says("and now?")
    assert coder.told()[-1] == "and now?"


async def test_words_that_joined_outlive_the_gateway(house: House, coder: Coder) -> None:
    """They were stored before the agent heard them: the next run tells it all, once."""
    await coder.plays([{"received": "turn/steer"}, {"spawn": 0}, {"silence": True}], ANSWER)
    await house.take(house.words("build it"))
    await coder.until(lambda it: "turn/start" in it.methods())
    await house.take(house.words("and test it"))
    await coder.until(lambda it: any("spawned" in each for each in it.log()))
    await coder.restart()
    await house.rest()
    assert coder.told()[-1] == "build it\n\nand test it"
    assert "thread/resume" not in coder.methods()
    assert (await house.turns(), house.texts()[-1]) == (["done"], "All built.")


async def test_a_stop_interrupts_the_agent(house: House, coder: Coder) -> None:
    """In the middle of its turn; the child lives on, and what it said is taken back."""
    lasting = {"ask": PERMISSIONS, "params": {"itemId": "p1", "permissions": {}}}
    await coder.plays([{"delta": "Building"}, lasting, {"silence": True}], ANSWER)
    await house.take(house.words("build it"))
    await coder.until(lambda it: any("result" in each.get("in", {}) for each in it.log()))
    await house.command("stop")
    await coder.until(lambda it: "turn/interrupt" in it.methods())
    assert await house.turns() == ["cancelled"]
    await house.says("again")
    assert "All built." in house.texts()[-1]
    assert (coder.started(), coder.methods().count("thread/revert")) == (1, 1)


async def test_a_stop_interrupts_what_was_approved(house: House, coder: Coder) -> None:
    """Its result says that nobody knows, and the end of the turn names it."""
    await coder.plays(asks(accept=[{"silence": True}]), ANSWER)
    await house.says("build it")
    assert await house.press("Approve once") == "Press once more to be sure."
    card = house.card()
    await house.take(house.event_of(card.button("Yes: Approve once"), card, BEN))
    await coder.until(lambda it: it.decisions() == ["accept"])
    await house.command("stop")
    await coder.until(lambda it: "turn/interrupt" in it.methods())
    assert (await house.turns(), await house.calls()) == (["cancelled"], ["unknown"])
    assert "make all" in house.texts()[-1]
    await house.says("and now?")
    assert "Stopped before it ended." in coder.told()[-1]


async def test_an_action_that_dies_with_the_agent_is_asked_about(
    house: House, coder: Coder
) -> None:
    """Nobody goes on before a person has said what became of it."""
    await coder.plays([{"started": MAKE}, {"exit": 1}], ANSWER)
    await house.says("build it")
    card = house.card()
    assert card.text.startswith("In doubt ")
    assert "make all" in card.text
    assert (await house.turns(), await house.calls()) == (["waiting"], ["intent"])
    assert coder.methods().count("turn/start") == 1
    assert await house.press("Mark done", card=card, author=CAL) == "Noted as done."
    assert "confirmed that it took effect" in coder.told()[-1]
    assert "All built." in house.texts()[-1]
    assert (await house.calls(), coder.decisions()) == (["done"], [])


async def test_an_approved_action_that_dies_is_asked_about(house: House, coder: Coder) -> None:
    """It is accepted once and never again by itself; run again is a new approval."""
    await coder.plays(asks(accept=[{"exit": 1}]), ANSWER)
    await house.says("build it")
    await approve(house)
    card = house.card("In doubt")
    assert await house.calls() == ["intent"]
    assert coder.decisions() == ["accept"]
    assert await house.press("Skip", card=card, author=CAL) == "Skipped."
    assert "decided not to run it again" in coder.told()[-1]
    assert (coder.decisions(), await house.turns()) == (["accept"], ["done"])


async def test_what_is_run_again_is_a_new_approval(house: House, coder: Coder) -> None:
    """The agent is told, asks for the very same changes, and is let do them once."""
    change = {"path": "/srv/shop/a.py", "kind": {"type": "add"}, "diff": "+x = 1"}
    item = {"type": "fileChange", "id": "f1", "status": "inProgress", "changes": [change]}
    done = {**item, "id": "f2", "status": "completed"}
    again = asks(FILES, {**item, "id": "f2"}, accept=[{"finished": done}])
    await coder.plays([{"started": item}, {"exit": 1}], [*again, *ANSWER])
    await house.says("write it")
    card = house.card("In doubt")
    told = await house.press("Run again", card=card, author=CAL)
    assert told == "It is judged anew, as a new call."
    assert "add /srv/shop/a.py" in house.card("Approval").text
    assert coder.decisions() == []
    await approve(house)
    assert coder.decisions() == ["accept"]
    assert "All built." in house.texts()[-1]
    assert await house.calls() == ["not_run", "done"]


async def test_nobody_else_goes_on_before_a_doubt_is_settled(house: House, coder: Coder) -> None:
    """The next provider answers, and reads what the agent did and what people said of it."""
    done = {**MADE, "id": "c0"}
    spent = {"fail": {"message": "no more", "codexErrorInfo": "usageLimitExceeded"}}
    await coder.plays([{"item": done}, {"started": MAKE}, {"exit": 1}], [spent])
    await coder.restart(entry(house.model, "spare"))
    house.model_says("From the spare.")
    await house.says("build it")
    card = house.card("In doubt")
    assert house.model.requests == []
    await house.press("Skip", card=card, author=CAL)
    assert [result.status.value for result in house.results()] == ["done", "unknown"]
    assert "built" in house.results()[0].text
    assert any("From the spare." in text for text in house.texts())
    assert (await house.calls(), await house.turns()) == (["done", "unknown"], ["done"])


async def test_auto_does_not_run_it(house: House, coder: Coder) -> None:
    """What can't be undone is asked for in every mode."""
    await coder.plays([*asks(), *ANSWER])
    await house.command("auto", "$5 2h", chat=DM)
    await house.says("build it", chat=DM)
    assert "make all" in house.card().text
    assert coder.decisions() == []


@pytest.mark.parametrize(
    ("verdict", "said"), [(Verdict.ALLOW, "accept"), (Verdict.DENY, "decline")]
)
async def test_rules_decide_as_of_any_call(
    house: House, coder: Coder, verdict: Verdict, said: str
) -> None:
    """A rule that names the whole command needs no card; what is denied is told."""
    rule = Rule(
        id="build",
        tool="codex_command",
        verdict=verdict,
        when={
            "command": (Predicate(kind=PredicateKind.EQ, value="make all"),),
            "cwd": (Predicate(kind=PredicateKind.PREFIX, value="/srv"),),
        },
    )
    house.config = replace(house.config, policy=Policy(rules=(rule,), version="2"))
    await coder.plays([*asks(), *ANSWER])
    await house.says("build it")
    assert (coder.decisions(), house.shown()) == ([said], [])
    assert "All built." in house.texts()[-1]
    told = "Not done for the coding agent: make all. Not allowed" in house.texts()[-1]
    assert told is (verdict is Verdict.DENY)
