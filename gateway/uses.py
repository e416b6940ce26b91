"""Pure: what model calls came to, in words. What nobody knows is never told as zero."""

from agent.costs import dollars
from gateway.store.records.model_calls import ModelUse


def use_text(use: ModelUse) -> str:
    """Calls, tokens and money of one model or kind, on one line."""
    failed = f" ({use.failed} without an answer)" if use.failed else ""
    parts = [f"{_money(use.spent)} in {_count(use.calls, 'call')}{failed}", tokens_text(use)]
    if use.uncounted and use.input is not None:
        parts.append(f"{_count(use.uncounted, 'call')} told no tokens")
    if use.unsettled:
        parts.append(
            f"{_count(use.unsettled, 'call')} without a figure yet, {_money(use.held)} held"
        )
    return "; ".join(parts)


def tokens_text(use: ModelUse) -> str:
    """What was read and written, as far as anybody has counted."""
    if use.input is None:
        return "tokens unknown"
    read = [
        f"{tokens:,} {word}"
        for tokens, word in ((use.cached, "cached"), (use.written, "into a cache"))
        if tokens
    ]
    inside = f" ({', '.join(read)})" if read else ""
    thought = f" ({use.reasoning:,} of it reasoning)" if use.reasoning else ""
    return f"{use.input:,} tokens in{inside}, {use.output or 0:,} out{thought}"


def _money(amount: int) -> str:
    return dollars(amount) if amount else "$0.00"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
