"""Pure: limits on money, the windows they hold in, and what a movement counts in.

Theory of operation. A scope is what a limit is on: `turn:7`, `session:3`, `chat_day:ACCOUNT|CHAT`,
`user_day:PERSON`, `org_month`, `background_day`, `grant:ID`, and `whole:3`, all that a session ever
spent. A scope of a day or a month has windows one after another; its key, the span, is the local
date. A window ends when it was meant to when it began, whatever becomes of the zone meanwhile;
the next one begins there and ends by the zone of then. One whose date was used already goes on
instead (the zone moved west): a date has one budget. A clock that is set back stays in the newest
window, for an old one is never opened again.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import assert_never
from zoneinfo import ZoneInfo

from agent.costs import DOLLAR, dollars

LIFE_SPAN = ""
"""The span of a scope that has no windows."""

NOTICE_PERCENT = 80
VELOCITY_WINDOW_US = 10 * 60 * 1_000_000
VELOCITY_FLOOR = 2 * DOLLAR
VELOCITY_PERCENT = 40
VELOCITY_CALLS = 30

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)


class Period(Enum):
    """How long a window of a scope is."""

    LIFE = "life"
    DAY = "day"
    MONTH = "month"


class Leave(Enum):
    """By whose word money is spent."""

    POLICY = "policy"  # model calls, and calls that a rule or a default allows
    PERSON = "person"  # approved by hand
    GRANT = "grant"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be spent per window, in micro-dollars."""

    turn: int = 1 * DOLLAR
    session: int = 5 * DOLLAR
    chat_day: int = 10 * DOLLAR
    user_day: int = 10 * DOLLAR
    org_month: int = 200 * DOLLAR
    background_day: int = 2 * DOLLAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where money is spent and for whom.

    `person` is the requester as [people] knows them, so that several accounts of one person are
    one; zones are names of the zone table: the chat's, the person's, the gateway's. `unattended`:
    a clock's turn, a summary, a probe.
    """

    account: str
    chat: str
    person: str = ""
    session_id: int | None = None
    turn_id: int | None = None
    chat_zone: str = "UTC"
    person_zone: str = "UTC"
    zone: str = "UTC"
    unattended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """An allowance a call goes by: a grant, or `auto` of the session."""

    id: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimit:
    """A scope that a movement counts in; `limit` None counts and binds nothing."""

    scope: str
    limit: int | None
    period: Period = Period.LIFE
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time with a budget of its own, from `begins_at` to before `ends_at`.

    Both are microseconds since 1970, None for a scope without windows.
    """

    span: str
    begins_at: int | None = None
    ends_at: int | None = None


def chat_scope(account: str, chat: str) -> str:
    """A chat as freezes name it."""
    return f"{account}|{chat}"


def scopes_for(
    place: Place,
    limits: Limits,
    *,
    leave: Leave = Leave.POLICY,
    grant: Cap | None = None,
    auto: Cap | None = None,
) -> tuple[ScopeLimit, ...]:
    """Every scope that one movement counts in.

    `auto` is the session's live `/auto`, if there is one: it stands in place of the limits of turn
    and session for what nobody approved by hand. `grant` goes with Leave.GRANT. Work nobody
    attends never goes by `auto`.
    """
    day = ScopeLimit(
        scope=f"chat_day:{chat_scope(place.account, place.chat)}",
        limit=limits.chat_day,
        period=Period.DAY,
        zone=place.chat_zone,
    )
    month = ScopeLimit(
        scope="org_month", limit=limits.org_month, period=Period.MONTH, zone=place.zone
    )
    if place.unattended:
        own = _background(place, limits, granted=leave in {Leave.PERSON, Leave.GRANT})
    else:
        own = _attended(place, limits, leave=leave, auto=auto)
    if leave is Leave.GRANT and grant is not None:
        own = (ScopeLimit(scope=f"grant:{grant.id}", limit=grant.micros), *own)
    return (*own, day, month)


def _background(place: Place, limits: Limits, *, granted: bool) -> tuple[ScopeLimit, ...]:
    day = ScopeLimit(
        scope="background_day", limit=limits.background_day, period=Period.DAY, zone=place.zone
    )
    return (day,) if granted else (*_turn(place, limits), day)


def _attended(
    place: Place, limits: Limits, *, leave: Leave, auto: Cap | None
) -> tuple[ScopeLimit, ...]:
    person = ScopeLimit(
        scope=f"user_day:{place.person}",
        limit=limits.user_day,
        period=Period.DAY,
        zone=place.person_zone,
    )
    match leave:
        case Leave.PERSON | Leave.GRANT:
            return (*_whole(place, None), person)
        case Leave.POLICY | Leave.AUTO:
            if auto is not None:
                return (*_whole(place, auto), person)
            return (*_turn(place, limits), *_session(place, limits), *_whole(place, None), person)
        case _:
            assert_never(leave)


def _turn(place: Place, limits: Limits) -> tuple[ScopeLimit, ...]:
    if place.turn_id is None:
        return ()
    return (ScopeLimit(scope=f"turn:{place.turn_id}", limit=limits.turn),)


def _session(place: Place, limits: Limits) -> tuple[ScopeLimit, ...]:
    if place.session_id is None:
        return ()
    return (ScopeLimit(scope=f"session:{place.session_id}", limit=limits.session),)


def _whole(place: Place, auto: Cap | None) -> tuple[ScopeLimit, ...]:
    """All of a session: counted from its first call, so that `/auto` knows what came before."""
    if place.session_id is None:
        return ()
    limit = None if auto is None else auto.micros
    return (ScopeLimit(scope=f"whole:{place.session_id}", limit=limit),)


def window_of(limit: ScopeLimit, newest: Window | None, *, now: int) -> Window:
    """The window that a movement of `now` falls into, given the scope's newest stored one."""
    if limit.period is Period.LIFE:
        return Window(span=LIFE_SPAN)
    if newest is not None and newest.ends_at is not None and now < newest.ends_at:
        return newest
    window = _fresh(limit, now)
    if newest is None:
        return window
    if window.span <= newest.span:
        begins_at = window.begins_at if newest.begins_at is None else newest.begins_at
        return Window(span=newest.span, begins_at=begins_at, ends_at=window.ends_at)
    begins_at = max(window.begins_at or now, newest.ends_at or 0)
    return Window(span=window.span, begins_at=begins_at, ends_at=window.ends_at)


def _fresh(limit: ScopeLimit, now: int) -> Window:
    """The window of a local date or month by the clock alone."""
    zone = ZoneInfo(limit.zone)
    today = (_EPOCH + timedelta(microseconds=now)).astimezone(zone).date()
    match limit.period:
        case Period.MONTH:
            first = today.replace(day=1)
            span = f"{first:%Y-%m}"
            following = (first + 31 * _DAY).replace(day=1)
        case _:
            first, following, span = today, today + _DAY, today.isoformat()
    # Some zones skip or repeat midnight itself: a window always holds the moment it is made for.
    return Window(
        span=span,
        begins_at=min(_midnight(first, zone), now),
        ends_at=max(_midnight(following, zone), now + 1),
    )


def _midnight(day: date, zone: ZoneInfo) -> int:
    """When a local date begins, in microseconds since 1970."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (moment.astimezone(UTC) - _EPOCH) // _TICK


def notice_due(*, settled: int, allowed: int) -> bool:
    """Whether so much of a limit is spent that those it limits are told."""
    return settled > 0 and settled * 100 >= allowed * NOTICE_PERCENT


def too_fast(*, spent: int, calls: int, limits: Limits) -> str | None:
    """Why a chat is frozen: what it spent in ten minutes, and model calls nobody wrote between."""
    most = max(VELOCITY_FLOOR, -(-limits.chat_day * VELOCITY_PERCENT // 100))
    if spent > most:
        return f"{dollars(spent)} spent in 10 minutes, more than {dollars(most)}"
    if calls >= VELOCITY_CALLS:
        return f"{calls} model calls in 10 minutes without a message from a person"
    return None
