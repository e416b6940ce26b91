"""`make` on machines that lack something says what to install; where nothing lacks it is quick."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")
CONTRACT = ("setup", "run", "test", "bench", "soak", "fakes", "lint", "format")

pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def make(directory: Path, target: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one target in `directory`."""
    assert MAKE is not None
    return subprocess.run(
        [MAKE, "--no-print-directory", target],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory with what `make setup` reads and nothing it makes."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    return tmp_path


def program_that(clone: Path, name: str, script: str) -> None:
    """Put a stand-in for a program on the path of the clone."""
    program = clone / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_no_python_is_one_sentence(clone: Path) -> None:
    """Without any Python the message names the package and the way to point at another one."""
    done = make(clone, "setup", PATH=str(clone / "bin"))
    assert done.returncode != 0
    assert "Python 3.11 or newer was not found: install it" in done.stderr
    assert "PYTHON=/path/to/python3" in done.stderr


def test_an_old_or_broken_python_counts_as_none(clone: Path) -> None:
    """A Python that says no to the version test, or that is only a name, is passed over."""
    program_that(clone, "python3", "exit 1")
    program_that(clone, "python3.13", "echo 'pyenv: command not found' >&2; exit 127")
    done = make(clone, "setup", PATH=str(clone / "bin"))
    assert "Python 3.11 or newer was not found" in done.stderr
    assert "pyenv" not in done.stderr


def test_a_python_without_venv_names_the_package(clone: Path) -> None:
    """Debian's Python comes without ensurepip: the package that brings it is named exactly."""
    script = 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.12;; esac'
    program_that(clone, "python3.12", script)
    done = make(clone, "setup", PATH=str(clone / "bin"))
    assert done.returncode != 0
    assert "apt-get install python3.12-venv" in done.stderr


def test_a_second_setup_does_nothing(clone: Path) -> None:
    """With a stamp newer than lock and project file, no interpreter is even looked for."""
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed").touch()
    done = make(clone, "setup", PATH=str(clone / "bin"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_changed_lock_is_installed(clone: Path) -> None:
    """A lock newer than the stamp runs the set-up again."""
    (clone / ".venv").mkdir()
    stamp = clone / ".venv" / ".installed"
    stamp.touch()
    os.utime(stamp, (0, 0))
    assert make(clone, "setup", PATH=str(clone / "bin")).returncode != 0


def test_every_promised_target_exists_and_is_listed(clone: Path) -> None:
    """The targets people and CI rely on are rules, and `make` alone names them."""
    rules = set(re.findall(r"(?m)^([a-z]+):", (clone / "Makefile").read_text()))
    assert set(CONTRACT) <= rules
    listed = make(clone, "help", PATH=os.environ["PATH"]).stdout
    assert [target for target in CONTRACT if f"make {target}" not in listed] == []


def test_ci_runs_exactly_what_people_run() -> None:
    """CI has no command of its own."""
    script = ROOT / ".ci" / "run"
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1] == "set -euo pipefail"
    assert lines[-1] == "make test"
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({"chromium": "exit 0", "bwrap": "exit 0"}, ""),
        ({"id": "echo 1000"}, "no right to install; their tests will be skipped"),
        ({"id": "echo 0"}, "no apt-get to install; their tests will be skipped"),
        (
            {"chromium": "exit 0", "id": "echo 0", "apt-get": "exit 1"},
            "could not install bubblewrap",
        ),
        ({"id": "echo 0", "apt-get": "exit 1"}, "apt-get could not install chromium bubblewrap"),
    ],
)
def test_without_system_programs_the_tests_go_on_and_say_why(
    clone: Path, programs: dict[str, str], said: str
) -> None:
    """A browser and bubblewrap are for their own tests, so their absence stops nothing else."""
    (clone / ".venv").mkdir()
    for name, script in programs.items():
        program_that(clone, name, script)
    done = make(clone, "system", PATH=str(clone / "bin"))
    assert done.returncode == 0
    assert done.stdout.strip().endswith(said) if said.endswith("skipped") else said in done.stdout
    assert bool(done.stdout) is bool(said)
