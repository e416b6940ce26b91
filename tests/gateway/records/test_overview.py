"""The overview: what is open, waiting, dead or in doubt, and that looking costs little."""

from typing import Any

from gateway.store.base import Store, Tx
from gateway.store.connection import SqliteTx
from gateway.store.records import outbox
from gateway.store.records.overview import LISTED, Overview, last_known, overview
from tests.gateway.records.rows import (
    ACCOUNT,
    ANN,
    CHAT,
    KEY,
    NOW,
    arrival,
    inserted,
    new_outbox,
    opened,
    write,
)

MINUTE = 60_000_000


async def look(store: Store, now: int = NOW) -> Overview:
    """One look."""
    return await store.read(lambda tx: overview(tx, now=now))


async def put(store: Store, sql: str, *params: Any) -> None:
    """Store a row that its own module writes elsewhere."""
    await write(store, lambda tx: tx.run(sql, *params))


async def test_an_empty_store_wants_nothing(store: Store) -> None:
    """No lists, no counts, no last moment."""
    assert await look(store) == Overview(
        open_turns=0, turns=(), questions=(), chats=(), amiss=(), gaps=(), outbox={}, died=0
    )
    assert await store.read(last_known) == 0


async def test_an_open_turn_tells_when_it_last_moved(store: Store) -> None:
    """Opened, a step, a call: the latest of them is its last activity."""
    turn = await opened(store, arrival(1))
    (seen,) = (await look(store)).turns
    assert (seen.turn_id, seen.session_key, seen.requester) == (turn.turn_id, KEY, ANN)
    assert (seen.state, seen.opened_at, seen.active_at, seen.deaths) == ("open", NOW, NOW, 0)
    await put(
        store,
        "INSERT INTO step (turn_id, number, attempt, model, state, opened_at)"
        " VALUES (?, 1, 1, 'm', 'intent', ?)",
        turn.turn_id,
        NOW + MINUTE,
    )
    assert (await look(store)).turns[0].active_at == NOW + MINUTE
    await put(
        store,
        "INSERT INTO tool_call (id, turn_id, step, ordinal, tool, arguments, state, intended_at)"
        " VALUES ('c1', ?, 1, 1, 'shell', '{}', 'intended', ?)",
        turn.turn_id,
        NOW + 2 * MINUTE,
    )
    assert (await look(store)).turns[0].active_at == NOW + 2 * MINUTE


async def test_open_questions_name_their_call(store: Store) -> None:
    """A decided one is no longer among them."""
    turn = await opened(store, arrival(1))
    await put(
        store,
        "INSERT INTO tool_call (id, turn_id, step, ordinal, tool, arguments, state)"
        " VALUES ('c1', ?, 1, 1, 'shell', '{}', 'unknown')",
        turn.turn_id,
    )
    for token, state in (("a", "superseded"), ("b", "open")):
        await put(
            store,
            "INSERT INTO question (token, turn_id, call_id, state, asked_at)"
            " VALUES (?, ?, 'c1', ?, ?)",
            token,
            turn.turn_id,
            state,
            NOW,
        )
    (question,) = (await look(store)).questions
    assert (question.turn_id, question.session_key) == (turn.turn_id, KEY)
    assert (question.tool, question.asked_at) == ("shell", NOW)


async def test_what_did_not_go_out_is_counted_and_listed(store: Store) -> None:
    """Dead with its reason, unknown without one; what was sent is no longer seen."""
    rows = [await inserted(store, new_outbox(f"k{number}")) for number in range(4)]
    for row, state, reason in zip(
        rows, ("sent", "dead", "unknown", "pending"), (None, "kicked", None, None), strict=True
    ):
        if state != "pending":
            await write(
                store,
                lambda tx, row=row, state=state, reason=reason: outbox.settle(  # type: ignore[misc]
                    tx, row.id, state=state, message_id=None, reason=reason, now=NOW
                ),
            )
    seen = await look(store)
    assert seen.outbox == {"dead": 1, "unknown": 1, "pending": 1}
    assert [(row.outbox_id, row.state, row.reason) for row in seen.amiss] == [
        (rows[2].id, "unknown", ""),
        (rows[1].id, "dead", "kicked"),
    ]
    assert await store.read(last_known) == NOW


async def test_a_list_ends_and_its_count_goes_on(store: Store) -> None:
    """Ten thousand dead rows are not ten thousand lines."""

    def unit(tx: Tx) -> None:
        for number in range(LISTED + 5):
            row = outbox.insert(tx, new_outbox(f"k{number}"), now=NOW)
            assert row is not None
            tx.run("UPDATE outbox SET state = 'dead' WHERE id = ?", row.id)

    await write(store, unit)
    seen = await look(store)
    assert (len(seen.amiss), seen.outbox) == (LISTED, {"dead": LISTED + 5})


async def test_closed_chats_and_gaps_are_told(store: Store) -> None:
    """A dead chat with its reason; of each account the last gap that could not be read back."""
    await put(store, "INSERT INTO chat VALUES (?, ?, 'dead', 'kicked', ?)", ACCOUNT, CHAT, NOW)
    for since, cause, recovered in ((1, "first", None), (2, "second", None), (3, "read back", 7)):
        await put(
            store,
            "INSERT INTO gap (account, since, until, cause, recovered) VALUES (?, ?, ?, ?, ?)",
            ACCOUNT,
            since,
            since + 1,
            cause,
            recovered,
        )
    seen = await look(store)
    assert [(chat.chat, chat.state, chat.reason) for chat in seen.chats] == [
        (CHAT, "dead", "kicked")
    ]
    assert [(gap.account, gap.since, gap.cause) for gap in seen.gaps] == [(ACCOUNT, 2, "second")]


async def test_runs_that_died_are_counted_for_an_hour(store: Store) -> None:
    """The present run has not stopped either, and is not dead."""
    for at, stopped in (
        (NOW - 61 * MINUTE, None),
        (NOW - 50 * MINUTE, None),
        (NOW - 40 * MINUTE, NOW - 30 * MINUTE),
        (NOW - 5 * MINUTE, None),
        (NOW - MINUTE, None),
    ):
        await put(store, "INSERT INTO start (at, stopped_at) VALUES (?, ?)", at, stopped)
    assert (await look(store)).died == 2
    assert await store.read(last_known) == NOW - MINUTE


async def test_looking_goes_by_the_small_indexes(store: Store) -> None:
    """No query of the overview scans everything that was ever sent, said or done."""
    plans: list[str] = []

    class Explained(SqliteTx):
        """Keeps the plan of every query."""

        def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
            plans.extend(str(row[3]) for row in super().rows(f"EXPLAIN QUERY PLAN {sql}", *params))
            return super().rows(sql, *params)

        def row(self, sql: str, *params: Any) -> tuple[Any, ...] | None:
            return next(iter(self.rows(sql, *params)), None)

    def query(tx: Tx) -> None:
        assert isinstance(tx, SqliteTx)
        overview(Explained(tx._connection), now=NOW)

    await store.read(query)
    large = {"turn", "outbox", "step", "tool_call", "message", "session", "inbox", "question"}
    scans = [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in large]
    assert all("USING" in plan and "INDEX" in plan for plan in scans), plans
    partial = {"turn_open", "outbox_leaving", "outbox_amiss", "question_open"}
    assert {plan.split("INDEX ")[1].split()[0] for plan in scans} <= partial, scans
