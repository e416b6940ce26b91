"""The `shell` tool in real isolation: what runs, what it can reach, and that nothing is left."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NotStarted
from agent.messages import ResultStatus
from agent.tools.base import (
    CallContext,
    EffectClass,
    InspectingTool,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.isolation import Isolation
from agent.tools.shell import ShellTool

pytestmark = pytest.mark.warp

CONTEXT = CallContext(call_id="c1", session="s1")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    place.mkdir()
    return place


@pytest.fixture
def isolation(workspace: Path) -> Isolation:
    """Real isolation; the test is skipped, with the reason, where there is none."""
    made = Isolation(workspace=workspace, environment={"COLOUR": "green"}, grace_s=0.5)
    if reason := made.available():
        pytest.skip(reason)
    return made


@pytest.fixture
def tool(isolation: Isolation) -> ShellTool:
    return ShellTool(isolation)


def prepared(tool: ShellTool, *argv: str, **arguments: Any) -> PreparedCall:
    call = tool.prepare({"argv": list(argv), **arguments})
    assert isinstance(call, PreparedCall), call
    return call


async def inspected(tool: ShellTool, *argv: str, **arguments: Any) -> PreparedCall:
    call = await tool.inspect(prepared(tool, *argv, **arguments), CONTEXT)
    assert isinstance(call, PreparedCall), call
    return call


async def use(tool: ShellTool, *argv: str, **arguments: Any) -> ToolOutput:
    return await tool.run(await inspected(tool, *argv, **arguments), CONTEXT)


async def sh(tool: ShellTool, script: str, **arguments: Any) -> ToolOutput:
    return await use(tool, "sh", "-c", script, **arguments)


def alive(mark: str) -> list[int]:
    """The processes of this machine whose command line holds a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


# What the gate is told.


def test_a_command_asks(workspace: Path) -> None:
    """Class once, destructive, asked about, never outward: there is no network to reach."""
    tool = ShellTool(Isolation(workspace=workspace))
    assert isinstance(tool, InspectingTool)
    call = prepared(tool, "rm", "-r", "a b")
    assert (call.operation, call.effect, call.default) == ("run", EffectClass.ONCE, Verdict.ASK)
    assert call.tags == {RiskTag.DESTRUCTIVE}
    assert (call.label, call.resource, call.taints) == (
        "shell: rm -r 'a b'",
        "files",
        "command output",
    )
    assert call.matters == ("argv",)
    assert call.deadline_s is not None
    assert call.deadline_s > 120


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'argv' is missing"),
        ({"argv": "ls -l"}, "a list of words, not one string"),
        ({"argv": []}, "at least 1"),
        ({"argv": [1]}, "each item a string"),
        ({"argv": [""]}, "it is empty"),
        ({"argv": ["a\0b"]}, "NUL"),
        ({"argv": ["ls"], "command": "x"}, "Unknown field 'command'"),
        ({"argv": ["ls"], "timeout_s": 601}, "at most 600"),
        ({"argv": ["ls"], "timeout_s": True}, "an integer"),
        ({"argv": ["ls"], "cwd": "../x"}, "must not contain `..`"),
        ({"argv": ["ls"], "cwd": "/etc"}, "outside the workspace"),
        ({"argv": ["ls"], "executable": "ls"}, "Unknown field 'executable'"),
        ({"argv": ["ls"], "environment": {"A": "b"}}, "Unknown field 'environment'"),
    ],
)
def test_calls_that_do_not_fit(workspace: Path, arguments: dict[str, Any], words: str) -> None:
    """Each answer names the field and what is expected."""
    refused = ShellTool(Isolation(workspace=workspace)).prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(("argv", "cwd", "stdin", "timeout_s", "executable", "environment", "x"))
WORDS = st.lists(st.text(max_size=6), min_size=1, max_size=4)


@given(
    arguments=st.dictionaries(NAMES, ANY, max_size=4)
    | st.fixed_dictionaries({"argv": WORDS}, optional={"cwd": st.text(max_size=6)})
)
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    tool = ShellTool(Isolation(workspace=Path("/nowhere/workspace")))
    call = tool.prepare(arguments)
    if isinstance(call, PreparedCall):
        assert tool.prepare(call.arguments) == call
    else:
        assert isinstance(call, Malformed)


async def test_what_is_looked_at_stands_in_the_arguments(tool: ShellTool) -> None:
    """The executable with its hash, the names of variables; and it prepares to the same call."""
    call = await inspected(tool, "ls", "-l")
    shown = call.arguments["executable"]
    assert shown["path"].endswith("/ls")
    assert len(shown["sha256"]) == 64
    assert call.arguments["environment"] == ["COLOUR"]
    assert call.matters == ("argv", "environment")
    assert call.warnings == ("is given the variables COLOUR",)
    assert tool.prepare(call.arguments) == call
    assert "green" not in repr(call)


async def test_what_the_model_says_of_the_facts_is_overwritten(tool: ShellTool) -> None:
    """Facts are looked up; nobody's word for them counts."""
    claimed = {"path": "/bin/true", "resolved": "/x", "size": 1, "mode": "0755", "sha256": "0"}
    call = await inspected(tool, "ls", executable=claimed, environment=["X"])
    assert call.arguments["executable"]["path"].endswith("/ls")
    assert call.arguments["environment"] == ["COLOUR"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("no-such-program", "no executable"), ("./gone", "no executable"), ("./plain", "executable")],
)
async def test_what_can_not_be_run(tool: ShellTool, workspace: Path, name: str, words: str) -> None:
    """The model learns it before anyone is asked."""
    (workspace / "plain").write_text("x")
    refused = await tool.inspect(prepared(tool, name), CONTEXT)
    assert isinstance(refused, Malformed)
    assert words in refused.text
    gone = await tool.inspect(prepared(tool, "ls", cwd="gone"), CONTEXT)
    assert isinstance(gone, Malformed)
    assert gone.text == "There is no gone."


async def test_links_are_followed_as_they_lead_inside(
    tool: ShellTool, workspace: Path, tmp_path: Path
) -> None:
    """A link to a program of the machine is that program; one to a file outside leads nowhere."""
    (tmp_path / "secret").write_text("#!/bin/sh\n")
    (tmp_path / "secret").chmod(0o755)
    (workspace / "out").symlink_to(tmp_path / "secret")
    (workspace / "up").symlink_to("../secret")
    (workspace / "echo").symlink_to("/usr/bin/../bin/echo")
    (workspace / "loop").symlink_to("loop")
    for name in ("./out", "./up", "./loop", str(tmp_path / "secret")):
        assert isinstance(await tool.inspect(prepared(tool, name), CONTEXT), Malformed)
    call = await inspected(tool, "./echo", "hi")
    assert call.arguments["executable"]["resolved"].startswith("/usr/bin/")
    assert (await tool.run(call, CONTEXT)).text == "Exit code 0.\nstdout:\nhi\n"


# Running.


async def test_a_command_runs(tool: ShellTool, workspace: Path) -> None:
    """Words as they are, streams apart, the exit code, standard input, the working directory."""
    (workspace / "d").mkdir()
    output = await sh(tool, "cat; pwd; echo err >&2; exit 3", stdin="in\n", cwd="d")
    assert output.status is ResultStatus.DONE
    assert output.text == "Exit code 3.\nstdout:\nin\n/workspace/d\n\nstderr:\nerr\n"
    assert (await use(tool, "printf", "%s|", "$HOME", "a b")).text.endswith("$HOME|a b|")


async def test_the_environment_is_what_is_named(tool: ShellTool) -> None:
    """No variable of the gateway's comes along."""
    os.environ["GATEPOST_TEST_SECRET"] = "s3cret"  # what a child could inherit
    try:
        lines = (await use(tool, "env")).text.splitlines()[2:]
    finally:
        del os.environ["GATEPOST_TEST_SECRET"]
    names = {line.partition("=")[0] for line in lines}
    assert "COLOUR=green" in lines
    assert names - {"_", "SHLVL", "OLDPWD"} == {"PATH", "HOME", "LANG", "TERM", "PWD", "COLOUR"}


async def test_what_a_command_can_reach(tool: ShellTool, workspace: Path, tmp_path: Path) -> None:
    """The workspace can be written to, nothing else; files of the machine are not there."""
    (tmp_path / "secret").write_text("secret")
    for place in ("/usr/x", "/x", "/etc/x", "/dev/x"):
        assert "Exit code 0" not in (await use(tool, "touch", place)).text
    for place in (str(tmp_path / "secret"), "/etc/shadow", "/etc/hostname", "/root", "/home"):
        assert "Exit code 0" not in (await use(tool, "ls", place)).text
    assert "Exit code 0" in (await sh(tool, "echo hi > made && echo x > /tmp/y")).text
    assert (workspace / "made").read_text() == "hi\n"
    assert "Exit code 0" not in (await use(tool, "ls", "/tmp/y")).text, "/tmp is each call's own"


async def test_there_is_no_network(tool: ShellTool) -> None:
    """Not even this machine's loopback."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
        output = await use(tool, "bash", "-c", script)
    assert "Exit code 0" not in output.text
    assert not served.is_set()


async def test_it_has_no_power(tool: ShellTool) -> None:
    """No capability, no namespaces of its own, limits that hold, and it sees its own processes."""
    output = await sh(
        tool,
        "grep CapEff /proc/self/status; ulimit -n; ulimit -c; ls -d /proc/[0-9]* | wc -l;"
        " unshare -U true && echo user-namespace",
    )
    assert "CapEff:\t0000000000000000\n1024\n0\n" in output.text
    assert "user-namespace" not in output.text


async def test_output_is_bounded(tool: ShellTool) -> None:
    """The first and last 8 KiB of each stream, and how much is left out; the writer goes on."""
    output = await sh(tool, "seq 1 400000; seq 1 3000 >&2; echo end >&2")
    assert output.text.startswith("Exit code 0.\nstdout:\n1\n2\n3\n")
    assert "of 2688895 bytes left out here]" in output.text
    assert "400000\n\nstderr:\n1\n2\n" in output.text
    assert output.text.endswith("3000\nend\n")
    assert len(output.text.encode()) < 2 * 16 * 1024 + 300


async def test_bytes_that_are_no_text(tool: ShellTool) -> None:
    """Output is shown as text whatever it is."""
    output = await use(tool, "printf", r"caf\351\n")
    assert output.text.endswith("caf\ufffd\n")
    output.text.encode()


async def test_time_is_up(tool: ShellTool) -> None:
    """A command that does not end is told to, then made to, with what it had said."""
    output = await sh(
        tool, "echo begun; trap 'echo told; exit 7' TERM; sleep 60 & wait", timeout_s=1
    )
    assert output.status is ResultStatus.FAILED
    assert output.text == "Ended after 1 s, it was not done.\nstdout:\nbegun\ntold\n"


async def test_a_command_that_will_not_end(tool: ShellTool) -> None:
    """What does not listen is ended by force."""
    stubborn = await sh(tool, "trap '' TERM; echo $$; while :; do sleep 61; done", timeout_s=1)
    assert stubborn.status is ResultStatus.FAILED
    assert alive("sleep\x0061") == []


async def test_nothing_goes_on_after_the_end(tool: ShellTool) -> None:
    """What a command leaves in the background, detached in every way, ends with it."""
    mark = "4321"
    output = await sh(tool, f"setsid sleep {mark} >/dev/null 2>&1 & (sleep {mark} &) ; exit 0")
    assert output.text == "Exit code 0."
    assert alive(f"sleep\x00{mark}") == []


async def test_a_cancel_ends_the_command(tool: ShellTool, workspace: Path) -> None:
    """It is raised once nothing is left, and the command had its time to tidy up."""
    script = "trap 'echo tidy > tidied; exit' TERM; echo > begun; sleep 4322 & wait"
    call = await inspected(tool, "sh", "-c", script)
    os.mkfifo(workspace / "begun")
    running = asyncio.create_task(tool.run(call, CONTEXT))
    await asyncio.to_thread((workspace / "begun").read_bytes)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (workspace / "tidied").read_text() == "tidy\n"
    assert alive("sleep\x004322") == []


async def test_a_cancel_in_the_grace_hurries(workspace: Path, isolation: Isolation) -> None:
    """Whoever is told twice to stop does not wait for the stubborn."""
    tool = ShellTool(Isolation(workspace=workspace, grace_s=300))
    call = await inspected(
        tool,
        "sh",
        "-c",
        "trap 'echo told > told' TERM; echo > begun; while :; do sleep 4323 & wait; done",
    )
    os.mkfifo(workspace / "begun")
    os.mkfifo(workspace / "told")
    running = asyncio.create_task(tool.run(call, CONTEXT))
    await asyncio.to_thread((workspace / "begun").read_bytes)
    running.cancel()
    await asyncio.to_thread((workspace / "told").read_bytes)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alive("sleep\x004323") == []


async def test_a_cancel_at_any_moment_leaves_nothing(tool: ShellTool) -> None:
    """However early a command is cancelled: no process, and no descriptor, is left."""
    call = await inspected(tool, "sh", "-c", "sleep 4326 & sleep 4326")
    await use(tool, "true")
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for turns in range(0, 48, 2):
        running = asyncio.create_task(tool.run(call, CONTEXT))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert alive("sleep 4326") == []
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208


# What was shown is what runs.


async def test_a_swapped_program_does_not_run(tool: ShellTool, workspace: Path) -> None:
    """A script changed after the card, even to the same length, is not run."""
    script = workspace / "go"
    script.write_text("#!/bin/sh\necho one\n")
    script.chmod(0o755)
    call = await inspected(tool, "./go")
    assert "lies in the workspace" in call.warnings[0]
    assert (await tool.run(call, CONTEXT)).text.endswith("one\n")
    script.write_text("#!/bin/sh\necho two\n")
    with pytest.raises(NotStarted, match="no longer what was shown"):
        await tool.run(call, CONTEXT)
    script.unlink()
    with pytest.raises(NotStarted, match="Nothing was run"):
        await tool.run(call, CONTEXT)


async def test_a_program_put_in_front_does_not_run(tool: ShellTool, workspace: Path) -> None:
    """A link turned to another program after the card is found out."""
    (workspace / "go").symlink_to("/usr/bin/true")
    call = await inspected(tool, "./go")
    (workspace / "go").unlink()
    (workspace / "go").symlink_to("/usr/bin/env")
    with pytest.raises(NotStarted):
        await tool.run(call, CONTEXT)


async def test_the_bytes_that_run_are_a_copy(tool: ShellTool, workspace: Path) -> None:
    """A program that is rewritten while it runs goes on as it was shown."""
    script = workspace / "go"
    script.write_text("#!/bin/sh\necho > begun; read x < go-on\necho shown\n")
    script.chmod(0o755)
    call = await inspected(tool, "./go")
    os.mkfifo(workspace / "begun")
    os.mkfifo(workspace / "go-on")
    running = asyncio.create_task(tool.run(call, CONTEXT))
    await asyncio.to_thread((workspace / "begun").read_bytes)
    with script.open("r+") as file:
        file.write("#!/bin/sh\necho > begun; read x < go-on\necho other\n")
    await asyncio.to_thread((workspace / "go-on").write_text, "x\n")
    assert (await running).text.endswith("shown\n")


async def test_other_variables_than_shown(tool: ShellTool, workspace: Path) -> None:
    """A call approved with one set of variables does not run with another."""
    call = await inspected(tool, "env")
    other = ShellTool(Isolation(workspace=workspace, environment={"TOKEN": "x"}))
    with pytest.raises(NotStarted, match="other variables"):
        await other.run(call, CONTEXT)


async def test_what_was_not_looked_at_does_not_run(tool: ShellTool) -> None:
    """Without facts nothing can be what was shown."""
    with pytest.raises(NotStarted):
        await tool.run(prepared(tool, "ls"), CONTEXT)


async def test_a_directory_that_is_gone(tool: ShellTool, workspace: Path) -> None:
    """A working directory that went away is an end before the beginning."""
    (workspace / "d").mkdir()
    call = await inspected(tool, "ls", cwd="d")
    (workspace / "d").rmdir()
    with pytest.raises(NotStarted):
        await tool.run(call, CONTEXT)


# The gateway dies.

DIES = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from agent.tools.base import CallContext
from agent.tools.isolation import PLACE, Isolation
from agent.tools.shell import ShellTool

def die(pid, *_):
    while not os.path.exists(f"/proc/{pid}/root{PLACE}/begun"):  # nothing tells of it
        os.sched_yield()
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "while it begins":
    resource.prlimit = die

async def main():
    tool = ShellTool(Isolation(workspace=Path(sys.argv[1])))
    context = CallContext(call_id="c1", session="s1")
    script = "touch ran; echo > begun; setsid sh -c 'read x < never' & wait"
    call = tool.prepare({"argv": ["sh", "-c", script, sys.argv[2]]})
    await tool.run(await tool.inspect(call, context), context)

asyncio.run(main())
"""


async def dying(workspace: Path, mark: str, when: str) -> asyncio.subprocess.Process:
    """A gateway in a process of its own that runs a command."""
    os.mkfifo(workspace / "begun")
    os.mkfifo(workspace / "never")
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, str(workspace), mark, when, cwd=ROOT
    )


@pytest.mark.warp(False)
async def test_a_gateway_that_is_killed_leaves_nothing(
    isolation: Isolation, workspace: Path
) -> None:
    """Kill -9 in the middle of a command ends the command and what it detached."""
    gateway = await dying(workspace, "mark-4324", "while it runs")
    await asyncio.to_thread((workspace / "begun").read_bytes)
    handles = [os.pidfd_open(pid) for pid in alive("mark-4324") if pid != gateway.pid]
    assert handles
    gateway.kill()
    await gateway.wait()
    for handle in handles:
        await gone(handle)
    assert alive("mark-4324") == []
    assert alive("read x < never") == []


@pytest.mark.warp(False)
async def test_a_gateway_that_is_killed_at_the_start_runs_nothing(
    isolation: Isolation, workspace: Path
) -> None:
    """A death before the command is told to go is a command that never ran."""
    gateway = await dying(workspace, "mark-4325", "while it begins")
    assert await gateway.wait() == -signal.SIGKILL
    for pid in alive("mark-4325"):
        with contextlib.suppress(ProcessLookupError):
            await gone(os.pidfd_open(pid))
    assert alive("mark-4325") == []
    assert not (workspace / "ran").exists()


async def gone(handle: int) -> None:
    """Wait until the process behind a handle is no more."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 60)
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def test_isolation_that_is_missing_says_why(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No program, and one that can't do it: the reason is a sentence for the operator."""
    monkeypatch.setenv("PATH", str(tmp_path))
    made = Isolation(workspace=workspace)
    assert made.available() == "bubblewrap (the program bwrap) is not installed"
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    assert made.available() == ("bubblewrap can't isolate a command here: bwrap: No permissions")
