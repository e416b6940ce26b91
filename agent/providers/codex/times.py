"""Every bound of the codex child, in seconds."""

from dataclasses import dataclass

LIVE_MAX = 4
"""Children that live at the same time; further sessions wait for one to be free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexTimes:
    """How long is waited for what.

    `open_ask_s`: how long a question of the child stays open for a person's answer. `turn_limit_s`
    counts only while the child works, not while people decide. `gather_s`: how long after one
    question others of the same step may follow, so that people are asked once.
    """

    initialize_s: float = 10.0
    thread_s: float = 15.0
    turn_s: float = 10.0
    interrupt_s: float = 5.0
    open_ask_s: float = 120.0
    turn_limit_s: float = 600.0
    after_tool_s: float = 90.0
    silence_s: float = 180.0
    idle_s: float = 300.0
    gather_s: float = 0.2
    close_s: float = 2.0


TIMES = CodexTimes()
