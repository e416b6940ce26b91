"""What each outcome of an operation makes of its row."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway import outgoing
from platforms.content import Edit, Operation, Post, Upload
from platforms.errors import (
    ChatMoved,
    ChatUnavailable,
    CredentialsRejected,
    MarkupRejected,
    MessageGone,
    MessageRejected,
    PictureRejected,
    PlatformError,
    PlatformUnavailable,
    RightsMissing,
    SendUncertain,
    ThreadGone,
    TooLong,
)
from platforms.events import ChatRef
from tests.gateway.events import TELEGRAM
from tests.gateway.way_out import ANN, WayOut, limited
from tests.pictures import drawn

Make = Callable[..., WayOut]


async def edit_row(way: WayOut, text: str = "Done.") -> Any:
    """A final edit of a message that stands, handed to the outlet."""
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    return (await way.send(text, op="edit", target=anchor, turn_id=1))[0]


async def post_row(way: WayOut, text: str = "Done.") -> Any:
    """A final post, handed to the outlet."""
    return (await way.send(text))[0]


async def upload_row(way: WayOut) -> Any:
    """A file, handed to the outlet."""
    file = outgoing.File(data=b"x", name="answer.md", mime="text/markdown")
    return (await way.send("", op="upload", content=file))[0]


KINDS: dict[type[Operation], Callable[[WayOut], Awaitable[Any]]] = {
    Post: post_row,
    Edit: edit_row,
    Upload: upload_row,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_unavailable_is_tried_again_ever_more_slowly(
    way: WayOut, kind: type[Operation]
) -> None:
    """1, 2, 4 ... 60 seconds; the row waits meanwhile, certainly unsent."""
    way.adapter.then(kind, *(PlatformUnavailable("down") for _ in range(8)))
    row = await KINDS[kind](way)
    await way.clock.asleep()
    assert await way.fate(row) == ("pending", None, "unreachable")
    await way.slept(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert (await way.row(row)).attempts == 9


async def test_unavailable_for_a_day_is_given_up(way: WayOut) -> None:
    """The row is dead and says why, the chat is told that words were lost; the next one leaves."""
    way.adapter.then(Post, PlatformUnavailable("down"), PlatformUnavailable("down"))
    row = await post_row(way)
    await way.clock.asleep()
    way.clock.advance(24 * 3600 + 1)
    await way.settled()
    assert await way.fate(row) == ("dead", None, "unreachable for a day")
    await post_row(way, "after")
    await way.settled()
    lost = "An answer of mine could not be delivered here. Its operator can look it up (ref o1)."
    assert way.adapter.shown("1001") == [lost, "after"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["chat", "method", "account"])
async def test_rate_limited_waits_as_long_as_told(
    way: WayOut, kind: type[Operation], scope: str
) -> None:
    """However often; no number of waits gives a row up."""
    way.adapter.then(kind, *(limited(7.0, scope) for _ in range(5)))
    row = await KINDS[kind](way)
    await way.clock.asleep()
    assert await way.fate(row) == ("pending", None, "rate limit")
    await way.slept(7.0, 7.0, 7.0, 7.0, 7.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"


@pytest.mark.parametrize(("scope", "waits"), [("chat", False), ("account", True)])
async def test_a_rate_limit_holds_its_scope(way: WayOut, scope: str, waits: bool) -> None:
    """One chat's limit is not another chat's; the account's is everybody's."""
    way.adapter.then(Post, limited(7.0, scope))
    await post_row(way, "first")
    await way.clock.asleep()
    await way.send("second", chat="telegram:2")
    if waits:
        assert len(await way.clock.asleep(2)) == 2
        assert way.adapter.shown("2") == []
    else:
        await way.adapter.shows("2", "second")


async def test_an_uncertain_edit_is_repeated(way: WayOut) -> None:
    """It is idempotent: a moment later again, three times in all, then shown as unknown."""
    way.adapter.then(Edit, *(SendUncertain("cut") for _ in range(2)))
    row = await edit_row(way)
    await way.slept(1.0, 2.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "1", None)
    way.adapter.then(Edit, *(SendUncertain("cut") for _ in range(3)))
    (row,) = await way.send("More.", op="edit", target=row, turn_id=1)
    await way.slept(1.0, 2.0)
    await way.settled()
    assert await way.fate(row) == ("unknown", None, "cut")


@pytest.mark.parametrize("kind", [Post, Upload])
async def test_an_uncertain_post_without_a_nonce_is_made_once_more(
    way: WayOut, kind: type[Operation]
) -> None:
    """An answer is worth one possible double; after that it is shown as unknown."""
    way.adapter.then(kind, SendUncertain("cut"))
    row = await KINDS[kind](way)
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    way.adapter.then(kind, SendUncertain("cut"), SendUncertain("cut again"))
    row = await KINDS[kind](way)
    await way.slept(1.0)
    await way.settled()
    assert await way.fate(row) == ("unknown", None, "cut again")


async def test_an_uncertain_placeholder_is_left_alone(way: WayOut) -> None:
    """It may stand, and is never posted again; the final text is posted anew behind it."""
    way.adapter.then(Post, SendUncertain("cut"))
    anchor = await way.stored("Working", purpose="anchor", turn_id=1)
    assert await way.outlet.post(anchor) is None
    assert await way.fate(anchor) == ("unknown", None, "cut")
    (final,) = await way.send("Done.", op="edit", target=anchor, turn_id=1)
    await way.settled()
    assert way.adapter.shown("1001") == ["Done."]
    assert await way.fate(final) == ("sent", "1", None)
    assert len(way.adapter.performed) == 2


@pytest.mark.parametrize("purpose", ["anchor", "final"])
async def test_with_a_nonce_an_uncertain_post_is_repeated(make_way: Make, purpose: Any) -> None:
    """The platform knows the repeat by the same nonce, so nothing can stand twice."""
    way = make_way(nonce_life_s=120.0)
    way.adapter.then(Post, SendUncertain("cut"), SendUncertain("cut"))
    (row,) = await way.send("hello", purpose=purpose)
    await way.slept(1.0, 2.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "1", None)
    nonces = {op.nonce for op in way.adapter.performed if isinstance(op, Post)}
    assert nonces == {row.nonce}


async def test_rejected_markup_goes_out_plain(way: WayOut) -> None:
    """The same words without their marks, once."""
    way.adapter.then(Post, MarkupRejected("bad entity"))
    row = await post_row(way, "**bold** `code`")
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert way.adapter.shown("1001") == ["bold code"]
    assert "Strong" in repr(way.adapter.performed[0])
    assert "Strong" not in repr(way.adapter.performed[1])
    way.adapter.then(Post, MarkupRejected("bad"), MarkupRejected("still bad"))
    row = await post_row(way, "**bold**")
    await way.settled()
    assert await way.fate(row) == ("dead", None, "still bad")


async def test_a_rejected_picture_goes_out_as_a_file(way: WayOut) -> None:
    """The same bytes under the same nonce, once."""
    way.adapter.then(Upload, PictureRejected("bad sides"), PictureRejected("still bad"))
    file = outgoing.File(data=drawn(), name="a.png", mime="image/png")
    (row,) = await way.send("", op="upload", content=file)
    await way.settled()
    assert await way.fate(row) == ("dead", None, "still bad")
    tried = [each for each in way.adapter.performed if isinstance(each, Upload)]
    assert [each.picture for each in tried] == [(40, 30), None]
    assert len({(each.data, each.nonce) for each in tried}) == 1


async def test_rejected_markup_of_an_edit_goes_out_plain(way: WayOut) -> None:
    """Also in a message that stands already."""
    way.adapter.then(Edit, MarkupRejected("bad entity"))
    row = await edit_row(way, "**bold**")
    await way.settled()
    assert await way.fate(row) == ("sent", "1", None)
    assert way.adapter.shown("1001") == ["bold"]


async def test_a_message_that_is_gone_is_posted_anew(way: WayOut) -> None:
    """The final words arrive, under their own nonce."""
    way.adapter.then(Edit, MessageGone("deleted by a person"))
    row = await edit_row(way)
    await way.settled()
    assert await way.fate(row) == ("sent", "2", None)
    assert way.adapter.shown("1001") == ["Working", "Done."]
    post = way.adapter.performed[-1]
    assert isinstance(post, Post)
    assert post.nonce == row.nonce


async def test_a_thread_that_is_gone_is_left_for_its_chat(way: WayOut) -> None:
    """Once; what the chat itself refuses is dead."""
    way.adapter.then(Post, ThreadGone("closed"))
    (row,) = await way.send("hello", chat=f"{ANN}/7")
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert way.adapter.shown("1001") == ["hello"]
    way.adapter.then(Post, ThreadGone("closed"), ThreadGone("closed"))
    (row,) = await way.send("hello", chat=f"{ANN}/7")
    await way.settled()
    assert await way.fate(row) == ("dead", None, "closed")


MOVED = ChatRef(account=TELEGRAM, chat_id="-100777")


async def test_a_chat_that_moved_is_followed(way: WayOut) -> None:
    """A post keeps its thread; an edit is posted anew, since ids begin anew there."""
    way.adapter.then(Post, ChatMoved("migrated", to=MOVED))
    (row,) = await way.send("hello", chat="telegram:-5/7")
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert way.adapter.shown("-100777/7") == ["hello"]
    way.adapter.then(Edit, ChatMoved("migrated", to=MOVED))
    row = await edit_row(way)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert way.adapter.shown("-100777") == ["Done."]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ChatUnavailable("bot was kicked", reason="kicked"), "kicked"),
        (ChatUnavailable("no", reason="no_rights", remedy="Roles > bot"), "no_rights: Roles > bot"),
        (MessageRejected("no"), "no"),
        (PlatformError("odd"), "odd"),
    ],
)
async def test_what_can_not_heal_is_dead(
    way: WayOut, kind: type[Operation], error: PlatformError, reason: str
) -> None:
    """One request, a reason an operator sees, and the next row leaves."""
    row_of = KINDS[kind]
    way.adapter.then(kind, error)
    row = await row_of(way)
    await way.settled()
    assert await way.fate(row) == ("dead", None, reason)
    assert (await way.row(row)).attempts == 1


async def test_a_part_that_is_too_long_becomes_a_file(way: WayOut) -> None:
    """A platform that counts differently than we do gets the same words as a file."""
    way.adapter.then(Post, TooLong("4096 at most"))
    row = await post_row(way, "one two three " * 100)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    upload = way.adapter.performed[-1]
    assert isinstance(upload, Upload)
    assert upload.data.decode().split() == ["one", "two", "three"] * 100


async def test_a_right_for_files_that_is_missing_keeps_no_words_back(way: WayOut) -> None:
    """The file is lost, chat and owners are told, and everybody else is served."""
    way.adapter.then(Upload, RightsMissing("the app lacks the right files:write"))
    content = outgoing.File(data=b"x", name="answer.md", mime="text/markdown")
    file = await way.stored(op="upload", content=content)
    way.outlet.enqueue((file,))
    await way.send("after it")
    await way.settled()
    assert await way.fate(file) == ("dead", None, "the app lacks the right files:write")
    (key, sentence), *_ = way.alerts
    assert key == f"failed:{ANN}"
    assert "the app lacks the right files:write" in sentence
    assert way.adapter.shown("1001")[0] == "after it"
    assert way.outlet.problem == ""


@pytest.mark.parametrize("kind", [CredentialsRejected, RightsMissing])
async def test_rejected_credentials_keep_rows_until_connected_anew(
    way: WayOut, kind: type[CredentialsRejected]
) -> None:
    """No chat is served any more and nothing is lost; `resume` sends it in order."""
    way.adapter.then(Post, kind("token revoked"))
    first, second = await way.send("one", "two")
    await way.settled()
    (other,) = await way.send("three", chat="telegram:2")
    await way.settled()
    assert len(way.adapter.performed) == 1
    assert await way.fate(first) == ("pending", None, "credentials rejected")
    assert [(await way.fate(row))[0] for row in (second, other)] == ["pending", "pending"]
    assert way.outlet.depth == 3
    assert way.outlet.problem == "token revoked"
    way.outlet.resume()
    assert way.outlet.problem == ""
    await way.settled()
    assert way.adapter.shown("1001") == ["one", "two"]
    assert way.adapter.shown("2") == ["three"]


# Rows an earlier run left in flight.


async def left_in_flight(way: WayOut, **fields: Any) -> Any:
    """A row that was being sent when the gateway died."""
    row = await way.stored(**fields)
    await way._write(
        lambda tx: tx.run("UPDATE outbox SET state = 'in_flight' WHERE id = ?", row.id)
    )
    row = await way.row(row)
    way.outlet.enqueue((row,))
    return row


async def test_an_answer_left_in_flight_is_sent_once_more(way: WayOut) -> None:
    """It may stand twice, but it stands."""
    row = await left_in_flight(way)
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert way.adapter.shown("1001") == ["hello"]


async def test_a_placeholder_left_in_flight_is_unknown(way: WayOut) -> None:
    """Nobody posts "Working on it" twice."""
    row = await left_in_flight(way, purpose="anchor", turn_id=1)
    await way.settled()
    assert (await way.fate(row))[0] == "unknown"
    assert way.adapter.performed == []


async def test_with_a_nonce_everything_left_in_flight_is_repeated(make_way: Make) -> None:
    """The platform tells whether it stood."""
    way = make_way(nonce_life_s=120.0)
    row = await left_in_flight(way, purpose="anchor", turn_id=1)
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"


async def test_an_edit_left_in_flight_is_repeated(way: WayOut) -> None:
    """Once more changes nothing if it stood."""
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    row = await left_in_flight(way, op="edit", target=anchor, turn_id=1)
    await way.slept(1.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "1", None)


async def test_a_cancellation_out_of_an_sdk_is_a_doubt(way: WayOut) -> None:
    """What a library cancelled within itself may stand; the line goes on and nothing is lost."""
    way.adapter.then(Post, asyncio.CancelledError())
    row = await post_row(way)
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
