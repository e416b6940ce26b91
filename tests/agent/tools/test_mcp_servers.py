"""MCP servers as processes: calls, faults, changes of mind, and the end of all of it."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.costs import Quote, Unknown
from agent.errors import NotStarted, ToolError
from agent.messages import ResultStatus, ToolCall
from agent.policy import judge, judge_with, relaxable
from agent.predicates import Predicate, PredicateKind
from agent.rule_checks import check_rules
from agent.rules import Facts, Rule, policy_of
from agent.tools.base import EffectClass, Malformed, PreparedCall, RiskTag, Verdict
from agent.tools.mcp import TOOLS_TOGETHER_MAX, Catalogue, McpServers, look_at
from agent.tools.mcp_definitions import TOOLS_MAX
from agent.tools.mcp_pins import MemoryPins
from agent.tools.mcp_server import Patience, ServerState
from tests.agent.tools.mcp_ground import QUICK, WAIT_S, at_work, entry

pytestmark = pytest.mark.warp

PURE = {"echo": EffectClass.PURE, "die": EffectClass.PURE}


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(WAIT_S):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


# Calls.


async def test_a_declared_tool_is_called(tmp_path: Path) -> None:
    """Effect, tags and price are the operator's; the result is the server's text."""
    one = entry(tmp_path, effects=PURE, prices={"echo": 10_000})
    async with at_work(one, place=tmp_path) as ground:
        await ground.states.ready()
        call = ground.prepared("echo", text="hello")
        assert (call.tool, call.operation, call.effect) == (
            "mcp:wire/echo",
            "call",
            EffectClass.PURE,
        )
        assert (call.default, call.declared, call.tags) == (Verdict.ALLOW, True, frozenset())
        assert call.quote == Quote(
            ceiling=10_000, unit="call", unit_price=10_000, quantity=1, source="config"
        )
        assert (call.taints, call.resource, call.editable) == ("MCP result", None, ("text",))
        output = await ground.use("echo", text="hello")
        assert (output.text, output.status, output.spent) == ("hello", ResultStatus.DONE, 10_000)


async def test_an_undeclared_tool_asks_whatever_the_server_says_of_it(tmp_path: Path) -> None:
    """A hint that it only reads is no declaration: class once, outward, unknown price, asked."""
    async with at_work(entry(tmp_path), place=tmp_path) as ground:
        await ground.states.ready()
        call = ground.prepared("echo", text="hello")
        assert (call.effect, call.declared, call.default) == (
            EffectClass.ONCE,
            False,
            Verdict.ASK,
        )
        assert call.tags == {RiskTag.OUTWARD}
        assert isinstance(call.quote.ceiling, Unknown)
        assert call.resource == "mcp:wire"


async def test_declared_changes_ask_unless_a_rule_speaks(tmp_path: Path) -> None:
    """A tool that changes something is declared all the same; its tags are the operator's."""
    tags = {"echo": frozenset({RiskTag.DESTRUCTIVE})}
    one = entry(tmp_path, effects={"echo": EffectClass.KEYED}, tags=tags, price=0)
    async with at_work(one, place=tmp_path) as ground:
        await ground.states.ready()
        call = ground.prepared("echo", text="hello")
        assert (call.effect, call.declared, call.default) == (
            EffectClass.KEYED,
            True,
            Verdict.ASK,
        )
        assert (call.tags, call.quote.ceiling) == (tags["echo"], 0)


async def test_arguments_are_checked_before_anybody_is_asked(tmp_path: Path) -> None:
    """What certainly does not fit, and a secret as such, never reaches a person or the server."""
    async with at_work(entry(tmp_path), place=tmp_path) as ground:
        await ground.states.ready()
        tool = ground.tool("echo")
        for arguments, words in (
            ({}, "'text' is missing"),
            ({"text": 5}, "must be of type string"),
            ({"text": "x", "mode": "shy"}, "one of 'plain', 'loud'"),
            ({"text": "x", "to": "y"}, "Unknown field 'to'. Known here: mode, text"),
            ({"text": "ghp_" + "a1" * 20}, "A secret stands in text"),
            ({"text": float("inf")}, "a number without an end"),
        ):
            found = tool.prepare(arguments)
            assert isinstance(found, Malformed)
            assert words in found.text
        call = tool.prepare({"text": "see https://a.example/x?y=1, and HTTP://b.example."})
        assert isinstance(call, PreparedCall)
        assert call.urls == ("HTTP://b.example", "https://a.example/x?y=1")
        assert tool.prepare(call.arguments) == call


async def test_what_a_tool_fails_with(tmp_path: Path) -> None:
    """A failure of the tool is a result; an error of the protocol is one without a bill."""
    async with at_work(entry(tmp_path, price=5), place=tmp_path) as ground:
        await ground.states.ready()
        output = await ground.use("fail")
        assert (output.text, output.status, output.spent) == (
            "It did not work.",
            ResultStatus.FAILED,
            5,
        )
        with pytest.raises(ToolError, match="answered with an error: no such thing") as failed:
            await ground.use("error")
        assert not isinstance(failed.value, NotStarted)
        unsure = await ground.use("nonsense")
        assert (unsure.status, unsure.spent) == (ResultStatus.UNKNOWN, None)


async def test_results_are_text_within_bounds(tmp_path: Path) -> None:
    """What is no text is named; a long text keeps its first and last 8 KiB."""
    async with at_work(entry(tmp_path), place=tmp_path) as ground:
        await ground.states.ready()
        odd = await ground.use("odd")
        assert odd.text == (
            "before\n[image, image/png, 3 bytes]\n[a link: report file:///r.pdf]\ninside"
        )
        huge = (await ground.use("huge")).text
        assert huge.startswith("begin x")
        assert huge.endswith("x end")
        assert "of 300010 bytes left out here" in huge
        assert len(huge) < 17_000


async def test_a_server_sees_what_it_was_given_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is PATH, HOME, LANG and what is configured; its secrets come back hidden."""
    monkeypatch.setenv("SECRET_OF_OURS", "do-not-tell-1")
    one = entry(tmp_path, env={"TOKEN": "abc123def456"})
    assert "abc123def456" not in repr(one)
    async with at_work(one, place=tmp_path) as ground:
        await ground.states.ready()
        told = (await ground.use("leak")).text
        assert '"TOKEN": "[hidden]"' in told
        assert '"SECRET_OF_OURS": ""' in told
        names = set(told.partition('"names": [')[2].strip("]}").replace('"', "").split(", "))
        assert names <= {"PATH", "HOME", "LANG", "TOKEN", "PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"}


# Faults.


async def test_a_server_that_dies_in_a_call_is_started_again(tmp_path: Path) -> None:
    """The call may have taken effect, and says so; the reason hides secrets; the next one works."""
    one = entry(tmp_path, env={"TOKEN": "abc123def456"})
    async with at_work(one, place=tmp_path) as ground:
        first = await ground.states.ready()
        output = await ground.use("die")
        assert output.status is ResultStatus.UNKNOWN
        assert "may have taken effect" in output.text
        rested = await ground.states.resting()
        assert rested.reason == "it ended with code 3: about to die with [hidden]"
        assert rested.tools == first.tools
        await ground.states.ready(after=len(ground.states.seen))
        assert (await ground.use("echo", text="again")).text == "again"


async def test_a_death_is_noticed_while_a_child_holds_the_pipes(tmp_path: Path) -> None:
    """The end of the process counts, not that of its output; its child ends with it."""
    async with at_work(entry(tmp_path, "child"), place=tmp_path) as ground:
        await ground.states.ready()
        child = int((tmp_path / "child").read_text())
        assert (await ground.use("die")).status is ResultStatus.UNKNOWN
        assert "ended with code 3" in (await ground.states.resting()).reason
        await gone(child)
        await ground.states.ready(after=len(ground.states.seen))


async def test_a_pure_call_that_was_cut_only_failed(tmp_path: Path) -> None:
    """What changes nothing cannot have taken effect."""
    async with at_work(entry(tmp_path, effects=PURE), place=tmp_path) as ground:
        await ground.states.ready()
        with pytest.raises(ToolError, match="gave no result"):
            await ground.use("die")


async def test_a_call_without_a_server_did_not_start(tmp_path: Path) -> None:
    """Nothing is paid and nothing happened where there is nobody to call."""
    pins = MemoryPins()
    async with at_work(entry(tmp_path), place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
    patience = Patience(backoff_s=(60.0,), wait_s=0.05)
    missing = entry(tmp_path)
    broken = type(missing)(name="wire", command=("/no/such/program",))
    async with at_work(broken, place=tmp_path, pins=pins, patience=patience) as ground:
        assert (await ground.states.resting()).reason == "there is no program '/no/such/program'"
        with pytest.raises(NotStarted, match=r"is not running \(there is no program"):
            await ground.use("echo", text="hello")


async def test_a_broken_off_call_leaves_the_session_usable(tmp_path: Path) -> None:
    """The server is told that nobody waits any more; the same process serves the next call."""
    async with at_work(entry(tmp_path), place=tmp_path) as ground:
        await ground.states.ready()
        hanging = asyncio.create_task(ground.use("hang"))
        await ground.arrived("tools/call")
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        await ground.arrived("notifications/cancelled")
        await ground.arrived("tools/list", 2)
        assert (await ground.use("echo", text="still here")).text == "still here"
        assert all(facts.failures == 0 for facts in ground.states.seen)


async def test_a_server_that_is_stuck_after_a_broken_call_is_restarted(tmp_path: Path) -> None:
    """It does not answer anything any more, and nothing else waits for it."""
    async with at_work(entry(tmp_path), place=tmp_path) as ground:
        await ground.states.ready()
        stuck, blocked = ground.pid, asyncio.create_task(ground.use("block"))
        await ground.arrived("tools/call")
        blocked.cancel()
        assert (await ground.states.resting()).reason == "it no longer answers"
        await ground.states.ready(after=len(ground.states.seen))
        await gone(stuck)
        assert (await ground.use("echo", text="anew")).text == "anew"


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("junk", "it wrote 100 lines that are no message"),
        ("silent", "it did not answer in time"),
        ("long-line", "it wrote a line of over 8 MiB"),
    ],
)
async def test_what_is_no_server_never_becomes_ready(
    tmp_path: Path, option: str, reason: str
) -> None:
    """The reason is told, nothing is offered, and attempts go on at a growing distance."""
    patience = Patience(backoff_s=(0.01,), connect_s=0.5, close_s=0.2, grace_s=0.2)
    async with at_work(entry(tmp_path, option), place=tmp_path, patience=patience) as ground:
        facts = await ground.states.resting()
        assert facts.reason == reason
        assert facts.tools == ()
        again = await ground.states.until(lambda facts: facts.failures > 1)
        assert again.state is not ServerState.READY


async def test_a_server_of_the_old_school_is_greeted_its_way(tmp_path: Path) -> None:
    """One that ends at a message it does not know gets the old greeting in the next attempt."""
    async with at_work(entry(tmp_path, "modern-kills"), place=tmp_path) as ground:
        await ground.states.ready()
        await ground.arrived("initialize")
        assert (await ground.use("echo", text="hello")).text == "hello"


async def test_attempts_come_ever_more_rarely(tmp_path: Path) -> None:
    """Delays grow to the last of the row and stay there."""
    patience = Patience(backoff_s=(0.01, 0.02), connect_s=5.0)
    broken = type(entry(tmp_path))(name="gone", command=("/no/such/program",))
    async with at_work(broken, place=tmp_path, patience=patience) as ground:
        facts = await ground.states.until(lambda facts: facts.failures >= 4)
        assert facts.name == "gone"
        assert Patience().backoff_s == (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)


# Tools that change.


async def test_a_changed_tool_is_undeclared_until_an_operator_agrees(tmp_path: Path) -> None:
    """The new words are offered, but the declaration is not about them, also after a restart."""
    pins = MemoryPins()
    one = entry(tmp_path, effects=PURE, price=0)
    async with at_work(one, place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
        before = ground.prepared("echo", text="x")
        spec = ground.tool("echo").spec
        await ground.use("change")
        facts = await ground.states.until(lambda facts: facts.changed == ("echo",))
        assert facts.undeclared
        after = ground.prepared("echo", text="x")
        assert (before.declared, after.declared) == (True, False)
        assert after.tags == {RiskTag.OUTWARD}
        assert "the server has changed this tool" in after.reason
        assert after.warnings == (after.reason,)
        assert ground.tool("echo").spec != spec
    async with at_work(one, place=tmp_path, pins=pins) as ground:
        assert not ground.prepared("echo", text="x").declared
        await ground.states.ready()
        assert not ground.prepared("echo", text="x").declared
        (pin,) = ground.servers.waiting()
        assert not await ground.servers.agree("wire", "echo", "0" * 64)
        assert not ground.prepared("echo", text="x").declared
        assert await ground.servers.agree("wire", "echo", pin.definition.digest)
        assert ground.prepared("echo", text="x").declared
        assert ground.servers.waiting() == ()
    async with at_work(one, place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
        assert ground.prepared("echo", text="x").declared


async def test_a_change_taken_back_is_as_if_it_had_not_been(tmp_path: Path) -> None:
    """The pinned digest counts, not how often a server changes its mind."""
    async with at_work(entry(tmp_path, effects=PURE), place=tmp_path) as ground:
        await ground.states.ready()
        await ground.use("change")
        await ground.states.until(lambda facts: facts.changed == ("echo",))
        (tmp_path / "changed").unlink()
        heard = len(ground.states.seen)
        os.kill(ground.pid, signal.SIGKILL)
        await ground.states.ready(after=heard)
        assert ground.prepared("echo", text="x").declared


async def test_a_new_declaration_is_about_the_tool_as_it_is(tmp_path: Path) -> None:
    """Who declares anew has the present tool before them; a price alone says nothing."""
    pins = MemoryPins()
    async with at_work(entry(tmp_path, effects=PURE), place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
    (tmp_path / "changed").touch()
    dearer = entry(tmp_path, effects=PURE, price=1)
    async with at_work(dearer, place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
        assert not ground.prepared("echo", text="x").declared
    anew = entry(tmp_path, effects={"echo": EffectClass.KEYED})
    async with at_work(anew, place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
        assert ground.prepared("echo", text="x").declared


async def test_tools_are_known_before_their_server_is_up(tmp_path: Path) -> None:
    """A stored call finds its tool right after a restart; the call waits for the connection."""
    pins = MemoryPins()
    async with at_work(entry(tmp_path, effects=PURE), place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
        offered = dict(ground.servers.offered())
    async with at_work(entry(tmp_path, effects=PURE), place=tmp_path, pins=pins) as ground:
        assert {n: t.spec for n, t in ground.servers.offered().items()} == {
            n: t.spec for n, t in offered.items()
        }
        assert (await ground.use("echo", text="early")).text == "early"


async def test_two_hundred_tools_are_too_many(tmp_path: Path) -> None:
    """So many tools as one server may have are offered, declared ones first; the rest is told."""
    one = entry(tmp_path, "many=200", effects={"tool_199": EffectClass.PURE})
    async with at_work(one, place=tmp_path) as ground:
        facts = await ground.states.ready()
        assert len(facts.tools) == TOOLS_MAX
        assert "tool_199" in facts.tools
        assert facts.left_out["tool_150"] == "over 64 tools of one server"
        assert len(facts.left_out) == 200 - TOOLS_MAX


async def test_the_tools_of_all_servers_fit_into_one_request(tmp_path: Path) -> None:
    """Providers refuse too long a list, and every turn with it: declared tools go first."""
    places = [tmp_path / name for name in ("one", "two")]
    for place in places:
        place.mkdir()
    one = entry(places[0], "many=60", name="one")
    two = entry(places[1], "many=60", name="two", effects={"tool_059": EffectClass.PURE})
    async with at_work(one, two, place=places[0]) as ground:
        await ground.states.until(lambda f: f.name == "one" and f.state is ServerState.READY)
        await ground.states.until(lambda f: f.name == "two" and f.state is ServerState.READY)
        offered = ground.servers.offered()
        assert len(offered) == TOOLS_TOGETHER_MAX
        assert "mcp_two__tool_059" in offered
        _, facts = ground.servers.facts()
        assert len(facts.tools) == TOOLS_TOGETHER_MAX - 60
        assert facts.left_out["tool_058"] == "over 96 tools of all servers"
        assert ground.servers.find("mcp:two/tool_058") is not None


async def test_what_doctor_is_told(tmp_path: Path) -> None:
    """Per server: state, who it says it is, what is undeclared, missing and left out."""
    one = entry(tmp_path, effects={**PURE, "search": EffectClass.PURE})
    async with at_work(one, place=tmp_path) as ground:
        facts = await ground.states.ready()
        assert (facts.name, facts.reason, facts.failures) == ("wire", "", 0)
        assert facts.about == "wire 1.2, MCP 2025-11-25"
        assert facts.missing == ("search",)
        assert "fail" in facts.undeclared
        assert "echo" not in facts.undeclared
    assert ground.servers.facts()[0].state is ServerState.STOPPED


async def test_the_catalogue_knows_every_name(tmp_path: Path) -> None:
    """Models are offered names that every provider takes; rules find the same tool by theirs."""
    async with at_work(entry(tmp_path), place=tmp_path) as ground:
        await ground.states.ready()
        catalogue = Catalogue({"own": ground.tool("echo")}, ground.servers)
        assert "mcp_wire__echo" in list(catalogue)
        assert "own" in list(catalogue)
        assert len(catalogue) == len(list(catalogue))
        assert "mcp:wire/echo" not in list(catalogue)
        assert catalogue["mcp:wire/echo"] is catalogue["mcp_wire__echo"]
        assert catalogue.get("mcp:wire/none") is None
        named = ground.servers.named()
        assert named["mcp:wire/echo"] is catalogue["mcp:wire/echo"]
        when = {"text": (Predicate(kind=PredicateKind.PREFIX, value="a"),)}
        rule = Rule(id="r", tool="mcp:wire/echo", verdict=Verdict.ASK, when=when)
        other = replace(rule, when={"txet": when["text"]})
        assert check_rules(policy_of((rule,)), named) == ()
        assert [fault.at for fault in check_rules(policy_of((other,)), named)] == [("when", "txet")]


async def test_the_gate_hears_what_is_declared(tmp_path: Path) -> None:
    """A rule by the tool's own name allows what is declared, and nothing that is not."""
    one = entry(tmp_path, effects={"echo": EffectClass.ONCE}, price=0)
    policy = policy_of((Rule(id="r", tool="mcp:wire/*", verdict=Verdict.ALLOW),))
    async with at_work(one, place=tmp_path) as ground:
        await ground.states.ready()
        tools = Catalogue({}, ground.servers)
        written = (("mcp_wire__echo", '{"text": "x"}'), ("mcp_wire__fail", "{}"))
        judged = [
            judge_with(tools)(ToolCall(id=name, name=name, arguments=arguments)).prepared
            for name, arguments in written
        ]
        assert all(judged)
        words = [judge(call, Facts(), policy) for call in judged if call is not None]
        assert [word.verdict for word in words] == [Verdict.ALLOW, Verdict.ASK]
        assert words[1].rule == "floor: undeclared"
        assert not any(relaxable(call, words[1], auto=True) for call in judged[1:] if call)


async def test_a_look_for_doctor(tmp_path: Path) -> None:
    """Each server is connected to once and left alone; what was pinned stays as it was."""
    pins = MemoryPins()
    one = entry(tmp_path, effects=PURE)
    async with at_work(one, place=tmp_path, pins=pins) as ground:
        await ground.states.ready()
    (tmp_path / "changed").touch()
    before = await pins.of("wire")
    (tmp_path / "seen").unlink()
    broken = type(one)(name="gone", command=("/no/such/program",))
    wire, none = await look_at((one, broken), pins=pins, patience=QUICK)
    assert (wire.state, wire.changed) == (ServerState.READY, ("echo",))
    assert (none.state, none.tools) == (ServerState.RESTING, ())
    assert await pins.of("wire") == before


# The end.


@pytest.mark.parametrize("option", ["stubborn", "child"])
async def test_nothing_is_left_at_the_end(tmp_path: Path, option: str) -> None:
    """A server that ignores the end of its input and TERM is killed, and so are its children."""
    patience = Patience(close_s=0.1, grace_s=0.1)
    async with at_work(entry(tmp_path, option), place=tmp_path, patience=patience) as ground:
        await ground.states.ready()
        pids = [ground.pid]
        if option == "child":
            pids.append(int((tmp_path / "child").read_text()))
    for pid in pids:
        await gone(pid)


async def test_a_child_that_has_left_the_group_holds_nobody_up(tmp_path: Path) -> None:
    """It cannot be ended, but its hold on the pipes keeps neither a restart nor the end waiting."""
    patience = Patience(close_s=0.1, grace_s=0.1)
    async with at_work(entry(tmp_path, "escaped"), place=tmp_path, patience=patience) as ground:
        await ground.states.ready()
        pid = ground.pid
    await gone(pid)
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.agent.tools.mcp_ground import at_work, entry

async def main():
    place = Path({place!r})
    async with at_work(entry(place, "stubborn", "child"), place=place) as ground:
        await ground.states.ready()
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.warp(False)
@pytest.mark.slow
async def test_a_killed_gateway_leaves_no_server(tmp_path: Path) -> None:
    """Slow: the guard gives them a second after TERM. Even a stubborn one and its child end."""
    root = str(Path(__file__).parents[3])
    script = KILLED.format(root=root, place=str(tmp_path))
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert gateway.stdout is not None
    async with asyncio.timeout(WAIT_S):
        assert await gateway.stdout.readline() == b"ready\n"
    pids = [int((tmp_path / name).read_text()) for name in ("pid", "child")]
    gateway.kill()
    await gateway.wait()
    for pid in pids:
        await gone(pid)


async def test_several_servers_stand_beside_each_other(tmp_path: Path) -> None:
    """One that does not work costs the others nothing."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    entries = (entry(bad, "silent", name="bad"), entry(good))
    async with at_work(*entries, place=good, patience=QUICK) as ground:
        await ground.states.until(lambda f: f.name == "wire" and f.state is ServerState.READY)
        assert (await ground.use("echo", text="hello")).text == "hello"
        assert isinstance(ground.servers, McpServers)
        assert [facts.name for facts in ground.servers.facts()] == ["bad", "wire"]
