"""The calls that the coding agent's questions become, as the gate and people see them."""

from typing import Any

import pytest

from agent.errors import NotStarted
from agent.providers.codex.pool import CodexPool
from agent.providers.codex.tools import CommandTool, FilesTool, QuestionTool, codex_tools
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, RiskTag, Verdict

COMMAND: dict[str, Any] = {"command": "rm -r x", "cwd": "/w"}
CHANGES: dict[str, Any] = {
    "changes": [
        {"path": "/w/a", "kind": "add", "diff": "x"},
        {"path": "/w/b", "kind": "update", "diff": "y", "to": "/w/c"},
    ]
}


def prepared(tool: CommandTool | FilesTool | QuestionTool, given: dict[str, Any]) -> PreparedCall:
    """A call that fits."""
    call = tool.prepare(given)
    assert isinstance(call, PreparedCall)
    return call


def test_no_model_is_shown_them() -> None:
    """They are found by name and offered to nobody."""
    tools = codex_tools(CodexPool())
    assert {tool.spec.name for tool in tools} == {
        "codex_command",
        "codex_files",
        "codex_question",
    }
    assert all(getattr(tool, "hidden", False) for tool in tools)


def test_a_command_asks_and_runs_at_most_once() -> None:
    """The card shows command, directory and further rights; a rule must constrain each."""
    call = prepared(
        CommandTool(CodexPool()),
        {**COMMAND, "permissions": {"network": {"enabled": True}}, "reason": "why"},
    )
    assert (call.default, call.effect) == (Verdict.ASK, EffectClass.ONCE)
    assert call.tags == {RiskTag.DESTRUCTIVE}
    assert call.summary == "rm -r x in /w"
    assert call.matters == ("command", "cwd", "permissions")
    assert call.warnings[1] == 'is given more rights: {"network":{"enabled":true}}'
    assert call.label == "codex_command: rm -r x"


def test_changes_are_shown_by_path() -> None:
    """Every path that changes stands in the summary, and where it goes."""
    call = prepared(FilesTool(CodexPool()), CHANGES)
    assert (call.default, call.effect) == (Verdict.ASK, EffectClass.ONCE)
    assert call.summary == "add /w/a, update /w/b to /w/c"


def test_a_question_is_answered_and_never_run() -> None:
    """People's words are its result."""
    call = prepared(QuestionTool(), {"question": "Which?", "options": ["A", "B"]})
    assert call.asking is not None
    assert call.asking.options == ("A", "B")


async def test_running_a_question_starts_nothing() -> None:
    """There is nothing to run."""
    call = prepared(QuestionTool(), {"question": "Which?"})
    with pytest.raises(NotStarted):
        await QuestionTool().run(call, CallContext(call_id="c", session="s"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"command": "x"},
        {"command": "", "cwd": "/"},
        {"command": 1, "cwd": "/"},
        {"command": "x", "cwd": "/", "permissions": "all"},
        {"command": "x", "cwd": "/", "more": 1},
        {"command": "x", "cwd": "/", "permissions": {"a": 0.1 + 0.2, "b": float("nan")}},
    ],
)
def test_a_command_that_does_not_fit_is_malformed(given: dict[str, Any]) -> None:
    """A model that makes such a call up is told so; nothing is guessed."""
    assert isinstance(CommandTool(CodexPool()).prepare(given), Malformed)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"changes": []},
        {"changes": ["x"]},
        {"changes": [{"path": "/a", "kind": "wipe", "diff": ""}]},
        {"changes": [{"path": "/a", "kind": "add", "diff": "", "more": "x"}]},
    ],
)
def test_changes_that_do_not_fit_are_malformed(given: dict[str, Any]) -> None:
    """So it is with changes."""
    assert isinstance(FilesTool(CodexPool()).prepare(given), Malformed)


@pytest.mark.parametrize(
    "given", [{}, {"question": ""}, {"question": "?", "options": "A"}, {"question": "?", "x": 1}]
)
def test_questions_that_do_not_fit_are_malformed(given: dict[str, Any]) -> None:
    """And with questions."""
    assert isinstance(QuestionTool().prepare(given), Malformed)
