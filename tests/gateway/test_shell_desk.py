"""What the shell decides: approvals, money, leave, the audit; with real turns and a real desk."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from agent.costs import DOLLAR
from gateway.acts import Act
from gateway.errors import GatewayError
from gateway.store.base import Store, Tx
from gateway.store.records import audit, freezes
from gateway.store.records.explain import explain
from gateway.tokens import Decision
from tests.agent.scripted import call
from tests.gateway.approvals.house_tools import HouseTool
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.asked import ask
from tests.gateway.records.rows import arrival, opened, write
from tests.gateway.shell import JOB, SECRET, SHELL, Shell, at_the_shell

CEILING = 30 * 7_000
SPENT = 12 * 7_000


@pytest.fixture
async def shell(store: Store, tmp_path: Path, clock: HandClock) -> AsyncIterator[Shell]:
    """Whoever sits at the shell of a connected gateway."""
    async with at_the_shell(store, tmp_path, clock) as made:
        yield made


async def test_the_queue_tells_what_waits(shell: Shell) -> None:
    """Code, what, at most, by whom, where, until when, who decides."""
    card = await shell.asked()
    (seen,) = await shell.desk.approvals()
    assert seen == card
    assert (seen.kind, seen.tool, seen.operation, seen.items) == ("call", JOB, "run", 1)
    assert (seen.at_most, seen.tier) == (CEILING, "requester")
    assert (seen.requester, seen.chat) == ("telegram:1001", "telegram:1001")
    assert seen.closes_at == shell.core.clock.now() + 3_600_000_000


async def test_a_card_is_shown_whole(shell: Shell) -> None:
    """The first line names it; nothing of what runs is left out; a code may be written small."""
    card = await shell.asked()
    text = await shell.desk.show(f" {card.code.lower()} ", by=SHELL)
    assert text.startswith(f"Approval {card.code}: {JOB} run")
    assert '"minutes":25' in text
    with pytest.raises(GatewayError, match="no approval 22222"):
        await shell.desk.show("22222", by=SHELL)


async def test_the_shell_shows_what_its_chat_cuts_before_it_approves(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """What is longer than its card is approved by whoever had all of it shown at the shell."""
    long = HouseTool(name="long")
    async with at_the_shell(store, tmp_path, clock, long=long) as shell:
        card = await shell.asked(call("long", f'{{"text":"{"x" * 5_000}"}}'))
        blind = await shell.decides("approve", card.code)
        assert not blind.done
        assert f"press Show all first, or write gatepost show {card.code}" in blind.text
        assert (await shell.desk.show(card.code, by=SHELL)).count("x") >= 5_000
        assert (await shell.decides("approve", card.code)).done
        await shell.ends()
        assert len(long.ran) == 1


async def test_an_approval_at_the_shell_lets_it_run(shell: Shell) -> None:
    """The same path as a press: it runs once, costs what it costs, and the card says by whom."""
    card = await shell.asked()
    decided = await shell.decides("approve", card.code)
    assert decided.done, decided
    await shell.ends()
    assert await shell.states() == ["done"]
    again = await shell.decides("approve", card.code)
    assert again.done
    assert await shell.states() == ["done"]
    assert any("Approved by" in text or "Done" in text for text in shell.core.adapter.shown("1001"))


async def test_a_denial_at_the_shell_has_its_reason(shell: Shell) -> None:
    """The model reads who and why; the turn goes on."""
    card = await shell.asked()
    decided = await shell.decides("deny", card.code, "too dear")
    assert decided.done
    await shell.ends()
    assert await shell.states() == ["refused"]
    (result,) = [m for m in shell.core.model.requests[-1].messages if getattr(m, "name", "") == JOB]
    assert "too dear" in result.text


async def test_what_is_decided_stays_decided(shell: Shell) -> None:
    """A no after a yes changes nothing and says so."""
    card = await shell.asked()
    await shell.decides("approve", card.code)
    late = await shell.decides("deny", card.code)
    assert not late.done
    assert "decided already" in late.text


async def test_one_item_of_a_batch_is_decided_alone(shell: Shell) -> None:
    """The others stay undecided."""
    card = await shell.asked(call(JOB), call(JOB, '{"minutes": 5}'))
    assert (card.items, card.at_most) == (2, CEILING + 70_000)
    assert (await shell.decides("deny", card.code, item=2)).done
    (left,) = await shell.cards()
    assert (left.code, left.items, left.at_most) == (card.code, 1, CEILING)


async def test_words_take_the_place_of_a_call(shell: Shell) -> None:
    """Nothing runs; the model reads them."""
    card = await shell.asked()
    assert (await shell.decides("answer", card.code, "use the old weights")).done
    await shell.ends()
    assert await shell.states() == ["done"]
    assert "old weights" in str(shell.core.model.requests[-1].messages)


@pytest.mark.parametrize(("said", "words"), [("2", "new"), ("both of them", "both of them")])
async def test_a_question_is_answered_by_number_or_in_words(
    shell: Shell, store: Store, said: str, words: str
) -> None:
    """A number is one of the answers it offers; a verb that means nothing says what does."""
    turn = await opened(store, arrival(90))
    detail = {"question": "Which split?", "options": ["old", "new"]}
    await ask(store, turn, "WHCH2", kind="question", closes_at=None, detail=detail)
    with pytest.raises(GatewayError, match="gatepost answer WHCH2 TEXT"):
        await shell.decides("approve", "WHCH2")
    assert (await shell.decides("answer", "WHCH2", said)).done
    assert await store.read(lambda tx: tx.rows("SELECT words FROM request")) == [(words,)]


async def test_a_call_in_doubt_is_spoken_for_by_a_word(shell: Shell, store: Store) -> None:
    """Neither yes nor no is an answer to it; done, again and skip are."""
    turn = await opened(store, arrival(90))
    await ask(store, turn, "DABT2", kind="in_doubt", closes_at=None)
    for verb, words in (("approve", ""), ("deny", ""), ("answer", "maybe")):
        with pytest.raises(GatewayError, match="gatepost answer DABT2 done, again, or skip"):
            await shell.decides(verb, "DABT2", words)
    assert (await shell.decides("answer", "DABT2", "Skip")).done


async def test_a_used_up_budget_is_raised_by_what_is_needed(shell: Shell, store: Store) -> None:
    """In its window, as the card says; nothing can be answered there."""
    turn = await opened(store, arrival(90))
    short = {"scope": "org_month", "span": "2025-10", "limit": 1, "spent": 1, "held": 0}
    detail = {**short, "short_by": 5, "needed": 5, "what": "the next answer"}
    await ask(store, turn, "LWMWT", kind="limit", closes_at=None, detail=detail)
    with pytest.raises(GatewayError, match="gatepost approve LWMWT raises it"):
        await shell.decides("answer", "LWMWT", "more")
    assert (await shell.decides("approve", "LWMWT")).done
    rows = await store.read(lambda tx: tx.rows("SELECT scope, span, raised FROM balance"))
    assert rows == [("org_month", "2025-10", 5)]


async def test_a_code_nobody_has_is_an_error(shell: Shell) -> None:
    """Nothing is guessed."""
    with pytest.raises(GatewayError, match="gatepost approvals lists them"):
        await shell.decides("approve", "ZZZZZ")


async def test_spend_tells_sums_and_limits(shell: Shell) -> None:
    """By chat, person and what; limits in use with what is left; the month though unused."""
    table = await shell.desk.spend("day", "")
    assert (table.total.settled, table.total.held) == (0, 0)
    assert [limit.scope for limit in table.limits] == ["org_month"]
    card = await shell.asked()
    await shell.decides("approve", card.code)
    await shell.ends()
    table = await shell.desk.spend("day", "")
    assert (table.total.settled, table.total.held) == (SPENT, 0)
    assert {way: [(s.name, s.settled) for s in found] for way, found in table.by.items()} == {
        "chat": [("telegram:1001", SPENT)],
        "requester": [("telegram:1001", SPENT)],
        "what": [("demo_job: train a small model", SPENT)],
    }
    limits = {limit.scope.partition(":")[0]: limit for limit in table.limits}
    assert limits["chat_day"].limit == 10 * DOLLAR
    assert limits["org_month"].settled == SPENT
    month = await shell.desk.spend("month", "payer")
    assert [(s.name, s.settled) for s in month.by["payer"]] == [("demo", SPENT)]
    assert list(month.by) == ["payer"]


async def test_a_freeze_from_the_shell_holds_everywhere(shell: Shell) -> None:
    """Approve says why not, deny works; it is in the table; unfreezing says what else stands."""
    card = await shell.asked()
    assert (await shell.desk.freeze("all", SHELL)).text == "Spending is frozen everywhere."
    assert "was frozen before" in (await shell.desk.freeze("all", SHELL)).text
    await shell.desk.freeze("telegram:1001", SHELL)
    refused = await shell.decides("approve", card.code)
    assert not refused.done
    assert "frozen" in refused.text
    assert [f.scope for f in (await shell.desk.spend("day", "")).freezes] == [
        "all",
        "telegram:77|telegram:1001",
    ]
    lifted = await shell.desk.unfreeze("all", SHELL)
    assert (lifted.done, "Still frozen: telegram:1001" in lifted.text) == (True, True)
    assert not (await shell.desk.unfreeze("all", SHELL)).done
    assert (await shell.desk.unfreeze("telegram:1001", SHELL)).done
    assert (await shell.decides("approve", card.code)).done


@pytest.mark.parametrize("chat", ["slack:T1/C1", "nowhere", "telegram:1/2/3"])
async def test_a_chat_that_is_none_is_not_frozen(shell: Shell, chat: str) -> None:
    """One sentence, no row."""
    with pytest.raises(GatewayError):
        await shell.desk.freeze(chat, SHELL)
    assert await shell.core.store.read(freezes.every) == []


async def test_an_estimator_is_cleared_by_name(shell: Shell, store: Store) -> None:
    """Once; the audit knows by whom."""
    await write(store, lambda tx: freezes.suspect(tx, JOB, reason="too low", now=1))
    assert [s.name for s in (await shell.desk.spend("day", "")).suspects] == [JOB]
    missed = await shell.desk.clear_estimator("other", SHELL)
    assert (missed.done, JOB in missed.text) == (False, True)
    assert (await shell.desk.clear_estimator(JOB, SHELL)).done
    last = (await store.read(lambda tx: audit.of_subject(tx, JOB)))[-1]
    assert (last.link.kind, last.link.actor) == ("cleared", SHELL)


async def test_leave_is_listed_and_taken_back(shell: Shell, store: Store) -> None:
    """With what is left of it; a second word finds nothing."""
    await shell.asked()
    await shell.says("/auto $2 2h")
    (leave,) = await shell.desk.grants()
    assert (leave.kind, leave.cap, leave.left, leave.uses_left) == (
        "auto",
        2 * DOLLAR,
        2 * DOLLAR,
        None,
    )
    assert (await shell.desk.revoke(leave.id, SHELL)).done
    assert await shell.desk.grants() == ()
    gone = await shell.desk.revoke(leave.id, SHELL)
    assert (gone.done, "gatepost grants" in gone.text) == (False, True)


async def test_the_audit_is_followed_and_handed_out(shell: Shell, store: Store) -> None:
    """Whole until a row is altered, then its number is named; secrets never leave."""
    card = await shell.asked()
    await shell.decides("deny", card.code, f"the key is {SECRET}")
    found = await shell.desk.verify_audit()
    head = await shell.desk.audit_head()
    assert (found.whole, found.seq, found.head) == (True, head.seq, head.hash)
    page = await shell.desk.export_audit(0)
    assert page.after == head.seq
    assert SECRET not in "".join(page.lines)
    rows = [orjson.loads(line) for line in page.lines]
    assert [row["seq"] for row in rows] == list(range(1, head.seq + 1))
    assert any(row.get("redacted") for row in rows)
    assert (await shell.desk.export_audit(head.seq)).after is None
    await write(store, lambda tx: tx.run("UPDATE audit SET actor = 'eve' WHERE seq = 2"))
    broken = await shell.desk.verify_audit()
    assert (broken.whole, broken.seq, broken.reason) == (False, 2, "it was altered")


async def test_why_tells_the_whole_story_of_an_approval(shell: Shell, store: Store) -> None:
    """Verdict and rule, card, refused and accepted presses, hold, run and bill, in order."""
    card = await shell.asked()
    await shell.core.desk.desk.typed(card.code, _foreign(shell))
    await shell.decides("approve", card.code)
    await shell.ends()
    story = await store.read(lambda tx: explain(tx, card.code))
    text = "\n".join(story)
    assert story[0].startswith(f"approval {card.code}: call, asked ")
    steps = [
        "judged: ask by rule",
        "asked: card rev 1, requester decides",
        "by telegram:1002: Only whoever asked",
        f"hold: {JOB}",
        f"approved by {SHELL} (shell, rev 1)",
        f"settle: {JOB}",
    ]
    ran = [f"began: {JOB}", "ended: done", "the card is closed"]
    for order in (steps, ran):
        places = [text.find(step) for step in order]
        assert -1 not in places, (text, order)
        assert places == sorted(places), text
    (call_id, hold_id) = await store.read(_ids)
    for ident in (call_id, hold_id, card.code.lower()):
        assert f"hold {hold_id}" in "\n".join(await store.read(lambda tx, i=ident: explain(tx, i)))  # type: ignore[misc]
    turn = await store.read(lambda tx: explain(tx, "t1"))
    assert any(line.startswith(f"  approval {card.code} (call)") for line in turn)
    assert "  money: $0.0840 spent, $0.00 held, in 1 holds" in turn


def _ids(tx: Tx) -> tuple[str, str]:
    row = tx.row("SELECT id, reservation_id FROM tool_call")
    assert row is not None
    return row[0], row[1]


def _foreign(shell: Shell) -> Act:
    """Ben's yes in ann's chat."""
    return Act(
        account="telegram:77",
        chat="telegram:1001",
        message=None,
        person="telegram:1002",
        name="Ben",
        source="command",
        at=shell.core.clock.now(),
        decision=Decision.APPROVE,
    )
