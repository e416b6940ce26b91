"""Stories in which people are asked: cards, money, leave for several calls, work elsewhere."""

from collections.abc import Callable, Coroutine
from typing import Any

from gateway.store import transitions
from tests.kill.effects import BUY, FIND, KEEP, LOOK, RENT, REPEAT
from tests.kill.scene import Death, Scene
from tests.kill.story import ONE, PRESSED, TWO, Story, answer, haltingly, passes_by, plainly
from tests.kill.verdict import Aside, Cut, Ending, Whole
from tests.wire.openai import CallTool, Reply
from tests.wire.openai.script import Script
from tests.wire.server import Answer

FIRST = "Let me see to it first."
ONCE = "Approve once"
DONE = "Mark done"

# Models.


def wanting(*names: str) -> Callable[[Scene, tuple[str, ...], bool], Reply]:
    """A model that answers question one after these calls, and anything else at once."""

    def reply(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
        if tools_ran or ONE not in said:
            return plainly(scene, said, tools_ran)
        calls = tuple(CallTool(name=name, arguments="{}", id=f"call_{name}") for name in names)
        return Reply(deltas=(FIRST,), calls=calls)

    return reply


def dearly(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """A first step after which a small budget has no room for a second one."""
    reply = wanting(LOOK)(scene, said, tools_ran)
    return Reply(deltas=reply.deltas, calls=reply.calls, usage={"completion_tokens": 3_500})


def unwillingly(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Script:
    """No answer to question one, and no use in asking again."""
    return _REJECTED if ONE in said else plainly(scene, said, tools_ran)


_REJECTED = Answer(
    status=400,
    body=b'{"error":{"message":"Nobody may ask for this here at all.","code":"no"}}',
)

# What people do.


def asks(**presses: str) -> Callable[[Scene], Coroutine[Any, Any, None]]:
    """A question, and these presses on what is asked back."""

    async def play(scene: Scene) -> None:
        await scene.person.say(ONE)
        await scene.decide(answer(ONE), **{"in_doubt": DONE, **presses})

    return play


async def ask_and_look(scene: Scene) -> None:
    """A question whose card stands a while before anybody decides."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card WHERE posted_at IS NOT NULL")
    await scene.decide(answer(ONE), approval=ONCE)


async def ask_and_forget(scene: Scene) -> None:
    """A question whose card nobody decides."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card WHERE posted_at IS NOT NULL")
    scene.age("UPDATE card SET expires_at = created_at + 1, remind_at = NULL")
    await scene.sees("nobody decided in time")


async def ask_and_be_reminded(scene: Scene) -> None:
    """A question whose card is decided only after a reminder."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card WHERE posted_at IS NOT NULL")
    scene.age("UPDATE card SET remind_at = created_at WHERE remind_at IS NOT NULL")
    await scene.sees("still waits")
    await scene.decide(answer(ONE), approval=ONCE)


async def write_on(scene: Scene) -> None:
    """A question, and new words in place of a decision."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card")
    await scene.person.say(TWO)
    await scene.sees(answer(ONE, TWO))


async def ask_and_stop(scene: Scene) -> None:
    """A question, and /stop in place of a decision."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card")
    await scene.person.give("stop")
    await scene.sees("Stopped by")


async def refuse_in_a_form(scene: Scene) -> None:
    """A no with a reason, which is asked for by a message."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card")
    await _until_label(scene, "More")
    await scene.person.press("More")
    await _until_label(scene, "Deny with a reason")
    await scene.person.press("Deny with a reason")
    await scene.holds("SELECT 1 FROM prompt")
    await scene.person.fill({"reason": "too dear"})
    await scene.decide(answer(ONE))


async def allow_for_the_chat(scene: Scene) -> None:
    """Leave for several calls, read whole and pressed twice; another question goes by it."""
    await scene.person.say(ONE)
    await scene.holds("SELECT 1 FROM card")
    if not scene.person.has_menu:
        await _until_label(scene, "More")
        await scene.person.press("More")
    await _until_label(scene, "Approve for this chat")
    await scene.person.press("Approve for this chat")
    await scene.decide(answer(ONE), approval="Yes", in_doubt=DONE)


async def let_it_run(scene: Scene) -> None:
    """/auto, and a question whose call is not asked about; then its time is over."""
    await scene.person.give("auto", "$2 1h")
    await scene.holds("SELECT 1 FROM allowance")
    await scene.person.say(ONE)
    await scene.decide(answer(ONE), in_doubt=DONE)
    scene.age("UPDATE allowance SET until_at = created_at + 1")
    await scene.holds("SELECT 1 FROM allowance WHERE state = 'ended'")


async def freeze(scene: Scene) -> None:
    """Nothing is spent for a while."""
    await scene.person.give("freeze")
    await scene.holds("SELECT 1 FROM freeze")
    await scene.person.give("unfreeze")
    await scene.holds("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM freeze)")
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


async def let_somebody_in(scene: Scene) -> None:
    """A stranger writes, and an owner says that they may; what they wrote is answered."""
    await scene.person.say(ONE, by="mallory")
    await scene.holds(HELD)
    await scene.person.give("pair", f"allow {scene.person.person('mallory')}")
    await scene.holds(LET_IN)


async def turn_somebody_away(scene: Scene) -> None:
    """An owner says of a person that they are to be ignored."""
    await scene.person.give("pair", f"block {scene.person.person('bob')}")
    await scene.holds(BLOCKED)


async def raise_a_limit(scene: Scene) -> None:
    """An owner allows more for today."""
    await scene.person.give("budget", "chat_day $5")
    await scene.holds("SELECT 1 FROM balance WHERE scope LIKE 'chat_day:%' AND raised > 0")


async def mistype_a_code(scene: Scene) -> None:
    """A code that there is no card of."""
    await scene.person.give("approve", "ZZZZZ")
    await scene.holds("SELECT 1 FROM audit WHERE kind = 'refused press'")


async def ask_and_never_hear_the_price(scene: Scene) -> None:
    """A question whose first model call died; much later its hold is booked."""
    await scene.person.say(ONE)
    await scene.sees("This is the answer to")
    scene.hold.set()
    await scene.sees(answer(ONE))
    scene.age("UPDATE reservation SET deadline_at = 1 WHERE state = 'held'")
    await scene.holds(
        "SELECT 1 FROM reservation WHERE state IN ('charged', 'settled') AND deadline_at = 1"
    )


async def ask_what_fails(scene: Scene) -> None:
    """A question the model refuses to take."""
    await scene.person.say(ONE)
    await scene.sees(FAILED)


async def set_up(scene: Scene) -> None:
    """Work that begins again and again, until it is over."""
    await scene.person.say(ONE)
    await _until_label(scene, ONCE)
    await scene.decide(answer(ONE), approval=ONCE, in_doubt=DONE)
    await scene.holds("SELECT 1 FROM remote_job WHERE state = 'ended'")


async def _until_label(scene: Scene, words: str) -> None:
    """Wait until something can be chosen that begins so."""
    person = scene.person
    await scene.until(
        lambda: any(
            label.startswith(words)
            for card in person.cards()
            for label in (*card.buttons, *card.choices)
        ),
        timeout=60.0,
    )


FAILED = "went wrong on our side"
SMALL = "[budget]\nturn = 0.06\n"

NOTHING = Aside(phrases=("There is nothing to decide here",), answers=True)
REMINDER = Aside(phrases=("still waits; it closes",), repeats=False)
AUTO = Aside(phrases=("/auto is on",), answers=True)
RECEIPT = Aside(phrases=("/auto: buy",), repeats=False)
FROZEN = Aside(phrases=("Spending is frozen in this chat",), answers=True)
THAWED = Aside(phrases=("Spending goes on", "Nothing was frozen here"), answers=True)
PAIRING = "".join(f'[access.{name}]\ndm = "pairing"\n' for name in ("telegram", "slack", "discord"))
HELD = "SELECT 1 FROM pairing WHERE state IN ('open', 'allowed')"
LET_IN = (
    "SELECT 1 FROM pairing JOIN turn ON turn.requester = pairing.person"
    " WHERE pairing.state = 'allowed' AND turn.state = 'done'"
)
ASKED_ABOUT = Aside(phrases=("Somebody new writes to me", "allowed by"), repeats=False)
MAY_TALK = Aside(phrases=("may talk to me directly",), answers=True)
BLOCKED = "SELECT 1 FROM pairing WHERE state = 'blocked'"
TURNED_AWAY = Aside(phrases=("is ignored from now on",), answers=True)
RAISED = Aside(phrases=("is raised by $5.00",), answers=True)
SPENT = Aside(phrases=("are spent. /budget",), needed=False, repeats=False)
STOPPED = Aside(phrases=("Stopped.", "Nothing is running here."), needed=False, answers=True)
REASON = Aside(phrases=("Why not? The model reads it.",), needed=False)

BOUGHT = Ending(texts=(Whole(words=f"{FIRST} {answer(ONE)}"),), calls=2, turns=1)
JOINED = Ending(texts=(Whole(words=f"{FIRST} {answer(ONE, TWO)}"),), calls=2, turns=1)
FORGOTTEN = Ending(texts=(Whole(words=FIRST), Cut(begins="Stopped", remark="")), calls=1, turns=1)
LEFT_OFF = Ending(texts=(Whole(words=FIRST), Cut(begins="Stopped by", remark="")), calls=1, turns=1)
SILENT = Ending(texts=(), calls=0, turns=0)
PLAIN = Ending(texts=(Whole(words=answer(ONE)),), calls=1, turns=1)
PLAIN_TWO = Ending(texts=(Whole(words=answer(TWO)),), calls=1, turns=1)
FAILURE = Ending(texts=(Cut(begins="Something in this request", remark=FAILED),), calls=0, turns=1)

DIES_IN_THE_ANSWER = Death(transition=transitions.TURN_CLOSED.name, moment="before")

CARD_STORIES: tuple[Story, ...] = (
    Story(
        name="bought",
        passes=passes_by(
            *[transitions.STEP_INTENDED] * 2,
            transitions.STEP_RECORDED,
            transitions.CALLS_GATED,
            transitions.TURN_WAITS,
            transitions.REQUEST_DECIDED,
            transitions.COMMAND_DONE,
            transitions.SESSION_TAKEN,
            transitions.CALLS_INTENDED,
            transitions.CALL_FINISHED,
            *[transitions.ROW_DEPARTED] * 4,
            *[transitions.ROW_SETTLED] * 4,
            transitions.TURN_CLOSED,
        ),
        play=asks(approval=ONCE),
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED,),
    ),
    Story(
        name="seen",
        passes=passes_by(transitions.CARD_POSTED),
        play=ask_and_look,
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED,),
    ),
    Story(
        name="denied",
        passes=passes_by(
            transitions.CALLS_GATED, transitions.REQUEST_DECIDED, transitions.TURN_CLOSED
        ),
        play=asks(approval="Deny"),
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED,),
    ),
    Story(
        name="reasoned",
        passes=passes_by(transitions.FORM_OPENED, *[transitions.REQUEST_DECIDED] * 2),
        play=refuse_in_a_form,
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED, REASON),
        possible=lambda person: person.form == "reply",
    ),
    Story(
        name="batch",
        passes=passes_by(
            transitions.REQUEST_DECIDED,
            transitions.CALLS_INTENDED,
            *[transitions.CALL_FINISHED] * 2,
        ),
        play=asks(approval="Approve all"),
        endings=(BOUGHT,),
        reply=wanting(BUY, RENT, LOOK),
        asides=(PRESSED,),
    ),
    Story(
        name="superseded",
        passes=passes_by(transitions.CALLS_GATED, transitions.TURN_WAITS, transitions.TURN_CLOSED),
        play=write_on,
        endings=(JOINED,),
        reply=wanting(BUY),
        asides=(PRESSED,),
    ),
    Story(
        name="stopped",
        passes=passes_by(transitions.STOP_MARKED, transitions.TURN_CLOSED),
        play=ask_and_stop,
        endings=(LEFT_OFF,),
        reply=wanting(BUY),
        asides=(PRESSED, STOPPED),
    ),
    Story(
        name="expired",
        passes=passes_by(transitions.CARD_ENDED, transitions.TURN_CLOSED),
        play=ask_and_forget,
        endings=(FORGOTTEN,),
        reply=wanting(BUY),
    ),
    Story(
        name="reminded",
        passes=passes_by(transitions.CARD_REMINDED, transitions.REQUEST_DECIDED),
        play=ask_and_be_reminded,
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED, REMINDER),
    ),
    Story(
        name="short",
        passes=passes_by(transitions.TURN_WAITS, transitions.REQUEST_DECIDED),
        play=asks(limit="Raise by"),
        endings=(BOUGHT,),
        reply=dearly,
        asides=(PRESSED, SPENT),
        told=True,
        config=SMALL,
        limits={"turn": 60_000},
    ),
    Story(
        name="found",
        passes=passes_by(
            transitions.CALLS_INTENDED, transitions.CALL_FINISHED, transitions.TURN_CLOSED
        ),
        play=asks(),
        endings=(BOUGHT,),
        reply=wanting(FIND),
    ),
    Story(
        name="granted",
        passes=passes_by(*[transitions.REQUEST_DECIDED] * 2, transitions.CALL_FINISHED),
        play=allow_for_the_chat,
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED,),
    ),
    Story(
        name="auto",
        passes=passes_by(
            transitions.ALLOWANCE_CHANGED, transitions.CALL_FINISHED, transitions.ALLOWANCE_ENDED
        ),
        play=let_it_run,
        endings=(BOUGHT,),
        reply=wanting(BUY),
        asides=(PRESSED, AUTO, RECEIPT),
    ),
    Story(
        name="frozen",
        passes=passes_by(*[transitions.FREEZE_CHANGED] * 2),
        play=freeze,
        endings=(PLAIN_TWO,),
        reply=plainly,
        asides=(FROZEN, THAWED),
        told=True,
    ),
    Story(
        name="let in",
        passes=passes_by(*[transitions.EVENT_STORED] * 2, transitions.ACCESS_CHANGED),
        play=let_somebody_in,
        endings=(Ending(texts=(), calls=1, turns=1),),
        reply=plainly,
        asides=(ASKED_ABOUT, MAY_TALK),
        told=True,
        config=PAIRING,
        leaves=LET_IN,
        # What is read back after a death is read from chats that are known.
        possible=lambda person: person.has_closed_doors and not person.reads_back,
    ),
    Story(
        name="turned away",
        passes=passes_by(transitions.ACCESS_CHANGED, transitions.COMMAND_DONE),
        play=turn_somebody_away,
        endings=(SILENT,),
        reply=plainly,
        asides=(TURNED_AWAY,),
        told=True,
        leaves=BLOCKED,
        possible=lambda person: person.has_closed_doors,
    ),
    Story(
        name="budget",
        passes=passes_by(transitions.BUDGET_RAISED, transitions.COMMAND_DONE),
        play=raise_a_limit,
        endings=(SILENT,),
        reply=plainly,
        asides=(RAISED,),
        told=True,
        leaves="SELECT 1 FROM balance WHERE scope LIKE 'chat_day:%' AND raised = 5000000",
    ),
    Story(
        name="miscoded",
        passes=passes_by(transitions.PRESS_REFUSED),
        play=mistype_a_code,
        endings=(SILENT,),
        reply=plainly,
        asides=(NOTHING,),
    ),
    Story(
        name="rented",
        passes=passes_by(transitions.CALL_LEFT, transitions.JOB_ENDED, transitions.TURN_CLOSED),
        play=asks(approval=ONCE),
        endings=(BOUGHT,),
        reply=wanting(RENT),
        asides=(PRESSED,),
    ),
    Story(
        name="kept",
        passes=passes_by(transitions.CALL_LEFT, transitions.JOB_LOOKED_AT, transitions.JOB_ENDED),
        play=asks(approval=ONCE),
        endings=(BOUGHT,),
        reply=wanting(KEEP),
        asides=(PRESSED,),
    ),
    Story(
        name="repeated",
        passes=passes_by(
            transitions.CALL_LEFT,
            transitions.CALL_FINISHED,
            transitions.JOB_LOOKED_AT,
            transitions.RUN_BOOKED,
            transitions.JOB_ENDED,
        ),
        play=set_up,
        endings=(BOUGHT,),
        reply=wanting(REPEAT),
        asides=(PRESSED,),
        told=True,
    ),
    Story(
        name="orphan",
        passes=passes_by(transitions.HOLD_CHARGED),
        play=ask_and_never_hear_the_price,
        endings=(PLAIN,),
        reply=haltingly,
        first=DIES_IN_THE_ANSWER,
    ),
    Story(
        name="rejected",
        passes=passes_by(transitions.ATTEMPT_FAILED, transitions.TURN_CLOSED),
        play=ask_what_fails,
        endings=(FAILURE,),
        reply=unwillingly,
    ),
)
