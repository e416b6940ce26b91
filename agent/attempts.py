"""The record of one attempt at a provider: what the ledger, `/spend` and `why` know of it."""

from dataclasses import dataclass
from enum import Enum

from agent.messages import Usage


class CallKind(Enum):
    """What a model call was for."""

    MAIN = "main"
    CONTINUATION = "continuation"
    COMPACTION = "compaction"
    ACTION = "action"
    DOCTOR = "doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt, also one that failed or was cut.

    `asked` is the model of the entry, `served` the one the provider named. `outcome` is the value
    of a Stop, the reason of an error, or `cancelled`; `move` names what led to this attempt, empty
    for the first of a call. Times are milliseconds; `first_byte_ms` is None if nothing came.
    `status` is the provider's HTTP status, if it failed with one. `flags` are words like
    `estimated`.
    """

    step: int
    attempt: int
    kind: CallKind = CallKind.MAIN
    entry: str
    asked: str
    served: str = ""
    credential: str = ""
    usage: Usage | None = None
    outcome: str
    status: int | None = None
    move: str = ""
    first_byte_ms: int | None = None
    total_ms: int = 0
    price_source: str = ""
    flags: tuple[str, ...] = ()
    request_id: str = ""
