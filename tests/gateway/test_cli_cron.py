"""`gatepost cron next`, and what `check` and `doctor` say of jobs, without a gateway."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.cron import Coming, coming, fields, of_jobs, remark, table, with_running
from gateway.cli.main import main
from gateway.config import CronJob

FILE = """
[gateway]
timezone = "Europe/Berlin"
state_dir = "state"
[platforms.slack]
bot_token = "${NOT_IN_THIS_SHELL}"
[[cron]]
name = "standup"
schedule = "30 2 * * *"
prompt = "Go."
deliver = "web:local"
[[cron]]
name = "deploys"
secret = "${NOT_IN_THIS_SHELL}"
prompt = "Go."
deliver = "web:local"
[[cron]]
name = "party"
schedule = "at 2020-05-01T09:00"
prompt = "Go."
deliver = "web:local"
"""
NOW = datetime(2026, 10, 24, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with three jobs, and a shell without its tokens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_IN_THIS_SHELL", raising=False)
    path = tmp_path / "gatepost.toml"
    path.write_text(FILE)
    return path


def job(schedule: str | None, zone: str = "Europe/Berlin") -> CronJob:
    """A job of that schedule."""
    return CronJob(name="a", schedule=schedule, timezone=zone, prompt="Go.", deliver="web:local")


def test_times_are_told_in_the_job_s_zone_and_in_utc() -> None:
    """Also across a change of clocks, where the two of one wall time are told apart."""
    found = coming(job("*/30 2 * * *"), now=NOW, count=3)
    assert list(table([found], NOW)) == [
        ("a", "Sun 2026-10-25 02:00 CEST", "2026-10-25 00:00", "12 h"),
        ("a", "Sun 2026-10-25 02:30 CEST", "2026-10-25 00:30", "12 h"),
        ("a", "Sun 2026-10-25 02:00 CET", "2026-10-25 01:00", "13 h"),
    ]
    assert fields(found)["fires"][2] == {
        "local": "2026-10-25T02:00:00+01:00",
        "utc": "2026-10-25T01:00:00Z",
        "fold": 1,
    }


def test_doctor_tells_the_next_time_of_each_job() -> None:
    """A job that never fires is a warning with its remedy; a hook says where requests go."""
    jobs = (job("0 9 * * *"), job("at 2020-05-01T09:00"), job(None))
    daily, over, hook = of_jobs(jobs, NOW)
    assert (daily.severity, daily.finding) == (
        "ok",
        "next Sun 2026-10-25 09:00 CET, in 20 h, for web:local",
    )
    assert (over.severity, over.remedy) == ("warning", "remove it, or give it another time")
    assert hook.finding == "a hook; requests to /hooks/a run it, for web:local"


def test_an_interval_says_from_when_it_is_counted() -> None:
    """The file does not know when the gateway first saw the job."""
    found: Coming = coming(job("every 1h"), now=NOW, count=2)
    assert [f"{slot.at:%H:%M}" for slot in found.slots] == ["13:00", "14:00"]
    assert fields(found)["counted_from_now"] is True


def test_a_running_gateway_knows_more() -> None:
    """Since when an interval counts, what rests, and jobs of chats; an edited job is another."""
    known = {
        "job": "a",
        "source": "config",
        "state": "paused",
        "reason": "paused by ann",
        "schedule": "every 1h",
        "timezone": "UTC",
        "deliver": "web:local",
        "since": "2026-10-24T11:50:00Z",
    }
    made = known | {"job": "b", "source": "chat", "state": "active", "schedule": "@daily"}
    edited = job("every 2h", "UTC")
    for written, expected in ((job("every 1h", "UTC"), "12:50"), (edited, "14:00")):
        first, second = with_running((written,), (known, made))
        found = coming(first[0], now=NOW, known=first[1])
        assert f"{found.slots[0].at:%H:%M}" == expected
        same = written is not edited
        assert (found.counts_anew, found.rests) == (not same, "paused by ann" if same else "")
        assert (second[0].name, second[0].schedule, second[1]) == ("b", "@daily", made)
    assert remark(coming(edited, now=NOW, known=known)) == "does not fire: paused by ann"


def test_times_need_no_tokens(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks when a job fires need not have the gateway's secrets."""
    assert main(["cron", "next", "--json", "--count", "2", "--config", str(file)]) == 0
    told = {each["job"]: each for each in json.loads(capsys.readouterr().out)}
    assert [len(each["fires"]) for each in told.values()] == [2, 0, 0]
    assert told["standup"]["timezone"] == "Europe/Berlin"
    assert main(["cron", "next"]) == 0
    out = capsys.readouterr().out
    assert "standup  " in out and "deploys: a hook; requests to /hooks/deploys run it" in out
    assert "party: its only time is over (at 2020-05-01T09:00), so it never fires" in out


def test_one_job_by_its_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five times of it; a name that is none names those there are."""
    assert main(["cron", "next", "standup"]) == 0
    assert capsys.readouterr().out.count("standup ") == 5
    assert main(["cron", "next", "standdown"]) == 1
    assert "there is no job standdown; there are: standup, deploys" in capsys.readouterr().err


def test_a_wrong_schedule_is_a_fault_of_the_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 78, the line and the field."""
    file.write_text(FILE.replace("30 2 * * *", "61 2 * * *"))
    assert main(["cron", "next"]) == 78
    assert 'gatepost.toml:9: cron.standup.schedule: minute "61" is above' in capsys.readouterr().err


def test_check_tells_when_jobs_fire(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the file is found in order."""
    file.write_text(FILE.replace("[platforms.slack]\nbot_token", "[web]\ntoken").replace("$", "$$"))
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("job standup: next ")
    assert lines[3].startswith("notice: job party: its only time is over")
