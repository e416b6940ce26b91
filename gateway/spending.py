"""What was spent, as people ask for it: by chat, person, kind and model, of a day or a month.

Models are told with their tokens, and calls without an answer with the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from agent.attempts import CallKind
from gateway.card_words import so_far
from gateway.store.base import Tx
from gateway.store.records import model_calls, spent
from gateway.store.records.model_calls import ModelUse
from gateway.uses import use_text
from gateway.words import spending as said
from gateway.words.phrase import ENGLISH, Phrase, Reader

LINES = 8
_BY: tuple[tuple[Phrase, spent.By], ...] = (
    (said.BY_CHAT, "chat"),
    (said.BY_PERSON, "requester"),
    (said.BY_WHAT, "what"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose spending is told: a chat's, and that of the accounts of one person."""

    account: str
    chat: str
    people: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Reads the reservations; days are those of `zone`."""

    zone: tzinfo

    def told(self, tx: Tx, words: str, *, now: int, reader: Reader = ENGLISH) -> str:
        """Write `/spend` for an owner: everything."""
        span, since = self._since(words, now, reader)
        whole = _sum(spent.total(tx, since=since), reader)
        lines = [said.SPENT.to(reader, span=span, sum=whole)]
        for title, by in _BY:
            found = spent.by(tx, by, since=since)[:LINES]
            if found:
                lines += ["", title.to(reader), "", *_by_name(found, reader)]
        lines += _uses(said.BY_MODEL, model_calls.by_model(tx, since=since), reader)
        kinds = model_calls.by_kind(tx, since=since)
        if any(each.name != CallKind.MAIN.value for each in kinds):
            lines += _uses(said.BY_KIND, kinds, reader)
        return "\n".join(lines)

    def told_of(
        self, tx: Tx, words: str, whose: Whose, *, now: int, reader: Reader = ENGLISH
    ) -> str:
        """Write `/spend` for somebody who is no owner: this chat, and what they asked for."""
        span, since = self._since(words, now, reader)
        here = spent.of_chat(tx, whose.account, whose.chat, since=since)
        lines = [said.SPENT_HERE.to(reader, span=span, sum=_sum(here, reader))]
        found = spent.of_chat_by_what(tx, whose.account, whose.chat, since=since)[:LINES]
        lines += ["", *_by_name(found, reader)] if found else []
        uses = model_calls.of_chat(tx, whose.account, whose.chat, since=since)
        lines += _uses(said.BY_MODEL, uses, reader)
        mine = [spent.of_person(tx, person, since=since) for person in sorted(whose.people)]
        settled, held = sum(each.settled for each in mine), sum(each.held for each in mine)
        both = spent.Spent(name="", settled=settled, held=held, count=0)
        return "\n".join([*lines, "", said.BY_YOU.to(reader, sum=_sum(both, reader))])

    def _since(self, words: str, now: int, reader: Reader) -> tuple[str, int]:
        """The stretch of time that is meant, in words and since when."""
        if words.startswith("month"):
            return said.THIS_MONTH.to(reader), self.month(now)
        return said.TODAY.to(reader), self.day(now)

    def day(self, now: int) -> int:
        """When the local day began, in microseconds since 1970."""
        return self._midnight(now, first=False)

    def month(self, now: int) -> int:
        """When the local month began."""
        return self._midnight(now, first=True)

    def days(self, now: int, count: int) -> tuple[tuple[str, int, int], ...]:
        """The last days, oldest first: date, begin, end."""
        today = datetime.fromtimestamp(now / 1_000_000, tz=self.zone).date()
        found = []
        for back in range(count - 1, -1, -1):
            day = today - timedelta(days=back)
            begins, ends = self._of(day), self._of(day + timedelta(days=1))
            found.append((day.isoformat(), begins, ends))
        return tuple(found)

    def _midnight(self, now: int, *, first: bool) -> int:
        today = datetime.fromtimestamp(now / 1_000_000, tz=self.zone).date()
        return self._of(today.replace(day=1) if first else today)

    def _of(self, day: date) -> int:
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return int(midnight.timestamp()) * 1_000_000


def _by_name(found: Iterable[spent.Spent], reader: Reader) -> list[str]:
    """What each of them has spent."""
    nobody = said.NOBODY.to(reader)
    return [f"- {each.name or nobody}: {so_far(each.settled)}" for each in found]


def _uses(title: Phrase, found: list[ModelUse], reader: Reader) -> list[str]:
    """Model calls by one of their names, the dearest first."""
    if not found:
        return []
    lines = (f"- `{each.name}`: {use_text(each, reader)}" for each in found[:LINES])
    return ["", title.to(reader), "", *lines]


def _sum(of: spent.Spent, reader: Reader) -> str:
    whole = f"**{so_far(of.settled)}**"
    return said.AND_HELD.to(reader, sum=whole, held=so_far(of.held)) if of.held else whole
