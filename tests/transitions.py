"""Transitions for tests that write rows of their own."""

from typing import Final

from gateway.store.base import Durability, Transition

SYNCED: Final = Transition(name="test.synced", durability=Durability.POWER)
KEPT: Final = Transition(name="test.kept", durability=Durability.PROCESS)
