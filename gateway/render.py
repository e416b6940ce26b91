"""Pure: what people read of a turn. Every sentence about a failure is written here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from agent.attempts import AttemptRecord
from agent.effects import (
    Mark,
    TurnEnd,
)
from agent.errors import (
    AgentStopped,
    AllProvidersFailed,
    Cause,
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NeedsAdjustment,
    NotEntitled,
    PolicyBlocked,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    StreamBroken,
    TlsUntrusted,
)
from gateway.words import notices
from gateway.words import replies as said
from gateway.words.phrase import ENGLISH, Reader
from platforms import markup
from platforms.base import Sink
from platforms.blocks import Blocks, Emph, Paragraph, Text, plain
from platforms.text import split

WORKING = said.WORKING.en
FILE_NAME = "answer.md"
UNDONE_MAX = 5
SAID_MAX = 400
"""Characters of a refusal's own words."""

FILTERED = said.FILTERED.to(ENGLISH)
OUR_SIDE = said.OUR_SIDE.en

_LOGIN = "Log in again with gatepost login, or replace the key."
_CREDIT = "Add credit to the account, or another key."
_PLAN = "Choose a model that the account's plan includes, or another account."
_MODEL = "Write the model's name as the provider has it."
_REJECTED = "Another provider was asked if there is one; gatepost why on the turn tells more."
_ALERTS: Mapping[str, tuple[str, str]] = {
    "auth": ("the login is refused", _LOGIN),
    "billing": ("the account is out of credit", _CREDIT),
    "entitlement": ("the account may not use it", _PLAN),
    "forbidden": ("the account may not use it", _PLAN),
    "model_missing": ("there is no such model", _MODEL),
    "tls_untrusted": (
        "its certificate can't be trusted",
        "Look at the address, the host's clock and its certificates.",
    ),
    "policy_blocked": (
        "the account's privacy settings exclude it",
        "Change them at the provider, or choose another model.",
    ),
    "parameter": ("the request was rejected", _REJECTED),
    "bad_request": ("the request was rejected", _REJECTED),
    "request_invalid": ("the request could not be built", _REJECTED),
}
"""By the reason of an attempt: what it means to owners, and what they can do."""

_UNFIT = re.compile(
    r"://|\bwww\.|traceback|\b(?:sk|pk|key|ghp|gho|xai|hf)[-_]\w{6,}|\bbearer\s|\b[\w+/=-]{32,}",
    re.IGNORECASE,
)
"""What no words of a provider may bring into a chat: addresses, keys, traces."""

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


Change = Literal["", "switched", "back"]
"""What a chat hears of who answers: another than the primary from now on, or the primary again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an agent of this host wanted and was not let do: in its words, and why, in ours.

    Without a `why` it was approved too late, and not asked for again.
    """

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A reply cut for a platform; `file` holds the whole of one that is too long for parts."""

    bodies: tuple[Blocks, ...]
    file: bytes | None = None


def reply_text(
    words: tuple[str, ...],
    end: TurnEnd,
    reference: str,
    *,
    until: str = "",
    change: Change = "",
    undone: tuple[Undone, ...] = (),
    reader: Reader = ENGLISH,
) -> str:
    """The whole reply of a turn in Markdown: the words of every step, then what is to be known.

    `until` is when a limit ends, as people read it. `change`: another model answers from now on,
    or the primary does again.
    """
    spoken = [text.strip() for text in (*words, end.text) if text.strip()]
    below = (
        notice_of(end, reference, until, reader),
        *_undone_texts(undone, reader),
        _change_text(end, change, reader),
    )
    lines = [line for line in below if line]
    return "\n\n".join([*spoken, *(f"*{line}*" if spoken else line for line in lines)])


def notice_of(end: TurnEnd, reference: str, until: str = "", reader: Reader = ENGLISH) -> str:
    """What stands under the words of a turn, or in their place: one sentence, or nothing."""
    if end.error is not None and end.mark is not Mark.CUT_BY_FAILURE:
        return _referred(failure_text(end.error, until=until, reader=reader), reference, reader)
    match end.mark:
        case Mark.NONE:
            return ""
        case Mark.HALTED:
            return _literal(end.by)  # it may hold a person's name
        case Mark.STOPPED:
            return _stopped_text(end, reader)
        case Mark.CUT_BY_LENGTH:
            text = said.CUT_BY_LENGTH.to(reader)
        case Mark.CUT_BY_FAILURE:
            text = said.CUT_BY_FAILURE.to(reader)
        case Mark.EMPTY:
            text = said.EMPTY.to(reader)
        case Mark.FILTERED:
            text = said.FILTERED.to(reader)
        case Mark.STEP_LIMIT:
            reached = end.reached or said.MANY_STEPS.to(reader)
            text = said.STEP_LIMIT.to(reader, reached=reached)
        case Mark.LOOP:
            text = said.LOOP.to(reader)
        case Mark.UNUSABLE_CALLS | Mark.LOST_CALLS:
            text = said.UNUSABLE_CALLS.to(reader)
        case unknown:
            assert_never(unknown)
    return _referred(text, reference, reader)


def failure_text(error: AllProvidersFailed, *, until: str = "", reader: Reader = ENGLISH) -> str:
    """One plain sentence for a turn nobody could answer: by the first cause, never raw text."""
    return _cause_text(error.headline, until, reader)


def _cause_text(cause: Cause, until: str, reader: Reader) -> str:
    """One sentence for each class; a class without one is a type error here."""
    match cause:
        case ProviderRateLimited():
            text = _limited_text(until, reader)
        case ProviderAuthFailed() | CredentialExhausted():
            what = said.CREDIT if isinstance(cause, CredentialExhausted) else said.LOGIN
            text = said.ATTENTION.to(reader, what=what.to(reader))
        case NotEntitled() | ModelUnavailable() | PolicyBlocked():
            text = _not_available_text(cause, reader)
        case ContentBlocked(said=words):
            text = _own_words(words) or said.FILTERED.to(reader)
        case TlsUntrusted():
            text = said.UNTRUSTED.to(reader)
        case ContextOverflow():
            text = _too_large_text(cause, reader)
        case RequestRejected() | RequestInvalid() | NeedsAdjustment() | ReplyMalformed():
            text = said.OUR_SIDE.to(reader)
        case AgentStopped():
            text = said.AGENT_STOPPED.to(reader)
        case ProviderOverloaded() | StreamBroken() | ProviderUnavailable():
            text = said.UNREACHABLE.to(reader)
        case unknown:
            assert_never(unknown)
    return text


def _limited_text(until: str, reader: Reader) -> str:
    """Until when, if the provider has said so."""
    if until:
        return said.LIMITED_UNTIL.to(reader, until=until)
    return said.LIMITED.to(reader)


def _not_available_text(
    cause: NotEntitled | ModelUnavailable | PolicyBlocked, reader: Reader
) -> str:
    match cause:
        case NotEntitled():
            what = said.PLAN
        case ModelUnavailable():
            what = said.NAME
        case PolicyBlocked():
            what = said.SETTINGS
        case unknown:
            assert_never(unknown)
    model = _literal(cause.model)
    return said.NOT_AVAILABLE.to(reader, model=model, what=what.to(reader))


def _too_large_text(cause: ContextOverflow, reader: Reader) -> str:
    count = ""
    if cause.tokens is not None and cause.limit is not None:
        count = said.COUNT.to(reader, tokens=cause.tokens, limit=cause.limit)
    return said.TOO_LARGE.to(reader, count=count)


def _own_words(text: str) -> str:
    """A refusal's own words, as words only; nothing where they hold an address or a secret."""
    words = " ".join(text.split())
    if not words or _UNFIT.search(words):
        return ""
    return _literal(words if len(words) <= SAID_MAX else f"{words[: SAID_MAX - 3].rstrip()}...")


def _stopped_text(end: TurnEnd, reader: Reader) -> str:
    doubts = ", ".join(_literal(label) for label in end.doubts)
    may = said.DOUBTS.to(reader, doubts=doubts) if doubts else ""
    return said.STOPPED.to(reader, name=_literal(end.by)) + may


def _change_text(end: TurnEnd, change: Change, reader: Reader) -> str:
    """Who answers, where that has changed."""
    match change:
        case "":
            return ""
        case "switched":
            served, primary = _literal(end.served), _literal(end.primary)
            return said.SWITCHED.to(reader, served=served, primary=primary)
        case "back":
            return said.BACK.to(reader, primary=_literal(end.primary))
        case unknown:
            assert_never(unknown)


def _undone_texts(undone: tuple[Undone, ...], reader: Reader) -> tuple[str, ...]:
    """A line for each thing, the newest where there are too many."""
    told = tuple(dict.fromkeys(undone))
    late = said.TOO_LATE.to(reader)
    lines = [
        said.UNDONE.to(reader, what=_literal(each.what), why=_literal(each.why) or late)
        for each in told[-UNDONE_MAX:]
    ]
    if (more := len(told) - UNDONE_MAX) > 0:
        lines.insert(0, said.UNDONE_MORE.to(reader, count=more))
    return tuple(lines)


def _referred(sentence: str, reference: str, reader: Reader = ENGLISH) -> str:
    """A sentence with what `gatepost why` explains."""
    return said.REFERRED.to(reader, sentence=sentence, reference=reference)


def waiting_text(provider: str, until: str, reader: Reader = ENGLISH) -> str:
    """What stands in place of a placeholder while a provider asks for patience."""
    return said.WAITING.to(reader, provider=provider, until=until)


def condensed_text(reference: str, reader: Reader = ENGLISH) -> str:
    """What a chat hears once when its past could not be summed up."""
    return _referred(notices.CONDENSED.to(reader), reference, reader)


def attempt_alert(record: AttemptRecord) -> str:
    """What owners hear of an attempt whose cause only they can remove; nothing of any other.

    Nothing in it is the provider's own text but the name it was configured by.
    """
    told = _ALERTS.get(record.outcome)
    if told is None:
        return ""
    what, to_do = told
    key = f" with {record.credential}" if record.credential else ""
    code = f"HTTP {record.status}, " if record.status is not None else ""
    return (
        f"{record.entry} ({record.asked}){key}: {what} ({code}{record.outcome}). {to_do}"
        " gatepost status shows what rests."
    )


def _literal(name: str) -> str:
    """Words of people, such as a name, as Markdown that shows them and means nothing."""
    return _PUNCTUATION.sub(r"\\\g<0>", " ".join(name.split()))


def crashed_text(reference: str, reader: Reader = ENGLISH) -> str:
    """A turn ended by a fault of ours."""
    return _referred(said.OUR_SIDE.to(reader), reference, reader)


def quarantined_text(reference: str) -> str:
    """A turn that was ended because the gateway died with it again and again."""
    return (
        "I gave up on your last message: working on it stopped me three times in a row."
        f" Its operator can look it up (ref {reference}). Other messages are answered as usual."
    )


def quarantined_alert(reference: str) -> str:
    """What owners hear of it."""
    return (
        f"I ended turn {reference}: I died three times within a minute while it was open."
        f" Its chat was told; `gatepost why {reference}` tells more."
    )


def stuck_text(seconds: float, reference: str, reader: Reader = ENGLISH) -> str:
    """A turn ended because nothing of it moved for so long."""
    return said.STUCK.to(reader, minutes=f"{seconds / 60:.0f}", reference=reference)


def overlong_text(seconds: float, reference: str) -> str:
    """A turn of a clock's job that was ended because its time was over."""
    return (
        f"I stopped after {seconds / 60:.0f} minutes, as long as a job may take (ref {reference})."
    )


def undelivered_text(reference: str) -> str:
    """Words of an answer that the platform will never take."""
    return (
        "An answer of mine could not be delivered here. Its operator can look it up"
        f" (ref {reference})."
    )


def dead_chat_text(chat: str, reason: str) -> str:
    """What owners hear of a chat that takes nothing any more; behind a colon is what helps."""
    kind, _, remedy = reason.partition(": ")
    told = (
        f"{chat} can't be written to any more ({kind}); nothing is sent there until someone"
        " writes to me in it."
    )
    return f"{told} {remedy}." if remedy else told


def parts_of(reply: str, sink: Sink, reader: Reader = ENGLISH) -> Parts:
    """Cut a whole reply for a platform; over its number of parts it becomes a file."""
    # Markdown that says nothing ("#", an empty code block) is shown as it was written.
    bodies = split(markup.parse(reply) or plain(reply), sink.fits)
    if len(bodies) <= sink.capabilities.parts_max:
        return Parts(bodies=bodies)
    note = Paragraph(
        spans=(Emph(spans=(Text(text=said.WHOLE_IN_FILE.to(reader, name=FILE_NAME)),)),)
    )
    first = split((*bodies[0], note), sink.fits)
    return Parts(bodies=first, file=reply.encode())


def working(label: str, reader: Reader = ENGLISH) -> Blocks:
    """The placeholder of a reply that has no words yet."""
    begin = said.WORKING.to(reader)
    words = f"{begin}: {label}" if label else f"{begin} ..."
    return (Paragraph(spans=(Emph(spans=(Text(text=words),)),)),)


def live(body: Blocks, label: str, waiting: str = "", reader: Reader = ENGLISH) -> Blocks:
    """What stands while the reply grows: its words so far, and what runs or is waited for."""
    if waiting:
        return (*body, Paragraph(spans=(Emph(spans=(Text(text=waiting),)),)))
    return (*body, *working(label, reader)) if label or not body else body
