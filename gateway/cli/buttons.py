"""Numbers for buttons: a typed one means what stood there when it was read, or nothing.

Theory of operation. Each button that is shown takes the next number, and no other button ever has
it. So a card that comes or changes while somebody types can't put another decision under their
number. A button keeps its number while it stands; the number of one that is gone presses nothing.
Such a number is still no message while any button stands or has only just gone: it was meant for
a button, and sent as words it would withdraw what waits for a decision. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from platforms.content import Button
from platforms.terminal.wire import MessageShown, unfolded

GONE_FOR_S = 10.0
"""So long after the last button went, its number is still meant for it."""

_DIGITS_MAX = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A button that stands."""

    message_id: str
    button: Button


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The number of a button that stands no more."""

    number: int


class Numbers:
    """The numbers of one terminal."""

    def __init__(self) -> None:
        self._next = 1
        self._standing: dict[int, Chosen] = {}
        self._went_at = float("-inf")

    def show(self, shown: MessageShown, *, now: float) -> tuple[tuple[int, Button], ...]:
        """Number the buttons of a message as it stands now."""
        earlier = {
            chosen.button.payload: number
            for number, chosen in self._standing.items()
            if chosen.message_id == shown.message_id
        }
        numbered: dict[int, Button] = {}
        for row in shown.controls:
            for button in unfolded(row):
                number = earlier.pop(button.payload, None)
                if number is None:
                    number = self._next
                    self._next += 1
                numbered[number] = button
                self._standing[number] = Chosen(message_id=shown.message_id, button=button)
        self._drop(earlier.values(), now)
        return tuple(numbered.items())

    def remove(self, message_id: str, *, now: float) -> None:
        """A message is gone with its buttons."""
        numbers = [n for n, chosen in self._standing.items() if chosen.message_id == message_id]
        self._drop(numbers, now)

    def chosen(self, text: str, *, now: float) -> Chosen | Gone | None:
        """What was meant by typed words; None if they are a message."""
        digits = text.strip()
        if not digits.isascii() or not digits.isdecimal() or len(digits) > _DIGITS_MAX:
            return None
        number = int(digits)
        if number in self._standing:
            return self._standing[number]
        meant = bool(self._standing) or now - self._went_at < GONE_FOR_S
        return Gone(number=number) if meant and 1 <= number < self._next else None

    def _drop(self, numbers: Iterable[int], now: float) -> None:
        for number in tuple(numbers):
            del self._standing[number]
            self._went_at = now
