"""Pure: what a complete reply leads to when it is not simply the answer.

A reply that hit its length limit is continued, one that lost calls is asked for again, a pause is
resumed; what was said is joined so that readers see one text.
"""

from dataclasses import dataclass, replace

from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Part,
    PartialReply,
    ProviderPart,
    Text,
)
from agent.providers.base import Stop

CONTINUATIONS = 3
PAUSES = 3
FIRST_CAP = 4_096
MOST_CAP = 32_768
OVERLAP = 200
"""Characters at a seam that a model may have written twice."""

CONTINUE = Note(
    text="Your answer reached its length limit. Continue exactly where it stops, mid-word if need"
    " be; repeat nothing and say nothing about the break."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """A reply under way over several model calls.

    `kept` are its parts so far, in order. `resumes`: the last of them ended with a pause, and all
    go back as they stand. `notes` are words of ours for the next call alone.
    """

    kept: tuple[Part, ...] = ()
    continuations: int = 0
    repairs: int = 0
    pauses: int = 0
    thought_less: bool = False
    resumes: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def said(self) -> str:
        """The words so far."""
        return "".join(part.text for part in self.kept if isinstance(part, Text))

    def messages(
        self, asked: tuple[Message, ...], last: AssistantMessage | None
    ) -> tuple[Message, ...]:
        """What the next call is given: the transcript, what was said so far, our words."""
        said: tuple[Message, ...] = ()
        if self.resumes and last is not None:
            said = (replace(last, parts=self.kept),)
        elif self.said:
            said = (PartialReply(text=self.said),)
        return (*asked, *said, *self.notes)

    def shown_with(self, more: str) -> str:
        """All that a reader has seen of the reply, `more` being what came last."""
        return seam(self.said, more) if self.continuations else self.said + more


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """The reply is complete as it is."""

    message: AssistantMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One more call for the same reply; `cap` is the output cap to ask with, None the usual.

    `less`: with less effort. `rewind`: what this call has shown does not count.
    """

    growing: Growing
    cap: int | None
    less: bool = False
    rewind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CutShort:
    """It stays incomplete: `message` holds what was said; without any, calls or all was lost."""

    message: AssistantMessage
    lost_calls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """The provider's filter stopped it: nothing of it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFull:
    """The window was full before the answer was: the history is too long."""


Judged = Accept | Again | CutShort | Blocked | WindowFull


def judge_reply(
    message: AssistantMessage, stop: Stop, growing: Growing, *, cap: int | None, most: int | None
) -> Judged:
    """Say what a reply leads to; `cap` is what it was asked with, `most` the entry's own limit."""
    match stop:
        case Stop.FILTERED:
            return Blocked()
        case Stop.WINDOW_FULL:
            return WindowFull()
        case Stop.PAUSED:
            return _paused(message, growing, cap)
        case Stop.LENGTH:
            return _cut(message, growing, cap=cap, most=most)
        case Stop.DONE | Stop.TOOL_CALLS:
            return Accept(message=joined(message, growing))


def joined(message: AssistantMessage, growing: Growing) -> AssistantMessage:
    """The whole reply: what was kept before, then this."""
    if not growing.kept:
        return message
    return replace(message, parts=_appended(growing, message.parts))


def _appended(growing: Growing, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """More parts behind those that were kept.

    Parts only their provider understands are bound to the message they came in: of a reply that
    was continued, and not only resumed, they are left out.
    """
    kept, more = list(growing.kept), list(parts)
    if growing.continuations:
        kept = [part for part in kept if not isinstance(part, ProviderPart)]
        more = [part for part in more if not isinstance(part, ProviderPart)]
    seamed = growing.continuations and not growing.resumes
    if seamed and kept and more and isinstance(kept[-1], Text) and isinstance(more[0], Text):
        more[0] = Text(text=seam(kept.pop().text, more[0].text))  # type: ignore[union-attr]
    return (*kept, *more)


def seam(before: str, after: str) -> str:
    """Join two texts without the words that stand on both sides of the seam."""
    for length in range(min(OVERLAP, len(before), len(after)), 0, -1):
        if before.endswith(after[:length]):
            # A single letter or space in common is chance more often than an overlap.
            return before + after[length:] if length > 2 else before + after
    return before + after


def raised(cap: int | None, *, most: int | None) -> int | None:
    """Twice the cap within what the entry allows; None if it can't be raised."""
    limit = MOST_CAP if most is None else min(most, MOST_CAP)
    if cap is None:
        return limit
    if cap >= limit:
        return None
    return min(max(2 * cap, FIRST_CAP), limit)


def _paused(message: AssistantMessage, growing: Growing, cap: int | None) -> Judged:
    if growing.pauses >= PAUSES:
        return Accept(message=joined(message, growing))
    following = replace(
        growing,
        kept=joined(message, growing).parts,
        pauses=growing.pauses + 1,
        resumes=True,
        notes=(),
    )
    return Again(growing=following, cap=cap)


def _cut(
    message: AssistantMessage, growing: Growing, *, cap: int | None, most: int | None
) -> Judged:
    if message.calls:
        return _lost(message, growing, cap=cap, most=most)
    if not message.text.strip():
        return _only_thought(message, growing, cap)
    count = growing.continuations + 1
    kept = _appended(replace(growing, continuations=count), message.parts)
    if growing.continuations >= CONTINUATIONS:
        return CutShort(message=replace(message, parts=kept))
    limit = MOST_CAP if most is None else min(most, MOST_CAP)
    following = replace(growing, kept=kept, continuations=count, resumes=False, notes=(CONTINUE,))
    return Again(growing=following, cap=min(FIRST_CAP * 2**count, limit))


def _lost(
    message: AssistantMessage, growing: Growing, *, cap: int | None, most: int | None
) -> Judged:
    """Calls in a cut reply never run, however complete they look."""
    higher = raised(cap, most=most)
    if growing.repairs == 0 and higher is not None:
        return Again(growing=replace(growing, repairs=1), cap=higher, rewind=True)
    if growing.repairs <= 1:
        names = ", ".join(dict.fromkeys(call.name for call in message.calls if call.name))
        note = Note(
            text=f"Your reply was cut off, and the calls in it were lost ({names or 'unnamed'})."
            " None was run. Make the call again in smaller pieces."
        )
        following = replace(growing, repairs=2, notes=(*growing.notes, note))
        return Again(growing=following, cap=cap, rewind=True)
    words = tuple(part for part in message.parts if isinstance(part, Text))
    parts = _appended(growing, words)
    return CutShort(message=replace(message, parts=parts), lost_calls=True)


def _only_thought(message: AssistantMessage, growing: Growing, cap: int | None) -> Judged:
    if growing.thought_less:
        return CutShort(message=replace(message, parts=growing.kept))
    return Again(growing=replace(growing, thought_less=True), cap=cap, less=True)


def left_so(growing: Growing, like: AssistantMessage) -> CutShort:
    """A reply that nobody goes on with, as it stands."""
    words = tuple(part for part in growing.kept if isinstance(part, Text))
    return CutShort(message=replace(like, parts=words))
