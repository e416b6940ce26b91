"""What is remembered of a server's tools, so that a change of one does not go unseen.

Theory of operation. The first sight of a tool under a declaration (effect and tags as configured)
is what the declaration is about; its digest is pinned as `agreed`. A later definition with another
digest is stored beside it: the tool is then offered as the server has it now, but counts as
undeclared until an operator agrees to that digest, or until the server takes the change back. A
new declaration of the operator's starts anew. Definitions are stored too, so that tools are known
before their server has started: a stored call finds its tool.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from agent.tools.mcp_definitions import Definition, ToolTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One tool: as last seen, the digest that was agreed to, and under which declaration."""

    definition: Definition
    agreed: str
    declaration: str

    @property
    def changed(self) -> bool:
        """Whether the tool is no longer what was agreed to."""
        return self.definition.digest != self.agreed

    def declared(self, terms: ToolTerms) -> bool:
        """Whether what the operator declares holds for the tool as it is now."""
        return terms.effect is not None and not self.changed


class Pins(Protocol):
    """Where pins are kept: they outlive the process. Either method may raise; nothing is assumed.

    A tool is known by server and name; `keep` puts each in place of the one before.
    """

    async def of(self, server: str) -> tuple[Pin, ...]:
        """All pins of one server."""

    async def keep(self, pins: tuple[Pin, ...]) -> None:
        """Store pins, all or none."""


class MemoryPins:
    """Pins that last as long as the process."""

    def __init__(self) -> None:
        self._pins: dict[tuple[str, str], Pin] = {}

    async def of(self, server: str) -> tuple[Pin, ...]:
        """All pins of one server."""
        return tuple(pin for (of, _), pin in self._pins.items() if of == server)

    async def keep(self, pins: tuple[Pin, ...]) -> None:
        """Store pins."""
        self._pins.update({(p.definition.server, p.definition.tool): p for p in pins})


def seen(before: Pin | None, definition: Definition, terms: ToolTerms) -> Pin:
    """The pin of a tool that its server has just described."""
    if before is None or before.declaration != terms.declaration:
        return Pin(definition=definition, agreed=definition.digest, declaration=terms.declaration)
    return replace(before, definition=definition)


def agreed(before: Pin) -> Pin:
    """The pin after an operator has agreed to the tool as it is."""
    return replace(before, agreed=before.definition.digest)
