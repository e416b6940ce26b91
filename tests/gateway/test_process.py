"""The life of the process: ready, SIGHUP, the service manager's watchdog, a second start."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.processes import CONFIG, PATIENCE_S, environment, gatepost, start
from tests.gateway.test_cli_processes import place

__all__ = ["place"]

pytestmark = pytest.mark.slow  # whole processes start


class Service:
    """A gateway under a service manager's eyes."""

    def __init__(self, place: Path, listening: socket.socket) -> None:
        self.place = place
        self._listening = listening
        self.told: list[str] = []
        self.lines: list[str] = []
        self.process: asyncio.subprocess.Process

    async def begin(self) -> None:
        """Start it; the watchdog's time is a second."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "run",
            cwd=self.place,
            env={
                **environment(self.place),
                "NOTIFY_SOCKET": str(self.place / "notify.sock"),
                "WATCHDOG_USEC": "1000000",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def hears(self, word: str) -> None:
        """Wait until the service manager is told a line that was not told before."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                lines = (await loop.sock_recv(self._listening, 4096)).decode().splitlines()
                self.told += lines
                if word in lines:
                    return

    async def says(self, part: str) -> str:
        """Wait for a line of its log."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line = (await self.process.stderr.readline()).decode()
                assert line, f"it ended: {self.lines}"
                self.lines.append(line)
                if part in line:
                    return line

    async def end(self) -> int | None:
        """Stop it and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await self.process.communicate()
        return self.process.returncode


@pytest.fixture
async def service(place: Path) -> AsyncIterator[Service]:
    """A gateway that has said it is ready."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(place / "notify.sock"))
    listening.setblocking(False)
    it = Service(place, listening)
    await it.begin()
    try:
        await it.hears("READY=1")
        yield it
    finally:
        if it.process.returncode is None:
            it.process.kill()
            await it.process.communicate()
        listening.close()


async def test_the_service_manager_is_told(service: Service) -> None:
    """Ready, signs of life at half the watchdog's time, and the stop with its patience."""
    await service.hears("WATCHDOG=1")
    await service.hears("WATCHDOG=1")
    assert await service.end() == 0
    await service.hears("STOPPING=1")
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in service.told)


async def test_a_faulty_configuration_is_kept_out(service: Service) -> None:
    """SIGHUP with faults: each is said, the gateway goes on as it was and still answers."""
    (service.place / "gatepost.toml").write_text(CONFIG + "nonsense = 1\n[budgett]\nx = 1\n")
    service.process.send_signal(signal.SIGHUP)
    line = await service.says("the configuration stays as it was")
    assert "gatepost.toml" in line or "nonsense" in line or "budgett" in line
    (service.place / "gatepost.toml").write_text(CONFIG)
    status = await gatepost(service.place, "status", "--json")
    assert status.code == 0
    assert await service.end() == 0


async def test_a_changed_configuration_takes_effect(service: Service) -> None:
    """SIGHUP with a valid change: reloading is said, then ready, and the change holds."""
    changed = CONFIG.replace("[web]\n", "[web]\nenabled = false\n")
    changed = changed.replace('"state"', '"elsewhere"')
    (service.place / "gatepost.toml").write_text(changed)
    service.process.send_signal(signal.SIGHUP)
    await service.hears("RELOADING=1")
    await service.hears("READY=1")
    assert "state " in await service.says("elsewhere")
    status = await gatepost(service.place, "status", "--json")
    assert status.code == 0
    assert '"web"' not in status.out.partition('"models"')[0]
    assert await service.end() == 0


async def test_an_unchanged_configuration_restarts_nothing(service: Service) -> None:
    """SIGHUP without a change only lets stopped surfaces try again."""
    service.process.send_signal(signal.SIGHUP)
    await service.says("unchanged")
    assert service.process.returncode is None
    assert await service.end() == 0


async def test_what_can_not_start_leaves_the_old_gateway(service: Service) -> None:
    """A configuration that is valid but can't be carried out: the old one is taken up again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        changed = CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}")
        (service.place / "gatepost.toml").write_text(changed)
        service.process.send_signal(signal.SIGHUP)
        await service.hears("RELOADING=1")
        await service.says("so the old one stays")
        await service.hears("READY=1")
    (service.place / "gatepost.toml").write_text(CONFIG)
    assert (await gatepost(service.place, "status", "--json")).code == 0
    assert await service.end() == 0


async def test_a_second_gateway_on_the_same_state_is_refused(service: Service) -> None:
    """It ends within two seconds with a sentence and code 78; the first one goes on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    second = await start(service.place, "run")
    async with asyncio.timeout(PATIENCE_S):
        _, err = await second.communicate()
    assert (second.returncode, b"another" in err or b"in use" in err) == (78, True), err
    assert loop.time() - began < PATIENCE_S
    assert (await gatepost(service.place, "status", "--json")).code == 0
    assert await service.end() == 0
