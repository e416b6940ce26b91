"""The command line without a gateway: arguments, errors, exit codes, what is printed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import PlainRun, main, plain_run
from gateway.cli.place import state_dir
from gateway.cli.status import age, open_turns, platform_rows, size, summary, troubles
from gateway.config import ConfigError
from tests.gateway.shown_status import (
    CARD,
    FREEZE,
    JOB,
    LEAVE,
    PLATFORM,
    ROWS,
    STATUS,
    TURN,
)
from tests.gateway.shown_status import SHOWN_AT as NOW

ROOT = Path(__file__).parents[2]

COMMANDS = (
    ("run",), ("check",), ("config", "schema"), ("chat",), ("send",), ("status",), ("why",),
    ("backup",), ("restore",), ("doctor",), ("approvals",), ("show",), ("approve",), ("deny",),
    ("answer",), ("spend",), ("freeze",), ("unfreeze",), ("estimators", "clear"), ("grants",),
    ("revoke",), ("audit", "verify"), ("audit", "head"), ("audit", "export"),
    ("cron", "next"), ("trigger",),
)  # fmt: skip


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and a home without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GATEPOST_CONFIG", raising=False)
    return tmp_path


def run(*arguments: str) -> int:
    """The exit code of one command."""
    return main(arguments)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The example is a whole command line of that command."""
    assert run(*command, "--help") == 0
    assert f"Example: gatepost {' '.join(command)}" in capsys.readouterr().out


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """That is a misuse, but a helpful one."""
    assert run() == 2
    out = capsys.readouterr()
    assert all(command[0] in out.out + out.err for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dance",),
        ("run", "--bogus"),
        ("run", "--log-format", "xml"),
        ("send", "x"),
        ("why",),
        ("backup",),
        ("backup", "--keep", "0", "."),
        ("restore",),
        ("approve",),
        ("approve", "K7Q2F", "K7Q2G"),
        ("answer", "K7Q2F"),
        ("spend", "--by", "moon"),
        ("spend", "--day", "--month"),
        ("audit", "dance"),
    ],
    ids=" ".join,
)
def test_misuse_ends_with_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says what is wrong with the arguments."""
    assert run(*arguments) == 2
    assert "Error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "--json"),
        ("why", "e1"),
        ("approvals", "--json"),
        ("show", "K7Q2F"),
        ("approve", "K7Q2F"),
        ("deny", "K7Q2F", "no"),
        ("spend", "--month"),
        ("freeze",),
        ("unfreeze", "slack:T1/C1"),
        ("estimators", "clear", "hf_jobs"),
        ("grants",),
        ("revoke", "a1b2c3"),
    ],
    ids=" ".join,
)
def test_without_a_gateway_the_sentence_says_how_to_start_one(
    arguments: tuple[str, ...], empty_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and one line on standard error, nothing on standard output."""
    assert run(*arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"gatepost: no gateway is running in {empty_place}/state; start one with: gatepost run"
        " (or name its configuration with --config)\n"
    )


def test_a_socket_nobody_answers_on_is_no_gateway(
    empty_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway that was killed leaves its socket's file."""
    (empty_place / "state").mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(empty_place / "state" / "control.sock"))
    left.close()
    assert run("status") == 1
    assert "no gateway is running" in capsys.readouterr().err


def test_every_fault_of_a_configuration_is_one_line(
    empty_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` and `run` end with 78, each fault with its line, key and fix."""
    (empty_place / "gatepost.toml").write_text(
        '[gateway]\ntimezone = "Mars/Base"\n[web]\nport = 1\n[platforms.telegram]\ntoken = ""\n'
    )
    for command in ("check", "run"):
        assert run(command) == 78
        captured = capsys.readouterr()
        lines = captured.err.splitlines()
        assert len(lines) == 3
        for line, key in zip(lines, ("gateway.timezone", "web.port", "telegram"), strict=True):
            assert line.startswith("gatepost: gatepost.toml:")
            assert key in line


def test_a_configuration_in_order_says_so(
    empty_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also on built-in defaults."""
    assert run("check") == 0
    assert "built-in defaults: in order" in capsys.readouterr().out
    (empty_place / "other.toml").write_text('[gateway]\nstate_dir = "/tmp/x"\n')
    assert run("check", "--config", "other.toml") == 0
    assert "other.toml: in order" in capsys.readouterr().out


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """It describes the sections of the file."""
    assert run("config", "schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"gateway", "web", "platforms", "providers"} <= set(schema["properties"])


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("gatepost")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("run", PlainRun()),
        ("run --demo", PlainRun(demo=True)),
        (
            "run --config a.toml --log-format json",
            PlainRun(config=Path("a.toml"), log_format="json"),
        ),
        ("run --config=a.toml -c b.toml", PlainRun(config=Path("b.toml"))),
        ("run --help", None),
        ("run --config", None),
        ("run --config --demo", None),
        ("run --log-format xml", None),
        ("run --demo=yes", None),
        ("run extra", None),
        ("status", None),
        ("", None),
    ],
)
def test_a_plain_run_is_read_without_the_library(arguments: str, expected: PlainRun | None) -> None:
    """Everything it does not know for sure is left to the library, which can explain."""
    assert plain_run(arguments.split()) == expected


def test_a_plain_run_and_the_library_agree(
    empty_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ways lead to the same start, here to its refusal of the same file."""
    (empty_place / "bad.toml").write_text("nonsense")
    assert run("run", "-c", "bad.toml", "--log-format=json") == 78
    plain = capsys.readouterr().err
    assert run("run", "-cbad.toml", "--log-format=json") == 78
    assert capsys.readouterr().err == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "state"),
        ('[gateway]\nstate_dir = "here"\n', "here"),
        ('[gateway]\nstate_dir = "${PLACE}/x"\n', "/srv/x"),
        ('[gateway]\nstate_dir = "~/y"\n', "/home/ann/y"),
        ('[platforms.telegram]\ntoken = "${NOT_SET}"\n', "state"),
    ],
)
def test_the_state_directory_is_found_without_the_rest(
    empty_place: Path, text: str, expected: str
) -> None:
    """Whoever asks for the status need not have the gateway's secrets."""
    (empty_place / "g.toml").write_text(text)
    environ = {"PLACE": "/srv", "HOME": "/home/ann"}
    assert state_dir(Path("g.toml"), environ) == empty_place / expected


@pytest.mark.parametrize(
    "text", ["nonsense", '[gateway]\nstate_dir = "${NOT_SET}"\n', "[gateway]\nstate_dir = 5\n"]
)
def test_a_file_that_names_no_state_directory_is_a_fault(empty_place: Path, text: str) -> None:
    """The same fault that `check` would show."""
    (empty_place / "g.toml").write_text(text)
    with pytest.raises(ConfigError):
        state_dir(Path("g.toml"), {})


def test_what_a_status_shows() -> None:
    """Each connection a row, the rest as named lines."""
    assert platform_rows(STATUS) == [
        ("telegram:77", "connected", "3 s", "12 min", ""),
        ("slack", "resting", "-", "never", "no answer"),
    ]
    assert summary(STATUS) == [
        ("models", "gpt-5, local"),
        ("", "main (gpt-5): stands by, rests for 12 s more (transport), used 3 min ago"),
        ("", "own (local): serves, never used"),
        ("turns", "1 running, 3 waiting"),
        ("spend", "$1.20 today"),
        ("deliveries", "2 dead, 1 pending"),
        ("store", "survives power loss; 9 commits, 0 queued"),
        ("", "last commit 1 s ago, log 1.9 MiB"),
        ("loop lag", "1 ms at most in the last minute"),
        ("backup", "never"),
    ]


def test_open_turns_tell_how_old_they_are_and_when_they_moved() -> None:
    """The oldest first; what is not shown is counted."""
    rows = {**ROWS, "open_turns": 14, "turns": [TURN] * 12}
    lines = open_turns({**STATUS, "rows": rows})
    assert lines[0] == "t5 of a|b: open for 4 min, moved 3 s ago"
    assert (len(lines), lines[-1]) == (11, "and 4 more")
    assert ("turns", "1 running, 3 waiting, 13 open without running") in summary(
        {**STATUS, "rows": rows}
    )


def test_what_needs_a_person_is_shown() -> None:
    """Closed chats, deaths; alarms and gaps beside their platform."""
    rows = {
        **ROWS,
        "chats": [
            {"account": "a", "chat": "slack:T/C", "state": "dead", "reason": "kicked", "since": NOW}
        ],
        "died": 2,
    }
    shown = dict(summary({**STATUS, "rows": rows, "backup_age_s": 7200.0}))
    assert shown["chats"] == "slack:T/C dead (kicked)"
    assert shown["starts"] == "2 runs of the last hour ended without a stop"
    assert shown["backup"] == "2 h ago"
    alarmed = {**PLATFORM, "alarm": "two gateways", "gap_age_s": 30.0}
    (row,) = platform_rows({**STATUS, "platforms": [alarmed]})
    assert row[4] == "two gateways; what came since 30 s ago is not read back yet"
    assert troubles({**STATUS, "platforms": [alarmed]}) == ["telegram: two gateways"]


def test_a_status_shows_what_waits_for_people_and_money() -> None:
    """Approvals, spend and holds, freezes, /auto, work elsewhere, models without a price."""
    rows = {
        **ROWS,
        "approvals": 8,
        "cards": [CARD, {**CARD, "code": "QUEUE", "closes_at": None, "at_most": None}],
        "freezes": [FREEZE, {**FREEZE, "scope": "all"}],
        "leaves": [LEAVE, {**LEAVE, "kind": "grant"}],
        "jobs": [JOB],
    }
    fields = {**STATUS, "rows": rows, "held": 90, "unpriced": {"gpt-9": "no price for it"}}
    assert summary(fields)[4:15] == [
        ("approvals", "8 wait: gatepost approvals"),
        ("", "K7Q2F hf_jobs run in slack:T1/C1, $2.09, closes in 50 min"),
        ("", "QUEUE hf_jobs run in slack:T1/C1, price unknown, queued"),
        ("", "and 6 more"),
        ("spend", "$1.20 today, $0.0001 held"),
        ("frozen", "slack:T1/C1 by Dana 5 min ago (/freeze)"),
        ("", "everywhere by Dana 5 min ago (/freeze)"),
        ("auto", "slack:T1/C1: $3.80 of $5.00 left for 90 min (a1b2c3)"),
        ("jobs", "hf_jobs: run of t5: running for 10 min"),
        ("unpriced", "gpt-9: no price for it"),
        ("deliveries", "2 dead, 1 pending"),
    ]


def test_what_is_not_well_is_named() -> None:
    """It decides the exit code."""
    assert troubles(STATUS) == ["slack is not connected: no answer"]
    failed = {**STATUS, "platforms": [], "store": {**STATUS["store"], "failed": "disk full"}}
    assert troubles(failed) == ["the store has failed: disk full"]
    mute = {**PLATFORM, "problem": "nothing can be sent: token refused"}
    assert troubles({**STATUS, "platforms": [PLATFORM]}) == []
    assert troubles({**STATUS, "platforms": [mute]}) == [
        "telegram: nothing can be sent: token refused"
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (2_048, "2.0 KiB"), (3 << 20, "3.0 MiB"), (1 << 30, "1.0 GiB")],
)
def test_sizes_are_for_people(count: int, expected: str) -> None:
    """In the largest unit that leaves a number above one."""
    assert size(count) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "never"), (0.4, "0 s"), (119, "119 s"), (600, "10 min"), (8000, "2 h"), (3e5, "3 d")],
)
def test_ages_are_short(seconds: float | None, text: str) -> None:
    """One number and its unit."""
    assert age(seconds) == text


def test_a_reader_that_has_enough_is_no_error() -> None:
    """`gatepost config schema | head -1` prints no complaint."""
    command = f"{sys.executable} -m gateway config schema | head -1"
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("{\n", "")
