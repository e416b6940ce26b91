"""The unit files are ones systemd accepts, restart what should be, and leave little open."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.cli.main import EXIT_LATER
from gateway.config import GatewayConfig
from gateway.config.sources import CREDENTIALS

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
GATEWAYS = ("gatepost.service", "gatepost@.service", "user/gatepost.service")
SYSTEM = (
    "gatepost.service",
    "gatepost@.service",
    "gatepost-backup.service",
    "gatepost-backup@.service",
    "gatepost-trigger@.service",
)
TIMERS = ("gatepost-backup.timer", "gatepost-backup@.timer", "gatepost-trigger@.timer")
ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def settings(unit: str, name: str) -> list[str]:
    """Return every value of a directive."""
    return re.findall(rf"(?m)^{name}=(.*)$", (UNITS / unit).read_text())


def setting(unit: str, name: str) -> str:
    """Return the one value of a directive."""
    (value,) = settings(unit, name)
    return value


def analyze(*arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run systemd-analyze; returns its exit code and all it said."""
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **(environ or {})},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("unit", GATEWAYS)
def test_the_service_gives_turns_their_time_to_drain(unit: str) -> None:
    """systemd waits longer than the gateway does."""
    assert float(setting(unit, "TimeoutStopSec")) > GatewayConfig().drain_s


@pytest.mark.parametrize("unit", GATEWAYS)
def test_a_configuration_error_is_not_tried_again(unit: str) -> None:
    """Exit code 78 stays down, 75 comes back at once."""
    assert setting(unit, "RestartPreventExitStatus") == "78"
    assert setting(unit, "RestartForceExitStatus") == "75"
    assert setting(unit, "Restart") == "on-failure"


@pytest.mark.parametrize("unit", GATEWAYS)
def test_the_service_tells_when_it_is_ready_and_well(unit: str) -> None:
    """Of the type that waits for both, only the main process is listened to."""
    assert setting(unit, "Type") == "notify"
    assert setting(unit, "NotifyAccess") == "main"
    assert float(setting(unit, "WatchdogSec")) >= 30
    assert setting(unit, "ExecReload") == "/bin/kill -HUP $MAINPID"


def test_every_secret_can_be_a_credential() -> None:
    """The names in the comment are those the configuration knows."""
    named = re.findall(r"LoadCredential=([\w.]+):\S+/([\w.]+)", (UNITS / SYSTEM[0]).read_text())
    assert {name for name, _ in named} == {*CREDENTIALS, "providers.NAME.api_key"}
    assert all(name == file for name, file in named)


def test_instances_are_apart() -> None:
    """Each has a configuration, a user and a directory of its own, and is hardened alike."""
    assert setting("gatepost@.service", "ExecStart").endswith("--config /etc/gatepost/%i.toml")
    assert setting("gatepost@.service", "StateDirectory") == "gatepost/%i"
    assert setting("gatepost@.service", "User") == "gatepost-%i"
    single, instance = ((UNITS / unit).read_text() for unit in SYSTEM[:2])
    hardening = single[single.index("# What is left over") : single.index("[Install]")]
    assert hardening in instance


@pytest.mark.parametrize("suffix", ["", "@"])
def test_the_backup_is_made_by_the_gateway_s_own_user(suffix: str) -> None:
    """Its socket and directory are closed to everybody else; the network is closed to it."""
    backup, gateway = f"gatepost-backup{suffix}.service", f"gatepost{suffix}.service"
    for name in ("DynamicUser", "User"):
        assert setting(backup, name) == setting(gateway, name)
    assert setting(gateway, "StateDirectory") in setting(backup, "StateDirectory").split()
    assert " backup " in setting(backup, "ExecStart")
    assert setting(backup, "PrivateNetwork") == "yes"
    assert setting(f"gatepost-backup{suffix}.timer", "Persistent") == "true"


def test_a_job_is_asked_for_again_while_the_gateway_is_down() -> None:
    """By the gateway's own user, and only after the code that says so; a day's run has one key."""
    unit = "gatepost-trigger@.service"
    for name in ("DynamicUser", "User", "StateDirectory"):
        assert setting(unit, name) == setting("gatepost.service", name)
    assert setting(unit, "Restart") == "on-failure"
    kept_down = setting(unit, "RestartPreventExitStatus").split()
    assert kept_down == ["1", "2", "78"] and str(EXIT_LATER) not in kept_down
    assert setting("gatepost-trigger@.timer", "Persistent") == "true"


def test_a_job_s_unit_names_the_job_and_the_day(tmp_path: Path) -> None:
    """What the shell makes of its line, once systemd has read it."""
    line = setting("gatepost-trigger@.service", "ExecStart")
    read = line.replace("%i", "nightly").replace("%%", "%").replace("$$", "$")
    program = tmp_path / "gatepost"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    command = shlex.split(read.replace("/opt/gatepost/.venv/bin/gatepost", str(program)))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    verb, job, option, key, *rest = done.stdout.splitlines()
    assert (verb, job, option) == ("trigger", "nightly", "--key")
    assert re.fullmatch(r"nightly-\d{4}-\d\d-\d\d", key)
    assert rest == ["--config", "/etc/gatepost/gatepost.toml"]


@needs_systemd
@pytest.mark.parametrize("unit", SYSTEM)
def test_the_service_is_hardened(unit: str) -> None:
    """Overall exposure is at or under 2.0."""
    code, said = analyze(
        "security", "--offline=yes", "--no-pager", "--threshold=20", str(UNITS / unit)
    )
    assert code == 0, said


@needs_systemd
def test_no_directive_is_misspelt(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about any unit."""
    for unit in (*SYSTEM, *TIMERS, "user/gatepost.service"):
        shown = tmp_path / unit
        shown.parent.mkdir(exist_ok=True)
        # It wants the program to be there, so it is shown a unit that runs one that is.
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", (UNITS / unit).read_text())
        shown.write_text(text)
    whose = {"XDG_RUNTIME_DIR": str(tmp_path)}
    system = [str(tmp_path / unit) for unit in (*SYSTEM, *TIMERS)]
    for arguments in (system, ["--user", str(tmp_path / "user/gatepost.service")]):
        _, said = analyze("verify", "--man=no", *arguments, environ=whose)
        assert [line for line in said.splitlines() if "gatepost" in line] == []
