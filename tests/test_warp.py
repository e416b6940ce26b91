"""The loop whose clock jumps keeps order with real sockets."""

import asyncio
import sys
import time

import pytest

from tests.warp import warped


def test_minutes_pass_at_once_and_in_order() -> None:
    """Timers fire in order, at their own time."""

    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        began, seen = loop.time(), []

        async def nap(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, loop.time() - began))

        await asyncio.gather(nap("late", 90.0), nap("soon", 30.0))
        return seen

    real = time.monotonic()
    (soon, soon_at), (late, late_at) = warped(main())
    assert (soon, late) == ("soon", "late")
    assert (round(soon_at, 3), round(late_at, 3)) == (30.0, 90.0)
    assert time.monotonic() - real < 20


def test_bytes_that_are_under_way_come_before_any_timer() -> None:
    """A thousand exchanges over a socket take no time of the loop's."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def main() -> float:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            for _ in range(1_000):
                writer.write(b"x\n")
                await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        return loop.time() - began

    assert warped(main()) < 10


def test_time_stands_still_while_a_child_works() -> None:
    """A child that computes takes no time of the loop's; one that waits for us lets it pass."""
    code = "sum(range(3_000_000)); print('done', flush=True); input()"

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdin is not None and child.stdout is not None
        async with asyncio.timeout(1):
            assert await child.stdout.readline() == b"done\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(90):
                await child.stdout.readline()
        async with asyncio.timeout(1):
            await child.communicate(b"go on\n")
        return loop.time() - began

    assert 90 <= warped(main()) < 92
