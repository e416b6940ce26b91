"""Pure: what model calls cost, before them at most and after them by what the provider counted.

Theory of operation. A price is a rate per million tokens; above a number of input tokens some
models have a dearer one for all tokens of the call. The ceiling of a call is the dearest rate its
input may reach, cache writes included and no cache discount, times a bound of its tokens. That
bound is strict: no tokenizer makes more than one token of a byte, and none more than one of two
bytes of our own plain English and JSON. What a provider has counted for the same beginning of a
chat stands in for bytes, so the bound is tight after the first call.
"""

from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from itertools import islice
from typing import TYPE_CHECKING, Final, assert_never

import orjson

from agent.costs import DOLLAR, Ceiling, Measured, Quote, Unknown, UnknownBecause, dollars
from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Part,
    PartialReply,
    ProviderPart,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from agent.providers.base import ModelRequest, ToolSpec

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice as Packaged
    from genai_prices.types import TieredPrices

MILLION: Final = 1_000_000
MESSAGE_TOKENS: Final = 64
"""Tokens that a message costs beside its words: role, separators, our own frame around a note."""
REQUEST_TOKENS: Final = 64
MEDIA_TOKENS: Final = 20_000
"""More than any provider counts for one picture within its own limits, but those named below."""
MEDIA_TOKENS_OF: Final = (("gpt-4o-mini", 50_000),)
"""Parts of names of models that count pictures dearer: 2,833 tokens and 5,667 a tile of eight.

Source: https://platform.openai.com/docs/guides/images-vision#calculating-costs
"""
MEASURED_MAX: Final = 1_024
"""Requests whose count is kept."""
WRITE_PERCENT: Final = 125
LONG_WRITE_PERCENT: Final = 200
"""What writing a cache costs against plain input where no table has it; for an hour the second.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Micro-dollars per million tokens; `steps` are (input tokens, rate above them), ascending."""

    base: int
    steps: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> int:
        """The rate of every token of a call with so much input."""
        rate = self.base
        for above, dearer in self.steps:
            if input_tokens > above:
                rate = dearer
        return rate

    def most(self, input_tokens: int) -> int:
        """The dearest rate of a call with at most so much input."""
        reached = (rate for above, rate in self.steps if input_tokens > above)
        return max((self.base, *reached))


FREE_RATE: Final = Rate(base=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """What one model costs per million tokens, and per request in micro-dollars.

    `cache_write` is for a cache of minutes, `cache_write_long` for one of an hour. `source` is
    `config`, `included` (declared to cost nothing by itself) or `packaged`; `version` names the
    table and its release.
    """

    input: Rate
    output: Rate
    cached_input: Rate
    cache_write: Rate
    cache_write_long: Rate
    per_request: int = 0
    source: str
    version: str = ""


INCLUDED: Final = ModelPrice(
    input=FREE_RATE,
    output=FREE_RATE,
    cached_input=FREE_RATE,
    cache_write=FREE_RATE,
    cache_write_long=FREE_RATE,
    source="included",
)


def configured(
    *,
    input_micros: int,
    output_micros: int,
    cached_micros: int | None,
    pays_writes: bool = False,
) -> ModelPrice:
    """The price of an entry of the configuration, in micro-dollars per million tokens.

    `pays_writes`: its provider takes more for input that goes into a cache (Anthropic).
    """
    rate = Rate(base=input_micros)
    return ModelPrice(
        input=rate,
        output=Rate(base=output_micros),
        cached_input=rate if cached_micros is None else Rate(base=cached_micros),
        cache_write=_percent(rate, WRITE_PERCENT) if pays_writes else rate,
        cache_write_long=_percent(rate, LONG_WRITE_PERCENT) if pays_writes else rate,
        source="config",
    )


def packaged(model: str, base_url: str | None, *, now: int) -> ModelPrice | Unknown:
    """The packaged table's price of a model at an address; `now` is microseconds since 1970.

    Without an address the model's name alone decides. A model that is not in the table, has no
    price for text, or is said to cost nothing there is Unknown(PRICE): the entry has to say so.
    """
    import genai_prices
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TimeOfDateConstraint

    try:
        _, found = get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return _no_price(f"the price table does not know {model} there")
    if isinstance(found.prices, list) and any(
        isinstance(each.constraint, TimeOfDateConstraint) for each in found.prices
    ):
        # A call may begin in one part of the day and be billed in the other.
        offers = tuple(each.prices for each in found.prices)
    else:
        offers = (found.get_prices(_EPOCH + timedelta(microseconds=now)),)
    version = f"genai-prices {genai_prices.__version__}"
    return _dearest(offers, version) or _no_price(f"the price table has no price for {model}")


def _dearest(offers: "tuple[Packaged, ...]", version: str) -> ModelPrice | None:
    read = _rate(*(offer.input_mtok for offer in offers))
    written = _rate(
        *(offer.output_mtok for offer in offers),
        *(offer.output_reasoning_mtok for offer in offers),
        *(offer.output_citation_mtok for offer in offers),
    )
    if read is None or written is None or read.base + written.base == 0:
        return None
    requests = [offer.requests_kcount for offer in offers]
    each = _rate(*requests)
    kept = _rate(*(offer.cache_write_mtok for offer in offers))
    kept_long = _rate(*(offer.cache_write_1h_mtok for offer in offers))
    return ModelPrice(
        input=read,
        output=written,
        cached_input=_rate(*(offer.cache_read_mtok for offer in offers)) or read,
        cache_write=kept or read,
        cache_write_long=kept_long or (_percent(read, LONG_WRITE_PERCENT) if kept else read),
        per_request=0 if each is None else -(-each.base // 1_000),
        source="packaged",
        version=version,
    )


def _rate(*prices: "Decimal | TieredPrices | None") -> Rate | None:
    """The dearest of several prices; None if there is none."""
    rates = [_one_rate(price) for price in prices if price is not None]
    if not rates:
        return None
    edges = sorted({above for rate in rates for above, _ in rate.steps})
    return Rate(
        base=max(rate.base for rate in rates),
        steps=tuple((above, max(rate.at(above + 1) for rate in rates)) for above in edges),
    )


def _one_rate(price: "Decimal | TieredPrices") -> Rate:
    if isinstance(price, Decimal):
        return Rate(base=_micros(price))
    steps = tuple((tier.start, _micros(tier.price)) for tier in price.tiers)
    return Rate(base=_micros(price.base), steps=steps)


def _percent(rate: Rate, percent: int) -> Rate:
    """So much of a rate, rounded up."""
    steps = tuple((above, -(-dearer * percent // 100)) for above, dearer in rate.steps)
    return Rate(base=-(-rate.base * percent // 100), steps=steps)


def _micros(amount: Decimal) -> int:
    return int((amount * DOLLAR).to_integral_value(rounding=ROUND_CEILING))


def _no_price(text: str) -> Unknown:
    return Unknown(because=UnknownBecause.PRICE, text=text)


def ceiling(
    price: ModelPrice, input_tokens: int, max_output: int | None, *, long_cache: bool = False
) -> Ceiling:
    """The most a call can cost; `max_output` None bounds nothing, so only a free one is known.

    `long_cache`: what it writes into a cache is kept for an hour.
    """
    rates: tuple[Rate, ...] = (price.input, price.cached_input, price.cache_write)
    rates += (price.cache_write_long,) if long_cache else ()
    read = max(rate.most(input_tokens) for rate in rates)
    written = price.output.most(input_tokens)
    if max_output is None:
        if written:
            return Unknown(because=UnknownBecause.LIMIT, text="no max_output_tokens is sent")
        max_output = 0
    return _rounded(input_tokens * read) + _rounded(max_output * written) + price.per_request


def actual(price: ModelPrice, usage: Usage, *, max_output: int | None = None) -> int | None:
    """What a call has cost; None for counts that cannot be.

    Those are below zero, parts above their whole, nothing read at all, or output above twice what
    was asked for at most.
    """
    if is_absurd(usage, max_output=max_output):
        return None
    parts = (
        (usage.cached_input, price.cached_input),
        (usage.cache_write, price.cache_write),
        (usage.cache_write_long, price.cache_write_long),
    )
    fresh = usage.input - sum(tokens for tokens, _ in parts)
    # One line with its parts: rounded apart, they could cost more than the ceiling.
    read = sum(tokens * rate.at(usage.input) for tokens, rate in ((fresh, price.input), *parts))
    return (
        _rounded(read) + _rounded(usage.output * price.output.at(usage.input)) + price.per_request
    )


def is_absurd(usage: Usage, *, max_output: int | None = None) -> bool:
    """Whether counts cannot be those of a call with so much output at most."""
    inside = (usage.cached_input, usage.cache_write, usage.cache_write_long)
    return (
        min(usage.output, usage.reasoning, *inside) < 0
        or usage.input <= 0
        or sum(inside) > usage.input
        or usage.reasoning > usage.output
        or (max_output is not None and usage.output > 2 * max_output)
    )


def _rounded(cost: int) -> int:
    """One line of a bill, from tokens times rate, rounded up to micro-dollars."""
    return -(-cost // MILLION)


def media_tokens(model: str) -> int:
    """The most tokens a model counts for one picture."""
    return next((most for part, most in MEDIA_TOKENS_OF if part in model.lower()), MEDIA_TOKENS)


def input_bound(
    request: ModelRequest, measured: Measured | None = None, *, picture: int = MEDIA_TOKENS
) -> int:
    """The most tokens a request's input can be counted as; `picture`: of one picture."""
    if measured is None:
        own = len(request.system.encode()) + sum(_tool_bytes(tool) for tool in request.tools)
        before, tokens = 0, REQUEST_TOKENS - (-own // 2)
    else:
        before, tokens = measured.messages, measured.tokens
    added = islice(request.messages, before, None)
    return tokens + sum(_message_bound(each, picture) for each in added)


def _tool_bytes(tool: ToolSpec) -> int:
    return len(orjson.dumps([tool.name, tool.description, tool.parameters])) + MESSAGE_TOKENS


def _message_bound(message: Message, picture: int) -> int:
    match message:
        case UserMessage(text=text, author=author, media=media):
            words = _bytes(text) + _bytes(author) + _media_bound(media, picture)
        case Note(text=text) | PartialReply(text=text) | Summary(text=text):
            words = _bytes(text)
        case ToolResult(text=text, name=name, call_id=call_id, media=media):
            words = _bytes(text) + _bytes(name) + _bytes(call_id) + _media_bound(media, picture)
        case AssistantMessage(parts=parts):
            words = sum(_part_bound(part) for part in parts)
        case _:
            assert_never(message)
    return words + MESSAGE_TOKENS


def _media_bound(media: tuple[Media, ...], picture: int) -> int:
    """Pictures by the dearest; of another file nothing is known but its bytes."""
    return sum(
        picture if each.mime.startswith("image/") else max(picture, each.size) for each in media
    )


def _part_bound(part: Part) -> int:
    match part:
        case Text(text=text):
            return _bytes(text)
        case ToolCall(id=ident, provider_id=provider_id, name=name, arguments=arguments):
            ids = max(_bytes(ident), _bytes(provider_id))
            return ids + _bytes(name) + _bytes(arguments) + MESSAGE_TOKENS
        case ProviderPart(payload=payload):
            return len(payload)
        case _:
            assert_never(part)


def _bytes(text: str) -> int:
    """How many bytes a text has; half a character is sent as another one of three."""
    return len(text.encode(errors="surrogatepass"))


class ModelPricing:
    """What calls of one entry cost; it remembers what their provider counted, and nothing else."""

    def __init__(
        self,
        price: ModelPrice | Unknown,
        *,
        max_output_tokens: int | None = None,
        capped: bool = True,
        long_cache: bool = False,
        picture_tokens: int = MEDIA_TOKENS,
        look_up: Callable[[], ModelPrice | Unknown] | None = None,
    ) -> None:
        """`max_output_tokens` is what is asked for where a request names no cap.

        `capped` False: no cap is sent, so whatever a request asks for the model may write
        `max_output_tokens`. `long_cache`: its caches are kept for an hour. `picture_tokens`: at
        most, of one. `look_up` gives the price of now, before every quote; without it the price
        stays as it is.
        """
        self.price = price
        self._max_output = max_output_tokens
        self._capped = capped
        self._look_up = look_up
        self._long_cache = long_cache
        self._picture = picture_tokens
        self._counted: OrderedDict[int, int] = OrderedDict()
        self._short_by = 0

    def at(self, price: ModelPrice | Unknown) -> "ModelPricing":
        """The same for another model of this entry; what was counted holds for both."""
        other = copy(self)
        other.price, other._look_up = price, None
        return other

    def quote(self, request: ModelRequest) -> Quote:
        """The most that a request can cost; Unknown where nobody knows a price."""
        if self._look_up is not None:
            self.price = self._look_up()
        if isinstance(self.price, Unknown):
            return Quote(ceiling=self.price, source="packaged")
        bound = self._bound(request)
        output = self._most_output(request)
        price = self.price
        if price.source == "included":
            return Quote(ceiling=0, source="declared", note="included")
        read, written = price.input.most(bound), price.output.most(bound)
        version = f"; {price.version}" if price.version else ""
        return Quote(
            ceiling=ceiling(price, bound, output, long_cache=self._long_cache),
            unit="million tokens of output",
            unit_price=written,
            quantity=output or 0,
            source=price.source,
            note=(
                f"at most {bound:,} tokens in at {dollars(read)} and {output or 0:,} out at"
                f" {dollars(written)} a million{version}"
            ),
        )

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        """What a reply has cost in micro-dollars; None where that can't be told.

        `cap`: the most tokens of output that were asked for; None is what the entry itself says.
        """
        if isinstance(self.price, Unknown):
            return None
        if self.price.source == "included":
            return 0
        return actual(self.price, usage, max_output=self._asked(cap))

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        """What a call without a reply has cost at most if it wrote that many tokens.

        Never above its quote; None where that can't be told.
        """
        if isinstance(self.price, Unknown):
            return None
        if self.price.source == "included":
            return 0
        most = min(written, self._most_output(request) or written)
        found = ceiling(self.price, self._bound(request), most, long_cache=self._long_cache)
        return None if isinstance(found, Unknown) else found

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        """Keep what was counted for a request, so that the next bound of that chat is tight.

        A count above the bound raises every later bound by as much.
        """
        if is_absurd(usage, max_output=self._asked(request.max_output_tokens)):
            return
        self._short_by += max(0, usage.input - self._bound(request))
        *_, whole = _beginnings(request)
        self._counted.pop(whole, None)
        self._counted[whole] = usage.input
        while len(self._counted) > MEASURED_MAX:
            self._counted.popitem(last=False)

    def _most_output(self, request: ModelRequest) -> int | None:
        """The most tokens a reply may have; None where nothing bounds them."""
        return request.max_output_tokens if self._capped else self._max_output

    def _asked(self, cap: int | None) -> int | None:
        """The cap that a reply is judged by."""
        return cap if cap is not None and self._capped else self._max_output

    def _bound(self, request: ModelRequest) -> int:
        measured = self.measured(request)
        return input_bound(request, measured, picture=self._picture) + self._short_by

    def measured(self, request: ModelRequest) -> Measured | None:
        """What was counted for the longest beginning of a request, in whichever chat."""
        if not self._counted:
            return None
        beginnings = _beginnings(request)
        for messages in range(len(beginnings) - 1, -1, -1):
            tokens = self._counted.get(beginnings[messages])
            if tokens is not None:
                return Measured(messages=messages, tokens=tokens)
        return None


def _beginnings(request: ModelRequest) -> list[int]:
    """A hash of what a request begins with: system text and tools, then with each message.

    What a chat said is not kept here. Another outgoing copy is counted otherwise: what a wire
    changes in it belongs to the beginning.
    """
    tools = tuple(
        (tool.name, tool.description, orjson.dumps(tool.parameters)) for tool in request.tools
    )
    copy = replace(request.adjustments, first_byte_s=None, stream=True, plain=False)
    hashes = [hash((request.system, tools, copy))]
    for message in request.messages:
        hashes.append(hash((hashes[-1], message)))
    return hashes
