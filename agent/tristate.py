"""Pure: yes, no, or nobody knows, and what follows from several of them."""

from collections.abc import Iterable

Known = bool | None
"""None is neither yes nor no."""


def all_of(answers: Iterable[Known]) -> Known:
    """No if one is no; else unknown if one is unknown; else yes, also of nothing."""
    found: Known = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            found = None
    return found


def any_of(answers: Iterable[Known]) -> Known:
    """Yes if one is yes; else unknown if one is unknown; else no, also of nothing."""
    found: Known = False
    for answer in answers:
        if answer:
            return True
        if answer is None:
            found = None
    return found
