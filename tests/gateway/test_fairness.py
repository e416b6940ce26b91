"""Who starts next: bounds on what runs, and turns between chats that depend on no clock."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fairness import QUANTUM_TOKENS, Fairness, Limits, Start, TurnGate

ONE = Limits(total=1, chat=1, person=1)


def start(session: str, chat: str = "c", person: str = "") -> Start:
    """A session that wants to run."""
    return Start(session=session, chat=chat, person=person)


def granted(fairness: Fairness) -> list[str]:
    """Everything that may start now."""
    found = []
    while (next_start := fairness.grant()) is not None:
        found.append(next_start.session)
    return found


def one_after_another(fairness: Fairness, costs: dict[str, int], turns: int) -> list[str]:
    """The chats of the next starts, each ended before the next is granted."""
    chats = []
    for _ in range(turns):
        following = fairness.grant()
        assert following is not None
        chats.append(following.chat)
        fairness.end(following.session, costs.get(following.chat, 0))
    return chats


def test_starts_of_a_chat_leave_in_order() -> None:
    """First asked, first served."""
    fairness = Fairness()
    for name in "abc":
        fairness.ask(start(name))
    assert granted(fairness) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("limits", "starts", "expected"),
    [
        (Limits(total=2), [start(str(n), chat=str(n)) for n in range(4)], ["0", "1"]),
        (Limits(chat=2), [start(str(n)) for n in range(4)], ["0", "1"]),
        (Limits(person=2), [start(str(n), str(n), "ann") for n in range(4)], ["0", "1"]),
        (Limits(person=1), [start("a", "c", "x"), start("b", "c", "x"), start("d", "c", "y")],
         ["a", "d"]),
        (Limits(person=1), [start("a", "c"), start("b", "c")], ["a", "b"]),
    ],
)  # fmt: skip
def test_what_runs_is_bounded(limits: Limits, starts: list[Start], expected: list[str]) -> None:
    """In all, in a chat, by a person; whoever is at a limit holds up nobody else."""
    fairness = Fairness(limits)
    for each in starts:
        fairness.ask(each)
    assert granted(fairness) == expected


def test_the_limits_are_those_of_the_manual() -> None:
    """200 in all, 8 a chat, 4 a person."""
    assert Limits() == Limits(total=200, chat=8, person=4)


def test_an_end_makes_room() -> None:
    """For the next of the same chat."""
    fairness = Fairness(Limits(chat=1))
    fairness.ask(start("a"))
    fairness.ask(start("b"))
    assert granted(fairness) == ["a"]
    fairness.end("a", 5)
    assert granted(fairness) == ["b"]


def test_a_withdrawn_start_is_never_granted() -> None:
    """Neither can it be withdrawn twice, nor once it runs."""
    fairness = Fairness()
    fairness.ask(start("a"))
    assert fairness.withdraw(start("a"))
    assert not fairness.withdraw(start("a"))
    assert granted(fairness) == []
    fairness.ask(start("b"))
    assert granted(fairness) == ["b"]
    assert not fairness.withdraw(start("b"))


def test_a_flooding_chat_gets_its_turn_and_no_more() -> None:
    """However much waits in one chat, between two starts of it every other chat has one."""
    fairness = Fairness(ONE)
    for number in range(1_000):
        fairness.ask(start(f"flood{number}", "flood"))
    assert one_after_another(fairness, {}, 3) == ["flood"] * 3
    for number in range(3):
        fairness.ask(start(f"calm{number}", f"calm{number}"))
    following = one_after_another(fairness, {}, 6)
    assert Counter(following[:4]) == Counter(flood=1, calm0=1, calm1=1, calm2=1)
    assert following[4:] == ["flood", "flood"]


def test_dear_turns_come_less_often() -> None:
    """A chat whose last turn cost three visits starts at every third."""
    fairness = Fairness(ONE)
    for number in range(20):
        fairness.ask(start(f"dear{number}", "dear"))
        fairness.ask(start(f"cheap{number}", "cheap"))
    costs = {"dear": 3 * QUANTUM_TOKENS, "cheap": QUANTUM_TOKENS}
    assert one_after_another(fairness, costs, 2) == ["dear", "cheap"]
    assert Counter(one_after_another(fairness, costs, 12)) == Counter(cheap=9, dear=3)


def test_a_cheap_chat_saves_nothing_up() -> None:
    """Visits it did not need make no burst later."""
    fairness = Fairness(ONE)
    for number in range(50):
        fairness.ask(start(f"a{number}", "a"))
        fairness.ask(start(f"b{number}", "b"))
    order = one_after_another(fairness, {"a": 1, "b": QUANTUM_TOKENS}, 60)
    assert order == ["a", "b"] * 30


@given(
    floods=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    costs=st.lists(st.integers(1, 4 * QUANTUM_TOKENS), min_size=7, max_size=7),
    before=st.integers(0, 20),
)
def test_a_start_waits_a_bounded_number_of_others(
    floods: list[int], costs: list[int], before: int
) -> None:
    """At most one start of every other chat per visit, and as many visits as its turn cost."""
    fairness = Fairness(ONE)
    for chat, waiting in enumerate(floods):
        for number in range(waiting):
            fairness.ask(start(f"{chat}.{number}", str(chat)))
    by_chat = {str(chat): cost for chat, cost in enumerate(costs)}
    one_after_another(fairness, by_chat, min(before, sum(floods)))
    fairness.ask(start("mine", "mine"))
    others = 0
    while (following := fairness.grant()) is not None and following.session != "mine":
        others += 1
        fairness.end(following.session, by_chat[following.chat])
    assert following is not None
    assert others <= len(floods)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(0, 3), st.booleans()),
        max_size=120,
    )
)
def test_no_bound_is_ever_passed_and_nobody_is_lost(
    steps: list[tuple[int, int, int, bool]],
) -> None:
    """Any order of asking and ending; in the end everyone has run."""
    limits = Limits(total=5, chat=3, person=2)
    fairness = Fairness(limits)
    waiting: set[Start] = set()
    running: list[Start] = []

    def grant() -> None:
        while (following := fairness.grant()) is not None:
            waiting.remove(following)
            running.append(following)
            assert len(running) <= limits.total
            assert max(Counter(s.chat for s in running).values()) <= limits.chat
            assert max(Counter(s.person for s in running).values()) <= limits.person

    for number, (size, chat, person, ends) in enumerate(steps):
        if ends and running:
            fairness.end(running.pop(0).session, size * 1_000)
        else:
            each = start(str(number), str(chat), f"p{person}")
            waiting.add(each)
            fairness.ask(each)
        grant()
    while running:
        fairness.end(running.pop(0).session, 1)
        grant()
    assert not waiting
    assert fairness.running == 0


async def test_whoever_waits_at_the_gate_is_let_in() -> None:
    """As soon as someone leaves."""
    gate = TurnGate(Fairness(ONE))
    assert await gate.enter(start("a"))
    second = asyncio.create_task(gate.enter(start("b")))
    await asyncio.sleep(0)
    assert gate.waiting == 1
    gate.leave("a", tokens=0)
    assert await second


async def test_a_start_can_be_withdrawn_while_it_waits() -> None:
    """It is told so, and its place is another's."""
    gate = TurnGate(Fairness(ONE))
    assert await gate.enter(start("a"))
    second = asyncio.create_task(gate.enter(start("b")))
    third = asyncio.create_task(gate.enter(start("c")))
    await asyncio.sleep(0)
    assert gate.withdraw("b")
    assert not gate.withdraw("a")
    assert not await second
    gate.leave("a", tokens=0)
    assert await third


@pytest.mark.parametrize("leaves_first", [True, False])
async def test_a_cancelled_wait_keeps_no_place(leaves_first: bool) -> None:
    """Neither in the queue nor, if it was let in in the same moment, among those who run."""
    gate = TurnGate(Fairness(ONE))
    assert await gate.enter(start("a"))
    second = asyncio.create_task(gate.enter(start("b")))
    await asyncio.sleep(0)
    if leaves_first:
        gate.leave("a", tokens=0)
        second.cancel()
    else:
        second.cancel()
        gate.leave("a", tokens=0)
    with pytest.raises(asyncio.CancelledError):
        await second
    assert gate.waiting == 0
    assert await gate.enter(start("c"))


async def test_a_closed_gate_lets_nobody_in() -> None:
    """Whoever waits goes without a turn, also who comes later."""
    gate = TurnGate(Fairness(ONE))
    assert await gate.enter(start("a"))
    second = asyncio.create_task(gate.enter(start("b")))
    await asyncio.sleep(0)
    gate.close()
    assert not await second
    gate.leave("a", tokens=0)
    assert not await gate.enter(start("c"))


def test_jobs_of_a_clock_begin_where_nobody_else_could() -> None:
    """However early they asked; among themselves in order, and for no chat's bounds."""
    fairness = Fairness(Limits(total=2, chat=1, person=1))
    for session in ("job1", "job2"):
        fairness.ask(Start(session=session, chat="c", background=True))
    fairness.ask(start("late", chat="c", person="ann"))
    assert granted(fairness) == ["late", "job1"]
    fairness.end("job1", 0)
    assert granted(fairness) == ["job2"]
    fairness.end("late", 0)
    fairness.ask(start("next", chat="c", person="ann"))
    assert granted(fairness) == ["next"]


def test_a_job_of_a_clock_that_waits_is_taken_back() -> None:
    """As any other start."""
    fairness = Fairness(ONE)
    job = Start(session="job", chat="c", background=True)
    fairness.ask(job)
    assert fairness.withdraw(job)
    assert not fairness.withdraw(job)
    assert granted(fairness) == []
