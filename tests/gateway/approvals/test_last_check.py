"""The last check before the first byte leaves: what was decided, and what a crash left begun."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agent.costs import DOLLAR
from agent.policy import Policy
from agent.rules import Rule
from agent.tools.base import CallContext, EffectClass, PreparedCall, RiskTag, Verdict
from gateway.store import transitions
from gateway.store.base import Tx
from gateway.store.records import freezes
from platforms.events import Author
from tests.gateway.approvals.house import CAL, House, made_calls
from tests.gateway.approvals.house_tools import UNREACHED, HouseTool
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN

HOURS_8 = 8 * 3_600


async def cut(house: House, tool: HouseTool, *calls: str, by: Author | None) -> None:
    """End a run in the middle of a call that Ann asked for, approved by somebody or allowed."""
    tool.waits = asyncio.Event()
    house.model_calls(*calls)
    await house.take(house.words("do it"))
    if by is not None:
        await house.rest()
        card = house.card()
        await house.take(house.event_of(card.button("Approve once"), card, by))
    await asyncio.wait_for(tool.began.wait(), 60)
    await house.shut()
    tool.waits = None
    assert await house.calls() == ["intent"]


async def freeze(house: House) -> None:
    """Stop all spending, as an owner's shell does."""
    stop = freezes.Freeze(
        scope=freezes.EVERYWHERE, by="telegram:1003", name="Cal", reason="", at=house.clock.now()
    )
    await house.store.write(
        lambda tx: freezes.freeze(tx, stop), transition=transitions.FREEZE_CHANGED
    )


def deny(house: House, tool: str, **more: Any) -> None:
    """Have a rule of the next run deny a tool."""
    rule = Rule(id="no-more", tool=tool, verdict=Verdict.DENY, **more)
    house.config = replace(house.config, policy=Policy(rules=(rule,), version="2"))


async def change(house: House, statement: str) -> None:
    """Change rows as another version would have left them."""

    def unit(tx: Tx) -> None:
        tx.run(statement)

    await house.store.write(unit, transition=transitions.RUN_BEGUN)


async def taken_up(house: House) -> None:
    """Begin the next run and wait until nothing moves."""
    await house.open()
    await house.rest()


async def test_a_job_that_is_absent_after_a_crash_is_not_begun_hours_later(house: House) -> None:
    """The start window is over: its money is free, and a new card says by whom it was approved."""
    await cut(house, house.remote(), "remote", by=CAL)
    house.clock.advance(HOURS_8)
    await taken_up(house)
    assert len(house.remote().ran) == 1
    assert (await house.calls(), await house.held()) == (["asked"], 0)
    assert "approved by Cal" in house.card("could not start in time").text
    await house.press("Approve once", author=CAL)
    assert (len(house.remote().ran), await house.calls()) == (2, ["running"])


async def test_a_job_that_is_absent_after_a_crash_is_not_begun_under_a_freeze(
    house: House,
) -> None:
    """The model reads why, and nothing is held."""
    await cut(house, house.remote(), "remote", by=CAL)
    await freeze(house)
    await taken_up(house)
    assert len(house.remote().ran) == 1
    assert (await house.calls(), await house.held()) == (["refused"], 0)


async def test_a_job_that_is_absent_after_a_crash_meets_todays_rules(house: House) -> None:
    """A rule that denies it by now is obeyed."""
    await cut(house, house.remote(), "remote", by=CAL)
    deny(house, "remote")
    await taken_up(house)
    assert len(house.remote().ran) == 1
    assert (await house.calls(), await house.held()) == (["refused"], 0)


async def test_a_job_that_is_absent_after_a_crash_needs_its_approver_still(house: House) -> None:
    """Whoever approved it may not any more: it is asked anew."""
    await cut(house, house.remote(), "remote", by=CAL)
    house.config = replace(house.config, gateway=replace(house.config.gateway, owners=()))
    await taken_up(house)
    assert len(house.remote().ran) == 1
    assert (await house.calls(), await house.held()) == (["asked"], 0)


async def test_a_job_that_was_allowed_and_is_absent_hours_later_is_judged_again(
    house: House,
) -> None:
    """Nobody approved it, so nobody is asked: it is allowed anew, on new money."""
    tool = house.remote()
    tool.default, tool.price = Verdict.ALLOW, DOLLAR // 2
    await cut(house, tool, "remote", by=None)
    house.clock.advance(HOURS_8)
    await taken_up(house)
    assert (len(tool.ran), await house.calls()) == (2, ["running"])
    held = await house.rows("SELECT state FROM reservation")
    assert sorted(str(row[0]) for row in held) == ["held", "released"]


async def test_a_job_nobody_has_judged_is_judged_before_it_begins(house: House) -> None:
    """A call that an older version has begun has no word of the gate, and no money."""
    await cut(house, house.remote(), "remote", by=CAL)
    await change(
        house,
        "UPDATE tool_call SET canonical = NULL, fingerprint = NULL, quote = NULL,"
        " reservation_id = NULL, decided_at = NULL, decided_by = NULL",
    )
    await change(house, "DELETE FROM request")
    await taken_up(house)
    assert len(house.remote().ran) == 1
    assert await house.calls() == ["asked"]


async def test_a_job_found_absent_ends_the_question_about_it(house: House) -> None:
    """What was asked while nobody could tell is withdrawn once it is asked anew."""
    tool = house.remote()
    await cut(house, tool, "remote", by=CAL)
    tool.probed = UNREACHED
    await taken_up(house)
    assert await house.states() == ["approved", "pending"]
    await house.shut()
    tool.probed = None
    house.clock.advance(HOURS_8)
    await change(house, "UPDATE turn SET state = 'open'")
    await taken_up(house)
    assert (len(tool.ran), await house.calls()) == (1, ["asked"])
    assert await house.states() == ["approved", "withdrawn", "pending"]
    assert "approved by Cal" in house.card("could not start in time").text


@pytest.mark.parametrize("why", ["frozen", "denied"])
async def test_a_keyed_call_is_not_repeated_where_it_may_not_run(house: House, why: str) -> None:
    """It may have happened: people say what became of it."""
    tool = house.tools["paid"]
    await cut(house, tool, "paid", by=BEN)
    if why == "frozen":
        await freeze(house)
    else:
        deny(house, "paid")
    await taken_up(house)
    assert (len(tool.ran), await house.calls()) == (1, ["intent"])
    assert await house.held() == DOLLAR // 2
    assert await house.press("Mark done", author=ANN, card=house.card("In doubt"))
    assert await house.calls() == ["done"]


async def test_a_keyed_call_is_repeated_with_its_key(house: House) -> None:
    """Nothing forbids it, so nobody is asked."""
    tool = house.tools["paid"]
    await cut(house, tool, "paid", by=BEN)
    await taken_up(house)
    assert [ran.call_id for ran in tool.ran] == [tool.ran[0].call_id] * 2
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 10)


@dataclass(kw_only=True)
class LookingTool(HouseTool):
    """A tool that finds out by looking that a call destroys something."""

    async def inspect(self, call: PreparedCall, context: CallContext) -> PreparedCall:
        return replace(call, tags=call.tags | {RiskTag.DESTRUCTIVE}, warnings=("loses a lot",))


def _is_shown(house: House, label: str) -> Callable[[], bool]:
    return lambda: label in str([shown.buttons for shown in house.shown()])


async def _approved_late(house: House) -> None:
    """A call whose look found that it destroys is approved, and waits for one before it."""
    house.tools["box"] = LookingTool(name="box", effect=EffectClass.KEYED, price=100_000, spent=1)
    slow = house.tools["slow"] = HouseTool(
        name="slow", default=Verdict.ALLOW, effect=EffectClass.KEYED, waits=asyncio.Event()
    )
    await house.restart()
    house.model_calls("slow", "box")
    await house.take(house.words("do it"))
    await asyncio.wait_for(slow.began.wait(), 60)
    await house.until(lambda: bool(house.shown()))
    for label in ("Approve once", "Yes: Approve"):
        await house.until(_is_shown(house, label))
        card = house.card()
        await house.take(house.event_of(card.button(label), card, BEN))
        await house.now.router.settled()
    assert await house.states() == ["approved"]


async def test_a_lapsed_call_keeps_what_looking_had_found(house: House) -> None:
    """Its second card has the tier, the tags and the warnings of the first."""
    await _approved_late(house)
    house.clock.advance(16 * 60)
    slow = house.tools["slow"].waits
    assert slow is not None
    slow.set()
    await house.rest()
    (first, _), (second, (again,)) = await house.cards()
    assert (second.tier, first.tier) == ("approver", "approver")
    assert again.tags == ("destructive", "paid")
    assert again.detail["warnings"] == ["loses a lot"]


async def test_a_rule_about_what_looking_had_found_stops_a_late_start(house: House) -> None:
    """The tags that were found are judged again with the rest."""
    await _approved_late(house)
    await house.shut()
    deny(house, "box", tags_any=frozenset({RiskTag.DESTRUCTIVE}))
    house.tools["slow"].waits = None
    await taken_up(house)
    assert house.tools["box"].ran == []
    assert await house.calls() == ["done", "refused"]


@pytest.mark.parametrize("leave", ["a person's", "a rule's"])
async def test_only_a_rules_leave_spares_a_harmless_call_its_check(
    house: House, leave: str
) -> None:
    """What is free and pure begins hours later if a rule allows it, not on an old yes."""
    asked = leave == "a person's"
    house.tools["look"] = HouseTool(name="look", default=Verdict.ALLOW, effect=EffectClass.PURE)
    slow = house.tools["slow"] = HouseTool(
        name="slow", default=Verdict.ALLOW, effect=EffectClass.KEYED, waits=asyncio.Event()
    )
    await house.restart()
    first = "reads" if asked else "links"
    second = 'look {"url":"https://elsewhere.example/?q=composed"}'
    house.model_says(
        says("a", calls=made_calls(first)), says("b", calls=made_calls("slow", second)), "done"
    )
    await house.take(house.words("do it"))
    await asyncio.wait_for(slow.began.wait(), 60)
    if asked:
        await house.until(lambda: bool(house.shown()))
        card = house.card()
        await house.take(house.event_of(card.button("Approve once"), card, BEN))
        await house.now.router.settled()
        assert await house.states() == ["approved"]
    house.clock.advance(HOURS_8)
    assert slow.waits is not None
    slow.waits.set()
    await house.rest()
    assert len(house.tools["look"].ran) == (0 if asked else 1)
    assert (await house.calls())[-1] == ("asked" if asked else "done")


async def test_a_paid_pure_call_that_was_cut_is_booked_for_both_runs(house: House) -> None:
    """Nobody knows it by a key: its repeat takes money of its own."""
    tool = house.tools["search"] = HouseTool(
        name="search", default=Verdict.ALLOW, effect=EffectClass.PURE, price=20_000, spent=15_000
    )
    await house.restart()
    await cut(house, tool, "search", by=None)
    await taken_up(house)
    assert (len(tool.ran), await house.calls()) == (2, ["done"])
    assert (await house.held(), await house.settled()) == (0, 35_000)
