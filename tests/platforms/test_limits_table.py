"""Every documented number is taken at its limit and refused one over it; the manual shows them."""

import ast
from pathlib import Path

import pytest

from tests.platforms.numbers.kept import KEPT
from tests.platforms.numbers.page import PLATFORMS, ROOT, ROWS, numbers, page
from tests.platforms.numbers.row import Row
from tests.wire.discord.rules import ApiError
from tests.wire.slack.checks import Refusal as SlackRefusal
from tests.wire.telegram.rules import Refusal as TelegramRefusal

REFUSED = (ApiError, SlackRefusal, TelegramRefusal)
NUMBERS = {(each.platform, each.name): each for name in PLATFORMS for each in numbers(name)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_number_is_met_at_its_limit_and_one_over(row: Row) -> None:
    """So many are taken, one more is refused in the platform's own words; ours is not above it."""
    row.take(row.most)
    with pytest.raises(REFUSED):
        row.take(row.most + 1)
    for name in row.ours:
        assert NUMBERS[row.platform, name].value <= row.most


def test_every_documented_number_is_in_a_table() -> None:
    """A constant that names its source stands in a row, or beside the test that shows it."""
    rows = {(row.platform, name) for row in ROWS for name in row.ours}
    documented = {key for key, number in NUMBERS.items() if number.documented}
    assert documented - rows - set(KEPT) == set()
    assert (rows | set(KEPT)) - set(NUMBERS) == set()


@pytest.mark.parametrize("file", sorted({test.partition("::")[0] for test in KEPT.values()}))
def test_what_is_named_as_a_test_is_one(file: str) -> None:
    """Renamed or taken away, it is missed here."""
    tree = ast.parse(Path(ROOT / file).read_text())
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    known = {node.name for node in tree.body if isinstance(node, functions)}
    named = {test.partition("::")[2] for test in KEPT.values() if test.startswith(f"{file}::")}
    assert named <= known


def test_the_manual_shows_them() -> None:
    """Changed numbers are written down: run the command at the head of docs/limits.md."""
    assert (ROOT / "docs" / "limits.md").read_text() == page()
