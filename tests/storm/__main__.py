"""`python -m tests.storm --kills N --seed S`: money spent as fast as it can be, through deaths.

Twenty chats spend against one set of limits while the gateway is killed again and again. Prints
what was spent and how near it came to each limit; exit code 1 if anything went above one.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.storm.figures import Figures
from tests.storm.run import Storm


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one storm and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, help="where state and log are kept")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gatepost-storm-") as temporary:
        place = options.place or Path(temporary)
        place.mkdir(exist_ok=True)
        figures = asyncio.run(storm(place, kills=options.kills, seed=options.seed))
    print(figures.report(), flush=True)
    return 1 if figures.wrong else 0


async def storm(place: Path, *, kills: int, seed: int) -> Figures:
    """Run one storm."""
    async with Storm(place, seed=seed) as running:
        return await running.run(kills=kills)


if __name__ == "__main__":
    sys.exit(main())
