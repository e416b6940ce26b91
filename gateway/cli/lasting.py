"""A chat that outlives restarts of its gateway.

Theory of operation. Every act is kept until the gateway says that it is stored, or that it never
will be. When the gateway hangs up it is dialled again and again, and once it is back it gets all
that is kept, in order and under the old keys, so that nothing is lost and nothing taken twice.
What is said meanwhile is kept behind that. A gateway that takes nothing for now (it is starting,
stopping, or its disk is busy) gets the same again after a moment.
"""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.cli.asking import NotRunning, Refused
from gateway.cli.talk import HungUp, Talk
from gateway.errors import GatewayError
from platforms.terminal.limits import LINE_MAX_BYTES
from platforms.terminal.wire import Act, File, NotStored, Push, Say, Stored, act_line

AWAY_DELAYS_S = (1.0, 2.0, 5.0, 10.0)
"""How long to wait before each try; the last one again and again."""

AGAIN_S = 1.0
"""After how long what was refused for now is sent again."""

DIAL_WITHIN_S = 10.0
STEADY_S = 5.0
"""A gateway that is back for so long is not the one that just came back."""

AWAY = "The gateway is away; trying again ..."

Dial = Callable[[], Awaitable[Talk]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """The gateway has hung up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """It is there again, and has been sent what it had not confirmed."""


Heard = Push | Away | Back


class LastingTalk:
    """One chat over as many connections as it takes; `chat` is its address."""

    def __init__(
        self,
        talk: Talk,
        redial: Dial | None,
        *,
        patience_s: float = math.inf,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `redial` a gateway that hangs up has ended the chat."""
        self.chat = talk.chat
        self._talk: Talk | None = talk
        self._redial = redial
        self._patience_s = patience_s
        self._sleep = sleep
        self._monotonic = monotonic
        self._kept: dict[str, Act] = {}
        self._tries = 0
        self._away_since = 0.0
        self._dialled_at = monotonic()
        self._refused_since: float | None = None
        self._resending: asyncio.Task[None] | None = None

    @property
    def unconfirmed(self) -> tuple[Act, ...]:
        """What the gateway has not confirmed as stored, in order."""
        return tuple(self._kept.values())

    @property
    def away(self) -> bool:
        """Whether the gateway has hung up and is not back yet."""
        return self._talk is None

    def say(self, text: str, files: tuple[File, ...] = ()) -> str:
        """Send words with files; returns the key under which they are acknowledged."""
        key = str(uuid.uuid4())
        self.send(Say(key=key, text=text, files=files))
        return key

    def send(self, act: Act) -> None:
        """Send one act, now or when the gateway takes it."""
        self._kept[act.key] = act
        if self._talk is not None and self._resending is None:
            self._talk.send(act)

    async def hear(self) -> Heard:
        """What comes next.

        Raises HungUp when the gateway is away for good or for `patience_s`, GatewayError with
        its sentence when it takes nothing for as long, Refused when it refuses the chat.
        """
        if self._talk is None and self._redial is not None:
            self._talk = await self._dial_again(self._redial)
            self._dialled_at = self._monotonic()
            self._refused_since = None
            self._send_kept(self._talk)
            return Back()
        if self._talk is None:
            raise HungUp("this chat has ended")
        try:
            push = await self._talk.hear()
        except (HungUp, Refused) as error:
            self._hung_up(error)
            return Away()
        self._tries = 0
        self._confirm(push)
        return push

    def close(self) -> None:
        """Hang up."""
        self._send_again_no_more()
        if self._talk is not None:
            self._talk.close()
            self._talk = None

    def _hung_up(self, error: HungUp | Refused) -> None:
        """Let go of the connection; raises the error if that was the end."""
        now = self._monotonic()
        steady = self._tries == 0 or now - self._dialled_at > STEADY_S
        # One that is just stopping or starting may refuse; any other means what it says.
        if self._redial is None or (steady and isinstance(error, Refused)):
            raise error
        if steady:
            self._tries, self._away_since = 0, now
        self.close()

    async def _dial_again(self, redial: Dial) -> Talk:
        """Try until the gateway is there."""
        while True:
            left = self._away_since + self._patience_s - self._monotonic()
            if left <= 0:
                raise HungUp(f"the gateway was not back within {self._patience_s:.0f} s")
            delay = AWAY_DELAYS_S[min(self._tries, len(AWAY_DELAYS_S) - 1)]
            self._tries += 1
            await self._sleep(min(delay, left))
            try:
                async with asyncio.timeout(DIAL_WITHIN_S):
                    return await redial()
            except (NotRunning, HungUp, TimeoutError):
                continue

    def _confirm(self, push: Push) -> None:
        match push:
            case Stored(key=key):
                self._kept.pop(key, None)
                self._refused_since = None
            case NotStored(again=True):
                self._refused(push)
            case NotStored(key=""):
                self._kept = {
                    key: act
                    for key, act in self._kept.items()
                    if len(act_line(act)) <= LINE_MAX_BYTES
                }
            case NotStored(key=key):
                self._kept.pop(key, None)
            case _:
                pass

    def _refused(self, refusal: NotStored) -> None:
        """Nothing is taken for now: hold everything back for a moment."""
        now = self._monotonic()
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since >= self._patience_s:
            raise GatewayError(refusal.reason)
        if self._resending is None:
            self._resending = asyncio.create_task(self._send_again())

    async def _send_again(self) -> None:
        await self._sleep(AGAIN_S)
        self._resending = None
        if self._talk is not None:
            self._send_kept(self._talk)

    def _send_kept(self, talk: Talk) -> None:
        for act in self._kept.values():
            talk.send(act)

    def _send_again_no_more(self) -> None:
        if self._resending is not None:
            self._resending.cancel()
            self._resending = None


@asynccontextmanager
async def lasting(
    talk: Talk, redial: Dial | None, *, patience_s: float = math.inf
) -> AsyncIterator[LastingTalk]:
    """A chat that lasts until this block ends; takes over `talk`."""
    chat = LastingTalk(talk, redial, patience_s=patience_s)
    try:
        yield chat
    finally:
        chat.close()
