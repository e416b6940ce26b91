"""The storm itself: a model that only spends, people who decide by chance, deaths, and a reader.

A real gateway runs as a process of its own over one directory. Twenty chats talk to it at once;
its model answers every request with priced calls, some of which a rule allows and some of which
people are asked about. It is killed at moments of chance. The books are read all the while, and
after every death before it starts again.
"""

import asyncio
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.kill import books
from tests.kill.effects import ASKED, BUY, KEEP, NEVER_TWICE, RENT, charged, runs
from tests.kill.nursery import ROOT
from tests.scenarios.stage import KEY, Stage
from tests.storm.figures import DOLLAR, Figures
from tests.storm.town import Place, Town
from tests.wire.openai import CallTool, OpenAIServer, Reply
from tests.wire.openai.script import usage_of
from tests.wire.search_api import KEY as SEARCH_KEY
from tests.wire.search_api import SearchApiServer

READ_MICROS, WRITTEN_MICROS, MAX_OUTPUT = 3, 15, 2_000
"""What a token costs in micro-dollars, which is dollars per million tokens."""

SEARCH_PRICE = DOLLAR // 20
DELTA_PAUSE_S, SEARCH_S = 0.02, 0.15
"""The far sides take their time, so that deaths come in the middle of calls."""

ASKED_SHARE = 0.12
"""Of the model's steps, those that want something people must be asked about."""

LIMITS: Mapping[str, int] = {
    "turn": DOLLAR // 2,
    "session": 3 * DOLLAR // 2,
    "chat_day": 5 * DOLLAR,
    "user_day": 7 * DOLLAR // 2,
    "org_month": 20 * DOLLAR,
    "background_day": DOLLAR,
}
CONFIG = f"""
[budget]
{{budget}}

[approvals]
approvers = {{approvers}}

[tools.web_search]
base_url = "{{search}}/res/v1"
api_key = "{SEARCH_KEY}"
price = {SEARCH_PRICE / DOLLAR}

[[policy]]
id = "storm"
tool = "web_search"
when = {{{{ query = {{{{ glob = "storm *" }}}} }}}}
ceiling = {{{{ max = "$0.10" }}}}
verdict = "allow"
match = [{{{{ args = {{{{ query = "storm 1" }}}} }}}}]
no_match = [{{{{ args = {{{{ query = "calm" }}}} }}}}]
"""

LIFE_S = (1.5, 5.0)
THINK_S = (0.1, 1.0)
TALK_S = 4.0
"""Between two messages of one chat at least: a person may write twenty a minute."""

LOOK_S = 0.3
START_WITHIN_S = 100.0
DONE_LABELS = ("Approve", "Deny", "Raise", "+$", "Stop", "Mark done", "Run again", "Skip")


class SlowSearch(SearchApiServer):
    """A search API that has charged for a query before it answers."""

    async def _search(self, request: web.Request) -> web.Response:
        answer = await super()._search(request)
        await asyncio.sleep(SEARCH_S)
        return answer


class Storm(Stage):
    """`async with Storm(path, seed=...) as storm: figures = await storm.run(kills=...)`."""

    def __init__(self, path: Path, *, seed: int, life_s: tuple[float, float] = LIFE_S) -> None:
        """`life_s` is how long the gateway lives between two deaths, at least and at most."""
        self.town = Town()
        self.search = SlowSearch()
        super().__init__(
            self.town,
            path=path,
            enabled=("web_search",),
            price=f"max_output_tokens = {MAX_OUTPUT}\n"
            f"price = {{ input = {READ_MICROS}, output = {WRITTEN_MICROS} }}",
            owners=self.town.everybody[:1],
        )
        self.model = OpenAIServer(
            key=KEY, default=self._spends, delta_pause_s=DELTA_PAUSE_S, context_window=1_000_000
        )
        self.figures = Figures(seed=seed, chats=len(self.town.places))
        self._chance = random.Random(seed)
        self._life_s = life_s
        self._effects = path / "effects"
        self._numbers = 0
        self._billed: Counter[str] = Counter()
        self._child: asyncio.subprocess.Process | None = None
        self._lives = asyncio.Event()

    async def __aenter__(self) -> "Storm":
        await self.search.__aenter__()
        await super().__aenter__()
        return self

    async def start(self) -> None:
        """Write the configuration and start the first child."""
        budget = "\n".join(f"{kind} = {most / DOLLAR}" for kind, most in LIMITS.items())
        self._extra = CONFIG.format(
            budget=budget, approvers=self.town.everybody, search=self.search.url
        )
        file = self.path / "gatepost.toml"
        file.write_text(self._config())
        file.chmod(0o600)
        await self._live()

    async def run(self, *, kills: int) -> Figures:
        """Let it rage through so many deaths, then stop and read once more."""
        began = time.monotonic()
        work = [asyncio.create_task(self._talk(place)) for place in self.town.places]
        work.append(asyncio.create_task(self._read_on()))
        dying = asyncio.create_task(self._die_often(kills))
        try:
            done, _ = await asyncio.wait((*work, dying), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*work, dying):
                task.cancel()
            await asyncio.gather(*work, dying, return_exceptions=True)
        await self._end()
        self.figures.seconds = time.monotonic() - began
        self._look()
        self._sum_up()
        return self.figures

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.wait()
        await self.search.close()
        await self._strike()

    # The gateway.

    async def _live(self) -> None:
        with (self.path / "gateway.log").open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.soak.child",
                str(self.path / "gatepost.toml"),
                str(self._effects),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._child.stdout is not None
        async with asyncio.timeout(START_WITHIN_S):
            if await self._child.stdout.readline() != b"ready\n":
                told = (self.path / "gateway.log").read_text()[-2_000:]
                raise AssertionError(f"the gateway did not start: {told}")
        self._lives.set()

    async def _die_often(self, kills: int) -> None:
        """Kill it, read what it left, start it again; at the end it lives on for a moment."""
        for _ in range(kills):
            await asyncio.sleep(self._chance.uniform(*self._life_s))
            assert self._child is not None
            self._lives.clear()
            self._child.kill()
            await self._child.wait()
            self.figures.kills += 1
            self._look()
            await self._live()
        await asyncio.sleep(self._chance.uniform(*self._life_s))
        # On a slow machine no life may have been long enough so far.
        await self.search.seen(lambda seen: seen.operation == "search")

    async def _end(self) -> None:
        assert self._child is not None
        if self._child.returncode is None:
            self._child.terminate()
            await self._child.wait()

    # People.

    async def _talk(self, place: Place) -> None:
        """Say something, decide what is asked by chance, and say something again."""
        said_at = 0.0
        while True:
            cards = self.town.open_cards(place)
            if cards and self._chance.random() < 0.8:
                card = self._chance.choice(cards)
                labels = [each for each in card.labels if each.startswith(DONE_LABELS)]
                if labels:
                    await self.town.decide(place, card, self._chance.choice(labels))
            elif time.monotonic() - said_at > TALK_S:
                said_at = time.monotonic()
                await self._say(place)
            await asyncio.sleep(self._chance.uniform(*THINK_S))

    async def _say(self, place: Place) -> None:
        match self._chance.random():
            case chance if chance < 0.05:
                await self.town.order(place, "auto $1 1h")
            case chance if chance < 0.15:
                await self.town.order(place, "new")
            case chance if chance < 0.2:
                await self.town.order(place, "stop")
            case _:
                await self.town.tell(place, "Spend on.")

    # The model, which never has enough.

    def _spends(self, request: Mapping[str, Any]) -> Reply:
        reply = Reply(deltas=("More. ",), calls=tuple(self._calls()))
        counted = usage_of(reply, request)
        written = self._chance.randint(200, MAX_OUTPUT)
        read = counted["prompt_tokens"]
        self._billed["model"] += read * READ_MICROS + written * WRITTEN_MICROS
        self.figures.model_calls += 1
        usage = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
        return replace(reply, usage=usage)

    def _calls(self) -> list[CallTool]:
        names = ["web_search"] * self._chance.randint(1, 3)
        if self._chance.random() < ASKED_SHARE:
            names.append(self._chance.choice((BUY, RENT, KEEP)))
        calls = []
        for name in names:
            self._numbers += 1
            query = f'{{"query": "storm {self._numbers}"}}' if name == "web_search" else "{}"
            calls.append(CallTool(name=name, arguments=query, id=f"call_{self._numbers}"))
        return calls

    # The books.

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._lives.wait()
            self._look()

    def _look(self) -> None:
        found = books.read(self._database)
        self.figures.look(found.fullest(LIMITS), found.problems(LIMITS))

    def _sum_up(self) -> None:
        """What the far sides charged against what the books cover, call by call."""
        figures, found = self.figures, books.read(self._database)
        searched = self._searched()
        self._billed["tools"] = sum(charged(self._effects).values())
        self._billed["searches"] = sum(searched.values())
        figures.billed = sum(self._billed.values())
        figures.tool_runs = len(self.search.requests("search")) + sum(runs(self._effects).values())
        paid = [each for each in found.reservations.values() if each.state != "released"]
        figures.settled = sum(each.covers for each in paid if each.state != "held")
        figures.held = sum(each.covers for each in paid if each.state == "held")
        figures.raised = sum(balance.raised for balance in found.balances.values())
        figures.wrong += books.uncovered(self._database, charged(self._effects) + searched)
        if self._billed["model"] > found.of("model"):
            figures.wrong.append(f"the model billed {self._billed['model']}: {found.of('model')}")
        counted = runs(self._effects)
        figures.wrong += books.unapproved(self._database, counted, ASKED)
        for (name, call), times in counted.items():
            if name in NEVER_TWICE and times > 1:
                figures.wrong.append(f"{name} ran {times} times for {call}")
        with closing(sqlite3.connect(self._database)) as opened:
            figures.cards = dict(
                opened.execute("SELECT kind || ' ' || state, COUNT(*) FROM card GROUP BY 1")
            )

    def _searched(self) -> Counter[str]:
        """What the search API charges for each call: a query stands for the call it is of."""
        queries = Counter(seen.arguments["q"] for seen in self.search.requests("search"))
        with closing(sqlite3.connect(self._database)) as opened:
            calls = {
                str(query): str(ident)
                for ident, query in opened.execute(
                    "SELECT id, json_extract(canonical, '$.query') FROM tool_call"
                    " WHERE tool = 'web_search' AND canonical IS NOT NULL"
                )
            }
        return Counter({calls[q]: times * SEARCH_PRICE for q, times in queries.items()})

    @property
    def _database(self) -> Path:
        return self.path / "state" / "gatepost.db"
