"""SIGKILL before and after every named write, then a restart: nothing lost, nothing twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from gateway.store import transitions
from tests.kill.matrix import OUTCOME, RECORD
from tests.kill.people import PEOPLE_AT
from tests.kill.scene import Death, Scene
from tests.kill.stories import STORIES
from tests.kill.story import Story
from tests.kill.victim import MOMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One death in one story at one surface."""

    death: Death
    story: Story
    surface: str

    def __str__(self) -> str:
        death = self.death
        nth = f"-{death.nth}" if death.nth > 1 else ""
        return f"{death.transition}{nth}-{death.moment}-{self.story.name}-{self.surface}"


POSSIBLE = {
    story.name: tuple(name for name, make in PEOPLE_AT.items() if story.possible(make()))
    for story in STORIES
}
TWICE = {transitions.ROW_DEPARTED.name, transitions.ROW_SETTLED.name}
"""Writes whose second time, the final text's, is tried in the quick set too."""


def every() -> Iterator[Case]:
    """All there is."""
    for story in STORIES:
        for transition, times in story.passes.items():
            for nth in range(1, times + 1):
                for moment in MOMENTS:
                    death = Death(transition=transition, moment=moment, nth=nth)
                    for surface in POSSIBLE[story.name]:
                        yield Case(death=death, story=story, surface=surface)


def quick() -> Iterator[Case]:
    """Every write before and after, in the first story that makes it, surfaces in rotation."""
    turn = count()
    for transition in transitions.ALL:
        name = transition.name
        story = next((story for story in STORIES if name in story.passes), None)
        if story is None:
            continue
        for nth in (1, 2) if name in TWICE else (1,):
            for moment in MOMENTS:
                surfaces = POSSIBLE[story.name]
                yield Case(
                    death=Death(transition=name, moment=moment, nth=nth),
                    story=story,
                    surface=surfaces[next(turn) % len(surfaces)],
                )


QUICK = tuple(quick())
REST = tuple(case for case in every() if str(case) not in set(map(str, QUICK)))


def test_every_write_is_reached() -> None:
    """A write that no story makes would never be killed around."""
    passed = {name for story in STORIES for name in story.passes}
    assert {transition.name for transition in transitions.ALL} == passed


@pytest.mark.parametrize("case", QUICK, ids=str)
async def test_kill(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The story ends as it would have without the death, or as a crash may at most leave it."""
    await _play(case, tmp_path, request)


@pytest.mark.soak
@pytest.mark.parametrize("case", REST, ids=str)
async def test_kill_everywhere(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same for every surface, story and further write of the same name."""
    await _play(case, tmp_path, request)


async def _play(case: Case, path: Path, request: pytest.FixtureRequest) -> None:
    cell = (f"{case.death.transition}", case.death.moment, case.surface)
    request.node.user_properties.append((RECORD, cell))
    async with Scene(PEOPLE_AT[case.surface](), case.story, path) as scene:
        first = (case.story.first,) if case.story.first is not None else ()
        problems = await scene.run(*first, case.death)
        assert not problems, "\n".join(problems)
        outcome = "double" if scene.extra else "ok"
        request.node.user_properties.append((OUTCOME, outcome))
