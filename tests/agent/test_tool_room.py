"""Places for tools of all turns: so many of a chat, so many in all, and none is lost."""

import asyncio
from contextlib import suppress

import pytest

from agent.tool_room import ToolRoom


class Crowd:
    """Tools that want a place, and keep it until they are told to go."""

    def __init__(self, room: ToolRoom) -> None:
        self.room = room
        self.inside: list[str] = []
        self.moved: list[str] = []
        self._go: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def comes(self, *names: str) -> None:
        """Let tools come, each named after its chat and a number."""
        for name in names:
            self._go[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._be(name))
        await self.settled()

    async def goes(self, *names: str) -> None:
        """Let tools end."""
        for name in names:
            self._go[name].set()
            await self._tasks[name]
        await self.settled()

    async def is_cut(self, name: str) -> None:
        """Cancel a tool, wherever it is."""
        self._tasks[name].cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks[name]
        await self.settled()

    async def goes_as_is_cut(self, gone: str, cut: str) -> None:
        """Cancel a tool in the moment in which it gets the place of one that ends."""
        self._tasks[gone].add_done_callback(lambda _: self._tasks[cut].cancel())
        self._go[gone].set()
        await asyncio.wait((self._tasks[gone], self._tasks[cut]))
        await self.settled()

    async def settled(self) -> None:
        """Let everybody who can move do so."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def _be(self, name: str) -> None:
        async with self.room.place(name[0], lambda: self.moved.append(name)):
            self.inside.append(name)
            try:
                await self._go[name].wait()
            finally:
                self.inside.remove(name)


@pytest.fixture
def crowd() -> Crowd:
    """Two places for a chat, three in all."""
    return Crowd(ToolRoom(of_chat=2, in_all=3))


async def test_a_chat_has_so_many_places(crowd: Crowd) -> None:
    """Its third tool waits, and holds up no other chat's."""
    await crowd.comes("a1", "a2", "a3", "b1")
    assert crowd.inside == ["a1", "a2", "b1"]
    await crowd.goes("a1")
    assert crowd.inside == ["a2", "b1", "a3"]
    await crowd.goes("a2", "a3", "b1")
    assert crowd.inside == []


async def test_there_are_so_many_places_in_all(crowd: Crowd) -> None:
    """Who waits comes in in order, and hears that others move."""
    await crowd.comes("a1", "b1", "c1", "d1", "e1")
    assert crowd.inside == ["a1", "b1", "c1"]
    await crowd.goes("b1")
    assert (crowd.inside, crowd.moved) == (["a1", "c1", "d1"], ["d1", "e1"])
    await crowd.goes("a1")
    assert crowd.inside == ["c1", "d1", "e1"]
    await crowd.goes("c1", "d1", "e1")


async def test_a_cut_loses_no_place(crowd: Crowd) -> None:
    """Neither one that is waited for nor one that is taken, nor one just given."""
    await crowd.comes("a1", "a2", "a3", "a4")
    await crowd.is_cut("a3")
    await crowd.is_cut("a1")
    assert crowd.inside == ["a2", "a4"]
    await crowd.comes("a5", "a6")
    await crowd.goes_as_is_cut("a2", "a5")
    assert crowd.inside == ["a4", "a6"]
    await crowd.goes("a4", "a6")
    await crowd.comes("a7", "a8", "b7")
    assert crowd.inside == ["a7", "a8", "b7"]
    await crowd.goes("a7", "a8", "b7")
