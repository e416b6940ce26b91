"""The runner's model calls: real requests to a loopback model, one for every attempt."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from agent.costs import FREE
from agent.credentials import Lease, StaticKey
from agent.effects import Mark, Parked, TurnEnd, TurnRows, TurnState
from agent.errors import ProviderAuthFailed, ProviderUnavailable, StreamBroken
from agent.events import ProviderSwitched, StepRewound, StepStarted, TextDelta, TurnEvent
from agent.failover import Entry, FailoverPlan
from agent.messages import AssistantMessage, Origin, PartialReply, Text, ToolCall, Usage
from agent.model_room import ModelRoom
from agent.policy import judge_with
from agent.providers.base import (
    PartCompleted,
    PulseReceived,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamOpened,
    TextReceived,
    UsageReported,
)
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from agent.runner import Runner
from agent.signals import TurnSignals
from agent.tools.base import CallContext, Tool
from agent.turn import turn_flow
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import (
    ScriptedProvider,
    all_tools,
    assistant,
    call,
    entry,
    turn_rows,
    unavailable,
    user,
)
from tests.wire.openai import CHAT, CallTool, Cut, OpenAIServer, Reply, Stream, chunk
from tests.wire.server import Answer

GONE = Answer(
    status=404, body=b'{"error": {"message": "The model does not exist", "type": "not_found"}}'
)
"""After this the next provider is asked at once."""


async def _at_once(seconds: float) -> None:
    await asyncio.sleep(0)


def patient_room() -> ModelRoom:
    """A room where no wait takes any time."""
    return replace(ModelRoom(), sleep=_at_once)


class Turn:
    """One turn with everything around it; `events` is what its watchers were told."""

    def __init__(
        self,
        *entries: Entry,
        rows: TurnRows | None = None,
        tools: Mapping[str, Tool] | None = None,
        journal: ListedJournal | None = None,
        plan: FailoverPlan | None = None,
        **options: Any,
    ) -> None:
        self.rows = rows or turn_rows(user("hi"))
        self.tools = all_tools() if tools is None else tools
        self.journal = journal or ListedJournal()
        self.journal.turn = self.rows
        self.journal.may_run.update(self.rows.calls)
        self.signals = TurnSignals()
        self.events: list[TurnEvent] = []
        self.plan = plan or FailoverPlan(entries)
        self._told = asyncio.Event()
        options.setdefault("models", patient_room())
        self.runner = Runner(
            origin=CallContext(call_id="", session="s1"),
            system="Be kind.",
            plan=self.plan,
            tools=self.tools,
            journal=self.journal,
            signals=self.signals,
            emit=self._tell,
            **options,
        )

    def _tell(self, event: TurnEvent) -> None:
        self.events.append(event)
        self._told.set()

    async def told(self, wanted: Callable[[TurnEvent], bool]) -> TurnEvent:
        """Wait for an event."""
        async with asyncio.timeout(60):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._told.clear()
                await self._told.wait()

    async def outcome(self) -> TurnEnd | Parked:
        """Run it to its end, or to where it is parked."""
        return await self.runner.run(turn_flow(self.journal.reload(), judge_with(self.tools)))

    async def run(self) -> TurnEnd:
        """Run it to its end."""
        ended = await self.outcome()
        assert isinstance(ended, TurnEnd)
        return ended

    def start(self) -> asyncio.Task[TurnEnd]:
        """Run it beside the test."""
        return asyncio.create_task(self.run())

    @property
    def shown(self) -> str:
        """Every word its watchers were given."""
        return "".join(e.text for e in self.events if isinstance(e, TextDelta))


Connect = Callable[..., Entry]


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    """The first model server."""
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def spare() -> AsyncIterator[OpenAIServer]:
    """The second model server."""
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes entries of servers, and closes their clients at the end."""
    made: list[OpenAIChat] = []

    def entry_for(server: OpenAIServer, name: str = "main", **fields: Any) -> Entry:
        endpoint = ChatEndpoint(name=name, base_url=server.base_url, model="loopback-1")
        made.append(OpenAIChat(endpoint))
        return entry(made[-1], name, **fields)

    yield entry_for
    for provider in made:
        await provider.close()


def said(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Roles and words of a request."""
    return [(m["role"], m.get("content") or "") for m in request["messages"]]


async def test_an_answer_is_one_request(model: OpenAIServer, connect: Connect) -> None:
    """Words are told as they come, the reply is stored whole, and the model was asked once."""
    model.reply(Reply(deltas=("Par", "is.")))
    turn = Turn(connect(model))
    end = await turn.run()
    assert end.state is TurnState.DONE
    (message,) = end.messages
    origin = Origin(provider="main", endpoint=model.base_url, model="loopback-1")
    assert message == AssistantMessage(parts=(Text(text="Paris."),), origin=origin)
    assert end.usage is not None
    assert turn.events == [
        StepStarted(step=1, model="loopback-1"),
        TextDelta(text="Par"),
        TextDelta(text="is."),
    ]
    assert turn.journal.listed == [("step_opened", (1, "loopback-1", FREE)), ("closed", end)]
    assert len(model.requests(CHAT)) == 1
    assert said(model.asked[0]) == [("system", "Be kind."), ("user", "hi")]
    assert [t["function"]["name"] for t in model.asked[0]["tools"]] == sorted(turn.tools)


async def test_the_step_is_stored_before_it_is_asked(connect: Connect, model: OpenAIServer) -> None:
    """A journal that refuses the intent keeps the request from leaving."""
    journal = ListedJournal()
    journal.refuses = {"step_opened": LookupError("fenced")}
    with pytest.raises(LookupError, match="fenced"):
        await Turn(connect(model), journal=journal).run()
    assert model.record == []


async def test_a_request_is_valid_whatever_the_past_looks_like(
    model: OpenAIServer, connect: Connect
) -> None:
    """Calls without results get one, in their place."""
    model.reply("ok")
    past = turn_rows(user("old"), assistant("Hm.", call("pure")), user("q"))
    turn = Turn(connect(model), rows=past)
    await turn.run()
    assert said(model.asked[0]) == [
        ("system", "Be kind."),
        ("user", "old"),
        ("assistant", "Hm."),
        ("tool", "This was not run."),
        ("user", "q"),
    ]


async def test_stop_in_the_middle_of_a_stream(model: OpenAIServer, connect: Connect) -> None:
    """The socket is closed at once, and what was shown is kept."""
    model.reply(Reply(deltas=("Once upon", asyncio.Event())))
    turn = Turn(connect(model))
    running = turn.start()
    await turn.told(lambda event: isinstance(event, TextDelta))
    turn.signals.stop("Ann")
    end = await running
    assert end == TurnEnd(
        state=TurnState.CANCELLED,
        text="Once upon",
        mark=Mark.STOPPED,
        by="Ann",
        messages=(PartialReply(text="Once upon"),),
        primary="loopback-1",
    )
    await model.hung_up()
    assert turn.journal.named("closed") == [end]


async def test_stop_before_the_first_word(model: OpenAIServer, connect: Connect) -> None:
    """Nothing was shown, so nothing is kept."""
    model.reply(Reply(deltas=(asyncio.Event(),)))
    turn = Turn(connect(model))
    running = turn.start()
    await model.seen(lambda seen: seen.operation == CHAT)
    turn.signals.stop("Ann")
    end = await running
    assert (end.state, end.text, end.messages) == (TurnState.CANCELLED, "", ())


async def test_interrupt_in_the_middle_of_a_stream(model: OpenAIServer, connect: Connect) -> None:
    """The call is cut; the next one sees what was shown and the new words."""
    model.reply(Reply(deltas=("Once upon", asyncio.Event())), "Yes?")
    turn = Turn(connect(model), journal=ListedJournal((user("wait"),)))
    running = turn.start()
    await turn.told(lambda event: isinstance(event, TextDelta))
    turn.signals.interrupt()
    end = await running
    assert end.text == "Yes?"
    assert turn.journal.named("messages_recorded") == [(PartialReply(text="Once upon"),)]
    roles = said(model.asked[1])
    assert roles[-1] == ("user", "wait")
    assert any("Once upon" in words for role, words in roles if role == "assistant")


async def test_interrupt_before_the_first_word_restarts_nothing(
    model: OpenAIServer, connect: Connect
) -> None:
    """A call that has shown nothing goes on; the new words wait for their place."""
    released = asyncio.Event()
    model.reply(Reply(deltas=(released, "Once.")), "Twice.")
    turn = Turn(connect(model), journal=ListedJournal((user("wait"),)))
    running = turn.start()
    await model.seen(lambda seen: seen.operation == CHAT)
    turn.signals.interrupt()
    released.set()
    end = await running
    assert (end.text, len(model.asked)) == ("Once.", 1)


async def test_the_next_provider_takes_over(
    model: OpenAIServer, spare: OpenAIServer, connect: Connect
) -> None:
    """A primary that lacks its model costs one request; the reader is told who answers."""
    model.reply(GONE)
    spare.reply("Here.")
    turn = Turn(connect(model), connect(spare, "spare"))
    end = await turn.run()
    assert end.text == "Here."
    assert turn.events[1] == ProviderSwitched(model="loopback-1", primary="loopback-1")
    assert not any(isinstance(event, StepRewound) for event in turn.events)
    assert [step for step, _, _ in turn.journal.named("step_opened")] == [1, 1]
    assert (len(model.requests(CHAT)), len(spare.requests(CHAT))) == (1, 1)


async def test_a_broken_stream_is_rewound(
    model: OpenAIServer, spare: OpenAIServer, connect: Connect
) -> None:
    """Words of the failed provider are taken back before another's are shown."""
    broken = Stream(steps=(chunk({"role": "assistant", "content": "Wro"}), Cut()))
    model.reply(broken, broken)
    spare.reply("Right.")
    turn = Turn(connect(model), connect(spare, "spare"))
    end = await turn.run()
    assert end.text == "Right."
    assert turn.events == [
        StepStarted(step=1, model="loopback-1"),
        *(TextDelta(text="Wro"), StepRewound(step=1), StepStarted(step=1, model="loopback-1")),
        TextDelta(text="Wro"),
        StepRewound(step=1),
        ProviderSwitched(model="loopback-1", primary="loopback-1"),
        StepStarted(step=1, model="loopback-1"),
        TextDelta(text="Right."),
    ]


async def test_a_turn_that_moved_on_does_not_go_back(
    model: OpenAIServer, spare: OpenAIServer, connect: Connect
) -> None:
    """Later steps of the turn ask the provider that answered; only the next turn starts anew."""
    model.reply(GONE)
    spare.reply(Reply(calls=(CallTool(name="pure", arguments="{}"),)), "Done.")
    entries = (connect(model), connect(spare, "spare"))
    turn = Turn(*entries)
    assert (await turn.run()).text == "Done."
    assert (len(model.requests(CHAT)), len(spare.requests(CHAT))) == (1, 2)
    model.reply("Back.")
    assert (await Turn(*entries).run()).text == "Back."


async def test_nobody_answers(model: OpenAIServer, spare: OpenAIServer, connect: Connect) -> None:
    """One failure is told, with every attempt in it and the longest text that was shown."""
    long = Stream(steps=(chunk({"role": "assistant", "content": "Once upon"}), Cut()))
    short = Stream(steps=(chunk({"role": "assistant", "content": "On"}), Cut()))
    model.reply(long, long)
    spare.reply(short, short, short)
    turn = Turn(connect(model), connect(spare, "spare"))
    end = await turn.run()
    assert end.error is not None
    assert [a.provider for a in end.error.attempts] == ["main"] * 2 + ["spare"] * 3
    assert all(isinstance(a, ProviderUnavailable) for a in end.error.attempts)
    assert (end.state, end.mark, end.text) == (TurnState.FAILED, Mark.CUT_BY_FAILURE, "Once upon")
    assert end.messages == (PartialReply(text="Once upon"),)
    assert sum(isinstance(event, StepRewound) for event in turn.events) == 5
    assert (len(model.requests(CHAT)), len(spare.requests(CHAT))) == (2, 3)


async def test_a_request_of_our_own_making_is_not_repeated(
    spare: OpenAIServer, connect: Connect
) -> None:
    """An address that is none fails before anything is sent, and nobody else is asked."""
    broken = OpenAIChat(ChatEndpoint(name="main", base_url="ftp://loopback/v1", model="m"))
    try:
        end = await Turn(entry(broken), connect(spare, "spare")).run()
    finally:
        await broken.close()
    assert end.state is TurnState.FAILED
    assert spare.record == []


class ExpiredCredential(StaticKey):
    """A credential that can't be renewed."""

    async def lease(self, *, session: str = "", model: str = "") -> Lease:
        raise ProviderAuthFailed("expired", provider="main", model="m", reason="expired")


async def test_a_credential_that_fails_is_a_failed_attempt(
    model: OpenAIServer, spare: OpenAIServer, connect: Connect
) -> None:
    """Without headers nothing is sent, and the next provider is asked."""
    spare.reply("Here.")
    turn = Turn(
        connect(model, credential=ExpiredCredential(label="main", key="")), connect(spare, "spare")
    )
    assert (await turn.run()).text == "Here."
    assert model.record == []


async def test_cancelling_the_turn_closes_the_stream(model: OpenAIServer, connect: Connect) -> None:
    """Shutdown leaves the step's intent and nothing else."""
    model.reply(Reply(deltas=("Once", asyncio.Event())))
    turn = Turn(connect(model))
    running = turn.start()
    await turn.told(lambda event: isinstance(event, TextDelta))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await model.hung_up()
    assert [kind for kind, _ in turn.journal.listed] == ["step_opened"]


async def test_without_the_terminal_marker_nothing_counts() -> None:
    """A provider that just ends has broken its stream, whatever it has said."""
    silent = (TextReceived(text="Pa"), PartCompleted(part=Text(text="Pa")))
    end = await Turn(entry(ScriptedProvider(silent, silent, silent))).run()
    assert end.error is not None
    assert isinstance(end.error.attempts[0], StreamBroken)
    assert end.messages == (PartialReply(text="Pa"),)


async def test_a_fault_in_a_provider_is_not_a_failed_attempt() -> None:
    """What is no ProviderError is our own bug: it ends the turn, and nobody else is asked."""
    faulty = ScriptedProvider((ZeroDivisionError(),))
    spare = ScriptedProvider()
    with pytest.raises(ZeroDivisionError):
        await Turn(entry(faulty), entry(spare, "spare")).run()
    assert spare.requests == []


async def test_parts_are_kept_in_order_and_texts_joined() -> None:
    """Neighbouring texts are one part, empty ones none; reasoning and pulses are not kept."""
    usage = Usage(input=3, output=4)
    provider = ScriptedProvider(
        (
            StreamOpened(),
            ReasoningReceived(text="hm"),
            PulseReceived(),
            UsageReported(usage=Usage(input=1, output=1)),
            PartCompleted(part=Text(text="")),
            PartCompleted(part=Text(text="a")),
            PartCompleted(part=Text(text="b")),
            UsageReported(usage=usage),
            StreamCompleted(stop=Stop.DONE),
        )
    )
    end = await Turn(entry(provider)).run()
    assert end.messages == (assistant("ab"),)
    assert end.usage == usage


async def test_the_longest_text_shown_is_kept_when_a_later_attempt_shows_none() -> None:
    """An attempt that failed at once does not take away what the reader has seen before."""
    first = ScriptedProvider((TextReceived(text="Once"), unavailable()))
    second = ScriptedProvider((unavailable("spare"),))
    end = await Turn(entry(first), entry(second, "spare")).run()
    assert end.text == "Once"


async def test_half_characters_never_reach_a_row() -> None:
    """A pair that came in two deltas is joined, a lone half is replaced, in words and in calls."""
    asked = ToolCall(id="", name="pure", arguments='{"n": "\ud83d"}')
    provider = ScriptedProvider(
        (
            TextReceived(text="a\ud83d"),
            TextReceived(text="\ude00"),
            PartCompleted(part=Text(text="a\ud83d")),
            PartCompleted(part=Text(text="\ude00")),
            PartCompleted(part=asked),
            StreamCompleted(stop=Stop.TOOL_CALLS),
        ),
        (TextReceived(text="b\ud83d"), unavailable()),
    )
    turn = Turn(entry(provider))
    end = await turn.run()
    (record,) = turn.journal.named("step_recorded")
    assert record.message.text == "a\N{GRINNING FACE}"
    assert record.message.calls[0].arguments == '{"n": "\N{REPLACEMENT CHARACTER}"}'
    assert end.text == "b\N{REPLACEMENT CHARACTER}"
