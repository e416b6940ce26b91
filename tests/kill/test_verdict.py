"""The judge of the kill tests: what it takes for good, and what it does not."""

from collections import Counter
from typing import Any

import pytest

from tests.kill.scene import news
from tests.kill.verdict import (
    Aside,
    Cut,
    Ending,
    Whole,
    fit,
    is_placeholder_or_repeat,
    without_asides,
)

ENDING = Ending(texts=(Whole(words="one two three"), Whole(words="four")), calls=2, turns=2)


@pytest.mark.parametrize(
    ("shown", "extra", "left_over"),
    [
        (["one two three", "four"], 0, ()),
        (["one", "two\n\nthree", "four"], 0, ()),
        (["one two three", "one two three", "four"], 1, ("one two three",)),
        (["one", "one two three", "four"], 1, ("one",)),
    ],
)
def test_an_ending_fits(shown: list[str], extra: int, left_over: tuple[str, ...]) -> None:
    """In one message or several, with as many too many as are allowed."""
    found = fit(shown, (ENDING,), extra=extra)
    assert found is not None
    assert Counter(found.extra) == Counter(left_over)


@pytest.mark.parametrize(
    "shown",
    [
        ["four", "one two three"],
        ["one two three"],
        ["one two three", "four", "four"],
        ["one two", "four"],
        [],
    ],
)
def test_an_ending_does_not_fit(shown: list[str]) -> None:
    """Out of order, missing, doubled, cut."""
    assert fit(shown, (ENDING,), extra=0) is None


def test_a_cut_text() -> None:
    """Its beginning and a remark are enough."""
    ending = Ending(texts=(Cut(begins="Once", remark="Stopped by"),), calls=1, turns=1)
    assert fit(["Once upon\nStopped by ann."], (ending,), extra=0) is not None
    assert fit(["Once upon a time."], (ending,), extra=0) is None


def test_asides() -> None:
    """They stand anywhere, once each, more often only if asked for more often."""
    aside = Aside(phrases=("Done.",))
    assert without_asides(["a", "Done.", "b"], (aside,), at_most=1) == (["a", "b"], [])
    assert without_asides(["Done.", "Done."], (aside,), at_most=2)[1] == []
    assert without_asides(["Done.", "Done."], (aside,), at_most=1)[1]
    assert without_asides(["a"], (aside,), at_most=1)[1]
    assert not without_asides(["a"], (Aside(phrases=("x",), needed=False),), at_most=1)[1]


def test_what_a_crash_may_leave() -> None:
    """A placeholder, the beginning of an answer, or a message again; nothing else."""
    whole, card = "This is the whole of a long answer.", "This may have run already."
    for text, states in (
        ("Working on it", [["Working on it"]]),
        ("This is the whole of a l", [[whole], ["This is the whole of a l"]]),
        (whole, [[whole], [whole]]),
        (card, [[card], [card, "It was noted as done."]]),
    ):
        assert is_placeholder_or_repeat(text, states, "Working on it")
    assert not is_placeholder_or_repeat(
        "Something else.", [[whole], ["Something else."]], "Working"
    )


def test_news_of_a_request() -> None:
    """Words since the last answer, those of an unanswered message among them."""
    call: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": [{}]}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "one\n\ntwo"},
        call,
        {"role": "tool", "content": "ran"},
        {"role": "user", "content": "three"},
    ]
    assert news(messages) == (("one", "two", "three"), True)
    assert news(messages[:3]) == (("one", "two"), False)
