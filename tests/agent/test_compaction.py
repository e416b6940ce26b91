"""What becomes of a past that does not fit: when, how far, and what is never touched."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.compaction import (
    Digest,
    Nothing,
    Prune,
    Step,
    Summarise,
    count,
    next_fold,
    summary_fold,
)
from agent.folds import Fold, FoldKind, apply_fold
from agent.history import BYTES_PER_TOKEN, repair
from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.model_prices import Measured
from tests.agent.scripted import ORIGIN, assistant, call, user

WINDOW, CAP = 10_000, 2_000
ROOM = WINDOW - CAP
THINKING = ProviderPart(origin=ORIGIN, shape="thinking", payload=b"signed")


def words(tokens: float, seed: str = "word") -> str:
    """A text of about so many tokens."""
    return (f"{seed} " * 100_000)[: int(tokens * BYTES_PER_TOKEN)]


def step(n: int, output: str, *, media: tuple[Media, ...] = ()) -> tuple[Message, ...]:
    """One model call with one tool call and its result."""
    asked = call("read", f'{{"n":{n}}}', ident=f"c{n}")
    result = ToolResult(
        call_id=f"c{n}", name="read", status=ResultStatus.DONE, text=output, media=media
    )
    return assistant(THINKING, asked), result


def fold(messages: tuple[Message, ...], **fields: object) -> Step:
    """The next fold of a transcript that is counted as we count."""
    given: dict[str, object] = {"window": WINDOW, "cap": CAP, "tokens": count(messages)}
    return next_fold(messages, **given | fields)  # type: ignore[arg-type]


def steps(number: int, tokens: float) -> tuple[Message, ...]:
    """One long turn: the first words and so many steps with an output of that size."""
    return (user("begin"), *(m for n in range(number) for m in step(n, words(tokens, f"o{n}"))))


def test_nothing_is_folded_before_it_has_to_be() -> None:
    """At 75 % of the window without the output a call is still sent as it is."""
    assert fold((user("x"),), tokens=int(0.75 * ROOM)) == Nothing(too_large=False)
    assert fold(steps(8, 1000)) != Nothing(too_large=False)


def test_old_outputs_go_first_and_that_may_be_enough() -> None:
    """Head, tail and where the whole is; the newest two steps stay as they are."""
    messages = (*steps(4, 1500), *step(4, words(300)), *step(5, words(300)))
    found = fold(messages)
    assert isinstance(found, Prune)
    assert found.enough
    left = apply_fold(messages, found.fold)
    outputs = [m.text for m in left if isinstance(m, ToolResult)]
    assert outputs[-2:] == [m.text for m in messages if isinstance(m, ToolResult)][-2:]
    for n, text in enumerate(outputs[:-2]):
        assert len(text.encode()) <= 2048
        assert text.startswith(f"o{n} ")
        assert f"kept as c{n}" in text
    assert count(left) < 0.60 * ROOM


def test_old_media_become_a_line() -> None:
    """Pictures of two steps ago are named, not sent."""
    photo = Media(mime="image/png", data=b"x" * 1000, name="a.png")
    messages = (
        user("look"),
        *step(0, "a", media=(photo,)),
        *step(1, "b"),
        *step(2, "c", media=(photo,)),
        user("now"),
    )
    found = fold(messages, tokens=ROOM - 100)
    assert isinstance(found, Prune)
    left = apply_fold(messages, found.fold)
    results = [m for m in left if isinstance(m, ToolResult)]
    assert [bool(m.media) for m in results] == [False, False, True]
    assert results[0].text == "a\n[left out: a.png, image/png, 1,000 bytes]"


def test_a_part_above_a_quarter_of_the_window_is_cut_wherever_it_is() -> None:
    """Also the newest output; but not the words to be answered."""
    now = user(words(2600, "please"))
    messages = (user("begin"), *step(0, words(4000)), now, *step(1, words(4000)))
    found = fold(messages, asked=(now,))
    assert isinstance(found, Prune)
    left = apply_fold(messages, found.fold)
    assert now in left
    for message in left:
        if isinstance(message, ToolResult):
            assert len(message.text.encode()) <= 0.25 * WINDOW * BYTES_PER_TOKEN


def test_bytes_that_are_too_many_take_media_and_outputs_first() -> None:
    """After "payload too large" every picture goes, and no word of people."""
    photo = Media(mime="image/png", data=b"x" * 900_000, name="a.png")
    now = UserMessage(text="and this?")
    messages = (UserMessage(text="look", media=()), *step(0, "a", media=(photo,)), now)
    found = fold(messages, tokens=100, forced=True, bytes_first=True, asked=(now,))
    assert isinstance(found, Prune)
    assert found.enough
    left = apply_fold(messages, found.fold)
    assert not any(m.media for m in left if isinstance(m, ToolResult | UserMessage))
    assert left[-1] == now


TALK = (
    user("the first words"),
    *(m for n in range(40) for m in (user(words(100, f"q{n}")), assistant(words(100, f"a{n}")))),
    user("and now?"),
)


def test_what_outputs_do_not_save_is_summed_up() -> None:
    """The first words, the tail and what is to be answered stay; the rest is one summary."""
    found = fold(TALK)
    assert isinstance(found, Summarise)
    done = summary_fold(found, "They talked.")
    assert done is not None
    left = apply_fold(TALK, done)
    assert left[0] == TALK[0]
    assert left[1] == Summary(text="They talked.")
    assert left[2:] == TALK[-(len(left) - 2) :]
    tail = count(left[2:])
    assert len(left[2:]) >= 4
    assert tail <= 0.20 * 0.75 * ROOM + 300
    assert done.gain > 0.5


def test_the_summary_call_fits() -> None:
    """2k to 10k tokens out (less in a small window), and never more than 70 % of the window."""
    huge = tuple(m for _ in range(20) for m in TALK)
    found = fold(huge, tokens=count(huge))
    assert isinstance(found, Summarise)
    assert len(found.chunks) > 3
    for index in range(len(found.chunks)):
        prompt = found.prompt(index, words(found.max_output_tokens))
        used = len(found.system) + sum(len(m.text) for m in prompt if isinstance(m, UserMessage))
        assert used / BYTES_PER_TOKEN + found.max_output_tokens <= 0.70 * WINDOW
    wide = fold(huge, window=60_000, cap=2000, tokens=count(huge))
    assert isinstance(wide, Summarise)
    assert 2_000 <= wide.max_output_tokens <= 10_000


def test_chunks_hold_all_of_it_once() -> None:
    """Nothing is lost between two chunks, and no character is cut in two."""
    odd: tuple[Message, ...] = (
        user("begin"),
        *(assistant("€" * 2000) for _ in range(9)),
        user("now"),
    )
    found = fold(odd)
    assert isinstance(found, Summarise)
    told = "".join(found.chunks)
    assert len(found.chunks) > 1
    assert told.count("€") == 2000 * (9 - 3)


def test_the_earlier_summary_is_folded_in() -> None:
    """There is one summary at a time, right behind the first words."""
    messages = (TALK[0], Summary(text="EARLIER"), *TALK[1:])
    found = fold(messages)
    assert isinstance(found, Summarise)
    assert "EARLIER" in found.chunks[0]
    done = summary_fold(found, "All of it.")
    assert done is not None
    left = apply_fold(messages, done)
    assert [m for m in left if isinstance(m, Summary)] == [Summary(text="All of it.")]


def test_one_long_turn_is_folded_between_its_steps() -> None:
    """The words it answers stand behind the summary of its own first steps."""
    now = user("do it all")
    small = [m for n in range(60) for m in step(n, words(150, f"o{n}"))]
    messages = (user("begin"), assistant("yes"), now, *small)
    found = fold(messages, asked=(now,))
    assert isinstance(found, Summarise)
    done = summary_fold(found, "Half is done.")
    assert done is not None
    left = apply_fold(messages, done)
    assert left[:3] == (messages[0], Summary(text="Half is done."), now)
    assert isinstance(left[3], AssistantMessage)
    assert whole(left)


def test_a_summary_that_gains_nothing_is_none() -> None:
    """Empty, too long, or longer than what it stands for."""
    found = fold(TALK)
    assert isinstance(found, Summarise)
    assert summary_fold(found, " \n") is None
    assert summary_fold(found, words(ROOM)) is None


def test_without_a_summary_there_is_a_digest() -> None:
    """The same every time, at most 8,000 characters, and what happened last is in it."""
    found = fold(TALK, summary_allowed=False)
    assert isinstance(found, Digest)
    assert found == fold(TALK, summary_allowed=False)
    assert len(found.fold.text) <= 8_000
    assert "- The user: q3" in found.fold.text
    left = apply_fold(TALK, found.fold)
    assert isinstance(left[1], Summary)
    assert not left[1].by_model
    assert count(left) <= 0.60 * ROOM


def test_a_last_step_that_fills_the_window_is_cut_until_it_fits() -> None:
    """The chat stays usable: each output is shortened, none is lost."""
    calls = tuple(call("read", f'{{"n":{n}}}', ident=f"c{n}") for n in range(16))
    outputs = tuple(
        ToolResult(call_id=c.id, name="read", status=ResultStatus.DONE, text=words(1500, c.id))
        for c in calls
    )
    messages: tuple[Message, ...] = (user("all of them"), assistant(*calls), *outputs)
    seen = []
    for _ in range(3):
        found = fold(messages)
        if isinstance(found, Nothing):
            break
        assert isinstance(found, Prune | Digest)
        seen.append(found)
        messages = apply_fold(messages, found.fold)
    assert seen
    assert fold(messages) == Nothing(too_large=False)
    assert sum(isinstance(m, ToolResult) for m in messages) == 16


def test_words_that_are_too_large_by_themselves_are_said_to_be() -> None:
    """Nothing of them is cut in silence."""
    now = user(words(ROOM * 2))
    assert fold((user("a"), assistant("b"), now), asked=(now,)) == Nothing(too_large=True)


def test_forced_means_that_the_count_was_wrong() -> None:
    """A provider that says "too long" is believed, and the window taken as full."""
    found = fold(TALK, tokens=ROOM // 4, forced=True)
    assert isinstance(found, Summarise)
    assert found.before == ROOM


def test_parts_of_a_provider_do_not_outlive_a_change_before_them() -> None:
    """They vouch for what was before; what comes after the fold keeps its own."""
    messages = steps(7, 1000)
    found = fold(messages)
    assert isinstance(found, Prune)
    left = (*apply_fold(messages, found.fold), *step(99, "new"))
    assert [THINKING in m.parts for m in left if isinstance(m, AssistantMessage)] == [
        True,  # nothing before the first reply was changed
        *[False] * 6,
        True,
    ]
    assert apply_fold(left, found.fold) == left


def test_a_fold_that_is_wished_for_need_not_be() -> None:
    """A short chat stays as it is, and that is no failure; a long one is summed up."""
    short = (user("hello"), assistant("hi"), user("now"))
    assert fold(short, wished=True) == Nothing(too_large=False)
    assert fold(short, forced=True) == Nothing(too_large=True)
    assert isinstance(fold(TALK[:40], tokens=ROOM // 2, wished=True), Summarise)


def test_a_prune_that_is_not_enough_is_followed_by_the_next_stage() -> None:
    """Between 60 and 75 % nothing would begin, but what has begun goes on."""
    messages = TALK[:-20]
    tokens = int(0.7 * ROOM)
    assert fold(messages, tokens=tokens) == Nothing(too_large=False)
    assert isinstance(fold(messages, tokens=tokens, unfinished=True), Summarise)
    assert fold(messages, tokens=ROOM // 2, unfinished=True) == Nothing(too_large=False)


def test_counting_goes_on_from_what_a_provider_has_counted() -> None:
    """Ours is added for what came since only."""
    messages = (user(words(1000)), assistant("yes"), user(words(50)))
    alone = count(messages, own_bytes=2500)
    measured = count(messages, own_bytes=2500, measured=Measured(messages=2, tokens=400))
    assert alone > 2000
    assert measured == 400 + count(messages[2:])


# Any transcript.

TEXTS = st.integers(0, 3000).map(words)


@st.composite
def transcripts(draw: st.DrawFn) -> tuple[Message, ...]:
    """A chat of turns with steps, notes, cut replies and failed turns."""
    messages: list[Message] = []
    ident = 0
    for turn in range(draw(st.integers(1, 6))):
        messages.append(user(f"turn {turn} " + words(draw(st.integers(0, 300)))))
        for _ in range(draw(st.integers(0, 6))):
            calls = []
            for _ in range(draw(st.integers(1, 3))):
                ident += 1
                calls.append(call("read", f'{{"n":{ident}}}', ident=f"c{ident}"))
            messages.append(assistant(THINKING, draw(TEXTS), *calls))
            for each in calls:
                text = draw(TEXTS)
                messages.append(
                    ToolResult(call_id=each.id, name="read", status=ResultStatus.DONE, text=text)
                )
        ending = draw(st.sampled_from(["answer", "note", "cut", "none"]))
        if ending == "answer":
            messages.append(assistant(draw(TEXTS)))
        elif ending == "note":
            messages.append(Note(text="go on"))
        elif ending == "cut":
            messages.append(PartialReply(text=draw(TEXTS)))
    return tuple(messages)


def whole(messages: tuple[Message, ...]) -> bool:
    """Whether every call has its result right behind it, and every result its call."""
    return repair(messages) == messages


@given(messages=transcripts(), data=st.data())
def test_laws_of_every_fold(messages: tuple[Message, ...], data: st.DataObject) -> None:
    """Pairs are whole, first words and those to be answered stand, and it fits in the end."""
    now = next(m for m in reversed(messages) if isinstance(m, UserMessage))
    applied: list[tuple[Fold, tuple[Message, ...]]] = []
    for _ in range(8):
        summaries = data.draw(st.booleans())
        found = fold(messages, asked=(now,), summary_allowed=summaries)
        done: Fold | None
        match found:
            case Nothing(too_large=too_large):
                assert not too_large
                break
            case Prune(fold=done) | Digest(fold=done):
                pass
            case Summarise():
                done = summary_fold(found, "A summary. " * data.draw(st.integers(1, 90)))
                if done is None:
                    continue
        before = count(messages)
        folded = apply_fold(messages, done)
        assert whole(folded)
        assert count(folded) < before
        assert folded[0] == messages[0]
        assert now in folded
        assert apply_fold(folded, done) == folded
        messages = folded
        applied.append((done, folded))
    assert count(messages) <= 0.75 * ROOM
    assert len(applied) <= 4


@given(messages=transcripts(), later=transcripts())
def test_the_beginning_stays_until_the_next_fold(
    messages: tuple[Message, ...], later: tuple[Message, ...]
) -> None:
    """What came after a fold changes nothing of what the fold left."""
    found = fold(messages, forced=True, summary_allowed=False)
    if isinstance(found, Nothing):
        return
    assert isinstance(found, Prune | Digest)
    left = apply_fold(messages, found.fold)
    assert apply_fold((*messages, *later), found.fold) == (*left, *later)


@pytest.mark.parametrize("kind", FoldKind)
def test_a_fold_is_a_value(kind: FoldKind) -> None:
    """Two of the same are one, whatever is done with them."""
    assert Fold(kind=kind, through=3) == replace(Fold(kind=kind, through=3), text="")


def test_long_arguments_and_words_of_a_reply_are_cut_too() -> None:
    """What a call was given is left out as a whole: half of it would be no JSON."""
    long = assistant(Text(text=words(3000)), ToolCall(id="c1", name="w", arguments=words(3000)))
    result = ToolResult(call_id="c1", name="w", status=ResultStatus.DONE, text="ok")
    messages = (user("a"), long, result, user("now"))
    found = fold(messages, tokens=ROOM)
    assert isinstance(found, Prune)
    left = apply_fold(messages, found.fold)
    (reply,) = (m for m in left if isinstance(m, AssistantMessage))
    assert reply.calls[0].arguments == '{"left_out":"7,500 bytes of arguments"}'
    assert "the middle left out" in reply.text
