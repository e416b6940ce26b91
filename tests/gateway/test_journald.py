"""Log lines in the journal, received on a real socket by its own protocol."""

import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway import logs
from gateway.journald import VALUE_MAX_BYTES, leads_to_journal, priority
from gateway.logs import session_in_log, set_up, turn_in_log

TOKEN = "123456:AAbbCC-ddEEffGGhh"


def read_entry(datagram: bytes) -> dict[str, str]:
    """An entry's fields, read as the journal reads them."""
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


class Journal:
    """The journal's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(60)

    def entry(self) -> dict[str, str]:
        """The next entry."""
        return read_entry(self.socket.recv(1 << 20))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal that listens."""
    listening = Journal(tmp_path / "journal")
    yield listening
    listening.socket.close()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def environ(capfd: pytest.CaptureFixture[str]) -> Mapping[str, str]:
    """What the service manager sets when standard error is the journal."""
    found = os.fstat(sys.stderr.fileno())
    return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


def test_an_entry_has_fields(journal: Journal, environ: Mapping[str, str]) -> None:
    """Priority, logger, session and turn stand apart from the words; secrets nowhere."""
    set_up("text", secrets=[TOKEN], environ=environ, journal=journal.path)
    session, turn = session_in_log.set("telegram:77|telegram:1"), turn_in_log.set("t5")
    try:
        logging.getLogger("gateway.x").warning("took %d rows\nwith %s", 3, TOKEN)
    finally:
        session_in_log.reset(session)
        turn_in_log.reset(turn)
    assert journal.entry() == {
        "MESSAGE": "took 3 rows\\nwith [hidden]",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "gatepost",
        "GATEPOST_LOGGER": "gateway.x",
        "GATEPOST_SESSION": "telegram:77|telegram:1",
        "GATEPOST_TURN": "t5",
    }


def test_a_traceback_is_part_of_its_entry(journal: Journal, environ: Mapping[str, str]) -> None:
    """Its lines are one value; what is empty is left out."""
    set_up("text", secrets=[TOKEN], environ=environ, journal=journal.path)
    try:
        raise ValueError(TOKEN)
    except ValueError:
        logging.getLogger("gateway.x").exception("failed")
    entry = journal.entry()
    assert entry["MESSAGE"].startswith("failed\nTraceback")
    assert entry["MESSAGE"].endswith("ValueError: [hidden]")
    assert entry["PRIORITY"] == "3"
    assert "GATEPOST_TURN" not in entry


def test_what_is_too_long_is_cut(journal: Journal, environ: Mapping[str, str]) -> None:
    """An entry fits its datagram, and no character is torn."""
    set_up("text", secrets=[], environ=environ, journal=journal.path)
    logging.getLogger("gateway.x").info("ü" * VALUE_MAX_BYTES)
    message = journal.entry()["MESSAGE"]
    assert message.endswith("ü [cut]")
    assert len(message.encode()) <= VALUE_MAX_BYTES + 6


def test_a_journal_that_is_gone_leaves_the_stream(
    journal: Journal, environ: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is lost: the line goes to standard error, every part with its priority."""
    set_up("text", secrets=[], environ=environ, journal=journal.path)
    journal.socket.close()
    logging.getLogger("gateway.x").error("words")
    err = capfd.readouterr().err
    assert err.startswith("<3>")
    assert "gateway.x: words" in err


def test_without_its_socket_lines_carry_their_priority(
    environ: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Every line of a traceback too, as each is an entry of its own there."""
    set_up("text", secrets=[], environ=environ, journal="/nowhere")
    try:
        raise ValueError
    except ValueError:
        logging.getLogger("gateway.x").exception("failed")
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


def test_the_json_form_stays_json(
    journal: Journal, environ: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Who asked for JSON lines gets them, with the priority the journal takes off again."""
    set_up("json", secrets=[], environ=environ, journal=journal.path)
    logging.getLogger("gateway.x").info("words")
    assert capfd.readouterr().err.startswith('<6>{"time":')


def test_a_line_that_cannot_be_written_ends_nothing(
    journal: Journal, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with every other handler."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    set_up("text", secrets=[], environ=environ, journal=journal.path)
    logging.getLogger("gateway.x").info("%d", "no number")
    logging.getLogger("gateway.x").info("next")
    assert journal.entry()["MESSAGE"] == "next"


@pytest.mark.parametrize("value", ["", "1:2", "x", None])
def test_another_stream_is_not_the_journal(
    value: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """A service's child with its output elsewhere inherits the variable, not the stream."""
    environ = {} if value is None else {"JOURNAL_STREAM": value}
    assert not leads_to_journal(sys.stderr, environ)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
    ],
)
def test_levels_have_priorities(level: int, expected: int) -> None:
    """As syslog counts them."""
    assert priority(level) == expected
