"""`make fakes` as a person uses it: started, read, used, ended."""

import asyncio
import re
import signal
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.wire",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.slow
async def test_all_servers_start_as_a_program(tmp_path: Path) -> None:
    """Their pages answer and the configuration fits them; slow, since processes start."""
    file = tmp_path / "fakes.toml"
    fakes = await started("--first-port", "0", "--file", str(file))
    assert fakes.stdout is not None
    printed = ""
    while "another terminal" not in printed:
        printed += (await asyncio.wait_for(fakes.stdout.readline(), 60)).decode()
    urls = re.findall(r"http://127\.0\.0\.1:\d+/", printed)
    assert len(urls) == 5
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url) as page:
                assert page.status == 200
                assert "<title>" in await page.text()
    written = tomllib.loads(file.read_text())
    assert written["providers"][0]["base_url"] == f"{urls[3]}v1"
    checked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "check", "--config", str(file)
    )
    assert await asyncio.wait_for(checked.wait(), 60) == 0
    port = urls[0].rpartition(":")[2].strip("/")
    again = await started("--first-port", port, "--file", str(tmp_path / "other.toml"))
    _, complaint = await asyncio.wait_for(again.communicate(), 60)
    assert again.returncode == 1
    assert b"can't be started" in complaint
    assert complaint.count(b"\n") == 1
    fakes.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(fakes.communicate(), 60)
    assert (fakes.returncode, errors) == (0, b"")
