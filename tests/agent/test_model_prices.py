"""What model calls cost at most and what they did cost, from the configuration or the table."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Measured, Unknown, UnknownBecause
from agent.failover import Pricing
from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from agent.model_prices import (
    INCLUDED,
    ModelPrice,
    ModelPricing,
    Rate,
    actual,
    ceiling,
    configured,
    input_bound,
    media_tokens,
    packaged,
)
from agent.providers.base import Adjustments, ModelRequest, ToolSpec

NOW = round(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * 1_000_000
OPENAI = "https://api.openai.com/v1"
ROUTER = "https://openrouter.ai/api/v1"
PRICE = configured(input_micros=2_000_000, output_micros=8_000_000, cached_micros=500_000)
ORIGIN = Origin(provider="p", endpoint="e", model="m")


def request(
    *messages: Message, system: str = "", output: int | None = 1_000, session: str = "s"
) -> ModelRequest:
    """A request with these messages."""
    return ModelRequest(
        system=system, messages=messages, tools=(), max_output_tokens=output, session=session
    )


def price_of(model: str, url: str | None = OPENAI) -> ModelPrice:
    """The packaged price of a model that has one."""
    found = packaged(model, url, now=NOW)
    assert isinstance(found, ModelPrice), found
    return found


def test_a_configured_price_is_by_the_million() -> None:
    """1,000 tokens in at $2 and 500 out at $8."""
    assert actual(PRICE, Usage(input=1_000, output=500)) == 2_000 + 4_000
    assert ceiling(PRICE, 1_000, 500) == 6_000


def test_cached_tokens_have_a_price_of_their_own() -> None:
    """They are part of the input; without a price for them they cost as much as all input."""
    usage = Usage(input=1_000, output=0, cached_input=800)
    assert actual(PRICE, usage) == 400 + 400
    plain = configured(input_micros=2_000_000, output_micros=0, cached_micros=None)
    assert actual(plain, usage) == 2_000


def test_every_line_is_rounded_up() -> None:
    """Half a micro-dollar is one."""
    cheap = configured(input_micros=500_000, output_micros=500_000, cached_micros=None)
    assert actual(cheap, Usage(input=1, output=1)) == 2
    assert ceiling(cheap, 1, 1) == 2


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input=-1, output=5),
        Usage(input=5, output=-1),
        Usage(input=5, output=5, cached_input=-1),
        Usage(input=5, output=5, cached_input=6),
        Usage(input=5, output=5, cache_write=6),
        Usage(input=5, output=5, cache_write=-1),
        Usage(input=5, output=5, cache_write_long=6),
        Usage(input=5, output=5, cache_write_long=-1),
        Usage(input=5, output=5, cached_input=2, cache_write=2, cache_write_long=2),
        Usage(input=5, output=5, reasoning=6),
        Usage(input=5, output=5, reasoning=-1),
        Usage(input=0, output=5),
        Usage(input=5, output=2_001),
    ],
)
def test_an_absurd_count_is_no_figure(usage: Usage) -> None:
    """Then the whole hold is charged."""
    assert actual(PRICE, usage, max_output=1_000) is None


def test_the_dearest_input_is_held() -> None:
    """Writing a cache costs more than reading without one."""
    price = replace(PRICE, cache_write=Rate(base=2_500_000))
    assert ceiling(price, 1_000, 0) == 2_500


def test_writing_a_cache_has_prices_of_its_own() -> None:
    """One for minutes, one for an hour; the rest of the input is plain."""
    price = replace(PRICE, cache_write=Rate(base=2_500_000), cache_write_long=Rate(base=4_000_000))
    usage = Usage(input=1_000, output=0, cached_input=100, cache_write=200, cache_write_long=300)
    assert actual(price, usage) == 400 * 2 + 50 + 200 * 5 // 2 + 300 * 4
    assert ceiling(price, 1_000, 0) == 2_500
    assert ceiling(price, 1_000, 0, long_cache=True) == 4_000


def test_the_table_knows_what_writing_a_cache_costs() -> None:
    """For an hour twice the input; a model without a price for it takes the input's."""
    sonnet = price_of("claude-sonnet-4-5", "https://api.anthropic.com/v1")
    assert sonnet.cache_write.base == 3_750_000
    assert sonnet.cache_write_long == Rate(base=6_000_000, steps=((200_000, 12_000_000),))
    plain = price_of("gpt-4.1")
    assert plain.cache_write == plain.cache_write_long == plain.input


def test_a_configured_price_of_who_charges_for_writing() -> None:
    """A quarter more for minutes, twice for an hour; nobody else takes more."""
    price = configured(
        input_micros=2_000_000, output_micros=0, cached_micros=None, pays_writes=True
    )
    assert (price.cache_write.base, price.cache_write_long.base) == (2_500_000, 4_000_000)
    assert PRICE.cache_write == PRICE.cache_write_long == PRICE.input


def test_pictures_are_bounded_by_the_dearest() -> None:
    """Of a file of another kind nothing is known but its bytes."""
    picture = Media(mime="image/png", data=b"x" * 90_000)
    paper = Media(mime="application/pdf", data=b"x" * 90_000)
    bare = input_bound(request(UserMessage(text="")))
    for media, most in ((picture, 20_000), (paper, 90_000)):
        assert input_bound(request(UserMessage(text="", media=(media,)))) == bare + most
    assert media_tokens("openai/GPT-4o-mini-2024") == 50_000
    assert media_tokens("gpt-4.1") == 20_000


def test_without_a_cap_nothing_bounds_a_call() -> None:
    """Unless its output is free."""
    found = ceiling(PRICE, 1_000, None)
    assert isinstance(found, Unknown)
    assert found.because is UnknownBecause.LIMIT
    assert ceiling(INCLUDED, 1_000, None) == 0


def test_a_long_input_has_a_dearer_price() -> None:
    """Above the step all tokens of the call cost more."""
    price = replace(PRICE, input=Rate(base=2_000_000, steps=((200, 4_000_000),)))
    assert actual(price, Usage(input=200, output=0)) == 400
    assert actual(price, Usage(input=201, output=0)) == 804
    assert ceiling(price, 200, 0) == 400
    assert ceiling(price, 201, 0) == 804


RATES = st.builds(
    Rate,
    base=st.integers(0, 10**8),
    steps=st.lists(
        st.tuples(st.integers(0, 500_000), st.integers(0, 10**8)),
        max_size=3,
        unique_by=lambda s: s[0],
    ).map(lambda steps: tuple(sorted(steps))),
)


@given(
    st.tuples(RATES, RATES, RATES, RATES, RATES),
    st.integers(1, 600_000),
    st.integers(0, 600_000),
    st.data(),
)
def test_no_call_within_its_bounds_costs_more_than_its_ceiling(
    rates: tuple[Rate, Rate, Rate, Rate, Rate], bound: int, output: int, data: st.DataObject
) -> None:
    """Whatever part of the input came from a cache or went into one, on any side of a step."""
    price = ModelPrice(
        input=rates[0],
        output=rates[1],
        cached_input=rates[2],
        cache_write=rates[3],
        cache_write_long=rates[4],
        per_request=7,
        source="x",
    )
    read = data.draw(st.integers(1, bound))
    cached = data.draw(st.integers(0, read))
    kept = data.draw(st.integers(0, read - cached))
    usage = Usage(
        input=read,
        output=data.draw(st.integers(0, output)),
        cached_input=cached,
        cache_write=kept,
        cache_write_long=data.draw(st.integers(0, read - cached - kept)),
    )
    most, spent = ceiling(price, bound, output, long_cache=True), actual(price, usage)
    assert isinstance(most, int)
    assert spent is not None
    assert spent <= most


def test_the_table_knows_common_models() -> None:
    """By model and address, with its version."""
    price = price_of("gpt-4.1")
    assert (price.input.base, price.output.base) == (2_000_000, 8_000_000)
    assert price.cached_input.base == 500_000
    assert price.source == "packaged"
    assert price.version.startswith("genai-prices 0.")


def test_the_table_knows_steps() -> None:
    """A million tokens of context are dearer above 200,000."""
    price = price_of("anthropic/claude-sonnet-4.5", ROUTER)
    assert price.input == Rate(base=3_000_000, steps=((200_000, 6_000_000),))
    assert price.cache_write.base == 3_750_000


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("gpt-4.1", {"input_tokens": 12_345, "cache_read_tokens": 999, "output_tokens": 777}),
        ("gpt-4o-mini", {"input_tokens": 7, "output_tokens": 3}),
        ("gpt-5", {"input_tokens": 250_001, "cache_read_tokens": 250_001, "output_tokens": 1}),
    ],
)
def test_our_sums_are_the_tables_own(model: str, usage: dict[str, int]) -> None:
    """To the micro-dollar, rounded up."""
    import genai_prices

    theirs = genai_prices.calc_price(
        genai_prices.Usage(**usage), model, provider_api_url=OPENAI
    ).total_price
    ours = actual(
        price_of(model),
        Usage(
            input=usage["input_tokens"],
            output=usage["output_tokens"],
            cached_input=usage.get("cache_read_tokens", 0),
        ),
    )
    assert ours is not None
    assert 0 <= ours - theirs * 1_000_000 < 2


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("no-such-model", OPENAI),
        ("gpt-4.1", "http://127.0.0.1:8000/v1"),
        ("no-such-model", None),
        ("text-embedding-3-small", OPENAI),
        ("meta-llama/llama-3.3-70b-instruct:free", ROUTER),
    ],
)
def test_what_the_table_does_not_price_is_unknown(model: str, url: str | None) -> None:
    """A foreign address, a model it has not, one without a price for words, one said to be free."""
    found = packaged(model, url, now=NOW)
    assert isinstance(found, Unknown)
    assert found.because is UnknownBecause.PRICE


def test_a_price_that_begins_later_counts_from_then() -> None:
    """The table holds what a model cost before and costs now."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import StartDateConstraint

    for provider in get_snapshot().providers:
        for model in provider.models if provider.id == "anthropic" else ():
            if isinstance(model.prices, list):
                constraint = model.prices[-1].constraint
                assert isinstance(constraint, StartDateConstraint)
                start = datetime.combine(constraint.start_date, datetime.min.time(), UTC)
                at = round(start.timestamp()) * 1_000_000
                url = "https://api.anthropic.com/v1"
                assert packaged(model.id, url, now=at - 1) != packaged(model.id, url, now=at)
                return
    raise AssertionError("no model of the table has two prices")


def test_a_price_by_the_hour_is_the_dearest() -> None:
    """A call may begin in one part of the day and be billed in the other."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TimeOfDateConstraint

    found = [
        (provider.id, model)
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        and any(isinstance(each.constraint, TimeOfDateConstraint) for each in model.prices)
    ]
    assert found
    for _, model in found[:2]:
        prices = {
            at: packaged(model.id, None, now=NOW + at * 3_600_000_000) for at in (0, 5, 12, 18)
        }
        assert len({repr(price) for price in prices.values()}) == 1


def test_the_table_is_loaded_when_it_is_asked() -> None:
    """A gateway whose models have prices in its configuration does not pay for it."""
    code = (
        "import sys\n"
        "from agent.model_prices import configured, packaged\n"
        "configured(input_micros=1, output_micros=1, cached_micros=None)\n"
        "assert 'genai_prices' not in sys.modules\n"
        "packaged('gpt-4.1', None, now=0)\n"
        "assert 'genai_prices' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


TOOL = ToolSpec(name="t", description="d" * 100, parameters={"type": "object"})


def test_our_own_text_is_a_token_for_two_bytes() -> None:
    """System text and tools; each tool has a frame of its own."""
    bare = input_bound(request())
    assert input_bound(request(system="x" * 1_000)) == bare + 500
    with_tool = input_bound(replace(request(), tools=(TOOL,)))
    assert bare + 60 <= with_tool <= bare + 200


@pytest.mark.parametrize(
    "message",
    [
        UserMessage(text="\u4f60" * 1_000, author="ann"),
        Note(text="\u4f60" * 1_000),
        PartialReply(text="\u4f60" * 1_000),
        AssistantMessage(parts=(Text(text="\u4f60" * 1_000),), origin=ORIGIN),
        AssistantMessage(
            parts=(ToolCall(id="c", name="t", arguments="\u4f60" * 1_000),), origin=ORIGIN
        ),
        AssistantMessage(
            parts=(ProviderPart(origin=ORIGIN, shape="x", payload=b"x" * 3_000),), origin=ORIGIN
        ),
        ToolResult(call_id="c", name="t", status=ResultStatus.DONE, text="\u4f60" * 1_000),
        UserMessage(text="\ud800" * 1_000),
    ],
)
def test_all_other_text_is_a_token_for_a_byte(message: Message) -> None:
    """In UTF-8, with a frame for each message and call."""
    more = input_bound(request(message)) - input_bound(request())
    assert 3_000 + 64 <= more <= 3_000 + 140


def test_a_count_stands_in_for_the_bytes_it_counted() -> None:
    """Only what was added since is bounded by bytes."""
    old, new = UserMessage(text="x" * 5_000), UserMessage(text="y" * 10)
    bound = input_bound(request(old, new), Measured(messages=1, tokens=900))
    assert bound == 900 + 10 + 64


def pricing(max_output: int | None = 1_000) -> ModelPricing:
    """The pricing of an entry with a configured price."""
    return ModelPricing(PRICE, max_output_tokens=max_output)


def known(found: Pricing, asked: ModelRequest) -> int:
    """A ceiling that is known."""
    most = found.quote(asked).ceiling
    assert isinstance(most, int)
    return most


def test_a_quote_says_how_it_came_about() -> None:
    """Bound, rates, source and version stand beside the ceiling."""
    found = ModelPricing(price_of("gpt-4.1")).quote(request())
    assert found.ceiling == 64 * 2 + 1_000 * 8
    assert (found.unit_price, found.quantity, found.source) == (8_000_000, 1_000, "packaged")
    assert found.note.startswith("at most 64 tokens in at $2.00 and 1,000 out at $8.00 a million;")


def test_a_bound_is_tight_after_the_first_call() -> None:
    """The provider's count of the same beginning replaces our bytes, whichever chat it is."""
    first = request(UserMessage(text="x" * 4_000))
    entry = pricing()
    loose = known(entry, first)
    entry.learn(first, Usage(input=1_000, output=10))
    more = request(*first.messages, UserMessage(text="and?"))
    assert known(entry, more) == (1_000 + 4 + 64) * 2 + 8_000 < loose
    assert known(entry, replace(more, session="other")) == known(entry, more)


def test_the_longest_beginning_counts() -> None:
    """A call about something else in between does not loosen the bound of a chat."""
    first = request(UserMessage(text="x" * 4_000))
    longer = request(*first.messages, Note(text="y" * 4_000))
    entry = pricing()
    entry.learn(first, Usage(input=1_000, output=10))
    entry.learn(longer, Usage(input=2_000, output=10))
    entry.learn(request(UserMessage(text="z")), Usage(input=1, output=1))
    assert known(entry, longer) == 2_000 * 2 + 8_000
    assert known(entry, first) == 1_000 * 2 + 8_000


def test_an_absurd_count_teaches_nothing() -> None:
    """It is of no request."""
    first = request(UserMessage(text="x" * 4_000))
    entry = pricing()
    loose = known(entry, first)
    entry.learn(first, Usage(input=10, output=2_001))
    assert known(entry, first) == loose


@pytest.mark.parametrize("change", ["system", "tools", "message", "shorter", "copy"])
def test_another_beginning_is_bounded_by_bytes(change: str) -> None:
    """A count is of one system text, one list of tools and one beginning."""
    first = request(UserMessage(text="x" * 400), UserMessage(text="y" * 400), system="s" * 400)
    entry = pricing()
    entry.learn(first, Usage(input=1, output=1))
    other = {
        "system": replace(first, system="t" * 400),
        "tools": replace(first, tools=(TOOL,)),
        "message": replace(first, messages=(UserMessage(text="z" * 400), *first.messages[1:])),
        "shorter": replace(first, messages=first.messages[:1]),
        "copy": replace(first, adjustments=Adjustments(media=False)),
    }[change]
    assert known(entry, other) == known(pricing(), other)


def test_a_count_above_the_bound_raises_every_bound() -> None:
    """By the overrun, for that entry."""
    first = request(UserMessage(text="x"))
    entry = pricing()
    other = request(UserMessage(text="y"))
    before = known(entry, other)
    bound = input_bound(first)
    entry.learn(first, Usage(input=bound + 50, output=1))
    assert known(entry, other) == before + 100


@pytest.mark.parametrize(("written", "counted"), [(0, 0), (40, 40), (5_000, 1_000)])
def test_a_cut_call_costs_its_input_and_what_it_wrote(written: int, counted: int) -> None:
    """Never more than was put aside for it."""
    asked = request(UserMessage(text="x" * 400))
    entry = pricing()
    most = known(entry, asked)
    assert entry.spent_at_most(asked, written=written) == most - (1_000 - counted) * 8


def test_what_is_included_costs_a_known_zero() -> None:
    """Whatever it is asked, and without a cap."""
    entry = ModelPricing(INCLUDED)
    quote = entry.quote(request(output=None))
    assert (quote.ceiling, quote.note) == (0, "included")
    assert entry.spent(Usage(input=10**9, output=10**9)) == 0
    assert entry.spent_at_most(request(output=None), written=10**9) == 0


def test_what_has_no_price_has_no_number() -> None:
    """Neither before nor after; no sum with it is known."""
    unknown = packaged("no-such-model", OPENAI, now=NOW)
    assert isinstance(unknown, Unknown)
    entry = ModelPricing(unknown)
    assert entry.quote(request()).ceiling == unknown
    assert entry.spent(Usage(input=1, output=1)) is None
    assert entry.spent_at_most(request(), written=1) is None


def test_absurd_output_is_known_by_the_cap() -> None:
    """Twice what was asked for at most."""
    assert pricing().spent(Usage(input=5, output=2_000)) == 10 + 16_000
    assert pricing().spent(Usage(input=5, output=2_001)) is None


def test_a_raised_cap_is_what_a_reply_is_judged_by() -> None:
    """What was asked for decides, whatever the entry asks for otherwise."""
    entry, long = pricing(), Usage(input=500, output=12_000)
    assert entry.spent(long, cap=16_384) == 1_000 + 96_000
    assert entry.spent(long, cap=4_096) is None
    asked = request(UserMessage(text="go on"), output=16_384)
    entry.learn(asked, long)
    assert entry.measured(asked) == Measured(messages=1, tokens=500)
    lower = request(UserMessage(text="go on"), output=4_096, session="other")
    strict = pricing()
    strict.learn(lower, long)
    assert strict.measured(lower) is None


def test_where_no_cap_is_sent_the_models_own_maximum_is_reserved() -> None:
    """Whatever a request asks for, the model may write it all."""
    entry = ModelPricing(PRICE, max_output_tokens=128_000, capped=False)
    plain = request(UserMessage(text="x"), output=None)
    quote = entry.quote(plain)
    assert quote.quantity == 128_000
    assert quote.ceiling == known(entry, replace(plain, max_output_tokens=4_096))
    assert known(entry, plain) > 128_000 * 8
    assert entry.spent(Usage(input=5, output=200_000), cap=4_096) == 10 + 200_000 * 8
    assert entry.spent(Usage(input=5, output=256_001)) is None
    assert entry.spent_at_most(plain, written=10**9) == quote.ceiling


def test_a_price_that_is_looked_up_is_that_of_every_quote() -> None:
    """A price that changes while the gateway runs is what the next call is quoted and billed at."""
    prices = [PRICE, replace(PRICE, input=Rate(base=4_000_000))]
    entry = ModelPricing(PRICE, max_output_tokens=1_000, look_up=lambda: prices.pop(0))
    before = known(entry, request())
    assert entry.spent(Usage(input=5, output=0)) == 10
    assert known(entry, request()) > before
    assert entry.spent(Usage(input=5, output=0)) == 20
