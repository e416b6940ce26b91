"""What model calls share beyond one turn: breakers, memos, rests of summaries, clocks, chance."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from agent.folding import SummaryRests
from agent.health import Health
from agent.memos import Memos


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRoom:
    """One for a process; a turn of its own may have another.

    `now` is microseconds since 1970, `clock` seconds of any one origin, `jitter` between 0 and 1.
    `superseded` counts by entry what still came of attempts that were over.
    """

    health: Health = field(default_factory=Health)
    memos: Memos = field(default_factory=Memos)
    summaries: SummaryRests = field(default_factory=SummaryRests)
    superseded: Counter[str] = field(default_factory=Counter)
    now: Callable[[], int] = lambda: time.time_ns() // 1_000
    clock: Callable[[], float] = lambda: asyncio.get_running_loop().time()
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
