"""What `gatepost why` tells of an event, a turn, an outbox row and a message."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from agent.effects import (
    Mark,
)
from gateway.config.schema import AccessSection
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, outbox, retention, sessions
from gateway.store.records.explain import explain
from gateway.store.records.reasons import CHECKS, REASONS, RULES, ruled_by
from tests.agent.scripted import call
from tests.gateway.records.rows import (
    ACCOUNT,
    ANN,
    CHAT,
    KEY,
    NOW,
    arrival,
    arrived,
    closed,
    inserted,
    new_outbox,
    next_work,
    opened,
    write,
)
from tests.gateway.records.test_turns import judged, record_step

AT = "2025-10-09 08:53:20 UTC"


async def why(store: Store, ident: str) -> tuple[str, ...]:
    """The story of an id."""
    return await store.read(lambda tx: explain(tx, ident))


@pytest.mark.parametrize(
    "ident",
    [
        "",
        "e",
        "e1x",
        "x1",
        "e1",
        "t1",
        "o1",
        "e٣",
        "e" + "9" * 40,
        "telegram:1/2",
        "/",
        "slack:a/b/c/d/e",
    ],
)
async def test_what_nobody_has_has_no_story(store: Store, ident: str) -> None:
    """Any text is an id that may not exist."""
    assert await why(store, ident) == ()


async def test_an_ignored_event(store: Store) -> None:
    """Where it came from, and the rule that dropped it in words."""
    await arrived(store, arrival(1, state="ignored", reason="sender_not_listed", lane=None))
    assert await why(store, "e1") == (
        f"event e1: came {AT} from {ACCOUNT}, delivery d1",
        f"  in {CHAT}, by {ANN}",
        '  ignored: sender_not_listed (list the person in [access] users, or set dm = "open")',
        "  check 7 of 10, its sender, decided by access.users and access.dm",
    )


async def test_an_event_that_was_no_message(store: Store) -> None:
    """A payload without a chat has only its reason; a reason without words stands alone."""
    given = arrival(
        1,
        state="ignored",
        reason="odd",
        lane=None,
        session_key=None,
        chat=None,
        message_id=None,
        author=None,
    )
    await arrived(store, given)
    assert (await why(store, "e1"))[1:] == ("  ignored: odd",)


async def test_a_refused_event_shows_what_was_said(store: Store) -> None:
    """The words that were sent instead belong to the story."""
    await arrived(store, arrival(1, state="refused", reason="unknown_command", lane=None))
    await inserted(store, new_outbox("e1:refusal"))
    assert await why(store, "e1") == (
        f"event e1: came {AT} from {ACCOUNT}, delivery d1",
        f"  in {CHAT}, by {ANN}",
        "  refused: unknown_command (there is no such command; the sender was told)",
        "  check 8 of 10, the command",
        f"outbox o1: post (notice) to {CHAT} on {ACCOUNT}: pending, 0 attempts, made {AT}",
    )


async def test_a_command_shows_its_answer(store: Store) -> None:
    """Lane and session of what entered, and the answer."""
    await arrived(store, arrival(1, lane="now"))
    await inserted(store, new_outbox("e1:answer", purpose="command"))
    story = await why(store, "e1")
    assert story[2:4] == ("  new", f"  lane now, session {KEY}")
    assert story[4].startswith("outbox o1: post (command)")


async def test_repeats_are_told(store: Store) -> None:
    """How often the platform delivered it again."""
    await arrived(store, arrival(1))
    for _ in range(2):
        await write(store, lambda tx: inbox.insert(tx, arrival(1)))
    story = await why(store, "e1")
    assert story[-1] == "  delivered again 2 times; dropped each time as a duplicate"


async def test_the_whole_story_of_a_turn(store: Store) -> None:
    """From the event to every message that left, with steps, tools and the cause of its end."""
    turn = await opened(store, arrival(1))
    await record_step(
        store, turn, 1, judged(call("files", ident="c1")), judged(call("nope", ident="c2"), None)
    )
    again = await next_work(store)
    assert isinstance(again, sessions.OpenTurn)
    await inserted(store, new_outbox("t1:0:post", turn_id=1, purpose="anchor"))
    await write(
        store,
        lambda tx: outbox.settle(tx, 1, state="sent", message_id="55", reason=None, now=NOW),
    )
    await write(
        store,
        lambda tx: sessions.close_turn(
            tx, again, state="failed", mark=Mark.STEP_LIMIT.value, error="m: timeout", now=NOW
        ),
    )
    told = (
        f"turn t1: number 1 of session {KEY}, asked by {ANN}",
        f"  opened {AT}, closed {AT}",
        "  failed (step_limit), served by m",
        "  taken up 2 times (after a restart, a decision or a command)",
        "  cause: m: timeout",
        '  step 1.1: m, done, tokens {"input":1,"output":2}',
        "  tool files: do (once): not_run",
        "  tool nope (not run): refused",
        f"outbox o1: post (anchor) to {CHAT} on {ACCOUNT}: sent, message 55, 0 attempts, made {AT},"
        f" settled {AT}",
    )
    assert await why(store, "t1") == told
    story = await why(store, "e1")
    assert story[2:4] == ("  done", f"  lane turn, session {KEY}")
    assert story[4:] == told


async def test_an_open_turn_has_no_end(store: Store) -> None:
    """A turn that still runs says so and nothing more."""
    await opened(store, arrival(1))
    assert (await why(store, "t1"))[1:] == (f"  opened {AT}", "  open")


async def test_an_outbox_row_names_its_turn(store: Store) -> None:
    """A row of a turn leads to it; one of no turn stands alone."""
    await closed(store, await opened(store, arrival(1)))
    await inserted(store, new_outbox("a", turn_id=1, purpose="final"))
    await inserted(store, new_outbox("b"))
    await write(
        store,
        lambda tx: outbox.settle(tx, 2, state="dead", message_id=None, reason="kicked", now=NOW),
    )
    assert (await why(store, "o1"))[1:] == ("  of turn t1",)
    (line,) = await why(store, "o2")
    assert ": dead (kicked), 0 attempts," in line


THREAD = "slack:T1/C1/170.1"


@pytest.mark.parametrize(
    ("chat", "ref"),
    [
        ("telegram:-100200", "telegram:-100200/55"),
        ("telegram:-100200/7", "telegram:-100200/7/55"),
        ("slack:T1/C1", "slack:T1/C1/55"),
        (THREAD, f"{THREAD}/55"),
        ("slack:T1/C1", f"{THREAD}/55"),  # the thread's first message stands in the channel
        (THREAD, "slack:T1/C1/55"),  # a link to a message in a thread may not name the thread
        ("discord:9", "discord:9/55"),
        ("discord:1/2/3", "discord:1/2/55"),
        ("discord:1/2/3", "discord:1/3/55"),  # a link into a Discord thread leaves out its channel
    ],
)
async def test_a_message_by_its_own_name(store: Store, chat: str, ref: str) -> None:
    """A message of theirs leads to its event, one of ours to its row, in threads too."""
    await arrived(store, arrival(1, chat=chat, message_id="55"))
    assert (await why(store, ref))[0].startswith("event e1:")
    assert await why(store, ref.replace("/55", "/56")) == ()
    ours = replace(new_outbox("a"), chat=chat)
    await inserted(store, ours)
    await write(
        store,
        lambda tx: outbox.settle(tx, 1, state="sent", message_id="57", reason=None, now=NOW),
    )
    assert (await why(store, ref.replace("/55", "/57")))[0].startswith("outbox o1:")


async def test_another_chats_message_is_not_it(store: Store) -> None:
    """A chat whose id begins alike is another chat."""
    await arrived(store, arrival(1, chat="telegram:10012", message_id="55"))
    assert await why(store, "telegram:1001/55") == ()


def test_every_reason_has_words() -> None:
    """No reason is explained by an empty phrase or a whole sentence."""
    assert all(words and not words.endswith(".") for words in REASONS.values())


async def test_times_are_told_in_the_operators_zone(store: Store) -> None:
    """Every time of a story names its zone."""
    await arrived(store, arrival(1, state="ignored", reason="own_echo", lane=None))
    zone = ZoneInfo("Europe/Berlin")
    story = await store.read(lambda tx: explain(tx, "e1", zone))
    assert story[0].startswith("event e1: came 2025-10-09 10:53:20 CEST from")


async def test_what_is_gone_says_so(store: Store) -> None:
    """A number that had a row says when such rows were last pruned; a higher one has no story."""
    await arrived(store, arrival(1, state="ignored", reason="odd", lane=None))

    def unit(tx: Tx) -> None:
        retention.forget_events(tx, (1,), now=NOW)
        retention.delete_events(tx, (1,), now=NOW)

    await write(store, unit)
    assert await why(store, "e1") == (f"e1: pruned for its age, {AT} at the latest",)
    assert await why(store, "e2") == ()
    assert await why(store, "o1") == ()


def test_every_check_of_admission_names_its_key() -> None:
    """Each reason has words, and each key is one of the file's."""
    known = AccessSection.model_fields.keys()
    for reason, (check, keys) in RULES.items():
        assert check in CHECKS
        assert reason in REASONS or reason == "duplicate"
        for key in keys:
            table, _, name = key.rpartition(".")
            assert table != "access" or name in known
    assert {check for check, _ in RULES.values()} == CHECKS.keys()
    assert ruled_by("bot_loop") == "check 3 of 10, who can't be talked to, decided by access.bots"
    assert ruled_by("withdrawn_by_stop") == ruled_by(None) == ""
