"""Pure: what a rule may say about one argument of a call.

`eq in prefix glob min max absent host_in argv_prefix`, and no regular expressions: a pattern that
nobody can read at a glance is a hole nobody sees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from agent.tristate import Known, all_of, any_of


class PredicateKind(Enum):
    """The words a rule may use, as configuration writes them."""

    EQ = "eq"
    IN = "in"
    PREFIX = "prefix"
    GLOB = "glob"
    MIN = "min"
    MAX = "max"
    ABSENT = "absent"
    HOST_IN = "host_in"
    ARGV_PREFIX = "argv_prefix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """One condition: a tuple for IN, HOST_IN and ARGV_PREFIX, a number for MIN and MAX."""

    kind: PredicateKind
    value: Any


_PATH_WORDS = frozenset({"path", "paths", "cwd", "folder", "directory"})


def is_path(name: str) -> bool:
    """Whether an argument of that name is a path: then prefix and glob go by its segments."""
    return not _PATH_WORDS.isdisjoint(name.split("_"))


def fits(predicate: Predicate, name: str, value: object, *, whole: bool, looked: bool) -> Known:
    """Whether an argument meets a condition; `value` None is a missing one.

    A missing argument meets only ABSENT, and if nobody has `looked` it may still be there. Of a
    list (or the names of a table) every item must fit if `whole`, else one is enough. None also
    where the value is not of the kind the condition is about.
    """
    if value is None and not looked:
        return None
    match predicate.kind:
        case PredicateKind.ABSENT:
            return (value is None) is bool(predicate.value)
        case _ if value is None:
            return False
        case PredicateKind.EQ:
            return _same(value, predicate.value)
        case PredicateKind.ARGV_PREFIX:
            return _begins(value, predicate.value)
    test = _TESTS[predicate.kind]
    path = is_path(name)
    if isinstance(value, Mapping | list | tuple):
        return (all_of if whole else any_of)(test(item, predicate.value, path) for item in value)
    return test(value, predicate.value, path)


def _same(value: object, wanted: object) -> bool:
    """Equal and of the same kind: 1 is neither true nor "1"."""
    if isinstance(value, list | tuple) and isinstance(wanted, list | tuple):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    one, other = _number(value), _number(wanted)
    return value == wanted if one is None or other is None else one == other


def _begins(value: object, tokens: tuple[str, ...]) -> Known:
    return tuple(value[: len(tokens)]) == tokens if isinstance(value, list | tuple) else None


def _is_in(value: object, wanted: tuple[object, ...], path: bool) -> Known:
    return any(_same(value, item) for item in wanted)


def _has_prefix(value: object, prefix: str, path: bool) -> Known:
    if not isinstance(value, str):
        return None
    if not path:
        return value.startswith(prefix)
    have, want = segments(value), segments(prefix)
    return None if have is None or want is None else have[: len(want)] == want


def _fits_glob(value: object, pattern: str, path: bool) -> Known:
    if not isinstance(value, str):
        return None
    if not path:
        return fnmatchcase(value, pattern)
    have, want = segments(value), segments(pattern)
    return None if have is None or want is None else _walks(have, want)


def _at_least(value: object, bound: int | Decimal, path: bool) -> Known:
    number = _number(value)
    return None if number is None else number >= bound


def _at_most(value: object, bound: int | Decimal, path: bool) -> Known:
    number = _number(value)
    return None if number is None else number <= bound


def _number(value: object) -> int | Decimal | None:
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return value if isinstance(value, int) or value.is_finite() else None


def _has_host(value: object, hosts: tuple[str, ...], path: bool) -> Known:
    host = host_of(value) if isinstance(value, str) else None
    if host is None:
        return None
    return any(
        host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted for wanted in hosts
    )


_TESTS: Mapping[PredicateKind, Callable[[object, Any, bool], Known]] = {
    PredicateKind.IN: _is_in,
    PredicateKind.PREFIX: _has_prefix,
    PredicateKind.GLOB: _fits_glob,
    PredicateKind.MIN: _at_least,
    PredicateKind.MAX: _at_most,
    PredicateKind.HOST_IN: _has_host,
}


def segments(path: str) -> tuple[str, ...] | None:
    """A path's parts with `.` and `..` resolved; None if it climbs above where it began."""
    parts: list[str] = ["/"] if path.startswith("/") else []
    floor = len(parts)
    for part in path.split("/"):
        if part == "..":
            if len(parts) == floor:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


def _walks(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Match segment by segment; `**` stands for any number of them."""
    at = _skipped({0}, pattern)
    for part in parts:
        stays = {n for n in at if n < len(pattern) and pattern[n] == "**"}
        moves = {n + 1 for n in at - stays if n < len(pattern) and fnmatchcase(part, pattern[n])}
        at = _skipped(stays | moves, pattern)
    return len(pattern) in at


def _skipped(at: set[int], pattern: tuple[str, ...]) -> set[int]:
    """Add the places that are reached by letting `**` stand for nothing."""
    found: set[int] = set()
    for place in at:
        end = place
        while end < len(pattern) and pattern[end] == "**":
            end += 1
        found.update(range(place, end + 1))
    return found


def host_of(url: str) -> str | None:
    """The host of an address (or of a bare `host[:port]`), in ASCII and lower case.

    None for anything that two readers could take apart differently.
    """
    if not url.isprintable() or any(mark in url for mark in "\\ \t"):
        return None
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname
        if not host:
            return None
        return host if ":" in host else host.rstrip(".").encode("idna").decode().lower()
    except (ValueError, UnicodeError):
        return None
