"""Makes the past of a chat fit before a model call: performs the folds that `compaction` names.

A fold is stored before anything is sent that builds on it. A summary is a model call like every
other: its money is put aside first, it has a record, /stop ends it. Where it cannot be had, the
past is made short without a model, and no summary is tried in that chat for a while.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, assert_never

import orjson

from agent.attempts import CallKind
from agent.compaction import (
    FOLDS_PER_TURN,
    Digest,
    Nothing,
    Prune,
    Summarise,
    count,
    next_fold,
    summary_fold,
)
from agent.effects import OverBudget, Stopped
from agent.errors import ContextOverflow, ProviderError, ProviderUnavailable, ReplyMalformed
from agent.failover import Entry
from agent.folds import Fold, apply_fold
from agent.journal import TurnJournal
from agent.messages import Message, UserMessage
from agent.providers.base import Adjustments, ModelRequest

log = logging.getLogger(__name__)

SUMMARY_RESTS_S = 600.0
SUMMARY_TRIES = 2
SLOW_S = 5.0
"""A summary that took so long to fail is not tried again."""
SESSIONS_MAX = 1_024
UNCAPPED_OUTPUT = 8_192
"""Tokens kept free for an answer that has no cap of its own."""

Fitted = tuple[Message, ...] | Stopped | OverBudget | ProviderError
Summed = str | Stopped | OverBudget | ProviderError
Build = Callable[[tuple[Message, ...]], ModelRequest]


class SummaryRests:
    """Until when no summary is tried in a chat, because the last one failed."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def allows(self, session: str, now: float) -> bool:
        """Whether one may be tried."""
        return self._until.get(session, now) <= now

    def failed(self, session: str, now: float) -> None:
        """Let the next one wait."""
        self._until[session] = now + SUMMARY_RESTS_S
        self._until.move_to_end(session)
        while len(self._until) > SESSIONS_MAX:
            self._until.popitem(last=False)


class Ask(Protocol):
    """Makes one model call beside the turn's own; the text of its reply."""

    def __call__(
        self, entry: Entry, request: ModelRequest, *, kind: CallKind
    ) -> Coroutine[Any, Any, str | Stopped | OverBudget]:
        """Raises ProviderError."""


class Folding:
    """The folds of one turn."""

    def __init__(
        self,
        *,
        session: str,
        journal: TurnJournal,
        ask: Ask,
        rests: SummaryRests,
        clock: Callable[[], float],
    ) -> None:
        self.folds = 0
        self._session = session
        self._journal = journal
        self._ask = ask
        self._rests = rests
        self._clock = clock
        self._first_byte_s: float | None = None
        self._elsewhere: Callable[[], Awaitable[bool]] = _nobody

    async def fit(
        self,
        entry: Entry,
        messages: tuple[Message, ...],
        *,
        build: Build,
        window: int,
        asked: tuple[UserMessage, ...],
        forced: bool,
        wished: bool,
        bytes_first: bool,
        first_byte_s: float | None,
        elsewhere: Callable[[], Awaitable[bool]],
    ) -> Fitted:
        """The messages as they fit into `window` tokens; ContextOverflow if they can't be made to.

        `build` makes the request of some messages, as it is counted. `wished`: people want them
        smaller, whatever the count says. Where a summary can't be had of this entry and `elsewhere`
        says that another is ready, its failure is returned.
        """
        self._first_byte_s, self._elsewhere = first_byte_s, elsewhere
        cap = entry.max_output_tokens or min(UNCAPPED_OUTPUT, window // 4)
        unfinished = False
        while True:
            tokens = counted(build(messages), entry)
            step = next_fold(
                messages,
                window=window,
                cap=cap,
                tokens=tokens,
                forced=forced,
                wished=wished,
                bytes_first=bytes_first,
                summary_allowed=self._rests.allows(self._session, self._clock()),
                unfinished=unfinished,
                asked=asked,
            )
            if wished and isinstance(step, Digest):  # a wish is no need: nothing is lost for it
                wished = False
                continue
            if isinstance(step, Nothing) and not step.too_large:
                self.folds += unfinished
                return messages
            if isinstance(step, Nothing) or (self.folds >= FOLDS_PER_TURN and not unfinished):
                return _too_large(entry, tokens, window - cap)
            fold = await self._fold(entry, step)
            if isinstance(fold, Stopped | OverBudget | ProviderError):
                return fold
            if fold is None:
                continue
            await self._journal.folded(fold)
            messages = apply_fold(messages, fold)
            unfinished = isinstance(step, Prune) and not step.enough
            self.folds += not unfinished
            forced = wished = False

    async def _fold(
        self, entry: Entry, step: Prune | Summarise | Digest
    ) -> Fold | Stopped | OverBudget | ProviderError | None:
        """The fold of a step; None where a summary can't be had."""
        match step:
            case Prune(fold=fold) | Digest(fold=fold):
                return fold
            case Summarise():
                text = await self._summary(entry, step)
                if not isinstance(text, str):
                    return text
                fold_ = summary_fold(step, text)
                if fold_ is None:
                    self._rests.failed(self._session, self._clock())
                return fold_
            case unknown:
                assert_never(unknown)

    async def _summary(self, entry: Entry, plan: Summarise) -> Summed:
        """The text of a summary, nothing if it can't be had; one attempt and one retry a chunk."""
        text = ""
        for index in range(len(plan.chunks)):
            request = ModelRequest(
                system=plan.system,
                messages=plan.prompt(index, text),
                tools=(),
                max_output_tokens=plan.max_output_tokens,
                session=f"{self._session}:fold",
                adjustments=Adjustments(first_byte_s=self._first_byte_s),
            )
            if not await self._journal.affords(entry.pricing.quote(request)):
                return ""
            found = await self._tried(entry, request)
            if not isinstance(found, str):
                return found
            if not found.strip():
                return ""
            text = found
        return text

    async def _tried(self, entry: Entry, request: ModelRequest) -> Summed:
        for attempt in range(1, SUMMARY_TRIES + 1):
            began = self._clock()
            try:
                return await self._ask(entry, request, kind=CallKind.COMPACTION)
            except ProviderError as error:
                log.warning("a summary failed: %s: %s", error.provider, error)
                soon = self._clock() - began < SLOW_S
                again = isinstance(error, ProviderUnavailable | ReplyMalformed) and error.retry
                if attempt < SUMMARY_TRIES and again and soon:
                    continue
                return error if await self._elsewhere() else ""
        return ""


async def _nobody() -> bool:
    return False


def counted(request: ModelRequest, entry: Entry) -> int:
    """About how many tokens a request is to this entry."""
    tools = [(tool.name, tool.description, tool.parameters) for tool in request.tools]
    own = len(request.system.encode()) + len(orjson.dumps(tools))
    return count(request.messages, own_bytes=own, measured=entry.pricing.measured(request))


def _too_large(entry: Entry, tokens: int, limit: int) -> ContextOverflow:
    origin = entry.provider.origin
    error = ContextOverflow(
        f"{tokens} tokens do not fit into {limit}",
        provider=origin.provider,
        endpoint=origin.endpoint,
        model=origin.model,
        reason="context_overflow",
    )
    error.tokens, error.limit = tokens, limit
    return error
