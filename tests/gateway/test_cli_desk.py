"""Approvals, money and the audit from the command line, against a gateway behind its socket."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.tables import print_table
from gateway.control import ControlServer
from gateway.store.base import Store
from gateway.store.directory import DATABASE
from gateway.store.records import freezes
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import write
from tests.gateway.shell import JOB, SECRET, SHELL, Shell, at_the_shell
from tests.gateway.test_control import Echo


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class Line:
    """The command line of somebody on the gateway's own machine."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, *arguments: str) -> Ended:
        """Run one command beside the gateway."""
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        captured = self._capsys.readouterr()
        return Ended(code=code, out=captured.out, err=captured.err)


@pytest.fixture
def gatepost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Line:
    """The command line in a directory with a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GATEPOST_CONFIG", raising=False)
    (tmp_path / "gatepost.toml").write_text(
        f'[gateway]\nstate_dir = "state"\n[web]\ntoken = "{SECRET}"\n'
    )
    return Line(capsys)


@pytest.fixture
async def shell(store: Store, tmp_path: Path, clock: HandClock) -> AsyncIterator[Shell]:
    """A connected gateway that listens on its socket."""
    async with at_the_shell(store, tmp_path, clock) as made:
        server = ControlServer(
            tmp_path / "state", operator=made.core.operator, terminals=Echo(), desk=made.desk
        )
        await server.start()
        yield made
        await server.close()


async def test_the_queue_from_the_shell(shell: Shell, gatepost: Line) -> None:
    """Nothing, then one line a card; the same for programs; the status counts it."""
    assert (await gatepost("approvals")).out == "Nothing waits for a decision.\n"
    card = await shell.asked()
    table = await gatepost("approvals")
    assert table.code == 0
    row = table.out.splitlines()[1].split()
    assert (row[0], f"{JOB} run" in table.out, "$0.21" in row) == (card.code, True, True)
    (line,) = json.loads((await gatepost("approvals", "--json")).out)
    assert (line["code"], line["at_most"], line["tier"]) == (card.code, 210_000, "requester")
    status = json.loads((await gatepost("status", "--json")).out)
    assert [each["code"] for each in status["rows"]["cards"]] == [card.code]
    assert (status["rows"]["approvals"], status["spent_today"]) == (1, 0)


async def test_deciding_from_the_shell(shell: Shell, gatepost: Line) -> None:
    """Shown whole, approved once; what is decided stays; the story names who and how."""
    card = await shell.asked()
    shown = await gatepost("show", card.code)
    assert shown.out.startswith(f"Approval {card.code}: {JOB} run")
    approved = await gatepost("approve", card.code, card.code)
    assert (approved.code, approved.out) == (0, "Approved.\n")
    await shell.ends()
    assert await shell.states() == ["done"]
    late = await gatepost("deny", card.code, "too late")
    assert (late.code, late.out) == (1, "")
    assert "decided already" in late.err
    story = await gatepost("why", card.code.lower())
    assert (story.code, f"approved by {SHELL}" in story.out) == (0, True)


async def test_denying_from_the_shell(shell: Shell, gatepost: Line) -> None:
    """With a reason; a code nobody has is one sentence."""
    card = await shell.asked()
    denied = await gatepost("deny", card.code, "no")
    assert (denied.code, denied.out) == (0, "Denied.\n")
    unknown = await gatepost("approve", "ZZZZZ")
    assert (unknown.code, unknown.err) == (
        1,
        "gatepost: there is no approval ZZZZZ; gatepost approvals lists them\n",
    )


async def test_money_from_the_shell(shell: Shell, gatepost: Line, store: Store) -> None:
    """Sums, limits, freezes and distrust in one page; each can be lifted by name."""
    card = await shell.asked()
    await shell.decides("approve", card.code)
    await shell.ends()
    await write(store, lambda tx: freezes.suspect(tx, JOB, reason="too low", now=1))
    assert (await gatepost("freeze")).out == "Spending is frozen everywhere.\n"
    page = await gatepost("spend", "--month")
    assert page.code == 0
    assert page.out.startswith("Spent this month: $0.0840, in 1 calls")
    for text in ("telegram:1001", "chat_day telegram:1001", "frozen everywhere", "not trusted"):
        assert text in page.out
    table = json.loads((await gatepost("spend", "--by", "what", "--json")).out)
    assert [each["settled"] for each in table["by"]["what"]] == [84_000]
    assert [(each["name"], each["calls"]) for each in table["models"]] == [("loopback-1", 2)]
    assert [each["name"] for each in table["kinds"]] == ["main"]
    assert "tokens in" in page.out
    assert (await gatepost("estimators", "clear", JOB)).code == 0
    assert (await gatepost("estimators", "clear", JOB)).code == 1
    assert (await gatepost("unfreeze")).code == 0
    gone = await gatepost("unfreeze", "telegram:1001")
    assert (gone.code, gone.err) == (1, "Nothing was frozen in telegram:1001.\n")
    wrong = await gatepost("freeze", "slack:T1/C1")
    assert "names no connected platform" in wrong.err


async def test_leave_from_the_shell(shell: Shell, gatepost: Line) -> None:
    """Listed with what is left, taken back once."""
    assert "each call is judged" in (await gatepost("grants")).out
    await shell.asked()
    await shell.says("/auto $2 2h")
    (leave,) = json.loads((await gatepost("grants", "--json")).out)
    assert "$2.00 of $2.00" in (await gatepost("grants")).out
    assert (await gatepost("revoke", leave["id"])).code == 0
    assert (await gatepost("revoke", leave["id"])).code == 1


async def test_the_audit_from_the_shell(shell: Shell, gatepost: Line, store: Store) -> None:
    """Of the running gateway: whole, its head, every row without secrets; broken is exit code 1."""
    card = await shell.asked()
    await shell.decides("deny", card.code, f"not with {SECRET}")
    assert (await gatepost("audit", "verify")).out.startswith("whole: ")
    seq, mark = (await gatepost("audit", "head")).out.split()
    exported = await gatepost("audit", "export")
    lines = [json.loads(line) for line in exported.out.splitlines()]
    assert (len(lines), lines[-1]["hash"]) == (int(seq), mark)
    assert SECRET not in exported.out
    await write(store, lambda tx: tx.run("UPDATE audit SET chat = 'x' WHERE seq = 2"))
    broken = await gatepost("audit", "verify")
    assert (broken.code, broken.err) == (1, "BROKEN at row 2: it was altered\n")
    assert not json.loads((await gatepost("audit", "verify", "--json")).out)["whole"]


async def test_the_audit_of_files(
    store: Store, tmp_path: Path, clock: HandClock, gatepost: Line
) -> None:
    """A stopped state directory and a backup are checked in the same way, and not changed."""
    async with at_the_shell(store, tmp_path, clock) as shell:
        card = await shell.asked()
        await shell.decides("deny", card.code, f"not with {SECRET}")
    await store.close()
    state = tmp_path / "state"
    before = (state / DATABASE).read_bytes()
    whole = await gatepost("audit", "verify")
    assert whole.out.startswith("whole: ")
    assert (await gatepost("audit", "verify", str(state))).out == whole.out
    head = (await gatepost("audit", "head")).out
    assert SECRET not in (await gatepost("audit", "export")).out
    assert (await gatepost("backup", "copy.tar")).code == 0
    assert (await gatepost("audit", "verify", "copy.tar")).out == whole.out
    assert (await gatepost("audit", "head", "copy.tar")).out == head
    assert (state / DATABASE).read_bytes() == before
    with closing(sqlite3.connect(state / DATABASE)) as connection:
        connection.execute("DELETE FROM audit WHERE seq = 2")
        connection.commit()
    broken = await gatepost("audit", "verify")
    assert (broken.code, "BROKEN at row 3" in broken.err) == (1, True)
    nowhere = await gatepost("audit", "verify", "nowhere")
    assert (nowhere.code, "no state directory and no backup" in nowhere.err) == (1, True)


def test_no_cell_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A name may hold what a terminal would obey."""
    print_table(("name",), [("\x1b[2Jeve\r",)])
    assert "\x1b" not in capsys.readouterr().out
