"""A lasting token that is changed for one of minutes: GitHub Copilot."""

import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agent.credential_http import Answer, Ask, EndpointUnwell, ask_twice
from agent.credential_oauth import AGAIN_AFTER, Now
from agent.credential_rests import LoginEnded
from agent.credentials import Lease, Service
from agent.errors import NotEntitled, ProviderAuthFailed, ProviderError
from agent.oauth_services import SECOND, due_at
from agent.single_flight import SingleFlight

log = logging.getLogger(__name__)

GITHUB_API = "https://api.github.com"
_PATH = "/copilot_internal/v2/token"
_HEADERS = {"Editor-Version": "gatepost/1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """What GitHub gave; times are microseconds since 1970."""

    token: str = field(repr=False)
    base_url: str | None
    due_at: int
    expires_at: int


class CopilotExchange:
    """The token of a GitHub account that may use Copilot; one exchange is in flight at a time."""

    def __init__(self, token: str, *, label: str, time: Now, auth_url: str = GITHUB_API) -> None:
        self._github = token
        self._label = label
        self._time = time
        self._url = auth_url.rstrip("/") + _PATH
        self._token: _Token | None = None
        self._generation = 0
        self._exchanging = SingleFlight()
        self._failure = ""
        self._failed_at = 0

    @property
    def service(self) -> Service:
        """Copilot."""
        return Service.COPILOT

    @property
    def generation(self) -> int:
        """How often it was exchanged."""
        return self._generation

    async def lease(self) -> Lease:
        """Return fresh headers and the endpoint to use, exchanging first where due."""
        now, token = self._time.now(), self._token
        if token is None or token.due_at <= now:
            try:
                await self._exchanged()
            except ProviderError:
                if token is None or token.expires_at <= now:
                    raise
                log.warning("%s was not exchanged ahead of time", self._label)
        return self._lease()

    def _lease(self) -> Lease:
        token = self._token
        if token is None:
            raise self._error(ProviderAuthFailed, self._failure)
        return Lease(
            label=self._label,
            headers={"Authorization": f"Bearer {token.token}", **_HEADERS},
            base_url=token.base_url,
            generation=self._generation,
        )

    async def renew(self, lease: Lease) -> bool:
        """Exchange again."""
        if lease.generation >= self._generation:
            await self._exchanged()
        return self._generation > lease.generation

    async def _exchanged(self) -> None:
        failed = self._failure and self._time.now() - self._failed_at < AGAIN_AFTER
        if failed and not self._exchanging.flying:
            raise self._error(ProviderAuthFailed, self._failure)
        await self._exchanging.run(self._exchange)

    async def _exchange(self) -> None:
        ask = Ask(url=self._url, headers={"Authorization": f"token {self._github}", **_HEADERS})
        try:
            answer = await ask_twice(ask, sleep=self._time.sleep)
        except EndpointUnwell as exc:
            self._failure, self._failed_at = str(exc), self._time.now()
            raise self._error(ProviderAuthFailed, self._failure) from exc
        token, now = answer.text("token"), self._time.now()
        if not answer.ok or not token:
            raise self._refused(answer)
        ends_s = answer.number("expires_at")
        expires_at = now + 1500 * SECOND if ends_s is None else int(ends_s * SECOND)
        due = due_at(now, expires_at) or now
        refresh_s = answer.number("refresh_in")
        self._token = _Token(
            token=token,
            base_url=_endpoint(answer, self._url),
            due_at=due if refresh_s is None else min(due, now + int(refresh_s * SECOND)),
            expires_at=expires_at,
        )
        self._failure = ""
        self._generation += 1

    def _refused(self, answer: Answer) -> ProviderError:
        if answer.status == 401:
            return self._error(LoginEnded, "GitHub refuses the token; give another")
        if answer.status in (403, 404):
            why = "this GitHub account may not use Copilot, or its token lacks the permission"
            return self._error(NotEntitled, why, reason="entitlement")
        return self._error(ProviderAuthFailed, f"GitHub answered {answer.status} without a token")

    def _error(self, make: type[ProviderError], why: str, *, reason: str = "auth") -> ProviderError:
        return make(why, provider="", model="", reason=reason, credential=self._label)


def _endpoint(answer: Answer, asked: str) -> str | None:
    """Where the token is to be used: encrypted, or on the machine that gave it."""
    endpoints = answer.body.get("endpoints")
    named = endpoints.get("api") if isinstance(endpoints, dict) else None
    if not isinstance(named, str):
        return None
    parts, own = urlsplit(named), urlsplit(asked)
    near = parts.scheme == own.scheme and parts.hostname == own.hostname
    return named.rstrip("/") if parts.hostname and (parts.scheme == "https" or near) else None
