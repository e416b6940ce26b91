"""Tool call rows: what was decided of a call is what stands in its row and runs."""

from dataclasses import replace
from typing import Any

import pytest

from agent.calls import CallState, StoredCall
from agent.canonical import canonical
from agent.costs import DOLLAR, Quote, Unknown, UnknownBecause
from agent.messages import ResultStatus, ToolResult
from agent.tools.base import EffectClass, Snapshot
from gateway.store.base import Store
from gateway.store.records import calls, cards, transcript
from gateway.store.records.calls import CallRow, Decided
from gateway.store.records.sessions import OpenTurn
from tests.agent.scripted import call
from tests.gateway.records.asked import ask
from tests.gateway.records.rows import NOW, arrival, opened, write
from tests.gateway.records.test_turns import done, judged, record_step

QUOTE = Quote(ceiling=2 * DOLLAR, unit="minute", unit_price=41_667, quantity=50, payer="acme")
PRICELESS = Quote(ceiling=Unknown(because=UnknownBecause.PRICE, text="no such flavour"))
SCRIPT = Snapshot(name="train.py", data=b"\x00print('\xc3\xa9')\xff")

OPEN = ["proposed", "allowed", "asked", "approved", "intent", "running"]


def decided(ident: str = "c1", **fields: Any) -> Decided:
    """The gate's word on a call."""
    given: dict[str, Any] = {
        "operation": "run",
        "canonical": canonical({"n": 1}).decode(),
        "fingerprint": f"f-{ident}",
        "quote": QUOTE,
        "snapshots": (SCRIPT,),
        "rule": "default",
        "reservation_id": "r1",
    }
    return Decided(call_id=ident, **given | fields)


async def decide(
    store: Store, state: CallState = CallState.ALLOWED, by: str = "default", **fields: Any
) -> None:
    """Store a word on call c1."""
    await write(
        store, lambda tx: calls.decide(tx, decided(**fields), state=state, by=by, now=NOW + 1)
    )


@pytest.fixture
async def turn(store: Store) -> OpenTurn:
    """A turn that asked for c1 and c2."""
    turn = await opened(store, arrival(1))
    await record_step(
        store, turn, 1, judged(call("files", ident="c1")), judged(call("files", ident="c2"))
    )
    return turn


async def row(store: Store, ident: str = "c1") -> CallRow:
    """A call that is there."""
    found = await store.read(lambda tx: calls.get(tx, ident))
    assert found is not None
    return found


async def force(store: Store, state: str) -> None:
    """Let c1 be in a state, however it came there."""
    await write(store, lambda tx: tx.run("UPDATE tool_call SET state = ? WHERE id = 'c1'", state))


async def finish(store: Store, result: ToolResult) -> None:
    """Settle the row of a call."""
    await write(store, lambda tx: calls.finish(tx, result, NOW))


async def settle(store: Store, turn: OpenTurn, result: ToolResult) -> None:
    """Give a call its result from outside the run of its turn."""
    ids = {"session_id": turn.session_id, "turn_id": turn.turn_id}
    await write(store, lambda tx: calls.settle(tx, **ids, result=result, now=NOW + 5))


async def said(store: Store, turn: OpenTurn) -> list[ToolResult]:
    """The results of the transcript."""
    loaded = await store.read(lambda tx: transcript.load(tx, turn.session_id))
    return [message for _, message in loaded if isinstance(message, ToolResult)]


async def test_a_proposed_call_is_what_the_model_wrote(store: Store, turn: OpenTurn) -> None:
    """Nothing is decided: no canonical arguments, no fingerprint, no rule, no money."""
    found = await row(store)
    assert (found.turn_id, found.session_id, found.session_key) == (
        turn.turn_id,
        turn.session_id,
        turn.session_key,
    )
    assert (found.tool, found.operation, found.label) == ("files", "", "files: do")
    assert (found.arguments, found.effect, found.state) == ("{}", "once", "proposed")
    assert (found.fingerprint, found.rule, found.decided_by) == ("", "", "")
    assert (found.reservation_id, found.decided_at, found.intended_at) == (None, None, None)
    assert await store.read(lambda tx: calls.get(tx, "c9")) is None


@pytest.mark.parametrize("quote", [QUOTE, PRICELESS, Quote(ceiling=0)])
async def test_what_was_decided_is_read_back_whole(
    store: Store, turn: OpenTurn, quote: Quote
) -> None:
    """Arguments, price (an unknown one stays unknown, a zero a zero) and the bytes of scripts."""
    await decide(store, quote=quote, taints="web page")
    stored = await store.read(lambda tx: calls.open_of_turn(tx, turn.turn_id))
    assert stored == {
        "c1": StoredCall(
            state=CallState.ALLOWED, arguments='{"n":1}', quote=quote, snapshots=(SCRIPT,)
        ),
        "c2": StoredCall(state=CallState.PROPOSED),
    }
    found = await row(store)
    assert (found.operation, found.arguments, found.fingerprint) == ("run", '{"n":1}', "f-c1")
    assert (found.rule, found.reservation_id) == ("default", "r1")
    assert (found.decided_at, found.decided_by) == (NOW + 1, "default")
    assert await store.read(lambda tx: calls.snapshots_of(tx, "c1")) == {"train.py": SCRIPT.data}
    assert await store.read(lambda tx: calls.snapshots_of(tx, "c9")) == {}


@pytest.mark.parametrize("state", [*OPEN, "done"])
async def test_what_was_decided_takes_no_other_word(
    store: Store, turn: OpenTurn, state: str
) -> None:
    """Only a call nobody has decided yet can be allowed or asked, whoever comes late."""
    await force(store, state)
    if state in ("proposed", "asked"):
        await decide(store)
        assert (await row(store)).state == "allowed"
        return
    with pytest.raises(ValueError, match="in between"):
        await decide(store)
    assert ((await row(store)).state, (await row(store)).reservation_id) == (state, None)


async def test_a_new_word_takes_the_place_of_the_old_one(store: Store, turn: OpenTurn) -> None:
    """An edited call runs as edited, and nothing of what was asked before."""
    await decide(store, CallState.ASKED, by="")
    other = canonical({"n": 2}).decode()
    await decide(store, CallState.ASKED, by="", canonical=other, fingerprint="f2", snapshots=())
    stored = await store.read(lambda tx: calls.open_of_turn(tx, turn.turn_id))
    assert (stored["c1"].arguments, stored["c1"].snapshots) == ('{"n":2}', ())
    assert (await row(store)).fingerprint == "f2"


@pytest.mark.parametrize("state", [*OPEN, "done", "refused", "not_run"])
async def test_only_what_is_asked_can_be_approved(store: Store, turn: OpenTurn, state: str) -> None:
    """Whatever else became of it, an approval changes nothing and takes no money along."""
    await decide(store, CallState.ASKED, by="", reservation_id=None)
    await force(store, state)
    approved = await write(
        store, lambda tx: calls.approve(tx, "c1", reservation_id="r2", by="ann", now=NOW + 2)
    )
    assert approved is (state == "asked")
    found = await row(store)
    assert found.state == ("approved" if approved else state)
    assert (found.reservation_id, found.decided_by) == (("r2", "ann") if approved else (None, ""))


@pytest.mark.parametrize("state", OPEN)
async def test_what_did_not_begin_in_time_is_asked_again(
    store: Store, turn: OpenTurn, state: str
) -> None:
    """Its hold is given back by the caller, so the row names none; nor does it name an intent."""
    await decide(store)
    await write(store, lambda tx: calls.begin(tx, ["c1"], now=NOW + 3))
    await force(store, state)
    await write(store, lambda tx: calls.ask_again(tx, "c1"))
    found = await row(store)
    lapses = state in ("approved", "allowed", "intent")
    assert found.intended_at == (None if lapses else NOW + 3)
    assert found.state == ("asked" if lapses else state)
    assert found.reservation_id == (None if lapses else "r1")


@pytest.mark.parametrize("state", [*OPEN, "done", "unknown"])
async def test_what_is_judged_anew_begins_like_a_new_call(
    store: Store, turn: OpenTurn, state: str
) -> None:
    """No money, no intent; one that has its result or waits for people is left alone."""
    await decide(store)
    await write(store, lambda tx: calls.begin(tx, ["c1"], now=NOW + 3))
    await force(store, state)
    await write(store, lambda tx: calls.propose_again(tx, "c1"))
    found = await row(store)
    anew = state in ("intent", "allowed", "approved")
    assert found.state == ("proposed" if anew else state)
    assert found.intended_at == (None if anew else NOW + 3)


async def test_begun_left_and_ended(store: Store, turn: OpenTurn) -> None:
    """Intent and end carry their times; work elsewhere is between them."""
    await decide(store)
    await write(store, lambda tx: calls.begin(tx, ["c1"], now=NOW + 3))
    assert ((await row(store)).state, (await row(store)).intended_at) == ("intent", NOW + 3)
    await write(store, lambda tx: calls.leave(tx, "c1"))
    assert (await row(store)).state == "running"
    await write(store, lambda tx: calls.finish(tx, done("c1"), NOW + 4))
    assert ((await row(store)).state, (await row(store)).finished_at) == ("done", NOW + 4)
    assert list(await store.read(lambda tx: calls.open_of_turn(tx, turn.turn_id))) == ["c2"]


async def test_a_result_from_outside_joins_the_transcript(store: Store, turn: OpenTurn) -> None:
    """What a person answers, or a job ends with, is one commit of row and message."""
    result = ToolResult(
        call_id="c1", name="files", status=ResultStatus.REFUSED, text="Denied by Ann."
    )
    await settle(store, turn, result)
    assert (await row(store)).state == "refused"
    assert await said(store, turn) == [result]


async def test_a_call_has_one_result(store: Store, turn: OpenTurn) -> None:
    """Whoever is second changes neither row nor transcript, and nothing is waited for."""
    assert not await store.read(lambda tx: calls.has_result(tx, "c1"))
    for text in ("first", "second"):
        await settle(store, turn, replace(done("c1"), text=text))
    await write(store, lambda tx: calls.leave(tx, "c1"))
    assert [each.text for each in await said(store, turn)] == ["first"]
    assert (await row(store)).state == "done"
    assert await store.read(lambda tx: calls.has_result(tx, "c1"))
    assert not await store.read(lambda tx: calls.has_result(tx, "c2"))


@pytest.mark.parametrize("state", OPEN)
async def test_the_end_of_a_turn_leaves_no_call_without_a_result(
    store: Store, turn: OpenTurn, state: str
) -> None:
    """What had begun may have taken effect; anything else certainly did not run."""
    await force(store, state)
    await write(store, lambda tx: calls.end_unfinished(tx, turn.session_id, turn.turn_id, NOW + 6))
    begun = state in ("intent", "running")
    first, second = await said(store, turn)
    assert first.status is (ResultStatus.UNKNOWN if begun else ResultStatus.NOT_RUN)
    assert second.status is ResultStatus.NOT_RUN
    assert (first.call_id, second.call_id) == ("c1", "c2")
    assert await store.read(lambda tx: calls.open_of_turn(tx, turn.turn_id)) == {}


async def tainted(store: Store, turn: OpenTurn) -> tuple[str, ...]:
    """What the turn has read."""
    found = await store.read(lambda tx: calls.tainted_by(tx, turn.session_id, since=0))
    assert {turn_id for turn_id, _ in found} <= {turn.turn_id}
    return tuple(taints for _, taints in found)


async def test_only_results_taint(store: Store, turn: OpenTurn) -> None:
    """A call that was refused or has not run yet has brought nothing in."""
    await decide(store, taints="web page")
    assert await tainted(store, turn) == ()
    for status, taints in (
        (ResultStatus.REFUSED, ()),
        (ResultStatus.NOT_RUN, ()),
        (ResultStatus.DONE, ("web page",)),
        (ResultStatus.FAILED, ("web page",)),
        (ResultStatus.UNKNOWN, ("web page",)),
    ):
        result = ToolResult(call_id="c1", name="files", status=status, text="")
        await finish(store, result)
        assert await tainted(store, turn) == taints


async def test_a_call_without_an_effect_of_its_own_is_read(store: Store) -> None:
    """One that was refused when it was parsed has neither label nor effect."""
    turn = await opened(store, arrival(1))
    await record_step(
        store,
        turn,
        1,
        judged(call("nope", ident="c1"), None),
        judged(call("files", ident="c2"), EffectClass.PURE),
    )
    found = await row(store)
    assert (found.label, found.effect, found.state) == ("nope", "", "refused")
    assert (await row(store, "c2")).effect == "pure"


async def test_an_approval_that_came_too_late_lets_one_call_run(
    store: Store, turn: OpenTurn
) -> None:
    """By its row: whoever runs by it and is too late again hands it on, to one call more."""

    async def late() -> list[str]:
        found = await store.read(lambda tx: calls.turned_down(tx, turn.turn_id))
        return [each.id for each in found if each.late]

    card = await ask(store, turn, "11111", closes_at=None, call_id="c1", tool="files")
    refused = ToolResult(call_id="c2", name="files", status=ResultStatus.REFUSED, text="No.")
    await finish(store, replace(refused, call_id="c1", status=ResultStatus.NOT_RUN))
    await finish(store, refused)
    assert await late() == []
    yes = cards.Decided(by="ann", name="Ann", source="chat", at=NOW)
    await write(store, lambda tx: cards.decide(tx, f"{card} 0", "approved", yes))
    assert await late() == ["c1"]
    await record_step(store, turn, 2, judged(call("files", ident="c3")))
    await decide(store, by="late c1", ident="c3")
    assert await late() == []
    first = await row(store)
    ran = await store.read(lambda tx: calls.run_late(tx, first))
    assert ran is not None and ran.id == "c3"
    await finish(store, replace(refused, call_id="c3", status=ResultStatus.NOT_RUN))
    assert await late() == ["c3"]
    turned_down = await store.read(lambda tx: calls.turned_down(tx, turn.turn_id))
    assert [each.id for each in turned_down] == ["c2", "c3"]
