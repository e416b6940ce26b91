"""Caps and rates: who finds no room, who is too fast, and how often a chat hears of it."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crowding import (
    ALL_MAX,
    CHAT_A_MINUTE,
    CHAT_MAX,
    PERSON_A_MINUTE,
    SESSION_MAX,
    Coming,
    Crowded,
    Crowding,
)

NOW = 1_760_000_000_000_000
SECOND = 1_000_000
KEY = "telegram:77|telegram:-100200|telegram:1001"


def coming(
    key: str = KEY, person: str = "ann", in_session: int = 0, at_s: float = 0.0, now_s: float = 0.0
) -> Coming:
    """A message that wants to wait."""
    return Coming(
        session_key=key,
        person=person,
        in_session=in_session,
        written_at=NOW + int(at_s * SECOND),
        now=NOW + int(now_s * SECOND),
    )


class Rows:
    """Waiting rows by session, and how often they were counted."""

    def __init__(self) -> None:
        self.by_session: Counter[str] = Counter()
        self.counted = 0

    def count(self) -> Mapping[str, int]:
        """The store's own answer."""
        self.counted += 1
        return dict(self.by_session)

    def enter(self, crowding: Crowding, message: Coming) -> Crowded | None:
        """Store a message as the intake does, and take it back if it is refused."""
        self.by_session[message.session_key] += 1
        found = crowding.enter(message, self.count)
        if found is not None:
            self.by_session[message.session_key] -= 1
        return found


def test_a_person_is_too_fast_at_the_twenty_first() -> None:
    """In one minute of the platform's clock, in any of their chats; a minute later all is well."""
    rows, crowding = Rows(), Crowding()
    for number in range(PERSON_A_MINUTE):
        assert rows.enter(crowding, coming(f"telegram:77|telegram:{number}", at_s=number)) is None
    found = rows.enter(crowding, coming(at_s=20))
    assert found == Crowded(
        reason="rate_user",
        text="I take 20 messages a minute from one person; please send this again in a minute.",
    )
    assert rows.enter(crowding, coming(person="ben", at_s=20)) is None
    assert rows.enter(crowding, coming(at_s=60)) is None


def test_a_chat_is_too_fast_at_the_sixty_first() -> None:
    """Its threads and its people together."""
    rows, crowding = Rows(), Crowding()
    for number in range(CHAT_A_MINUTE):
        key = f"telegram:77|telegram:-100200/{number}"
        assert rows.enter(crowding, coming(key, person=str(number), at_s=number * 0.5)) is None
    found = rows.enter(crowding, coming(person="zoe", at_s=30))
    assert found is not None
    assert found.reason == "rate_chat"


def test_a_backlog_is_no_burst() -> None:
    """What was written over hours and comes in one second was not too fast."""
    rows, crowding = Rows(), Crowding()
    for number in range(SESSION_MAX):
        assert rows.enter(crowding, coming(at_s=number * 60.0)) is None


def test_an_old_message_among_new_ones_is_not_too_fast() -> None:
    """Windows are around the time it was written."""
    rows, crowding = Rows(), Crowding()
    for number in range(PERSON_A_MINUTE):
        rows.enter(crowding, coming(at_s=number))
    assert rows.enter(crowding, coming(at_s=-3_600)) is None


def test_a_session_holds_fifty() -> None:
    """What waits there is counted exactly."""
    found = Crowding().enter(coming(in_session=SESSION_MAX), dict)
    assert found == Crowded(
        reason="queue_full",
        text="I have 50 messages waiting here; please send this again later.",
    )
    assert Crowding().enter(coming(in_session=SESSION_MAX - 1), dict) is None


@pytest.mark.parametrize(
    ("key", "limit", "text"),
    [
        (
            "telegram:77|telegram:-100200/{}",
            CHAT_MAX,
            "I have 200 messages waiting here; please send this again later.",
        ),
        (
            "telegram:77|telegram:{}",
            ALL_MAX,
            "I have too much to do just now; please send this again later.",
        ),
    ],
)
def test_a_chat_and_everything_hold_so_many(key: str, limit: int, text: str) -> None:
    """Exactly so many; and as soon as some have left, others have room."""
    rows, crowding = Rows(), Crowding()
    for number in range(limit):
        message = coming(key.format(number), person=str(number), at_s=number * 2.0)
        assert rows.enter(crowding, message) is None
    last = coming(key.format("x"), person="x", at_s=-1e6, now_s=1)
    assert rows.enter(crowding, last) == Crowded(reason="queue_full", text=text)
    rows.by_session.clear()
    again = coming(key.format("x"), person="x", at_s=-1e6, now_s=2)
    assert rows.enter(crowding, again) is None


def test_the_rows_are_counted_seldom() -> None:
    """Once for ten thousand messages that find room, and four times a second at a limit."""
    rows, crowding = Rows(), Crowding()
    for number in range(9_000):
        key = f"telegram:77|telegram:{number % 1_000}"
        rows.enter(crowding, coming(key, person=str(number), at_s=number * 60.0))
    assert rows.counted == 1
    key = "telegram:77|telegram:-100200/1"
    for number in range(CHAT_MAX + 1_000):
        message = coming(key, person=str(number), at_s=number * 60.0, now_s=5 + number / 1_000)
        rows.enter(crowding, message)
    assert rows.counted <= 1 + 6


def test_what_waited_before_the_start_counts() -> None:
    """The first message after a start makes the store count."""
    rows, crowding = Rows(), Crowding()
    for number in range(CHAT_MAX):
        rows.by_session[f"telegram:77|telegram:-100200/{number}"] = 1
    found = rows.enter(crowding, coming())
    assert found is not None
    assert found.reason == "queue_full"


def test_a_chat_is_told_every_thirty_seconds() -> None:
    """Later refusals keep their reason and have no words; other chats are told by themselves."""
    crowding = Crowding()

    def text(key: str, now_s: float) -> str:
        found = crowding.enter(coming(key, in_session=SESSION_MAX, now_s=now_s), dict)
        assert found is not None
        assert found.reason == "queue_full"
        return found.text

    thread = "telegram:77|telegram:-100200/7"
    assert text(KEY, 0)
    assert not text(KEY, 29.9)
    assert not text(thread, 29.9)
    assert text("telegram:77|telegram:5", 1)
    assert text(thread, 30)
    assert not text(KEY, 31)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 200)), max_size=300))
def test_no_minute_holds_more_than_its_rate(messages: list[tuple[int, int, float]]) -> None:
    """Of what was let in, by person and by chat, in order of time."""
    crowding = Crowding()
    entered: list[tuple[str, str, int]] = []
    for person, chat, at_s in sorted(messages, key=lambda each: each[2]):
        message = coming(f"telegram:77|telegram:{chat}", person=str(person), at_s=at_s)
        if crowding.enter(message, dict) is None:
            entered.append((message.person, message.session_key, message.written_at))
    for who, limit in ((0, PERSON_A_MINUTE), (1, CHAT_A_MINUTE)):
        for each in entered:
            same = [t for t in entered if t[who] == each[who]]
            minute = [t for t in same if each[2] - 60 * SECOND < t[2] <= each[2]]
            assert len(minute) <= limit
