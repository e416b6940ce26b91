"""Stories of owners: whoever sits at the machine makes a code, and somebody sends it."""

from gateway.store import transitions
from tests.kill.scene import Scene
from tests.kill.story import ONE, Story, answer, passes_by, plainly
from tests.kill.verdict import Aside, Ending, Whole

OWNED = Aside(phrases=("You are an owner of this gateway",), repeats=False)


async def become_an_owner(scene: Scene) -> None:
    """A code is made, and sent with a question behind it."""
    code = await scene.owner_code()
    await scene.person.say(f"{code} {ONE}")
    await scene.sees(answer(ONE))


OWNER_STORIES: tuple[Story, ...] = (
    Story(
        name="owner",
        passes=passes_by(transitions.OWNERS_CHANGED, transitions.OWNER_CODE_TAKEN),
        play=become_an_owner,
        endings=(Ending(texts=(Whole(words=answer(ONE)),), calls=1, turns=1),),
        reply=plainly,
        asides=(OWNED,),
        leaves="SELECT 1 FROM owner JOIN owner_code ON owner_code.ended_at IS NOT NULL",
        # At the page and at a terminal of the machine people are owners already.
        possible=lambda person: person.has_closed_doors,
    ),
)
