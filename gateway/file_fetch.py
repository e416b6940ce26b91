"""Reads files that people sent, from where their platform serves them and from nowhere else.

Theory of operation. An adapter names an address, the hosts that may be asked, and the configured
origin of its platform. The first request carries the credentials; a redirect is followed to those
hosts only, without them. A host's name must lead to the public internet, unless it is the origin:
that was configured, wherever it is. Bytes go to a file as they come; their number is bounded by
what is counted, never by what was declared.

    hung for `idle_s`, or longer than `total_s`      not fetched, tried again while there is time
    no connection, 429, 5xx                          the same
    401, 403, a page to log in                       no right to it
    404, 410                                         gone
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from agent.tools.addresses import AddressRefused, Guard, as_address
from agent.tools.fetch import Resolve, look_up
from gateway.errors import StoreError
from gateway.store.blobs import Blobs, Incoming
from gateway.words import files as said
from gateway.words.files import Why, because
from platforms.files import FileAddress, KeptFile, Location, origin_of

IDLE_S: Final = 30.0
TOTAL_S: Final = 120.0
CONNECT_S: Final = 5.0
REDIRECTS_MAX: Final = 3
AGAIN_AFTER_S: Final = (1.0, 4.0)
"""Before the second and the third try."""

_PIECE: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


Room = Callable[[int], Why | None]
"""Told how many bytes there are by now, says why there may be no more."""


class NotFetched(Exception):
    """A file was not fetched; `why` ends a sentence about it, `again` says whether to try anew."""

    def __init__(self, why: Why, *, again: bool = False) -> None:
        super().__init__(str(why))
        self.why = why
        self.again = again


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a file may take: a silence, and all of it."""

    idle_s: float = IDLE_S
    total_s: float = TOTAL_S


class FileFetcher:
    """Fetches one file after the other; whoever calls bounds how many at once."""

    def __init__(
        self,
        blobs: Blobs,
        *,
        patience: Patience | None = None,
        resolve: Resolve = look_up,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`resolve` says where a name leads."""
        self._blobs = blobs
        self._patience = patience or Patience()
        self._resolve = resolve
        self._sleep = sleep

    async def fetch(self, locate: Callable[[], Awaitable[Location]], *, room: Room) -> bytes:
        """A file's bytes.

        `locate` is asked before every try and may raise NotFetched. Raises NotFetched.
        """
        try:
            async with asyncio.timeout(self._patience.total_s):
                for pause_s in AGAIN_AFTER_S:
                    try:
                        return await self._once(await locate(), room)
                    except NotFetched as failed:
                        if not failed.again:
                            raise
                    await self._sleep(pause_s)
                return await self._once(await locate(), room)
        except TimeoutError as error:
            took = because(said.TOO_SLOW, seconds=f"{self._patience.total_s:g}")
            raise NotFetched(took, again=True) from error

    async def _once(self, where: Location, room: Room) -> bytes:
        if isinstance(where, KeptFile):
            return await self._kept(where, room)
        incoming = self._blobs.incoming()
        try:
            await self._read(where, incoming, room)
            return await incoming.read()
        finally:
            await incoming.drop()

    async def _kept(self, where: KeptFile, room: Room) -> bytes:
        try:
            data = await self._blobs.get(where.blob)
        except StoreError as error:
            raise NotFetched(because(said.GONE)) from error
        if why := room(len(data)):
            raise NotFetched(why)
        return data

    async def _read(self, address: FileAddress, incoming: Incoming, room: Room) -> None:
        """Read a file to its end; no error of the client leaves here, since it shows addresses."""
        connector = aiohttp.TCPConnector(
            resolver=_Checked(self._resolve, _host(address.origin)),
            use_dns_cache=False,
            force_close=True,
        )
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_S, sock_read=self._patience.idle_s
        )
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=timeout,
                trust_env=False,
                auto_decompress=False,  # what is counted is what is kept
                headers={"Accept-Encoding": "identity", "User-Agent": "gatepost"},
            ) as session:
                await self._follow(session, address, incoming, room)
        except TimeoutError:
            raise NotFetched(because(said.SILENT), again=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if _is_private(error):
                raise NotFetched(because(said.PRIVATE)) from None
            raise NotFetched(because(said.UNREACHABLE), again=True) from None

    async def _follow(
        self,
        session: aiohttp.ClientSession,
        address: FileAddress,
        incoming: Incoming,
        room: Room,
    ) -> None:
        url, headers = URL(address.url), dict(address.headers)
        for _ in range(REDIRECTS_MAX + 1):
            if not may_ask(url, address):
                # Whoever has no right is sent to another host's page to log in.
                shut = address.pages and str(url) != address.url
                raise NotFetched(because(said.NO_RIGHT if shut else said.ELSEWHERE))
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                leads = response.headers.get("Location")
                if response.status in _REDIRECTS and leads:
                    url, headers = url.join(URL(leads)), {}
                    continue
                await _take(response, address, incoming, room)
                return
        raise NotFetched(because(said.LEADS_ON))


async def _take(
    response: aiohttp.ClientResponse,
    address: FileAddress,
    incoming: Incoming,
    room: Room,
) -> None:
    """The bytes of an answer into a file."""
    match response.status:
        case 200:
            pass
        case 404 | 410:
            raise NotFetched(because(said.GONE))
        case 401 | 403:
            raise NotFetched(because(said.NO_RIGHT))
        case 429 | 500 | 502 | 503 | 504:
            raise NotFetched(because(said.NOT_GIVEN), again=True)
        case _:
            raise NotFetched(because(said.NOT_GIVEN))
    if why := room(response.content_length or 0):
        raise NotFetched(why)
    async for piece in response.content.iter_chunked(_PIECE):
        if why := room(incoming.bytes + len(piece)):
            raise NotFetched(why)
        await incoming.write(piece)
    if address.pages and response.content_type == "text/html":
        raise NotFetched(because(said.NO_RIGHT))


def may_ask(url: URL, address: FileAddress) -> bool:
    """Whether an address is the configured origin, or one of the platform's own over TLS."""
    if origin_of(url.scheme, url.raw_authority.rpartition("@")[2]) == address.origin:
        return url.raw_user is None
    host = (url.raw_host or "").rstrip(".").lower()
    named = any(
        host.endswith(each) if each.startswith(".") else host == each for each in address.hosts
    )
    standard = url.scheme == "https" and url.port == 443 and url.raw_user is None
    return named and standard and as_address(host) is None


def _host(origin: str) -> str:
    return (URL(origin).raw_host or "").rstrip(".").lower()


class _Checked(AbstractResolver):
    """Looks names up and gives only addresses on the public internet, or any of `trusted`."""

    def __init__(self, resolve: Resolve, trusted: str) -> None:
        self._resolve = resolve
        self._trusted = trusted
        self._guard = Guard()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolve(host, port)
        if host.rstrip(".").lower() != self._trusted:
            try:
                self._guard.check_all(found)
            except AddressRefused as refused:
                raise PermissionError(str(refused)) from refused
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _is_private(error: Exception) -> bool:
    """Whether a connection failed because of where its name leads."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return isinstance(cause, PermissionError)
