"""What a model is given of a session: its newest messages, and what stands for the older ones."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.compaction import Digest, Nothing, Prune, Summarise, count, next_fold, summary_fold
from agent.folds import Fold, FoldKind, apply_fold
from agent.messages import (
    Message,
    Note,
    ResultStatus,
    Summary,
    ToolResult,
    UserMessage,
)
from gateway.errors import StoreError
from gateway.store.base import Store, Tx
from gateway.store.records import folds, retention, sessions, transcript, unowned
from tests.agent.scripted import assistant, call, user
from tests.gateway.records.rows import NOW, arrival, arrived, closed, next_work, opened, write


def talk(first: int, number: int) -> tuple[Message, ...]:
    """So many questions with their answers."""
    return tuple(
        m for n in range(first, first + number) for m in (user(f"q{n}"), assistant(f"a{n}"))
    )


async def appended(store: Store, turn: sessions.OpenTurn, *messages: Message) -> None:
    await write(store, lambda tx: sessions.append(tx, turn, messages, now=NOW))


async def given_to(store: Store, turn: sessions.OpenTurn) -> tuple[Message, ...]:
    """What the turn's next model call is made with, loaded afresh."""
    return (await store.read(lambda tx: sessions.rows_of(tx, turn.turn_id))).messages


async def fold(store: Store, turn: sessions.OpenTurn, made: Fold) -> None:
    await write(
        store,
        lambda tx: folds.add(
            tx, session_id=turn.session_id, turn_id=turn.turn_id, fold=made, now=NOW
        ),
    )


def summary(first: int, through: int, last: int, *kept: int, text: str = "so far") -> Fold:
    return Fold(
        kind=FoldKind.SUMMARY, first=first, through=through, last=last, kept=kept, text=text
    )


async def test_a_summary_stands_for_what_it_covers(store: Store) -> None:
    """The first words, the summary, what was kept, and all that came after; originals stay."""
    turn = await opened(store, arrival(1))
    await appended(store, turn, *talk(0, 10))
    before = await given_to(store, turn)
    made = summary(1, 15, 20, 0, 7)
    await fold(store, turn, made)
    after = await given_to(store, turn)
    assert after == apply_fold(before, made)
    assert after[:3] == (before[0], Summary(text="so far"), before[7])
    stored = await store.read(lambda tx: transcript.load(tx, turn.session_id))
    assert tuple(message for _, message in stored) == before
    await appended(store, turn, user("new"))
    assert await given_to(store, turn) == (*after, user("new"))


async def test_a_fold_of_a_fold(store: Store) -> None:
    """Positions are those of what was seen; the newer summary takes the place of the older."""
    turn = await opened(store, arrival(1))
    await appended(store, turn, *talk(0, 10))
    await fold(store, turn, summary(1, 15, 20, 0, 7))
    seen = await given_to(store, turn)
    second = summary(1, 4, len(seen) - 1, 0, text="all of it")
    await fold(store, turn, second)
    assert await given_to(store, turn) == apply_fold(seen, second)
    live = await store.read(lambda tx: folds.live(tx, turn.session_id))
    assert [each.text for each in live] == ["all of it"]


async def test_a_prune_holds_on_beside_a_summary(store: Store) -> None:
    """It shaped the tail that the summary left, and goes once a summary covers all of it."""
    turn = await opened(store, arrival(1))
    asked = call("read", ident="c1")
    output = ToolResult(call_id="c1", name="read", status=ResultStatus.DONE, text="x" * 5000)
    await appended(store, turn, *talk(0, 4), assistant(asked), output, *talk(4, 2))
    prune = Fold(kind=FoldKind.PRUNE, first=14, through=14, last=14)
    seen = apply_fold(await given_to(store, turn), prune)
    await fold(store, turn, prune)
    assert await given_to(store, turn) == seen
    made = summary(1, 6, 14, 0)
    await fold(store, turn, made)
    seen = apply_fold(seen, made)
    assert await given_to(store, turn) == seen
    assert any(isinstance(m, ToolResult) and len(m.text) < 2100 for m in seen)
    made = summary(1, len(seen) - 1, len(seen) - 1, 0, text="all")
    await fold(store, turn, made)
    assert await given_to(store, turn) == apply_fold(seen, made)
    assert len(await store.read(lambda tx: folds.live(tx, turn.session_id))) == 1


async def test_a_turn_whose_beginning_is_folded_keeps_its_counts_and_words(store: Store) -> None:
    """Words for the reader, calls and steps are told from what was stored."""
    turn = await opened(store, arrival(1))
    said = assistant("Let me look.", call("read", ident="c1"))
    output = ToolResult(call_id="c1", name="read", status=ResultStatus.DONE, text="ok")
    await appended(store, turn, said, output, assistant("And again.", call("read", ident="c2")))
    await fold(store, turn, summary(1, 2, 3, 0))
    again = await next_work(store)
    assert isinstance(again, sessions.OpenTurn)
    assert again.said == ("Let me look.", "And again.")
    assert again.rows.calls_made == 2
    assert again.rows.own[1:3] == (said, output)
    assert Summary(text="so far") in again.rows.messages


async def test_a_fold_of_more_than_there_is_stores_nothing(store: Store) -> None:
    """Whoever made it saw something else."""
    turn = await opened(store, arrival(1))
    with pytest.raises(StoreError):
        await fold(store, turn, summary(0, 0, 5))
    assert await store.read(lambda tx: folds.live(tx, turn.session_id)) == ()


async def test_a_long_past_is_read_from_a_place_that_rarely_moves(store: Store) -> None:
    """The first words and 200 to 400 of the newest; the beginning is the same for many turns."""
    turn = await opened(store, arrival(1))
    await appended(store, turn, *talk(0, 350))
    await closed(store, turn)
    beginnings = set()
    for number in range(2, 6):
        turn = await opened(store, arrival(number))
        seen = turn.rows.messages
        assert seen[0] == user("message 1")
        assert 200 < len(seen) <= transcript.MESSAGES_LOADED + 2
        beginnings.add(seen[1])
        await appended(store, turn, *talk(0, 20))
        assert (await given_to(store, turn))[:100] == seen[:100]
        await closed(store, turn)
    assert len(beginnings) == 2  # of four turns with 41 messages each


async def test_what_was_taken_back_is_not_given_again(store: Store) -> None:
    """An undone turn's messages stay stored, and its folds are taken back with it."""
    first = await opened(store, arrival(1))
    await appended(store, first, *talk(0, 5))
    await closed(store, first)
    second = await opened(store, arrival(2))
    before = second.rows.messages[:-1]
    await fold(store, second, summary(1, 8, 11, 0, 11))
    await appended(store, second, assistant("done"))
    await closed(store, second)

    def undo(tx: Tx) -> None:
        transcript.undo(tx, second.turn_id, now=NOW)
        folds.undo(tx, second.turn_id, now=NOW)

    await write(store, undo)
    third = await opened(store, arrival(3))
    assert third.rows.messages == (*before, user("message 3"))


async def test_a_summary_tells_of_what_it_covers(store: Store) -> None:
    """What taints lies as far back as the oldest message it stands for."""
    turn = await opened(store, arrival(1))
    await appended(store, turn, *talk(0, 350))
    await closed(store, turn)
    turn = await opened(store, arrival(2))
    plain = await store.read(lambda tx: transcript.oldest_given(tx, turn.turn_id))
    assert plain > 100
    seen = len(turn.rows.messages)
    await fold(store, turn, summary(1, seen - 5, seen - 1, 0))
    assert await store.read(lambda tx: transcript.oldest_given(tx, turn.turn_id)) <= 2


MESSAGES = st.lists(st.sampled_from(["talk", "step", "note", "fold"]), min_size=4, max_size=24)


@given(acts=MESSAGES, sizes=st.lists(st.integers(10, 4000), min_size=24, max_size=24))
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_rows_give_what_memory_has(store: Store, acts: list[str], sizes: list[int]) -> None:
    """However messages and folds alternate, a turn loaded afresh is given the same."""
    number = (await store.read(lambda tx: tx.rows("SELECT COUNT(*) FROM inbox")))[0][0] + 1
    key = f"telegram:77|telegram:{5000 + number}"
    turn = await _opened_at(store, key, number)
    memory = turn.rows.messages
    for index, act in enumerate(acts):
        text = f"{index} " + "word " * (sizes[index] // 5)
        match act:
            case "talk":
                new: tuple[Message, ...] = (user(text), assistant(text))
            case "step":
                asked = call("read", ident=f"k{number}.{index}")
                new = (
                    assistant(asked),
                    ToolResult(call_id=asked.id, name="read", status=ResultStatus.DONE, text=text),
                )
            case "note":
                new = (Note(text=text),)
            case _:
                new = ()
                made = _made(memory)
                if made is not None:
                    await fold(store, turn, made)
                    memory = apply_fold(memory, made)
        await appended(store, turn, *new)
        memory = (*memory, *new)
    assert await given_to(store, turn) == memory


def _made(memory: tuple[Message, ...]) -> Fold | None:
    now = tuple(m for m in memory if isinstance(m, UserMessage))[-1:]
    found = next_fold(memory, window=4000, cap=500, tokens=count(memory), forced=True, asked=now)
    match found:
        case Prune(fold=made) | Digest(fold=made):
            return made
        case Summarise():
            return summary_fold(found, "In short.")
        case Nothing():
            return None


async def _opened_at(store: Store, key: str, number: int) -> sessions.OpenTurn:
    plain = arrival(number)
    chat = key.partition("|")[2]
    content = replace(plain.content, reply_to=chat)
    await arrived(store, replace(plain, session_key=key, chat=chat, content=content))
    turn = await next_work(store, key=key)
    assert isinstance(turn, sessions.OpenTurn)
    return turn


async def test_what_stands_for_old_words_goes_with_them(store: Store) -> None:
    """Of a session in use what is in force stays; of one that was left nothing does."""
    turn = await opened(store, arrival(1))
    await appended(store, turn, *talk(0, 10))
    await fold(store, turn, Fold(kind=FoldKind.PRUNE, first=4, through=20, last=20))
    await fold(store, turn, summary(1, 15, 20, 0))
    await fold(store, turn, summary(1, 3, 6, 0, text="newer"))
    await closed(store, turn)

    async def forget(*, before: int) -> list[str]:
        await write(store, lambda tx: retention.forget_session(tx, turn.session_id, before=before))
        rows = await store.read(lambda tx: tx.rows("SELECT text FROM fold ORDER BY id"))
        return [str(text) for (text,) in rows]

    assert len(await forget(before=NOW)) == 3
    await write(store, lambda tx: tx.run("UPDATE session SET active_at = ?", NOW + 5))
    assert (await forget(before=NOW + 1))[-1] == "newer"
    assert len(await forget(before=NOW + 1)) < 3
    (session,) = await store.read(lambda tx: retention.sessions_after(tx, 0))
    assert not retention.forgettable(session, before=NOW + 1)
    assert retention.forgettable(session, before=NOW + 9)
    assert await forget(before=NOW + 9) == []
    (session,) = await store.read(lambda tx: retention.sessions_after(tx, 0))
    assert session.folded_at is None


async def test_time_at_work_is_kept_over_a_wait(store: Store) -> None:
    """What a turn waits for people is not among it."""

    async def waited(turn: sessions.OpenTurn) -> sessions.OpenTurn:
        await write(store, lambda tx: unowned.park(tx, turn, now=NOW, active_us=7_000_000))
        await write(store, lambda tx: unowned.reopen(tx, turn.turn_id, now=NOW))
        again = await next_work(store)
        assert isinstance(again, sessions.OpenTurn)
        return again

    turn = await waited(await waited(await opened(store, arrival(1))))
    assert turn.active_us == 14_000_000
