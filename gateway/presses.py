"""Pure: the press or native command behind a stored event, as long as it can be answered."""

from datetime import UTC, datetime

from gateway.store.records.inbox import Content
from platforms.events import PressToken


def press_of(content: Content, *, now: int) -> PressToken | None:
    """The token by which the presser is answered; None if there is none (any more)."""
    if not content.press_kind or content.press_until < now:
        return None
    return PressToken(
        kind=content.press_kind,
        value=content.press_value,
        usable_until=datetime.fromtimestamp(content.press_until / 1_000_000, tz=UTC),
    )
