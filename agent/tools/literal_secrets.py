"""Pure: whether arguments hold a secret as such, instead of the name of one.

A secret in arguments would stand on a card, in a log of some provider and in the transcript, so
such a call is refused before anybody is asked.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

SHORTEST = 8
"""Configured values shorter than this are not looked for: they would turn up in ordinary text."""

_SHAPES: Final = re.compile(
    r"\bhf_[A-Za-z0-9]{30,}\b"  # Hugging Face; the others: GitHub's list of supported patterns
    r"|\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,}\b"
    r"|\bgithub_pat_[A-Za-z0-9_]{60,}"
    r"|\bglpat-[A-Za-z0-9_-]{20,}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\bxapp-[A-Za-z0-9-]{20,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bAIza[A-Za-z0-9_-]{35}"
    r"|\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
)

Holds = Callable[[str], bool]
"""Whether a text holds one of the configured secrets."""


def holds_none(text: str) -> bool:
    """The check where no values are configured."""
    return False


def holds_one_of(values: frozenset[str]) -> Holds:
    """Make the check for configured values."""
    long_enough = tuple(value for value in values if len(value) >= SHORTEST)
    return lambda text: any(value in text for value in long_enough)


def literal_secret(value: object, *, holds: Holds) -> str | None:
    """Return where a secret stands (`env.TOKEN`), None if there is none; never the secret."""
    for place, text in _texts(value, ""):
        if _SHAPES.search(text) or holds(text):
            return place or "the arguments"
    return None


def secret_text(place: str) -> str:
    """Say that a secret stands somewhere in the arguments, and not which."""
    return f"A secret stands in {place}; it must not be given in a call."


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield place, str(key)  # a secret as a name: its place is where the name stands
            yield from _texts(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, place)
