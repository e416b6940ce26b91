"""A pytest plugin: what became of every death, as a table at the end of the run.

The outcomes travel with the test reports, so they come through from every worker.
"""

from collections import defaultdict
from typing import Any

import pytest

RECORD, OUTCOME, TOLD = "kill", "kill outcome", "figures"
WORST_FIRST = ("FAIL", "double", "ok")

_told: list[str] = []
_cells: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what a kill test gave, and what figures another one wants to be told."""
    properties: dict[str, Any] = dict(report.user_properties)
    if report.when == "call" and TOLD in properties:
        _told.append(str(properties[TOLD]))
    if report.when != "call" or RECORD not in properties:
        return
    transition, moment, surface = properties[RECORD]
    outcome = str(properties.get(OUTCOME, "ok")) if report.passed else "FAIL"
    _cells[(transition, moment)][surface].add(outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table: a row for each write and moment, a column for each surface."""
    for each in _told:
        terminalreporter.section("figures")
        terminalreporter.write_line(each)
    if not _cells:
        return
    surfaces = sorted({surface for row in _cells.values() for surface in row})
    widths = [max(len(surface), 6) for surface in surfaces]
    terminalreporter.section("killed before and after every write")
    heads = "  ".join(f"{surface:{width}}" for surface, width in zip(surfaces, widths, strict=True))
    terminalreporter.write_line(f"{'':35}{heads}")
    for (transition, moment), row in sorted(_cells.items()):
        cells = "  ".join(
            f"{_worst(row.get(surface, set())):{width}}"
            for surface, width in zip(surfaces, widths, strict=True)
        )
        terminalreporter.write_line(f"{moment:7}{transition:28}{cells}".rstrip())


def _worst(outcomes: set[str]) -> str:
    return next((outcome for outcome in WORST_FIRST if outcome in outcomes), ".")
