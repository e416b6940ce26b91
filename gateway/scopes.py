"""Pure: limits in a person's words."""

from collections.abc import Mapping

from gateway.words import card
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

_BUDGETS: Mapping[str, Phrase] = {
    "turn": card.OF_TURN,
    "session": card.OF_SESSION,
    "whole": card.OF_AUTO,
    "chat_day": card.OF_CHAT_DAY,
    "user_day": card.OF_USER_DAY,
    "org_month": card.OF_MONTH,
    "background_day": card.OF_JOBS,
    "grant": card.OF_GRANT,
}


def budget_name(scope: str, reader: Reader = ENGLISH) -> str:
    """The same beside the word budget."""
    kind = scope.partition(":")[0]
    return _BUDGETS[kind].to(reader) if kind in _BUDGETS else kind


def scope_line(scope: str) -> Told:
    """The name of a scope, to be said later."""
    kind = scope.partition(":")[0]
    return _NAMES[kind].of() if kind in _NAMES else kind


def scope_name(scope: str, reader: Reader = ENGLISH) -> str:
    """Name the scope of a limit."""
    return spoken(scope_line(scope), reader)
