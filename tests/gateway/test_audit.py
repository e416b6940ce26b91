"""The stored audit: appended with what it tells of, checked, thinned out and handed out."""

from functools import partial

import orjson
import pytest

from agent.canonical import NotCanonical
from agent.costs import DOLLAR
from gateway import audit
from gateway.chain import GENESIS, Broken, Intact
from gateway.store.base import Store, Tx
from gateway.store.records import audit as rows
from gateway.store.records import freezes, ledger
from tests.gateway.records.money import DAY, NOW, held, hold, one
from tests.gateway.records.rows import write


async def told(store: Store, *names: str, at: int = NOW) -> None:
    """Append rows, each in a unit of its own."""
    for name in names:
        await write(store, partial(say, name=name, at=at))


def say(tx: Tx, name: str, at: int = NOW) -> None:
    """Append one row."""
    audit.append(
        tx, at=at, kind="press", actor=name, account="a", chat="c", subject="k", detail={"n": 1}
    )


def say_often(tx: Tx, count: int) -> None:
    """Append many rows."""
    for number in range(count):
        say(tx, f"n{number}")


async def test_a_stored_chain_is_intact(store: Store) -> None:
    """Over more rows than are read at once."""
    await write(store, partial(say_often, count=rows.PAGE_ROWS + 2))
    found = await audit.verify(store)
    head = await store.read(audit.head)
    assert found == Intact(rows=rows.PAGE_ROWS + 2, seq=head.seq, head=head.hash)


async def test_an_empty_chain_has_a_beginning(store: Store) -> None:
    """Before anything happened."""
    assert await store.read(audit.head) == rows.Head(seq=0, hash=GENESIS)
    assert await audit.verify(store) == Intact(rows=0, seq=0, head=GENESIS)


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE audit SET actor = 'eve' WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET detail = '{}' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN 2 END WHERE seq IN (2, 3)",
        "INSERT INTO audit (at, kind, actor, detail, previous, hash)"
        " SELECT at, kind, actor, detail, previous, hash FROM audit WHERE seq = 4",
    ],
)
async def test_what_is_done_to_the_table_is_found(store: Store, tamper: str) -> None:
    """A row altered, removed, swapped, added."""
    await told(store, "ann", "ben", "cid", "dan")
    await write(store, lambda tx: tx.run(tamper))
    assert isinstance(await audit.verify(store), Broken)


async def test_a_unit_that_fails_is_not_told_of(store: Store) -> None:
    """Its row goes with it, and the chain goes on."""

    def failed(tx: Tx) -> None:
        say(tx, "nobody")
        raise RuntimeError

    await told(store, "ann")
    with pytest.raises(RuntimeError):
        await write(store, failed)
    await told(store, "ben")
    assert [row.link.actor for row in await store.read(rows.page)] == ["ann", "ben"]
    assert isinstance(await audit.verify(store), Intact)


async def test_names_of_any_kind_are_told(store: Store) -> None:
    """A broken character in a name stops nobody from deciding."""
    await told(store, "half \ud800", "nul \x00", "\u202eevil")
    assert isinstance(await audit.verify(store), Intact)


async def test_money_that_is_no_whole_number_is_refused(store: Store) -> None:
    """Not-a-number has no spelling, and its unit no effect."""

    def wrong(tx: Tx) -> None:
        audit.append(tx, at=1, kind="x", actor="x", detail={"n": float("nan")})

    with pytest.raises(NotCanonical):
        await write(store, wrong)


async def test_old_rows_are_taken_away_and_vouched_for(store: Store) -> None:
    """In parts, oldest first; what is left verifies, and less than that does not."""
    await write(store, partial(say_often, count=rows.PRUNE_ROWS + 50))
    await told(store, "young", at=NOW + 2 * DAY)
    pruned = [await thinned(store) for _ in range(3)]
    assert pruned == [rows.PRUNE_ROWS, 50, 0]
    left = await store.read(rows.page)
    assert [row.link.kind for row in left] == ["press", "checkpoint", "checkpoint"]
    assert isinstance(await audit.verify(store), Intact)
    await write(store, lambda tx: tx.run("DELETE FROM audit WHERE seq = ?", left[0].seq))
    assert isinstance(await audit.verify(store), Broken)


async def thinned(store: Store, before: int = NOW + DAY) -> int:
    """Take old rows away."""
    return await write(store, lambda tx: rows.prune(tx, before=before, now=NOW + 3 * DAY))


async def test_a_row_out_of_time_keeps_those_after_it(store: Store) -> None:
    """A clock set back takes nothing away that stands behind a young row."""
    await told(store, "ann", at=NOW + 2 * DAY)
    await told(store, "ben", at=NOW)
    await told(store, "cid", at=NOW)
    assert await thinned(store) == 0


async def test_the_last_row_stays(store: Store) -> None:
    """However old: the next one follows it."""
    await told(store, "ann", at=0)
    assert await thinned(store) == 0


async def test_lines_hold_everything_but_secrets(store: Store) -> None:
    """One JSON object per line; a line something was taken from says so."""

    def unit(tx: Tx) -> None:
        say(tx, "ann")
        detail = {"why": "the key is hunter2hunter2", "hunter2hunter2": [1, {"x": "ok"}]}
        audit.append(tx, at=NOW, kind="press", actor="ben", subject="k", detail=detail)

    await write(store, unit)
    lines = [
        orjson.loads(line)
        async for line in audit.export(
            store, hide=lambda text: text.replace("hunter2hunter2", "***")
        )
    ]
    head = await store.read(audit.head)
    assert lines[0] == {
        "seq": 1,
        "at": "2025-10-09T08:53:20+00:00",
        "kind": "press",
        "actor": "ann",
        "account": "a",
        "chat": "c",
        "subject": "k",
        "detail": {"n": 1},
        "previous": GENESIS,
        "hash": lines[1]["previous"],
    }
    assert lines[1]["detail"] == {"why": "the key is ***", "***": [1, {"x": "ok"}]}
    assert (lines[1]["redacted"], lines[1]["hash"]) == (True, head.hash)


async def test_every_movement_of_money_is_told(store: Store) -> None:
    """Each with the balances before and after it, in the unit that moved it."""

    def unit(tx: Tx) -> None:
        held(tx, "a", 3 * DOLLAR, scopes=one(), call_id="c1")
        ledger.settle(tx, "a", actual=DOLLAR, now=NOW, record="bill")
        held(tx, "b", 2 * DOLLAR, scopes=one())
        ledger.release(tx, "b", now=NOW)
        held(tx, "c", 2 * DOLLAR, scopes=one())
        ledger.charge(tx, "c", now=NOW)
        ledger.settle(tx, "c", actual=0, now=NOW)
        ledger.unheld(tx, hold("d", scopes=one()), actual=5, now=NOW)
        ledger.raise_limit(tx, "one", "2025-10-09", 7, by="ann", now=NOW)
        ledger.reserve(tx, hold("none", 99 * DOLLAR, scopes=one()), now=NOW)

    await write(store, unit)
    entries = await store.read(rows.page)
    assert [(row.link.kind, row.link.subject) for row in entries] == [
        ("hold", "a"),
        ("settle", "a"),
        ("hold", "b"),
        ("release", "b"),
        ("hold", "c"),
        ("charge", "c"),
        ("settle", "c"),
        ("unheld", "d"),
        ("raise", "one"),
    ]
    settle = orjson.loads(entries[1].link.detail)
    assert settle["before"] == [["one", "2025-10-09", 0, 3 * DOLLAR, 0]]
    assert settle["after"] == [["one", "2025-10-09", DOLLAR, 0, 0]]
    assert (settle["record"], settle["call"]) == ("bill", "c1")
    last = orjson.loads(entries[-2].link.detail)
    assert last["after"] == [["one", "2025-10-09", DOLLAR + 5, 0, 0]]
    assert orjson.loads(entries[-1].link.detail)["raised"] == 7
    assert isinstance(await audit.verify(store), Intact)


async def test_freezes_and_distrust_are_told(store: Store) -> None:
    """Who stopped and who went on; what does not change anything is not told."""

    def unit(tx: Tx) -> None:
        new = freezes.Freeze(scope="all", by="ann", name="Ann", reason="why", at=NOW)
        for _ in range(2):
            freezes.freeze(tx, new)
            freezes.suspect(tx, "hf_jobs", reason="too low", now=NOW)
        for _ in range(2):
            freezes.unfreeze(tx, "all", by="ben", now=NOW)
            freezes.clear(tx, "hf_jobs", by="ben", now=NOW)

    await write(store, unit)
    found = [(row.link.kind, row.link.actor) for row in await store.read(rows.page)]
    assert found == [
        ("freeze", "ann"),
        ("suspect", "gateway"),
        ("unfreeze", "ben"),
        ("cleared", "ben"),
    ]
    about = await store.read(lambda tx: rows.of_subject(tx, "hf_jobs"))
    assert [row.link.kind for row in about] == ["suspect", "cleared"]
