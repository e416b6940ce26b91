"""How often other bots are answered."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.bot_turns import BOT_TURNS, WINDOW, BotTurns

AT = datetime(2026, 1, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_bots_wait_for_a_person() -> None:
    """Nobody wrote, or nobody wrote lately; another chat's people don't count."""
    turns = BotTurns()
    assert not turns.may_speak("a", AT)
    turns.person_wrote("b", AT)
    assert not turns.may_speak("a", AT)
    turns.person_wrote("a", AT)
    assert turns.may_speak("a", AT + WINDOW)
    assert not turns.may_speak("a", AT + WINDOW + SECOND)


def test_three_in_ten_minutes() -> None:
    """However many people write; then the oldest counts no more."""
    turns = BotTurns()
    for number in range(BOT_TURNS):
        turns.person_wrote("a", AT + number * SECOND)
        assert turns.may_speak("a", AT + number * SECOND)
        turns.bot_entered("a", AT + number * SECOND)
    turns.person_wrote("a", AT + WINDOW - SECOND)
    assert not turns.may_speak("a", AT + WINDOW - SECOND)
    assert turns.may_speak("a", AT + WINDOW)


@pytest.mark.parametrize("late", [SECOND, WINDOW])
def test_what_comes_late_takes_no_time_back(late: timedelta) -> None:
    """A message of before that comes behind a newer one leaves the newer one's time."""
    turns = BotTurns()
    turns.person_wrote("a", AT)
    turns.person_wrote("a", AT - late)
    assert turns.may_speak("a", AT + WINDOW)
