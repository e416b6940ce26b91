"""What the gate knows of a turn beside its calls: what it has read and what was said in it."""

from collections.abc import Mapping

from agent.messages import ToolResult, UserMessage
from agent.policy import Facts
from gateway.store.base import Tx
from gateway.store.records import calls, transcript


def facts_of(
    tx: Tx,
    *,
    session_id: int,
    turn_id: int,
    chat: str,
    requester: str,
    groups: Mapping[str, bool | None],
) -> Facts:
    """The facts of a turn as its rows have them now.

    Words that others than the requester said taint it as pages and files do.
    """
    said = []
    taint = list(calls.tainted_by(tx, turn_id))
    for owner, message in transcript.load(tx, session_id):
        match message:
            case UserMessage(text=text):
                said.append(text)
            case ToolResult(text=text) if owner == turn_id:
                said.append(text)
            case _:
                pass
    return Facts(
        requester=requester,
        chat=chat,
        groups=groups,
        taint=tuple(taint),
        said="\n".join(said),
        unattended=not requester,
    )
