"""The run itself: the child and its deaths, the people and what they wait for, the counting."""

import asyncio
import random
import re
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.kill import books
from tests.kill.effects import (
    ASKED,
    BUY,
    FIND,
    LOOK,
    MAIL,
    NEVER_TWICE,
    NOTE,
    ORDER,
    RENT,
    STAMP,
    charged,
    runs,
)
from tests.kill.nursery import ROOT
from tests.kill.people import (
    DiscordPerson,
    Person,
    SlackPerson,
    TelegramPerson,
    TerminalPerson,
    WebPerson,
)
from tests.kill.requests import kind_of
from tests.kill.scene import MODEL_PRICE, READ_MICROS, WRITTEN_MICROS, news
from tests.scenarios.stage import KEY, Stage
from tests.soak.figures import Figures, Life, Sample, answer_to, twice
from tests.wire.openai import CallTool, OpenAIServer, Reply
from tests.wire.openai.script import usage_of

SHORT_LIFE_S, LONG_LIFE_S, LONG_SHARE = (22.0, 45.0), (100.0, 200.0), 0.2
"""How long the gateway lives: a turn that sees three deaths in a minute would be given up, and
only a long life tells of growth."""

STOP_SHARE = 0.3
THINK_S = (0.05, 1.0)
PER_MINUTE = 18
"""What one person says in a minute at most: more is refused by design."""

SESSION_LENGTH = 40
LOST_AFTER_S = 120.0
DELTA_PAUSE_S = 0.15
"""Slow enough that deaths come in the middle of answers."""

SAMPLE_EVERY_S = 2.0
STOP_WITHIN_S = 40.0
START_WITHIN_S = 100.0

KINDS = ("plain",) * 10 + ("work",) * 4 + ("long", "mail", "find", "rent") + ("buy",) * 3
TOOLS = {
    "work": (LOOK, NOTE, STAMP, ORDER),
    "mail": (MAIL,),
    "find": (FIND,),
    "rent": (RENT,),
    "buy": (BUY,),
}
IN_DOUBT = "Skip"
WRITE_ON = "write on"
DECISIONS = ("Approve once",) * 5 + ("Deny",) * 3 + (WRITE_ON,) * 2
"""What people do about a card: yes, no, or they say something else in place of a decision."""

LIMITS = {
    "turn": 10_000_000,
    "session": 1_000_000_000,
    "chat_day": 1_000_000_000,
    "user_day": 1_000_000_000,
    "org_month": 10_000_000_000,
}
BUDGET = "[budget]\n" + "\n".join(f"{kind} = {most // 10**6}" for kind, most in LIMITS.items())
"""Far above what people here spend: that a limit holds is the storm's affair."""

_ASKED = re.compile(r"(plain|work|long|mail|find|rent|buy) (m\d+)")


class Soak(Stage):
    """`async with Soak(...) as soak: figures = await soak.run(minutes=...)`."""

    def __init__(self, path: Path, *, seed: int) -> None:
        self.people: tuple[Person, ...] = (
            WebPerson(),
            TerminalPerson(),
            TelegramPerson(),
            DiscordPerson(),
            SlackPerson(),
        )
        super().__init__(*self.people, path=path, price=MODEL_PRICE, extra=BUDGET)
        self.model = OpenAIServer(key=KEY, default=self._reply, delta_pause_s=DELTA_PAUSE_S)
        self.figures = Figures()
        self._chance = random.Random(seed)
        self._effects = path / "effects"
        self._numbers = 0
        self._open: dict[str, tuple[Person, float]] = {}
        self._decided: set[str] = set()
        self._billed = 0
        self._child: asyncio.subprocess.Process | None = None
        self._ready_at = 0.0
        self._ending = asyncio.Event()

    async def start(self) -> None:
        """Write the configuration and start the first child."""
        file = self.path / "gatepost.toml"
        file.write_text(self._config())
        file.chmod(0o600)
        await self._live(first=True)

    async def run(self, *, minutes: float) -> Figures:
        """Let people and deaths go on for so long, then wait for every answer."""
        tasks = [asyncio.create_task(self._person(person)) for person in self.people]
        tasks += [asyncio.create_task(work()) for work in (self._deaths, self._measure, self._tell)]
        ended = asyncio.create_task(self._end_after(minutes * 60))
        try:
            done, _ = await asyncio.wait((*tasks, ended), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # whoever ends before the time has failed
        finally:
            self._ending.set()
            await self._finish(tasks)
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
        await self._strike()

    # The gateway.

    async def _live(self, *, first: bool = False) -> None:
        began = time.monotonic()
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
                raise AssertionError(f"the gateway did not start; see {log.name}")
        self._ready_at = time.monotonic()
        self.figures.starts_s.append(self._ready_at - began)
        self.figures.lives.append(Life())
        for person in self.people:
            await (person.meet(self) if first else person.come_back(self))

    async def _deaths(self) -> None:
        while True:
            long = self._chance.random() < LONG_SHARE
            await asyncio.sleep(self._chance.uniform(*(LONG_LIFE_S if long else SHORT_LIFE_S)))
            await self._die(stop=self._chance.random() < STOP_SHARE)
            await self._live()

    async def _die(self, *, stop: bool) -> None:
        assert self._child is not None
        if stop:
            self.figures.stops += 1
            self._child.terminate()
            async with asyncio.timeout(STOP_WITHIN_S):
                code = await self._child.wait()
            if code != 0:
                self.figures.wrong.append(f"a stop ended with code {code}")
            return
        self.figures.kills += 1
        self._child.kill()
        await self._child.wait()

    # People.

    async def _person(self, person: Person) -> None:
        """Say things and wait for their answers, for ever."""
        said = 0
        lately: deque[float] = deque(maxlen=PER_MINUTE)
        while not self._ending.is_set():
            burst = self._chance.choice((1, 1, 1, 2, 3))
            tokens = []
            for _ in range(burst):
                await _pace(lately)
                tokens.append(await self._say(person))
            await self._answered(person, tokens)
            said += burst
            if self._chance.random() < 0.03:
                await person.malformed()
            if said >= SESSION_LENGTH:
                await _pace(lately)
                await person.give("new")
                said = 0
            await asyncio.sleep(self._chance.uniform(*THINK_S))

    async def _say(self, person: Person) -> str:
        self._numbers += 1
        token = f"m{self._numbers}"
        self._open[token] = (person, time.monotonic())
        self.figures.said += 1
        group = person.has_groups and self._chance.random() < 0.1
        text = f"{self._chance.choice(KINDS)} {token}"
        message = await person.say(text, group=group, mention=group)
        if person.has_groups and self._chance.random() < 0.05:
            await person.redeliver(message)
        return token

    async def _answered(self, person: Person, tokens: list[str]) -> None:
        """Wait until each was answered, or for so long that it counts as lost."""
        waiting = set(tokens)
        while waiting:
            position = person.position
            waiting -= {token for token in waiting if self._stands(person, token)}
            if not waiting:
                return
            late = min(self._open[token][1] for token in waiting) + LOST_AFTER_S
            if time.monotonic() > late:
                self.figures.lost |= {f"{token} at {person.name}" for token in waiting}
                return
            with suppress(TimeoutError, AssertionError):  # nothing new for a while: look again
                async with asyncio.timeout(max(0.1, late - time.monotonic())):
                    await person.changed(position)
            await person.press(IN_DOUBT)
            if await self._decide(person) == WRITE_ON:
                waiting.add(await self._say(person))

    async def _decide(self, person: Person) -> str | None:
        """Do what people do about a card, once each; None where there is none."""
        for group in (False, True) if person.has_groups else (False,):
            for card in person.cards(group=group):
                asks = kind_of(card.text) == "approval" and card.is_open
                if not asks or card.code in self._decided:
                    continue
                self._decided.add(card.code)
                words = self._chance.choice(DECISIONS)
                self.figures.asked += 1
                if words != WRITE_ON:
                    await person.choose(card, words)
                return words
        return None

    def _stands(self, person: Person, token: str) -> bool:
        """Whether an answer's last words stand in a chat of this person."""
        end = f"over {token}."
        for group in (False, True) if person.has_groups else (False,):
            if any(end in text for text in reversed(person.shown(group=group)[-40:])):
                del self._open[token]
                self.figures.answered += 1
                return True
        return False

    # The model.

    def _reply(self, request: Mapping[str, Any]) -> Reply:
        self.figures.model_calls += 1
        reply = self._words(request)
        usage = usage_of(reply, request)
        self._billed += usage["prompt_tokens"] * READ_MICROS
        self._billed += usage["completion_tokens"] * WRITTEN_MICROS
        return reply

    def _words(self, request: Mapping[str, Any]) -> Reply:
        said, tools_ran = news(request["messages"])
        asked = _ASKED.findall("\n".join(said))
        if not asked:
            return Reply(deltas=("There is nothing to answer.",))
        kinds = [kind for kind, _ in asked]
        names = [name for kind in dict.fromkeys(kinds) for name in TOOLS.get(kind, ())]
        if names and not tools_ran:
            calls = tuple(CallTool(name=name, arguments="{}", id=f"call_{name}") for name in names)
            return Reply(deltas=("Let me see. ",), calls=calls)
        whole = answer_to([token for _, token in asked], words=900 if "long" in kinds else 20)
        return Reply(deltas=tuple(whole[at : at + 80] for at in range(0, len(whole), 80)))

    # Counting.

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            wal = self.path / "state" / "gatepost.db-wal"
            if wal.exists():
                self.figures.wal_bytes = max(self.figures.wal_bytes, wal.stat().st_size)
            if self._child is None or self._child.returncode is not None:
                continue
            with suppress(psutil.Error):
                process = psutil.Process(self._child.pid)
                sample = Sample(
                    at_s=time.monotonic() - self._ready_at,
                    rss=process.memory_info().rss,
                    descriptors=process.num_fds(),
                )
                self.figures.lives[-1].samples.append(sample)

    async def _tell(self) -> None:
        minute = 0
        while True:
            await asyncio.sleep(60)
            minute += 1
            self._audit()
            print(self.figures.line(minute), flush=True)

    def _audit(self) -> None:
        """Nothing that stands may be said twice, but on Telegram after a crash."""
        for person in self.people:
            for group in (False, True) if person.has_groups else (False,):
                found = {f"{token} at {person.name}" for token in twice(person.shown(group=group))}
                if person.doubles:
                    self.figures.doubles_allowed |= found
                else:
                    self.figures.doubles_wrong |= found
        if len(self.figures.doubles_allowed) > self.figures.kills:
            self.figures.wrong.append("more doubles than crashes")

    async def _end_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _finish(self, tasks: "list[asyncio.Task[None]]") -> None:
        """No further deaths; whoever still waits for an answer may get it."""
        *people, deaths, measure, tell = tasks
        deaths.cancel()
        tell.cancel()
        await asyncio.gather(deaths, tell, return_exceptions=True)
        if self._child is None or self._child.returncode is not None:
            await self._live()
        _, late = await asyncio.wait(people, timeout=LOST_AFTER_S)
        for task in (*late, measure):
            task.cancel()
        ended = await asyncio.gather(*people, measure, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                self.figures.wrong.append(f"a person gave up: {error!r}")
        self.figures.lost |= {f"{t} at {person.name}" for t, (person, _) in self._open.items()}
        await self._die(stop=True)
        self._audit()
        self._look_into_the_rows()

    def _look_into_the_rows(self) -> None:
        for (name, call), times in runs(self._effects).items():
            if name in NEVER_TWICE and times > 1:
                self.figures.wrong.append(f"{name} took effect {times} times for {call}")
        path = self.path / "state" / "gatepost.db"
        found = books.read(path)
        self.figures.spent = sum(each.covers for each in found.reservations.values())
        self.figures.wrong += found.problems({**books.LIMITS, **LIMITS})
        self.figures.wrong += books.uncovered(path, charged(self._effects))
        self.figures.wrong += books.unapproved(path, runs(self._effects), ASKED)
        if self._billed > found.of("model"):
            self.figures.wrong.append(f"the model billed {self._billed} of {found.of('model')}")
        with closing(sqlite3.connect(path)) as database:
            for what, query in _QUERIES.items():
                if rows := database.execute(query).fetchall():
                    self.figures.wrong.append(f"{what}: {rows[:5]}")


async def _pace(lately: "deque[float]") -> None:
    """Wait until one more message is within what a person may say in a minute."""
    if len(lately) == PER_MINUTE:
        await asyncio.sleep(max(0.0, lately[0] + 61.0 - time.monotonic()))
    lately.append(time.monotonic())


_QUERIES = {
    "events that wait": "SELECT id, state, lane FROM inbox WHERE state IN ('new', 'claimed')",
    "turns that are open": "SELECT id, state FROM turn WHERE state IN ('open', 'waiting')",
    "requests that wait": "SELECT id, tool FROM request WHERE state = 'pending'",
    "work that goes on": "SELECT call_id, tool, state FROM remote_job WHERE state <> 'ended'",
    "turns that failed": "SELECT id, state, error FROM turn WHERE state IN ('failed', 'halted')",
    "rows that wait": "SELECT id, op, state FROM outbox WHERE state IN ('pending', 'in_flight')",
    "rows that died": "SELECT id, op, reason FROM outbox WHERE state = 'dead'",
}
