"""Keys that stand in for each other: who is used next, who rests, who is given up.

Rests are kept in a book that every pool of the process shares, because a key may serve several
entries. They are written to the store it is given; what can't be written still holds here.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Protocol, assert_never

from agent.credential_rests import (
    SECOND,
    Booked,
    Cause,
    LoginEnded,
    Place,
    Rest,
    as_error,
    place_of,
    rest_of,
)
from agent.credentials import Lease, Service, Standing
from agent.errors import NotEntitled, ProviderAuthFailed, ProviderError

log = logging.getLogger(__name__)

Order = Literal["fill_first", "round_robin", "least_used", "random"]

Hide = Callable[[str, Sequence[str]], None]
"""Takes the secrets of a key out of logs, in place of those before."""

STICKY = 3600 * SECOND
"""How long a session stays with its key while that is well."""
IN_FLIGHT = 8
USE_KEPT_EVERY = 600 * SECOND


class TokenSource(Protocol):
    """Where the headers of one key come from."""

    @property
    def service(self) -> Service: ...

    @property
    def generation(self) -> int:
        """How often its token was renewed."""

    async def lease(self) -> Lease:
        """Return fresh headers, renewing first where due.

        Raises ProviderError: LoginEnded if that can't be done any more.
        """

    async def renew(self, lease: Lease) -> bool:
        """Get a newer token than this lease's; see `Credential.renew`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a pool. `ident` stays the same as long as the secret does, and tells nothing."""

    ident: str
    label: str
    source: TokenSource

    @property
    def renewable(self) -> bool:
        """Whether its token can be had anew."""
        return self.source.service is not Service.STATIC


class KeyStore(Protocol):
    """Where rests outlive the process. It never raises: what can't be kept still holds here."""

    async def rests(self) -> Sequence[Rest]:
        """Every rest that is kept."""

    async def keep_rest(self, rest: Rest) -> None:
        """Keep it in place of the one of the same key, model and cause."""

    async def end_rest(self, place: Place) -> None:
        """Forget one, and its streak."""

    async def uses(self) -> Sequence[tuple[str, int]]:
        """When each key was last used with success."""

    async def keep_use(self, key: str, label: str, at: int) -> None:
        """Note when a key was last used with success."""


class KeyBook:
    """What is known of every key: rests, requests in flight, when it was last of use.

    `now` is microseconds since 1970.
    """

    def __init__(self, *, now: Callable[[], int]) -> None:
        self.now = now
        self.freed = asyncio.Event()
        self._rests: dict[Place, Rest] = {}
        self._flying: dict[str, int] = {}
        self._last_good: dict[str, int] = {}
        self._use_kept: dict[str, int] = {}
        self._store: KeyStore | None = None
        self._tell: Callable[[Rest], None] = _told_nobody
        self._hide: Hide = _hidden_nowhere
        self._seen: dict[str, int] = {}
        self._keeping: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def open(
        self, store: KeyStore, *, tell: Callable[[Rest], None], hide: Hide | None = None
    ) -> None:
        """Take up what is kept, and keep everything there.

        `tell` hears of each key given up, `hide` of every token before it is used.
        """
        self._store, self._tell = store, tell
        self._hide = hide or _hidden_nowhere
        for rest in await store.rests():
            self._rests.setdefault(rest.place, rest)
        for key, at in await store.uses():
            self._last_good.setdefault(key, at)

    def of(self, key: str, model: str) -> Rest | None:
        """The rest that keeps a key from being used for a model; the longest of them."""
        holding = [rest for rest in self.all_of(key) if rest.model in ("", model)]
        return max(holding, key=lambda rest: (rest.dead, rest.until), default=None)

    def all_of(self, key: str) -> tuple[Rest, ...]:
        """Every rest of a key that holds now."""
        now = self.now()
        return tuple(rest for rest in self._rests.values() if rest.key == key and rest.holds(now))

    def last_good(self, key: str) -> int | None:
        """When a key was last used with success."""
        return self._last_good.get(key)

    def saw(self, key: str, lease: Lease) -> None:
        """A token is about to be used: it must not stand in a log."""
        if self._seen.get(key) != lease.generation:
            self._seen[key] = lease.generation
            self._hide(key, [value.rpartition(" ")[2] for value in lease.headers.values()])

    def flying(self, key: str) -> int:
        """Requests that carry it now."""
        return self._flying.get(key, 0)

    def lent(self, key: str) -> None:
        """One more request carries it."""
        self._flying[key] = self.flying(key) + 1

    def back(self, key: str) -> None:
        """One request less does; somebody may wait for its place."""
        self._flying[key] = self.flying(key) - 1
        self.freed.set()

    async def failed(
        self, error: ProviderError, booked: Booked, *, again_s: float | None = None
    ) -> None:
        """Let the key rest that this failure is booked to, if it is to blame."""
        place = place_of(error, booked)
        if place is None:
            return
        before = self._rests.get(place)
        rest = rest_of(error, booked, before, now=self.now(), again_s=again_s)
        if rest is None or rest is before:
            return
        self._rests[place] = rest
        seconds = (rest.until - rest.began_at) // SECOND
        become = "is given up" if rest.dead else f"rests {seconds} s"
        log.warning("key %s %s: %s", rest.label, become, rest.why)
        if rest.dead:
            self._tell(rest)
        await self._keep(place)

    async def succeeded(self, booked: Booked) -> None:
        """End what the key rested for when the attempt began."""
        now = self.now()
        self._last_good[booked.key] = now
        await self._end([rest for rest in self._rests.values() if _is_over(rest, booked)])
        if self._store is not None and now - self._use_kept.get(booked.key, 0) >= USE_KEPT_EVERY:
            self._use_kept[booked.key] = now
            await self._store.keep_use(booked.key, booked.label, now)

    async def end(self, key: str) -> bool:
        """End every rest of a key by an operator's word; False if it had none."""
        held = bool(self.all_of(key))
        await self._end([rest for rest in self._rests.values() if rest.key == key])
        return held

    async def _end(self, rests: Iterable[Rest]) -> None:
        """Forget them all at once; what is booked from then on is another rest, and stays."""
        places = [rest.place for rest in rests]
        for place in places:
            del self._rests[place]
        if places:
            self.freed.set()
        for place in places:
            await self._keep(place)

    async def _keep(self, place: Place) -> None:
        """Write what is known of a place by then: the last word is never overtaken."""
        if self._store is None:
            return
        async with self._keeping[place]:
            rest = self._rests.get(place)
            if rest is None:
                await self._store.end_rest(place)
            else:
                await self._store.keep_rest(rest)


def _is_over(rest: Rest, booked: Booked) -> bool:
    """Whether a success ends it; a second refusal in a day counts, whatever went well between."""
    met = rest.key == booked.key and rest.model in ("", booked.model)
    return met and rest.began_at <= booked.leased_at and rest.cause is not Cause.REFUSED


def _told_nobody(_rest: Rest) -> None:
    """Nobody listens yet."""


def _hidden_nowhere(_key: str, _secrets: Sequence[str]) -> None:
    """There is no log yet."""


class CredentialPool:
    """One key or several. `choose` draws a number below its argument, for the order `random`."""

    def __init__(
        self,
        keys: tuple[Key, ...],
        *,
        book: KeyBook,
        provider: str,
        endpoint: str = "",
        order: Order = "fill_first",
        choose: Callable[[int], int],
    ) -> None:
        if not keys:
            raise ValueError("a pool needs at least one key")
        self.keys = keys
        self.book = book
        self._provider = provider
        self._endpoint = endpoint
        self._order = order
        self._choose = choose
        self._used = dict.fromkeys((key.ident for key in keys), 0)
        self._next = 0
        self._sticky: dict[str, tuple[str, int]] = {}

    @property
    def service(self) -> Service:
        """What its keys belong to; they are all of one."""
        return self.keys[0].source.service

    async def lease(self, *, session: str, model: str) -> Lease:
        """Return fresh headers of a key that does not rest; see `Credential.lease`.

        Where every key that is well has its fill of requests, wait for one of them to end.
        """
        tried: set[str] = set()
        failure: ProviderError | None = None
        while True:
            rests = [(key, self.book.of(key.ident, model)) for key in self.keys]
            ready = [key for key, rest in rests if rest is None and key.ident not in tried]
            if not ready:
                raise failure or self._none_ready([rest for _, rest in rests if rest], model)
            free = self._free(ready)
            if not free:
                await self._place(model)
                continue
            key = self._pick(free, session)
            self.book.lent(key.ident)
            try:
                lease = await self._lend(key, model)
            except ProviderError as error:
                self.book.back(key.ident)
                tried.add(key.ident)
                failure = failure or error
                continue
            except BaseException:
                self.book.back(key.ident)
                raise
            if self.book.of(key.ident, model) is None:
                self._used[key.ident] += 1
                self._stay(session, key)
                return lease
            self.book.back(key.ident)  # it was found to be limited while its token was renewed

    async def _place(self, model: str) -> None:
        """Wait until a request ends, or a key may be used again."""
        until = self.standing(model=model).rests_until
        wait_s = None if until is None else (until - self.book.now()) / SECOND
        self.book.freed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self.book.freed.wait()

    async def _lend(self, key: Key, model: str) -> Lease:
        began = self.book.now()
        try:
            lease = await key.source.lease()
        except ProviderError as error:
            if _rests_by_itself(error):
                await self.book.failed(error, self._booked(key, model, began))
            raise self._named(error, key, model) from error
        self.book.saw(key.ident, lease)
        return replace(
            lease, label=key.label, key=key.ident, model=model, leased_at=self.book.now()
        )

    async def renew(self, lease: Lease) -> bool:
        """Get a newer token than this lease's; see `Credential.renew`."""
        key = self._key_of(lease)
        try:
            return await key.source.renew(lease)
        except ProviderError as error:
            if _rests_by_itself(error):
                await self.book.failed(error, _booked_to(lease, renewable=key.renewable))
            raise self._named(error, key, lease.model) from error

    async def failed(
        self, lease: Lease, error: ProviderError, *, again_s: float | None = None
    ) -> None:
        """Book a failure to the key this attempt carried; see `Credential.failed`."""
        key = self._key_of(lease)
        if isinstance(error, ProviderAuthFailed) and key.source.generation > lease.generation:
            return  # the token that was refused is gone
        booked = _booked_to(lease, renewable=key.renewable)
        await self.book.failed(error, booked, again_s=again_s)

    async def succeeded(self, lease: Lease) -> None:
        """What the key rested for is over."""
        await self.book.succeeded(_booked_to(lease, renewable=True))

    def release(self, lease: Lease) -> None:
        """The attempt is over; somebody may wait for its place."""
        self.book.back(lease.key)

    def standing(self, *, model: str, without: Lease | None = None) -> Standing:
        """How its keys stand now, without any I/O; `ready` leaves out the key of `without`."""
        rests = [self.book.of(key.ident, model) for key in self.keys]
        waits = [rest.until for rest in rests if rest is not None and not rest.dead]
        passed = without.key if without is not None else None
        return Standing(
            ready=sum(
                rest is None and key.ident != passed
                for key, rest in zip(self.keys, rests, strict=True)
            ),
            rests_until=min(waits, default=None),
            dead=sum(rest is not None and rest.dead for rest in rests),
        )

    def next_label(self, *, session: str, model: str) -> str:
        """The label of the key that `lease` would choose now; of a random order, the first."""
        ready = [key for key in self.keys if self.book.of(key.ident, model) is None]
        if not ready:
            return ""
        free = self._free(ready) or ready
        key = self._own(free, session) or self._by_order(free, lambda below: 0)
        return key.label

    def _free(self, ready: list[Key]) -> list[Key]:
        """Those that may carry one more request."""
        return [key for key in ready if self.book.flying(key.ident) < IN_FLIGHT]

    def _pick(self, free: list[Key], session: str) -> Key:
        """The session's own key, else the next by the pool's order."""
        own = self._own(free, session)
        if own is not None:
            return own
        chosen = self._by_order(free, self._choose)
        self._next = self.keys.index(chosen) + 1
        return chosen

    def _own(self, free: list[Key], session: str) -> Key | None:
        """The key a session stays with, if it is among these."""
        ident, until = self._sticky.get(session, ("", 0))
        if until <= self.book.now():
            return None
        return next((key for key in free if key.ident == ident), None)

    def _by_order(self, free: list[Key], choose: Callable[[int], int]) -> Key:
        match self._order:
            case "fill_first":
                return free[0]
            case "least_used":
                return min(free, key=lambda key: self._used[key.ident])
            case "random":
                return free[choose(len(free))]
            case "round_robin":
                return self._in_turn(free)
            case _:
                assert_never(self._order)

    def _in_turn(self, free: list[Key]) -> Key:
        """The first free one from where the last choice left off."""
        places = [(self.keys.index(key) - self._next) % len(self.keys) for key in free]
        return free[places.index(min(places))]

    def _stay(self, session: str, key: Key) -> None:
        now = self.book.now()
        ident, until = self._sticky.get(session, ("", 0))
        if not session or (ident == key.ident and until > now):
            return
        for other in [name for name, (_, end) in self._sticky.items() if end <= now]:
            del self._sticky[other]
        self._sticky[session] = (key.ident, now + STICKY)

    def _key_of(self, lease: Lease) -> Key:
        return next(key for key in self.keys if key.ident == lease.key)

    def _booked(self, key: Key, model: str, at: int) -> Booked:
        return Booked(
            key=key.ident, label=key.label, model=model, leased_at=at, renewable=key.renewable
        )

    def _named(self, error: ProviderError, key: Key, model: str) -> ProviderError:
        """The failure of a source as this pool's own; everybody who waited for it got the same."""
        return type(error)(
            str(error),
            provider=self._provider,
            endpoint=error.endpoint or self._endpoint,
            model=model,
            credential=key.label,
            reason=error.reason,
            status=error.status,
            retry_after_s=error.retry_after_s,
            retry=error.retry,
        )

    def _none_ready(self, rests: list[Rest], model: str) -> ProviderError:
        """What the first key to come back rests for; a dead one only if all are."""
        first = min(rests, key=lambda rest: (rest.dead, rest.until))
        return as_error(
            first,
            provider=self._provider,
            endpoint=self._endpoint,
            model=model,
            now=self.book.now(),
        )


def _booked_to(lease: Lease, *, renewable: bool) -> Booked:
    return Booked(
        key=lease.key,
        label=lease.label,
        model=lease.model,
        leased_at=lease.leased_at,
        renewable=renewable,
    )


def _rests_by_itself(error: ProviderError) -> bool:
    """Whether a failure to get a token says something of the key, and not of the moment."""
    return isinstance(error, LoginEnded | NotEntitled)
