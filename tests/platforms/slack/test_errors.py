"""Every row of the error table, by an answer that goes through the real SDK."""

import json
import traceback
from pathlib import Path
from typing import Any

import pytest

from platforms import errors
from platforms.blocks import plain
from platforms.content import AnswerPress, Delete, Done, Edit, Operation, React, Upload
from platforms.events import ChatRef, MessageRef, PressToken
from tests.platforms.slack.journal import GENERAL, adapter_of, chat_of, connected, post
from tests.platforms.slack.test_parse import NOW
from tests.wire.server import Answer, CutAfter, CutBefore, Fault, HalfOpen
from tests.wire.slack import SlackServer

FOLDER = Path(__file__).parents[2] / "fixtures" / "slack" / "errors"
ROWS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
METHODS = {
    "post": "chat.postMessage",
    "edit": "chat.update",
    "delete": "chat.delete",
    "react": "reactions.add",
    "unreact": "reactions.remove",
}


def operation_of(name: str, chat: ChatRef) -> Operation:
    """An operation of that name on some message."""
    message = MessageRef(chat=chat, message_id="1795262400.000100")
    match name:
        case "post":
            return post(chat, "words")
        case "edit":
            return Edit(message=message, body=plain("words"))
        case "delete":
            return Delete(message=message)
        case _:
            return React(message=message, emoji="👀", on=name == "react")


@pytest.mark.parametrize("name", ROWS)
async def test_answer_becomes_the_class_of_the_table(name: str) -> None:
    """The answer to an operation raises the class, with what its caller needs, after one try."""
    row = ROWS[name]
    expected = row["expected"]
    body = b"<html>bad gateway</html>" if row["body"] is None else json.dumps(row["body"]).encode()
    async with SlackServer() as server, connected(server) as adapter:
        method = METHODS[row["operation"]]
        server.faults.add(method, Answer(status=row["status"], body=body, headers=row["headers"]))
        operation = operation_of(row["operation"], chat_of(server, GENERAL))
        if expected["is"] == "Done":
            assert isinstance(await adapter.perform(operation), Done)
        else:
            with pytest.raises(getattr(errors, expected["is"])) as raised:
                await adapter.perform(operation)
            error = raised.value
            assert type(error).__name__ == expected["is"]
            for field in ("reason", "retry_after_s", "scope"):
                if field in expected:
                    assert getattr(error, field) == expected[field]
            assert expected.get("says", "") in str(error)
            assert server.bot_token not in "".join(traceback.format_exception(error))
        assert len(server.requests(method)) == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/html"])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[]", b'"ok"', b"\xff", b'{"ok":true}', b'{"ok":true,"ts":1}'],
)
async def test_an_answer_nobody_understands_leaves_a_post_in_doubt(
    body: bytes, content_type: str
) -> None:
    """A 200 with anything but a message says nothing about what happened."""
    async with SlackServer() as server, connected(server) as adapter:
        answer = Answer(status=200, body=body, content_type=content_type)
        server.faults.add("chat.postMessage", answer)
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, GENERAL), "words"))


@pytest.mark.parametrize(("fault", "stands"), [(CutBefore(), 0), (CutAfter(), 1)])
async def test_a_cut_connection_leaves_a_post_in_doubt(fault: Fault, stands: int) -> None:
    """Whether it went before or after the effect, we cannot know; it is not tried again."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        server.faults.add("chat.postMessage", fault)
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, GENERAL), "words"))
        assert len(server.ours(GENERAL)) == stands
        assert len(server.requests("chat.postMessage")) == 1


async def test_no_connection_is_certainly_nothing_sent() -> None:
    """Nobody listens: the operation can be repeated without looking."""
    async with SlackServer() as server:
        adapter, chat = adapter_of(server), chat_of(server, GENERAL)
    with pytest.raises(errors.PlatformUnavailable):
        await adapter.perform(post(chat, "words"))
    await adapter.close()


@pytest.mark.warp
async def test_a_slow_answer_leaves_a_post_in_doubt() -> None:
    """The timeout after the request went out is no proof that nothing was sent."""
    async with SlackServer() as server, connected(server) as adapter:
        server.faults.add("chat.postMessage", HalfOpen())
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, GENERAL), "words"))


@pytest.mark.parametrize(
    ("method", "fault", "error"),
    [
        ("files.getUploadURLExternal", CutAfter(), errors.PlatformUnavailable),
        ("files.getUploadURLExternal", Answer(status=503), errors.PlatformUnavailable),
        ("upload", CutAfter(), errors.PlatformUnavailable),
        ("upload", Answer(status=500), errors.PlatformUnavailable),
        ("files.completeUploadExternal", CutAfter(), errors.SendUncertain),
        ("files.completeUploadExternal", CutBefore(), errors.SendUncertain),
    ],
)
async def test_only_the_last_call_of_an_upload_is_in_doubt(
    method: str, fault: Fault, error: type[errors.PlatformError]
) -> None:
    """Before it nobody can see the file, and no message shows the upload's address."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        server.faults.add(method, fault)
        upload = Upload(
            chat=chat_of(server, GENERAL), data=b"abc", name="a.txt", mime="text/plain", nonce="n1"
        )
        with pytest.raises(error) as raised:
            await adapter.perform(upload)
        assert "/upload/" not in "".join(traceback.format_exception(raised.value))


def token(url: str) -> PressToken:
    """A press's token with that address."""
    return PressToken(kind="slack", value=json.dumps({"url": url}), usable_until=NOW)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Answer(status=404, body=b'{"ok":false,"error":"expired_url"}'), errors.PressExpired),
        (Answer(status=500), errors.SendUncertain),
        (Answer(status=400), errors.MessageRejected),
        (CutAfter(), errors.SendUncertain),
    ],
)
async def test_answers_to_presses(fault: Fault, error: type[errors.PlatformError]) -> None:
    """A response address has its own refusals, and it never shows in an error."""
    async with SlackServer() as server, connected(server) as adapter:
        server.faults.add("response_url", fault)
        answer = AnswerPress(press=token(f"{server.url}/response/secret-1"), text="late")
        with pytest.raises(error) as raised:
            await adapter.perform(answer)
        assert "secret-1" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "value",
    ["", "not json", "[]", '{"url": "http://169.254.1.1/x"}', '{"url": 7}', '{"url": "https://["}'],
)
async def test_a_press_is_answered_at_slack_only(value: Any) -> None:
    """An address elsewhere is never called."""
    async with SlackServer() as server, connected(server) as adapter:
        press = PressToken(kind="slack", value=value, usable_until=NOW)
        with pytest.raises(errors.MessageRejected):
            await adapter.perform(AnswerPress(press=press, text="x"))
