"""The rows of one turn: steps, calls, its end, and the fence around all of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.calls import CallState, JudgedCall, StoredCall
from agent.messages import ResultStatus, ToolCall, ToolResult
from agent.tools.base import EffectClass, PreparedCall
from gateway.store.base import Store, Tx
from gateway.store.records import calls, sessions, unowned
from gateway.store.records.sessions import Fenced, OpenTurn
from tests.agent.scripted import assistant, call, user
from tests.gateway.records.rows import (
    KEY,
    NOW,
    arrival,
    arrived,
    closed,
    inbox_states,
    next_work,
    opened,
    write,
)

USAGE = '{"input":1,"output":2}'


def judged(asked: ToolCall, effect: EffectClass | None = EffectClass.ONCE) -> JudgedCall:
    """A call that may run, or one that was refused."""
    if effect is None:
        refusal = ToolResult(
            call_id=asked.id, name=asked.name, status=ResultStatus.REFUSED, text="no"
        )
        return JudgedCall(call=asked, prepared=None, refusal=refusal)
    prepared = PreparedCall(
        tool=asked.name, operation="do", arguments={}, effect=effect, label="files: do"
    )
    return JudgedCall(call=asked, prepared=prepared)


def done(ident: str) -> ToolResult:
    return ToolResult(call_id=ident, name="files", status=ResultStatus.DONE, text="ok")


async def open_step(store: Store, turn: OpenTurn, number: int, model: str = "m") -> None:
    await write(store, lambda tx: sessions.open_step(tx, turn, number=number, model=model, now=NOW))


async def record_step(store: Store, turn: OpenTurn, number: int, *asked: JudgedCall) -> None:
    """Store a reply with calls as one step of the turn."""

    def unit(tx: Tx) -> None:
        refusals = tuple(c.refusal for c in asked if c.refusal is not None)
        message = assistant("Look.", *(c.call for c in asked))
        sessions.append(tx, turn, (message, *refusals), now=NOW)
        sessions.close_step(tx, turn, number=number, usage=USAGE, now=NOW)
        calls.add(tx, turn.turn_id, number, asked, now=1)

    await open_step(store, turn, number)
    await write(store, unit)


async def again(store: Store) -> OpenTurn:
    """The open turn as a restart finds it."""
    turn = await next_work(store)
    assert isinstance(turn, OpenTurn)
    return turn


async def steps(store: Store) -> list[tuple[Any, ...]]:
    return await store.read(
        lambda tx: tx.rows("SELECT number, attempt, model, state, usage FROM step ORDER BY 1, 2")
    )


async def test_steps_count_when_they_are_settled(store: Store) -> None:
    """An intent alone is a step that is made again."""
    turn = await opened(store, arrival(1))
    assert (await again(store)).rows.steps == 0
    turn = await again(store)
    await open_step(store, turn, 1)
    turn = await again(store)
    assert turn.rows.steps == 0
    await record_step(store, turn, 1, judged(call("files", ident="c1")))
    turn = await again(store)
    assert turn.rows.steps == 1
    await open_step(store, turn, 2)
    assert (await again(store)).rows.steps == 1


async def test_a_step_that_is_made_again_is_another_attempt(store: Store) -> None:
    """A failover or a restart leaves the failed attempt in the rows."""
    turn = await opened(store, arrival(1))
    await open_step(store, turn, 1, "one")
    await open_step(store, turn, 1, "two")
    await write(store, lambda tx: sessions.close_step(tx, turn, number=1, usage=USAGE, now=NOW))
    assert await steps(store) == [
        (1, 1, "one", "failed", None),
        (1, 2, "two", "done", USAGE),
    ]


async def test_calls_and_their_states(store: Store) -> None:
    """Proposed, allowed, intended, then with a result; a refused call was never open."""
    turn = await opened(store, arrival(1))
    await record_step(
        store,
        turn,
        1,
        judged(call("files", ident="c1")),
        judged(call("files", ident="c2"), EffectClass.PURE),
        judged(call("nope", ident="c3"), None),
    )
    loaded = (await again(store)).rows
    proposed = StoredCall(state=CallState.PROPOSED)
    assert loaded.calls == {"c1": proposed, "c2": proposed}
    assert loaded.calls_made == 3
    turn = await again(store)
    await write(store, lambda tx: tx.run("UPDATE tool_call SET state = 'allowed' WHERE id = 'c1'"))
    await write(store, lambda tx: calls.begin(tx, ("c1",), now=NOW))
    await write(store, lambda tx: sessions.append(tx, turn, (done("c2"),), now=NOW))
    assert (await again(store)).rows.calls == {"c1": StoredCall(state=CallState.INTENT)}
    rows = await store.read(
        lambda tx: tx.rows("SELECT id, effect, label, state FROM tool_call ORDER BY ordinal")
    )
    assert rows == [
        ("c1", "once", "files: do", "intent"),
        ("c2", "pure", "files: do", "done"),
        ("c3", None, None, "refused"),
    ]


@pytest.mark.parametrize("state", ["done", "failed", "cancelled", "halted"])
async def test_closing_ends_everything_of_the_turn(store: Store, state: str) -> None:
    """Input rows are done, a running step has failed, and who served is noted."""
    turn = await opened(store, arrival(1))
    await record_step(store, turn, 1, judged(call("files", ident="c1")))
    await open_step(store, turn, 2, "two")
    await write(
        store,
        lambda tx: sessions.close_turn(
            tx, turn, state=state, mark="stopped", error="cause", now=NOW + 5
        ),
    )
    row = await store.read(
        lambda tx: tx.row("SELECT state, mark, error, served_by, closed_at FROM turn")
    )
    assert row == (state, "stopped", "cause", "m", NOW + 5)
    assert [step[3] for step in await steps(store)] == ["done", "failed"]
    assert await inbox_states(store) == {1: ("done", None, 1)}
    assert await next_work(store) is None


STALE: dict[str, Callable[[Tx, OpenTurn], object]] = {
    "open_step": lambda tx, turn: sessions.open_step(tx, turn, number=1, model="m", now=NOW),
    "close_step": lambda tx, turn: sessions.close_step(tx, turn, number=1, usage=None, now=NOW),
    "append": lambda tx, turn: sessions.append(tx, turn, (user("x"),), now=NOW),
    "append nothing": lambda tx, turn: sessions.append(tx, turn, (), now=NOW),
    "end_attempt": lambda tx, turn: sessions.end_attempt(
        tx, turn, number=2, reason="timeout", now=NOW
    ),
    "park": lambda tx, turn: unowned.park(tx, turn, now=NOW),
    "fence": lambda tx, turn: sessions.fence(tx, turn, NOW),
    "drain": lambda tx, turn: sessions.drain(tx, turn, now=NOW),
    "close_turn": lambda tx, turn: sessions.close_turn(
        tx, turn, state="done", mark="none", error=None, now=NOW
    ),
}


async def everything(store: Store) -> list[list[tuple[Any, ...]]]:
    """Every row a turn may write."""
    tables = ("session", "turn", "step", "message", "tool_call", "inbox", "outbox")
    return await store.read(lambda tx: [tx.rows(f"SELECT * FROM {name}") for name in tables])


@pytest.mark.parametrize("name", STALE)
async def test_who_was_overtaken_can_write_nothing(store: Store, name: str) -> None:
    """An owner whose epoch is over is refused at every write, and not a row changes."""
    turn = await opened(store, arrival(1))
    await record_step(store, turn, 1, judged(call("files", ident="c1")))
    owner = await again(store)
    await open_step(store, owner, 2)
    before = await everything(store)
    with pytest.raises(Fenced, match="another owner"):
        await write(store, lambda tx: STALE[name](tx, turn))
    assert await everything(store) == before
    await closed(store, owner)


async def test_a_turn_of_a_retired_session_can_still_be_closed(store: Store) -> None:
    """/new closes the session's book, not the turn that still runs in it."""
    turn = await opened(store, arrival(1))
    await write(store, lambda tx: sessions.retire(tx, KEY, NOW))
    await closed(store, turn)
    assert (await inbox_states(store))[1][0] == "done"


async def test_opening_fails_whole_for_a_session_that_is_gone(store: Store) -> None:
    """A turn of a session nobody has is fenced, not written somewhere."""
    turn = await opened(store, arrival(1))
    lost = replace(turn, session_id=999)
    with pytest.raises(Fenced):
        await write(store, lambda tx: sessions.append(tx, lost, (user("x"),), now=NOW))


HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("idle_us", "after", "fresh"),
    [(None, 99 * HOUR_US, False), (HOUR_US, HOUR_US - 1, False), (HOUR_US, HOUR_US, True)],
)
async def test_a_session_nobody_used_for_long_is_left_behind(
    store: Store, idle_us: int | None, after: int, fresh: bool
) -> None:
    """The next message begins another one, with what was chosen for the chat."""
    turn = await opened(store, arrival(1))
    await closed(store, turn)
    await write(store, lambda tx: sessions.change_settings(tx, turn.session_id, {"model": "spare"}))
    info = await store.read(lambda tx: sessions.current(tx, turn.session_key))
    assert info is not None
    at = info.active_at + after
    await arrived(store, arrival(2, received_at=at))
    again = await write(
        store,
        lambda tx: sessions.next_work(
            tx, turn.session_key, now=at, one_by_one=False, idle_us=idle_us
        ),
    )
    assert isinstance(again, sessions.OpenTurn)
    assert (again.session_id != turn.session_id) is fresh
    assert again.settings == {"model": "spare"}
