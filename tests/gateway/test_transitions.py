"""The table of transitions: names once, and each explained to whoever runs the gateway."""

import re
from pathlib import Path

from gateway.store import transitions

MANUAL = Path(__file__).parents[2] / "docs" / "delivery.md"
LINE = re.compile(r"^\| `([a-z_.]+)` \| (power|process) \| .+ \|$", re.MULTILINE)


def test_every_transition_has_a_name_of_its_own() -> None:
    """The kill matrix tells them apart by name."""
    names = [transition.name for transition in transitions.ALL]
    assert len(set(names)) == len(names)


def test_the_manual_explains_every_transition() -> None:
    """Each with what it survives, and no other."""
    told = dict(LINE.findall(MANUAL.read_text()))
    assert told == {t.name: t.durability.value for t in transitions.ALL}
