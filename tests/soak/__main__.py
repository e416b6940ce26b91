"""`python -m tests.soak --minutes N --seed S`: people everywhere, and a gateway that often dies.

All surfaces talk to one gateway at once, which is killed or stopped every half minute or so and
started again. Exit code 1 if anything was lost, stands twice where it may not, or ran twice.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.soak.figures import Figures
from tests.soak.run import Soak


def main(arguments: Sequence[str] | None = None) -> int:
    """Run for the chosen time and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, help="where state and log are kept")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gatepost-soak-") as temporary:
        place = options.place or Path(temporary)
        place.mkdir(exist_ok=True)
        figures = asyncio.run(soak(place, minutes=options.minutes, seed=options.seed))
    print(figures.report(), flush=True)
    return 1 if figures.violations else 0


async def soak(place: Path, *, minutes: float, seed: int) -> Figures:
    """Run one soak."""
    async with Soak(place, seed=seed) as running:
        return await running.run(minutes=minutes)


if __name__ == "__main__":
    sys.exit(main())
