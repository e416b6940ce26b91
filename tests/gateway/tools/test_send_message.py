"""The `send_message` tool over a real store: named chats only, one row a call."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ToolError
from agent.tools.base import (
    CallContext,
    EffectClass,
    LocalTool,
    Malformed,
    PreparedCall,
    RiskTag,
    Verdict,
)
from gateway import outgoing
from gateway.store.base import Store
from gateway.store.records import outbox
from gateway.tools.send_message import SendMessageTool
from platforms import blocks
from platforms.content import Post
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import write

NAMED = {"team": "slack:T1/C9", "ops": "telegram:-100200"}
CONNECTED = {"slack": "slack:A1"}
CONTEXT = CallContext(call_id="c1", session="s1", account="telegram:77", chat="telegram:1001")


def tool_for(**destinations: str) -> SendMessageTool:
    return SendMessageTool(
        destinations=destinations or NAMED, account_of=CONNECTED.get, clock=HandClock()
    )


def prepared(tool: SendMessageTool, to: str = "team", text: str = "hello") -> PreparedCall:
    call = tool.prepare({"to": to, "text": text})
    assert isinstance(call, PreparedCall), call
    return call


def test_a_message_asks() -> None:
    """It is outward and asks; the card names the chat behind the name."""
    tool = tool_for()
    assert isinstance(tool, LocalTool)
    call = prepared(tool, " team ")
    assert (call.effect, call.default) == (EffectClass.LOCAL, Verdict.ASK)
    assert call.tags == {RiskTag.OUTWARD}
    assert call.summary == "posts 5 characters to team (slack:T1/C9)"
    assert (call.matters, call.editable) == (("to", "text"), ("text",))


def test_what_is_decided_holds_for_the_chat_behind_the_name() -> None:
    """The chat is one of the arguments, though no field for the model; it stays what it was."""
    call = prepared(tool_for())
    assert call.arguments == {"to": "team", "text": "hello", "chat": "slack:T1/C9"}
    assert tool_for().prepare(call.arguments) == call
    assert "chat" not in tool_for().spec.parameters["properties"]
    elsewhere = tool_for(team="slack:T1/C2")
    again = elsewhere.prepare(call.arguments)
    assert isinstance(again, Malformed) and "another chat" in again.text
    with pytest.raises(ToolError, match="another chat"):
        elsewhere.unit(call, CONTEXT)


@pytest.mark.parametrize(
    "to", ["slack:T1/C9", "telegram:-100200", "-100200", "#general", "@ann", "12345", "web:x"]
)
async def test_raw_chats_are_denied(to: str) -> None:
    """Even the id behind a name is not a name."""
    call = prepared(tool_for(), to)
    assert call.default is Verdict.DENY
    assert "by name only; there are: ops, team" in call.reason
    with pytest.raises(ToolError, match="no destination"):
        tool_for().unit(call, CONTEXT)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'to' is missing"),
        ({"to": "team"}, "'text' is missing"),
        ({"to": "team", "text": " \n"}, "'text' is empty"),
        ({"to": "team", "text": "x" * 2_001}, "at most 2000"),
        ({"to": "teem", "text": "x"}, "no destination 'teem'. There are: ops, team."),
        ({"to": "team", "text": "x", "on": "y"}, "Unknown field 'on'"),
        ({"to": "team", "text": "x", "chat": "slack:T1/C2"}, "'team' is another chat"),
    ],
)
def test_calls_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    """Each answer says what would."""
    refused = tool_for().prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


async def test_a_message_is_stored_with_its_result(store: Store) -> None:
    """One outbox row under the call's own key, handed on for delivery once."""
    tool = tool_for()
    call = prepared(tool, text="**Done**, see <!channel>")
    output = await write(store, tool.unit(call, CONTEXT))
    assert output.text == "The message to team is on its way."
    (row,) = tool.stored("c1")
    assert tool.stored("c1") == ()
    assert await store.read(lambda tx: outbox.waiting(tx, "slack:A1")) == [row]
    assert (row.account, row.chat, row.purpose, row.turn_id) == (
        "slack:A1",
        "slack:T1/C9",
        "send",
        None,
    )
    post = outgoing.operation(row, target=None)
    assert isinstance(post, Post)
    assert "Done" in str(blocks.to_json(post.body))


async def test_the_same_call_again_sends_nothing_more(store: Store) -> None:
    """A call that is run again after a crash finds its row."""
    for _ in range(2):
        tool = tool_for()
        await write(store, tool.unit(prepared(tool), CONTEXT))
    assert len(await store.read(lambda tx: outbox.waiting(tx, "slack:A1"))) == 1
    assert tool.stored("c1") == ()


async def test_a_unit_that_is_taken_back_sends_nothing(store: Store) -> None:
    """If the result can't be stored, the message is not there either."""
    tool = tool_for()
    unit = tool.unit(prepared(tool), CONTEXT)

    def fails(tx: Any) -> None:
        unit(tx)
        raise RuntimeError("the turn has another owner")

    with pytest.raises(RuntimeError):
        await write(store, fails)
    assert await store.read(lambda tx: outbox.waiting(tx, "slack:A1")) == []


@pytest.mark.parametrize(
    ("destinations", "to", "words"),
    [
        ({}, "ops", "telegram is not connected"),
        ({"bad": "slack:T1/C1/x/y/z"}, "bad", "is no chat of slack"),
    ],
)
def test_where_nothing_can_be_sent(destinations: dict[str, str], to: str, words: str) -> None:
    """A platform that is not there and a chat that is none are failures in words."""
    tool = tool_for(**destinations)
    with pytest.raises(ToolError, match=words):
        tool.unit(prepared(tool, to), CONTEXT)


async def test_it_only_runs_as_a_unit() -> None:
    """There is no way around the commit with its result."""
    tool = tool_for()
    with pytest.raises(ToolError):
        await tool.run(prepared(tool), CONTEXT)


ANY = st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(("team", "slack:T1/C9"))


@given(arguments=st.dictionaries(st.sampled_from(("to", "text", "x")), ANY))
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    tool = tool_for()
    call = tool.prepare(arguments)
    if isinstance(call, PreparedCall):
        assert tool.prepare(call.arguments) == call
        assert "\n" not in call.label
    else:
        assert isinstance(call, Malformed)


async def test_a_chat_is_open_to_the_people_it_names(store: Store) -> None:
    """Nobody is asked about a message of anyone else's turn, and it would not be stored either."""
    tool = SendMessageTool(
        destinations=NAMED,
        account_of=CONNECTED.get,
        clock=HandClock(),
        may_write=lambda name, person: (name, person) == ("team", "slack:T1/U1"),
    )
    call = prepared(tool)
    theirs = replace(CONTEXT, requester="slack:T1/U1")
    assert await tool.inspect(call, theirs) == call
    for other in ("slack:T1/U2", ""):
        closed = await tool.inspect(call, replace(CONTEXT, requester=other))
        assert isinstance(closed, Malformed)
        assert closed.text.startswith("team is not open to whoever asked")
        with pytest.raises(ToolError, match="team is not open"):
            tool.unit(call, replace(CONTEXT, requester=other))
    await write(store, tool.unit(call, theirs))
    assert [row.chat for row in tool.stored("c1")] == ["slack:T1/C9"]
