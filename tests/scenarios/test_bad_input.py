"""What goes wrong at the start ends in one sentence that says what to do."""

import asyncio
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.app import Gateway
from gateway.config import load
from gateway.equipment import providers
from tests.scenarios.stage import WAIT_S, Stage
from tests.scenarios.telegram import TelegramSurface
from tests.wire.telegram import TOKEN

DEMO = '[[providers]]\nname = "demo"\napi = "demo"\nmodel = "demo"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a start ended."""

    code: int
    text: str


async def started(path: Path, config: str) -> Ended:
    """Start the gateway as a process that is expected to end by itself."""
    file = path / "gatepost.toml"
    file.write_text(config)
    file.chmod(0o600)
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "run",
        "--config",
        str(file),
        cwd=Path(__file__).parents[2],
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode is not None
    return Ended(code=process.returncode, text=output.decode())


async def test_taken_port_is_named(tmp_path: Path) -> None:
    """Another program on the port: the address, and what to do; no traceback; no restart loop."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await started(tmp_path, f'{DEMO}[web]\nlisten = "127.0.0.1:{port}"\n')
    assert ended.code == 78
    assert f"127.0.0.1:{port}" in ended.text
    assert "choose another port" in ended.text
    assert "Traceback" not in ended.text


async def test_unknown_keys_are_reported_together(tmp_path: Path) -> None:
    """Every wrong key of the file is named with its line in one run."""
    ended = await started(tmp_path, '[gatway]\nx = 1\n[web]\nlisen = "127.0.0.1:0"\n')
    assert ended.code == 78
    assert ":1: gatway" in ended.text
    assert ":4: web.lisen" in ended.text
    assert "Traceback" not in ended.text


async def test_missing_variable_is_named(tmp_path: Path) -> None:
    """A key that is to come from the environment and does not names the variable."""
    ended = await started(tmp_path, '[platforms.telegram]\ntoken = "${NO_SUCH_TOKEN}"\n')
    assert ended.code == 78
    assert "NO_SUCH_TOKEN" in ended.text


async def test_second_process_is_refused(tmp_path: Path) -> None:
    """A state directory has one gateway: the second says whose it is and leaves the first alone."""
    surface = TelegramSurface()
    async with Stage(surface, path=tmp_path) as stage:
        other = tmp_path / "other"
        other.mkdir()
        config = f'{DEMO}[gateway]\nstate_dir = "{tmp_path}/state"\n[web]\nlisten = "127.0.0.1:0"\n'
        ended = await started(other, config)
        assert ended.code == 78
        assert "in use by process" in ended.text
        stage.answers("Undisturbed.")
        await surface.say("Still there?")
        await stage.reads("Undisturbed.")


async def test_wrong_token_stops_that_platform_only(tmp_path: Path) -> None:
    """A refused token is a sentence in `status`, without the token; the rest goes on."""
    surface = TelegramSurface()
    wrong = "7000000001:AAwrongwrongwrongwrongwrongwrongwrong"
    async with Stage(surface, path=tmp_path) as stage:
        await stage.halt()
        file = tmp_path / "gatepost.toml"
        file.write_text(file.read_text().replace(TOKEN, wrong))
        config = load(file, {})
        stage.gateway = Gateway(config)
        running = await stage.gateway.start(await providers(config))
        adapters = {s.platform: s for s in (await running.operator.status()).platforms}
        assert adapters["telegram"].state == "stopped"
        assert adapters["telegram"].problem
        assert wrong not in adapters["telegram"].problem
        assert adapters["web"].connected
        assert (await running.operator.ready()).ok
