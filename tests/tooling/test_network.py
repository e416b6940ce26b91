"""The guard that keeps the suite off the network, and off nothing else."""

import asyncio
import socket

import aiohttp
import pytest

from tests.conftest import NetworkRefusedError

# Addresses set aside for documentation: nobody answers there.
ELSEWHERE = ("192.0.2.1", 9)


def test_no_connection_leaves_this_machine() -> None:
    """A plain socket is stopped before its first packet."""
    with socket.socket() as client, pytest.raises(NetworkRefusedError):
        client.connect(ELSEWHERE)
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(NetworkRefusedError):
        client.sendto(b"x", ELSEWHERE)


def test_no_name_is_looked_up() -> None:
    """Asking a name server is already the network."""
    with pytest.raises(NetworkRefusedError):
        socket.getaddrinfo("gatepost.invalid", 80)


async def test_no_client_library_goes_around_it() -> None:
    """An HTTP client and the loop itself meet the same refusal, as no kind of outage."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NetworkRefusedError):
            await session.get("http://192.0.2.1:9/")
    with pytest.raises(NetworkRefusedError):
        await asyncio.open_connection(*ELSEWHERE)


async def test_loopback_and_unix_sockets_are_open(tmp_path: object) -> None:
    """What the suite is made of goes through, by address and by name."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            reader, writer = await asyncio.open_connection(host, port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
    path = f"{tmp_path}/s"
    unix = await asyncio.start_unix_server(lambda _, writer: writer.close(), path)
    async with unix:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_the_loop_is_in_debug_mode() -> None:
    """Never-awaited coroutines and slow callbacks are reported with their origin."""
    assert asyncio.get_running_loop().get_debug()
