"""Stories of messages, tools and commands; those with cards are in `card_stories`."""

import re

from gateway.echoes import EXPLAIN_WITHIN_S, PAUSE_S
from gateway.store import transitions
from tests.kill.card_stories import CARD_STORIES
from tests.kill.clock_stories import CLOCK_STORIES
from tests.kill.owner_stories import OWNER_STORIES
from tests.kill.scene import HEARD_MICROS, Death, Scene
from tests.kill.story import (
    LONG_WORDS,
    ONE,
    PRESSED,
    TWO,
    Story,
    answer,
    at_length,
    from_the_beginning,
    haltingly,
    long_answer,
    looking_first,
    passes_by,
    plainly,
    with_tools,
)
from tests.kill.verdict import Aside, Cut, Ending, Whole
from tests.recordings import voice
from tests.scenarios.stage import KEY, WAIT_S
from tests.wire.openai import Reply

WORDY = 130

# What people do.


async def ask(scene: Scene) -> None:
    """A question, and its answer in the making."""
    await scene.person.say(ONE)
    await scene.sees("This is the answer to")
    scene.hold.set()
    await scene.sees(answer(ONE))


async def begin(scene: Scene) -> None:
    """A first question to a gateway that never ran before."""
    await scene.present()
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


async def ask_slowed_down(scene: Scene) -> None:
    """The platform refuses the first post."""
    scene.person.slow_down()
    scene.hold.set()
    await ask(scene)


async def ask_for_work(scene: Scene) -> None:
    """A question that takes tools; where people are asked about one, it is noted as done."""
    await scene.person.say(ONE)
    await scene.decide(answer(ONE), in_doubt="Mark done")


async def ask_twice(scene: Scene) -> None:
    """A second question while the first is worked on."""
    await scene.person.say(ONE)
    await scene.sees("Let me look at it first")
    await scene.person.say(TWO)
    scene.hold.set()
    await scene.sees(TWO)


async def interrupt(scene: Scene) -> None:
    """A second question that cuts the first one's answer."""
    await scene.person.say(ONE)
    await scene.sees("Let me begin at the very beginning")
    await scene.person.say(TWO)
    await scene.sees(answer(TWO), answer(ONE, TWO))


async def ask_at_length(scene: Scene) -> None:
    """A question with an answer in parts."""
    await scene.person.say(ONE)
    await scene.sees("word1 word2 ")
    scene.hold.set()
    await scene.sees(f"word{LONG_WORDS}")


async def stop_all(scene: Scene) -> None:
    """A question, and then nothing more of it."""
    await scene.person.say(ONE)
    await scene.sees("This is the answer to")
    await scene.person.give("stop", "all")
    await scene.sees("Stopped by", answer(ONE))


async def ask_about_a_file(scene: Scene) -> None:
    """Words with a file that can't be read."""
    await scene.person.attach(ONE, "bad.png", b"no picture")
    await scene.sees(answer(ONE))


async def ask_by_voice(scene: Scene) -> None:
    """Words with a recording of more words."""
    scene.model.spoken[VOICE] = "what was said"
    scene.model.spoken_seconds = 2
    await scene.person.attach(ONE, "note.ogg", VOICE, "audio/ogg")
    await scene.sees(answer(ONE))


def knowing_the_words(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """The answer, if what was said was given once."""
    if said != (ONE, "[recording, 2 s, transcribed]\nwhat was said"):
        return Reply(deltas=(f"This is something else: {said}",))
    return plainly(scene, (ONE,), tools_ran)


def knowing_the_file(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """The answer, if both the words and what became of the file were given once."""
    files = [each for each in said if each.startswith("[attached: bad.png")]
    if len(said) != 2 or len(files) != 1 or "not read" not in files[0]:
        return Reply(deltas=(f"This is something else: {said}",))
    return plainly(scene, (ONE,), tools_ran)


async def ask_for_help(scene: Scene) -> None:
    """A command, and its answer."""
    await scene.person.give("help")
    await scene.sees(HELP)


async def choose_model(scene: Scene) -> None:
    """A command that changes the session."""
    await scene.person.give("model", "main")
    await scene.sees(CHOSEN)


async def take_back(scene: Scene) -> None:
    """A question, its answer, and both are taken back."""
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))
    await scene.person.give("undo")
    await scene.sees(*TAKEN_BACK)


async def have_forgotten(scene: Scene) -> None:
    """A question, its answer, and the words of both are deleted; it asks twice."""
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))
    await scene.person.give("forget")
    found = CODE.search(await scene.sees(*ASKS))
    code = found[1] if found is not None else ""
    await scene.person.give("forget", f"{code} {code}")
    await scene.sees(*GONE)


async def try_again(scene: Scene) -> None:
    """A question, its answer, and another one to the same question."""
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))
    await scene.person.give("retry")
    await scene.until(
        lambda: (
            sum(answer(TWO) in " ".join(text.split()) for text in scene.person.shown()) > 1
            or any(AT_IT in text for text in scene.person.shown())
        ),
        timeout=WAIT_S,
    )


async def condense(scene: Scene) -> None:
    """A wordy answer, and before the next one it is made short."""
    await scene.person.say(ONE)
    await scene.sees(f"word{WORDY}")
    await scene.person.give("compact")
    await scene.sees(CONDENSES)
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


def wordily(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """An answer that is the longest part of its chat."""
    return Reply(deltas=(wordy(),)) if ONE in said else plainly(scene, said, tools_ran)


def wordy() -> str:
    """Words in one message of every platform, and above what a part is cut to."""
    return " ".join(
        f"\u00e4\u00f6\u00fc\u00e4\u00f6\u00fcword{number}" for number in range(1, WORDY + 1)
    )


async def begin_anew(scene: Scene) -> None:
    """A command that waits its turn, and a question in the fresh session."""
    await scene.person.give("new")
    await scene.sees(FRESH)
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


async def mistype(scene: Scene) -> None:
    """A command that there is none of."""
    await scene.person.give("frobnicate")
    await scene.sees(REFUSED)


async def be_told(scene: Scene) -> None:
    """The operator sends words from outside."""
    await scene.send(OPERATOR_SAYS)
    await scene.sees(OPERATOR_SAYS)


async def log_in(scene: Scene) -> None:
    """The operator logs in to an account; somebody asks something."""
    await scene.log_in()
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


async def nonsense_first(scene: Scene) -> None:
    """Something nobody understands, then a question."""
    await scene.person.malformed()
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


async def write_to_a_closed_door(scene: Scene) -> None:
    """The operator sends words to somebody who can't be written to."""
    await scene.send(OPERATOR_SAYS, chat=scene.person.close_door())
    await scene.sees(BURIED)


async def ask_and_stop_the_gateway(scene: Scene) -> None:
    """A question, and SIGTERM."""
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))
    scene.terminate()


async def meddle(scene: Scene) -> None:
    """Somebody else writes with the gateway's token, once; then all is quiet for long."""
    await scene.person.write_as_the_bot()
    scene.order(f"pass {2 * (EXPLAIN_WITHIN_S + PAUSE_S)}")


async def prune(scene: Scene) -> None:
    """What was said has become old."""
    scene.order("prune")


HELP = "start a fresh session"
CHOSEN = "From the next turn on, this session uses loopback-1."
AT_IT = "I am still at it"
CONDENSES = "before my next answer here"
ASKS = ("To go on, write",)
CODE = re.compile(r"forget (\w{4})\.")
ALL_GONE = (
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM message JOIN session ON session.id ="
    " message.session_id WHERE session.closed_at IS NOT NULL)"
)
GONE = ("Forgotten.", "Nothing of this session is stored.")
TAKEN_BACK = ("Taken back", AT_IT)
FRESH = "Fresh session. The old one is kept."
REFUSED = "frobnicate"
OPERATOR_SAYS = "A word from the operator."
BUSY = Aside(phrases=("Still at work on what came before",), needed=False)
BURIED = "can't be written to any more"
STOPPED = ("waiting message", "Stopped.", "Nothing is running here.")

PLAIN = Ending(texts=(Whole(words=answer(ONE)),), calls=1, turns=1)
PLAIN_TWO = Ending(texts=(Whole(words=answer(TWO)),), calls=1, turns=1)
JOINED = Ending(texts=(Whole(words=answer(ONE, TWO)),), calls=2, turns=1)
SILENT = Ending(texts=(), calls=0, turns=0)
WORK = Ending(texts=(Whole(words=f"Let me see to it first. {answer(ONE)}"),), calls=2, turns=1)
SERVERS = """
[[mcp]]
name = "far"
command = ["{python}", "tests/wire/mcp_server.py", "{path}"]
"""
MAIL_IS_IN_DOUBT = Death(transition=transitions.CALL_FINISHED.name, moment="before", nth=4)

VOICE = voice(2)
HEARS = f"""
[transcription]
model = "whisper-1"
base_url = "{{model}}"
api_key = "{KEY}"
price = "{HEARD_MICROS * 60 / 1_000_000}"
"""
FILES_TOLD = "Not read: bad.png (it is no PNG, JPEG, GIF or WebP)."

PLAIN_STORIES: tuple[Story, ...] = (
    Story(
        name="plain",
        passes=passes_by(
            transitions.EVENT_STORED,
            transitions.SESSION_TAKEN,
            transitions.STEP_INTENDED,
            transitions.REPLY_BEGUN,
            *[transitions.ROW_DEPARTED] * 2,
            *[transitions.ROW_SETTLED] * 2,
            transitions.TURN_CLOSED,
        ),
        play=ask,
        endings=(PLAIN,),
        reply=haltingly,
    ),
    Story(
        name="files",
        passes=passes_by(
            transitions.EVENT_STORED,
            transitions.SESSION_TAKEN,
            transitions.FILES_TAKEN,
            transitions.STEP_INTENDED,
            transitions.TURN_CLOSED,
        ),
        play=ask_about_a_file,
        endings=(
            Ending(texts=(Whole(words=FILES_TOLD), Whole(words=answer(ONE))), calls=1, turns=1),
        ),
        reply=knowing_the_file,
    ),
    Story(
        name="voice",
        passes=passes_by(
            transitions.HEARING_INTENDED, transitions.FILES_TAKEN, transitions.TURN_CLOSED
        ),
        play=ask_by_voice,
        endings=(PLAIN,),
        reply=knowing_the_words,
        config=HEARS,
    ),
    Story(
        name="tools",
        passes=passes_by(
            *[transitions.STEP_INTENDED] * 2,
            transitions.STEP_RECORDED,
            transitions.CALLS_INTENDED,
            transitions.CALL_APPLIED,
            *[transitions.CALL_FINISHED] * 4,
            transitions.INBOX_DRAINED,
            transitions.TURN_CLOSED,
        ),
        play=ask_for_work,
        endings=(WORK,),
        reply=with_tools,
        asides=(PRESSED,),
    ),
    Story(
        name="doubt",
        passes=passes_by(
            transitions.RUN_BEGUN,
            transitions.DOUBT_ASKED,
            transitions.REQUEST_DECIDED,
            transitions.COMMAND_DONE,
            *[transitions.ROW_DEPARTED] * 2,
            *[transitions.ROW_SETTLED] * 2,
            transitions.TURN_CLOSED,
        ),
        play=ask_for_work,
        endings=(WORK,),
        reply=with_tools,
        asides=(PRESSED,),
        first=MAIL_IS_IN_DOUBT,
    ),
    Story(
        name="begin",
        passes=passes_by(
            transitions.RUN_BEGUN,
            transitions.SEAL_MADE,
            transitions.ALLOWANCE_ENDED,
            transitions.KEY_MARKED,
        ),
        play=begin,
        endings=(PLAIN_TWO,),
        reply=plainly,
        newborn=True,
    ),
    Story(
        name="login",
        passes=passes_by(transitions.LOGIN_KEPT),
        play=log_in,
        endings=(PLAIN_TWO,),
        reply=plainly,
        leaves="SELECT 1 FROM credential_login WHERE refresh_token = 'the-refresh-token'",
    ),
    Story(
        name="servers",
        passes=passes_by(transitions.MCP_PINNED),
        play=begin,
        endings=(PLAIN_TWO,),
        reply=plainly,
        config=SERVERS,
        newborn=True,
    ),
    Story(
        name="join",
        passes=passes_by(
            *[transitions.EVENT_STORED] * 2,
            transitions.CALL_FINISHED,
            transitions.INBOX_DRAINED,
            transitions.TURN_CLOSED,
        ),
        play=ask_twice,
        endings=(
            Ending(
                texts=(Whole(words=f"Let me look at it first. {answer(ONE, TWO)}"),),
                calls=2,
                turns=1,
            ),
            Ending(
                texts=(
                    Whole(words=f"Let me look at it first. {answer(ONE)}"),
                    Whole(words=answer(TWO)),
                ),
                calls=3,
                turns=2,
            ),
        ),
        reply=looking_first,
        asides=(BUSY,),
    ),
    Story(
        name="interrupt",
        passes=passes_by(
            transitions.MESSAGES_RECORDED, transitions.INBOX_DRAINED, transitions.TURN_CLOSED
        ),
        play=interrupt,
        endings=(
            Ending(
                texts=(Whole(words=f"Let me begin at the very beginning: {answer(TWO)}"),),
                calls=2,
                turns=1,
            ),
            JOINED,
            Ending(
                texts=(
                    Whole(words="Let me begin at the very beginning: it is so."),
                    Whole(words=answer(TWO)),
                ),
                calls=2,
                turns=2,
            ),
        ),
        reply=from_the_beginning,
        asides=(BUSY,),
        sessions='busy = "interrupt"',
    ),
    Story(
        name="long",
        passes=passes_by(
            *[transitions.REPLY_BEGUN] * 1,
            *[transitions.ROW_DEPARTED] * 3,
            *[transitions.ROW_SETTLED] * 3,
            transitions.TURN_CLOSED,
        ),
        play=ask_at_length,
        endings=(Ending(texts=(Whole(words=long_answer()),), calls=1, turns=1),),
        reply=at_length,
        possible=lambda person: person.part_max < 10_000,
    ),
    Story(
        name="stop",
        passes=passes_by(
            transitions.STOP_MARKED,
            transitions.WAITING_WITHDRAWN,
            transitions.COMMAND_DONE,
            transitions.TURN_CLOSED,
        ),
        play=stop_all,
        endings=(
            Ending(
                texts=(Cut(begins="This is the answer to", remark="Stopped by"),), calls=1, turns=1
            ),
            Ending(texts=(Cut(begins="Stopped by", remark="Stopped by"),), calls=1, turns=1),
            PLAIN,
        ),
        reply=haltingly,
        asides=(Aside(phrases=STOPPED, needed=False, answers=True),),
    ),
    Story(
        name="help",
        passes=passes_by(transitions.EVENT_STORED, transitions.COMMAND_DONE),
        play=ask_for_help,
        endings=(SILENT,),
        reply=plainly,
        asides=(Aside(phrases=(HELP,), answers=True),),
    ),
    Story(
        name="model",
        passes=passes_by(transitions.MODEL_CHOSEN, transitions.COMMAND_DONE),
        play=choose_model,
        endings=(SILENT,),
        reply=plainly,
        asides=(Aside(phrases=(CHOSEN,), answers=True),),
    ),
    Story(
        name="undo",
        passes=passes_by(transitions.TURN_UNDONE, transitions.COMMAND_DONE),
        play=take_back,
        endings=(PLAIN_TWO,),
        reply=plainly,
        asides=(Aside(phrases=TAKEN_BACK, answers=True),),
    ),
    Story(
        name="forget",
        passes=passes_by(*[transitions.SESSION_FORGOTTEN] * 3, *[transitions.COMMAND_DONE] * 2),
        play=have_forgotten,
        endings=(PLAIN_TWO,),
        reply=plainly,
        asides=(Aside(phrases=ASKS, answers=True), Aside(phrases=GONE, answers=True)),
        leaves=ALL_GONE,
    ),
    Story(
        name="retry",
        passes=passes_by(transitions.TURN_RETRIED, *[transitions.TURN_CLOSED] * 2),
        play=try_again,
        endings=(
            Ending(texts=(Whole(words=answer(TWO)), Whole(words=answer(TWO))), calls=2, turns=2),
            PLAIN_TWO,
        ),
        reply=plainly,
        asides=(Aside(phrases=(AT_IT,), needed=False, answers=True),),
    ),
    Story(
        name="condense",
        passes=passes_by(transitions.SESSION_FOLDED, *[transitions.TURN_CLOSED] * 2),
        play=condense,
        endings=(Ending(texts=(Whole(words=wordy()), Whole(words=answer(TWO))), calls=2, turns=2),),
        reply=wordily,
        asides=(Aside(phrases=(CONDENSES,), answers=True),),
        leaves="SELECT 1 FROM fold WHERE kind = 'prune'",
    ),
    Story(
        name="new",
        passes=passes_by(transitions.SESSION_RENEWED),
        play=begin_anew,
        endings=(PLAIN_TWO,),
        reply=plainly,
        asides=(Aside(phrases=(FRESH,)),),
    ),
    Story(
        name="refused",
        passes=passes_by(
            transitions.EVENT_STORED, transitions.ROW_DEPARTED, transitions.ROW_SETTLED
        ),
        play=mistype,
        endings=(SILENT,),
        reply=plainly,
        asides=(Aside(phrases=(REFUSED,)),),
        possible=lambda person: person.has_any_commands,
    ),
    Story(
        name="send",
        passes=passes_by(
            transitions.SEND_STORED, transitions.ROW_DEPARTED, transitions.ROW_SETTLED
        ),
        play=be_told,
        endings=(Ending(texts=(Whole(words=OPERATOR_SAYS),), calls=0, turns=0),),
        reply=plainly,
    ),
    Story(
        name="nonsense",
        passes=passes_by(transitions.EVENT_IGNORED),
        play=nonsense_first,
        endings=(PLAIN_TWO,),
        reply=plainly,
        # The page refuses it itself.
        possible=lambda person: person.name != "web",
    ),
    Story(
        name="slowed",
        passes=passes_by(transitions.ROW_HELD),
        play=ask_slowed_down,
        endings=(PLAIN,),
        reply=haltingly,
        possible=lambda person: person.has_rates,
    ),
    Story(
        name="gap",
        passes=passes_by(transitions.GAP_STORED),
        play=ask,
        endings=(PLAIN,),
        reply=haltingly,
        first=Death(transition=transitions.TURN_CLOSED.name, moment="before"),
        possible=lambda person: person.reads_back,
    ),
    Story(
        name="leave",
        passes=passes_by(transitions.RUN_ENDED),
        play=ask_and_stop_the_gateway,
        endings=(PLAIN_TWO,),
        reply=plainly,
    ),
    Story(
        name="closed",
        passes=passes_by(transitions.CHAT_BURIED, transitions.NOTICE_STORED),
        play=write_to_a_closed_door,
        endings=(SILENT,),
        reply=plainly,
        asides=(Aside(phrases=(BURIED,)),),
        told=True,
        dies_at=("send",),
        possible=lambda person: person.has_closed_doors,
    ),
    Story(
        name="meddler",
        passes=passes_by(transitions.CHAT_PAUSED, transitions.CHAT_RESUMED),
        play=meddle,
        endings=(SILENT,),
        reply=plainly,
        possible=lambda person: person.has_echoes,
    ),
    Story(
        name="watched",
        passes=passes_by(transitions.CHAT_SHOWN),
        play=ask,
        endings=(PLAIN,),
        reply=haltingly,
        possible=lambda person: person.name == "terminal",
    ),
    Story(
        name="prune",
        passes=passes_by(transitions.RETENTION_PRUNED),
        play=prune,
        endings=(SILENT,),
        reply=plainly,
        # The page would show what is stored, and of old messages nothing is.
        possible=lambda person: person.name != "web",
    ),
)

STORIES = PLAIN_STORIES + CARD_STORIES + CLOCK_STORIES + OWNER_STORIES
