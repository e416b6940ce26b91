"""Named chats over a whole gateway: what they hear of by themselves, and who may write there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.messages import ToolResult, Usage
from agent.providers.base import UsageReported
from gateway.app import Gateway
from gateway.config import load
from platforms.blocks import from_json, plain_text
from tests.agent.scripted import ScriptedProvider, call, entry
from tests.gateway.approvals.house import Flat
from tests.gateway.core import says

OPS, DECIDES = "terminal:7", "terminal:5"
FILE = """
[gateway]
state_dir = "{path}/state"
[web]
listen = "127.0.0.1:0"
[tools]
enabled = ["send_message"]
[budget]
background_day = 1
[destinations.ops]
chat = "terminal:7"
notices = ["turn_done", "approval_waiting", "error", "budget"]
[destinations.team]
chat = "terminal:8"
[destinations.board]
chat = "terminal:9"
users = ["telegram:1001"]
"""
JOB = """
[[cron]]
name = "{name}"
schedule = "@yearly"
prompt = "Do it."
deliver = "web:local"
approver = "terminal:5"
"""
BROKEN = (RuntimeError("a fault of ours"), *says("never said"))


@dataclass(slots=True)
class Run:
    """A gateway that runs, and its model."""

    gateway: Gateway
    model: ScriptedProvider
    price: Flat

    async def fires(self, name: str) -> None:
        """Have a job run."""
        await self.gateway._jobs.fire_now(name, by="us")

    async def until(self, holds: Callable[[list[tuple[str, ...]]], bool], sql: str) -> list[str]:
        """Ask the store until its answer is as wanted; the first column of it."""
        async with asyncio.timeout(60):
            while not holds(rows := await self.gateway._store.read(lambda tx: tx.rows(sql))):
                pass
        return [str(row[0]) for row in rows]

    async def posts(self, chat: str, count: int) -> list[str]:
        """What was posted to a chat, once it is so much."""
        rows = await self.until(
            lambda rows: len(rows) >= count,
            f"SELECT content FROM outbox WHERE chat = '{chat}' AND op = 'post' ORDER BY id",
        )
        return [plain_text(from_json(json.loads(row)["body"])) for row in rows]


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Run]:
    """Start it anew, in the same place."""
    file = path / "gatepost.toml"
    jobs = "".join(JOB.format(name=name) for name in ("talks", "asks", "breaks"))
    file.write_text(FILE.format(path=path) + jobs)
    file.chmod(0o600)
    model, price = ScriptedProvider(), Flat()
    gateway = Gateway(load(file, {}))
    await gateway.start((entry(model, pricing=price),))
    try:
        yield Run(gateway, model, price)
    finally:
        await gateway.stop()


async def test_a_named_chat_hears_of_all_four(tmp_path: Path) -> None:
    """What a run had no time to tell, the next one tells as it begins; nothing of what was said."""
    async with running(tmp_path) as run:
        run.model.script(says("", calls=(call("send_message", '{"to": "team", "text": "psst"}'),)))
        await run.fires("asks")
        (card,) = await run.posts(DECIDES, 1)
        run.model.script(BROKEN)
        await run.fires("breaks")
        await run.until(bool, "SELECT id FROM turn WHERE state = 'failed'")
        run.price.ceiling = run.price.actual = 900_000
        run.model.script((UsageReported(usage=Usage(input=1, output=1)), *says("A secret.")))
        await run.fires("talks")
        await run.until(bool, "SELECT id FROM turn WHERE state = 'done'")
    assert "send_message" in card and "asked by job asks" in card
    async with running(tmp_path) as run:
        told = "\n".join(await run.posts(OPS, 4))
    assert "The turn t3 of job talks in web:" in told and "is done after" in told
    assert "The turn t2 of job breaks in web:" in told and "failed: gatepost why t2." in told
    assert f"waits in {DECIDES} (send_message" in told
    assert "(background_day), $0.90 of $1.00 are spent: gatepost spend." in told
    assert "secret" not in told and "psst" not in told


async def test_a_run_writes_only_where_everybody_s_turns_may(tmp_path: Path) -> None:
    """Nobody has asked for it, so it is none of the people a chat is open to; nobody is asked."""
    async with running(tmp_path) as run:
        to_board = call("send_message", '{"to": "board", "text": "hello"}')
        run.model.script(says("", calls=(to_board,)), says("[nothing to say]"))
        await run.fires("talks")
        await run.until(bool, "SELECT id FROM turn WHERE state = 'done'")
        (result,) = [m for m in run.model.requests[1].messages if isinstance(m, ToolResult)]
        assert result.text.startswith("board is not open to whoever asked")
        assert await run.until(lambda rows: True, "SELECT id FROM outbox") == []
