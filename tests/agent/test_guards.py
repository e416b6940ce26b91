"""What shows that a turn goes round in circles, and that nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.arguments import expected_shape, readable_arguments
from agent.effects import Mark
from agent.guards import (
    LOOP_NOTE,
    Halt,
    Nudge,
    Signature,
    calls_left,
    limit_reached,
    look,
    signature,
    streak,
)
from agent.messages import (
    JsonObject,
    Message,
    Note,
    ResultStatus,
    ToolCall,
    ToolResult,
)
from agent.policy import judge_with
from agent.tools.base import Malformed
from tests.agent.scripted import all_tools, assistant, call, user

JUDGE = judge_with(all_tools())
NOTE = Note(text=LOOP_NOTE)


def signed(letters: str) -> tuple[Signature, ...]:
    """A call for each letter, equal for equal letters."""
    return tuple(Signature(tool=letter, arguments="{}", result="r") for letter in letters)


@pytest.mark.parametrize(
    ("letters", "length"),
    [
        ("", None),
        ("A", None),
        ("AA", None),
        ("AAA", 1),
        ("BAAA", 1),
        ("AAAB", None),  # anchored at the tail
        ("ABAB", 2),
        ("XABAB", 2),
        ("ABABC", None),
        ("ABCABC", 3),
        ("ABCDABCD", 4),
        ("ABCDEABCDE", 5),
        ("ABCDEFABCDEF", None),  # longer than any block that is looked for
        ("AABAAB", 3),
        ("ABA", None),
    ],
)
def test_what_is_a_streak(letters: str, length: int | None) -> None:
    """Three equal calls, or a block of two to five that comes twice, up to the last call."""
    found = streak(signed(letters))
    assert (found.length if found else None) == length


@given(block=st.text("ABCDE", min_size=2, max_size=5), times=st.integers(2, 4), cut=st.integers(0))
def test_a_streak_that_goes_on_is_the_same_one(block: str, times: int, cut: int) -> None:
    """Wherever in the block it stands now."""
    if len(set(block)) == 1:
        return
    whole = block * times
    later = whole + block[: cut % len(block)]
    before, now = streak(signed(whole)), streak(signed(later))
    assert before is not None
    if now is not None and now.length == before.length:
        assert now.members == before.members


def called(name: str = "pure", arguments: str = "{}", *, text: str = "ok", **fields: str) -> "Made":
    """A call and what came of it."""
    return (name, arguments, text, ResultStatus(fields.get("status", "done")))


Made = tuple[str, str, str, ResultStatus]


def turn(*steps: Made | list[Made] | Message) -> tuple[Message, ...]:
    """A turn's own messages: each step with its calls and results, and what came between."""
    messages: list[Message] = [user()]
    ident = 0
    for each in steps:
        if not isinstance(each, tuple | list):
            messages.append(each)
            continue
        made = each if isinstance(each, list) else [each]
        calls, results = [], []
        for name, arguments, text, status in made:
            ident += 1
            asked = ToolCall(id=f"c{ident}", name=name, arguments=arguments)
            refusal = JUDGE(asked).refusal
            calls.append(asked)
            results.append(
                refusal or ToolResult(call_id=asked.id, name=name, status=status, text=text)
            )
        messages += [assistant(*calls), *results]
    return tuple(messages)


A, B, C = (called(arguments=f'{{"n": {n}}}') for n in range(3))


def test_the_first_hit_is_a_note_to_the_model() -> None:
    """Three equal calls in a row, or at once."""
    assert look(turn(A, A), JUDGE) is None
    assert look(turn(A, A, A), JUDGE) == Nudge(text=LOOP_NOTE)
    assert look(turn([A, A, A]), JUDGE) == Nudge(text=LOOP_NOTE)
    assert look(turn(A, B, A, B), JUDGE) == Nudge(text=LOOP_NOTE)


def test_the_same_streak_one_step_later_ends_the_turn() -> None:
    """Also where a block of calls goes on in its middle."""
    for own in (turn(A, A, A, NOTE, A), turn(A, B, A, B, NOTE, A), turn([A, B], [A, B], NOTE, A)):
        found = look(own, JUDGE)
        assert isinstance(found, Halt)
        assert found.mark is Mark.LOOP
        assert "pure" in found.why


def test_a_new_streak_counts_afresh() -> None:
    """It gets its own note, and goes on to its own end; after two notes the third hit stops."""
    assert look(turn(A, A, A, NOTE, B), JUDGE) is None
    assert look(turn(A, A, A, NOTE, B, A, A, A), JUDGE) == Nudge(text=LOOP_NOTE)
    assert look(turn(A, A, A, NOTE, [B, B, B]), JUDGE) == Nudge(text=LOOP_NOTE)
    twice = (A, A, A, NOTE, B, C, A, A, A, NOTE, C)
    assert look(turn(*twice), JUDGE) is None
    assert isinstance(look(turn(*twice, [B, B, B]), JUDGE), Halt)


def test_results_that_change_are_no_streak() -> None:
    """Polling is work."""
    assert look(turn(*(called(text=f"{n} % done") for n in range(20))), JUDGE) is None


def test_failures_that_are_the_same_are_one() -> None:
    """A call that fails in the same way three times is as much a streak as one that works."""
    failed = called(text="no such file", status="failed")
    assert look(turn(failed, failed, failed), JUDGE) == Nudge(text=LOOP_NOTE)


def test_new_words_of_people_begin_afresh() -> None:
    """Whoever asks for the same again gets it."""
    assert look(turn(A, A, user("again"), A), JUDGE) is None
    assert look(turn(A, A, A, NOTE, user("again"), A), JUDGE) is None


def test_spelling_makes_no_difference() -> None:
    """The order of keys and blanks are no other call."""
    one = ToolCall(id="a", name="x", arguments='{"a":1, "b":2}')
    two = ToolCall(id="b", name="x", arguments='{ "b": 2,"a": 1}')
    results = [
        ToolResult(call_id=c.id, name="x", status=ResultStatus.DONE, text="r") for c in (one, two)
    ]
    assert signature(one, results[0]) == signature(two, results[1])


BAD, BAD2, BAD3 = (called(arguments=text) for text in ("{", "{ ", "{  "))


def test_two_unusable_calls_of_a_tool_in_a_row_are_a_note() -> None:
    """With advice; a good call of the tool between them, and there is none."""
    found = look(turn(BAD, BAD2), JUDGE)
    assert isinstance(found, Nudge)
    assert "pure" in found.text
    assert "smaller pieces" in found.text
    assert look(turn(BAD, A, BAD2), JUDGE) is None
    assert look(turn(BAD, called("keyed", "{")), JUDGE) is None
    assert isinstance(look(turn(BAD, called("keyed"), BAD2), JUDGE), Nudge)


def test_three_unusable_calls_end_the_turn() -> None:
    """However far apart, at once too; the raw arguments are the operator's to read."""
    for own in (turn(BAD, A, BAD2, B, BAD3), turn([BAD, BAD2, BAD3])):
        found = look(own, JUDGE)
        assert isinstance(found, Halt)
        assert found.mark is Mark.UNUSABLE_CALLS


def test_three_calls_of_tools_that_are_not_there_end_the_turn() -> None:
    """Two are forgiven; what people refused is no such call."""
    wrong = [called(name) for name in ("read", "write", "list")]
    assert look(turn(*wrong[:2]), JUDGE) is None
    found = look(turn(*wrong), JUDGE)
    assert isinstance(found, Halt)
    assert found.mark is Mark.UNUSABLE_CALLS
    refused = [called(arguments=f'{{"n": {n}}}', status="refused") for n in range(5)]
    assert look(turn(*refused), JUDGE) is None


def test_what_a_tool_says_itself_is_no_unusable_call() -> None:
    """A look before the run may find that a file is gone; the arguments were readable."""
    found = [called(arguments=f'{{"n": {n}}}', status="malformed") for n in range(5)]
    assert look(turn(*found), JUDGE) is None


@pytest.mark.parametrize(
    ("steps", "calls", "active_s", "reached"),
    [
        (24, 59, 1799.9, None),
        (25, 0, 0.0, "25 steps"),
        (0, 60, 0.0, "60 tool calls"),
        (0, 0, 1800.0, "30 minutes of work"),
    ],
)
def test_limits(steps: int, calls: int, active_s: float, reached: str | None) -> None:
    """Each is reached by its number and says which it is."""
    assert limit_reached(steps, calls, active_s) == reached


@pytest.mark.parametrize(("made", "left"), [(0, 16), (44, 16), (50, 10), (60, 0), (70, 0)])
def test_calls_of_a_step(made: int, left: int) -> None:
    """16 at once, and never more than the turn has left."""
    assert calls_left(made) == left


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        (r'"{\"a\": 1}"', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": 1}```', {"a": 1}),
        ('""', None),
        ('"{"', None),
        ("```json\n[1]\n```", None),
        ('{"a": 1', None),
        ("{'a': 1}", None),
        ('{"a": 1,}', None),
        ('Here: {"a": 1}', None),
    ],
)
def test_only_what_loses_nothing_is_repaired(text: str, read: JsonObject | None) -> None:
    """A wrapping is taken off; a guess is never made."""
    found = readable_arguments(text)
    assert found == read if read is not None else isinstance(found, Malformed)


def test_a_model_is_told_where_and_what_instead() -> None:
    """The position of the fault, and the shape in one line."""
    found = readable_arguments('{"a": 1,}')
    assert isinstance(found, Malformed)
    assert "column" in found.text
    schema = {
        "properties": {
            "path": {"type": "string"},
            "mode": {"enum": ["r", "w"]},
            "n": {"type": ["integer", "null"]},
        },
        "required": ["path"],
    }
    assert expected_shape(schema) == (
        'Expected: {"path": string (required), "mode": "r" | "w", "n": integer or null}.'
    )
    assert expected_shape({}) == "Expected: one JSON object."
    refusal = JUDGE(call("pure", "{", ident="c1")).refusal
    assert refusal is not None
    assert refusal.text.endswith("Expected: one JSON object.")
