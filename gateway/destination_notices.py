"""Notices to chats by name: a turn is done or has failed, an approval waits, a limit is near.

Theory of operation. A look reads what has happened from its rows and stores one post for each
thing a chat wants to hear of, under a key of the two: a thing is told once, whatever dies. Turns
are looked for a while back from the last look, since a row's time is older than its commit.

A notice says that and where, never what: its readers need not be those of the chat it is about.
What a chat sees itself it is not told again.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from agent.costs import dollars
from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.config import DestinationConfig
from gateway.config.values import NoticeKind
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.recent import Recent
from gateway.scopes import scope_name
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import happenings, outbox, queue
from gateway.store.records.happenings import EndedTurn, NearlySpent
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.store.records.queue import OpenCard
from platforms import blocks

LOOK_S: Final = 10.0
AT_ONCE: Final = 100
"""Ended turns of one look; the next one takes up the rest."""
MARGIN_US: Final = 60_000_000
"""How much older than its commit the time of a row may be."""
AT_START_US: Final = 300_000_000
"""How far back the first look goes: a run may have ended before it could tell."""
KNOWN: Final = 2_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing to tell: `key` names it for good, `chat` is where it happened, empty for all."""

    kind: NoticeKind
    key: str
    chat: str
    text: str


class DestinationNotices:
    """Tells named chats what they want to hear of."""

    def __init__(
        self,
        named: Mapping[str, DestinationConfig],
        *,
        store: Store,
        clock: Clock,
        account_of: Callable[[str], str | None],
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
        at_once: int = AT_ONCE,
    ) -> None:
        """`account_of` gives the connected account of a platform, None where there is none."""
        self._named = {name: each for name, each in named.items() if each.notices}
        self._store = store
        self._clock = clock
        self._account_of = account_of
        self._enqueue = enqueue
        self._at_once = at_once
        self._since = clock.now() - AT_START_US
        self._told: Recent[str, bool] = Recent(KNOWN)

    @property
    def wanted(self) -> bool:
        """Whether any chat wants to hear of anything."""
        return bool(self._named)

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except (StoreFailed, StoreClosed):
                return
            except StoreError as error:
                log.warning("notices to named chats look again: %s", error)
            except Exception:
                log.exception("notices to named chats stumbled; they look again")
            await sleep(LOOK_S)

    async def look(self) -> None:
        """Tell what has happened since the last look."""
        now = self._clock.now()
        ended, found = await self._store.read(lambda tx: self._happened(tx, now))
        new = [row for each in found for row in self._posts(each)]
        if new:

            def unit(tx: Tx) -> tuple[OutboxRow, ...]:
                stored = (outbox.insert(tx, row, now=now) for row in new)
                return tuple(row for row in stored if row is not None)

            self._enqueue(await self._store.write(unit, transition=transitions.NOTICE_STORED))
            for row in new:
                self._told[row.dedupe_key] = True
        whole = len(ended) < self._at_once
        self._since = now - MARGIN_US if whole else ended[-1].closed_at

    def _happened(self, tx: Tx, now: int) -> tuple[tuple[EndedTurn, ...], tuple[Happening, ...]]:
        """Turns that ended, and everything there is to tell."""
        ended = happenings.ended_turns(tx, since=self._since, limit=self._at_once)
        limits = happenings.nearly_spent(tx, now=now, limit=AT_ONCE)
        turns = (_turn(turn) for turn in ended if turn.state != "cancelled")
        return ended, (*turns, *map(_card, queue.listed(tx)), *map(_limit, limits))

    def _posts(self, happening: Happening) -> Iterator[NewOutbox]:
        for name, destination in self._named.items():
            key = f"to:{name}:{happening.key}"
            chat = str(destination.chat)
            if happening.kind not in destination.notices or key in self._told:
                continue
            if happening.chat and refs.root_text(happening.chat) == refs.root_text(chat):
                continue
            account = self._account_of(destination.chat.platform)
            if account is None:
                continue  # an approval and a limit are told when it is there
            yield outgoing.notice(
                key=key,
                account=account,
                chat=chat,
                words=outgoing.Words(body=blocks.plain(happening.text)),
                nonce=self._clock.nonce(),
            )


def _turn(turn: EndedTurn) -> Happening:
    done = turn.state == "done"
    what = f"is done after {_took(turn)}." if done else f"failed: gatepost why t{turn.turn_id}."
    of = f" of {turn.requester_name}" if turn.requester_name else ""
    return Happening(
        kind="turn_done" if done else "error",
        key=f"turn:{turn.turn_id}",
        chat=turn.chat,
        text=f"The turn t{turn.turn_id}{of} in {turn.chat} {what}",
    )


def _card(card: OpenCard) -> Happening:
    what = f" ({card.tool} {card.operation})" if card.tool else ""
    text = f"Approval {card.code} waits in {card.chat}{what}: gatepost show {card.code}."
    if card.kind == "question":
        text = f"A question waits in {card.chat}: gatepost show {card.code}."
    return Happening(
        kind="approval_waiting",
        key=f"card:{card.code}:{card.created_at}",
        chat=card.chat,
        text=text,
    )


def _limit(limit: NearlySpent) -> Happening:
    return Happening(
        kind="budget",
        key=f"budget:{limit.scope}:{limit.span}",
        chat="",
        text=f"Of the budget of {scope_name(limit.scope)} ({limit.scope}),"
        f" {dollars(limit.settled)} of {dollars(limit.limit)} are spent: gatepost spend.",
    )


def _took(turn: EndedTurn) -> str:
    seconds = max(0, turn.closed_at - turn.opened_at) // 1_000_000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
