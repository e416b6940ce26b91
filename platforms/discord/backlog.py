"""The frames between the socket and the journal: in order, bounded, none ever dropped.

When it is full the socket is not read any more; Discord closes it in the end, and resuming the
session, or reading back where it is over, brings what was not read.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from platforms.fields import Body

ROOM = 10_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it came, and as JSON.

    `shard` it is of, `connection` is the number of the one it came by, `at` when, in monotonic
    seconds; `late`: by reading back; `replayed`: by resuming.
    """

    raw: bytes
    event: Body
    shard: int = 0
    connection: int = 0
    late: bool = False
    replayed: bool = False
    at: float = 0.0


class Backlog:
    """A queue with one reader, who takes a frame away only when it is done with it.

    A frame set aside waits elsewhere for its channel and still takes room.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._frames: deque[Frame] = deque()
        self._aside = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._frames) + self._aside

    @property
    def full(self) -> bool:
        """Whether nothing more may come now."""
        return not self._emptied.is_set()

    def put(self, frame: Frame) -> None:
        """Add a frame; never waits."""
        self._frames.append(frame)
        self._filled.set()
        if len(self) >= self._room:
            self._emptied.clear()

    async def first(self) -> Frame:
        """The oldest frame, which stays."""
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        return self._frames[0]

    def drop_first(self) -> None:
        """The oldest frame is done with."""
        self._frames.popleft()
        self._make_room()

    def set_first_aside(self) -> None:
        """The oldest frame waits elsewhere."""
        self._frames.popleft()
        self._aside += 1

    def drop_aside(self) -> None:
        """A frame that waited elsewhere is done with."""
        self._aside -= 1
        self._make_room()

    def _make_room(self) -> None:
        if len(self) < self._room:
            self._emptied.set()

    async def wait_for_room(self) -> None:
        """Return once another frame may come."""
        await self._emptied.wait()
