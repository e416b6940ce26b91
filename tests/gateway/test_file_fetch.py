"""Files are read from where their platform serves them, within bounds, and from nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from gateway.file_fetch import FileFetcher, NotFetched, Patience, may_ask
from gateway.store.blobs import Blobs
from gateway.words import files as said
from gateway.words.files import Why, because
from platforms.files import FileAddress, KeptFile, Location
from tests.gateway.fetching import at_once
from tests.wire.server import Answer, HalfOpen, LoopbackServer

DATA = b"some bytes " * 100
SECRET = {"Authorization": "Bearer the-secret"}


class FileServer(LoopbackServer):
    """`/file` is a file, `/to/N` leads on N times, `/away` leads elsewhere, `/page` is a page."""

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/file", self._file),
            web.get("/to/{times}", self._to),
            web.get("/away", self._away),
            web.get("/page", self._page),
            web.get("/endless", self._endless),
            web.get("/short", self._short),
        ]

    def _seen(self, request: web.Request, status: int) -> None:
        self.note(request.path, dict(request.query), status, request.headers)

    async def _file(self, request: web.Request) -> web.Response:
        self._seen(request, 200)
        return web.Response(body=DATA, content_type="image/png")

    async def _to(self, request: web.Request) -> web.Response:
        self._seen(request, 302)
        times = int(request.match_info["times"])
        leads = f"/to/{times - 1}" if times > 1 else "/file"
        return web.Response(status=302, headers={"Location": leads})

    async def _away(self, request: web.Request) -> web.Response:
        self._seen(request, 302)
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def _page(self, request: web.Request) -> web.Response:
        self._seen(request, 200)
        return web.Response(text="<!DOCTYPE html><title>Log in</title>", content_type="text/html")

    async def _short(self, request: web.Request) -> web.StreamResponse:
        self._seen(request, 200)
        response = web.StreamResponse(headers={"Content-Length": str(2 * len(DATA))})
        await response.prepare(request)
        await response.write(DATA)
        assert request.transport is not None
        request.transport.close()
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        self._seen(request, 200)
        response = web.StreamResponse()
        await response.prepare(request)
        while not self.closing.is_set():
            await response.write(DATA)
        return response


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        yield server


def nowhere(host: str) -> Callable[[str, int], Awaitable[tuple[str, ...]]]:
    """Looks every name up as this address."""

    async def resolve(name: str, port: int) -> tuple[str, ...]:
        return (host,)

    return resolve


class Fetch:
    """One file after the other, from one server."""

    def __init__(self, server: FileServer, path: Path) -> None:
        self.blobs = Blobs(path / "blobs")
        self.incoming = path / "blobs" / "incoming"
        self.fetcher = FileFetcher(
            self.blobs,
            patience=Patience(idle_s=5, total_s=20),
            resolve=nowhere("127.0.0.1"),
            sleep=at_once,
        )
        self.address = FileAddress(
            url=f"{server.url}/file",
            hosts=("files.test", ".cdn.test"),
            origin=server.url,
            headers=SECRET,
            pages=True,
        )

    async def of(self, where: Location, most: int = 10_000) -> bytes:
        """The bytes, of which there may be so many."""

        async def locate() -> Location:
            return where

        def room(count: int) -> Why | None:
            return because(said.TOO_LARGE, size=most) if count > most else None

        return await self.fetcher.fetch(locate, room=room)

    async def why_not(self, path: str, most: int = 10_000) -> str:
        """Why a file of the server is not fetched; nothing of it stays."""
        url = path if path.startswith("http") else self.address.url.removesuffix("/file") + path
        with pytest.raises(NotFetched) as refused:
            await self.of(replace(self.address, url=url), most)
        assert list(self.incoming.iterdir()) == []
        return str(refused.value.why)


@pytest.fixture
def fetch(server: FileServer, tmp_path: Path) -> Fetch:
    return Fetch(server, tmp_path)


async def test_credentials_go_with_the_first_request_alone(
    server: FileServer, fetch: Fetch
) -> None:
    """A redirect on the same origin is followed without them."""
    assert await fetch.of(replace(fetch.address, url=f"{server.url}/to/1")) == DATA
    given = [seen.headers.get("Authorization") for seen in server.record]
    assert given == ["Bearer the-secret", None]


@pytest.mark.parametrize(
    "to", ["http://localhost:1/x", "http://169.254.169.254/latest", "file:///etc/passwd"]
)
async def test_no_redirect_leads_off_the_platform(
    server: FileServer, fetch: Fetch, to: str
) -> None:
    """Neither to this machine, nor to a cloud's own address, nor to a file.

    Where pages to log in are shown, another host's is one.
    """
    assert await fetch.why_not(f"/away?to={to}") == "the gateway has no right to read it"
    fetch.address = replace(fetch.address, pages=False)
    assert await fetch.why_not(f"/away?to={to}") == "it is served from somewhere else"
    assert len(server.record) == 2


async def test_a_name_that_leads_to_a_private_network_is_refused(fetch: Fetch) -> None:
    """Although the host is one of the platform's own."""
    assert await fetch.why_not("https://files.test/x") == "it lies on a private network"


async def test_redirects_end(fetch: Fetch) -> None:
    """After a few."""
    assert await fetch.why_not("/to/9") == "its server leads on and on"


async def test_a_page_to_log_in_is_no_file(fetch: Fetch) -> None:
    """It comes with status 200."""
    assert await fetch.why_not("/page") == "the gateway has no right to read it"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (404, "it is no longer there"),
        (403, "the gateway has no right to read it"),
        (500, "its server did not give it out"),
    ],
)
async def test_what_a_refusal_means(
    server: FileServer, fetch: Fetch, status: int, why: str
) -> None:
    """Only what may pass is asked for three times."""
    server.faults.add("GET /file", *[Answer(status=status)] * 3)
    assert await fetch.why_not("/file") == why


@pytest.mark.warp
async def test_what_passes_is_tried_again(server: FileServer, fetch: Fetch) -> None:
    """A full server, then one that goes silent, then the file."""
    fetch.fetcher = FileFetcher(fetch.blobs, patience=Patience(idle_s=0.3), sleep=at_once)
    server.faults.add("GET /file", Answer(status=503), HalfOpen())
    assert await fetch.of(fetch.address) == DATA


async def test_an_answer_that_ends_early_is_no_file(server: FileServer, fetch: Fetch) -> None:
    """Its length was a lie, each time."""
    assert await fetch.why_not("/short") == "its server could not be reached"
    assert len(server.record) == 3


async def test_more_than_was_declared_is_not_read(fetch: Fetch) -> None:
    """The bytes are counted as they come: of an endless file only so many are read."""
    assert await fetch.why_not("/endless") == "it is larger than 10000"
    assert await fetch.why_not("/file", most=10) == "it is larger than 10"


@pytest.mark.warp
async def test_a_slow_file_is_given_up(server: FileServer, tmp_path: Path) -> None:
    """After the whole time, whatever is tried."""
    fetch = Fetch(server, tmp_path)
    fetch.fetcher = FileFetcher(
        fetch.blobs, patience=Patience(idle_s=5, total_s=0.05), sleep=asyncio.sleep
    )
    server.faults.add("GET /file", HalfOpen())
    assert await fetch.why_not("/file") == "it took longer than 0.05 seconds"


async def test_what_came_with_its_message_is_read_from_what_is_kept(fetch: Fetch) -> None:
    """Within the same bounds."""
    kept = KeptFile(blob=await fetch.blobs.put(DATA))
    assert await fetch.of(kept) == DATA
    with pytest.raises(NotFetched, match="larger than 10"):
        await fetch.of(kept, most=10)
    with pytest.raises(NotFetched, match="no longer there"):
        await fetch.of(KeptFile(blob="0" * 64))


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://files.test/x", True),
        ("https://a.cdn.test/x", True),
        ("https://FILES.test./x", True),
        ("https://cdn.test/x", False),
        ("https://evilfiles.test/x", False),
        ("https://files.test.evil/x", False),
        ("http://files.test/x", False),
        ("https://files.test:8443/x", False),
        ("https://user@files.test/x", False),
        ("http://10.0.0.5:8081/x", True),
        ("http://10.0.0.5/x", False),
        ("http://me@10.0.0.5:8081/x", False),
    ],
)
def test_who_may_be_asked(url: str, may: bool) -> None:
    """Hosts of the platform over TLS, and the configured origin as it is."""
    address = FileAddress(url="", hosts=("files.test", ".cdn.test"), origin="http://10.0.0.5:8081")
    assert may_ask(URL(url), address) is may


def test_no_address_shows_its_secrets() -> None:
    """Telegram's holds the bot's token."""
    address = FileAddress(url="https://h/bot7:TOKEN/f", hosts=(), origin="", headers=SECRET)
    assert "TOKEN" not in repr(address)
    assert "the-secret" not in repr(address)
