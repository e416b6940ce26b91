"""Files that go with what is said at a terminal."""

from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from gateway.cli.attaching import Said, read_files, said_in
from gateway.errors import GatewayError
from platforms.events import Ignored, MessageReceived
from platforms.terminal.limits import SENT_FILES_MAX, SENT_MAX_BYTES
from platforms.terminal.parse import Person, chat_of, parse, taken_apart, with_kept
from platforms.terminal.wire import File, Say, act_line
from tests.platforms.terminal.test_terminal_client import AT

ANN = Person(uid=7, login="ann")
PICTURE = File(name="a.png", mime="image/png", data=b"\x89PNG picture")
NAME = "a" * 64


def read(line: bytes) -> MessageReceived | Ignored:
    """The event of a line."""
    found = parse(line, person=ANN, chat=chat_of(7), at=AT, sequence=1)
    if isinstance(found, Ignored):
        return found
    (event,) = found
    assert isinstance(event, MessageReceived)
    return event


def test_what_is_journaled_names_files_and_does_not_hold_them() -> None:
    """The bytes are kept elsewhere; words may lack."""
    line = act_line(Say(key=str(uuid4()), text="", files=(PICTURE,)))
    apart = taken_apart(line)
    assert apart is not None
    rest, (file,) = apart
    assert (file.name, file.mime, file.data) == ("a.png", "image/png", PICTURE.data)
    event = read(with_kept(rest, [NAME]))
    assert isinstance(event, MessageReceived)
    (attachment,) = event.attachments
    assert (attachment.kind, attachment.file, attachment.kept) == ("image", NAME, True)
    assert (attachment.name, attachment.bytes) == ("a.png", len(PICTURE.data))


def test_words_alone_are_as_ever() -> None:
    """Also where they speak of data."""
    line = act_line(Say(key=str(uuid4()), text='"data": no file'))
    assert taken_apart(line) == (line, ())
    event = read(line)
    assert isinstance(event, MessageReceived)
    assert (event.text, event.attachments) == ('"data": no file', ())


@pytest.mark.parametrize(
    "files",
    [
        [{"name": "a", "mime": "b", "data": "no base64!"}],
        [{"name": "a", "data": ""}],
        [{"name": "a", "mime": "b", "bytes": 1, "blob": "../../etc/passwd"}],
        [7],
        "data",
    ],
)
def test_no_sense_stays_no_sense(files: object) -> None:
    """And nothing is kept of it."""
    line = orjson.dumps({"say": {"key": str(uuid4()), "text": "x", "files": files, "data": 1}})
    apart = taken_apart(line)
    assert apart == (line, ())
    assert isinstance(read(line), Ignored)


def test_too_many_at_once() -> None:
    """Eight files go with a message."""
    many = act_line(Say(key="k", text="", files=(PICTURE,) * (SENT_FILES_MAX + 1)))
    assert taken_apart(many) is None


def test_a_typed_line_may_name_a_file(tmp_path: Path) -> None:
    """Its path is quoted or escaped where it has blanks; what follows are the words."""
    file = tmp_path / "my notes.txt"
    file.write_text("words")
    sent = (File(name="my notes.txt", mime="text/plain", data=b"words"),)
    assert said_in(f'/attach "{file}" What is this?') == Said(text="What is this?", files=sent)
    escaped = str(file).replace(" ", "\\ ")
    assert said_in(f"/attach {escaped}") == Said(text="", files=sent)
    assert said_in("/attached") == Said(text="/attached")
    assert said_in(" plain ") == Said(text=" plain ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/attach", "write /attach and a file"),
        ('/attach "no end', "a quote of this path has no end"),
        ("/attach /no/such/file", "No such file"),
        ("/attach /", "can't be read"),
    ],
)
def test_what_can_not_be_sent_is_said(line: str, said: str) -> None:
    """With what to do."""
    with pytest.raises(GatewayError, match=said):
        said_in(line)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """Its size tells before its bytes do; several count together."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(SENT_MAX_BYTES + 1)
    with pytest.raises(GatewayError, match="larger than 20 MiB"):
        read_files((large,))
    with pytest.raises(GatewayError, match="at most 8 files"):
        read_files((large,) * 9)
