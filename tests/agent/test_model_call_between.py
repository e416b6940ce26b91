"""What lies between two attempts of a model call: what was said stays, what was done is kept."""

import asyncio
from dataclasses import replace

import pytest

from agent.attempts import CallKind
from agent.effects import Mark, Parked, TurnState
from agent.errors import (
    ModelUnavailable,
    NeedsAdjustment,
    PolicyBlocked,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
)
from agent.events import StepRewound, Waiting
from agent.messages import Origin, PartialReply, ResultStatus, Text
from agent.providers.base import (
    ActionFinished,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamOpened,
    TextReceived,
)
from tests.agent.chain import chain, refusal, views
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import (
    ORIGIN,
    ScriptedProvider,
    Step,
    call,
    entry,
    turn_rows,
    user,
)
from tests.agent.test_model_call import DOWN, jumping, long_past
from tests.agent.test_runner import Turn
from tests.wire.openai import Reply

SPARE = replace(ORIGIN, endpoint="http://spare", model="spare-1")


def said(text: str, stop: Stop = Stop.DONE) -> tuple[Step, ...]:
    """A stream of one text and its end."""
    return (
        StreamOpened(),
        TextReceived(text=text),
        PartCompleted(part=Text(text=text)),
        StreamCompleted(stop=stop),
    )


def failure(kind: type[ProviderError], reason: str = "r", **fields: object) -> ProviderError:
    """A failure of the scripted model."""
    return kind("no", provider="main", model="m", reason=reason, **fields)  # type: ignore[arg-type]


@jumping
async def test_what_everybodys_filter_stopped_is_not_delivered() -> None:
    """Not as a partial either."""
    async with chain() as house:
        for server in house.servers:
            server.reply(Reply(deltas=("Forbidden",), finish="content_filter"))
        end = await house.run()
        assert (end.text, end.messages, end.mark) == ("", (), Mark.NONE)


@jumping
async def test_a_stop_between_two_parts_of_a_reply_keeps_the_first() -> None:
    """What the reader has seen is what is stored."""
    async with chain(1) as house:
        limited = refusal(429, "slow", "rate_limit_error", retry_after="60")
        house.servers[0].reply(Reply(deltas=("The first half ",), finish="length"), limited)
        turn = house.turn()
        running = turn.start()
        await turn.told(lambda event: isinstance(event, Waiting))
        turn.signals.stop("Ann")
        end = await running
        assert end.messages == (PartialReply(text="The first half "),)
        assert views(turn.events)[-1] == "The first half "


async def test_a_pause_and_its_failure_keep_what_was_said() -> None:
    """When everybody fails the whole of it is the partial."""
    broken = (TextReceived(text="x"), failure(ProviderUnavailable))
    model = ScriptedProvider(said("Long searched text. ", Stop.PAUSED), broken)
    end = await Turn(entry(model)).run()
    assert (end.text, end.mark) == ("Long searched text. x", Mark.CUT_BY_FAILURE)


async def test_no_call_makes_more_than_sixteen_attempts() -> None:
    """Also not with continuations among them."""
    over = failure(ProviderUnavailable)
    streams = []
    for number in range(4):
        streams += [(over,), (over,), said(f"part {number} ", Stop.LENGTH)]
    model = ScriptedProvider(*streams, *[said("and ", Stop.PAUSED)] * 9)
    turn = Turn(entry(model, patience="full"))
    await turn.run()
    assert len(model.requests) <= 16


@jumping
async def test_new_words_end_a_mere_wait() -> None:
    """Nothing is in flight: the next request has them."""
    async with chain(1) as house:
        limited = refusal(429, "slow", "rate_limit_error", retry_after="50")
        house.servers[0].reply(limited, "Hi both.")
        turn = house.turn(journal=ListedJournal((user("and hello"),)))
        running = turn.start()
        await turn.told(lambda event: isinstance(event, Waiting))
        turn.signals.interrupt()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await running).text == "Hi both."
        assert loop.time() - began < 5
        assert "and hello" in str(house.servers[0].asked[-1]["messages"])


@jumping
async def test_the_end_of_the_process_ends_a_mere_wait() -> None:
    """No further request is made; the rows say how the turn goes on."""
    async with chain(1) as house:
        house.servers[0].reply(refusal(429, "slow", "rate_limit_error", retry_after="50"))
        turn = house.turn()
        running = asyncio.create_task(turn.outcome())
        await turn.told(lambda event: isinstance(event, Waiting))
        turn.signals.park()
        assert await running == Parked(asked=False)
        assert house.asked == [1]


async def test_a_reply_of_no_use_is_booked_before_the_process_ends() -> None:
    """Its usage is known, so it is no orphan."""
    model = ScriptedProvider((StreamCompleted(stop=Stop.DONE),))
    turn = Turn(entry(model))
    turn.journal.on_write = lambda name: turn.signals.park() if name == "step_opened" else None
    assert await turn.outcome() == Parked(asked=False)
    assert [name for name, _ in turn.journal.listed] == ["step_opened", "attempt_ended"]


@jumping
async def test_new_words_do_not_cut_a_summary() -> None:
    """Nobody sees it grow; they join when the call begins."""
    async with chain(1, context_window=32_000, max_output_tokens=2_000) as house:
        (server,) = house.servers
        server.default = lambda body: Reply(
            deltas=("They asked." if "condense" in str(body["messages"][0]) else "Now this.",)
        )
        turn = house.turn(rows=long_past())
        turn.journal.on_write = lambda name: turn.signals.interrupt()
        assert (await turn.run()).text == "Now this."


@jumping
async def test_a_wish_to_condense_costs_nothing_if_there_is_no_summary() -> None:
    """Only a need is met by rule."""
    async with chain(1, max_output_tokens=2_000) as house:
        (server,) = house.servers
        server.default = lambda body: (
            DOWN if "condense" in str(body["messages"][0]) else Reply(deltas=("Now this.",))
        )
        rows = replace(long_past(200), fold=True)
        turn = house.turn(rows=rows)
        assert (await turn.run()).text == "Now this."
        assert turn.journal.named("folded") == []


@jumping
async def test_a_dead_primary_does_not_condense_the_chat() -> None:
    """Another provider is asked for the summary, as for the answer."""
    async with chain(context_window=32_000, max_output_tokens=2_000) as house:
        primary, spare = house.servers
        await primary.close()
        spare.default = lambda body: Reply(
            deltas=("They asked." if "condense" in str(body["messages"][0]) else "Now this.",)
        )
        turn = house.turn(rows=long_past())
        end = await turn.run()
        assert (end.text, end.served) == ("Now this.", "beta")
        assert [fold.kind.value for fold in turn.journal.named("folded")] == ["summary"]
        kinds = [record.kind for record in turn.journal.records]
        assert kinds[0] is CallKind.COMPACTION


async def test_a_small_window_is_no_reason_to_fold() -> None:
    """A fallback that can't take the words to be answered is passed over."""
    main = ScriptedProvider((failure(ModelUnavailable, "model_missing"),))
    small = ScriptedProvider(origin=SPARE)
    turn = Turn(
        entry(main, context_window=128_000),
        entry(small, "small", context_window=4_000),
        rows=turn_rows(user("w" * 30_000)),
    )
    end = await turn.run()
    assert end.error is not None
    assert (small.requests, turn.journal.named("folded")) == ([], [])


async def test_a_cause_that_was_healed_is_not_the_headline() -> None:
    """All attempts are kept; people read of what lasted."""
    healed = failure(NeedsAdjustment, "streaming_unsupported")
    model = ScriptedProvider((healed,), (failure(ProviderOverloaded, "overloaded"),))
    end = await Turn(entry(model)).run()
    assert end.error is not None
    assert isinstance(end.error.headline, ProviderOverloaded)
    assert healed in end.error.attempts


async def test_an_endpoint_that_refuses_the_account_is_asked_no_more() -> None:
    """Also not after a provider in between."""
    first = ScriptedProvider((failure(PolicyBlocked, "policy_blocked"),))
    between = ScriptedProvider((failure(ModelUnavailable, "model_missing"),), origin=SPARE)
    again = ScriptedProvider(origin=Origin(provider="c", endpoint=ORIGIN.endpoint, model="other"))
    turn = Turn(entry(first), entry(between, "between"), entry(again, "again"))
    await turn.run()
    assert again.requests == []


@pytest.mark.parametrize("how", ["failure", "stop", "words"])
async def test_what_a_provider_did_itself_is_stored_however_its_reply_ended(how: str) -> None:
    """The words of the torn reply are taken back."""
    held = asyncio.Event()
    acted = ActionFinished(call=call("look"), status=ResultStatus.DONE, text="seen")
    last: Step = failure(ProviderRateLimited, "rate_limited") if how == "failure" else held
    model = ScriptedProvider((TextReceived(text="Look: "), acted, last), said("Done."))
    turn = Turn(entry(model), journal=ListedJournal((user("wait"),)))
    running = turn.start()
    if how != "failure":
        await model.waits.wait()
        turn.signals.stop("Ann") if how == "stop" else turn.signals.interrupt()
    end = await running
    (record,) = turn.journal.named("step_recorded")
    assert [each.refusal.text for each in record.calls if each.refusal] == ["seen"]
    assert any(isinstance(event, StepRewound) for event in turn.events)
    assert end.state is (TurnState.CANCELLED if how == "stop" else TurnState.DONE)


@jumping
async def test_a_cap_the_provider_has_named_holds_for_the_continuation() -> None:
    """It is not raised above it again."""
    async with chain(1, max_output_tokens=8_192) as house:
        (server,) = house.servers
        no = refusal(
            400,
            "max_tokens is too large: 8192. This model supports at most 4096 completion tokens",
            "invalid_request_error",
        )
        server.reply(no, Reply(deltas=("first ",), finish="length"), "second")
        end = await house.run()
        assert end.text == "first second"
        assert [body["max_tokens"] for body in server.asked] == [4_032, 4_032]


@jumping
async def test_a_continuation_without_money_leaves_the_answer_as_it_is() -> None:
    """What was paid for is delivered, marked."""
    async with chain(1) as house:
        house.servers[0].reply(Reply(deltas=("The first half ",), finish="length"))
        journal = ListedJournal()
        journal.affords_quote = lambda quote: False
        end = await house.run(journal=journal)
        assert (end.text, end.mark) == ("The first half ", Mark.CUT_BY_LENGTH)
