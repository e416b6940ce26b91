"""A whole gateway with a coding agent's child, killed in the middle of its turn."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.processes import CONFIG, PATIENCE_S, running, start
from tests.wire.codex.stage import CHILD

CODER = """\
[[providers]]
name = "coder"
api = "codex-app-server"
model = "gpt-test"
price = "included"
command = {command}
"""

pytestmark = pytest.mark.slow  # a whole process starts


def group_of(leader: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(directory.name))
    return found


def logged(path: Path, name: str) -> list[Any]:
    """What the children have logged under a name."""
    if not path.exists():
        return []
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [each[name] for each in entries if name in each]


async def until_logged(path: Path, name: str) -> Any:
    """Wait for it; another process writes it."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := logged(path, name)):  # noqa: ASYNC110 - there is no event in a file
            await asyncio.sleep(0.02)
    return found[0]


async def test_nothing_of_the_agent_outlives_a_killed_gateway(tmp_path: Path) -> None:
    """Neither the child, whose input has ended, nor a command it had begun."""
    script = tmp_path / "coder.json"
    script.write_text(json.dumps({"turns": [[{"spawn": 600}, {"silence": True}]]}))
    command = [sys.executable, "-I", "-S", str(CHILD), str(script), "app-server"]
    config = CONFIG.partition("[[providers]]")[0] + CODER.format(command=json.dumps(command))
    (tmp_path / "gatepost.toml").write_text(config)
    log = script.with_suffix(".log")
    async with running(tmp_path) as gateway:
        chat = await start(tmp_path, "chat", "--once", "build it")
        child = await until_logged(log, "started")
        spawned = await until_logged(log, "spawned")
        assert {child, spawned} <= set(group_of(child))
        gateway.kill()
        await gateway.wait()
        async with asyncio.timeout(PATIENCE_S):
            while group_of(child):  # noqa: ASYNC110 - they are no children of ours
                await asyncio.sleep(0.02)
        chat.kill()
        await chat.communicate()
