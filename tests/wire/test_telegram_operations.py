"""aiogram, a client this project does not use, performs whatever the loopback Bot API offers."""

import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramForbiddenError, TelegramMigrateToChat
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BufferedInputFile,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    MediaUnion,
    Message,
    ReactionTypeEmoji,
    ReplyParameters,
    Update,
)
from aiogram.utils.token import extract_bot_id
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

from platforms.telegram.parse import KINDS
from tests.pictures import drawn
from tests.wire.steps import Steps, performed
from tests.wire.telegram import TelegramServer

ADA, EVE, TEAM, FORUM = 1001, 1002, -500, -1001
ADAPTER = Path(__file__).parents[2] / "platforms" / "telegram"
SPECIFIED = (
    "getMe getUpdates setWebhook deleteWebhook getWebhookInfo setMyCommands sendMessage "
    "editMessageText editMessageReplyMarkup deleteMessage sendChatAction setMessageReaction "
    "answerCallbackQuery sendDocument sendPhoto sendVoice sendMediaGroup getFile getChat "
    "getChatMember getChatAdministrators leaveChat file webhook"
)
"""What the specification's table of loopback servers names for Telegram."""


class Session(AiohttpSession):
    """aiogram's own, which waits a quarter of a second whenever it closes."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The server, and a bot of aiogram's that may write to Ada."""

    server: TelegramServer
    bot: Bot

    async def updates(self, *kinds: str) -> list[Update]:
        """What came in, read by aiogram's strict models and confirmed."""
        found = await self.bot.get_updates(allowed_updates=list(kinds) or None)
        if found:
            await self.bot.get_updates(offset=found[-1].update_id + 1, limit=1)
        return found


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Ada has spoken, so that the bot may write to her; a group and a forum stand."""
    async with TelegramServer() as server:
        session = Session(api=TelegramAPIServer.from_base(server.url))
        bot = Bot(server.token, session=session)
        try:
            await server.say(chat=ADA, user=ADA, text="hello")
            server.group(TEAM, "Team")
            server.group(FORUM, "Forum", forum=True)
            yield Ground(server=server, bot=bot)
        finally:
            await session.close()


step = Steps[Ground]()
heard = Steps[Ground]()
"""For each kind of update that the adapter subscribes to: something happens, aiogram reads it."""


# -- who we are


@step("getme")
async def _(on: Ground) -> None:
    me = await on.bot.get_me()
    assert (me.id, me.username) == (extract_bot_id(on.server.token), "gatepost_bot")
    assert me.can_read_all_group_messages


@step("setmycommands", "getmycommands", "deletemycommands")
async def _(on: Ground) -> None:
    """One menu for each scope and language, none of which changes another."""
    for scope, language, words in (
        (None, None, "What I do"),
        (None, "de", "Was ich tue"),
        (BotCommandScopeAllPrivateChats(), "de", "Was ich hier tue"),
        (BotCommandScopeChat(chat_id=ADA), None, "What I do for you"),
    ):
        menu = [BotCommand(command="help", description=words)]
        assert await on.bot.set_my_commands(menu, scope=scope, language_code=language)
        [known] = await on.bot.get_my_commands(scope=scope, language_code=language)
        assert (known.command, known.description) == ("help", words)
    assert await on.bot.delete_my_commands(language_code="de")
    assert await on.bot.get_my_commands(language_code="de") == []
    assert len(await on.bot.get_my_commands()) == 1


# -- the way in


@step("getupdates")
async def _(on: Ground) -> None:
    """What is not confirmed comes again."""
    first = await on.bot.get_updates()
    assert [update.message.text for update in first if update.message] == ["hello"]
    assert await on.bot.get_updates() == first
    assert await on.bot.get_updates(offset=first[-1].update_id + 1) == []


@step("setwebhook", "getwebhookinfo", "deletewebhook", "webhook")
async def _(on: Ground) -> None:
    """aiogram's own handler takes pushes that carry the secret; what it refused comes again."""
    dispatcher, texts = Dispatcher(), []

    @dispatcher.message()
    async def on_message(message: Message) -> None:
        texts.append(message.text)

    app = web.Application()
    handler = SimpleRequestHandler(
        dispatcher, on.bot, handle_in_background=False, secret_token="right"
    )
    handler.register(app, path="/hook")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        assert await on.bot.set_webhook(url, secret_token="wrong")
        # Refused at once and again at once; the third try comes two seconds later.
        await on.server.seen(lambda _: _pushes(on.server) == [401, 401])
        info = await on.bot.get_webhook_info()
        assert (info.url, info.pending_update_count) == (url, 1)
        assert info.last_error_message is not None and "401" in info.last_error_message
        assert await on.bot.set_webhook(url, secret_token="right")
        on.server.advance(60)
        await on.server.seen(lambda _: _pushes(on.server) == [401, 401, 200])
        assert texts == ["hello"]
        assert (await on.bot.get_webhook_info()).pending_update_count == 0
        assert await on.bot.delete_webhook()
        assert (await on.bot.get_webhook_info()).url == ""
    finally:
        await runner.cleanup()


def _pushes(server: TelegramServer) -> list[int]:
    return [seen.status for seen in server.requests("webhook")]


# -- messages


@step("sendmessage")
async def _(on: Ground) -> None:
    """Into a topic as a reply, silently; asking for an answer."""
    topic = on.server.topic(FORUM, "News")
    said = await on.server.say(chat=FORUM, user=ADA, text="hm", thread=topic)
    posted = await on.bot.send_message(
        FORUM,
        "answer",
        message_thread_id=topic,
        disable_notification=True,
        reply_parameters=ReplyParameters(message_id=said),
        reply_markup=ForceReply(selective=True, input_field_placeholder="why"),
    )
    assert posted.is_topic_message and posted.message_thread_id == topic
    assert posted.reply_to_message is not None and posted.reply_to_message.message_id == said
    shown = on.server.ours(FORUM)[-1]
    assert (shown.text, shown.silent, shown.reply_to) == ("answer", True, said)
    assert shown.asking is not None and shown.asking.people == (ADA,)
    answered = await on.server.fill_in(
        chat=FORUM, user=ADA, message_id=posted.message_id, text="because"
    )
    last = (await on.updates())[-1].message
    assert last is not None and last.message_id == answered
    assert last.reply_to_message is not None and last.reply_to_message.text == "answer"


@step("editmessagetext", "editmessagereplymarkup", "deletemessage")
async def _(on: Ground) -> None:
    key = InlineKeyboardButton(text="Go", callback_data="go")
    posted = await on.bot.send_message(
        ADA, "one", reply_markup=InlineKeyboardMarkup(inline_keyboard=[[key]])
    )
    edited = await on.bot.edit_message_text(
        "two", chat_id=ADA, message_id=posted.message_id, reply_markup=posted.reply_markup
    )
    assert isinstance(edited, Message) and edited.text == "two" and edited.reply_markup
    bare = await on.bot.edit_message_reply_markup(chat_id=ADA, message_id=posted.message_id)
    assert isinstance(bare, Message) and bare.reply_markup is None
    assert [state.text for state in on.server.ours(ADA)[0].history] == ["one", "two", "two"]
    assert await on.bot.delete_message(ADA, posted.message_id)
    assert on.server.ours(ADA) == ()


@step("sendchataction")
async def _(on: Ground) -> None:
    assert await on.bot.send_chat_action(FORUM, "typing", message_thread_id=1)
    assert on.server.methods.actions == [(FORUM, 1, "typing")]


@step("setmessagereaction")
async def _(on: Ground) -> None:
    said = on.server.messages(ADA)[0].message_id
    assert await on.bot.set_message_reaction(ADA, said, [ReactionTypeEmoji(emoji="👀")])
    assert on.server.messages(ADA)[0].reactions == ("👀",)
    assert await on.bot.set_message_reaction(ADA, said, [])
    assert on.server.messages(ADA)[0].reactions == ()


@step("answercallbackquery")
async def _(on: Ground) -> None:
    key = InlineKeyboardButton(text="Go", callback_data="go")
    posted = await on.bot.send_message(
        ADA, "one", reply_markup=InlineKeyboardMarkup(inline_keyboard=[[key]])
    )
    callback = await on.server.press(chat=ADA, message_id=posted.message_id, user=ADA, label="Go")
    assert await on.bot.answer_callback_query(callback, text="only you see this", show_alert=True)
    answer = on.server.answer(callback)
    assert (answer.text, answer.alert) == ("only you see this", True)


# -- files, both ways


@step("senddocument", "getfile", "file")
async def _(on: Ground) -> None:
    """What the bot sends it can fetch, and what a person sends as well."""
    sent = await on.bot.send_document(ADA, BufferedInputFile(b"ours", "a.md"), caption="here")
    assert sent.document is not None and (sent.caption, sent.document.file_name) == ("here", "a.md")
    await on.server.upload(chat=ADA, user=ADA, name="b.txt", data=b"theirs", caption="there")
    got = (await on.updates())[-1].message
    assert got is not None and got.document is not None and got.caption == "there"
    for document, data in ((sent.document, b"ours"), (got.document, b"theirs")):
        file = await on.bot.get_file(document.file_id)
        assert file.file_path is not None and file.file_size == len(data)
        stream = await on.bot.download_file(file.file_path)
        assert stream is not None and stream.read() == data


@step("sendphoto")
async def _(on: Ground) -> None:
    sent = await on.bot.send_photo(ADA, BufferedInputFile(drawn(), "a.png"), caption="a picture")
    assert sent.photo and sent.caption == "a picture"
    assert on.server.ours(ADA)[-1].text == "a picture"


@step("sendvoice")
async def _(on: Ground) -> None:
    voice = BufferedInputFile(b"OggS" + bytes(60), "a.ogg")
    sent = await on.bot.send_voice(ADA, voice, duration=2)
    assert sent.voice is not None and sent.voice.duration == 2


@step("sendmediagroup")
async def _(on: Ground) -> None:
    """Two pictures are two messages that belong together."""
    media: list[MediaUnion] = [
        InputMediaPhoto(media=BufferedInputFile(drawn(), f"{n}.png")) for n in range(2)
    ]
    sent = await on.bot.send_media_group(ADA, media)
    assert len({each.message_id for each in sent}) == 2
    [album] = {each.media_group_id for each in sent}
    assert album and all(each.photo for each in sent)
    assert len(on.server.ours(ADA)) == 2


# -- chats and their people


@step("getchat")
async def _(on: Ground) -> None:
    assert (await on.bot.get_chat(FORUM)).is_forum
    assert (await on.bot.get_chat(ADA)).type == "private"


@step("getchatmember", "getchatadministrators")
async def _(on: Ground) -> None:
    on.server.rank(TEAM, ADA, "creator")
    on.server.rank(TEAM, EVE, "administrator", anonymous=True)
    statuses = {user: (await on.bot.get_chat_member(TEAM, user)).status for user in (ADA, EVE)}
    assert statuses == {ADA: "creator", EVE: "administrator"}
    found = await on.bot.get_chat_administrators(TEAM)
    assert {each.user.id for each in found} == {ADA, EVE}


@step("leavechat")
async def _(on: Ground) -> None:
    """Then there is nothing to write to any more."""
    assert await on.bot.leave_chat(TEAM)
    with pytest.raises(TelegramForbiddenError, match="not a member"):
        await on.bot.send_message(TEAM, "still here")


# -- what updates say


@heard("message")
async def _(on: Ground) -> None:
    """An album, a voice and what moves with a group that becomes a supergroup."""
    for name in ("one", "two"):
        await on.server.upload(
            chat=TEAM, user=ADA, name=name, data=b"x", kind="photo", album="album-1"
        )
    await on.server.upload(
        chat=ADA, user=ADA, name="v", data=b"x", kind="voice", mime="audio/ogg", seconds=3
    )
    moved = await on.server.migrate(TEAM)
    messages = [update.message for update in await on.updates() if update.message][1:]
    assert [bool(each.photo) for each in messages] == [True, True, False, False, False]
    assert {each.media_group_id for each in messages[:2]} == {"album-1"}
    assert messages[2].voice is not None and messages[2].voice.duration == 3
    assert messages[3].migrate_to_chat_id == moved == messages[4].chat.id
    assert messages[4].migrate_from_chat_id == TEAM
    with pytest.raises(TelegramMigrateToChat) as told:
        await on.bot.send_message(TEAM, "late")
    assert told.value.migrate_to_chat_id == moved


@heard("edited_message")
async def _(on: Ground) -> None:
    await on.server.rewrite(chat=ADA, message_id=on.server.messages(ADA)[0].message_id, text="now")
    edited = (await on.updates())[-1].edited_message
    assert edited is not None and (edited.text, bool(edited.edit_date)) == ("now", True)


@heard("callback_query")
async def _(on: Ground) -> None:
    key = InlineKeyboardButton(text="Go", callback_data="go")
    posted = await on.bot.send_message(
        ADA, "one", reply_markup=InlineKeyboardMarkup(inline_keyboard=[[key]])
    )
    await on.server.press(chat=ADA, message_id=posted.message_id, user=ADA, label="Go")
    query = (await on.updates())[-1].callback_query
    assert query is not None and (query.data, query.from_user.id) == ("go", ADA)
    assert query.message is not None and query.message.message_id == posted.message_id


@heard("my_chat_member")
async def _(on: Ground) -> None:
    await on.server.set_bot_status(TEAM, "kicked")
    change = (await on.updates())[-1].my_chat_member
    assert change is not None and change.new_chat_member.status == "kicked"


@heard("chat_member")
async def _(on: Ground) -> None:
    """Only while the bot administers the group, and only if it asks for this kind."""
    await on.updates("chat_member")
    await on.server.seat(chat=TEAM, user=EVE, rank="kicked")
    assert await on.updates() == []
    on.server.rank(TEAM, on.server.world.us.id, "administrator")
    await on.server.seat(chat=TEAM, user=EVE, rank="administrator")
    change = (await on.updates())[-1].chat_member
    assert change is not None and change.old_chat_member.status == "kicked"
    assert (change.new_chat_member.status, change.new_chat_member.user.id) == ("administrator", EVE)


@heard("message_reaction")
async def _(on: Ground) -> None:
    """A reaction, another one in its place, and none."""
    await on.updates("message_reaction")
    said = on.server.messages(ADA)[0].message_id
    for emoji in ("👍", "👎", ""):
        await on.server.react(chat=ADA, message_id=said, user=ADA, emoji=emoji)
    changes = [update.message_reaction for update in await on.updates()]
    seen = []
    for change in changes:
        assert change is not None and change.user is not None and change.user.id == ADA
        seen.append((_emoji(change.old_reaction), _emoji(change.new_reaction)))
    assert seen == [("", "👍"), ("👍", "👎"), ("👎", "")]


def _emoji(reactions: Collection[object]) -> str:
    return "".join(str(getattr(each, "emoji", "")) for each in reactions)


# -- all of them


@pytest.mark.parametrize("operations", step.together(TelegramServer().offered), ids=" ".join)
async def test_another_client_performs_each_operation(operations: tuple[str, ...]) -> None:
    """Whatever the server offers is performed by aiogram and read back."""
    async with ground() as on:
        await step.by_operation[operations[0]](on)
        assert set(operations) <= {each.lower() for each in performed(on.server)}


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_another_client_hears_each_kind_of_update(kind: str) -> None:
    """Whatever the adapter subscribes to comes from the server as aiogram understands it."""
    async with ground() as on:
        await heard.by_operation[kind](on)


def test_steps_are_those_of_the_server() -> None:
    """A new operation needs a step, no step stands for one that is gone, all specified exist."""
    offered = TelegramServer().offered
    assert (step.undone(offered), step.unmade(offered)) == (set(), set())
    assert {each.lower() for each in SPECIFIED.split()} <= offered
    assert set(heard.by_operation) == set(KINDS)


def test_the_adapter_calls_nothing_else() -> None:
    """Every method that the adapter calls by name is one that the server offers."""
    text = "".join(path.read_text() for path in ADAPTER.glob("*.py"))
    called = set(re.findall(r"\bbot\.([a-z_]+)\(", text)) - {"lower", "initialize", "shutdown"}
    by_url = set(re.findall(r"/((?:get|set|send)[A-Z]\w+)", text))
    assert {"send_message", "edit_message_text"} <= called
    offered = TelegramServer().offered
    assert {each.replace("_", "") for each in called} <= offered
    assert {each.lower() for each in by_url} <= offered
