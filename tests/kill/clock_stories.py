"""Stories of jobs that run at certain times: made by command, and run by hand to save the wait.

Who is told that a command did not arrive gives it again, and a job's run is not what it was before:
so runs are asked for with a key, by the operator.
"""

import time

from gateway.hooks import signature
from gateway.store import transitions
from tests.kill.scene import Scene
from tests.kill.story import ONE, TWO, Story, answer, passes_by
from tests.kill.verdict import Aside, Ending, Whole
from tests.wire.openai import Reply

NAME = "question-one"
"""What a job is named whose words begin so."""

MADE = "is made; first"
FIRED_TWICE = "SELECT 1 FROM cron_fire LIMIT 1 OFFSET 1"
RUNNING = "SELECT 1 FROM cron_fire WHERE state NOT IN ('due')"
OVER = "SELECT 1 FROM cron_fire WHERE state = 'delivered'"
BOTH_OVER = (
    "SELECT 1 FROM cron_fire WHERE state = 'delivered' AND job = 'question-one' LIMIT 1 OFFSET 1"
)
YEARLY = """
[[cron]]
name = "yearly"
schedule = "0 0 1 1 *"
prompt = "A good new year!"
deliver = "terminal:0"
"""


HOOK_SECRET = "swordfish-of-the-loopback"
HOOK = f"""
[[cron]]
name = "deploys"
secret = "{HOOK_SECRET}"
prompt = "{ONE}"
deliver = "web:local"
"""


def of_the_job(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """An answer to the words of a job, in two pieces."""
    asked = tuple(words for words in said if words in (ONE, TWO))
    whole = answer(*asked)
    return Reply(deltas=(whole[:10], scene.hold, whole[10:]))


async def run_a_job(scene: Scene) -> None:
    """A job is made, and run once."""
    scene.hold.set()
    await scene.person.give("cron", f'add "0 0 1 1 *" {ONE}')
    await scene.sees(MADE)
    await scene.trigger(NAME, key="first")
    await scene.sees(answer(ONE))
    await scene.holds(OVER)


async def run_twice(scene: Scene) -> None:
    """A second run is asked for while the first is at work: it waits."""
    await scene.person.give("cron", f'add "0 0 1 1 *" {ONE}')
    await scene.sees(MADE)
    await scene.trigger(NAME, key="first")
    await scene.holds(RUNNING)
    await scene.trigger(NAME, key="second")
    await scene.holds(FIRED_TWICE)
    scene.hold.set()
    await scene.holds(BOTH_OVER)


async def begin_with_a_job(scene: Scene) -> None:
    """A gateway that never ran before has a job in its configuration."""
    scene.hold.set()
    await scene.present()
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


async def call_a_hook(scene: Scene) -> None:
    """A signed request is sent until it is answered; whoever has read it sends it once more."""
    scene.hold.set()
    stamp, body = str(int(time.time())), ONE.encode()
    headers = {
        "X-Gatepost-Timestamp": stamp,
        "X-Gatepost-Signature": signature(HOOK_SECRET, timestamp=stamp, body=body),
    }
    assert await scene.post("/hooks/deploys", body, {**headers, "Idempotency-Key": "one"}) < 300
    await scene.holds(OVER)
    assert await scene.post("/hooks/deploys", body, {**headers, "Idempotency-Key": "two"}) == 409


TOLD = Aside(phrases=(MADE,), answers=True)
REPORT = Whole(words=answer(ONE))

CLOCK_STORIES: tuple[Story, ...] = (
    Story(
        name="job",
        passes=passes_by(
            transitions.JOB_CHANGED,
            transitions.FIRE_DUE,
            transitions.SESSION_TAKEN,
            transitions.TURN_CLOSED,
            transitions.FIRE_ENDED,
        ),
        play=run_a_job,
        endings=(Ending(texts=(REPORT,), calls=1, turns=1),),
        reply=of_the_job,
        asides=(TOLD,),
        told=True,
        leaves=OVER,
    ),
    Story(
        name="job_waits",
        passes=passes_by(transitions.FIRE_BEGUN),
        play=run_twice,
        endings=(Ending(texts=(REPORT, REPORT), calls=2, turns=2),),
        reply=of_the_job,
        asides=(TOLD,),
        told=True,
        leaves=BOTH_OVER,
    ),
    Story(
        name="hook",
        passes=passes_by(transitions.HOOK_TAKEN),
        play=call_a_hook,
        endings=(Ending(texts=(), calls=1, turns=1),),
        reply=of_the_job,
        config=HOOK,
        leaves="SELECT 1 FROM cron_fire GROUP BY job HAVING COUNT(*) = 1",
        possible=lambda person: person.name == "web",
    ),
    Story(
        name="jobs_kept",
        passes=passes_by(transitions.JOBS_KEPT),
        play=begin_with_a_job,
        endings=(Ending(texts=(Whole(words=answer(TWO)),), calls=1, turns=1),),
        reply=of_the_job,
        config=YEARLY,
        newborn=True,
        leaves="SELECT 1 FROM cron_job WHERE name = 'yearly' AND next_at IS NOT NULL",
    ),
)
