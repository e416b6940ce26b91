"""What the workspace knows of people, asked once and kept for a while."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from platforms.errors import PlatformError, RightsMissing
from platforms.fields import Body, identifier, mapping, string, truth
from platforms.slack.api import WebApi
from platforms.slack.reading import Person

log = logging.getLogger(__name__)

KEPT_S = 3_600.0
KEPT_MAX = 10_000
RETRY_S = 300.0
PATIENCE_S = 0.5
_GUEST = ("is_restricted", "is_ultra_restricted", "is_stranger")


class People(Mapping[str, Person]):
    """People by id, as far as they are known; `know` asks for those who are not.

    Everybody is asked for once at a time, whoever waits. Somebody who could not be asked for is
    unknown for RETRY_S: their messages pass without a name.
    """

    def __init__(self, api: WebApi, *, clock: Callable[[], float], patience_s: float) -> None:
        self._api = api
        self._patience_s = patience_s
        self._clock = clock
        self._known: dict[str, Person] = {}
        self._again_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._may_ask = True

    def __getitem__(self, user: str) -> Person:
        return self._known[user]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def know(self, users: Iterable[str]) -> None:
        """Ask for those not known yet and wait at most `patience_s` for the answers."""
        waited_for = [task for user in users if (task := self._task(user)) is not None]
        if waited_for:
            await asyncio.wait(waited_for, timeout=self._patience_s)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, user: str) -> asyncio.Task[None] | None:
        if user not in self._asking:
            now = self._clock()
            if not self._may_ask or self._again_at.get(user, now) > now:
                return None
            task = asyncio.create_task(self._ask(user))
            self._asking[user] = task
            task.add_done_callback(lambda _: self._asking.pop(user, None))
        return self._asking[user]

    async def _ask(self, user: str) -> None:
        self._again_at[user] = self._clock() + RETRY_S
        try:
            answer = await self._api.call(
                "users.info", {"user": user, "include_locale": True}, as_query=True
            )
        except RightsMissing as error:
            self._may_ask = False
            log.warning("slack: names and guests stay unknown: %s", error)
        except PlatformError as error:
            log.info("slack: users.info: %s", error)
        else:
            self._keep(user, _read(mapping(answer, "user"), user))

    def _keep(self, user: str, person: Person) -> None:
        while len(self._known) >= KEPT_MAX:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._again_at.pop(oldest, None)
        self._known[user] = person
        self._again_at[user] = self._clock() + KEPT_S


def _read(found: Body, user: str) -> Person:
    profile = mapping(found, "profile")
    return Person(
        name=string(profile, "display_name") or string(found, "real_name") or user,
        guest=any(truth(found, flag) for flag in _GUEST),
        bot=truth(found, "is_bot"),
        team=identifier(found, "team_id"),
        enterprise=identifier(mapping(found, "enterprise_user"), "enterprise_id"),
        locale=string(found, "locale") or None,
    )
