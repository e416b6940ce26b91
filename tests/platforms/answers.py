"""The example answers of `tests/fixtures/markdown`, for every test that formats or splits."""

from itertools import combinations
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "fixtures" / "markdown"

ANSWERS: dict[str, str] = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted(_FOLDER.glob("*.md"))
    if path.stem != "README"
}
"""Markdown by the name of its difficulty."""

_PARTS = (
    "| a | ב |\n|---|:-:|\n| `1` | 👍🏽 |",
    "- one\n  1. **two**\n     - x",
    "```py\na = '*_`'\n```",
    "[site](https://a.example/x_(y)) <https://b.c>",
    "👨‍👩‍👧‍👦 🇩🇪 e\u0301 ❤️",
    "שלום **עולם** 12 مرحبا.",
    "> said\n> > before",
    "## Head & `x<y`",
    "~~no~~ *so* __so__ \\* `` ` ``",
    "1. [ ] @everyone\n2) <@U1>",
)  # one difficulty each


def _built(first: str, second: str, way: int) -> str:
    """Two parts, one after the other, or the second within a list or a quotation."""
    begins = ("", "- ", "> ")[way]
    goes_on = ("", "  ", "> ")[way]
    inside = second.replace("\n", f"\n{goes_on}")
    return f"{first}\n\n{begins}{inside}"


BUILT: dict[str, str] = {
    f"{one}+{other}": _built(_PARTS[one], _PARTS[other], (one + other) % 3)
    for one, other in combinations(range(len(_PARTS)), 2)
}
"""Short answers of two difficulties each, by the numbers of both."""
