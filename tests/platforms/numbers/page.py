"""Writes docs/limits.md: `python -m tests.platforms.numbers.page > docs/limits.md`."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from platforms.base import Capabilities
from platforms.pacing import Budget
from tests.platforms.numbers import discord, slack, telegram
from tests.platforms.numbers.kept import KEPT
from tests.platforms.numbers.row import Row

ROWS: tuple[Row, ...] = (*slack.ROWS, *discord.ROWS, *telegram.ROWS)
PLATFORMS = ("slack", "discord", "telegram", "web", "terminal")
ROOT = Path(__file__).parents[3]
HEAD = """\
# Limits

What the chat platforms allow and what the adapters keep to. This page is generated from
`platforms/*/limits.py` and `tests/platforms/numbers`; a number that changes changes it:

    .venv/bin/python -m tests.platforms.numbers.page > docs/limits.md

Every row under *allows* is met at its number and at one more in
`tests/platforms/test_limits_table.py`: the first is taken, the second refused, by the rules of the
loopback servers that the SDKs are run against. *Ours* are the numbers of the adapter that must
stay within it. The last column of the second table names the test that shows a number at work;
"allows" means the first table, and a number without a test is a choice of ours.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One constant of a `limits.py`."""

    platform: str
    name: str
    value: Any
    says: str

    @property
    def documented(self) -> bool:
        """Whether somebody else has set it."""
        return "Source" in self.says or "documented" in self.says


def numbers(platform: str) -> Iterator[Number]:
    """The public constants of a platform's limits, each with the docstring behind it."""
    module = importlib.import_module(f"platforms.{platform}.limits")
    tree = ast.parse((ROOT / "platforms" / platform / "limits.py").read_text())
    names: list[str] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if not name.startswith("_"):
                names.append(name)
            case ast.Expr(value=ast.Constant(value=str(says))):
                for name in names:
                    value = getattr(module, name)
                    if not isinstance(value, Capabilities):
                        yield Number(
                            platform=platform, name=name, value=value, says=" ".join(says.split())
                        )
                names = []
            case _:
                names = []


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for each in PLATFORMS for line in _section(each))]) + "\n"


def _section(platform: str) -> Iterator[str]:
    title = platform.title()
    rows = [row for row in ROWS if row.platform == platform]
    values = {number.name: number.value for number in numbers(platform)}
    yield f"## {title}"
    yield ""
    if rows:
        yield f"| {title} allows | most | ours |"
        yield "| --- | --- | --- |"
    for row in rows:
        ours = ", ".join(f"`{name}` {_shown(values[name])}" for name in row.ours)
        yield f"| {row.what} | {row.shown or _shown(row.most)} | {ours} |"
    if rows:
        yield ""
    allowed = {name for row in rows for name in row.ours}
    yield "| the adapter's | is | what it is, where it is from | shown by |"
    yield "| --- | --- | --- | --- |"
    for number in numbers(platform):
        test = KEPT.get((platform, number.name), "")
        shown = "allows" if number.name in allowed else f"`{test}`" if test else ""
        says = number.says.replace("|", "\\|")
        yield f"| `{number.name}` | {_shown(number.value)} | {says} | {shown} |"
    yield ""


def _shown(value: Any) -> str:
    match value:
        case timedelta():
            return f"{value.total_seconds():,.0f} s"
        case range():
            return f"{value.start} to {value.stop - 1}"
        case frozenset():
            return f"{len(value)} of them"
        case tuple():
            return "; ".join(_budget(each) for each in value)
        case float() if value.is_integer():
            return f"{value:,.0f}"
        case int() if value >= 1 << 20 and value % (1 << 20) == 0:
            return f"{value >> 20} MiB"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _budget(budget: Budget) -> str:
    kinds = ", ".join(sorted(budget.kinds))
    return f"{kinds} per {budget.per}: {budget.rate_per_s:.3g}/s, {budget.burst} at once"


if __name__ == "__main__":
    print(page(), end="")
