"""Opens the form of a shortcut at once: its trigger lives three seconds.

Who may ask is decided when the form comes back.
"""

import asyncio
import logging

from platforms.errors import PlatformError
from platforms.fields import Body, identifier, mapping, string
from platforms.slack.reading import Index
from platforms.slack.shortcuts import ask_view, is_shortcut
from platforms.slack.workspaces import Workspace, ask

log = logging.getLogger(__name__)


class Shortcuts:
    """Opens the form for each shortcut."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def heed(self, payload: Body, home: Workspace) -> None:
        """Open the form; what goes wrong is logged, and the person may try again."""
        if is_shortcut(payload):
            task = asyncio.create_task(self._open(payload, home))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, payload: Body, home: Workspace) -> None:
        person = identifier(mapping(payload, "user"), "id") or ""
        try:
            answer = await ask(home.api, "conversations.open", {"users": person})
            direct = identifier(mapping(answer, "channel"), "id") or ""
            view = ask_view(payload, direct, Index(us=home.us, people=home.people))
            trigger = string(payload, "trigger_id")
            await home.api.call("views.open", {"trigger_id": trigger, "view": view})
        except PlatformError as error:
            log.warning("slack: the form of a shortcut could not be opened: %s", error)
