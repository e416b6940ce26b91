"""`gatepost send` and `trigger` from cron and scripts: the code says whether to try again."""

import asyncio
import os
import re
import socket
import threading
from pathlib import Path

import pytest

from gateway.cli.asking import NotRunning, Refused, Unanswered, answer_of, hand_over
from gateway.cli.main import EXIT_FAILED, EXIT_LATER, main
from gateway.control import socket_address
from gateway.control_requests import TriggerJob
from gateway.errors import NotNow
from gateway.store.base import Store
from platforms.cron.schedule import read_rule
from tests.gateway.core import Core, says
from tests.gateway.hand_clock import HandClock
from tests.gateway.test_jobs_from_outside import ROOT, running

COMMANDS = (("send", "terminal:0", "hi", "--key", "k"), ("trigger", "nightly", "--key", "k"))
MANUAL = (ROOT / "docs" / "clock.md").read_text()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration, in which no gateway runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gatepost.toml").write_text('[gateway]\nstate_dir = "state"\n')
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_a_gateway_it_is_to_be_tried_again(
    place: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do about it, in one sentence."""
    assert main(command) == EXIT_LATER
    assert capsys.readouterr().err == (
        f"gatepost: no gateway is running in {place}/state; start one with: gatepost run"
        " (or name its configuration with --config)\n"
    )


def test_a_gateway_that_ends_before_it_answers_is_asked_again(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can tell whether it was stored; the key makes that no matter."""
    with socket.socket(socket.AF_UNIX) as listening:
        with socket_address(place / "state") as address:
            listening.bind(address)
        listening.listen()

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.recv(65_536)
            connection.close()

        ending = threading.Thread(target=hang_up)
        ending.start()
        assert main(COMMANDS[1]) == EXIT_LATER
        ending.join()
    assert capsys.readouterr().err == (
        "gatepost: the gateway ended the connection without an answer\n"
    )


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"error": "the disk is full", "later": true}', Unanswered),
        (b'{"error": "there is no job x"}', Refused),
        (b"", Unanswered),
        (b"[]", Unanswered),
    ],
)
def test_an_answer_tells_whether_to_ask_again(line: bytes, kind: type[Refused]) -> None:
    """Only what the gateway says can't be done is final."""
    with pytest.raises(Refused) as refused:
        answer_of(line)
    assert type(refused.value) is kind


def test_what_may_be_repeated_is_one_kind_of_error(tmp_path: Path) -> None:
    """Its cause is there for whoever debugs."""
    with pytest.raises(NotNow) as raised:
        hand_over(tmp_path, TriggerJob(name="nightly", key="k", data=""))
    assert isinstance(raised.value.__cause__, NotRunning)


async def test_a_platform_that_is_not_connected_yet_is_waited_for(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """Right after a start; one that is not configured will not come."""
    core = Core(store, tmp_path, clock)
    with pytest.raises(NotNow, match="telegram is not connected yet, so nothing was stored"):
        await core.operator.send("telegram:1001", "hi", "k")
    assert (
        "names no connected platform"
        in (await core.operator.send("slack:T1/C1", "hi", "k")).problem
    )
    await core.close()


async def test_the_crontab_of_the_manual_does_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line at a time we can read, each command as the shell of cron makes it out."""
    (block,) = re.findall(r"```crontab\n(.*?)```", MANUAL, re.DOTALL)
    lines = [re.split(r" +", line, maxsplit=5) for line in block.splitlines()]
    for *fields, _ in lines:
        read_rule(" ".join(fields))
    program = tmp_path / "gatepost"
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    program.chmod(0o755)

    async def made_out(command: str) -> list[str]:
        """The arguments of a command; to cron a bare `%` would be its end."""
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", command.replace("\\%", "%")),
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await shell.communicate()
        return said.decode().split("\0")[:-1]

    named = '[destinations.ops]\nchat = "web:local"\n'
    async with running(tmp_path, more=NIGHTLY + named) as house:
        gate = asyncio.Event()
        house.model.script(says(gate, "Done."))
        for *_, command in lines:
            assert not re.search(r"(?<!\\)%", command)
            arguments = await made_out(command)
            at = arguments.index("--config")
            del arguments[at : at + 2]
            assert re.fullmatch(r"[a-z]+-\d{4}-\d\d-\d\d", arguments[-1]), "one key a day"
            assert await house.run(*arguments) == await house.run(*arguments) == 0
        assert capsys.readouterr().out.splitlines() == [
            "stored; what becomes of it: gatepost why f1",
            "known by its key, nothing new was stored; what becomes of it: gatepost why f1",
            "stored; what becomes of it: gatepost why o1",
            "stored; what becomes of it: gatepost why o1",
        ]
        assert await house.run("send", "nobody", "hi") == EXIT_FAILED
        assert await house.run("trigger", "nothing") == EXIT_FAILED
        gate.set()


NIGHTLY = """
[[cron]]
name = "nightly"
schedule = "@yearly"
prompt = "Look after the night."
deliver = "web:local"
"""
