"""A model that spends as fast as it can, in twenty chats, through deaths: no limit is passed."""

from pathlib import Path

import pytest

from tests.kill.matrix import TOLD
from tests.storm.figures import Figures
from tests.storm.run import Storm


@pytest.mark.timeout(600)
async def test_storm(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Three deaths; it takes its time because the gateway starts four times."""
    async with Storm(tmp_path, seed=7, life_s=(1.5, 3.5)) as storm:
        figures = await storm.run(kills=3)
    _judge(figures, request)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
async def test_storm_at_length(seed: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Thirty deaths, until the month's limit is reached too."""
    async with Storm(tmp_path, seed=seed) as storm:
        figures = await storm.run(kills=30)
    _judge(figures, request)


def _judge(figures: Figures, request: pytest.FixtureRequest) -> None:
    request.node.user_properties.append((TOLD, figures.report()))
    assert not figures.wrong, "\n".join(figures.wrong)
    assert figures.model_calls and figures.tool_runs
    assert figures.billed <= figures.settled + figures.held


def test_figures() -> None:
    """What came nearest to its limit is kept, and a problem is told once."""
    figures = Figures(seed=1, chats=2)
    figures.look({"turn": (4, 10), "session": (1, 50)}, ["too much"])
    figures.look({"turn": (9, 30), "session": (2, 50)}, ["too much"])
    assert figures.fullest == {"turn": (4, 10), "session": (2, 50)}
    assert figures.wrong == ["too much"]
    assert "VIOLATION too much" in figures.report()
