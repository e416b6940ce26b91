"""Which chats of the page somebody reads."""

from dataclasses import replace

import pytest

from gateway.store.base import Store
from gateway.web.readers import has_reader
from platforms.events import Account, ChatRef
from platforms.web.parse import chat_of, notices_of
from tests.gateway.events import GROUP
from tests.gateway.records import rows
from tests.gateway.web.test_history import CHAT, written

OTHER = "1c9c5c1f-75cb-4f5c-8b4d-1e903c7d2b22"


@pytest.mark.parametrize(
    ("chat", "read"),
    [
        (CHAT, True),
        (notices_of("local"), True),
        (GROUP, True),
        (chat_of("local", OTHER), False),
        (chat_of("ada", CHAT.chat_id), False),
        (notices_of("ada"), False),
        (replace(CHAT, thread_id="1"), False),
        (ChatRef(account=Account(platform="web", id="local"), chat_id="NOCHAT"), False),
    ],
    ids=["begun", "notices", "elsewhere", "never begun", "no user", "no notices", "thread", "id"],
)
async def test_what_the_page_lists_is_read(store: Store, chat: ChatRef, read: bool) -> None:
    """Chats its one user began, and the notices; what other platforms read they say themselves."""
    await rows.arrived(store, written(1, "hello"))
    assert await store.read(lambda tx: has_reader(tx, chat)) is read
