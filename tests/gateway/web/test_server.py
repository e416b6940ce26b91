"""The listener over real connections: who gets in, what is refused, and how it ends."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO

import aiohttp
import pytest
from aiohttp import web

from gateway.config import Listen, Secret, WebConfig
from gateway.web import HealthReport, ListenError, WebServer
from gateway.web.server import BODY_MAX_BYTES, HEADERS, REQUESTS_MAX
from platforms.base import Route
from platforms.web.viewer import VIEWER
from tests.platforms.web.stand_in import AT_ONCE_S, StandInGateway, running_page

TOKEN = "open-sesame"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Handlers:
    """Routes with nothing behind them, to look at the listener alone."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()
        self.waiting = 0

    async def who(self, request: web.Request) -> web.Response:
        """Tell the viewer."""
        return web.json_response({"user": request[VIEWER].user})

    async def body(self, request: web.Request) -> web.Response:
        """Read everything."""
        return web.json_response({"bytes": len(await request.read())})

    async def hold(self, _request: web.Request) -> web.Response:
        """Answer when the test says so."""
        self.waiting += 1
        self.entered.set()
        await self.leave.wait()
        return web.Response(text="left")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Stream until cancelled."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": begun\n\n")
        self.entered.set()
        await self.leave.wait()
        return response

    async def fail_late(self, request: web.Request) -> web.StreamResponse:
        """Break in the middle of an answer."""
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise RuntimeError("private detail")

    async def fail(self, _request: web.Request) -> web.Response:
        """Break."""
        raise RuntimeError("private detail")

    def routes(self) -> tuple[Route, ...]:
        """One guarded and one signed route of each kind."""
        return (
            Route(method="GET", path="/who", handler=self.who, guarded=True),
            Route(method="POST", path="/body", handler=self.body, guarded=True),
            Route(
                method="POST",
                path="/files/{id:[0-9]+}",
                handler=self.body,
                guarded=True,
                uploads=True,
            ),
            Route(method="GET", path="/hold", handler=self.hold, guarded=True),
            Route(method="GET", path="/stream", handler=self.stream, guarded=True),
            Route(method="GET", path="/fail", handler=self.fail, guarded=True),
            Route(method="GET", path="/fail-late", handler=self.fail_late, guarded=True),
            Route(method="POST", path="/signed", handler=self.body, guarded=False),
        )


@asynccontextmanager
async def listening(
    handlers: Handlers | None = None,
    *,
    token: str | None = None,
    health: StandInGateway | None = None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """The listener alone, and a client without cookies on it."""
    config = WebConfig(
        listen=Listen(host="127.0.0.1", port=0), token=Secret(token) if token else None
    )
    server = WebServer(
        config,
        routes=(handlers or Handlers()).routes(),
        health=health or StandInGateway(),
        now=now,
    )
    await server.start()
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(server.url, connector=connector) as client:
            yield client
    finally:
        await server.stop()


async def status_of(
    client: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str]
) -> int:
    """The status of one request, redirects not followed."""
    async with client.request(method, path, headers=headers, allow_redirects=False) as answer:
        return answer.status


@pytest.mark.parametrize("path", ["/who", "/login", "/healthz", "/readyz"])
async def test_a_rebound_name_gets_nothing(path: str) -> None:
    """A foreign name that resolves to this machine is refused before anything else."""
    async with listening() as client:
        assert await status_of(client, "GET", path, {"Host": "evil.example"}) == 403
        async with client.get(path, headers={"Host": "evil.example"}) as answer:
            assert "not one the gateway answers to" in (await answer.json())["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/body"), ("POST", "/logout")])
async def test_a_foreign_page_cannot_act(method: str, path: str, headers: dict[str, str]) -> None:
    """With or without a token, right or not: another site's page is refused."""
    for token in (None, TOKEN):
        async with listening(token=token) as client:
            headers = {**headers, "Authorization": f"Bearer {TOKEN}"}
            assert await status_of(client, method, path, headers) == 403


async def test_a_foreign_page_cannot_listen_in_but_may_link_here() -> None:
    """Its scripts and streams are refused; following a link to us is a visit."""
    async with listening() as client:
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert await status_of(client, "GET", "/who", {**foreign, "Sec-Fetch-Mode": "cors"}) == 403
        visit = {**foreign, "Sec-Fetch-Mode": "navigate"}
        assert await status_of(client, "GET", "/who", visit) == 200


async def test_without_a_token_everybody_here_is_local() -> None:
    """On loopback no key is needed, and signing in has nothing to do."""
    async with listening() as client:
        async with client.get("/who") as answer:
            assert await answer.json() == {"user": "local"}
        for method in ("GET", "POST"):
            assert await status_of(client, method, "/login", {}) == 303


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        (None, 401),
    ],
)
async def test_the_token_is_asked_of_programs(authorization: str | None, status: int) -> None:
    """By header, and never by address."""
    async with listening(token=TOKEN) as client:
        headers = {"Authorization": authorization} if authorization else {}
        assert await status_of(client, "GET", f"/who?token={TOKEN}", headers) == status


async def test_signing_in_and_out() -> None:
    """A visit leads to the form, the form to where one was going, signing out to the form."""
    async with running_page(token=TOKEN) as page:
        chat = "/chat/0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"
        async with page.client.get(chat, headers={"Accept": "text/html"}) as answer:
            html = await answer.text()
            assert answer.url.path == "/login"
            assert "<h1>Sign in to Gatepost</h1>" in html
            assert f'name="goal" value="{chat}"' in html
        form = {"goal": chat, "token": TOKEN}
        async with page.client.post("/login", data=form) as answer:
            assert answer.status == 200
            assert answer.url.path == chat
            cookie = answer.history[0].headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            assert TOKEN not in cookie
            assert "Sign out" in await answer.text()
        async with page.client.get("/login") as answer:
            assert answer.url.path == "/"
        async with page.client.post("/logout") as answer:
            assert answer.url.path == "/login"
        async with page.client.get(chat, headers={"Accept": "text/html"}) as answer:
            assert answer.url.path == "/login"


@pytest.mark.parametrize(
    "goal", ["//evil.example", "https://evil.example/", "/chat/../x", "/\\evil.example", "/chats"]
)
async def test_signing_in_leads_nowhere_else(goal: str) -> None:
    """The address to go on to is one of our pages."""
    async with running_page(token=TOKEN) as page:
        form = {"goal": goal, "token": TOKEN}
        async with page.client.post("/login", data=form, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"


async def test_wrong_tokens_are_counted() -> None:
    """The form says so; after ten not even the right one is looked at for a minute."""
    clock = [now()]
    async with running_page(token=TOKEN, now=lambda: clock[0]) as page:
        for _ in range(10):
            async with page.client.post("/login", data={"token": "guess"}) as answer:
                assert answer.status == 403
                assert "This is not the token." in await answer.text()
        async with page.client.post("/login", data={"token": TOKEN}) as answer:
            assert answer.status == 429
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with page.client.get("/chats", headers=headers) as answer:
            assert answer.status == 401
        clock[0] = datetime.fromtimestamp(clock[0].timestamp() + 61, UTC)
        async with page.client.post("/login", data={"token": TOKEN}) as answer:
            assert answer.status == 200


async def test_a_header_needs_no_form_token() -> None:
    """A program with the token posts a message without having loaded the page."""
    async with running_page(token=TOKEN) as page:
        chat = "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"
        async with page.client.post(
            f"/chat/{chat}/messages",
            json={"key": chat, "text": "hi"},
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as answer:
            assert answer.status == 202


async def test_signed_routes_prove_their_callers_themselves() -> None:
    """Neither the name nor the token is asked of a webhook; the body's size is."""
    async with listening(token=TOKEN) as client:
        headers = {"Host": "hooks.example", "Origin": "http://evil.example"}
        assert await status_of(client, "POST", "/signed", headers) == 200
        async with client.post("/signed", data=BytesIO(bytes(BODY_MAX_BYTES + 1))) as answer:
            assert answer.status == 413


@pytest.mark.parametrize("path", ["/body", "/signed"])
async def test_a_body_has_a_maximum(path: str) -> None:
    """One byte over 1 MiB is refused with a sentence; 1 MiB is taken."""
    async with listening() as client:
        async with client.post(path, data=BytesIO(bytes(BODY_MAX_BYTES))) as answer:
            assert await answer.json() == {"bytes": BODY_MAX_BYTES}
        async with client.post(path, data=BytesIO(bytes(BODY_MAX_BYTES + 1))) as answer:
            assert answer.status == 413
            assert "1 MiB" in (await answer.json())["error"]


@pytest.mark.warp
async def test_a_body_that_does_not_come_is_given_up() -> None:
    """Five seconds, then 408.

    Files have longer, where files are taken.
    """
    async with listening() as client:
        patient, files = await _raw(client)
        files.write(
            b"POST /files/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\nabc"
        )
        reader, writer = await _raw(client)
        writer.write(b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
            files.write(b"defghi")
            assert (await patient.readline()).startswith(b"HTTP/1.1 200 ")
        for each in (writer, files):
            each.close()
            await each.wait_closed()


async def test_only_so_many_requests_at_once() -> None:
    """Beyond the cap the answer is 503 at once; when others leave there is room again."""
    handlers = Handlers()
    async with listening(handlers) as client:
        async with asyncio.timeout(AT_ONCE_S):
            held = [asyncio.create_task(client.get("/hold")) for _ in range(REQUESTS_MAX)]
            while handlers.waiting < REQUESTS_MAX:
                handlers.entered.clear()
                await handlers.entered.wait()
            async with client.get("/healthz") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            handlers.leave.set()
            for answer in await asyncio.gather(*held):
                assert await answer.text() == "left"
            assert await status_of(client, "GET", "/healthz", {}) == 200


async def test_streams_do_not_use_up_the_room() -> None:
    """More open streams than the cap leave room for requests."""
    handlers = Handlers()
    async with listening(handlers) as client:
        streams = [await client.get("/stream") for _ in range(REQUESTS_MAX + 1)]
        assert {stream.status for stream in streams} == {200}
        assert await status_of(client, "GET", "/healthz", {}) == 200
        for stream in streams:
            stream.close()


async def test_every_answer_is_armoured() -> None:
    """The same headers on a page, an error and a redirect; nothing tells the software."""
    async with running_page() as page:
        for path in ("/", "/nowhere", "/login", "/static/app.css", "/healthz"):
            async with page.client.get(path, allow_redirects=False) as answer:
                assert HEADERS.items() <= dict(answer.headers).items()
                assert "Server" not in answer.headers
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_the_page_has_nothing_its_policy_forbids() -> None:
    """No inline script or style, no event attribute, no address of another machine."""
    async with running_page() as page:
        for path in ("/", "/login"):
            async with page.client.get(path) as answer:
                html = await answer.text()
            assert "<style" not in html
            assert ' style="' not in html
            assert "<script>" not in html
            assert " on" not in html.replace(" on ", "").partition("<body>")[0]
            assert "http://" not in html
            assert "https://" not in html


async def test_a_failure_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """The reader gets a sentence, the log the cause, once; the listener goes on."""
    async with listening() as client:
        with caplog.at_level(logging.ERROR):
            async with client.get("/fail?text=words", headers={"Accept": "text/html"}) as answer:
                assert answer.status == 500
                text = await answer.text()
        assert "inside the gateway" in text
        assert "private detail" not in text
        ours = [r.getMessage() for r in caplog.records if r.name.startswith("gateway")]
        assert ours == ["web handler failed, others go on: GET /fail"]
        assert await status_of(client, "GET", "/who", {}) == 200


async def test_a_late_failure_is_a_cut() -> None:
    """An answer that breaks in its middle ends there and is not taken for a whole one."""
    async with listening() as client:
        async with client.get("/fail-late") as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        assert await status_of(client, "GET", "/who", {}) == 200


async def test_health_and_readiness() -> None:
    """200 or 503 and the parts in words, open to a probe that has no token."""
    health = StandInGateway()
    async with listening(token=TOKEN, health=health) as client:
        async with client.get("/healthz") as answer:
            told = {"ok": True, "parts": {"loop": "turns", "writer": "writes"}}
            assert (answer.status, await answer.json()) == (200, told)
        async with client.get("/readyz") as answer:
            assert answer.status == 200
        health.well = False
        async with client.get("/readyz") as answer:
            told = {"ok": False, "parts": {"store": "closed"}}
            assert (answer.status, await answer.json()) == (503, told)
        assert await status_of(client, "HEAD", "/readyz", {}) == 503


class SilentHealth:
    """A gateway that never answers."""

    async def alive(self) -> HealthReport:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError

    async def ready(self) -> HealthReport:
        """Fail."""
        raise RuntimeError("no")


async def test_no_answer_is_not_well() -> None:
    """A probe gets 503 in two seconds, and 500 from a check that breaks. Slow: it is a time-out."""
    config = WebConfig(listen=Listen(host="127.0.0.1", port=0))
    server = WebServer(config, routes=(), health=SilentHealth(), now=now)
    await server.start()
    async with aiohttp.ClientSession(server.url) as client:
        assert await status_of(client, "GET", "/healthz", {}) == 503
        assert await status_of(client, "GET", "/readyz", {}) == 500
    await server.stop()


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        (Listen(host="203.0.113.7", port=0), "is not an address of this machine"),
        (Listen(host=f"{'a' * 64}.localhost", port=0), "is not a name"),
    ],
)
async def test_an_address_that_cannot_be_says_so(listen: Listen, words: str) -> None:
    """One sentence that names the key and what to write."""
    server = WebServer(
        WebConfig(listen=listen, token=Secret(TOKEN)),
        routes=(),
        health=StandInGateway(),
        now=now,
    )
    with pytest.raises(ListenError, match=rf"web\.listen: .*{words}"):
        await server.start()


async def test_a_taken_port_says_so() -> None:
    """The sentence names the address and the two ways out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = Listen(host="127.0.0.1", port=taken.getsockname()[1])
        server = WebServer(WebConfig(listen=listen), routes=(), health=StandInGateway(), now=now)
        with pytest.raises(ListenError, match=f"{listen} is already taken .*another port"):
            await server.start()


async def test_open_to_others_without_a_token_is_refused() -> None:
    """Before any port is opened, whatever the configuration check has said."""
    config = WebConfig(listen=Listen(host="0.0.0.0", port=0))
    with pytest.raises(ListenError, match=r"there is no token; set web\.token"):
        WebServer(config, routes=(), health=StandInGateway(), now=now)


@pytest.mark.warp
async def test_it_stops_in_time_whatever_is_open() -> None:
    """A stream, a held request and an idle connection do not keep it longer than two seconds."""
    handlers = Handlers()
    async with listening(handlers) as client:
        connections = [await _raw(client) for _ in range(3)]
        for path, (reader, writer) in zip(("stream", "hold", "healthz"), connections, strict=True):
            handlers.entered.clear()
            writer.write(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            if path == "healthz":
                await reader.readuntil(b"}}")
                writer.write(b"GET /unfini")
            else:
                await handlers.entered.wait()
        now = asyncio.get_running_loop().time
        begun = now()
    assert now() - begun < 2.0
    for reader, writer in connections:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _raw(
    client: aiohttp.ClientSession,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    base = client._base_url
    assert base is not None
    assert base.host is not None
    return await asyncio.open_connection(base.host, base.port)
