"""The demonstration as a newcomer starts it: `gatepost run --demo`, in a process of its own."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import opened, write

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

START_WITHIN_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a gateway lives: its folder and its address, the same at every start."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The page."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> asyncio.subprocess.Process:
        """Run the command and wait until it says that the page is there."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", "--demo", "--config"),
            str(self.folder / "gatepost.toml"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        said = b""
        async with asyncio.timeout(START_WITHIN_S):
            while self.url.encode() not in said:
                line = await process.stdout.readline()
                assert line, said.decode()
                said += line
        return process

    @asynccontextmanager
    async def running(self, *, end: signal.Signals = signal.SIGTERM) -> AsyncIterator[None]:
        """One life of the gateway, ended by a signal."""
        process = await self.start()
        try:
            yield
        finally:
            process.send_signal(end)
            await process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A free port and an empty folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "gatepost.toml").write_text(f'[web]\nlisten = "127.0.0.1:{port}"\n')
    return Place(folder=tmp_path, port=port)


async def test_a_newcomer(browser: Browser, place: Place) -> None:
    """Press the examples, ask again, stop a long answer, ask for help, come back and find it."""
    async with place.running(), opened(browser, place.url) as tab:
        await expect(tab.locator("#empty")).to_contain_text("scripted demonstration")
        await tab.click("text=What can you do?")
        answers = tab.locator(".message.assistant")
        await expect(answers.locator("td").first).to_have_text("List the files in the workspace.")
        await expect(answers.locator("pre")).to_contain_text("[[providers]]")
        await expect(tab.locator("#stop")).to_be_hidden()
        await write(tab, "List the files in the workspace.")
        await expect(answers.last).to_contain_text("The workspace is empty.")
        await expect(tab.locator("#stop")).to_be_hidden()
        await write(tab, "And now?")
        await expect(answers.last).to_contain_text("Before that you said")
        await expect(tab.locator("#stop")).to_be_hidden()
        await write(tab, "Show me a long answer.")
        await expect(answers.last).to_contain_text("Section 2 of")
        await tab.keyboard.press("Escape")
        await expect(answers.last).to_contain_text("Stopped by you.")
        await expect(tab.locator("#stop")).to_be_hidden()
        await write(tab, "/help")
        await expect(answers.last).to_contain_text("/whoami")
        shown = await tab.locator(".message .body").all_inner_texts()
        await tab.goto("/")
        await tab.click("#list a")
        await expect(tab.locator(".message")).to_have_count(len(shown))
        await expect(tab.locator(".message .body")).to_have_text(shown, use_inner_text=True)


async def test_power_is_cut_in_the_middle_of_an_answer(browser: Browser, place: Place) -> None:
    """The open page finds its way back, and the answer it was reading arrives once and whole.

    Slow because a gateway is started, killed and started again.
    """
    async with place.running(end=signal.SIGKILL):
        manager = opened(browser, place.url)
        tab = await manager.__aenter__()
        await write(tab, "Show me a long answer.")
        await expect(tab.locator(".message.assistant")).to_contain_text("Section 2 of 60")
    async with place.running():
        answer = tab.locator(".message.assistant")
        await expect(answer).to_contain_text("Section 60 of 60", timeout=100_000)
        await expect(tab.locator("#stop")).to_be_hidden()
        await expect(tab.locator("#connection")).to_be_hidden()
        await expect(tab.locator(".message")).to_have_count(2)
        await write(tab, "Still there?")
        await expect(answer.last).to_contain_text("Still there?")
        await manager.__aexit__(None, None, None)
