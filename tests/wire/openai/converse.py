"""Pure: a model that needs no model. Echoes, lists files with the tool, writes at length."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.wire.openai.script import CallTool, Reply

Json = Mapping[str, Any]
PARAGRAPHS = 60


def converse(request: Json) -> Reply:
    """Answers a request by the last thing a person said in it."""
    messages: Sequence[Json] = request["messages"]
    last = messages[-1]
    if last["role"] == "tool":
        return _in_words(f"The tool says:\n\n```\n{words_of(last)}\n```\n")
    said = last_user_text(messages)
    lowered = said.lower()
    if "list files" in lowered and request.get("tools"):
        return Reply(
            deltas=("Let me look. ",),
            calls=(CallTool(name="files", arguments='{"operation": "list", "path": "."}'),),
        )
    if "long" in lowered:
        return _in_words(_long_answer())
    before = [words_of(m) for m in messages if m["role"] == "user"][:-1]
    memory = f"\n\nBefore that you said: *{before[-1]}*" if before else ""
    return _in_words(
        f"You said: **{said}**{memory}\n\n"
        "- say `list files` to see a tool call\n- say `long` to see an answer in several parts\n"
    )


def last_user_text(messages: Sequence[Json]) -> str:
    """The last words of a person in a request's messages."""
    return next((words_of(m) for m in reversed(messages) if m["role"] == "user"), "")


def words_of(message: Json) -> str:
    """The text of a message, whether its content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _long_answer() -> str:
    parts = ["# A long answer\n"]
    for number in range(1, PARAGRAPHS + 1):
        parts.append(
            f"## Section {number}\n\nThis is paragraph **{number}** of {PARAGRAPHS}. It has "
            "*emphasis*, `code` and a [link](https://example.org/), so that a split in the middle "
            "would show. The quick brown fox jumps over the lazy dog, again and again.\n"
        )
        if number % 10 == 0:
            lines = "\n".join(f"line_{number}_{i} = {i}" for i in range(8))
            parts.append(f"```python\n{lines}\n```\n")
    return "\n".join(parts)


def _in_words(text: str) -> Reply:
    pieces: list[str] = []
    for piece in text.split(" "):
        pieces.append(piece if not pieces else " " + piece)
    return Reply(deltas=tuple(pieces))
