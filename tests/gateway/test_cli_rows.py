"""Rows of the command line's tables: what stands in which column."""

from gateway.cli import approvals, money

USE = {
    "name": "m",
    "spent": 2_000_000,
    "held": 0,
    "calls": 3,
    "failed": 1,
    "uncounted": 1,
    "input": 9_000,
    "cached": 4_000,
    "written": 1_000,
    "output": 300,
    "reasoning": None,
}
CARD = {
    "code": "K7Q2F",
    "kind": "call",
    "tool": "shell",
    "operation": "",
    "items": 1,
    "at_most": 0,
    "requester_name": "Ann",
    "requester": "web:local",
    "origin": "web:local",
    "closes_at": None,
    "tier": "owner",
    "two_person": False,
}


def test_a_models_tokens() -> None:
    """Each figure under its name; what nobody has counted is no zero."""
    found = dict(zip(money.USE_COLUMNS, money.use(USE)[1:], strict=True))
    assert found == {
        "spent": "$2.00",
        "held": "$0.00",
        "calls": "3",
        "failed": "1",
        "tokens in": "9,000",
        "cached": "4,000",
        "kept": "1,000",
        "out": "300",
        "reasoning": "?",
        "uncounted": "1",
    }


def test_only_what_can_cost_has_a_most() -> None:
    """A question and a limit that is to be raised cost nothing by themselves."""
    at_most = {
        kind: dict(zip(approvals.COLUMNS, approvals.row(CARD | {"kind": kind}, 0), strict=True))
        for kind in ("call", "in_doubt", "limit", "question")
    }
    assert {kind: row["at most"] for kind, row in at_most.items()} == {
        "call": "$0.00",
        "in_doubt": "$0.00",
        "limit": "-",
        "question": "-",
    }
