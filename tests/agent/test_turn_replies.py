"""What a reply means to its turn: empty, final by itself, with calls made elsewhere, in circles."""

from dataclasses import replace
from typing import Any

from agent.attempts import AttemptRecord
from agent.effects import (
    AskPeople,
    CallModel,
    CloseTurn,
    Drained,
    DrainInbox,
    GateCalls,
    Interrupted,
    Mark,
    ModelReplied,
    RecordMessages,
    RecordStep,
    RunTools,
    TurnState,
    Wait,
)
from agent.guards import CALLS_PER_TURN, EMPTY_NOTE, LOOP_NOTE
from agent.messages import Note, ResultStatus, Summary, ToolResult
from agent.providers.base import Stop
from agent.turn import turn_flow
from agent.turn_replies import call_id
from tests.agent.scripted import assistant, call, turn_rows, user
from tests.agent.test_turn import JUDGE, allowed, ended, play, ran, replied, result

EMPTY = replied("")


def test_an_empty_reply_after_tools_is_asked_about_in_a_message_of_its_own() -> None:
    """First a note, then a plain retry, then the next provider, then the end."""
    rows = turn_rows(user(), assistant(call(ident="c1")), result("c1"))
    effects = play(rows, Drained(messages=()), EMPTY, None, EMPTY, EMPTY, EMPTY)
    _, first, note, second, third, fourth, last = effects
    assert note == RecordMessages(messages=(Note(text=EMPTY_NOTE),))
    asked = [first, second, third, fourth]
    assert all(isinstance(e, CallModel) and e.step == 1 for e in asked)
    with_note = (*rows.messages, Note(text=EMPTY_NOTE))
    assert [e.messages for e in asked if isinstance(e, CallModel)] == [rows.messages] + [
        with_note
    ] * 3
    assert [e.elsewhere for e in asked if isinstance(e, CallModel)] == [False] * 3 + [True]
    assert [e.wasted for e in asked if isinstance(e, CallModel)] == [None] + [EMPTY] * 3
    assert ended(last).mark is Mark.EMPTY


def test_an_empty_reply_to_people_is_retried_without_a_note() -> None:
    """There are no results it could have answered."""
    effects = play(turn_rows(), EMPTY, EMPTY, EMPTY)
    assert [type(effect) for effect in effects] == [CallModel] * 3 + [CloseTurn]
    assert ended(effects[-1]).state is TurnState.FAILED


def test_words_after_an_empty_reply_end_the_turn_as_ever() -> None:
    """One bad reply leaves nothing behind."""
    *_, last = play(turn_rows(), EMPTY, replied("here"))
    assert (ended(last).state, ended(last).text) == (TurnState.DONE, "here")


def test_a_turn_taken_up_behind_the_note_is_not_told_twice() -> None:
    """The note is in the rows; what follows is the plain retry."""
    rows = turn_rows(user(), assistant(call(ident="c1")), result("c1"), Note(text=EMPTY_NOTE))
    _, second, third = play(rows, EMPTY, EMPTY)
    assert isinstance(second, CallModel)
    assert isinstance(third, CallModel)
    assert (second.elsewhere, third.elsewhere) == (False, True)


def test_a_turn_ends_when_its_time_is_over() -> None:
    """Time at work counts, at the moment of the next model call."""
    flow = turn_flow(turn_rows(), JUDGE, lambda: 1800.0)
    assert ended(next(flow)).reached == "30 minutes of work"
    assert isinstance(next(turn_flow(turn_rows(), JUDGE, lambda: 1799.0)), CallModel)


def test_calls_beyond_those_of_the_turn_are_not_run() -> None:
    """At 58 calls two more are made, whatever a step may have."""
    rows = turn_rows(calls_made=CALLS_PER_TURN - 2)
    effect = play(rows, replied(*[call("pure", f'{{"n": {n}}}') for n in range(4)]))[-1]
    assert isinstance(effect, RecordStep)
    assert [c.refusal is None for c in effect.calls] == [True, True, False, False]


def inside(*parts: Any, ends: str = "") -> ModelReplied:
    """A reply whose first call the provider made itself."""
    done = ToolResult(call_id="", name="", status=ResultStatus.DONE, text="ran there")
    return replace(replied(*parts, ends), results={0: done})


def test_calls_a_provider_made_itself_are_recorded_and_not_judged() -> None:
    """Their results stand where the provider has them, and the last words end the turn."""
    reply = inside("I look.", call("shell", "not json"), ends="All is well.")
    _, record, last = play(turn_rows(), reply, None)
    assert isinstance(record, RecordStep)
    (made,) = record.calls
    assert made.prepared is None
    assert made.refusal is not None
    assert (made.refusal.call_id, made.refusal.name, made.refusal.text) == (
        call_id("s1", 1, 1, 0),
        "shell",
        "ran there",
    )
    assert record.message.text == "I look."
    assert ended(last).text == "All is well."
    assert ended(last).messages == (assistant("All is well."),)
    assert ended(last).step is None


def test_calls_made_there_without_last_words() -> None:
    """Words before the calls are an answer; none at all is an empty one."""
    *_, last = play(turn_rows(), inside("Done so.", call("shell")), None)
    assert (ended(last).state, ended(last).text) == (TurnState.DONE, "")
    *_, last = play(turn_rows(), inside(call("shell")), None)
    assert ended(last).mark is Mark.EMPTY


def test_a_call_made_there_whose_end_nobody_knows_is_asked_about() -> None:
    """It is stored as begun, people are asked, and no model goes on before they have said."""
    lost = ToolResult(call_id="", name="", status=ResultStatus.UNKNOWN, text="lost")
    reply = inside(call("shell"), call("once"), ends="All is well.")
    reply = replace(reply, results={**reply.results, 1: lost})
    _, record, ask, wait = play(turn_rows(), reply, None, None)
    assert isinstance(record, RecordStep)
    known, doubt = record.calls
    assert (known.inside, known.refusal is not None) == (True, True)
    assert (doubt.inside, doubt.refusal) == (True, None)
    assert isinstance(ask, AskPeople)
    assert [each.call.id for each in ask.calls] == [doubt.call.id]
    assert wait == Wait()


def test_what_a_provider_did_before_it_failed_is_a_step() -> None:
    """It has not had its last word: the turn goes on behind what is done."""
    reply = replace(inside(call("shell")), stop=Stop.TOOL_CALLS)
    _, _, drain, again = play(turn_rows(), reply, None, Drained(messages=()))
    assert drain == DrainInbox()
    assert isinstance(again, CallModel)
    assert isinstance(again.messages[-1], ToolResult)


def test_calls_of_both_kinds_go_on_as_a_step() -> None:
    """What the provider did has its result; the rest is judged and run."""
    _, record, gate = play(turn_rows(), inside(call("shell"), call("pure")), None)
    assert isinstance(record, RecordStep)
    assert [c.refusal is None for c in record.calls] == [False, True]
    assert isinstance(gate, GateCalls)
    assert [c.call.name for c in gate.calls] == ["pure"]


def test_a_transcript_that_was_folded_stays_so() -> None:
    """The next call is made with what the last one folded, and asks for no further fold."""
    folded = (user("hello"), Summary(text="so far"))
    rows = turn_rows(user("hello"), assistant("old"), user("now"), fold=True)
    reply = replace(replied(call("pure")), messages=folded)
    effects = play(rows, reply, None, allowed, ran, Drained(messages=()))
    first, last = effects[0], effects[-1]
    assert isinstance(first, CallModel)
    assert isinstance(last, CallModel)
    assert (first.fold, last.fold) == (True, False)
    assert last.messages[:2] == folded
    *_, again = play(rows, Interrupted(shown="", messages=folded), Drained(messages=()))
    assert isinstance(again, CallModel)
    assert again.messages == folded


def test_the_record_of_the_attempt_goes_where_the_reply_goes() -> None:
    """With the step, or with the end."""
    attempt = AttemptRecord(step=1, attempt=1, entry="main", asked="m", outcome="done")
    _, record = play(turn_rows(), replace(replied(call("pure")), attempt=attempt))
    assert isinstance(record, RecordStep)
    assert record.attempt is attempt
    _, last = play(turn_rows(), replace(replied("words"), attempt=attempt))
    assert ended(last).attempt is attempt


def test_a_model_in_a_circle_is_told_once_and_then_stopped() -> None:
    """Three equal steps, one note that the chat does not see, one more step, the end."""
    flow = turn_flow(turn_rows(), JUDGE)
    effect, notes, steps = next(flow), [], 0
    while not isinstance(effect, CloseTurn):
        match effect:
            case CallModel():
                steps += 1
                effect = flow.send(replied("Once more.", call("pure")))
            case GateCalls():
                effect = flow.send(allowed(effect))
            case RunTools():
                effect = flow.send(ran(effect))
            case DrainInbox():
                effect = flow.send(Drained(messages=()))
            case RecordMessages(messages=messages):
                notes.append((steps, messages))
                effect = flow.send(None)
            case _:
                effect = flow.send(None)
    assert notes == [(3, (Note(text=LOOP_NOTE),))]
    assert steps == 4
    assert (effect.end.state, effect.end.mark) == (TurnState.HALTED, Mark.LOOP)
    assert effect.end.why == "one call again and again: pure"


def test_siblings_of_unusable_calls_run() -> None:
    """Three of them end the turn only once what could be run has been."""
    bad = [call("pure", "{"), call("gone"), call("pure", "[]"), call("pure", "x")]
    effects = play(
        turn_rows(), replied(call("pure"), *bad), None, allowed, ran, Drained(messages=())
    )
    (run,) = (effect for effect in effects if isinstance(effect, RunTools))
    assert len(run.calls) == 1
    assert ended(effects[-1]).mark is Mark.UNUSABLE_CALLS
