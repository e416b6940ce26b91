"""A Responses entry whose streams break, by whole turns: reconnect, plain, then the ladder."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agent.credentials import StaticKey
from agent.effects import TurnState
from agent.failover import FailoverPlan
from agent.health import Health
from agent.memos import Memos
from agent.model_room import ModelRoom
from agent.providers.bounds import CLOUD
from agent.providers.openai_responses import OpenAIResponses, ResponsesEndpoint
from tests.agent.chain import views
from tests.agent.scripted import entry
from tests.agent.test_runner import Turn
from tests.warp import warped
from tests.wire.responses import RESPONSES, Cut, ResponsesServer, Silence, Stream, event
from tests.wire.server import Answer, CutBefore

BEGIN = event("response.created", response={"model": "loopback-1"})
HELLO = event("response.output_text.delta", output_index=0, delta="Hel")
PRELUDE = Stream(steps=(event("error", code="server_error", message="boom"),))
NO_MARKER = Stream(steps=(BEGIN, HELLO))
CUT = Stream(steps=(BEGIN, HELLO, Cut()))

Story = Callable[["Rungs"], Coroutine[Any, Any, None]]


class Rungs:
    """A turn whose plan is a Responses server and another behind it."""

    def __init__(self, first: ResponsesServer, second: ResponsesServer, *, codex: bool) -> None:
        loop = asyncio.get_running_loop()
        self.first = first
        self.second = second
        self.waits: list[float] = []
        self.stop_at_wait = False
        models = ModelRoom(
            health=Health(),
            memos=Memos(),
            now=lambda: int(loop.time() * 1_000_000),
            clock=loop.time,
            sleep=self._sleep,
            jitter=lambda: 0.0,
        )
        self.providers = [_provider(first, "first", codex), _provider(second, "second", False)]
        entries = tuple(
            entry(
                provider,
                provider.origin.provider,
                api="openai-responses",
                credential=StaticKey(label="main", key="sk-loopback"),
            )
            for provider in self.providers
        )
        self.turn = Turn(plan=FailoverPlan(entries), tools={}, models=models)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.stop_at_wait:
            self.turn.signals.stop("ann")
        await asyncio.sleep(seconds)


def _provider(server: ResponsesServer, name: str, stream_only: bool) -> OpenAIResponses:
    endpoint = ResponsesEndpoint(
        name=name, base_url=server.base_url, model="loopback-1", stream_only=stream_only
    )
    return OpenAIResponses(endpoint, bounds=CLOUD)


def play(story: Story, *, codex: bool = False) -> None:
    """Tell a story on a loop whose clock jumps."""

    async def told() -> None:
        async with ResponsesServer(codex=codex) as first, ResponsesServer() as second:
            rungs = Rungs(first, second, codex=codex)
            try:
                await story(rungs)
            finally:
                for provider in rungs.providers:
                    await provider.close()

    warped(told())


def streams(server: ResponsesServer) -> list[bool]:
    """Whether each request asked for a stream."""
    return [bool(seen.arguments.get("stream")) for seen in server.requests(RESPONSES)]


@pytest.mark.parametrize(
    "broken", [PRELUDE, NO_MARKER, CUT], ids=["prelude", "no marker", "transport"]
)
@pytest.mark.parametrize("codex", [False, True], ids=["stream=false", "plain read"])
def test_one_reconnect_then_the_same_request_plainly(broken: Stream, codex: bool) -> None:
    """Two broken streams, and the third request brings the answer, read without showing it."""

    async def story(at: Rungs) -> None:
        at.first.respond(broken, broken, "Hello")
        end = await at.turn.run()
        assert end.state is TurnState.DONE
        assert streams(at.first) == [True, True, codex]
        assert at.first.peers[0] != at.first.peers[1]
        assert not at.second.requests(RESPONSES)
        assert views(at.turn.events)[-1] == "Hello"

    play(story, codex=codex)


def test_a_reconnect_may_be_all_that_is_missing() -> None:
    """After one broken stream the next is whole, and nothing else is tried."""

    async def story(at: Rungs) -> None:
        at.first.respond(NO_MARKER, "Hello")
        await at.turn.run()
        assert streams(at.first) == [True, True]
        assert views(at.turn.events)[-1] == "Hello"

    play(story)


def test_the_real_status_decides_what_comes_next() -> None:
    """The plain request brings out the refusal behind the broken streams, and the next answers."""

    async def story(at: Rungs) -> None:
        body = b'{"error": {"code": "model_not_found", "message": "The model does not exist"}}'
        at.first.respond(PRELUDE, PRELUDE, Answer(status=404, body=body))
        at.second.respond("Hello")
        end = await at.turn.run()
        assert end.state is TurnState.DONE
        assert (len(streams(at.first)), len(streams(at.second))) == (3, 1)

    play(story)


def test_after_the_last_rung_comes_the_ladder() -> None:
    """Broken to the end, the entry is left for the next one."""

    async def story(at: Rungs) -> None:
        at.first.faults.add(RESPONSES, *(CutBefore() for _ in range(16)))
        at.second.respond("Hello")
        end = await at.turn.run()
        assert end.state is TurnState.DONE
        assert len(streams(at.first)) == 3
        assert views(at.turn.events)[-1] == "Hello"

    play(story)


def test_a_stop_is_honoured_while_a_rung_is_waited_for() -> None:
    """Whoever stops the turn before the reconnect is heard, and nothing more is asked."""

    async def story(at: Rungs) -> None:
        at.stop_at_wait = True
        at.first.respond(NO_MARKER)
        end = await at.turn.run()
        assert (end.state, end.by) == (TurnState.CANCELLED, "ann")
        assert len(at.waits) == len(streams(at.first)) == 1

    play(story)


def test_a_stop_is_honoured_while_the_last_rung_is_read() -> None:
    """Nothing was shown of the plain reply, and its socket is closed."""

    async def story(at: Rungs) -> None:
        never = Stream(steps=(BEGIN, HELLO, Silence()))
        at.first.respond(NO_MARKER, NO_MARKER, never)
        running = asyncio.create_task(at.turn.run())
        await at.first.seen(lambda _: len(streams(at.first)) == 3, timeout=60)
        at.turn.signals.stop("ann")
        end = await running
        assert (end.state, end.by) == (TurnState.CANCELLED, "ann")
        await at.first.hung_up(timeout=60)
        assert len(streams(at.first)) == 3

    play(story, codex=True)
