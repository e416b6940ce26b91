"""The name and durability of everything that is written: the gateway's durable transitions.

Every write carries one. A crash can fall before or after each of them, and the kill tests take
their list from here: a transition no story reaches fails them.
"""

from typing import Final

from gateway.store.base import Durability, Transition

_ALL: list[Transition] = []


def _power(name: str) -> Transition:
    """Name a transition that survives a power loss (D2)."""
    return _added(Transition(name=name, durability=Durability.POWER))


def _process(name: str) -> Transition:
    """Name a transition that survives kill -9 (D1)."""
    return _added(Transition(name=name, durability=Durability.PROCESS))


def _added(transition: Transition) -> Transition:
    _ALL.append(transition)
    return transition


# A run of the process.
RUN_BEGUN: Final = _power("run.begun")
RUN_ENDED: Final = _power("run.ended")

# What comes in.
EVENT_STORED: Final = _power("event.stored")
EVENT_IGNORED: Final = _process("event.ignored")
COMMAND_DONE: Final = _power("command.done")
MODEL_CHOSEN: Final = _power("command.model_chosen")
TURN_UNDONE: Final = _power("command.turn_undone")
TURN_RETRIED: Final = _power("command.turn_retried")
SESSION_FORGOTTEN: Final = _power("command.session_forgotten")
WAITING_WITHDRAWN: Final = _power("command.waiting_withdrawn")
STOP_MARKED: Final = _power("command.stop_marked")

# A turn.
SESSION_TAKEN: Final = _power("session.taken")
SESSION_RENEWED: Final = _power("session.renewed")
STEP_INTENDED: Final = _power("step.intended")
STEP_RECORDED: Final = _power("step.recorded")
CALLS_INTENDED: Final = _power("calls.intended")
CALL_FINISHED: Final = _process("call.finished")
CALL_APPLIED: Final = _power("call.applied")
CALLS_GATED: Final = _power("calls.gated")
CALL_LEFT: Final = _power("call.left")
ATTEMPT_FAILED: Final = _process("attempt.failed")
TURN_WAITS: Final = _power("turn.waits")
DOUBT_ASKED: Final = _power("doubt.asked")
SESSION_FOLDED: Final = _power("session.folded")
MESSAGES_RECORDED: Final = _power("messages.recorded")
HEARING_INTENDED: Final = _power("hearing.intended")
FILES_TAKEN: Final = _power("files.taken")
INBOX_DRAINED: Final = _power("inbox.drained")
TURN_CLOSED: Final = _power("turn.closed")

# What people decide, and what time decides in their place.
REQUEST_DECIDED: Final = _power("request.decided")
PRESS_REFUSED: Final = _process("press.refused")
FORM_OPENED: Final = _process("form.opened")
CARD_ENDED: Final = _power("card.ended")
CARD_REMINDED: Final = _process("card.reminded")
CARD_POSTED: Final = _process("card.posted")
ALLOWANCE_CHANGED: Final = _power("allowance.changed")
ALLOWANCE_ENDED: Final = _process("allowance.ended")
FREEZE_CHANGED: Final = _power("freeze.changed")
BUDGET_RAISED: Final = _power("budget.raised")
HOLD_CHARGED: Final = _power("hold.charged")
JOB_LOOKED_AT: Final = _process("job.looked_at")
JOB_ENDED: Final = _power("job.ended")
RUN_BOOKED: Final = _power("run.booked")
SEAL_MADE: Final = _power("seal.made")
MCP_PINNED: Final = _power("mcp.pinned")

# Jobs of the clock.
JOBS_KEPT: Final = _power("jobs.kept")
JOB_CHANGED: Final = _power("job.changed")
FIRE_DUE: Final = _power("fire.due")
HOOK_TAKEN: Final = _power("hook.taken")
FIRE_BEGUN: Final = _power("fire.begun")
FIRE_ENDED: Final = _power("fire.ended")

# Who gets in.
ACCESS_CHANGED: Final = _power("access.changed")
OWNERS_CHANGED: Final = _power("owners.changed")
OWNER_CODE_TAKEN: Final = _power("owner.code_taken")

# Keys of models.
LOGIN_KEPT: Final = _power("login.kept")
KEY_MARKED: Final = _process("key.marked")

# What goes out.
REPLY_BEGUN: Final = _power("reply.begun")
SEND_STORED: Final = _power("send.stored")
ROW_DEPARTED: Final = _process("row.departed")
ROW_HELD: Final = _process("row.held")
ROW_SETTLED: Final = _process("row.settled")
CHAT_BURIED: Final = _process("chat.buried")
CHAT_PAUSED: Final = _process("chat.paused")
CHAT_RESUMED: Final = _process("chat.resumed")
GAP_STORED: Final = _process("gap.stored")
NOTICE_STORED: Final = _process("notice.stored")
CHAT_SHOWN: Final = _process("chat.shown")

# What time takes away.
RETENTION_PRUNED: Final = _process("retention.pruned")

ALL: Final = tuple(_ALL)
