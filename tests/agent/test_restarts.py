"""Restart signals: the next attempt sends another request, spends no retry, and says why."""

import asyncio
from collections import Counter

from agent.attempts import AttemptRecord, CallKind
from agent.costs import Quote
from agent.effects import TurnEnd
from agent.errors import ContentBlocked, ProviderUnavailable
from agent.events import TextDelta
from agent.messages import PartialReply
from agent.model_attempt import ModelAttempt
from agent.providers.base import ModelRequest, PulseReceived, Stop, TextReceived
from agent.recovery import Guard, Restart, TurnRetryState
from tests.agent.chain import chain, refusal
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import ORIGIN, ScriptedProvider, entry, user
from tests.agent.test_model_call import jumping, long_past
from tests.agent.test_model_call_between import SPARE, failure, said
from tests.agent.test_runner import Turn
from tests.wire.openai import Reply


def moves(turn: Turn, end: TurnEnd) -> list[str]:
    """What led to each attempt of a turn, in order."""
    records: list[AttemptRecord | None] = [*turn.journal.records, end.attempt]
    return [record.move for record in records if record is not None]


def test_a_signal_is_for_the_next_attempt_alone() -> None:
    """It costs no retry and uses no guard, and is gone once the attempt has begun."""
    state = TurnRetryState(failures=1).restarted(Restart.CONTINUED)
    assert (state.failures, state.attempts, state.used) == (1, 0, frozenset())
    assert state.attempted() == TurnRetryState(failures=1, attempts=1)


def test_only_a_step_rolled_back_is_still_one_elsewhere() -> None:
    """A fold and a half reply were those of the entry that was left."""
    state = TurnRetryState(used=frozenset({Guard.PRIMARY_TRANSPORT}))
    for restart in Restart:
        kept = restart if restart is Restart.REBUILT else None
        assert state.restarted(restart).on_next_entry().restart is kept


async def test_continued() -> None:
    """What was said goes back with the request, under the same step."""
    model = ScriptedProvider(said("The first half ", Stop.LENGTH), said("and the second."))
    turn = Turn(entry(model))
    end = await turn.run()
    assert end.text == "The first half and the second."
    assert moves(turn, end) == ["", "continued: after length"]
    assert end.attempt is not None
    assert end.attempt.kind is CallKind.CONTINUATION
    assert PartialReply(text="The first half ") in model.requests[1].messages


async def test_rebuilt_after_a_filter() -> None:
    """The next provider is asked for the whole step; nothing of the first goes with it."""
    blocked = (TextReceived(text="Some"), failure(ContentBlocked, "content_blocked"))
    main, spare = ScriptedProvider(blocked), ScriptedProvider(said("All."), origin=SPARE)
    turn = Turn(entry(main), entry(spare, "spare"))
    end = await turn.run()
    assert end.text == "All."
    assert moves(turn, end) == ["", "rebuilt: content_blocked to next"]
    assert spare.requests[0].messages == main.requests[0].messages


async def test_a_failure_that_showed_nothing_rebuilds_nothing() -> None:
    """It is the same request again."""
    main = ScriptedProvider((failure(ProviderUnavailable),), said("Here."))
    turn = Turn(entry(main))
    end = await turn.run()
    assert moves(turn, end) == ["", "retry 2 of 3"]


@jumping
async def test_compacted() -> None:
    """A request that is too long is folded before the next attempt, which spends no retry."""
    async with chain(1, context_window=200_000) as house:
        (server,) = house.servers
        server.default = lambda body: Reply(
            deltas=("They asked." if "condense" in str(body["messages"][0]) else "Now this.",)
        )
        server.reply(refusal(400, "maximum context length exceeded", "invalid_request_error"))
        turn = house.turn(rows=long_past(200))
        end = await turn.run()
        assert end.text == "Now this."
        assert moves(turn, end)[-1] == "compacted: 1 of 3"


async def test_redirected() -> None:
    """New words cut the call: what was shown stands before them, and the answer is asked anew."""
    held = asyncio.Event()
    model = ScriptedProvider((TextReceived(text="Once upon"), held), said("Yes?"))
    turn = Turn(entry(model), journal=ListedJournal((user("wait"),)))
    running = turn.start()
    await turn.told(lambda event: isinstance(event, TextDelta))
    turn.signals.interrupt()
    end = await running
    assert moves(turn, end) == ["", "redirected"]
    assert model.requests[1].messages[-2:] == (PartialReply(text="Once upon"), user("wait"))


def test_events_of_an_attempt_that_is_over_are_dropped_and_counted() -> None:
    """Nobody sees their words."""
    shown: list[object] = []
    attempt = ModelAttempt(
        entry(ScriptedProvider(origin=ORIGIN), "main"),
        ModelRequest(system="", messages=(user(),), tools=(), max_output_tokens=None),
        emit=shown.append,
        clock=lambda: 0.0,
        step=1,
        number=1,
        kind=CallKind.MAIN,
        quote=Quote(ceiling=0),
    )
    attempt.take(TextReceived(text="seen"))
    superseded: Counter[str] = Counter()
    attempt.end(superseded)
    attempt.take(TextReceived(text="late"))
    attempt.take(PulseReceived())
    assert shown == [TextDelta(text="seen")]
    assert attempt.shown == "seen"
    assert superseded == {"main": 2}
