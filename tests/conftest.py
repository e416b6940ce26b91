"""What every test has: no network but loopback, hypothesis profiles, a browser if there is one."""

import asyncio.constants
import gc
import importlib
import ipaddress
import os
import pkgutil
import shutil
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import agent
import gateway
import platforms

# Where each callback was made, one frame of it: ten are a tenth of the suite's time.
asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[misc]

pytest_plugins = ("tests.kill.matrix", "tests.loops")


class NetworkRefusedError(RuntimeError):
    """A test reached for something outside this machine; no client may take it for an outage."""


def _is_loopback(host: object) -> bool:
    """Whether `host`, as a socket call was given it, stays on this machine."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in {"", "localhost"} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%", 1)[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = args[1]
        # A tuple is an internet address; text and bytes are Unix sockets, None a connected peer.
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise NetworkRefusedError(f"{event} to {address[0]}:{address[1]}")
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"} and not _is_loopback(args[0]):
        raise NetworkRefusedError(f"name look-up of {args[0]!r}")


# An audit hook sees every socket of this process, whichever library opened it.
sys.addaudithook(_refuse_network)

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 << 30


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Files of tests lie in memory; workers send what they tell each other at once."""
    _put_files_in_memory()
    # pytest-rerunfailures writes twice, then reads: 40 ms a test while the second write waits for
    # the first to be acknowledged.
    sock = getattr(getattr(config, "failures_db", None), "sock", None)
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _put_files_in_memory() -> None:
    """Let the files of tests lie in memory where there is room: what they wait for is no disk.

    A process that is killed leaves there what it left on a disk; what a power cut leaves is shown
    by what was asked of the system, not by pulling plugs.
    """
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    if usable and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was collected out of every collection of garbage: it is most of the heap."""
    if hasattr(session.config, "workerinput"):
        _load_product()
    gc.collect()
    gc.freeze()


def _load_product() -> None:
    """Import all of it: hypothesis draws from the constants of whatever modules are loaded.

    Otherwise the examples of a worker would depend on the tests it happened to run before.
    """
    for package in (agent, gateway, platforms):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)


settings.register_profile(
    "ci",
    derandomize=True,  # the same examples everywhere: a red run is a change, not luck
    database=None,
    deadline=None,  # the machine's load is not a property
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("ci"), derandomize=False, max_examples=5_000)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def browser_executable() -> str:
    """The installed Chromium or Chrome; the test is skipped, saying so, when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    bundled = Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome")
    if newest := max(bundled, default=None):
        return str(newest)
    pytest.skip(
        "no browser: install chromium (Debian, Ubuntu: apt-get install chromium;"
        " elsewhere: .venv/bin/playwright install chromium)"
    )
