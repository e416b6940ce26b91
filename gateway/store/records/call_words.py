"""Pure: one attempt at a model in a line for `gatepost why`. What nobody knows is never a zero."""

from agent.attempts import CallKind
from agent.costs import dollars
from agent.messages import Usage
from gateway.card_words import cut_inline
from gateway.store.records.model_calls import ORPHAN, ModelCall

ID_SHOWN = 80


def call_line(call: ModelCall) -> str:
    """Who was asked for what, what came of it, and what it cost."""
    kind = "" if call.kind == CallKind.MAIN.value else f" ({call.kind})"
    parts = [
        f"step {call.step}.{call.attempt}{kind}: {_asked(call)}",
        _outcome(call),
        *([f"after: {_inline(call.move)}"] if call.move else []),
        tokens_text(call.usage),
        *_times(call),
        _cost(call),
        *([f"flags {call.flags}"] if call.flags else []),
        *([f"request {_inline(call.request_id)}"] if call.request_id else []),
    ]
    return ", ".join(parts)


def tokens_text(usage: Usage | None) -> str:
    """The tokens of one call, parts behind their whole."""
    if usage is None:
        return "tokens unknown"
    read = _inside(
        (usage.cached_input, "cached"),
        (usage.cache_write, "into a cache"),
        (usage.cache_write_long, "into an hour's cache"),
    )
    return (
        f"{usage.input:,} tokens in{read},"
        f" {usage.output:,} out{_inside((usage.reasoning, 'reasoning'))}"
    )


def _inside(*parts: tuple[int, str]) -> str:
    found = [f"{tokens:,} {word}" for tokens, word in parts if tokens]
    return f" ({', '.join(found)})" if found else ""


def _asked(call: ModelCall) -> str:
    entry = f"{_inline(call.entry)} " if call.entry else ""
    served = f", served {_inline(call.served)}" if call.served not in ("", call.asked) else ""
    key = f" with {_inline(call.credential)}" if call.credential else ""
    return f"{entry}{_inline(call.asked)}{served}{key}"


def _outcome(call: ModelCall) -> str:
    if call.outcome == ORPHAN:
        return "the gateway ended in it"
    return call.outcome + (f" (HTTP {call.status})" if call.status is not None else "")


def _times(call: ModelCall) -> list[str]:
    if call.total_ms is None:
        return []
    first = "" if call.first_byte_ms is None else f" (first byte {call.first_byte_ms:,})"
    return [f"{call.total_ms:,} ms{first}"]


def _cost(call: ModelCall) -> str:
    """What it cost of what was put aside, and by which price."""
    source = f" by {call.price_source} price" if call.price_source else ""
    match call.state:
        case "":
            return "included"
        case "held":
            return f"{dollars(call.reserved)} held, no figure yet{source}"
        case _:
            spent = "$0.00" if not call.spent else dollars(call.spent)
            return f"{spent} of {dollars(call.reserved)} {call.state}{source}"


def _inline(text: str) -> str:
    """A name from elsewhere: on one line, nothing in it acts."""
    return cut_inline(text, ID_SHOWN)
