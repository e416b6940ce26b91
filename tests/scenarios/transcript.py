"""What people saw, written down as it happened, for a page of the manual."""

import re
from collections.abc import Iterable, Sequence

from tests.wire.slack.world import Shown

_CODE = re.compile(r"\b(?<=Approval )[2-9A-HJKMNP-Z]{5}\b")
"""The code of a card is drawn anew each time."""

_CLOCK = re.compile(r"\b\d\d:\d\d( UTC)?\b")
_SNOWFLAKE = re.compile(r"\b\d{17,20}\b")
"""An id of Discord holds the time at which it was made."""


class Transcript:
    """Scenes of what people did and what stood before them then."""

    def __init__(self, title: str, about: str) -> None:
        self._lines = [f"# {title}", "", about]

    def scene(self, title: str) -> None:
        """A new heading."""
        self._lines += ["", f"## {title}", ""]

    def does(self, who: str, what: str) -> None:
        """Somebody does something."""
        self._lines.append(f"- **{who}** {what}")

    def sees(self, what: str, text: str = "") -> None:
        """Something stands there, word for word."""
        self._lines.append(f"- {what}" + (":" if text else ""))
        self._lines += [f"  > {line}".rstrip() for line in settled(text).splitlines()]

    def message(self, where: str, shown: Shown) -> None:
        """A message of ours with its buttons."""
        self.sees(where, shown.text)
        self.controls(shown.labels, shown.choices)

    def controls(self, labels: Iterable[str], choices: Sequence[str] = ()) -> None:
        """Buttons, and what folds out beside them."""
        buttons = " ".join(f"`[{settled(label)}]`" for label in labels)
        more = f" `[…]` with {', '.join(choices)}" if choices else ""
        if buttons or more:
            self._lines += ["  >", f"  > {buttons}{more}".rstrip()]

    @property
    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"


def settled(text: str) -> str:
    """A text without what is different each time."""
    return _CLOCK.sub("14:05 UTC", _CODE.sub("K7Q2F", _SNOWFLAKE.sub("1234567890", text)))
