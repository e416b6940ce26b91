"""What is in memory for the page, and what ends by itself."""

import asyncio
from datetime import UTC, datetime

from platforms.blocks import plain
from platforms.web.history import StoredFile
from platforms.web.hub import Hub
from platforms.web.limits import FILES_MAX_BYTES, LIVE_CHATS
from platforms.web.live import LiveMessage

AT = datetime(2026, 11, 21, tzinfo=UTC)
FOREVER_S = 3600.0


def said(name: str = "m") -> LiveMessage:
    """An answer of ours."""
    return LiveMessage(message_id=name, speaker="assistant", body=plain("x"), at=AT)


def label(hub: Hub) -> str | None:
    """The sign of life of the chat `c`."""
    live = hub.find("c")
    return live.label if live else None


async def test_a_sign_of_life_ends_by_itself() -> None:
    """Work that nobody ends or renews is not shown for ever."""
    hub = Hub(epoch="e")
    hub.work("c", "files list", life_s=0.01)
    reader = hub.open("c", "c", after=hub.cursor("c"))
    assert label(hub) == "files list"
    async with asyncio.timeout(60):
        await reader.wake.wait()
    assert label(hub) is None


async def test_renewed_work_goes_on() -> None:
    """The newest life counts."""
    hub = Hub(epoch="e")
    hub.work("c", "a", life_s=0.0)
    hub.work("c", "b", life_s=FOREVER_S)
    # Both timers would have fired by the second turn of the loop.
    for _ in range(3):
        await asyncio.sleep(0)
    assert label(hub) == "b"
    hub.close()


async def test_what_was_expected_ends_with_the_first_answer() -> None:
    """The answer to a command comes without work; an answer amid work does not end the work."""
    hub = Hub(epoch="e")
    hub.expect("c", life_s=FOREVER_S)
    assert label(hub) == ""
    hub.put("c", said())
    assert label(hub) is None
    hub.expect("c", life_s=FOREVER_S)
    hub.work("c", "files list", life_s=FOREVER_S)
    hub.expect("c", life_s=FOREVER_S)
    hub.put("c", said("other"))
    hub.expect_no_more("c")
    assert label(hub) == "files list"
    hub.close()


async def test_chats_nobody_looks_at_are_let_go() -> None:
    """The least recently changed go first; open and working ones stay."""
    hub = Hub(epoch="e")
    hub.put("open", said())
    reader = hub.open("open", "open", after="")
    hub.work("working", "", life_s=FOREVER_S)
    for number in range(LIVE_CHATS + 10):
        hub.put(f"c{number}", said())
    assert hub.find("c0") is None
    assert hub.find(f"c{LIVE_CHATS}") is not None
    assert hub.find("open") is not None
    assert hub.find("working") is not None
    hub.leave("open", reader)
    for number in range(LIVE_CHATS):
        hub.put(f"d{number}", said())
    assert hub.find("open") is None
    hub.close()


async def test_a_chat_let_go_and_begun_anew_does_not_fit_an_old_cursor() -> None:
    """A reader from before is never told that nothing happened."""
    hub = Hub(epoch="e")
    for _ in range(5):
        hub.put("c", said(f"m{_}"))
    cursor = hub.cursor("c")
    for number in range(LIVE_CHATS):
        hub.put(f"d{number}", said())
    assert hub.find("c") is None
    hub.put("c", said("new"))
    taken = hub.open("c", "c", after=cursor).take()
    assert taken is None or b"m-new" in taken


async def test_files_together_are_bounded() -> None:
    """The oldest go when newer ones need the room."""
    hub = Hub(epoch="e")
    half = StoredFile(name="a", data=bytes(FILES_MAX_BYTES // 2))
    for number in range(3):
        hub.keep_file("c", f"f{number}", half)
    assert [hub.file("c", f"f{number}") is None for number in range(3)] == [True, False, False]
    hub.withdraw("c", "f1")
    assert hub.file("c", "f1") is None
