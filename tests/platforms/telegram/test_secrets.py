"""The token is in every address of the Bot API and must be in nothing that is printed."""

import asyncio
import logging
import traceback
from contextlib import suppress

import pytest

from platforms.blocks import plain
from platforms.content import Edit
from platforms.errors import PlatformError
from platforms.events import MessageRef
from platforms.telegram.client import TelegramAdapter
from tests.platforms.telegram.journal import (
    ADA,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.server import Answer, CutAfter, CutBefore
from tests.wire.telegram import TelegramServer

PART = "TEST_token"


async def test_logs_hold_neither_token_nor_secret_nor_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Polling, posting and every kind of failure at the finest log level."""
    caplog.set_level(logging.DEBUG)
    async with TelegramServer() as server:
        server.faults.add("getUpdates", CutBefore(), Answer(status=200, body=b"<html>"))
        journal = Journal()
        async with running(server, journal) as adapter:
            await server.say(chat=ADA, user=ADA, text="confidential question")
            await journal.count(1)
            message = await posted(adapter, post(chat_of(server, ADA), "confidential answer"))
            server.faults.add("editMessageText", CutAfter(), Answer(status=502, body=b"<html>"))
            for _ in range(2):
                with suppress(PlatformError):
                    await adapter.perform(Edit(message=message, body=plain("confidential")))
    said = "\n".join(record.getMessage() for record in caplog.records if "wire" not in record.name)
    assert PART not in said
    assert "confidential" not in said


async def test_errors_do_not_print_the_token() -> None:
    """No failure shows it, in its words or those of its causes."""
    async with TelegramServer() as server, connected(server) as adapter:
        failures: list[BaseException] = []
        message = MessageRef(chat=chat_of(server, ADA), message_id="1")
        answers = (
            CutBefore(),
            Answer(status=401, body=b'{"ok":false,"description":"Unauthorized"}'),
            Answer(status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}),
            Answer(status=500, body=b"<html>"),
            Answer(status=200, body=b"<html>"),
        )
        for answer in answers:
            server.faults.add("editMessageText", answer)
            try:
                await adapter.perform(Edit(message=message, body=plain("x")))
            except PlatformError as error:
                failures.append(error)
        assert len(failures) == len(answers)
        for failure in failures:
            assert PART not in "".join(traceback.format_exception(failure))


async def test_a_stranger_who_repeats_the_address_is_not_printed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Error pages of proxies name the path; neither error, cause nor log shows it."""
    caplog.set_level(logging.DEBUG)
    async with TelegramServer() as server:
        page = f"<html>/bot{server.token}/getUpdates was not found here</html>".encode()
        journal = Journal()
        strange = [Answer(status=status, body=page) for status in (404, 502)]
        server.faults.add("getUpdates", *strange)
        async with running(server, journal) as adapter:
            await server.say(chat=ADA, user=ADA, text="hello")
            await journal.count(1)
            for status in (400, 403, 404, 429, 500):
                server.faults.add("sendMessage", Answer(status=status, body=page))
                with pytest.raises(PlatformError) as failed:
                    await adapter.perform(post(chat_of(server, ADA), "words"))
                assert PART not in "".join(traceback.format_exception(failed.value))
    said = [record.getMessage() for record in caplog.records if "wire" not in record.name]
    assert PART not in "\n".join(said)


async def test_an_answer_that_is_no_http_does_not_print_the_address() -> None:
    """The HTTP client's own error names the address it failed on; it must not come through."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"NONSENSE 12\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    for base_url in (f"http://127.0.0.1:{port}", "http://[broken", "ftp://127.0.0.1"):
        adapter = TelegramAdapter(token=f"7:{PART}", base_url=base_url)
        with pytest.raises(PlatformError) as failed:
            await adapter.connect()
        assert PART not in "".join(traceback.format_exception(failed.value))
        await adapter.close()
    listener.close()
    await listener.wait_closed()


async def test_the_adapter_does_not_print_its_token() -> None:
    """Neither it nor the SDK's client inside it."""
    async with TelegramServer() as server:
        adapter = adapter_of(server)
        assert PART not in repr(adapter)
        assert PART not in repr(vars(adapter)["_bot"])
        await adapter.close()
