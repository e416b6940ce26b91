"""A login: an access token that is renewed with a refresh token good for one use.

Theory of operation. One renewal is in flight at a time; whoever needs one meanwhile waits for the
same. It runs as a task of its own: a cancelled turn must not tear it, because the server has
spent the old refresh token by then. New tokens are stored before the first use of any of them; if
that fails they are kept in mind and stored first thing next time. A renewal ahead of time that
fails leaves the old token in use until its end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from agent.credential_http import Answer, Ask, EndpointUnwell, ask_twice
from agent.credential_rests import LoginEnded
from agent.credentials import Lease, Service
from agent.errors import AgentError, NotEntitled, ProviderAuthFailed, ProviderError
from agent.oauth_services import (
    NOUS_KEY_LIFE_S,
    SECOND,
    OAuthService,
    Tokens,
    due_at,
    is_over,
    tokens_from,
    tokens_in_file,
)
from agent.single_flight import SingleFlight

log = logging.getLogger(__name__)

AGAIN_AFTER = 30 * SECOND
"""Between two tries to renew ahead of time."""
_MAX_FILE = 256 * 1024


class NotKept(AgentError):
    """Tokens could not be stored: they must not be used yet."""


class _Refused(Exception):
    """An endpoint gave no tokens, and does not say that the login is over."""


class LoginStore(Protocol):
    """Where logins are kept."""

    async def login(self, name: str) -> Tokens | None:
        """The tokens of a login; None if nobody has logged in. Raises NotKept if unreadable."""

    async def keep_login(self, name: str, service: str, tokens: Tokens) -> None:
        """Store new tokens, safe from a power loss when this returns. Raises NotKept."""


class NoLogins:
    """No store yet: nobody has logged in."""

    async def login(self, name: str) -> Tokens | None:
        """Nothing is kept."""
        return None

    async def keep_login(self, name: str, service: str, tokens: Tokens) -> None:
        """Nothing can be."""
        raise NotKept("there is no store yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Time for a login: microseconds since 1970, and how to let some pass."""

    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class _AgentKey:
    """What the Nous portal mints from a login."""

    key: str = field(repr=False)
    base_url: str | None
    obtained_at: int
    expires_at: int


class OAuthLogin:
    """The login `name` at a service. `file` is where the vendor's own program keeps its login."""

    def __init__(
        self,
        endpoints: OAuthService,
        *,
        name: str,
        time: Now,
        store: LoginStore | None = None,
        file: Path | None = None,
    ) -> None:
        self.name = name
        self._endpoints = endpoints
        self._time = time
        self._store: LoginStore = store or NoLogins()
        self._file = file
        self._tokens: Tokens | None = None
        self._unkept: Tokens | None = None
        self._agent_key: _AgentKey | None = None
        self._generation = 0
        self._logins = 0
        """How often somebody has logged in anew."""
        self._loading = SingleFlight()
        self._renewing = SingleFlight()
        self._loaded = False
        self._failure = ""
        self._failed_at = 0
        self._adopted = ""

    @property
    def service(self) -> Service:
        """Whose login it is."""
        return self._endpoints.service

    @property
    def generation(self) -> int:
        """How often the token was renewed."""
        return self._generation

    def open(self, store: LoginStore) -> None:
        """From now on it is kept there."""
        self._store = store
        self._loaded = False

    def replaced(self) -> None:
        """Somebody has logged in again: read it anew; what the old one still meets is over."""
        self._generation += 1
        self._logins += 1
        self._loaded = False
        self._tokens = self._unkept = self._agent_key = None
        self._failure = ""

    async def lease(self) -> Lease:
        """Return fresh headers, renewing first where due."""
        tokens = await self._known()
        if self._is_due(tokens):
            await self._renew_ahead()
            await self._known()  # somebody may have logged in meanwhile
        return self._lease()

    async def renew(self, lease: Lease) -> bool:
        """Get a newer token than this lease's; one renewal serves all who ask."""
        await self._known()
        if lease.generation < self._generation:
            return True
        await self._renewed()
        return self._generation > lease.generation

    def _lease(self) -> Lease:
        tokens, key = self._tokens, self._agent_key
        if tokens is None:  # somebody has just logged out
            raise self._ended(self._nobody())
        if self.service is not Service.NOUS:
            return Lease(
                label=self.name,
                headers=self._endpoints.headers(tokens),
                generation=self._generation,
            )
        if key is None:
            raise self._failed("the portal has minted no key")
        return Lease(
            label=self.name,
            headers={"Authorization": f"Bearer {key.key}"},
            base_url=key.base_url,
            generation=self._generation,
        )

    def _is_due(self, tokens: Tokens) -> bool:
        now = self._time.now()
        key = self._agent_key
        if self.service is Service.NOUS:
            due = None if key is None else due_at(key.obtained_at, key.expires_at)
            return key is None or (due is not None and due <= now)
        due = tokens.due_at()
        return due is not None and due <= now

    def _usable(self) -> bool:
        """Whether what there is can still be sent."""
        now, key = self._time.now(), self._agent_key
        if self.service is Service.NOUS:
            return key is not None and key.expires_at > now
        return self._tokens is not None and not self._tokens.expired(now)

    async def _known(self) -> Tokens:
        """The tokens there are, as stored or as the vendor's program has them."""
        if self._tokens is None:
            await self._loading.run(self._load)
        if self._tokens is None:
            raise self._ended(self._nobody())
        return self._tokens

    async def _load(self) -> None:
        try:
            if not self._loaded:
                self._tokens = await self._store.login(self.name)
                self._loaded = True
            if self._tokens is not None:
                self._generation = max(self._generation, self._tokens.generation)
            else:
                await self._adopt()
        except NotKept as exc:
            raise self._failed(f"the store of logins does not answer: {exc}") from exc

    async def _renew_ahead(self) -> None:
        """Renew; if that fails the token there is serves until its end."""
        try:
            await self._renewed()
        except LoginEnded:
            raise
        except ProviderError:
            if not self._usable():
                raise

    async def _renewed(self) -> None:
        """Wait for the one renewal in flight, beginning it unless one has just failed."""
        failed = self._failure and self._time.now() - self._failed_at < AGAIN_AFTER
        if failed and not self._renewing.flying:
            raise self._failed(self._failure)
        await self._renewing.run(self._renew_now)

    async def _renew_now(self) -> None:
        login = self._logins
        try:
            if self._unkept is not None:
                await self._keep(self._unkept)
            elif self.service is Service.NOUS:
                await self._mint()
            elif not await self._adopt():
                await self._refresh()
            self._failure = ""
        except LoginEnded:
            if login == self._logins:  # else it was the one before
                raise
        except (EndpointUnwell, NotKept, _Refused) as exc:
            self._failure, self._failed_at = str(exc), self._time.now()
            log.warning("login %s could not be renewed: %s", self.name, exc)
            raise self._failed(self._failure) from exc

    async def _refresh(self) -> None:
        tokens = self._tokens
        if tokens is None:
            raise self._ended(self._nobody())
        ask = self._endpoints.renewal(tokens.refresh)
        answer = await ask_twice(ask, sleep=self._time.sleep)
        if self._tokens is not tokens:  # somebody has logged in meanwhile: that is newer
            return
        fresh = tokens_from(answer, before=tokens, now=self._time.now()) if answer.ok else None
        if fresh is not None:
            await self._keep(fresh)
            return
        if is_over(answer):
            if await self._adopt():  # the vendor's program was faster
                return
            raise self._ended(f"the login is over ({answer.error}); log in again")
        raise _Refused(f"the token endpoint answered {answer.status} {answer.error}".rstrip())

    async def _adopt(self) -> bool:
        """Take the login of the vendor's program if it is a newer one and still good."""
        found = await self._read_file()
        if found is None or found.expired(self._time.now()) or not self._is_newer(found):
            return False
        self._adopted = found.access
        await self._keep(replace(found, generation=self._generation + 1))
        return True

    def _is_newer(self, found: Tokens) -> bool:
        mine = self._tokens
        if mine is None:
            return True
        if found.access in (mine.access, self._adopted):
            return False
        if found.expires_at is None or mine.expires_at is None:
            return True
        return found.expires_at > mine.expires_at

    async def _read_file(self) -> Tokens | None:
        if self._file is None:
            return None
        try:
            raw = await asyncio.to_thread(_read, self._file)
        except OSError as exc:
            log.warning("the login of %s can't be read: %s", self.name, exc.strerror)
            return None
        return tokens_in_file(self.service, raw)

    async def _keep(self, tokens: Tokens) -> None:
        """Store tokens, and only then use them."""
        self._unkept = tokens
        await self._store.keep_login(self.name, self.service.value, tokens)
        self._unkept = None
        self._tokens = tokens
        self._generation = max(self._generation + 1, tokens.generation)

    async def _mint(self) -> None:
        """Have the portal mint a key, renewing the login first where due or refused."""
        tokens, login = await self._known(), self._logins
        due = tokens.due_at()
        if due is not None and due <= self._time.now():
            await self._refresh()
        answer = await self._ask_for_key()
        if answer.status == 401 or (not answer.ok and answer.error == "invalid_token"):
            await self._refresh()
            answer = await self._ask_for_key()
        key = answer.text("api_key")
        if not answer.ok or not key:
            if answer.status in (402, 403):
                raise self._not_entitled(f"the portal mints no key: {answer.error}")
            if is_over(answer):
                raise self._ended(f"the login is over ({answer.error}); log in again")
            raise _Refused(f"the portal minted no key: {answer.status} {answer.error}".rstrip())
        if login != self._logins:
            return
        now = self._time.now()
        life_s = answer.number("expires_in")
        self._agent_key = _AgentKey(
            key=key,
            base_url=_safe(answer.text("inference_base_url"), self._endpoints.renew_at),
            obtained_at=now,
            expires_at=now + int((NOUS_KEY_LIFE_S if life_s is None else life_s) * SECOND),
        )
        self._generation += 1

    async def _ask_for_key(self) -> Answer:
        access = self._tokens.access if self._tokens else ""
        ask = Ask(
            url=self._endpoints.key_at,
            json={"min_ttl_seconds": 300},
            headers={"Authorization": f"Bearer {access}"},
        )
        return await ask_twice(ask, sleep=self._time.sleep)

    def _nobody(self) -> str:
        return f"nobody has logged in; run `gatepost login {self.name.replace(':', ' --account ')}`"

    def _ended(self, why: str) -> ProviderError:
        return LoginEnded(why, provider="", model="", reason="auth", credential=self.name)

    def _failed(self, why: str) -> ProviderError:
        return ProviderAuthFailed(why, provider="", model="", reason="auth", credential=self.name)

    def _not_entitled(self, why: str) -> ProviderError:
        return NotEntitled(why, provider="", model="", reason="entitlement", credential=self.name)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE)


def _safe(base_url: str, asked: str) -> str | None:
    """An address a service names, if keys may be sent there: encrypted, or as near as it is."""
    parts, own = urlsplit(base_url), urlsplit(asked)
    if parts.scheme == "https" or (parts.scheme == own.scheme and parts.hostname == own.hostname):
        return base_url.rstrip("/") if parts.hostname else None
    return None
