"""Cache marks: where they stand, and that each request finds what the one before left."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import (
    Message,
    Text,
)
from agent.providers.anthropic_messages.cache_marks import MARKS, STEP, cache_marks
from agent.providers.base import ToolSpec
from tests.agent.providers.anthropic_transcripts import (
    FILES,
    THINKING,
    body_of,
    call,
    encoder,
    reply,
    result,
    thought,
    user,
)
from tests.wire.anthropic.caches import PromptCache


@pytest.mark.parametrize(
    ("blocks", "before", "room", "expected"),
    [
        (0, None, 2, ()),
        (1, None, 2, (0,)),
        (5, None, 1, (4,)),
        (5, 2, 2, (2, 4)),
        (20, 1, 2, (1, 19)),
        (21, 1, 2, (19, 20)),
        (38, 1, 2, (19, 37)),
        (39, 1, 2, (1, 38)),
        (39, 1, 3, (19, 37, 38)),
        (60, 1, 3, (1, 55, 59)),
        (60, 1, 4, (19, 37, 55, 59)),
        (39, 1, 1, (38,)),
        (5, 2, 0, ()),
    ],
)
def test_where_marks_stand(
    blocks: int, before: int | None, room: int, expected: tuple[int, ...]
) -> None:
    """The newest, the last mark before it, and one more after every 18 blocks, as room allows."""
    assert cache_marks([True] * blocks, before, room=room) == expected


def test_marks_avoid_what_takes_none() -> None:
    """A mark that would stand on a thought stands before it."""
    markable = [True, True, False, False, True, False]
    assert cache_marks(markable, 3, room=2) == (1, 4)
    assert cache_marks([False, False], 1, room=2) == ()


def test_marks_live_as_long_as_configured() -> None:
    """All marks of a request live equally long."""
    body = body_of(user("a"), coder=encoder(cache_ttl="1h"), system="s", tools=(FILES,))
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert body["tools"][0]["cache_control"] == body["system"][0]["cache_control"] == hour
    assert body["messages"][0]["content"][0]["cache_control"] == hour


def marked(body: Any) -> list[int]:
    """The places of the marks among all blocks of the messages."""
    blocks = [block for message in body["messages"] for block in message["content"]]
    return [at for at, block in enumerate(blocks) if "cache_control" in block]


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=6))
def test_each_request_finds_what_the_one_before_left(steps: list[tuple[int, bool]]) -> None:
    """However many calls a step makes, the whole request before it is read from the cache."""
    messages: list[Message] = [user("a")]
    cache, coder = PromptCache(), encoder()
    known = 0
    for number, (calls, thinks) in enumerate([*steps, (0, False)]):
        body = body_of(
            *messages,
            coder=coder,
            system="s",
            tools=(FILES,),
            adjustments=THINKING,
            session="s",
        )
        looked = cache.look(body)
        assert looked.known_blocks >= known
        marks = marked(body)
        known = marks[-1] + 1
        assert len(marks) <= 2
        assert len(marks) < 2 or marks[1] - marks[0] <= STEP or looked.known_blocks == marks[0] + 1
        made = [call(f"c{number}_{n}") for n in range(calls)]
        messages.append(reply(*[thought()] * thinks, Text(text="look"), *made))
        messages.extend(result(each.id) for each in made)


@pytest.mark.parametrize(("system", "messages"), [("s", 2), ("", 3)])
@pytest.mark.parametrize("tools", [(FILES,), ()], ids=["tools", "tools of the past"])
def test_four_marks_at_most(system: str, tools: tuple[ToolSpec, ...], messages: int) -> None:
    """A long step gets what the system prompt and the tools leave of the four."""
    made = [call(f"c{number}") for number in range(40)]
    step = (user("a"), reply(Text(text="look"), *made), *(result(each.id) for each in made))
    body = body_of(*step, system=system, tools=tools)
    assert len(marked(body)) == messages
    assert str(body).count("cache_control") == MARKS
