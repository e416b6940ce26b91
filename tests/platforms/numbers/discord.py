"""Discord's numbers, judged by the rules of the loopback server. Pure.

Source: Discord's documentation, the pages named in `tests/wire/discord`.
"""

import asyncio
from typing import Any

from tests.platforms.numbers.row import Row, Take
from tests.wire.discord import DiscordServer
from tests.wire.discord.call import Call
from tests.wire.discord.components import check_components, check_modal
from tests.wire.discord.interactions import Interaction
from tests.wire.discord.rates import Rates
from tests.wire.discord.rules import (
    check_commands,
    check_content,
    check_files,
    check_nonce,
)
from tests.wire.discord.world import UploadedFile

Json = dict[str, Any]


def _row_of(*parts: Json) -> Json:
    return {"type": 1, "components": list(parts)}


def _button(number: int = 0, label: str = "Go", custom_id: str = "") -> Json:
    return {"type": 2, "style": 1, "label": label, "custom_id": custom_id or f"b{number}"}


def _menu(count: int = 1, label: str = "o", placeholder: str = "More") -> list[Json]:
    options = [{"label": label, "value": f"v{number}"} for number in range(count)]
    return [_row_of({"type": 3, "custom_id": "m", "placeholder": placeholder, "options": options})]


def _form(count: int = 1, *, title: str = "Form", label: str = "Why?", **more: Any) -> Json:
    fields = [
        {
            "type": 18,
            "label": label,
            "component": {"type": 4, "style": 2, "custom_id": f"f{number}", **more},
        }
        for number in range(count)
    ]
    return check_modal({"title": title, "custom_id": "form", "components": fields})


def _commands(count: int = 1, *, name: str = "", words: str = "x") -> object:
    return check_commands(
        [{"name": name or f"c{number}", "description": words} for number in range(count)]
    )


def _files(count: int = 1, size: int = 1, *, request: int = 0) -> None:
    data = bytes(size)
    files = [UploadedFile(id=n, name="a", mime="", data=data) for n in range(count)]
    check_files(tuple(files), request)


def _asked(method: str, path: dict[str, str], body: Any = None, **query: str) -> object:
    """One handler of the server, without a socket."""
    server = DiscordServer()
    path = {"channel": str(server.general.id), **path}
    call = Call(path=path, query=query, body=body)
    return asyncio.run(getattr(server.channels, method)(call))


def _reactions(count: int) -> None:
    async def react() -> None:
        server = DiscordServer()
        message = await server.say(server.general, server.ada, "hello")
        for number in range(count):
            path = {"channel": str(server.general.id), "message": str(message.id)}
            call = Call(path={**path, "emoji": f"e{number}"}, query={}, body=None)
            await server.channels.add_reaction(call)

    asyncio.run(react())


def _interaction(server: DiscordServer, at: float) -> Interaction:
    made = server.interactions.open(
        kind=2, user=server.ada, channel=server.general, data={"name": "status"}
    )
    made.at = at
    return made


def _first_answer(after_ms: int) -> object:
    server = DiscordServer(now=lambda: 1_000.0 + after_ms / 1_000)
    made = _interaction(server, 1_000.0)
    path = {"interaction": str(made.id), "token": made.token}
    call = Call(path=path, query={}, body={"type": 4, "data": {"content": "x"}})
    return asyncio.run(server.interactions.callback(call))


def _later_words(after_s: int) -> object:
    server = DiscordServer(now=lambda: 1_000.0 + after_s)
    made = _interaction(server, 1_000.0)
    made.answer = 4
    path = {"application": str(server.interactions.application_id), "token": made.token}
    call = Call(path=path, query={}, body={"content": "x"})
    return asyncio.run(server.interactions.create_followup(call))


def _old_edits(count: int) -> None:
    async def edit() -> None:
        clock = [1_000.0]
        server = DiscordServer(now=lambda: clock[0])
        path = {"channel": str(server.general.id)}
        made = await server.channels.post_message(Call(path=path, query={}, body={"content": "x"}))
        clock[0] += 3_600
        path |= {"message": made.body["id"]}
        for number in range(count):
            body = {"content": f"state {number}"}
            await server.channels.edit_message(Call(path=path, query={}, body=body))

    asyncio.run(edit())


def _at_once(operation: str, chats: int) -> Take:
    def take(count: int) -> None:
        rates = Rates(1.0, lambda: 1_000.0)
        for number in range(count):
            rates.check(operation, str(number % chats))

    return take


def _row(what: str, most: int, take: Take, *ours: str, shown: str = "") -> Row:
    return Row(platform="discord", what=what, most=most, take=take, ours=ours, shown=shown)


POST = "POST /channels/{channel}/messages"
EDIT = "PATCH /channels/{channel}/messages/{message}"
THREADS = "start_thread"

ROWS = (
    _row(
        "characters of a message",
        2_000,
        lambda n: check_content("x" * n),
        "TEXT_MAX",
        "PART_SOFT",
        "PRIVATE_MAX",
    ),
    _row("characters of a nonce", 25, lambda n: check_nonce("n" * n), "NONCE_MAX"),
    _row(
        "buttons of a row",
        5,
        lambda n: check_components([_row_of(*map(_button, range(n)))]),
        "BUTTONS_PER_ROW",
    ),
    _row(
        "rows of a message",
        5,
        lambda n: check_components([_row_of(_button(number)) for number in range(n)]),
        "ROWS",
    ),
    _row(
        "characters of a button",
        80,
        lambda n: check_components([_row_of(_button(label="x" * n))]),
        "LABEL_MAX",
    ),
    _row(
        "characters of a custom_id",
        100,
        lambda n: check_components([_row_of(_button(custom_id="x" * n))]),
        "CUSTOM_ID_MAX",
        "PAYLOAD_MAX",
    ),
    _row("options of a menu", 25, lambda n: check_components(_menu(n)), "MENU_OPTIONS_MAX"),
    _row(
        "characters of an option",
        100,
        lambda n: check_components(_menu(label="x" * n)),
        "OPTION_LABEL_MAX",
    ),
    _row(
        "characters a menu shows first",
        150,
        lambda n: check_components(_menu(placeholder="x" * n)),
        "MENU_LABEL_MAX",
    ),
    _row("characters of a form's title", 45, lambda n: _form(title="x" * n), "FORM_TITLE_MAX"),
    _row("fields of a form", 5, _form, "FIELDS_MAX"),
    _row("characters of a field's label", 45, lambda n: _form(label="x" * n), "FIELD_LABEL_MAX"),
    _row("characters of a field", 4_000, lambda n: _form(max_length=n), "FIELD_MAX"),
    _row(
        "bytes of a file",
        10 << 20,
        lambda n: _files(size=n),
        "UPLOAD_MAX_BYTES",
        shown="10 MiB",
    ),
    _row("bytes of a request", 25 << 20, lambda n: _files(request=n), shown="25 MiB"),
    _row("files of a message", 10, _files),
    _row("commands of an application", 100, _commands, "COMMANDS_MAX"),
    _row(
        "characters of a command's name",
        32,
        lambda n: _commands(name="n" * n),
        "COMMAND_NAME_MAX",
    ),
    _row(
        "characters of a command's description",
        100,
        lambda n: _commands(words="w" * n),
        "COMMAND_TEXT_MAX",
    ),
    _row(
        "characters of a thread's name",
        100,
        lambda n: _asked(THREADS, {}, {"name": "x" * n, "type": 11}),
        "THREAD_NAME_MAX",
    ),
    _row(
        "messages of one page",
        100,
        lambda n: _asked("list_messages", {}, limit=str(n)),
        "HISTORY_PAGE",
    ),
    _row("kinds of reactions under a message", 20, _reactions),
    _row(
        "milliseconds for the first answer",
        3_000,
        _first_answer,
        shown="3 s",
    ),
    _row("seconds for later words", 900, _later_words, "PRESS_LIFE_S", shown="15 min"),
    _row("edits of messages over an hour old", 3, _old_edits),
    _row("posts in a chat at once", 5, _at_once(POST, 1), shown="5 in 5 s, by the headers"),
    _row("edits in a chat at once", 5, _at_once(EDIT, 1), shown="5 in 5 s, by the headers"),
    _row("requests over all at once", 50, _at_once(POST, 50), shown="50 a second"),
)
