"""What whoever runs the gateway can ask of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from agent.costs import Unknown, UnknownBecause
from agent.errors import ProviderUnavailable
from agent.model_prices import ModelPricing
from agent.tools.mcp_server import ServerFacts, ServerState
from gateway import outgoing
from gateway.operator import Equipment, Operator, SendResult, tool_server
from gateway.store.base import Store
from gateway.store.sqlite import SqliteStore
from platforms.content import Post, Upload
from platforms.errors import CredentialsRejected
from platforms.events import Liveness, Receipt
from tests.gateway.core import Core, says
from tests.gateway.events import GROUP, delivery, in_group, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.pictures import drawn

OTHER = replace(GROUP, chat_id="-100999")


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway under its supervisor."""
    core = Core(store, tmp_path, clock)
    running = asyncio.create_task(core.supervisor.run())
    await core.supervisor.settled.wait()
    yield core
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await core.close()


async def test_status_is_one_look_at_everything(core: Core) -> None:
    """Platforms, models, turns, rows and outcomes, with ages."""
    core.answers(says("Once", asyncio.Event()))
    await core.take(message(number=1))
    await core.model.waits.wait()
    await core.take(message(number=1), message(number=2))
    core.clock.advance(30.0)
    status = await core.operator.status()
    assert status.uptime_s == 30.0
    assert [(p.platform, p.state, p.connected) for p in status.platforms] == [
        ("telegram", "running", True)
    ]
    assert status.models == ("loopback-1", "loopback-1")
    assert [(each.entry, each.breaker, each.serves) for each in status.serving] == [
        ("main", "closed", True),
        ("spare", "closed", False),
    ]
    assert (status.spent_today, status.held, status.unpriced) == (0, 0, {})
    assert status.equipment == Equipment()
    assert [turn.turn_id for turn in status.running] == [1]
    assert status.waiting == {"turn": 1}
    assert status.outbox == {}
    assert status.outcomes == {"admitted": 2, "duplicate": 1}
    assert status.admitted_age_s == {"telegram:77": 30.0}
    assert status.store.failed is None


async def test_who_serves_is_in_the_status(core: Core) -> None:
    """A model that rests says why and for how long, and the next one answers meanwhile."""
    first = core.entries[0].provider.origin
    core.spare.origin = replace(first, model="loopback-2")
    core.spare.script(says("Once."))
    now = core.models.clock()
    for _ in range(2):
        lost = ProviderUnavailable("gone", provider="main", model="m", reason="transport")
        core.models.health.failed(first, lost, 11.0, now, trial=False)
    main, spare = (await core.operator.status()).serving
    assert (main.breaker, main.cause, main.serves, main.used_at) == (
        "open", "transport", False, None,
    )  # fmt: skip
    assert main.rests_s is not None
    assert 14 < main.rests_s <= 15
    assert (spare.breaker, spare.serves, spare.ready) == ("closed", True, 1)
    await core.take(message("/status", number=1))
    await core.adapter.until(lambda: bool(core.adapter.shown("1001")))
    (told,) = core.adapter.shown("1001")
    assert "rests for 15 s more (transport)" in told
    assert "loopback-2 answers meanwhile" in told
    await core.take(message(number=2))
    await core.adapter.until(lambda: len(core.adapter.shown("1001")) == 2)
    assert (
        core.adapter.shown("1001")[1] == "Once.\n\nAnswered by loopback-2; loopback-1 is resting."
    )
    main, spare = (await core.operator.status()).serving
    assert (main.used_at, spare.used_at) == (None, core.clock.now())


async def test_what_does_not_work_is_in_the_status(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """A model without a price, a tool that is missing, a server that is down or has changed."""
    core = Core(store, tmp_path, clock)
    nobody_knows = Unknown(because=UnknownBecause.PRICE, text="not in the table")
    entry = replace(core.entries[0], pricing=ModelPricing(nobody_knows))
    down = ServerFacts(name="a", state=ServerState.RESTING, reason="exit 1", left_out={})
    changed = ServerFacts(
        name="b",
        state=ServerState.READY,
        changed=("x",),
        missing=("y",),
        left_out={"z": "too long a name"},
    )
    equipment = Equipment(
        missing={"shell": "no bubblewrap"}, servers=(tool_server(down), tool_server(changed))
    )
    operator = Operator(
        store=store,
        ingest=core.ingest,
        sessions=core.sessions,
        deliveries=core.deliveries,
        supervisors=(),
        entries=(entry,),
        models=core.models,
        clock=clock,
        zone=UTC,
        equipment=lambda: equipment,
    )
    status = await operator.status()
    assert status.unpriced == {"loopback-1": "not in the table"}
    assert status.equipment.missing == {"shell": "no bubblewrap"}
    first, second = status.equipment.servers
    assert (first.ready, first.reason, second.ready) == (False, "exit 1", True)
    assert second.amiss == (
        "x has changed and waits for your word",
        "y is declared and not there",
        "z is left out: too long a name",
    )
    await core.close()


async def test_why_tells_stories_by_every_id(core: Core) -> None:
    """An event, a turn, an outbox row, a message of theirs and one of ours; blanks don't matter."""
    core.answers("Paris.")
    await core.take(message("hello", number=5))
    await core.shows("Paris.")
    for ident, begins in (
        ("e1", "event e1:"),
        (" t1 ", "turn t1:"),
        ("o1", "outbox o1:"),
        ("telegram:1001/5", "event e1:"),
        ("telegram:1001/1", "outbox o1:"),
    ):
        story = await core.operator.why(ident)
        assert story[0].startswith(begins), ident
    assert await core.operator.why("e99") == ()


async def test_why_explains_what_was_never_stored(core: Core) -> None:
    """A chat nobody listed, and a message in it."""
    assert await core.ingest(delivery(in_group(number=7, chat=OTHER))) is Receipt.UNWANTED
    for ident in ("telegram:-100999", "telegram:-100999/7"):
        (line, rule) = await core.operator.why(ident)
        assert rule == "  check 4 of 10, the chat, decided by access.chats"
        assert "chat_not_listed" in line
        assert "[access] chats" in line
    assert await core.operator.why("telegram:-100999/8") == ()


async def test_send_is_on_disk_and_delivered(core: Core) -> None:
    """Verbatim Markdown, no model; the row's id tells of it."""
    result = await core.operator.send("telegram:1001", "**Deploy** done.", None)
    assert result == SendResult(outbox_id=1)
    await core.shows("Deploy done.")
    (post,) = core.adapter.performed
    assert isinstance(post, Post)
    assert "Strong" in repr(post.body)
    assert core.model.requests == []
    assert "post (send)" in (await core.operator.why("o1"))[0]


async def test_a_key_sends_once(core: Core, store: Store) -> None:
    """The same key again stores nothing and gives the same id; without keys each is its own."""
    first = await core.operator.send("telegram:1001", "one", "deploy-7")
    again = await core.operator.send("telegram:1001", "two", "deploy-7")
    assert first == again == SendResult(outbox_id=1)
    await core.operator.send("telegram:1001", "three", None)
    await core.operator.send("telegram:1001", "three", None)
    await core.shows("one", "three", "three")


async def test_a_file_is_sent_as_what_its_bytes_are(core: Core) -> None:
    """Once for each key; a platform that shows pictures is told that it is one."""
    chart = outgoing.File(data=drawn(), name="chart.bin", mime="application/octet-stream")
    notes = outgoing.File(data=b"# Notes", name="notes.md", mime="text/markdown")
    first = await core.operator.send_file("telegram:1001", chart, "build-7 file 1")
    again = await core.operator.send_file("telegram:1001", chart, "build-7 file 1")
    assert first == again == SendResult(outbox_id=1)
    await core.operator.send_file("telegram:1001", notes, "build-7 file 2")
    await core.shows("file chart.bin", "file notes.md")
    uploads = [each for each in core.adapter.performed if isinstance(each, Upload)]
    assert [each.picture for each in uploads] == [(40, 30), None]
    assert "upload (send)" in (await core.operator.why("o1"))[0]


@pytest.mark.parametrize(
    ("size", "taken", "problem"),
    [
        (0, 50 << 20, "a.bin is empty."),
        ((10 << 20) + 1, 50 << 20, "a.bin is larger than 10 MiB."),
        (1025, 1024, "a.bin is larger than 1 KiB."),
    ],
)
async def test_a_file_that_can_not_leave_is_not_stored(
    core: Core, size: int, taken: int, problem: str
) -> None:
    """One sentence says what is wrong; platforms take no more than they say."""
    can = core.adapter.capabilities
    core.adapter.capabilities = replace(can, upload_max_bytes=taken)
    file = outgoing.File(data=bytes(size), name="a.bin", mime="")
    result = await core.operator.send_file("telegram:1001", file, None)
    assert result == SendResult(outbox_id=None, problem=problem)
    assert core.adapter.performed == []


@pytest.mark.parametrize(
    ("chat", "says_why"),
    [
        ("slack:T1/C1", "slack:T1/C1 names no connected platform; connected: telegram."),
        ("1001", "1001 names no connected platform; connected: telegram."),
        ("telegram:", "'telegram:' is not a chat of telegram."),
        ("telegram:1/2/3", "'telegram:1/2/3' has too many parts for a chat."),
    ],
)
async def test_send_to_nowhere_stores_nothing(core: Core, chat: str, says_why: str) -> None:
    """One sentence says what is wrong."""
    assert await core.operator.send(chat, "hi", None) == SendResult(
        outbox_id=None, problem=says_why
    )
    assert core.adapter.performed == []


async def test_send_takes_the_name_of_a_chat(core: Core) -> None:
    """As configuration names it; a name that is none names those there are."""
    core.operator._named["ops"] = "telegram:1001"
    assert await core.operator.send("ops", "hi", None) == SendResult(outbox_id=1)
    await core.shows("hi")
    missed = await core.operator.send("dev", "hi", None)
    assert missed.problem == "dev names no connected platform; connected: telegram; by name: ops."


@pytest.mark.parametrize("text", ["", " \n "])
async def test_nothing_is_not_sent(core: Core, text: str) -> None:
    """No platform takes a message without words."""
    result = await core.operator.send("telegram:1001", text, None)
    assert (result.outbox_id, result.problem) == (None, "There is nothing to send.")


async def test_ready_when_messages_can_be_taken(core: Core) -> None:
    """Store, intake and one surface; closed intake is not ready, but alive."""
    report = await core.operator.ready()
    assert report.ok
    assert report.parts == {"loop": "ok", "store": "ok", "intake": "ok", "telegram": "ok"}
    core.ingest.close()
    report = await core.operator.ready()
    assert not report.ok
    assert report.parts["intake"] == "closed"
    assert (await core.operator.alive()).ok


async def test_not_ready_without_a_surface(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """The reason is the surface's state, not its words, which may say too much."""
    core = Core(store, tmp_path, clock)
    core.adapter.connects.append(CredentialsRejected("token 12345 is bad"))
    await core.supervisor.run()
    report = await core.operator.ready()
    assert not report.ok
    assert report.parts["telegram"] == "stopped"
    assert "12345" not in repr(report)
    await core.close()


async def test_the_loop_is_watched(core: Core) -> None:
    """A loop that runs its timers late shows in the status."""
    watching = asyncio.create_task(core.operator.watch_loop())
    await asyncio.sleep(0)
    assert (await core.operator.status()).loop_lag_s == 0.0
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


class Alarmed(ScriptedAdapter):
    """Connected, with a gap that is not read back and something that needs a person."""

    def liveness(self) -> Liveness:
        """See Source."""
        return Liveness(
            connected=True, last_frame_at=999.0, gap_since=900.0, alarm="two gateways on one token"
        )


async def test_status_names_what_needs_a_person(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """A gap that is still open and an alarm, beside a connection that works; rows beside that."""
    core = Core(store, tmp_path, clock, adapter=Alarmed())
    running = asyncio.create_task(core.supervisor.run())
    await core.supervisor.settled.wait()
    core.answers(says("Once", asyncio.Event()))
    await core.take(message(number=1))
    await core.model.waits.wait()
    status = await core.operator.status()
    (surface,) = status.platforms
    assert (surface.connected, surface.alarm) == (True, "two gateways on one token")
    assert (surface.gap_age_s, surface.frame_age_s) == (100.0, 1.0)
    assert [turn.turn_id for turn in status.rows.turns] == [1]
    assert status.now == clock.now()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await core.close()


async def test_alive_while_the_watchdog_would_be_fed(core: Core) -> None:
    """A surface that claims a connection long silent is not well, and then the process is not."""
    assert (await core.operator.alive()).ok
    core.clock.advance(600.0)
    report = await core.operator.alive()
    assert not report.ok
    assert report.parts["telegram"].startswith("deaf for")
