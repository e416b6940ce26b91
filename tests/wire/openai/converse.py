"""Pure: a model that needs no model. Echoes, writes at length, and at some words wants tools.

What it wants at those words asks people first: a paid job, a destructive change, a question.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.wire.openai.script import CallTool, Reply

Json = Mapping[str, Any]
PARAGRAPHS = 60
BEFORE = "[said here before"
"""How the paragraph begins that a gateway puts before words said in a group."""


def converse(request: Json) -> Reply:
    """Answers a request by the last thing a person said in it."""
    messages: Sequence[Json] = request["messages"]
    last = messages[-1]
    if last["role"] == "tool":
        return _in_words(f"The tool says:\n\n```\n{words_of(last)}\n```\n")
    said = last_user_text(messages)
    lowered = said.lower()
    if (wanted := _wanted(lowered)) and request.get("tools"):
        return wanted
    if "long" in lowered:
        return _in_words(_long_answer())
    before = [words_of(m) for m in messages if m["role"] == "user"][:-1]
    memory = f"\n\nBefore that you said: *{before[-1]}*" if before else ""
    return _in_words(
        f"You said: **{said}**{memory}\n\n"
        "- say `list files` to see a tool call\n- say `long` to see an answer in several parts\n"
        "- say `train`, `delete notes`, `rewrite notes`, `spend`, `do it all` or `ask me` and I"
        " have to ask you first\n"
    )


def _wanted(said: str) -> Reply | None:
    """The tools wanted at a person's words, beside a few words of its own."""
    for words, (text, names) in _AT_WORDS.items():
        if words in said:
            return Reply(
                deltas=(text,),
                calls=tuple(
                    CallTool(name=name, arguments=json.dumps(arguments), id=f"call_loopback_{at}")
                    for at, (name, arguments) in enumerate((_CALLS[each] for each in names), 1)
                ),
            )
    return None


_CALLS: Mapping[str, tuple[str, Json]] = {
    "list": ("files", {"operation": "list", "path": "."}),
    "train": (
        "hf_jobs",
        {
            "operation": "uv",
            "script_path": "train.py",
            "script_args": ["--epochs", "3"],
            "flavor": "a100-large",
            "timeout": "45m",
            "namespace": "acme-prod",
        },
    ),
    "delete": ("files", {"operation": "delete", "path": "notes.md"}),
    "rewrite": (
        "files",
        {
            "operation": "write",
            "path": "notes.md",
            "content": "# Notes\n\nNothing is left to do.\n",
        },
    ),
    "search": ("web_search", {"query": "learning rate schedules that work"}),
    "ask": (
        "ask_user",
        {
            "question": "Which split shall I train on?",
            "options": ["the new one", "the old one", "both"],
        },
    ),
}
_AT_WORDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "list files": ("Let me look. ", ("list",)),
    "train": ("I fine-tune on the new split as agreed. ", ("train",)),
    "delete notes": ("The notes are out of date, so I delete them. ", ("delete",)),
    "rewrite notes": ("I write the notes anew. ", ("rewrite",)),
    "spend": ("I look it up. ", ("search",)),
    "do it all": ("I look it up, train, and clean up. ", ("search", "train", "delete")),
    "ask me": ("There is one thing I have to know. ", ("ask",)),
}


def last_user_text(messages: Sequence[Json]) -> str:
    """The last words of a person in a request's messages, without what others said before."""
    said = next((words_of(m) for m in reversed(messages) if m["role"] == "user"), "")
    paragraphs = said.split("\n\n")
    return "\n\n".join(each for each in paragraphs if not each.startswith(BEFORE))


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
