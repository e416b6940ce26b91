"""The contract of the adapters as data: each row at each adapter has its tests, or a reason.

A proof is node ids of tests; `file::test[word]` is every case whose id has `word` in it. A reason
is one sentence that says why the row cannot exist there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Adapter = Literal["slack", "discord", "telegram", "web", "terminal", "cron"]
Side = Literal["source", "sink", "both"]
Proof = tuple[str, ...] | str

ADAPTERS: tuple[Adapter, ...] = get_args(Adapter)
PEOPLE: tuple[Adapter, ...] = ("slack", "discord", "telegram", "web", "terminal")
REMOTE: tuple[Adapter, ...] = ("slack", "discord", "telegram")
OWN: tuple[Adapter, ...] = ("web", "terminal")

CLOCK = "A clock has no wire, no chat of its own and nobody who writes: it makes an input of a slot"
NO_POSTS = "What a job says goes out through the adapter of the chat that it names"
NO_SERVER = "Nobody else's server is asked: what is said is pushed to whoever looks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the contract."""

    number: int
    side: Side
    what: str
    proofs: Mapping[Adapter, Proof]


def at(file: str, *names: str) -> tuple[str, ...]:
    """Tests of a file below `tests/`, by their names without `test_`."""
    return tuple(f"tests/{file}::test_{name}" for name in names)


def shared(file: str, *names: str) -> tuple[str, ...]:
    """Tests of this folder that run at every adapter they are named for."""
    return at(f"contracts/platforms/{file}", *names)


def row(
    number: int,
    side: Side,
    what: str,
    *,
    each: tuple[str, ...] = (),
    over: tuple[Adapter, ...] = PEOPLE,
    also: tuple[str, ...] = (),
    **own: Proof,
) -> Row:
    """A row: `each` are tests with a case for every adapter of `over`, `also` are without cases.

    Of its own an adapter has further tests, or a reason, which stands alone.
    """
    proofs: dict[Adapter, Proof] = {}
    for name in ADAPTERS:
        mine = own.pop(name, ())
        if isinstance(mine, str):
            proofs[name] = mine
            continue
        cases = tuple(f"{test}[{name}]" for test in each) if name in over else ()
        proofs[name] = (*cases, *mine, *(also if name in over else ()))
    if own:
        raise ValueError(f"row {number}: {sorted(own)} are no adapters")
    return Row(number=number, side=side, what=what, proofs=proofs)
