"""What was spent, as people ask for it: by chat, person, kind and model, of a day or a month."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from agent.costs import dollars
from gateway.store.base import Tx
from gateway.store.records import spent

LINES = 8
_BY: tuple[tuple[str, spent.By], ...] = (
    ("chat", "chat"),
    ("person", "requester"),
    ("what", "what"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Reads the reservations; days are those of `zone`."""

    zone: tzinfo

    def told(self, tx: Tx, words: str, *, now: int) -> str:
        """Write `/spend`."""
        month = words.startswith("month")
        since = self.month(now) if month else self.day(now)
        total = spent.total(tx, since=since)
        lines = [f"Spent {'this month' if month else 'today'}: **{_money(total.settled)}**"]
        if total.held:
            lines[0] += f", and {_money(total.held)} is held"
        for title, by in _BY:
            found = spent.by(tx, by, since=since)[:LINES]
            if found:
                lines += ["", f"By {title}:", ""]
                lines += [f"- {each.name or 'nobody'}: {_money(each.settled)}" for each in found]
        return "\n".join(lines)

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


def _money(amount: int) -> str:
    return dollars(amount) if amount else "$0.00"
