"""Pure: what must stand in a chat in the end, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """These words, in one message or, in order, in several."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One message that begins so and holds a remark."""

    begins: str
    remark: str


Item = Whole | Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One good end of a story: what stands there in order, and what it takes without a crash."""

    texts: tuple[Item, ...]
    calls: int
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a chat fits an ending: which messages are one too many."""

    ending: Ending
    extra: tuple[str, ...]


def fit(shown: Sequence[str], endings: Sequence[Ending], *, extra: int) -> Found | None:
    """The ending that the messages fit with the fewest of them too many, `extra` at most."""
    for count in range(extra + 1):
        for ending in endings:
            for left_out in combinations(range(len(shown)), count):
                rest = [text for at, text in enumerate(shown) if at not in left_out]
                if _matches(rest, ending.texts):
                    return Found(ending=ending, extra=tuple(shown[at] for at in left_out))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A message of the gateway's own that holds one of these phrases, wherever it stands."""

    phrases: tuple[str, ...]
    needed: bool = True
    repeats: bool = True
    """Whether it stands as often as it was asked for."""
    answers: bool = False
    """Whether it answers a press or command, where only its giver sees it."""


def without_asides(
    shown: Sequence[str],
    asides: Sequence[Aside],
    *,
    at_most: int,
    extra: int = 0,
    extra_answers: int = 0,
) -> tuple[list[str], list[str]]:
    """The messages that are no aside, and what is wrong with the asides.

    Each stands once, or up to `at_most` times where it may be asked for more than once, and then
    `extra` times more where a platform can't be asked what stands, `extra_answers` times more
    where nobody can be asked about a private answer.
    """
    rest, problems = list(shown), []
    for aside in asides:
        held = [text for text in rest if any(part in _plain(text) for part in aside.phrases)]
        more = max(extra, extra_answers) if aside.answers else extra
        most = more + (max(1, at_most) if aside.repeats else 1)
        if not aside.needed <= len(held) <= most:
            problems.append(f"{aside.phrases[0]!r} stands {len(held)} times")
        rest = [text for text in rest if text not in held]
    return rest, problems


def is_placeholder_or_repeat(text: str, states: Sequence[Sequence[str]], working: str) -> bool:
    """Whether a message too many is one that a crash may leave behind.

    `states` are those of every message of the chat, its own among them.
    """
    plain = _plain(text)
    begun = [
        message
        for message in states
        if any(_plain(state).startswith(plain[:24]) for state in message)
    ]
    return working in plain or len(begun) > 1


def _matches(shown: Sequence[str], items: Sequence[Item]) -> bool:
    if not items:
        return not shown
    first, *rest = items
    if isinstance(first, Cut):
        fits = bool(shown) and _plain(shown[0]).startswith(first.begins)
        return fits and first.remark in shown[0] and _matches(shown[1:], rest)
    for taken in range(1, len(shown) + 1):
        if _plain(" ".join(shown[:taken])) == _plain(first.words):
            return _matches(shown[taken:], rest)
    return False


def _plain(text: str) -> str:
    """The words alone: platforms break lines each in their own way."""
    return " ".join(text.split())
