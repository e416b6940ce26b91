"""What is wrong with a configuration, as values: every fault names its place and its fix."""

from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("providers", 0, "model")`; numbers count list items from 0."""


class Wrong(ValueError):
    """A value is refused: what is wrong with it, and what to write instead.

    `at` leads from the value that was read to the one below it that is to blame.
    """

    def __init__(self, problem: str, fix: str, *, at: KeyPath = ()) -> None:
        super().__init__(f"{problem}; {fix}")
        self.problem = problem
        self.fix = fix
        self.at = at


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to change. `line` is None where no line of the file is to blame."""

    file: Path | None
    line: int | None
    key: str
    problem: str
    fix: str

    def __str__(self) -> str:
        place = str(self.file) if self.file else "no configuration file"
        where = f"{place}:{self.line}" if self.line else place
        return ": ".join(part for part in (where, self.key, f"{self.problem}; {self.fix}") if part)


class ConfigError(GatewayError):
    """The configuration cannot be used: show one line per fault, end with code 78."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
