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
from platforms import markup
from platforms.base import Sink
from platforms.blocks import Blocks, Emph, Paragraph, Text, plain
from platforms.text import split

WORKING = "Working on it"
FILE_NAME = "answer.md"
UNDONE_MAX = 5
SAID_MAX = 400
"""Characters of a refusal's own words."""

FILTERED = (
    "The provider's safety filter stopped this answer. Rephrase it, or start fresh with /new."
)
OUR_SIDE = "Something in this request went wrong on our side. Its operator can look it up."

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
    said: tuple[str, ...],
    end: TurnEnd,
    reference: str,
    *,
    until: str = "",
    change: Change = "",
    undone: tuple[Undone, ...] = (),
) -> str:
    """The whole reply of a turn in Markdown: the words of every step, then what is to be known.

    `until` is when a limit ends, as people read it. `change`: another model answers from now on,
    or the primary does again.
    """
    words = [text.strip() for text in (*said, end.text) if text.strip()]
    below = (notice_of(end, reference, until), *_undone_texts(undone), _change_text(end, change))
    lines = [line for line in below if line]
    return "\n\n".join([*words, *(f"*{line}*" if words else line for line in lines)])


def notice_of(end: TurnEnd, reference: str, until: str = "") -> str:
    """What stands under the words of a turn, or in their place: one sentence, or nothing."""
    if end.error is not None and end.mark is not Mark.CUT_BY_FAILURE:
        return _referred(failure_text(end.error, until=until), reference)
    match end.mark:
        case Mark.NONE:
            return ""
        case Mark.HALTED:
            return _literal(end.by)  # it may hold a person's name
        case Mark.STOPPED:
            return _stopped_text(end)
        case Mark.CUT_BY_LENGTH:
            text = 'The answer reached the length limit. Say "continue".'
        case Mark.CUT_BY_FAILURE:
            text = 'The connection broke here; this is not the whole answer. Say "retry".'
        case Mark.EMPTY:
            text = (
                "The model finished without an answer. Ask for a smaller piece, or lower /effort."
            )
        case Mark.FILTERED:
            text = FILTERED
        case Mark.STEP_LIMIT:
            text = (
                f"I stopped after {end.reached or 'many steps'} without finishing."
                ' Say "continue" to go on.'
            )
        case Mark.LOOP:
            text = (
                "I kept repeating the same action without progress, so I stopped."
                " Tell me what to change."
            )
        case Mark.UNUSABLE_CALLS | Mark.LOST_CALLS:
            text = (
                "The model kept producing unusable tool calls, so I stopped. None of those was run."
            )
        case unknown:
            assert_never(unknown)
    return _referred(text, reference)


def failure_text(error: AllProvidersFailed, *, until: str = "") -> str:
    """One plain sentence for a turn nobody could answer: by the first cause, never raw text."""
    return _cause_text(error.headline, until)


def _cause_text(cause: Cause, until: str) -> str:
    """One sentence for each class; a class without one is a type error here."""
    match cause:
        case ProviderRateLimited():
            text = _limited_text(until)
        case ProviderAuthFailed() | CredentialExhausted():
            what = "credit" if isinstance(cause, CredentialExhausted) else "login"
            text = f"This bot's model account needs attention ({what}). Its operator has been told."
        case NotEntitled() | ModelUnavailable() | PolicyBlocked():
            text = _not_available_text(cause)
        case ContentBlocked(said=said):
            text = _own_words(said) or FILTERED
        case TlsUntrusted():
            text = "The connection to the model could not be trusted, so I did not use it."
        case ContextOverflow():
            text = _too_large_text(cause)
        case RequestRejected() | RequestInvalid() | NeedsAdjustment() | ReplyMalformed():
            text = OUR_SIDE
        case AgentStopped():
            text = (
                'The coding agent on this host stopped. Say "retry"; its operator has been told'
                " if it must log in."
            )
        case ProviderOverloaded() | StreamBroken() | ProviderUnavailable():
            text = 'I could not reach a model just now. Nothing is lost: say "retry" in a moment.'
        case unknown:
            assert_never(unknown)
    return text


def _limited_text(until: str) -> str:
    """Until when, if the provider has said so."""
    if until:
        return f'The model is at its usage limit until {until}. Say "retry" then.'
    return 'The model is at its usage limit just now. Say "retry" in a minute.'


def _not_available_text(cause: NotEntitled | ModelUnavailable | PolicyBlocked) -> str:
    match cause:
        case NotEntitled():
            what = "plan"
        case ModelUnavailable():
            what = "name"
        case PolicyBlocked():
            what = "settings"
        case unknown:
            assert_never(unknown)
    model = _literal(cause.model)
    return f"The model {model} is not available to this bot ({what}). /model shows what is."


def _too_large_text(cause: ContextOverflow) -> str:
    count = ""
    if cause.tokens is not None and cause.limit is not None:
        count = f" ({cause.tokens:,} of {cause.limit:,} tokens)"
    return f"This message is too large for the model{count}. Send less, or as a file."


def _own_words(said: str) -> str:
    """A refusal's own words, as words only; nothing where they hold an address or a secret."""
    words = " ".join(said.split())
    if not words or _UNFIT.search(words):
        return ""
    return _literal(words if len(words) <= SAID_MAX else f"{words[: SAID_MAX - 3].rstrip()}...")


def _stopped_text(end: TurnEnd) -> str:
    doubts = ", ".join(_literal(label) for label in end.doubts)
    may = f" This was under way and may have taken effect: {doubts}." if doubts else ""
    return f"Stopped by {_literal(end.by)}.{may}"


def _change_text(end: TurnEnd, change: Change) -> str:
    """Who answers, where that has changed."""
    match change:
        case "":
            return ""
        case "switched":
            return f"Answered by {_literal(end.served)}; {_literal(end.primary)} is resting."
        case "back":
            return f"Back on {_literal(end.primary)}."
        case unknown:
            assert_never(unknown)


def _undone_texts(undone: tuple[Undone, ...]) -> tuple[str, ...]:
    """A line for each thing, the newest where there are too many."""
    told = tuple(dict.fromkeys(undone))
    lines = [
        f"Not done for the coding agent: {_literal(each.what)}."
        f" {_literal(each.why) or 'Approved too late, and not asked for again'}."
        for each in told[-UNDONE_MAX:]
    ]
    if (more := len(told) - UNDONE_MAX) > 0:
        lines.insert(0, f"{more} more things were not done for the coding agent.")
    return tuple(lines)


def _referred(sentence: str, reference: str) -> str:
    """A sentence with what `gatepost why` explains."""
    return f"{sentence} (ref {reference})"


def waiting_text(provider: str, until: str) -> str:
    """What stands in place of a placeholder while a provider asks for patience."""
    return f"Waiting for {provider} until {until}; /stop ends it."


def condensed_text(reference: str) -> str:
    """What a chat hears once when its past could not be summed up."""
    return _referred(
        "This chat grew too long to summarise; I kept the recent part. /new starts clean.",
        reference,
    )


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


def crashed_text(reference: str) -> str:
    """A turn ended by a fault of ours."""
    return _referred(OUR_SIDE, reference)


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


def stuck_text(seconds: float, reference: str) -> str:
    """A turn ended because nothing of it moved for so long."""
    return (
        f"I stopped after {seconds / 60:.0f} minutes without any sign of progress."
        f" Ask again, or for less at once (ref {reference})."
    )


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


def parts_of(reply: str, sink: Sink) -> Parts:
    """Cut a whole reply for a platform; over its number of parts it becomes a file."""
    # Markdown that says nothing ("#", an empty code block) is shown as it was written.
    bodies = split(markup.parse(reply) or plain(reply), sink.fits)
    if len(bodies) <= sink.capabilities.parts_max:
        return Parts(bodies=bodies)
    note = Paragraph(
        spans=(Emph(spans=(Text(text=f"The whole answer is in the file {FILE_NAME}."),)),)
    )
    first = split((*bodies[0], note), sink.fits)
    return Parts(bodies=first, file=reply.encode())


def working(label: str) -> Blocks:
    """The placeholder of a reply that has no words yet."""
    words = f"{WORKING}: {label}" if label else f"{WORKING} ..."
    return (Paragraph(spans=(Emph(spans=(Text(text=words),)),)),)


def live(body: Blocks, label: str, waiting: str = "") -> Blocks:
    """What stands while the reply grows: its words so far, and what runs or is waited for."""
    if waiting:
        return (*body, Paragraph(spans=(Emph(spans=(Text(text=waiting),)),)))
    return (*body, *working(label)) if label or not body else body
