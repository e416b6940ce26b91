"""Who says the first word to a press: Discord takes one, within three seconds, and words after it.

Theory of operation. A press, command or filled-in form *stands* from before the journal is asked
(what is said to it may be ready before that returns) until its first answer is out, or won't be;
words that come meanwhile wait. Usually the first answer is ours and says only that we took notice,
as soon as the press is stored. A press that opens a form is left to what the caller has for it,
since a form can only be the first answer: the form, or words for the presser. If neither has come
FORM_WAIT_S after the press arrived we take notice of it as well, so that nobody is shown a
failure. One of the three goes at a time, and the others see what became of it.

An attempt whose answer was lost is remembered: if its repeat hears that the press is answered, it
was by that attempt.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field

from platforms.content import Form
from platforms.discord.clock import Clock
from platforms.discord.limits import FORM_WAIT_S
from platforms.discord.presses import Presses
from platforms.errors import PlatformError, PlatformUnavailable, PressExpired, SendUncertain
from platforms.events import PressToken

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class _Standing:
    """A press without its first answer. `arrived_at`: monotonic seconds."""

    opens_form: bool
    arrived_at: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    doubtful: Form | str | None = None


class FirstAnswers:
    """The presses of one application that stand, over all its connections."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._presses: Presses | None = None
        self._standing: dict[str, _Standing] = {}

    def use(self, presses: Presses) -> None:
        """Answer over this connection from now on."""
        self._presses = presses

    # What the way in says.

    def expect(self, press: PressToken, *, opens_form: bool, arrived_at: float) -> None:
        """A press is about to be stored."""
        standing = _Standing(opens_form=opens_form, arrived_at=arrived_at)
        self._standing.setdefault(press.value, standing)

    def give_up(self, press: PressToken) -> None:
        """A press was not stored and gets no first answer."""
        self._end(press)

    def begin(self, press: PressToken, group: asyncio.TaskGroup) -> None:
        """A press is stored; its first answer is due."""
        task = group.create_task(self._notice(press), name="discord-press")
        task.add_done_callback(lambda _: self._end(press))

    # What the way out says.

    async def say(self, press: PressToken, words: str) -> None:
        """Words for the presser alone, behind the first answer or as it; none end the waiting."""
        standing = self._standing.get(press.value)
        if standing is not None and not standing.opens_form:
            await standing.over.wait()
        elif standing is not None:
            async with standing.turn:
                if not standing.over.is_set():
                    sending = self._connection().say_first(press, words)
                    answered = await self._attempt(standing, words, sending)
                    self._end(press)
                    if answered:
                        return
        await self._connection().answer(press, words)

    async def open_form(self, press: PressToken, form: Form) -> None:
        """Open a form. Raises PressExpired where the press has its first answer already."""
        standing = self._standing.get(press.value)
        if standing is None:
            standing = _Standing(opens_form=True, arrived_at=self._clock.monotonic())
        async with standing.turn:
            if not standing.over.is_set():
                sending = self._connection().open_form(press, form)
                answered = await self._attempt(standing, form, sending)
                self._end(press)
                if answered:
                    return
        raise PressExpired("only the first answer to a press can be a form")

    async def _attempt(
        self, standing: _Standing, what: Form | str, sending: Awaitable[bool]
    ) -> bool:
        """Whether this is the first answer, by this attempt or by one whose answer was lost."""
        before, standing.doubtful = standing.doubtful, what
        try:
            taken = await sending
        except PlatformError as error:
            if not isinstance(error, SendUncertain):
                standing.doubtful = before
            raise
        return taken or before == what

    # Taking notice.

    async def _notice(self, press: PressToken) -> None:
        standing = self._standing.get(press.value)
        if standing is None:
            return
        if standing.opens_form:
            due_at = standing.arrived_at + FORM_WAIT_S
            await self._clock.sleep(max(0.0, due_at - self._clock.monotonic()))
        async with standing.turn:
            if standing.over.is_set():
                return
            try:
                await self._connection().acknowledge(press)
            except PlatformError as error:
                log.info("a press was not acknowledged: %s", error)
            self._end(press)

    def _end(self, press: PressToken) -> None:
        if standing := self._standing.pop(press.value, None):
            standing.over.set()

    def _connection(self) -> Presses:
        if self._presses is None:
            raise PlatformUnavailable("Discord is not connected")
        return self._presses
