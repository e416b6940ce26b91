"""Pictures that leave as photos, and as files where Telegram takes none."""

import pytest

from platforms.content import Sent, Upload
from platforms.errors import (
    MessageRejected,
    PictureRejected,
    PlatformError,
    RightsMissing,
    SendUncertain,
)
from platforms.telegram.outbound import is_photo
from tests.pictures import drawn
from tests.platforms.telegram.journal import ADA, chat_of, connected
from tests.wire.server import Answer, CutAfter
from tests.wire.telegram import TelegramServer

NO_PHOTOS = "Bad Request: not enough rights to send photos to the chat"
NO_FILES = "Bad Request: not enough rights to send documents to the chat"


def picture(
    server: TelegramServer, sides: tuple[int, int] | None = (40, 30), *, data: bytes = b""
) -> Upload:
    """A picture of these sides; without sides it is a file."""
    return Upload(
        chat=chat_of(server, ADA),
        data=data or drawn("PNG", sides or (40, 30)),
        name="chart.png",
        mime="image/png",
        nonce="n",
        caption="for @somebody",
        picture=sides,
    )


@pytest.mark.parametrize(
    ("sides", "size", "photo"),
    [
        ((1, 1), 1, True),
        ((2_000, 100), 1, True),
        ((2_001, 100), 1, False),
        ((100, 2_001), 1, False),
        ((5_000, 5_000), 1, True),
        ((5_000, 5_001), 1, False),
        ((0, 10), 1, False),
        ((40, 30), 10 << 20, True),
        ((40, 30), (10 << 20) + 1, False),
        (None, 1, False),
    ],
)
def test_what_is_a_photo(sides: tuple[int, int] | None, size: int, photo: bool) -> None:
    """Ten mebibytes, sides of 10,000 pixels together, the longer at most twenty times the other."""
    chat = chat_of(TelegramServer(), ADA)
    upload = Upload(chat=chat, data=bytes(size), name="a", mime="b", nonce="n", picture=sides)
    assert is_photo(upload) is photo


@pytest.mark.parametrize(
    ("sides", "kind"),
    [
        ((2_000, 100), "photo"),
        ((2_100, 100), "document"),
        ((9_000, 1_000), "photo"),
        ((9_000, 1_001), "document"),
        (None, "document"),
    ],
)
async def test_what_the_limits_allow_leaves_as_a_photo(
    sides: tuple[int, int] | None, kind: str
) -> None:
    """One request either way, which the server takes; its caption names nobody."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        before = len(server.record)
        upload = picture(server, sides)
        outcome = await adapter.perform(upload)
        (shown,) = server.ours(ADA)
        assert isinstance(outcome, Sent)
        assert outcome.message.message_id == str(shown.message_id)
        assert shown.file is not None
        assert (shown.file.kind, shown.file.data) == (kind, upload.data)
        assert (shown.text, shown.mentions) == ("for @\u2060somebody", ())
        assert len(server.record) - before == 1


async def test_what_is_no_picture_after_all_is_told_apart() -> None:
    """So that it leaves as a file; as a file it is taken."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        with pytest.raises(PictureRejected):
            await adapter.perform(picture(server, data=drawn()[:60]))
        assert server.ours(ADA) == ()
        assert isinstance(await adapter.perform(picture(server, None, data=drawn()[:60])), Sent)


@pytest.mark.parametrize(
    ("sides", "words", "expected"),
    [
        ((40, 30), NO_PHOTOS, PictureRejected),
        ((40, 30), "Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN", PictureRejected),
        ((40, 30), "Bad Request: PHOTO_SAVE_FILE_INVALID", PictureRejected),
        (None, NO_FILES, RightsMissing),
        (None, "Bad Request: CHAT_SEND_DOCS_FORBIDDEN", RightsMissing),
        (None, "Bad Request: file is odd", MessageRejected),
    ],
)
async def test_a_refused_file(
    sides: tuple[int, int] | None, words: str, expected: type[PlatformError]
) -> None:
    """A photo becomes a file; where no files are allowed words still go."""
    async with TelegramServer() as server, connected(server) as adapter:
        body = b'{"ok":false,"error_code":400,"description":"%s"}' % words.encode()
        method = "sendDocument" if sides is None else "sendPhoto"
        server.faults.add(method, Answer(status=400, body=body))
        with pytest.raises(expected) as raised:
            await adapter.perform(picture(server, sides))
        assert type(raised.value) is expected


async def test_a_photo_nobody_confirmed_is_in_doubt() -> None:
    """As any message is; it is not tried as a file."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        server.faults.add("sendPhoto", CutAfter())
        with pytest.raises(SendUncertain):
            await adapter.perform(picture(server))
        assert len(server.requests("sendPhoto")) == 1
        assert not server.requests("sendDocument")
