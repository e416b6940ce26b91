"""The next move after an attempt that failed: renew, rotate, wait, heal, fold, or ask another.

Pure. The class of an error says which steps of the ladder are open to it, the guards of the state
which of them were taken; `Place` says who else could be asked and `Failure` what this one cost.

The ladder: renew the credential, rotate to another key, retry with waits, rebuild the connection
once, go to the next entry. While the next entry is ready an eager entry is left early: the
primary is back with the next turn anyway. With nobody ready every step runs to its end.
"""

from dataclasses import dataclass, replace

from agent.credentials import Service
from agent.errors import (
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NeedsAdjustment,
    NotEntitled,
    PolicyBlocked,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    StreamBroken,
    TlsUntrusted,
)
from agent.heals import heal_for
from agent.recovery import (
    Adjust,
    Advance,
    Compact,
    Decision,
    Failure,
    GiveUp,
    Guard,
    Move,
    Place,
    Reconnect,
    Renew,
    Restart,
    Rotate,
    TurnRetryState,
    Wait,
)

ATTEMPTS_PER_ENTRY = 3
ATTEMPTS_OVERLOADED = 4
"""Attempts per entry and cycle; the second one for an overload while nobody else is ready."""

ATTEMPTS_PER_CALL = 16
WAITING_PER_TURN_S = 120.0
COMPACTIONS_PER_TURN = 3

TRANSIENT_S = 2.0
TRANSIENT_CAP_S = 60.0
JITTER_SHARE = 0.5
EAGER_RETRY_S = 1.0
SLOW_S = 5.0
"""A failure that cost this long is not repeated while somebody else is ready."""

SAME_KEY_S = 5.0
"""The longest wait a rate limit may ask for and still be tried with the same key."""

OVERLOAD_WAITS_S = (5.0, 15.0, 30.0)
RATE_WAITS_S = (30.0, 60.0)
"""Waits with nobody else to ask; a bucket refills in about a minute."""

STATIC_RENEW_S = 1.0
RECONNECT_BASE_S = 3.0
RECONNECT_CAP_S = 8.0
RESPONSES = "openai-responses"
CODEX_CHILD = "codex-app-server"

_AUTH_GUARDS = {
    Service.CODEX: Guard.CODEX_AUTH,
    Service.XAI: Guard.XAI_AUTH,
    Service.ANTHROPIC: Guard.ANTHROPIC_AUTH,
    Service.NOUS: Guard.NOUS_AUTH,
    Service.COPILOT: Guard.COPILOT_AUTH,
    Service.COMMAND: Guard.VERTEX_AUTH,
}


def next_move(
    error: ProviderError,
    state: TurnRetryState,
    place: Place,
    failure: Failure,
    *,
    jitter: float,
) -> Decision:
    """Decide what follows a failed attempt, that `state` already counts; `jitter` is 0 to 1."""
    at = _Case(error=error, state=state, place=place, failure=failure, jitter=jitter)
    if isinstance(error, RequestInvalid):
        return at.give_up("request invalid")
    if state.attempts >= ATTEMPTS_PER_CALL:
        return at.give_up("attempts used up")
    return _by_class(at, error)


def _by_class(at: "_Case", error: ProviderError) -> Decision:
    match error:
        case NeedsAdjustment():
            return _healed(at, error)
        case ContextOverflow():
            return _folded(at, error)
        case ProviderAuthFailed():
            return _refused(at)
        case CredentialExhausted() | NotEntitled():
            return _exhausted(at)
        case ProviderRateLimited():
            return _rate_limited(at, upstream=error.upstream)
        case ReplyMalformed():
            return _malformed(at)
        case ContentBlocked() | ModelUnavailable() | RequestRejected():
            return at.onward()
        case PolicyBlocked() | TlsUntrusted():
            return at.onward(elsewhere=True)
        case _:
            return _transient(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One failure with all that is known of it."""

    error: ProviderError
    state: TurnRetryState
    place: Place
    failure: Failure
    jitter: float

    @property
    def count(self) -> int:
        """How many attempts of this entry and cycle have failed at the cost of a retry."""
        return self.state.failures + 1

    @property
    def eager(self) -> bool:
        return self.place.patience == "eager" and self.place.next_ready

    @property
    def may_rotate(self) -> bool:
        """Whether another key is ready, and it was not this one that was rotated to before."""
        return self.place.standing.ready > 0 and self.error.credential not in self.state.refused

    @property
    def may_renew(self) -> bool:
        """Whether there is a key to renew: the one that was refused, or another that is ready."""
        return self.failure.leased or self.place.standing.ready > 0

    @property
    def backoff_s(self) -> float:
        base = min(TRANSIENT_S * 2.0 ** (self.count - 1), TRANSIENT_CAP_S)
        return base * (1.0 + JITTER_SHARE * self.jitter)

    def asked_or(self, scheduled_s: float) -> float:
        """The wait that the provider asked for, else ours."""
        asked = self.error.retry_after_s
        return scheduled_s if asked is None else asked

    def fits(self, seconds: float) -> bool:
        """Whether the turn may still wait that long."""
        return self.failure.waited_s + seconds <= WAITING_PER_TURN_S

    def again(self, move: Move, state: TurnRetryState, because: str) -> Decision:
        """Ask this entry again; what was shown of the failed attempt is taken back."""
        return Decision(move=move, state=state, because=because)

    def retry(
        self, seconds: float, *, of: int, state: TurnRetryState | None = None, fresh: bool = False
    ) -> Decision | None:
        """Wait and ask again at the cost of a retry; None where that is over or forbidden."""
        if not self.error.retry or self.count >= of or not self.fits(seconds):
            return None
        spent = replace(state or self.state, failures=self.count)
        because = f"retry {self.count + 1} of {of}"
        return self.again(Wait(seconds=seconds, fresh=fresh), spent, because)

    def onward(self, because: str = "", *, elsewhere: bool = False) -> Decision:
        """Go to the next entry, or give up with nobody left."""
        if not self.place.anyone_left:
            too_long = not self.fits(self.asked_or(0.0))
            return self.give_up("wait too long" if too_long else "nobody left")
        move = Advance(elsewhere=elsewhere)
        return Decision(
            move=move,
            state=self.state.on_next_entry(),
            because=because or f"{self.error.reason} to next",
        )

    def give_up(self, because: str) -> Decision:
        return Decision(move=GiveUp(), state=self.state, because=because)


# -- credentials


def _refused(at: _Case) -> Decision:
    guard = _auth_guard(at)
    after_s = STATIC_RENEW_S if at.place.service is Service.STATIC else 0.0
    if at.may_renew and at.fits(after_s) and (taken := at.state.take(guard)):
        return at.again(Renew(after_s=after_s), taken, f"renew {guard.value}")
    if at.may_rotate:
        return _rotate(at)
    survived = at.state.take(Guard.AUTH_FAILOVER)
    return at.give_up("login broken") if survived is None else at.onward("auth to next")


def _auth_guard(at: _Case) -> Guard:
    if at.error.reason == "copilot_stale" and at.place.service is Service.COPILOT:
        return Guard.COPILOT_STALE
    if at.place.service is Service.STATIC and at.place.api == "anthropic-messages":
        return Guard.ANTHROPIC_AUTH
    return _AUTH_GUARDS.get(at.place.service, Guard.STATIC_AUTH)


def _exhausted(at: _Case) -> Decision:
    """No credit or no leave: waiting does not help, and nothing but a Nous account renews."""
    renews = isinstance(at.error, CredentialExhausted) and at.place.service is Service.NOUS
    if renews and at.failure.leased and (taken := at.state.take(Guard.NOUS_ENTITLEMENT)):
        return at.again(Renew(), taken, f"renew {Guard.NOUS_ENTITLEMENT.value}")
    return _rotate(at) if at.may_rotate else at.onward()


def _rotate(at: _Case) -> Decision:
    refused = at.state.refused | {at.error.credential}
    return at.again(Rotate(), replace(at.state, refused=refused), "rotate")


def _rate_limited(at: _Case, *, upstream: bool) -> Decision:
    """Once more with the same key if that is soon, else another key, else another entry."""
    spare = at.may_rotate and not upstream
    alone = not spare and not at.place.next_ready
    soon = at.asked_or(0.0) <= SAME_KEY_S and at.error.status != 402
    taken = None if upstream else at.state.take(Guard.RETRIED_429)
    if soon and not alone and taken is not None:
        once_more = at.retry(at.asked_or(EAGER_RETRY_S), of=ATTEMPTS_PER_ENTRY, state=taken)
        if once_more is not None:
            return once_more
    if spare:
        return _rotate(at)
    if not alone:
        return at.onward()
    scheduled = RATE_WAITS_S[min(at.count, len(RATE_WAITS_S)) - 1]
    waits = at.retry(at.asked_or(scheduled), of=ATTEMPTS_PER_ENTRY, state=taken)
    return waits or at.onward()


# -- retries


def _transient(at: _Case) -> Decision:
    if not at.failure.leased and at.may_rotate:  # another key may be had where this one was not
        return _rotate(at)
    if at.eager and at.failure.lost_s >= SLOW_S:
        return at.onward("eager to next")
    rung = _responses_rung(at)
    if rung is not None:
        return rung
    return _eager(at) if at.eager else _patient(at)


def _responses_rung(at: _Case) -> Decision | None:
    """One reconnect, then the same request read without showing it: that brings out the cause."""
    if at.place.api != RESPONSES or not at.error.retry or at.error.retry_after_s is not None:
        return None
    if not _broke_off(at):
        return None
    if at.state.reconnects == 0:
        once = replace(at.state, reconnects=1)
        again = at.retry(EAGER_RETRY_S, of=ATTEMPTS_PER_ENTRY, state=once, fresh=True)
        return again and replace(again, because="reconnect")
    sent = at.failure.sent.adjustments
    taken = at.state.take(Guard.RESPONSES_PLAIN)
    if taken is None or sent.plain or not sent.stream:
        return None
    move = Adjust(adjustments=replace(sent, plain=True))
    return at.again(move, taken, Guard.RESPONSES_PLAIN.value)


def _broke_off(at: _Case) -> bool:
    """Whether it was the connection or the stream that failed, and no answer with a status."""
    if isinstance(at.error, ProviderOverloaded) or not at.failure.leased:
        return False
    if isinstance(at.error, StreamBroken) or at.failure.opened:
        return True
    return at.error.status is None or _transport(at.error)


def _eager(at: _Case) -> Decision:
    seconds = max(EAGER_RETRY_S, at.asked_or(0.0))
    if seconds > SLOW_S or at.count >= 2:
        return at.onward("eager to next")
    return at.retry(seconds, of=2, fresh=True) or at.onward("eager to next")


def _patient(at: _Case) -> Decision:
    alone = isinstance(at.error, ProviderOverloaded) and not at.place.next_ready
    of = ATTEMPTS_OVERLOADED if alone else ATTEMPTS_PER_ENTRY
    scheduled = OVERLOAD_WAITS_S[min(at.count, 3) - 1] if alone else at.backoff_s
    fresh = _transport(at.error) or isinstance(at.error, StreamBroken)
    again = at.retry(at.asked_or(scheduled), of=of, fresh=fresh)
    if again is not None:
        return again
    return _reconnect(at, of) or at.onward()


def _reconnect(at: _Case, of: int) -> Decision | None:
    """One more cycle on a new connection: only the primary is worth it, and only directly."""
    seconds = min(RECONNECT_BASE_S + at.state.attempts, RECONNECT_CAP_S)
    eligible = (
        at.count >= of
        and _transport(at.error)
        and not at.failure.shown
        and at.place.index == 0
        and at.place.direct
        and at.place.api != CODEX_CHILD
        and at.fits(seconds)
    )
    taken = at.state.take(Guard.PRIMARY_TRANSPORT) if eligible else None
    if taken is None:
        return None
    move = Reconnect(seconds=seconds)
    return at.again(move, replace(taken, failures=0), "transport recovery")


def _transport(error: ProviderError) -> bool:
    return isinstance(error, ProviderUnavailable) and error.transport


def _malformed(at: _Case) -> Decision:
    if at.state.malformed:
        return at.onward()
    once = replace(at.state, malformed=1)
    seconds = at.asked_or(EAGER_RETRY_S if at.eager else at.backoff_s)
    return at.retry(seconds, of=ATTEMPTS_PER_ENTRY, state=once) or at.onward()


# -- the request itself


def _healed(at: _Case, error: NeedsAdjustment) -> Decision:
    heal = heal_for(error, at.failure.sent, at.state)
    if heal is None:
        # The long window is not to be had, and was given up: what is left is a plain rate limit.
        plain_limit = error.reason == "long_context_tier"
        return _rate_limited(at, upstream=False) if plain_limit else at.onward()
    if isinstance(heal.move, Wait) and not at.fits(heal.move.seconds):
        return at.onward()
    state = replace(at.state, used=at.state.used | {heal.guard})
    return at.again(heal.move, state, f"heal {heal.guard.value}")


def _folded(at: _Case, error: ContextOverflow) -> Decision:
    done = at.failure.compactions
    if done >= COMPACTIONS_PER_TURN:
        return at.onward()
    state = at.state.restarted(Restart.COMPACTED)
    because = f"{done + 1} of {COMPACTIONS_PER_TURN}"
    return at.again(Compact(bytes_first=error.bytes_first), state, because)
