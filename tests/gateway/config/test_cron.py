"""`[[cron]]`: what a job may say, and every sentence about one that is wrong."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, CronJob, Secret, load
from platforms.web.parse import NOTICES

HEAD = """\
[gateway]
timezone = "Europe/Berlin"
owners = ["telegram:1001"]
[platforms.telegram]
token = "1:a"
[platforms.slack]
bot_token = "xoxb-1"
app_token = "xapp-1"
[access]
chats = ["slack:T1/C1", "telegram:-100200"]
[tools.send_message]
destinations = { team = "slack:T1/C9" }
"""
JOB = '[[cron]]\nname = "a"\nprompt = "Go."\n'
ANOTHER = JOB.replace('"a"', '"b"')
LINES = HEAD.count("\n")


def loaded(directory: Path, text: str) -> tuple[CronJob, ...]:
    """The jobs of a file."""
    path = directory / "gatepost.toml"
    path.write_text(HEAD + text)
    return load(path, {"HOOK_SECRET": "s3cret", "NOTHING": ""}).cron


def said(directory: Path, text: str) -> list[str]:
    """What is wrong with a file; lines count from its first job."""
    with pytest.raises(ConfigError) as caught:
        loaded(directory, text)
    return [
        f"{(fault.line or 0) - LINES}: {fault.key}: {fault.problem}; {fault.fix}"
        for fault in caught.value.faults
    ]


def test_a_job_as_it_is_written(tmp_path: Path) -> None:
    """Every key, and what holds where there is none."""
    full = (
        '[[cron]]\nname = "standup"\nschedule = "0 9 * * mon-fri"\ntimezone = "Asia/Tokyo"\n'
        'prompt = "Summarise."\ndeliver = "slack:T1/C1/1700000000.000100"\nmissed = "once"\n'
        'overlap = "queue"\nsession = "job"\napprover = "slack:T1/U1"\n'
    )
    hook = f'{JOB}secret = "${{HOOK_SECRET}}"\nschedule = "hook"\ndeliver = "telegram:1001"\n'
    assert loaded(tmp_path, full + hook) == (
        CronJob(
            name="standup",
            schedule="0 9 * * mon-fri",
            timezone="Asia/Tokyo",
            prompt="Summarise.",
            deliver="slack:T1/C1/1700000000.000100",
            missed="once",
            overlap="queue",
            session="job",
            approver="slack:T1/U1",
        ),
        CronJob(
            name="a",
            secret=Secret("s3cret"),
            timezone="Europe/Berlin",
            prompt="Go.",
            deliver="telegram:1001",
        ),
    )


@pytest.mark.parametrize(
    "deliver",
    ["slack:T1/C9", "slack:T1/D7", "telegram:-100200/7", "telegram:1001"],
)
def test_a_chat_the_file_knows(deliver: str, tmp_path: Path) -> None:
    """Listed chats with their threads, direct chats with listed people, destinations."""
    (job,) = loaded(tmp_path, f'{JOB}schedule = "@daily"\ndeliver = "{deliver}"\n')
    assert job.deliver == deliver


def test_a_user_of_the_page_is_the_chat_with_what_comes_unasked(tmp_path: Path) -> None:
    """The page has no chat of that id: there would be nowhere to post to."""
    for deliver, chat in (("web:local", NOTICES), ("web:ann", f"ann.{NOTICES}")):
        (job,) = loaded(tmp_path, f'{JOB}schedule = "@daily"\ndeliver = "{deliver}"\n')
        assert job.deliver == f"web:{chat}"
    named = '[destinations.me]\nchat = "web:local"\n'
    (job,) = loaded(tmp_path, f'{named}{JOB}schedule = "@daily"\ndeliver = "me"\n')
    assert job.deliver == f"web:{NOTICES}"


PLACE = 'deliver = "slack:T1/C1"\n'
DAILY = 'schedule = "@daily"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{JOB}{DAILY}", "1: cron.a.deliver: is missing; add it"),
        (
            f"{JOB}{PLACE}",
            '1: cron.a: has neither schedule nor secret; add a schedule, or add secret = "${NAME}"'
            " for a hook",
        ),
        (
            f'{JOB}{PLACE}schedule = "hook"',
            '1: cron.a: is a hook without a secret; add secret = "${NAME}" for a hook',
        ),
        (
            f'{JOB}{PLACE}{DAILY}secret = "x"',
            "6: cron.a.secret: stands beside a schedule; remove one of the two; a hook is an entry"
            " of its own",
        ),
        (
            f'{JOB}{PLACE}secret = "${{NOTHING}}"',
            '5: cron.a.secret: is empty; give the value, ${NAME} or { file = "path" }, or remove'
            " the key",
        ),
        (
            f'{JOB}{PLACE}secret = "x"\nmissed = "all"',
            "6: cron.a.missed: does nothing on a hook; remove the key",
        ),
        (
            f"{JOB}{PLACE}{DAILY}{JOB}{PLACE}{DAILY}",
            '7: cron.a.name: "a" is taken by a job above; choose another',
        ),
        (
            f'{JOB}{PLACE}secret = "s3cret"\n{ANOTHER}{PLACE}secret = "${{HOOK_SECRET}}"',
            "10: cron.b.secret: is that of a hook above, so a request to one would run the other"
            " too; give each its own: openssl rand -hex 32",
        ),
        (
            f'{JOB}{PLACE}schedule = "0 24 * * *"',
            '5: cron.a.schedule: hour "24" is above 23; write 0 to 23',
        ),
        (
            f'{JOB}{PLACE}schedule = "0 9 31 2 *"',
            '5: cron.a.schedule: day "31" is in none of these months; write 29 or less, or another'
            " month",
        ),
        (
            f'{JOB}{PLACE}schedule = "every 10s"',
            '5: cron.a.schedule: interval "10s" is not in days, hours and minutes; write'
            ' "every 15m"',
        ),
        (
            f'{JOB}{PLACE}{DAILY}timezone = "Europe/Berln"',
            '6: cron.a.timezone: "Europe/Berln" is not a time zone; did you mean "Europe/Berlin"?',
        ),
        (
            f'{JOB}{DAILY}deliver = "discord:9/42"',
            "5: cron.a.deliver: discord is not configured; add [platforms.discord], or name a chat"
            " elsewhere",
        ),
        (
            f'{JOB}{DAILY}deliver = "slack:T1/C2"',
            '5: cron.a.deliver: "slack:T1/C2" is no chat of this file; add "slack:T1/C2" to'
            " access.chats",
        ),
        (
            f'{JOB}{DAILY}deliver = "telegram:1002"',
            '5: cron.a.deliver: "telegram:1002" is no chat of this file; add "telegram:1002" to'
            " access.chats",
        ),
        (
            f'{JOB}{DAILY}deliver = "slack:T1/*"',
            '5: cron.a.deliver: "slack:T1/*" names many chats; write the id of one',
        ),
        (
            f'{JOB}{PLACE}{DAILY}sesion = "job"',
            '6: cron.a.sesion: unknown key; did you mean "session"?',
        ),
        (
            f'{JOB}{PLACE}{DAILY}approver = "discord:42"',
            "6: cron.a.approver: discord is not configured, so nobody would be asked; add"
            " [platforms.discord], or name somebody elsewhere",
        ),
        (
            f'{JOB}{PLACE}{DAILY}approver = "@ann"',
            '6: cron.a.approver: "@ann" is a name, and names change hands; write PLATFORM:ID, for'
            ' example "telegram:1001" or "slack:T1/U1"',
        ),
        (
            '[cron]\nname = "a"',
            "1: cron: must be a list of tables; write [[cron]] above each entry",
        ),
    ],
)
def test_what_is_wrong_with_a_job(text: str, sentence: str, tmp_path: Path) -> None:
    """Key, line and fix."""
    assert said(tmp_path, text) == [sentence]


def test_a_hook_needs_the_listener(tmp_path: Path) -> None:
    """Requests come in over `[web]`."""
    text = f'[web]\nenabled = false\n{JOB}{PLACE}secret = "x"'
    assert said(tmp_path, text) == [
        "7: cron.a.secret: a hook comes in over [web], which is off; set web.enabled = true"
    ]


def test_the_secret_of_a_hook_may_be_a_credential(tmp_path: Path) -> None:
    """`cron.NAME.secret`; a job with times has none to be given."""
    path = tmp_path / "gatepost.toml"
    times = JOB.replace('"a"', '"b"')
    path.write_text(f"{HEAD}{JOB}{PLACE}{times}{PLACE}{DAILY}")
    for name in ("a", "b"):
        (tmp_path / f"cron.{name}.secret").write_text("s3cret\n")
    hook, daily = load(path, {}, tmp_path).cron
    assert (hook.secret, daily.secret) == (Secret("s3cret"), None)
