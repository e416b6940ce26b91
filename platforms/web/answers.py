"""Answers to presses on pages without script, kept until the next page shows them.

A page with script learns from its stream what became of a press. One without loads a page anew
right after it, and that page waits a moment for the answer, so that it can show it.
"""

import asyncio
from collections import OrderedDict

from platforms.web.limits import ANSWERS_MAX


class Answers:
    """What was said to whom, by the key of the press; used from one event loop."""

    def __init__(self) -> None:
        self._awaited: OrderedDict[str, asyncio.Future[str]] = OrderedDict()

    def expect(self, key: str) -> None:
        """A press is about to be stored."""
        self._awaited.setdefault(key, asyncio.get_running_loop().create_future())
        while len(self._awaited) > ANSWERS_MAX:
            _, forgotten = self._awaited.popitem(last=False)
            forgotten.cancel()

    def give(self, key: str, text: str) -> None:
        """The answer to a press, if a page waits for it; the first words count."""
        answer = self._awaited.get(key)
        if answer is not None and not answer.done():
            answer.set_result(text)

    def forget(self, key: str) -> None:
        """The press was not stored, so nobody will answer it."""
        answer = self._awaited.pop(key, None)
        if answer is not None:
            answer.cancel()

    async def take(self, key: str, *, within_s: float) -> str | None:
        """The answer, "" if there is none to be shown; None while it may yet come."""
        answer = self._awaited.get(key)
        if answer is None:
            return ""
        await asyncio.wait([answer], timeout=within_s)
        if not answer.done():
            return None
        self._awaited.pop(key, None)
        return "" if answer.cancelled() else answer.result()
