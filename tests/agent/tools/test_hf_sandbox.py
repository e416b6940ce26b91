"""The sandbox tool over the real huggingface_hub and a loopback Hub."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.costs import Unknown
from agent.errors import NotStarted, ToolError
from agent.messages import ResultStatus
from agent.tools.base import Malformed, RiskTag, Verdict
from agent.tools.hf_sandbox import LIFE_S, available
from tests.agent.tools.hub_room import (
    TEAM,
    Room,
    carried_out,
    context,
    hub_room,
    inspected,
    prepared,
    refused,
    stored,
)
from tests.wire.hub.sandbox import Inside, Ran
from tests.wire.server import Answer, CutAfter, CutBefore

CREATE: dict[str, Any] = {"operation": "create"}
BIG: dict[str, Any] = {"operation": "create", "flavor": "a100-large"}
BAD = Answer(status=503, body=b'{"error": "down"}')


def jobs(room: Room) -> list[Any]:
    """The jobs at the Hub, oldest first."""
    return list(room.server.world.jobs.values())


def test_the_installed_library_has_what_sandboxes_need() -> None:
    """A release that drops a part shows here, and leaves the tool out with a reason."""
    assert available() is None


async def test_a_small_sandbox_needs_no_question(tmp_path: Path) -> None:
    """A window of the default size and its port are under five cents."""
    async with hub_room(tmp_path) as room:
        call = await inspected(room.sandbox(), **CREATE, namespace="acme-prod")

    assert call.quote.ceiling == 60 * 167 + 10_000
    assert (call.quote.payer, call.quote.asked_payer) == (TEAM, "acme-prod")
    assert call.default is Verdict.ALLOW
    assert call.tags == frozenset()


@pytest.mark.parametrize(("micros", "verdict"), [(666, Verdict.ALLOW), (667, Verdict.ASK)])
async def test_a_small_sandbox_that_became_dear_is_asked(
    tmp_path: Path, micros: int, verdict: Verdict
) -> None:
    """$0.05 is the line, whatever the size is called."""
    async with hub_room(tmp_path) as room:
        room.server.world.flavors["cpu-basic"].cost_micro_usd = micros
        call = await inspected(room.sandbox(), **CREATE)

    assert call.default is verdict


@pytest.mark.parametrize("other", [{"flavor": "t4-small"}, {"image": "ubuntu:24.04"}])
async def test_another_size_or_image_is_asked(tmp_path: Path, other: dict[str, str]) -> None:
    """Only the sandbox as it is by default comes without a question."""
    async with hub_room(tmp_path) as room:
        assert (await inspected(room.sandbox(), **CREATE, **other)).default is Verdict.ASK


async def test_what_can_not_be_looked_up_has_no_price(tmp_path: Path) -> None:
    """No catalogue, no listing, no payer: nothing of that allows a sandbox."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        room.server.faults.add("jobs.hardware", BAD)
        priceless = await inspected(tool, **CREATE)
        room.server.faults.add("jobs.list", BAD)
        unseen = await tool.inspect(prepared(tool, **CREATE), context())
        with pytest.raises(NotStarted, match="who pays"):
            await tool.run(prepared(tool, **CREATE), context())

    assert isinstance(priceless.quote.ceiling, Unknown)
    assert priceless.default is Verdict.ASK
    assert unseen is None
    assert isinstance(prepared(tool, **CREATE).quote.ceiling, Unknown)

    async with hub_room(tmp_path, payer="", accounts=()) as room:
        nobody = await room.sandbox().inspect(prepared(tool, **CREATE), context())
    assert isinstance(nobody, Malformed)


async def test_a_sandbox_lives_at_most_its_window_and_holds_no_key(tmp_path: Path) -> None:
    """The Hub itself ends it; what is inside is one derived key, and never the account's."""
    async with hub_room(tmp_path) as room:
        output = await carried_out(room.sandbox(), **CREATE)
        [job] = jobs(room)
        everything = repr(job.spec)

        assert room.server.token not in everything

    assert LIFE_S == 55 * 60 == job.spec["timeoutSeconds"]
    assert job.spec["environment"]["SBX_IDLE_TIMEOUT"] == "900"
    assert job.labels["gatepost-call"] == "c0ffee"
    assert list(job.spec["secrets"]) == ["SBX_TOKEN"]
    assert job.owner == TEAM
    assert output.remote is not None
    assert not output.remote.waits
    assert output.remote.deadline_s == 3_600
    assert output.record == output.remote.record == job.id
    assert job.id in output.text


async def test_the_running_window_is_used_again_for_nothing(tmp_path: Path) -> None:
    """The same size asked for twice is one job, and the second call is free."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, context("one"), **CREATE)
        again = await inspected(tool, context("two"), **CREATE)
        output = await tool.run(stored(tool, again), context("two"))

        assert len(jobs(room)) == 1

    assert again.quote.ceiling == 0
    assert again.default is Verdict.ALLOW
    assert "running already" in output.text


async def test_a_small_sandbox_is_no_discount_for_a_large_one(tmp_path: Path) -> None:
    """A large one is priced in full and asked while a small one runs; the small one is ended."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, context("one"), **CREATE)
        large = await inspected(tool, context("two"), **BIG)
        await tool.run(stored(tool, large), context("two"))
        first, second = jobs(room)

    assert large.quote.ceiling == 60 * 41_667 + 10_000
    assert large.default is Verdict.ASK
    assert large.tags == {RiskTag.DESTRUCTIVE}
    assert first.id in large.warnings[0]
    assert first.stage == "CANCELED"
    assert (second.stage, second.spec["flavor"]) == ("RUNNING", "a100-large")


async def test_replacing_is_priced_and_asked_even_in_the_same_size(tmp_path: Path) -> None:
    """A fresh machine is a new window; with none there, nothing is lost."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        first = await inspected(tool, operation="replace")
        await carried_out(tool, context("one"), **CREATE)
        second = await inspected(tool, operation="replace")

    for call in (first, second):
        assert call.quote.ceiling == 60 * 167 + 10_000
        assert call.default is Verdict.ASK
    assert first.tags == frozenset()
    assert second.tags == {RiskTag.DESTRUCTIVE}


async def test_what_changed_since_the_card_is_not_replaced(tmp_path: Path) -> None:
    """A sandbox that came or went after the look makes the call void."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        before = stored(tool, await inspected(tool, **BIG))
        await carried_out(tool, context("one"), **CREATE)
        reuse = stored(tool, await inspected(tool, **CREATE))
        replace = stored(tool, await inspected(tool, **BIG))
        with pytest.raises(NotStarted, match="no longer what it was"):
            await tool.run(before, context("two"))
        room.server.world.finish(jobs(room)[0])
        for call in (reuse, replace):
            with pytest.raises(NotStarted, match="no longer what it was"):
                await tool.run(call, context("two"))

        assert len(jobs(room)) == 1


async def test_commands_and_files_inside(tmp_path: Path) -> None:
    """Output and exit code come back apart; a failure and a timeout are told."""

    async def commands(argv: list[str], inside: Inside) -> Ran:
        match argv[-1]:
            case "ok":
                return Ran(stdout="out\n", stderr="err\n")
            case "bad":
                return Ran(stderr="no", exit_code=2)
        return Ran(timed_out=True)

    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, **CREATE)
        room.server.sandboxes.commands = commands
        good = await carried_out(tool, operation="exec", command=["prog", "ok"], cwd="/srv")
        bad = await carried_out(tool, operation="exec", command=["bad"])
        slow = await carried_out(tool, operation="exec", command=["slow"], timeout=7)
        await carried_out(tool, operation="write", path="/a.txt", content="héllo")
        read = await carried_out(tool, operation="read", path="/a.txt")
        with pytest.raises(ToolError, match="no such file"):
            await carried_out(tool, operation="read", path="/b.txt")
        [request, _, last] = room.server.requests("sandbox.exec")

    assert good.status is ResultStatus.DONE
    assert "Exit code 0." in good.text
    assert "stdout:\nout\n" in good.text
    assert "stderr:\nerr\n" in good.text
    assert request.arguments["body"]["cmd"][-2:] == ["prog", "ok"]
    assert request.arguments["body"]["cwd"] == "/srv"
    assert (bad.status, "Exit code 2." in bad.text) == (ResultStatus.FAILED, True)
    assert (slow.status, "ended after 7 s" in slow.text) == (ResultStatus.FAILED, True)
    assert last.arguments["body"]["timeout"] == 7
    assert read.text == "héllo"


async def test_only_both_ends_of_long_output_are_kept(tmp_path: Path) -> None:
    """Megabytes of output are kilobytes for the model, and it is told how much is missing."""

    async def commands(argv: list[str], inside: Inside) -> Ran:
        return Ran(stdout="a" * 300_000 + "z" * 9_000)

    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, **CREATE)
        room.server.sandboxes.commands = commands
        output = await carried_out(tool, operation="exec", command=["x"])

    assert len(output.text) < 17_000
    assert f"[{309_000 - 2 * 8_192} characters left out]" in output.text
    assert output.text.endswith("z" * 8_192)


async def test_a_command_that_is_cut_is_ended_inside(tmp_path: Path) -> None:
    """Stopping the turn ends the command's whole group, and the stop is not held up by it."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def commands(argv: list[str], inside: Inside) -> Ran:
        if "kill -TERM" in argv[2]:
            ended.set()
            return Ran()
        begun.set()
        await ended.wait()
        return Ran(exit_code=143)

    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, **CREATE)
        room.server.sandboxes.commands = commands
        work = asyncio.create_task(carried_out(tool, operation="exec", command=["sleep", "600"]))
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        [begin, end] = room.server.sandboxes.inside[jobs(room)[0].id].ran

    assert ended.is_set()
    assert begin[3] == end[3]  # the file with the id of the group


async def test_a_command_that_can_not_be_ended_takes_its_sandbox_along(tmp_path: Path) -> None:
    """If the inside no longer answers, the whole machine is ended."""
    begun = asyncio.Event()

    async def commands(argv: list[str], inside: Inside) -> Ran:
        begun.set()
        await room.server.closing.wait()
        return Ran()

    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, **CREATE)
        room.server.sandboxes.commands = commands
        work = asyncio.create_task(carried_out(tool, operation="exec", command=["x"]))
        await begun.wait()
        room.server.faults.add("sandbox.exec", BAD)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        assert jobs(room)[0].stage == "CANCELED"


@pytest.mark.parametrize("fault", [CutAfter(), BAD])
async def test_a_command_whose_answer_is_lost_is_in_doubt(tmp_path: Path, fault: Any) -> None:
    """It may have run; nobody runs it again without being asked."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, **CREATE)
        room.server.faults.add("sandbox.exec", fault)
        output = await carried_out(tool, operation="exec", command=["x"])

    assert output.status is ResultStatus.UNKNOWN


async def test_a_sandbox_belongs_to_its_session(tmp_path: Path) -> None:
    """Another session has none, and none runs after `kill`."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        await carried_out(tool, **CREATE)
        with pytest.raises(NotStarted, match="has no sandbox"):
            await carried_out(tool, context(session="other"), operation="exec", command=["x"])
        await carried_out(tool, operation="kill")
        with pytest.raises(NotStarted, match="has no sandbox"):
            await carried_out(tool, operation="exec", command=["x"])


async def test_a_job_that_only_looks_like_ours_is_sent_no_key(tmp_path: Path) -> None:
    """Labels can be copied by anyone who may start jobs; who started it can't."""
    async with hub_room(tmp_path) as room:
        tool, world = room.sandbox(), room.server.world
        await carried_out(tool, **CREATE)
        [ours] = jobs(room)
        world.finish(ours)
        copy = world.launch(ours.owner, "mallory", ours.spec, {"type": "user", "id": "mallory"})
        world.start(copy)
        before = len(room.server.requests("sandbox.exec"))
        with pytest.raises(NotStarted, match="not this gateway's sandbox"):
            await carried_out(tool, operation="exec", command=["x"])

        assert len(room.server.requests("sandbox.exec")) == before == 0


async def test_a_sandbox_that_does_not_come_up_is_ended(tmp_path: Path) -> None:
    """A machine nobody can use is not paid for any longer than needed."""
    async with hub_room(tmp_path) as room:
        tool, world = room.sandbox(), room.server.world
        call = stored(tool, await inspected(tool, **CREATE))
        room.server.sandboxes.healthy.clear()
        work = asyncio.create_task(tool.run(call, context()))
        await room.server.seen(lambda seen: seen.operation == "sandbox.health")
        [job] = jobs(room)
        world.finish(job, "ERROR", "image not found")
        output = await work
        assert output.remote is not None
        end = await tool.poll(output.remote.handle)

    assert "did not come up and was ended" in output.text
    assert output.status is ResultStatus.FAILED
    assert end is not None
    assert end.spent == 0


async def test_a_sandbox_that_can_neither_start_nor_end_is_watched(tmp_path: Path) -> None:
    """Its hold waits for its end, and whoever watches it ends it."""
    async with hub_room(tmp_path) as room:
        tool, world = room.sandbox(), room.server.world
        call = stored(tool, await inspected(tool, **CREATE))
        room.server.sandboxes.healthy.clear()
        room.server.faults.add("jobs.cancel", BAD)
        work = asyncio.create_task(tool.run(call, context()))
        await room.server.seen(lambda seen: seen.operation == "sandbox.health")
        [job] = jobs(room)
        job.owner = "elsewhere"
        output = await work
        job.owner = TEAM

        assert "could not be ended" in output.text
        assert output.remote is not None
        assert await tool.poll(output.remote.handle) is None
        world.finish(job)
        assert await tool.poll(output.remote.handle) is not None


async def test_a_stop_while_it_starts_ends_the_machine(tmp_path: Path) -> None:
    """A sandbox nobody waits for any more is cancelled by its id."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        call = stored(tool, await inspected(tool, **CREATE))
        room.server.sandboxes.healthy.clear()
        work = asyncio.create_task(tool.run(call, context()))
        await room.server.seen(lambda seen: seen.operation == "sandbox.health")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        assert jobs(room)[0].stage == "CANCELED"


async def test_a_lost_start_is_found_by_its_label(tmp_path: Path) -> None:
    """The same sandbox goes on, started once."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        call = stored(tool, await inspected(tool, **CREATE))
        room.server.faults.add("jobs.run", CutAfter())
        output = await tool.run(call, context())
        assert len(jobs(room)) == 1
        found = await tool.probe(call, context())

    assert found is not None
    assert found.record == output.record


async def test_a_start_that_is_nowhere_did_not_happen(tmp_path: Path) -> None:
    """Two complete listings without it: nothing is paid."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        call = stored(tool, await inspected(tool, **CREATE))
        room.server.faults.add("jobs.run", CutBefore())
        with pytest.raises(NotStarted):
            await tool.run(call, context())
        assert await tool.probe(call, context()) is None
        room.server.faults.add("jobs.list", BAD)
        with pytest.raises(ToolError):
            await tool.probe(call, context())


async def test_a_window_is_billed_by_started_minutes(tmp_path: Path) -> None:
    """Its handle finds it again after any restart, and settles what was held."""
    async with hub_room(tmp_path) as room:
        tool, world = room.sandbox(), room.server.world
        output = await carried_out(tool, **CREATE)
        handle = output.remote.handle
        assert await tool.poll(handle) is None
        world.clock.advance(minutes=9, seconds=30)
        await tool.cancel(handle)
        end = await room.sandbox().poll(handle)

    assert end is not None
    assert end.spent == 10 * 167 + 10_000


async def test_the_last_minutes_of_a_window_are_told(tmp_path: Path) -> None:
    """Five minutes before the end every answer says so."""
    async with hub_room(tmp_path) as room:
        tool, world = room.sandbox(), room.server.world
        await carried_out(tool, **CREATE)
        early = await carried_out(tool, operation="exec", command=["x"])
        world.clock.advance(minutes=51)
        late = await carried_out(tool, operation="exec", command=["x"])

    assert "ends in" not in early.text
    assert late.text.endswith("[This sandbox ends in 4 min.]")


async def test_what_does_not_fit_says_why(tmp_path: Path) -> None:
    """A string is no command, and a deadline has bounds."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()

        assert "a list of strings" in refused(tool, operation="exec", command="ls -l")
        assert "at most 600" in refused(tool, operation="exec", command=["x"], timeout=601)
        assert "must be one of" in refused(tool, operation="resize")


async def test_a_price_that_rises_before_the_press_is_seen(tmp_path: Path) -> None:
    """From what is known already: nothing is asked of the Hub."""
    async with hub_room(tmp_path) as room:
        tool = room.sandbox()
        call = await inspected(tool, **BIG)
        room.access.prices.take(
            [{"name": "a100-large", "unitCostMicroUSD": 83_334, "unitLabel": "minute"}],
            now=room.access.now_us(),
        )
        asked = len(room.server.record)
        dearer = tool.requote(stored(tool, call), call.quote)

        assert len(room.server.record) == asked

    assert call.quote.ceiling == 60 * 41_667 + 10_000
    assert dearer.ceiling == 60 * 83_334 + 10_000
