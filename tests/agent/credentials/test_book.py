"""What is known of keys while many turns use them at once: nothing is lost, nothing twice."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from agent.credential_pool import IN_FLIGHT, CredentialPool, Key, KeyBook
from agent.credential_rests import EARLY, HOUR, SECOND, Cause, LoginEnded, Place, Rest
from agent.credentials import Lease, Service
from agent.errors import (
    CredentialExhausted,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
)
from tests.agent.credentials.ground import Kept, failure, micros, pool, static
from tests.warp import warped

LIMITED = failure(ProviderRateLimited, reason="rate_limited")
BILLING = failure(CredentialExhausted, reason="billing")


@dataclass(kw_only=True)
class Slow(Kept):
    """A store whose ends wait until they may be written."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[Place] = field(default_factory=list)

    async def end_rest(self, place: Place) -> None:
        await self.may_end.wait()
        self.ended.append(place)
        await super().end_rest(place)


def rested(cause: Cause) -> Rest:
    """A rest of the key `a` that was over long ago, and left its streak."""
    model = "m" if cause is Cause.LIMIT else ""
    return Rest(key="a", model=model, label="a", cause=cause, began_at=1, until=2)


async def opened(kept: Kept, *rests: Rest) -> KeyBook:
    """A book that has taken up what a store holds."""
    kept.kept_rests |= {rest.place: rest for rest in rests}
    book = KeyBook(now=micros)
    await book.open(kept, tell=lambda rest: None)
    return book


def test_successes_at_once_end_a_rest_once() -> None:
    """Two attempts that end together, and the operator's word meanwhile."""

    async def run() -> None:
        kept = Slow()
        book = await opened(kept, rested(Cause.LIMIT), rested(Cause.CREDIT))
        keys = pool(static("a"), book=book)
        leases = [await keys.lease(session="s", model="m") for _ in range(2)]
        ending = [asyncio.create_task(keys.succeeded(lease)) for lease in leases]
        ending.append(asyncio.create_task(_ended(book)))
        await asyncio.sleep(1)
        kept.may_end.set()
        await asyncio.gather(*ending)
        assert kept.kept_rests == {}
        assert len(kept.ended) == 2

    warped(run())


async def _ended(book: KeyBook) -> None:
    await book.end("a")


@pytest.mark.parametrize("word", [False, True], ids=["success", "operator"])
def test_a_rest_booked_while_older_ones_are_ended_stays(word: bool) -> None:
    """Here and in the store, however long its writes take."""

    async def run() -> None:
        kept = Slow()
        book = await opened(kept, rested(Cause.CREDIT), rested(Cause.LIMIT))
        keys = pool(static("a"), book=book)
        good, bad = [await keys.lease(session="s", model="m") for _ in range(2)]
        ending = asyncio.create_task(_ended(book) if word else keys.succeeded(good))
        await asyncio.sleep(1)
        booking = asyncio.create_task(keys.failed(bad, LIMITED))
        await asyncio.sleep(1)
        kept.may_end.set()
        await asyncio.gather(ending, booking)
        rest = book.of("a", "m")
        assert rest is not None
        assert kept.kept_rests == {rest.place: rest}

    warped(run())


def test_a_success_lets_those_go_on_who_wait_for_a_place() -> None:
    """The key that is well again has one."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        first, second = [await keys.lease(session="s", model="m") for _ in range(2)]
        await keys.failed(first, BILLING)
        for _ in range(IN_FLIGHT):
            await keys.lease(session="s", model="m")
        waiting = asyncio.create_task(keys.lease(session="t", model="m"))
        await asyncio.sleep(1)
        assert not waiting.done()
        await keys.succeeded(second)
        assert (await waiting).label == "a"

    warped(run())


def test_a_rest_that_ends_between_two_looks_is_over() -> None:
    """The clock goes on while the pool looks at its keys."""

    async def run() -> None:
        for ahead in range(8):
            now = [1_000 * SECOND]

            def ticking(now: list[int] = now) -> int:
                now[0] += 1
                return now[0]

            keys = pool(static("a"), book=KeyBook(now=ticking))
            lease = await keys.lease(session="s", model="m")
            await keys.failed(lease, LIMITED)
            rest = keys.book.of("a", "m")
            assert rest is not None
            now[0] = rest.until - EARLY - ahead
            try:
                assert (await keys.lease(session="s", model="m")).label == "a"
            except ProviderRateLimited as error:
                assert error.retry_after_s == pytest.approx(0.1, abs=0.001)

    warped(run())


class Gated:
    """A source whose renewal waits until it may end, and ends as it is told."""

    service = Service.CODEX
    generation = 0

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.error: ProviderError | None = None

    async def lease(self) -> Lease:
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return Lease(label="a", headers={})

    async def renew(self, lease: Lease) -> bool:
        await self.lease()
        return True


def gated(source: Gated, *, book: KeyBook, provider: str = "main") -> CredentialPool:
    """A pool of a slow key and a plain one."""
    keys = (Key(ident="a", label=f"{provider}-a", source=source), *static("b"))
    return CredentialPool(keys, book=book, provider=provider, choose=lambda below: 0)


def test_a_key_that_is_limited_while_it_is_renewed_is_not_handed_out() -> None:
    """Another entry may have met its limit meanwhile."""

    async def run() -> None:
        book, source = KeyBook(now=micros), Gated()
        other = await pool(static("a"), book=book).lease(session="s", model="m")
        waiting = asyncio.create_task(gated(source, book=book).lease(session="s", model="m"))
        await asyncio.sleep(1)
        await pool(static("a"), book=book).failed(other, BILLING)
        source.may_end.set()
        assert (await waiting).label == "b"
        assert (book.flying("a"), book.flying("b")) == (1, 1)

    warped(run())


def test_a_failed_renewal_is_told_to_each_entry_as_its_own() -> None:
    """Entries that share a login share one renewal, and one exception."""

    async def run() -> None:
        book, source = KeyBook(now=micros), Gated()
        source.may_end.set()
        one, two = (gated(source, book=book, provider=name) for name in ("one", "two"))
        leases = [await each.lease(session="s", model="m") for each in (one, two)]
        source.error = failure(ProviderAuthFailed, "the endpoint is unwell", retry_after_s=7.0)
        errors = await asyncio.gather(
            one.renew(leases[0]), two.renew(leases[1]), return_exceptions=True
        )
        told = [(e.provider, e.credential, e.retry_after_s, str(e)) for e in errors]  # type: ignore[union-attr]
        words = (7.0, "the endpoint is unwell")
        assert told == [("one", "one-a", *words), ("two", "two-a", *words)]

    warped(run())


@dataclass(kw_only=True)
class Dawdling(Kept):
    """A store that takes its time, now more, now less."""

    dice: random.Random = field(default_factory=lambda: random.Random(5))

    async def keep_rest(self, rest: Rest) -> None:
        await asyncio.sleep(self.dice.randrange(3))
        await super().keep_rest(rest)

    async def end_rest(self, place: Place) -> None:
        await asyncio.sleep(self.dice.randrange(3))
        await super().end_rest(place)


FAILURES: tuple[ProviderError | None, ...] = (
    None,
    None,
    LIMITED,
    failure(ProviderRateLimited, reason="rate_limited", retry_after_s=5.0),
    failure(ProviderRateLimited, reason="rate_limited", retry_after_s=90.0),
    failure(ProviderOverloaded, reason="overloaded"),
    BILLING,
)


class Crowd:
    """Turns that use the same keys and hold the pool to its word at every step."""

    def __init__(self, keys: CredentialPool, seed: int) -> None:
        self.keys = keys
        self.dice = random.Random(seed)
        self.refused = self.served = self.ends = 0

    def hold(self) -> None:
        for key in self.keys.keys:
            assert 0 <= self.keys.book.flying(key.ident) <= IN_FLIGHT

    async def turn(self, number: int) -> None:
        for _ in range(6):
            await asyncio.sleep(self.dice.randrange(4))
            cancelled = self.dice.random() < 0.1
            try:
                async with asyncio.timeout(1 if cancelled else None):
                    lease = await self.keys.lease(session=f"s{number}", model="m")
            except TimeoutError:
                continue
            except ProviderError as error:
                self.refused += 1
                await asyncio.sleep(round(error.retry_after_s or 1))
                continue
            assert self.keys.book.of(lease.key, "m") is None
            self.hold()
            await asyncio.sleep(self.dice.randrange(5))
            self.keys.release(lease)
            self.hold()
            await self.end(lease)

    async def end(self, lease: Lease) -> None:
        self.served += 1
        error = self.dice.choice(FAILURES)
        if error is None:
            self.ends += 1
            await self.keys.succeeded(lease)
            return
        again_s = 1.0 if self.dice.random() < 0.3 else None
        before, ends = self.keys.book.of(lease.key, "m"), self.ends
        booking = asyncio.create_task(self.keys.failed(lease, error, again_s=again_s))
        await asyncio.sleep(0)
        after = self.keys.book.of(lease.key, "m")
        if self.ends == ends and not isinstance(error, ProviderOverloaded):
            assert after is not None
            assert before is None or after.until >= before.until
        if self.dice.random() < 0.1:
            self.ends += 1
            await self.keys.book.end(lease.key)
        await booking


@pytest.mark.parametrize("seed", range(3))
def test_fifty_turns_at_once_lose_no_rest_and_no_place(seed: int) -> None:
    """Never more than eight requests on a key, and the store ends up knowing what the book does."""

    async def run() -> None:
        kept = Dawdling()
        book = await opened(kept)
        crowd = Crowd(pool(static("a", "b", "c"), order="least_used", book=book), seed)
        await asyncio.gather(*(crowd.turn(number) for number in range(50)))
        assert crowd.served > 50
        assert crowd.refused > 0
        assert [book.flying(key) for key in "abc"] == [0, 0, 0]
        after = await opened(kept)
        for key in "abc":
            assert set(after.all_of(key)) == set(book.all_of(key))

    warped(run())


def test_a_login_that_ends_for_two_turns_is_told_once() -> None:
    """Both have waited for the same renewal."""
    told: list[Rest] = []

    async def run() -> None:
        book, source = KeyBook(now=micros), Gated()
        await book.open(Kept(), tell=told.append)
        keys = gated(source, book=book)
        source.may_end.set()
        leases = [await keys.lease(session="s", model="m") for _ in range(2)]
        source.error = failure(LoginEnded, "log in again")
        await asyncio.gather(*map(keys.renew, leases), return_exceptions=True)
        for lease in leases:
            await keys.failed(lease, source.error)
        assert keys.standing(model="m").dead == 1
        assert keys.standing(model="m", without=leases[0]).ready == 1

    warped(run())
    assert [rest.label for rest in told] == ["main-a"]


def test_an_end_of_credit_is_not_shortened_by_a_limit() -> None:
    """Each cause has its own rest; the longest is what holds."""

    async def run() -> None:
        keys = pool(static("a"))
        one, two = [await keys.lease(session="s", model="m") for _ in range(2)]
        await keys.failed(one, BILLING)
        await keys.failed(two, LIMITED, again_s=1.0)
        assert keys.standing(model="m").rests_until == micros() + HOUR

    warped(run())
