"""How the clock reaches the rest of the gateway, and what its units have to tell it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.store.base import Tx
from gateway.store.records.outbox import OutboxRow

Halt = Callable[[Tx, str, str], str]
"""Why nothing may be spent by jobs in a chat (ACCOUNT, CHAT): frozen, budget, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How the clock reaches the rest of the gateway.

    `account_of` gives the connected account of a platform, `direct` the chat with a person of an
    account; `wake` takes a session up, `tell_owners` takes a key that is told once, and a sentence.
    """

    account_of: Callable[[str], str | None]
    direct: Callable[[str, str], Awaitable[str]]
    wake: Callable[[str], None]
    enqueue: Callable[[tuple[OutboxRow, ...]], None]
    tell_owners: Callable[[str, str], None]
    halt: Halt


@dataclass(slots=True)
class News:
    """What a unit leads to once it is stored."""

    sessions: list[str] = field(default_factory=list)
    rows: list[OutboxRow] = field(default_factory=list)
    owners: list[tuple[str, str]] = field(default_factory=list)
