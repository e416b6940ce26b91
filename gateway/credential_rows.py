"""Log-ins and rests as rows: what the keys of models outlive the process by."""

import logging
from collections.abc import Callable, Iterable, Sequence

from agent.credential_oauth import NotKept
from agent.credential_rests import Place, Rest
from agent.oauth_services import Tokens
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import credentials

log = logging.getLogger(__name__)

STREAKS_LAST_US = 2 * 86_400 * 1_000_000
"""Rests that ended before so long are forgotten with their streaks."""


def login_name(service: str, account: str) -> str:
    """What a login is called: its service, with its account's name behind it if it has one."""
    return f"{service}:{account}" if account else service


def login_ident(name: str) -> str:
    """What rows know the key of a login by: it stays while its tokens change."""
    return f"login:{name}"


class CredentialRows:
    """Fulfils `LoginStore` and `KeyStore`. `hide` is told every token before it is stored."""

    def __init__(
        self, store: Store, clock: Clock, *, hide: Callable[[str, Iterable[str]], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._hide = hide

    async def login(self, name: str) -> Tokens | None:
        """The tokens of a login; raises NotKept if they can't be read."""
        try:
            tokens = await self._store.read(lambda tx: credentials.login(tx, name))
        except StoreError as exc:
            raise NotKept(str(exc)) from exc
        if tokens is not None:
            self._hide(f"stored:{name}", (tokens.access, tokens.refresh))
        return tokens

    async def keep_login(self, name: str, service: str, tokens: Tokens) -> None:
        """Store tokens, safe from a power loss when this returns; raises NotKept."""
        self._hide(f"stored:{name}", (tokens.access, tokens.refresh))

        def keep(tx: Tx) -> None:
            credentials.keep_login(tx, name, service, tokens)

        try:
            await self._store.write(keep, transition=transitions.LOGIN_KEPT)
        except StoreError as exc:
            raise NotKept(str(exc)) from exc

    async def logged_in(self, name: str, service: str, tokens: Tokens) -> None:
        """Store a new login and end what the old one rested for; raises NotKept."""
        self._hide(f"stored:{name}", (tokens.access, tokens.refresh))

        def keep(tx: Tx) -> None:
            credentials.keep_login(tx, name, service, tokens)
            credentials.end_rests_of(tx, login_ident(name))

        try:
            await self._store.write(keep, transition=transitions.LOGIN_KEPT)
        except StoreError as exc:
            raise NotKept(str(exc)) from exc

    async def rests(self) -> Sequence[Rest]:
        """Every rest whose streak may go on; the others are forgotten."""
        found = await self._store.read(credentials.rests)
        before = self._clock.now() - STREAKS_LAST_US
        alive = tuple(rest for rest in found if rest.dead or rest.until >= before)
        if len(alive) < len(found):
            await self._mark(lambda tx: credentials.forget_old(tx, before=before))
        return alive

    async def keep_rest(self, rest: Rest) -> None:
        """Store a rest."""
        await self._mark(lambda tx: credentials.keep_rest(tx, rest))

    async def end_rest(self, place: Place) -> None:
        """Forget a rest."""
        await self._mark(lambda tx: credentials.end_rest(tx, place))

    async def uses(self) -> Sequence[tuple[str, int]]:
        """When each key was last of use."""
        return await self._store.read(credentials.uses)

    async def keep_use(self, key: str, label: str, at: int) -> None:
        """Note when a key was last of use."""
        await self._mark(lambda tx: credentials.keep_use(tx, key, label, at))

    async def _mark(self, unit: Callable[[Tx], None]) -> None:
        """Write what the next start may do without: a failed store ends the gateway by itself."""
        try:
            await self._store.write(unit, transition=transitions.KEY_MARKED)
        except StoreError as exc:
            log.warning("what a key rests for is not stored: %s", exc)
