"""A pool: its orders, its patience, and to whom results are booked."""

import asyncio

import pytest

from agent.credential_pool import IN_FLIGHT, KeyBook, Order
from agent.credential_rests import HOUR, SECOND, Rest
from agent.credentials import Standing, StaticKey
from agent.errors import (
    CredentialExhausted,
    NotEntitled,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
)
from tests.agent.credentials.ground import Kept, authorization, failure, micros, pool, static
from tests.warp import warped

LIMITED = failure(ProviderRateLimited, reason="rate_limited")


@pytest.mark.parametrize(
    ("order", "labels"),
    [
        ("fill_first", ["a", "a", "a", "a"]),
        ("round_robin", ["a", "b", "c", "a"]),
        ("least_used", ["a", "b", "c", "a"]),
        ("random", ["c", "a", "b", "b"]),
    ],
)
def test_every_order_chooses_in_its_way(order: Order, labels: list[str]) -> None:
    """Of keys that are well, for sessions that have none yet."""

    async def run() -> None:
        keys = pool(static("a", "b", "c"), order=order, draws=(2, 0, 1, 1))
        leases = [await keys.lease(session=f"s{n}", model="m") for n in range(4)]
        assert [lease.label for lease in leases] == labels
        assert [authorization(lease) for lease in leases] == [f"Bearer sk-{x}" for x in labels]

    warped(run())


@pytest.mark.parametrize("order", ["fill_first", "round_robin", "least_used", "random"])
def test_a_session_stays_with_a_key_that_is_well_for_an_hour(order: Order) -> None:
    """Then, or when it rests, the order decides again."""

    async def run() -> None:
        keys = pool(static("a", "b"), order=order, draws=(0, 1, 1, 1))
        first = await keys.lease(session="s", model="m")
        await keys.lease(session="other", model="m")
        for _ in range(3):
            again = await keys.lease(session="s", model="m")
            assert again.label == first.label
        await asyncio.sleep(3599)
        assert (await keys.lease(session="s", model="m")).label == first.label
        await keys.failed(first, LIMITED)
        moved = await keys.lease(session="s", model="m")
        assert moved.label != first.label
        await asyncio.sleep(31)
        assert (await keys.lease(session="s", model="m")).label == moved.label

    warped(run())


def test_a_rest_is_of_one_model_or_of_all() -> None:
    """A limit leaves other models alone; lack of credit does not."""

    async def run() -> None:
        keys = pool(static("a"))
        lease = await keys.lease(session="s", model="m")
        await keys.failed(lease, LIMITED)
        assert keys.standing(model="m") == Standing(ready=0, rests_until=micros() + 30 * SECOND)
        assert keys.standing(model="other") == Standing(ready=1)
        other = await keys.lease(session="s", model="other")
        await keys.failed(other, failure(CredentialExhausted, reason="billing"))
        assert keys.standing(model="third").rests_until == micros() + HOUR

    warped(run())


def test_who_finds_every_key_resting_is_told_of_the_first_to_come_back() -> None:
    """As the error it rests for, and how long."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        one = await keys.lease(session="s", model="m")
        await keys.failed(one, failure(CredentialExhausted, reason="billing"))
        two = await keys.lease(session="s", model="m")
        await keys.failed(two, failure(ProviderRateLimited, reason="x", retry_after_s=120))
        with pytest.raises(ProviderRateLimited) as raised:
            await keys.lease(session="s", model="m")
        assert raised.value.retry_after_s == 120
        assert (raised.value.provider, raised.value.credential) == ("main", "b")
        await asyncio.sleep(121)
        assert (await keys.lease(session="s", model="m")).label == "b"

    warped(run())


def test_when_all_are_dead_it_is_a_refusal() -> None:
    """A dead key is counted apart, and the operator hears of each once."""
    told: list[Rest] = []

    async def run() -> None:
        book = KeyBook(now=micros)
        await book.open(Kept(), tell=told.append)
        keys = pool(static("a", "b"), book=book)
        refused = failure(ProviderAuthFailed, "Incorrect API key provided")
        for _ in range(2):
            lease = await keys.lease(session="s", model="m")
            await keys.failed(lease, refused)
            await keys.failed(lease, refused)
        assert keys.standing(model="m") == Standing(ready=0, dead=2)
        with pytest.raises(ProviderAuthFailed, match="is given up") as raised:
            await keys.lease(session="s", model="m")
        assert raised.value.retry_after_s is None

    warped(run())
    assert [rest.label for rest in told] == ["a", "b"]


def test_at_most_eight_requests_carry_a_key() -> None:
    """The ninth takes the next key; with every key full it waits for one that ends."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        leases = [await keys.lease(session="s", model="m") for _ in range(2 * IN_FLIGHT)]
        assert [lease.label for lease in leases] == ["a"] * IN_FLIGHT + ["b"] * IN_FLIGHT
        waiting = asyncio.create_task(keys.lease(session="s", model="m"))
        await asyncio.sleep(60)
        assert not waiting.done()
        keys.release(leases[9])
        assert (await waiting).label == "b"

    warped(run())


def test_a_key_in_two_pools_has_one_count_and_one_rest() -> None:
    """It is the key that is limited, whichever entry used it."""

    async def run() -> None:
        book = KeyBook(now=micros)
        one, two = pool(static("a"), book=book), pool(static("a"), book=book)
        leases = [await one.lease(session="s", model="m") for _ in range(IN_FLIGHT)]
        waiting = asyncio.create_task(two.lease(session="s", model="m"))
        await asyncio.sleep(1)
        assert not waiting.done()
        one.release(leases[0])
        await waiting
        await one.failed(leases[1], failure(CredentialExhausted, reason="billing"))
        assert two.standing(model="m").ready == 0

    warped(run())


def test_who_waits_for_a_place_takes_a_key_whose_rest_ends() -> None:
    """It need not wait for a request to end."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        first = await keys.lease(session="s", model="m")
        await keys.failed(first, LIMITED)
        for _ in range(IN_FLIGHT):
            await keys.lease(session="s", model="m")
        began = micros()
        assert (await keys.lease(session="s", model="m")).label == "a"
        assert micros() - began == 30 * SECOND

    warped(run())


def test_a_cancelled_lease_leaves_no_trace() -> None:
    """Whoever stops waiting holds no place."""

    async def run() -> None:
        keys = pool(static("a"))
        leases = [await keys.lease(session="s", model="m") for _ in range(IN_FLIGHT)]
        waiting = asyncio.create_task(keys.lease(session="s", model="m"))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for lease in leases:
            keys.release(lease)
        assert keys.book.flying("a") == 0

    warped(run())


def test_a_result_is_booked_to_the_lease_and_not_to_the_current_key() -> None:
    """A late failure of one key lets that key rest, though another is in use by now."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        old = await keys.lease(session="s", model="m")
        await keys.failed(old, LIMITED)
        new = await keys.lease(session="s", model="m")
        await keys.failed(old, failure(NotEntitled, reason="entitlement"))
        assert new.label == "b"
        assert keys.standing(model="m").ready == 1
        assert (await keys.lease(session="s", model="m")).label == "b"

    warped(run())


def test_a_success_ends_what_rested_when_it_began() -> None:
    """And the streak with it; a success of an earlier attempt ends nothing."""

    async def run() -> None:
        keys = pool(static("a"))
        early = await keys.lease(session="s", model="m")
        late = await keys.lease(session="s", model="m")
        await asyncio.sleep(1)
        await keys.failed(early, LIMITED)
        await keys.succeeded(late)
        assert keys.standing(model="m").ready == 0
        await asyncio.sleep(31)
        again = await keys.lease(session="s", model="m")
        await keys.failed(again, LIMITED)
        assert keys.standing(model="m").rests_until == micros() + 60 * SECOND
        await asyncio.sleep(61)
        await keys.succeeded(await keys.lease(session="s", model="m"))
        third = await keys.lease(session="s", model="m")
        await keys.failed(third, LIMITED)
        assert keys.standing(model="m").rests_until == micros() + 30 * SECOND

    warped(run())


def test_credit_that_is_back_ends_its_rest() -> None:
    """Another entry's success with the same key, or the operator's word."""

    async def run() -> None:
        book = KeyBook(now=micros)
        keys = pool(static("a"), book=book)
        lease = await keys.lease(session="s", model="m")
        await keys.failed(lease, failure(CredentialExhausted, reason="billing"))
        assert await book.end("a")
        assert keys.standing(model="m").ready == 1
        assert not await book.end("a")

    warped(run())


def test_what_is_not_the_keys_fault_leaves_it_ready() -> None:
    """An overload is the provider's."""

    async def run() -> None:
        keys = pool(static("a"))
        lease = await keys.lease(session="s", model="m")
        await keys.failed(lease, failure(ProviderOverloaded, reason="overloaded"))
        assert keys.standing(model="m") == Standing(ready=1)

    warped(run())


def test_rests_outlive_the_process() -> None:
    """With their streaks, and when a key was last of use."""

    async def run() -> None:
        kept = Kept()
        book = KeyBook(now=micros)
        await book.open(kept, tell=lambda rest: None)
        keys = pool(static("a", "b"), book=book)
        lease = await keys.lease(session="s", model="m")
        await keys.succeeded(lease)
        await keys.failed(lease, LIMITED)

        after = KeyBook(now=micros)
        await after.open(kept, tell=lambda rest: None)
        again = pool(static("a", "b"), book=after)
        assert again.standing(model="m").ready == 1
        assert after.last_good("a") == micros()
        await asyncio.sleep(31)
        second = await again.lease(session="s", model="m")
        await again.failed(second, LIMITED)
        assert again.standing(model="m").rests_until == micros() + 60 * SECOND

    warped(run())


def test_a_lease_tells_nothing_of_its_key() -> None:
    """Neither does the error for one that rests."""

    async def run() -> None:
        keys = pool(static("a"))
        lease = await keys.lease(session="s", model="m")
        assert "sk-a" not in repr(lease)
        await keys.failed(lease, LIMITED)
        with pytest.raises(ProviderError) as raised:
            await keys.lease(session="s", model="m")
        assert "sk-a" not in str(raised.value)

    warped(run())


def test_how_the_keys_stand_without_the_one_that_has_just_failed() -> None:
    """Whether it rests by then or not, it is not one of those that are left."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        lease = await keys.lease(session="s", model="m")
        assert keys.standing(model="m", without=lease) == Standing(ready=1)
        await keys.failed(lease, LIMITED)
        assert keys.standing(model="m", without=lease).ready == 1
        assert keys.standing(model="m").ready == 1
        alone = StaticKey(label="k", key="k")
        assert alone.standing(model="m") == Standing(ready=1)
        assert alone.standing(model="m", without=await alone.lease()) == Standing(ready=0)

    warped(run())


@pytest.mark.parametrize("order", ["fill_first", "round_robin", "least_used"])
def test_the_next_key_is_known_before_it_is_leased(order: Order) -> None:
    """The session's own while it is well, else the one of the order; to ask changes nothing."""

    async def run() -> None:
        keys = pool(static("a", "b", "c"), order=order)
        for number in range(30):
            session = f"s{number % 7}"
            told = {keys.next_label(session=session, model="m") for _ in range(3)}
            lease = await keys.lease(session=session, model="m")
            assert told == {lease.label}
            if number % 5 == 0:
                await keys.failed(lease, LIMITED)
                assert keys.next_label(session=session, model="m") != lease.label
            if number % 3:
                keys.release(lease)
            await asyncio.sleep(9)

    warped(run())


def test_the_next_key_where_there_is_none_or_a_draw_decides() -> None:
    """Nobody, whoever has a place first, or the first that is ready."""

    async def run() -> None:
        keys = pool(static("a", "b"), order="random", draws=(1,))
        assert keys.next_label(session="s", model="m") == "a"
        lease = await keys.lease(session="s", model="m")
        assert keys.next_label(session="s", model="m") == lease.label == "b"
        full = pool(static("a"))
        for _ in range(IN_FLIGHT):
            last = await full.lease(session="s", model="m")
        assert full.next_label(session="s", model="m") == "a"
        await full.failed(last, LIMITED)
        assert full.next_label(session="s", model="m") == ""
        assert StaticKey(label="k", key="").next_label(session="s", model="m") == "k"

    warped(run())


@pytest.mark.parametrize("asked_s", [None, 4.0, 50.0])
def test_who_waits_for_a_limited_key_has_it_again_and_others_know(asked_s: float | None) -> None:
    """It rests just as long as the wait; a session stays with its key over it."""

    async def run() -> None:
        keys = pool(static("a", "b"))
        alone = pool(static("a"), book=keys.book)
        lease = await keys.lease(session="s", model="m")
        keys.release(lease)
        limited = failure(ProviderRateLimited, reason="rate_limited", retry_after_s=asked_s)
        wait_s = asked_s or 1.0
        await keys.failed(lease, limited, again_s=wait_s)
        assert (await keys.lease(session="other", model="m")).label == "b"
        with pytest.raises(ProviderRateLimited) as raised:
            await alone.lease(session="other", model="m")
        assert raised.value.retry_after_s == wait_s
        await asyncio.sleep(wait_s - 0.05)  # a timer that is ahead of the clock
        again = await keys.lease(session="s", model="m")
        assert again.label == "a"
        await keys.succeeded(again)
        assert keys.book.all_of("a") == ()

    warped(run())
