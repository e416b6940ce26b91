"""Takes the pictures of cards for the manual: `python -m tests.wire.shots [FOLDER]`.

Everything shown happens: a whole gateway runs against all loopback servers, the job runs on the
loopback Hub, people press on the servers' own pages. Only the model's words are scripted.
"""

import asyncio
import shutil
import struct
import sys
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, Locator, Page, async_playwright

from gateway.app import Gateway
from gateway.config import load
from gateway.equipment import providers
from tests.wire.fakes import Fakes

PATIENCE_MS = 90_000
LOOKS: dict[str, Any] = {"viewport": {"width": 760, "height": 1100}, "color_scheme": "light"}
WIDE: dict[str, Any] = {**LOOKS, "viewport": {"width": 1100, "height": 1300}}
ASKED = "please train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A page with a chat on it: its messages, and where a card's buttons are pressed."""

    name: str
    url: str
    box: str
    message: str
    choose: str = ""
    """The direct chat, where another one is open at first."""


async def shoot(browser: Browser, fakes: Fakes, chat: Chat, folder: Path) -> None:
    """A card before the decision above the same card after it."""
    looks = WIDE if chat.name == "web" else LOOKS
    context = await browser.new_context(**looks, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    tab = await context.new_page()
    await tab.goto(chat.url)
    if chat.choose:
        await tab.locator("#chat option").nth(1).wait_for(state="attached")
        await tab.locator("#chat").select_option(chat.choose)
    await tab.locator(chat.box).fill(ASKED)
    await tab.locator(chat.box).press("Enter")
    card = tab.locator(chat.message, has_text="Approval ").last
    await card.get_by_text("Approve once, at most").first.wait_for()
    before = await pictured(tab, card)
    await card.get_by_text("Approve once, at most").first.click()
    await tab.locator(chat.message, has_text="running").first.wait_for()
    await run_job(fakes)
    await tab.locator(chat.message, has_text="released").first.wait_for()
    after = await pictured(tab, tab.locator(chat.message, has_text="Approval ").last)
    picture = await joined(tab, before, after)
    await asyncio.to_thread((folder / f"approval-{chat.name}.png").write_bytes, picture)
    await context.close()


async def pictured(tab: Page, card: Locator) -> bytes:
    """A card as it stands."""
    await tab.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    return await card.screenshot()


JOIN = """async (sources) => {
  const gap = 14;
  const images = await Promise.all(sources.map(async (source) => {
    const image = new Image(); image.src = source; await image.decode(); return image; }));
  const width = Math.max(...images.map((i) => i.width)) + 2 * gap;
  const height = images.reduce((sum, i) => sum + i.height + gap, gap);
  const paper = new OffscreenCanvas(width, height).getContext('2d');
  paper.fillStyle = '#fff'; paper.fillRect(0, 0, width, height);
  let top = gap;
  for (const i of images) { paper.drawImage(i, gap, top); top += i.height + gap; }
  const pixels = new Uint8Array(paper.getImageData(0, 0, width, height).data.buffer);
  let text = '';
  for (let at = 0; at < pixels.length; at += 32768)
    text += String.fromCharCode(...pixels.subarray(at, at + 32768));
  return [width, height, btoa(text)]; }"""


async def joined(tab: Page, *pictures: bytes) -> bytes:
    """Pictures one below the other, as one PNG."""
    sources = [f"data:image/png;base64,{b64encode(each).decode()}" for each in pictures]
    await tab.goto("about:blank")
    width, height, pixels = await tab.evaluate(JOIN, sources)
    return png(width, height, b64decode(pixels))


def png(width: int, height: int, pixels: bytes) -> bytes:
    """RGBA pixels as a PNG of the 256 commonest colours, a third as large as one of all."""
    colours = Counter(zip(pixels[0::4], pixels[1::4], pixels[2::4], strict=True))
    palette = [colour for colour, _ in colours.most_common(256)]
    places = {
        colour: bytes([min(range(len(palette)), key=lambda at: _far(palette[at], colour))])
        for colour in colours
    }
    indexed = b"".join(
        map(places.__getitem__, zip(pixels[0::4], pixels[1::4], pixels[2::4], strict=True))
    )
    lines = b"".join(b"\0" + indexed[at : at + width] for at in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    shades = b"".join(map(bytes, palette))
    parts = ((b"IHDR", header), (b"PLTE", shades), (b"IDAT", zlib.compress(lines, 9)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in (*parts, (b"IEND", b"")))


def _far(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


async def run_job(fakes: Fakes) -> None:
    """Start the newest job, and finish it after a few seconds."""
    await fakes.hub.seen(lambda seen: seen.operation == "jobs.run" and seen.status == 200, 30)
    world = fakes.hub.world
    job = list(world.jobs.values())[-1]
    world.start(job)
    world.clock.advance(seconds=15)
    world.finish(job)


@asynccontextmanager
async def everything(place: Path) -> AsyncIterator[tuple[Fakes, str]]:
    """All servers with a gateway before them, and the address of its own page."""
    async with Fakes() as fakes:
        fakes.furnish(place)
        file = place / "fakes.toml"
        file.write_text(f'{fakes.configuration(place)}\n[web]\nlisten = "127.0.0.1:0"\n')
        config = load(file, {})
        gateway = Gateway(config)
        running = await gateway.start(await providers(config))
        try:
            yield fakes, running.url or ""
        finally:
            await gateway.stop()


async def main(folder: Path, *names: str) -> None:
    """All pictures, or those of some platforms."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with TemporaryDirectory() as place:
            async with everything(Path(place)) as (fakes, url):
                box = "input[name=text]"
                found = {"box": box, "message": ".message.ours"}
                chats = (
                    Chat(name="telegram", url=fakes.telegram.url, choose="1001", **found),
                    Chat(name="slack", url=fakes.slack.url, choose="D1", **found),
                    Chat(
                        name="discord",
                        url=fakes.discord.url,
                        box="#text",
                        message="#messages li.bot",
                        choose=str(fakes.discord.dm(fakes.discord.ada).id),
                    ),
                    Chat(name="web", url=url, box="#text", message=".message.assistant"),
                )
                for chat in chats:
                    if chat.name in (names or (chat.name,)):
                        await shoot(browser, fakes, chat, folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"), *sys.argv[2:]))
