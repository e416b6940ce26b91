"""Saying one thing after another, and when an answer is complete."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.asking import NotRunning, Refused
from gateway.cli.lasting import Away, Back, Heard, LastingTalk
from gateway.cli.talk import HungUp, ask_on, connect
from gateway.control_requests import AskStatus
from gateway.errors import GatewayError
from platforms.terminal.wire import File, MessageGone, MessageShown, NotStored, Stored, push_line

LOOK_EVERY_S = 0.25
"""How long nothing may come before we ask whether anything still will."""

OTHERS_FOR_S = 3.0
"""How long what waits elsewhere in the gateway may be ours."""

SILENT_FOR_S = 10.0
"""How long an idle gateway may owe the first word of an answer."""

BLIND_FOR_S = 90.0
"""How long a gateway that shows nothing may not tell how it does."""

STATUS_WITHIN_S = 15.0

UNCONFIRMED = (
    "the gateway went away before it had confirmed your message, and was not back in time; say it"
    " again once it runs (gatepost run)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What may still come: a turn of ours runs or will go on; anything waits or leaves anywhere."""

    ours: bool
    others: bool


class Overseer:
    """Knows from the gateway's status whether a chat still has an answer coming."""

    def __init__(self, state_dir: Path, chat: str) -> None:
        self._state_dir = state_dir
        self._session = f"|{chat}"
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def look(self) -> Outlook | None:
        """What may still come; None while the gateway does not say."""
        try:
            if self._connection is None:
                self._connection = await connect(self._state_dir)
            async with asyncio.timeout(STATUS_WITHIN_S):
                status = await ask_on(*self._connection, AskStatus())
        except (NotRunning, HungUp, Refused, TimeoutError):
            self.close()
            return None
        turns = [*status["running"], *status["rows"]["turns"]]
        ours = any(
            turn["session_key"].endswith(self._session)
            # One that waits for a button has said what it has to say.
            for turn in turns
            if turn.get("state") != "waiting"
        )
        leaving = status["outbox"].get("pending", 0) + status["outbox"].get("in_flight", 0)
        return Outlook(ours=ours, others=bool(leaving or sum(status["waiting"].values())))

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None


@asynccontextmanager
async def open_overseer(state_dir: Path, chat: str) -> AsyncIterator[Overseer]:
    """A second connection, for the questions; made anew after the gateway was away."""
    overseer = Overseer(state_dir, chat)
    try:
        yield overseer
    finally:
        overseer.close()


class BrokenOff(GatewayError):
    """The gateway went away while it answered; `shown` is what stood by then."""

    def __init__(self, shown: tuple[MessageShown, ...]) -> None:
        super().__init__(
            "the gateway stopped, so this may not be the whole answer; your message is kept, and"
            " the answer stands in this chat once it runs again"
        )
        self.shown = shown


class Answers:
    """Says one thing after another and collects what is shown in answer."""

    def __init__(
        self,
        talk: LastingTalk,
        overseer: Overseer,
        *,
        on_away: Callable[[], None] = lambda: None,
        others_for_s: float = OTHERS_FOR_S,
        silent_for_s: float = SILENT_FOR_S,
    ) -> None:
        """`on_away` is called whenever the gateway hangs up and is waited for."""
        self._talk = talk
        self._overseer = overseer
        self._on_away = on_away
        self._others_for_s = others_for_s
        self._silent_for_s = silent_for_s
        self._hearing: asyncio.Task[Heard] | None = None
        self._done: dict[str, bytes] = {}
        self.earlier: list[MessageShown] = []
        """Messages that had come before the first thing was said."""

    async def answer(self, text: str, files: tuple[File, ...] = ()) -> tuple[MessageShown, ...]:
        """Every message shown until the gateway has nothing more to say; () if it is silent.

        Raises GatewayError if the words could not be stored, BrokenOff if the gateway went away
        and was not back in time.
        """
        key = self._talk.say(text, files)
        try:
            shown = await self._stored(key)
        except HungUp as error:
            raise GatewayError(UNCONFIRMED) from error
        try:
            await self._collect(shown)
        except GatewayError as error:
            raise BrokenOff(tuple(shown.values())) from error
        self._note(shown.values())
        return tuple(shown.values())

    async def close(self) -> None:
        """Stop listening."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)

    async def _stored(self, key: str) -> dict[str, MessageShown]:
        """Wait until words are stored; returns what may already be shown in answer."""
        shown: dict[str, MessageShown] = {}
        answered = False
        while True:
            heard = await self._next(None)
            match heard:
                case Stored(key=found) if found == key:
                    break
                case NotStored(key=found, reason=reason, again=False) if found in {key, ""}:
                    raise GatewayError(reason)
                case Back():
                    # It may have stored them before it went away, and have answered by now.
                    self._take_as_earlier(shown)
                    answered = True
                case _:
                    self._fold(heard, shown)
        if not answered:
            self._take_as_earlier(shown)
        return shown

    async def _collect(self, shown: dict[str, MessageShown]) -> None:
        """Let `shown` become the answer."""
        quiet_since: float | None = None
        blind = False
        loop = asyncio.get_running_loop()
        while True:
            heard = await self._next(LOOK_EVERY_S)
            if heard is not None:
                self._fold(heard, shown)
                quiet_since = None
                continue
            outlook = await self._overseer.look()
            # While it is away it can show nothing, even if it runs again and owes nothing any more.
            if self._talk.away or (outlook is not None and outlook.ours):
                quiet_since = None
                continue
            if blind != (outlook is None):
                blind, quiet_since = not blind, None
            quiet_since = quiet_since or loop.time()
            quiet_for = loop.time() - quiet_since
            if outlook is None:
                if quiet_for > BLIND_FOR_S:
                    raise GatewayError("the gateway does not say whether more is to come")
                continue
            patience = self._others_for_s if shown else self._silent_for_s
            if quiet_for > patience or (shown and not outlook.others):
                break
        while (heard := await self._next(0)) is not None:  # something may have come while we asked
            self._fold(heard, shown)

    async def _next(self, within_s: float | None) -> Heard | None:
        """What comes next, or None if nothing does in time; what comes later is not lost."""
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._talk.hear())
        done, _ = await asyncio.wait({self._hearing}, timeout=within_s)
        if not done:
            return None
        hearing, self._hearing = self._hearing, None
        return hearing.result()

    def _fold(self, heard: Heard | None, shown: dict[str, MessageShown]) -> None:
        match heard:
            case MessageShown(message_id=ident):
                if self._done.get(ident) != _digest(heard):
                    shown[ident] = heard
            case MessageGone(message_id=ident):
                shown.pop(ident, None)
            case Away():
                self._on_away()
            case _:
                pass

    def _take_as_earlier(self, shown: dict[str, MessageShown]) -> None:
        self.earlier.extend(shown.values())
        self._note(shown.values())
        shown.clear()

    def _note(self, messages: Iterable[MessageShown]) -> None:
        """A gateway that comes back may show once more what it does not know was seen."""
        for message in messages:
            self._done[message.message_id] = _digest(message)


def _digest(message: MessageShown) -> bytes:
    return hashlib.sha256(push_line(message)).digest()
