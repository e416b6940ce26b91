"""`gatepost pair` beside a gateway that runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.control import ControlServer
from gateway.store.base import Store
from tests.gateway.core import Core
from tests.gateway.hand_clock import HandClock
from tests.gateway.test_control import Desk, Echo
from tests.gateway.test_pairing import CONFIG, from_ben


@pytest.fixture
async def core(
    tmp_path: Path, store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Core]:
    """A gateway that listens on its socket, and that ben has written to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "gatepost.toml").write_text('[gateway]\nstate_dir = "state"\n')
    core = Core(store, tmp_path, clock, config=CONFIG)
    await core.connect()
    control = ControlServer(
        tmp_path / "state", operator=Desk(), terminals=Echo(), access=core.access
    )
    await control.start()
    await core.take(from_ben("May I?", number=10))
    yield core
    await control.close()
    await core.close()


async def gatepost(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command beside the gateway."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


async def test_who_asks_is_listed_and_let_in(
    core: Core, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code, then with who decided; what they wrote is answered."""
    code, out, _ = await gatepost(capsys, "pair", "list", "--json")
    (asks,) = json.loads(out)
    assert (code, asks["person"], asks["words"]) == (0, "telegram:1002", "May I?")
    core.answers("You may.")
    code, out, err = await gatepost(capsys, "pair", "allow", asks["code"])
    assert (code, out, err) == (
        0, "telegram:1002 (Ben): may talk to me directly from now on.\n", ""
    )  # fmt: skip
    await core.adapter.until(lambda: core.adapter.shown("1002")[1:] == ["You may."])
    _, out, _ = await gatepost(capsys, "pair", "list")
    assert "allowed" in out and "shell:" in out and "May I?" not in out


async def test_what_changes_nothing_fails(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence and exit code 1."""
    code, out, err = await gatepost(capsys, "pair", "block", "K7QF-2M9P")
    assert (code, out, err) == (1, "", "Nobody asks under K7QF-2M9P.\n")


async def test_a_code_makes_an_owner(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed with what to do with it; who is one is listed, and taken back."""
    code, out, _ = await gatepost(capsys, "pair", "owner")
    shown = out.split()[0]
    assert (code, len(shown), shown.count("-")) == (0, 14, 2)
    assert "in a private chat, within ten minutes: it is good once." in out
    await core.take(from_ben(shown, number=11))
    _, out, _ = await gatepost(capsys, "pair", "owner", "--list")
    assert out.splitlines()[1].split() == ["telegram:1001", "gateway.owners"]
    assert out.splitlines()[2].startswith("telegram:1002  Ben")
    _, out, _ = await gatepost(capsys, "pair", "owner", "--list", "--json")
    assert [each["person"] for each in json.loads(out)] == ["telegram:1001", "telegram:1002"]
    told = await gatepost(capsys, "pair", "owner", "--remove", "telegram:1002")
    assert told == (0, "telegram:1002 is no owner any more.\n", "")
    assert (await gatepost(capsys, "pair", "owner", "--remove", "telegram:1001"))[0] == 1
