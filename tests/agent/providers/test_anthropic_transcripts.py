"""Any transcript: the rules of the API hold, and equal beginnings have equal bytes."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.history import repair
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    Part,
    PartialReply,
    Summary,
    Text,
)
from agent.providers.anthropic_messages.request import GO_ON
from agent.providers.anthropic_messages.thinking import ThinkingForm, form_for
from agent.providers.base import EFFORTS, Adjustments
from tests.agent.providers.anthropic_transcripts import (
    FILES,
    HERE,
    MODEL,
    PICTURE,
    SISTER,
    THERE,
    THINKING,
    body_of,
    call,
    encoder,
    rendered,
    reply,
    request,
    result,
    text,
    thought,
    user,
)
from tests.wire.anthropic import MODELS
from tests.wire.anthropic.rules import refusal_of

TEXT = st.sampled_from(["", " ", "a", "b \n", "ä🎉"])
ORIGINS = st.sampled_from([None, None, THERE, SISTER])  # None: whoever is asked
REPLIES = st.tuples(TEXT, st.integers(0, 3), ORIGINS, st.booleans(), st.booleans(), st.booleans())
MESSAGES = st.lists(
    st.one_of(
        st.builds(user, TEXT, st.sampled_from(["", "Ann"])),
        st.builds(lambda words: user(words, "", PICTURE), TEXT),
        st.builds(Note, text=TEXT),
        st.builds(Summary, text=TEXT),
        st.builds(PartialReply, text=TEXT),
        REPLIES,
    ),
    max_size=12,
)
ADJUSTED = st.builds(
    Adjustments,
    effort=st.sampled_from([None, *EFFORTS]),
    thinking=st.booleans(),
    replay=st.booleans(),
    media=st.booleans(),
    tool_media=st.booleans(),
    keywords=st.booleans(),
)


def transcript(drawn: list[Any], own: Origin = HERE) -> tuple[Message, ...]:
    """A repaired transcript: calls get distinct ids; some are answered, the rest was not run."""
    messages: list[Message] = []
    for place, item in enumerate(drawn):
        if not isinstance(item, tuple):
            messages.append(item)
            continue
        words, count, other, named, thinks, answered = item
        origin = other or own
        calls = [call(f"c{place}_{n}", f"toolu_{place}_{n}" * named) for n in range(count)]
        parts: list[Part] = [thought(f"t{place}", origin)] * thinks
        parts += [Text(text=words)] if words else []
        parts += [thought(f"e{place}", origin)] * (thinks and named)
        messages.append(reply(*parts, *calls, origin=origin))
        if answered:
            messages.extend(result(each.id, words, media=(PICTURE,)) for each in calls[:2])
    return repair(tuple(messages) or (user("start"),))


ENTRIES: list[tuple[ThinkingForm, str]] = [
    ("budget", MODEL),
    ("effort", MODEL),
    ("off", "claude-sonnet-4-5"),
    *((form_for(model), model) for model in MODELS if model != MODEL),
]


@given(
    MESSAGES,
    ADJUSTED,
    st.sampled_from(ENTRIES),
    st.booleans(),
    st.sampled_from([1, 2_048, 32_000]),
)
def test_any_transcript_is_accepted(
    drawn: list[Any],
    adjustments: Adjustments,
    entry: tuple[ThinkingForm, str],
    tools: bool,
    cap: int,
) -> None:
    """Whatever was said, by whomever, the request breaks no rule of the real service."""
    form, model = entry
    own = replace(HERE, model=model)
    messages = transcript(drawn, own)
    if not any(part.strip() for part in map(words_of, messages)):
        messages = (*messages, user("start"))
    last = messages[-1]
    if isinstance(last, AssistantMessage) and last.origin == own:
        messages = (*messages, user("go on"))  # what was paused has a test of its own
    body = body_of(
        *messages,
        coder=encoder(form=form, origin=own),
        system="s",
        tools=(FILES,) if tools else (),
        adjustments=adjustments,
        max_output_tokens=cap,
    )
    assert refusal_of(body, models=MODELS) is None


def words_of(message: Message) -> str:
    return message.text


@given(MESSAGES, st.lists(st.integers(0, 40), max_size=6))
def test_the_kept_past_changes_no_byte(drawn: list[Any], ends: list[int]) -> None:
    """Growing, shrinking and equal transcripts give the bytes a fresh encoder gives."""
    messages = (user("start"), *transcript(drawn))
    kept = encoder()
    for end in (*ends, len(messages)):
        for last in ((), (Note(text="n"),), (PartialReply(text="p"),)):
            part = request(*repair(messages[:end]), *last, session="s", adjustments=THINKING)
            assert kept.encode(part) == encoder().encode(part)


@given(MESSAGES)
def test_a_longer_transcript_begins_with_the_shorter(drawn: list[Any]) -> None:
    """But for its marks, every request begins with the messages of the one before."""
    messages = (user("start"), *transcript(drawn))
    coder = encoder(form="effort")
    before: list[Any] = []
    for end in range(1, len(messages) + 1):
        part = repair(messages[:end])
        if part != messages[:end] or isinstance(part[-1], AssistantMessage | PartialReply):
            continue
        blocks = [
            (message["role"], block)
            for message in rendered(*part, coder=coder, session="s", adjustments=THINKING)
            for block in message["content"]
        ]
        if blocks[-1] == ("user", text(GO_ON)):
            continue  # nobody has answered the model's words yet
        assert blocks[: len(before)] == before
        before = blocks


def test_sessions_and_changes_do_not_mix() -> None:
    """Sessions, a changed past and other adjustments give what a fresh encoder gives."""
    coder = encoder()
    for words in ("a", "b", "c"):
        for session in ("one", "two"):
            for adjustments in (THINKING, Adjustments(thinking=False)):
                part = request(
                    user(session),
                    reply(thought(), Text(text=words)),
                    user(words),
                    session=session,
                    adjustments=adjustments,
                )
                assert coder.encode(part) == encoder().encode(part)
