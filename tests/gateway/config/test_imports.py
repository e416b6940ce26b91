"""A start without a file does not pay for reading one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from gateway.config import load
load(None, {})
print(sorted({"pydantic", "zoneinfo", "difflib", "aiohttp", "openai"} & set(sys.modules)))
"""


def test_embedded_defaults_import_no_schema(tmp_path: Path) -> None:
    """Pydantic is a tenth of a second that only a configuration file is worth."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout.strip() == "[]"
