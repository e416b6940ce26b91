"""The real `codex` program against a loopback model: what the loopback child only claims.

It is fetched once by its registry's own client into the user's cache; where that can't be done the
tests are skipped and say why. Its model is a small server here, so nothing leaves the machine.
"""

import asyncio
import json
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.errors import ProviderAuthFailed
from agent.messages import Message, ResultStatus, Summary, ToolResult, UserMessage
from agent.providers.base import Stop, UsageReported
from agent.providers.codex.client import CodexProvider
from agent.providers.codex.opening import Launch
from agent.providers.codex.pool import CodexPool
from agent.providers.codex.tools import codex_tools
from agent.tools.base import CallContext, PreparedCall, ToolOutput
from tests.wire.codex.stage import (
    LOGIN,
    ORIGIN,
    PATIENT,
    calls_of,
    message_of,
    request,
    step,
    stop_of,
)

OLDEST, NEWEST = "0.125.0", "0.169.0"
FETCH_S = 40.0
CACHE = Path.home() / ".cache" / "gatepost-tests" / "codex"
KINDS = {("linux", "x86_64"): "linux-x64", ("linux", "aarch64"): "linux-arm64"}


def fetched(version: str) -> Path:
    """The program of a version; skips the test where it can't be had."""
    program = CACHE / version / "codex"
    if program.exists():
        return program
    kind = KINDS.get((sys.platform, platform.machine()))
    npm = shutil.which("npm")
    if kind is None or npm is None:
        pytest.skip("codex is not in the cache, and there is no npm or no build for this machine")
    directory = CACHE / f"{version}.{id(program)}"
    directory.mkdir(parents=True)
    try:
        name = f"@openai/codex@{version}-{kind}"
        fetch = [npm, "pack", "--silent", name]
        subprocess.run(fetch, cwd=directory, check=True, capture_output=True, timeout=FETCH_S)
        (archive,) = directory.glob("*.tgz")
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and Path(member.name).name == "codex":
                    source = tar.extractfile(member)
                    assert source is not None
                    with (directory / "codex").open("wb") as target:
                        shutil.copyfileobj(source, target)
                    break
        (directory / "codex").chmod(0o755)
        program.parent.mkdir(parents=True, exist_ok=True)
        (directory / "codex").replace(program)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"codex {version} can't be fetched: {error}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return program


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Path:
    """The real program: a new version, or one that a test asks for."""
    return fetched(getattr(request, "param", NEWEST))


def says(text: str) -> dict[str, Any]:
    """Words of the model."""
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "id": "m1", "content": content}


def calls(command: str, *, escalated: bool = False, call_id: str = "c1") -> dict[str, Any]:
    """A command the model wants, inside its sandbox or outside."""
    given = {"cmd": command}
    if escalated:
        given |= {"sandbox_permissions": "require_escalated", "justification": "it writes"}
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": "exec_command",
        "arguments": json.dumps(given),
    }


class Model:
    """A loopback Responses server that gives these items, one list per request."""

    def __init__(self) -> None:
        self.script: list[list[dict[str, Any]] | int] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.asked_twice = asyncio.Event()

    async def answer(self, asked: web.Request) -> web.StreamResponse:
        if not asked.path.endswith("/responses"):
            return web.json_response({"models": []})
        self.requests.append(await asked.json())
        if len(self.requests) == 2:
            self.asked_twice.set()
        self.keys.append(asked.headers.get("Authorization", ""))
        items = self.script.pop(0)
        if isinstance(items, int):
            error = {"error": {"message": "no", "type": "server_error"}}
            return web.json_response(error, status=items)
        usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r"}}]
        events += [
            {"type": "response.output_item.done", "output_index": n, "item": item}
            for n, item in enumerate(items)
        ]
        events.append({"type": "response.completed", "response": {"id": "r", "usage": usage}})
        body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
        return web.Response(text=body, content_type="text/event-stream")


class Real:
    """The provider on the real program."""

    def __init__(self, model: Model, provider: CodexProvider, pool: CodexPool, work: Path) -> None:
        self.model = model
        self.provider = provider
        self.pool = pool
        self.work = work
        self.history: list[Message] = []

    async def say(self, *items: Message) -> list[Any]:
        """One step with these messages added; its message joins the history."""
        self.history += items
        events = await step(self.provider, request(*self.history))
        self.history.append(message_of(events, len(self.history)))
        return events

    async def run(self, events: list[Any]) -> ToolResult:
        """Run the one call of a step, as allowed."""
        call = message_of(events, len(self.history) - 1).calls[-1]
        tool = {tool.spec.name: tool for tool in codex_tools(self.pool)}[call.name]
        prepared = tool.prepare(json.loads(call.arguments))
        assert isinstance(prepared, PreparedCall)
        output: ToolOutput = await tool.run(prepared, CallContext(call_id="c", session="s1"))
        return ToolResult(call_id=call.id, name=call.name, status=output.status, text=output.text)

    def sent(self) -> str:
        """The input of the newest request to the model."""
        return json.dumps(self.model.requests[-1]["input"])


@asynccontextmanager
async def real(program: Path, directory: Path) -> AsyncIterator[Real]:
    """The real program with a loopback model behind it."""
    model = Model()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", model.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    pool = CodexPool(times=replace(PATIENT, gather_s=0.05))  # nothing is asked beside another
    launch = Launch(
        argv=(str(program), "app-server"),
        home=directory / "home",
        model=ORIGIN.model,
        base_url=f"http://127.0.0.1:{port}/v1",
    )
    work = directory / "work"
    provider = CodexProvider(ORIGIN, launch=launch, pool=pool, directory_for=lambda session: work)
    try:
        yield Real(model, provider, pool, work)
    finally:
        await pool.close()
        await runner.cleanup()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_approvals_of_the_real_program(program: Path, tmp_path: Path) -> None:
    """Allowed once it runs once, refused it does not run; nothing else writes."""
    async with real(program, tmp_path) as here:
        made = here.work / "made.txt"
        here.model.script = [
            [calls("touch quietly.txt; env; echo looked")],
            [calls("touch made.txt && echo ok", escalated=True)],
            [says("Made.")],
            [calls("rm made.txt", escalated=True)],
            [says("Then not.")],
        ]
        first = await here.say(UserMessage(text="hi"))
        while not made.exists() and stop_of(first) is Stop.TOOL_CALLS:
            call = calls_of(first)[0]
            if "made.txt" in call.arguments:
                break
            # Where no sandbox can be had the first command asks too: it is refused.
            refused = here.history[-1].calls[-1]  # type: ignore[union-attr]
            no = ToolResult(
                call_id=refused.id, name=call.name, status=ResultStatus.REFUSED, text="No."
            )
            first = await here.say(no)
        assert not made.exists()
        assert not (here.work / "quietly.txt").exists()
        given = await here.run(first)
        assert (given.status, given.text) == (ResultStatus.DONE, "Exit code 0.\nok")
        assert made.exists()
        assert stop_of(await here.say(given)) is Stop.DONE
        again = await here.say(UserMessage(text="remove it"))
        call = here.history[-1].calls[-1]  # type: ignore[union-attr]
        no = ToolResult(call_id=call.id, name=call.name, status=ResultStatus.REFUSED, text="No.")
        assert stop_of(again) is Stop.TOOL_CALLS
        assert stop_of(await here.say(no)) is Stop.DONE
        assert made.exists()
        assert set(here.model.keys) == {"Bearer key-of-the-test"}
        assert "key-of-the-test" not in here.sent()  # nor in what `env` printed


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("program", [OLDEST, NEWEST], indirect=True)
async def test_threads_of_the_real_program(program: Path, tmp_path: Path) -> None:
    """A thread is resumed, what was approved too late is asked again, undo and folding reach it."""
    async with real(program, tmp_path) as here:
        write = calls("touch made.txt && echo ok", escalated=True)
        here.model.script = [[write], [write], [says("Late.")], [says("More.")]]
        first = await here.say(UserMessage(text="hi"))
        await here.provider.reset()
        assert here.pool.live == 0
        later = await here.run(first)
        assert later.status is ResultStatus.NOT_RUN
        assert not (here.work / "made.txt").exists()
        second = await here.say(later)
        assert calls_of(second)[0].arguments == calls_of(first)[0].arguments
        assert not (here.work / "made.txt").exists()
        assert stop_of(await here.say(await here.run(second))) is Stop.DONE
        assert (here.work / "made.txt").exists()
        await here.say(UserMessage(text="word-that-is-undone"))
        del here.history[-2:]
        here.model.script = [[says("Other.")], [says("A summary.")], [says("Folded.")]]
        third = await here.say(UserMessage(text="instead"))
        assert "word-that-is-undone" not in here.sent()
        assert "Late." in here.sent()
        usage = [event.usage for event in third if isinstance(event, UsageReported)]
        assert usage[-1].input == 100
        here.history.insert(0, Summary(text="so far"))
        await here.say(UserMessage(text="on"))
        assert "A summary." in here.sent()
        assert here.model.script == []


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_errors_and_stops_of_the_real_program(program: Path, tmp_path: Path) -> None:
    """Its errors carry the status, and a stop ends a running command."""

    async with real(program, tmp_path) as here:
        here.model.script = [401, [calls("echo began; sleep 300")]]
        with pytest.raises(ProviderAuthFailed):
            await here.say(UserMessage(text="hi"))
        running = asyncio.create_task(here.say())
        await here.model.asked_twice.wait()
        running.cancel()
        await asyncio.wait((running,))
        await here.pool.close()
        assert here.pool.live == 0
        with pytest.raises(ProviderAuthFailed, match="codex login"):
            await step(here.provider, request(UserMessage(text="hi")), LOGIN)
