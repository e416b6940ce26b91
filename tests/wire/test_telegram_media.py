"""What the loopback Bot API takes for photos, voices and albums, as another client meets it."""

import pytest
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BufferedInputFile, InputMediaDocument, InputMediaPhoto, InputMediaVideo

from tests.pictures import drawn
from tests.wire.telegram import TelegramServer
from tests.wire.test_telegram_second_client import ADA, aiogram_bot

PICTURE = InputMediaPhoto(media=BufferedInputFile(drawn(), "a.png"), caption="first")
VIDEO = InputMediaVideo(media=BufferedInputFile(b"moving", "a.mp4"))
FILE = InputMediaDocument(media=BufferedInputFile(b"words", "a.txt"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (drawn("PNG", (2_100, 100)), "PHOTO_INVALID_DIMENSIONS"),
        (drawn("PNG", (9_000, 1_001)), "PHOTO_INVALID_DIMENSIONS"),
        (b"no picture", "IMAGE_PROCESS_FAILED"),
        (drawn() + bytes(10 << 20), "too big for a photo"),
    ],
    ids=["ratio", "sides", "form", "size"],
)
async def test_what_is_no_photo(data: bytes, words: str) -> None:
    """By the documented limits, each with its own words."""
    async with TelegramServer() as server, aiogram_bot(server) as bot:
        await server.say(chat=ADA, user=ADA, text="hello")
        with pytest.raises(TelegramBadRequest, match=words):
            await bot.send_photo(ADA, BufferedInputFile(data, "a.png"))
        assert server.ours(ADA) == ()


async def test_albums_hold_what_goes_together() -> None:
    """Two to ten, pictures with videos and files with files; each is a message, its words too."""
    async with TelegramServer() as server, aiogram_bot(server) as bot:
        await server.say(chat=ADA, user=ADA, text="hello")
        for album, words in (
            ([PICTURE], "2-10 items"),
            ([PICTURE] * 11, "2-10 items"),
            ([PICTURE, FILE], "can't be mixed"),
        ):
            with pytest.raises(TelegramBadRequest, match=words):
                await bot.send_media_group(ADA, album)  # type: ignore[arg-type]
        assert server.ours(ADA) == ()
        looked_at = await bot.send_media_group(ADA, [PICTURE, VIDEO])
        files = await bot.send_media_group(ADA, [FILE, FILE])
        assert [message.caption for message in looked_at] == ["first", None]
        kinds = [each.file.kind for each in server.ours(ADA) if each.file]
        assert kinds == ["photo", "video", "document", "document"]
        assert len({message.media_group_id for message in (*looked_at, *files)}) == 2


async def test_a_voice_is_what_sounds_like_one() -> None:
    """What does not is a file."""
    async with TelegramServer() as server, aiogram_bot(server) as bot:
        await server.say(chat=ADA, user=ADA, text="hello")
        sent = await bot.send_voice(
            ADA, BufferedInputFile(b"OggS" + bytes(60), "a.ogg"), duration=2
        )
        assert sent.voice is not None
        assert sent.voice.duration == 2
        other = await bot.send_voice(ADA, BufferedInputFile(b"no sound", "a.ogg"))
        assert other.voice is None
        assert other.document is not None
