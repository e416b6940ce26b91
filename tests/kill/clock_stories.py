"""Stories of jobs that run at certain times: made by command, and run by hand to save the wait."""

from gateway.store import transitions
from tests.kill.scene import Scene
from tests.kill.story import ONE, TWO, Story, answer, passes_by
from tests.kill.verdict import Aside, Ending, Whole
from tests.wire.openai import Reply

NAME = "question-one"
"""What a job is named whose words begin so."""

MADE, RUNS = "is made; first", "runs now (f"
FIRED_TWICE = "SELECT 1 FROM cron_fire LIMIT 1 OFFSET 1"
RUNNING = "SELECT 1 FROM cron_fire WHERE state NOT IN ('due')"
EACH_ONCE = (
    " AND (SELECT COUNT(*) FROM cron_fire) = (SELECT COUNT(*) FROM inbox WHERE"
    """ content LIKE '%"command":"cron"%' AND content LIKE '%"args":"run %')"""
)
"""A run for each command that came: who is told that one did not arrive may give it again."""

OVER = "SELECT 1 FROM cron_fire WHERE state = 'delivered'"
EITHER_OVER = "SELECT 1 FROM cron_fire WHERE job = 'question-one' AND state = 'delivered'"
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
    await scene.person.give("cron", f"run {NAME}")
    await scene.sees(answer(ONE))
    await scene.holds(OVER)


async def run_twice(scene: Scene) -> None:
    """A second run is asked for while the first is at work: it waits."""
    await scene.person.give("cron", f'add "0 0 1 1 *" {ONE}')
    await scene.sees(MADE)
    await scene.person.give("cron", f"run {NAME}")
    await scene.holds(RUNNING)
    await scene.person.give("cron", f"run {NAME}")
    await scene.holds(FIRED_TWICE)
    scene.hold.set()
    await scene.holds(BOTH_OVER)


async def begin_with_a_job(scene: Scene) -> None:
    """A gateway that never ran before has a job in its configuration."""
    scene.hold.set()
    await scene.present()
    await scene.person.say(TWO)
    await scene.sees(answer(TWO))


REPORTS = 4
"""Runs at most that a story may have where commands are given again."""

TOLD = Aside(phrases=(MADE, RUNS, "There is a job", "There is no job"), answers=True)
REPORT = Whole(words=answer(ONE))


def reports(least: int) -> tuple[Ending, ...]:
    """So many reports, or more where commands were given again."""
    return tuple(
        Ending(texts=(REPORT,) * count, calls=count, turns=count)
        for count in range(least, REPORTS + 1)
    )


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
        endings=reports(1),
        reply=of_the_job,
        asides=(TOLD,),
        told=True,
        leaves=OVER + EACH_ONCE,
    ),
    Story(
        name="job_waits",
        passes=passes_by(transitions.FIRE_BEGUN),
        play=run_twice,
        endings=reports(2),
        reply=of_the_job,
        asides=(TOLD,),
        told=True,
        leaves=EITHER_OVER + EACH_ONCE,
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
