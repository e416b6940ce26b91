"""Transcript messages as rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from gateway.store.base import Store
from gateway.store.records import transcript
from tests.gateway.records.rows import NOW, arrival, opened, write

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ORIGINS = st.builds(Origin, provider=WORDS, endpoint=WORDS, model=WORDS)
PARTS = st.one_of(
    st.builds(Text, text=WORDS),
    st.builds(ToolCall, id=WORDS, name=WORDS, arguments=WORDS, provider_id=WORDS),
    st.builds(ProviderPart, origin=ORIGINS, shape=WORDS, payload=st.binary(max_size=20)),
)
MESSAGES = st.one_of(
    st.builds(UserMessage, text=WORDS, author=WORDS),
    st.builds(Note, text=WORDS),
    st.builds(PartialReply, text=WORDS),
    st.builds(
        ToolResult,
        call_id=WORDS,
        name=WORDS,
        status=st.sampled_from(list(ResultStatus)),
        text=WORDS,
    ),
    st.builds(AssistantMessage, parts=st.lists(PARTS, max_size=4).map(tuple), origin=ORIGINS),
)


@given(message=MESSAGES)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    """Every message and part, byte for byte."""
    assert transcript.parse(transcript.dump(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        '{"is": "someday"}',
        '{"text": "x"}',
        '{"is": "assistant", "parts": [{"is": "someday"}], "origin": {}}',
        "not json",
    ],
)
def test_what_this_release_does_not_know_is_refused(text: str) -> None:
    """A row of a later release is not half understood."""
    with pytest.raises((ValueError, TypeError)):
        transcript.parse(text)


async def test_messages_are_numbered_on_in_their_session(store: Store) -> None:
    """Appending twice goes on where the last one ended; nothing appended changes nothing."""
    turn = await opened(store, arrival(1))
    more: tuple[Message, ...] = (Note(text="a"), Note(text="b"))
    for messages in (more, (), more):
        await write(
            store,
            lambda tx, given=messages: transcript.append(  # type: ignore[misc]
                tx, session_id=turn.session_id, turn_id=turn.turn_id, messages=given, now=NOW
            ),
        )
    rows = await store.read(lambda tx: tx.rows("SELECT sequence FROM message ORDER BY sequence"))
    assert rows == [(1,), (2,), (3,), (4,), (5,)]
    loaded = await store.read(lambda tx: transcript.load(tx, turn.session_id))
    assert [owner for owner, _ in loaded] == [turn.turn_id] * 5


async def test_a_session_nobody_has_takes_no_messages(store: Store) -> None:
    """Nothing is written into the air."""
    with pytest.raises(LookupError, match="no session 9"):
        await write(
            store,
            lambda tx: transcript.append(
                tx, session_id=9, turn_id=1, messages=(Note(text="a"),), now=NOW
            ),
        )
