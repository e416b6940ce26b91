"""What people read of a turn: every sentence, every mark, and the cut into parts."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.attempts import AttemptRecord
from agent.effects import Mark, TurnEnd, TurnState
from agent.errors import (
    AgentStopped,
    AllProvidersFailed,
    Cause,
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NeedsAdjustment,
    NotEntitled,
    PolicyBlocked,
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
from agent.providers.classify import CLASSES
from gateway.render import (
    FILE_NAME,
    Undone,
    attempt_alert,
    condensed_text,
    crashed_text,
    failure_text,
    live,
    parts_of,
    reply_text,
    waiting_text,
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


def failure(kind: type[ProviderError], message: str = "", **known: object) -> ProviderError:
    """A failed attempt of this class, with what else is known of it."""
    error = kind(message, provider="p", model="big_1", reason="r", endpoint="https://p.test/v1")
    for name, value in known.items():
        setattr(error, name, value)
    return error


SOON = 'I could not reach a model just now. Nothing is lost: say "retry" in a moment.'
OURS = "Something in this request went wrong on our side. Its operator can look it up."
FILTERED = (
    "The provider's safety filter stopped this answer. Rephrase it, or start fresh with /new."
)
LARGE = "This message is too large for the model. Send less, or as a file."

SENTENCES: dict[type[ProviderError], str] = {
    ProviderUnavailable: SOON,
    ProviderOverloaded: SOON,
    StreamBroken: SOON,
    AgentStopped: (
        'The coding agent on this host stopped. Say "retry"; its operator has been told if it must'
        " log in."
    ),
    ProviderRateLimited: ('The model is at its usage limit just now. Say "retry" in a minute.'),
    ProviderAuthFailed: (
        "This bot's model account needs attention (login). Its operator has been told."
    ),
    CredentialExhausted: (
        "This bot's model account needs attention (credit). Its operator has been told."
    ),
    NotEntitled: "The model big\\_1 is not available to this bot (plan). /model shows what is.",
    ModelUnavailable: (
        "The model big\\_1 is not available to this bot (name). /model shows what is."
    ),
    PolicyBlocked: (
        "The model big\\_1 is not available to this bot (settings). /model shows what is."
    ),
    ContentBlocked: FILTERED,
    TlsUntrusted: "The connection to the model could not be trusted, so I did not use it.",
    RequestRejected: OURS,
    RequestInvalid: OURS,
    NeedsAdjustment: OURS,
    ReplyMalformed: OURS,
    ContextOverflow: LARGE,
    ProviderError: SOON,
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_failure_is_one_plain_sentence(kind: type[ProviderError]) -> None:
    """By the first cause, with a reference; never the provider's own words."""
    error = failed(kind, TlsUntrusted)
    assert failure_text(error) == SENTENCES[kind].replace("big\\_1", "big\\-1")
    whole = reply_text((), end(TurnState.FAILED, error=error), REF)
    assert whole == f"{failure_text(error)} (ref t5)"


def test_every_class_has_a_sentence() -> None:
    """A class that is added later is a member of the union, and so a type error until it has."""

    def below(kind: type[ProviderError]) -> set[type[ProviderError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    ours = {kind for kind in below(ProviderError) if kind.__module__.startswith("agent.")}
    members = set(get_args(Cause))
    finer = {kind for kind in ours if any(kind.__base__ is each for each in members)} - members
    assert set(SENTENCES) == ours - finer
    assert members == ours - finer - {ProviderError}


def test_a_limit_names_its_end() -> None:
    """As people read times; without one it is soon."""
    error = AllProvidersFailed((failure(ProviderRateLimited, retry_after_s=3_600.0),))
    assert failure_text(error, until="14:32") == (
        'The model is at its usage limit until 14:32. Say "retry" then.'
    )


def test_what_is_too_large_is_counted() -> None:
    """In tokens, where both figures are known."""
    error = AllProvidersFailed((failure(ContextOverflow, tokens=212_000, limit=200_000),))
    assert failure_text(error) == (
        "This message is too large for the model (212,000 of 200,000 tokens)."
        " Send less, or as a file."
    )
    error = AllProvidersFailed((failure(ContextOverflow, tokens=212_000),))
    assert failure_text(error) == LARGE


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("I can't help with *that*.", "I can't help with *that*."),
        ("No.\n\n# Really", "No. # Really"),
        ("", FILTERED),
        ("See https://evil.test/x", FILTERED),
        ("Use sk-abcdef1234 instead", FILTERED),
        ("Traceback (most recent call last)", FILTERED),
        ("no " * 300, f"{('no ' * 300)[:397].rstrip()}..."),
    ],
)
def test_a_refusal_may_have_words_of_its_own(said: str, shown: str) -> None:
    """They are shown as words, cut, and not where they hold an address, a key or a trace."""
    text = failure_text(AllProvidersFailed((failure(ContentBlocked, said=said),)))
    assert " ".join(blocks.plain_text(markup.parse(text)).split()) == shown


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "https://api.test/v1?key=sk-live-123456",
            'Traceback (most recent call last):\n  File "x.py"',
            "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abcdefghijklmnop",
            "[click](http://evil.test)",
        ]
    ),
    st.text(min_size=12, max_size=60),
)


@pytest.mark.parametrize("kind", SENTENCES)
@given(message=HOSTILE, count=st.one_of(st.none(), st.integers(1, 9)))
def test_nothing_a_provider_writes_reaches_a_chat(
    kind: type[ProviderError], message: str, count: int | None
) -> None:
    """Whatever stands in its error, our sentence stays the same."""
    error = failure(kind, message, request_id=message, credential=message, tokens=count)
    plain = failure(kind, tokens=count)
    texts = [
        reply_text((), end(TurnState.FAILED, error=AllProvidersFailed((each,))), REF)
        for each in (error, plain)
    ]
    assert texts[0] == texts[1]
    assert "://" not in texts[0]


MARKS = {
    Mark.NONE: "",
    Mark.CUT_BY_LENGTH: 'The answer reached the length limit. Say "continue". (ref t5)',
    Mark.CUT_BY_FAILURE: (
        'The connection broke here; this is not the whole answer. Say "retry". (ref t5)'
    ),
    Mark.EMPTY: (
        "The model finished without an answer. Ask for a smaller piece, or lower /effort. (ref t5)"
    ),
    Mark.FILTERED: f"{FILTERED} (ref t5)",
    Mark.STEP_LIMIT: (
        'I stopped after 25 steps without finishing. Say "continue" to go on. (ref t5)'
    ),
    Mark.LOOP: (
        "I kept repeating the same action without progress, so I stopped."
        " Tell me what to change. (ref t5)"
    ),
    Mark.UNUSABLE_CALLS: (
        "The model kept producing unusable tool calls, so I stopped."
        " None of those was run. (ref t5)"
    ),
    Mark.LOST_CALLS: (
        "The model kept producing unusable tool calls, so I stopped."
        " None of those was run. (ref t5)"
    ),
    Mark.STOPPED: "Stopped by Ann.",
    Mark.HALTED: "Ann",
}


@pytest.mark.parametrize("mark", Mark)
def test_marks_stand_alone_or_below_the_words(mark: Mark) -> None:
    """With words the notice is set apart below them; without, it is the whole reply."""
    error = failed(StreamBroken) if mark is Mark.CUT_BY_FAILURE else None
    marked = end(mark=mark, by="Ann", error=error, reached="25 steps")
    assert reply_text((), marked, REF) == MARKS[mark]
    below = reply_text(("One.",), replace(marked, text="Two."), REF)
    assert below == "One.\n\nTwo." + (f"\n\n*{MARKS[mark]}*" if MARKS[mark] else "")


def test_a_limit_that_was_reached_is_named_where_it_is_known() -> None:
    """And is many steps otherwise."""
    text = reply_text((), end(mark=Mark.STEP_LIMIT), REF)
    assert text.startswith("I stopped after many steps without finishing.")


def test_who_answers_is_a_line_under_the_answer() -> None:
    """When another model begins to, and when the primary is back; names are only names."""
    answer = end(text="Paris.", served="small_1", primary="big_1")
    assert reply_text((), answer, REF) == "Paris."
    switched = markup.parse(reply_text((), answer, REF, change="switched"))
    assert blocks.plain_text(switched) == "Paris.\n\nAnswered by small_1; big_1 is resting."
    back = markup.parse(reply_text((), answer, REF, change="back"))
    assert blocks.plain_text(back) == "Paris.\n\nBack on big_1."
    both = reply_text((), replace(answer, mark=Mark.CUT_BY_LENGTH), REF, change="back")
    assert both.count("\n\n") == 2


def test_the_other_sentences_of_the_list() -> None:
    """A long wait in place of the placeholder, and a past that could not be summed up."""
    assert waiting_text("main", "14:32") == "Waiting for main until 14:32; /stop ends it."
    assert condensed_text(REF) == (
        "This chat grew too long to summarise; I kept the recent part. /new starts clean. (ref t5)"
    )
    waiting = live(markup.parse("Paris"), "files: list", waiting_text("main", "14:32"))
    assert blocks.plain_text(waiting) == "Paris\n\nWaiting for main until 14:32; /stop ends it."


def tried(outcome: str, *, status: int | None = None) -> AttemptRecord:
    """An attempt that ended so."""
    return AttemptRecord(
        step=1,
        attempt=1,
        entry="main",
        asked="big-1",
        credential="key-2",
        outcome=outcome,
        status=status,
    )


@pytest.mark.parametrize("reason", CLASSES)
def test_owners_hear_of_what_only_they_can_remove(reason: str) -> None:
    """Of the classes that say so: which credential, which code, what to do."""
    told = {
        ProviderAuthFailed,
        CredentialExhausted,
        NotEntitled,
        ModelUnavailable,
        TlsUntrusted,
        PolicyBlocked,
        RequestRejected,
        RequestInvalid,
    }
    text = attempt_alert(tried(reason, status=403))
    if CLASSES[reason] not in told or reason == "copilot_stale":  # exchanged again by itself
        assert text == ""
        return
    assert text.startswith("main (big-1) with key-2: ")
    assert f"(HTTP 403, {reason})" in text


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
    assert crashed_text(REF) == f"{OURS} (ref t5)"


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


def test_what_an_agent_was_not_let_do_stands_below() -> None:
    """A line each, no more than five; words of people and of the agent mean nothing in it."""
    two = (Undone(what="make *all*", why="Denied by B_n"), Undone(what="rm x", why=""))
    text = reply_text(("Built.",), end(), REF, undone=(two[0], *two))
    assert text.split("\n\n") == [
        "Built.",
        "*Not done for the coding agent: make \\*all\\*. Denied by B\\_n.*",
        "*Not done for the coding agent: rm x. Approved too late, and not asked for again.*",
    ]
    many = tuple(Undone(what=f"c{n}", why="No") for n in range(7))
    lines = reply_text(("Built.",), end(), REF, undone=many).split("\n\n")
    assert lines[1] == "*2 more things were not done for the coding agent.*"
    assert len(lines) == 7 and "c6" in lines[-1]
