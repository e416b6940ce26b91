"""What stands in a channel or thread, oldest first, page by page.

Source: docs.slack.dev/reference/methods/conversations.history and conversations.replies.
"""

from collections.abc import Awaitable, Callable

from platforms.fields import Body, identifier, mapping, objects, truth
from platforms.slack.api import Json
from platforms.slack.limits import HISTORY_PAGE
from platforms.slack.stamps import is_stamp, order

THREAD_MOST = 1_000

Call = Callable[[str, Json], Awaitable[Json]]
"""One call of a method that reads; raises PlatformError."""


async def read_channel(call: Call, channel: str, *, oldest: str, most: int) -> list[Body]:
    """The newest `most` messages after `oldest`, without the replies of their threads."""
    arguments = {"channel": channel, "oldest": oldest}
    return await _pages(call, "conversations.history", arguments, most)


async def read_thread(call: Call, channel: str, root: str, *, oldest: str, most: int) -> list[Body]:
    """The first `most` replies after `oldest`, without the root."""
    arguments = {"channel": channel, "ts": root, "oldest": oldest}
    found = await _pages(call, "conversations.replies", arguments, most)
    return [message for message in found if message.get("ts") != root]


async def read_before(
    call: Call, channel: str, root: str | None, *, before: str, most: int
) -> list[Body]:
    """The newest `most` messages before one: of the channel, or of a thread with its root first.

    Of a thread the oldest come first, so one of more than HISTORY_PAGE replies takes more calls.
    """
    span = {"channel": channel, "latest": before, "inclusive": False}
    if root is None:
        found = await _pages(call, "conversations.history", span, most)
    else:
        found = await _pages(call, "conversations.replies", {**span, "ts": root}, THREAD_MOST)
    told = [message for message in found if order(message["ts"]) < order(before)]
    about = [message for message in told[:1] if message["ts"] == root]
    return [*about, *told[len(about) :][-(most - len(about)) :]]


async def _pages(call: Call, method: str, arguments: Json, most: int) -> list[Body]:
    found: list[Body] = []
    cursor: str | None = None
    while len(found) < most:
        page = await call(
            method,
            {
                **arguments,
                "limit": min(HISTORY_PAGE, most - len(found)),
                "include_all_metadata": True,
                **({"cursor": cursor} if cursor else {}),
            },
        )
        messages = objects(page, "messages")
        found += [message for message in messages if is_stamp(message.get("ts"))]
        cursor = identifier(mapping(page, "response_metadata"), "next_cursor")
        if not messages or not cursor or not truth(page, "has_more"):
            break
    return sorted(found, key=lambda message: order(str(message["ts"])))
