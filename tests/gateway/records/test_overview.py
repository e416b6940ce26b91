"""The overview: what is open, waiting, dead or in doubt, and that looking costs little."""

from typing import Any

from agent.tools.base import RemoteJob
from gateway.store.base import Store, Tx
from gateway.store.connection import SqliteTx
from gateway.store.records import (
    allowances,
    balances,
    calls,
    cards,
    freezes,
    jobs,
    ledger,
    outbox,
)
from gateway.store.records.cards import Decided
from gateway.store.records.limits import HeldLate
from gateway.store.records.overview import (
    LISTED,
    UNDELIVERED_WITHIN,
    Overview,
    last_known,
    overview,
)
from tests.agent.scripted import call
from tests.gateway.records.asked import ask
from tests.gateway.records.money import hold
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
from tests.gateway.records.test_turns import judged

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
        open_turns=0,
        turns=(),
        approvals=0,
        cards=(),
        doubts=(),
        late_cards=(),
        undelivered=(),
        leaves=(),
        freezes=(),
        suspects=(),
        jobs=(),
        scheduled=(),
        held_late=HeldLate(count=0, amount=0, oldest_at=None),
        chats=(),
        amiss=(),
        gaps=(),
        outbox={},
        asking=0,
        moved=(),
        owners=(),
        died=0,
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


async def test_what_waits_for_people_is_told(store: Store) -> None:
    """In the order in which it closes, the queue at the end; calls in doubt by themselves too."""
    turn = await opened(store, arrival(1))
    await ask(store, turn, "SECND", closes_at=NOW + 2)
    await ask(store, turn, "FIRST", closes_at=NOW + 1, ceilings=(5, None))
    await ask(store, turn, "DABT2", kind="in_doubt", closes_at=NOW + 9)
    await ask(store, turn, "QUEUE", state="queued", closes_at=None)
    await ask(store, turn, "CLASD", closes_at=NOW + 1)
    await write(store, lambda tx: tx.run("UPDATE card SET state = 'closed' WHERE code = 'CLASD'"))
    seen = await look(store)
    assert (seen.approvals, [card.code for card in seen.cards]) == (
        4,
        ["FIRST", "SECND", "DABT2", "QUEUE"],
    )
    assert [(card.code, card.turn_id, card.tool) for card in seen.doubts] == [
        ("DABT2", turn.turn_id, "shell")
    ]
    first, second, *_ = seen.cards
    assert (first.items, first.at_most, second.at_most) == (2, None, 7)
    assert (first.session_key, first.requester, first.posted) == (KEY, ANN, False)
    late = await look(store, NOW + 11 * MINUTE)
    assert {card.code for card in late.late_cards} == {"FIRST", "SECND", "DABT2"}


async def test_a_card_that_never_arrived_is_told_for_a_day(store: Store) -> None:
    """Its code, where it should have stood, and why it did not."""
    turn = await opened(store, arrival(1))
    ident = await ask(store, turn, "LAST2", closes_at=NOW + MINUTE)

    def unit(tx: Tx) -> None:
        (request,) = cards.requests_of(tx, ident)
        gone = Decided(by="", name="the gateway", source="gateway", at=NOW, words="chat deleted")
        cards.decide(tx, request.id, "undeliverable", gone)
        cards.close(tx, ident, now=NOW)

    await write(store, unit)
    (gone,) = (await look(store)).undelivered
    assert (gone.code, gone.chat, gone.because, gone.at) == ("LAST2", CHAT, "chat deleted", NOW)
    assert (await look(store, NOW + UNDELIVERED_WITHIN)).undelivered == ()


async def test_leave_says_what_is_left_of_it(store: Store) -> None:
    """`/auto` counts the whole session, a grant what it let through; an ended one is gone."""
    turn = await opened(store, arrival(1))

    def unit(tx: Tx) -> None:
        for ident, kind in (("auto1", "auto"), ("grant1", "grant"), ("over1", "grant")):
            allowances.insert(tx, allowance(ident, kind, turn.session_id))
        allowances.end(tx, "over1", because="taken back", now=NOW)
        balances.lift(tx, (f"whole:{turn.session_id}", ""), 0)
        balances.move(tx, [(f"whole:{turn.session_id}", "")], settled=40, held=2)

    await write(store, unit)
    found = {leave.id: leave for leave in (await look(store)).leaves}
    assert {ident: (each.left, each.uses_left) for ident, each in found.items()} == {
        "auto1": (58, None),
        "grant1": (100, 3),
    }


async def test_freezes_suspects_jobs_and_late_money_are_told(store: Store) -> None:
    """Everything that wants an owner."""
    turn = await opened(store, arrival(1))

    def unit(tx: Tx) -> None:
        ledger.reserve(tx, hold("r1", 70, deadline_at=NOW), now=NOW)
        freezes.freeze(tx, freezes.Freeze(scope="all", by="x", name="X", reason="why", at=NOW))
        freezes.suspect(tx, "hf_jobs", reason="too low", now=NOW)
        calls.add(tx, turn.turn_id, 1, (judged(call("shell", ident="c1")),), now=1)
        job = RemoteJob(handle="h1", label="hf_jobs: run", deadline_s=60)
        jobs.insert(tx, call_id="c1", turn_id=turn.turn_id, tool="hf_jobs", job=job, now=NOW)
        jobs.stop(tx, "c1", by="ann", now=NOW)
        jobs.lose(tx, "c1")

    await write(store, unit)
    seen = await look(store, NOW + 59 * MINUTE)
    assert ([f.scope for f in seen.freezes], [s.name for s in seen.suspects]) == (
        ["all"],
        ["hf_jobs"],
    )
    (job,) = seen.jobs
    assert (job.handle, job.state, job.stop_by) == ("h1", "unknown", "ann")
    assert seen.held_late.count == 0
    assert (await look(store, NOW + 61 * MINUTE)).held_late == HeldLate(
        count=1, amount=70, oldest_at=NOW
    )


def allowance(ident: str, kind: Any, session_id: int) -> allowances.Allowance:
    """Leave of 100 micro-dollars."""
    return allowances.Allowance(
        id=ident,
        kind=kind,
        session_id=session_id if kind == "auto" else None,
        account=ACCOUNT,
        chat=CHAT,
        requester=ANN,
        giver=ANN,
        giver_name="Ann",
        bounds={},
        ceiling=10,
        uses_left=3,
        cap=100,
        created_at=NOW,
        until_at=NOW + 60 * MINUTE,
    )


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
    large = {
        "turn", "outbox", "step", "tool_call", "message", "session", "inbox", "card", "request",
        "reservation", "remote_job", "balance", "allowance",
    }  # fmt: skip
    scans = [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in large]
    assert all("USING" in plan and "INDEX" in plan for plan in scans), plans
    partial = {
        "turn_open", "outbox_leaving", "outbox_amiss", "card_open", "card_code", "card_expiry",
        "remote_job_open", "allowance_until", "reservation_held",
    }  # fmt: skip
    assert {plan.split("INDEX ")[1].split()[0] for plan in scans} <= partial, scans
