"""What a small story is: the writes it passes, the ends it may have, and what its model says.

A story is what people do and wait for. It goes on while the gateway dies and comes back, so
every wait in it is for something that holds in the end whatever happened. `Scene.hold` keeps the
model in the middle of its answer until the story, or the death of the gateway, lets it go on.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.store.base import Transition
from tests.kill.effects import EFFECTS, LOOK
from tests.kill.people import Person
from tests.kill.scene import Death, Model, Scene
from tests.kill.verdict import Aside, Ending
from tests.wire.openai import CallTool, Reply

ONE, TWO = "question one", "question two"
LONG_WORDS = 1_100


PRESSED = Aside(
    phrases=(
        "Noted as done",
        "Approved.",
        "Denied.",
        "Answered.",
        "Approved, and for this chat",
        "Press once more to be sure",
        "This is decided already",
        "Read it, and press once more",
        "The budget of",
    ),
    needed=False,
    answers=True,
)
"""What whoever pressed is told, where that stands in the chat."""


def answer(*said: str) -> str:
    """The answer to what was said."""
    return f"This is the answer to {' and '.join(said)}, and it is whole."


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`passes` names the writes it makes for sure, and how often at least.

    `asides` are answers of the gateway itself that stand somewhere among the rest. `first` is a
    death that comes before the one that is tried; a `newborn` victim dies in its first start, which
    `play` has to wait for. `told` makes ann an owner; rows of the purposes
    `dies_at` can't be delivered. `config` are further tables, `limits` what they say of budgets.
    `leaves` is a query that the database answers with a row in the end.
    """

    name: str
    passes: Mapping[str, int]
    play: Callable[[Scene], Coroutine[Any, Any, None]]
    endings: tuple[Ending, ...]
    reply: Model
    asides: tuple[Aside, ...] = ()
    sessions: str = ""
    first: Death | None = None
    newborn: bool = False
    told: bool = False
    config: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    leaves: str = ""
    dies_at: tuple[str, ...] = ()
    possible: Callable[[Person], bool] = field(default=lambda _: True)


def passes_by(*named: Transition) -> dict[str, int]:
    """How often each is named."""
    counts: dict[str, int] = {}
    for transition in named:
        counts[transition.name] = counts.get(transition.name, 0) + 1
    return counts


# Models.


def plainly(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """A whole answer."""
    return Reply(deltas=(answer(*said),))


def haltingly(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """An answer whose beginning stands before its end is there."""
    if ONE not in said:
        return plainly(scene, said, tools_ran)
    whole = answer(*said)
    cut = whole.index(", and")
    return Reply(deltas=(whole[:cut], scene.hold, whole[cut:]))


def with_tools(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """Five calls, one of each effect, then an answer."""
    if tools_ran or ONE not in said:
        return plainly(scene, said, tools_ran)
    calls = tuple(CallTool(name=name, arguments="{}", id=f"call_{name}") for name in EFFECTS)
    return Reply(deltas=("Let me see to it first.",), calls=calls)


def looking_first(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """A call that others may speak into, then an answer."""
    if tools_ran or ONE not in said:
        return plainly(scene, said, tools_ran)
    call = CallTool(name=LOOK, arguments="{}")
    return Reply(deltas=("Let me look at it first.", scene.hold), calls=(call,))


def from_the_beginning(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """An answer that is easily interrupted."""
    if said != (ONE,):
        return plainly(scene, said or ("nothing new",), tools_ran)
    return Reply(deltas=("Let me begin at the very beginning:", scene.hold, " it is so."))


def at_length(scene: Scene, said: tuple[str, ...], tools_ran: bool) -> Reply:
    """More words than one message of most platforms can hold."""
    if ONE not in said:
        return plainly(scene, said, tools_ran)
    words = long_answer().split(" ")
    pieces = [" ".join(words[at : at + 50]) + " " for at in range(0, len(words), 50)]
    return Reply(deltas=(*pieces[:2], scene.hold, *pieces[2:]))


def long_answer() -> str:
    """Words that show when one is missing, doubled or out of order."""
    return " ".join(f"word{number}" for number in range(1, LONG_WORDS + 1))
