"""The composition root: starts that fail, and accounts whose token is mended."""

import socket
import sqlite3
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.config import Config, load
from gateway.equipment import providers
from gateway.errors import GatewayError, StoreLocked
from platforms.content import Post
from platforms.errors import CredentialsRejected
from tests.agent.scripted import ScriptedProvider, entry
from tests.gateway.scripted_adapter import ScriptedAdapter


def config(path: Path, *, port: int = 0) -> Config:
    """A gateway with its page and nothing else."""
    file = path / "gatepost.toml"
    file.write_text(
        f"""
[gateway]
state_dir = "{path}/state"
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
