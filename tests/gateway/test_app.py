"""The composition root: starts that fail, and accounts whose token is mended."""

import asyncio
import os
import signal
import socket
import sqlite3
from pathlib import Path

import pytest

from gateway import starts
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config import Config, load
from gateway.equipment import providers
from gateway.errors import GatewayError, StoreFailed, StoreLocked
from gateway.process import serve
from gateway.store import migrate
from gateway.store.records import sessions
from gateway.store.sqlite import open_sqlite
from platforms.content import Post
from platforms.errors import CredentialsRejected
from tests.agent.scripted import ScriptedProvider, entry
from tests.gateway.records.rows import arrival, opened
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT


def config(path: Path, *, port: int = 0, owners: str = "") -> Config:
    """A gateway with its page and nothing else."""
    file = path / "gatepost.toml"
    file.write_text(
        f"""
[gateway]
state_dir = "{path}/state"
owners = [{owners}]
[web]
listen = "127.0.0.1:{port}"
[tools]
enabled = []
[[providers]]
name = "demo"
api = "demo"
"""
    )
    file.chmod(0o600)
    return load(file, {})


class Closing(ScriptedProvider):
    """A model that knows whether it was let go."""

    closed = False

    async def close(self) -> None:
        self.closed = True


def unended(path: Path) -> int:
    """Runs that have ended without a word."""
    with sqlite3.connect(path / "state" / "gatepost.db") as database:
        rows = database.execute("SELECT COUNT(*) FROM start WHERE stopped_at IS NULL").fetchone()
    database.close()
    return int(rows[0])


async def test_a_start_that_can_not_be_is_no_death(tmp_path: Path) -> None:
    """Its port is taken: nothing crashed, and the next start does not say so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = config(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(GatewayError, match=r"web\.listen"):
            await Gateway(given).start(await providers(given))
    assert unended(tmp_path) == 0


async def test_a_start_without_its_store_closes_its_models(tmp_path: Path) -> None:
    """The state directory is another's: no connection of a model stays open."""
    given = config(tmp_path)
    first = Gateway(given)
    await first.start(await providers(given))
    model = Closing()
    with pytest.raises(StoreLocked):
        await Gateway(given).start((entry(model),))
    assert model.closed
    await first.stop()


async def test_owners_hear_of_a_turn_that_was_ended_for_its_deaths(tmp_path: Path) -> None:
    """It was open in three deaths within a minute: its chat is not the only one to know."""
    given = config(tmp_path, owners='"terminal:7"')
    failures: list[StoreFailed] = []
    state = tmp_path / "state"
    store = await open_sqlite(state, migrate.packaged(), on_failure=failures.append)
    await opened(store, arrival(1))
    for _ in range(3):
        run = await starts.begin(store, SystemClock(), boot="b")
        taken = f"UPDATE turn SET start_id = {run.begun.id}"
        await store.write(lambda tx, sql=taken: tx.run(sql), transition=KEPT)  # type: ignore[misc]
    await store.close()
    gateway = Gateway(given)
    await gateway.start(await providers(given))
    await gateway.stop()
    with sqlite3.connect(tmp_path / "state" / "gatepost.db") as database:
        told = database.execute("SELECT content FROM outbox WHERE account = 'terminal:local'")
        (content,) = [row[0] for row in told]
    database.close()
    assert "I ended turn t1: I died three times within a minute" in content


async def test_a_named_chat_hears_of_a_turn_that_failed(tmp_path: Path) -> None:
    """In the last run, which had no time to tell: the next one does, as it begins."""
    given = config(tmp_path)
    assert given.source is not None
    named = '[destinations.ops]\nchat = "terminal:7"\nnotices = ["error"]\n'
    given.source.write_text(given.source.read_text() + named)
    failures: list[StoreFailed] = []
    store = await open_sqlite(tmp_path / "state", migrate.packaged(), on_failure=failures.append)
    turn = await opened(store, arrival(1))
    now = SystemClock().now()
    await store.write(
        lambda tx: sessions.close_turn(
            tx, turn, state="failed", mark="none", error="gone", now=now
        ),
        transition=KEPT,
    )
    await store.close()
    gateway = Gateway(load(given.source, {}))
    await gateway.start(await providers(given))
    told: list[tuple[str]] = []
    async with asyncio.timeout(60):
        while not told:
            told = await gateway._store.read(
                lambda tx: tx.rows("SELECT content FROM outbox WHERE chat = 'terminal:7'")
            )
    assert "failed: gatepost why t1." in told[0][0]
    await gateway.stop()


async def test_signals_during_the_start_are_carried_out_after_it(tmp_path: Path) -> None:
    """A reload and then a stop; neither ends the process in the middle."""
    given = config(tmp_path)
    done: list[str] = []

    def make(config: Config) -> Gateway:
        os.kill(os.getpid(), signal.SIGHUP)
        return Gateway(config)

    def reload() -> Config:
        done.append("reload")
        os.kill(os.getpid(), signal.SIGTERM)
        return given

    code = await serve(
        given, demo=False, ready=lambda _: done.append("ready"), reload=reload, make=make
    )
    assert code == 0
    assert done == ["ready", "reload", "ready"]
    assert unended(tmp_path) == 0


async def test_a_mute_account_is_tried_again(tmp_path: Path) -> None:
    """Its token was mended without a change here: SIGHUP sends what waits."""
    given = config(tmp_path)
    gateway = Gateway(given)
    running = await gateway.start(await providers(given))
    adapter = ScriptedAdapter()
    adapter.then(Post, CredentialsRejected("revoked"))
    outlet = await gateway._deliveries.attach(adapter.account, adapter)
    assert (await running.operator.send("telegram:1001", "hello", None)).outbox_id == 1
    await outlet.flush()
    assert outlet.problem == "revoked"
    gateway.retry_stopped()
    await adapter.shows("1001", "hello")
    assert outlet.problem == ""
    await gateway.stop()
