"""What our loopback Discord answers is what simcord, a model that others wrote, answers as well.

The same calls of discord.py's own client go to both; where they differ is a table with its reasons.
simcord has no gateway and keeps fewer limits, so it can check answers and not the way in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from tests.wire.second_opinion import Call, Side, ours, theirs

Json = dict[str, Any]
Verdict = tuple[int, int]
Step = Call | str
"""A call, or what a person does: `use` the command, `press` the button of what was sent."""

POSTS = "/channels/{general}/messages"
SENT, SAID = POSTS + "/{sent}", POSTS + "/{said}"
COMMANDS = "/applications/{app}/commands"
CALLBACK = "/interactions/{interaction}/{token}/callback"
HOOK = "/webhooks/{app}/{token}"
FIRST, LATER = HOOK + "/messages/@original", HOOK + "/messages/{later}"
NOBODY = "1234567890123456789"
STATUS = {"name": "status", "description": "What is going on"}
DONE: Verdict = (200, 0)
LONG = "x" * 101


def call(method: str, path: str, body: Any = None, keep: str = "", **query: Any) -> Call:
    """A request."""
    return Call(method=method, path=path, body=body, keep=keep, query=query)


def post(keep: str = "", **body: Any) -> Call:
    """A message."""
    return call("POST", POSTS, {"content": "x"} | body, keep)


def answer(kind: int, keep: str = "", **data: Any) -> Call:
    """The first answer to an interaction."""
    return call("POST", CALLBACK, {"type": kind, "data": data}, keep)


def row(*parts: Json) -> Json:
    """A row of controls."""
    return {"type": 1, "components": list(parts)}


def button(number: int = 0, **more: Any) -> Json:
    """A button."""
    return {"type": 2, "style": 1, "label": "Go", "custom_id": f"b{number}"} | more


def menu(count: int = 1, **more: Any) -> Json:
    """A menu of so many options."""
    options = [{"label": f"o{number}", "value": f"v{number}"} for number in range(count)]
    return {"type": 3, "custom_id": "m", "options": options} | more


def form(count: int = 1, *, title: str = "Form", label: str = "Why?", **more: Any) -> Call:
    """A form of so many fields as the first answer."""
    fields = [
        {
            "type": 18,
            "label": label,
            "component": {"type": 4, "style": 2, "custom_id": f"f{number}"} | more,
        }
        for number in range(count)
    ]
    return answer(9, title=title, custom_id="form", components=fields)


def rows(*each: Json) -> Call:
    """A message with these rows."""
    return post(components=list(each))


def commands(*wanted: Json) -> Call:
    """All commands, anew."""
    return call("PUT", COMMANDS, list(wanted))


def after_press(*steps: Step) -> tuple[Step, ...]:
    """These, once the button of a message was pressed."""
    return (post("sent", components=[row(button())]), "press", *steps)


STORIES: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {
        "texts": (
            post(content="x" * 2_000),
            post(content="x" * 2_001),
            post(content=""),
            call("POST", f"/channels/{NOBODY}/messages", {"content": "x"}),
            call("POST", "/channels/{general}/typing"),
        ),
        "nonces": (
            post(nonce="n" * 25, enforce_nonce=True),
            post(nonce="n" * 26, enforce_nonce=True),
        ),
        "replies": (
            post(message_reference={"message_id": "{said}"}),
            post(message_reference={"message_id": NOBODY, "fail_if_not_exists": False}),
            post(message_reference={"message_id": NOBODY}),
        ),
        "edits": (
            post("sent"),
            call("PATCH", SENT, {"content": "y"}),
            call("PATCH", SENT, {"content": "y" * 2_001}),
            call("PATCH", SAID, {"content": "y"}),
            call("PATCH", f"{POSTS}/{NOBODY}", {"content": "y"}),
        ),
        "deletions": (
            post("sent"),
            call("DELETE", SENT),
            call("DELETE", SENT),
            call("PATCH", SENT, {"content": "y"}),
        ),
        "reading": (
            post("sent"),
            call("GET", SENT),
            call("GET", SAID),
            call("GET", f"{POSTS}/{NOBODY}"),
            call("GET", POSTS, limit=100),
            call("GET", POSTS, after="{said}"),
            call("GET", POSTS, limit=101),
        ),
        "reactions": (
            call("PUT", f"{SAID}/reactions/👀/@me"),
            call("DELETE", f"{SAID}/reactions/👀/@me"),
            call("PUT", f"{POSTS}/{NOBODY}/reactions/👀/@me"),
        ),
        "buttons": (
            rows(row(*map(button, range(5)))),
            rows(row(*map(button, range(6)))),
            rows(*(row(button(number)) for number in range(5))),
            rows(*(row(button(number)) for number in range(6))),
            rows(row(button(label="x" * 80))),
            rows(row(button(label="x" * 81))),
            rows(row(button(custom_id="x" * 100))),
            rows(row(button(custom_id="x" * 101))),
            rows(row(button(), button())),
            rows(row()),
        ),
        "menus": (
            rows(row(menu(25))),
            rows(row(menu(26))),
            rows(row(menu(0))),
            rows(row(menu(placeholder="x" * 150))),
            rows(row(menu(placeholder="x" * 151))),
            rows(row(menu(), button())),
        ),
        "threads": (
            call("POST", f"{SAID}/threads", {"name": "t"}, "thread"),
            call("GET", "/channels/{thread}"),
            call("POST", "/channels/{thread}/messages", {"content": "x"}),
            call("POST", "/channels/{general}/threads", {"name": "t", "type": 11}),
            call("POST", "/channels/{general}/threads", {"name": "", "type": 11}),
            call("POST", f"{SAID}/threads", {"name": "t"}),
            call("POST", "/channels/{general}/threads", {"name": LONG, "type": 11}),
        ),
        "forums": (
            call(
                "POST",
                "/channels/{forum}/threads",
                {"name": "t", "message": {"content": "x"}},
                "thread",
            ),
            call("GET", "/channels/{thread}"),
            call("POST", "/channels/{forum}/threads", {"name": "t"}),
            call("POST", "/channels/{forum}/messages", {"content": "x"}),
        ),
        "people and places": (
            call("GET", "/users/@me"),
            call("GET", "/users/@me/guilds"),
            call("GET", "/users/{ada}"),
            call("GET", f"/users/{NOBODY}"),
            call("GET", "/guilds/{guild}/members/{ada}"),
            call("GET", "/channels/{general}"),
            call("GET", f"/channels/{NOBODY}"),
            call("POST", "/users/@me/channels", {"recipient_id": "{ada}"}, "dm"),
            call("POST", "/channels/{dm}/messages", {"content": "x"}),
            call("POST", "/users/@me/channels", {"recipient_id": NOBODY}),
        ),
        "commands": (
            commands(STATUS),
            call("GET", COMMANDS),
            commands({"name": "n" * 33, "description": "x"}),
            commands({"name": "n", "description": LONG}),
            commands(STATUS, STATUS),
        ),
        "a command is answered": (
            commands(STATUS),
            "use",
            answer(5, flags=64),
            answer(4, content="x"),
            call("PATCH", FIRST, {"content": "here"}),
            call("GET", FIRST),
            call("POST", HOOK, {"content": "more", "flags": 64}, "later"),
            call("PATCH", LATER, {"content": "less"}),
            call("GET", LATER),
            call("DELETE", LATER),
            call("GET", LATER),
            call("DELETE", FIRST),
            call("GET", FIRST),
        ),
        "a command has no message to change": (commands(STATUS), "use", answer(6)),
        "a press is answered": after_press(
            answer(6),
            answer(6),
            call("POST", HOOK, {"content": "x", "flags": 64}),
            call("PATCH", FIRST, {"content": "y"}),
        ),
        "a press changes its message": after_press(
            answer(7, content="done", components=[]), call("GET", SENT)
        ),
        "too much for an answer": after_press(
            answer(4, content="x" * 2_001), answer(4, content="x" * 2_000)
        ),
        "tokens of nobody": after_press(
            call("POST", "/interactions/{interaction}/wrong/callback", {"type": 6}),
            call("POST", "/webhooks/{app}/wrong", {"content": "x"}),
            call("POST", HOOK, {"content": "early"}),
        ),
        "a form opens once": after_press(form(), form()),
        "a title at its limit": after_press(form(title="x" * 46), form(title="x" * 45)),
        "fields at their limit": after_press(form(6), form(0), form(5)),
        "labels at their limit": after_press(form(label="x" * 46), form(label="x" * 45)),
        "words at their limit": after_press(form(max_length=4_001), form(max_length=4_000)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where simcord answers something else, and why ours stays."""

    ours: Verdict
    theirs: Verdict
    why: str


DIFFERENT: Mapping[tuple[str, int], Difference] = MappingProxyType(
    {
        ("texts", 2): Difference(
            ours=(400, 50006), theirs=(400, 50035), why='50006 is "Cannot send an empty message"'
        ),
        ("nonces", 1): Difference(
            ours=(400, 50035), theirs=DONE, why='"Create Message": up to 25 characters'
        ),
        ("replies", 2): Difference(
            ours=(400, 50035), theirs=DONE, why="`fail_if_not_exists` is true by default"
        ),
        ("reading", 6): Difference(
            ours=(400, 50035), theirs=DONE, why='"Get Channel Messages": 1 to 100'
        ),
        ("threads", 5): Difference(
            ours=(400, 160004), theirs=DONE, why="160004: one thread for a message"
        ),
        ("threads", 6): Difference(
            ours=(400, 50035), theirs=DONE, why='"Start Thread": 1 to 100 characters'
        ),
        ("forums", 3): Difference(
            ours=(400, 50008), theirs=DONE, why="50008: no messages in a non-text channel"
        ),
        ("commands", 2): Difference(
            ours=(400, 50035), theirs=DONE, why='"Application Commands": 1 to 32 characters'
        ),
        ("commands", 3): Difference(
            ours=(400, 50035), theirs=DONE, why='"Application Commands": 1 to 100 characters'
        ),
        ("commands", 4): Difference(
            ours=(400, 50035), theirs=DONE, why='"Application Commands": names are unique'
        ),
        ("a command has no message to change", 2): Difference(
            ours=(400, 50035), theirs=DONE, why="types 6 and 7: for components only"
        ),
        ("tokens of nobody", 3): Difference(
            ours=(401, 50027), theirs=(404, 10015), why='50027 is "Invalid webhook token"'
        ),
        ("tokens of nobody", 4): Difference(
            ours=(404, 10015), theirs=DONE, why="there is no webhook before the first answer"
        ),
    }
)


@pytest.mark.parametrize("story", STORIES)
async def test_both_answer_alike(story: str) -> None:
    """The same status, code and kinds of fields, call by call, but for the differences named."""
    async with ours() as here:
        said_here = [outcome async for outcome in _told(here, story)]
    async with theirs() as there:
        said_there = [outcome async for outcome in _told(there, story)]
    for number, (one, other) in enumerate(zip(said_here, said_there, strict=True)):
        known = DIFFERENT.get((story, number))
        expected = (one[0], one[0]) if known is None else (known.ours, known.theirs)
        assert (one[0], other[0]) == expected, f"call {number} of {story!r}"
        if one[0] == other[0] == DONE:
            assert sorted(_differing(one[1], other[1])) == [], f"call {number} of {story!r}"


async def _told(side: Side, story: str) -> Any:
    side.names |= await side.acts.say()
    for step in STORIES[story]:
        match step:
            case "use":
                side.names |= await side.acts.use("status")
                yield DONE, None
            case "press":
                side.names |= await side.acts.press(side.names["sent"], "b0")
                yield DONE, None
            case Call():
                found = await side.ask(step)
                yield found.verdict, found.body
            case _:
                raise AssertionError(f"no such step: {step}")


def _differing(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Fields of both answers that hold different kinds of things; null stands for any kind."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() & other.keys():
            yield from _differing(one[name], other[name], f"{at}.{name}")
    elif isinstance(one, list) and isinstance(other, list):
        for left, right in zip(one, other, strict=False):
            yield from _differing(left, right, f"{at}[]")
    elif at and None not in {_kind(one), _kind(other)} and _kind(one) != _kind(other):
        yield f"{at}: {_kind(one)}, {_kind(other)}"


def _kind(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "truth"
        case int():
            return "number"
        case str() if value.isdecimal():
            return "id"
        case str():
            return "text"
        case _:
            return type(value).__name__


def test_differences_are_of_calls_there_are() -> None:
    """No difference is left over from a story that changed."""
    for story, number in DIFFERENT:
        assert isinstance(STORIES[story][number], Call)
