"""Pure: how long a turn of the child may take and be silent, without the time of people."""

from agent.providers.codex.losses import ChildLost
from agent.providers.codex.times import CodexTimes


class Patience:
    """The clock of one turn: it runs while somebody attends to it. Times are the loop's seconds.

    `first_s` bounds the silence before the first event, where that is shorter.
    """

    def __init__(self, times: CodexTimes, now: float) -> None:
        self.first_s: float | None = None
        self._times = times
        self._heard = now
        self._since = now
        self._active_s = 0.0
        self._workers = 0

    @property
    def attended(self) -> bool:
        """Whether anybody waits for the child."""
        return self._workers > 0

    def anew(self, now: float) -> None:
        """A further turn begins."""
        self.first_s = None
        self._heard = self._since = now
        self._active_s = 0.0

    def heard(self, now: float) -> None:
        """The child said something of the turn."""
        self._heard = now

    def enter(self, now: float) -> None:
        """Somebody attends to it."""
        if not self._workers:
            self._since = now
            self._heard = max(self._heard, now)
        self._workers += 1

    def leave(self, now: float) -> None:
        """They do not any more."""
        self._workers -= 1
        if not self._workers:
            self._active_s += now - self._since

    def ends(self, *, after_tool: bool) -> tuple[float, ChildLost]:
        """When it ends, and with what."""
        silence_s = self._times.after_tool_s if after_tool else self._times.silence_s
        if self.first_s is not None:
            silence_s = min(silence_s, self.first_s)
        silent = self._heard + silence_s
        deadline = self._since + self._times.turn_limit_s - self._active_s
        if deadline <= silent:
            why = f"the turn took over {self._times.turn_limit_s:g} s"
            return deadline, ChildLost("deadline", why)
        return silent, ChildLost("silent", f"nothing came for {silence_s:g} s")
