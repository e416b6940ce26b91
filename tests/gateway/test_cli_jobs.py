"""`gatepost cron list, add, pause, resume, run, remove` beside a gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.control import ControlServer
from gateway.cron_assembly import shell_of_jobs
from gateway.desk_assembly import Ground
from gateway.logins import login_of
from gateway.store.sqlite import SqliteStore
from tests.gateway.cron_house import CHAT, CronHouse, job
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import CONFIG
from tests.gateway.test_control import Desk, Echo


@pytest.fixture
async def house(
    store: SqliteStore, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CronHouse]:
    """A gateway with the job standup that listens on its socket."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("GATEPOST_CONFIG", raising=False)
    (tmp_path / "gatepost.toml").write_text('[gateway]\nstate_dir = "state"\n')
    house = await CronHouse(store, tmp_path, clock).open(job(timezone="Europe/Berlin"))
    config = replace(CONFIG, gateway=replace(CONFIG.gateway, timezone="Europe/Berlin"))
    jobs = shell_of_jobs(
        house.cron,
        ground=Ground(config=config, store=store, clock=clock),
        account_of=lambda platform: "telegram:77" if platform == "telegram" else None,
    )
    control = ControlServer(
        tmp_path / "state", operator=Desk(), terminals=Echo(), cron=house.cron, jobs=jobs
    )
    await control.start()
    yield house
    await control.close()
    await house.close()


async def gatepost(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run one command; its code, and what it has said."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, ("cron", *arguments))
    captured = capsys.readouterr()
    return code, captured.out + captured.err


async def test_jobs_are_listed(house: CronHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """For people with their next time, for programs with all there is."""
    code, out = await gatepost(capsys, "list")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "standup" in line]
    for word in ("0 * * * * (Europe/Berlin)", "Thu 2025-10-09 11:00 CEST", CHAT):
        assert word in line
    _, out = await gatepost(capsys, "list", "--json")
    (told,) = json.loads(out)
    assert (told["state"], told["next"]) == ("active", "2025-10-09T09:00:00Z")
    assert told["upcoming"][1] == "2025-10-09T10:00:00Z"


async def test_a_job_is_added_run_paused_resumed_and_removed(
    house: CronHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step exits with 0 and says what is so now."""
    added = await gatepost(capsys, "add", "0 9 * * *", "Sum up.", "--deliver", CHAT)
    assert added == (0, "sum-up is made; first 2025-10-10T07:00:00Z.\n")
    assert (await house.job("sum-up")).maker == f"shell:{login_of(0)}"
    house.core.answers("All is well.")
    code, out = await gatepost(capsys, "run", "sum-up")
    assert (code, "gatepost why f1" in out) == (0, True)
    await house.look()
    await house.core.shows("All is well.", chat="-100200")
    assert (await gatepost(capsys, "pause", "sum-up"))[0] == 0
    assert "  paused by shell:" in (await gatepost(capsys, "list"))[1]
    assert "f1 delivered" in (await gatepost(capsys, "list"))[1]
    resumed = await gatepost(capsys, "resume", "sum-up")
    assert resumed == (0, "sum-up goes on; next 2025-10-10T07:00:00Z.\n")
    assert (await gatepost(capsys, "remove", "sum-up"))[0] == 0
    assert "sum-up" not in (await gatepost(capsys, "list"))[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pause", "nobody"), "There is no job nobody."),
        (("remove", "standup"), "stands in the configuration"),
        (("add", "0 25 * * *", "x", "--deliver", CHAT), "above 23"),
        (("add", "@daily", "x", "--deliver", "slack:T1/C1"), "slack is not connected"),
        (("add", "@daily", "x", "--deliver", "telegram:*"), "names many chats"),
        (("add", "@daily", "x", "--deliver", CHAT, "--timezone", "Mars"), "no time zone"),
    ],
)
async def test_what_can_not_be_done_exits_with_a_sentence(
    house: CronHouse, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    """And changes nothing."""
    code, out = await gatepost(capsys, *arguments)
    assert code != 0
    assert says in out
