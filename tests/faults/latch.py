"""An event that tells when somebody waits for it."""

import asyncio
from typing import Literal


class Latch(asyncio.Event):
    """Holds a request with `Hold(released=latch)`; `met` is set once the request is there."""

    def __init__(self) -> None:
        super().__init__()
        self.met = asyncio.Event()

    async def wait(self) -> Literal[True]:
        """Wait until it is set."""
        self.met.set()
        return await super().wait()
