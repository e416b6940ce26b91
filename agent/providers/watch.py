"""Reading a response within its bounds in time."""

import asyncio

import aiohttp

from agent.providers.bounds import Bounds

NOTHING_CAME = "nothing came"


class BoundReached(Exception):
    """One of the bounds in time was reached; the text says which.

    `silent`: nothing came at all, as on a dead connection.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.silent = text.startswith(NOTHING_CAME)


class Watch:
    """Reads within the bounds in time. Only time spent waiting for bytes counts.

    One timer serves the whole stream: it is set to the nearest bound, and when it fires too early
    it is set again. A timer per read would cost as much as decoding what was read.
    """

    def __init__(self, response: aiohttp.ClientResponse, bounds: Bounds) -> None:
        self._response = response
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._waited = 0.0
        self._progress_at = 0.0
        self._stopping_at: float | None = None
        self._waiting = False
        self._deadline = 0.0
        self._reason = ""
        self._reached = ""
        self._timer: asyncio.TimerHandle | None = None

    def progressed(self) -> None:
        """Something came that the reader is waiting for."""
        self._progress_at = self._waited

    def stopping(self) -> None:
        """The reply is complete; only usage may still come."""
        if self._stopping_at is None:
            self._stopping_at = self._waited

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def read(self) -> bytes:
        """Return what has come or comes next, nothing at the end; raises BoundReached."""
        if self._reached:  # bytes came in the same instant, and hid what the timer had done
            raise BoundReached(self._reached)
        content = self._response.content
        if content.at_eof():
            return b""
        began = self._loop.time()
        self._arm(began)
        self._waiting = True
        try:
            return await content.readany()
        except (aiohttp.ClientError, OSError):
            if self._reached:
                raise BoundReached(self._reached) from None
            raise
        finally:
            self._waiting = False
            self._waited += self._loop.time() - began

    def _arm(self, now: float) -> None:
        bounds, waited = self._bounds, self._waited
        left, reason = bounds.idle_s, NOTHING_CAME
        if (progress := bounds.progress_s - (waited - self._progress_at)) < left:
            left, reason = progress, "no progress"
        if (step := bounds.step_s - waited) < left:
            left, reason = step, "the whole step took too long"
        if self._stopping_at is not None:
            left = min(left, bounds.after_finish_s - (waited - self._stopping_at))
        self._deadline, self._reason = now + left, reason
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        if self._loop.time() + 0.001 < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._fire)
            return
        self._reached = f"{self._reason} within the bound"
        self._response.close()
