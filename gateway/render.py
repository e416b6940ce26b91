"""Pure: what people read of a turn. Every sentence about a failure is written here."""

import re
from dataclasses import dataclass
from typing import assert_never

from agent.effects import (
    Mark,
    TurnEnd,
)
from agent.errors import (
    AllProvidersFailed,
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NotEntitled,
    ProviderAuthFailed,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    TlsUntrusted,
)
from platforms import markup
from platforms.base import Sink
from platforms.blocks import Blocks, Emph, Paragraph, Text, plain
from platforms.text import split

WORKING = "Working on it"
FILE_NAME = "answer.md"

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A reply cut for a platform; `file` holds the whole of one that is too long for parts."""

    bodies: tuple[Blocks, ...]
    file: bytes | None = None


def reply_text(said: tuple[str, ...], end: TurnEnd, reference: str) -> str:
    """The whole reply of a turn in Markdown: the words of every step, then what is to be known."""
    words = [text.strip() for text in (*said, end.text) if text.strip()]
    notice = _mark_text(end)
    if end.error is not None and end.mark is not Mark.CUT_BY_FAILURE:
        notice = f"{failure_text(end.error)} (ref {reference})"
    elif end.mark is Mark.CUT_BY_FAILURE:
        notice = f"{notice} (ref {reference})"
    return "\n\n".join([*words, *([f"*{notice}*" if words else notice] if notice else [])])


def failure_text(error: AllProvidersFailed) -> str:
    """One plain sentence for a turn nobody could answer: by the first cause, never raw text."""
    return _provider_sentence(error.attempts[0])


def _provider_sentence(error: ProviderError) -> str:
    match error:
        case ProviderRateLimited():
            return "The model is at its usage limit. Nothing is lost: say it again in a minute."
        case ProviderAuthFailed():
            return "This bot's model account needs attention (login). Its operator can look up why."
        case CredentialExhausted():
            return (
                "This bot's model account needs attention (credit). Its operator can look up why."
            )
        case ModelUnavailable() | NotEntitled():
            return f"The model {error.model} is not available to this bot. /model shows what is."
        case ContentBlocked():
            return (
                "The provider's safety filter stopped this answer."
                " Rephrase it, or start fresh with /new."
            )
        case TlsUntrusted():
            return "The connection to the model could not be trusted, so I did not use it."
        case ContextOverflow():
            return (
                "This chat or message is too large for the model."
                " /new starts clean; send less, or in parts."
            )
        case RequestRejected() | RequestInvalid() | ReplyMalformed():
            return "Something in this request went wrong on our side. Its operator can look it up."
        case ProviderUnavailable() | ProviderError():
            return "I could not reach a model just now. Nothing is lost: say it again in a moment."


def _mark_text(end: TurnEnd) -> str:
    match end.mark:
        case Mark.NONE:
            return ""
        case Mark.CUT_BY_LENGTH:
            return 'The answer reached the length limit. Say "continue".'
        case Mark.CUT_BY_FAILURE:
            return "The connection broke here; this is not the whole answer. Ask again."
        case Mark.EMPTY:
            return "The model finished without an answer. Ask for a smaller piece."
        case Mark.FILTERED:
            return (
                "The provider's safety filter stopped this answer."
                " Rephrase it, or start fresh with /new."
            )
        case Mark.STEP_LIMIT:
            return f'I stopped after {end.reached} without finishing. Say "continue" to go on.'
        case Mark.LOOP | Mark.UNUSABLE_CALLS:
            return _IN_CIRCLES[end.mark]
        case Mark.LOST_CALLS:
            return (
                "The model's answer was cut off in the middle of a tool call, so nothing of it"
                " was run. Ask for a smaller piece."
            )
        case Mark.HALTED:
            return _literal(end.by)  # it may hold a person's name
        case Mark.STOPPED:
            doubts = ", ".join(_literal(label) for label in end.doubts)
            may = f" This was under way and may have taken effect: {doubts}." if doubts else ""
            return f"Stopped by {_literal(end.by)}.{may}"
        case unknown:
            assert_never(unknown)


_IN_CIRCLES = {
    Mark.LOOP: (
        "I kept repeating the same action without progress, so I stopped. Tell me what to change."
    ),
    Mark.UNUSABLE_CALLS: (
        "The model kept producing unusable tool calls, so I stopped. None of those was run."
    ),
}


def _literal(name: str) -> str:
    """Words of people, such as a name, as Markdown that shows them and means nothing."""
    return _PUNCTUATION.sub(r"\\\g<0>", " ".join(name.split()))


def crashed_text(reference: str) -> str:
    """A turn ended by a fault of ours."""
    return (
        "Something went wrong on our side and this answer could not be finished."
        f" Its operator can look it up (ref {reference})."
    )


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


def undelivered_text(reference: str) -> str:
    """Words of an answer that the platform will never take."""
    return (
        "An answer of mine could not be delivered here. Its operator can look it up"
        f" (ref {reference})."
    )


def dead_chat_text(chat: str, reason: str) -> str:
    """What owners hear of a chat that takes nothing any more."""
    return (
        f"{chat} can't be written to any more ({reason}); nothing is sent there until someone"
        " writes to me in it."
    )


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


def live(body: Blocks, label: str) -> Blocks:
    """What stands while the reply grows: its words so far, and what runs."""
    return (*body, *working(label)) if label or not body else body
