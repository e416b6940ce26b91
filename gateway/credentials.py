"""The keys of the configured models: made of their entries, kept as rows, shown to operators."""

import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import urlsplit

from agent.credential_oauth import NotKept, Now, OAuthLogin
from agent.credential_pool import CredentialPool, Key, KeyBook, TokenSource
from agent.credential_rests import Rest
from agent.credentials import Credential, StaticKey
from agent.failover import Entry
from agent.oauth_services import SERVICES, Tokens
from gateway import logs
from gateway.clock import Clock
from gateway.config import (
    CommandConfig,
    CredentialConfig,
    ExchangeConfig,
    LoginConfig,
    ProviderConfig,
    Secret,
)
from gateway.config.values import ANTHROPIC_URL
from gateway.control_requests import AboutKeys, AskCredentials, KeepLogin, RetryCredential
from gateway.credential_rows import CredentialRows, login_ident, login_name
from gateway.errors import GatewayError
from gateway.store.base import Store

log = logging.getLogger(__name__)


def _now() -> int:
    return time.time_ns() // 1000


SYSTEM = Now(now=_now)


class KeyMaker:
    """Makes the credentials of entries; a login or key that serves several is one."""

    def __init__(self, *, time: Now = SYSTEM, choose: Callable[[int], int] | None = None) -> None:
        self._time = time
        self._choose = choose or random.SystemRandom().randrange
        self._book = KeyBook(now=time.now)
        self._sources: dict[str, TokenSource] = {}

    def credential(self, config: ProviderConfig) -> Credential:
        """What an entry is asked with; raises ValueError if its service is unknown."""
        keys = config.keys
        if not keys:
            return StaticKey(label=config.name, key="")
        return CredentialPool(
            tuple(
                self._key(config, key, f"{config.name}.{number}" if len(keys) > 1 else config.name)
                for number, key in enumerate(keys, 1)
            ),
            book=self._book,
            provider=config.name,
            endpoint=config.base_url or "",
            order=config.pool,
            choose=self._choose,
        )

    def _key(self, config: ProviderConfig, key: Secret | CredentialConfig, label: str) -> Key:
        match key:
            case Secret():
                source: TokenSource = _static(config, key.reveal(), label)
                return Key(
                    ident=ident_of("key", config.base_url or config.api, key.reveal()),
                    label=label,
                    source=source,
                )
            case LoginConfig():
                name = login_name(key.service, key.account)
                return self._shared(login_ident(name), name, lambda: self._login(key, name))
            case ExchangeConfig():
                ident = ident_of("key", key.auth_url or key.service, key.token.reveal())
                return self._shared(ident, label, lambda: self._exchange(key, label))
            case CommandConfig():
                header, scheme = _header_of(config)
                ident = ident_of("command", header, *key.argv)
                return self._shared(ident, label, lambda: self._command(key, label, header, scheme))
            case _:
                assert_never(key)

    def _shared(self, ident: str, label: str, make: Callable[[], TokenSource]) -> Key:
        if ident not in self._sources:
            self._sources[ident] = make()
        return Key(ident=ident, label=label, source=self._sources[ident])

    def _login(self, config: LoginConfig, name: str) -> TokenSource:
        endpoints = SERVICES[config.service].at(config.auth_url)
        return OAuthLogin(endpoints, name=name, time=self._time, file=config.file)

    def _exchange(self, config: ExchangeConfig, label: str) -> TokenSource:
        from agent.credential_exchange import GITHUB_API, CopilotExchange

        return CopilotExchange(
            config.token.reveal(),
            label=label,
            time=self._time,
            auth_url=config.auth_url or GITHUB_API,
        )

    def _command(self, config: CommandConfig, label: str, header: str, scheme: str) -> TokenSource:
        from agent.credential_command import CommandToken

        return CommandToken(
            config.argv,
            label=label,
            time=self._time,
            environ=os.environ,
            header=header,
            scheme=scheme,
        )


def _static(config: ProviderConfig, key: str, label: str) -> StaticKey:
    """A plain key as its wire takes it."""
    if config.api != "anthropic-messages":
        return StaticKey(label=label, key=key)
    return StaticKey(label=label, key=key, header="x-api-key", scheme="")


def _header_of(config: ProviderConfig) -> tuple[str, str]:
    """How a token a program prints is sent: Anthropic's own server takes keys, others tokens."""
    if urlsplit(config.base_url or "").hostname == urlsplit(ANTHROPIC_URL).hostname:
        return "x-api-key", ""
    return "Authorization", "Bearer"


def ident_of(kind: str, *words: str) -> str:
    """What tells a key from every other and tells nothing of it."""
    told = hashlib.sha256("\0".join(words).encode()).hexdigest()
    return f"{kind}:{told[:24]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """One key as operators see it; times are microseconds since 1970."""

    label: str
    service: str
    entries: tuple[str, ...]
    rests: tuple[Rest, ...]
    last_good: int | None


class Credentials:
    """The keys of a running gateway."""

    def __init__(self, entries: tuple[Entry, ...], store: Store, clock: Clock) -> None:
        self._pools = tuple(
            entry.credential for entry in entries if isinstance(entry.credential, CredentialPool)
        )
        self._names = {
            id(entry.credential): entry.name
            for entry in entries
            if isinstance(entry.credential, CredentialPool)
        }
        self._clock = clock
        self._rows = CredentialRows(store, clock, hide=logs.hide_renewed)

    async def open(self, tell: Callable[[str, str], None]) -> None:
        """Take up what is kept; `tell` hears a key and a sentence for each key given up."""
        for book in {id(pool.book): pool.book for pool in self._pools}.values():
            await book.open(
                self._rows, tell=lambda rest: tell(rest.key, given_up(rest)), hide=logs.hide_renewed
            )
        for key in self._keys():
            if isinstance(key.source, OAuthLogin):
                key.source.open(self._rows)

    def listed(self) -> tuple[KeyState, ...]:
        """Every key, in the order of the configuration."""
        return tuple(
            KeyState(
                label=key.label,
                service=key.source.service.value,
                entries=tuple(
                    self._names[id(pool)]
                    for pool in self._pools
                    if key.ident in {each.ident for each in pool.keys}
                ),
                rests=self._book_of(key).all_of(key.ident),
                last_good=self._book_of(key).last_good(key.ident),
            )
            for key in self._keys()
        )

    async def answer(self, request: AboutKeys, *, by: str) -> object:
        """Carry out what the shell asks; `by` is who does."""
        match request:
            case AskCredentials():
                return self.listed()
            case RetryCredential(label=label):
                log.info("%s lets the key %s be tried again", by, label)
                return await self.retry(label)
            case KeepLogin():
                log.info("%s has logged in to %s", by, request.service)
                return await self.logged_in(request)
            case _:
                assert_never(request)

    async def retry(self, label: str) -> str:
        """End what a key rests for; raises GatewayError if there is no such key."""
        found = [key for key in self._keys() if key.label == label]
        if not found:
            labels = ", ".join(key.label for key in self._keys()) or "none"
            raise GatewayError(f"there is no key {label}; there are: {labels}")
        ended = [await self._book_of(key).end(key.ident) for key in found]
        return f"{label} may be used again." if any(ended) else f"{label} did not rest."

    async def logged_in(self, login: KeepLogin) -> str:
        """Keep a new login and use it from now on; raises GatewayError if it can't be kept."""
        if login.service not in SERVICES:
            raise GatewayError(f"nobody logs in to {login.service}")
        name = login_name(login.service, login.account)
        tokens = tokens_of(login, now=self._clock.now())
        try:
            await self._rows.logged_in(name, login.service, tokens)
        except NotKept as exc:
            raise GatewayError(f"the login can't be stored: {exc}") from exc
        used = [key for key in self._keys() if key.ident == login_ident(name)]
        for key in used:
            if isinstance(key.source, OAuthLogin):
                key.source.replaced()
            await self._book_of(key).end(key.ident)
        return told(name, used=bool(used))

    def _keys(self) -> Iterable[Key]:
        found: dict[str, Key] = {}
        for pool in self._pools:
            for key in pool.keys:
                found.setdefault(key.ident, key)
        return found.values()

    def _book_of(self, key: Key) -> KeyBook:
        return next(
            pool.book for pool in self._pools if key.ident in {each.ident for each in pool.keys}
        )


def tokens_of(login: KeepLogin, *, now: int) -> Tokens:
    """The tokens of a login as they are kept."""
    return Tokens(
        access=login.access,
        refresh=login.refresh,
        expires_at=login.expires_at or None,
        obtained_at=now,
        account=login.owner,
    )


def told(name: str, *, used: bool) -> str:
    """What whoever logged in is told."""
    return f"Logged in to {name}." + ("" if used else " No entry in [[providers]] uses it yet.")


def given_up(rest: Rest) -> str:
    """What the operator is told of a key that is given up, once."""
    if rest.key.startswith("login:"):
        service, _, account = rest.key.removeprefix("login:").partition(":")
        more = f" --account {account}" if account else ""
        todo = f"run `gatepost login {service}{more}`"
    else:
        todo = f"give another key, or `gatepost credentials retry {rest.label}` once it is mended"
    return f"The key {rest.label} is refused for good ({rest.why}) and no longer used; {todo}."


def resting_lines(states: tuple[KeyState, ...], when: Callable[[int], str]) -> tuple[str, ...]:
    """One line for each rest, for `status`; `when` tells a time."""
    return tuple(
        f"key {state.label}{f' for {rest.model}' if rest.model else ''}: "
        + (
            f"given up ({rest.why})"
            if rest.dead
            else f"rests until {when(rest.until)} ({rest.why})"
        )
        for state in states
        for rest in state.rests
    )
