"""Which button a typed number means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.buttons import GONE_FOR_S, Chosen, Gone, Numbers
from platforms.content import Button, Menu
from platforms.terminal.wire import MessageShown

APPROVE, DENY, AGAIN = (Button(label=word, payload=word) for word in ("approve", "deny", "again"))


def card(ident: str, *buttons: Button) -> MessageShown:
    """A message with buttons."""
    return MessageShown(message_id=ident, body=(), controls=(buttons,))


def test_no_two_buttons_ever_have_one_number() -> None:
    """A second card goes on counting, and one that changed does not take what it had."""
    numbers = Numbers()
    assert numbers.show(card("a", APPROVE, DENY), now=0) == ((1, APPROVE), (2, DENY))
    assert numbers.show(card("b", APPROVE), now=0) == ((3, APPROVE),)
    assert numbers.show(card("a", AGAIN, DENY), now=1) == ((4, AGAIN), (2, DENY))
    assert numbers.chosen("2", now=1) == Chosen(message_id="a", button=DENY)
    assert numbers.chosen(" 3 ", now=1) == Chosen(message_id="b", button=APPROVE)
    assert numbers.chosen("1", now=1) == Gone(number=1)


def test_the_same_message_once_more_changes_nothing() -> None:
    """After a reconnect it is shown again, under the numbers it had."""
    numbers = Numbers()
    first = numbers.show(card("a", APPROVE, DENY), now=0)
    assert numbers.show(card("a", APPROVE, DENY), now=1) == first


def test_the_options_of_a_menu_are_buttons() -> None:
    """Each has its number."""
    numbers = Numbers()
    shown = MessageShown(
        message_id="a", body=(), controls=((APPROVE,), (Menu(label="More", options=(DENY, AGAIN)),))
    )
    assert numbers.show(shown, now=0) == ((1, APPROVE), (2, DENY), (3, AGAIN))


def test_the_number_of_a_button_that_is_gone_is_no_message_at_first() -> None:
    """While another stands, and for a moment after the last one went; then it is words again."""
    numbers = Numbers()
    numbers.show(card("a", APPROVE, DENY), now=0)
    numbers.show(card("b", AGAIN), now=0)
    numbers.show(MessageShown(message_id="a", body=()), now=5)
    assert numbers.chosen("2", now=5 + GONE_FOR_S) == Gone(number=2)
    numbers.remove("b", now=100)
    assert numbers.chosen("2", now=100 + GONE_FOR_S - 1) == Gone(number=2)
    assert numbers.chosen("3", now=100 + GONE_FOR_S - 1) == Gone(number=3)
    assert numbers.chosen("3", now=100 + GONE_FOR_S) is None


@pytest.mark.parametrize(
    "text", ["4", "0", "-1", "1.", "one", "1 2", "", "/approve K7Q2F", "\u0661"]
)
def test_everything_else_is_words(text: str) -> None:
    """Numbers nobody was shown, other digits, commands."""
    numbers = Numbers()
    numbers.show(card("a", APPROVE, DENY, AGAIN), now=0)
    assert numbers.chosen(text, now=0) is None


def test_a_very_long_number_is_words() -> None:
    """However many digits."""
    assert Numbers().chosen("1" * 10_000, now=0) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from("uvwxyz"), max_size=4)),
        max_size=12,
    )
)
def test_a_number_means_one_button_for_ever(changes: list[tuple[str, set[str]]]) -> None:
    """Whatever cards come, change and go, a number that was shown is that button or nothing."""
    numbers, meant = Numbers(), dict[int, tuple[str, str]]()
    for ident, payloads in changes:
        buttons = [Button(label=p, payload=p) for p in sorted(payloads)]
        for number, button in numbers.show(card(ident, *buttons), now=0):
            assert meant.setdefault(number, (ident, button.payload)) == (ident, button.payload)
        for number, (at, payload) in meant.items():
            match numbers.chosen(str(number), now=0):
                case Chosen(message_id=message_id, button=button):
                    assert (message_id, button.payload) == (at, payload)
                case other:
                    assert other == Gone(number=number)
