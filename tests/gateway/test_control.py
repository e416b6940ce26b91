"""The control socket, spoken to as the command line does."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.control import ControlServer, socket_address
from gateway.control_requests import (
    AskApprovals,
    AskAuditHead,
    AskGrants,
    AskSpend,
    AskStatus,
    AskWhy,
    BackedUp,
    BackUp,
    ClearEstimator,
    Decide,
    Examine,
    ExportAudit,
    FreezeSpending,
    OpenChat,
    Request,
    Revoke,
    SendFile,
    SendText,
    ShowCard,
    TriggerJob,
    UnfreezeSpending,
    VerifyAudit,
    read_request,
    request_line,
)
from gateway.errors import GatewayError
from gateway.outgoing import File
from gateway.store.backup import noted
from gateway.store.sqlite import SqliteStore
from platforms.errors import PlatformUnavailable
from platforms.terminal.parse import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Stands for the gateway's own status value."""

    uptime_s: float = 1.5
    parts: tuple[str, ...] = ("a",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Stands for the gateway's own result of a send."""

    outbox_id: int | None
    problem: str = ""


@dataclass(slots=True)
class Desk:
    """An operator's desk that answers from a script."""

    sent: list[tuple[str, str, str | None]] = field(default_factory=list)

    async def status(self) -> Any:
        """A look."""
        return Look()

    async def why(self, ident: str) -> tuple[str, ...]:
        """Two lines for t1, a refusal for t2, a fault for the rest."""
        if ident == "t1":
            return ("first", "second")
        if ident == "t2":
            raise GatewayError("t2 was pruned")
        raise ZeroDivisionError

    async def send(self, chat: str, text: str, key: str | None) -> Any:
        """Refuses a chat without a platform."""
        if ":" not in chat:
            return Result(outbox_id=None, problem=f"{chat} names no connected platform.")
        self.sent.append((chat, text, key))
        return Result(outbox_id=len(self.sent))

    async def send_file(self, chat: str, file: File, key: str | None) -> Any:
        """Takes every file."""
        self.sent.append((chat, f"{file.name} {file.mime} {file.data!r}", key))
        return Result(outbox_id=len(self.sent))


class Echo:
    """Terminals that say back what they hear, and who they are."""

    async def serve(
        self, person: Person, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """See Terminals."""
        if name == "full":
            raise PlatformUnavailable("Too many terminals are open here.")
        writer.write(f"{person.uid} {name}\n".encode())
        while line := await reader.readline():
            writer.write(line)


@asynccontextmanager
async def listening(state_dir: Path, desk: Desk) -> AsyncIterator[ControlServer]:
    """A server on a state directory."""
    os.makedirs(state_dir, mode=0o700, exist_ok=True)  # noqa: PTH103
    server = ControlServer(state_dir, operator=desk, terminals=Echo())
    await server.start()
    try:
        yield server
    finally:
        await server.close()


class Caller:
    """One connection of the command line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: bytes) -> Any:
        """Send a line, read the answer."""
        self.writer.write(line)
        return orjson.loads(await self.hear())

    async def hear(self) -> bytes:
        """The next line."""
        async with asyncio.timeout(60):
            return await self.reader.readline()


@asynccontextmanager
async def calling(state_dir: Path) -> AsyncIterator[Caller]:
    """An open connection."""
    with socket_address(state_dir) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "request_",
    [
        AskStatus(),
        AskWhy(ident="t1"),
        SendText(chat="c", text="ü\n", key="k"),
        SendFile(chat="c", name="ü.png", mime="image/png", data="AA==", key="k"),
        TriggerJob(name="nightly", key="", data="ü\n"),
        OpenChat(name=""),
        Examine(),
        BackUp(),
        BackedUp(path="/srv/one.tar"),
        AskApprovals(),
        ShowCard(code="K7Q2F"),
        Decide(verb="deny", code="K7Q2F", words="no", at_most="$2", item=3, confirmed=True),
        AskSpend(stretch="month", by="payer"),
        FreezeSpending(chat="all"),
        UnfreezeSpending(chat="slack:T1/C1"),
        ClearEstimator(name="hf_jobs"),
        AskGrants(),
        Revoke(ident="a1b2c3"),
        AskAuditHead(),
        VerifyAudit(),
        ExportAudit(after=500),
    ],
)
def test_a_request_is_read_as_it_was_written(request_: Request) -> None:
    """Each kind of request is one line."""
    line = request_line(request_)
    assert line.count(b"\n") == 1
    assert read_request(line) == request_


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"status\n",
        b"[]\n",
        b'{"do": "dance"}\n',
        b'{"do": ["why"]}\n',
        b'{"do": "why", "id": 1}\n',
        b'{"do": "spend", "stretch": "year", "by": ""}\n',
        b'{"do": "audit_export", "after": true}\n',
        b'{"do": "freeze"}\n',
    ],
)
def test_other_lines_are_no_requests(line: bytes) -> None:
    """Nothing is guessed."""
    assert read_request(line) is None


async def test_questions_are_answered_one_after_another(tmp_path: Path) -> None:
    """One connection may ask many times; a refusal or a fault ends nothing."""
    desk = Desk()
    async with listening(tmp_path / "state", desk), calling(tmp_path / "state") as caller:
        assert await caller.ask(request_line(AskStatus())) == {
            "ok": {"uptime_s": 1.5, "parts": ["a"]}
        }
        assert await caller.ask(request_line(AskWhy(ident="t1"))) == {"ok": ["first", "second"]}
        assert await caller.ask(request_line(AskWhy(ident="t2"))) == {"error": "t2 was pruned"}
        assert "version" in (await caller.ask(b"nonsense\n"))["error"]
        send = SendText(chat="web:local", text="hi", key="k1")
        assert await caller.ask(request_line(send)) == {"ok": 1}
        send = SendText(chat="nowhere", text="hi", key="k2")
        answer = await caller.ask(request_line(send))
        assert answer == {"error": "nowhere names no connected platform."}
        file = SendFile(chat="web:local", name="a.bin", mime="a/b", data="AAE=", key="k3")
        assert await caller.ask(request_line(file)) == {"ok": 2}
        broken = replace(file, data="no base64")
        assert "version" in (await caller.ask(request_line(broken)))["error"]
    assert desk.sent == [("web:local", "hi", "k1"), ("web:local", "a.bin a/b b'\\x00\\x01'", "k3")]


async def test_a_fault_of_ours_is_told_without_its_insides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller reads a sentence, the log has the traceback, the next caller is served."""
    async with listening(tmp_path / "state", Desk()):
        async with calling(tmp_path / "state") as caller:
            answer = await caller.ask(request_line(AskWhy(ident="t9")))
            assert answer == {"error": "the gateway could not do this; its log says why"}
        async with calling(tmp_path / "state") as caller:
            assert "ok" in await caller.ask(request_line(AskStatus()))
    assert "ZeroDivisionError" in caplog.text


async def test_a_chat_is_handed_over_with_who_the_system_says_it_is(tmp_path: Path) -> None:
    """After the answer the lines belong to the terminal's adapter."""
    async with listening(tmp_path / "state", Desk()), calling(tmp_path / "state") as caller:
        answer = await caller.ask(request_line(OpenChat(name="work")))
        assert answer == {"ok": f"terminal:{os.getuid()}-work"}
        assert await caller.hear() == f"{os.getuid()} work\n".encode()
        caller.writer.write(b"words\n")
        assert await caller.hear() == b"words\n"


@pytest.mark.parametrize(("name", "complaint"), [("Bad Name", "chat's name"), ("full", "Too many")])
async def test_a_refused_chat_says_why(tmp_path: Path, name: str, complaint: str) -> None:
    """A bad name is refused at once, a full house by the adapter."""
    async with listening(tmp_path / "state", Desk()), calling(tmp_path / "state") as caller:
        caller.writer.write(request_line(OpenChat(name=name)))
        lines = [orjson.loads(line) for line in [await caller.hear(), await caller.hear()] if line]
        assert complaint in lines[-1]["error"]


async def test_the_socket_is_private_and_goes_with_the_server(tmp_path: Path) -> None:
    """Mode 0600; the file is removed at the end; closing twice is calm."""
    state_dir = tmp_path / "state"
    async with listening(state_dir, Desk()) as server:
        mode = (state_dir / "control.sock").stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        await server.close()
        assert not (state_dir / "control.sock").exists()


async def test_a_socket_left_by_a_dead_gateway_is_replaced(tmp_path: Path) -> None:
    """After kill -9 the next start needs no help."""
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(state_dir / "control.sock"))
    left.close()
    async with listening(state_dir, Desk()), calling(state_dir) as caller:
        assert "ok" in await caller.ask(request_line(AskStatus()))


async def test_a_deep_state_directory_is_no_obstacle(tmp_path: Path) -> None:
    """The system's limit of 108 bytes on a socket's path does not reach the user."""
    state_dir = tmp_path / ("d" * 120) / "state"
    async with listening(state_dir, Desk()), calling(state_dir) as caller:
        assert "ok" in await caller.ask(request_line(AskStatus()))


async def test_closing_ends_open_connections(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller that only listens does not hold up the end, and nothing is logged as failed."""
    state_dir = tmp_path / "state"
    async with listening(state_dir, Desk()) as server, calling(state_dir) as caller:
        await caller.ask(request_line(OpenChat(name="")))
        await caller.hear()
        async with asyncio.timeout(60):
            await server.close()
            assert await caller.reader.read() == b""
    assert caplog.records == []


async def test_a_place_without_a_directory_is_named(tmp_path: Path) -> None:
    """No traceback for a socket that cannot be made."""
    server = ControlServer(tmp_path / "none", operator=Desk(), terminals=Echo())
    with pytest.raises(GatewayError, match="control socket"):
        await server.start()


@pytest.fixture
def state(store: SqliteStore, tmp_path: Path) -> Path:
    """The state directory of an open store."""
    return tmp_path / "state"


async def test_the_open_database_is_examined(state: Path) -> None:
    """Whole, its size, and the rows that want something, while the writer has it."""
    async with listening(state, Desk()), calling(state) as caller:
        answer = (await caller.ask(request_line(Examine())))["ok"]
    assert answer["integrity"] == "ok"
    assert answer["database_bytes"] > 0
    assert answer["rows"]["turns"] == []


async def test_a_copy_is_lent_for_as_long_as_it_is_packed(state: Path) -> None:
    """One at a time; told that it is packed, the gateway notes when and takes it away."""
    async with (
        listening(state, Desk()),
        calling(state) as caller,
        calling(state) as other,
    ):
        folder = (await caller.ask(request_line(BackUp())))["ok"]
        assert folder == str(state / "backup")
        assert os.listdir(folder) == ["gatepost.db"]  # noqa: PTH208
        assert "already" in (await other.ask(request_line(BackUp())))["error"]
        assert await caller.ask(request_line(BackedUp(path="/srv/one.tar"))) == {"ok": None}
        assert not (state / "backup").exists()
        assert noted(state) is not None
        assert "ok" in await other.ask(request_line(BackUp()))


async def test_a_copy_that_is_given_up_is_no_backup(state: Path) -> None:
    """Any other word ends it; nothing is noted, and the connection goes on."""
    async with listening(state, Desk()), calling(state) as caller:
        assert "version" in (await caller.ask(request_line(BackedUp(path="x"))))["error"]
        await caller.ask(request_line(BackUp()))
        answer = await caller.ask(request_line(AskStatus()))
        assert answer == {"error": "the copy was given up"}
        assert "ok" in await caller.ask(request_line(AskStatus()))
    assert not (state / "backup").exists()
    assert noted(state) is None


async def test_a_copy_goes_with_its_connection(state: Path) -> None:
    """A command that was killed while packing leaves nothing behind."""
    async with listening(state, Desk()) as server:
        async with calling(state) as caller:
            await caller.ask(request_line(BackUp()))
        await server.close()
    assert not (state / "backup").exists()
    assert noted(state) is None
