"""The `fetch` tool: one request to a public web address.

No name is looked up before the call is judged: a look-up alone tells its name to whoever answers
for it. When the call runs, every address of the name is checked, the connection goes to one of
those and to no other, and the same holds again for each redirect. A redirect to another host is
told and not followed: a call to that host is judged by itself.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from agent.errors import NotStarted, ToolError
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools import excerpts
from agent.tools.addresses import AddressRefused, Guard, Target, UrlRefused, as_address, target
from agent.tools.arguments import checked
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.page_text import text_of_page

NAME: Final = "fetch"
BODY_MAX: Final = 1024 * 1024
REDIRECTS_MAX: Final = 5
CONNECT_S: Final = 10.0
TOTAL_S: Final = 30.0
LABEL_MAX: Final = 80

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_HEADERS: Final = {
    "User-Agent": "gatepost",
    "Accept": "text/html, text/plain, application/json;q=0.9, */*;q=0.5",
}
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "url": {"type": "string", "maxLength": 4_000, "description": "https:// or http://"},
    "method": {"type": "string", "enum": list(METHODS), "default": "GET"},
    "from_line": {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "GET: the first line of the page's text to show.",
    },
    "body": {"type": "string", "default": "", "description": "What other methods send."},
    "content_type": {
        "type": "string",
        "maxLength": 100,
        "default": "application/json",
        "description": "What `body` is.",
    },
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Ask for a public web address. GET gives a page as text (of a long one its beginning and "
        "end), with its links in angle brackets. Other methods send `body`; a person is asked "
        "first. Addresses of this machine and of private networks are refused."
    ),
    parameters={
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["url"],
        "additionalProperties": False,
    },
)

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """Every address of a name, as the system's resolver gives them; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class FetchTool:
    """A Tool over the public web."""

    def __init__(
        self, *, guard: Guard | None = None, resolve: Resolve = look_up, total_s: float = TOTAL_S
    ) -> None:
        """`guard` and `resolve` say what may be reached, and where a name leads."""
        self._guard = guard or Guard()
        self._resolve = resolve
        self._total_s = total_s

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        method = arguments.get("method") or "GET"
        if not isinstance(method, str) or (method := method.strip().upper()) not in METHODS:
            return Malformed(text=f"The field 'method' must be one of {', '.join(METHODS)}.")
        fields = (
            "url",
            "method",
            *(("from_line",) if method == "GET" else ("body", "content_type")),
        )
        given = {**arguments, "method": method}
        complete = checked(given, _PROPERTIES, fields=fields, required=("url",))
        if isinstance(complete, Malformed):
            return complete
        if re.search(r"[^\x20-\x7e]", complete.get("content_type", "")):
            return Malformed(text="The field 'content_type' must be plain, such as text/plain.")
        try:
            asked = target(complete["url"].strip())
        except UrlRefused as refused:
            return Malformed(text=f"The field 'url' is refused: {refused}.")
        return self._call({**complete, "url": asked.text}, asked)

    def _call(self, arguments: JsonObject, asked: Target) -> PreparedCall:
        method: str = arguments["method"]
        reads = method == "GET"
        default, reason = self._verdict(asked, reads=reads)
        words = f"{method} {asked.text}"
        warnings = (
            (f"the host is written {asked.foreign}, which is {asked.host}",)
            if asked.foreign is not None
            else ()
        )
        return PreparedCall(
            tool=NAME,
            operation=method.lower(),
            arguments=arguments,
            effect=EffectClass.PURE if reads else EffectClass.ONCE,
            label=_cut(f"{NAME}: {words}", LABEL_MAX),
            default=default,
            reason=reason,
            tags=frozenset() if reads else frozenset({RiskTag.OUTWARD}),
            summary=words if reads else f"{words} with {len(arguments['body'].encode())} bytes",
            taints="web page",
            finds=reads,
            matters=("url",) if reads else ("url", "body"),
            editable=() if reads else ("body",),
            urls=(asked.text,),
            warnings=warnings,
            deadline_s=self._total_s + CONNECT_S,
        )

    def _verdict(self, asked: Target, *, reads: bool) -> tuple[Verdict, str]:
        try:
            self._guard.check_host(asked.host)
        except AddressRefused as refused:
            return Verdict.DENY, f"{asked.host} is {refused}"
        if reads:
            return Verdict.ALLOW, ""
        return Verdict.ASK, "it sends something to a server outside"

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Make the request; see Tool."""
        arguments = call.arguments
        begun = _Begun()
        try:
            async with asyncio.timeout(self._total_s):
                answer = await self._ask(arguments, begun)
        except ToolError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            words = _words(error, self._total_s)
            if not begun.sent or isinstance(error, aiohttp.ClientConnectorError):
                raise NotStarted(f"{words} Nothing was sent.") from error
            if call.effect is EffectClass.ONCE:
                text = f"{words} It may have taken effect."
                return ToolOutput(text=text, status=ResultStatus.UNKNOWN)
            raise ToolError(words) from error
        text = await asyncio.to_thread(_shown, answer, arguments.get("from_line", 1))
        status = ResultStatus.DONE if answer.status < 400 else ResultStatus.FAILED
        return ToolOutput(text=text, status=status)

    async def _ask(self, arguments: JsonObject, begun: "_Begun") -> "_Answer":
        pinned = _Pinned()
        connector = aiohttp.TCPConnector(
            resolver=pinned, use_dns_cache=False, force_close=True, socket_factory=self._socket
        )
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS
        ) as session:
            asked = target(arguments["url"])
            for _ in range(REDIRECTS_MAX + 1):
                pinned.hold(asked, await self._reachable(asked))
                answer = await _request(session, asked, arguments, begun)
                if answer.leads is None or arguments["method"] != "GET":
                    return answer
                leads = _followed(asked, answer.leads)
                if leads.host != asked.host:
                    return replace(answer, leads=leads.text)
                asked = leads
        raise ToolError(f"{arguments['url']} leads on more than {REDIRECTS_MAX} times.")

    async def _reachable(self, asked: Target) -> tuple[str, ...]:
        """The addresses of a host, all of them on the public internet."""
        try:
            self._guard.check_host(asked.host)
            if (literal := as_address(asked.host)) is not None:
                return (str(literal),)
            try:
                found = await self._resolve(asked.host, asked.url.port or 0)
            except (OSError, UnicodeError) as error:
                raise NotStarted(f"There is no address of {asked.host}.") from error
            self._guard.check_all(found)
        except AddressRefused as refused:
            raise NotStarted(f"{asked.host} is refused: it leads to {refused}.") from refused
        return found

    def _socket(self, info: Any) -> socket.socket:
        """The last look before a connection: whatever chose the address, it is checked."""
        family, kind, protocol, _, address = info
        try:
            self._guard.check(str(address[0]))
        except AddressRefused as refused:
            raise PermissionError(f"refused: {refused}") from refused
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


@dataclass(slots=True, kw_only=True)
class _Begun:
    """Whether a request may have left."""

    sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """An answer with as much of its body as is kept; `leads` is where a redirect points."""

    url: str
    status: int
    reason: str
    content_type: str
    charset: str | None
    body: bytes
    cut: bool
    leads: str | None


class _Pinned(AbstractResolver):
    """Gives the addresses that were checked, and never looks anything up."""

    def __init__(self) -> None:
        self._addresses: dict[str, tuple[str, ...]] = {}

    def hold(self, asked: Target, addresses: tuple[str, ...]) -> None:
        """These are the addresses of a host from now on."""
        self._addresses[(asked.url.raw_host or "").rstrip(".")] = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses.get(host.rstrip("."), ())
        ]

    async def close(self) -> None:
        self._addresses.clear()


async def _request(
    session: aiohttp.ClientSession, asked: Target, arguments: JsonObject, begun: _Begun
) -> _Answer:
    method = arguments["method"]
    sends: dict[str, Any] = {}
    if method != "GET":
        sends["data"] = arguments["body"].encode()
        sends["headers"] = {"Content-Type": arguments["content_type"]}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    begun.sent = True
    async with session.request(
        method, asked.url, allow_redirects=False, timeout=timeout, **sends
    ) as response:
        leads = response.headers.get("Location") if response.status in _REDIRECTS else None
        body, cut = (b"", False) if leads and method == "GET" else await _body(response)
        return _Answer(
            url=str(asked.url),
            status=response.status,
            reason=response.reason or "",
            content_type=response.content_type,
            charset=response.charset,
            body=body,
            cut=cut,
            leads=leads,
        )


async def _body(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """As much of a body as is kept, and whether there was more."""
    body = bytearray()
    async for piece in response.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > BODY_MAX:
            return bytes(body[:BODY_MAX]), True
    return bytes(body), False


def _followed(asked: Target, leads: str) -> Target:
    """Where a redirect leads; raises ToolError for what can't be fetched."""
    try:
        joined = str(asked.url.join(type(asked.url)(leads)))
        return target(joined)
    except ValueError as error:
        raise ToolError(f"{asked.text} leads to an address that is refused: {error}.") from error


def _shown(answer: _Answer, from_line: int) -> str:
    """What the model reads of an answer."""
    first = f"{answer.status} {answer.reason}, {answer.content_type}, {answer.url}"
    if answer.leads is not None:
        first += f"\nIt leads to {answer.leads}, which was not followed."
    if not answer.body:
        return first
    text = _text(answer)
    if text is None:
        return f"{first}\n[{len(answer.body)} bytes that are no text]"
    if answer.cut:
        text += f"\n[the page goes on; only its first {BODY_MAX // 1024} KiB were read]"
    lines = text.split("\n")
    if from_line > len(lines):
        raise ToolError(f"The page's text has only {len(lines)} lines.")
    excerpt = excerpts.of_bytes("\n".join(lines[from_line - 1 :]).encode())
    if not excerpt.left_out:
        return f"{first}\n\n{excerpt.head}"
    following = from_line + excerpt.head.count("\n")
    note = f"[{excerpt.left_out} bytes left out here; go on with from_line = {following}]"
    return f"{first}\n\n{excerpt.head}\n{note}\n{excerpt.tail}"


def _text(answer: _Answer) -> str | None:
    """The text of a body, None for what is none."""
    kind = answer.content_type
    textual = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "yaml"))
    if not textual or b"\0" in answer.body[:1024]:
        return None
    try:
        text = answer.body.decode(answer.charset or "utf-8", errors="replace")
    except LookupError:
        text = answer.body.decode(errors="replace")
    if kind in {"text/html", "application/xhtml+xml"}:
        return text_of_page(text, answer.url)
    return text.replace("\r\n", "\n")


def _words(error: Exception, total_s: float) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "The server's certificate can't be trusted."
        case aiohttp.ClientConnectorError():
            return "The server can't be reached."
        case TimeoutError():
            return f"There was no answer within {total_s:.0f} s."
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "The server's answer can't be understood."
        case _:
            return "The connection broke."


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
