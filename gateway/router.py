"""The three lanes: what was stored goes where it must not wait behind a turn."""

import asyncio
from typing import assert_never

from gateway.command_lane import CommandLane
from gateway.delivery import Deliveries
from gateway.ingest import Stored
from gateway.sessions import Sessions
from gateway.store.base import Store
from gateway.store.records import inbox
from gateway.store.records.inbox import Waiting


class Router:
    """Hands stored events to their lane, on arrival and again after a restart."""

    def __init__(
        self, *, store: Store, sessions: Sessions, commands: CommandLane, deliveries: Deliveries
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._commands = commands
        self._deliveries = deliveries
        self._handling: dict[int, asyncio.Task[None]] = {}

    def route(self, stored: Stored) -> None:
        """Start what a delivery asks for; returns at once."""
        for entered in stored.entered:
            self._route(entered.row)
        for account, press in stored.turned_away:
            self._deliveries.end_press(account, press)
        for chat in stored.dead:
            self._deliveries.bury(chat)
        self._deliveries.enqueue(stored.replies)

    async def resume(self, account: str) -> None:
        """Take up what was stored for an account and not handled before the last stop."""
        for row in await self._store.read(inbox.waiting_now):
            if row.account == account:
                self._route(row)
        await self._sessions.resume(account)

    async def settled(self, *, within_s: float | None = None) -> None:
        """Wait until no command is being carried out; what is after so long, the next start does.

        Without `within_s` for as long as it takes.
        """
        while self._handling:
            _, late = await asyncio.wait(self._handling.values(), timeout=within_s)
            for task in late:
                task.cancel()

    def _route(self, row: Waiting) -> None:
        match row.lane:
            case "turn":
                self._sessions.arrived(row)
            case "now" | "press":
                if row.id in self._handling:  # read from the store before its routing
                    return
                self._sessions.hurry(row.session_key)
                task = asyncio.create_task(self._commands.handle(row))
                self._handling[row.id] = task
                task.add_done_callback(lambda _: self._handling.pop(row.id))
            case lane:
                assert_never(lane)
