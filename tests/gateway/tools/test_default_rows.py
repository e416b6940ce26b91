"""Every default of the built-in tools, as the gate judges it where no rule speaks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.messages import ToolCall
from agent.policy import judge, judge_with
from agent.rules import Facts, Policy
from agent.tools.base import Malformed, RiskTag, Tool, Verdict
from agent.tools.fetch import FetchTool
from agent.tools.files import FilesTool
from agent.tools.isolation import Isolation
from agent.tools.shell import ShellTool
from agent.tools.web_search import WebSearchTool
from gateway.tools.ask_user import AskUserTool
from gateway.tools.memory import MemoryTool
from gateway.tools.send_message import SendMessageTool
from tests.gateway.hand_clock import HandClock

PLACE = Path("/nowhere/workspace")
SHA = "0" * 64
TAINT = ("1 web page",)
SAID = "see https://said.example/a"
NOTHING: frozenset[RiskTag] = frozenset()
OUTWARD = frozenset({RiskTag.OUTWARD})
DESTRUCTIVE = frozenset({RiskTag.DESTRUCTIVE})
PAID = frozenset({RiskTag.PAID})


def _search(price: int | None) -> Tool:
    return WebSearchTool(api_key="key", price=price, max_price=20_000)


def _messages() -> Tool:
    return SendMessageTool(
        destinations={"team": "slack:T1/C9"}, account_of=lambda _: "slack:A1", clock=HandClock()
    )


def _files(operation: str, **fields: Any) -> dict[str, Any]:
    return {"operation": operation, "path": "a", **fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A call, and what is said of it in a clean turn and in a tainted one (None: the same)."""

    tool: Callable[[], Tool]
    arguments: dict[str, Any]
    clean: Verdict
    tags: frozenset[RiskTag] = NOTHING
    tainted: Verdict | None = None


def _files_tool() -> Tool:
    return FilesTool(workspace=PLACE)


def _shell_tool() -> Tool:
    return ShellTool(Isolation(workspace=PLACE))


def _memory_tool() -> Tool:
    return MemoryTool(HandClock())


ALLOW, ASK, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.DENY
NEW = {"content": "x", "shown": "absent"}
OURS = {"content": "x", "shown": SHA, "made_here": True, "size": 1}
THEIRS = {"content": "x", "shown": SHA, "made_here": False, "size": 1}
EDIT = {"old": "x", "new": "y", "shown": SHA, "size": 1, "becomes": SHA}
ROWS = {
    "files read": Row(tool=_files_tool, arguments=_files("read"), clean=ALLOW),
    "files list": Row(tool=_files_tool, arguments=_files("list"), clean=ALLOW),
    "files search": Row(tool=_files_tool, arguments=_files("search", query="x"), clean=ALLOW),
    "files write new": Row(tool=_files_tool, arguments=_files("write", **NEW), clean=ALLOW),
    "files write ours": Row(tool=_files_tool, arguments=_files("write", **OURS), clean=ALLOW),
    "files overwrite": Row(
        tool=_files_tool, arguments=_files("write", **THEIRS), clean=ASK, tags=DESTRUCTIVE
    ),
    "files edit ours": Row(
        tool=_files_tool, arguments=_files("edit", **EDIT, made_here=True), clean=ALLOW
    ),
    "files edit theirs": Row(
        tool=_files_tool,
        arguments=_files("edit", **EDIT, made_here=False),
        clean=ASK,
        tags=DESTRUCTIVE,
    ),
    "files delete": Row(
        tool=_files_tool,
        arguments=_files("delete", shown=SHA, made_here=True, size=1),
        clean=ASK,
        tags=DESTRUCTIVE,
    ),
    "shell": Row(tool=_shell_tool, arguments={"argv": ["ls"]}, clean=ASK, tags=DESTRUCTIVE),
    "fetch GET, composed": Row(
        tool=FetchTool, arguments={"url": "https://made.example/"}, clean=ALLOW, tainted=ASK
    ),
    "fetch GET, followed": Row(
        tool=FetchTool, arguments={"url": "https://said.example/a"}, clean=ALLOW
    ),
    "fetch POST": Row(
        tool=FetchTool,
        arguments={"url": "https://said.example/a", "method": "POST"},
        clean=ASK,
        tags=OUTWARD,
    ),
    "fetch private": Row(
        tool=FetchTool, arguments={"url": "http://169.254.169.254/"}, clean=DENY, tainted=DENY
    ),
    "web_search cheap": Row(
        tool=lambda: _search(20_000), arguments={"query": "x"}, clean=ALLOW, tags=PAID
    ),
    "web_search dear": Row(
        tool=lambda: _search(20_001), arguments={"query": "x"}, clean=ASK, tags=PAID
    ),
    "web_search unpriced": Row(
        tool=lambda: _search(None), arguments={"query": "x"}, clean=ASK, tags=PAID
    ),
    "web_search free": Row(tool=lambda: _search(0), arguments={"query": "x"}, clean=ALLOW),
    "send_message named": Row(
        tool=_messages, arguments={"to": "team", "text": "x"}, clean=ASK, tags=OUTWARD
    ),
    "send_message raw": Row(
        tool=_messages, arguments={"to": "slack:T1/C9", "text": "x"}, clean=DENY, tags=OUTWARD
    ),
    "memory read": Row(tool=_memory_tool, arguments={"operation": "read"}, clean=ALLOW),
    "memory write": Row(
        tool=_memory_tool, arguments={"operation": "write", "text": "x"}, clean=ALLOW, tainted=ASK
    ),
    "memory forget": Row(
        tool=_memory_tool, arguments={"operation": "forget", "id": 1}, clean=ALLOW, tainted=ASK
    ),
    "ask_user": Row(tool=AskUserTool, arguments={"question": "x"}, clean=ALLOW),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_default_in_a_clean_turn(name: str) -> None:
    """Verdict, tags, and a reason wherever somebody has to read one."""
    row = ROWS[name]
    call = row.tool().prepare(row.arguments)
    assert not isinstance(call, Malformed), call
    judgement = judge(call, Facts(said=SAID), Policy())
    assert (judgement.verdict, judgement.tags) == (row.clean, row.tags)
    assert judgement.verdict is Verdict.ALLOW or judgement.reason


@pytest.mark.parametrize("name", ROWS)
def test_a_default_in_a_tainted_turn(name: str) -> None:
    """The same or stricter, and marked as tainted."""
    row = ROWS[name]
    call = row.tool().prepare(row.arguments)
    assert not isinstance(call, Malformed), call
    judgement = judge(call, Facts(said=SAID, taint=TAINT), Policy())
    assert judgement.verdict is (row.tainted or row.clean)
    assert judgement.tags - OUTWARD == (row.tags | {RiskTag.TAINTED}) - OUTWARD


@pytest.mark.parametrize("name", ROWS)
def test_what_could_not_be_looked_at_asks(name: str) -> None:
    """A failed look is never an allowance."""
    row = ROWS[name]
    call = row.tool().prepare(row.arguments)
    assert not isinstance(call, Malformed), call
    assert judge(call, Facts(said=SAID, inspected=False), Policy()).verdict is not Verdict.ALLOW


TOKEN = "hf_" + "a" * 34
GIVEN_AWAY: dict[Callable[[], Tool], dict[str, Any]] = {
    _shell_tool: {"argv": ["curl", "-H", f"Authorization: Bearer {TOKEN}"]},
    _files_tool: {"operation": "write", "path": "a", "content": TOKEN},
    FetchTool: {"url": "https://a.example/", "method": "POST", "body": TOKEN},
    lambda: _search(0): {"query": f"what is {TOKEN}"},
    _messages: {"to": "team", "text": TOKEN},
    _memory_tool: {"operation": "write", "text": TOKEN},
    AskUserTool: {"question": f"Is it {TOKEN}?"},
}


@pytest.mark.parametrize("tool", GIVEN_AWAY)
def test_no_tool_takes_a_secret_as_such(tool: Callable[[], Tool]) -> None:
    """Nobody is asked about such a call, and the refusal does not repeat it."""
    made = tool()
    name, arguments = made.spec.name, GIVEN_AWAY[tool]
    assert not isinstance(made.prepare(arguments), Malformed)
    call = ToolCall(id="c1", name=name, arguments=json.dumps(arguments), provider_id="p1")
    judged = judge_with({name: made})(call)
    assert judged.prepared is None and judged.refusal is not None
    assert judged.refusal.text.startswith("A secret stands in ")
    assert TOKEN not in judged.refusal.text
