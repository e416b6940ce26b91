"""Whether a gateway connection is deaf: by what it answers, never by what people say. Pure.

connecting --HELLO--> greeted --READY or RESUMED--> settled; any of them may be paused

A connection must greet within CONNECT_S, tell something until the session stands, and acknowledge
heartbeats ever after: an acknowledgement is also the frame that a quiet connection still gets.
While we do not read (paused) nothing can be missed.
"""

from dataclasses import dataclass

CONNECT_S = 30.0
SILENCE_S = 60.0
"""Seconds without an acknowledged heartbeat after which a connection is taken for dead."""

BEAT_GRACE_S = 10.0
"""How late an acknowledgement may be, where Discord asks for rarer heartbeats than now."""


@dataclass(slots=True, kw_only=True)
class Pulse:
    """The signs of life of one connection; times are monotonic seconds."""

    silence_s: float = SILENCE_S
    connect_s: float = CONNECT_S
    _began_at: float = 0.0
    _acked_at: float | None = None
    _told_at: float = 0.0
    _beat_s: float = 0.0
    _settled: bool = False
    _paused: bool = False

    def begin(self, now: float) -> None:
        """A connection is being made."""
        self._began_at, self._acked_at = now, None
        self._settled = self._paused = False

    def greet(self, now: float, beat_s: float) -> None:
        """HELLO came, with the pause between two heartbeats; the first is sent at once."""
        self._acked_at = self._told_at = now
        self._beat_s = beat_s

    def ack(self, now: float) -> None:
        """A heartbeat was acknowledged."""
        if self._acked_at is not None:
            self._acked_at = now

    def tell(self, now: float) -> None:
        """An event came."""
        self._told_at = now

    def settle(self) -> None:
        """The session stands: from now on there may be nothing to tell."""
        self._settled = True

    def pause(self) -> None:
        """We stop reading for want of room."""
        self._paused = True

    def go_on(self, now: float) -> None:
        """We read again; what was sent meanwhile still lies before us."""
        if self._paused:
            self._paused = False
            self._told_at = now
            self.ack(now)

    def deadline(self, now: float) -> float:
        """When the connection is deaf, if nothing more comes."""
        if self._paused:
            return now + self.silence_s
        if self._acked_at is None:
            return self._began_at + self.connect_s
        beats = self._acked_at + max(self.silence_s, self._beat_s + BEAT_GRACE_S)
        return beats if self._settled else min(beats, self._told_at + self.silence_s)
