"""Pure: the model that needs no model, in this protocol: it says what the other server's says."""

from collections.abc import Mapping
from typing import Any

from tests.wire.anthropic.script import Piece, Reply, Say, Use
from tests.wire.openai.converse import converse as converse_chat

Json = Mapping[str, Any]


def converse(request: Json) -> Reply:
    """Answers a request by the last thing a person said in it."""
    said = converse_chat({**request, "messages": [_chat(m) for m in request["messages"]]})
    blocks: list[Piece] = [Say(deltas=said.deltas)] if said.deltas else []
    for call in said.calls:
        call_id = f"toolu_{len(request['messages'])}_{call.id}"
        blocks.append(Use(name=call.name, input=call.arguments, id=call_id))
    return Reply(blocks=tuple(blocks))


def _chat(message: Json) -> Json:
    """The message as the other protocol has it, as far as words go."""
    content = message["content"]
    if isinstance(content, str):
        return message
    results = [block for block in content if block["type"] == "tool_result"]
    if results:
        return {"role": "tool", "content": results[-1].get("content", "")}
    words = [block for block in content if block["type"] == "text"]
    return {"role": message["role"], "content": words}
