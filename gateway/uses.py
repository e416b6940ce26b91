"""Pure: what model calls came to, in words. What nobody knows is never told as zero."""

from gateway.card_words import so_far
from gateway.store.records.model_calls import ModelUse
from gateway.words import spending as said
from gateway.words.phrase import ENGLISH, Reader


def use_text(use: ModelUse, reader: Reader = ENGLISH) -> str:
    """Calls, tokens and money of one model or kind, on one line."""
    phrase = said.IN_ONE_CALL if use.calls == 1 else said.IN_CALLS
    calls = phrase.to(reader, money=so_far(use.spent), count=use.calls)
    failed = said.FAILED.to(reader, count=use.failed) if use.failed else ""
    parts = [f"{calls}{failed}", tokens_text(use, reader)]
    if use.uncounted and use.input is not None:
        parts.append(said.UNCOUNTED.to(reader, calls=_calls(use.uncounted, reader)))
    if use.unsettled:
        unsettled = _calls(use.unsettled, reader)
        parts.append(said.UNSETTLED.to(reader, calls=unsettled, held=so_far(use.held)))
    return "; ".join(parts)


def tokens_text(use: ModelUse, reader: Reader = ENGLISH) -> str:
    """What was read and written, as far as anybody has counted."""
    if use.input is None:
        return said.TOKENS_UNKNOWN.to(reader)
    found = (
        phrase.to(reader, count=f"{tokens:,}")
        for tokens, phrase in ((use.cached, said.CACHED), (use.written, said.INTO_CACHE))
        if tokens
    )
    inside = ", ".join(found)
    thought = said.REASONING.to(reader, count=f"{use.reasoning:,}") if use.reasoning else ""
    return said.TOKENS.to(
        reader,
        read=f"{use.input:,}",
        inside=f" ({inside})" if inside else "",
        written=f"{use.output or 0:,}",
        thought=thought,
    )


def _calls(number: int, reader: Reader) -> str:
    return said.ONE_CALL.to(reader) if number == 1 else said.CALLS.to(reader, count=number)
