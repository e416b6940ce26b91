"""The contract is whole: every row at every adapter is shown by tests that run, or says why not."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.contracts.platforms.registry import ADAPTERS, Proof
from tests.contracts.platforms.table import ROWS, page
from tests.faults.wires import WIRES
from tests.scenarios.conftest import SURFACES

ROOT = Path(__file__).parents[3]
LEFT_OUT = ("soak", "skip", "skipif", "xfail", "browser")
PROOFS = {f"{row.number}-{name}": proof for row in ROWS for name, proof in row.proofs.items()}


def nodes() -> tuple[str, ...]:
    """Every test that is named anywhere."""
    proofs = (proof for proof in PROOFS.values() if not isinstance(proof, str))
    return tuple(sorted({test for proof in proofs for test in proof}))


@cache
def functions(file: str) -> dict[str, tuple[str, ...]]:
    """The tests of a file by name, each with what decorates it and its whole module."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    marks = [ast.unparse(node) for node in tree.body if _is_mark(node)]
    return {
        node.name: (*marks, *map(ast.unparse, node.decorator_list))
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _is_mark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


def test_the_contract_is_whole() -> None:
    """42 rows, each with an entry for every adapter that is tests or one sentence."""
    assert [row.number for row in ROWS] == list(range(1, 43))
    for name, proof in PROOFS.items():
        assert proof, name
        if isinstance(proof, str):
            assert re.fullmatch(r"[A-Z][^.]{20,140}", proof), name
    assert all(tuple(row.proofs) == ADAPTERS for row in ROWS)


@pytest.mark.parametrize("name", PROOFS)
def test_every_named_test_exists_and_is_not_left_out(name: str) -> None:
    """No renamed test, and none that only the soak or some machines run."""
    proof: Proof = PROOFS[name]
    for test in () if isinstance(proof, str) else proof:
        file, _, case = test.partition("::")
        marks = functions(file).get(case.partition("[")[0])
        assert marks is not None, test
        assert not [mark for mark in marks for word in LEFT_OUT if f"mark.{word}" in mark], test


def test_every_named_case_is_collected(request: pytest.FixtureRequest) -> None:
    """As pytest has collected it here, after what it leaves to the soak; for files it was given.

    A surface that lacks what a scenario needs is skipped there, so it must not be named.
    """
    collected: dict[str, list[pytest.Item]] = {}
    for item in request.session.items:
        collected.setdefault(item.nodeid.partition("[")[0], []).append(item)
    if not _is_whole(request.config):
        pytest.skip("only some tests were asked for: `pytest` without a choice looks at all")
    missing = []
    for test in nodes():
        name, _, case = test.partition("[")
        word = case.removesuffix("]")
        items = [item for item in collected.get(name, ()) if _has(item, word)]
        if not any(_can(item, word) for item in items):
            missing.append(test)
    assert missing == []


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test was asked for."""
    option = config.option
    if option.keyword or option.markexpr.strip() != "not soak" or option.deselect or option.ignore:
        return False
    return not config.getoption("lf", default=False) and [
        Path(config.rootpath, arg) for arg in config.args
    ] == [ROOT / "tests"]


def _has(item: pytest.Item, word: str) -> bool:
    """Whether the word stands in the id of the case, whole."""
    case = item.nodeid.partition("[")[2].removesuffix("]")
    return not word or word == case or word in case.split("-")


def _can(item: pytest.Item, word: str) -> bool:
    """Whether the surface has what the scenario needs."""
    needs = item.get_closest_marker("needs")
    made = (WIRES if "faults" in item.nodeid else SURFACES).get(word)
    if needs is None or made is None:
        return True
    return all(getattr(made(), ability) for ability in needs.args)


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.contracts.platforms.table >docs/contract.md` writes it."""
    assert (ROOT / "docs" / "contract.md").read_text(encoding="utf-8") == page()
