"""Client libraries we did not write the server for drive it unmodified."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import telegram
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest, TelegramRetryAfter
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    CallbackQuery,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    ReactionTypeEmoji,
    User,
)

from tests.wire.telegram import Asking, Rates, TelegramServer
from tests.wire.telegram.members import Rank

ADA = 1001


@asynccontextmanager
async def aiogram_bot(server: TelegramServer) -> AsyncIterator[Bot]:
    """An aiogram bot pointed at the server."""
    session = AiohttpSession(api=TelegramAPIServer.from_base(server.url))
    bot = Bot(server.token, session=session)
    try:
        yield bot
    finally:
        await session.close()


async def test_aiogram_answers_a_message_and_a_press() -> None:
    """aiogram's own dispatcher polls, posts a button, takes the press and edits."""
    async with TelegramServer() as server, aiogram_bot(server) as bot:
        dispatcher = Dispatcher()
        pressed = asyncio.Event()

        @dispatcher.message(F.text)
        async def on_message(message: Message) -> None:
            key = InlineKeyboardButton(text="Go", callback_data="go")
            markup = InlineKeyboardMarkup(inline_keyboard=[[key]])
            await message.reply(f"you said {message.text}", reply_markup=markup)

        @dispatcher.callback_query(F.data == "go")
        async def on_press(query: CallbackQuery) -> None:
            await query.answer("gone")
            assert isinstance(query.message, Message)
            await query.message.edit_text("done")
            pressed.set()

        task = asyncio.create_task(dispatcher.start_polling(bot, handle_signals=False))
        said = await server.say(chat=ADA, user=ADA, text="hello")
        await server.seen(lambda seen: seen.operation == "sendMessage")
        (shown,) = server.ours(ADA)
        assert (shown.text, shown.reply_to) == ("you said hello", said)
        callback = await server.press(chat=ADA, user=ADA, message_id=shown.message_id, label="Go")
        await asyncio.wait_for(pressed.wait(), 60)
        (shown,) = server.ours(ADA)
        assert [state.text for state in shown.history] == ["you said hello", "done"]
        assert server.answer(callback).text == "gone"
        await dispatcher.stop_polling()
        await task


async def test_aiogram_reads_every_other_method() -> None:
    """The answers of the remaining methods pass aiogram's strict models."""
    async with TelegramServer() as server, aiogram_bot(server) as bot:
        await server.say(chat=ADA, user=ADA, text="hello")
        group = server.group(-1001, forum=True)
        topic = server.topic(group.id, "News")
        me = await bot.get_me()
        assert me.id == server.world.us.id
        assert await bot.set_my_commands([BotCommand(command="help", description="What I do")])
        assert server.methods.menus["default", ""][0]["command"] == "help"
        assert await bot.send_chat_action(group.id, "typing", message_thread_id=1)
        posted = await bot.send_message(
            group.id,
            "bold 🎉 @somebody",
            message_thread_id=topic,
            entities=[MessageEntity(type="bold", offset=0, length=4)],
        )
        assert posted.is_topic_message
        (shown,) = [message for message in server.ours(group.id) if message.text]
        assert shown.mentions == ("@somebody",)
        assert await bot.set_message_reaction(
            group.id, posted.message_id, [ReactionTypeEmoji(emoji="👀")]
        )
        document = await bot.send_document(ADA, BufferedInputFile(b"words", "answer.md"))
        assert document.document is not None
        file = await bot.get_file(document.document.file_id)
        assert file.file_path is not None
        stream = await bot.download_file(file.file_path)
        assert stream is not None
        assert stream.read() == b"words"
        assert (await bot.get_chat(group.id)).is_forum
        assert (await bot.get_chat_member(group.id, me.id)).status == "member"
        ranks: tuple[Rank, ...] = (
            "creator", "administrator", "restricted", "kicked", "left", "member",
        )  # fmt: skip
        for rank in ranks:
            server.rank(group.id, ADA, rank)
            assert (await bot.get_chat_member(group.id, ADA)).status == rank
        server.rank(group.id, ADA, "administrator", anonymous=True)
        (admin,) = await bot.get_chat_administrators(group.id)
        assert admin.user.id == ADA
        asked = await bot.send_message(
            group.id,
            "Ada: why?",
            entities=[
                MessageEntity(
                    type="text_mention",
                    offset=0,
                    length=3,
                    user=User(id=ADA, is_bot=False, first_name="Ada"),
                )
            ],
            reply_markup=ForceReply(selective=True, input_field_placeholder="why"),
        )
        asking = next(m.asking for m in server.ours(group.id) if m.message_id == asked.message_id)
        assert asking == Asking(placeholder="why", people=(ADA,))
        assert (await bot.get_webhook_info()).pending_update_count == 1
        assert await bot.delete_message(group.id, posted.message_id)


async def test_aiogram_meets_the_documented_errors() -> None:
    """Refusals reach aiogram as its own error classes."""
    async with TelegramServer(rates=Rates(chat_burst=1)) as server, aiogram_bot(server) as bot:
        with pytest.raises(TelegramBadRequest, match="chat not found"):
            await bot.send_message(ADA, "first")
        await server.say(chat=ADA, user=ADA, text="hello")
        with pytest.raises(TelegramRetryAfter) as flood:
            await bot.send_message(ADA, "second")
        assert flood.value.retry_after == 1


async def test_python_telegram_bot_edits_and_polls() -> None:
    """python-telegram-bot with its own transport gets updates, posts, edits and deletes."""
    async with TelegramServer() as server:
        root = server.url
        bot = telegram.Bot(server.token, base_url=f"{root}/bot", base_file_url=f"{root}/file/bot")
        async with bot:
            await server.say(chat=ADA, user=ADA, text="/start @gatepost_bot")
            (update,) = await bot.get_updates(timeout=5)
            assert update.message is not None
            assert [entity.type for entity in update.message.entities] == ["bot_command", "mention"]
            posted = await bot.send_message(ADA, "one")
            edited = await posted.edit_text("two")
            assert isinstance(edited, telegram.Message)
            with pytest.raises(telegram.error.BadRequest, match="not modified"):
                await posted.edit_text("two")
            assert await posted.delete()
            assert await bot.get_updates(offset=update.update_id + 1) == ()
            assert server.ours(ADA) == ()
