"""The Hugging Face Hub as the hf_* tools reach it: its client in threads, its errors in our words.

Theory of operation. huggingface_hub blocks, so each call runs in a thread of this object's own
pool: a Hub that hangs takes no thread from anybody else. A call has a limit; what outlives it is
left to its thread, whose every request is bounded too. Nothing is repeated here.

An error says what is known. HubRefused and HubUnreachable are NotStarted: the Hub answered 4xx, or
there was no connection, and nothing of the call had been taken before. Everything else is
HubUnclear: the Hub may have done it.
"""

import asyncio
import contextvars
import functools
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent.errors import NotStarted, ToolError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

HUB_URL = "https://huggingface.co"
REQUEST_S = 30.0
READ_S = 4.0
"""Within the 5 s in which a call is looked at before it is judged."""
CATALOGUE_S = 3.0
CATALOGUE_EVERY_S = 3_600.0
CATALOGUE_AGAIN_S = 60.0
"""After a failure; a Hub that is down is not asked at every call."""
ACCOUNT_S = 300.0
THREADS = 8
WORDS_MAX = 300
_WRITING_ROLES = frozenset({"write", "admin", "contributor"})

Result = TypeVar("Result")


class HubRefused(NotStarted):
    """The Hub said no, and nothing happened. `status` is HTTP's, `code` the Hub's own."""

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def missing(self) -> bool:
        """Whether what was asked for is not there, or not for us."""
        return self.status == 404 or (self.status == 401 and self.code == "RepoNotFound")


class HubUnreachable(NotStarted):
    """No connection came about: nothing left this machine."""


class HubUnclear(ToolError):
    """Nobody knows whether the Hub has done it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccount:
    """Whose token it is; `orgs` are organisations and the role in each."""

    id: str
    name: str
    orgs: Mapping[str, str]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The names it may create things under."""
        return (self.name, *(org for org, role in self.orgs.items() if role in _WRITING_ROLES))


class Hub:
    """One token at one Hub. `now_s` is a monotonic clock, `wait` sleeps."""

    def __init__(
        self,
        *,
        token: str,
        base_url: str = HUB_URL,
        now_s: Callable[[], float],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        catalogue_s: float = CATALOGUE_S,
    ) -> None:
        self.url = base_url.rstrip("/")
        self.wait = wait
        self._token = token
        self._now_s = now_s
        self._catalogue_s = catalogue_s
        self._api: HfApi | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._account: tuple[float, HubAccount] | None = None
        self._looked_at: float | None = None
        self._next_look = 0.0
        self._looking: asyncio.Task[Any] | None = None

    @property
    def token(self) -> str:
        """The account's key; it goes to the Hub and nowhere else."""
        return self._token

    async def ask(self, work: Callable[["HfApi"], Result], *, limit_s: float = REQUEST_S) -> Result:
        """Do something at the Hub in a thread.

        Raises HubRefused, HubUnreachable or HubUnclear. A cancelled wait leaves the request to
        itself: it may still take effect.
        """
        from agent import hub_client

        loop = asyncio.get_running_loop()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hub")
        run = functools.partial(contextvars.Context().run, self._in_thread, work, limit_s)
        try:
            async with asyncio.timeout(limit_s):
                return await loop.run_in_executor(self._pool, run)
        except hub_client.Answered as exc:
            raise self._refused(exc.status, exc.text, exc.code) from exc
        except hub_client.NotReached as exc:
            raise HubUnreachable("The Hub can't be reached; nothing was sent.") from exc
        except hub_client.Unclear as exc:
            raise HubUnclear(f"The Hub did not answer properly: {self._plain(str(exc))}.") from exc
        except TimeoutError as exc:
            raise HubUnclear(f"The Hub did not answer within {limit_s:.0f} s.") from exc

    def _in_thread(self, work: Callable[["HfApi"], Result], limit_s: float) -> Result:
        from agent import hub_client

        if self._api is None:
            self._api = hub_client.api_for(self.url, self._token)
        return hub_client.perform(work, self._api, limit_s)

    def _refused(self, status: int, text: str, code: str) -> ToolError:
        words = self._plain(text)
        if status >= 500 or status == 408:
            return HubUnclear(f"The Hub failed (HTTP {status}): {words}")
        return HubRefused(f"The Hub refused it (HTTP {status}): {words}", status=status, code=code)

    def _plain(self, text: str) -> str:
        """Somebody else's words on one line, short, and without the token."""
        line = re.sub(r"\s+", " ", text.replace(self._token, "***") if self._token else text)
        line = re.sub(r"\bhf_[A-Za-z0-9]{8,}", "***", line.strip())
        return line if len(line) <= WORDS_MAX else line[: WORDS_MAX - 1] + "…"

    async def account(self) -> HubAccount:
        """Whose token this is, known for five minutes; the Hub limits how often it is asked."""
        now = self._now_s()
        if self._account is None or now - self._account[0] > ACCOUNT_S:
            told = await self.ask(lambda api: api.whoami(), limit_s=READ_S)
            self._account = (now, _account(told))
        return self._account[1]

    async def prices(self, take: Callable[[Any], None]) -> None:
        """Hand the catalogue to `take` if it is an hour old; within 3 s, else without it.

        Calls that come while one is looking wait for that one.
        """
        if self._now_s() < self._next_look:
            return
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look(take))
            self._looking.add_done_callback(self._looked)
        await asyncio.shield(self._looking)

    async def _look(self, take: Callable[[Any], None]) -> None:
        from agent import hub_client

        try:
            listing = await self.ask(hub_client.catalogue, limit_s=self._catalogue_s)
        except ToolError:
            self._next_look = self._now_s() + CATALOGUE_AGAIN_S
            return
        self._next_look = self._now_s() + CATALOGUE_EVERY_S
        take(listing)

    def _looked(self, task: asyncio.Task[Any]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # whoever waits has it

    def close(self) -> None:
        """Start nothing more; threads at work end with their requests."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _account(told: Mapping[str, Any]) -> HubAccount:
    orgs = {
        str(org.get("name")): str(org.get("roleInOrg") or "write") for org in told.get("orgs") or ()
    }
    return HubAccount(id=str(told.get("id", "")), name=str(told.get("name", "")), orgs=orgs)
