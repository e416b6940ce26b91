"""What goes wrong on the way out: the answer stands once, in its place, and nobody else waits.

Most of it is waiting, so a fault happens on all platforms at once, in one gateway.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ground import Answers, Ground, everywhere
from tests.faults.latch import Latch
from tests.scenarios.stage import WAIT_S
from tests.wire.openai import Reply
from tests.wire.server import CutAfter, CutBefore, Fault, Hold, Seen

BEGINNING = "This is the beginning of a longer answer"
END = "and this is its end."
WHOLE = f"{BEGINNING}, {END}"
SHORT = "Here it is."
OTHER = "And this is for Bob."
LATE_S = 20
"""A machine may be so slow; what waits for a permission is not."""


def growing(answers: Answers, question: str) -> asyncio.Event:
    """Script an answer that stops in its middle; the event lets it go on."""
    held = asyncio.Event()
    answers[question] = Reply(deltas=(f"{BEGINNING}, ", held, END))
    return held


def at(operation: str, status: int) -> Callable[[Seen], bool]:
    """Whether a request was for this operation and was answered so."""
    return lambda seen: seen.operation == operation and seen.status == status


# -- rate limits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hint_s", "refusals", "wait_s"), [(1, 2, 1.0), (None, 1, 5.0)], ids=["hints", "no-hint"]
)
async def test_429(
    senders: tuple[Any, ...], tmp_path: Path, hint_s: int | None, refusals: int, wait_s: float
) -> None:
    """The answer comes soon after permission with not one call too many.

    Slow: seconds are the unit of these hints, and without one five of them are waited.
    """
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        server, post = sender.server, sender.post
        server.faults.add(post, *(sender.limited(hint_s) for _ in range(refusals)))
        await sender.say(answers.ask(sender, SHORT))
        since = 0
        for _ in range(refusals):
            refused = await server.seen(at(post, 429), WAIT_S, since=since)
            since = server.record.index(refused) + 1
        await stage.reads(SHORT, at=sender)
        posts = server.requests(post)
        assert [seen.status for seen in posts] == [429] * refusals + [200]
        assert wait_s - 0.1 < posts[-1].at - refused.at < wait_s + LATE_S

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)


@pytest.mark.slow
async def test_429_is_nobody_elses(senders: tuple[Any, ...], tmp_path: Path) -> None:
    """While one person waits for minutes another one is answered.

    Slow: at its end the gateway gives what still waits its time.
    """
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        server, post = sender.server, sender.post
        server.faults.add(post, sender.limited(600))
        await sender.say(answers.ask(sender, SHORT))
        refused = await server.seen(at(post, 429), WAIT_S)
        await sender.say(answers.ask(sender, OTHER), by="bob")
        await server.seen(at(post, 200), WAIT_S, since=server.record.index(refused) + 1)
        assert sender.shown() == []

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)


@pytest.mark.slow
async def test_429_on_the_last_edit(senders: tuple[Any, ...], tmp_path: Path) -> None:
    """The whole answer stands in the message that was begun, soon after permission.

    Slow: seconds are the unit of these hints.
    """
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        held = growing(answers, question := f"Tell me at {sender.name}.")
        await sender.say(question)
        await stage.sees(BEGINNING, at=sender)
        sender.server.faults.add(sender.edit, sender.limited(1), sender.limited(1))
        held.set()
        await stage.reads(WHOLE, at=sender)
        refused = [s for s in sender.server.requests(sender.edit) if s.status == 429]
        done = await sender.server.seen(at(sender.edit, 200), WAIT_S)
        assert len(refused) == 2
        assert done.at - refused[-1].at < LATE_S
        assert len(sender.server.requests(sender.post)) == 1

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)


# -- errors and broken connections


def broken(sender: Any) -> Fault:
    """The server has an error of its own."""
    fault: Fault = sender.broken()
    return fault


def cut_before(sender: Any) -> Fault:
    """The connection goes away before anything is done."""
    return CutBefore()


def cut_after(sender: Any) -> Fault:
    """It is done, and the answer is lost."""
    return CutAfter()


FAULTS = (broken, cut_before, cut_after)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_placeholder(
    senders: tuple[Any, ...], tmp_path: Path, fault: Callable[[Any], Fault]
) -> None:
    """Whatever becomes of it, the answer stands once; only Telegram may keep an orphan.

    Slow: what is uncertain is looked for twice, two seconds apart, or tried again after one.
    """
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        sender.server.faults.add(sender.post, fault(sender))
        held = growing(answers, question := f"Tell me at {sender.name}.")
        await sender.say(question)
        await sender.server.seen(lambda seen: seen.operation == sender.post, WAIT_S)
        held.set()
        await stage.until(lambda: WHOLE in sender.shown(), at=sender)

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)
        await stage.halt()  # what is on its way arrives before that ends
        await stage.start()
        for sender in senders:
            orphans = list(sender.shown())
            orphans.remove(WHOLE)
            assert len(orphans) <= (sender.doubles if fault is cut_after else 0), sender.name
            assert WHOLE not in orphans, sender.name


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_answer(
    senders: tuple[Any, ...], tmp_path: Path, fault: Callable[[Any], Fault]
) -> None:
    """An answer that is a post of its own stands once; on Telegram a lost answer makes two.

    Slow: as for the placeholder.
    """
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        sender.server.faults.add(sender.post, fault(sender))
        await sender.say(answers.ask(sender, SHORT))
        await sender.server.seen(lambda seen: seen.operation == sender.post, WAIT_S)
        await stage.until(lambda: SHORT in sender.shown(), at=sender)

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)
        await stage.halt()  # as above
        await stage.start()
        for sender in senders:
            allowed = 1 + (sender.doubles if fault is cut_after else 0)
            assert set(sender.shown()) == {SHORT}, sender.name
            assert 1 <= len(sender.shown()) <= allowed, sender.name


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_edit(
    senders: tuple[Any, ...], tmp_path: Path, fault: Callable[[Any], Fault]
) -> None:
    """The edits of a growing answer may be lost, its last one is repeated: one message, whole.

    Slow: it is repeated after a second.
    """
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        held = growing(answers, question := f"Tell me at {sender.name}.")
        await sender.say(question)
        await stage.sees(BEGINNING, at=sender)
        sender.server.faults.add(sender.edit, fault(sender))
        held.set()
        await stage.reads(WHOLE, at=sender)

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)
        await stage.halt()  # as above
        await stage.start()
        for sender in senders:
            assert sender.shown() == [WHOLE]
            assert len(sender.server.requests(sender.post)) == 1


# -- calls that hang


async def test_a_hanging_call(senders: tuple[Any, ...], tmp_path: Path) -> None:
    """While a post to ann gets no answer, bob is answered; ann is, once it goes on."""
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        released = Latch()
        sender.server.faults.add(sender.post, Hold(released=released))
        await sender.say(answers.ask(sender, SHORT))
        await asyncio.wait_for(released.met.wait(), WAIT_S)
        await sender.say(answers.ask(sender, OTHER), by="bob")
        await sender.server.seen(at(sender.post, 200), WAIT_S)
        assert sender.shown() == []
        released.set()
        await stage.reads(SHORT, at=sender)
        assert len(sender.server.requests(sender.post)) == 2

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)


# -- what people do meanwhile


async def test_deleted_while_it_grows(senders: tuple[Any, ...], tmp_path: Path) -> None:
    """Someone deletes the growing message: the answer is posted anew, once."""
    answers = Answers()

    async def story(stage: Ground, sender: Any) -> None:
        held = growing(answers, question := f"Tell me at {sender.name}.")
        await sender.say(question)
        await stage.sees(BEGINNING, at=sender)
        await sender.remove()
        assert sender.shown() == []
        held.set()
        await stage.reads(WHOLE, at=sender)
        assert len(sender.server.requests(sender.post)) == 2

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, story)


async def test_thread_deleted(sender: Any, tmp_path: Path) -> None:
    """An answer whose thread is gone goes to the chat, once."""
    held = asyncio.Event()
    async with Ground(sender, path=tmp_path) as stage:
        stage.model.reply(Reply(deltas=(held, SHORT)))
        thread = await sender.begin_thread("Tell me.")
        await stage.asked(1)
        await sender.close_thread(thread)
        held.set()
        await stage.until(lambda: sender.in_root() == [SHORT])


async def test_thrown_out(sender: Any, tmp_path: Path) -> None:
    """The row is dead and says why, the owner hears of it elsewhere; a word from there revives."""
    held = asyncio.Event()
    async with Ground(sender, path=tmp_path, owned=True) as stage:
        stage.model.reply(Reply(deltas=(held, SHORT)))
        stage.answers("Back again.")
        await sender.say("Tell me.", group=True, mention=True)
        await stage.asked(1)
        await sender.expel()
        held.set()
        told = await stage.owner_reads("can't be written to any more")
        assert sender.name in told
        assert sender.shown(group=True) == []
        await stage.story_tells("t1", "dead")
        await sender.admit_again()
        await sender.say("Are you back?", group=True, mention=True)
        await stage.until(lambda: sender.shown(group=True) == ["Back again."])
