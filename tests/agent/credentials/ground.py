"""What the tests of keys stand on: time of a loop that jumps, a store in memory, failures."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.credential_oauth import NotKept, Now, OAuthLogin
from agent.credential_pool import CredentialPool, Key, KeyBook, Order
from agent.credential_rests import SECOND, Place, Rest
from agent.credentials import Lease, StaticKey
from agent.errors import ProviderError
from agent.oauth_services import SERVICES, Tokens
from tests.wire.auth import AuthServer


def seconds() -> float:
    """The time of the loop that runs now."""
    return asyncio.get_running_loop().time()


def micros() -> int:
    """The same in microseconds."""
    return int(seconds() * SECOND)


TIME = Now(now=micros)


@dataclass(kw_only=True)
class Kept:
    """A store that remembers, and fails when told to; `order` is what was done, in order."""

    logins: dict[str, Tokens] = field(default_factory=dict)
    kept_rests: dict[Place, Rest] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    failing: bool = False

    async def login(self, name: str) -> Tokens | None:
        if self.failing:
            raise NotKept("the disk is full")
        return self.logins.get(name)

    async def keep_login(self, name: str, service: str, tokens: Tokens) -> None:
        if self.failing:
            raise NotKept("the disk is full")
        await asyncio.sleep(0)
        self.order.append(f"kept {tokens.refresh}")
        self.logins[name] = tokens

    async def rests(self) -> Sequence[Rest]:
        return tuple(self.kept_rests.values())

    async def keep_rest(self, rest: Rest) -> None:
        self.kept_rests[rest.place] = rest

    async def end_rest(self, place: Place) -> None:
        self.kept_rests.pop(place, None)

    async def uses(self) -> Sequence[tuple[str, int]]:
        return tuple(self.used.items())

    async def keep_use(self, key: str, label: str, at: int) -> None:
        self.used[key] = at


def oauth(server: AuthServer, service: str, store: Kept, *, file: Path | None = None) -> OAuthLogin:
    """A login at a loopback server."""
    endpoints = SERVICES[service].at(server.url)
    return OAuthLogin(endpoints, name=service, time=TIME, store=store, file=file)


def logged_in(server: AuthServer, store: Kept, name: str, *, life_s: float | None = 3600) -> None:
    """As if somebody had just logged in."""
    login = server.login()
    now = micros()
    store.logins[name] = Tokens(
        access=next(iter(login.access)),
        refresh=login.refresh,
        expires_at=None if life_s is None else now + int(life_s * SECOND),
        obtained_at=now,
    )


def static(*names: str) -> tuple[Key, ...]:
    """Plain keys by name."""
    return tuple(
        Key(ident=name, label=name, source=StaticKey(label=name, key=f"sk-{name}"))
        for name in names
    )


def pool(
    keys: tuple[Key, ...],
    *,
    order: Order = "fill_first",
    book: KeyBook | None = None,
    draws: Sequence[int] = (),
) -> CredentialPool:
    """A pool of these keys, on the time of the loop."""
    numbers = iter(draws)
    return CredentialPool(
        keys,
        book=book or KeyBook(now=micros),
        provider="main",
        endpoint="https://main",
        order=order,
        choose=lambda below: next(numbers) % below,
    )


def failure(make: type[ProviderError], words: str = "no", **about: object) -> ProviderError:
    """A failure of an attempt."""
    about = {"reason": "auth"} | about
    return make(words, provider="main", model="m", **about)  # type: ignore[arg-type]


def authorization(lease: Lease) -> str:
    """What a lease sends."""
    return lease.headers["Authorization"]
