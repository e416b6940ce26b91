"""Every row of the error table, by a recorded answer that goes through the real SDK."""

import json
from pathlib import Path

import pytest

from platforms import errors
from platforms.content import Done
from tests.platforms.telegram.journal import ADA, chat_of, connected, post
from tests.wire.server import Answer
from tests.wire.telegram import TelegramServer

FOLDER = Path(__file__).parents[2] / "fixtures" / "telegram" / "errors"
ROWS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


@pytest.mark.parametrize("name", ROWS)
async def test_answer_becomes_the_class_of_the_table(name: str) -> None:
    """The recorded answer to a post raises the class, with what its caller needs."""
    row = ROWS[name]
    expected = row["expected"]
    async with TelegramServer() as server, connected(server) as adapter:
        answer = Answer(status=row["status"], body=json.dumps(row["body"]).encode())
        server.faults.add("sendMessage", answer)
        operation = post(chat_of(server, ADA), "words")
        if expected["is"] == "Done":
            assert isinstance(await adapter.perform(operation), Done)
            return
        with pytest.raises(getattr(errors, expected["is"])) as raised:
            await adapter.perform(operation)
        error = raised.value
        assert type(error).__name__ == expected["is"]
        for field in ("reason", "retry_after_s", "scope"):
            if field in expected:
                assert getattr(error, field) == expected[field]
        if isinstance(error, errors.ChatMoved):
            assert error.to.chat_id == expected["to"]
        assert server.token not in str(error)
        assert len(server.requests("sendMessage")) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>busy</html>", b"[]", b'{"ok":true}', b'{"ok":true,"result":{}}']
)
async def test_an_answer_nobody_understands_leaves_a_post_in_doubt(body: bytes) -> None:
    """A 200 with anything but a message says nothing about what happened."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.faults.add("sendMessage", Answer(status=200, body=body))
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, ADA), "words"))
