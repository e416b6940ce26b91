"""Voice notes as words: a transcription is a call that is paid for like any other.

Theory of operation. What it can cost at most is put aside before the recording leaves, by as
much as its own bytes can sound. The words are stored in one unit with what they cost. A crash in
between leaves the money held until its time is over, then it is charged in full, for nobody knows
what was billed; and the recording is transcribed anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from agent.costs import Quote
from agent.journal import Bill
from agent.transcription import Failure, HttpTranscriber, Transcriber, TranscriptionFailed
from gateway import taken_files
from gateway.attached import Attached
from gateway.config import Config
from gateway.recordings import length_of
from gateway.sniffing import HEAD_BYTES, type_of
from gateway.taken_files import Taken
from gateway.words import files as said
from gateway.words.files import Why, because
from gateway.words.phrase import Phrase

SECONDS_MAX: Final = 600

_FAILED: Final[Mapping[Failure, Phrase]] = {
    "kind": said.UNHEARD_KIND,
    "down": said.SERVICE_DOWN,
    "broke": said.SERVICE_BROKE,
    "key": said.SERVICE_KEY,
    "busy": said.SERVICE_BUSY,
    "refused": said.SERVICE_REFUSES,
    "failed": said.SERVICE_FAILS,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAside:
    """Money for one call; `ident` None where it costs nothing."""

    ident: str | None


Purse = Callable[[Quote, str], Awaitable[PutAside | Why]]
"""Puts a call's ceiling aside for a turn, or says why it can't be paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Who transcribes, and for how many micro-dollars a minute."""

    transcriber: Transcriber
    price: int

    def quote(self, seconds: int) -> Quote:
        """What a recording costs at most that lasts no longer."""
        counted = seconds + 1
        return Quote(
            ceiling=self.cost(counted),
            unit="second",
            unit_price=-(-self.price // 60),
            quantity=counted,
            source="config",
        )

    def cost(self, seconds: int) -> int:
        """Micro-dollars for so many seconds, rounded up."""
        return -(-self.price * seconds // 60)

    async def heard(self, attached: Attached, data: bytes, purse: Purse) -> Taken:
        """A recording as words, or why not."""
        mime = type_of(data[:HEAD_BYTES])
        length = await asyncio.to_thread(length_of, data, mime)
        declared = attached.seconds or 0
        if max(length.seconds or 0, declared) > SECONDS_MAX:
            return taken_files.not_taken(attached, too_long())
        at_most = max(length.at_most, declared)
        aside = await purse(self.quote(at_most), self.transcriber.model)
        if isinstance(aside, Why):
            return taken_files.not_taken(attached, aside)
        try:
            transcript = await self.transcriber.transcribe(data, mime)
        except TranscriptionFailed as failed:
            log.warning("a recording was not transcribed: %s", failed)
            return _paid(
                taken_files.not_taken(attached, because(_FAILED[failed.reason])),
                aside,
                Bill(began=failed.began),
            )
        counted = transcript.seconds if transcript.seconds is not None else at_most
        bill = Bill(spent=self.cost(counted))
        if not transcript.text:
            return _paid(taken_files.not_taken(attached, because(said.NO_WORDS)), aside, bill)
        lasts = attached.seconds if length.seconds is None else length.seconds
        return _paid(taken_files.transcribed(attached, transcript.text, lasts), aside, bill)


def hearing_of(config: Config) -> Hearing | None:
    """What the configuration names, if it names anybody."""
    settings = config.transcription
    if settings is None:
        return None
    return Hearing(
        transcriber=HttpTranscriber(
            base_url=settings.base_url,
            model=settings.model,
            api_key=settings.api_key.reveal() if settings.api_key else None,
            language=settings.language,
        ),
        price=settings.price,
    )


def too_long() -> Why:
    """Why a recording is above the limit."""
    return because(said.TOO_LONG, minutes=SECONDS_MAX // 60)


def _paid(taken: Taken, aside: PutAside, bill: Bill) -> Taken:
    if aside.ident is None:
        return taken
    return replace(taken, bill=bill, paid_from=aside.ident)
