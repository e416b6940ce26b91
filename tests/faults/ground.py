"""A stage with owners who are told, a log that is listened to, and a database that gets locked."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from gateway.operator import SurfaceStatus
from tests.scenarios.stage import WAIT_S, Stage, Surface
from tests.scenarios.terminal import TerminalSurface
from tests.wire.openai import Reply, last_user_text
from tests.wire.openai.script import Script

OWNER = f"terminal:{os.getuid()}"

_HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


class Ground(Stage):
    """`async with Ground(wire, path=path) as stage:`; the owner sits at the terminal `owner`."""

    def __init__(self, *surfaces: Surface, path: Path, owned: bool = False, **more: Any) -> None:
        """`owned` puts an owner at a terminal of its own beside the surfaces."""
        self.owner = TerminalSurface()
        seats = (*surfaces, self.owner) if owned else surfaces
        super().__init__(*seats, path=path, owners=(OWNER,) if owned else (), **more)

    async def owner_reads(self, words: str) -> str:
        """Wait until the owner is told something."""
        return await self.sees(words, at=self.owner)

    async def surface_status(self, platform: str) -> SurfaceStatus:
        """How a platform does, as `status` says it."""
        status = await self.running.operator.status()
        return next(each for each in status.platforms if each.platform == platform)

    async def story(self, ident: str) -> str:
        """What `gatepost why` tells."""
        return "\n".join(await self.running.operator.why(ident))

    async def story_tells(self, ident: str, words: str) -> None:
        """Ask for a story until it holds these words: what is only stored nobody is shown."""
        async with asyncio.timeout(WAIT_S):
            while words not in await self.story(ident):
                pass


class Answers:
    """What the model says, by the last words it was told."""

    def __init__(self) -> None:
        self._replies: dict[str, Script] = {}

    def __setitem__(self, question: str, reply: Script) -> None:
        self._replies[question] = reply

    def ask(self, surface: Surface, answer: str) -> str:
        """A question that is answered so, and by nobody else."""
        question = f"{surface.name}, {len(self._replies)}?"
        self._replies[question] = Reply(deltas=(answer,))
        return question

    def __call__(self, request: Mapping[str, Any]) -> Script:
        """The answer to a request; a question that was never answered stands before the last."""
        said = last_user_text(request["messages"])
        known = [question for question in self._replies if question in said]
        return self._replies[max(known, key=said.rfind)]


Story = Callable[[Ground, Any], Coroutine[Any, Any, None]]


async def everywhere(stage: Ground, story: Story) -> None:
    """Play a story on every surface at once."""
    async with asyncio.TaskGroup() as group:
        for surface in stage.surfaces:
            if surface is not stage.owner:
                group.create_task(story(stage, surface))


class _Ear(logging.Handler):
    def __init__(self, words: str, times: int) -> None:
        super().__init__()
        self.heard = asyncio.Event()
        self._words = words
        self._left = times

    def emit(self, record: logging.LogRecord) -> None:
        """Any thread's record; only those of the loop's are waited for here."""
        if self._words in record.getMessage():
            self._left -= 1
            if self._left <= 0:
                self.heard.set()


@contextmanager
def listening(name: str, words: str, *, times: int = 1) -> Iterator[asyncio.Event]:
    """An event that is set once the logger of this name has said these words so often."""
    ear = _Ear(words, times)
    logger = logging.getLogger(name)
    logger.addHandler(ear)
    try:
        yield ear.heard
    finally:
        logger.removeHandler(ear)


async def heard(event: asyncio.Event) -> None:
    """Wait for what is listened for."""
    await asyncio.wait_for(event.wait(), WAIT_S)


@asynccontextmanager
async def locked(state: Path) -> AsyncIterator[None]:
    """Another process holds the database for writing meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _HOLD,
        str(state / "gatepost.db"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        await process.communicate(b"")
