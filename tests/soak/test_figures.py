"""What the soak counts and how it tells it."""

import pytest

from tests.soak.figures import Figures, Life, Sample, answer_to, twice


def test_growth_of_a_life() -> None:
    """A line through what a process held once it had settled."""
    samples = [Sample(at_s=at, rss=(100 + at // 60) << 20, descriptors=9) for at in range(15, 135)]
    assert Life(samples=samples).slope == pytest.approx(1.0, abs=0.3)
    assert Life(samples=samples[:20]).slope is None


def test_answers_that_stand_twice() -> None:
    """By their beginning or their end, whatever lies in between."""
    whole = answer_to(("m1", "m2"), words=3)
    assert twice([whole, answer_to(("m3",), words=1)]) == []
    assert twice([whole, whole]) == ["m1", "m2"]
    assert twice([whole, "This answers m1 m2. word0"]) == ["m1", "m2"]
    assert twice([whole, "over m2."]) == ["m2"]


def test_violations() -> None:
    """Every one of them is told, and the figures before them."""
    figures = Figures(said=2, answered=1, lost={"m2 at web"}, doubles_wrong={"m1 at slack"})
    figures.wrong.append("mail took effect 2 times")
    assert len(figures.violations) == 3
    assert "VIOLATION lost: m2 at web" in figures.report()
    assert "said 2" in figures.line(1)
