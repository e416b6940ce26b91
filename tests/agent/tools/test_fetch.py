"""The `fetch` tool over real sockets: pages, the guard on every hop, and what it costs to fail."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NotStarted, ToolError
from agent.messages import ResultStatus
from agent.tools.addresses import Guard
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.fetch import BODY_MAX, FetchTool
from agent.tools.page_text import text_of_page
from tests.wire.server import CutAfter, CutBefore, HalfOpen
from tests.wire.site import SiteServer

CONTEXT = CallContext(call_id="c1", session="s1")
HERE = Guard(allowed=frozenset({"127.0.0.1"}))


class Names:
    """A resolver whose answers are scripted, in order; the last one stays."""

    def __init__(self, **names: list[tuple[str, ...]]) -> None:
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError("no such name")
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
async def site() -> AsyncIterator[SiteServer]:
    async with SiteServer() as server:
        yield server


@pytest.fixture
def tool() -> FetchTool:
    """A tool that may reach this machine's first address."""
    return FetchTool(guard=HERE)


def prepared(tool: FetchTool, url: str, **arguments: Any) -> PreparedCall:
    call = tool.prepare({"url": url, **arguments})
    assert isinstance(call, PreparedCall), call
    return call


async def use(tool: FetchTool, url: str, **arguments: Any) -> ToolOutput:
    return await tool.run(prepared(tool, url, **arguments), CONTEXT)


# What the gate is told: every default.


@pytest.mark.parametrize(
    ("method", "effect", "default", "tags"),
    [
        ("GET", EffectClass.PURE, Verdict.ALLOW, frozenset()),
        (" get ", EffectClass.PURE, Verdict.ALLOW, frozenset()),
        ("POST", EffectClass.ONCE, Verdict.ASK, frozenset({RiskTag.OUTWARD})),
        ("PUT", EffectClass.ONCE, Verdict.ASK, frozenset({RiskTag.OUTWARD})),
        ("PATCH", EffectClass.ONCE, Verdict.ASK, frozenset({RiskTag.OUTWARD})),
        ("DELETE", EffectClass.ONCE, Verdict.ASK, frozenset({RiskTag.OUTWARD})),
    ],
)
def test_defaults(
    method: str, effect: EffectClass, default: Verdict, tags: frozenset[RiskTag]
) -> None:
    """Reading is allowed and taints; whatever sends is outward, once, and asks."""
    call = prepared(FetchTool(), "https://example.com/a", method=method)
    assert (call.effect, call.default, call.tags) == (effect, default, tags)
    assert (call.operation, call.taints) == (method.strip().lower(), "web page")
    assert call.urls == ("https://example.com/a",)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/",
     "http://localhost:8080/", "http://metadata.google.internal/"],
)  # fmt: skip
def test_private_addresses_are_denied(url: str, method: str) -> None:
    """Before anyone is asked, and whatever the method."""
    call = prepared(FetchTool(), url, method=method)
    assert call.default is Verdict.DENY
    assert call.reason


def test_other_letters_in_a_host_are_named() -> None:
    """The card says how the host is written and what it is."""
    call = prepared(FetchTool(), "https://аpple.example/")
    assert call.warnings == ("the host is written аpple.example, which is xn--pple-43d.example",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'url' is missing"),
        ({"url": "ftp://x/"}, "must begin with https"),
        ({"url": "https://x/", "method": "HEAD"}, "one of GET, POST"),
        ({"url": "https://x/", "method": 7}, "one of GET, POST"),
        ({"url": "https://x/", "body": "b"}, "Unknown field 'body'"),
        ({"url": "https://x/", "method": "POST", "from_line": 2}, "Unknown field 'from_line'"),
        ({"url": "https://x/", "method": "POST", "content_type": "a\r\nb"}, "must be plain"),
        ({"url": "https://x/", "headers": {}}, "Unknown field 'headers'"),
    ],
)
def test_calls_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    """Each answer says what would."""
    refused = FetchTool().prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


ANY = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
URLS = st.text(max_size=10).map(lambda t: f"https://{t}") | st.just("https://example.com/ä")
METHODS = st.sampled_from(("GET", "post", " Put ", "x", None))


@given(
    arguments=st.fixed_dictionaries(
        {},
        optional={
            "url": URLS | ANY,
            "method": METHODS | ANY,
            "from_line": ANY,
            "body": ANY,
            "content_type": ANY,
            "x": ANY,
        },
    )
)
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    tool = FetchTool()
    call = tool.prepare(arguments)
    if isinstance(call, PreparedCall):
        assert tool.prepare(call.arguments) == call
    else:
        assert isinstance(call, Malformed)


# Pages.


async def test_a_page(site: SiteServer, tool: FetchTool) -> None:
    """Words without markup, links in full so that they can be followed as they stand."""
    html = """<html><head><title>A &amp; B</title><style>p {}</style></head><body>
      <script>alert('no')</script><p>One  two<br>three</p><ul><li><a href="/next?x=1">next</a></ul>
      <a href="javascript:x()">bad</a> <a href="https://other.example/y">other</a></body></html>"""
    output = await use(tool, site.add("/a", html))
    first, _, text = output.text.partition("\n\n")
    assert first == f"200 OK, text/html, {site.url}/a"
    assert text.splitlines() == [
        "A & B",
        "One two",
        "three",
        f"- next <{site.url}/next?x=1>",
        " bad other <https://other.example/y>",
    ]
    assert site.record[0].headers["User-Agent"] == "gatepost"
    assert "Cookie" not in site.record[0].headers


async def test_a_long_page(site: SiteServer, tool: FetchTool) -> None:
    """8 KiB from each end, and the line to go on with; that line is the next one."""
    url = site.add("/a", "".join(f"{n}\n" for n in range(20_000)), content_type="text/plain")
    output = await use(tool, url)
    assert len(output.text) < 17 * 1024
    head, _, note = output.text.partition("\n\n")[2].partition("\n[")
    following = int(note.partition("from_line = ")[2].partition("]")[0])
    more = await use(tool, url, from_line=following)
    assert more.text.partition("\n\n")[2].split("\n")[0] == str(len(head.split("\n")) - 1)
    with pytest.raises(ToolError, match="only 20001 lines"):
        await use(tool, url, from_line=30_000)


async def test_an_endless_page(site: SiteServer, tool: FetchTool) -> None:
    """After 1 MiB it is left."""
    output = await use(tool, f"{site.url}/endless")
    assert f"only its first {BODY_MAX // 1024} KiB were read" in output.text


async def test_a_page_that_unpacks_without_end(site: SiteServer, tool: FetchTool) -> None:
    """A small answer that grows is left after 1 MiB too."""
    packed = gzip.compress(b"x" * 64 * 1024 * 1024)
    site.add("/a", packed, content_type="text/plain", headers={"Content-Encoding": "gzip"})
    output = await use(tool, f"{site.url}/a")
    assert "were read]" in output.text


async def test_what_is_no_text(site: SiteServer, tool: FetchTool) -> None:
    """Binary answers are named as such; a foreign charset is read."""
    picture = await use(tool, site.add("/a", b"\x89PNG\0", content_type="image/png"))
    assert picture.text.endswith("[5 bytes that are no text]")
    latin = await use(
        tool, site.add("/b", "für".encode("latin-1"), content_type="text/plain; charset=latin-1")
    )
    assert latin.text.endswith("\n\nfür")
    odd = await use(tool, site.add("/c", "für", content_type="text/plain; charset=no-such"))
    assert odd.text.endswith("\n\nfür")


async def test_what_is_not_there(site: SiteServer, tool: FetchTool) -> None:
    """An error page is a failed call with its words."""
    output = await use(tool, f"{site.url}/gone")
    assert output.status is ResultStatus.FAILED
    assert output.text.startswith("404 Not Found")
    assert output.text.endswith("no such page")


@given(html=st.text(max_size=200) | st.text(alphabet="<>/!-[]a p=\"'&;x", max_size=200))
def test_any_page_has_some_text(html: str) -> None:
    """Reading a page is total, and leaves no blank line."""
    text = text_of_page(html, "https://example.com/a/")
    assert all(line.strip() for line in text.split("\n")) or not text


# Redirects, and the guard on each hop.


async def test_redirects_are_followed(site: SiteServer, tool: FetchTool) -> None:
    """Five of them, relative ones too; the address shown is the last."""
    for number in range(4):
        site.leads(f"/{number}", f"/{number + 1}", status=(301, 302, 303, 307)[number])
    site.leads("/4", f"{site.url}/end?x=%C3%A4")
    site.add("/end", "there", content_type="text/plain")
    output = await use(tool, f"{site.url}/0")
    assert output.text == f"200 OK, text/plain, {site.url}/end?x=%C3%A4\n\nthere"
    site.leads("/end", "/0")
    with pytest.raises(ToolError, match="more than 5 times"):
        await use(tool, f"{site.url}/0")


@pytest.mark.parametrize(
    ("leads", "words"),
    [
        ("file:///etc/passwd", "must begin with"),
        ("http://user:word@a.example/", "user name"),
        ("http://a.example:22/", "port 22"),
        ("http://0177.0.0.1/", "four decimal"),
    ],
)
async def test_a_redirect_does_not_lead_inside(site: SiteServer, leads: str, words: str) -> None:
    """What could not be asked for by itself is not told as a link either."""
    names = Names(a_example=[("127.0.0.1",)])
    tool = FetchTool(guard=HERE, resolve=names)
    site.leads("/a", leads)
    with pytest.raises(ToolError, match=words):
        await use(tool, f"http://a.example:{site.url.rpartition(':')[2]}/a")
    assert [seen.operation for seen in site.record] == ["GET /a"]


@pytest.mark.parametrize(
    "leads",
    [
        "http://127.0.0.2:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:{port}/secret",
        "http://denied.example:{port}/x?d=1",
        "//denied.example:{port}/x?d=1",
        "https://b.a.example/",
    ],
)
async def test_a_redirect_to_another_host_is_told(site: SiteServer, leads: str) -> None:
    """A call to that host is judged by itself: a rule may deny it, and nobody looks it up."""
    names = Names(a_example=[("127.0.0.1",)])
    tool = FetchTool(guard=HERE, resolve=names)
    port = site.url.rpartition(":")[2]
    to = leads.format(port=port)
    site.leads("/a", to)
    output = await use(tool, f"http://a.example:{port}/a")
    absolute = to if to.startswith("http") else f"http:{to}"
    assert output.text.endswith(f"It leads to {absolute}, which was not followed.")
    assert [seen.operation for seen in site.record] == ["GET /a"]
    assert names.asked == ["a.example"]


async def test_each_hop_is_checked(site: SiteServer) -> None:
    """The same name may lead inside a moment later."""
    names = Names(a_example=[("127.0.0.1",), ("10.0.0.7",)])
    tool = FetchTool(guard=HERE, resolve=names)
    site.leads("/a", "/b")
    with pytest.raises(NotStarted, match="leads to a private address"):
        await use(tool, f"http://a.example:{site.url.rpartition(':')[2]}/a")
    assert [seen.operation for seen in site.record] == ["GET /a"]


async def test_a_name_with_one_private_address_is_refused(site: SiteServer) -> None:
    """A public address beside it does not help."""
    names = Names(a_example=[("127.0.0.1", "10.0.0.1")])
    tool = FetchTool(guard=HERE, resolve=names)
    with pytest.raises(NotStarted, match=r"a\.example is refused"):
        await use(tool, f"http://a.example:{site.url.rpartition(':')[2]}/")
    assert site.record == []


async def test_a_name_that_changes_its_mind(site: SiteServer) -> None:
    """The connection goes to the address that was checked: a name is looked up once a hop."""
    async with SiteServer(host="127.0.0.2", port=int(site.url.rpartition(":")[2])) as inside:
        inside.add("/a", "secret")
        site.add("/a", "public")
        names = Names(a_example=[("127.0.0.1",), ("127.0.0.2",)])
        tool = FetchTool(guard=HERE, resolve=names)
        url = f"http://a.example:{site.url.rpartition(':')[2]}/a"
        assert (await use(tool, url)).text.endswith("public")
        assert names.asked == ["a.example"]
        with pytest.raises(NotStarted, match="this machine"):
            await use(tool, url)
        assert inside.record == []
    assert site.record[0].arguments["host"].startswith("a.example:")


async def test_judging_looks_nothing_up() -> None:
    """A name goes to nobody before the call is judged."""
    names = Names()
    tool = FetchTool(resolve=names)
    prepared(tool, "https://secret-words.evil.example/")
    assert names.asked == []
    assert not hasattr(tool, "inspect")


async def test_the_system_proxy_is_not_used(
    site: SiteServer, tool: FetchTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would look names up by itself, behind the guard."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await use(tool, site.add("/a", "here"))).status is ResultStatus.DONE


# Sending, and failing.


async def test_something_is_sent(site: SiteServer, tool: FetchTool) -> None:
    """Exactly the body, once; a redirect is told and not followed."""
    url = site.add("/a", '{"ok": true}', content_type="application/json", status=201)
    output = await use(tool, url, method="POST", body='{"n": "ä"}')
    assert output.text.endswith('{"ok": true}')
    assert [seen.arguments["body"] for seen in site.record] == ['{"n": "ä"}']
    assert site.record[0].headers["Content-Type"] == "application/json"
    site.leads("/a", "/b", status=307)
    assert "It leads to /b, which was not followed." in (await use(tool, url, method="PUT")).text
    assert len(site.record) == 2


@pytest.mark.warp
@pytest.mark.parametrize(
    "fault", [CutBefore(), CutAfter(), HalfOpen()], ids=["cut", "late", "mute"]
)
async def test_an_answer_that_does_not_come(
    site: SiteServer, fault: CutBefore | CutAfter | HalfOpen
) -> None:
    """Of a read nothing is lost; of something sent nobody can tell."""
    tool = FetchTool(guard=HERE, total_s=0.3)
    url = site.add("/a", "here")
    site.faults.add("POST /a", fault)
    sent = await use(tool, url, method="POST", body="x")
    assert sent.status is ResultStatus.UNKNOWN
    assert "It may have taken effect." in sent.text
    site.faults.add("GET /a", *(fault,) * 3)
    with pytest.raises(ToolError):
        await use(tool, url)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_was_never_sent(tool: FetchTool, method: str) -> None:
    """A refused connection and a name without an address are no beginning."""
    async with SiteServer() as gone:
        url = gone.url
    with pytest.raises(NotStarted, match="Nothing was sent"):
        await use(tool, url, method=method)
    nowhere = FetchTool(guard=HERE, resolve=Names())
    with pytest.raises(NotStarted, match=r"no address of gone\.example"):
        await use(nowhere, "http://gone.example/", method=method)


async def test_a_cancel_ends_it(site: SiteServer, tool: FetchTool) -> None:
    """A stop is a stop."""
    site.faults.add("GET /a", HalfOpen())
    running = asyncio.create_task(use(tool, f"{site.url}/a"))
    await site.seen(lambda seen: seen.operation == "GET /a")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
