"""Pure: limits in a person's words."""

_NAMES = {
    "turn": "this turn",
    "session": "this session",
    "whole": "/auto",
    "chat_day": "this chat today",
    "user_day": "the requester today",
    "org_month": "everybody this month",
    "background_day": "scheduled jobs today",
    "grant": "the grant",
    "frozen": "spending",
}


def scope_name(scope: str) -> str:
    """Name the scope of a limit."""
    kind = scope.partition(":")[0]
    return _NAMES.get(kind, kind)
