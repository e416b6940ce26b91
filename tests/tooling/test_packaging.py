"""What is installed is what was declared, and what is shipped is whole."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = dict(re.findall(r"(?m)^([A-Za-z0-9_.-]+)==([^ ]+)", LOCK))


def declared() -> list[Requirement]:
    """Return every requirement the project file names."""
    groups = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
        PROJECT["build-system"]["requires"],
    ]
    return [Requirement(text) for group in groups for text in group]


def test_the_lock_fits_the_project() -> None:
    """Every declared dependency is pinned to a release its range allows."""
    missing = [
        str(need)
        for need in declared()
        if PINNED.get(canonicalize_name(need.name)) is None
        or not need.specifier.contains(PINNED[canonicalize_name(need.name)])
    ]
    assert missing == []


def test_every_pin_carries_hashes_and_no_address() -> None:
    """Nothing is installed that was not seen before, wherever it is fetched from."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", LOCK)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK


def test_the_wheel_holds_every_file_of_the_three_packages(tmp_path: Path) -> None:
    """Migrations, pages, styles and scripts are shipped beside the code."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        str(path.relative_to(ROOT))
        for package in ("gateway", "platforms", "agent")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources - shipped == set()
    assert any(name.endswith("/entry_points.txt") for name in shipped)
    assert any(name.endswith("/licenses/LICENSE") for name in shipped)
