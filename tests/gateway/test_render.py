"""What people read of a turn: every sentence, every mark, and the cut into parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.effects import Mark, TurnEnd, TurnState
from agent.errors import (
    AllProvidersFailed,
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NotEntitled,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    StreamBroken,
    TlsUntrusted,
)
from gateway.render import (
    FILE_NAME,
    crashed_text,
    failure_text,
    live,
    parts_of,
    reply_text,
    working,
)
from platforms import blocks, markup
from tests.gateway.scripted_adapter import ScriptedAdapter

REF = "t5"


def failed(*kinds: type[ProviderError]) -> AllProvidersFailed:
    """Every provider of a plan failed, each in its way."""
    return AllProvidersFailed(
        tuple(
            kind("raw words of sk-123", provider="p", model="big-1", reason="r") for kind in kinds
        )
    )


def end(state: TurnState = TurnState.DONE, text: str = "", **fields: object) -> TurnEnd:
    return TurnEnd(state=state, text=text, **fields)  # type: ignore[arg-type]


SENTENCES = {
    ProviderRateLimited: "usage limit",
    ProviderAuthFailed: "needs attention (login)",
    CredentialExhausted: "needs attention (credit)",
    ModelUnavailable: "big-1 is not available",
    NotEntitled: "big-1 is not available",
    ContentBlocked: "safety filter",
    TlsUntrusted: "could not be trusted",
    ContextOverflow: "too large for the model",
    RequestRejected: "went wrong on our side",
    RequestInvalid: "went wrong on our side",
    ReplyMalformed: "went wrong on our side",
    ProviderUnavailable: "could not reach a model",
    ProviderOverloaded: "could not reach a model",
    StreamBroken: "could not reach a model",
    ProviderError: "could not reach a model",
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_failure_is_one_plain_sentence(kind: type[ProviderError]) -> None:
    """By the first cause; never the provider's own words."""
    text = failure_text(failed(kind, TlsUntrusted))
    assert SENTENCES[kind] in text
    assert "sk-123" not in text
    whole = reply_text((), end(TurnState.FAILED, error=failed(kind)), REF)
    assert whole == f"{text} (ref t5)"


def test_every_class_has_a_sentence() -> None:
    """A class that is added later does not go unread."""

    def below(kind: type[ProviderError]) -> set[type[ProviderError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert set(SENTENCES) == below(ProviderError)


MARKS = {
    Mark.NONE: "",
    Mark.CUT_BY_LENGTH: 'The answer reached the length limit. Say "continue".',
    Mark.CUT_BY_FAILURE: "The connection broke here; this is not the whole answer. Ask again."
    " (ref t5)",
    Mark.EMPTY: "The model finished without an answer. Ask for a smaller piece.",
    Mark.FILTERED: "The provider's safety filter stopped this answer."
    " Rephrase it, or start fresh with /new.",
    Mark.STEP_LIMIT: 'I stopped after 25 steps without finishing. Say "continue" to go on.',
    Mark.LOOP: "I kept repeating the same action without progress, so I stopped."
    " Tell me what to change.",
    Mark.UNUSABLE_CALLS: "The model kept producing unusable tool calls, so I stopped."
    " None of those was run.",
    Mark.LOST_CALLS: "The model's answer was cut off in the middle of a tool call, so nothing of"
    " it was run. Ask for a smaller piece.",
    Mark.STOPPED: "Stopped by Ann.",
    Mark.HALTED: "Ann",
}


@pytest.mark.parametrize("mark", Mark)
def test_marks_stand_alone_or_below_the_words(mark: Mark) -> None:
    """With words the notice is set apart below them; without, it is the whole reply."""
    error = failed(StreamBroken) if mark is Mark.CUT_BY_FAILURE else None
    alone = reply_text((), end(mark=mark, by="Ann", reached="25 steps", error=error), REF)
    assert alone == MARKS[mark]
    below = reply_text(
        ("One.",), end(text="Two.", mark=mark, by="Ann", reached="25 steps", error=error), REF
    )
    assert below == "One.\n\nTwo." + (f"\n\n*{MARKS[mark]}*" if MARKS[mark] else "")


def test_words_of_all_steps_are_one_reply() -> None:
    """In their order, blank ones left out, blanks around them cut."""
    assert reply_text((" One.\n", "", " \n"), end(text="\n\nTwo. "), REF) == "One.\n\nTwo."


@given(name=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20))
def test_a_name_is_only_a_name(name: str) -> None:
    """Whoever stops a turn, by /stop or on a card, can't put a link into our words."""
    stopped = f"Stopped by {' '.join(name.split())}."
    for marked in (end(mark=Mark.STOPPED, by=name), end(mark=Mark.HALTED, by=stopped)):
        said, *notice = markup.parse(reply_text(("Said.",), marked, REF))
        assert blocks.plain_text((said,)) == "Said."
        assert " ".join(blocks.plain_text(tuple(notice)).split()) == stopped
        assert "Link" not in repr(notice)


def test_a_stop_says_what_may_have_happened() -> None:
    """A call with effects that was cut is named, its label shown literally."""
    text = reply_text((), end(mark=Mark.STOPPED, by="Ann", doubts=("shell: *rm*",)), REF)
    shown = blocks.plain_text(markup.parse(text))
    assert shown == "Stopped by Ann. This was under way and may have taken effect: shell: *rm*."


def test_a_crash_says_whose_fault_it_is() -> None:
    """Ours, with the reference the operator needs."""
    assert crashed_text(REF).endswith("(ref t5).")
    assert "our side" in crashed_text(REF)


def test_a_short_reply_is_one_part() -> None:
    """What fits is not cut."""
    parts = parts_of("Paris.", ScriptedAdapter())
    assert [blocks.plain_text(body) for body in parts.bodies] == ["Paris."]
    assert parts.file is None


@pytest.mark.parametrize("count", [2, 5])
def test_a_long_reply_is_cut_in_parts(count: int) -> None:
    """As many as the platform takes, and nothing is lost."""
    words = [f"word{n:03}" for n in range(count * 10)]
    parts = parts_of("\n\n".join(words), ScriptedAdapter(part_soft=90))
    assert len(parts.bodies) == count
    assert "\n\n".join(map(blocks.plain_text, parts.bodies)).split() == words
    assert parts.file is None


def test_a_reply_over_all_parts_becomes_a_file() -> None:
    """The beginning is shown, a line says where the rest is, and the file is the whole."""
    reply = "\n\n".join(f"word{n:03}" for n in range(60))
    sink = ScriptedAdapter(part_soft=90)
    parts = parts_of(reply, sink)
    assert parts.file == reply.encode()
    assert all(sink.fits(body) for body in parts.bodies)
    assert blocks.plain_text(parts.bodies[0]).startswith("word000")
    assert FILE_NAME in blocks.plain_text(parts.bodies[-1])
    assert len(parts.bodies) <= 2


@pytest.mark.parametrize("reply", ["#", "```\n```", "&nbsp;", "> ", "Paris."])
def test_a_reply_is_never_nothing(reply: str) -> None:
    """Markdown that shows nothing is shown as it was written: an answer always arrives."""
    parts = parts_of(reply, ScriptedAdapter())
    assert any(body for body in parts.bodies)


def test_an_empty_reply_has_no_parts() -> None:
    """Where there is nothing to say nothing is said."""
    assert parts_of("", ScriptedAdapter()).bodies == ()


def test_what_stands_while_a_reply_grows() -> None:
    """A placeholder, then words, then words and what runs."""
    body = markup.parse("Paris")
    assert blocks.plain_text(live((), "")) == "Working on it ..."
    assert blocks.plain_text(live((), "files: list")) == "Working on it: files: list"
    assert live(body, "") == body
    assert live(body, "files: list") == (*body, *working("files: list"))


def test_every_mark_is_tested() -> None:
    """The table above is complete."""
    assert set(MARKS) == set(Mark)
