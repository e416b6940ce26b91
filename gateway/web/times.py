"""Times as people read them. Pure."""

from datetime import datetime


def until(at: datetime, now: datetime) -> str:
    """How long it is until then, rounded down, so that nobody counts on time that is not there."""
    left = int((at - now).total_seconds())
    if left <= 0:
        return "any moment"
    if left < 60:
        return "under a minute"
    minutes = left // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"
