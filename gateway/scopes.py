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

_BUDGETS = {
    "turn": "turn's",
    "session": "session's",
    "whole": "/auto",
    "chat_day": "chat's daily",
    "user_day": "requester's daily",
    "org_month": "monthly",
    "background_day": "scheduled jobs' daily",
    "grant": "grant's",
}


def budget_name(scope: str) -> str:
    """The same before the word budget."""
    kind = scope.partition(":")[0]
    return _BUDGETS.get(kind, kind)


def scope_name(scope: str) -> str:
    """Name the scope of a limit."""
    kind = scope.partition(":")[0]
    return _NAMES.get(kind, kind)
