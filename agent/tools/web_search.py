"""The `web_search` tool: one query to the configured search API, at a flat price a call.

It speaks the Brave Search API, or anything that answers in its shape.
Source: api-dashboard.search.brave.com/documentation, "Web search": GET BASE/web/search with `q`
(at most 400 characters and 50 words) and `count` (at most 20), the key in `X-Subscription-Token`;
the answer holds `web.results[]` with `title`, `url` and `description`.
"""

import asyncio
import html
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson

from agent.costs import FREE, Quote, Unknown, UnknownBecause, dollars, is_paid
from agent.errors import NotStarted, ToolError
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, ToolOutput, Verdict

NAME: Final = "web_search"
BASE_URL: Final = "https://api.search.brave.com/res/v1"
QUERY_MAX: Final = 400
WORDS_MAX: Final = 50
COUNT_MAX: Final = 20
ANSWER_MAX: Final = 4 * 1024 * 1024
CONNECT_S: Final = 10.0
TOTAL_S: Final = 20.0
TEXT_MAX: Final = 16 * 1024
DESCRIPTION_MAX: Final = 500
LABEL_MAX: Final = 80

_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "query": {"type": "string", "maxLength": QUERY_MAX, "description": "What to look for."},
    "count": {
        "type": "integer",
        "minimum": 1,
        "maximum": COUNT_MAX,
        "default": 10,
        "description": "How many results.",
    },
}
SPEC: Final = ToolSpec(
    name=NAME,
    description="Search the web. Gives titles, addresses and short descriptions; read a page with "
    "`fetch`.",
    parameters={
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["query"],
        "additionalProperties": False,
    },
)


class WebSearchTool:
    """A Tool over one search API.

    `price` is micro-dollars a call, None if nobody has said; calls of at most `max_price` are
    allowed without asking.
    """

    def __init__(
        self,
        *,
        api_key: str,
        price: int | None,
        max_price: int,
        base_url: str = BASE_URL,
        total_s: float = TOTAL_S,
    ) -> None:
        self._url = base_url.rstrip("/") + "/web/search"
        self._key = api_key
        self._price = price
        self._max_price = max_price
        self._total_s = total_s

    @property
    def place(self) -> str:
        """Where its calls go; see PlacedTool."""
        return self._url

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        complete = checked(arguments, _PROPERTIES, fields=tuple(_PROPERTIES), required=("query",))
        if isinstance(complete, Malformed):
            return complete
        query = " ".join(complete["query"].split())
        if not query:
            return Malformed(text="The field 'query' is empty.")
        if len(query.split(" ")) > WORDS_MAX:
            return Malformed(text=f"The field 'query' must have at most {WORDS_MAX} words.")
        default, reason = self._verdict()
        label = f"{NAME}: {query}"
        return PreparedCall(
            tool=NAME,
            operation="search",
            arguments={**complete, "query": query},
            effect=EffectClass.PURE,
            label=label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…",
            default=default,
            reason=reason,
            quote=self._quote(),
            summary=f"searches the web for {query!r}",
            taints="search results",
            finds=True,
            matters=("query",),
            editable=("query",),
            deadline_s=self._total_s + CONNECT_S,
        )

    def _verdict(self) -> tuple[Verdict, str]:
        if self._price is None:
            return Verdict.ASK, "its price is not configured"
        if self._price > self._max_price:
            return Verdict.ASK, f"a call costs more than {dollars(self._max_price)}"
        return Verdict.ALLOW, ""

    def _quote(self) -> Quote:
        if self._price is None:
            return Quote(ceiling=Unknown(because=UnknownBecause.PRICE), source="config")
        if not is_paid(self._price):
            return FREE
        return Quote(
            ceiling=self._price, unit="call", unit_price=self._price, quantity=1, source="config"
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Ask once; see Tool. A query that was refused costs nothing."""
        try:
            async with asyncio.timeout(self._total_s):
                status, body = await self._ask(call.arguments)
        except aiohttp.ClientConnectorError as error:
            raise NotStarted("The search API can't be reached.") from error
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise ToolError("The search API gave no answer.") from error
        if status in {401, 403}:
            raise NotStarted("The search API refuses the gateway's key; the operator must look.")
        if status == 429:
            raise NotStarted("The search API is asked too often; try again later.")
        if 400 <= status < 500:
            raise NotStarted(f"The search API refuses the query (status {status}).")
        if status != 200:
            raise ToolError(f"The search API failed (status {status}).")
        return ToolOutput(text=_shown(_results(body)), spent=self._price)

    async def _ask(self, arguments: JsonObject) -> tuple[int, bytes]:
        headers = {
            "Accept": "application/json",
            "X-Subscription-Token": self._key,
            "User-Agent": "gatepost",
        }
        asked = {"q": arguments["query"], "count": str(arguments["count"])}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(
                self._url, params=asked, headers=headers, allow_redirects=False, timeout=timeout
            ) as response,
        ):
            body = bytearray()
            async for piece in response.content.iter_chunked(64 * 1024):
                body += piece
                if len(body) > ANSWER_MAX:
                    raise ToolError("The search API's answer is too long.")
            return response.status, bytes(body)


def _results(body: bytes) -> list[Mapping[str, Any]]:
    """The results of an answer; raises ToolError for one in another shape."""
    try:
        answer = orjson.loads(body)
        web = answer.get("web") or {}
        results = web.get("results", [])
        return [result for result in results if isinstance(result["url"], str)]
    except (ValueError, AttributeError, KeyError, TypeError) as exc:
        raise ToolError("The search API's answer can't be understood.") from exc


def _shown(results: list[Mapping[str, Any]]) -> str:
    """Results as the model reads them: as many as fit."""
    shown = ""
    for number, result in enumerate(results, 1):
        title, description = _plain(result.get("title")), _plain(result.get("description"))
        piece = f"{number}. {title}\n   {result['url']}\n   {description[:DESCRIPTION_MAX]}\n"
        if len(shown) + len(piece) > TEXT_MAX:
            return f"{shown}[{len(results) - number + 1} more]"
        shown += piece
    return shown.rstrip("\n") or "(nothing found)"


def _plain(text: object) -> str:
    """Words without the markup that marks what was found."""
    if not isinstance(text, str):
        return ""
    return " ".join(html.unescape(re.sub(r"</?\w+>", "", text)).split())
