"""Pure: what a storm has spent, what was wrong with it, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DOLLAR = 1_000_000


@dataclass(slots=True, kw_only=True)
class Figures:
    """Everything that is counted; amounts are micro-dollars."""

    seed: int
    chats: int
    seconds: float = 0.0
    kills: int = 0
    looks: int = 0
    model_calls: int = 0
    tool_runs: int = 0
    billed: int = 0
    settled: int = 0
    held: int = 0
    raised: int = 0
    cards: Mapping[str, int] = field(default_factory=dict)
    fullest: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By kind of scope what was gone of the limit it came nearest to, ever, and that limit."""

    wrong: list[str] = field(default_factory=list)

    def look(self, fullest: Mapping[str, tuple[int, int]], problems: list[str]) -> None:
        """Take in one reading of the books."""
        self.looks += 1
        self.wrong.extend(problem for problem in problems if problem not in self.wrong)
        for kind, (gone, limit) in fullest.items():
            most, of = self.fullest.get(kind, (0, 1))
            if gone * of >= most * limit:
                self.fullest[kind] = (gone, limit)

    def report(self) -> str:
        """The whole at the end."""
        asked = ", ".join(f"{count} {kind}" for kind, count in sorted(self.cards.items()))
        lines = [
            f"storm of seed {self.seed}: {self.chats} chats, {self.seconds:.0f} s",
            f"model calls       {self.model_calls}",
            f"tool runs         {self.tool_runs}",
            f"kills (SIGKILL)   {self.kills}",
            f"readings          {self.looks} of the books, {len(self.wrong)} problems",
            f"people asked      {asked or 'never'}",
            f"billed            {_dollars(self.billed)} by model and tools",
            f"covered           {_dollars(self.settled)} settled, {_dollars(self.held)} held",
            f"limits raised by  {_dollars(self.raised)}",
            "settled + held at most, of the limit with its raises:",
            *(
                f"  {kind:16}{_dollars(gone)} of {_dollars(limit)}"
                for kind, (gone, limit) in sorted(self.fullest.items())
            ),
        ]
        return "\n".join([*lines, *(f"VIOLATION {each}" for each in self.wrong)])


def _dollars(amount: int) -> str:
    return f"${amount / DOLLAR:,.4f}"
