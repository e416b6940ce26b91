"""The `web_search` tool over a loopback search API: what it gives, what it costs, how it fails."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Unknown, UnknownBecause
from agent.errors import NotStarted, ToolError
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, ToolOutput, Verdict
from agent.tools.web_search import WebSearchTool
from tests.wire.search_api import KEY, SearchApiServer
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen

CONTEXT = CallContext(call_id="c1", session="s1")
CENT = 10_000


@pytest.fixture
async def api() -> AsyncIterator[SearchApiServer]:
    async with SearchApiServer() as server:
        yield server


def tool_for(api: SearchApiServer, **fields: Any) -> WebSearchTool:
    given: dict[str, Any] = {"api_key": KEY, "price": 5_000, "max_price": 2 * CENT, "total_s": 5.0}
    return WebSearchTool(base_url=f"{api.url}/res/v1/", **given | fields)


def priced(price: int | None, max_price: int = 2 * CENT) -> WebSearchTool:
    return WebSearchTool(api_key=KEY, price=price, max_price=max_price)


def prepared(tool: WebSearchTool, query: str, **arguments: Any) -> PreparedCall:
    call = tool.prepare({"query": query, **arguments})
    assert isinstance(call, PreparedCall), call
    return call


async def use(tool: WebSearchTool, query: str, **arguments: Any) -> ToolOutput:
    return await tool.run(prepared(tool, query, **arguments), CONTEXT)


@pytest.mark.parametrize(
    ("price", "max_price", "default"),
    [
        (0, 2 * CENT, Verdict.ALLOW),
        (2 * CENT, 2 * CENT, Verdict.ALLOW),
        (2 * CENT + 1, 2 * CENT, Verdict.ASK),
        (1, 0, Verdict.ASK),
        (None, 2 * CENT, Verdict.ASK),
    ],
)
def test_defaults(price: int | None, max_price: int, default: Verdict) -> None:
    """Up to the configured price it is allowed; dearer, or at no known price, it asks."""
    call = prepared(priced(price, max_price), "x")
    assert (call.effect, call.default) == (EffectClass.PURE, default)
    assert (call.tags, call.taints) == (frozenset(), "search results")
    assert (call.reason == "") is (default is Verdict.ALLOW)


def test_quotes() -> None:
    """A flat price is the ceiling; no price is unknown, not zero; zero is free."""
    assert prepared(priced(5_000), "x").quote.ceiling == 5_000
    assert prepared(priced(5_000), "x").quote.source == "config"
    assert prepared(priced(None), "x").quote.ceiling == Unknown(because=UnknownBecause.PRICE)
    assert prepared(priced(0), "x").quote.ceiling == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'query' is missing"),
        ({"query": " \n"}, "'query' is empty"),
        ({"query": "x" * 401}, "at most 400 characters"),
        ({"query": "x " * 51}, "at most 50 words"),
        ({"query": "x", "count": 21}, "at most 20"),
        ({"q": "x"}, "Unknown field 'q'"),
    ],
)
def test_calls_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    """The API's own limits are told before it is asked."""
    refused = priced(1).prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


ANY = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@given(arguments=st.dictionaries(st.sampled_from(("query", "count", "x")), ANY))
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    call = priced(1).prepare(arguments)
    if isinstance(call, PreparedCall):
        assert priced(1).prepare(call.arguments) == call
    else:
        assert isinstance(call, Malformed)


async def test_results(api: SearchApiServer) -> None:
    """Title, address as it stands, description without markup; the flat price is what it cost."""
    api.results = [
        {
            "title": "A &amp; <strong>B</strong>",
            "url": "https://a.example/?x=1&y=2",
            "description": "One\n <strong>two</strong>",
        },
        {"title": None, "url": "https://b.example/"},
    ]
    output = await use(tool_for(api), " grüne   katze ", count=2)
    assert output.text == (
        "1. A & B\n   https://a.example/?x=1&y=2\n   One two\n2. \n   https://b.example/\n   "
    )
    assert output.spent == 5_000
    assert api.record[0].arguments == {"q": "grüne katze", "count": "2"}
    assert KEY not in repr(output)


async def test_nothing_found_costs_as_well(api: SearchApiServer) -> None:
    """No result is a result."""
    output = await use(tool_for(api), "x")
    assert (output.text, output.spent) == ("(nothing found)", 5_000)


async def test_long_answers_are_cut(api: SearchApiServer) -> None:
    """As many results as fit; the rest is counted."""
    long = "https://a.example/" + "x" * 3_000
    api.results = [{"title": "t" * 900, "url": long, "description": "d" * 9_000}] * 20
    output = await use(tool_for(api), "x", count=20)
    assert len(output.text) <= 16 * 1024 + 20
    assert output.text.endswith("more]")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refuses the gateway's key"), (403, "key"), (429, "too often"), (422, "status 422")],
)
async def test_a_refused_query_costs_nothing(api: SearchApiServer, status: int, words: str) -> None:
    """A 4xx is no beginning, so the hold is released."""
    api.faults.add("search", Answer(status=status))
    with pytest.raises(NotStarted, match=words):
        await use(tool_for(api), "x")


@pytest.mark.warp
@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=500),
        Answer(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        Answer(status=200, body=b"<html>"),
        Answer(status=200, body=b"[]"),
        Answer(status=200, body=b'{"web": {"results": [{}]}}'),
        CutBefore(),
        CutAfter(),
        HalfOpen(),
    ],
)
async def test_who_knows_what_it_cost(
    api: SearchApiServer, fault: Answer | CutBefore | CutAfter | HalfOpen
) -> None:
    """A failure after the query left is a failure whose cost nobody knows: the hold stays."""
    api.faults.add("search", fault, fault, fault)
    with pytest.raises(ToolError) as raised:
        await use(tool_for(api, total_s=0.3), "x")
    assert not isinstance(raised.value, NotStarted)
    assert KEY not in str(raised.value)


async def test_nobody_there() -> None:
    """A refused connection is no beginning."""
    async with SearchApiServer() as gone:
        tool = tool_for(gone)
    with pytest.raises(NotStarted, match="can't be reached"):
        await use(tool, "x")
