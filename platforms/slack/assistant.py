"""The assistant view: what a thread somebody opened there is shown, and what it is called.

Slack opens the thread with a message in our name before a word is said. It gets prompts to choose
from and no greeting; its first words become its title. All of it is decoration: a refusal stops
nothing, and what a restart forgets is not made up for. Source: docs.slack.dev/ai/developing-ai-apps
and the methods assistant.threads.setSuggestedPrompts and .setTitle.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine

from platforms.errors import PlatformError, RightsMissing
from platforms.events import CommandHelp, MessageReceived
from platforms.fields import Body, identifier, mapping
from platforms.measure import grapheme_floor
from platforms.slack.api import Json
from platforms.slack.limits import PROMPTS_MAX, TITLE_MAX
from platforms.slack.stamps import is_stamp
from platforms.slack.workspaces import Workspace

log = logging.getLogger(__name__)

THREADS_MAX = 10_000
STARTED = "assistant_thread_started"
MARK = "!"
"""What a typed command begins with: Slack takes a slash for itself."""

Thread = tuple[str, str, str]
"""Workspace, channel and root of a thread."""


class AssistantView:
    """The threads opened in the assistant view; `prompts` are commands offered in each."""

    def __init__(self, prompts: tuple[CommandHelp, ...]) -> None:
        self._prompts = prompts[:PROMPTS_MAX]
        self._untitled: OrderedDict[Thread, None] = OrderedDict()
        self._may = True
        self._tasks: set[asyncio.Task[None]] = set()

    def heed(self, payload: Body, home: Workspace) -> None:
        """Offer prompts in a thread that was opened just now."""
        event = mapping(payload, "event")
        if event.get("type") != STARTED:
            return
        thread = mapping(event, "assistant_thread")
        channel, root = identifier(thread, "channel_id"), identifier(thread, "thread_ts")
        if channel is None or not is_stamp(root):
            return
        self._untitled[home.us.space, channel, root] = None
        if len(self._untitled) > THREADS_MAX:
            self._untitled.popitem(last=False)
        if self._prompts:
            self._soon(self._offer(home, channel, root, identifier(thread, "user_id")))

    def spoken(self, event: MessageReceived, home: Workspace) -> None:
        """Name a thread after the first words in it."""
        root = event.chat.thread_id
        if root is None or event.author.is_us or not event.text.strip():
            return
        thread = (home.us.space, event.chat.chat_id, root)
        if thread not in self._untitled:
            return
        del self._untitled[thread]
        arguments = {"channel_id": thread[1], "thread_ts": root, "title": title_of(event.text)}
        self._soon(self._decorate(home, "assistant.threads.setTitle", arguments))

    async def close(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _offer(self, home: Workspace, channel: str, root: str, user: str | None) -> None:
        if user is not None:
            await home.people.know({user})
        known = home.people.get(user or "")
        arguments = {
            "channel_id": channel,
            "thread_ts": root,
            "prompts": prompts_of(self._prompts, known.locale if known else None),
        }
        await self._decorate(home, "assistant.threads.setSuggestedPrompts", arguments)

    async def _decorate(self, home: Workspace, method: str, arguments: Json) -> None:
        if not self._may:
            return
        try:
            await home.api.call(method, arguments)
        except RightsMissing as error:
            self._may = False
            log.warning("slack: threads of the assistant view get no prompts or titles: %s", error)
        except PlatformError as error:
            log.info("slack: %s: %s", method, error)

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def prompts_of(commands: tuple[CommandHelp, ...], locale: str | None) -> list[dict[str, str]]:
    """Pure: commands as prompts in somebody's language, where there are words in it."""
    language = (locale or "").partition("-")[0].lower()
    return [
        {
            "title": command.summaries.get(language, command.summary),
            "message": f"{MARK}{command.name}",
        }
        for command in commands
    ]


def title_of(text: str) -> str:
    """Pure: the first line of a text, cut to TITLE_MAX characters."""
    line = text.strip().split("\n", 1)[0].strip()
    if len(line) <= TITLE_MAX:
        return line
    return line[: grapheme_floor(line, TITLE_MAX - 1)] + "…"
