"""Tables for people and JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from platforms.terminal.format import escape


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their names; nothing in a cell acts on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, header_style="dim", overflow="fold")
    for cells in rows:
        table.add_row(*(Text(escape(cell)) for cell in cells))
    Console(highlight=False).print(table)


def print_json(value: Any) -> None:
    """Print a value on one line."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()
