"""A coding agent whose gateway is killed: nothing of it goes on."""

import asyncio
import os
import signal
import sys
from pathlib import Path

GATEWAY = """\
import asyncio, pathlib
from agent.providers.codex.child import Child

async def main() -> None:
    argv = ("/bin/sh", "-c", "sleep 600 & exec sleep 600")
    env = {"PATH": "/usr/bin:/bin"}
    child = await Child.start(argv, env=env, cwd=pathlib.Path("."), hide=(), orphaned_s=0.1)
    print(child.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
PATIENCE_S = 60.0


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


async def until_there_are(count: int, group: int) -> None:
    """Wait until a group has so many members; they are no children of ours."""
    async with asyncio.timeout(PATIENCE_S):
        while len(group_of(group)) != count:  # noqa: ASYNC110 - there is no event in /proc
            await asyncio.sleep(0.01)


async def test_nothing_of_the_agent_outlives_a_killed_gateway() -> None:
    """Neither the child, although it does not end with its input, nor a command it had begun."""
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", GATEWAY), stdout=asyncio.subprocess.PIPE
    )
    assert gateway.stdout is not None
    leader = int(await gateway.stdout.readline())
    await until_there_are(2, leader)
    os.kill(gateway.pid, signal.SIGKILL)
    await until_there_are(0, leader)
    await gateway.communicate()
