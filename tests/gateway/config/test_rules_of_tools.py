"""The rule of the manual, tried on the tool it is about."""

from pathlib import Path

import pytest

from agent.hub import Hub
from agent.tools.base import Tool
from agent.tools.hf_access import HubAccess
from agent.tools.hf_jobs import HfJobsTool
from gateway.config import load, rule_faults
from tests.agent.tools.hub_prices import catalogue_prices

SMALL = """
[tools.huggingface]
token = "hf_1"
[[policy]]
id = "ml-small-gpu"
tool = "hf_jobs"
op = ["run", "uv"]
when = { flavor = { in = ["t4-small", "l4x1"] }, timeout_s = { max = "1h" } }
ceiling = { max = "$1.00" }
effect = ["probe"]
tags = { none = ["outward", "tainted"] }
chat = ["slack:T1/C1"]
user = ["slack:T1/S_ML"]
verdict = "allow"
"""
RIGHT = '{ op = "run", args = { flavor = "t4-small", timeout = "30m" } }'
WRONG = (
    '{ op = "run", args = { flavor = "a100-large" } }',
    '{ op = "scheduled run", args = { flavor = "t4-small" } }',
    '{ op = "run", args = { flavor = "t4-small", timeout = "90m" } }',
    '{ op = "run", args = { flavor = "t4-small", ssh = true } }',
    '{ op = "run", args = { flavor = "t4-small" }, tainted = true }',
    '{ op = "run", args = { flavor = "t4-small" }, ceiling = 1.01 }',
)


def said(directory: Path, match: str, no_match: str) -> list[str]:
    """What is wrong with the rule and these examples of it."""
    path = directory / "gatepost.toml"
    path.write_text(f"{SMALL}match = [{match}]\nno_match = [{no_match}]\n")
    access = HubAccess(
        hub=Hub(token="t" * 12, base_url="http://127.0.0.1:1", now_s=lambda: 0.0),
        payer="acme-research",
        accounts=("acme-research",),
        holds=lambda text: False,
        prices=catalogue_prices(),
        now_us=lambda: 0,
    )
    jobs: Tool = HfJobsTool(access=access, workspace=directory, secrets={})
    return [fault.problem for fault in rule_faults(load(path, {}), {"hf_jobs": jobs})]


def test_the_rule_and_its_examples_are_in_order(tmp_path: Path) -> None:
    """As it stands in the manual, with every way of going beyond it."""
    assert said(tmp_path, RIGHT, ", ".join(WRONG)) == []


@pytest.mark.parametrize("example", WRONG)
def test_every_example_is_a_fault_the_other_way_round(example: str, tmp_path: Path) -> None:
    """Who writes down what a rule is for is told when it does something else."""
    assert said(tmp_path, f"{RIGHT}, {example}", "") == ["does not match"]


def test_what_is_allowed_is_a_fault_among_what_is_not(tmp_path: Path) -> None:
    """Nobody can say without its price that it does not match."""
    (problem,) = said(tmp_path, RIGHT, RIGHT)
    assert problem.startswith("may match")
