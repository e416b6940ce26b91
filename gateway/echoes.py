"""Our own messages as platforms hand them back: each must be one that we sent.

Theory of operation. An echo often comes before the row of its message is settled, so it is
looked up after EXPLAIN_WITHIN_S, all that have gathered in one read. One that no row explains
was written by somebody else with our token: the chat is paused for PAUSE_S after the last such
message and owners are told, since two gateways on one token answer everything twice. An echo
also settles a post that was given up as uncertain: it does stand.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway import refs
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.errors import StoreError
from gateway.notices import Notices
from gateway.slots import root_of
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import chats, outbox
from platforms.events import MessageReceived

EXPLAIN_WITHIN_S = 10.0
PAUSE_S = 300.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Echo:
    account: str
    chat: str
    root: str
    message_id: str
    nonce: str | None


class Echoes:
    """Looks every own message up in the outbox."""

    def __init__(
        self,
        *,
        store: Store,
        deliveries: Deliveries,
        notices: Notices,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._notices = notices
        self._clock = clock
        self._sleep = sleep
        self._gathered: list[_Echo] = []
        self._came = asyncio.Event()
        self._paused: dict[tuple[str, str], float] = {}

    def saw(self, event: MessageReceived) -> None:
        """An own message came back; files are not looked at, some platforms give them no id."""
        if event.attachments:
            return
        self._gathered.append(
            _Echo(
                account=refs.account_text(event.account),
                chat=refs.chat_text(event.chat),
                root=root_of(event.chat),
                message_id=event.message.message_id,
                nonce=event.nonce,
            )
        )
        self._came.set()

    async def run(self) -> None:
        """Look up what comes, and end pauses that are over, until cancelled."""
        while True:
            if not self._paused:
                await self._came.wait()
            self._came.clear()
            await self._sleep(EXPLAIN_WITHIN_S)
            try:
                await self.look()
            except StoreError as error:
                log.warning("own messages could not be looked up: %s", error)

    async def look(self) -> None:
        """Look up what has gathered, and end the pauses that are over."""
        echoes, self._gathered = self._gathered, []
        await self._look_up(echoes)
        await self._end_pauses()

    async def _look_up(self, echoes: list[_Echo]) -> None:
        now = self._clock.now()

        def query(tx: Tx) -> tuple[list[_Echo], list[tuple[int, str]]]:
            foreign: list[_Echo] = []
            stands: list[tuple[int, str]] = []
            for echo in echoes:
                found = outbox.explains(
                    tx,
                    account=echo.account,
                    chats=(echo.chat, echo.root),
                    message_id=echo.message_id,
                    nonce=echo.nonce,
                )
                if found is None:
                    foreign.append(echo)
                elif found.state == "unknown":
                    stands.append((found.id, echo.message_id))
            return foreign, stands

        foreign, stands = await self._store.read(query)
        for ident, message_id in stands:
            await self._store.write(
                lambda tx, i=ident, m=message_id: outbox.settle(  # type: ignore[misc]
                    tx, i, state="sent", message_id=m, reason="it came back to us", now=now
                ),
                transition=transitions.ROW_SETTLED,
            )
        for echo in foreign:
            await self._pause(echo)

    async def _pause(self, echo: _Echo) -> None:
        place = (echo.account, echo.root)
        fresh = place not in self._paused
        self._paused[place] = self._clock.monotonic() + PAUSE_S
        if not fresh:
            return
        now = self._clock.now()
        if outlet := self._deliveries.outlet(echo.account):
            outlet.hold(echo.root)  # before anything that can fail
        await self._store.write(
            lambda tx: chats.mark(
                tx,
                account=echo.account,
                chat=echo.root,
                state="paused",
                reason="foreign_writer",
                now=now,
            ),
            transition=transitions.CHAT_PAUSED,
        )
        self._notices.tell(
            echo.account,
            f"foreign:{echo.root}",
            f"Somebody else writes with my token in {echo.root} (message {echo.message_id})."
            f" I send nothing there for {PAUSE_S / 60:.0f} minutes: stop the other process, or"
            " give each its own bot.",
        )

    async def _end_pauses(self) -> None:
        now = self._clock.monotonic()
        for place in [place for place, until in self._paused.items() if until <= now]:
            account, chat = place
            await self._store.write(
                lambda tx, a=account, c=chat: chats.clear(  # type: ignore[misc]
                    tx, account=a, chat=c, state="paused"
                ),
                transition=transitions.CHAT_RESUMED,
            )
            del self._paused[place]  # after what can fail, so that it is tried again
            if outlet := self._deliveries.outlet(account):
                outlet.release(chat)
