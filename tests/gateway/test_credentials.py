"""Keys of models as rows: what a restart finds, and what operators see and do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.credential_pool import CredentialPool
from agent.credential_rests import SECOND, Cause, LoginEnded, Rest
from agent.credentials import Lease
from agent.errors import CredentialExhausted, ProviderAuthFailed, ProviderRateLimited
from agent.failover import Entry
from agent.oauth_services import Tokens
from gateway import logs
from gateway.config import Config, LoginConfig, ProviderConfig, Secret
from gateway.control_requests import AskCredentials, KeepLogin, RetryCredential
from gateway.credential_rows import STREAKS_LAST_US, CredentialRows
from gateway.credentials import Credentials, resting_lines
from gateway.equipment import providers
from gateway.errors import GatewayError, StoreFailed
from gateway.redaction import HIDDEN, Redaction
from gateway.store import migrate, transitions
from gateway.store.base import Store
from gateway.store.records import credentials as rows
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.agent.credentials.ground import failure
from tests.gateway.hand_clock import HandClock
from tests.wire.auth import AuthServer
from tests.wire.auth.server import CODEX

KEYS = (Secret("sk-the-first-key"), Secret("sk-the-second-key"))


def config(auth_url: str | None = None, **more: Any) -> Config:
    """Two entries: one with two keys, one with a login."""
    shared: dict[str, Any] = {"base_url": "http://127.0.0.1:9", "model": "m", "price": "included"}
    login = LoginConfig(service="codex", auth_url=auth_url)
    return Config(
        providers=(
            ProviderConfig(name="main", api="openai-chat", api_keys=KEYS, **shared),
            ProviderConfig(name="sub", api="openai-responses", credential=(login,), **shared),
        ),
        **more,
    )


async def opened(
    store: Store, told: list[str] | None = None, auth_url: str | None = None
) -> tuple[Credentials, tuple[Entry, ...]]:
    """The keys of a gateway that has just started."""
    heard = [] if told is None else told
    entries = await providers(config(auth_url))
    made = Credentials(entries, store, HandClock())
    await made.open(lambda _key, sentence: heard.append(sentence))
    return made, entries


def pool_of(entry: Entry) -> CredentialPool:
    assert isinstance(entry.credential, CredentialPool)
    return entry.credential


async def leased(entry: Entry) -> Lease:
    return await entry.credential.lease(session="s", model="m")


async def test_rests_survive_a_restart(store: Store) -> None:
    """With their causes, and the streak that goes on."""
    _, (main, _) = await opened(store)
    first = await leased(main)
    await main.credential.failed(first, failure(ProviderRateLimited, reason="rate_limited"))
    second = await leased(main)
    await main.credential.failed(second, failure(CredentialExhausted, reason="billing"))

    again, (main, _) = await opened(store)
    assert main.credential.standing(model="m").ready == 0
    one, two, _ = again.listed()
    assert [(rest.cause, rest.model) for rest in one.rests] == [(Cause.LIMIT, "m")]
    assert [(rest.cause, rest.model) for rest in two.rests] == [(Cause.CREDIT, "")]
    assert (one.label, one.service, one.entries) == ("main.1", "static", ("main",))


async def test_a_dead_key_stays_so_until_its_secret_changes(store: Store) -> None:
    """Its owner is told once, also over restarts; another secret is another key."""
    told: list[str] = []
    _, (main, _) = await opened(store, told)
    lease = await leased(main)
    await main.credential.failed(lease, failure(ProviderAuthFailed, "Incorrect API key provided"))
    _, (main, _) = await opened(store, told)
    assert main.credential.standing(model="m").dead == 1
    assert told == [
        "The key main.1 is refused for good (auth) and no longer used; give another key, or"
        " `gatepost credentials retry main.1` once it is mended."
    ]
    changed = Config(
        providers=(
            ProviderConfig(
                name="main",
                api="openai-chat",
                base_url="http://127.0.0.1:9",
                model="m",
                api_keys=(Secret("sk-another-key"), KEYS[1]),
                price="included",
            ),
        )
    )
    entries = await providers(changed)
    await Credentials(entries, store, HandClock()).open(lambda _key, _sentence: None)
    assert entries[0].credential.standing(model="m").ready == 2


async def test_an_operator_ends_a_rest_early(store: Store) -> None:
    """By the key's label, for good; a label of nobody is told those there are."""
    made, (main, _) = await opened(store)
    lease = await leased(main)
    await main.credential.failed(lease, failure(CredentialExhausted, reason="billing"))
    assert await made.answer(RetryCredential(label="main.1"), by="shell:ann") == (
        "main.1 may be used again."
    )
    assert await made.answer(RetryCredential(label="main.1"), by="shell:ann") == (
        "main.1 did not rest."
    )
    _, (main, _) = await opened(store)
    assert main.credential.standing(model="m").ready == 2
    with pytest.raises(
        GatewayError, match=r"there is no key x; there are: main\.1, main\.2, codex"
    ):
        await made.retry("x")


async def test_when_a_key_was_of_use_is_kept(store: Store) -> None:
    """It stands beside what it rests for."""
    made, (main, _) = await opened(store)
    await main.credential.succeeded(await leased(main))
    used = made.listed()[0].last_good
    assert used is not None
    again, _ = await opened(store)
    assert [state.last_good for state in again.listed()] == [used, None, None]


async def test_what_has_long_ended_is_forgotten(store: Store, clock: HandClock) -> None:
    """But not a dead key."""
    now = clock.now()
    old = Rest(
        key="k",
        model="m",
        label="main",
        cause=Cause.LIMIT,
        began_at=now - STREAKS_LAST_US - 3,
        until=now - STREAKS_LAST_US - 1,
    )
    dead = Rest(
        key="k", model="", label="main", cause=Cause.REFUSED, began_at=1, until=2, dead=True
    )
    kept = CredentialRows(store, clock, hide=lambda _owner, _secrets: None)
    await kept.keep_rest(old)
    await kept.keep_rest(dead)
    assert await kept.rests() == (dead,)
    assert await store.read(rows.rests) == (dead,)


# Log-ins.


@asynccontextmanager
async def auth() -> AsyncIterator[AuthServer]:
    """A loopback server of log-ins."""
    async with AuthServer(now=lambda: asyncio.get_running_loop().time()) as server:
        yield server


def logged_in(server: AuthServer, *, expires_at: int = 0) -> KeepLogin:
    """What `gatepost login` brings."""
    login = server.login()
    return KeepLogin(
        service="codex",
        account="",
        access=next(iter(login.access)),
        refresh=login.refresh,
        expires_at=expires_at,
        owner="acc-1",
    )


async def test_a_login_is_used_from_then_on_and_kept(store: Store) -> None:
    """What was given up for want of it is taken back."""
    told: list[str] = []
    async with auth() as server:
        made, (_, sub) = await opened(store, told, server.url)
        with pytest.raises(LoginEnded, match="run `gatepost login codex`"):
            await leased(sub)
        assert [line.split(";")[1] for line in told] == [" run `gatepost login codex`."]
        sentence = await made.answer(logged_in(server), by="shell:ann")
        assert sentence == "Logged in to codex."
        lease = await leased(sub)
        assert lease.headers["ChatGPT-Account-ID"] == "acc-1"
        assert await sub.credential.renew(lease)

        _, (_, sub) = await opened(store, told, server.url)
        after = await leased(sub)
        assert after.headers["Authorization"] != lease.headers["Authorization"]
        assert await sub.credential.renew(after)
        assert (server.refreshes, len(told)) == (2, 1)


async def test_a_death_between_storing_and_using_loses_nothing(
    tmp_path: Path,
) -> None:
    """The rotated token is on disk when the new access token may first be sent."""

    def never(failed: StoreFailed) -> None:
        raise AssertionError(failed)

    async with auth() as server:
        first = await open_sqlite(tmp_path / "state", migrate.packaged(), on_failure=never)
        made, (_, sub) = await opened(first, auth_url=server.url)
        await made.answer(logged_in(server), by="shell:ann")
        lease = await leased(sub)
        release = asyncio.Event()
        store = _Stopping(first, release)
        dying, (_, sub) = await opened(store, auth_url=server.url)
        lease = await leased(sub)
        renewing = asyncio.create_task(sub.credential.renew(lease))
        await store.stored.wait()  # it is on disk, and nobody has been told
        assert not renewing.done()
        renewing.cancel()
        await first.close()

        second = await open_sqlite(tmp_path / "state", migrate.packaged(), on_failure=never)
        try:
            _, (_, sub) = await opened(second, auth_url=server.url)
            assert await sub.credential.renew(await leased(sub))
        finally:
            await second.close()
        assert server.refreshes == 2
        assert not server.logins[0].over
        release.set()
        await asyncio.gather(renewing, return_exceptions=True)
        assert len(dying.listed()) == 3


class _Stopping:
    """A store whose process ends right after a login was stored."""

    def __init__(self, store: SqliteStore, release: asyncio.Event) -> None:
        self._store = store
        self._release = release
        self.stored = asyncio.Event()
        self.read = store.read
        self.close = store.close
        self.health = store.health

    async def write(self, unit: Any, *, transition: Any) -> Any:
        result = await self._store.write(unit, transition=transition)
        if transition is transitions.LOGIN_KEPT:
            self.stored.set()
            await self._release.wait()
        return result


async def test_a_login_of_no_service_is_refused(store: Store) -> None:
    """Nobody can store a token under another name."""
    made, _ = await opened(store)
    login = KeepLogin(service="x", account="", access="a", refresh="r", expires_at=0, owner="")
    with pytest.raises(GatewayError, match="nobody logs in to x"):
        await made.answer(login, by="shell:ann")


async def test_tokens_never_reach_logs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither those that are stored nor those that are renewed; the last two are known."""
    before = logging.getLogger().handlers[:]
    logs.set_up("text", secrets=())
    try:
        async with auth() as server:
            made, (_, sub) = await opened(store, auth_url=server.url)
            login = logged_in(server)
            await made.answer(login, by="shell:ann")
            await sub.credential.renew(await leased(sub))
            tokens = await store.read(lambda tx: rows.login(tx, "codex"))
            assert tokens is not None
            fresh = await leased(sub)
            words = (login.access, login.refresh, tokens.access, tokens.refresh)
            for word in (*words, fresh.headers["Authorization"]):
                logging.getLogger("x").warning("found %s", word)
            assert len(server.requests(CODEX)) == 1
        said = capsys.readouterr().err
        assert said.count(HIDDEN) == 5
        assert not any(word in said for word in words)
        assert not any(word in repr((login, tokens)) for word in words)
    finally:
        logging.basicConfig(handlers=before, force=True)


def test_what_is_renewed_does_not_pile_up() -> None:
    """The last two are hidden, what a configuration holds for ever."""
    hide = Redaction(["always-secret"])
    for number in range(5):
        hide.replace("codex", [f"token-number-{number}"])
    assert hide("always-secret token-number-4 token-number-3") == " ".join([HIDDEN] * 3)
    assert hide("token-number-2") == "token-number-2"
    hide.replace("codex", ["token-number-4"])
    assert hide("token-number-3") == HIDDEN


async def test_tokens_are_stored_whole(store: Store, clock: HandClock) -> None:
    """In place of those before."""
    kept = CredentialRows(store, clock, hide=lambda _owner, _secrets: None)
    tokens = Tokens(
        access="a1", refresh="r1", expires_at=None, obtained_at=5, generation=3, account="acc"
    )
    assert await kept.login("xai:two") is None
    await kept.keep_login("xai:two", "xai", tokens)
    assert await kept.login("xai:two") == tokens
    newer = Tokens(access="a2", refresh="r2", expires_at=9, obtained_at=7)
    await kept.keep_login("xai:two", "xai", newer)
    assert await kept.login("xai:two") == newer


async def test_rests_have_a_line_each(store: Store) -> None:
    """For `status`: the key, the model if it is one alone, until when and why."""
    made, (main, _) = await opened(store)
    first = await leased(main)
    limited = failure(ProviderRateLimited, reason="rate_limited", retry_after_s=60)
    await main.credential.failed(first, limited)
    await main.credential.failed(await leased(main), failure(LoginEnded))
    lines = resting_lines(made.listed(), lambda at: f"{at // SECOND % 10}")
    assert [line.split(" (")[0].rstrip("0123456789 ") for line in lines] == [
        "key main.1 for m: rests until",
        "key main.2: given up",
    ]


async def test_the_shell_is_answered(store: Store) -> None:
    """With every key there is."""
    made, _ = await opened(store)
    assert await made.answer(AskCredentials(), by="shell:ann") == made.listed()
    assert [state.label for state in made.listed()] == ["main.1", "main.2", "codex"]
