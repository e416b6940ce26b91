"""A model call that goes wrong, over real sockets, on a clock that jumps: who is asked, when."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from agent.attempts import CallKind
from agent.credential_pool import CredentialPool, Key, KeyBook
from agent.credentials import StaticKey
from agent.effects import Mark, TurnEnd, TurnRows, TurnState
from agent.errors import ContentBlocked, ContextOverflow, ProviderRateLimited, RequestRejected
from agent.events import ProviderSwitched, StepRewound, TextDelta, Waiting
from agent.folds import FoldKind
from agent.messages import PartialReply, UserMessage
from agent.providers.pictures import encoded_size
from tests.agent.chain import Chain, chain, refusal, views
from tests.agent.providers.pictures import sent_sides, smooth
from tests.agent.scripted import assistant, turn_rows, user
from tests.warp import warped
from tests.wire.openai import CHAT, CallTool, Cut, Reply, Stream, Whole, chunk
from tests.wire.openai.script import Reset
from tests.wire.server import HalfOpen

Test = Callable[..., Coroutine[Any, Any, None]]


def jumping(test: Test) -> Callable[..., None]:
    """Run a test on the clock that jumps."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        warped(test(*args, **kwargs))

    return run


def half(text: str, *after: Any) -> Stream:
    """A stream that says something and then ends badly."""
    return Stream(steps=(chunk({"role": "assistant"}), chunk({"content": text}), *after))


DOWN = refusal(503)


async def timed(house: Chain) -> tuple[TurnEnd, float]:
    """One turn and how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return await house.run(), loop.time() - began


# The primary on every turn.


@jumping
async def test_every_turn_begins_at_the_primary() -> None:
    """Whether or not a fallback answered the last one."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(refusal(400, "no", "invalid_request_error"), "Back.")
        spare.reply("Here.")
        assert (await house.run()).text == "Here."
        assert (await house.run()).text == "Back."
        assert house.asked == [2, 1]


# Eager and full patience.


@jumping
async def test_an_eager_turn_leaves_after_the_second_transient_failure() -> None:
    """One retry a second later; on the fallback within six seconds."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(DOWN, DOWN)
        spare.reply("Here.")
        end, seconds = await timed(house)
        assert end.text == "Here."
        assert house.asked == [2, 1]
        assert 1.0 <= seconds < 6.0


@jumping
async def test_an_eager_turn_leaves_at_once_if_the_first_failure_was_slow() -> None:
    """A silent server costs its first-byte bound and no second one: within 31 s."""
    async with chain() as house:
        primary, spare = house.servers
        primary.faults.add("*", HalfOpen())
        spare.reply("Here.")
        end, seconds = await timed(house)
        assert end.text == "Here."
        assert 30.0 <= seconds <= 31.5


@jumping
async def test_a_refused_port_is_left_within_six_seconds() -> None:
    """The retry is a second later."""
    async with chain() as house:
        primary, spare = house.servers
        await primary.close()
        spare.reply("Here.")
        end, seconds = await timed(house)
        assert end.text == "Here."
        assert seconds < 6.0


@jumping
async def test_full_patience_tries_three_times_and_once_more_after_a_rebuild() -> None:
    """2 s, 4 s, then the client is made anew after min(3 + n, 8) s, and three more."""
    async with chain(patience="full") as house:
        primary, spare = house.servers
        primary.reply(*(half("", Reset()) for _ in range(6)))
        spare.reply("Here.")
        end, seconds = await timed(house)
        assert end.text == "Here."
        assert house.asked == [6, 1]
        assert seconds == pytest.approx(2 + 4 + 6 + 2 + 4, abs=0.5)


@jumping
async def test_with_nobody_else_the_turn_fails_with_one_headline() -> None:
    """After all attempts, with the first cause."""
    async with chain(1) as house:
        house.servers[0].reply(*[DOWN] * 8)
        end, _ = await timed(house)
        assert end.state is TurnState.FAILED
        assert end.error is not None
        assert end.error.headline.status == 503


# Rate limits.


@jumping
async def test_a_short_rate_limit_is_waited_for_on_the_same_key() -> None:
    """Retry-After of three seconds, then the answer."""
    async with chain(1) as house:
        house.servers[0].reply(refusal(429, "slow", "rate_limit_error", retry_after="3"), "Hi.")
        end, seconds = await timed(house)
        assert end.text == "Hi."
        assert seconds == pytest.approx(3.0, abs=0.5)


@jumping
async def test_a_limited_key_is_left_alone_by_all_while_one_waits_for_it() -> None:
    """The others wait for it too, without a request of their own."""
    loop = asyncio.get_running_loop()
    book = KeyBook(now=lambda: int(loop.time() * 1_000_000))
    key = Key(ident="a", label="a", source=StaticKey(label="a", key="sk-loopback"))
    pool = CredentialPool((key,), book=book, provider="alpha", choose=lambda n: 0)
    async with chain(1, credentials={0: pool}) as house:
        (server,) = house.servers
        server.reply(refusal(429, "slow", "rate_limit_error", retry_after="50"), *["Hi."] * 6)
        running = []
        for _ in range(6):
            running.append(house.turn().start())
            await asyncio.sleep(1)
        assert house.asked == [1]
        ends = await asyncio.gather(*running)
        assert [end.text for end in ends] == ["Hi."] * 6


@jumping
async def test_a_limit_beyond_our_patience_ends_the_turn() -> None:
    """Nobody waits ten minutes in a chat."""
    async with chain(1) as house:
        house.servers[0].reply(refusal(429, "slow", "rate_limit_error", retry_after="600"))
        end, seconds = await timed(house)
        assert end.error is not None
        assert isinstance(end.error.headline, ProviderRateLimited)
        assert seconds < 1


@jumping
async def test_a_long_wait_is_told_and_stop_ends_it_at_once() -> None:
    """Within a second."""
    async with chain(1) as house:
        house.servers[0].reply(refusal(429, "slow", "rate_limit_error", retry_after="60"))
        turn = house.turn()
        running = turn.start()
        waiting = await turn.told(lambda event: isinstance(event, Waiting))
        assert isinstance(waiting, Waiting)
        turn.signals.stop("Ann")
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = await running
        assert end.state is TurnState.CANCELLED
        assert loop.time() - began < 1


# Streams.


@jumping
async def test_what_a_broken_stream_has_shown_is_taken_back_before_the_next_word() -> None:
    """No text of one provider precedes another's."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(half("Once upon", Cut()), half("Once more", Cut()))
        spare.reply("Here.")
        turn = house.turn()
        end = await turn.run()
        assert end.text == "Here."
        seen = views(turn.events)
        assert seen[-1] == "Here."
        assert all(text in ("", "Once upon", "Once more", "Here.") for text in seen)


@jumping
async def test_when_all_fail_the_longest_partial_is_delivered_and_marked() -> None:
    """And stored as what it is."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(half("Once upon a time", Cut()), half("Once", Cut()))
        spare.reply(*[half("Hm", Cut())] * 8)
        end = await house.run()
        assert (end.state, end.mark) == (TurnState.FAILED, Mark.CUT_BY_FAILURE)
        assert end.text == "Once upon a time"
        assert end.messages == (PartialReply(text="Once upon a time"),)


@jumping
async def test_a_filter_in_mid_stream_rolls_back_and_asks_the_next_provider() -> None:
    """Before any continuation is considered, and without a retry."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(Reply(deltas=("Forbidden",), finish="content_filter"))
        spare.reply("Here.")
        turn = house.turn()
        end = await turn.run()
        assert end.text == "Here."
        assert house.asked == [1, 1]
        assert any(isinstance(event, StepRewound) for event in turn.events)
        assert views(turn.events)[-1] == "Here."


@jumping
async def test_a_turn_that_a_filter_stopped_is_a_line_to_that_provider_from_then_on() -> None:
    """Else it would refuse all that follows; the others see it whole."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(Reply(deltas=("Forbidden",), finish="content_filter"), "Of course.")
        spare.reply("Here.")
        asked = user("something odd")
        end = await house.run(rows=turn_rows(asked))
        rows = turn_rows(asked, *end.messages, user("and now?"))
        assert (await house.run(rows=rows)).text == "Of course."
        seen = str(primary.asked[-1]["messages"])
        assert "something odd" not in seen
        assert "Here." not in seen
        assert "left out" in seen
        assert "and now?" in seen


@jumping
async def test_filtered_by_everyone_is_said_once() -> None:
    """With the filter as the headline."""
    async with chain() as house:
        for server in house.servers:
            server.reply(Reply(deltas=("Forbidden",), finish="content_filter"))
        end = await house.run()
        assert end.error is not None
        assert isinstance(end.error.headline, ContentBlocked)


@jumping
async def test_a_cut_answer_is_continued_and_joined() -> None:
    """What stands on both sides of the seam is said once."""
    async with chain(1, max_output_tokens=4_096, most_output_tokens=16_384) as house:
        (server,) = house.servers
        server.reply(
            Reply(deltas=("The quick brown fox",), finish="length"),
            Reply(deltas=("brown fox jumps.",)),
        )
        end = await house.run()
        assert end.text == "The quick brown fox jumps."
        first, second = server.asked
        assert second["max_tokens"] == 8_192
        assert second["messages"][-2]["content"] == "The quick brown fox"
        assert "Continue" in second["messages"][-1]["content"]
        assert first["max_tokens"] == 4_096


@jumping
async def test_an_answer_that_never_ends_is_delivered_after_three_continuations() -> None:
    """And marked."""
    async with chain(1) as house:
        (server,) = house.servers
        server.reply(*(Reply(deltas=(f"part {n} ",), finish="length") for n in range(4)))
        end = await house.run()
        assert (end.text, end.mark) == ("part 0 part 1 part 2 part 3 ", Mark.CUT_BY_LENGTH)


@jumping
async def test_calls_of_a_cut_reply_never_run() -> None:
    """Asked for with twice the room, then in smaller pieces, then the turn says so."""
    async with chain(1, max_output_tokens=4_096, most_output_tokens=16_384) as house:
        (server,) = house.servers
        lost = Reply(calls=(CallTool(name="pure", arguments='{"text": "a"}'),), finish="length")
        server.reply(lost, lost, lost)
        end = await house.run()
        assert end.mark is Mark.LOST_CALLS
        assert [body["max_tokens"] for body in server.asked] == [4_096, 8_192, 8_192]
        assert "pure" in server.asked[2]["messages"][-1]["content"]


@jumping
async def test_a_whole_body_where_a_stream_was_asked_is_the_answer() -> None:
    """In one piece."""
    async with chain(1) as house:
        house.servers[0].reply(Whole(reply=Reply(deltas=("Hi.",))))
        assert (await house.run()).text == "Hi."


# Heals.


@jumping
async def test_a_server_that_cannot_stream_is_asked_for_the_whole_and_remembered() -> None:
    """The next turn does not try again."""
    async with chain(1) as house:
        (server,) = house.servers
        no = refusal(400, "streaming is not supported by this model", "invalid_request_error")
        server.reply(no, Whole(reply=Reply(deltas=("Hi.",))), Whole(reply=Reply(deltas=("Ho.",))))
        assert (await house.run()).text == "Hi."
        assert (await house.run()).text == "Ho."
        assert [body.get("stream", False) for body in server.asked] == [False, False]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@jumping
async def test_a_picture_that_is_refused_for_its_size_is_sent_smaller() -> None:
    """To the limit in the refusal: one request more, and nobody else is asked."""
    large = smooth(1_500, 1_000)
    assert encoded_size(large.data) > 5 * 1024 * 1024
    rows = turn_rows(UserMessage(text="look", media=(large,)))
    async with chain(1) as house:
        (server,) = house.servers
        no = refusal(400, "image exceeds 5 MB maximum", "invalid_request_error")
        server.faults.add(CHAT, no)
        server.reply("All grey.")
        assert (await house.run(rows=rows)).text == "All grey."
        assert house.asked == [2]
        (body,) = server.asked
        picture = body["messages"][-1]["content"][1]["image_url"]["url"]
        assert sent_sides(picture.removeprefix("data:image/jpeg;base64,")) == (
            "JPEG",
            (1_500, 1_000),
        )


@jumping
async def test_a_rejected_request_is_taken_to_another_wire() -> None:
    """The operator hears of it from the attempts."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(refusal(422, "unknown parameter: foo", "invalid_request_error"))
        spare.reply("Here.")
        turn = house.turn()
        end = await turn.run()
        assert end.text == "Here."
        assert [record.outcome for record in turn.journal.records] == ["parameter"]


@jumping
async def test_when_everyone_rejects_the_first_cause_is_the_headline() -> None:
    """One message for all."""
    async with chain() as house:
        for server in house.servers:
            server.reply(refusal(422, "unknown parameter: foo", "invalid_request_error"))
        end = await house.run()
        assert end.error is not None
        assert isinstance(end.error.headline, RequestRejected)
        assert len(end.error.attempts) == 2


# Folding.


def long_past(words: int = 4_000) -> TurnRows:
    """A chat whose past is far above a small window."""
    past = []
    for number in range(6):
        past += [user(f"question {number} " + "word " * words), assistant(f"answer {number}")]
    return turn_rows(*past, user("And now?"))


@jumping
async def test_a_past_that_does_not_fit_is_summed_up_before_the_call() -> None:
    """The summary is stored first, has its own record, and stands in the request."""
    async with chain(1, context_window=32_000, max_output_tokens=2_000) as house:
        (server,) = house.servers
        summary = "They asked six questions."
        server.default = lambda body: Reply(
            deltas=(summary if "condense" in str(body["messages"][0]) else "Now this.",)
        )
        turn = house.turn(rows=long_past())
        end = await turn.run()
        assert end.text == "Now this."
        folded = turn.journal.named("folded")
        assert [fold.kind for fold in folded] == [FoldKind.SUMMARY]
        last = server.asked[-1]["messages"]
        assert any(summary in str(message) for message in last)
        assert "And now?" in str(last[-1])
        kinds = {record.kind for record in turn.journal.records}
        assert kinds == {CallKind.COMPACTION}
        names = [name for name, _ in turn.journal.listed]
        assert names.index("folded") < len(names) - names[::-1].index("step_opened") - 1


@jumping
async def test_without_a_summary_the_past_is_made_short_by_rule() -> None:
    """After one attempt and one retry; the session stays usable."""
    async with chain(1, context_window=32_000, max_output_tokens=2_000) as house:
        (server,) = house.servers
        server.default = lambda body: (
            DOWN if "condense" in str(body["messages"][0]) else Reply(deltas=("Now this.",))
        )
        turn = house.turn(rows=long_past())
        end = await turn.run()
        assert end.text == "Now this."
        assert [fold.kind for fold in turn.journal.named("folded")] == [FoldKind.DIGEST]
        assert [record.outcome for record in turn.journal.records] == ["overloaded"] * 2
        again = house.turn(rows=long_past())
        await again.run()
        assert again.journal.records == []


@jumping
async def test_an_overflow_the_provider_sees_is_folded_and_asked_again() -> None:
    """Whatever our own count said; nobody else is asked."""
    async with chain(context_window=128_000, max_output_tokens=2_000) as house:
        server, _ = house.servers
        over = refusal(400, "This model's maximum context length is 8192 tokens", "invalid_request")
        server.reply(over)
        server.default = lambda body: Reply(
            deltas=("Short." if "condense" in str(body["messages"][0]) else "Now this.",)
        )
        turn = house.turn(rows=long_past(200))
        end = await turn.run()
        assert end.text == "Now this."
        assert turn.journal.named("folded")
        assert house.asked[1] == 0


@jumping
async def test_what_cannot_be_made_to_fit_ends_with_the_size() -> None:
    """The words to be answered are never folded."""
    async with chain(1, context_window=8_000, max_output_tokens=1_000) as house:
        end = await house.run(rows=turn_rows(user("word " * 20_000)))
        assert end.error is not None
        headline = end.error.headline
        assert isinstance(headline, ContextOverflow)
        assert headline.limit == 7_000
        assert house.asked == [0]


# The breaker.


@jumping
async def test_a_sick_primary_taxes_one_turn_per_rest() -> None:
    """And is back within a minute of health."""
    async with chain() as house:
        primary, spare = house.servers
        primary.faults.add("*", *[HalfOpen()] * 40)
        for _ in range(30):
            spare.reply("Here.")
        loop = asyncio.get_running_loop()
        times = []
        for _ in range(20):
            end, seconds = await timed(house)
            assert end.text == "Here."
            times.append(seconds)
            await asyncio.sleep(5)
        taxed = [seconds for seconds in times if seconds > 1]
        assert taxed[0] <= 31.5
        assert len(taxed) <= 6
        while primary.faults.take("*"):
            pass
        healthy_at = loop.time()
        while loop.time() - healthy_at < 61:
            primary.reply("Back.")
            spare.reply("Here.")
            end, _ = await timed(house)
            if end.text == "Back.":
                break
            await asyncio.sleep(2)
        assert end.text == "Back."


@jumping
async def test_a_switch_is_told_with_both_models() -> None:
    """Once a turn."""
    async with chain() as house:
        primary, spare = house.servers
        primary.reply(refusal(404, "The model does not exist", "invalid_request_error"))
        spare.reply("Here.")
        turn = house.turn()
        end = await turn.run()
        assert (end.served, end.primary) == ("beta", "alpha")
        switched = [event for event in turn.events if isinstance(event, ProviderSwitched)]
        assert switched == [ProviderSwitched(model="beta", primary="alpha")]
        assert [e.text for e in turn.events if isinstance(e, TextDelta)] == ["Here."]
