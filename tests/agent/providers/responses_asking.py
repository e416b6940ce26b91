"""How the Responses wire is asked in its tests: one attempt by a provider of its own."""

from typing import Any

import pytest

from agent.credentials import Lease
from agent.errors import ProviderError
from agent.messages import (
    UserMessage,
)
from agent.providers.base import (
    Adjustments,
    ModelRequest,
    PartCompleted,
    StreamEvent,
    TextReceived,
    ToolSpec,
)
from agent.providers.bounds import Bounds
from agent.providers.openai_responses import OpenAIResponses, ResponsesEndpoint
from tests.wire.responses import (
    RESPONSES,
    CallTool,
    Reply,
    ResponsesServer,
    Say,
    Think,
    event,
)

KEY = "sk-loopback"
LEASE = Lease(label="main", headers={"Authorization": f"Bearer {KEY}"})
QUICK = Bounds(connect_s=20, first_byte_s=20, idle_s=20, progress_s=20, step_s=40, collected_s=40)
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})
PLAIN = Adjustments(plain=True)
WHOLE = Adjustments(stream=False)
ASKED = {"model": "loopback-1", "include": ["reasoning.encrypted_content"]}
BEGIN = event("response.created", response={"model": "loopback-1"})
HELLO = event("response.output_text.delta", output_index=0, delta="Hel")
USED = {"input_tokens": 9, "output_tokens": 3}
END = event("response.completed", response={"output": [], "usage": USED})


def request(text: str = "hello", **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "Be kind.", "tools": (), "max_output_tokens": None}
    return ModelRequest(messages=(UserMessage(text=text),), **(options | kwargs))


def provider(server: ResponsesServer, bounds: Bounds = QUICK, **kwargs: Any) -> OpenAIResponses:
    given = {"name": "main", "base_url": server.base_url, "model": "loopback-1"} | kwargs
    return OpenAIResponses(ResponsesEndpoint(**given), bounds=bounds)


async def ask(
    server: ResponsesServer,
    bounds: Bounds = QUICK,
    asked: ModelRequest | None = None,
    **kwargs: Any,
) -> list[StreamEvent]:
    """All events of one attempt by a provider of its own, which makes exactly one request."""
    before = len(server.requests(RESPONSES))
    main = provider(server, bounds, **kwargs)
    try:
        return [event async for event in main.stream(asked or request(), LEASE)]
    finally:
        await main.close()
        assert len(server.requests(RESPONSES)) == before + 1


async def failure(
    server: ResponsesServer,
    bounds: Bounds = QUICK,
    asked: ModelRequest | None = None,
    **kwargs: Any,
) -> ProviderError:
    """The one error of an attempt, which made exactly one request."""
    with pytest.raises(ProviderError) as caught:
        await ask(server, bounds, asked, **kwargs)
    assert KEY not in str(caught.value)
    return caught.value


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


def parts_in(events: list[StreamEvent]) -> list[Any]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


FULL = Reply(
    items=(
        Think(summary=("I look.",)),
        Say(deltas=("Grüße ", "🎉")),
        CallTool(name="files", arguments='{"ä": 1}', id="call_x", piece=3),
    )
)
