"""What is older than the configured days goes: words first, a week later rows and keys."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.tools.base import RemoteJob
from gateway.audit import verify
from gateway.chain import Intact
from gateway.retention import DAY, EVERY_S, FIRST_AFTER_S, MONEY_DAYS, Pruned, Retention
from gateway.store.base import Store, StoreHealth, Transition, Tx
from gateway.store.blobs import Blobs
from gateway.store.records import (
    allowances,
    audit,
    balances,
    cards,
    inbox,
    jobs,
    ledger,
    outbox,
    prompts,
    retention,
    sessions,
    transcript,
)
from gateway.store.records.cards import Decided
from tests.agent.scripted import assistant, user
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.asked import ask
from tests.gateway.records.money import held, one
from tests.gateway.records.rows import (
    ANN,
    CHAT,
    KEY,
    NOW,
    arrival,
    arrived,
    closed,
    inserted,
    new_outbox,
    next_work,
    opened,
    write,
)
from tests.gateway.records.test_overview import allowance

T = TypeVar("T")

KEEP = 90
NOTHING = Pruned(words=0, messages=0, rows=0, payloads=0)


async def at_once(seconds: float) -> None:
    """Take no time."""
    await asyncio.sleep(0)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """An empty folder of payloads."""
    return Blobs(tmp_path / "blobs")


class Pruning:
    """Lets days pass over a store."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self.store = store
        self._retention = Retention(
            store=store, blobs=blobs, clock=HandClock(), keep_days=KEEP, sleep=at_once
        )

    async def day(self, number: int) -> Pruned:
        """One pass, so many days after everything was stored."""
        return await self._retention.prune(now=NOW + number * DAY + 1)

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        (row,) = await self.rows(f"SELECT COUNT(*) FROM {table}")
        return int(row[0])

    async def rows(self, sql: str) -> list[Any]:
        """Whatever a query finds."""
        return await self.store.read(lambda tx: tx.rows(sql))


@pytest.fixture
def pruning(store: Store, blobs: Blobs) -> Pruning:
    """Days may pass over the store."""
    return Pruning(store, blobs)


def settle(ident: int, state: outbox.OutboxState = "sent") -> Callable[[Tx], None]:
    """A unit that settles an outbox row on the first day."""
    return lambda tx: outbox.settle(
        tx, ident, state=state, message_id=f"m{ident}", reason=None, now=NOW
    )


async def ran_tool(store: Store, turn: sessions.OpenTurn) -> None:
    """Store a step, a call with a secret in what it was given and ran, and a card about it."""

    def unit(tx: Tx) -> None:
        tx.run(
            "INSERT INTO step (turn_id, number, attempt, model, state, opened_at)"
            " VALUES (?, 1, 1, 'm', 'done', ?)",
            turn.turn_id,
            NOW,
        )
        tx.run(
            "INSERT INTO tool_call (id, turn_id, step, ordinal, tool, arguments, canonical,"
            " snapshots, effect, label, state) VALUES ('c1', ?, 1, 0, 'files', 'private',"
            " 'private', 'private', 'once', 'files: write', 'done')",
            turn.turn_id,
        )

    await write(store, unit)
    await ask(store, turn, "CARD2", closes_at=NOW, call_id="c1", ceilings=(1, 2))
    decided = Decided(by=ANN, name="Ann", source="button", at=NOW, words="private")

    def ended(tx: Tx) -> None:
        for request in cards.requests_of(tx, "card CARD2"):
            cards.decide(tx, request.id, "denied", decided)
        cards.close(tx, "card CARD2", now=NOW)

    await write(store, ended)


async def talked(store: Store, turn: sessions.OpenTurn, messages: int) -> None:
    """Store so many more messages of a turn."""
    words = tuple(assistant(f"word {number}") for number in range(messages))
    await write(store, lambda tx: sessions.append(tx, turn, words, now=NOW))


async def test_young_rows_are_kept(store: Store, pruning: Pruning) -> None:
    """A day before its time nothing is touched."""
    turn = await opened(store, arrival(1))
    await ran_tool(store, turn)
    await closed(store, turn)
    await inserted(store, new_outbox(turn_id=turn.turn_id))
    await write(store, settle(1))
    assert await pruning.day(KEEP - 1) == NOTHING


async def test_settled_events_lose_words_and_keep_keys(store: Store, pruning: Pruning) -> None:
    """Payload and content go, a repeat is a duplicate still, what waits is not touched."""
    await arrived(
        store,
        arrival(1, state="ignored", reason="malformed"),
        arrival(2, state="refused", reason="unknown_command"),
        arrival(3, session_key="other"),
    )
    assert (await pruning.day(KEEP)).words == 2
    assert await pruning.rows("SELECT id, raw, content IS NULL, state FROM inbox") == [
        (1, "", 1, "ignored"),
        (2, "", 1, "refused"),
        (3, "{}", 0, "new"),
    ]
    for number in (1, 2, 3):
        assert await write(store, lambda tx, n=number: inbox.insert(tx, arrival(n))) is None  # type: ignore[misc]


async def test_keys_go_a_week_after_the_words(store: Store, pruning: Pruning) -> None:
    """For seven days more the row stands; then it and its keys are gone, and that is known."""
    await arrived(store, arrival(1, state="ignored", reason="malformed"))
    await pruning.day(KEEP)
    assert await pruning.day(KEEP + 7) == NOTHING
    assert await store.read(lambda tx: retention.gone(tx, "e", 1)) is None
    assert (await pruning.day(KEEP + 8)).rows == 1
    assert await pruning.count("inbox") == 0
    assert await store.read(lambda tx: retention.gone(tx, "e", 1)) == retention.Gone(
        at=NOW + (KEEP + 8) * DAY + 1
    )
    assert await store.read(lambda tx: retention.gone(tx, "e", 2)) is None
    assert await store.read(lambda tx: retention.gone(tx, "o", 1)) is None


@pytest.mark.parametrize("state", ["sent", "unknown", "dead"])
async def test_settled_sends_lose_their_words(
    store: Store, pruning: Pruning, state: outbox.OutboxState
) -> None:
    """What left or never will goes; what is yet to leave waits for as long as it takes."""
    await inserted(store, new_outbox("a"))
    await inserted(store, new_outbox("b"))
    await write(store, settle(1, state))
    assert (await pruning.day(KEEP)).words == 1
    assert await write(store, lambda tx: outbox.insert(tx, new_outbox("a"), now=NOW)) is None
    assert (await pruning.day(2 * KEEP)).rows == 1
    assert await pruning.rows("SELECT dedupe_key, state, content <> '' FROM outbox") == [
        ("b", "pending", 1)
    ]


async def test_an_edit_goes_with_the_post_it_changed(store: Store, pruning: Pruning) -> None:
    """A row that another one changes outlives that one, if only by a moment."""
    await inserted(store, new_outbox("post"))
    await inserted(store, new_outbox("edit", op="edit", target_id=1))
    await write(store, settle(1))
    await pruning.day(KEEP)
    assert (await pruning.day(KEEP + 8)).rows == 0  # the edit still waits
    await write(store, settle(2))
    await pruning.day(KEEP + 9)
    assert (await pruning.day(KEEP + 17)).rows == 2


async def test_a_turn_keeps_its_story_for_a_week(store: Store, pruning: Pruning) -> None:
    """First what its calls were given goes, then all that is known of it."""
    turn = await opened(store, arrival(1))
    await ran_tool(store, turn)
    await closed(store, turn)
    await pruning.day(KEEP)
    assert await pruning.rows(
        "SELECT tool, arguments, canonical, snapshots, label, state FROM tool_call"
    ) == [("files", "", None, "{}", None, "done")]
    assert (
        await pruning.rows("SELECT state, decided_name, arguments, detail, words FROM request")
        == [("denied", "Ann", "{}", "{}", "")] * 2
    )
    assert await pruning.rows("SELECT code, detail FROM card") == [("CARD2", "{}")]
    assert await pruning.count("step") == 1
    await pruning.day(KEEP + 8)
    for table in ("turn", "step", "tool_call", "request", "card", "message", "inbox"):
        assert await pruning.count(table) == 0, table
    assert await store.read(lambda tx: retention.gone(tx, "t", 1)) is not None


async def test_an_open_turn_loses_nothing(store: Store, pruning: Pruning) -> None:
    """However long it waits: its words, calls, messages and what it sent stay."""
    turn = await opened(store, arrival(1))
    await ran_tool(store, turn)
    await talked(store, turn, 3)
    await inserted(store, new_outbox(turn_id=turn.turn_id))
    await write(store, settle(1))
    assert await pruning.day(2 * KEEP) == NOTHING
    again = await next_work(store)
    assert isinstance(again, sessions.OpenTurn)
    assert len(again.rows.messages) == 4


async def test_a_session_in_use_keeps_what_a_model_may_be_shown(
    store: Store, pruning: Pruning
) -> None:
    """The newest messages stay at any age, those beyond go, and the chat does not notice."""
    turn = await opened(store, arrival(1))
    await talked(store, turn, transcript.MESSAGES_LOADED + 300)
    await closed(store, turn)
    await write(
        store, lambda tx: tx.run("UPDATE session SET active_at = ?", NOW + (KEEP + 30) * DAY)
    )
    before = await store.read(lambda tx: transcript.load(tx, 1))
    assert (await pruning.day(KEEP + 30)).messages == 301
    assert await store.read(lambda tx: transcript.load(tx, 1)) == before
    assert (await pruning.day(KEEP + 60)).rows == 1  # the inbox row; the turn has messages yet
    assert await pruning.count("turn") == 1


async def test_an_idle_session_begins_afresh(store: Store, pruning: Pruning) -> None:
    """After so long without a word the past is gone; the next message finds a clean session."""
    turn = await opened(store, arrival(1, "secret plans"))
    await talked(store, turn, 500)
    await closed(store, turn)
    pruned = await pruning.day(KEEP)
    assert pruned.messages == 502  # 501 messages and the title
    assert await pruning.rows("SELECT title FROM session") == [("",)]
    await arrived(store, arrival(2, "hello again"))
    again = await next_work(store)
    assert isinstance(again, sessions.OpenTurn)
    assert again.rows.messages == (user("hello again"),)
    assert again.number == 2


async def test_a_session_goes_when_nothing_of_it_is_left(store: Store, pruning: Pruning) -> None:
    """A left session goes; one with a chosen model keeps its choice, and nothing else."""
    chosen = {"left": {"model": "x"}, "idle": {}, "chosen": {"model": "x"}}
    for number, (key, settings) in enumerate(chosen.items()):
        await arrived(store, arrival(number, session_key=key))
        turn = await next_work(store, key=key)
        assert isinstance(turn, sessions.OpenTurn)
        await write(
            store,
            lambda tx, turn=turn, settings=settings: sessions.change_settings(  # type: ignore[misc]
                tx, turn.session_id, settings
            ),
        )
        await closed(store, turn)
    await write(store, lambda tx: sessions.retire(tx, "left", NOW))
    await pruning.day(KEEP)
    assert await pruning.count("session") == 3
    await pruning.day(KEEP + 8)  # turns and events
    await pruning.day(KEEP + 9)
    assert await pruning.rows("SELECT key, settings FROM session") == [("chosen", '{"model":"x"}')]
    assert await pruning.count("message") == 0


async def test_a_turn_stays_while_its_work_elsewhere_may_go_on(
    store: Store, pruning: Pruning
) -> None:
    """The duty to end a job outlives the words; with its end seen the turn goes."""
    turn = await opened(store, arrival(1))
    await ran_tool(store, turn)
    job = RemoteJob(handle="h", label="job", deadline_s=60)
    await write(
        store,
        lambda tx: jobs.insert(
            tx, call_id="c1", turn_id=turn.turn_id, tool="files", job=job, now=NOW
        ),
    )
    await closed(store, turn)
    await pruning.day(KEEP)
    await pruning.day(KEEP + 8)
    assert (await pruning.count("turn"), await pruning.count("remote_job")) == (1, 1)
    await write(store, lambda tx: jobs.end(tx, "c1", now=NOW))
    await pruning.day(KEEP + 9)
    assert (await pruning.count("turn"), await pruning.count("remote_job")) == (0, 0)


async def test_ended_leave_and_prompts_go(store: Store, pruning: Pruning) -> None:
    """A live grant stays with what is counted of it, an ended one goes with it."""

    def unit(tx: Tx) -> None:
        for ident in ("live", "over"):
            allowances.insert(tx, replace(allowance(ident, "grant", 1), until_at=NOW + 999 * DAY))
            balances.lift(tx, (f"grant:{ident}", ""), 1)
        allowances.end(tx, "over", because="taken back", now=NOW)
        for until_at in (NOW, NOW + (KEEP + 9) * DAY):
            prompt = prompts.Prompt(form_id="f", field="x", person=ANN, until_at=until_at)
            tx.run(
                "INSERT INTO prompt (account, chat, message_id, form_id, field, person, until_at)"
                " VALUES ('a', 'c', ?, ?, ?, ?, ?)",
                str(until_at),
                prompt.form_id,
                prompt.field,
                prompt.person,
                prompt.until_at,
            )

    await write(store, unit)
    assert (await pruning.day(KEEP)).rows == 2
    assert await pruning.rows("SELECT id FROM allowance") == [("live",)]
    assert await pruning.rows("SELECT scope FROM balance") == [("grant:live",)]
    assert await pruning.count("prompt") == 1


async def test_money_is_kept_for_longer_than_words(store: Store, pruning: Pruning) -> None:
    """Closed holds, movements and windows go after 400 days; an open hold keeps its own."""

    def unit(tx: Tx) -> None:
        for ident in ("done", "held"):
            held(tx, ident, 50, scopes=one(scope=ident), deadline_at=NOW + 2_000 * DAY)
        ledger.settle(tx, "done", actual=20, now=NOW)

    await write(store, unit)
    assert (await pruning.day(MONEY_DAYS - 1)).money == 0
    assert (await pruning.day(MONEY_DAYS + 1)).money == 5
    assert await pruning.rows("SELECT id FROM reservation") == [("held",)]
    assert await pruning.rows("SELECT kind, reservation_id FROM ledger") == [("hold", "held")]
    assert await pruning.rows("SELECT scope FROM balance") == [("held",)]


async def test_limits_of_a_life_go_with_what_they_were_on(store: Store, pruning: Pruning) -> None:
    """The turn's with the turn, the session's with the session."""
    turn = await opened(store, arrival(1))
    scopes = (f"turn:{turn.turn_id}", f"session:{turn.session_id}", f"whole:{turn.session_id}")

    def unit(tx: Tx) -> None:
        for scope in (*scopes, "session:99"):
            balances.lift(tx, (scope, ""), 1)

    await write(store, unit)
    await closed(store, turn)
    await write(store, lambda tx: sessions.retire(tx, KEY, NOW))
    await pruning.day(KEEP)
    assert await pruning.count("balance") == 4
    await pruning.day(KEEP + 8)
    await pruning.day(KEEP + 9)
    assert await pruning.rows("SELECT scope FROM balance") == [("session:99",)]


async def test_the_audit_is_thinned_and_verifies(store: Store, pruning: Pruning) -> None:
    """Rows of over 400 days go in small units, each vouched for by a checkpoint."""

    def unit(tx: Tx) -> None:
        for at in (*([NOW] * 450), NOW + MONEY_DAYS * DAY):
            audit.append(tx, at=at, kind="press", actor=ANN, detail={})

    await write(store, unit)
    assert (await pruning.day(MONEY_DAYS - 1)).audit == 0
    assert (await pruning.day(MONEY_DAYS)).audit == 450
    found = await verify(store)
    assert isinstance(found, Intact)
    assert found.rows == 4  # the young one and three checkpoints


async def test_old_runs_and_gaps_go_but_not_the_present_run(store: Store, pruning: Pruning) -> None:
    """A gateway that has run for months keeps the row of its start."""

    def unit(tx: Tx) -> None:
        for day in (0, 1):
            tx.run("INSERT INTO start (at) VALUES (?)", NOW + day)
        for number in (0, KEEP * DAY):
            tx.run(
                "INSERT INTO gap (account, since, until, cause) VALUES ('a', ?, ?, 'deaf')",
                NOW,
                NOW + number,
            )

    await write(store, unit)
    assert (await pruning.day(KEEP)).rows == 2
    assert await pruning.rows("SELECT id FROM start") == [(2,)]
    assert await pruning.rows("SELECT id FROM gap") == [(2,)]


async def test_payload_files_go_with_the_last_row_that_names_them(
    store: Store, pruning: Pruning, blobs: Blobs, tmp_path: Path
) -> None:
    """One that a younger row shares stays, one that never got a row goes, a fresh one stays."""
    shared, old, orphan, fresh = [await blobs.put(bytes([n]) * 70_000) for n in range(4)]
    await arrived(
        store,
        arrival(1, state="ignored", raw=f"blob:{shared}"),
        arrival(2, state="ignored", raw=f"blob:{old}"),
        arrival(3, state="ignored", raw=f"blob:{shared}", received_at=NOW + 9 * DAY),
    )
    days = {shared: 0, old: 0, orphan: 1, fresh: KEEP}
    for name, day in days.items():
        seconds = NOW / 1e6 + day * 86_400
        os.utime(payload(tmp_path, name), (seconds, seconds))
    assert (await pruning.day(KEEP)).payloads == 2
    left = {name for name in days if payload(tmp_path, name).exists()}
    assert left == {shared, fresh}


def payload(folder: Path, name: str) -> Path:
    """The file of a payload."""
    return folder / "blobs" / name[:2] / name


class Measured:
    """A store that notes how many rows each unit changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changed: list[int] = []

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """See Store."""

        def measured(tx: Tx) -> T:
            counting = Counting(tx)
            result = unit(counting)
            self.changed.append(counting.changed)
            return result

        assert transition.name == "retention.pruned"
        return await self._store.write(measured, transition=transition)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """See Store."""
        return await self._store.read(query)

    async def close(self) -> None:
        """See Store."""

    def health(self) -> StoreHealth:
        """See Store."""
        return self._store.health()


class Counting:
    """A Tx that counts."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.rows, self.row = tx.rows, tx.row
        self.changed = 0

    def run(self, sql: str, *params: Any) -> int:
        """See Tx."""
        changed = self._tx.run(sql, *params)
        self.changed += changed
        return changed


async def test_units_are_small_unsynced_and_pause_for_others(store: Store, blobs: Blobs) -> None:
    """However much is due, a unit changes about 200 rows, costs no sync, and lets others write."""
    turn = await opened(store, arrival(1))
    await talked(store, turn, 1_000)
    await closed(store, turn)
    await arrived(store, *(arrival(n, state="ignored") for n in range(2, 1_002)))
    measured = Measured(store)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await inserted(store, new_outbox(f"other {len(pauses)}"))

    pruning = Retention(store=measured, blobs=blobs, clock=HandClock(), keep_days=KEEP, sleep=pause)
    syncs = store.health().syncs
    await pruning.prune(now=NOW + KEEP * DAY + 1)
    await pruning.prune(now=NOW + (KEEP + 8) * DAY + 1)
    assert store.health().syncs == syncs
    assert max(measured.changed) <= retention.UNIT_ROWS + 1  # and the note of what is gone
    assert len(pauses) == len(measured.changed) > 20
    assert await store.read(lambda tx: tx.rows("SELECT 1 FROM inbox")) == []


async def test_a_pruned_database_is_filled_again_before_it_grows(
    store: Store, pruning: Pruning
) -> None:
    """What was freed is used again: with steady traffic the file has a steady size."""

    async def pages() -> int:
        return int((await pruning.rows("PRAGMA page_count"))[0][0])

    sizes = []
    for round_number in range(3):
        first = round_number * 1_000
        rows = (
            arrival(first + n, state="ignored", raw="x" * 2_000, received_at=NOW)
            for n in range(1_000)
        )
        await arrived(store, *rows)
        sizes.append(await pages())
        await pruning.day(KEEP)
        await pruning.day(KEEP + 8)
    assert sizes[2] <= sizes[0] * 1.1


async def test_it_runs_once_a_day(
    store: Store, blobs: Blobs, clock: HandClock, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The first pass waits until the start is over; one that fails is tried again next day."""
    caplog.set_level(logging.INFO, "gateway.retention")
    await arrived(store, arrival(1, state="ignored", received_at=NOW - KEEP * DAY))
    units: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds < 1:
            units.append(seconds)
        else:
            await clock.sleep(seconds)

    pruning = Retention(store=store, blobs=blobs, clock=clock, keep_days=KEEP, sleep=sleep)
    in_the_way = tmp_path / "blobs" / "00"
    in_the_way.touch()
    running = asyncio.create_task(pruning.run())
    assert await clock.asleep() == [FIRST_AFTER_S]
    assert units == []
    clock.advance(FIRST_AFTER_S)
    assert await clock.asleep() == [EVERY_S]
    assert "pruning stopped" in caplog.text
    in_the_way.unlink()
    for _ in range(24):
        assert "pruned Pruned" not in caplog.text
        clock.advance(EVERY_S)
        assert await clock.asleep() == [EVERY_S]
    assert "pruned Pruned(words=0" in caplog.text
    running.cancel()
    (row,) = await store.read(lambda tx: tx.rows("SELECT raw, chat FROM inbox"))
    assert row == ("", CHAT)


async def test_keeping_everything_prunes_nothing(
    store: Store, blobs: Blobs, clock: HandClock
) -> None:
    """Zero days are no age: nothing runs."""
    await Retention(store=store, blobs=blobs, clock=clock, keep_days=0).run()


async def test_a_store_that_is_closed_ends_it(store: Store, blobs: Blobs, clock: HandClock) -> None:
    """Who closed it knows, so nothing is logged as a fault."""
    await store.close()
    await Retention(store=store, blobs=blobs, clock=clock, keep_days=KEEP, sleep=at_once).run()
