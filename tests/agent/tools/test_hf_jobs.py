"""The jobs tool over the real huggingface_hub and a loopback Hub."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from agent.costs import Unknown, UnknownBecause
from agent.errors import NotStarted, ToolError
from agent.messages import ResultStatus
from agent.tools.base import Malformed, RiskTag, ToolOutput, Verdict
from agent.tools.hf_access import CALL_LABEL
from tests.agent.tools.hub_prices import catalogue_prices
from tests.agent.tools.hub_room import (
    SECRETS,
    TEAM,
    Room,
    carried_out,
    context,
    hub_room,
    inspected,
    prepared,
    stored,
    with_snapshots,
)
from tests.wire.hub import Job
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen

RUN: dict[str, Any] = {"operation": "run", "command": ["python", "train.py"]}
BAD = Answer(status=503, body=b'{"error": "down"}')


def only_job(room: Room) -> Job:
    """The one job there is."""
    [job] = room.server.world.jobs.values()
    return job


def posts(room: Room) -> int:
    """How often a job was asked for."""
    return len(room.server.requests("jobs.run"))


async def test_a_job_is_started_as_it_was_shown(tmp_path: Path) -> None:
    """What reaches the Hub is the normal form: payer, size, timeout, labels, secret by value."""
    async with hub_room(tmp_path) as room:
        output = await carried_out(
            room.jobs(),
            **RUN,
            image="pytorch/pytorch:2.6",
            flavor="a100-large",
            timeout="45m",
            env={"A": "1"},
            secrets=["WANDB_API_KEY"],
            expose=[8000],
            namespace="dana",
        )
        job = only_job(room)

    assert job.owner == TEAM
    assert job.spec["command"] == ["python", "train.py"]
    assert job.spec["dockerImage"] == "pytorch/pytorch:2.6"
    assert job.spec["environment"] == {"A": "1"}
    assert job.spec["secrets"] == SECRETS
    assert job.spec["flavor"] == "a100-large"
    assert job.spec["timeoutSeconds"] == 2_700
    assert job.spec["expose"] == {"ports": [8000], "portsPublic": []}
    assert job.labels[CALL_LABEL] == "c0ffee"
    assert "attempts" not in job.spec
    assert output.remote is not None
    assert output.remote.deadline_s == 50 * 60
    assert output.record == job.id


async def test_the_card_has_the_ceiling_and_who_pays(tmp_path: Path) -> None:
    """45 minutes and 5 to start of the example card: $2.09, by the live price, for the team."""
    async with hub_room(tmp_path) as room:
        call = await inspected(
            room.jobs(), **RUN, flavor="a100-large", timeout="45m", namespace="acme-prod"
        )

    assert call.quote.ceiling == 50 * 41_667
    assert (call.quote.quantity, call.quote.unit_price) == (50, 41_667)
    assert (call.quote.payer, call.quote.asked_payer) == (TEAM, "acme-prod")
    assert call.quote.source == "live"
    assert call.arguments["payer"] == TEAM
    assert call.summary == "a100-large, stopped after 45 min"


async def test_ports_cost_a_cent(tmp_path: Path) -> None:
    """The fee for exposed ports is part of the ceiling."""
    async with hub_room(tmp_path) as room:
        call = await inspected(room.jobs(), **RUN, timeout="1h", expose=[80])

    assert call.quote.ceiling == 65 * 167 + 10_000
    assert call.tags == {RiskTag.OUTWARD}


async def test_nobody_pays_who_is_not_configured_or_not_a_member(tmp_path: Path) -> None:
    """The Hub says whether the token may use the account; then nobody has to be asked."""
    for payer, accounts in (("", ()), ("stranger", ("stranger",)), ("club", ("club",))):
        async with hub_room(tmp_path, payer=payer, accounts=accounts) as room:
            tool = room.jobs()
            refusal = await tool.inspect(prepared(tool, **RUN), context())

        assert isinstance(refusal, Malformed)
        assert "[payers]" in refusal.text


async def test_a_person_may_choose_another_configured_account(tmp_path: Path) -> None:
    """The chosen account is checked as the first one was; the model can't choose."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        by_model = await inspected(tool, **RUN, payer="dana")
        chosen = await tool.paid_by(prepared(tool, **RUN), context(), payer="dana")
        foreign = await tool.paid_by(prepared(tool, **RUN), context(), payer="acme-prod")

    assert by_model.arguments["payer"] == TEAM
    assert by_model.quote.asked_payer == "dana"
    assert not isinstance(chosen, Malformed | None)
    assert chosen.arguments["payer"] == "dana"
    assert isinstance(foreign, Malformed)


async def test_a_payer_nobody_can_check_is_asked_by_hand(tmp_path: Path) -> None:
    """While the Hub does not say who we are, no rule and no mode lets a paid call run."""
    async with hub_room(tmp_path) as room:
        room.server.faults.add("whoami", BAD)
        call = await inspected(room.jobs(confirm_cpu_jobs=False), **RUN)

    assert call.firm
    assert call.warnings == (f"Whether {TEAM} may be charged could not be looked up",)


async def test_a_call_nobody_has_looked_at_is_not_begun(tmp_path: Path) -> None:
    """Without a payer on the card nothing is charged to anybody."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        with pytest.raises(NotStarted, match="who pays"):
            await tool.run(prepared(tool, **RUN), context())

        assert posts(room) == 0


@pytest.mark.parametrize("by_path", [True, False])
async def test_the_bytes_that_were_shown_run(tmp_path: Path, by_path: bool) -> None:
    """A script changed after the card is not what runs; spaces and line ends survive."""
    script = "print('hé')\r\n\t# end "
    (tmp_path / "train.py").write_bytes(script.encode())
    where = context()
    named = {"script_path": "./train.py"} if by_path else {"script": script}
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        call = await inspected(
            tool,
            operation="uv",
            **named,
            script_args=["--epochs", "3"],
            dependencies=["trl>=0.9"],
            python="3.12",
        )
        (tmp_path / "train.py").write_text("print('another')")
        await tool.run(stored(tool, call), with_snapshots(where, call.snapshots))
        spec = only_job(room).spec

    assert base64.b64decode(spec["environment"]["GATEPOST_SCRIPT"]) == script.encode()
    assert spec["command"][:2] == ["/bin/sh", "-c"]
    assert spec["command"][3:] == [
        *("gatepost", "--with", "trl>=0.9", "--python", "3.12"),
        *("/tmp/gatepost_script.py", "--epochs", "3"),
    ]
    assert [snapshot.data for snapshot in call.snapshots] == ([script.encode()] if by_path else [])


async def test_a_script_of_which_nothing_is_left_does_not_run(tmp_path: Path) -> None:
    """Neither the file of today nor other bytes stand in for what was shown."""
    (tmp_path / "a.py").write_text("print(1)")
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        call = await inspected(tool, operation="uv", script_path="a.py")
        again = stored(tool, call)
        for snapshots in ({}, {"a.py": b"print(2)"}):
            with pytest.raises(NotStarted, match="not at hand"):
                await tool.run(again, context(snapshots=snapshots))

        assert posts(room) == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no a.py"),
        (b"x" * (64 * 1024 + 1), "over 64 KiB"),
        (b"token = 'hf_" + b"a1B2" * 9 + b"'", "There is a secret in a.py"),
        (b"key = '" + SECRETS["WANDB_API_KEY"].encode() + b"'", "There is a secret in a.py"),
    ],
)
async def test_a_script_that_can_not_be_taken_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """Missing, too long, or with a secret inside: the model is told, nobody is asked."""
    if content is not None:
        (tmp_path / "a.py").write_bytes(content)
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        refusal = await tool.inspect(prepared(tool, operation="uv", script_path="a.py"), context())

    assert isinstance(refusal, Malformed)
    assert words in refusal.text


async def test_the_longest_script_fits_into_a_variable(tmp_path: Path) -> None:
    """Linux takes 128 KiB in one variable; 64 KiB as base64 stay below."""
    (tmp_path / "a.py").write_bytes(b"#" * (64 * 1024))
    async with hub_room(tmp_path) as room:
        await carried_out(room.jobs(), operation="uv", script_path="a.py")

        assert posts(room) == 1


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (None, 1_800),
        ("45m", 2_700),
        ("1h30m", 5_400),
        ("1 h 30 min", 5_400),
        ("1.5h", 5_400),
        ("PT1H30M", 5_400),
        ("90", 90),
        (90, 90),
        ("2 hours", 7_200),
        ("7d", 604_800),
    ],
)
async def test_every_way_to_write_a_length_of_time_has_its_ceiling(
    tmp_path: Path, written: object, seconds: int
) -> None:
    """The timeout is always sent, and is what the ceiling counts."""
    async with hub_room(tmp_path) as room:
        output = await carried_out(room.jobs(), **RUN, timeout=written)
        call = await inspected(room.jobs(), **RUN, timeout=written)
        spec = only_job(room).spec

    assert spec["timeoutSeconds"] == call.arguments["timeout_s"] == seconds
    assert call.quote.ceiling == (-(-seconds // 60) + 5) * 167
    assert output.remote.deadline_s == (-(-seconds // 60) + 5) * 60


@pytest.mark.parametrize(
    "written",
    [0, "0", -5, "-5m", True, False, "1:30", "8d", 604_801, "1w", "30m1h", "1h1h", "inf", "NaN"],
)
async def test_a_length_of_time_that_bounds_nothing_can_only_be_edited(
    tmp_path: Path, written: object
) -> None:
    """Such a call has no ceiling, runs on no decision, and says what is to be edited."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        call = await inspected(tool, **RUN, timeout=written)
        with pytest.raises(NotStarted, match="timeout"):
            await tool.run(stored(tool, call), context())

        assert posts(room) == 0

    assert isinstance(call.quote.ceiling, Unknown)
    assert call.quote.ceiling.because is UnknownBecause.LIMIT
    assert "timeout" in call.editable


async def test_a_size_nobody_knows_has_no_price(tmp_path: Path) -> None:
    """Unknown is no number: an owner has to type a ceiling."""
    async with hub_room(tmp_path) as room:
        call = await inspected(room.jobs(), **RUN, flavor="b300x8")

    assert isinstance(call.quote.ceiling, Unknown)
    assert call.quote.ceiling.because is UnknownBecause.PRICE


async def test_the_catalogue_is_asked_once_an_hour(tmp_path: Path) -> None:
    """Calls within an hour share a catalogue; a dearer price is seen after it."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        await asyncio.gather(*(inspected(tool, **RUN) for _ in range(5)))
        assert len(room.server.requests("jobs.hardware")) == 1

        room.server.world.flavors["cpu-basic"].cost_micro_usd *= 2
        assert (await inspected(tool, **RUN)).quote.unit_price == 167
        room.steady_s += 3_601
        assert (await inspected(tool, **RUN)).quote.unit_price == 334


@pytest.mark.parametrize("fault", [BAD, HalfOpen(), CutBefore(), Answer(status=200, body=b"[{")])
async def test_a_catalogue_that_fails_is_no_price(tmp_path: Path, fault: Any) -> None:
    """Slow, broken or absent: the call is looked at in time, and has no price."""
    async with hub_room(tmp_path, catalogue_s=5.0) as room:
        tool = room.jobs()
        room.server.faults.add("jobs.hardware", fault)
        call = await inspected(tool, **RUN)
        assert isinstance(call.quote.ceiling, Unknown)

        room.steady_s += 61
        assert (await inspected(tool, **RUN)).quote.ceiling == 35 * 167


@pytest.mark.parametrize(
    ("entry", "micros"),
    [
        ({"unitLabel": "hour", "unitCostMicroUSD": 10_020}, 167),
        ({"unitLabel": "second", "unitCostMicroUSD": 3}, 180),
        ({"unitLabel": "fortnight"}, 150),
        ({"unitCostMicroUSD": "167"}, 150),
        ({"unitCostUSD": 0.9}, 150),
        ({"unitCostMicroUSD": 0, "unitCostUSD": 0}, 150),
    ],
)
async def test_an_odd_catalogue_costs_one_size_its_live_price(
    tmp_path: Path, entry: dict[str, Any], micros: int
) -> None:
    """Another unit is reckoned; fields at odds leave the packaged price, with its date."""
    async with hub_room(tmp_path, prices=catalogue_prices(cpu_basic=150)) as room:
        listed = room.server.world.flavors["cpu-basic"].shown() | {"unitCostUSD": None} | entry
        other = room.server.world.flavors["t4-small"].shown()
        room.server.world.raw_catalogue = [listed, "noise", other]
        quote = (await inspected(room.jobs(), **RUN)).quote
        beside = (await inspected(room.jobs(), **RUN, flavor="t4-small")).quote

    assert quote.ceiling == 35 * micros
    assert quote.source == ("packaged" if micros == 150 else "live")
    assert beside.source == "live"


async def test_without_the_hub_the_larger_of_old_and_packaged_price_counts(
    tmp_path: Path,
) -> None:
    """After six hours a live price is no longer alone; after a week and 90 days nobody knows."""
    async with hub_room(tmp_path, prices=catalogue_prices(cpu_basic=200)) as room:
        tool, clock = room.jobs(), room.server.world.clock
        assert (await inspected(tool, **RUN)).quote.unit_price == 167
        room.server.faults.add("jobs.hardware", BAD, BAD)
        for hours, days, price in ((7, 0, 200), (0, 100, None)):
            clock.advance(hours=hours, days=days)
            room.steady_s += 3_601
            assert (await inspected(tool, **RUN)).quote.unit_price == price


async def test_a_job_is_waited_for_and_billed_by_started_minutes(tmp_path: Path) -> None:
    """Twelve minutes and a second are thirteen; a fee for ports comes on top."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        output = await carried_out(tool, **RUN, flavor="a100-large", timeout="1h", expose=[80])
        handle, job = output.remote.handle, only_job(room)
        assert await tool.poll(handle) is None
        world.clock.advance(minutes=3)
        world.start(job)
        world.clock.advance(minutes=12, seconds=1)
        assert await tool.poll(handle) is None
        world.finish(job)
        end = await tool.poll(handle)

        assert end == await room.jobs().poll(handle)  # after a restart, with no price known

    assert end is not None
    assert end.spent == 13 * 41_667 + 10_000
    assert end.status is ResultStatus.DONE
    assert end.record == job.id
    assert "ran 13 min" in end.text


@pytest.mark.parametrize(
    ("stage", "message", "status"),
    [
        ("COMPLETED", None, ResultStatus.DONE),
        ("ERROR", "Exit code 1", ResultStatus.FAILED),
        ("CANCELED", None, ResultStatus.FAILED),
    ],
)
async def test_every_end_is_told(
    tmp_path: Path, stage: str, message: str | None, status: ResultStatus
) -> None:
    """The model reads how it ended, and why if the Hub says so."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        output = await carried_out(tool, **RUN)
        world.start(only_job(room))
        world.finish(only_job(room), stage, message)
        end = await tool.poll(output.remote.handle)

    assert end is not None
    assert end.status is status
    assert stage.lower() in end.text
    assert (message or "") in end.text


async def test_bills_of_nothing_and_bills_that_are_missing(tmp_path: Path) -> None:
    """A job that never ran costs a measured zero; one without an end has no known bill."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        output = await carried_out(tool, **RUN, expose=[80])
        job = only_job(room)
        world.finish(job, "CANCELED")
        nothing = await tool.poll(output.remote.handle)
        job.started, job.finished = world.clock.now, None
        missing = await tool.poll(output.remote.handle)

    assert nothing is not None
    assert nothing.spent == 0
    assert missing is not None
    assert missing.spent is None


async def test_a_job_runs_over_midnight(tmp_path: Path) -> None:
    """Only start and finish count, whatever day it is."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        world.clock.advance(hours=11, minutes=50)
        output = await carried_out(tool, **RUN, timeout="2h")
        world.start(only_job(room))
        world.clock.advance(minutes=30)
        world.finish(only_job(room))
        end = await tool.poll(output.remote.handle)

    assert end is not None
    assert end.spent == 30 * 167


async def test_a_job_is_ended_by_its_id(tmp_path: Path) -> None:
    """Cancelling is repeated until the Hub shows an end; one that has ended is no error."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        handle = (await carried_out(tool, **RUN)).remote.handle
        job = only_job(room)
        world.start(job)
        world.ignore_cancel = True
        await tool.cancel(handle)
        assert await tool.poll(handle) is None
        world.ignore_cancel = False
        await tool.cancel(handle)
        assert (await tool.poll(handle)) is not None
        await tool.cancel(handle)

    assert job.cancels == 3


async def test_a_cancel_that_meets_the_end_is_no_error(tmp_path: Path) -> None:
    """The job just finished: its own end is what is told."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        handle = (await carried_out(tool, **RUN)).remote.handle
        world.start(only_job(room))
        world.finish(only_job(room))
        await tool.cancel(handle)
        end = await tool.poll(handle)

    assert end is not None
    assert end.status is ResultStatus.DONE


async def test_a_cancel_that_fails_is_told(tmp_path: Path) -> None:
    """While nobody can say what became of it, the wish stays open."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        handle = (await carried_out(tool, **RUN)).remote.handle
        for fault in (BAD, Answer(status=403, body=b'{"error": "no"}')):
            room.server.faults.add("jobs.cancel", fault)
            with pytest.raises(ToolError):
                await tool.cancel(handle)
        room.server.faults.add("jobs.inspect", BAD)
        with pytest.raises(ToolError):
            await tool.poll(handle)


async def test_only_a_session_s_own_jobs_are_ended_without_a_question(tmp_path: Path) -> None:
    """Somebody else's job, and one nobody can look at, are asked."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        await carried_out(tool, **RUN)
        job = only_job(room)
        own = await inspected(tool, operation="cancel", job_id=job.id)
        other = await inspected(tool, context(session="other"), operation="cancel", job_id=job.id)
        room.server.faults.add("jobs.inspect", BAD)
        unseen = await tool.inspect(prepared(tool, operation="cancel", job_id=job.id), context())
        gone = await tool.inspect(prepared(tool, operation="cancel", job_id="0" * 24), context())
        output = await tool.run(stored(tool, own), context())

    assert (own.default, own.tags) == (Verdict.ALLOW, frozenset())
    assert (other.default, other.tags) == (Verdict.ASK, {RiskTag.DESTRUCTIVE})
    assert unseen is None
    assert isinstance(gone, Malformed)
    assert "CANCELED" in output.text


async def test_jobs_are_listed_looked_at_and_read(tmp_path: Path) -> None:
    """`ps` knows those at work, and all on request; `logs` shows the last lines."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        await carried_out(tool, context("one"), **RUN)
        await carried_out(tool, context("two"), **RUN)
        first, second = world.jobs.values()
        world.start(first)
        world.say(first, *(f"line {number}" for number in range(5)))
        world.finish(first)
        at_work = await carried_out(tool, operation="ps")
        every = await carried_out(tool, operation="ps", all=True)
        logs = await carried_out(tool, operation="logs", job_id=first.id, tail=2)
        look = await carried_out(tool, operation="inspect", job_id=first.id)

    assert second.id in at_work.text
    assert first.id not in at_work.text
    assert first.id in every.text
    assert logs.text == "line 3\nline 4"
    assert "COMPLETED" in look.text


async def lost_answer(room: Room, fault: Any) -> ToolOutput:
    """Start a job whose answer goes wrong."""
    tool = room.jobs()
    call = stored(tool, await inspected(tool, **RUN))
    room.server.faults.add("jobs.run", fault)
    return await tool.run(call, context())


@pytest.mark.parametrize("fault", [CutAfter()])
async def test_a_job_whose_answer_is_lost_is_found_by_its_label(tmp_path: Path, fault: Any) -> None:
    """It was started once, and it is that one we wait for."""
    async with hub_room(tmp_path) as room:
        output = await lost_answer(room, fault)

        assert output.remote is not None
        assert output.record == only_job(room).id
        assert posts(room) == 1


@pytest.mark.parametrize("fault", [CutBefore(), BAD, Answer(status=200, body=b"<html>")])
async def test_a_job_in_neither_of_two_listings_was_not_started(tmp_path: Path, fault: Any) -> None:
    """Two complete listings, ten seconds apart; then nothing is paid."""
    async with hub_room(tmp_path) as room:
        with pytest.raises(NotStarted, match="not started"):
            await lost_answer(room, fault)

        assert room.waits == [10.0]
        assert len(room.server.requests("jobs.list")) == 2
        assert room.server.world.jobs == {}


async def test_a_doubt_nobody_can_settle_stays_one(tmp_path: Path) -> None:
    """The answer is lost and the Hub does not list: it may have been started."""
    async with hub_room(tmp_path) as room:
        room.server.faults.add("jobs.list", BAD)
        output = await lost_answer(room, CutAfter())

    assert output.status is ResultStatus.UNKNOWN
    assert output.remote is None


@pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 422, 429])
async def test_a_job_the_hub_refuses_was_not_started(tmp_path: Path, status: int) -> None:
    """A 4xx is certain: the money comes back, and nothing is repeated."""
    async with hub_room(tmp_path) as room:
        with pytest.raises(NotStarted):
            await lost_answer(room, Answer(status=status, body=b'{"error": "no"}'))

        assert posts(room) == 1


async def test_a_hub_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    """A refused connection is certain, too."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        call = stored(tool, await inspected(tool, **RUN))
        await room.server.close()
        with pytest.raises(NotStarted, match="can't be reached"):
            await tool.run(call, context())


async def probed(room: Room) -> ToolOutput | None:
    """Ask after a crash."""
    tool = room.jobs()
    return await tool.probe(stored(tool, await inspected(tool, **RUN)), context())


async def test_a_probe_finds_the_job_behind_many_pages(tmp_path: Path) -> None:
    """A listing is complete when its last page was read."""
    async with hub_room(tmp_path) as room:
        await carried_out(room.jobs(), **RUN)
        wanted = only_job(room)
        for number in range(5):
            await carried_out(room.jobs(), context(f"other-{number}"), **RUN)
        room.server.world.page_size = 2
        output = await probed(room)

    assert output is not None
    assert output.record == wanted.id
    assert output.remote is not None


async def test_a_probe_waits_for_a_listing_that_lags(tmp_path: Path) -> None:
    """The job stands in the second listing alone."""
    async with hub_room(tmp_path) as room:
        room.server.world.lag_listing = True
        await carried_out(room.jobs(), **RUN)
        room.on_wait = room.server.world.settle_listing
        output = await probed(room)

    assert output is not None
    assert room.waits == [10.0]


async def test_a_probe_of_two_empty_listings_says_absent(tmp_path: Path) -> None:
    """Nothing in either listing: it was never started."""
    async with hub_room(tmp_path) as room:
        assert await probed(room) is None
        assert room.waits == [10.0]


@pytest.mark.parametrize("good_ones", [0, 1])
async def test_a_probe_that_fails_says_neither(tmp_path: Path, good_ones: int) -> None:
    """A listing that breaks, the first or the second, is no answer; it is asked once."""
    async with hub_room(tmp_path) as room:
        room.on_wait = lambda: room.server.faults.add("jobs.list", BAD)
        if not good_ones:
            room.on_wait()
        with pytest.raises(ToolError):
            await probed(room)

        assert len(room.server.requests("jobs.list")) == good_ones + 1


async def test_half_a_listing_is_no_listing(tmp_path: Path) -> None:
    """The second page is missing: nobody can say that the job is not there."""
    async with hub_room(tmp_path) as room:
        world = room.server.world
        for number in range(3):
            await carried_out(room.jobs(), context("c0ffee" if number else "x"), **RUN)
        world.page_size = 1
        world.on_listing = lambda: room.server.faults.add("jobs.list", CutBefore())
        with pytest.raises(ToolError):
            await probed(room)


async def test_the_scheduled_family(tmp_path: Path) -> None:
    """A schedule is made, listed, run now, suspended, resumed and deleted."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        made = await carried_out(
            tool, operation="scheduled_run", command=["true"], schedule="@daily", timeout="1h"
        )
        [schedule] = world.schedules.values()
        one = {"job_id": schedule.id}
        listed = await carried_out(tool, operation="scheduled ps")
        started = await carried_out(tool, operation="scheduled trigger", **one)
        look = await carried_out(tool, operation="scheduled inspect", **one)
        await carried_out(tool, operation="scheduled suspend", **one)
        assert schedule.suspend
        await carried_out(tool, operation="scheduled resume", **one)
        assert not schedule.suspend
        await carried_out(tool, operation="scheduled delete", **one)

    assert world.schedules == {}
    assert made.record == f"{TEAM}/{schedule.id}"
    assert (schedule.owner, schedule.spec["timeoutSeconds"]) == (TEAM, 3_600)
    assert schedule.spec["labels"][CALL_LABEL] == "c0ffee"
    assert f"{schedule.id} active @daily" in listed.text
    assert started.remote.deadline_s == 65 * 60
    assert started.record in look.text


async def test_a_schedule_has_no_ceiling_but_a_forecast(tmp_path: Path) -> None:
    """The card shows each run, the next three, and thirty days; an owner types the cap."""
    async with hub_room(tmp_path) as room:
        call = await inspected(
            room.jobs(),
            operation="scheduled uv",
            script="print(1)",
            flavor="t4-small",
            schedule="30 6 * * mon-fri",
            timeout="1h",
        )

    assert isinstance(call.quote.ceiling, Unknown)
    assert call.quote.ceiling.because is UnknownBecause.ENDLESS
    assert call.quote.note == "each run: 60 min + 5 to start, by started minute"
    assert call.warnings == (
        "Each run at most $0.44",
        "Next runs (UTC): 2026-11-23 06:30, 2026-11-24 06:30, 2026-11-25 06:30",
        "In 30 days 21 runs, at most $9.11",
    )


async def test_reviving_and_triggering_cost_what_the_schedule_costs(tmp_path: Path) -> None:
    """Its own size and timeout are priced, and the account it belongs to pays."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        await carried_out(
            tool, operation="scheduled run", command=["true"], schedule="@daily", flavor="l4x1"
        )
        [schedule] = world.schedules.values()
        trigger = await inspected(tool, operation="scheduled trigger", job_id=schedule.id)
        resume = await inspected(tool, operation="scheduled resume", job_id=schedule.id)
        schedule.spec = {**schedule.spec, "timeoutSeconds": None}
        endless = await inspected(tool, operation="scheduled trigger", job_id=schedule.id)
        schedule.owner = "club"
        foreign = await tool.inspect(
            prepared(tool, operation="scheduled trigger", job_id=schedule.id, namespace="club"),
            context(),
        )

    assert trigger.quote.ceiling == 35 * 13_334
    assert trigger.quote.payer == TEAM
    assert trigger.firm
    assert isinstance(resume.quote.ceiling, Unknown)
    assert isinstance(endless.quote.ceiling, Unknown)
    assert endless.quote.ceiling.because is UnknownBecause.LIMIT
    assert isinstance(foreign, Malformed)


async def test_schedules_are_asked_about_after_a_crash(tmp_path: Path) -> None:
    """Made or not by its label, changed or not by its state; a single run nobody can tell."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        new = {"operation": "scheduled run", "command": ["true"], "schedule": "@daily"}
        create = stored(tool, await inspected(tool, **new))
        assert await tool.probe(create, context()) is None
        await tool.run(create, context())
        made = await tool.probe(create, context())
        [schedule] = world.schedules.values()
        assert made is not None
        assert made.record == f"{TEAM}/{schedule.id}"

        async def told(what: str) -> ToolOutput | None:
            call = prepared(tool, operation=f"scheduled {what}", job_id=schedule.id)
            return await tool.probe(call, context())

        assert await told("suspend") is None
        assert await told("resume") is not None
        assert await told("delete") is None
        schedule.suspend = True
        assert await told("suspend") is not None
        with pytest.raises(ToolError):
            await told("trigger")
        world.schedules.clear()
        assert await told("delete") is not None


async def test_a_change_whose_answer_is_lost_is_in_doubt(tmp_path: Path) -> None:
    """Nobody says that a schedule was not deleted."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        await carried_out(tool, operation="scheduled run", command=["true"], schedule="@daily")
        [schedule] = room.server.world.schedules.values()
        room.server.faults.add("scheduled.delete", CutAfter())
        output = await carried_out(tool, operation="scheduled delete", job_id=schedule.id)

    assert output.status is ResultStatus.UNKNOWN


async def test_no_answer_holds_the_token(tmp_path: Path) -> None:
    """Whatever the Hub sends back, the key is not repeated."""
    async with hub_room(tmp_path) as room:
        token = room.server.token
        body = b'{"error": "bad token ' + token.encode() + b'"}'
        with pytest.raises(NotStarted) as caught:
            await lost_answer(room, Answer(status=400, body=body))

    assert token not in str(caught.value)
    assert "***" in str(caught.value)


def listed(name: str, micros: int) -> list[dict[str, Any]]:
    """A catalogue with one price."""
    return [{"name": name, "unitCostMicroUSD": micros, "unitLabel": "minute"}]


async def test_prices_that_change_before_the_press_are_seen(tmp_path: Path) -> None:
    """Doubled, halved, forgotten: from what is known already, with nothing asked of the Hub."""
    async with hub_room(tmp_path) as room:
        tool, prices = room.jobs(), room.access.prices
        call = await inspected(tool, **RUN, flavor="l4x1", timeout="30m", expose=[80])
        await carried_out(
            tool, operation="scheduled run", command=["true"], schedule="@daily", flavor="l4x1"
        )
        [schedule] = room.server.world.schedules.values()
        trigger = await inspected(tool, operation="scheduled trigger", job_id=schedule.id)
        resume = await inspected(tool, operation="scheduled resume", job_id=schedule.id)
        asked = len(room.server.record)
        ceilings = []
        for micros in (2 * 13_334, 6_667):
            prices.take(listed("l4x1", micros), now=room.access.now_us())
            ceilings.append(tool.requote(stored(tool, call), call.quote).ceiling)
        triggered = tool.requote(stored(tool, trigger), trigger.quote)
        resumed = tool.requote(stored(tool, resume), resume.quote)
        room.server.world.clock.advance(days=8)
        forgotten = tool.requote(stored(tool, call), call.quote)

        assert len(room.server.record) == asked

    assert ceilings == [35 * 26_668 + 10_000, 35 * 6_667 + 10_000]
    assert triggered.ceiling == 35 * 6_667
    assert resumed.ceiling == resume.quote.ceiling
    assert resumed.unit_price == 6_667
    assert isinstance(forgotten.ceiling, Unknown)


async def test_a_call_nobody_looked_at_is_not_priced_at_the_press(tmp_path: Path) -> None:
    """What had no price on the card has none later."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        call = prepared(tool, **RUN)
        ps = prepared(tool, operation="ps")

        assert tool.requote(call, call.quote) == call.quote
        assert tool.requote(ps, ps.quote) == ps.quote
