"""Which attempts of a turn owners hear of: those whose cause nothing in the turn has removed."""

from collections.abc import Callable

from agent.attempts import AttemptRecord
from gateway import render
from gateway.store.records import model_calls


class AttemptAlerts:
    """Keeps the troubles of a turn until it is known whether they were cured.

    A refused login may only have been old: the next attempt with the same credential tells.
    """

    def __init__(self, tell_owners: Callable[[str, str], None]) -> None:
        """`tell_owners` takes a key that is told once, and a sentence."""
        self._tell_owners = tell_owners
        self._open: dict[tuple[str, str], AttemptRecord] = {}

    def take(self, record: AttemptRecord) -> None:
        """One more attempt has ended."""
        place = record.entry, record.credential
        if record.outcome in model_calls.ANSWERED:
            self._open.pop(place, None)
        elif render.attempt_alert(record):
            self._open[place] = record

    def end(self) -> None:
        """The turn is over: tell of what was not cured."""
        for record in self._open.values():
            key = f"model:{record.entry}:{record.credential}:{record.outcome}"
            self._tell_owners(key, render.attempt_alert(record))
        self._open.clear()
