"""What stands in a chat before a message: one look, for whoever is addressed in it."""

from collections.abc import Callable
from datetime import datetime

from platforms.errors import RateLimited
from platforms.events import Ignored, MessageReceived, MessageRef, Said
from platforms.slack.api import Json
from platforms.slack.history import read_before
from platforms.slack.intake import as_event
from platforms.slack.limits import QUOTE_MAX
from platforms.slack.parse import mentioned_people, parse
from platforms.slack.reading import Index
from platforms.slack.stamps import is_stamp
from platforms.slack.workspaces import Workspace


class EarlierReader:
    """Reads chats back; `clock` only moves forward.

    A method that is limited is left alone until its time is over: apps outside Slack's Marketplace
    may be given one call a minute. Source: docs.slack.dev/apis/web-api/rate-limits.
    """

    def __init__(self, *, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        self._now = now
        self._clock = clock
        self._free_at: dict[tuple[str, str], float] = {}

    async def read(self, workspace: Workspace, message: MessageRef, limit: int) -> tuple[Said, ...]:
        """See `History`; a thread's root belongs to it."""
        if not is_stamp(message.message_id):
            return ()

        async def call(method: str, arguments: Json) -> Json:
            return await self._call(workspace, method, arguments)

        chat = message.chat
        shown = await read_before(
            call, chat.chat_id, chat.thread_id, before=message.message_id, most=limit
        )
        payloads = [as_event(workspace.us, chat.chat_id, each) for each in shown]
        people = {each for payload in payloads for each in mentioned_people(payload)}
        await workspace.people.know(people - {workspace.us.user_id})
        index = Index(us=workspace.us, people=workspace.people)
        found = (parse(payload, index, now=self._now(), late=True) for payload in payloads)
        events = (event for some in found if not isinstance(some, Ignored) for event in some)
        return tuple(
            Said(
                author=event.author,
                text=words,
                message=event.message,
                attachments=event.attachments,
            )
            for event in events
            if isinstance(event, MessageReceived) and (words := words_of(event))
        )

    async def _call(self, workspace: Workspace, method: str, arguments: Json) -> Json:
        place = (workspace.us.space, method)
        wait_s = self._free_at.get(place, 0.0) - self._clock()
        if wait_s > 0:
            message = f"Slack asked to wait ({method})"
            raise RateLimited(message, retry_after_s=wait_s, scope="method")
        try:
            return await workspace.api.read(method, arguments)
        except RateLimited as error:
            self._free_at[place] = self._clock() + error.retry_after_s
            raise


def words_of(event: MessageReceived) -> str:
    """Pure: a message as others quote it: its files by name, at most QUOTE_MAX characters."""
    files = (f"(file: {each.name or each.kind})" for each in event.attachments)
    return " ".join(filter(None, (event.text.strip(), *files)))[:QUOTE_MAX]
