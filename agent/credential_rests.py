"""Pure: what a key rests for, how long, and when it is given up.

Theory of operation. A rest belongs to a key, or to a key and a model. It begins when the failure
of an attempt is booked to the key that attempt carried, and ends with its time, with a success of
an attempt that began after it, or with an operator's word. The streak counts rests that follow
each other without a success between them. While a call waits for a limited key to try it again,
the key rests for the others just as long; what the key meets then is what counts. A dead key
rests for ever: only another secret, which is another key, a new login or an operator's word
brings it back.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from agent.errors import (
    CredentialExhausted,
    NeedsAdjustment,
    NotEntitled,
    ProviderAuthFailed,
    ProviderError,
    ProviderRateLimited,
)

SECOND = 1_000_000
HOUR = 3600 * SECOND
LIMIT_RESTS = (30 * SECOND, 60 * SECOND, 300 * SECOND)
CREDIT_RESTS = (1 * HOUR, 5 * HOUR, 24 * HOUR)
ENTITLEMENT_REST = 1 * HOUR
REFUSED_REST = 300 * SECOND
REFUSED_WITHIN = 24 * HOUR
"""Two refusals this near to each other, each after a renewal, are the end of a key."""
EARLY = SECOND // 10
"""A rest is over so long before its end: a timer and the clock never quite agree."""
_REVOKED = ("revoked", "deactivated", "account is disabled", "has been disabled")
_INVALID_KEY = (
    "invalid api key",
    "invalid_api_key",
    "incorrect api key",
    "invalid x-api-key",
    "api key not valid",
    "invalid authentication credentials",
)


class LoginEnded(ProviderAuthFailed):
    """A token can't be renewed any more: somebody must log in again, or give another secret."""


class Cause(Enum):
    """What a key rests for."""

    LIMIT = "limit"
    CREDIT = "credit"
    ENTITLEMENT = "entitlement"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """One rest; times are microseconds since 1970. An empty `model` is all of them.

    `until` may lie in the past: what is left is the streak, 0 if all it has known are waits of
    calls that try again. `why` are words for operators.
    """

    key: str
    model: str
    label: str
    cause: Cause
    began_at: int
    until: int
    streak: int = 1
    dead: bool = False
    why: str = ""

    @property
    def place(self) -> "Place":
        """Where it is kept."""
        return (self.key, self.model, self.cause)

    def holds(self, now: int) -> bool:
        """Whether the key may not be used."""
        return self.dead or self.until > now + EARLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """The key an attempt carried, since when, and whether its token can be renewed."""

    key: str
    label: str
    model: str
    leased_at: int
    renewable: bool


def cause_of(error: ProviderError) -> Cause | None:
    """What a failure makes its key rest for; None if it is not the key's fault."""
    match error:
        case ProviderRateLimited():
            return None if error.upstream else Cause.LIMIT
        case NeedsAdjustment(reason="long_context_tier"):  # a limit, once no heal is left for it
            return Cause.LIMIT
        case CredentialExhausted():
            return Cause.CREDIT
        case NotEntitled():
            return Cause.ENTITLEMENT
        case ProviderAuthFailed():
            return Cause.REFUSED
    return None


Place = tuple[str, str, Cause]
"""Where a rest is kept: one for each key, model and cause."""


def place_of(error: ProviderError, booked: Booked) -> Place | None:
    """Where the rest is kept that a failure may bring."""
    cause = cause_of(error)
    return None if cause is None else (booked.key, _scope(cause, booked.model), cause)


def _scope(cause: Cause, model: str) -> str:
    """The model that rests; empty if the whole key does."""
    return model if cause in (Cause.LIMIT, Cause.ENTITLEMENT) else ""


def rest_of(
    error: ProviderError,
    booked: Booked,
    before: Rest | None,
    *,
    now: int,
    again_s: float | None = None,
) -> Rest | None:
    """The rest that a failure brings, `before` being the last of its place; None: none.

    Attempts that ran side by side meet the same limit: it counts once, and the longest holds.
    `again_s` is how long the call waits that will try a limited key again.
    """
    cause = cause_of(error)
    if cause is None:
        return None
    if before is not None and before.dead:
        return before
    waits_s = again_s if cause is Cause.LIMIT else None
    streak = _streak(before, booked, grows=waits_s is None)
    until = now + _length(cause, error, streak, waits_s)
    rest = Rest(
        key=booked.key,
        model=_scope(cause, booked.model),
        label=booked.label,
        cause=cause,
        began_at=now,
        until=until if before is None else max(until, before.until),
        streak=streak,
        why=error.reason,
    )
    if cause is Cause.REFUSED and _is_final(error, booked, before, now=now):
        return replace(rest, dead=True)
    return rest


def _streak(before: Rest | None, booked: Booked, *, grows: bool) -> int:
    known = before.streak if before is not None else 0
    counted = known > 0 and before is not None and before.began_at > booked.leased_at
    return known + (grows and not counted)


def _length(cause: Cause, error: ProviderError, streak: int, waits_s: float | None) -> int:
    match cause:
        case Cause.LIMIT:
            asked_s = error.retry_after_s if error.retry_after_s is not None else waits_s
            if asked_s is not None:
                return int(asked_s * SECOND)
            return LIMIT_RESTS[min(streak, len(LIMIT_RESTS)) - 1]
        case Cause.CREDIT:
            return CREDIT_RESTS[min(streak, len(CREDIT_RESTS)) - 1]
        case Cause.ENTITLEMENT:
            return ENTITLEMENT_REST
        case Cause.REFUSED:
            return REFUSED_REST
        case _:
            assert_never(cause)


def _is_final(error: ProviderError, booked: Booked, before: Rest | None, *, now: int) -> bool:
    """Whether a refusal is the end of the key."""
    if isinstance(error, LoginEnded):
        return True
    said = str(error).lower()
    if any(words in said for words in _REVOKED):
        return True
    if not booked.renewable and any(words in said for words in _INVALID_KEY):
        return True
    if before is None or before.began_at > booked.leased_at:
        return False
    return now - before.began_at <= REFUSED_WITHIN


def as_error(rest: Rest, *, provider: str, endpoint: str, model: str, now: int) -> ProviderError:
    """What somebody is told who can have no key because of this rest."""
    make: type[ProviderError]
    match rest.cause:
        case Cause.LIMIT:
            make, reason = ProviderRateLimited, "rate_limited"
        case Cause.CREDIT:
            make, reason = CredentialExhausted, "billing"
        case Cause.ENTITLEMENT:
            make, reason = NotEntitled, "forbidden"
        case Cause.REFUSED:
            make, reason = ProviderAuthFailed, "auth"
        case _:
            assert_never(rest.cause)
    left = max(0, rest.until - now) / SECOND
    words = "is given up" if rest.dead else f"rests for {left:.0f} s more"
    return make(
        f"the key {rest.label} {words}: {rest.why or rest.cause.value}",
        provider=provider,
        endpoint=endpoint,
        model=model,
        credential=rest.label,
        reason=reason,
        retry_after_s=None if rest.dead else left,
    )
