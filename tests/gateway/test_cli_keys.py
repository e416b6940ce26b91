"""`gatepost login` and `gatepost credentials`, beside a gateway and without one."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import CredentialExhausted, ProviderAuthFailed, ProviderRateLimited
from agent.failover import Entry
from gateway.cli.main import main
from gateway.config import load
from gateway.control import ControlServer
from gateway.credentials import Credentials
from gateway.equipment import providers
from gateway.store.base import Store
from gateway.store.directory import DATABASE
from tests.agent.credentials.ground import failure
from tests.gateway.hand_clock import HandClock
from tests.gateway.test_control import Desk, Echo
from tests.wire.auth import AuthServer


@pytest.fixture
async def server() -> AsyncIterator[AuthServer]:
    """A loopback server of log-ins; the code is typed in at once."""
    async with AuthServer(now=asyncio.get_running_loop().time) as made:
        made.typed_in = True
        made.interval_s = 0.1
        yield made


@pytest.fixture
def place(tmp_path: Path, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration, in which the commands are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GATEPOST_CONFIG", raising=False)
    (tmp_path / "gatepost.toml").write_text(
        f"""
[gateway]
state_dir = "state"
[[providers]]
name = "main"
api = "openai-chat"
base_url = "http://127.0.0.1:9"
model = "m"
api_keys = ["sk-first-key", "sk-second-key"]
price = "included"
[[providers]]
name = "sub"
api = "openai-responses"
model = "m"
credential = {{ kind = "oauth", service = "codex", auth_url = "{server.url}" }}
price = "included"
[[providers]]
name = "claude"
api = "anthropic-messages"
model = "m"
credential = {{ kind = "oauth", service = "anthropic", auth_url = "{server.url}" }}
price = "included"
"""
    )
    return tmp_path


@pytest.fixture
async def running(place: Path, store: Store) -> AsyncIterator[tuple[Entry, ...]]:
    """A gateway that listens on its socket."""
    entries = await providers(load(place / "gatepost.toml", {}))
    keys = Credentials(entries, store, HandClock())
    await keys.open(lambda _key, _sentence: None)
    control = ControlServer(place / "state", operator=Desk(), terminals=Echo(), keys=keys)
    await control.start()
    yield entries
    await control.close()


async def gatepost(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command beside the gateway."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


async def test_somebody_logs_in_to_a_running_gateway(
    running: tuple[Entry, ...], server: AuthServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told what to do, and the gateway uses it at once; no token is printed."""
    _, sub, _ = running
    code, out, err = await gatepost(capsys, "login", "codex")
    assert (code, err) == (0, "")
    assert "needs the leave of codex" in out
    assert f"Open {server.url}/codex/device\nand type in: ABCD-EFGH" in out
    assert out.endswith("Logged in to codex.\n")
    lease = await sub.credential.lease(session="s", model="m")
    token = lease.headers["Authorization"].removeprefix("Bearer ")
    assert token in server.logins[0].access
    assert token not in out
    assert server.logins[0].refresh not in out


async def test_somebody_logs_in_before_the_gateway_runs(
    place: Path, server: AuthServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The login waits in the rows for the start."""
    code, out, _ = await gatepost(capsys, "login", "codex")
    assert code == 0
    assert out.endswith("Logged in to codex.\n")
    with closing(sqlite3.connect(place / "state" / DATABASE)) as database:
        row = database.execute("SELECT name, service, refresh_token FROM credential_login")
        assert row.fetchall() == [("codex", "codex", server.logins[0].refresh)]


async def test_a_code_is_pasted(
    running: tuple[Entry, ...],
    server: AuthServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the page that was shown."""
    monkeypatch.setattr("builtins.input", lambda _prompt: "code-1")
    _, _, claude = running
    code, out, _ = await gatepost(capsys, "login", "anthropic")
    assert code == 0
    assert f"Open {server.url}/oauth/authorize?" in out
    lease = await claude.credential.lease(session="s", model="m")
    assert lease.headers["anthropic-beta"] == "oauth-2025-04-20"


async def test_a_login_nobody_uses_is_kept_and_told(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry may be written afterwards."""
    text = (place / "gatepost.toml").read_text()
    (place / "gatepost.toml").write_text(text.replace('"codex",', '"codex", account = "two",'))
    code, out, _ = await gatepost(capsys, "login", "codex", "--account", "two")
    assert code == 0
    assert out.endswith("Logged in to codex:two.\n")
    code, _, err = await gatepost(capsys, "login", "codex", "--account", "My Account")
    assert code == 1
    assert "cannot be a name" in err


async def test_a_login_that_fails_changes_nothing(
    running: tuple[Entry, ...],
    server: AuthServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence says why."""
    monkeypatch.setattr("builtins.input", lambda _prompt: "code-2")
    code, _, err = await gatepost(capsys, "login", "anthropic")
    assert code == 1
    assert err == "gatepost: not logged in: the service gave no tokens (invalid_grant)\n"
    assert server.logins == []
    with pytest.raises(ProviderAuthFailed):
        await running[2].credential.lease(session="s", model="m")


async def test_the_keys_are_listed(
    running: tuple[Entry, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What each rests for, who uses it, and when it was last of use; the same for programs."""
    main_, _, _ = running
    first = await main_.credential.lease(session="s", model="m")
    await main_.credential.succeeded(first)
    await main_.credential.failed(first, failure(ProviderRateLimited, reason="rate_limited"))
    await main_.credential.failed(first, failure(CredentialExhausted, reason="billing"))
    second = await main_.credential.lease(session="s", model="m")
    revoked = failure(ProviderAuthFailed, "this key was revoked")
    await main_.credential.failed(second, revoked)

    code, out, _ = await gatepost(capsys, "credentials")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["key", "service", "used", "by", "state", "last", "of", "use"]
    told = "\n".join(" ".join(line) for line in lines[1:])
    assert "main.1 static main rests for m" in told
    assert "more: billing" in told
    assert "main.2 static main given up: auth" in told
    assert "codex codex sub ready -" in told
    assert "sk-" not in out

    _, out, _ = await gatepost(capsys, "credentials", "--json")
    found = json.loads(out)
    assert [key["label"] for key in found] == ["main.1", "main.2", "codex", "anthropic"]
    assert [rest["cause"] for rest in found[0]["rests"]] == ["limit", "credit"]


async def test_a_rest_is_ended(
    running: tuple[Entry, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the key's label."""
    main_, _, _ = running
    lease = await main_.credential.lease(session="s", model="m")
    await main_.credential.failed(lease, failure(CredentialExhausted, reason="billing"))
    code, out, _ = await gatepost(capsys, "credentials", "retry", "main.1")
    assert (code, out) == (0, "main.1 may be used again.\n")
    assert main_.credential.standing(model="m").ready == 2
    code, _, err = await gatepost(capsys, "credentials", "retry", "nobody")
    assert code == 1
    assert "there is no key nobody" in err


@pytest.mark.parametrize("arguments", [("credentials",), ("credentials", "retry", "main.1")])
@pytest.mark.usefixtures("place")
async def test_without_a_gateway_there_is_nothing_to_list(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """It says so."""
    code, _, err = await gatepost(capsys, *arguments)
    assert code == 1
    assert "gatepost run" in err
