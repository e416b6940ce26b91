"""Outbox content, and the operation a row stands for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import outgoing
from gateway.outgoing import Content, File, Nothing, Words, dump, load, operation
from gateway.store.records.outbox import Op, OutboxRow
from platforms import markup
from platforms.content import Delete, Edit, Post, Upload
from platforms.events import MessageRef
from tests.gateway.events import CHANNEL, DM, TOPIC
from tests.pictures import drawn, moving

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ID = st.none() | TEXT
CONTENTS: st.SearchStrategy[Content] = st.one_of(
    st.builds(
        Words, body=TEXT.map(markup.parse), quote=st.none() | TEXT, only_for=st.none() | TEXT
    ),
    st.builds(File, data=st.binary(max_size=40), name=TEXT, mime=TEXT, caption=TEXT),
    st.just(Nothing()),
)


def row(content: Content, op: Op = "post", **fields: object) -> OutboxRow:
    """A row of a turn in ann's direct chat."""
    plain = OutboxRow(
        id=9,
        account="telegram:77",
        chat="telegram:1001",
        turn_id=1,
        part=0,
        purpose="final",
        op=op,
        target_id=None,
        content=dump(content),
        nonce="n" * 24,
        state="pending",
        message_id=None,
        attempts=0,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


@given(content=CONTENTS)
def test_content_comes_back_as_it_was(content: Content) -> None:
    """Words, files and nothing, byte for byte."""
    assert load(row(content)) == content


BODY = markup.parse("**hi**")
WORDS = Words(body=BODY)
REF = MessageRef(chat=DM, message_id="55")


def test_a_post() -> None:
    """The nonce that is on disk is the one that is sent."""
    assert operation(row(WORDS), target=None) == Post(chat=DM, body=BODY, nonce="n" * 24)


def test_a_post_that_answers_and_is_private() -> None:
    """Quote and person come from the content."""
    post = operation(row(Words(body=BODY, quote="4", only_for="1001")), target=None)
    assert post == Post(
        chat=DM,
        body=BODY,
        nonce="n" * 24,
        quote=MessageRef(chat=DM, message_id="4"),
        only_for="1001",
    )


def test_an_edit_of_what_stands() -> None:
    """The whole new state of its target."""
    assert operation(row(WORDS, "edit"), target="55") == Edit(message=REF, body=BODY)


def test_an_edit_of_what_never_stood_is_posted() -> None:
    """Its words must arrive."""
    assert operation(row(WORDS, "edit"), target=None) == Post(chat=DM, body=BODY, nonce="n" * 24)


def test_a_delete() -> None:
    """What never stood needs no taking back."""
    assert operation(row(Nothing(), "delete"), target="55") == Delete(message=REF)
    assert operation(row(Nothing(), "delete"), target=None) is None


def test_an_upload() -> None:
    """A file with its name and type."""
    file = File(data=b"# hi", name="answer.md", mime="text/markdown")
    assert operation(row(file, "upload"), target=None) == Upload(
        chat=DM, data=b"# hi", name="answer.md", mime="text/markdown", nonce="n" * 24
    )


@pytest.mark.parametrize(
    ("data", "sides"),
    [
        (drawn("PNG"), (40, 30)),
        (drawn("JPEG", (31, 17)), (31, 17)),
        (drawn("WEBP", (33, 18)), (33, 18)),
        (moving(), None),
        (moving("PNG"), None),
        (moving("WEBP"), None),
        (drawn("BMP"), None),
        (b"# words", None),
    ],
    ids=["png", "jpeg", "webp", "gif", "moving png", "moving webp", "bmp", "text"],
)
def test_what_is_a_picture_is_told_from_its_bytes(
    data: bytes, sides: tuple[int, int] | None
) -> None:
    """Whatever its name and type are; what moves would stand still as one."""
    upload = operation(row(File(data=data, name="a.txt", mime="text/plain"), "upload"), target=None)
    assert isinstance(upload, Upload)
    assert upload.picture == sides


@pytest.mark.parametrize(
    ("account", "chat", "expected"),
    [
        ("telegram:77", "telegram:-100200/7", TOPIC),
        ("slack:A1", "slack:T1/C1", CHANNEL),
    ],
)
def test_where_a_row_goes(account: str, chat: str, expected: object) -> None:
    """Account and chat are read from their text."""
    assert outgoing.chat_of(row(WORDS, account=account, chat=chat)) == expected
