"""Telegram's numbers, each met over the real SDK at its limit and one over."""

from datetime import UTC, datetime

import pytest

from gateway.config.reading import webhook_secret_text
from gateway.config.secret import Secret
from platforms.content import AnswerPress, Sent, Upload
from platforms.errors import FileUnavailable, PressExpired, TooLong
from platforms.events import Attachment, CommandHelp, MessageRef, PressToken
from platforms.telegram import limits
from platforms.telegram.menus import menus
from platforms.telegram.polling import Pace
from tests.platforms.telegram.journal import ADA, Journal, chat_of, connected, running
from tests.wire.telegram import TelegramServer
from tests.wire.telegram.methods import Press
from tests.wire.telegram.world import File


@pytest.mark.parametrize(
    ("ours", "used"),
    [
        (limits.TEXT_MAX, 4_096),
        (limits.PART_SOFT, 4_000),
        (limits.CAPTION_MAX, 1_024),
        (limits.ENTITIES_MAX, 90),
        (limits.BUTTONS_MAX, 100),
        (limits.BUTTONS_PER_ROW_MAX, 8),
        (limits.BUTTONS_PER_ROW, 2),
        (limits.CALLBACK_DATA_MAX, 64),
        (limits.CALLBACK_ANSWER_MAX, 200),
        (limits.PLACEHOLDER_MAX, 64),
        (limits.PRESS_LIFE_S, 150.0),
        (limits.TYPING_LIFE_S, 5.0),
        (limits.TYPING_REFRESH_S, 4.0),
        (limits.EDIT_INTERVAL_S, 1.2),
        (limits.EDIT_INTERVAL_GROUP_S, 3.5),
        (limits.DOWNLOAD_MAX, 20 << 20),
        (limits.UPLOAD_MAX_BYTES, 50 << 20),
        (limits.COMMANDS_MAX, 100),
        (limits.COMMAND_SUMMARY_MAX, 256),
        (limits.POLL_BATCH, 100),
        (limits.DEAF_AFTER_S, 120.0),
        (Pace().wait_s, 50),
        (Pace().conflict_memory_s, 60.0),
        ([each.rate_per_s for each in limits.BUDGETS], [0.85, 17 / 60, 25]),
    ],
)
def test_what_is_documented_is_what_is_used(ours: object, used: object) -> None:
    """A number that is changed here is changed knowingly."""
    assert ours == used


def _upload(server: TelegramServer, *, size: int = 1, caption: str = "") -> Upload:
    return Upload(
        chat=chat_of(server, ADA),
        data=bytes(size),
        name="answer.bin",
        mime="application/octet-stream",
        nonce="n",
        caption=caption,
    )


@pytest.mark.parametrize("tail", ["x", "🎉"])
async def test_a_caption(tail: str) -> None:
    """1,024 UTF-16 units, however many characters these are."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        whole = "x" * (1_024 - len(tail.encode("utf-16-le")) // 2) + tail
        assert isinstance(await adapter.perform(_upload(server, caption=whole)), Sent)
        with pytest.raises(TooLong):
            await adapter.perform(_upload(server, caption=f"x{whole}"))
        assert [each.text for each in server.ours(ADA)] == [whole]


async def test_a_file_goes_out() -> None:
    """Fifty mebibytes are taken, one byte more is too large."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        size = limits.UPLOAD_MAX_BYTES
        assert isinstance(await adapter.perform(_upload(server, size=size)), Sent)
        with pytest.raises(TooLong):
            await adapter.perform(_upload(server, size=size + 1))
        assert len(server.ours(ADA)) == 1


@pytest.mark.parametrize("over", [False, True])
async def test_a_file_comes_in(over: bool) -> None:
    """Twenty mebibytes as declared are asked for; of more we know without asking."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.world.files["F1"] = File(file_id="F1", name="a", mime="", data=b"x")
        size = limits.DOWNLOAD_MAX + over
        file = Attachment(id="u1", kind="document", file="F1", bytes=size)
        message = MessageRef(chat=chat_of(server, ADA), message_id="1")
        if over:
            with pytest.raises(FileUnavailable):
                await adapter.locate(file, message)
        else:
            await adapter.locate(file, message)
        assert len(server.requests("getFile")) == (not over)


@pytest.mark.parametrize(("late_s", "over"), [(150.0, False), (150.1, True)])
async def test_a_press_can_be_answered(late_s: float, over: bool) -> None:
    """For 150 seconds; then the presser learns nothing more, and that is known."""
    now = 0.0
    async with TelegramServer(clock=lambda: now) as server, connected(server) as adapter:
        server.methods.presses["7"] = Press(id="7", user=ADA, chat=ADA, at=now)
        now = late_s
        token = PressToken(
            kind="callback", value="7", usable_until=datetime(2026, 1, 1, tzinfo=UTC)
        )
        if over:
            with pytest.raises(PressExpired):
                await adapter.perform(AnswerPress(press=token, text="done"))
        else:
            await adapter.perform(AnswerPress(press=token, text="done"))
        assert server.answer("7").answered is not over


async def test_a_menu() -> None:
    """A hundred commands with names of 32 letters and 256 of words; what is over is left out."""
    name = "n" * 28
    table = tuple(
        CommandHelp(name=f"{name}{number:04}", summary="w" * 257) for number in range(101)
    )
    async with TelegramServer() as server:
        longer = CommandHelp(name="n" * 33, summary="no such name")
        async with running(server, Journal(), commands=(longer, *table)):
            await server.seen(lambda seen: seen.operation == "getUpdates")
        shown = server.methods.menus["default", ""]
        assert [each["command"] for each in shown] == [each.name for each in table[:100]]
        assert {each["description"] for each in shown} == {"w" * 256}
    assert len(next(menus(table, ())).commands) == 100


@pytest.mark.parametrize(("letters", "taken"), [(1, True), (256, True), (257, False)])
def test_a_secret(letters: int, taken: bool) -> None:
    """One to 256 of the letters that Telegram takes."""
    secret = Secret("s" * letters)
    if taken:
        assert webhook_secret_text(secret) is secret
    else:
        with pytest.raises(ValueError, match="256"):
            webhook_secret_text(secret)
