"""Pure: limits in a person's words."""

from collections.abc import Mapping

from gateway.words import desk as said
from gateway.words.phrase import ENGLISH, Phrase, Reader, Told, spoken

_NAMES: Mapping[str, Phrase] = {
    "turn": said.THIS_TURN,
    "session": said.THIS_SESSION,
    "whole": said.WHOLE,
    "chat_day": said.CHAT_TODAY,
    "user_day": said.REQUESTER_TODAY,
    "org_month": said.MONTH,
    "background_day": said.JOBS_TODAY,
    "grant": said.GRANT,
    "frozen": said.SPENDING,
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


def scope_line(scope: str) -> Told:
    """The name of a scope, to be said later."""
    kind = scope.partition(":")[0]
    return _NAMES[kind].of() if kind in _NAMES else kind


def scope_name(scope: str, reader: Reader = ENGLISH) -> str:
    """Name the scope of a limit."""
    return spoken(scope_line(scope), reader)
