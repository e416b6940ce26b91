"""What a reply leads to that is not simply the answer."""

from dataclasses import replace

import pytest

from agent.messages import AssistantMessage, Note, Part, PartialReply, ProviderPart, Text, ToolCall
from agent.providers.base import Stop
from agent.replies import (
    CONTINUE,
    Accept,
    Again,
    Blocked,
    CutShort,
    Growing,
    Judged,
    WindowFull,
    joined,
    judge_reply,
    raised,
    seam,
)
from tests.agent.scripted import ORIGIN, user

CALL = ToolCall(id="", name="write", arguments='{"path": "a"')


def said(*parts: Part) -> AssistantMessage:
    return AssistantMessage(parts=parts, origin=ORIGIN)


def judged(
    message: AssistantMessage,
    stop: Stop,
    growing: Growing | None = None,
    *,
    cap: int | None = 4_096,
    most: int | None = None,
) -> Judged:
    return judge_reply(message, stop, growing or Growing(), cap=cap, most=most)


def again(found: Judged) -> Again:
    assert isinstance(found, Again)
    return found


def test_a_complete_reply_is_taken_as_it_is() -> None:
    """With and without calls."""
    for stop in (Stop.DONE, Stop.TOOL_CALLS):
        message = said(Text(text="Hi."), CALL)
        assert judged(message, stop) == Accept(message=message)


def test_a_filter_and_a_full_window_are_failures() -> None:
    """Whatever was said before does not count."""
    assert judged(said(Text(text="Bad")), Stop.FILTERED) == Blocked()
    assert judged(said(Text(text="Long")), Stop.WINDOW_FULL) == WindowFull()


def test_a_cut_text_is_continued_three_times_with_a_growing_cap() -> None:
    """4,096 doubled each time up to 32,768, then it is delivered as it is."""
    growing, caps = Growing(), []
    for part in ("One ", "two ", "three "):
        found = again(judged(said(Text(text=part)), Stop.LENGTH, growing))
        growing = found.growing
        caps.append(found.cap)
    assert caps == [8_192, 16_384, 32_768]
    assert growing.said == "One two three "
    last = judged(said(Text(text="four")), Stop.LENGTH, growing)
    assert last == CutShort(message=said(Text(text="One two three four")))


def test_a_continuation_is_given_what_was_said_and_a_note() -> None:
    """The note is ours, and for that call alone."""
    found = again(judged(said(Text(text="One ")), Stop.LENGTH))
    messages = found.growing.messages((user("hi"),), None)
    assert messages == (user("hi"), PartialReply(text="One "), CONTINUE)


def test_the_cap_stays_within_the_entrys_own_limit() -> None:
    """An operator's limit is never passed."""
    assert again(judged(said(Text(text="a")), Stop.LENGTH, most=6_000)).cap == 6_000


def test_the_parts_of_a_continued_reply_are_one_text() -> None:
    """And the calls of its last part are run."""
    growing = Growing(kept=(Text(text="I will look at the "),), continuations=1)
    whole = judged(said(Text(text="at the file."), CALL), Stop.TOOL_CALLS, growing)
    assert whole == Accept(message=said(Text(text="I will look at the file."), CALL))


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("abc", "def", "abcdef"),
        ("the quick brown", "quick brown fox", "the quick brown fox"),
        ("moon", "no", "moonno"),
        ("x" * 300, "x" * 250 + "y", "x" * 350 + "y"),
        ("", "a", "a"),
        ("a", "", "a"),
    ],
)
def test_what_stands_on_both_sides_of_a_seam_is_said_once(
    before: str, after: str, whole: str
) -> None:
    """Up to 200 characters; one or two in common are chance."""
    assert seam(before, after) == whole


def test_lost_calls_are_asked_for_with_twice_the_room_then_in_smaller_pieces() -> None:
    """They never run, complete-looking or not; then the reply stays incomplete."""
    lost = said(Text(text="I will write."), replace(CALL, arguments='{"path": "a"}'))
    first = again(judged(lost, Stop.LENGTH))
    assert (first.cap, first.rewind, first.growing.notes) == (8_192, True, ())
    second = again(judged(lost, Stop.LENGTH, first.growing, cap=first.cap))
    assert second.rewind
    (note,) = second.growing.notes
    assert isinstance(note, Note)
    assert "write" in note.text
    third = judged(lost, Stop.LENGTH, second.growing, cap=second.cap)
    assert third == CutShort(message=said(Text(text="I will write.")), lost_calls=True)


def test_where_the_cap_cannot_grow_lost_calls_are_asked_for_in_smaller_pieces() -> None:
    """A repair that changes nothing is not tried."""
    found = again(judged(said(CALL), Stop.LENGTH, cap=4_096, most=4_096))
    assert found.growing.notes


def test_only_thinking_is_tried_once_more_with_less() -> None:
    """Then nothing was said."""
    first = again(judged(said(), Stop.LENGTH))
    assert first.less
    assert judged(said(), Stop.LENGTH, first.growing) == CutShort(message=said())


def test_a_pause_is_sent_back_as_it_stands_three_times() -> None:
    """With every part in its place; then what was said is the reply."""
    growing, parts = Growing(), []
    for word in ("a", "b", "c"):
        message = said(Text(text=word))
        parts.append(Text(text=word))
        growing = again(judged(message, Stop.PAUSED, growing)).growing
        assert growing.messages((user("hi"),), message) == (user("hi"), said(*parts))
    done = judged(said(Text(text="d")), Stop.PAUSED, growing)
    assert done == Accept(message=said(*parts, Text(text="d")))


def test_a_pause_and_a_cut_keep_what_was_said_in_order() -> None:
    """Whichever comes first; what only the provider reads goes once the reply is continued."""
    own = ProviderPart(origin=ORIGIN, shape="search", payload=b"{}")
    paused = again(judged(said(Text(text="Searched. "), own), Stop.PAUSED)).growing
    cut = again(judged(said(Text(text="Part one ")), Stop.LENGTH, paused)).growing
    assert cut.messages((), said()) == (PartialReply(text="Searched. Part one "), CONTINUE)
    whole = judged(said(Text(text="two.")), Stop.DONE, cut)
    assert isinstance(whole, Accept)
    assert whole.message.text == "Searched. Part one two."
    assert own not in whole.message.parts

    cut = again(judged(said(Text(text="Part one ")), Stop.LENGTH)).growing
    paused = again(judged(said(Text(text="searched. ")), Stop.PAUSED, cut)).growing
    assert paused.said == "Part one searched. "
    whole = judged(said(Text(text="Done.")), Stop.DONE, paused)
    assert isinstance(whole, Accept)
    assert whole.message.text == "Part one searched. Done."


def test_lost_calls_of_a_continuation_are_still_a_continuation() -> None:
    """The next call is told to go on, and what was lost."""
    cut = again(judged(said(Text(text="One ")), Stop.LENGTH)).growing
    first = again(judged(said(CALL), Stop.LENGTH, cut)).growing
    assert first.notes == (CONTINUE,)
    second = again(judged(said(CALL), Stop.LENGTH, first)).growing
    assert second.notes[0] == CONTINUE
    assert len(second.notes) == 2


def test_a_reply_without_a_past_is_itself() -> None:
    """Parts only its provider understands stay in it."""
    message = said(Text(text="a"))
    assert joined(message, Growing()) is message


@pytest.mark.parametrize(
    ("cap", "most", "found"),
    [(1_000, None, 4_096), (8_192, None, 16_384), (32_768, None, None), (None, None, 32_768)],
)
def test_the_cap_doubles_within_bounds(
    cap: int | None, most: int | None, found: int | None
) -> None:
    """From 4,096 to 32,768."""
    assert raised(cap, most=most) == found
