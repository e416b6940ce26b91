"""Model calls of a turn as its journal keeps them: records, money that waits, notices, alarms."""

from dataclasses import replace

import pytest

from agent.attempts import AttemptRecord, CallKind
from agent.compaction import Fold, FoldKind
from agent.costs import FREE, Quote, Unknown, UnknownBecause
from agent.effects import RecordStep, TurnEnd, TurnState
from agent.errors import AllProvidersFailed, ProviderRateLimited
from agent.journal import Bill
from agent.messages import Usage
from gateway.attempt_alerts import AttemptAlerts
from gateway.store.records import freezes, ledger
from tests.agent.scripted import assistant, call
from tests.gateway.kept import PAID, Kept, a_call, free, kept_of
from tests.gateway.records.rows import arrival, arrived, next_work, opened, write
from tests.gateway.records.test_turns import judged
from tests.gateway.way_out import WayOut

MINUTE = 60_000_000
ANSWERED = AttemptRecord(
    step=1, attempt=1, entry="main", asked="m", usage=Usage(input=9, output=1), outcome="done"
)
FAILED = replace(ANSWERED, usage=None, outcome="transport")
ANSWER = TurnEnd(
    state=TurnState.DONE,
    text="Paris.",
    step=1,
    spent=70,
    attempt=ANSWERED,
    usage=ANSWERED.usage,
    messages=(assistant("Paris."),),
    served="m",
    primary="m",
)


@pytest.fixture
async def kept(way: WayOut) -> Kept:
    """Turn 1, opened by ann's first message."""
    return await kept_of(way, await opened(way.store, arrival(1)))


async def outcomes(kept: Kept) -> list[tuple[object, ...]]:
    return await kept.rows("SELECT step, attempt, kind, outcome, flags FROM model_call ORDER BY id")


async def test_every_end_of_an_attempt_is_one_commit_with_its_record(kept: Kept) -> None:
    """One that failed, one with calls, and the answer."""
    await kept.journal.step_opened(1, "m", PAID)
    await kept.journal.attempt_ended(1, Bill(began=False), FAILED)
    await kept.journal.step_opened(1, "m", PAID, kind=CallKind.COMPACTION)
    folding = replace(ANSWERED, kind=CallKind.COMPACTION)
    await kept.journal.attempt_ended(1, Bill(spent=5), folding)
    await kept.journal.step_opened(1, "m", PAID)
    asked = replace(ANSWERED, outcome="tool_calls")
    step = RecordStep(
        step=1,
        message=assistant("Look.", call("once", ident="c1"), call("nope", ident="c2")),
        usage=ANSWERED.usage,
        calls=(a_call("once", "c1"), judged(call("nope", ident="c2"), None)),
        spent=9,
        attempt=asked,
    )
    await kept.journal.step_recorded(step)
    await kept.journal.step_opened(2, "m", PAID)
    await kept.journal.closed(replace(ANSWER, step=2, attempt=replace(ANSWERED, step=2)))
    assert await outcomes(kept) == [
        (1, 1, "main", "transport", ""),
        (1, 2, "compaction", "done", ""),
        (1, 3, "main", "tool_calls", ""),
        (2, 1, "main", "done", ""),
    ]
    assert await kept.rows(
        "SELECT state, actual, flags FROM reservation ORDER BY opened_at, id"
    ) == [
        ("released", 0, ""),
        ("settled", 5, ""),
        ("settled", 9, ""),
        ("settled", 70, ""),
    ]
    assert await kept.rows("SELECT number, attempt, state, kind FROM step ORDER BY 1, 2") == [
        (1, 1, "failed", "main"),
        (1, 2, "failed", "compaction"),
        (1, 3, "done", "main"),
        (2, 1, "done", "main"),
    ]


async def test_what_stands_of_a_failed_attempt_is_its_step(kept: Kept) -> None:
    """What it did itself is recorded although it failed; it has one record and counts."""
    await kept.journal.step_opened(1, "m", PAID)
    await kept.journal.attempt_ended(1, Bill(spent=5), FAILED)
    step = RecordStep(
        step=1, message=assistant("Look."), usage=None, calls=(), spent=None, attempt=FAILED
    )
    await kept.journal.step_recorded(step)
    assert len(await outcomes(kept)) == 1
    assert await kept.rows("SELECT state FROM step") == [("done",)]


@pytest.mark.parametrize(
    ("bill", "flags", "state", "actual"),
    [
        (Bill(spent=30, hold_s=600.0), "estimated", "settled", 30),
        (Bill(hold_s=600.0), "no_usage", "charged", PAID.ceiling),
        (Bill(), "no_usage", "charged", PAID.ceiling),
    ],
)
async def test_money_waits_where_a_provider_may_still_write(
    kept: Kept, bill: Bill, flags: str, state: str, actual: int
) -> None:
    """Held in full for ten minutes; then the estimate, or all of it where there is none."""
    await kept.journal.step_opened(1, "m", PAID)
    await kept.journal.attempt_ended(1, bill, FAILED)
    assert await outcomes(kept) == [(1, 1, "main", "transport", flags)]
    now = kept.way.clock.now()
    for at in (now, now + 10 * MINUTE - 1):
        await write(kept.way.store, lambda tx: ledger.close_overdue(tx, now=at))  # noqa: B023
        assert [each[1] for each in await kept.money()] == ["held"]
    await write(kept.way.store, lambda tx: ledger.close_overdue(tx, now=now + 10 * MINUTE))
    assert [each[1::2] for each in await kept.money()] == [(state, actual)]


@pytest.mark.parametrize(
    ("usage", "flag"),
    [(None, "no_usage"), (Usage(input=9, output=1, reasoning=2), "absurd_usage")],
)
async def test_an_answer_without_a_figure_is_charged_in_full(
    kept: Kept, usage: Usage | None, flag: str
) -> None:
    """Ten minutes after it came, and it is told why."""
    await kept.journal.step_opened(1, "m", PAID)
    record = replace(ANSWERED, usage=usage)
    await kept.journal.closed(replace(ANSWER, usage=usage, spent=None, attempt=record))
    assert await outcomes(kept) == [(1, 1, "main", "done", flag)]
    late = kept.way.clock.now() + 10 * MINUTE
    await write(kept.way.store, lambda tx: ledger.close_overdue(tx, now=late))
    assert [each[1::2] for each in await kept.money()] == [("charged", PAID.ceiling)]


async def test_what_a_chat_affords_is_only_looked_at(kept: Kept) -> None:
    """As much as the tightest limit has left; nothing while spending is frozen, or unpriced."""
    limit = 1_000_000  # that of a turn
    assert await kept.journal.affords(FREE)
    assert await kept.journal.affords(Quote(ceiling=limit))
    assert not await kept.journal.affords(Quote(ceiling=limit + 1))
    unknown = Unknown(because=UnknownBecause.PRICE)
    assert not await kept.journal.affords(Quote(ceiling=unknown))
    await kept.journal.step_opened(1, "m", PAID)
    assert not await kept.journal.affords(Quote(ceiling=limit))
    freeze = freezes.Freeze(scope="all", by="x", name="Dana", reason="stop", at=1)
    await write(kept.way.store, lambda tx: freezes.freeze(tx, freeze))
    assert not await kept.journal.affords(Quote(ceiling=1))
    assert len(await kept.money()) == 1


async def test_a_dearer_fallback_is_asked_about(kept: Kept) -> None:
    """The turn waits on a card that names both models and the price; the raise lets it go on."""
    dear = Quote(ceiling=2_000_000)
    assert not await kept.journal.step_opened(1, "big-2", dear, instead_of="big-1")
    (card,) = await kept.words()
    assert "big-1 is unavailable. Answer with big-2 for at most $2.00?" in card
    assert "The turn's budget is used up ($0.00 of $1.00)." in card
    assert "can raise it below" in card
    assert await kept.rows("SELECT state FROM turn") == [("waiting",)]


async def test_a_limit_is_told_with_its_end(kept: Kept) -> None:
    """In the gateway's zone."""
    limited = ProviderRateLimited(
        "https://api.test sk-123", provider="p", model="m", reason="rate_limited",
        retry_after_s=3_600.0,
    )  # fmt: skip
    end = TurnEnd(state=TurnState.FAILED, error=AllProvidersFailed((limited,)))
    await kept.journal.closed(end)
    (text,) = await kept.words()
    until = kept.desk.turn_desk.time(kept.way.clock.now() + 3_600_000_000)
    assert text == f'The model is at its usage limit until {until}. Say "retry" then. (ref t1)'


async def told(way: WayOut, number: int, served: str, primary: str = "m") -> str:
    """The words of one more turn in the chat that was answered so."""
    await arrived(way.store, arrival(number))
    turn = await next_work(way.store)
    kept = await kept_of(way, turn)  # type: ignore[arg-type]
    await free(kept.journal, 1)
    end = replace(ANSWER, spent=None, served=served, primary=primary)
    await kept.journal.closed(end)
    return (await kept.words())[-1]


async def test_who_answers_is_told_once_per_outage(way: WayOut) -> None:
    """A switch, then nothing, then the way back; another primary is another matter."""
    answers = [
        await told(way, number, served, primary)
        for number, (served, primary) in enumerate(
            [
                ("m", "m"), ("spare", "m"), ("other", "m"), ("x", "x"), ("", "m"), ("m", "m"),
                ("m", "m"), ("spare", "m"),
            ],
            1,
        )
    ]  # fmt: skip
    lines = [answer.removeprefix("Paris.").strip() for answer in answers]
    assert lines == [
        "", "Answered by spare; m is resting.", "", "", "", "Back on m.", "",
        "Answered by spare; m is resting.",
    ]  # fmt: skip
    rows = await way.store.read(lambda tx: tx.rows("SELECT model FROM resting"))
    assert rows == [("m",)]


def alarms(*records: AttemptRecord) -> list[str]:
    """What owners hear of a turn with these attempts, by key."""
    heard: list[str] = []
    alerts = AttemptAlerts(lambda key, sentence: heard.append(key))
    for record in records:
        alerts.take(record)
    assert heard == []  # not before it is known whether it was cured
    alerts.end()
    alerts.end()
    return heard


KEY_ONE = replace(FAILED, outcome="auth", credential="key-1", status=401)
KEY_TWO = replace(ANSWERED, credential="key-2")


def test_owners_hear_of_troubles_that_nothing_cured() -> None:
    """A login that was only old is no matter; one that another key stood in for is."""
    assert alarms(KEY_ONE, replace(ANSWERED, credential="key-1")) == []
    assert alarms(KEY_ONE, KEY_TWO) == ["model:main:key-1:auth"]
    assert alarms(KEY_ONE, KEY_ONE, KEY_TWO) == ["model:main:key-1:auth"]
    assert alarms(replace(KEY_ONE, outcome="timeout")) == []
    spare = replace(FAILED, entry="spare", outcome="model_missing")
    assert alarms(KEY_ONE, spare) == ["model:main:key-1:auth", "model:spare::model_missing"]


async def test_owners_hear_at_the_end_of_the_turn(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """What they can do stands in it, and nothing of the provider's own words."""
    await free(kept.journal, 1)
    await kept.journal.attempt_ended(1, Bill(began=False), KEY_ONE)
    await kept.journal.closed(replace(ANSWER, step=None, attempt=None))
    await kept.words()
    assert "main (m) with key-1: the login is refused (HTTP 401, auth)." in caplog.text
    assert "gatepost login" in caplog.text


async def test_owners_hear_when_a_turn_waits_for_money(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken primary is theirs to mend, whether or not its dearer stand-in may answer."""
    await kept.journal.step_opened(1, "big-1", PAID)
    await kept.journal.attempt_ended(1, Bill(began=False), KEY_ONE)
    dear = Quote(ceiling=2_000_000)
    assert not await kept.journal.step_opened(1, "big-2", dear, instead_of="big-1")
    await kept.words()
    assert "the login is refused" in caplog.text


@pytest.mark.parametrize("kind", FoldKind)
async def test_a_past_that_could_not_be_summed_up_is_told_once(kept: Kept, kind: FoldKind) -> None:
    """Only where its beginning is gone without a summary."""
    fold = Fold(kind=kind, first=0, through=0, last=0, text="before", gain=0.5)
    for _ in range(2):
        await kept.journal.folded(fold)
    told = [
        "This chat grew too long to summarise; I kept the recent part. /new starts clean. (ref t1)"
    ]
    assert await kept.words() == (told if kind is FoldKind.DIGEST else [])
