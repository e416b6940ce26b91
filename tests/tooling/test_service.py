"""The service file is one systemd accepts, restarts what should be, and leaves little open."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.config import GatewayConfig

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "gatepost.service"
ANALYZE = shutil.which("systemd-analyze")


def setting(name: str) -> str:
    """Return the one value of a directive."""
    (value,) = re.findall(rf"(?m)^{name}=(.*)$", UNIT.read_text())
    return str(value)


def test_the_service_gives_turns_their_time_to_drain() -> None:
    """systemd waits longer than the gateway does."""
    assert float(setting("TimeoutStopSec")) > GatewayConfig().drain_s


def test_a_configuration_error_is_not_tried_again() -> None:
    """Exit code 78 stays down, 75 comes back at once."""
    assert setting("RestartPreventExitStatus") == "78"
    assert setting("RestartForceExitStatus") == "75"


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_service_is_hardened(tmp_path: Path) -> None:
    """Overall exposure is at or under 2.0, and no directive is misspelt."""
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # `verify` wants the program to be there, so it is shown a unit that runs one that is.
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    said = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    ).stderr
    assert [line for line in said.splitlines() if UNIT.name in line] == []
