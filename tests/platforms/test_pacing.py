"""No window sees more than its budget, what matters goes first, and streams take turns."""

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.pacing import Budget, Kind, Limiter

MESSAGES: frozenset[Kind] = frozenset({"post", "edit"})
CHAT = Budget(kinds=MESSAGES, per="chat", rate_per_s=0.85)
GROUP = Budget(kinds=MESSAGES, per="group", rate_per_s=17 / 60, burst=3)
ACCOUNT = Budget(kinds=MESSAGES | {"typing"}, per="account", rate_per_s=3, burst=2)
EDITS = Budget(kinds=frozenset({"edit"}), per="account", rate_per_s=0.7, burst=4)


class Ask(NamedTuple):
    """One question to the limiter, `after` seconds after the one before."""

    kind: Kind
    chat: str
    group: bool
    priority: int
    after: float


KINDS: tuple[Kind, ...] = ("post", "edit", "typing")
ASKS = st.lists(
    st.builds(
        Ask,
        kind=st.sampled_from(KINDS),
        chat=st.sampled_from("abc"),
        group=st.booleans(),
        priority=st.integers(0, 5),
        after=st.sampled_from((0.0, 0.001, 0.1, 0.5, 1.0, 3.0, 30.0)),
    ),
    min_size=1,
    max_size=150,
)


def ask(limiter: Limiter, now: float, **changes: object) -> float | None:
    """A post to chat "a" that begins to wait now, but for the changes."""
    what: dict[str, object] = {"kind": "post", "chat": "a", "group": False, "priority": 1}
    what |= {"since": now, "now": now} | changes
    return limiter.admit(what.pop("kind"), what.pop("chat"), **what)  # type: ignore[arg-type]


def check_windows(times: list[float], budget: Budget) -> None:
    """At most burst + rate * T left in the T seconds between any two that left."""
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            allowed = budget.burst + budget.rate_per_s * (times[last] - start)
            assert last - first + 1 <= allowed + 1e-6


@given(ASKS)
def test_no_window_over_budget(asks: list[Ask]) -> None:
    """Whatever is asked, whenever: each bucket keeps its law."""
    limiter = Limiter((CHAT, GROUP, ACCOUNT))
    now = 0.0
    left: dict[object, list[float]] = {}
    for one in asks:
        now += one.after
        group = one.group and one.chat == "c"
        if ask(limiter, now, kind=one.kind, chat=one.chat, group=group, priority=one.priority) == 0:
            left.setdefault(ACCOUNT, []).append(now)
            if one.kind in MESSAGES:
                left.setdefault((CHAT, one.chat), []).append(now)
                if group:
                    left.setdefault((GROUP, one.chat), []).append(now)
    for place, times in left.items():
        budget = place[0] if isinstance(place, tuple) else place
        assert isinstance(budget, Budget)
        check_windows(times, budget)


@given(ASKS)
def test_waiting_as_told_is_enough(asks: list[Ask]) -> None:
    """What nobody outranks leaves when it was told, whatever else is asked of the bucket."""
    limiter = Limiter((ACCOUNT,))
    now = 0.0
    for one in asks:
        now += one.after
        ask(limiter, now, kind=one.kind, chat=one.chat, priority=max(one.priority, 1))
    since, told = now, ask(limiter, now, priority=0)
    assert told is not None
    for one in asks:
        now = min(now + one.after, since + told)
        ask(limiter, now, kind=one.kind, chat=one.chat, priority=max(one.priority, 1))
    assert not told or ask(limiter, since + told, since=since, priority=0) == 0


@given(st.floats(0.0, 0.9), st.integers(1, 5))
def test_final_never_starves(lag: float, priority: int) -> None:
    """However eagerly edits are made, a final that comes late each time still gets its token."""
    limiter = Limiter((EDITS,))
    now, waited = 0.0, 0
    since = next_try = 5.0
    while waited < 3:
        now += 0.01
        if priority > 1:
            ask(limiter, now, kind="edit", chat="other", priority=priority)
        if now >= next_try:
            told = ask(limiter, now, kind="edit", since=since)
            if told == 0:
                break
            assert told is not None
            next_try = now + told + lag
            waited += 1
    assert waited <= 1


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20))
def test_streams_take_turns(phases: list[float]) -> None:
    """Growing replies get about the same number of edits, whenever in the interval they ask."""
    limiter = Limiter((EDITS,))
    interval = limiter.stream_interval(1.0, streams=len(phases))
    assert interval is not None
    shown: Counter[int] = Counter()
    for turn in range(60):
        for stream, phase in sorted(enumerate(phases), key=lambda pair: pair[1]):
            now = (turn + phase) * interval
            if ask(limiter, now, kind="edit", chat=stream, priority=4) == 0:
                shown[stream] += 1
    assert len(shown) == len(phases)
    assert min(shown.values()) >= 0.45 * max(shown.values()) - 1


def test_streams_use_their_share() -> None:
    """Replies that grow side by side use what the budget has for them."""
    limiter = Limiter((EDITS,))
    interval = limiter.stream_interval(1.0, streams=10)
    assert interval is not None
    shown = sum(
        ask(limiter, (turn + stream / 10) * interval, kind="edit", chat=stream, priority=4) == 0
        for turn in range(60)
        for stream in range(10)
    )
    assert shown > 0.95 * 600


def test_reserve_of_high_classes() -> None:
    """When edits took all they may, a fifth of the burst is left for what matters."""
    limiter = Limiter((Budget(kinds=MESSAGES, per="account", rate_per_s=0.1, burst=10),))
    edits = [ask(limiter, 0.0, kind="edit", chat=number, priority=4) for number in range(12)]
    assert edits.count(0) == 8
    finals = [ask(limiter, 0.0, chat=number, priority=1) for number in range(3)]
    assert finals.count(0) == 2


def test_classes_in_order() -> None:
    """Whoever waits in a higher class goes first, then whoever waits longer."""
    limiter = Limiter((Budget(kinds=MESSAGES, per="account", rate_per_s=1.0),))
    assert ask(limiter, 0.0) == 0
    assert ask(limiter, 0.1, chat="b", priority=2) == pytest.approx(0.9)
    assert ask(limiter, 0.2, chat="c", priority=1) == pytest.approx(0.8)
    assert ask(limiter, 0.3, chat="d", priority=2) == pytest.approx(2.7)
    assert ask(limiter, 1.0, chat="b", priority=2, since=0.1) == pytest.approx(1.0)
    assert ask(limiter, 1.0, chat="c", priority=1, since=0.2) == 0
    assert ask(limiter, 2.0, chat="d", priority=2, since=0.3) == pytest.approx(1.0)
    assert ask(limiter, 2.0, chat="b", priority=2, since=0.1) == 0


def test_low_classes_never_queue() -> None:
    """Edits and signs of life leave now or not at all."""
    limiter = Limiter((CHAT,))
    assert ask(limiter, 0.0, kind="edit", priority=4) == 0
    assert ask(limiter, 0.1, kind="edit", priority=4) is None
    assert ask(limiter, 0.1, kind="edit", priority=5) is None


def test_placeholder_is_promoted() -> None:
    """A placeholder that waited two seconds is as urgent as a command's answer, and was first."""
    limiter = Limiter((Budget(kinds=MESSAGES, per="chat", rate_per_s=0.2),))
    assert ask(limiter, 0.0) == 0
    assert ask(limiter, 1.0, priority=3)
    assert ask(limiter, 2.0, priority=2) == pytest.approx(3.0)
    assert ask(limiter, 2.5, priority=3, since=1.0) == pytest.approx(7.5)
    assert ask(limiter, 3.5, priority=3, since=1.0) == pytest.approx(1.5)
    assert ask(limiter, 5.0, priority=2, since=2.0) == pytest.approx(5.0)
    assert ask(limiter, 5.0, priority=3, since=1.0) == 0


def test_claim_lapses() -> None:
    """Who never comes back stops nobody for long."""
    limiter = Limiter((CHAT,))
    assert ask(limiter, 0.0) == 0
    assert ask(limiter, 0.0, priority=0)
    assert ask(limiter, 1.3, priority=4) is None
    assert ask(limiter, 2.5, priority=4) == 0


def test_uncovered_kind_is_free() -> None:
    """What no budget covers leaves at once."""
    assert ask(Limiter((CHAT,)), 0.0, kind="answer", chat="") == 0


def test_group_shares_over_topics() -> None:
    """All threads of a group draw from one bucket; a direct chat has none of it."""
    limiter = Limiter((GROUP,))
    assert [ask(limiter, 0.0, group=True) for _ in range(4)][:3] == [0, 0, 0]
    assert ask(limiter, 0.0, group=True)
    assert ask(limiter, 0.0, group=False) == 0


@pytest.mark.parametrize(
    ("scope", "same", "other_kind", "other_chat"),
    [("chat", 30, 30, 0), ("method", 30, 0, 30), ("account", 30, 30, 30)],
)
def test_penalty(scope: str, same: float, other_kind: float, other_chat: float) -> None:
    """A 429 closes what it names until then, with and without budgets, and nothing else."""
    for budgets in ((), (CHAT, EDITS)):
        limiter = Limiter(budgets)
        limiter.penalise("post", "a", scope=scope, group=False, until=40.0, now=10.0)
        assert ask(limiter, 10.0) == same
        assert ask(limiter, 10.0, kind="edit") == other_kind
        assert ask(limiter, 10.0, chat="b") == other_chat
        assert ask(limiter, 40.0, chat="c") == 0


def test_shorter_penalty_does_not_open() -> None:
    """A later answer that asks for less does not shorten what was closed."""
    limiter = Limiter(())
    limiter.penalise("post", "a", scope="chat", group=False, until=40.0, now=0.0)
    limiter.penalise("post", "a", scope="chat", group=False, until=5.0, now=0.0)
    assert ask(limiter, 10.0) == 30


def test_stream_interval() -> None:
    """Slack's numbers: one a second, stretched by the number of live answers, none over 20."""
    slack = Limiter((EDITS,))
    assert slack.stream_interval(1.0, streams=0) == 1.0
    assert slack.stream_interval(1.0, streams=7) == pytest.approx(10.0)
    assert slack.stream_interval(1.0, streams=20) == pytest.approx(28.57, abs=0.01)
    assert slack.stream_interval(1.0, streams=21) is None
    assert Limiter((CHAT,)).stream_interval(3.5, streams=50) == 3.5


def test_memory_is_bounded() -> None:
    """Ten thousand chats that fell silent leave nothing behind."""
    limiter = Limiter((CHAT, GROUP))
    for number in range(10_000):
        ask(limiter, number / 1_000, chat=number, group=True)
        limiter.penalise("post", number, scope="chat", group=True, until=12.0, now=10.0)
    ask(limiter, 400.0)
    assert len(limiter._buckets) == 1
    assert not limiter._closed
