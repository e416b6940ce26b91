"""What model calls cost: a quote for every attempt, and what becomes of one without a reply."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from agent.costs import FREE, Quote, Unknown, UnknownBecause
from agent.credentials import Lease, StaticKey
from agent.effects import Parked, TurnState
from agent.errors import (
    ModelUnavailable,
    ProviderAuthFailed,
    ProviderError,
    ProviderUnavailable,
    RequestInvalid,
    TlsUntrusted,
)
from agent.journal import Bill
from agent.messages import Origin, Text, Usage
from agent.providers.base import (
    ArgumentsReceived,
    ModelRequest,
    ModelRerouted,
    PartCompleted,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    TextReceived,
    ToolCallOpened,
    UsageReported,
)
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from agent.tool_runs import NOTHING_BEGAN
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import ScriptedProvider, Step, call, entry, unavailable, user
from tests.agent.test_runner import Turn
from tests.wire.openai import OpenAIServer
from tests.wire.server import Answer

NO_PRICE = Quote(ceiling=Unknown(because=UnknownBecause.PRICE))
USAGE = Usage(input=10, output=2)
SPARE = Origin(provider="spare", endpoint="http://loopback", model="spare-1")
ANSWER: tuple[Step, ...] = (
    PartCompleted(part=Text(text="ok")),
    UsageReported(usage=USAGE),
    StreamCompleted(stop=Stop.DONE),
)


class PerMessage:
    """A price for every message of a request; a reply costs what its tokens say."""

    def __init__(self, price: int) -> None:
        self.price = price
        self.learned: list[tuple[ModelRequest, Usage]] = []

    def quote(self, request: ModelRequest) -> Quote:
        return Quote(ceiling=self.price * len(request.messages), source="config")

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        return self.price * (usage.input + usage.output)

    def measured(self, request: ModelRequest) -> None:
        return None

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        return self.price * (len(request.messages) + written)

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        self.learned.append((request, usage))


class Spending(ScriptedProvider):
    """A provider that calls its model several times within a reply."""

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(super().stream(request, lease)) as events:
            async for event in events:
                if isinstance(event, UsageReported) and request.spend is not None:
                    await request.spend(event.usage)
                yield event


class Uncounted(PerMessage):
    """A price whose figures nobody believes."""

    def __init__(self) -> None:
        super().__init__(1)

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        return None


class Bounded(PerMessage):
    """A price whose figures nobody believes of more than so many tokens."""

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        return super().spent(usage) if usage.input + usage.output <= 12 else None


class Unpriced:
    """A model nobody knows the price of."""

    def quote(self, request: ModelRequest) -> Quote:
        return NO_PRICE

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        return None

    def measured(self, request: ModelRequest) -> None:
        return None

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        return None

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        pass


def failing(error: ProviderError, *before: Step) -> ScriptedProvider:
    """A provider whose only stream fails after these events."""
    return ScriptedProvider((*before, error))


def spare(*streams: tuple[Step, ...]) -> ScriptedProvider:
    return ScriptedProvider(*(streams or (ANSWER,)), origin=SPARE)


async def test_every_attempt_is_quoted_as_itself() -> None:
    """The one that takes over has another price, and its own money is put aside."""
    turn = Turn(
        entry(failing(gone()), pricing=PerMessage(5)),
        entry(spare(), "spare", pricing=PerMessage(300)),
    )
    await turn.run()
    assert turn.journal.named("step_opened") == [
        (1, "loopback-1", Quote(ceiling=5, source="config")),
        (1, "spare-1", Quote(ceiling=300, source="config")),
    ]


async def test_every_step_is_quoted_with_its_own_request() -> None:
    """The second request carries the first one's results, and its ceiling says so."""
    asks: tuple[Step, ...] = (
        PartCompleted(part=call("pure")),
        StreamCompleted(stop=Stop.TOOL_CALLS),
    )
    provider = ScriptedProvider(asks, ANSWER)
    turn = Turn(entry(provider, pricing=PerMessage(5)))
    await turn.run()
    opened = turn.journal.named("step_opened")
    assert [(step, quote.ceiling) for step, _, quote in opened] == [(1, 5), (2, 15)]


async def test_an_unknown_price_is_quoted_as_unknown() -> None:
    """It is never taken for nothing."""
    turn = Turn(entry(ScriptedProvider(ANSWER), pricing=Unpriced()))
    end = await turn.run()
    assert turn.journal.named("step_opened") == [(1, "loopback-1", NO_PRICE)]
    assert end.spent is None


async def test_what_a_reply_cost_goes_with_it() -> None:
    """By the prices of whoever answered; with a step that has calls, and with the end."""
    asks: tuple[Step, ...] = (
        PartCompleted(part=call("pure")),
        UsageReported(usage=USAGE),
        StreamCompleted(stop=Stop.TOOL_CALLS),
    )
    turn = Turn(
        entry(failing(unavailable()), pricing=PerMessage(5)),
        entry(spare(asks, ANSWER), "spare", pricing=PerMessage(300)),
    )
    end = await turn.run()
    (record,) = turn.journal.named("step_recorded")
    assert (record.spent, end.spent) == (3_600, 3_600)


async def test_whoever_answered_learns_from_what_was_counted() -> None:
    """From a complete reply only, and with the very request that was counted."""
    first, second = PerMessage(5), PerMessage(300)
    broken = failing(unavailable(), UsageReported(usage=USAGE))
    answering = spare()
    await Turn(entry(broken, pricing=first), entry(answering, "spare", pricing=second)).run()
    assert first.learned == []
    assert second.learned == [(answering.requests[0], USAGE)]


async def test_a_reply_without_usage_has_no_known_cost() -> None:
    """What was put aside stays: nobody can tell what it was."""
    said = PartCompleted(part=Text(text="ok"))
    silent: tuple[Step, ...] = (TextReceived(text="ok"), said, StreamCompleted(stop=Stop.DONE))
    turn = Turn(entry(ScriptedProvider(silent), pricing=PerMessage(5)))
    assert (await turn.run()).spent is None


async def test_without_money_nobody_is_asked() -> None:
    """The turn waits for people; no request leaves, and watchers are told of no step."""
    provider = ScriptedProvider()
    turn = Turn(entry(provider, pricing=PerMessage(5)))
    turn.journal.affords_step = lambda step, model: False
    assert await turn.outcome() == Parked(asked=True)
    assert (provider.requests, turn.events) == ([], [])
    assert turn.journal.named("over_budget") == [
        (1, "loopback-1", Quote(ceiling=5, source="config"))
    ]
    assert not turn.journal.named("closed")


async def test_without_money_for_the_next_provider_the_turn_waits() -> None:
    """The failed attempt is told, the dearer one is not made."""
    dear = ScriptedProvider(origin=SPARE)
    turn = Turn(
        entry(failing(gone()), pricing=PerMessage(5)),
        entry(dear, "spare", pricing=PerMessage(300)),
    )
    turn.journal.affords_step = lambda step, model: model == "loopback-1"
    assert await turn.outcome() == Parked(asked=True)
    assert dear.requests == []
    assert [name for name, _ in turn.journal.listed] == [
        "step_opened",
        "attempt_ended",
        "over_budget",
    ]


async def test_a_step_paid_for_later_is_the_same_step() -> None:
    """Taken up again after people raised the limit, the first step is still the first."""
    turn = Turn(entry(ScriptedProvider(ANSWER), pricing=PerMessage(5)))
    turn.journal.affords_step = lambda step, model: False
    await turn.outcome()
    turn.journal.affords_step = lambda step, model: True
    assert (await turn.run()).state is TurnState.DONE
    assert [step for step, _, _ in turn.journal.named("step_opened")] == [1]


def gone() -> ProviderError:
    """A failure after which the next provider is asked at once."""
    return ModelUnavailable("no such model", provider="main", model="m", reason="model_missing")


def error(
    kind: type[ProviderError], status: int | None = None, cause: Exception | None = None
) -> ProviderError:
    """A failure of the main provider, with what was behind it."""
    made = kind("no", provider="main", model="m", reason="r", status=status)
    made.__cause__ = cause
    made.sent = not isinstance(cause, ConnectionRefusedError | socket.gaierror)
    return made


@pytest.mark.parametrize(
    ("failure", "began"),
    [
        (error(ProviderUnavailable, 429), False),
        (error(ProviderUnavailable, 400), False),
        (error(RequestInvalid), False),
        (error(TlsUntrusted), False),
        (error(ProviderUnavailable, cause=ConnectionRefusedError()), False),
        (error(ProviderUnavailable, cause=socket.gaierror()), False),
        (error(ProviderUnavailable, 503), False),
        (error(ProviderUnavailable, cause=ConnectionResetError()), True),
        (error(ProviderUnavailable, cause=TimeoutError()), True),
        (error(ProviderUnavailable), True),
    ],
)
async def test_an_attempt_without_a_word_may_have_begun(
    failure: ProviderError, began: bool
) -> None:
    """What was not taken is free: refused connections, an error in a stream's place, our faults."""
    turn = Turn(entry(failing(failure)))
    await turn.run()
    assert {bill.began for _, bill in turn.journal.named("attempt_ended")} == {began}


@pytest.mark.parametrize("failure", [error(ProviderUnavailable, 429), error(RequestInvalid)])
async def test_an_attempt_that_had_begun_to_answer_has_begun(failure: ProviderError) -> None:
    """Whatever error the provider then sends inside its stream."""
    turn = Turn(entry(failing(failure, TextReceived(text="Hm"))))
    await turn.run()
    assert all(bill.began for _, bill in turn.journal.named("attempt_ended"))


class Expired(StaticKey):
    """A credential that can't be renewed."""

    async def lease(self, *, session: str = "", model: str = "") -> Lease:
        raise ProviderAuthFailed("expired", provider="main", model="m", reason="expired")


async def test_without_a_credential_nothing_has_begun() -> None:
    """Nothing was sent, so nothing is paid."""
    turn = Turn(entry(ScriptedProvider(), credential=Expired(label="main", key="")))
    await turn.run()
    assert {bill for _, bill in turn.journal.named("attempt_ended")} == {NOTHING_BEGAN}


@pytest.mark.parametrize("status", [429, 503])
async def test_a_servers_refusal_in_place_of_a_stream_has_not_begun(status: int) -> None:
    """The same over a real connection, where the status is the server's."""
    async with OpenAIServer() as server:
        server.reply(*[Answer(status=status, body=b'{"error": {"message": "no"}}')] * 9)
        provider = OpenAIChat(
            ChatEndpoint(name="main", base_url=server.base_url, model="loopback-1")
        )
        turn = Turn(entry(provider))
        await turn.run()
        await provider.close()
    assert {bill.began for _, bill in turn.journal.named("attempt_ended")} == {False}


async def test_a_server_that_is_not_there_has_not_begun() -> None:
    """A refused connection costs nothing."""
    async with OpenAIServer() as server:
        base_url = server.base_url
    provider = OpenAIChat(ChatEndpoint(name="main", base_url=base_url, model="loopback-1"))
    turn = Turn(entry(provider))
    await turn.run()
    await provider.close()
    assert {bill for _, bill in turn.journal.named("attempt_ended")} == {NOTHING_BEGAN}


async def test_once_stopped_no_step_is_opened() -> None:
    """Neither the first one nor that of the next provider: no money is put aside any more."""
    turn = Turn(entry(ScriptedProvider()))
    turn.signals.stop("Ann")
    assert (await turn.run()).state is TurnState.CANCELLED
    assert [name for name, _ in turn.journal.listed] == ["closed"]

    waiting = spare()
    turn = Turn(entry(failing(unavailable())), entry(waiting, "spare"))
    turn.journal.on_write = lambda name: (
        turn.signals.stop("Ann") if name == "attempt_ended" else None
    )
    assert (await turn.run()).state is TurnState.CANCELLED
    assert [model for _, model, _ in turn.journal.named("step_opened")] == ["loopback-1"]
    assert waiting.requests == []


async def test_a_stop_while_the_step_is_opened_costs_nothing() -> None:
    """The request never left: the journal is told so, and watchers see the step end."""
    provider = ScriptedProvider(ANSWER)
    turn = Turn(entry(provider))
    turn.journal.on_write = lambda name: turn.signals.stop("Ann") if name == "step_opened" else None
    assert (await turn.run()).state is TurnState.CANCELLED
    assert provider.requests == []
    assert turn.journal.named("attempt_ended") == [(1, NOTHING_BEGAN)]


def bill_of(turn: Turn) -> Bill:
    """What the first attempt is said to have cost."""
    _, bill = turn.journal.named("attempt_ended")[0]
    assert isinstance(bill, Bill)
    return bill


@pytest.mark.parametrize("end", ["stop", "words", "failure"])
async def test_a_cut_stream_costs_what_came_of_it(end: str) -> None:
    """The input and at most a token a byte, of thinking and arguments as well; a bit for time."""
    held = asyncio.Event()
    came = (
        ReasoningReceived(text="Hmm"),
        TextReceived(text="Once é"),
        ToolCallOpened(ordinal=1, name="once"),
        ArgumentsReceived(ordinal=1, text='{"n":'),
    )
    last: Step = error(ProviderUnavailable) if end == "failure" else held
    provider = ScriptedProvider((*came, last), ANSWER)
    turn = Turn(entry(provider, pricing=PerMessage(1_000)), journal=ListedJournal((user("wait"),)))
    running = turn.start()
    if end != "failure":
        await provider.waits.wait()
    if end == "stop":
        turn.signals.stop("Ann")
    if end == "words":
        turn.signals.interrupt()
    await running
    bill = bill_of(turn)
    assert bill.began and bill.spent is not None
    least = 1_000 * (1 + 3 + 7 + 4 + 5)
    assert least <= bill.spent <= least + 1_000 * 250


async def test_unseen_thinking_is_counted_by_its_time() -> None:
    """The request is out, no byte came: what the model thought meanwhile may be charged."""
    loop = asyncio.get_running_loop()
    provider = ScriptedProvider((asyncio.Event(),))
    turn = Turn(entry(provider, pricing=PerMessage(1)))
    running = turn.start()
    await provider.waits.wait()
    begun = loop.time()
    turn.signals.stop("Ann")
    await running
    spent = bill_of(turn).spent
    assert spent is not None and spent <= 1 + 250 * (loop.time() - begun + 5)


async def test_a_cut_stream_without_a_price_has_no_figure() -> None:
    """It has begun, and that is all that can be said."""
    turn = Turn(entry(failing(error(ProviderUnavailable)), pricing=Unpriced()))
    await turn.run()
    assert bill_of(turn) == Bill(hold_s=600.0)


async def test_a_subscription_costs_a_known_nothing() -> None:
    """Its quote and its bill are zero, not unknown."""
    turn = Turn(entry(ScriptedProvider(ANSWER)))
    end = await turn.run()
    assert turn.journal.named("step_opened") == [(1, "loopback-1", FREE)]
    assert end.spent == 0


async def test_each_call_within_a_reply_is_booked_and_the_next_one_put_aside_for() -> None:
    """At its dearest; where calls cost nothing, and where nobody knows, nothing is booked."""
    paid, free, unknown = (ScriptedProvider(ANSWER) for _ in range(3))
    turn = Turn(entry(paid, pricing=PerMessage(2)))
    await turn.run()
    await Turn(entry(free)).run()
    (asked,), (unpaid,) = paid.requests, free.requests
    assert asked.spend is not None and unpaid.spend is None
    turn.journal.affords_more = lambda step, spent: spent < 20
    assert await asked.spend(Usage(input=1, output=0))
    assert await asked.spend(Usage(input=6, output=1))
    assert not await asked.spend(Usage(input=9, output=1))
    assert turn.journal.named("spent_so_far") == [(1, 2, 2), (1, 14, 12), (1, 20, 12)]
    await Turn(entry(unknown, pricing=Uncounted())).run()
    (blind,) = unknown.requests
    assert blind.spend is not None
    assert not await blind.spend(USAGE)


async def test_each_call_within_a_reply_is_priced_by_itself() -> None:
    """What one may not have used they may have used together; the bill is their sum."""
    provider = ScriptedProvider(ANSWER)
    await Turn(entry(provider, pricing=Bounded(2))).run()
    (asked,) = provider.requests
    assert asked.spend is not None
    assert await asked.spend(Usage(input=6, output=4))
    assert await asked.spend(Usage(input=12, output=8))
    assert not await asked.spend(Usage(input=32, output=8))


async def test_what_another_model_has_used_is_paid_at_its_price() -> None:
    """From where the provider says so; where nobody knows that price, nobody knows the sum."""
    first, both = Usage(input=3, output=1), Usage(input=5, output=1)
    told, rerouted = UsageReported(usage=first), ModelRerouted(model="dear")
    stream = (ANSWER[0], told, rerouted, UsageReported(usage=both), ANSWER[2])
    prices = {"dear": PerMessage(100), "unknown": Uncounted()}
    provider = Spending(stream)
    turn = Turn(replace(entry(provider, pricing=PerMessage(2)), reprice=prices.__getitem__))
    end = await turn.run()
    assert end.spent == 2 * 4 + 100 * 2
    assert end.attempt is not None and end.attempt.served == "dear"
    other = Spending((ANSWER[0], ModelRerouted(model="unknown"), told, ANSWER[2]))
    turn = Turn(replace(entry(other, pricing=PerMessage(2)), reprice=prices.__getitem__))
    assert (await turn.run()).spent is None


async def test_only_the_first_call_of_a_reply_counts_the_request() -> None:
    """Later ones read what was done within the reply too."""
    pricing = PerMessage(1)
    first = Usage(input=4, output=1)
    reported = UsageReported(usage=USAGE, first=first)
    provider = ScriptedProvider((ANSWER[0], reported, StreamCompleted(stop=Stop.DONE)))
    await Turn(entry(provider, pricing=pricing)).run()
    assert [usage for _, usage in pricing.learned] == [first]


async def test_a_reply_that_breaks_off_costs_what_it_has_said_so_far() -> None:
    """It may have taken several calls, and what one may cost at most bounds nothing then."""
    spent = UsageReported(usage=Usage(input=50_000, output=50_000))
    turn = Turn(
        entry(failing(unavailable(), spent), pricing=PerMessage(1)),
        entry(spare(), "spare"),
    )
    await turn.run()
    bills = [bill for _, bill in turn.journal.named("attempt_ended")]
    assert bills[0].spent == 100_000


async def test_nobody_works_on_for_a_turn_that_is_over_or_waits() -> None:
    """Every provider of the plan hears of it, once."""
    first, second = ScriptedProvider(ANSWER), spare()
    turn = Turn(entry(first), entry(second, "spare"))
    await turn.run()
    assert len(first.left) == len(second.left) == 1
