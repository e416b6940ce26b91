"""Words to owners about the gateway itself, on a platform that still works."""

import asyncio
import logging
from collections.abc import Iterable

from gateway import outgoing, refs, render
from gateway.clock import Clock
from gateway.config.ids import UserId
from gateway.delivery import Deliveries
from gateway.errors import StoreError
from gateway.outlet import Outlet
from gateway.recent import Recent
from gateway.store import transitions
from gateway.store.base import Store
from gateway.store.records import chats, outbox
from gateway.tongues import Tongues
from gateway.words.phrase import ENGLISH, Reader, Told, spoken
from platforms import blocks
from platforms.errors import PlatformError

DAY_MICROS = 24 * 3600 * 1_000_000
ENGLISH_FOR_ALL = Tongues(configured="en")
UNTOLD_KEPT = 100
"""Matters that wait for someone to be told; of older ones the log has to do."""

log = logging.getLogger(__name__)


class Notices:
    """Tells owners what needs a person: each thing once a day, elsewhere if one can."""

    def __init__(
        self,
        *,
        store: Store,
        deliveries: Deliveries,
        clock: Clock,
        owners: Iterable[UserId],
        tongues: Tongues = ENGLISH_FOR_ALL,
    ) -> None:
        """`owners` are gone through anew for everything that is told: others may own it by then.

        Each reads a line in the language `tongues` knows of them.
        """
        self._tongues = tongues
        self._store = store
        self._deliveries = deliveries
        self._clock = clock
        self._owners = owners
        self._untold: Recent[str, tuple[str, Told, int]] = Recent(UNTOLD_KEPT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def tell(self, account: str, key: str, sentence: Told) -> None:
        """Say a sentence about an account to owners on others; the log has it in any case.

        `key` names the matter: the same one is told once a day.
        """
        log.warning("%s", spoken(sentence, ENGLISH))
        self._spawn(account, key, sentence, at=self._clock.now())

    async def take_up(self) -> None:
        """Tell of chats that died lately: the last run may have ended before it could."""
        lately = self._clock.now() - DAY_MICROS
        for chat in await self._store.read(lambda tx: chats.dead_since(tx, lately)):
            self._spawn(
                chat.account,
                f"dead:{chat.chat}",
                render.dead_chat_text(chat.chat, chat.reason),
                at=chat.since,
            )

    def retry(self) -> None:
        """An account was connected: what nobody could be told is tried again."""
        untold = tuple(self._untold.items())
        self._untold.clear()
        for key, (account, sentence, at) in untold:
            self._spawn(account, key, sentence, at=at)

    async def close(self) -> None:
        """Tell nothing more; what comes now is for the log alone."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, account: str, key: str, sentence: Told, *, at: int) -> None:
        if self._closed:
            return
        task = asyncio.create_task(self._tell(account, key, sentence, at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, account: str, key: str, sentence: Told, at: int) -> None:
        everybody = tuple(self._owners)
        elsewhere = [owner for owner in everybody if owner.platform != _platform(account)]
        beside = [owner for owner in everybody if owner.platform == _platform(account)]
        for owners in (elsewhere, beside):
            told = [await self._tell_one(owner, key, sentence, at) for owner in owners]
            if any(told):
                return
        self._untold[key] = (account, sentence, at)

    async def _tell_one(self, owner: UserId, key: str, sentence: Told, at: int) -> bool:
        outlet = self._outlet(owner)
        if outlet is None:
            return False
        day = at // DAY_MICROS
        try:
            chat = await outlet.adapter.direct(owner.id, owner.space)
            person = str(owner)
            language = await self._store.read(lambda tx: self._tongues.of_person(tx, person))
            mark = outlet.adapter.capabilities.command_mark
            words = blocks.plain(spoken(sentence, Reader(language=language, mark=mark)))
            new = outgoing.notice(
                key=f"owner:{key}:{owner}:{day}",
                account=refs.account_text(outlet.account),
                chat=refs.chat_text(chat),
                words=outgoing.Words(body=words),
                nonce=self._clock.nonce(),
            )
            now = self._clock.now()
            row = await self._store.write(
                lambda tx: outbox.insert(tx, new, now=now), transition=transitions.NOTICE_STORED
            )
        except (PlatformError, StoreError) as error:
            log.warning("%s could not be told: %s", owner, error)
            return False
        if row is not None:
            self._deliveries.enqueue((row,))
        return True

    def _outlet(self, owner: UserId) -> Outlet | None:
        """The way out to an owner: an account of their platform that sends."""
        outlets = self._deliveries.outlets()
        return next(
            (o for o in outlets if o.account.platform == owner.platform and not o.problem), None
        )


def _platform(account: str) -> str:
    return account.partition(":")[0]
