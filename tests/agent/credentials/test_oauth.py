"""Log-ins over a loopback server whose refresh tokens are good for one use."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.credential_oauth import OAuthLogin
from agent.credential_pool import CredentialPool, Key
from agent.credential_rests import SECOND, LoginEnded
from agent.credentials import Service
from agent.errors import NotEntitled, ProviderAuthFailed
from agent.oauth_services import tokens_in_file
from tests.agent.credentials.ground import (
    Kept,
    authorization,
    failure,
    logged_in,
    micros,
    oauth,
    pool,
    seconds,
)
from tests.faults.latch import Latch
from tests.warp import warped
from tests.wire.auth import AuthServer
from tests.wire.auth.server import ANTHROPIC, CODEX, MINT, NOUS, XAI
from tests.wire.server import Answer, CutBefore, Fault, HalfOpen, Hold

PATHS = {"codex": CODEX, "anthropic": ANTHROPIC, "xai": XAI, "nous": NOUS}
PLAIN = ("codex", "anthropic", "xai")


def over(
    test: Callable[[AuthServer, Kept], Awaitable[None]],
    *,
    life_s: float | None = 3600,
    jwt: bool = False,
) -> None:
    """Run a test beside a loopback server, on time that jumps."""

    async def run() -> None:
        async with AuthServer(now=seconds, life_s=life_s, jwt=jwt) as server:
            await test(server, Kept())

    warped(run())


def one(login: OAuthLogin) -> CredentialPool:
    """A pool of this login alone."""
    return pool((Key(ident=f"login:{login.name}", label=login.name, source=login),))


@pytest.mark.parametrize("service", PLAIN)
def test_a_fresh_token_is_sent_without_asking(service: str) -> None:
    """Before every attempt, with what the service wants beside it."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service)
        login = oauth(server, service, kept)
        for _ in range(3):
            lease = await login.lease()
        assert authorization(lease) == f"Bearer {kept.logins[service].access}"
        assert ("anthropic-beta" in lease.headers) is (service == "anthropic")
        assert server.record == []

    over(test)


@pytest.mark.parametrize("service", PLAIN)
@pytest.mark.parametrize(("life_s", "due_s"), [(3600, 3300), (1500, 1200), (600, 480), (100, 80)])
def test_a_token_is_renewed_ahead_of_its_end(service: str, life_s: int, due_s: int) -> None:
    """300 s before, or in the last fifth of a shorter life, and not a moment earlier."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service, life_s=life_s)
        login = oauth(server, service, kept)
        before = await login.lease()
        await asyncio.sleep(due_s - 1)
        assert (await login.lease()).headers == before.headers
        await asyncio.sleep(1)
        after = await login.lease()
        assert authorization(after) != authorization(before)
        assert after.generation > before.generation
        assert [seen.operation for seen in server.record] == [PATHS[service]]

    over(test)


@pytest.mark.parametrize("service", [*PLAIN, "nous"])
def test_fifty_leases_at_the_end_of_a_token_make_one_renewal(service: str) -> None:
    """All of them wait for it and send the new token."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service)
        login = oauth(server, service, kept)
        await login.lease()
        await asyncio.sleep(3600)
        before = len(server.requests(MINT))
        leases = await asyncio.gather(*(login.lease() for _ in range(50)))
        assert len({authorization(lease) for lease in leases}) == 1
        assert server.refreshes == 1
        assert len(server.requests(MINT)) - before == (1 if service == "nous" else 0)
        assert not server.logins[0].over

    over(test)


def test_fifty_refusals_of_one_token_make_one_renewal() -> None:
    """A refusal of an older one just takes the newer token."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex")
        login = oauth(server, "codex", kept)
        lease = await login.lease()
        assert all(await asyncio.gather(*(login.renew(lease) for _ in range(50))))
        assert server.refreshes == 1
        assert await login.renew(lease)
        assert server.refreshes == 1
        assert await login.renew(await login.lease())
        assert server.refreshes == 2

    over(test)


def test_a_refusal_of_an_older_token_is_booked_to_nobody() -> None:
    """The key that is there by now has done nothing wrong."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex")
        keys = one(oauth(server, "codex", kept))
        old = await keys.lease(session="s", model="m")
        new = await keys.lease(session="s", model="m")
        await keys.renew(new)
        await keys.failed(old, failure(ProviderAuthFailed))
        assert keys.standing(model="m").ready == 1
        await keys.failed(await keys.lease(session="s", model="m"), failure(ProviderAuthFailed))
        assert keys.standing(model="m").ready == 0

    over(test)


@pytest.mark.parametrize("service", PLAIN)
def test_a_rotated_token_is_stored_before_the_new_one_is_used(service: str) -> None:
    """A process that dies between the two finds it stored, and goes on with it."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service)
        login = oauth(server, service, kept)
        await login.renew(await login.lease())
        assert kept.order == [f"kept {server.logins[0].refresh}"]

        after = oauth(server, service, kept)  # a new process
        assert authorization(await after.lease()) == f"Bearer {kept.logins[service].access}"
        assert await after.renew(await after.lease())
        assert server.refreshes == 2
        assert not server.logins[0].over

    over(test)


def test_tokens_that_can_not_be_stored_are_not_used_and_not_lost() -> None:
    """They are stored first thing next time, without another renewal."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "xai")
        login = oauth(server, "xai", kept)
        lease = await login.lease()
        kept.failing = True
        with pytest.raises(ProviderAuthFailed, match="the disk is full"):
            await login.renew(lease)
        assert authorization(await login.lease()) == authorization(lease)
        kept.failing = False
        await asyncio.sleep(31)
        assert await login.renew(lease)
        assert server.refreshes == 1
        assert kept.logins["xai"].refresh == server.logins[0].refresh

    over(test)


def test_who_is_cancelled_does_not_tear_the_renewal() -> None:
    """The server has spent the old token by then."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex")
        login = oauth(server, "codex", kept)
        lease = await login.lease()
        caller = asyncio.create_task(login.renew(lease))
        await server.seen(lambda seen: seen.operation == CODEX)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert await login.renew(lease)
        assert server.refreshes == 1
        assert kept.logins["codex"].refresh == server.logins[0].refresh

    over(test)


BAD_MOMENTS: tuple[Fault, ...] = (
    Answer(status=500),
    Answer(status=503, body=b"<html>"),
    Answer(status=429, headers={"Retry-After": "60"}),
    CutBefore(),
    HalfOpen(),
)


@pytest.mark.parametrize("service", PLAIN)
@pytest.mark.parametrize("fault", BAD_MOMENTS, ids=lambda fault: str(fault)[:30])
def test_a_bad_moment_of_the_token_endpoint_is_tried_once_more(service: str, fault: Fault) -> None:
    """5xx, 429, timeout: it is not dead."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service)
        login = oauth(server, service, kept)
        lease = await login.lease()
        server.faults.add(PATHS[service], fault)
        assert await login.renew(lease)
        assert len(server.record) == 2

    over(test)


@pytest.mark.parametrize("fault", BAD_MOMENTS, ids=lambda fault: str(fault)[:30])
def test_two_bad_moments_are_a_refusal_in_passing(fault: Fault) -> None:
    """The ladder meets it like a 401; the key neither rests nor dies; 30 s later it is tried."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex", life_s=100)
        keys = one(oauth(server, "codex", kept))
        await keys.lease(session="s", model="m")
        await asyncio.sleep(101)
        server.faults.add(CODEX, fault, fault)
        for _ in range(3):
            with pytest.raises(ProviderAuthFailed) as raised:
                await keys.lease(session="s", model="m")
            assert not isinstance(raised.value, LoginEnded)
            assert (raised.value.provider, raised.value.credential) == ("main", "codex")
        assert len(server.record) == 2
        assert keys.standing(model="m").ready == 1
        await asyncio.sleep(31)
        await keys.lease(session="s", model="m")
        assert server.refreshes == 1

    over(test)


def test_a_renewal_ahead_that_fails_leaves_the_old_token_in_use() -> None:
    """Until its end; it is tried again every 30 s, not at every attempt."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "xai")
        login = oauth(server, "xai", kept)
        before = await login.lease()
        await asyncio.sleep(3310)
        server.faults.add(XAI, *([Answer(status=500)] * 2))
        for _ in range(10):
            assert authorization(await login.lease()) == authorization(before)
        assert len(server.record) == 2
        await asyncio.sleep(30)
        assert authorization(await login.lease()) != authorization(before)

    over(test)


@pytest.mark.parametrize("service", PLAIN)
def test_an_ended_login_is_dead_until_somebody_logs_in_again(service: str) -> None:
    """At once, and the next key of the pool takes over."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service)
        login = oauth(server, service, kept)
        keys = one(login)
        lease = await keys.lease(session="s", model="m")
        server.logins[0].over = True
        server.logins[0].refresh = "another"
        with pytest.raises(LoginEnded, match="log in again"):
            await keys.renew(lease)
        assert keys.standing(model="m").dead == 1
        asked = len(server.record)
        with pytest.raises(ProviderAuthFailed, match="is given up"):
            await keys.lease(session="s", model="m")
        assert len(server.record) == asked
        logged_in(server, kept, service)
        login.replaced()
        await keys.book.end(f"login:{service}")
        assert (await keys.lease(session="s", model="m")).generation >= 1

    over(test)


@pytest.mark.parametrize("over_by_then", [False, True])
@pytest.mark.parametrize("service", [*PLAIN, "nous"])
def test_what_the_login_before_still_meets_is_nothing_to_the_new_one(
    service: str, over_by_then: bool
) -> None:
    """Somebody logs in while the old one is renewed; then an attempt with it is refused."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, service)
        login = oauth(server, service, kept)
        keys = one(login)
        old = await keys.lease(session="s", model="m")
        server.logins[0].over = over_by_then
        latch = Latch()
        server.faults.add(MINT if service == "nous" else PATHS[service], Hold(released=latch))
        renewing = asyncio.create_task(keys.renew(old))
        await latch.met.wait()
        logged_in(server, kept, service)
        new = kept.logins[service]
        login.replaced()
        await keys.book.end(f"login:{service}")
        latch.set()
        assert await renewing
        await keys.failed(old, failure(ProviderAuthFailed))
        assert keys.standing(model="m").ready == 1
        again = await keys.lease(session="s", model="m")
        assert again.generation > old.generation
        assert kept.logins[service] == new

    over(test)


def test_a_spent_refresh_token_ends_the_login() -> None:
    """What the server tells a second use of one; it is not tried again."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex")
        thief = oauth(server, "codex", Kept(logins=dict(kept.logins)))
        assert await thief.renew(await thief.lease())
        keys = one(oauth(server, "codex", kept))
        with pytest.raises(LoginEnded, match="refresh_token_reused"):
            await keys.renew(await keys.lease(session="s", model="m"))
        assert server.refreshes == 2

    over(test)


def test_nobody_has_logged_in() -> None:
    """It says what to run, and the key is dead until then."""

    async def test(server: AuthServer, kept: Kept) -> None:
        keys = one(oauth(server, "codex", kept))
        with pytest.raises(LoginEnded, match="run `gatepost login codex`"):
            await keys.lease(session="s", model="m")
        assert keys.standing(model="m").dead == 1
        assert server.record == []

    over(test)


def test_a_pool_goes_on_with_the_next_login() -> None:
    """A failure to get one token is no failure of the pool."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "xai")
        keys = pool(
            (
                Key(ident="a", label="a", source=oauth(server, "codex", kept)),
                Key(ident="b", label="b", source=oauth(server, "xai", kept)),
            )
        )
        assert (await keys.lease(session="s", model="m")).label == "b"
        assert (keys.standing(model="m").ready, keys.standing(model="m").dead) == (1, 1)
        assert (keys.book.flying("a"), keys.book.flying("b")) == (0, 1)

    over(test)


def test_a_token_without_a_lifetime_is_read_for_its_end() -> None:
    """And for the account that is named beside it."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex", life_s=None)
        login = oauth(server, "codex", kept)
        await login.renew(await login.lease())
        lease = await login.lease()
        assert lease.headers["ChatGPT-Account-ID"] == "acc-1"
        assert kept.logins["codex"].expires_at == int(seconds() + 3600) * SECOND
        await asyncio.sleep(3300)
        assert authorization(await login.lease()) != authorization(lease)

    over(test, life_s=None, jwt=True)


def test_a_token_of_unknown_end_is_renewed_when_it_is_refused() -> None:
    """Not before."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "xai", life_s=None)
        login = oauth(server, "xai", kept)
        lease = await login.lease()
        await asyncio.sleep(100_000)
        assert (await login.lease()).headers == lease.headers
        assert await login.renew(lease)

    over(test, life_s=None)


# The file of the vendor's own program.


def write_file(path: Path, service: str, *, access: str, refresh: str, life_s: float) -> None:
    """As the vendor's program writes it."""
    ends = seconds() + life_s
    if service == "codex":
        claims = json.dumps({"exp": int(ends)}).encode()
        import base64

        middle = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        tokens = {"access_token": f"{access}.{middle}.x", "refresh_token": refresh}
        path.write_text(json.dumps({"tokens": tokens | {"account_id": "acc-9"}}))
        return
    found = {"accessToken": access, "refreshToken": refresh, "expiresAt": int(ends * 1000)}
    path.write_text(json.dumps({"claudeAiOauth": found}))


@pytest.mark.parametrize("service", ["codex", "anthropic"])
def test_a_login_of_the_vendors_program_is_taken_over(service: str, tmp_path: Path) -> None:
    """Nobody need log in here; and it is read again before anything is renewed."""

    async def test(server: AuthServer, kept: Kept) -> None:
        file = tmp_path / "auth.json"
        write_file(file, service, access="one", refresh="r1", life_s=1000)
        login = oauth(server, service, kept, file=file)
        first = await login.lease()
        assert "one" in authorization(first)
        if service == "codex":
            assert first.headers["ChatGPT-Account-ID"] == "acc-9"
        assert kept.logins[service].refresh == "r1"
        write_file(file, service, access="two", refresh="r2", life_s=4000)
        assert await login.renew(first)
        assert "two" in authorization(await login.lease())
        assert kept.logins[service].refresh == "r2"
        assert server.record == []

    over(test)


@pytest.mark.parametrize("service", ["codex", "anthropic"])
def test_an_older_login_of_the_vendors_program_is_left_alone(service: str, tmp_path: Path) -> None:
    """What was renewed here since is newer, and a token that has ended is none."""

    async def test(server: AuthServer, kept: Kept) -> None:
        file = tmp_path / "auth.json"
        logged_in(server, kept, service, life_s=3600)
        write_file(file, service, access="old", refresh="r0", life_s=3000)
        login = oauth(server, service, kept, file=file)
        assert await login.renew(await login.lease())
        assert server.refreshes == 1
        await asyncio.sleep(3601)
        await login.lease()
        assert server.refreshes == 2

    over(test)


def test_a_file_that_can_not_be_read_is_no_login(tmp_path: Path) -> None:
    """Whatever is in it."""
    assert tokens_in_file(Service.CODEX, b"{") is None
    assert tokens_in_file(Service.CODEX, b"[1]") is None
    assert tokens_in_file(Service.CODEX, b'{"tokens": {"access_token": 1}}') is None
    assert tokens_in_file(Service.ANTHROPIC, b'{"claudeAiOauth": {"accessToken": "x"}}') is None

    async def test(server: AuthServer, kept: Kept) -> None:
        with pytest.raises(LoginEnded):
            await oauth(server, "codex", kept, file=tmp_path / "none").lease()

    over(test)


# Nous: a key is minted from the login.


def test_nous_mints_a_key_from_the_login() -> None:
    """It is what attempts carry, at the address the portal names; a new one ahead of its end."""

    async def test(server: AuthServer, kept: Kept) -> None:
        server.inference = f"{server.url}/v1/"
        logged_in(server, kept, "nous")
        login = oauth(server, "nous", kept)
        lease = await login.lease()
        assert authorization(lease).startswith("Bearer key-")
        assert lease.base_url == f"{server.url}/v1"
        assert (await login.lease()).headers == lease.headers
        await asyncio.sleep(1500)
        assert authorization(await login.lease()) != authorization(lease)
        assert (len(server.requests(MINT)), server.refreshes) == (2, 0)

    over(test)


def test_nous_mints_again_when_a_key_is_refused() -> None:
    """And renews the login first if the portal does not know its token any more."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "nous")
        login = oauth(server, "nous", kept)
        lease = await login.lease()
        assert await login.renew(lease)
        assert (len(server.requests(MINT)), server.refreshes) == (2, 0)
        server.logins[0].access.clear()
        assert await login.renew(await login.lease())
        assert (len(server.requests(MINT)), server.refreshes) == (4, 1)
        assert server.requests(NOUS)[0].arguments.get("refresh_token") is None

    over(test)


def test_nous_without_a_subscription_is_not_entitled() -> None:
    """A key that can't be minted rests for this model."""

    async def test(server: AuthServer, kept: Kept) -> None:
        server.entitled = False
        logged_in(server, kept, "nous")
        keys = one(oauth(server, "nous", kept))
        with pytest.raises(NotEntitled, match="subscription_required"):
            await keys.lease(session="s", model="m")
        assert keys.standing(model="m").rests_until == micros() + 3600 * SECOND

    over(test)


@pytest.mark.parametrize(
    "named", ["http://elsewhere.example/v1", "ftp://x", "not an address", "https://"]
)
def test_a_key_is_not_sent_to_an_address_in_the_clear(named: str) -> None:
    """The entry's own is used then."""

    async def test(server: AuthServer, kept: Kept) -> None:
        server.inference = named
        logged_in(server, kept, "nous")
        assert (await oauth(server, "nous", kept).lease()).base_url is None

    over(test)


def test_what_is_secret_is_in_no_words() -> None:
    """Neither tokens nor their requests show themselves, nor do failures quote them."""

    async def test(server: AuthServer, kept: Kept) -> None:
        logged_in(server, kept, "codex")
        tokens = kept.logins["codex"]
        login = oauth(server, "codex", kept)
        lease = await login.lease()
        server.faults.add(CODEX, Answer(status=400, body=tokens.refresh.encode()))
        with pytest.raises(ProviderAuthFailed) as raised:
            await login.renew(lease)
        said = f"{raised.value}{tokens!r}{lease!r}"
        assert tokens.access not in said
        assert tokens.refresh not in said

    over(test)
