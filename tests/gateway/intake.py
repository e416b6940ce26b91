"""An Ingest over a real store, and what it handed on."""

import asyncio
from pathlib import Path
from typing import Any

from gateway.asking import OwnerSpot
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config
from gateway.desk_assembly import rights_of
from gateway.ingest import Ingest, Stored
from gateway.listed import ListedChats
from gateway.membership import Memberships
from gateway.owner_cards import OwnerCards
from gateway.owner_codes import OwnerCodes
from gateway.owners import Owners
from gateway.pairing import PairingDesk
from gateway.store.base import Store
from gateway.store.blobs import Blobs
from gateway.store.records import inbox
from gateway.tongues import Tongues
from platforms.events import MessageReceived, Receipt
from tests.gateway.events import delivery
from tests.gateway.hand_clock import HandClock

CONFIG = Config(
    access=AccessConfig(
        users=(parse_user("telegram:1001"),), chats=(parse_chat("telegram:-100200"),)
    )
)


class Intake:
    """An Ingest over a real store, and what it handed on."""

    def __init__(self, store: Store, path: Path, clock: HandClock) -> None:
        self.store = store
        self.blobs = Blobs(path / "blobs")
        self.routed: list[Stored] = []
        self.routing = asyncio.Event()
        self._clock = clock
        self.own: list[MessageReceived] = []
        self.ingest = self.made()

    def made(self, config: Config = CONFIG, commit_limit_s: float = 60.0) -> Ingest:
        """An Ingest over the same store."""
        cards = OwnerCards(spot=OwnerSpot(), tongues=Tongues(), clock=self._clock)
        owners = Owners(config)
        rights = rights_of(config, owners)
        return Ingest(
            store=self.store,
            blobs=self.blobs,
            config=config,
            clock=self._clock,
            route=self._route,
            memberships=Memberships(cards=cards, clock=self._clock),
            codes=OwnerCodes(owners=owners, rights=rights, clock=self._clock),
            listed=ListedChats(),
            pairing=PairingDesk(
                cards=cards,
                rights=rights,
                clock=self._clock,
                account_of=lambda platform: None,
            ),
            own=self.own.append,
            commit_limit_s=commit_limit_s,
        )

    def _route(self, stored: Stored) -> None:
        self.routed.append(stored)
        self.routing.set()

    async def take(self, *events: Any, **fields: Any) -> Receipt:
        """Hand one delivery over."""
        return await self.ingest(delivery(*events, **fields))

    @property
    def entered(self) -> list[inbox.Waiting]:
        """Every row that was handed on."""
        return [entered.row for stored in self.routed for entered in stored.entered]
