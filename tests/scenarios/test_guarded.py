"""Nobody is disturbed who was not meant, and nobody comes in who was not let in."""

from pathlib import Path

import aiohttp
import pytest

from tests.scenarios.stage import Stage, Surface
from tests.scenarios.web import WebSurface

PAGE_TOKEN = "loopback-page-token-0123456789abcdef"


def pings(ident: str) -> str:
    """Every way to call somebody on any platform, as a model may write it."""
    ways = (
        "@everyone", "@here", "@channel", "@ann", "@ann_at_telegram", f"@{ident}",
        f"<@{ident}>", f"<@!{ident}>", f"<@&{ident}>", f"<@{ident}|ann>", f"<#{ident}>",
        "<!channel>", "<!here>", "<!everyone|everyone>", "<!subteam^S1>",
        f"[Ann](tg://user?id={ident})", f"<tg://user?id={ident}>", "https://t.me/ann_at_telegram",
    )  # fmt: skip
    paragraphs = "\n\n".join(ways)
    items = "\n".join(f"- **{way}** and _{way}_" for way in ways)
    cells = "\n".join(f"| {way.replace('|', ' ')} | {way.replace('|', ' ')} |" for way in ways)
    return f"{paragraphs}\n\n{items}\n\n| a | b |\n|---|---|\n{cells}\n\n> {' '.join(ways)}\n\nBye."


@pytest.mark.needs("has_groups")
@pytest.mark.parametrize("group", [False, True], ids=["direct", "group"])
async def test_answer_pings_nobody(surface: Surface, tmp_path: Path, group: bool) -> None:
    """Whatever a model writes, the platform notifies nobody; the words can still be read."""
    ident = surface.me.replace("/", ":").rpartition(":")[2]
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers(pings(ident))
        await surface.say("Call everybody!", group=group, mention=group)
        await stage.until(lambda: any("Bye." in text for text in surface.shown(group=group)))
        assert "everyone" in surface.shown(group=group)[0]
        assert surface.pinged() == []


async def test_page_asks_for_its_token(tmp_path: Path) -> None:
    """Without the token, or with a wrong one, neither the page nor its forms are there."""
    surface = WebSurface(token=PAGE_TOKEN)
    async with Stage(surface, path=tmp_path, web=f'token = "{PAGE_TOKEN}"') as stage:
        async with aiohttp.ClientSession(surface.url) as stranger:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                async with stranger.get("/", headers=headers) as response:
                    assert response.status == 401
                fields = {"key": "8d7a4a3e-6d53-4c2b-9f3e-0d1b2c3d4e5f", "text": "Let me in!"}
                place = f"/chat/{surface.chat}/messages"
                async with stranger.post(place, json=fields, headers=headers) as response:
                    assert response.status == 401
        stage.answers("Hello Ann.")
        await surface.say("Hello")
        await stage.reads("Hello Ann.")
        assert len(stage.model.asked) == 1
