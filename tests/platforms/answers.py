"""The example answers of `tests/fixtures/markdown`, for every test that formats or splits."""

from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "fixtures" / "markdown"

ANSWERS: dict[str, str] = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted(_FOLDER.glob("*.md"))
    if path.stem != "README"
}
"""Markdown by the name of its difficulty."""
