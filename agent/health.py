"""Which models are ill: one breaker per endpoint and model, in the memory of the process.

Theory of operation. Closed: failures score points, and 5 points within 120 s open it. Open: plans
pass over the model for 15 s, then 30, then 60. After that rest it is half open: the first call
that comes tries it, as the real call it is and with a short limit on its first byte, while all
others still pass. A trial that fails begins the next rest, one that succeeds closes and clears,
one that ends without a verdict (a rate limit, a stop) leaves it to the next call. Failures of
calls that were under way when it opened change nothing. There are no probe calls: nobody asked
for that spend. It belongs to no session and no plan, so it outlives both.
"""

from dataclasses import dataclass, field
from enum import Enum

from agent.errors import ProviderError, ProviderOverloaded, ProviderUnavailable, StreamBroken
from agent.messages import Origin

OPENS_AT_POINTS = 5
WITHIN_S = 120.0
SLOW_S = 10.0
SLOW_POINTS = 3
RESTS_S = (15.0, 30.0, 60.0)
TRIAL_FIRST_BYTE_S = 10.0
TRIAL_FIRST_BYTE_REASONING_S = 30.0
USUAL_FACTOR = 1.5
USUAL_WEIGHT = 0.2
"""How much the newest first byte counts for what is usual."""

TRIAL_LAPSES_S = 1_800.0
"""No step takes longer, so a trial that nobody ended by then is nobody's."""


class Breaker(Enum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a call may ask a model now. `trial`: it decides for all others.

    `first_byte_s` is the most a trial waits for its first byte.
    """

    allowed: bool
    trial: bool = False
    first_byte_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What `status` shows of a breaker. `rests_until` is in the seconds that were passed in."""

    origin: Origin
    state: Breaker
    cause: str = ""
    rests_until: float | None = None
    points: int = 0


@dataclass(slots=True, kw_only=True)
class _Record:
    origin: Origin
    points: list[tuple[float, int]] = field(default_factory=list)
    cause: str = ""
    rests: int = 0
    """How many rests in a row; 0 is closed."""
    rests_until: float = 0.0
    trial_since: float | None = None
    usual_s: float | None = None

    def on_trial(self, now: float) -> bool:
        return self.trial_since is not None and now - self.trial_since < TRIAL_LAPSES_S

    def state(self, now: float) -> Breaker:
        if self.rests == 0:
            return Breaker.CLOSED
        return Breaker.OPEN if now < self.rests_until else Breaker.HALF_OPEN

    def score(self, now: float) -> int:
        self.points = [(at, score) for at, score in self.points if now - at < WITHIN_S]
        return sum(score for _, score in self.points)

    def rest(self, now: float) -> None:
        self.rests_until = now + RESTS_S[min(self.rests, len(RESTS_S) - 1)]
        self.rests += 1
        self.trial_since = None
        self.points.clear()


class Health:
    """The breakers of the process. Times are seconds of any one clock that never goes back."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _Record] = {}

    def is_open(self, origin: Origin, now: float) -> bool:
        """Whether a plan should pass over the model: it rests, or is on somebody's trial."""
        record = self._records.get(_key(origin))
        if record is None or record.rests == 0:
            return False
        return now < record.rests_until or record.on_trial(now)

    def admit(self, origin: Origin, now: float, *, reasons: bool) -> Admission:
        """Take part: a model whose rest is over is tried by whoever comes first.

        A trial is over with `succeeded`, `failed` or `released`, one of which must follow.
        """
        if self.is_open(origin, now):
            return Admission(allowed=False)
        record = self._records.get(_key(origin))
        if record is None or record.rests == 0:
            return Admission(allowed=True)
        record.trial_since = now
        least = TRIAL_FIRST_BYTE_REASONING_S if reasons else TRIAL_FIRST_BYTE_S
        usual = USUAL_FACTOR * (record.usual_s or 0.0)
        return Admission(allowed=True, trial=True, first_byte_s=max(least, usual))

    def failed(
        self, origin: Origin, error: ProviderError, cost_s: float, now: float, *, trial: bool
    ) -> None:
        """Count an attempt that was made and failed after so many seconds, if it counts."""
        if not countable(error):
            self.released(origin, trial=trial)
            return
        record = self._record(origin)
        if record.rests:
            if trial:
                record.cause = error.reason
                record.rest(now)
            return
        slow = cost_s >= SLOW_S or (isinstance(error, StreamBroken) and error.silent)
        record.points.append((now, SLOW_POINTS if slow else 1))
        record.cause = error.reason
        if record.score(now) >= OPENS_AT_POINTS:
            record.rest(now)

    def succeeded(self, origin: Origin, first_byte_s: float | None, now: float) -> None:
        """A call was answered whole: whatever was open is closed and forgotten."""
        record = self._record(origin)
        if record.rests:
            record.rests = 0
            record.trial_since = None
            record.points.clear()
            record.cause = ""
        if first_byte_s is not None:
            usual = record.usual_s if record.usual_s is not None else first_byte_s
            record.usual_s = usual + USUAL_WEIGHT * (first_byte_s - usual)

    def released(self, origin: Origin, *, trial: bool = True) -> None:
        """A trial ended without a verdict; the next call may try. No trial: nothing to do."""
        record = self._records.get(_key(origin))
        if record is not None and trial:
            record.trial_since = None

    def states(self, now: float) -> tuple[BreakerState, ...]:
        """Every breaker that has something to tell, by endpoint and model."""
        told = (_told(record, now) for _, record in sorted(self._records.items()))
        return tuple(state for state in told if state is not None)

    def _record(self, origin: Origin) -> _Record:
        return self._records.setdefault(_key(origin), _Record(origin=origin))


def countable(error: ProviderError) -> bool:
    """Whether a failure says that the model is ill: transport, 5xx, overload, a broken stream."""
    if not isinstance(error, ProviderUnavailable):
        return False
    if isinstance(error, ProviderOverloaded) or error.transport:
        return True
    return error.status is None or not 400 <= error.status < 500


def _told(record: _Record, now: float) -> BreakerState | None:
    state, points = record.state(now), record.score(now)
    if state is Breaker.CLOSED and points == 0:
        return None
    until = None if state is Breaker.CLOSED else record.rests_until
    return BreakerState(
        origin=record.origin, state=state, cause=record.cause, rests_until=until, points=points
    )


def _key(origin: Origin) -> tuple[str, str]:
    return origin.endpoint, origin.model
