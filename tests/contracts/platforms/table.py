"""The contract as a page: `python -m tests.contracts.platforms.table > docs/contract.md`."""

from collections.abc import Iterator

from tests.contracts.platforms.arrival_rows import ARRIVAL_ROWS
from tests.contracts.platforms.registry import Proof, Row
from tests.contracts.platforms.sink_rows import SINK_ROWS
from tests.contracts.platforms.transport_rows import TRANSPORT_ROWS

ROWS: tuple[Row, ...] = (*ARRIVAL_ROWS, *TRANSPORT_ROWS, *SINK_ROWS)

HEAD = """# What every platform keeps

Each line is one promise of the platforms' adapters, at whom it holds, and the tests that show it:
the real adapter with its real SDK, against a server on this machine that keeps the platform's
rules. Where a promise can't exist at an adapter the reason stands in the place of tests. `cron` is
what runs by the clock or is called from outside.

This page is generated from the rows of `tests/contracts/platforms`
(`python -m tests.contracts.platforms.table >docs/contract.md`); a test fails when it is not.
Tests are named by their file below `tests/` and what follows `test_`; `[word]` is the case of it.

| # | what is kept | at | shown by |
| --- | --- | --- | --- |"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for row in ROWS for line in _lines(row))]) + "\n"


def _lines(row: Row) -> Iterator[str]:
    """A line for each adapter; those of one reason share it."""
    number, what = str(row.number), row.what
    shown: dict[Proof, list[str]] = {}
    for adapter, proof in row.proofs.items():
        shown.setdefault(proof, []).append(adapter)
    for proof, adapters in shown.items():
        yield f"| {number} | {what} | {', '.join(adapters)} | {_told(proof)} |"
        number = what = ""


def _told(proof: Proof) -> str:
    if isinstance(proof, str):
        return f"{proof}."
    files: dict[str, list[str]] = {}
    for test in proof:
        file, _, name = test.partition("::test_")
        files.setdefault(file.removeprefix("tests/"), []).append(name)
    return "<br>".join(f"`{file}`: {', '.join(names)}" for file, names in files.items())


if __name__ == "__main__":
    print(page(), end="")
