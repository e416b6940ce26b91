"""The `memory` tool over a real store: notes per chat, stored with their result."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ToolError
from agent.tools.base import CallContext, EffectClass, LocalTool, Malformed, PreparedCall, Verdict
from gateway.store.base import Store
from gateway.tools.memory import NOTES_MAX, MemoryTool, place_of
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import write


@pytest.fixture
def tool(clock: HandClock) -> MemoryTool:
    return MemoryTool(clock)


def context(chat: str = "telegram:1001", person: str = "telegram:1001") -> CallContext:
    account = "slack:A1" if chat.startswith("slack") else "telegram:77"
    return CallContext(
        call_id="c1", session=f"{account}|{chat}", account=account, chat=chat, requester=person
    )


def prepared(tool: MemoryTool, operation: str, **arguments: Any) -> PreparedCall:
    call = tool.prepare({"operation": operation, **arguments})
    assert isinstance(call, PreparedCall), call
    return call


async def use(
    store: Store, tool: MemoryTool, operation: str, where: CallContext | None = None, **fields: Any
) -> str:
    """The result of a call, committed as the gateway commits it."""
    call = prepared(tool, operation, **fields)
    return (await write(store, tool.unit(call, where or context()))).text


@pytest.mark.parametrize(
    ("operation", "fields", "tainted", "taints"),
    [
        ("read", {}, None, "memory"),
        ("write", {"text": "x"}, Verdict.ASK, ""),
        ("forget", {"id": 1}, Verdict.ASK, ""),
    ],
)
def test_defaults(
    tool: MemoryTool, operation: str, fields: dict[str, Any], tainted: Verdict | None, taints: str
) -> None:
    """All of it is local and allowed; what changes notes asks in a tainted turn."""
    assert isinstance(tool, LocalTool)
    call = prepared(tool, operation, **fields)
    assert (call.effect, call.default, call.tags) == (
        EffectClass.LOCAL,
        Verdict.ALLOW,
        frozenset(),
    )
    assert (call.when_tainted, call.taints) == (tainted, taints)


async def test_notes_are_kept(store: Store, tool: MemoryTool) -> None:
    """Written, read with their numbers, found by words, forgotten."""
    assert await use(store, tool, "read") == "(no notes)"
    assert await use(store, tool, "write", text="Likes  Tea\n") == "Kept as note 1."
    assert await use(store, tool, "write", text="Works in Bern") == "Kept as note 2."
    assert await use(store, tool, "write", text="Likes Tea") == "Note 1 says this already."
    assert (await use(store, tool, "read")).splitlines() == [
        "1. Likes Tea (2025-10-09, telegram:1001)",
        "2. Works in Bern (2025-10-09, telegram:1001)",
    ]
    assert (await use(store, tool, "read", query="tea")).startswith("1. Likes Tea")
    assert await use(store, tool, "forget", id=1) == "Note 1 is forgotten."
    assert (await use(store, tool, "read")).startswith("2. ")


async def test_chats_are_apart_and_threads_are_not(store: Store, tool: MemoryTool) -> None:
    """Nobody reads or forgets another chat's notes; a thread has those of its chat."""
    here, thread = context("slack:T1/C1"), context("slack:T1/C1/17.5")
    other = context("slack:T1/C2")
    await use(store, tool, "write", here, text="ours")
    assert "ours" in await use(store, tool, "read", thread)
    assert await use(store, tool, "read", other) == "(no notes)"
    with pytest.raises(ToolError, match="no note 1 here"):
        await use(store, tool, "forget", other, id=1)
    assert "ours" in await use(store, tool, "read", here)


def test_a_place_needs_a_chat() -> None:
    """A call from nowhere keeps nothing."""
    assert place_of(context("telegram:-100/7")) == "telegram:77|telegram:-100"
    with pytest.raises(ToolError):
        place_of(CallContext(call_id="c1", session="s1"))


async def test_notes_are_bounded(store: Store, tool: MemoryTool) -> None:
    """So many notes and no more; a reading shows the newest that fit."""
    for number in range(NOTES_MAX):
        await use(store, tool, "write", text=f"{number} " + "x" * 200)
    with pytest.raises(ToolError, match="Forget some first"):
        await use(store, tool, "write", text="one more")
    text = await use(store, tool, "read")
    assert len(text.encode()) < 16 * 1024 + 60
    lines = text.splitlines()
    assert lines[-1].startswith(f"{NOTES_MAX}. ")
    assert lines[0] == f"[{NOTES_MAX - len(lines) + 1} older ones; read with a query]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "one of read, write, forget"),
        ({"operation": "write"}, "'text' is missing"),
        ({"operation": "write", "text": " "}, "'text' is empty"),
        ({"operation": "write", "text": "x" * 1_001}, "at most 1000"),
        ({"operation": "forget", "id": 0}, "at least 1"),
        ({"operation": "read", "id": 1}, "Unknown field 'id'"),
    ],
)
def test_calls_that_do_not_fit(tool: MemoryTool, arguments: dict[str, Any], words: str) -> None:
    """Each answer says what would."""
    refused = tool.prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


async def test_it_only_runs_as_a_unit(tool: MemoryTool) -> None:
    """There is no way around the commit with its result."""
    with pytest.raises(ToolError):
        await tool.run(prepared(tool, "read"), context())


ANY = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@given(
    arguments=st.dictionaries(
        st.sampled_from(("operation", "text", "query", "id", "x")),
        ANY | st.sampled_from(("read", " WRITE ", "forget")),
    )
)
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    made = MemoryTool(HandClock())
    call = made.prepare(arguments)
    if isinstance(call, PreparedCall):
        assert made.prepare(call.arguments) == call
        assert "\n" not in call.label
    else:
        assert isinstance(call, Malformed)
